package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sallyport/auth"
)

// Memory is an auth.Store in memory for tests. It is unkind: every few
// commits it reports a conflict although it has none, and it can be told to
// fail after it has done the work. It also keeps books: whatever was spent
// twice, told before it was kept, or moved back, is in Breaches. What has expired
// it goes on handing out for an hour, as a store whose clock is behind would: the
// engine must look at the times itself.
type Memory struct {
	mu sync.Mutex
	// mu guards the fields below.
	settings  *auth.Settings
	accounts  map[string]*auth.Account // by ID
	names     map[string]string        // canonical name to account ID
	held      map[string][]auth.Authenticator
	throttles map[string]auth.Throttle
	logins    map[string][]auth.OpenChallenge // by subject, in the order in which they were opened
	cached    map[string][]auth.CacheEntry
	bypasses  map[string]auth.Bypass // by account ID
	answered  map[string][]answer
	versions  map[string]int64
	watching  map[string][]chan struct{}
	spent     map[spentKey]uint64 // the event that spent it
	used      map[string]uint64   // bypasses, by ID
	events    []auth.Event
	commits   int
	breaches  []string

	// Unkind makes every n-th commit a conflict, 0 for none.
	Unkind int
	// Fail, when set, is returned by the next Commit after it has done the
	// work: the answer of a database that died before it could say so.
	Fail error
	// Down, when set, is returned by every call: the database is gone.
	Down error
}

type spentKey struct {
	authenticator string
	mark          int64
}

// An answer is a final one, with the request that it was given to.
type answer struct {
	request string
	auth.Answered
}

const (
	keptAnswers = 8         // of one subject
	kept        = time.Hour // how long things are handed out after they have expired
)

// NewMemory returns a store with these settings.
func NewMemory(s *auth.Settings) *Memory {
	return &Memory{
		settings:  s.Index(),
		accounts:  make(map[string]*auth.Account),
		names:     make(map[string]string),
		held:      make(map[string][]auth.Authenticator),
		throttles: make(map[string]auth.Throttle),
		logins:    make(map[string][]auth.OpenChallenge),
		cached:    make(map[string][]auth.CacheEntry),
		bypasses:  make(map[string]auth.Bypass),
		answered:  make(map[string][]answer),
		versions:  make(map[string]int64),
		watching:  make(map[string][]chan struct{}),
		spent:     make(map[spentKey]uint64),
		used:      make(map[string]uint64),
	}
}

// PutAccount adds an account or replaces the one of that ID.
func (m *Memory) PutAccount(a auth.Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.Groups, a.Aliases = slices.Clone(a.Groups), slices.Clone(a.Aliases)
	m.accounts[a.ID] = &a
	for _, n := range append([]string{a.Name}, a.Aliases...) {
		m.names[n] = a.ID
	}
	m.changed(a.ID)
}

// PutAuthenticator gives an account one more authenticator, or replaces the one
// of that ID.
func (m *Memory) PutAuthenticator(a auth.Authenticator) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.held[a.Account], func(b auth.Authenticator) bool { return b.ID == a.ID }); i >= 0 {
		m.held[a.Account][i] = a
	} else {
		m.held[a.Account] = append(m.held[a.Account], a)
	}
	m.changed(a.Account)
}

// DropAuthenticator takes an authenticator away, as revoking it does.
func (m *Memory) DropAuthenticator(account, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[account] = slices.DeleteFunc(m.held[account], func(a auth.Authenticator) bool { return a.ID == id })
	m.changed(account)
}

// Authenticators returns what an account holds.
func (m *Memory) Authenticators(account string) []auth.Authenticator {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.held[account])
}

// PutSettings replaces the settings.
func (m *Memory) PutSettings(s *auth.Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Version = m.settings.Version + 1
	m.settings = s.Index()
}

// PutBypass gives an account a bypass in place of any that it has.
func (m *Memory) PutBypass(b auth.Bypass) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bypasses[b.Account] = b
	m.moved(b.Account)
}

// Unlock forgets the failures of a subject.
func (m *Memory) Unlock(subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.throttles, subject)
	m.changed(subject)
}

// changed is what every administrative change of a subject does. mu must be held.
func (m *Memory) changed(subject string) {
	delete(m.logins, subject)
	delete(m.cached, subject)
	m.moved(subject)
}

