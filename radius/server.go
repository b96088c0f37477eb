package radius

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Handler decides; the server does the rest. All methods are called
// concurrently, and a panic in any of them is silence and an incident.
type Handler interface {
	// Client returns the client that the source address belongs to. It is
	// called for every datagram, before anything in it is believed, so it
	// must answer from memory. It returns the same *Client for the same
	// client as long as the client's settings stand. IPv4 addresses come as
	// such, never mapped into IPv6.
	Client(source netip.AddrPort) (*Client, bool)

	// Serve answers an Access-Request whose form, signature, novelty and rate
	// have been checked. It may take its time; the client's patience is the
	// only limit. req and all it refers to belong to the server again when
	// Serve returns. The server reads the Reply right after that, so its
	// memory must be the handler's own or never change.
	//
	// ctx ends when the server stops and its grace is over; not when the
	// client loses patience, which nobody tells us.
	Serve(ctx context.Context, req *Request) Reply

	// Healthy reports whether Serve could answer now. It decides on
	// Status-Server and must answer from memory.
	Healthy() bool
}

// A Request is an Access-Request that may be believed as far as its Signed
// field says.
type Request struct {
	Client   *Client
	Source   netip.AddrPort
	Listener string // as given to Listen
	Received time.Time
	Packet   *Packet

	// Signed tells how the request was signed. NotSigned happens only if the
	// client's policy lets it: then anybody could have sent it.
	Signed Signature

	// Mark and Note are the handler's: what it sets in Serve is shown to
	// Server.Observe with the exchange.
	Mark uint64
	Note string

	secret   Secret
	password [maxPassword]byte
}

// A Signature tells which secret made a request's Message-Authenticator.
type Signature uint8

const (
	NotSigned          Signature = iota
	SignedWithSecret             // with Client.Secret
	SignedWithPrevious           // with Client.Previous, which ought to be retired
)

// ErrNoPassword says that a request has no User-Password.
var ErrNoPassword = errors.New("radius: read User-Password: there is none")

// Password returns the first User-Password in clear. The octets are cleared
// when Serve returns. The error is [ErrNoPassword] or [ErrPasswordLength]. If
// the request is NotSigned and the secret wrong, the password is garbage.
func (r *Request) Password() ([]byte, error) {
	hidden, ok := r.Packet.Get(UserPassword)
	if !ok {
		return nil, ErrNoPassword
	}
	return r.secret.RevealPassword(r.password[:0], hidden, r.Packet.Authenticator)
}

// A Reply is what a handler decided. The zero Reply is silence: the client
// hears nothing, and if it sends the request again that is a new request.
type Reply struct {
	Code Code // AccessAccept, AccessReject or AccessChallenge; 0 for silence
	// State is sent if it is not empty (RFC 2865, Section 5.24).
	State []byte
	// Message is sent as Reply-Message, in several attributes if it is long.
	Message string
	// Attributes follow in their order. Message-Authenticator and Proxy-State
	// are the server's own and must not be among them.
	Attributes []Attribute
}

// A Server answers Access-Request and Status-Server on UDP. Set the fields,
// then call Serve once.
type Server struct {
	Handler Handler
	// Incident, if set, is told what happened without the handler. It is
	// called from one goroutine; what comes while it is more than 1,024
	// behind is only counted.
	Incident func(Incident)
	// Observe, if set, is told of every request that was let to the handler
	// once it is over: its answer is no longer kept, or it has none. It is
	// called with a part of the duplicate table locked, by several goroutines,
	// so it must be quick and not call the server. The Exchange and all it
	// refers to belong to the server again when it returns.
	Observe func(*Exchange)
	// Now is the clock, time.Now if nil.
	Now func() time.Time

	// MaxInFlight is how many requests may be with the handler at once, 0 for
	// 1,024; MaxQueued how many more may wait, 0 for 4,096; and MaxWait how
	// long, 0 for 3 s: after that the client has probably sent it again. One
	// that waits holds some 8 KiB, one with the handler a goroutine besides.
	MaxInFlight int
	MaxQueued   int
	MaxWait     time.Duration
	// MaxRemembered is how many requests the duplicate table holds, 0 for
	// 131,072 (some 360 octets each).
	MaxRemembered int
	// Grace is how long Serve waits for requests in hand when it is told to
	// stop, 0 for 5 s.
	Grace time.Duration

	running   atomic.Pointer[running]
	counters  counters
	exchanges sync.Pool
}

