package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/auth"
)

// A Dashboard says how logins went lately and what needs somebody's attention.
type Dashboard struct {
	Since time.Time `json:"since"` // beginning of the first hour
	Until time.Time `json:"until"`
	// Hours has every hour in between, those without events too. It, Causes,
	// Methods and Applications count the same events.
	Hours        []HourCount        `json:"hours"`
	Causes       []CauseCount       `json:"causes"`       // of everything that was not let in or asked, the most frequent first
	Methods      []MethodCount      `json:"methods"`      // of everything that was let in, the most frequent first
	Applications []ApplicationCount `json:"applications"` // the busiest first
	Accounts     AccountTotals      `json:"accounts"`
	Attention    []Attention        `json:"attention"` // the most severe first
	Expiring     []Expiry           `json:"expiring"`  // within expiresSoon, the soonest first
	Latency
}

// An HourCount counts the events of one hour by what was answered.
type HourCount struct {
	Hour     time.Time `json:"hour"`
	Accepted int64     `json:"accepted"`
	Refused  int64     `json:"refused"`
	Waiting  int64     `json:"waiting"` // asked for a second factor; what was answered counts by itself
	Faults   int64     `json:"faults"`  // got no answer
}

// A CauseCount counts the events of one outcome.
type CauseCount struct {
	Outcome string `json:"outcome"`
	Code    int    `json:"code"`
	Label   string `json:"label" prose:"true"`
	Count   int64  `json:"count"`
	AtFault bool   `json:"at_fault"`
}

// A MethodCount counts the logins that a factor completed, "" for those that
// were spared one.
type MethodCount struct {
	Factor string `json:"factor"`
	Count  int64  `json:"count"`
}

// An ApplicationCount counts the logins of one application, "" for requests
// that reached none.
type ApplicationCount struct {
	Application string `json:"application"`
	Accepted    int64  `json:"accepted"`
	Refused     int64  `json:"refused"`
}

// AccountTotals are figures over all accounts.
type AccountTotals struct {
	All      int64            `json:"all"`
	Enrolled int64            `json:"enrolled"` // hold any but a password
	Disabled int64            `json:"disabled"`
	Blocked  int64            `json:"blocked"`
	Factors  map[string]int64 `json:"factors"` // accounts that hold one of it
}

// Latency says how long the newest verdicts took, in microseconds.
type Latency struct {
	TookP50Micros int64 `json:"took_p50_us"`
	TookP95Micros int64 `json:"took_p95_us"`
	TookP99Micros int64 `json:"took_p99_us"`
	TookOf        int   `json:"took_of"` // how many verdicts that rests on
}

// An Attention is one thing that somebody should look at.
type Attention struct {
	// Kind is database-rewound, fraud, passkey-copied, export-late, certificate, node-missing,
	// account-stopped, accounts-stopped, accounts-waiting, role-without-passkey,
	// client-lax, rotation, api-key, exemptions, or a kind of Finding.
	Kind     string   `json:"kind"`
	Subject  string   `json:"subject,omitempty"` // name of the account, client, key or node
	Count    int64    `json:"count,omitempty"`
	Title    string   `json:"title" prose:"true"`
	Detail   string   `json:"detail" prose:"true"`
	Severity Severity `json:"severity"`
	Link     string   `json:"link"` // path in the console
}

// A Severity says how soon somebody should look.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // now: people cannot log in, or something is open that must not be
	Warning  Severity = "warning"  // today
	Info     Severity = "info"     // when there is time
)

func (s Severity) rank() int {
	switch s {
	case Critical:
		return 0
	case Warning:
		return 1
	case Info:
	}
	return 2
}

const (
	maxDashboardHours = 14 * 24
	expiresSoon       = 30 * 24 * time.Hour
	expiresNow        = 7 * 24 * time.Hour
	// fraudFresh is how long a report that a login was not the person's stays on
	// the dashboard.
	fraudFresh = 7 * 24 * time.Hour
	// maxAlike is how many items of one kind are listed one by one.
	maxAlike = 5
)

