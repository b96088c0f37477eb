package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
	"sallyport/radius"
)

// A DryRun asks what other rules would have done with past logins.
type DryRun struct {
	Rules []NewRule `json:"rules"` // all of them, in the order in which they are asked; where they say that they stand counts for nothing
	Days  int       `json:"days"`  // how far back to look, 1 to 90; 0 for 30
}

// A DryRunView says how many past logins the rules would have decided
// otherwise. It speaks of what rules decide: what a login needs, by which
// methods, and what people meet who hold none. Who holds what, is in which group
// and may log in at all is taken as it is now; whether the password and the code
// were right counts for nothing.
type DryRunView struct {
	Logins    int            `json:"logins"`    // that were looked at
	Otherwise int            `json:"otherwise"` // of these, decided otherwise
	Since     time.Time      `json:"since"`     // of the oldest that was looked at, or what was asked for
	Truncated bool           `json:"truncated"` // there were more since then than were looked at
	Gone      int            `json:"gone"`      // not looked at, because the account or client is not there any more
	Changes   []DryRunChange `json:"changes"`   // the most frequent first
}

// A DryRunChange is one way in which logins would have been decided otherwise.
type DryRunChange struct {
	FromRule string `json:"from_rule"`
	ToRule   string `json:"to_rule"`
	// From and To say what is decided: "second-factor" (one of FromMethods or
	// ToMethods completes the login), "first-factor", "refused",
	// "unenrolled-refused", "unenrolled-passed", "unenrolled-told" (to enrol
	// first) or "trusted" (the address spares the second factor).
	From        string          `json:"from"`
	FromMethods []string        `json:"from_methods"`
	To          string          `json:"to"`
	ToMethods   []string        `json:"to_methods"`
	Weaker      bool            `json:"weaker"` // less is asked for than before
	Count       int             `json:"count"`
	Examples    []DryRunExample `json:"examples"` // the newest
}

// A DryRunExample is one login that would have been decided otherwise.
type DryRunExample struct {
	Reference   string    `json:"reference"`
	Time        time.Time `json:"time"`
	Account     string    `json:"account"`
	Application string    `json:"application"`
	Client      string    `json:"client"`
}

const (
	defaultDryRunDays = 30
	maxDryRunDays     = 90
	maxDryRunRules    = 500
	// maxDryRunLogins is how many of the newest logins a dry run looks at.
	maxDryRunLogins = 10_000
	maxDryRunPages  = 50
	// maxDryRunExamples is how many of them stand for a change.
	maxDryRunExamples = 5
)

// DryRunRules replays the newest past logins, most at most (0 for 10,000),
// against the facts of now, under the rules in force and under others. Nothing
// is spent, counted or recorded, and no rule is changed. It is the engine's own
// judging that says what the rules decide.
func (a *Admin) DryRunRules(ctx context.Context, d DryRun, most int) (DryRunView, error) {
	if a.ExplainUnder == nil {
		return DryRunView{}, fmt.Errorf("admin: try rules: this server was built without an engine to ask")
	}
	days := cmp.Or(d.Days, defaultDryRunDays)
	if days < 1 || days > maxDryRunDays {
		return DryRunView{}, invalid("", "a dry run looks back over 1 to %d days, not %d", maxDryRunDays, days)
	}
	if most <= 0 || most > maxDryRunLogins {
		most = maxDryRunLogins
	}
	s := a.Store.Settings()
	proposed, err := a.propose(s, d.Rules)
	if err != nil {
		return DryRunView{}, err
	}
	r := &dryRun{
		admin: a, now: s, then: proposed, conditions: conditionsOf(s, proposed),
		seen: make(map[dryRunKey]*dryRunPair), changes: make(map[string]*DryRunChange),
		view: DryRunView{Since: a.Now().AddDate(0, 0, -days), Changes: []DryRunChange{}},
	}
	search := EventSearch{Since: r.view.Since, Verdicts: []auth.Verdict{auth.Accept, auth.Reject}, Limit: 1000}
	for pages := 1; ; pages++ {
		page, err := a.Store.SearchEvents(ctx, search)
		if err != nil {
			return DryRunView{}, err
		}
		for i := range page.Events {
			if r.view.Logins+r.view.Gone >= most {
				r.view.Truncated, r.view.Since = true, page.Events[i].Time
				return r.done(), nil
			}
			if err := r.look(ctx, &page.Events[i]); err != nil {
				return DryRunView{}, err
			}
		}
		if page.Next == 0 {
			return r.done(), nil
		}
		if pages == maxDryRunPages { // hardly any of the events are logins
			r.view.Truncated, r.view.Since = true, page.Back
			return r.done(), nil
		}
		search.Before = page.Next
	}
}

