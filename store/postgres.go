package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
)

// PostgresOptions say where a PostgreSQL database is and how this node uses it.
// URL, Dir, KEK and Node are required.
type PostgresOptions struct {
	// URL is a connection string of libpq's form. Several hosts with
	// target_session_attrs=read-write find whichever can be written.
	URL string
	// Dir is a folder of this node, which locks it. It keeps there what it has
	// seen of the database, so that it knows again if that goes back in time, and
	// for a moment the copy that Backup makes; nothing else.
	Dir string
	// KEK unwraps the keys in the database. It is the same on all nodes.
	KEK seal.KEK
	// Log is told of what the store does by itself; nil is silent.
	Log *slog.Logger
	// Node is the name of this node, unlike that of any other, and Version that
	// of the program; Nodes tells both.
	Node, Version string
	// CacheEntries and StopAt are as in Options.
	CacheEntries int
	StopAt       int
	// Timeout bounds every statement, and the wait for a lock; 0 for 3 s. A
	// login whose commit takes longer is not answered.
	Timeout time.Duration
	// Now is the clock by which a rewind and the signs of life of nodes are
	// noted; nil for that of the system. Nothing about a login comes from it.
	Now func() time.Time
	// Fragile accepts a server that does not flush its log (fsync = off), which
	// loses accepted logins, and with them what they spent, in a power failure.
	Fragile bool
}

// A Postgres implements auth.Store and admin.Store on a PostgreSQL database
// that any number of equal nodes share. All methods may be called concurrently.
//
// One row, head, orders the commits of all nodes: it holds the number of the
// newest event and its hash, and whoever writes what decides logins locks it
// first. A node has one committer; settlements that arrive while a group is
// under way go into the next one, and a group takes two round trips however
// large it is: one that locks the head and reads the versions of its subjects,
// one that writes everything and commits. See docs/decisions/0008.
//
// Facts are cached in memory. Those that another node has moved since are found
// out at commit by their version, so that nothing is accepted on them; refusals
// may rest on them for as long as the follower is behind, a second at most.
//
// A database that is away is no end of the store: every call fails quickly
// while it is, and the store connects again by itself.
type Postgres struct {
	o       PostgresOptions
	log     *slog.Logger
	timeout time.Duration
	stopAt  int64
	now     func() time.Time

	lock   *os.File // of Dir
	config *pgx.ConnConfig
	ring   *seal.Keyring
	since  time.Time
	pool   *pgxpool.Pool // for reading facts
	db     *sql.DB       // for listings and searches, whose text both databases share
	archive

	settings atomic.Pointer[auth.Settings]
	names    atomic.Int64 // meta "names" as far as this node knows
	rewinds  atomic.Bool  // there are authenticators that are marked as rewound
	lastTime atomic.Int64 // of the newest event that this node knows, microseconds

	queue   chan *request
	quit    chan struct{} // closed by Close
	stopped chan struct{} // closed when the goroutines have ended
	closing sync.Once
	closed  error // what Close returns; valid once stopped is closed
	wg      sync.WaitGroup

	down    atomic.Pointer[error] // why the database cannot be used now, nil if it can
	failed  chan struct{}         // closed with failure set
	failure atomic.Pointer[error]
	wake    chan struct{} // holds one: that the follower should look at once

	// administrative is the one connection on which changes are made, guarded
	// by its mutex.
	administrative administrative

	// anchor is what this node has seen of the database.
	anchor anchor

	// mu guards the fields below, and what moves in cached entries.
	mu         sync.RWMutex
	cache      cache
	generation int64 // rises when entries were dropped because others have moved them
	watches    map[string]*sharedWatch
	keys       int64 // newest data key that is in the ring
	lastMoved  int64 // newest number in the table moved whose subjects were dropped from the cache

	c committer // the committer's own

	hits, misses                    atomic.Uint64
	commits, groups, conflicts      atomic.Uint64
	largest, transactions, overload atomic.Uint64
	backlog                         atomic.Int64
}

var (
	_ auth.Store  = (*Postgres)(nil)
	_ admin.Store = (*Postgres)(nil)
)

