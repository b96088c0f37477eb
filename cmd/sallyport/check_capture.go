package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"sallyport/capture"
	"sallyport/check"
	"sallyport/diagnose"
	"sallyport/report"
)

// shownConversations is how many conversations are listed on a terminal.
const shownConversations = 40

// checkCapture judges the handshakes in a packet capture; "-" is standard input.
func (a *app) checkCapture(ctx context.Context, path string) error {
	in, size := a.in, int64(0)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return unreadable("", "--pcap: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	tell := a.meter()
	r, err := check.ReadCapture(interruptible{ctx, in}, path, func(octets int64) { tell(octets, size) })
	tell(-1, 0)
	switch {
	case ctx.Err() != nil:
		return unreadable("", "interrupted before everything was read; nothing was changed")
	case errors.Is(err, capture.ErrNotCapture):
		return unreadable("captures are made with: tcpdump -s 0 -w FILE, dumpcap -w FILE, or pktmon start --capture", "--pcap: %w", err)
	case err != nil:
		return unreadable("", "--pcap: %w", err)
	case a.json:
		err = a.printJSON(r)
	default:
		a.printRecording(r)
	}
	switch {
	case err != nil:
		return err
	case r.Faulty():
		return &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	case r.Error != "":
		return unreadable("", "not everything could be read, and nothing was found in the rest: %s", r.Error)
	}
	return nil
}

// interruptible is a reader that fails once ctx has ended.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

func (a *app) printRecording(r *check.Recording) {
	s := report.Summarize(&diagnose.Report{Findings: r.Findings})
	if len(r.Conversations) == 0 {
		s.Headline = "There is no TLS handshake in this capture."
	}
	a.printSummary(s)
	what := report.Plural(r.Packets, "packet", "packets") + ", " + report.Plural(len(r.Conversations), "conversation", "conversations") + " with TLS"
	if r.Others > 0 {
		what += ", " + report.Plural(r.Others, "other connection", "other connections")
	}
	fmt.Fprintln(a.out)
	a.wrapped(faint, "  ", r.File+": "+what)

	// What went wrong comes first; the order is that of the capture otherwise.
	list := slices.Clone(r.Conversations)
	slices.SortStableFunc(list, func(x, y check.Conversation) int { return rank(x) - rank(y) })
	for i := range list[:min(len(list), shownConversations)] {
		a.printConversation(&list[i])
	}
	if more := len(list) - shownConversations; more > 0 {
		fmt.Fprintf(a.out, "\n  and %s; --json has them all\n", report.Plural(more, "more conversation", "more conversations"))
	}
	for i := range r.Findings {
		fmt.Fprintln(a.out)
		a.printDiagnosis(i+1, &r.Findings[i])
	}
	if r.Error != "" {
		a.warnf("%s: %s; what comes before it was judged", r.File, r.Error)
	}
	for _, w := range r.Warnings {
		a.warnf("%s", w)
	}
}

func rank(c check.Conversation) int {
	switch {
	case c.Cause != "":
		return 0
	case c.Outcome != string(capture.Completed):
		return 1
	}
	return 2
}

// printConversation prints who spoke with whom and how it ended on two lines,
// and for one that failed what the sides said.
func (a *app) printConversation(c *check.Conversation) {
	fmt.Fprintln(a.out)
	to := c.Server
	if c.Hello != nil && c.Hello.ServerName != "" {
		to = c.Hello.ServerName + " (" + c.Server + ")"
	}
	at := fmt.Sprintf("packets %d to %d", c.First, c.Last)
	if !c.Began.IsZero() {
		at = a.when(c.Began) + ", " + at
	}
	a.wrapped(plain, "  ", c.Client+" to "+to+", "+at)
	sign, st := "✓ ", good
	switch {
	case c.Cause != "":
		sign, st = "✗ ", bad
	case c.Outcome != string(capture.Completed):
		sign, st = "? ", odd
	}
	a.wrapped(st, "    "+sign, c.Verdict)
	if c.Outcome == string(capture.Completed) {
		return
	}
	if c.Proxy != "" {
		a.wrapped(plain, "      proxy   ", c.Proxy+orNothing(": ", c.Status))
	}
	if h := c.Hello; h != nil {
		a.wrapped(plain, "      client  ", strings.Join(h.Says, " "))
		if h.Looks != "" {
			a.wrapped(plain, "              ", "It is like "+h.Looks+".")
		}
	}
	if c.Answer != nil {
		a.wrapped(plain, "      server  ", "It chooses "+c.Answer.Version+orNothing(" and ", c.Answer.Suite)+".")
	}
	for i, x := range c.Certificates {
		lead := "              "
		if i == 0 {
			lead = "      server  "
		}
		a.wrapped(plain, lead, fmt.Sprintf("%d. certificate of %s, issued by %s, until %s", i+1, x.Subject, x.Issuer, a.when(x.NotAfter)))
	}
	for _, t := range c.Alerts {
		a.wrapped(plain, fmt.Sprintf("      %-8s", t.From), fmt.Sprintf("alert %s (%d) in packet %d: %s", t.Name, t.Number, t.Packet, t.Means))
	}
}

// orNothing is lead and s, or nothing if there is no s.
func orNothing(lead, s string) string {
	if s == "" {
		return ""
	}
	return lead + s
}
