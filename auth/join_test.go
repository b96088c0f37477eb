package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
)

// A scene is a login that is open: alice is asked through nas, port 1, from the
// office, and other requests come. It runs in a bubble of testing/synctest.
type scene struct {
	*authtest.World
	alice auth.Account
	phone token
	asked auth.Decision
}

// patience is how long requests in these stories can wait.
const patience = 20 * time.Second

func inScene(t *testing.T, story func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		twoApplications(w)
		s := &scene{World: w}
		s.alice, s.phone = alice(w)
		s.asked = s.Decide(s.request("nas", "1"))
		s.Want(s.asked, auth.Challenge, auth.OATHCodePending)
		s.pass(time.Second)
		story(s)
		synctest.Wait()
		for _, b := range w.Store.Breaches() {
			t.Errorf("invariant broken: %s", b)
		}
		if n := w.Store.Watching(); n != 0 {
			t.Errorf("%d watches have not ended", n)
		}
	})
}

// request is a first request of alice with the right password from the office.
func (s *scene) request(client, session string) auth.Attempt {
	at := from(s.World, office, client, "alice", auth.Password(secret))
	at.Session, at.Can.Wait = session, patience
	return at
}

// pass lets time pass for both clocks.
func (s *scene) pass(d time.Duration) {
	s.Wait(d)
	time.Sleep(d)
	synctest.Wait()
}

// send lets the engine decide on the side and returns the answer when it comes;
// until then it is nil.
func (s *scene) send(at auth.Attempt) func() *auth.Decision {
	var got *auth.Decision
	done := make(chan auth.Decision, 1)
	go func() { done <- s.Engine.Decide(context.WithoutCancel(s.Context()), at) }()
	synctest.Wait()
	return func() *auth.Decision {
		synctest.Wait()
		select {
		case d := <-done:
			got = &d
		default:
		}
		return got
	}
}

// wantWaiting fails the test if the request has been decided.
func (s *scene) wantWaiting(got func() *auth.Decision) {
	s.Helper()
	if d := got(); d != nil {
		s.Fatalf("decided %v %v; want it to wait", d.Verdict, d.Outcome)
	}
}

func (s *scene) wantGot(got func() *auth.Decision, v auth.Verdict, o auth.Outcome) auth.Decision {
	s.Helper()
	d := got()
	if d == nil {
		s.Fatalf("it still waits; want %v %v", v, o)
	}
	s.Want(*d, v, o)
	return *d
}

// atOnce lets the engine decide and fails the test if it waits for anything.
func (s *scene) atOnce(at auth.Attempt) auth.Decision {
	s.Helper()
	began := time.Now()
	d := s.Decide(at)
	if waited := time.Since(began); waited != 0 {
		s.Errorf("it waited for %v", waited)
	}
	return d
}

// answer answers the question that the scene begins with.
func (s *scene) answer(code auth.Code) auth.Decision {
	s.Helper()
	at := from(s.World, office, "nas", "alice", code)
	at.State, at.Session = s.asked.State, "1"
	return s.Engine.Decide(context.WithoutCancel(s.Context()), at)
}

// event returns the event of a decision.
func (s *scene) event(d auth.Decision) auth.Event {
	s.Helper()
	seq, err := s.Engine.References.Seq(string(d.Reference))
	if err != nil || seq == 0 || seq > uint64(len(s.Store.Events())) {
		s.Fatalf("reference %q: %v", d.Reference, err)
	}
	return s.Store.Events()[seq-1]
}

func traceOf(ev auth.Event) string {
	var all []string
	for _, s := range ev.Trace {
		all = append(all, s.Note)
	}
	return strings.Join(all, "\n")
}

