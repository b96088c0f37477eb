package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/httpd"
)

func (a *app) applicationCommand() *cobra.Command {
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an application",
		Args:  takes("NAME"),
	}
	add.RunE = func(c *cobra.Command, args []string) error {
		var v httpd.Application
		if err := a.server().do(c.Context(), "application.add", httpd.Name{Name: args[0]}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		a.facts("application", v.Name, "created", a.when(v.Created))
		return nil
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List all applications",
		Args:  takes(),
	}
	list.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("NAME", "CREATED")
		err := each(c.Context(), a.server(), "application.list", httpd.Nothing{}, func(v httpd.Application) error {
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Name, a.when(v.Created))...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return group("application", "Manage applications: the things that logins protect", a.printsRecords(add), a.printsRecords(list))
}

func (a *app) groupCommand() *cobra.Command {
	var reply []string
	add := &cobra.Command{
		Use:     "add NAME",
		Short:   "Make a group whose members get reply attributes",
		Example: `  sallyport group add staff --reply Filter-Id=staff --reply Session-Timeout=3600`,
		Args:    takes("NAME"),
	}
	add.Flags().StringArrayVar(&reply, "reply", nil, "RADIUS attribute of an Access-Accept, `NAME=VALUE`; may be repeated")
	add.RunE = func(c *cobra.Command, args []string) error {
		attributes, err := replyAttributes(reply)
		if err != nil {
			return err
		}
		var v httpd.Group
		if err := a.server().do(c.Context(), "group.add", httpd.NewGroup{Name: args[0], Attributes: attributes}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		a.facts("group", v.Name, "reply", strings.Join(v.Attributes, ", "), "created", a.when(v.Created))
		return nil
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List all groups",
		Args:  takes(),
	}
	list.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("NAME", "REPLY", "CREATED")
		err := each(c.Context(), a.server(), "group.list", httpd.Nothing{}, func(v httpd.Group) error {
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Name, strings.Join(v.Attributes, ", "), a.when(v.Created))...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return group("group", "Manage groups of accounts", a.printsRecords(add), a.printsRecords(list))
}

// replyAttributes reads the values of --reply. What they may be is the
// server's to say.
func replyAttributes(values []string) ([]auth.ReplyAttribute, error) {
	var attributes []auth.ReplyAttribute
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, misused("write NAME=VALUE, for instance Filter-Id=staff", "--reply %q names no attribute and value", v)
		}
		attributes = append(attributes, auth.ReplyAttribute{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return attributes, nil
}

func (a *app) clientCommand() *cobra.Command {
	return group("client", "Manage RADIUS clients: the VPN gateways and other devices that ask",
		a.clientAdd(), a.clientList(), a.clientChange(), a.clientRemove(), a.clientRotate(), a.patienceCommand())
}

func (a *app) clientAdd() *cobra.Command {
	var n admin.NewClient
	var secret bool
	var reply []string
	var messageAuthenticator string
	c := &cobra.Command{
		Use:   "add NAME --application A --source CIDR",
		Short: "Let a RADIUS client ask",
		Long: `Let a RADIUS client ask. Unless a shared secret is given, one is made and printed
this once.

In mode "challenge" the client is asked for the code after the password was
right; in mode "append" password and code come in one field, password,123456.
With --password none the client has checked the password itself, and the field
carries the code alone.`,
		Example: `  sallyport client add vpn --application "vpn" --source 192.0.2.10 --reply Filter-Id=staff`,
		Args:    takes("NAME"),
	}
	c.Flags().StringVar(&n.Application, "application", "", "`application` that its logins are for")
	c.Flags().StringVar(&n.Source, "source", "", "address or `CIDR` that it sends from")
	c.Flags().BoolVar(&secret, "secret-stdin", false, "read the shared secret from the first line of standard input")
	c.Flags().StringVar(&n.Mode, "mode", string(auth.ModeChallenge), "challenge or append")
	c.Flags().StringVar(&n.Password, "password", string(auth.PasswordVerify), "verify or none")
	c.Flags().StringVar(&n.Origin, "origin", "calling-station-id", "where people are, for rules and exemptions: calling-station-id believes what the client says, none nothing")
	c.Flags().StringVar(&messageAuthenticator, "message-authenticator", "required", "required, or optional for devices that cannot send it")
	c.Flags().StringArrayVar(&reply, "reply", nil, "RADIUS attribute of an Access-Accept, `NAME=VALUE`; may be repeated")
	c.Flags().IntVar(&n.RatePerSecond, "rate", 0, "most requests a second (default: the server's)")
	required(c, "application", "source")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Name = args[0]
		var err error
		if n.Lax, err = optional(messageAuthenticator); err != nil {
			return err
		}
		if n.Attributes, err = replyAttributes(reply); err != nil {
			return err
		}
		if secret {
			if n.Secret, err = a.secretLine("shared secret"); err != nil {
				return err
			}
		}
		var v httpd.NewClientView
		if err := a.server().do(c.Context(), "client.add", n, &v); err != nil {
			return err
		}
		return a.printClient(v)
	}
	return a.printsRecords(c)
}

// optional reads --message-authenticator.
func optional(messageAuthenticator string) (bool, error) {
	switch messageAuthenticator {
	case "required":
		return false, nil
	case "optional":
		return true, nil
	}
	return false, misused("", "--message-authenticator is required or optional, not %q", messageAuthenticator)
}

func (a *app) clientChange() *cobra.Command {
	var n admin.ClientChange
	var reply []string
	var messageAuthenticator string
	var rate int
	c := &cobra.Command{
		Use:   "change NAME",
		Short: "Change how a RADIUS client is treated, from its next packet on",
		Long: `Change how a RADIUS client is treated, from its next packet on. Only what a flag
is given for is changed; --reply '' takes all attributes away. The shared secret
is changed by "client rotate".`,
		Example: `  sallyport client change fw1 --origin none
  sallyport client change fw1 --message-authenticator required`,
		Args: takes("NAME"),
	}
	c.Flags().StringVar(&n.Application, "application", "", "`application` that its logins are for")
	c.Flags().StringVar(&n.Source, "source", "", "address or `CIDR` that it sends from")
	c.Flags().StringVar(&n.Mode, "mode", "", "challenge or append")
	c.Flags().StringVar(&n.Password, "password", "", "verify or none")
	c.Flags().StringVar(&n.Origin, "origin", "", "where people are, for rules and exemptions: calling-station-id believes what the client says, none nothing")
	c.Flags().StringVar(&messageAuthenticator, "message-authenticator", "", "required, or optional for devices that cannot send it")
	c.Flags().StringArrayVar(&reply, "reply", nil, "RADIUS attribute of an Access-Accept, `NAME=VALUE`, in place of those that it has; may be repeated")
	c.Flags().IntVar(&rate, "rate", 0, "most requests a second, 0 for the server's")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		n.Name = args[0]
		if err := somethingGiven(c); err != nil {
			return err
		}
		if c.Flags().Changed("message-authenticator") {
			lax, err := optional(messageAuthenticator)
			if err != nil {
				return err
			}
			n.Lax = &lax
		}
		if c.Flags().Changed("rate") {
			n.RatePerSecond = &rate
		}
		if n.Attributes, err = replyGiven(c, reply); err != nil {
			return err
		}
		var v admin.ClientView
		if err := a.server().do(c.Context(), "client.change", n, &v); err != nil {
			return err
		}
		if a.json {
			for _, w := range v.Warnings {
				a.warnf("%s: %s", v.Name, w)
			}
			return a.printJSON(v)
		}
		return a.printClient(httpd.NewClientView{ClientView: v})
	}
	return a.printsRecords(c)
}

// replyGiven reads --reply of a command that changes something: nil if it was
// not given, an empty list for --reply ”.
func replyGiven(c *cobra.Command, values []string) ([]auth.ReplyAttribute, error) {
	switch {
	case !c.Flags().Changed("reply"):
		return nil, nil
	case len(values) == 1 && values[0] == "":
		return []auth.ReplyAttribute{}, nil
	}
	return replyAttributes(values)
}

func (a *app) printClient(v httpd.NewClientView) error {
	for _, w := range v.Warnings {
		a.warnf("%s: %s", v.Name, w)
	}
	if a.json {
		return a.printJSON(v)
	}
	a.facts(
		"client", v.Name,
		"application", v.Application,
		"source", v.Source,
		"mode", v.Mode,
		"password", v.Password,
		"origin", v.Origin,
		"message-authenticator", requiredText(v.Lax),
		"rate", rateText(v.Rate),
		"reply", strings.Join(v.Attributes, ", "),
		"created", a.when(v.Created),
		"secret", v.Secret,
	)
	if v.Secret != "" {
		a.notef("set the secret on the device now, it is not shown again")
	}
	return nil
}

func requiredText(lax bool) string {
	if lax {
		return "optional"
	}
	return "required"
}

func rateText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + " a second"
}

func (a *app) clientList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List all RADIUS clients",
		Args:  takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("NAME", "APPLICATION", "SOURCE", "MODE", "PASSWORD", "ORIGIN", "SECRETS", "REPLY", "CREATED")
		err := each(c.Context(), a.server(), "client.list", httpd.Nothing{}, func(v admin.ClientView) error {
			for _, w := range v.Warnings {
				a.warnf("%s: %s", v.Name, w)
			}
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Name, v.Application, v.Source, v.Mode, v.Password, v.Origin, strconv.Itoa(v.Secrets), strings.Join(v.Attributes, ", "), a.when(v.Created))...)
		})
		if err != nil {
			return err
		}
		return t.flush()
	}
	return a.printsRecords(c)
}

