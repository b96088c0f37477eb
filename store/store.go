// Package store keeps everything in one SQLite database and commits a
// settlement all at once or not at all. It hides SQL, schema, caching, group
// commit, sealing at rest, migration, backup and key rotation behind the two
// interfaces auth.Store and admin.Store.
//
// How a login is made durable. A settlement is checked against versions that
// are kept in memory, which is sound because a lock on the data directory
// makes this process the only one. Settlements that arrive while others are
// being written go into the next transaction together, so that one fsync
// serves them all; there is no timer. What a login writes is one appended row
// of the table event, which also carries the moving factor that it spent. What
// searching needs is filled in behind the logins, and so is the table of spent
// marks; a start reads the events back that this had not reached.
//
// Spent marks only rise and are never dropped, failure counts are rows and not
// cache entries, so that neither a restart, nor a clock, nor other people's
// traffic brings a used code or a free guess back (RFC 6238, Section 5.2;
// SP 800-63B-4, Section 3.2.2).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

// Options say where a store is and how it behaves. Dir and KEK are required.
type Options struct {
	// Dir is the data directory. It is made, for its owner only, if missing.
	Dir string
	// KEK unwraps the keys in the database. The store keeps it in memory,
	// because a fresh data key (Reseal) must be wrapped under it.
	KEK seal.KEK
	// Log is told of what the store does by itself; nil is silent.
	Log *slog.Logger
	// CacheEntries is how many subjects' facts are kept in memory, 0 for
	// 200,000. One with two authenticators takes about 800 octets.
	CacheEntries int
	// StopAt is the number of failures at which only a person lifts a stop, the
	// smallest in force; 0 for that of auth.DefaultLimits. Counts of unknown
	// names that have reached it are kept for good, smaller ones for a day.
	StopAt int
	// Node and Version are the names of this process and of the program in the
	// list of nodes; without a Node, there is no row for it.
	Node, Version string
	// Now is asked when this node was last seen; nil takes the time of the
	// newest event.
	Now func() time.Time
}

// A Store implements auth.Store and admin.Store. All methods may be called
// concurrently.
type Store struct {
	dir    string
	log    *slog.Logger
	node   admin.Node
	now    func() time.Time
	stopAt int64
	lock   *os.File
	dial   dialer

	ring    *seal.Keyring
	db      *sql.DB // of the writer: one connection
	readers readers
	archive

	settings atomic.Pointer[auth.Settings]
	names    atomic.Int64 // rises with every new name

	queue   chan *request
	quit    chan struct{} // closed by Close
	stopped chan struct{} // closed when the committer has ended
	closing sync.Once
	closed  error // what Close returns; valid once stopped is closed

	failed  chan struct{} // closed with failure set
	failure atomic.Pointer[error]

	// mu guards the fields below, and what moves in cached entries. Only the
	// committer writes them, except that whoever reads fills the cache.
	mu            sync.RWMutex
	cache         cache
	clock         int64            // rises with every settlement and change
	versions      map[string]int64 // of subjects; those not in it are at one of the floors
	floor         int64            // of accounts
	unknownFloor  int64            // of names that nobody has
	unknowns      int              // how many of versions are of names that nobody has
	unfoldedMarks map[string][]mark
	challenges    map[auth.ChallengeID]*challenge
	logins        map[string][]*challenge // by subject, in the order in which they were opened
	exemptions    map[string]*exemption   // by subject
	answers       answers
	watches       map[string]*watch // by subject

	seenMu sync.Mutex
	// seenMu guards the fields below.
	sightings sightings

	w writer // the committer's own

	hits, misses                    atomic.Uint64
	commits, groups, conflicts      atomic.Uint64
	largest, transactions, overload atomic.Uint64
	backlog                         atomic.Int64
}

var (
	_ auth.Store  = (*Store)(nil)
	_ admin.Store = (*Store)(nil)
)

// Stats are figures for metrics, counted since Open unless said otherwise.
type Stats struct {
	Commits      uint64 // settlements written
	Groups       uint64 // transactions that wrote them
	LargestGroup uint64 // most settlements in one of them
	Conflicts    uint64 // settlements refused because their facts had moved
	Overloads    uint64 // settlements refused because too many waited
	Transactions uint64 // all transactions that wrote; each is one fsync, checkpoints aside
	Queue        int    // settlements and changes that wait now
	Backlog      int64  // events whose marks and indexes are not filled in yet, now
	Hits, Misses uint64 // snapshots answered from memory, and from the database
	Cached       int    // subjects whose facts are in memory now
}

