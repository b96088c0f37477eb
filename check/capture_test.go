package check

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/capture"
	"sallyport/diagnose"
	"sallyport/tlsprobe"
)

// filmed records what happens at a port of loopback with tcpdump, until so many
// conversations have come to an end. It returns the file.
func filmed(t testing.TB, at string, conversations int, happens func()) string {
	t.Helper()
	program := peer(t, "tcpdump")
	if os.Geteuid() != 0 {
		missingPeer(t, "the right to capture (root)")
	}
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "film.pcap")
	// -Z keeps tcpdump from giving up the right to write into our folder.
	c := exec.Command(program, "-Z", "root", "-i", "lo", "-n", "-s", "0", "-U", "--immediate-mode", "-w", file, "tcp", "port", port)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ready := make(chan string, 1)
	go func() {
		var said strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if strings.Contains(lines.Text(), "listening on") {
				ready <- ""
			}
		}
		select {
		case ready <- said.String():
		default:
		}
		ended <- c.Wait()
	}()
	t.Cleanup(func() { c.Process.Kill() })
	select {
	case said := <-ready:
		if said != "" {
			t.Fatalf("tcpdump does not start: %s", said)
		}
	case <-time.After(patience):
		t.Fatal("tcpdump does not say that it listens")
	}
	happens()
	for giveUp := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if r := readFilm(t, file); len(r.Conversations) >= conversations && !slices.ContainsFunc(r.Conversations, func(c *capture.Conversation) bool { return len(c.Endings) == 0 }) {
			break
		}
		if time.Now().After(giveUp) {
			t.Fatalf("the capture does not come to an end: %+v", readFilm(t, file))
		}
	}
	c.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("tcpdump does not end")
	}
	return file
}

// readFilm reads what there is of a capture, which may be nothing yet.
func readFilm(t testing.TB, file string) *capture.Capture {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		return &capture.Capture{}
	}
	c, err := capture.Read(bytes.NewReader(b), capture.Options{})
	if err != nil {
		return &capture.Capture{}
	}
	return c
}

// runClient runs a real client to its end. That it fails is what most are run for.
func runClient(t testing.TB, stdin, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, peer(t, program), args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %v does not end: %s", program, args, out)
	}
	t.Logf("%s: %v: %.300s", program, err, out)
}

func sClient(t testing.TB, at string, args ...string) {
	t.Helper()
	runClient(t, "Q\n", "openssl", append([]string{"s_client", "-connect", at, "-servername", host}, args...)...)
}

func curl(t testing.TB, name, at string, args ...string) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(at)
	runClient(t, "", "curl", append([]string{"-sS", "-m", "10", "--noproxy", "*", "--resolve", name + ":" + port + ":" + ip, "https://" + name + ":" + port + "/"}, args...)...)
}