func TestJoinedAccept(t *testing.T) {
	for _, client := range []string{"nas-2", "old-nas", "nas"} {
		t.Run(client, func(t *testing.T) {
			inScene(t, func(s *scene) {
				got := s.send(s.request(client, "2"))
				s.wantWaiting(got)
				s.pass(10 * time.Second)
				s.wantWaiting(got)
				first := s.answer(s.phone.code())
				s.Want(first, auth.Accept, auth.OATHCodeVerified)
				d := s.wantGot(got, auth.Accept, auth.OATHCodeVerified)
				ev := s.event(d)
				if ev.Joined != s.event(first).Seq || ev.Client != client || ev.Factor != "oath" || ev.Authenticator != "" || ev.Mark != auth.NoMark {
					t.Errorf("the event is %+v", ev)
				}
				if note := traceOf(ev); !strings.Contains(note, "joined login "+string(first.Reference)) {
					t.Errorf("the trace does not name the login that was joined: %s", note)
				}
				if client == "nas" && fmt.Sprint(d.Attributes) != "[{Class nas}]" || client != "nas" && d.Attributes != nil {
					t.Errorf("attributes %v are not those of %s", d.Attributes, client)
				}
				if len(s.Store.Events()) != 3 {
					t.Errorf("%d events; want a question, its answer, and the joined one", len(s.Store.Events()))
				}
			})
		})
	}
}

