package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/httpd"
	"sallyport/patience"
)

func (a *app) patienceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "patience NAME",
		Short: "Say how long a client waits and people take, and what to set",
		Long: `Say how long a RADIUS client waits and people take, and what to set on it, from
the newest seven days with traffic on all nodes. Nodes write down what they have
learned once a minute, and know the end of an exchange half a minute after it.`,
		Example: `  sallyport client patience office-vpn`,
		Args:    takes("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		var v admin.PatienceView
		if err := a.server().do(c.Context(), "client.patience", httpd.Name{Name: args[0]}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		a.printPatience(v)
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) printPatience(v admin.PatienceView) {
	for _, line := range wrap(clean(v.Client+": "+v.Advice)+".", 78) {
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintln(a.out)
	seconds := func(ms int64) string {
		if ms == 0 {
			return ""
		}
		return patience.Seconds(time.Duration(ms) * time.Millisecond)
	}
	schedule := ""
	if v.IntervalMillis > 0 {
		schedule = "first after " + seconds(v.IntervalMillis)
		switch {
		case v.Growth >= 1.15:
			schedule += fmt.Sprintf(", each interval %.1f times the one before", v.Growth)
		case v.Growth > 0:
			schedule += ", then at the same interval"
		}
		if v.Sendings > 0 {
			schedule += fmt.Sprintf(", %d sendings in all", v.Sendings)
		}
	}
	people := ""
	if v.Answers > 0 {
		people = fmt.Sprintf("half within %s, 9 in 10 within %s, 99 in 100 within %s (%d answers)",
			orZero(seconds(v.P50Millis)), orZero(seconds(v.P90Millis)), orZero(seconds(v.P99Millis)), v.Answers)
	}
	late := ""
	if v.Late > 0 {
		late = fmt.Sprintf("%d approved after the client had left", v.Late)
	}
	a.facts(
		"exchanges", fmt.Sprintf("%d, %d sent more than once, %d given up", v.Exchanges, v.Repeated, v.GivenUp),
		"sends again", schedule,
		"gives up", seconds(v.GivesUpMillis),
		"people answer", people,
		"late", late,
		"updated", a.when(v.Updated),
	)
	for _, t := range v.Turns {
		fmt.Fprintf(a.out, "turns from node %s to %s after %s (%d times)\n", clean(t.From), clean(t.To), orZero(seconds(t.AfterMillis)), t.Count)
	}
	for _, w := range v.Warnings {
		a.warnf("%s", w)
	}
}

// orZero is for durations that are known to be next to nothing.
func orZero(s string) string {
	if s == "" {
		return "0 s"
	}
	return s
}
