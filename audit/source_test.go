package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func mac(message []byte) [32]byte {
	h := hmac.New(sha256.New, []byte("the installation's key"))
	h.Write(message)
	return [32]byte(h.Sum(nil))
}

// A model is a Source in memory whose events are in a chain, several to a row
// as in a database. Its failures are set by tests.
type model struct {
	mu      sync.Mutex
	rows    []row
	cut     admin.Link
	cursors map[string]uint64
	leases  map[string]lease
	moved   []uint64 // what cursors were set to, in order

	failSet error // what the next SetCursor returns
}

type row struct {
	first, last uint64
	body        []byte // JSON of events
	events      []auth.Event
	hash        []byte
}

type lease struct {
	holder string
	until  time.Time
}

var _ Source = (*model)(nil)

func newModel() *model {
	return &model{cursors: make(map[string]uint64), leases: make(map[string]lease)}
}

func link(before []byte, r *row) []byte {
	h := hmac.New(sha256.New, []byte("the chain's key"))
	fmt.Fprintf(h, "%d:%s%d:%d:%d:%s", len(before), before, r.first, r.last, len(r.body), r.body)
	return h.Sum(nil)
}

// commit adds events, n of them in one row.
func (m *model) commit(at time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.head()
	var events []auth.Event
	for i := range n {
		events = append(events, event(before.Seq+1+uint64(i), at))
	}
	body, err := json.Marshal(events)
	if err != nil {
		panic(err)
	}
	r := row{first: before.Seq + 1, last: before.Seq + uint64(n), body: body, events: events}
	r.hash = link(before.Hash, &r)
	m.rows = append(m.rows, r)
}

