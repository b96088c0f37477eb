package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// clean makes what came from elsewhere safe for a terminal: control and
// invisible characters come out as escapes. Names, notes and messages can hold
// whatever somebody sent.
func clean(s string) string {
	bad := func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' '
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !bad(r):
			b.WriteRune(r)
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			} else {
				b.WriteRune(r)
			}
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// printJSON prints v as one line.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// A style colours a word on a terminal.
type style string

const (
	plain  style = ""
	strong style = "1"
	good   style = "32"
	bad    style = "31"
	odd    style = "33"
	faint  style = "2"
)

// color reports whether the output may be coloured (https://no-color.org).
func (a *app) color() bool {
	return a.outTerminal && a.environment("NO_COLOR") == "" && a.environment("TERM") != "dumb"
}

// paint returns s, cleaned, in that style if the output may be coloured.
func (a *app) paint(st style, s string) string {
	s = clean(s)
	if st == plain || s == "" || !a.color() {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

func verdictStyle(verdict string) style {
	switch verdict {
	case "accept":
		return good
	case "challenge":
		return odd
	}
	return bad
}

// when prints a time in the zone of the person who reads it.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(a.zone).Format("2006-01-02 15:04:05 MST")
}

// A table prints rows in aligned columns. Rows are held back until flush, or
// until there are many; columns never get narrower, so that a long list stays
// readable.
type table struct {
	a      *app
	header []string
	widths []int
	rows   [][]cell
	begun  bool
}

type cell struct {
	text  string
	style style
}

func (a *app) table(header ...string) *table {
	return &table{a: a, header: header, widths: make([]int, len(header))}
}

// tableChunk is how many rows are aligned with one another at least.
const tableChunk = 1000

func (t *table) row(cells ...cell) error {
	t.rows = append(t.rows, cells)
	if len(t.rows) < tableChunk {
		return nil
	}
	return t.flush()
}

func (t *table) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	if !t.begun {
		t.begun = true
		names := make([]cell, len(t.header))
		for i, h := range t.header {
			names[i] = cell{h, strong}
		}
		t.rows = append([][]cell{names}, t.rows...)
	}
	for _, row := range t.rows {
		for i, c := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(clean(c.text)))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(t.a.paint(c.style, c.text))
			line.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(clean(c.text))))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	t.rows = t.rows[:0]
	_, err := io.WriteString(t.a.out, b.String())
	return err
}

// text makes a row of cells without style.
func text(s ...string) []cell {
	cells := make([]cell, len(s))
	for i := range s {
		cells[i].text = s[i]
	}
	return cells
}

// facts prints one record, a line for each field that is not empty.
func (a *app) facts(pairs ...string) {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, len(pairs[i]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(a.out, "%-*s  %s\n", width, pairs[i], clean(pairs[i+1]))
		}
	}
}

// paragraph prints a title and, below, a text in lines of at most 78 columns.
func (a *app) paragraph(title, text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(a.out, "\n%s\n", a.paint(strong, title))
	for _, line := range wrap(clean(text), 76) {
		fmt.Fprintf(a.out, "  %s\n", line)
	}
}

// wrap breaks s at spaces into lines of at most width characters; a word that
// is longer stays whole.
func wrap(s string, width int) []string {
	var lines []string
	line, length := "", 0
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case line == "":
			line, length = word, n
		case length+1+n > width:
			lines = append(lines, line)
			line, length = word, n
		default:
			line, length = line+" "+word, length+1+n
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
