// Package evtxtest writes Windows event log files (.evtx) for tests, from
// [MS-EVEN6] and the libyal project's description of the format: chunks with
// their table of names, templates that are written once per chunk, binary XML,
// and right checksums. Only tests import it.
//
// It panics where a test asks for what cannot be written.
package evtxtest

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"time"
	"unicode/utf16"
)

// Sizes of the parts of a file.
const (
	FileHeaderSize  = 4096
	ChunkSize       = 1 << 16
	ChunkHeaderSize = 512
)

// A File is a log.
type File struct {
	Records []Record
	// PerChunk is how many records go into a chunk at most; 0 means as many as
	// fit.
	PerChunk int
	// Rotate moves so many chunks from the beginning of the file to its end, as
	// they lie in a log that has come around.
	Rotate int
	// Dirty marks the file as in use, and leaves the number of chunks in its
	// header at 1 less than there are.
	Dirty bool
	// NoCRC32 marks the file as one without checksums, and writes none.
	NoCRC32 bool
}

// A Record is one event.
type Record struct {
	ID    uint64
	Time  time.Time
	Nodes []Node
}

// A Node is a piece of binary XML.
type Node interface {
	write(c *chunk, inTemplate bool)
}

type (
	// An Element without content is written <Name/>.
	Element struct {
		Name    string
		Attrs   []Attr
		Content []Node
	}
	// Attr is an attribute; its value may be any of the nodes but elements,
	// instances and processing instructions.
	Attr struct {
		Name  string
		Value []Node
	}
	Text      string
	CDATA     string
	CharRef   uint16
	EntityRef string // without & and ;
	// PI is a processing instruction.
	PI struct{ Target, Data string }
	// Slot is where a template's value goes.
	Slot struct {
		Index    int
		Optional bool
		Type     byte
	}
	// Instance is a template with its values.
	Instance struct {
		Template []Node
		Values   []Value
	}
	// Raw is written as it is.
	Raw []byte
)

// Encode returns the file.
func (f File) Encode() []byte {
	var chunks [][]byte
	for rest := f.Records; len(rest) > 0; {
		c := newChunk()
		n := 0
		for n < len(rest) && (f.PerChunk == 0 || n < f.PerChunk) && c.record(rest[n]) {
			n++
		}
		if n == 0 {
			panic(fmt.Sprintf("evtxtest: record %d is larger than a chunk", rest[0].ID))
		}
		chunks = append(chunks, c.finish(rest[:n], f.NoCRC32))
		rest = rest[n:]
	}
	first := 0
	if f.Rotate > 0 {
		chunks = append(chunks[f.Rotate:], chunks[:f.Rotate]...)
		first = len(chunks) - f.Rotate
	}
	last := (first + len(chunks) - 1) % max(1, len(chunks))

	b := make([]byte, FileHeaderSize)
	copy(b, "ElfFile\x00")
	le.PutUint64(b[8:], uint64(first))
	le.PutUint64(b[16:], uint64(last))
	if n := len(f.Records); n > 0 {
		le.PutUint64(b[24:], f.Records[n-1].ID+1)
	}
	le.PutUint32(b[32:], 128)
	le.PutUint16(b[36:], 1)
	le.PutUint16(b[38:], 3)
	le.PutUint16(b[40:], FileHeaderSize)
	count, flags := len(chunks), uint32(0)
	if f.Dirty {
		count, flags = count-1, flags|1
	}
	if f.NoCRC32 {
		flags |= 4
	}
	le.PutUint16(b[42:], uint16(count))
	le.PutUint32(b[120:], flags)
	if !f.NoCRC32 {
		le.PutUint32(b[124:], crc32.ChecksumIEEE(b[:120]))
	}
	for _, c := range chunks {
		b = append(b, c...)
	}
	return b
}

// A chunk is being written. Offsets are from the beginning of b.
type chunk struct {
	b         []byte
	names     map[string]int
	templates map[[16]byte]int
	last      int // offset of the last record
}

