package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

// An archive is what is read beside the logins. It is the same for both
// databases.
type archive struct {
	readersDB *sql.DB        // for listings
	searchDB  *sql.DB        // for what may take a while, so that no listing waits behind it
	quickDB   *sql.DB        // for what every request of a browser or a program asks
	snapshot  *sql.TxOptions // of a transaction that sees one state of the database
	chain     chainMAC

	// unfoldedOf returns the marks of a subject that are not in the table spent
	// yet.
	unfoldedOf func(ctx context.Context, subject string) ([]mark, error)
	// change runs one statement in a durable transaction of its own and returns
	// how many rows it changed.
	change func(ctx context.Context, text string, args ...any) (int64, error)
	// transact runs work in a durable transaction, one at a time.
	transact func(ctx context.Context, work func(*session) error) error
	// openSealed opens what was sealed under any key that the database has.
	openSealed func(seal.Binding, []byte) ([]byte, error)
	// seenAt returns when a session was last used, if that is known better.
	seenAt func(*admin.Session) time.Time
}

// defaultLimit is how many records a listing returns if it is not told.
const defaultLimit = 1000

// An authenticatorRow is one row of authenticatorColumns.
type authenticatorRow struct {
	place      int64
	id         string
	account    sql.NullString
	factor     string
	label      string
	serial     sql.NullString
	created    int64
	state      []byte
	rewound    bool
	markOrNull sql.NullInt64
}

func (r *authenticatorRow) fields() []any {
	return []any{&r.place, &r.id, &r.account, &r.factor, &r.label, &r.serial, &r.created, &r.state, &r.rewound, &r.markOrNull}
}

// authenticator returns the row's authenticator without its state, with the
// mark that the table spent knows.
func (r *authenticatorRow) authenticator() auth.Authenticator {
	a := auth.Authenticator{
		ID: r.id, Account: r.account.String, Factor: r.factor, Label: r.label, Serial: r.serial.String,
		Created: timeOf(r.created), Mark: auth.NoMark, Rewound: r.rewound,
	}
	if r.markOrNull.Valid {
		a.Mark = r.markOrNull.Int64
	}
	return a
}

// newestMark returns a's mark, or one that is not folded yet.
func (s *Store) newestMark(a *auth.Authenticator) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return newest(a, s.unfoldedMarks[a.Account])
}

func newest(a *auth.Authenticator, unfolded []mark) int64 {
	m := a.Mark
	for i := range unfolded {
		if unfolded[i].authenticator == a.ID {
			m = max(m, unfolded[i].mark)
		}
	}
	return m
}

// Account implements admin.Store.
func (s *archive) Account(ctx context.Context, name string) (auth.Account, error) {
	var row accountRow
	err := s.readersDB.QueryRowContext(ctx,
		`SELECT `+accountColumns+` FROM name n JOIN account a ON a.id = n.account WHERE n.name = $1`, name).Scan(row.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Account{}, fmt.Errorf("store: %w", missing("account", name))
	}
	if err != nil {
		return auth.Account{}, fmt.Errorf("store: read account %q: %w", name, err)
	}
	a, err := row.account()
	if err != nil {
		return auth.Account{}, fmt.Errorf("store: %w", err)
	}
	return a, nil
}

// Accounts implements admin.Store.
func (s *archive) Accounts(ctx context.Context, after string, limit int) ([]auth.Account, error) {
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (auth.Account, error) {
		var row accountRow
		if err := rows.Scan(row.fields()...); err != nil {
			return auth.Account{}, err
		}
		return row.account()
	}, `SELECT `+accountColumns+` FROM account a WHERE a.name > $1 ORDER BY a.name LIMIT $2`, after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("store: list accounts: %w", err)
	}
	return list, nil
}

