package check

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// host is the name of the target in most tests, and target its address in the
// world.
const (
	host   = "mfa.example.com"
	target = "192.0.2.1"
)

// patience is how long a real server may take to start.
const patience = 20 * time.Second

// missingPeer ends a test that needs a program which is not installed. Where
// everything must be tested that is a failure.
func missingPeer(t testing.TB, name string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; run make peers", name)
	}
	t.Skipf("%s is not installed; run make peers", name)
}

func peer(t testing.TB, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if program, err := exec.LookPath(path); err == nil {
			return program
		}
	}
	missingPeer(t, name)
	return ""
}

// A world is the network that an examination sees: names, and addresses of the
// documentation range that lead to servers on loopback. What has no route
// refuses.
type world struct {
	mu     sync.Mutex
	names  map[string][]string
	routes map[string]string // address:port to address:port
	silent map[string]bool   // address:port that never answers
	roots  *x509.CertPool    // that everybody has
}

func newWorld(public *authority) *world {
	w := &world{names: map[string][]string{host: {target}}, routes: map[string]string{}, silent: map[string]bool{}, roots: x509.NewCertPool()}
	w.roots.AddCert(public.certificate)
	return w
}

// route lets port of the address lead to a server; it makes the name if it is
// new.
func (w *world) route(name, address string, port int, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name != "" && !slices.Contains(w.names[name], address) {
		w.names[name] = append(w.names[name], address)
	}
	w.routes[net.JoinHostPort(address, strconv.Itoa(port))] = to
}

