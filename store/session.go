package store

import (
	"context"
	"database/sql"
	"time"
)

// A session is one connection with the statements that were prepared on it. It
// is used by one goroutine at a time and speaks to either database.
type session struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	timeout time.Duration // of each statement, 0 for none
}

// bound returns the context of one statement. That of whoever waits for it is
// none: writes are never cut short, or nobody could say what became of them.
func (s *session) bound() (context.Context, context.CancelFunc) {
	if s.timeout == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), s.timeout)
}

// prepare returns the statement of that text, prepared once.
func (s *session) prepare(text string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[text]; ok {
		return stmt, nil
	}
	ctx, cancel := s.bound()
	defer cancel()
	stmt, err := s.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.stmts[text] = stmt
	return stmt, nil
}

// exec runs a statement and returns how many rows it changed.
func (s *session) exec(text string, args ...any) (int64, error) {
	stmt, err := s.prepare(text)
	if err != nil {
		return 0, err
	}
	ctx, cancel := s.bound()
	defer cancel()
	r, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a query on the writer's connection, and so inside its
// transaction, and calls scan for each row.
func (s *session) query(text string, scan func(*sql.Rows) error, args ...any) error {
	stmt, err := s.prepare(text)
	if err != nil {
		return err
	}
	ctx, cancel := s.bound()
	defer cancel()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one scans the only row of a query into dest, or reports false.
func (s *session) one(text string, args []any, dest ...any) (found bool, err error) {
	err = s.query(text, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(dest...)
	}, args...)
	return found, err
}

// meta returns the number of that name in the table meta.
func (s *session) meta(name string) (value int64, err error) {
	found, err := s.one(selectMeta, []any{name}, &value)
	if err == nil && !found {
		err = errDamaged
	}
	return value, err
}
