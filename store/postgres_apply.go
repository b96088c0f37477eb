package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

// An administrative connection is the one on which a node makes changes that
// are not logins, one after the other, by the statements that both databases
// share.
type administrative struct {
	mu sync.Mutex
	// mu guards the fields below.
	db      *sql.DB
	session session
}

func (a *administrative) open(ctx context.Context, p *Postgres) error {
	config := p.config.Copy()
	config.RuntimeParams["application_name"] = p.applicationName("change")
	a.db = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(p.checkServer))
	a.db.SetMaxOpenConns(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.connect(ctx, p)
}

// connect makes the connection if there is none. mu must be held.
func (a *administrative) connect(ctx context.Context, p *Postgres) error {
	if a.session.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := a.db.Conn(ctx)
	if err != nil {
		return hideURL(err)
	}
	a.session = session{conn: conn, stmts: make(map[string]*sql.Stmt), timeout: p.timeout}
	return nil
}

// reset gives up the connection unless it is in use, when whoever uses it finds
// out; the next change makes another.
func (a *administrative) reset() {
	if a.mu.TryLock() {
		defer a.mu.Unlock()
		a.drop()
	}
}

// drop does so with mu held.
func (a *administrative) drop() {
	if a.session.conn == nil {
		return
	}
	// As a broken one, or it would be used again.
	_ = a.session.conn.Raw(func(c any) error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		return c.(*stdlib.Conn).Conn().Close(ctx)
	})
	a.session.conn.Close()
	a.session = session{}
}

func (a *administrative) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
	if a.db != nil {
		a.db.Close()
	}
}

