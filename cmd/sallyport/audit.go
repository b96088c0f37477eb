package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/httpd"
)

func (a *app) auditCommand() *cobra.Command {
	return group("audit", "Show that the record of logins is whole, and where it is sent",
		a.auditVerify(),
		a.auditStatus(),
		a.auditRetain(),
		a.auditGiveUp(),
	)
}

func (a *app) auditVerify() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [--export FILE | --backup FILE --key FILE]",
		Short: "Check that no event was changed, dropped, swapped or cut off",
		Long: `Check that no event was changed, dropped, swapped or cut off: the chain of events
in the database of the running server, against the anchors that it has written.
It exits with 0 if all is whole, and with 1 if anything was found.

With --anchors, anchors that others have kept are compared too: any file with
lines of an export. They also find out a server whose own file of anchors was
changed along with its database.

With --export a file of exported events is checked instead: that each is one of
this installation's, unchanged, and that none is missing from --from on. Give
the whole of the files that a receiver has kept, in order, or "-" for standard
input.

With --backup a backup is checked instead, without a server; nothing in it is
changed.`,
		Example: `  sallyport audit verify
  sallyport audit verify --anchors siem-anchors.jsonl
  cat events.jsonl.2 events.jsonl.1 events.jsonl | sallyport audit verify --export -
  sallyport audit verify --backup sallyport-2026-11-22.db --key /safe/seal.key --own-anchors anchors`,
		Args: takes(),
	}
	c.Flags().StringVar(&o.anchors, "anchors", "", "`file` with anchors that were kept elsewhere")
	c.Flags().StringVar(&o.export, "export", "", "`file` with exported events to check")
	c.Flags().Uint64Var(&o.from, "from", 1, "`number` of the event with which the export must begin; 0 for any")
	c.Flags().StringVar(&o.backup, "backup", "", "`file` of a backup to check")
	c.Flags().StringVar(&o.key, "key", "", "the key `file` that belongs to the backup")
	c.Flags().StringVar(&o.own, "own-anchors", "", "the server's `file` of anchors, to compare a backup with")
	c.Flags().StringVar(&o.scratch, "scratch", "", "`directory` with room for a copy of the backup (default: that for temporary files)")
	c.MarkFlagsMutuallyExclusive("export", "backup")
	c.MarkFlagsRequiredTogether("backup", "key")
	c.RunE = func(c *cobra.Command, _ []string) error { return a.verify(c.Context(), o) }
	return a.printsRecords(c)
}

type verifyOptions struct {
	anchors, export, backup, key, own, scratch string
	from                                       uint64
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	elsewhere, err := anchorLines(o.anchors)
	if err != nil {
		return err
	}
	var r httpd.AuditReport
	switch {
	case o.export != "":
		if r, err = a.verifyExport(ctx, o, elsewhere); err != nil {
			return err
		}
	case o.backup != "":
		v, err := a.examine(ctx, examineOptions{file: o.backup, key: o.key, anchors: o.own, scratch: o.scratch}, elsewhere, false)
		if err != nil {
			return err
		}
		r = reportOf(v.Report)
	default:
		in := httpd.AuditVerify{Anchors: elsewhere}
		tell := a.progress()
		err = each(ctx, a.server(), "audit.verify", in, func(p httpd.AuditProgress) error {
			if p.Report != nil {
				r = *p.Report
			} else {
				tell(fmt.Sprintf("event %d", p.Seq))
			}
			return nil
		})
		tell("")
		if err != nil {
			return err
		}
	}
	return a.printReport(r)
}

func reportOf(r audit.Report) httpd.AuditReport {
	return httpd.AuditReport{
		Whole: r.Whole(), First: r.First, Last: r.Last, Anchors: r.Anchors, NewestAnchored: r.Newest, Findings: r.Findings, Notes: r.Notes,
	}
}

