//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refuses runs serve, which must end at once: exit code 1, nothing on standard
// output, and on standard error one sentence that has all the parts, with one
// hint at most.
func (s *server) refuses(parts ...string) {
	s.t.Helper()
	c := call{Program: programs.tested, Args: s.arguments(), User: s.setup.User}
	r := c.run(s.t)
	checkRefusal(s.t, r, parts...)
}

func checkRefusal(t testing.TB, r result, parts ...string) {
	t.Helper()
	if r.Exit != 1 || r.Out != "" {
		t.Errorf("exit code %d, standard output %q; want 1 and nothing", r.Exit, r.Out)
	}
	sentences, hints, rest := 0, 0, 0
	for line := range strings.Lines(r.Err) {
		switch {
		case strings.HasPrefix(line, "error: "):
			sentences++
		case strings.HasPrefix(line, "hint: "):
			hints++
		default:
			rest++
		}
	}
	if sentences != 1 || hints > 1 || rest > 0 {
		t.Errorf("%d sentences, %d hints and %d other lines; want one sentence and at most one hint:\n%s", sentences, hints, rest, r.Err)
	}
	for _, part := range parts {
		if !strings.Contains(r.Err, part) {
			t.Errorf("the refusal does not say %q:\n%s", part, r.Err)
		}
	}
}

// used returns a server that has run and been stopped: its directory has a
// database and a key.
func used(t *testing.T) *server {
	t.Helper()
	s := start(t, setup{})
	s.client("vpn")
	s.enrol("alice")
	s.stop()
	return s
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	t.Run("RADIUS", func(t *testing.T) {
		s := used(t)
		l, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.addr))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s.refuses(s.addr.String(), "address already in use", "hint: ", "ss -lnptu", "--radius")
	})
	t.Run("telemetry", func(t *testing.T) {
		s := used(t)
		address := strings.TrimPrefix(s.web, "http://")
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s.refuses(address, "address already in use", "--telemetry")
	})
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", "issuer: Example\nthrotle:\n  password: {free: 5}\n", []string{"sallyport.yaml:2", `throtle`, "throttle"}},
		{"unknown key within", "throttle:\n  password: {fre: 5}\n", []string{"sallyport.yaml:2", "fre", "free"}},
		{"out of range", "throttle:\n  password: {stop: 1000}\n", []string{"sallyport.yaml:2", "throttle.password.stop", "from 1 to 100"}},
		{"no length of time", "challenge_lifetime: soon\n", []string{"sallyport.yaml:1", "challenge_lifetime", "90s"}},
		{"weak hash", "password_hash: {memory_kib: 8192}\n", []string{"sallyport.yaml:1", "password_hash.memory_kib", "too cheap"}},
		{"key twice", "issuer: One\nissuer: Two\n", []string{"sallyport.yaml:2", "issuer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := prepare(t, setup{Config: tt.text})
			s.refuses(tt.want...)
			if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a server that was refused made its data directory (%v)", err)
			}
		})
	}
}

func TestUnwritableDataDirectory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		dir  func(t *testing.T) string
		want []string
	}{
		{"directory", func(t *testing.T) string {
			dir := filepath.Join(open(t), "data")
			if err := os.Mkdir(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			return dir
		}, []string{"permission denied"}},
		{"its parent", func(t *testing.T) string {
			dir := open(t)
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "data")
		}, []string{"permission denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.dir(t)
			s := prepare(t, setup{Dir: dir, User: nobody()})
			s.refuses(append(tt.want, dir, "hint: run as the user that owns", "--data")...)
		})
	}
}