func TestJoinedReject(t *testing.T) {
	inScene(t, func(s *scene) {
		one, two := s.send(s.request("nas-2", "1")), s.send(s.request("old-nas", "1"))
		s.Want(s.answer(s.phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		for _, got := range []func() *auth.Decision{one, two} {
			if ev := s.event(s.wantGot(got, auth.Reject, auth.OATHCodeIncorrect)); ev.Joined != 2 {
				t.Errorf("joined %d; want 2", ev.Joined)
			}
		}
		if got := s.Store.ThrottleOf(s.alice.ID).Have.Failures; got != 1 {
			t.Errorf("%d failures counted for one wrong code", got)
		}
	})
}

// A request that waited in vain is asked by itself, and the two logins are two.
func TestJoinEndsAtItsDeadline(t *testing.T) {
	inScene(t, func(s *scene) {
		asks, cannot := s.send(s.request("nas-2", "2")), s.send(s.request("old-nas", "2"))
		s.pass(patience - time.Nanosecond)
		s.wantWaiting(asks)
		s.wantWaiting(cannot)
		s.pass(time.Nanosecond)
		d := s.wantGot(asks, auth.Challenge, auth.OATHCodePending)
		if note := traceOf(s.event(d)); !strings.Contains(note, "asked separately") || !strings.Contains(note, "not answered within 20s") {
			t.Errorf("the trace does not say why: %s", note)
		}
		ev := s.event(s.wantGot(cannot, auth.Reject, auth.AuthInProgress))
		if note := traceOf(ev); !strings.Contains(note, "cannot join") || !strings.Contains(note, "not answered within 20s") {
			t.Errorf("the trace does not say why: %s", note)
		}
		// Its question can be answered for as long as any, from when it was asked.
		s.pass(s.Engine.ChallengeLife - time.Nanosecond)
		at := from(s.World, office, "nas-2", "alice", s.phone.code())
		at.State = d.State
		s.Want(s.Decide(at), auth.Accept, auth.OATHCodeVerified)
	})
	t.Run("the first stays open", func(t *testing.T) {
		inScene(t, func(s *scene) {
			own := s.send(s.request("nas-2", "2"))
			s.pass(patience)
			d := s.wantGot(own, auth.Challenge, auth.OATHCodePending)
			s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
			s.pass(30 * time.Second)
			at := from(s.World, office, "nas-2", "alice", s.phone.code())
			at.State = d.State
			s.Want(s.Decide(at), auth.Accept, auth.OATHCodeVerified)
		})
	})
}

// A rule's Wait shortens what the door can, and never lengthens it.
func TestRuleWait(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{
		0: patience, 5 * time.Second: 5 * time.Second, time.Hour: patience, -time.Second: patience,
	} {
		t.Run(wait.String(), func(t *testing.T) {
			inScene(t, func(s *scene) {
				rules(s.World, auth.Rule{Name: "it", Then: auth.Then{Wait: wait}})
				got := s.send(s.request("old-nas", "2"))
				s.pass(want - time.Nanosecond)
				s.wantWaiting(got)
				s.pass(time.Nanosecond)
				s.wantGot(got, auth.Reject, auth.AuthInProgress)
			})
		})
	}
	t.Run("a door that cannot wait", func(t *testing.T) {
		inScene(t, func(s *scene) {
			at := s.request("old-nas", "2")
			at.Can.Wait = 0
			s.Want(s.Decide(at), auth.Reject, auth.AuthInProgress)
			at = s.request("nas-2", "2")
			at.Can.Wait = 0
			s.Want(s.Decide(at), auth.Challenge, auth.OATHCodePending)
		})
	})
}

// Whoever is elsewhere, or nobody knows where, does not join: knowing the
// password must not be enough to be let in by somebody else's answer.
func TestOnlyTheSamePlaceJoins(t *testing.T) {
	tests := []struct {
		name string
		make func(s *scene) auth.Attempt
		ask  string // why it is asked separately
	}{
		{"another place", func(s *scene) auth.Attempt { return from(s.World, elsewhere, "nas-2", "alice", auth.Password(secret)) }, "comes from another place"},
		{"no place", func(s *scene) auth.Attempt { return s.Attempt("nas-2", "alice", auth.Password(secret)) }, "does not say where the person is"},
		{"no place, the same connection", func(s *scene) auth.Attempt {
			at := s.Attempt("nas", "alice", auth.Password(secret))
			at.Session = "1"
			return at
		}, "does not say where the person is"},
		{"a client that is not believed", func(s *scene) auth.Attempt { return s.request("doubtful", "1") }, "doubtful is not believed"},
		{"another application", func(s *scene) auth.Attempt { return s.request("rdp-gateway", "1") }, ""},
		{"no application", func(s *scene) auth.Attempt { return s.request("homeless", "1") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				at := tt.make(s)
				at.Can.Wait = patience
				d := s.atOnce(at)
				s.Want(d, auth.Challenge, auth.OATHCodePending)
				if note := traceOf(s.event(d)); !strings.Contains(note, tt.ask) || tt.ask == "" && strings.Contains(note, "separately") {
					t.Errorf("the trace does not say why it was asked: %s", note)
				}
				// They are two logins: the answer to one leaves the other open.
				s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
				s.pass(30 * time.Second)
				again := at
				again.Evidence, again.State, again.Time = []auth.Evidence{s.phone.code()}, d.State, s.Now()
				s.Want(s.Decide(again), auth.Accept, auth.OATHCodeVerified)
			})
		})
	}
	t.Run("cannot be asked", func(t *testing.T) {
		inScene(t, func(s *scene) {
			at := from(s.World, elsewhere, "old-nas", "alice", auth.Password(secret))
			at.Can.Wait = patience
			d := s.atOnce(at)
			s.Want(d, auth.Reject, auth.AuthInProgress)
			if note := traceOf(s.event(d)); !strings.Contains(note, "cannot join") || !strings.Contains(note, "comes from another place") {
				t.Errorf("the trace does not say why: %s", note)
			}
			s.Want(s.Try("old-nas", "alice", auth.Password(secret)), auth.Reject, auth.AuthInProgress)
			if s.event(d).Joined != 0 {
				t.Error("101 joined a login")
			}
		})
	})
	t.Run("another account", func(t *testing.T) {
		inScene(t, func(s *scene) {
			bob(s.World)
			at := s.request("nas-2", "1")
			at.Claimant = "bob"
			s.Want(s.Decide(at), auth.Challenge, auth.OATHCodePending)
		})
	})
}