// printReport prints what was found. Anything that does not fit is a failure.
func (a *app) printReport(r httpd.AuditReport) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		events := "none"
		if r.Last > 0 {
			events = fmt.Sprintf("%d to %d", r.First, r.Last)
		}
		newest := "no anchor"
		if r.NewestAnchored > 0 {
			newest = "event " + strconv.FormatUint(r.NewestAnchored, 10)
		}
		whole := cell{"whole", good}
		if !r.Whole {
			whole = cell{"NOT WHOLE", bad}
		}
		fmt.Fprintf(a.out, "%s\n", a.paint(whole.style, whole.text))
		a.facts("events", events, "anchors that fit", strconv.Itoa(r.Anchors), "anchored up to", newest)
		for _, f := range r.Findings {
			fmt.Fprintf(a.out, "%s %s\n", a.paint(bad, "found:"), clean(f))
		}
		for _, n := range r.Notes {
			fmt.Fprintf(a.out, "note: %s\n", clean(n))
		}
	}
	if !r.Whole {
		return refused("keep the database, the anchors and the exports as they are, and compare them; docs/audit.md says how",
			"the record of events is not whole")
	}
	return nil
}

// progress returns what tells how far something has come, on one line of
// standard error if that is a terminal; "" ends the line.
func (a *app) progress() func(what string) {
	f, ok := a.err.(*os.File)
	if !ok || !isTerminal(f) {
		return func(string) {}
	}
	begun := false
	return func(what string) {
		if what != "" || begun {
			fmt.Fprintf(a.err, "\r\x1b[K%s", clean(what))
			begun = true
		}
	}
}

// anchorsMost bounds the anchors that are sent to a server: a hundred thousand,
// the newest of which count.
const anchorsMost = 100_000

