package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"

	"sallyport/diagnose"
	"sallyport/tlsprobe"
)

// Encryption is what the target accepts of TLS.
type Encryption struct {
	// Versions are all that were tried, the oldest first.
	Versions []Version `json:"versions"`
	// ServerPreference is set if the server picks the suite by its own order.
	ServerPreference bool `json:"server_preference"`
	// NeedsName is set if a client that sends no server name (SNI) is refused,
	// OtherCertificate if it gets another certificate.
	NeedsName        bool `json:"needs_sni"`
	OtherCertificate bool `json:"other_certificate_without_sni"`
	// LargeHelloFails is set if a hello of today's size, with a post-quantum
	// key, fails where a smaller one works; Intolerant are versions whose hello
	// fails instead of being answered with a lower version.
	LargeHelloFails bool     `json:"large_hello_fails,omitempty"`
	Intolerant      []string `json:"intolerant,omitempty"`
	// ClientCertificate is set if the server asked for a certificate of the
	// client, Stapled if it brought an answer of OCSP along.
	ClientCertificate bool `json:"client_certificate,omitempty"`
	Stapled           bool `json:"stapled,omitempty"`
	// Profiles are what clients of each kind would meet.
	Profiles    []Meeting `json:"profiles"`
	Connections int       `json:"connections"` // made for Versions
	// Complete is false if the server stopped answering before all was asked.
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"`
}

// A Version is one version of the protocol.
type Version struct {
	Version  string `json:"version"` // "TLS 1.2"
	Accepted bool   `json:"accepted"`
	// Answer says in a sentence what came to a hello that offers it.
	Answer string `json:"answer"`
	// Suites are in the server's order if it has one. They are left out where
	// only versions were asked for.
	Suites []Suite `json:"suites,omitempty"`

	number tlsprobe.Version
}

// A Suite is one cipher suite that the server accepts.
type Suite struct {
	Name    string `json:"name"` // as IANA has it
	OpenSSL string `json:"openssl,omitempty"`
	Weak    string `json:"weak,omitempty"` // why nobody should use it
	Note    string `json:"note,omitempty"` // what is less than good about it
}

// A Meeting is what the clients of one kind would meet. It is proven by a hello
// like theirs, not reckoned from Versions.
type Meeting struct {
	Profile string `json:"profile"` // stable: tlsprobe.Profile.Name
	Title   string `json:"title"`
	Offers  string `json:"offers"`  // the highest version that it offers
	Outcome string `json:"outcome"` // accepted, alert, reset, closed, timeout, not-tls, broken, refused or unknown
	Version string `json:"version,omitempty"`
	Suite   string `json:"suite,omitempty"`
	Alert   string `json:"alert,omitempty"`
	Says    string `json:"says"` // the whole in a sentence

	offer  tlsprobe.Offer
	answer tlsprobe.Answer
}

// parallel is how many connections are open at once: few, as every server and
// every firewall bears them.
const parallel = 4

// tls examines the encryption of the target, which dial goes up to, and judges
// its certificates. It returns the config of a handshake that succeeds, nil if
// there is none.
func (x *examiner) tls(ctx context.Context, dial tlsprobe.Dialer) *tls.Config {
	x.step("trying TLS versions and cipher suites")
	e := &Encryption{Versions: []Version{}, Profiles: []Meeting{}}
	x.TLS = e
	s, err := x.survey(ctx, dial)
	e.take(&s)
	if err != nil {
		e.Error = shorten(err.Error(), 200)
		x.warn("not all of TLS could be asked: %s.", e.Error)
	} else if !e.Complete {
		x.warn("the server stopped answering before all of TLS was asked; it may accept more than what is listed.")
	}
	if ctx.Err() != nil || s.Named == nil {
		return nil
	}
	if len(e.accepted()) == 0 {
		if err == nil {
			x.reportNoTLS(&s)
		}
		return nil
	}
	x.meet(ctx, dial)
	x.reportTLS()

	x.step("making a handshake")
	state, err := x.handshake(ctx, dial)
	sent := state.PeerCertificates
	if len(sent) == 0 {
		// The library speaks no SSL, and not every suite.
		sent = x.probedCertificates(&s)
	}
	e.Stapled = len(state.OCSPResponse) > 0
	if len(sent) > 0 {
		x.chain(ctx, sent, state.OCSPResponse)
	} else if ctx.Err() == nil {
		x.warn("the server's certificate could not be read.")
	}
	if err != nil {
		if !e.ClientCertificate {
			x.warn("no handshake could be finished, so nothing was asked within TLS: %s.", shorten(cause(err), 200))
		}
		return nil
	}
	return x.handshakeConfig()
}

