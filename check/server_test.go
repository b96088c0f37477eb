package check

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/diagnose"
)

// public is a PKI as the public ones are: a root that everybody has, and a CA
// under it.
type public struct {
	*world
	root, ca *authority
}

func newPublic(t testing.TB) *public {
	root := newAuthority(t, "Public Root", nil)
	return &public{newWorld(root), root, newAuthority(t, "Public CA", root)}
}

// healthy makes files of a certificate without a fault.
func (p *public) healthy(t testing.TB, change ...func(*x509.Certificate)) files {
	return write(t, oneRSA(), p.ca.issue(t, oneRSA(), change...), p.ca.certificate)
}

const allAccept = "iphone=accepts android=accepts browser=accepts java=accepts windows=accepts"

func TestHealthyServer(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, nginx(t, secure(p.healthy(t), `add_header Strict-Transport-Security "max-age=31536000" always;`)))
	e := p.examine(t, "https://"+host)
	want(t, e, "")
	if e.Faulty() {
		t.Error("a healthy server is called faulty")
	}
	if got := opinions(e); got != allAccept {
		t.Errorf("judges: %s; want %s", got, allAccept)
	}
	if e.Chain.Trust != Public || !e.Chain.Complete || !e.Chain.NameMatches || len(e.Chain.Sent) != 2 {
		t.Errorf("chain: %+v", e.Chain)
	}
	if e.Clock == nil || e.Clock.DifferenceMillis > 2000 || e.Clock.DifferenceMillis < -2000 || e.Clock.PrecisionMillis < 500 {
		t.Errorf("clock: %+v; want none of a difference, and a precision of half a second at best", e.Clock)
	}
	if e.Web == nil || e.Web.Status != 200 || e.Web.HSTS != "max-age=31536000" || !strings.HasPrefix(e.Web.Server, "nginx") {
		t.Errorf("web: %+v", e.Web)
	}
	if got := versions(e); got != "TLS 1.2, TLS 1.3" {
		t.Errorf("versions accepted: %s; want TLS 1.2 and 1.3", got)
	}
	// What old clients would meet is told, and no finding.
	old := meeting(t, e, "dotnet45")
	if old.Offers != "TLS 1.0" || old.Outcome != "alert" || !strings.Contains(old.Alert, "protocol_version") {
		t.Errorf("the .NET 4.5 profile met %+v; want an alert protocol_version", old)
	}
	for _, name := range []string{"schannel2016", "schannel2022", "java11", "openssl3", "browser", "ios9ats"} {
		if m := meeting(t, e, name); m.Outcome != "accepted" {
			t.Errorf("profile %s met %+v; want it accepted", name, m)
		}
	}
}

func versions(e *Examination) string {
	var out []string
	for _, v := range e.TLS.accepted() {
		out = append(out, v.Version)
	}
	return strings.Join(out, ", ")
}

