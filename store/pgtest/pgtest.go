// Package pgtest runs private PostgreSQL servers for tests: real ones, from the
// packages of the system, in a temporary folder, durable as in production. It
// hides how a server is made, found, broken in every way that a test wants, and
// cleaned up. Only tests import it.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is one PostgreSQL server with its data. Its methods fail the test
// that they are given when the server does not do as told; they are not for use
// by several goroutines at once.
type Server struct {
	bin  string
	root string // holds data and the log, and goes when the server goes
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// owner is who runs servers: PostgreSQL refuses to run as root.
type owner struct{ uid, gid uint32 }

var (
	sharedMu sync.Mutex
	shared   *Server
	serial   atomic.Int64
)

// Shared returns the one server that the tests of a package use which do not
// break it, and starts it if it is not there. TestMain must call Close at the
// end.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared == nil {
		shared = start(tb, nil)
	}
	return shared
}

// Close ends the shared server, if there is one, and removes its data.
func Close() {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared != nil {
		shared.remove()
		shared = nil
	}
}

// Start starts a server of the test's own with further lines of postgresql.conf.
// It ends with the test. Without PostgreSQL on the machine the test is skipped,
// and fails where that would hide it: if CI is true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s := start(tb, settings)
	tb.Cleanup(s.remove)
	return s
}

func start(tb testing.TB, settings []string) *Server {
	tb.Helper()
	s := newServer(tb)
	s.run(tb, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	s.configure(tb, settings)
	s.Start(tb)
	return s
}

// newServer makes a folder and finds a port and the programs.
func newServer(tb testing.TB) *Server {
	tb.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		const how = "there is no PostgreSQL on this machine: install the package postgresql"
		if os.Getenv("CI") == "true" {
			tb.Fatal(how)
		}
		tb.Skip(how)
	}
	slices.Sort(found)
	root, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{bin: filepath.Dir(found[len(found)-1]), root: root, port: freePort(tb)}
	if o := s.owner(tb); o != nil {
		if err := os.Chown(root, int(o.uid), int(o.gid)); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// owner returns the user "postgres" if we are root, nil if we run servers
// ourselves.
func (s *Server) owner(tb testing.TB) *owner {
	tb.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatalf("PostgreSQL does not run as root, and there is no user for it: %v", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatal(err)
	}
	return &owner{uint32(uid), uint32(gid)}
}

func (s *Server) data() string { return filepath.Join(s.root, "data") }

// command is a program of PostgreSQL that runs as its user.
func (s *Server) command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.root
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the tests is not its business
	if o := s.owner(tb); o != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return cmd
}

func (s *Server) run(tb testing.TB, name string, args ...string) {
	tb.Helper()
	if out, err := s.command(tb, name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// configure appends to postgresql.conf. Everything that makes a commit durable
// is on, as it is by default.
func (s *Server) configure(tb testing.TB, settings []string) {
	tb.Helper()
	lines := append([]string{
		"",
		"listen_addresses = '127.0.0.1'",
		fmt.Sprintf("port = %d", s.port),
		fmt.Sprintf("unix_socket_directories = '%s'", s.root),
		"fsync = on",
		"synchronous_commit = on",
		"full_page_writes = on",
		"shared_buffers = 32MB",
		"max_connections = 60",
		"max_wal_senders = 4",
		"wal_level = replica",
		"hot_standby = on",
	}, settings...)
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		tb.Fatal(err)
	}
}

// Start starts the server again after Stop or Kill, and returns when it answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.launch(tb)
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := s.ping()
		if err == nil {
			return
		}
		select {
		case <-s.done:
			tb.Fatalf("the server ended: %s", s.log())
		default:
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the server does not answer: %v\n%s", err, s.log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// launch starts the server and does not wait for it.
func (s *Server) launch(tb testing.TB) {
	tb.Helper()
	log, err := os.OpenFile(filepath.Join(s.root, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	cmd := s.command(tb, "postgres", "-D", s.data())
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd.SysProcAttr)
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // see dieWithParent
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	s.cmd, s.done = cmd, done
}

func (s *Server) log() string {
	text, _ := os.ReadFile(filepath.Join(s.root, "log"))
	return string(text[max(0, len(text)-4000):])
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// Address returns where the server listens.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.Address(), database)
}

// URLOf returns the URL of a database that is at whichever of the servers can be
// written.
func URLOf(database string, servers ...*Server) string {
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.Address())
	}
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&target_session_attrs=read-write",
		strings.Join(addresses, ","), database)
}

// NewDatabase makes an empty database and returns its URL.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	return s.URL(s.newDatabase(tb))
}

