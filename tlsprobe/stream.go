package tlsprobe

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// A Kind says what an Event is.
type Kind uint8

// The kinds of events.
const (
	KindClientHello      Kind = iota + 1 // Client
	KindServerHello                      // Server
	KindCertificates                     // Certificates; up to TLS 1.2, encrypted after that
	KindServerHelloDone                  // the server waits for the client (up to TLS 1.2)
	KindMessage                          // another handshake message in the clear: Message
	KindAlert                            // Alert, or only that there is one if Encrypted
	KindChangeCipherSpec                 // the first of its direction
	KindEncrypted                        // from here on nothing can be read
	KindPlain                            // not TLS, or not yet: Looks
	KindBroken                           // TLS that breaks the protocol: Why
)

// String is the name of the kind for logs and tests.
func (k Kind) String() string {
	switch k {
	case KindClientHello:
		return "ClientHello"
	case KindServerHello:
		return "ServerHello"
	case KindCertificates:
		return "Certificates"
	case KindServerHelloDone:
		return "ServerHelloDone"
	case KindMessage:
		return "Message"
	case KindAlert:
		return "Alert"
	case KindChangeCipherSpec:
		return "ChangeCipherSpec"
	case KindEncrypted:
		return "Encrypted"
	case KindPlain:
		return "Plain"
	case KindBroken:
		return "Broken"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// An Event is one thing that a stream shows. Only the fields that its Kind
// names are set.
type Event struct {
	Kind Kind
	// At is where in the stream the record (or the text) begins in which the
	// event is complete, in octets from the first.
	At           int64
	Client       *ClientHello
	Server       *ServerHello
	Certificates [][]byte // DER, the sender's own first; empty if it has none
	Message      uint8    // the type of a handshake message (RFC 8446, Section 4)
	Alert        Alert
	Encrypted    bool
	Looks        string // one of the Looks constants
	Why          string // a clause for people, such as "a record is longer than TLS allows"
}

// What a stream that does not begin with TLS looks like. RDP and the mail
// protocols may still change to TLS; the stream goes on to look for it.
const (
	LooksHTTP     = "HTTP"
	LooksProxy    = "a request to an HTTP proxy"
	LooksSSH      = "SSH"
	LooksRDP      = "RDP" // the X.224 negotiation of MS-RDPBCGR, Section 2.2.1
	LooksSMTP     = "SMTP or FTP"
	LooksPOP3     = "POP3"
	LooksIMAP     = "IMAP"
	LooksLDAP     = "LDAP"
	LooksVNC      = "VNC"
	LooksSOCKS    = "SOCKS"
	LooksSMB      = "SMB"
	LooksMySQL    = "MySQL"
	LooksPostgres = "PostgreSQL"
	LooksTelnet   = "Telnet"
	LooksXML      = "XML or HTML"
	LooksPROXY    = "a PROXY protocol header" // HAProxy's, before the client's own bytes
	LooksText     = "plain text"
	LooksUnknown  = "no protocol that is known here"
)

// anyOctet in a signature stands for any octet.
const anyOctet = 0xaa // no signature needs this octet itself

// signatures are the first octets by which other protocols are known.
var signatures = []struct{ octets, looks string }{
	{"GET ", LooksHTTP},
	{"POST ", LooksHTTP},
	{"HEAD ", LooksHTTP},
	{"PUT ", LooksHTTP},
	{"DELETE ", LooksHTTP},
	{"OPTIONS ", LooksHTTP},
	{"PATCH ", LooksHTTP},
	{"PRI * HTTP/2", LooksHTTP},
	{"HTTP/", LooksHTTP},
	{"CONNECT ", LooksProxy},
	{"PROXY ", LooksPROXY},
	{"\r\n\r\n\x00\r\nQUIT\n", LooksPROXY},
	{"SSH-", LooksSSH},
	{"\x03\x00", LooksRDP},
	{"220 ", LooksSMTP},
	{"220-", LooksSMTP},
	{"421 ", LooksSMTP},
	{"554 ", LooksSMTP},
	{"EHLO ", LooksSMTP},
	{"HELO ", LooksSMTP},
	{"AUTH TLS", LooksSMTP},
	{"+OK", LooksPOP3},
	{"-ERR", LooksPOP3},
	{"* OK", LooksIMAP},
	{"* BYE", LooksIMAP},
	{"* PREAUTH", LooksIMAP},
	{"\x30\xaa\x02\x01", LooksLDAP},
	{"\x30\x84\xaa\xaa\xaa\xaa\x02\x01", LooksLDAP},
	{"RFB 00", LooksVNC},
	{"\x05\x00", LooksSOCKS},
	{"\x05\x01", LooksSOCKS},
	{"\x05\x02", LooksSOCKS},
	{"\x05\x03", LooksSOCKS},
	{"\x04\x01", LooksSOCKS},
	{"\x00\xaa\xaa\xaa\xffSMB", LooksSMB},
	{"\x00\xaa\xaa\xaa\xfeSMB", LooksSMB},
	{"\xaa\x00\x00\x00\x0a", LooksMySQL},
	{"\x00\x00\x00\x08\x04\xd2\x16\x2f", LooksPostgres},
	{"S\x16\x03", LooksPostgres}, // the server's "yes", and TLS at once
	{"\xff\xfb", LooksTelnet},
	{"\xff\xfd", LooksTelnet},
	{"<?xml", LooksXML},
	{"<html", LooksXML},
	{"<HTML", LooksXML},
	{"<!DOCTYPE", LooksXML},
	{"<!doctype", LooksXML},
	{"<stream", LooksXML},
}

// judged is how many octets decide between text and the unknown.
const judged = 16

// looksLike names the protocol that begins with b. It says undecided until the
// first octets that suffice are there, so that what it says never depends on
// how many more there are. If ended, b is all there will ever be.
func looksLike(b []byte, ended bool) (looks string, decided bool) {
	for n := 1; n <= len(b); n++ {
		possible := false
		for _, s := range signatures {
			switch {
			case !begins(s.octets, b[:n]):
			case n == len(s.octets):
				return s.looks, true
			default:
				possible = possible || n < len(s.octets)
			}
		}
		if possible {
			continue
		}
		for i, c := range b[:min(n, judged)] {
			switch {
			case c == '\n' || i == judged-1 && c >= ' ' && c < 0x7f:
				return LooksText, true
			case c < ' ' && c != '\r' && c != '\t' || c >= 0x7f:
				return LooksUnknown, true
			}
		}
	}
	if !ended || len(b) == 0 {
		return "", false
	}
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c >= 0x7f {
			return LooksUnknown, true
		}
	}
	return LooksText, true
}

// begins reports whether b agrees with the signature as far as both go.
func begins(signature string, b []byte) bool {
	for i := range min(len(signature), len(b)) {
		if signature[i] != anyOctet && signature[i] != b[i] {
			return false
		}
	}
	return true
}

// The bounds of a Stream. All of them are far above what genuine handshakes
// need, and none depends on how the stream arrives.
const (
	maxRecord    = 1<<14 + 2048 // RFC 5246, Section 6.2.3; TLS 1.3 allows less
	maxHandshake = 128 << 10    // octets of handshake messages in the clear, all together
	maxEvents    = 128
	maxPlain     = 64 << 10 // octets that may come before TLS
	maxChain     = 128      // certificates in one message
	chunk        = 16 << 10
)

const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplication      = 23
	recordHeartbeat        = 24
)

