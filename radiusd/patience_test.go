package radiusd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/patience"
	"sallyport/radius"
)

// keyed is the hash that all nodes of one installation share.
func keyed(message []byte) [32]byte {
	h := hmac.New(sha256.New, []byte("the installation's key"))
	h.Write(message)
	return [32]byte(h.Sum(nil))
}

// A node is a radius.Server with the door and a meter, on a clock that the test
// moves.
type node struct {
	t       *testing.T
	door    *Door
	server  *radius.Server
	address netip.AddrPort
	offset  *atomic.Int64
	stop    func()
}

func newNode(t *testing.T, d Decider, offset *atomic.Int64) *node {
	return newNodeWaiting(t, d, offset, 0)
}

// newNodeWaiting makes a node with that MaxWaiting.
func newNodeWaiting(t *testing.T, d Decider, offset *atomic.Int64, maxWaiting int) *node {
	t.Helper()
	n := &node{t: t, offset: offset}
	n.door = &Door{
		Decider: d, Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Keyed: keyed, Patience: new(patience.Meter), Now: n.now, MaxWaiting: maxWaiting,
	}
	l, err := radius.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	n.address = l.Addr()
	n.server = &radius.Server{Handler: n.door, Observe: n.door.Observe, Now: n.now}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.server.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	n.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(n.stop)
	return n
}

func (n *node) now() time.Time { return time.Now().Add(time.Duration(n.offset.Load())) }

func (n *node) advance(seconds float64) { n.offset.Add(int64(seconds * float64(time.Second))) }

// received waits until the server has read that many datagrams and dealt with
// them as far as it does at once.
func (n *node) received(datagrams, retransmitted uint64) {
	n.t.Helper()
	for started := time.Now(); ; time.Sleep(time.Millisecond) {
		st := n.server.Stats()
		if st.Received >= datagrams && st.Incidents[radius.Retransmitted] >= retransmitted {
			return
		}
		if time.Since(started) > 10*time.Second {
			n.t.Fatalf("the server has read %d datagrams, %d of them retransmissions; want %d and %d", st.Received, st.Incidents[radius.Retransmitted], datagrams, retransmitted)
		}
	}
}

func (n *node) dial(nas string) *net.UDPConn {
	n.t.Helper()
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addresses[nas], 0)), net.UDPAddrFromAddrPort(n.address))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

func (n *node) read(conn *net.UDPConn) []byte {
	n.t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, radius.MaxPacketSize)
	k, err := conn.Read(b)
	if err != nil {
		n.t.Fatalf("no reply: %v", err)
	}
	return b[:k]
}

// A desk is a Decider that answers as it is told, when it is told.
type desk struct {
	settings *auth.Settings
	decide   func(context.Context, auth.Attempt) auth.Decision
}

func (d *desk) Settings() *auth.Settings { return d.settings }
func (d *desk) Decide(ctx context.Context, at auth.Attempt) auth.Decision {
	return d.decide(ctx, at)
}

// What devices really send, through the real server: the schedule while the
// engine is busy with the login, and the answer after the device has gone.
func TestPatternsOfRealDevices(t *testing.T) {
	tests := []struct {
		name         string
		again        []float64 // when it sends again, in seconds
		wantGivesUp  time.Duration
		wantGrowth   float64
		wantSendings int
	}{
		{"libradius: 3 sendings at 3 s", []float64{3, 6}, 9 * time.Second, 1, 3},
		{"OPNsense: 3 sendings at 5 s", []float64{5, 10}, 15 * time.Second, 1, 3},
		{"strongSwan: 4 sendings from 2 s, 1.4 times", []float64{2, 4.8, 8.72}, 14 * time.Second, 1.4, 4},
		{"RFC 5080: doubling from 2 s", []float64{2, 6, 14}, 30 * time.Second, 2, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			release, taken := make(chan struct{}), make(chan struct{}, 3)
			n := newNode(t, &desk{settings().Index(), func(context.Context, auth.Attempt) auth.Decision {
				taken <- struct{}{}
				<-release
				return auth.Decision{Verdict: auth.Accept, Reference: "7F3K-92QD"}
			}}, new(atomic.Int64))
			if got := n.door.wait("asking"); got != unknownWait {
				t.Errorf("of a client that nothing is known of requests may wait %v; want %v", got, unknownWait)
			}
			conn := n.dial("asking")
			datagrams, repeats := uint64(0), uint64(0)
			var packets [3][]byte
			for i := range packets {
				p := request(t, "alice", "secret", nil)
				p.Identifier = uint8(i)
				packets[i] = signed(t, p, sharedSecret)
			}
			send := func(again bool) {
				for i := range packets {
					conn.Write(packets[i])
					datagrams++
					if again {
						repeats++
					}
				}
				n.received(datagrams, repeats)
			}
			send(false)
			for range packets { // before time passes: what waits too long for a worker is dropped
				<-taken
			}
			before := 0.0
			for _, at := range tt.again {
				n.advance(at - before)
				before = at
				send(true)
			}
			n.advance(60)
			close(release)
			for range packets {
				n.read(conn)
			}
			n.stop()
			p := n.door.Patience.Changed(n.now())["asking"].Patience()
			if d := p.GivesUp - tt.wantGivesUp; d.Abs() > time.Second || p.Sendings != tt.wantSendings || p.GivenUp != 3 || p.Late != 3 || fmt.Sprintf("%.1f", p.Growth) != fmt.Sprintf("%.1f", tt.wantGrowth) {
				t.Errorf("learned %+v", p)
			}
			if want := n.door.Patience.GivesUp("asking") * 4 / 5; n.door.wait("asking") != want {
				t.Errorf("requests may wait %v; want %v", n.door.wait("asking"), want)
			}
		})
	}
}

