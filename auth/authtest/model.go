package authtest

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A Model is the policy of logins told a second time, from the specification
// and not from the engine, of which it knows only the numbers of outcomes. It
// is as plain as can be: no store, no concurrency, no cost that must look alike,
// facts changed in place. Tests compare it with the engine and with the whole
// program after each step of random sequences (SP 800-63B-4, Section 3.2.2, for
// the limits; RFC 6238, Section 5.2, for codes).
type Model struct {
	Clients map[string]ModelClient
	Groups  map[string][]string // reply attributes by name of the group
	People  map[string]*ModelPerson

	// The policy. Changed adds one to Version whenever any of it is touched.
	Version int
	Rules   []ModelRule // in the order in which they are asked
	Trusted []ModelTrust
	Caching []ModelCaching

	Free, Stop int           // failures that are judged, and that stop, of each class
	Life       time.Duration // of a challenge, where the rule says nothing
	Drift      int64         // steps that a token's clock may be off
}

// A ModelClient is a client of the model.
type ModelClient struct {
	Door        string
	Application string
	Asks        bool // it carries challenges; else password and code come in one field
	Checked     bool // it has checked the password itself
	Blind       bool // its word on where people are is not believed
	Attributes  []string
}

// A ModelPerson is an account, or a name that nobody has (Exists false), which
// has failures and challenges all the same.
type ModelPerson struct {
	Exists       bool
	Disabled     bool
	Blocked      bool
	BlockedUntil time.Time
	Groups       []string
	Password     string                  // "" for none
	Code         func(step int64) string // what the app or token shows, nil without one
	Counting     bool                    // it is a token that counts (RFC 4226) instead of looking at the clock
	Spent        int64                   // newest step or counter that was accepted
	Sheet        map[string]bool         // recovery codes, true if used; nil without a sheet
	BypassFrom   time.Time
	BypassUntil  time.Time // zero without a bypass
	Know, Have   ModelCount

	questions []*ModelQuestion
	cached    []modelEntry
}

// A modelEntry is a success by a factor that is remembered.
type modelEntry struct {
	key, factor string
	from, until time.Time
}

// A ModelCount counts consecutive failures.
type ModelCount struct {
	Failures int
	Until    time.Time
}

// A ModelRule is a rule.
type ModelRule struct {
	Name                                   string
	Applications, Clients, Groups, Methods []string
	Sources                                []ModelRange
	Hours                                  []ModelHours

	Refuse, Primary bool
	Admit           []string // factors, empty for all
	Pass, Enrol     bool     // people without a second factor; neither: refuse
	Life            time.Duration
	Attributes      []string
}

// A ModelRange is all addresses from First to Last.
type ModelRange struct{ First, Last netip.Addr }

// ModelHours are minutes of the day on days of the week, so many minutes ahead
// of UTC. A window over midnight belongs to the day on which it begins.
type ModelHours struct {
	Days     [7]bool
	From, To int
	East     int
}

// A ModelTrust is a trusted IP.
type ModelTrust struct {
	Application string
	Range       ModelRange
}

// A ModelCaching is a cache rule; Type is the outcome of a hit: 6, 9 or 8.
type ModelCaching struct {
	Application string
	Type        auth.Outcome
	Life        time.Duration
}

// A ModelQuestion is a challenge.
type ModelQuestion struct {
	Login *struct{ Settled bool } // shared by all challenges of one login

	person      *ModelPerson
	client      string
	application string
	from        string
	session     string
	Expires     time.Time
}

// A ModelLogin is one request.
type ModelLogin struct {
	Client, Name   string // Name is that of the person, however it was typed
	Password, Code string // "" for none
	Answers        *ModelQuestion
	From, Session  string
	Origin         netip.Addr
	Time           time.Time
}

// A ModelAnswer is what the model says of a request.
type ModelAnswer struct {
	Verdict    auth.Verdict
	Outcome    auth.Outcome
	Rule       string
	Attributes []string
	Asked      *ModelQuestion
}

// Changed says that the policy has been touched.
func (m *Model) Changed() { m.Version++ }

