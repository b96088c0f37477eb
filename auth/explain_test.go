package auth_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/oath"
)

func TestExplain(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, _ := alice(w)
	w.Bind(a, "recovery", auth.Binding{})
	rules(w,
		auth.Rule{Name: "office hours", Match: auth.Match{Applications: []string{"rdp"}, Times: []auth.Hours{mustHours(t, "mon 08:00-09:00 UTC")}}, Then: auth.Then{Methods: []string{"recovery", "oath"}}},
		auth.Rule{Name: "closed", Match: auth.Match{Applications: []string{"rdp"}}, Then: auth.Then{Need: auth.NeedRefuse}},
	)
	before, stats := len(w.Store.Events()), w.Store.ThrottleOf(a.ID)
	explain := func(client, claimant string, after time.Duration) auth.Explanation {
		t.Helper()
		at := w.Attempt(client, claimant)
		at.Time = at.Time.Add(after)
		x, err := w.Engine.Explain(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	tests := []struct {
		client, claimant string
		after            time.Duration
		want             auth.Explanation // without the trace
	}{
		{"nas", "ALICE", 0, auth.Explanation{Account: "alice", Rule: auth.Strictest, Methods: []string{"oath", "recovery"}, Verdict: auth.Challenge, Outcome: auth.OATHCodePending}},
		{"rdp-gateway", "alice", 0, auth.Explanation{Account: "alice", Rule: "office hours", Methods: []string{"recovery", "oath"}, Verdict: auth.Challenge, Outcome: auth.OATHCodePending}},
		{"rdp-gateway", "alice", time.Hour, auth.Explanation{Account: "alice", Rule: "closed", Need: auth.NeedRefuse, Outcome: auth.PolicyRefused}},
		{"old-nas", "alice", 0, auth.Explanation{Account: "alice", Rule: auth.Strictest, Methods: []string{"oath", "recovery"}, Outcome: auth.CodeMissing}},
		{"nas", "mallory", 0, auth.Explanation{Rule: auth.Strictest, Outcome: auth.UserNotFound}},
		{"asking-gateway", "mallory", 0, auth.Explanation{Rule: auth.Strictest, Verdict: auth.Challenge, Outcome: auth.OATHCodePending}},
		{"no such client", "alice", 0, auth.Explanation{Account: "alice", Verdict: auth.Ignore, Outcome: auth.ClientUnknown}},
	}
	for _, tt := range tests {
		t.Run(tt.claimant+" at "+tt.client, func(t *testing.T) {
			got := explain(tt.client, tt.claimant, tt.after)
			if len(got.Trace) == 0 {
				t.Error("there is no trace")
			}
			got.Trace = nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v; want %+v", got, tt.want)
			}
		})
	}

	w.Store.PutBypass(auth.Bypass{ID: "b", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Hour)})
	for range 3 {
		if x := explain("nas", "alice", 0); x.Exemption != auth.BypassedAuth || x.Verdict != auth.Accept {
			t.Errorf("with a bypass: %+v", x)
		}
	}
	if len(w.Store.Events()) != before || w.Store.ThrottleOf(a.ID) != stats {
		t.Error("explaining left a trace in the store")
	}
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.BypassedAuth)

	// A throttled account is told as such, with the rule all the same.
	for range auth.DefaultLimits.Know.Free {
		w.Try("nas", "alice", auth.Password("not it at all"))
	}
	if x := explain("nas", "alice", 0); x.Outcome != auth.Throttled || x.Rule != auth.Strictest {
		t.Errorf("throttled: %+v", x)
	}
	w.Store.Down = authtest.ErrDown
	if _, err := w.Engine.Explain(t.Context(), w.Attempt("nas", "alice")); err == nil {
		t.Error("facts that cannot be read are explained")
	}
}

// A request that would wait is explained as if nobody answered.
func TestExplainDoesNotWait(t *testing.T) {
	w := newWorld(t)
	alice(w)
	at := from(w, office, "nas", "alice", auth.Password(secret))
	w.Want(w.Decide(at), auth.Challenge, auth.OATHCodePending)
	for client, want := range map[string]auth.Outcome{"nas": auth.OATHCodePending, "old-nas": auth.AuthInProgress} {
		at := from(w, office, client, "alice")
		at.Session, at.Can.Wait = "2", time.Hour
		x, err := w.Engine.Explain(t.Context(), at)
		if err != nil || x.Outcome != want || !strings.Contains(fmt.Sprint(x.Trace), "would wait up to 1h0m0s") {
			t.Errorf("%s: %+v, %v; want %v, and that it would wait", client, x, err, want)
		}
	}
}

