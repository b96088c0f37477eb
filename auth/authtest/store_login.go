package authtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// The subtests in this file are about what a login leaves for others: challenges
// that can be joined, answers that can be given again, exemptions. The time by
// which something has expired is that of the newest event: a store reads no clock
// for it.

// at looks at alice as a request would.
func (t *storeTest) at(state auth.ChallengeID, request string) auth.Facts {
	t.Helper()
	return t.look(auth.Query{Names: []string{"alice"}, Unknown: "?alice", State: state, Request: request}, false)
}

// ask opens a challenge for alice.
func (t *storeTest) ask(id, login auth.ChallengeID, at time.Time) auth.OpenChallenge {
	t.Helper()
	s := settle(t.snapshot("alice"), auth.OATHCodePending)
	s.Event.Time = at
	s.Open = &auth.OpenChallenge{
		ID: id, Login: login, Subject: "id-alice", Client: "nas " + string(id), Application: "vpn",
		From: "192.0.2.7", Session: "port " + string(id), Proven: []string{"password"},
		Asked: at, Expires: at.Add(2 * time.Minute),
	}
	t.commit(s)
	return *s.Open
}

// tick commits an event that concerns nobody, so that time goes on.
func (t *storeTest) tick(at time.Time) {
	t.Helper()
	t.commit(auth.Settlement{Event: auth.Event{Time: at, Outcome: auth.ClientUnknown, Verdict: auth.Ignore, Mark: auth.NoMark, Count: 1}})
}

func (t *storeTest) joined() {
	t.account("alice")
	t.account("bob")
	first := t.ask("c1", "c1", Epoch)
	again := t.ask("c2", "c1", Epoch.Add(time.Second))
	other := t.ask("c3", "c3", Epoch.Add(2*time.Second))
	for range 2 {
		if f := t.at("c2", ""); !reflect.DeepEqual(f.Logins, []auth.OpenChallenge{first, again, other}) || !reflect.DeepEqual(f.Challenge, &again) {
			t.Fatalf("logins = %+v, challenge = %+v; want all three that are open, in the order in which they were opened", f.Logins, f.Challenge)
		}
		if f := t.snapshot("bob"); f.Logins != nil {
			t.Errorf("bob's facts hold logins of alice: %+v", f.Logins)
		}
		t.reopen()
	}
	s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
	s.Close, s.Event.Time, s.Event.Client, s.Event.Rule = "c2", Epoch.Add(10*time.Second), "nas c2", "office"
	seq := t.commit(s)
	first.Settled = &auth.Answered{
		Seq: seq, Time: Epoch.Add(10 * time.Second), Client: "nas c2", Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Rule: "office",
	}
	again.Settled = first.Settled
	for range 2 {
		if f := t.at("c1", ""); !reflect.DeepEqual(f.Logins, []auth.OpenChallenge{first, again, other}) || f.Challenge != nil {
			t.Fatalf("logins = %+v, challenge = %+v\nwant %+v and none: whoever answers one challenge of a login has answered all, "+
				"and they stay so that others can join", f.Logins, f.Challenge, []auth.OpenChallenge{first, again, other})
		}
		for _, id := range []auth.ChallengeID{"c1", "c2", "c9"} {
			s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
			s.Close = id
			t.refused(s, "only what is open can be answered")
		}
		t.reopen()
	}
	// They go when they expire, and not before.
	t.tick(Epoch.Add(2*time.Minute - time.Microsecond))
	if f := t.snapshot("alice"); len(f.Logins) != 3 {
		t.Errorf("logins just before the first expires = %+v, want 3", f.Logins)
	}
	t.tick(Epoch.Add(2 * time.Minute))
	for range 2 {
		if f := t.snapshot("alice"); !reflect.DeepEqual(f.Logins, []auth.OpenChallenge{again, other}) {
			t.Errorf("logins when the first has expired = %+v, want the other two", f.Logins)
		}
		t.reopen()
	}
	// A late answer is told apart from a made-up one.
	t.tick(Epoch.Add(3 * time.Minute))
	if f := t.at("c3", ""); f.Challenge == nil || f.Logins != nil {
		t.Errorf("challenge a minute after it expired = %+v, logins %+v; want it, and none", f.Challenge, f.Logins)
	}
}

