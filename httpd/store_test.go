package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A memory is an admin.Store in memory. Its failures are set by tests.
type memory struct {
	admin.Store // nil: methods that are not below are not asked for here, and panic

	mu             sync.Mutex
	settings       auth.Settings
	accounts       []auth.Account // by name
	authenticators []auth.Authenticator
	events         []auth.Event
	acts           []admin.Act
	bypasses       []auth.Bypass

	fail        error // what every call returns, if set
	failEvents  int   // how many calls of Events succeed before they fail; 0 for all
	backup      func(io.Writer) error
	backupCalls int
	panics      bool   // Throttle does
	before      func() // called by Apply before it does anything, if set
}

var _ admin.Store = (*memory)(nil)

func (m *memory) Settings() *auth.Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.settings
	s.Rules = slices.Clone(s.Rules) // they are renumbered in place
	return s.Index()
}

func (m *memory) Account(_ context.Context, name string) (auth.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return auth.Account{}, m.fail
	}
	for _, a := range m.accounts {
		if a.Name == name || slices.Contains(a.Aliases, name) {
			return a, nil
		}
	}
	return auth.Account{}, admin.ErrNotFound
}

func (m *memory) AccountByID(_ context.Context, id string) (auth.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if a.ID == id {
			return a, m.fail
		}
	}
	return auth.Account{}, admin.ErrNotFound
}

func (m *memory) Accounts(_ context.Context, after string, limit int) ([]auth.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []auth.Account
	for _, a := range m.accounts {
		if a.Name > after && len(found) < limit {
			found = append(found, a)
		}
	}
	return found, m.fail
}

func (m *memory) Authenticators(_ context.Context, account string) ([]auth.Authenticator, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var held []auth.Authenticator
	for _, au := range m.authenticators {
		if au.Account == account {
			held = append(held, au)
		}
	}
	return held, m.fail
}

func (m *memory) Authenticator(_ context.Context, idOrSerial string) (auth.Authenticator, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, au := range m.authenticators {
		if au.ID == idOrSerial || au.Serial == idOrSerial {
			return au, nil
		}
	}
	return auth.Authenticator{}, fmt.Errorf("store: %w", admin.ErrNotFound)
}

func (m *memory) Throttle(context.Context, string) (auth.Throttle, error) {
	if m.panics {
		panic("throttle is broken")
	}
	return auth.Throttle{}, m.fail
}

func (m *memory) Apply(_ context.Context, act admin.Act, changes ...admin.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.before != nil {
		m.before()
	}
	for _, c := range changes {
		if err := m.apply(c); err != nil {
			return fmt.Errorf("store: apply: %w", err)
		}
	}
	act.Seq = uint64(len(m.acts) + 1)
	m.acts = append(m.acts, act)
	return nil
}

func (m *memory) apply(c admin.Change) error {
	switch c := c.(type) {
	case admin.AddAccount:
		for _, a := range m.accounts {
			if a.Name == c.Account.Name {
				return fmt.Errorf("%w: %s", admin.ErrExists, a.Name)
			}
		}
		m.accounts = append(m.accounts, c.Account)
		slices.SortFunc(m.accounts, func(a, b auth.Account) int { return strings.Compare(a.Name, b.Name) })
	case admin.UpdateAccount:
		for i := range m.accounts {
			if m.accounts[i].ID == c.ID {
				return c.Update(&m.accounts[i])
			}
		}
		return admin.ErrNotFound
	case admin.ResetThrottle:
	case admin.AddAuthenticator:
		m.authenticators = append(m.authenticators, c.Authenticator)
	case admin.UpdateAuthenticator:
		for i := range m.authenticators {
			if m.authenticators[i].ID == c.ID {
				return c.Update(&m.authenticators[i])
			}
		}
		return admin.ErrNotFound
	case admin.RemoveAuthenticator:
		m.authenticators = slices.DeleteFunc(m.authenticators, func(au auth.Authenticator) bool { return au.ID == c.ID })
	case admin.AddApplication:
		m.settings.Applications = append(m.settings.Applications, c.Application)
	case admin.AddClient:
		m.settings.Clients = append(m.settings.Clients, c.Client)
	case admin.AddGroup:
		m.settings.Groups = append(m.settings.Groups, c.Group)
	case admin.UpdateClient:
		for i := range m.settings.Clients {
			if m.settings.Clients[i].Name == c.Name {
				return c.Update(&m.settings.Clients[i])
			}
		}
		return admin.ErrNotFound
	case admin.UpdateGroup:
		return errors.New("not asked for here")
	case admin.RemoveClient:
		n := len(m.settings.Clients)
		m.settings.Clients = slices.DeleteFunc(m.settings.Clients, func(cl auth.Client) bool { return cl.Name == c.Name })
		if len(m.settings.Clients) == n {
			return admin.ErrNotFound
		}
	case admin.AddRule:
		if slices.ContainsFunc(m.settings.Rules, func(r auth.Rule) bool { return r.Name == c.Rule.Name }) {
			return fmt.Errorf("%w: %s", admin.ErrExists, c.Rule.Name)
		}
		m.placeRule(c.Rule)
	case admin.UpdateRule:
		i := slices.IndexFunc(m.settings.Rules, func(r auth.Rule) bool { return r.Name == c.Name })
		if i < 0 {
			return admin.ErrNotFound
		}
		r := m.settings.Rules[i]
		if err := c.Update(&r); err != nil {
			return err
		}
		m.settings.Rules = slices.Delete(m.settings.Rules, i, i+1)
		m.placeRule(r)
	case admin.RemoveRule:
		m.settings.Rules = slices.DeleteFunc(m.settings.Rules, func(r auth.Rule) bool { return r.Name == c.Name })
		m.numberRules()
	case admin.AddTrustedIP:
		if slices.ContainsFunc(m.settings.Trusted, func(t auth.TrustedIP) bool {
			return t.Application == c.TrustedIP.Application && t.Range == c.TrustedIP.Range
		}) {
			return admin.ErrExists
		}
		m.settings.Trusted = append(m.settings.Trusted, c.TrustedIP)
	case admin.RemoveTrustedIP:
		m.settings.Trusted = slices.DeleteFunc(m.settings.Trusted, func(t auth.TrustedIP) bool { return t.ID == c.ID })
	case admin.AddCacheRule:
		if slices.ContainsFunc(m.settings.CacheRules, func(r auth.CacheRule) bool { return r.Application == c.CacheRule.Application }) {
			return admin.ErrExists
		}
		m.settings.CacheRules = append(m.settings.CacheRules, c.CacheRule)
	case admin.RemoveCacheRule:
		m.settings.CacheRules = slices.DeleteFunc(m.settings.CacheRules, func(r auth.CacheRule) bool { return r.ID == c.ID })
	case admin.PurgeCache:
	case admin.AddBypass:
		m.bypasses = slices.DeleteFunc(m.bypasses, func(b auth.Bypass) bool { return b.Account == c.Bypass.Account })
		m.bypasses = append(m.bypasses, c.Bypass)
	case admin.RemoveBypass:
		n := len(m.bypasses)
		m.bypasses = slices.DeleteFunc(m.bypasses, func(b auth.Bypass) bool { return b.Account == c.Account })
		if len(m.bypasses) == n {
			return admin.ErrNotFound
		}
	}
	return nil
}

