package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/diagnose"
	"sallyport/report"
	"sallyport/winreg"
)

// registryOptions are the flags that have settings judged instead of a target.
type registryOptions struct {
	files []string
	fix   string
}

func (o *registryOptions) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&o.files, "registry", nil, "judge the settings in an export or a hive, a `file` of a Windows host; can be repeated")
	c.Flags().StringVar(&o.fix, "fix", "", "with --registry: write a PowerShell script to `file` that mends what was found")
}

// checkRegistry judges the settings in files, and writes the script that mends
// them if fix names one.
func (a *app) checkRegistry(ctx context.Context, files []string, fix string) error {
	var read []*check.RegistryFile
	for _, name := range files {
		if ctx.Err() != nil {
			return unreadable("", "interrupted; nothing was changed")
		}
		f, err := readRegistry(name)
		if errors.Is(err, winreg.ErrFormat) {
			return unreadable(`on the host: reg export "HKLM\SOFTWARE\Microsoft" software.reg`, "--registry: %s is neither an export (.reg) nor a hive", name)
		}
		if err != nil {
			return unreadable("", "--registry: %w", err)
		}
		read = append(read, f)
	}
	r := check.JudgeRegistry(read...)
	if len(r.Settings) == 0 {
		for _, w := range r.Warnings {
			a.warnf("%s", w)
		}
		return unreadable(`on the host: reg export "HKLM\SOFTWARE\Microsoft" software.reg`, "--registry: there is none of the settings in %s that are judged", strings.Join(files, ", "))
	}
	mended := false
	if fix != "" {
		var err error
		if mended, err = a.writeFix(r, fix); err != nil {
			return err
		}
	}
	if a.json {
		out := struct {
			*check.RegistryReport
			Fix string `json:"fix,omitempty"` // the script that was written
		}{RegistryReport: r}
		if mended {
			out.Fix = fix
		}
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		a.printRegistry(r)
	}
	if fix != "" {
		a.tellFix(r, fix, mended)
	}
	if r.Faulty() {
		return &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	}
	return nil
}

func readRegistry(name string) (*check.RegistryFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	return check.ReadRegistry(name, f, info.Size())
}

// writeFix writes the script to a new file, and reports whether there was
// anything to write. A file that is there may be a script whose undo record is
// still needed, so it stays.
func (a *app) writeFix(r *check.RegistryReport, name string) (bool, error) {
	var b bytes.Buffer
	err := check.WriteFix(&b, r, a.now())
	if errors.Is(err, check.ErrNothingToMend) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return false, misused("name another file, or remove it", "--fix: %s is there already", name)
	}
	if err != nil {
		return false, unreadable("", "--fix: %w", err)
	}
	_, err = io.Copy(f, &b)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, unreadable("", "--fix: %w", err)
	}
	return true, nil
}

// tellFix says what became of the script.
func (a *app) tellFix(r *check.RegistryReport, name string, written bool) {
	var byHand []string
	for _, s := range r.Settings {
		if s.Cause != "" && !s.Mendable && !slices.Contains(byHand, s.Cause) {
			byHand = append(byHand, s.Cause)
		}
	}
	if written {
		a.notef("%s sets %s: see what it would do, then run it with -Apply", name, report.Plural(len(r.Changes()), "value", "values"))
	} else {
		a.notef("there is nothing that a script could mend; %s was not written", name)
	}
	if len(byHand) > 0 {
		a.notef("to be mended by hand: %s", strings.Join(byHand, ", "))
	}
}

// printRegistry prints the matter in short, each setting, and each finding.
func (a *app) printRegistry(r *check.RegistryReport) {
	a.printSummary(report.Summarize(&diagnose.Report{Findings: r.Findings}))
	fmt.Fprintln(a.out)
	var versions []string
	if r.Windows != "" {
		versions = append(versions, r.Windows)
	}
	if r.DotNet != "" {
		versions = append(versions, ".NET Framework "+r.DotNet)
	}
	if len(versions) > 0 {
		a.wrapped(strong, "", strings.Join(versions, ", "))
	}
	a.printSettings(r.Settings)
	for i := range r.Findings {
		fmt.Fprintln(a.out)
		a.printDiagnosis(i+1, &r.Findings[i])
	}
	if len(r.NotCovered) > 0 {
		fmt.Fprintf(a.out, "\n%s\n", a.paint(strong, "Not in the files, and not judged"))
		for _, k := range r.NotCovered {
			a.wrapped(faint, "  ", k)
		}
	}
	for _, w := range r.Warnings {
		a.warnf("%s", w)
	}
}

// printSettings prints the settings of each key below its name.
func (a *app) printSettings(settings []check.Setting) {
	width := 0
	for _, s := range settings {
		width = max(width, min(28, utf8.RuneCountInString(s.Value)))
	}
	last := ""
	for _, s := range settings {
		if key := fmt.Sprintf("%s (%s)", s.Key, s.View); key != last {
			a.wrapped(strong, "", key)
			last = key
		}
		name := s.Value
		if name == "" {
			name = "(default)"
		}
		st := good
		switch {
		case s.Cause != "" && s.Note:
			st = odd
		case s.Cause != "":
			st = bad
		case s.State == check.Missing:
			st = plain
		}
		text := s.Found
		if text == "" && s.State != check.Missing {
			text = "nothing"
		}
		switch {
		case s.Cause != "":
			text = strings.TrimPrefix(text+"; should be "+s.Should+": "+s.Matters, "; ")
		case s.State == check.Missing:
			text = "as it may be: " + s.Matters
		}
		lead := fmt.Sprintf("  %s  %-*s  ", a.padded(st, string(s.State), 7), width, name)
		if utf8.RuneCountInString(name) > width {
			lead = fmt.Sprintf("  %s  %s  ", a.padded(st, string(s.State), 7), name)
		}
		a.settingLine(lead, 2+7+2+max(width, utf8.RuneCountInString(name))+2, text)
	}
}

// padded is a word in a style, and spaces after it.
func (a *app) padded(st style, word string, width int) string {
	return a.paint(st, word) + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(word)))
}

// settingLine prints a text behind a lead that may hold colours and is indent
// characters wide.
func (a *app) settingLine(lead string, indent int, text string) {
	lines := wrap(clean(text), max(20, a.columns()-indent-1))
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		if i > 0 {
			lead = strings.Repeat(" ", indent)
		}
		fmt.Fprintln(a.out, strings.TrimRight(lead+line, " "))
	}
}
