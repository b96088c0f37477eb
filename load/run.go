package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	random "math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"

	"sallyport/radius"
)

// ErrNobody says that nothing listens at the server's address.
var ErrNobody = errors.New("nobody listens there")

// Run makes the load that o describes and returns what came of it. It waits
// before it begins if the run would otherwise lie across the end of a time
// step of the codes. While it runs it keeps one thread to itself and the
// garbage collector of this process off.
//
// Answers that are wrong are counted, not errors. An error means that there is
// no result.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	p, err := newPlan(&o, time.Now)
	if err != nil {
		return Result{}, err
	}
	select {
	case <-time.After(time.Until(p.start)):
	case <-ctx.Done():
		return Result{}, fmt.Errorf("load: wait for a time step: %w", ctx.Err())
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w, err := dial(o.Server, o.Source, o.Sockets)
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	r := newRunner(&o, p, w)
	if err := r.run(ctx); err != nil {
		return Result{}, err
	}
	return r.summary()
}

// A runner is one run under way. It belongs to one goroutine.
type runner struct {
	options *Options
	wire    *wire
	feed    feed
	random  *random.Rand
	result  Result

	// Times are nanoseconds since began.
	began             time.Time
	warm, end, giveUp int64 // of the measured part; of waiting for answers after it
	nextArrival       int64 // open loop
	nextSweep         int64
	warming           bool  // accounts are being warmed; nothing of the above counts yet
	begun             int   // logins
	stopped           bool  // nothing new is begun
	stoppedAt         int64 // when
	before, after     usage
	started, finished bool // before, after have been taken

	slots    []slot // by socket, then identifier
	free     [256]ring
	inFlight int // logins
	busy     int // slots
	anyID    uint8
	resting  queue // slots waiting to send again, in the order of their times

	socket int // of the packets in batch
	batch  [][]byte
	packet radius.Packet // scratch
	answer radius.Packet // scratch
	took   histogram
}

// The stages of a slot.
type stage uint8

const (
	idle   stage = iota
	first        // the request is out
	second       // the answer to a challenge is out
	rests        // answered, and to be sent again
	resent       // sent again
)

// A slot is one identifier of one socket.
type slot struct {
	stage       stage
	used        bool // authenticator is of a request that was answered or given up
	request     *request
	intended    int64 // when the login was due
	sent        int64
	due         int64 // rests: when to send again
	octets      []byte
	ours        [512]byte // of octets that were not built before
	last        [16]byte  // authenticator of the request before
	reply       []byte    // rests, resent
	replyMemory [512]byte
}

func (s *slot) authenticator() [16]byte { return [16]byte(s.octets[4:20]) }

// A ring holds the sockets on which an identifier is free, longest first.
type ring struct {
	sockets [256]uint8
	head, n uint8
}

func (r *ring) put(socket int) {
	r.sockets[r.head+r.n] = uint8(socket)
	r.n++
}

func (r *ring) take() (socket int, ok bool) {
	if r.n == 0 {
		return 0, false
	}
	socket = int(r.sockets[r.head])
	r.head++
	r.n--
	return socket, true
}

// A queue is a first-in, first-out list of slots.
type queue struct {
	slots   []int
	head, n int
}

func (q *queue) put(slot int) {
	q.slots[(q.head+q.n)%len(q.slots)] = slot
	q.n++
}

// A feed gives out requests in order.
type feed struct {
	plan *plan
	pass int
	at   int
}

// ready moves to the next request that is valid at t, and returns it with its
// identifier. ok is false if there is none left. The request stays the next
// one until it is spent.
func (f *feed) ready(t time.Time) (r *request, id uint8, ok bool) {
	for f.pass < len(f.plan.passes) {
		p := &f.plan.passes[f.pass]
		if f.at == len(p.requests) && f.plan.cycle {
			f.at = 0
		}
		if f.at == len(p.requests) || !p.until.IsZero() && !t.Before(p.until) {
			f.pass, f.at = f.pass+1, 0
			continue
		}
		if t.Before(p.from) {
			return nil, 0, false
		}
		if p.requests[f.at].first == nil {
			f.at++
			continue
		}
		return &p.requests[f.at], uint8(f.at), true
	}
	return nil, 0, false
}

func (f *feed) spend() { f.at++ }

