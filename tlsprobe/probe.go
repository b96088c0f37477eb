package tlsprobe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// An End is how a probe ended.
type End uint8

// The ends of a probe.
const (
	Answered End = iota + 1 // with a ServerHello
	Alerted                 // with an alert and no ServerHello
	Reset                   // the connection was reset (RST) without a word
	Closed                  // the connection was closed (FIN) without a word
	TimedOut                // nothing came in the time given
	NotTLS                  // something came that is not TLS
	Garbled                 // TLS came that breaks the protocol
	Refused                 // there was no connection: nothing listens there
)

// String is a clause for people that can follow "the server".
func (e End) String() string {
	switch e {
	case Answered:
		return "answered"
	case Alerted:
		return "sent an alert"
	case Reset:
		return "reset the connection"
	case Closed:
		return "closed the connection"
	case TimedOut:
		return "did not answer in time"
	case NotTLS:
		return "does not speak TLS"
	case Garbled:
		return "answered what breaks the protocol"
	case Refused:
		return "refused the connection"
	}
	return fmt.Sprintf("End(%d)", uint8(e))
}

// An Answer is what a server made of one hello.
type Answer struct {
	Hello *ServerHello // set if Answered
	// Certificates are the chain in DER, the server's own first. TLS 1.3
	// encrypts it, so it is empty then.
	Certificates [][]byte
	Alert        *Alert // the last one, nil if there was none; may be a warning before a ServerHello
	End          End
	// Then is what followed the alert at once, or ended a ServerHello's messages
	// too early: Reset, Closed, or 0 if the server left the connection open.
	Then  End
	After time.Duration // from the hello until the first octet of the answer, or its end
	Looks string        // if NotTLS, one of the Looks constants; if Garbled, what is wrong
}

// Accepted reports whether the server has chosen a version and a suite; a
// HelloRetryRequest counts, as it chooses both.
func (a *Answer) Accepted() bool { return a.End == Answered && a.Hello != nil }

// String says in a sentence for people, without a full stop, what came.
func (a *Answer) String() string {
	if a.Accepted() {
		if a.Hello.Version == SSL20 {
			return "the server answered with SSL 2.0"
		}
		return fmt.Sprintf("the server answered with %s and %s", a.Hello.Version, SuiteName(a.Hello.Suite))
	}
	s := "the server " + a.End.String()
	switch {
	case a.End == Alerted && a.Alert != nil:
		s += " (" + a.Alert.String() + ")"
	case a.End == NotTLS:
		s += ", it looks like " + a.Looks
	case a.End == Garbled:
		s += ": " + a.Looks
	}
	if a.Then == Reset {
		s += " and reset the connection"
	}
	return s
}

