package winreg

import (
	"encoding/binary"
	"strings"
)

var le = binary.LittleEndian

// A made is a key of a hive that is made here.
type made struct {
	name   string
	values []Value
	keys   []made
}

// A hiveEncoder writes a hive: a header, and one bin of cells. The description
// is Maxim Suhanov's "Windows registry file format specification".
type hiveEncoder struct {
	cells []byte // from the bin's header on
	sk    uint32
}

// encodeHive returns the hive with the given root. fileName is what its header
// has as its name.
func encodeHive(fileName string, root made) []byte {
	e := &hiveEncoder{cells: make([]byte, 32)}
	// One security descriptor: self-relative, with nothing in it.
	security := append([]byte{1, 0, 0, 0x80}, make([]byte, 16)...)
	sk := []byte("sk\x00\x00")
	e.sk = uint32(len(e.cells))
	sk = le.AppendUint32(sk, e.sk) // the list of descriptors, of one
	sk = le.AppendUint32(sk, e.sk)
	sk = le.AppendUint32(sk, 1000) // keys that use it
	sk = le.AppendUint32(sk, uint32(len(security)))
	e.cell(append(sk, security...))
	at := e.key(root, noCell)

	for len(e.cells)%4096 != 0 { // what is free is a cell too
		free := 4096 - len(e.cells)%4096
		e.cells = append(e.cells, make([]byte, free)...)
		le.PutUint32(e.cells[len(e.cells)-free:], uint32(free))
	}
	copy(e.cells, "hbin")
	le.PutUint32(e.cells[8:], uint32(len(e.cells)))

	b := make([]byte, 4096)
	copy(b, hiveMagic)
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], 1)
	le.PutUint32(b[20:], 1) // version 1.5
	le.PutUint32(b[24:], 5)
	le.PutUint32(b[32:], 1)
	le.PutUint32(b[36:], at)
	le.PutUint32(b[40:], uint32(len(e.cells)))
	le.PutUint32(b[44:], 1)
	copy(b[48:48+62], encodeUTF16(fileName))
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= le.Uint32(b[i:])
	}
	le.PutUint32(b[508:], sum)
	return append(b, e.cells...)
}

// cell writes a cell and returns its offset.
func (e *hiveEncoder) cell(data []byte) uint32 {
	size := (len(data) + 4 + 7) / 8 * 8
	at := len(e.cells)
	e.cells = append(e.cells, make([]byte, size)...)
	le.PutUint32(e.cells[at:], uint32(-size))
	copy(e.cells[at+4:], data)
	return uint32(at)
}

// encodeName returns a name and whether it is in Latin-1.
func encodeName(s string) ([]byte, bool) {
	var b []byte
	for _, r := range s {
		if r > 0xff {
			return encodeUTF16(s), false
		}
		b = append(b, byte(r))
	}
	return b, true
}

func (e *hiveEncoder) key(k made, parent uint32) uint32 {
	name, plain := encodeName(k.name)
	flags := uint16(0)
	if plain {
		flags |= keyPlainName
	}
	if parent == noCell {
		flags |= 0x0c // the root
	}
	nk := make([]byte, 76)
	copy(nk, "nk")
	le.PutUint16(nk[2:], flags)
	le.PutUint32(nk[16:], parent)
	le.PutUint32(nk[20:], uint32(len(k.keys)))
	for _, at := range []int{28, 32, 40, 48} {
		le.PutUint32(nk[at:], noCell)
	}
	le.PutUint32(nk[36:], uint32(len(k.values)))
	le.PutUint32(nk[44:], e.sk)
	le.PutUint16(nk[72:], uint16(len(name)))
	at := e.cell(append(nk, name...))

	if len(k.values) > 0 {
		var list []byte
		for _, v := range k.values {
			list = le.AppendUint32(list, e.value(v))
		}
		values := e.cell(list)
		le.PutUint32(e.cells[at+4+40:], values)
	}
	if len(k.keys) > 0 {
		lh := le.AppendUint16([]byte("lh"), uint16(len(k.keys)))
		for _, sub := range k.keys {
			lh = le.AppendUint32(lh, e.key(sub, at))
			var hash uint32
			for _, r := range strings.ToUpper(sub.name) {
				hash = hash*37 + uint32(r)
			}
			lh = le.AppendUint32(lh, hash)
		}
		keys := e.cell(lh)
		le.PutUint32(e.cells[at+4+28:], keys)
	}
	return at
}

func (e *hiveEncoder) value(v Value) uint32 {
	name, plain := encodeName(v.Name)
	vk := make([]byte, 20)
	copy(vk, "vk")
	le.PutUint16(vk[2:], uint16(len(name)))
	le.PutUint32(vk[4:], uint32(len(v.Data)))
	le.PutUint32(vk[12:], uint32(v.Type))
	if plain {
		le.PutUint16(vk[16:], valuePlainName)
	}
	switch {
	case len(v.Data) <= 4:
		le.PutUint32(vk[4:], uint32(len(v.Data))|0x80000000)
		copy(vk[8:12], v.Data)
	case len(v.Data) <= smallValue:
		le.PutUint32(vk[8:], e.cell(v.Data))
	default:
		var segments []byte
		count := 0
		for rest := v.Data; len(rest) > 0; count++ {
			n := min(len(rest), smallValue)
			segments = le.AppendUint32(segments, e.cell(append(rest[:n:n], 0, 0, 0, 0)))
			rest = rest[n:]
		}
		db := le.AppendUint16([]byte("db"), uint16(count))
		db = le.AppendUint32(db, e.cell(segments))
		le.PutUint32(vk[8:], e.cell(db))
	}
	return e.cell(append(vk, name...))
}
