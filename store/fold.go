package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/auth"
)

const (
	foldChunk = 256     // events folded in one transaction while nothing else is to do
	foldSoon  = 4 << 10 // backlog from which every free moment is used
	foldMust  = 64 << 10
)

// unfolded is the queue of events whose mark and index rows are not written
// yet: those with numbers above meta 'folded', without gaps.
type unfolded struct {
	rows []unfoldedRow
	head int
}

type unfoldedRow struct {
	subject, authenticator string
	mark, outcome, timeUS  int64
}

func (u *unfolded) len() int { return len(u.rows) - u.head }

func (u *unfolded) push(e *eventRow) {
	if u.head > 1024 && u.head > len(u.rows)/2 {
		n := copy(u.rows, u.rows[u.head:])
		clear(u.rows[n:])
		u.rows, u.head = u.rows[:n], 0
	}
	u.rows = append(u.rows, unfoldedRow{e.subject, e.authenticator, e.mark, e.outcome, e.timeUS})
}

// next returns the oldest n.
func (u *unfolded) next(n int) []unfoldedRow { return u.rows[u.head:][:min(n, u.len())] }

// drop takes the oldest n out.
func (u *unfolded) drop(n int) {
	clear(u.rows[u.head : u.head+n])
	u.head += n
	if u.head == len(u.rows) {
		u.rows, u.head = u.rows[:0], 0
	}
}

// restless reports whether there is anything to do in a quiet moment.
func (s *Store) restless() bool {
	w := &s.w
	return s.failure.Load() == nil &&
		(w.unfolded.len() > 0 || len(w.dropped) > 0 || w.purgeAt != "" || w.purgeDue() || s.expired() > 0)
}

// background does one piece of what can wait.
func (s *Store) background() {
	switch {
	case s.failure.Load() != nil:
	case s.w.unfolded.len() > 0:
		s.fold(foldChunk)
	default:
		s.purge()
	}
}

// fold moves the marks of the oldest unfolded events into the table spent and
// enters the events in the indexes, n at most. It reports whether it did.
func (s *Store) fold(n int) bool {
	w := &s.w
	rows := w.unfolded.next(n)
	if len(rows) == 0 {
		return true
	}
	last := w.lastEvent - int64(w.unfolded.len()) + int64(len(rows))
	err := w.transaction(func() error { return w.writeFold(rows, last) })
	if err != nil {
		s.judge(err)
		s.log.Warn("marks and indexes could not be brought up to date; they will be later", "error", err)
		return false
	}
	s.transactions.Add(1)
	w.lastHour = hourOf(rows[len(rows)-1].timeUS)

	s.mu.Lock()
	for i := range rows {
		s.dropMark(&rows[i])
	}
	s.mu.Unlock()
	w.unfolded.drop(len(rows))
	s.backlog.Store(int64(w.unfolded.len()))
	return true
}

// foldAll folds everything.
func (s *Store) foldAll() error {
	for s.w.unfolded.len() > 0 {
		if !s.fold(4 * foldChunk) {
			return fmt.Errorf("%d events are left to be folded at the next start", s.w.unfolded.len())
		}
	}
	return nil
}

// writeFold writes what fold says. last is the number of the newest of rows.
func (w *writer) writeFold(rows []unfoldedRow, last int64) error {
	marks := make(map[string]int64)
	subjects := make([]indexRow, 0, len(rows))
	outcomes := make([]indexRow, 0, len(rows))
	hours := make([]indexRow, 0, 4)
	hour := w.lastHour
	for i := range rows {
		r := &rows[i]
		seq := last - int64(len(rows)-1-i)
		if r.mark != auth.NoMark {
			if m, ok := marks[r.authenticator]; !ok || r.mark > m {
				marks[r.authenticator] = r.mark
			}
		}
		if r.subject != "" {
			subjects = append(subjects, indexRow{r.subject, 0, seq})
		}
		outcomes = append(outcomes, indexRow{"", r.outcome, seq})
		// The newest hour suffices in the long run; after a jump of the clock
		// the statement finds out what is there already.
		if h := hourOf(r.timeUS); h != hour {
			hours = append(hours, indexRow{"", h, seq})
			hour = h
		}
	}
	// In the order of the tables, so that neighbours are written together.
	names := make([]string, 0, len(marks))
	for id := range marks {
		names = append(names, id)
	}
	slices.Sort(names)
	for _, id := range names {
		if _, err := w.exec(upsertSpent, id, marks[id]); err != nil {
			return fmt.Errorf("write mark of authenticator %s: %w", id, err)
		}
	}
	order := func(a, b indexRow) int {
		return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.number, b.number), cmp.Compare(a.seq, b.seq))
	}
	slices.SortFunc(subjects, order)
	slices.SortFunc(outcomes, order)
	for i, n := range indexRows {
		for ; len(subjects) >= n; subjects = subjects[n:] {
			args := w.args[:0]
			for _, r := range subjects[:n] {
				args = append(args, r.text, r.seq)
			}
			w.args = args
			if _, err := w.insertSubjects[i].ExecContext(context.Background(), args...); err != nil {
				return fmt.Errorf("index events by subject: %w", err)
			}
		}
		for ; len(outcomes) >= n; outcomes = outcomes[n:] {
			args := w.args[:0]
			for _, r := range outcomes[:n] {
				args = append(args, r.number, r.seq)
			}
			w.args = args
			if _, err := w.insertOutcomes[i].ExecContext(context.Background(), args...); err != nil {
				return fmt.Errorf("index events by outcome: %w", err)
			}
		}
	}
	for _, h := range hours {
		if _, err := w.exec(insertHour, h.number, h.seq); err != nil {
			return fmt.Errorf("index events by hour: %w", err)
		}
	}
	_, err := w.exec(updateMeta, "folded", last)
	return err
}

