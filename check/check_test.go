package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	"pgregory.net/rapid"

	"sallyport/diagnose"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	tests := []struct {
		given string
		want  Target // Given is left out
		err   string
	}{
		{"mfa.example.com", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 443, Path: "/"}, ""},
		{" MFA.Example.com. ", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 443, Path: "/"}, ""},
		{"https://mfa.example.com/a b", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 443, Path: "/a%20b"}, ""},
		{"https://mfa.example.com/a\x7fb", Target{}, "its path"},
		{"https://mfa.example.com:8443/app?x=1#top", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 8443, Path: "/app?x=1"}, ""},
		{"HTTP://mfa.example.com", Target{Protocol: HTTP, Host: "mfa.example.com", Port: 80, Path: "/"}, ""},
		{"mfa.example.com/login", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 443, Path: "/login"}, ""},
		{"mfa.example.com:9443", Target{Protocol: TLS, Host: "mfa.example.com", Port: 9443, Path: "/"}, ""},
		{"mfa.example.com:9443/x", Target{Protocol: HTTPS, Host: "mfa.example.com", Port: 9443, Path: "/x"}, ""},
		{"mfa.example.com:80/x", Target{Protocol: HTTP, Host: "mfa.example.com", Port: 80, Path: "/x"}, ""},
		{"radius://mfa.example.com", Target{Protocol: RADIUS, Host: "mfa.example.com", Port: 1812}, ""},
		{"radius://mfa.example.com:1645", Target{Protocol: RADIUS, Host: "mfa.example.com", Port: 1645}, ""},
		{"mfa.example.com:1812", Target{Protocol: RADIUS, Host: "mfa.example.com", Port: 1812}, ""},
		{"ldap://dc1.example.com/dc=example,dc=com", Target{Protocol: LDAP, Host: "dc1.example.com", Port: 389}, ""},
		{"ldaps://dc1.example.com", Target{Protocol: LDAPS, Host: "dc1.example.com", Port: 636}, ""},
		{"dc1.example.com:3269", Target{Protocol: LDAPS, Host: "dc1.example.com", Port: 3269}, ""},
		{"192.0.2.7", Target{Protocol: HTTPS, Host: "192.0.2.7", Port: 443, Path: "/"}, ""},
		{"192.0.2.7:389", Target{Protocol: LDAP, Host: "192.0.2.7", Port: 389}, ""},
		{"2001:db8::7", Target{Protocol: HTTPS, Host: "2001:db8::7", Port: 443, Path: "/"}, ""},
		{"[2001:db8::7]:636", Target{Protocol: LDAPS, Host: "2001:db8::7", Port: 636}, ""},
		{"https://[2001:db8::7]/x", Target{Protocol: HTTPS, Host: "2001:db8::7", Port: 443, Path: "/x"}, ""},
		{"[::ffff:192.0.2.7]:443", Target{Protocol: HTTPS, Host: "192.0.2.7", Port: 443, Path: "/"}, ""},
		{"", Target{}, "empty"},
		{"ftp://example.com", Target{}, "none of https"},
		{"https://", Target{}, "no host"},
		{"https://user:pass@example.com", Target{}, "leave out the user name"},
		{"example.com:0", Target{}, "not a port"},
		{"example.com:65536", Target{}, "not a port"},
		{"example.com:https", Target{}, "not a port"},
		{"a:b:c", Target{}, "brackets"},
		{"bücher.example", Target{}, "xn--"},
		{"two words", Target{}, "not a host name"},
		{"-", Target{Protocol: HTTPS, Host: "-", Port: 443, Path: "/"}, ""},
		{"256.1.1.1", Target{}, "neither a host name nor an address"},
		{"a..b", Target{}, "not a host name"},
		{strings.Repeat("a.", 200) + "com", Target{}, "longer than 253"},
		{"evil\x1b[31m.example", Target{}, "not a host name"},
	}
	for _, tt := range tests {
		got, err := ParseTarget(tt.given)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseTarget(%q) = %+v, %v; want an error with %q", tt.given, got, err, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("ParseTarget(%q): the error %q would steer a terminal", tt.given, err)
			}
			continue
		}
		tt.want.Given = strings.TrimSpace(tt.given)
		if err != nil || got != tt.want {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", tt.given, got, err, tt.want)
		}
	}
}