// A login under way must not survive a password reset, and a success that was
// remembered neither.
func (t *storeTest) voids() {
	entry := auth.CacheEntry{Key: "k", From: Epoch, Until: Epoch.Add(time.Hour)}
	for i, tt := range []struct {
		name   string
		change admin.Change
		voids  bool
	}{
		{"UpdateAccount", admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Blocked = true; return nil }}, true},
		{"ResetThrottle", admin.ResetThrottle{Subject: "id-alice"}, true},
		{"AddAuthenticator", admin.AddAuthenticator{Authenticator: testAuthenticator("alice", "recovery")}, true},
		{"UpdateAuthenticator", admin.UpdateAuthenticator{ID: "password-alice", Update: func(a *auth.Authenticator) error {
			a.State = auth.Secret("new password")
			return nil
		}}, true},
		{"RemoveAuthenticator", admin.RemoveAuthenticator{ID: "oath-alice"}, true},
		{"a change of somebody else", admin.ResetThrottle{Subject: "id-bob"}, false},
		{"AddBypass", admin.AddBypass{Bypass: testBypass("b", "alice")}, false},
	} {
		if i == 0 {
			t.account("alice")
			t.account("bob")
		}
		open, done := auth.ChallengeID(fmt.Sprint("open", i)), auth.ChallengeID(fmt.Sprint("done", i))
		t.ask(open, open, Epoch)
		t.ask(done, done, Epoch)
		s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
		s.Close, s.Cache = done, []auth.CacheEntry{entry}
		t.commit(s)
		flight := settle(t.snapshot("alice"), auth.OATHCodeVerified)
		flight.Close = open
		t.apply(tt.change)
		for range 2 {
			f := t.at(open, "")
			left := 0
			for _, c := range f.Logins {
				if c.ID == done || c.ID == open {
					left++
				}
			}
			if tt.voids && (f.Challenge != nil || f.Cached != nil || left != 1) || !tt.voids && (f.Challenge == nil || len(f.Cached) != 1 || left != 2) {
				t.Errorf("%s: challenge %+v, cache entries %+v, %d of the two logins; voids them: %t, but what is settled stays",
					tt.name, f.Challenge, f.Cached, left, tt.voids)
			}
			t.reopen()
		}
		if tt.voids {
			t.refused(flight, tt.name+" came between the question and the answer")
			now := settle(t.snapshot("alice"), auth.OATHCodeVerified)
			now.Close = open
			t.refused(now, tt.name+" ended the login")
		}
	}
}

func (t *storeTest) cached() {
	t.account("alice")
	keep := func(at time.Time, entries ...auth.CacheEntry) uint64 {
		t.Helper()
		s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
		s.Event.Time, s.Cache = at, entries
		return t.commit(s)
	}
	want := func(rule string, entries ...auth.CacheEntry) {
		t.Helper()
		for range 2 {
			if f := t.snapshot("alice"); !reflect.DeepEqual(f.Cached, entries) {
				t.Fatalf("cache entries = %+v\nwant %+v: %s", f.Cached, entries, rule)
			}
			t.reopen()
		}
	}
	a := auth.CacheEntry{Key: "a", From: Epoch, Until: Epoch.Add(time.Minute)}
	a.Seq = keep(Epoch, a)
	b := auth.CacheEntry{Key: "b", From: Epoch, Until: Epoch.Add(time.Hour)}
	b.Seq = keep(Epoch, b)
	want("the store fills in the event", a, b)
	t.tick(Epoch.Add(time.Minute - time.Microsecond))
	want("it is there until it ends", a, b)
	t.tick(Epoch.Add(time.Minute))
	want("it is gone when it ends", b)
	b.From, b.Until = Epoch.Add(2*time.Minute), Epoch.Add(2*time.Hour)
	b.Seq = keep(Epoch.Add(2*time.Minute), b)
	want("one of the same key is replaced", b)

	s := settle(t.snapshot("alice"), auth.OATHCodeIncorrect)
	s.Event.Time, s.Purge = Epoch.Add(3*time.Minute), true
	t.commit(s)
	want("a failure purges all", []auth.CacheEntry(nil)...)
	s = settle(t.snapshot("alice"), auth.OATHCodeVerified)
	s.Event.Time, s.Purge, s.Cache = Epoch.Add(3*time.Minute), true, []auth.CacheEntry{b}
	b.Seq = t.commit(s)
	want("what a settlement keeps, it keeps after it has purged", b)

	flight := settle(t.snapshot("alice"), auth.OATHCodeVerified)
	t.apply(admin.PurgeCache{Subject: "id-alice"})
	want("PurgeCache of a subject purges its entries", []auth.CacheEntry(nil)...)
	t.refused(flight, "the login may rest on an entry that was purged")
	keep(Epoch.Add(4*time.Minute), b)
	flight = settle(t.snapshot("alice"), auth.OATHCodeVerified)
	t.apply(admin.PurgeCache{})
	want("PurgeCache of all purges everybody's", []auth.CacheEntry(nil)...)
	t.refused(flight, "the login may rest on an entry that was purged")
}

