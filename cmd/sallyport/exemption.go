package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/httpd"
)

func (a *app) trustedCommand() *cobra.Command {
	return group("trusted-ip", "Manage trusted networks: from them an application asks for no second factor",
		a.trustedAdd(), a.trustedList(), a.trustedRemove())
}

func (a *app) trustedAdd() *cobra.Command {
	var n admin.NewTrustedIP
	c := &cobra.Command{
		Use:   "add APPLICATION ADDRESSES",
		Short: "Ask for no second factor from an address, subnet or range",
		Long: `Ask for no second factor from an address, subnet or range, at one application.
The first factor is still checked. Such a login has the outcome -104.

Where the person is says the client, in Calling-Station-Id. A client that should
not be believed has "client change NAME --origin none"; it never applies there.`,
		Example: `  sallyport trusted-ip add vpn 10.1.0.0/16 --note "head office"
  sallyport trusted-ip add vpn 192.0.2.10-192.0.2.20`,
		Args: takes("APPLICATION", "ADDRESSES"),
	}
	c.Flags().StringVar(&n.Note, "note", "", "what it is, for whoever looks at the list")
	c.Flags().BoolVar(&n.Wide, "wide", false, "it is meant to hold more addresses than a /8 of IPv4 or a /16 of IPv6")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Application, n.Range = args[0], args[1]
		var v admin.TrustedIPView
		if err := a.server().do(c.Context(), "trusted-ip.add", n, &v); err != nil {
			return err
		}
		for _, w := range v.Warnings {
			a.warnf("%s at %s: %s", v.Range, v.Application, w)
		}
		if a.json {
			return a.printJSON(v)
		}
		a.facts("application", v.Application, "trusted", v.Range, "note", v.Note, "created", a.when(v.Created), "id", v.ID)
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) trustedList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List all trusted networks",
		Example: `  sallyport trusted-ip list`,
		Args:    takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("APPLICATION", "TRUSTED", "NOTE", "CREATED")
		err := each(c.Context(), a.server(), "trusted-ip.list", httpd.Nothing{}, func(v admin.TrustedIPView) error {
			for _, w := range v.Warnings {
				a.warnf("%s at %s: %s", v.Range, v.Application, w)
			}
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Application, v.Range, v.Note, a.when(v.Created))...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) trustedRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "remove APPLICATION ADDRESSES",
		Short:   "Ask for a second factor from there again",
		Long:    `Ask for a second factor from there again. On a terminal it asks first.`,
		Example: `  sallyport trusted-ip remove vpn 10.1.0.0/16`,
		Args:    takes("APPLICATION", "ADDRESSES"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, fmt.Sprintf("Trust %s at %s no longer?", args[1], args[0])); err != nil {
			return err
		}
		var v admin.TrustedIPView
		if err := a.server().do(c.Context(), "trusted-ip.remove", admin.TrustedIPRef{Application: args[0], Range: args[1]}, &v); err != nil {
			return err
		}
		a.notef("%s is no longer trusted at %s", v.Range, v.Application)
		return nil
	}
	return c
}

func (a *app) cacheCommand() *cobra.Command {
	return group("cache", "Manage cache rules: after one login with a second factor the next ones need none, for a while",
		a.cacheAdd(), a.cacheList(), a.cacheRemove(), a.cachePurge())
}

func (a *app) cacheAdd() *cobra.Command {
	var n admin.NewCacheRule
	c := &cobra.Command{
		Use:   "add APPLICATION --type TYPE --seconds N",
		Short: "Let a second factor count for the next logins too",
		Long: `Let a second factor count for the next logins to an application too, for a fixed
time. The first factor is checked at each of them.

Types, by what must be the same: "user+application+ip" (outcome 8) the account,
the door, the application and the person's address; "user+application" (9) all
of these but the address; "user" (6) the account alone, over all applications
that have a rule of this type. An application has one rule.

What is remembered is forgotten with a wrong password or code, with every change
of the account, its authenticators or its failures, and with every change of the
settings. Time is not prolonged by the logins that are spared.`,
		Example: `  sallyport cache add rdp --type user+application+ip --seconds 60`,
		Args:    takes("APPLICATION"),
	}
	c.Flags().StringVar(&n.Type, "type", "", "user+application+ip, user+application or user")
	c.Flags().IntVar(&n.Seconds, "seconds", 0, "how long it counts, 1 to 86400")
	required(c, "type", "seconds")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Application = args[0]
		var v admin.CacheRuleView
		if err := a.server().do(c.Context(), "cache.add", n, &v); err != nil {
			return err
		}
		a.warnCache(v)
		if a.json {
			return a.printJSON(v)
		}
		a.facts("application", v.Application, "type", v.Type, "for", secondsText(v.Seconds), "outcome", strconv.Itoa(v.Code), "created", a.when(v.Created), "id", v.ID)
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) warnCache(v admin.CacheRuleView) {
	for _, w := range v.Warnings {
		a.warnf("cache rule of %s: %s", v.Application, w)
	}
}

