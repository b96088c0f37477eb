//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// programs are the binaries under test.
var programs struct {
	// tested is what serves: built with the race detector if the tests are.
	tested string
	// release is what is handed out. Commands run it, and so do the servers of
	// tests that measure.
	release string
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Servers that run as another user must be able to reach the binaries.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	programs.release = filepath.Join(dir, "sallyport")
	programs.tested = programs.release
	if err := build(programs.release, "CGO_ENABLED=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if raceDetector {
		programs.tested = filepath.Join(dir, "sallyport-race")
		if err := build(programs.tested, "CGO_ENABLED=1", raceFlags...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// raceFlags are those of make test: SQLite itself is not watched.
var raceFlags = []string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false"}

func build(to, environment string, flags ...string) error {
	c := exec.Command("go", append(append([]string{"build"}, flags...), "-o", to, "./cmd/sallyport")...)
	c.Dir = ".."
	c.Env = append(os.Environ(), environment)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
}

// patience bounds every wait for something that should happen at once. It is
// long because machines that run tests are busy; no test waits for it to pass
// unless it fails.
const patience = 60 * time.Second

// eventually waits until ok says so, and fails the test if that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
		<-tick.C
	}
}

// A capture keeps what a process prints.
type capture struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

// String returns all that was printed so far.
func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// A result is what came of one command.
type result struct {
	Out, Err string
	Exit     int
}

// A call is one run of the program to its end.
type call struct {
	Program string // "" for programs.release
	Args    []string
	Stdin   string
	Wrap    []string            // a command that runs the program, such as nsenter and its arguments
	User    *syscall.Credential // nil for the user of the tests
	Change  func(*exec.Cmd)     // further changes, nil for none
	Within  time.Duration       // how long it may take, 0 for patience
	Env     []string            // in addition to a clean environment
}

// run runs the program to its end.
func (c call) run(t testing.TB) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(c.Program, c.Wrap, c.Args)
	cmd.Stdin = strings.NewReader(c.Stdin)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(cmd.Env, c.Env...)
	if c.User != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.User}
		cmd.Dir = "/"
	}
	if c.Change != nil {
		c.Change(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("run sallyport %s: %v", strings.Join(c.Args, " "), err)
	}
	limit := c.Within
	if limit == 0 {
		limit = patience
	}
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() {
		late.Store(true)
		cmd.Process.Kill()
	})
	err := cmd.Wait()
	timer.Stop()
	if late.Load() {
		t.Fatalf("sallyport %s did not end within %v\n%s%s", strings.Join(c.Args, " "), limit, out.String(), errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run sallyport %s: %v", strings.Join(c.Args, " "), err)
	}
	return result{Out: out.String(), Err: errs.String(), Exit: cmd.ProcessState.ExitCode()}
}

func command(program string, wrap, args []string) *exec.Cmd {
	if program == "" {
		program = programs.release
	}
	line := append(append(slices.Clone(wrap), program), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TZ=UTC", "GORACE=exitcode=66"}
	return cmd
}

// A setup says how a server is started. The zero setup is a server with the
// defaults in a directory of its own.
type setup struct {
	Dir     string // data directory, "" for a fresh one
	Config  string // YAML of the configuration file, "" for none
	Release bool   // serve with the release binary although the tests run with the race detector
	Program string // what serves, "" for that of programs
	Level   string // log level, "" for info
	Local   string // address of the pages without TLS, "" for none
	Wrap    []string
	User    *syscall.Credential
	Args    []string // further arguments of serve
	// Seen is how commands name the data directory, if not as the server does.
	// It is asked after the server has started.
	Seen func(pid int) string
}

// A server is a running sallyport serve.
type server struct {
	t     testing.TB
	setup setup
	dir   string         // data directory, as commands name it
	addr  netip.AddrPort // RADIUS
	web   string         // telemetry: http://HOST:PORT
	file  string         // configuration file, "" for none

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	out  *capture
	log  *capture // standard error of all runs
}

// hosts hands out loopback addresses. Each server has one of its own, so that
// no port is ever fought over, not even across a restart.
var hosts atomic.Uint32

func newHost(t testing.TB) netip.Addr {
	t.Helper()
	pid := uint32(os.Getpid())
	for range 200 {
		n := hosts.Add(1)
		host := netip.AddrFrom4([4]byte{127, byte(2 + pid%250), byte(1 + pid/250%250), byte(1 + n%250)})
		// Another run of the tests may have it.
		l, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, radiusPort)))
		if err != nil {
			continue
		}
		l.Close()
		return host
	}
	t.Fatal("no loopback address is free")
	return netip.Addr{}
}

