package tlsprobe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patient is how long tests wait for an answer that is to come.
const patient = 20 * time.Second

// to dials one address.
func to(address string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// listen calls serve with each connection until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	return l.Addr().String()
}

// readHello reads the client's hello off a connection.
func readHello(c net.Conn) (*ClientHello, bool) {
	c.SetDeadline(time.Now().Add(patient))
	var s Stream
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		s.Add(buf[:n])
		if e, ok := s.Next(); ok {
			return e.Client, e.Client != nil
		}
		if err != nil {
			return nil, false
		}
	}
}

// certificate makes a certificate and its key, in PEM files and as Go has it.
func certificate(t *testing.T, name string) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificateOf(t, name, key, &key.PublicKey)
}

func certificateOf(t *testing.T, name string, key, public any) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, pair
}

// goServer is crypto/tls with this configuration.
func goServer(t *testing.T, config *tls.Config) string {
	return listen(t, func(c net.Conn) {
		s := tls.Server(c, config)
		s.SetDeadline(time.Now().Add(patient))
		s.Handshake()
	})
}

// opensslServer is openssl s_server with these arguments.
func opensslServer(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(peer(t, "openssl"), append([]string{"s_server", "-accept", "127.0.0.1:0", "-www"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			go io.Copy(io.Discard, out)
			return address
		}
	}
	cmd.Wait()
	t.Fatalf("openssl s_server %v did not start: %s", args, stderr.String())
	return ""
}

// nginx runs an nginx of its own with these server blocks, in which LISTEN is
// the address.
func nginx(t *testing.T, servers string) string {
	t.Helper()
	path := peer(t, "nginx")
	dir := t.TempDir()
	address := freeAddress(t)
	config := "daemon off; master_process off; error_log stderr; pid nginx.pid;\n" +
		"events { worker_connections 256; }\n" +
		"http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n" +
		strings.ReplaceAll(servers, "LISTEN", address) + "\n}\n"
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", dir, "-c", file, "-e", "stderr")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	for deadline := time.Now().Add(patient); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("nginx ended: %v: %s", err, stderr.String())
		case <-time.After(20 * time.Millisecond): // until it listens
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen on %s: %s", address, stderr.String())
		}
	}
}

// freeAddress is an address that nothing listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// only is an offer of one version with all its suites that authenticate the
// server.
func only(v Version, name string) Offer {
	suites := slices.DeleteFunc(offerable(v), func(id uint16) bool { return strings.Contains(SuiteName(id), "_anon_") })
	return Offer{Versions: []Version{v}, Suites: suites, ServerName: name}
}

func probed(t *testing.T, address string, o Offer) Answer {
	t.Helper()
	a, err := Probe(t.Context(), to(address), o, patient)
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	return a
}

// Each version alone, against servers of one version each: OpenSSL, nginx and
// Go. Only the version that the server has may be accepted.
func TestProbeVersions(t *testing.T) {
	certFile, keyFile, pair := certificate(t, "login.example.com")
	nginxConfig := func(protocols string) string {
		return "server { listen LISTEN ssl; ssl_protocols " + protocols + "; ssl_ciphers ALL:@SECLEVEL=0; ssl_certificate " +
			certFile + "; ssl_certificate_key " + keyFile + "; }"
	}
	openssl := func(t *testing.T, flag string) string {
		return opensslServer(t, "-cert", certFile, "-key", keyFile, "-cipher", "ALL@SECLEVEL=0", flag)
	}
	server := func(version uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: version, MaxVersion: version}
	}
	tests := []struct {
		name    string
		start   func(t *testing.T) string
		version Version
	}{
		{"openssl with TLS 1.0", func(t *testing.T) string { return openssl(t, "-tls1") }, TLS10},
		{"openssl with TLS 1.1", func(t *testing.T) string { return openssl(t, "-tls1_1") }, TLS11},
		{"openssl with TLS 1.2", func(t *testing.T) string { return openssl(t, "-tls1_2") }, TLS12},
		{"openssl with TLS 1.3", func(t *testing.T) string { return openssl(t, "-tls1_3") }, TLS13},
		{"nginx with TLS 1.0", func(t *testing.T) string { return nginx(t, nginxConfig("TLSv1")) }, TLS10},
		{"nginx with TLS 1.2", func(t *testing.T) string { return nginx(t, nginxConfig("TLSv1.2")) }, TLS12},
		{"nginx with TLS 1.3", func(t *testing.T) string { return nginx(t, nginxConfig("TLSv1.3")) }, TLS13},
		{"Go with TLS 1.0", func(t *testing.T) string { return goServer(t, server(tls.VersionTLS10)) }, TLS10},
		{"Go with TLS 1.2", func(t *testing.T) string { return goServer(t, server(tls.VersionTLS12)) }, TLS12},
		{"Go with TLS 1.3", func(t *testing.T) string { return goServer(t, server(tls.VersionTLS13)) }, TLS13},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := tt.start(t)
			for _, v := range Versions() {
				offer := only(v, "login.example.com")
				a := probed(t, address, offer)
				accepted := a.Accepted() && offer.Accepts(a.Hello)
				if accepted != (v == tt.version) {
					t.Errorf("%v: %v", v, &a)
				}
				switch {
				case accepted && v < TLS13 && (len(a.Certificates) != 1 || !bytes.Equal(a.Certificates[0], pair.Certificate[0])):
					t.Errorf("%v: %d certificates, not the server's", v, len(a.Certificates))
				case accepted && v == TLS13 && a.Hello.Retry:
					t.Errorf("the server asks for another key than the two that it got")
				case v < tt.version && v > SSL20 && a.End != Alerted:
					t.Errorf("%v: %v, want an alert", v, &a)
				}
				if a.After <= 0 || a.After > patient {
					t.Errorf("%v: answered after %v", v, a.After)
				}
			}
		})
	}
}

