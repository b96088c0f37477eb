//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/otp"
	"sallyport/radius"
)

// TestPolicyModelOverRADIUSCampaign plays random sequences of logins, answers
// and changes by administrators against the built program over RADIUS, and
// compares what comes of each with authtest.Model, which tells the policy from
// the specification alone: verdict, outcome, rule, reply attributes and failure
// counts (I4, I5, I7). Each sequence has people of its own; the rules, trusted
// IPs and caches are those of its batch, because a change of them is felt by all.
//
// The clock cannot be moved here: what ends within a sequence lasts a second or
// two, and a sequence in which something ended while a request was under way is
// not counted but played anew with other steps. SALLYPORT_MODEL_SEED=n plays
// sequence n of batch 0 (or, written b/n, of batch b) alone.
func TestPolicyModelOverRADIUSCampaign(t *testing.T) {
	batches, each := rounds(20, 2), rounds(1000, 120)
	only := -1
	first := 0
	if s := os.Getenv("SALLYPORT_MODEL_SEED"); s != "" {
		b, n, found := strings.Cut(s, "/")
		if !found {
			b, n = "0", s
		}
		var err1, err2 error
		first, err1 = strconv.Atoi(b)
		only, err2 = strconv.Atoi(n)
		if err1 != nil || err2 != nil {
			t.Fatalf("SALLYPORT_MODEL_SEED=%s is no number of a sequence", s)
		}
		batches = first + 1
	}
	outcomes := make(map[auth.Outcome]int)
	played, dropped := 0, 0
	for b := first; b < batches && !t.Failed(); b++ {
		t.Run("policy "+strconv.Itoa(b), func(t *testing.T) {
			p := newPolicyBatch(t, b)
			p.play(each, only)
			for o, n := range p.outcomes {
				outcomes[o] += n
			}
			played, dropped = played+int(p.played.Load()), dropped+int(p.dropped.Load())
			t.Logf("%d sequences, %d not counted\n%s", p.played.Load(), p.dropped.Load(), strings.Join(p.policy, "\n"))
		})
	}
	t.Logf("%d sequences over %d policies agree, %d not counted because something ended meanwhile; outcomes: %v", played, batches-first, dropped, outcomes)
	if only >= 0 || t.Failed() {
		return
	}
	if played < batches*each {
		t.Errorf("%d sequences were played; want %d", played, batches*each)
	}
	for _, o := range []auth.Outcome{-104, -103, -102, -101, -100, 7, 14, 22, 23, 138, 139, 1001, 1301, 1401, 1404, 1502, 1602} {
		if outcomes[o] == 0 && batches >= 20 {
			t.Errorf("%v was never met", o)
		}
	}
}

// A policyBatch is a server with a policy of its own and the same policy in the
// model.
type policyBatch struct {
	*server
	batch   int
	op      *operator
	clients map[string]*nas
	model   authtest.Model // without people
	policy  []string       // in words

	played, dropped atomic.Int64

	mu sync.Mutex
	// mu guards the field below.
	outcomes map[auth.Outcome]int
}

const policyConfig = `
throttle:
  password: {free: 3, stop: 6}
  second_factor: {free: 3, stop: 6}
challenge_lifetime: 120s
password_hash: {memory_kib: 7168, iterations: 5, parallelism: 1, lanes: 2}
`

// policyClients are the clients of every batch.
var policyClients = map[string]authtest.ModelClient{
	"nas":            {Door: "radius", Application: "vpn", Asks: true, Attributes: []string{"Class=nas"}},
	"nas2":           {Door: "radius", Application: "vpn", Asks: true},
	"old-nas":        {Door: "radius", Application: "vpn"},
	"gateway":        {Door: "radius", Application: "vpn", Checked: true},
	"asking-gateway": {Door: "radius", Application: "vpn", Checked: true, Asks: true},
	"rdp":            {Door: "radius", Application: "rdp", Asks: true},
	"rdp-gateway":    {Door: "radius", Application: "rdp", Checked: true, Asks: true},
	"blind":          {Door: "radius", Application: "vpn", Asks: true, Blind: true},
}

var policyClientNames = []string{"nas", "nas2", "old-nas", "gateway", "asking-gateway", "rdp", "rdp-gateway", "blind"}

