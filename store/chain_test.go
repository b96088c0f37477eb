package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A chainRow is a row of the table event.
type chainRow struct {
	first, last int64
	body        string
	hash        []byte
}

func readChain(t *testing.T, db *sql.DB) (rows []chainRow) {
	t.Helper()
	list, err := collect(context.Background(), db, func(rows *sql.Rows) (r chainRow, err error) {
		err = rows.Scan(&r.last, &r.first, &r.body, &r.hash)
		return r, err
	}, selectChain, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func mustExec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.Exec(text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func mustVerify(t *testing.T, s *Store) admin.Chain {
	t.Helper()
	c, err := s.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chainOf commits logins, some of them many to a row, and waits until nothing
// more is written.
func chainOf(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		var wg sync.WaitGroup
		for j := range 1 + i%3*5 {
			wg.Go(func() {
				if _, err := s.Commit(context.Background(), login(mustSnapshot(t, s, query(j)), int64(i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if err := s.exclusive(context.Background(), func() error { return s.foldAll() }); err != nil {
		t.Fatal(err)
	}
}

// TestCampaignChainShowsEveryMutation changes rows of events at random, in every way in
// which somebody could who can write the database: each is found, and the place
// that is told is the first that does not fit.
func TestCampaignChainShowsEveryMutation(t *testing.T) {
	mutations := 400
	if full() {
		mutations = 4000
	}
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 11)
	chainOf(t, s, 30)
	if _, err := s.Retain(context.Background(), admin.Act{Time: epoch}, epoch.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	db := r.database(t)
	db.SetMaxOpenConns(1)
	mustExec(t, db, `PRAGMA synchronous = 0`)
	rows := readChain(t, db)
	if len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	if c := mustVerify(t, s); c.Broken != "" {
		t.Fatal(c.Broken)
	}
	put := func(list []chainRow) {
		t.Helper()
		for _, x := range list {
			mustExec(t, db, `INSERT INTO event (last, first, body, hash) VALUES ($1, $2, $3, $4)`, x.last, x.first, x.body, x.hash)
		}
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	bit := func(b []byte) []byte {
		b = slices.Clone(b)
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		return b
	}
	kinds := []struct {
		name string
		// mutate returns the first event that cannot be proven any more.
		mutate func(i int) (place int64)
	}{
		{"a bit of the body", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET body = $1 WHERE last = $2`, string(bit([]byte(rows[i].body))), rows[i].last)
			return rows[i].first
		}},
		{"a bit of the hash", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET hash = $1 WHERE last = $2`, bit(rows[i].hash), rows[i].last)
			return rows[i].first
		}},
		{"no hash", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET hash = NULL WHERE last = $1`, rows[i].last)
			return rows[i].first
		}},
		{"no hashes up to here", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET hash = NULL WHERE last <= $1`, rows[i].last)
			return rows[0].first
		}},
		{"an empty hash", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET hash = x'' WHERE last = $1`, rows[i].last)
			return rows[i].first
		}},
		{"a row dropped", func(i int) int64 {
			i = min(i, len(rows)-2) // the newest is a cut, which the head shows
			mustExec(t, db, `DELETE FROM event WHERE last = $1`, rows[i].last)
			return rows[i].first
		}},
		{"the oldest rows dropped", func(i int) int64 {
			i = min(i, len(rows)-2)
			mustExec(t, db, `DELETE FROM event WHERE last <= $1`, rows[i].last)
			return rows[0].first
		}},
		{"the oldest rows dropped, and a cut made up", func(i int) int64 {
			i = min(i, len(rows)-2)
			mustExec(t, db, `DELETE FROM event WHERE last <= $1`, rows[i].last)
			mustExec(t, db, `INSERT INTO chain (name, seq, hash, mac) VALUES ('cut', $1, $2, $3)`, rows[i].last, rows[i].hash, rows[i].hash)
			return rows[i].last
		}},
		{"two rows in each other's place", func(i int) int64 {
			j := (i + 1 + random.IntN(len(rows)-1)) % len(rows)
			i, j = min(i, j), max(i, j)
			for _, k := range [][2]int{{i, j}, {j, i}} {
				mustExec(t, db, `UPDATE event SET body = $1, hash = $2 WHERE last = $3`, rows[k[1]].body, rows[k[1]].hash, rows[k[0]].last)
			}
			return rows[i].first
		}},
		{"a row over another", func(i int) int64 {
			j := (i + 1 + random.IntN(len(rows)-1)) % len(rows)
			mustExec(t, db, `UPDATE event SET body = $1, hash = $2 WHERE last = $3`, rows[j].body, rows[j].hash, rows[i].last)
			return rows[i].first
		}},
		{"a row moved up", func(i int) int64 {
			mustExec(t, db, `DELETE FROM event WHERE last >= $1`, rows[i].last)
			for _, x := range rows[i:] {
				x.first, x.last = x.first+1, x.last+1
				put([]chainRow{x})
			}
			return rows[i].first
		}},
		{"another first number", func(i int) int64 {
			mustExec(t, db, `UPDATE event SET first = first + $1 WHERE last = $2`, 1+random.IntN(3), rows[i].last)
			return rows[i].first
		}},
		{"an event taken out of a row", func(i int) int64 {
			for len(rows[i].body) == 0 || rows[i].first == rows[i].last {
				i = (i + 1) % len(rows)
			}
			lines, err := eventLines(rows[i].first, rows[i].last, rows[i].body)
			if err != nil {
				t.Fatal(err)
			}
			body := linesOpen + strings.Join(lines[1:], linesNext) + linesClose
			mustExec(t, db, `UPDATE event SET first = first + 1, body = $1 WHERE last = $2`, body, rows[i].last)
			return rows[i].first
		}},
		{"another beginning", func(int) int64 {
			mustExec(t, db, `UPDATE chain SET seq = $1 WHERE name = 'begin'`, rows[len(rows)-1].last)
			return rows[len(rows)-1].last
		}},
		{"no beginning", func(int) int64 {
			mustExec(t, db, `DELETE FROM chain WHERE name = 'begin'`)
			return -1
		}},
	}
	links, err := collect(context.Background(), db, scanLink, selectLinks)
	if err != nil {
		t.Fatal(err)
	}
	for n := range mutations {
		kind := kinds[n%len(kinds)]
		place := kind.mutate(random.IntN(len(rows)))
		c := mustVerify(t, s)
		if c.Broken == "" {
			t.Fatalf("mutation %d (seed %d), %s, was not found", n, seed, kind.name)
		}
		if place >= 0 && !slices.Contains(numbersIn(c.Broken), place) {
			t.Fatalf("mutation %d (seed %d), %s: told %q, want a word of event %d", n, seed, kind.name, c.Broken, place)
		}
		mustExec(t, db, `DELETE FROM event`)
		mustExec(t, db, `DELETE FROM chain`)
		put(rows)
		for _, l := range links {
			mustExec(t, db, `INSERT INTO chain (name, seq, hash, mac) VALUES ($1, $2, $3, $4)`, l.name, l.seq, append([]byte{}, l.hash...), l.mac)
		}
	}
	if c := mustVerify(t, s); c.Broken != "" {
		t.Fatalf("after all mutations were undone: %s", c.Broken)
	}
	// A cut at the end leaves a chain that fits, with another head.
	head, err := s.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `DELETE FROM event WHERE last = $1`, rows[len(rows)-1].last)
	if c := mustVerify(t, s); c.Broken != "" || reflect.DeepEqual(c.Head, head) || c.Head.Seq != uint64(rows[len(rows)-2].last) {
		t.Errorf("after the newest row was dropped: %+v, was %+v; the head shows it", c, head)
	}
	put(rows[len(rows)-1:])
}

// numbersIn returns the numbers in a text, and for "5 to 9" all of them.
func numbersIn(text string) (list []int64) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ():,", r) })
	for i, f := range fields {
		var n int64
		if _, err := fmt.Sscanf(f, "%d", &n); err != nil {
			continue
		}
		if i > 1 && fields[i-1] == "to" && len(list) > 0 {
			for m := list[len(list)-1] + 1; m < n; m++ {
				list = append(list, m)
			}
		}
		list = append(list, n)
	}
	return list
}

// TestChainOfAnotherInstallation checks that rows which another installation has
// chained do not fit, whatever else does.
func TestChainOfAnotherInstallation(t *testing.T) {
	a, b := newRig(t, Options{}), newRig(t, Options{})
	for _, r := range []*rig{a, b} {
		addAccounts(t, r.store, 11)
		chainOf(t, r.store, 3)
	}
	db := a.database(t)
	mustExec(t, db, `DELETE FROM event`)
	for _, x := range readChain(t, b.database(t)) {
		mustExec(t, db, `INSERT INTO event (last, first, body, hash) VALUES ($1, $2, $3, $4)`, x.last, x.first, x.body, x.hash)
	}
	if c := mustVerify(t, a.store); c.Broken == "" {
		t.Error("a chain under another key verifies")
	}
}

// TestVerifyWhileEventsComeAndGo checks that a chain which is written to and cut
// at the same time is never called broken.
func TestVerifyWhileEventsComeAndGo(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Commit(ctx, auth.Settlement{Event: auth.Event{Time: epoch.Add(time.Duration(i) * time.Second), Mark: auth.NoMark}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Retain(ctx, admin.Act{Time: epoch}, epoch.Add(time.Duration(i*20)*time.Second)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 10_000 {
		c := mustVerify(t, s)
		if c.Broken != "" {
			t.Errorf("Verify = %+v", c)
		}
		if c.Broken != "" || c.Cut.Seq > 1000 {
			break
		}
	}
	close(stop)
	wg.Wait()
	if c := mustVerify(t, s); c.Broken != "" || c.Cut.Seq == 0 {
		t.Errorf("at rest: %+v", c)
	}
}

// TestRetainDropsIndexes deletes events of several segments and checks what is
// left of the indexes, and that searches and a restart are right in the middle of
// a segment.
func TestRetainDropsIndexes(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 20)
	total, cuts := segment+segment/2, []int{segment / 2, segment + 100}
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := worker; i < total; i += 20 {
				st := login(mustSnapshot(t, s, query(worker)), int64(i))
				st.Event.Time = epoch.Add(time.Duration(i) * time.Second)
				if _, err := s.Commit(ctx, st); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	all, err := s.Events(ctx, admin.EventFilter{Limit: total})
	if err != nil || len(all) != total {
		t.Fatalf("Events = %d, %v", len(all), err)
	}
	count := func(text string) (n int) {
		t.Helper()
		if err := r.database(t).QueryRow(text).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	deleted := uint64(0)
	for _, before := range cuts {
		n, err := s.Retain(ctx, admin.Act{Time: epoch, Action: "events.retain"}, epoch.Add(time.Duration(before)*time.Second))
		if err != nil || n == 0 {
			t.Fatalf("Retain = %d, %v", n, err)
		}
		deleted += n
		c := mustVerify(t, s)
		if c.Broken != "" || c.Cut.Seq != deleted || c.First != deleted+1 {
			t.Fatalf("Verify = %+v after %d were deleted", c, deleted)
		}
		whole := (int64(deleted) + 1) / segment
		for _, table := range []string{"event_subject", "event_outcome"} {
			if n := count(fmt.Sprintf(`SELECT COUNT(*) FROM %s WHERE segment < %d`, table, whole)); n != 0 {
				t.Errorf("%d rows of %s are of segments that are gone", n, table)
			}
		}
		for range 2 {
			for _, f := range []admin.EventFilter{
				{Subject: accountID(7), Limit: total},
				{Outcome: auth.OATHCodeVerified, Limit: total},
				{Since: epoch.Add(time.Hour), Limit: total},
				{Since: epoch.Add(time.Duration(before)*time.Second + time.Hour), Subject: accountID(7), Limit: total},
				{Limit: total},
			} {
				var want []uint64
				for _, e := range all[deleted:] {
					if (f.Subject == "" || e.Subject == f.Subject) && !e.Time.Before(f.Since) {
						want = append(want, e.Seq)
					}
				}
				list, err := s.Events(ctx, f)
				if err != nil {
					t.Fatal(err)
				}
				var got []uint64
				for _, e := range list {
					got = append(got, e.Seq)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("Events(%+v) after %d were deleted = %d events, want %d", f, deleted, len(got), len(want))
				}
			}
			s = r.reopen(t)
		}
	}
	for i := range 20 { // the last of each
		if m := mustSnapshot(t, s, query(i)).Authenticators[1].Mark; m < int64(total-20) {
			t.Errorf("mark of account %d = %d; what is spent stays spent", i, m)
		}
	}
}

// TestFailedRetain fails each write of a Retain in turn and checks that the
// chain verifies, whatever was deleted.
func TestFailedRetain(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 11)
	chainOf(t, s, 3*retainRows)
	before := mustVerify(t, s)
	for n := 1; ; n++ {
		fired := r.faults.failWrite(n)
		_, err := s.Retain(ctx, admin.Act{Time: epoch, Action: "events.retain"}, epoch.Add(time.Hour))
		failed := fired()
		r.faults.failWrite(0)
		if failed == (err == nil) {
			t.Fatalf("Retain whose %d. write failed (%t) = %v", n, failed, err)
		}
		for range 2 {
			c := mustVerify(t, s)
			if c.Broken != "" || c.Last != before.Last || !bytes.Equal(c.Head.Hash, before.Head.Hash) {
				t.Fatalf("the %d. write failed: %+v", n, c)
			}
			s = r.reopen(t)
		}
		if err == nil {
			break
		}
	}
	acts, err := s.Acts(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	retains := 0
	for i, a := range acts {
		if a.Seq != uint64(i+1) {
			t.Errorf("act %d has number %d", i+1, a.Seq)
		}
		if a.Action == "events.retain" {
			retains++
		}
	}
	if c := mustVerify(t, s); retains == 0 || c.First < before.Last-20 {
		t.Errorf("%d acts, %+v", retains, c)
	}
	if _, err := s.Commit(ctx, login(mustSnapshot(t, s, query(0)), 1<<20)); err != nil {
		t.Error(err)
	}
	if c := mustVerify(t, s); c.Broken != "" || c.Last != before.Last+1 {
		t.Errorf("after another login: %+v", c)
	}
}

func BenchmarkVerify(b *testing.B) {
	const accounts = 100
	s := benchStore(b, accounts, Options{})
	const events = 100_000
	var wg sync.WaitGroup
	for worker := range accounts {
		wg.Go(func() {
			for i := worker; i < events; i += accounts {
				if _, err := s.Commit(context.Background(), login(mustSnapshot(b, s, query(worker)), int64(i))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for b.Loop() {
		if c, err := s.Verify(context.Background(), nil); err != nil || c.Broken != "" || c.Last != events {
			b.Fatal(c, err)
		}
	}
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Minutes()/1e6, "Mevents/min")
}
