package httpd

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var ourProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32"), netip.MustParsePrefix("2001:db8:1::/64")}

// Whatever X-Forwarded-For says, somebody who is no proxy of ours is who they
// are, and behind a proxy nobody can make themselves somebody that no proxy of
// ours has seen (CVE-2024-47070, CVE-2023-4612).
func TestSource(t *testing.T) {
	long := strings.Repeat("203.0.113.5, ", 900) // more than 10 KB
	tests := []struct {
		name, peer string
		forwarded  []string // header lines
		want       string
	}{
		{"nobody's proxy", "198.51.100.7:1234", []string{"203.0.113.5"}, "198.51.100.7:1234"},
		{"nobody's proxy says that it is ours", "198.51.100.7:1234", []string{"203.0.113.5, 192.0.2.9"}, "198.51.100.7:1234"},
		{"a proxy", "192.0.2.9:1234", []string{"203.0.113.5"}, "203.0.113.5:0"},
		{"a proxy that asks by itself", "192.0.2.9:1234", nil, "192.0.2.9:1234"},
		{"a proxy, and what the browser made up before it", "192.0.2.9:1234", []string{"127.0.0.1, 10.0.0.1, 203.0.113.5"}, "203.0.113.5:0"},
		{"made up in a line of its own", "192.0.2.9:1234", []string{"127.0.0.1", "203.0.113.5"}, "203.0.113.5:0"},
		{"two proxies", "192.0.2.9:1234", []string{"203.0.113.5, 2001:db8:1::7"}, "203.0.113.5:0"},
		{"two proxies in two lines", "[2001:db8:1::8]:1", []string{"127.0.0.1, 203.0.113.5", "192.0.2.9"}, "203.0.113.5:0"},
		{"only proxies", "192.0.2.9:1234", []string{"192.0.2.9, 2001:db8:1::7"}, "192.0.2.9:0"},
		{"IPv6", "192.0.2.9:1234", []string{"2001:db8:2::1"}, "[2001:db8:2::1]:0"},
		{"IPv6 with a port", "192.0.2.9:1234", []string{"[2001:db8:2::1]:443"}, "[2001:db8:2::1]:0"},
		{"IPv4 with a port", "192.0.2.9:1234", []string{"203.0.113.5:443"}, "203.0.113.5:0"},
		{"IPv4 in IPv6", "192.0.2.9:1234", []string{"::ffff:203.0.113.5"}, "203.0.113.5:0"},
		{"a proxy whose address comes as IPv4 in IPv6", "[::ffff:192.0.2.9]:1", []string{"203.0.113.5"}, "203.0.113.5:0"},
		{"empty", "192.0.2.9:1234", []string{""}, "192.0.2.9:0"},
		{"a comma", "192.0.2.9:1234", []string{"203.0.113.5,"}, "192.0.2.9:0"},
		{"a name", "192.0.2.9:1234", []string{"203.0.113.5, localhost"}, "192.0.2.9:0"},
		{"unknown", "192.0.2.9:1234", []string{"unknown"}, "192.0.2.9:0"},
		{"a zone", "192.0.2.9:1234", []string{"fe80::1%eth0"}, "192.0.2.9:0"},
		{"a zone that holds another address", "192.0.2.9:1234", []string{"fe80::1%,203.0.113.5%x"}, "192.0.2.9:0"},
		{"a zone in brackets", "192.0.2.9:1234", []string{"[fe80::1%25eth0]:1"}, "192.0.2.9:0"},
		{"spaces and tabs", "192.0.2.9:1234", []string{" \t203.0.113.5\t "}, "203.0.113.5:0"},
		{"leading zeros", "192.0.2.9:1234", []string{"203.0.113.05"}, "192.0.2.9:0"},
		{"a network", "192.0.2.9:1234", []string{"203.0.113.0/24"}, "192.0.2.9:0"},
		{"quotation marks", "192.0.2.9:1234", []string{`"203.0.113.5"`}, "192.0.2.9:0"},
		{"ten kilobytes", "192.0.2.9:1234", []string{long + "203.0.113.6"}, "203.0.113.6:0"},
		{"ten kilobytes of proxies", "192.0.2.9:1234", []string{strings.Repeat("192.0.2.9, ", 900) + "192.0.2.9"}, "192.0.2.9:0"},
		{"one long word", "192.0.2.9:1234", []string{strings.Repeat("1", 10_000)}, "192.0.2.9:0"},
		{"a connection without an address", "@", []string{"203.0.113.5"}, "invalid AddrPort"},
	}
	s := &Site{Proxies: ourProxies}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			if tt.forwarded != nil {
				r.Header["X-Forwarded-For"] = tt.forwarded
			}
			r.Header.Set("X-Real-Ip", "127.0.0.1")
			r.Header.Set("Forwarded", "for=127.0.0.1")
			r.Header.Set("True-Client-Ip", "127.0.0.1")
			if got := s.source(r).String(); got != tt.want {
				t.Errorf("source of %s with %.60q = %s; want %s", tt.peer, tt.forwarded, got, tt.want)
			}
		})
	}
}

// Nothing that stands left of the first hop that is no proxy of ours changes
// who somebody is.
func TestSourceIgnoresWhatTheBrowserSays(t *testing.T) {
	s := &Site{Proxies: ourProxies}
	rapid.Check(t, func(t *rapid.T) {
		made := rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "made up")
		proxies := rapid.SliceOfN(rapid.SampledFrom([]string{"192.0.2.9", "2001:db8:1::4"}), 0, 5).Draw(t, "proxies")
		honest := strings.Join(append([]string{"203.0.113.5"}, proxies...), ", ")
		ask := func(lines ...string) netip.AddrPort {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = "192.0.2.9:1", lines
			return s.source(r)
		}
		want := ask(honest)
		if got := ask(made + "," + honest); got != want {
			t.Errorf("with %q before it the source is %v; want %v", made, got, want)
		}
		if got := ask(made, honest); got != want {
			t.Errorf("with a line %q before it the source is %v; want %v", made, got, want)
		}
	})
}

func TestEncrypted(t *testing.T) {
	s := &Site{Proxies: ourProxies}
	for _, tt := range []struct {
		name, peer, proto string
		want              bool
	}{
		{"a proxy says so", "192.0.2.9:1", "https", true},
		{"a proxy says not", "192.0.2.9:1", "http", false},
		{"a proxy says nothing", "192.0.2.9:1", "", false},
		{"somebody says so", "198.51.100.7:1", "https", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-Proto", tt.proto)
		if got := s.encrypted(r); got != tt.want {
			t.Errorf("%s: encrypted = %t; want %t", tt.name, got, tt.want)
		}
	}
}
