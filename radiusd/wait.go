package radiusd

import (
	"hash/maphash"
	"sync"
	"time"

	"sallyport/patience"
	"sallyport/radius"
)

const (
	// unknownWait is how long a request may wait while nothing is known of its
	// client: less than the 9 s of three sendings at 3 s, which is the least
	// that common devices are set to.
	unknownWait = 8 * time.Second
	longestWait = time.Minute
)

// wait returns how long a request of the client may wait: four fifths of when
// it gives up, so that the answer is there in time.
func (d *Door) wait(client string) time.Duration {
	if d.Patience == nil {
		return unknownWait
	}
	gives := d.Patience.GivesUp(client)
	if gives == 0 {
		return unknownWait
	}
	return min(gives*4/5, longestWait)
}

// admitWaiting takes one of the places of requests that may wait, of which one
// client gets half at most. It is taken whether or not the request will wait:
// only the engine finds that out, and those that do not are gone at once.
func (d *Door) admitWaiting(c *clientValue) bool {
	most := int64(d.MaxWaiting)
	if most <= 0 {
		most = 256
	}
	if d.waiting.Add(1) > most {
		d.waiting.Add(-1)
		return false
	}
	if c.waiting.Add(1) > max(1, most/2) {
		d.endWaiting(c)
		return false
	}
	return true
}

func (d *Door) endWaiting(c *clientValue) {
	c.waiting.Add(-1)
	d.waiting.Add(-1)
}

// asked remembers when questions went out, to learn how long people take to
// answer. The zero value is ready.
type asked struct {
	// mu guards the fields below.
	mu   sync.Mutex
	at   map[uint64]time.Time // by the hash of their States
	ring []uint64             // the same hashes in the order of their coming
	next int
}

// maxAsked is how many questions are remembered: of more that are open at once
// the oldest are not measured.
const maxAsked = 8192

var askedSeed = maphash.MakeSeed()

// noteAsked remembers that the question with this State is about to be sent.
func (d *Door) noteAsked(state []byte) {
	if d.Patience == nil || len(state) == 0 {
		return
	}
	key, now := maphash.Bytes(askedSeed, state), d.Now()
	a := &d.asked
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.at = make(map[uint64]time.Time)
	}
	a.at[key] = now
	if len(a.ring) < maxAsked {
		a.ring = append(a.ring, key)
		return
	}
	delete(a.at, a.ring[a.next])
	a.ring[a.next] = key
	a.next = (a.next + 1) % maxAsked
}

// noteAnswered learns how long the answer to the question took, if this node
// asked it.
func (d *Door) noteAnswered(client string, state []byte, now time.Time) {
	if d.Patience == nil {
		return
	}
	key := maphash.Bytes(askedSeed, state)
	a := &d.asked
	a.mu.Lock()
	at, ok := a.at[key]
	delete(a.at, key)
	a.mu.Unlock()
	if ok {
		d.Patience.Answer(client, now.Sub(at), now)
	}
}

// Observe is the radius.Server's Observe function: Patience learns from it.
func (d *Door) Observe(x *radius.Exchange) {
	if d.Patience == nil {
		return
	}
	d.Patience.Exchange(x.Client.Name, patience.Exchange{
		Packet: x.Digest, Login: x.Mark, First: x.First, Again: x.Again, Answered: x.Answered, Superseded: x.Superseded,
		Accepted: x.Code == radius.AccessAccept, Reference: x.Note,
	})
}
