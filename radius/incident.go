package radius

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// An IncidentKind says why a packet was not simply served.
type IncidentKind uint8

const (
	// UnknownClient: the handler knows no client with this source address, or
	// the client has no secret.
	UnknownClient IncidentKind = iota + 1
	// Malformed: not a packet, or a retransmission with other octets. Err says
	// what is wrong with it.
	Malformed
	// BadMessageAuthenticator: the signature is not made with any of the
	// client's secrets. Nearly always the shared secret differs.
	BadMessageAuthenticator
	// MissingMessageAuthenticator: there is none, and the policy or the
	// standard wants one.
	MissingMessageAuthenticator
	// UnsupportedCode: neither an Access-Request nor a Status-Server.
	UnsupportedCode
	// RateLimited: the client sends more than its rate allows, or repeats one
	// request without end.
	RateLimited
	// Overloaded: too many requests are in hand, from this client or in all,
	// or this one has waited too long to be of use.
	Overloaded
	// Retransmitted: the request came again while it is being answered, and
	// was dropped. Age tells the client's patience.
	Retransmitted
	// Resent: the request came again after it had been answered, and the same
	// octets were sent again. Age as above.
	Resent
	// Superseded: the client gave up a request that is being answered, by using
	// its identifier for another. Age is how long it had waited.
	Superseded
	// Unhealthy: a Status-Server was met with silence because the handler says
	// that it is not healthy.
	Unhealthy
	// HandlerFault: the handler panicked, or made a reply that cannot be sent.
	// Err says what.
	HandlerFault
	// SendFailed: the operating system refused to send the reply. Err says why.
	// The reply is kept, and a retransmission gets it.
	SendFailed

	incidentKinds = iota + 1
)

// String names the kind in a word or two.
func (k IncidentKind) String() string {
	names := [...]string{
		UnknownClient:               "unknown client",
		Malformed:                   "malformed",
		BadMessageAuthenticator:     "bad Message-Authenticator",
		MissingMessageAuthenticator: "missing Message-Authenticator",
		UnsupportedCode:             "unsupported code",
		RateLimited:                 "rate limited",
		Overloaded:                  "overloaded",
		Retransmitted:               "retransmitted",
		Resent:                      "resent",
		Superseded:                  "superseded",
		Unhealthy:                   "unhealthy",
		HandlerFault:                "handler fault",
		SendFailed:                  "send failed",
	}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("incident %d", uint8(k))
	}
	return names[k]
}

// An Incident tells what the server did without asking the handler, or in
// spite of it. It holds no part of the packet's attributes. Nothing in it is
// proven before the signature is, so for kinds up to UnsupportedCode anybody
// who can forge a source address can cause it: count, do not act.
type Incident struct {
	Kind       IncidentKind
	Time       time.Time
	Source     netip.AddrPort
	Listener   string  // as given to Listen
	Client     *Client // nil if unknown
	Code       Code    // 0 if the packet did not parse
	Identifier uint8
	Age        time.Duration // since the request first came, where the kind says so
	Err        error         // where the kind says so
}

// Stats are counts since the server was made, and gauges of now.
type Stats struct {
	Received   uint64 // datagrams read
	Accepts    uint64 // replies sent, without those sent again
	Rejects    uint64
	Challenges uint64
	Silences   uint64 // requests the handler chose not to answer
	Statuses   uint64 // Status-Server answered
	// Incidents counts by kind; Unreported is how many of them could not be
	// told because the Incident function was slower than they came.
	Incidents  [incidentKinds]uint64
	Unreported uint64
	// KernelDrops is how many datagrams the operating system threw away for
	// want of room, where it tells (Linux).
	KernelDrops uint64

	InFlight   int // with the handler now
	Queued     int // waiting for it
	Remembered int // requests in the duplicate table
}

type counters struct {
	received, accepts, rejects, challenges, silences, statuses, unreported atomic.Uint64

	incidents [incidentKinds]atomic.Uint64
}
