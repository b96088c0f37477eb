package radius

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen. It is no measure of
// anything; a test that works never waits for it.
const patience = 10 * time.Second

// A deskHandler answers as its function says, for one client.
type deskHandler struct {
	client *Client
	other  atomic.Pointer[Client] // instead of client, from when it is set
	serve  func(ctx context.Context, r *Request) Reply
	sick   atomic.Bool
}

func (h *deskHandler) Client(source netip.AddrPort) (*Client, bool) {
	if other := h.other.Load(); other != nil {
		return other, true
	}
	return h.client, h.client != nil && source.Addr().IsLoopback()
}
func (h *deskHandler) Healthy() bool { return !h.sick.Load() }
func (h *deskHandler) Serve(ctx context.Context, r *Request) Reply {
	return h.serve(ctx, r)
}

// A clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// A world is a server on loopback, its client's socket, and what it told.
type world struct {
	t         *testing.T
	server    *Server
	handler   *deskHandler
	clock     *clock
	address   netip.AddrPort
	conn      *net.UDPConn
	secret    Secret
	served    atomic.Int64
	incidents chan Incident
	stop      func() error
}

// newWorld starts a server that answers every request with what serve says;
// nil accepts. Before it starts, prepare may change it.
func newWorld(t *testing.T, serve func(context.Context, *Request) Reply, prepare func(*world)) *world {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	w := &world{t: t, secret: mustSecret("a secret of the test, 32 octets."), clock: new(clock), incidents: make(chan Incident, 10000)}
	if serve == nil {
		serve = func(context.Context, *Request) Reply { return Reply{Code: AccessAccept} }
	}
	w.handler = &deskHandler{client: &Client{Name: "nas", Secret: w.secret}, serve: func(ctx context.Context, r *Request) Reply {
		w.served.Add(1)
		return serve(ctx, r)
	}}
	w.server = &Server{Handler: w.handler, Now: w.clock.now, Incident: func(i Incident) { w.incidents <- i }}
	if prepare != nil {
		prepare(w)
	}
	l, err := Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	w.address = l.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, l) }()
	w.conn = w.dial()
	w.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the server did not stop")
		}
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return w
}

func (w *world) dial() *net.UDPConn {
	w.t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(w.address))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

