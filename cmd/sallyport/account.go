package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/httpd"
)

func (a *app) accountCommand() *cobra.Command {
	return group("account", "Manage accounts",
		a.accountAdd(),
		a.accountList(),
		a.accountShow(),
		a.accountChange("enable", "Let an account log in again", "", "account.enable"),
		a.accountChange("disable", "Keep an account from logging in", forgets, "account.disable"),
		a.accountBlock(),
		a.accountChange("unblock", "Lift the block of an account", forgets, "account.unblock"),
		a.accountChange("unlock", "Forget the failures of an account, so that it can log in at once", forgets, "account.unlock"),
		a.accountPassword(),
	)
}

// forgets is said of the changes of an account that people might think leave
// alone what a cache remembers.
const forgets = `What caches remember of the account is forgotten, and its open challenges end:
the next login is asked for everything that its rule says.`

func (a *app) accountAdd() *cobra.Command {
	var n admin.NewAccount
	var password, hash bool
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account",
		Long: `Make an account, and print it.

Without a password the account can only be used by RADIUS clients that check
the password themselves (client add --password none).`,
		Example: `  printf '%s\n' 'correct horse' | sallyport account add alice --alias alice@example.com --password-stdin`,
		Args:    takes("NAME"),
	}
	c.Flags().StringArrayVar(&n.Aliases, "alias", nil, "another `name` of the account; may be repeated")
	c.Flags().StringArrayVar(&n.Groups, "group", nil, "`group` that the account is in; may be repeated")
	passwordFlags(c, &password, &hash)
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Name = args[0]
		var err error
		if n.Password, n.PasswordHash, err = a.passwordGiven(password, hash); err != nil {
			return err
		}
		var v admin.AccountView
		if err := a.server().do(c.Context(), "account.add", n, &v); err != nil {
			return err
		}
		if !password && !hash {
			a.notef("%s has no password; sallyport account password %s --password-stdin sets one", v.Name, v.Name)
		}
		return a.printAccount(v)
	}
	return a.printsRecords(c)
}

func passwordFlags(c *cobra.Command, password, hash *bool) {
	c.Flags().BoolVar(password, "password-stdin", false, "read the password from the first line of standard input")
	c.Flags().BoolVar(hash, "password-hash-stdin", false, "read the hash of an existing password from the first line of standard input")
	c.MarkFlagsMutuallyExclusive("password-stdin", "password-hash-stdin")
}

func (a *app) passwordGiven(password, hash bool) (pw, phc string, err error) {
	switch {
	case password:
		pw, err = a.secretLine("password")
	case hash:
		phc, err = a.secretLine("password hash")
	}
	return pw, phc, err
}

func (a *app) accountPassword() *cobra.Command {
	var password, hash bool
	c := &cobra.Command{
		Use:   "password NAME",
		Short: "Give an account a new password",
		Long: `Give an account a new password. Without a flag it is asked for, twice, on the
terminal.`,
		Args: takes("NAME"),
	}
	passwordFlags(c, &password, &hash)
	c.RunE = func(c *cobra.Command, args []string) error {
		pw, phc, err := a.passwordGiven(password, hash)
		if err != nil {
			return err
		}
		if !password && !hash {
			if pw, err = a.newPassword(args[0]); err != nil {
				return err
			}
		}
		return a.changeAccount(c, "account.password", httpd.PasswordChange{Name: args[0], Password: pw, PasswordHash: phc})
	}
	return a.printsRecords(c)
}

// newPassword asks for a new password on the terminal.
func (a *app) newPassword(name string) (string, error) {
	if !a.inTerminal {
		return "", misused("", "give the password on standard input with --password-stdin, or run the command on a terminal")
	}
	first, err := a.ask("New password for "+name+":", "password", false)
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", refused("", "the password is empty; nothing was changed")
	}
	second, err := a.ask("Again:", "password", false)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", refused("", "the two passwords differ; nothing was changed")
	}
	return first, nil
}

func (a *app) accountList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List all accounts",
		Args:  takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		t := a.table("NAME", "STATE", "ALIASES", "GROUPS", "CREATED")
		err := each(c.Context(), a.server(), "account.list", httpd.Nothing{}, func(v admin.AccountView) error {
			if a.json {
				return a.printJSON(v)
			}
			state, st := a.accountState(v)
			return t.row(cell{text: v.Name}, cell{state, st}, cell{text: strings.Join(v.Aliases, ", ")}, cell{text: strings.Join(v.Groups, ", ")}, cell{text: a.when(v.Created)})
		})
		if flushed := t.flush(); err == nil {
			err = flushed
		}
		return err
	}
	return a.printsRecords(c)
}

