package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/seal"
	"sallyport/store/pgtest"
)

// A postgresRig is a node on a database of its own that can be reopened and whose
// writes can be failed.
type postgresRig struct {
	options PostgresOptions
	store   *Postgres
	wire    *wire
}

func newPostgresRig(tb testing.TB, o PostgresOptions) *postgresRig {
	tb.Helper()
	if o.URL == "" {
		o.URL = pgtest.Shared(tb).NewDatabase(tb)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(tb.TempDir(), "node")
	}
	if o.KEK.ID() == (seal.KEK{}).ID() {
		o.KEK = newKEK(tb)
	}
	if o.Node == "" {
		o.Node = "one"
	}
	if o.Version == "" {
		o.Version = "test"
	}
	r := &postgresRig{options: o, wire: &wire{}}
	r.open(tb)
	tb.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			tb.Errorf("Close = %v", err)
		}
	})
	return r
}

func (r *postgresRig) open(tb testing.TB) *Postgres {
	tb.Helper()
	s, err := openPostgres(context.Background(), r.options, r.wire.dial)
	if err != nil {
		tb.Fatal(err)
	}
	r.store = s
	return s
}

func (r *postgresRig) reopen(tb testing.TB) *Postgres {
	tb.Helper()
	if err := r.store.Close(); err != nil {
		tb.Fatalf("Close = %v", err)
	}
	return r.open(tb)
}

// database opens the database behind the store's back.
func (r *postgresRig) database(tb testing.TB) *sql.DB {
	tb.Helper()
	config, err := pgx.ParseConfig(r.options.URL)
	if err != nil {
		tb.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	tb.Cleanup(func() { db.Close() })
	return db
}

// other opens another node on the same database.
func (r *postgresRig) other(tb testing.TB, name string) *postgresRig {
	tb.Helper()
	o := r.options
	o.Dir, o.Node = filepath.Join(tb.TempDir(), name), name
	return newPostgresRig(tb, o)
}

func TestPostgres(t *testing.T) {
	suite := func(o PostgresOptions) func(t *testing.T) {
		return func(t *testing.T) {
			authtest.TestStore(t, func(t *testing.T) authtest.StoreUnderTest {
				r := newPostgresRig(t, o)
				return authtest.StoreUnderTest{
					Store:     r.store,
					Reopen:    func(t *testing.T) authtest.FullStore { return r.reopen(t) },
					FailWrite: r.wire.failWrite,
					SwapStates: func(t *testing.T, a, b string) authtest.FullStore {
						if err := r.store.Close(); err != nil {
							t.Fatal(err)
						}
						swapStates(t, r.database(t), a, b)
						return r.open(t)
					},
					Mutate: func(t *testing.T, statement string) {
						if _, err := r.database(t).Exec(statement); err != nil {
							t.Fatalf("%s: %v", statement, err)
						}
					},
					Node: r.options.Node,
				}
			})
		}
	}
	t.Run("with a cache", suite(PostgresOptions{}))
	// Nearly everything is read from the database.
	t.Run("with a tiny cache", suite(PostgresOptions{CacheEntries: 2}))
}

// attempts commits the same settlement on several nodes at once and returns how
// many won. Every other must conflict.
func attempts(t *testing.T, n int, commit func(i int) error) (won int) {
	t.Helper()
	var wg sync.WaitGroup
	var wins atomic.Int64
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			switch err := commit(i); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, auth.ErrConflict):
				t.Errorf("Commit = %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(wins.Load())
}

// What is spent on one node is spent on all, whatever each has in its memory.
func TestPostgresSpendsOnceOnAllNodes(t *testing.T) {
	one := newPostgresRig(t, PostgresOptions{})
	two := one.other(t, "two")
	three := one.other(t, "three")
	nodes := []*Postgres{one.store, two.store, three.store}
	addAccounts(t, one.store, 1)
	eventually(t, "the account is known everywhere", func() bool {
		return mustSnapshot(t, two.store, query(0)).Account != nil && mustSnapshot(t, three.store, query(0)).Account != nil
	})
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for round := range rounds {
		step := int64(1000 + round)
		var facts [3]auth.Facts
		for i, node := range nodes {
			f, err := node.Snapshot(context.Background(), query(0), round%2 == 0)
			if err != nil {
				t.Fatal(err)
			}
			facts[i] = f
		}
		won := attempts(t, 64, func(i int) error {
			node, f := nodes[i%3], facts[i%3]
			for range 3 { // as the engine does: a conflict is judged again on new facts
				if f.Authenticators[1].Mark >= step {
					return auth.ErrConflict
				}
				_, err := node.Commit(context.Background(), login(f, step))
				if !errors.Is(err, auth.ErrConflict) {
					return err
				}
				if f, err = node.Snapshot(context.Background(), query(0), true); err != nil {
					return err
				}
			}
			return auth.ErrConflict
		})
		if won != 1 {
			t.Fatalf("round %d: one code was accepted %d times on three nodes, want once", round, won)
		}
	}
	for _, node := range nodes {
		if f, err := node.Snapshot(context.Background(), query(0), true); err != nil || f.Authenticators[1].Mark != int64(999+rounds) {
			t.Errorf("mark = %+v, %v; want the last that was spent", f.Authenticators[1].Mark, err)
		}
	}
	list, err := three.store.Events(context.Background(), admin.EventFilter{Limit: 100_000})
	if err != nil || len(list) != rounds {
		t.Fatalf("%d events, %v; want %d", len(list), err, rounds)
	}
	for i, e := range list {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has number %d; numbers are dense over all nodes", i+1, e.Seq)
		}
	}
	if c, err := two.store.Verify(context.Background(), nil); err != nil || c.Broken != "" || c.Last != uint64(rounds) {
		t.Errorf("Verify = %+v, %v; want one chain over all nodes", c, err)
	}
}

