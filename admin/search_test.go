package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
)

// A book is a Store in memory of what searches, dashboards, reports and the live
// log ask for; other methods are not asked for here. It counts its tallies from
// its events, so that the two cannot differ.
type book struct {
	Store

	mu       sync.Mutex
	settings *auth.Settings
	events   []auth.Event // numbered from 1 without gaps
	acts     []Act
	accounts []auth.Account
	holds    map[string][]string // factors, by account ID
	failed   map[string]auth.Throttle
	keys     []Key
	open     []Ceremony
	bypasses []auth.Bypass
	nodes    []Node
	readings []Reading
	budget   int // rows that a search reads at most, 0 for all
	reads    int // of events by Events
	broken   error
}

func (b *book) Settings() *auth.Settings {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settings == nil {
		b.settings = (&auth.Settings{}).Index()
	}
	return b.settings
}

// set changes the settings of a book.
func (b *book) set(change func(*auth.Settings)) {
	old := b.Settings()
	next := &auth.Settings{
		Version: old.Version + 1, Applications: slices.Clone(old.Applications), Clients: slices.Clone(old.Clients), Groups: slices.Clone(old.Groups),
		Rules: slices.Clone(old.Rules), Trusted: slices.Clone(old.Trusted), CacheRules: slices.Clone(old.CacheRules), Rewound: old.Rewound,
	}
	change(next)
	for i := range next.Rules {
		next.Rules[i].Place = int64(i) + 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settings = next.Index()
}

// commit adds an event as the store numbers it.
func (b *book) commit(ev auth.Event) auth.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	ev.Seq = uint64(len(b.events)) + 1
	ev.Count = max(ev.Count, 1)
	b.events = append(b.events, ev)
	return ev
}

func (b *book) Events(_ context.Context, f EventFilter) ([]auth.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return nil, b.broken
	}
	var found []auth.Event
	for _, ev := range b.events {
		if ev.Seq > f.After && !ev.Time.Before(f.Since) {
			found = append(found, ev)
		}
	}
	if limit := cmp.Or(f.Limit, 1000); len(found) > limit {
		if f.Newest {
			found = found[len(found)-limit:]
		} else {
			found = found[:limit]
		}
	}
	b.reads += len(found)
	return found, nil
}

func (b *book) SearchEvents(_ context.Context, s EventSearch) (EventPage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Limit < 1 || s.Limit > 1000 {
		return EventPage{}, fmt.Errorf("a limit of %d", s.Limit)
	}
	var p EventPage
	read := 0
	for _, ev := range slices.Backward(b.events) {
		if s.Before != 0 && ev.Seq >= s.Before || ev.Seq <= s.After {
			continue
		}
		if len(p.Events) == s.Limit || b.budget > 0 && read == b.budget {
			p.Next, p.Back = ev.Seq+1, b.events[ev.Seq].Time
			return p, nil
		}
		read++
		if s.selects(&ev) {
			p.Events = append(p.Events, ev)
		}
	}
	return p, nil
}

func (b *book) Tallies(_ context.Context, since, until time.Time) ([]Tally, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make(map[Tally]int64)
	for _, ev := range b.events {
		if hour := ev.Time.Truncate(time.Hour); !hour.Before(since) && hour.Before(until) {
			counts[Tally{Hour: hour, Application: ev.Application, Client: ev.Client, Outcome: ev.Outcome, Factor: ev.Factor}] += int64(ev.Count)
		}
	}
	var list []Tally
	for t, n := range counts {
		t.Count = n
		list = append(list, t)
	}
	return list, nil
}

func (b *book) SearchActs(_ context.Context, s ActSearch) ([]Act, error) {
	var found []Act
	for _, act := range slices.Backward(b.acts) {
		if (s.Before == 0 || act.Seq < s.Before) && !act.Time.Before(s.Since) && (s.Until.IsZero() || act.Time.Before(s.Until)) &&
			strings.Contains(strings.ToLower(act.Actor), strings.ToLower(s.Actor)) && strings.HasPrefix(act.Action, s.Action) &&
			(s.Subject == "" || act.Subject == s.Subject) && len(found) < s.Limit {
			found = append(found, act)
		}
	}
	return found, nil
}

func (b *book) Account(_ context.Context, name string) (auth.Account, error) {
	for _, acc := range b.accounts {
		if acc.Name == name || slices.Contains(acc.Aliases, name) {
			return acc, nil
		}
	}
	return auth.Account{}, ErrNotFound
}