// A server that wants a key we did not send shows its version all the same.
func TestProbeTakesRetryForAnAnswer(t *testing.T) {
	_, _, pair := certificate(t, "x")
	address := goServer(t, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP521},
	})
	a := probed(t, address, only(TLS13, "x"))
	if !a.Accepted() || !a.Hello.Retry || a.Hello.Version != TLS13 || a.Hello.Group != GroupP521 {
		t.Errorf("answer: %v, hello %+v", &a, a.Hello)
	}
	offer := only(TLS13, "x")
	offer.KeyShares = []uint16{GroupP521}
	if a := probed(t, address, offer); !a.Accepted() || a.Hello.Retry {
		t.Errorf("with a key of P-521: %v", &a)
	}
}

// Every key that an offer can hold is one that a real server takes.
func TestKeySharesAreReal(t *testing.T) {
	_, _, pair := certificate(t, "x")
	for group, id := range map[uint16]tls.CurveID{
		GroupX25519: tls.X25519, GroupP256: tls.CurveP256, GroupP384: tls.CurveP384, GroupP521: tls.CurveP521,
		GroupX25519MLKEM768: tls.X25519MLKEM768,
	} {
		address := goServer(t, &tls.Config{Certificates: []tls.Certificate{pair}, CurvePreferences: []tls.CurveID{id}})
		offer := only(TLS13, "x")
		offer.Groups, offer.KeyShares = []uint16{group}, []uint16{group}
		if a := probed(t, address, offer); !a.Accepted() || a.Hello.Retry || a.Hello.Group != group {
			t.Errorf("group %d: %v", group, &a)
		}
	}
}

func TestProbeTellsHowItEnds(t *testing.T) {
	reset := func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0) // the close that follows sends a RST
	}
	tests := []struct {
		name  string
		serve func(c net.Conn)
		wait  time.Duration
		want  Answer
	}{
		{"reset after the hello", func(c net.Conn) { readHello(c); reset(c) }, patient, Answer{End: Reset}},
		{"closed after the hello", func(c net.Conn) { readHello(c) }, patient, Answer{End: Closed}},
		{
			"alert, and closed", func(c net.Conn) { readHello(c); c.Write(record(21, TLS12, 2, 70)) }, patient,
			Answer{End: Alerted, Then: Closed, Alert: &Alert{2, 70}},
		},
		{"alert, and reset", func(c net.Conn) {
			readHello(c)
			c.Write(record(21, TLS12, 2, 40))
			reset(c)
		}, patient, Answer{End: Alerted, Then: Reset, Alert: &Alert{2, 40}}},
		{"alert, and left open", func(c net.Conn) {
			readHello(c)
			c.Write(record(21, TLS12, 2, 40))
			io.Copy(io.Discard, c)
		}, patient, Answer{End: Alerted, Alert: &Alert{2, 40}}},
		{
			"a warning, and closed", func(c net.Conn) { readHello(c); c.Write(record(21, TLS12, 1, 112)) }, patient,
			Answer{End: Alerted, Then: Closed, Alert: &Alert{1, 112}},
		},
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, 50 * time.Millisecond, Answer{End: TimedOut}},
		{"a web server without TLS", func(c net.Conn) {
			readHello(c)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, patient, Answer{End: NotTLS, Looks: LooksHTTP}},
		{
			"an SSH server", func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); readHello(c) }, patient,
			Answer{End: NotTLS, Looks: LooksSSH},
		},
		{
			"a broken ServerHello", func(c net.Conn) { readHello(c); c.Write(record(22, TLS12, 2, 0, 0, 1, 3)) }, patient,
			Answer{End: Garbled, Looks: "the ServerHello is malformed"},
		},
		{
			"its own ClientHello sent back", func(c net.Conn) { io.Copy(c, c) }, patient,
			Answer{End: Garbled, Looks: "it sent a ClientHello itself"},
		},
		{"application data without end", func(c net.Conn) {
			readHello(c)
			for {
				if _, err := c.Write(record(24, TLS12, make([]byte, 16000)...)); err != nil {
					return
				}
			}
		}, patient, Answer{End: Garbled, Looks: "it sends on and on without a word of the handshake"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := listen(t, tt.serve)
			got, err := Probe(t.Context(), to(address), only(TLS12, "x"), tt.wait)
			if err != nil {
				t.Fatalf("Probe: %v", err)
			}
			if got.Alert != nil != (tt.want.Alert != nil) || got.Alert != nil && *got.Alert != *tt.want.Alert {
				t.Errorf("Alert = %v, want %v", got.Alert, tt.want.Alert)
			}
			if got.End != tt.want.End || got.Then != tt.want.Then || got.Looks != tt.want.Looks {
				t.Errorf("got %v, then %v, looks %q; want %v, then %v, looks %q",
					got.End, got.Then, got.Looks, tt.want.End, tt.want.Then, tt.want.Looks)
			}
		})
	}
}

