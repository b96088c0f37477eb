package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/oath"
	"sallyport/otp"
)

// The policy is told twice: in the engine, and in authtest.Model from the
// specification alone. Here random sequences of logins, answers, changes by
// administrators and time that passes, backwards too, go through both, and after
// every step they must agree on verdict, outcome, rule, reply attributes and
// counts. A sequence that they disagree on is cut down to the steps that matter
// and printed.
//
// SALLYPORT_MODEL_SEED=n begins with sequence n, to see it again; with
// SALLYPORT_CAMPAIGN=full there are a million.

// TestPolicyModelCampaign compares engine and model (I4, I7; Keycloak
// CVE-2018-14657, ZITADEL CVE-2025-64103, Ory Kratos CVE-2024-45042).
func TestPolicyModelCampaign(t *testing.T) {
	full := os.Getenv("SALLYPORT_CAMPAIGN") == "full"
	sequences := int64(20_000)
	if full {
		sequences = 1_000_000
	}
	first := int64(1)
	if s := os.Getenv("SALLYPORT_MODEL_SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("SALLYPORT_MODEL_SEED is no number: %v", err)
		}
		first, sequences = n, 1
	}
	var next, steps, wrong atomic.Int64
	next.Store(first)
	var seen tally
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			r := newRunner(t)
			defer func() { seen.add(&r.seen) }()
			for wrong.Load() < 5 {
				seed := next.Add(1) - 1
				if seed >= first+sequences {
					return
				}
				all := sequence(rand.New(rand.NewPCG(uint64(seed), 1)))
				if at, why := r.run(all); why != "" {
					wrong.Add(1)
					t.Errorf("sequence %d (SALLYPORT_MODEL_SEED=%[1]d): %s", seed, r.shrunk(all[:at+1]))
				}
				if n := steps.Add(int64(len(all))); full && seed%(sequences/20) == 0 {
					t.Logf("%d sequences, %d steps", seed-first, n)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d sequences of %d steps in all; outcomes: %v", sequences, steps.Load(), &seen)
	if sequences < 1000 || t.Failed() {
		return
	}
	// A campaign that meets some outcome hardly ever proves little of it.
	for _, o := range []auth.Outcome{
		-104, -103, -102, -101, -100, 6, 7, 8, 9, 14, 22, 23, 101, 105, 138, 139, 140,
		1001, 1301, 1302, 1303, 1401, 1402, 1404, 1406, 1502, 1503, 1504, 1505, 1601, 1602, 1603,
	} {
		if n := seen.of(o); n < sequences/1000 {
			t.Errorf("%v was met %d times in %d sequences; the sequences are not what they should be", o, n, sequences)
		}
	}
}

// FuzzPolicy is the same with sequences made from the octets of a fuzzer.
func FuzzPolicy(f *testing.F) {
	for seed := range uint64(8) {
		b := make([]byte, 400)
		rng := rand.New(rand.NewPCG(seed, 2))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		r := newRunner(t)
		all := sequence(rand.New(&octets{b: b}))
		if at, why := r.run(all); why != "" {
			t.Error(r.shrunk(all[:at+1]))
		}
	})
}

// octets is a rand.Source that begins with given octets. Behind them comes
// something, always the same: rand draws again where it dislikes a number, and
// would do so for ever if all were alike.
type octets struct {
	b    []byte
	rest rand.PCG
}

// Uint64 puts two octets where rand takes its high bits from.
func (o *octets) Uint64() uint64 {
	n := o.rest.Uint64()
	if len(o.b) >= 2 {
		n = n>>16 | uint64(binary.BigEndian.Uint16(o.b))<<48
		o.b = o.b[2:]
	}
	return n
}

// A tally counts outcomes.
type tally struct {
	mu sync.Mutex
	// mu guards the field below.
	n map[auth.Outcome]int64
}

func (c *tally) add(other *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[auth.Outcome]int64)
	}
	for o, n := range other.n {
		c.n[o] += n
	}
}

func (c *tally) of(o auth.Outcome) int64 { return c.n[o] }

