package auth_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
)

// rules puts these rules in force, in this order.
func rules(w *authtest.World, all ...auth.Rule) {
	w.Policy(func(s *auth.Settings) {
		s.Rules = nil
		for i, r := range all {
			r.ID, r.Place = fmt.Sprint("rule-", i), int64(i+1)
			s.Rules = append(s.Rules, r)
		}
	})
}

func mustHours(t testing.TB, s string) auth.Hours {
	t.Helper()
	h, err := auth.ParseHours(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Each condition at two values: one that fits the login and one that does not.
// The rule is seen at its name in the event.
func TestRuleConditions(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, _ := alice(w)
	a.Groups = []string{"staff"}
	w.Store.PutAccount(a)
	in := func(s string) []auth.Range { return []auth.Range{mustRange(t, s)} }
	at := func(s string) []auth.Hours { return []auth.Hours{mustHours(t, s)} }
	tests := []struct {
		name  string
		match auth.Match
		want  bool
	}{
		{"everything", auth.Match{}, true},
		{"application", auth.Match{Applications: []string{"rdp", "vpn"}}, true},
		{"another application", auth.Match{Applications: []string{"rdp"}}, false},
		{"no application", auth.Match{Applications: []string{""}}, false},
		{"client", auth.Match{Clients: []string{"nas"}}, true},
		{"another client", auth.Match{Clients: []string{"gateway"}}, false},
		{"group", auth.Match{Groups: []string{"board", "staff"}}, true},
		{"another group", auth.Match{Groups: []string{"board"}}, false},
		{"group in another spelling", auth.Match{Groups: []string{"Staff"}}, false},
		{"no group", auth.Match{Groups: []string{""}}, false},
		{"source", auth.Match{Sources: in("198.51.100.0/29")}, true},
		{"another source", auth.Match{Sources: in("198.51.100.8")}, false},
		{"a range that holds nothing", auth.Match{Sources: []auth.Range{{}}}, false},
		{"method", auth.Match{Methods: []string{"oath"}}, true},
		{"another method", auth.Match{Methods: []string{"recovery"}}, false},
		{"a method that nobody knows", auth.Match{Methods: []string{"telepathy"}}, false},
		{"hours", auth.Match{Times: at("mon 08:00-09:00 UTC")}, true},
		{"other hours", auth.Match{Times: at("tue 08:00-09:00 UTC")}, false},
		{"hours that hold nothing", auth.Match{Times: []auth.Hours{{}}}, false},
		{"all of them", auth.Match{
			Applications: []string{"vpn"}, Clients: []string{"nas"}, Groups: []string{"staff"}, Sources: in("198.51.100.7"),
			Methods: []string{"oath"}, Times: at("mon 08:00-09:00 UTC"),
		}, true},
		{"all but one", auth.Match{
			Applications: []string{"vpn"}, Clients: []string{"nas"}, Groups: []string{"board"}, Sources: in("198.51.100.7"),
			Methods: []string{"oath"}, Times: at("mon 08:00-09:00 UTC"),
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules(w, auth.Rule{Name: "it", Match: tt.match, Then: auth.Then{Need: auth.NeedPrimary}})
			w.Decide(from(w, office, "nas", "alice", auth.Password(secret)))
			ev := w.LastEvent()
			want, outcome := auth.Strictest, auth.OATHCodePending
			if tt.want {
				want, outcome = "it", auth.SkippedCall
			}
			if ev.Rule != want || ev.Outcome != outcome {
				t.Errorf("rule %q decided %v; want %q, %v", ev.Rule, ev.Outcome, want, outcome)
			}
			w.Store.Unlock(a.ID)
		})
	}
	t.Run("an unknown source is in no range", func(t *testing.T) {
		rules(w, auth.Rule{Name: "it", Match: auth.Match{Sources: in("0.0.0.0/0")}, Then: auth.Then{Need: auth.NeedPrimary}})
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		w.Want(w.Decide(from(w, netip.MustParseAddr("2001:db8::1"), "nas", "alice", auth.Password(secret))), auth.Challenge, auth.OATHCodePending)
		w.Want(w.Decide(from(w, office, "doubtful", "alice", auth.Password(secret))), auth.Challenge, auth.OATHCodePending)
		w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Accept, auth.SkippedCall)
	})
}

// What has no name is in no list, not even in one that holds an empty name.
func TestRulesNeverMatchTheNameless(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, _ := alice(w)
	a.Groups = []string{""}
	w.Store.PutAccount(a)
	for _, match := range []auth.Match{{Applications: []string{""}}, {Groups: []string{""}}, {Applications: []string{"vpn", ""}}} {
		rules(w, auth.Rule{Name: "it", Match: match, Then: auth.Then{Need: auth.NeedPrimary}})
		w.Want(w.Try("homeless", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	w := newWorld(t)
	alice(w)
	open := auth.Rule{Name: "open", Then: auth.Then{Need: auth.NeedPrimary}}
	closed := auth.Rule{Name: "closed", Then: auth.Then{Need: auth.NeedRefuse}}
	other := auth.Rule{Name: "other", Match: auth.Match{Clients: []string{"gateway"}}, Then: auth.Then{Need: auth.NeedRefuse}}
	rules(w, other, open, closed)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.SkippedCall)
	rules(w, other, closed, open)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.PolicyRefused)
	rules(w, other)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
}

// Okta Classic, 2024: what the policy did not know was let through. A value that
// this version does not know asks for all there is.
func TestUnknownValuesAreTheStrictest(t *testing.T) {
	w := newWorld(t)
	alice(w)
	b := w.AddAccount("bob") // holds no second factor
	w.Bind(b, "password", auth.Binding{Secret: auth.Secret(secret)})
	for _, need := range []auth.Need{"", "none", "Primary", "primary ", "0"} {
		for _, unenrolled := range []auth.Unenrolled{"", "Pass", "let-in", "pass "} {
			rules(w, auth.Rule{Name: "new", Then: auth.Then{Need: need, Unenrolled: unenrolled}})
			w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
			w.Want(w.Try("nas", "bob", auth.Password(secret)), auth.Reject, auth.UserIncomplete)
		}
	}
}

func TestScope(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	rules(w, auth.Rule{Name: "first only", Then: auth.Then{Need: auth.NeedPrimary}})
	w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
	w.Want(w.Try("nas", "alice"), auth.Reject, auth.PasswordMissing)
	w.Want(w.Try("nas", "mallory", auth.Password(secret)), auth.Reject, auth.UserNotFound)
	w.Want(w.Try("gateway", "mallory", auth.Code("123456")), auth.Reject, auth.UserNotFound)
	w.Want(w.Try("asking-gateway", "mallory"), auth.Challenge, auth.OATHCodePending)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), phone.wrong()), auth.Accept, auth.SkippedCall)
	w.Want(w.Try("gateway", "alice"), auth.Accept, auth.SkippedCall)
	a.Enabled = false
	w.Store.PutAccount(a)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.UserDisabled)
	w.Want(w.Try("gateway", "alice"), auth.Reject, auth.UserDisabled)
}

