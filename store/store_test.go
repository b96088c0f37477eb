package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/seal"
)

// newKEK makes a key file outside the data directory.
func newKEK(tb testing.TB) seal.KEK {
	tb.Helper()
	kek, err := seal.CreateKEK(filepath.Join(tb.TempDir(), "seal.key"))
	if err != nil {
		tb.Fatal(err)
	}
	return kek
}

// A rig is a store that can be reopened and whose writes can be failed.
type rig struct {
	options Options
	store   *Store
	faults  *faults
}

func newRig(tb testing.TB, o Options) *rig {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(tb.TempDir(), "data")
	}
	if o.KEK.ID() == (seal.KEK{}).ID() {
		o.KEK = newKEK(tb)
	}
	r := &rig{options: o, faults: &faults{}}
	r.open(tb)
	tb.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			tb.Errorf("Close = %v", err)
		}
	})
	return r
}

func (r *rig) open(tb testing.TB) *Store {
	tb.Helper()
	s, err := open(context.Background(), r.options, r.faults.dial)
	if err != nil {
		tb.Fatal(err)
	}
	r.store = s
	return s
}

func (r *rig) reopen(tb testing.TB) *Store {
	tb.Helper()
	if err := r.store.Close(); err != nil {
		tb.Fatalf("Close = %v", err)
	}
	return r.open(tb)
}

// database opens the file behind the store's back.
func (r *rig) database(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.options.Dir, databaseName))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func TestStore(t *testing.T) {
	suite := func(o Options) func(t *testing.T) {
		return func(t *testing.T) {
			authtest.TestStore(t, func(t *testing.T) authtest.StoreUnderTest {
				r := newRig(t, o)
				return authtest.StoreUnderTest{
					Store:     r.store,
					Reopen:    func(t *testing.T) authtest.FullStore { return r.reopen(t) },
					FailWrite: r.faults.failWrite,
					Node:      o.Node,
					Mutate: func(t *testing.T, statement string) {
						if _, err := r.database(t).Exec(statement); err != nil {
							t.Fatal(err)
						}
					},
					SwapStates: func(t *testing.T, a, b string) authtest.FullStore {
						if err := r.store.Close(); err != nil {
							t.Fatal(err)
						}
						swapStates(t, r.database(t), a, b)
						return r.open(t)
					},
				}
			})
		}
	}
	t.Run("with a cache", suite(Options{Node: "one", Version: "1.2.3"}))
	// Nearly everything is read from the database.
	t.Run("with a tiny cache", suite(Options{CacheEntries: 2, Node: "one", Version: "1.2.3"}))
}

// swapStates puts the sealed states of two authenticators in each other's place.
func swapStates(t *testing.T, db *sql.DB, a, b string) {
	t.Helper()
	var states [2][]byte
	for i, id := range []string{a, b} {
		if err := db.QueryRow(`SELECT state FROM authenticator WHERE id = $1`, id).Scan(&states[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range []string{b, a} {
		if _, err := db.Exec(`UPDATE authenticator SET state = $1 WHERE id = $2`, states[i], id); err != nil {
			t.Fatal(err)
		}
	}
}

// faults fails writes at the driver, where a disk would.
type faults struct {
	left  atomic.Int64 // writes until the one that fails; 0 for none
	fired atomic.Bool
	text  atomic.Pointer[string] // of the statement that failed last
	err   atomic.Pointer[error]  // what it fails with
	more  string                 // added to the DSN
	slow  atomic.Pointer[func()] // called before each COMMIT
}

var errInjected = errors.New("injected failure")

func (f *faults) failWrite(n int) (fired func() bool) {
	f.fired.Store(false)
	f.left.Store(int64(n))
	return f.fired.Load
}

// write counts a write and returns the error that it shall fail with.
func (f *faults) write(text string) error {
	if strings.HasPrefix(text, "SELECT") || strings.HasPrefix(text, "BEGIN") || strings.HasPrefix(text, "ROLLBACK") {
		return nil
	}
	if p := f.slow.Load(); p != nil && text == "COMMIT" {
		(*p)()
	}
	if f.left.Load() == 0 || f.left.Add(-1) != 0 {
		return nil
	}
	f.fired.Store(true)
	f.text.Store(&text)
	if p := f.err.Load(); p != nil {
		return *p
	}
	return errInjected
}

func (f *faults) dial(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn + f.more)
	return faultyConnector{c, f}, err
}

type faultyConnector struct {
	driver.Connector
	faults *faults
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(fullConn), c.faults}, nil
}

type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.ConnBeginTx
}

