//go:build linux

package main

import (
	"io"
	"net"
	"sync"
)

// A wire carries connections to a database and counts what goes over them: the
// one way to know from outside how often a program waits for its database.
type wire struct {
	listener net.Listener
	to       string
	open     sync.WaitGroup

	mu sync.Mutex
	// mu guards the fields below.
	trips, sent, received int64
	connections           []net.Conn
	closed                bool
}

// newWire listens on a port of its own and carries to an address.
func newWire(to string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: l, to: to}
	w.open.Go(w.accept)
	return w, nil
}

func (w *wire) address() string { return w.listener.Addr().String() }

// counts are those of all connections so far: octets to and from the database,
// and round trips. A round trip begins with what is sent after something was
// received, however many messages it holds.
func (w *wire) counts() (trips, sent, received int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trips, w.sent, w.received
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			near.Close()
			continue
		}
		if !w.keep(near, far) {
			near.Close()
			far.Close()
			return
		}
		heard := true // nothing was sent since the database spoke last
		w.open.Go(func() {
			w.carry(far, near, func(n int) {
				w.sent += int64(n)
				if heard {
					heard = false
					w.trips++
				}
			})
		})
		w.open.Go(func() {
			w.carry(near, far, func(n int) {
				w.received += int64(n)
				heard = true
			})
		})
	}
}

// keep notes connections, unless the wire is closed.
func (w *wire) keep(c ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connections = append(w.connections, c...)
	return !w.closed
}

// carry copies and tells count, with mu held, of each piece before it goes on.
func (w *wire) carry(to io.WriteCloser, from io.ReadCloser, count func(n int)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.mu.Lock()
			count(n)
			w.mu.Unlock()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// close ends all connections.
func (w *wire) close() {
	w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for _, c := range w.connections {
		c.Close()
	}
	w.mu.Unlock()
	w.open.Wait()
}
