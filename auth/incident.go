package auth

import (
	"context"
	"sync"
	"time"
)

// Incidents are requests that never became attempts: from nobody we know, with
// a shared secret that does not fit, malformed. Anyone can send them at any
// rate, so they are counted always and recorded seldom: the first of a kind
// from a source at once, then one a minute that says how many there were.
const (
	incidentEvery   = time.Minute
	incidentSources = 4096 // kinds and sources told apart; beyond, they share one line
)

// flood counts incidents between the events that record them.
type flood struct {
	mu sync.Mutex
	// mu guards the fields below.
	seen map[floodKey]*floodCount
}

type floodKey struct {
	reach  Outcome
	client string
	source string // address without port, "" for the shared line
}

type floodCount struct {
	last   Attempt // the newest that was not recorded
	next   time.Time
	unsaid int
}

// note counts at and says how many incidents an event should stand for now; 0
// means that none is due.
func (f *flood) note(at Attempt) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = make(map[floodKey]*floodCount)
	}
	key := floodKey{at.Reach, at.Client, at.Source.Addr().String()}
	c := f.seen[key]
	if c == nil && len(f.seen) >= incidentSources {
		key = floodKey{reach: at.Reach}
		c = f.seen[key]
	}
	if c == nil {
		f.seen[key] = &floodCount{next: at.Time.Add(incidentEvery)}
		return 1
	}
	c.unsaid++
	c.last = at
	if at.Time.Before(c.next) {
		return 0
	}
	n := c.unsaid
	c.unsaid, c.next = 0, at.Time.Add(incidentEvery)
	return n
}

// due takes out what has waited long enough to be told, and forgets the
// sources that have fallen silent.
func (f *flood) due(now time.Time) (attempts []Attempt, counts []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, c := range f.seen {
		if now.Before(c.next) {
			continue
		}
		if c.unsaid == 0 {
			delete(f.seen, key)
			continue
		}
		attempts, counts = append(attempts, c.last), append(counts, c.unsaid)
		c.unsaid, c.next = 0, now.Add(incidentEvery)
	}
	return attempts, counts
}

// incident records a request that never became an attempt. The door stays
// silent whatever comes of it.
func (e *Engine) incident(ctx context.Context, at Attempt) Decision {
	if n := e.flood.note(at); n > 0 {
		return e.record(ctx, at, n)
	}
	return Decision{Verdict: Ignore, Outcome: at.Reach}
}

// Tell records the incidents that were counted but not yet told. The server
// calls it now and then, so that a flood that has stopped is told to its end.
func (e *Engine) Tell(ctx context.Context, now time.Time) {
	attempts, counts := e.flood.due(now)
	for i := range attempts {
		e.record(ctx, attempts[i], counts[i])
	}
}

func (e *Engine) record(ctx context.Context, at Attempt, count int) Decision {
	m := at.Reach.Meaning()
	settings := e.Store.Settings()
	ev := Event{
		Time:    at.Time,
		Door:    at.Door,
		Client:  at.Client,
		Source:  at.Source,
		Verdict: Ignore,
		Outcome: at.Reach,
		Mark:    NoMark,
		Count:   count,
		Trace:   []Step{{Stage: m.Stage, Note: at.Seen}},
	}
	if c := settings.Client(at.Client); c != nil {
		ev.Application = c.Application
	}
	d, err := e.commit(ctx, &Settlement{Settings: settings.Version, Event: ev}, Decision{Verdict: Ignore, Outcome: at.Reach})
	if err != nil {
		return e.unavailable(ctx, at, "record an incident", err)
	}
	return d
}