// Touched says that an administrator has changed a person, what it holds or its
// failures: what was cached and what was asked is void.
func (p *ModelPerson) Touched() { p.questions, p.cached = nil, nil }

// Forget says that an administrator has purged what is cached of a person.
func (p *ModelPerson) Forget() { p.cached = nil }

// Moments are when something about a person ends by itself.
func (m *Model) Moments(p *ModelPerson) []time.Time {
	all := []time.Time{p.Know.Until, p.Have.Until, p.BlockedUntil, p.BypassUntil}
	for _, q := range p.questions {
		all = append(all, q.Expires)
	}
	for _, e := range p.cached {
		all = append(all, e.until)
		for _, k := range m.Caching {
			all = append(all, e.from.Add(k.Life))
		}
	}
	return all
}

// Try judges a request.
func (m *Model) Try(l ModelLogin) ModelAnswer {
	c, p := m.Clients[l.Client], m.People[l.Name]
	if c.Blind {
		l.Origin = netip.Addr{}
	}
	reject := func(o auth.Outcome) ModelAnswer { return ModelAnswer{Verdict: auth.Reject, Outcome: o} }
	gone := p.gone(l.Time)

	// Failures of second factors hold every login, those of passwords the
	// logins that bring one to us.
	switch {
	case p.Have.Failures >= m.Stop || p.Know.Failures+p.Have.Failures >= 100:
		return reject(1402)
	case !c.Checked && p.Know.Failures >= m.Stop:
		return reject(105)
	case l.Time.Before(p.Have.Until), !c.Checked && l.Time.Before(p.Know.Until):
		return reject(1401)
	}

	if q := l.Answers; q != nil {
		switch {
		case q.Login.Settled || !slices.Contains(p.questions, q):
			if gone == -102 || gone == 14 {
				return reject(gone) // its challenges went when that was done
			}
			return reject(1602)
		case q.client != l.Client:
			return reject(1603)
		case !l.Time.Before(q.Expires):
			return reject(1601)
		}
		q.Login.Settled = true // by whatever comes of it
	}

	if !c.Checked && l.Answers == nil {
		switch {
		case l.Password == "":
			return reject(first(gone, 1302))
		case gone != 0 || p.Password == "":
			m.failed(p, &p.Know, l.Time)
			return reject(first(gone, 1303))
		case l.Password != p.Password:
			m.failed(p, &p.Know, l.Time)
			return reject(1301)
		}
	}

	rule := m.rule(l, c, p)
	reject = func(o auth.Outcome) ModelAnswer {
		return ModelAnswer{Verdict: auth.Reject, Outcome: o, Rule: rule.Name}
	}
	accept := func(o auth.Outcome) ModelAnswer {
		if !c.Checked {
			p.Know = ModelCount{}
		}
		a := ModelAnswer{Verdict: auth.Accept, Outcome: o, Rule: rule.Name}
		a.Attributes = append(append(a.Attributes, c.Attributes...), rule.Attributes...)
		for _, g := range p.Groups {
			a.Attributes = append(a.Attributes, m.Groups[g]...)
		}
		return a
	}
	app := p.Code != nil && rule.admits("oath")
	sheet := p.Sheet != nil && rule.admits("recovery")
	key, caching := m.caching(l, c)

	if gone == 0 && rule.Refuse && !c.Checked && l.Answers == nil {
		return reject(1404)
	}
	if gone == 0 && !rule.Refuse && l.Answers == nil {
		hit := key != "" && slices.ContainsFunc(p.cached, func(e modelEntry) bool {
			return e.key == key && rule.admits(e.factor) && !l.Time.Before(e.from) &&
				l.Time.Before(e.until) && l.Time.Before(e.from.Add(caching.Life))
		})
		switch {
		case m.trusts(c.Application, l.Origin):
			return accept(-104)
		case rule.Primary:
			return accept(-100)
		case hit:
			return accept(caching.Type)
		case !l.Time.Before(p.BypassFrom) && l.Time.Before(p.BypassUntil):
			p.BypassUntil = time.Time{}
			return accept(7)
		case !app && !sheet && rule.Pass:
			return accept(-100)
		}
	}

	// From here on a code decides. At a client that has checked the password
	// everybody is asked for one.
	var none auth.Outcome
	switch {
	case gone != 0:
		none = gone
	case !app && !sheet && rule.Enrol && !c.Checked && l.Answers == nil:
		return reject(1406) // told only to whom the password is right
	case !app && !sheet:
		none = -103
	}
	if l.Code == "" {
		switch {
		case none != 0 && !c.Checked:
			return reject(none)
		case l.Answers == nil && c.Asks:
			return m.ask(l, c, p, rule)
		case gone != 0:
			return reject(gone)
		case l.Answers == nil && slices.ContainsFunc(p.questions, func(q *ModelQuestion) bool {
			return q.open(l.Time) && q.application == c.Application
		}):
			return reject(101)
		}
		return reject(1502)
	}
	var why auth.Outcome
	spent := p.Spent
	switch {
	case none != 0:
		why = none
	case digits(l.Code) && app:
		why = m.code(p, l)
	case !digits(l.Code) && sheet:
		used, there := p.Sheet[l.Code]
		switch {
		case there && !used:
			p.Sheet[l.Code], why = true, 1001
		case there:
			why = 1505
		case strings.Count(l.Code, "-") == 1:
			why = 1504
		default:
			why = 1503
		}
	default:
		why = 1503
	}
	switch {
	case (why == 23 || why == 1001) && rule.Refuse:
		p.Spent = spent // whoever is refused all the same keeps the code
		if why == 1001 {
			p.Sheet[l.Code] = false
		}
		why = 1404
	case why == 23 || why == 1001:
		a := accept(why)
		p.Know, p.Have = ModelCount{}, ModelCount{}
		if key != "" {
			e := modelEntry{key, "oath", l.Time, l.Time.Add(caching.Life)}
			if why == 1001 {
				e.factor = "recovery"
			}
			p.cached = append(slices.DeleteFunc(p.cached, func(old modelEntry) bool { return old.key == e.key && old.factor == e.factor }), e)
		}
		return a
	case why == 139:
		p.cached = nil // no guess, but somebody has seen a code
	default:
		m.failed(p, &p.Have, l.Time)
	}
	return reject(why)
}