// The same connection that asks again gets the same question again, and whatever
// is answered first settles the login.
func TestTheSameConnectionIsAskedAgain(t *testing.T) {
	inScene(t, func(s *scene) {
		again := s.Decide(s.request("nas", "1"))
		s.Want(again, auth.Challenge, auth.OATHCodePending)
		if again.Message != s.asked.Message || string(again.State) == string(s.asked.State) {
			t.Errorf("asked %q with State %x; want the same question with a State of its own", again.Message, again.State)
		}
		if note := traceOf(s.event(again)); !strings.Contains(note, "asked again: the same connection asks while its login of 08:00:00 UTC is open") {
			t.Errorf("the trace does not say so: %s", note)
		}
		waits := s.send(s.request("nas-2", "1"))
		s.wantWaiting(waits)
		at := s.request("nas", "1")
		at.Evidence, at.State = []auth.Evidence{s.phone.code()}, again.State
		s.Want(s.Engine.Decide(s.Context(), at), auth.Accept, auth.OATHCodeVerified)
		s.wantGot(waits, auth.Accept, auth.OATHCodeVerified)
		s.pass(30 * time.Second)
		s.Want(s.answer(s.phone.code()), auth.Reject, auth.ChallengeUnknown)
	})
}

// A login that was settled before the request came is no login to join: that
// would be a cache that nobody has asked for.
func TestOnlyOpenLoginsAreJoined(t *testing.T) {
	inScene(t, func(s *scene) {
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		s.pass(time.Second)
		s.Want(s.Decide(s.request("nas-2", "2")), auth.Challenge, auth.OATHCodePending)
	})
	t.Run("and not expired ones", func(t *testing.T) {
		inScene(t, func(s *scene) {
			s.pass(s.Engine.ChallengeLife - time.Second)
			s.Want(s.atOnce(s.request("nas-2", "2")), auth.Challenge, auth.OATHCodePending)
		})
	})
	t.Run("and not with a code", func(t *testing.T) {
		inScene(t, func(s *scene) {
			at := s.request("old-nas", "2")
			at.Evidence = append(at.Evidence, s.phone.code())
			s.Want(s.Decide(at), auth.Accept, auth.OATHCodeVerified)
			at = s.request("old-nas", "2")
			at.Evidence = append(at.Evidence, s.phone.wrong())
			s.Want(s.Decide(at), auth.Reject, auth.OATHCodeIncorrect)
		})
	})
}

// On a node whose facts lag behind, a login that looks open may have been settled
// before the request came.
func TestALoginThatOnlyLooksOpenIsNotJoined(t *testing.T) {
	inScene(t, func(s *scene) {
		names := auth.Query{Names: []string{"alice"}, Unknown: "?"}
		old, err := s.Store.Snapshot(t.Context(), names, false)
		if err != nil {
			t.Fatal(err)
		}
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		s.pass(time.Second)
		parts := s.Engine.Parts
		parts.Store = &lagging{Memory: s.Store, old: old}
		began := time.Now()
		d := auth.NewEngine(parts).Decide(t.Context(), s.request("nas-2", "2"))
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
		s.Want(d, auth.Challenge, auth.OATHCodePending)
	})
}

// lagging is a store whose facts are old until it is asked for fresh ones.
type lagging struct {
	*authtest.Memory
	old auth.Facts
}

func (l *lagging) Snapshot(ctx context.Context, q auth.Query, fresh bool) (auth.Facts, error) {
	if !fresh {
		return l.old, nil
	}
	return l.Memory.Snapshot(ctx, q, fresh)
}

