// Package evtx reads Windows event log files (.evtx) and gives every event as
// one line of XML, in the form that "wevtutil qe /f:xml" writes.
//
// It hides the file's chunks, records and templates and their binary XML
// ([MS-EVEN6], Sections 2.2.12 to 2.2.16, and the libyal project's "Windows XML
// Event Log (EVTX) format"), and what is left to read of a file that was copied
// while it was being written, was cut off, or was made to harm its reader. It
// holds one chunk of 64 KiB at a time.
package evtx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

const (
	fileMagic   = "ElfFile\x00"
	chunkMagic  = "ElfChnk\x00"
	recordMagic = "**\x00\x00"

	fileHeaderSize  = 4096
	chunkSize       = 1 << 16
	chunkHeaderSize = 512

	// maxChunks bounds what is kept of the file as a whole, 24 octets for each
	// chunk, and is 16 GiB of log.
	maxChunks = 1 << 18
)

// Flags in the header of a file; chunks know only the second.
const (
	flagDirty   = 1 // being written to when it was copied
	flagNoCRC32 = 4 // checksums were not kept
)

// ErrFormat is what Open returns for something that is no Windows event log.
var ErrFormat = errors.New("evtx: not a Windows event log file (.evtx)")

// A Record is one event.
type Record struct {
	// ID is the record's identifier in this file. In a log of Windows itself it is
	// also the event's EventRecordID; a log that was saved with a filter may
	// count anew.
	ID uint64
	// Time is when the event was written to the log, in UTC, and the zero Time if
	// the record does not say.
	Time time.Time
	// XML is the event: one element, in one line without its end, in UTF-8. Line
	// ends inside of values are written &#xD; and &#xA;; control characters that
	// XML cannot hold are written as their pictures (U+2400 and following). It
	// is valid until the next call of Next.
	XML []byte
}

// A Reader reads the events of one file, in the order of their identifiers even
// where the file is a ring. It must not be used by two goroutines at once.
type Reader struct {
	file    io.ReaderAt
	size    int64
	chunks  []chunkRef
	damaged int
	dirty   bool
	noCRC32 bool

	chunk  *chunk // nil if the next of chunks must be read
	data   []byte // of the chunk, kept from one to the next
	render renderer
}

// A chunkRef says where a chunk is.
type chunkRef struct {
	offset int64
	first  uint64 // identifier of its first record, by its header
}

// Open reads the header of the file and those of its chunks. It returns
// ErrFormat if r is no Windows event log, and otherwise only the errors of r: a
// damaged file is read as far as it goes.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	f := &Reader{file: r, size: size}
	header := make([]byte, fileHeaderSize)
	n, err := readAt(r, header, 0, size)
	if err != nil {
		return nil, fmt.Errorf("evtx: read the file's header: %w", err)
	}
	header = header[:n]
	count := 0 // of chunks, by the header
	switch {
	case n >= 128 && bytes.HasPrefix(header, []byte(fileMagic)):
		count = int(binary.LittleEndian.Uint16(header[42:]))
		flags := binary.LittleEndian.Uint32(header[120:])
		f.dirty = flags&flagDirty != 0
		f.noCRC32 = flags&flagNoCRC32 != 0
		if !f.noCRC32 && checksum(header[:120]) != binary.LittleEndian.Uint32(header[124:]) {
			f.damaged++
		}
	case bytes.HasPrefix(header, []byte(fileMagic)):
		f.damaged++
	default:
		// A carved file may have lost its header and still hold its chunks.
		magic := make([]byte, len(chunkMagic))
		if n, err := readAt(r, magic, fileHeaderSize, size); err != nil {
			return nil, fmt.Errorf("evtx: read the first chunk: %w", err)
		} else if n < len(magic) || string(magic) != chunkMagic {
			return nil, ErrFormat
		}
		f.damaged++
	}
	return f, f.findChunks(count)
}

