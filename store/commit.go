package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"sallyport/auth"
	"sallyport/seal"
)

const (
	queueLength = 4096 // settlements that may wait to be written
	groupLength = 512  // settlements written in one transaction
)

// A request waits for the committer: a settlement, or a function that runs
// between two groups.
type request struct {
	s      auth.Settlement
	row    eventRow
	extra  []auth.Spend // marks that are not in the row
	states [][]byte     // sealed new states, in the order of s.Spend; nil where there is none
	proven string       // of s.Open
	closes []*challenge // s.Close and all open ones of its login
	purges bool         // there are cache entries to forget
	ready  []string     // authenticators that are rewound no more

	run func()      // instead of all of the above
	at  atomic.Bool // taken, by the committer to run it or by its caller to call it off

	seq  uint64
	err  error
	done chan struct{} // holds one: that the answer is there
}

func (r *request) answer(seq uint64, err error) {
	r.seq, r.err = seq, err
	r.done <- struct{}{}
}

// requests are those that were answered and can carry another settlement. One
// whose caller has gone away is not among them: the committer may have it yet.
var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// recycle puts back a request that nobody else knows any more.
func (r *request) recycle() {
	*r = request{done: r.done, row: eventRow{body: r.row.body[:0]}}
	requests.Put(r)
}

// Commit implements auth.Store. If ctx ends first, its error is returned and
// it is open whether the settlement is or will be written.
func (s *Store) Commit(ctx context.Context, settlement auth.Settlement) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r := requests.Get().(*request)
	r.s = settlement
	if err := r.prepare(s.ring); err != nil {
		r.recycle()
		return 0, fmt.Errorf("store: commit: %w", err)
	}
	select {
	case <-s.quit:
		return 0, fmt.Errorf("store: commit: %w", errClosed)
	default:
	}
	select {
	case s.queue <- r:
	default:
		r.recycle()
		s.overload.Add(1)
		return 0, fmt.Errorf("store: commit: %w", ErrOverloaded)
	}
	answered, err := s.await(ctx, r)
	seq := uint64(0)
	if answered {
		seq, err = r.seq, r.err
		r.recycle()
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		err = fmt.Errorf("store: commit: %w", err)
	}
	return seq, err
}

// await waits until a request that is in the queue is answered, or returns why
// it no longer does.
func (s *Store) await(ctx context.Context, r *request) (answered bool, err error) {
	select {
	case <-r.done:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-s.stopped:
	}
	select { // the committer may have answered before it stopped
	case <-r.done:
		return true, nil
	default:
		return false, errClosed
	}
}

// prepare does for a settlement what need not be done one after the other.
func (r *request) prepare(ring *seal.Keyring) error {
	st := &r.s
	if st.Subject == "" && (st.Throttle != nil || len(st.Spend) > 0 || st.Open != nil || st.Close != "" ||
		len(st.Cache) > 0 || st.Purge || st.Bypass != "") {
		return errors.New("a settlement without subject can carry no more than its event")
	}
	if st.Open != nil && st.Open.Subject != st.Subject {
		return errors.New("a settlement can open a challenge for its own subject only")
	}
	e := &st.Event
	r.row = eventRow{
		body:   r.row.body[:0],
		timeUS: micros(e.Time), subject: e.Subject, outcome: int64(e.Outcome),
		authenticator: e.Authenticator, mark: auth.NoMark,
		kind: eventKind{e.Application, e.Client, e.Factor},
	}
	for i := range st.Spend {
		sp := &st.Spend[i]
		if sp.Mark != auth.NoMark {
			// The event's line keeps the mark of the authenticator that it
			// names; others are rare and get a row of their own. The subject
			// must be the settlement's, since the mark is found again by it, and
			// the line must keep both names as they are.
			if sp.Authenticator == e.Authenticator && st.Subject == e.Subject && r.row.mark == auth.NoMark &&
				utf8.ValidString(e.Authenticator) && utf8.ValidString(e.Subject) {
				r.row.mark = sp.Mark
			} else {
				r.extra = append(r.extra, *sp)
			}
		}
		if sp.Next != nil {
			sealed, err := ring.Seal(stateBinding(sp.Authenticator), sp.Next)
			if err != nil {
				return fmt.Errorf("seal state of authenticator %s: %w", sp.Authenticator, err)
			}
			if r.states == nil {
				r.states = make([][]byte, len(st.Spend))
			}
			r.states[i] = sealed
		}
	}
	if st.Open != nil {
		r.proven = textOf(st.Open.Proven)
	}
	r.row.body = appendBody(r.row.body, e, r.row.mark)
	return nil
}