// gone says why a person cannot log in whatever it brings.
func (p *ModelPerson) gone(at time.Time) auth.Outcome {
	switch {
	case !p.Exists:
		return -101
	case p.Disabled:
		return -102
	case p.Blocked && (p.BlockedUntil.IsZero() || at.Before(p.BlockedUntil)):
		return 14
	}
	return 0
}

// failed counts a failure: ten are free, then come 30 s, 1, 2, 4 ... 60 min.
func (m *Model) failed(p *ModelPerson, c *ModelCount, at time.Time) {
	p.cached = nil
	c.Failures++
	if c.Failures < m.Free {
		return
	}
	wait := 30 * time.Second
	for range c.Failures - m.Free {
		wait = min(2*wait, time.Hour)
	}
	c.Until = at.Add(wait)
}

// code judges the code of an app or token.
func (m *Model) code(p *ModelPerson, l ModelLogin) auth.Outcome {
	if p.Counting {
		for c := p.Spent + 1; c <= p.Spent+5; c++ { // RFC 4226, Section 7.4: the token may have run ahead
			if p.Code(c) == l.Code {
				p.Spent = c
				return 23
			}
		}
		for c := max(0, p.Spent-19); c <= p.Spent; c++ {
			switch {
			case p.Code(c) == l.Code && c == p.Spent:
				return 139
			case p.Code(c) == l.Code:
				return 140
			}
		}
		return 138
	}
	now := l.Time.Unix() / 30
	newest := func(around int64) (int64, bool) {
		for s := now + around; s >= now-around; s-- {
			if p.Code(s) == l.Code {
				return s, true
			}
		}
		return 0, false
	}
	step, ok := newest(m.Drift)
	if ok && step > p.Spent {
		p.Spent = step
		return 23
	}
	if !ok {
		step, ok = newest(20)
	}
	switch {
	case !ok:
		return 138
	case step == p.Spent:
		return 139
	}
	return 140
}