func (b *book) AccountByID(_ context.Context, id string) (auth.Account, error) {
	for _, acc := range b.accounts {
		if acc.ID == id {
			return acc, nil
		}
	}
	return auth.Account{}, ErrNotFound
}

func (b *book) SearchAccounts(_ context.Context, s AccountSearch) ([]auth.Account, error) {
	all := slices.Clone(b.accounts)
	slices.SortFunc(all, func(x, y auth.Account) int { return cmp.Compare(x.Name, y.Name) })
	var found []auth.Account
	for _, acc := range all {
		holds := slices.ContainsFunc(b.holds[acc.ID], func(f string) bool { return slices.Contains(s.Second, f) })
		if acc.Name > s.After && (!s.Blocked || acc.BlockedAt(s.Now)) && (!s.Off || !acc.Enabled) && (!s.Without || !holds) &&
			(s.Role == "" || acc.Role == s.Role || s.Role == "*" && acc.Role != "") && len(found) < s.Limit {
			found = append(found, acc)
		}
	}
	return found, nil
}

func (b *book) CountAccounts(_ context.Context, now time.Time) (AccountCounts, error) {
	c := AccountCounts{All: int64(len(b.accounts)), Factors: make(map[string]int64)}
	for _, acc := range b.accounts {
		if !acc.Enabled {
			c.Disabled++
		}
		if acc.BlockedAt(now) {
			c.Blocked++
		}
		if slices.ContainsFunc(b.holds[acc.ID], func(f string) bool { return f != passwordFactor }) {
			c.Second++
		}
		for _, f := range b.holds[acc.ID] {
			c.Factors[f]++
		}
	}
	return c, nil
}

func (b *book) Throttled(_ context.Context, failures, limit int) ([]ThrottledAccount, error) {
	var found []ThrottledAccount
	for _, acc := range b.accounts {
		if t := b.failed[acc.ID]; max(t.Know.Failures, t.Have.Failures) >= failures {
			found = append(found, ThrottledAccount{acc, t})
		}
	}
	slices.SortStableFunc(found, func(x, y ThrottledAccount) int {
		return cmp.Compare(y.Throttle.Know.Failures+y.Throttle.Have.Failures, x.Throttle.Know.Failures+x.Throttle.Have.Failures)
	})
	return found[:min(len(found), limit)], nil
}

func (b *book) Keys(context.Context) ([]Key, error)             { return b.keys, nil }
func (b *book) Bypasses(context.Context) ([]auth.Bypass, error) { return b.bypasses, nil }
func (b *book) Nodes(context.Context) ([]Node, error)           { return b.nodes, nil }
func (b *book) Readings(context.Context) ([]Reading, error)     { return b.readings, nil }

func (b *book) Head(context.Context) (Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Link{Seq: uint64(len(b.events))}, nil
}

func (b *book) Ceremonies(_ context.Context, kind CeremonyKind, now time.Time) ([]Ceremony, error) {
	var found []Ceremony
	for _, c := range b.open {
		if c.Kind == kind && c.Expires.After(now) {
			found = append(found, c)
		}
	}
	return found, nil
}

// Apply makes the changes that the tests of searches need.
func (b *book) Apply(_ context.Context, act Act, changes ...Change) error {
	var failed error
	b.set(func(s *auth.Settings) {
		for _, c := range changes {
			switch c := c.(type) {
			case AddRule:
				at := len(s.Rules)
				if c.Rule.Place >= 1 && int(c.Rule.Place) <= len(s.Rules) {
					at = int(c.Rule.Place) - 1
				}
				s.Rules = slices.Insert(s.Rules, at, c.Rule)
			case UpdateRule:
				i := slices.IndexFunc(s.Rules, func(r auth.Rule) bool { return r.Name == c.Name })
				if i < 0 {
					failed = ErrNotFound
					return
				}
				r := s.Rules[i]
				if failed = c.Update(&r); failed != nil {
					return
				}
				s.Rules = slices.Insert(slices.Delete(s.Rules, i, i+1), int(r.Place)-1, r)
			case RemoveRule:
				s.Rules = slices.DeleteFunc(s.Rules, func(r auth.Rule) bool { return r.Name == c.Name })
			case AddTrustedIP:
				s.Trusted = append(s.Trusted, c.TrustedIP)
			case RemoveTrustedIP:
				s.Trusted = slices.DeleteFunc(s.Trusted, func(t auth.TrustedIP) bool { return t.ID == c.ID })
			case AddCacheRule:
				s.CacheRules = append(s.CacheRules, c.CacheRule)
			case RemoveCacheRule:
				s.CacheRules = slices.DeleteFunc(s.CacheRules, func(r auth.CacheRule) bool { return r.ID == c.ID })
			case AddBypass:
				b.bypasses = append(b.bypasses, c.Bypass)
			case RemoveBypass:
				b.bypasses = slices.DeleteFunc(b.bypasses, func(p auth.Bypass) bool { return p.Account == c.Account })
			default:
				failed = fmt.Errorf("%T is not asked for here", c)
				return
			}
		}
	})
	if failed != nil {
		return failed
	}
	b.note(act)
	return nil
}

