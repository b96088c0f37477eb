//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/otp"
)

// program is the real thing, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "build:", err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// Scripts run the real program against a real server. A line is a command,
// "!" before it says that it fails:
//
//	serve FLAGS           start a server on $DATA; $RADIUS and $TELEMETRY are where it listens
//	stop                  send it SIGTERM and wait for it to exit with 0
//	stdin TEXT            what the next command reads; \n is a line end
//	sallyport ARGS        run the program; "exit N" checks its exit code
//	stdout RE, stderr RE  check what it printed; "! stdout ." says nothing
//	exists FILE           check that a file is there
//	get NAME RE           keep what the parenthesis of RE matches in stdout as $NAME
//	code NAME URI         make $NAME the code that an app with this otpauth URI shows now
//
// Words may stand in single quotes; $NAME is replaced in them all. Files follow
// after lines "-- NAME --" and are made in $WORK, where the commands run; $WORK
// is replaced in them.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			newScript(t).run(string(b))
		})
	}
}

type script struct {
	t              *testing.T
	vars           map[string]string
	server         *exec.Cmd
	serverLog      *bytes.Buffer
	stdin          string
	stdout, stderr string
	exit           int
}

func newScript(t *testing.T) *script {
	work, err := os.MkdirTemp("", "script")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, vars: map[string]string{"WORK": work, "DATA": filepath.Join(work, "data"), "PROGRAM": program}}
	t.Cleanup(func() {
		if s.server != nil {
			s.server.Process.Kill()
			s.server.Wait()
		}
		os.RemoveAll(work)
	})
	return s
}

var fileMark = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func (s *script) run(text string) {
	marks := fileMark.FindAllStringSubmatchIndex(text, -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		if err := os.WriteFile(filepath.Join(s.vars["WORK"], text[m[2]:m[3]]), []byte(strings.ReplaceAll(text[m[1]:end], "$WORK", s.vars["WORK"])), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(marks) > 0 {
		text = text[:marks[0][0]]
	}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.line(line); err != nil {
			s.t.Fatalf("line %d: %s\n%v\nexit %d\nstdout:\n%s\nstderr:\n%s", n+1, line, err, s.exit, s.stdout, s.stderr)
		}
	}
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

func (s *script) line(line string) error {
	line, not := strings.CutPrefix(line, "! ")
	words := word.FindAllString(line, -1)
	for i, w := range words {
		words[i] = os.Expand(strings.Trim(w, "'"), func(name string) string {
			if v, ok := s.vars[name]; ok {
				return v
			}
			return "$" + name
		})
	}
	command, args := words[0], words[1:]
	switch command {
	case "sallyport":
		s.sallyport(args)
		if not != (s.exit != 0) {
			return fmt.Errorf("exit code %d", s.exit)
		}
		return nil
	case "exit":
		if got := fmt.Sprint(s.exit); got != args[0] {
			return fmt.Errorf("exit code %s", got)
		}
		return nil
	case "stdout", "stderr":
		got := s.stdout
		if command == "stderr" {
			got = s.stderr
		}
		re, err := regexp.Compile("(?m)" + strings.Join(args, " "))
		if err == nil && re.MatchString(got) == not {
			err = fmt.Errorf("%s does not have it, or should not", command)
		}
		return err
	case "stdin":
		s.stdin = strings.ReplaceAll(strings.Join(args, " "), `\n`, "\n")
		return nil
	case "exists":
		if _, err := os.Lstat(filepath.Join(s.vars["WORK"], args[0])); (err != nil) != not {
			return fmt.Errorf("%s is there: %t", args[0], err == nil)
		}
		return nil
	case "get":
		m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(s.stdout)
		if m == nil {
			return fmt.Errorf("no match")
		}
		s.vars[args[0]] = m[1]
		return nil
	case "code":
		e, err := otp.ParseURI(args[1])
		s.vars[args[0]] = otp.TOTP(e.Key, time.Now(), e.Params)
		return err
	case "serve":
		return s.serve(args)
	case "stop":
		s.server.Process.Signal(syscall.SIGTERM)
		err := s.server.Wait()
		s.server = nil
		return err
	}
	return fmt.Errorf("no such command in scripts")
}

func (s *script) command(args []string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = s.vars["WORK"]
	c.Env = append(os.Environ(), "SALLYPORT_DATA="+s.vars["DATA"], "TZ=UTC", "XDG_CONFIG_HOME="+filepath.Join(s.vars["WORK"], "config"))
	return c
}

func (s *script) sallyport(args []string) {
	var out, err bytes.Buffer
	c := s.command(args)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(s.stdin), &out, &err
	kill := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	c.Run() // its exit code is what counts
	kill.Stop()
	s.stdin, s.stdout, s.stderr, s.exit = "", out.String(), err.String(), c.ProcessState.ExitCode()
}

var listens = regexp.MustCompile(`^(RADIUS|telemetry|HTTPS) +(?:https?://)?([^ /]+)`)

func (s *script) serve(args []string) error {
	c := s.command(append([]string{"serve", "--radius", "127.0.0.1:0", "--telemetry", "127.0.0.1:0", "--local", "", "--https", "127.0.0.1:0"}, args...))
	s.serverLog = &bytes.Buffer{}
	c.Stderr = s.serverLog
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	s.server = c
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if m := listens.FindStringSubmatch(line); m != nil {
			s.vars[strings.ToUpper(m[1])] = m[2]
		}
		if strings.HasPrefix(line, "admin") {
			go io.Copy(io.Discard, lines)
			return nil
		}
		if err != nil {
			c.Wait()
			return fmt.Errorf("serve: %w: %s", err, s.serverLog)
		}
	}
}