func newPolicyBatch(t *testing.T, batch int) *policyBatch {
	s := start(t, setup{Config: policyConfig, Release: true, Level: "warn"})
	b := &policyBatch{server: s, batch: batch, op: s.operator(), clients: make(map[string]*nas), outcomes: make(map[auth.Outcome]int)}
	b.model = authtest.Model{
		Clients: policyClients, Groups: map[string][]string{"staff": {"Filter-Id=staff"}},
		Free: 3, Stop: 6, Life: 2 * time.Minute, Drift: 1,
	}
	for _, name := range []string{"vpn", "rdp"} {
		b.op.must("application.add", fields{"name": name})
	}
	b.op.must("group.add", fields{"name": "staff", "attributes": replyAttributes("Filter-Id=staff")})
	for _, name := range policyClientNames {
		c := policyClients[name]
		n := &nas{t: t, name: name, from: newSource(), server: s.addr, secret: "the shared secret of " + name}
		in := fields{
			"name": name, "application": c.Application, "source": n.from.String(), "secret": n.secret,
			"mode": "append", "rate_per_second": 100000, "attributes": replyAttributes(c.Attributes...),
		}
		if c.Asks {
			in["mode"] = "challenge"
		}
		if c.Checked {
			in["password"] = "none"
		}
		if c.Blind {
			in["origin"] = "none"
		}
		b.op.must("client.add", in)
		b.clients[name] = n
	}
	b.decide(mathrand.New(mathrand.NewPCG(uint64(batch), 3)))
	return b
}

func replyAttributes(texts ...string) []auth.ReplyAttribute {
	all := []auth.ReplyAttribute{}
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		all = append(all, auth.ReplyAttribute{Name: name, Value: value})
	}
	return all
}

// policyNetworks are what rules and trusted IPs are about.
var policyNetworks = []struct{ typed, first, last string }{
	{"192.0.2.7", "192.0.2.7", "192.0.2.7"},
	{"192.0.2.8/30", "192.0.2.8", "192.0.2.11"},
	{"192.0.2.0/24", "192.0.2.0", "192.0.2.255"},
	{"2001:db8::1-2001:db8::7", "2001:db8::1", "2001:db8::7"},
}

// stations are what clients say about where the person is. An address may come
// with a port, and what is no address is a place all the same.
var stations = []struct{ said, address string }{
	{"", ""},
	{"192.0.2.7", "192.0.2.7"},
	{"192.0.2.8", "192.0.2.8"},
	{"192.0.2.8:51234", "192.0.2.8"},
	{"198.51.100.9", "198.51.100.9"},
	{"2001:db8::7", "2001:db8::7"},
	{"::ffff:192.0.2.7", "192.0.2.7"},
	{"00-00-5E-00-53-01", ""},
}

