package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// readAll reads text as one file in one format, as the engine would: only lines
// with a mark reach the reader. It checks what every reader owes: each line that
// was kept is in an attempt that is handed over later, no attempt is without
// lines, and none is handed over twice.
func readAll(t testing.TB, format Format, text string) []*Attempt {
	t.Helper()
	var all []*Attempt
	out := &Sink{
		Zone: time.UTC, Newest: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		attempt: func(a *Attempt) { all = append(all, a) },
	}
	r := format.New()
	var kept []*Line
	handed := map[*Line]int{} // by line: how many attempts had been handed over when it was kept
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if !slices.ContainsFunc(format.Marks, func(m string) bool { return containsFold(line, m) }) {
			continue
		}
		l := &Line{File: "test", Number: number, Text: line}
		switch r.Read(l, out) {
		case Kept:
			kept = append(kept, l)
			handed[l] = len(all)
		case Noted, NotMine:
		}
	}
	r.Close(out)
	seen := map[*Attempt]bool{}
	for _, a := range all {
		if len(a.Lines) == 0 {
			t.Fatalf("an attempt without lines: %+v", a)
		}
		if seen[a] {
			t.Fatalf("an attempt was handed over twice: %+v", a)
		}
		seen[a] = true
		if a.Product == "" || a.Verdict == "" {
			t.Fatalf("an attempt without product or verdict: %+v", a)
		}
	}
	for _, l := range kept {
		n := 0
		for _, a := range all[handed[l]:] {
			if slices.Contains(a.Lines, l) {
				n++
			}
		}
		if n == 0 || n > 1 && strings.Count(l.Text, "<Event") < 2 { // a line of XML may hold several events
			t.Fatalf("line %d was kept, and handed over in %d attempts: %s", l.Number, n, l.Text)
		}
	}
	return all
}