// tcpServer calls serve for each connection.
func tcpServer(t testing.TB, serve func(*net.TCPConn)) string {
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
			serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// ruled is what was found as "cause confidence", each on its own.
func ruled(found []diagnose.Finding) string {
	var out []string
	for _, f := range found {
		out = append(out, f.Cause+" "+string(f.Confidence))
	}
	return strings.Join(out, ", ")
}

// TestRealCaptures records real clients at real servers, each with one fault.
func TestRealCaptures(t *testing.T) {
	root := newAuthority(t, "Private Root", nil)
	zscaler := newAuthority(t, "Zscaler Intermediate Root CA", nil)
	good := write(t, oneRSA(), root.issue(t, oneRSA()))
	late := write(t, oneRSA(), root.issue(t, oneRSA(), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }))
	other := write(t, oneRSA(), root.issue(t, oneRSA(), func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} }))
	signed := write(t, oneRSA(), zscaler.issue(t, oneRSA(), func(c *x509.Certificate) { c.DNSNames = []string{"corp.okta.com"} }))
	ca := write(t, oneRSA(), root.certificate).chain
	const weak = "DEFAULT@SECLEVEL=0"

	tests := []struct {
		name    string
		server  func(t *testing.T) string
		client  func(t *testing.T, at string)
		outcome capture.Outcome
		want    string // finding and how sure
		proof   string // in the evidence or the reason
	}{
		{
			"the client offers TLS 1.0 and the server wants 1.2",
			func(t *testing.T) string { return sServer(t, good, "-tls1_2") },
			func(t *testing.T, at string) { sClient(t, at, "-tls1", "-cipher", weak) },
			capture.Refused, "tls-version proven", "the hello offers TLS 1.0 at most",
		},
		{
			"a .NET service without strong crypto at nginx",
			func(t *testing.T) string { return nginx(t, secure(good, "")) },
			func(t *testing.T, at string) {
				p, _ := tlsprobe.LookupProfile("dotnet45")
				if _, err := tlsprobe.Probe(t.Context(), func(ctx context.Context) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", at)
				}, p.To(host), patience); err != nil {
					t.Fatal(err)
				}
			},
			capture.Refused, "tls-version proven", ".NET 4.5 service without strong crypto",
		},
		{
			"the server chooses TLS 1.0, the client answers with an alert",
			func(t *testing.T) string { return sServer(t, good, "-tls1", "-cipher", weak) },
			func(t *testing.T, at string) { sClient(t, at, "-tls1_2") },
			capture.Left, "endpoint-only-old-versions proven", "it chose TLS 1.0",
		},
		{
			"reset after an old hello",
			func(t *testing.T) string {
				return tcpServer(t, func(c *net.TCPConn) {
					c.Read(make([]byte, 4096))
					c.SetLinger(0)
					c.Close()
				})
			},
			func(t *testing.T, at string) { sClient(t, at, "-tls1", "-cipher", weak) },
			capture.Reset, "tls-version likely", "ended the connection when it had seen it",
		},
		{
			"reset after a new hello",
			func(t *testing.T) string {
				return tcpServer(t, func(c *net.TCPConn) {
					c.Read(make([]byte, 4096))
					c.SetLinger(0)
					c.Close()
				})
			},
			func(t *testing.T, at string) { sClient(t, at) },
			capture.Reset, "tls-reset proven", "reset the connection right after the client's hello",
		},
		{
			"no suite in common",
			func(t *testing.T) string {
				return sServer(t, good, "-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384")
			},
			func(t *testing.T, at string) { sClient(t, at, "-tls1_2", "-cipher", "AES128-SHA") },
			capture.Refused, "tls-no-common-suite likely", "handshake_failure",
		},
		{
			"the client does not know the CA",
			func(t *testing.T) string { return sServer(t, good) },
			func(t *testing.T, at string) { curl(t, host, at, "--tls-max", "1.2") },
			capture.Left, "tls-chain-private-ca proven", "issued by CN=Private Root",
		},
		{
			"the client does not know the CA, in TLS 1.3, and says so in the clear",
			func(t *testing.T) string { return sServer(t, good) },
			func(t *testing.T, at string) { curl(t, host, at) },
			capture.Left, "tls-chain-private-ca proven", "unknown_ca",
		},
		{
			"the client does not know the CA, in TLS 1.3",
			func(t *testing.T) string { return sServer(t, good) },
			func(t *testing.T, at string) {
				if c, err := tls.Dial("tcp", at, &tls.Config{ServerName: host}); err == nil {
					c.Close()
					t.Fatal("the client believes a private CA")
				}
			},
			capture.Left, "tls-chain-private-ca possible", "encrypts the certificate",
		},
		{
			"a device signs in the name of Okta",
			func(t *testing.T) string { return sServer(t, signed) },
			func(t *testing.T, at string) { curl(t, "corp.okta.com", at, "--tls-max", "1.2") },
			capture.Left, "tls-inspection proven", "named as those of Zscaler are",
		},
		{
			"the certificate has expired",
			func(t *testing.T) string { return sServer(t, late) },
			func(t *testing.T, at string) { curl(t, host, at, "--tls-max", "1.2", "--cacert", ca) },
			capture.Left, "tls-expired proven", "certificate_expired",
		},
		{
			"the certificate is for another name",
			func(t *testing.T) string { return sServer(t, other) },
			func(t *testing.T, at string) {
				pool := x509.NewCertPool()
				pool.AddCert(root.certificate)
				c, err := tls.Dial("tcp", at, &tls.Config{ServerName: host, RootCAs: pool, MaxVersion: tls.VersionTLS12})
				if err == nil {
					c.Close()
					t.Fatal("the client believes a certificate for another name")
				}
			},
			capture.Left, "tls-name likely", "not for the name that the client asked for",
		},
		{
			"the name is not known",
			func(t *testing.T) string {
				return nginx(t, `server { listen LISTEN ssl default_server; ssl_reject_handshake on; }`+secure(good, ""))
			},
			func(t *testing.T, at string) {
				runClient(t, "Q\n", "openssl", "s_client", "-connect", at, "-noservername")
			},
			capture.Refused, "tls-sni proven", "unrecognized_name",
		},
		{
			"the server wants a certificate of the client",
			func(t *testing.T) string { return sServer(t, good, "-tls1_2", "-Verify", "1") },
			func(t *testing.T, at string) { sClient(t, at) },
			capture.Refused, "tls-reset likely", "asked the client for its certificate",
		},
		{
			"no TLS at the port",
			func(t *testing.T) string { return goHTTP(t, http.NotFoundHandler()) },
			func(t *testing.T, at string) { sClient(t, at) },
			capture.NotTLS, "tls-not-tls proven", "it looks like HTTP",
		},
		{
			"a proxy wants a login",
			func(t *testing.T) string {
				return goHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Proxy-Authenticate", "Negotiate")
					w.WriteHeader(http.StatusProxyAuthRequired)
				}))
			},
			func(t *testing.T, at string) {
				runClient(t, "", "curl", "-sS", "-m", "10", "--noproxy", "", "-x", "http://"+at, "https://"+host+"/")
			},
			capture.ProxyRefused, "proxy proven", "CONNECT mfa.example.com:443 HTTP/1.1: HTTP/1.1 407",
		},
		{
			"all is well",
			func(t *testing.T) string { return sServer(t, good) },
			func(t *testing.T, at string) { curl(t, host, at, "--cacert", ca) },
			capture.Completed, "", "",
		},
		{
			"all is well in TLS 1.2",
			func(t *testing.T) string { return nginx(t, secure(good, "")) },
			func(t *testing.T, at string) { curl(t, host, at, "--cacert", ca, "--tls-max", "1.2") },
			capture.Completed, "", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := tt.server(t)
			// That a server is up was found out by connecting to it, before.
			file := filmed(t, at, 1, func() { tt.client(t, at) })
			c := readFilm(t, file)
			found := Judge(c, "film.pcap")
			if len(c.Conversations) != 1 || c.Conversations[0].Outcome != tt.outcome || ruled(found) != tt.want {
				for _, x := range c.Conversations {
					t.Logf("%s: %s", x.Outcome, x.Verdict)
				}
				t.Fatalf("found %q in %d conversations; want %q, and outcome %q", ruled(found), len(c.Conversations), tt.want, tt.outcome)
			}
			for _, f := range found {
				all := f.Why
				for _, e := range f.Evidence {
					if e.File != "film.pcap" || e.Line < 1 || e.Line > c.Packets || e.Text == "" {
						t.Errorf("evidence %+v; want the file, one of %d packets, and a text", e, c.Packets)
					}
					all += "\n" + e.Text
				}
				if !strings.Contains(all, tt.proof) || f.First.IsZero() || len(f.Hosts) != 1 || len(f.Clients) != 1 {
					t.Errorf("the finding is of %v, at %v, and says\n%s\nwant %q in it", f.Clients, f.Hosts, all, tt.proof)
				}
			}
			agreesWithTshark(t, file, at, c.Conversations[0])
		})
	}
}

