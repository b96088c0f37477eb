// Package audit ships committed events outward from a durable cursor (syslog,
// webhook, file), never in the path of a login, and judges whether what is in a
// database or an export is whole.
//
// It hides the wire forms: syslog messages (RFC 5424) over UDP (RFC 5426), over
// TCP with octet counting (RFC 6587, Section 3.4.1) and over TLS (RFC 5425);
// JSON batches by POST, signed; and a file of JSON lines. Each record is
// delivered at least once and in the order of the commits. The cursor is in the
// database and moves only after delivery, so that a record can come twice after
// a crash and never be left out. A receiver that is down costs nobody anything:
// the backlog waits in the database, which does not delete what was not
// delivered.
//
// Every record is one line of JSON that ends in a signature under the
// installation's keys, so that a copy of it anywhere can be checked. Each
// minute in which something happened, the end of the chain of events is written
// down as an anchor, in a file outside the database and through every exporter:
// whoever cuts off the newest events, or puts an old copy of the database in
// place of the new one, has to change all those places as well.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A Source is the part of admin.Store that events come from and that keeps how
// far they were delivered.
type Source interface {
	Events(ctx context.Context, f admin.EventFilter) ([]auth.Event, error)
	Head(ctx context.Context) (admin.Link, error)
	Verify(ctx context.Context, each func(admin.Link)) (admin.Chain, error)
	Cursor(ctx context.Context, exporter string) (uint64, error)
	SetCursor(ctx context.Context, exporter string, seq uint64) error
	Lease(ctx context.Context, work, holder string, now, until time.Time) (held bool, err error)
}

var _ Source = admin.Store(nil)

// Options say what a Trail works on. All fields but Targets are required.
type Options struct {
	Source  Source
	Targets []Target
	Node    string // name of this node, in leases and anchors
	Anchors string // path of the file of anchors
	// MAC is a keyed hash that stays the same for the life of the installation,
	// for nothing but this package.
	MAC MAC
	// Reference returns the reference of an event.
	Reference func(seq uint64) auth.Reference
	Now       func() time.Time
	Log       *slog.Logger
}

// A MAC is a keyed hash.
type MAC func(message []byte) [32]byte

// GivenUp is the cursor of an exporter that an operator has given up: nothing
// waits for it, and an exporter of that name ships nothing again.
const GivenUp = 1<<63 - 1

// A pace is how often things are done. Tests have their own.
type pace struct {
	poll     time.Duration // between looks for new events when there are none
	anchor   time.Duration // between anchors
	lease    time.Duration // how long this node has the right to ship; longer than any delivery can take
	again    time.Duration // until a node that may not ship asks again
	wait     time.Duration // after a failure, doubled after each further one
	waitMost time.Duration
	alarm    time.Duration // how old an undelivered event may get
	last     time.Duration // for what is left when the program ends
}

var usual = pace{
	poll: time.Second, anchor: time.Minute, lease: 2 * time.Minute, again: 10 * time.Second,
	wait: time.Second, waitMost: time.Minute, alarm: 5 * time.Minute, last: 5 * time.Second,
}

// A Trail ships events and writes anchors. Its methods may be called
// concurrently.
type Trail struct {
	o         Options
	pace      pace
	anchors   *anchorFile
	exporters []*exporter
}

// Open checks the targets and the file of anchors, which it makes if it is
// missing. Nothing is connected and nothing shipped before Run.
func Open(o Options) (*Trail, error) { return open(o, usual) }

func open(o Options, p pace) (*Trail, error) {
	t := &Trail{o: o, pace: p}
	var err error
	if t.anchors, err = openAnchors(o.Anchors, o.Node, o.MAC); err != nil {
		return nil, err
	}
	for _, target := range o.Targets {
		to, err := target.receiver(o.Now)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.exporters = append(t.exporters, &exporter{trail: t, name: target.Name, url: target.shown(), to: to, limit: batchMost})
	}
	return t, nil
}

// Close gives back what Open opened. Run must have returned.
func (t *Trail) Close() error { return t.anchors.close() }

// Run ships and anchors until ctx ends, then writes the last anchor and spends
// a few seconds on what is left to ship. Nothing that others do waits for it.
func (t *Trail) Run(ctx context.Context) {
	// Exporters end after the last anchor was written, to take it along.
	shipping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for _, e := range t.exporters {
		wg.Go(func() { e.run(shipping) })
	}
	t.Anchor(ctx)
	for tick := time.NewTicker(t.pace.anchor); ; {
		select {
		case <-tick.C:
			t.Anchor(ctx)
			continue
		case <-ctx.Done():
			tick.Stop()
		}
		break
	}
	last, cancel := context.WithTimeout(shipping, t.pace.last)
	defer cancel()
	t.Anchor(last)
	stop()
	wg.Wait()
}