// Both sides must say where the person is, through a client that is believed, at
// an application that has a name, and since the database has last gone back.
func TestWhatCannotBeJoined(t *testing.T) {
	nowhere := func(s *scene, client, session string) auth.Attempt {
		at := s.Attempt(client, "alice", auth.Password(secret))
		at.Session, at.Can.Wait = session, patience
		return at
	}
	place := func(s *scene, client, session string) auth.Attempt { return s.request(client, session) }
	tests := []struct {
		name   string
		make   func(s *scene, client, session string) auth.Attempt
		first  string
		second string
		same   bool // session
	}{
		{"neither says where, another client", nowhere, "nas-2", "nas", true},
		{"neither says where, the same connection", nowhere, "nas-2", "nas-2", true},
		{"the first is not believed", place, "doubtful", "nas-2", false},
		{"neither has an application", place, "homeless", "homeless-2", true},
		{"the same client without an application", place, "homeless", "homeless", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
				s.Policy(func(p *auth.Settings) {
					p.Clients = append(p.Clients, auth.Client{ID: "c10", Name: "homeless-2", Mode: auth.ModeChallenge, Password: auth.PasswordVerify})
				})
				s.pass(30 * time.Second)
				one := s.Decide(tt.make(s, tt.first, "1"))
				s.Want(one, auth.Challenge, auth.OATHCodePending)
				session := "2"
				if tt.same {
					session = "1"
				}
				two := s.atOnce(tt.make(s, tt.second, session))
				s.Want(two, auth.Challenge, auth.OATHCodePending)
				for i, d := range []auth.Decision{one, two} {
					client := []string{tt.first, tt.second}[i]
					s.Want(s.Answer(d, client, "alice", s.phone.code()), auth.Accept, auth.OATHCodeVerified)
					s.pass(30 * time.Second)
				}
			})
		})
	}
	t.Run("from before the database went back", func(t *testing.T) {
		inScene(t, func(s *scene) {
			rules(s.World, auth.Rule{Name: "slow", Then: auth.Then{ChallengeLife: time.Hour}})
			s.Want(s.Decide(s.request("nas", "1")), auth.Challenge, auth.OATHCodePending)
			s.Policy(func(p *auth.Settings) { p.Rewound = s.Now() })
			s.pass(auth.RewoundFor)
			s.Want(s.atOnce(s.request("nas-2", "2")), auth.Challenge, auth.OATHCodePending)
		})
	})
}

// Whoever does not know the password learns nothing of an open login.
func TestAWrongPasswordDoesNotJoin(t *testing.T) {
	inScene(t, func(s *scene) {
		at := s.request("nas-2", "2")
		at.Evidence = []auth.Evidence{auth.Password("not it at all")}
		s.Want(s.Decide(at), auth.Reject, auth.PasswordWrong)
		at.Evidence = nil
		s.Want(s.Decide(at), auth.Reject, auth.PasswordMissing)
		at.Client, at.Claimant = "asking-gateway", "mallory"
		s.Want(s.Decide(at), auth.Challenge, auth.OATHCodePending)
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
	})
}

// Where the client has checked the password a name that nobody has waits, and is
// refused, as one that somebody has.
func TestUnknownNamesWaitAlike(t *testing.T) {
	inScene(t, func(s *scene) {
		at := s.request("asking-gateway", "1")
		at.Claimant, at.Evidence = "mallory", nil
		asked := s.Decide(at)
		s.Want(asked, auth.Challenge, auth.OATHCodePending)
		at.Session = "2"
		got := s.send(at)
		s.wantWaiting(got)
		answer := at
		answer.Session, answer.State, answer.Evidence = "1", asked.State, []auth.Evidence{auth.Code("123456")}
		s.Want(s.Engine.Decide(s.Context(), answer), auth.Reject, auth.UserNotFound)
		s.wantGot(got, auth.Reject, auth.UserNotFound)
	})
}

// A joined accept needs everything else to be right at that moment.
func TestWhatChangesWhileItWaits(t *testing.T) {
	t.Run("the account is disabled", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			a := s.alice
			a.Enabled = false
			s.Store.PutAccount(a)
			s.wantGot(got, auth.Reject, auth.UserDisabled)
		})
	})
	t.Run("the password is changed", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			for _, x := range s.Store.Authenticators(s.alice.ID) {
				if x.Factor == "password" {
					s.Store.DropAuthenticator(s.alice.ID, x.ID)
				}
			}
			s.wantGot(got, auth.Reject, auth.PasswordNotSet)
		})
	})
	t.Run("the rule refuses", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			rules(s.World, auth.Rule{Name: "closed", Match: auth.Match{Clients: []string{"nas-2"}}, Then: auth.Then{Need: auth.NeedRefuse}})
			s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
			s.wantGot(got, auth.Reject, auth.PolicyRefused)
		})
	})
	t.Run("the client is removed", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			s.Policy(func(p *auth.Settings) { p.Clients = p.Clients[:4] })
			s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
			s.wantGot(got, auth.Ignore, auth.ClientUnknown)
		})
	})
	t.Run("the database goes away", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			s.Store.Break(authtest.ErrDown)
			s.pass(patience)
			s.wantGot(got, auth.Unavailable, auth.StoreUnavailable)
		})
	})
	t.Run("the server stops", func(t *testing.T) {
		inScene(t, func(s *scene) {
			ctx, stop := context.WithCancelCause(context.Background())
			done := make(chan auth.Decision, 1)
			go func() { done <- s.Engine.Decide(ctx, s.request("nas-2", "2")) }()
			synctest.Wait()
			stop(errors.New("stopping"))
			s.Want(<-done, auth.Unavailable, auth.StoreUnavailable)
		})
	})
	t.Run("a failure elsewhere", func(t *testing.T) {
		inScene(t, func(s *scene) {
			got := s.send(s.request("nas-2", "2"))
			s.Engine.Limits.Know.Free = 1
			s.Want(s.Engine.Decide(s.Context(), s.Attempt("rdp-gateway", "alice", auth.Password("not it at all"))), auth.Reject, auth.PasswordWrong)
			s.wantWaiting(got) // woken, and it waits on
			s.pass(patience)
			s.wantGot(got, auth.Reject, auth.Throttled)
		})
	})
}

