package capture

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"slices"
	"strconv"

	"sallyport/tlsprobe"
)

// A direction is what one end of a connection sends. It puts the octets in
// order, as far as a handshake goes, and keeps what they say.
type direction struct {
	addr    netip.AddrPort
	packets int
	again   int // segments that brought nothing new
	ttl     uint8

	syn    Moment // the first with this number
	isn    uint32
	syns   int
	synAck bool
	fin    Moment
	rst    Moment
	// foreign is as in Ending, cut as in Conversation.
	foreign, cut bool
	acked        uint32 // the highest number that it acknowledged
	hasAck       bool

	// started is set once base is known: the number of the first octet. next is
	// that of the one that is awaited, end the one after the last that was seen.
	started         bool
	base, next, end uint32
	held            []piece // that came too early, by number
	heldOctets      int

	stream *tlsprobe.Stream // nil before the first octet, and once done
	newest Moment           // of what the streams were given
	at     int64            // of the stream's first octet from base
	fed    int              // octets given to streams
	done   bool             // nothing more is wanted
	gap    bool             // octets are missing
	sought int              // streams that were begun after a gap

	// What the octets say.
	text      []byte // before TLS: its beginning
	textAt    Moment
	tlsBegun  bool
	looks     string
	hello     *tlsprobe.ClientHello
	helloAt   Moment
	answer    *tlsprobe.ServerHello
	answerAt  Moment
	chain     []*x509.Certificate
	chainAt   Moment
	noChain   bool // it sent the message, and no certificate in it
	asked     bool // for a certificate of the client
	alerts    []Alert
	encrypted bool
	secret    int64 // octets from base to the first that is encrypted
	// finished is set once what is encrypted is longer than a Finished message
	// of TLS 1.3 is at least.
	finished bool
}

// A piece is a segment that came before its turn.
type piece struct {
	seq  uint32
	data []byte
	at   Moment
}

// Bounds of a direction.
const (
	maxHeld         = 256     // pieces
	maxText         = 8 << 10 // octets before TLS that are kept
	maxSought       = 16
	maxAlerts       = 4
	maxCertificates = 10
	// window is how far ahead of what is awaited a segment may be to be believed.
	window = 1 << 26
	// finishedRecord is the least length on the wire of an encrypted Finished
	// message: a header of 5 octets, 4 and 32 octets of the message, 1 for its
	// type and 8 that prove it (RFC 8446, Section 5.2, and RFC 6655). An alert is
	// 24 octets long at most.
	finishedRecord = 5 + 4 + 32 + 1 + 8
)

// over reports whether it has sent its last.
func (d *direction) over() bool { return d.fin.Packet > 0 || d.rst.Packet > 0 }

func (d *direction) cost() int {
	c := d.heldOctets + len(d.held)*64 + cap(d.text)
	if d.stream != nil {
		c += min(2*d.fed+1024, maxDirection)
	}
	if d.hello != nil {
		c += 4 * d.hello.Size
	}
	for _, x := range d.chain {
		c += certificateCost * len(x.Raw)
	}
	return c
}

func (d *direction) start(base uint32) {
	if d.started && (d.next != d.base || base == d.base) {
		return
	}
	d.started, d.base, d.next = true, base, base
	if len(d.held) == 0 {
		d.end = base
	}
	d.drain()
}

// startIfAcked begins a stream whose SYN was not captured with its lowest
// octets once the other side has them all: nothing lower will come then.
func (d *direction) startIfAcked(acked uint32) {
	if len(d.held) == 0 {
		return
	}
	end := d.held[0].seq
	for _, p := range d.held {
		if int32(p.seq-end) > 0 {
			return
		}
		end = p.seq + uint32(len(p.data))
	}
	if int32(acked-end) >= 0 {
		d.start(d.held[0].seq)
	}
}