// A server without its database is silent. The device repeats the request, each
// time a new one to the server, and turns to the second node, which answers.
// That node learns when it turned, and from which.
func TestFailoverOverTwoNodes(t *testing.T) {
	clock := new(atomic.Int64)
	silent := newNode(t, &desk{settings().Index(), func(context.Context, auth.Attempt) auth.Decision {
		return auth.Decision{Verdict: auth.Unavailable}
	}}, clock)
	well := newNode(t, &desk{settings().Index(), func(context.Context, auth.Attempt) auth.Decision {
		return auth.Decision{Verdict: auth.Accept}
	}}, clock)
	first, second := silent.dial("asking"), well.dial("asking")
	for login := range 3 {
		octets := signed(t, request(t, fmt.Sprint("alice", login), "secret", nil), sharedSecret)
		for i := range 3 {
			first.Write(octets)
			silent.received(uint64(3*login+i+1), 0)
			for started := time.Now(); silent.server.Stats().Silences < uint64(3*login+i+1); time.Sleep(time.Millisecond) {
				if time.Since(started) > 10*time.Second {
					t.Fatal("the silent node did not finish")
				}
			}
			silent.advance(5)
		}
		// The device makes a packet of its own for each server.
		second.Write(signed(t, request(t, fmt.Sprint("alice", login), "secret", nil), sharedSecret))
		well.read(second)
	}
	silent.stop()
	well.stop()
	silent.advance(60)
	learned := silent.door.Patience.Changed(silent.now())["asking"]
	well.door.Patience.Others("node-2", "asking", []patience.NodeReading{{Node: "node-1", Reading: learned}})
	p := patience.Merge(learned, well.door.Patience.Changed(well.now())["asking"]).Patience()
	if len(p.Turns) != 1 || p.Turns[0].From != "node-1" || p.Turns[0].To != "node-2" || p.Turns[0].Count != 3 || (p.Turns[0].After-15*time.Second).Abs() > time.Second {
		t.Errorf("turns %+v", p.Turns)
	}
	if (p.GivesUp-15*time.Second).Abs() > time.Second || p.Sendings != 3 {
		t.Errorf("learned %+v", p)
	}
}

// How long people take is measured from the question to its answer, on the node
// that asked.
func TestPeopleAreMeasured(t *testing.T) {
	n := newNode(t, &desk{settings().Index(), func(_ context.Context, at auth.Attempt) auth.Decision {
		if at.State == nil {
			return auth.Decision{Verdict: auth.Challenge, State: []byte("state of " + at.Claimant), Message: "Enter the code."}
		}
		return auth.Decision{Verdict: auth.Accept}
	}}, new(atomic.Int64))
	conn := n.dial("asking")
	for i := range 20 {
		name := fmt.Sprint("alice", i)
		conn.Write(signed(t, request(t, name, "secret", nil), sharedSecret))
		n.read(conn)
		n.advance(float64(10 + i/18*13))
		conn.Write(signed(t, request(t, name, "123456", []byte("state of "+name)), sharedSecret))
		n.read(conn)
		// Somebody else's State, or the same once more, measures nothing.
		conn.Write(signed(t, request(t, name, "123456", []byte("state of "+name)), sharedSecret))
		n.read(conn)
	}
	p := n.door.Patience.Changed(n.now())["asking"].Patience()
	if p.Answers != 20 || (p.P50-10*time.Second).Abs() > time.Second || (p.P99-23*time.Second).Abs() > time.Second {
		t.Errorf("%d answers, half in %v, 99 in 100 in %v", p.Answers, p.P50, p.P99)
	}
}

