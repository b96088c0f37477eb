package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/seal"
	"sallyport/server"
)

// examineOptions are the flags of the commands that look into a backup.
type examineOptions struct {
	file, key, anchors, scratch string
}

func (o *examineOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.key, "key", "", "the key `file` that belongs to the backup")
	c.Flags().StringVar(&o.anchors, "own-anchors", "", "the server's `file` of anchors, to compare the events with")
	c.Flags().StringVar(&o.scratch, "scratch", "", "`directory` with room for a copy of the backup (default: that for temporary files)")
}

func (a *app) backupVerify() *cobra.Command {
	var o examineOptions
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a backup is whole and can be opened",
		Long: `Check that a backup is whole: the database in it, and with --key that the key
opens it and that no event was changed, dropped or swapped. It works on a copy,
which it removes; no server is needed.`,
		Example: `  sallyport backup verify sallyport-2026-11-22.db --key /safe/seal.key`,
		Args:    takes("FILE"),
	}
	o.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.file = args[0]
		return a.backupExamine(c.Context(), o, false)
	}
	return a.printsRecords(c)
}

func (a *app) backupDrill() *cobra.Command {
	var o examineOptions
	c := &cobra.Command{
		Use:   "drill FILE --key FILE",
		Short: "Practise a restore: open everything in a backup and decide a login with it",
		Long: `Practise a restore: put a copy of a backup into a scratch directory, open it with
the key file, check the chain of events, open every sealed secret, and decide
one login that must be refused. It says what it found and how long a restore
would take on this machine, and leaves nothing behind. No server is needed, and
one that runs is not disturbed.`,
		Example: `  sallyport backup drill /backup/sallyport-2026-11-22.db --key /safe/seal.key`,
		Args:    takes("FILE"),
	}
	o.flags(c)
	required(c, "key")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.file = args[0]
		return a.backupExamine(c.Context(), o, true)
	}
	return a.printsRecords(c)
}

func (a *app) backupExamine(ctx context.Context, o examineOptions, drill bool) error {
	v, err := a.examine(ctx, o, nil, drill)
	if err != nil {
		return err
	}
	if a.json {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		a.printExamined(v, drill)
	}
	if v.KeyUsed && !v.Report.Whole() {
		return refused("keep the backup, the database and the exports as they are, and compare them; docs/audit.md says how",
			"the record of events in the backup is not whole")
	}
	if !v.KeyUsed {
		a.notef("without --key only the file itself was checked; nobody has tried whether a key opens it")
	}
	return nil
}

func (a *app) printExamined(v server.Examined, drill bool) {
	facts := []string{"octets", strconv.FormatInt(v.Octets, 10)}
	if v.KeyUsed {
		events := strconv.FormatUint(v.Events, 10)
		if v.Events > 0 {
			events += fmt.Sprintf(" (%d to %d, the newest of %s)", v.Report.First, v.Report.Last, a.when(v.Newest))
		}
		chain := "whole"
		if !v.Report.Whole() {
			chain = "NOT WHOLE"
		}
		facts = append(facts, "events", events, "chain of events", chain)
	} else {
		facts = append(facts, "database", "whole")
	}
	if drill {
		facts = append(
			facts,
			"accounts", strconv.Itoa(v.Accounts), "authenticators", strconv.Itoa(v.Authenticators), "clients", strconv.Itoa(v.Clients),
			"rules", strconv.Itoa(v.Rules), "secrets opened", strconv.Itoa(v.Secrets), "login refused as", v.Refused,
		)
	}
	facts = append(facts, "a restore takes", v.RestoreTook.Round(time.Millisecond).String())
	a.facts(facts...)
	for _, f := range v.Report.Findings {
		fmt.Fprintf(a.out, "%s %s\n", a.paint(bad, "found:"), clean(f))
	}
	for _, n := range v.Report.Notes {
		fmt.Fprintf(a.out, "note: %s\n", clean(n))
	}
}

// examine looks into a backup, in a scratch directory that is removed again.
func (a *app) examine(ctx context.Context, o examineOptions, elsewhere []string, drill bool) (v server.Examined, err error) {
	f, err := os.Open(o.file)
	if err != nil {
		return v, refused("", "read the backup: %w", err)
	}
	defer f.Close()
	if o.key != "" {
		if _, err := seal.ReadKEK(o.key); err != nil {
			return v, refused("", "%w", err)
		}
	}
	scratch, remove, err := server.Scratch(o.scratch)
	if err != nil {
		return v, refused("name a directory that can be written with --scratch", "%w", err)
	}
	defer func() {
		if removed := remove(); removed != nil && err == nil {
			err = refused("remove it by hand; it holds a copy of the backup and of the key", "the scratch directory is still there: %w", removed)
		}
	}()
	tell := a.progress()
	defer tell("")
	lines := make([][]byte, len(elsewhere))
	for i, l := range elsewhere {
		lines[i] = []byte(l)
	}
	v, err = server.Examine(ctx, server.Examination{
		Backup: f, Key: o.key, Scratch: scratch, Anchors: o.anchors, Elsewhere: lines, Drill: drill, Tell: tell,
	})
	switch {
	case ctx.Err() != nil:
		return v, refused("", "interrupted; nothing was left behind")
	case errors.Is(err, seal.ErrWrongKey):
		return v, refused(restoreHint(err), "%w", err)
	case err != nil:
		return v, refused("try another backup, and find out what happened to this one", "%w", err)
	}
	return v, nil
}
