// Package check examines what a client of a target would meet: its name, its
// addresses, the TLS versions and suites that it takes, its certificates as a
// phone, a browser, Java and Windows judge them, its clock, and what it answers
// over HTTP, LDAP or RADIUS.
//
// It hides how each of these is asked. What was seen is plain data in an
// Examination; what is wrong with it is a list of findings, in the same words
// and under the same IDs as those that package diagnose finds in logs. Nothing
// is logged in to and nothing is changed: what is sent are hellos, one GET, one
// search of a directory's root entry, or the question to a RADIUS server how it
// is (RFC 5997).
//
// What the target sends is hostile: its length is bounded, addresses in it are
// followed over http alone and no further than one step, and its text comes out
// without characters that a terminal would obey.
package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"sallyport/diagnose"
	"sallyport/radius"
)

// Options say how to examine. The zero Options are ready.
type Options struct {
	// Timeout is for each step, such as one connection or one answer; 0 for 5 s.
	Timeout time.Duration
	// Roots are the private CAs that the clients are said to have; nil for none.
	// A chain to one of them is no fault.
	Roots *x509.CertPool
	// Secret is shared with a RADIUS server; the zero Secret if none is known.
	Secret radius.Secret
	// VersionsOnly leaves out which cipher suites each version has, which takes
	// most of the connections.
	VersionsOnly bool

	// Progress, if set, is told what is done next: a clause such as "looking up
	// vpn.example.com". It is called by the goroutine that called Examine.
	Progress func(step string)

	// Those below replace what is outside of the process; nil for the real
	// thing. They may be called concurrently.

	// Lookup returns the addresses of a name.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address and port. It serves everything but RADIUS.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock.
	Now func() time.Time
	// Proxy says which proxy programs of this machine would use for a request;
	// it is told, not used. nil for what the environment says.
	Proxy func(*http.Request) (*url.URL, error)
	// Public are the roots that everybody has; nil for those of Mozilla, which
	// are built in.
	Public *x509.CertPool
}

// Schema names the form of an Examination in JSON. Fields may be added under
// the same name; none changes its meaning or goes.
const Schema = "sallyport-check/1"

