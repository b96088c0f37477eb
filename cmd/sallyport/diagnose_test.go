//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/diagnose"
)

// docs/diagnosis/json.md has every field of what --json prints, no others, and
// says of each what it is and whether it may be missing.
func TestJSONIsDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "diagnosis", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	section := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "## "); ok {
			section = h
		}
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) >= 3 {
			name := strings.Trim(strings.TrimPrefix(cells[0], "| "), "`")
			documented[section+"."+name] = strings.TrimSpace(strings.TrimSuffix(strings.Join([]string{cells[1], line[strings.LastIndex(strings.TrimSuffix(line, "|"), "|")+1:]}, "; "), "|"))
		}
	}
	names := map[reflect.Type]string{
		reflect.TypeFor[diagnose.Report](): "Report", reflect.TypeFor[diagnose.FileSummary](): "File", reflect.TypeFor[diagnose.Totals](): "Totals",
		reflect.TypeFor[diagnose.Finding](): "Finding", reflect.TypeFor[diagnose.Evidence](): "Evidence", reflect.TypeFor[diagnose.Step](): "Step",
		reflect.TypeFor[diagnose.Tried](): "Attempt",
	}
	typed := func(typ reflect.Type) string {
		list := ""
		if typ.Kind() == reflect.Slice {
			list, typ = "list of ", typ.Elem()
		}
		switch {
		case names[typ] != "":
			return list + names[typ]
		case typ == reflect.TypeFor[time.Time]():
			return list + "time"
		case typ.Kind() == reflect.String:
			return list + "string"
		case typ.Kind() == reflect.Bool:
			return list + "boolean"
		case typ.Kind() == reflect.Map:
			return list + "object"
		}
		return list + "number"
	}
	fields := 0
	for typ, name := range names {
		for i := range typ.NumField() {
			fields++
			tag, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			want := typed(typ.Field(i).Type) + ";"
			if options != "" {
				want += "  may be missing"
			}
			if got := documented[name+"."+tag]; strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
				t.Errorf("%s.%s is documented as %q; want %q", name, tag, got, want)
			}
			delete(documented, name+"."+tag)
		}
	}
	if fields < 50 {
		t.Errorf("only %d fields", fields)
	}
	for name := range documented {
		t.Errorf("%s is documented, and there is no such field", name)
	}
}

const twoLogins = `exception thrown is = System.Net.WebException: The remote server returned an error: (401) Unauthorized.<CR><LF> at System.Net.HttpWebRequest.GetResponse()<CR><LF> at OktaWidget.JwtService.GetStateTokenUsingJwt(String username)
`

// What is printed for people, to the letter.
func TestDiagnoseForPeople(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("OktaWidget.log", []byte(twoLogins), 0o600); err != nil {
		t.Fatal(err)
	}
	a, out, errOut := newApp("")
	if exit := a.run(context.Background(), []string{"diagnose", "OktaWidget.log"}); exit != exitFound || errOut.Len() > 0 {
		t.Errorf("exit %d, stderr %s; want %d", exit, errOut, exitFound)
	}
	c := diagnose.CauseByID("okta-unauthorized")
	for _, want := range []string{
		"1 of 1 attempt to log in failed: ", "\nWhy: Okta answered the agent with 401 Unauthorized.\n", "\nMFA: Multi-factor authentication is at fault.\n",
		"\n1. Okta answered the agent with 401 Unauthorized\n   okta-unauthorized · proven · MFA is at fault\n",
		"\n   how sure  ", "\n   who acts  " + wrap(c.Who, 66)[0], "\n   What to do\n   1. ", "\n   How to see that it is mended\n   1. ",
		"\n   Evidence\n   OktaWidget.log:1\n     exception thrown is = System.Net.WebException: The remote server returned an error: (401)",
		"\n   Where this is known from\n   https://", "\nRead\n  OktaWidget.log: 1 line, of them 1 okta-widget\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out.String()) {
		command := strings.HasPrefix(line, "        ") || strings.HasPrefix(line, "       ")
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 && !command && !strings.Contains(line, "https://") && !strings.HasPrefix(line, "     exception") {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
}

// Names in logs cannot act on a terminal, and colours are only on one.
func TestDiagnosePrintsNothingThatActs(t *testing.T) {
	f := diagnose.Finding{
		Cause: "x\x1b[2J", Title: "t\x1b[2J", Means: "m\u202e", Why: "w\a", Users: []string{"u\x1b]0;x\a"}, Count: 1,
		Evidence: []diagnose.Evidence{{File: "f\x1b[2J", Line: 1, Text: "e\x1b[2J\u202e"}}, Remedy: []diagnose.Step{{Text: "r\x1b", Commands: []string{"c\x1b[2J"}}}, Source: []string{"s\x1b"},
	}
	r := &diagnose.Report{Findings: []diagnose.Finding{f}, Files: []diagnose.FileSummary{{Name: "n\x1b[2J", Lines: 1}, {Name: "b\x1b[2J", Error: "e\x1b"}}, Warnings: []string{"w\x1b[2J"}}
	a, out, errOut := newApp("")
	if err := a.tellReport(r); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{out.String(), errOut.String(), a.triedLine(diagnose.Tried{User: "u\x1b", From: "f\x1b", Host: "h\x1b", File: "f\x1b", Causes: []string{"c\x1b"}}, nil)} {
		if strings.ContainsAny(s, "\x1b\a\u202e") || s == "" {
			t.Errorf("printed %q", s)
		}
	}
}

func TestAround(t *testing.T) {
	long := strings.Repeat("a", 100) + "FAILED" + strings.Repeat("b", 100)
	tests := []struct {
		name, s  string
		at, most int
		want     string
	}{
		{"short", "abc", 1, 10, "abc"},
		{"what matters is in the middle", long, 100, 20, "…aaaaaFAILEDbbbbbbbbb…"},
		{"at the beginning", "FAILED" + strings.Repeat("b", 30), 0, 10, "FAILEDbbbb…"},
		{"at the end", strings.Repeat("a", 30) + "FAILED", 30, 10, "…aaaaFAILED"},
		{"characters of several octets", strings.Repeat("ж", 30), 58, 4, "…жжжж"},
		{"not UTF-8", strings.Repeat("\xff", 30), 0, 4, "�…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := around(tt.s, tt.at, tt.most); got != tt.want && tt.name != "not UTF-8" {
				t.Errorf("around = %q; want %q", got, tt.want)
			}
		})
	}
}

