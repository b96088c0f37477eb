package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// A packet is one packet as captured.
type packet struct {
	time time.Time // zero if the file does not say
	link uint32    // LINKTYPE_ number
	data []byte    // valid until the next one is read
	// whole is how long it was on the wire, which may be more than was captured.
	whole int
}

// damaged is why a file ends before its end: a clause for people.
type damaged string

func (d damaged) Error() string { return string(d) }

// A source is an open capture file. next returns io.EOF after the last packet,
// and damaged if what follows makes no sense.
type source interface {
	next() (packet, error)
	format() string
	octets() int64
}

const (
	// maxPacket is the longest packet that is taken: libpcap's own bound for a
	// packet of any link type that is read here.
	maxPacket = 256 << 10
	// maxInterfaces bounds the interfaces of a section.
	maxInterfaces = 4096
)

// open reads the beginning of a capture.
func open(r io.Reader) (source, error) {
	in := &input{r: bufio.NewReaderSize(r, 64<<10)}
	magic, err := in.take(4)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: the file is empty", ErrNotCapture)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: the file is too short", ErrNotCapture)
	case err != nil:
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case string(magic) == "\n\r\r\n":
		n := &pcapng{in: in}
		if err := n.section(); err != nil {
			var d damaged
			if errors.As(err, &d) {
				err = fmt.Errorf("%w: %s", ErrNotCapture, string(d))
			}
			return nil, err
		}
		return n, nil
	case binary.BigEndian.Uint32(magic)>>16 == 0xa1b2:
		order = binary.BigEndian
	}
	unit := time.Microsecond
	switch order.Uint32(magic) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = time.Nanosecond
	default:
		return nil, fmt.Errorf("%w: %s", ErrNotCapture, otherForm(magic))
	}
	head, err := in.take(20)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: the file ends within its header", ErrNotCapture)
		}
		return nil, err
	}
	if major := order.Uint16(head); major != 2 {
		return nil, fmt.Errorf("%w: version %d of pcap is not known", ErrNotCapture, major)
	}
	// The upper bits tell of a checksum at the end of frames, which the lengths
	// in the IP header leave out anyway.
	return &pcap{in: in, order: order, unit: unit, link: order.Uint32(head[16:]) & 0xffff}, nil
}

// otherForm names what a file is by its first octets, and what to do.
func otherForm(magic []byte) string {
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return "it is compressed; unpack it first (gunzip FILE)"
	case string(magic) == "snoo":
		return "it is one of snoop; convert it (editcap FILE OUT.pcapng)"
	case string(magic) == "GMBU", string(magic) == "RTSS":
		return "it is one of Microsoft Network Monitor; convert it (editcap FILE OUT.pcapng)"
	case string(magic) == "\x34\xcd\xb2\xa1", string(magic) == "\xa1\xb2\xcd\x34":
		return "it is in a variant of pcap that is hardly used; convert it (editcap FILE OUT.pcapng)"
	case string(magic) == "PK\x03\x04":
		return "it is a zip archive; unpack it first"
	}
	return "its first octets are those of another form; what Windows recorded (.etl) is converted by: pktmon etl2pcap FILE.etl --out OUT.pcapng"
}

// input reads pieces of a file and counts.
type input struct {
	r   *bufio.Reader
	n   int64
	buf []byte
}

// take returns the next n octets, valid until the next call. The error is
// io.EOF if there are none, and io.ErrUnexpectedEOF if there are fewer. The
// memory grows with what is there, not with what is claimed.
func (in *input) take(n int) ([]byte, error) {
	const eager = 64 << 10
	have := 0
	for {
		want := min(n, have+eager)
		if cap(in.buf) < want {
			grown := make([]byte, max(want, min(2*cap(in.buf), n)))
			copy(grown, in.buf[:have])
			in.buf = grown
		}
		m, err := io.ReadFull(in.r, in.buf[:cap(in.buf)][have:want])
		in.n += int64(m)
		have += m
		if err != nil {
			if have > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if have == n {
			return in.buf[:n], nil
		}
	}
}

// pass passes over n octets.
func (in *input) pass(n int64) error {
	m, err := io.CopyN(io.Discard, in.r, n)
	in.n += m
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

const endsEarly damaged = "the file ends in the middle of a packet"

// early makes the end of the file within something damage.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return endsEarly
	}
	return err
}

