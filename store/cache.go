package store

import "sallyport/auth"

// maxAbsent bounds the names that are remembered because nobody has them,
// which anybody can make up.
const maxAbsent = 1 << 16

// A cache keeps the entries of the subjects that were used lately, at most
// limit of them. It makes room by the clock algorithm: a hand goes around over
// all entries, and removes the first that nobody has asked for since it last
// came by. A new entry counts as not asked for, so that a flood of names which
// come only once pushes out itself.
//
// Store.mu guards it; used may be set by who only holds it for reading.
type cache struct {
	limit    int
	subjects map[string]*entry
	names    map[string]*entry // by every name of the account
	absent   map[string]int64  // names that nobody had when Store.names was that
	ring     []*entry
	hand     int
}

func newCache(limit int) cache {
	return cache{limit: limit, subjects: make(map[string]*entry), names: make(map[string]*entry), absent: make(map[string]int64)}
}

// use notes that somebody has asked for e.
func (e *entry) use() {
	if !e.used.Load() { // mostly it is, and then its memory stays shared
		e.used.Store(true)
	}
}

// add puts e in, for an account or for a subject that has none, instead of
// what was there.
func (c *cache) add(subject string, account *auth.Account, e *entry) {
	c.drop(subject)
	if len(c.ring) >= c.limit {
		c.evict()
	}
	e.subject, e.at = subject, int32(len(c.ring))
	c.ring = append(c.ring, e)
	c.subjects[subject] = e
	if account != nil {
		c.names[account.Name] = e
		for _, name := range account.Aliases {
			c.names[name] = e
		}
	}
}

// evict makes room for one. Others wait meanwhile, so the hand does not go
// further than evictSteps: if all there were asked for, the next one goes.
func (c *cache) evict() {
	for step := 0; ; step++ {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		e := c.ring[c.hand]
		if !e.used.Swap(false) || step == evictSteps {
			c.drop(e.subject)
			return
		}
		c.hand++
	}
}

const evictSteps = 64

// drop removes the entry of a subject, if there is one.
func (c *cache) drop(subject string) {
	e := c.subjects[subject]
	if e == nil {
		return
	}
	delete(c.subjects, subject)
	if e.packed != "" {
		u := unpacker(e.packed)
		a := u.account()
		c.dropName(a.Name, e)
		for _, name := range a.Aliases {
			c.dropName(name, e)
		}
	}
	last := len(c.ring) - 1
	c.ring[e.at] = c.ring[last]
	c.ring[e.at].at = e.at
	c.ring[last] = nil
	c.ring = c.ring[:last]
}

// dropName removes a name unless it leads to another account by now.
func (c *cache) dropName(name string, e *entry) {
	if c.names[name] == e {
		delete(c.names, name)
	}
}

// miss remembers that nobody had the name.
func (c *cache) miss(name string, names int64) {
	if len(c.absent) >= min(maxAbsent, c.limit) {
		clear(c.absent)
	}
	c.absent[name] = names
}
