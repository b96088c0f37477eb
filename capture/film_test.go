package capture

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// began is when every film begins.
var began = time.Date(2026, 11, 22, 13, 0, 0, 123456000, time.UTC)

// A said is what one side of a connection writes at once.
type said struct {
	client bool
	octets []byte
}

// recorder notes what goes through a connection.
type recorder struct {
	net.Conn
	mu     *sync.Mutex
	into   *[]said
	client bool
}

func (r recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	*r.into = append(*r.into, said{r.client, bytes.Clone(b)})
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// handshake is what two real ends say to one another, up to the client's first
// request and the server's answer if they come that far.
func handshake(t testing.TB, client, server *tls.Config) []said {
	t.Helper()
	var mu sync.Mutex
	var all []said
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(recorder{b, &mu, &all, false}, server)
		if s.Handshake() == nil {
			io.ReadFull(s, make([]byte, 4))
			s.Write([]byte("pong"))
		}
		b.Close()
	}()
	c := tls.Client(recorder{a, &mu, &all, true}, client)
	if c.Handshake() == nil {
		c.Write([]byte("ping"))
		io.ReadFull(c, make([]byte, 4))
	}
	a.Close()
	<-done
	mu.Lock()
	defer mu.Unlock()
	return all
}

// certificate makes one for the name, by itself.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: began.Add(-time.Hour), NotAfter: began.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A frame is a segment to be filmed.
type frame struct {
	client bool
	flags  uint8
	seq    uint32
	ack    uint32
	octets []byte
	ttl    uint8
	at     time.Duration // after the film begins
}

// A film makes frames of what two sides say.
type film struct {
	seq    [2]uint32 // next of server, client
	frames []frame
}

func index(client bool) int {
	if client {
		return 1
	}
	return 0
}

func (f *film) add(client bool, flags uint8, octets []byte) {
	f.frames = append(f.frames, frame{
		client: client, flags: flags, seq: f.seq[index(client)], ack: f.seq[index(!client)], octets: octets, ttl: 64,
		at: time.Duration(len(f.frames)) * 10 * time.Millisecond,
	})
	f.seq[index(client)] += uint32(len(octets))
	if flags&(flagSYN|flagFIN) != 0 {
		f.seq[index(client)]++
	}
}

// open makes the connection. The numbers pass zero within the handshake.
func (f *film) open() {
	f.seq = [2]uint32{1<<32 - 100, 1<<32 - 60}
	f.add(true, flagSYN, nil)
	f.add(false, flagSYN|flagACK, nil)
	f.add(true, flagACK, nil)
}

// talk adds all that is said, in segments of at most that many octets.
func (f *film) talk(all []said, most int) {
	for _, s := range all {
		for part := range slices.Chunk(s.octets, most) {
			f.add(s.client, flagACK, part)
		}
	}
}

func (f *film) end(client bool, flags uint8) { f.add(client, flags|flagACK, nil) }

var (
	clientAddr = netip.MustParseAddrPort("10.1.2.3:49152")
	serverAddr = netip.MustParseAddrPort("192.0.2.1:443")
	client6    = netip.MustParseAddrPort("[2001:db8::3]:49152")
	server6    = netip.MustParseAddrPort("[2001:db8::1]:443")
)

// tcpOctets is the header of a segment and what is in it.
func tcpOctets(fr frame, from, to netip.AddrPort) []byte {
	b := make([]byte, 24, 24+len(fr.octets)) // with 4 octets of options
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], fr.seq)
	if fr.flags&flagACK != 0 {
		binary.BigEndian.PutUint32(b[8:], fr.ack)
	}
	b[12], b[13] = 6<<4, fr.flags
	b[20], b[21], b[22], b[23] = 1, 1, 1, 0
	return append(b, fr.octets...)
}

func ends(fr frame, v6 bool) (from, to netip.AddrPort) {
	from, to = clientAddr, serverAddr
	if v6 {
		from, to = client6, server6
	}
	if !fr.client {
		from, to = to, from
	}
	return from, to
}