// anchorLines reads the anchors out of a file that can hold other lines.
func anchorLines(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, refused("", "read anchors: %w", err)
	}
	defer f.Close()
	var list []string
	err = eachLine(f, func(line []byte) error {
		if record := audit.Record(line); bytes.HasPrefix(record, []byte(`{"kind":"anchor"`)) {
			if list = append(list, string(record)); len(list) > anchorsMost {
				list = list[1:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, refused("name a file with lines of an export, or of another server's file of anchors", "there is no anchor in %s", name)
	}
	return list, nil
}

// exportLineMost is longer than any line of an export that a receiver has put
// something before.
const exportLineMost = 4 << 20

func eachLine(r io.Reader, use func(line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), exportLineMost)
	for s.Scan() {
		if err := use(s.Bytes()); err != nil {
			return err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return refused("is it an export?", "a line is longer than %d octets", exportLineMost)
	} else if err != nil {
		return refused("", "read: %w", err)
	}
	return nil
}

// checkMost is how many records the server is asked about at once, and
// checkOctets how large they are together.
const (
	checkMost   = 5000
	checkOctets = 8 << 20
)

// verifyExport asks the server which lines are genuine, and judges their order.
func (a *app) verifyExport(ctx context.Context, o verifyOptions, elsewhere []string) (httpd.AuditReport, error) {
	in := a.in
	if o.export != "-" {
		f, err := os.Open(o.export)
		if err != nil {
			return httpd.AuditReport{}, refused("", "read the export: %w", err)
		}
		defer f.Close()
		in = f
	}
	check := audit.ExportCheck{From: o.from}
	var waiting [][]byte
	var newest audit.Anchor
	octets, n := 0, 0
	tell := a.progress()
	defer tell("")
	ask := func() error {
		q := httpd.AuditCheck{Records: make([]string, len(waiting))}
		for i, line := range waiting {
			q.Records[i] = string(audit.Record(line))
		}
		var v httpd.AuditChecked
		if err := a.server().do(ctx, "audit.check", q, &v); err != nil {
			return err
		}
		if len(v.Genuine) != len(waiting) {
			return refused("are the command and the server of the same version?", "the server answered for %d of %d records", len(v.Genuine), len(waiting))
		}
		for i, line := range waiting {
			n++
			check.Line(n, line, v.Genuine[i])
		}
		newest = audit.Anchor{Seq: v.AnchorSeq, Time: v.AnchorTime}
		waiting, octets = waiting[:0], 0
		tell(fmt.Sprintf("line %d", n))
		return nil
	}
	err := eachLine(in, func(line []byte) error {
		waiting = append(waiting, bytes.Clone(line))
		if octets += len(line); len(waiting) < checkMost && octets < checkOctets {
			return nil
		}
		return ask()
	})
	if err == nil {
		err = ask() // also for the newest anchor
	}
	if err != nil {
		return httpd.AuditReport{}, err
	}
	if len(elsewhere) > 0 {
		a.warnf("--anchors is not used with --export; the export's own and the server's are")
	}
	return reportOf(check.End(newest)), nil
}

func (a *app) auditStatus() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how far each export has come, and when the last anchor was written",
		Long: `Say how far each export has come, and when the last anchor was written. An export
is late when the oldest event that it has not delivered is more than five
minutes old. It exits with 0 also if one is late; scripts look at "late".

With several nodes, each export is shipped by one of them, and that one knows
the last error; the others know the position.`,
		Args: takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var v httpd.AuditStatus
		if err := a.server().do(c.Context(), "audit.status", httpd.Nothing{}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		anchor := "none yet"
		if v.AnchorSeq > 0 {
			anchor = fmt.Sprintf("event %d at %s", v.AnchorSeq, a.when(v.AnchorTime))
		}
		keep := v.KeepEvents
		if keep == "0s" {
			keep = "for ever"
		}
		a.facts("node", v.Node, "newest anchor", anchor, "anchors in", v.AnchorFile, "events are kept", keep)
		if len(v.Exports) == 0 {
			a.notef("nothing is exported; docs/audit.md says how to")
			return nil
		}
		fmt.Fprintln(a.out)
		t := a.table("EXPORT", "STATE", "POSITION", "WAITING", "LAG", "TO", "LAST ERROR")
		for _, e := range v.Exports {
			state := cell{"on time", good}
			switch {
			case e.GivenUp:
				state = cell{"given up", bad}
			case e.Late:
				state = cell{"LATE", bad}
			case e.LagSeconds > 0:
				state = cell{"behind", odd}
			}
			if !e.Ships && !e.GivenUp {
				state.text += " (another node ships)"
			}
			position, waiting, lag, failed := strconv.FormatUint(e.Position, 10), strconv.FormatUint(e.Head-min(e.Position, e.Head), 10), "", ""
			if e.GivenUp {
				position, waiting = "", ""
			}
			if e.LagSeconds > 0 {
				lag = time.Duration(e.LagSeconds * float64(time.Second)).Round(time.Second).String()
			}
			if e.LastError != "" {
				failed = a.when(e.LastFailure) + ": " + e.LastError
			}
			row := text(e.Name, "", position, waiting, lag, e.URL, failed)
			row[1] = state
			if err := t.row(row...); err != nil {
				return err
			}
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) auditRetain() *cobra.Command {
	var before string
	var yes bool
	c := &cobra.Command{
		Use:   "retain --before TIME",
		Short: "Delete events before a time",
		Long: `Delete events before a time, at least 24 hours ago. What is left verifies. Events
that an export has not delivered stay. The setting keep_events of the
configuration does the same every day.`,
		Example: `  sallyport audit retain --before 2025-01-01
  sallyport audit retain --before 90d`,
		Args: takes(),
	}
	c.Flags().StringVar(&before, "before", "", "a `time`, a date, or 90d ago")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	required(c, "before")
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := moment(before, a.now().In(a.zone), -1)
		if err != nil {
			return err
		}
		if err := a.confirm(yes, "Delete all events before "+a.when(at)+" for good?"); err != nil {
			return err
		}
		var v httpd.Retained
		if err := a.server().do(c.Context(), "audit.retain", httpd.Retention{Before: at}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "%s deleted\n", count(int(v.Events), "event"))
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) auditGiveUp() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "give-up NAME",
		Short: "Let nothing wait any more for an export that is no longer configured",
		Long: `Let nothing wait any more for an export that is no longer configured, so that old
events can be deleted that it has not delivered. An export of that name ships
nothing again; a new one needs a new name.`,
		Args: takes("NAME"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, "Give up the export "+args[0]+" for good?"); err != nil {
			return err
		}
		return a.server().do(c.Context(), "audit.give-up", httpd.Name{Name: args[0]}, &httpd.Nothing{})
	}
	return c
}