func TestProbeOfNothing(t *testing.T) {
	if a := probed(t, freeAddress(t), only(TLS12, "")); a.End != Refused {
		t.Errorf("where nothing listens: %v", &a)
	}
	broken := errors.New("no route")
	_, err := Probe(t.Context(), func(context.Context) (net.Conn, error) { return nil, broken }, only(TLS12, ""), patient)
	if !errors.Is(err, broken) {
		t.Errorf("Probe = %v, want %v", err, broken)
	}
	if _, err := Probe(t.Context(), to(freeAddress(t)), Offer{Versions: []Version{TLS12}, Suites: make([]uint16, 40000)}, patient); err == nil {
		t.Error("an offer that does not fit a hello was probed")
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := listen(t, func(c net.Conn) { readHello(c); cancel(); io.Copy(io.Discard, c) })
	_, err := Probe(ctx, to(address), only(TLS12, "x"), time.Hour)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Probe = %v, want %v", err, context.Canceled)
	}
}

// ssl3Server answers hellos for SSL 3.0 as RFC 6101, Section 5.6.1.3, has it.
// No program here speaks SSL 3.0 any more, so the test has a server of its
// own, which takes its one suite, or refuses.
func ssl3Server(t *testing.T, suites ...uint16) string {
	_, _, pair := certificate(t, "old")
	return listen(t, func(c net.Conn) {
		h, ok := readHello(c)
		if !ok {
			return
		}
		i := slices.IndexFunc(suites, func(id uint16) bool { return slices.Contains(h.Suites, id) })
		if h.Legacy < SSL30 || i < 0 {
			c.Write(record(21, SSL30, 2, 40))
			return
		}
		hello := append([]byte{2, 0, 0, 38, 3, 0}, make([]byte, 32)...)
		hello = append(hello, 0, byte(suites[i]>>8), byte(suites[i]), 0)
		der := pair.Certificate[0]
		n := len(der)
		chain := append([]byte{11, 0, byte((n + 6) >> 8), byte(n + 6), 0, byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)}, der...)
		c.Write(record(22, SSL30, slices.Concat(hello, chain, []byte{14, 0, 0, 0})...))
		io.Copy(io.Discard, c)
	})
}

func TestProbeSSL3(t *testing.T) {
	address := ssl3Server(t, 0x0005, 0x000a)
	came := make(chan *ClientHello, 1)
	watched := listen(t, func(c net.Conn) {
		h, _ := readHello(c)
		came <- h
	})
	probed(t, watched, only(SSL30, "x"))
	seen := <-came
	if seen == nil || seen.Record != SSL30 || seen.Legacy != SSL30 || len(seen.Extensions) > 0 {
		t.Errorf("the hello for SSL 3.0 is %+v", seen)
	}
	a := probed(t, address, only(SSL30, "x"))
	if !a.Accepted() || a.Hello.Version != SSL30 || a.Hello.Suite != 0x0005 || len(a.Certificates) != 1 {
		t.Errorf("answer: %v, %d certificates", &a, len(a.Certificates))
	}
	for _, tt := range []struct {
		profile string
		want    bool
	}{{"dotnet45", true}, {"java7", true}, {"dotnet46", false}, {"schannel2022", false}} {
		p, _ := LookupProfile(tt.profile)
		offer := p.To("old")
		a := probed(t, address, offer)
		if got := a.Accepted() && offer.Accepts(a.Hello); got != tt.want {
			t.Errorf("%s: accepted is %t (%v), want %t", p.Name, got, &a, tt.want)
		}
	}
}