// Stats returns the figures of now.
func (s *Store) Stats() Stats {
	return Stats{
		Commits: s.commits.Load(), Groups: s.groups.Load(), LargestGroup: s.largest.Load(),
		Conflicts: s.conflicts.Load(), Overloads: s.overload.Load(), Transactions: s.transactions.Load(),
		Queue: len(s.queue), Backlog: s.backlog.Load(),
		Hits: s.hits.Load(), Misses: s.misses.Load(), Cached: s.cached(),
	}
}

func (s *Store) cached() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.cache.ring)
}

// Settings implements auth.Store and admin.Store.
func (s *Store) Settings() *auth.Settings { return s.settings.Load() }

// MAC returns a keyed hash for one purpose, stable over restarts and key
// rotations. See seal.Keyring.
func (s *Store) MAC(purpose string) func(message []byte) [32]byte { return s.ring.MAC(purpose) }

// Healthy returns nil, or why the store refuses all writes from now on: the
// disk or the database failed in a way after which nothing that is written can
// be trusted. The process should end; a start reads back what is on the disk.
// A full disk is no such failure.
func (s *Store) Healthy() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Failed returns a channel that is closed when Healthy stops returning nil.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// fail puts the store into its failed state.
func (s *Store) fail(err error) {
	err = fmt.Errorf("store: stopped writing: %w", err)
	if !s.failure.CompareAndSwap(nil, &err) {
		return
	}
	close(s.failed)
	s.log.Error("the database failed; nothing more is written", "error", err)
}

// Close writes what has been handed over, brings the marks and indexes up to
// date, and gives the data directory free. Later calls return what the first
// did.
func (s *Store) Close() error {
	s.closing.Do(func() { close(s.quit) })
	<-s.stopped
	return s.closed
}

// shutDown is the end of the committer.
func (s *Store) shutDown() {
	var errs []error
	if s.failure.Load() == nil {
		errs = append(errs, s.foldAll(), s.writeAllSightings(), s.markClean(1))
	}
	s.readers.close()
	errs = append(errs, s.searchDB.Close(), s.readersDB.Close(), s.w.close(), s.db.Close(), s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		s.closed = fmt.Errorf("store: close: %w", err)
	}
	close(s.stopped)
}

// version returns the version of a subject. mu must be held.
func (s *Store) version(subject string) int64 {
	if v, ok := s.versions[subject]; ok {
		return v
	}
	if unknown(subject) {
		return s.unknownFloor
	}
	return s.floor
}

// maxUnknowns bounds the versions kept of names that nobody has, which anybody
// can make up.
const maxUnknowns = 1 << 17

// move gives a subject a new version and returns it. mu must be held.
//
// When there are too many versions of unknown names, they are all forgotten
// and the floor rises above them: each such name then counts as moved once,
// which costs a look at the database and nothing else.
func (s *Store) move(subject string) int64 {
	s.clock++
	if _, ok := s.versions[subject]; !ok && unknown(subject) {
		if s.unknowns >= maxUnknowns {
			s.forgetUnknowns()
		}
		s.unknowns++
	}
	s.versions[subject] = s.clock
	s.wake(subject)
	return s.clock
}

// forgetUnknowns counts all names that nobody has as moved. mu must be held.
func (s *Store) forgetUnknowns() {
	for subject := range s.versions {
		if unknown(subject) {
			delete(s.versions, subject)
		}
	}
	for subject := range s.watches {
		if unknown(subject) {
			s.wake(subject)
		}
	}
	s.unknowns = 0
	s.clock++
	s.unknownFloor = s.clock
}

// unknown reports whether subject stands for a name that no account has.
func unknown(subject string) bool { return subject != "" && subject[0] == '?' }

// readers are the statements that run beside the writer.
type readers struct {
	resolve, facts, throttle *sql.Stmt
}

func (r *readers) prepare(ctx context.Context, db *sql.DB) (err error) {
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{{&r.resolve, selectName}, {&r.facts, selectFacts}, {&r.throttle, selectThrottle}} {
		if *p.to, err = db.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

func (r *readers) close() {
	for _, stmt := range []*sql.Stmt{r.resolve, r.facts, r.throttle} {
		if stmt != nil {
			stmt.Close()
		}
	}
}