// Anchor writes down the end of the chain if it has moved, as Run does each
// minute. That it cannot is logged.
func (t *Trail) Anchor(ctx context.Context) {
	head, err := t.o.Source.Head(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.o.Log.Warn("no anchor was written: the end of the chain of events cannot be read", "err", err)
		}
		return
	}
	a, moved, err := t.anchors.add(head, t.o.Now())
	if err != nil {
		t.o.Log.Error("no anchor was written; until one is, a cut of the newest events would not be found", "file", t.o.Anchors, "err", err)
	}
	if !moved {
		return
	}
	for _, e := range t.exporters { // a witness elsewhere is as good
		e.anchored(a)
	}
}

// A Status is how an exporter stands.
type Status struct {
	Name     string
	URL      string // without anything secret
	Position uint64 // newest event that was delivered
	Head     uint64 // newest event that there is
	Oldest   time.Time
	Lag      time.Duration // age of the oldest event that was not delivered, 0 if all were
	Alarm    bool          // the lag is too long
	GivenUp  bool

	// What this node has seen since it started.
	Ships       bool // it is the one that ships
	Delivered   uint64
	Failures    uint64 // failed deliveries
	LastSuccess time.Time
	LastError   string
	LastFailure time.Time
}

// Status says how the exporters stand, in the order of the targets.
func (t *Trail) Status(ctx context.Context) ([]Status, error) {
	head, err := t.o.Source.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: read the end of the chain: %w", err)
	}
	list := make([]Status, len(t.exporters))
	for i, e := range t.exporters {
		s := e.figures()
		if s.Position, err = t.o.Source.Cursor(ctx, cursorName(e.name)); err != nil {
			return nil, fmt.Errorf("audit: read the cursor of %s: %w", e.name, err)
		}
		s.Head = head.Seq
		s.Oldest, s.Lag, s.Alarm = time.Time{}, 0, false
		if s.Position == GivenUp {
			s.GivenUp = true
		} else if s.Position < head.Seq {
			events, err := t.o.Source.Events(ctx, admin.EventFilter{After: s.Position, Limit: 1})
			if err != nil {
				return nil, fmt.Errorf("audit: read the next event of %s: %w", e.name, err)
			}
			if len(events) > 0 {
				s.age(events[0].Time, t.o.Now(), t.pace.alarm)
			}
		}
		list[i] = s
	}
	return list, nil
}

// age sets the lag.
func (s *Status) age(oldest, now time.Time, alarm time.Duration) {
	s.Oldest = oldest
	s.Lag = max(0, now.Sub(oldest))
	s.Alarm = s.Lag > alarm
}

// Figures are the statuses as far as this node knows them without asking the
// database, for metrics: Head is not set, and of an exporter that another node
// ships only the name.
func (t *Trail) Figures() []Status {
	list := make([]Status, len(t.exporters))
	for i, e := range t.exporters {
		list[i] = e.figures()
	}
	return list
}

// Late returns nil, or which exporters of this node are late and why.
func (t *Trail) Late() error {
	var errs []error
	for _, s := range t.Figures() {
		if s.Alarm {
			errs = append(errs, fmt.Errorf("export %s: the oldest event that was not delivered is %s old: %s",
				s.Name, s.Lag.Round(time.Second), cmp.Or(s.LastError, "the receiver is too slow")))
		}
	}
	return errors.Join(errs...)
}

// NewestAnchor returns the newest anchor that this node has written; the zero
// Anchor if there is none.
func (t *Trail) NewestAnchor() Anchor { return t.anchors.newest() }

// GiveUp lets nothing wait any more for the exporter of that name, which is no
// target of this program any longer: its events may be deleted. It cannot be
// undone; a new exporter needs a new name.
func GiveUp(ctx context.Context, s Source, name string) error {
	if err := s.SetCursor(ctx, cursorName(name), GivenUp); err != nil {
		return fmt.Errorf("audit: give up %s: %w", name, err)
	}
	return nil
}

// cursorName is what the cursor and the lease of an exporter are kept under.
func cursorName(exporter string) string { return exporter }
