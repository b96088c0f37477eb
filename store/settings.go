package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"sallyport/auth"
	"sallyport/seal"
)

const (
	selectClients = `SELECT id, name, door, application, source, mode, password, secrets, lax, rate, attributes, created_us, origin, origins FROM client`
	selectGroups  = `SELECT name, attributes, created_us FROM account_group`
)

// loadSettings reads all settings, within the transaction that is open on the
// session, if one is.
func loadSettings(w *session, ring *seal.Keyring) (*auth.Settings, error) {
	version, err := w.meta("settings")
	if err != nil {
		return nil, err
	}
	settings := &auth.Settings{Version: version}
	err = w.query(`SELECT name, created_us FROM application ORDER BY name`, func(rows *sql.Rows) error {
		var a auth.Application
		var created int64
		err := rows.Scan(&a.Name, &created)
		a.Created = timeOf(created)
		settings.Applications = append(settings.Applications, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read applications: %w", err)
	}
	err = w.query(selectClients+` ORDER BY name`, func(rows *sql.Rows) error {
		var row clientRow
		if err := rows.Scan(row.fields()...); err != nil {
			return err
		}
		c, err := row.client(ring)
		settings.Clients = append(settings.Clients, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	err = w.query(selectGroups+` ORDER BY name`, func(rows *sql.Rows) error {
		var row groupRow
		if err := rows.Scan(row.fields()...); err != nil {
			return err
		}
		g, err := row.group()
		settings.Groups = append(settings.Groups, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	if err := loadPolicy(w, settings); err != nil {
		return nil, err
	}
	return settings.Index(), nil
}

// A clientRow is one row of the table client.
type clientRow struct {
	id, name, door, application, source, mode, password string
	secrets                                             []byte
	lax                                                 bool
	rate                                                int64
	attributes                                          string
	created                                             int64
	origin, origins                                     string
}

// fields returns where the columns of selectClients are scanned to.
func (r *clientRow) fields() []any {
	return []any{
		&r.id, &r.name, &r.door, &r.application, &r.source, &r.mode, &r.password,
		&r.secrets, &r.lax, &r.rate, &r.attributes, &r.created, &r.origin, &r.origins,
	}
}

// client returns the client of a row, its secrets opened.
func (r *clientRow) client(ring *seal.Keyring) (auth.Client, error) {
	c := auth.Client{
		ID: r.id, Name: r.name, Door: r.door, Application: r.application, Source: r.source,
		Mode: auth.Mode(r.mode), Password: auth.PasswordRule(r.password),
		LaxMessageAuthenticator: r.lax, RatePerSecond: int(r.rate), Created: timeOf(r.created),
		Origin: auth.OriginRule(r.origin),
	}
	var err error
	if c.Attributes, err = attributesOf(r.attributes); err != nil {
		return c, fmt.Errorf("decode attributes of client %s: %w", r.name, err)
	}
	if c.Origins, err = stringsOf(r.origins); err != nil {
		return c, fmt.Errorf("decode origins of client %s: %w", r.name, err)
	}
	plain, err := ring.Open(secretsBinding(r.id), r.secrets)
	if err != nil {
		return c, fmt.Errorf("open secrets of client %s: %w", r.name, err)
	}
	var secrets [][]byte
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return c, fmt.Errorf("decode secrets of client %s: not a list", r.name) // the cause could hold a part of one
	}
	for _, secret := range secrets {
		c.Secrets = append(c.Secrets, secret)
	}
	return c, nil
}

// A groupRow is one row of the table account_group.
type groupRow struct {
	name, attributes string
	created          int64
}

// fields returns where the columns of selectGroups are scanned to.
func (r *groupRow) fields() []any { return []any{&r.name, &r.attributes, &r.created} }

func (r *groupRow) group() (auth.Group, error) {
	g := auth.Group{Name: r.name, Created: timeOf(r.created)}
	var err error
	if g.Attributes, err = attributesOf(r.attributes); err != nil {
		return g, fmt.Errorf("decode attributes of group %s: %w", r.name, err)
	}
	return g, nil
}