type faultyConn struct {
	fullConn
	faults *faults
}

func (c *faultyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	stmt, err := c.fullConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &faultyStmt{stmt.(fullStmt), text, c.faults}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type faultyStmt struct {
	fullStmt
	text   string
	faults *faults
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.faults.write(s.text); err != nil {
		return nil, err
	}
	return s.fullStmt.ExecContext(ctx, args)
}

// The helpers below build small worlds for the tests of this package.

var epoch = authtest.Epoch

func addAccounts(tb testing.TB, s admin.Store, n int) {
	tb.Helper()
	for from := 0; from < n; from += 500 {
		var changes []admin.Change
		for i := from; i < min(from+500, n); i++ {
			name := fmt.Sprintf("user%06d", i)
			id := accountID(i)
			changes = append(changes,
				admin.AddAccount{Account: auth.Account{ID: id, Name: name, Enabled: true, Groups: []string{"staff"}, Created: epoch}},
				admin.AddAuthenticator{Authenticator: auth.Authenticator{
					ID: passwordID(i), Account: id, Factor: "password", Label: "password", Created: epoch, Mark: auth.NoMark,
					State: auth.Secret("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"),
				}},
				admin.AddAuthenticator{Authenticator: auth.Authenticator{
					ID: oathID(i), Account: id, Factor: "oath", Label: "phone", Created: epoch, Mark: auth.NoMark,
					State: auth.Secret(`{"key":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=","alg":"SHA1","digits":6,"period":30}`),
				}})
		}
		if err := s.Apply(context.Background(), admin.Act{Time: epoch, Action: "test"}, changes...); err != nil {
			tb.Fatal(err)
		}
	}
}

func accountID(i int) string { return fmt.Sprintf("0192f000-0000-7000-8000-%012d", i) }
func oathID(i int) string    { return fmt.Sprintf("0192f001-0000-7000-8000-%012d", i) }
func passwordID(i int) string {
	return fmt.Sprintf("0192f002-0000-7000-8000-%012d", i)
}

func query(i int) auth.Query {
	name := fmt.Sprintf("user%06d", i)
	return auth.Query{Names: []string{name}, Unknown: "?" + name}
}

func login(f auth.Facts, step int64) auth.Settlement {
	oath := f.Authenticators[1].ID
	return auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
		Spend: []auth.Spend{{Authenticator: oath, Mark: step}},
		Event: auth.Event{
			Time: epoch, Took: 120 * time.Microsecond, Door: "radius", Client: "vpn-gateway", Application: "Office VPN",
			From: "02-00-00-00-00-01", Subject: f.Subject, Account: f.Account.Name, Verdict: auth.Accept,
			Outcome: auth.OATHCodeVerified, Factor: "oath", Authenticator: oath, Mark: step, Count: 1,
			Trace: []auth.Step{
				{Stage: auth.StageClient, OK: true, Took: 900, Note: "vpn-gateway"},
				{Stage: auth.StageAccount, OK: true, Took: 1200, Note: f.Account.Name},
				{Stage: auth.StagePrimary, OK: true, Took: 20000, Note: "password"},
				{Stage: auth.StageFactor, OK: true, Took: 3000, Note: "oath"},
				{Stage: auth.StageVerdict, OK: true, Took: 800},
			},
		},
	}
}