func (w *world) send(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// receive returns the next datagram.
func (w *world) receive() []byte {
	w.t.Helper()
	b := make([]byte, 5000)
	w.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := w.conn.Read(b)
	if err != nil {
		w.t.Fatalf("no reply: %v; %+v", err, w.server.Stats())
	}
	return b[:n]
}

// reply returns the next datagram as the verified answer to request.
func (w *world) reply(request []byte) *Packet {
	w.t.Helper()
	p := mustParse(w.t, w.receive())
	if !w.secret.VerifyResponse(p, [16]byte(request[4:20])) || p.Identifier != request[1] {
		w.t.Fatalf("%v %d is not the signed answer to %d", p.Code, p.Identifier, request[1])
	}
	return p
}

// wantIncident waits for the next incident and checks its kind.
func (w *world) wantIncident(kind IncidentKind) Incident {
	w.t.Helper()
	select {
	case i := <-w.incidents:
		if i.Kind != kind {
			w.t.Fatalf("incident %v (%v), want %v", i.Kind, i.Err, kind)
		}
		return i
	case <-time.After(patience):
		w.t.Fatalf("no incident, want %v; %+v", kind, w.server.Stats())
	}
	panic("unreachable")
}

// wantQuiet checks that nothing was sent so far and not heard: the next thing
// that comes is the answer to a query made now.
func (w *world) wantQuiet() {
	w.t.Helper()
	query := w.sign(&Packet{Code: StatusServer, Identifier: 255, Authenticator: NewRequest(StatusServer).Authenticator})
	w.send(query)
	w.reply(query)
}

func (w *world) sign(p *Packet) []byte {
	w.t.Helper()
	b, err := w.secret.SignRequest(nil, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// request makes a signed Access-Request with this identifier.
func (w *world) request(id uint8, attributes ...Attribute) []byte {
	w.t.Helper()
	p := NewRequest(AccessRequest)
	p.Identifier = id
	p.Attributes = append([]Attribute{Text(UserName, "alice")}, attributes...)
	return w.sign(p)
}

// unsigned makes the same without a Message-Authenticator.
func (w *world) unsigned(id uint8, attributes ...Attribute) []byte {
	w.t.Helper()
	p := NewRequest(AccessRequest)
	p.Identifier = id
	p.Attributes = append([]Attribute{Text(UserName, "alice"), {CHAPPassword, make([]byte, 17)}}, attributes...)
	b, err := p.Append(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) wantServed(n int64) {
	w.t.Helper()
	if got := w.served.Load(); got != n {
		w.t.Errorf("the handler was asked %d times, want %d", got, n)
	}
}

// until waits for what only counters tell.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for started := time.Now(); !done(); runtime.Gosched() {
		if time.Since(started) > patience {
			t.Fatal("what was waited for did not happen")
		}
	}
}

// A gate holds requests in the handler until it is opened.
type gate struct {
	entered chan uint8    // identifiers, as they come in
	open    chan struct{} // one value lets one out; closed lets all out
}

func newGate() *gate { return &gate{make(chan uint8, 10000), make(chan struct{}, 10000)} }

func (g *gate) pass(ctx context.Context, r *Request) Reply {
	g.entered <- r.Packet.Identifier
	select {
	case <-g.open:
	case <-ctx.Done():
		return Reply{}
	}
	return Reply{Code: AccessAccept, Message: fmt.Sprintf("answer to %d", r.Packet.Identifier)}
}

func (g *gate) wait(t *testing.T) uint8 {
	t.Helper()
	select {
	case id := <-g.entered:
		return id
	case <-time.After(patience):
		t.Fatal("no request reached the handler")
	}
	panic("unreachable")
}

func TestHandlerSeesTheRequest(t *testing.T) {
	type seen struct {
		name, password, listener string
		source                   netip.AddrPort
		signed                   Signature
		err                      error
	}
	saw := make(chan seen, 1)
	w := newWorld(t, func(_ context.Context, r *Request) Reply {
		name, _ := r.Packet.Get(UserName)
		password, err := r.Password()
		saw <- seen{string(name), string(password), r.Listener, r.Source, r.Signed, err}
		return Reply{
			Code: AccessChallenge, State: []byte("state"), Message: strings.Repeat("m", 300),
			Attributes: []Attribute{Text(FilterID, "staff"), Integer(SessionTimeout, 60)},
		}
	}, nil)
	p := NewRequest(AccessRequest)
	p.Attributes = []Attribute{{ProxyState, []byte("one")}, Text(UserName, "alice"), {ProxyState, []byte("two")}, {ProxyState, nil}}
	if err := p.AddPassword(w.secret, []byte("pass word 123456")); err != nil {
		t.Fatal(err)
	}
	request := w.sign(p)
	w.send(request)
	got := w.reply(request)
	want := seen{"alice", "pass word 123456", "127.0.0.1:0", w.conn.LocalAddr().(*net.UDPAddr).AddrPort(), SignedWithSecret, nil}
	if s := <-saw; s != want {
		t.Errorf("the handler saw %+v, want %+v", s, want)
	}
	var lines []string
	for _, a := range got.Attributes[1:] {
		lines = append(lines, a.String())
	}
	wantLines := []string{
		"State=0x7374617465", "Reply-Message=" + strings.Repeat("m", 253), "Reply-Message=" + strings.Repeat("m", 47),
		"Filter-Id=staff", "Session-Timeout=60",
		"Proxy-State=0x6f6e65", "Proxy-State=0x74776f", "Proxy-State=0x",
	}
	if got.Code != AccessChallenge || strings.Join(lines, "\n") != strings.Join(wantLines, "\n") {
		t.Errorf("the reply is %v with\n%s\nwant\n%s", got.Code, strings.Join(lines, "\n"), strings.Join(wantLines, "\n"))
	}
	if st := w.server.Stats(); st.Received != 1 || st.Challenges != 1 || st.Remembered != 1 {
		t.Errorf("Stats = %+v", st)
	}
}

// TestBlastRADIUS is named after CVE-2024-3596: a Response Authenticator, being
// MD5, can be forged by whoever is on the path, so requests without
// Message-Authenticator are refused and every reply has one, first.
func TestBlastRADIUS(t *testing.T) {
	t.Run("a request without Message-Authenticator is refused", func(t *testing.T) {
		w := newWorld(t, nil, nil)
		w.send(w.unsigned(1, Attribute{ProxyState, []byte("x")}))
		if i := w.wantIncident(MissingMessageAuthenticator); i.Client != w.handler.client || i.Code != AccessRequest || i.Identifier != 1 {
			t.Errorf("the incident is %+v", i)
		}
		w.wantQuiet()
		w.wantServed(0)
	})
	t.Run("the Message-Authenticator is the first attribute of every reply", func(t *testing.T) {
		codes := []Code{AccessAccept, AccessReject, AccessChallenge}
		w := newWorld(t, func(_ context.Context, r *Request) Reply {
			return Reply{Code: codes[r.Packet.Identifier], State: []byte("s"), Message: "m", Attributes: []Attribute{Text(Class, "c")}}
		}, nil)
		for id := range codes {
			request := w.request(uint8(id), Attribute{ProxyState, []byte("x")})
			w.send(request)
			p := w.reply(request)
			if p.Code != codes[id] || p.Attributes[0].Type != MessageAuthenticator {
				t.Errorf("%v begins with %v", p.Code, p.Attributes[0].Type)
			}
		}
		query := w.sign(NewRequest(StatusServer))
		w.send(query)
		if p := w.reply(query); p.Code != AccessAccept || p.Attributes[0].Type != MessageAuthenticator {
			t.Errorf("the answer to Status-Server is %v and begins with %v", p.Code, p.Attributes[0].Type)
		}
	})
	t.Run("the policy may let some through", func(t *testing.T) {
		signed := make(chan Signature, 10)
		w := newWorld(t, func(_ context.Context, r *Request) Reply {
			signed <- r.Signed
			return Reply{Code: AccessReject}
		}, func(w *world) { w.handler.client.MessageAuthenticator = RequiredWithProxyState })
		w.send(w.unsigned(1, Attribute{ProxyState, []byte("x")}))
		w.wantIncident(MissingMessageAuthenticator)
		w.send(w.unsigned(2, Attribute{EAPMessage, []byte{2, 0, 0, 4}})) // RFC 3579, Section 3.2
		w.wantIncident(MissingMessageAuthenticator)
		bare, err := (&Packet{Code: AccessRequest, Identifier: 4, Attributes: []Attribute{Text(UserName, "alice")}}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.send(bare) // no credentials at all (RFC 3579, Section 3.3)
		w.wantIncident(MissingMessageAuthenticator)
		plain := w.unsigned(3)
		w.send(plain)
		if p := w.reply(plain); p.Code != AccessReject || p.Attributes[0].Type != MessageAuthenticator {
			t.Errorf("the reply is %v and begins with %v", p.Code, p.Attributes[0].Type)
		}
		if s := <-signed; s != NotSigned {
			t.Errorf("Signed = %v, want NotSigned", s)
		}
	})
	t.Run("a wrong one is refused where none is needed", func(t *testing.T) {
		w := newWorld(t, nil, func(w *world) { w.handler.client.MessageAuthenticator = Optional })
		b := w.request(1)
		b[25] ^= 1
		w.send(b)
		w.wantIncident(BadMessageAuthenticator)
		w.wantQuiet()
		w.wantServed(0)
		proxied := w.unsigned(2, Attribute{ProxyState, []byte("x")})
		w.send(proxied)
		w.reply(proxied)
	})
}

func TestSecretsRotate(t *testing.T) {
	signed := make(chan Signature, 1)
	password := make(chan string, 1)
	next := mustSecret("the secret that comes after it..")
	w := newWorld(t, func(_ context.Context, r *Request) Reply {
		signed <- r.Signed
		b, _ := r.Password()
		password <- string(b)
		return Reply{Code: AccessAccept}
	}, func(w *world) { w.handler.client.Previous, w.handler.client.Secret = w.secret, next })
	for _, tt := range []struct {
		secret Secret
		want   Signature
	}{{w.secret, SignedWithPrevious}, {next, SignedWithSecret}} {
		w.secret = tt.secret
		p := NewRequest(AccessRequest)
		if err := p.AddPassword(tt.secret, []byte("pw")); err != nil {
			t.Fatal(err)
		}
		request := w.sign(p)
		w.send(request)
		w.reply(request) // signed with the same
		if s, pw := <-signed, <-password; s != tt.want || pw != "pw" {
			t.Errorf("Signed = %v with password %q, want %v with pw", s, pw, tt.want)
		}
	}
	w.secret = mustSecret("a secret nobody knows...........")
	w.send(w.request(9))
	w.wantIncident(BadMessageAuthenticator)
}

func TestIncidents(t *testing.T) {
	tests := []struct {
		name   string
		send   func(w *world) []byte
		kind   IncidentKind
		reason error
	}{
		{"not a packet", func(*world) []byte { return []byte("hello") }, Malformed, errShort},
		{"attribute length 0", func(*world) []byte { return packet(1, 1, 0) }, Malformed, errAttributeShort},
		{"larger than any packet", func(*world) []byte { return withLength(make([]byte, 5000), 5000) }, Malformed, errLengthHigh},
		{"Accounting-Request", func(*world) []byte { return packet(4) }, UnsupportedCode, nil},
		{"Access-Accept", func(*world) []byte { return packet(2) }, UnsupportedCode, nil},
		{"Disconnect-Request", func(*world) []byte { return packet(40) }, UnsupportedCode, nil},
		{"Status-Server without Message-Authenticator", func(*world) []byte { return packet(12) }, MissingMessageAuthenticator, nil},
		{"EAP beside a password", func(w *world) []byte {
			return w.request(1, Attribute{EAPMessage, []byte{2, 1, 0, 5, 1}}, Attribute{UserPassword, make([]byte, 16)})
		}, Malformed, errMixedEAP},
		{"wrong signature", func(w *world) []byte { b := w.request(1); b[len(b)-1] ^= 1; return b }, BadMessageAuthenticator, nil},
	}
	w := newWorld(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.send(tt.send(w))
			i := w.wantIncident(tt.kind)
			if !errors.Is(i.Err, tt.reason) || i.Source != w.conn.LocalAddr().(*net.UDPAddr).AddrPort() || i.Client != w.handler.client || i.Listener != "127.0.0.1:0" || i.Time.IsZero() {
				t.Errorf("the incident is %+v, want reason %v", i, tt.reason)
			}
		})
	}
	w.wantQuiet()
	w.wantServed(0)
	if st := w.server.Stats(); st.Remembered != 0 {
		t.Errorf("refused packets are in the duplicate table: %+v", st)
	}
	if n := w.server.Stats().Incidents[Malformed]; n != 4 {
		t.Errorf("%d malformed packets were counted, want 4", n)
	}
}

func TestUnknownClientsHearNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client *Client
	}{{"no client", nil}, {"a client without secret", &Client{}}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil, func(w *world) { w.handler.client = tt.client })
			w.send(w.request(1))
			if i := w.wantIncident(UnknownClient); i.Client != nil && i.Client != tt.client {
				t.Errorf("the incident is %+v", i)
			}
			w.send(w.sign(NewRequest(StatusServer)))
			w.wantIncident(UnknownClient)
			w.wantServed(0)
		})
	}
}