// The key of pseudonyms is made once, for its owner alone, and then stays.
func TestRedactKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sallyport", "redact.key")
	one, err := keptKey(name)
	if err != nil || len(one) != keyLength {
		t.Fatalf("keptKey = %d octets, %v", len(one), err)
	}
	two, err := keptKey(name)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the second time another key (%v)", err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(name)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if err := os.WriteFile(name, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keptKey(name); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a key that is too short: %v", err)
	}
}

// Without a place to keep a key, one is made for this time, and the person told.
func TestRedactWithoutAPlaceForTheKey(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(t.TempDir(), "file"))
	if err := os.WriteFile(os.Getenv("XDG_CONFIG_HOME"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, errOut := newApp("")
	one, err := a.redactKey()
	two, _ := a.redactKey()
	if err != nil || len(one) != keyLength || bytes.Equal(one, two) || !strings.Contains(errOut.String(), "note: pseudonyms are for this time only") {
		t.Errorf("redactKey = %d octets, %v, stderr %s", len(one), err, errOut)
	}
}

// --follow prints what fails as it is written, describes a cause once, goes on
// when the log is rotated, and ends when it is interrupted.
func TestDiagnoseFollow(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "OktaWidget.log")
	write := func(s string) {
		f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(s)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("")
	s := newScript(t)
	c := s.command([]string{"diagnose", "--follow", dir})
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	lines := make(chan string, 1000)
	go func() {
		for sc := bufio.NewScanner(pipe); sc.Scan(); {
			lines <- sc.Text()
		}
		close(lines)
	}()
	// It follows from when it looks first; until then lines pass it by.
	wait := func(want string) (seen []string) {
		deadline := time.After(30 * time.Second)
		again := time.NewTicker(300 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case l, ok := <-lines:
				if !ok {
					t.Fatalf("it ended before %q; said %q", want, seen)
				}
				seen = append(seen, l)
				if strings.Contains(l, want) {
					return seen
				}
			case <-again.C:
				write(twoLogins)
			case <-deadline:
				t.Fatalf("no %q; said %q", want, seen)
			}
		}
	}
	wait("okta-unauthorized  " + log + ":")
	seen := strings.Join(wait("okta-unauthorized (3 times)"), "\n")
	if n := strings.Count(seen, "Okta answered the agent with 401 Unauthorized"); n != 1 {
		t.Errorf("the cause was described %d times; want once:\n%s", n, seen)
	}
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	write("")
	wait(log + ":1")
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range lines {
	}
	c.Wait() // its exit code is what counts
	if exit := c.ProcessState.ExitCode(); exit != exitFound {
		t.Errorf("exit %d; want %d", exit, exitFound)
	}
}

// --json is one object that can be read back.
func TestDiagnoseJSON(t *testing.T) {
	a, out, _ := newApp(twoLogins)
	if exit := a.run(context.Background(), []string{"diagnose", "-", "--json"}); exit != exitFound {
		t.Errorf("exit %d", exit)
	}
	var r diagnose.Report
	d := json.NewDecoder(out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || d.More() || len(r.Findings) != 1 || r.Findings[0].Cause != "okta-unauthorized" || r.Schema == "" {
		t.Errorf("%v, %+v", err, r.Findings)
	}
}

func TestPace(t *testing.T) {
	tests := []struct {
		done, all int64
		in        time.Duration
		want      string
	}{
		{1_500_000, 10_000_000, 2 * time.Second, "read 1.5 MB of 10.0 MB (15 %), 750.0 kB/s"},
		{500, 0, time.Second, "read 500 B, 500 B/s"},
		{2_000_000_000, 1_000_000_000, time.Second, "read 2.0 GB of 1.0 GB (100 %), 2.0 GB/s"},
	}
	for _, tt := range tests {
		if got := pace(tt.done, tt.all, tt.in); got != tt.want {
			t.Errorf("pace = %q; want %q", got, tt.want)
		}
	}
}

func TestExplainUnknownCauseListsNearOnes(t *testing.T) {
	for typed, want := range map[string]string{"tls-versions": "tls-version", "TLS": "tls-version", "okta": "okta-unauthorized", "zzzzzzzzzz": "README.md"} {
		a, _, errOut := newApp("")
		if exit := a.run(context.Background(), []string{"diagnose", "--explain", typed}); exit != exitUsage || !strings.Contains(errOut.String(), want) {
			t.Errorf("--explain %s: exit %d, stderr %s; want %q", typed, exit, errOut, want)
		}
	}
}