// Dashboard says how the logins of the last hours went, this hour and hours-1
// before it; 1 to 336.
func (a *Admin) Dashboard(ctx context.Context, hours int) (Dashboard, error) {
	if hours < 1 || hours > maxDashboardHours {
		return Dashboard{}, invalid("", "a dashboard shows 1 to %d hours, not %d", maxDashboardHours, hours)
	}
	now := a.Now().UTC()
	until := now.Truncate(time.Hour).Add(time.Hour)
	since := until.Add(-time.Duration(hours) * time.Hour)
	tallies, err := a.Store.Tallies(ctx, since, until)
	if err != nil {
		return Dashboard{}, err
	}
	d := countTallies(tallies, since, until)
	counts, err := a.Store.CountAccounts(ctx, now)
	if err != nil {
		return Dashboard{}, err
	}
	d.Accounts = AccountTotals{All: counts.All, Enrolled: counts.Second, Disabled: counts.Disabled, Blocked: counts.Blocked, Factors: counts.Factors}
	if d.Accounts.Factors == nil {
		d.Accounts.Factors = map[string]int64{}
	}
	calendar, err := a.Expiring(ctx)
	if err != nil {
		return Dashboard{}, err
	}
	d.Expiring = []Expiry{}
	for _, e := range calendar {
		if e.What != begunRotation && e.At.Before(now.Add(expiresSoon)) {
			d.Expiring = append(d.Expiring, e)
		}
	}
	recent, err := a.attention.look(ctx, a)
	if err != nil {
		return Dashboard{}, err
	}
	d.Latency = recent.latency
	if d.Attention, err = a.needsAttention(ctx, now, calendar, recent.findings); err != nil {
		return Dashboard{}, err
	}
	return d, nil
}

// countTallies adds tallies up in every way that a dashboard shows.
func countTallies(tallies []Tally, since, until time.Time) Dashboard {
	d := Dashboard{Since: since, Until: until, Hours: []HourCount{}, Causes: []CauseCount{}, Methods: []MethodCount{}, Applications: []ApplicationCount{}}
	for at := since; at.Before(until); at = at.Add(time.Hour) {
		d.Hours = append(d.Hours, HourCount{Hour: at})
	}
	causes := make(map[auth.Outcome]int64)
	methods := make(map[string]int64)
	applications := make(map[string]ApplicationCount)
	for _, t := range tallies {
		i := int(t.Hour.Sub(since) / time.Hour)
		if t.Hour.Before(since) || i >= len(d.Hours) {
			continue
		}
		hour, app := &d.Hours[i], applications[t.Application]
		switch t.Outcome.Meaning().Verdict {
		case auth.Accept:
			hour.Accepted += t.Count
			app.Accepted += t.Count
			methods[t.Factor] += t.Count
		case auth.Challenge:
			hour.Waiting += t.Count
		case auth.Reject:
			hour.Refused += t.Count
			app.Refused += t.Count
			causes[t.Outcome] += t.Count
		case auth.Unavailable, auth.Ignore:
			hour.Faults += t.Count
			causes[t.Outcome] += t.Count
		}
		applications[t.Application] = app
	}
	for o, n := range causes {
		m := o.Meaning()
		d.Causes = append(d.Causes, CauseCount{Outcome: o.String(), Code: int(o), Label: m.Label, Count: n, AtFault: m.AtFault})
	}
	slices.SortFunc(d.Causes, func(x, y CauseCount) int { return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Code, y.Code)) })
	for f, n := range methods {
		d.Methods = append(d.Methods, MethodCount{f, n})
	}
	slices.SortFunc(d.Methods, func(x, y MethodCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Factor, y.Factor))
	})
	for name, c := range applications {
		if c.Application = name; c.Accepted+c.Refused > 0 {
			d.Applications = append(d.Applications, c)
		}
	}
	slices.SortFunc(d.Applications, func(x, y ApplicationCount) int {
		return cmp.Or(cmp.Compare(y.Accepted+y.Refused, x.Accepted+x.Refused), cmp.Compare(x.Application, y.Application))
	})
	return d
}

// An attention is what reading the newest events has shown. It is kept for a
// little while, because dashboards are looked at more often than that changes.
type attention struct {
	mu    sync.Mutex
	at    time.Time
	found recentEvents
}

// recentEvents is what the newest events show.
type recentEvents struct {
	findings []Finding
	latency  Latency
}

const (
	attentionLife = time.Minute
	// attentionBack and attentionEvents bound how far back a dashboard looks for
	// findings; sallyport findings reads as much as it is told to.
	attentionBack   = 24 * time.Hour
	attentionEvents = 2_000
)

func (t *attention) look(ctx context.Context, a *Admin) (recentEvents, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := a.Now()
	if age := now.Sub(t.at); !t.at.IsZero() && age >= 0 && age < attentionLife {
		return t.found, nil
	}
	events, err := a.Store.Events(ctx, EventFilter{Since: now.Add(-attentionBack), Limit: attentionEvents, Newest: true})
	if err != nil {
		return recentEvents{}, err
	}
	found := recentEvents{latency: latencyOf(events)}
	if found.findings, err = a.findingsAmong(ctx, events); err != nil {
		return recentEvents{}, err
	}
	t.at, t.found = now, found
	return found, nil
}

