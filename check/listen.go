package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sallyport/diagnose"
	"sallyport/tlsprobe"
)

// ListenOptions bound what a listener takes. The zero ListenOptions are ready.
type ListenOptions struct {
	// Most is how many connections are open at once; others wait. Default 64.
	Most int
	// Wait is how long a client may take for its hello. Default 10 s.
	Wait time.Duration
	// Now is the clock; nil for the real one.
	Now func() time.Time
}

// An Arrival is a client that came to a listener. Text that came from it is
// without control characters.
type Arrival struct {
	From string    `json:"from"` // address and port
	Time time.Time `json:"time"`
	// Hello is what it offers, nil if it sent none.
	Hello *Hello `json:"hello,omitempty"`
	// Looks is what it speaks if it is not TLS: one of tlsprobe.Looks...
	Looks string `json:"looks_like,omitempty"`
	// Says is the matter in a sentence.
	Says     string             `json:"says"`
	Findings []diagnose.Finding `json:"findings"`
}

const (
	// maxArrival bounds what is read of one client: more than the largest hello
	// that servers take.
	maxArrival = 64 << 10
	// farewell is how long we wait for a client to read our alert; when we close
	// before it has, some systems lose it.
	farewell = time.Second
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// Listen accepts connections on l until ctx ends, reads one ClientHello of each,
// and tells each what came, one at a time. The client is answered with the alert
// handshake_failure: no handshake is ever completed, so that no certificate is
// needed and nothing secret can come.
//
// Listen closes l, and returns when all connections have ended: nil if ctx ended
// it, else why l accepts no more.
func Listen(ctx context.Context, l net.Listener, o ListenOptions, each func(Arrival)) error {
	if o.Most <= 0 {
		o.Most = 64
	}
	if o.Wait <= 0 {
		o.Wait = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()

	var telling sync.Mutex
	free := make(chan struct{}, o.Most)
	failures := 0
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			_ = l.Close()
			return nil
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case err != nil:
			<-free
			// A client that is gone before it was accepted, or a process that has too
			// many files open for a moment, is no reason to end.
			if failures++; errors.Is(err, net.ErrClosed) || failures > 100 {
				_ = l.Close()
				return fmt.Errorf("check: listen: %w", err)
			}
			pause(ctx, 10*time.Millisecond)
			continue
		}
		failures = 0
		clients.Go(func() {
			defer func() { <-free }()
			a := receive(ctx, conn, o)
			if ctx.Err() != nil && a.Hello == nil && a.Looks == "" {
				return // it was us who ended it
			}
			telling.Lock()
			defer telling.Unlock()
			each(a)
		})
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// receive reads a hello, answers it, and closes.
func receive(ctx context.Context, conn net.Conn, o ListenOptions) Arrival {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	timer := time.AfterFunc(o.Wait, func() { _ = conn.SetDeadline(past) })
	defer timer.Stop()

	a := Arrival{From: conn.RemoteAddr().String(), Time: o.Now().UTC(), Findings: []diagnose.Finding{}}
	e, err := firstWord(conn)
	switch e.Kind {
	case tlsprobe.KindClientHello:
		a.Hello = describeHello(e.Client)
		a.Says, a.Findings = judgeHello(e.Client, a.From)
		if answer(conn, e.Client) {
			goodbye(conn, timer)
		}
	case tlsprobe.KindPlain:
		a.Looks = e.Looks
		a.Says = "It does not begin with TLS; it looks like " + e.Looks + "."
		if e.Looks == tlsprobe.LooksRDP {
			a.Says += " Remote Desktop begins with a message of its own, and goes on to TLS when that is answered."
		}
	case tlsprobe.KindAlert:
		a.Says = "It sent the alert " + e.Alert.Name() + " instead of a hello."
	case tlsprobe.KindBroken:
		a.Says = "What it sent breaks TLS: " + e.Why + "."
	default:
		a.Says = silence(err, e)
	}
	return a
}

// firstWord reads until it is known what a client says first. Kind is 0 if it
// said nothing that means anything; the error says then how it ended.
func firstWord(conn net.Conn) (tlsprobe.Event, error) {
	var s tlsprobe.Stream
	buf := make([]byte, 4<<10)
	for total := 0; total < maxArrival; {
		n, err := conn.Read(buf)
		total += n
		s.Add(buf[:n])
		if err != nil {
			s.Finish()
		}
		for {
			e, ok := s.Next()
			if !ok {
				break
			}
			// A load balancer may say for whom it comes before the client's own
			// octets.
			if e.Kind == tlsprobe.KindPlain && e.Looks == tlsprobe.LooksPROXY && err == nil {
				continue
			}
			return e, err
		}
		if err != nil {
			return tlsprobe.Event{}, err
		}
	}
	return tlsprobe.Event{}, nil
}

// silence says how a client ended that said nothing.
func silence(err error, e tlsprobe.Event) string {
	var timeout net.Error
	switch {
	case e.Kind != 0:
		return "It began with a message of TLS that is no hello."
	case err == nil:
		return "It sent much, and no hello in it."
	case errors.Is(err, io.EOF):
		return "It connected and closed the connection without a word, as health checks and port scans do."
	case errors.As(err, &timeout) && timeout.Timeout():
		return "It connected and said nothing. It may wait for the server to speak first, as mail and databases do."
	}
	return "It connected and reset the connection without a word."
}

// answer sends the alert handshake_failure, in the newest version that the
// client may know. It reports whether it could; a client of SSL 2.0 alone knows
// no alerts.
func answer(conn net.Conn, h *tlsprobe.ClientHello) bool {
	version := min(max(h.Legacy, tlsprobe.SSL30), tlsprobe.TLS12)
	if h.Legacy == tlsprobe.SSL20 {
		return false
	}
	_, err := conn.Write([]byte{21, 3, byte(version), 0, 2, 2, tlsprobe.AlertHandshakeFailure})
	return err == nil
}

// goodbye lets the client read the alert before the connection ends: closing it
// while something is unread would reset it.
func goodbye(conn net.Conn, timer *time.Timer) {
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	timer.Reset(farewell)
	_, _ = io.CopyN(io.Discard, conn, maxArrival)
}

// judgeHello says what the matter with a hello is, and makes the findings.
func judgeHello(h *tlsprobe.ClientHello, from string) (says string, found []diagnose.Finding) {
	found = []diagnose.Finding{}
	add := func(id string, confidence diagnose.Confidence, why, text string) {
		f := diagnose.Found(id, confidence, why, diagnose.Evidence{File: from, Text: text})
		f.Clients = []string{from}
		if host, _, err := net.SplitHostPort(from); err == nil {
			f.Clients[0] = host
		}
		found = append(found, f)
	}
	says = "It offers " + h.Max().String()
	if len(h.Versions) == 0 {
		says += " at most"
	}
	p, like := likeProfile(h)
	if like {
		says += ", like " + p.Title
	}
	says += "."
	switch {
	case h.Max() < tlsprobe.TLS12:
		why := "The hello itself was seen. MFA services take TLS 1.2 and newer; Okta answers such a hello with an alert and a reset."
		if like {
			why += " It is like that of: " + p.Title + "."
		}
		add("tls-version", diagnose.Proven, why, fmt.Sprintf("the client %s offers %s at most", from, h.Max()))
	case len(h.Suites) > 0 && !anyStrong(h):
		add("tls-no-common-suite", diagnose.Possible, "The hello itself was seen; whether a server takes one of these suites depends on the server.",
			fmt.Sprintf("the client %s offers no suite with forward secrecy and authenticated encryption", from))
	}
	return says, found
}