const (
	radiusPort    = 18120
	telemetryPort = 18121
)

// start starts a server and waits until it is ready. It ends with the test,
// which fails if the server did not end well or saw a data race.
func start(t testing.TB, c setup) *server {
	t.Helper()
	s := prepare(t, c)
	s.begin()
	return s
}

// prepare makes everything that a server needs and does not start it.
func prepare(t testing.TB, c setup) *server {
	t.Helper()
	host := newHost(t)
	s := &server{
		t: t, setup: c, dir: c.Dir,
		addr: netip.AddrPortFrom(host, radiusPort),
		web:  fmt.Sprintf("http://%s:%d", host, telemetryPort),
		log:  new(capture),
	}
	if s.setup.Dir == "" {
		s.setup.Dir = filepath.Join(t.TempDir(), "data")
		s.dir = s.setup.Dir
	}
	if c.Config != "" {
		s.file = filepath.Join(t.TempDir(), "sallyport.yaml")
		if err := os.WriteFile(s.file, []byte(c.Config), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if s.running() {
			s.stop()
		}
		if t.Failed() {
			lines := strings.SplitAfter(s.log.String(), "\n")
			t.Logf("log of the server on %s:\n%s", s.addr, strings.Join(lines[max(0, len(lines)-60):], ""))
		}
	})
	return s
}

// in returns s for a subtest, which then is the one that fails. It must not be
// used to stop or start the server.
func (s *server) in(t testing.TB) *server {
	c := *s
	c.t = t
	return &c
}

// arguments are those of serve.
func (s *server) arguments() []string {
	level := s.setup.Level
	if level == "" {
		level = "info"
	}
	args := []string{
		"serve", "--data", s.setup.Dir, "--radius", s.addr.String(),
		"--telemetry", strings.TrimPrefix(s.web, "http://"), "--local", s.setup.Local, "--log-level", level,
	}
	if s.file != "" {
		args = append(args, "--config", s.file)
	}
	return append(args, s.setup.Args...)
}

// begin starts the prepared server, for the first time or after it has ended.
func (s *server) begin() {
	s.t.Helper()
	if s.running() {
		s.t.Fatal("the server runs already")
	}
	program := programs.tested
	if s.setup.Release {
		program = programs.release
	}
	if s.setup.Program != "" {
		program = s.setup.Program
	}
	s.cmd = command(program, s.setup.Wrap, s.arguments())
	if s.setup.User != nil {
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.setup.User}
		s.cmd.Dir = "/"
	}
	s.out = new(capture)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() {
		cmd.Wait()
		close(done)
	}()
	eventually(s.t, "the server is ready", func() bool {
		if !s.running() {
			s.t.Fatalf("the server ended while it was starting: %v\n%s", s.cmd.ProcessState, s.log)
		}
		return s.ready()
	})
	if s.setup.Seen != nil {
		s.dir = s.setup.Seen(s.cmd.Process.Pid)
	}
}

// running reports whether the process is there.
func (s *server) running() bool {
	if s.done == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// ready reports whether /readyz says so.
func (s *server) ready() bool {
	status, _ := s.get("/readyz")
	return status == http.StatusOK
}

var browser = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get fetches a page of the telemetry listener; the status is 0 if nobody
// answers.
func (s *server) get(path string) (status int, body string) {
	resp, err := browser.Get(s.web + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// stop ends the server as an administrator does, and checks that it ended well
// and saw no data race.
func (s *server) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.ended()
	if state := s.cmd.ProcessState; !state.Success() {
		s.t.Errorf("the server ended with %v", state)
	}
	s.checkRaces()
}

// kill ends the server as a power failure does to a process: SIGKILL.
func (s *server) kill() {
	s.t.Helper()
	s.cmd.Process.Kill()
	s.ended()
	s.checkRaces()
}

func (s *server) ended() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.cmd.Process.Signal(syscall.SIGQUIT) // prints the stacks
		<-s.done
		s.t.Fatalf("the server did not end within %v", patience)
	}
}

