package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

const (
	// segment is how many events one part of the indexes covers. It is in the
	// data of every release and cannot change.
	segment = 16 << 10

	foldChunk = 256         // rows written in one transaction of its own
	foldSoon  = 2 * segment // backlog from which every group takes rows along
	foldAlong = 3           // how many for each settlement; folding an event takes about one

	subjectsWeight = 8 // rows that a row of event_subject counts for
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
	kind                   eventKind
}

func (u *unfolded) len() int { return len(u.rows) - u.head }

func (u *unfolded) push(e *eventRow) {
	if u.head > 1024 && u.head > len(u.rows)/2 {
		n := copy(u.rows, u.rows[u.head:])
		clear(u.rows[n:])
		u.rows, u.head = u.rows[:n], 0
	}
	u.rows = append(u.rows, unfoldedRow{e.subject, e.authenticator, e.mark, e.outcome, e.timeUS, e.kind})
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
		(w.unfolded.len() > 0 || len(w.leftovers) > 0 || w.purgeAt != "" || w.purgeDue() || s.expired() || s.unseen())
}

// background does one piece of what can wait.
func (s *Store) background() {
	switch {
	case s.failure.Load() != nil:
	case s.w.unfolded.len() > 0:
		s.fold(foldChunk)
	case s.unseen():
		if err := s.writeSightings(); err != nil {
			s.putOff("note when sessions were used", err)
		}
	default:
		s.purge()
	}
}

// A foldRun moves the marks of a number of events into the table spent, enters
// the events in the indexes and counts them. It sorts what it has to write, so that
// every page of a table is changed once for many rows, and writes it in small
// parts between the logins. Only its last part moves meta 'folded', and counts: a
// run that a restart has cut short begins again, and finds some rows there
// already, but no event counted.
type foldRun struct {
	n    int   // events
	last int64 // number of the newest

	marks    []mark
	subjects []subjectsRow // of the segment that the run completes
	outcomes []numberRow   // outcome and segment
	hours    []hourRow
	tallies  []tallyRow

	done, written int  // rows that are durable, and that are written
	end           bool // the last part is written
}

// A subjectsRow is one row of event_subject.
type subjectsRow struct {
	segment int64
	subject string
	body    string
}

type numberRow struct{ number, at int64 }

// An hourRow says which is the first and the newest event of an hour.
type hourRow struct{ hour, first, last int64 }

// newFoldRun plans the folding of the oldest events, those of one segment at
// most.
func (w *writer) newFoldRun() *foldRun {
	first := w.lastEvent - int64(w.unfolded.len()) + 1
	rows := w.unfolded.next(int(segment - first%segment))
	f := &foldRun{n: len(rows), last: first + int64(len(rows)) - 1, marks: make([]mark, 0, len(rows))}
	outcomes := make(map[int64]bool)
	hours := make(map[int64]int)
	tallies := make(map[tallyKey]int64)
	for i := range rows {
		r := &rows[i]
		seq := first + int64(i)
		if r.mark != auth.NoMark {
			f.marks = append(f.marks, mark{r.authenticator, r.mark})
		}
		if !outcomes[r.outcome] {
			outcomes[r.outcome] = true
			f.outcomes = append(f.outcomes, numberRow{r.outcome, seq / segment})
		}
		hour := hourOf(r.timeUS)
		if at, ok := hours[hour]; ok {
			f.hours[at].last = seq
		} else {
			hours[hour] = len(f.hours)
			f.hours = append(f.hours, hourRow{hour, seq, seq})
		}
		tallies[tallyKey{hour, r.kind, r.outcome}]++
	}
	f.tallies = tallyRows(tallies)
	// The newest of each authenticator comes first and stays.
	slices.SortFunc(f.marks, func(a, b mark) int {
		return cmp.Or(strings.Compare(a.authenticator, b.authenticator), cmp.Compare(b.mark, a.mark))
	})
	f.marks = slices.CompactFunc(f.marks, func(a, b mark) bool { return a.authenticator == b.authenticator })
	if f.completes() {
		f.subjects = indexSubjects(w.indexed+1, w.subjects[:f.last-w.indexed])
	}
	return f
}

