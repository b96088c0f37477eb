package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"sallyport/diagnose"
	"sallyport/report"
)

const (
	shownEvidence = 3  // lines of a finding on a terminal
	shownFiles    = 10 // files that were read
	shownNames    = 8  // people, hosts and clients of a finding
)

// columns is how wide lines may be: the terminal's width, or 80.
func (a *app) columns() int {
	if f, ok := a.out.(*os.File); ok && a.outTerminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return min(max(width, 40), 120)
		}
	}
	return 80
}

// tellReport prints a report for people: the matter in short, then each
// finding, then what was read.
func (a *app) tellReport(r *diagnose.Report) error {
	a.printSummary(report.Summarize(r))
	for i := range r.Findings {
		fmt.Fprintln(a.out)
		a.printDiagnosis(i+1, &r.Findings[i])
	}
	a.printFiles(r.Files)
	for _, w := range r.Warnings {
		a.warnf("%s", w)
	}
	return nil
}

func (a *app) printSummary(s report.Summary) {
	st := good
	if s.Wrong {
		st = bad
	}
	a.wrapped(st, "", s.Headline)
	for i, why := range s.Why {
		lead := "     "
		if i == 0 {
			lead = "Why: "
		}
		a.wrapped(plain, lead, why)
	}
	if s.Fault != "" {
		a.wrapped(plain, "MFA: ", s.Fault)
	}
	if s.First.Text != "" {
		text := s.First.Text
		if s.Who != "" {
			text += " (" + s.Who + ")"
		}
		a.wrapped(plain, "Do:  ", text)
		a.printCommands("       ", s.First.Commands)
	}
}

// wrapped prints a text in lines that fit. All but the first begin with as many
// spaces as lead has characters.
func (a *app) wrapped(st style, lead, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	for i, line := range wrap(clean(text), a.columns()-len(indent)-1) {
		if i > 0 {
			lead = indent
		}
		fmt.Fprintf(a.out, "%s%s\n", lead, a.paint(st, line))
	}
}

// printDiagnosis prints one finding; number is its place, 0 for none.
func (a *app) printDiagnosis(number int, f *diagnose.Finding) {
	lead := ""
	if number > 0 {
		lead = strconv.Itoa(number) + ". "
	}
	a.wrapped(strong, lead, f.Title)
	fault := "MFA is not at fault"
	switch {
	case f.Note:
		fault = "stops nobody"
	case f.MFAAtFault:
		fault = "MFA is at fault"
	}
	facts := []string{f.Cause, string(f.Confidence), fault}
	if f.Count > 1 {
		facts = append(facts, report.Count(f.Count)+" times")
	}
	if f.UserCount > 1 {
		facts = append(facts, report.Count(f.UserCount)+" people")
	}
	if !f.First.IsZero() {
		facts = append(facts, a.when(f.First))
		if !f.Last.Equal(f.First) {
			facts[len(facts)-1] += " to " + a.when(f.Last)
		}
	}
	a.wrapped(faint, "   ", strings.Join(facts, " · "))
	if f.Means != "" {
		fmt.Fprintln(a.out)
		a.wrapped(plain, "   ", f.Means)
	}
	fmt.Fprintln(a.out)
	a.fact("how sure", f.Why)
	a.fact("who acts", f.Who)
	a.fact("people", someOf(f.Users, f.UserCount))
	a.fact("hosts", someOf(f.Hosts, 0))
	a.fact("through", someOf(f.Clients, 0))
	a.printSteps("What to do", f.Remedy)
	a.printSteps("How to see that it is mended", f.Verify)
	a.printEvidence(f)
	a.printSources(f.Source)
}

// fact prints a name and a value with lines below one another.
func (a *app) fact(name, value string) {
	if value != "" {
		a.wrapped(plain, fmt.Sprintf("   %-10s", name), value)
	}
}

// someOf lists names, and says how many more there are.
func someOf(names []string, count int) string {
	count = max(count, len(names))
	some := names[:min(len(names), shownNames)]
	s := strings.Join(some, ", ")
	if more := count - len(some); more > 0 {
		s += fmt.Sprintf(" and %s more", report.Count(more))
	}
	return s
}

