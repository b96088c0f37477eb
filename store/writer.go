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
	session
	args []any

	insertSubjects [2]*sql.Stmt // of indexRows rows
	upsertMarks    [2]*sql.Stmt

	kek           seal.KEK
	lastEvent     int64
	lastAct       int64
	lastChallenge int64
	lastPlace     int64
	lastTime      int64 // of the newest event, microseconds; who only reads holds Store.mu
	lastPurge     int64 // lastTime when old counts were last looked for

	unfolded unfolded
	indexed  int64        // number of the newest event in event_subject
	subjects []string     // of the events after that, by number
	folding  *foldRun     // under way, nil if none is
	waiting  []*challenge // in the order of their numbers, some that are gone included
	settled  []*challenge // in the order in which they were, some that are gone included
	ends     cacheEnds    // of cache entries, some that are gone included
	cached   int          // cache entries there are

	leftovers []leftover          // rows that memory knows no more
	swept     int                 // of the oldest leftovers, how many were removed in a transaction that is not durable yet
	rewound   map[string]struct{} // authenticators that are rewound

	chain    chainMAC
	head     []byte // hash of the newest row of events, empty if there is none
	nextHead []byte // of the newest row in a transaction that is not durable yet
	cut      int64  // newest event that was deleted

	late    bool   // something in the background failed, and it was said
	ending  bool   // sessions and ceremonies that have expired are looked for
	purgeAt string // where the search for old counts goes on, "" if none is under way

	// Scratch of one group.
	moved    map[string]struct{}
	accepted []*request
	later    []*request
	body     []byte
	message  []byte
}

// indexRows are the rows that one INSERT carries. Sixteen rows at a time cost a
// third of one at a time; more gain nothing.
var indexRows = [2]int{16, 1}

func newWriter(ctx context.Context, db *sql.DB) (writer, error) {
	w := writer{session: session{stmts: make(map[string]*sql.Stmt)}, moved: make(map[string]struct{}), rewound: make(map[string]struct{})}
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
