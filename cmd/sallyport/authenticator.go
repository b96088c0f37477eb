package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/httpd"
)

func (a *app) authenticatorCommand() *cobra.Command {
	return group("authenticator", "Manage what accounts hold: authenticator apps, tokens, recovery codes",
		a.authenticatorAdd(),
		a.authenticatorList(),
		a.authenticatorRevoke(),
		a.authenticatorImport(),
		a.authenticatorRecoveryCodes(),
		a.authenticatorAssign(),
		a.authenticatorResync(),
	)
}

func (a *app) authenticatorAdd() *cobra.Command {
	var n httpd.NewAuthenticator
	c := &cobra.Command{
		Use:   "add NAME --factor oath",
		Short: "Give an account an authenticator and print its otpauth URI",
		Long: `Give an account an authenticator with a new key, and print the otpauth URI that
an authenticator app reads; on a terminal also as a QR code. It is shown this
once and cannot be read again.`,
		Args: takes("NAME"),
	}
	c.Flags().StringVar(&n.Factor, "factor", "", "what `kind` of authenticator: oath")
	c.Flags().StringVar(&n.Label, "label", "", "what to call it, for instance \"phone\"")
	required(c, "factor")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.Account = args[0]
		var v admin.BoundView
		if err := a.server().do(c.Context(), "authenticator.add", n, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintln(a.out, v.URI)
		if a.outTerminal && v.URI != "" {
			code, err := qrCode(v.URI, a.color())
			if err != nil {
				return err
			}
			fmt.Fprint(a.out, "\n"+code)
		}
		a.notef("authenticator %s was added; scan the code or open the URI in the app, it is not shown again", v.ID)
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) authenticatorList() *cobra.Command {
	var unassigned bool
	c := &cobra.Command{
		Use:   "list NAME",
		Short: "List what an account holds, or the tokens that nobody holds",
		Args: func(c *cobra.Command, args []string) error {
			if unassigned {
				return takes()(c, args)
			}
			return takes("NAME")(c, args)
		},
	}
	c.Flags().BoolVar(&unassigned, "unassigned", false, "list the tokens that nobody holds")
	c.RunE = func(c *cobra.Command, args []string) error {
		var q httpd.AuthenticatorQuery
		if !unassigned {
			if q.Account = args[0]; q.Account == "" {
				return misused("sallyport authenticator list --unassigned lists the tokens that nobody holds", "the name is empty")
			}
		}
		var held []admin.AuthenticatorView
		err := each(c.Context(), a.server(), "authenticator.list", q, func(v admin.AuthenticatorView) error {
			if a.json {
				return a.printJSON(v)
			}
			held = append(held, v)
			return nil
		})
		if err != nil {
			return err
		}
		return a.printAuthenticators(held)
	}
	return a.printsRecords(c)
}

func (a *app) authenticatorRevoke() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "Stop an authenticator from being accepted, for good",
		Long: `Stop an authenticator, named by its ID or serial, from being accepted, for good.
With the last second factor of an account go its recovery codes. On a terminal
it asks first.`,
		Args: takes("ID"),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(yes, "Revoke authenticator "+args[0]+" for good?"); err != nil {
			return err
		}
		if err := a.server().do(c.Context(), "authenticator.revoke", httpd.AuthenticatorRef{ID: args[0]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("authenticator %s was revoked", args[0])
		return nil
	}
	return c
}

func (a *app) authenticatorImport() *cobra.Command {
	var key, passphrase bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import the seeds of hardware tokens from PSKC or CSV",
		Long: `Import the seeds of hardware tokens from a PSKC file (RFC 6030) or a CSV file.

All good rows are kept, together or not at all. Bad rows are listed with their
line and reason on standard error, and the exit code is then 1 although the good
rows were kept; with --json everything is in one object
{"added", "unassigned", "bad": [{"line", "serial", "reason"}]}.`,
		Args: takes("FILE"),
	}
	c.Flags().BoolVar(&key, "key-stdin", false, "read the pre-shared key of an encrypted file from standard input, in hexadecimal digits")
	c.Flags().BoolVar(&passphrase, "passphrase-stdin", false, "read the passphrase of an encrypted file from standard input")
	c.MarkFlagsMutuallyExclusive("key-stdin", "passphrase-stdin")
	c.RunE = func(c *cobra.Command, args []string) error {
		var in httpd.Import
		var err error
		if in.File, err = readSeeds(args[0]); err != nil {
			return err
		}
		switch {
		case key:
			digits, err := a.secretLine("key")
			if err != nil {
				return err
			}
			if in.Key, err = hex.DecodeString(strings.Join(strings.Fields(strings.ReplaceAll(digits, ":", " ")), "")); err != nil {
				return refused("", "the key on standard input is not made of pairs of hexadecimal digits")
			}
		case passphrase:
			if in.Passphrase, err = a.secretLine("passphrase"); err != nil {
				return err
			}
		}
		var v httpd.ImportReport
		if err := a.server().do(c.Context(), "authenticator.import", in, &v); err != nil {
			return err
		}
		return a.printImport(v)
	}
	return a.printsRecords(c)
}