func mustSnapshot(tb testing.TB, s auth.Store, q auth.Query) auth.Facts {
	tb.Helper()
	f, err := s.Snapshot(context.Background(), q, false)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	refused := func(t *testing.T, o Options, want ...string) error {
		t.Helper()
		s, err := Open(ctx, o)
		if err == nil {
			s.Close()
			t.Fatal("Open succeeded")
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("Open = %q; want it to say %q", err, w)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("Open = %q; want one sentence", err)
		}
		return err
	}
	t.Run("a second process", func(t *testing.T) {
		r := newRig(t, Options{})
		refused(t, r.options, "in use by another process", fmt.Sprint(os.Getpid()))
	})
	t.Run("a wrong key", func(t *testing.T) {
		r := newRig(t, Options{})
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
		other := newKEK(t)
		o := r.options
		o.KEK = other
		err := refused(t, o, r.options.KEK.ID(), other.ID())
		if !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("Open = %v, want seal.ErrWrongKey", err)
		}
		r.open(t) // the right one still works
	})
	t.Run("a file in place of the directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, Options{Dir: path, KEK: newKEK(t)}, "data directory")
	})
	t.Run("a directory that cannot be written", func(t *testing.T) {
		dir := "/proc/self" // where nobody can make a file, not even root
		if _, err := os.Stat(dir); err != nil {
			dir = t.TempDir()
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, Options{Dir: dir, KEK: newKEK(t)}, "cannot be written")
	})
	t.Run("a newer schema", func(t *testing.T) {
		r := newRig(t, Options{})
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
		db := r.database(t)
		if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
			t.Fatal(err)
		}
		refused(t, r.options, "999", "newer version")
		if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = 999`); err != nil {
			t.Fatal(err)
		}
		db.Close()
		r.open(t)
	})
	t.Run("something else than a database", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, databaseName), []byte("this is a text, and no database at all"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, Options{Dir: dir, KEK: newKEK(t)}, "damaged", "backup")
	})
	t.Run("a damaged database", func(t *testing.T) {
		o := Options{Dir: t.TempDir(), KEK: newKEK(t)}
		s, err := Open(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		addAccounts(t, s, 200)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(o.Dir, databaseName)
		// The process ended badly, and the disk mixed something up.
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		var page, size int64
		if err := db.QueryRow(`SELECT rootpage FROM sqlite_master WHERE name = 'authenticator'`).Scan(&page); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow(`PRAGMA page_size`).Scan(&size); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE meta SET value = 0 WHERE name = 'clean'`); err != nil {
			t.Fatal(err)
		}
		db.Close()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, int(size)), (page-1)*size); err != nil {
			t.Fatal(err)
		}
		f.Close()
		refused(t, o, "damaged", "backup")
	})
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	r := newRig(t, Options{})
	addAccounts(t, r.store, 1)
	info, err := os.Stat(r.options.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory has mode %v, %v; want 0700", info.Mode(), err)
	}
	files, err := os.ReadDir(r.options.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", f.Name(), info.Mode(), err)
		}
	}
}

// TestDiskFull checks that a full disk refuses, changes nothing, and is over
// when there is space again.
func TestDiskFull(t *testing.T) {
	r := newRig(t, Options{})
	addAccounts(t, r.store, 50)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	var pages int64
	db := r.database(t)
	if err := db.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	db.Close()
	r.faults.more = fmt.Sprintf("&_pragma=max_page_count(%d)", pages+8)
	s := r.open(t)
	acknowledged := uint64(0)
	var full error
	for i := 0; full == nil; i++ {
		if i > 5000 {
			t.Fatal("the database never became full")
		}
		q := query(i % 50)
		f := mustSnapshot(t, s, q)
		seq, err := s.Commit(context.Background(), login(f, int64(i+1)))
		if err == nil {
			acknowledged = seq
			continue
		}
		full = err
		if g := mustSnapshot(t, s, q); g.Version != f.Version || g.Authenticators[1].Mark != f.Authenticators[1].Mark {
			t.Errorf("a refused commit moved the subject from version %d to %d", f.Version, g.Version)
		}
	}
	if !errors.Is(full, ErrDiskFull) {
		t.Fatalf("Commit on a full disk = %v, want ErrDiskFull", full)
	}
	if err := s.Healthy(); err != nil {
		t.Errorf("Healthy = %v; a full disk passes", err)
	}
	err := s.Apply(context.Background(), admin.Act{Time: epoch, Action: "throttle.reset", Detail: strings.Repeat("x", 1<<20)}, admin.ResetThrottle{Subject: "?"})
	if !errors.Is(err, ErrDiskFull) {
		t.Errorf("Apply on a full disk = %v, want ErrDiskFull", err)
	}
	// Space returns.
	err = s.exclusive(context.Background(), func() error {
		_, err := s.w.conn.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+10000))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seq, err := s.Commit(context.Background(), login(mustSnapshot(t, s, query(0)), 1<<20))
	if err != nil || seq != acknowledged+1 {
		t.Errorf("Commit with space again = %d, %v; want %d", seq, err, acknowledged+1)
	}
	r.faults.more = ""
	if _, err := r.reopen(t).Event(context.Background(), acknowledged); err != nil {
		t.Errorf("the last acknowledged event is gone: %v", err)
	}
}