func (a *app) clientRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Make a RADIUS client unknown from its next packet on",
		Long:  `Make a RADIUS client unknown from its next packet on. On a terminal it asks first.`,
		Args:  takes("NAME"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, "Remove client "+args[0]+", so that nobody can log in through it?"); err != nil {
			return err
		}
		if err := a.server().do(c.Context(), "client.remove", httpd.Name{Name: args[0]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("client %s was removed", args[0])
		return nil
	}
	return c
}

func (a *app) clientRotate() *cobra.Command {
	var given, finish bool
	c := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Change a client's shared secret without an outage",
		Long: `Change a client's shared secret without an outage: the new secret works at once,
and the old one beside it until --finish. Unless a secret is given, one is made
and printed this once.`,
		Example: `  sallyport client rotate vpn
  (set the new secret on the device)
  sallyport client rotate vpn --finish`,
		Args: takes("NAME"),
	}
	c.Flags().BoolVar(&given, "secret-stdin", false, "read the new shared secret from the first line of standard input")
	c.Flags().BoolVar(&finish, "finish", false, "end the old secret")
	c.MarkFlagsMutuallyExclusive("secret-stdin", "finish")
	c.RunE = func(c *cobra.Command, args []string) error {
		if finish {
			if err := a.server().do(c.Context(), "client.rotate-finish", httpd.Name{Name: args[0]}, &httpd.Nothing{}); err != nil {
				return err
			}
			a.notef("the old secret of %s is void", args[0])
			return nil
		}
		r := httpd.Rotation{Name: args[0]}
		if given {
			var err error
			if r.Secret, err = a.secretLine("shared secret"); err != nil {
				return err
			}
		}
		var v httpd.NewSecret
		if err := a.server().do(c.Context(), "client.rotate", r, &v); err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(v); err != nil {
				return err
			}
		} else {
			a.facts("client", v.Name, "secret", v.Secret)
		}
		a.notef("the old secret works too until: sallyport client rotate %s --finish", v.Name)
		return nil
	}
	return a.printsRecords(c)
}
