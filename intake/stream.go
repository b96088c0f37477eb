package intake

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"
)

// openStream opens a named pipe or a device. Opening a pipe waits for somebody
// who writes to it; when ctx ends, that is we, if we may.
func openStream(ctx context.Context, path string) (*os.File, error) {
	opened, done := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// To read and write, a pipe is opened without waiting (fifo(7)), and it stays
		// open in case we are only about to open it below.
		if w, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			<-opened
			_ = w.Close() // nothing was written
		}
	})
	f, err := os.Open(path)
	close(opened)
	if !stop() {
		<-done
	}
	return f, err
}

// interruptible returns a reader of r whose Read fails when ctx ends, even while
// r's is waiting. stop must be called when no more is read.
func interruptible(ctx context.Context, r io.Reader) (_ io.Reader, stop func()) {
	if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Time{}) == nil {
		done := make(chan struct{})
		cancel := context.AfterFunc(ctx, func() {
			defer close(done)
			_ = d.SetReadDeadline(time.Unix(1, 0)) // it could be set before
		})
		return &deadlined{ctx, r}, func() {
			if !cancel() {
				<-done
			}
		}
	}
	p := &pump{
		ctx: ctx, empty: make(chan []byte, 2), full: make(chan block, 2),
		done: make(chan struct{}),
	}
	for range 2 {
		p.empty <- make([]byte, 64<<10)
	}
	go p.run(r)
	return p, func() { close(p.done) }
}

// deadlined says that ctx ended rather than that a deadline is over.
type deadlined struct {
	ctx context.Context
	r   io.Reader
}

func (d *deadlined) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if e := d.ctx.Err(); err != nil && e != nil {
		err = e
	}
	return n, err
}

// A pump reads from a reader that cannot be interrupted, such as a terminal. Its
// goroutine ends with the reader's end, or at its first Read to return after
// stop: nothing can end a Read that waits.
type pump struct {
	ctx   context.Context
	empty chan []byte
	full  chan block
	done  chan struct{}

	// Owned by Read.
	now  block
	rest []byte
}

// A block is what one Read returned.
type block struct {
	b   []byte
	n   int
	err error
}

func (p *pump) run(r io.Reader) {
	for {
		select {
		case b := <-p.empty:
			n, err := r.Read(b)
			p.full <- block{b, n, err} // there is room for every block
			if err != nil {
				return
			}
		case <-p.done:
			return
		}
	}
}

func (p *pump) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.b != nil {
			p.empty <- p.now.b // there is room for every block
			p.now.b = nil
		}
		select {
		case p.now = <-p.full:
			p.rest = p.now.b[:p.now.n]
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
