// Command sallyport is the server and everything that an operator does to it.
//
// The answer to a command goes to standard output, everything else to standard
// error. It exits with 0 if it did what was asked, 1 if that was refused or
// failed, 2 if it was asked in a way it does not understand, and 3 if it could
// not reach the server.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport/config"
)

const (
	exitRefused     = 1
	exitUsage       = 2
	exitUnreachable = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process as signals do
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environment: os.Getenv,
		now:         time.Now,
		zone:        time.Local,
		inTerminal:  isTerminal(os.Stdin),
		outTerminal: isTerminal(os.Stdout),
	}
	os.Exit(a.run(ctx, os.Args[1:]))
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// An app is one call of the command: what it was given and where it writes.
type app struct {
	in          io.Reader
	out, err    io.Writer
	environment func(string) string
	now         func() time.Time
	zone        *time.Location // in which times are printed and read
	inTerminal  bool
	outTerminal bool

	lines *bufio.Reader // over in, made when first asked for

	// Set by flags.
	dataFlag string
	json     bool

	// running is set once the arguments have been understood.
	running bool
}

// run runs one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{err: err, exit: exitRefused}
		if !a.running {
			f.exit = exitUsage
		}
	}
	if f.exit == exitUsage && f.hint == "" {
		f.hint = command.CommandPath() + " --help"
	}
	if !f.quiet {
		// A configuration can have several mistakes, a line each.
		for line := range strings.Lines(f.Error()) {
			fmt.Fprintf(a.err, "error: %s\n", clean(strings.TrimSuffix(line, "\n")))
		}
		if f.hint != "" {
			fmt.Fprintf(a.err, "hint: %s\n", clean(f.hint))
		}
	}
	return f.exit
}

// A failure is an error with what to do about it and how to exit.
type failure struct {
	err   error
	hint  string
	exit  int
	quiet bool // everything has been said already
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// refused is a failure with exit code 1.
func refused(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, exit: exitRefused}
}

// misused is a failure with exit code 2.
func misused(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, exit: exitUsage}
}

// notef tells the person something that is not the answer.
func (a *app) notef(format string, args ...any) {
	fmt.Fprintf(a.err, "%s\n", clean(fmt.Sprintf(format, args...)))
}

// warnf tells the person something they should not overlook.
func (a *app) warnf(format string, args ...any) { a.notef("warning: "+format, args...) }

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "A multi-factor authentication server that you run yourself",
		Long: `A multi-factor authentication server that you run yourself.

"sallyport serve" is the server. Most other commands talk to a running server
through the socket admin.sock in its data directory, which only root and the
user that the server runs as can open.

The answer goes to standard output, everything else to standard error. Exit
codes: 0 done, 1 refused or failed, 2 not understood, 3 the server cannot be
reached. With NO_COLOR set, or when the output is not a terminal, nothing is
coloured.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		RunE:              noun,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	root.PersistentFlags().StringVar(&a.dataFlag, "data", "", "data `directory` of the server (default $SALLYPORT_DATA, or "+config.Default().Data+")")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return misused(c.CommandPath()+" --help", "%w", err)
	})
	root.AddCommand(
		a.serveCommand(),
		a.accountCommand(),
		a.authenticatorCommand(),
		a.applicationCommand(),
		a.groupCommand(),
		a.clientCommand(),
		a.ruleCommand(),
		a.trustedCommand(),
		a.cacheCommand(),
		a.bypassCommand(),
		a.exemptionsCommand(),
		a.explainCommand(),
		a.eventsCommand(),
		a.whyCommand(),
		a.findingsCommand(),
		a.codesCommand(),
		a.actsCommand(),
		a.auditCommand(),
		a.diagnoseCommand(),
		a.checkCommand(),
		a.loginCommand(),
		a.benchCommand(),
		a.backupCommand(),
		a.restoreCommand(),
		a.resealCommand(),
		a.rekeyCommand(),
		a.rewoundCommand(),
		a.migrateCommand(),
		a.configCommand(),
		a.versionCommand(),
		a.docsCommand(),
	)
	a.watch(root)
	return root
}

// watch notes for every command when its arguments have been understood, so
// that what fails before is a matter of usage.
func (a *app) watch(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.running = true
			return run(c, args)
		}
	}
	for _, sub := range c.Commands() {
		a.watch(sub)
	}
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: noun}
	c.AddCommand(commands...)
	return c
}

// noun is what a command does that only holds others: it says which.
func noun(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		return misused(c.CommandPath()+" --help", "%s needs a command: %s", c.CommandPath(), strings.Join(names, ", "))
	}
	hint := c.CommandPath() + " --help"
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + c.CommandPath() + " " + near[0] + "?"
	}
	return misused(hint, "%s has no command %q", c.CommandPath(), args[0])
}

// data returns the data directory that was asked for.
func (a *app) data() string {
	dir, _ := a.dataGiven()
	return dir
}

// dataGiven also tells whether anybody asked for it.
func (a *app) dataGiven() (dir string, given bool) {
	if a.dataFlag != "" {
		return a.dataFlag, true
	}
	if dir := a.environment("SALLYPORT_DATA"); dir != "" {
		return dir, true
	}
	return config.Default().Data, false
}

// takes checks that a command has the arguments that its usage names.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(args) < len(names):
			return fmt.Errorf("%s needs %s", c.CommandPath(), strings.Join(names, " "))
		case len(names) == 0:
			return fmt.Errorf("%s takes no argument, and has %q", c.CommandPath(), args[0])
		default:
			return fmt.Errorf("%s takes %s, and has %q too many", c.CommandPath(), strings.Join(names, " "), args[len(names)])
		}
	}
}

// required marks flags without which a command makes no sense.
func required(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err) // there is no such flag: a mistake in this program
		}
	}
}

// printsRecords gives c the flag --json.
func (a *app) printsRecords(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	return c
}
