package authtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A FullStore is what an implementation of both store interfaces offers.
type FullStore interface {
	auth.Store
	admin.Store
}

// A StoreUnderTest is a new, empty store and the means to be unkind to it.
type StoreUnderTest struct {
	Store FullStore
	// Reopen ends the store as the end of its process would and opens it again
	// on the same data.
	Reopen func(t *testing.T) FullStore
	// FailWrite makes the n-th statement from now on that writes, or that
	// commits, fail once, without having had an effect. fired reports whether
	// it came to that; n = 0 calls it off.
	FailWrite func(n int) (fired func() bool)
	// SwapStates does as Reopen does, and in between puts the sealed states of
	// two authenticators in each other's place, as somebody could who can
	// write the database but has no key.
	SwapStates func(t *testing.T, a, b string) FullStore
	// Mutate runs a statement on the database behind the store's back, as
	// somebody could who can write it. The statement is one that SQLite and
	// PostgreSQL both understand. Nil if the implementation keeps events
	// elsewhere than in rows of a table event with columns last, first, body
	// and hash.
	Mutate func(t *testing.T, statement string)
	// Node is the name under which Store enters itself in the list of nodes.
	Node string
}

// TestStore is the conformance suite of auth.Store and admin.Store. open
// returns a new, empty store; it is called once for each subtest.
func TestStore(t *testing.T, open func(t *testing.T) StoreUnderTest) {
	for _, tt := range []struct {
		name string
		run  func(*storeTest)
	}{
		{"a settlement rests on its version", (*storeTest).versions},
		{"one of 64 parallel settlements wins", (*storeTest).race},
		{"what is spent stays spent", (*storeTest).spend},
		{"marks never go back", (*storeTest).marks},
		{"failure counts survive a restart", (*storeTest).throttle},
		{"other names do not evict a failure count", (*storeTest).flood},
		{"a challenge is answered once", (*storeTest).challenge},
		{"settings are part of what a settlement rests on", (*storeTest).settings},
		{"every change moves what rested on it", (*storeTest).changesMove},
		{"a settlement is written completely or not at all", (*storeTest).allOrNothing},
		{"a settlement without subject is an event", (*storeTest).incident},
		{"a settlement ends with its context", (*storeTest).canceled},
		{"sealed states are bound to their records", (*storeTest).swapped},
		{"new states replace old ones", (*storeTest).states},
		{"Apply makes all changes or none", (*storeTest).applyAtomic},
		{"Apply survives every failing write", (*storeTest).applyAllOrNothing},
		{"events are numbered, ordered and filtered", (*storeTest).events},
		{"an event comes back as it was", (*storeTest).eventWhole},
		{"a name belongs to one account", (*storeTest).names},
		{"a name that appears is seen at once", (*storeTest).appears},
		{"accounts are listed and updated", (*storeTest).accounts},
		{"authenticators keep their order", (*storeTest).authenticators},
		{"clients and groups come back as they were", (*storeTest).clients},
		{"acts are recorded in order", (*storeTest).record},
		{"a backup is complete", (*storeTest).backup},
		{"sealing again loses nothing", (*storeTest).reseal},
		{"a settled challenge stays until it expires", (*storeTest).joined},
		{"a change by an administrator ends logins and cache entries", (*storeTest).voids},
		{"cache entries live until they end", (*storeTest).cached},
		{"a bypass is spent once", (*storeTest).bypass},
		{"who watches is woken", (*storeTest).watch},
		{"a final answer is found again", (*storeTest).answered},
		{"a rewound authenticator is one until it is used or found again", (*storeTest).rewound},
		{"rules keep their order without gaps", (*storeTest).rules},
		{"exemptions come back as they were", (*storeTest).exemptions},
		{"the chain of events verifies and shows what was changed", (*storeTest).chain},
		{"old events are deleted and nothing else", (*storeTest).retain},
		{"a cursor never goes back", (*storeTest).cursors},
		{"a lease has one holder", (*storeTest).leases},
		{"readings replace older ones", (*storeTest).readings},
		{"nodes enter themselves", (*storeTest).nodes},
		{"sessions are kept until they end", (*storeTest).sessions},
		{"a session that is ended is ended at once", (*storeTest).endsAtOnce},
		{"ceremonies are kept until they end", (*storeTest).ceremonies},
		{"tries at once are all counted", (*storeTest).triedTogether},
		{"one of 64 takes a ceremony", (*storeTest).oneTakes},
		{"a ceremony is taken with all that belongs to it", (*storeTest).identityAllOrNothing},
		{"bodies of ceremonies are sealed again", (*storeTest).bodiesResealed},
		{"the preferred authenticator is the first", (*storeTest).prefers},
		{"a role that somebody has stays", (*storeTest).roles},
		{"the last owner stays", (*storeTest).keepsOwner},
		{"keys are found by their secrets", (*storeTest).keys},
		{"settings that something refers to stay", (*storeTest).referred},
		{"an account is removed with everything", (*storeTest).removes},
		{"a change without action is no act", (*storeTest).unrecorded},
		{"clients of other doors come back as they were", (*storeTest).behindProxies},
	} {
		t.Run(tt.name, func(t *testing.T) {
			under := open(t)
			tt.run(&storeTest{T: t, under: under, store: under.Store})
		})
	}
}

// A storeTest is one subtest with its store.
type storeTest struct {
	*testing.T
	under StoreUnderTest
	store FullStore
	acts  int
}

func (t *storeTest) reopen() {
	t.Helper()
	t.store = t.under.Reopen(t.T)
}

// apply makes changes that must succeed.
func (t *storeTest) apply(changes ...admin.Change) {
	t.Helper()
	if err := t.try(changes...); err != nil {
		t.Fatalf("Apply(%T...) = %v", changes[0], err)
	}
}

func (t *storeTest) try(changes ...admin.Change) error {
	t.acts++
	return t.store.Apply(context.Background(), admin.Act{
		Time: Epoch.Add(time.Duration(t.acts) * time.Second), Actor: "test", Action: "change", Subject: "x",
		Detail: fmt.Sprint(t.acts),
	}, changes...)
}

// account adds an account with one password and one OATH authenticator.
func (t *storeTest) account(name string, aliases ...string) {
	t.Helper()
	t.apply(
		admin.AddAccount{Account: testAccount(name, aliases...)},
		admin.AddAuthenticator{Authenticator: testAuthenticator(name, "password")},
		admin.AddAuthenticator{Authenticator: testAuthenticator(name, "oath")},
	)
}

func testAccount(name string, aliases ...string) auth.Account {
	return auth.Account{ID: "id-" + name, Name: name, Aliases: aliases, Groups: []string{"staff"}, Enabled: true, Created: Epoch}
}