// A rule that refuses is told after the first factor is right, in the words of
// every failure, and nothing relaxes it.
func TestRefuse(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	closed := auth.Rule{Name: "closed", Then: auth.Then{Need: auth.NeedRefuse, Unenrolled: auth.UnenrolledPass}}
	rules(w, closed)
	w.Policy(func(s *auth.Settings) {
		s.Trusted = []auth.TrustedIP{{ID: "t", Application: "vpn", Range: mustRange(t, "0.0.0.0/0")}}
	})
	w.Store.PutBypass(auth.Bypass{ID: "b", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Hour)})

	right := w.Decide(from(w, office, "nas", "alice", auth.Password(secret)))
	w.Want(right, auth.Reject, auth.PolicyRefused)
	wrong := w.Decide(from(w, office, "nas", "alice", auth.Password("not it at all")))
	w.Want(wrong, auth.Reject, auth.PasswordWrong)
	if r, p := strings.Split(right.Message, " Ref")[0], strings.Split(wrong.Message, " Ref")[0]; r != p {
		t.Errorf("a right password is told %q, a wrong one %q", r, p)
	}
	code := phone.code()
	w.Want(w.Decide(from(w, office, "old-nas", "alice", auth.Password(secret), code)), auth.Reject, auth.PolicyRefused)
	if got := w.Store.ThrottleOf(a.ID); got.Have.Failures != 0 || got.Know.Failures != 1 {
		t.Errorf("counted %+v; only the wrong password counts", got)
	}

	// Where the client has checked the password everybody is asked, so that
	// names that are refused and names that do not exist look alike.
	known, unknown := w.Try("asking-gateway", "alice"), w.Try("asking-gateway", "mallory")
	w.Want(known, auth.Challenge, auth.OATHCodePending)
	if known.Message != unknown.Message {
		t.Errorf("asked %q and %q", known.Message, unknown.Message)
	}
	w.Want(w.Answer(known, "asking-gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
	w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.PolicyRefused)
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 1 {
		t.Errorf("%d codes counted; want the wrong one", got)
	}
	b := w.AddAccount("bob")
	w.Bind(b, "password", auth.Binding{Secret: auth.Secret(secret)})
	w.Want(w.Try("asking-gateway", "bob"), auth.Challenge, auth.OATHCodePending) // passes nowhere

	// None of this has spent the code or the bypass.
	rules(w)
	w.Policy(func(s *auth.Settings) { s.Trusted = nil })
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.BypassedAuth)
	asked := w.Try("nas", "alice", auth.Password(secret))
	rules(w, closed) // in between
	w.Want(w.Answer(asked, "nas", "alice", code), auth.Reject, auth.PolicyRefused)
	rules(w)
	w.Want(w.Try("gateway", "alice", code), auth.Accept, auth.OATHCodeVerified)
}

