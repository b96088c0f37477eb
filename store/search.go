package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sallyport/admin"
	"sallyport/auth"
)

const (
	// searchBudget bounds the work of one search, in units of ten to twenty
	// microseconds: one for each row that is read and each look into an index,
	// and one for each searchOctets of a row.
	searchBudget = 5_000
	searchOctets = 4 << 10

	searchChunk = 32 // rows that one query returns at most

	maxPage = 1000
)

// SearchEvents implements admin.Store. A subject is looked up in an index as far
// as that has come; outcomes, and what follows from them, tell which segments
// need not be read; the rest is looked for in the lines of the events, which are
// decoded only if they may match.
func (s *archive) SearchEvents(ctx context.Context, q admin.EventSearch) (admin.EventPage, error) {
	page, err := s.searchEvents(ctx, q)
	if err != nil {
		return admin.EventPage{}, fmt.Errorf("store: search events: %w", err)
	}
	return page, nil
}

// An eventSearch is one search under way. It goes back from the newest event.
type eventSearch struct {
	admin.EventSearch
	tx        *sql.Tx
	low, high int64 // what is left to be looked at: the events above low up to high
	byOutcome bool
	outcomes  map[int64]bool // whether those that were met match, if byOutcome
	markers   []string       // parts of the line of each event that matches
	source    string         // in small letters
	part      string         // the same as it stands in a line
	since     int64          // microseconds
	until     int64
	limit     int
	budget    int64
	perRow    bool // the budget is one of rows
	found     []auth.Event
}

func (s *archive) searchEvents(ctx context.Context, q admin.EventSearch) (page admin.EventPage, err error) {
	// One transaction, so that an event is either in the index or behind it.
	tx, err := s.searchDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return page, err
	}
	defer tx.Rollback()
	e := &eventSearch{EventSearch: q, tx: tx, limit: min(int(limitOf(q.Limit)), maxPage), budget: searchBudget}
	if q.Budget > 0 {
		e.budget, e.perRow = int64(q.Budget), true
	}
	e.prepare()
	folded, indexed, err := e.begin(ctx)
	if err != nil {
		return page, err
	}
	known := folded // the newest event that an index speaks of
	if q.Subject != "" {
		known = indexed
	}
	if err := e.scan(ctx, known); err != nil {
		return page, err
	}
	if !e.done() {
		if err := e.indexed(ctx); err != nil {
			return page, err
		}
	}
	page.Events = e.found
	if e.high > e.low {
		page.Next = uint64(e.high + 1)
		var r eventsRow
		if err := tx.QueryRowContext(ctx, selectEvent, e.high+1).Scan(&r.last, &r.first, &r.body); err != nil {
			return page, fmt.Errorf("event %d: %w", e.high+1, err)
		}
		if err := r.split(); err != nil {
			return page, err
		}
		page.Back = timeOf(intField(r.line(e.high+1), keyTime))
	}
	return page, nil
}

// begin reads how far the indexes have come, and where the search begins and
// ends.
func (e *eventSearch) begin(ctx context.Context) (folded, indexed int64, err error) {
	var newest, cut sql.NullInt64
	for _, p := range []struct {
		to        any
		text, arg string
	}{{&folded, selectMeta, "folded"}, {&indexed, selectMeta, "indexed"}, {&cut, selectCut, chainCut}} {
		if err := e.tx.QueryRowContext(ctx, p.text, p.arg).Scan(p.to); err != nil {
			return 0, 0, err
		}
	}
	if err := e.tx.QueryRowContext(ctx, `SELECT MAX(last) FROM event`).Scan(&newest); err != nil {
		return 0, 0, err
	}
	e.high = newest.Int64
	if e.Before > 0 {
		e.high = min(e.high, position(e.Before)-1)
	}
	e.low = max(position(e.After), cut.Int64)
	if !e.Since.IsZero() {
		// The first event of that hour or a later one; see events.
		var first sql.NullInt64
		if err := e.tx.QueryRowContext(ctx, `SELECT MIN(seq) FROM event_hour WHERE hour >= $1`, hourOf(e.since)).Scan(&first); err != nil {
			return 0, 0, err
		}
		if first.Valid {
			e.low = max(e.low, first.Int64-1)
		} else {
			e.low = max(e.low, folded)
		}
	}
	return folded, indexed, nil
}

