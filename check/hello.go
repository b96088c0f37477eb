package check

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"sallyport/tlsprobe"
)

// A Hello is what a client offers, as it is reported.
type Hello struct {
	Version    string   `json:"version"`            // the highest that it offers
	Versions   []string `json:"versions,omitempty"` // that it lists, if it does
	ServerName string   `json:"server_name,omitempty"`
	Suites     []string `json:"suites"`
	ALPN       []string `json:"alpn,omitempty"`
	JA4        string   `json:"ja4,omitempty"`
	// Profile is the kind of client that sends such a hello, empty if none that
	// is known does; Looks are the words for it.
	Profile string `json:"profile,omitempty"`
	Looks   string `json:"looks_like,omitempty"`
	Octets  int    `json:"octets"`
	// Says is what it offers, and Cannot what it will therefore meet: sentences.
	Says   []string `json:"says"`
	Cannot []string `json:"cannot,omitempty"`
}

// describeHello makes the report of a hello.
func describeHello(h *tlsprobe.ClientHello) *Hello {
	d := &Hello{
		Version: h.Max().String(), ServerName: shorten(printable(h.ServerName), 253), Suites: []string{},
		JA4: h.Fingerprint, Octets: h.Size, Cannot: cannot(h),
	}
	for _, v := range first(h.Versions, 16) {
		d.Versions = append(d.Versions, v.String())
	}
	for _, s := range first(h.Suites, 256) {
		d.Suites = append(d.Suites, tlsprobe.SuiteName(s))
	}
	for _, p := range first(h.ALPN, 16) {
		d.ALPN = append(d.ALPN, shorten(printable(p), 40))
	}
	for _, s := range h.Describe() {
		d.Says = append(d.Says, shorten("It "+s+".", 400))
	}
	if p, ok := likeProfile(h); ok {
		d.Profile, d.Looks = p.Name, p.Title
	}
	return d
}

// likeness is how much of its suites a hello must share with a profile to be
// called like it.
const likeness = 0.8

// usual are the hellos that the profiles send, made once.
var usual = sync.OnceValue(func() []usualHello {
	var all []usualHello
	for _, p := range tlsprobe.Profiles() {
		o := p.To("")
		var s tlsprobe.Stream
		s.Add(o.Marshal([32]byte{}))
		if e, ok := s.Next(); ok && e.Client != nil {
			all = append(all, usualHello{p, e.Client})
		}
	}
	return all
})

type usualHello struct {
	profile tlsprobe.Profile
	hello   *tlsprobe.ClientHello
}

// likeProfile returns the profile whose hello is most like h. The version must
// be the same, and nearly all suites; extensions decide between several, but
// not the server name (0), which depends on who is called.
func likeProfile(h *tlsprobe.ClientHello) (tlsprobe.Profile, bool) {
	var best tlsprobe.Profile
	score := 0.0
	extensions := slices.DeleteFunc(slices.Clone(h.Extensions), func(e uint16) bool { return e == 0 })
	for _, u := range usual() {
		if u.hello.Max() != h.Max() {
			continue
		}
		suites := common(u.hello.Suites, h.Suites)
		if suites < likeness {
			continue
		}
		got := 2*suites + common(u.hello.Extensions, extensions)
		if slices.Equal(u.hello.Suites, h.Suites) {
			got++
		}
		if got > score {
			best, score = u.profile, got
		}
	}
	return best, score > 0
}

// common is how much of all that two lists hold is in both, from 0 to 1.
func common(a, b []uint16) float64 {
	both := 0
	all := make(map[uint16]bool, len(a)+len(b))
	for _, x := range a {
		all[x] = true
	}
	for _, x := range b {
		if _, ok := all[x]; ok && all[x] {
			both++
			all[x] = false
		} else if !ok {
			all[x] = false
		}
	}
	if len(all) == 0 {
		return 0
	}
	return float64(both) / float64(len(all))
}

// strong reports whether a suite encrypts and proves at once and has forward
// secrecy, as servers of today demand.
func strong(id uint16) bool {
	s, ok := tlsprobe.LookupSuite(id)
	return ok && s.From >= tlsprobe.TLS12 && s.Weak == "" && !strings.Contains(s.Name, "_CBC_") &&
		(s.From >= tlsprobe.TLS13 || strings.Contains(s.Name, "DHE_"))
}

func anyStrong(h *tlsprobe.ClientHello) bool { return slices.ContainsFunc(h.Suites, strong) }

// cannot says what a client that sends h will meet at servers of today, a
// sentence each, the worst first.
func cannot(h *tlsprobe.ClientHello) []string {
	var out []string
	switch v := h.Max(); {
	case v < tlsprobe.TLS12:
		out = append(out, fmt.Sprintf("It offers %s at most: this is what a .NET service without strong cryptography sends. "+
			"Okta, Duo and Microsoft take TLS 1.2 and newer; they would answer with an alert, or reset it.", v))
	case v == tlsprobe.TLS12:
		out = append(out, "It has no TLS 1.3, so that servers which accept nothing else refuse it; few do.")
	}
	if h.Max() >= tlsprobe.TLS12 && !anyStrong(h) {
		out = append(out, "It offers no suite with forward secrecy and authenticated encryption, and servers that are set up by today's rules accept no others.")
	}
	if h.SSLv2 {
		out = append(out, "Its first message is in the form of SSL 2.0, which servers of today do not read.")
	}
	if h.ServerName == "" {
		out = append(out, "It sends no server name (SNI), as is right when it was told to call an address; where several names share one, it gets the wrong certificate or an alert.")
	}
	if h.Size > 1400 {
		out = append(out, "Its hello needs more than one packet, which old servers and firewalls drop.")
	}
	return out
}