func (a *app) heading(s string) { fmt.Fprintf(a.out, "\n   %s\n", a.paint(strong, s)) }

// printSteps prints what to do, with each command on a line of its own that is
// never broken: it is there to be copied.
func (a *app) printSteps(title string, steps []diagnose.Step) {
	if len(steps) == 0 {
		return
	}
	a.heading(title)
	for i, s := range steps {
		a.wrapped(plain, fmt.Sprintf("   %d. ", i+1), s.Text)
		a.printCommands("        ", s.Commands)
	}
}

func (a *app) printCommands(indent string, commands []string) {
	for _, c := range commands {
		for line := range strings.SplitSeq(c, "\n") {
			fmt.Fprintf(a.out, "%s%s\n", indent, a.paint(good, line))
		}
	}
}

func (a *app) printEvidence(f *diagnose.Finding) {
	if len(f.Evidence) == 0 {
		return
	}
	title := "Evidence"
	if more := f.Count - shownEvidence; more > 0 && len(f.Evidence) > shownEvidence {
		title = fmt.Sprintf("Evidence (the first %d; --json and --html have more)", shownEvidence)
	}
	a.heading(title)
	for _, e := range f.Evidence[:min(len(f.Evidence), shownEvidence)] {
		where := e.File
		if e.Line > 0 {
			where += ":" + strconv.Itoa(e.Line)
		}
		fmt.Fprintf(a.out, "   %s\n", a.paint(faint, where))
		text := strings.Join(strings.Fields(strings.ReplaceAll(e.Text, "<CR><LF>", " ")), " ")
		fmt.Fprintf(a.out, "     %s\n", a.paint(plain, around(text, telling(f.Cause, text), 2*(a.columns()-6))))
	}
}

// telling is where in a line the text stands that shows the cause, 0 if that is
// not known.
func telling(cause, line string) int {
	c := diagnose.CauseByID(cause)
	if c == nil {
		return 0
	}
	lower := strings.ToLower(line)
	for i := range c.Signs {
		_, code, _ := strings.Cut(c.Signs[i].Code, ":")
		for _, t := range []string{c.Signs[i].Text, code, strings.ReplaceAll(code, "-", " ")} {
			if at := strings.Index(lower, strings.ToLower(t)); len(t) > 3 && at >= 0 && at < len(line) {
				return at
			}
		}
	}
	return 0
}

// around cuts s to at most so many characters, of which a quarter stand before
// the octet at.
func around(s string, at, most int) string {
	runes := []rune(strings.ToValidUTF8(s, "\ufffd"))
	if len(runes) <= most {
		return s
	}
	before := utf8.RuneCountInString(s[:at])
	from := max(0, min(before-most/4, len(runes)-most))
	cut := string(runes[from : from+most])
	if from > 0 {
		cut = "…" + cut
	}
	if from+most < len(runes) {
		cut += "…"
	}
	return cut
}

func (a *app) printSources(sources []string) {
	if len(sources) == 0 {
		return
	}
	a.heading("Where this is known from")
	for _, s := range sources {
		fmt.Fprintf(a.out, "   %s\n", a.paint(faint, s))
	}
}