// open is a temporary directory that every user can reach.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nobody is a user to whom permissions apply; nil if the tests run as one.
func nobody() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	s := used(t)
	key := filepath.Join(s.dir, "seal.key")
	own, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(used(t).dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(t *testing.T, octets []byte, mode os.FileMode) {
		t.Helper()
		if err := os.Remove(key); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if octets == nil {
			return
		}
		if err := os.WriteFile(key, octets, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		octets []byte
		mode   os.FileMode
		want   []string
	}{
		{"of another database", other, 0o400, []string{"this database is sealed under key", key}},
		{"missing", nil, 0, []string{key, "missing", "put your copy of it back"}},
		{"readable by the group", own, 0o440, []string{key, "0440", "chmod 0400"}},
		{"cut short", own[:len(own)/2], 0o400, []string{key, "damaged or cut short", "put your copy of it back"}},
		{"empty", []byte{}, 0o400, []string{key, "empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			put(t, tt.octets, tt.mode)
			s.in(t).refuses(tt.want...)
			if now, err := os.ReadFile(key); tt.octets == nil && !errors.Is(err, os.ErrNotExist) || tt.octets != nil && !bytes.Equal(now, tt.octets) {
				t.Errorf("the key file was touched (%v)", err)
			}
		})
	}
	put(t, own, 0o400)
	s.begin()
}

func TestSecondServerOnTheSameDirectory(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	second := prepare(t, setup{Dir: s.dir})
	second.dir = s.dir
	second.refuses(s.dir, "in use by another process", fmt.Sprintf("pid %d", s.cmd.Process.Pid), "stop it first")
	s.client("vpn").ask("nobody", "x", nil).want(t, "reject")
	s.do("", "account", "add", "alice")
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	damage := func(t *testing.T, s *server, change func(b []byte) []byte) {
		t.Helper()
		name := filepath.Join(s.dir, "sallyport.db")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("no database", func(t *testing.T) {
		s := used(t)
		damage(t, s, func(b []byte) []byte { copy(b, "this is not a database"); return b })
		s.refuses(s.dir, "the database is damaged; restore the newest backup into an empty directory")
	})
	t.Run("cut short", func(t *testing.T) {
		s := used(t)
		damage(t, s, func(b []byte) []byte { return b[:len(b)/2] })
		s.refuses(s.dir, "the database is damaged; restore the newest backup into an empty directory")
	})
	t.Run("holes after a crash", func(t *testing.T) {
		s := start(t, setup{})
		s.client("vpn")
		s.enrol("alice")
		s.stop() // so that all is in the file
		s.begin()
		s.kill()
		for _, leftover := range []string{"-wal", "-shm"} {
			os.Remove(filepath.Join(s.dir, "sallyport.db"+leftover))
		}
		damage(t, s, func(b []byte) []byte {
			for page := 2; (page+1)*4096 <= len(b); page += 2 {
				for i := range 64 {
					b[page*4096+i] = 0xff
				}
			}
			return b
		})
		s.refuses(s.dir, "the database is damaged; restore the newest backup into an empty directory")
	})
}

// A disk that fills up stops logins and nothing else: nobody is let in without
// an event, the log says what to do, and all goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	rootOnly(t)
	peer(t, "unshare")
	// A file system of a few megabytes that only the server sees.
	mount := t.TempDir()
	s := start(t, setup{
		Dir:  filepath.Join(mount, "data"),
		Wrap: []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"`, mount},
		Seen: func(pid int) string { return fmt.Sprintf("/proc/%d/root%s/data", pid, mount) },
	})
	n := s.client("passing", "--password", "none", "--rate", "100000")
	p := s.tokens("alice")[0]
	accepts := 0
	login := func(within time.Duration) string {
		t.Helper()
		k := n.dial()
		defer k.close()
		v := k.askFor(n.request(p.name, p.code(), nil), within).verdict()
		if v == "accept" {
			accepts++
		}
		return v
	}
	if v := login(patience); v != "accept" {
		t.Fatalf("before the disk is full: %q", v)
	}

	filler := filepath.Join(filepath.Dir(s.dir), "filler")
	fill(t, filler)
	// What the database has claimed already still holds a few logins.
	silent := false
	for range 5000 {
		if v := login(500 * time.Millisecond); v == "" {
			silent = true
			break
		} else if v != "accept" {
			t.Fatalf("on a full disk: %s", v)
		}
		fill(t, filler)
	}
	if !silent {
		t.Fatal("5,000 logins fit on a full disk")
	}
	for range 3 {
		// A code that was not accepted is not spent, and still nobody gets in.
		p.spent--
		if v := login(300 * time.Millisecond); v != "" {
			t.Errorf("on a full disk: %q; want silence, so that the NAS asks another server", v)
		}
	}
	if !s.running() {
		t.Fatalf("the server ended: %s", s.log)
	}
	if !strings.Contains(s.log.String(), "no space is left for the database") {
		t.Errorf("the log does not say that the disk is full:\n%s", s.log)
	}
	if r := s.try("", "account", "add", "bob"); r.Exit == 0 || !strings.Contains(r.Err, "space") {
		t.Errorf("a change on a full disk: exit code %d, %s", r.Exit, r.Err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.spent--
	eventually(t, "logins go on when there is room", func() bool {
		if login(500*time.Millisecond) == "accept" {
			return true
		}
		p.spent--
		return false
	})
	if status, body := s.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	told := 0
	for _, ev := range s.events("--account", p.name) {
		if ev.Verdict == "accept" {
			told++
		}
	}
	if told != accepts {
		t.Errorf("%d accepts were seen on the wire and %d are in the events", accepts, told)
	}
	s.do("", "account", "add", "bob")
}

// fill writes to a file until there is no room for another octet.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
