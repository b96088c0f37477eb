package admin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
)

// TestFeedGivesEachEventOnce lets this node and another commit events at random,
// looks on with some subscribers and polls at random, and checks that every
// event after a subscription comes to it exactly once, or is counted as skipped.
func TestFeedGivesEachEventOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &book{}
		f := &Feed{Admin: desk(b)}
		type watcher struct {
			sub     *Subscription
			from    uint64
			got     map[uint64]int
			skipped uint64
		}
		var watchers []*watcher
		var held []auth.Event // committed here; the engine has not told of them yet
		take := func(w *watcher) {
			events, skipped := w.sub.Take()
			if len(events) > ringSize {
				t.Fatalf("%d events at once", len(events))
			}
			if !slices.IsSortedFunc(events, func(x, y EventView) int { return int(x.Seq) - int(y.Seq) }) {
				t.Fatal("events are out of order")
			}
			for _, ev := range events {
				w.got[ev.Seq]++
			}
			w.skipped += skipped
		}
		poll := func(t *rapid.T) {
			if err := f.poll(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		commit := func() auth.Event { return b.commit(auth.Event{Time: noon, Verdict: auth.Reject}) }
		tell := func() {
			for _, ev := range held {
				f.Observe(&ev)
			}
			held = nil
		}
		t.Repeat(map[string]func(*rapid.T){
			"this node commits": func(t *rapid.T) {
				for range rapid.IntRange(1, 150).Draw(t, "events") {
					held = append(held, commit())
				}
			},
			"another node commits": func(t *rapid.T) {
				for range rapid.IntRange(1, 150).Draw(t, "events") {
					commit()
				}
			},
			"the engine tells": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip("nothing to tell")
				}
				// Goroutines tell in any order.
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				ev := held[i]
				held = slices.Delete(held, i, i+1)
				f.Observe(&ev)
			},
			"the engine tells all": func(*rapid.T) { tell() },
			"poll":                 poll,
			"subscribe": func(t *rapid.T) {
				if len(watchers) == 4 {
					t.Skip("enough")
				}
				s, err := f.Subscribe(context.Background(), EventQuery{})
				if err != nil {
					t.Fatal(err)
				}
				watchers = append(watchers, &watcher{sub: s, from: uint64(len(b.events)), got: make(map[uint64]int)})
			},
			"take": func(t *rapid.T) {
				if len(watchers) == 0 {
					t.Skip("nobody looks on")
				}
				take(rapid.SampledFrom(watchers).Draw(t, "who"))
			},
			"leave": func(t *rapid.T) {
				if len(watchers) == 0 {
					t.Skip("nobody looks on")
				}
				watchers[0].sub.Close()
				watchers = watchers[1:]
			},
			"": func(t *rapid.T) {
				for _, w := range watchers {
					for seq, n := range w.got {
						if n != 1 {
							t.Fatalf("event %d came %d times", seq, n)
						}
					}
				}
			},
		})
		tell()
		poll(t)
		newest := uint64(len(b.events))
		for _, w := range watchers {
			take(w)
			// What another node had committed shortly before may come too; what
			// came since the subscription must.
			after := uint64(0)
			for seq := range w.got {
				if seq > w.from {
					after++
				}
			}
			early := uint64(len(w.got)) - after
			if want := newest - w.from; after+w.skipped < want || after > want || early+after+w.skipped > newest {
				t.Fatalf("of %d events since the subscription %d came, %d before it, and %d are said to be skipped", want, after, early, w.skipped)
			}
			if w.skipped == 0 && after != newest-w.from {
				t.Fatalf("%d events are missing and nothing is said of them", newest-w.from-after)
			}
		}
	})
}

// Under real concurrency each of many subscribers who keep up gets every event
// once: nodes commit, the engine tells, the poll reads.
func TestFeedUnderLoad(t *testing.T) {
	b := &book{}
	f := &Feed{Admin: desk(b)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tick := make(chan time.Time)
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx, tick, func(err error) { t.Errorf("poll: %v", err) }) })

	const watchers, each = 3, 500
	counts := make([]map[uint64]int, watchers)
	skipped := make([]uint64, watchers)
	for i := range watchers {
		s, err := f.Subscribe(ctx, EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		counts[i] = make(map[uint64]int)
		running.Go(func() {
			defer s.Close()
			for n := uint64(0); n < 4*each; {
				<-s.Ready()
				events, missed := s.Take()
				for _, ev := range events {
					counts[i][ev.Seq]++
				}
				skipped[i] += missed
				n += uint64(len(events)) + missed
			}
		})
	}
	var committing sync.WaitGroup
	for node := range 4 {
		committing.Go(func() {
			for range each {
				ev := b.commit(auth.Event{Time: noon})
				if node < 2 {
					f.Observe(&ev)
				}
			}
		})
	}
	committing.Go(func() {
		for range 20 {
			tick <- noon
		}
	})
	committing.Wait()
	tick <- noon // finds what the other nodes have committed last
	tick <- noon // the one before has been dealt with
	cancel()
	running.Wait()
	for i := range watchers {
		if got := uint64(len(counts[i])) + skipped[i]; got != 4*each {
			t.Errorf("watcher %d knows of %d events; want %d", i, got, 4*each)
		}
		for seq, n := range counts[i] {
			if n != 1 {
				t.Errorf("watcher %d got event %d %d times", i, seq, n)
			}
		}
	}
}