// exclusive runs f in the committer's goroutine, between two groups, and
// returns its error. If ctx ends before f has begun, f never runs.
func (s *Store) exclusive(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{done: make(chan struct{}, 1)}
	r.run = func() {
		if s.failure.Load() != nil {
			r.answer(0, *s.failure.Load())
			return
		}
		r.answer(0, s.judge(f()))
	}
	select {
	case <-s.quit:
		return errClosed
	default:
	}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return errClosed
	}
	answered, err := s.await(ctx, r)
	if answered {
		return r.err
	}
	if errors.Is(err, ctx.Err()) && !r.at.CompareAndSwap(false, true) {
		// It has begun, and what it was given belongs to our caller.
		select {
		case <-r.done:
			return r.err
		case <-s.stopped:
			return errClosed
		}
	}
	return err
}

// judge puts the store into its failed state if err calls for it, and returns
// err with the sentinel that belongs to it.
func (s *Store) judge(err error) error {
	if err == nil {
		return nil
	}
	if faultOf(err) == faultFatal {
		s.fail(err)
	}
	return wrapFull(err)
}

// idleDelay is how long nothing must have arrived before the committer turns
// to what can wait.
const idleDelay = 100 * time.Millisecond

// commitAll is the committer: it takes what has queued, writes it, and starts
// again. What arrives meanwhile is the next group; there is no timer in the
// way of a login.
func (s *Store) commitAll() {
	defer s.shutDown()
	idle := time.NewTimer(idleDelay)
	defer idle.Stop()
	group := make([]*request, 0, groupLength)
	for {
		var next *request
		select {
		case next = <-s.queue:
		default:
			if s.restless() {
				idle.Reset(idleDelay)
			}
			select {
			case next = <-s.queue:
			case <-idle.C:
				s.background()
				continue
			case <-s.quit:
				s.drain(group)
				return
			}
		}
		s.turn(group, next)
	}
}

// turn writes next and what has queued behind it.
func (s *Store) turn(group []*request, next *request) {
	group = group[:0]
	defer func() { clear(group[:cap(group)]) }() // what is answered can be freed
	for next != nil && next.run == nil {
		group = append(group, next)
		next = nil
		if len(group) < groupLength {
			select {
			case next = <-s.queue:
			default:
			}
		}
	}
	if len(group) > 0 {
		s.settle(group)
	}
	if next != nil && next.at.CompareAndSwap(false, true) {
		next.run()
	}
}

// drain answers what has queued when the store is closed.
func (s *Store) drain(group []*request) {
	for {
		select {
		case next := <-s.queue:
			s.turn(group, next)
		default:
			return
		}
	}
}

// settle checks, writes and answers a group.
func (s *Store) settle(group []*request) {
	if p := s.failure.Load(); p != nil {
		for _, r := range group {
			r.answer(0, *p)
		}
		return
	}
	w := &s.w
	w.accepted, w.later = w.accepted[:0], w.later[:0]
	clear(w.moved)
	for _, r := range group {
		switch s.check(r) {
		case checkGood:
			w.accepted = append(w.accepted, r)
		case checkMoved:
			s.conflicts.Add(1)
			r.answer(0, auth.ErrConflict)
		case checkAfter:
			w.later = append(w.later, r)
		}
	}
	if len(w.accepted) == 0 {
		return
	}
	err := w.write(w.accepted)
	if err == nil {
		s.apply(w.accepted)
		s.folded()
		for _, r := range w.later {
			s.conflicts.Add(1)
			r.answer(0, auth.ErrConflict)
		}
		return
	}
	if faultOf(err) == faultInput && len(w.accepted)+len(w.later) > 1 {
		// One of them is to blame, and the others shall not suffer for it. Those
		// that stood behind another of the same subject get their own try.
		s.overAgain(w.accepted, w.later)
		return
	}
	err = s.judge(err)
	for _, r := range w.accepted {
		r.answer(0, err)
	}
	for _, r := range w.later {
		r.answer(0, err)
	}
}

// overAgain settles requests one by one.
func (s *Store) overAgain(lists ...[]*request) {
	var all []*request
	for _, list := range lists {
		all = append(all, list...)
	}
	for i := range all {
		s.settle(all[i : i+1])
	}
}