// propose returns the settings of now with other rules, checked as if they were
// made.
func (a *Admin) propose(s *auth.Settings, rules []NewRule) (*auth.Settings, error) {
	if len(rules) > maxDryRunRules {
		return nil, invalid("", "%d rules are tried at most, not %d", maxDryRunRules, len(rules))
	}
	next := &auth.Settings{
		Version: s.Version, Applications: s.Applications, Clients: s.Clients, Groups: s.Groups,
		Trusted: s.Trusted, CacheRules: s.CacheRules, Rewound: s.Rewound,
	}
	for i, n := range rules {
		if err := checkRuleName(n.Name); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(next.Rules, func(r auth.Rule) bool { return r.Name == n.Name }) {
			return nil, invalid("give each another name", "two of the rules are called %q", n.Name)
		}
		r := auth.Rule{Name: n.Name, Place: int64(i) + 1}
		if err := a.setTerms(s, &r, n.RuleTerms); err != nil {
			return nil, err
		}
		next.Rules = append(next.Rules, r)
	}
	return next.Index(), nil
}

// A dryRun is one that is under way.
type dryRun struct {
	admin      *Admin
	now, then  *auth.Settings
	conditions conditions
	seen       map[dryRunKey]*dryRunPair
	changes    map[string]*DryRunChange
	view       DryRunView
}

// A dryRunKey is all of a login that rules look at, so that logins of the same
// key are decided alike: who, through which client, and which conditions on time
// and place hold.
type dryRunKey struct{ subject, client, holds string }

// A dryRunPair is what is decided under both sets of rules.
type dryRunPair struct {
	gone     bool
	from, to decided
}

// decided is what rules say of a login.
type decided struct {
	rule    string
	what    string
	methods []string
}

func (d decided) equal(e decided) bool { return d.what == e.what && slices.Equal(d.methods, e.methods) }

// look takes in one past login. Only those count that came to the rules; what is
// built in is decided by no rule.
func (r *dryRun) look(ctx context.Context, ev *auth.Event) error {
	if ev.Rule == "" || ev.Count > 1 || ev.Subject == "" || strings.HasPrefix(ev.Subject, "?") ||
		ev.Client == auth.ConsoleClient || ev.Client == auth.PortalClient {
		return nil
	}
	client := r.now.Client(ev.Client)
	if client == nil {
		r.view.Gone++
		return nil
	}
	at := auth.Attempt{
		Door: client.Door, Client: client.Name, Claimant: ev.Account, From: ev.From, Time: ev.Time,
		Can: auth.Can{Ask: client.Mode == auth.ModeChallenge},
	}
	at.Origin, _ = radius.StationAddress([]byte(ev.From))
	key := dryRunKey{ev.Subject, ev.Client, r.conditions.hold(client, &at)}
	pair := r.seen[key]
	if pair == nil {
		pair = &dryRunPair{}
		for _, under := range []struct {
			settings *auth.Settings
			said     *decided
		}{{r.now, &pair.from}, {r.then, &pair.to}} {
			x, err := r.admin.ExplainUnder(ctx, at, under.settings)
			if err != nil {
				return fmt.Errorf("admin: try rules: %w", err)
			}
			if x.Account == "" {
				pair.gone = true
				break
			}
			*under.said = decide(under.settings, &x)
		}
		r.seen[key] = pair
	}
	if pair.gone {
		r.view.Gone++
		return nil
	}
	r.view.Logins++
	if pair.from.equal(pair.to) {
		return nil
	}
	r.view.Otherwise++
	r.note(pair, ev)
	return nil
}

