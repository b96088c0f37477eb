package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/admin"
	"sallyport/seal"
)

// Sessions, ceremonies, roles and API keys: who may do what in a browser or by a
// program. Tokens and secrets are kept as their hashes, and the body of a
// ceremony is sealed. The statements are the same for both databases.
const (
	sessionColumns = `id, token, account, client, factor, proven_us, created_us, seen_us, expires_us, source, agent`
	insertSession  = `INSERT INTO session (` + sessionColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	selectSession  = `SELECT ` + sessionColumns + ` FROM session WHERE token = $1`
	selectSessions = `SELECT ` + sessionColumns + ` FROM session WHERE expires_us > $1`
	updateSeen     = `UPDATE session SET seen_us = $1 WHERE id = $2 AND seen_us < $1`

	ceremonyColumns  = `id, kind, account, note, tries, created_us, expires_us`
	insertCeremony   = `INSERT INTO ceremony (` + ceremonyColumns + `, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	selectCeremony   = `SELECT ` + ceremonyColumns + `, body FROM ceremony WHERE id = $1`
	selectCeremonies = `SELECT ` + ceremonyColumns + ` FROM ceremony WHERE kind = $1 AND expires_us > $2 ORDER BY created_us, id`

	selectRoles = `SELECT name, permissions, created_us FROM role`

	keyColumns = `name, secret, permissions, client, created_us, expires_us, used_us`
	selectKeys = `SELECT ` + keyColumns + ` FROM api_key`
)

// endedTables are those whose rows end by themselves.
var endedTables = []string{"session", "ceremony"}

// applyIdentity makes changes of who may do what in a browser or by a program.
func (a *applying) applyIdentity(c admin.Change) error {
	switch c := c.(type) {
	case admin.AddSession:
		return a.addSession(c.Session)
	case admin.EndSession:
		return a.remove(`DELETE FROM session WHERE id = $1`, "session", c.ID)
	case admin.EndSessions:
		_, err := a.w.exec(`DELETE FROM session WHERE account = $1 AND id <> $2`, c.Account, c.Except)
		return err
	case admin.RenewSession:
		n, err := a.w.exec(`UPDATE session SET token = $1, factor = $2, proven_us = $3 WHERE id = $4`, c.Token[:], c.Factor, micros(c.Proven), c.ID)
		if err == nil && n == 0 {
			err = missing("session", c.ID)
		}
		return err
	case admin.AddCeremony:
		return a.addCeremony(c.Ceremony, c.Replace)
	case admin.TakeCeremony:
		return a.takeCeremony(c)
	case admin.AddRole:
		return a.addRole(c.Role)
	case admin.UpdateRole:
		return a.updateRole(c)
	case admin.RemoveRole:
		return a.removeRole(c.Name)
	case admin.AddKey:
		return a.addKey(c.Key)
	case admin.UpdateKey:
		return a.updateKey(c)
	case admin.RemoveKey:
		return a.remove(`DELETE FROM api_key WHERE name = $1`, "API key", c.Name)
	case admin.PreferAuthenticator:
		return a.preferAuthenticator(c.ID)
	case admin.RemoveApplication:
		return a.removeApplication(c.Name)
	case admin.RemoveGroup:
		return a.removeGroup(c.Name)
	case admin.RemoveAccount:
		return a.removeAccount(c.ID)
	case admin.KeepOwner:
		return a.keepOwner(c.Role)
	}
	return fmt.Errorf("a change of an unknown kind, %T", c)
}

// remove deletes the one row that must be there.
func (a *applying) remove(text, kind, id string) error {
	n, err := a.w.exec(text, id)
	if err == nil && n == 0 {
		err = missing(kind, id)
	}
	return err
}

// used says that a record cannot be removed, and what refers to it.
func used(kind, name, byKind, by string) error {
	return fmt.Errorf("%s %q is used by %s %q, which %w", kind, name, byKind, by, admin.ErrExists)
}

func (a *applying) accountThere(id string) error {
	found, err := a.exists(`SELECT 1 FROM account WHERE id = $1`, id)
	if err == nil && !found {
		err = missing("account", id)
	}
	return err
}

// addSession keeps a session. What its browser calls itself can be any octets.
func (a *applying) addSession(s admin.Session) error {
	if s.ID == "" {
		return errors.New("a session must have an ID")
	}
	if err := a.accountThere(s.Account); err != nil {
		return err
	}
	found, err := a.exists(`SELECT 1 FROM session WHERE id = $1 OR token = $2`, s.ID, s.Token[:])
	if err != nil {
		return err
	}
	if found {
		return taken("session", s.ID)
	}
	_, err = a.w.exec(insertSession, s.ID, s.Token[:], s.Account, s.Client, s.Factor, micros(s.Proven), micros(s.Created),
		micros(s.Seen), micros(s.Expires), cleanText(s.Source), cleanText(s.Agent))
	return err
}

func scanSession(scan func(dest ...any) error) (s admin.Session, err error) {
	var token []byte
	var proven, created, seen, expires int64
	err = scan(&s.ID, &token, &s.Account, &s.Client, &s.Factor, &proven, &created, &seen, &expires, &s.Source, &s.Agent)
	copy(s.Token[:], token)
	s.Proven, s.Created, s.Seen, s.Expires = timeOf(proven), timeOf(created), timeOf(seen), timeOf(expires)
	return s, err
}

// Session implements admin.Store.
func (s *archive) Session(ctx context.Context, token [32]byte) (admin.Session, error) {
	found, err := scanSession(s.quickDB.QueryRowContext(ctx, selectSession, token[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return admin.Session{}, fmt.Errorf("store: session: %w", admin.ErrNotFound)
	}
	if err != nil {
		return admin.Session{}, fmt.Errorf("store: read session: %w", err)
	}
	found.Seen = s.seenAt(&found)
	return found, nil
}

// Sessions implements admin.Store.
func (s *archive) Sessions(ctx context.Context, account string, now time.Time) ([]admin.Session, error) {
	text, args := selectSessions, []any{micros(now)}
	if account != "" {
		text, args = text+` AND account = $2`, append(args, account)
	}
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (admin.Session, error) {
		found, err := scanSession(rows.Scan)
		found.Seen = s.seenAt(&found)
		return found, err
	}, text+` ORDER BY created_us DESC, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("store: list sessions of %q: %w", account, err)
	}
	return list, nil
}