// latencyOf says how long verdicts took. What waited for another login, and what
// stands for several, tells nothing of that.
func latencyOf(events []auth.Event) Latency {
	var took []time.Duration
	for i := range events {
		if ev := &events[i]; ev.Joined == 0 && ev.Count <= 1 && (ev.Verdict == auth.Accept || ev.Verdict == auth.Challenge || ev.Verdict == auth.Reject) {
			took = append(took, ev.Took)
		}
	}
	if len(took) == 0 {
		return Latency{}
	}
	slices.Sort(took)
	// The smallest that is at least as long as that part of all (nearest rank).
	at := func(percent int) int64 { return took[(len(took)*percent+99)/100-1].Microseconds() }
	return Latency{TookP50Micros: at(50), TookP95Micros: at(95), TookP99Micros: at(99), TookOf: len(took)}
}

// needsAttention lists what somebody should look at.
func (a *Admin) needsAttention(ctx context.Context, now time.Time, calendar []Expiry, findings []Finding) ([]Attention, error) {
	list := []Attention{}
	s := a.Store.Settings()
	if at := s.Rewound; !at.IsZero() && now.Sub(at) < expiresSoon {
		list = append(list, rewoundItem(at, now))
	}
	for _, collect := range []func(context.Context, time.Time) ([]Attention, error){
		a.fraudItems, a.copiedItems, a.exportItems, a.nodeItems, a.throttledItems, a.passkeyItems, a.exemptionItems,
	} {
		items, err := collect(ctx, now)
		if err != nil {
			return nil, err
		}
		list = append(list, items...)
	}
	list = append(list, laxItems(s)...)
	list = append(list, calendarItems(calendar, now)...)
	for _, f := range findings {
		link := "/console/findings"
		if f.Kind == shortTimeout {
			link = clientLink(f.Client)
		}
		list = append(list, Attention{Kind: f.Kind, Subject: cmp.Or(f.Client, f.Application), Count: int64(min(f.Count, 1<<53)), Title: capital(f.Title), Detail: f.Advice, Severity: Warning, Link: link})
	}
	slices.SortStableFunc(list, func(x, y Attention) int { return cmp.Compare(x.Severity.rank(), y.Severity.rank()) })
	return list, nil
}

func rewoundItem(at, now time.Time) Attention {
	item := Attention{
		Kind: "database-rewound", Title: "The database went back in time", Severity: Warning, Link: "/console/system",
		Detail: "It was found on " + at.UTC().Format(time.RFC3339) + ". What was changed or used in the lost stretch is unknown: tokens with a counter need to be resynchronized, and recovery codes to be made anew.",
	}
	if now.Before(at.Add(auth.RewoundFor)) {
		item.Severity = Critical
		item.Detail += " No login that needs a second factor is accepted until " + at.Add(auth.RewoundFor).UTC().Format(time.RFC3339) + "."
	}
	return item
}

// fraudItems tell of people who said that a login was not theirs.
func (a *Admin) fraudItems(ctx context.Context, now time.Time) ([]Attention, error) {
	acts, err := a.Store.SearchActs(ctx, ActSearch{Action: fraudAction, Since: now.Add(-fraudFresh), Limit: 20})
	if err != nil {
		return nil, err
	}
	items := make([]Attention, len(acts))
	for i := range acts {
		items[i] = Attention{
			Kind: "fraud", Subject: acts[i].Subject, Title: acts[i].Subject + " says that a login was somebody else's", Severity: Critical,
			Detail: acts[i].Detail, Link: accountLink(acts[i].Subject),
		}
	}
	return alike(items, Attention{Kind: "fraud", Title: "%d more people say that a login was somebody else's", Severity: Critical, Link: "/console/reports/fraud"}), nil
}

// fraudAction is the action of the act that records such a report.
const fraudAction = "account.fraud"

// copiedItems tell of people of whose passkey there may be a copy: one for each,
// from their newest such login.
func (a *Admin) copiedItems(ctx context.Context, now time.Time) ([]Attention, error) {
	page, err := a.Store.SearchEvents(ctx, EventSearch{Outcome: auth.PasskeyCopied, Since: now.Add(-fraudFresh), Limit: 100})
	if err != nil {
		return nil, err
	}
	var items []Attention
	seen := make(map[string]bool)
	for i := range page.Events {
		ev := &page.Events[i]
		if seen[ev.Subject] {
			continue
		}
		seen[ev.Subject] = true
		items = append(items, Attention{
			Kind: "passkey-copied", Subject: ev.Account, Title: "A passkey of " + ev.Account + " may have been copied", Severity: Critical, Link: accountLink(ev.Account),
			Detail: "Its counter went back on " + ev.Time.UTC().Format(time.RFC3339) + ", and the login was refused. Ask where else the key has been, revoke the passkey and invite the account to enrol a new one.",
		})
	}
	return alike(items, Attention{Kind: "passkey-copied", Title: "Passkeys of %d more accounts may have been copied", Severity: Critical, Link: "/console/sign-ins?outcome=passkey-copied"}), nil
}

