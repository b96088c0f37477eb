package httpd

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// The policies of answers that are no page (Content Security Policy Level 3):
// nothing in them may do anything, should a browser take one for a page.
const (
	contentPolicy     = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	permissionsPolicy = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=(), " +
		"publickey-credentials-create=(self), publickey-credentials-get=(self)"
	// transportSecurity is two years (RFC 6797, Section 6.1).
	transportSecurity = "max-age=63072000"
)

// protect sets what every answer says to browsers.
func (s *Site) protect(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", permissionsPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	if s.Secure && s.encrypted(r) {
		h.Set("Strict-Transport-Security", transportSecurity)
	}
}

// plainPath reports whether a path is spelt in the one way that we serve it. All
// others are nowhere: a proxy in front of us and the mux behind could read them
// as two different things.
func plainPath(u *url.URL) bool {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, ";\\") {
		return false
	}
	for i, segment := range strings.Split(path[1:], "/") {
		switch segment {
		case "":
			// Only the root and a directory of pages end with a slash; the rest
			// of the path is looked at by whoever serves it.
			if i < strings.Count(path, "/")-1 {
				return false
			}
		case ".", "..":
			return false
		}
		if !plainSegment(segment) {
			return false
		}
	}
	return true
}

// plainSegment refuses percent-encodings of what needs none (RFC 3986, Section
// 6.2.2.2) and of control characters.
func plainSegment(segment string) bool {
	for i := 0; i < len(segment); i++ {
		if segment[i] != '%' {
			continue
		}
		if i+2 >= len(segment) {
			return false
		}
		c := unhex(segment[i+1])<<4 | unhex(segment[i+2])
		if c < ' ' || c == 0x7f || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			return false
		}
		i += 2
	}
	return true
}

// unhex returns the value of a hexadecimal digit; url.Parse has checked that it
// is one.
func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// ownHost reports whether a request came under a name that is ours: the host of
// URL or, from this machine, localhost. Under any other name it is meant for
// somebody else, or comes from a page that had its name resolved to our address
// (DNS rebinding). Without a URL of the network every name is as good.
func (s *Site) ownHost(r *http.Request) bool {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "https" {
		return true
	}
	if sameHost(r.Host, u.Host) {
		return true
	}
	peer := peerOf(r).Addr()
	if !peer.IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch strings.Trim(host, "[]") {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// sameHost compares two hosts with or without the port of HTTPS.
func sameHost(given, ours string) bool {
	return strings.EqualFold(strings.TrimSuffix(given, ":443"), strings.TrimSuffix(ours, ":443"))
}