// The tests named RFC 5080 follow its Section 2.2.2.

func TestRFC5080AnsweredRequestGetsTheSameOctets(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, func(context.Context, *Request) Reply {
		return Reply{Code: AccessChallenge, State: fmt.Append(nil, n.Add(1))}
	}, nil)
	request := w.request(7)
	w.send(request)
	first := w.receive()
	for range 3 {
		w.clock.advance(5 * time.Second)
		w.send(append(bytes.Clone(request), 0, 0)) // padding is not part of it
		if again := w.receive(); !bytes.Equal(again, first) {
			t.Errorf("sent again %x, want %x", again, first)
		}
		w.wantIncident(Resent)
	}
	w.wantServed(1)
}

func TestRFC5080PendingRequestIsDropped(t *testing.T) {
	g := newGate()
	w := newWorld(t, g.pass, nil)
	request := w.request(7)
	w.send(request)
	g.wait(t)
	for k := 1; k <= 3; k++ {
		w.clock.advance(2 * time.Second)
		w.send(request)
		if i := w.wantIncident(Retransmitted); i.Age < time.Duration(2*k)*time.Second || i.Age > time.Duration(2*k)*time.Second+patience {
			t.Errorf("retransmission %d has age %v", k, i.Age)
		}
	}
	w.wantQuiet()
	g.open <- struct{}{}
	w.reply(request)
	w.send(request)
	w.reply(request)
	w.wantIncident(Resent)
	w.wantServed(1)
}

