package intake

import (
	"bytes"
	"context"
	"io"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// chunkSize is how many octets a chunk has at most, unless MaxLine is larger.
const chunkSize = 1 << 20

// slack is how much more of a line than MaxLine is held until the line is cut,
// so that a line known to be too long is still seen to be after its last
// character has been left whole.
const slack = 8

// buffers keeps chunk buffers that were given back by Release.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, chunkSize)
	return &b
}}

// A text reads lines of UTF-8, or nearly so, from src.
type text struct {
	ctx context.Context
	src io.Reader
	max int // MaxLine

	// valid says that src yields nothing but valid UTF-8.
	valid bool
	// mac says that lines end in '\r'.
	mac bool
	// eager gives what is there as soon as it holds a whole line: src is a
	// stream whose writer may be slow.
	eager bool
	// growing says that the end of src is only where it ends now: the start of
	// a line there is held until the rest has come.
	growing bool

	lines   int    // given so far
	carry   []byte // the start of a line whose end has not been read
	skip    bool   // the rest of that line is passed over
	err     error  // of src, given after what came before it
	scratch []byte // for a line that is converted
}

// next is File.Next.
func (t *text) next() (Chunk, error) {
	if t.err != nil && len(t.carry) == 0 {
		return Chunk{}, t.err
	}
	size := max(chunkSize, 2*(t.max+slack))
	whole := buffer(size)
	buf := *whole
	n := copy(buf, t.carry)
	t.carry = t.carry[:0]
	last := -1
	var end error
	for idle := 0; end == nil && t.err == nil; {
		if err := t.ctx.Err(); err != nil {
			t.err = err
			return Chunk{}, err
		}
		m, err := t.src.Read(buf[n : size-1])
		if m == 0 && err == nil {
			if idle++; idle == 100 {
				err = io.ErrNoProgress
			}
		} else {
			idle = 0
		}
		if err != nil {
			end = err
		}
		in := t.clean(buf[n : n+m])
		n += len(in)
		if n == size-1 || (t.eager && bytes.IndexByte(in, '\n') >= 0) {
			if last = bytes.LastIndexByte(buf[:n], '\n'); last >= 0 {
				break
			}
		}
		if n == size-1 {
			// One line fills the buffer.
			n = runesWithin(buf[:n], t.max+slack)
			t.skip = true
		}
	}
	if end != nil && (!t.growing || end != io.EOF) {
		t.err = end
	}
	if t.err != nil && n > 0 && buf[n-1] != '\n' {
		buf[n] = '\n'
		n++
	}
	if last < 0 {
		last = bytes.LastIndexByte(buf[:n], '\n')
	}
	if tail := buf[last+1 : n]; len(tail) > 0 {
		if len(tail) > t.max+slack {
			tail = tail[:runesWithin(tail, t.max+slack)]
			t.skip = true
		}
		t.carry = append(t.carry, tail...)
	}
	if last < 0 {
		giveBack(whole)
		if t.err != nil {
			return Chunk{}, t.err
		}
		return Chunk{}, end
	}
	return t.chunk(whole, buf[:last+1]), nil
}

// clean takes out of what was just read what is no part of any line, in place.
func (t *text) clean(in []byte) []byte {
	in = dropNUL(in)
	if t.mac {
		for rest := in; ; {
			i := bytes.IndexByte(rest, '\r')
			if i < 0 {
				break
			}
			rest[i] = '\n'
			rest = rest[i+1:]
		}
	}
	if t.skip {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			return in[:0]
		}
		t.skip = false
		in = in[:copy(in, in[i:])]
	}
	return in
}

// chunk makes a chunk of whole lines that lie at the start of a buffer.
func (t *text) chunk(whole *[]byte, lines []byte) Chunk {
	lines = dropCR(lines)
	c := Chunk{First: t.lines + 1}
	if (t.valid || utf8.Valid(lines)) && !anyLonger(lines, t.max) {
		if len(lines) < cap(*whole)/4 {
			c.Text = bytes.Clone(lines)
			giveBack(whole)
		} else {
			c.Text, c.whole = lines, whole
		}
	} else {
		c.Text, c.Cut = t.mend(lines)
		giveBack(whole)
	}
	t.lines += bytes.Count(c.Text, []byte{'\n'})
	return c
}