// printFiles says what was read, and as what. What could not be read is no part
// of the answer.
func (a *app) printFiles(files []diagnose.FileSummary) {
	var lines []string
	failed := 0
	for i := range files {
		f := &files[i]
		if f.Error != "" {
			if failed++; failed <= shownFiles {
				a.warnf("%s: %s", f.Name, f.Error)
			}
			if f.Lines == 0 {
				continue
			}
		}
		lines = append(lines, f.Name+": "+formatsOf(f))
	}
	if failed > shownFiles {
		a.warnf("%s more could not be read", report.Plural(failed-shownFiles, "file", "files"))
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(a.out, "\n%s\n", a.paint(strong, "Read"))
	for i, l := range lines {
		if i == shownFiles {
			fmt.Fprintf(a.out, "  and %s\n", report.Plural(len(lines)-i, "more file", "more files"))
			break
		}
		fmt.Fprintf(a.out, "  %s\n", clean(l))
	}
}

func formatsOf(f *diagnose.FileSummary) string {
	lines := report.Plural(f.Lines, "line", "lines")
	if len(f.Formats) == 0 {
		return lines + ", no log that is known; searched for known errors"
	}
	names := slices.SortedFunc(maps.Keys(f.Formats), func(x, y string) int {
		return cmp.Or(cmp.Compare(f.Formats[y], f.Formats[x]), cmp.Compare(x, y))
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %s", report.Count(f.Formats[n]), n)
	}
	return lines + ", of them " + strings.Join(names, ", ")
}

// explainCause prints all that is known of a cause.
func (a *app) explainCause(id string) error {
	c := diagnose.CauseByID(id)
	if c == nil {
		return misused(nearCauses(id), "there is no cause %q", id)
	}
	f := diagnose.Finding{
		Cause: c.ID, Title: c.Title, Means: c.Means, MFAAtFault: c.MFAAtFault, Note: c.Note, Who: c.Who, Remedy: c.Remedy, Verify: c.Verify,
	}
	a.wrapped(strong, "", f.Title)
	a.wrapped(faint, "   ", f.Cause+" · "+causeFault(c))
	fmt.Fprintln(a.out)
	a.wrapped(plain, "   ", f.Means)
	fmt.Fprintln(a.out)
	a.fact("who acts", f.Who)
	a.printSteps("What to do", f.Remedy)
	a.printSteps("How to see that it is mended", f.Verify)
	if shows := causeShows(c); len(shows) > 0 {
		a.heading("How it shows")
		for _, s := range shows {
			a.wrapped(plain, "   - ", s.text+" ("+s.how+")")
		}
	}
	a.printSources(c.Source)
	return nil
}

// nearCauses is a hint at causes whose names are like what was typed.
func nearCauses(id string) string {
	type near struct {
		id string
		d  int
	}
	var list []near
	for _, c := range diagnose.Causes() {
		d := distanceOf(strings.ToLower(id), c.ID)
		for part := range strings.SplitSeq(strings.ToLower(id), "-") {
			if len(part) > 2 && strings.Contains(c.ID, part) {
				d = min(d, 3)
			}
		}
		if d <= max(3, len(id)/3) {
			list = append(list, near{c.ID, d})
		}
	}
	slices.SortStableFunc(list, func(x, y near) int { return x.d - y.d })
	if len(list) == 0 {
		return "docs/diagnosis/README.md lists all causes"
	}
	var names []string
	for _, n := range list[:min(len(list), 6)] {
		names = append(names, n.id)
	}
	return "near it: " + strings.Join(names, ", ")
}

// distanceOf is how many letters two words differ by (Levenshtein).
func distanceOf(x, y string) int {
	x = x[:min(len(x), 80)]
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(x) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(y) {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(y)]
}

func causeFault(c *diagnose.Cause) string {
	switch {
	case c.Note:
		return "stops nobody"
	case c.MFAAtFault:
		return "MFA is at fault"
	}
	return "MFA is not at fault"
}

// A show is one way in which a cause shows.
type show struct{ text, how string }

// causeShows says how a cause shows, in words.
func causeShows(c *diagnose.Cause) []show {
	var list []show
	for i := range c.Signs {
		s := &c.Signs[i]
		text := "the code " + s.Code
		if s.Text != "" {
			text = fmt.Sprintf("the text %q", s.Text)
			for _, and := range s.And {
				text += fmt.Sprintf(" with %q", and)
			}
			for _, not := range s.Not {
				text += fmt.Sprintf(" without %q", not)
			}
		}
		if len(s.Formats) > 0 {
			text += " in " + strings.Join(s.Formats, ", ")
		}
		how := string(s.Confidence)
		if s.Why != "" {
			how += ": " + s.Why
		}
		list = append(list, show{text, how})
	}
	if c.Find != nil {
		list = append(list, show{"several attempts compared with one another", "each finding says how sure it is"})
	}
	return list
}
