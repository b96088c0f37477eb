package admin

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
	"sallyport/radius"
)

// A Finding is one cause of trouble that events and readings show, however
// often it struck, with what to do about it.
type Finding struct {
	ID          string    `json:"id"`   // what apply takes: double-prompt/vpn
	Kind        string    `json:"kind"` // double-prompt, parallel-prompt, late-approval or short-timeout
	Title       string    `json:"title" prose:"true"`
	Application string    `json:"application,omitempty"`
	Client      string    `json:"client,omitempty"`
	Count       uint64    `json:"count"` // how often it struck
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
	// Examples are the newest occurrences, newest first.
	Examples []FindingExample `json:"examples"`
	Advice   string           `json:"advice" prose:"true"`
	// Command does what is advised, and so does sallyport findings apply ID. It
	// is empty if the remedy is not in this server.
	Command string `json:"command,omitempty"`
	Done    string `json:"done,omitempty" prose:"true"` // by ApplyFinding: the rule that it made

	rule *auth.CacheRule // that Command makes
}

// A FindingExample is one occurrence: the logins that show it, in the order in
// which they were let in.
type FindingExample struct {
	Account string         `json:"account"`
	What    string         `json:"what" prose:"true"`
	Logins  []FindingLogin `json:"logins"`
}

// A FindingLogin is one login of an example.
type FindingLogin struct {
	Reference string    `json:"reference"`
	Time      time.Time `json:"time"`
	Client    string    `json:"client"`
	From      string    `json:"from,omitempty"`
	Node      string    `json:"node,omitempty"`
}

// The kinds of findings.
const (
	doublePrompt   = "double-prompt"
	parallelPrompt = "parallel-prompt"
	lateApproval   = "late-approval"
	shortTimeout   = "short-timeout"
)

const (
	// promptGap is how soon after a login a second one counts as the same
	// errand of the same person.
	promptGap   = 2 * time.Minute
	maxExamples = 3
	// maxRecent bounds how many people who have just logged in are remembered
	// while events are read. It is what 1,000 logins a second make in promptGap.
	maxRecent = 120_000
)

// Findings reads the events from since until before until, and what all nodes
// have learned of the clients, and returns what is wrong with how people are
// asked. It needs little memory however many events there are. A finding whose
// remedy is in force is not among them.
func (a *Admin) Findings(ctx context.Context, since, until time.Time) ([]Finding, error) {
	return a.findingsIn(ctx, func(use func(*auth.Event)) error { return a.eachEvent(ctx, since, until, use) })
}

// recentFindings bounds what RecentFindings reads, so that a page has its answer
// at once however many logins there were.
const recentFindings = 4_000

// RecentFindings is Findings over the newest events since a time, a bounded
// number of them. back is how far it has looked back, the zero time if to since.
func (a *Admin) RecentFindings(ctx context.Context, since time.Time) (found []Finding, back time.Time, err error) {
	events, err := a.Store.Events(ctx, EventFilter{Since: since, Limit: recentFindings, Newest: true})
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(events) == recentFindings {
		back = events[0].Time
	}
	found, err = a.findingsAmong(ctx, events)
	return found, back, err
}

// findingsAmong returns what these events show, and what the readings do.
func (a *Admin) findingsAmong(ctx context.Context, events []auth.Event) ([]Finding, error) {
	return a.findingsIn(ctx, func(use func(*auth.Event)) error {
		for i := range events {
			use(&events[i])
		}
		return nil
	})
}

// findingsIn returns what the events that each calls its argument for show, in
// the order of their commits, and what the readings do.
func (a *Admin) findingsIn(ctx context.Context, each func(use func(*auth.Event)) error) ([]Finding, error) {
	all, err := a.readings(ctx)
	if err != nil {
		return nil, err
	}
	s := &search{admin: a, settings: a.Store.Settings(), departures: departures(all), found: make(map[string]*collection), recent: make(map[recentKey]*recent)}
	for _, f := range a.Factors {
		if info := f.Info(); info.Category == auth.Have {
			s.second = append(s.second, info.Name)
		}
	}
	if err := each(s.look); err != nil {
		return nil, err
	}
	findings := s.findings()
	for client, k := range all {
		p := k.reading.Patience()
		if p.Timeout == 0 || s.settings.Client(client) == nil {
			continue
		}
		findings = append(findings, Finding{
			ID: shortTimeout + "/" + client, Kind: shortTimeout, Client: client, Application: s.settings.Client(client).Application,
			Title: "client " + client + " gives up before people have answered",
			Count: p.Slower, Examples: []FindingExample{},
			Advice: "The client " + p.Advice + ". That is set on the client itself; sallyport client patience " + client + " shows the figures.",
		})
	}
	slices.SortFunc(findings, func(x, y Finding) int { return strings.Compare(x.ID, y.ID) })
	return findings, nil
}