// agreesWithTshark compares a conversation with what another program makes of
// the same file.
func agreesWithTshark(t *testing.T, file, at string, c *capture.Conversation) {
	t.Helper()
	_, port, _ := net.SplitHostPort(at)
	fields := []string{
		"frame.number", "tls.handshake.type", "tls.handshake.ciphersuite", "tls.handshake.extensions_server_name",
		"tls.handshake.extensions.supported_version", "tls.handshake.version", "tls.alert_message.desc", "tcp.srcport",
	}
	args := []string{"-n", "-r", file, "-d", "tcp.port==" + port + ",tls", "-Y", "tls", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	if c.Outcome == capture.ProxyRefused || c.Outcome == capture.NotTLS {
		args = slices.Delete(args, 3, 5) // it is not only TLS
	}
	run := exec.Command(peer(t, "tshark"), args...)
	out, err := run.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	number := func(s string) int {
		n, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return -1
		}
		return int(n)
	}
	var alerts []string
	hello, answer := false, false
	for line := range strings.Lines(string(out)) {
		v := strings.Split(strings.TrimRight(line, "\n"), ";")
		if len(v) != len(fields) {
			t.Fatalf("tshark said %q", line)
		}
		frame, types := number(v[0]), strings.Split(v[1], ",")
		for _, n := range strings.Split(v[6], ",") {
			if n != "" {
				from := capture.Client
				if v[7] == port {
					from = capture.Server
				}
				alerts = append(alerts, fmt.Sprintf("%s %s in %d", from, n, frame))
			}
		}
		if slices.Contains(types, "1") && !hello {
			hello = true
			var suites []string
			for _, s := range c.Hello.Suites {
				suites = append(suites, fmt.Sprintf("0x%04x", s))
			}
			var versions []string
			for _, s := range c.Hello.Versions {
				versions = append(versions, fmt.Sprintf("0x%04x", uint16(s)))
			}
			want := fmt.Sprintf("%s;%s;%s", strings.Join(suites, ","), c.Hello.ServerName, strings.Join(versions, ","))
			if got := strings.Join(v[2:5], ";"); got != want || frame != c.HelloAt.Packet {
				t.Errorf("the hello in packet %d: %s\ntshark has it in %d: %s", c.HelloAt.Packet, want, frame, got)
			}
		}
		if slices.Contains(types, "2") && !answer {
			answer = true
			version := strings.Split(v[5], ",")[0]
			if v[4] != "" {
				version = v[4]
			}
			want := fmt.Sprintf("0x%04x;0x%04x", c.Answer.Suite, uint16(c.Answer.Version))
			if got := v[2] + ";" + version; got != want || frame != c.AnswerAt.Packet {
				t.Errorf("the answer in packet %d: %s\ntshark has it in %d: %s", c.AnswerAt.Packet, want, frame, got)
			}
		}
	}
	var ours []string
	for _, a := range c.Alerts {
		ours = append(ours, fmt.Sprintf("%s %d in %d", a.From, a.Alert.Description, a.At.Packet))
	}
	if !slices.Equal(ours, alerts) || hello != (c.Hello != nil) || answer != (c.Answer != nil) {
		t.Errorf("alerts %q, hello %t, answer %t; tshark: %q, %t, %t", ours, c.Hello != nil, c.Answer != nil, alerts, hello, answer)
	}
}