// survey takes stock of versions and suites. The whole of it may take as long
// as twenty steps.
func (x *examiner) survey(ctx context.Context, dial tlsprobe.Dialer) (tlsprobe.Survey, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*x.timeout)
	defer cancel()
	return tlsprobe.Take(ctx, dial, x.serverName(), tlsprobe.SurveyOptions{
		Wait: x.timeout, Parallel: parallel, NoSuites: x.Options.VersionsOnly,
	})
}

// take makes plain data of a survey.
func (e *Encryption) take(s *tlsprobe.Survey) {
	e.ServerPreference, e.NeedsName, e.OtherCertificate = s.ServerPreference, s.NeedsSNI, s.OtherCertificate
	e.LargeHelloFails, e.Connections, e.Complete = s.LargeHelloFails, s.Connections, s.Complete
	for _, v := range s.Intolerant {
		e.Intolerant = append(e.Intolerant, v.String())
	}
	for _, a := range s.Versions {
		v := Version{Version: a.Version.String(), Accepted: a.Accepted, Answer: printable(a.Answer.String()), number: a.Version}
		for _, id := range s.Suites[a.Version] {
			known, _ := tlsprobe.LookupSuite(id)
			v.Suites = append(v.Suites, Suite{Name: tlsprobe.SuiteName(id), OpenSSL: known.OpenSSL, Weak: known.Weak, Note: known.Note})
		}
		e.Versions = append(e.Versions, v)
	}
}

// accepted are the versions that the server accepts.
func (e *Encryption) accepted() []Version {
	return slices.DeleteFunc(slices.Clone(e.Versions), func(v Version) bool { return !v.Accepted })
}

// accepts reports whether one of the versions is accepted.
func (e *Encryption) accepts(numbers ...tlsprobe.Version) bool {
	return slices.ContainsFunc(e.Versions, func(v Version) bool { return v.Accepted && slices.Contains(numbers, v.number) })
}

// meet offers what each kind of client would offer.
func (x *examiner) meet(ctx context.Context, dial tlsprobe.Dialer) {
	x.step("offering what clients of each kind would offer")
	profiles := tlsprobe.Profiles()
	out := make([]Meeting, len(profiles))
	slots := make(chan struct{}, parallel)
	var wait sync.WaitGroup
	for i, p := range profiles {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			m := Meeting{Profile: p.Name, Title: p.Title, Offers: p.Offer.Max().String(), offer: p.To(x.serverName())}
			answer, err := tlsprobe.Probe(ctx, dial, m.offer, x.timeout)
			if err != nil {
				m.Outcome, m.Says = "unknown", "it could not be tried: "+shorten(err.Error(), 200)
			} else {
				m.take(answer)
			}
			out[i] = m
		})
	}
	wait.Wait()
	x.TLS.Profiles = out
}

// take makes plain data of an answer.
func (m *Meeting) take(a tlsprobe.Answer) {
	m.answer, m.Says = a, printable(a.String())
	if a.Hello != nil {
		m.Version, m.Suite = a.Hello.Version.String(), tlsprobe.SuiteName(a.Hello.Suite)
	}
	if a.Alert != nil {
		m.Alert = a.Alert.String()
	}
	switch a.End {
	case tlsprobe.Answered:
		m.Outcome = "accepted"
		if !m.offer.Accepts(a.Hello) {
			m.Outcome = "broken"
			m.Says += ", which it did not offer"
		}
	case tlsprobe.Alerted:
		m.Outcome = "alert"
	case tlsprobe.Reset:
		m.Outcome = "reset"
	case tlsprobe.Closed:
		m.Outcome = "closed"
	case tlsprobe.TimedOut:
		m.Outcome = "timeout"
	case tlsprobe.NotTLS:
		m.Outcome = "not-tls"
	case tlsprobe.Garbled:
		m.Outcome = "broken"
	case tlsprobe.Refused:
		m.Outcome = "refused"
	}
}

