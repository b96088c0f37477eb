// Package sallyport is the root of the module. It holds no code, only the
// tests of the structure of everything below it.
package sallyport

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors is the structure of the program. A package imports only from floors
// below its own, never a neighbour on its own floor. The value says why the
// package stands where it does.
var floors = []struct {
	floor    int
	packages map[string]string
}{
	{1, map[string]string{
		"otp":      "computes codes; knows nothing of accounts",
		"pskc":     "reads seed files; keeps nothing",
		"radius":   "speaks a protocol; decides nothing",
		"seal":     "encrypts; does not know what",
		"kdf":      "hashes low-entropy secrets; does not know whose",
		"config":   "reads the start-up file; starts nothing",
		"patience": "reckons how long clients wait from what it is told; sees no packet",
		"tlsprobe": "says hello to TLS servers and reads hellos; judges nothing",
		"intake":   "turns files and archives into lines; does not understand them",
		"evtx":     "reads Windows event logs; does not understand the events",
		"winreg":   "reads registry exports and hives; judges nothing",
		"web":      "holds the pages for browsers; serves nothing",
		"phrase":   "says sentences in another language; composes none",

		"evtx/evtxtest": "writes Windows event logs; only tests import it",
	}},
	{2, map[string]string{
		"auth":    "decides; everything below is a tool, everything above serves it",
		"load":    "generates load on any RADIUS server; knows nothing of ours",
		"capture": "finds handshakes in packets; judges no setting",
	}},
	{3, map[string]string{
		"admin":    "changes what auth decides on; never decides a login",
		"diagnose": "says what logs show; touches nothing",
	}},
	{4, map[string]string{
		"auth/authtest":   "the test kit; only tests import it",
		"factor/oath":     "a factor cannot reach the store, a door or another factor",
		"factor/password": "a factor cannot reach the store, a door or another factor",
		"factor/pin":      "a factor cannot reach the store, a door or another factor",
		"factor/recovery": "a factor cannot reach the store, a door or another factor",
		"factor/webauthn": "a factor cannot reach the store, a door or another factor",
		"store":           "keeps facts; does not know who asks",
		"store/pgtest":    "runs PostgreSQL servers; only tests import it",
		"audit":           "ships what was committed; changes nothing but its cursor",
		"radiusd":         "a door cannot reach a factor or the store",
		"httpd":           "a door cannot reach a factor or the store",
		"check":           "looks at targets from outside; changes nothing",
		"report":          "shows what was found; finds nothing",

		"factor/webauthn/webauthntest": "plays a person with a passkey; only tests import it",
	}},
	{5, map[string]string{
		"server": "the only place that names implementations",
	}},
	{6, map[string]string{
		"cmd/sallyport":  "parses arguments and calls",
		"cmd/demo":       "plays a person and a NAS against the built program",
		"bench":          "measures the built program from outside",
		"bench/diagnose": "measures how fast logs are read, beside ripgrep",
		"bench/console":  "measures how fast pages have what they show",
		"e2e":            "tests the built program from outside",
	}},
}

// TestFloors parses every Go file and checks every import of this module
// against the table. Test files may import anything below or beside them,
// because a suite and what it tests stand on one floor, but nothing above.
func TestFloors(t *testing.T) {
	floorOf := make(map[string]int)
	for _, f := range floors {
		for p := range f.packages {
			floorOf[p] = f.floor
		}
	}
	found := make(map[string]bool)
	eachGoFile(t, func(path string) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			return
		}
		found[dir] = true
		own, ok := floorOf[dir]
		if !ok {
			t.Errorf("package %s is not in the table of floors; add it in the change that makes it", dir)
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		test := strings.HasSuffix(path, "_test.go")
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			dep, ours := strings.CutPrefix(name, "sallyport/")
			if !ours || dep == dir {
				continue
			}
			below, ok := floorOf[dep]
			switch {
			case !ok:
				t.Errorf("%s imports %s, which is not in the table of floors", path, dep)
			case dep == "auth/authtest" && !test && dir != "auth/authtest":
				t.Errorf("%s imports the test kit outside a test", path)
			case test && below > own && dir != "auth":
				t.Errorf("test %s (floor %d) imports %s, which stands above it (floor %d)", path, own, dep, below)
			case !test && below >= own:
				t.Errorf("%s (floor %d) imports %s (floor %d): only floors below may be imported", path, own, dep, below)
			}
		}
	})
	for p := range floorOf {
		if !found[p] {
			t.Errorf("the table of floors names %s, which does not exist", p)
		}
	}
}

// TestNoClockInTheCore finds time.Now outside the places that may read a clock:
// doors, assembly, commands, and what only measures or schedules itself.
func TestNoClockInTheCore(t *testing.T) {
	mayReadClock := map[string]string{
		"radius":         "a socket loop ages its duplicate table; the field Now replaces it in tests",
		"kdf":            "waits for a lane at most so long; decides nothing by it",
		"store":          "paces background work; every time that is kept comes from an event",
		"store/pgtest":   "the test kit waits for real servers",
		"httpd":          "a door",
		"auth/authtest":  "the test kit compares with the time of real doors",
		"load":           "measures",
		"tlsprobe":       "measures how long an answer takes; decides nothing by it",
		"server":         "assembly hands the clock to everybody else",
		"cmd/sallyport":  "a command",
		"cmd/demo":       "a command",
		"bench/diagnose": "a command",
		"bench/console":  "a command",
		"bench":          "a command",
		"e2e":            "tests from outside",
	}
	eachGoFile(t, func(path string) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") || mayReadClock[dir] != "" {
			return
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, clock := range []string{"time.Now(", "time.Since(", "time.Until("} {
			if strings.Contains(string(src), clock) {
				t.Errorf("%s calls %s...): the time is an argument here", path, clock)
			}
		}
	})
}

// TestPackageComments checks that every package says once what it hides.
func TestPackageComments(t *testing.T) {
	comments := make(map[string]int)
	eachGoFile(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if _, seen := comments[dir]; !seen {
			comments[dir] = 0
		}
		if file.Doc != nil {
			comments[dir]++
		}
	})
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("package %s has %d package comments; it wants one", dir, n)
		}
	}
}

func eachGoFile(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".go") {
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
