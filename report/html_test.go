package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/diagnose"
)

var keep = flag.String("keep", "", "write the page of the sample report to this file, to be looked at")

func render(t interface{ Fatal(...any) }, r *diagnose.Report, o Options) string {
	var b bytes.Buffer
	if err := HTML(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An element is what a browser makes of a page, as far as tests need it.
type element struct {
	name     string
	attr     map[string]string
	children []*element
	text     string // of its own, without its children's
}

func (e *element) each(visit func(*element)) {
	visit(e)
	for _, c := range e.children {
		c.each(visit)
	}
}

// parse reads a page as strictly as XML.
func parse(page string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	root := &element{name: "#"}
	open := []*element{root}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		last := open[len(open)-1]
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attr: map[string]string{}}
			for _, a := range t.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			last.children = append(last.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			last.text += string(t)
		}
	}
	if len(open) != 1 {
		return nil, errors.New("an element has no end")
	}
	return root, nil
}

// judge says what a page must be whatever its report holds: well-formed, with
// nothing that loads or runs, and to be found one's way in by those who do not
// see it.
func judge(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, page string,
) *element {
	root, err := parse(page)
	if err != nil {
		t.Fatal("not well-formed:", err)
	}
	ids, heading := map[string]bool{}, 0
	count := map[string]int{}
	root.each(func(e *element) {
		count[e.name]++
		switch e.name {
		case "script", "iframe", "object", "embed", "base", "form", "img", "image", "use", "foreignObject":
			t.Errorf("the page has an element %s", e.name)
		case "h1", "h2", "h3", "h4":
			level := int(e.name[1] - '0')
			if level > heading+1 {
				t.Errorf("a heading of level %d follows one of level %d", level, heading)
			}
			heading = level
		}
		if e.name == "html" && e.attr["lang"] != "en" {
			t.Errorf("the page does not say its language")
		}
		for name, value := range e.attr {
			switch {
			case strings.HasPrefix(name, "on"), name == "src", name == "style", name == "srcset", name == "action":
				t.Errorf("%s has an attribute %s=%q", e.name, name, value)
			case name == "id":
				if ids[value] {
					t.Errorf("two elements are %q", value)
				}
				ids[value] = true
			case name == "href":
				if ok := value == "data:," || strings.HasPrefix(value, "#") || e.name == "a" && (strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://")); !ok {
					t.Errorf("%s refers to %q", e.name, value)
				}
			}
			for _, r := range value {
				if hidden(r) && r != '\n' {
					t.Errorf("attribute %s=%q of %s holds U+%04X", name, value, e.name, r)
				}
			}
		}
		for _, r := range e.text {
			if hidden(r) && r != '\n' {
				t.Errorf("text %q of %s holds U+%04X", e.text, e.name, r)
			}
		}
	})
	for name, want := range map[string]int{"html": 1, "main": 1, "h1": 1, "title": -1, "style": 1} {
		if got := count[name]; got != want && want > 0 || got == 0 {
			t.Errorf("%d elements %s", got, name)
		}
	}
	root.each(func(e *element) {
		for name, value := range e.attr {
			switch name {
			case "aria-labelledby":
				for id := range strings.FieldsSeq(value) {
					if !ids[id] {
						t.Errorf("%s is labelled by %q, which is not there", e.name, id)
					}
				}
			case "fill":
				if id, ok := strings.CutPrefix(strings.TrimSuffix(value, ")"), "url(#"); ok && !ids[id] {
					t.Errorf("%s is filled with %q, which is not there", e.name, id)
				}
			case "href":
				if id, ok := strings.CutPrefix(value, "#"); ok && !ids[id] {
					t.Errorf("a link leads to %q, which is not there", id)
				}
			}
		}
	})
	return root
}

const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

