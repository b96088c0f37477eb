//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/factor/webauthn/webauthntest"
)

// The hosts of the story. Nobody resolves them: browsers here reach the nginx of
// the test whatever they ask for.
const (
	mfaHost  = "mfa.example.com"
	wikiHost = "wiki.example.com"
)

// documented returns the blocks of configuration for nginx in
// docs/web-applications.md, by the names of their files: what is tested is what
// administrators are told.
func documented(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "web-applications.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, m := range regexp.MustCompile("(?s)```nginx (\\S+)\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// certify writes a certificate for the hosts and returns who trusts it.
func certify(t *testing.T, dir string, hosts ...string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "site.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "site.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A front is nginx before Sallyport and before an application.
type front struct {
	t     *testing.T
	s     *server
	dir   string
	addr  string // where nginx listens, for both hosts
	trust *x509.CertPool
}

// startNginx runs nginx with the documented configuration until the test ends.
func startNginx(t *testing.T, f *front, sallyport, application, key string) {
	t.Helper()
	program := peer(t, "nginx")
	_, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		t.Fatal(err)
	}
	blocks := documented(t)
	for _, name := range []string{"sallyport-headers.conf", "sallyport.conf", "wiki.conf", "mfa.conf"} {
		text, ok := blocks[name]
		if !ok {
			t.Fatalf("docs/web-applications.md shows no %s", name)
		}
		write(t, filepath.Join(f.dir, name), strings.NewReplacer(
			"/etc/nginx/wiki.", f.dir+"/site.", "/etc/nginx/mfa.", f.dir+"/site.", "/etc/nginx/", f.dir+"/",
			"listen 443", "listen "+f.addr, "127.0.0.1:9480", sallyport, "127.0.0.1:8000", application, "spk_THE_KEY_OF_THE_CLIENT", key,
		).Replace(text))
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	write(t, filepath.Join(f.dir, "nginx.conf"), user+`daemon off; worker_processes 1; pid `+f.dir+`/nginx.pid; error_log `+f.dir+`/error.log info;
events { worker_connections 256; }
http {
	access_log `+f.dir+`/access.log;
	client_body_temp_path `+f.dir+`/body; proxy_temp_path `+f.dir+`/proxy; fastcgi_temp_path `+f.dir+`/fastcgi; uwsgi_temp_path `+f.dir+`/uwsgi; scgi_temp_path `+f.dir+`/scgi;
	include `+f.dir+`/wiki.conf;
	include `+f.dir+`/mfa.conf;
}
`)
	out := new(capture)
	cmd := exec.Command(program, "-p", f.dir, "-c", filepath.Join(f.dir, "nginx.conf"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(f.dir, "error.log"))
			t.Logf("nginx says\n%s%s", out, b)
		}
	})
	eventually(t, "nginx listens on port "+port, func() bool {
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", out)
		default:
		}
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// A page is what a browser got.
type page struct {
	status int
	header http.Header
	body   string
}

// A surfer is a browser with cookies that follows no redirection by itself.
type surfer struct {
	f    *front
	http *http.Client
}

func (f *front) surfer() *surfer {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.trust},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, f.addr)
		},
	}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &surfer{f, &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// at is an address on a host behind nginx.
func (f *front) at(host, path string) string {
	_, port, _ := net.SplitHostPort(f.addr)
	return "https://" + host + ":" + port + path
}

func (b *surfer) do(method, address string, body any, headers ...string) page {
	b.f.t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			b.f.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, address, content)
	if err != nil {
		b.f.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.f.t.Fatalf("%s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.f.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(text)}
}

func (b *surfer) get(address string, headers ...string) page {
	b.f.t.Helper()
	return b.do(http.MethodGet, address, nil, headers...)
}

// api asks the API on Sallyport's host and reads the answer into v.
func (b *surfer) api(method, path string, body, v any) {
	b.f.t.Helper()
	p := b.do(method, b.f.at(mfaHost, path), body)
	if p.status >= 300 {
		b.f.t.Fatalf("%s %s = %d %s", method, path, p.status, p.body)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(p.body), v); err != nil {
		b.f.t.Fatalf("%s %s: %v in %s", method, path, err, p.body)
	}
}

type signInAnswer struct {
	Verdict  string
	Message  string
	State    string
	Options  struct{ Challenge string }
	Redirect string
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// owner sets the installation up and signs in at the console.
func (f *front) owner() *surfer {
	t := f.t
	t.Helper()
	var link []string
	eventually(t, "the server prints a link to set it up", func() bool {
		link = regexp.MustCompile(`(?m)^set up +\S+/set-up#(\S+)`).FindStringSubmatch(f.s.out.String())
		return link != nil
	})
	b := f.surfer()
	var begun struct {
		Ceremony string
		Options  struct {
			Challenge string
			User      struct{ ID string }
		}
	}
	b.api("POST", "/v1/set-up/passkey", map[string]any{"token": link[1], "name": "olga", "password": "a pass phrase of olga's own"}, &begun)
	_, port, _ := net.SplitHostPort(f.addr)
	passkey := webauthntest.New("olga", mfaHost, "https://"+mfaHost+":"+port, string(decoded(t, begun.Options.User.ID)))
	b.api("POST", "/v1/set-up/owner", map[string]any{
		"token": link[1], "ceremony": begun.Ceremony, "registration": json.RawMessage(passkey.Register(decoded(t, begun.Options.Challenge))),
	}, nil)
	var asked, in signInAnswer
	b.api("POST", "/v1/sign-in", map[string]any{"client": "console", "name": "olga", "passkey": true}, &asked)
	b.api("POST", "/v1/sign-in/continue", map[string]any{
		"client": "console", "name": "olga", "state": asked.State, "assertion": json.RawMessage(passkey.Assert(decoded(t, asked.Options.Challenge))),
	}, &in)
	if in.Verdict != "accept" {
		t.Fatalf("olga's passkey = %+v", in)
	}
	return b
}

