package radius

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The duplicate table makes a request count once, however often it is sent
// (RFC 5080, Section 2.2.2):
//
//   - A request is known by source address, source port, identifier and the
//     listener it came to.
//   - The same request while it is being answered is dropped.
//   - The same request afterwards gets the same octets again, for 30 s.
//   - A new Request Authenticator under the same key is a new request and takes
//     the place of the old one, whose answer is then of no use to anybody.
//
// Only requests that passed their signature get here.
//
// The table is bounded. When a shard is full the answer that was given first
// makes room; so it is with the share of one client. A request that is being
// answered is never forgotten: if there are only such, the new request is
// dropped instead.

const (
	// replyLife is how long an answer is kept after it was given: the upper
	// end of what RFC 5080 asks for.
	replyLife = 30 * time.Second

	shardCount = 64

	// maxResend bounds how often one answer is sent again, so that a recorded
	// request cannot be turned into a stream of packets to the client.
	maxResend = 64
)

type requestKey struct {
	source     netip.AddrPort
	listener   int
	identifier uint8
}

type duplicates struct {
	seed   maphash.Seed
	shards [shardCount]shard
	limit  int // entries of a shard
	// observe is Server.Observe; nil if nobody wants to know.
	observe func(*Exchange)
}

type shard struct {
	// mu guards the fields below and all entries in them.
	mu      sync.Mutex
	entries map[requestKey]*entry
	// Answered entries in the order they were answered, which is the order
	// they expire in.
	oldest, newest *entry
	free           *entry
	told           Exchange // what the observer is shown, so that it costs no memory
}

type entry struct {
	key           requestKey
	client        *Client
	authenticator [16]byte
	digest        uint64 // of the whole packet
	first         time.Time
	answered      bool
	superseded    bool // no longer in the table; its answer is unwanted
	expires       time.Time
	resent        int
	reply         []byte
	older, newer  *entry // older and newer in the order of answers; newer links free ones

	// Of use to the observer only. code, mark and note belong to whoever
	// answers until it does; ended is when it was answered or superseded.
	code    Code
	mark    uint64
	note    string
	ended   time.Time
	history *history // made when the request comes again
}

// A history is when a request came again, after it first came.
type history struct {
	n     int
	again [maxAgain]time.Duration
}

// maxAgain is how many retransmissions of one request are noted: more than any
// client makes that keeps to RFC 5080, Section 2.2.1.
const maxAgain = 16

// admission is what the table says of a request.
type admission uint8

const (
	admitted   admission = iota // new: serve it
	pending                     // being answered: drop it
	again                       // answered: send the same octets
	again2Much                  // answered, and repeated beyond reason
	altered                     // same authenticator, other octets
	tooFast                     // the client's rate is used up
	tooMany                     // no room, or too many in flight
)

func newDuplicates(limit int) *duplicates {
	d := &duplicates{seed: maphash.MakeSeed(), limit: max(1, (limit+shardCount-1)/shardCount)}
	for i := range d.shards {
		d.shards[i].entries = make(map[requestKey]*entry)
	}
	return d
}

func (d *duplicates) shard(k *requestKey) *shard {
	return &d.shards[maphash.Comparable(d.seed, *k)%shardCount]
}

// begin looks for packet among the known requests and admits it if it is new,
// its client is within its limits and there is room. Of a new request it
// returns the entry, to be given to answer or forget exactly once; of one that
// is to be answered again it appends the octets to reply. The times are when
// the request that is known, or the one that is superseded, first came.
func (d *duplicates) begin(k requestKey, c *Client, p *Packet, reply []byte, now time.Time) (_ admission, e *entry, _ []byte, known, superseded time.Time) {
	digest := maphash.Bytes(d.seed, p.raw)
	s := d.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	d.expire(s, now)
	old := s.entries[k]
	if old != nil && old.authenticator == p.Authenticator {
		switch {
		case old.digest != digest:
			return altered, nil, reply, old.first, superseded
		case !old.answered:
			d.again(old, now)
			return pending, nil, reply, old.first, superseded
		case old.resent >= maxResend:
			return again2Much, nil, reply, old.first, superseded
		}
		old.resent++
		d.again(old, now)
		return again, nil, append(reply, old.reply...), old.first, superseded
	}
	if !c.requests.take(now, c.rate(), c.burst()) {
		return tooFast, nil, reply, known, superseded
	}
	if c.inFlight.Load() >= c.maxInFlight() {
		return tooMany, nil, reply, known, superseded
	}
	if old == nil {
		if c.remembered.Load() >= c.share() && !d.evict(s, c) {
			return tooMany, nil, reply, known, superseded
		}
		if len(s.entries) >= d.limit && !d.evict(s, nil) {
			return tooMany, nil, reply, known, superseded
		}
	} else {
		if !old.answered {
			superseded = old.first
			old.ended = now
		}
		d.remove(s, old)
	}
	e = s.free
	if e == nil {
		e = new(entry)
	} else {
		s.free = e.newer
	}
	*e = entry{key: k, client: c, authenticator: p.Authenticator, digest: digest, first: now, reply: e.reply[:0], history: e.history}
	s.entries[k] = e
	c.remembered.Add(1)
	c.inFlight.Add(1)
	return admitted, e, reply, known, superseded
}