// TestOtherForms lets other tools convert a real capture, and reads what they
// write.
func TestOtherForms(t *testing.T) {
	root := newAuthority(t, "Private Root", nil)
	at := sServer(t, write(t, oneRSA(), root.issue(t, oneRSA())), "-tls1_2")
	file := filmed(t, at, 1, func() { sClient(t, at, "-tls1", "-cipher", "DEFAULT@SECLEVEL=0") })
	want := readFilm(t, file)
	editcap := peer(t, "editcap")
	for _, args := range [][]string{{"-F", "pcap"}, {"-F", "nsecpcap"}, {"-F", "pcapng"}, {"-F", "pcapng", "-a", "1:a comment"}} {
		to := filepath.Join(t.TempDir(), "other")
		if out, err := exec.Command(editcap, append(args, file, to)...).CombinedOutput(); err != nil {
			t.Fatalf("editcap: %v: %s", err, out)
		}
		got := readFilm(t, to)
		if len(got.Conversations) != 1 || got.Packets != want.Packets || !got.Begin.Equal(want.Begin) || !got.End.Equal(want.End) ||
			got.Conversations[0].Verdict != want.Conversations[0].Verdict || ruled(Judge(got, "")) != "tls-version proven" {
			t.Errorf("%v: %d packets, %v to %v, %q; want %d, %v to %v", args, got.Packets, got.Begin, got.End, ruled(Judge(got, "")), want.Packets, want.Begin, want.End)
		}
	}
	to := filepath.Join(t.TempDir(), "cut")
	if out, err := exec.Command(editcap, "-s", "60", file, to).CombinedOutput(); err != nil {
		t.Fatalf("editcap: %v: %s", err, out)
	}
	if got := readFilm(t, to); got.Packets != want.Packets || len(Judge(got, "")) != 0 {
		t.Errorf("cut to 60 octets: %d packets, found %q; want %d and nothing", got.Packets, ruled(Judge(got, "")), want.Packets)
	}
}