// moved gives the subject a new version and wakes who watches it. mu must be
// held.
func (m *Memory) moved(subject string) {
	m.versions[subject]++
	for _, c := range m.watching[subject] {
		close(c)
	}
	delete(m.watching, subject)
}

// Watch implements auth.Store.
func (m *Memory) Watch(subject string) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan struct{})
	m.watching[subject] = append(m.watching[subject], c)
	return c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		left := slices.DeleteFunc(m.watching[subject], func(d chan struct{}) bool { return d == c })
		if m.watching[subject] = left; len(left) == 0 {
			delete(m.watching, subject)
		}
	}
}

// Watching says how many watches have not ended.
func (m *Memory) Watching() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, w := range m.watching {
		n += len(w)
	}
	return n
}

// Settings implements auth.Store.
func (m *Memory) Settings() *auth.Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settings
}

// Snapshot implements auth.Store.
func (m *Memory) Snapshot(ctx context.Context, q auth.Query, _ bool) (auth.Facts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Down != nil {
		return auth.Facts{}, m.Down
	}
	f := auth.Facts{Subject: q.Unknown, Settings: m.settings}
	for _, n := range q.Names {
		if id, ok := m.names[n]; ok {
			a := *m.accounts[id]
			f.Subject, f.Account = id, &a
			f.Authenticators = slices.Clone(m.held[id])
			break
		}
	}
	f.Version = m.versions[f.Subject]
	f.Throttle = m.throttles[f.Subject]
	f.Logins = slices.Clone(m.logins[f.Subject])
	for i := range f.Logins {
		if c := f.Logins[i]; c.ID == q.State && c.Settled == nil {
			f.Challenge = &c
		}
	}
	f.Cached = slices.Clone(m.cached[f.Subject])
	if b, ok := m.bypasses[f.Subject]; ok {
		f.Bypass = &b
	}
	for _, a := range m.answered[f.Subject] {
		if q.Request != "" && a.request == q.Request {
			f.Answered = &a.Answered
		}
	}
	return f, ctx.Err()
}

// Commit implements auth.Store.
func (m *Memory) Commit(ctx context.Context, s auth.Settlement) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Down != nil {
		return 0, m.Down
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.commits++
	seq := uint64(len(m.events) + 1)
	if s.Subject != "" {
		if m.Unkind > 0 && m.commits%m.Unkind == 0 {
			return 0, auth.ErrConflict
		}
		if m.versions[s.Subject] != s.Version || m.settings.Version != s.Settings {
			return 0, auth.ErrConflict
		}
		if !m.fits(seq, &s) {
			return 0, auth.ErrConflict
		}
		m.keep(seq, &s)
		m.moved(s.Subject)
	} else if s.Throttle != nil || s.Spend != nil || s.Open != nil || s.Close != "" || s.Cache != nil || s.Purge || s.Bypass != "" {
		m.breach("event %d rests on no facts and changes some", seq)
	}
	s.Event.Seq = seq
	m.events = append(m.events, s.Event)
	if err := m.Fail; err != nil {
		m.Fail = nil
		return 0, err
	}
	return seq, nil
}

// fits reports whether what s uses up is there. Facts of the version that s
// names said that it was, so that it is a breach if it is not. mu must be held.
func (m *Memory) fits(seq uint64, s *auth.Settlement) bool {
	if s.Close != "" && m.open(s.Subject, s.Close) == nil {
		m.breach("event %d answers a challenge that is not open", seq)
		return false
	}
	if s.Bypass != "" {
		if first, twice := m.used[s.Bypass]; twice {
			m.breach("events %d and %d both spend bypass %s", first, seq, s.Bypass)
			return false
		}
		if b, ok := m.bypasses[s.Subject]; !ok || b.ID != s.Bypass {
			m.breach("event %d spends bypass %s, which %s does not have", seq, s.Bypass, s.Subject)
			return false
		}
	}
	return true
}

// open returns the subject's open challenge of that ID, or nil. mu must be held.
func (m *Memory) open(subject string, id auth.ChallengeID) *auth.OpenChallenge {
	for i := range m.logins[subject] {
		if c := &m.logins[subject][i]; c.ID == id && c.Settled == nil {
			return c
		}
	}
	return nil
}

