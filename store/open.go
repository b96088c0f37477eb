package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

//go:embed migrations
var migrations embed.FS

const (
	databaseName = "sallyport.db"
	lockName     = "lock"
	backupPrefix = "backup-" // of temporary files

	defaultCache = 200_000

	searchConnections = 2
)

// A dialer makes connections to the database that dsn names. Tests put their
// own in, to see and fail what is written.
type dialer func(dsn string) (driver.Connector, error)

// Open opens the database in a data directory and makes one if there is none.
// It refuses, with one sentence that says what to do, a directory that cannot
// be written or that another process uses, a database that a newer version of
// the program has written, one that is damaged, and a key file that does not
// belong to it (seal.ErrWrongKey).
func Open(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, sqlite.NewConnector)
}

func open(ctx context.Context, o Options, dial dialer) (*Store, error) {
	s := &Store{
		dir:           o.Dir,
		log:           o.Log,
		stopAt:        int64(o.StopAt),
		dial:          dial,
		queue:         make(chan *request, queueLength),
		quit:          make(chan struct{}),
		stopped:       make(chan struct{}),
		failed:        make(chan struct{}),
		versions:      make(map[string]int64),
		unfoldedMarks: make(map[string][]mark),
		challenges:    make(map[auth.ChallengeID]*challenge),
		logins:        make(map[string][]*challenge),
		exemptions:    make(map[string]*exemption),
		answers:       newAnswers(),
		watches:       make(map[string]*watch),
		sightings:     make(sightings),
		node:          admin.Node{Name: o.Node, Version: o.Version},
		now:           o.Now,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.stopAt == 0 {
		s.stopAt = int64(min(auth.DefaultLimits.Know.Stop, auth.DefaultLimits.Have.Stop))
	}
	s.archive = archive{
		snapshot: &sql.TxOptions{ReadOnly: true}, unfoldedOf: s.unfolded, change: s.changeOne, transact: s.transact, seenAt: s.sighted,
		openSealed: func(b seal.Binding, sealed []byte) ([]byte, error) { return s.ring.Open(b, sealed) },
	}
	s.cache = newCache(cmp.Or(o.CacheEntries, defaultCache))
	if err := s.open(ctx, o.KEK); err != nil {
		s.abandon()
		return nil, fmt.Errorf("store: open %s: %w", o.Dir, err)
	}
	go s.commitAll()
	if s.node.Name != "" {
		go s.beat()
	}
	return s, nil
}

// abandon closes what a failed open has opened.
func (s *Store) abandon() {
	s.readers.close()
	s.w.close()
	for _, db := range []*sql.DB{s.searchDB, s.readersDB, s.db} {
		if db != nil {
			db.Close()
		}
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

func (s *Store) open(ctx context.Context, kek seal.KEK) error {
	var err error
	if s.lock, err = takeDirectory(s.dir); err != nil {
		return err
	}
	if stale, err := filepath.Glob(filepath.Join(s.dir, backupPrefix+"*")); err == nil {
		for _, name := range stale {
			os.Remove(name) // left by a backup that was cut short
		}
	}
	path, err := databaseFile(s.dir)
	if err != nil {
		return err
	}
	if s.db, err = openDatabase(s.dial, path, writerParameters, 1); err != nil {
		return err
	}
	if err := migrate(ctx, s.db); err != nil {
		return explain(err)
	}
	if err := syncDirectory(s.dir); err != nil {
		return fmt.Errorf("make the new database durable: %w", err)
	}
	if s.w, err = newWriter(ctx, s.db); err != nil {
		return explain(err)
	}
	if err := s.load(kek); err != nil {
		return explain(err)
	}
	if s.readersDB, err = openDatabase(s.dial, path, readerParameters, max(4, runtime.GOMAXPROCS(0))); err != nil {
		return err
	}
	s.quickDB = s.readersDB
	if s.searchDB, err = openDatabase(s.dial, path, readerParameters, searchConnections); err != nil {
		return err
	}
	return explain(s.readers.prepare(ctx, s.readersDB))
}

// takeDirectory makes the data directory if it is missing and locks it for
// this process.
func takeDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written, its owner must be the user that runs this program: %w", err)
	}
	taken, err := lockFile(lock)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("the data directory cannot be locked: %w", err)
	}
	if !taken {
		holder, _ := io.ReadAll(io.LimitReader(lock, 20))
		lock.Close()
		return nil, fmt.Errorf("the data directory is in use by another process (%s); stop it first",
			strings.TrimSpace("pid "+string(holder)))
	}
	// For the sentence above; that it cannot be written shows early that
	// nothing can.
	err = lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	return lock, nil
}

// databaseFile returns the path of the database, having made an empty one that
// only its owner can read if there was none.
func databaseFile(dir string) (string, error) {
	path := filepath.Join(dir, databaseName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("the database cannot be opened for writing: %w", err)
	}
	defer f.Close()
	header := make([]byte, len(magic))
	n, err := io.ReadFull(f, header)
	if n == 0 && errors.Is(err, io.EOF) {
		return path, nil // new
	}
	if err != nil || !bytes.Equal(header, []byte(magic)) {
		return "", errDamaged
	}
	return path, nil
}

// magic is how every SQLite database begins.
const magic = "SQLite format 3\x00"

var errDamaged = errors.New("the database is damaged; restore the newest backup into an empty directory")

// explain says what a damaged database means for whoever reads it.
func explain(err error) error {
	if damaged(err) {
		return fmt.Errorf("%w (%w)", errDamaged, err)
	}
	return err
}