// ApplyFinding does what the finding of that ID advises, and returns it.
func (a *Admin) ApplyFinding(ctx context.Context, by Actor, id string, since, until time.Time) (Finding, error) {
	findings, err := a.Findings(ctx, since, until)
	if err != nil {
		return Finding{}, err
	}
	return a.applyAmong(ctx, by, id, findings, since)
}

// ApplyRecentFinding is ApplyFinding for a finding of RecentFindings.
func (a *Admin) ApplyRecentFinding(ctx context.Context, by Actor, id string, since time.Time) (Finding, error) {
	findings, _, err := a.RecentFindings(ctx, since)
	if err != nil {
		return Finding{}, err
	}
	return a.applyAmong(ctx, by, id, findings, since)
}

func (a *Admin) applyAmong(ctx context.Context, by Actor, id string, findings []Finding, since time.Time) (Finding, error) {
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.ID == id })
	if i < 0 {
		return Finding{}, &Problem{fmt.Sprintf("there is no finding %q since %s, or it has been dealt with", id, since.UTC().Format("2006-01-02 15:04 MST")), "sallyport findings lists them", ErrNotFound}
	}
	f := findings[i]
	if f.rule == nil {
		return Finding{}, invalid(f.Advice, "the remedy of %s is not in this server", id)
	}
	rule := *f.rule
	rule.Created = a.Now()
	var err error
	if rule.ID, err = newID(); err != nil {
		return Finding{}, err
	}
	s := a.Store.Settings()
	record := act{action: "cache.add", subject: rule.Application, detail: fmt.Sprintf("%s, as advised by finding %s", cacheText(&rule), id), after: viewCache(s, &rule)}
	var changes []Change
	for i := range s.CacheRules {
		if old := &s.CacheRules[i]; old.Application == rule.Application {
			changes = append(changes, RemoveCacheRule{old.ID})
			record.detail += ", in place of " + cacheText(old)
			record.before = viewCache(s, old)
		}
	}
	if err := a.applyTo(ctx, by, record, append(changes, AddCacheRule{rule})...); err != nil {
		return Finding{}, problem(err, fmt.Sprintf("application %s has got another cache rule meanwhile", rule.Application), "sallyport findings looks again")
	}
	f.Done = "cache rule " + cacheText(&rule)
	return f, nil
}

// eachEvent calls use for the events of a stretch of time, in the order of
// their commits, which is nearly that of their times.
func (a *Admin) eachEvent(ctx context.Context, since, until time.Time, use func(*auth.Event)) error {
	const page = 1000
	for after := uint64(0); ; {
		events, err := a.Store.Events(ctx, EventFilter{After: after, Since: since, Limit: page})
		if err != nil {
			return err
		}
		for i := range events {
			if ev := &events[i]; ev.Time.Before(until) {
				use(ev)
			}
			after = events[i].Seq
		}
		if len(events) < page {
			return nil
		}
	}
}

// A search is the state of one reading of the events.
type search struct {
	admin      *Admin
	settings   *auth.Settings
	departures departure
	second     []string // names of the factors that are second ones
	found      map[string]*collection

	recent map[recentKey]*recent
	// oldest and newest are the ends of the list of recent, by when they were
	// last of use.
	oldest, newest *recent
}

// A recentKey is one person at one application.
type recentKey struct{ subject, application string }

// A recent is what one person did lately at one application.
type recent struct {
	key          recentKey
	used         time.Time
	older, newer *recent

	login *login               // the newest genuine one
	asked map[string]time.Time // when each client asked last
}

// maxAskedClients bounds the clients of one person that are remembered.
const maxAskedClients = 8

// A login is one that a person completed with a second factor of their own.
type login struct {
	seq     uint64
	time    time.Time
	client  string
	from    string
	node    string
	request string
	origin  netip.Addr
}

// A collection is what one finding is made of.
type collection struct {
	kind, name  string
	count       uint64
	first, last time.Time
	examples    []FindingExample // newest first

	// Of double prompts: those less than one and two minutes apart, those from
	// one address and from two known ones, and besides those that the cache rule
	// in force spares.
	minute, twoMinutes, same, apart, spared uint64
}