// add takes a segment; length is what it had on the wire.
func (d *direction) add(seq uint32, data []byte, length uint32, at Moment) {
	end := seq + length
	if d.started && int32(end-d.next) <= 0 {
		d.again++
		return
	}
	if d.started && int32(seq-d.next) > window || !d.started && len(d.held) > 0 && seq-d.held[0].seq+window > 2*window {
		return
	}
	if !d.started && len(d.held) == 0 || int32(end-d.end) > 0 {
		d.end = end
	}
	if d.done {
		d.next = d.end
		d.measure()
		return
	}
	if len(data) == 0 {
		return
	}
	if d.started && int32(seq-d.next) <= 0 {
		if behind := d.next - seq; int(behind) < len(data) {
			d.deliver(data[behind:], at)
			d.drain()
		}
		return
	}
	d.hold(seq, data, at)
	if len(d.held) > maxHeld || d.heldOctets > maxDirection {
		d.skip()
	}
}

// hold keeps a copy of what came too early.
func (d *direction) hold(seq uint32, data []byte, at Moment) {
	i, found := slices.BinarySearchFunc(d.held, seq, func(p piece, seq uint32) int { return int(int32(p.seq - seq)) })
	if found {
		d.again++
		if len(d.held[i].data) >= len(data) {
			return
		}
		d.heldOctets -= len(d.held[i].data)
		d.held[i].data = bytes.Clone(data)
	} else {
		d.held = slices.Insert(d.held, i, piece{seq, bytes.Clone(data), at})
	}
	d.heldOctets += len(data)
}

// drain delivers what has become due.
func (d *direction) drain() {
	for len(d.held) > 0 && d.started && int32(d.held[0].seq-d.next) <= 0 {
		p := d.held[0]
		d.held = slices.Delete(d.held, 0, 1)
		d.heldOctets -= len(p.data)
		if behind := d.next - p.seq; int64(behind) < int64(len(p.data)) {
			d.deliver(p.data[behind:], p.at)
		} else {
			d.again++
		}
	}
	if len(d.held) == 0 {
		d.held = nil
	}
}

// skip goes on behind what is missing. Nobody waits for it any more.
func (d *direction) skip() {
	if len(d.held) == 0 {
		return
	}
	if !d.started {
		d.start(d.held[0].seq)
		return
	}
	d.gap = true
	if d.stream != nil {
		d.stream.Finish() // what it thinks of the broken end is of no interest
		d.stream = nil
	}
	d.next = d.held[0].seq
	d.drain()
}

// deliver gives octets that are in order to the stream.
func (d *direction) deliver(data []byte, at Moment) {
	from := d.next
	d.next += uint32(len(data))
	if d.done {
		d.measure()
		return
	}
	if d.stream == nil {
		// After a gap only what begins like a record can be understood.
		if d.gap && !recordBegins(data) {
			return
		}
		if d.gap {
			if d.sought++; d.sought > maxSought {
				d.stop()
				return
			}
		}
		d.stream = new(tlsprobe.Stream)
		d.at = int64(from - d.base)
	}
	if !d.tlsBegun && len(d.text) < maxText {
		if len(d.text) == 0 {
			d.textAt = at
		}
		d.text = append(d.text, data[:min(len(data), maxText-len(d.text))]...)
	}
	if d.fed += len(data); d.fed > maxDirection {
		d.stop()
		return
	}
	// A message is known with the last of the packets that it, and what is before
	// it, came in.
	if d.newest.before(at) {
		d.newest = at
	}
	d.stream.Add(data)
	d.listen(d.newest)
	d.measure()
}

// recordBegins reports whether b begins with the header of a TLS record.
func recordBegins(b []byte) bool {
	return len(b) >= 5 && b[0] >= 20 && b[0] <= 23 && b[1] == 3 && b[2] <= 4 && int(b[3])<<8|int(b[4]) <= 1<<14+2048
}

// listen takes what the stream has to say.
func (d *direction) listen(at Moment) {
	for d.stream != nil {
		e, ok := d.stream.Next()
		if !ok {
			return
		}
		d.event(e, at)
	}
}