func event(seq uint64, at time.Time) auth.Event {
	return auth.Event{
		Seq: seq, Time: at, Took: 1500 * time.Microsecond, Door: "radius", Client: "fw1", Application: "vpn",
		Source: netip.MustParseAddrPort("192.0.2.1:1645"), From: `"198.51.100.7]\` + "\n", Subject: "id-1", Account: "älice",
		Verdict: auth.Reject, Outcome: auth.OATHCodeIncorrect, Factor: "oath", Authenticator: "a1", Rule: "everyone",
		Node: "node-a", Failures: 1, Count: 1, Trace: []auth.Step{{Stage: auth.StageAnswer, Note: "the code did not match"}},
	}
}

func (m *model) head() admin.Link {
	if len(m.rows) == 0 {
		return m.cut
	}
	r := m.rows[len(m.rows)-1]
	return admin.Link{Seq: r.last, Hash: r.hash}
}

func (m *model) Head(context.Context) (admin.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head(), nil
}

func (m *model) Events(_ context.Context, f admin.EventFilter) ([]auth.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []auth.Event
	for _, r := range m.rows {
		if r.last <= f.After || len(all) >= f.Limit && !f.Newest {
			continue
		}
		for _, ev := range r.events {
			if ev.Seq > f.After {
				all = append(all, ev)
			}
		}
	}
	if len(all) > f.Limit {
		if f.Newest {
			return all[len(all)-f.Limit:], nil
		}
		return all[:f.Limit], nil
	}
	return all, nil
}

func (m *model) Verify(_ context.Context, each func(admin.Link)) (admin.Chain, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := admin.Chain{Head: m.cut, Cut: m.cut}
	for i := range m.rows {
		r := &m.rows[i]
		if r.first != c.Head.Seq+1 || r.last < r.first || !bytes.Equal(r.hash, link(c.Head.Hash, r)) {
			c.Broken = fmt.Sprintf("row %d to %d does not fit", r.first, r.last)
			break
		}
		c.Head = admin.Link{Seq: r.last, Hash: r.hash}
		if c.First == 0 {
			c.First = r.first
		}
		c.Last = r.last
		each(c.Head)
	}
	return c, nil
}

func (m *model) Cursor(_ context.Context, exporter string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[exporter], nil
}

func (m *model) SetCursor(_ context.Context, exporter string, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failSet; err != nil && seq > 0 {
		m.failSet = nil
		return err
	}
	m.moved = append(m.moved, seq)
	m.cursors[exporter] = max(m.cursors[exporter], seq)
	return nil
}

func (m *model) Lease(_ context.Context, work, holder string, now, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.leases[work]; ok && l.holder != holder && now.Before(l.until) {
		return false, nil
	}
	m.leases[work] = lease{holder, until}
	return true, nil
}

// clone copies the database, as a thief or a backup does.
func (m *model) clone() *model {
	c := newModel()
	c.cut = m.cut
	for _, r := range m.rows {
		c.rows = append(c.rows, row{r.first, r.last, bytes.Clone(r.body), r.events, bytes.Clone(r.hash)})
	}
	return c
}

// retain deletes the first n rows.
func (m *model) retain(n int) {
	m.cut = admin.Link{Seq: m.rows[n-1].last, Hash: m.rows[n-1].hash}
	m.rows = slices.Clone(m.rows[n:])
}

// quick are the paces of tests.
var quick = pace{
	poll: 2 * time.Millisecond, anchor: time.Hour, lease: time.Hour, again: 2 * time.Millisecond,
	wait: time.Millisecond, waitMost: 10 * time.Millisecond, alarm: 5 * time.Minute, last: 5 * time.Second,
}

// A clock is set by tests.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// newTrail makes a Trail of one node.
func newTrail(t *testing.T, s Source, c *clock, p pace, targets ...Target) *Trail {
	t.Helper()
	return nodeTrail(t, s, c, p, "node-a", slog.New(slog.DiscardHandler), targets...)
}

func nodeTrail(t *testing.T, s Source, c *clock, p pace, node string, log *slog.Logger, targets ...Target) *Trail {
	t.Helper()
	tr, err := open(Options{
		Source: s, Targets: targets, Node: node, Anchors: filepath.Join(t.TempDir(), "anchors"), MAC: mac,
		Reference: func(seq uint64) auth.Reference { return auth.NewReferences([]byte("k")).Of(seq) },
		Now:       c.now, Log: log,
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// running runs a Trail until the test ends or the function is called.
func running(t *testing.T, tr *Trail) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		tr.Run(ctx)
		close(done)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A sink is a receiver in memory.
type sink struct {
	mu    sync.Mutex
	got   []record
	fail  func(batch []record) error // nil for none
	short bool
	tries int
}

func (s *sink) brief() bool { return s.short }
func (s *sink) close()      {}

func (s *sink) deliver(_ context.Context, batch []record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.fail != nil {
		if err := s.fail(batch); err != nil {
			return err
		}
	}
	s.got = append(s.got, batch...)
	return nil
}

func (s *sink) setFail(f func([]record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *sink) records() []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// add gives a Trail an exporter to a sink.
func (t *Trail) add(name string, to receiver) {
	t.exporters = append(t.exporters, &exporter{trail: t, name: name, url: "sink:" + name, to: to, limit: batchMost})
}

var errDown = errors.New("the receiver is down")

// lastSeq returns the newest event among records.
func lastSeq(list []record) (seq uint64) {
	for _, r := range list {
		if r.kind == kindEvent {
			seq = max(seq, r.seq)
		}
	}
	return seq
}

// wantWhole checks that records, as a receiver kept them, are all events from 1
// to n, in order, repeats aside.
func wantWhole(t *testing.T, lines [][]byte, n uint64) Report {
	t.Helper()
	c := ExportCheck{From: 1}
	for i, line := range lines {
		c.Line(i+1, line, Authentic(Record(line), mac))
	}
	r := c.End(Anchor{})
	if !r.Whole() || r.Last != n {
		t.Errorf("events %d to %d arrived, want 1 to %d: %v", r.First, r.Last, n, r.Findings)
	}
	return r
}

func linesOf(list []record) (lines [][]byte) {
	for _, r := range list {
		lines = append(lines, r.line)
	}
	return lines
}

var discard = slog.New(slog.DiscardHandler)

func noReference(uint64) auth.Reference { return "" }