// running is what a server has while it serves.
type running struct {
	ctx       context.Context // of handlers
	now       func() time.Time
	table     *duplicates
	queue     *queue
	incidents chan Incident
	sockets   []*socket
}

// An exchange is one datagram and all that is needed to answer it, kept
// together so that serving a request allocates nothing.
type exchange struct {
	request  Request
	packet   Packet
	via      sender
	listener int
	control  []byte // what the reply needs to leave from the address asked
	entry    *entry
	datagram []byte // view of buffer
	buffer   [MaxPacketSize + 1]byte
	reply    Packet
	message  []byte
	out      []byte
}

// A sender sends one datagram. Only tests have another than a socket.
type sender interface {
	send(b []byte, to netip.AddrPort, control []byte) error
}

func orDefault[T int | time.Duration](v, standard T) T {
	if v > 0 {
		return v
	}
	return standard
}

const incidentBacklog = 1024

// start makes what a running server needs. The handlers' context is ctx.
func (s *Server) start(ctx context.Context, sockets []*socket) (*running, error) {
	if s.Handler == nil {
		return nil, errors.New("radius: serve: there is no handler")
	}
	r := &running{
		ctx:       ctx,
		now:       s.Now,
		sockets:   sockets,
		table:     newDuplicates(orDefault(s.MaxRemembered, 131072)),
		incidents: make(chan Incident, incidentBacklog),
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.table.observe = s.Observe
	r.queue = newQueue(func(x *exchange) { s.serve(r, x) },
		orDefault(s.MaxInFlight, 1024), orDefault(s.MaxQueued, 4096), orDefault(s.MaxWait, 3*time.Second))
	if !s.running.CompareAndSwap(nil, r) {
		return nil, errors.New("radius: serve: this server has been started before")
	}
	return r, nil
}

// Serve reads and answers what comes to the listeners until ctx ends, and
// closes them. Then it waits for requests in hand, answers them, and returns
// nil; or, if some have not ended after the grace, ends their context and
// returns an error soon after. It returns an error at once if a socket fails
// for good. A Server serves once.
func (s *Server) Serve(ctx context.Context, listeners ...*Listener) error {
	handlers, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var sockets []*socket
	for _, l := range listeners {
		sockets = append(sockets, l.sockets...)
	}
	if len(sockets) == 0 {
		return errors.New("radius: serve: there is no listener")
	}
	r, err := s.start(handlers, sockets)
	if err != nil {
		return err
	}

	var background sync.WaitGroup
	stopBackground := make(chan struct{})
	background.Go(func() { s.report(r, stopBackground) })
	background.Go(func() { s.sweep(r, stopBackground) })

	readers, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	var reading sync.WaitGroup
	for i, l := range listeners {
		for _, k := range l.sockets {
			reading.Go(func() {
				if err := s.read(readers, r, k, i, l.name); err != nil {
					failed(err)
				}
			})
		}
	}
	<-readers.Done()
	for _, k := range r.sockets {
		k.interrupt()
	}
	reading.Wait()
	for _, x := range r.queue.close() {
		r.table.forget(x.entry)
		s.release(x)
	}
	left := s.drain(r, stop)
	for _, l := range listeners {
		l.Close()
	}
	close(stopBackground)
	background.Wait()
	r.table.end()
	if ctx.Err() == nil {
		return context.Cause(readers)
	}
	if left > 0 {
		return fmt.Errorf("radius: serve: stopped while %d requests were still with the handler", left)
	}
	return nil
}

// drain waits for workers: for the grace, and once more after stop has told
// them to end. It returns how many did not.
func (s *Server) drain(r *running, stop context.CancelFunc) int {
	grace := orDefault(s.Grace, 5*time.Second)
	left := 0
	for _, limit := range []time.Duration{grace, time.Second} {
		var over atomic.Bool
		timer := time.AfterFunc(limit, func() {
			over.Store(true)
			r.queue.poke()
		})
		left = r.queue.wait(over.Load)
		timer.Stop()
		if left == 0 {
			break
		}
		stop()
	}
	return left
}

// read is the loop of one socket.
func (s *Server) read(ctx context.Context, r *running, k *socket, listener int, name string) error {
	x := s.acquire()
	defer func() { s.release(x) }() // the one in use then, not this one
	for ctx.Err() == nil {
		n, source, err := k.receive(x)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("radius: serve on %s: %w", name, err)
			}
			// Passing trouble of the operating system (no memory; on some,
			// word that an earlier reply found nobody). Try again, not in a
			// tight loop.
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		x.datagram = x.buffer[:n]
		x.via = k
		x.listener = listener
		x.request.Listener = name
		x.request.Source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		if s.receive(r, x) {
			x = s.acquire()
		}
	}
	return nil
}

