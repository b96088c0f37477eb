package load

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBuckets checks that every value lies in a bucket whose top is at most
// 1/64 above it, and that buckets follow one another without a gap.
func TestBuckets(t *testing.T) {
	var h histogram
	for i := range h.buckets {
		top := bucketTop(i)
		if got := bucketOf(top); got != i {
			t.Fatalf("bucketOf(bucketTop(%d) = %d) = %d", i, top, got)
		}
		if top != 1<<64-1 {
			if got := bucketOf(top + 1); got != i+1 {
				t.Fatalf("bucketOf(%d), one above bucket %d, = %d; want %d", top+1, i, got, i+1)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64().Draw(t, "v")
		if top := bucketTop(bucketOf(v)); top < v || top-v > v/64 {
			t.Errorf("bucketTop(bucketOf(%d)) = %d; want at most 1/64 more", v, top)
		}
	})
}

// TestQuantile compares with the exact quantile of the sorted values: the
// smallest value that at least the share q does not exceed.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-5, 1<<40), 1, 200).Draw(t, "values")
		q := rapid.SampledFrom([]float64{0.5, 0.9, 0.99, 0.999, 1}).Draw(t, "q")
		var h histogram
		for i, v := range values {
			h.add(v)
			values[i] = max(v, 0)
		}
		slices.Sort(values)
		rank := 0
		for float64(rank+1) < q*float64(len(values)) {
			rank++
		}
		exact := uint64(values[rank])
		if got := h.quantile(q); got < exact || got-exact > exact/64 {
			t.Errorf("quantile(%g) of %v = %d; exact is %d", q, values, got, exact)
		}
		if h.max != uint64(values[len(values)-1]) || h.count != uint64(len(values)) {
			t.Errorf("max %d, count %d; want %d, %d", h.max, h.count, values[len(values)-1], len(values))
		}
	})
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %d; want 0", got)
	}
}