func TestRFC5080NewAuthenticatorIsANewRequest(t *testing.T) {
	w := newWorld(t, nil, nil)
	for range 3 {
		request := w.request(7)
		w.send(request)
		w.reply(request)
	}
	w.wantServed(3)
	if st := w.server.Stats(); st.Remembered != 1 {
		t.Errorf("%d requests are remembered under one identifier, want 1", st.Remembered)
	}
}

func TestRFC5080NewAuthenticatorTakesThePlaceOfAPendingRequest(t *testing.T) {
	g := newGate()
	w := newWorld(t, g.pass, nil)
	old, newer := w.request(7), w.request(7)
	w.send(old)
	g.wait(t)
	w.clock.advance(time.Second)
	w.send(newer)
	g.wait(t)
	if i := w.wantIncident(Superseded); i.Age < time.Second {
		t.Errorf("the old request had waited %v", i.Age)
	}
	g.open <- struct{}{}
	g.open <- struct{}{}
	// The answer to the old request would only be taken for a forged one.
	w.reply(newer)
	w.wantQuiet()
	w.wantServed(2)
}

func TestRFC5080AnswersAreForgottenAfter30Seconds(t *testing.T) {
	w := newWorld(t, nil, nil)
	request := w.request(7)
	w.send(request)
	w.reply(request)
	w.clock.advance(replyLife - patience) // the clock also runs by itself
	w.send(request)
	w.reply(request)
	w.wantIncident(Resent)
	w.wantServed(1)
	w.clock.advance(patience)
	w.send(request)
	w.reply(request)
	w.wantServed(2)
}