func (s *Server) acquire() *exchange {
	if x, ok := s.exchanges.Get().(*exchange); ok {
		return x
	}
	x := &exchange{control: make([]byte, 0, controlSize), out: make([]byte, 0, 512)}
	x.packet.Attributes = make([]Attribute, 0, 32)
	x.reply.Attributes = make([]Attribute, 0, 16)
	return x
}

func (s *Server) release(x *exchange) {
	clear(x.request.password[:])
	clear(x.reply.Attributes[:cap(x.reply.Attributes)]) // of the handler's memory
	x.request.Client, x.request.Note, x.request.secret, x.entry, x.via = nil, "", Secret{}, nil, nil
	s.exchanges.Put(x)
}

// receive treats the datagram of x. It reports whether a worker has taken x
// over.
func (s *Server) receive(r *running, x *exchange) (taken bool) {
	s.counters.received.Add(1)
	req := &x.request
	req.Received = r.now()
	req.Client, req.Mark, req.Note = nil, 0, ""
	x.packet.Code, x.packet.Identifier = 0, 0
	defer func() {
		// A worker that has x has begun using it, so nothing may touch it.
		if taken {
			return
		}
		if v := recover(); v != nil {
			s.incident(r, x, Incident{Kind: HandlerFault, Err: fmt.Errorf("radius: handler panicked: %v", v)})
		}
	}()

	client, ok := s.Handler.Client(req.Source)
	if !ok || client == nil || client.Secret.IsZero() {
		s.incident(r, x, Incident{Kind: UnknownClient})
		return false
	}
	req.Client = client
	p := &x.packet
	if err := p.Parse(x.datagram); err != nil {
		s.incident(r, x, Incident{Kind: Malformed, Err: err})
		return false
	}
	req.Packet = p
	if p.Code != AccessRequest && p.Code != StatusServer {
		s.incident(r, x, Incident{Kind: UnsupportedCode})
		return false
	}
	if !s.authenticate(r, x) {
		return false
	}
	if p.Code == StatusServer {
		s.status(r, x)
		return false
	}

	if c := p.Credentials(); c&EAP != 0 && c&(PAP|CHAP|ARAP) != 0 {
		// RFC 3579, Section 3.3. Other mixtures are for the handler to judge.
		s.incident(r, x, Incident{Kind: Malformed, Err: errMixedEAP})
		return false
	}

	key := requestKey{source: req.Source, listener: x.listener, identifier: p.Identifier}
	verdict, e, stored, first, superseded := r.table.begin(key, client, p, x.out[:0], req.Received)
	x.out = stored
	if !superseded.IsZero() {
		s.incident(r, x, Incident{Kind: Superseded, Age: req.Received.Sub(superseded)})
	}
	switch verdict {
	case admitted:
		x.entry = e
		stale, ok := r.queue.push(x, req.Received)
		if stale != nil {
			s.tooLate(r, stale)
		}
		if !ok {
			r.table.forget(e)
			x.entry = nil
			s.incident(r, x, Incident{Kind: Overloaded, Err: errQueueFull})
			return false
		}
		return true
	case pending:
		s.incident(r, x, Incident{Kind: Retransmitted, Age: req.Received.Sub(first)})
	case again:
		s.incident(r, x, Incident{Kind: Resent, Age: req.Received.Sub(first)})
		s.send(r, x)
	case again2Much:
		s.incident(r, x, Incident{Kind: RateLimited, Age: req.Received.Sub(first), Err: errRepeats})
	case altered:
		s.incident(r, x, Incident{Kind: Malformed, Err: errReusedID})
	case tooFast:
		s.incident(r, x, Incident{Kind: RateLimited})
	case tooMany:
		s.incident(r, x, Incident{Kind: Overloaded, Err: errInFlight})
	}
	return false
}