// What Explain says is what Decide then does with the right password and no
// code, whatever the settings and the account are.
func TestExplainAgreesWithDecide(t *testing.T) {
	var seen [8]int
	rapid.Check(t, func(rt *rapid.T) {
		w := authtest.NewWorld(t, plain{}, &oath.Factor{Drift: 1}, plainSheet{})
		some := func(name string, of ...string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID[string]).Draw(rt, name)
		}
		maybe := func(name string) bool { return rapid.Bool().Draw(rt, name) }
		a := auth.Account{ID: "id", Name: "alice", Enabled: rapid.IntRange(0, 5).Draw(rt, "enabled") > 0, Groups: some("groups", "staff", "board")}
		a.Blocked = rapid.IntRange(0, 5).Draw(rt, "blocked") == 0
		w.Store.PutAccount(a)
		w.Bind(a, "password", auth.Binding{Secret: auth.Secret(secret)})
		if maybe("app") {
			app(w, a)
		}
		if maybe("sheet") {
			w.Bind(a, "recovery", auth.Binding{Secret: auth.Secret("A-B.")})
		}
		origins := []netip.Addr{office, elsewhere, {}}
		twoApplications(w)
		w.Policy(func(s *auth.Settings) {
			for i := range rapid.IntRange(0, 4).Draw(rt, "rules") {
				r := auth.Rule{Name: fmt.Sprint("rule ", i)}
				r.Match = auth.Match{Applications: some("applications", "vpn", "rdp", ""), Clients: some("clients", "nas", "gateway"), Groups: some("of groups", "staff", "board"), Methods: some("methods", "oath", "recovery")}
				if maybe("by source") {
					r.Match.Sources = []auth.Range{mustRange(t, "198.51.100.0-198.51.100.7")}
				}
				r.Then = auth.Then{
					Need:       rapid.SampledFrom([]auth.Need{auth.NeedBoth, auth.NeedPrimary, auth.NeedRefuse, "new"}).Draw(rt, "need"),
					Methods:    some("admits", "oath", "recovery", "new"),
					Unenrolled: rapid.SampledFrom([]auth.Unenrolled{auth.UnenrolledRefuse, auth.UnenrolledPass, auth.UnenrolledEnrol, "new"}).Draw(rt, "unenrolled"),
				}
				s.Rules = append(s.Rules, r)
			}
			if rapid.IntRange(0, 3).Draw(rt, "trusted") == 0 {
				s.Trusted = []auth.TrustedIP{{ID: "t", Application: "vpn", Range: mustRange(t, office.String())}}
			}
			if rapid.IntRange(0, 9).Draw(rt, "rewound") == 0 {
				s.Rewound = w.Now().Add(-time.Duration(rapid.IntRange(0, 100).Draw(rt, "seconds")) * time.Second)
			}
		})
		if maybe("bypass") {
			w.Store.PutBypass(auth.Bypass{ID: "b", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Minute)})
		}
		clients := []string{"nas", "old-nas", "gateway", "asking-gateway", "rdp-gateway", "doubtful", "homeless"}
		for range rapid.IntRange(0, 2).Draw(rt, "before") { // logins that are open, failures
			w.Decide(from(w, rapid.SampledFrom(origins).Draw(rt, "where"), rapid.SampledFrom(clients).Draw(rt, "before at"), "alice", auth.Password(rapid.SampledFrom([]string{secret, "wrong"}).Draw(rt, "typed"))))
		}
		at := from(w, rapid.SampledFrom(origins).Draw(rt, "from"), rapid.SampledFrom(clients).Draw(rt, "client"), rapid.SampledFrom([]string{"alice", `CORP\Alice`, "mallory"}).Draw(rt, "claimant"), auth.Password(secret))
		if at.Origin == (netip.Addr{}) {
			at.From = ""
		}
		events := len(w.Store.Events())
		x, err := w.Engine.Explain(t.Context(), at)
		if err != nil {
			rt.Fatal(err)
		}
		if len(w.Store.Events()) != events {
			rt.Fatal("Explain left an event")
		}
		d := w.Engine.Decide(t.Context(), at)
		ev := w.LastEvent()
		if x.Verdict != d.Verdict || x.Outcome != d.Outcome || ev.Rule != "" && ev.Rule != x.Rule {
			rt.Fatalf("explained as %v %v by rule %q, decided %v %v by %q\n%s", x.Verdict, x.Outcome, x.Rule, d.Verdict, d.Outcome, ev.Rule, traceOf(ev))
		}
		if (x.Exemption != 0) != (d.Verdict == auth.Accept) || x.Exemption != 0 && x.Exemption != d.Outcome {
			rt.Fatalf("exemption %v, decided %v", x.Exemption, d.Outcome)
		}
		if x.Account == "" != (ev.Outcome == auth.UserNotFound || at.Claimant == "mallory") || slices.Contains(x.Methods, "password") {
			rt.Fatalf("account %q, methods %v", x.Account, x.Methods)
		}
		if breaches := w.Store.Breaches(); len(breaches) > 0 {
			rt.Fatal(breaches)
		}
		seen[d.Verdict]++
	})
	for v, n := range seen[:3] {
		if n == 0 {
			t.Errorf("no login ended as %v; the property proves little", auth.Verdict(v))
		}
	}
}
