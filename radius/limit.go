package radius

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A MessageAuthenticatorPolicy says when a client's Access-Request must carry a
// Message-Authenticator. The zero value is the safe one. Whatever the policy,
// a Status-Server must carry one (RFC 5997, Section 3), and so must an
// Access-Request with an EAP-Message or without any credentials (RFC 3579,
// Section 3.3); and one that is there must be right.
type MessageAuthenticatorPolicy uint8

const (
	// Required refuses every request without a Message-Authenticator.
	Required MessageAuthenticatorPolicy = iota
	// RequiredWithProxyState refuses only requests that also carry a
	// Proxy-State, the attribute on which CVE-2024-3596 rides.
	RequiredWithProxyState
	// Optional accepts requests without one: anybody who can send from the
	// client's address can make them.
	Optional
)

// A Client is one peer that may ask: a NAS, or a net of them that share a
// secret. The fields are set before the first use and then left alone. The
// server keeps its counts for the client in it too, so a [Handler] must return
// the same *Client for the same peer for as long as its settings stand.
type Client struct {
	// Name and Value are for the handler and for whoever reads incidents; the
	// server does not look at them.
	Name  string
	Value any

	// Secret is the shared secret. Without it the client is as good as
	// unknown. Previous, if set, is still honoured while a secret is being
	// changed; a reply is signed with the one that the request was.
	//
	// A request without Message-Authenticator shows no secret, so it is read
	// with Secret only: changing secrets smoothly needs Message-Authenticator.
	Secret, Previous Secret

	MessageAuthenticator MessageAuthenticatorPolicy

	// Rate is how many new requests a second are taken, 0 for 200; Burst is
	// how many at once after a pause, 0 for two seconds' worth.
	Rate  float64
	Burst int
	// MaxInFlight is how many requests may be with the handler or wait for it,
	// 0 for 4,096: what a busy client sends while a disk stands still for a
	// few hundred milliseconds. It is less than the server takes by default,
	// so that no client alone can fill it.
	MaxInFlight int

	requests, status bucket
	inFlight         atomic.Int64
	remembered       atomic.Int64 // entries in the duplicate table
}

const (
	defaultRate        = 200
	defaultMaxInFlight = 4096

	// statusRate is how many Status-Server queries a second a client may have
	// answered. They have a budget of their own, so that neither monitoring
	// nor logins can starve the other.
	statusRate = 20
)

func (c *Client) rate() float64 {
	if c.Rate > 0 {
		return c.Rate
	}
	return defaultRate
}

func (c *Client) burst() float64 {
	if c.Burst > 0 {
		return float64(c.Burst)
	}
	return math.Max(1, 2*c.rate())
}

func (c *Client) maxInFlight() int64 {
	if c.MaxInFlight > 0 {
		return int64(c.MaxInFlight)
	}
	return defaultMaxInFlight
}

// share is how many entries of the duplicate table the client may hold: as
// many as its rate lets through while an entry lives. It is reached only if
// its rate was set anew meanwhile or its clock was turned.
func (c *Client) share() int64 {
	return int64(math.Ceil(c.rate()*replyLife.Seconds()+c.burst())) + c.maxInFlight()
}

// A bucket is a token bucket. The zero bucket is full.
type bucket struct {
	mu     sync.Mutex
	spent  float64 // tokens missing from a full bucket
	last   time.Time
	inited bool
}

// take takes one token and reports whether there was one.
func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inited {
		// A clock that went back refills nothing and forgets nothing.
		if d := now.Sub(b.last); d > 0 {
			b.spent = math.Max(0, b.spent-d.Seconds()*rate)
		}
	}
	b.last, b.inited = now, true
	if b.spent+1 > burst {
		return false
	}
	b.spent++
	return true
}