func newChunk() *chunk {
	return &chunk{b: make([]byte, ChunkHeaderSize), names: make(map[string]int), templates: make(map[[16]byte]int)}
}

// record writes r, or nothing if there is no more room.
func (c *chunk) record(r Record) bool {
	// Names and templates of a record that does not fit are forgotten with it.
	before := newChunk()
	before.b, before.last = append(before.b[:0], c.b...), c.last
	for k, v := range c.names {
		before.names[k] = v
	}
	for k, v := range c.templates {
		before.templates[k] = v
	}

	c.last = len(c.b)
	c.put("**\x00\x00")
	c.put32(0)
	c.put64(r.ID)
	c.put64(fileTime(r.Time))
	c.fragment(r.Nodes, false)
	for (len(c.b)+4)%8 != 0 {
		c.b = append(c.b, 0)
	}
	size := uint32(len(c.b) + 4 - c.last)
	c.put32(size)
	le.PutUint32(c.b[c.last+4:], size)
	if len(c.b) > ChunkSize {
		*c = *before
		return false
	}
	return true
}

// finish returns the chunk's 64 KiB.
func (c *chunk) finish(records []Record, noCRC32 bool) []byte {
	free := len(c.b)
	b := append(c.b, make([]byte, ChunkSize-free)...)
	copy(b, "ElfChnk\x00")
	first, last := records[0].ID, records[len(records)-1].ID
	le.PutUint64(b[8:], first)
	le.PutUint64(b[16:], last)
	le.PutUint64(b[24:], first)
	le.PutUint64(b[32:], last)
	le.PutUint32(b[40:], 128)
	le.PutUint32(b[44:], uint32(c.last))
	le.PutUint32(b[48:], uint32(free))
	le.PutUint32(b[120:], 1)
	if !noCRC32 {
		Checksums(b)
	}
	return b
}

// Checksums writes the checksums of a chunk as they should be, for a test that
// has changed it.
func Checksums(chunk []byte) {
	if free := le.Uint32(chunk[48:]); free >= ChunkHeaderSize && free <= ChunkSize {
		le.PutUint32(chunk[52:], crc32.ChecksumIEEE(chunk[ChunkHeaderSize:free]))
	}
	sum := crc32.ChecksumIEEE(chunk[:120])
	le.PutUint32(chunk[124:], crc32.Update(sum, crc32.IEEETable, chunk[128:ChunkHeaderSize]))
}

func (c *chunk) put(s string)   { c.b = append(c.b, s...) }
func (c *chunk) put8(n byte)    { c.b = append(c.b, n) }
func (c *chunk) put16(n uint16) { c.b = le.AppendUint16(c.b, n) }
func (c *chunk) put32(n uint32) { c.b = le.AppendUint32(c.b, n) }
func (c *chunk) put64(n uint64) { c.b = le.AppendUint64(c.b, n) }

// sized writes the size of what write writes, and then that.
func (c *chunk) sized(write func()) {
	at := len(c.b)
	c.put32(0)
	write()
	le.PutUint32(c.b[at:], uint32(len(c.b)-at-4))
}

func (c *chunk) fragment(nodes []Node, inTemplate bool) {
	c.put("\x0f\x01\x01\x00")
	for _, n := range nodes {
		n.write(c, inTemplate)
	}
	c.put8(0)
}

// name writes a reference to a name, and the name itself if the chunk does not
// have it yet. Names are found again by their hash, of which the header has a
// table.
func (c *chunk) name(s string) {
	if at, ok := c.names[s]; ok {
		c.put32(uint32(at))
		return
	}
	at := len(c.b) + 4
	c.names[s] = at
	c.put32(uint32(at))
	units := utf16.Encode([]rune(s))
	var hash uint32
	for _, u := range units {
		hash = hash*65599 + uint32(u)
	}
	bucket := c.b[128+4*(hash&0xffff%64):]
	next := le.Uint32(bucket)
	le.PutUint32(bucket, uint32(at))
	c.put32(next)
	c.put16(uint16(hash))
	c.put16(uint16(len(units)))
	c.b = append(c.b, encodeUTF16(s)...)
	c.put16(0)
}

