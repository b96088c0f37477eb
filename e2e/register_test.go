//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	registerRow = regexp.MustCompile(`^\| (\d+) \|[^|]+\|([^|]+)\|$`)
	namedTest   = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")
)

// Every test that the register of incidents names exists, every row names one
// or says why there is none, and no row of groups A, B and F is missing.
func TestRegisterNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "incidents.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[int]bool)
	for line := range strings.Lines(string(text)) {
		m := registerRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| # ") {
				t.Errorf("this row cannot be read: %s", line)
			}
			continue
		}
		number, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if rows[number] {
			t.Errorf("row %d stands twice", number)
		}
		rows[number] = true
		tests := namedTest.FindAllStringSubmatch(m[2], -1)
		if len(tests) == 0 && !strings.Contains(m[2], "not in this build: ") {
			t.Errorf("row %d names no test and gives no reason", number)
		}
		for _, test := range tests {
			if !hasTest(t, test[1], test[2]) {
				t.Errorf("row %d: there is no test %s in package %s", number, test[2], test[1])
			}
		}
	}
	for _, group := range [][2]int{{1, 14}, {15, 24}, {54, 64}} {
		for n := group[0]; n <= group[1]; n++ {
			if !rows[n] {
				t.Errorf("row %d is missing", n)
			}
		}
	}
}

// hasTest reports whether a package has a test of that name.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
