package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is an attempt in one line: time in UTC, user, address, method, stage,
// verdict, codes, and the numbers of its lines.
func told(a *Attempt) string {
	at := "-"
	if !a.Time.IsZero() {
		at = a.Time.UTC().Format("2006-01-02T15:04:05")
		if a.ZoneAssumed {
			at += "?"
		}
	}
	numbers := make([]string, len(a.Lines))
	for i, l := range a.Lines {
		numbers[i] = fmt.Sprint(l.Number)
	}
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return strings.Join([]string{
		at, dash(a.User), dash(a.From), dash(a.Method), dash(string(a.Stage)), string(a.Verdict),
		dash(strings.Join(a.Codes, ",")), strings.Join(numbers, "+"),
	}, " ")
}

// A readTest is lines of one log, and the attempts that they tell of.
type readTest struct {
	name, text string
	want       []string
}

func runReadTests(t *testing.T, format Format, tests []readTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, a := range readAll(t, format, tt.text) {
				if a.Product != format.Name {
					t.Errorf("product %q; want %q", a.Product, format.Name)
				}
				got = append(got, told(a))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s reads %q as\n%s\nwant\n%s", format.Name, tt.text, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// fuzzReader checks what every reader owes, whatever is in a file (readAll says
// what that is), that it holds no more attempts open than it may, and that a
// text that was read once is read the same way again.
func fuzzReader(f *testing.F, format Format, seeds ...string) {
	f.Helper()
	for _, b := range sampleBlocks(f) {
		if strings.HasPrefix(format.Name, strings.TrimSuffix(b.file, ".txt")) {
			f.Add(b.text)
		}
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first := readAll(t, format, text)
		again := readAll(t, format, text)
		if len(first) != len(again) {
			t.Fatalf("%d attempts, and %d the second time", len(first), len(again))
		}
		for i := range first {
			if a, b := told(first[i]), told(again[i]); a != b {
				t.Errorf("attempt %d is %q, and %q the second time", i, a, b)
			}
			for _, l := range first[i].Lines {
				if l == nil {
					t.Errorf("attempt %d has a line that is none", i)
				}
			}
		}
		// The same lines many times over must not pile up within the reader.
		r, open := format.New(), 0
		out := &Sink{Zone: time.UTC, attempt: func(a *Attempt) { open -= len(a.Lines) }}
		number := 0
		for range 50 {
			for line := range strings.Lines(text) {
				number++
				l := &Line{File: "test", Number: number, Text: strings.TrimRight(line, "\r\n")}
				if r.Read(l, out) == Kept {
					open++
				}
			}
		}
		if open > 20_000 {
			t.Errorf("%d lines are held open", open)
		}
		r.Close(out)
		if open > 0 {
			t.Errorf("%d lines were kept and never handed over", open)
		}
	})
}

func TestOktaScreen(t *testing.T) {
	runReadTests(t, oktaScreen, []readTest{
		{"the two titles", "MFA Bypass\n  Display failed.\n\"MFA Bypass dialog\"\n", []string{
			"- - - - policy failed okta-screen:mfa-bypass 1",
			"- - - - client failed okta-screen:display-failed 2",
			"- - - - policy failed okta-screen:mfa-bypass 3",
		}},
		{"within another sentence they mean nothing", "an MFA Bypass code was used\nthe display failed to wake\n", nil},
	})
}

func FuzzOktaScreen(f *testing.F) { fuzzReader(f, oktaScreen, "MFA Bypass\n") }

func TestLeadingTime(t *testing.T) {
	out := &Sink{Zone: time.FixedZone("", 3600)}
	tests := []struct {
		in, want, rest string
		zoned          bool
	}{
		{"2025-07-23 16:54:59.154 +05:30 [ERR] x", "2025-07-23T11:24:59.154Z", "[ERR] x", true},
		{"2025/05/26 02:15:41:804 -0700 {x", "2025-05-26T09:15:41.804Z", "{x", true},
		{"[25-08-2025 13:39:01] [a.cpp:1]", "2025-08-25T12:39:01Z", "[a.cpp:1]", false},
		{"[16.07.2015 08:20:10.0563]: text", "2015-07-16T07:20:10.0563Z", ": text", false},
		{"[2022-08-12 13:35:24,855][1]", "2022-08-12T12:35:24.855Z", "[1]", false},
		{"2026-03-02T09:12:44Z x", "2026-03-02T09:12:44Z", "x", true},
		{"3/25/2026 9:05:07 PM x", "2026-03-25T20:05:07Z", "x", false},
		{"25/3/2026 21:05:07 x", "2026-03-25T20:05:07Z", "x", false},
		{"3/4/2026 9:05:07 AM x", "2026-03-04T08:05:07Z", "x", false},
		{"3/4/2026 09:05:07 x", "", "x", false}, // the third of April, or the fourth of March
		{"2026-13-40 09:05:07 x", "", "x", false},
		{"exception at 2026-03-02 09:12:44", "", "exception at 2026-03-02 09:12:44", false},
		{"2026-03-02 noon", "", "2026-03-02 noon", false},
		{"", "", "", false},
	}
	for _, tt := range tests {
		at, zoned, rest, _ := leadingTime(tt.in, out)
		got := ""
		if !at.IsZero() {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != tt.want || zoned != tt.zoned || rest != tt.rest {
			t.Errorf("leadingTime(%q) = %q, %t, %q; want %q, %t, %q", tt.in, got, zoned, rest, tt.want, tt.zoned, tt.rest)
		}
	}
}