func testAuthenticator(name, factor string) auth.Authenticator {
	return auth.Authenticator{
		ID: factor + "-" + name, Account: "id-" + name, Factor: factor, Label: "a label", Created: Epoch,
		State: auth.Secret("state of " + factor + "-" + name), Mark: auth.NoMark,
	}
}

func (t *storeTest) snapshot(names ...string) auth.Facts {
	t.Helper()
	return t.look(auth.Query{Names: names, Unknown: unknownOf(names)}, false)
}

func unknownOf(names []string) string { return "?" + strings.Join(names, "+") }

// look takes a snapshot and, since facts from memory and from the database
// must be the same, a fresh one to compare.
func (t *storeTest) look(q auth.Query, fresh bool) auth.Facts {
	t.Helper()
	f, err := t.store.Snapshot(context.Background(), q, fresh)
	if err != nil {
		t.Fatalf("Snapshot(%v) = %v", q.Names, err)
	}
	if !fresh {
		if g := t.look(q, true); !reflect.DeepEqual(f, g) {
			t.Fatalf("Snapshot(%v) differs from a fresh one:\n%s\n%s\nfacts from memory must be those of the database",
				q.Names, show(f), show(g))
		}
	}
	return f
}

// show prints facts, their states included: they are made up here.
func show(f auth.Facts) string {
	s := fmt.Sprintf("subject %s at %d/%d, %+v, %+v", f.Subject, f.Version, f.Settings.Version, f.Account, f.Throttle)
	for _, a := range f.Authenticators {
		s += fmt.Sprintf("\n  %s mark %d state %q", a.ID, a.Mark, []byte(a.State))
	}
	return s
}

// settle returns a settlement that rests on f, with a plain event.
func settle(f auth.Facts, o auth.Outcome) auth.Settlement {
	return auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
		Event: auth.Event{
			Time: Epoch, Subject: f.Subject, Door: "radius", Outcome: o, Verdict: o.Meaning().Verdict,
			Mark: auth.NoMark, Count: 1,
		},
	}
}

// spending is settle with a step of the account's OATH authenticator spent.
func spending(f auth.Facts, step int64) auth.Settlement {
	s := settle(f, auth.OATHCodeVerified)
	s.Event.Authenticator, s.Event.Mark = "oath-"+f.Account.Name, step
	s.Spend = []auth.Spend{{Authenticator: s.Event.Authenticator, Mark: step}}
	return s
}

func (t *storeTest) commit(s auth.Settlement) uint64 {
	t.Helper()
	seq, err := t.store.Commit(context.Background(), s)
	if err != nil {
		t.Fatalf("Commit = %v, want nil", err)
	}
	return seq
}

func (t *storeTest) refused(s auth.Settlement, rule string) {
	t.Helper()
	seq, err := t.store.Commit(context.Background(), s)
	if !errors.Is(err, auth.ErrConflict) {
		t.Fatalf("Commit = %d, %v; want ErrConflict: %s", seq, err, rule)
	}
}

func markOf(f auth.Facts, id string) int64 {
	for _, a := range f.Authenticators {
		if a.ID == id {
			return a.Mark
		}
	}
	return -1 << 62
}

func (t *storeTest) versions() {
	t.account("alice")
	f := t.snapshot("alice")
	if f.Subject != "id-alice" || f.Account == nil || f.Account.Name != "alice" || len(f.Authenticators) != 2 {
		t.Fatalf("Snapshot = %s; want alice with two authenticators", show(f))
	}
	seq := t.commit(settle(f, auth.OATHCodeIncorrect))
	t.refused(settle(f, auth.OATHCodeIncorrect), "the subject has moved since the facts were read")
	g := t.snapshot("alice")
	if g.Version == f.Version {
		t.Fatalf("version is still %d; every settlement of a subject moves it", g.Version)
	}
	if next := t.commit(settle(g, auth.OATHCodeIncorrect)); next != seq+1 {
		t.Errorf("sequence numbers %d then %d; they are dense, and a refused settlement uses none", seq, next)
	}
	stale := settle(t.snapshot("alice"), auth.OATHCodeIncorrect)
	stale.Version++
	t.refused(stale, "a version that was never handed out is not the subject's")
	if list := t.list(admin.EventFilter{}); len(list) != 2 {
		t.Errorf("%d events; a refused settlement leaves none", len(list))
	}
}