// offered is the hello of a profile.
func offered(t testing.TB, profile, name string) *tlsprobe.ClientHello {
	t.Helper()
	p, ok := tlsprobe.LookupProfile(profile)
	if !ok {
		t.Fatalf("there is no profile %s", profile)
	}
	o := p.To(name)
	var s tlsprobe.Stream
	s.Add(o.Marshal([32]byte{9}))
	e, ok := s.Next()
	if !ok || e.Client == nil {
		t.Fatalf("the hello of %s cannot be read", profile)
	}
	return e.Client
}

// TestJudge has what no server at hand does.
func TestJudge(t *testing.T) {
	root := newAuthority(t, "Public Root", nil)
	sub := newAuthority(t, "Public Sub", root)
	private := newAuthority(t, "Private Root", nil)
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	began := time.Now()
	at := func(packet int) capture.Moment {
		return capture.Moment{Packet: packet, Time: began.Add(time.Duration(packet) * time.Millisecond)}
	}
	alert := func(from capture.Side, number uint8) []capture.Alert {
		return []capture.Alert{{From: from, At: at(5), Alert: tlsprobe.Alert{Level: 2, Description: number}}}
	}
	base := func(profile, name string) *capture.Conversation {
		c := &capture.Conversation{
			Client: netip.MustParseAddrPort("10.0.0.5:50000"), Server: netip.MustParseAddrPort("192.0.2.1:443"),
			Begin: at(1), End: at(9), Packets: 9, Asked: 1, Verdict: "It ended.",
		}
		if profile != "" {
			c.Hello, c.HelloAt = offered(t, profile, name), at(3)
		}
		return c
	}
	with := func(c *capture.Conversation, o capture.Outcome, change ...func(*capture.Conversation)) *capture.Conversation {
		c.Outcome = o
		for _, f := range change {
			f(c)
		}
		return c
	}
	alerted := func(from capture.Side, number uint8) func(*capture.Conversation) {
		return func(c *capture.Conversation) { c.Alerts = alert(from, number) }
	}
	answered := func(v tlsprobe.Version) func(*capture.Conversation) {
		return func(c *capture.Conversation) {
			c.Answer, c.AnswerAt = &tlsprobe.ServerHello{Version: v, Legacy: v, Suite: 0xc02f}, at(4)
		}
	}
	shows := func(chain ...*x509.Certificate) func(*capture.Conversation) {
		return func(c *capture.Conversation) { c.Certificates, c.CertificatesAt = chain, at(4) }
	}
	leftBy := func(c *capture.Conversation) {
		c.Endings = []capture.Ending{{From: capture.Client, Reset: true, At: at(6)}}
	}
	leaf := sub.issue(t, oneRSA())
	forum, err := x509.OIDFromInts([]uint64{2, 23, 140, 1, 2, 1})
	if err != nil {
		t.Fatal(err)
	}
	okta := func(a *authority) *x509.Certificate {
		return a.issue(t, oneRSA(), func(c *x509.Certificate) { c.DNSNames = []string{"corp.okta.com"} })
	}
	const only13 = "only 1.3"
	tests := []struct {
		name string
		film []*capture.Conversation
		want string
	}{
		{"protocol_version to TLS 1.2", []*capture.Conversation{with(base("schannel2016", host), capture.Refused, alerted(capture.Server, 70))}, "tls-version proven"},
		{"protocol_version to TLS 1.3 and 1.2", []*capture.Conversation{with(base("openssl3", host), capture.Refused, alerted(capture.Server, 70))}, "endpoint-only-old-versions proven"},
		{only13, []*capture.Conversation{with(base("openssl3", host), capture.Refused, alerted(capture.Server, 70), func(c *capture.Conversation) {
			c.Hello.Versions = []tlsprobe.Version{tlsprobe.TLS13}
		})}, "endpoint-only-old-versions likely"},
		{"protocol_version without a hello", []*capture.Conversation{with(base("", ""), capture.Refused, alerted(capture.Server, 70))}, "tls-version likely"},
		{"handshake_failure to TLS 1.0", []*capture.Conversation{with(base("dotnet35", host), capture.Refused, alerted(capture.Server, 40))}, "tls-version likely"},
		{"insufficient_security", []*capture.Conversation{with(base("schannel2016", host), capture.Refused, alerted(capture.Server, 71))}, "tls-no-common-suite proven"},
		{"handshake_failure without a name, where a name helps", []*capture.Conversation{
			with(base("android5nosni", ""), capture.Refused, alerted(capture.Server, 40)),
			with(base("openssl3", host), capture.Completed, answered(tlsprobe.TLS13)),
		}, "tls-sni likely"},
		{"reset without a name, where a name helps", []*capture.Conversation{
			with(base("android5nosni", ""), capture.Reset),
			with(base("openssl3", host), capture.Completed, answered(tlsprobe.TLS13)),
		}, "tls-sni likely"},
		{"missing_extension without a name", []*capture.Conversation{with(base("android5nosni", ""), capture.Refused, alerted(capture.Server, 109))}, "tls-sni likely"},
		{"inappropriate_fallback", []*capture.Conversation{with(base("dotnet45", host), capture.Refused, alerted(capture.Server, 86))}, "tls-version likely"},
		{"internal_error", []*capture.Conversation{with(base("openssl3", host), capture.Refused, alerted(capture.Server, 80))}, "tls-reset possible"},
		{"the client refuses TLS 1.0 that it offered itself", []*capture.Conversation{
			with(base("dotnet45", host), capture.Left, answered(tlsprobe.TLS10), alerted(capture.Client, 70)),
		}, "tls-version likely"},
		{"the client leaves without a word when TLS 1.0 is chosen", []*capture.Conversation{
			with(base("schannel2016", host), capture.Left, answered(tlsprobe.TLS10), leftBy),
		}, "endpoint-only-old-versions likely"},
		{"a chain that is in order", []*capture.Conversation{
			with(base("schannel2016", host), capture.Left, answered(tlsprobe.TLS12), shows(leaf, sub.certificate), leftBy),
		}, "tls-reset possible"},
		{"unknown_ca to a public chain", []*capture.Conversation{
			with(base("java8", host), capture.Left, answered(tlsprobe.TLS12), shows(leaf, sub.certificate), alerted(capture.Client, 48)),
		}, "tls-chain-private-ca proven"},
		{"Schannel's word for a private CA", []*capture.Conversation{
			with(base("schannel2016", host), capture.Left, answered(tlsprobe.TLS12), shows(private.issue(t, oneRSA()), private.certificate), alerted(capture.Client, 46)),
		}, "tls-chain-private-ca likely"},
		{"an unknown CA signs for Okta", []*capture.Conversation{
			with(base("schannel2016", "corp.okta.com"), capture.Left, answered(tlsprobe.TLS12), shows(okta(private), private.certificate), leftBy),
		}, "tls-inspection likely"},
		{"a public CA signs for Okta", []*capture.Conversation{
			with(base("schannel2016", "corp.okta.com"), capture.Left, answered(tlsprobe.TLS12), shows(okta(sub), sub.certificate), leftBy),
		}, "tls-reset possible"},
		{"an intermediate is missing", []*capture.Conversation{
			with(base("java8", host), capture.Left, answered(tlsprobe.TLS12), shows(sub.issue(t, oneRSA(), func(c *x509.Certificate) {
				c.Policies = []x509.OID{forum}
			})), alerted(capture.Client, 48)),
		}, "tls-chain-missing-intermediate likely"},
		{"a revoked certificate", []*capture.Conversation{
			with(base("schannel2016", host), capture.Left, answered(tlsprobe.TLS12), shows(leaf, sub.certificate), alerted(capture.Client, 44)),
		}, "tls-revocation proven"},
		{"a short key of the server", []*capture.Conversation{
			with(base("openssl3", host), capture.Left, answered(tlsprobe.TLS12), shows(leaf, sub.certificate), alerted(capture.Client, 40)),
		}, "tls-no-common-suite likely"},
		{"silence", []*capture.Conversation{with(base("openssl3", host), capture.Silent)}, "endpoint-tls-silent likely"},
		{"silence after a large hello", []*capture.Conversation{with(base("browser", host), capture.Silent, func(c *capture.Conversation) { c.Again = 3 })}, "endpoint-large-hello possible"},
		{"nobody answers at 443", []*capture.Conversation{with(base("", ""), capture.Unanswered)}, "endpoint-unreachable likely"},
		{"nobody listens at 443", []*capture.Conversation{with(base("", ""), capture.NobodyListens)}, "endpoint-refused proven"},
		{"nobody listens at a port of something else", []*capture.Conversation{with(base("", ""), capture.NobodyListens, func(c *capture.Conversation) {
			c.Server = netip.MustParseAddrPort("192.0.2.1:8123")
		})}, ""},
		{"IPv6 is tried in vain, and IPv4 works", []*capture.Conversation{
			with(base("", ""), capture.Unanswered, func(c *capture.Conversation) {
				c.Client, c.Server = netip.MustParseAddrPort("[2001:db8::5]:50000"), netip.MustParseAddrPort("[2001:db8::1]:443")
			}),
			with(base("openssl3", host), capture.Completed, answered(tlsprobe.TLS13)),
		}, ""},
		{"unfinished", []*capture.Conversation{with(base("openssl3", host), capture.Unfinished)}, ""},
		{"three of one cause and one of another", []*capture.Conversation{
			with(base("dotnet45", host), capture.Reset),
			with(base("dotnet45", host), capture.Refused, alerted(capture.Server, 70)),
			with(base("dotnet45", host), capture.Reset),
			with(base("openssl3", host), capture.Reset),
		}, "tls-version proven, tls-reset proven"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judgeCapture(&capture.Capture{Packets: 9, Conversations: tt.film}, "film.pcap", pool).findings()
			if ruled(got) != tt.want {
				t.Errorf("found %q; want %q\n%+v", ruled(got), tt.want, got)
			}
			for _, f := range got {
				for i, e := range f.Evidence {
					if e.File != "film.pcap" || e.Line < 1 || e.Line > 9 || e.Text == "" || len(f.Evidence) > mostEvidence {
						t.Errorf("evidence %d: %+v", i, e)
					}
				}
			}
		})
	}
}

// TestRecordingIsSafe checks that nothing that a client sent can steer a terminal.
func TestRecordingIsSafe(t *testing.T) {
	c := &capture.Conversation{
		Outcome: capture.Reset, Hello: offered(t, "dotnet45", "a\x1b]0;owned\x07b"), HelloAt: capture.Moment{Packet: 1},
		Connect: &capture.Connect{Line: "CONNECT \x1b[2J", Status: "HTTP/1.1 200 \x9b"},
		Endings: []capture.Ending{{From: capture.Server, Reset: true, At: capture.Moment{Packet: 2}}},
	}
	shown := fmt.Sprintf("%+v %+v", describeConversation(c), Judge(&capture.Capture{Conversations: []*capture.Conversation{c}}, "f"))
	if i := strings.IndexFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }); i >= 0 {
		t.Errorf("a control character is in %q", shown[max(0, i-40):i+10])
	}
}

func TestReadCaptureFails(t *testing.T) {
	if r, err := ReadCapture(io.LimitReader(strings.NewReader("no capture"), 5), "x", nil); r != nil || err == nil || !strings.Contains(err.Error(), "check: x: ") {
		t.Errorf("ReadCapture = %v, %v", r, err)
	}
}