// decide makes a random policy in both worlds. Batch 0 has none at all.
func (b *policyBatch) decide(rng *mathrand.Rand) {
	if b.batch == 0 {
		return
	}
	note := func(operation string, in fields) {
		b.op.must(operation, in)
		text, err := json.Marshal(in)
		if err != nil {
			b.t.Fatal(err)
		}
		b.policy = append(b.policy, operation+" "+string(text))
	}
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
	for _, application := range []string{"vpn", "rdp"} {
		kind := rng.IntN(4)
		if kind == 3 {
			continue
		}
		life := []int{1, 2, 3, 60}[rng.IntN(4)]
		note("cache.add", fields{"application": application, "type": []string{"user", "user+application", "user+application+ip"}[kind], "seconds": life})
		b.model.Caching = append(b.model.Caching, authtest.ModelCaching{Application: application, Type: []auth.Outcome{6, 9, 8}[kind], Life: time.Duration(life) * time.Second})
	}
	if rng.IntN(3) == 0 {
		n, application := policyNetworks[rng.IntN(len(policyNetworks))], []string{"vpn", "rdp"}[rng.IntN(2)]
		note("trusted-ip.add", fields{"application": application, "range": n.typed})
		b.model.Trusted = append(b.model.Trusted, authtest.ModelTrust{Application: application, Range: modelRange(n.first, n.last)})
	}
	for i := range 1 + rng.IntN(4) {
		r := authtest.ModelRule{
			Name: "rule-" + strconv.Itoa(i), Applications: some("vpn", "rdp"), Clients: some(policyClientNames...),
			Groups: some("staff"), Methods: some("oath", "recovery"),
		}
		in := fields{"name": r.Name, "applications": r.Applications, "clients": r.Clients, "groups": r.Groups, "holding": r.Methods, "wait_seconds": 1}
		if rng.IntN(3) == 0 {
			n := policyNetworks[rng.IntN(len(policyNetworks))]
			r.Sources, in["sources"] = []authtest.ModelRange{modelRange(n.first, n.last)}, []string{n.typed}
		}
		switch rng.IntN(7) {
		case 0:
			r.Refuse, in["need"] = true, "refuse"
			delete(in, "wait_seconds")
		case 1:
			r.Primary, in["need"] = true, "primary"
			delete(in, "wait_seconds")
		default:
			if r.Admit = some("oath", "recovery"); r.Admit != nil {
				in["methods"] = r.Admit
			}
			switch rng.IntN(3) {
			case 0:
				r.Pass, in["unenrolled"] = true, "pass"
			case 1:
				r.Enrol, in["unenrolled"] = true, "enrol"
			}
		}
		if !r.Refuse && rng.IntN(2) == 0 {
			r.Attributes = []string{"Class=" + r.Name}
			in["attributes"] = replyAttributes(r.Attributes...)
		}
		for name, v := range in { // an empty list is one that says nothing
			if list, ok := v.([]string); ok && len(list) == 0 {
				delete(in, name)
			}
		}
		note("rule.add", in)
		b.model.Rules = append(b.model.Rules, r)
	}
}

func modelRange(first, last string) authtest.ModelRange {
	return authtest.ModelRange{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}
}

// play plays so many sequences, or only one.
func (b *policyBatch) play(each, only int) {
	if only >= 0 {
		b.one(only)
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !b.t.Failed() && b.played.Load() < int64(each) && b.dropped.Load() < 5*int64(each) {
				b.one(int(next.Add(1)))
			}
		})
	}
	wg.Wait()
}

// one plays a sequence and, if the worlds disagree on it, cuts it down and tells
// what is left.
func (b *policyBatch) one(n int) {
	rng := mathrand.New(mathrand.NewPCG(uint64(b.batch)<<32|uint64(n), 4))
	steps := make([]policyStep, 5+rng.IntN(18))
	for i := range steps {
		for j := range steps[i] {
			steps[i][j] = rng.IntN(840)
		}
	}
	r := b.run(steps)
	if r.ambiguous {
		b.dropped.Add(1)
		return
	}
	b.played.Add(1)
	b.mu.Lock()
	for _, e := range append(r.expected[0], r.expected[1]...) {
		b.outcomes[e.Outcome]++
	}
	b.mu.Unlock()
	if r.why == "" {
		return
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if fewer := slices.Delete(slices.Clone(steps), i, i+1); len(fewer) > 0 {
			if again := b.run(fewer); again.why != "" && !again.ambiguous {
				steps, r = fewer, again
			}
		}
	}
	b.t.Errorf("sequence %d (SALLYPORT_MODEL_SEED=%d/%[1]d): %[3]s\npolicy:\n%[4]s\nsteps:\n%[5]s", n, b.batch, r.why, strings.Join(b.policy, "\n"), strings.Join(r.story, "\n"))
}

// A policyStep is numbers from which one step is made.
type policyStep [9]int

