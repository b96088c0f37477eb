package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/otp"
)

// A memory is a Store that keeps what it is given, all of an Apply or nothing.
// It lets others in between any two calls, so that whatever is checked outside
// of an Apply can have moved in it.
type memory struct {
	Store // what is not kept here is not asked for

	mu    sync.Mutex
	state keptState
	fails error // what the next Apply returns, after it has changed nothing
	// meanwhile is what somebody else does right before the next Apply, after
	// everything was checked outside of it.
	meanwhile func()
}

type keptState struct {
	accounts       map[string]auth.Account // by ID
	authenticators []auth.Authenticator    // in order of preference
	throttles      map[string]auth.Throttle
	bypasses       map[string]auth.Bypass // by account
	sessions       map[string]Session     // by ID
	ceremonies     map[string]Ceremony    // by ID
	roles          map[string]Role
	keys           map[string]Key
	settings       auth.Settings
	acts           []Act
	events         []auth.Event
	seen           int // how often Seen was called
}

func (s keptState) clone() keptState {
	s.accounts, s.throttles, s.bypasses = maps.Clone(s.accounts), maps.Clone(s.throttles), maps.Clone(s.bypasses)
	s.sessions, s.ceremonies = maps.Clone(s.sessions), maps.Clone(s.ceremonies)
	s.roles, s.keys = maps.Clone(s.roles), maps.Clone(s.keys)
	s.authenticators, s.acts = slices.Clone(s.authenticators), slices.Clone(s.acts)
	s.settings.Clients, s.settings.Applications = slices.Clone(s.settings.Clients), slices.Clone(s.settings.Applications)
	s.settings.Groups = slices.Clone(s.settings.Groups)
	return s
}

func newMemory() *memory {
	return &memory{state: keptState{
		accounts: map[string]auth.Account{}, throttles: map[string]auth.Throttle{}, bypasses: map[string]auth.Bypass{},
		sessions: map[string]Session{}, ceremonies: map[string]Ceremony{}, roles: map[string]Role{}, keys: map[string]Key{},
	}}
}

// lock takes the state; the function that it returns gives it back and lets
// others in.
func (m *memory) lock() func() {
	m.mu.Lock()
	return func() {
		m.mu.Unlock()
		runtime.Gosched()
	}
}

func (m *memory) Settings() *auth.Settings {
	defer m.lock()()
	s := m.state.settings
	return s.Index()
}

func (m *memory) Account(_ context.Context, name string) (auth.Account, error) {
	defer m.lock()()
	for _, acc := range m.state.accounts {
		if acc.Name == name || slices.Contains(acc.Aliases, name) {
			return acc, nil
		}
	}
	return auth.Account{}, ErrNotFound
}

func (m *memory) AccountByID(_ context.Context, id string) (auth.Account, error) {
	defer m.lock()()
	acc, ok := m.state.accounts[id]
	return acc, foundIf(ok)
}

func foundIf(ok bool) error {
	if !ok {
		return fmt.Errorf("memory: %w", ErrNotFound)
	}
	return nil
}

func (m *memory) SearchAccounts(_ context.Context, s AccountSearch) ([]auth.Account, error) {
	defer m.lock()()
	var found []auth.Account
	for _, acc := range m.state.accounts {
		if acc.Name <= s.After || !s.fits(&acc) || s.Off && acc.Enabled || s.Blocked && !acc.BlockedAt(s.Now) {
			continue
		}
		if s.Without && slices.ContainsFunc(m.state.held(acc.ID), func(h auth.Authenticator) bool { return slices.Contains(s.Second, h.Factor) }) {
			continue
		}
		found = append(found, acc)
	}
	slices.SortFunc(found, func(a, b auth.Account) int { return strings.Compare(a.Name, b.Name) })
	return found[:min(len(found), s.Limit)], nil
}