const (
	// lingers is how long we watch what a server does after its alert: whether
	// it resets the connection is a fact that people see in their logs.
	lingers = 250 * time.Millisecond
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 256 << 10
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// Probe makes one connection with dial, sends one hello of the offer o and
// reads what comes, up to the certificates; then it closes the connection. It
// waits for at most wait after it has connected; less if ctx ends before.
//
// That nothing listens is an Answer too. The error says that the probe could
// not be made: the connection could not be opened for another reason, ctx
// ended, or the offer cannot be encoded.
func Probe(ctx context.Context, dial Dialer, o Offer, wait time.Duration) (Answer, error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	hello := o.Marshal(random)
	if hello == nil {
		return Answer{}, errors.New("tlsprobe: probe: the offer does not fit a ClientHello")
	}
	conn, err := dial(ctx)
	if err != nil {
		if ctx.Err() == nil && isErrno(err, syscall.ECONNREFUSED, 10061) {
			return Answer{End: Refused}, nil
		}
		return Answer{}, fmt.Errorf("tlsprobe: probe: connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	timer := time.AfterFunc(wait, func() { _ = conn.SetDeadline(past) })
	defer timer.Stop()

	r := reading{conn: conn, sent: time.Now()}
	// A server may answer and close before it has read all of the hello, so a
	// failure to write is no answer yet; what can be read is.
	_, writeErr := conn.Write(hello)
	r.untilDecided()
	if ctx.Err() != nil {
		return Answer{}, fmt.Errorf("tlsprobe: probe: %w", ctx.Err())
	}
	if r.answer.End == 0 {
		if r.err == nil || errors.Is(r.err, io.EOF) {
			r.err = writeErr
		}
		return Answer{}, fmt.Errorf("tlsprobe: probe: read the answer: %w", r.err)
	}
	if r.err == nil && r.answer.End == Alerted {
		r.linger()
	}
	return r.answer, nil
}

// reading is a probe after its hello.
type reading struct {
	conn   net.Conn
	sent   time.Time
	stream Stream
	answer Answer
	err    error // that ended the reading
	total  int
}

// untilDecided reads until the answer is complete or nothing more comes.
func (r *reading) untilDecided() {
	buf := make([]byte, 8<<10)
	for r.err == nil && r.total < maxAnswer {
		n, err := r.conn.Read(buf)
		if r.answer.After == 0 {
			r.answer.After = time.Since(r.sent)
		}
		r.total += n
		r.err = err
		r.stream.Add(buf[:n])
		if err != nil {
			r.stream.Finish()
		}
		for {
			e, ok := r.stream.Next()
			if !ok {
				break
			}
			if r.take(e) {
				return
			}
		}
	}
	r.ended()
}

// take takes an event into the answer and reports whether it completes it.
func (r *reading) take(e Event) bool {
	a := &r.answer
	switch e.Kind {
	case KindServerHello:
		a.Hello, a.End = e.Server, Answered
		return e.Server.Version >= TLS13 || e.Server.Retry
	case KindCertificates:
		a.Certificates = e.Certificates
		return true
	case KindAlert:
		if e.Encrypted {
			return a.Hello != nil
		}
		a.Alert = &e.Alert
		if a.End == 0 && (e.Alert.Fatal() || e.Alert.Description == AlertCloseNotify) {
			a.End = Alerted
		}
		return e.Alert.Fatal()
	case KindServerHelloDone, KindMessage, KindChangeCipherSpec, KindEncrypted:
		// After the ServerHello these come only if there is no certificate.
		return a.Hello != nil
	case KindPlain:
		a.End, a.Looks = NotTLS, e.Looks
		return true
	case KindBroken:
		if a.End == 0 {
			a.End, a.Looks = Garbled, e.Why
		}
		return true
	case KindClientHello:
		a.End, a.Looks = Garbled, "it sent a ClientHello itself"
		return true
	}
	return false
}

// ended decides what it means that nothing more comes.
func (r *reading) ended() {
	end := endOf(r.err)
	switch {
	case r.answer.End != 0:
		r.answer.Then = end
		if end == TimedOut {
			r.answer.Then = 0
		}
	case r.answer.Alert != nil && end != 0:
		r.answer.End = Alerted // a warning, and then nothing
		if end != TimedOut {
			r.answer.Then = end
		}
	case r.err == nil:
		r.answer.End, r.answer.Looks = Garbled, "it sends on and on without a word of the handshake"
	default:
		r.answer.End = end
	}
}

// endOf is what an error of Read means, 0 if it means nothing of the server.
func endOf(err error) End {
	switch {
	case errors.Is(err, io.EOF):
		return Closed
	case isErrno(err, syscall.ECONNRESET, 10054), isErrno(err, syscall.EPIPE, 10053):
		return Reset
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut
	}
	return 0
}

// isErrno also knows the number that Windows gives in place of the POSIX one.
func isErrno(err error, posix syscall.Errno, winsock uintptr) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == posix || runtime.GOOS == "windows" && uintptr(errno) == winsock)
}

// linger watches for a moment what the server does after its answer.
func (r *reading) linger() {
	timer := time.AfterFunc(lingers, func() { _ = r.conn.SetReadDeadline(past) })
	defer timer.Stop()
	rest := make([]byte, 1<<10)
	for r.total < maxAnswer {
		n, err := r.conn.Read(rest)
		r.total += n
		if err != nil {
			if end := endOf(err); end != TimedOut {
				r.answer.Then = end
			}
			return
		}
	}
}