// The pragmas are in the DSN because they belong to connections, and
// database/sql makes those as it likes.
var (
	writerParameters = url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(wal)", "synchronous(full)", "foreign_keys(1)",
			// More pages before a checkpoint make tails longer, not logins faster.
			"wal_autocheckpoint(1000)", "journal_size_limit(67108864)", "cache_size(-8192)", "trusted_schema(0)",
		},
	}
	copyParameters   = url.Values{"_pragma": {"busy_timeout(5000)", "trusted_schema(0)"}}
	readerParameters = url.Values{
		"_query_only": {"1"},
		"_pragma":     {"busy_timeout(5000)", "cache_size(-2048)", "trusted_schema(0)"},
	}
)

// openDatabase makes a pool of at most n connections.
func openDatabase(dial dialer, path string, parameters url.Values, n int) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file := url.URL{Path: filepath.ToSlash(absolute)}
	connector, err := dial("file:" + file.EscapedPath() + "?" + parameters.Encode())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// migrate brings the schema to this program's version.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > know {
		return fmt.Errorf("the database has schema %d and this program knows %d at most; it was written by a newer version, which must be used", have, know)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema to version %d: %w", know, wrapFull(err))
	}
	return nil
}

// syncDirectory makes the names of new files in dir durable.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load reads what is kept in memory, and notes in the database that it is open.
func (s *Store) load(kek seal.KEK) error {
	w := &s.w
	if clean, err := w.meta("clean"); err != nil {
		return err
	} else if clean == 0 {
		if err := w.quickCheck(); err != nil {
			return err
		}
	}
	if err := s.markClean(0); err != nil {
		return wrapFull(err)
	}
	if err := s.loadKeys(kek); err != nil {
		return err
	}
	for _, p := range []struct {
		to   *int64
		text string
	}{
		{&w.lastEvent, `SELECT COALESCE(MAX(last), 0) FROM event`},
		{&w.lastAct, `SELECT COALESCE(MAX(seq), 0) FROM act`},
		{&w.lastPlace, `SELECT COALESCE(MAX(place), 0) FROM authenticator`},
		{&w.lastChallenge, `SELECT COALESCE(MAX(seq), 0) FROM challenge`},
	} {
		if _, err := w.one(p.text, nil, p.to); err != nil {
			return err
		}
	}
	if err := s.loadChain(); err != nil {
		return fmt.Errorf("read the chain of events: %w", err)
	}
	// Every settlement and change so far has moved something once. So a
	// version of before this start is as good as it was then.
	s.clock = w.lastEvent + w.lastAct
	s.floor, s.unknownFloor = s.clock, s.clock

	settings, err := loadSettings(&s.w.session, s.ring)
	if err != nil {
		return err
	}
	s.settings.Store(settings)
	if err := s.loadTail(); err != nil {
		return fmt.Errorf("read back the newest events: %w", err)
	}
	if err := s.loadAnswers(); err != nil {
		return fmt.Errorf("read back the newest answers: %w", err)
	}
	if err := s.loadChallenges(); err != nil {
		return fmt.Errorf("read challenges: %w", err)
	}
	if err := s.loadExemptions(); err != nil {
		return err
	}
	return s.joinNodes()
}

// markClean notes whether the database is at rest.
func (s *Store) markClean(clean int64) error {
	return s.w.transaction(func() error {
		_, err := s.w.exec(updateMeta, "clean", clean)
		return err
	})
}

// decisive are the tables that decide logins. They are checked after a process
// has ended without Close; the events are too many for that.
var decisive = []string{
	"meta", "data_key", "account", "name", "authenticator", "spent", "throttle", "challenge",
	"application", "client", "account_group", "rule", "trusted_ip", "cache_rule", "bypass", "cache_entry", "chain",
	"role", "session", "ceremony", "api_key",
}

func (w *writer) quickCheck() error {
	for _, table := range decisive {
		var result string
		if _, err := w.one(`PRAGMA quick_check(`+table+`)`, nil, &result); err != nil {
			return err
		}
		if result != "ok" {
			return fmt.Errorf("%w (table %s: %s)", errDamaged, table, result)
		}
	}
	return nil
}

// loadTail reads back the events that were not folded yet, and those whose
// segment is not complete.
func (s *Store) loadTail() error {
	w := &s.w
	folded, err := w.meta("folded")
	if err != nil {
		return err
	}
	if w.indexed, err = w.meta("indexed"); err != nil {
		return err
	}
	next := min(folded, w.indexed, max(w.lastEvent-1, 0)) // the newest in any case, for its time
	if w.cut > next {
		// Deleted events are in no index that is made from now on.
		next = w.cut
		w.subjects = make([]string, max(w.cut-w.indexed, 0))
	}
	err = w.query(selectEvents, func(rows *sql.Rows) error {
		var first, last int64
		var body string
		if err := rows.Scan(&last, &first, &body); err != nil {
			return err
		}
		lines, err := eventLines(first, last, body)
		if err != nil {
			return err
		}
		if first > next+1 {
			return fmt.Errorf("%w (event %d is missing)", errDamaged, next+1)
		}
		for _, line := range lines[next+1-first:] {
			next++
			var head eventHead
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				return fmt.Errorf("%w (event %d: %w)", errDamaged, next, err)
			}
			w.lastTime = head.When
			if next > w.indexed {
				w.subjects = append(w.subjects, head.Subject)
			}
			if next <= folded {
				continue
			}
			e := eventRow{
				timeUS: head.When, subject: head.Subject, outcome: head.Outcome, authenticator: head.Authenticator, mark: head.spent(),
				kind: eventKind{head.Application, head.Client, head.Factor},
			}
			w.unfolded.push(&e)
			if e.mark != auth.NoMark {
				s.keepMark(e.subject, e.authenticator, e.mark)
			}
		}
		return nil
	}, next, int64(math.MaxInt64))
	s.backlog.Store(int64(w.unfolded.len()))
	if err == nil && next != w.lastEvent {
		err = errDamaged
	}
	return err
}