// Whoever brings a code along waits for its hash behind a right password that
// the rule refuses, as behind a wrong one: the answer is the same.
func TestRefusalsCostTheSame(t *testing.T) {
	w := newWorld(t)
	a, _ := alice(w)
	w.Bind(a, "recovery", auth.Binding{})
	looks := make(map[string]int)
	for i, f := range w.Engine.Factors {
		w.Engine.Factors[i] = counting{f, looks}
	}
	cost := func(password string, then auth.Then) string {
		rules(w, auth.Rule{Name: "it", Then: then})
		clear(looks)
		d := w.Try("old-nas", "alice", auth.Password(password), auth.Code("ABCDE-FGHJK"))
		if d.Verdict != auth.Reject {
			t.Errorf("%v: %v", then, d.Outcome)
		}
		return fmt.Sprint(looks)
	}
	want := cost("not it at all", auth.Then{})
	for _, then := range []auth.Then{{}, {Need: auth.NeedRefuse}, {Methods: []string{"oath"}}, {Methods: []string{"recovery", "oath"}}, {Methods: []string{"telepathy"}}} {
		if got := cost(secret, then); got != want {
			t.Errorf("right password, %+v: %s looks; a wrong one has %s", then, got, want)
		}
	}
}

// counting counts what a factor is asked.
type counting struct {
	auth.Factor
	looks map[string]int
}

func (c counting) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	c.looks[c.Info().Name]++
	return c.Factor.Verify(ctx, a, at)
}