func (m *memory) Holds(_ context.Context, accounts []string) (map[string][]string, error) {
	defer m.lock()()
	holds := make(map[string][]string)
	for _, id := range accounts {
		for _, h := range m.state.held(id) {
			if !slices.Contains(holds[id], h.Factor) {
				holds[id] = append(holds[id], h.Factor)
			}
		}
	}
	return holds, nil
}

func (m *memory) Throttle(_ context.Context, subject string) (auth.Throttle, error) {
	defer m.lock()()
	return m.state.throttles[subject], nil
}

func (m *memory) Throttled(_ context.Context, failures, limit int) ([]ThrottledAccount, error) {
	defer m.lock()()
	var list []ThrottledAccount
	for id, t := range m.state.throttles {
		if acc, ok := m.state.accounts[id]; ok && max(t.Know.Failures, t.Have.Failures) >= failures {
			list = append(list, ThrottledAccount{acc, t})
		}
	}
	slices.SortFunc(list, func(a, b ThrottledAccount) int {
		return cmp.Compare(b.Throttle.Know.Failures+b.Throttle.Have.Failures, a.Throttle.Know.Failures+a.Throttle.Have.Failures)
	})
	return list[:min(len(list), limit)], nil
}

// held returns what an account holds, with states.
func (s *keptState) held(account string) []auth.Authenticator {
	var held []auth.Authenticator
	for _, h := range s.authenticators {
		if h.Account == account {
			held = append(held, h)
		}
	}
	return held
}

func (m *memory) Authenticators(_ context.Context, account string) ([]auth.Authenticator, error) {
	defer m.lock()()
	held := m.state.held(account)
	for i := range held {
		held[i].State = nil
	}
	return held, nil
}

func (m *memory) Authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
	defer m.lock()()
	for _, h := range m.state.authenticators {
		if h.ID == idOrSerial || h.Serial == idOrSerial && h.Serial != "" {
			h.State = nil
			return h, nil
		}
	}
	return auth.Authenticator{}, foundIf(false)
}

func (m *memory) OpenAuthenticator(_ context.Context, id string) (auth.Authenticator, error) {
	defer m.lock()()
	i := m.state.authenticator(id)
	if i < 0 {
		return auth.Authenticator{}, foundIf(false)
	}
	return m.state.authenticators[i], nil
}

func (s *keptState) authenticator(id string) int {
	return slices.IndexFunc(s.authenticators, func(h auth.Authenticator) bool { return h.ID == id })
}

func (m *memory) Session(_ context.Context, token [32]byte) (Session, error) {
	defer m.lock()()
	for _, s := range m.state.sessions {
		if s.Token == token {
			return s, nil
		}
	}
	return Session{}, foundIf(false)
}

func (m *memory) Sessions(_ context.Context, account string, now time.Time) ([]Session, error) {
	defer m.lock()()
	var list []Session
	for _, s := range m.state.sessions {
		if (account == "" || s.Account == account) && now.Before(s.Expires) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID)) })
	return list, nil
}

func (m *memory) Seen(_ context.Context, id string, at time.Time) error {
	defer m.lock()()
	s, ok := m.state.sessions[id]
	if ok {
		s.Seen = at
		m.state.sessions[id] = s
		m.state.seen++
	}
	return foundIf(ok)
}

func (m *memory) Ceremony(_ context.Context, id string) (Ceremony, error) {
	defer m.lock()()
	c, ok := m.state.ceremonies[id]
	return c, foundIf(ok)
}

func (m *memory) Ceremonies(_ context.Context, kind CeremonyKind, now time.Time) ([]Ceremony, error) {
	defer m.lock()()
	var list []Ceremony
	for _, c := range m.state.ceremonies {
		if c.Kind == kind && now.Before(c.Expires) {
			c.Body = nil
			list = append(list, c)
		}
	}
	return list, nil
}

