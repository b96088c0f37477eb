package load

import "math/bits"

// subBits is how finely a histogram divides each power of two: into 64 equal
// parts, so that a quantile is at most 1/64 (1.6 %) above the true value.
const subBits = 6

// A histogram counts durations in nanoseconds in buckets that grow with the
// value. Values below 64 are exact. The zero histogram is empty.
type histogram struct {
	buckets [(64 - subBits + 1) << subBits]uint64
	count   uint64
	sum     float64
	max     uint64
}

func bucketOf(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	e := bits.Len64(v) - 1 // 2^e <= v
	return (e-subBits+1)<<subBits + int(v>>(e-subBits)&(1<<subBits-1))
}

// bucketTop is the largest value that falls into bucket i.
func bucketTop(i int) uint64 {
	if i < 1<<subBits {
		return uint64(i)
	}
	e := i>>subBits + subBits - 1
	width := uint64(1) << (e - subBits)
	return uint64(1<<subBits+i&(1<<subBits-1))*width + (width - 1)
}

// add counts a value; one below zero counts as zero.
func (h *histogram) add(nanoseconds int64) {
	v := uint64(max(nanoseconds, 0))
	h.buckets[bucketOf(v)]++
	h.count++
	h.sum += float64(v)
	h.max = max(h.max, v)
}

// quantile returns a value that at least the share q of all values do not
// exceed, 0 if there are none.
func (h *histogram) quantile(q float64) uint64 {
	if h.count == 0 {
		return 0
	}
	rank := uint64(q * float64(h.count))
	if float64(rank) < q*float64(h.count) {
		rank++
	}
	rank = min(max(rank, 1), h.count)
	seen := uint64(0)
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return min(bucketTop(i), h.max)
		}
	}
	return h.max
}

// latency sums the histogram up.
func (h *histogram) latency() Latency {
	us := func(ns uint64) float64 { return float64(ns) / 1e3 }
	l := Latency{
		P50: us(h.quantile(0.5)), P90: us(h.quantile(0.9)), P99: us(h.quantile(0.99)),
		P999: us(h.quantile(0.999)), Max: us(h.max),
	}
	if h.count > 0 {
		l.Mean = h.sum / float64(h.count) / 1e3
	}
	return l
}