func TestRFC5080KeyIsSourcePortAndIdentifier(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := NewRequest(AccessRequest)
	first := w.sign(p)
	w.send(first)
	w.reply(first)
	p.Identifier++ // the same authenticator under another identifier
	second := w.sign(p)
	w.send(second)
	w.reply(second)
	w.conn = w.dial() // and from another port
	w.send(first)
	w.reply(first)
	w.wantServed(3)
}

func TestRFC5080OnlySignedPacketsTouchTheTable(t *testing.T) {
	g := newGate()
	w := newWorld(t, g.pass, nil)
	request := w.request(7)
	w.send(request)
	g.wait(t)
	forged := w.request(7) // same key, new authenticator, wrong signature
	forged[30] ^= 1
	w.send(forged)
	w.wantIncident(BadMessageAuthenticator)
	w.send(w.unsigned(7))
	w.wantIncident(MissingMessageAuthenticator)
	g.open <- struct{}{}
	w.reply(request)
	w.send(request)
	w.reply(request)
	w.wantServed(1)
}

// TestSameAuthenticatorOtherOctets: a client that reuses an authenticator for
// another request must not get the first one's answer.
func TestSameAuthenticatorOtherOctets(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := NewRequest(AccessRequest)
	p.Attributes = []Attribute{Text(UserName, "alice")}
	request := w.sign(p)
	w.send(request)
	w.reply(request)
	p.Attributes = []Attribute{Text(UserName, "mallory")}
	w.send(w.sign(p))
	if i := w.wantIncident(Malformed); i.Err != errReusedID {
		t.Errorf("the reason is %v", i.Err)
	}
	w.wantQuiet()
	w.wantServed(1)
}

func TestSilenceIsForgotten(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, func(context.Context, *Request) Reply {
		if n.Add(1) == 1 {
			return Reply{}
		}
		return Reply{Code: AccessReject}
	}, func(w *world) { w.server.MaxInFlight = 1 }) // so the second is begun after the first has ended
	request := w.request(7)
	w.send(request)
	// Nothing tells of a silence, by design; the counters do.
	until(t, func() bool { return w.server.Stats().Silences == 1 && w.server.Stats().Remembered == 0 })
	w.send(request)
	if p := w.reply(request); p.Code != AccessReject {
		t.Errorf("the second try gets %v", p.Code)
	}
	w.wantServed(2)
}

func TestRepliesThatCannotBeSentAreSilence(t *testing.T) {
	tests := []struct {
		name  string
		reply Reply
		want  error
	}{
		{"no reply code", Reply{Code: AccessRequest}, errReplyCode},
		{"a Message-Authenticator", Reply{Code: AccessAccept, Attributes: []Attribute{{MessageAuthenticator, make([]byte, 16)}}}, errReplyOwn},
		{"a Proxy-State", Reply{Code: AccessAccept, Attributes: []Attribute{{ProxyState, []byte("x")}}}, errReplyOwn},
		{"too long an attribute", Reply{Code: AccessAccept, Attributes: []Attribute{{Class, make([]byte, 254)}}}, errAttributeValue},
		{"too long a message", Reply{Code: AccessReject, Message: strings.Repeat("m", 4090)}, errTooLong},
	}
	w := newWorld(t, func(_ context.Context, r *Request) Reply { return tests[r.Packet.Identifier].reply }, nil)
	for id, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.send(w.request(uint8(id)))
			if i := w.wantIncident(HandlerFault); i.Err != tt.want {
				t.Errorf("the reason is %v, want %v", i.Err, tt.want)
			}
		})
	}
	w.wantQuiet()
}

type panickyHandler struct {
	deskHandler
	where atomic.Value
}