func (a *app) cacheList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List all cache rules",
		Example: `  sallyport cache list`,
		Args:    takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("APPLICATION", "TYPE", "FOR", "OUTCOME", "CREATED")
		err := each(c.Context(), a.server(), "cache.list", httpd.Nothing{}, func(v admin.CacheRuleView) error {
			a.warnCache(v)
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Application, v.Type, secondsText(v.Seconds), strconv.Itoa(v.Code), a.when(v.Created))...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) cacheRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "remove APPLICATION",
		Short:   "End the cache rule of an application, and what it remembers",
		Long:    `End the cache rule of an application, and what it remembers. On a terminal it asks first.`,
		Example: `  sallyport cache remove rdp`,
		Args:    takes("APPLICATION"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, "Remove the cache rule of "+args[0]+"?"); err != nil {
			return err
		}
		if err := a.server().do(c.Context(), "cache.remove", httpd.Name{Name: args[0]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("the cache rule of %s was removed", args[0])
		return nil
	}
	return c
}

func (a *app) cachePurge() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "purge [NAME]",
		Short: "Forget the second factors that caches remember",
		Long: `Forget the second factors that caches remember, of one account or of all. The
cache rules stay.`,
		Example: `  sallyport cache purge alice
  sallyport cache purge --all`,
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().BoolVar(&all, "all", false, "of all accounts")
	c.RunE = func(c *cobra.Command, args []string) error {
		if all == (len(args) == 1) {
			return misused(c.CommandPath()+" --help", "name an account, or give --all")
		}
		p := httpd.CachePurge{All: all}
		who := "of all accounts"
		if len(args) == 1 {
			p.Account, who = args[0], "of "+args[0]
		}
		if err := a.server().do(c.Context(), "cache.purge", p, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("what was remembered %s is forgotten", who)
		return nil
	}
	return c
}

func (a *app) bypassCommand() *cobra.Command {
	return group("bypass", "Let somebody log in once without a second factor",
		a.bypassAdd(), a.bypassList(), a.bypassRemove())
}

func (a *app) bypassAdd() *cobra.Command {
	var n admin.NewBypass
	c := &cobra.Command{
		Use:   "add NAME --reason TEXT",
		Short: "Let an account log in once without a second factor",
		Long: `Let an account log in once without a second factor, from now on and not for long.
The first factor is checked. The login has the outcome 7; the bypass is used up
with it. A bypass that the account has already is replaced.

A rule that refuses is not relaxed by it. For somebody who stays without a phone
for longer, recovery codes are better (authenticator recovery-codes).`,
		Example: `  sallyport bypass add alice --reason "phone at home; called back on the desk phone"`,
		Args:    takes("NAME"),
	}
	c.Flags().IntVar(&n.Seconds, "seconds", int(admin.DefaultBypass.Seconds()), "how long it can be used, 10 to 86400")
	c.Flags().StringVar(&n.Reason, "reason", "", "why, for the record")
	required(c, "reason")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Account = args[0]
		if n.Seconds == 0 { // which would mean the default
			return misused("", "--seconds is 10 to 86400")
		}
		var v admin.BypassView
		if err := a.server().do(c.Context(), "bypass.add", n, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		a.facts("account", v.Account, "until", a.when(v.Until), "reason", v.Reason, "allowed by", v.Actor)
		a.notef("%s can log in once without a second factor; sallyport bypass remove %s takes it back", v.Account, v.Account)
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) bypassList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the bypasses that were not used, expired ones too",
		Example: `  sallyport bypass list`,
		Args:    takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("ACCOUNT", "STATE", "UNTIL", "REASON", "ALLOWED BY")
		err := each(c.Context(), a.server(), "bypass.list", httpd.Nothing{}, func(v admin.BypassView) error {
			if a.json {
				return a.printJSON(v)
			}
			state := cell{"live", odd}
			if !v.Live {
				state = cell{"expired", faint}
			}
			return t.row(cell{text: v.Account}, state, cell{text: a.when(v.Until)}, cell{text: v.Reason}, cell{text: v.Actor})
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) bypassRemove() *cobra.Command {
	c := &cobra.Command{
		Use:     "remove NAME",
		Short:   "Take back the bypass of an account",
		Example: `  sallyport bypass remove alice`,
		Args:    takes("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.server().do(c.Context(), "bypass.remove", httpd.AccountRef{Name: args[0]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("the bypass of %s was taken back", args[0])
		return nil
	}
	return c
}

func (a *app) exemptionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "exemptions",
		Short: "List every setting that weakens MFA, and how to end it",
		Long: `List every setting that weakens MFA, and how to end it: rules that ask for the
first factor alone or let people pass who have no second one, trusted networks,
cache rules, bypasses that can be used now, clients that check passwords
themselves or need not sign their requests, and clients whose word on where
people are decides about any of these. An empty list is the best.`,
		Example: `  sallyport exemptions
  sallyport exemptions --json | jq -r .end`,
		Args: takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		n := 0
		err := each(c.Context(), a.server(), "exemption.list", httpd.Nothing{}, func(v admin.ExemptionView) error {
			if a.json {
				return a.printJSON(v)
			}
			if n++; n > 1 {
				fmt.Fprintln(a.out)
			}
			fmt.Fprintf(a.out, "%s\n", a.paint(odd, v.Kind))
			for _, line := range wrap(clean(v.What), 76) {
				fmt.Fprintf(a.out, "  %s\n", line)
			}
			since := "  since " + a.when(v.Since)
			if v.Until != nil {
				since += " until " + a.when(*v.Until)
			}
			fmt.Fprintf(a.out, "%s\n  to end it: %s\n", since, clean(v.End))
			return nil
		})
		if err == nil && n == 0 && !a.json {
			a.notef("nothing weakens MFA")
		}
		return err
	}
	return a.printsRecords(c)
}