func TestUnenrolled(t *testing.T) {
	tests := []struct {
		name       string
		unenrolled auth.Unenrolled
		methods    []string
		client     string
		code       auth.Code
		verdict    auth.Verdict
		want       auth.Outcome
	}{
		{"refused", auth.UnenrolledRefuse, nil, "nas", "", auth.Reject, auth.UserIncomplete},
		{"refused, appending", auth.UnenrolledRefuse, nil, "old-nas", "", auth.Reject, auth.UserIncomplete},
		{"refused, with a code", auth.UnenrolledRefuse, nil, "old-nas", "123456", auth.Reject, auth.UserIncomplete},
		{"refused, the client has checked", auth.UnenrolledRefuse, nil, "asking-gateway", "", auth.Challenge, auth.OATHCodePending},
		{"refused, the client has checked and a code came", auth.UnenrolledRefuse, nil, "gateway", "123456", auth.Reject, auth.UserIncomplete},
		{"pass", auth.UnenrolledPass, nil, "nas", "", auth.Accept, auth.SkippedCall},
		{"pass, with a code", auth.UnenrolledPass, nil, "old-nas", "123456", auth.Accept, auth.SkippedCall},
		{"pass, the client has checked", auth.UnenrolledPass, nil, "asking-gateway", "", auth.Accept, auth.SkippedCall},
		{"enrol", auth.UnenrolledEnrol, nil, "nas", "", auth.Reject, auth.EnrolmentRequired},
		{"enrol, with a code", auth.UnenrolledEnrol, nil, "old-nas", "123456", auth.Reject, auth.EnrolmentRequired},
		{"enrol, the client has checked", auth.UnenrolledEnrol, nil, "asking-gateway", "", auth.Challenge, auth.OATHCodePending},
		{"enrol, the client has checked and a code came", auth.UnenrolledEnrol, nil, "gateway", "123456", auth.Reject, auth.UserIncomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.AddAccount("bob")
			w.Bind(b, "password", auth.Binding{Secret: auth.Secret(secret)})
			_, phone := alice(w)
			rules(w, auth.Rule{Name: "it", Then: auth.Then{Unenrolled: tt.unenrolled, Methods: tt.methods}})
			var evidence []auth.Evidence
			if tt.client == "nas" || tt.client == "old-nas" {
				w.Want(w.Try(tt.client, "bob", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
				evidence = append(evidence, auth.Password(secret))
			}
			if tt.code != "" {
				evidence = append(evidence, tt.code)
			}
			d := w.Try(tt.client, "bob", evidence...)
			w.Want(d, tt.verdict, tt.want)
			if d.Verdict == auth.Challenge {
				w.Want(w.Answer(d, tt.client, "bob", "123456"), auth.Reject, auth.UserIncomplete)
			}
			// It is about people without a second factor only.
			asked := w.Try("nas", "alice", auth.Password(secret))
			w.Want(asked, auth.Challenge, auth.OATHCodePending)
			w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
			b.Enabled = false
			w.Store.PutAccount(b)
			d = w.Try(tt.client, "bob", evidence...)
			if tt.client == "asking-gateway" {
				w.Want(d, auth.Challenge, auth.OATHCodePending)
			} else {
				w.Want(d, auth.Reject, auth.UserDisabled)
			}
		})
	}
	t.Run("lost in between", func(t *testing.T) {
		w := newWorld(t)
		a, phone := alice(w)
		rules(w, auth.Rule{Name: "it", Then: auth.Then{Unenrolled: auth.UnenrolledPass}})
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(asked, auth.Challenge, auth.OATHCodePending)
		rules(w, auth.Rule{Name: "it", Then: auth.Then{Unenrolled: auth.UnenrolledPass, Methods: []string{"recovery"}}})
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.UserIncomplete)
		_ = a
	})
}

