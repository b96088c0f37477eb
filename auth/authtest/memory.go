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
// twice, told before it was kept, or moved back, is in Breaches.
type Memory struct {
	mu sync.Mutex
	// mu guards the fields below.
	settings   *auth.Settings
	accounts   map[string]*auth.Account // by ID
	names      map[string]string        // canonical name to account ID
	held       map[string][]auth.Authenticator
	throttles  map[string]auth.Throttle
	challenges map[auth.ChallengeID]auth.OpenChallenge
	versions   map[string]int64
	spent      map[spentKey]uint64 // the event that spent it
	events     []auth.Event
	commits    int
	breaches   []string

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

// NewMemory returns a store with these settings.
func NewMemory(s *auth.Settings) *Memory {
	return &Memory{
		settings:   s.Index(),
		accounts:   make(map[string]*auth.Account),
		names:      make(map[string]string),
		held:       make(map[string][]auth.Authenticator),
		throttles:  make(map[string]auth.Throttle),
		challenges: make(map[auth.ChallengeID]auth.OpenChallenge),
		versions:   make(map[string]int64),
		spent:      make(map[spentKey]uint64),
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
	m.versions[a.ID]++
}

// PutAuthenticator gives an account one more authenticator.
func (m *Memory) PutAuthenticator(a auth.Authenticator) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[a.Account] = append(m.held[a.Account], a)
	m.versions[a.Account]++
}

// PutSettings replaces the settings.
func (m *Memory) PutSettings(s *auth.Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Version = m.settings.Version + 1
	m.settings = s.Index()
}

// Unlock forgets the failures of a subject.
func (m *Memory) Unlock(subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.throttles, subject)
	m.versions[subject]++
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
	if c, ok := m.challenges[q.State]; ok && c.Subject == f.Subject {
		f.Challenge = &c
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
	if s.Subject != "" {
		if m.Unkind > 0 && m.commits%m.Unkind == 0 {
			return 0, auth.ErrConflict
		}
		if m.versions[s.Subject] != s.Version || m.settings.Version != s.Settings {
			return 0, auth.ErrConflict
		}
		m.versions[s.Subject]++
	}
	seq := uint64(len(m.events) + 1)
	for _, sp := range s.Spend {
		m.spend(seq, s.Subject, sp)
	}
	if s.Throttle != nil {
		m.throttles[s.Subject] = *s.Throttle
	}
	if s.Close != "" {
		if _, ok := m.challenges[s.Close]; !ok {
			m.breach("event %d answers a challenge that is not open", seq)
		}
		delete(m.challenges, s.Close)
	}
	if s.Open != nil {
		m.challenges[s.Open.ID] = *s.Open
	}
	s.Event.Seq = seq
	m.events = append(m.events, s.Event)
	if err := m.Fail; err != nil {
		m.Fail = nil
		return 0, err
	}
	return seq, nil
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

// ThrottleOf returns the failure counts of a subject.
func (m *Memory) ThrottleOf(subject string) auth.Throttle {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.throttles[subject]
}

// ErrDown is a database that cannot be reached.
var ErrDown = errors.New("authtest: the database is down")

// Epoch is when every world begins: a moment of no particular meaning that is
// the start of a 30-second step.
var Epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