// placeRule puts a rule at its place, or at the end.
func (m *memory) placeRule(r auth.Rule) {
	at := int(r.Place) - 1
	if at < 0 || at > len(m.settings.Rules) {
		at = len(m.settings.Rules)
	}
	m.settings.Rules = slices.Insert(m.settings.Rules, at, r)
	m.numberRules()
}

func (m *memory) numberRules() {
	for i := range m.settings.Rules {
		m.settings.Rules[i].Place = int64(i) + 1
	}
}

func (m *memory) Bypasses(context.Context) ([]auth.Bypass, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.bypasses)
	for i := range list {
		for _, a := range m.accounts {
			if a.ID == list[i].Account {
				list[i].Name = a.Name
			}
		}
	}
	return list, m.fail
}

// log adds an event.
func (m *memory) log(account string, o auth.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, auth.Event{
		Seq: uint64(len(m.events) + 1), Time: start.Add(time.Duration(len(m.events)) * time.Second),
		Subject: account, Account: account, Outcome: o, Verdict: o.Meaning().Verdict, Count: 1,
	})
}

func (m *memory) Events(_ context.Context, f admin.EventFilter) ([]auth.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failEvents > 0 {
		if m.failEvents--; m.failEvents == 0 {
			m.fail = errors.New("store: list events: the disk is gone")
		}
	}
	var found []auth.Event
	for _, ev := range m.events {
		if ev.Seq > f.After && !ev.Time.Before(f.Since) && (f.Subject == "" || f.Subject == ev.Subject) && (f.Outcome == 0 || f.Outcome == ev.Outcome) {
			found = append(found, ev)
		}
	}
	if len(found) > f.Limit {
		if f.Newest {
			found = found[len(found)-f.Limit:]
		} else {
			found = found[:f.Limit]
		}
	}
	return found, m.fail
}

// SearchEvents gives what Events has, the newest first.
func (m *memory) SearchEvents(ctx context.Context, q admin.EventSearch) (admin.EventPage, error) {
	found, err := m.Events(ctx, admin.EventFilter{After: q.After, Since: q.Since, Subject: q.Subject, Outcome: q.Outcome, Limit: q.Limit, Newest: true})
	slices.Reverse(found)
	return admin.EventPage{Events: found}, err
}

func (m *memory) Event(_ context.Context, seq uint64) (auth.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq == 0 || seq > uint64(len(m.events)) {
		return auth.Event{}, admin.ErrNotFound
	}
	return m.events[seq-1], nil
}

func (m *memory) Acts(_ context.Context, after uint64, limit int) ([]admin.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.acts[min(after, uint64(len(m.acts))):]
	return slices.Clone(rest[:min(limit, len(rest))]), m.fail
}

func (m *memory) Backup(_ context.Context, w io.Writer) error {
	m.backupCalls++
	return m.backup(w)
}

func (m *memory) Reseal(context.Context) (int, error) { return 3, m.fail }

// A note is a factor whose authenticators are nothing but a note.
type note struct{ name string }

func (n note) Info() auth.Info {
	return auth.Info{Name: n.name, Title: n.name, Category: auth.Have}
}

func (n note) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	if b.Token != nil && len(b.Token.Key) < 16 {
		return auth.Bound{}, fmt.Errorf("%w: a short key", auth.ErrBind)
	}
	bound := auth.Bound{State: auth.Secret("state"), Mark: auth.NoMark, URI: "otpauth://totp/x"}
	if n.name == "recovery" {
		bound.URI, bound.Codes = "", []string{"AAAAA-BBBBB"}
	}
	if b.Token != nil {
		bound.Serial = b.Token.Serial
	}
	return bound, nil
}

func (n note) Verify(context.Context, auth.Authenticator, auth.Attempt) (auth.Finding, error) {
	return auth.Finding{}, nil
}

func (n note) Decoy() auth.Authenticator { return auth.Authenticator{Factor: n.name} }

func (n note) Resync(_ context.Context, au auth.Authenticator, first, second auth.Code, _ time.Time) (auth.Finding, error) {
	if first == "111111" && second == "222222" {
		return auth.Matched(7), nil
	}
	return auth.Mismatched(auth.OATHCodeIncorrect), nil
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