// What check finds.
const (
	checkGood  = iota
	checkMoved // a fact has moved
	checkAfter // good, unless what stands before it in the group gets written
)

// check compares what a settlement rests on with what is so.
func (s *Store) check(r *request) int {
	st := &r.s
	if st.Subject == "" {
		return checkGood
	}
	// The committer is the only one who writes what is read here.
	if st.Settings != s.settings.Load().Version || st.Version != s.version(st.Subject) {
		return checkMoved
	}
	if st.Close != "" {
		c := s.openOf(st.Close, st.Subject)
		if c == nil {
			return checkMoved // it went unanswered for so long that it was dropped
		}
		r.closes = s.loginOf(c)
	}
	if st.Open != nil && s.challenges[st.Open.ID] != nil {
		return checkMoved
	}
	if st.Bypass != "" {
		if b := s.bypassOf(st.Subject); b == nil || b.ID != st.Bypass {
			return checkMoved
		}
	}
	// Rows of entries that memory has given up count too: a crash before they
	// are removed would bring them back.
	r.purges = st.Purge && (s.hasCached(st.Subject) || len(s.w.leftovers) > 0)
	r.ready = r.ready[:0]
	if len(s.w.rewound) > 0 {
		for i := range st.Spend {
			if _, ok := s.w.rewound[st.Spend[i].Authenticator]; ok && st.Spend[i].Mark != auth.NoMark {
				r.ready = append(r.ready, st.Spend[i].Authenticator)
			}
		}
	}
	if _, ok := s.w.moved[st.Subject]; ok {
		return checkAfter
	}
	s.w.moved[st.Subject] = struct{}{}
	return checkGood
}

// write writes settlements in one transaction and numbers their events. When
// much is left to be folded, the transaction takes a part of that along, which
// costs no fsync of its own; so it is with rows that have expired.
func (w *writer) write(group []*request) error {
	w.folding.rewind()
	w.swept = 0
	return w.transaction(func() error {
		for i, r := range group {
			r.row.seq = w.lastEvent + 1 + int64(i)
		}
		if err := w.writeEvents(group); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		opened := w.lastChallenge
		for _, r := range group {
			st := &r.s
			if st.Subject == "" {
				continue
			}
			if st.Throttle != nil {
				if err := w.writeThrottle(st.Subject, countsOf(st.Throttle), r.row.timeUS); err != nil {
					return fmt.Errorf("write failures of %s: %w", st.Subject, err)
				}
			}
			for i := range r.extra {
				if _, err := w.exec(upsertSpent, r.extra[i].Authenticator, r.extra[i].Mark); err != nil {
					return fmt.Errorf("write mark of authenticator %s: %w", r.extra[i].Authenticator, err)
				}
			}
			for i, state := range r.states {
				if state == nil {
					continue
				}
				id := st.Spend[i].Authenticator
				n, err := w.exec(updateState, state, id, st.Subject)
				if err == nil && n != 1 {
					err = errReferent
				}
				if err != nil {
					return fmt.Errorf("write state of authenticator %s: %w", id, err)
				}
			}
			if len(r.closes) > 0 {
				text := settledText(answeredBy(r.row.seq, &st.Event))
				for _, c := range r.closes {
					if _, err := w.exec(settleChallenge, text, c.seq); err != nil {
						return fmt.Errorf("settle challenge: %w", err)
					}
				}
			}
			if err := w.writeExemptions(r); err != nil {
				return err
			}
			if c := st.Open; c != nil {
				opened++
				_, err := w.exec(insertChallenge, opened, string(c.ID), c.Subject, c.Client, r.proven, micros(c.Expires),
					string(cmp.Or(c.Login, c.ID)), c.Application, c.From, c.Session, micros(c.Asked))
				if err != nil {
					return fmt.Errorf("open challenge: %w", err)
				}
			}
		}
		if len(w.leftovers) > leftoversSoon {
			if err := w.removeLeftovers(leftoversAlong * len(group)); err != nil {
				return err
			}
		}
		if w.unfolded.len() > foldSoon {
			return w.foldStep(foldAlong * len(group))
		}
		return nil
	})
}

func (w *writer) writeThrottle(subject string, c counts, at int64) error {
	if c == (counts{}) {
		_, err := w.exec(deleteThrottle, subject)
		return err
	}
	_, err := w.exec(upsertThrottle, subject, int64(c.knowFailures), c.knowUntil, int64(c.haveFailures), c.haveUntil, at)
	return err
}