func newRunner(o *Options, p *plan, w *wire) *runner {
	r := &runner{
		options: o, wire: w, feed: feed{plan: p},
		random: random.New(random.NewPCG(o.Seed, 2)),
		slots:  make([]slot, o.Sockets*256),
		batch:  make([][]byte, 0, batch),
		warm:   int64(o.WarmUp),
		end:    int64(o.WarmUp + o.Duration),
	}
	r.resting.slots = make([]int, len(r.slots))
	r.giveUp = r.end + int64(o.Timeout) + int64(o.RetransmitAfter) + int64(sweepEvery)
	for id := range r.free {
		for socket := range o.Sockets {
			r.free[id].put(socket)
		}
	}
	return r
}

const sweepEvery = 100 * time.Millisecond

func (r *runner) now() int64 { return int64(time.Since(r.began)) }

func (r *runner) run(ctx context.Context) error {
	r.began = time.Now()
	r.warming = r.options.WarmAccounts
	r.nextArrival = r.gap()
	for {
		if r.warming && (r.begun >= len(r.options.Credentials) || r.stopped) && r.busy == 0 {
			r.warming = false
			r.began = time.Now()
			r.nextSweep = 0
			r.nextArrival = r.gap()
		}
		now := r.now()
		if r.warming {
			if err := r.round(ctx, now); err != nil {
				return err
			}
			continue
		}
		if now >= r.warm && !r.started {
			r.before, r.started = measure(r.options.ServerPID), true
			// Measuring takes a moment, in which nobody asked anything.
			now = r.now()
			r.warm = now
			r.end = now + int64(r.options.Duration)
			r.giveUp = r.end + int64(r.options.Timeout) + int64(r.options.RetransmitAfter) + int64(sweepEvery)
		}
		if now >= r.end && !r.stopped {
			r.stop(now)
		}
		if r.stopped && (r.busy == 0 || now >= r.giveUp) {
			r.result.Lost += uint64(r.busy)
			return nil
		}
		if err := r.round(ctx, now); err != nil {
			return err
		}
	}
}

// round sends what is due, waits for something to come or fall due, and takes
// what came.
func (r *runner) round(ctx context.Context, now int64) error {
	if now >= r.nextSweep {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		r.sweep(now)
		r.nextSweep = now + int64(sweepEvery)
	}
	if err := r.send(now); err != nil {
		return err
	}
	if err := r.wire.wait(time.Duration(r.nextEvent() - r.now())); err != nil {
		return err
	}
	if err := r.wire.receive(r.take); err != nil {
		return err
	}
	return r.flush()
}

// gap draws the time between two arrivals of the open loop.
func (r *runner) gap() int64 {
	if r.options.Rate == 0 {
		return 0
	}
	return int64(r.random.ExpFloat64() / r.options.Rate * 1e9)
}

// stop ends the measured part.
func (r *runner) stop(now int64) {
	r.stopped, r.stoppedAt = true, min(now, r.end)
	if r.started {
		r.after, r.finished = measure(r.options.ServerPID), true
		r.stoppedAt = now
	}
}

// nextEvent returns when there is something to do even if nothing comes.
func (r *runner) nextEvent() int64 {
	next := r.nextSweep
	if !r.started && !r.warming {
		next = min(next, r.warm)
	}
	if !r.stopped && !r.warming {
		next = min(next, r.end)
		if r.options.Rate > 0 {
			next = min(next, r.nextArrival)
		}
	}
	if r.resting.n > 0 {
		next = min(next, r.slots[r.resting.slots[r.resting.head]].due)
	}
	return next
}

// send sends whatever is due.
func (r *runner) send(now int64) error {
	for r.resting.n > 0 {
		i := r.resting.slots[r.resting.head]
		s := &r.slots[i]
		if s.due > now {
			break
		}
		r.resting.head = (r.resting.head + 1) % len(r.resting.slots)
		r.resting.n--
		s.stage, s.sent = resent, now
		if err := r.queue(i/256, s.octets); err != nil {
			return err
		}
	}
	if r.options.Rate == 0 || r.warming {
		limit := r.options.InFlight
		if r.warming {
			// Half of the accounts, so that none is under way twice; and no more
			// than there are.
			limit = min(warmInFlight, max(len(r.options.Credentials)/2, 1), len(r.options.Credentials)-r.begun+r.inFlight)
		}
		for !r.stopped && r.inFlight < limit {
			now = r.now()
			begun, err := r.begin(now, now)
			if err != nil {
				return err
			}
			if !begun {
				break
			}
		}
		return r.flush()
	}
	for !r.stopped && r.nextArrival <= now {
		due := r.nextArrival
		r.nextArrival += r.gap()
		begun, err := r.begin(due, now)
		if err != nil {
			return err
		}
		if !begun && !r.stopped {
			r.result.NoSlot++
		}
	}
	return r.flush()
}

