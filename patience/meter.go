package patience

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Meter is what one node learns of all its clients. Clients are those of the
// settings, so there are as many as an administrator has made. The zero Meter
// knows nothing and is ready. All methods may be called concurrently.
type Meter struct {
	// mu guards clients; each has a lock of its own.
	mu      sync.RWMutex
	clients map[string]*meter
}

// A meter is what a Meter keeps of one client.
type meter struct {
	givesUp atomic.Int64 // see GivesUp

	// mu guards the fields below.
	mu      sync.Mutex
	own     Reading
	others  Reading // of the other nodes, merged
	changed bool    // since Changed last gave it out

	// open are exchanges that nobody answered and that may go on: sent again,
	// such a request is a new one to the server. The oldest come first.
	open []Exchange
	// seen are the newest requests of any fate, for finding those that another
	// node has seen before; a ring.
	seen []sight
	next int
}

// A sight is a request that came to this node, as far as another node may want
// to know of it. login is 0 once it was found.
type sight struct {
	login uint64
	first time.Time
}

const (
	maxOpen = 64
	// maxSeen is how many requests of a client are remembered for finding those
	// that failed over. Nodes compare every minute; of a client with more
	// requests a minute than this, some are missed.
	maxSeen = 1024
	// openLife is how long after its last sending an unanswered request is
	// believed to go on: twice the longest interval of RFC 5080, Section 2.2.1.
	openLife = 32 * time.Second
	// seenLife bounds how long after the first node saw it a request at another
	// node can be the same login: what AnsweredLife is to the engine.
	seenLife = time.Minute
	// slowAfter is how long an answer takes before a client that sends only
	// once may have turned to another node.
	slowAfter = time.Second
)

func (m *Meter) client(name string) *meter {
	m.mu.RLock()
	c := m.clients[name]
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c = m.clients[name]; c == nil {
		if m.clients == nil {
			m.clients = make(map[string]*meter)
		}
		c = new(meter)
		m.clients[name] = c
	}
	return c
}