func meeting(t testing.TB, e *Examination, name string) Meeting {
	t.Helper()
	for _, m := range e.TLS.Profiles {
		if m.Profile == name {
			return m
		}
	}
	t.Fatalf("there is no profile %s in %+v", name, e.TLS.Profiles)
	return Meeting{}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	const any = "DEFAULT:@SECLEVEL=0"
	tests := []struct {
		name     string
		args     []string
		versions string
		causes   string
		profiles map[string]string
	}{
		{
			"TLS 1.0 only",
			[]string{"-tls1", "-cipher", any},
			"TLS 1.0", "endpoint-only-old-versions",
			map[string]string{"dotnet45": "accepted", "browser": "alert", "java11": "alert", "schannel2016": "accepted"},
		},
		{
			"TLS 1.2 only",
			[]string{"-tls1_2"},
			"TLS 1.2", "",
			map[string]string{"dotnet45": "alert", "browser": "accepted", "schannel2016": "accepted"},
		},
		{
			"TLS 1.3 only refuses Windows before Server 2022",
			[]string{"-tls1_3"},
			"TLS 1.3", "tls-version?",
			map[string]string{"dotnet45": "alert", "browser": "accepted", "schannel2016": "alert", "schannel2022": "accepted"},
		},
		{
			"old and new versions",
			[]string{"-cipher", any},
			"TLS 1.0, TLS 1.1, TLS 1.2, TLS 1.3", "endpoint-old-versions?",
			map[string]string{"dotnet45": "accepted", "browser": "accepted"},
		},
		{
			"no suite in common with Windows",
			[]string{"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"},
			"TLS 1.2", "tls-no-common-suite",
			map[string]string{"schannel2016": "alert", "browser": "accepted"},
		},
		{
			"only clients out of support are refused for their suites",
			[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"},
			"TLS 1.2", "tls-no-common-suite?",
			map[string]string{"schannel2012r2": "alert", "schannel2016": "accepted", "browser": "accepted"},
		},
		{
			"suites that do not protect",
			[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:NULL-SHA256:@SECLEVEL=0"},
			"TLS 1.2", "endpoint-weak-suites?",
			map[string]string{"browser": "accepted"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t)
			p.route("", target, 443, sServer(t, p.healthy(t), tt.args...))
			e := p.examine(t, host)
			want(t, e, tt.causes)
			if got := versions(e); got != tt.versions {
				t.Errorf("versions accepted: %q; want %q", got, tt.versions)
			}
			for name, outcome := range tt.profiles {
				if m := meeting(t, e, name); m.Outcome != outcome {
					t.Errorf("profile %s met %+v; want %s", name, m, outcome)
				}
			}
			if e.Chain == nil || e.Chain.Trust != Public || !e.Chain.Complete {
				t.Errorf("chain: %+v; want it judged whatever the version", e.Chain)
			}
		})
	}
}

// The evidence of a server that is too old names clients of today.
func TestOnlyOldVersionsNameWhoIsRefused(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, sServer(t, p.healthy(t), "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"))
	seen := evidence(p.examine(t, host), "endpoint-only-old-versions")
	if !strings.Contains(seen, "TLS 1.0 and nothing newer") || !strings.Contains(seen, "browser") || !strings.Contains(seen, "protocol_version") {
		t.Errorf("evidence: %s", seen)
	}
}

