// Package capture finds the TLS handshakes in a packet capture, and says of
// each who offered what, who ended it, and how.
//
// It hides the forms of capture files (pcap and pcapng,
// draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng), the link types that
// Ethernet, Wi-Fi adapters, tunnels and loopback are captured with, IP, and the
// putting together of TCP streams (RFC 9293) from segments that come out of
// order, twice, cut short or not at all.
//
// What it reads was sent by strangers. Memory is bounded whatever comes, and
// only the headers that lead to TCP are looked at.
package capture

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"sallyport/tlsprobe"
)

// Options bound the reading. The zero Options are ready.
type Options struct {
	// Progress, if set, is told now and then how many octets have been read. It
	// is called by the goroutine that called Read.
	Progress func(octets int64)

	// memory is how much conversations may take, half of it those that have not
	// ended; less than 64 MiB in tests.
	memory int
}

// maxMemory is the bound of all conversations together, and maxDirection that
// of what is put together of one direction: only the handshake is needed.
const (
	maxMemory    = 64 << 20
	maxDirection = 256 << 10
)

// A Capture is what a file holds.
type Capture struct {
	Format  string    // "pcap" or "pcapng"
	Packets int       // of any kind
	Octets  int64     // of the file, as far as it was read
	Begin   time.Time // of the first packet, in UTC; zero if packets have no time
	End     time.Time // of the last
	// Conversations are those that hold a hello, or should: TCP connections with
	// TLS in them, those that asked a proxy for one, and those that were never
	// made. They are in the order of their first packets.
	Conversations []*Conversation
	// Others is how many TCP connections had nothing of a handshake in them.
	Others int
	// Broken says why the file was not read to its end, a clause; empty if it
	// was.
	Broken string
	// Warnings say what could not be looked at, a sentence each.
	Warnings []string
}

// A Side is one end of a conversation.
type Side string

// The sides.
const (
	Client Side = "client"
	Server Side = "server"
)

// A Moment is a packet and when it was captured. The zero Moment is none.
type Moment struct {
	Packet int       // its number in the file, from 1, as other tools count
	Time   time.Time // UTC; zero if the file does not say
}

func (m Moment) before(n Moment) bool { return m.Packet < n.Packet }

// An Outcome is how a conversation ended, as far as a handshake goes.
type Outcome string

// The outcomes. Those before Unfinished are known for sure.
const (
	// Completed: both sides went on to encrypted data.
	Completed Outcome = "completed"
	// Refused: the server answered the hello, or something after it, with a fatal
	// alert.
	Refused Outcome = "refused"
	// Reset and Closed: the server ended the connection without an alert, by RST
	// and by FIN.
	Reset  Outcome = "reset"
	Closed Outcome = "closed"
	// Left: the client ended the connection after the server had answered, by an
	// alert or without one.
	Left Outcome = "left"
	// Silent: the hello was never answered, and the client gave up or waited for
	// long.
	Silent Outcome = "silent"
	// NotTLS: the hello was answered by another protocol.
	NotTLS Outcome = "not-tls"
	// ProxyRefused: a proxy did not make the connection that it was asked for.
	ProxyRefused Outcome = "proxy-refused"
	// Unanswered: the connection was asked for (SYN) and nobody answered.
	Unanswered Outcome = "unanswered"
	// NobodyListens: the connection was asked for and refused (RST).
	NobodyListens Outcome = "nobody-listens"
	// Unfinished: the capture does not hold the end, or not what is before it.
	Unfinished Outcome = "unfinished"
)

// An Alert is an alert and who sent it.
type Alert struct {
	From  Side
	At    Moment
	Alert tlsprobe.Alert
}

// An Ending is a FIN or RST.
type Ending struct {
	From  Side
	Reset bool // RST, else FIN
	At    Moment
	// Foreign is set of a reset whose time to live differs from that of all other
	// packets of its side by more than routes change: a device in between may
	// have sent it.
	Foreign bool
}

// A Connect is what a client asked a proxy for.
type Connect struct {
	At     Moment
	Line   string // the request line, cut at 300 octets; may hold anything
	Status string // the last status line of the proxy, empty if there is none
	Code   int    // its number, 0 if there is none
}

