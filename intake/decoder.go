package intake

import (
	"bytes"
	"context"
	"io"
)

// A Decoder reads lines out of a file that is no text.
type Decoder struct {
	Name  string // the Encoding of files read by it
	Magic string // how such files begin
	// Open reads from r, which has size octets. next returns the lines one by
	// one, without a line end, valid only until the next call; number is the
	// line's. It returns io.EOF after the last one.
	Open func(r io.ReaderAt, size int64) (next func() (line []byte, number int, err error), err error)
}

// decoded gives the lines that a decoder reads out of c.
func (w *walker) decoded(c *content, d *Decoder) error {
	read, err := d.Open(c.at, c.size)
	if err != nil {
		return w.fail(c.name, err)
	}
	l := &lines{ctx: w.ctx, read: read, max: w.o.MaxLine}
	return w.give(&File{Name: c.name, Size: c.size, Encoding: d.Name, ModTime: c.mod, next: l.next})
}

// lines makes chunks of lines that come one by one.
type lines struct {
	ctx  context.Context
	read func() (line []byte, number int, err error)
	max  int

	line   []byte // read, but in no chunk yet, if held
	number int
	held   bool
	err    error
}

// next is File.Next. The lines of a chunk have numbers without a gap.
func (l *lines) next() (Chunk, error) {
	var c Chunk
	for count := 0; ; count++ {
		if !l.held && l.err == nil {
			if l.err = l.ctx.Err(); l.err == nil {
				l.line, l.number, l.err = l.read()
				l.held = l.err == nil
			}
		}
		if !l.held && count == 0 {
			return Chunk{}, l.err
		}
		if !l.held || (count > 0 && (l.number != c.First+count || len(c.Text)+min(len(l.line), l.max) >= chunkSize)) {
			return c, nil
		}
		if count == 0 {
			c.First = l.number
		}
		l.held = false
		c.add(l.line, l.max)
	}
}

// add adds one line.
func (c *Chunk) add(line []byte, longest int) {
	from := len(c.Text)
	if len(line) > longest {
		line = line[:runesWithin(line, longest)]
		c.Cut++
	}
	c.Text = append(c.Text, bytes.ToValidUTF8(line, []byte("?"))...)
	for i, b := range c.Text[from:] {
		if b == '\n' || b == '\r' || b == 0 {
			c.Text[from+i] = ' '
		}
	}
	c.Text = append(c.Text, '\n')
}
