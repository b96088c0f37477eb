package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
)

func (a *app) explainCommand() *cobra.Command {
	var q admin.Question
	var at string
	c := &cobra.Command{
		Use:   "explain --account NAME",
		Short: "Say what would become of a login, without it",
		Long: `Say what would become of a login with the right password and no code: what would
be asked for, which rule says so, which exemption would apply, and the steps. It
decides on the facts of now as the server does, and spends, counts and records
nothing.

With --application it answers for each client of the application. Without --ip
the person's address is unknown, as if the client did not say it.

Exit codes: 0 the person can get in, at once, with a second factor or with a
code that comes along with the password; 1 they would be refused, at one of the
clients at least.`,
		Example: `  sallyport explain --account alice --application vpn --ip 10.1.2.3
  sallyport explain --account alice --client fw1 --at "2026-12-24 22:00"`,
		Args: takes(),
	}
	c.Flags().StringVar(&q.Account, "account", "", "`name` that logs in, whether or not anybody has it")
	c.Flags().StringVar(&q.Application, "application", "", "`application` that they log in to")
	c.Flags().StringVar(&q.Client, "client", "", "`client` through which they log in")
	c.Flags().StringVar(&q.IP, "ip", "", "`address` where the person is")
	c.Flags().StringVar(&at, "at", "", "when: a `time`, a date, or 15m, 24h, 7d from now (default: now)")
	required(c, "account")
	c.MarkFlagsOneRequired("application", "client")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if at != "" {
			var err error
			if q.At, err = moment(at, a.now().In(a.zone), 1); err != nil {
				return err
			}
		}
		n, possible := 0, true
		err := each(c.Context(), a.server(), "policy.explain", q, func(v admin.ExplainView) error {
			possible = possible && v.Possible
			if a.json {
				return a.printJSON(v)
			}
			if n++; n > 1 {
				fmt.Fprintln(a.out)
			}
			return a.printExplanation(v)
		})
		if err == nil && !possible {
			err = &failure{err: fmt.Errorf("refused"), exit: exitRefused, quiet: true}
		}
		return err
	}
	return a.printsRecords(c)
}

func (a *app) printExplanation(v admin.ExplainView) error {
	st := bad
	if v.Possible {
		st = verdictStyle(v.Verdict)
		if v.Verdict == "reject" {
			st = odd
		}
	}
	where := v.IP
	if where == "" {
		where = "an unknown address"
	}
	who := v.Account
	if who == "" {
		who = fmt.Sprintf("%q, which nobody is called,", v.Claimant)
	}
	for _, line := range wrap(clean(fmt.Sprintf("%s at %s, through %s, from %s, on %s:", who, v.Application, v.Client, where, a.when(v.At))), 78) {
		fmt.Fprintln(a.out, line)
	}
	for _, line := range wrap(clean(v.Answer), 76) {
		fmt.Fprintf(a.out, "  %s\n", a.paint(st, line))
	}
	fmt.Fprintln(a.out)
	need := v.Need
	if need != "" {
		need = map[string]string{"both": "both factors", "primary": "the first factor alone", "refuse": "nothing helps"}[need]
	}
	a.facts(
		"rule", v.Rule,
		"need", need,
		"methods", strings.Join(v.Methods, ", then "),
		"exemption", v.Exemption,
		"verdict", v.Verdict,
		"outcome", outcomeText(v),
	)
	for _, note := range v.Notes {
		for i, line := range wrap(clean(note), 72) {
			lead := "      "
			if i == 0 {
				lead = "note: "
			}
			fmt.Fprintln(a.out, lead+line)
		}
	}
	a.paragraph("What to do", v.Remedy)
	return a.printTrace(v.Trace, false)
}

func outcomeText(v admin.ExplainView) string {
	if v.Code == 0 {
		return ""
	}
	return strconv.Itoa(v.Code) + " " + v.Label + " (" + v.Outcome + ")"
}