// A Conversation is one TCP connection. What is not in the capture is nil or
// zero.
type Conversation struct {
	Client, Server netip.AddrPort
	Begin, End     Moment // its first and last packet
	Packets        int    // of both sides
	// Again is how many segments came again, and Asked how many times the client
	// asked for the connection (SYN).
	Again, Asked int
	// Joined is set if the beginning of the connection is not in the capture.
	Joined bool
	// Gaps is set if octets of the handshake are missing from the capture, and
	// Cut if packets of the conversation were not captured whole (snap length).
	Gaps, Cut bool
	// OneWay is set if only one side's packets are in the capture although the
	// other must have answered.
	OneWay bool

	Connect *Connect // before the hello

	Hello    *tlsprobe.ClientHello
	HelloAt  Moment
	Answer   *tlsprobe.ServerHello
	AnswerAt Moment
	// Certificates are the server's, its own first: at most 10 of those that can
	// be read. TLS 1.3 encrypts them.
	Certificates   []*x509.Certificate
	CertificatesAt Moment
	// ClientCertificate is set if the server asked for a certificate of the
	// client, and NoClientCertificate if the client answered that it has none.
	ClientCertificate, NoClientCertificate bool

	Alerts []Alert // in the order of the capture, at most a few of each side
	Hidden bool    // the client's last words are encrypted and as long as an alert
	// Endings are the first of each side, in the order of the capture.
	Endings []Ending
	Looks   string // what the server speaks if it is not TLS: one of tlsprobe.Looks...

	Outcome Outcome
	// Verdict says in a sentence for people how it ended. It holds nothing that
	// came from the sides but names of alerts, versions and suites.
	Verdict string

	early bool // it was ended before its end
}

// FatalAlert returns the first fatal alert of a side, nil if there is none.
func (c *Conversation) FatalAlert(s Side) *Alert {
	for i := range c.Alerts {
		if a := &c.Alerts[i]; a.From == s && a.Alert.Fatal() && a.Alert.Description != tlsprobe.AlertCloseNotify {
			return a
		}
	}
	return nil
}

// Ended returns the first FIN or RST of a side, nil if there is none.
func (c *Conversation) Ended(s Side) *Ending {
	for i := range c.Endings {
		if c.Endings[i].From == s {
			return &c.Endings[i]
		}
	}
	return nil
}

// ErrNotCapture is wrapped by the error of Read if the file is none, or of a
// form that is not read here. The text says which, if it is known.
var ErrNotCapture = errors.New("this is no capture in the form pcap or pcapng")

// Read reads a capture to its end. What comes before damage holds: Broken says
// then why it ended. The error is that of r, or wraps ErrNotCapture.
//
// Times in the file are taken as UTC, which both forms demand.
func Read(r io.Reader, o Options) (*Capture, error) {
	in, err := open(r)
	if err != nil {
		return nil, fmt.Errorf("capture: read: %w", err)
	}
	if o.memory <= 0 {
		o.memory = maxMemory
	}
	c := &Capture{Format: in.format()}
	t := newTable(o.memory / 2)
	var skipped tally
	told := int64(0)
	for {
		p, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		var damage damaged
		if errors.As(err, &damage) {
			c.Broken = string(damage)
			break
		}
		if err != nil {
			return nil, fmt.Errorf("capture: read packet %d: %w", c.Packets+1, err)
		}
		c.Packets++
		at := Moment{c.Packets, p.time}
		if !p.time.IsZero() {
			if c.Begin.IsZero() {
				c.Begin = p.time
			}
			c.End = p.time
		}
		var s segment
		switch s.parse(p) {
		case isTCP:
			t.take(&s, at)
		case isFragment:
			skipped.fragments++
		case isUnknownLink:
			skipped.link(p.link)
		case isOther, isShort:
		}
		if o.Progress != nil && in.octets()-told >= 1<<20 {
			told = in.octets()
			o.Progress(told)
		}
	}
	c.Octets = in.octets()
	t.finish(c)
	skipped.warn(c)
	return c, nil
}

// tally counts what could not be looked at.
type tally struct {
	fragments int
	links     map[uint32]int
}

func (t *tally) link(link uint32) {
	if t.links == nil {
		t.links = make(map[uint32]int)
	}
	if _, ok := t.links[link]; ok || len(t.links) < 16 {
		t.links[link]++
	}
}

func (t *tally) warn(c *Capture) {
	if t.fragments > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d packets are fragments of IP packets and were passed over.", t.fragments))
	}
	for link := range uint32(1 << 16) {
		if n := t.links[link]; n > 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%d packets have the link type %s and were passed over; capture on an adapter for Ethernet, or on all of them.", n, linkName(link)))
		}
	}
}