// chosen chooses by a number, with these weights.
func chosen(n int, weights ...int) int {
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

// A policyRun is one sequence while it is played.
type policyRun struct {
	*policyBatch
	m         authtest.Model
	me        *authtest.ModelPerson
	names     [2]string // the person's, and one that nobody has
	token     *person
	passwords []string
	sheet     []string
	shown     string // the code that was accepted last
	asked     []policyAsked
	expected  [2][]authtest.ModelAnswer
	slack     time.Duration // the longest that a request was under way
	story     []string
	why       string // on what the worlds disagree
	ambiguous bool   // something ended while a request was under way
}

type policyAsked struct {
	client, from, port string
	state              []byte
	question           *authtest.ModelQuestion
}

func (b *policyBatch) run(steps []policyStep) *policyRun {
	id := strings.ToLower(rand.Text()[:12])
	r := &policyRun{policyBatch: b, m: b.model, names: [2]string{"p-" + id, "n-" + id}}
	r.passwords = []string{"first password of " + id}
	key := make([]byte, 20)
	rand.Read(key)
	r.token = &person{t: b.t, name: r.names[0], id: "serial-" + id, key: key, params: otp.Params{Digits: 6}, spent: -1}
	r.me = &authtest.ModelPerson{Exists: true, Password: r.passwords[0], Spent: -1, Counting: true, Code: r.token.at}
	r.m.People = map[string]*authtest.ModelPerson{r.names[0]: r.me, r.names[1]: {}}
	account := fields{"name": r.names[0], "aliases": []string{"a-" + id}, "password": r.passwords[0]}
	if steps[0][8]%2 == 0 {
		account["groups"], r.me.Groups = []string{"staff"}, []string{"staff"}
	}
	r.act("account.add", account)
	r.act("authenticator.import", fields{"file": base64.StdEncoding.EncodeToString([]byte(seeds(r.token)))})
	for i := range steps {
		if r.why != "" || r.ambiguous {
			return r
		}
		r.step(steps[i])
	}
	if r.why == "" && !r.ambiguous {
		r.compare()
	}
	return r
}

// act has an administrator do something.
func (r *policyRun) act(operation string, in fields) []byte {
	out, err := r.op.do(operation, in)
	if err != nil {
		r.why = err.Error()
	}
	r.tell("%s", operation)
	return out
}

func (r *policyRun) tell(format string, args ...any) {
	r.story = append(r.story, time.Now().Format("05.000  ")+fmt.Sprintf(format, args...))
}

func (r *policyRun) step(s policyStep) {
	p, name := r.me, r.names[0]
	switch chosen(s[0], 50, 26, 6, 2, 2, 3, 2, 4, 1, 2, 1, 1) {
	case 0:
		r.login(s)
	case 1:
		r.answer(s)
	case 2:
		pause := []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 1100 * time.Millisecond, 2200 * time.Millisecond}[s[1]%4]
		r.tell("%v pass", pause)
		time.Sleep(pause) // what ends by the clock is what is tested
	case 3:
		p.Disabled = !p.Disabled
		r.act(map[bool]string{true: "account.disable", false: "account.enable"}[p.Disabled], fields{"name": name})
		p.Touched()
	case 4:
		if p.Blocked {
			r.act("account.unblock", fields{"name": name})
			p.Blocked = false
		} else {
			in := fields{"name": name, "reason": "test"}
			p.Blocked, p.BlockedUntil = true, time.Time{}
			if s[1]%3 > 0 {
				p.BlockedUntil = time.Now().Add(time.Duration(1+s[1]%2) * time.Second).Truncate(time.Millisecond)
				in["until"] = p.BlockedUntil.Format(time.RFC3339Nano)
			}
			r.act("account.block", in)
		}
		p.Touched()
	case 5:
		r.act("account.unlock", fields{"name": name})
		p.Know, p.Have = authtest.ModelCount{}, authtest.ModelCount{}
		p.Touched()
	case 6:
		p.Password = fmt.Sprintf("password %d of %s", len(r.passwords)+1, name)
		r.passwords = append(r.passwords, p.Password)
		r.act("account.password", fields{"name": name, "password": p.Password})
		p.Touched()
	case 7:
		seconds := 10 + s[1]%300
		p.BypassFrom = time.Now().Add(-time.Second)
		p.BypassUntil = time.Now().Add(time.Duration(seconds) * time.Second)
		r.act("bypass.add", fields{"account": name, "seconds": seconds, "reason": "test"})
	case 8:
		if time.Now().Before(p.BypassUntil) {
			p.BypassUntil = time.Time{}
			r.act("bypass.remove", fields{"name": name})
		}
	case 9:
		if p.Code == nil {
			return // recovery codes are for people who have something to recover
		}
		var bound struct{ Codes []string }
		out := r.act("authenticator.recovery-codes", fields{"name": name})
		if r.why != "" {
			return // the operation itself says why it failed
		}
		if err := json.Unmarshal(out, &bound); err != nil {
			r.why = err.Error()
		}
		p.Sheet = make(map[string]bool)
		for _, c := range bound.Codes {
			p.Sheet[c] = false
		}
		r.sheet = append(r.sheet, bound.Codes...)
		p.Touched()
	case 10:
		p.Forget()
		r.act("cache.purge", fields{"account": name})
	case 11:
		if p.Code == nil || s[1]%3 > 0 {
			return
		}
		r.act("authenticator.revoke", fields{"id": r.token.id})
		p.Code, p.Sheet = nil, nil // the sheet ends with the last factor that it stands in for
		p.Touched()
	}
}