// Exchange learns from an exchange of the client that is over. It keeps x.Again
// no longer than the call.
func (m *Meter) Exchange(client string, x Exchange) {
	c := m.client(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
	c.remember(&x)
	if len(x.Again) > 0 {
		x.tidy()
	}
	now := x.First.Add(max(x.Answered, x.Superseded))
	if len(x.Again) > 0 {
		now = now.Add(x.Again[len(x.Again)-1])
	}
	c.close(now)
	if i := slices.IndexFunc(c.open, func(o Exchange) bool { return o.Packet == x.Packet }); i >= 0 && x.Packet != 0 {
		x = c.open[i].then(x)
		c.open = slices.Delete(c.open, i, i+1)
	}
	if x.Answered == 0 && x.Superseded == 0 {
		if len(c.open) == maxOpen {
			c.learn(&c.open[0])
			c.open = slices.Delete(c.open, 0, 1)
		}
		c.open = append(c.open, x)
		return
	}
	c.learn(&x)
}

// then returns x and what followed it as one exchange.
func (x Exchange) then(next Exchange) Exchange {
	shift := next.First.Sub(x.First)
	again := append(slices.Clone(x.Again), shift)
	for _, d := range next.Again {
		again = append(again, d+shift)
	}
	next.First, next.Again = x.First, again
	if next.Answered > 0 {
		next.Answered += shift
	}
	if next.Superseded > 0 {
		next.Superseded += shift
	}
	next.tidy()
	return next
}

// close learns from the open exchanges that do not go on any more. They stand
// in the order of their last sendings, so the first that may go on ends the
// search; one behind it that may not waits with it.
func (c *meter) close(now time.Time) {
	n := 0
	for ; n < len(c.open); n++ {
		o := &c.open[n]
		last := read(o.Again)
		if now.Sub(o.First.Add(last.last)) < max(openLife, last.next+last.slack()) {
			break
		}
		c.learn(o)
	}
	c.open = slices.Delete(c.open, 0, n)
}

// remember keeps that x came to this node.
func (c *meter) remember(x *Exchange) {
	if x.Login == 0 {
		return
	}
	s := sight{x.Login, x.First}
	if len(c.seen) < maxSeen {
		c.seen = append(c.seen, s)
		return
	}
	c.seen[c.next] = s
	c.next = (c.next + 1) % maxSeen
}

// learn adds a whole exchange to the reading.
func (c *meter) learn(x *Exchange) {
	day := c.own.at(x.First)
	if day == nil {
		return
	}
	day.Exchanges = plus(day.Exchanges, 1)
	if len(x.Again) > 0 {
		day.Repeated = plus(day.Repeated, 1)
		day.Interval.add(x.Again[0])
		if g, ok := growth(x.Again); ok {
			day.Growth.Steps = plus(day.Growth.Steps, 1)
			day.Growth.Percent = plus(day.Growth.Percent, uint64(100*g))
		}
	}
	if x.Login != 0 && (len(x.Again) > 0 || x.Answered == 0 || x.Answered >= slowAfter) {
		s := Sighting{Login: x.Login, First: x.First.UnixMilli()}
		if x.Answered > 0 {
			s.Until = x.First.Add(x.Answered).UnixMilli()
		}
		c.own.Slow = insert(c.own.Slow, s, maxSlow, Sighting.compare)
	}

	// What is known before this exchange judges one that was sent only once.
	usual := c.usual()
	gone, after, known := x.left()
	if gone && known {
		day.GivenUp = plus(day.GivenUp, 1)
		day.GaveUp.add(after)
		if day.Sendings == nil {
			day.Sendings = make(map[int]uint64)
		}
		day.Sendings[1+len(x.Again)] = plus(day.Sendings[1+len(x.Again)], 1)
		// While the database is away every request is given up; then one more
		// changes little, and the next round of keeping looks at all.
		if day.GivenUp <= freshGivenUp || day.GivenUp%16 == 0 {
			c.update()
		}
	}
	if !gone && !known && usual > 0 && x.Answered > usual+usual/10 {
		gone = true
	}
	if gone && x.Accepted && x.Answered > 0 && len(x.Reference) <= maxReference {
		switch {
		case known:
		case x.Superseded > 0 && x.Superseded < usual:
			after = 0 // it began anew for a reason of its own
		default:
			after = usual
		}
		day.Late = plus(day.Late, 1)
		c.own.Late = insert(c.own.Late, Late{
			Reference: x.Reference, Time: x.First.UnixMilli(),
			Took: x.Answered.Milliseconds(), GaveUp: after.Milliseconds(),
		}, maxLate, Late.compare)
	}
}

// usual is when the client gives up as far as all nodes together know.
func (c *meter) usual() time.Duration { return time.Duration(c.givesUp.Load()) }

func (c *meter) update() {
	c.givesUp.Store(int64(Merge(c.own, c.others).Patience().GivesUp))
}

// Answer learns that it took this long from a question at now until its
// answer.
func (m *Meter) Answer(client string, took time.Duration, now time.Time) {
	if took < 0 {
		return
	}
	c := m.client(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	if day := c.own.at(now); day != nil {
		day.Answers.add(took)
		c.changed = true
	}
}

// GivesUp returns after how long the client gives a request up, 0 while that
// is not known. It answers from memory and takes no lock of a client.
func (m *Meter) GivesUp(client string) time.Duration {
	m.mu.RLock()
	c := m.clients[client]
	m.mu.RUnlock()
	if c == nil {
		return 0
	}
	return c.usual()
}

// Load sets what is known of the client, as an earlier run of this node has
// left it.
func (m *Meter) Load(client string, r Reading) {
	c := m.client(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own = r.clone()
	c.update()
}

// A NodeReading is a Reading and which node has made it.
type NodeReading struct {
	Node    string
	Reading Reading
}

// Others tells the meter of node self what the other nodes know of the client:
// it is used beside what this one knows, and requests that another node had
// not answered when they came here are recognized.
func (m *Meter) Others(self, client string, others []NodeReading) {
	c := m.client(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = Reading{}
	for _, o := range others {
		if o.Node == self {
			continue
		}
		c.others = Merge(c.others, o.Reading)
		for _, s := range o.Reading.Slow {
			c.match(self, o.Node, s)
		}
	}
	c.update()
}

// match finds the request that another node was slow to answer among those of
// this one.
func (c *meter) match(self, other string, slow Sighting) {
	if len(self) > maxName || len(other) > maxName {
		return
	}
	first, until := time.UnixMilli(slow.First), time.UnixMilli(slow.Until)
	for i := range c.seen {
		s := &c.seen[i]
		after := s.first.Sub(first)
		if s.login != slow.Login || s.login == 0 || after <= 0 || after > seenLife || slow.Until != 0 && s.first.After(until) {
			continue
		}
		if day := c.own.at(s.first); day != nil {
			day.failover(Failover{From: other, To: self, Count: 1, After: uint64(after.Milliseconds())})
			c.changed = true
		}
		s.login = 0
		return
	}
}

// Changed returns the readings that have changed since it was called last, by
// client. Requests that nobody answered and that do not go on by now count as
// given up.
func (m *Meter) Changed(now time.Time) map[string]Reading {
	m.mu.RLock()
	defer m.mu.RUnlock()
	changed := make(map[string]Reading)
	for name, c := range m.clients {
		if r, ok := c.take(now); ok {
			changed[name] = r
		}
	}
	return changed
}

func (c *meter) take(now time.Time) (Reading, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(now)
	if !c.changed {
		return Reading{}, false
	}
	c.changed = false
	c.update()
	return c.own.clone(), true
}

// Unsaved says that the client's reading could not be kept: Changed returns it
// again.
func (m *Meter) Unsaved(client string) {
	c := m.client(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
}