// The factor that completed the login must be one that the joiner's own rule
// admits.
func TestAStricterRuleDoesNotJoin(t *testing.T) {
	inScene(t, func(s *scene) {
		sheet := s.Bind(s.alice, "recovery", auth.Binding{}).Codes
		s.asked = s.Decide(s.request("nas", "1"))
		rules(s.World, auth.Rule{Name: "sheets", Match: auth.Match{Clients: []string{"nas-2"}}, Then: auth.Then{Methods: []string{"recovery"}}})
		same, stricter := s.send(s.request("old-nas", "2")), s.send(s.request("nas-2", "2"))
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		s.wantGot(same, auth.Accept, auth.OATHCodeVerified)
		d := s.wantGot(stricter, auth.Challenge, auth.OATHCodePending)
		if note := traceOf(s.event(d)); !strings.Contains(note, "rule sheets does not admit") {
			t.Errorf("the trace does not say why: %s", note)
		}
		at := from(s.World, office, "nas-2", "alice", auth.Code(sheet[0]))
		at.State = d.State
		s.Want(s.Decide(at), auth.Accept, auth.RecoveryCodeVerified)
	})
}

// An exemption that applies decides before anything is joined, and a joined
// answer leaves nothing behind that would spare the next login.
func TestJoiningAndExemptions(t *testing.T) {
	inScene(t, func(s *scene) {
		cache(s.World, "vpn", auth.CacheUserApplication, time.Hour)
		s.asked = s.Decide(s.request("nas", "1"))
		got := s.send(s.request("nas-2", "2"))
		s.pass(time.Second)
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		s.wantGot(got, auth.Accept, auth.OATHCodeVerified)
		if n := len(s.Store.CachedOf(s.alice.ID)); n != 1 {
			t.Errorf("%d cache entries; want that of the login that was joined", n)
		}
		s.pass(time.Second)
		s.Want(s.Decide(s.request("nas-2", "3")), auth.Accept, auth.UsedCacheApplication)
	})
	inScene(t, func(s *scene) {
		s.Store.PutBypass(auth.Bypass{ID: "b", Account: s.alice.ID, From: s.Now(), Until: s.Now().Add(time.Hour)})
		s.Want(s.Decide(s.request("nas-2", "2")), auth.Accept, auth.BypassedAuth)
	})
}

// No more than a few wait for one login: the rest are asked, or told so.
func TestFewWaitForOneLogin(t *testing.T) {
	inScene(t, func(s *scene) {
		var all []func() *auth.Decision
		for range 20 {
			all = append(all, s.send(s.request("old-nas", "2")))
		}
		told, waiting := 0, 0
		for _, got := range all {
			if d := got(); d == nil {
				waiting++
			} else if s.Want(*d, auth.Reject, auth.AuthInProgress); strings.Contains(traceOf(s.event(*d)), "too many requests wait") {
				told++
			}
		}
		if waiting != 16 || told != 4 {
			t.Errorf("%d wait and %d were told why not; want 16 and 4", waiting, told)
		}
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		for _, got := range all {
			if d := got(); d == nil {
				t.Error("one still waits after the answer")
			}
		}
	})
}

