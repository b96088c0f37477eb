package admin

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"sallyport/auth"
)

// facts is a Store of the engine over the accounts of a book, under settings of
// one's choice.
type facts struct {
	auth.Store
	book  *book
	under *auth.Settings
}

func (f facts) Settings() *auth.Settings { return f.under }

func (f facts) Snapshot(ctx context.Context, q auth.Query, _ bool) (auth.Facts, error) {
	found := auth.Facts{Subject: q.Unknown, Settings: f.under}
	for _, name := range q.Names {
		acc, err := f.book.Account(ctx, name)
		if err != nil {
			continue
		}
		found.Subject, found.Account, found.Throttle = acc.ID, &acc, f.book.failed[acc.ID]
		for _, factor := range f.book.holds[acc.ID] {
			found.Authenticators = append(found.Authenticators, auth.Authenticator{ID: acc.ID + factor, Account: acc.ID, Factor: factor})
		}
		break
	}
	return found, nil
}

// Decoy makes a kind complete enough for an engine that only explains.
func (k kind) Decoy() auth.Authenticator { return auth.Authenticator{Factor: k.info.Name} }

// trying gives an Admin the engine's own judging under any settings, and counts
// how often it is asked.
func trying(a *Admin, b *book) *int {
	asked := 0
	a.ExplainUnder = func(ctx context.Context, at auth.Attempt, s *auth.Settings) (auth.Explanation, error) {
		asked++
		return auth.NewEngine(auth.Parts{
			Store: facts{book: b, under: s}, Factors: a.Factors, Limits: a.Limits, ChallengeLife: time.Minute, References: a.References,
			Pseudonym: a.Pseudonym, Stopwatch: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		}).Explain(ctx, at)
	}
	return &asked
}

// past adds a login to a book.
func past(b *book, ago time.Duration, account, client, from string, verdict auth.Verdict) auth.Event {
	ev := auth.Event{
		Time: noon.Add(-ago), Subject: "?" + account, Account: "?" + account, Client: client, Application: "vpn", From: from,
		Verdict: verdict, Outcome: auth.OATHCodeVerified, Rule: auth.Strictest,
	}
	if acc, err := b.Account(context.Background(), account); err == nil {
		ev.Subject, ev.Account = acc.ID, acc.Name
	}
	return b.commit(ev)
}

func town() *book {
	return &book{
		accounts: []auth.Account{
			{ID: "a1", Name: "alice", Enabled: true, Groups: []string{"staff"}},
			{ID: "a2", Name: "bob", Enabled: true},
			{ID: "a3", Name: "carol", Enabled: true},
		},
		holds: map[string][]string{"a1": {"password", "oath", "recovery"}, "a2": {"password", "oath"}, "a3": {"password"}},
	}
}

func terms(need string) RuleTerms { return RuleTerms{Need: &need} }

