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
		a.clientAdd(), a.clientList(), a.clientRemove(), a.clientRotate())
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
	c.Flags().StringVar(&messageAuthenticator, "message-authenticator", "required", "required, or optional for devices that cannot send it")
	c.Flags().StringArrayVar(&reply, "reply", nil, "RADIUS attribute of an Access-Accept, `NAME=VALUE`; may be repeated")
	c.Flags().IntVar(&n.RatePerSecond, "rate", 0, "most requests a second (default: the server's)")
	required(c, "application", "source")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Name = args[0]
		switch messageAuthenticator {
		case "required":
		case "optional":
			n.Lax = true
		default:
			return misused("", "--message-authenticator is required or optional, not %q", messageAuthenticator)
		}
		var err error
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
		"reply", strings.Join(v.Attributes, ", "),
		"created", a.when(v.Created),
		"secret", v.Secret,
	)
	if v.Secret != "" {
		a.notef("set the secret on the device now, it is not shown again")
	}
	return nil
}

func (a *app) clientList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List all RADIUS clients",
		Args:  takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("NAME", "APPLICATION", "SOURCE", "MODE", "PASSWORD", "SECRETS", "REPLY", "CREATED")
		err := each(c.Context(), a.server(), "client.list", httpd.Nothing{}, func(v admin.ClientView) error {
			for _, w := range v.Warnings {
				a.warnf("%s: %s", v.Name, w)
			}
			if a.json {
				return a.printJSON(v)
			}
			return t.row(text(v.Name, v.Application, v.Source, v.Mode, v.Password, strconv.Itoa(v.Secrets), strings.Join(v.Attributes, ", "), a.when(v.Created))...)
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
