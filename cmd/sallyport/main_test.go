//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/httpd"
	"sallyport/radius"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// docs/cli.md and the other pages are made from what the program knows.
func TestManualIsCurrent(t *testing.T) {
	a, _, _ := newApp("")
	made, err := pages(a.rootCommand())
	if err != nil {
		t.Fatal(err)
	}
	samples, err := samplesPage(os.DirFS(filepath.Join("..", "..", "diagnose", "testdata", "samples")))
	if err != nil {
		t.Fatal(err)
	}
	made[samplesName] = samples
	docs := filepath.Join("..", "..", "docs")
	for page, want := range made {
		name := filepath.Join(docs, filepath.FromSlash(page))
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("docs/%s is not what the program says (%v); run: make docs", page, err)
		}
	}
	stale, err := stalePages(docs, made)
	if err != nil || len(stale) > 0 {
		t.Errorf("docs/ has pages that nothing is known of: %q (%v); run: make docs", stale, err)
	}
}

// Each command has a sentence, and examples that begin with the program.
func TestCommandsDescribeThemselves(t *testing.T) {
	a, _, _ := newApp("")
	visited := 0
	for _, line := range strings.Split(manual(a.rootCommand()), "\n") {
		if strings.HasPrefix(line, "## ") {
			visited++
		}
		if strings.HasSuffix(line, "..") {
			t.Errorf("%q ends in two full stops", line)
		}
	}
	if visited < 35 {
		t.Errorf("the manual has %d commands; want at least 35", visited)
	}
}

// On a terminal the commands that cannot be undone ask first.
func TestConfirm(t *testing.T) {
	tests := []struct {
		name, answer string
		terminal     bool
		yes          bool
		want         bool
	}{
		{"yes", "y\n", true, false, true},
		{"the whole word", "YES\n", true, false, true},
		{"no", "n\n", true, false, false},
		{"nothing", "\n", true, false, false},
		{"the end of the input", "", true, false, false},
		{"something else", "yeah no\n", true, false, false},
		{"--yes", "", true, true, true},
		{"no terminal", "", false, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _, errOut := newApp(tt.answer)
			a.inTerminal = tt.terminal
			if err := a.confirm(tt.yes, "Really?"); (err == nil) != tt.want {
				t.Errorf("confirm = %v; want nil %t", err, tt.want)
			}
			if asked := strings.Contains(errOut.String(), "Really? [y/N]"); asked != (tt.terminal && !tt.yes) {
				t.Errorf("asked %t", asked)
			}
		})
	}
}

func TestLine(t *testing.T) {
	a, _, _ := newApp("first\r\n\nlast")
	for _, want := range []string{"first", "", "last"} {
		if got, err := a.line("line"); got != want || err != nil {
			t.Errorf("line = %q, %v; want %q", got, err, want)
		}
	}
	var missing missingLine
	if _, err := a.line("line"); !errors.As(err, &missing) {
		t.Errorf("after the last line = %v; want a missingLine", err)
	}
	a, _, _ = newApp("p\xe4ssword\n")
	if _, err := a.line("password"); err == nil || !strings.Contains(err.Error(), "not UTF-8") || strings.Contains(err.Error(), "ssword\n") {
		t.Errorf("line that is not UTF-8 = %v", err)
	}
	a, _, _ = newApp(strings.Repeat("x", maxLine+1))
	if _, err := a.line("password"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("line without end = %v", err)
	}
}

// fakeServer answers on the admin socket of a data directory with h.
func fakeServer(t *testing.T, h http.Handler) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "data")
	if err != nil {
		t.Fatal(err)
	}
	l, err := httpd.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(func() {
		s.Close()
		os.RemoveAll(dir)
	})
	return dir
}

// Whatever breaks between us and the server, what came is not taken for all.
func TestAnswersThatBreakOff(t *testing.T) {
	line := `{"name":"alice","enabled":true}` + "\n"
	tests := []struct {
		name    string
		handler http.HandlerFunc
		exit    int
		want    string
	}{
		{"the connection is cut", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, line)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, exitUnreachable, "error: the server went away in the middle of account.list; what came is not all"},
		{"in the middle of a line", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, line[:10])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, exitUnreachable, "error: the server went away"},
		{"no trailer", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, line) }, exitUnreachable, "error: the server went away"},
		{"a problem in the trailer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", httpd.TrailerProblem)
			io.WriteString(w, line)
			w.Header().Set(httpd.TrailerProblem, `{"type":"/problems/fault","detail":"the disk is gone","hint":"buy another","status":500}`)
		}, exitRefused, "error: account.list broke off: the disk is gone\nhint: buy another\n"},
		{"the server stops", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", httpd.TrailerProblem)
			io.WriteString(w, line)
			w.Header().Set(httpd.TrailerProblem, `{"type":"/problems/stopping","detail":"the server is shutting down","status":503}`)
		}, exitUnreachable, "error: account.list broke off: the server is shutting down\n"},
		{
			"something else than a problem document", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, exitRefused,
			"error: the server answered 502 Bad Gateway to account.list\nhint: are the command and the server of the same version?\n",
		},
		{"whole", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", httpd.TrailerComplete)
			io.WriteString(w, line)
			w.Header().Set(httpd.TrailerComplete, "yes")
		}, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := fakeServer(t, tt.handler)
			a, out, errOut := newApp("")
			exit := a.run(context.Background(), []string{"account", "list", "--data", dir})
			if exit != tt.exit || !strings.HasPrefix(errOut.String(), tt.want) || tt.want == "" && errOut.Len() > 0 {
				t.Errorf("exit %d, stderr %q; want %d, %q", exit, errOut, tt.exit, tt.want)
			}
			if tt.exit == 0 && !strings.Contains(out.String(), "alice") {
				t.Errorf("stdout %q; want alice", out)
			}
		})
	}
}