func (h *panickyHandler) Client(source netip.AddrPort) (*Client, bool) {
	if h.where.Load() == "Client" {
		panic("client table is broken")
	}
	return h.deskHandler.Client(source)
}

func (h *panickyHandler) Healthy() bool {
	if h.where.Load() == "Healthy" {
		panic("health is broken")
	}
	return true
}

func TestPanicsAreSilence(t *testing.T) {
	var h *panickyHandler
	w := newWorld(t, func(context.Context, *Request) Reply {
		if h.where.Load() == "Serve" {
			panic("handler is broken")
		}
		return Reply{Code: AccessAccept}
	}, func(w *world) {
		h = &panickyHandler{}
		h.client, h.serve = w.handler.client, w.handler.serve
		h.where.Store("")
		w.server.Handler = h
	})
	for where, send := range map[string][]byte{
		"Client": w.request(1), "Serve": w.request(2), "Healthy": w.sign(NewRequest(StatusServer)),
	} {
		h.where.Store(where)
		w.send(send)
		if i := w.wantIncident(HandlerFault); i.Err == nil || !strings.Contains(i.Err.Error(), "is broken") {
			t.Errorf("the reason is %v", i.Err)
		}
		h.where.Store("")
		w.wantQuiet()
	}
	request := w.request(3)
	w.send(request)
	w.reply(request)
}

func TestStatusServer(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := NewRequest(StatusServer)
	p.Add(ProxyState, []byte("proxy"))
	query := w.sign(p)
	for range 2 { // a copy asks anew
		w.send(query)
		if got := w.reply(query); got.Code != AccessAccept || len(got.Attributes) != 2 || string(got.Attributes[1].Value) != "proxy" {
			t.Errorf("the answer is %v %v", got.Code, got.Attributes)
		}
	}
	w.handler.sick.Store(true)
	w.send(query)
	w.wantIncident(Unhealthy)
	w.handler.sick.Store(false)
	w.wantQuiet()
	w.wantServed(0)
	limited := 0
	for range 3 * statusRate {
		w.send(query)
	}
	until(t, func() bool { return w.server.Stats().Received >= 4+3*statusRate })
	for limited < statusRate { // 60 within moments, 20 a second are allowed
		w.wantIncident(RateLimited)
		limited++
	}
}

func TestRateIsLimitedPerClient(t *testing.T) {
	fast, slow := mustSecret("fast"), mustSecret("slow")
	w := newWorld(t, nil, func(w *world) {
		w.secret = slow
		w.handler.client.Secret = slow
		w.handler.client.Rate, w.handler.client.Burst = 0.001, 3
	})
	for id := range uint8(3) {
		request := w.request(id)
		w.send(request)
		w.reply(request)
	}
	request := w.request(3)
	w.send(request)
	w.wantIncident(RateLimited)
	w.send(request) // a refused request is not remembered as known
	w.wantIncident(RateLimited)
	w.wantServed(3)
	w.clock.advance(1001 * time.Second)
	w.send(request)
	w.reply(request)
	w.handler.other.Store(&Client{Secret: fast}) // another client is untouched
	w.secret = fast
	request = w.request(4)
	w.send(request)
	w.reply(request)
}

// TestOneAnswerIsNotRepeatedWithoutEnd: a recorded request must not become a
// stream of packets to the client.
func TestOneAnswerIsNotRepeatedWithoutEnd(t *testing.T) {
	w := newWorld(t, nil, nil)
	request := w.request(1)
	w.send(request)
	w.reply(request)
	for range maxResend {
		w.send(request)
		w.reply(request)
		w.wantIncident(Resent)
	}
	w.send(request)
	if i := w.wantIncident(RateLimited); i.Err != errRepeats {
		t.Errorf("the reason is %v", i.Err)
	}
	w.wantQuiet()
	w.wantServed(1)
}

func TestClientHasAShareOfTheHandler(t *testing.T) {
	g := newGate()
	w := newWorld(t, g.pass, func(w *world) { w.handler.client.MaxInFlight = 2 })
	a, b := w.request(1), w.request(2)
	w.send(a)
	g.wait(t)
	w.send(b)
	g.wait(t)
	w.send(w.request(3))
	if i := w.wantIncident(Overloaded); i.Err != errInFlight {
		t.Errorf("the reason is %v", i.Err)
	}
	g.open <- struct{}{}
	g.open <- struct{}{}
	w.receive()
	w.receive()
	c := w.request(4)
	w.send(c)
	g.wait(t)
	g.open <- struct{}{}
	w.reply(c)
}