func ipv4Octets(fr frame) []byte {
	from, to := ends(fr, false)
	tcp := tcpOctets(fr, from, to)
	b := make([]byte, 20)
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(tcp)))
	b[6], b[8], b[9] = 0x40, fr.ttl, 6
	copy(b[12:], from.Addr().AsSlice())
	copy(b[16:], to.Addr().AsSlice())
	return append(b, tcp...)
}

func ipv6Octets(fr frame) []byte {
	from, to := ends(fr, true)
	tcp := append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcpOctets(fr, from, to)...) // after hop-by-hop options
	b := make([]byte, 40)
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], uint16(len(tcp)))
	b[6], b[7] = 0, fr.ttl
	copy(b[8:], from.Addr().AsSlice())
	copy(b[24:], to.Addr().AsSlice())
	return append(b, tcp...)
}

// A wire is a link type and how it frames IP.
type wire struct {
	name string
	link uint16
	v6   bool
	wrap func(frame) []byte
}

func prefixed(prefix string, ip func(frame) []byte) func(frame) []byte {
	return func(fr frame) []byte { return append([]byte(prefix), ip(fr)...) }
}

const macs = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"

var wires = []wire{
	{"Ethernet", linkEthernet, false, func(fr frame) []byte {
		b := append([]byte(macs+"\x08\x00"), ipv4Octets(fr)...)
		for len(b) < 60 { // short frames are padded
			b = append(b, 0xee)
		}
		return b
	}},
	{"Ethernet with IPv6", linkEthernet, true, prefixed(macs+"\x86\xdd", ipv6Octets)},
	{"VLAN", linkEthernet, false, prefixed(macs+"\x81\x00\x00\x07\x08\x00", ipv4Octets)},
	{"VLAN in VLAN with IPv6", linkEthernet, true, prefixed(macs+"\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd", ipv6Octets)},
	{"PPPoE", linkEthernet, false, prefixed(macs+"\x88\x64\x11\x00\x00\x01\x00\x40\x00\x21", ipv4Octets)},
	{"Linux cooked", linkSLL, false, prefixed("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00", ipv4Octets)},
	{"Linux cooked 2", linkSLL2, true, prefixed("\x86\xdd\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00", ipv6Octets)},
	{"raw IP", linkRaw, false, ipv4Octets},
	{"raw IPv6", linkIPv6, true, ipv6Octets},
	{"loopback of BSD", linkNull, false, prefixed("\x02\x00\x00\x00", ipv4Octets)},
	{"loopback of OpenBSD", linkLoop, true, prefixed("\x00\x00\x00\x18", ipv6Octets)},
}

// A form is a kind of file.
type form struct {
	name  string
	write func(link uint16, snap int, packets [][]byte, times []time.Duration) []byte
}

func pcapForm(name string, order binary.AppendByteOrder, magic uint32, unit time.Duration) form {
	return form{name, func(link uint16, snap int, packets [][]byte, times []time.Duration) []byte {
		b := order.AppendUint32(nil, magic)
		b = order.AppendUint16(b, 2)
		b = order.AppendUint16(b, 4)
		b = order.AppendUint32(b, 0)
		b = order.AppendUint32(b, 0)
		b = order.AppendUint32(b, uint32(snap))
		b = order.AppendUint32(b, uint32(link))
		for i, p := range packets {
			at := began.Add(times[i])
			b = order.AppendUint32(b, uint32(at.Unix()))
			b = order.AppendUint32(b, uint32(at.Nanosecond()/int(unit)))
			b = order.AppendUint32(b, uint32(min(len(p), snap)))
			b = order.AppendUint32(b, uint32(len(p)))
			b = append(b, p[:min(len(p), snap)]...)
		}
		return b
	}}
}

