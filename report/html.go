package report

import (
	"bufio"
	_ "embed" // the page and its style
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/diagnose"
)

// Options say how a report is shown.
type Options struct {
	// Zone is in which times are shown, UTC if nil. The page names it: without a
	// script it cannot know where its reader is.
	Zone *time.Location
}

//go:embed report.html
var pageText string

//go:embed report.css
var styleText string

// page is made once, when first asked for; the style goes into it as text of
// ours, before html/template reads it.
var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"show":  show,
	"code":  code,
	"plain": visible,
	"count": Count,
	"link":  link,
	"num":   func(f float64) string { return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".") },
	"add":   func(a, b float64) float64 { return a + b },
	"inc":   func(i int) int { return i + 1 },
	"sub":   func(a, b int) int { return a - b },
}).Parse(strings.Replace(pageText, "/* style */", styleText, 1)))

// maxRows is how many attempts that failed are listed one by one.
const maxRows = 500

// HTML writes r as one page that loads nothing: no script, no font, no picture.
// It can be printed, and sent to somebody. The error is w's.
func HTML(w io.Writer, r *diagnose.Report, o Options) error {
	zone := o.Zone
	if zone == nil {
		zone = time.UTC
	}
	v := view{Report: r, Summary: Summarize(r), zone: zone, Zone: zoneName(zone, r.Made), Verdicts: totals(r)}
	wide := spread(r.Attempts, 60, zone)
	if wide.timed > 0 {
		v.Plots = []*plot{
			layOut(r, format{id: "wide", width: 920, buckets: 60, ticks: 9}, zone),
			layOut(r, format{id: "slim", width: 340, buckets: 24, ticks: 4}, zone),
		}
		v.Rows, v.Timed, v.Untimed = wide.rows(), wide.timed, wide.untimed
	}
	for i := range r.Attempts {
		switch t := &r.Attempts[i]; t.Verdict {
		case diagnose.Refused, diagnose.Faulty, diagnose.Abandoned:
			if len(v.Failed) < maxRows {
				v.Failed = append(v.Failed, t)
			}
		case diagnose.Accepted, diagnose.Challenged:
		}
	}
	v.More = r.Totals.Refused + r.Totals.Faulty + r.Totals.Abandoned - len(v.Failed)
	for i := range v.Failed {
		v.Assumed = v.Assumed || v.Failed[i].ZoneAssumed
	}
	b := bufio.NewWriterSize(w, 64<<10)
	if err := page.Execute(b, v); err != nil {
		return fmt.Errorf("report: write HTML: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("report: write HTML: %w", err)
	}
	return nil
}

// A view is what the page shows.
type view struct {
	*diagnose.Report
	Summary  Summary
	Zone     string
	Verdicts []total
	Plots    []*plot
	Rows     []countRow
	Timed    int // attempts in the plot
	Untimed  int // attempts without a time, which are not in it
	Failed   []*diagnose.Tried
	More     int  // attempts that failed and are not listed
	Assumed  bool // some log did not say its zone

	zone *time.Location
}

// When writes a time, a dash for none.
func (v view) When(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(v.zone).Format(time.DateTime)
}

// Machine writes a time for programs.
func (v view) Machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Number is where on the page a cause is explained, 0 if it is not.
func (v view) Number(cause string) int {
	return 1 + slices.IndexFunc(v.Findings, func(f diagnose.Finding) bool { return f.Cause == cause })
}

// Formats names the formats of a file, the most frequent first.
func (v view) Formats(f diagnose.FileSummary) string {
	names := slices.SortedFunc(maps.Keys(f.Formats), func(a, b string) int {
		if f.Formats[a] != f.Formats[b] {
			return f.Formats[b] - f.Formats[a]
		}
		return strings.Compare(a, b)
	})
	for i, n := range names {
		names[i] = n + " (" + Plural(f.Formats[n], "line", "lines") + ")"
	}
	if len(names) == 0 {
		return "none that is known; searched for known texts"
	}
	return strings.Join(names, ", ")
}

// Sure says how sure a finding is, in words.
func (v view) Sure(c diagnose.Confidence) string {
	switch c {
	case diagnose.Proven:
		return "proven: it cannot mean anything else"
	case diagnose.Likely:
		return "likely: it nearly always means this"
	case diagnose.Possible:
		return "possible: it can mean other things too"
	}
	return visible(string(c))
}

// Others is how many people a finding struck that are not named.
func (v view) Others(f diagnose.Finding) int { return max(0, f.UserCount-len(f.Users)) }

// A total is one verdict and how often it was given.
type total struct {
	Class, Label string
	N            int
}

func totals(r *diagnose.Report) []total {
	n := [5]int{r.Totals.Accepted, r.Totals.Refused, r.Totals.Faulty, r.Totals.Challenged, r.Totals.Abandoned}
	list := make([]total, len(n))
	for i := range n {
		list[i] = total{string(verdicts[i].Verdict), verdicts[i].Label, n[i]}
	}
	return list
}

// zoneName says a zone so that a reader elsewhere can reckon with it.
func zoneName(zone *time.Location, at time.Time) string {
	if zone == time.UTC {
		return "UTC"
	}
	name := at.In(zone).Format("MST, UTC-07:00")
	if name == "UTC, UTC+00:00" {
		return "UTC"
	}
	if zone != time.Local {
		name = zone.String() + " (" + name + ")"
	}
	return name
}

// link returns s if it is an address that can be opened, else nothing: a
// source can be a section of a standard too.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return s
}

// hidden reports whether a character does not show, or changes how others do.
// Of white space only the space and the tab pass.
func hidden(r rune) bool {
	return !unicode.IsGraphic(r) && r != '\t' || unicode.Is(unicode.Zs, r) && r != ' '
}

// eachPart splits s into stretches that can be shown as they are, and the
// escapes of what cannot.
func eachPart(s string, part func(text string, escaped bool)) {
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		broken := r == utf8.RuneError && size == 1
		if !broken && !hidden(r) {
			i += size
			continue
		}
		if from < i {
			part(s[from:i], false)
		}
		if broken {
			part(fmt.Sprintf(`\x%02x`, s[i]), true)
		} else {
			part(fmt.Sprintf(`U+%04X`, r), true)
		}
		i += size
		from = i
	}
	if from < len(s) {
		part(s[from:], false)
	}
}

// visible writes what cannot be seen as escapes, for places that hold text
// only.
func visible(s string) string {
	var b strings.Builder
	eachPart(s, func(text string, escaped bool) {
		if escaped {
			text = "[" + text + "]"
		}
		b.WriteString(text)
	})
	return b.String()
}

// show escapes s for HTML and marks what cannot be seen, so that nobody takes
// it for something that was written. Text that the reader's language would turn
// around stays apart from what surrounds it.
func show(s string) template.HTML {
	var b strings.Builder
	b.WriteString("<bdi>")
	eachPart(s, func(text string, escaped bool) {
		if escaped {
			b.WriteString("<span class=\"ctl\">" + text + "</span>")
			return
		}
		template.HTMLEscape(&b, []byte(text))
	})
	b.WriteString("</bdi>")
	return template.HTML(b.String())
}

// code shows a command, which can have several lines.
func code(s string) template.HTML {
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(string(show(line)))
	}
	return template.HTML(b.String())
}