func (m *memory) Tried(_ context.Context, id string, limit int) error {
	defer m.lock()()
	c, ok := m.state.ceremonies[id]
	if !ok {
		return foundIf(false)
	}
	if c.Tries++; c.Tries >= limit {
		delete(m.state.ceremonies, id)
	} else {
		m.state.ceremonies[id] = c
	}
	return nil
}

func (m *memory) Roles(context.Context) ([]Role, error) {
	defer m.lock()()
	return slices.Collect(maps.Values(m.state.roles)), nil
}

func (m *memory) Keys(context.Context) ([]Key, error) {
	defer m.lock()()
	return slices.Collect(maps.Values(m.state.keys)), nil
}

func (m *memory) Key(_ context.Context, secret [32]byte) (Key, error) {
	defer m.lock()()
	for _, k := range m.state.keys {
		if k.Secret == secret {
			return k, nil
		}
	}
	return Key{}, foundIf(false)
}

func (m *memory) Bypasses(context.Context) ([]auth.Bypass, error) {
	defer m.lock()()
	return slices.Collect(maps.Values(m.state.bypasses)), nil
}

func (m *memory) Event(_ context.Context, seq uint64) (auth.Event, error) {
	defer m.lock()()
	for _, ev := range m.state.events {
		if ev.Seq == seq {
			return ev, nil
		}
	}
	return auth.Event{}, foundIf(false)
}

func (m *memory) SearchEvents(_ context.Context, s EventSearch) (EventPage, error) {
	defer m.lock()()
	var page EventPage
	for _, ev := range slices.Backward(m.state.events) {
		switch {
		case s.Before != 0 && ev.Seq >= s.Before, s.Subject != "" && ev.Subject != s.Subject,
			len(s.Verdicts) > 0 && !slices.Contains(s.Verdicts, ev.Verdict):
			continue
		}
		if len(page.Events) == s.Limit {
			page.Next = page.Events[s.Limit-1].Seq
			break
		}
		page.Events = append(page.Events, ev)
	}
	return page, nil
}

func (m *memory) Apply(_ context.Context, act Act, changes ...Change) error {
	m.mu.Lock()
	other := m.meanwhile
	m.meanwhile = nil
	m.mu.Unlock()
	if other != nil {
		other()
	}
	defer m.lock()()
	if err := m.fails; err != nil {
		m.fails = nil
		return err
	}
	next := m.state.clone()
	for _, c := range changes {
		if err := next.apply(c); err != nil {
			return err
		}
	}
	if act.Action != "" {
		act.Seq = uint64(len(next.acts) + 1)
		next.acts = append(next.acts, act)
	}
	m.state = next
	return nil
}