// keep writes what s changes. mu must be held.
func (m *Memory) keep(seq uint64, s *auth.Settlement) {
	ev := &s.Event
	for _, sp := range s.Spend {
		m.spend(seq, s.Subject, sp)
	}
	if s.Throttle != nil {
		m.throttles[s.Subject] = *s.Throttle
	}
	done := auth.Answered{Seq: seq, Time: ev.Time, Client: ev.Client, Verdict: ev.Verdict, Outcome: ev.Outcome, Rule: ev.Rule}
	m.logins[s.Subject] = slices.DeleteFunc(m.logins[s.Subject], func(c auth.OpenChallenge) bool {
		return c.Expires.Add(kept).Before(ev.Time)
	})
	if s.Close != "" {
		login := m.open(s.Subject, s.Close).Login
		for i := range m.logins[s.Subject] {
			if c := &m.logins[s.Subject][i]; c.Login == login && c.Settled == nil {
				c.Settled = &done
			}
		}
	}
	if o := s.Open; o != nil {
		if o.Login == "" || o.Subject != s.Subject || ev.Verdict != auth.Challenge {
			m.breach("event %d opens a challenge of login %q for %s", seq, o.Login, o.Subject)
		}
		m.logins[s.Subject] = append(m.logins[s.Subject], *o)
	}
	if s.Purge {
		delete(m.cached, s.Subject)
	}
	for _, e := range s.Cache {
		// Only what a second factor completed may spare the next one.
		if ev.Verdict != auth.Accept || ev.Outcome.Meaning().Stage != auth.StageAnswer || ev.Authenticator == "" || ev.Joined != 0 {
			m.breach("event %d is cached although no second factor completed it: %v", seq, ev.Outcome)
		}
		e.Seq = seq
		m.cached[s.Subject] = append(slices.DeleteFunc(m.cached[s.Subject], func(old auth.CacheEntry) bool {
			return old.Key == e.Key || old.Until.Add(kept).Before(ev.Time)
		}), e)
	}
	if s.Bypass != "" {
		m.used[s.Bypass] = seq
		delete(m.bypasses, s.Subject)
	}
	if (ev.Outcome == auth.BypassedAuth) != (s.Bypass != "") && ev.Joined == 0 {
		m.breach("event %d ends as %v and spends bypass %q", seq, ev.Outcome, s.Bypass)
	}
	if ev.Request != "" {
		if ev.Verdict != auth.Accept && ev.Verdict != auth.Reject {
			m.breach("event %d keeps the answer %v, which is not final", seq, ev.Verdict)
		}
		all := append(m.answered[s.Subject], answer{ev.Request, done})
		m.answered[s.Subject] = all[max(0, len(all)-keptAnswers):]
	}
}

func (m *Memory) spend(seq uint64, subject string, sp auth.Spend) {
	for i := range m.held[subject] {
		a := &m.held[subject][i]
		if a.ID != sp.Authenticator {
			continue
		}
		if sp.Mark < a.Mark {
			m.breach("event %d moves the mark of %s back from %d to %d", seq, a.ID, a.Mark, sp.Mark)
		}
		if sp.Mark > a.Mark {
			key := spentKey{a.ID, sp.Mark}
			if first, twice := m.spent[key]; twice {
				m.breach("events %d and %d both spend step %d of %s", first, seq, sp.Mark, a.ID)
			}
			m.spent[key] = seq
		}
		a.Mark = sp.Mark
		if sp.Next != nil {
			a.State = sp.Next
		}
		return
	}
	m.breach("event %d spends %s, which %s does not hold", seq, sp.Authenticator, subject)
}

func (m *Memory) breach(format string, args ...any) {
	m.breaches = append(m.breaches, fmt.Sprintf(format, args...))
}

// Events returns all events so far.
func (m *Memory) Events() []auth.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Breaches returns the invariants that were broken so far.
func (m *Memory) Breaches() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.breaches)
}

// CachedOf returns the cache entries of a subject.
func (m *Memory) CachedOf(subject string) []auth.CacheEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.cached[subject])
}

// ThrottleOf returns the failure counts of a subject.
func (m *Memory) ThrottleOf(subject string) auth.Throttle {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.throttles[subject]
}

// Break sets Down while logins are under way; nil mends it.
func (m *Memory) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Down = err
}

// ErrDown is a database that cannot be reached.
var ErrDown = errors.New("authtest: the database is down")

// Epoch is when every world begins: a moment of no particular meaning that is
// the start of a 30-second step.
var Epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