// Real clients, read off the wire.
func TestParsesRealClients(t *testing.T) {
	_, _, pair := certificate(t, "login.example.com")
	received := func(run func(address string)) *ClientHello {
		got := make(chan *ClientHello, 8)
		address := listen(t, func(c net.Conn) {
			if h, ok := readHello(c); ok {
				got <- h
			}
		})
		run(address)
		select {
		case h := <-got:
			return h
		case <-time.After(patient):
			return nil
		}
	}
	openssl := func(args ...string) func(string) {
		return func(address string) {
			cmd := exec.Command(peer(t, "openssl"), append([]string{"s_client", "-connect", address}, args...)...)
			cmd.Run() // it fails, as nobody answers
		}
	}
	tests := []struct {
		name string
		run  func(address string)
		want ClientHello // Legacy, Versions, ServerName, ALPN
	}{
		{"openssl s_client", openssl("-servername", "login.example.com"), ClientHello{
			Legacy: TLS12, Versions: []Version{TLS13, TLS12}, ServerName: "login.example.com",
		}},
		{"openssl s_client -tls1", openssl("-tls1", "-cipher", "ALL@SECLEVEL=0", "-noservername"), ClientHello{Legacy: TLS10}},
		{"openssl s_client -alpn", openssl("-tls1_2", "-alpn", "h2,http/1.1", "-servername", "a.b"), ClientHello{
			Legacy: TLS12, ServerName: "a.b", ALPN: []string{"h2", "http/1.1"},
		}},
		{"curl", func(address string) {
			_, port, _ := net.SplitHostPort(address)
			cmd := exec.Command(peer(t, "curl"), "-sk", "--http1.1", "--tlsv1.2", "--noproxy", "*",
				"--resolve", "login.example.com:"+port+":127.0.0.1", "https://login.example.com:"+port+"/")
			cmd.Run()
		}, ClientHello{Legacy: TLS12, Versions: []Version{TLS13, TLS12}, ServerName: "login.example.com", ALPN: []string{"http/1.1"}}},
		{"Go", func(address string) {
			tls.Dial("tcp", address, &tls.Config{ServerName: "login.example.com", NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair}})
		}, ClientHello{Legacy: TLS12, Versions: []Version{TLS13, TLS12}, ServerName: "login.example.com", ALPN: []string{"h2"}}},
		{"Go with TLS 1.0", func(address string) {
			tls.Dial("tcp", address, &tls.Config{ServerName: "login.example.com", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10})
		}, ClientHello{Legacy: TLS10, Versions: []Version{TLS10}, ServerName: "login.example.com"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := received(tt.run)
			if h == nil {
				t.Fatal("no hello came")
			}
			// s_client may offer TLS 1.1 and 1.0 too, by the system's configuration.
			versions := slices.DeleteFunc(slices.Clone(h.Versions), func(v Version) bool { return v < TLS12 && len(tt.want.Versions) > 1 })
			if h.Legacy != tt.want.Legacy || !slices.Equal(versions, tt.want.Versions) || h.ServerName != tt.want.ServerName ||
				!slices.Equal(h.ALPN, tt.want.ALPN) {
				t.Errorf("got %v %v %q %q\nwant %v %v %q %q", h.Legacy, h.Versions, h.ServerName, h.ALPN,
					tt.want.Legacy, tt.want.Versions, tt.want.ServerName, tt.want.ALPN)
			}
			if len(h.Suites) == 0 || len(h.Malformed) > 0 || h.Fingerprint == "" || h.Random == [32]byte{} {
				t.Errorf("suites %x, malformed %v, fingerprint %q", h.Suites, h.Malformed, h.Fingerprint)
			}
		})
	}
}

