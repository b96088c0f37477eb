package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/auth"
	"sallyport/config"
	"sallyport/httpd"
)

func (a *app) docsCommand() *cobra.Command {
	var samples string
	c := &cobra.Command{
		Use:    "docs DIR",
		Short:  "Write the pages that are made from the program into a folder",
		Hidden: true,
		Args:   takes("DIR"),
	}
	c.Flags().StringVar(&samples, "samples", "", "`folder` of the samples, for the page about them")
	c.RunE = func(c *cobra.Command, args []string) error {
		made, err := pages(c.Root())
		if err != nil {
			return refused("", "write the manual: %w", err)
		}
		if samples != "" {
			text, err := samplesPage(os.DirFS(samples))
			if err != nil {
				return refused("", "write the manual: %w", err)
			}
			made[samplesName] = text
		}
		for name, text := range made {
			name = filepath.Join(args[0], filepath.FromSlash(name))
			err := os.MkdirAll(filepath.Dir(name), 0o755)
			if err == nil {
				err = os.WriteFile(name, []byte(text), 0o644)
			}
			if err != nil {
				return refused("", "write the manual: %w", err)
			}
		}
		stale, err := stalePages(args[0], made)
		if err != nil {
			return refused("", "write the manual: %w", err)
		}
		for _, name := range stale {
			if err := os.Remove(filepath.Join(args[0], filepath.FromSlash(name))); err != nil {
				return refused("", "write the manual: %w", err)
			}
		}
		return nil
	}
	return c
}

// pages are the parts of the documentation that the program knows best, by
// file name with slashes.
func pages(root *cobra.Command) (map[string]string, error) {
	api, err := httpd.Describe("")
	if err != nil {
		return nil, err
	}
	made := map[string]string{
		"cli.md":           manual(root),
		"configuration.md": config.Document(),
		"outcomes.md":      outcomes(),
		"openapi.json":     string(api),
	}
	for name, text := range causePages() {
		made[name] = text
	}
	return made, nil
}

// outcomes is the catalogue as a page.
func outcomes() string {
	var b strings.Builder
	b.WriteString(`# Outcomes

<!-- Made by: sallyport docs docs -->

Why a login ended as it did. Codes from 1 to 141 and -100 to -104 are the call-status
codes of Azure MFA Server under their old numbers and labels; codes above 1000 are our
own. The person is told the same words wherever the truth would help a guesser.

`)
	for _, foreign := range []bool{false, true} {
		if foreign {
			b.WriteString("# Read only\n\nSallyport never decides these. They are here so that logs of Azure MFA Server can be read.\n\n")
		}
		for _, m := range auth.Catalogue() {
			if m.Foreign != foreign {
				continue
			}
			fmt.Fprintf(&b, "## %d %s\n\n`%s`, %s at stage %s, %s\n\n", m.Outcome, m.Label, m.Name, m.Verdict, m.Stage, m.Method)
			fmt.Fprintf(&b, "- **The person reads:** %s\n- **Cause:** %s\n- **Help desk:** %s\n- **Remedy:** %s\n\n", m.Person, m.Administrator, m.HelpDesk, m.Remedy)
		}
	}
	return b.String()
}

// manual is the reference of all commands, made from what --help says.
func manual(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Made by: sallyport docs docs -->\n\n")
	b.WriteString(root.Long + "\n\n")
	b.WriteString("Every command takes these flags:\n\n```\n" + root.PersistentFlags().FlagUsages() + "```\n")
	walk(root, func(c *cobra.Command) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
		// Long often begins with the sentence that Short is.
		rest, _ := strings.CutPrefix(c.Long, c.Short+".")
		if rest = strings.TrimSpace(rest); rest != "" {
			fmt.Fprintf(&b, "\n%s\n", rest)
		}
		fmt.Fprintf(&b, "\n```\n%s\n```\n", c.UseLine())
		if flags := own(c); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n```\n%s```\n", flags.FlagUsages())
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", dedent(c.Example))
		}
	})
	return b.String()
}

// walk visits every command that does something and is not hidden.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		switch {
		case sub.Hidden || sub.Name() == "help" || sub.Name() == "completion":
		case sub.HasSubCommands():
			walk(sub, visit)
		default:
			visit(sub)
		}
	}
}

// own is the flags of a command without those that every command has.
func own(c *cobra.Command) *pflag.FlagSet {
	flags := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags.AddFlag(f)
		}
	})
	return flags
}

func dedent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