// Only proven by offering it: the evidence tells what the client of each kind
// was answered.
func TestOldVersionsNameWhoIsRefused(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, sServer(t, p.healthy(t), "-tls1_3"))
	e := p.examine(t, host+":443")
	seen := evidence(e, "tls-version")
	if !strings.Contains(seen, "TLS 1.3 and nothing older") || !strings.Contains(seen, "Server 2016") || !strings.Contains(seen, "protocol_version") {
		t.Errorf("evidence: %s", seen)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	private := newAuthority(t, "Example Corp Root", nil)
	tests := []struct {
		name   string
		chain  func(t *testing.T, p *public) files
		change func(*Options)
		causes string
		seen   string // in the evidence of the first finding
		judges string
	}{
		{
			name: "private CA",
			chain: func(t *testing.T, _ *public) files {
				return write(t, oneRSA(), private.issue(t, oneRSA()), private.certificate)
			},
			causes: "tls-chain-private-ca", seen: "CN=Example Corp Root",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "private CA that the clients are said to have",
			chain: func(t *testing.T, _ *public) files {
				return write(t, oneRSA(), private.issue(t, oneRSA()))
			},
			change: func(o *Options) {
				o.Roots = x509.NewCertPool()
				o.Roots.AddCert(private.certificate)
			},
			causes: "",
			judges: "iphone=depends android=depends browser=accepts java=depends windows=accepts",
		},
		{
			name: "private CA whose root is not sent",
			chain: func(t *testing.T, _ *public) files {
				return write(t, oneRSA(), private.issue(t, oneRSA()))
			},
			causes: "tls-chain-private-ca", seen: "CN=Example Corp Root",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "self-signed",
			chain: func(t *testing.T, _ *public) files {
				self := &authority{key: oneRSA()}
				self.certificate = &x509.Certificate{SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: host}}
				return write(t, oneRSA(), self.issue(t, oneRSA()))
			},
			causes: "tls-chain-private-ca", seen: "issued by itself",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name:   "wrong name",
			chain:  func(t *testing.T, p *public) files { return p.healthy(t, names("www.example.com", "vpn.example.com")) },
			causes: "tls-name", seen: "www.example.com, vpn.example.com and not for " + host,
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name:   "name only in the subject",
			chain:  func(t *testing.T, p *public) files { return p.healthy(t, names()) },
			causes: "tls-name", seen: "common name",
			judges: "iphone=refuses android=refuses browser=refuses java=depends windows=depends",
		},
		{
			name: "expired",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, valid(-90*24*time.Hour, -3*24*time.Hour))
			},
			causes: "tls-expired", seen: "3 days ago",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "intermediate expired",
			chain: func(t *testing.T, p *public) files {
				ca := newAuthority(t, "Old Public CA", p.root, valid(-400*24*time.Hour, -3*24*time.Hour))
				return write(t, oneRSA(), ca.issue(t, oneRSA(), valid(-10*24*time.Hour, 60*24*time.Hour)), ca.certificate)
			},
			causes: "tls-expired", seen: "CN=Old Public CA",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "not yet valid",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, valid(5*24*time.Hour, 80*24*time.Hour))
			},
			causes: "tls-expired", seen: "is valid from",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "expires soon",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, valid(-80*24*time.Hour, 5*24*time.Hour+time.Hour))
			},
			causes: "endpoint-expires-soon?", seen: "in 5 days", judges: allAccept,
		},
		{
			name: "public and too long",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, valid(-10*24*time.Hour, 700*24*time.Hour))
			},
			causes: "endpoint-certificate-rules", seen: "710 days",
			judges: "iphone=refuses android=accepts browser=refuses java=accepts windows=accepts",
		},
		{
			name: "not for servers",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
			},
			causes: "endpoint-certificate-rules", seen: "server authentication",
			judges: "iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			name: "purpose not said",
			chain: func(t *testing.T, p *public) files {
				return p.healthy(t, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
			},
			causes: "endpoint-certificate-rules", seen: "Apple",
			judges: "iphone=refuses android=accepts browser=accepts java=accepts windows=accepts",
		},
		{
			name: "root sent too",
			chain: func(t *testing.T, p *public) files {
				return write(t, oneRSA(), p.ca.issue(t, oneRSA()), p.ca.certificate, p.root.certificate)
			},
			causes: "", judges: allAccept,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t)
			p.route("", target, 443, nginx(t, secure(tt.chain(t, p), "")))
			change := func(o *Options) { o.VersionsOnly = true }
			e := p.examine(t, host, change, func(o *Options) {
				if tt.change != nil {
					tt.change(o)
				}
			})
			want(t, e, tt.causes)
			if tt.seen != "" && len(e.Findings) > 0 && !strings.Contains(evidence(e, e.Findings[0].Cause), tt.seen) {
				t.Errorf("evidence %q; want %q in it", evidence(e, e.Findings[0].Cause), tt.seen)
			}
			if got := opinions(e); got != tt.judges {
				t.Errorf("judges: %s; want %s", got, tt.judges)
			}
		})
	}
}

func names(list ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = list }
}

func valid(from, to time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
}

