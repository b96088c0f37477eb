package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// A wire stands between a Postgres and its server, where a network would. It
// counts what goes over it, and fails statements in a way that the server itself
// refuses: it spoils the message that asks for them.
type wire struct {
	left  atomic.Int64 // writes until the one that fails; 0 for none
	fired atomic.Bool

	trips, sent, received atomic.Int64 // of connections that commit
	cut                   atomic.Bool  // whether connections break when COMMIT is under way
}

func (w *wire) failWrite(n int) (fired func() bool) {
	w.fired.Store(false)
	w.left.Store(int64(n))
	return w.fired.Load
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, wire: w, statements: make(map[string]string)}, nil
}

// A wireConn is one connection.
type wireConn struct {
	net.Conn
	wire *wire

	mu         sync.Mutex
	begun      bool
	commits    bool // it is the committer's
	counts     bool // its writes are counted: the committer's, or that of changes
	pending    []byte
	statements map[string]string // texts by the names of what was prepared
	reading    atomic.Bool
	dead       atomic.Bool // cut at the next read
}

func (c *wireConn) Read(b []byte) (int, error) {
	if c.dead.Load() {
		c.Close()
	}
	n, err := c.Conn.Read(b)
	if c.commits {
		c.wire.received.Add(int64(n))
		c.reading.Store(true)
	}
	return n, err
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commits {
		c.wire.sent.Add(int64(len(b)))
		if c.reading.Swap(false) {
			c.wire.trips.Add(1)
		}
	}
	c.pending = append(c.pending, b...)
	out := c.messages()
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// messages takes the whole messages out of pending, spoiled where they shall be
// (PostgreSQL's frontend protocol 3: a letter, a length that counts itself, and
// the body; the first message has no letter).
func (c *wireConn) messages() []byte {
	var out []byte
	for {
		start := 0
		if c.begun {
			start = 1
		}
		if len(c.pending) < start+4 {
			return out
		}
		end := start + int(binary.BigEndian.Uint32(c.pending[start:]))
		if len(c.pending) < end {
			return out
		}
		message := bytes.Clone(c.pending[:end])
		c.pending = c.pending[end:]
		if !c.begun {
			c.begun = true
			c.commits = bytes.Contains(message, []byte(" commit\x00"))
			c.counts = c.commits || bytes.Contains(message, []byte(" change\x00"))
		} else {
			c.spoil(message[0], message[5:])
		}
		out = append(out, message...)
	}
}

func (c *wireConn) spoil(kind byte, body []byte) {
	word := func(b []byte) (string, []byte) {
		s, rest, _ := bytes.Cut(b, []byte{0})
		return string(s), rest
	}
	switch kind {
	case 'P': // Parse: name, text
		name, rest := word(body)
		text, _ := word(rest)
		c.statements[name] = text
	case 'B': // Bind: portal, name of the statement
		portal, rest := word(body)
		name, _ := word(rest)
		if c.strikes(c.statements[name]) {
			body[len(portal)+1] = '!' // names no statement
		}
	case 'Q': // Query: text
		text, _ := word(body)
		if c.strikes(text) {
			body[0] = '!'
		}
	}
}

// strikes reports whether a statement is the one that fails.
func (c *wireConn) strikes(text string) bool {
	first, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(text)), " ")
	switch first {
	case "INSERT", "UPDATE", "DELETE", "COMMIT":
	default:
		return false
	}
	if !c.counts {
		return false
	}
	if first == "COMMIT" && c.commits && c.wire.cut.Load() {
		c.dead.Store(true)
	}
	if c.wire.left.Load() == 0 || c.wire.left.Add(-1) != 0 {
		return false
	}
	c.wire.fired.Store(true)
	return true
}