// reading runs work in a transaction that reads one state of the database.
func (a *administrative) reading(ctx context.Context, p *Postgres, work func(*session) error) error {
	return a.run(ctx, p, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`, work)
}

// transaction runs work in a transaction that has the head, so that no login of
// any node is committed meanwhile. It is durable when transaction returns nil,
// and has changed nothing when it returns an error, unless the connection was
// lost while it was being committed.
func (a *administrative) transaction(ctx context.Context, p *Postgres, work func(*session, head) error) error {
	for again := false; ; again = true {
		err := a.run(ctx, p, beginCommit, func(w *session) error {
			var h head
			if _, err := w.one(lockHead, nil, &h.seq, &h.hash); err != nil {
				return err
			}
			seen := p.anchor.seen()
			var hash []byte
			if _, err := w.one(selectSeen, []any{seen.seq, seen.hash}, &hash); err != nil {
				return err
			}
			if !p.anchor.fits(seen, h, hash) {
				return errRewound
			}
			return work(w, h)
		})
		if !errors.Is(err, errRewound) || again {
			return err
		}
		if err := p.rewound(ctx); err != nil {
			return err
		}
	}
}

// run runs work in a transaction. An old connection to a server that was
// started again is found out by BEGIN and replaced.
func (a *administrative) run(ctx context.Context, p *Postgres, begin string, work func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for again := false; ; again = true {
		if err := a.connect(ctx, p); err != nil {
			return err
		}
		_, err := a.session.exec(begin)
		if err == nil {
			break
		}
		a.drop()
		if again {
			return fmt.Errorf("begin: %w", err)
		}
	}
	err := work(&a.session)
	if err == nil {
		if _, err = a.session.exec("COMMIT"); err == nil {
			p.transactions.Add(1)
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	if _, rollback := a.session.exec("ROLLBACK"); rollback != nil {
		a.drop()
	}
	return err
}

// changeOne runs one statement in a transaction of its own.
func (p *Postgres) changeOne(ctx context.Context, text string, args ...any) (int64, error) {
	if err := p.usable(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	r, err := p.db.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, p.judge(err)
	}
	p.transactions.Add(1)
	return r.RowsAffected()
}

// transact runs work in a transaction, one at a time on all nodes.
func (p *Postgres) transact(ctx context.Context, work func(*session) error) error {
	if err := p.usable(); err != nil {
		return err
	}
	if err := p.administrative.transaction(ctx, p, func(w *session, _ head) error { return work(w) }); err != nil {
		return p.judge(err)
	}
	return nil
}

// lazily runs one statement in a transaction that a crash of the server may lose.
func (p *Postgres) lazily(ctx context.Context, text string, args ...any) error {
	var b pgx.Batch // which is one transaction
	b.Queue(`SELECT set_config('synchronous_commit', 'off', true)`)
	b.Queue(text, args...)
	return p.pool.SendBatch(ctx, &b).Close()
}

// openSealed opens what any node has sealed, maybe under a key that this one does
// not have yet.
func (p *Postgres) openSealed(b seal.Binding, sealed []byte) ([]byte, error) {
	plain, err := p.ring.Open(b, sealed)
	if err == nil {
		return plain, nil
	}
	if again := p.reloadKeys(); again != nil {
		return nil, err
	}
	return p.ring.Open(b, sealed)
}

// Apply implements admin.Store. No login of any node is committed while it
// runs, so that none rests on half of it. Other nodes learn of it within a
// second; a login that rested on what changed is refused from the moment on at
// which Apply returns, whatever they have learned.
func (p *Postgres) Apply(ctx context.Context, act admin.Act, changes ...admin.Change) error {
	if err := p.usable(); err != nil {
		return fmt.Errorf("store: apply %s: %w", act.Action, err)
	}
	return p.apply(ctx, act, changes)
}

func (p *Postgres) apply(ctx context.Context, act admin.Act, changes []admin.Change) error {
	var own error // of a function in changes; it is the caller's and not wrapped
	c := &changing{p: p, act: act, changes: changes}
	err := p.administrative.transaction(ctx, p, c.run)
	var f *functionError
	if errors.As(err, &f) {
		own = f.error
	}
	switch {
	case err == nil:
		p.learn(c)
		if len(c.revoked) > 0 {
			if err := p.copyRevocations(); err != nil {
				p.log.Error("what was taken away cannot be noted on this node's own disk", "error", err)
			}
		}
		return nil
	case own != nil:
		return own
	case errors.Is(err, admin.ErrNotFound), errors.Is(err, admin.ErrExists), errors.Is(err, admin.ErrLastOwner), errors.Is(err, ctx.Err()):
	default:
		err = p.judge(err)
		p.hurry() // to learn of what may have been committed, or that the database is away
	}
	return fmt.Errorf("store: apply %s: %w", act.Action, err)
}

// A changing is one Apply under way, and what memory must learn of it.
type changing struct {
	p       *Postgres
	act     admin.Act
	changes []admin.Change

	a        *applying
	seq      int64 // of the act
	moved    int64 // number in the table moved
	settings *auth.Settings
	names    int64
	revoked  []revocation
	again    bool // the functions in changes have run
}

func (c *changing) run(w *session, h head) error {
	if c.again {
		return errors.New("the functions of a change run at most once")
	}
	c.a = &applying{w: w, ring: c.p.ring, moved: make(map[string]struct{}), news: newNews(), at: micros(c.act.Time)}
	c.a.newestMark = func(x *auth.Authenticator) int64 { return c.newestMark(x) }
	if _, err := w.one(`SELECT COALESCE(MAX(place), 0) FROM authenticator`, nil, &c.a.place); err != nil {
		return err
	}
	if _, err := w.one(`SELECT COALESCE(MAX(seq), 0) + 1 FROM act`, nil, &c.seq); err != nil {
		return err
	}
	// Changes of which there is no act move subjects too.
	if _, err := w.one(selectLastMoved, nil, &c.moved); err != nil {
		return err
	}
	c.moved++
	c.again = true
	for _, change := range c.changes {
		if err := c.apply(change); err != nil {
			return err
		}
	}
	if err := c.moveSubjects(h); err != nil {
		return fmt.Errorf("move versions: %w", err)
	}
	if err := c.moveSettings(); err != nil {
		return err
	}
	if c.act.Action == "" && len(c.revoked) > 0 {
		return errUnrecorded
	}
	for i, r := range c.revoked {
		_, err := w.exec(`INSERT INTO revocation (act, place, kind, id, detail) VALUES ($1, $2, $3, $4, $5)`,
			c.seq, int64(i), r.Kind, r.ID, r.Detail)
		if err != nil {
			return fmt.Errorf("note what is taken away: %w", err)
		}
	}
	if c.act.Action != "" {
		if err := w.insertAct(c.seq, c.act); err != nil {
			return err
		}
	}
	if len(c.a.moved) == 0 && len(c.a.news.touched) == 0 && c.settings == nil && c.names == 0 && len(c.revoked) == 0 {
		return nil // no node remembers anything of it
	}
	_, err := w.exec(`SELECT pg_notify($1, '')`, channel) // when it is committed
	return err
}

// apply makes one change by the text that both databases share. What is not a
// table of its own here has a text of its own.
func (c *changing) apply(change admin.Change) error {
	a := c.a
	if purge, ok := change.(admin.PurgeCache); ok {
		if purge.Subject != "" {
			a.news.touched[purge.Subject] = struct{}{}
			a.news.purged[purge.Subject] = struct{}{}
			return nil
		}
		// A new version of the settings moves everybody.
		a.settings, a.news.all = true, true
		_, err := a.w.exec(`UPDATE subject SET cached = '', version = version + 1 WHERE cached <> ''`)
		return err
	}
	change, found := c.watchRevocation(change)
	if err := a.apply(change); err != nil {
		return err
	}
	if found != nil {
		c.revoked = append(c.revoked, found()...)
	}
	return nil
}

// errUnrecorded says that what is taken away must be on record: nodes could not
// take it away again from a database that went back in time.
var errUnrecorded = errors.New("a change that takes something away needs an act")

// newestMark returns x's mark, or a newer one that is not in the table spent. If
// it cannot be read, the transaction fails with its next statement.
func (c *changing) newestMark(x *auth.Authenticator) int64 {
	var row subjectRow
	if _, err := c.a.w.one(`SELECT marks FROM subject WHERE id = $1`, []any{x.Account}, &row.marks); err != nil {
		return x.Mark
	}
	list, err := row.markList()
	if err != nil {
		return x.Mark
	}
	return newest(x, list)
}

const (
	upsertMoved = `INSERT INTO subject (id, version, marks, answered, logins, cached)
		SELECT u.id, $1::bigint, '', '', u.logins, u.cached FROM unnest($2::text[], $3::text[], $4::text[]) u (id, logins, cached)
		ON CONFLICT (id) DO UPDATE SET version = GREATEST(subject.version + 1, excluded.version),
			marks = '', logins = excluded.logins, cached = excluded.cached`
	insertMoved = `INSERT INTO moved (act, subject) SELECT $1, * FROM unnest($2::text[])`
	// The column act of the table moved rises as acts do, and never lags behind
	// them: of some changes there is no act.
	selectLastMoved = `SELECT GREATEST((SELECT COALESCE(MAX(seq), 0) FROM act), (SELECT COALESCE(MAX(act), 0) FROM moved))`
)

// moveSubjects gives the subjects that have changed new versions, and forgets
// what a change ends: cache entries and open challenges. Their marks go into the
// table spent, so that they are found wherever an authenticator goes.
func (c *changing) moveSubjects(h head) error {
	a := c.a
	all := make(map[string]bool) // whether it loses what a change ends
	for subject := range a.news.touched {
		all[subject] = false
	}
	for subject := range a.moved {
		all[subject] = true
	}
	if len(all) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(all))
	rows := make(map[string]*subjectRow, len(ids))
	err := a.w.query(`SELECT id, marks, logins, cached FROM subject WHERE id = ANY($1)`, func(r *sql.Rows) error {
		var id string
		var row subjectRow
		if err := r.Scan(&id, &row.marks, &row.logins, &row.cached); err != nil {
			return err
		}
		rows[id] = &row
		return nil
	}, ids)
	if err != nil {
		return err
	}
	logins, cached := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		row := rows[id]
		if row == nil {
			continue
		}
		marks, err := row.markList()
		if err != nil {
			return err
		}
		for _, m := range marks {
			if _, err := a.w.exec(upsertSpent, m.authenticator, m.mark); err != nil {
				return err
			}
		}
		logins[i], cached[i] = row.logins, row.cached
		if _, purged := a.news.purged[id]; purged || all[id] {
			cached[i] = ""
		}
		if all[id] && row.logins != "" {
			list, err := row.loginList(id)
			if err != nil {
				return err
			}
			logins[i] = loginsText(slices.DeleteFunc(list, func(c auth.OpenChallenge) bool { return c.Settled == nil }))
		}
	}
	if _, err := a.w.exec(upsertMoved, h.seq+1, ids, logins, cached); err != nil {
		return err
	}
	_, err = a.w.exec(insertMoved, c.moved, ids)
	return err
}

// moveSettings gives the settings and the names new versions if they have
// changed, and reads the settings.
func (c *changing) moveSettings() (err error) {
	a := c.a
	if a.named {
		if c.names, err = a.w.meta("names"); err != nil {
			return err
		}
		c.names++
		if _, err := a.w.exec(updateMeta, "names", c.names); err != nil {
			return err
		}
	}
	if !a.settings {
		return nil
	}
	version, err := a.w.meta("settings")
	if err != nil {
		return err
	}
	if _, err := a.w.exec(updateMeta, "settings", version+1); err != nil {
		return err
	}
	c.settings, err = loadSettings(a.w, a.ring)
	return err
}

// learn moves memory to a change that is durable.
func (p *Postgres) learn(c *changing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	if c.a.news.all {
		p.cache = newCache(p.cache.limit)
	}
	for _, subjects := range []map[string]struct{}{c.a.moved, c.a.news.touched} {
		for subject := range subjects {
			p.cache.drop(subject)
			p.wakeWatchers(subject)
		}
	}
	if c.names > p.names.Load() {
		p.names.Store(c.names)
	}
	if c.settings != nil {
		p.adopt(c.settings)
	}
}

// adopt takes newer settings. mu must be held.
func (p *Postgres) adopt(settings *auth.Settings) {
	was := p.settings.Load()
	if was != nil && settings.Version <= was.Version {
		return
	}
	p.settings.Store(settings)
	if was == nil || was.Rewound.Equal(settings.Rewound) {
		return
	}
	// Everything that was remembered is of a past that is gone.
	p.generation++
	p.cache = newCache(p.cache.limit)
	for subject := range p.watches {
		p.wakeWatchers(subject)
	}
}

// reloadKeys reads the keys again, which another node may have added to.
func (p *Postgres) reloadKeys() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	rows, err := p.pool.Query(ctx, `SELECT id, wrapped FROM data_key ORDER BY id`)
	if err != nil {
		return err
	}
	var newest int64
	wrapped, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b []byte, err error) {
		return b, row.Scan(&newest, &b)
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if newest == p.keys {
		return nil
	}
	if err := p.ring.Reload(p.o.KEK, wrapped); err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	p.keys = newest
	return nil
}

// Rewrap wraps the keys in the database under another key file's key, in one
// transaction. No secret is sealed again. Every node needs the new key file
// before its next start, and this one uses it at once.
func (p *Postgres) Rewrap(ctx context.Context, to seal.KEK) error {
	p.mu.RLock()
	kek := p.o.KEK
	p.mu.RUnlock()
	err := p.administrative.transaction(ctx, p, func(w *session, _ head) error {
		ids, wrapped, err := w.wrappedKeys()
		if err != nil {
			return err
		}
		again, err := seal.Rewrap(kek, to, wrapped)
		if err != nil {
			return err
		}
		for i, id := range ids {
			if _, err := w.exec(`UPDATE data_key SET wrapped = $1 WHERE id = $2`, again[i], id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: wrap keys again: %w", p.judge(err))
	}
	p.mu.Lock()
	p.o.KEK = to
	p.mu.Unlock()
	return nil
}

// Reseal implements admin.Store.
func (p *Postgres) Reseal(ctx context.Context) (records int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: seal again: %w", p.judge(err))
		}
	}()
	p.mu.RLock()
	kek := p.o.KEK
	p.mu.RUnlock()
	err = p.administrative.transaction(ctx, p, func(w *session, _ head) error {
		ids, wrapped, err := w.wrappedKeys()
		if err != nil {
			return err
		}
		added, err := seal.NewKeys(kek, wrapped)
		if err != nil {
			return err
		}
		return w.addKeys(ids[len(ids)-1], added)
	})
	if err == nil {
		err = p.reloadKeys()
	}
	if err != nil {
		return 0, err
	}
	place := int64(0)
	for more := true; more; {
		n := 0
		err := p.administrative.transaction(ctx, p, func(w *session, _ head) (err error) {
			place, n, more, err = w.resealAuthenticators(p.ring, place)
			return err
		})
		if err != nil {
			return records, err
		}
		records += n
	}
	n := 0
	err = p.administrative.transaction(ctx, p, func(w *session, _ head) (err error) {
		n, err = w.resealClients(p.ring)
		return err
	})
	if err == nil {
		records += n
		n, err = p.resealAllCeremonies(ctx, p.ring)
		records += n
	}
	p.forget() // sealed states are in the cache; they still open, by keys that may go one day
	return records, err
}

// Retain implements admin.Store. It never deletes the newest row. What it
// deletes goes in small parts between the logins, the act with the first of
// them; if there is nothing to delete, there is no act.
func (p *Postgres) Retain(ctx context.Context, act admin.Act, before time.Time) (deleted uint64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: delete old events: %w", p.judge(err))
		}
	}()
	if err := p.usable(); err != nil {
		return 0, err
	}
	recorded := false
	for {
		plan, err := p.planCut(ctx, micros(before))
		if err != nil {
			return deleted, err
		}
		if len(plan) == 0 {
			break
		}
		if err := p.foldedTo(ctx, plan[len(plan)-1].seq); err != nil {
			return deleted, err
		}
		for _, c := range plan {
			var n uint64
			err := p.administrative.transaction(ctx, p, func(w *session, _ head) (err error) {
				n, err = p.cutOff(w, c, before, act, !recorded)
				return err
			})
			if err != nil {
				return deleted, err
			}
			if n == 0 {
				return deleted, p.dropIndexes(ctx) // an exporter appeared that stands behind
			}
			recorded = true
			deleted += n
		}
	}
	return deleted, p.dropIndexes(ctx)
}

const (
	foldPatience = 30 * time.Second // how long Retain waits for the index, which is never so far behind
	foldLook     = 50 * time.Millisecond
)

// foldedTo waits until events up to a number are in the indexes and counted, as
// they must be before they go. One node does so for all.
func (p *Postgres) foldedTo(ctx context.Context, seq int64) error {
	ctx, cancel := context.WithTimeout(ctx, foldPatience)
	defer cancel()
	for {
		var folded int64
		if err := p.db.QueryRowContext(ctx, selectMeta, "folded").Scan(&folded); err != nil || folded >= seq {
			return err
		}
		p.hurry()
		select {
		case <-time.After(foldLook):
		case <-p.quit:
			return errClosed
		case <-ctx.Done():
			return fmt.Errorf("events after number %d are not counted yet; try again: %w", folded, ctx.Err())
		}
	}
}

// cutOff deletes the rows up to c, unless an exporter has appeared that has not
// passed them, or somebody else has deleted them.
func (p *Postgres) cutOff(w *session, c cut, before time.Time, act admin.Act, record bool) (deleted uint64, err error) {
	var exported, oldest, was sql.NullInt64
	if _, err := w.one(selectExported, nil, &exported); err != nil {
		return 0, err
	}
	if _, err := w.one(`SELECT MIN(last) FROM event`, nil, &oldest); err != nil {
		return 0, err
	}
	if exported.Valid && exported.Int64 < c.seq || !oldest.Valid || oldest.Int64 > c.seq {
		return 0, nil
	}
	if _, err := w.one(selectCut, []any{chainCut}, &was); err != nil {
		return 0, err
	}
	if _, err := w.exec(deleteEvents, c.seq); err != nil {
		return 0, err
	}
	if err := p.chain.writeLink(w, chainCut, c.seq, c.hash); err != nil {
		return 0, err
	}
	// Who searches from an hour on that is gone begins with the oldest.
	hour := hourOf(micros(before))
	if _, err := w.exec(deleteHours, hour, c.seq); err != nil {
		return 0, err
	}
	if _, err := w.exec(lowerHour, hour-1, c.seq+1); err != nil {
		return 0, err
	}
	if record {
		var seq int64
		if _, err := w.one(`SELECT COALESCE(MAX(seq), 0) + 1 FROM act`, nil, &seq); err != nil {
			return 0, err
		}
		if err := w.insertAct(seq, act); err != nil {
			return 0, err
		}
	}
	return uint64(c.seq - was.Int64), nil
}

// dropIndexes removes the index of segments that are gone.
func (p *Postgres) dropIndexes(ctx context.Context) error {
	var cut sql.NullInt64
	if err := p.db.QueryRowContext(ctx, selectCut, chainCut).Scan(&cut); err != nil {
		return err
	}
	whole := (cut.Int64 + 1) / segment // the oldest segment of which something may be left
	for _, text := range []string{`DELETE FROM event_subject WHERE segment < $1`, `DELETE FROM event_outcome WHERE segment < $1`} {
		if _, err := p.changeOne(ctx, text, whole); err != nil {
			return err
		}
	}
	return nil
}

// A revocation is what an act has taken away: kind says what, ID of which
// record. Those of one act are in its order.
type revocation struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Detail string `json:"detail,omitempty"`
}

// Kinds of revocations.
const (
	revokedEnabled       = "account.disable"
	revokedBlocked       = "account.block"         // detail: microseconds until when, and why
	revokedAuthenticator = "authenticator.revoke"  // removed
	revokedHolder        = "authenticator.release" // detail: of whom
	revokedClient        = "client.remove"         // ID is the client's name
	revokedRole          = "account.role"          // detail: the role that it had
	revokedAccount       = "account.remove"
	revokedPermissions   = "role.change"    // ID is the role's name, detail: JSON of the permissions that are left
	revokedKey           = "api-key.remove" // ID is the key's name
	revokedTrusted       = "trusted-ip.remove"
	revokedCacheRule     = "cache-rule.remove"
)

// watchRevocation returns a change that does the same, and what tells afterwards
// what it has taken away; nil if it takes nothing.
func (c *changing) watchRevocation(change admin.Change) (admin.Change, func() []revocation) {
	one := func(kind, id string) func() []revocation {
		return func() []revocation { return []revocation{{Kind: kind, ID: id}} }
	}
	switch change := change.(type) {
	case admin.UpdateAccount:
		var was, is auth.Account
		update := change.Update
		change.Update = func(a *auth.Account) error {
			was = *a
			err := update(a)
			is = *a
			return err
		}
		return change, func() (list []revocation) {
			if was.Enabled && !is.Enabled {
				list = append(list, revocation{Kind: revokedEnabled, ID: change.ID})
			}
			if was.Role != "" && is.Role != was.Role {
				list = append(list, revocation{Kind: revokedRole, ID: change.ID, Detail: was.Role})
			}
			if is.Blocked && (!was.Blocked || !is.BlockedUntil.Equal(was.BlockedUntil)) {
				list = append(list, revocation{
					Kind: revokedBlocked, ID: change.ID, Detail: strconv.FormatInt(micros(is.BlockedUntil), 10) + " " + is.BlockReason,
				})
			}
			return list
		}
	case admin.UpdateAuthenticator:
		var was, is string
		update := change.Update
		change.Update = func(a *auth.Authenticator) error {
			was = a.Account
			err := update(a)
			is = a.Account
			return err
		}
		return change, func() (list []revocation) {
			if was != "" && is != was {
				list = append(list, revocation{Kind: revokedHolder, ID: change.ID, Detail: was})
			}
			return list
		}
	case admin.UpdateRole:
		var was, is admin.Role
		update := change.Update
		change.Update = func(r *admin.Role) error {
			was = *r
			was.Permissions = slices.Clone(r.Permissions)
			err := update(r)
			is = *r
			return err
		}
		return change, func() []revocation {
			if !slices.ContainsFunc(was.Permissions, func(p admin.Permission) bool { return !slices.Contains(is.Permissions, p) }) {
				return nil
			}
			return []revocation{{Kind: revokedPermissions, ID: change.Name, Detail: textOf(is.Permissions)}}
		}
	case admin.RemoveKey:
		return change, one(revokedKey, change.Name)
	case admin.RemoveAccount:
		return change, one(revokedAccount, change.ID)
	case admin.RemoveAuthenticator:
		return change, one(revokedAuthenticator, change.ID)
	case admin.RemoveClient:
		return change, one(revokedClient, change.Name)
	case admin.RemoveTrustedIP:
		return change, one(revokedTrusted, change.ID)
	case admin.RemoveCacheRule:
		return change, one(revokedCacheRule, change.ID)
	}
	return change, nil
}
