package auth_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sallyport/auth"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		typed   string
		want    string // "" if it is refused
		inside  []string
		outside []string
	}{
		{"192.0.2.7", "192.0.2.7", []string{"192.0.2.7", "::ffff:192.0.2.7"}, []string{"192.0.2.6", "192.0.2.8", "::c000:207", "::"}},
		{"192.0.2.0/24", "192.0.2.0/24", []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0"}},
		{"192.0.2.77/24", "192.0.2.0/24", []string{"192.0.2.0"}, nil},
		{"192.0.2.10-192.0.2.20", "192.0.2.10-192.0.2.20", []string{"192.0.2.10", "192.0.2.20"}, []string{"192.0.2.9", "192.0.2.21"}},
		{" 192.0.2.10 - 192.0.2.20 ", "192.0.2.10-192.0.2.20", nil, nil},
		{"192.0.2.0-192.0.2.255", "192.0.2.0/24", nil, nil},
		{"192.0.2.7-192.0.2.7", "192.0.2.7", nil, nil},
		{"0.0.0.0/0", "0.0.0.0/0", []string{"255.255.255.255"}, []string{"::", "2001:db8::1"}},
		{"::/0", "::/0", []string{"2001:db8::1"}, []string{"0.0.0.0", "::ffff:192.0.2.7"}},
		{"2001:DB8::/32", "2001:db8::/32", []string{"2001:db8:ffff::1"}, []string{"2001:db9::", "2001:db8::1%eth0"}},
		{"2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff", []string{"2001:db8::80"}, []string{"2001:db8::", "2001:db8::100"}},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24", []string{"192.0.2.9"}, nil},
		{"::ffff:192.0.2.1-::ffff:192.0.2.3", "192.0.2.1-192.0.2.3", []string{"192.0.2.2"}, nil},
		{"::fffe:0:0/95", "::fffe:0:0/95", []string{"::fffe:1:2"}, []string{"192.0.2.7"}},

		{"", "", nil, nil},
		{"-", "", nil, nil},
		{"192.0.2.7-", "", nil, nil},
		{"192.0.2.20-192.0.2.10", "", nil, nil},
		{"192.0.2.1-2001:db8::1", "", nil, nil},
		{"192.0.2.1-192.0.2.2-192.0.2.3", "", nil, nil},
		{"192.0.2.0/33", "", nil, nil},
		{"192.0.2.0/-1", "", nil, nil},
		{"192.0.2.0/24-192.0.3.0/24", "", nil, nil},
		{"192.0.2", "", nil, nil},
		{"192.0.2.*", "", nil, nil},
		{"192.0.2.007", "", nil, nil},
		{"::ffff:0.0.0.0/95", "", nil, nil},
		{"fe80::1%eth0", "", nil, nil},
		{"fe80::%eth0/64", "", nil, nil},
		{"example.com", "", nil, nil},
		{strings.Repeat("1", 10_000), "", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.typed[:min(len(tt.typed), 40)], func(t *testing.T) {
			r, err := auth.ParseRange(tt.typed)
			if (err == nil) != (tt.want != "") {
				t.Fatalf("ParseRange = %v, %v; want %q", r, err, tt.want)
			}
			if err != nil {
				if (r != auth.Range{}) {
					t.Errorf("a range that was refused is %v; want one that holds nothing", r)
				}
				return
			}
			if r.String() != tt.want {
				t.Errorf("it reads %q; want %q", r, tt.want)
			}
			for _, a := range tt.inside {
				if !r.Contains(netip.MustParseAddr(a)) {
					t.Errorf("%s is not in it", a)
				}
			}
			for _, a := range tt.outside {
				if r.Contains(netip.MustParseAddr(a)) {
					t.Errorf("%s is in it", a)
				}
			}
			if r.Contains(netip.Addr{}) {
				t.Error("an unknown address is in it")
			}
		})
	}
	var zero auth.Range
	for _, a := range []string{"0.0.0.0", "::", "192.0.2.7"} {
		if zero.Contains(netip.MustParseAddr(a)) {
			t.Errorf("the zero Range holds %s", a)
		}
	}
	if zero.Contains(netip.Addr{}) {
		t.Error("the zero Range holds the zero address")
	}
}

// FuzzParseRange checks that what is read means one thing: its text is read back
// as the same range, holds both its ends and nothing beyond them.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{
		"192.0.2.7", "192.0.2.0/24", "192.0.2.10-192.0.2.20", "2001:db8::/32", "::ffff:192.0.2.0/120", "::/0", "0.0.0.0/0",
		"fe80::1%eth0", "255.255.255.255-255.255.255.255", "::fffe:0:0/95", "-", "/", "1-2", "0.0.0.0-255.255.255.254",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := auth.ParseRange(s)
		if err != nil {
			return
		}
		again, err := auth.ParseRange(r.String())
		if err != nil || again != r || again.String() != r.String() {
			t.Fatalf("ParseRange(%q) = %v, which reads back as %v, %v", s, r, again, err)
		}
		var text auth.Range
		b, err := r.MarshalText()
		if err != nil || text.UnmarshalText(b) != nil || text != r {
			t.Errorf("%v as text is %q, %v, and back %v", r, b, err, text)
		}
		if r.First.Is4() != r.Last.Is4() || r.Last.Less(r.First) {
			t.Fatalf("ParseRange(%q) goes from %v to %v", s, r.First, r.Last)
		}
		// An end that is an IPv4 address in IPv6 is one of the other family.
		if !r.First.Is4In6() && !r.Contains(r.First) || !r.Last.Is4In6() && !r.Contains(r.Last) {
			t.Errorf("%v does not hold its ends", r)
		}
		if before := r.First.Prev(); before.IsValid() && r.Contains(before) {
			t.Errorf("%v holds %v before it", r, before)
		}
		if after := r.Last.Next(); after.IsValid() && r.Contains(after) {
			t.Errorf("%v holds %v behind it", r, after)
		}
	})
}

// A subnet holds what netip says it holds, and a range what lies between.
func TestRangesAgreeWithArithmetic(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "four") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "octets")))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "octets"))).Unmap()
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := address.Draw(t, "a"), address.Draw(t, "b"), address.Draw(t, "c")
		p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
		r, err := auth.ParseRange(p.String())
		if err != nil {
			t.Fatalf("ParseRange(%v): %v", p, err)
		}
		for _, x := range []netip.Addr{a, b, c, r.First, r.Last, r.First.Prev(), r.Last.Next()} {
			if want := x.IsValid() && p.Contains(x) && !x.Is4In6(); r.Contains(x) != want {
				t.Fatalf("%v contains %v: %t; want %t", r, x, r.Contains(x), want)
			}
		}
		r, err = auth.ParseRange(a.String() + "-" + b.String())
		if ok := a.BitLen() == b.BitLen() && !b.Less(a); ok != (err == nil) {
			t.Fatalf("ParseRange(%v-%v): %v", a, b, err)
		}
		if want := err == nil && c.BitLen() == a.BitLen() && !c.Less(a) && !b.Less(c); r.Contains(c) != want {
			t.Fatalf("%v contains %v: %t; want %t", r, c, r.Contains(c), want)
		}
	})
}