// prepare makes of the search what lines are asked for.
func (e *eventSearch) prepare() {
	for _, m := range []struct{ key, text string }{
		{keySubject, e.Subject}, {`"a":`, e.Application}, {`"c":`, e.Client}, {`"d":`, e.Door}, {`"k":`, e.Factor}, {`"l":`, e.Rule},
	} {
		if m.text != "" {
			e.markers = append(e.markers, string(appendText([]byte{'{'}, m.key, m.text))[1:])
		}
	}
	for _, m := range []struct {
		key string
		is  bool
		n   int64
	}{{keyOutcome, e.Outcome != 0, int64(e.Outcome)}, {keyVerdict, len(e.Verdicts) == 1 && e.Verdicts[0] != 0, first(e.Verdicts)}} {
		if m.is {
			e.markers = append(e.markers, m.key+strconv.FormatInt(m.n, 10))
		}
	}
	e.source = lower(e.Source)
	quoted := appendQuoted(nil, e.source)
	e.part = string(quoted[1 : len(quoted)-1])
	e.since, e.until = math.MinInt64, math.MaxInt64
	if !e.Since.IsZero() {
		e.since = micros(e.Since)
	}
	if !e.Until.IsZero() {
		e.until = micros(e.Until)
	}
	e.byOutcome = e.Outcome != 0 || e.Stage != "" || e.AtFault
	e.outcomes = make(map[int64]bool)
}

func first(list []auth.Verdict) int64 {
	if len(list) == 0 {
		return 0
	}
	return int64(list[0])
}

// wants reports whether an outcome matches.
func (e *eventSearch) wants(o int64) bool {
	if !e.byOutcome {
		return true
	}
	want, known := e.outcomes[o]
	if !known {
		m := auth.Outcome(o).Meaning()
		want = (e.Outcome == 0 || int64(e.Outcome) == o) && (e.Stage == "" || m.Stage == e.Stage) && (!e.AtFault || m.AtFault)
		e.outcomes[o] = want
	}
	return want
}

// lower makes letters of ASCII small.
func lower(s string) string {
	return strings.Map(lowerOctet[rune], s)
}