// TestFatal checks that after a failed fsync nothing is written any more and
// nothing is tried again.
func TestFatal(t *testing.T) {
	fsync := sqliteError(t)
	r := newRig(t, Options{})
	addAccounts(t, r.store, 2)
	s := r.store
	r.faults.err.Store(&fsync)
	f := mustSnapshot(t, s, query(0))
	fired := r.faults.failWrite(2) // COMMIT
	if _, err := s.Commit(context.Background(), login(f, 1)); err == nil || !fired() {
		t.Fatalf("Commit = %v", err)
	}
	select {
	case <-s.Failed():
	default:
		t.Fatal("Failed is still open")
	}
	if s.Healthy() == nil {
		t.Fatal("Healthy = nil after a failed fsync")
	}
	writes := r.faults.failWrite(1)
	if _, err := s.Commit(context.Background(), login(f, 1)); err == nil {
		t.Error("Commit succeeded after a failed fsync")
	}
	if err := s.Apply(context.Background(), admin.Act{Time: epoch}, admin.ResetThrottle{Subject: "x"}); err == nil {
		t.Error("Apply succeeded after a failed fsync")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if writes() {
		t.Error("the store wrote after a failed fsync")
	}
	r.faults.failWrite(0)
	r.faults.err.Store(nil)
	r.open(t)
	if g := mustSnapshot(t, r.store, query(0)); g.Authenticators[1].Mark != auth.NoMark {
		t.Errorf("mark = %d after a commit that failed", g.Authenticators[1].Mark)
	}
}

// sqliteError returns an error of the driver that faultOf must call fatal: the
// driver's error values cannot be made by others, so one is provoked.
func sqliteError(t *testing.T) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE a (b)`)
	if faultOf(err) != faultFatal {
		t.Fatalf("faultOf(%v) = %d, want faultFatal", err, faultOf(err))
	}
	return err
}

// TestQueueIsBounded checks that who comes when too many wait is told at once.
func TestQueueIsBounded(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	hold := make(chan struct{})
	wait := func() { <-hold }
	r.faults.slow.Store(&wait)
	event := auth.Settlement{Event: auth.Event{Time: epoch}}
	results := make(chan error, 3*queueLength)
	for range 2 * queueLength {
		go func() {
			_, err := s.Commit(context.Background(), event)
			results <- err
		}()
	}
	overloads := 0
	for range queueLength - groupLength { // those that cannot fit must answer while the disk stands still
		if err := <-results; !errors.Is(err, ErrOverloaded) {
			t.Fatalf("Commit = %v, want ErrOverloaded", err)
		}
		overloads++
	}
	r.faults.slow.Store(nil)
	close(hold)
	written := 0
	for range 2*queueLength - overloads {
		switch err := <-results; {
		case err == nil:
			written++
		case !errors.Is(err, ErrOverloaded):
			t.Errorf("Commit = %v", err)
		}
	}
	if written < queueLength {
		t.Errorf("%d were written, want at least the %d that can wait", written, queueLength)
	}
	if n := s.Stats().Overloads; n != uint64(2*queueLength-written) {
		t.Errorf("Stats count %d overloads, want %d", n, 2*queueLength-written)
	}
}

// TestGroupsShareTransactions checks that what arrives while a commit is under
// way becomes one transaction.
func TestGroupsShareTransactions(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	entered, hold := make(chan struct{}, 100), make(chan struct{})
	wait := func() { entered <- struct{}{}; <-hold }
	r.faults.slow.Store(&wait)
	results := make(chan error, 201)
	commit := func() {
		_, err := s.Commit(context.Background(), auth.Settlement{Event: auth.Event{Time: epoch}})
		results <- err
	}
	go commit()
	<-entered
	for range 200 {
		go commit()
	}
	for len(s.queue) < 200 {
		time.Sleep(time.Millisecond)
	}
	before := s.Stats().Groups
	close(hold)
	for range 201 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Groups - before; n != 2 {
		t.Errorf("201 settlements took %d transactions, want 2", n)
	}
	if n := s.Stats().LargestGroup; n != 200 {
		t.Errorf("largest group = %d, want 200", n)
	}
}

func TestBackupAndRestore(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	addAccounts(t, r.store, 20)
	f := mustSnapshot(t, r.store, query(3))
	st := login(f, 9)
	st.Open = &auth.OpenChallenge{ID: "c", Subject: f.Subject, Client: "x", Expires: epoch.Add(time.Minute)}
	if _, err := r.store.Commit(ctx, st); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.store.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.options.Dir, backupPrefix+"*")); len(left) != 0 {
		t.Errorf("Backup left %v", left)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(bytes.NewReader(b.Bytes()), dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, Options{Dir: dir, KEK: r.options.KEK})
	if err != nil {
		t.Fatal(err)
	}
	q := query(3)
	q.State = "c"
	g := mustSnapshot(t, s, q)
	if g.Account == nil || g.Authenticators[1].Mark != 9 || !bytes.Equal(g.Authenticators[1].State, f.Authenticators[1].State) {
		t.Errorf("after Restore: account %v, mark %d", g.Account, g.Authenticators[1].Mark)
	}
	if g.Challenge != nil {
		t.Error("a challenge that may have been answered since the backup revived")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data io.Reader
		dir  string
		want string
	}{
		{"over an existing database", bytes.NewReader(b.Bytes()), dir, "already"},
		{"a text", strings.NewReader("hello, this is not a database"), t.TempDir(), "not a backup"},
		{"nothing", strings.NewReader(""), t.TempDir(), "not a backup"},
		{"a backup cut short", bytes.NewReader(b.Bytes()[:b.Len()/2]), t.TempDir(), "damaged"},
		{"a damaged backup", bytes.NewReader(scribble(b.Bytes())), t.TempDir(), "damaged"},
		{"a stream that breaks", io.MultiReader(bytes.NewReader(b.Bytes()[:5000]), brokenReader{}), t.TempDir(), "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Restore(tt.data, tt.dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Restore = %v; want it to say %q", err, tt.want)
			}
			if tt.dir == dir {
				return
			}
			if _, err := os.Stat(filepath.Join(tt.dir, databaseName)); err == nil {
				t.Error("a database was left that is not the backup")
			}
		})
	}
}

// scribble damages the middle of a database.
func scribble(b []byte) []byte {
	b = bytes.Clone(b)
	for i := 4096 * 3; i < len(b)-4096; i += 97 {
		b[i] ^= 0x5A
	}
	return b
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestRewrap(t *testing.T) {
	r := newRig(t, Options{})
	addAccounts(t, r.store, 3)
	addCeremony(t, r.store, "c1")
	mac := r.store.MAC("test")([]byte("x"))
	old, other := r.options.KEK, newKEK(t)
	if err := r.store.Rewrap(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Reseal(context.Background()); err != nil {
		t.Fatalf("Reseal after Rewrap = %v", err)
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(context.Background(), Options{Dir: r.options.Dir, KEK: old}); !errors.Is(err, seal.ErrWrongKey) {
		if err == nil {
			s.Close()
		}
		t.Errorf("Open with the old key = %v, want seal.ErrWrongKey", err)
	}
	r.options.KEK = other
	s := r.open(t)
	if f := mustSnapshot(t, s, query(1)); len(f.Authenticators) != 2 {
		t.Errorf("facts = %+v", f)
	}
	wantBody(t, s, "c1")
	if s.MAC("test")([]byte("x")) != mac {
		t.Error("the keyed hash changed with the key file; pseudonyms would")
	}
}

// TestPurge checks what is forgotten, and what never is.
func TestPurge(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{StopAt: 20})
	s := r.store
	addAccounts(t, s, 1)
	fail := func(q auth.Query, failures int, at time.Time) {
		t.Helper()
		f := mustSnapshot(t, s, q)
		_, err := s.Commit(ctx, auth.Settlement{
			Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
			Throttle: &auth.Throttle{Have: auth.Count{Failures: failures}},
			Event:    auth.Event{Time: at, Subject: f.Subject, Outcome: auth.OATHCodeIncorrect, Mark: auth.NoMark},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 600 {
		fail(auth.Query{Unknown: fmt.Sprintf("?old%d", i)}, 3, epoch)
	}
	fail(auth.Query{Unknown: "?stopped"}, 20, epoch)
	fail(query(0), 3, epoch)
	f := mustSnapshot(t, s, query(0))
	_, err := s.Commit(ctx, auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
		Open:  &auth.OpenChallenge{ID: "c", Subject: f.Subject, Client: "x", Expires: epoch.Add(time.Minute)},
		Event: auth.Event{Time: epoch, Subject: f.Subject, Mark: auth.NoMark},
	})
	if err != nil {
		t.Fatal(err)
	}
	fail(auth.Query{Unknown: "?recent"}, 3, epoch.Add(20*time.Hour))
	held := mustSnapshot(t, s, auth.Query{Unknown: "?old7"})
	if held.Throttle.Have.Failures != 3 {
		t.Fatalf("failures = %d before the day is over, want 3", held.Throttle.Have.Failures)
	}
	fail(auth.Query{Unknown: "?now"}, 3, epoch.Add(25*time.Hour))
	if err := s.exclusive(ctx, func() error {
		for s.restless() {
			s.background()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, tt := range []struct {
			q    auth.Query
			want int
		}{
			{auth.Query{Unknown: "?old7"}, 0},
			{auth.Query{Unknown: "?old599"}, 0},
			{auth.Query{Unknown: "?stopped"}, 20},
			{auth.Query{Unknown: "?recent"}, 3},
			{auth.Query{Unknown: "?now"}, 3},
			{query(0), 3},
		} {
			if n := mustSnapshot(t, s, tt.q).Throttle.Have.Failures; n != tt.want {
				t.Errorf("failures of %s = %d, want %d", tt.q.Unknown, n, tt.want)
			}
		}
		q := query(0)
		q.State = "c"
		if c := mustSnapshot(t, s, q).Challenge; c != nil {
			t.Errorf("challenge %+v is still there a day after it expired", c)
		}
		s = r.reopen(t)
	}
	_, err = s.Commit(ctx, auth.Settlement{
		Subject: held.Subject, Version: held.Version, Settings: held.Settings.Version, Event: auth.Event{Time: epoch, Subject: held.Subject},
	})
	if !errors.Is(err, auth.ErrConflict) {
		t.Errorf("Commit on a count that was forgotten since = %v, want ErrConflict", err)
	}
}

// TestChallengesAreBounded checks that the oldest gives way.
func TestChallengesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("opens as many challenges as may be open")
	}
	r := newRig(t, Options{})
	s := r.store
	err := s.exclusive(context.Background(), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range maxChallenges + 10 {
			s.w.lastChallenge++
			s.keepChallenge(&challenge{
				seq:           s.w.lastChallenge,
				OpenChallenge: auth.OpenChallenge{ID: auth.ChallengeID(fmt.Sprint(i)), Subject: fmt.Sprint("?", i/100), Expires: epoch},
			})
		}
		if n := len(s.challenges); n != maxChallenges {
			t.Errorf("%d challenges are open, want %d", n, maxChallenges)
		}
		if s.challenges["9"] != nil || s.challenges["10"] == nil {
			t.Error("it is not the oldest that gave way")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnsweredChallengesLeaveNothing checks that a stream of challenges does
// not fill the memory or the database while there is no quiet moment: those that
// were answered go when they expire, however long one that was not stays.
func TestAnsweredChallengesLeaveNothing(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	abandoned := auth.OpenChallenge{ID: "first", Subject: accountID(0), Expires: epoch.Add(time.Hour)} // stays at the front
	last := abandoned.ID
	for i := range 4000 {
		now := epoch.Add(time.Duration(i) * time.Second / 2)
		f := mustSnapshot(t, s, query(0))
		st := auth.Settlement{
			Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
			Event: auth.Event{Time: now, Subject: f.Subject, Mark: auth.NoMark},
		}
		open := abandoned
		if i > 0 {
			open.ID, open.Expires = auth.ChallengeID(fmt.Sprint(i)), now.Add(30*time.Second)
			if last != abandoned.ID {
				st.Close = last
			}
		}
		st.Open = &open
		last = open.ID
		if _, err := s.Commit(context.Background(), st); err != nil {
			t.Fatal(err)
		}
	}
	var rows int
	if err := s.exclusive(context.Background(), func() error {
		if n := len(s.w.waiting); n > 1300 {
			t.Errorf("%d challenges are remembered while about 60 have not expired", n)
		}
		if n := len(s.challenges); n < 55 || n > 65 {
			t.Errorf("%d challenges are kept, want the about 60 that have not expired", n)
		}
		_, err := s.w.one(`SELECT COUNT(*) FROM challenge`, nil, &rows)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if rows > leftoversSoon+200 {
		t.Errorf("%d challenges are in the database while about 60 have not expired", rows)
	}
	s = r.reopen(t)
	f := mustSnapshot(t, s, query(0))
	open := 0
	for _, c := range f.Logins {
		if c.Settled == nil {
			open++
		}
	}
	if open != 2 || len(f.Logins) < 55 || len(f.Logins) > 65 {
		t.Errorf("%d challenges, %d of them open, after a restart; want about 60 and 2", len(f.Logins), open)
	}
}