// typed chooses what is typed for a code.
func (r *policyRun) typed(n, m int) (code, how string) {
	switch chosen(n, 14, 3, 2, 4, 1, 1, 1) {
	case 1:
		if r.shown != "" {
			return r.shown, "the code that was accepted last"
		}
	case 2:
		return r.token.wrong(), "a wrong code"
	case 3:
		if len(r.sheet) > 0 {
			return r.sheet[len(r.sheet)-1-m%min(3, len(r.sheet))], "a recovery code"
		}
	case 4:
		return "ABCDE-FGHJK", "a recovery code that nobody has"
	case 5:
		return r.token.at(r.me.Spent + 9), "a code from far ahead"
	case 6:
		return "what code?", "no code at all"
	}
	return r.token.at(r.me.Spent + 1 + int64(m%3)), "the next code"
}

func (r *policyRun) login(s policyStep) {
	who := chosen(s[1], 12, 1)
	client := policyClientNames[chosen(s[2], 6, 1, 4, 5, 5, 2, 2, 2)]
	c := policyClients[client]
	l := authtest.ModelLogin{Client: client, Name: r.names[who]}
	how := ""
	if !c.Checked {
		switch l.Password = r.me.Password; chosen(s[3], 16, 2, 1) {
		case 1:
			l.Password = "wrong"
		case 2:
			l.Password = r.passwords[s[4]%len(r.passwords)]
		}
		how = fmt.Sprintf("password %q ", l.Password)
	}
	if !c.Asks && s[4]%8 > 0 || c.Asks && c.Checked && s[4]%4 == 0 {
		var what string
		l.Code, what = r.typed(s[5], s[3])
		how += what
	}
	field := l.Password
	switch {
	case c.Checked:
		field = l.Code
	case l.Code != "":
		field += "," + l.Code
	}
	var spelling string
	if who == 0 {
		spelling = []string{l.Name, strings.ToUpper(l.Name), `CORP\` + l.Name, l.Name + "@corp.example", " " + l.Name + " ", "a" + l.Name[1:]}[chosen(s[6], 10, 2, 2, 2, 1, 2)]
	} else {
		spelling = []string{l.Name, strings.ToUpper(l.Name), `CORP\` + l.Name}[s[6]%3]
	}
	station := chosen(s[7], 3, 8, 3, 1, 1, 2, 1, 1)
	port := strconv.Itoa(s[6] / 40 % 2)
	r.tell("%q at %s from %q, port %s: %s", spelling, client, stations[station].said, port, how)
	r.try(who, spelling, field, station, port, l, nil)
}

func (r *policyRun) answer(s policyStep) {
	if len(r.asked) == 0 {
		return
	}
	a := r.asked[len(r.asked)-1-chosen(s[1], 12, 3, 1)%len(r.asked)]
	if a.question.Login.Settled && s[2]%4 > 0 {
		return
	}
	who, client := 0, a.client
	if s[2]%25 == 0 {
		who = 1
	}
	if s[3]%15 == 0 {
		client = policyClientNames[s[4]%len(policyClientNames)]
	}
	l := authtest.ModelLogin{Client: client, Name: r.names[who], Answers: a.question}
	how := "nothing"
	if s[4]%25 > 0 {
		l.Code, how = r.typed(s[5], s[3])
	}
	station := chosen(s[7], 1, 4, 1, 1, 1, 1, 1, 1)
	r.tell("%q at %s from %q answers the challenge of %s: %s", l.Name, client, stations[station].said, a.client, how)
	r.try(who, l.Name, l.Code, station, "0", l, a.state)
}

// try sends a request and lets both worlds judge it.
func (r *policyRun) try(who int, spelling, field string, station int, port string, l authtest.ModelLogin, state []byte) {
	at := stations[station]
	l.From, l.Session = at.said, port
	if at.address != "" {
		l.Origin = netip.MustParseAddr(at.address)
	}
	if state == nil && l.Code == "" && l.From != "" {
		for _, a := range r.asked {
			// It would wait for that one's answer, and stories tell that.
			if !a.question.Login.Settled && a.from == l.From && policyClients[a.client].Application == policyClients[l.Client].Application &&
				(a.client != l.Client || a.port != port) {
				r.tell("    not sent: it would wait for an answer")
				return
			}
		}
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		r.why = err.Error()
		return
	}
	more := []radius.Attribute{{Type: radius.NASPort, Value: binary.BigEndian.AppendUint32(nil, uint32(number))}}
	if at.said != "" {
		more = append(more, radius.Attribute{Type: radius.CallingStationID, Value: []byte(at.said)})
	}
	n := r.clients[l.Client]
	q := n.request(spelling, field, state, more...)
	k := n.dial()
	sent := time.Now()
	got := k.askFor(q, patience)
	done := time.Now()
	k.close()
	r.slack = max(r.slack, done.Sub(sent))
	for _, end := range r.m.Moments(r.m.People[l.Name]) {
		if !end.After(done) && !end.Add(r.slack).Before(sent) {
			r.ambiguous = true
			return
		}
	}
	l.Time = sent
	want := r.m.Try(l)
	r.expected[who] = append(r.expected[who], want)
	r.tell("    program: %v; model: %v %d by %q %v", got, want.Verdict, int(want.Outcome), want.Rule, want.Attributes)
	if got.verdict() != want.Verdict.String() {
		outcome := ""
		if reference := got.reference(); reference != "" {
			out, err := r.op.do("event.why", fields{"reference": reference})
			outcome = fmt.Sprintf(": %s %v", out, err)
		}
		r.why = fmt.Sprintf("the program says %v, the model %v %d (%v)%s", got, want.Verdict, int(want.Outcome), want.Outcome, outcome)
		return
	}
	switch got.verdict() {
	case "challenge":
		r.asked = append(r.asked, policyAsked{l.Client, l.From, port, got.state(), want.Asked})
	case "accept":
		if want.Outcome == 23 {
			r.shown = l.Code
		}
		var gave []string
		for _, a := range got.Attributes {
			switch a.Type {
			case radius.Class:
				gave = append(gave, "Class="+string(a.Value))
			case radius.FilterID:
				gave = append(gave, "Filter-Id="+string(a.Value))
			}
		}
		if !slices.Equal(gave, want.Attributes) {
			r.why = fmt.Sprintf("the reply carries %v, the model's %v", gave, want.Attributes)
		}
	}
}

// compare looks at what the program recorded.
func (r *policyRun) compare() {
	for who, name := range r.names {
		if len(r.expected[who]) == 0 {
			continue
		}
		got, err := r.op.rulings(name)
		if err != nil {
			r.why = err.Error()
			return
		}
		// Too many passwords at once: nothing was judged or answered, and the
		// NAS sent the request again.
		got = slices.DeleteFunc(got, func(g ruling) bool { return g.Verdict == "unavailable" })
		if len(got) != len(r.expected[who]) {
			r.why = fmt.Sprintf("%d requests of %s left %d events", len(r.expected[who]), name, len(got))
			return
		}
		for i, want := range r.expected[who] {
			if got[i].Code != int(want.Outcome) || got[i].Verdict != want.Verdict.String() || got[i].Rule != want.Rule {
				r.why = fmt.Sprintf("request %d of %s ended as %s %d by %q, in the model as %v %d by %q", i+1, name,
					got[i].Verdict, got[i].Code, got[i].Rule, want.Verdict, int(want.Outcome), want.Rule)
				return
			}
		}
	}
	out, err := r.op.do("account.show", fields{"name": r.names[0]})
	var view struct{ Failures struct{ Password, Code int } }
	if err == nil {
		err = json.Unmarshal(out, &view)
	}
	switch {
	case err != nil:
		r.why = err.Error()
	case view.Failures.Password != r.me.Know.Failures || view.Failures.Code != r.me.Have.Failures:
		r.why = fmt.Sprintf("the account shows %+v failures, the model %d and %d", view.Failures, r.me.Know.Failures, r.me.Have.Failures)
	}
}
