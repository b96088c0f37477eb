package pgtest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func count(t *testing.T, url string) (n int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT COUNT(*) FROM t`).Scan(&n)
	return n, err
}

// Every way to break a server breaks it, and every way back brings the data
// back that it should.
func TestServer(t *testing.T) {
	s := Start(t)
	name := s.Database(t)
	url := s.URL(name)
	want := func(n int) {
		t.Helper()
		if got, err := count(t, url); err != nil || got != n {
			t.Errorf("%d rows, %v; want %d", got, err, n)
		}
	}
	s.Exec(t, name, `CREATE TABLE t (x INTEGER)`, `INSERT INTO t VALUES (1)`)
	want(1)
	base := s.Basebackup(t)
	standby := s.Standby(t)
	s.Exec(t, name, `INSERT INTO t VALUES (2)`)
	s.CaughtUp(t, standby)
	standby.Lag(t)
	s.Exec(t, name, `INSERT INTO t VALUES (3)`)

	s.Kill(t)
	if _, err := count(t, url); err == nil {
		t.Error("a killed server answers")
	}
	s.Start(t)
	want(3)
	s.Hang(t)
	if _, err := count(t, url); err == nil {
		t.Error("a hung server answers")
	}
	s.Continue(t)
	want(3)
	s.ReadOnly(t, true)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `INSERT INTO t VALUES (4)`); err == nil {
		t.Error("a read-only server writes")
	}
	conn.Close(ctx)
	s.ReadOnly(t, false)
	s.Stop(t)
	standby.Promote(t)
	url = URLOf(name, s, standby)
	want(2)
	s.Restore(t, base)
	s.Start(t)
	url = s.URL(name)
	want(1)
	s.remove()
	if _, err := os.Stat(s.root); err == nil {
		t.Error("the folder is still there")
	}
}