// pcapngForm writes packets into enhanced packet blocks with an option, after
// blocks that mean nothing here and an interface that has no packets.
func pcapngForm(name string, order binary.AppendByteOrder, resolution byte, unit time.Duration) form {
	return form{name, func(link uint16, snap int, packets [][]byte, times []time.Duration) []byte {
		var b []byte
		block := func(kind uint32, body []byte) {
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
			b = order.AppendUint32(b, kind)
			b = order.AppendUint32(b, uint32(12+len(body)))
			b = append(b, body...)
			b = order.AppendUint32(b, uint32(12+len(body)))
		}
		section := order.AppendUint32(nil, 0x1a2b3c4d)
		section = order.AppendUint16(section, 1)
		section = order.AppendUint16(section, 0)
		block(blockSection, order.AppendUint64(section, 1<<64-1))
		described := func(link uint16) []byte {
			i := order.AppendUint16(nil, link)
			i = order.AppendUint16(i, 0)
			i = order.AppendUint32(i, uint32(snap))
			i = order.AppendUint16(i, 9)
			i = order.AppendUint16(i, 1)
			i = append(i, resolution, 0, 0, 0)
			i = order.AppendUint16(i, 14)
			i = order.AppendUint16(i, 8)
			i = order.AppendUint64(i, 1000)
			return order.AppendUint32(i, 0)
		}
		block(blockInterface, described(105))
		block(5, []byte("statistics"))
		block(4, []byte("names"))
		block(blockInterface, described(link))
		for i, p := range packets {
			ticks := uint64(began.Add(times[i]).Add(-1000*time.Second).UnixNano() / int64(unit))
			body := order.AppendUint32(nil, 1)
			body = order.AppendUint32(body, uint32(ticks>>32))
			body = order.AppendUint32(body, uint32(ticks))
			body = order.AppendUint32(body, uint32(min(len(p), snap)))
			body = order.AppendUint32(body, uint32(len(p)))
			body = append(body, p[:min(len(p), snap)]...)
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
			body = order.AppendUint16(body, 1) // a comment
			body = order.AppendUint16(body, 3)
			body = append(body, "why\x00"...)
			block(blockEnhanced, order.AppendUint32(body, 0))
		}
		return b
	}}
}

var forms = []form{
	pcapForm("pcap", binary.LittleEndian, 0xa1b2c3d4, time.Microsecond),
	pcapForm("pcap of a big-endian machine", binary.BigEndian, 0xa1b2c3d4, time.Microsecond),
	pcapForm("pcap in nanoseconds", binary.LittleEndian, 0xa1b23c4d, time.Nanosecond),
	pcapForm("pcap in nanoseconds of a big-endian machine", binary.BigEndian, 0xa1b23c4d, time.Nanosecond),
	pcapngForm("pcapng", binary.LittleEndian, 6, time.Microsecond),
	pcapngForm("pcapng of a big-endian machine", binary.BigEndian, 9, time.Nanosecond),
}

// file is a film in a form, on a wire, with a snap length.
func file(fm form, w wire, snap int, frames []frame) []byte {
	var packets [][]byte
	var times []time.Duration
	for _, fr := range frames {
		packets = append(packets, w.wrap(fr))
		times = append(times, fr.at)
	}
	return fm.write(w.link, snap, packets, times)
}

// failer is what a test and a property have in common.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// shown is the only conversation of a file.
func shown(t failer, b []byte) *Conversation {
	t.Helper()
	c, err := Read(bytes.NewReader(b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Broken != "" || len(c.Conversations) != 1 || c.Others != 0 {
		t.Fatalf("Read found %d conversations and %d others, broken %q; want 1, 0 and nothing", len(c.Conversations), c.Others, c.Broken)
	}
	return c.Conversations[0]
}

// seen is a film as an ordinary file shows it.
func seen(t failer, frames []frame) *Conversation {
	t.Helper()
	return shown(t, file(forms[0], wires[0], 1<<18, frames))
}
