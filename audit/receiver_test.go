package audit

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
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// A message is what a strict receiver reads of RFC 5424.
type message struct {
	priority                              int
	timestamp                             time.Time
	hostname, appName, procID, msgID, msg string
	id                                    string // SD-ID
	params                                map[string]string
}

var (
	messageHeader = regexp.MustCompile(`^<(0|[1-9][0-9]{0,2})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \[([!-<>-\\^-~]{1,32})`)
	messageID     = regexp.MustCompile(`^[!-~]+@[0-9.]+$`)
	messageParam  = regexp.MustCompile(`^ ([!-<>-\\^-~]{1,32})="`)
	messageLength = regexp.MustCompile(`^[1-9][0-9]{0,8} $`)
)

// parseMessage reads a message as the grammar of RFC 5424, Section 6 has it,
// with one element of structured data, and refuses everything else.
func parseMessage(text string) (message, error) {
	var m message
	h := messageHeader.FindStringSubmatch(text)
	if h == nil {
		return m, fmt.Errorf("no header: %.120q", text)
	}
	m.priority, _ = strconv.Atoi(h[1])
	if m.priority > 191 {
		return m, errors.New("no such priority")
	}
	var err error
	if m.timestamp, err = time.Parse(time.RFC3339Nano, h[2]); err != nil {
		return m, err
	}
	m.hostname, m.appName, m.procID, m.msgID, m.id = h[3], h[4], h[5], h[6], h[7]
	if !messageID.MatchString(m.id) {
		return m, fmt.Errorf("the SD-ID %q has no enterprise number", m.id)
	}
	m.params = make(map[string]string)
	rest := text[len(h[0]):]
	for {
		if strings.HasPrefix(rest, "]") {
			rest = rest[1:]
			break
		}
		n := messageParam.FindStringSubmatch(rest)
		if n == nil || strings.Contains(n[1], `"`) {
			return m, fmt.Errorf("no parameter: %.60q", rest)
		}
		rest = rest[len(n[0]):]
		var value strings.Builder
		for {
			if rest == "" {
				return m, errors.New("a parameter does not end")
			}
			r, size := utf8.DecodeRuneInString(rest)
			if r == utf8.RuneError && size == 1 {
				return m, errors.New("a parameter is not UTF-8")
			}
			rest = rest[size:]
			if r == '"' {
				break
			}
			if r == ']' || r < ' ' || r == 0x7f {
				return m, fmt.Errorf("%q stands in a parameter", r)
			}
			if r == '\\' {
				if r, size = utf8.DecodeRuneInString(rest); !strings.ContainsRune(`"\]`, r) {
					return m, errors.New("a backslash escapes nothing")
				}
				rest = rest[size:]
			}
			value.WriteRune(r)
		}
		m.params[n[1]] = value.String()
	}
	if !strings.HasPrefix(rest, " ") {
		return m, errors.New("nothing follows the structured data")
	}
	m.msg = rest[1:]
	return m, nil
}