func (a *applying) addCeremony(c admin.Ceremony, replace bool) error {
	if c.ID == "" || c.Kind == "" {
		return errors.New("a ceremony must have an ID and a kind")
	}
	if c.Account != "" {
		if err := a.accountThere(c.Account); err != nil {
			return err
		}
	}
	if replace {
		text, args := `DELETE FROM ceremony WHERE kind = $1 AND account = $2`, []any{string(c.Kind), c.Account}
		if c.Account == "" {
			text, args = `DELETE FROM ceremony WHERE kind = $1 AND account IS NULL`, args[:1]
		}
		if _, err := a.w.exec(text, args...); err != nil {
			return err
		}
	}
	found, err := a.exists(`SELECT 1 FROM ceremony WHERE id = $1`, c.ID)
	if err != nil {
		return err
	}
	if found {
		return fmt.Errorf("ceremony of kind %s: %w", c.Kind, admin.ErrExists) // its ID can stand for a secret
	}
	sealed, err := a.ring.Seal(bodyBinding(c.ID), c.Body)
	if err != nil {
		return err
	}
	_, err = a.w.exec(insertCeremony, c.ID, string(c.Kind), holder(c.Account), c.Note, int64(c.Tries), micros(c.Created), micros(c.Expires), sealed)
	return err
}

// takeCeremony ends a ceremony. Changes are made one after the other, so that one
// alone finds it.
func (a *applying) takeCeremony(c admin.TakeCeremony) error {
	n, err := a.w.exec(`DELETE FROM ceremony WHERE id = $1 AND expires_us > $2`, c.ID, micros(c.Now))
	if err == nil && n == 0 {
		err = errNoCeremony
	}
	return err
}

var errNoCeremony = fmt.Errorf("ceremony: %w", admin.ErrNotFound)

// scanCeremony scans a row of ceremonyColumns, and what follows them into more.
func scanCeremony(scan func(dest ...any) error, more ...any) (c admin.Ceremony, err error) {
	var account sql.NullString
	var tries, created, expires int64
	err = scan(append([]any{&c.ID, &c.Kind, &account, &c.Note, &tries, &created, &expires}, more...)...)
	c.Account, c.Tries, c.Created, c.Expires = account.String, int(tries), timeOf(created), timeOf(expires)
	return c, err
}

