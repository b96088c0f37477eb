package auth

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Range is one address, or all addresses from First to Last. The zero Range
// holds none.
type Range struct{ First, Last netip.Addr }

// ParseRange reads "192.0.2.7", "192.0.2.0/24" or "192.0.2.10-192.0.2.20".
// IPv4 addresses written as IPv6 (RFC 4291, Section 2.5.5.2) become IPv4; zones
// are refused, because the same zone means another link on another host.
func ParseRange(s string) (Range, error) {
	bad := func(why string) (Range, error) {
		return Range{}, fmt.Errorf("%q is no address, subnet or range of addresses: %s", s, why)
	}
	if first, last, ok := strings.Cut(s, "-"); ok {
		a, err := parseAddr(first)
		if err != nil {
			return bad(err.Error())
		}
		b, err := parseAddr(last)
		if err != nil {
			return bad(err.Error())
		}
		if a.BitLen() != b.BitLen() || b.Less(a) {
			return bad("it must go from a lower to a higher address of one family")
		}
		return Range{a, b}, nil
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			return bad("a subnet looks like 192.0.2.0/24 or 2001:db8::/32")
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return bad("it reaches beyond the IPv4 addresses in IPv6")
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		p = p.Masked()
		return Range{p.Addr(), lastOf(p)}, nil
	}
	a, err := parseAddr(s)
	if err != nil {
		return bad(err.Error())
	}
	return Range{a, a}, nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	switch {
	case err != nil:
		return a, fmt.Errorf("an address looks like 192.0.2.7 or 2001:db8::7")
	case a.Zone() != "":
		return a, fmt.Errorf("an address with a zone means another host elsewhere")
	}
	return a.Unmap(), nil
}

// lastOf returns the highest address of a subnet.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b) // four or sixteen octets, as they were
	return a
}

// Contains reports whether a is in the range.
func (r Range) Contains(a netip.Addr) bool {
	a = a.Unmap()
	return r.First.IsValid() && a.IsValid() && a.Zone() == "" && a.BitLen() == r.First.BitLen() &&
		r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// String returns the shortest text that ParseRange reads back.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	for bits := range r.First.BitLen() {
		if p := netip.PrefixFrom(r.First, bits); p.Masked() == p && lastOf(p) == r.Last {
			return p.String()
		}
	}
	return r.First.String() + "-" + r.Last.String()
}

// MarshalText writes String.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRange reads.
func (r *Range) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRange(string(b))
	return err
}
