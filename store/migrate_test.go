package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/store/pgtest"
)

// everything is what both kinds of store must tell of the same data.
type everything struct {
	settings       auth.Settings
	accounts       []auth.Account
	authenticators map[string][]auth.Authenticator
	facts          []auth.Facts
	events         []auth.Event
	bypasses       []auth.Bypass
	acts           []admin.Act
	readings       []admin.Reading
	cursor         uint64
	head           admin.Link
	chain          admin.Chain
	sessions       []admin.Session
	ceremonies     []admin.Ceremony
	roles          []admin.Role
	keys           []admin.Key
	tallies        []admin.Tally
	found          []auth.Event
}

func tellAll(t *testing.T, s authtest.FullStore, accounts int) everything {
	t.Helper()
	ctx := context.Background()
	e := everything{settings: *s.Settings(), authenticators: make(map[string][]auth.Authenticator)}
	var errs [16]error
	e.accounts, errs[0] = s.Accounts(ctx, "", 0)
	e.events, errs[1] = s.Events(ctx, admin.EventFilter{Limit: 1 << 20})
	e.bypasses, errs[2] = s.Bypasses(ctx)
	e.acts, errs[3] = s.Acts(ctx, 0, 1<<20)
	e.readings, errs[4] = s.Readings(ctx)
	e.cursor, errs[5] = s.Cursor(ctx, "syslog")
	e.head, errs[6] = s.Head(ctx)
	e.chain, errs[7] = s.Verify(ctx, nil)
	e.sessions, errs[10] = s.Sessions(ctx, "", epoch)
	e.roles, errs[11] = s.Roles(ctx)
	e.keys, errs[12] = s.Keys(ctx)
	e.tallies, errs[13] = s.Tallies(ctx, time.Time{}, time.Time{})
	page, err := s.SearchEvents(ctx, admin.EventSearch{Subject: accountID(1), Until: epoch.Add(time.Minute)})
	e.found, errs[14] = page.Events, err
	for _, id := range []string{"c1", "c2"} {
		c, err := s.Ceremony(ctx, id)
		if err == nil {
			e.ceremonies = append(e.ceremonies, c)
		} else if !errors.Is(err, admin.ErrNotFound) {
			errs[15] = err
		}
	}
	for i := range accounts {
		q := query(i)
		q.State = "c2"
		f, err := s.Snapshot(ctx, q, true)
		errs[8] = errors.Join(errs[8], err)
		f.Version, f.Settings = 0, nil
		e.facts = append(e.facts, f)
		list, err := s.Authenticators(ctx, accountID(i))
		errs[9] = errors.Join(errs[9], err)
		e.authenticators[accountID(i)] = list
	}
	f, err := s.Snapshot(ctx, auth.Query{Names: []string{"nobody"}, Unknown: "?nobody"}, true)
	f.Version, f.Settings = 0, nil
	e.facts = append(e.facts, f)
	if err := errors.Join(append(errs[:], err)...); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e everything) compare(t *testing.T, with everything, what string) {
	t.Helper()
	diff := cmp.Diff(e, with, cmp.AllowUnexported(everything{}), cmpopts.IgnoreUnexported(auth.Settings{}), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }))
	if diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