func lowerOctet[T byte | rune](c T) T {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// holdsLower reports whether s holds part, whose letters are small, in any case.
func holdsLower(s, part string) bool {
	if part == "" {
		return true
	}
	for i := 0; i+len(part) <= len(s); i++ {
		if lowerOctet(s[i]) != part[0] {
			continue
		}
		n := 1
		for n < len(part) && lowerOctet(s[i+n]) == part[n] {
			n++
		}
		if n == len(part) {
			return true
		}
	}
	return false
}

// done reports whether the page is full, the budget spent, or all looked at.
func (e *eventSearch) done() bool {
	return len(e.found) == e.limit || e.budget <= 0 || e.high <= e.low
}

// spend takes the reading of a row from the budget.
func (e *eventSearch) spend(octets int) {
	e.budget--
	if !e.perRow {
		e.budget -= int64(octets / searchOctets)
	}
}

// indexed goes through the events that the indexes know, to the end of the
// search.
func (e *eventSearch) indexed(ctx context.Context) error {
	if !e.Until.IsZero() {
		// The newest event of that hour or one before it.
		var last sql.NullInt64
		if err := e.tx.QueryRowContext(ctx, `SELECT MAX(last) FROM event_hour WHERE hour <= $1`, hourOf(e.until)).Scan(&last); err != nil {
			return err
		}
		if e.high = min(e.high, last.Int64); e.done() {
			return nil
		}
	}
	switch {
	case e.Subject != "":
		return e.bySubject(ctx)
	case e.byOutcome:
		return e.bySegment(ctx)
	}
	return e.scan(ctx, e.low)
}

// bySegment reads the segments that hold an outcome that matches.
func (e *eventSearch) bySegment(ctx context.Context) error {
	outcomes := []int64{int64(e.Outcome)}
	if e.Outcome == 0 {
		var err error
		outcomes, err = collect(ctx, e.tx, scanNumber, `SELECT DISTINCT outcome FROM event_outcome`)
		if err != nil {
			return err
		}
	}
	var c condition
	c.add(`segment >= ? AND segment <= ?`, (e.low+1)/segment, e.high/segment)
	var marks []string
	for _, o := range outcomes {
		if e.wants(o) {
			c.args = append(c.args, o)
			marks = append(marks, "$"+strconv.Itoa(len(c.args)))
		}
	}
	if len(marks) == 0 {
		e.high = e.low
		return nil
	}
	segments, err := collect(ctx, e.tx, scanNumber, `SELECT DISTINCT segment FROM event_outcome WHERE `+c.String()+
		` AND outcome IN (`+strings.Join(marks, ", ")+`) ORDER BY segment DESC`, c.args...)
	if err != nil {
		return err
	}
	for _, at := range segments {
		e.high = min(e.high, (at+1)*segment-1)
		if err := e.scan(ctx, at*segment-1); err != nil || e.done() {
			return err
		}
	}
	e.high = e.low
	return nil
}

func scanNumber(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }

// bySubject reads the events that the index of subjects names.
func (e *eventSearch) bySubject(ctx context.Context) error {
	index, err := e.tx.PrepareContext(ctx, selectSubject)
	if err != nil {
		return err
	}
	defer index.Close()
	events, err := e.tx.PrepareContext(ctx, selectEvent)
	if err != nil {
		return err
	}
	defer events.Close()
	var row eventsRow
	for !e.done() {
		at := e.high / segment
		var body string
		err := index.QueryRowContext(ctx, at, e.Subject).Scan(&body)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		numbers, err := numbersOf(e.Subject, body)
		if err != nil {
			return err
		}
		was := e.budget
		for _, seq := range slices.Backward(numbers) {
			if seq > e.high {
				continue
			}
			if e.done() || seq <= e.low {
				break
			}
			if row.lines == nil || seq < row.first || seq > row.last {
				if err := events.QueryRowContext(ctx, seq).Scan(&row.last, &row.first, &row.body); err != nil {
					return fmt.Errorf("event %d: %w", seq, err)
				}
				e.spend(len(row.body))
				if err := row.split(); err != nil {
					return err
				}
				if seq < row.first {
					return fmt.Errorf("%w (event %d is missing)", errDamaged, seq)
				}
			}
			if err := e.take(seq, row.line(seq)); err != nil {
				return err
			}
		}
		if e.done() {
			break
		}
		// Whatever is left of the budget, a search goes on by one step at least.
		e.high = max(e.low, at*segment-1)
		if e.budget == was {
			e.spend(0) // for the look into the index
		}
	}
	return nil
}

const searchRows = `SELECT last, first, body FROM event WHERE last > $1 AND last < $2 AND first <= $3 ORDER BY last DESC LIMIT `

// scan goes through all events above after that are left.
func (e *eventSearch) scan(ctx context.Context, after int64) error {
	after = max(after, e.low)
	// The row that holds the newest ends less than a row's length behind it.
	end := e.high + rowEvents
	for chunk := 4; e.high > after && !e.done(); chunk = min(2*chunk, searchChunk) {
		rows, err := collect(ctx, e.tx, func(rows *sql.Rows) (r eventsRow, err error) {
			return r, rows.Scan(&r.last, &r.first, &r.body)
		}, searchRows+strconv.Itoa(chunk), after, end, e.high)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if e.done() {
				return nil
			}
			e.spend(len(r.body))
			if err := e.scanRow(r, after); err != nil {
				return err
			}
			end = r.first
		}
		if len(rows) < chunk && !e.done() {
			e.high = min(e.high, after)
		}
	}
	return nil
}