func (t *storeTest) race() {
	t.account("alice")
	for round := range 5 {
		f := t.snapshot("alice")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won, conflicts := 0, 0
		start := make(chan struct{})
		for range 64 {
			wg.Go(func() {
				<-start
				_, err := t.store.Commit(context.Background(), spending(f, int64(1000+round)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, auth.ErrConflict):
					conflicts++
				default:
					t.Errorf("Commit = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won != 1 || conflicts != 63 {
			t.Fatalf("%d of 64 settlements on one version won and %d conflicted; exactly one may, or a code works twice", won, conflicts)
		}
	}
}

func (t *storeTest) spend() {
	t.account("alice")
	t.commit(spending(t.snapshot("alice"), 77))
	if m := markOf(t.snapshot("alice"), "oath-alice"); m != 77 {
		t.Fatalf("mark after the commit is %d, want 77: a spent code must be seen by the next attempt", m)
	}
	if a, err := t.store.Authenticator(context.Background(), "oath-alice"); err != nil || a.Mark != 77 {
		t.Errorf("Authenticator = mark %d, %v; want 77", a.Mark, err)
	}
	t.reopen()
	if m := markOf(t.snapshot("alice"), "oath-alice"); m != 77 {
		t.Fatalf("mark after a restart is %d, want 77: a restart must not bring a used code back", m)
	}
	list, err := t.store.Authenticators(context.Background(), "id-alice")
	if err != nil || len(list) != 2 || list[1].Mark != 77 {
		t.Errorf("Authenticators = %v, %v; want the second with mark 77", list, err)
	}
	// A mark of an authenticator that the event does not name.
	s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
	s.Spend = []auth.Spend{{Authenticator: "oath-alice", Mark: 78}, {Authenticator: "password-alice", Mark: 3}}
	t.commit(s)
	t.snapshot("alice")
	t.reopen()
	f := t.snapshot("alice")
	if markOf(f, "oath-alice") != 78 || markOf(f, "password-alice") != 3 {
		t.Errorf("marks are %d and %d, want 78 and 3: every Spend counts, whatever the event names",
			markOf(f, "oath-alice"), markOf(f, "password-alice"))
	}
}

func (t *storeTest) marks() {
	t.account("alice")
	want := auth.NoMark
	for _, step := range []int64{5, 3, 9, 9, 0, 8, 10} {
		t.commit(spending(t.snapshot("alice"), step))
		want = max(want, step)
		if m := markOf(t.snapshot("alice"), "oath-alice"); m != want {
			t.Fatalf("mark after spending %d is %d, want %d: marks only rise", step, m, want)
		}
	}
	t.reopen()
	t.apply(admin.UpdateAuthenticator{ID: "oath-alice", Update: func(a *auth.Authenticator) error {
		if a.Mark != want {
			t.Errorf("an update sees mark %d, want %d", a.Mark, want)
		}
		a.Mark = 2
		return nil
	}})
	if m := markOf(t.snapshot("alice"), "oath-alice"); m != want {
		t.Errorf("mark after an update to 2 is %d, want %d: marks only rise", m, want)
	}
	t.apply(admin.UpdateAuthenticator{ID: "oath-alice", Update: func(a *auth.Authenticator) error { a.Mark = 50; return nil }})
	if m := markOf(t.snapshot("alice"), "oath-alice"); m != 50 {
		t.Errorf("mark after an update to 50 is %d: a resync moves it on", m)
	}
	// To another account and back: the mark goes with the authenticator.
	t.account("bob")
	t.commit(spending(t.snapshot("alice"), 60))
	t.apply(admin.UpdateAuthenticator{ID: "oath-alice", Update: func(a *auth.Authenticator) error { a.Account = "id-bob"; return nil }})
	if m := markOf(t.snapshot("bob"), "oath-alice"); m != 60 {
		t.Errorf("mark in the hands of another account is %d, want 60: what is spent is spent for everybody", m)
	}
	t.reopen()
	if m := markOf(t.snapshot("bob"), "oath-alice"); m != 60 {
		t.Errorf("mark in the hands of another account after a restart is %d, want 60", m)
	}
}

// A lock that was written in the transaction of the failing login, which was
// then rolled back, never stuck in CVE-2026-35597; the count in memory hid it
// until the restart.
func (t *storeTest) throttle() {
	t.account("alice")
	until := Epoch.Add(time.Hour)
	counts := auth.Throttle{Know: auth.Count{Failures: 3}, Have: auth.Count{Failures: 50, Until: until}}
	for _, names := range [][]string{{"alice"}, {"nobody"}} {
		s := settle(t.snapshot(names...), auth.OATHCodeIncorrect)
		s.Throttle = &counts
		t.commit(s)
		if f := t.snapshot(names...); f.Throttle != counts {
			t.Fatalf("throttle of %s = %+v, want %+v: the next attempt must see the count", names[0], f.Throttle, counts)
		}
	}
	t.reopen()
	for _, names := range [][]string{{"alice"}, {"nobody"}} {
		f := t.snapshot(names...)
		if f.Throttle != counts {
			t.Errorf("throttle of %s after a restart = %+v, want %+v: a restart must not give free guesses", names[0], f.Throttle, counts)
		}
		if got, err := t.store.Throttle(context.Background(), f.Subject); err != nil || got != counts {
			t.Errorf("Throttle(%s) = %+v, %v", f.Subject, got, err)
		}
	}
	s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
	s.Throttle = new(auth.Throttle)
	t.commit(s)
	t.apply(admin.ResetThrottle{Subject: "?nobody"})
	for range 2 {
		if f := t.snapshot("alice"); f.Throttle != (auth.Throttle{}) {
			t.Errorf("throttle after a complete login = %+v, want none", f.Throttle)
		}
		if f := t.snapshot("nobody"); f.Throttle != (auth.Throttle{}) {
			t.Errorf("throttle after ResetThrottle = %+v, want none", f.Throttle)
		}
		t.reopen()
	}
}

// CVE-2024-21662: failures were kept in a bounded cache, and a flood of other
// names pushed the victim's count out.
func (t *storeTest) flood() {
	others := 20_000
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		others = 1_000_000
	}
	t.account("victim")
	fail := func(q auth.Query, failures int) error {
		f, err := t.store.Snapshot(context.Background(), q, false)
		if err != nil {
			return err
		}
		s := settle(f, auth.OATHCodeIncorrect)
		s.Throttle = &auth.Throttle{Have: auth.Count{Failures: failures}}
		_, err = t.store.Commit(context.Background(), s)
		return err
	}
	for _, name := range []string{"victim", "ghost"} {
		if err := fail(auth.Query{Names: []string{name}, Unknown: "?" + name}, 9); err != nil {
			t.Fatal(err)
		}
	}
	work := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range work {
				name := fmt.Sprintf("other%d", i)
				if err := fail(auth.Query{Names: []string{name}, Unknown: "?" + name}, 1); err != nil {
					t.Errorf("failure of %s: %v", name, err)
				}
			}
		})
	}
	for i := range others {
		work <- i
	}
	close(work)
	wg.Wait()
	for _, name := range []string{"victim", "ghost"} {
		if f := t.snapshot(name); f.Throttle.Have.Failures != 9 {
			t.Errorf("failures of %s after %d other names = %d, want 9: other people's traffic must not give free guesses",
				name, others, f.Throttle.Have.Failures)
		}
	}
}

func (t *storeTest) challenge() {
	t.account("alice")
	t.account("bob")
	open := auth.OpenChallenge{
		ID: "c1", Login: "c1", Subject: "id-alice", Client: "nas", Application: "vpn", From: "192.0.2.7", Session: "port 7",
		Proven: []string{"password"}, Asked: Epoch, Expires: Epoch.Add(2 * time.Minute),
	}
	s := settle(t.snapshot("alice"), auth.OATHCodePending)
	s.Open = &open
	t.commit(s)
	find := func(name string) *auth.OpenChallenge {
		t.Helper()
		return t.look(auth.Query{Names: []string{name}, Unknown: "?" + name, State: "c1"}, false).Challenge
	}
	for range 2 {
		if c := find("alice"); c == nil || !reflect.DeepEqual(*c, open) {
			t.Fatalf("challenge = %+v, want %+v, after a restart too", c, open)
		}
		if c := find("bob"); c != nil {
			t.Errorf("bob's facts hold alice's challenge %+v; a challenge belongs to one subject", c)
		}
		if c := find("nobody"); c != nil {
			t.Errorf("an unknown name's facts hold alice's challenge %+v", c)
		}
		t.reopen()
	}
	other := settle(t.snapshot("bob"), auth.OATHCodeVerified)
	other.Close = "c1"
	t.refused(other, "bob cannot close alice's challenge")

	f := t.snapshot("alice")
	won := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			s := spending(f, 5)
			s.Close = "c1"
			if _, err := t.store.Commit(context.Background(), s); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 16 answers to one challenge were committed; it can be answered once", won)
	}
	for range 2 {
		if c := find("alice"); c != nil {
			t.Errorf("an answered challenge is still there: %+v", c)
		}
		again := settle(t.snapshot("alice"), auth.OATHCodeVerified)
		again.Close = "c1"
		t.refused(again, "the challenge was answered already")
		t.reopen()
	}
}

