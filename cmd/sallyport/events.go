package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/httpd"
)

func (a *app) eventsCommand() *cobra.Command {
	var q httpd.EventQuery
	var since string
	c := &cobra.Command{
		Use:   "events",
		Short: "List logins and what came of them",
		Long: `List logins and what came of them, oldest first.

With --follow it goes on with events as they happen until it is interrupted;
it begins now unless --since or --limit ask for older ones.`,
		Example: `  sallyport events --account alice --since 24h
  sallyport events --outcome 138 --json | jq -r .reference
  sallyport events --follow`,
		Args: takes(),
	}
	c.Flags().BoolVar(&q.Follow, "follow", false, "go on with events as they happen")
	c.Flags().StringVar(&q.Account, "account", "", "only those of this `name`, whether or not anybody has it")
	c.Flags().StringVar(&q.Outcome, "outcome", "", "only those with this outcome, a `code` or name (sallyport codes lists them)")
	c.Flags().StringVar(&since, "since", "", "only those since a `time`, a date, or 15m, 24h, 7d ago")
	c.Flags().IntVar(&q.Limit, "limit", 0, "only the newest `N`; 0 for all")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if since != "" {
			var err error
			if q.Since, err = moment(since, a.now().In(a.zone), -1); err != nil {
				return err
			}
		}
		t := a.eventTable()
		err := each(c.Context(), a.server(), "event.list", q, func(v admin.EventView) error {
			if a.json {
				return a.printJSON(v)
			}
			if err := t.row(a.eventRow(v)...); err != nil || !q.Follow {
				return err
			}
			return t.flush()
		})
		if flushed := t.flush(); err == nil {
			err = flushed
		}
		if q.Follow && errors.Is(c.Context().Err(), context.Canceled) {
			return nil // that is how one stops it
		}
		return err
	}
	return a.printsRecords(c)
}

func (a *app) eventTable() *table {
	t := a.table("TIME", "VERDICT", "ACCOUNT", "APPLICATION", "CLIENT", "CODE", "OUTCOME", "REFERENCE")
	// Rows that come one at a time cannot be aligned with those to come.
	t.widths = []int{len("2006-01-02 15:04:05 CEST"), len("unavailable"), 16, 12, 12, 4, 22, 9}
	return t
}

func (a *app) eventRow(v admin.EventView) []cell {
	row := text(a.when(v.Time), v.Verdict, v.Account, v.Application, v.Client, strconv.Itoa(v.Code), v.Outcome, v.Reference)
	row[1].style = verdictStyle(v.Verdict)
	if v.Count > 1 {
		row[6].text += fmt.Sprintf(" (%d times)", v.Count)
	}
	return row
}

func (a *app) whyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "why REFERENCE",
		Short: "Explain one login by the reference that the person reads out",
		Long: `Explain one login by the reference that the person reads out, such as 7F3K-92QD:
what they were told, the cause, what the help desk can say, what to do, and what
happened step by step. Dash and case do not matter; O counts as 0, I and L as 1.`,
		Args: takes("REFERENCE"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		var v admin.WhyView
		if err := a.server().do(c.Context(), "event.why", httpd.Reference{Reference: args[0]}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		return a.printWhy(v)
	}
	return a.printsRecords(c)
}

// whatHappened says in a sentence what came of a login.
func (a *app) whatHappened(v admin.WhyView) string {
	who := v.Account
	switch {
	case who == "":
		who = "Somebody"
	case strings.HasPrefix(who, "?"):
		who = "A name that nobody has (" + who + ")"
	}
	did := map[string]string{
		"accept":      "was let in",
		"reject":      "was refused",
		"challenge":   "was asked for more",
		"unavailable": "got no answer, because of a fault here",
		"ignore":      "got no answer",
	}[v.Verdict]
	s := who + " " + did
	if v.Application != "" {
		s += " at " + v.Application
	}
	if v.Client != "" {
		s += ", through " + v.Client
	}
	if v.Source != "" {
		s += " (" + v.Source + ")"
	}
	if v.From != "" {
		s += ", calling from " + v.From
	}
	if v.Count > 1 {
		s += fmt.Sprintf("; it stands for %d like it", v.Count)
	}
	return s + "."
}

func (a *app) printWhy(v admin.WhyView) error {
	for _, line := range wrap(clean(a.whatHappened(v)), 78) {
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintln(a.out)
	a.facts(
		"time", a.when(v.Time),
		"verdict", v.Verdict,
		"outcome", fmt.Sprintf("%d %s (%s)", v.Code, v.Label, v.Outcome),
		"stage", v.Stage,
		"factor", strings.TrimSpace(v.Factor+" "+v.Authenticator),
		"failures", inARow(v.Failures),
		"took", took(time.Duration(v.TookMicros)*time.Microsecond),
		"MFA at fault", yesNo(v.AtFault),
		"reference", v.Reference,
	)
	a.paragraph("What the person was told", v.Person)
	a.paragraph("Also known", strings.Join(v.Remarks, "; "))
	a.paragraph("Cause", v.Administrator)
	a.paragraph("For the help desk", v.HelpDesk)
	a.paragraph("What to do", v.Remedy)
	return a.printTrace(v.Trace, true)
}

// printTrace prints the steps of a login, with the time that each took if they
// were made.
func (a *app) printTrace(trace []auth.Step, made bool) error {
	if len(trace) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "\n%s\n", a.paint(strong, "Step by step"))
	header := []string{"  STAGE", "", "TOOK", "NOTE"}
	if !made {
		header = slices.Delete(header, 2, 3)
	}
	t := a.table(header...)
	for _, s := range trace {
		mark := cell{"ok", good}
		if !s.OK {
			mark = cell{"no", bad}
		}
		row := []cell{{text: "  " + string(s.Stage)}, mark, {text: took(s.Took)}, {text: s.Note}}
		if !made {
			row = slices.Delete(row, 2, 3)
		}
		if err := t.row(row...); err != nil {
			return err
		}
	}
	return t.flush()
}

func inARow(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + " in a row"
}

func (a *app) actsCommand() *cobra.Command {
	var q httpd.ActQuery
	c := &cobra.Command{
		Use:   "acts",
		Short: "List what administrators did, and who it was",
		Args:  takes(),
	}
	c.Flags().Uint64Var(&q.After, "after", 0, "only those after this sequence `number`")
	c.Flags().IntVar(&q.Limit, "limit", 0, "only the first `N`; 0 for all")
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("SEQ", "TIME", "ACTOR", "ACTION", "SUBJECT", "DETAIL")
		err := each(c.Context(), a.server(), "act.list", q, func(v admin.Act) error {
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(strconv.FormatUint(v.Seq, 10), a.when(v.Time), v.Actor, v.Action, v.Subject, v.Detail)...)
		})
		if flushed := t.flush(); err == nil {
			err = flushed
		}
		return err
	}
	return a.printsRecords(c)
}