// findChunks lists the chunks of the file. The header says how many there are,
// but the header of a log in use is old, so that every place is looked at.
func (f *Reader) findChunks(count int) error {
	header := make([]byte, chunkHeaderSize+len(recordMagic))
	var before uint64
	for i := 0; ; i++ {
		at := fileHeaderSize + int64(i)*chunkSize
		if at >= f.size {
			break
		}
		if i == maxChunks {
			f.damaged++
			break
		}
		n, err := readAt(f.file, header, at, f.size)
		if err != nil {
			return fmt.Errorf("evtx: read the header of chunk %d: %w", i, err)
		}
		switch {
		case n >= 32 && bytes.HasPrefix(header, []byte(chunkMagic)):
			if n < len(header) || headerChecksum(header) == binary.LittleEndian.Uint32(header[124:]) {
				before = binary.LittleEndian.Uint64(header[24:])
			}
		case n == len(header) && string(header[chunkHeaderSize:]) == recordMagic:
			// The header is lost, the records may not be.
		default:
			if i < count {
				f.damaged++
			}
			continue
		}
		// A chunk whose header is wrong stays behind the one before it.
		f.chunks = append(f.chunks, chunkRef{offset: at, first: before})
	}
	slices.SortStableFunc(f.chunks, func(a, b chunkRef) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// Next returns the next event, io.EOF after the last one. What is damaged is
// passed over and counted; any other error is that of the io.ReaderAt, and
// final.
func (f *Reader) Next() (Record, error) {
	for {
		if f.chunk == nil {
			if len(f.chunks) == 0 {
				return Record{}, io.EOF
			}
			// The header of the newest chunk is written behind its records: in a log
			// in use it may be old without being damaged.
			inUse := f.dirty && len(f.chunks) == 1
			c, err := f.load(f.chunks[0].offset, inUse)
			if err != nil {
				return Record{}, err
			}
			f.chunk, f.chunks = c, f.chunks[1:]
		}
		raw, more := f.chunk.next()
		f.damaged += f.chunk.gaps
		f.chunk.gaps = 0
		if !more {
			f.chunk = nil
			continue
		}
		xml, err := f.render.record(f.chunk, raw)
		if errors.Is(err, errNoEvent) {
			continue
		} else if errors.Is(err, errTooMuch) {
			f.damaged++
			f.chunk = nil
			continue
		} else if err != nil {
			f.damaged++
			continue
		}
		rec := Record{ID: raw.id, XML: xml}
		if raw.written != 0 {
			rec.Time = fileTime(raw.written)
		}
		return rec, nil
	}
}

// Damaged returns how many places of what has been read so far were damaged:
// headers, wrong checksums, records, and stretches where records were expected.
func (f *Reader) Damaged() int { return f.damaged }

// load reads the chunk at the given offset and checks it.
func (f *Reader) load(offset int64, inUse bool) (*chunk, error) {
	if f.data == nil {
		f.data = make([]byte, chunkSize)
	}
	n, err := readAt(f.file, f.data, offset, f.size)
	if err != nil {
		return nil, fmt.Errorf("evtx: read the chunk at octet %d: %w", offset, err)
	}
	clear(f.data[n:])
	c := &chunk{data: f.data, work: maxWork}
	if sound := c.check(f.noCRC32 || inUse); !sound || n < chunkSize {
		f.damaged++
	}
	return c, nil
}

// Lines returns a function that gives the events of a file one by one: the
// event's XML, valid until the next call, and its record identifier, at most
// math.MaxInt; io.EOF after the last. It returns the errors of Open, and the
// function those of Next.
func Lines(r io.ReaderAt, size int64) (next func() (line []byte, number int, err error), err error) {
	f, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return func() ([]byte, int, error) {
		rec, err := f.Next()
		if err != nil {
			return nil, 0, err
		}
		return rec.XML, int(min(rec.ID, math.MaxInt)), nil
	}, nil
}

// readAt fills b from off, as far as the file goes. A file that is shorter than
// was said is not an error.
func readAt(r io.ReaderAt, b []byte, off, size int64) (int, error) {
	if off >= size {
		return 0, nil
	}
	n, err := r.ReadAt(b[:min(int64(len(b)), size-off)], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	return n, nil
}

// fileTime converts a FILETIME: units of 100 ns since 1601 ([MS-DTYP], Section
// 2.3.3).
func fileTime(t uint64) time.Time {
	const toUnix = 11644473600 // seconds from 1601 to 1970
	return time.Unix(int64(t/1e7)-toUnix, int64(t%1e7)*100).UTC()
}