// A rule's methods limit what may complete the login and say what is asked for.
func TestRuleMethods(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	sheet := w.Bind(a, "recovery", auth.Binding{}).Codes
	const askApp, askSheet = "Enter the code from your authenticator app or token.", "Enter one of your recovery codes."
	tests := []struct {
		methods  []string
		prompt   string // "" if nothing can be asked for
		app, old auth.Outcome
	}{
		{nil, askApp, auth.OATHCodeVerified, auth.RecoveryCodeVerified},
		{[]string{"oath", "recovery"}, askApp, auth.OATHCodeVerified, auth.RecoveryCodeVerified},
		{[]string{"recovery", "oath"}, askApp, auth.OATHCodeVerified, auth.RecoveryCodeVerified},
		{[]string{"oath"}, askApp, auth.OATHCodeVerified, auth.CodeNotRecognized},
		{[]string{"telepathy", "recovery"}, askSheet, auth.CodeNotRecognized, auth.RecoveryCodeVerified},
		{[]string{"telepathy", "password", ""}, "", auth.UserIncomplete, auth.UserIncomplete},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(tt.methods), func(t *testing.T) {
			rules(w, auth.Rule{Name: "it", Then: auth.Then{Methods: tt.methods}})
			for kind, code := range map[string]auth.Code{"app": phone.code(), "sheet": auth.Code(sheet[i])} {
				want := tt.app
				if kind == "sheet" {
					want = tt.old
				}
				asked := w.Try("nas", "alice", auth.Password(secret))
				if tt.prompt == "" {
					w.Want(asked, auth.Reject, auth.UserIncomplete)
				} else {
					w.Want(asked, auth.Challenge, auth.OATHCodePending)
					if asked.Message != tt.prompt {
						t.Errorf("asked %q; want %q", asked.Message, tt.prompt)
					}
					if d := w.Answer(asked, "nas", "alice", code); d.Outcome != want {
						t.Errorf("%s: %v; want %v", kind, d.Outcome, want)
					}
				}
				if d := w.Try("gateway", "alice", code); d.Verdict == auth.Accept && (want != auth.OATHCodeVerified && want != auth.RecoveryCodeVerified) {
					t.Errorf("%s: accepted at a client that has checked the password: %v", kind, d.Outcome)
				}
			}
			w.Store.Unlock(a.ID)
			w.Wait(time.Minute)
		})
	}
}

func TestRuleChallengeLife(t *testing.T) {
	for _, life := range []time.Duration{0, -time.Second, 10 * time.Second, 5 * time.Minute} {
		t.Run(life.String(), func(t *testing.T) {
			w := newWorld(t)
			_, phone := alice(w)
			rules(w, auth.Rule{Name: "it", Then: auth.Then{ChallengeLife: life}})
			want := life
			if life <= 0 {
				want = w.Engine.ChallengeLife
			}
			asked := w.Try("nas", "alice", auth.Password(secret))
			w.Wait(want)
			w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.ChallengeExpired)
			asked = w.Try("nas", "alice", auth.Password(secret))
			w.Wait(want - time.Nanosecond)
			w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
		})
	}
}

// The client's attributes come first, then the rule's, then the groups'.
func TestRuleAttributes(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	a.Groups = []string{"none such", "staff"}
	w.Store.PutAccount(a)
	then := auth.Then{Attributes: []auth.ReplyAttribute{{Name: "Session-Timeout", Value: "600"}}}
	rules(w, auth.Rule{Name: "it", Then: then})
	asked := w.Try("nas", "alice", auth.Password(secret))
	got := w.Answer(asked, "nas", "alice", phone.code())
	if want := "[{Class nas} {Session-Timeout 600} {Filter-Id staff}]"; fmt.Sprint(got.Attributes) != want {
		t.Errorf("attributes %v; want %s", got.Attributes, want)
	}
	then.Need = auth.NeedPrimary
	rules(w, auth.Rule{Name: "it", Then: then})
	if got, want := w.Try("old-nas", "alice", auth.Password(secret)), "[{Session-Timeout 600} {Filter-Id staff}]"; fmt.Sprint(got.Attributes) != want {
		t.Errorf("attributes %v; want %s", got.Attributes, want)
	}
	if got := w.Store.Settings().Client("nas").Attributes; len(got) != 1 {
		t.Errorf("a login changed the client's attributes to %v", got)
	}
}