func (b *book) note(act Act) {
	act.Seq = uint64(len(b.acts)) + 1
	b.acts = append(b.acts, act)
}

// desk returns an Admin at noon over a book with an application, three clients
// and the factors that there are.
func desk(b *book) *Admin {
	b.set(func(s *auth.Settings) {
		s.Applications = []auth.Application{{Name: "vpn"}, {Name: "rdp"}}
		s.Clients = []auth.Client{
			{Name: "fw1", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Secrets: []auth.Secret{auth.Secret("x")}},
			{Name: "fw2", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Secrets: []auth.Secret{auth.Secret("x")}},
			{Name: "gw", Door: "radius", Application: "rdp", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Origin: auth.OriginNone, Secrets: []auth.Secret{auth.Secret("x")}},
		}
		s.Groups = []auth.Group{{Name: "staff"}}
	})
	return &Admin{
		Store: b,
		Factors: []auth.Factor{
			kind{info: auth.Info{Name: "password", Category: auth.Know}},
			kind{info: auth.Info{Name: "oath", Category: auth.Have, Verified: auth.OATHCodeVerified, Prompt: "code"}},
			kind{info: auth.Info{Name: "recovery", Category: auth.Have, Verified: auth.RecoveryCodeVerified}},
			kind{info: auth.Info{Name: "passkey", Category: auth.Have, Passkey: true, Both: true}},
		},
		Limits: auth.Limits{
			Know: auth.Limit{Free: 5, Stop: 100},
			Have: auth.Limit{Free: 5, Stop: 10},
		},
		References: auth.NewReferences([]byte("a key of the tests")),
		Pseudonym:  func(name string) string { return "?" + name },
		Attribute:  func(auth.ReplyAttribute) error { return nil },
		Now:        func() time.Time { return noon },
	}
}

// kindOf checks that an error is a Problem of a kind.
func kindOf(t *testing.T, err, kind error) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || !errors.Is(err, kind) {
		t.Errorf("the error is %v; want a problem that is %q", err, kind)
	}
}