func (s *keptState) apply(c Change) error {
	switch c := c.(type) {
	case AddAccount:
		return s.putAccount(c.Account)
	case UpdateAccount:
		acc, ok := s.accounts[c.ID]
		if !ok {
			return foundIf(false)
		}
		acc.Aliases, acc.Groups = slices.Clone(acc.Aliases), slices.Clone(acc.Groups)
		if err := c.Update(&acc); err != nil {
			return err
		}
		return s.putAccount(acc)
	case RemoveAccount:
		if _, ok := s.accounts[c.ID]; !ok {
			return foundIf(false)
		}
		delete(s.accounts, c.ID)
		s.authenticators = slices.DeleteFunc(s.authenticators, func(h auth.Authenticator) bool { return h.Account == c.ID })
		maps.DeleteFunc(s.sessions, func(_ string, x Session) bool { return x.Account == c.ID })
		maps.DeleteFunc(s.ceremonies, func(_ string, x Ceremony) bool { return x.Account == c.ID })
	case KeepOwner:
		for _, acc := range s.accounts {
			if acc.Role == c.Role && acc.Enabled && !acc.Blocked {
				return nil
			}
		}
		return fmt.Errorf("memory: %w", ErrLastOwner)
	case ResetThrottle:
		delete(s.throttles, c.Subject)
	case AddAuthenticator:
		if x := c.Authenticator; x.Serial != "" && slices.ContainsFunc(s.authenticators, func(h auth.Authenticator) bool { return h.Serial == x.Serial }) {
			return ErrExists
		}
		s.authenticators = append(s.authenticators, c.Authenticator)
	case UpdateAuthenticator:
		i := s.authenticator(c.ID)
		if i < 0 {
			return foundIf(false)
		}
		return c.Update(&s.authenticators[i])
	case RemoveAuthenticator:
		i := s.authenticator(c.ID)
		if i < 0 {
			return foundIf(false)
		}
		s.authenticators = slices.Delete(s.authenticators, i, i+1)
	case PreferAuthenticator:
		i := s.authenticator(c.ID)
		if i < 0 {
			return foundIf(false)
		}
		x := s.authenticators[i]
		s.authenticators = slices.Insert(slices.Delete(s.authenticators, i, i+1), 0, x)
	case AddSession:
		s.sessions[c.Session.ID] = c.Session
	case EndSession:
		_, ok := s.sessions[c.ID]
		delete(s.sessions, c.ID)
		return foundIf(ok)
	case EndSessions:
		maps.DeleteFunc(s.sessions, func(id string, x Session) bool { return x.Account == c.Account && id != c.Except })
	case RenewSession:
		x, ok := s.sessions[c.ID]
		x.Token, x.Factor, x.Proven = c.Token, c.Factor, c.Proven
		if ok {
			s.sessions[c.ID] = x
		}
		return foundIf(ok)
	case AddCeremony:
		if c.Replace {
			maps.DeleteFunc(s.ceremonies, func(_ string, x Ceremony) bool {
				return x.Kind == c.Ceremony.Kind && x.Account == c.Ceremony.Account
			})
		}
		if _, ok := s.ceremonies[c.Ceremony.ID]; ok {
			return ErrExists
		}
		s.ceremonies[c.Ceremony.ID] = c.Ceremony
	case TakeCeremony:
		x, ok := s.ceremonies[c.ID]
		delete(s.ceremonies, c.ID)
		return foundIf(ok && c.Now.Before(x.Expires))
	case AddRole:
		return put(s.roles, c.Role.Name, c.Role)
	case UpdateRole:
		return change(s.roles, c.Name, c.Update)
	case RemoveRole:
		for _, acc := range s.accounts {
			if acc.Role == c.Name {
				return errors.New("memory: somebody has the role")
			}
		}
		_, ok := s.roles[c.Name]
		delete(s.roles, c.Name)
		return foundIf(ok)
	case AddKey:
		return put(s.keys, c.Key.Name, c.Key)
	case UpdateKey:
		return change(s.keys, c.Name, c.Update)
	case RemoveKey:
		_, ok := s.keys[c.Name]
		delete(s.keys, c.Name)
		return foundIf(ok)
	case AddBypass:
		c.Bypass.Name = s.accounts[c.Bypass.Account].Name
		s.bypasses[c.Bypass.Account] = c.Bypass
	case RemoveBypass:
		_, ok := s.bypasses[c.Account]
		delete(s.bypasses, c.Account)
		return foundIf(ok)
	default:
		return s.applySetting(c)
	}
	return nil
}