// A disk that stood still for 70 ms cost requests of one busy client at half
// the rate that the server can keep up: 512 under way were all it was allowed.
func TestStallLosesNothing(t *testing.T) {
	const ports, each = 15, 200 // as many as a receive buffer of the usual size holds
	g := newGate()
	w := newWorld(t, g.pass, func(w *world) { w.handler.client.Rate = 1e9 })
	conns := make([]*net.UDPConn, ports)
	for i := range conns {
		conns[i] = w.dial()
		w.conn = conns[i]
		for id := range uint8(each) {
			w.send(w.request(id))
		}
		until(t, func() bool { return w.server.Stats().Received == uint64((i+1)*each) })
	}
	until(t, func() bool { st := w.server.Stats(); return st.InFlight+st.Queued == ports*each })

	close(g.open) // the disk answers again
	for _, w.conn = range conns {
		for range each {
			w.receive()
		}
	}
	w.wantServed(ports * each)
	if st := w.server.Stats(); st.Accepts != ports*each || st.Incidents != [len(st.Incidents)]uint64{} {
		t.Errorf("Stats = %+v", st)
	}
}

func TestOverloadDropsAndRecovers(t *testing.T) {
	g := newGate()
	w := newWorld(t, g.pass, func(w *world) {
		w.server.MaxInFlight, w.server.MaxQueued, w.server.MaxWait = 2, 2, 5*time.Second
	})
	for id := range uint8(2) {
		w.send(w.request(id))
		g.wait(t)
	}
	waiting := [][]byte{w.request(10), w.request(11)}
	w.send(waiting[0])
	w.send(waiting[1])
	w.send(w.request(12))
	if i := w.wantIncident(Overloaded); i.Err != errQueueFull || i.Identifier != 12 {
		t.Errorf("%d was dropped: %v", i.Identifier, i.Err)
	}
	if st := w.server.Stats(); st.InFlight != 2 || st.Queued != 2 {
		t.Errorf("Stats = %+v", st)
	}
	// Once the oldest has waited too long it makes room.
	w.clock.advance(6 * time.Second)
	fresh := w.request(13)
	w.send(fresh)
	if i := w.wantIncident(Overloaded); i.Err != errTooLate || i.Identifier != 10 {
		t.Errorf("%d was dropped: %v", i.Identifier, i.Err)
	}
	// The other stale one is dropped when its turn comes, and the fresh one
	// is served.
	close(g.open)
	if i := w.wantIncident(Overloaded); i.Err != errTooLate || i.Identifier != 11 {
		t.Errorf("%d was dropped: %v", i.Identifier, i.Err)
	}
	got := map[uint8]bool{}
	for range 3 {
		got[w.receive()[1]] = true
	}
	if !got[0] || !got[1] || !got[13] {
		t.Errorf("answered were %v, want 0, 1 and 13", got)
	}
	// What was dropped is not known: sent again it is served.
	w.send(waiting[0])
	w.reply(waiting[0])
	w.wantServed(4)
}

// TestAFloodOfRetransmissionsIsOneRequest is fault X11 in small: each request
// is sent many times, by several devices at once, in any order.
func TestAFloodOfRetransmissionsIsOneRequest(t *testing.T) {
	w := newWorld(t, nil, func(w *world) {
		w.handler.client.Rate, w.handler.client.Burst = 1e6, 1e6
		w.server.Incident = nil
	})
	const devices, requests, copies = 4, 50, 5
	var group sync.WaitGroup
	for range devices {
		conn := w.dial()
		group.Go(func() {
			for id := range uint8(requests) {
				p := NewRequest(AccessRequest)
				p.Identifier = id
				b, err := w.secret.SignRequest(nil, p)
				if err != nil {
					t.Error(err)
					return
				}
				for range copies {
					conn.Write(b)
				}
				in := make([]byte, 4096)
				conn.SetReadDeadline(time.Now().Add(patience))
				for {
					n, err := conn.Read(in)
					if err != nil {
						t.Errorf("request %d: %v", id, err)
						return
					}
					reply, err := Parse(in[:n])
					if err != nil {
						t.Errorf("request %d: %v", id, err)
						return
					}
					if reply.Identifier == id && w.secret.VerifyResponse(reply, p.Authenticator) {
						break
					}
				}
			}
		})
	}
	group.Wait()
	w.wantServed(devices * requests)
}

