package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/store/pgtest"
)

const plainBody = "nobody may read this body of "

func addCeremony(t *testing.T, s admin.Store, id string) {
	t.Helper()
	c := admin.Ceremony{ID: id, Kind: admin.CeremonyEnrolment, Body: auth.Secret(plainBody + id), Created: epoch, Expires: epoch.Add(time.Hour)}
	if err := s.Apply(context.Background(), admin.Act{}, admin.AddCeremony{Ceremony: c}); err != nil {
		t.Fatal(err)
	}
}

func wantBody(t *testing.T, s admin.Store, id string) {
	t.Helper()
	if c, err := s.Ceremony(context.Background(), id); err != nil || string(c.Body) != plainBody+id {
		t.Errorf("Ceremony(%s) = %q, %v", id, []byte(c.Body), err)
	}
}

// TestCeremonyBodiesAreSealed: a body is nowhere on the disk in the clear, opens
// for its own ceremony only, and survives new keys.
func TestCeremonyBodiesAreSealed(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	for i := range 3 {
		addCeremony(t, r.store, fmt.Sprint("c", i))
	}
	clear := func() {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(r.options.Dir, "*"))
		if err != nil || len(files) < 2 {
			t.Fatalf("files = %v, %v", files, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte(plainBody[:20])) {
				t.Errorf("%s holds the body of a ceremony in the clear", name)
			}
		}
	}
	clear()
	var before, after []byte
	body := func(to *[]byte) {
		t.Helper()
		if err := r.database(t).QueryRow(`SELECT body FROM ceremony WHERE id = 'c0'`).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	body(&before)
	r.options.KEK = newKEK(t)
	if err := r.store.Rewrap(ctx, r.options.KEK); err != nil {
		t.Fatal(err)
	}
	if n, err := r.store.Reseal(ctx); err != nil || n != 3 {
		t.Fatalf("Reseal = %d, %v; want 3", n, err)
	}
	body(&after)
	if bytes.Equal(before, after) {
		t.Error("Reseal has left a body under the old key")
	}
	clear()
	s := r.reopen(t)
	for i := range 3 {
		wantBody(t, s, fmt.Sprint("c", i))
	}
	mustExec(t, r.database(t), `UPDATE ceremony SET body = (SELECT body FROM ceremony WHERE id = 'c1') WHERE id = 'c0'`)
	if c, err := s.Ceremony(ctx, "c0"); err == nil {
		t.Errorf("the body of another ceremony opens: %q", []byte(c.Body))
	}
	wantBody(t, s, "c1")
	if err := s.Apply(ctx, admin.Act{}, admin.TakeCeremony{ID: "c0", Now: epoch}); err != nil {
		t.Errorf("TakeCeremony of one that does not open = %v; it can be ended", err)
	}
}

// TestPostgresCeremonyBodies does the same on PostgreSQL, with a node that has
// not heard of the new keys.
func TestPostgresCeremonyBodies(t *testing.T) {
	ctx := context.Background()
	r := newPostgresRig(t, PostgresOptions{})
	two := r.other(t, "two")
	for i := range 3 {
		addCeremony(t, r.store, fmt.Sprint("c", i))
	}
	wantBody(t, two.store, "c1")
	if n, err := r.store.Reseal(ctx); err != nil || n != 3 {
		t.Fatalf("Reseal = %d, %v; want 3", n, err)
	}
	for i := range 3 {
		wantBody(t, two.store, fmt.Sprint("c", i))
	}
	var clear int
	err := r.database(t).QueryRow(`SELECT COUNT(*) FROM ceremony WHERE position($1::bytea in body) > 0 OR ceremony::text LIKE '%nobody may%'`,
		[]byte(plainBody[:20])).Scan(&clear)
	if err != nil || clear != 0 {
		t.Errorf("%d bodies are in the clear, %v", clear, err)
	}
	mustExec(t, r.database(t), `UPDATE ceremony SET body = (SELECT body FROM ceremony WHERE id = 'c1') WHERE id = 'c0'`)
	if c, err := r.store.Ceremony(ctx, "c0"); err == nil {
		t.Errorf("the body of another ceremony opens: %q", []byte(c.Body))
	}
}