func (a *Admin) exportItems(ctx context.Context, _ time.Time) ([]Attention, error) {
	if a.LateExports == nil {
		return nil, nil
	}
	late, err := a.LateExports(ctx)
	if err != nil {
		return nil, err
	}
	var items []Attention
	for _, e := range late {
		detail := "The oldest event that it has not delivered is " + gapText(e.Lag) + " old."
		if e.Why != "" {
			detail += " Its last error: " + e.Why
		}
		items = append(items, Attention{Kind: "export-late", Subject: e.Name, Title: "Export " + e.Name + " is behind", Detail: detail, Severity: Critical, Link: "/console/system"})
	}
	return items, nil
}

func (a *Admin) nodeItems(ctx context.Context, now time.Time) ([]Attention, error) {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var items []Attention
	for _, n := range nodes {
		if n.Missing && now.Sub(n.Seen) < nodeForgotten {
			items = append(items, Attention{
				Kind: "node-missing", Subject: n.Name, Title: "Node " + n.Name + " is missing", Severity: Warning, Link: "/console/system",
				Detail: "It gave its last sign of life on " + n.Seen.UTC().Format(time.RFC3339) + ".",
			})
		}
	}
	return items, nil
}

// throttledItems tell of people whose failures keep them out.
func (a *Admin) throttledItems(ctx context.Context, now time.Time) ([]Attention, error) {
	locked, err := a.locked(ctx, now)
	if err != nil {
		return nil, err
	}
	var stopped []Attention
	waiting := int64(0)
	for i := range locked {
		l := &locked[i]
		if !l.stopped {
			waiting++
			continue
		}
		stopped = append(stopped, Attention{
			Kind: "account-stopped", Subject: l.account.Name, Title: l.account.Name + " is locked out until somebody unlocks the account", Severity: Warning, Link: accountLink(l.account.Name),
			Detail: fmt.Sprintf("%d wrong passwords and %d wrong codes in a row.", l.throttle.Know.Failures, l.throttle.Have.Failures),
		})
	}
	items := alike(stopped, Attention{Kind: "accounts-stopped", Title: "%d more accounts are locked out", Severity: Warning, Link: "/console/reports/locked"})
	if waiting > 0 {
		items = append(items, Attention{
			Kind: "accounts-waiting", Count: waiting, Title: fmt.Sprintf("%d accounts must wait before they can try again", waiting), Severity: Info, Link: "/console/reports/locked",
			Detail: "Their owners, or somebody else, failed several times in a row.",
		})
	}
	return items, nil
}

// A lockedAccount is one whose failures keep it out now.
type lockedAccount struct {
	account  auth.Account
	throttle auth.Throttle
	stopped  bool      // until somebody unlocks it
	until    time.Time // otherwise: until then
}

// maxLocked bounds how many accounts that have failed are looked at.
const maxLocked = 1_000

// locked lists accounts whose failures keep them out, those with the most
// failures first.
func (a *Admin) locked(ctx context.Context, now time.Time) ([]lockedAccount, error) {
	// Nobody waits before the free failures are used up.
	failed, err := a.Store.Throttled(ctx, max(1, min(a.Limits.Know.Free, a.Limits.Have.Free)), maxLocked)
	if err != nil {
		return nil, err
	}
	var list []lockedAccount
	for i := range failed {
		t := failed[i].Throttle
		l := lockedAccount{account: failed[i].Account, throttle: t, stopped: a.stopped(t)}
		if !l.stopped {
			if l.until = laterOf(t.Know.Until, t.Have.Until); !l.until.After(now) {
				continue
			}
		}
		list = append(list, l)
	}
	return list, nil
}

// stopped reports whether only a person can let the account in again.
func (a *Admin) stopped(t auth.Throttle) bool {
	return a.Limits.Know.Stopped(t.Know) || a.Limits.Have.Stopped(t.Have) || t.Stopped()
}

func laterOf(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}

