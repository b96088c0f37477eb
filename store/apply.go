package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

// A change in work collects what memory must learn once it is durable. Its
// statements are the same for both databases.
type applying struct {
	w          *session
	ring       *seal.Keyring
	newestMark func(*auth.Authenticator) int64 // with what is spent and not yet in the table spent

	moved    map[string]struct{} // subjects that get a new version and lose their cache entries and open challenges
	news     news                // what else memory must learn
	named    bool                // a name exists that did not before
	settings bool                // applications, clients or groups have changed
	place    int64               // of the newest authenticator
	at       int64               // of the act, microseconds
}

// Apply implements admin.Store. It runs between two groups of logins, so that
// no settlement rests on half of it.
func (s *Store) Apply(ctx context.Context, act admin.Act, changes ...admin.Change) error {
	var own error // of a function in changes; it is the caller's and not wrapped
	err := s.exclusive(ctx, func() error {
		err := s.applyChanges(act, changes)
		var f *functionError
		if errors.As(err, &f) {
			own = f.error
		}
		return err
	})
	switch {
	case err == nil:
		return nil
	case own != nil:
		return own
	}
	return fmt.Errorf("store: apply %s: %w", act.Action, err)
}

// A functionError is the error of a function that a change carried.
type functionError struct{ error }

func (s *Store) applyChanges(act admin.Act, changes []admin.Change) error {
	w := &s.w
	a := &applying{
		w: &w.session, ring: s.ring, newestMark: s.newestMark,
		moved: make(map[string]struct{}), news: newNews(), place: w.lastPlace, at: micros(act.Time),
	}
	var gone []*challenge
	var settings *auth.Settings
	err := w.transaction(func() error {
		for _, c := range changes {
			if err := a.apply(c); err != nil {
				return err
			}
		}
		var err error
		if gone, err = s.void(a.moved); err != nil {
			return err
		}
		if a.settings {
			if _, err := a.w.exec(updateMeta, "settings", s.settings.Load().Version+1); err != nil {
				return err
			}
			if settings, err = loadSettings(a.w, a.ring); err != nil {
				return err
			}
		}
		if act.Action == "" {
			return nil
		}
		return a.w.insertAct(w.lastAct+1, act)
	})
	if err != nil {
		return err
	}
	s.transactions.Add(1)
	if act.Action != "" {
		w.lastAct++
	}
	w.lastPlace = a.place
	w.leftoversRemoved()
	s.mu.Lock()
	s.clock++
	for subject := range a.moved {
		s.move(subject)
		s.cache.drop(subject)
		s.purgeCached(subject)
	}
	for _, c := range gone {
		s.forgetChallenge(c)
	}
	s.learn(&a.news)
	if a.named {
		s.names.Add(1)
	}
	if settings != nil {
		s.settings.Store(settings)
	}
	s.mu.Unlock()
	return nil
}

func (a *applying) apply(c admin.Change) error {
	switch c := c.(type) {
	case admin.AddAccount:
		return a.addAccount(c.Account)
	case admin.UpdateAccount:
		return a.updateAccount(c)
	case admin.ResetThrottle:
		a.moved[c.Subject] = struct{}{}
		_, err := a.w.exec(deleteThrottle, c.Subject)
		return err
	case admin.AddAuthenticator:
		return a.addAuthenticator(c.Authenticator)
	case admin.UpdateAuthenticator:
		return a.updateAuthenticator(c)
	case admin.RemoveAuthenticator:
		return a.removeAuthenticator(c.ID)
	case admin.AddApplication:
		a.settings = true
		return a.add("application", c.Application.Name,
			`INSERT INTO application (name, created_us) VALUES ($1, $2)`, c.Application.Name, micros(c.Application.Created))
	case admin.AddGroup:
		a.settings = true
		return a.add("group", c.Group.Name, `INSERT INTO account_group (name, attributes, created_us) VALUES ($1, $2, $3)`,
			c.Group.Name, textOf(c.Group.Attributes), micros(c.Group.Created))
	case admin.AddClient:
		return a.addClient(c.Client)
	case admin.UpdateClient:
		return a.updateClient(c)
	case admin.UpdateGroup:
		return a.updateGroup(c)
	case admin.RemoveClient:
		return a.removeClient(c.Name)
	}
	return a.applyPolicy(c)
}

func missing(kind, name string) error { return fmt.Errorf("%s %q: %w", kind, name, admin.ErrNotFound) }