// A dry run says what other rules would have decided, and of which logins.
func TestDryRun(t *testing.T) {
	b := town()
	a := desk(b)
	trying(a, b)
	inside := past(b, 3*time.Hour, "alice", "fw1", "192.0.2.7", auth.Accept)
	past(b, 2*time.Hour, "bob", "fw1", "203.0.113.9", auth.Accept)
	past(b, 2*time.Hour, "bob", "fw1", "203.0.113.9", auth.Reject)
	past(b, time.Hour, "carol", "fw1", "203.0.113.9", auth.Reject)
	pass := "pass"
	tests := []struct {
		name  string
		rules []NewRule
		want  []DryRunChange // without examples
	}{
		{"the rules there are", nil, nil},
		{"a rule that says what is the case anyhow", []NewRule{{Name: "all"}}, nil},
		{"staff need one factor", []NewRule{{Name: "staff", RuleTerms: RuleTerms{Groups: []string{"staff"}, Need: terms("primary").Need}}}, []DryRunChange{
			{FromRule: auth.Strictest, From: "second-factor", FromMethods: []string{"oath", "recovery"}, ToRule: "staff", To: "first-factor", ToMethods: []string{}, Weaker: true, Count: 1},
		}},
		{"only recovery codes", []NewRule{{Name: "paper", RuleTerms: RuleTerms{Methods: []string{"recovery"}}}}, []DryRunChange{
			{FromRule: auth.Strictest, From: "second-factor", FromMethods: []string{"oath"}, ToRule: "paper", To: "unenrolled-refused", ToMethods: []string{}, Count: 2},
			{FromRule: auth.Strictest, From: "second-factor", FromMethods: []string{"oath", "recovery"}, ToRule: "paper", To: "second-factor", ToMethods: []string{"recovery"}, Count: 1},
		}},
		{"people without a second factor pass", []NewRule{{Name: "soft", RuleTerms: RuleTerms{Unenrolled: &pass}}}, []DryRunChange{
			{FromRule: auth.Strictest, From: "unenrolled-refused", FromMethods: []string{}, ToRule: "soft", To: "unenrolled-passed", ToMethods: []string{}, Weaker: true, Count: 1},
		}},
		{"nobody from a network, the first rule that matches", []NewRule{
			{Name: "shut", RuleTerms: RuleTerms{Sources: []string{"192.0.2.0/24"}, Need: terms("refuse").Need}},
			{Name: "open", RuleTerms: RuleTerms{Groups: []string{"staff"}, Need: terms("primary").Need}},
		}, []DryRunChange{
			{FromRule: auth.Strictest, From: "second-factor", FromMethods: []string{"oath", "recovery"}, ToRule: "shut", To: "refused", ToMethods: []string{}, Count: 1},
		}},
		{"of another application", []NewRule{{Name: "rdp", RuleTerms: RuleTerms{Applications: []string{"rdp"}, Need: terms("refuse").Need}}}, nil},
		{"at another time of day", []NewRule{{Name: "morning", RuleTerms: RuleTerms{Times: []string{"mon-sun 09:30-11:30 UTC"}, Need: terms("refuse").Need}}}, []DryRunChange{
			{FromRule: auth.Strictest, From: "second-factor", FromMethods: []string{"oath"}, ToRule: "morning", To: "refused", ToMethods: []string{}, Count: 2},
			{FromRule: auth.Strictest, From: "unenrolled-refused", FromMethods: []string{}, ToRule: "morning", To: "refused", ToMethods: []string{}, Count: 1},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := a.DryRunRules(t.Context(), DryRun{Rules: tt.rules}, 0)
			if err != nil {
				t.Fatal(err)
			}
			otherwise := 0
			for _, c := range v.Changes {
				if otherwise += c.Count; len(c.Examples) != min(c.Count, maxDryRunExamples) {
					t.Errorf("%d examples stand for %d logins", len(c.Examples), c.Count)
				}
			}
			if v.Logins != 4 || v.Otherwise != otherwise || v.Truncated || v.Gone != 0 {
				t.Errorf("%d logins, %d otherwise, truncated %t, %d gone; want 4, %d", v.Logins, v.Otherwise, v.Truncated, v.Gone, otherwise)
			}
			got := slices.Clone(v.Changes)
			for i := range got {
				got[i].Examples = nil
			}
			equal := func(x, y DryRunChange) bool {
				return x.FromRule == y.FromRule && x.From == y.From && slices.Equal(x.FromMethods, y.FromMethods) &&
					x.ToRule == y.ToRule && x.To == y.To && slices.Equal(x.ToMethods, y.ToMethods) && x.Weaker == y.Weaker && x.Count == y.Count
			}
			if !slices.EqualFunc(got, tt.want, equal) {
				t.Errorf("the changes are %+v; want %+v", got, tt.want)
			}
		})
	}
	v, err := a.DryRunRules(t.Context(), DryRun{Rules: []NewRule{{Name: "staff", RuleTerms: RuleTerms{Groups: []string{"staff"}, Need: terms("primary").Need}}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (DryRunExample{string(a.References.Of(inside.Seq)), inside.Time, "alice", "vpn", "fw1"}); v.Changes[0].Examples[0] != want {
		t.Errorf("the example is %+v; want %+v", v.Changes[0].Examples[0], want)
	}
	if len(b.acts) != 0 || len(b.Settings().Rules) != 0 {
		t.Error("a dry run has changed something")
	}
}

// What a throttle, a trusted network or a removal makes of logins is not taken
// for the work of rules.
func TestDryRunLeavesOutWhatRulesDoNotDecide(t *testing.T) {
	b := town()
	a := desk(b)
	trying(a, b)
	r, err := auth.ParseRange("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	b.set(func(s *auth.Settings) { s.Trusted = []auth.TrustedIP{{ID: "t", Application: "vpn", Range: r}} })
	b.failed = map[string]auth.Throttle{"a2": {Have: auth.Count{Failures: 10}}}
	past(b, time.Hour, "alice", "fw1", "192.0.2.7", auth.Accept)      // trusted
	past(b, time.Hour, "bob", "fw1", "203.0.113.9", auth.Reject)      // stopped now
	past(b, time.Hour, "eve", "fw1", "203.0.113.9", auth.Reject)      // nobody
	past(b, time.Hour, "alice", "old-fw", "192.0.2.7", auth.Accept)   // of a client that is gone
	past(b, time.Hour, "alice", "fw1", "192.0.2.7", auth.Challenge)   // not its end
	past(b, 40*24*time.Hour, "alice", "fw1", "10.0.0.1", auth.Accept) // too long ago
	b.commit(auth.Event{Time: noon.Add(-time.Hour), Subject: "a1", Account: "alice", Client: auth.ConsoleClient, Verdict: auth.Accept, Rule: auth.Strictest})
	b.commit(auth.Event{Time: noon.Add(-time.Hour), Subject: "removed", Account: "dave", Client: "fw1", Verdict: auth.Accept, Rule: auth.Strictest})
	v, err := a.DryRunRules(t.Context(), DryRun{Rules: []NewRule{{Name: "one", RuleTerms: terms("primary")}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v.Logins != 2 || v.Gone != 2 || v.Otherwise != 1 || v.Changes[0].From != "second-factor" || v.Changes[0].Examples[0].Account != "bob" {
		t.Errorf("the dry run finds %+v; want bob's login alone to need less", v)
	}
}

// Many logins of the same people cost few explanations, and no more are looked
// at than asked for.
func TestDryRunIsCheap(t *testing.T) {
	b := town()
	a := desk(b)
	asked := trying(a, b)
	for i := range 12_000 {
		name := []string{"alice", "bob", "carol"}[i%3]
		past(b, time.Duration(12_000-i)*time.Minute, name, "fw1", "", auth.Accept)
	}
	rules := []NewRule{{Name: "night", RuleTerms: RuleTerms{Times: []string{"mon-sun 22:00-06:00 UTC"}, Need: terms("refuse").Need}}}
	v, err := a.DryRunRules(t.Context(), DryRun{Rules: rules}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v.Logins != maxDryRunLogins || !v.Truncated || v.Otherwise < v.Logins/4 || v.Otherwise > v.Logins/2 {
		t.Errorf("%d logins, truncated %t, %d otherwise", v.Logins, v.Truncated, v.Otherwise)
	}
	// Three people, at night and not, under two sets of rules.
	if *asked != 12 {
		t.Errorf("the engine was asked %d times; want 12", *asked)
	}
	if v, err = a.DryRunRules(t.Context(), DryRun{Rules: rules}, 10); err != nil || v.Logins != 10 || !v.Truncated || !v.Since.After(noon.Add(-time.Hour)) {
		t.Errorf("of ten logins: %+v, %v", v, err)
	}
}

func TestDryRunChecksItsRules(t *testing.T) {
	b := town()
	a := desk(b)
	trying(a, b)
	wrong := "perhaps"
	for _, d := range []DryRun{
		{Days: -1},
		{Days: 91},
		{Rules: []NewRule{{Name: ""}}},
		{Rules: []NewRule{{Name: auth.Strictest}}},
		{Rules: []NewRule{{Name: "a"}, {Name: "a"}}},
		{Rules: []NewRule{{Name: "a", RuleTerms: RuleTerms{Need: &wrong}}}},
		{Rules: make([]NewRule, maxDryRunRules+1)},
	} {
		_, err := a.DryRunRules(t.Context(), d, 0)
		kindOf(t, err, ErrInvalid)
	}
	_, err := a.DryRunRules(t.Context(), DryRun{Rules: []NewRule{{Name: "a", RuleTerms: RuleTerms{Applications: []string{"nothing"}}}}}, 0)
	kindOf(t, err, ErrNotFound)
}