func (c *chunk) text(s string) {
	u := encodeUTF16(s)
	c.put16(uint16(len(u) / 2))
	c.b = append(c.b, u...)
}

func (e Element) write(c *chunk, inTemplate bool) {
	token := byte(0x01)
	if len(e.Attrs) > 0 {
		token = 0x41
	}
	c.put8(token)
	if inTemplate {
		depends := uint16(0xffff)
		if len(e.Content) == 1 {
			if s, ok := e.Content[0].(Slot); ok && s.Optional {
				depends = uint16(s.Index)
			}
		}
		c.put16(depends)
	}
	c.sized(func() {
		c.name(e.Name)
		if len(e.Attrs) > 0 {
			c.sized(func() {
				for i, a := range e.Attrs {
					token := byte(0x46)
					if i == len(e.Attrs)-1 {
						token = 0x06
					}
					c.put8(token)
					c.name(a.Name)
					for _, n := range a.Value {
						n.write(c, inTemplate)
					}
				}
			})
		}
		if len(e.Content) == 0 {
			c.put8(0x03)
			return
		}
		c.put8(0x02)
		for _, n := range e.Content {
			n.write(c, inTemplate)
		}
		c.put8(0x04)
	})
}

func (t Text) write(c *chunk, _ bool) {
	c.put("\x05\x01")
	c.text(string(t))
}

func (t CDATA) write(c *chunk, _ bool) {
	c.put8(0x07)
	c.text(string(t))
}

func (r CharRef) write(c *chunk, _ bool) {
	c.put8(0x08)
	c.put16(uint16(r))
}

func (r EntityRef) write(c *chunk, _ bool) {
	c.put8(0x09)
	c.name(string(r))
}

func (p PI) write(c *chunk, _ bool) {
	c.put8(0x0a)
	c.name(p.Target)
	c.put8(0x0b)
	c.text(p.Data)
}

func (s Slot) write(c *chunk, _ bool) {
	token := byte(0x0d)
	if s.Optional {
		token = 0x0e
	}
	c.put8(token)
	c.put16(uint16(s.Index))
	c.put8(s.Type)
}

func (r Raw) write(c *chunk, _ bool) { c.b = append(c.b, r...) }

func (in Instance) write(c *chunk, _ bool) {
	// Windows tells templates apart by a GUID; the same text gets the same one.
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", in.Template))
	guid := [16]byte(sum[:16])
	id := le.Uint32(guid[:])
	c.put("\x0c\x01")
	c.put32(id)
	if at, ok := c.templates[guid]; ok {
		c.put32(uint32(at))
	} else {
		at := len(c.b) + 4
		c.templates[guid] = at
		c.put32(uint32(at))
		bucket := c.b[384+4*(id%32):]
		next := le.Uint32(bucket)
		le.PutUint32(bucket, uint32(at))
		c.put32(next)
		c.b = append(c.b, guid[:]...)
		c.sized(func() { c.fragment(in.Template, true) })
	}
	c.put32(uint32(len(in.Values)))
	sizes := len(c.b)
	c.b = append(c.b, make([]byte, 4*len(in.Values))...)
	for i, v := range in.Values {
		at := len(c.b)
		if v.Type == TypeBinXML {
			c.fragment(v.Nodes, false)
		} else {
			c.b = append(c.b, v.Data...)
		}
		n := len(c.b) - at
		if n > 0xffff {
			panic("evtxtest: a value of more than 65535 octets")
		}
		le.PutUint16(c.b[sizes+4*i:], uint16(n))
		c.b[sizes+4*i+2] = v.Type
	}
}
