package audit

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/auth"
)

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	// settleTime is how long a receiver's system has to acknowledge a batch, or
	// where that cannot be asked, how long a connection must stay open after it.
	settleTime = 10 * time.Second
	graceTime  = 200 * time.Millisecond
)

// A syslog receiver sends messages of RFC 5424.
//
// Over UDP (RFC 5426) a message is delivered when it is sent; nobody can know
// more. Over TCP with octet counting (RFC 6587, Section 3.4.1) and TLS (RFC
// 5425) there is no answer either. A batch counts as delivered when all of it
// was written, the other system has acknowledged every octet, where ours can
// tell, and the connection is alive. What the other program had not read when
// it died is lost to it all the same; so when a connection is found dead, what
// went over it in the last minute is sent again, up to 2 MiB.
type syslog struct {
	network string
	address string
	tls     func() (*tls.Config, error) // nil for none
	pid     int

	now func() time.Time

	conn *connection
	sent []sent // the newest that went over conn, or over the one that died
}

// A sent batch may have to be sent again.
type sent struct {
	at     time.Time
	octets []byte
}

const (
	unsureTime   = time.Minute
	unsureOctets = 2 << 20 // more than one batch
)

// prune forgets what a receiver will have read.
func (s *syslog) prune() {
	total, keep := 0, len(s.sent)
	for keep > 0 && s.now().Sub(s.sent[keep-1].at) <= unsureTime && total+len(s.sent[keep-1].octets) <= unsureOctets {
		keep--
		total += len(s.sent[keep].octets)
	}
	s.sent = slices.Delete(s.sent, 0, keep)
}

// unsure returns what a receiver may not have read when it died.
func (s *syslog) unsure() (b []byte) {
	s.prune()
	for _, x := range s.sent {
		b = append(b, x.octets...)
	}
	return b
}

// A connection watches for its end: a syslog receiver never says anything, so
// that whatever can be read is that.
type connection struct {
	net.Conn
	ended atomic.Pointer[error]
}

func watched(c net.Conn) *connection {
	w := &connection{Conn: c}
	go func() {
		b := make([]byte, 512)
		for {
			if _, err := c.Read(b); err != nil {
				w.ended.Store(&err)
				return
			}
		}
	}()
	return w
}

func (c *connection) alive() error {
	if err := c.ended.Load(); err != nil {
		return fmt.Errorf("the receiver does not listen, or has closed the connection: %w", *err)
	}
	return nil
}

func (s *syslog) brief() bool { return s.network == "udp" }

func (s *syslog) deliver(ctx context.Context, batch []record) error {
	if s.network == "udp" {
		return s.datagrams(ctx, batch)
	}
	if s.conn != nil && s.conn.alive() != nil {
		s.conn.Close()
		s.conn = nil
	}
	var again []byte
	if s.conn == nil {
		if err := s.dial(ctx); err != nil {
			return err
		}
		again = s.unsure()
	}
	var b []byte
	for i := range batch {
		m := s.message(&batch[i])
		b = strconv.AppendInt(b, int64(len(m)), 10)
		b = append(b, ' ')
		b = append(b, m...)
	}
	for _, part := range [][]byte{again, b} {
		if err := s.write(ctx, part); err != nil {
			s.conn.Close()
			s.conn = nil
			return err
		}
	}
	s.sent = append(s.sent, sent{s.now(), b})
	s.prune()
	return nil
}