// mend returns lines with each no longer than MaxLine and valid, and how many
// were too long.
func (t *text) mend(lines []byte) ([]byte, int) {
	out := make([]byte, 0, len(lines)+len(lines)/16+utf8.UTFMax)
	cut := 0
	for len(lines) > 0 {
		i := bytes.IndexByte(lines, '\n')
		line := lines[:i]
		lines = lines[i+1:]
		if len(line) > t.max+slack {
			line = line[:runesWithin(line, t.max+slack)]
		}
		if !t.valid && !utf8.Valid(line) {
			t.scratch = appendMended(t.scratch[:0], line)
			line = t.scratch
		}
		if len(line) > t.max {
			line = line[:runesWithin(line, t.max)]
			cut++
		}
		out = append(out, line...)
		out = append(out, '\n')
	}
	return out, cut
}

// appendMended appends a line that is not valid UTF-8. A line that has more
// octets that are no UTF-8 than characters of several octets that are is
// windows-1252, and otherwise UTF-8 with a few windows-1252 characters between.
// A last character that lacks its end says that the line was cut by its writer.
func appendMended(dst, line []byte) []byte {
	good, bad, tail := 0, 0, 0
	for i := 0; i < len(line); {
		if line[i] < utf8.RuneSelf {
			i++
			continue
		}
		rest := line[i:]
		_, n := utf8.DecodeRune(rest)
		if n == 1 {
			if !utf8.FullRune(rest) && (len(rest) > 1 || (good > 0 && bad == 0)) {
				tail = len(rest)
				break
			}
			bad++
		} else {
			good++
		}
		i += n
	}
	if bad > 0 && bad >= good {
		tail = 0 // it is windows-1252 that looks like it
	}
	body := line[:len(line)-tail]
	for i := 0; i < len(body); {
		from := i
		for i < len(body) && body[i] < utf8.RuneSelf {
			i++
		}
		dst = append(dst, body[from:i]...)
		if i == len(body) {
			break
		}
		r, n := utf8.DecodeRune(body[i:])
		if n == 1 || bad > good {
			r, n = charmap.Windows1252.DecodeByte(body[i]), 1
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	if tail > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

// runesWithin is the largest length up to n at which b can be cut without cutting a
// character of UTF-8. In what is no UTF-8 it is n.
func runesWithin(b []byte, n int) int {
	if n >= len(b) {
		return len(b)
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(b[i]) {
			return i
		}
	}
	return n
}

// anyLonger reports whether a line is longer than n. It looks only at where
// lines end about every n octets.
func anyLonger(lines []byte, n int) bool {
	for len(lines) > n+1 {
		i := bytes.LastIndexByte(lines[:n+1], '\n')
		if i < 0 {
			return true
		}
		lines = lines[i+1:]
	}
	return false
}

// dropNUL takes NULs out, in place: a log that was truncated under its writer
// begins with as many as it was long.
func dropNUL(b []byte) []byte {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return b
	}
	w := i
	for i < len(b) {
		for i < len(b) && b[i] == 0 {
			i++
		}
		j := bytes.IndexByte(b[i:], 0)
		if j < 0 {
			j = len(b) - i
		}
		w += copy(b[w:], b[i:i+j])
		i += j
	}
	return b[:w]
}

// dropCR takes the '\r' before each '\n' out, in place.
func dropCR(b []byte) []byte {
	w, from := 0, 0
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\r')
		if i < 0 {
			break
		}
		at += i
		end := at + 1
		for end < len(b) && b[end] == '\r' {
			end++
		}
		if end < len(b) && b[end] == '\n' {
			if w == from {
				w = at
			} else {
				w += copy(b[w:], b[from:at])
			}
			from = end
		}
		at = end
	}
	if w == from {
		return b
	}
	w += copy(b[w:], b[from:])
	return b[:w]
}

func buffer(size int) *[]byte {
	if size == chunkSize {
		return buffers.Get().(*[]byte)
	}
	b := make([]byte, size)
	return &b
}

func giveBack(b *[]byte) {
	if len(*b) == chunkSize {
		buffers.Put(b)
	}
}