func (t *storeTest) settings() {
	t.account("alice")
	f := t.snapshot("alice")
	t.apply(admin.AddClient{Client: testClient("nas")})
	if v := t.store.Settings().Version; v <= f.Settings.Version {
		t.Errorf("settings version went from %d to %d; a change raises it", f.Settings.Version, v)
	}
	if f.Settings.Client("nas") != nil || t.store.Settings().Client("nas") == nil {
		t.Error("a Settings value that was handed out must not change, and the new one must hold the client")
	}
	t.refused(settle(f, auth.OATHCodeVerified), "the settings have moved since the facts were read")
	was := t.store.Settings().Version
	t.reopen()
	if v := t.store.Settings().Version; v < was {
		t.Errorf("settings version fell from %d to %d over a restart", was, v)
	}
	if t.store.Settings().Client("nas") == nil {
		t.Error("the client is gone after a restart")
	}
	t.commit(settle(t.snapshot("alice"), auth.OATHCodeVerified))
}

func (t *storeTest) changesMove() {
	t.account("alice")
	t.apply(admin.AddAuthenticator{Authenticator: auth.Authenticator{
		ID: "spare", Factor: "oath", Serial: "S1", State: auth.Secret("spare state"), Created: Epoch, Mark: auth.NoMark,
	}})
	for _, tt := range []struct {
		name   string
		change admin.Change
	}{
		{"UpdateAccount", admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Blocked = true; return nil }}},
		{"ResetThrottle", admin.ResetThrottle{Subject: "id-alice"}},
		{"AddAuthenticator", admin.AddAuthenticator{Authenticator: testAuthenticator("alice", "recovery")}},
		{"UpdateAuthenticator", admin.UpdateAuthenticator{ID: "oath-alice", Update: func(a *auth.Authenticator) error { a.Label = "new"; return nil }}},
		{"assigning a token", admin.UpdateAuthenticator{ID: "spare", Update: func(a *auth.Authenticator) error { a.Account = "id-alice"; return nil }}},
		{"taking a token away", admin.UpdateAuthenticator{ID: "spare", Update: func(a *auth.Authenticator) error { a.Account = ""; return nil }}},
		{"RemoveAuthenticator", admin.RemoveAuthenticator{ID: "oath-alice"}},
	} {
		f := t.snapshot("alice")
		t.apply(tt.change)
		t.refused(settle(f, auth.OATHCodeVerified),
			tt.name+" changed what the login rested on; a login in flight must be judged again")
		t.snapshot("alice")
	}
	f := t.snapshot("alice")
	if !f.Account.Blocked {
		t.Error("the update of the account is not in the facts")
	}
	if len(f.Authenticators) != 2 || f.Authenticators[0].ID != "password-alice" || f.Authenticators[1].ID != "recovery-alice" {
		t.Errorf("facts = %s; want password and recovery: the removed one is gone, the spare one not assigned", show(f))
	}
}

// whole is a settlement that changes everything that one can.
func (t *storeTest) whole(step int64, closes, opens auth.ChallengeID) auth.Settlement {
	t.Helper()
	s := spending(t.snapshot("alice"), step)
	s.Throttle = &auth.Throttle{Have: auth.Count{Failures: int(step)}}
	s.Spend = append(s.Spend, auth.Spend{Authenticator: "password-alice", Mark: step, Next: auth.Secret(fmt.Sprint("state ", step))})
	s.Close = closes
	s.Open = &auth.OpenChallenge{ID: opens, Subject: "id-alice", Client: "nas", Expires: Epoch.Add(time.Minute)}
	s.Purge = true
	s.Cache = []auth.CacheEntry{{Key: fmt.Sprint("k", step), From: Epoch, Until: Epoch.Add(time.Hour)}}
	s.Bypass = "b0"
	return s
}

func (t *storeTest) allOrNothing() {
	t.account("alice")
	first := settle(t.snapshot("alice"), auth.OATHCodePending)
	first.Open = &auth.OpenChallenge{ID: "c0", Subject: "id-alice", Client: "nas", Expires: Epoch.Add(time.Minute)}
	first.Cache = []auth.CacheEntry{{Key: "k0", From: Epoch, Until: Epoch.Add(time.Hour)}}
	t.commit(first)
	t.apply(admin.AddBypass{Bypass: testBypass("b0", "alice")})
	t.reopen() // so that nothing but the commit writes in the moment of the failure
	events := 1
	closes := auth.ChallengeID("c0")
	for n := 1; ; n++ {
		opens := auth.ChallengeID(fmt.Sprint("c", n))
		q := auth.Query{Names: []string{"alice"}, Unknown: "?alice", State: closes}
		s := t.whole(int64(n), closes, opens)
		before := t.look(q, false)
		fired := t.under.FailWrite(n)
		_, err := t.store.Commit(context.Background(), s)
		failed := fired()
		t.under.FailWrite(0)
		if failed == (err == nil) {
			t.Fatalf("Commit whose %d. write failed (%t) = %v", n, failed, err)
		}
		if err == nil {
			if got := len(t.list(admin.EventFilter{})); got != events+1 {
				t.Errorf("a commit left %d events, want %d", got, events+1)
			}
			if f := t.snapshot("alice"); markOf(f, "oath-alice") != int64(n) || f.Throttle.Have.Failures != n ||
				len(f.Cached) != 1 || f.Cached[0].Key != fmt.Sprint("k", n) || f.Bypass != nil || len(f.Logins) != 2 {
				t.Errorf("after a commit: %s", show(f))
			}
			if n < 7 {
				t.Fatalf("a settlement with %d writes cannot be complete", n-1)
			}
			break
		}
		if errors.Is(err, auth.ErrConflict) {
			t.Fatalf("a failed write gave ErrConflict; the engine would judge again for ever")
		}
		for range 2 {
			after := t.look(q, false)
			after.Version, after.Settings = before.Version, before.Settings
			if !reflect.DeepEqual(after, before) {
				t.Fatalf("the %d. write failed and left\n%s\nof\n%s\nnothing may be left", n, show(after), show(before))
			}
			if c := t.verify(); c.Broken != "" {
				t.Fatalf("the %d. write failed and left a broken chain: %s", n, c.Broken)
			}
			if got := len(t.list(admin.EventFilter{})); got != events {
				t.Fatalf("the %d. write failed and left %d events, want %d", n, got, events)
			}
			t.reopen()
		}
	}
}

