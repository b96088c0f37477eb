package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The demo shows the five logins, each with its reason, and leaves nothing
// behind.
func TestDemo(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "sallyport/cmd/sallyport", "sallyport/cmd/demo")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	temp := t.TempDir()
	demo := exec.CommandContext(t.Context(), filepath.Join(bin, "demo"), filepath.Join(bin, "sallyport"))
	demo.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := demo.CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{
		"Access-Accept", "23 OATH Code Verified", "138 OATH Code Incorrect", "139 Duplicate OATH Code",
		"octet for octet", "nothing was judged a second time", "1102 Shared Secret Mismatch",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if told := regexp.MustCompile(`"Sign-in failed\. Reference [0-9A-Z]{4}-[0-9A-Z]{4}\."`).FindAllString(text, -1); len(told) != 2 {
		t.Errorf("the person is told %q; want two refusals with references", told)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
	if t.Failed() {
		t.Log(text)
	}
}