func taken(kind, name string) error { return fmt.Errorf("%s %q: %w", kind, name, admin.ErrExists) }

// exists finds out whether a query has a row.
func (a *applying) exists(text string, args ...any) (bool, error) {
	var one int64
	return a.w.one(text, args, &one)
}

// add inserts a row of settings under a name that must be free.
func (a *applying) add(kind, name, insert string, args ...any) error {
	if name == "" {
		return fmt.Errorf("a %s must have a name", kind)
	}
	table := map[string]string{"application": "application", "client": "client", "group": "account_group"}[kind]
	found, err := a.exists(`SELECT 1 FROM `+table+` WHERE name = $1`, name)
	if err != nil {
		return err
	}
	if found {
		return taken(kind, name)
	}
	_, err = a.w.exec(insert, args...)
	return err
}

// claim enters the names of an account that it does not have yet.
func (a *applying) claim(account *auth.Account, have []string) error {
	names := append([]string{account.Name}, account.Aliases...)
	for i, name := range names {
		if name == "" {
			return errors.New("a name of an account cannot be empty")
		}
		if slices.Contains(names[:i], name) {
			return taken("name", name)
		}
	}
	for _, name := range have {
		if !slices.Contains(names, name) {
			if _, err := a.w.exec(`DELETE FROM name WHERE name = $1`, name); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		if slices.Contains(have, name) {
			continue
		}
		found, err := a.exists(`SELECT 1 FROM name WHERE name = $1`, name)
		if err != nil {
			return err
		}
		if found {
			return taken("name", name)
		}
		if _, err := a.w.exec(`INSERT INTO name (name, account) VALUES ($1, $2)`, name, account.ID); err != nil {
			return err
		}
		a.named = true
	}
	return nil
}

func (a *applying) addAccount(account auth.Account) error {
	if account.ID == "" || unknown(account.ID) {
		return fmt.Errorf("an account cannot have the ID %q", account.ID)
	}
	found, err := a.exists(`SELECT 1 FROM account WHERE id = $1`, account.ID)
	if err != nil {
		return err
	}
	if found {
		return taken("account ID", account.ID)
	}
	// The names first, since they say which one is taken; the row that they
	// point to follows, and the database looks at the pair when it is there.
	if found, err = a.exists(`SELECT 1 FROM name WHERE name = $1`, account.Name); err != nil {
		return err
	} else if found {
		return taken("name", account.Name)
	}
	if err := a.roleThere(account.Role); err != nil {
		return err
	}
	_, err = a.w.exec(`INSERT INTO account (id, name, aliases, groups, enabled, blocked, block_reason, blocked_until_us, role, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		account.ID, account.Name, textOf(account.Aliases), textOf(account.Groups), account.Enabled, account.Blocked,
		account.BlockReason, micros(account.BlockedUntil), account.Role, micros(account.Created))
	if err != nil {
		return err
	}
	a.moved[account.ID] = struct{}{}
	return a.claim(&account, nil)
}

func (a *applying) updateAccount(c admin.UpdateAccount) error {
	var row accountRow
	found, err := a.w.one(`SELECT `+accountColumns+` FROM account a WHERE a.id = $1`, []any{c.ID}, row.fields()...)
	if err != nil {
		return err
	}
	if !found {
		return missing("account", c.ID)
	}
	account, err := row.account()
	if err != nil {
		return err
	}
	have, role := append([]string{account.Name}, account.Aliases...), account.Role
	account.Aliases, account.Groups = slices.Clone(account.Aliases), slices.Clone(account.Groups)
	if err := c.Update(&account); err != nil {
		return &functionError{err}
	}
	if account.ID != c.ID {
		return fmt.Errorf("the ID of account %s cannot change", c.ID)
	}
	if account.Role != role {
		if err := a.roleThere(account.Role); err != nil {
			return err
		}
	}
	if err := a.claim(&account, have); err != nil {
		return err
	}
	a.moved[c.ID] = struct{}{}
	_, err = a.w.exec(`UPDATE account SET name = $1, aliases = $2, groups = $3, enabled = $4, blocked = $5,
		block_reason = $6, blocked_until_us = $7, role = $8, created_us = $9 WHERE id = $10`,
		account.Name, textOf(account.Aliases), textOf(account.Groups), account.Enabled, account.Blocked,
		account.BlockReason, micros(account.BlockedUntil), account.Role, micros(account.Created), account.ID)
	return err
}

// holder is what the column authenticator.account holds: NULL for nobody.
func holder(account string) sql.NullString {
	return sql.NullString{String: account, Valid: account != ""}
}

// free makes sure that an account exists and that no other authenticator has
// the serial.
func (a *applying) free(x *auth.Authenticator) error {
	if x.Account != "" {
		found, err := a.exists(`SELECT 1 FROM account WHERE id = $1`, x.Account)
		if err != nil {
			return err
		}
		if !found {
			return missing("account", x.Account)
		}
	}
	if x.Serial != "" {
		found, err := a.exists(`SELECT 1 FROM authenticator WHERE serial = $1 AND id <> $2`, x.Serial, x.ID)
		if err != nil {
			return err
		}
		if found {
			return taken("serial", x.Serial)
		}
	}
	return nil
}

// keep writes the mark of an authenticator, which only rises.
func (a *applying) keep(x *auth.Authenticator) error {
	if x.Mark == auth.NoMark {
		return nil
	}
	_, err := a.w.exec(upsertSpent, x.ID, x.Mark)
	return err
}

func (a *applying) addAuthenticator(x auth.Authenticator) error {
	if x.ID == "" {
		return errors.New("an authenticator must have an ID")
	}
	found, err := a.exists(`SELECT 1 FROM authenticator WHERE id = $1`, x.ID)
	if err != nil {
		return err
	}
	if found {
		return taken("authenticator", x.ID)
	}
	if err := a.free(&x); err != nil {
		return err
	}
	sealed, err := a.ring.Seal(stateBinding(x.ID), x.State)
	if err != nil {
		return err
	}
	a.place++
	if x.Rewound {
		a.news.rewound[x.ID] = true
	}
	_, err = a.w.exec(`INSERT INTO authenticator (place, id, account, factor, label, serial, created_us, state, rewound)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		a.place, x.ID, holder(x.Account), x.Factor, x.Label, holder(x.Serial), micros(x.Created), sealed, x.Rewound)
	if err != nil {
		return err
	}
	if x.Account != "" {
		a.moved[x.Account] = struct{}{}
	}
	return a.keep(&x)
}

func (a *applying) updateAuthenticator(c admin.UpdateAuthenticator) error {
	var row authenticatorRow
	found, err := a.w.one(`SELECT `+authenticatorColumns+authenticatorTables+`WHERE x.id = $1`, []any{c.ID}, row.fields()...)
	if err != nil {
		return err
	}
	if !found {
		return missing("authenticator", c.ID)
	}
	x := row.authenticator()
	x.Mark = a.newestMark(&x)
	state, err := a.ring.Open(stateBinding(x.ID), row.state)
	if err != nil {
		return fmt.Errorf("open state of authenticator %s: %w", x.ID, err)
	}
	x.State = state
	was := x
	if err := c.Update(&x); err != nil {
		return &functionError{err}
	}
	if x.ID != was.ID || x.Factor != was.Factor {
		return fmt.Errorf("ID and factor of authenticator %s cannot change", c.ID)
	}
	// Written even if it has not changed: a mark that is not folded yet is
	// found again by the account that spent it, which may no longer be its own.
	x.Mark = max(x.Mark, was.Mark)
	x.Rewound = x.Rewound && x.Mark == was.Mark // a higher one was found again by a resynchronization
	if x.Rewound != was.Rewound {
		a.news.rewound[x.ID] = x.Rewound
	}
	if err := a.free(&x); err != nil {
		return err
	}
	sealed, err := a.ring.Seal(stateBinding(x.ID), x.State)
	if err != nil {
		return err
	}
	_, err = a.w.exec(`UPDATE authenticator SET account = $1, label = $2, serial = $3, created_us = $4, state = $5, rewound = $6 WHERE id = $7`,
		holder(x.Account), x.Label, holder(x.Serial), micros(x.Created), sealed, x.Rewound, x.ID)
	if err != nil {
		return err
	}
	for _, account := range []string{was.Account, x.Account} {
		if account != "" {
			a.moved[account] = struct{}{}
		}
	}
	return a.keep(&x)
}

// removeAuthenticator leaves the mark: should the same ID ever come back, what
// was spent under it stays spent.
func (a *applying) removeAuthenticator(id string) error {
	var account sql.NullString
	found, err := a.w.one(`SELECT account FROM authenticator WHERE id = $1`, []any{id}, &account)
	if err != nil {
		return err
	}
	if !found {
		return missing("authenticator", id)
	}
	if account.Valid {
		a.moved[account.String] = struct{}{}
	}
	a.news.rewound[id] = false
	_, err = a.w.exec(`DELETE FROM authenticator WHERE id = $1`, id)
	return err
}

func (a *applying) addClient(c auth.Client) error {
	if c.ID == "" {
		return errors.New("a client must have an ID")
	}
	found, err := a.exists(`SELECT 1 FROM client WHERE id = $1`, c.ID)
	if err != nil {
		return err
	}
	if found {
		return taken("client ID", c.ID)
	}
	secrets, err := a.sealSecrets(&c)
	if err != nil {
		return err
	}
	a.settings = true
	return a.add("client", c.Name, `INSERT INTO client
		(id, name, door, application, source, mode, password, secrets, lax, rate, attributes, created_us, origin, origins)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		c.ID, c.Name, c.Door, c.Application, c.Source, string(c.Mode), string(c.Password), secrets,
		c.LaxMessageAuthenticator, int64(c.RatePerSecond), textOf(c.Attributes), micros(c.Created), string(c.Origin), textOf(c.Origins))
}

func (a *applying) sealSecrets(c *auth.Client) ([]byte, error) {
	// Secrets print as "hidden", in JSON too; here they are meant.
	plain := make([][]byte, len(c.Secrets))
	for i, secret := range c.Secrets {
		plain[i] = secret
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	return a.ring.Seal(secretsBinding(c.ID), b)
}

func (a *applying) updateClient(u admin.UpdateClient) error {
	var row clientRow
	found, err := a.w.one(selectClients+` WHERE name = $1`, []any{u.Name}, row.fields()...)
	if err != nil {
		return err
	}
	if !found {
		return missing("client", u.Name)
	}
	c, err := row.client(a.ring)
	if err != nil {
		return err
	}
	if err := u.Update(&c); err != nil {
		return &functionError{err}
	}
	if c.ID != row.id {
		return fmt.Errorf("the ID of client %q cannot change", u.Name)
	}
	if c.Name == "" {
		return errors.New("a client must have a name")
	}
	if c.Name != row.name {
		if found, err = a.exists(`SELECT 1 FROM client WHERE name = $1`, c.Name); err != nil {
			return err
		} else if found {
			return taken("client", c.Name)
		}
		for _, table := range boundToClient {
			if _, err := a.w.exec(`UPDATE `+table+` SET client = $1 WHERE client = $2`, c.Name, row.name); err != nil {
				return err
			}
		}
	}
	secrets, err := a.sealSecrets(&c)
	if err != nil {
		return err
	}
	a.settings = true
	_, err = a.w.exec(`UPDATE client SET name = $1, door = $2, application = $3, source = $4, mode = $5, password = $6,
		secrets = $7, lax = $8, rate = $9, attributes = $10, created_us = $11, origin = $12, origins = $13 WHERE id = $14`,
		c.Name, c.Door, c.Application, c.Source, string(c.Mode), string(c.Password), secrets,
		c.LaxMessageAuthenticator, int64(c.RatePerSecond), textOf(c.Attributes), micros(c.Created), string(c.Origin), textOf(c.Origins), c.ID)
	return err
}

// boundToClient are the tables whose rows are of one client, by its name.
var boundToClient = []string{"session", "api_key"}

// removeClient ends a client with the sessions and API keys that are good for it
// alone: another of the same name shall not inherit them.
func (a *applying) removeClient(name string) error {
	if err := a.removeSetting(`DELETE FROM client WHERE name = $1`, "client", name); err != nil {
		return err
	}
	for _, table := range boundToClient {
		if _, err := a.w.exec(`DELETE FROM `+table+` WHERE client = $1`, name); err != nil {
			return err
		}
	}
	return nil
}

// updateGroup changes a group. Its name stays, because accounts name it.
func (a *applying) updateGroup(u admin.UpdateGroup) error {
	var row groupRow
	found, err := a.w.one(selectGroups+` WHERE name = $1`, []any{u.Name}, row.fields()...)
	if err != nil {
		return err
	}
	if !found {
		return missing("group", u.Name)
	}
	g, err := row.group()
	if err != nil {
		return err
	}
	if err := u.Update(&g); err != nil {
		return &functionError{err}
	}
	if g.Name != u.Name {
		return fmt.Errorf("the name of group %q cannot change", u.Name)
	}
	a.settings = true
	_, err = a.w.exec(`UPDATE account_group SET attributes = $1, created_us = $2 WHERE name = $3`,
		textOf(g.Attributes), micros(g.Created), g.Name)
	return err
}