// readCounted reads one message with octet counting (RFC 6587, Section 3.4.1).
func readCounted(r *bufio.Reader) (string, error) {
	length, err := r.ReadString(' ')
	if err != nil {
		return "", err
	}
	if !messageLength.MatchString(length) {
		return "", fmt.Errorf("the length %q", length)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(length))
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func TestMessage(t *testing.T) {
	tr := newTrail(t, newModel(), &clock{t: noon}, quick)
	s := &syslog{network: "tcp", pid: 42}
	ev := event(7, noon.Add(123456*time.Microsecond))
	r, err := tr.eventRecord(&ev, true)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMessage(string(s.message(&r)))
	if err != nil {
		t.Fatal(err)
	}
	if m.priority != 10*8+5 || !m.timestamp.Equal(ev.Time) || m.hostname != "node-a" || m.appName != "sallyport" || m.procID != "42" || m.msgID != "event" || m.id != "sallyport@32473" {
		t.Errorf("header %+v", m)
	}
	want := map[string]string{
		"seq": "7", "verdict": "reject", "code": "138", "outcome": "oath-code-incorrect", "account": "älice", "application": "vpn", "client": "fw1",
		"source": "192.0.2.1", "from": `"198.51.100.7]\` + "\ufffd", "factor": "oath", "rule": "everyone",
	}
	for k, v := range want {
		if m.params[k] != v {
			t.Errorf("%s = %q; want %q", k, m.params[k], v)
		}
	}
	if m.msg != string(r.line) || len(m.params) != len(want) {
		t.Errorf("message %q with %v", m.msg, m.params)
	}
	// Severities, and what cannot be a HOSTNAME.
	for _, tt := range []struct {
		verdict  auth.Verdict
		outcome  auth.Outcome
		node     string
		severity int
		hostname string
	}{
		{auth.Accept, auth.OATHCodeVerified, "a", 6, "a"},
		{auth.Challenge, auth.OATHCodePending, "", 6, "-"},
		{auth.Reject, auth.Throttled, "a b", 5, "-"},
		{auth.Unavailable, auth.StoreUnavailable, "ä", 3, "-"},
		{auth.Ignore, auth.ClientUnknown, strings.Repeat("x", 256), 4, "-"},
	} {
		ev.Verdict, ev.Outcome, ev.Node = tt.verdict, tt.outcome, tt.node
		m, err := parseMessage(string(s.message(&record{kind: kindEvent, seq: 7, event: &ev, line: []byte("{}")})))
		if err != nil || m.priority != 80+tt.severity || m.hostname != tt.hostname {
			t.Errorf("%v: %+v, %v; want severity %d at %s", tt.verdict, m, err, tt.severity, tt.hostname)
		}
	}
	a := Anchor{Time: noon, Seq: 9, Hash: bytes.Repeat([]byte{0xab}, 32), Node: "node-a"}
	line, err := a.line(mac)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := parseMessage(string(s.message(&record{kind: kindAnchor, seq: 9, line: line, anchor: a}))); err != nil || m.msgID != "anchor" || m.params["seq"] != "9" || m.params["hash"] != strings.Repeat("ab", 32) {
		t.Errorf("anchor %+v, %v", m, err)
	}
}

// FuzzMessage checks that whatever people and clients are called, a strict
// receiver reads one message with the values that were meant.
func FuzzMessage(f *testing.F) {
	f.Add("alice", "fw1", "node")
	f.Add(`a"]\`, "\x00\n\x1b[31m", " ")
	f.Add("\xff\xfe", "\u2028älice", "ä")
	tr := Trail{o: Options{MAC: mac, Reference: noReference}}
	f.Fuzz(func(t *testing.T, account, from, node string) {
		ev := event(1, noon)
		ev.Account, ev.From, ev.Node = account, from, node
		r, err := tr.eventRecord(&ev, true)
		if err != nil {
			t.Fatal(err)
		}
		if !Authentic(r.line, mac) || bytes.ContainsAny(r.line, "\r\n\x00") {
			t.Fatalf("record %q", r.line)
		}
		var l eventLine
		if err := json.Unmarshal(r.line, &l); err != nil || l.Account != strings.ToValidUTF8(account, "\ufffd") && utf8.ValidString(account) {
			t.Errorf("account %q came as %q, %v", account, l.Account, err)
		}
		m, err := parseMessage(string((&syslog{}).message(&r)))
		if err != nil {
			t.Fatal(err)
		}
		clean := true
		for _, c := range account {
			clean = clean && c >= ' ' && (c < 0x7f || c > 0x9f)
		}
		if utf8.ValidString(account) && clean && m.params["account"] != account {
			t.Errorf("account %q came as %q", account, m.params["account"])
		}
		if m.params["seq"] != "1" || m.msg != string(r.line) {
			t.Errorf("message %+v", m)
		}
	})
}

// A syslogReceiver keeps what comes over TCP or TLS, and can be closed and
// opened again at the same address.
type syslogReceiver struct {
	t    *testing.T
	tls  *tls.Config
	addr string

	mu    sync.Mutex
	l     net.Listener
	conns []net.Conn
	got   []message
}

func (r *syslogReceiver) open() {
	r.t.Helper()
	addr := r.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().String()
	if r.tls != nil {
		l = tls.NewListener(l, r.tls)
	}
	r.mu.Lock()
	r.l = l
	r.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			go r.read(c)
		}
	}()
	r.t.Cleanup(r.close)
}

func (r *syslogReceiver) read(c net.Conn) {
	b := bufio.NewReader(c)
	for {
		text, err := readCounted(b)
		if err != nil {
			return
		}
		m, err := parseMessage(text)
		if err != nil {
			r.t.Errorf("a message that is not RFC 5424: %v", err)
		}
		r.mu.Lock()
		r.got = append(r.got, m)
		r.mu.Unlock()
	}
}

func (r *syslogReceiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.l.Close()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func (r *syslogReceiver) lines() (lines [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		lines = append(lines, []byte(m.msg))
	}
	return lines
}

// has reports whether event n has come.
func has(lines [][]byte, n uint64) bool { return lastEvent(lines) >= n }

func TestSyslogOverTCP(t *testing.T) {
	m, c := newModel(), &clock{t: noon}
	r := &syslogReceiver{t: t}
	r.open()
	tr := newTrail(t, m, c, quick, Target{Name: "siem", URL: "syslog+tcp://" + r.addr})
	m.commit(noon, 1200)
	running(t, tr)
	eventually(t, "1200 events", func() bool { return has(r.lines(), 1200) })
	// The receiver dies and comes back: nothing is missing, whatever it had not
	// read when it died.
	for range 5 {
		n := m.head().Seq
		r.close()
		m.commit(noon, 10)
		failures := tr.Figures()[0].Failures
		eventually(t, "a failure", func() bool { return tr.Figures()[0].Failures > failures })
		r.open()
		eventually(t, "the events of meanwhile", func() bool { return has(r.lines(), n+10) })
	}
	wantWhole(t, r.lines(), m.head().Seq)
}

// A receiver whose program dies with a batch unread in its buffers gets that
// batch again.
func TestSyslogBatchLostInTheBuffers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, c := newModel(), &clock{t: noon}
	m.commit(noon, 3)
	tr := newTrail(t, m, c, quick, Target{Name: "siem", URL: "syslog+tcp://" + l.Addr().String()})
	running(t, tr)
	unread, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cursor moved", func() bool { n, _ := m.Cursor(t.Context(), "siem"); return n == 3 })
	unread.Close() // with all of it unread
	m.commit(noon, 2)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := bufio.NewReader(conn)
	var lines [][]byte
	for !has(lines, 5) {
		text, err := readCounted(b)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := parseMessage(text)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, []byte(msg.msg))
	}
	wantWhole(t, lines, 5)
}

