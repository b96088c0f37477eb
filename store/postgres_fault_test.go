package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/store/pgtest"
)

// A traffic is logins that go on while the database is being broken. It keeps
// books: what was acknowledged must be there afterwards, once.
type traffic struct {
	mu       sync.Mutex
	accepted map[uint64]string // account and step, by the number of the event
	errs     int
	slowest  time.Duration
	stop     chan struct{}
	wg       sync.WaitGroup
}

func startTraffic(t *testing.T, nodes ...*Postgres) *traffic {
	t.Helper()
	tr := &traffic{accepted: make(map[uint64]string), stop: make(chan struct{})}
	for i := range 8 {
		s := nodes[i%len(nodes)]
		tr.wg.Go(func() {
			for step := int64(1); ; step++ {
				select {
				case <-tr.stop:
					return
				default:
				}
				begin := time.Now()
				seq, err := tryLogin(s, i, step)
				took := time.Since(begin)
				tr.mu.Lock()
				tr.slowest = max(tr.slowest, took)
				if err == nil {
					tr.accepted[seq] = fmt.Sprint(i, "/", step)
				} else if !errors.Is(err, auth.ErrConflict) {
					tr.errs++
				}
				tr.mu.Unlock()
				if err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	return tr
}

func tryLogin(s *Postgres, i int, step int64) (uint64, error) {
	f, err := s.Snapshot(context.Background(), query(i), false)
	if err != nil {
		return 0, err
	}
	return s.Commit(context.Background(), login(f, step))
}

func (tr *traffic) counts() (accepted, errs int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.accepted), tr.errs
}

// end stops the traffic and compares its books with the database.
func (tr *traffic) end(t *testing.T, s *Postgres) {
	t.Helper()
	close(tr.stop)
	tr.wg.Wait()
	list, err := s.Events(context.Background(), admin.EventFilter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[uint64]bool)
	spent := make(map[string]uint64)
	for i, e := range list {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		have[e.Seq] = true
		key := fmt.Sprint(e.Authenticator, "/", e.Mark)
		if first, twice := spent[key]; twice {
			t.Errorf("events %d and %d both spend %s", first, e.Seq, key)
		}
		spent[key] = e.Seq
	}
	for seq, what := range tr.accepted {
		if !have[seq] {
			t.Errorf("%s was accepted as event %d, which is not in the database", what, seq)
		}
	}
	if c, err := s.Verify(context.Background(), nil); err != nil || c.Broken != "" {
		t.Errorf("Verify = %+v, %v", c, err)
	}
}

// X6: whatever the server does, nobody is accepted while it cannot commit, errors
// come within the deadline, and the service is back by itself within 10 s.
func TestPostgresOutages(t *testing.T) {
	const deadline = time.Second
	for _, tt := range []struct {
		name  string
		fault func(t *testing.T, s *pgtest.Server)
		mend  func(t *testing.T, s *pgtest.Server)
	}{
		{"stopped", func(t *testing.T, s *pgtest.Server) { s.Stop(t) }, func(t *testing.T, s *pgtest.Server) { s.Start(t) }},
		{"killed", func(t *testing.T, s *pgtest.Server) { s.Kill(t) }, func(t *testing.T, s *pgtest.Server) { s.Start(t) }},
		{"hung", func(t *testing.T, s *pgtest.Server) { s.Hang(t) }, func(t *testing.T, s *pgtest.Server) { s.Continue(t) }},
		{"read-only", func(t *testing.T, s *pgtest.Server) { s.ReadOnly(t, true) }, func(t *testing.T, s *pgtest.Server) { s.ReadOnly(t, false) }},
		{"its sessions ended and no connection left", func(t *testing.T, s *pgtest.Server) {
			s.Exec(t, "postgres", `ALTER ROLE node CONNECTION LIMIT 0`,
				`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'`)
		}, func(t *testing.T, s *pgtest.Server) { s.Exec(t, "postgres", `ALTER ROLE node CONNECTION LIMIT -1`) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := pgtest.Start(t)
			name := server.Database(t)
			server.Exec(t, name, `CREATE ROLE node LOGIN`, `GRANT ALL ON SCHEMA public TO node`)
			o := PostgresOptions{URL: strings.Replace(server.URL(name), "postgres@", "node@", 1), Timeout: deadline}
			one := newPostgresRig(t, o)
			two := one.other(t, "two")
			addAccounts(t, one.store, 8)
			eventually(t, "the accounts are known", func() bool { return mustSnapshot(t, two.store, query(7)).Account != nil })
			tr := startTraffic(t, one.store, two.store)
			eventually(t, "logins go", func() bool { n, _ := tr.counts(); return n > 50 })

			tt.fault(t, server)
			eventually(t, "the nodes notice", func() bool { return one.store.Healthy() != nil && two.store.Healthy() != nil })
			if !errors.Is(one.store.Healthy(), ErrAway) {
				t.Errorf("Healthy = %v, want ErrAway", one.store.Healthy())
			}
			before, _ := tr.counts()
			tr.mu.Lock()
			tr.slowest = 0
			tr.mu.Unlock()
			time.Sleep(1500 * time.Millisecond)
			after, errs := tr.counts()
			if after != before {
				t.Errorf("%d logins were accepted without a database", after-before)
			}
			if errs == 0 {
				t.Error("no login was refused")
			}
			tr.mu.Lock()
			slowest := tr.slowest
			tr.mu.Unlock()
			if slowest > deadline+500*time.Millisecond {
				t.Errorf("the slowest refusal took %v; the deadline is %v", slowest, deadline)
			}
			if err := one.store.Apply(context.Background(), admin.Act{Time: epoch}, admin.ResetThrottle{Subject: accountID(1)}); err == nil {
				t.Error("an administrative change was made without a database")
			}

			tt.mend(t, server)
			step := int64(1_000_000)
			back := eventually(t, "both nodes serve again", func() bool {
				step++
				_, err1 := tryLogin(one.store, 0, step)
				_, err2 := tryLogin(two.store, 1, step)
				return (err1 == nil || errors.Is(err1, auth.ErrConflict)) && (err2 == nil || errors.Is(err2, auth.ErrConflict)) &&
					one.store.Healthy() == nil && two.store.Healthy() == nil
			})
			t.Logf("back after %v", back)
			if back > 10*time.Second {
				t.Errorf("back after %v, want 10 s at most", back)
			}
			now, _ := tr.counts()
			eventually(t, "logins go on", func() bool { n, _ := tr.counts(); return n > now+50 })
			err := one.store.Apply(context.Background(), admin.Act{Time: epoch}, admin.ResetThrottle{Subject: accountID(1)})
			if err != nil {
				t.Errorf("Apply after the outage = %v", err)
			}
			tr.end(t, two.store)
			select {
			case <-one.store.Failed():
				t.Error("a database that was away is no reason to end the process")
			default:
			}
		})
	}
}

// A node that stops in the middle of a commit holds the head; the others wait a
// moment and go on without it.
func TestPostgresNodeThatHoldsTheHead(t *testing.T) {
	r := newPostgresRig(t, PostgresOptions{})
	addAccounts(t, r.store, 1)
	ctx := context.Background()
	config, err := pgx.ParseConfig(r.options.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(idleInTransaction.Milliseconds()) // as every node has it
	hung, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close(ctx)
	if _, err := hung.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := hung.Exec(ctx, lockHead); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := tryLogin(r.store, 0, 1); err != nil {
		t.Errorf("Commit behind a node that hangs = %v", err)
	}
	if d := time.Since(begin); d > 2*idleInTransaction {
		t.Errorf("it took %v", d)
	}
}

// logged collects what a store says.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A rewoundWorld is a database from which something is lost.
type rewoundWorld struct {
	one, two *postgresRig
	log      *logged
	now      time.Time
}

// before is what the backup or standby knows.
func newRewoundWorld(t *testing.T, url string) *rewoundWorld {
	t.Helper()
	w := &rewoundWorld{log: &logged{}, now: epoch.Add(time.Hour)}
	w.one = newPostgresRig(t, PostgresOptions{
		URL: url, Timeout: time.Second, Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	w.two = w.one.other(t, "two")
	addAccounts(t, w.one.store, 8)
	act := admin.Act{Time: epoch, Actor: "test", Action: "setup", Subject: "x"}
	for _, c := range []admin.Change{
		admin.AddBypass{Bypass: auth.Bypass{ID: "b1", Account: accountID(0), From: epoch, Until: epoch.Add(24 * time.Hour)}},
		admin.AddTrustedIP{TrustedIP: auth.TrustedIP{ID: "t1", Application: "vpn", Range: mustRange(t, "192.0.2.0/24"), Created: epoch}},
		admin.AddClient{Client: auth.Client{ID: "id-nas", Name: "nas", Secrets: []auth.Secret{auth.Secret("s")}, Created: epoch}},
		admin.AddRole{Role: admin.Role{Name: "desk", Permissions: []admin.Permission{admin.ReadAccounts, admin.HelpAccounts}}},
		admin.AddKey{Key: admin.Key{Name: "key", Secret: [32]byte{1}}},
		admin.UpdateAccount{ID: accountID(4), Update: func(a *auth.Account) error { a.Role = admin.Owner; return nil }},
		admin.AddSession{Session: admin.Session{ID: "s1", Token: [32]byte{1}, Account: accountID(4), Expires: epoch.Add(240 * time.Hour)}},
		admin.AddCeremony{Ceremony: admin.Ceremony{ID: "y1", Kind: admin.CeremonySetUp, Expires: epoch.Add(240 * time.Hour)}},
	} {
		if err := w.one.store.Apply(context.Background(), act, c); err != nil {
			t.Fatal(err)
		}
	}
	f := mustSnapshot(t, w.one.store, query(0))
	st := login(f, 10)
	st.Cache = []auth.CacheEntry{{Key: "k", From: epoch, Until: epoch.Add(24 * time.Hour)}}
	commitOn(t, w.one.store, st)
	st = settleOn(mustSnapshot(t, w.one.store, query(0)))
	st.Open = &auth.OpenChallenge{ID: "c1", Login: "c1", Subject: st.Subject, Client: "nas", Expires: epoch.Add(24 * time.Hour)}
	commitOn(t, w.one.store, st)
	return w
}

func mustRange(t *testing.T, s string) auth.Range {
	t.Helper()
	r, err := auth.ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// takenAwayThere is how many acts of lose take something away.
const takenAwayThere = 9

// lose is what the backup or standby does not know: codes, the bypass and the
// challenge are spent, and things are taken away.
func (w *rewoundWorld) lose(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	f, err := w.one.store.Snapshot(ctx, query(0), true)
	if err != nil {
		t.Fatal(err)
	}
	st := login(f, 11)
	st.Bypass, st.Close = "b1", "c1"
	commitOn(t, w.one.store, st)
	eventually(t, "the accounts are known to the other node", func() bool { return mustSnapshot(t, w.two.store, query(1)).Account != nil })
	f, err = w.two.store.Snapshot(ctx, query(1), true)
	if err != nil {
		t.Fatal(err)
	}
	commitOn(t, w.two.store, login(f, 99))
	for _, c := range []struct {
		action string
		change admin.Change
	}{
		{"account.disable", admin.UpdateAccount{ID: accountID(2), Update: func(a *auth.Account) error { a.Enabled = false; return nil }}},
		{"account.block", admin.UpdateAccount{ID: accountID(3), Update: func(a *auth.Account) error {
			a.Blocked, a.BlockReason, a.BlockedUntil = true, "stolen phone", epoch.Add(48*time.Hour)
			return nil
		}}},
		{"authenticator.revoke", admin.RemoveAuthenticator{ID: oathID(1)}},
		{"trusted-ip.remove", admin.RemoveTrustedIP{ID: "t1"}},
		{"client.remove", admin.RemoveClient{Name: "nas"}},
		{"account.role", admin.UpdateAccount{ID: accountID(4), Update: func(a *auth.Account) error { a.Role = ""; return nil }}},
		{"role.change", admin.UpdateRole{Name: "desk", Update: func(r *admin.Role) error { r.Permissions = r.Permissions[:1]; return nil }}},
		{"api-key.remove", admin.RemoveKey{Name: "key"}},
		{"account.remove", admin.RemoveAccount{ID: accountID(5)}},
	} {
		act := admin.Act{Time: epoch.Add(time.Minute), Actor: "helpdesk", Action: c.action, Subject: "somebody"}
		if err := w.one.store.Apply(ctx, act, c.change); err != nil {
			t.Fatal(err)
		}
	}
	// The other node learns of it too, and both have it on their disks.
	eventually(t, "both nodes have noted what was taken away", func() bool {
		for _, r := range []*postgresRig{w.one, w.two} {
			text, err := os.ReadFile(filepath.Join(r.options.Dir, revocationsName))
			if err != nil || strings.Count(string(text), "\n") != takenAwayThere {
				return false
			}
		}
		return w.two.store.anchor.seen().seq == w.one.store.anchor.seen().seq
	})
	eventually(t, "the anchor is on the disk", func() bool {
		text, err := os.ReadFile(filepath.Join(w.one.options.Dir, anchorName))
		return err == nil && strings.Contains(string(text), fmt.Sprintf(`"seq":%d,`, w.one.store.anchor.seen().seq))
	})
}

// check looks whether a store has found out and has voided everything.
func (w *rewoundWorld) check(t *testing.T, s *Postgres) {
	t.Helper()
	ctx := context.Background()
	took := eventually(t, "the store has found out", func() bool { return s.Healthy() == nil && s.Settings().Rewound.Equal(w.now) })
	if took > 10*time.Second {
		t.Errorf("found out after %v", took)
	}
	eventually(t, "what was taken away is taken away again", func() bool {
		f, err := s.Snapshot(ctx, query(1), true)
		return err == nil && f.Account != nil && len(f.Authenticators) == 1 && len(s.Settings().Trusted) == 0 && s.Settings().Client("nas") == nil
	})
	f, err := s.Snapshot(ctx, query(0), true)
	if err != nil {
		t.Fatal(err)
	}
	if f.Bypass != nil || len(f.Cached) != 0 || len(f.Logins) != 0 || f.Challenge != nil {
		t.Errorf("bypass %v, cached %v, logins %v; want all void", f.Bypass, f.Cached, f.Logins)
	}
	for _, a := range f.Authenticators {
		if !a.Rewound {
			t.Errorf("%s is not marked as rewound", a.ID)
		}
	}
	for i, want := range map[int]func(*auth.Account) bool{
		2: func(a *auth.Account) bool { return !a.Enabled },
		3: func(a *auth.Account) bool {
			return a.Blocked && a.BlockReason == "stolen phone" && a.BlockedUntil.Equal(epoch.Add(48*time.Hour))
		},
	} {
		if f, err := s.Snapshot(ctx, query(i), true); err != nil || !want(f.Account) {
			t.Errorf("account %d = %+v, %v; want what was taken away gone again", i, f.Account, err)
		}
	}
	// Whoever was an owner, had a permission, a key, an account or a session is as
	// they were before the stretch was lost.
	eventually(t, "the last thing that was taken away is taken away again", func() bool {
		_, err := s.AccountByID(ctx, accountID(5))
		return errors.Is(err, admin.ErrNotFound)
	})
	if a, err := s.AccountByID(ctx, accountID(4)); err != nil || a.Role != "" {
		t.Errorf("account 4 has the role %q, %v; want it taken away again", a.Role, err)
	}
	if roles, err := s.Roles(ctx); err != nil || len(roles) != 1 || len(roles[0].Permissions) != 1 || roles[0].Permissions[0] != admin.ReadAccounts {
		t.Errorf("roles = %+v, %v; want the permission taken away again", roles, err)
	}
	if _, err := s.Key(ctx, [32]byte{1}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Key = %v, want it taken away again", err)
	}
	if _, err := s.Session(ctx, [32]byte{1}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Session = %v; sessions may have been ended in the lost stretch", err)
	}
	if _, err := s.Ceremony(ctx, "y1"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Ceremony = %v; ceremonies may have been taken in the lost stretch", err)
	}
	// It goes on, and who logs in is ready again.
	commitOn(t, s, login(f, 12))
	if f, err = s.Snapshot(ctx, query(0), false); err != nil || f.Authenticators[1].Rewound || !f.Authenticators[0].Rewound {
		t.Errorf("after a login: %+v, %v; want the one that was used ready, the other not", f.Authenticators, err)
	}
	if c, err := s.Verify(ctx, nil); err != nil || c.Broken != "" {
		t.Errorf("Verify = %+v, %v", c, err)
	}
	acts, err := s.Acts(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	rewinds, again := 0, 0
	for _, a := range acts {
		if a.Action == "database.rewound" {
			rewinds++
		} else if a.Actor == rewindActor {
			again++
		}
	}
	if rewinds != 1 || again != takenAwayThere {
		t.Errorf("%d acts say that the database was rewound and %d take away again; want 1 and %d: %+v", rewinds, again, takenAwayThere, acts)
	}
}

// X7, I21: yesterday's backup is restored under running nodes.
func TestPostgresRestoredBackup(t *testing.T) {
	server := pgtest.Start(t)
	w := newRewoundWorld(t, server.NewDatabase(t))
	base := server.Basebackup(t)
	w.lose(t)
	stale := mustSnapshot(t, w.one.store, query(0))
	server.Stop(t)
	server.Restore(t, base)
	server.Start(t)
	w.check(t, w.one.store)
	w.check2(t, stale)
	if log := w.log.String(); !strings.Contains(log, "the database has gone back in time") || !strings.Contains(log, "lost_events=") {
		t.Errorf("the log does not say which events are gone:\n%s", log)
	}
}

// check2 looks at the other node, and at a login that was in flight.
func (w *rewoundWorld) check2(t *testing.T, stale auth.Facts) {
	t.Helper()
	eventually(t, "the other node has found out", func() bool {
		return w.two.store.Healthy() == nil && w.two.store.Settings().Rewound.Equal(w.now)
	})
	for _, s := range []*Postgres{w.one.store, w.two.store} {
		if _, err := s.Commit(context.Background(), login(stale, 13)); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("a login on facts of the lost stretch = %v, want ErrConflict", err)
		}
	}
	f, err := w.two.store.Snapshot(context.Background(), query(1), true)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Settings.Rewound.Equal(w.now) || !f.Authenticators[0].Rewound {
		t.Errorf("the other node's facts: %+v", f)
	}
}

// A node that was down during the restore knows by the file on its disk.
func TestPostgresRestoredBackupWhileDown(t *testing.T) {
	server := pgtest.Start(t)
	w := newRewoundWorld(t, server.NewDatabase(t))
	base := server.Basebackup(t)
	w.lose(t)
	if err := w.two.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.one.store.Close(); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	server.Restore(t, base)
	server.Start(t)
	w.check(t, w.one.open(t))
	// The other finds that it was dealt with, and that nothing is left to do.
	second := w.two.open(t)
	acts, err := second.Acts(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	again := 0
	for _, a := range acts {
		if a.Actor == rewindActor {
			again++
		}
	}
	if again != 1+takenAwayThere || !second.Settings().Rewound.Equal(w.now) {
		t.Errorf("%d acts of the rewind, rewound at %v", again, second.Settings().Rewound)
	}
}

// X7, I21: the primary dies and a standby is promoted that had not heard of the
// last stretch.
func TestPostgresLaggingStandby(t *testing.T) {
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	name := primary.Database(t)
	w := newRewoundWorld(t, pgtest.URLOf(name, primary, standby))
	primary.CaughtUp(t, standby)
	standby.Lag(t)
	w.lose(t)
	stale := mustSnapshot(t, w.one.store, query(0))
	primary.Kill(t)
	standby.Promote(t)
	w.check(t, w.one.store)
	w.check2(t, stale)
}

// A standby that has everything is no rewind.
func TestPostgresSynchronousStandby(t *testing.T) {
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	name := primary.Database(t)
	w := newRewoundWorld(t, pgtest.URLOf(name, primary, standby))
	tr := startTraffic(t, w.one.store)
	eventually(t, "logins go", func() bool { n, _ := tr.counts(); return n > 50 })
	close(tr.stop)
	tr.wg.Wait()
	primary.CaughtUp(t, standby)
	primary.Kill(t)
	standby.Promote(t)
	eventually(t, "logins go on at the standby", func() bool {
		f, err := w.one.store.Snapshot(context.Background(), query(0), true)
		if err != nil {
			return false
		}
		_, err = w.one.store.Commit(context.Background(), login(f, f.Authenticators[1].Mark+1))
		return err == nil
	})
	if !w.one.store.Settings().Rewound.IsZero() {
		t.Error("a standby that had everything was taken for a rewind")
	}
}