func testBypass(id, name string) auth.Bypass {
	return auth.Bypass{
		ID: id, Account: "id-" + name, From: Epoch, Until: Epoch.Add(5 * time.Minute), Reason: "lost phone", Actor: "test",
	}
}

func (t *storeTest) bypass() {
	t.account("alice")
	t.account("bob")
	if err := t.try(admin.AddBypass{Bypass: testBypass("b0", "nobody")}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("a bypass for an account that is not there = %v, want ErrNotFound", err)
	}
	if err := t.try(admin.RemoveBypass{Account: "id-alice"}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("taking back a bypass that is not there = %v, want ErrNotFound", err)
	}
	spend := func(id string) auth.Settlement {
		s := settle(t.snapshot("alice"), auth.OATHCodeVerified)
		s.Bypass = id
		return s
	}
	t.refused(spend("b1"), "there is no bypass")
	before := spend("")
	t.apply(admin.AddBypass{Bypass: testBypass("b1", "alice")}, admin.AddBypass{Bypass: testBypass("b9", "bob")})
	t.refused(before, "a bypass is part of what a login rests on")
	t.apply(admin.AddBypass{Bypass: testBypass("b2", "alice")})
	want, bobs := testBypass("b2", "alice"), testBypass("b9", "bob")
	for range 2 {
		if f := t.snapshot("alice"); !reflect.DeepEqual(f.Bypass, &want) {
			t.Fatalf("bypass = %+v, want %+v: a new one takes the place of the old", f.Bypass, want)
		}
		listed := []auth.Bypass{want, bobs}
		listed[0].Name, listed[1].Name = "alice", "bob"
		if got, err := t.store.Bypasses(context.Background()); err != nil || !reflect.DeepEqual(got, listed) {
			t.Errorf("Bypasses = %+v, %v; want %+v", got, err, listed)
		}
		t.reopen()
	}
	t.refused(spend("b1"), "the bypass was replaced")
	t.refused(spend("b9"), "the bypass belongs to somebody else")

	s := spend("b2")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 64 {
		wg.Go(func() {
			_, err := t.store.Commit(context.Background(), s)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, auth.ErrConflict) {
				t.Errorf("Commit = %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("%d of 64 logins spent one bypass; it is for one", won)
	}
	for range 2 {
		if f := t.snapshot("alice"); f.Bypass != nil {
			t.Errorf("a spent bypass is still there: %+v", f.Bypass)
		}
		t.refused(spend("b2"), "the bypass is spent")
		t.reopen()
	}
	t.apply(admin.RemoveBypass{Account: "id-bob"})
	t.tick(Epoch.Add(time.Hour))
	t.apply(admin.AddBypass{Bypass: testBypass("b3", "alice")})
	for range 2 {
		if got, err := t.store.Bypasses(context.Background()); err != nil || len(got) != 1 || got[0].ID != "b3" {
			t.Errorf("Bypasses = %+v, %v; want the one that is left, although it has expired", got, err)
		}
		t.reopen()
	}
}

func (t *storeTest) watch() {
	t.account("alice")
	t.account("bob")
	woken := func(what string, moves func(), want bool) {
		t.Helper()
		first, stopFirst := t.store.Watch("id-alice")
		defer stopFirst()
		second, stopSecond := t.store.Watch("id-alice")
		stopSecond()
		stopSecond() // twice does no harm
		_ = second
		third, stopThird := t.store.Watch("id-alice")
		defer stopThird()
		moves()
		for _, moved := range []<-chan struct{}{first, third} {
			patience := 3 * time.Second
			if !want {
				patience = 10 * time.Millisecond
			}
			timer := time.NewTimer(patience)
			select {
			case <-moved:
				if !want {
					t.Logf("%s woke who watches alice; a hint may be wrong", what)
				}
			case <-timer.C:
				if want {
					t.Errorf("%s did not wake who watches alice", what)
				}
			}
			timer.Stop()
		}
	}
	woken("nothing", func() {}, false)
	woken("a settlement", func() { t.commit(settle(t.snapshot("alice"), auth.OATHCodeVerified)) }, true)
	woken("a change", func() { t.apply(admin.ResetThrottle{Subject: "id-alice"}) }, true)
	woken("a bypass", func() { t.apply(admin.AddBypass{Bypass: testBypass("b1", "alice")}) }, true)
	woken("a settlement of bob", func() { t.commit(settle(t.snapshot("bob"), auth.OATHCodeVerified)) }, false)
}

func (t *storeTest) answered() {
	t.account("alice")
	t.account("bob")
	answer := func(name, request string, v auth.Verdict, o auth.Outcome, at time.Time) *auth.Answered {
		t.Helper()
		s := settle(t.snapshot(name), o)
		s.Event.Time, s.Event.Request, s.Event.Verdict, s.Event.Client, s.Event.Rule = at, request, v, "nas", "office"
		return &auth.Answered{Seq: t.commit(s), Time: at, Client: "nas", Verdict: v, Outcome: o, Rule: "office"}
	}
	accepted := answer("alice", "r1", auth.Accept, auth.OATHCodeVerified, Epoch)
	rejected := answer("alice", "r2", auth.Reject, auth.OATHCodeIncorrect, Epoch.Add(time.Second))
	answer("alice", "r3", auth.Challenge, auth.OATHCodePending, Epoch.Add(2*time.Second))
	answer("bob", "r4", auth.Accept, auth.OATHCodeVerified, Epoch.Add(3*time.Second))
	find := func(request string) *auth.Answered {
		t.Helper()
		return t.at("", request).Answered
	}
	for range 2 {
		for request, want := range map[string]*auth.Answered{"r1": accepted, "r2": rejected, "r3": nil, "r4": nil, "r5": nil, "": nil} {
			if got := find(request); !reflect.DeepEqual(got, want) {
				t.Errorf("answer to %s = %+v, want %+v: final answers of alice, after a restart too", request, got, want)
			}
		}
		t.reopen()
	}
	t.tick(Epoch.Add(auth.AnsweredLife - time.Microsecond))
	if got := find("r1"); !reflect.DeepEqual(got, accepted) {
		t.Errorf("answer within AnsweredLife = %+v, want %+v", got, accepted)
	}
	t.tick(Epoch.Add(auth.AnsweredLife))
	for range 2 {
		if got := find("r1"); got != nil {
			t.Errorf("answer after AnsweredLife = %+v, want none", got)
		}
		if got := find("r2"); !reflect.DeepEqual(got, rejected) {
			t.Errorf("answer of a second later = %+v, want %+v", got, rejected)
		}
		t.reopen()
	}
}

func (t *storeTest) rewound() {
	t.account("alice")
	was := func(rule string, want ...bool) {
		t.Helper()
		for range 2 {
			f := t.snapshot("alice")
			var got []bool
			for _, a := range f.Authenticators {
				got = append(got, a.Rewound)
			}
			list, err := t.store.Authenticators(context.Background(), "id-alice")
			if err != nil || len(list) != len(got) {
				t.Fatalf("Authenticators = %v, %v", list, err)
			}
			for i := range list {
				if list[i].Rewound != got[i] {
					t.Errorf("%s is rewound in facts %t, in the list %t", list[i].ID, got[i], list[i].Rewound)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("rewound = %v, want %v: %s", got, want, rule)
			}
			t.reopen()
		}
	}
	set := func(id string, f func(*auth.Authenticator)) {
		t.Helper()
		t.apply(admin.UpdateAuthenticator{ID: id, Update: func(a *auth.Authenticator) error { f(a); return nil }})
	}
	was("nothing has gone back", false, false)
	set("oath-alice", func(a *auth.Authenticator) { a.Rewound, a.Mark = true, 5 })
	was("it was found again by a risen mark", false, false)
	set("oath-alice", func(a *auth.Authenticator) { a.Rewound = true })
	set("password-alice", func(a *auth.Authenticator) { a.Rewound = true })
	was("both are rewound", true, true)
	set("oath-alice", func(a *auth.Authenticator) { a.Label = "renamed" })
	was("a label finds nothing again", true, true)
	s := settle(t.snapshot("alice"), auth.OATHCodeIncorrect)
	t.commit(s)
	was("a failure uses nothing", true, true)
	t.commit(spending(t.snapshot("alice"), 6))
	was("it was used", true, false)
	set("password-alice", func(a *auth.Authenticator) { a.State, a.Mark = auth.Secret("again"), 9 })
	was("it was resynchronized", false, false)
}
