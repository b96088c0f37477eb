package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"modernc.org/sqlite"

	"sallyport/admin"
)

// Migrate moves an installation from the SQLite database in a data directory to
// an empty PostgreSQL database: everything in one transaction, so that the target
// has all of it or nothing. The server must be stopped. What is in the directory
// stays as it is; it must not be used again once nodes have begun on the target,
// or codes that they accept could be used there once more.
//
// progress, if it is not nil, is told of each table when it is copied. Before
// Migrate returns nil it has compared the number of rows in each table and walked
// the chain of events on the target.
func Migrate(ctx context.Context, dir string, to PostgresOptions, progress func(table string, rows int64)) error {
	if err := migrateTo(ctx, dir, to, progress); err != nil {
		return fmt.Errorf("store: migrate %s: %w", dir, err)
	}
	return nil
}

func migrateTo(ctx context.Context, dir string, o PostgresOptions, progress func(string, int64)) error {
	if progress == nil {
		progress = func(string, int64) {}
	}
	// Opened and closed once, it has its newest schema and nothing is left to be
	// folded; and the key file is the right one.
	s, err := Open(ctx, Options{Dir: dir, KEK: o.KEK, Log: o.Log, StopAt: o.StopAt})
	if err != nil {
		return err
	}
	want, err := s.Head(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	lock, err := takeDirectory(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	db, err := openDatabase(sqlite.NewConnector, filepath.Join(dir, databaseName), readerParameters, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	from, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Rollback()

	p := &Postgres{o: o, timeout: cmp.Or(o.Timeout, 3*time.Second)}
	p.o.Node = cmp.Or(o.Node, "migrate")
	if err := p.configure(nil); err != nil {
		return err
	}
	conn, err := p.connect(ctx, "migrate")
	if err != nil {
		return explainPostgres(err)
	}
	defer conn.Close(ctx)
	if err := p.prepareDatabase(ctx, conn); err != nil {
		return explainPostgres(err)
	}
	if err := p.fill(ctx, conn, from, progress); err != nil {
		return err
	}
	return p.verifyCopy(ctx, from, want)
}

// errNotEmpty says that the target of a migration holds something.
var errNotEmpty = errors.New("the PostgreSQL database is not empty; migrate into one that was never used")

// fill copies everything in one transaction.
func (p *Postgres) fill(ctx context.Context, conn *pgx.Conn, from *sql.Tx, progress func(string, int64)) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // of no effect once it is committed
	for _, text := range []string{`SET LOCAL statement_timeout = 0`, `SET LOCAL idle_in_transaction_session_timeout = 0`} {
		if _, err := tx.Exec(ctx, text); err != nil {
			return err
		}
	}
	var h head
	if err := tx.QueryRow(ctx, lockHead).Scan(&h.seq, &h.hash); err != nil {
		return err
	}
	for _, t := range copiedTables {
		var some bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+t.table+`)`).Scan(&some); err != nil {
			return err
		}
		if some || h.seq != 0 {
			return fmt.Errorf("%w (table %s)", errNotEmpty, t.table)
		}
	}
	for _, t := range copiedTables {
		n, err := t.toPostgres(ctx, from, tx)
		if err != nil {
			return fmt.Errorf("copy table %s: %w", t.table, err)
		}
		progress(t.table, n)
	}
	subjects, err := subjectsFromSQLite(ctx, from)
	if err != nil {
		return fmt.Errorf("read challenges and cache entries: %w", err)
	}
	ids := slices.Sorted(maps.Keys(subjects))
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"subject"}, []string{"id", "version", "marks", "answered", "logins", "cached"},
		pgx.CopyFromSlice(len(ids), func(i int) ([]any, error) {
			s := subjects[ids[i]]
			return []any{ids[i], s.version, s.marks, s.answered, s.logins, s.cached}, nil
		}))
	if err != nil {
		return fmt.Errorf("write subjects: %w", err)
	}
	progress("subject", int64(len(ids)))
	err = copyMeta(ctx, from, func(name string, value int64) error {
		_, err := tx.Exec(ctx, updateMeta, name, value)
		return err
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE head SET (seq, hash) = (SELECT last, COALESCE(hash, '') FROM event ORDER BY last DESC LIMIT 1)
		WHERE EXISTS (SELECT 1 FROM event)`)
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// verifyCopy compares the target with what was copied, once it is committed.
func (p *Postgres) verifyCopy(ctx context.Context, from *sql.Tx, want admin.Link) error {
	const unusable = "the copy differs; drop the PostgreSQL database and begin again: %w"
	target := p.patient("verify", 0)
	err := sameCounts(ctx, from, target)
	target.Close()
	if err != nil {
		return fmt.Errorf(unusable, err)
	}
	o := p.o
	if o.Dir, err = os.MkdirTemp("", "sallyport-migrate-"); err != nil { // it is no node yet
		return err
	}
	defer os.RemoveAll(o.Dir)
	q, err := OpenPostgres(ctx, o)
	if err != nil {
		return err
	}
	defer q.Close()
	chain, err := q.Verify(ctx, nil)
	switch {
	case err != nil:
	case chain.Broken != "":
		err = errors.New(chain.Broken)
	case chain.Last != want.Seq || string(chain.Head.Hash) != string(want.Hash):
		err = fmt.Errorf("the chain of events ends at %d instead of %d", chain.Last, want.Seq)
	}
	if err != nil {
		return fmt.Errorf(unusable, err)
	}
	return nil
}
