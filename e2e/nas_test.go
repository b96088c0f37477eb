//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sallyport/radius"
)

// A nas is a RADIUS client of a server: a loopback address and a shared secret.
type nas struct {
	t      testing.TB
	name   string
	from   netip.Addr
	secret string
	server netip.AddrPort
}

const application = "vpn"

// newSource hands out loopback addresses for clients.
var sources atomic.Uint32

func newSource() netip.Addr {
	n := sources.Add(1)
	return netip.AddrFrom4([4]byte{127, 1, byte(n / 250), byte(1 + n%250)})
}

// applications notes at which addresses a server has the application of the
// tests; each server has an address of its own.
var applications sync.Map

// client makes a RADIUS client with an address of its own. The flags are those
// of client add, such as "--mode", "append".
func (s *server) client(name string, flags ...string) *nas {
	s.t.Helper()
	return s.clientAt(newSource(), name, flags...)
}

// home is the address from which programs send to loopback if nobody tells
// them another.
var home = netip.MustParseAddr("127.0.0.1")

// clientAt is client with a given address.
func (s *server) clientAt(from netip.Addr, name string, flags ...string) *nas {
	s.t.Helper()
	if _, made := applications.LoadOrStore(s.addr, true); !made {
		s.do("", "application", "add", application)
	}
	n := &nas{
		t: s.t, name: name, from: from, server: s.addr,
		secret: "the shared secret of " + name + " " + rand8(),
	}
	args := []string{"client", "add", name, "--application", application, "--source", n.from.String(), "--secret-stdin", "--json"}
	s.do(n.secret+"\n", append(args, flags...)...)
	return n
}

// in returns n for a subtest, which then is the one that fails.
func (n *nas) in(t testing.TB) *nas {
	c := *n
	c.t = t
	return &c
}

// key is the shared secret as package radius wants it.
func (n *nas) key() radius.Secret {
	s, err := radius.NewSecret([]byte(n.secret))
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// A question is a request as it goes over the wire.
type question struct {
	packet *radius.Packet
	octets []byte
}

// request makes a signed Access-Request with PAP. State may be nil.
func (n *nas) request(name, field string, state []byte, more ...radius.Attribute) question {
	n.t.Helper()
	p := n.unsigned(name, field, state, more...)
	return n.sign(p)
}

// unsigned makes the same without signing it.
func (n *nas) unsigned(name, field string, state []byte, more ...radius.Attribute) *radius.Packet {
	n.t.Helper()
	p := radius.NewRequest(radius.AccessRequest)
	p.Add(radius.UserName, []byte(name))
	if err := p.AddPassword(n.key(), []byte(field)); err != nil {
		n.t.Fatal(err)
	}
	if state != nil {
		p.Add(radius.State, state)
	}
	p.Attributes = append(p.Attributes, more...)
	return p
}

// sign signs a request with the client's secret.
func (n *nas) sign(p *radius.Packet) question {
	n.t.Helper()
	b, err := n.key().SignRequest(nil, p)
	if err != nil {
		n.t.Fatal(err)
	}
	return question{p, b}
}

// A socket is one source port of a NAS.
type socket struct {
	nas  *nas
	conn *net.UDPConn
}

// dial opens a source port. It is closed with the test, or by close.
func (n *nas) dial() *socket {
	n.t.Helper()
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.from, 0)), net.UDPAddrFromAddrPort(n.server))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return &socket{n, conn}
}

func (k *socket) close() { k.conn.Close() }

// send sends octets as they are.
func (k *socket) send(octets []byte) {
	k.nas.t.Helper()
	// The kernel hands over here that an earlier packet found nobody.
	if _, err := k.conn.Write(octets); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		k.nas.t.Fatal(err)
	}
}

// receive returns the next datagram, nil if none comes in time.
func (k *socket) receive(within time.Duration) []byte {
	k.nas.t.Helper()
	deadline := time.Now().Add(within)
	b := make([]byte, 65536)
	for {
		k.conn.SetReadDeadline(deadline)
		n, err := k.conn.Read(b)
		switch {
		case err == nil:
			return bytes.Clone(b[:n])
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline):
			continue
		}
		k.nas.t.Fatal(err)
	}
}

