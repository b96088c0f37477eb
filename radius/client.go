package radius

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// NewRequest makes a request with a random Identifier and Request
// Authenticator. Make a new one for every exchange: an authenticator that was
// used before lets answers and passwords of one be read or replayed in the
// other (RFC 2865, Section 3).
func NewRequest(code Code) *Packet {
	p := &Packet{Code: code}
	var b [17]byte
	rand.Read(b[:]) // never fails; without randomness the process ends
	p.Identifier = b[0]
	copy(p.Authenticator[:], b[1:])
	return p
}

// AddPassword adds the User-Password, hidden with the secret it will be sent
// under. It fails if password is longer than 128 octets.
func (p *Packet) AddPassword(s Secret, password []byte) error {
	value, err := s.HidePassword(nil, password, p.Authenticator)
	if err != nil {
		return err
	}
	p.Add(UserPassword, value)
	return nil
}

// A Retransmission says when a request is sent again (RFC 5080, Section
// 2.2.1). The zero value is the RFC's: first after 2 s, doubling up to 16 s,
// five sendings, 30 s in all.
type Retransmission struct {
	Initial  time.Duration // before the second sending, 0 for 2 s
	Longest  time.Duration // between two sendings, 0 for 16 s
	Sendings int           // at most, 0 for 5
	Total    time.Duration // until giving up, 0 for 30 s
}

// jitter is how much each wait differs at random, so that the clients of a
// server that was away do not come back in step.
const jitter = 0.1

// next returns how long to wait after a wait of previous, 0 for the first.
// random is from 0 up to 1.
func (r Retransmission) next(previous time.Duration, random float64) time.Duration {
	swing := (2*random - 1) * jitter
	initial, longest := orDefault(r.Initial, 2*time.Second), orDefault(r.Longest, 16*time.Second)
	wait := float64(initial) * (1 + swing)
	if previous > 0 {
		wait = float64(previous) * (2 + swing)
	}
	if wait > float64(longest) {
		wait = float64(longest) * (1 + swing)
	}
	return time.Duration(wait)
}

// ErrNoReply is what a [NoReplyError] is to errors.Is.
var ErrNoReply = errors.New("radius: no valid reply")

// A NoReplyError says that no valid reply came in time, and what came instead.
type NoReplyError struct {
	Server   netip.AddrPort
	Sendings int
	Waited   time.Duration
	// Forged counts replies with the right identifier and a wrong signature:
	// almost always the shared secrets differ.
	Forged int
	// Unsigned counts replies whose Response Authenticator is right but which
	// carry no Message-Authenticator: the server is too old to be safe from
	// CVE-2024-3596, or somebody forges.
	Unsigned int
	// Other counts datagrams that were no reply to this request.
	Other int
	// Unreachable is set if the server's host said that nobody listens there.
	Unreachable bool
	// Cause is the context's error if that ended the exchange, else nil.
	Cause error
}