func (t *storeTest) incident() {
	seq, err := t.store.Commit(context.Background(), auth.Settlement{
		Version: 99, Settings: 99, // rests on nothing
		Event: auth.Event{Time: Epoch, Outcome: auth.ClientUnknown, Verdict: auth.Ignore, Count: 7, Mark: auth.NoMark},
	})
	if err != nil {
		t.Fatalf("Commit without subject = %v, want nil: it rests on no facts", err)
	}
	e, err := t.store.Event(context.Background(), seq)
	if err != nil || e.Count != 7 || e.Outcome != auth.ClientUnknown {
		t.Errorf("Event(%d) = %+v, %v", seq, e, err)
	}
	_, err = t.store.Commit(context.Background(), auth.Settlement{Throttle: &auth.Throttle{}, Event: auth.Event{Time: Epoch}})
	if err == nil {
		t.Error("a settlement without subject changed a throttle; whose?")
	}
}

func (t *storeTest) canceled() {
	t.account("alice")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := t.store.Commit(ctx, settle(t.snapshot("alice"), auth.OATHCodeVerified)); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit with an ended context = %v, want its error", err)
	}
	ran := false
	err := t.store.Apply(ctx, admin.Act{Time: Epoch}, admin.UpdateAccount{ID: "id-alice", Update: func(*auth.Account) error { ran = true; return nil }})
	if !errors.Is(err, context.Canceled) || ran {
		t.Errorf("Apply with an ended context = %v, ran %t; want its error, and nothing run", err, ran)
	}
}

func (t *storeTest) swapped() {
	t.account("alice")
	t.account("mallory")
	t.store = t.under.SwapStates(t.T, "oath-alice", "oath-mallory")
	for _, name := range []string{"alice", "mallory"} {
		f, err := t.store.Snapshot(context.Background(), auth.Query{Names: []string{name}, Unknown: "?" + name}, false)
		if err == nil {
			t.Errorf("Snapshot(%s) = %s; a state copied from another record must not open, "+
				"or who can write the database logs in as anybody", name, show(f))
		}
	}
}

func (t *storeTest) states() {
	t.account("alice")
	s := settle(t.snapshot("alice"), auth.RecoveryCodeVerified)
	s.Spend = []auth.Spend{{Authenticator: "password-alice", Mark: auth.NoMark, Next: auth.Secret("next state")}}
	t.commit(s)
	for range 2 {
		f := t.snapshot("alice")
		if got := string(f.Authenticators[0].State); got != "next state" {
			t.Fatalf("state = %q, want the one that the settlement brought, after a restart too", got)
		}
		if got := string(f.Authenticators[1].State); got != "state of oath-alice" {
			t.Fatalf("state of another authenticator = %q", got)
		}
		t.reopen()
	}
	t.apply(admin.UpdateAuthenticator{ID: "password-alice", Update: func(a *auth.Authenticator) error {
		if string(a.State) != "next state" {
			t.Errorf("an update sees state %q", []byte(a.State))
		}
		a.State = auth.Secret("third")
		return nil
	}})
	if got := string(t.snapshot("alice").Authenticators[0].State); got != "third" {
		t.Errorf("state = %q, want the updated one", got)
	}
	// What its subject does not hold cannot be spent, and nobody else in the
	// same moment suffers for it.
	t.account("bob")
	bad := settle(t.snapshot("bob"), auth.RecoveryCodeVerified)
	bad.Spend = []auth.Spend{{Authenticator: "password-alice", Mark: auth.NoMark, Next: auth.Secret("stolen")}}
	good := settle(t.snapshot("alice"), auth.OATHCodeVerified)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := t.store.Commit(context.Background(), bad); err == nil || errors.Is(err, auth.ErrConflict) {
			t.Errorf("Commit = %v; a settlement can change its own subject's authenticators only", err)
		}
	})
	wg.Go(func() {
		if _, err := t.store.Commit(context.Background(), good); err != nil {
			t.Errorf("Commit = %v; one bad settlement must not refuse others", err)
		}
	})
	wg.Wait()
	if got := string(t.snapshot("alice").Authenticators[0].State); got != "third" {
		t.Errorf("state = %q after another subject tried to change it", got)
	}
}

func (t *storeTest) applyAtomic() {
	t.account("alice")
	boom := errors.New("boom")
	before := t.snapshot("alice")
	settings := t.store.Settings()
	acts := t.actCount()
	rename := admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Name = "renamed"; return nil }}
	for _, tt := range []struct {
		name string
		last admin.Change
		want error
	}{
		{"an error of a function", admin.UpdateAccount{ID: "id-alice", Update: func(*auth.Account) error { return boom }}, boom},
		{"a missing record", admin.RemoveAuthenticator{ID: "nope"}, admin.ErrNotFound},
		{"a missing account", admin.UpdateAccount{ID: "nope", Update: func(*auth.Account) error { return nil }}, admin.ErrNotFound},
		{"a missing client", admin.RemoveClient{Name: "nope"}, admin.ErrNotFound},
		{"a missing holder", admin.AddAuthenticator{Authenticator: testAuthenticator("nope", "oath")}, admin.ErrNotFound},
		{"a taken name", admin.AddAccount{Account: auth.Account{ID: "id-2", Name: "renamed"}}, admin.ErrExists},
	} {
		err := t.try(rename, admin.AddClient{Client: testClient("nas")},
			admin.UpdateAuthenticator{ID: "oath-alice", Update: func(a *auth.Authenticator) error { a.State = auth.Secret("changed"); return nil }},
			tt.last)
		if !errors.Is(err, tt.want) {
			t.Errorf("Apply with %s = %v, want %v", tt.name, err, tt.want)
		}
		after := t.snapshot("alice")
		if after.Account == nil || after.Account.Name != "alice" || !reflect.DeepEqual(after.Authenticators, before.Authenticators) ||
			t.store.Settings().Client("nas") != nil || t.store.Settings().Version != settings.Version {
			t.Errorf("Apply with %s left something: %s", tt.name, show(after))
		}
		if _, err := t.store.Account(context.Background(), "renamed"); !errors.Is(err, admin.ErrNotFound) {
			t.Errorf("Account(renamed) = %v, want ErrNotFound: the change was undone", err)
		}
	}
	if n := t.actCount(); n != acts {
		t.Errorf("%d acts were recorded for changes that were not made", n-acts)
	}
	calls := 0
	t.apply(admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { calls++; a.BlockReason = "lost"; return nil }},
		admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error {
			if a.BlockReason != "lost" {
				t.Error("a change does not see the one before it in the same Apply")
			}
			return nil
		}})
	if calls != 1 {
		t.Errorf("a function ran %d times, want once", calls)
	}
}