// answer remembers reply as the answer to e. It reports whether the answer is
// still wanted: false if a newer request took the place of e.
func (d *duplicates) answer(e *entry, reply []byte, now time.Time) bool {
	s := d.shard(&e.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.client.inFlight.Add(-1)
	if e.superseded {
		d.tell(s, e, now, e.ended)
		s.recycle(e)
		return false
	}
	e.ended = now
	e.reply = append(e.reply[:0], reply...)
	e.answered = true
	e.expires = now.Add(replyLife)
	e.older = s.newest
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
	return true
}

// forget ends e without an answer: sent again, the request is a new one.
func (d *duplicates) forget(e *entry) {
	s := d.shard(&e.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.client.inFlight.Add(-1)
	var superseded time.Time
	if e.superseded {
		superseded = e.ended
	} else {
		d.remove(s, e)
	}
	d.tell(s, e, time.Time{}, superseded)
	s.recycle(e)
}

// end tells the observer of the answered requests that are left.
func (d *duplicates) end() {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for s.oldest != nil {
			d.remove(s, s.oldest)
		}
		s.mu.Unlock()
	}
}

// again notes that the request of e came again.
func (d *duplicates) again(e *entry, now time.Time) {
	if d.observe == nil {
		return
	}
	if e.history == nil {
		e.history = new(history)
	}
	if e.history.n < maxAgain {
		e.history.again[e.history.n] = now.Sub(e.first)
		e.history.n++
	}
}

// tell shows the observer what e was. The times are zero for never.
func (d *duplicates) tell(s *shard, e *entry, answered, superseded time.Time) {
	if d.observe == nil {
		return
	}
	x := &s.told
	*x = Exchange{Client: e.client, Digest: e.digest, First: e.first, Code: e.code, Mark: e.mark, Note: e.note}
	if e.history != nil {
		x.Again = e.history.again[:e.history.n]
	}
	if answered.IsZero() {
		x.Code = 0 // the handler's reply, if it made one, could not be sent
	} else {
		x.Answered = max(1, answered.Sub(e.first))
	}
	if !superseded.IsZero() {
		x.Superseded = max(1, superseded.Sub(e.first))
	}
	d.observe(x)
	*x = Exchange{}
}

// sweep drops what has expired, for shards that nobody asks.
func (d *duplicates) sweep(now time.Time) {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		d.expire(s, now)
		s.mu.Unlock()
	}
}

// len is how many requests are known.
func (d *duplicates) len() int {
	n := 0
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

func (d *duplicates) expire(s *shard, now time.Time) {
	for s.oldest != nil && !now.Before(s.oldest.expires) {
		d.remove(s, s.oldest)
	}
}

// evict forgets the oldest answer, of client c if that is not nil, and reports
// whether there was one.
func (d *duplicates) evict(s *shard, c *Client) bool {
	for e := s.oldest; e != nil; e = e.newer {
		if c == nil || e.client == c {
			d.remove(s, e)
			return true
		}
	}
	return false
}

// remove takes e out of the table. An answered entry is free then; one that is
// being answered belongs to whoever answers it, who learns by superseded.
func (d *duplicates) remove(s *shard, e *entry) {
	delete(s.entries, e.key)
	e.client.remembered.Add(-1)
	if !e.answered {
		e.superseded = true
		return
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	d.tell(s, e, e.ended, time.Time{})
	s.recycle(e)
}

// recycle keeps e, the memory of its reply and of its history for the next
// request.
func (s *shard) recycle(e *entry) {
	if e.history != nil {
		e.history.n = 0
	}
	*e = entry{reply: e.reply[:0], newer: s.free, history: e.history}
	s.free = e
}