// A receiver that takes the connection and reads nothing more does not count
// as one that has the events.
func TestSyslogReceiverThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &syslog{network: "tcp", address: l.Addr().String(), now: time.Now}
	defer s.close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	batch := []record{{kind: kindEvent, seq: 1, line: bytes.Repeat([]byte("x"), 32<<20)}} // more than any buffer
	begun := time.Now()
	if err := s.deliver(ctx, batch); err == nil {
		t.Error("32 MiB that nobody reads were delivered")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v to give up", took)
	}
}

func TestSyslogOverUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.(*net.UDPConn).SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	addr := pc.LocalAddr().String()
	m, c := newModel(), &clock{t: noon}
	m.commit(noon, 120)
	tr := newTrail(t, m, c, quick, Target{Name: "siem", URL: "syslog+udp://" + addr})
	running(t, tr)
	read := func(pc net.PacketConn, until uint64) (lines [][]byte) {
		b := make([]byte, 65536)
		for !has(lines, until) {
			if err := pc.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, _, err := pc.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := parseMessage(string(b[:n]))
			if err != nil {
				t.Fatal(err)
			}
			if n > 2048 || strings.Contains(msg.msg, `"trace"`) {
				t.Fatalf("a message of %d octets; receivers need take 2048 (RFC 5424, Section 6.1)", n)
			}
			lines = append(lines, []byte(msg.msg))
		}
		return lines
	}
	lines := read(pc, 120)
	wantWhole(t, lines, 120)
	// Nobody listens: the system says so, and it is tried again.
	pc.Close()
	m.commit(noon, 5)
	eventually(t, "a failure", func() bool { return tr.Figures()[0].Failures > 0 })
	if pc, err = net.ListenPacket("udp", addr); err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	wantWhole(t, append(lines, read(pc, 125)...), 125)
}

