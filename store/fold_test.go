package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

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
	total := 2*foldSoon + segment/2
	if testing.Short() {
		total = foldSoon + segment/2
	}
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