func (c *collection) add(at time.Time, example func() FindingExample) {
	c.count++
	if c.first.IsZero() || at.Before(c.first) {
		c.first = at
	}
	if at.After(c.last) {
		c.last = at
	}
	c.examples = slices.Insert(c.examples, 0, example())
	if len(c.examples) > maxExamples {
		c.examples = c.examples[:maxExamples]
	}
}

func (s *search) collect(kind, name string) *collection {
	id := kind + "/" + name
	c := s.found[id]
	if c == nil {
		c = &collection{kind: kind, name: name}
		s.found[id] = c
	}
	return c
}

// look takes in one event.
func (s *search) look(ev *auth.Event) {
	if ev.Subject == "" || ev.Count > 1 {
		return
	}
	if ev.Verdict == auth.Accept {
		reference := s.admin.References.Of(ev.Seq)
		if left, gaveUp := s.departures.left(ev, reference); left {
			s.collect(lateApproval, ev.Client).add(ev.Time, func() FindingExample {
				return FindingExample{Account: ev.Account, What: leftText(ev.Took, gaveUp), Logins: []FindingLogin{s.view(s.loginOf(ev))}}
			})
		}
	}
	// Console and portal confirm who somebody is more often than they sign them
	// in, and nothing spares that.
	if ev.Application == "" || ev.Application == auth.ConsoleClient || ev.Application == auth.PortalClient {
		return
	}
	switch ev.Outcome {
	case auth.UsedCacheUser, auth.UsedCacheApplication, auth.UsedCacheIP:
		s.collect(doublePrompt, ev.Application).spared++
		return
	}
	genuine := s.genuine(ev)
	if !genuine && ev.Verdict != auth.Challenge {
		return
	}
	r := s.use(recentKey{ev.Subject, ev.Application}, ev.Time)
	if !genuine {
		if r.asked == nil {
			r.asked = make(map[string]time.Time)
		}
		if _, known := r.asked[ev.Client]; known || len(r.asked) < maxAskedClients {
			r.asked[ev.Client] = ev.Time
		}
		return
	}
	second := s.loginOf(ev)
	if first := r.login; first != nil {
		s.compare(ev, r, first, &second)
	}
	r.login = &second
}

// genuine reports whether ev is a login for which the person gave a second
// factor: not one that an exemption spared it, nor one that got the answer of
// another.
func (s *search) genuine(ev *auth.Event) bool {
	return ev.Verdict == auth.Accept && ev.Joined == 0 && slices.Contains(s.second, ev.Factor)
}

// loginOf returns the login that ev accepted.
func (s *search) loginOf(ev *auth.Event) login {
	l := login{seq: ev.Seq, time: ev.Time, client: ev.Client, from: ev.From, node: ev.Node, request: ev.Request}
	if c := s.settings.Client(ev.Client); c != nil && c.Origin == auth.OriginCalling {
		l.origin, _ = radius.StationAddress([]byte(ev.From))
	}
	return l
}

// compare looks whether two logins of one person were one errand.
func (s *search) compare(ev *auth.Event, r *recent, first, second *login) {
	gap := second.time.Sub(first.time)
	if gap < 0 { // committed in the other order
		first, second, gap = second, first, -gap
	}
	if gap > promptGap || first.request != "" && first.request == second.request {
		return
	}
	application := r.key.application
	what := fmt.Sprintf("two genuine logins %s apart, both prompted", gapText(gap))
	example := func() FindingExample {
		return FindingExample{Account: ev.Account, What: what, Logins: []FindingLogin{s.view(*first), s.view(*second)}}
	}
	// Where the second was asked before the first was answered no cache could
	// have known; such logins are joined, if it is sure whence they come.
	if asked, ok := r.asked[second.client]; ok && asked.Before(first.time) && asked.After(first.time.Add(-promptGap)) {
		s.collect(parallelPrompt, application).add(second.time, example)
		return
	}
	same := first.origin.IsValid() && first.origin == second.origin
	c := s.collect(doublePrompt, application)
	if rule := cacheRuleOf(s.settings, application); rule != nil && rule.Life > gap && (rule.Type != auth.CacheUserAddress || same) {
		c.spared++ // from when the rule was made
		return
	}
	c.add(second.time, example)
	if same {
		c.same++
	} else if first.origin.IsValid() && second.origin.IsValid() {
		c.apart++
	}
	if gap < time.Minute {
		c.minute++
	}
	if gap < 2*time.Minute {
		c.twoMinutes++
	}
}

// cacheRuleOf returns the cache rule that is in force for an application: of
// several the narrowest; nil if there is none.
func cacheRuleOf(s *auth.Settings, application string) *auth.CacheRule {
	for _, t := range []auth.CacheType{auth.CacheUserAddress, auth.CacheUserApplication, auth.CacheUser} {
		for i := range s.CacheRules {
			if r := &s.CacheRules[i]; r.Application == application && r.Type == t {
				return r
			}
		}
	}
	return nil
}