func (w *world) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []netip.Addr
	for _, a := range w.names[name] {
		out = append(out, netip.MustParseAddr(a))
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return out, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	to, silent := w.routes[address], w.silent[address]
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if to == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

func (w *world) options() Options {
	return Options{
		Timeout: 2 * time.Second, Lookup: w.lookup, Dial: w.dial, Public: w.roots, Proxy: http.ProxyURL(nil),
	}
}

// examine examines and checks what holds of every examination.
func (w *world) examine(t testing.TB, given string, change ...func(*Options)) *Examination {
	t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	e, err := Examine(t.Context(), given, o)
	if err != nil {
		t.Fatalf("Examine(%q): %v", given, err)
	}
	for _, f := range e.Findings {
		if f.Title == "" || f.Means == "" || f.Why == "" || f.Confidence == "" || len(f.Remedy) == 0 || len(f.Evidence) == 0 {
			t.Errorf("finding %s lacks a part: %+v", f.Cause, f)
		}
		for _, e := range f.Evidence {
			if e.File != given || e.Text == "" {
				t.Errorf("finding %s has evidence %+v; want it to name the target %q", f.Cause, e, given)
			}
		}
	}
	return e
}

// causes are the findings as "cause", or "cause?" if it is only a note.
func causes(e *Examination) string {
	var out []string
	for _, f := range e.Findings {
		c := f.Cause
		if f.Note {
			c += "?"
		}
		out = append(out, c)
	}
	return strings.Join(out, " ")
}

// want compares the causes that were found.
func want(t testing.TB, e *Examination, causesWanted string) {
	t.Helper()
	if got := causes(e); got != causesWanted {
		t.Errorf("examination of %s found %q; want %q", e.Target.Given, got, causesWanted)
		for _, f := range e.Findings {
			t.Logf("%s (%s, %s): %v", f.Cause, f.Confidence, f.Why, f.Evidence)
		}
		t.Logf("warnings: %q", e.Warnings)
	}
}

// evidence is all evidence of one cause.
func evidence(e *Examination, cause string) string {
	var out []string
	for _, f := range e.Findings {
		if f.Cause == cause {
			for _, v := range f.Evidence {
				out = append(out, v.Text)
			}
		}
	}
	return strings.Join(out, "\n")
}

// opinions are what the judges say, as "iphone=accepts ...".
func opinions(e *Examination) string {
	if e.Chain == nil {
		return ""
	}
	var out []string
	for _, v := range e.Chain.Verdicts {
		out = append(out, v.Judge+"="+string(v.Opinion))
	}
	return strings.Join(out, " ")
}

// An authority is a CA.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// oneRSA is the key of every server in the tests: making one takes long.
var oneRSA = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// quiet is where servers in this process complain of the hellos that end.
var quiet = log.New(io.Discard, "", 0)

var serial struct {
	sync.Mutex
	n int64
}

func nextSerial() *big.Int {
	serial.Lock()
	defer serial.Unlock()
	serial.n++
	return big.NewInt(1000 + serial.n)
}

// newAuthority makes a CA under parent, or a root if parent is nil.
func newAuthority(t testing.TB, name string, parent *authority, change ...func(*x509.Certificate)) *authority {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{Organization: []string{"Test"}, CommonName: name},
		NotBefore: time.Now().Add(-3650 * 24 * time.Hour), NotAfter: time.Now().Add(3650 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	for _, f := range change {
		f(c)
	}
	a := &authority{key: newKey(t)}
	signer, issuer := a.key, c
	if parent != nil {
		signer, issuer = parent.key, parent.certificate
	}
	a.certificate = certify(t, c, issuer, a.key.Public(), signer)
	return a
}

func certify(t testing.TB, c, issuer *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// issue makes a certificate of a server as a CA would today.
func (a *authority) issue(t testing.TB, key crypto.Signer, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(80 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, f := range change {
		f(c)
	}
	return certify(t, c, a.certificate, key.Public(), a.key)
}

// A files is a server's certificate and key on disk.
type files struct{ chain, key, dir string }

func write(t testing.TB, key crypto.Signer, chain ...*x509.Certificate) files {
	t.Helper()
	f := files{dir: t.TempDir()}
	f.chain, f.key = filepath.Join(f.dir, "chain.pem"), filepath.Join(f.dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, c := range chain {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	for name, content := range map[string][]byte{
		f.chain: b.Bytes(),
		f.key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// given are the addresses that freePort has returned.
var given sync.Map

// freePort is a port of loopback at which nobody listens. It returns none twice:
// tests run beside each other, and a port is free until its server has started.
func freePort(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		if _, taken := given.LoadOrStore(address, true); !taken {
			return address
		}
	}
}

// output is what a server says, for when a test fails.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// run starts a server and waits until ready says that it is up.
func run(t testing.TB, ready func() error, program string, args ...string) {
	t.Helper()
	said := new(output)
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		c.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%.4000s", filepath.Base(program), said)
		}
	})
	giveUp := time.After(patience)
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended at once:\n%s", program, said)
		case <-giveUp:
			t.Fatalf("%s does not start: %v\n%s", program, err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// listens reports whether something accepts connections at the address.
func listens(address string) func() error {
	return func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	}
}

// nginx starts one with these server blocks, in which LISTEN is where it
// listens.
func nginx(t testing.TB, servers string) string {
	t.Helper()
	program, at, dir := peer(t, "nginx"), freePort(t), t.TempDir()
	conf := fmt.Sprintf(`
daemon off;
master_process off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	%[2]s
}
`, dir, strings.ReplaceAll(servers, "LISTEN", at))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, listens(at), program, "-e", "stderr", "-p", dir, "-c", file)
	return at
}

// secure is a server block of nginx with this certificate.
func secure(f files, more string) string {
	return fmt.Sprintf(`server {
		listen LISTEN ssl;
		server_name %s;
		ssl_certificate %s;
		ssl_certificate_key %s;
		ssl_protocols TLSv1.2 TLSv1.3;
		%s
		location / { return 200 "well"; }
	}`, host, f.chain, f.key, more)
}

// sServer starts openssl s_server, which answers GET with a page.
func sServer(t testing.TB, f files, args ...string) string {
	t.Helper()
	at := freePort(t)
	run(t, listens(at), peer(t, "openssl"), append([]string{
		"s_server", "-accept", at, "-key", f.key, "-cert", f.chain, "-cert_chain", f.chain, "-www", "-quiet",
	}, args...)...)
	return at
}

// goTLS serves TLS in this process, for what no real server does on purpose.
func goTLS(t testing.TB, handler http.Handler, key crypto.Signer, chain ...*x509.Certificate) string {
	t.Helper()
	c := tls.Certificate{PrivateKey: key}
	for _, x := range chain {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, handler)
}

func serve(t testing.TB, l net.Listener, handler http.Handler) string {
	t.Helper()
	s := &http.Server{Handler: handler, ErrorLog: quiet}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func goHTTP(t testing.TB, handler http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, handler)
}