// FuzzParseTarget checks that what is read as a target is written as the same
// one, and that nothing else than a host and a port is ever dialled.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"https://mfa.example.com:8443/a?b#c", "[2001:db8::1]:636", "radius://192.0.2.1", "a:1/b", "ldap://x/y", "::1%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseTarget(s)
		if err != nil {
			return
		}
		if host, port, err := net.SplitHostPort(a.hostPort()); err != nil || host != a.Host || port != fmt.Sprint(a.Port) {
			t.Fatalf("ParseTarget(%q) = %+v, which is dialled as %q", s, a, a.hostPort())
		}
		again := fmt.Sprintf("%s://%s%s", a.Protocol, a.hostPort(), a.Path)
		b, err := ParseTarget(again)
		b.Given = a.Given
		if err != nil || a != b {
			t.Errorf("ParseTarget(%q) = %+v, and of %q %+v, %v", s, a, again, b, err)
		}
		if strings.ContainsAny(a.Host+a.Path, " \r\n\t\x00") {
			t.Errorf("ParseTarget(%q) = %+v has blanks in it", s, a)
		}
	})
}

// FuzzBER checks that an element read from a stream is the one at the start of
// the same octets, and that reading what we wrote gives it back.
func FuzzBER(f *testing.F) {
	f.Add(searchRoot(1))
	f.Add(askStartTLS(2))
	f.Add([]byte{0x30, 0x84, 0, 0, 0, 3, 2, 1, 1})
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, rest, err := next(b)
		streamed, streamErr := readElement(bytes.NewReader(b))
		if (err == nil) != (streamErr == nil) {
			t.Fatalf("of %x: next says %v, readElement %v", b, err, streamErr)
		}
		if err != nil {
			return
		}
		if whole.tag != streamed.tag || !bytes.Equal(whole.value, streamed.value) {
			t.Errorf("of %x: next reads %+v, readElement %+v", b, whole, streamed)
		}
		if !bytes.HasSuffix(b, rest) || len(whole.value)+len(rest) > len(b)-2 {
			t.Errorf("of %x: %d octets of value and %d of rest", b, len(whole.value), len(rest))
		}
		if len(whole.value) < 1<<16 {
			again, rest, err := next(ber(whole.tag, whole.value))
			if err != nil || len(rest) != 0 || again.tag != whole.tag || !bytes.Equal(again.value, whole.value) {
				t.Errorf("of %x: written and read again it is %+v, %v", b, again, err)
			}
		}
		// What a server sends in its place must not break the reading of it.
		if _, operation, err := readMessage(bytes.NewReader(b)); err == nil {
			result(operation)
			if attributes, err := entry(operation); err == nil {
				new(Directory).read(attributes)
			}
		}
	})
}

func TestBERBounds(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"4 GiB":            {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"no end":           {0x30, 0x80, 1, 1},
		"length of length": {0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		"long tag":         {0x1f, 0x81, 1, 0},
	} {
		if e, err := readElement(bytes.NewReader(b)); err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: readElement = %+v, %v; want it refused by its header", name, e, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	e := p.examine(t, "nowhere.example.com")
	want(t, e, "endpoint-name")
	if e.Findings[0].Confidence != diagnose.Proven || e.TCP != nil {
		t.Errorf("finding %+v, TCP %v", e.Findings[0], e.TCP)
	}
	broken := p.examine(t, host, func(o *Options) {
		o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
		}
	})
	want(t, broken, "endpoint-name")
	if broken.Findings[0].Confidence != diagnose.Likely {
		t.Errorf("a resolver that fails makes it %s; want likely", broken.Findings[0].Confidence)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	at := nginx(t, secure(p.healthy(t), ""))
	quick := func(o *Options) { o.Timeout, o.VersionsOnly = 400*time.Millisecond, true }

	p.names["refused.example.com"] = []string{"192.0.2.20"}
	want(t, p.examine(t, "refused.example.com", quick), "endpoint-refused")

	p.names["dropped.example.com"] = []string{"192.0.2.21"}
	p.silent["192.0.2.21:443"] = true
	e := p.examine(t, "https://dropped.example.com", quick, func(o *Options) {
		o.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128", User: url.UserPassword("me", "hidden")})
	})
	want(t, e, "endpoint-unreachable")
	if seen := evidence(e, "endpoint-unreachable"); !strings.Contains(seen, "no answer within 400ms") || !strings.Contains(seen, "proxy.example.com:3128") || strings.Contains(seen, "hidden") {
		t.Errorf("evidence: %q", seen)
	}

	// One address of each kind, and IPv6 leads nowhere: logins that take long.
	p.names[host] = []string{"2001:db8::1", target}
	p.route("", target, 443, at)
	p.silent["[2001:db8::1]:443"] = true
	e = p.examine(t, host, quick)
	want(t, e, "endpoint-some-addresses")
	if seen := evidence(e, "endpoint-some-addresses"); !strings.Contains(seen, "[2001:db8::1]:443: no answer") || !strings.Contains(seen, target+":443: open") {
		t.Errorf("evidence: %q", seen)
	}

	// This machine has no IPv6 at all: no fault of the target.
	e = p.examine(t, host, quick, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "[") {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
			}
			return p.dial(ctx, network, address)
		}
	})
	want(t, e, "")
	if e.TCP[0].State != NoRoute || e.TCP[1].State != Open {
		t.Errorf("TCP: %+v", e.TCP)
	}
}