// Authenticators implements admin.Store.
func (s *archive) Authenticators(ctx context.Context, account string) ([]auth.Authenticator, error) {
	// Before the database: what is folded meanwhile is then seen twice, not
	// never.
	unfolded, err := s.unfoldedOf(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("store: list authenticators of %q: %w", account, err)
	}
	where, args := `WHERE x.account = $1`, []any{account}
	if account == "" {
		where, args = `WHERE x.account IS NULL`, nil
	}
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (auth.Authenticator, error) {
		var row authenticatorRow
		err := rows.Scan(row.fields()...)
		a := row.authenticator()
		a.Mark = newest(&a, unfolded)
		return a, err
	}, `SELECT `+authenticatorColumns+authenticatorTables+where+` ORDER BY x.place`, args...)
	if err != nil {
		return nil, fmt.Errorf("store: list authenticators of %q: %w", account, err)
	}
	return list, nil
}

func (s *Store) unfolded(_ context.Context, subject string) ([]mark, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.unfoldedMarks[subject]), nil
}

// Authenticator implements admin.Store.
func (s *archive) Authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
	var last auth.Authenticator
	for {
		// Marks are found by account, which is known only after the first look.
		unfolded, err := s.unfoldedOf(ctx, last.Account)
		if err != nil {
			return auth.Authenticator{}, fmt.Errorf("store: read authenticator %q: %w", idOrSerial, err)
		}
		a, err := s.authenticator(ctx, idOrSerial)
		if errors.Is(err, sql.ErrNoRows) {
			return auth.Authenticator{}, fmt.Errorf("store: %w", missing("authenticator", idOrSerial))
		}
		if err != nil {
			return auth.Authenticator{}, fmt.Errorf("store: read authenticator %q: %w", idOrSerial, err)
		}
		if a.Account == last.Account {
			a.Mark = newest(&a, unfolded)
			return a, nil
		}
		last = a
	}
}

func (s *archive) authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
	var row authenticatorRow
	err := s.readersDB.QueryRowContext(ctx, `SELECT `+authenticatorColumns+authenticatorTables+`WHERE x.id = $1`, idOrSerial).
		Scan(row.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.readersDB.QueryRowContext(ctx, `SELECT `+authenticatorColumns+authenticatorTables+`WHERE x.serial = $1`, idOrSerial).
			Scan(row.fields()...)
	}
	return row.authenticator(), err
}

// Throttle implements admin.Store.
func (s *archive) Throttle(ctx context.Context, subject string) (auth.Throttle, error) {
	var c counts
	err := s.readersDB.QueryRowContext(ctx, selectThrottle, subject).
		Scan(&c.knowFailures, &c.knowUntil, &c.haveFailures, &c.haveUntil)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return auth.Throttle{}, fmt.Errorf("store: read failures of %q: %w", subject, err)
	}
	return c.throttle(), nil
}

// Acts implements admin.Store.
func (s *archive) Acts(ctx context.Context, after uint64, limit int) ([]admin.Act, error) {
	list, err := collect(ctx, s.readersDB, scanAct, `SELECT `+actColumns+` FROM act WHERE seq > $1 ORDER BY seq LIMIT $2`,
		position(after), limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("store: list acts: %w", err)
	}
	return list, nil
}

const actColumns = `seq, time_us, actor, action, subject, detail, before, after`

func scanAct(rows *sql.Rows) (a admin.Act, err error) {
	var seq, at int64
	err = rows.Scan(&seq, &at, &a.Actor, &a.Action, &a.Subject, &a.Detail, &a.Before, &a.After)
	a.Seq, a.Time = uint64(seq), timeOf(at)
	return a, err
}

// Event implements admin.Store.
func (s *archive) Event(ctx context.Context, seq uint64) (auth.Event, error) {
	var r eventsRow
	err := s.readersDB.QueryRowContext(ctx, selectEvent, position(seq)).Scan(&r.last, &r.first, &r.body)
	if errors.Is(err, sql.ErrNoRows) || err == nil && position(seq) < r.first {
		return auth.Event{}, fmt.Errorf("store: %w", missing("event", fmt.Sprint(seq)))
	}
	var e auth.Event
	if err == nil {
		err = r.split()
	}
	if err == nil {
		e, err = decodeEvent(position(seq), r.line(position(seq)))
	}
	if err != nil {
		return auth.Event{}, fmt.Errorf("store: read event %d: %w", seq, err)
	}
	return e, nil
}