// write sends octets and waits until they are there.
func (s *syslog) write(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	// A receiver that reads no more must not hold us; what was written of a
	// message then cannot be taken back, so that the connection ends.
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	conn := s.conn
	unwatch := context.AfterFunc(writing, func() { conn.Close() })
	_, err := conn.Write(b)
	if !unwatch() && err == nil {
		err = writing.Err()
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return s.settle(ctx)
}

// settle waits until the other system has acknowledged all that was written.
func (s *syslog) settle(ctx context.Context) error {
	raw := s.conn.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		if err := s.conn.alive(); err != nil {
			return err
		}
		n, known := unacknowledged(raw)
		switch {
		case known && n == 0, !known && waited >= graceTime:
			return nil
		case waited >= settleTime:
			return fmt.Errorf("%d octets were not acknowledged within %v", n, settleTime)
		}
		sleep(ctx, pause)
		if err := ctx.Err(); err != nil {
			return err
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func (s *syslog) dial(ctx context.Context) error {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	c, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if s.tls != nil {
		settings, err := s.tls()
		if err != nil {
			c.Close()
			return err
		}
		t := tls.Client(c, settings)
		hello, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := t.HandshakeContext(hello); err != nil {
			c.Close()
			return fmt.Errorf("connect: %w", err)
		}
		c = t
	}
	s.conn = watched(c)
	return nil
}

// datagrams sends a message a datagram. That nobody listens may come back as
// an error of a later one (ICMP), which counts for all of the batch.
func (s *syslog) datagrams(ctx context.Context, batch []record) error {
	if s.conn == nil {
		if err := s.dial(ctx); err != nil {
			return err
		}
	}
	err := s.send(ctx, batch)
	if err != nil {
		s.conn.Close()
		s.conn = nil
	}
	return err
}

func (s *syslog) send(ctx context.Context, batch []record) error {
	for i := range batch {
		if _, err := s.conn.Write(s.message(&batch[i])); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if (i+1)%datagramBurst == 0 || i == len(batch)-1 {
			// Not faster than a receiver's buffer empties, and time for the
			// ICMP message that says that there is none.
			sleep(ctx, datagramPause)
			if err := s.conn.alive(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// A receiver's buffer holds some 200 KiB: 100 short messages and more.
const (
	datagramBurst = 50
	datagramPause = 20 * time.Millisecond
)

func (s *syslog) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	s.sent = nil
}

// enterprise is the private enterprise number in our SD-ID. It is the one that
// RFC 5612 sets aside for examples: RFC 5424, Section 7.2.2 wants one's own,
// and there is none for this program.
const enterprise = "32473"

const (
	facility = 10 // security/authorization messages, RFC 5424, Section 6.2.1

	severityError   = 3
	severityWarning = 4
	severityNotice  = 5
	severityInfo    = 6
)

// message renders a record as a message of RFC 5424: what one searches by as
// structured data, and the whole signed record as MSG.
func (s *syslog) message(r *record) []byte {
	severity, at, node := severityInfo, r.anchor.Time, r.anchor.Node
	var data []byte
	param := func(name, value string) {
		if value != "" {
			data = append(data, ' ')
			data = append(data, name...)
			data = append(data, '=', '"')
			data = appendValue(data, value)
			data = append(data, '"')
		}
	}
	param("seq", strconv.FormatUint(r.seq, 10))
	if ev := r.event; ev != nil {
		severity, at, node = severityOf(ev), ev.Time, ev.Node
		param("verdict", ev.Verdict.String())
		param("code", strconv.Itoa(int(ev.Outcome)))
		param("outcome", ev.Outcome.String())
		param("account", ev.Account)
		param("application", ev.Application)
		param("client", ev.Client)
		if ev.Source.IsValid() {
			param("source", ev.Source.Addr().String())
		}
		param("from", ev.From)
		param("factor", ev.Factor)
		param("rule", ev.Rule)
		if ev.Count != 1 {
			param("count", strconv.Itoa(ev.Count))
		}
	} else {
		param("hash", fmt.Sprintf("%x", r.anchor.Hash))
	}
	b := fmt.Appendf(nil, "<%d>1 %s %s sallyport %d %s [sallyport@%s",
		facility*8+severity, at.UTC().Format("2006-01-02T15:04:05.000000Z"), hostname(node), s.pid, r.kind, enterprise)
	b = append(b, data...)
	b = append(b, "] "...)
	return append(b, r.line...)
}

func severityOf(ev *auth.Event) int {
	switch {
	case ev.Verdict == auth.Unavailable:
		return severityError
	case ev.Outcome.Meaning().AtFault, ev.Verdict == auth.Ignore:
		return severityWarning
	case ev.Verdict == auth.Reject:
		return severityNotice
	}
	return severityInfo
}

// hostname makes a node's name a HOSTNAME: 1 to 255 characters of printable
// ASCII, or "-" (RFC 5424, Section 6.2.4).
func hostname(node string) string {
	if node == "" || len(node) > 255 || strings.ContainsFunc(node, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "-"
	}
	return node
}

// appendValue appends a PARAM-VALUE: UTF-8 with three characters escaped (RFC
// 5424, Section 6.3.3). Control characters, which some receivers take for the
// end of a message, become U+FFFD; the record beside it has them.
func appendValue(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == ']':
			b = append(b, '\\', byte(r))
		case unicode.IsControl(r):
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r) // what is not UTF-8 comes as U+FFFD
		}
	}
	return b
}