func addSessions(t *testing.T, s admin.Store, n int, expires func(i int) time.Time) {
	t.Helper()
	var changes []admin.Change
	for i := range n {
		changes = append(changes,
			admin.AddSession{Session: admin.Session{ID: fmt.Sprint("s", i), Token: [32]byte{byte(i), byte(i >> 8)}, Account: accountID(0), Created: epoch, Expires: expires(i)}},
			admin.AddCeremony{Ceremony: admin.Ceremony{ID: fmt.Sprint("c", i), Kind: admin.CeremonyTicket, Account: accountID(0), Expires: expires(i)}},
		)
	}
	if err := s.Apply(context.Background(), admin.Act{}, changes...); err != nil {
		t.Fatal(err)
	}
}

func wantSessions(t *testing.T, s admin.Store, n int) {
	t.Helper()
	sessions, err1 := s.Sessions(context.Background(), "", time.Time{})
	ceremonies, err2 := s.Ceremonies(context.Background(), admin.CeremonyTicket, time.Time{})
	if err := errors.Join(err1, err2); err != nil || len(sessions) != n || len(ceremonies) != n {
		t.Errorf("%d sessions and %d ceremonies, %v; want %d", len(sessions), len(ceremonies), err, n)
	}
}

// TestPurgeEnded: sessions and ceremonies that have expired are removed, and no
// others.
func TestPurgeEnded(t *testing.T) {
	half := func(i int) time.Time { return epoch.Add(time.Duration(i%2) * 48 * time.Hour).Add(time.Hour) }
	const n = 2*purgeChunk + 10
	t.Run("sqlite", func(t *testing.T) {
		now := epoch
		r := newRig(t, Options{Now: func() time.Time { return now }})
		addAccounts(t, r.store, 1)
		addSessions(t, r.store, n, half)
		quiet(t, r.store)
		wantSessions(t, r.store, n)
		// The clock is asked by the committer, which runs quiet.
		now = epoch.Add(2 * time.Hour)
		st := login(mustSnapshot(t, r.store, query(0)), 3)
		st.Event.Time = now
		if _, err := r.store.Commit(context.Background(), st); err != nil {
			t.Fatal(err)
		}
		quiet(t, r.store)
		wantSessions(t, r.store, n/2)
		wantSessions(t, r.reopen(t), n/2)
	})
	t.Run("postgres", func(t *testing.T) {
		r := newPostgresRig(t, PostgresOptions{Now: func() time.Time { return epoch.Add(2 * time.Hour) }})
		addAccounts(t, r.store, 1)
		addSessions(t, r.store, n, half)
		wantSessions(t, r.store, n)
		conn, err := r.store.connect(context.Background(), "test")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := (&follower{p: r.store, conn: conn}).purge(); err != nil {
			t.Fatal(err)
		}
		wantSessions(t, r.store, n/2)
	})
}

