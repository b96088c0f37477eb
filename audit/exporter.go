package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

const (
	// batchMost is how many records are delivered at once, and batchOctets how
	// large they are together, one record aside.
	batchMost   = 500
	batchOctets = 1 << 20
	// anchorsMost bounds the anchors that wait for a receiver: a week's.
	anchorsMost = 7 * 24 * 60
)

// errTooLarge says that a receiver takes no batch of that size.
var errTooLarge = errors.New("the receiver says that the batch is too large")

// A receiver takes records. It is used by one goroutine at a time.
type receiver interface {
	// brief reports whether records must be short: without traces.
	brief() bool
	// deliver returns nil once the batch is delivered, as far as its protocol
	// can tell, and an error if that is not known; then the same records come
	// again. It takes a bounded time, a good deal less than pace.lease.
	deliver(ctx context.Context, batch []record) error
	// close gives the connection or file back; deliver opens another.
	close()
}

// A hint is an error of a receiver that says when to come again.
type hint struct {
	error
	after time.Duration
}

func (h hint) Unwrap() error { return h.error }

// An exporter brings the events to one receiver, in order.
type exporter struct {
	trail *Trail
	name  string
	url   string
	to    receiver

	// Owned by run.
	limit      int // records in a batch; smaller after errTooLarge
	registered bool
	leased     time.Time // until when this node may ship

	mu sync.Mutex
	// mu guards the fields below.
	status  Status    // Oldest is set while something waits; Lag and Alarm are not
	pending []Anchor  // to ship, by time
	alarmed bool      // has been logged
	since   time.Time // of the oldest undelivered event
}

// anchored adds an anchor to what is to be shipped.
func (e *exporter) anchored(a Anchor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.status.Ships { // another node ships its own
		e.pending = e.pending[:0]
	}
	if e.pending = append(e.pending, a); len(e.pending) > anchorsMost {
		e.pending = slices.Delete(e.pending, 0, 1)
	}
}

func (e *exporter) figures() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.status
	s.Name, s.URL = e.name, e.url
	if !e.since.IsZero() {
		s.age(e.since, e.trail.o.Now(), e.trail.pace.alarm)
	}
	return s
}

// run ships until ctx ends, then what is left if the receiver takes it at once.
func (e *exporter) run(ctx context.Context) {
	p := &e.trail.pace
	wait := p.wait
	for ctx.Err() == nil {
		some, held, err := e.step(ctx)
		pause := time.Duration(0)
		switch {
		case ctx.Err() != nil: // it failed because it was told to end
		case err != nil:
			pause, wait = wait, min(2*wait, p.waitMost)
			var h hint
			if errors.As(err, &h) {
				pause = min(max(pause, h.after), p.waitMost)
			}
			if errors.Is(err, errTooLarge) {
				pause = 0
			}
		case !held:
			pause, wait = p.again, p.wait
		case some:
			wait = p.wait
		default:
			pause, wait = p.poll, p.wait
		}
		sleep(ctx, pause)
	}
	e.finish()
	e.to.close()
}

// finish ships what is left, within the time that there is.
func (e *exporter) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), e.trail.pace.last)
	defer cancel()
	for {
		some, held, err := e.step(ctx)
		if err != nil || !held || !some {
			return
		}
	}
}

// sleep waits, or less if ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// step delivers the next batch. It reports whether there was any, and whether
// this node has the right to ship.
func (e *exporter) step(ctx context.Context) (some, held bool, err error) {
	o, now := &e.trail.o, e.trail.o.Now()
	held = true
	if e.leased.Sub(now) < e.trail.pace.lease/2 { // else there is time enough left
		until := now.Add(e.trail.pace.lease)
		if held, err = o.Source.Lease(ctx, "export "+e.name, o.Node, now, until); err != nil {
			return false, false, e.failed(ctx, fmt.Errorf("ask for the right to ship: %w", err))
		}
		if e.leased = until; !held {
			e.leased = time.Time{}
		}
	}
	cursor, err := uint64(0), error(nil)
	if held {
		if cursor, err = o.Source.Cursor(ctx, cursorName(e.name)); err != nil {
			return false, true, e.failed(ctx, fmt.Errorf("read the cursor: %w", err))
		}
	}
	if !held || cursor == GivenUp {
		e.rest(cursor == GivenUp)
		return false, false, nil
	}
	if !e.registered { // from now on nothing is deleted that was not delivered
		if err := o.Source.SetCursor(ctx, cursorName(e.name), cursor); err != nil {
			return false, true, e.failed(ctx, fmt.Errorf("keep the cursor: %w", err))
		}
		e.registered = true
	}
	events, err := o.Source.Events(ctx, admin.EventFilter{After: cursor, Limit: e.limit})
	if err != nil {
		return false, true, e.failed(ctx, fmt.Errorf("read events: %w", err))
	}
	var oldest time.Time
	if len(events) > 0 {
		oldest = events[0].Time
	}
	e.waiting(cursor, oldest)
	batch, err := e.batch(cursor, events)
	if err != nil {
		return false, true, e.failed(ctx, err)
	}
	if len(batch) == 0 {
		return false, true, nil
	}
	if err := e.to.deliver(ctx, batch); err != nil {
		if errors.Is(err, errTooLarge) && e.limit > 1 {
			e.limit = max(1, len(batch)/2)
			return true, true, err
		}
		return false, true, e.failed(ctx, err)
	}
	if err := e.delivered(ctx, cursor, batch); err != nil {
		return false, true, e.failed(ctx, err)
	}
	return true, true, nil
}