func TestSearchEvents(t *testing.T) {
	b := &book{accounts: []auth.Account{{ID: "a1", Name: "alice", Aliases: []string{"al"}, Enabled: true}}}
	a := desk(b)
	from := netip.MustParseAddrPort("192.0.2.7:1812")
	add := func(minutes int, ev auth.Event) {
		ev.Time = noon.Add(time.Duration(minutes) * time.Minute)
		b.commit(ev)
	}
	add(-9, auth.Event{Subject: "a1", Account: "alice", Outcome: auth.OATHCodeVerified, Verdict: auth.Accept, Application: "vpn", Client: "fw1", Door: "radius", Factor: "oath", Rule: "strictest", Source: from})
	add(-8, auth.Event{Subject: "a1", Account: "alice", Outcome: auth.PasswordWrong, Verdict: auth.Reject, Application: "rdp", Client: "gw", Door: "radius", From: "203.0.113.9"})
	add(-7, auth.Event{Subject: "?eve", Account: "?eve", Outcome: auth.UserNotFound, Verdict: auth.Reject, Application: "vpn", Client: "fw2", Door: "https"})
	add(-6, auth.Event{Outcome: auth.ServerOverloaded, Verdict: auth.Ignore, Client: "fw1", Door: "radius", Source: from, Count: 12})
	tests := []struct {
		name string
		q    EventQuery
		want []uint64
	}{
		{"everything, the newest first", EventQuery{}, []uint64{4, 3, 2, 1}},
		{"an account by its alias in capitals", EventQuery{Account: "AL"}, []uint64{2, 1}},
		{"a name that nobody has", EventQuery{Account: "Eve"}, []uint64{3}},
		{"a pseudonym as it is printed", EventQuery{Account: "?eve"}, []uint64{3}},
		{"an outcome by its number", EventQuery{Outcome: "23"}, []uint64{1}},
		{"an outcome by its name", EventQuery{Outcome: auth.PasswordWrong.String()}, []uint64{2}},
		{"verdicts", EventQuery{Verdicts: []string{"accept", "ignore"}}, []uint64{4, 1}},
		{"a part of an address", EventQuery{Source: "192.0"}, []uint64{4, 1}},
		{"a part of where the person is", EventQuery{Source: "113.9"}, []uint64{2}},
		{"an application", EventQuery{Application: "vpn"}, []uint64{3, 1}},
		{"a client", EventQuery{Client: "fw1"}, []uint64{4, 1}},
		{"a door", EventQuery{Door: "https"}, []uint64{3}},
		{"a factor", EventQuery{Factor: "oath"}, []uint64{1}},
		{"a rule", EventQuery{Rule: "strictest"}, []uint64{1}},
		{"a stage", EventQuery{Stage: "primary"}, []uint64{2}},
		{"only what MFA is at fault of", EventQuery{AtFault: true}, []uint64{4}},
		{"since", EventQuery{Since: noon.Add(-7 * time.Minute)}, []uint64{4, 3}},
		{"until", EventQuery{Until: noon.Add(-7 * time.Minute)}, []uint64{2, 1}},
		{"a page", EventQuery{Limit: 3}, []uint64{4, 3, 2}},
		{"the page after", EventQuery{Limit: 3, Cursor: cursorOf(2)}, []uint64{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := a.SearchEvents(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, v := range list.Items {
				got = append(got, v.Seq)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("SearchEvents(%+v) = events %v; want %v", tt.q, got, tt.want)
			}
			if more := len(tt.want) == 3; more != (list.Next != "") {
				t.Errorf("next is %q", list.Next)
			}
		})
	}
	for _, q := range []EventQuery{
		{Verdicts: []string{"perhaps"}},
		{Outcome: "1000000"},
		{Stage: "lobby"},
		{Limit: -1},
		{Limit: 1001},
		{Cursor: "-1"},
		{Cursor: "00a"},
		{Since: noon, Until: noon},
	} {
		_, err := a.SearchEvents(t.Context(), q)
		kindOf(t, err, ErrInvalid)
	}
}

// A search that reads a bounded number of rows at a time finds the same in the
// end, each event once.
func TestSearchEventsGoesOn(t *testing.T) {
	b := &book{budget: 7}
	a := desk(b)
	var want []uint64
	for i := range 100 {
		ev := auth.Event{Time: noon.Add(time.Duration(i) * time.Second), Outcome: auth.PasswordWrong, Verdict: auth.Reject}
		if i%23 == 0 {
			ev.Client = "fw1"
			want = append(want, uint64(i)+1)
		}
		b.commit(ev)
	}
	slices.Reverse(want)
	var got []uint64
	q := EventQuery{Client: "fw1", Limit: 2}
	for pages := 0; ; pages++ {
		if pages > 100 {
			t.Fatal("the search does not end")
		}
		list, err := a.SearchEvents(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Items {
			got = append(got, v.Seq)
		}
		if (list.Next == "") != (list.Back == nil) {
			t.Errorf("next is %q, and back %v", list.Next, list.Back)
		}
		if list.Next == "" {
			break
		}
		q.Cursor = list.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages hold %v; want %v", got, want)
	}
}

// FuzzCursor checks that a cursor has one spelling: what is read is written
// again as it was.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "1", "zz", "0", "-1", "+1", "A", "1y2p0ij32e8e7", "7fffffffffffffff", " 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseCursor(s)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("parseCursor(%q) fails with %v, which is no problem of its maker", s, err)
			}
			return
		}
		if got := cursorOf(n); got != s {
			t.Errorf("cursorOf(parseCursor(%q)) = %q", s, got)
		}
	})
}

