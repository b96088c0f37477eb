package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/admin"
	"sallyport/httpd"
)

func (a *app) ruleCommand() *cobra.Command {
	return group("rule", "Manage the rules that say what a login needs",
		a.ruleAdd(), a.ruleList(), a.ruleShow(), a.ruleChange(), a.ruleMove(), a.ruleRemove())
}

// A ruleFlags holds what the flags of rule add and rule change were given.
type ruleFlags struct {
	applications, clients, groups, sources, holding, times []string
	methods, reply                                         []string
	need, unenrolled                                       string
	challenge, wait                                        int
}

func (f *ruleFlags) on(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.applications, "application", nil, "only logins to this `application`; may be repeated")
	c.Flags().StringArrayVar(&f.clients, "client", nil, "only logins through this `client`; may be repeated")
	c.Flags().StringArrayVar(&f.groups, "group", nil, "only members of this `group`; may be repeated")
	c.Flags().StringArrayVar(&f.sources, "source", nil, "only people at this `address`, subnet or range of addresses; may be repeated")
	c.Flags().StringArrayVar(&f.holding, "holding", nil, "only accounts that hold an authenticator of this `factor`; may be repeated")
	c.Flags().StringArrayVar(&f.times, "time", nil, "only at these `hours`, \"mon-fri 08:00-18:00 Europe/Berlin\"; may be repeated")
	c.Flags().StringVar(&f.need, "need", "both", "both factors, primary for the first alone, or refuse")
	c.Flags().StringArrayVar(&f.methods, "method", nil, "`factor` that may complete the login; may be repeated; who prefers none of them is asked in that order (default: all)")
	c.Flags().StringVar(&f.unenrolled, "unenrolled", "refuse", "what people without a second factor meet: refuse, pass (the first factor alone), or enrol (refused, and told to enrol)")
	c.Flags().IntVar(&f.challenge, "challenge-seconds", 0, "how long a challenge can be answered, 30 to 600; 0 for the server's")
	c.Flags().IntVar(&f.wait, "wait-seconds", 0, "how long a second request waits for the open login that it joins, 1 to 300; 0 for as long as its client can")
	c.Flags().StringArrayVar(&f.reply, "reply", nil, "RADIUS attribute of an Access-Accept, `NAME=VALUE`; may be repeated")
}

// terms returns what was given. A list given once and empty is the empty list.
func (f *ruleFlags) terms(c *cobra.Command) (t admin.RuleTerms, err error) {
	list := func(flag string, values []string) []string {
		switch {
		case !c.Flags().Changed(flag):
			return nil
		case len(values) == 1 && values[0] == "":
			return []string{}
		}
		return values
	}
	t = admin.RuleTerms{
		Applications: list("application", f.applications), Clients: list("client", f.clients), Groups: list("group", f.groups),
		Sources: list("source", f.sources), Holding: list("holding", f.holding), Times: list("time", f.times), Methods: list("method", f.methods),
	}
	if c.Flags().Changed("need") {
		t.Need = &f.need
	}
	if c.Flags().Changed("unenrolled") {
		t.Unenrolled = &f.unenrolled
	}
	if c.Flags().Changed("challenge-seconds") {
		t.ChallengeSeconds = &f.challenge
	}
	if c.Flags().Changed("wait-seconds") {
		t.WaitSeconds = &f.wait
	}
	t.Attributes, err = replyGiven(c, f.reply)
	return t, err
}

// placeFlags are --before, --after and --place.
func placeFlags(c *cobra.Command, p *admin.RulePlace) {
	c.Flags().StringVar(&p.Before, "before", "", "`rule` that it goes before")
	c.Flags().StringVar(&p.After, "after", "", "`rule` that it goes after")
	c.Flags().Int64Var(&p.Place, "place", 0, "`place` in the order, 1 for the first")
	c.MarkFlagsMutuallyExclusive("before", "after", "place")
}

func (a *app) ruleAdd() *cobra.Command {
	var f ruleFlags
	var n admin.NewRule
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a rule",
		Long: `Make a rule, at the end unless a place is given, and print it.

Rules are asked in their order; the first that matches a login decides. A rule
matches if each kind of condition that it has is met by one of those given: a
rule with two applications and a group is for members of the group at either
application. Without any condition it matches every login.

A login that no rule matches needs both factors, and whoever has no second one
is refused: that is the rule "strictest", which stands behind all others.`,
		Example: `  sallyport rule add contractors --application vpn --group contractors --method oath --time "mon-fri 08:00-18:00 Europe/Berlin"
  sallyport rule add migration-week --application vpn --unenrolled pass --before contractors`,
		Args: takes("NAME"),
	}
	f.on(c)
	placeFlags(c, &n.RulePlace)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		n.Name = args[0]
		if n.RuleTerms, err = f.terms(c); err != nil {
			return err
		}
		return a.askForRule(c, "rule.add", n)
	}
	return a.printsRecords(c)
}