const (
	rowEvents = 64       // events in one row at most; searches rely on it
	rowOctets = 32 << 10 // a row that is so long takes no further event
)

// writeEvents appends the events, many to a row: a row for each would cost
// several times as much as all the rest of writing it. Each row carries the hash
// that chains it to the one before.
func (w *writer) writeEvents(group []*request) error {
	w.nextHead = append(w.nextHead[:0], w.head...)
	for len(group) > 0 {
		body := append(w.body[:0], linesOpen...)
		n := 0
		for n < min(len(group), rowEvents) && len(body) < rowOctets {
			if n > 0 {
				body = append(body, linesNext...)
			}
			body = append(body, group[n].row.body...)
			n++
		}
		w.body = append(body, linesClose...)
		text := string(w.body)
		first, last := group[0].row.seq, group[n-1].row.seq
		var sum [32]byte
		sum, w.message = w.chain.hash(w.message, w.nextHead, first, last, text)
		w.nextHead = append(w.nextHead[:0], sum[:]...)
		if _, err := w.exec(insertEvents, last, first, text, sum[:]); err != nil {
			return err
		}
		group = group[n:]
	}
	return nil
}

// applyLength is how many settlements are applied to memory at a time, so that
// nobody who reads waits long.
const applyLength = 32

// apply moves memory to what was written, and answers.
func (s *Store) apply(group []*request) {
	w := &s.w
	for rest := group; len(rest) > 0; {
		part := rest[:min(applyLength, len(rest))]
		s.mu.Lock()
		for _, r := range part {
			s.applyOne(r)
		}
		s.expire(2 * len(part))
		s.mu.Unlock()
		rest = rest[len(part):]
	}
	s.pruneEnds()
	w.leftoversRemoved()
	w.head = append(w.head[:0], w.nextHead...)
	w.lastEvent += int64(len(group))
	s.backlog.Store(int64(w.unfolded.len()))
	s.commits.Add(uint64(len(group)))
	s.groups.Add(1)
	s.transactions.Add(1)
	if n := uint64(len(group)); n > s.largest.Load() {
		s.largest.Store(n)
	}
	for _, r := range group {
		r.answer(uint64(r.row.seq), nil)
	}
}

// applyOne moves memory to one settlement that was written. mu must be held.
func (s *Store) applyOne(r *request) {
	w := &s.w
	st := &r.s
	w.unfolded.push(&r.row)
	w.subjects = append(w.subjects, r.row.subject)
	if r.row.timeUS != 0 {
		w.lastTime = r.row.timeUS
	}
	s.answers.keep(r.row.seq, &st.Event)
	if st.Subject == "" {
		s.clock++
		return
	}
	was := s.version(st.Subject)
	now := s.move(st.Subject)
	if r.row.mark != auth.NoMark {
		s.keepMark(st.Subject, r.row.authenticator, r.row.mark)
	}
	s.refresh(r, was, now)
	if len(r.closes) > 0 {
		s.settleChallenges(r.closes, answeredBy(r.row.seq, &st.Event))
	}
	if st.Open != nil {
		w.lastChallenge++
		s.keepChallenge(opened(st.Open, w.lastChallenge))
	}
	if r.purges {
		s.purgeCached(st.Subject)
	}
	for _, e := range st.Cache {
		s.keepCached(st.Subject, cachedAs(e, r.row.seq))
	}
	if st.Bypass != "" {
		s.setBypass(st.Subject, nil)
	}
	for _, id := range r.ready {
		delete(w.rewound, id)
	}
}

// refresh brings the cached facts of a settlement's subject to its new
// version, or drops them. mu must be held.
func (s *Store) refresh(r *request, was, now int64) {
	st := &r.s
	facts := s.cache.subjects[st.Subject]
	if facts == nil || facts.version != was {
		return // what is there is seen to be old by its version
	}
	if r.states != nil || len(r.ready) > 0 {
		s.cache.drop(st.Subject)
		return
	}
	facts.settle(st, now)
}

// keepMark remembers a mark until it is folded. mu must be held.
func (s *Store) keepMark(subject, authenticator string, spent int64) {
	list := s.unfoldedMarks[subject]
	for i := range list {
		if list[i].authenticator == authenticator {
			list[i].mark = max(list[i].mark, spent)
			return
		}
	}
	s.unfoldedMarks[subject] = append(list, mark{authenticator, spent})
}
