package patience

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// A Histogram counts durations in buckets that are fixed once for all, so that
// two can be added and none grows with the traffic. The key is the middle of a
// bucket in milliseconds: tenths of a second below 10 s, halves below a minute,
// steps of five seconds up to ten minutes, where everything longer ends.
type Histogram map[int64]uint64

const longest = 600_000

// middle returns the bucket of d.
func middle(d time.Duration) int64 {
	ms := d.Milliseconds()
	round := func(step int64) int64 { return (ms + step/2) / step * step }
	switch {
	case ms <= 0:
		return 0
	case ms < 10_000:
		return round(100)
	case ms < 60_000:
		return round(500)
	case ms < longest:
		return round(5_000)
	}
	return longest
}

// add counts d.
func (h *Histogram) add(d time.Duration) {
	if *h == nil {
		*h = make(Histogram)
	}
	m := middle(d)
	(*h)[m] = plus((*h)[m], 1)
}

// merge adds what other counts.
func (h *Histogram) merge(other Histogram) {
	if len(other) == 0 {
		return
	}
	if *h == nil {
		*h = make(Histogram, len(other))
	}
	for m, n := range other {
		(*h)[m] = plus((*h)[m], n)
	}
}

// Count is how many durations were counted.
func (h Histogram) Count() uint64 {
	var n uint64
	for _, k := range h {
		n = plus(n, k)
	}
	return n
}

// Quantile returns the duration that a share q of all, from 0 to 1, did not
// exceed; 0 if nothing was counted.
func (h Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	want := max(1, uint64(math.Ceil(q*float64(total))))
	var n uint64
	for _, m := range slices.Sorted(maps.Keys(h)) {
		if n = plus(n, h[m]); n >= want {
			return time.Duration(m) * time.Millisecond
		}
	}
	return longest * time.Millisecond // the sum is beyond what a uint64 holds
}

// below counts the durations up to the bucket m.
func (h Histogram) below(m int64) uint64 {
	var n uint64
	for k, c := range h {
		if k <= m {
			n = plus(n, c)
		}
	}
	return n
}

// check says what no Histogram made here holds.
func (h Histogram) check() error {
	for m, n := range h {
		if middle(time.Duration(m)*time.Millisecond) != m || m < 0 || n == 0 {
			return fmt.Errorf("patience: a histogram counts %d at %d ms, which is no bucket", n, m)
		}
	}
	return nil
}

// plus adds without going round.
func plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
