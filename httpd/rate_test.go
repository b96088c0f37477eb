package httpd

import (
	"net/netip"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	var r rates
	now := start
	alice := netip.MustParseAddr("203.0.113.5")
	for i := range bucketSize {
		if _, ok := r.take(alice, 1, now); !ok {
			t.Fatalf("request %d of a burst of %d was refused", i+1, bucketSize)
		}
	}
	wait, ok := r.take(alice, 1, now)
	if ok || wait != 100*time.Millisecond {
		t.Errorf("the request behind the burst: %v after %v; want a wait of 100ms", ok, wait)
	}
	if _, ok := r.take(netip.MustParseAddr("203.0.113.6"), bucketSize, now); !ok {
		t.Error("another address shares the bucket")
	}
	if _, ok := r.take(alice, 1, now.Add(wait)); !ok {
		t.Error("refused although the wait is over")
	}
	// A clock that goes back gives nothing and takes nothing.
	if _, ok := r.take(alice, 1, now.Add(-time.Hour)); ok {
		t.Error("a clock that goes back filled the bucket")
	}
	if _, ok := r.take(alice, bucketSize+1, now.Add(time.Hour)); ok {
		t.Error("more than a whole bucket was taken")
	}

	// One customer has a whole /64 of IPv6.
	first, second := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	r.take(first, bucketSize, now)
	if _, ok := r.take(second, 1, now); ok {
		t.Error("two addresses of one /64 have two buckets")
	}
	if _, ok := r.take(netip.MustParseAddr("2001:db8:0:1::1"), 1, now); !ok {
		t.Error("two networks share a bucket")
	}
	// What has no address is one source.
	r.take(netip.Addr{}, bucketSize, now)
	if _, ok := r.take(netip.Addr{}, 1, now); ok {
		t.Error("connections without an address are not limited")
	}
}

// A flood from ever new addresses does not take ever more memory, and does not
// give back what somebody has used up just before.
func TestRatesAreBounded(t *testing.T) {
	var r rates
	busy := netip.MustParseAddr("203.0.113.5")
	r.take(busy, bucketSize, start)
	for i := range 3 * maxBuckets {
		if i%1000 == 0 {
			if _, ok := r.take(busy, 1, start); ok {
				t.Fatalf("after %d other sources a used bucket was full again", i)
			}
		}
		r.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1, start)
		if n := len(r.recent) + len(r.older); n > 2*maxBuckets {
			t.Fatalf("%d buckets are kept; want %d at most", n, 2*maxBuckets)
		}
	}
}
