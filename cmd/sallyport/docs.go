package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs FILE",
		Short:  "Write the manual of all commands as Markdown",
		Hidden: true,
		Args:   takes("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.WriteFile(args[0], []byte(manual(c.Root())), 0o644); err != nil {
				return refused("", "write the manual: %w", err)
			}
			return nil
		},
	}
}

// manual is the reference of all commands, made from what --help says.
func manual(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Made by: sallyport docs docs/cli.md -->\n\n")
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