// Wrong passwords lock an account (105) where we check them, wrong codes stop it
// everywhere (1402), and so do both together.
func TestLockedAndStopped(t *testing.T) {
	t.Run("passwords", func(t *testing.T) {
		w := newWorld(t)
		a, phone := alice(w)
		w.Engine.Limits.Know = auth.Limit{Free: 100, Stop: 3}
		for range 3 {
			w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
			w.Want(w.Try("nas", "mallory", auth.Password("not it at all")), auth.Reject, auth.UserNotFound)
		}
		known, unknown := w.Try("nas", "alice", auth.Password(secret)), w.Try("nas", "mallory", auth.Password(secret))
		w.Want(known, auth.Reject, auth.AccountLocked)
		w.Want(unknown, auth.Reject, auth.AccountLocked)
		if k, u := strings.Split(known.Message, " Ref")[0], strings.Split(unknown.Message, " Ref")[0]; k != u {
			t.Errorf("a known name is told %q, an unknown one %q", k, u)
		}
		w.Wait(1000 * time.Hour)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.AccountLocked)
		w.Want(w.Try("gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
		w.Store.Unlock(a.ID)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	})
	t.Run("codes", func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w)
		w.Engine.Limits.Have = auth.Limit{Free: 100, Stop: 3}
		for range 3 {
			w.Want(w.Try("gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		}
		w.Want(w.Try("gateway", "alice", phone.code()), auth.Reject, auth.HardStopped)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.HardStopped)
	})
	t.Run("both together", func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w)
		w.Engine.Limits = auth.Limits{Know: auth.Limit{Free: 100, Stop: 1000}, Have: auth.Limit{Free: 100, Stop: 1000}}
		for range 60 {
			w.Want(w.Try("gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		}
		for range 40 {
			w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
		}
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.HardStopped)
		w.Want(w.Try("gateway", "alice", phone.code()), auth.Reject, auth.HardStopped)
	})
}

// After the database went back in time nothing that needs a second factor is
// judged for a while, and every name gets the same answer.
func TestRewound(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, phone := alice(w)
	a.Groups = []string{"staff"}
	w.Store.PutAccount(a)
	for range auth.DefaultLimits.Know.Free { // waits, which is not told either
		w.Try("rdp-gateway", "nobody", auth.Password("not it at all"))
	}
	asked := w.Try("nas", "alice", auth.Password(secret))
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	w.Policy(func(s *auth.Settings) { s.Rewound = w.Now() })
	code := phone.code()
	told := make(map[string]bool)
	for _, elapsed := range []time.Duration{0, auth.RewoundFor - time.Nanosecond} {
		w.Wait(elapsed)
		for _, at := range []auth.Attempt{
			w.Attempt("nas", "alice", auth.Password(secret)), w.Attempt("nas", "alice", auth.Password("not it at all")),
			w.Attempt("nas", "mallory", auth.Password(secret)), w.Attempt("rdp-gateway", "nobody", auth.Password(secret)),
			w.Attempt("gateway", "alice", code), w.Attempt("gateway", "mallory", code), w.Attempt("asking-gateway", "alice"),
			{Door: "radius", Client: "nas", Claimant: "alice", Evidence: []auth.Evidence{code}, State: asked.State, Time: w.Now()},
		} {
			d := w.Decide(at)
			w.Want(d, auth.Reject, auth.DatabaseRewound)
			told[strings.Split(d.Message, " Ref")[0]] = true
		}
	}
	if len(told) != 1 {
		t.Errorf("told %v; want one sentence", told)
	}
	if got := w.Store.ThrottleOf(a.ID); got != (auth.Throttle{}) {
		t.Errorf("counted %+v", got)
	}

	// What needs no second factor, whoever it is, goes on.
	member := auth.Rule{Name: "members", Match: auth.Match{Groups: []string{"staff"}}, Then: auth.Then{Need: auth.NeedPrimary}}
	all := auth.Rule{Name: "all", Match: auth.Match{Applications: []string{"vpn"}}, Then: auth.Then{Need: auth.NeedPrimary}}
	rules(w, member)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.DatabaseRewound) // or the answer would tell who is a member
	board := auth.Rule{Name: "board", Match: auth.Match{Groups: []string{"board"}}}
	rules(w, board, member, all)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Reject, auth.DatabaseRewound) // or who is on the board
	rules(w, member, all)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.SkippedCall)
	w.Want(w.Try("rdp-gateway", "alice", auth.Password(secret)), auth.Reject, auth.DatabaseRewound)

	w.Wait(time.Nanosecond)
	rules(w)
	// A challenge from before may have been answered in the lost stretch.
	w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.ChallengeUnknown)
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
	// A clock before it does not see it.
	w.Wait(-time.Hour)
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Reject, auth.OATHCodeOutOfDate)
}