func (s *keptState) applySetting(c Change) error {
	client := func(name string) int {
		return slices.IndexFunc(s.settings.Clients, func(c auth.Client) bool { return c.Name == name })
	}
	group := func(name string) int {
		return slices.IndexFunc(s.settings.Groups, func(g auth.Group) bool { return g.Name == name })
	}
	switch c := c.(type) {
	case AddClient:
		if client(c.Client.Name) >= 0 {
			return ErrExists
		}
		s.settings.Clients = append(s.settings.Clients, c.Client)
	case UpdateClient:
		if i := client(c.Name); i >= 0 {
			return c.Update(&s.settings.Clients[i])
		}
		return foundIf(false)
	case RemoveClient:
		i := client(c.Name)
		if i < 0 {
			return foundIf(false)
		}
		s.settings.Clients = slices.Delete(s.settings.Clients, i, i+1)
	case AddGroup:
		s.settings.Groups = append(s.settings.Groups, c.Group)
	case UpdateGroup:
		if i := group(c.Name); i >= 0 {
			return c.Update(&s.settings.Groups[i])
		}
		return foundIf(false)
	case RemoveGroup:
		i := group(c.Name)
		if i < 0 {
			return foundIf(false)
		}
		s.settings.Groups = slices.Delete(s.settings.Groups, i, i+1)
	case AddApplication:
		s.settings.Applications = append(s.settings.Applications, c.Application)
	case RemoveApplication:
		s.settings.Applications = slices.DeleteFunc(s.settings.Applications, func(a auth.Application) bool { return a.Name == c.Name })
	default:
		return fmt.Errorf("memory: %T is not kept here", c)
	}
	return nil
}

func (s *keptState) putAccount(acc auth.Account) error {
	for _, other := range s.accounts {
		if other.ID == acc.ID {
			continue
		}
		for _, name := range append([]string{acc.Name}, acc.Aliases...) {
			if other.Name == name || slices.Contains(other.Aliases, name) {
				return fmt.Errorf("memory: name %q: %w", name, ErrExists)
			}
		}
	}
	s.accounts[acc.ID] = acc
	return nil
}

func put[V any](m map[string]V, key string, v V) error {
	if _, ok := m[key]; ok {
		return ErrExists
	}
	m[key] = v
	return nil
}

func change[V any](m map[string]V, key string, update func(*V) error) error {
	v, ok := m[key]
	if !ok {
		return foundIf(false)
	}
	if err := update(&v); err != nil {
		return err
	}
	m[key] = v
	return nil
}

// The factors below are as small as they can be and still tell right from
// wrong as the real ones do. The state of each is what they look for.

// passwords keeps the SHA-256 of a password.
type passwords struct{ kind }

func (passwords) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	if len(b.Secret) < 8 {
		return auth.Bound{}, fmt.Errorf("%w: the password is shorter than 8 characters", auth.ErrBind)
	}
	sum := sha256.Sum256(b.Secret)
	return auth.Bound{State: sum[:], Mark: auth.NoMark}, nil
}

// apps keeps the key of an app or token with codes of six digits and 30 s.
type apps struct{ kind }

var appParams = otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second, Drift: 1}

func (apps) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	e := otp.Enrolment{Issuer: b.Issuer, Account: b.Account, Key: otp.NewKey(otp.SHA1), Params: appParams}
	uri, err := e.URI()
	return auth.Bound{State: auth.Secret(e.Key), Mark: auth.NoMark, URI: uri}, err
}

func (apps) Verify(_ context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	for _, e := range at.Evidence {
		typed, ok := e.(auth.Code)
		if !ok || len(typed) != 6 {
			continue
		}
		step, ok := otp.MatchTOTP(a.State, string(typed), at.Time, appParams)
		switch {
		case ok && step > a.Mark:
			return auth.Matched(step), nil
		case ok:
			return auth.Mismatched(auth.DuplicateOATHCode), nil
		}
		for off := -time.Hour; off <= time.Hour; off += 30 * time.Second {
			if otp.TOTP(a.State, at.Time.Add(off), appParams) == string(typed) {
				return auth.Mismatched(auth.OATHCodeOutOfDate), nil
			}
		}
		return auth.Mismatched(auth.OATHCodeIncorrect), nil
	}
	return auth.Finding{}, nil
}

