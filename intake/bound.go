package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// free is how much an archive may unpack to whatever its ratio: a small archive
// of repetitive logs has a large one.
const free = 64 << 20

// What is held in memory because it needs random access and is no file: each
// such thing, and all that are held at once because they lie in each other.
const (
	maxHeld    = 64 << 20
	maxHeldAll = 128 << 20
)

// ErrNotText is what Next returns, wrapped, for a file that is no fault of the
// person's to have in a folder: an image, a program, a device.
var ErrNotText = errors.New("is not text")

// A boundError says that reading on would take more than it is worth.
type boundError struct{ text string }

func (e *boundError) Error() string { return e.text }

// A budget bounds what an archive unpacks to by what it holds.
type budget struct {
	up    *budget      // of what the archive lies in
	in    func() int64 // octets of the archive, so far or in all
	ratio int64
	free  int64 // what may come out whatever the ratio
	// plain says that it is no compression, so that what comes out of it has been
	// counted already by up, apart from what is more than went in.
	plain bool

	out, told int64
	burst     *boundError // why nothing more is read, once that is so
}

// add counts n octets that came out of the archive, and out of all it lies in.
func (b *budget) add(n int64) error {
	for ; b != nil; b = b.up {
		b.out += n
		in := max(b.in(), 1)
		if b.burst == nil && b.out > b.free && b.out/in >= b.ratio {
			b.burst = &boundError{fmt.Sprintf(
				"unpacks to more than %d times its size (%s out of %s so far): it may be made to exhaust whoever reads it; "+
					"if you trust it, unpack it and name what comes out", b.ratio, octets(b.out), octets(in))}
		}
		if b.burst != nil {
			return b.burst
		}
		if b.plain {
			n = max(0, b.out-in-b.told)
			b.told += n
		}
	}
	return nil
}

func octets(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}

// A source reads from r, and counts. Its error stays.
type source struct {
	ctx    context.Context
	r      io.Reader
	kind   string      // what r unpacks, for errors; "" if it unpacks nothing
	budget *budget     // that counts what is read; may be nil
	told   func(int64) // how many octets were read; may be nil
	taken  int64
	err    error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.taken += int64(n)
	if s.told != nil {
		s.told(int64(n))
	}
	s.err = err
	if err != nil && err != io.EOF && s.ctx.Err() == nil {
		if s.kind == "" {
			s.err = cannot("be read to its end", err)
		} else {
			s.err = damaged(s.kind, err)
		}
	}
	if e := s.budget.add(int64(n)); e != nil {
		s.err = e
	}
	return n, s.err
}

// sourceAt is a source with random access, for a file that was named.
type sourceAt struct {
	ctx  context.Context
	r    io.ReaderAt
	told func(int64)
}

func (s *sourceAt) ReadAt(p []byte, at int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.ReadAt(p, at)
	s.told(int64(n))
	return n, err
}

// A damageError says that what an archive holds cannot be made out.
type damageError struct {
	text string
	err  error
}

func (e *damageError) Error() string { return e.text }
func (e *damageError) Unwrap() error { return e.err }

// damaged is the error of reading something of a kind, in words.
func damaged(kind string, err error) error {
	var bound *boundError
	var damage *damageError
	switch {
	case errors.As(err, &bound):
		return bound
	case errors.As(err, &damage):
		return damage
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &damageError{"is cut short: its " + kind + " data end too early; what came before was read, for the rest copy it again", err}
	}
	return &damageError{fmt.Sprintf("is damaged: its %s data cannot be read (%v); copy it again", kind, err), err}
}

// A spool is content held in memory for random access.
type spool struct {
	blocks [][]byte
	size   int64
}

const spoolBlock = 256 << 10

// fill reads all of r, but no more than limit octets; ok is false if r has more.
func (s *spool) fill(r io.Reader, limit int64) (ok bool, err error) {
	for {
		b := make([]byte, spoolBlock)
		n, err := io.ReadFull(r, b)
		if s.size += int64(n); s.size > limit {
			return false, nil
		}
		s.blocks = append(s.blocks, b)
		switch {
		case errors.Is(err, io.EOF), err == io.ErrUnexpectedEOF:
			return true, nil
		case err != nil:
			return false, err
		}
	}
}

func (s *spool) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) && at < s.size {
		from := s.blocks[at/spoolBlock][at%spoolBlock : min(spoolBlock, s.size-at/spoolBlock*spoolBlock)]
		m := copy(p[n:], from)
		n += m
		at += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
