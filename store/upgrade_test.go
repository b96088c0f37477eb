package store

import (
	"context"
	"encoding/base32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/recovery"
	"sallyport/kdf"
	"sallyport/otp"
	"sallyport/seal"
)

// released puts the database of a release into a data directory.
func released(t *testing.T, release string) Options {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{databaseName: 0o600, "seal.key": 0o400} {
		b, err := os.ReadFile(filepath.Join("testdata", "released", release, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, mode); err != nil {
			t.Fatal(err)
		}
	}
	kek, err := seal.ReadKEK(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	return Options{Dir: dir, KEK: kek}
}

// engineOf returns an engine with all factors, as the program has it.
func engineOf(s *Store) *auth.Engine {
	lanes := kdf.NewLanes(1, time.Minute)
	params := kdf.Params{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1}
	return auth.NewEngine(auth.Parts{
		Store: s,
		Factors: []auth.Factor{
			&password.Factor{Params: params, Lanes: lanes}, &oath.Factor{Drift: 1}, &recovery.Factor{Params: params, Lanes: lanes},
		},
		Limits: auth.DefaultLimits, ChallengeLife: 2 * time.Minute, References: auth.NewReferences([]byte("test")),
		Pseudonym: func(string) string { return "pseudonym" }, Stopwatch: func() time.Time { return epoch },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// TestReleasedDatabases opens data of every release: people log in on it, and
// what was spent stays spent.
func TestReleasedDatabases(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("testdata", "released", "0*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%v, %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) { upgrade(t, released(t, filepath.Base(dir))) })
	}
}

// tallied returns how many events are counted.
func tallied(t *testing.T, s *Store) (n int64) {
	t.Helper()
	list, err := s.Tallies(context.Background(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tally := range list {
		n += tally.Count
	}
	return n
}

func upgrade(t *testing.T, o Options) {
	const (
		before  = 9 // events of the release
		step    = 59845611
		openAge = 59845613 // step in which carol's challenge is still open
	)
	ctx := context.Background()
	s, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	facts := func(name string) auth.Facts {
		t.Helper()
		return mustSnapshot(t, s, auth.Query{Names: []string{name}, Unknown: "?" + name})
	}
	carol := facts("carol")
	if len(carol.Logins) != 1 || carol.Logins[0].Login != carol.Logins[0].ID || carol.Logins[0].Settled != nil || carol.Throttle.Know.Failures != 1 {
		t.Errorf("carol's facts: logins %+v, throttle %+v; want one that waits", carol.Logins, carol.Throttle)
	}
	if f := facts("alice@example.com"); f.Account == nil || f.Account.Name != "alice" || f.Authenticators[1].Mark != step || f.Authenticators[1].Rewound {
		t.Errorf("alice's facts: %+v", f)
	}
	if c := s.Settings().Client("nas"); c == nil || string(c.Secrets[0]) != "a shared secret of 0001" || c.Origin != auth.OriginCalling {
		t.Errorf("client nas = %+v", c)
	}
	if f := facts("alice"); f.Account.Role != "" {
		t.Errorf("alice has the role %q", f.Account.Role)
	}
	if c := s.Settings().Client("nas"); c.Origins != nil {
		t.Errorf("client nas has the origins %q", c.Origins)
	}
	if list, err := s.Acts(ctx, 0, 1); err != nil || len(list) != 1 || list[0].Before != "" || list[0].After != "" {
		t.Errorf("acts = %+v, %v", list, err)
	}
	// The tally begins with the upgrade, the search finds everything.
	uncounted := before - tallied(t, s)
	if page, err := s.SearchEvents(ctx, admin.EventSearch{Until: time.Unix(1<<40, 0)}); err != nil || len(page.Events) != before || page.Next != 0 {
		t.Errorf("SearchEvents = %d events, next %d, %v; want %d", len(page.Events), page.Next, err, before)
	}
	if c := mustVerify(t, s); c.Broken != "" || c.First != 1 || c.Last != before || c.Before != before || c.Head.Hash != nil {
		t.Errorf("Verify = %+v; all events stand before the chain", c)
	}

	try := func(name, pass, code string, at int64) auth.Decision {
		t.Helper()
		e := engineOf(s)
		a := auth.Attempt{
			Door: "radius", Client: "nas", Claimant: name, Evidence: []auth.Evidence{auth.Password(pass)},
			Time: time.Unix(at*30+1, 0), Can: auth.Can{Ask: true},
		}
		d := e.Decide(ctx, a)
		if d.Verdict != auth.Challenge {
			t.Fatalf("%s with the right password = %+v, want a challenge", name, d)
		}
		a.State, a.Evidence = d.State, []auth.Evidence{auth.Code(code)}
		a.Time = a.Time.Add(time.Second)
		return e.Decide(ctx, a)
	}
	want := func(d auth.Decision, v auth.Verdict, what string) {
		t.Helper()
		if d.Verdict != v {
			t.Errorf("%s = %+v, want %v", what, d, v)
		}
	}
	key, err := base32.StdEncoding.DecodeString("RREXWOGHGOJ7ZKWARL7VHHUM33ZMAQOS")
	if err != nil {
		t.Fatal(err)
	}
	code := func(step uint64) string { return otp.HOTP(key, step, otp.Params{Digits: 6, Period: 30 * time.Second}) }
	if code(step) != "435239" {
		t.Fatalf("code of step %d is %s", step, code(step))
	}
	for round := range 2 {
		want(try("alice", "password of alice", "435239", step+1), auth.Reject, "the code that the release accepted")
		want(try("bob", "password of bob", "KJCVN-D2WHJ", step+2), auth.Reject, "the recovery code that the release accepted")
		if round == 0 {
			d := try("alice", "password of alice", code(openAge), openAge)
			want(d, auth.Accept, "a new code")
			if len(d.Attributes) != 2 {
				t.Errorf("attributes = %v, want those of the client and the group", d.Attributes)
			}
			want(try("bob", "password of bob", "S4HNF-HBFJV", openAge), auth.Accept, "the next recovery code")
		}
		want(try("alice", "password of alice", code(openAge), openAge), auth.Reject, "the new code once more")
		c := mustVerify(t, s)
		if c.Broken != "" || c.First != 1 || c.Last <= before || c.Before != before || len(c.Head.Hash) != 32 {
			t.Errorf("Verify = %+v; the chain begins with the first event of this program", c)
		}
		list, err := s.Events(ctx, admin.EventFilter{})
		if err != nil || uint64(len(list)) != c.Last || list[1].Outcome != auth.OATHCodeVerified || list[1].Account != "alice" {
			t.Errorf("%d events, %v", len(list), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	if c := mustVerify(t, s); tallied(t, s)+uncounted != int64(c.Last) {
		t.Errorf("%d events are counted of %d; %d stood there before", tallied(t, s), c.Last, uncounted)
	}
	addCeremony(t, s, "c1")
	wantBody(t, s, "c1")
	owner := func(a *auth.Account) error { a.Role = admin.Owner; return nil }
	if err := s.Apply(ctx, admin.Act{Time: epoch, Action: "x"}, admin.UpdateAccount{ID: facts("alice").Account.ID, Update: owner}); err != nil {
		t.Fatal(err)
	}
	if f := facts("alice"); f.Account.Role != admin.Owner {
		t.Errorf("alice has the role %q", f.Account.Role)
	}
	// Events of both times can go, and the rest is proven from there on.
	for _, before := range []time.Time{time.Unix(1795368455, 0), time.Unix(openAge*30+1, 0)} {
		if n, err := s.Retain(ctx, admin.Act{Time: epoch, Action: "events.retain"}, before.Add(500*time.Millisecond)); err != nil {
			t.Errorf("Retain = %d, %v", n, err)
		}
		if c := mustVerify(t, s); c.Broken != "" || c.Cut.Seq+1 != c.First {
			t.Errorf("Verify = %+v", c)
		}
	}
	// Who drops what proves where the chain begins is found out.
	db, err := openDatabase(s.dial, filepath.Join(o.Dir, databaseName), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustExec(t, db, `UPDATE event SET hash = NULL`)
	if c := mustVerify(t, s); c.Broken == "" {
		t.Errorf("Verify without any hash = %+v", c)
	}
}