type mode uint8

const (
	atStart mode = iota
	inPlain
	inTLS
	inSSLv2
	deaf // nothing more can be said
)

// A Stream reads one direction of a TCP connection and says what of a TLS
// handshake is in it. The zero value is a stream of which nothing has been
// read. It holds at most 256 KiB, whatever comes, besides the events that have
// not been taken.
//
// The events depend only on the octets, not on how they are cut into pieces.
// It is not for concurrent use.
type Stream struct {
	mode   mode
	at     int64  // of in[0] in the stream
	in     []byte // what has come and was not taken, less than a record; the end of buf
	buf    []byte
	skip   int    // octets of an encrypted record still to come
	plain  int    // octets seen while in plain
	named  bool   // the plain text has been named
	hs     []byte // less than a handshake message
	taken  int    // octets of handshake messages so far
	record Version
	// cipher is set once the sender may encrypt.
	cipher        bool
	sawCipherSpec bool
	sawEncrypted  bool
	count         int
	events        []Event
}

// Add appends b to the stream. It does not keep b.
func (s *Stream) Add(b []byte) {
	for len(b) > 0 && s.mode != deaf {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			s.skip -= n
			s.at += int64(n)
			b = b[n:]
			continue
		}
		n := min(len(b), chunk)
		s.buf = append(s.buf[:copy(s.buf, s.in)], b[:n]...)
		s.in = s.buf
		b = b[n:]
		for s.step() {
		}
	}
	if s.mode == deaf {
		s.in, s.buf, s.hs = nil, nil, nil
	}
}