// TestSightingsAreCheap: that a session was used costs no transaction of its own
// and is on the disk after a quiet moment.
func TestSightingsAreCheap(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	addAccounts(t, r.store, 1)
	addSessions(t, r.store, 20, func(int) time.Time { return epoch.Add(time.Hour) })
	quiet(t, r.store)
	before := r.store.Stats().Transactions
	for n := range 2000 {
		if err := r.store.Seen(ctx, fmt.Sprint("s", n%20), epoch.Add(time.Duration(n)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	quiet(t, r.store)
	if n := r.store.Stats().Transactions - before; n > 40 {
		t.Errorf("%d transactions for 2,000 sightings", n)
	}
	var seen int64
	if err := r.database(t).QueryRow(`SELECT seen_us FROM session WHERE id = 's7'`).Scan(&seen); err != nil || seen != micros(epoch.Add(1987*time.Second)) {
		t.Errorf("seen at %v, %v", timeOf(seen), err)
	}
	if r.store.unseen() {
		t.Error("what is written is kept in memory")
	}
	// One write that fails loses nothing.
	if err := r.store.Seen(ctx, "s7", epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	fired := r.faults.failWrite(1)
	quiet(t, r.store)
	if !fired() {
		t.Error("no write has failed")
	}
	if s, err := r.store.Session(ctx, [32]byte{7}); err != nil || !s.Seen.Equal(epoch.Add(time.Hour)) {
		t.Errorf("Session = %+v, %v", s, err)
	}
	if s, err := r.reopen(t).Session(ctx, [32]byte{7}); err != nil || !s.Seen.Equal(epoch.Add(time.Hour)) {
		t.Errorf("Session = %+v, %v", s, err)
	}
}

// TestRewindEndsSessions: a database that went back in time has sessions that may
// have been ended, and ceremonies that may have been taken. So has a backup.
func TestRewindEndsSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, s authtest.FullStore, reopen func() authtest.FullStore) {
		addAccounts(t, s, 1)
		far := func(int) time.Time { return epoch.Add(1e5 * time.Hour) }
		addSessions(t, s, 3, far)
		if err := s.MarkRewound(context.Background(), epoch.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		wantSessions(t, s, 0)
		wantSessions(t, reopen(), 0)
	})
	r := newRig(t, Options{})
	addAccounts(t, r.store, 1)
	addSessions(t, r.store, 3, func(int) time.Time { return epoch.Add(time.Hour) })
	var b bytes.Buffer
	if err := r.store.Backup(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(&b, dir); err != nil {
		t.Fatal(err)
	}
	again := newRig(t, Options{Dir: dir, KEK: r.options.KEK})
	wantSessions(t, again.store, 0)
}

// TestPostgresSessionsOfOtherNodes: what one node ends is ended on all at once,
// and changes without an act reach other nodes too.
func TestPostgresSessionsOfOtherNodes(t *testing.T) {
	ctx := context.Background()
	one := newPostgresRig(t, PostgresOptions{})
	two := one.other(t, "two")
	addAccounts(t, one.store, 2)
	addSessions(t, one.store, 4, func(int) time.Time { return epoch.Add(time.Hour) })
	for i := range 4 {
		token := [32]byte{byte(i)}
		if _, err := two.store.Session(ctx, token); err != nil {
			t.Errorf("Session of another node = %v", err)
		}
		if err := one.store.Seen(ctx, fmt.Sprint("s", i), epoch.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if s, err := two.store.Session(ctx, token); err != nil || !s.Seen.Equal(epoch.Add(time.Minute)) {
			t.Errorf("Session = %+v, %v; want it seen by the other node", s, err)
		}
		if err := one.store.Apply(ctx, admin.Act{Time: epoch, Action: "session.end"}, admin.EndSession{ID: fmt.Sprint("s", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := two.store.Session(ctx, token); !errors.Is(err, admin.ErrNotFound) {
			t.Errorf("Session that another node has ended = %v, want ErrNotFound", err)
		}
	}
	for i := range 6 {
		act := admin.Act{}
		if i%3 == 2 {
			act = admin.Act{Time: epoch, Action: "account.change"}
		}
		mustSnapshot(t, two.store, query(1)) // it remembers
		group := fmt.Sprint("group", i)
		if err := one.store.Apply(ctx, act, admin.UpdateAccount{ID: accountID(1), Update: func(a *auth.Account) error { a.Groups = []string{group}; return nil }}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the other node has heard of it", func() bool {
			f := mustSnapshot(t, two.store, query(1))
			return f.Account != nil && strings.Join(f.Account.Groups, " ") == group
		})
	}
	if err := one.store.Apply(ctx, admin.Act{}, admin.UpdateAccount{ID: accountID(1), Update: func(a *auth.Account) error { a.Enabled = false; return nil }}); !errors.Is(err, errUnrecorded) {
		t.Errorf("something is taken away without an act: %v", err)
	}
}

// TestPostgresUpgrade opens a database of the first schema.
func TestPostgresUpgrade(t *testing.T) {
	ctx := context.Background()
	url := pgtest.Shared(t).NewDatabase(t)
	old := &postgresRig{options: PostgresOptions{URL: url}}
	db := old.database(t)
	files, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(ctx, 1); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 2 {
		e := auth.Event{Time: epoch.Add(time.Duration(i) * time.Hour), Subject: "id-alice", Outcome: auth.OATHCodeVerified, Client: "nas", Mark: auth.NoMark}
		lines = append(lines, string(appendBody(nil, &e, e.Mark)))
	}
	hour := hourOf(micros(epoch))
	for text, args := range map[string][]any{
		`WITH a AS (INSERT INTO account VALUES ('id-alice', 'alice', '["ally"]', '[]', TRUE, FALSE, '', 0, 5) RETURNING id)
			INSERT INTO name SELECT 'alice', id FROM a`: nil,
		`INSERT INTO act VALUES (1, 5, 'test', 'account.add', 'alice', '')`:                   nil,
		`INSERT INTO event VALUES (2, 1, $1, NULL)`:                                           {linesOpen + strings.Join(lines, linesNext) + linesClose},
		`UPDATE head SET seq = 2`:                                                             nil,
		`UPDATE meta SET value = 1 WHERE name = 'folded'`:                                     nil, // the first event is in the indexes
		`INSERT INTO event_hour VALUES ($1, 1)`:                                               {hour},
		`INSERT INTO event_outcome VALUES (23, 0)`:                                            nil,
		`INSERT INTO subject VALUES ('id-alice', 3, '', '', '', '')`:                          nil,
		`INSERT INTO application VALUES ('vpn', 5)`:                                           nil,
		`INSERT INTO throttle VALUES ('id-alice', 2, 0, 0, 0, 5)`:                             nil,
		`INSERT INTO authenticator VALUES (1, 'x', NULL, 'oath', '', 'S1', 5, '\x00', FALSE)`: nil,
	} {
		mustExec(t, db, text, args...)
	}
	s := newPostgresRig(t, PostgresOptions{URL: url}).store
	if a, err := s.AccountByID(ctx, "id-alice"); err != nil || a.Name != "alice" || a.Role != "" || !a.Enabled {
		t.Errorf("AccountByID = %+v, %v", a, err)
	}
	if acts, err := s.Acts(ctx, 0, 0); err != nil || len(acts) != 1 || acts[0].Before != "" || acts[0].Action != "account.add" {
		t.Errorf("Acts = %+v, %v", acts, err)
	}
	for range 2 { // before and after the second event is folded
		for want, q := range map[int]admin.EventSearch{
			2: {Until: epoch.Add(3 * time.Hour)}, 1: {Until: epoch.Add(time.Minute), Outcome: auth.OATHCodeVerified}, 0: {Until: epoch},
		} {
			if page, err := s.SearchEvents(ctx, q); err != nil || len(page.Events) != want || page.Next != 0 {
				t.Errorf("SearchEvents(%+v) = %+v, %v; want %d", q, page, err, want)
			}
		}
		// The tally begins with what was not folded at the upgrade.
		list, err := s.Tallies(ctx, time.Time{}, time.Time{})
		if err != nil || len(list) != 1 || list[0].Count != 1 || !list[0].Hour.Equal(epoch.Add(time.Hour).Truncate(time.Hour)) || list[0].Client != "nas" {
			t.Errorf("Tallies = %+v, %v", list, err)
		}
		eventually(t, "the second event is folded", func() bool {
			var folded int64
			err := db.QueryRow(selectMeta, "folded").Scan(&folded)
			return err == nil && folded == 2
		})
	}
}