// Ceremony implements admin.Store.
func (s *archive) Ceremony(ctx context.Context, id string) (admin.Ceremony, error) {
	var sealed []byte
	c, err := scanCeremony(s.quickDB.QueryRowContext(ctx, selectCeremony, id).Scan, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return admin.Ceremony{}, fmt.Errorf("store: %w", errNoCeremony)
	}
	if err != nil {
		return admin.Ceremony{}, fmt.Errorf("store: read ceremony: %w", err)
	}
	body, err := s.openSealed(bodyBinding(id), sealed)
	if err != nil {
		return admin.Ceremony{}, fmt.Errorf("store: open body of ceremony of kind %s: %w", c.Kind, err)
	}
	c.Body = body
	return c, nil
}

// Ceremonies implements admin.Store.
func (s *archive) Ceremonies(ctx context.Context, kind admin.CeremonyKind, now time.Time) ([]admin.Ceremony, error) {
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (admin.Ceremony, error) {
		return scanCeremony(rows.Scan)
	}, selectCeremonies, string(kind), micros(now))
	if err != nil {
		return nil, fmt.Errorf("store: list ceremonies of kind %s: %w", kind, err)
	}
	return list, nil
}

// Tried implements admin.Store. A ceremony that is gone has no tries to count;
// that is no error.
func (s *archive) Tried(ctx context.Context, id string, limit int) error {
	err := s.transact(ctx, func(w *session) error {
		if _, err := w.exec(`UPDATE ceremony SET tries = tries + 1 WHERE id = $1`, id); err != nil {
			return err
		}
		_, err := w.exec(`DELETE FROM ceremony WHERE id = $1 AND tries >= $2`, id, int64(limit))
		return err
	})
	if err != nil {
		return fmt.Errorf("store: count a try at a ceremony: %w", err)
	}
	return nil
}

// builtin reports whether every installation has a role of that name.
func builtin(role string) bool {
	return slices.ContainsFunc(admin.BuiltinRoles(), func(r admin.Role) bool { return r.Name == role })
}

// roleThere makes sure that an account can be given a role.
func (a *applying) roleThere(role string) error {
	if role == "" || builtin(role) {
		return nil
	}
	found, err := a.exists(`SELECT 1 FROM role WHERE name = $1`, role)
	if err == nil && !found {
		err = missing("role", role)
	}
	return err
}

func (a *applying) addRole(r admin.Role) error {
	if r.Name == "" {
		return errors.New("a role must have a name")
	}
	found, err := a.exists(`SELECT 1 FROM role WHERE name = $1`, r.Name)
	if err != nil {
		return err
	}
	if found || builtin(r.Name) {
		return taken("role", r.Name)
	}
	_, err = a.w.exec(`INSERT INTO role (name, permissions, created_us) VALUES ($1, $2, $3)`, r.Name, textOf(r.Permissions), micros(r.Created))
	return err
}

// updateRole changes a role. Its name stays, because accounts name it.
func (a *applying) updateRole(u admin.UpdateRole) error {
	var name, permissions string
	var created int64
	found, err := a.w.one(selectRoles+` WHERE name = $1`, []any{u.Name}, &name, &permissions, &created)
	if err != nil {
		return err
	}
	if !found {
		return missing("role", u.Name)
	}
	r, err := roleOf(name, permissions, created)
	if err != nil {
		return err
	}
	if err := u.Update(&r); err != nil {
		return &functionError{err}
	}
	if r.Name != u.Name {
		return fmt.Errorf("the name of role %q cannot change", u.Name)
	}
	_, err = a.w.exec(`UPDATE role SET permissions = $1, created_us = $2 WHERE name = $3`, textOf(r.Permissions), micros(r.Created), r.Name)
	return err
}

func (a *applying) removeRole(role string) error {
	var name string
	found, err := a.w.one(`SELECT name FROM account WHERE role = $1 AND role <> '' ORDER BY name LIMIT 1`, []any{role}, &name)
	if err != nil {
		return err
	}
	if found {
		return used("role", role, "account", name)
	}
	return a.remove(`DELETE FROM role WHERE name = $1`, "role", role)
}

