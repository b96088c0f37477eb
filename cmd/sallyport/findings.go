package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/httpd"
)

func (a *app) findingsCommand() *cobra.Command {
	var since string
	look := func() (time.Time, error) { return moment(since, a.now().In(a.zone), -1) }
	c := &cobra.Command{
		Use:   "findings",
		Short: "Say what is wrong with how people are asked, and what to do",
		Long: `Read the events and what was learned of the clients, and say what is wrong with
how people are asked: logins that ask twice for one errand, approvals that come
after the client has left, clients that give up before people have answered.

Each finding is one cause, however often it struck. Where the remedy is in this
server, "sallyport findings apply ID" does it; then the finding is silent.`,
		Example: `  sallyport findings --since 30d
  sallyport findings apply double-prompt/vpn`,
		Args: takes(),
	}
	c.PersistentFlags().StringVar(&since, "since", "7d", "look at events since a `time`, a date, or 15m, 24h, 7d ago")
	c.RunE = func(c *cobra.Command, _ []string) error {
		from, err := look()
		if err != nil {
			return err
		}
		found := 0
		err = each(c.Context(), a.server(), "finding.list", httpd.FindingQuery{Since: from}, func(f admin.Finding) error {
			found++
			if a.json {
				return a.printJSON(f)
			}
			a.printFinding(f)
			return nil
		})
		if err == nil && found == 0 && !a.json {
			a.notef("nothing found since %s", a.when(from))
		}
		return err
	}
	apply := &cobra.Command{
		Use:     "apply ID",
		Short:   "Do what a finding advises",
		Example: `  sallyport findings apply double-prompt/vpn`,
		Args:    takes("ID"),
	}
	apply.RunE = func(c *cobra.Command, args []string) error {
		from, err := look()
		if err != nil {
			return err
		}
		var f admin.Finding
		if err := a.server().do(c.Context(), "finding.apply", httpd.FindingRef{ID: args[0], Since: from}, &f); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(f)
		}
		a.facts("finding", f.ID, "application", f.Application, "done", f.Done)
		a.notef("sallyport cache remove %s takes it back", f.Application)
		return nil
	}
	c.AddCommand(a.printsRecords(apply))
	return a.printsRecords(c)
}

// printFinding prints one finding and an empty line.
func (a *app) printFinding(f admin.Finding) {
	title := f.Title
	if f.Count > 1 {
		title += fmt.Sprintf(", %d times", f.Count)
	}
	if !f.First.IsZero() {
		title += ", last " + a.when(f.Last)
	}
	fmt.Fprintf(a.out, "%s\n  %s\n", a.paint(strong, title), clean(f.ID))
	for _, e := range f.Examples {
		fmt.Fprintf(a.out, "  %s: %s\n", clean(e.Account), clean(e.What))
		for _, l := range e.Logins {
			words := []string{a.when(l.Time), "through " + l.Client}
			if l.From != "" {
				words = append(words, "from "+l.From)
			}
			if l.Node != e.Logins[0].Node || l.Node != e.Logins[len(e.Logins)-1].Node {
				words = append(words, "at node "+l.Node)
			}
			fmt.Fprintf(a.out, "    %s  %s\n", clean(l.Reference), clean(strings.Join(words, ", ")))
		}
	}
	for _, line := range wrap(clean(f.Advice), 76) {
		fmt.Fprintf(a.out, "  %s\n", line)
	}
	if f.Command != "" {
		fmt.Fprintf(a.out, "    %s\n", clean(f.Command))
	}
	fmt.Fprintln(a.out)
}
