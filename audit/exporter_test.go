package audit

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
)

// A receiver that was down for a day gets the backlog in the order of the
// commits, and what nobody has delivered meanwhile counts as late.
func TestBacklogOfADay(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	tr := newTrail(t, m, c, quick)
	tr.add("siem", s)
	s.setFail(func([]record) error { return errDown })
	for i := range 240 {
		m.commit(noon.Add(time.Duration(i)*6*time.Minute), 10)
	}
	c.set(noon.Add(24 * time.Hour))
	running(t, tr)
	eventually(t, "a third try", func() bool { return tr.Figures()[0].Failures >= 3 })
	if err := tr.Late(); err == nil || !strings.Contains(err.Error(), "siem") || !strings.Contains(err.Error(), errDown.Error()) {
		t.Errorf("Late = %v; want the exporter and why", err)
	}
	st, err := tr.Status(t.Context())
	if err != nil || st[0].Lag != 24*time.Hour || !st[0].Alarm || st[0].Position != 0 || st[0].Head != 2400 {
		t.Errorf("Status = %+v, %v", st, err)
	}
	s.setFail(nil)
	eventually(t, "all delivered", func() bool { return lastSeq(s.records()) == 2400 })
	eventually(t, "not late", func() bool { return tr.Late() == nil })
	r := wantWhole(t, linesOf(s.records()), 2400)
	if len(r.Notes) > 1 { // the events behind the newest anchor
		t.Errorf("notes: %v", r.Notes)
	}
	eventually(t, "the cursor moved", func() bool { n, _ := m.Cursor(t.Context(), "siem"); return n == 2400 })
	if !slices.IsSorted(m.moved) {
		t.Errorf("the cursor went back: %v", m.moved)
	}
}

// The alarm is about the age of the oldest event, at five minutes and not
// before, is logged once, and ends.
func TestAlarm(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	var log syncBuffer
	tr := nodeTrail(t, m, c, quick, "node-a", slog.New(slog.NewTextHandler(&log, nil)))
	tr.add("siem", s)
	s.setFail(func([]record) error { return errDown })
	m.commit(noon, 1)
	running(t, tr)
	tries := func(n int) func() bool {
		s.mu.Lock()
		want := s.tries + n
		s.mu.Unlock()
		return func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.tries >= want }
	}
	c.set(noon.Add(5 * time.Minute))
	eventually(t, "two tries", tries(2))
	if err := tr.Late(); err != nil || strings.Contains(log.String(), "late") {
		t.Errorf("at five minutes: %v\n%s", err, log.String())
	}
	c.set(noon.Add(5*time.Minute + time.Second))
	eventually(t, "two tries", tries(2))
	if tr.Late() == nil || strings.Count(log.String(), "an export is late") != 1 {
		t.Errorf("after five minutes: %v\n%s", tr.Late(), log.String())
	}
	eventually(t, "two tries", tries(2))
	if n := strings.Count(log.String(), "an export is late"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if n := strings.Count(log.String(), "events were not exported"); n != 1 {
		t.Errorf("one failure again and again was logged %d times", n)
	}
	s.setFail(nil)
	eventually(t, "word that it is on time", func() bool { return strings.Contains(log.String(), "on time again") })
	if err := tr.Late(); err != nil {
		t.Errorf("Late = %v", err)
	}
}

// What was delivered before the cursor could be moved comes again, and nothing
// is left out.
func TestDeliveredButNotKept(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	tr := newTrail(t, m, c, quick)
	tr.add("siem", s)
	m.commit(noon, 7)
	m.failSet = errDown
	running(t, tr)
	eventually(t, "the cursor at 7", func() bool { n, _ := m.Cursor(t.Context(), "siem"); return n == 7 })
	got := s.records()
	if len(got) < 14 {
		t.Errorf("%d records; want all of them twice", len(got))
	}
	r := wantWhole(t, linesOf(got), 7)
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "7 events came more than once") }) {
		t.Errorf("notes: %v", r.Notes)
	}
}