func (c *tally) String() string {
	var all []string
	for o, n := range c.n {
		all = append(all, fmt.Sprintf("%d:%d", int(o), n))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// The cast: two people, and a name that nobody has.
var people = []string{"alice", "bob", "nobody"}

var spellings = [][]string{
	{"alice", "ALICE", " alice ", `CORP\Alice`, "alice@corp.example", "\uff41lice", "wonder", "Wonder@corp.example"},
	{"bob", "Bob", "bob\t"[:3] + " ", `corp\BOB`, "bob@corp.example"},
	{"nobody", "NoBody", `corp\nobody`, "nobody@corp.example"},
}

var clients = []string{"nas", "nas2", "old-nas", "gateway", "asking-gateway", "rdp", "ldap"}

var origins = []string{"", "192.0.2.7", "192.0.2.8", "198.51.100.1", "2001:db8::7", "::ffff:192.0.2.7"}

// networks are what rules and trusted IPs are about, as they are typed and as
// the model takes them.
var networks = []struct{ typed, first, last string }{
	{"192.0.2.7", "192.0.2.7", "192.0.2.7"},
	{"192.0.2.0/29", "192.0.2.0", "192.0.2.7"},
	{"192.0.2.8-192.0.2.9", "192.0.2.8", "192.0.2.9"},
	{"198.51.100.0/24", "198.51.100.0", "198.51.100.255"},
	{"2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"::ffff:192.0.2.0/120", "192.0.2.0", "192.0.2.255"},
	{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
}

// windows are hours, in both ways.
var windows = []struct {
	typed string
	hours authtest.ModelHours
}{
	{"mon-fri 08:00-18:00 UTC", authtest.ModelHours{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 480, To: 1080}},
	{"mon 08:01-08:10 UTC", authtest.ModelHours{Days: [7]bool{1: true}, From: 481, To: 490}},
	{"sat,sun 00:00-24:00 UTC", authtest.ModelHours{Days: [7]bool{0: true, 6: true}, To: 1440}},
	{"mon 22:00-06:00 Asia/Kolkata", authtest.ModelHours{Days: [7]bool{1: true}, From: 1320, To: 360, East: 330}},
	{"mon 13:30-14:00 Asia/Kolkata", authtest.ModelHours{Days: [7]bool{1: true}, From: 810, To: 840, East: 330}},
	{"sat-mon 07:00-09:00 UTC", authtest.ModelHours{Days: [7]bool{0: true, 1: true, 6: true}, From: 420, To: 540}},
}

// A kind is what a step does.
type kind int

const (
	login kind = iota
	answer
	again
	failing
	wait
	enable
	block
	unlock
	setPassword
	setApp
	setSheet
	setGroups
	giveBypass
	addRule
	dropRule
	moveRule
	addTrusted
	dropTrusted
	setCaching
	touchSettings
	kinds
)

// A step is one thing that happens. Its numbers mean something only to its
// kind, modulo what there is to choose from, so that any part of a sequence is a
// sequence.
type step struct {
	kind kind
	who  int
	n    [8]int
	ages time.Duration
	rule authtest.ModelRule
	made rulePicks
}

// rulePicks are the parts of a rule that the model has in another form.
type rulePicks struct{ networks, windows []int }

// odds are the chances of each kind.
var odds = [kinds]int{
	login: 46, answer: 26, again: 3, failing: 2, wait: 14, enable: 1, block: 1, unlock: 1, setPassword: 2, setApp: 1, setSheet: 3,
	setGroups: 2, giveBypass: 3, addRule: 3, dropRule: 1, moveRule: 1, addTrusted: 1, dropTrusted: 1, setCaching: 4, touchSettings: 1,
}

// waits are how time passes.
var waits = []time.Duration{
	0, time.Millisecond, time.Second, time.Second, 5 * time.Second, 5 * time.Second, 10 * time.Second, 10 * time.Second, 29 * time.Second, 30 * time.Second, 31 * time.Second,
	59 * time.Second, time.Minute, 61 * time.Second, 2 * time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 9 * time.Hour, 24 * time.Hour,
	-time.Second, -10 * time.Second, -30 * time.Second, -2 * time.Minute, -time.Hour,
}

// lives are how long things last.
var lives = []time.Duration{time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour}

// sequence makes a random sequence of 5 to 40 steps. Most begin with a
// policy, so that there is something to be exempt from.
func sequence(rng *rand.Rand) []step {
	total := 0
	for _, o := range odds {
		total += o
	}
	var all []step
	if rng.IntN(4) > 0 {
		for _, k := range []kind{setCaching, setCaching, addRule, addTrusted, addRule, setSheet} {
			if rng.IntN(2) > 0 {
				all = append(all, newStep(rng, k))
			}
		}
	}
	favourite := rng.IntN(len(people))
	for n := 5 + rng.IntN(32); n > 0; n-- {
		k, pick := kind(0), rng.IntN(total)
		for ; pick >= odds[k]; k++ {
			pick -= odds[k]
		}
		s := newStep(rng, k)
		if rng.IntN(3) > 0 {
			s.who = favourite % 2 // most steps are about one person
		}
		all = append(all, s)
	}
	return all
}

func newStep(rng *rand.Rand, k kind) step {
	s := step{kind: k, who: []int{0, 0, 0, 1, 1, 1, 2}[rng.IntN(7)]}
	for i := range s.n {
		s.n[i] = rng.IntN(840)
	}
	if k == wait {
		s.ages = waits[rng.IntN(len(waits))]
	}
	if k == addRule {
		some := func(from ...string) (picked []string) {
			if rng.IntN(3) > 0 {
				return nil
			}
			for _, f := range from {
				if rng.IntN(2) == 0 {
					picked = append(picked, f)
				}
			}
			return picked
		}
		r := &s.rule
		r.Applications, r.Clients, r.Groups = some("vpn", "rdp"), some(clients...), some("staff", "board")
		r.Methods, r.Admit = some("oath", "recovery"), some("recovery", "oath")
		if rng.IntN(3) == 0 {
			s.made.networks = []int{rng.IntN(len(networks)), rng.IntN(len(networks))}[:1+rng.IntN(2)]
		}
		if rng.IntN(4) == 0 {
			s.made.windows = []int{rng.IntN(len(windows))}
		}
		r.Refuse, r.Primary = rng.IntN(6) == 0, rng.IntN(6) == 0
		r.Pass, r.Enrol = rng.IntN(4) == 0, rng.IntN(4) == 0
		if r.Pass {
			r.Enrol = false
		}
		if rng.IntN(4) == 0 {
			r.Life = lives[rng.IntN(5)]
		}
		if rng.IntN(3) == 0 {
			r.Attributes = []string{"Class=of-rule-" + strconv.Itoa(rng.IntN(9))}
		}
		// Administrators cannot make rules that say more than they do.
		if r.Refuse {
			r.Primary, r.Pass, r.Enrol, r.Admit, r.Attributes = false, false, false, nil, nil
		}
		if r.Primary {
			r.Pass, r.Enrol = false, false
		}
	}
	return s
}

// pick chooses one of a list by a step's number.
func pick[T any](from []T, n int) T { return from[n%len(from)] }

// weighted chooses by a step's number of at most 840, with these weights.
func weighted(n int, weights ...int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	n %= total
	for i, w := range weights {
		if n < w {
			return i
		}
		n -= w
	}
	return 0
}

// plain is a password for tests: its state is the password. Argon2 would be all
// that a campaign does. plainSheet is the same for recovery codes, one of which
// is spent by taking it out.
type (
	plain      struct{}
	plainSheet struct{}
)

func (plain) Info() auth.Info {
	return auth.Info{Name: "password", Title: "Password", Category: auth.Know, Verified: auth.PasswordVerified}
}

func (plain) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	return auth.Bound{State: b.Secret, Mark: auth.NoMark}, nil
}

func (plain) Decoy() auth.Authenticator { return auth.Authenticator{ID: "decoy", Factor: "password"} }

func (plain) Verify(_ context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	for _, e := range at.Evidence {
		if p, ok := e.(auth.Password); ok {
			if len(a.State) > 0 && string(p) == string(a.State) {
				return auth.Matched(a.Mark), nil
			}
			return auth.Mismatched(auth.PasswordWrong), nil
		}
	}
	return auth.Finding{}, nil
}

func (plainSheet) Info() auth.Info {
	return auth.Info{Name: "recovery", Title: "Recovery codes", Category: auth.Have, Verified: auth.RecoveryCodeVerified, Prompt: "Enter one of your recovery codes."}
}

func (plainSheet) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	return auth.Bound{State: b.Secret, Mark: auth.NoMark}, nil
}

func (plainSheet) Decoy() auth.Authenticator {
	return auth.Authenticator{ID: "decoy", Factor: "recovery"}
}

func (plainSheet) Verify(_ context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	for _, e := range at.Evidence {
		code, ok := e.(auth.Code)
		if !ok || strings.Count(string(code), "-") != 1 {
			continue
		}
		i := bytes.Index(a.State, []byte(code))
		switch {
		case i < 0:
			return auth.Mismatched(auth.RecoveryCodeWrong), nil
		case a.State[i+len(code)] == '!':
			return auth.Mismatched(auth.RecoveryCodeUsed), nil
		}
		next := slices.Clone(a.State)
		next[i+len(code)] = '!'
		return auth.MatchedNext(a.Mark, next), nil
	}
	return auth.Finding{}, nil
}

// A runner plays sequences, one after the other.
type runner struct {
	t     *testing.T
	oath  *oath.Factor
	codes [2]map[int64]string // what the apps of alice and bob show
	keys  [2][]byte
	apps  [2]auth.Secret // their states
	seen  tally

	// Of the sequence that is played.
	w         *authtest.World
	m         *authtest.Model
	accounts  [2]auth.Account
	passwords [2][]string // all that were set, the newest last
	sheets    [2][]string // recovery codes ever handed out
	shown     [2]string   // the code that was used last
	settings  auth.Settings
	serial    int
	asked     []asked
	sent      []sent
	latest    time.Time
	story     []string
}

// asked is a challenge in both worlds.
type asked struct {
	who      int
	client   string
	state    []byte
	question *authtest.ModelQuestion
}

// sent is a request that was accepted and can be sent again.
type sent struct {
	who  string
	at   auth.Attempt
	d    auth.Decision
	rule string
}

func newRunner(t *testing.T) *runner {
	r := &runner{t: t, oath: &oath.Factor{Drift: 1}}
	r.seen.n = make(map[auth.Outcome]int64)
	for i := range r.keys {
		r.keys[i] = bytes.Repeat([]byte{byte(i + 1), 77}, 10)
		r.codes[i] = make(map[int64]string)
		b, err := r.oath.Bind(t.Context(), auth.Binding{Token: &auth.Token{Key: r.keys[i], Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		r.apps[i] = b.State
	}
	return r
}

// code is what an app shows in a step of time.
func (r *runner) code(who int, step int64) string {
	c, ok := r.codes[who][step]
	if !ok {
		c = otp.HOTP(r.keys[who], uint64(step), otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second})
		r.codes[who][step] = c
	}
	return c
}

// wrong is a code that the app does not show near now.
func (r *runner) wrong(who int) string {
	now := r.w.Now().Unix() / 30
next:
	for n := range 1_000_000 {
		code := fmt.Sprintf("%06d", 500_000+n)
		for s := now - 24; s <= now+24; s++ {
			if r.code(who, s) == code {
				continue next
			}
		}
		return code
	}
	panic("every code is right")
}

// run plays a sequence in new worlds and returns the step at which they
// disagree, and on what; "" if they do not.
func (r *runner) run(all []step) (at int, why string) {
	r.begin(all)
	for i := range all {
		if why = r.step(&all[i]); why != "" {
			return i, why
		}
	}
	return 0, ""
}

// begin makes the worlds. What cannot change in a sequence is taken from its
// first step.
func (r *runner) begin(all []step) {
	r.w = authtest.NewWorld(r.t, plain{}, r.oath, plainSheet{})
	n := all[0].n[7]
	r.w.Store.Unkind = []int{0, 0, 3, 5}[n%4]
	limit := auth.Limit{Free: pick([]int{10, 10, 2, 3, 4}, n/4), Stop: pick([]int{50, 4, 7}, n/20)}
	r.w.Engine.Limits = auth.Limits{Know: limit, Have: limit}
	r.w.Engine.CacheKey = sha256.Sum256 // nobody reads this store
	r.m = &authtest.Model{
		Clients: map[string]authtest.ModelClient{
			"nas":            {Door: "radius", Application: "vpn", Asks: true, Attributes: []string{"Class=nas"}},
			"nas2":           {Door: "radius", Application: "vpn", Asks: true},
			"old-nas":        {Door: "radius", Application: "vpn"},
			"gateway":        {Door: "radius", Application: "vpn", Checked: true},
			"asking-gateway": {Door: "radius", Application: "vpn", Checked: true, Asks: true},
			"rdp":            {Door: "radius", Application: "rdp", Asks: true},
			"ldap":           {Door: "ldap", Application: "vpn", Asks: true},
		},
		Groups: map[string][]string{"staff": {"Filter-Id=staff"}, "board": nil},
		People: map[string]*authtest.ModelPerson{"nobody": {}},
		Free:   limit.Free, Stop: limit.Stop, Life: 2 * time.Minute, Drift: 1,
	}
	r.settings = auth.Settings{Applications: []auth.Application{{Name: "vpn"}, {Name: "rdp"}}}
	for _, name := range clients {
		c := r.m.Clients[name]
		made := auth.Client{ID: name, Name: name, Door: c.Door, Application: c.Application, Mode: auth.ModeAppend, Password: auth.PasswordVerify, Attributes: attributes(c.Attributes)}
		if c.Asks {
			made.Mode = auth.ModeChallenge
		}
		if c.Checked {
			made.Password = auth.PasswordNone
		}
		r.settings.Clients = append(r.settings.Clients, made)
	}
	for _, g := range []string{"staff", "board"} {
		r.settings.Groups = append(r.settings.Groups, auth.Group{Name: g, Attributes: attributes(r.m.Groups[g])})
	}
	r.serial, r.asked, r.sent, r.story, r.latest = 0, nil, nil, nil, r.w.Now()
	r.put()
	for i, name := range people[:2] {
		var aliases []string
		if i == 0 {
			aliases = []string{"wonder"}
		}
		r.accounts[i] = r.w.AddAccount(name, aliases...)
		r.m.People[name] = &authtest.ModelPerson{Exists: true, Spent: -1}
		r.passwords[i], r.sheets[i], r.shown[i] = nil, nil, ""
		r.password(i)
		r.app(i, true)
	}
}

func attributes(texts []string) []auth.ReplyAttribute {
	var all []auth.ReplyAttribute
	for _, t := range texts {
		name, value, _ := strings.Cut(t, "=")
		all = append(all, auth.ReplyAttribute{Name: name, Value: value})
	}
	return all
}

// put makes the settings valid in both worlds.
func (r *runner) put() {
	s := r.settings
	s.Rules, s.Trusted, s.CacheRules = slices.Clone(s.Rules), slices.Clone(s.Trusted), slices.Clone(s.CacheRules)
	for i := range s.Rules {
		s.Rules[i].Place = int64(i + 1)
	}
	r.w.Store.PutSettings(&s)
	r.m.Changed()
}

// hold gives an account an authenticator or, with a nil state, takes it away.
func (r *runner) hold(who int, factor string, state auth.Secret) {
	a := auth.Authenticator{ID: people[who] + "/" + factor, Account: r.accounts[who].ID, Factor: factor, State: state, Mark: auth.NoMark}
	if state == nil {
		a.Factor = "none" // the store in memory cannot remove; no factor reads this one
	} else {
		r.serial++
	}
	r.w.Store.PutAuthenticator(a)
	r.m.People[people[who]].Touched()
}

func (r *runner) password(who int) {
	p := fmt.Sprintf("%s's password %d", people[who], len(r.passwords[who])+1)
	r.passwords[who] = append(r.passwords[who], p)
	r.hold(who, "password", auth.Secret(p))
	r.m.People[people[who]].Password = p
}

func (r *runner) app(who int, on bool) {
	p := r.m.People[people[who]]
	// A new app is the old one bound anew: nothing is spent. The store would
	// call the same step of the same record twice a breach.
	state := slices.Clone(r.apps[who])
	a := auth.Authenticator{ID: fmt.Sprintf("%s/oath/%d", people[who], r.serial), Account: r.accounts[who].ID, Factor: "oath", State: state, Mark: auth.NoMark}
	r.serial++
	for _, old := range r.w.Store.Authenticators(r.accounts[who].ID) {
		if old.Factor == "oath" {
			old.Factor = "none"
			r.w.Store.PutAuthenticator(old)
		}
	}
	p.Touched()
	if !on {
		p.Code = nil
		return
	}
	r.w.Store.PutAuthenticator(a)
	p.Code, p.Spent = func(step int64) string { return r.code(who, step) }, -1
}

func (r *runner) account(who int, change func(*auth.Account, *authtest.ModelPerson)) {
	p := r.m.People[people[who]]
	change(&r.accounts[who], p)
	r.w.Store.PutAccount(r.accounts[who])
	p.Touched()
}

// tell adds a line to the story of the sequence.
func (r *runner) tell(format string, args ...any) {
	r.story = append(r.story, fmt.Sprintf("%s  ", r.w.Now().Format("Mon 15:04:05.000"))+fmt.Sprintf(format, args...))
}

// shrunk drops steps for as long as the rest disagrees, and tells what is left.
func (r *runner) shrunk(all []step) string {
	left := slices.Clone(all)
	for size := len(left) / 2; size > 0; {
		smaller := false
		for i := len(left) - size; i >= 0; i-- {
			if i+size > len(left) {
				continue
			}
			fewer := slices.Delete(slices.Clone(left), i, i+size)
			// The first step also says what cannot change.
			if len(fewer) == 0 {
				continue
			}
			fewer[0].n[7] = all[0].n[7]
			if at, why := r.run(fewer); why != "" {
				left, smaller = fewer[:at+1], true
			}
		}
		if !smaller {
			size /= 2
		}
	}
	_, why := r.run(left)
	return fmt.Sprintf("%s\nlimits %d and %d, every %d. commit conflicts\n%s", why, r.m.Free, r.m.Stop, r.w.Store.Unkind, strings.Join(r.story, "\n"))
}

// step plays one step in both worlds and says on what they disagree.
func (r *runner) step(s *step) string {
	r.latest = later(r.latest, r.w.Now())
	who := s.who % 2
	name := people[who]
	p := r.m.People[name]
	switch s.kind {
	case login:
		return r.login(s)
	case answer:
		return r.answer(s)
	case again:
		return r.again(s)
	case failing:
		return r.failing(s)
	case wait:
		r.w.Wait(s.ages)
		r.tell("%v pass", s.ages)
	case enable:
		r.account(who, func(a *auth.Account, p *authtest.ModelPerson) {
			a.Enabled = !a.Enabled
			p.Disabled = !a.Enabled
			r.tell("%s is enabled: %t", name, a.Enabled)
		})
	case block:
		r.account(who, func(a *auth.Account, p *authtest.ModelPerson) {
			a.Blocked, a.BlockedUntil = !a.Blocked, time.Time{}
			if s.n[0]%2 == 0 {
				a.BlockedUntil = r.w.Now().Add(pick(lives, s.n[1]))
			}
			p.Blocked, p.BlockedUntil = a.Blocked, a.BlockedUntil
			r.tell("%s is blocked: %t, until %v", name, a.Blocked, a.BlockedUntil)
		})
	case unlock:
		r.w.Store.Unlock(r.accounts[who].ID)
		p.Know, p.Have = authtest.ModelCount{}, authtest.ModelCount{}
		p.Touched()
		r.tell("%s is unlocked", name)
	case setPassword:
		if s.n[0]%8 == 0 {
			r.hold(who, "password", nil)
			p.Password = ""
			r.tell("%s has no password any more", name)
			break
		}
		r.password(who)
		r.tell("%s has a new password", name)
	case setApp:
		on := p.Code == nil || s.n[0]%3 == 0
		r.app(who, on)
		r.tell("%s has an app: %t", name, on)
	case setSheet:
		if p.Sheet != nil && s.n[0]%3 == 0 {
			r.hold(who, "recovery", nil)
			p.Sheet = nil
			r.tell("%s has no recovery codes any more", name)
			break
		}
		p.Sheet = make(map[string]bool)
		var state string
		for i := range 3 {
			code := fmt.Sprintf("%c%d-CODE%d", name[0], r.serial, i)
			p.Sheet[code] = false
			state += code + "."
			r.sheets[who] = append(r.sheets[who], code)
		}
		r.hold(who, "recovery", auth.Secret(state))
		r.tell("%s has three new recovery codes", name)
	case setGroups:
		r.account(who, func(a *auth.Account, p *authtest.ModelPerson) {
			a.Groups = pick([][]string{nil, {"staff"}, {"board"}, {"board", "staff"}, {"gone", "staff"}}, s.n[0])
			p.Groups = a.Groups
			r.tell("%s is in %v", name, a.Groups)
		})
	case giveBypass:
		from := r.w.Now().Add(pick([]time.Duration{0, 0, 0, time.Second, -time.Second, 10 * time.Second}, s.n[0]))
		until := from.Add(pick(lives, s.n[1]))
		if s.n[2]%6 == 0 {
			until = from // one that is open at no time takes the place of any there is
		}
		r.serial++
		r.w.Store.PutBypass(auth.Bypass{ID: strconv.Itoa(r.serial), Account: r.accounts[who].ID, From: from, Until: until, Reason: "test"})
		p.BypassFrom, p.BypassUntil = from, until
		r.tell("%s has a bypass from %s for %v", name, from.Format("15:04:05"), until.Sub(from))
	default:
		r.policy(s)
	}
	return ""
}

// policy plays a change of the policy.
func (r *runner) policy(s *step) {
	set := &r.settings
	switch s.kind {
	case addRule:
		rule := s.rule
		r.serial++
		rule.Name = "rule " + strconv.Itoa(r.serial)
		made := auth.Rule{ID: rule.Name, Name: rule.Name, Match: auth.Match{
			Applications: rule.Applications, Clients: rule.Clients, Groups: rule.Groups, Methods: rule.Methods,
		}, Then: auth.Then{Methods: rule.Admit, ChallengeLife: rule.Life, Attributes: attributes(rule.Attributes)}}
		for _, i := range s.made.networks {
			n := networks[i]
			typed, err := auth.ParseRange(n.typed)
			if err != nil {
				r.t.Fatal(err)
			}
			made.Match.Sources = append(made.Match.Sources, typed)
			rule.Sources = append(rule.Sources, authtest.ModelRange{First: netip.MustParseAddr(n.first), Last: netip.MustParseAddr(n.last)})
		}
		for _, i := range s.made.windows {
			typed, err := auth.ParseHours(windows[i].typed)
			if err != nil {
				r.t.Fatal(err)
			}
			made.Match.Times = append(made.Match.Times, typed)
			rule.Hours = append(rule.Hours, windows[i].hours)
		}
		switch {
		case rule.Refuse:
			made.Then.Need = auth.NeedRefuse
		case rule.Primary:
			made.Then.Need = auth.NeedPrimary
		case s.n[0]%20 == 0:
			made.Then.Need = "a need of a later release" // strictest: CVE-less, Okta Classic 2024
		}
		switch {
		case rule.Pass:
			made.Then.Unenrolled = auth.UnenrolledPass
		case rule.Enrol:
			made.Then.Unenrolled = auth.UnenrolledEnrol
		case s.n[1]%20 == 0:
			made.Then.Unenrolled = "a way of a later release"
		}
		at := s.n[2] % (len(set.Rules) + 1)
		set.Rules, r.m.Rules = slices.Insert(set.Rules, at, made), slices.Insert(r.m.Rules, at, rule)
		r.tell("rule at place %d: match %+v (%v %v), then %+v", at+1, made.Match, made.Match.Sources, made.Match.Times, made.Then)
	case dropRule, moveRule:
		if len(set.Rules) == 0 {
			return
		}
		at := s.n[0] % len(set.Rules)
		real, told := set.Rules[at], r.m.Rules[at]
		set.Rules, r.m.Rules = slices.Delete(slices.Clone(set.Rules), at, at+1), slices.Delete(slices.Clone(r.m.Rules), at, at+1)
		if s.kind == dropRule {
			r.tell("%s is removed", told.Name)
			break
		}
		to := s.n[1] % (len(set.Rules) + 1)
		set.Rules, r.m.Rules = slices.Insert(set.Rules, to, real), slices.Insert(r.m.Rules, to, told)
		r.tell("%s moves to place %d", told.Name, to+1)
	case addTrusted:
		n, application := pick(networks[:6], s.n[0]), pick([]string{"vpn", "rdp"}, s.n[1])
		typed, err := auth.ParseRange(n.typed)
		if err != nil {
			r.t.Fatal(err)
		}
		r.serial++
		set.Trusted = append(set.Trusted, auth.TrustedIP{ID: strconv.Itoa(r.serial), Application: application, Range: typed})
		r.m.Trusted = append(r.m.Trusted, authtest.ModelTrust{Application: application, Range: authtest.ModelRange{First: netip.MustParseAddr(n.first), Last: netip.MustParseAddr(n.last)}})
		r.tell("%s is trusted for %s", n.typed, application)
	case dropTrusted:
		if len(set.Trusted) == 0 {
			return
		}
		at := s.n[0] % len(set.Trusted)
		set.Trusted, r.m.Trusted = slices.Delete(slices.Clone(set.Trusted), at, at+1), slices.Delete(slices.Clone(r.m.Trusted), at, at+1)
		r.tell("trusted IP %d is removed", at+1)
	case setCaching:
		application, life := pick([]string{"vpn", "vpn", "rdp"}, s.n[0]), pick(lives[1:], s.n[1])
		kind := pick([]auth.CacheType{auth.CacheUser, auth.CacheUserApplication, auth.CacheUserAddress, auth.CacheUserAddress, ""}, s.n[2])
		if s.n[4]%6 == 0 { // one cache over both applications, each with a life of its own
			set.CacheRules, r.m.Caching = nil, nil
			for i, application := range []string{"vpn", "rdp"} {
				life := pick(lives[1:], s.n[1]+i*s.n[3])
				r.serial++
				set.CacheRules = append(set.CacheRules, auth.CacheRule{ID: strconv.Itoa(r.serial), Application: application, Type: auth.CacheUser, Life: life})
				r.m.Caching = append(r.m.Caching, authtest.ModelCaching{Application: application, Type: 6, Life: life})
				r.tell("cache of %s: \"user\" for %v", application, life)
			}
			break
		}
		if s.n[3]%4 > 0 { // in one of four there are several, of which the narrowest counts
			set.CacheRules = slices.DeleteFunc(slices.Clone(set.CacheRules), func(k auth.CacheRule) bool { return k.Application == application })
			r.m.Caching = slices.DeleteFunc(slices.Clone(r.m.Caching), func(k authtest.ModelCaching) bool { return k.Application == application })
		} else if slices.ContainsFunc(set.CacheRules, func(k auth.CacheRule) bool { return k.Application == application && k.Type == kind }) {
			kind = ""
		}
		if kind != "" {
			r.serial++
			set.CacheRules = append(set.CacheRules, auth.CacheRule{ID: strconv.Itoa(r.serial), Application: application, Type: kind, Life: life})
			r.m.Caching = append(r.m.Caching, authtest.ModelCaching{Application: application, Life: life, Type: map[auth.CacheType]auth.Outcome{
				auth.CacheUser: 6, auth.CacheUserApplication: 9, auth.CacheUserAddress: 8,
			}[kind]})
		}
		r.tell("cache of %s: %q for %v", application, kind, life)
	default:
		r.tell("the settings change, no rule of them")
	}
	r.put()
}

// typed chooses what is typed for a code.
func (r *runner) typed(who, n, m int) (code string, how string) {
	if who > 1 {
		return pick([]string{"123456", "755224", "A0-CODE0", "no code"}, n), "a code"
	}
	now := r.w.Now().Unix() / 30
	switch weighted(n, 12, 3, 3, 1, 1, 2, 3, 5, 1, 1) {
	case 0:
		return r.code(who, now), "the code of now"
	case 1:
		return r.code(who, now-1), "the code of the step before"
	case 2:
		return r.code(who, now+1), "the code of the step to come"
	case 3:
		return r.code(who, now-2), "the code of two steps before"
	case 4:
		return r.code(who, now+2), "the code of two steps to come"
	case 5:
		return r.wrong(who), "a wrong code"
	case 6:
		if r.shown[who] != "" {
			return r.shown[who], "the code that was used last"
		}
	case 7:
		if all := r.sheets[who]; len(all) > 0 {
			c := all[len(all)-1-weighted(m, 4, 2, 2, 1, 1, 1)%len(all)]
			return c, "recovery code " + c
		}
	case 8:
		return "X9-NONE7", "a recovery code that nobody has"
	case 9:
		return "what code?", "no code at all"
	}
	return r.code(who, now), "the code of now"
}

// login plays a first request.
func (r *runner) login(s *step) string {
	who := s.who
	if who < 2 && s.n[7]%3 == 0 {
		r.relent(who)
	}
	// Many logins look alike, so that caches are hit and logins asked for twice.
	client := clients[weighted(s.n[0], 8, 2, 3, 2, 2, 2, 2)]
	c := r.m.Clients[client]
	l := authtest.ModelLogin{Client: client, Name: people[who], Time: r.w.Now()}
	var how []string
	if !c.Checked && weighted(s.n[1], 20, 1) == 0 {
		l.Password = "wrong"
		if who < 2 {
			switch weighted(s.n[2], 14, 2, 1) {
			case 0:
				l.Password = r.passwords[who][len(r.passwords[who])-1]
			case 1:
				l.Password = pick(r.passwords[who], s.n[3])
			}
		}
		how = append(how, fmt.Sprintf("password %q", l.Password))
	}
	if !c.Asks && s.n[4]%8 > 0 || c.Asks && s.n[4]%20 == 0 {
		var what string
		l.Code, what = r.typed(who, s.n[5], s.n[3])
		how = append(how, what)
	}
	spelling := spellings[who][weighted(s.n[6], 20, 2, 2, 2, 2, 1, 1, 1)%len(spellings[who])]
	station := weighted(s.n[3]/3, 3, 6, 2, 1, 1, 2)
	r.tell("%q at %s from %q, port %d: %s", spelling, client, origins[station], s.n[6]/40%2, strings.Join(how, " and "))
	return r.try(who, spelling, l, origins[station], strconv.Itoa(s.n[6]/40%2))
}

// relent lets a person log in again that could not: a sequence in which nobody
// can shows little.
func (r *runner) relent(who int) {
	p := r.m.People[people[who]]
	if p.Disabled || p.Blocked {
		r.account(who, func(a *auth.Account, p *authtest.ModelPerson) {
			a.Enabled, a.Blocked, p.Disabled, p.Blocked = true, false, false, false
			r.tell("%s is enabled and not blocked", people[who])
		})
	}
	if p.Know.Failures >= r.m.Free || p.Have.Failures >= r.m.Free {
		r.w.Store.Unlock(r.accounts[who].ID)
		p.Know, p.Have = authtest.ModelCount{}, authtest.ModelCount{}
		p.Touched()
		r.tell("%s is unlocked", people[who])
	}
}

// answer answers one of the newest challenges.
func (r *runner) answer(s *step) string {
	var open []asked
	for _, a := range r.asked {
		// How long a store knows what has expired is its own affair.
		if r.latest.Before(a.question.Expires.Add(time.Hour)) && (!a.question.Login.Settled || s.n[7]%5 == 0) {
			open = append(open, a)
		}
	}
	if len(open) == 0 {
		return ""
	}
	a := open[len(open)-1-weighted(s.n[0], 12, 3, 1)%len(open)]
	who, client := a.who, a.client
	if s.n[1]%25 == 0 {
		who = (who + 1) % len(people)
	}
	if s.n[2]%15 == 0 {
		client = pick(clients, s.n[3])
	}
	l := authtest.ModelLogin{Client: client, Name: people[who], Answers: a.question, Time: r.w.Now()}
	how := "nothing"
	if s.n[4]%25 > 0 {
		l.Code, how = r.typed(who, s.n[5], s.n[3])
	}
	spelling := pick(spellings[who], s.n[6])
	station := weighted(s.n[3], 1, 3, 1, 1, 1, 1)
	r.tell("%q at %s from %q answers the challenge of %s at %s: %s", spelling, client, origins[station], people[a.who], a.client, how)
	return r.try(who, spelling, l, origins[station], "", a.state...)
}

// failing plays some failures in a row, each after its wait.
func (r *runner) failing(s *step) string {
	who := s.who
	for n := 1 + s.n[0]%10; n > 0; n-- {
		l := authtest.ModelLogin{Name: people[who], Client: "nas", Password: "wrong", Time: r.w.Now()}
		if s.n[1]%2 == 0 {
			l.Client, l.Password, l.Code = "gateway", "", "123456"
			if who < 2 {
				l.Code = r.wrong(who)
			}
		}
		r.tell("%s at %s: wrong", l.Name, l.Client)
		if why := r.try(who, people[who], l, "", ""); why != "" {
			return why
		}
		if s.n[2]%3 == 0 {
			r.w.Wait(time.Hour)
		}
	}
	return ""
}

// again sends the newest request once more, as a NAS does whose answer was lost.
func (r *runner) again(s *step) string {
	if len(r.sent) == 0 {
		return ""
	}
	last := r.sent[len(r.sent)-1]
	age := r.w.Now().Sub(last.at.Time)
	p := r.m.People[last.who]
	gone := p.Disabled || p.Blocked && (p.BlockedUntil.IsZero() || r.w.Now().Before(p.BlockedUntil))
	lasts := last.rule == "strictest" || slices.ContainsFunc(r.m.Rules, func(m authtest.ModelRule) bool { return m.Name == last.rule })
	if age < 0 || age >= auth.AnsweredLife || gone || !lasts {
		return "" // judged anew; what comes of that is told by other steps
	}
	before := len(r.w.Store.Events())
	at := last.at
	at.Time = r.w.Now()
	r.tell("the request of %s at %s comes once more", at.Claimant, at.Client)
	d := r.w.Engine.Decide(context.WithoutCancel(r.t.Context()), at)
	events := len(r.w.Store.Events()) - before
	if d.Verdict != last.d.Verdict || d.Outcome != last.d.Outcome || d.Reference != last.d.Reference ||
		d.Message != last.d.Message || events != 0 { // attributes are those of now
		return fmt.Sprintf("a request was answered %v %d (%s), and once more %v %d (%s), with %d events",
			last.d.Verdict, int(last.d.Outcome), last.d.Reference, d.Verdict, int(d.Outcome), d.Reference, events)
	}
	return ""
}

// try lets both worlds judge a request and compares.
func (r *runner) try(who int, spelling string, l authtest.ModelLogin, origin, session string, state ...byte) string {
	if origin != "" {
		l.Origin = netip.MustParseAddr(origin)
	}
	l.From, l.Session = origin, session
	at := auth.Attempt{
		Door: r.m.Clients[l.Client].Door, Client: l.Client, Claimant: spelling, Source: netip.MustParseAddrPort("192.0.2.200:1645"), Time: l.Time,
		From: l.From, Origin: l.Origin.Unmap(), Session: session, State: state, Can: auth.Can{Ask: r.m.Clients[l.Client].Asks},
	}
	r.serial++
	at.Request = strconv.Itoa(r.serial)
	if l.Password != "" {
		at.Evidence = append(at.Evidence, auth.Password(l.Password))
	}
	if l.Code != "" {
		typed := l.Code
		if len(typed) == 6 && r.serial%5 == 0 {
			typed = typed[:3] + " " + typed[3:] // as apps show it
		}
		at.Evidence = append(at.Evidence, auth.Code(typed))
	}
	before := len(r.w.Store.Events())
	d := r.w.Engine.Decide(context.WithoutCancel(r.t.Context()), at)
	want := r.m.Try(l)
	r.seen.n[d.Outcome]++

	var gave []string
	for _, a := range d.Attributes {
		gave = append(gave, a.Name+"="+a.Value)
	}
	events := r.w.Store.Events()[before:]
	var ruled string
	if len(events) == 1 {
		ruled = events[0].Rule
	}
	r.tell("    engine: %v %d by %q %v; model: %v %d by %q %v", d.Verdict, int(d.Outcome), ruled, gave, want.Verdict, int(want.Outcome), want.Rule, want.Attributes)
	switch {
	case len(events) != 1:
		return fmt.Sprintf("a decision left %d events", len(events))
	case d.Verdict != want.Verdict || d.Outcome != want.Outcome:
		return fmt.Sprintf("the engine says %v %d (%v), the model %v %d (%v)", d.Verdict, int(d.Outcome), d.Outcome, want.Verdict, int(want.Outcome), want.Outcome)
	case ruled != want.Rule:
		return fmt.Sprintf("the engine's event names rule %q, the model %q", ruled, want.Rule)
	case events[0].Verdict != d.Verdict || events[0].Outcome != d.Outcome:
		return fmt.Sprintf("the event says %v %d", events[0].Verdict, int(events[0].Outcome))
	case !slices.Equal(gave, want.Attributes):
		return fmt.Sprintf("the engine gives %v, the model %v", gave, want.Attributes)
	}
	if broken := r.w.Store.Breaches(); len(broken) > 0 {
		return "invariant broken: " + broken[0]
	}
	p := r.m.People[l.Name]
	got := r.w.Store.ThrottleOf(events[0].Subject)
	if got.Know.Failures != p.Know.Failures || got.Have.Failures != p.Have.Failures {
		return fmt.Sprintf("the engine counts %d passwords and %d codes, the model %d and %d", got.Know.Failures, got.Have.Failures, p.Know.Failures, p.Have.Failures)
	}
	switch {
	case d.Verdict == auth.Challenge:
		r.asked = append(r.asked, asked{who, l.Client, d.State, want.Asked})
	case d.Outcome == 23:
		r.shown[who] = l.Code
	}
	r.sent = r.sent[:0]
	if d.Verdict == auth.Accept {
		r.sent = append(r.sent, sent{l.Name, at, d, ruled})
	}
	return ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// The reported case: one person logs in twice, 37 seconds apart, as a remote
// desktop client on a Mac does. Without a rule both logins are prompted. With a
// cache rule on account, authentication type, application and address for 60
// seconds the first ends as 23, the second as 8, one from another address is
// prompted again, and so is one after the minute: hits do not prolong it.
func TestTwoLogins37SecondsApart(t *testing.T) {
	for _, rule := range []bool{false, true} {
		w := newWorld(t)
		w.Engine.CacheKey = sha256.Sum256
		_, phone := alice(w)
		if rule {
			s := *w.Store.Settings()
			s.CacheRules = []auth.CacheRule{{ID: "1", Application: "vpn", Type: auth.CacheUserAddress, Life: time.Minute}}
			w.Store.PutSettings(&s)
		}
		login := func(from string) auth.Decision {
			t.Helper()
			at := w.Attempt("nas", "alice", auth.Password(secret))
			at.From, at.Origin = from, netip.MustParseAddr(from)
			d := w.Decide(at)
			if d.Verdict != auth.Challenge {
				return d
			}
			at = w.Attempt("nas", "alice", phone.code())
			at.State, at.From, at.Origin = d.State, from, netip.MustParseAddr(from)
			return w.Decide(at)
		}
		second := auth.OATHCodeVerified
		if rule {
			second = auth.UsedCacheIP
		}
		w.Want(login("203.0.113.5"), auth.Accept, auth.OATHCodeVerified)
		w.Wait(37 * time.Second)
		w.Want(login("203.0.113.5"), auth.Accept, second)
		if rule {
			w.Want(login("203.0.113.6"), auth.Accept, auth.OATHCodeVerified)
			w.Wait(23 * time.Second)
			// The minute of the first login is over; the one from elsewhere is no help.
			w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		}
		w.Wait(time.Minute)
		w.Want(login("203.0.113.5"), auth.Accept, auth.OATHCodeVerified)
	}
}
