package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/auth"
)

// A Feed fans events out as they are committed, those of other nodes too. It is
// for people who look on: whoever is slower than the logins misses some and is
// told how many, and nobody ever waits for them.
//
// The engine's Observe and a poll of the store both bring events; each event
// reaches a subscriber once. Its fields are read-only once it is in use; all
// methods may be called concurrently.
type Feed struct {
	Admin *Admin

	watched atomic.Bool // whether anybody has subscribed, so that logins need no lock while nobody has

	// mu guards the fields below and the subscribers' rings.
	mu   sync.Mutex
	subs map[*Subscription]struct{}
	// Every event up to cursor was given out; of those after it, those in ahead
	// were.
	cursor uint64
	ahead  map[uint64]struct{}
}

const (
	// ringSize is how many events wait for a subscriber: more than anybody reads
	// in the quarter of a second between two looks.
	ringSize = 200
	// maxSubscribers bounds the memory and the time that lookers-on take.
	maxSubscribers = 100
	// maxAhead is how many events may be given out before those in front of them
	// are known: what 1,000 logins a second make in the ten seconds for which a
	// database may be away.
	maxAhead = 10_000
	// maxPoll is how many events one poll reads.
	maxPoll = 2_000
)

// ErrCrowded says that too many look on already.
var ErrCrowded = errors.New("admin: too many live logs are open")

// A Subscription is one that looks on. Close it.
type Subscription struct {
	feed   *Feed
	search EventSearch
	ready  chan struct{} // has room for one

	// Guarded by feed.mu.
	ring    []auth.Event // without traces; the oldest is at start
	start   int
	skipped uint64
}

// Subscribe begins to collect the events that q selects, from now on; its
// cursor, limit and times count for nothing.
func (f *Feed) Subscribe(ctx context.Context, q EventQuery) (*Subscription, error) {
	q.Cursor, q.Limit, q.Since, q.Until = "", 0, time.Time{}, time.Time{}
	search, err := f.Admin.eventSearch(ctx, q)
	if err != nil {
		return nil, err
	}
	// Read before anything is given out: what is committed between this and the
	// lock is found by the next poll.
	newest, err := f.newest(ctx)
	if err != nil {
		return nil, err
	}
	s := &Subscription{feed: f, search: search, ready: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subs) >= maxSubscribers {
		return nil, ErrCrowded
	}
	if len(f.subs) == 0 {
		f.subs, f.cursor, f.ahead = make(map[*Subscription]struct{}), newest, make(map[uint64]struct{})
	}
	f.subs[s] = struct{}{}
	f.watched.Store(true)
	return s, nil
}

// newest returns the number of the newest event.
func (f *Feed) newest(ctx context.Context) (uint64, error) {
	events, err := f.Admin.Store.Events(ctx, EventFilter{Newest: true, Limit: 1})
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[len(events)-1].Seq, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	f := s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.subs, s)
	if len(f.subs) == 0 {
		f.watched.Store(false)
		f.ahead = nil
	}
}

// Ready is a channel on which something comes when there is something to take.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Take returns what has come since the last time, in the order of its commits as
// far as that is known, the newest ringSize at most, and how many events were
// missed: those that found the ring full, and those that nobody has read.
func (s *Subscription) Take() (events []EventView, skipped uint64) {
	s.feed.mu.Lock()
	ring := s.ring
	skipped = s.skipped
	s.ring, s.start, s.skipped = nil, 0, 0
	s.feed.mu.Unlock()

	slices.SortFunc(ring, func(x, y auth.Event) int { return cmp.Compare(x.Seq, y.Seq) })
	events = make([]EventView, len(ring))
	for i := range ring {
		events[i] = s.feed.Admin.viewEvent(&ring[i])
	}
	return events, skipped
}

// Observe is told of every event that this node commits; see auth.Parts. It
// never waits for anything but other calls like it, and keeps nothing of ev.
func (f *Feed) Observe(ev *auth.Event) {
	if !f.watched.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subs) == 0 || ev.Seq <= f.cursor {
		return
	}
	if _, known := f.ahead[ev.Seq]; known {
		return
	}
	f.give(ev)
	f.ahead[ev.Seq] = struct{}{}
	f.advance()
	if len(f.ahead) > maxAhead {
		// What lies before them could not be read for so long that it is old.
		newest := f.cursor
		for seq := range f.ahead {
			newest = max(newest, seq)
		}
		f.skip(newest)
	}
}