func (s *server) checkRaces() {
	s.t.Helper()
	if strings.Contains(s.log.String(), "WARNING: DATA RACE") {
		s.t.Errorf("the server has a data race:\n%s", s.log)
	}
}

// try runs a command against the server.
func (s *server) try(stdin string, args ...string) result {
	s.t.Helper()
	return call{Args: append(slices.Clone(args), "--data", s.dir), Stdin: stdin}.run(s.t)
}

// do runs a command that must succeed and returns its standard output.
func (s *server) do(stdin string, args ...string) string {
	s.t.Helper()
	r := s.try(stdin, args...)
	if r.Exit != 0 {
		s.t.Fatalf("sallyport %s: exit code %d\n%s%s", strings.Join(args, " "), r.Exit, r.Out, r.Err)
	}
	return r.Out
}

// records reads what a command printed with --json: one object a line.
func records[T any](t testing.TB, out string) []T {
	t.Helper()
	var all []T
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var v T
		err := d.Decode(&v)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("a command printed what is not JSON: %v\n%s", err, out)
		}
		all = append(all, v)
	}
}

// record is records for a command that prints exactly one.
func record[T any](t testing.TB, out string) T {
	t.Helper()
	all := records[T](t, out)
	if len(all) != 1 {
		t.Fatalf("a command printed %d records; want 1\n%s", len(all), out)
	}
	return all[0]
}

// An event is a line of events --json: what the contract promises and the rest
// that tests look at.
type event struct {
	Time        time.Time `json:"time"`
	Account     string    `json:"account"`
	Application string    `json:"application"`
	Client      string    `json:"client"`
	Source      string    `json:"source"`
	Verdict     string    `json:"verdict"`
	Code        int       `json:"code"`
	Outcome     string    `json:"outcome"`
	Label       string    `json:"label"`
	Factor      string    `json:"factor"`
	Failures    int       `json:"failures"`
	Count       int       `json:"count"`
	Reference   string    `json:"reference"`
	Seq         uint64    `json:"seq"`
}

// A reason is what why --json prints.
type reason struct {
	event
	Authenticator string `json:"authenticator"`
	Stage         string `json:"stage"`
	Person        string `json:"person"`
	HelpDesk      string `json:"help_desk"`
	Administrator string `json:"administrator"`
	Remedy        string `json:"remedy"`
	Trace         []struct {
		Stage string `json:"stage"`
		OK    bool   `json:"ok"`
		Note  string `json:"note"`
	} `json:"trace"`
}

// events returns all events, or those that the flags select.
func (s *server) events(flags ...string) []event {
	s.t.Helper()
	return records[event](s.t, s.do("", append([]string{"events", "--json"}, flags...)...))
}

// why returns the explanation of a reference.
func (s *server) why(reference string) reason {
	s.t.Helper()
	return record[reason](s.t, s.do("", "why", reference, "--json"))
}

// eventAfter waits for an event past seq that matches, and returns it.
// Requests that never became logins are recorded a moment after they came.
func (s *server) eventAfter(seq uint64, what string, match func(event) bool) event {
	s.t.Helper()
	var found event
	eventually(s.t, "an event: "+what, func() bool {
		for _, ev := range s.events() {
			if ev.Seq > seq && match(ev) {
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

// last returns the sequence number of the newest event, 0 if there is none.
func (s *server) last() uint64 {
	s.t.Helper()
	var seq uint64
	for _, ev := range s.events() {
		seq = max(seq, ev.Seq)
	}
	return seq
}

// rootOnly ends a test that needs root, as a skip or, where CI=true, as a
// failure.
func rootOnly(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "this test needs root")
	}
}

// peer returns the path of a program that the test talks to.
func peer(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// Debian keeps daemons where ordinary users do not look.
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			missing(t, name+" is not installed; make peers installs it")
		}
	}
	return path
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