// The server sends only its own certificate, which names where its issuer's is.
func TestMissingIntermediate(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	issuer := http.NewServeMux()
	issuer.HandleFunc("GET /ca.crt", func(w http.ResponseWriter, _ *http.Request) { w.Write(p.ca.certificate.Raw) })
	p.route("pki.example.net", "198.51.100.7", 80, goHTTP(t, issuer))
	leaf := p.ca.issue(t, oneRSA(), func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://pki.example.net/ca.crt"} })
	p.route("", target, 443, nginx(t, secure(write(t, oneRSA(), leaf), "")))

	e := p.examine(t, host)
	want(t, e, "tls-chain-missing-intermediate")
	if e.Findings[0].Confidence != diagnose.Proven || !strings.Contains(evidence(e, "tls-chain-missing-intermediate"), "CN=Public CA") {
		t.Errorf("finding: %+v", e.Findings[0])
	}
	if got, want := opinions(e), "iphone=depends android=refuses browser=depends java=refuses windows=depends"; got != want {
		t.Errorf("judges: %s; want %s", got, want)
	}
	if len(e.Chain.Fetched) != 1 || e.Chain.Fetched[0].From != "http://pki.example.net/ca.crt" {
		t.Errorf("fetched: %+v", e.Chain.Fetched)
	}
}

// Without the issuer's certificate only the marks of a public CA tell.
func TestBrokenChain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		causes string
	}{
		{"follows a policy of the CA/Browser Forum", func(c *x509.Certificate) {
			c.Policies = []x509.OID{oid(t, 2, 23, 140, 1, 2, 1)}
		}, "tls-chain-missing-intermediate"},
		{"was logged", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: logged, Value: []byte{4, 0}}}
		}, "tls-chain-missing-intermediate"},
		{"has no mark", func(*x509.Certificate) {}, "tls-chain-private-ca"},
		{"names a place that does not answer", func(c *x509.Certificate) {
			c.IssuingCertificateURL = []string{"http://nowhere.example.net/ca.crt"}
		}, "tls-chain-private-ca"},
		{"names a place that is never asked", func(c *x509.Certificate) {
			c.IssuingCertificateURL = []string{"ldap:///CN=CA?cACertificate", "file:///etc/passwd"}
		}, "tls-chain-private-ca"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t)
			p.route("", target, 443, goTLS(t, http.NotFoundHandler(), oneRSA(), p.ca.issue(t, oneRSA(), tt.change)))
			e := p.examine(t, "tls://"+host, func(o *Options) { o.VersionsOnly = true })
			want(t, e, tt.causes+" endpoint-http-404?")
			if e.Chain.Trust != Unknown || e.Findings[0].Confidence != diagnose.Likely {
				t.Errorf("trust %s, confidence %s; want unknown and likely", e.Chain.Trust, e.Findings[0].Confidence)
			}
		})
	}
}

func oid(t testing.TB, numbers ...uint64) x509.OID {
	t.Helper()
	o, err := x509.OIDFromInts(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestServerName(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	good := p.healthy(t)
	other := write(t, oneRSA(), p.ca.issue(t, oneRSA(), names("other.example.com")), p.ca.certificate)
	p.route("", target, 443, nginx(t, `server { listen LISTEN ssl default_server; ssl_reject_handshake on; }`+secure(good, "")))
	p.route("shared.example.com", "192.0.2.2", 443, nginx(t,
		strings.Replace(strings.Replace(secure(other, ""), "ssl;", "ssl default_server;", 1), host, "other.example.com", 1)+
			strings.Replace(secure(write(t, oneRSA(), p.ca.issue(t, oneRSA(), names("shared.example.com")), p.ca.certificate), ""), host, "shared.example.com", 1)))

	e := p.examine(t, host)
	want(t, e, "tls-sni?")
	if !e.TLS.NeedsName || !strings.Contains(evidence(e, "tls-sni"), "is refused") {
		t.Errorf("needs a name: %t, evidence %q", e.TLS.NeedsName, evidence(e, "tls-sni"))
	}
	if m := meeting(t, e, "android5nosni"); m.Outcome != "alert" {
		t.Errorf("a client without SNI met %+v; want an alert", m)
	}
	e = p.examine(t, "shared.example.com")
	want(t, e, "tls-sni?")
	if !e.TLS.OtherCertificate || !e.Chain.NameMatches {
		t.Errorf("another certificate without a name: %t, name matches: %t", e.TLS.OtherCertificate, e.Chain.NameMatches)
	}
}

// A box that resets whatever hello it sees.
func TestResetAfterHello(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, each(t, func(c net.Conn) {
		io.ReadAtLeast(c, make([]byte, 64), 16)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}))
	e := p.examine(t, host)
	want(t, e, "tls-reset")
	if seen := evidence(e, "tls-reset"); !strings.Contains(seen, "reset the connection") || !strings.Contains(seen, "TLS 1.3 alone") {
		t.Errorf("evidence: %s", seen)
	}
}

// each serves connections one by one with f.
func each(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c)
		}
	}()
	return l.Addr().String()
}