// Only one node ships; when it is gone another goes on from the cursor.
func TestOneNodeShips(t *testing.T) {
	m, c := newModel(), &clock{t: noon}
	a, b := &sink{}, &sink{}
	first := nodeTrail(t, m, c, quick, "node-a", slog.New(slog.DiscardHandler))
	first.add("siem", a)
	second := nodeTrail(t, m, c, quick, "node-b", slog.New(slog.DiscardHandler))
	second.add("siem", b)
	m.commit(noon, 5)
	stop := running(t, first)
	eventually(t, "five at a", func() bool { return lastSeq(a.records()) == 5 })
	running(t, second)
	m.commit(noon, 5)
	eventually(t, "ten at a", func() bool { return lastSeq(a.records()) == 10 })
	if n := len(b.records()); n > 0 || second.Figures()[0].Ships {
		t.Errorf("the second node shipped %d records", n)
	}
	stop()
	m.commit(noon, 5)
	c.set(noon.Add(59 * time.Minute)) // within the lease
	time.Sleep(20 * time.Millisecond)
	if n := lastSeq(b.records()); n > 0 {
		t.Errorf("the second node shipped up to %d while the first had the right to", n)
	}
	c.set(noon.Add(61 * time.Minute))
	eventually(t, "the rest at b", func() bool { return lastSeq(b.records()) == 15 })
	wantWhole(t, append(linesOf(a.records()), linesOf(b.records())...), 15)
}

// Whatever is left when the program ends goes out, with the last anchor.
func TestLastAnchorIsShipped(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	p := quick
	p.poll = time.Hour // nothing but the end makes it look again
	tr := newTrail(t, m, c, p)
	tr.add("siem", s)
	stop := running(t, tr)
	eventually(t, "the first look", func() bool { return tr.Figures()[0].Ships })
	m.commit(noon, 3)
	stop()
	got := s.records()
	if len(got) != 4 || got[3].kind != kindAnchor || got[3].seq != 3 {
		t.Fatalf("%d records; want three events and the anchor", len(got))
	}
	if a := tr.NewestAnchor(); a.Seq != 3 || a.Time != noon || !bytes.Equal(a.Hash, m.head().Hash) || a.Node != "node-a" {
		t.Errorf("newest anchor %+v", a)
	}
	r := wantWhole(t, linesOf(got), 3)
	if len(r.Notes) != 0 || r.Newest != 3 {
		t.Errorf("report %+v", r)
	}
}

// An anchor goes out behind the event that it bears witness to, however slow
// the receiver.
func TestAnchorsAreInOrder(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	p := quick
	p.anchor = time.Millisecond
	tr := newTrail(t, m, c, p)
	tr.add("siem", s)
	running(t, tr)
	for range 30 {
		m.commit(noon, 3)
		time.Sleep(2 * time.Millisecond)
	}
	eventually(t, "the last anchor", func() bool {
		got := s.records()
		return len(got) > 0 && got[len(got)-1].kind == kindAnchor && got[len(got)-1].seq == 90
	})
	if r := wantWhole(t, linesOf(s.records()), 90); len(r.Notes) > 0 || r.Anchors < 3 {
		t.Errorf("report %+v", r)
	}
}

// A batch is made smaller until the receiver takes it.
func TestTooLarge(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	tr := newTrail(t, m, c, quick)
	tr.add("siem", s)
	s.setFail(func(batch []record) error {
		if len(batch) > 10 {
			return fmt.Errorf("post: %w", errTooLarge)
		}
		return nil
	})
	m.commit(noon, 1000)
	running(t, tr)
	eventually(t, "all delivered", func() bool { return lastSeq(s.records()) == 1000 })
	wantWhole(t, linesOf(s.records()), 1000)
}

// Batches are bounded in octets too.
func TestBatchIsBounded(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	tr := newTrail(t, m, c, quick)
	tr.add("siem", s)
	m.commit(noon, 1)
	events, err := m.Events(t.Context(), admin.EventFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	events[0].Trace[0].Note = strings.Repeat("x", 400_000)
	many := slices.Repeat(events, 6)
	batch, err := tr.exporters[0].batch(0, many)
	if err != nil || len(batch) != 2 {
		t.Errorf("%d records of 400 kB in a batch, %v; want 2", len(batch), err)
	}
	many[0].Trace[0].Note = strings.Repeat("x", 2*batchOctets)
	if batch, err = tr.exporters[0].batch(0, many); err != nil || len(batch) != 1 {
		t.Errorf("%d records, %v; want the large one alone", len(batch), err)
	}
}

// An exporter that an operator has given up ships nothing again, and says so.
func TestGiveUp(t *testing.T) {
	m, c, s := newModel(), &clock{t: noon}, &sink{}
	var log syncBuffer
	tr := nodeTrail(t, m, c, quick, "node-a", slog.New(slog.NewTextHandler(&log, nil)))
	tr.add("old", s)
	m.commit(noon, 3)
	if err := GiveUp(t.Context(), m, "old"); err != nil {
		t.Fatal(err)
	}
	running(t, tr)
	eventually(t, "word of it", func() bool { return strings.Contains(log.String(), "was given up") })
	st, err := tr.Status(t.Context())
	if err != nil || !st[0].GivenUp || st[0].Lag != 0 || len(s.records()) > 0 {
		t.Errorf("Status = %+v, %v; %d records", st, err, len(s.records()))
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
