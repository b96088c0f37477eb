package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// Backup implements admin.Store. What it writes is a database of the kind that
// Open reads, so that a backup of either database can be verified, and restored,
// anywhere. It is of the moment at which Backup began, while logins go on. The
// node's own folder needs room for it.
func (p *Postgres) Backup(ctx context.Context, w io.Writer) error {
	if err := p.backup(ctx, w); err != nil {
		return fmt.Errorf("store: back up: %w", wrapFull(err))
	}
	return nil
}

func (p *Postgres) backup(ctx context.Context, w io.Writer) error {
	if err := p.usable(); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.o.Dir, backupPrefix) // for its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := p.copyTo(ctx, f.Name()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := checkCopy(ctx, sqlite.NewConnector, f.Name(), nil); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("write the copy out: %w", err)
	}
	return nil
}

// patient returns a pool of connections on which a statement may take so long, 0
// for as long as it does. They have no part in logins.
func (p *Postgres) patient(kind string, d time.Duration) *sql.DB {
	config := p.config.Copy()
	config.RuntimeParams["application_name"] = p.applicationName(kind)
	config.RuntimeParams["statement_timeout"] = strconv.FormatInt(d.Milliseconds(), 10)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(d.Milliseconds(), 10)
	return stdlib.OpenDB(*config)
}

// scratchParameters are of a file that is thrown away unless all of it is good.
var scratchParameters = url.Values{"_pragma": {"journal_mode(off)", "synchronous(off)", "foreign_keys(0)", "trusted_schema(0)"}}

// copyTo copies the database as it is at one moment into a new SQLite file.
func (p *Postgres) copyTo(ctx context.Context, path string) error {
	source := p.patient("backup", 0)
	defer source.Close()
	from, err := source.BeginTx(ctx, p.snapshot)
	if err != nil {
		return err
	}
	defer from.Rollback()
	db, err := openDatabase(sqlite.NewConnector, path, scratchParameters, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrate(ctx, db); err != nil {
		return err
	}
	to, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer to.Rollback()
	for _, t := range copiedTables {
		if _, err := t.toSQLite(ctx, from, to); err != nil {
			return fmt.Errorf("table %s: %w", t.table, err)
		}
	}
	if err := sameCounts(ctx, from, to); err != nil {
		return err
	}
	if err := subjectsToSQLite(ctx, from, to); err != nil {
		return fmt.Errorf("table subject: %w", err)
	}
	err = copyMeta(ctx, from, func(name string, value int64) error {
		_, err := to.ExecContext(ctx, updateMeta, name, value)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(to.Commit(), db.Close())
}