// A backup that broke off must leave no file that could pass for one.
func TestBackupThatBreaksOffLeavesNothing(t *testing.T) {
	data := fakeServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", httpd.TrailerComplete)
		w.Write(make([]byte, 100_000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	dir := t.TempDir()
	a, _, errOut := newApp("")
	if exit := a.run(context.Background(), []string{"backup", filepath.Join(dir, "copy"), "--data", data}); exit != exitUnreachable {
		t.Errorf("exit %d, stderr %s; want %d", exit, errOut, exitUnreachable)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A server that signs with another secret, or not at all, is told apart from
// one that is silent.
func TestLoginSaysWhatIsWrong(t *testing.T) {
	right, err := radius.NewSecret([]byte("the shared secret"))
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := radius.NewSecret([]byte("another shared secret"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		answer func(p *radius.Packet) []byte
		args   []string
		exit   int
		want   string
	}{
		{"accept", sign(right, radius.AccessAccept), nil, 0, ""},
		{"reject", sign(right, radius.AccessReject), nil, exitRefused, ""},
		{"another secret", sign(wrong, radius.AccessAccept), nil, exitUnreachable, "its answers are signed with another shared secret"},
		{"another secret, sent again", sign(wrong, radius.AccessAccept), []string{"--again"}, exitUnreachable, "its answers are signed with another shared secret"},
		{"the same answer again", sign(right, radius.AccessAccept), []string{"--again"}, 0, ""},
		{"octets that are no packet", func(*radius.Packet) []byte { return []byte("hello") }, nil, exitUnreachable, "no answer from"},
		{"octets that are no packet, sent again", func(*radius.Packet) []byte { return []byte("hello") }, []string{"--again"}, exitUnreachable, "no answer from"},
		{"challenges without end", sign(right, radius.AccessChallenge), nil, exitRefused, "the server has asked 16 times and does not stop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, out, errOut := newApp("the shared secret\npassword\n" + strings.Repeat("answer\n", maxChallenges+1))
			args := append([]string{"login", "--server", answering(t, tt.answer), "--secret-stdin", "--timeout", "300ms", "alice"}, tt.args...)
			if exit := a.run(context.Background(), args); exit != tt.exit || !strings.Contains(errOut.String(), tt.want) {
				t.Errorf("exit %d, stderr %s, stdout %s; want %d, %q", exit, errOut, out, tt.exit, tt.want)
			}
		})
	}
}

func sign(secret radius.Secret, code radius.Code) func(*radius.Packet) []byte {
	return func(p *radius.Packet) []byte {
		reply := &radius.Packet{Code: code, Identifier: p.Identifier}
		reply.Add(radius.State, []byte("state"))
		b, err := secret.SignResponse(nil, reply, p.Authenticator)
		if err != nil {
			panic(err)
		}
		return b
	}
}

// answering starts a RADIUS server that answers every packet.
func answering(t *testing.T, answer func(*radius.Packet) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, radius.MaxPacketSize)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if p, err := radius.Parse(b[:n]); err == nil {
				conn.WriteTo(answer(p), from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// events --follow shows what happens while it runs, and ends without an error
// when it is interrupted.
func TestEventsFollow(t *testing.T) {
	s := newScript(t)
	s.run("serve\nsallyport application add vpn\nsallyport client add nas --application vpn --source 127.0.0.1 --json\nget SECRET '\"secret\":\"([^\"]+)\"'")
	follow := s.command([]string{"events", "--follow", "--json"})
	pipe, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string)
	go func() {
		b := make([]byte, 64<<10)
		n, _ := pipe.Read(b)
		seen <- string(b[:n])
		io.Copy(io.Discard, pipe)
	}()
	// It follows from when it is connected; until then events pass it by.
	var line string
	for line == "" {
		s.run("stdin $SECRET\\nwrong\\n\n! sallyport login --server $RADIUS --secret-stdin nobody\nexit 1")
		select {
		case line = <-seen:
		case <-time.After(500 * time.Millisecond):
		}
	}
	if !strings.HasPrefix(line, `{"time":`) || !strings.Contains(line, `"client":"nas"`) {
		t.Errorf("followed %q", line)
	}
	follow.Process.Signal(os.Interrupt)
	if err := follow.Wait(); err != nil {
		t.Errorf("events --follow, interrupted: %v; want exit code 0", err)
	}
	s.run("stop")
}

// The failures that every installation meets sooner or later: one sentence, a
// hint, exit code 1, and nothing on standard output.
func TestServeRefuses(t *testing.T) {
	s := newScript(t)
	s.run("serve")
	taken := s.vars["RADIUS"]
	takenTCP := s.vars["TELEMETRY"]
	quiet := []string{"--telemetry", "", "--local", "", "--radius", "127.0.0.1:0"}

	dir := func(mode os.FileMode) string {
		d, err := os.MkdirTemp(s.vars["WORK"], "refuse")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
		return d
	}
	file := func(content string) string {
		name := filepath.Join(dir(0o700), "file")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// A database, and the key file of another.
	strange := dir(0o700)
	other := newScript(t)
	for _, d := range []string{strange, other.vars["DATA"]} {
		o := newScript(t)
		o.run("serve --data " + d + "\nsallyport account add alice --data " + d + "\nstop")
	}
	if err := os.Rename(filepath.Join(other.vars["DATA"], "seal.key"), filepath.Join(strange, "seal.key")); err != nil {
		t.Fatal(err)
	}
	keyless := other.vars["DATA"]

	tests := []struct {
		name string
		args []string
		want string // regular expression of what is on standard error
	}{
		{"a configuration key that does not exist", []string{"--config", file("radios: []\n")}, `^error: config: \S+:1: .*"?radios"?.*\nhint: `},
		{"two mistakes in the configuration", []string{"--config", file("radios: []\nissuer: [1]\n")}, `^error: config: \S+:1: .*\nerror: config: \S+:2: .*\nhint: `},
		{"a configuration that is not there", []string{"--config", "/no/such/file"}, `^error: config: there is no such file`},
		{"telemetry for the whole world", []string{"--data", dir(0o700), "--telemetry", "0.0.0.0:9812"}, `^error: config: telemetry: .*can be reached from other machines`},
		{"a RADIUS port in use", []string{"--data", dir(0o700), "--telemetry", "", "--local", "", "--radius", taken}, `^error: .*` + regexp.QuoteMeta(taken) + `.*address already in use.*\nhint: stop the program that uses the address`},
		{"a TCP port in use", []string{"--data", dir(0o700), "--telemetry", takenTCP, "--local", "", "--radius", "127.0.0.1:0"}, `^error: .*` + regexp.QuoteMeta(takenTCP) + `.*address already in use`},
		{"a second server on the data directory", append([]string{"--data", s.vars["DATA"]}, quiet...), `^error: .*in use by another process.*stop it first\n$`},
		{"the key file of another database", append([]string{"--data", strange}, quiet...), `^error: .*\nhint: put back the copy of the key file`},
		{"a database without its key file", append([]string{"--data", keyless}, quiet...), `^error: server: the key file .* is missing.*put your copy of it back\n$`},
		{"a data directory below a file", append([]string{"--data", file("x") + "/data"}, quiet...), `^error: .*not a directory.*give a directory`},
		{"a data directory that others may write to", append([]string{"--data", dir(0o777)}, quiet...), `^error: .*others may write to .*run: chmod 700`},
		{"an address of another host", []string{"--data", dir(0o700), "--telemetry", "", "--local", "", "--radius", "192.0.2.1:1812"}, `^error: .*192\.0\.2\.1:1812.*\nhint: give an address that this host has`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refuses(t, s.command(append([]string{"serve"}, tt.args...)), tt.want)
		})
	}
	t.Run("a data directory that cannot be written", func(t *testing.T) {
		c := s.command(append([]string{"serve", "--data", "data"}, quiet...))
		c.Dir = dir(0o555)
		c.Env = append(c.Env, "SALLYPORT_DATA=")
		if os.Getuid() == 0 { // whom modes do not stop
			readable := dir(0o755)
			b, err := os.ReadFile(program)
			if err == nil {
				err = os.WriteFile(filepath.Join(readable, "sallyport"), b, 0o755)
			}
			if err == nil {
				err = os.Chmod(s.vars["WORK"], 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Path = filepath.Join(readable, "sallyport")
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		refuses(t, c, `^error: .*permission denied.*\nhint: run as the user that owns data, or give another directory`)
	})
	s.run("stop")
}

// check runs a server that must refuse to start.
func refuses(t *testing.T, c *exec.Cmd, want string) {
	t.Helper()
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(10*time.Second, func() { c.Process.Kill() })
	defer kill.Stop()
	c.Wait()
	if exit := c.ProcessState.ExitCode(); exit != exitRefused {
		t.Errorf("exit %d, stdout %s, stderr %s; want 1", exit, &out, &errOut)
	}
	if out.Len() > 0 {
		t.Errorf("stdout %q; want nothing", &out)
	}
	if !regexp.MustCompile(want).Match(errOut.Bytes()) {
		t.Errorf("stderr:\n%swant %s", &errOut, want)
	}
}