// begin sends the next login, and reports whether it could. With no fresh code
// left it stops the run.
func (r *runner) begin(intended, now int64) (bool, error) {
	t := r.began.Add(time.Duration(now))
	request, id, ok := r.feed.ready(t)
	if !ok {
		r.result.Exhausted = true
		r.stop(now)
		return false, nil
	}
	socket, ok := r.free[id].take()
	if !ok {
		return false, nil
	}
	r.feed.spend()
	r.begun++
	s := r.occupy(socket, id, first, intended, now)
	s.request, s.octets = request, request.first
	r.inFlight++
	return true, r.queue(socket, s.octets)
}

func (r *runner) occupy(socket int, id uint8, stage stage, intended, now int64) *slot {
	s := &r.slots[socket*256+int(id)]
	s.stage, s.intended, s.sent = stage, intended, now
	r.busy++
	return s
}

// release frees a slot. Answers to its request are late from now on.
func (r *runner) release(socket int, id uint8) {
	s := &r.slots[socket*256+int(id)]
	s.stage, s.used, s.last = idle, true, s.authenticator()
	r.free[id].put(socket)
	r.busy--
}

// queue puts a packet into the batch. The octets must stay as they are until
// the batch is flushed.
func (r *runner) queue(socket int, octets []byte) error {
	if len(r.batch) == cap(r.batch) || len(r.batch) > 0 && socket != r.socket {
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.socket = socket
	r.batch = append(r.batch, octets)
	r.result.Sent++
	return nil
}

func (r *runner) flush() error {
	if len(r.batch) == 0 {
		return nil
	}
	err := r.wire.send(r.socket, r.batch)
	r.batch = r.batch[:0]
	return err
}

// sweep gives up what has waited too long.
func (r *runner) sweep(now int64) {
	for i := range r.slots {
		s := &r.slots[i]
		if s.stage == idle || s.stage == rests || now-s.sent < int64(r.options.Timeout) {
			continue
		}
		r.result.Lost++
		r.inFlight--
		r.release(i/256, uint8(i))
	}
}

// take judges one datagram.
func (r *runner) take(socket int, datagram []byte) {
	now := r.now()
	if len(datagram) < radius.MinPacketSize {
		r.result.Bad++
		return
	}
	id := datagram[1]
	s := &r.slots[socket*256+int(id)]
	if r.options.Mode == EchoMode {
		r.takeEcho(s, socket, id, datagram, now)
		return
	}
	p := &r.answer
	if err := p.Parse(datagram); err != nil || !r.options.AllowUnsigned && !p.HasMessageAuthenticator() {
		r.result.Bad++
		return
	}
	waits := s.stage == first || s.stage == second || s.stage == resent
	switch {
	case waits && r.options.Secret.VerifyResponse(p, s.authenticator()):
	case s.stage == rests && r.options.Secret.VerifyResponse(p, s.authenticator()),
		s.used && r.options.Secret.VerifyResponse(p, s.last):
		r.result.Late++
		return
	default:
		r.result.Bad++
		return
	}
	if s.stage == resent {
		r.takeResent(s, socket, id, datagram)
		return
	}
	switch p.Code {
	case radius.AccessAccept:
		r.result.Accepts++
	case radius.AccessReject:
		r.result.Rejects++
	case radius.AccessChallenge:
		r.result.Challenges++
	}
	if s.stage == first && s.request.second != nil {
		state, hasState := p.Get(radius.State)
		switch {
		case p.Code == radius.AccessChallenge && hasState:
			request, intended := s.request, s.intended
			r.release(socket, id)
			r.answerChallenge(socket, request, intended, state, now)
		case p.Code == radius.AccessReject && s.request.unknown:
			r.done(s, socket, id, datagram, now)
		default:
			r.wrong(socket, id)
		}
		return
	}
	if p.Code != s.request.want {
		r.wrong(socket, id)
		return
	}
	r.done(s, socket, id, datagram, now)
}

func (r *runner) takeEcho(s *slot, socket int, id uint8, datagram []byte, now int64) {
	switch {
	case s.stage == first && bytes.Equal(datagram, s.octets):
		r.done(s, socket, id, datagram, now)
	case s.stage == resent && bytes.Equal(datagram, s.octets):
		r.takeResent(s, socket, id, datagram)
	case s.used && bytes.Equal(datagram[4:20], s.last[:]):
		r.result.Late++
	default:
		r.result.Bad++
	}
}

func (r *runner) takeResent(s *slot, socket int, id uint8, datagram []byte) {
	if bytes.Equal(datagram, s.reply) {
		r.result.Resent++
	} else {
		r.result.ResentBad++
	}
	r.inFlight--
	r.release(socket, id)
}

func (r *runner) wrong(socket int, id uint8) {
	r.result.Wrong++
	r.inFlight--
	r.release(socket, id)
}

// done counts a login that ended as it should.
func (r *runner) done(s *slot, socket int, id uint8, datagram []byte, now int64) {
	counts := now
	if r.options.Rate > 0 {
		counts = s.intended
	}
	if r.started && counts >= r.warm && (!r.stopped || counts < r.stoppedAt) {
		r.result.Logins++
		r.took.add(now - s.intended)
	}
	// Those answered after the end too: they are waited for all the same.
	if r.options.RetransmitAfter > 0 {
		s.reply = append(s.replyMemory[:0], datagram...)
		s.stage, s.due = rests, now+int64(r.options.RetransmitAfter)
		r.resting.put(socket*256 + int(id))
		return
	}
	r.inFlight--
	r.release(socket, id)
}

// answerChallenge sends the second packet of a login.
func (r *runner) answerChallenge(from int, q *request, intended int64, state []byte, now int64) {
	// The identifiers that requests will want next are half the circle away.
	id, socket := r.anyID, from
	found := false
	for range 256 {
		if socket, found = r.free[id].take(); found {
			break
		}
		id++
	}
	r.anyID = id + 1
	if !found { // cannot be: this login has just freed a slot
		r.result.NoSlot++
		r.inFlight--
		return
	}
	s := r.occupy(socket, id, second, intended, now)
	s.request = q
	p := &r.packet
	err := p.Parse(q.second)
	if err == nil {
		p.Identifier = id
		p.Add(radius.State, state)
		s.octets, err = r.options.Secret.SignRequest(s.ours[:0], p)
	}
	if err == nil {
		err = r.queue(socket, s.octets)
	}
	if err != nil {
		// The State is too long for a packet that it has to fit in, or the
		// socket is broken, which the next packet will tell.
		s.octets = q.second
		r.wrong(socket, id)
	}
}

// summary completes the result.
func (r *runner) summary() (Result, error) {
	o, res := r.options, &r.result
	res.Refused = r.wire.refused
	if res.Accepts+res.Rejects+res.Challenges+res.Bad+res.Late+res.Logins == 0 && res.Refused > 0 {
		return Result{}, fmt.Errorf("load: %s: %w", o.Server, ErrNobody)
	}
	if !r.started || !r.finished {
		return Result{}, errors.New("load: the fresh codes were used up before the measurement began; use more accounts, a lower rate or a shorter warm-up")
	}
	res.Server, res.Mode, res.Accounts = o.Server.String(), o.Mode, len(o.Credentials)
	res.Loop, res.InFlight, res.Rate = "closed", o.InFlight, 0
	if o.Rate > 0 {
		res.Loop, res.InFlight, res.Rate = "open", 0, o.Rate
	}
	seconds := float64(r.stoppedAt-r.warm) / 1e9
	res.Seconds = seconds
	res.Latency = r.took.latency()
	if seconds <= 0 {
		return *res, nil
	}
	res.PerSecond = float64(res.Logins) / seconds
	used := func(d time.Duration) float64 { return math.Max(0, d.Seconds()/r.after.at.Sub(r.before.at).Seconds()) }
	res.OwnCores = used(r.after.own - r.before.own)
	if r.before.serverSeen && r.after.serverSeen {
		server := r.after.server - r.before.server
		res.ServerCores = used(server)
		res.ServerRSS = r.after.serverRSS
		if res.Logins > 0 {
			res.ServerCPU = float64(server.Microseconds()) / float64(res.Logins)
		}
	}
	if r.before.allSeen && r.after.allSeen {
		res.Steal = used(r.after.steal - r.before.steal)
		others := (r.after.machine - r.before.machine) - (r.after.own - r.before.own) - (r.after.server - r.before.server)
		res.Noise = used(others)
	}
	return *res, nil
}
