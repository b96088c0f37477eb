package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// maxLine is the longest line that is read, in octets.
const maxLine = 64 << 10

// A missingLine says that standard input ended where a line was due.
type missingLine string

func (m missingLine) Error() string { return "there is no " + string(m) + " on standard input" }

// line reads the next line of standard input, without its end. what names it
// in errors. If there is none the error is a missingLine.
func (a *app) line(what string) (string, error) {
	if a.lines == nil {
		a.lines = bufio.NewReaderSize(a.in, maxLine)
	}
	b, err := a.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", refused("", "the %s on standard input is longer than %d octets", what, maxLine)
	case err == io.EOF && len(b) == 0:
		return "", refused("", "%w", missingLine(what))
	case err != nil && err != io.EOF:
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if !utf8.ValidString(s) {
		// It could not be sent as JSON; it would be another one in the end.
		return "", refused("convert it to UTF-8", "the %s on standard input is not UTF-8", what)
	}
	return s, nil
}

// secretLine is line for something that may not be empty.
func (a *app) secretLine(what string) (string, error) {
	s, err := a.line(what)
	if err == nil && s == "" {
		err = refused("", "the %s on standard input is empty", what)
	}
	return s, err
}

// ask asks the person at the terminal; what is typed shows only if echo is
// set. If standard input is no terminal it reads a line from there, and the
// question is not shown.
func (a *app) ask(question, what string, echo bool) (string, error) {
	if !a.inTerminal {
		return a.line(what)
	}
	fmt.Fprintf(a.err, "%s ", clean(question))
	if echo {
		return a.line(what)
	}
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	if !utf8.Valid(b) {
		return "", refused("", "the %s is not UTF-8", what)
	}
	return string(b), nil
}

// confirm asks whether to go on. It need not ask if yes is set, or if nobody
// is there to answer: a script has made up its mind.
func (a *app) confirm(yes bool, question string) error {
	if yes || !a.inTerminal {
		return nil
	}
	answer, err := a.ask(question+" [y/N]", "answer", true)
	var missing missingLine
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return refused("", "nothing was changed")
}
