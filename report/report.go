// Package report makes a diagnosis fit to be handed on: one HTML file that
// needs nothing beside it, and a copy in which nobody can be recognized.
//
// It hides how a plot is laid out without a script, and in how many forms the
// name of one person occurs in a log. It knows nothing of terminals.
//
// What it shows was written by strangers: every text is escaped, and characters
// that cannot be seen or that turn the direction of reading are shown as what
// they are.
package report

import (
	"fmt"
	"strconv"
	"strings"

	"sallyport/diagnose"
)

// A Summary is what a person in a hurry reads of a report.
type Summary struct {
	// Headline says in a sentence what the matter is.
	Headline string
	// Why names the causes, the most pressing first, a sentence each: at most
	// three, and one for the rest.
	Why []string
	// Fault says whether multi-factor authentication is to blame. Empty if
	// nothing is wrong.
	Fault string
	// First is the first thing to do, and Who must do it. Text is empty if there
	// is nothing to do.
	First diagnose.Step
	Who   string
	// Wrong is whether anything was found that stops somebody.
	Wrong bool
}

// summaryCauses is how many causes a Summary names.
const summaryCauses = 3

// Summarize says what r says in a few sentences.
func Summarize(r *diagnose.Report) Summary {
	var s Summary
	var wrong, notes []*diagnose.Finding
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Note {
			notes = append(notes, f)
		} else {
			wrong = append(wrong, f)
		}
	}
	s.Wrong = len(wrong) > 0
	s.Headline = headline(r, len(wrong), len(notes))
	for i, f := range wrong {
		if i == summaryCauses {
			s.Why = append(s.Why, "And "+Plural(len(wrong)-i, "further cause", "further causes")+".")
			break
		}
		s.Why = append(s.Why, because(f))
	}
	if !s.Wrong {
		return s
	}
	s.Fault = fault(wrong)
	for _, f := range wrong {
		if len(f.Remedy) > 0 {
			s.First, s.Who = f.Remedy[0], f.Who
			break
		}
	}
	return s
}

func headline(r *diagnose.Report, wrong, notes int) string {
	t := r.Totals
	failed := t.Refused + t.Faulty
	var b strings.Builder
	switch {
	case t.Attempts == 0 && wrong == 0 && notes == 0:
		b.WriteString("Nothing wrong was found")
		if len(r.Files) > 0 {
			b.WriteString(", and no attempt to log in")
		}
		b.WriteString(".")
	case t.Attempts == 0 && wrong == 0:
		b.WriteString("Nothing was found that stops anybody.")
	case t.Attempts == 0:
		b.WriteString(Plural(wrong, "thing is", "things are") + " wrong.")
	case failed == 0 && wrong == 0:
		b.WriteString(Plural(t.Attempts, "attempt", "attempts") + " to log in, and nothing wrong with " + map[bool]string{true: "it.", false: "them."}[t.Attempts == 1])
	default:
		if failed == 0 {
			b.WriteString(Plural(t.Attempts, "attempt", "attempts") + " to log in, none of which failed outright.")
		} else {
			fmt.Fprintf(&b, "%s of %s to log in failed: %s refused, %s broken off by a fault.",
				Count(failed), Plural(t.Attempts, "attempt", "attempts"), Count(t.Refused), Count(t.Faulty))
		}
		if t.Abandoned > 0 {
			b.WriteString(" " + Plural(t.Abandoned, "has", "have") + " no end in the log.")
		}
	}
	return b.String()
}

func because(f *diagnose.Finding) string {
	sure := map[diagnose.Confidence]string{
		diagnose.Proven: "", diagnose.Likely: " (likely)", diagnose.Possible: " (possible)",
	}[f.Confidence]
	times := ""
	if f.Count > 1 {
		times = ", " + Count(f.Count) + " times"
	}
	if f.UserCount > 1 {
		times += ", " + Count(f.UserCount) + " people"
	}
	return strings.TrimSuffix(f.Title, ".") + times + sure + "."
}

// fault says whether multi-factor authentication is to blame for what is wrong.
func fault(wrong []*diagnose.Finding) string {
	n := 0
	for _, f := range wrong {
		if f.MFAAtFault {
			n++
		}
	}
	switch {
	case n == 0 && len(wrong) == 1:
		return "Multi-factor authentication is not at fault: the cause lies beside it."
	case n == 0:
		return "Multi-factor authentication is not at fault: all causes lie beside it."
	case n == len(wrong):
		return "Multi-factor authentication is at fault."
	}
	return fmt.Sprintf("Multi-factor authentication is at fault in %d of %d causes; the others lie beside it.", n, len(wrong))
}

// Plural counts things: "1 attempt", "12 400 attempts".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Count writes a number with a space between each
// three digits once it has more than four.
func Count(n int) string {
	s := strconv.Itoa(n)
	if n < 10_000 {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