// RFC 5080, Section 2.2.2 over two nodes: who asks another node with the same
// octets gets the same octets, to the last.
func TestAnotherNodeAnswersWithTheSameOctets(t *testing.T) {
	filter := []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}, {Name: "Session-Timeout", Value: "3600"}}
	for _, answer := range []auth.Decision{
		{Verdict: auth.Accept, Reference: "7F3K-92QD", Attributes: filter},
		{Verdict: auth.Reject, Reference: "7F3K-92QD", Message: "Sign-in failed. Reference 7F3K-92QD."},
	} {
		t.Run(answer.Verdict.String(), func(t *testing.T) {
			var mu sync.Mutex
			var names []string
			decide := func(repeated bool) func(context.Context, auth.Attempt) auth.Decision {
				return func(_ context.Context, at auth.Attempt) auth.Decision {
					mu.Lock()
					defer mu.Unlock()
					names = append(names, at.Request)
					d := answer
					d.Repeated = repeated
					return d
				}
			}
			one := newNode(t, &desk{settings().Index(), decide(false)}, new(atomic.Int64))
			other := newNode(t, &desk{settings().Index(), decide(true)}, new(atomic.Int64))
			p := request(t, "alice", "secret", nil)
			p.Add(radius.ProxyState, []byte("by way of a proxy"))
			p.Add(radius.CallingStationID, []byte("198.51.100.7"))
			octets := signed(t, p, sharedSecret)
			here, there := one.dial("asking"), other.dial("asking")
			here.Write(octets)
			there.Write(octets)
			first, second := one.read(here), other.read(there)
			if string(first) != string(second) {
				t.Errorf("one node answered\n%x\nthe other\n%x", first, second)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(names) != 2 || names[0] != names[1] || names[0] == "" {
				t.Errorf("the request is called %q", names)
			}
		})
	}
}

// A request is called the same wherever and however often it comes, and
// differently if it is another.
func TestRequestNames(t *testing.T) {
	d := &Door{Keyed: keyed}
	client := &settings().Clients[0]
	base := func() *radius.Packet {
		p := request(t, "alice", "secret", nil)
		p.Identifier, p.Authenticator = 7, [16]byte{1, 2, 3}
		return p
	}
	name := func(change func(p *radius.Packet, password *string, c *auth.Client)) string {
		p, password, c := base(), "secret", *client
		var from, state []byte
		change(p, &password, &c)
		if v, ok := p.Get(radius.CallingStationID); ok {
			from = v
		}
		if v, ok := p.Get(radius.State); ok {
			state = v
		}
		claimant, _ := p.Get(radius.UserName)
		return d.request(&c, p, string(claimant), []byte(password), from, state)
	}
	same := name(func(*radius.Packet, *string, *auth.Client) {})
	if len(same) != 22 {
		t.Errorf("the name %q is not 128 bits in base 64", same)
	}
	if got := name(func(p *radius.Packet, _ *string, _ *auth.Client) { p.Add(radius.ProxyState, []byte("x")) }); got != same {
		t.Error("a Proxy-State changes the name; the way through proxies is no part of the request")
	}
	different := map[string]func(*radius.Packet, *string, *auth.Client){
		"identifier":            func(p *radius.Packet, _ *string, _ *auth.Client) { p.Identifier++ },
		"Request Authenticator": func(p *radius.Packet, _ *string, _ *auth.Client) { p.Authenticator[15]++ },
		"User-Name":             func(p *radius.Packet, _ *string, _ *auth.Client) { p.Attributes[0].Value = []byte("alicf") },
		"password":              func(_ *radius.Packet, password *string, _ *auth.Client) { *password = "secreu" },
		"State":                 func(p *radius.Packet, _ *string, _ *auth.Client) { p.Add(radius.State, []byte("s")) },
		"Calling-Station-Id":    func(p *radius.Packet, _ *string, _ *auth.Client) { p.Add(radius.CallingStationID, []byte("s")) },
		"client":                func(_ *radius.Packet, _ *string, c *auth.Client) { c.Name = "another" },
		"where fields end": func(p *radius.Packet, password *string, _ *auth.Client) {
			p.Attributes[0].Value, *password = []byte("alices"), "ecret"
		},
	}
	seen := map[string]string{same: "nothing"}
	for what, change := range different {
		got := name(change)
		if was, ok := seen[got]; ok {
			t.Errorf("requests that differ in %s are called as those that differ in %s", what, was)
		}
		seen[got] = what
	}
}