const (
	// idleInTransaction ends a node's transaction on the server when nothing
	// comes from the node any more: it may hold the head, and all others wait.
	idleInTransaction = time.Second

	readConnections = 4
	listConnections = 3

	// listTimeout bounds the statements of listings and searches, which nobody
	// waits for who logs in.
	listTimeout = time.Minute
	pollEvery   = 500 * time.Millisecond
	channel     = "sallyport" // of NOTIFY
)

// OpenPostgres opens a database and makes its tables if it is empty. Several
// nodes may do so at the same time. It refuses, with a sentence that says what
// to do, a server that may lose what it has committed or cannot be written, a
// database that a newer version of the program has written, and a key file that
// does not belong to it (seal.ErrWrongKey).
func OpenPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	return openPostgres(ctx, o, nil)
}

func openPostgres(ctx context.Context, o PostgresOptions, dial pgconn.DialFunc) (*Postgres, error) {
	p := &Postgres{
		o: o, log: o.Log, now: o.Now,
		timeout: cmp.Or(o.Timeout, 3*time.Second),
		stopAt:  int64(cmp.Or(o.StopAt, min(auth.DefaultLimits.Know.Stop, auth.DefaultLimits.Have.Stop))),
		queue:   make(chan *request, queueLength),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
		failed:  make(chan struct{}),
		wake:    make(chan struct{}, 1),
		watches: make(map[string]*sharedWatch),
		cache:   newCache(cmp.Or(o.CacheEntries, defaultCache)),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.since = p.now()
	if err := p.open(ctx, dial); err != nil {
		p.abandon()
		return nil, fmt.Errorf("store: open PostgreSQL database: %w", err)
	}
	p.wg.Go(p.commitAll)
	p.wg.Go(p.follow)
	go func() {
		p.wg.Wait()
		p.shutDown()
	}()
	return p, nil
}

func (p *Postgres) open(ctx context.Context, dial pgconn.DialFunc) error {
	if p.o.Node == "" {
		return errors.New("the node must have a name, unlike that of any other")
	}
	var err error
	if p.lock, err = takeDirectory(p.o.Dir); err != nil {
		return err
	}
	if err := p.configure(dial); err != nil {
		return err
	}
	// First alone, so that whoever starts the program reads why it does not.
	conn, err := p.connect(ctx, "start")
	if err != nil {
		return explainPostgres(err)
	}
	err = p.prepareDatabase(ctx, conn)
	conn.Close(ctx)
	if err != nil {
		return explainPostgres(err)
	}

	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	config.ConnConfig = p.config.Copy()
	config.MaxConns, config.MinConns = readConnections, 0
	config.MaxConnIdleTime = 5 * time.Minute
	if p.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	p.db = p.patient("list", listTimeout)
	p.db.SetMaxOpenConns(listConnections)
	p.db.SetMaxIdleConns(listConnections)
	p.db.SetConnMaxIdleTime(5 * time.Minute)
	p.archive = archive{
		readersDB: p.db, searchDB: p.db, quickDB: stdlib.OpenDBFromPool(p.pool),
		snapshot:   &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		unfoldedOf: p.unfoldedMarks, change: p.changeOne, transact: p.transact, openSealed: p.openSealed,
		seenAt: func(x *admin.Session) time.Time { return x.Seen }, // the database has it
	}
	if err := p.anchor.load(p.o.Dir); err != nil {
		return err
	}
	if err := p.administrative.open(ctx, p); err != nil {
		return explainPostgres(err)
	}
	if err := p.load(ctx); err != nil {
		return explainPostgres(err)
	}
	if p.c.conn, err = p.connect(ctx, "commit"); err != nil {
		return explainPostgres(err)
	}
	return nil
}

// configure reads the URL and sets what every connection has.
func (p *Postgres) configure(dial pgconn.DialFunc) error {
	config, err := pgx.ParseConfig(p.o.URL)
	if err != nil {
		return errors.New("the URL cannot be read; it looks like postgres://user:password@host:5432/database") // the cause may hold the password
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	config.ConnectTimeout = min(p.timeout, 2*time.Second)
	config.RuntimeParams["statement_timeout"] = milliseconds(p.timeout)
	config.RuntimeParams["lock_timeout"] = milliseconds(p.timeout * 2 / 3)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = milliseconds(idleInTransaction)
	config.RuntimeParams["application_name"] = p.applicationName("read")
	if dial != nil {
		config.DialFunc = dial
	}
	p.config = config
	return nil
}

func (p *Postgres) applicationName(kind string) string {
	return "sallyport " + p.o.Node + " " + kind
}

// connect makes a connection of its own and makes sure that what is committed on
// it stays committed.
func (p *Postgres) connect(ctx context.Context, kind string) (*pgx.Conn, error) {
	config := p.config.Copy()
	config.RuntimeParams["application_name"] = p.applicationName(kind)
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, hideURL(err)
	}
	if err := p.checkServer(ctx, conn); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// hideURL keeps what a failed connection says and not the settings that it was
// tried with.
func hideURL(err error) error {
	var e *pgconn.ConnectError
	if errors.As(err, &e) && e.Unwrap() != nil {
		return fmt.Errorf("connect: %w", e.Unwrap())
	}
	return fmt.Errorf("connect: %w", err)
}

// errUnsafe says that the server would lose what it has committed, or cannot
// commit at all.
var errUnsafe = errors.New("the server cannot be used")

const oldestServer = 130000 // as server_version_num

func (p *Postgres) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var commit, fsync, pages, encoding, readOnly string
	var version int
	var recovering bool
	err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
		current_setting('server_encoding'), current_setting('transaction_read_only'), current_setting('server_version_num')::int, pg_is_in_recovery()`).
		Scan(&commit, &fsync, &pages, &encoding, &readOnly, &version, &recovering)
	switch {
	case err != nil:
		return err
	case recovering || readOnly == "on":
		return fmt.Errorf("%w: it is a standby or read-only; give the URL of the primary, or of both with target_session_attrs=read-write", errUnsafe)
	case version < oldestServer:
		return fmt.Errorf("%w: it is older than PostgreSQL %d", errUnsafe, oldestServer/10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: the encoding of the database is %s and must be UTF8", errUnsafe, encoding)
	case commit != "on" && commit != "remote_apply":
		return fmt.Errorf("%w: synchronous_commit is %s and must be on, or accepted logins are lost in a failure and their codes work again", errUnsafe, commit)
	case (fsync != "on" || pages != "on") && !p.o.Fragile:
		return fmt.Errorf("%w: fsync and full_page_writes must be on, or accepted logins are lost in a power failure and their codes work again", errUnsafe)
	}
	return nil
}

// explainPostgres adds what to do to the errors that whoever sets up a server
// meets.
func explainPostgres(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "28P01", "28000":
		return fmt.Errorf("the server does not let the user in; check user, password and pg_hba.conf: %w", err)
	case "3D000":
		return fmt.Errorf("make the database first (createdb): %w", err)
	case "42501":
		return fmt.Errorf("the user must own the database, or be allowed to make tables in its schema: %w", err)
	case "53300":
		return fmt.Errorf("raise max_connections: a node needs %d: %w", readConnections+listConnections+3, err)
	}
	return err
}

// prepareDatabase brings the schema to this program's version. A lock of the
// server lets one node at a time do so.
func (p *Postgres) prepareDatabase(ctx context.Context, conn *pgx.Conn) error {
	config := p.config.Copy()
	config.RuntimeParams["application_name"] = p.applicationName("migrate")
	// Others may be at it, and a change of a large table takes long.
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // seconds
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	// Read by hand before goose makes its table: on a database of somebody
	// else's nothing is changed.
	var ours, tables int64
	err = conn.QueryRow(ctx, `SELECT COUNT(*) FILTER (WHERE table_name = 'goose_db_version'), COUNT(*) FROM information_schema.tables
		WHERE table_schema = current_schema()`).Scan(&ours, &tables)
	if err != nil {
		return err
	}
	if ours == 0 && tables > 0 { // goose makes its own first, so that they are not another node's
		return errors.New("the database holds tables of something else; give Sallyport one of its own")
	}
	have, know, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > know {
		return fmt.Errorf("the database has schema %d and this program knows %d at most; it was written by a newer version, which must be used", have, know)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema to version %d: %w", know, err)
	}
	return nil
}

// load reads what is kept in memory, and compares the database with what this
// node has seen of it.
func (p *Postgres) load(ctx context.Context) error {
	err := p.administrative.run(ctx, p, beginCommit, func(w *session) error {
		var h head
		if _, err := w.one(lockHead, nil, &h.seq, &h.hash); err != nil {
			return err
		}
		if err := p.loadKeys(w); err != nil {
			return err
		}
		if _, err := w.exec(upsertNode, p.o.Node, p.o.Version, micros(p.since), micros(p.since)); err != nil {
			return err
		}
		p.chain = newChainMAC(p.ring)
		begun := false
		err := w.query(selectLinks, func(rows *sql.Rows) error {
			l, err := scanLink(rows)
			begun = begun || l.name == chainBegin
			return err
		})
		if err != nil || begun {
			return err
		}
		return p.chain.writeLink(w, chainBegin, h.seq, nil)
	})
	if err != nil {
		return err
	}
	err = p.administrative.reading(ctx, p, func(w *session) error {
		settings, err := loadSettings(w, p.ring)
		if err != nil {
			return err
		}
		p.settings.Store(settings)
		var act int64
		if _, err := w.one(`SELECT COALESCE(MAX(seq), 0) FROM act`, nil, &act); err != nil {
			return err
		}
		if _, err := w.one(selectLastMoved, nil, &p.lastMoved); err != nil {
			return err
		}
		if p.anchor.seen().seq == 0 {
			p.anchor.begin(act) // what went before this node is not its to take away again
		}
		names, err := w.meta("names")
		if err != nil {
			return err
		}
		p.names.Store(names)
		var rewinds bool
		if _, err := w.one(selectRewinds, nil, &rewinds); err != nil {
			return err
		}
		p.rewinds.Store(rewinds)
		return p.loadLastTime(w)
	})
	if err != nil {
		return err
	}
	return p.compare(ctx)
}

func (p *Postgres) loadLastTime(w *session) error {
	var row eventsRow
	found, err := w.one(`SELECT last, first, body FROM event ORDER BY last DESC LIMIT 1`, nil, &row.last, &row.first, &row.body)
	if err != nil || !found {
		return err
	}
	if err := row.split(); err != nil {
		return err
	}
	e, err := decodeEvent(row.last, row.line(row.last))
	if err == nil {
		p.lastTime.Store(micros(e.Time))
	}
	return err
}

// loadKeys reads the wrapped keys, making the first ones in a new database.
func (p *Postgres) loadKeys(w *session) error {
	ids, wrapped, err := w.wrappedKeys()
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if len(ids) == 0 {
		if wrapped, err = seal.NewKeys(p.o.KEK, nil); err != nil {
			return err
		}
		if err := w.addKeys(0, wrapped); err != nil {
			return err
		}
		ids = []int64{int64(len(wrapped))}
	}
	p.mu.Lock()
	p.keys = ids[len(ids)-1]
	p.mu.Unlock()
	if p.ring != nil {
		return p.ring.Reload(p.o.KEK, wrapped)
	}
	if p.ring, err = seal.NewKeyring(p.o.KEK, wrapped); err != nil {
		return fmt.Errorf("the database's keys do not open: %w", err)
	}
	return nil
}

// abandon closes what a failed open has opened.
func (p *Postgres) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.administrative.close()
	if p.c.conn != nil {
		p.c.conn.Close(ctx)
	}
	if p.quickDB != nil {
		p.quickDB.Close()
	}
	if p.db != nil {
		p.db.Close()
	}
	if p.pool != nil {
		p.pool.Close()
	}
	p.anchor.close()
	if p.lock != nil {
		p.lock.Close()
	}
}

// Settings implements auth.Store and admin.Store.
func (p *Postgres) Settings() *auth.Settings { return p.settings.Load() }

// MAC returns a keyed hash for one purpose, the same on all nodes and stable
// over restarts and key rotations. See seal.Keyring.
func (p *Postgres) MAC(purpose string) func(message []byte) [32]byte { return p.ring.MAC(purpose) }

// Stats returns the figures of now. Backlog is that of the node that fills the
// indexes for all, 0 on others.
func (p *Postgres) Stats() Stats {
	return Stats{
		Commits: p.commits.Load(), Groups: p.groups.Load(), LargestGroup: p.largest.Load(),
		Conflicts: p.conflicts.Load(), Overloads: p.overload.Load(), Transactions: p.transactions.Load(),
		Queue: len(p.queue), Backlog: p.backlog.Load(),
		Hits: p.hits.Load(), Misses: p.misses.Load(), Cached: p.cached(),
	}
}

func (p *Postgres) cached() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.cache.ring)
}

// Healthy returns nil, or why the database cannot be used now. The store tries
// by itself until it can again; there is no need to end the process.
func (p *Postgres) Healthy() error {
	if f := p.failure.Load(); f != nil {
		return *f
	}
	if d := p.down.Load(); d != nil {
		return *d
	}
	return nil
}

// Failed returns a channel that is closed if the server says that its data is
// damaged, after which nothing is accepted any more.
func (p *Postgres) Failed() <-chan struct{} { return p.failed }

// fail puts the store into its failed state.
func (p *Postgres) fail(err error) {
	err = fmt.Errorf("store: stopped writing: %w", err)
	if !p.failure.CompareAndSwap(nil, &err) {
		return
	}
	close(p.failed)
	p.log.Error("the server says that the database is damaged; nothing more is written", "error", err)
}

// ErrAway says that the database cannot be reached or written now.
var ErrAway = errors.New("the database cannot be used now")

// usable returns nil or why nothing can be asked of the database.
func (p *Postgres) usable() error {
	select {
	case <-p.quit:
		return errClosed
	default:
		return p.Healthy()
	}
}

// away notes that the database cannot be used.
func (p *Postgres) away(err error) error {
	err = fmt.Errorf("%w: %w", ErrAway, err)
	if p.down.Swap(&err) == nil {
		p.log.Error("the database cannot be used; nothing is accepted until it can", "error", err)
	}
	return err
}

// back notes that the database can be used again.
func (p *Postgres) back() {
	if p.down.Swap(nil) == nil {
		return
	}
	p.log.Info("the database can be used again")
	p.forget()
	p.hurry()
}

// forget drops all cached facts.
func (p *Postgres) forget() {
	p.mu.Lock()
	p.generation++
	p.cache = newCache(p.cache.limit)
	p.mu.Unlock()
}

// hurry lets the follower look at once.
func (p *Postgres) hurry() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Close writes what has been handed over and gives the connections back. Later
// calls return what the first did.
func (p *Postgres) Close() error {
	p.closing.Do(func() { close(p.quit) })
	<-p.stopped
	return p.closed
}

// shutDown is the end of the goroutines.
func (p *Postgres) shutDown() {
	err := errors.Join(p.anchor.save(), p.anchor.close(), p.lock.Close())
	p.administrative.close()
	p.quickDB.Close()
	p.db.Close()
	p.pool.Close()
	if err != nil {
		p.closed = fmt.Errorf("store: close: %w", err)
	}
	close(p.stopped)
}

// What an error of the server means for the store.
type mishap int

const (
	mishapOther    mishap = iota // this failed; the next may not
	mishapRetry                  // nothing was done; it may be tried again at once
	mishapInput                  // the database refuses what was to be written
	mishapAway                   // the server is gone, or must be looked for elsewhere
	mishapDamaged                // the server says that its data is damaged
	mishapDiskFull               // the server has no space
)

func mishapOf(err error) mishap {
	if errors.Is(err, errReferent) || errors.Is(err, errDamaged) {
		return mishapInput // of one subject; others are not concerned
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if lost(err) {
			return mishapAway
		}
		return mishapOther
	}
	switch {
	case e.Code == "40001" || e.Code == "40P01":
		return mishapRetry
	case e.Code == "53100":
		return mishapDiskFull
	case e.Code == "25006": // read-only: a standby, or an administrator made it so
		return mishapAway
	case e.Code == "XX001" || e.Code == "XX002":
		return mishapDamaged
	case strings.HasPrefix(e.Code, "22"), strings.HasPrefix(e.Code, "23"), strings.HasPrefix(e.Code, "54"):
		return mishapInput
	case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "58"),
		e.Code == "25P03": // idle in a transaction for too long
		return mishapAway
	}
	return mishapOther
}

// lost reports whether an error that is not the server's says that there was no
// answer from it.
func lost(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	for _, target := range []error{
		context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone, errUnsafe, ErrAway,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err)
}

// judge notes what err means and returns it with the sentinel that belongs to
// it.
func (p *Postgres) judge(err error) error {
	switch mishapOf(err) {
	case mishapDiskFull:
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case mishapDamaged:
		p.fail(err)
	case mishapAway:
		if !errors.Is(err, ErrAway) {
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
	case mishapOther, mishapRetry, mishapInput:
	}
	return err
}