// Next takes the next event. It reports false if more octets are needed.
func (s *Stream) Next() (Event, bool) {
	if len(s.events) == 0 {
		return Event{}, false
	}
	e := s.events[0]
	s.events[0] = Event{} // what was taken is not ours to hold
	s.events = s.events[1:]
	if len(s.events) == 0 {
		s.events = nil
	}
	return e, true
}

// Finish says that the stream has ended, which decides what a few octets look
// like and shows a message that was cut off. Nothing can be added after it.
func (s *Stream) Finish() {
	switch s.mode {
	case atStart, inPlain:
		if looks, ok := looksLike(s.in, true); ok && !s.named {
			s.emit(Event{Kind: KindPlain, Looks: looks})
		}
	case inTLS, inSSLv2:
		if len(s.in) > 0 || len(s.hs) > 0 {
			s.broken("the stream ends in the middle of a message")
		}
	case deaf:
	}
	s.mode, s.in, s.buf, s.hs = deaf, nil, nil, nil
}

func (s *Stream) emit(e Event) {
	if s.mode == deaf {
		return
	}
	e.At = s.at
	s.count++
	if s.count >= maxEvents {
		e = Event{Kind: KindBroken, At: s.at, Why: "there are more messages than a handshake has"}
		s.mode = deaf
	}
	s.events = append(s.events, e)
}

func (s *Stream) broken(why string) {
	s.emit(Event{Kind: KindBroken, Why: why})
	s.mode = deaf
}

// drop takes n octets from the front of what has come.
func (s *Stream) drop(n int) {
	s.in = s.in[n:]
	s.at += int64(n)
}

// step takes one thing from what has come and reports whether there may be
// another.
func (s *Stream) step() bool {
	switch s.mode {
	case atStart:
		m, ok := begin(s.in)
		s.mode = m
		return ok
	case inPlain:
		return s.stepPlain()
	case inTLS:
		return s.stepTLS()
	case inSSLv2:
		return s.stepSSLv2()
	case deaf:
	}
	return false
}

// begin decides by the first octets what a stream is; ok is false, and m is
// atStart, while they do not suffice.
func begin(b []byte) (m mode, ok bool) {
	if len(b) == 0 {
		return atStart, false
	}
	if b[0] >= recordChangeCipherSpec && b[0] <= recordHeartbeat {
		switch {
		case len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4:
			return inPlain, true
		case len(b) < 5:
			return atStart, false
		case int(b[3])<<8|int(b[4]) > maxRecord:
			return inPlain, true
		}
		return inTLS, true
	}
	if b[0]&0x80 == 0 {
		return inPlain, true
	}
	// The two octets of length that SSL 2.0 has, and the type of the message.
	if len(b) < 3 {
		return atStart, false
	}
	at := 3 // of the version
	switch {
	case b[2] == 1:
	case b[2] == 4:
		at = 5
	case b[2] == 0 && b[0] == 0x80 && b[1] == 3: // ERROR
		return inSSLv2, true
	default:
		return inPlain, true
	}
	switch {
	case len(b) <= at:
		return atStart, false
	case b[at] == 3 && b[2] == 1:
		return inSSLv2, true
	case b[at] != 0:
		return inPlain, true
	case len(b) <= at+1:
		return atStart, false
	case b[at+1] == 2:
		return inSSLv2, true
	}
	return inPlain, true
}