// quiet is how long a test waits before it believes that no answer comes. It
// is only ever used where the answer, if there were one, would be sent at once
// and an event or a further answer shows that the packet was dealt with.
const quiet = 150 * time.Millisecond

// An answer is a reply; its Packet is nil if there was none.
type answer struct {
	*radius.Packet
	octets []byte
}

// ask sends a request, again every two seconds as a NAS does, and returns the
// reply to it. It fails the test if the reply is not signed, or not first of
// all with a Message-Authenticator.
func (k *socket) ask(q question) answer {
	k.nas.t.Helper()
	return k.askFor(q, 20*time.Second)
}

func (k *socket) askFor(q question, within time.Duration) answer {
	k.nas.t.Helper()
	deadline := time.Now().Add(within)
	for left := within; left > 0; left = time.Until(deadline) {
		k.send(q.octets)
		for wait := time.Now().Add(min(left, 2*time.Second)); time.Now().Before(wait); {
			b := k.receive(time.Until(wait))
			if b == nil {
				break
			}
			if len(b) >= 2 && b[1] == q.packet.Identifier {
				return k.nas.read(b, q)
			}
		}
	}
	return answer{}
}

// read parses a reply and checks how it is signed.
func (n *nas) read(b []byte, q question) answer {
	n.t.Helper()
	p, err := radius.Parse(b)
	if err != nil {
		n.t.Fatalf("the server sent what is no packet: %v: %x", err, b)
	}
	if !n.key().VerifyResponse(p, q.packet.Authenticator) {
		n.t.Errorf("a reply is not signed with the client's secret: %x", b)
	}
	if len(p.Attributes) == 0 || p.Attributes[0].Type != radius.MessageAuthenticator {
		n.t.Errorf("a reply does not begin with Message-Authenticator: %x", b)
	}
	return answer{p, b}
}

// ask is a whole exchange from a fresh port.
func (n *nas) ask(name, field string, state []byte, more ...radius.Attribute) answer {
	n.t.Helper()
	k := n.dial()
	defer k.close()
	return k.ask(n.request(name, field, state, more...))
}

// silent sends octets and fails the test if anything comes back.
func (n *nas) silent(octets []byte) {
	n.t.Helper()
	k := n.dial()
	defer k.close()
	k.send(octets)
	if b := k.receive(quiet); b != nil {
		n.t.Errorf("answered by %x; want silence", b)
	}
}

// verdict is the reply's code in the words of events; "" for silence.
func (a answer) verdict() string {
	if a.Packet == nil {
		return ""
	}
	switch a.Code {
	case radius.AccessAccept:
		return "accept"
	case radius.AccessReject:
		return "reject"
	case radius.AccessChallenge:
		return "challenge"
	}
	return a.Code.String()
}

// message is the text that the person reads.
func (a answer) message() string {
	if a.Packet == nil {
		return ""
	}
	var b strings.Builder
	for _, at := range a.Attributes {
		if at.Type == radius.ReplyMessage {
			b.Write(at.Value)
		}
	}
	return b.String()
}

// state is the handle of a challenge.
func (a answer) state() []byte {
	if a.Packet == nil {
		return nil
	}
	v, _ := a.Get(radius.State)
	return v
}

// reference is what the person can read out, "" if there is none.
func (a answer) reference() string {
	_, after, ok := strings.Cut(a.message(), " Reference ")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(after, ".")
}

// String shows an answer in test failures.
func (a answer) String() string {
	if a.Packet == nil {
		return "silence"
	}
	return fmt.Sprintf("%s %q", a.verdict(), a.message())
}

// want checks the verdict of an answer.
func (a answer) want(t testing.TB, verdict string) answer {
	t.Helper()
	if a.verdict() != verdict {
		t.Fatalf("the server says %v; want %s", a, verdict)
	}
	return a
}