// follow signs a person in at the page that an answer leads to and returns where
// the browser is sent then.
func (b *surfer) follow(p page, who *person) string {
	b.f.t.Helper()
	u, err := url.Parse(p.header.Get("Location"))
	if err != nil || p.status != http.StatusFound || u.Hostname() != mfaHost || u.Path != "/sign-in" {
		b.f.t.Fatalf("%d %v; want to be led to the sign-in page", p.status, p.header)
	}
	client, back := u.Query().Get("client"), u.Query().Get("return_to")
	var asked, in signInAnswer
	b.api("POST", "/v1/sign-in", map[string]any{"client": client, "name": who.name, "password": who.password, "return_to": back}, &asked)
	if asked.Verdict != "challenge" {
		b.f.t.Fatalf("%s's password = %+v", who.name, asked)
	}
	b.api("POST", "/v1/sign-in/continue", map[string]any{"client": client, "name": who.name, "state": asked.State, "code": who.code(), "return_to": back}, &in)
	if in.Verdict != "accept" {
		b.f.t.Fatalf("%s's code = %+v", who.name, in)
	}
	return in.Redirect
}

// A real nginx with the documented configuration in front of an application that
// knows nothing of sign-ins, and of the program itself.
func TestNginxForwardAuth(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user=%s groups=%s factor=%s path=%s key=%q all=%d", r.Header.Get("Remote-User"), r.Header.Get("Remote-Groups"), r.Header.Get("Remote-Factor"),
			r.URL.RequestURI(), r.Header.Get("Authorization"), len(r.Header.Values("Remote-User")))
	}))
	defer application.Close()
	f := &front{t: t, dir: t.TempDir(), addr: freePort(t)}
	f.trust = certify(t, f.dir, mfaHost, wikiHost)
	local := freePort(t)
	f.s = start(t, setup{Local: local, Config: "https:\n  url: " + f.at(mfaHost, "") + "\n  proxies: [127.0.0.1]\n"})

	// nginx stands before Sallyport from the start; the key comes later.
	begin := func(key string) *front {
		g := *f
		g.dir, g.addr = t.TempDir(), f.addr
		certifyAs(t, f.dir, g.dir)
		startNginx(t, &g, local, strings.TrimPrefix(application.URL, "http://"), key)
		return &g
	}
	var key struct{ Secret string }
	t.Run("an owner sets up the client and its key", func(t *testing.T) {
		g := *f
		g.t, g.dir = t, t.TempDir()
		certifyAs(t, f.dir, g.dir)
		startNginx(t, &g, local, strings.TrimPrefix(application.URL, "http://"), "spk_nobody")
		olga := g.owner()
		olga.api("POST", "/v1/applications", map[string]any{"name": "wiki"}, nil)
		olga.api("POST", "/v1/clients", map[string]any{"name": "wiki", "application": "wiki", "door": "https", "origins": []string{f.at(wikiHost, "")}}, nil)
		olga.api("POST", "/v1/api-keys", map[string]any{"name": "wiki-proxy", "permissions": []string{"login.decide"}, "client": "wiki"}, &key)
		if p := g.surfer().get(f.at(wikiHost, "/")); p.status != http.StatusServiceUnavailable {
			t.Errorf("with a key that nobody knows = %d %v; want 503", p.status, p.header)
		}
	})
	if key.Secret == "" {
		t.Fatal("there is no key")
	}
	f = begin(key.Secret)
	pat := f.s.enrol("pat")

	b := f.surfer()
	wiki := f.at(wikiHost, "/page?id=7&x=%2F")
	first := b.get(wiki, "Remote-User", "olga", "X-Original-URL", "https://evil.example.net/")
	callback := b.follow(first, pat)
	if !strings.HasPrefix(callback, f.at(wikiHost, "/.sallyport/callback?ticket=")) {
		t.Fatalf("redirected to %q", callback)
	}
	if p := f.surfer().get(callback); p.status != http.StatusForbidden {
		t.Errorf("the ticket in another browser = %d %s; want 403", p.status, p.body)
	}
	in := b.get(callback)
	if in.status != http.StatusSeeOther || in.header.Get("Location") != "/page?id=7&x=%2F" {
		t.Fatalf("the callback = %d %v %s", in.status, in.header, in.body)
	}
	want := `user=pat groups= factor=oath path=/page?id=7&x=%2F key="" all=1`
	if p := b.get(wiki); p.status != http.StatusOK || p.body != want {
		t.Errorf("the page = %d %q; want %q", p.status, p.body, want)
	}
	if p := b.get(wiki, "Remote-User", "olga", "Remote-Groups", "admins", "Remote-Factor", "webauthn", "remote-user", "root"); p.body != want {
		t.Errorf("with headers of the browser's own = %d %q; want %q", p.status, p.body, want)
	}

	// Nobody gets in another way.
	for name, try := range map[string]func() page{
		"a header":                     func() page { return f.surfer().get(wiki, "Remote-User", "pat") },
		"a made-up cookie":             func() page { return f.surfer().get(wiki, "Cookie", "__Host-sallyport-app="+strings.Repeat("A", 43)) },
		"the check itself":             func() page { return b.get(f.at(wikiHost, "/.sallyport/check")) },
		"the ticket once more":         func() page { return f.surfer().get(callback) },
		"forward-auth without the key": func() page { return b.get(f.at(mfaHost, "/v1/forward-auth"), "X-Forwarded-Host", wikiHost) },
		"other spellings":              func() page { return f.surfer().get(f.at(wikiHost, "/.sallyport/../page")) },
	} {
		if p := try(); p.status < 300 || strings.Contains(p.body, "user=") {
			t.Errorf("%s = %d %s; want a refusal", name, p.status, p.body)
		}
	}
	thief := f.surfer()
	start := regexp.MustCompile(`__Host-sallyport-start=([^;]+)`).FindStringSubmatch(first.header.Get("Set-Cookie"))
	if start == nil {
		t.Fatalf("the way to the sign-in sets %q", first.header.Values("Set-Cookie"))
	}
	if p := thief.get(callback, "Cookie", "__Host-sallyport-start="+start[1]); p.status != http.StatusForbidden {
		t.Errorf("the ticket twice = %d %s; want 403", p.status, p.body)
	}

	// A sign-in that is to lead elsewhere is refused before anybody is judged.
	before := f.s.last()
	for _, to := range []string{"https://evil.example.net/", f.at(wikiHost, "/page"), "//evil.example.net", f.at("evil.example.net", "/.sallyport/callback?start="+start[1]+"&to=%2F")} {
		if p := b.do("POST", f.at(mfaHost, "/v1/sign-in"), map[string]any{"client": "wiki", "name": "pat", "password": pat.password, "return_to": to}); p.status != http.StatusUnprocessableEntity {
			t.Errorf("return_to %q = %d %s; want 422", to, p.status, p.body)
		}
	}
	if f.s.last() != before {
		t.Errorf("a sign-in that leads elsewhere was judged")
	}

	f.s.do("", "account", "disable", "pat")
	if p := b.get(wiki); p.status != http.StatusFound || strings.Contains(p.body, "user=") {
		t.Errorf("after pat was disabled = %d %s; want to be led to the sign-in", p.status, p.body)
	}
	f.s.do("", "account", "enable", "pat")
	if p := b.get(wiki); p.status != http.StatusFound {
		t.Errorf("after pat was enabled again = %d; want to sign in again", p.status)
	}

	b = f.surfer()
	if p := b.get(b.follow(b.get(wiki), pat)); p.status != http.StatusSeeOther {
		t.Fatalf("the second sign-in = %d %s", p.status, p.body)
	}
	if p := b.get(f.at(wikiHost, "/.sallyport/sign-out"), "Sec-Fetch-Site", "cross-site"); p.status != http.StatusForbidden {
		t.Errorf("signed out by another site = %d; want 403", p.status)
	}
	if p := b.get(wiki); p.status != http.StatusOK {
		t.Errorf("after another site tried to sign out = %d; want 200", p.status)
	}
	if p := b.get(f.at(wikiHost, "/.sallyport/sign-out"), "Sec-Fetch-Site", "same-origin"); p.status != http.StatusSeeOther || p.header.Get("Location") != "/" {
		t.Errorf("sign-out = %d %v", p.status, p.header)
	}
	if p := b.get(wiki); p.status != http.StatusFound {
		t.Errorf("after the sign-out = %d; want to sign in", p.status)
	}
}

// certifyAs copies a certificate to where another nginx looks for it.
func certifyAs(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"site.crt", "site.key"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, name), string(b))
	}
}
