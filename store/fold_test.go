package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/admin"
	"sallyport/auth"
)

// TestFoldUnderLoad writes more events than are left unfolded, without a quiet
// moment, and checks that folding keeps up within the groups' own
// transactions, that searches are right across segments and across what is
// folded, and that no mark is lost on the way.
func TestFoldUnderLoad(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	const accounts = 50
	const total = foldSoon + segment/2
	addAccounts(t, s, accounts)
	events := make([]auth.Event, total) // by number
	highest := make([]int64, accounts)
	var wg sync.WaitGroup
	for i := range accounts {
		wg.Go(func() {
			for n := i; n < total; n += accounts {
				f, err := s.Snapshot(ctx, query(i), false)
				if err != nil {
					t.Error(err)
					return
				}
				st := login(f, int64(n))
				st.Event.Time = epoch.Add(time.Duration(n) * time.Second)
				if n%1000 == 7 {
					st.Event.Outcome = auth.StoreUnavailable // a rare one
				}
				seq, err := s.Commit(ctx, st)
				if err != nil {
					t.Error(err)
					return
				}
				st.Event.Seq = seq
				events[seq-1] = st.Event
				highest[i] = int64(n)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	st := s.Stats()
	if st.Backlog > foldSoon+2*segment {
		t.Errorf("backlog = %d of %d events; folding does not keep up", st.Backlog, total)
	}
	check := func() {
		t.Helper()
		for i := range accounts {
			if f := mustSnapshot(t, s, query(i)); f.Authenticators[1].Mark != highest[i] {
				t.Fatalf("mark of account %d = %d, want %d", i, f.Authenticators[1].Mark, highest[i])
			}
		}
		for _, f := range []admin.EventFilter{
			{Subject: accountID(7), Limit: total},
			{Subject: accountID(7), Limit: 3, Newest: true},
			{Subject: accountID(7), After: segment - 5, Limit: 4},
			{Subject: accountID(7), Outcome: auth.StoreUnavailable, Limit: 5},
			{Outcome: auth.StoreUnavailable, Limit: total},
			{Outcome: auth.StoreUnavailable, Limit: 7, Newest: true},
			{Outcome: auth.StoreUnavailable, After: segment, Limit: 2},
			{After: segment - 3, Limit: 10},
			{Newest: true, Limit: 10},
			{Since: epoch.Add(3 * time.Hour), Limit: 10},
			{Since: epoch.Add(3*time.Hour + 11*time.Minute), Subject: accountID(3), Limit: total},
			{Since: events[total-40].Time, Newest: true},
		} {
			list, err := s.Events(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			var want []uint64
			for _, e := range events {
				if e.Seq > f.After && !e.Time.Before(f.Since) && (f.Subject == "" || e.Subject == f.Subject) && (f.Outcome == 0 || e.Outcome == f.Outcome) {
					want = append(want, e.Seq)
				}
			}
			if f.Limit > 0 && len(want) > f.Limit {
				if f.Newest {
					want = want[len(want)-f.Limit:]
				} else {
					want = want[:f.Limit]
				}
			}
			var got []uint64
			for _, e := range list {
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("Events(%+v) = %d events %.200s\nwant %d %.200s", f, len(got), fmt.Sprint(got), len(want), fmt.Sprint(want))
			}
		}
	}
	check()
	for _, rows := range []int{100, segment, 1000} { // half-way through a run, and after one
		if err := s.exclusive(ctx, func() error { s.fold(rows); return nil }); err != nil {
			t.Fatal(err)
		}
		check()
	}
	s = r.reopen(t)
	check()
}

// TestFailedSegment fails each write of folding a whole segment, which enters
// its events in the index by subject, and checks that searches are right before,
// between and after.
func TestFailedSegment(t *testing.T) {
	const accounts = 40
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	failed := 0
	// All in the committer's own time, so that nothing is folded by itself.
	err := s.exclusive(ctx, func() error {
		seqs := make(map[string][]uint64)
		for seq := uint64(1); seq <= segment+10; {
			var group []*request
			for range groupLength {
				q := &request{done: make(chan struct{}, 1)}
				subject := accountID(int(seq) % accounts)
				if seq%100 == 0 {
					subject = "" // of nobody
				}
				q.s.Event = auth.Event{Time: epoch, Subject: subject, Mark: auth.NoMark, Outcome: auth.UserNotFound}
				if err := q.prepare(s.ring); err != nil {
					return err
				}
				group = append(group, q)
				seqs[subject] = append(seqs[subject], seq)
				seq++
			}
			s.settle(group)
			for _, q := range group {
				if <-q.done; q.err != nil {
					return q.err
				}
			}
		}
		check := func(n int) error {
			for i := range accounts {
				list, err := s.Events(ctx, admin.EventFilter{Subject: accountID(i), Limit: segment})
				if err != nil {
					return err
				}
				var got []uint64
				for _, e := range list {
					got = append(got, e.Seq)
				}
				if !slices.Equal(got, seqs[accountID(i)]) {
					return fmt.Errorf("after the %d. write failed: %d events of account %d, want %d", n, len(got), i, len(seqs[accountID(i)]))
				}
			}
			return nil
		}
		for n := 1; s.w.indexed == 0; n++ {
			fired := r.faults.failWrite(n)
			good := s.fold(8 * segment)
			if fired() {
				if text := *r.faults.text.Load(); strings.HasPrefix(text, insertSubjectHead) {
					failed++
				}
			}
			if good == fired() {
				return fmt.Errorf("fold whose %d. write failed (%t) reports %t", n, fired(), good)
			}
			r.faults.failWrite(0)
			if n < 4 || good {
				if err := check(n); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed < 3 {
		t.Errorf("%d of the writes that failed were of event_subject; want some", failed)
	}
	var rows int
	if err := r.database(t).QueryRow(`SELECT COUNT(*) FROM event_subject`).Scan(&rows); err != nil || rows == 0 {
		t.Errorf("%d rows of event_subject, %v", rows, err)
	}
}

// TestIndexSubjects checks, for any subjects, that each number is found again
// under its subject and under no other, that rows are in the order of their keys
// and begin with them, and that none is much longer than it may be.
func TestIndexSubjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few characters, among them all that mean something in a body.
		name := rapid.StringOfN(rapid.SampledFrom([]rune("ab?\"\\[]{},:1\n\u00e9\U0001d11e")), 0, 12, -1)
		some := rapid.SliceOfN(name, 1, 60).Draw(t, "names")
		subjects := rapid.SliceOfN(rapid.SampledFrom(some), 0, 400).Draw(t, "subjects")
		first := rapid.SampledFrom([]int64{1, segment, 7 * segment}).Draw(t, "first")
		rows := indexSubjects(first, subjects)
		want := make(map[string][]int64)
		for i, subject := range subjects {
			want[subject] = append(want[subject], first+int64(i))
		}
		delete(want, "") // events of nobody are in no index
		for i, row := range rows {
			if row.segment != first/segment || !json.Valid([]byte(row.body)) {
				t.Fatalf("row %+v", row)
			}
			if i > 0 && row.subject <= rows[i-1].subject {
				t.Fatalf("row of %q follows that of %q", row.subject, rows[i-1].subject)
			}
			if numbers, err := numbersOf(row.subject, row.body); err != nil || len(numbers) == 0 {
				t.Fatalf("row %+v does not hold its own subject: %v", row, err)
			}
		}
		for subject, numbers := range want {
			at, found := slices.BinarySearchFunc(rows, subject, func(r subjectsRow, s string) int { return strings.Compare(r.subject, s) })
			if !found {
				at--
			}
			if at < 0 {
				t.Fatalf("no row can hold %q", subject)
			}
			if got, err := numbersOf(subject, rows[at].body); err != nil || !slices.Equal(got, numbers) {
				t.Fatalf("numbers of %q = %v, %v; want %v\nfrom %s", subject, got, err, numbers, rows[at].body)
			}
			for i, row := range rows {
				if got, err := numbersOf(subject, row.body); i != at && (err != nil || got != nil) {
					t.Fatalf("numbers of %q are also in the row of %q: %v, %v", subject, row.subject, got, err)
				}
			}
		}
	})
}

func TestIndexSubjectsRows(t *testing.T) {
	if rows := indexSubjects(1, nil); rows != nil {
		t.Errorf("index of nothing = %v", rows)
	}
	var subjects []string
	for i := range 200 {
		subjects = append(subjects, accountID(i))
	}
	for _, row := range indexSubjects(1, subjects) {
		if len(row.body) > subjectsOctets+100 {
			t.Errorf("row of %s is %d octets long, want about %d", row.subject, len(row.body), subjectsOctets)
		}
	}
	rows := indexSubjects(segment, []string{"b", "a", "", "b"})
	want := []subjectsRow{{1, "a", fmt.Sprintf("{\n\"a\":[%d],\n\"b\":[%d,%d]\n}", segment+1, segment, segment+3)}}
	if !slices.Equal(rows, want) {
		t.Errorf("indexSubjects = %+v, want %+v", rows, want)
	}
}

func TestNumbersOfDamage(t *testing.T) {
	for _, body := range []string{"{\n\"a\":[]\n}", "{\n\"a\":[1,x]\n}", "{\n\"a\":[1,,2]\n}", "{\n\"a\":[99999999999999999999]\n}"} {
		if got, err := numbersOf("a", body); !errors.Is(err, errDamaged) {
			t.Errorf("numbersOf(a, %q) = %v, %v; want errDamaged", body, got, err)
		}
	}
}

// TestFailedFold checks that a fold that fails is begun again where it was.
func TestFailedFold(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 40)
	for i := range 120 {
		if _, err := s.Commit(ctx, login(mustSnapshot(t, s, query(i%40)), int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; ; n++ {
		var good, failed bool
		if err := s.exclusive(ctx, func() error {
			fired := r.faults.failWrite(n)
			good = s.fold(1000)
			failed = fired()
			r.faults.failWrite(0)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if good == failed {
			t.Fatalf("fold whose %d. write failed (%t) reports %t", n, failed, good)
		}
		for i := range 40 {
			if m := mustSnapshot(t, s, query(i)).Authenticators[1].Mark; m != int64(i+80) {
				t.Fatalf("after the %d. write failed: mark of account %d = %d, want %d", n, i, m, i+80)
			}
		}
		if good {
			break
		}
	}
	list, err := s.Events(ctx, admin.EventFilter{Subject: accountID(5)})
	if err != nil || len(list) != 3 {
		t.Errorf("Events = %d, %v; want 3", len(list), err)
	}
}