// What the engine is told of where the person is and of the connection.
func TestOriginAndSession(t *testing.T) {
	s := settings()
	unbelieved := s.Clients[0]
	unbelieved.Name, unbelieved.ID, unbelieved.Source, unbelieved.Origin = "unbelieved", "unbelieved", "127.0.0.9/32", auth.OriginNone
	s.Clients = append(s.Clients, unbelieved)
	addresses["unbelieved"] = netip.MustParseAddr("127.0.0.9")
	station := func(values ...string) func(*radius.Packet) {
		return func(p *radius.Packet) {
			for _, v := range values {
				p.Add(radius.CallingStationID, []byte(v))
			}
		}
	}
	tests := []struct {
		name     string
		nas      string
		unsigned bool
		add      func(*radius.Packet)
		want     string
	}{
		{"nothing said", "asking", false, station(), ""},
		{"an address", "asking", false, station("198.51.100.7"), "198.51.100.7"},
		{"an address and a port", "asking", false, station("[2001:db8::7]:4500"), "2001:db8::7"},
		{"a MAC address", "asking", false, station("00-11-22-33-44-55"), ""},
		{"two of them", "asking", false, station("198.51.100.7", "198.51.100.8"), ""},
		{"a client that is not believed", "unbelieved", false, station("198.51.100.7"), ""},
		{"a request that nobody signed", "lax", true, station("198.51.100.7"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecorder()
			r.settings = s.Index()
			server := serve(t, r)
			p := request(t, "alice", "secret", nil)
			tt.add(p)
			octets := signed(t, p, sharedSecret)
			if tt.unsigned {
				var err error
				if octets, err = p.Append(nil); err != nil {
					t.Fatal(err)
				}
			}
			exchange(t, tt.nas, server, octets, p.Authenticator)
			at, got := r.next(t), ""
			if at.Origin.IsValid() {
				got = at.Origin.String()
			}
			if got != tt.want {
				t.Errorf("origin %q; want %q", got, tt.want)
			}
		})
	}

	connectionOf := func(attributes ...radius.Attribute) string {
		return session(&radius.Packet{Attributes: attributes})
	}
	port := radius.Integer(radius.NASPort, 7)
	id := radius.Text(radius.NASIdentifier, "vpn1")
	if got := connectionOf(radius.Text(radius.UserName, "alice"), radius.Text(radius.ProxyState, "x")); got != "" {
		t.Errorf("a request that says nothing of its connection has the session %q", got)
	}
	same := connectionOf(port, id)
	if same == "" || connectionOf(id, port, radius.Text(radius.UserName, "bob")) != same {
		t.Error("the order of attributes, or who logs in, changes the session")
	}
	for what, other := range map[string]string{
		"port": connectionOf(radius.Integer(radius.NASPort, 8), id), "NAS": connectionOf(port, radius.Text(radius.NASIdentifier, "vpn2")),
		"accounting session": connectionOf(port, id, radius.Text(radius.AcctSessionID, "1")), "attribute": connectionOf(port, radius.Text(radius.CalledStationID, "vpn1")),
		"port's name": connectionOf(port, id, radius.Text(radius.NASPortID, "1")), "IPv6 address": connectionOf(port, id, radius.Attribute{Type: radius.NASIPv6Address, Value: make([]byte, 16)}),
	} {
		if other == same {
			t.Errorf("another %s has the same session", what)
		}
	}
}

// Logins that wait must leave room for those that do not: beyond the bound, and
// beyond a client's half of it, a request is offered no time to wait.
func TestWaitingIsBounded(t *testing.T) {
	offers := make(chan time.Duration, 16)
	release := make(chan struct{})
	n := newNodeWaiting(t, &desk{settings().Index(), func(_ context.Context, at auth.Attempt) auth.Decision {
		offers <- at.Can.Wait
		<-release
		return auth.Decision{Verdict: auth.Reject}
	}}, new(atomic.Int64), 6)
	ask := func(nas string, count int) (waiting, others int) {
		for range count {
			n.dial(nas).Write(signed(t, request(t, "alice", "secret", nil), sharedSecret))
			select {
			case wait := <-offers:
				if wait > 0 {
					waiting++
				} else {
					others++
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the engine was not asked")
			}
		}
		return waiting, others
	}
	if waiting, others := ask("asking", 5); waiting != 3 || others != 2 {
		t.Errorf("one client: %d may wait, %d not; want 3 and 2", waiting, others)
	}
	if waiting, _ := ask("appending", 2); waiting != 2 {
		t.Errorf("another client: %d may wait; want 2", waiting)
	}
	if waiting, others := ask("passing", 2); waiting != 1 || others != 1 {
		t.Errorf("a third: %d may wait, %d not; want 1 and 1", waiting, others)
	}
	close(release)
	n.stop()
	if got := n.door.waiting.Load(); got != 0 {
		t.Errorf("%d places are still taken", got)
	}
	for _, nas := range []string{"asking", "appending", "passing"} {
		c, _ := n.door.Client(netip.AddrPortFrom(addresses[nas], 1))
		if got := c.Value.(*clientValue).waiting.Load(); got != 0 {
			t.Errorf("%s still takes %d places", nas, got)
		}
	}
}