// Reasons that come with incidents.
var (
	errQueueFull = errors.New("radius: too many requests wait for the handler")
	errInFlight  = errors.New("radius: the client has too many requests in hand")
	errTooLate   = errors.New("radius: the request waited too long for the handler")
	errRepeats   = errors.New("radius: the client repeats one request without end")
	errReplyCode = errors.New("radius: the handler's reply is neither Accept, Reject nor Challenge")
	errReplyOwn  = errors.New("radius: the handler's reply holds a Message-Authenticator or Proxy-State")
)

// authenticate checks the signature as policy and standards want it, and notes
// the secret.
func (s *Server) authenticate(r *running, x *exchange) bool {
	req, p, c := &x.request, &x.packet, x.request.Client
	req.Signed, req.secret = NotSigned, c.Secret
	if p.HasMessageAuthenticator() {
		switch {
		case c.Secret.VerifyRequest(p):
			req.Signed = SignedWithSecret
		case c.Previous.VerifyRequest(p):
			req.Signed, req.secret = SignedWithPrevious, c.Previous
		default:
			s.incident(r, x, Incident{Kind: BadMessageAuthenticator})
			return false
		}
		return true
	}
	needed := true
	switch c.MessageAuthenticator {
	case Optional:
		needed = false
	case RequiredWithProxyState:
		_, needed = p.Get(ProxyState)
	case Required:
	}
	// RFC 3579, Section 3.3: with EAP always; and without any credentials, for
	// then nothing in the request could show who sent it.
	if has := p.Credentials(); has&EAP != 0 || has == 0 {
		needed = true
	}
	if needed || p.Code == StatusServer {
		s.incident(r, x, Incident{Kind: MissingMessageAuthenticator})
		return false
	}
	return true
}

// status answers a Status-Server. It is no request in the sense of the
// duplicate table: each copy asks how things are now (RFC 5997, Section 4.2).
func (s *Server) status(r *running, x *exchange) {
	req := &x.request
	if !req.Client.status.take(req.Received, statusRate, statusRate) {
		s.incident(r, x, Incident{Kind: RateLimited})
		return
	}
	if !s.Handler.Healthy() {
		s.incident(r, x, Incident{Kind: Unhealthy})
		return
	}
	if err := s.encode(x, Reply{Code: AccessAccept}); err != nil {
		s.incident(r, x, Incident{Kind: HandlerFault, Err: err})
		return
	}
	s.counters.statuses.Add(1)
	s.send(r, x)
}

// serve is what a worker does with a request.
func (s *Server) serve(r *running, x *exchange) {
	if r.now().Sub(x.request.Received) > r.queue.maxWait {
		s.tooLate(r, x)
		return
	}
	defer s.release(x)
	reply, ok := s.ask(r, x)
	x.entry.code, x.entry.mark, x.entry.note = reply.Code, x.request.Mark, x.request.Note
	if ok && reply.Code == 0 {
		s.counters.silences.Add(1)
		ok = false
	}
	if ok {
		if err := s.encode(x, reply); err != nil {
			s.incident(r, x, Incident{Kind: HandlerFault, Err: err})
			ok = false
		}
	}
	if !ok {
		r.table.forget(x.entry)
		return
	}
	// Kept before it is sent: whoever asks again from now on gets these octets.
	if !r.table.answer(x.entry, x.out, r.now()) {
		return
	}
	switch reply.Code {
	case AccessAccept:
		s.counters.accepts.Add(1)
	case AccessReject:
		s.counters.rejects.Add(1)
	case AccessChallenge:
		s.counters.challenges.Add(1)
	}
	s.send(r, x)
}

