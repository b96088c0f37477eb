package intake

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// An encoding is how a file's characters are written, as far as its start tells.
type encoding struct {
	name  string
	bom   int  // octets of the byte order mark
	width int  // octets of a unit: 1, 2 or 4
	big   bool // the first octet of a unit is the highest
	mac   bool // lines end in '\r'
}

// boms are the byte order marks, the longer of two that begin alike first.
var boms = []struct {
	mark string
	encoding
}{
	{"\xFF\xFE\x00\x00", encoding{name: "UTF-32LE", width: 4}},
	{"\x00\x00\xFE\xFF", encoding{name: "UTF-32BE", width: 4, big: true}},
	{"\xEF\xBB\xBF", encoding{name: "UTF-8", width: 1}},
	{"\xFF\xFE", encoding{name: "UTF-16LE", width: 2}},
	{"\xFE\xFF", encoding{name: "UTF-16BE", width: 2, big: true}},
}

// detect judges a file by its head; all says that there is no more of it. It
// returns false if the file is not text.
func detect(head []byte, all bool) (encoding, bool) {
	e := encoding{name: "UTF-8", width: 1}
	marked := false
	for _, b := range boms {
		if bytes.HasPrefix(head, []byte(b.mark)) {
			e, marked = b.encoding, true
			e.bom = len(b.mark)
			break
		}
	}
	if !marked {
		if big, ok := zeroColumn(head); ok {
			e = encoding{name: "UTF-16LE", width: 2, big: big}
			if big {
				e.name = "UTF-16BE"
			}
		}
	}
	sample := head[e.bom:]
	if e.width > 1 {
		units := sample[:len(sample)/e.width*e.width]
		out := make([]byte, 0, len(units)*3/2+bytes.MinRead)
		b := bytes.NewBuffer(out)
		// Neither a bytes.Reader nor a bytes.Buffer fails.
		_, _ = b.ReadFrom(&wide{src: bytes.NewReader(units), width: e.width, big: e.big})
		sample = b.Bytes()
		if bad := bytes.Count(sample, []byte("\uFFFD")); bad > 4 && bad*50 > utf8.RuneCount(sample) {
			return encoding{}, false
		}
	} else if !marked && mostlyInvalid(sample) {
		e.name = "windows-1252"
	}
	if notText(sample) {
		return encoding{}, false
	}
	if bytes.IndexByte(sample, '\n') < 0 {
		i := bytes.IndexByte(sample, '\r')
		// A '\r' at the very end may yet be followed by its '\n'.
		e.mac = i >= 0 && (all || i < len(sample)-1)
	}
	return e, true
}

// padding is how many NULs a file begins with that are no part of its text, as a
// log does that was truncated under its writer. An odd one may be the first
// octet of UTF-16, and fewer than least are no padding.
func padding(head []byte, least int) int {
	n := len(head) - len(bytes.TrimLeft(head, "\x00"))
	switch {
	case n < least:
		return 0
	case n%2 == 1 && (n == len(head) || (n+1 < len(head) && head[n+1] == 0)):
		return n - 1
	}
	return n
}

// zeroColumn reports whether b looks like UTF-16 without a byte order mark: of
// the two octets of many a unit, one is zero, and always the same one. A log in
// any script has that in its digits, blanks and punctuation.
func zeroColumn(b []byte) (big, ok bool) {
	units, first, second := 0, 0, 0
	for i := 0; i+1 < len(b); i += 2 {
		switch {
		case b[i] == 0 && b[i+1] == 0:
			continue // padding
		case b[i] == 0:
			first++
		case b[i+1] == 0:
			second++
		}
		units++
	}
	switch {
	case second*10 > units && first*4 < second:
		return false, true
	case first*10 > units && second*4 < first:
		return true, true
	}
	return false, false
}

// mostlyInvalid reports whether more lines of b hold octets that are no UTF-8
// than lines hold characters of several octets that are.
func mostlyInvalid(b []byte) bool {
	if utf8.Valid(b) {
		return false
	}
	good, bad := 0, 0
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		if !ended {
			line = line[:runesWithin(line, len(line)-1)] // it may be cut
		}
		b = rest
		switch {
		case !utf8.Valid(line):
			bad++
		case utf8.RuneCount(line) < len(line):
			good++
		}
	}
	return bad > good
}

