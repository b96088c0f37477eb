package evtx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

const (
	recordHeaderSize  = 24
	recordTrailerSize = 4
)

// A chunk is 64 KiB of the file: records and, strewn among them, the names and
// templates that records of the same chunk share. All offsets inside of it are
// from its beginning.
type chunk struct {
	data []byte // chunkSize octets

	// Where next looks for the next record.
	pos  int
	free int // where records end by the header, chunkSize if that is not known
	last uint64
	gaps int // places that were passed over since it was last set to 0

	// work is what may still be spent on this chunk's binary XML.
	work      int
	names     map[int]string
	templates map[int]*template
}

// A rawRecord is a record as it lies in its chunk.
type rawRecord struct {
	id, written uint64
	start, end  int // of its binary XML
}

// check looks whether the chunk is as it was written and says whether it is
// sound; unchecked if its checksums say nothing. Records of a chunk whose header
// is wrong are looked for all over it.
func (c *chunk) check(unchecked bool) bool {
	c.pos, c.free = chunkHeaderSize, chunkSize
	if !bytes.HasPrefix(c.data, []byte(chunkMagic)) {
		return false
	}
	unchecked = unchecked || binary.LittleEndian.Uint32(c.data[120:])&flagNoCRC32 != 0
	if !unchecked && headerChecksum(c.data) != binary.LittleEndian.Uint32(c.data[124:]) {
		return false
	}
	free := binary.LittleEndian.Uint32(c.data[48:])
	if free < chunkHeaderSize || free > chunkSize {
		return false
	}
	c.free = int(free)
	return unchecked || checksum(c.data[chunkHeaderSize:free]) == binary.LittleEndian.Uint32(c.data[52:])
}

// next returns the next record. It passes over what is none.
func (c *chunk) next() (rawRecord, bool) {
	if r, size, ok := c.recordAt(c.pos); ok && (c.pos < c.free || r.id > c.last) {
		// Behind the end by the header lie records that are newer than the header,
		// or what is left of an older use of the chunk.
		c.pos += size
		c.last = max(c.last, r.id)
		return r, true
	}
	// The rest of a chunk is zero, or the end of the records was reached.
	limit := min(c.free, chunkSize-recordHeaderSize-recordTrailerSize)
	if c.pos >= limit || allZero(c.data[c.pos:c.free]) {
		return rawRecord{}, false
	}
	c.gaps++
	for c.pos++; c.pos < limit; c.pos++ {
		skip := bytes.Index(c.data[c.pos:limit], []byte(recordMagic))
		if skip < 0 {
			break
		}
		c.pos += skip
		if r, size, ok := c.recordAt(c.pos); ok {
			c.pos += size
			c.last = max(c.last, r.id)
			return r, true
		}
	}
	c.pos = chunkSize
	return rawRecord{}, false
}

// recordAt reads the record at pos, if one is there: its size stands at its
// beginning and at its end.
func (c *chunk) recordAt(pos int) (r rawRecord, size int, ok bool) {
	if pos+recordHeaderSize+recordTrailerSize > chunkSize || string(c.data[pos:pos+4]) != recordMagic {
		return r, 0, false
	}
	b := c.data[pos:]
	n := binary.LittleEndian.Uint32(b[4:])
	if n < recordHeaderSize+recordTrailerSize || int64(n) > int64(len(b)) {
		return r, 0, false
	}
	size = int(n)
	if binary.LittleEndian.Uint32(b[size-recordTrailerSize:]) != n {
		return r, 0, false
	}
	return rawRecord{
		id:      binary.LittleEndian.Uint64(b[8:]),
		written: binary.LittleEndian.Uint64(b[16:]),
		start:   pos + recordHeaderSize,
		end:     pos + size - recordTrailerSize,
	}, size, true
}

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// headerChecksum is the checksum of a chunk's header: all but its flags and the
// checksum itself.
func headerChecksum(b []byte) uint32 {
	return crc32.Update(checksum(b[:120]), crc32.IEEETable, b[128:chunkHeaderSize])
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