func (r *dryRun) note(p *dryRunPair, ev *auth.Event) {
	id := fmt.Sprintf("%q %q", []string{p.from.rule, p.from.what, p.to.rule, p.to.what}, [][]string{p.from.methods, p.to.methods})
	c := r.changes[id]
	if c == nil {
		c = &DryRunChange{
			FromRule: p.from.rule, From: p.from.what, FromMethods: orEmpty(p.from.methods),
			ToRule: p.to.rule, To: p.to.what, ToMethods: orEmpty(p.to.methods),
			Weaker: strictness(p.to.what) < strictness(p.from.what), Examples: []DryRunExample{},
		}
		r.changes[id] = c
	}
	c.Count++
	if len(c.Examples) < maxDryRunExamples {
		c.Examples = append(c.Examples, DryRunExample{
			Reference: string(r.admin.References.Of(ev.Seq)), Time: ev.Time, Account: ev.Account, Application: ev.Application, Client: ev.Client,
		})
	}
}

func (r *dryRun) done() DryRunView {
	for _, c := range r.changes {
		r.view.Changes = append(r.view.Changes, *c)
	}
	slices.SortFunc(r.view.Changes, func(x, y DryRunChange) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.FromRule+"\x00"+x.ToRule, y.FromRule+"\x00"+y.ToRule), cmp.Compare(x.To, y.To))
	})
	return r.view
}

// What rules decide of a login.
const (
	secondFactor      = "second-factor"
	firstFactor       = "first-factor"
	refused           = "refused"
	unenrolledRefused = "unenrolled-refused"
	unenrolledPassed  = "unenrolled-passed"
	unenrolledTold    = "unenrolled-told"
	trustedAddress    = "trusted"
)

// decide reads from an explanation what the rules have decided. Throttles,
// blocks, caches and bypasses are left out: they are of now, not of then.
func decide(s *auth.Settings, x *auth.Explanation) decided {
	d := decided{rule: x.Rule}
	switch {
	case x.Need == auth.NeedRefuse:
		d.what = refused
	case x.Exemption == auth.TrustedAddress:
		d.what = trustedAddress
	case x.Need == auth.NeedPrimary:
		d.what = firstFactor
	case len(x.Methods) > 0:
		d.what, d.methods = secondFactor, slices.Clone(x.Methods)
	default:
		d.what = unenrolledRefused
		if i := findRule(s, x.Rule); i >= 0 {
			switch s.Rules[i].Then.Unenrolled {
			case auth.UnenrolledPass:
				d.what = unenrolledPassed
			case auth.UnenrolledEnrol:
				d.what = unenrolledTold
			case auth.UnenrolledRefuse:
			}
		}
	}
	return d
}

// strictness orders what rules decide by how much they ask for.
func strictness(what string) int {
	switch what {
	case firstFactor, unenrolledPassed, trustedAddress:
		return 0
	case secondFactor:
		return 1
	}
	return 2
}

// conditions are all conditions on time and place that decide a login.
type conditions struct {
	times   []auth.Hours
	sources []auth.Range
	trusted []auth.TrustedIP
}

func conditionsOf(all ...*auth.Settings) conditions {
	var c conditions
	times, sources := make(map[string]bool), make(map[string]bool)
	for _, s := range all {
		for i := range s.Rules {
			for _, h := range s.Rules[i].Match.Times {
				if text := h.String(); !times[text] {
					times[text] = true
					c.times = append(c.times, h)
				}
			}
			for _, r := range s.Rules[i].Match.Sources {
				if text := r.String(); !sources[text] {
					sources[text] = true
					c.sources = append(c.sources, r)
				}
			}
		}
	}
	if len(all) > 0 {
		c.trusted = all[0].Trusted
	}
	return c
}

// hold writes which of the conditions hold for an attempt, one bit each.
func (c *conditions) hold(client *auth.Client, at *auth.Attempt) string {
	bits := make([]byte, (len(c.times)+len(c.sources)+1+7)/8)
	n := 0
	note := func(holds bool) {
		if holds {
			bits[n/8] |= 1 << (n % 8)
		}
		n++
	}
	for _, h := range c.times {
		note(h.Contain(at.Time))
	}
	origin := at.Origin
	if client.Origin != auth.OriginCalling || origin.Zone() != "" {
		origin = netip.Addr{}
	}
	for _, r := range c.sources {
		note(r.Contains(origin))
	}
	note(slices.ContainsFunc(c.trusted, func(t auth.TrustedIP) bool { return t.Application == client.Application && t.Range.Contains(origin) }))
	return string(bits)
}