// certificate makes a CA and a certificate for 127.0.0.1.
func certificate(t *testing.T) (ca string, settings *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestSyslogOverTLS(t *testing.T) {
	ca, settings := certificate(t)
	m, c := newModel(), &clock{t: noon}
	r := &syslogReceiver{t: t, tls: settings}
	r.open()
	tr := newTrail(t, m, c, quick, Target{Name: "siem", URL: "syslog+tls://" + r.addr, CA: ca})
	m.commit(noon, 20)
	running(t, tr)
	eventually(t, "20 events", func() bool { return has(r.lines(), 20) })
	wantWhole(t, r.lines(), 20)
	// Without the CA the receiver is nobody we know.
	other := newModel()
	other.commit(noon, 1)
	stranger := newTrail(t, other, c, quick, Target{Name: "siem", URL: "syslog+tls://" + r.addr})
	running(t, stranger)
	eventually(t, "a failure", func() bool { return strings.Contains(stranger.Figures()[0].LastError, "certificate") })
	if n, _ := other.Cursor(t.Context(), "siem"); n != 0 {
		t.Errorf("delivered to a stranger up to %d", n)
	}
}

// rsyslogd of Debian as the receiver, over TCP and UDP.
func TestRsyslog(t *testing.T) {
	if _, err := exec.LookPath("rsyslogd"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("rsyslogd is not installed: %v", err)
		}
		t.Skip("rsyslogd is not installed; make peers installs it")
	}
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "rsyslog")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			port := freePort(t, network)
			out := filepath.Join(dir, "out")
			conf := fmt.Sprintf(`global(workDirectory=%q maxMessageSize="64k" net.enableDNS="off")
module(load="im%s")
input(type="im%s" address="127.0.0.1" port="%s")
template(name="all" type="string" string="%%hostname%% %%app-name%% %%msgid%% %%syslogseverity%% %%structured-data%% %%msg%%\n")
action(type="omfile" file=%q template="all" asyncWriting="off" flushOnTXEnd="on")
`, dir, network, network, port, out)
			if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			var log syncBuffer
			cmd := exec.Command("rsyslogd", "-n", "-f", filepath.Join(dir, "conf"), "-i", filepath.Join(dir, "pid"))
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Wait()
			})
			m, c := newModel(), &clock{t: noon}
			if network == "udp" { // that nobody listens yet is an error, and is tried again
				eventually(t, "rsyslogd to listen: "+log.String(), func() bool { return udpTaken(port) })
			}
			m.commit(noon, 60)
			tr := newTrail(t, m, c, quick, Target{Name: "siem", URL: "syslog+" + network + "://127.0.0.1:" + port})
			running(t, tr)
			var lines [][]byte
			eventually(t, "60 events in rsyslog's file", func() bool {
				b, err := os.ReadFile(out)
				lines = nil
				for line := range bytes.Lines(b) {
					lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
				}
				return err == nil && has(lines, 60)
			})
			wantWhole(t, lines, 60)
			want := `node-a sallyport event 5 [sallyport@32473 seq="1" verdict="reject" code="138" outcome="oath-code-incorrect" account="älice"`
			if !strings.HasPrefix(string(lines[0]), want) {
				t.Errorf("rsyslog has kept %s; want %s", lines[0], want)
			}
		})
	}
}

func freePort(t *testing.T, network string) string {
	t.Helper()
	var addr net.Addr
	if network == "tcp" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addr = l.Addr()
	} else {
		l, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addr = l.LocalAddr()
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func udpTaken(port string) bool {
	l, err := net.ListenPacket("udp", "127.0.0.1:"+port)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// A hook is a webhook's receiver.
type hook struct {
	t      *testing.T
	secret []byte

	mu      sync.Mutex
	lines   [][]byte
	answers []func(w http.ResponseWriter, r *http.Request) bool // for the next requests; true: keep what came
	asked   int
	sizes   []int
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	stamp := r.Header.Get(HeaderTimestamp)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get(HeaderSignature) != SignBatch(h.secret, stamp, body) || stamp != strconv.FormatInt(noon.Unix(), 10) {
		h.t.Errorf("%s with the header %v", r.Method, r.Header)
	}
	var batch struct {
		Export  string            `json:"export"`
		Records []json.RawMessage `json:"records"`
	}
	if err := json.Unmarshal(body, &batch); err != nil || batch.Export != "hook" || len(batch.Records) == 0 {
		h.t.Errorf("body %.200s, %v", body, err)
	}
	keep := true
	if len(h.answers) > 0 {
		answer := h.answers[0]
		h.answers = h.answers[1:]
		keep = answer(w, r)
	}
	if keep {
		h.sizes = append(h.sizes, len(batch.Records))
		for _, l := range batch.Records {
			h.lines = append(h.lines, bytes.Clone(l))
		}
	}
}

func (h *hook) kept() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lines
}

// A receiver that fails in every way there is loses nothing.
func TestWebhook(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
			return false
		}
	}
	h := &hook{t: t, secret: []byte("0123456789abcdef")}
	h.answers = []func(http.ResponseWriter, *http.Request) bool{
		status(500), status(429, "Retry-After", "1"), status(503), status(400), status(404), status(302, "Location", "https://elsewhere.example/"),
		func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, // dies before it answers
		func(w http.ResponseWriter, _ *http.Request) bool { // dies in the middle of its answer
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		func(http.ResponseWriter, *http.Request) bool { return true }, // 200
		status(413), status(413),
		func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(204); return true },
	}
	failures := len(h.answers) - 2 // 413 twice is none, and two are delivered
	srv := httptest.NewServer(h)
	srv.Config.ErrorLog = nil
	defer srv.Close()
	m, c := newModel(), &clock{t: noon}
	m.commit(noon, 20)
	tr := newTrail(t, m, c, quick, Target{Name: "hook", URL: srv.URL + "/in?token=canary", Secret: h.secret})
	running(t, tr)
	eventually(t, "20 events", func() bool { return has(h.kept(), 20) })
	m.commit(noon, 40)
	eventually(t, "60 events", func() bool { return has(h.kept(), 60) })
	wantWhole(t, h.kept(), 60)
	st := tr.Figures()[0]
	if want := uint64(failures - 2); st.Failures != want {
		t.Errorf("%d failures; want %d", st.Failures, want)
	}
	if strings.Contains(st.URL, "canary") || strings.Contains(st.LastError, "canary") {
		t.Errorf("the query of the address is shown: %+v", st)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, n := range h.sizes[1:] {
		if n > 11 {
			t.Errorf("batch %d had %d records after the receiver had taken neither 40 nor 20", i+1, n)
		}
	}
}