// handshake makes one whole handshake with the library, which sees what TLS 1.3
// encrypts. If it fails, the state may hold the certificates all the same.
func (x *examiner) handshake(ctx context.Context, dial tlsprobe.Dialer) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*x.timeout)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	config := x.handshakeConfig()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		x.TLS.ClientCertificate = true
		return &tls.Certificate{}, nil
	}
	secure := tls.Client(conn, config)
	err = secure.HandshakeContext(ctx)
	return secure.ConnectionState(), err
}

// probedCertificates are those that a version before TLS 1.3 showed, the newest
// version first.
func (x *examiner) probedCertificates(s *tlsprobe.Survey) []*x509.Certificate {
	answers := []*tlsprobe.Answer{s.Named}
	for _, v := range slices.Backward(s.Versions) {
		if v.Accepted {
			answers = append(answers, &v.Answer)
		}
	}
	for _, a := range answers {
		var out []*x509.Certificate
		for _, der := range a.Certificates {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				x.warn("a certificate that the server sends cannot be read: %s.", shorten(err.Error(), 200))
				return out
			}
			out = append(out, c)
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// reportNoTLS makes the finding of a target that accepts no hello at all.
func (x *examiner) reportNoTLS(s *tlsprobe.Survey) {
	at := x.target.hostPort()
	seen := []string{fmt.Sprintf("hello of a usual client to %s: %s", at, printable(s.Named.String()))}
	for _, v := range x.TLS.Versions {
		seen = append(seen, fmt.Sprintf("hello with %s alone: %s", v.Version, v.Answer))
	}
	switch s.Named.End {
	case tlsprobe.NotTLS:
		x.find("tls-not-tls", diagnose.Proven, "What answered the hello is another protocol.", seen...)
	case tlsprobe.Reset, tlsprobe.Closed:
		x.find("tls-reset", diagnose.Proven, "Every hello, of the oldest and of the newest version, ended so.", seen...)
	case tlsprobe.TimedOut:
		x.find("endpoint-tls-silent", diagnose.Proven, "The connection was made, and no hello was answered.", seen...)
	case tlsprobe.Refused:
		x.find("endpoint-refused", diagnose.Proven, "The connection was open a moment before.", seen...)
	case tlsprobe.Garbled:
		x.find("tls-not-tls", diagnose.Likely, "What answered the hello breaks the protocol.", seen...)
	case tlsprobe.Answered:
		// It answers and takes back each version by itself: nothing that can be
		// said for certain.
		x.warn("the server answers a hello that offers all versions, and none that offers one alone: %s.", printable(s.Named.String()))
	case tlsprobe.Alerted:
		if s.Named.Alert != nil && s.Named.Alert.Description == tlsprobe.AlertUnrecognizedName {
			x.find("tls-sni", diagnose.Proven, "The alert says so.", seen...)
			return
		}
		x.find("tls-no-common-suite", diagnose.Likely,
			"Every version was offered with every suite that there is. A server without a usable certificate or key answers like this too.", seen...)
	}
}

// reportTLS makes the findings of what x.TLS says.
func (x *examiner) reportTLS() {
	e := x.TLS
	var names []string
	for _, v := range e.accepted() {
		names = append(names, v.Version)
	}
	seen := fmt.Sprintf("%s accepts %s", x.target.hostPort(), strings.Join(names, ", "))
	switch {
	case !e.accepts(tlsprobe.TLS12, tlsprobe.TLS13):
		x.find("endpoint-only-old-versions", diagnose.Proven, "Each version was offered by itself.",
			append([]string{seen + " and nothing newer; clients of today offer TLS 1.2 and 1.3"}, x.refused(tlsprobe.TLS12, tlsprobe.TLS13)...)...)
	case !e.accepts(tlsprobe.TLS12):
		// Right by itself, but Windows before Server 2022 has no TLS 1.3.
		if refused := x.refused(tlsprobe.TLS12, tlsprobe.TLS12); len(refused) > 0 {
			x.note("tls-version", "Each version was offered by itself. Clients that have no TLS 1.3, as all of Windows before 11 and Server 2022, are refused.",
				append([]string{seen + " and nothing older"}, refused...)...)
		}
	}
	if e.accepts(tlsprobe.TLS12, tlsprobe.TLS13) && e.accepts(tlsprobe.SSL20, tlsprobe.SSL30, tlsprobe.TLS10, tlsprobe.TLS11) {
		x.find("endpoint-old-versions", diagnose.Proven, "Each version was offered by itself.", seen)
	}
	x.reportSuites()
	if e.LargeHelloFails {
		x.find("endpoint-large-hello", diagnose.Likely, "It was tried twice with and without the key that makes the hello large.",
			"a hello of about 1700 octets fails, and the same without a post-quantum key is answered")
	}
	if len(e.Intolerant) > 0 {
		x.find("endpoint-large-hello", diagnose.Proven, "The server has a lower version and does not answer with it, as RFC 5246, Appendix E.1 demands.",
			"a hello with "+strings.Join(e.Intolerant, ", ")+" as the highest version fails, although a lower one is accepted")
	}
	switch {
	case e.NeedsName:
		x.note("tls-sni", "The same hello was sent with and without the name.", "a hello without a server name (SNI) is refused, and with it accepted")
	case e.OtherCertificate:
		x.note("tls-sni", "The same hello was sent with and without the name.", "a hello without a server name (SNI) gets another certificate")
	}
}

// refused says of each kind of client whose highest version is between these
// two how the server refused it.
func (x *examiner) refused(from, to tlsprobe.Version) []string {
	var out []string
	for _, m := range x.TLS.Profiles {
		if m.offer.Max() >= from && m.offer.Max() <= to && m.Outcome != "accepted" && m.Outcome != "unknown" {
			out = append(out, fmt.Sprintf("%s, which offers %s: %s", m.Title, m.Offers, m.Says))
		}
	}
	return out
}

// oldProfiles are clients that nobody should have any more: out of support, or
// replaced by the next. That a server refuses them for their suites is worth
// knowing and no fault.
var oldProfiles = []string{
	"dotnet35", "dotnet45", "dotnet46", "winhttp7", "schannel2012r2", "java6", "java7", "openssl101", "android44", "android5nosni",
}

// reportSuites makes the findings of suites: weak ones that are accepted, and
// clients with a right version and no suite in common.
func (x *examiner) reportSuites() {
	var weak []string
	for _, v := range x.TLS.accepted() {
		for _, s := range v.Suites {
			if s.Weak != "" && v.number >= tlsprobe.TLS12 {
				weak = append(weak, fmt.Sprintf("%s accepts %s: %s", v.Version, s.Name, s.Weak))
			}
		}
	}
	if len(weak) > 0 {
		x.find("endpoint-weak-suites", diagnose.Proven, "Each suite was accepted when it was offered.", first(weak, 20)...)
	}
	if !x.TLS.accepts(tlsprobe.TLS12) {
		return
	}
	var current, old []string
	for _, m := range x.TLS.Profiles {
		if m.Outcome != "alert" || m.offer.Max() < tlsprobe.TLS12 || m.answer.Alert == nil {
			continue
		}
		if d := m.answer.Alert.Description; d != tlsprobe.AlertHandshakeFailure && d != tlsprobe.AlertInsufficientSecurity {
			continue
		}
		line := fmt.Sprintf("%s: %s", m.Title, m.Says)
		if !namesItself(m.offer) && x.TLS.NeedsName {
			continue // refused for the missing name, which is said elsewhere
		}
		if slices.Contains(oldProfiles, m.Profile) {
			old = append(old, line)
		} else {
			current = append(current, line)
		}
	}
	switch {
	case len(current) > 0:
		x.find("tls-no-common-suite", diagnose.Proven, "A hello like that of this client was sent, and its version is accepted.", current...)
	case len(old) > 0:
		x.note("tls-no-common-suite", "A hello like that of this client was sent, and its version is accepted. The client is out of support.", old...)
	}
}

// namesItself reports whether a client of this offer sends a server name: it
// has the extension (RFC 6066, Section 3), or no list of its own.
func namesItself(o tlsprobe.Offer) bool {
	const serverName = 0
	return o.Extensions == nil || slices.Contains(o.Extensions, serverName)
}