// subjectsOctets is about how long a row of event_subject gets: as long as one
// may that lies within its page. Longer are those of subjects that have that
// many events.
const subjectsOctets = 800

// indexSubjects makes the index of the events of one segment by subject. first
// is the number of the oldest.
func indexSubjects(first int64, subjects []string) []subjectsRow {
	order := make([]int32, 0, len(subjects))
	for i, subject := range subjects {
		if subject != "" {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(strings.Compare(subjects[a], subjects[b]), cmp.Compare(a, b))
	})
	var rows []subjectsRow
	var body []byte
	key, last := "", ""
	end := func() {
		if key != "" {
			rows = append(rows, subjectsRow{first / segment, key, string(append(body, subjectsClose...))})
		}
	}
	for _, i := range order {
		subject := subjects[i]
		switch {
		case subject == last:
			body = append(body, ',')
			body = strconv.AppendInt(body, first+int64(i), 10)
			continue
		case key == "" || len(body) > subjectsOctets:
			end()
			key, body = subject, append(body[:0], '{')
		default:
			body = append(body, subjectsNext...)
		}
		last = subject
		body = append(appendQuoted(append(body, '\n'), subject), subjectsOf...)
		body = strconv.AppendInt(body, first+int64(i), 10)
	}
	end()
	return rows
}

const (
	subjectsOf    = ":["
	subjectsNext  = "],"
	subjectsClose = "]\n}"
)