// Run polls the store for what other nodes have committed whenever something
// comes on tick, which should be about once a second, until ctx ends. An error of
// the store is told to failed, and the next tick tries again.
func (f *Feed) Run(ctx context.Context, tick <-chan time.Time, failed func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if err := f.poll(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// poll gives out what is new in the store.
func (f *Feed) poll(ctx context.Context) error {
	f.mu.Lock()
	watched, after := len(f.subs) > 0, f.cursor
	f.mu.Unlock()
	if !watched {
		return nil
	}
	for read := 0; ; {
		const page = 500
		events, err := f.Admin.Store.Events(ctx, EventFilter{After: after, Limit: page})
		if err != nil {
			return err
		}
		f.mu.Lock()
		// It is behind if everybody left meanwhile and somebody else came: what
		// lies between is not among these events, and the next poll finds it.
		behind := f.cursor < after
		for i := 0; i < len(events) && !behind; i++ {
			f.take(&events[i])
		}
		f.mu.Unlock()
		if behind || len(events) < page {
			return nil
		}
		after = events[len(events)-1].Seq
		if read += len(events); read >= maxPoll {
			break
		}
	}
	// More than anybody could look at: go on with what is new.
	newest, err := f.newest(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subs) > 0 {
		f.skip(newest)
	}
	return nil
}

// take gives out an event that the store has, if it was not given out. Events
// come in the order of their commits and nothing is committed between them
// later, so that all up to it are known now. Callers hold mu.
func (f *Feed) take(ev *auth.Event) {
	if len(f.subs) == 0 || ev.Seq <= f.cursor {
		return
	}
	if _, known := f.ahead[ev.Seq]; known {
		delete(f.ahead, ev.Seq)
	} else {
		f.give(ev)
	}
	f.cursor = ev.Seq
	f.advance()
}

// advance moves the cursor over what was given out behind it: numbers have no
// gaps. Callers hold mu.
func (f *Feed) advance() {
	for {
		if _, known := f.ahead[f.cursor+1]; !known {
			return
		}
		f.cursor++
		delete(f.ahead, f.cursor)
	}
}

// skip gives up what was not given out up to seq. Callers hold mu.
func (f *Feed) skip(seq uint64) {
	if seq <= f.cursor {
		return
	}
	missed := seq - f.cursor
	for known := range f.ahead {
		if known <= seq {
			missed--
			delete(f.ahead, known)
		}
	}
	f.cursor = seq
	f.advance()
	for s := range f.subs {
		s.skipped += missed
		s.wake()
	}
}

// give puts an event into the rings of those who want it. Callers hold mu.
func (f *Feed) give(ev *auth.Event) {
	for s := range f.subs {
		if !s.search.selects(ev) {
			continue
		}
		kept := *ev
		kept.Trace = nil
		if len(s.ring) < ringSize {
			s.ring = append(s.ring, kept)
		} else {
			s.ring[s.start] = kept
			s.start = (s.start + 1) % ringSize
			s.skipped++
		}
		s.wake()
	}
}

func (s *Subscription) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// StillSignedIn checks for somebody who looks on for long that the session with
// which they began is still there and theirs, and returns what they may do now.
// Unlike SessionByToken it does not count as use: a live log that nobody looks
// at does not keep a session from running out. It is a Problem of the kind
// ErrSignedOut if the session is over.
func (a *Admin) StillSignedIn(ctx context.Context, p Person) (Actor, error) {
	s, err := a.Store.Session(ctx, p.Session.Token)
	if err != nil {
		return Actor{}, signedOut(err)
	}
	if s.ID != p.Session.ID || s.Account != p.Account.ID || !s.OpenAt(a.Now()) {
		return Actor{}, signedOut(ErrNotFound)
	}
	acc, err := a.Store.AccountByID(ctx, s.Account)
	if err != nil {
		return Actor{}, signedOut(err)
	}
	may, err := a.mayBeIn(ctx, &acc, s.Client)
	if err != nil {
		return Actor{}, err
	}
	return Actor{Name: acc.Name, Account: acc.ID, May: may}, nil
}