// Every outcome of the catalogue, read by the help desk and by the person,
// leaves out what is not for them.
func TestReading(t *testing.T) {
	b := &book{}
	a := desk(b)
	const secret = "what only administrators may know"
	for _, m := range auth.Catalogue() {
		ev := b.commit(auth.Event{
			Time: noon, Subject: "a1", Account: "alice", Application: "vpn", Client: "fw1", From: "203.0.113.9", Outcome: m.Outcome, Verdict: m.Verdict,
			Factor: "oath", Authenticator: secret, Rule: "night", Failures: 77, Took: 4242 * time.Microsecond,
			Trace: []auth.Step{{Stage: auth.StagePolicy, OK: true, Took: 5, Note: secret}},
		})
		v, err := a.Why(t.Context(), string(a.References.Of(ev.Seq)))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Reading(ForAdministrator); len(got.Trace) != 1 || got.Trace[0].Note != secret || got.Administrator == "" {
			t.Fatalf("%s: the administrator reads %+v", m.Name, got)
		}
		desk := v.Reading(ForHelpDesk)
		if desk.HelpDesk != m.HelpDesk || desk.Outcome != m.Name || len(desk.Trace) != 1 || desk.Trace[0].Stage != auth.StagePolicy || !desk.Trace[0].OK {
			t.Errorf("%s: the help desk does not see the cause: %+v", m.Name, desk)
		}
		for who, r := range map[string]WhyView{"the help desk": desk, "the person": v.Reading(ForPerson), "nobody known": v.Reading(Audience(9))} {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), secret) || strings.Contains(string(text), jsonText(t, m.Administrator)) {
				t.Errorf("%s: %s reads what is for administrators: %s", m.Name, who, text)
			}
			if who == "the help desk" {
				continue
			}
			for _, hidden := range []string{"night", "4242", "77", jsonText(t, m.HelpDesk), `"` + m.Name + `"`} {
				if strings.Contains(string(text), hidden) {
					t.Errorf("%s: %s reads %q: %s", m.Name, who, hidden, text)
				}
			}
			if r.Person == "" && m.Person != "" || r.Reference == "" {
				t.Errorf("%s: %s reads neither message nor reference: %s", m.Name, who, text)
			}
		}
		if len(v.Trace) != 1 || v.Trace[0].Note != secret {
			t.Fatal("reading it for others has changed the explanation")
		}
	}
}

func (b *book) Event(_ context.Context, seq uint64) (auth.Event, error) {
	if seq == 0 || seq > uint64(len(b.events)) {
		return auth.Event{}, ErrNotFound
	}
	return b.events[seq-1], nil
}

func jsonText(t *testing.T, s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(b), `"`)
}

// Pages of acts, whatever their size, hold each act that is looked for once.
func TestSearchActsPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &book{}
		a := desk(b)
		actions := []string{"rule.add", "rule.remove", "account.block", "client.add"}
		for range rapid.IntRange(0, 40).Draw(t, "acts") {
			b.note(Act{
				Time: noon.Add(-time.Hour), Actor: rapid.SampledFrom([]string{"Alice", "uid 0 over the admin socket"}).Draw(t, "actor"),
				Action: rapid.SampledFrom(actions).Draw(t, "action"), Subject: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "subject"),
				Before: rapid.SampledFrom([]string{"", `{"a":1}`, `{"broken`}).Draw(t, "before"),
			})
		}
		q := ActQuery{
			Action: rapid.SampledFrom([]string{"", "rule.", "account.block"}).Draw(t, "looked for"),
			Actor:  rapid.SampledFrom([]string{"", "ali"}).Draw(t, "by"),
			Limit:  rapid.IntRange(1, 10).Draw(t, "limit"),
		}
		var want []uint64
		for _, act := range slices.Backward(b.acts) {
			if strings.HasPrefix(act.Action, q.Action) && (q.Actor == "" || act.Actor == "Alice") {
				want = append(want, act.Seq)
			}
		}
		var got []uint64
		for pages := 0; pages < 50; pages++ {
			list, err := a.SearchActs(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Items) > q.Limit {
				t.Fatalf("a page of %d holds %d", q.Limit, len(list.Items))
			}
			for _, v := range list.Items {
				got = append(got, v.Seq)
			}
			if _, err := json.Marshal(list); err != nil {
				t.Fatalf("a page cannot be written as JSON: %v", err)
			}
			if q.Cursor = list.Next; q.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the pages hold %v; want %v", got, want)
		}
	})
}