// An Examination is what was seen, and what is wrong with it. Parts that do not
// apply to the target, or that were not reached, are nil and left out of JSON.
// Durations are in milliseconds, times in UTC. Text that came from the target
// is without control characters and cut if it was long.
//
// Findings are faults of the target or of the way to it. What only clients that
// nobody should have any more would meet is in TLS.Profiles and is no finding:
// that a server refuses TLS 1.0 is right, and the table says who is refused
// and how. A finding with Note set is worth knowing and stops no client of
// today; a server that has none of the other kind is healthy.
type Examination struct {
	Schema     string    `json:"schema"` // Schema
	Target     Target    `json:"target"`
	Began      time.Time `json:"began"`
	TookMillis float64   `json:"took_ms"`

	DNS   *DNS         `json:"dns,omitempty"`
	TCP   []Connection `json:"tcp,omitempty"`
	TLS   *Encryption  `json:"tls,omitempty"`
	Chain *Chain       `json:"chain,omitempty"`
	// Interception are signs that something takes part in the conversation; some
	// are as it should be.
	Interception []Hint        `json:"interception,omitempty"`
	Clock        *Clock        `json:"clock,omitempty"`
	Web          *Web          `json:"http,omitempty"`
	Directory    *Directory    `json:"ldap,omitempty"`
	Radius       *RadiusServer `json:"radius,omitempty"`
	// Proxy is what programs on this machine would go through to the target by
	// the environment of this process. The examination does not.
	Proxy string `json:"proxy,omitempty"`

	Findings []diagnose.Finding `json:"findings"` // the most pressing first
	// Warnings say what could not be examined, a sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

// Faulty reports whether anything is wrong that stops a client of today.
func (e *Examination) Faulty() bool {
	return slices.ContainsFunc(e.Findings, func(f diagnose.Finding) bool { return !f.Note })
}

// Examine examines a target, as [ParseTarget] reads it. That a target cannot be
// reached is a finding and no error: the error says that the target is not
// written as one, or is ctx's, and the Examination is then nil.
func Examine(ctx context.Context, target string, o Options) (*Examination, error) {
	t, err := ParseTarget(target)
	if err != nil {
		return nil, err
	}
	x := newExaminer(t, o)
	x.Began = x.now().UTC()
	x.environment()
	x.all(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("check: examine %s: %w", t.Given, err)
	}
	x.hintsOfAnswer()
	x.reportClock()
	slices.SortStableFunc(x.Findings, func(a, b diagnose.Finding) int {
		switch {
		case a.Note == b.Note:
			return 0
		case b.Note:
			return -1
		}
		return 1
	})
	x.TookMillis = millis(x.now().Sub(x.Began))
	return x.Examination, nil
}

// examiner is one examination under way.
type examiner struct {
	*Examination
	Options Options
	target  Target
	timeout time.Duration
	now     func() time.Time
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// reached is the address that the steps after TCP go to.
	reached netip.Addr
}

func newExaminer(t Target, o Options) *examiner {
	x := &examiner{
		Examination: &Examination{Schema: Schema, Target: t, Findings: []diagnose.Finding{}},
		Options:     o, target: t, timeout: o.Timeout, now: o.Now, lookup: o.Lookup, dial: o.Dial,
	}
	if x.timeout <= 0 {
		x.timeout = 5 * time.Second
	}
	if x.now == nil {
		x.now = time.Now
	}
	if x.lookup == nil {
		x.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if x.dial == nil {
		x.dial = (&net.Dialer{}).DialContext
	}
	return x
}

// all goes through the steps that the target has, as far as it can be reached.
func (x *examiner) all(ctx context.Context) {
	if !x.lookUp(ctx) {
		return
	}
	if x.target.Protocol == RADIUS {
		x.radius(ctx)
		return
	}
	if !x.connect(ctx) {
		return
	}
	switch x.target.Protocol {
	case HTTPS, TLS:
		if config := x.tls(ctx, x.dialTarget); config != nil {
			x.web(ctx, config)
		}
	case HTTP:
		x.web(ctx, nil)
	case LDAP, LDAPS:
		x.ldap(ctx)
	case RADIUS:
	}
}

// environment notes the proxy that other programs would use.
func (x *examiner) environment() {
	proxy := x.Options.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	scheme := string(x.target.Protocol)
	if x.target.Protocol != HTTPS && x.target.Protocol != HTTP {
		return
	}
	request, err := http.NewRequest(http.MethodGet, scheme+"://"+x.authority(scheme)+"/", nil)
	if err != nil {
		return
	}
	if u, err := proxy(request); err == nil && u != nil {
		x.Proxy = shorten(u.Redacted(), 200)
	}
}

// dialTarget connects to the address of the target that was found to be open.
func (x *examiner) dialTarget(ctx context.Context) (net.Conn, error) {
	return x.dial(ctx, "tcp", net.JoinHostPort(x.reached.String(), strconv.Itoa(x.target.Port)))
}

// serverName is what is sent as SNI: the name, or nothing for an address (RFC
// 6066, Section 3).
func (x *examiner) serverName() string {
	if _, ok := x.target.address(); ok {
		return ""
	}
	return x.target.Host
}

// handshakeConfig is for real handshakes. It accepts every certificate, since
// judging them is a step of its own, and every version and suite that the
// library has; nothing secret is ever sent over it.
func (x *examiner) handshakeConfig() *tls.Config {
	c := &tls.Config{
		ServerName: x.serverName(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, Time: x.now,
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	return c
}

func (x *examiner) step(what string) {
	if x.Options.Progress != nil {
		x.Options.Progress(what)
	}
}

func (x *examiner) warn(format string, arguments ...any) {
	x.Warnings = append(x.Warnings, capital(fmt.Sprintf(format, arguments...)))
}

// find makes a finding, or adds to it if it was made already.
func (x *examiner) find(id string, confidence diagnose.Confidence, why string, seen ...string) {
	for i := range x.Findings {
		if x.Findings[i].Cause == id {
			x.Findings[i].Count++
			x.Findings[i].Evidence = append(x.Findings[i].Evidence, x.evidence(seen)...)
			return
		}
	}
	f := diagnose.Found(id, confidence, why, x.evidence(seen)...)
	f.Hosts = []string{x.target.Host}
	x.Findings = append(x.Findings, f)
}

// note makes a finding that is proven and stops nobody, whatever the cause is
// elsewhere.
func (x *examiner) note(id, why string, seen ...string) {
	if x.found(id) {
		return
	}
	x.find(id, diagnose.Proven, why, seen...)
	x.Findings[len(x.Findings)-1].Note = true
}

func (x *examiner) found(id string) bool {
	return slices.ContainsFunc(x.Findings, func(f diagnose.Finding) bool { return f.Cause == id })
}

func (x *examiner) evidence(seen []string) []diagnose.Evidence {
	out := make([]diagnose.Evidence, 0, len(seen))
	for _, s := range seen {
		out = append(out, diagnose.Evidence{File: x.target.Given, Text: s})
	}
	return out
}