func (apps) Resync(_ context.Context, a auth.Authenticator, first, second auth.Code, at time.Time) (auth.Finding, error) {
	now := at.Unix() / 30
	for step := max(a.Mark+1, now-20); step <= now+20; step++ {
		t := time.Unix(step*30, 0)
		if otp.TOTP(a.State, t, appParams) == string(first) && otp.TOTP(a.State, t.Add(30*time.Second), appParams) == string(second) {
			return auth.Matched(step + 1), nil
		}
	}
	return auth.Mismatched(auth.OATHCodeIncorrect), nil
}

// sheets keeps recovery codes.
type sheets struct{ kind }

func (sheets) Bind(context.Context, auth.Binding) (auth.Bound, error) {
	codes := []string{newSecret(), newSecret()}
	return auth.Bound{State: auth.Secret(strings.Join(codes, " ")), Mark: auth.NoMark, Codes: codes}, nil
}

func (sheets) Left(a auth.Authenticator) (int, error) { return len(bytes.Fields(a.State)), nil }

// keys takes the registration that register makes.
type keys struct{ kind }

func register(challenge []byte, user string) string {
	return "made for " + user + hex.EncodeToString(challenge)
}

func (keys) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	if string(b.Registration) != register(b.Challenge, b.User) || len(b.Challenge) != 32 || b.User == "" {
		return auth.Bound{}, fmt.Errorf("%w: the passkey was made for another challenge", auth.ErrBind)
	}
	return auth.Bound{State: auth.Secret("key of " + b.User), Mark: auth.NoMark}, nil
}

// digits keeps PINs of four digits as they are, and takes none that was the last.
type digits struct{}

func (digits) New(typed auth.Secret, before *auth.Authenticator) (auth.Secret, error) {
	if len(typed) != 4 || before != nil && string(before.State) == string(typed) {
		return nil, fmt.Errorf("%w: it is not a new one of 4 digits", auth.ErrBind)
	}
	return typed, nil
}

func (digits) Split(pin auth.Authenticator, typed auth.Code, _ time.Time) (auth.Code, auth.Outcome, error) {
	if code, ok := strings.CutSuffix(string(typed), string(pin.State)); ok {
		return auth.Code(code), 0, nil
	}
	return typed, auth.PINWrong, nil
}

func (digits) Decoy() auth.Authenticator { return auth.Authenticator{State: auth.Secret("none")} }

func (digits) Bounds() (auth.PINRules, int) {
	return auth.PINRules{MinDigits: 4, Remembered: 1, MaxAge: 24 * time.Hour}, 4
}

// A house is an installation with people in it and a clock.
type house struct {
	*Admin
	t     *testing.T
	store *memory

	mu  sync.Mutex
	now time.Time
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, store: newMemory(), now: noon}
	h.Admin = &Admin{
		Store: h.store, Issuer: "Example", Limits: auth.DefaultLimits, References: auth.NewReferences([]byte("key")),
		Pseudonym: func(name string) string { return "?" + name },
		Attribute: func(auth.ReplyAttribute) error { return nil },
		Factors: []auth.Factor{
			passwords{kind{info: auth.Info{Name: "password", Category: auth.Know}}},
			apps{kind{info: auth.Info{Name: "oath", Category: auth.Have, Verified: auth.OATHCodeVerified, PINPrompt: "code and PIN"}}},
			sheets{kind{info: auth.Info{Name: "recovery", Category: auth.Have}}},
			keys{kind{info: auth.Info{Name: auth.PasskeyFactor, Category: auth.Have, Passkey: true, Both: true}}},
		},
		PINs: digits{},
		Now: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.now
		},
		Passkeys: &Passkeys{CreationOptions: func(challenge []byte, userID, userName, _ string, exclude []auth.Authenticator) (json.RawMessage, error) {
			ids := []string{}
			for _, x := range exclude {
				if len(x.State) == 0 {
					return nil, errors.New("an authenticator came without its state")
				}
				ids = append(ids, x.ID)
			}
			return json.Marshal(creation{challenge, userID, userName, ids})
		}},
	}
	return h
}

// A creation is what the browser gets of this house.
type creation struct {
	Challenge []byte
	User      string
	Name      string
	Exclude   []string
}