// batch renders events after the cursor and puts each anchor that waits behind
// the event that it bears witness to.
func (e *exporter) batch(cursor uint64, events []auth.Event) ([]record, error) {
	e.mu.Lock()
	pending := slices.Clone(e.pending)
	e.mu.Unlock()
	var batch []record
	octets := 0
	position := cursor
	anchors := func() error {
		for len(pending) > 0 && pending[0].Seq <= position {
			a := pending[0]
			line, err := a.line(e.trail.o.MAC)
			if err != nil {
				return fmt.Errorf("audit: render an anchor: %w", err)
			}
			batch = append(batch, record{kind: kindAnchor, seq: a.Seq, line: line, anchor: a})
			pending = pending[1:]
		}
		return nil
	}
	if err := anchors(); err != nil {
		return nil, err
	}
	for i := range events {
		r, err := e.trail.eventRecord(&events[i], !e.to.brief())
		if err != nil {
			return nil, err
		}
		if octets += len(r.line); octets > batchOctets && len(batch) > 0 {
			break
		}
		batch = append(batch, r)
		position = r.seq
		if err := anchors(); err != nil {
			return nil, err
		}
	}
	return batch, nil
}

// delivered moves the cursor.
func (e *exporter) delivered(ctx context.Context, cursor uint64, batch []record) error {
	events, anchors := uint64(0), 0
	for _, r := range batch {
		if r.kind == kindAnchor {
			anchors++
			continue
		}
		cursor = r.seq
		events++
	}
	if events > 0 {
		// What is delivered is delivered, even if we are told to end.
		keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.trail.pace.last)
		defer cancel()
		if err := e.trail.o.Source.SetCursor(keep, cursorName(e.name), cursor); err != nil {
			return fmt.Errorf("the batch was delivered, but the cursor could not be moved, so that it will be delivered again: %w", err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending = slices.Delete(e.pending, 0, anchors)
	e.status.Position = cursor
	e.status.Delivered += events
	e.status.LastSuccess = e.trail.o.Now()
	if events > 0 {
		e.since = time.Time{} // until the next look
	}
	return nil
}

// rest notes that this node does not ship.
func (e *exporter) rest(givenUp bool) {
	e.to.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if givenUp && !e.status.GivenUp {
		e.trail.o.Log.Warn("an exporter of this name was given up and ships nothing; give it another name", "export", e.name)
	}
	e.status.Ships, e.status.GivenUp = false, givenUp
	e.since = time.Time{}
	if n := len(e.pending); n > 1 {
		e.pending = slices.Delete(e.pending, 0, n-1)
	}
}

// waiting notes what there is to deliver.
func (e *exporter) waiting(cursor uint64, oldest time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.Ships, e.status.Position = true, cursor
	e.since = oldest
	late := !oldest.IsZero() && e.trail.o.Now().Sub(oldest) > e.trail.pace.alarm
	switch {
	case late && !e.alarmed:
		e.trail.o.Log.Warn("an export is late; events wait in the database and nothing is lost",
			"export", e.name, "to", e.url, "oldest", oldest, "last_error", e.status.LastError)
	case !late && e.alarmed:
		e.trail.o.Log.Info("an export is on time again", "export", e.name, "to", e.url)
	}
	e.alarmed = late
}

// failed notes an error and returns it.
func (e *exporter) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.Failures++
	if text := err.Error(); text != e.status.LastError || e.status.LastFailure.Before(e.status.LastSuccess) {
		e.trail.o.Log.Warn("events were not exported; it is tried again", "export", e.name, "to", e.url, "err", err)
	}
	e.status.LastError, e.status.LastFailure = err.Error(), e.trail.o.Now()
	return err
}