func TestServeStopsGracefully(t *testing.T) {
	t.Run("requests in hand are answered", func(t *testing.T) {
		g := newGate()
		w := newWorld(t, g.pass, nil)
		request := w.request(1)
		w.send(request)
		g.wait(t)
		stopped := make(chan error, 1)
		go func() { stopped <- w.stop() }()
		g.open <- struct{}{}
		if err := <-stopped; err != nil {
			t.Errorf("Serve = %v", err)
		}
		w.reply(request)
	})
	t.Run("after the grace their context ends", func(t *testing.T) {
		g := newGate()
		w := newWorld(t, g.pass, func(w *world) { w.server.Grace = time.Millisecond })
		w.send(w.request(1))
		g.wait(t)
		if err := w.stop(); err != nil { // the handler obeys its context
			t.Errorf("Serve = %v", err)
		}
	})
	t.Run("a handler that does not end is reported", func(t *testing.T) {
		release := make(chan struct{})
		entered := make(chan struct{})
		h := &deskHandler{client: &Client{Secret: mustSecret("s")}, serve: func(context.Context, *Request) Reply {
			close(entered)
			<-release
			return Reply{}
		}}
		l, err := Listen("127.0.0.1:0", 1)
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{Handler: h, Grace: time.Millisecond}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.Serve(ctx, l) }()
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(l.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		b, _ := mustSecret("s").SignRequest(nil, NewRequest(AccessRequest))
		conn.Write(b)
		<-entered
		cancel()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "1 requests were still") {
			t.Errorf("Serve = %v, want word of one request", err)
		}
		close(release)
		until(t, func() bool { return s.Stats().InFlight == 0 })
	})
}

func TestServeRefusesMisuse(t *testing.T) {
	if err := (&Server{}).Serve(context.Background()); err == nil {
		t.Error("a server without listener served")
	}
	l, err := Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := (&Server{}).Serve(context.Background(), l); err == nil {
		t.Error("a server without handler served")
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:port", l.Addr().String()} {
		if l, err := Listen(address, 1); err == nil {
			l.Close()
			t.Errorf("Listen(%q) works", address)
		}
	}
	s := &Server{Handler: &deskHandler{}}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Serve(ctx, l); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if err := s.Serve(ctx, l); err == nil {
		t.Error("a server served twice")
	}
	// A listener that is closed already ends Serve with an error.
	if err := (&Server{Handler: &deskHandler{}}).Serve(context.Background(), l); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener = %v", err)
	}
}

// TestRepliesLeaveFromTheAddressAsked: a client drops a reply from any other
// address than the one it asked, also if the server is bound to all.
func TestRepliesLeaveFromTheAddressAsked(t *testing.T) {
	for _, tt := range []struct{ listen, ask string }{
		{"0.0.0.0:0", "127.0.0.9"},
		{":0", "127.0.0.9"},
		{":0", "::1"},
		{"[::]:0", "::1"},
	} {
		t.Run(tt.listen+" asked at "+tt.ask, func(t *testing.T) {
			l, err := Listen(tt.listen, 2)
			if err != nil {
				t.Fatal(err)
			}
			secret := mustSecret("s")
			sources := make(chan netip.AddrPort, 1)
			s := &Server{Handler: &deskHandler{client: &Client{Secret: secret}, serve: func(_ context.Context, r *Request) Reply {
				sources <- r.Source
				return Reply{Code: AccessAccept}
			}}}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- s.Serve(ctx, l) }()
			asker := Asker{Retransmission: Retransmission{Sendings: 1, Initial: patience}}
			to := netip.AddrPortFrom(netip.MustParseAddr(tt.ask), l.Addr().Port())
			// The asker's socket is connected, so it hears only that address.
			if _, err := asker.Exchange(ctx, to, secret, NewRequest(AccessRequest)); err != nil {
				t.Error(err)
			}
			if got := <-sources; got.Addr().Is4In6() {
				t.Errorf("the handler saw the mapped source %v", got)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSlowIncidentFunctionDoesNotSlowTheServer(t *testing.T) {
	block := make(chan struct{})
	w := newWorld(t, nil, func(w *world) { w.server.Incident = func(Incident) { <-block } })
	for range incidentBacklog + 10 {
		w.send(packet(4))
		if w.server.Stats().Received%64 == 0 {
			w.wantQuiet()
		}
	}
	w.clock.advance(time.Minute)
	w.wantQuiet()
	if st := w.server.Stats(); st.Unreported == 0 || st.Incidents[UnsupportedCode] != incidentBacklog+10 {
		t.Errorf("Stats = %+v", st)
	}
	close(block)
}