// maxSeeds is the largest seed file that the server reads.
const maxSeeds = 64 << 20

func readSeeds(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, refused("", "read the seeds: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSeeds+1))
	if err != nil {
		return nil, refused("", "read the seeds: %w", err)
	}
	if len(b) > maxSeeds {
		return nil, refused("split it", "%s is larger than 64 MiB", name)
	}
	return b, nil
}

func (a *app) printImport(v httpd.ImportReport) error {
	if a.json {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		a.facts("added", strconv.Itoa(v.Added), "unassigned", strconv.Itoa(v.Unassigned), "bad", strconv.Itoa(len(v.Bad)))
		for _, b := range v.Bad {
			serial := ""
			if b.Serial != "" {
				serial = " (" + b.Serial + ")"
			}
			a.notef("line %d%s: %s", b.Line, serial, b.Reason)
		}
	}
	if len(v.Bad) == 0 {
		return nil
	}
	return refused("mend these rows and import the file again; tokens that are here already are passed over",
		"%s could not be imported", count(len(v.Bad), "row"))
}

func (a *app) authenticatorRecoveryCodes() *cobra.Command {
	c := &cobra.Command{
		Use:   "recovery-codes NAME",
		Short: "Give an account a fresh sheet of recovery codes",
		Long: `Give an account a fresh sheet of recovery codes, each good for one login in place
of its second factor. The old sheet ends. The codes are shown this once.`,
		Args: takes("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		var v admin.BoundView
		if err := a.server().do(c.Context(), "authenticator.recovery-codes", httpd.AccountRef{Name: args[0]}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		for _, code := range v.Codes {
			fmt.Fprintln(a.out, code)
		}
		a.notef("hand these over now, they are not shown again; an older sheet of %s is void", args[0])
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) authenticatorAssign() *cobra.Command {
	c := &cobra.Command{
		Use:   "assign SERIAL NAME",
		Short: "Give a token that nobody holds to an account",
		Args:  takes("SERIAL", "NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.server().do(c.Context(), "authenticator.assign", httpd.Assignment{ID: args[0], Account: args[1]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("token %s now belongs to %s", args[0], args[1])
		return nil
	}
	return c
}

func (a *app) authenticatorResync() *cobra.Command {
	c := &cobra.Command{
		Use:   "resync ID CODE1 CODE2",
		Short: "Find a token's place again from two codes that it showed one after the other",
		Long: `Find the counter or clock of a token, named by its ID or serial, again from two
codes that it showed one after the other, the older first (RFC 4226, Section
7.4). Both codes are then used up.`,
		Args: takes("ID", "CODE1", "CODE2"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.server().do(c.Context(), "authenticator.resync", httpd.Resync{ID: args[0], First: args[1], Second: args[2]}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("token %s is in step again; its next code works", args[0])
		return nil
	}
	return c
}