// A box that resets only hellos of TLS 1.3, as long as those are.
func TestPlainHTTPOnThePort(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, nginx(t, `server { listen LISTEN; return 200 "plain"; }`))
	e := p.examine(t, host)
	want(t, e, "tls-not-tls")
	if seen := evidence(e, "tls-not-tls"); !strings.Contains(seen, "HTTP") {
		t.Errorf("evidence: %s", seen)
	}
	p.route("", target, 80, p.routes[target+":443"])
	e = p.examine(t, "http://"+host)
	want(t, e, "")
	if e.Web.Status != 200 || e.TLS != nil {
		t.Errorf("web: %+v, TLS: %+v", e.Web, e.TLS)
	}
}

func TestSilentAfterConnection(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, each(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	e := p.examine(t, host, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	want(t, e, "endpoint-tls-silent")
}

func TestClientCertificateDemanded(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	f := p.healthy(t)
	p.route("", target, 443, nginx(t, secure(f, "ssl_verify_client on; ssl_client_certificate "+f.chain+";")))
	p.route("strict.example.com", "192.0.2.2", 443, sServer(t, write(t, oneRSA(), p.ca.issue(t, oneRSA(), names("strict.example.com")), p.ca.certificate), "-Verify", "1", "-CAfile", f.chain))
	for _, name := range []string{host, "strict.example.com"} {
		e := p.examine(t, name)
		want(t, e, "")
		if !e.TLS.ClientCertificate || e.Chain == nil {
			t.Errorf("%s: asked for a certificate: %t, chain: %v", name, e.TLS.ClientCertificate, e.Chain)
		}
	}
}

func TestClockOff(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	tests := []struct {
		name   string
		off    time.Duration
		causes string
		seen   string
	}{
		{"seconds.example.com", 12 * time.Second, "", ""},
		{"minutes.example.com", -3 * time.Minute, "clock-skew", "behind this machine; that breaks one-time codes"},
		{"hours.example.com", 2 * time.Hour, "clock-skew", "ahead of this machine; that breaks one-time codes of apps and tokens (30 s a step), Kerberos"},
	}
	for _, tt := range tests {
		p.route(tt.name, target, 443, "")
	}
	for i, tt := range tests {
		address := "192.0.2.1" + string(rune('0'+i))
		p.names[tt.name] = []string{address}
		p.route("", address, 443, goTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(tt.off).UTC().Format(http.TimeFormat))
		}), oneRSA(), p.ca.issue(t, oneRSA(), names(tt.name)), p.ca.certificate))
		e := p.examine(t, tt.name, func(o *Options) { o.VersionsOnly = true })
		want(t, e, tt.causes)
		if !strings.Contains(evidence(e, "clock-skew"), tt.seen) {
			t.Errorf("%s: evidence %q; want %q in it", tt.name, evidence(e, "clock-skew"), tt.seen)
		}
	}
}

// A date from a cache is old, not wrong.
func TestClockOfACache(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, goTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Age", "3600")
	}), oneRSA(), p.ca.issue(t, oneRSA()), p.ca.certificate))
	e := p.examine(t, host, func(o *Options) { o.VersionsOnly = true })
	want(t, e, "")
	if e.Clock != nil {
		t.Errorf("clock: %+v; want none", e.Clock)
	}
}

