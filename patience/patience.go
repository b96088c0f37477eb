// Package patience learns from traffic how long the clients of a RADIUS server
// wait: when they send a request again, when they give it up, to which node
// they turn then, and how long people take to answer. From that it says in
// words what to set on the client.
//
// It hides how little each packet tells. A client never says that it has given
// up (RFC 2865 has no message for it); it can only be seen that a request is
// not sent again when the client's own schedule says that it should be. The
// schedules are those of RFC 5080, Section 2.2.1 and of the devices that are
// older than it.
//
// Everything here is pure: times are arguments, nothing is read or written.
package patience

import (
	"slices"
	"time"
)

// An Exchange is what a client did about one request. Durations are counted
// from First.
type Exchange struct {
	// Packet is the same for the same octets sent again. Login is the same for
	// the same login sent in another packet or to another node; 0 if that is
	// not known.
	Packet uint64
	Login  uint64

	First time.Time
	// Again is when the request came again, in rising order.
	Again []time.Duration
	// Answered is when it was answered first, 0 if it never was.
	Answered time.Duration
	// Superseded is when the client used the request's identifier for another,
	// before it was answered; 0 if it did not. It does not wait any more then.
	Superseded time.Duration
	// Accepted says that the answer let somebody in, and Reference under which
	// name the event is known.
	Accepted  bool
	Reference string
}

// maxAgain bounds how many retransmissions of one exchange are looked at.
const maxAgain = 16

// A schedule is what the sendings of one exchange tell.
type schedule struct {
	sendings int
	last     time.Duration // when it was sent last
	next     time.Duration // how long after that it would have been sent again
}

// read takes the schedule from when an exchange was sent again. next is 0 if it
// never was: nothing is known of a schedule then.
func read(again []time.Duration) schedule {
	s := schedule{sendings: 1 + len(again)}
	if len(again) == 0 {
		return s
	}
	s.last = again[len(again)-1]
	before := time.Duration(0)
	if len(again) > 1 {
		before = again[len(again)-2]
	}
	s.next = s.last - before
	if g, ok := growth(again); ok {
		s.next = time.Duration(float64(s.next) * g)
	}
	return s
}

// growth is by how much the last interval was longer than the one before.
// Clients that repeat at a fixed interval keep it within a tenth or so.
func growth(again []time.Duration) (float64, bool) {
	if len(again) < 2 {
		return 0, false
	}
	before := time.Duration(0)
	if len(again) > 2 {
		before = again[len(again)-3]
	}
	earlier, later := again[len(again)-2]-before, again[len(again)-1]-again[len(again)-2]
	if earlier <= 0 || later <= 0 {
		return 0, false
	}
	g := float64(later) / float64(earlier)
	if g < 1.15 {
		g = 1
	}
	return min(g, maxGrowth), true
}

// maxGrowth is the most by which an interval is believed to grow: RFC 5080
// doubles, with a tenth of jitter.
const maxGrowth = 2.2

// end is when the client gives up by this schedule.
func (s schedule) end() time.Duration { return s.last + s.next }

// slack is how much later than its schedule says a client may still send: a
// fifth of the interval for jitter, and a little for the network.
func (s schedule) slack() time.Duration { return s.next/5 + 200*time.Millisecond }

// left reports whether the client had demonstrably given the request up when
// it was answered, or before it could be, and when it did so by its own
// schedule. known is false if it was sent only once: it may have left, but
// nothing says when.
func (x *Exchange) left() (gone bool, after time.Duration, known bool) {
	s := read(x.Again)
	switch {
	case x.Superseded > 0:
		gone = true
	case x.Answered == 0:
		gone = true
	case s.next > 0:
		gone = x.Answered > s.end()+s.slack()
	}
	if s.next == 0 {
		return gone, 0, false
	}
	after = s.end()
	if x.Superseded > 0 {
		after = min(after, max(x.Superseded, s.last))
	}
	return gone, after, true
}

// tidy brings the sendings in order and drops those beyond what is looked at
// and those that cannot be.
func (x *Exchange) tidy() {
	again := slices.Clone(x.Again)
	slices.Sort(again)
	again = slices.Compact(again)
	for len(again) > 0 && again[0] <= 0 {
		again = again[1:]
	}
	x.Again = again[:min(len(again), maxAgain)]
}