// Whoever does not read misses the oldest, and learns how many.
func TestFeedRing(t *testing.T) {
	b := &book{}
	f := &Feed{Admin: desk(b)}
	s, err := f.Subscribe(t.Context(), EventQuery{Client: "fw1"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * ringSize {
		ev := auth.Event{Time: noon, Client: "fw1", Trace: []auth.Step{{Note: "secret"}}}
		if i%2 == 1 {
			ev.Client = "fw2"
		}
		ev = b.commit(ev)
		f.Observe(&ev)
		ev.Trace[0].Note = "changed afterwards"
	}
	select {
	case <-s.Ready():
	default:
		t.Error("nothing is said to be ready")
	}
	events, skipped := s.Take()
	if len(events) != ringSize || skipped != ringSize/2 || events[0].Seq != ringSize+1 || events[ringSize-1].Seq != 3*ringSize-1 {
		t.Errorf("Take returns %d events and %d skipped; want the newest %d of the client and %d", len(events), skipped, ringSize, ringSize/2)
	}
	if events, skipped = s.Take(); len(events)+int(skipped) != 0 {
		t.Errorf("a second Take returns %d events and %d skipped", len(events), skipped)
	}
	s.Close()
	ev := b.commit(auth.Event{Client: "fw1"})
	f.Observe(&ev)
	if events, _ := s.Take(); len(events) != 0 {
		t.Error("events come after Close")
	}
	if len(f.ahead) != 0 || f.watched.Load() {
		t.Error("the feed goes on collecting when nobody looks on")
	}
}

// When other nodes commit more than anybody could read, or the store was away
// for long, the log goes on with what is new and says what is missing.
func TestFeedSkips(t *testing.T) {
	b := &book{}
	f := &Feed{Admin: desk(b)}
	s, err := f.Subscribe(t.Context(), EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxPoll {
		b.commit(auth.Event{Time: noon})
	}
	if err := f.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, skipped := s.Take()
	if uint64(len(events))+skipped != 3*maxPoll || b.reads > maxPoll+1000 {
		t.Errorf("%d events and %d skipped of %d, from %d rows", len(events), skipped, 3*maxPoll, b.reads)
	}

	// The store is away: one event of another node stays unknown.
	missing := b.commit(auth.Event{Time: noon})
	total := uint64(0)
	for range maxAhead + 1 {
		ev := b.commit(auth.Event{Time: noon})
		f.Observe(&ev)
		if events, skipped := s.Take(); true {
			total += uint64(len(events)) + skipped
		}
	}
	if total != maxAhead+2 || len(f.ahead) != 0 || f.cursor != missing.Seq+maxAhead+1 {
		t.Errorf("%d events are told of; want %d; %d are kept", total, maxAhead+2, len(f.ahead))
	}
}

// A failure of the store is told, and the next tick finds what was missed.
func TestFeedGoesOnAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		f := &Feed{Admin: desk(b)}
		s, err := f.Subscribe(t.Context(), EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		tick, failed := make(chan time.Time), make(chan error, 1)
		done := make(chan struct{})
		go func() { f.Run(ctx, tick, func(err error) { failed <- err }); close(done) }()
		b.commit(auth.Event{Time: noon})
		b.mu.Lock()
		b.broken = errors.New("the disk is gone")
		b.mu.Unlock()
		tick <- noon
		if err := <-failed; err == nil {
			t.Error("no error is told")
		}
		b.mu.Lock()
		b.broken = nil
		b.mu.Unlock()
		tick <- noon
		<-s.Ready()
		if events, skipped := s.Take(); len(events) != 1 || skipped != 0 {
			t.Errorf("%d events and %d skipped; want the one", len(events), skipped)
		}
		cancel()
		<-done
	})
}

func TestFeedIsBounded(t *testing.T) {
	f := &Feed{Admin: desk(&book{})}
	for range maxSubscribers {
		if _, err := f.Subscribe(t.Context(), EventQuery{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Subscribe(t.Context(), EventQuery{}); !errors.Is(err, ErrCrowded) {
		t.Errorf("one more subscriber: %v; want %v", err, ErrCrowded)
	}
	for s := range maps.Clone(f.subs) {
		s.Close()
	}
	if _, err := f.Subscribe(t.Context(), EventQuery{Verdicts: []string{"maybe"}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a filter that makes no sense: %v", err)
	}
}