// pcap is the form of libpcap 2.4 (draft-ietf-opsawg-pcap).
type pcap struct {
	in    *input
	order binary.ByteOrder
	unit  time.Duration
	link  uint32
}

func (p *pcap) format() string { return "pcap" }
func (p *pcap) octets() int64  { return p.in.n }

func (p *pcap) next() (packet, error) {
	head, err := p.in.take(16)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return packet{}, io.EOF
		}
		return packet{}, early(err)
	}
	seconds, fraction := p.order.Uint32(head), p.order.Uint32(head[4:])
	length, whole := p.order.Uint32(head[8:]), p.order.Uint32(head[12:])
	if length > maxPacket {
		return packet{}, damaged(fmt.Sprintf("a packet is said to be %d octets long", length))
	}
	data, err := p.in.take(int(length))
	if err != nil {
		return packet{}, early(err)
	}
	return packet{
		time: time.Unix(int64(seconds), int64(fraction)*int64(p.unit)).UTC(),
		link: p.link, data: data, whole: wholeOf(whole, len(data)),
	}, nil
}

// wholeOf is the length on the wire; some writers have it as 0, and no packet
// is shorter than what was captured of it.
func wholeOf(claimed uint32, captured int) int { return max(int(min(claimed, 1<<30)), captured) }

// pcapng is the form of Wireshark and pktmon (draft-ietf-opsawg-pcapng). Of its
// blocks only those that hold packets, or say how they are meant, are read.
type pcapng struct {
	in         *input
	order      binary.ByteOrder
	interfaces []networkInterface
}

// A networkInterface is what was captured on.
type networkInterface struct {
	link   uint32
	snap   uint32
	unit   uint64 // parts of a second
	offset int64  // seconds to be added
}

const (
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3
	blockEnhanced  = 6
	blockSection   = 0x0a0d0d0a
)

func (n *pcapng) format() string { return "pcapng" }
func (n *pcapng) octets() int64  { return n.in.n }

// section reads the header of a section after its type. It sets the order of
// octets, and forgets the interfaces.
func (n *pcapng) section() error {
	head, err := n.in.take(12)
	if err != nil {
		return early(err)
	}
	switch {
	case binary.LittleEndian.Uint32(head[4:]) == 0x1a2b3c4d:
		n.order = binary.LittleEndian
	case binary.BigEndian.Uint32(head[4:]) == 0x1a2b3c4d:
		n.order = binary.BigEndian
	default:
		return damaged("a section of the file does not say the order of its octets")
	}
	if major := n.order.Uint16(head[8:]); major != 1 {
		return damaged(fmt.Sprintf("version %d of pcapng is not known", major))
	}
	length := n.order.Uint32(head)
	if length < 28 {
		return damaged("the header of a section is too short")
	}
	n.interfaces = n.interfaces[:0]
	return early(n.in.pass(padded(length) - 16))
}

// padded is the length of a block with its padding, which some writers leave
// out of the length.
func padded(length uint32) int64 { return (int64(length) + 3) &^ 3 }

func (n *pcapng) next() (packet, error) {
	for {
		head, err := n.in.take(4)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return packet{}, io.EOF
			}
			return packet{}, early(err)
		}
		kind := n.order.Uint32(head)
		if kind == blockSection { // the same in both orders
			if err := n.section(); err != nil {
				return packet{}, err
			}
			continue
		}
		if head, err = n.in.take(4); err != nil {
			return packet{}, early(err)
		}
		length := n.order.Uint32(head)
		if length < 12 {
			return packet{}, damaged("a block of the file is too short")
		}
		rest := padded(length) - 8
		switch kind {
		case blockInterface, blockSimple, blockOldPacket, blockEnhanced:
		default:
			if err := n.in.pass(rest); err != nil {
				return packet{}, early(err)
			}
			continue
		}
		// Options may follow a packet; nobody writes this many.
		if rest > 2*maxPacket {
			return packet{}, damaged(fmt.Sprintf("a block of the file is said to be %d octets long", length))
		}
		body, err := n.in.take(int(rest))
		if err != nil {
			return packet{}, early(err)
		}
		body = body[:len(body)-4] // the length once more
		var p packet
		switch kind {
		case blockInterface:
			if err := n.addInterface(body); err != nil {
				return packet{}, err
			}
			continue
		case blockSimple:
			p, err = n.simple(body)
		case blockOldPacket:
			p, err = n.packet(body, 2)
		default:
			p, err = n.packet(body, 4)
		}
		return p, err
	}
}