func (d *direction) event(e tlsprobe.Event, at Moment) {
	if e.Kind != tlsprobe.KindPlain && e.Kind != tlsprobe.KindBroken && !d.tlsBegun {
		d.tlsBegun = true
		d.text = d.text[:max(0, min(int64(len(d.text)), d.at+e.At))]
	}
	switch e.Kind {
	case tlsprobe.KindClientHello:
		if d.hello == nil { // there are two if the server wants another key
			d.hello, d.helloAt = e.Client, at
		}
	case tlsprobe.KindServerHello:
		if d.answer == nil || d.answer.Retry {
			d.answer, d.answerAt = e.Server, at
		}
	case tlsprobe.KindCertificates:
		if len(d.chain) > 0 {
			return
		}
		d.chainAt = at
		d.noChain = len(e.Certificates) == 0
		for _, der := range e.Certificates[:min(len(e.Certificates), maxCertificates)] {
			if c, err := x509.ParseCertificate(bytes.Clone(der)); err == nil {
				d.chain = append(d.chain, c)
			}
		}
	case tlsprobe.KindMessage:
		d.asked = d.asked || e.Message == 13 // CertificateRequest
	case tlsprobe.KindAlert:
		if !e.Encrypted && len(d.alerts) < maxAlerts {
			d.alerts = append(d.alerts, Alert{At: at, Alert: e.Alert})
		}
	case tlsprobe.KindEncrypted:
		d.encrypted, d.secret = true, d.at+e.At
		d.stop()
	case tlsprobe.KindPlain:
		if !d.gap {
			d.looks = e.Looks
		}
	case tlsprobe.KindBroken, tlsprobe.KindServerHelloDone, tlsprobe.KindChangeCipherSpec:
	}
}

// stop gives up the memory of a direction of which all is known.
func (d *direction) stop() {
	d.done, d.stream, d.held, d.heldOctets = true, nil, nil, 0
	if int32(d.end-d.next) > 0 {
		d.next = d.end
	}
}

// measure notes how much of what is encrypted was seen.
func (d *direction) measure() {
	if n := d.hiddenOctets(); n >= finishedRecord {
		d.finished = true
	}
}

// hiddenOctets is how many octets after the first encrypted one were seen, up
// to 4 GiB.
func (d *direction) hiddenOctets() int64 {
	if !d.encrypted {
		return 0
	}
	return int64(d.end-d.base) - d.secret
}

// finish takes what waits for octets that will not come.
func (d *direction) finish() {
	for len(d.held) > 0 && !d.done {
		d.skip()
	}
	if d.stream != nil {
		d.stream.Finish()
		d.listen(d.newest)
		d.stream = nil
	}
	if d.started && !d.done && int32(d.end-d.next) > 0 {
		d.gap = true // the last segments were cut
	}
}

// lines are the lines of text before TLS that end.
func (d *direction) lines() [][]byte {
	all := bytes.Split(d.text, []byte("\n"))
	return all[:len(all)-1]
}

// request is what it asked a proxy for, nil if it did not.
func (d *direction) request() *Connect {
	lines := d.lines()
	if len(lines) == 0 || !bytes.HasPrefix(lines[0], []byte("CONNECT ")) {
		return nil
	}
	return &Connect{At: d.textAt, Line: cutLine(lines[0])}
}

// status is the last status line of a proxy, and its number.
func (d *direction) status() (line string, code int) {
	for _, l := range d.lines() {
		if bytes.HasPrefix(l, []byte("HTTP/1.")) && len(l) >= 12 {
			if n, err := strconv.Atoi(string(l[9:12])); err == nil && n >= 100 {
				line, code = cutLine(l), n
			}
		}
	}
	return line, code
}

func cutLine(b []byte) string {
	b = bytes.TrimRight(b, "\r")
	return string(b[:min(len(b), 300)])
}