func TestHTML(t *testing.T) {
	page := render(t, sample(), Options{})
	if *keep != "" {
		if err := os.WriteFile(*keep, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root := judge(t, page)
	var all strings.Builder
	csp, links, commands := "", 0, 0
	root.each(func(e *element) {
		if e.name != "style" {
			all.WriteString(e.text + " ")
		}
		switch {
		case e.name == "meta" && e.attr["http-equiv"] == "Content-Security-Policy":
			csp = e.attr["content"]
		case e.name == "a" && strings.HasPrefix(e.attr["href"], "http"):
			links++
		case e.name == "code" && strings.Contains(e.text, "") && len(e.children) == 1 && strings.HasPrefix(e.children[0].text, "reg add"):
			commands++
		}
	})
	if csp != policy {
		t.Errorf("the policy is %q", csp)
	}
	if links != 2 { // the third source is no address that may be opened
		t.Errorf("%d links lead elsewhere; want 2", links)
	}
	if commands != 4 { // two in the summary, two in the finding
		t.Errorf("%d commands; want 4", commands)
	}
	for _, want := range []string{
		"121 of 442 attempts to log in failed: 31 refused, 90 broken off by a fault. 25 have no end in the log.",
		"The server offers TLS 1.0, and the other side wants TLS 1.2, 90 times, 6 people.",
		"Multi-factor authentication is at fault in 1 of 2 causes; the others lie beside it.",
		"Turn strong cryptography on for .NET, 64 and 32 bit, and restart the host.",
		"Who must act:", "MFA is not at fault", "MFA is at fault", "worth knowing; stops nobody", "proven", "likely", "possible",
		"2026-03-04 09:00:00", "All times are UTC", ", and 2 more", "441 of 442 attempts are drawn; 1 carry no time in their log.",
		"Each bar is 10 minutes.", "bundle.zip!logs/OktaWidget.log", ":100", "RFC 8446, Section 4.2.1", "javascript:alert(1)",
		"All 146. Times are UTC; those with * come from a log that does not say its zone.", "not read to its end:",
		"none that is known; searched for known texts", "65536 octets", "<script>alert(1)</script>", "U+202E", "U+001B", `\xff`, "U+0000",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// Beyond 500 attempts that failed the page says how many more there are, and
// times are in the zone that was asked for.
func TestHTMLListsTheFirst(t *testing.T) {
	r := &diagnose.Report{Totals: diagnose.Totals{Attempts: 1200, Refused: 1200}, Made: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	for i := range 800 {
		r.Attempts = append(r.Attempts, diagnose.Tried{Time: r.Made.Add(time.Duration(i) * time.Second), Verdict: diagnose.Refused, File: "a", Line: i + 1})
	}
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	page := render(t, r, Options{Zone: seoul})
	judge(t, page)
	for _, want := range []string{"The first 500; 700 more are not listed here", "2026-07-01 21:00:00", "Asia/Seoul (KST, UTC&#43;09:00)", "800 of 1200 attempts are drawn"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "a:501") || strings.Count(page, `<tr role="row"><td`) != 500 {
		t.Errorf("%d rows", strings.Count(page, `<tr role="row"><td`))
	}
}

// An empty report and one of a target, which has no attempts.
func TestHTMLWithLittle(t *testing.T) {
	for _, r := range []*diagnose.Report{
		{},
		{Findings: []diagnose.Finding{{Cause: "tls-version", Title: "T", Confidence: diagnose.Proven, Evidence: []diagnose.Evidence{{File: "host:443", Text: "x"}}}}},
	} {
		page := render(t, r, Options{})
		judge(t, page)
		if strings.Contains(page, "host:443:") || strings.Contains(page, `id="timeline"`) {
			t.Errorf("a line number or a plot of nothing")
		}
	}
}

// Whatever texts a report holds, the page is well-formed, loads nothing, runs
// nothing, and shows what cannot be seen.
func TestHTMLEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			hostile, "</style><script>", "{{.}}", "]]>", "<!--", "-->", "&lt;", "javascript:alert(1)", "\u2028", "\ufeff", "\U000e0041", "a\u0301", "</pre></details>",
		})).Draw
		made := func(what string) string { return text(t, what) }
		at := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "at"), 0)
		r := &diagnose.Report{
			Made: at, Warnings: []string{made("warning")}, Totals: diagnose.Totals{Attempts: 2, Refused: 2},
			Files: []diagnose.FileSummary{{Name: made("name"), Formats: map[string]int{made("format"): 1}, Encoding: made("encoding"), Error: made("error")}},
			Findings: []diagnose.Finding{{
				Cause: made("cause"), Title: made("title"), Means: made("means"), Confidence: diagnose.Confidence(made("confidence")), Why: made("why"),
				Users: []string{made("user")}, Hosts: []string{made("host")}, Clients: []string{made("client")}, Who: made("who"), First: at, Last: at.Add(time.Hour),
				Evidence: []diagnose.Evidence{{File: made("file"), Line: 1, Text: made("text")}},
				Remedy:   []diagnose.Step{{Text: made("step"), Commands: []string{made("command")}}}, Source: []string{made("source"), "https://" + made("address")},
			}},
			Attempts: []diagnose.Tried{
				{Time: at, Verdict: diagnose.Refused, User: made("user"), Host: made("host"), Client: made("client"), From: made("from"), Stage: made("stage"), Codes: []string{made("code")}, Causes: []string{made("cause")}, File: made("file")},
				{Time: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "then"), 0), Verdict: diagnose.Verdict(made("verdict")), Product: made("product")},
			},
		}
		judge(t, render(t, r, Options{}))
	})
}

