package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/auth"
)

// benchRig is a store without fault injection.
func benchStore(b *testing.B, accounts int, o Options) *Store {
	b.Helper()
	o.Dir, o.KEK = filepath.Join(b.TempDir(), "data"), newKEK(b)
	s, err := Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	addAccounts(b, s, accounts)
	return s
}

// BenchmarkCommit is what the store does for one login, with 256 in flight:
// facts from memory, and a settlement that spends a step, written to the disk.
func BenchmarkCommit(b *testing.B) {
	const accounts, flight = 20_000, 256
	s := benchStore(b, accounts, Options{})
	for i := range accounts {
		mustSnapshot(b, s, query(i))
	}
	run := func(b *testing.B) {
		var next atomic.Int64
		before, used := s.Stats(), cpu(b)
		var wg sync.WaitGroup
		b.ResetTimer()
		for range flight {
			wg.Go(func() {
				for {
					n := next.Add(1)
					if n > int64(b.N) {
						return
					}
					f, err := s.Snapshot(context.Background(), query(int(n*7919%accounts)), false)
					if err == nil {
						_, err = s.Commit(context.Background(), login(f, n))
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
		after := s.Stats()
		b.ReportMetric(float64(cpu(b)-used)/float64(b.N), "cpu-ns/op")
		b.ReportMetric(float64(after.Commits-before.Commits)/float64(max(1, after.Groups-before.Groups)), "logins/fsync")
	}
	b.ReportAllocs()
	run(b)
}

// cpu returns the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for _, name := range tasks {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		var ns int64
		fmt.Sscan(string(text), &ns)
		sum += time.Duration(ns)
	}
	return sum
}

func BenchmarkSnapshot(b *testing.B) {
	const accounts = 10_000
	b.Run("hit", func(b *testing.B) {
		s := benchStore(b, accounts, Options{})
		queries := make([]auth.Query, accounts)
		for i := range queries {
			queries[i] = query(i)
			mustSnapshot(b, s, queries[i])
		}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			mustSnapshot(b, s, queries[n*7919%accounts])
		}
	})
	b.Run("miss", func(b *testing.B) {
		s := benchStore(b, accounts, Options{CacheEntries: 1})
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			mustSnapshot(b, s, query(n*7919%accounts))
		}
	})
	b.Run("unknown", func(b *testing.B) {
		s := benchStore(b, 1, Options{})
		b.ReportAllocs()
		for b.Loop() {
			mustSnapshot(b, s, auth.Query{Names: []string{"nobody"}, Unknown: "?nobody"})
		}
	})
}

func BenchmarkBody(b *testing.B) {
	e := login(auth.Facts{
		Account: &auth.Account{Name: "alice"}, Settings: &auth.Settings{},
		Authenticators: make([]auth.Authenticator, 2),
	}, 5).Event
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendBody(buffer[:0], &e, e.Mark)
	}
	b.ReportMetric(float64(len(buffer)), "octets")
}

// BenchmarkMemory reports what 100,000 accounts with a password and an OATH
// authenticator each take when the facts of all are in memory, and how long a
// start takes on them.
func BenchmarkMemory(b *testing.B) {
	const accounts = 100_000
	o := Options{Dir: filepath.Join(b.TempDir(), "data"), KEK: newKEK(b)}
	s, err := Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	addAccounts(b, s, accounts)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s = nil
	debug.FreeOSMemory()
	rss := resident()
	heap := heapInUse()
	for b.Loop() {
		start := time.Now()
		if s, err = Open(context.Background(), o); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "open-ms")
		for i := range accounts {
			mustSnapshot(b, s, query(i))
		}
		b.ReportMetric(float64(resident()-rss)/1e6, "rss-MB-before-gc")
		b.ReportMetric(float64(heapInUse()-heap)/1e6, "heap-MB")
		b.ReportMetric(float64(resident())/1e6, "rss-MB")
		b.ReportMetric(float64(s.Stats().Cached), "cached")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func heapInUse() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident returns the resident memory of this process in octets.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib << 10
		}
	}
	return 0
}