// What is done to rules, trusted networks, caches and bypasses is recorded with
// what was before and is after.
func TestActsSayBeforeAndAfter(t *testing.T) {
	b := &book{accounts: []auth.Account{{ID: "a1", Name: "alice", Enabled: true}}}
	a := desk(b)
	ctx, by := t.Context(), Operator("alice")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	need := "primary"
	_, err := a.AddRule(ctx, by, NewRule{Name: "day", RuleTerms: RuleTerms{Applications: []string{"vpn"}}})
	must(err)
	_, err = a.ChangeRule(ctx, by, RuleChange{Name: "day", RuleTerms: RuleTerms{Need: &need}})
	must(err)
	must(a.RemoveRule(ctx, by, "day", ""))
	trusted, err := a.AddTrustedIP(ctx, by, NewTrustedIP{Application: "vpn", Range: "192.0.2.0/24", Note: "office"})
	must(err)
	_, err = a.RemoveTrustedIP(ctx, by, TrustedIPRef{ID: trusted.ID})
	must(err)
	_, err = a.AddCacheRule(ctx, by, NewCacheRule{Application: "vpn", Type: "user", Seconds: 60})
	must(err)
	must(a.RemoveCacheRule(ctx, by, "vpn"))
	_, err = a.AddBypass(ctx, by, NewBypass{Account: "alice", Reason: "new phone"})
	must(err)
	must(a.RemoveBypass(ctx, by, "alice"))

	list, err := a.SearchActs(ctx, ActQuery{})
	must(err)
	slices.Reverse(list.Items)
	want := []struct{ action, before, after string }{
		{"rule.add", "", `"need":"both"`},
		{"rule.change", `"need":"both"`, `"need":"primary"`},
		{"rule.remove", `"need":"primary"`, ""},
		{"trusted-ip.add", "", `"range":"192.0.2.0/24"`},
		{"trusted-ip.remove", `"note":"office"`, ""},
		{"cache.add", "", `"seconds":60`},
		{"cache.remove", `"type":"user"`, ""},
		{"bypass.add", "", `"reason":"new phone"`},
		{"bypass.remove", `"reason":"new phone"`, ""},
	}
	if len(list.Items) != len(want) {
		t.Fatalf("there are %d acts; want %d", len(list.Items), len(want))
	}
	for i, w := range want {
		got := list.Items[i]
		says := func(raw json.RawMessage, part string) bool {
			return part == "" && raw == nil || part != "" && json.Valid(raw) && strings.Contains(string(raw), part)
		}
		if got.Action != w.action || !says(got.Before, w.before) || !says(got.After, w.after) {
			t.Errorf("act %d is %s, before %s, after %s; want %s, before %s, after %s", i, got.Action, got.Before, got.After, w.action, w.before, w.after)
		}
	}
}

// A change that was made for a rule as it was is refused once the rule is
// another.
func TestRuleChangesExpect(t *testing.T) {
	b := &book{}
	a := desk(b)
	ctx, by := t.Context(), Operator("alice")
	seen, err := a.AddRule(ctx, by, NewRule{Name: "day", RuleTerms: RuleTerms{Applications: []string{"vpn"}}})
	if err != nil {
		t.Fatal(err)
	}
	tag := Tag(seen)
	need := "refuse"
	if _, err = a.ChangeRule(ctx, by, RuleChange{Name: "day", Expect: tag, RuleTerms: RuleTerms{Need: &need}}); err != nil {
		t.Fatalf("a change of the rule as it is: %v", err)
	}
	acts := len(b.acts)
	_, err = a.ChangeRule(ctx, by, RuleChange{Name: "day", Expect: tag, RuleTerms: RuleTerms{Applications: []string{}}})
	kindOf(t, err, ErrChanged)
	_, err = a.MoveRule(ctx, by, RuleMove{Name: "day", Expect: tag, RulePlace: RulePlace{Place: 1}})
	kindOf(t, err, ErrChanged)
	kindOf(t, a.RemoveRule(ctx, by, "day", tag), ErrChanged)
	if len(b.acts) != acts {
		t.Errorf("refused changes have left %d acts", len(b.acts)-acts)
	}
	now, err := a.ShowRule("day")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.RemoveRule(ctx, by, "day", Tag(now)); err != nil {
		t.Errorf("removing the rule as it is: %v", err)
	}
}
