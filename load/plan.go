package load

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	random "math/rand/v2"
	"strconv"
	"time"

	"sallyport/otp"
	"sallyport/radius"
)

// A request is one login, ready to be sent.
type request struct {
	first  []byte // signed, with its identifier; nil if this one is left out
	second []byte // the answer to a challenge, unsigned and without State; nil for none
	want   radius.Code
	// unknown is set if nobody has the name: a server may refuse it at either
	// step.
	unknown bool
}

// A pass is a range of requests whose codes are valid in the same time.
type pass struct {
	requests    []request
	from, until time.Time // zero for always
}

// A plan is every request of a run in the order of sending. The request at
// index i of a pass has the identifier i modulo 256: which identifier a
// request will have must be known before, for its signature covers it.
type plan struct {
	passes []pass
	// cycle is set if the requests of a pass may be sent again and again. Each
	// pass then has a multiple of 256 of them.
	cycle bool
	start time.Time // not to be begun before
}

// margin keeps requests away from the ends of their time, where the clocks of
// client and server, or the way between them, would decide.
const margin = 200 * time.Millisecond

// settle is how much of a time step is left after a short run, so that a slow
// server has verified the last codes before they are of the step before.
const settle = 5 * time.Second

// perRequest is how long building takes, generously.
const perRequest = 12 * time.Microsecond

// perWarmLogin is how long a login takes of an account that the server has not
// met before, with many under way. Longer does no harm but to the supply of
// codes.
const perWarmLogin = 80 * time.Microsecond

// newPlan builds all requests of a run. It reads the clock, because building
// takes time: a run that is shorter than a time step must not lie across the
// end of one, and a longer one begins with one, or else some codes of the step
// before would never be used.
func newPlan(o *Options, now func() time.Time) (*plan, error) {
	b, err := newBuilder(o)
	if err != nil {
		return nil, err
	}
	length := o.WarmUp + o.Duration
	if o.WarmAccounts {
		length += time.Duration(len(b.order)) * perWarmLogin
	}
	if o.Mode == EchoMode || o.Mode == Password {
		n := roundUp(max(len(b.order), 1))
		requests, err := b.build(n, 0)
		return &plan{passes: []pass{{requests: requests}}, cycle: true, start: now()}, err
	}

	period := o.Credentials[0].Token.Params.Period
	passes := 2*o.Drift + 1 + int(length/period)
	estimate := time.Duration(passes*len(b.order)) * perRequest
	// Twice is enough unless the machine is much slower than foreseen.
	for range 5 {
		begun := now()
		at := startOf(begun.Add(estimate), length, period)
		p, err := b.coded(at, length, period)
		if err != nil {
			return nil, err
		}
		built := now()
		switch {
		case built.Before(at) && stepOf(built, period) != stepOf(at, period):
			p.start = at
			return p, nil
		case stepOf(built, period) == stepOf(at, period) && (fits(built, length, period) || built.Sub(at) < time.Second):
			p.start = built
			return p, nil
		}
		estimate = 2 * built.Sub(begun)
	}
	return nil, fmt.Errorf("load: building the requests takes longer than a time step of %v; use fewer accounts", period)
}

// startOf returns the first moment at or after ready at which a run of that
// length is to begin.
func startOf(ready time.Time, length, period time.Duration) time.Time {
	if fits(ready, length, period) {
		return ready
	}
	return time.Unix(0, (stepOf(ready, period)+1)*int64(period)).Add(margin)
}

// fits reports whether a run of that length from t on ends in the same step,
// with its last answers.
func fits(t time.Time, length, period time.Duration) bool {
	return stepOf(t, period) == stepOf(t.Add(length+settle), period)
}

func stepOf(t time.Time, period time.Duration) int64 { return t.UnixNano() / int64(period) }

// roundUp makes a number of requests fit for cycling: a multiple of 256 for
// the identifiers, and more rounds of them than there are sockets. With fewer,
// the same octets could follow each other on one port, and a server would take
// the second for a retransmission.
func roundUp(n int) int {
	rounds := max((n+255)/256, maxSockets+2)
	return rounds * 256
}

// coded builds the passes of a run that uses codes and begins at the given time.
func (b *builder) coded(at time.Time, length, period time.Duration) (*plan, error) {
	o := b.options
	first, last := stepOf(at, period), stepOf(at.Add(length), period)
	edge := func(step int64) time.Time { return time.Unix(0, step*int64(period)) }
	if o.ReuseCodes {
		p := &plan{cycle: true}
		for step := first; step <= last; step++ {
			requests, err := b.build(roundUp(len(b.order)), step)
			if err != nil {
				return nil, err
			}
			p.passes = append(p.passes, pass{requests, edge(step), edge(step + 1).Add(-margin / 4)})
		}
		return p, nil
	}
	// At a fixed rate inside one step it is known how many will be needed.
	need := math.MaxInt
	if o.Rate > 0 && first == last {
		mean := o.Rate * length.Seconds()
		need = int(mean+6*math.Sqrt(mean)) + 256
		if o.WarmAccounts {
			need += len(b.order)
		}
	}
	p := &plan{}
	drift := int64(o.Drift)
	for step := first - drift; step <= last+drift && need > 0; step++ {
		n := min(len(b.order), need)
		requests, err := b.build(n, step)
		if err != nil {
			return nil, err
		}
		p.passes = append(p.passes, pass{requests, edge(step - drift).Add(margin / 2), edge(step + drift + 1).Add(-margin)})
		need -= n
	}
	return p, nil
}

