package capture

import (
	"container/list"
	"net/netip"
	"slices"
)

// A table holds the connections that are under way, and what is known of those
// that have ended.
type table struct {
	flows  map[pair]*flow
	recent *list.List // of *flow, the one whose last packet is newest in front
	limit  int        // of open, and of kept
	open   int        // octets that the connections under way take
	kept   int        // and those that have ended
	ended  []*Conversation
	others int
	// early is how many had to be ended because memory was short, and dropped how
	// many ended ones could not be kept.
	early, dropped int
}

// A pair is the two ends of a connection, the lower one first.
type pair struct{ a, b netip.AddrPort }

func newTable(limit int) *table {
	return &table{flows: make(map[pair]*flow), recent: list.New(), limit: limit}
}

const (
	// flowCost is what an open connection takes besides its octets, and
	// conversationCost one that has ended.
	flowCost         = 2 << 10
	conversationCost = 1 << 10
	// certificateCost is how many times as much as its octets a certificate
	// takes that was parsed: it holds most parts once more.
	certificateCost = 8
)

// take takes a segment into the connection that it belongs to.
func (t *table) take(s *segment, at Moment) {
	key, side := pair{s.from, s.to}, 0
	if s.to.Compare(s.from) < 0 {
		key, side = pair{s.to, s.from}, 1
	}
	f := t.flows[key]
	if f != nil && f.isNext(s, side) {
		t.end(f)
		f = nil
	}
	if f == nil {
		f = &flow{key: key, first: at}
		f.dirs[0].addr, f.dirs[1].addr = key.a, key.b
		f.place = t.recent.PushFront(f)
		t.flows[key] = f
		t.open += flowCost
	} else {
		t.recent.MoveToFront(f.place)
	}
	before := f.cost()
	f.take(s, side, at)
	t.open += f.cost() - before
	for t.open > t.limit && t.recent.Len() > 1 {
		oldest := t.recent.Back().Value.(*flow)
		if !oldest.settled(at) {
			oldest.early = true
			t.early++
		}
		t.end(oldest)
	}
}

// end makes a conversation of a connection, if there is anything in it.
func (t *table) end(f *flow) {
	t.open -= f.cost() + flowCost
	t.recent.Remove(f.place)
	delete(t.flows, f.key)
	c := f.conversation()
	if c == nil {
		t.others++
		return
	}
	cost := conversationCost
	if c.Hello != nil {
		cost += 4 * c.Hello.Size
	}
	if c.Answer != nil {
		cost += 4 * len(c.Answer.Extensions)
	}
	for _, x := range c.Certificates {
		cost += certificateCost * len(x.Raw)
	}
	// Where not all can be kept, those that show a fault go before others.
	limit := t.limit
	if c.Outcome == Completed || c.Outcome == Unfinished {
		limit /= 2
	}
	if t.kept+cost > limit {
		t.dropped++
		return
	}
	t.kept += cost
	t.ended = append(t.ended, c)
}

// finish ends everything, and tells the capture.
func (t *table) finish(c *Capture) {
	for t.recent.Len() > 0 {
		t.end(t.recent.Back().Value.(*flow))
	}
	slices.SortStableFunc(t.ended, func(a, b *Conversation) int { return a.Begin.Packet - b.Begin.Packet })
	for _, x := range t.ended {
		x.judge(c.End)
	}
	c.Conversations, c.Others = t.ended, t.others
	if t.early > 0 {
		c.Warnings = append(c.Warnings, counted(t.early, "connection was", "connections were")+" judged before their end, because too many were open at once.")
	}
	if t.dropped > 0 {
		c.Warnings = append(c.Warnings, counted(t.dropped, "conversation is", "conversations are")+" left out, because there are too many; take a part of the capture (editcap -r FILE OUT FIRST-LAST).")
	}
}

// A flow is one TCP connection under way.
type flow struct {
	key         pair
	place       *list.Element
	dirs        [2]direction // of key.a, of key.b
	first, last Moment
	packets     int
	early       bool // it was ended because memory was short
}

// isNext reports whether s begins another connection between the same ends.
func (f *flow) isNext(s *segment, side int) bool {
	if !s.has(flagSYN) || s.has(flagACK) {
		return false
	}
	d, other := &f.dirs[side], &f.dirs[1-side]
	switch {
	case d.syn.Packet == 0:
		// A SYN that comes late is one of a connection whose octets follow it.
		return d.started && d.base != s.seq+1 || d.over()
	case d.isn == s.seq:
		return false
	}
	// Some systems ask again with another number when they were refused, or not
	// answered.
	return d.started && d.end != d.base || other.synAck || d.over()
}

// settled reports whether nothing that matters can come any more: it has ended,
// the handshake is over, or nothing has come for long.
func (f *flow) settled(now Moment) bool {
	a, b := &f.dirs[0], &f.dirs[1]
	return a.rst.Packet > 0 || b.rst.Packet > 0 || a.over() && b.over() || a.done && b.done || now.Time.Sub(f.last.Time) >= 10*patience
}

func (f *flow) cost() int { return f.dirs[0].cost() + f.dirs[1].cost() }

func (f *flow) take(s *segment, side int, at Moment) {
	f.last = at
	f.packets++
	d, other := &f.dirs[side], &f.dirs[1-side]
	d.packets++
	if d.ttl == 0 {
		d.ttl = s.ttl
	}
	if s.has(flagACK) {
		if !d.hasAck || int32(s.ack-d.acked) > 0 {
			d.acked, d.hasAck = s.ack, true
		}
	}
	seq := s.seq
	if s.has(flagSYN) {
		d.syns++
		if d.syn.Packet == 0 || d.isn != seq {
			d.syn, d.isn = at, seq
			d.synAck = s.has(flagACK)
			d.start(seq + 1)
		}
		seq++
	}
	if len(s.data) < int(s.length) {
		d.cut = true
	}
	if s.has(flagRST) && d.rst.Packet == 0 {
		d.rst = at
		// Routes differ by a few steps, the values that systems begin with by
		// many; and the first packet of a side must be another one.
		if apart := int(s.ttl) - int(d.ttl); d.packets > 1 && (apart > 8 || apart < -8) {
			d.foreign = true
		}
	}
	// What comes with a reset is a text about it (RFC 9293, Section 3.10.7.4).
	if s.length > 0 && !s.has(flagRST) {
		d.add(seq, s.data, s.length, at)
	}
	if s.has(flagFIN) && d.fin.Packet == 0 {
		d.fin = at
	}
	if !d.started && other.hasAck {
		d.startIfAcked(other.acked)
	}
	if !other.started && d.hasAck {
		other.startIfAcked(d.acked)
	}
}
