package httpd

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A body that never comes holds the connection for a minute, and is told so.
func TestBodyThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := &pipeListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conn <- far
		told := make(chan error, 1)
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &call{Request: r, w: w, route: &route{body: 1 << 10}}
			var v struct{ Name string }
			told <- c.decode(&v)
		})}
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		begun := time.Now()
		go io.WriteString(near, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{")
		go io.Copy(io.Discard, near)
		if err := <-told; err == nil || !strings.Contains(err.Error(), "broke off") || time.Since(begun) != bodyTimeout {
			t.Errorf("decode = %v after %v; want that it broke off after %v", err, time.Since(begun), bodyTimeout)
		}
		near.Close()
		s.Close()
		<-served
	})
}

// A pipeListener accepts one connection, and then waits until it is closed.
type pipeListener struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