// Profiles that have a captured hello of the same client send the same.
func TestProfilesAreAsCaptured(t *testing.T) {
	tests := []struct{ profile, captured, except string }{
		{"winhttp7", "IE 8-10 Win 7", ""},
		{"dotnet45", "IE 8-10 Win 7", "extensions"},
		{"dotnet35", "IE 8 Win 7", "extensions groups"},
		{"schannel2012r2", "IE 11 Win 8.1", "extensions alpn"},
		{"dotnet46", "IE 11 Win 8.1", "extensions alpn"},
		{"schannel2016", "Edge 15 Win 10", "suites extensions alpn"}, // Edge leaves DHE out
		{"java7", "Java 7u25", ""},
		{"java6", "Java 6u45", "record"}, // in the framing of SSL 2.0
		{"java8", "Java 8u161", ""},
		{"java11", "Java 17.0.15", ""},
		{"openssl101", "OpenSSL 1.0.1l", "extensions"}, // without a status request
		{"openssl3", "OpenSSL 3.0.19", "versions"},     // Debian's openssl offers TLS 1.0 and 1.1 as well
		{"android44", "Android 4.4.2", ""},
		{"android5nosni", "Android 5.0.0", "extensions"}, // without the server name
		{"ios9ats", "Apple ATS 9 iOS 9", "alpn"},         // without SPDY and the drafts of HTTP/2
		{"browser", "Chromium 156", "extensions"},        // without trust anchors
	}
	hellos := capturedHellos(t)
	for _, tt := range tests {
		t.Run(tt.profile, func(t *testing.T) {
			p, ok := LookupProfile(tt.profile)
			if !ok || hellos[tt.captured] == nil {
				t.Fatal("no such profile, or no such capture")
			}
			want := parseRecords(t, hellos[tt.captured])
			offer := p.To("login.example.com")
			got := parseRecords(t, offer.Marshal([32]byte{}))
			check := func(what string, equal bool) {
				if excepted := strings.Contains(tt.except, what); equal == excepted {
					t.Errorf("%s: equal is %t\n got %+v\nwant %+v", what, equal, got, want)
				}
			}
			check("versions", got.Legacy == want.Legacy && slices.Equal(got.Versions, want.Versions))
			check("record", got.Record == want.Record)
			check("suites", slices.Equal(got.Suites, want.Suites))
			check("groups", slices.Equal(got.Groups, want.Groups))
			check("alpn", slices.Equal(got.ALPN, want.ALPN))
			// Recent clients shuffle them.
			check("extensions", slices.Equal(slices.Sorted(slices.Values(got.Extensions)), slices.Sorted(slices.Values(want.Extensions))))
			if !slices.Equal(got.SignatureAlgorithms, want.SignatureAlgorithms) || !slices.Equal(got.KeyShares, want.KeyShares) ||
				!want.SSLv2 && !bytes.Equal(got.PointFormats, want.PointFormats) {
				t.Errorf("signatures, keys or formats\n got %x %x %x\nwant %x %x %x", got.SignatureAlgorithms, got.KeyShares,
					got.PointFormats, want.SignatureAlgorithms, want.KeyShares, want.PointFormats)
			}
		})
	}
}

// Every profile, against servers that speak one version: who gets in is who
// says it has that version.
func TestProfilesAgainstServers(t *testing.T) {
	certFile, keyFile, _ := certificate(t, "login.example.com")
	for _, server := range []struct {
		flag    string
		version Version
	}{{"-tls1", TLS10}, {"-tls1_2", TLS12}, {"-tls1_3", TLS13}} {
		address := opensslServer(t, "-cert", certFile, "-key", keyFile, "-cipher", "ALL@SECLEVEL=0", server.flag)
		names := make(map[string]bool)
		for _, p := range Profiles() {
			if names[p.Name] || p.Title == "" {
				t.Errorf("profile %q: twice, or without a title", p.Name)
			}
			names[p.Name] = true
			offer := p.To("login.example.com")
			a := probed(t, address, offer)
			want := slices.Contains(offer.Versions, server.version)
			if p.Name == "java6" || p.Name == "java7" && server.version == TLS10 {
				// Java 6 has no elliptic curves, so it cannot use this certificate;
				// Java 7's come with groups that this OpenSSL has.
				want = p.Name == "java7"
			}
			if got := a.Accepted() && offer.Accepts(a.Hello); got != want {
				t.Errorf("%s at a server with %v: accepted is %t, want %t (%v)", p.Name, server.version, got, want, &a)
			}
			if server.version == TLS12 && offer.Max() == TLS10 && (a.End != Alerted || a.Alert.Description != AlertProtocolVersion) {
				t.Errorf("%s at a server with TLS 1.2: %v, want protocol_version", p.Name, &a)
			}
		}
		if len(names) < 16 {
			t.Errorf("there are %d profiles", len(names))
		}
	}
}
