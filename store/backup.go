package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// Backup implements admin.Store. The copy is made in the data directory, which
// needs room for it, checked, written to w and removed. It is as new as the
// moment at which Backup began to copy.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.backup(ctx, w); err != nil {
		return fmt.Errorf("store: back up: %w", wrapFull(err))
	}
	return nil
}

func (s *Store) backup(ctx context.Context, w io.Writer) error {
	f, err := os.CreateTemp(s.dir, backupPrefix) // for its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := s.copyTo(ctx, f.Name()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := checkCopy(ctx, s.dial, f.Name(), nil); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("write the copy out: %w", err)
	}
	return nil
}

// copyTo copies the database as it is at one moment, on a connection of its
// own: those of the readers may not write at all, and the writer's must not
// stand still for so long.
func (s *Store) copyTo(ctx context.Context, path string) error {
	db, err := openDatabase(s.dial, filepath.Join(s.dir, databaseName), copyParameters, 1)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, path)
	return errors.Join(err, db.Close())
}

// checkCopy verifies a whole database file that nobody uses, and lets prepare
// change it.
func checkCopy(ctx context.Context, dial dialer, path string, prepare func(*sql.DB) error) error {
	db, err := openDatabase(dial, path, nil, 1)
	if err != nil {
		return err
	}
	err = integrity(ctx, db)
	if err == nil && prepare != nil {
		err = prepare(db)
	}
	return errors.Join(err, db.Close())
}

func integrity(ctx context.Context, db *sql.DB) error {
	var result string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&result); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if result != "ok" {
		return fmt.Errorf("the copy is damaged: %s", result)
	}
	return nil
}

// Restore puts a backup into a data directory that holds no database. What is
// read is verified before it gets the database's name, so that a directory
// either has the whole backup or none. Challenges that were open when the
// backup was made stay behind, and so do cache entries, bypasses, sessions and
// ceremonies: they may have been answered, purged, spent or ended since.
//
// The codes that were accepted after the backup was made are not in it: unless
// there can be none, what was restored must be marked before anybody logs in
// (MarkRewound).
func Restore(r io.Reader, dir string) error {
	if err := restore(context.Background(), r, dir); err != nil {
		return fmt.Errorf("store: restore into %s: %w", dir, wrapFull(err))
	}
	return nil
}

func restore(ctx context.Context, r io.Reader, dir string) error {
	lock, err := takeDirectory(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	path := filepath.Join(dir, databaseName)
	for _, name := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("there is a database already (%s); nothing was changed", name)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.CreateTemp(dir, backupPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of no effect once it has its new name
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	header := make([]byte, len(magic))
	if _, err := f.ReadAt(header, 0); err != nil || string(header) != magic {
		return errors.New("this is not a backup: it does not begin as a database does")
	}
	err = checkCopy(ctx, sqlite.NewConnector, f.Name(), func(db *sql.DB) error {
		var tables int
		err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('meta', 'data_key', 'event')`).
			Scan(&tables)
		if err != nil {
			return err
		}
		if tables != 3 {
			return errors.New("this is not a backup: it is a database of something else")
		}
		if err := migrate(ctx, db); err != nil {
			return err
		}
		for _, table := range []string{"challenge", "cache_entry", "bypass", "session", "ceremony", "lease"} {
			if _, err := db.ExecContext(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		_, err = db.ExecContext(ctx, updateMeta, "clean", 1)
		return err
	})
	if err != nil {
		if damaged(err) {
			return fmt.Errorf("the backup is damaged: %s", strings.TrimSpace(err.Error()))
		}
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}
