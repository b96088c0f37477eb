package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrDiskFull says that there is no room to write. The store goes on reading,
// and writes again as soon as there is room.
var ErrDiskFull = errors.New("no space is left for the database")

// ErrOverloaded says that as many settlements wait to be written as may. It
// comes at once: whoever waited longer would answer a client that has given up.
var ErrOverloaded = errors.New("too many logins wait to be written")

// errClosed says that the store was closed.
var errClosed = errors.New("closed")

// errReferent says that a settlement names an authenticator that its subject
// does not hold.
var errReferent = errors.New("no such authenticator of this subject")

// A fault is what a failed write means for the store.
type fault int

const (
	faultOther fault = iota // this write failed; the next may not
	faultFull               // there is no space
	faultInput              // the database refuses what was to be written
	faultFatal              // nothing that is written from now on can be trusted
)

// faultOf sorts an error of a write. Whatever the disk says about its own
// failures is fatal: after a failed fsync the kernel may have dropped the data
// and the next fsync would succeed without it, so a second try proves nothing.
func faultOf(err error) fault {
	if errors.Is(err, errReferent) {
		return faultInput
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return faultOther
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return faultFull // the shared-memory file could not grow; nothing was written
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return faultFull
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return faultInput
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return faultFatal
	}
	return faultOther
}

// damaged reports whether err says that the file is not a sound database.
func damaged(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// wrapFull gives err the sentinel ErrDiskFull if that is what it means.
func wrapFull(err error) error {
	if faultOf(err) == faultFull {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