// answer is what the browser makes of it.
func (h *house) answer(options json.RawMessage) string {
	h.t.Helper()
	var c creation
	h.no(json.Unmarshal(options, &c))
	return register(c.Challenge, c.User)
}

func (h *house) no(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// want checks that err is a Problem of that kind whose words contain all of
// these.
func (h *house) want(err error, kind error, parts ...string) {
	h.t.Helper()
	var p *Problem
	if !errors.As(err, &p) || !errors.Is(err, kind) {
		h.t.Fatalf("error %v; want a problem of the kind %v", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(p.What+" "+p.Hint, part) {
			h.t.Errorf("problem %q, hint %q; want %q in it", p.What, p.Hint, part)
		}
	}
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

var operator = Operator("uid 0")

// account makes an account with a password, and with a role if it is not "".
func (h *house) account(name, role string) auth.Account {
	h.t.Helper()
	_, err := h.AddAccount(h.t.Context(), operator, NewAccount{Name: name, Password: name + " has a password"})
	h.no(err)
	if role != "" {
		_, err = h.SetRole(h.t.Context(), operator, name, role)
		h.no(err)
	}
	return h.get(name)
}

func (h *house) get(name string) auth.Account {
	h.t.Helper()
	acc, err := h.store.Account(h.t.Context(), name)
	h.no(err)
	return acc
}

// actor is what an account may do at the console.
func (h *house) actor(name string) Actor {
	h.t.Helper()
	acc := h.get(name)
	may, err := h.PermissionsOf(h.t.Context(), acc.Role)
	h.no(err)
	return Actor{Name: acc.Name, Account: acc.ID, May: may}
}

// signIn begins a session as after a login with a factor.
func (h *house) signIn(name, client, factor string) (string, Person) {
	h.t.Helper()
	token, s, err := h.NewSession(h.t.Context(), SignedIn{Account: h.get(name).ID, Factor: factor, Client: client, Source: "192.0.2.7", Agent: "Browser"})
	h.no(err)
	return token, Person{h.get(name), s}
}

func (h *house) portal(name string) Person {
	h.t.Helper()
	_, p := h.signIn(name, auth.PortalClient, "oath")
	return p
}

// key is the secret of an app, as its owner has scanned it.
func (h *house) key(e Enrolment) []byte {
	h.t.Helper()
	k, err := otp.DecodeKey(e.Secret)
	h.no(err)
	return k
}

func (h *house) code(key []byte, off time.Duration) auth.Code {
	return auth.Code(otp.TOTP(key, h.Now().Add(off), appParams))
}

// app enrols an app for a person.
func (h *house) app(p Person, label string) Confirmed {
	h.t.Helper()
	e, err := h.BeginEnrolment(h.t.Context(), p, NewEnrolment{Kind: EnrolOATH, Label: label})
	h.no(err)
	c, err := h.ConfirmEnrolment(h.t.Context(), p, Confirmation{Ceremony: e.Ceremony, Code: h.code(h.key(e), 0)})
	h.no(err)
	return c
}

// holds lists the factors that an account holds.
func (h *house) holds(name string) string {
	h.t.Helper()
	held, err := h.store.Authenticators(h.t.Context(), h.get(name).ID)
	h.no(err)
	var list []string
	for _, x := range held {
		list = append(list, x.Factor)
	}
	return strings.Join(list, " ")
}

// sessions counts the sessions of an account.
func (h *house) sessions(name string) int {
	h.t.Helper()
	list, err := h.store.Sessions(h.t.Context(), h.get(name).ID, h.Now())
	h.no(err)
	return len(list)
}

// last returns the newest act.
func (h *house) last() Act {
	h.t.Helper()
	if len(h.store.state.acts) == 0 {
		h.t.Fatal("there are no acts")
	}
	return h.store.state.acts[len(h.store.state.acts)-1]
}