// accountState says in a few words whether an account can log in.
func (a *app) accountState(v admin.AccountView) (string, style) {
	switch {
	case !v.Enabled:
		return "disabled", bad
	case v.Blocked && v.BlockedUntil != nil && !v.BlockedUntil.After(a.now()):
		return "enabled", good // the block is over
	case v.Blocked:
		state := "blocked"
		if v.BlockedUntil != nil {
			state += " until " + a.when(*v.BlockedUntil)
		}
		if v.BlockReason != "" {
			state += ": " + v.BlockReason
		}
		return state, bad
	}
	return "enabled", good
}

func (a *app) accountShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show an account, what it holds, how often it failed, and its bypass",
		Args:  takes("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.changeAccount(c, "account.show", httpd.AccountRef{Name: args[0]})
	}
	return a.printsRecords(c)
}

// accountChange is a command that does one operation on one account.
func (a *app) accountChange(verb, short, more, operation string) *cobra.Command {
	c := &cobra.Command{
		Use:     verb + " NAME",
		Short:   short,
		Example: "  sallyport account " + verb + " alice",
		Args:    takes("NAME"),
	}
	if more != "" {
		c.Long = short + ".\n\n" + more
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.changeAccount(c, operation, httpd.AccountRef{Name: args[0]})
	}
	return a.printsRecords(c)
}

func (a *app) accountBlock() *cobra.Command {
	var reason, until string
	c := &cobra.Command{
		Use:     "block NAME",
		Short:   "Refuse an account's logins until it is unblocked, or for a while",
		Long:    "Refuse an account's logins until it is unblocked, or for a while.\n\n" + forgets,
		Example: `  sallyport account block alice --reason "phone lost" --until 7d`,
		Args:    takes("NAME"),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for whoever looks at the account")
	c.Flags().StringVar(&until, "until", "", "when the block ends: a `time`, a date, or 30m, 24h, 7d from now (default: when somebody lifts it)")
	c.RunE = func(c *cobra.Command, args []string) error {
		b := httpd.Block{Name: args[0], Reason: reason}
		if until != "" {
			var err error
			if b.Until, err = moment(until, a.now().In(a.zone), 1); err != nil {
				return err
			}
		}
		return a.changeAccount(c, "account.block", b)
	}
	return a.printsRecords(c)
}

// changeAccount does an operation that gives an account, and prints that.
func (a *app) changeAccount(c *cobra.Command, operation string, in any) error {
	var v admin.AccountView
	if err := a.server().do(c.Context(), operation, in, &v); err != nil {
		return err
	}
	return a.printAccount(v)
}

func (a *app) printAccount(v admin.AccountView) error {
	if a.json {
		return a.printJSON(v)
	}
	state, _ := a.accountState(v)
	a.facts(
		"account", v.Name,
		"id", v.ID,
		"aliases", strings.Join(v.Aliases, ", "),
		"groups", strings.Join(v.Groups, ", "),
		"state", state,
		"created", a.when(v.Created),
		"failures", failures(v.Failures, a.when),
		"bypass", bypassText(v.Bypass, a.when),
	)
	if len(v.Authenticators) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	return a.printAuthenticators(v.Authenticators)
}

// failures says how close an account is to its limits.
func failures(f *admin.FailuresView, when func(time.Time) string) string {
	if f == nil {
		return ""
	}
	s := fmt.Sprintf("%d passwords, %d codes in a row", f.Password, f.Code)
	if f.Until != nil {
		s += "; has to wait until " + when(*f.Until)
	}
	if f.Stopped {
		s += "; locked until somebody runs sallyport account unlock"
	}
	return s
}

// bypassText says whether an account can log in once without a second factor.
func bypassText(b *admin.BypassView, when func(time.Time) string) string {
	switch {
	case b == nil:
		return ""
	case b.Live:
		return fmt.Sprintf("once, until %s: %s (%s)", when(b.Until), b.Reason, b.Actor)
	}
	return fmt.Sprintf("not used, over since %s: %s (%s)", when(b.Until), b.Reason, b.Actor)
}

func (a *app) printAuthenticators(list []admin.AuthenticatorView) error {
	t := a.table("ID", "FACTOR", "LABEL", "SERIAL", "USED", "CREATED")
	for _, v := range list {
		used := yesNo(v.Used)
		if v.Factor == "password" {
			used = "" // nothing about a password is used up
		}
		if err := t.row(text(v.ID, v.Factor, v.Label, v.Serial, used, a.when(v.Created))...); err != nil {
			return err
		}
	}
	return t.flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
