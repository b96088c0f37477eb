package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/diagnose"
)

// causeFolder holds a page for each cause; handwritten are the pages in it that
// are not made from the program.
const (
	causeFolder = "diagnosis/"
	samplesName = causeFolder + "samples.md"
)

var handwritten = []string{causeFolder + "json.md", samplesName}

// stalePages finds pages of causes that there are no more.
func stalePages(dir string, made map[string]string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, causeFolder))
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, e := range entries {
		name := causeFolder + e.Name()
		if _, ok := made[name]; !ok && strings.HasSuffix(name, ".md") && !slices.Contains(handwritten, name) {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

const madeByDocs = "<!-- Made by: make docs -->\n\n"

// causePages are the pages of all causes, and the list of them.
func causePages() map[string]string {
	made := map[string]string{}
	var b strings.Builder
	b.WriteString("# What can be wrong\n\n" + madeByDocs + `Every cause that ` + "`sallyport diagnose` and `sallyport check`" + ` can find. A page is also printed
by ` + "`sallyport diagnose --explain CAUSE`" + `. *MFA* says whether multi-factor
authentication, its settings or its equipment failed, rather than the person, the
network, Windows or a certificate beside it.

| cause | what is wrong | MFA | who acts |
|---|---|---|---|
`)
	for i := range diagnose.Causes() {
		c := &diagnose.Causes()[i]
		made[causeFolder+c.ID+".md"] = causePage(c)
		fault := "not at fault"
		switch {
		case c.Note:
			fault = "stops nobody"
		case c.MFAAtFault:
			fault = "**at fault**"
		}
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s |\n", c.ID, c.ID, tableText(c.Title), fault, tableText(c.Who))
	}
	b.WriteString("\nRead next: [from which lines each cause is found](samples.md), [the JSON](json.md),\n[how to collect logs](../diagnose.md).\n")
	made[causeFolder+"README.md"] = b.String()
	return made
}

// causePage is all that is known of a cause.
func causePage(c *diagnose.Cause) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s`%s`: %s.", pageText(c.Title), madeByDocs, c.ID, causeFault(c))
	if c.Who != "" {
		fmt.Fprintf(&b, " Who acts: %s.", pageText(c.Who))
	}
	fmt.Fprintf(&b, "\n\n%s\n", pageText(c.Means))
	pageSteps(&b, "What to do", c.Remedy)
	pageSteps(&b, "How to see that it is mended", c.Verify)
	if shows := causeShows(c); len(shows) > 0 {
		b.WriteString("\n## How it shows\n\n")
		for _, s := range shows {
			fmt.Fprintf(&b, "- %s (%s)\n", pageText(s.text), pageText(s.how))
		}
	} else {
		b.WriteString("\n## How it shows\n\n`sallyport check` finds it; no log tells of it.\n")
	}
	if len(c.Hides) > 0 {
		b.WriteString("\nWhat is only a symptom of it, and not reported beside it: ")
		for i, h := range c.Hides {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "[%s](%s.md)", h, h)
		}
		b.WriteString(".\n")
	}
	if len(c.Source) > 0 {
		b.WriteString("\n## Where this is known from\n\n")
		for _, s := range c.Source {
			if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
				s = "<" + s + ">"
			}
			fmt.Fprintf(&b, "- %s\n", s)
		}
	}
	return b.String()
}

func pageSteps(b *strings.Builder, title string, steps []diagnose.Step) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for i, s := range steps {
		fmt.Fprintf(b, "%d. %s\n", i+1, pageText(s.Text))
		if len(s.Commands) > 0 {
			b.WriteString("\n   ```\n")
			for _, c := range s.Commands {
				for line := range strings.SplitSeq(c, "\n") {
					fmt.Fprintf(b, "   %s\n", line)
				}
			}
			b.WriteString("   ```\n")
		}
	}
}

// pageText writes a text so that Markdown changes nothing of it.
func pageText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "<", "&lt;", "*", `\*`, "`", "\\`", "[", `\[`, "_", `\_`).Replace(s)
}

func tableText(s string) string { return strings.ReplaceAll(pageText(s), "|", `\|`) }

// samplesPage is the table of samples: what each is, and what is found in it.
// The blocks of the files begin with a line
// "== ID | real or made | source | finds: CAUSE, CAUSE".
func samplesPage(dir fs.FS) (string, error) {
	names, err := fs.Glob(dir, "*.txt")
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("there are no samples")
	}
	var b strings.Builder
	b.WriteString("# Samples\n\n" + madeByDocs + `Lines of logs that the tests read, and what is found in each. *Real* ones were
published by others, where the source says; *made* ones are ours, after what is
known of the format. A test compares each with what is really found.
`)
	for _, name := range names {
		f, err := dir.Open(name)
		if err != nil {
			return "", err
		}
		heads, err := sampleHeads(f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n| sample | real or made | finds | source |\n|---|---|---|---|\n", strings.TrimSuffix(name, ".txt"))
		for _, h := range heads {
			var finds []string
			for _, id := range strings.Split(strings.TrimPrefix(h[3], "finds: "), ", ") {
				if diagnose.CauseByID(id) != nil {
					id = "[" + id + "](" + id + ".md)"
				}
				finds = append(finds, id)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tableText(h[0]), tableText(h[1]), strings.Join(finds, ", "), tableText(h[2]))
		}
	}
	return b.String(), nil
}

// sampleHeads reads the first lines of the blocks of a file.
func sampleHeads(f fs.File) ([][]string, error) {
	var heads [][]string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		head, ok := strings.CutPrefix(lines.Text(), "== ")
		if !ok {
			continue
		}
		parts := strings.Split(strings.TrimSpace(head), " | ")
		if len(parts) < 4 || !strings.HasPrefix(parts[3], "finds: ") {
			return nil, fmt.Errorf("cannot read the heading %q", head)
		}
		heads = append(heads, parts)
	}
	return heads, lines.Err()
}