// ask opens a challenge. The same connection that asks again while its login is
// open gets a further question of the same login.
func (m *Model) ask(l ModelLogin, c ModelClient, p *ModelPerson, rule ModelRule) ModelAnswer {
	life := m.Life
	if rule.Life > 0 {
		life = rule.Life
	}
	q := &ModelQuestion{
		Login: new(struct{ Settled bool }), person: p, client: l.Client, application: c.Application,
		from: l.From, session: l.Session, Expires: l.Time.Add(life),
	}
	for _, o := range p.questions {
		if o.open(l.Time) && l.From != "" && o.from == l.From && o.client == l.Client && o.session == l.Session {
			q.Login = o.Login
			break
		}
	}
	p.questions = append(p.questions, q)
	return ModelAnswer{Verdict: auth.Challenge, Outcome: 22, Rule: rule.Name, Asked: q}
}

func (q *ModelQuestion) open(at time.Time) bool { return !q.Login.Settled && at.Before(q.Expires) }

// rule finds the first rule that matches.
func (m *Model) rule(l ModelLogin, c ModelClient, p *ModelPerson) ModelRule {
	var groups, holds []string
	if p.Exists {
		groups = p.Groups
		if p.Code != nil {
			holds = append(holds, "oath")
		}
		if p.Sheet != nil {
			holds = append(holds, "recovery")
		}
		if p.Password != "" {
			holds = append(holds, "password")
		}
	}
	one := func(want []string, have ...string) bool {
		return len(want) == 0 || slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) })
	}
	for _, r := range m.Rules {
		if one(r.Applications, c.Application) && one(r.Clients, l.Client) && one(r.Groups, groups...) && one(r.Methods, holds...) &&
			(len(r.Sources) == 0 || slices.ContainsFunc(r.Sources, func(s ModelRange) bool { return s.holds(l.Origin) })) &&
			(len(r.Hours) == 0 || slices.ContainsFunc(r.Hours, func(h ModelHours) bool { return h.hold(l.Time) })) {
			return r
		}
	}
	return ModelRule{Name: "strictest"}
}

func (r *ModelRule) admits(factor string) bool {
	return len(r.Admit) == 0 || slices.Contains(r.Admit, factor)
}

// holds compares addresses number by number; IPv4 in IPv6 is IPv4.
func (r ModelRange) holds(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && a.Is4() == r.First.Is4() && !a.Less(r.First) && !r.Last.Less(a)
}

func (h ModelHours) hold(at time.Time) bool {
	at = at.UTC().Add(time.Duration(h.East) * time.Minute)
	day, minute := int(at.Weekday()), at.Hour()*60+at.Minute()
	if h.From < h.To {
		return h.Days[day] && h.From <= minute && minute < h.To
	}
	return h.Days[day] && minute >= h.From || h.Days[(day+6)%7] && minute < h.To
}

func (m *Model) trusts(application string, origin netip.Addr) bool {
	return slices.ContainsFunc(m.Trusted, func(t ModelTrust) bool { return t.Application == application && t.Range.holds(origin) })
}

// caching returns the key under which a success is kept and looked for, ""
// for none: that of the narrowest cache rule of the application.
func (m *Model) caching(l ModelLogin, c ModelClient) (string, ModelCaching) {
	var best ModelCaching
	for _, k := range m.Caching {
		narrow := map[auth.Outcome]int{6: 1, 9: 2, 8: 3}
		if k.Application == c.Application && narrow[k.Type] > narrow[best.Type] {
			best = k
		}
	}
	scope := []string{time.Duration(m.Version).String(), best.Type.String()}
	switch {
	case best.Type == 0, best.Type == 8 && !l.Origin.IsValid():
		return "", best
	case best.Type == 9:
		scope = append(scope, c.Door, c.Application)
	case best.Type == 8:
		scope = append(scope, c.Door, c.Application, l.Origin.Unmap().String())
	}
	return strings.Join(scope, "\x00"), best
}

func digits(s string) bool {
	return len(s) == 6 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || '9' < r })
}

func first(a, b auth.Outcome) auth.Outcome {
	if a != 0 {
		return a
	}
	return b
}