// stepPlain names what is not TLS, and looks for TLS further on: after a
// CONNECT to a proxy, STARTTLS, or RDP's negotiation.
func (s *Stream) stepPlain() bool {
	if !s.named {
		looks, ok := looksLike(s.in, false)
		if !ok {
			return false
		}
		s.named = true
		s.emit(Event{Kind: KindPlain, Looks: looks})
	}
	for i := range s.in {
		found, possible := tlsBegins(s.in[i:])
		switch {
		case found:
			s.drop(i)
			s.mode = inTLS
			return true
		case possible:
			s.drop(i)
			s.plain += i
			return s.tooPlain()
		}
	}
	s.plain += len(s.in)
	s.drop(len(s.in))
	return s.tooPlain()
}

func (s *Stream) tooPlain() bool {
	if s.plain > maxPlain {
		s.mode = deaf
	}
	return false
}

// tlsBegins reports whether b begins with a record that holds the beginning of
// a hello, or with an alert; possible, whether more octets could make it so.
// Both are so particular that no text and hardly any binary protocol has them.
func tlsBegins(b []byte) (found, possible bool) {
	patterns := [...]string{
		"\x16\x03\xaa\xaa\xaa\x01\x00\xaa\xaa\x03\xaa",
		"\x16\x03\xaa\xaa\xaa\x02\x00\xaa\xaa\x03\xaa",
		"\x15\x03\xaa\x00\x02",
	}
	if b[0] != recordHandshake && b[0] != recordAlert || len(b) > 2 && b[2] > 4 || len(b) > 3 && b[3] >= 0x48 {
		return false, false
	}
	for _, p := range patterns {
		if begins(p, b) {
			if len(b) >= len(p) {
				return true, true
			}
			possible = true
		}
	}
	return false, possible
}

func (s *Stream) stepTLS() bool {
	if len(s.in) < 5 {
		return false
	}
	kind, version, n := s.in[0], Version(s.in[1])<<8|Version(s.in[2]), int(s.in[3])<<8|int(s.in[4])
	switch {
	case kind < recordChangeCipherSpec || kind > recordHeartbeat || s.in[1] != 3:
		s.broken("what follows the handshake's beginning is no TLS record")
		return false
	case n > maxRecord:
		s.broken("a record is longer than TLS allows")
		return false
	}
	if s.sawEncrypted && kind != recordAlert {
		// Nothing in it can be read: do not wait for it.
		have := min(len(s.in), 5+n)
		s.skip = 5 + n - have
		s.drop(have)
		return true
	}
	if len(s.in) < 5+n {
		return false
	}
	s.stepRecord(kind, version, s.in[5:5+n])
	if s.mode != deaf {
		s.drop(5 + n)
	}
	return s.mode != deaf
}

func (s *Stream) stepRecord(kind uint8, version Version, body []byte) {
	switch kind {
	case recordChangeCipherSpec:
		s.cipher = true
		if !s.sawCipherSpec {
			s.sawCipherSpec = true
			s.emit(Event{Kind: KindChangeCipherSpec})
		}
	case recordAlert:
		s.alert(body)
	case recordHandshake:
		if s.cipher && len(s.hs) == 0 && !helloBegins(body) {
			s.encrypted()
			return
		}
		if len(s.hs) == 0 {
			s.record = version
		}
		s.taken += len(body)
		if s.taken > maxHandshake {
			s.broken("the handshake is larger than any genuine one")
			return
		}
		s.hs = append(s.hs, body...)
		for s.stepMessage() {
		}
	case recordApplication:
		s.encrypted()
	case recordHeartbeat: // RFC 6520; says nothing
	}
}

// helloBegins reports whether a record that may be encrypted holds a hello in
// the clear after all: after a HelloRetryRequest both sides send a
// ChangeCipherSpec for the boxes in between, and then their hello
// (RFC 8446, Appendix D.4).
func helloBegins(body []byte) bool {
	return len(body) >= 6 && (body[0] == 1 || body[0] == 2) && body[1] == 0 && body[4] == 3 && body[5] == 3
}