func (t *storeTest) applyAllOrNothing() {
	t.account("alice")
	t.reopen()
	for n := 1; ; n++ {
		before, settings, acts := t.snapshot("alice"), t.store.Settings().Version, t.actCount()
		fired := t.under.FailWrite(n)
		err := t.try(
			admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error {
				a.Aliases = append(a.Aliases, fmt.Sprint("alias", n))
				return nil
			}},
			admin.AddAuthenticator{Authenticator: testAuthenticator("alice", fmt.Sprint("spare", n))},
			admin.AddClient{Client: testClient(fmt.Sprint("nas", n))},
			admin.ResetThrottle{Subject: "id-alice"},
		)
		failed := fired()
		t.under.FailWrite(0)
		if failed == (err == nil) {
			t.Fatalf("Apply whose %d. write failed (%t) = %v", n, failed, err)
		}
		if err == nil {
			if f := t.snapshot("alice"); len(f.Authenticators) != 3 || len(f.Account.Aliases) != 1 {
				t.Errorf("after Apply: %s", show(f))
			}
			return
		}
		for range 2 {
			after := t.snapshot("alice")
			after.Version, after.Settings = before.Version, before.Settings
			if !reflect.DeepEqual(after, before) || t.store.Settings().Version != settings || t.actCount() != acts {
				t.Fatalf("the %d. write failed and left\n%s\nof\n%s", n, show(after), show(before))
			}
			t.reopen()
		}
	}
}

func (t *storeTest) list(f admin.EventFilter) []auth.Event {
	t.Helper()
	list, err := t.store.Events(context.Background(), f)
	if err != nil {
		t.Fatalf("Events(%+v) = %v", f, err)
	}
	return list
}

func (t *storeTest) events() {
	t.account("alice")
	outcomes := []auth.Outcome{auth.OATHCodeVerified, auth.OATHCodeIncorrect, auth.UserNotFound}
	var all []auth.Event
	add := func(n int) {
		for range n {
			i := len(all)
			name := []string{"alice", "nobody", "ghost"}[i%3]
			f := t.snapshot(name)
			s := settle(f, outcomes[(i/2)%3])
			// A clock that is set back by two hours now and then.
			s.Event.Time = Epoch.Add(time.Duration(i)*7*time.Minute - time.Duration(i/40)*2*time.Hour)
			if i%10 == 9 {
				s = auth.Settlement{Event: s.Event}
				s.Event.Subject = ""
			}
			s.Event.Seq = t.commit(s)
			all = append(all, s.Event)
		}
	}
	check := func() {
		t.Helper()
		for i := range all {
			if all[i].Seq != uint64(i+1) {
				t.Fatalf("event %d has number %d; numbers are dense and rise in the order of commits", i+1, all[i].Seq)
			}
		}
		for _, subject := range []string{"", "id-alice", "?nobody", "?none"} {
			for _, outcome := range []auth.Outcome{0, auth.OATHCodeIncorrect, auth.UserNotFound} {
				for _, since := range []time.Time{{}, Epoch.Add(-time.Hour), all[17].Time, all[len(all)-3].Time, Epoch.Add(1000 * time.Hour)} {
					for _, after := range []uint64{0, 20, uint64(len(all))} {
						for _, limit := range []int{0, 4} {
							for _, newest := range []bool{false, true} {
								f := admin.EventFilter{After: after, Since: since, Subject: subject, Outcome: outcome, Limit: limit, Newest: newest}
								if got, want := seqs(t.list(f)), seqs(filter(all, f)); !slices.Equal(got, want) {
									t.Fatalf("Events(%+v) = %v, want %v", f, got, want)
								}
							}
						}
					}
				}
			}
		}
	}
	add(60)
	check()
	t.reopen()
	check()
	add(60)
	check()
	if _, err := t.store.Event(context.Background(), uint64(len(all)+1)); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Event of a number that was not given = %v, want ErrNotFound", err)
	}
}

// filter is what Events must return.
func filter(all []auth.Event, f admin.EventFilter) []auth.Event {
	var list []auth.Event
	for _, e := range all {
		if e.Seq > f.After && !e.Time.Before(f.Since) && (f.Subject == "" || e.Subject == f.Subject) &&
			(f.Outcome == 0 || e.Outcome == f.Outcome) {
			list = append(list, e)
		}
	}
	limit := f.Limit
	if limit == 0 {
		limit = 1000
	}
	if len(list) > limit {
		if f.Newest {
			return list[len(list)-limit:]
		}
		return list[:limit]
	}
	return list
}

func seqs(list []auth.Event) []uint64 {
	out := make([]uint64, 0, len(list))
	for _, e := range list {
		out = append(out, e.Seq)
	}
	return out
}

func (t *storeTest) eventWhole() {
	t.account("alice")
	e := auth.Event{
		Time: Epoch.Add(123456 * time.Microsecond), Took: 1234567, Door: "radius", Client: "nas", Application: "vpn",
		Source: netip.MustParseAddrPort("[2001:db8::1]:1812"), From: "02-00-00-00-00-01 \"quoted\" \\ \x01 é 漢",
		Subject: "id-alice", Account: "alice", Verdict: auth.Accept, Outcome: auth.OATHCodeVerified,
		Factor: "oath", Authenticator: "oath-alice", Mark: 42, Failures: 3, Count: 1,
		Rule: "office \"hours\"", Node: "node-1", Request: "AAECAw==", Joined: 17,
		Trace: []auth.Step{
			{Stage: auth.StageClient, OK: true, Took: 10, Note: "nas"},
			{Stage: auth.StageFactor, Took: 20},
		},
	}
	s := spending(t.snapshot("alice"), 42)
	s.Event = e
	e.Seq = t.commit(s)
	t.reopen()
	got, err := t.store.Event(context.Background(), e.Seq)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("Event = %+v, %v\nwant    %+v", got, err, e)
	}
	// A mark in an event that spends nothing is told, but spends nothing.
	s = settle(t.snapshot("alice"), auth.DuplicateOATHCode)
	s.Event.Authenticator, s.Event.Mark = "oath-alice", 99
	seq := t.commit(s)
	t.reopen()
	if got, err := t.store.Event(context.Background(), seq); err != nil || got.Mark != 99 {
		t.Errorf("Event = mark %d, %v; want 99", got.Mark, err)
	}
	if m := markOf(t.snapshot("alice"), "oath-alice"); m != 42 {
		t.Errorf("mark = %d, want 42: only a Spend spends", m)
	}
}