// A proxy that ends TLS and signs a certificate of its own for every name.
func TestInterception(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, ca   string
		known      bool
		causes     string
		confidence diagnose.Confidence
	}{
		{"acme.okta.com", "Zscaler Intermediate Root CA", false, "tls-inspection", diagnose.Proven},
		{"login.microsoftonline.com", "Example Corp Issuing CA", false, "tls-inspection", diagnose.Proven},
		{"api-1234.duosecurity.com", "Example Corp Issuing CA", true, "tls-inspection", diagnose.Proven},
		{"www.example.org", "Fortinet Untrusted CA", false, "tls-inspection", diagnose.Likely},
		{"www.example.org", "Fortinet Untrusted CA", true, "", ""},
		{"www.example.org", "Example Corp Issuing CA", false, "tls-chain-private-ca", diagnose.Proven},
	}
	for _, tt := range tests {
		t.Run(tt.name+" by "+tt.ca, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t)
			box := newAuthority(t, tt.ca, nil)
			p.route(tt.name, "203.0.113.9", 443, goTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Via", "1.1 gateway.example.org")
			}), oneRSA(), box.issue(t, oneRSA(), names(tt.name)), box.certificate))
			e := p.examine(t, "https://"+tt.name+"/", func(o *Options) {
				o.VersionsOnly = true
				if tt.known {
					o.Roots = x509.NewCertPool()
					o.Roots.AddCert(box.certificate)
				}
			})
			want(t, e, tt.causes)
			if len(e.Findings) > 0 {
				if f := e.Findings[0]; f.Confidence != tt.confidence || !strings.Contains(f.Evidence[0].Text, tt.ca) {
					t.Errorf("finding: %s, evidence %v; want %s naming %s", f.Confidence, f.Evidence, tt.confidence, tt.ca)
				}
			}
			if len(e.Interception) == 0 || e.Interception[len(e.Interception)-1].Kind != "via" {
				t.Errorf("hints: %+v; want the Via header among them", e.Interception)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	f := write(t, oneRSA(), p.ca.issue(t, oneRSA(), names(host, "acme.okta.com", "adnotifications.windowsazure.com")), p.ca.certificate)
	at := nginx(t, strings.ReplaceAll(secure(f, `
		location /401 { return 401; }
		location /403 { return 403; }
		location /404 { return 404; }
		location /407 { return 407; }
		location /503 { return 503; }
		location /511 { return 511; }
		location /away { return 302 https://192.168.1.1/hotspot; }
		location /login { return 302 /app/login; }
	`), "server_name "+host, "server_name "+host+" acme.okta.com adnotifications.windowsazure.com"))
	p.route("", target, 443, at)
	p.route("acme.okta.com", target, 443, at)
	p.route("adnotifications.windowsazure.com", target, 443, at)
	tests := []struct{ url, causes, means string }{
		{"https://" + host + "/401", "endpoint-http-401?", "signature whose time"},
		{"https://" + host + "/403", "endpoint-http-403?", "missing assignment"},
		{"https://" + host + "/404", "endpoint-http-404?", "wrong URL"},
		{"https://" + host + "/407", "proxy", "proxy on the way"},
		{"https://" + host + "/503", "endpoint-http-5xx", "fails by itself"},
		{"https://" + host + "/511", "endpoint-gateway-login", "log in to the network"},
		{"https://" + host + "/login", "", "login page"},
		{"https://acme.okta.com/401", "", "Okta credential provider 401 is a wrong password"},
		{"https://acme.okta.com/404", "", "wrong organization URL"},
		{"https://acme.okta.com/away", "endpoint-gateway-login", "another host"},
		{"https://adnotifications.windowsazure.com/404", "", "The NPS extension calls other paths"},
	}
	for _, tt := range tests {
		e := p.examine(t, tt.url, func(o *Options) { o.VersionsOnly = true })
		want(t, e, tt.causes)
		if !strings.Contains(e.Web.Means, tt.means) {
			t.Errorf("%s means %q; want %q in it", tt.url, e.Web.Means, tt.means)
		}
	}
}