func (n *pcapng) addInterface(body []byte) error {
	if len(body) < 8 || len(n.interfaces) >= maxInterfaces {
		return damaged("an interface of the file is not described as it should be")
	}
	i := networkInterface{link: uint32(n.order.Uint16(body)), snap: n.order.Uint32(body[4:]), unit: 1e6}
	for o := body[8:]; len(o) >= 4; {
		code, length := n.order.Uint16(o), int(n.order.Uint16(o[2:]))
		o = o[4:]
		if code == 0 || length > len(o) {
			break
		}
		switch {
		case code == 9 && length >= 1: // if_tsresol
			unit, ok := resolution(o[0])
			if !ok {
				return damaged("an interface of the file measures time in parts that are too small")
			}
			i.unit = unit
		case code == 14 && length >= 8: // if_tsoffset
			i.offset = int64(n.order.Uint64(o))
		}
		o = o[min(len(o), (length+3)&^3):]
	}
	n.interfaces = append(n.interfaces, i)
	return nil
}

// resolution is how many parts of a second there are: a power of 2 if the
// highest bit is set, else of 10.
func resolution(b byte) (unit uint64, ok bool) {
	if b&0x80 != 0 {
		return 1 << (b & 0x3f), b&0x7f < 64
	}
	if b > 19 {
		return 0, false
	}
	unit = 1
	for range b {
		unit *= 10
	}
	return unit, true
}

// packet reads a block whose interface has that many octets: 4 in the enhanced
// packet block, 2 and a counter of drops in the one before it.
func (n *pcapng) packet(body []byte, width int) (packet, error) {
	if len(body) < 20 {
		return packet{}, damaged("a packet of the file is too short for its header")
	}
	index := n.order.Uint32(body)
	if width == 2 {
		index = uint32(n.order.Uint16(body))
	}
	if int64(index) >= int64(len(n.interfaces)) {
		return packet{}, damaged("a packet of the file belongs to an interface that is not described")
	}
	i := &n.interfaces[index]
	length, whole := n.order.Uint32(body[12:]), n.order.Uint32(body[16:])
	if int64(length) > int64(len(body)-20) {
		return packet{}, damaged("a packet of the file is longer than its block")
	}
	ticks := uint64(n.order.Uint32(body[4:]))<<32 | uint64(n.order.Uint32(body[8:]))
	return packet{
		time: i.time(ticks), link: i.link, data: body[20 : 20+length], whole: wholeOf(whole, int(length)),
	}, nil
}

// simple reads a block that has no time and belongs to the first interface.
func (n *pcapng) simple(body []byte) (packet, error) {
	if len(body) < 4 || len(n.interfaces) == 0 {
		return packet{}, damaged("a packet of the file belongs to an interface that is not described")
	}
	i, whole := &n.interfaces[0], n.order.Uint32(body)
	length := min(int64(whole), int64(len(body)-4))
	if i.snap > 0 {
		length = min(length, int64(i.snap))
	}
	return packet{link: i.link, data: body[4 : 4+length], whole: wholeOf(whole, int(length))}, nil
}

// time is a time in the parts of a second of the interface. What no calendar
// has is no time.
func (i *networkInterface) time(ticks uint64) time.Time {
	seconds, part := ticks/i.unit, ticks%i.unit
	nanos := int64(float64(part) / float64(i.unit) * 1e9)
	if i.unit <= 1e9 && 1e9%i.unit == 0 {
		nanos = int64(part * (1e9 / i.unit))
	}
	at := int64(seconds) + i.offset
	if seconds > 1<<40 || at < 0 || at > 1<<38 {
		return time.Time{}
	}
	return time.Unix(at, nanos).UTC()
}