// Error says it in one sentence.
func (e *NoReplyError) Error() string {
	why := "nothing came back"
	switch {
	case e.Forged > 0:
		why = "replies came with a wrong signature; the shared secret probably differs"
	case e.Unsigned > 0:
		why = "replies came without Message-Authenticator"
	case e.Unreachable:
		why = "nobody listens there"
	case e.Other > 0:
		why = "what came back was no reply to it"
	}
	s := fmt.Sprintf("radius: exchange with %v: sent %d times in %v: %s", e.Server, e.Sendings, e.Waited.Round(time.Millisecond), why)
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is reports whether target is [ErrNoReply].
func (e *NoReplyError) Is(target error) bool { return target == ErrNoReply }

// Unwrap returns the Cause.
func (e *NoReplyError) Unwrap() error { return e.Cause }

// An Asker is the client side: it sends requests to RADIUS servers. The zero
// Asker is ready and safe. It may be used concurrently.
type Asker struct {
	Retransmission Retransmission
	// AllowUnsigned takes replies that have a right Response Authenticator and
	// no Message-Authenticator. Whoever sits between can forge those
	// (CVE-2024-3596); it is for servers that cannot be mended.
	AllowUnsigned bool
}

// Exchange signs request, an Access-Request or Status-Server, sends it to the
// server, again and again as the retransmission says with the same octets, and
// returns the first reply that is signed with the secret. Replies that are not
// are counted and ignored: anybody can send them. Each exchange has a source
// port of its own, picked by the kernel.
//
// If no valid reply comes, the error is a [*NoReplyError]; it wraps the
// context's error if that was the reason. A reply is an Access-Accept,
// Access-Reject or Access-Challenge; to a Status-Server also the answer of an
// accounting port.
func (a *Asker) Exchange(ctx context.Context, server netip.AddrPort, secret Secret, request *Packet) (*Packet, error) {
	if secret.IsZero() {
		return nil, fmt.Errorf("radius: exchange with %v: %w", server, errNoSecret)
	}
	octets, err := secret.SignRequest(nil, request)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, fmt.Errorf("radius: exchange with %v: %w", server, err)
	}
	defer conn.Close()
	// The end of ctx ends a read that is waiting.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	started := time.Now()
	giveUp := started.Add(orDefault(a.Retransmission.Total, 30*time.Second))
	most := orDefault(a.Retransmission.Sendings, 5)
	failure := &NoReplyError{Server: server}
	buffer := make([]byte, MaxPacketSize+1)
	var wait time.Duration
	for ctx.Err() == nil && failure.Sendings < most && time.Now().Before(giveUp) {
		if _, err := conn.Write(octets); err != nil {
			// The kernel hands over here that an earlier sending found nobody.
			if !errors.Is(err, syscall.ECONNREFUSED) {
				return nil, fmt.Errorf("radius: exchange with %v: %w", server, err)
			}
			failure.Unreachable = true
		}
		failure.Sendings++
		wait = a.Retransmission.next(wait, mathrand.Float64())
		until := time.Now().Add(wait)
		if until.After(giveUp) {
			until = giveUp
		}
		reply, err := a.await(ctx, conn, until, secret, request, buffer, failure)
		if reply != nil {
			return reply, nil
		}
		if err != nil {
			return nil, fmt.Errorf("radius: exchange with %v: %w", server, err)
		}
	}
	failure.Waited = time.Since(started)
	failure.Cause = ctx.Err()
	return nil, failure
}

// await reads until a valid reply comes or the time is over, which is no error.
func (a *Asker) await(ctx context.Context, conn *net.UDPConn, until time.Time, secret Secret, request *Packet, buffer []byte, seen *NoReplyError) (*Packet, error) {
	if err := conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	for {
		// Asked after the deadline is set: if ctx ends from here on, the
		// deadline is moved into the past and the read returns.
		if ctx.Err() != nil {
			return nil, nil
		}
		n, err := conn.Read(buffer)
		var timeout net.Error
		switch {
		case err == nil:
			if reply := a.judge(buffer[:n], secret, request, seen); reply != nil {
				return reply, nil
			}
		case errors.As(err, &timeout) && timeout.Timeout():
			return nil, nil
		case errors.Is(err, syscall.ECONNREFUSED):
			// It may come up yet: keep to the schedule.
			seen.Unreachable = true
		default:
			return nil, err
		}
	}
}

// judge returns the reply in datagram if it is one, and counts it if not.
func (a *Asker) judge(datagram []byte, secret Secret, request *Packet, seen *NoReplyError) *Packet {
	p, err := Parse(append([]byte(nil), datagram...))
	if err != nil || p.Identifier != request.Identifier {
		seen.Other++
		return nil
	}
	switch p.Code {
	case AccessAccept, AccessReject, AccessChallenge:
	case AccountingResponse:
		if request.Code != StatusServer {
			seen.Other++
			return nil
		}
	default:
		seen.Other++
		return nil
	}
	switch {
	case !secret.VerifyResponse(p, request.Authenticator):
		seen.Forged++
		return nil
	case !p.HasMessageAuthenticator() && !a.AllowUnsigned:
		seen.Unsigned++
		return nil
	}
	return p
}