// A builder makes requests.
type builder struct {
	options *Options
	order   []int // accounts, shuffled once: an account's next code is as far off as can be
	random  *random.Rand
	packet  radius.Packet
}

func newBuilder(o *Options) (*builder, error) {
	b := &builder{options: o, random: random.New(random.NewPCG(o.Seed, 1))}
	b.order = b.random.Perm(len(o.Credentials))
	if o.Mode == EchoMode && o.Secret.IsZero() {
		var err error
		// An echo looks at nothing; what goes there must only be of the usual size.
		o.Secret, err = radius.NewSecret([]byte("an echo has no secret"))
		return b, err
	}
	return b, nil
}

// build makes n requests with codes of that time step, for the accounts in
// their order, again from the beginning if n is more than there are.
func (b *builder) build(n int, step int64) ([]request, error) {
	const usual = 96 // octets; more is made when a packet needs it
	requests := make([]request, n)
	arena := make([]byte, 0, n*usual)
	authenticators := make([]byte, 16*n)
	rand.Read(authenticators) // never fails; it ends the program instead
	for i := range requests {
		r := &requests[i]
		var err error
		if cap(arena)-len(arena) < radius.MaxPacketSize {
			arena = make([]byte, 0, max(n*usual/4, 1<<20))
		}
		b.packet.Identifier = byte(i)
		b.packet.Authenticator = [16]byte(authenticators[16*i:])
		if arena, err = b.one(arena, r, i, step); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// one makes request i.
func (b *builder) one(arena []byte, r *request, i int, step int64) ([]byte, error) {
	o := b.options
	c := Credential{Name: "echo"}
	if len(b.order) > 0 {
		c = o.Credentials[b.order[i%len(b.order)]]
	}
	r.want = radius.AccessAccept
	fate := b.random.Float64()
	name := c.Name
	if fate < o.UnknownUsers {
		r.want, r.unknown = radius.AccessReject, true
		name = "nobody-" + strconv.FormatUint(b.random.Uint64(), 36)
	}
	code := ""
	if o.Mode != Password && o.Mode != EchoMode {
		code = codeAt(c.Token, step)
		switch {
		case fate >= o.UnknownUsers && fate < o.UnknownUsers+o.WrongCodes:
			r.want = radius.AccessReject
			code = wrongCode(c.Token, step, code)
		case !o.ReuseCodes && !r.unknown && comesAgain(c.Token, step, code, o.Drift):
			return arena, nil
		}
		if code == "" {
			return arena, fmt.Errorf("load: account %s: its token makes no codes", name)
		}
	}
	field := c.Password
	switch o.Mode {
	case Code:
		field = code
	case Append:
		field = c.Password + o.Separator + code
	case Password, Challenge, EchoMode:
	}
	p := &b.packet
	if err := b.fill(name, field, i); err != nil {
		return arena, err
	}
	start := len(arena)
	arena, err := o.Secret.SignRequest(arena, p)
	if err != nil {
		return arena, fmt.Errorf("load: account %s: %w", name, err)
	}
	r.first = arena[start:len(arena):len(arena)]
	if o.Mode != Challenge {
		return arena, nil
	}
	rand.Read(p.Authenticator[:])
	if err := b.fill(name, code, i); err != nil {
		return arena, err
	}
	start = len(arena)
	if arena, err = p.Append(arena); err != nil {
		return arena, fmt.Errorf("load: account %s: %w", name, err)
	}
	r.second = arena[start:len(arena):len(arena)]
	return arena, nil
}

// fill sets the attributes of the builder's packet.
func (b *builder) fill(name, field string, i int) error {
	p := &b.packet
	p.Code = radius.AccessRequest
	p.Attributes = p.Attributes[:0]
	p.Add(radius.UserName, []byte(name))
	if err := p.AddPassword(b.options.Secret, []byte(field)); err != nil {
		return fmt.Errorf("load: account %s: %w", name, err)
	}
	p.Add(radius.NASIPAddress, []byte{192, 0, 2, 1}) // RFC 5737: for documentation
	p.Add(radius.NASPort, binary.BigEndian.AppendUint32(nil, uint32(i)))
	p.Add(radius.CallingStationID, []byte("192.0.2.7"))
	return nil
}

func codeAt(e otp.Enrolment, step int64) string {
	if step < 0 {
		return ""
	}
	return otp.HOTP(e.Key, uint64(step), e.Params)
}

// comesAgain reports whether the token shows the same code at a later step that
// a server could take it for, as happens once in a million. The server then
// rightly takes that step for spent, with all before it, and an account's next
// codes would be refused.
func comesAgain(e otp.Enrolment, step int64, code string, drift int) bool {
	for later := step + 1; later <= step+2*int64(drift); later++ {
		if codeAt(e, later) == code {
			return true
		}
	}
	return false
}

// wrongCode returns a code that the token shows at no step that a server could
// take it for, however it counts drift.
func wrongCode(e otp.Enrolment, step int64, right string) string {
	wrong := []byte(right)
next:
	for {
		// Count up, with the carry from the right.
		for i := len(wrong) - 1; i >= 0; i-- {
			if wrong[i]++; wrong[i] <= '9' {
				break
			}
			wrong[i] = '0'
		}
		for near := step - 4; near <= step+4; near++ {
			if codeAt(e, near) == string(wrong) {
				continue next
			}
		}
		return string(wrong)
	}
}