func (a *app) ruleChange() *cobra.Command {
	var f ruleFlags
	var n admin.RuleChange
	c := &cobra.Command{
		Use:   "change NAME",
		Short: "Change what a rule matches and says",
		Long: `Change what a rule matches and says, and print it.

Only what a flag is given for is changed. A list that is given replaces the old
list; an empty one takes the condition away (--group ''). It is in force for
the next login; nothing that caches remember counts any more.`,
		Example: `  sallyport rule change migration-week --unenrolled enrol
  sallyport rule change contractors --application vpn --application rdp --time ''`,
		Args: takes("NAME"),
	}
	f.on(c)
	c.Flags().StringVar(&n.NewName, "name", "", "new `name` of the rule")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		n.Name = args[0]
		if n.RuleTerms, err = f.terms(c); err != nil {
			return err
		}
		if err := somethingGiven(c); err != nil {
			return err
		}
		return a.askForRule(c, "rule.change", n)
	}
	// What is not given stays as it is; there are no defaults.
	for _, name := range []string{"need", "unenrolled"} {
		c.Flags().Lookup(name).DefValue = ""
	}
	return a.printsRecords(c)
}

// somethingGiven refuses a change that changes nothing.
func somethingGiven(c *cobra.Command) error {
	given := false
	c.Flags().Visit(func(f *pflag.Flag) {
		given = given || f.Name != "json" && c.InheritedFlags().Lookup(f.Name) == nil
	})
	if given {
		return nil
	}
	return misused(c.CommandPath()+" --help", "it is not said what to change")
}

func (a *app) ruleMove() *cobra.Command {
	var n admin.RuleMove
	c := &cobra.Command{
		Use:     "move NAME",
		Short:   "Put a rule at another place in the order",
		Long:    `Put a rule at another place in the order, and print it. The others close up.`,
		Example: `  sallyport rule move contractors --before migration-week`,
		Args:    takes("NAME"),
	}
	placeFlags(c, &n.RulePlace)
	c.MarkFlagsOneRequired("before", "after", "place")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Name = args[0]
		return a.askForRule(c, "rule.move", n)
	}
	return a.printsRecords(c)
}

func (a *app) ruleShow() *cobra.Command {
	c := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a rule",
		Example: `  sallyport rule show strictest`,
		Args:    takes("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.askForRule(c, "rule.show", httpd.Name{Name: args[0]})
	}
	return a.printsRecords(c)
}

func (a *app) ruleList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the rules in the order in which they are asked",
		Example: `  sallyport rule list --json | jq -r 'select(.weakens != []) | .name'`,
		Args:    takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("PLACE", "NAME", "LOGINS", "NEED", "METHODS", "UNENROLLED")
		err := each(c.Context(), a.server(), "rule.list", httpd.Nothing{}, func(v admin.RuleView) error {
			a.warnRule(v)
			if a.json {
				return a.printJSON(v)
			}
			row := text(strconv.FormatInt(v.Place, 10), v.Name, loginsOf(v), v.Need, methodsOf(v), v.Unenrolled)
			if len(v.Weakens) > 0 {
				row[3].style, row[5].style = odd, odd
			}
			if v.Need != "both" {
				row[4].text, row[5].text = "", ""
			}
			return t.row(row...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) ruleRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "remove NAME",
		Short:   "End a rule; its logins meet the next that matches",
		Long:    `End a rule; its logins meet the next that matches. On a terminal it asks first.`,
		Example: `  sallyport rule remove migration-week`,
		Args:    takes("NAME"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, "Remove rule "+args[0]+"?"); err != nil {
			return err
		}
		if err := a.server().do(c.Context(), "rule.remove", httpd.Name{Name: args[0]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("rule %s was removed", args[0])
		return nil
	}
	return c
}

// askForRule does an operation that gives a rule, and prints that.
func (a *app) askForRule(c *cobra.Command, operation string, in any) error {
	var v admin.RuleView
	if err := a.server().do(c.Context(), operation, in, &v); err != nil {
		return err
	}
	a.warnRule(v)
	if a.json {
		return a.printJSON(v)
	}
	need := v.Need
	switch need {
	case "both":
		need = "both factors"
	case "primary":
		need = "the first factor alone"
	case "refuse":
		need = "nothing helps: refused"
	}
	unenrolled := ""
	if v.Need == "both" {
		unenrolled = map[string]string{
			"refuse": "refused", "pass": "let in on the first factor alone", "enrol": "refused, and told to enrol",
		}[v.Unenrolled]
	}
	created := ""
	if v.Created != nil {
		created = a.when(*v.Created)
	}
	a.facts(
		"rule", v.Name,
		"place", strconv.FormatInt(v.Place, 10),
		"logins", loginsOf(v),
		"need", need,
		"methods", methodsOf(v),
		"unenrolled", unenrolled,
		"challenges", secondsText(v.ChallengeSeconds),
		"joins wait", secondsText(v.WaitSeconds),
		"reply", strings.Join(v.Attributes, ", "),
		"created", created,
	)
	return nil
}

// warnRule says what weakens MFA about a rule, and what is probably not meant.
func (a *app) warnRule(v admin.RuleView) {
	for _, w := range v.Weakens {
		a.warnf("rule %s: %s", v.Name, w)
	}
	for _, w := range v.Warnings {
		a.warnf("rule %s: %s", v.Name, w)
	}
}

// loginsOf says which logins a rule is about.
func loginsOf(v admin.RuleView) string {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{
		{"application", v.Applications},
		{"client", v.Clients},
		{"group", v.Groups},
		{"from", v.Sources},
		{"holding", v.Holding},
		{"at", v.Times},
	} {
		if len(p.names) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.names, " or "))
		}
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case v.BuiltIn:
		return "every other"
	}
	return "every"
}

func methodsOf(v admin.RuleView) string { return strings.Join(v.Methods, ", then ") }

func secondsText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%v", time.Duration(n)*time.Second)
}