func (t *storeTest) names() {
	t.account("alice", "asmith", "alice@example.test")
	t.account("bob")
	for _, tt := range []struct {
		change admin.Change
		taken  string
	}{
		{admin.AddAccount{Account: testAccount("alice")}, "alice"},
		{admin.AddAccount{Account: auth.Account{ID: "id-3", Name: "asmith"}}, "asmith"},
		{admin.AddAccount{Account: auth.Account{ID: "id-3", Name: "carol", Aliases: []string{"alice@example.test"}}}, "alice@example.test"},
		{admin.AddAccount{Account: auth.Account{ID: "id-3", Name: "carol", Aliases: []string{"carol"}}}, "carol"},
		{admin.UpdateAccount{ID: "id-bob", Update: func(a *auth.Account) error { a.Name = "asmith"; return nil }}, "asmith"},
		{admin.UpdateAccount{ID: "id-bob", Update: func(a *auth.Account) error { a.Aliases = []string{"alice"}; return nil }}, "alice"},
		{admin.AddAuthenticator{Authenticator: testAuthenticator("bob", "oath")}, "oath-bob"},
	} {
		if err := t.try(tt.change); !errors.Is(err, admin.ErrExists) || !strings.Contains(err.Error(), tt.taken) {
			t.Errorf("Apply(%T) = %v; want ErrExists that names %q", tt.change, err, tt.taken)
		}
	}
	for range 2 {
		for _, name := range []string{"alice", "asmith", "alice@example.test"} {
			if f := t.snapshot(name); f.Subject != "id-alice" {
				t.Errorf("Snapshot(%s) = %s; every alias leads to the account", name, f.Subject)
			}
			if a, err := t.store.Account(context.Background(), name); err != nil || a.ID != "id-alice" {
				t.Errorf("Account(%s) = %+v, %v", name, a, err)
			}
		}
		if f := t.snapshot("nobody", "bob", "alice"); f.Subject != "id-bob" {
			t.Errorf("Snapshot(nobody, bob, alice) = %s, want id-bob: the first name that exists wins", f.Subject)
		}
		if f := t.look(auth.Query{Unknown: "?empty"}, false); f.Subject != "?empty" || f.Account != nil {
			t.Errorf("Snapshot without names = %s", show(f))
		}
		t.reopen()
	}
	// A name given up is free, and seen to be at once.
	t.apply(admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Aliases = nil; return nil }})
	if f := t.snapshot("asmith"); f.Account != nil {
		t.Errorf("Snapshot of an alias that was given up = %s", show(f))
	}
	t.apply(admin.UpdateAccount{ID: "id-bob", Update: func(a *auth.Account) error { a.Aliases = []string{"asmith"}; return nil }})
	if f := t.snapshot("asmith"); f.Subject != "id-bob" {
		t.Errorf("Snapshot of an alias that moved = %s, want id-bob", f.Subject)
	}
	t.apply( // both at once
		admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Name = "alice2"; return nil }},
		admin.UpdateAccount{ID: "id-bob", Update: func(a *auth.Account) error { a.Name = "alice"; return nil }},
	)
	if f := t.snapshot("alice"); f.Subject != "id-bob" {
		t.Errorf("Snapshot of a name that moved = %s, want id-bob", f.Subject)
	}
	if f := t.snapshot("bob"); f.Account != nil {
		t.Errorf("Snapshot of a name that was given up = %s", show(f))
	}
}

func (t *storeTest) appears() {
	t.account("alice")
	if f := t.snapshot("new", "alice"); f.Subject != "id-alice" {
		t.Fatalf("Snapshot = %s", show(f))
	}
	if f := t.snapshot("new"); f.Account != nil || f.Subject != "?new" {
		t.Fatalf("Snapshot of an unknown name = %s", show(f))
	}
	t.account("new")
	if f := t.snapshot("new"); f.Account == nil {
		t.Error("an account that was just made is still unknown")
	}
	if f := t.snapshot("new", "alice"); f.Subject != "id-new" {
		t.Errorf("Snapshot(new, alice) = %s; the first name exists now and wins", f.Subject)
	}
}

func (t *storeTest) accounts() {
	for _, name := range []string{"dora", "alice", "carol", "bob"} {
		t.account(name)
	}
	a := testAccount("eve", "e1", "e2")
	a.Groups, a.Blocked, a.BlockReason, a.BlockedUntil = []string{"z", "a"}, true, "fraud", Epoch.Add(time.Hour)
	t.apply(admin.AddAccount{Account: a})
	t.reopen()
	if got, err := t.store.Account(context.Background(), "eve"); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("Account = %+v, %v\nwant %+v", got, err, a)
	}
	if f := t.snapshot("eve"); !reflect.DeepEqual(*f.Account, a) {
		t.Errorf("Snapshot = %+v\nwant %+v", *f.Account, a)
	}
	var got []string
	after := ""
	for {
		page, err := t.store.Accounts(context.Background(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			got = append(got, a.Name)
		}
		after = page[len(page)-1].Name
	}
	if want := []string{"alice", "bob", "carol", "dora", "eve"}; !slices.Equal(got, want) {
		t.Errorf("Accounts page by page = %v, want %v", got, want)
	}
	if _, err := t.store.Account(context.Background(), "nobody"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Account(nobody) = %v, want ErrNotFound", err)
	}
	if err := t.try(admin.UpdateAccount{ID: "id-eve", Update: func(a *auth.Account) error { a.ID = "other"; return nil }}); err == nil {
		t.Error("the ID of an account changed; everything is keyed on it")
	}
}