// Every pair of colours that text is read in has a contrast of 4.5 to 1, and
// the edges of bars one of 3 to 1, in the light and in the dark (WCAG 2.2,
// success criteria 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	roots := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(styleText, -1)
	if len(roots) < 2 {
		t.Fatal("no colours")
	}
	for i, name := range []string{"light", "dark"} {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{3,6})`).FindAllStringSubmatch(roots[i][1], -1) {
			colors[m[1]] = m[2]
		}
		pairs := 0
		want := func(least float64, front string, backs ...string) {
			for _, back := range backs {
				pairs++
				if got := contrast(t, colors[front], colors[back]); got < least {
					t.Errorf("%s: %s on %s has a contrast of %.2f; want %.1f", name, front, back, got, least)
				}
			}
		}
		want(4.5, "ink", "bg", "card", "field", "warn-bg", "good-bg", "bad-bg")
		want(4.5, "soft", "bg", "card", "field", "warn-bg")
		want(4.5, "link", "bg", "card")
		want(4.5, "card", "ink")
		for _, v := range verdicts {
			want(3, string(v.Verdict), "card", "field")
		}
		for _, v := range []string{"refused", "failed", "abandoned"} {
			want(4.5, v, "card")
		}
		if pairs != 26 {
			t.Errorf("%d pairs", pairs)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	l := []float64{luminance(t, a), luminance(t, b)}
	slices.Sort(l)
	return (l[1] + 0.05) / (l[0] + 0.05)
}

func luminance(t *testing.T, c string) float64 {
	c = strings.TrimPrefix(c, "#")
	if len(c) == 3 {
		c = string([]byte{c[0], c[0], c[1], c[1], c[2], c[2]})
	}
	n, err := strconv.ParseUint(c, 16, 32)
	if err != nil || len(c) != 6 {
		t.Fatalf("%q is no colour", c)
	}
	linear := func(v uint64) float64 {
		f := float64(v&0xff) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

// All attempts that have a time are in the plot, in buckets that a person would
// pick, whatever the times are.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 100).Draw(t, "most")
		times := rapid.SliceOf(rapid.OneOf(rapid.Int64Range(1_700_000_000, 1_700_100_000), rapid.Int64Range(-62_000_000_000, 250_000_000_000))).Draw(t, "times")
		var list []diagnose.Tried
		for _, at := range times {
			list = append(list, diagnose.Tried{Time: time.Unix(at, 0), Verdict: diagnose.Refused})
		}
		s := spread(append(list, diagnose.Tried{Verdict: diagnose.Refused}), most, time.FixedZone("", 9*3600+1800))
		n := 0
		for i := range s.buckets {
			n += s.buckets[i].total()
		}
		if n != len(times) || s.timed != n || s.untimed != 1 || len(s.buckets) > most {
			t.Fatalf("%d of %d attempts in %d buckets; want at most %d", n, len(times), len(s.buckets), most)
		}
	})
	tests := []struct {
		name  string
		spans time.Duration
		want  string
	}{
		{"a minute", time.Minute, "2 seconds"},
		{"an hour", time.Hour, "2 minutes"},
		{"a day", 24 * time.Hour, "30 minutes"},
		{"a month", 30 * 24 * time.Hour, "1 day"},
		{"a year", 365 * 24 * time.Hour, "1 week"},
		{"a century", 100 * 365 * 24 * time.Hour, "2 years"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
			s := spread([]diagnose.Tried{{Time: start}, {Time: start.Add(tt.spans)}}, 60, time.UTC)
			if got := s.every(); got != tt.want {
				t.Errorf("a bar for %s of %s; want %s", got, tt.name, tt.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	wrong := func(fault bool) diagnose.Finding {
		return diagnose.Finding{Title: "It is broken", Confidence: diagnose.Likely, MFAAtFault: fault, Count: 2, Who: "you", Remedy: []diagnose.Step{{Text: "Mend it."}}}
	}
	note := diagnose.Finding{Title: "Look", Note: true, Remedy: []diagnose.Step{{Text: "Never mind."}}}
	tests := []struct {
		name                   string
		r                      diagnose.Report
		headline, fault, first string
		why                    int
	}{
		{"nothing at all", diagnose.Report{Files: make([]diagnose.FileSummary, 1)}, "Nothing wrong was found, and no attempt to log in.", "", "", 0},
		{"a healthy log", diagnose.Report{Totals: diagnose.Totals{Attempts: 12_345, Accepted: 12_345}}, "12 345 attempts to log in, and nothing wrong with them.", "", "", 0},
		{"one login", diagnose.Report{Totals: diagnose.Totals{Attempts: 1, Accepted: 1}}, "1 attempt to log in, and nothing wrong with it.", "", "", 0},
		{"a note", diagnose.Report{Findings: []diagnose.Finding{note}}, "Nothing was found that stops anybody.", "", "", 0},
		{"a target", diagnose.Report{Findings: []diagnose.Finding{note, wrong(false)}}, "1 thing is wrong.", "Multi-factor authentication is not at fault: the cause lies beside it.", "Mend it.", 1},
		{"five causes", diagnose.Report{
			Totals: diagnose.Totals{Attempts: 3, Refused: 1, Faulty: 1, Abandoned: 1}, Findings: []diagnose.Finding{wrong(true), wrong(true), wrong(true), wrong(true), wrong(true)},
		}, "2 of 3 attempts to log in failed: 1 refused, 1 broken off by a fault. 1 has no end in the log.", "Multi-factor authentication is at fault.", "Mend it.", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Summarize(&tt.r)
			if s.Headline != tt.headline || s.Fault != tt.fault || s.First.Text != tt.first || len(s.Why) != tt.why || s.Wrong != (tt.why > 0) {
				t.Errorf("Summarize = %+v", s)
			}
			if tt.why > 0 && s.Why[0] != "It is broken, 2 times (likely)." {
				t.Errorf("why: %q", s.Why[0])
			}
		})
	}
}