// Counters and sheets refuse beyond that, apps do not; resync-required is worth
// more to the help desk than a wrong code.
func TestRewoundAuthenticators(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	sheet := w.Bind(a, "recovery", auth.Binding{}).Codes
	rewound := func(is bool) {
		for _, x := range w.Store.Authenticators(a.ID) {
			x.Rewound = is
			w.Store.PutAuthenticator(x)
		}
	}
	rewound(true)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[0])), auth.Reject, auth.ResyncRequired)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code("ABCDE-FGHJK")), auth.Reject, auth.ResyncRequired)
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 2 {
		t.Errorf("%d failures counted; want 2", got)
	}
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), phone.code()), auth.Accept, auth.OATHCodeVerified)
	rewound(false)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[0])), auth.Accept, auth.RecoveryCodeVerified)
}

// Where nothing has been proven yet, no rule and no exemption changes what a
// guesser sees.
func TestPolicyTellsAGuesserNothing(t *testing.T) {
	policies := map[string]func(*auth.Settings){
		"primary": func(s *auth.Settings) {
			s.Rules = []auth.Rule{{Name: "it", Match: auth.Match{Groups: []string{"staff"}}, Then: auth.Then{Need: auth.NeedPrimary}}}
		},
		"refuse": func(s *auth.Settings) {
			s.Rules = []auth.Rule{{Name: "it", Match: auth.Match{Groups: []string{"staff"}}, Then: auth.Then{Need: auth.NeedRefuse}}}
		},
		"enrol": func(s *auth.Settings) {
			s.Rules = []auth.Rule{{Name: "it", Match: auth.Match{Groups: []string{"staff"}}, Then: auth.Then{Unenrolled: auth.UnenrolledEnrol, Methods: []string{"recovery"}}}}
		},
		"trusted": func(s *auth.Settings) {
			s.Trusted = []auth.TrustedIP{{ID: "t", Application: "vpn", Range: mustRange(t, "0.0.0.0/0")}}
		},
	}
	for name, change := range policies {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, phone := alice(w)
			a.Groups = []string{"staff"}
			w.Store.PutAccount(a)
			w.Store.PutBypass(auth.Bypass{ID: "b", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Hour)})
			w.Policy(change)
			told := make(map[string]bool)
			for _, name := range []string{"alice", "mallory"} {
				for _, evidence := range [][]auth.Evidence{nil, {auth.Password("not it at all")}, {auth.Password("not it at all"), phone.wrong()}} {
					for _, client := range []string{"nas", "old-nas"} {
						d := w.Decide(from(w, office, client, name, evidence...))
						told[fmt.Sprint(d.Verdict, strings.Split(d.Message, " Ref")[0], d.Attributes)] = true
					}
				}
			}
			if len(told) != 1 {
				t.Errorf("told %v; want one answer", told)
			}
		})
	}
}