// scanRow goes through the events of one row above after.
func (e *eventSearch) scanRow(r *eventsRow, after int64) error {
	if slices.ContainsFunc(e.markers, func(m string) bool { return !strings.Contains(r.body, m) }) {
		e.high = max(min(e.high, r.first-1), after)
		return nil
	}
	if err := r.split(); err != nil {
		return err
	}
	for seq := min(r.last, e.high); seq >= max(r.first, after+1) && len(e.found) < e.limit; seq-- {
		if err := e.take(seq, r.line(seq)); err != nil {
			return err
		}
	}
	return nil
}

// take looks at an event and keeps it if it matches.
func (e *eventSearch) take(seq int64, line string) error {
	e.high = seq - 1
	if e.part != "" && !holdsLower(line, e.part) || !e.wants(intField(line, keyOutcome)) {
		return nil
	}
	if at := intField(line, keyTime); at < e.since || at >= e.until {
		return nil
	}
	for _, m := range e.markers {
		if !strings.Contains(line, m) {
			return nil
		}
	}
	if len(e.Verdicts) > 0 && !slices.Contains(e.Verdicts, auth.Verdict(intField(line, keyVerdict))) {
		return nil
	}
	found, err := decodeEvent(seq, line)
	if err != nil {
		return err
	}
	if e.matches(&found) {
		e.found = append(e.found, found)
	}
	return nil
}

// matches compares what a line only makes likely.
func (e *eventSearch) matches(found *auth.Event) bool {
	for _, m := range [][2]string{
		{e.Subject, found.Subject},
		{e.Application, found.Application},
		{e.Client, found.Client},
		{e.Door, found.Door},
		{e.Factor, found.Factor},
		{e.Rule, found.Rule},
	} {
		if m[0] != "" && m[0] != m[1] {
			return false
		}
	}
	if e.source == "" || holdsLower(found.From, e.source) {
		return true
	}
	return found.Source.IsValid() && holdsLower(found.Source.Addr().String(), e.source)
}

// intField returns the number that stands behind a key of a line, 0 if there is
// none. No text in a line can look like a key: its quotation marks are escaped.
func intField(line, key string) int64 {
	_, rest, found := strings.Cut(line, key)
	if !found {
		return 0
	}
	end := 0
	for end < len(rest) && (rest[end] == '-' || '0' <= rest[end] && rest[end] <= '9') {
		end++
	}
	n, err := strconv.ParseInt(rest[:end], 10, 64)
	if err != nil {
		return 0 // "o":true of a step
	}
	return n
}

// SearchActs implements admin.Store.
func (s *archive) SearchActs(ctx context.Context, q admin.ActSearch) ([]admin.Act, error) {
	var c condition
	c.add("TRUE")
	if q.Before > 0 {
		c.add(`seq < ?`, position(q.Before))
	}
	if !q.Since.IsZero() {
		c.add(`time_us >= ?`, micros(q.Since))
	}
	if !q.Until.IsZero() {
		c.add(`time_us < ?`, micros(q.Until))
	}
	if q.Actor != "" {
		c.add(`LOWER(actor) LIKE ? ESCAPE '\'`, likePart(lower(q.Actor)))
	}
	if q.Action != "" {
		// LIKE of SQLite is blind to case.
		c.add(`SUBSTR(action, 1, ?) = ?`, int64(len([]rune(q.Action))), q.Action)
	}
	if q.Subject != "" {
		c.add(`subject = ?`, q.Subject)
	}
	found, err := collect(ctx, s.searchDB, scanAct,
		`SELECT `+actColumns+` FROM act WHERE `+c.String()+` ORDER BY seq DESC LIMIT `+strconv.FormatInt(limitOf(q.Limit), 10), c.args...)
	if err != nil {
		return nil, fmt.Errorf("store: search acts: %w", err)
	}
	return found, nil
}