// An address that nobody answers at is not shown either.
func TestWebhookErrorHidesTheQuery(t *testing.T) {
	w := newWebhook("hook", "http://127.0.0.1:"+freePort(t, "tcp")+"/?token=canary", []byte("0123456789abcdef"), nil, func() time.Time { return noon })
	if err := w.deliver(t.Context(), []record{{line: []byte("{}")}}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("deliver = %v", err)
	}
}

// A receiver that hangs is given up after the time-out, and the program's end
// does not wait for it.
func TestWebhookThatHangs(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	m, c := newModel(), &clock{t: noon}
	m.commit(noon, 1)
	p := quick
	p.last = 50 * time.Millisecond
	tr := newTrail(t, m, c, p, Target{Name: "hook", URL: srv.URL, Secret: []byte("0123456789abcdef")})
	stop := running(t, tr)
	eventually(t, "it tries", func() bool { return tr.Figures()[0].Ships })
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	w := newWebhook("hook", srv.URL, []byte("0123456789abcdef"), nil, func() time.Time { return noon })
	w.client.Timeout = 50 * time.Millisecond
	if err := w.deliver(t.Context(), []record{{line: []byte("{}")}}); err == nil {
		t.Error("delivered to a receiver that hangs")
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999": 0, "Fri, 31 Dec 1999 23:59:59 GMT": 0} {
		if got := retryAfter(text); got != want {
			t.Errorf("retryAfter(%q) = %v; want %v", text, got, want)
		}
	}
}

// A file goes on after rotation, and after a line that a crash has torn.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	m, c := newModel(), &clock{t: noon}
	tr := newTrail(t, m, c, quick, Target{Name: "file", URL: "file://" + path})
	m.commit(noon, 5)
	stop := running(t, tr)
	read := func(names ...string) (lines [][]byte) {
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for line := range bytes.Lines(b) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	eventually(t, "five events", func() bool { return has(read(path), 5) })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	m.commit(noon, 5)
	eventually(t, "five in a new file", func() bool { return has(read(path), 10) })
	if got := lastEvent(read(path + ".1")); got != 5 {
		t.Errorf("the file that was moved away has %d events", got)
	}
	stop()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"kind":"event","seq":11,"ti`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	m.commit(noon, 5)
	again := newTrail(t, m, c, quick, Target{Name: "file", URL: "file://" + path})
	running(t, again)
	eventually(t, "15 events", func() bool { return has(read(path), 15) })
	wantWhole(t, read(path+".1", path), 15)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A disk that is full costs nothing but time.
func TestFileOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatalf("no /dev/full: %v", err)
	}
	r := &file{path: "/dev/full"}
	if err := r.deliver(t.Context(), []record{{line: []byte("{}")}}); err == nil {
		t.Error("delivered to a full disk")
	}
	if r.f != nil {
		t.Error("the file is held after a failure")
	}
}

// What a target refuses before anything runs.
func TestTargetsAreChecked(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, target := range map[string]Target{
		"no export to":                {URL: "gopher://h"},
		"not the path of a file":      {URL: "file:events"},
		"needs 16 at least":           {URL: "https://h", Secret: []byte("short")},
		"read the certificates":       {URL: "syslog+tls://h", CA: junk + "no"},
		"there is no certificate in ": {URL: "syslog+tls://h", CA: junk},
		"its address makes no sense":  {URL: "https://h:x"},
	} {
		target.Name = "x"
		if _, err := target.receiver(time.Now); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "audit: export x: ") {
			t.Errorf("%+v: %v; want %q", target, err, want)
		}
	}
}
