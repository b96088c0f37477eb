//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	serverCore    = 0
	generatorCore = 1

	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// A process is a server under test.
type process struct {
	cmd       *exec.Cmd
	address   string // where it answers
	telemetry string // of our server
	trace     string // strace's output, "" if it does not run under it
	env       []string

	ended chan struct{} // closed when it has
	err   error         // then: how

	mu   sync.Mutex
	said strings.Builder // for when something goes wrong
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// command makes a command that runs on one core, in a session of its own, so
// that it can be given precedence and ended with all its children.
func (b *bench) command(ctx context.Context, core int, args []string) *exec.Cmd {
	args = append([]string{"taskset", "-c", strconv.Itoa(core)}, args...)
	if b.priority && os.Geteuid() == 0 {
		args = append([]string{"nice", "-n", "-10"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func (b *bench) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	if b.priority {
		// With autogroups, nice alone counts only within a session. Where there
		// are none, or this user may not, the figures are just noisier.
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte("-10"), 0)
	}
	return nil
}

var (
	ours        = regexp.MustCompile(`^(?:RADIUS|echo) +(\S+) \(UDP\)`)
	telemetry   = regexp.MustCompile(`^telemetry +http://([^/]+)/`)
	radiusReady = regexp.MustCompile(`Ready to process requests`)
)

// serve starts the row's server on fresh data, lets use use it, and stops it.
// It notes in s what the server did to the disk, where that can be seen.
func (b *bench) serve(ctx context.Context, r row, s *sample, use func(*process) error) (err error) {
	p := &process{ended: make(chan struct{})}
	var args []string
	ready := ours
	switch r.Server {
	case "echo":
		args = []string{b.program, "bench", "echo", "--listen", "127.0.0.1:0"}
	case "sallyport":
		data := b.path("run")
		if err := os.RemoveAll(data); err != nil {
			return err
		}
		// Modes and times must stay as they are: the key file is checked.
		if out, err := exec.CommandContext(ctx, "cp", "-a", b.path("data"), data).CombinedOutput(); err != nil {
			return fmt.Errorf("copy the data: %w: %s", err, out)
		}
		defer os.RemoveAll(data)
		args = []string{
			b.program, "serve", "--data", data, "--radius", "127.0.0.1:0",
			"--telemetry", "127.0.0.1:0", "--local", "", "--log-level", "warn", "--log-format", "text",
		}
		// Pinned to one core, Go would run one thread at a time, and that one
		// would wait for the disk. FreeRADIUS gets two threads, too.
		p.env = []string{"GOMAXPROCS=2"}
	default:
		var err error
		if p.address, err = freePort("udp"); err != nil {
			return err
		}
		dir, err := b.freeRADIUS(r.Server, p.address, "")
		if err != nil {
			return err
		}
		args, ready = b.freeRADIUSCommand(dir), radiusReady
	}
	if r.Slow {
		p.trace = b.path("trace")
		args = append([]string{
			b.strace, "-f", "--seccomp-bpf", "-qq", "-o", p.trace,
			"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_exit=2000",
		}, args...)
	}
	if err := b.launch(ctx, p, serverCore, args, ready); err != nil {
		return err
	}
	defer func() {
		if stopped := p.stop(); err == nil {
			err = stopped
		}
		if err == nil && p.trace != "" {
			s.Fsyncs, err = countFsyncs(p.trace)
		}
		if err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if said := strings.TrimSpace(p.said.String()); said != "" {
				err = fmt.Errorf("%w; the server said:\n%s", err, said)
			}
		}
	}()
	if err := use(p); err != nil {
		return err
	}
	if p.trace != "" && p.telemetry != "" {
		s.Groups, err = p.metric(ctx, "sallyport_store_groups_total")
	}
	return err
}

// launch starts a server on a core and returns when it says that it is ready.
func (b *bench) launch(ctx context.Context, p *process, core int, args []string, ready *regexp.Regexp) error {
	p.cmd = b.command(ctx, core, args)
	p.cmd.Env = append(os.Environ(), p.env...)
	out, write, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = b.start(p.cmd)
	write.Close()
	if err != nil {
		out.Close()
		return err
	}
	isReady := make(chan struct{})
	go func() {
		defer close(p.ended)
		defer out.Close()
		lines, told := bufio.NewScanner(out), false
		for lines.Scan() {
			line := lines.Text()
			if m := telemetry.FindStringSubmatch(line); m != nil {
				p.telemetry = m[1]
			}
			if m := ready.FindStringSubmatch(line); len(m) > 1 {
				p.address = m[1]
			}
			p.mu.Lock()
			if p.said.Len() < 16<<10 {
				fmt.Fprintln(&p.said, line)
			}
			p.mu.Unlock()
			// Our server says last where administrators come in.
			if !told && (ready != ours && ready.MatchString(line) || strings.HasPrefix(line, "admin ") || strings.HasPrefix(line, "echo ")) {
				told = true
				close(isReady)
			}
		}
		p.err = p.cmd.Wait()
	}()
	select {
	case <-isReady:
		return nil
	case <-p.ended:
		return fmt.Errorf("the server ended at once: %w\n%s", p.err, p.said.String())
	case <-time.After(startTimeout):
		return errors.Join(fmt.Errorf("the server was not ready after %v", startTimeout), p.stop())
	}
}

// stop ends the server and what it started, and waits for the end.
func (p *process) stop() error {
	// The session's first process is its group.
	_ = syscall.Kill(-p.pid(), syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("the server did not end within %v", stopTimeout)
	}
}

// metrics reads all metrics of our server.
func (p *process) metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.telemetry+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	return string(text), nil
}

// metric reads one counter of our server.
func (p *process) metric(ctx context.Context, name string) (int, error) {
	text, err := p.metrics(ctx)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			return int(n), err
		}
	}
	return 0, fmt.Errorf("read metrics: there is no %s", name)
}

// countFsyncs counts the calls in strace's output. A call that others
// interrupt takes two lines, of which the second has no parenthesis.
func countFsyncs(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read what strace saw: %w", err)
	}
	return strings.Count(string(text), "fsync(") + strings.Count(string(text), "fdatasync("), nil
}

// freePort returns an address on loopback that nobody uses.
func freePort(network string) (string, error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.LocalAddr().String(), nil
	}
	l, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