// tooLate ends a request that no worker began in time.
func (s *Server) tooLate(r *running, x *exchange) {
	s.incident(r, x, Incident{Kind: Overloaded, Err: errTooLate})
	r.table.forget(x.entry)
	s.release(x)
}

// ask calls the handler; false if it panicked.
func (s *Server) ask(r *running, x *exchange) (reply Reply, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			s.incident(r, x, Incident{Kind: HandlerFault, Err: fmt.Errorf("radius: handler panicked: %v", v)})
			ok = false
		}
	}()
	return s.Handler.Serve(r.ctx, &x.request), true
}

// encode puts the signed octets of reply into x.out.
func (s *Server) encode(x *exchange, reply Reply) error {
	switch reply.Code {
	case AccessAccept, AccessReject, AccessChallenge:
	default:
		return errReplyCode
	}
	p := &x.reply
	p.Code, p.Identifier = reply.Code, x.packet.Identifier
	p.Attributes = p.Attributes[:0]
	if len(reply.State) > 0 {
		p.Add(State, reply.State)
	}
	x.message = append(x.message[:0], reply.Message...)
	p.Attributes = appendMessage(p.Attributes, x.message)
	for _, a := range reply.Attributes {
		if a.Type == MessageAuthenticator || a.Type == ProxyState {
			return errReplyOwn
		}
		p.Attributes = append(p.Attributes, a)
	}
	// Every Proxy-State, unchanged and in order (RFC 2865, Section 5.33).
	for _, a := range x.packet.Attributes {
		if a.Type == ProxyState {
			p.Attributes = append(p.Attributes, a)
		}
	}
	out, err := x.request.secret.SignResponse(x.out[:0], p, x.packet.Authenticator)
	x.out = out
	return err
}

func (s *Server) send(r *running, x *exchange) {
	if err := x.via.send(x.out, x.request.Source, x.control); err != nil {
		s.incident(r, x, Incident{Kind: SendFailed, Err: err})
	}
}

// incident completes i from x, counts it and passes it on, never waiting.
func (s *Server) incident(r *running, x *exchange, i Incident) {
	s.counters.incidents[i.Kind].Add(1)
	if s.Incident == nil {
		return
	}
	i.Time, i.Source, i.Listener, i.Client = x.request.Received, x.request.Source, x.request.Listener, x.request.Client
	i.Code, i.Identifier = x.packet.Code, x.packet.Identifier
	select {
	case r.incidents <- i:
	default:
		s.counters.unreported.Add(1)
	}
}

// report tells incidents until stop, and then what is left of them.
func (s *Server) report(r *running, stop <-chan struct{}) {
	tell := func(i Incident) {
		defer func() { _ = recover() }() // a fault in telling must not stop logins
		s.Incident(i)
	}
	for {
		select {
		case i := <-r.incidents:
			tell(i)
		case <-stop:
			for {
				select {
				case i := <-r.incidents:
					tell(i)
				default:
					return
				}
			}
		}
	}
}

// sweep frees what the duplicate table holds for clients that went quiet.
func (s *Server) sweep(r *running, stop <-chan struct{}) {
	tick := time.NewTicker(replyLife / 6)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.table.sweep(r.now())
		case <-stop:
			return
		}
	}
}

// Stats returns what has been counted so far. It may be called at any time.
func (s *Server) Stats() Stats {
	st := Stats{
		Received:   s.counters.received.Load(),
		Accepts:    s.counters.accepts.Load(),
		Rejects:    s.counters.rejects.Load(),
		Challenges: s.counters.challenges.Load(),
		Silences:   s.counters.silences.Load(),
		Statuses:   s.counters.statuses.Load(),
		Unreported: s.counters.unreported.Load(),
	}
	for i := range st.Incidents {
		st.Incidents[i] = s.counters.incidents[i].Load()
	}
	if r := s.running.Load(); r != nil {
		for _, k := range r.sockets {
			st.KernelDrops += k.drops.Load()
		}
		st.InFlight, st.Queued = r.queue.counts()
		st.Remembered = r.table.len()
	}
	return st
}