// furnish fills a store with some of everything that there is.
func furnish(t *testing.T, s authtest.FullStore) {
	t.Helper()
	ctx := context.Background()
	addAccounts(t, s, 5)
	act := admin.Act{Time: epoch, Actor: "test", Action: "furnish", Subject: "x", Detail: "y", Before: `{"a":1}`, After: `{"a":2}`}
	apply := func(changes ...admin.Change) {
		t.Helper()
		if err := s.Apply(ctx, act, changes...); err != nil {
			t.Fatal(err)
		}
	}
	apply(
		admin.AddApplication{Application: auth.Application{Name: "vpn", Created: epoch}},
		admin.AddGroup{Group: auth.Group{Name: "staff", Attributes: []auth.ReplyAttribute{{Name: "Class", Value: "x"}}, Created: epoch}},
		admin.AddClient{Client: auth.Client{ID: "id-nas", Name: "nas", Secrets: []auth.Secret{auth.Secret("a secret")}, Origin: auth.OriginNone, Created: epoch}},
		admin.AddRule{Rule: auth.Rule{ID: "r1", Name: "first", Created: epoch, Match: auth.Match{Groups: []string{"staff"}}, Then: auth.Then{Need: auth.NeedPrimary}}},
		admin.AddTrustedIP{TrustedIP: auth.TrustedIP{ID: "t1", Application: "vpn", Range: mustRange(t, "192.0.2.0/24"), Note: "office", Created: epoch}},
		admin.AddCacheRule{CacheRule: auth.CacheRule{ID: "k1", Application: "vpn", Type: auth.CacheUser, Life: time.Minute, Created: epoch}},
		admin.AddBypass{Bypass: auth.Bypass{ID: "b1", Account: accountID(4), From: epoch, Until: epoch.Add(time.Hour), Reason: "lost", Actor: "test"}},
		admin.AddAuthenticator{Authenticator: auth.Authenticator{ID: "spare", Factor: "oath", Serial: "S-1", State: auth.Secret("state"), Created: epoch, Mark: 3}},
		admin.UpdateAccount{ID: accountID(3), Update: func(a *auth.Account) error {
			a.Aliases, a.Blocked, a.BlockReason, a.BlockedUntil = []string{"alias"}, true, "why", epoch.Add(time.Hour)
			return nil
		}},
		admin.AddClient{Client: auth.Client{ID: "id-wiki", Name: "wiki", Door: "https", Origins: []string{"https://wiki.example.org"}, Created: epoch}},
		admin.AddRole{Role: admin.Role{Name: "desk", Permissions: []admin.Permission{admin.ReadAccounts}, Created: epoch}},
		admin.UpdateAccount{ID: accountID(2), Update: func(a *auth.Account) error { a.Role = "desk"; return nil }},
		admin.AddKey{Key: admin.Key{Name: "key", Secret: [32]byte{1, 0, 2}, Permissions: []admin.Permission{admin.DecideLogins}, Client: "wiki", Expires: epoch}},
		admin.AddSession{Session: admin.Session{
			ID: "s1", Token: [32]byte{0, 1}, Account: accountID(2), Client: auth.ConsoleClient, Factor: "webauthn", Proven: epoch, Created: epoch,
			Seen: epoch, Expires: epoch.Add(time.Hour), Source: "192.0.2.9", Agent: "\xff agent",
		}},
		admin.AddCeremony{Ceremony: admin.Ceremony{ID: "c1", Kind: admin.CeremonySetUp, Body: auth.Secret("a secret body"), Tries: 2, Created: epoch, Expires: epoch}},
		admin.AddCeremony{Ceremony: admin.Ceremony{ID: "c2", Kind: admin.CeremonyInvitation, Account: accountID(2), Note: "by test"}},
	)
	if err := s.SaveReading(ctx, admin.Reading{Client: "nas", Node: "n", Time: epoch, Body: []byte(`{"a":1}`)}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCursor(ctx, "syslog", 2); err != nil {
		t.Fatal(err)
	}
	commit := func(st auth.Settlement) {
		t.Helper()
		if _, err := s.Commit(ctx, st); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		st := login(mustSnapshot(t, s, query(i)), int64(100+i))
		st.Throttle = &auth.Throttle{Have: auth.Count{Failures: i, Until: epoch.Add(time.Hour)}}
		st.Cache = []auth.CacheEntry{{Key: fmt.Sprint("key", i), From: epoch, Until: epoch.Add(time.Hour)}}
		commit(st)
	}
	for i, id := range []auth.ChallengeID{"c1", "c2"} {
		st := settleOn(mustSnapshot(t, s, query(1)))
		st.Open = &auth.OpenChallenge{
			ID: id, Login: id, Subject: st.Subject, Client: "nas", Application: "vpn", From: "\xff station", Session: "port",
			Proven: []string{"password"}, Asked: epoch, Expires: epoch.Add(time.Hour),
		}
		commit(st)
		if i == 0 {
			st = login(mustSnapshot(t, s, query(1)), 200)
			st.Close = id
			commit(st)
		}
	}
	unknown := mustSnapshot(t, s, auth.Query{Names: []string{"nobody"}, Unknown: "?nobody"})
	commit(auth.Settlement{
		Subject: unknown.Subject, Settings: unknown.Settings.Version, Version: unknown.Version, Throttle: &auth.Throttle{Know: auth.Count{Failures: 2}},
		Event: auth.Event{Time: epoch, Subject: unknown.Subject, Outcome: auth.UserNotFound, Count: 1, Mark: auth.NoMark},
	})
}

// Migrate moves everything, a backup of the target is an SQLite database with
// everything, and that can be migrated again.
func TestMigrate(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	furnish(t, r.store)
	want := tellAll(t, r.store, 5)
	if want.chain.Broken != "" || want.facts[1].Challenge == nil || len(want.facts[1].Logins) != 2 || len(want.facts[0].Cached) != 1 ||
		len(want.sessions) != 1 || len(want.ceremonies) != 2 || len(want.tallies) == 0 || len(want.found) == 0 {
		t.Fatalf("the world is not furnished: %+v", want.facts[1])
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	o := PostgresOptions{URL: pgtest.Shared(t).NewDatabase(t), Dir: filepath.Join(t.TempDir(), "node"), KEK: r.options.KEK, Node: "one", Version: "test"}
	told := make(map[string]int64)
	if err := Migrate(ctx, r.options.Dir, o, func(table string, rows int64) { told[table] = rows }); err != nil {
		t.Fatal(err)
	}
	if told["account"] != 5 || told["authenticator"] != 11 || told["event"] == 0 || told["subject"] != 3 {
		t.Errorf("told %v", told)
	}
	p := newPostgresRig(t, o)
	tellAll(t, p.store, 5).compare(t, want, "after the migration")
	commitOn(t, p.store, login(mustSnapshot(t, p.store, query(0)), 500)) // logins go on, and so does the chain
	if c, err := p.store.Verify(ctx, nil); err != nil || c.Broken != "" || c.Last != want.chain.Last+1 {
		t.Errorf("Verify after a login = %+v, %v", c, err)
	}
	err := Migrate(ctx, r.options.Dir, o, nil)
	if !errors.Is(err, errNotEmpty) {
		t.Errorf("Migrate into a database that is in use = %v, want it refused", err)
	}

	want = tellAll(t, p.store, 5)
	var backup bytes.Buffer
	if err := p.store.Backup(ctx, &backup); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(backup.Bytes(), []byte("a secret")) {
		t.Error("the backup holds a secret in the clear")
	}
	if !strings.HasPrefix(backup.String(), magic) {
		t.Fatal("the backup is no SQLite database")
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if err := Restore(&backup, dir); err != nil {
		t.Fatal(err)
	}
	s := newRig(t, Options{Dir: dir, KEK: r.options.KEK})
	// Restore leaves behind what may have been used since.
	want.bypasses, want.sessions, want.ceremonies = nil, nil, nil
	for i := range want.facts {
		want.facts[i].Logins, want.facts[i].Challenge, want.facts[i].Cached, want.facts[i].Bypass = nil, nil, nil, nil
	}
	tellAll(t, s.store, 5).compare(t, want, "after a backup of PostgreSQL was restored into SQLite")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	o.URL, o.Dir = pgtest.Shared(t).NewDatabase(t), filepath.Join(t.TempDir(), "again")
	if err := Migrate(ctx, dir, o, nil); err != nil {
		t.Fatal(err)
	}
	again := newPostgresRig(t, o)
	tellAll(t, again.store, 5).compare(t, want, "after the restored backup was migrated back")
}

// A target that cannot take everything has nothing afterwards.
func TestMigrateAllOrNothing(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	furnish(t, r.store)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	// PostgreSQL keeps no NUL in a text.
	if _, err := r.database(t).Exec(`UPDATE act SET detail = 'a' || char(0) || 'b' WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	o := PostgresOptions{URL: pgtest.Shared(t).NewDatabase(t), Dir: filepath.Join(t.TempDir(), "node"), KEK: r.options.KEK, Node: "one"}
	err := Migrate(ctx, r.options.Dir, o, nil)
	if err == nil || !strings.Contains(err.Error(), "table act") {
		t.Fatalf("Migrate = %v, want to be told of the table act", err)
	}
	if _, err := r.database(t).Exec(`UPDATE act SET detail = '' WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(ctx, r.options.Dir, o, nil); err != nil {
		t.Errorf("Migrate after one that failed = %v", err)
	}
}

// A backup is of one moment while logins go on.
func TestPostgresBackupUnderLoad(t *testing.T) {
	r := newPostgresRig(t, PostgresOptions{})
	addAccounts(t, r.store, 8)
	tr := startTraffic(t, r.store)
	eventually(t, "logins go", func() bool { n, _ := tr.counts(); return n > 100 })
	var backup bytes.Buffer
	if err := r.store.Backup(context.Background(), &backup); err != nil {
		t.Fatal(err)
	}
	tr.end(t, r.store)
	dir := filepath.Join(t.TempDir(), "restored")
	if err := Restore(&backup, dir); err != nil {
		t.Fatal(err)
	}
	s := newRig(t, Options{Dir: dir, KEK: r.options.KEK})
	events, err := s.store.Events(context.Background(), admin.EventFilter{Limit: 1 << 20})
	if err != nil || len(events) < 100 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	marks := make(map[string]int64)
	for _, e := range events {
		marks[e.Authenticator] = max(marks[e.Authenticator], e.Mark)
	}
	for i := range 8 {
		if f := mustSnapshot(t, s.store, query(i)); f.Authenticators[1].Mark != marks[oathID(i)] {
			t.Errorf("mark of account %d is %d, and its newest event spent %d: the copy is not of one moment", i, f.Authenticators[1].Mark, marks[oathID(i)])
		}
	}
}