func (s *Stream) encrypted() {
	if !s.sawEncrypted {
		s.sawEncrypted = true
		s.emit(Event{Kind: KindEncrypted})
	}
}

// alert takes an alert record. No cipher makes two octets of two octets, so
// that length means an alert in the clear at any time.
func (s *Stream) alert(body []byte) {
	switch {
	case len(body) == 2 && (body[0] == 1 || body[0] == 2):
		s.emit(Event{Kind: KindAlert, Alert: Alert{body[0], body[1]}})
	case s.cipher || s.sawEncrypted:
		s.emit(Event{Kind: KindAlert, Encrypted: true})
	default:
		s.broken("an alert is malformed")
	}
}

// stepMessage takes one handshake message from s.hs.
func (s *Stream) stepMessage() bool {
	if s.mode == deaf || len(s.hs) < 4 {
		return false
	}
	n := 4 + int(s.hs[1])<<16 + int(s.hs[2])<<8 + int(s.hs[3])
	if n > maxHandshake {
		s.broken("a handshake message is larger than any genuine one")
		return false
	}
	if len(s.hs) < n {
		return false
	}
	s.message(s.hs[:n])
	s.hs = s.hs[:copy(s.hs, s.hs[n:])]
	return true
}

func (s *Stream) message(m []byte) {
	switch m[0] {
	case 1:
		h, err := ParseClientHello(m)
		if err != nil {
			s.broken("the ClientHello is malformed")
			return
		}
		h.Record = s.record
		s.emit(Event{Kind: KindClientHello, Client: h})
	case 2:
		h, err := ParseServerHello(m)
		if err != nil {
			s.broken("the ServerHello is malformed")
			return
		}
		h.Record = s.record
		s.cipher = s.cipher || !h.Retry && (h.Version >= TLS13)
		s.emit(Event{Kind: KindServerHello, Server: h})
	case 11:
		chain, ok := parseCertificates(m[4:])
		if !ok {
			s.broken("the certificate message is malformed")
			return
		}
		s.emit(Event{Kind: KindCertificates, Certificates: chain})
	case 14:
		s.emit(Event{Kind: KindServerHelloDone})
	default:
		s.emit(Event{Kind: KindMessage, Message: m[0]})
	}
}

// parseCertificates reads the Certificate message of SSL 3.0 to TLS 1.2
// (RFC 5246, Section 7.4.2).
func parseCertificates(body []byte) (chain [][]byte, ok bool) {
	s := cryptobyte.String(append([]byte(nil), body...))
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() || len(chain) >= maxChain {
			return nil, false
		}
		chain = append(chain, der)
	}
	return chain, true
}

// stepSSLv2 takes the first message of SSL 2.0. A client's hello may be
// followed by TLS records; a server's by nothing that can be read.
func (s *Stream) stepSSLv2() bool {
	if len(s.in) < 2 {
		return false
	}
	n := int(s.in[0]&0x7f)<<8 | int(s.in[1])
	if len(s.in) < 2+n {
		return false
	}
	m := s.in[2 : 2+n]
	if n == 0 {
		s.broken("an SSL 2.0 message is empty")
		return false
	}
	switch m[0] {
	case 0:
		s.emit(Event{Kind: KindAlert, Alert: Alert{2, AlertHandshakeFailure}}) // ERROR: no cipher in common
		s.mode = deaf
		return false
	case 1:
		h, ok := parseSSLv2Hello(m)
		if !ok {
			s.broken("the SSL 2.0 ClientHello is malformed")
			return false
		}
		s.emit(Event{Kind: KindClientHello, Client: h})
		s.drop(2 + n)
		s.mode = inTLS
		if h.Legacy == SSL20 {
			s.mode = deaf
		}
		return s.mode != deaf
	default:
		h, der, ok := parseSSLv2ServerHello(m)
		if !ok {
			s.broken("the SSL 2.0 ServerHello is malformed")
			return false
		}
		s.emit(Event{Kind: KindServerHello, Server: h})
		if len(der) > 0 {
			s.emit(Event{Kind: KindCertificates, Certificates: [][]byte{der}})
		}
		s.mode = deaf
		return false
	}
}
