package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"sallyport/admin"
	"sallyport/auth"
)

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
	markOrNull sql.NullInt64
}

func (r *authenticatorRow) fields() []any {
	return []any{&r.place, &r.id, &r.account, &r.factor, &r.label, &r.serial, &r.created, &r.state, &r.markOrNull}
}

// authenticator returns the row's authenticator without its state, with the
// mark that the table spent knows.
func (r *authenticatorRow) authenticator() auth.Authenticator {
	a := auth.Authenticator{
		ID: r.id, Account: r.account.String, Factor: r.factor, Label: r.label, Serial: r.serial.String,
		Created: timeOf(r.created), Mark: auth.NoMark,
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
func (s *Store) Account(ctx context.Context, name string) (auth.Account, error) {
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
func (s *Store) Accounts(ctx context.Context, after string, limit int) ([]auth.Account, error) {
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
func (s *Store) Authenticators(ctx context.Context, account string) ([]auth.Authenticator, error) {
	// Before the database: what is folded meanwhile is then seen twice, not
	// never.
	unfolded := s.unfoldedOf(account)
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

func (s *Store) unfoldedOf(subject string) []mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.unfoldedMarks[subject])
}

// Authenticator implements admin.Store.
func (s *Store) Authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
	var last auth.Authenticator
	for {
		// Marks are found by account, which is known only after the first look.
		unfolded := s.unfoldedOf(last.Account)
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

func (s *Store) authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
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
func (s *Store) Throttle(ctx context.Context, subject string) (auth.Throttle, error) {
	var c counts
	if err := s.readThrottle(ctx, subject, &c); err != nil {
		return auth.Throttle{}, fmt.Errorf("store: read failures of %q: %w", subject, err)
	}
	return c.throttle(), nil
}

// Acts implements admin.Store.
func (s *Store) Acts(ctx context.Context, after uint64, limit int) ([]admin.Act, error) {
	list, err := collect(ctx, s.readersDB, func(rows *sql.Rows) (admin.Act, error) {
		var a admin.Act
		var seq, at int64
		err := rows.Scan(&seq, &at, &a.Actor, &a.Action, &a.Subject, &a.Detail)
		a.Seq, a.Time = uint64(seq), timeOf(at)
		return a, err
	}, `SELECT seq, time_us, actor, action, subject, detail FROM act WHERE seq > $1 ORDER BY seq LIMIT $2`,
		position(after), limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("store: list acts: %w", err)
	}
	return list, nil
}

// Event implements admin.Store.
func (s *Store) Event(ctx context.Context, seq uint64) (auth.Event, error) {
	var row eventRow
	err := s.readersDB.QueryRowContext(ctx, `SELECT `+eventColumns+` FROM event WHERE seq = $1`, position(seq)).Scan(row.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Event{}, fmt.Errorf("store: %w", missing("event", fmt.Sprint(seq)))
	}
	if err != nil {
		return auth.Event{}, fmt.Errorf("store: read event %d: %w", seq, err)
	}
	e, err := row.event()
	if err != nil {
		return auth.Event{}, fmt.Errorf("store: %w", err)
	}
	return e, nil
}

// position is a sequence number as the database counts, which ends earlier.
func position(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }

func limitOf(limit int) int64 { return int64(cmp.Or(max(limit, 0), defaultLimit)) }

// Events implements admin.Store. A subject or an outcome is looked up in an
// index as far as that has come, and in the events themselves behind it.
func (s *Store) Events(ctx context.Context, f admin.EventFilter) ([]auth.Event, error) {
	list, err := s.events(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("store: list events: %w", err)
	}
	return list, nil
}

func (s *Store) events(ctx context.Context, f admin.EventFilter) ([]auth.Event, error) {
	// One transaction, so that an event is either in the index or behind it.
	tx, err := s.readersDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var folded int64
	if err := tx.QueryRowContext(ctx, selectMeta, "folded").Scan(&folded); err != nil {
		return nil, err
	}
	q := eventQuery{
		subject: f.Subject, outcome: int64(f.Outcome), after: position(f.After),
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
	parts := []func() error{
		func() error { return q.readFolded(ctx, tx, folded) },
		func() error { return q.read(ctx, tx, max(q.after, folded), math.MaxInt64) },
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
	subject        string
	outcome, since int64
	after          int64
	newest         bool
	left           int64
	found          []auth.Event
}

// readFolded appends the matching events that are in the indexes.
func (q *eventQuery) readFolded(ctx context.Context, tx *sql.Tx, folded int64) error {
	if q.after >= folded {
		return nil
	}
	order := ""
	if q.newest {
		order = " DESC"
	}
	first, last := (q.after+1)/segment, folded/segment
	switch {
	case q.subject != "":
		stmt, err := tx.PrepareContext(ctx, selectEvents+` FROM event_subject i JOIN event e ON e.seq = i.seq
			WHERE i.segment = $7 AND i.subject = $1 AND i.seq > $3 AND i.seq <= $4 AND e.time_us >= $5
				AND ($2 = 0 OR e.outcome = $2) ORDER BY i.seq`+order+` LIMIT $6`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for i := range last - first + 1 {
			at := first + i
			if q.newest {
				at = last - i
			}
			if q.left == 0 {
				return nil
			}
			rows, err := stmt.QueryContext(ctx, q.subject, q.outcome, q.after, folded, q.since, q.left, at)
			if err := q.take(rows, err); err != nil {
				return err
			}
		}
		return nil
	case q.outcome != 0:
		var segments []int64
		rows, err := tx.QueryContext(ctx, `SELECT segment FROM event_outcome
			WHERE outcome = $1 AND segment >= $2 AND segment <= $3 ORDER BY segment`+order, q.outcome, first, last)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var at int64
			if err := rows.Scan(&at); err != nil {
				return err
			}
			segments = append(segments, at)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, at := range segments {
			if err := q.read(ctx, tx, max(q.after, at*segment-1), min(folded, (at+1)*segment-1)); err != nil {
				return err
			}
		}
		return nil
	}
	return q.read(ctx, tx, q.after, folded)
}

const selectEvents = `SELECT e.seq, e.time_us, e.subject, e.outcome, e.verdict, e.authenticator, e.mark, e.body`

// read appends the matching events with numbers above after, up to last, going
// through all of them.
func (q *eventQuery) read(ctx context.Context, tx *sql.Tx, after, last int64) error {
	if q.left == 0 || after >= last {
		return nil
	}
	order := ""
	if q.newest {
		order = " DESC"
	}
	return q.take(tx.QueryContext(ctx, selectEvents+` FROM event e WHERE e.seq > $3 AND e.seq <= $4 AND e.time_us >= $5
			AND ($1 = '' OR e.subject = $1) AND ($2 = 0 OR e.outcome = $2)
		ORDER BY e.seq`+order+` LIMIT $6`, q.subject, q.outcome, after, last, q.since, q.left))
}

// take appends the events of rows.
func (q *eventQuery) take(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row eventRow
		if err := rows.Scan(row.fields()...); err != nil {
			return err
		}
		e, err := row.event()
		if err != nil {
			return err
		}
		q.found = append(q.found, e)
		q.left--
	}
	return rows.Err()
}

// collect runs a query and returns its rows.
func collect[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
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