// notText reports whether b, the start of a file, is not text: it has too many
// control characters, or a few and NULs all over. NULs in few long runs are what
// a log has that was truncated under its writer.
func notText(b []byte) bool {
	control, nul, runs := 0, 0, 0
	last := byte(1)
	for _, c := range b {
		switch {
		case c == 0:
			nul++
			if last != 0 {
				runs++
			}
		case c >= ' ' && c != 0x7F, c >= '\b' && c <= '\r', c == 0x1B:
		default:
			control++
		}
		last = c
	}
	n := len(b) - nul
	return control >= 3 && (control*20 > n || (runs > 8 && runs*64 > n && control*100 > n))
}

// A wide reads UTF-16 or UTF-32 as UTF-8. What is not valid becomes U+FFFD.
type wide struct {
	src     io.Reader
	width   int // 2 or 4
	big     bool
	growing bool // as in text

	block []byte // read into
	in    []byte // the part of block that is not yet decoded
	rest  []byte // a character of which some octets were given
	err   error
}

func (w *wide) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(w.rest) > 0 {
			n := copy(p, w.rest)
			w.rest = w.rest[n:]
			return n, nil
		}
		if n := w.decode(p); n > 0 {
			return n, nil
		}
		if r, n := w.first(); n > 0 {
			// p has no room for any character: give what it has room for.
			w.in = w.in[n:]
			w.rest = utf8.AppendRune(nil, r)
			continue
		}
		if w.err != nil {
			err := w.err
			if w.growing {
				w.err = nil
			} else if len(w.in) >= w.width {
				w.in = nil
				w.rest = utf8.AppendRune(nil, utf8.RuneError) // half of a pair
				continue
			}
			return 0, err
		}
		if w.block == nil {
			w.block = make([]byte, 32<<10)
		}
		n := copy(w.block, w.in)
		m, err := w.src.Read(w.block[n:])
		w.in, w.err = w.block[:n+m], err
		if m == 0 && err == nil {
			return 0, nil
		}
	}
}

// decode decodes as many characters as are there and p has room for.
func (w *wide) decode(p []byte) int {
	n := 0
	for n+utf8.UTFMax <= len(p) {
		if w.width == 2 {
			n += w.ascii(p[n:])
		}
		r, size := w.first()
		if size == 0 || n+utf8.UTFMax > len(p) {
			break
		}
		w.in = w.in[size:]
		n += utf8.EncodeRune(p[n:], r)
	}
	return n
}

// ascii decodes characters of ASCII in UTF-16, four at a time.
func (w *wide) ascii(p []byte) int {
	mask, shift := uint64(0xFF80_FF80_FF80_FF80), 0
	if w.big {
		mask, shift = 0x80FF_80FF_80FF_80FF, 8
	}
	in, out := w.in, p
	for len(in) >= 8 && len(out) >= 4 {
		u := binary.LittleEndian.Uint64(in)
		if u&mask != 0 {
			break
		}
		u >>= shift
		out[0], out[1], out[2], out[3] = byte(u), byte(u>>16), byte(u>>32), byte(u>>48)
		in, out = in[8:], out[4:]
	}
	w.in = in
	return len(p) - len(out)
}

// first is the first character of what is not yet decoded, and how many octets
// it takes; 0 if it is not all there.
func (w *wide) first() (rune, int) {
	if len(w.in) < w.width {
		return 0, 0
	}
	if w.width == 4 {
		u := binary.LittleEndian.Uint32(w.in)
		if w.big {
			u = binary.BigEndian.Uint32(w.in)
		}
		if u > utf8.MaxRune {
			return utf8.RuneError, 4
		}
		return rune(u), 4
	}
	r := w.unit(0)
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if r >= 0xDC00 { // the second of a pair without the first
		return utf8.RuneError, 2
	}
	if len(w.in) < 4 {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, w.unit(2)); r == utf8.RuneError {
		return r, 2
	}
	return r, 4
}

func (w *wide) unit(at int) rune {
	if w.big {
		return rune(binary.BigEndian.Uint16(w.in[at:]))
	}
	return rune(binary.LittleEndian.Uint16(w.in[at:]))
}