// A box on the way that resets hellos which are longer than those of old.
func TestLargeHello(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	at := nginx(t, secure(p.healthy(t), ""))
	p.route("", target, 443, each(t, func(c net.Conn) {
		defer c.Close()
		head := make([]byte, 5)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		length := int(head[3])<<8 | int(head[4])
		if length > 1200 {
			c.(*net.TCPConn).SetLinger(0)
			return
		}
		to, err := net.Dial("tcp", at)
		if err != nil {
			return
		}
		defer to.Close()
		go func() {
			defer to.(*net.TCPConn).CloseWrite()
			to.Write(head)
			io.Copy(to, c)
		}()
		io.Copy(c, to)
	}))
	e := p.examine(t, host, func(o *Options) { o.VersionsOnly = true })
	if !e.TLS.LargeHelloFails || !strings.Contains(causes(e), "endpoint-large-hello") {
		t.Errorf("large hello fails: %t, findings %s", e.TLS.LargeHelloFails, causes(e))
	}
	if m := meeting(t, e, "browser"); m.Outcome != "reset" {
		t.Errorf("the browser met %+v; want a reset", m)
	}
}

// Weak keys and signatures are judged without a server: no library would serve
// them today.
func TestWeakCertificates(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Root", nil)
	old := oldAuthority(t)
	pool := func(a *authority) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(a.certificate)
		return p
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	sha1 := old.issue(t, oneRSA(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	tests := []struct {
		name   string
		sent   []*x509.Certificate
		roots  roots
		broken string
		judges string
	}{
		{
			"1024 bits, public",
			[]*x509.Certificate{root.issue(t, small)},
			roots{public: pool(root)},
			"only 1024 bits",
			"iphone=refuses android=accepts browser=refuses java=accepts windows=accepts",
		},
		{
			"1024 bits, private",
			[]*x509.Certificate{root.issue(t, small)},
			roots{public: x509.NewCertPool(), known: pool(root)},
			"only 1024 bits",
			"iphone=refuses android=depends browser=accepts java=depends windows=accepts",
		},
		{
			"SHA-1, private",
			[]*x509.Certificate{sha1, old.certificate},
			roots{public: x509.NewCertPool()},
			"SHA1-RSA",
			"iphone=refuses android=refuses browser=refuses java=refuses windows=refuses",
		},
		{
			"three years, private",
			[]*x509.Certificate{root.issue(t, oneRSA(), valid(-time.Hour, 1095*24*time.Hour))},
			roots{public: x509.NewCertPool(), known: pool(root)},
			"at most 825",
			"iphone=refuses android=depends browser=accepts java=depends windows=accepts",
		},
	}
	for _, tt := range tests {
		f := examineChain(tt.sent, nil, host, time.Now(), tt.roots)
		if got := strings.Join(f.broken(), "; "); !strings.Contains(got, tt.broken) {
			t.Errorf("%s: rules broken: %q; want %q", tt.name, got, tt.broken)
		}
		e := &Examination{Chain: &Chain{Verdicts: f.verdicts(false)}}
		if got := opinions(e); got != tt.judges {
			t.Errorf("%s: judges: %s; want %s", tt.name, got, tt.judges)
		}
	}
}

// oldAuthority is one with an RSA key, which can sign with SHA-1.
func oldAuthority(t testing.TB) *authority {
	t.Helper()
	a := newAuthority(t, "Old Root", nil)
	a.key = oneRSA()
	c := *a.certificate
	c.SignatureAlgorithm, c.PublicKey = x509.SHA256WithRSA, a.key.Public()
	a.certificate = certify(t, &c, &c, a.key.Public(), a.key)
	return a
}

// Whatever is sent in whatever order, the judgement ends, and it does not call
// complete what does not lead to a root.
func TestChainsInAnyOrder(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Root", nil)
	ca := newAuthority(t, "CA", root)
	other := newAuthority(t, "CA", nil) // of the same name, with another key
	leaf := ca.issue(t, oneRSA())
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	choice := []*x509.Certificate{root.certificate, ca.certificate, other.certificate, leaf}
	rapid.Check(t, func(rt *rapid.T) {
		sent := append([]*x509.Certificate{leaf}, rapid.SliceOfN(rapid.SampledFrom(choice), 0, 8).Draw(rt, "sent")...)
		has := false
		for _, c := range sent[1:] {
			has = has || c == ca.certificate
		}
		f := examineChain(sent, nil, host, time.Now(), roots{public: pool})
		if f.complete != has && f.trust == Public || (f.trust == Public) != has {
			rt.Fatalf("trust %s, complete %t; the CA is sent: %t", f.trust, f.complete, has)
		}
		if len(f.path) > len(sent)+1 || len(f.verdicts(false)) != len(judges) {
			rt.Fatalf("a path of %d out of %d", len(f.path), len(sent))
		}
	})
}

func TestBuiltInRoots(t *testing.T) {
	t.Parallel()
	n := 0
	for root := range bundle.Roots() {
		if _, err := x509.ParseCertificate(root.Certificate); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 100 {
		t.Errorf("%d roots are built in; want those of Mozilla, more than 100", n)
	}
	if publicRoots().Equal(x509.NewCertPool()) {
		t.Error("the pool of the public roots is empty")
	}
}

func TestReadRoots(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Root", nil)
	f := write(t, root.key, root.certificate, newAuthority(t, "Second", nil).certificate)
	pem, err := os.ReadFile(f.chain)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"PEM": pem, "DER": root.certificate.Raw} {
		if pool, err := ReadRoots(b); err != nil || pool.Equal(x509.NewCertPool()) {
			t.Errorf("ReadRoots(%s): %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "broken PEM": bytes.Replace(pem, []byte("MII"), []byte("AAA"), 1)} {
		if _, err := ReadRoots(b); err == nil {
			t.Errorf("ReadRoots(%s) is content", name)
		}
	}
}

func TestCompareClocks(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name       string
		server     time.Time
		round      time.Duration
		difference float64
		precision  float64
		none       bool
	}{
		{"the same second", asked, 0, 500, 500, false},
		{"a slow answer", asked.Add(time.Second), 2 * time.Second, 500, 1500, false},
		{"a minute behind", asked.Add(-time.Minute), 0, -59500, 500, false},
		{"too slow to tell", asked, time.Minute, 0, 0, true},
		{"no time", time.Time{}, 0, 0, 0, true},
		{"out of reach", asked.AddDate(5000, 0, 0), 0, 0, 0, true},
	}
	for _, tt := range tests {
		c := compareClocks(tt.server, asked, asked.Add(tt.round), time.Second, "test")
		switch {
		case tt.none && c != nil:
			t.Errorf("%s: %+v; want none", tt.name, c)
		case !tt.none && (c == nil || c.DifferenceMillis != tt.difference || c.PrecisionMillis != tt.precision):
			t.Errorf("%s: %+v; want %v ± %v", tt.name, c, tt.difference, tt.precision)
		}
	}
}

// What a server says must not steer the terminal, and the JSON holds what its
// comments promise.
func TestHostileServerText(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	evil := p.ca.issue(t, oneRSA(), func(c *x509.Certificate) {
		c.Subject.Organization = []string{"\x1b]0;owned\x07\u202eevil"}
		c.Subject.CommonName = strings.Repeat("long", 500)
	}, names("other.example.com"))
	p.route("", target, 443, goTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "nice\u009b31m"+strings.Repeat("s", 5000))
		w.Header().Set("Location", "https://elsewhere.example/\u202e")
		w.WriteHeader(302)
	}), oneRSA(), evil, p.ca.certificate))
	e := p.examine(t, host)
	want(t, e, "tls-name")
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, c := range v {
				walk(c)
			}
		case []any:
			for _, c := range v {
				walk(c)
			}
		case string:
			if v != printable(v) || !utf8.ValidString(v) || len(v) > 3000 {
				t.Errorf("the JSON holds %.100q", v)
			}
		}
	}
	var decoded map[string]any
	if err := json.Unmarshal(out, &decoded); err != nil {
		t.Fatal(err)
	}
	walk(decoded)
	for _, key := range []string{"schema", "target", "dns", "tcp", "tls", "chain", "clock", "http", "findings"} {
		if _, ok := decoded[key]; !ok {
			t.Errorf("the JSON has no %q", key)
		}
	}
	if decoded["schema"] != Schema || strings.Contains(string(out), `"findings":null`) {
		t.Errorf("schema %v", decoded["schema"])
	}
}

func TestExamineEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	p.route("", target, 443, each(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	ctx, cancel := context.WithCancel(t.Context())
	o := p.options()
	o.Timeout = time.Minute
	o.Progress = func(step string) {
		if strings.Contains(step, "TLS") {
			cancel()
		}
	}
	if e, err := Examine(ctx, host, o); e != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Examine = %v, %v; want the end of its context", e, err)
	}
	if e, err := Examine(t.Context(), "ftp://x", o); e != nil || err == nil {
		t.Errorf("Examine of no target = %v, %v", e, err)
	}
}

// What is odd about the order stops nobody and is told.
func TestChainNotes(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Root", nil)
	upper := newAuthority(t, "Upper", root)
	lower := newAuthority(t, "Lower", upper)
	leaf := lower.issue(t, oneRSA())
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	tests := []struct {
		name string
		sent []*x509.Certificate
		want []string // a part of each note, in order
	}{
		{"in order", []*x509.Certificate{leaf, lower.certificate, upper.certificate}, nil},
		{"out of order", []*x509.Certificate{leaf, upper.certificate, lower.certificate}, []string{"not sent in order"}},
		{"twice the first", []*x509.Certificate{leaf, leaf, lower.certificate, upper.certificate}, []string{"sent twice: CN=mfa"}},
		{"with the root", []*x509.Certificate{leaf, lower.certificate, upper.certificate, root.certificate}, []string{"root is sent too"}},
		{"with a stranger", []*x509.Certificate{leaf, lower.certificate, upper.certificate, newAuthority(t, "Stranger", root).certificate}, []string{"not needed: CN=Stranger"}},
	}
	for _, tt := range tests {
		f := examineChain(tt.sent, nil, host, time.Now(), roots{public: pool})
		got := f.notes()
		if len(got) != len(tt.want) || !f.complete {
			t.Errorf("%s: complete %t, notes %q; want %q", tt.name, f.complete, got, tt.want)
			continue
		}
		for i, w := range tt.want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s: note %q; want %q in it", tt.name, got[i], w)
			}
		}
	}
}

// Every cause that a line of this package names exists, or it would panic when
// it is met; and no cause of its own is left that nothing finds.
func TestCausesExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`x\.(?:find|note)\(\s*"([a-z0-9-]+)"`)
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(source, -1) {
			id := string(m[1])
			used[id] = true
			if diagnose.CauseByID(id) == nil {
				t.Errorf("%s finds %q, and there is no such cause", file, id)
			}
		}
	}
	for _, c := range diagnose.Causes() {
		if strings.HasPrefix(c.ID, "endpoint-") && !used[c.ID] {
			t.Errorf("nothing finds %s", c.ID)
		}
	}
}
