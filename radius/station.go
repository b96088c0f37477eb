package radius

import (
	"net/netip"
	"strconv"
	"strings"
)

// StationAddress returns the address that a Calling-Station-Id holds. The
// standard leaves its form open (RFC 2865, Section 5.31): for a telephone it is
// a number, for a wireless client a MAC address (RFC 3580, Section 3.21), for a
// VPN the address from which the person came, with or without a port. False if
// it is none, or one that nobody can come from.
//
//	192.0.2.7   192.0.2.7:51234   192.0.2.7[4500]   ::ffff:192.0.2.7
//	2001:db8::7   [2001:db8::7]   [2001:db8::7]:51234   2001:db8::7[4500]
//
// IPv4 addresses in IPv6 come out as IPv4. An address with a zone is none: the
// same zone is another link on another host.
func StationAddress(value []byte) (netip.Addr, bool) {
	s := strings.Trim(string(value), " \t\x00")
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		if rest := s[end+1:]; rest != "" && (rest[0] != ':' || !isPort(rest[1:])) {
			return netip.Addr{}, false
		}
		if s = s[1:end]; !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	case strings.HasSuffix(s, "]"):
		begin := strings.IndexByte(s, '[')
		if begin < 0 || !isPort(s[begin+1:len(s)-1]) {
			return netip.Addr{}, false
		}
		s = s[:begin]
	case strings.Count(s, ":") == 1:
		host, port, _ := strings.Cut(s, ":")
		if !isPort(port) {
			return netip.Addr{}, false
		}
		s = host
	}
	if isEUI64(s) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, false
	}
	return a, true
}

// isPort reports whether s is a decimal port number.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && len(s) <= 5 && strconv.FormatUint(n, 10) == s
}

// isEUI64 reports whether s is eight pairs of hexadecimal digits with colons
// between: as IPv6 it would be an address too, but one that nobody writes so.
func isEUI64(s string) bool {
	if len(s) != 8*2+7 {
		return false
	}
	for i := 2; i < len(s); i += 3 {
		if s[i] != ':' {
			return false
		}
	}
	return strings.Count(s, ":") == 7
}