// The very same request gets its answer again, and nothing is judged, spent or
// recorded.
func TestAnswersGivenAgain(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, phone := alice(w)
	a.Groups = []string{"staff"}
	w.Store.PutAccount(a)
	request := func(client, id string, evidence ...auth.Evidence) auth.Attempt {
		at := w.Attempt(client, "alice", evidence...)
		at.Request = id
		return at
	}
	right := request("gateway", "r1", phone.code())
	first := w.Decide(right)
	w.Want(first, auth.Accept, auth.OATHCodeVerified)
	if ev := w.LastEvent(); ev.Request != "r1" || ev.Node != "node-1" {
		t.Errorf("the event names request %q, node %q", ev.Request, ev.Node)
	}
	for _, elapsed := range []time.Duration{0, 10 * time.Second, 50*time.Second - time.Nanosecond, -90 * time.Second} {
		w.Wait(elapsed)
		right.Time = w.Now()
		again := w.Decide(right)
		if !again.Repeated {
			t.Errorf("after %v: %v %v, not given again", elapsed, again.Verdict, again.Outcome)
		}
		again.Repeated = false
		if fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", first) {
			t.Errorf("given again as %+v; want %+v", again, first)
		}
	}
	w.Wait(90 * time.Second)
	wrong := request("gateway", "r2", phone.wrong())
	told := w.Decide(wrong)
	w.Want(told, auth.Reject, auth.OATHCodeIncorrect)
	if again := w.Decide(wrong); !again.Repeated || again.Message != told.Message || again.Reference != told.Reference {
		t.Errorf("a refusal was given again as %+v; want %+v", again, told)
	}
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 1 {
		t.Errorf("%d failures counted for one wrong code sent twice", got)
	}

	// What is not the very same request is judged.
	for name, at := range map[string]auth.Attempt{
		"another client":    request("asking-gateway", "r2", phone.wrong()),
		"another name":      func() auth.Attempt { x := wrong; x.Claimant = "mallory"; return x }(),
		"another request":   request("gateway", "r3", phone.wrong()),
		"a door that names": request("gateway", "", phone.wrong()),
	} {
		if d := w.Decide(at); d.Repeated || d.Verdict != auth.Reject {
			t.Errorf("%s: %+v", name, d)
		}
	}
	w.Store.Unlock(a.ID)

	late := request("gateway", "r4", phone.wrong())
	w.Want(w.Decide(late), auth.Reject, auth.OATHCodeIncorrect)
	w.Wait(auth.AnsweredLife)
	late.Time = w.Now()
	if d := w.Decide(late); d.Repeated {
		t.Error("an answer was given again after a minute")
	}
	w.Wait(-2 * auth.AnsweredLife)
	late.Time = w.Now()
	if d := w.Decide(late); d.Repeated {
		t.Error("an answer was given again a minute before it was given")
	}
}

// Questions are not given again by this means: each has a State of its own.
func TestQuestionsAreNotGivenAgain(t *testing.T) {
	w := newWorld(t)
	alice(w)
	at := w.Attempt("nas", "alice", auth.Password(secret))
	at.Request = "r1"
	one, two := w.Decide(at), w.Decide(at)
	w.Want(two, auth.Challenge, auth.OATHCodePending)
	if two.Repeated || string(one.State) == string(two.State) {
		t.Errorf("asked again as %+v", two)
	}
}