// eventually waits until something that another node does has arrived.
func eventually(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !is() {
		if time.Since(begin) > 15*time.Second {
			t.Fatalf("not in 15 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

func TestPostgresLoginAcrossNodes(t *testing.T) {
	one := newPostgresRig(t, PostgresOptions{})
	two := one.other(t, "two")
	ctx := context.Background()
	addAccounts(t, one.store, 2)
	eventually(t, "the account is known on the other node", func() bool { return mustSnapshot(t, two.store, query(0)).Account != nil })
	mustSnapshot(t, two.store, query(0)) // from before the question

	// Octets that are no UTF-8 come from clients and are kept as they are.
	ask := settleOn(mustSnapshot(t, one.store, query(0)))
	ask.Open = &auth.OpenChallenge{
		ID: "c1", Login: "c1", Subject: ask.Subject, Client: "nas", Application: "vpn", From: "\xff\x00 station", Session: "\x00port",
		Proven: []string{"password"}, Asked: epoch, Expires: epoch.Add(time.Minute),
	}
	commitOn(t, one.store, ask)
	q := query(0)
	q.State = "c1"
	look := func(node *Postgres) auth.Facts {
		t.Helper()
		f, err := node.Snapshot(ctx, q, true)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := look(two.store)
	if f.Challenge == nil || f.Challenge.From != "\xff\x00 station" || f.Challenge.Session != "\x00port" || len(f.Logins) != 1 {
		t.Fatalf("on the other node the challenge is %+v of %d logins", f.Challenge, len(f.Logins))
	}

	// Somebody waits on one node; the answer comes to the other.
	moved, stop := one.store.Watch(f.Subject)
	defer stop()
	look(one.store)
	answer := login(f, 77)
	answer.Close = "c1"
	seq, err := two.store.Commit(ctx, answer)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	select {
	case <-moved:
	case <-time.After(2 * time.Second):
		t.Fatal("who waited for the answer on another node was not woken")
	}
	t.Logf("woken %v after the answer", time.Since(begin))
	if f := look(one.store); len(f.Logins) != 1 || f.Logins[0].Settled == nil || f.Logins[0].Settled.Seq != seq || f.Challenge != nil {
		t.Errorf("after the answer: %+v", f.Logins)
	}
	again := login(look(one.store), 78)
	again.Close = "c1"
	if _, err := one.store.Commit(ctx, again); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("the challenge was answered twice: %v", err)
	}
	// What is not notified wakes by the poll.
	moved, stop = one.store.Watch(f.Subject)
	defer stop()
	commitOn(t, two.store, login(look(two.store), 79))
	begin = time.Now()
	select {
	case <-moved:
	case <-time.After(2 * time.Second):
		t.Fatal("a watch was not woken by a plain settlement on another node")
	}
	if d := time.Since(begin); d > 1500*time.Millisecond {
		t.Errorf("woken after %v, want a second or so", d)
	}
	// The same request gets its answer on the other node too.
	final := login(look(one.store), 80)
	final.Event.Request, final.Event.Rule = "request-1", "a rule"
	seq = commitOn(t, one.store, final)
	q.Request = "request-1"
	if f := look(two.store); f.Answered == nil || f.Answered.Seq != seq || f.Answered.Client != "vpn-gateway" || f.Answered.Rule != "a rule" ||
		f.Answered.Verdict != auth.Accept {
		t.Errorf("answered on the other node = %+v", f.Answered)
	}
}

// settleOn is a question put to the subject of f.
func settleOn(f auth.Facts) auth.Settlement {
	s := login(f, auth.NoMark)
	s.Spend, s.Event.Outcome, s.Event.Verdict, s.Event.Mark = nil, auth.OATHCodePending, auth.Challenge, auth.NoMark
	return s
}

func commitOn(t *testing.T, s auth.Store, st auth.Settlement) uint64 {
	t.Helper()
	seq, err := s.Commit(context.Background(), st)
	if err != nil {
		t.Fatalf("Commit = %v", err)
	}
	return seq
}

// What an administrator does on one node is so on all: revocations from the
// moment on at which Apply returns, the rest in under a second.
func TestPostgresChangesReachOtherNodes(t *testing.T) {
	one := newPostgresRig(t, PostgresOptions{})
	two := one.other(t, "two")
	ctx := context.Background()
	addAccounts(t, one.store, 1)
	eventually(t, "the account is known on the other node", func() bool { return mustSnapshot(t, two.store, query(0)).Account != nil })
	act := admin.Act{Time: epoch, Actor: "test", Action: "account.disable", Subject: "user000000"}
	for round := range 5 {
		enabled := round%2 == 1
		f := mustSnapshot(t, two.store, query(0))
		err := one.store.Apply(ctx, act, admin.UpdateAccount{ID: accountID(0), Update: func(a *auth.Account) error { a.Enabled = enabled; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := two.store.Commit(ctx, login(f, int64(round))); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("a login that rested on what was revoked = %v, want ErrConflict on every node at once", err)
		}
		if f, err := two.store.Snapshot(ctx, query(0), true); err != nil || f.Account.Enabled != enabled {
			t.Errorf("a fresh look on the other node = %+v, %v", f.Account, err)
		}
	}
	// Without a commit that finds out: by the notification.
	mustSnapshot(t, two.store, query(0))
	if err := one.store.Apply(ctx, act, admin.UpdateAccount{ID: accountID(0), Update: func(a *auth.Account) error { a.BlockReason = "x"; return nil }}); err != nil {
		t.Fatal(err)
	}
	d := eventually(t, "the change is seen in memory", func() bool { return mustSnapshot(t, two.store, query(0)).Account.BlockReason == "x" })
	if d > time.Second {
		t.Errorf("seen after %v, want under a second", d)
	}
	flight := mustSnapshot(t, two.store, query(0))
	if err := one.store.Apply(ctx, act, admin.AddApplication{Application: auth.Application{Name: "vpn", Created: epoch}}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.store.Commit(ctx, login(flight, 50)); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a login on older settings = %v, want ErrConflict", err)
	}
	if d := eventually(t, "the settings are new", func() bool { return len(two.store.Settings().Applications) == 1 }); d > time.Second {
		t.Errorf("settings after %v, want under a second", d)
	}
	// A name that an account gets on one node no longer leads elsewhere on the
	// other, even for a login that is under way.
	q := auth.Query{Names: []string{"alias", "user000000"}, Unknown: "?alias"}
	f, err := two.store.Snapshot(ctx, q, false)
	if err != nil || f.Account == nil {
		t.Fatal(f.Subject, err)
	}
	err = one.store.Apply(ctx, act, admin.AddAccount{Account: auth.Account{ID: "id-alias", Name: "alias", Enabled: true, Created: epoch}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.store.Commit(ctx, login(f, 60)); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a login by a name that now belongs to another account = %v, want ErrConflict", err)
	}
	eventually(t, "the new account has the name", func() bool {
		f, err := two.store.Snapshot(ctx, q, false)
		return err == nil && f.Subject == "id-alias"
	})
	// Keys that one node adds are read by the other.
	if n, err := one.store.Reseal(ctx); err != nil || n != 2 {
		t.Fatalf("Reseal = %d, %v", n, err)
	}
	if f, err := two.store.Snapshot(ctx, query(0), true); err != nil || len(f.Authenticators) != 2 {
		t.Errorf("facts after the other node sealed again = %v", err)
	}
	if list, err := one.store.Nodes(ctx); err != nil || len(list) != 2 || list[0].Name != "one" || list[1].Name != "two" {
		t.Errorf("Nodes = %+v, %v", list, err)
	}
}

// Nodes may be started at the same time on an empty database.
func TestPostgresOpensTogether(t *testing.T) {
	url, kek := pgtest.Shared(t).NewDatabase(t), newKEK(t)
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		dir := filepath.Join(t.TempDir(), name)
		wg.Go(func() {
			s, err := OpenPostgres(context.Background(), PostgresOptions{URL: url, Dir: dir, KEK: kek, Node: name})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if _, err := s.Commit(context.Background(), auth.Settlement{Event: auth.Event{Time: epoch, Count: 1, Mark: auth.NoMark}}); err != nil {
				t.Errorf("%s: Commit = %v", name, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("%s: Close = %v", name, err)
			}
		})
	}
	wg.Wait()
}

func TestOpenPostgresRefuses(t *testing.T) {
	server := pgtest.Shared(t)
	good := func(t *testing.T) PostgresOptions {
		return PostgresOptions{URL: server.NewDatabase(t), Dir: t.TempDir(), KEK: newKEK(t), Node: "one"}
	}
	refused := func(t *testing.T, o PostgresOptions, want string) error {
		t.Helper()
		s, err := OpenPostgres(context.Background(), o)
		if err == nil {
			s.Close()
			t.Fatalf("OpenPostgres succeeded; want to be told %q", want)
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("OpenPostgres = %v\nwant to be told %q, and never the password", err, want)
		}
		return err
	}
	with := func(o PostgresOptions, parameter string) PostgresOptions {
		o.URL += "&" + parameter
		return o
	}
	refused(t, with(good(t), "synchronous_commit=off"), "synchronous_commit is off and must be on")
	refused(t, with(good(t), "synchronous_commit=local"), "synchronous_commit is local")
	refused(t, with(good(t), "default_transaction_read_only=on"), "read-only")
	o := good(t)
	o.URL = "postgres://sallyport:hunter2@127.0.0.1:port/x"
	refused(t, o, "the URL cannot be read")
	o.URL = "postgres://sallyport:hunter2@127.0.0.1:1/x"
	refused(t, o, "connect")
	o.URL = server.URL("no_such_database")
	refused(t, o, "make the database first")
	o = good(t)
	o.Node = ""
	refused(t, o, "name")

	o = good(t)
	r := newPostgresRig(t, o)
	wrong := o
	wrong.KEK, wrong.Dir = newKEK(t), t.TempDir()
	if err := refused(t, wrong, wrong.KEK.ID()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("OpenPostgres with another key file = %v, want seal.ErrWrongKey", err)
	}
	if _, err := r.database(t).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	refused(t, o, "in use by another process")
	o.Dir = t.TempDir()
	refused(t, o, "written by a newer version")

	o = good(t)
	db, err := sql.Open("pgx", o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE something (x INTEGER)`); err != nil {
		t.Fatal(err)
	}
	refused(t, o, "give Sallyport one of its own")

	fragile := pgtest.Start(t, "fsync = off")
	o = good(t)
	o.URL = fragile.NewDatabase(t)
	refused(t, o, "fsync and full_page_writes must be on")
	o.Fragile = true
	s, err := OpenPostgres(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// When the connection is lost while a commit is under way, nobody can say what
// became of it: the caller gets an error, and what was spent may be spent.
func TestPostgresUnknownOutcome(t *testing.T) {
	r := newPostgresRig(t, PostgresOptions{})
	addAccounts(t, r.store, 1)
	ctx := context.Background()
	f := mustSnapshot(t, r.store, query(0))
	r.wire.cut.Store(true)
	seq, err := r.store.Commit(ctx, login(f, 5))
	if err == nil || errors.Is(err, auth.ErrConflict) {
		t.Fatalf("Commit whose answer was lost = %d, %v; want an error that is no conflict", seq, err)
	}
	r.wire.cut.Store(false)
	eventually(t, "the store is healthy again", func() bool { return r.store.Healthy() == nil })
	f, err = r.store.Snapshot(ctx, query(0), false)
	if err != nil {
		t.Fatal(err)
	}
	events, err := r.store.Events(ctx, admin.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if committed := len(events) == 1; committed != (f.Authenticators[1].Mark == 5) {
		t.Errorf("%d events but mark %d: it was committed whole or not at all", len(events), f.Authenticators[1].Mark)
	}
	commitOn(t, r.store, login(f, 6))
}

// The index of subjects is filled behind the logins, and searches see what it
// does not hold yet.
func TestPostgresIndex(t *testing.T) {
	r := newPostgresRig(t, PostgresOptions{})
	const accounts = 50
	addAccounts(t, r.store, accounts)
	ctx := context.Background()
	total := segment + 3000
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(total) {
					return
				}
				e := auth.Event{Time: epoch.Add(time.Duration(n) * time.Second), Subject: accountID(int(n) % accounts), Outcome: auth.UserNotFound, Count: 1, Mark: auth.NoMark}
				if n%5000 == 0 {
					e.Outcome = auth.HardStopped
				}
				if _, err := r.store.Commit(ctx, auth.Settlement{Event: e}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	compare := func() {
		t.Helper()
		all, err := r.store.Events(ctx, admin.EventFilter{Limit: 1 << 20})
		if err != nil || len(all) != total {
			t.Fatalf("%d events, %v", len(all), err)
		}
		for _, f := range []admin.EventFilter{
			{Subject: accountID(7), Limit: 1 << 20},
			{Subject: accountID(8), Limit: 40, Newest: true},
			{Outcome: auth.HardStopped},
			{Since: epoch.Add(3 * time.Hour), Subject: accountID(9), Limit: 1 << 20},
		} {
			var want []uint64
			for _, e := range all {
				if (f.Subject == "" || e.Subject == f.Subject) && (f.Outcome == 0 || e.Outcome == f.Outcome) && !e.Time.Before(f.Since) {
					want = append(want, e.Seq)
				}
			}
			if f.Newest {
				want = want[len(want)-f.Limit:]
			}
			got, err := r.store.Events(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			var seqs []uint64
			for _, e := range got {
				seqs = append(seqs, e.Seq)
			}
			if !slices.Equal(seqs, want) {
				t.Errorf("Events(%+v) = %d events, want %d", f, len(seqs), len(want))
			}
		}
	}
	compare()
	eventually(t, "everything is indexed", func() bool {
		var folded, indexed int64
		err := r.database(t).QueryRow(`SELECT (SELECT value FROM meta WHERE name = 'folded'), (SELECT value FROM meta WHERE name = 'indexed')`).Scan(&folded, &indexed)
		return err == nil && folded == int64(total) && indexed == segment-1
	})
	compare()
}
