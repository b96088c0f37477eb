package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"sallyport/auth"
)

// BenchmarkPostgresCommit is what the store does for one login: facts from
// memory, and a settlement that spends a step. It reports what a login costs on
// the wire: octets, and round trips of its group.
func BenchmarkPostgresCommit(b *testing.B) {
	const accounts = 2_000
	for _, nodes := range []int{1, 2, 3} {
		for _, flight := range []int{1, 16, 64, 256, 1024} {
			b.Run(fmt.Sprintf("nodes=%d/flight=%d", nodes, flight), func(b *testing.B) {
				rigs := []*postgresRig{newPostgresRig(b, PostgresOptions{})}
				for i := 1; i < nodes; i++ {
					rigs = append(rigs, rigs[0].other(b, fmt.Sprint("n", i)))
				}
				addAccounts(b, rigs[0].store, accounts)
				ctx := context.Background()
				for i := range accounts {
					for n, r := range rigs {
						if i%nodes == n { // whose logins come to that node
							if _, err := r.store.Snapshot(ctx, query(i), true); err != nil {
								b.Fatal(err)
							}
						}
					}
				}
				var trips, octets, commits, groups [2]int64
				measure := func(i int) {
					trips[i], octets[i], commits[i], groups[i] = 0, 0, 0, 0
					for _, r := range rigs {
						trips[i] += r.wire.trips.Load()
						octets[i] += r.wire.sent.Load() + r.wire.received.Load()
						s := r.store.Stats()
						commits[i] += int64(s.Commits)
						groups[i] += int64(s.Groups)
					}
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				measure(0)
				used := cpu(b)
				b.ResetTimer()
				for range flight {
					wg.Go(func() {
						for {
							n := next.Add(1)
							if n > int64(b.N) {
								return
							}
							account := int(n * 7919 % accounts)
							s := rigs[account%nodes].store
							f, err := s.Snapshot(ctx, query(account), false)
							if err == nil {
								_, err = s.Commit(ctx, login(f, n))
							}
							if err != nil && err != auth.ErrConflict {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				measure(1)
				logins := float64(max(1, commits[1]-commits[0]))
				b.ReportMetric(logins/b.Elapsed().Seconds(), "logins/s")
				b.ReportMetric(float64(octets[1]-octets[0])/logins, "octets/login")
				b.ReportMetric(float64(trips[1]-trips[0])/float64(max(1, groups[1]-groups[0])), "trips/group")
				b.ReportMetric(logins/float64(max(1, groups[1]-groups[0])), "logins/group")
				b.ReportMetric(float64(cpu(b)-used)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkPostgresSnapshot is a look at facts that are not in memory.
func BenchmarkPostgresSnapshot(b *testing.B) {
	const accounts = 5_000
	r := newPostgresRig(b, PostgresOptions{CacheEntries: 1})
	addAccounts(b, r.store, accounts)
	b.ResetTimer()
	for n := 0; b.Loop(); n++ {
		mustSnapshot(b, r.store, query(n*7919%accounts))
	}
}