// An eventsRow is one row of the table event.
type eventsRow struct {
	first, last int64
	body        string
	lines       []string
}

func (r *eventsRow) split() (err error) {
	r.lines, err = eventLines(r.first, r.last, r.body)
	return err
}

// line returns the line of an event that the row holds.
func (r *eventsRow) line(seq int64) string { return r.lines[seq-r.first] }

// position is a sequence number as the database counts, which ends earlier.
func position(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }

func limitOf(limit int) int64 { return int64(cmp.Or(max(limit, 0), defaultLimit)) }

// Events implements admin.Store. A subject or an outcome is looked up in an
// index as far as that has come, and in the events themselves behind it.
func (s *archive) Events(ctx context.Context, f admin.EventFilter) ([]auth.Event, error) {
	list, err := s.events(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("store: list events: %w", err)
	}
	return list, nil
}

func (s *archive) events(ctx context.Context, f admin.EventFilter) ([]auth.Event, error) {
	// One transaction, so that an event is either in the index or behind it.
	tx, err := s.readersDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var folded, indexed int64
	if err := tx.QueryRowContext(ctx, selectMeta, "folded").Scan(&folded); err != nil {
		return nil, err
	}
	if err := tx.QueryRowContext(ctx, selectMeta, "indexed").Scan(&indexed); err != nil {
		return nil, err
	}
	// The indexes may still speak of events that were deleted.
	var cut sql.NullInt64
	if err := tx.QueryRowContext(ctx, selectCut, chainCut).Scan(&cut); err != nil {
		return nil, err
	}
	q := eventQuery{
		tx:      tx,
		subject: f.Subject, outcome: int64(f.Outcome), after: max(position(f.After), cut.Int64),
		since: math.MinInt64, newest: f.Newest, left: limitOf(f.Limit),
	}
	if !f.Since.IsZero() {
		q.since = micros(f.Since)
		// The first event of that hour or a later one. Time rises with the
		// numbers except where a clock was set back; the events of an hour then
		// lie apart, but none of them before the first.
		var first sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT MIN(seq) FROM event_hour WHERE hour >= $1`, hourOf(q.since)).Scan(&first)
		if err != nil {
			return nil, err
		}
		from := folded
		if first.Valid {
			from = first.Int64 - 1
		}
		q.after = max(q.after, from)
	}
	if f.Subject != "" {
		q.marker = string(appendText([]byte{'{'}, keySubject, f.Subject))[1:]
	} else if f.Outcome != 0 {
		q.marker = string(appendInt([]byte{'{'}, keyOutcome, q.outcome))[1:]
	}
	known := folded // the newest event that an index speaks of
	if f.Subject != "" {
		known = indexed
	}
	parts := []func() error{
		func() error { return q.readIndexed(ctx, known) },
		func() error { return q.read(ctx, max(q.after, known), math.MaxInt64-rowEvents) },
	}
	if f.Newest {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		if err := part(); err != nil {
			return nil, err
		}
	}
	if f.Newest {
		slices.Reverse(q.found)
	}
	return q.found, nil
}

// An eventQuery collects the events that match.
type eventQuery struct {
	tx             *sql.Tx
	subject        string
	outcome, since int64
	marker         string // part of the line of each event that matches
	after          int64
	newest         bool
	left           int64
	found          []auth.Event
}

func (q *eventQuery) order() string {
	if q.newest {
		return " DESC"
	}
	return ""
}

// readIndexed appends the matching events that the indexes know, those up to
// last.
func (q *eventQuery) readIndexed(ctx context.Context, last int64) error {
	if q.after >= last {
		return nil
	}
	from, to := (q.after+1)/segment, last/segment
	switch {
	case q.subject != "":
		return q.readSubject(ctx, from, to)
	case q.outcome != 0:
		segments, err := q.segments(ctx, from, to)
		if err != nil {
			return err
		}
		for _, at := range segments {
			if err := q.read(ctx, max(q.after, at*segment-1), min(last, (at+1)*segment-1)); err != nil {
				return err
			}
		}
		return nil
	}
	return q.read(ctx, q.after, last)
}

// segments returns those that hold an event of the outcome, in the query's
// order.
func (q *eventQuery) segments(ctx context.Context, from, to int64) ([]int64, error) {
	rows, err := q.tx.QueryContext(ctx, `SELECT segment FROM event_outcome
		WHERE outcome = $1 AND segment >= $2 AND segment <= $3 ORDER BY segment`+q.order(), q.outcome, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return nil, err
		}
		list = append(list, at)
	}
	return list, rows.Err()
}

// readSubject appends the matching events of complete segments by the index of
// subjects.
func (q *eventQuery) readSubject(ctx context.Context, from, to int64) error {
	index, err := q.tx.PrepareContext(ctx, selectSubject)
	if err != nil {
		return err
	}
	defer index.Close()
	events, err := q.tx.PrepareContext(ctx, selectEvent)
	if err != nil {
		return err
	}
	defer events.Close()
	var row eventsRow
	for i := range to - from + 1 {
		at := from + i
		if q.newest {
			at = to - i
		}
		var body string
		err := index.QueryRowContext(ctx, at, q.subject).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		numbers, err := numbersOf(q.subject, body)
		if err != nil {
			return err
		}
		if q.newest {
			slices.Reverse(numbers)
		}
		for _, seq := range numbers {
			if q.left == 0 {
				return nil
			}
			if seq <= q.after {
				continue
			}
			if row.lines == nil || seq < row.first || seq > row.last {
				if err := events.QueryRowContext(ctx, seq).Scan(&row.last, &row.first, &row.body); err != nil {
					return fmt.Errorf("event %d: %w", seq, err)
				}
				if err := row.split(); err != nil {
					return err
				}
			}
			if seq < row.first {
				return fmt.Errorf("%w (event %d is missing)", errDamaged, seq)
			}
			if err := q.take(seq, row.line(seq)); err != nil {
				return err
			}
		}
	}
	return nil
}

// read appends the matching events with numbers above after, up to last, going
// through all of them.
func (q *eventQuery) read(ctx context.Context, after, last int64) error {
	if q.left == 0 || after >= last {
		return nil
	}
	// The row that holds the last ends less than a row's length behind it.
	rows, err := q.tx.QueryContext(ctx, selectEvents+q.order(), after, last+rowEvents)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() && q.left > 0 {
		var row eventsRow
		if err := rows.Scan(&row.last, &row.first, &row.body); err != nil {
			return err
		}
		if q.marker != "" && !strings.Contains(row.body, q.marker) {
			continue
		}
		if err := row.split(); err != nil {
			return err
		}
		from, to := max(row.first, after+1), min(row.last, last)
		for i := range to - from + 1 {
			seq := from + i
			if q.newest {
				seq = to - i
			}
			if err := q.take(seq, row.line(seq)); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// take appends an event if it matches and there is room.
func (q *eventQuery) take(seq int64, line string) error {
	if q.left == 0 || !strings.Contains(line, q.marker) {
		return nil
	}
	e, err := decodeEvent(seq, line)
	if err != nil {
		return err
	}
	if q.subject != "" && e.Subject != q.subject || q.outcome != 0 && int64(e.Outcome) != q.outcome || micros(e.Time) < q.since {
		return nil
	}
	q.found = append(q.found, e)
	q.left--
	return nil
}

// A querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// collect runs a query and returns its rows.
func collect[T any](ctx context.Context, db querier, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}