// An accept is not given again to an account that may not log in any more, nor
// when the rule that let it in is gone.
func TestAnAcceptIsGivenAgainOnlyWhileItHolds(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *authtest.World, a auth.Account)
		want auth.Outcome
	}{
		{"disabled", func(w *authtest.World, a auth.Account) { a.Enabled = false; w.Store.PutAccount(a) }, auth.UserDisabled},
		{"blocked", func(w *authtest.World, a auth.Account) { a.Blocked = true; w.Store.PutAccount(a) }, auth.UserBlocked},
		{"the rule is gone", func(w *authtest.World, _ auth.Account) { rules(w) }, auth.DuplicateOATHCode},
		{"the rule refuses", func(w *authtest.World, _ auth.Account) {
			rules(w, auth.Rule{Name: "it", Then: auth.Then{Need: auth.NeedRefuse}})
		}, auth.DuplicateOATHCode},
		{"the client is gone", func(w *authtest.World, _ auth.Account) {
			w.Policy(func(s *auth.Settings) { s.Clients = nil })
		}, auth.ClientUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a, phone := alice(w)
			rules(w, auth.Rule{Name: "it"})
			at := w.Attempt("gateway", "alice", phone.code())
			at.Request = "r1"
			w.Want(w.Decide(at), auth.Accept, auth.OATHCodeVerified)
			if d := w.Decide(at); !d.Repeated {
				t.Fatalf("not given again: %+v", d)
			}
			tt.do(w, a)
			if d := w.Decide(at); d.Repeated || d.Verdict == auth.Accept || d.Outcome != tt.want {
				t.Errorf("got %+v; want %v", d, tt.want)
			}
		})
	}
}

// A retransmission that is judged on another node while the first is under way
// finds its answer when its own commit is refused.
func TestARaceOfOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w)
		at := w.Attempt("gateway", "alice", phone.code())
		at.Request = "r1"
		held := holding{Factor: w.Engine.Factors[1], leave: make(chan struct{})}
		parts := w.Engine.Parts
		parts.Factors = []auth.Factor{w.Engine.Factors[0], &held, w.Engine.Factors[2]}
		other := auth.NewEngine(parts)
		done := make(chan auth.Decision)
		go func() { done <- other.Decide(context.Background(), at) }()
		synctest.Wait() // it holds the facts from before the first answer
		first := w.Decide(at)
		w.Want(first, auth.Accept, auth.OATHCodeVerified)
		close(held.leave)
		if second := <-done; !second.Repeated || second.Verdict != auth.Accept || second.Reference != first.Reference {
			t.Errorf("the other node says %+v; want the answer of the first", second)
		}
	})
}

// The answer to a login that was joined is kept for the joiner's request too.
func TestJoinedAnswersAreGivenAgain(t *testing.T) {
	for _, right := range []bool{true, false} {
		inScene(t, func(s *scene) {
			at := s.request("nas-2", "2")
			at.Request = "r2"
			got := s.send(at)
			code := s.phone.code()
			if !right {
				code = s.phone.wrong()
			}
			s.answer(code)
			first := got()
			if first == nil || (first.Verdict == auth.Accept) != right {
				t.Fatalf("got %+v", first)
			}
			s.pass(time.Second)
			at.Time = s.Now()
			if again := s.Decide(at); !again.Repeated || again.Reference != first.Reference {
				t.Errorf("given again as %+v; want %+v", again, first)
			}
		})
	}
}

// Two nodes: the request that waits on one is woken by the answer on the other.
func TestJoiningAcrossNodes(t *testing.T) {
	inScene(t, func(s *scene) {
		other := auth.NewEngine(s.Engine.Parts)
		done := make(chan auth.Decision, 1)
		go func() { done <- other.Decide(context.Background(), s.request("nas-2", "2")) }()
		synctest.Wait()
		s.Want(s.answer(s.phone.code()), auth.Accept, auth.OATHCodeVerified)
		s.Want(<-done, auth.Accept, auth.OATHCodeVerified)
	})
}

// Waiting holds nobody up: the answer needs the turn that the waiting request
// has given back.
func TestWaitingHoldsNoTurn(t *testing.T) {
	inScene(t, func(s *scene) {
		for range 16 {
			s.send(s.request("nas-2", "2"))
		}
		s.Want(s.Decide(from(s.World, elsewhere, "gateway", "alice", s.phone.code())), auth.Accept, auth.OATHCodeVerified)
		s.pass(patience)
	})
}
