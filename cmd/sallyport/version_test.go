//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The Makefile names the variable that holds the release, and the linker says
// nothing if there is none of that name.
func TestReleaseIsLinked(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	release := filepath.Join(t.TempDir(), "sallyport")
	build := exec.Command("make", "-C", filepath.Join("..", ".."), "program", "BIN="+release, "VERSION=9.8.7")
	// Whatever make runs this test has flags of its own.
	build.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make program: %v\n%s", err, out)
	}
	out, err := exec.Command(release, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var v versionView
	if err := json.Unmarshal(out, &v); err != nil || v.Version != "9.8.7" {
		t.Errorf("version %q (%v), want the one that was linked: 9.8.7", v.Version, err)
	}
}
