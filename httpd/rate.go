package httpd

import (
	"net/netip"
	"sync"
	"time"
)

// How often one source may ask for what needs no session. It smooths what one
// process is asked; how often somebody may guess is counted in the database, for
// all nodes together, by whoever decides logins.
const (
	bucketSize   = 120 // requests at once: an office behind one address at nine o'clock
	bucketRefill = 10  // a second
	// maxBuckets bounds the memory, twice over.
	maxBuckets = 1 << 15
)

// rates are buckets of tokens, one for each source. When there are too many,
// those that were not used for longest go, all at once. A source that loses its
// bucket gets a full one: that is at worst another burst. The zero value is
// ready.
type rates struct {
	mu sync.Mutex
	// mu guards the fields below.
	recent, older map[netip.Prefix]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take takes n tokens of a source's bucket, or says after what time they would
// be there. A source is an IPv4 address or a /64 of IPv6, which one customer of a
// provider has.
func (r *rates) take(source netip.Addr, n int, now time.Time) (wait time.Duration, ok bool) {
	bits := 32
	if source.Is6() {
		bits = 64
	}
	key, err := source.Prefix(bits)
	if err != nil {
		key = netip.Prefix{} // no address: all of those share one
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, found := r.recent[key]
	if !found {
		if b, found = r.older[key]; !found {
			b = bucket{bucketSize, now}
		}
		if r.recent == nil || len(r.recent) >= maxBuckets {
			r.older, r.recent = r.recent, make(map[netip.Prefix]bucket)
		}
	}
	if since := now.Sub(b.at); since > 0 {
		b.tokens = min(bucketSize, b.tokens+since.Seconds()*bucketRefill)
	}
	b.at = now
	ok = b.tokens >= float64(n)
	if ok {
		b.tokens -= float64(n)
	} else {
		wait = time.Duration((float64(n) - b.tokens) / bucketRefill * float64(time.Second))
	}
	r.recent[key] = b
	return wait, ok
}