// Database makes an empty database and returns its name.
func (s *Server) Database(tb testing.TB) string { tb.Helper(); return s.newDatabase(tb) }

func (s *Server) newDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", serial.Add(1))
	s.Exec(tb, "postgres", `CREATE DATABASE `+name)
	return name
}

// Exec runs statements as the superuser.
func (s *Server) Exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, text := range statements {
		if _, err := conn.Exec(ctx, text); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
}

// Stop ends the server as its administrator would, cutting all connections.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGINT) // "fast": rolls back what is open
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		tb.Fatalf("the server does not stop: %s", s.log())
	}
}

// Kill ends the server and all its processes as a power failure would end them,
// apart from what the operating system has in its caches.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.kill()
	if s.alive() {
		tb.Fatal("the server survived")
	}
}

func (s *Server) kill() {
	children := s.children()
	_ = s.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.done
}

func (s *Server) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Restart stops the server and starts it again.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	s.Start(tb)
}

// Hang stops all processes of the server where they stand: connections stay
// open and nothing answers, as when its disk or its machine hangs. Continue
// lets it go on.
func (s *Server) Hang(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGSTOP) }

// Continue ends what Hang began.
func (s *Server) Continue(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGCONT) }

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	// The first stops new children from being made.
	for _, pid := range append([]int{s.cmd.Process.Pid}, s.children()...) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			tb.Fatal(err)
		}
	}
}

// children are the processes that the server has started.
func (s *Server) children() []int {
	var list []int
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // has ended
		}
		// pid (name) state parent; a name may hold anything.
		_, rest, ok := bytes.Cut(stat, []byte(") "))
		fields := bytes.Fields(rest)
		if !ok || len(fields) < 2 || string(fields[1]) != strconv.Itoa(s.cmd.Process.Pid) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// ReadOnly makes every transaction read-only, or ends that.
func (s *Server) ReadOnly(tb testing.TB, on bool) {
	tb.Helper()
	s.Exec(tb, "postgres", fmt.Sprintf(`ALTER SYSTEM SET default_transaction_read_only = %t`, on), `SELECT pg_reload_conf()`)
}

// Basebackup copies the server's data while it runs and returns the folder.
func (s *Server) Basebackup(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(s.root, fmt.Sprintf("base%d", serial.Add(1)))
	s.run(tb, "pg_basebackup", "-D", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "-X", "stream", "-c", "fast", "--no-sync")
	return dir
}

// Restore puts a base backup in the place of the data of a server that is
// stopped. The backup can be used again.
func (s *Server) Restore(tb testing.TB, dir string) {
	tb.Helper()
	if s.alive() {
		tb.Fatal("the data of a running server cannot be replaced")
	}
	if err := os.RemoveAll(s.data()); err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", dir, s.data()).CombinedOutput(); err != nil {
		tb.Fatalf("cp: %v\n%s", err, out)
	}
}

// Standby starts a server that follows s by streaming, and waits until it does.
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	standby := newServer(tb)
	tb.Cleanup(standby.remove)
	standby.run(tb, "pg_basebackup", "-D", standby.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres",
		"-X", "stream", "-c", "fast", "-R", "--no-sync")
	standby.configure(tb, []string{"hot_standby = on"})
	standby.Start(tb)
	return standby
}

// Lag lets a standby no longer hear of what its primary does.
func (s *Server) Lag(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "postgres", `ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	for receivers := 1; receivers > 0; time.Sleep(10 * time.Millisecond) {
		if err := conn.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stat_wal_receiver`).Scan(&receivers); err != nil {
			tb.Fatal(err)
		}
	}
}

// CaughtUp waits until the standby has replayed what s has written by now.
func (s *Server) CaughtUp(tb testing.TB, standby *Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	primary, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer primary.Close(ctx)
	var at string
	if err := primary.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&at); err != nil {
		tb.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, standby.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	for done := false; !done; time.Sleep(10 * time.Millisecond) {
		if err := conn.QueryRow(ctx, `SELECT COALESCE(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, FALSE)`, at).Scan(&done); err != nil {
			tb.Fatal(err)
		}
	}
}

// Promote makes a standby a server of its own that can be written.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "postgres", `SELECT pg_promote(true, 30)`)
}

// remove ends the server and removes its data.
func (s *Server) remove() {
	if s.cmd != nil && s.alive() {
		s.kill()
	}
	if err := os.RemoveAll(s.root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	}
}
