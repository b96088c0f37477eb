package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/auth"
)

// TestDiskFullForReal fills a small file system, in a mount namespace of its
// own, and empties it again. TestDiskFull covers the same rule where that is
// not allowed.
func TestDiskFullForReal(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_SMALL"); dir != "" {
		fillUp(t, dir)
		return
	}
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf // there it must be allowed
	}
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		skip("needs leave to mount: unshare: %v %s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "-m", "sh", "-c",
		`mount -t tmpfs -o size=6m tmpfs "$STORE_TEST_SMALL" || exit 99; exec "$0" -test.run '^TestDiskFullForReal$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_SMALL="+dir)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 99 {
		skip("needs leave to mount: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDiskFullForReal") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fillUp(t *testing.T, dir string) {
	r := newRig(t, Options{Dir: filepath.Join(dir, "data")})
	s := r.store
	addAccounts(t, s, 20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for episode := range 3 {
		var full error
		for i := 0; full == nil; i++ {
			if i > 100_000 {
				t.Fatal("the file system never became full")
			}
			st := login(mustSnapshot(t, s, query(i%20)), int64(episode*1_000_000+i))
			st.Event.From = strings.Repeat("x", 5000)
			seq, err := s.Commit(context.Background(), st)
			if err == nil {
				if seq != last+1 {
					t.Fatalf("event %d follows %d", seq, last)
				}
				last = seq
			}
			full = err
		}
		if !errors.Is(full, ErrDiskFull) {
			t.Fatalf("Commit on a full disk = %v, want ErrDiskFull", full)
		}
		if err := s.Healthy(); err != nil {
			t.Fatalf("Healthy = %v; a full disk passes", err)
		}
		for range 5 {
			if _, err := s.Commit(context.Background(), login(mustSnapshot(t, s, query(1)), 1<<40)); err == nil {
				last++ // a short one may still fit
			} else if !errors.Is(err, ErrDiskFull) {
				t.Fatalf("Commit on a full disk = %v, want ErrDiskFull", err)
			}
		}
		// Space returns, a little less each time.
		if err := os.Truncate(ballast, 2<<20-int64(episode+1)*300<<10); err != nil {
			t.Fatal(err)
		}
		seq, err := s.Commit(context.Background(), login(mustSnapshot(t, s, query(0)), int64(episode*1_000_000+999_999)))
		if err != nil || seq != last+1 {
			t.Fatalf("Commit with space again = %d, %v; want %d", seq, err, last+1)
		}
		last = seq
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = r.reopen(t)
	for seq := uint64(1); seq <= last; seq++ {
		if _, err := s.Event(context.Background(), seq); err != nil {
			t.Fatalf("event %d was acknowledged and is gone: %v", seq, err)
		}
	}
	if f := mustSnapshot(t, s, query(0)); f.Authenticators[1].Mark == auth.NoMark {
		t.Error("the spent step of the last login is gone")
	}
}