// numbersOf returns the numbers of a subject's events from the body of the row
// of event_subject that would hold them.
func numbersOf(subject, body string) ([]int64, error) {
	_, rest, found := strings.Cut(body, string(append(appendQuoted([]byte{'\n'}, subject), subjectsOf...)))
	if !found {
		return nil, nil
	}
	list, _, _ := strings.Cut(rest, "]")
	var numbers []int64
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w (index of events of %q)", errDamaged, subject)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// completes reports whether the run ends with its segment, which is then entered
// in event_subject.
func (f *foldRun) completes() bool { return f.last%segment == segment-1 }

// rewind takes back what was written in a transaction that failed.
func (f *foldRun) rewind() {
	if f != nil {
		f.written, f.end = f.done, false
	}
}

// foldStep writes about n rows of the run that is under way, or of a new one,
// in the transaction that is open.
func (w *writer) foldStep(n int) error {
	if w.folding == nil {
		w.folding = w.newFoldRun()
	}
	f := w.folding
	marks := f.marks[min(f.written, len(f.marks)):]
	marks = marks[:min(n, len(marks))]
	f.written += len(marks)
	n -= len(marks)
	for i, rows := range indexRows {
		for ; len(marks) >= rows; marks = marks[rows:] {
			args := w.args[:0]
			for _, m := range marks[:rows] {
				args = append(args, m.authenticator, m.mark)
			}
			w.args = args
			if _, err := w.upsertMarks[i].ExecContext(context.Background(), args...); err != nil {
				return fmt.Errorf("write marks: %w", err)
			}
		}
	}
	if f.written < len(f.marks) {
		return nil
	}
	subjects := f.subjects[f.written-len(f.marks):]
	subjects = subjects[:min(max(n/subjectsWeight, 1), len(subjects))]
	f.written += len(subjects)
	for i, rows := range indexRows {
		for ; len(subjects) >= rows; subjects = subjects[rows:] {
			args := w.args[:0]
			for _, r := range subjects[:rows] {
				args = append(args, r.segment, r.subject, r.body)
			}
			w.args = args
			if _, err := w.insertSubjects[i].ExecContext(context.Background(), args...); err != nil {
				return fmt.Errorf("index events by subject: %w", err)
			}
		}
	}
	if f.written < len(f.marks)+len(f.subjects) {
		return nil
	}
	for _, r := range f.outcomes {
		if _, err := w.exec(insertOutcome, r.number, r.at); err != nil {
			return fmt.Errorf("index events by outcome: %w", err)
		}
	}
	for _, r := range f.hours {
		if _, err := w.exec(insertHour, r.hour, r.first, r.last); err != nil {
			return fmt.Errorf("index events by hour: %w", err)
		}
	}
	for _, r := range f.tallies {
		if _, err := w.exec(insertTally, r.Hour, r.Application, r.Client, r.Outcome, r.Factor, r.count); err != nil {
			return fmt.Errorf("count events: %w", err)
		}
	}
	f.end = true
	if f.completes() {
		if _, err := w.exec(updateMeta, "indexed", f.last); err != nil {
			return err
		}
	}
	_, err := w.exec(updateMeta, "folded", f.last)
	return err
}

// folded moves memory to what was folded in a transaction that is durable now.
func (s *Store) folded() {
	w := &s.w
	f := w.folding
	if f == nil {
		return
	}
	f.done = f.written
	if !f.end {
		return
	}
	rows := w.unfolded.next(f.n)
	for ; len(rows) > 0; rows = rows[min(foldChunk, len(rows)):] {
		s.mu.Lock()
		for i := range rows[:min(foldChunk, len(rows))] {
			s.dropMark(&rows[i])
		}
		s.mu.Unlock()
	}
	w.unfolded.drop(f.n)
	if f.completes() {
		w.subjects = slices.Delete(w.subjects, 0, int(f.last-w.indexed))
		w.indexed = f.last
	}
	w.folding = nil
	s.backlog.Store(int64(w.unfolded.len()))
}

// fold writes n rows of what is left to be folded in a transaction of its own,
// and reports whether it did.
func (s *Store) fold(n int) bool {
	w := &s.w
	if w.unfolded.len() == 0 {
		return true
	}
	w.folding.rewind()
	if err := w.transaction(func() error { return w.foldStep(n) }); err != nil {
		s.putOff("bring marks and indexes up to date", err)
		return false
	}
	s.transactions.Add(1)
	s.w.late = false
	s.folded()
	return true
}

// foldAll folds everything.
func (s *Store) foldAll() error {
	for s.w.unfolded.len() > 0 {
		if !s.fold(4 * segment) {
			return fmt.Errorf("%d events are left to be folded at the next start", s.w.unfolded.len())
		}
	}
	return nil
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

// purge removes one chunk of what is not needed any more: challenges, cache
// entries, sessions and ceremonies that have expired, and old counts of names
// that nobody has.
func (s *Store) purge() {
	w := &s.w
	s.mu.Lock()
	s.expire(purgeChunk)
	s.mu.Unlock()
	if len(w.leftovers) > 0 {
		w.swept = 0
		if err := w.transaction(func() error { return w.removeLeftovers(purgeChunk) }); err != nil {
			s.putOff("remove what has expired", err)
			return
		}
		s.transactions.Add(1)
		w.leftoversRemoved()
		return
	}
	if w.purgeAt == "" {
		if !w.purgeDue() {
			return
		}
		w.lastPurge, w.purgeAt, w.ending = w.lastTime, "?", true
	}
	if w.ending {
		if err := s.purgeEnded(); err != nil {
			s.putOff("remove sessions and ceremonies that have expired", err)
		}
		return
	}
	if err := s.purgeUnknowns(); err != nil {
		s.putOff("remove old counts of unknown names", err)
	}
}

// purgeEnded removes one chunk of the sessions and ceremonies that have expired.
func (s *Store) purgeEnded() error {
	w := &s.w
	now := micros(s.time())
	for _, table := range endedTables {
		var one int64
		found, err := w.one(`SELECT 1 FROM `+table+` WHERE expires_us <= $1 LIMIT 1`, []any{now}, &one)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := w.transaction(func() error { _, err := w.deleteEnded(now); return err }); err != nil {
			return err
		}
		s.transactions.Add(1)
		return nil
	}
	w.ending = false
	return nil
}

// putOff says once that something in the background failed and is left for
// later, until something succeeds again.
func (s *Store) putOff(what string, err error) {
	_ = s.judge(err) // which may find it fatal; it is told below all the same
	if !s.w.late {
		s.w.late = true
		s.log.Warn("work in the background failed and is tried again", "work", what, "error", err)
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