func (s *search) view(l login) FindingLogin {
	return FindingLogin{Reference: string(s.admin.References.Of(l.seq)), Time: l.time, Client: l.client, From: l.from, Node: l.node}
}

// use returns what is remembered of k and forgets whoever is of no use any
// more.
func (s *search) use(k recentKey, now time.Time) *recent {
	r := s.recent[k]
	if r == nil {
		r = &recent{key: k}
		s.recent[k] = r
	} else {
		s.unlink(r)
	}
	r.used = now
	if r.older = s.newest; r.older != nil {
		r.older.newer = r
	} else {
		s.oldest = r
	}
	s.newest = r
	// Times are nearly in order: a request that waited is committed later than
	// its time by a minute at most, so nobody is forgotten too early.
	for o := s.oldest; o != r && (len(s.recent) > maxRecent || now.Sub(o.used) > 2*promptGap); o = s.oldest {
		s.unlink(o)
		delete(s.recent, o.key)
	}
	return r
}

func (s *search) unlink(r *recent) {
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		s.oldest = r.newer
	}
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		s.newest = r.older
	}
	r.older, r.newer = nil, nil
}

// findings makes findings of what was collected.
func (s *search) findings() []Finding {
	findings := []Finding{}
	for id, c := range s.found {
		if c.count == 0 || c.spared > 0 && most(c.spared, c.count+c.spared) {
			continue // the few that are left are errands of their own
		}
		f := Finding{ID: id, Kind: c.kind, Count: c.count, First: c.first, Last: c.last, Examples: c.examples}
		switch c.kind {
		case doublePrompt:
			s.adviseCache(&f, c)
		case parallelPrompt:
			f.Application = c.name
			f.Title = "people are asked twice at the same moment for " + c.name
			f.Advice = "Two clients asked for one person before the first question was answered, and it was not sure that it was the same person at the same place. " +
				"Let both clients send the person's address as Calling-Station-Id; the second login then waits for the first and gets its answer. A cache rule cannot help here: there is nothing to remember yet."
		case lateApproval:
			f.Client = c.name
			if settings := s.settings.Client(c.name); settings != nil {
				f.Application = settings.Application
			}
			f.Title = "people approve logins that client " + c.name + " does not wait for any more"
			f.Advice = "Set the time-out of the client to 60 s or more, and its retries so that it does not turn to another server meanwhile. sallyport client patience " + c.name + " shows what it does now."
		}
		findings = append(findings, f)
	}
	return findings
}

// most reports whether part is nine tenths of whole or more.
func most(part, whole uint64) bool { return part*10 >= whole*9 }

// adviseCache says which cache rule spares the second prompt.
func (s *search) adviseCache(f *Finding, c *collection) {
	rule := &auth.CacheRule{Application: c.name, Type: auth.CacheUserApplication, Life: 5 * time.Minute}
	switch {
	case most(c.minute, c.count):
		rule.Life = time.Minute
	case most(c.twoMinutes, c.count):
		rule.Life = 2 * time.Minute
	}
	if most(c.same, c.count) {
		rule.Type = auth.CacheUserAddress
	}
	f.Application = c.name
	f.Title = "people are asked twice in short order for " + c.name
	f.Advice = fmt.Sprintf("If it is the application that logs in twice, a cache rule lets the second login ride on the first for %s.", gapText(rule.Life))
	switch {
	case rule.Type == auth.CacheUserAddress:
		f.Advice += " It holds only for the same person, application and address."
	case c.apart > 0:
		f.Advice += fmt.Sprintf(" In %d of %d cases the two came from different addresses, so the rule cannot ask for the same one: first make sure that it was the same person.", c.apart, c.count)
	default:
		f.Advice += " The person's address is not known, so it cannot be part of the rule; let the client send it as Calling-Station-Id and look again for a narrower one."
	}
	f.Command = CacheCommand(rule.Application, rule.Type, rule.Life)
	if old := cacheRuleOf(s.settings, c.name); old != nil {
		f.Advice += " It takes the place of the rule " + cacheText(old) + ", which did not spare them."
		f.Command = "sallyport findings apply " + f.ID
	}
	f.rule = rule
}

// gapText writes a gap as people say it.
func gapText(d time.Duration) string {
	if d < 2*time.Minute || d%time.Minute != 0 {
		return fmt.Sprintf("%d seconds", int64(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d minutes", int64(d/time.Minute))
}