type indexRow struct {
	text        string
	number, seq int64
}

// hourOf returns the hour since 1970 of a time in microseconds.
func hourOf(us int64) int64 {
	const hour = int64(time.Hour / time.Microsecond)
	h := us / hour
	if us%hour < 0 {
		h--
	}
	return h
}

// dropMark forgets a mark that is in the table spent now, unless a newer one
// has come since. mu must be held.
func (s *Store) dropMark(r *unfoldedRow) {
	if r.mark == auth.NoMark {
		return
	}
	list := s.unfoldedMarks[r.subject]
	for i := range list {
		if list[i].authenticator == r.authenticator && list[i].mark <= r.mark {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(s.unfoldedMarks, r.subject)
	} else {
		s.unfoldedMarks[r.subject] = list
	}
}

const (
	// challengeGrace is how long a challenge is kept after it has expired, so
	// that a late answer is told apart from a made-up one.
	challengeGrace = int64(10 * time.Minute / time.Microsecond)
	// unknownLife is how long failures of a name that nobody has are kept after
	// the last one. Those of accounts are kept for good.
	unknownLife = int64(24 * time.Hour / time.Microsecond)
	purgeEvery  = int64(time.Hour / time.Microsecond)
	purgeChunk  = 256
)

// purgeDue reports whether it is time to look for old counts. Time is that of
// events, not of a clock.
func (w *writer) purgeDue() bool {
	return w.lastTime-w.lastPurge >= purgeEvery || w.lastTime < w.lastPurge
}

// expired returns how many challenges at the front of the queue can go.
func (s *Store) expired() int {
	w := &s.w
	n := 0
	for n < len(w.waiting) && n < purgeChunk {
		c := w.waiting[n]
		if !c.closed && micros(c.Expires)+challengeGrace > w.lastTime {
			break
		}
		n++
	}
	return n
}

// purge removes one chunk of what is not needed any more: challenges that
// nobody answered, and old counts of names that nobody has.
func (s *Store) purge() {
	w := &s.w
	if n := s.expired(); n > 0 {
		s.mu.Lock()
		for range n {
			s.dropOldest()
		}
		s.mu.Unlock()
	}
	if n := min(len(w.dropped), purgeChunk); n > 0 {
		err := w.transaction(func() error {
			for _, seq := range w.dropped[:n] {
				if _, err := w.exec(deleteChallenge, seq); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.judge(err)
			s.log.Warn("expired challenges could not be removed; they will be later", "error", err)
			return
		}
		s.transactions.Add(1)
		w.dropped = append(w.dropped[:0], w.dropped[n:]...)
		return
	}
	if w.purgeAt == "" {
		if !w.purgeDue() {
			return
		}
		w.lastPurge, w.purgeAt = w.lastTime, "?"
	}
	if err := s.purgeUnknowns(); err != nil {
		s.judge(err)
		s.log.Warn("old counts of unknown names could not be removed; they will be later", "error", err)
	}
}

// selectUnknowns finds the counts of names that nobody has. "@" is the
// character after "?".
const selectUnknowns = `SELECT subject, know_failures, know_until_us, have_failures, have_until_us, at_us
	FROM throttle WHERE subject > $1 AND subject < '@' ORDER BY subject LIMIT $2`

// purgeUnknowns looks at one chunk of the counts of names that nobody has.
func (s *Store) purgeUnknowns() error {
	w := &s.w
	var old []string
	seen, last := 0, ""
	rows, err := s.readersDB.Query(selectUnknowns, w.purgeAt, purgeChunk)
	if err != nil {
		return err
	}
	for rows.Next() {
		var c counts
		var at int64
		if err = rows.Scan(&last, &c.knowFailures, &c.knowUntil, &c.haveFailures, &c.haveUntil, &at); err != nil {
			break
		}
		seen++
		waits := max(c.knowUntil, c.haveUntil) > w.lastTime
		stopped := int64(max(c.knowFailures, c.haveFailures)) >= s.stopAt
		if at+unknownLife <= w.lastTime && !waits && !stopped {
			old = append(old, last)
		}
	}
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		return err
	}
	if len(old) > 0 {
		err := w.transaction(func() error {
			for _, subject := range old {
				if _, err := w.exec(deleteThrottle, subject); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.transactions.Add(1)
		s.mu.Lock()
		s.forgetUnknowns() // whoever has seen the counts looks again
		s.mu.Unlock()
	}
	w.purgeAt = last
	if seen < purgeChunk {
		w.purgeAt = ""
	}
	return nil
}