// passkeyItems tell of people with a role who cannot sign in to the console.
func (a *Admin) passkeyItems(ctx context.Context, now time.Time) ([]Attention, error) {
	passkeys := a.passkeyFactors()
	if len(passkeys) == 0 {
		return nil, nil
	}
	accounts, err := a.Store.SearchAccounts(ctx, AccountSearch{Role: "*", Without: true, Second: passkeys, Now: now, Limit: 50})
	if err != nil {
		return nil, err
	}
	var items []Attention
	for i := range accounts {
		items = append(items, Attention{
			Kind: "role-without-passkey", Subject: accounts[i].Name, Severity: Info, Link: accountLink(accounts[i].Name),
			Title:  accounts[i].Name + " has role " + accounts[i].Role + " and no passkey",
			Detail: "The console asks for a passkey. Invite the account to enrol one, or take the role away.",
		})
	}
	return alike(items, Attention{Kind: "role-without-passkey", Title: "%d more accounts have a role and no passkey", Severity: Info, Link: "/console/accounts?role=*"}), nil
}

func (a *Admin) exemptionItems(ctx context.Context, _ time.Time) ([]Attention, error) {
	exemptions, err := a.Exemptions(ctx)
	if err != nil || len(exemptions) == 0 {
		return nil, err
	}
	title := fmt.Sprintf("%d settings ask for less than two factors", len(exemptions))
	if len(exemptions) == 1 {
		title = "1 setting asks for less than two factors"
	}
	return []Attention{{
		Kind: "exemptions", Count: int64(len(exemptions)), Title: title, Severity: Info, Link: "/console/exemptions",
		Detail: "Rules, trusted networks, caches, bypasses and clients that weaken MFA, each with what ends it.",
	}}, nil
}

func laxItems(s *auth.Settings) []Attention {
	var items []Attention
	for i := range s.Clients {
		if c := &s.Clients[i]; c.LaxMessageAuthenticator {
			items = append(items, Attention{
				Kind: "client-lax", Subject: c.Name, Title: "Client " + c.Name + " need not sign its requests", Severity: Warning, Link: clientLink(c.Name),
				Detail: "Answers can be forged by whoever sits on the path (CVE-2024-3596). Require Message-Authenticator as soon as the client sends it.",
			})
		}
	}
	return alike(items, Attention{Kind: "client-lax", Title: "%d more clients need not sign their requests", Severity: Warning, Link: "/console/clients"})
}

// calendarItems tell of dates that somebody must act on before they come.
// Invitations, bypasses and blocks end by themselves.
func calendarItems(calendar []Expiry, now time.Time) []Attention {
	var items []Attention
	for _, e := range calendar {
		item := Attention{Kind: e.What, Subject: e.Name, Severity: Info, Link: e.Link, Detail: e.Detail}
		left := e.At.Sub(now)
		switch e.What {
		case expiringCertificate:
			if left >= expiresSoon {
				continue
			}
			item.Title = "The certificate of " + e.Name + " ends on " + e.At.UTC().Format(time.DateOnly)
			item.Detail = "Browsers and programs refuse to connect from then on. Put a new one in its place; it is read without a restart."
			item.Severity = Warning
			if left < expiresNow {
				item.Severity = Critical
			}
			if left <= 0 {
				item.Title = "The certificate of " + e.Name + " has ended"
			}
		case expiringKey:
			if left >= expiresSoon {
				continue
			}
			item.Title, item.Detail = "API key "+e.Name+" ends on "+e.At.UTC().Format(time.DateOnly), "The program that uses it needs another one by then."
			if left <= 0 {
				item.Title, item.Detail = "API key "+e.Name+" has ended", "Remove it if no program needs it any more."
			} else if left < expiresNow {
				item.Severity = Warning
			}
		case begunRotation:
			item.Title = "The secret of client " + e.Name + " is being changed since " + e.At.UTC().Format(time.DateOnly)
			item.Detail = "Two secrets are accepted. Finish the rotation when the client has the new one."
			if -left > expiresNow {
				item.Severity = Warning
			}
		default:
			continue
		}
		items = append(items, item)
	}
	return items
}

// alike lists the first few items one by one and says how many more there are
// as rest does; its title takes their number.
func alike(items []Attention, rest Attention) []Attention {
	if len(items) <= maxAlike {
		return items
	}
	rest.Count = int64(len(items) - maxAlike)
	rest.Title = fmt.Sprintf(rest.Title, rest.Count)
	return append(items[:maxAlike:maxAlike], rest)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func accountLink(name string) string { return "/console/accounts/" + url.PathEscape(name) }
func clientLink(name string) string  { return "/console/clients/" + url.PathEscape(name) }