func roleOf(name, permissions string, created int64) (r admin.Role, err error) {
	r = admin.Role{Name: name, Created: timeOf(created)}
	if r.Permissions, err = permissionsOf(permissions); err != nil {
		return r, fmt.Errorf("decode permissions of role %q: %w", name, err)
	}
	return r, nil
}

// permissionsOf reads what textOf wrote; an empty list is nil.
func permissionsOf(text string) (list []admin.Permission, err error) {
	if text != "[]" {
		err = json.Unmarshal([]byte(text), &list)
	}
	return list, err
}

// Roles implements admin.Store.
func (s *archive) Roles(ctx context.Context) ([]admin.Role, error) {
	list, err := collect(ctx, s.quickDB, func(rows *sql.Rows) (admin.Role, error) {
		var name, permissions string
		var created int64
		if err := rows.Scan(&name, &permissions, &created); err != nil {
			return admin.Role{}, err
		}
		return roleOf(name, permissions, created)
	}, selectRoles+` ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("store: list roles: %w", err)
	}
	return list, nil
}

func (a *applying) addKey(k admin.Key) error {
	if k.Name == "" {
		return errors.New("an API key must have a name")
	}
	found, err := a.exists(`SELECT 1 FROM api_key WHERE name = $1 OR secret = $2`, k.Name, k.Secret[:])
	if err != nil {
		return err
	}
	if found {
		return taken("API key", k.Name)
	}
	if err := a.clientThere(k.Client); err != nil {
		return err
	}
	_, err = a.w.exec(`INSERT INTO api_key (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`, k.Name, k.Secret[:], textOf(k.Permissions),
		k.Client, micros(k.Created), micros(k.Expires), micros(k.Used))
	return err
}

// clientThere makes sure that an API key can bring the logins of a client.
func (a *applying) clientThere(client string) error {
	if client == "" {
		return nil
	}
	found, err := a.exists(`SELECT 1 FROM client WHERE name = $1`, client)
	if err == nil && !found {
		err = missing("client", client)
	}
	return err
}

func (a *applying) updateKey(u admin.UpdateKey) error {
	var k admin.Key
	found := false
	err := a.w.query(selectKeys+` WHERE name = $1`, func(rows *sql.Rows) (err error) {
		found = true
		k, err = scanKey(rows.Scan)
		return err
	}, u.Name)
	if err != nil {
		return err
	}
	if !found {
		return missing("API key", u.Name)
	}
	was := k
	if err := u.Update(&k); err != nil {
		return &functionError{err}
	}
	if k.Name != was.Name || k.Secret != was.Secret {
		return fmt.Errorf("name and secret of API key %q cannot change", u.Name)
	}
	if k.Client != was.Client {
		if err := a.clientThere(k.Client); err != nil {
			return err
		}
	}
	_, err = a.w.exec(`UPDATE api_key SET permissions = $1, client = $2, created_us = $3, expires_us = $4, used_us = $5 WHERE name = $6`,
		textOf(k.Permissions), k.Client, micros(k.Created), micros(k.Expires), micros(k.Used), k.Name)
	return err
}

func scanKey(scan func(dest ...any) error) (k admin.Key, err error) {
	var secret []byte
	var permissions string
	var created, expires, last int64
	if err := scan(&k.Name, &secret, &permissions, &k.Client, &created, &expires, &last); err != nil {
		return k, err
	}
	copy(k.Secret[:], secret)
	k.Created, k.Expires, k.Used = timeOf(created), timeOf(expires), timeOf(last)
	if k.Permissions, err = permissionsOf(permissions); err != nil {
		err = fmt.Errorf("decode permissions of API key %q: %w", k.Name, err)
	}
	return k, err
}

// Keys implements admin.Store.
func (s *archive) Keys(ctx context.Context) ([]admin.Key, error) {
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (admin.Key, error) {
		return scanKey(rows.Scan)
	}, selectKeys+` ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("store: list API keys: %w", err)
	}
	return list, nil
}

// Key implements admin.Store.
func (s *archive) Key(ctx context.Context, secret [32]byte) (admin.Key, error) {
	k, err := scanKey(s.quickDB.QueryRowContext(ctx, selectKeys+` WHERE secret = $1`, secret[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return admin.Key{}, fmt.Errorf("store: API key: %w", admin.ErrNotFound)
	}
	if err != nil {
		return admin.Key{}, fmt.Errorf("store: read API key: %w", err)
	}
	return k, nil
}

// resealCeremonies seals the bodies of all ceremonies again that are behind one,
// a chunk at a time.
func (s *session) resealCeremonies(ring *seal.Keyring, after string) (last string, n int, more bool, err error) {
	var list []sealedRow
	err = s.query(`SELECT id, body FROM ceremony WHERE id > $1 ORDER BY id LIMIT $2`, func(rows *sql.Rows) error {
		var r sealedRow
		err := rows.Scan(&r.id, &r.sealed)
		list = append(list, r)
		return err
	}, after, int64(resealChunk))
	if err != nil {
		return after, 0, true, err
	}
	last = after
	for _, r := range list {
		last = r.id
		sealed, changed, err := ring.Reseal(bodyBinding(r.id), r.sealed)
		if err != nil {
			return after, 0, true, fmt.Errorf("body of a ceremony: %w", err)
		}
		if !changed {
			continue
		}
		if _, err := s.exec(`UPDATE ceremony SET body = $1 WHERE id = $2`, sealed, r.id); err != nil {
			return after, 0, true, err
		}
		n++
	}
	return last, n, len(list) == resealChunk, nil
}

// deleteEnded deletes one chunk of the sessions and ceremonies that have expired,
// and reports whether there may be more.
func (s *session) deleteEnded(now int64) (more bool, err error) {
	for _, table := range endedTables {
		n, err := s.exec(`DELETE FROM `+table+` WHERE id IN (SELECT id FROM `+table+` WHERE expires_us <= $1 LIMIT $2)`, now, int64(purgeChunk))
		if err != nil {
			return false, err
		}
		more = more || n == purgeChunk
	}
	return more, nil
}

// Sightings are when sessions were last used, in microseconds, as far as the
// database does not know yet. They are written behind the logins, since they may
// be lost.
type sightings map[string]int64

// Seen implements admin.Store. It is written in a quiet moment, and read from
// memory before that.
func (s *Store) Seen(_ context.Context, session string, at time.Time) error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	s.seenMu.Lock()
	first := len(s.sightings) == 0
	if us := micros(at); us > s.sightings[session] {
		s.sightings[session] = us
	}
	full := len(s.sightings) > maxSightings
	s.seenMu.Unlock()
	if full {
		return fmt.Errorf("store: note that a session was used: %w", ErrOverloaded)
	}
	if first { // the committer may be asleep
		r := &request{done: make(chan struct{}, 1), run: func() {}}
		select {
		case s.queue <- r:
		default: // it has work, and looks after it
		}
	}
	return nil
}

// maxSightings bounds what is not written yet: there are not so many sessions.
const maxSightings = 1 << 20

func (s *Store) unseen() bool {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return len(s.sightings) > 0
}

// sighted returns when a session was last used, also by what is not written yet.
func (s *Store) sighted(x *admin.Session) time.Time {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	if us := s.sightings[x.ID]; us > micros(x.Seen) {
		return timeOf(us)
	}
	return x.Seen
}

// writeSightings writes when sessions were used. Only the committer does so.
func (s *Store) writeSightings() error {
	s.seenMu.Lock()
	part := make(sightings)
	for id, us := range s.sightings {
		if part[id] = us; len(part) == purgeChunk {
			break
		}
	}
	s.seenMu.Unlock()
	err := s.w.transaction(func() error {
		for id, us := range part {
			if _, err := s.w.exec(updateSeen, us, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.transactions.Add(1)
	s.seenMu.Lock()
	for id, us := range part {
		if s.sightings[id] == us {
			delete(s.sightings, id)
		}
	}
	s.seenMu.Unlock()
	return nil
}

// writeAllSightings is for the end.
func (s *Store) writeAllSightings() error {
	for s.unseen() {
		if err := s.writeSightings(); err != nil {
			return fmt.Errorf("note when sessions were used: %w", err)
		}
	}
	return nil
}

// Seen implements admin.Store. The server does not wait for its disk.
func (p *Postgres) Seen(ctx context.Context, session string, at time.Time) error {
	if err := p.usable(); err != nil {
		return fmt.Errorf("store: note that a session was used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if err := p.lazily(ctx, updateSeen, micros(at), session); err != nil {
		return fmt.Errorf("store: note that a session was used: %w", p.judge(err))
	}
	return nil
}
