//go:build linux

package e2e

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// browserLimit bounds the whole story. It is long because browsers are slow
// under the race detector; a page that hangs fails much sooner.
const browserLimit = 20 * time.Minute

var (
	pagesLine = regexp.MustCompile(`(?m)^pages +(http://localhost:\d+)/`)
	setUpLine = regexp.MustCompile(`(?m)^set up +(http://localhost:\d+/set-up#\S+)`)
)

// People with real browsers set the program up, invite, enrol, log in, help and
// look, and every page is looked at: web/e2e tells the story, with Playwright
// and Debian's Chromium. With SALLYPORT_SCREENS=1 it leaves pictures of all
// pages in docs/screens.
func TestBrowser(t *testing.T) {
	node, chromium, radclient := peer(t, "node"), peer(t, "chromium"), peer(t, "radclient")
	program := withPages(t)
	s := start(t, setup{Program: program, Local: freePort(t), Config: limitsOf(5, 5)})
	var pages, setUp []string
	eventually(t, "the server says where its pages are", func() bool {
		pages = pagesLine.FindStringSubmatch(s.out.String())
		setUp = setUpLine.FindStringSubmatch(s.out.String())
		return pages != nil && setUp != nil
	})

	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	defer cancel()
	args := []string{filepath.Join(root, "web", "node_modules", "@playwright", "test", "cli.js"), "test"}
	if only := os.Getenv("SALLYPORT_SPEC"); only != "" { // one project of the story, for whoever writes it
		args = append(args, "--project", only)
	}
	c := exec.CommandContext(ctx, node, args...)
	c.Dir = filepath.Join(root, "web")
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC", "FORCE_COLOR=0",
		"SALLYPORT_URL=" + pages[1], "SALLYPORT_SET_UP=" + setUp[1],
		"SALLYPORT_RADIUS=" + s.addr.String(), "SALLYPORT_NAS=" + newSource().String(), "SALLYPORT_RADCLIENT=" + radclient,
		"SALLYPORT_CHROMIUM=" + chromium, "SALLYPORT_STORY=" + dir, "SALLYPORT_RESULTS=" + filepath.Join(dir, "results"),
	}
	if os.Getenv("SALLYPORT_SCREENS") == "1" {
		c.Env = append(c.Env, "SALLYPORT_SCREENS="+filepath.Join(root, "docs", "screens"))
	}
	out := new(capture)
	c.Stdout, c.Stderr = out, out
	// Chromium's processes end with their parent.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 10 * time.Second
	err = c.Run()
	t.Log(out)
	switch {
	case ctx.Err() != nil:
		t.Fatalf("the story did not end within %v", browserLimit)
	case err != nil:
		t.Fatalf("the story failed: %v", err)
	case !strings.Contains(out.String(), " passed"):
		t.Fatal("no spec was run")
	}
}

// withPages makes sure that the pages are built, and returns the program that
// has them, "" for the one that is tested anyway.
func withPages(t *testing.T) string {
	t.Helper()
	const index = "../web/dist/index.html"
	before, err := os.Stat(index)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "../.ci/pages").CombinedOutput(); err != nil {
		missing(t, "the pages cannot be built: "+err.Error()+"\n"+string(out))
	}
	after, err := os.Stat(index)
	if err != nil {
		t.Fatal(err)
	}
	if before != nil && after.ModTime().Equal(before.ModTime()) {
		return "" // TestMain built the programs with them
	}
	program := filepath.Join(t.TempDir(), "sallyport")
	if raceDetector {
		err = build(program, "CGO_ENABLED=1", raceFlags...)
	} else {
		err = build(program, "CGO_ENABLED=0")
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// freePort returns a loopback address at which "localhost" is reached and
// nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(home, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
