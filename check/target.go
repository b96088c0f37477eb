package check

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A Protocol is how a target is spoken to.
type Protocol string

const (
	HTTPS  Protocol = "https"  // TLS at once, HTTP within
	HTTP   Protocol = "http"   // no TLS
	TLS    Protocol = "tls"    // TLS at once; HTTP is tried, and its absence is no fault
	RADIUS Protocol = "radius" // over UDP (RFC 2865)
	LDAP   Protocol = "ldap"   // in clear, StartTLS is tried (RFC 4511, Section 4.14)
	LDAPS  Protocol = "ldaps"  // TLS at once, LDAP within
)

// A Target is what is to be examined.
type Target struct {
	Given    string   `json:"given"` // as the person wrote it
	Protocol Protocol `json:"protocol"`
	// Host is a name in lower case without a final dot, or an address without
	// brackets.
	Host string `json:"host"`
	Port int    `json:"port"`
	// Path and query of a URL, "/" if it has none. Empty if HTTP is not what
	// the target speaks.
	Path string `json:"path,omitempty"`
}

// address is the host if it is one and not a name.
func (t Target) address() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Host)
	return a.Unmap(), err == nil
}

// hostPort joins host and port as they are dialled.
func (t Target) hostPort() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// schemes are the protocols that can be written before "://", with their ports.
var schemes = map[string]struct {
	protocol Protocol
	port     int
}{
	"https": {HTTPS, 443}, "http": {HTTP, 80}, "tls": {TLS, 443},
	"radius": {RADIUS, 1812}, "ldap": {LDAP, 389}, "ldaps": {LDAPS, 636},
}

// ports are the protocols that are meant where only a port is written. 3268
// and 3269 are the global catalogue of Active Directory; 1645 is where RADIUS
// was before it was given 1812 (RFC 2865, Section 3).
var ports = map[int]Protocol{
	443: HTTPS, 8443: HTTPS, 80: HTTP, 8080: HTTP,
	1812: RADIUS, 1645: RADIUS, 389: LDAP, 3268: LDAP, 636: LDAPS, 3269: LDAPS,
}

// ParseTarget reads a target as a person writes it: a URL with one of the
// schemes https, http, tls, radius, ldap and ldaps; host:port, where the
// well-known ports of those protocols mean them and every other one is TLS; or
// a bare host, which is HTTPS. A path may follow a host without a scheme.
//
// The error says in words what is wrong with s, for the one who typed it.
func ParseTarget(s string) (Target, error) {
	t, err := parseTarget(strings.TrimSpace(s))
	if err != nil {
		return Target{}, fmt.Errorf("check: read target %q: %w", shorten(s, 100), err)
	}
	t.Given = strings.TrimSpace(s)
	return t, nil
}

func parseTarget(s string) (Target, error) {
	if s == "" {
		return Target{}, errors.New("it is empty; write a URL, host:port or a host name")
	}
	if len(s) > 2000 {
		return Target{}, errors.New("it is longer than 2000 characters")
	}
	rest, scheme := s, ""
	if before, after, ok := strings.Cut(s, "://"); ok {
		scheme, rest = strings.ToLower(before), after
		if _, known := schemes[scheme]; !known {
			return Target{}, fmt.Errorf("%q is none of https, http, tls, radius, ldap and ldaps", shorten(before, 20))
		}
	}
	authority, path := rest, ""
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		authority, path = rest[:at], rest[at:]
	}
	if strings.Contains(authority, "@") {
		return Target{}, errors.New("leave out the user name and password; nothing is logged in to")
	}
	host, port, err := splitHostPort(authority)
	if err != nil {
		return Target{}, err
	}
	t := Target{Host: host, Port: port, Protocol: HTTPS}
	switch {
	case scheme != "":
		t.Protocol = schemes[scheme].protocol
		if port == 0 {
			t.Port = schemes[scheme].port
		}
	case port == 0:
		t.Port = 443
	case path != "":
		// A path is only in HTTP, whatever the port.
		if ports[port] == HTTP {
			t.Protocol = HTTP
		}
	default:
		t.Protocol = TLS
		if p, ok := ports[port]; ok {
			t.Protocol = p
		}
	}
	switch t.Protocol {
	case HTTPS, HTTP:
		if t.Path, err = requestPath(path); err != nil {
			return Target{}, err
		}
	case TLS:
		t.Path = "/"
	case RADIUS, LDAP, LDAPS: // what follows the host (such as an LDAP URL's base) is not examined
	}
	return t, nil
}

// splitHostPort takes "host", "host:port", "[v6]", "[v6]:port" and a bare v6.
// The port is 0 if there is none.
func splitHostPort(s string) (host string, port int, err error) {
	host = s
	if a, err := netip.ParseAddr(s); err == nil {
		return a.WithZone("").String(), 0, nil
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
		if _, err := netip.ParseAddr(host); err != nil {
			return "", 0, fmt.Errorf("%q is not an address", shorten(host, 60))
		}
	} else if strings.Contains(s, ":") {
		var p string
		if host, p, err = net.SplitHostPort(s); err != nil {
			return "", 0, errors.New("it is not host:port; write an IPv6 address in brackets: [2001:db8::1]:443")
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("%q is not a port from 1 to 65535", shorten(p, 20))
		}
		port = int(n)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").Unmap().String(), port, nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host, port, checkName(host)
}

// checkName refuses what cannot be a host name (RFC 1123, Section 2.1), with the
// underscore that many have all the same.
func checkName(host string) error {
	if host == "" {
		return errors.New("it has no host")
	}
	if len(host) > 253 {
		return errors.New("the host name is longer than 253 characters")
	}
	digits := true
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%q is not a host name", shorten(host, 60))
		}
		for _, c := range label {
			switch {
			case c >= 0x80:
				return fmt.Errorf("write the name %q in its ASCII form, which begins with xn--", shorten(host, 60))
			case c >= 'a' && c <= 'z', c == '-', c == '_':
				digits = false
			case c >= '0' && c <= '9':
			default:
				return fmt.Errorf("%q is not a host name", shorten(host, 60))
			}
		}
	}
	if digits {
		return fmt.Errorf("%q is neither a host name nor an address", shorten(host, 60))
	}
	return nil
}

// requestPath is what is asked for of an HTTP server: path and query, without
// the fragment, which is never sent.
func requestPath(s string) (string, error) {
	s, _, _ = strings.Cut(s, "#")
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	u, err := url.ParseRequestURI(s)
	if err != nil {
		return "", errors.New("its path is not one of a URL")
	}
	return u.RequestURI(), nil
}

// shorten cuts s to at most n octets, at the end of a character, and takes out
// what would steer a terminal.
func shorten(s string, n int) string {
	s = printable(s)
	if len(s) <= n {
		return s
	}
	cut := 0
	for i := range s {
		if i > n {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}

// printable replaces what the far side sent and a terminal would obey: control
// characters, and octets that are not UTF-8.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
