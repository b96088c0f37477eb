package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sallyport/seal"
)

// A writer is the one connection that changes the database, and what only the
// committer knows. It is used by one goroutine at a time.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	args  []any

	insertSubjects [2]*sql.Stmt // of indexRows rows
	upsertMarks    [2]*sql.Stmt

	kek           seal.KEK
	lastEvent     int64
	lastAct       int64
	lastChallenge int64
	lastPlace     int64
	lastTime      int64 // of the newest event, microseconds
	lastPurge     int64 // lastTime when old counts were last looked for
	lastHour      int64 // newest hour that is known to be in event_hour

	unfolded unfolded
	indexed  int64        // number of the newest event in event_subject
	subjects []string     // of the events after that, by number
	folding  *foldRun     // under way, nil if none is
	waiting  []*challenge // in the order of their numbers, closed ones included
	dropped  []int64      // numbers of challenges that went unanswered and are still in the database
	late     bool         // something in the background failed, and it was said
	purgeAt  string       // where the search for old counts goes on, "" if none is under way

	// Scratch of one group.
	moved    map[string]struct{}
	accepted []*request
	later    []*request
	body     []byte
}

// indexRows are the rows that one INSERT carries. Sixteen rows at a time cost a
// third of one at a time; more gain nothing.
var indexRows = [2]int{16, 1}

func newWriter(ctx context.Context, db *sql.DB) (writer, error) {
	w := writer{stmts: make(map[string]*sql.Stmt), moved: make(map[string]struct{})}
	var err error
	if w.conn, err = db.Conn(ctx); err != nil {
		return w, err
	}
	for i, n := range indexRows {
		if w.upsertMarks[i], err = w.prepare(upsertSpentHead + placeholders(n, 2) + upsertSpentTail); err != nil {
			return w, err
		}
		if w.insertSubjects[i], err = w.prepare(insertSubjectHead + placeholders(n, 3) + insertSubjectTail); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	for _, stmt := range w.stmts {
		stmt.Close()
	}
	return w.conn.Close()
}

// prepare returns the statement of that text, prepared once.
func (w *writer) prepare(text string) (*sql.Stmt, error) {
	if stmt, ok := w.stmts[text]; ok {
		return stmt, nil
	}
	// Writes are never cut short: nobody could say what became of them.
	stmt, err := w.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	w.stmts[text] = stmt
	return stmt, nil
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(text string, args ...any) (int64, error) {
	stmt, err := w.prepare(text)
	if err != nil {
		return 0, err
	}
	r, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a query on the writer's connection, and so inside its
// transaction, and calls scan for each row.
func (w *writer) query(text string, scan func(*sql.Rows) error, args ...any) error {
	stmt, err := w.prepare(text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
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
func (w *writer) one(text string, args []any, dest ...any) (found bool, err error) {
	err = w.query(text, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(dest...)
	}, args...)
	return found, err
}

// transaction runs work in a transaction that is durable when transaction
// returns nil, and has changed nothing when it returns an error, with one
// exception: an error that faultOf calls fatal leaves open what is on the disk.
func (w *writer) transaction(work func() error) error {
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := work()
	if err == nil {
		if _, err = w.exec("COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// Some errors have ended the transaction already; then there is nothing to
	// roll back, and BEGIN will tell if there should have been.
	if _, rollback := w.exec("ROLLBACK"); rollback != nil && faultOf(rollback) == faultFatal {
		err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
	}
	return err
}