func (t *storeTest) authenticators() {
	t.apply(admin.AddAccount{Account: testAccount("alice")})
	var want []string
	for i := range 12 {
		a := testAuthenticator("alice", fmt.Sprint("f", (i*7)%12)) // not in the order of their names
		a.Serial = fmt.Sprint("serial", i)
		a.Mark = int64(i)
		t.apply(admin.AddAuthenticator{Authenticator: a})
		want = append(want, a.ID)
	}
	check := func() {
		t.Helper()
		var got []string
		for _, a := range t.snapshot("alice").Authenticators {
			got = append(got, a.ID)
			if a.State == nil {
				t.Errorf("%s has no state in facts", a.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("authenticators in facts = %v, want %v: the order of preference is that of creation", got, want)
		}
		list, err := t.store.Authenticators(context.Background(), "id-alice")
		if err != nil || len(list) != len(want) {
			t.Fatalf("Authenticators = %d, %v", len(list), err)
		}
		for i, a := range list {
			if a.ID != want[i] || a.State != nil {
				t.Errorf("Authenticators[%d] = %s with state %t; want %s, without", i, a.ID, a.State != nil, want[i])
			}
		}
	}
	check()
	t.reopen()
	check()
	for _, key := range []string{want[3], "serial3"} {
		a, err := t.store.Authenticator(context.Background(), key)
		if err != nil || a.ID != want[3] || a.Serial != "serial3" || a.Mark != 3 || a.State != nil || a.Account != "id-alice" {
			t.Errorf("Authenticator(%s) = %+v, %v", key, a, err)
		}
	}
	if _, err := t.store.Authenticator(context.Background(), "nope"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Authenticator(nope) = %v, want ErrNotFound", err)
	}
	spare := auth.Authenticator{ID: "spare", Factor: "oath", Serial: "serial3", State: auth.Secret("s"), Mark: auth.NoMark}
	if err := t.try(admin.AddAuthenticator{Authenticator: spare}); !errors.Is(err, admin.ErrExists) || !strings.Contains(err.Error(), "serial3") {
		t.Errorf("a second token with the same serial = %v, want ErrExists that names it", err)
	}
	spare.Serial = "spare-1"
	t.apply(admin.AddAuthenticator{Authenticator: spare})
	if list, err := t.store.Authenticators(context.Background(), ""); err != nil || len(list) != 1 || list[0].ID != "spare" {
		t.Errorf("Authenticators of nobody = %v, %v; want the spare one", list, err)
	}
	if err := t.try(admin.UpdateAuthenticator{ID: "spare", Update: func(a *auth.Authenticator) error { a.Factor = "x"; return nil }}); err == nil {
		t.Error("the factor of an authenticator changed; its state would be read by another")
	}
	t.apply(admin.RemoveAuthenticator{ID: want[0]})
	want = want[1:]
	check()
}

func testClient(name string) auth.Client {
	return auth.Client{
		ID: "id-" + name, Name: name, Door: "radius", Application: "vpn", Source: "192.0.2.0/24",
		Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
		Secrets:                 []auth.Secret{auth.Secret("first secret of " + name), auth.Secret("\x00\xffolder")},
		LaxMessageAuthenticator: true, RatePerSecond: 50, Origin: auth.OriginNone,
		Attributes: []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}, {Name: "Class", Value: "b"}},
		Created:    Epoch,
	}
}

func (t *storeTest) clients() {
	app := auth.Application{Name: "vpn", Created: Epoch}
	group := auth.Group{Name: "staff", Attributes: []auth.ReplyAttribute{{Name: "Class", Value: "x"}}, Created: Epoch}
	t.apply(admin.AddApplication{Application: app}, admin.AddGroup{Group: group},
		admin.AddClient{Client: testClient("nas")}, admin.AddClient{Client: testClient("old")})
	for range 2 {
		s := t.store.Settings()
		if !reflect.DeepEqual(s.Applications, []auth.Application{app}) || !reflect.DeepEqual(s.Groups, []auth.Group{group}) ||
			len(s.Clients) != 2 || s.Client("nas") == nil || s.Group("staff") == nil {
			t.Fatalf("Settings = %+v", s)
		}
		if got := *s.Client("nas"); !reflect.DeepEqual(got, testClient("nas")) {
			t.Errorf("client = %+v\nwant     %+v (secrets compared, not shown)", got, testClient("nas"))
		}
		t.reopen()
	}
	for _, c := range []admin.Change{
		admin.AddApplication{Application: app},
		admin.AddGroup{Group: group},
		admin.AddClient{Client: testClient("nas")},
		admin.UpdateClient{Name: "old", Update: func(c *auth.Client) error { c.Name = "nas"; return nil }},
	} {
		if err := t.try(c); !errors.Is(err, admin.ErrExists) {
			t.Errorf("Apply(%T) of a taken name = %v, want ErrExists", c, err)
		}
	}
	t.apply(
		admin.UpdateClient{Name: "nas", Update: func(c *auth.Client) error {
			if string(c.Secrets[1]) != "\x00\xffolder" {
				t.Error("an update does not see the client's secrets")
			}
			c.Name, c.Secrets, c.Attributes = "nas2", c.Secrets[:1], nil
			return nil
		}},
		admin.UpdateGroup{Name: "staff", Update: func(g *auth.Group) error { g.Attributes = nil; return nil }},
		admin.RemoveClient{Name: "old"},
	)
	for range 2 {
		s := t.store.Settings()
		want := testClient("nas")
		want.Name, want.Secrets, want.Attributes = "nas2", want.Secrets[:1], nil
		if len(s.Clients) != 1 || !reflect.DeepEqual(*s.Client("nas2"), want) || len(s.Group("staff").Attributes) != 0 {
			t.Errorf("Settings after the update = %+v", s)
		}
		t.reopen()
	}
}

func (t *storeTest) actCount() int {
	t.Helper()
	list, err := t.store.Acts(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func (t *storeTest) record() {
	t.account("alice")
	t.account("bob")
	t.account("carol")
	t.reopen()
	t.account("dora")
	list, err := t.store.Acts(context.Background(), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []admin.Act{
		{Seq: 2, Time: Epoch.Add(2 * time.Second), Actor: "test", Action: "change", Subject: "x", Detail: "2"},
		{Seq: 3, Time: Epoch.Add(3 * time.Second), Actor: "test", Action: "change", Subject: "x", Detail: "3"},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("Acts(after 1, limit 2) = %+v, want %+v", list, want)
	}
	if n := t.actCount(); n != 4 {
		t.Errorf("%d acts, want 4", n)
	}
}

func (t *storeTest) backup() {
	t.account("alice")
	t.commit(spending(t.snapshot("alice"), 7))
	var b bytes.Buffer
	if err := t.store.Backup(context.Background(), &b); err != nil {
		t.Fatalf("Backup = %v", err)
	}
	if b.Len() == 0 {
		t.Fatal("the backup is empty")
	}
	if bytes.Contains(b.Bytes(), []byte("state of oath-alice")) {
		t.Error("the backup holds a secret in the clear")
	}
	t.commit(spending(t.snapshot("alice"), 8)) // logins go on
}

func (t *storeTest) reseal() {
	t.account("alice")
	t.apply(admin.AddClient{Client: testClient("nas")})
	before := t.snapshot("alice")
	n, err := t.store.Reseal(context.Background())
	if err != nil || n != 3 {
		t.Fatalf("Reseal = %d, %v; want 3: two states and one client's secrets", n, err)
	}
	for range 2 {
		after := t.snapshot("alice")
		if !reflect.DeepEqual(after.Authenticators, before.Authenticators) {
			t.Errorf("after sealing again: %s", show(after))
		}
		if got := *t.store.Settings().Client("nas"); !reflect.DeepEqual(got, testClient("nas")) {
			t.Errorf("client after sealing again = %+v", got)
		}
		t.reopen()
	}
}
