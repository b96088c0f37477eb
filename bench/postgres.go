//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// A database is a PostgreSQL server of the bench's own, from the packages of
// the system, as durable as it is by default. All rows of a run use the same
// server, each on a copy of the same data.
type database struct {
	bin, root string
	port      int
	cmd       *exec.Cmd
	ended     chan struct{}
}

const (
	// baseDatabase holds the accounts. Each run gets a copy of it.
	baseDatabase = "base"
	runDatabase  = "run"
)

// databaseSettings are those of PostgreSQL that differ from its defaults. A
// commit is on disk before it is told, as by default; there is room in memory
// for everything, and no checkpoint falls into a run but by its own timer.
var databaseSettings = []string{
	"listen_addresses = '127.0.0.1'",
	"fsync = on",
	"synchronous_commit = on",
	"full_page_writes = on",
	"shared_buffers = 1GB",
	"max_wal_size = 8GB",
	"checkpoint_timeout = 30min",
	"max_connections = 100",
	"logging_collector = off",
}

// databasePrograms returns where PostgreSQL's programs are, "" if nowhere.
func databasePrograms() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return filepath.Dir(last(found))
}

// startDatabase makes a server and starts it on the servers' core.
func (b *bench) startDatabase(ctx context.Context, parent string) (*database, error) {
	d := &database{bin: databasePrograms()}
	if d.bin == "" {
		return nil, errors.New("PostgreSQL is not installed (apt-get install postgresql)")
	}
	var err error
	if d.root, err = os.MkdirTemp(parent, "sallyport-bench-postgres-"); err != nil {
		return nil, err
	}
	if cred, err := d.owner(); err != nil {
		return nil, err
	} else if cred != nil {
		if err := os.Chown(d.root, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	address, err := freePort("tcp")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if d.port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(d.bin, "initdb"), "-D", d.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	if err := d.as(initdb); err != nil {
		return nil, err
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), d.remove())
	}
	if err := d.configure(append(slices.Clone(databaseSettings), fmt.Sprintf("port = %d", d.port), fmt.Sprintf("unix_socket_directories = '%s'", d.root))...); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	if err := d.start(ctx, b); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

func (d *database) data() string { return filepath.Join(d.root, "data") }

// owner is who the server runs as: PostgreSQL refuses to be root. Nil means
// this user.
func (d *database) owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// as makes cmd run as the server's user.
func (d *database) as(cmd *exec.Cmd) error {
	cred, err := d.owner()
	if err != nil {
		return err
	}
	cmd.Dir = d.root
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Credential = cred
	return nil
}

// configure adds settings; they hold from the next start.
func (d *database) configure(lines ...string) error {
	f, err := os.OpenFile(filepath.Join(d.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// start starts the server and returns when it answers.
func (d *database) start(ctx context.Context, b *bench) error {
	// Precedence is for root to give; the server's user may not.
	d.cmd = exec.Command("taskset", "-c", strconv.Itoa(serverCore), filepath.Join(d.bin, "postgres"), "-D", d.data())
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := d.as(d.cmd); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(d.root, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	if err := b.start(d.cmd); err != nil {
		return err
	}
	ended, cmd := make(chan struct{}), d.cmd
	d.ended = ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	if b.priority && os.Geteuid() == 0 {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, d.pid(), -10); err != nil {
			return fmt.Errorf("give the database precedence: %w", err)
		}
	}
	deadline := time.Now().Add(startTimeout)
	for {
		err := d.exec(ctx, "postgres", `SELECT 1`)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			text, _ := os.ReadFile(filepath.Join(d.root, "log"))
			return fmt.Errorf("PostgreSQL ended at once:\n%s", text)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL was not ready after %v: %w", startTimeout, err)
		}
	}
}

func (d *database) pid() int { return d.cmd.Process.Pid }

// stop ends the server, cutting all connections, and waits for the end.
func (d *database) stop() error {
	_ = syscall.Kill(d.pid(), syscall.SIGINT)
	select {
	case <-d.ended:
		return nil
	case <-time.After(startTimeout):
		return errors.New("PostgreSQL does not stop")
	}
}

// remove ends the server, if it runs, and removes its data.
func (d *database) remove() error {
	var err error
	if d.cmd != nil && d.ended != nil {
		err = d.stop()
	}
	return errors.Join(err, os.RemoveAll(d.root))
}

func (d *database) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// url is that of a database of the server at an address, its own or a proxy's.
func (d *database) url(address, name string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", address, name)
}

// exec runs statements, each in a transaction of its own.
func (d *database) exec(ctx context.Context, name string, statements ...string) error {
	conn, err := pgx.Connect(ctx, d.url(d.address(), name))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, text := range statements {
		if _, err := conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// fresh makes the database of a run, a copy of the base or an empty one, and
// brings it to disk, so that nothing of that falls into the run.
func (d *database) fresh(ctx context.Context, empty bool) error {
	template := "TEMPLATE " + baseDatabase + " STRATEGY file_copy"
	if empty {
		template = ""
	}
	return d.exec(ctx, "postgres",
		`DROP DATABASE IF EXISTS `+runDatabase+` WITH (FORCE)`,
		`CREATE DATABASE `+runDatabase+` `+template,
		`CHECKPOINT`)
}

// wal returns how many octets of write-ahead log there have been.
func (d *database) wal(ctx context.Context) (octets int64, err error) {
	conn, err := pgx.Connect(ctx, d.url(d.address(), "postgres"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`).Scan(&octets)
	return octets, err
}

// A work is what the server has done so far, as it counts itself: the log's
// part in all, the rest in the run's database. Its processes add what they did
// with some delay, and at the end of their connections.
type work struct {
	FullPages  int64 // page images in the log, which the first change after a checkpoint makes necessary
	Flushes    int64 // of the log to disk
	Commits    int64
	Inserted   int64 // rows, system tables included
	Updated    int64
	Deleted    int64
	Statements int64
	Size       int64 // octets of the database
}

// done reads what the server has done, once it counts statements.
func (d *database) done(ctx context.Context) (work, error) {
	var w work
	conn, err := pgx.Connect(ctx, d.url(d.address(), "postgres"))
	if err != nil {
		return w, err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, `SELECT wal_fpi, wal_sync FROM pg_stat_wal`).Scan(&w.FullPages, &w.Flushes); err != nil {
		return w, fmt.Errorf("read pg_stat_wal: %w", err)
	}
	err = conn.QueryRow(ctx, `SELECT xact_commit, tup_inserted, tup_updated, tup_deleted, pg_database_size(datname) FROM pg_stat_database WHERE datname = $1`, runDatabase).
		Scan(&w.Commits, &w.Inserted, &w.Updated, &w.Deleted, &w.Size)
	if err != nil {
		return w, fmt.Errorf("read pg_stat_database: %w", err)
	}
	err = conn.QueryRow(ctx, `SELECT COALESCE(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1`, runDatabase).
		Scan(&w.Statements)
	if err != nil {
		return w, fmt.Errorf("read pg_stat_statements: %w", err)
	}
	return w, nil
}

// size returns how many octets a database takes on disk.
func (d *database) size(ctx context.Context, name string) (octets int64, err error) {
	conn, err := pgx.Connect(ctx, d.url(d.address(), "postgres"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT pg_database_size($1)`, name).Scan(&octets)
	return octets, err
}

// count restarts the server so that it counts statements. That costs it a
// little of each, so only rows that measure cost come after it.
func (d *database) count(ctx context.Context, b *bench) error {
	if err := d.configure("shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.track = top"); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	if err := d.start(ctx, b); err != nil {
		return err
	}
	return d.exec(ctx, "postgres", `CREATE EXTENSION IF NOT EXISTS pg_stat_statements`)
}
