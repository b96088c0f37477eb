package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/auth"
	"sallyport/config"
	"sallyport/httpd"
	"sallyport/seal"
	"sallyport/store"
)

func (a *app) backupCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup while logins go on",
		Long: `Write a consistent copy of the database while logins go on. FILE appears only
when it is whole. Secrets in it are sealed; the key file is not in it and must be
kept apart, since nobody can read the backup without it.`,
		Args: takes("FILE"),
	}
	c.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	c.RunE = func(c *cobra.Command, args []string) error { return a.backup(c.Context(), args[0], force) }
	c.AddCommand(a.backupVerify(), a.backupDrill())
	return c
}

func (a *app) backup(ctx context.Context, name string, force bool) error {
	taken := refused("give another name, or --force to replace it", "%s exists already", name)
	if _, err := os.Lstat(name); err == nil && !force {
		return taken
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".partial-") // mode 0600
	if err != nil {
		return refused("", "write the backup: %w", err)
	}
	defer os.Remove(f.Name()) // of no effect once it has its name
	defer f.Close()
	header, octets, err := a.server().copy(ctx, "store.backup", httpd.Nothing{}, f)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return refused("", "write the backup: %w", err)
	}
	if force {
		err = os.Rename(f.Name(), name)
	} else {
		err = os.Link(f.Name(), name) // unlike a rename it replaces nothing
	}
	if errors.Is(err, fs.ErrExist) {
		return taken
	} else if err != nil {
		return refused("", "write the backup: %w", err)
	}
	if err := syncDirectory(filepath.Dir(name)); err != nil {
		return refused("", "write the backup: %w", err)
	}
	key, err := url.PathUnescape(header.Get(httpd.HeaderKeyFile))
	if err != nil || key == "" {
		key = "the key file"
	}
	a.notef("%s has %d octets; %s is not in it: keep a copy of that apart, the backup cannot be read without it", name, octets, key)
	return nil
}

func syncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (a *app) restoreCommand() *cobra.Command {
	var key string
	var moved bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data directory",
		Long: `Put a backup into an empty data directory; no server may run on it. The key file
that belongs to the backup is named with --key, which copies it to seal.key, or
lies in the data directory as seal.key already. Nothing is kept unless the
backup is sound and the key opens it.

Codes may have been accepted after the backup was made, and the backup does not
know of them. So nothing that needs a second factor is accepted for 90 seconds,
counter-based tokens have to be resynchronized and recovery codes made anew
before they work again, and cached logins and bypasses are void. --moved leaves
that out, for a server that was stopped before its backup was made and has not
run since.`,
		Example: `  sallyport restore backup-2026-11-01 --data /var/lib/sallyport --key /root/seal.key`,
		Args:    takes("FILE"),
	}
	c.Flags().StringVar(&key, "key", "", "the key `file` that belongs to the backup")
	c.Flags().BoolVar(&moved, "moved", false, "no login was decided after the backup was made: the installation only moves")
	c.RunE = func(c *cobra.Command, args []string) error { return a.restore(c.Context(), args[0], key, moved) }
	return c
}

func (a *app) restore(ctx context.Context, name, key string, moved bool) error {
	cfg := config.Config{Data: a.data()}
	dir, own := cfg.Data, cfg.KEKPath()
	hasKey, err := onlyKey(dir, filepath.Base(own))
	if err != nil {
		return err
	}
	switch {
	case key == "" && !hasKey:
		return refused("give your copy of the key file with --key FILE",
			"%s has no %s, and a backup cannot be read without the key file that it was made under", dir, filepath.Base(own))
	case key != "" && hasKey:
		return refused("leave --key out to use the one that is there, or move it away", "%s is there already", own)
	case key == "":
		key = own
	}
	kek, err := seal.ReadKEK(key)
	if err != nil {
		return refused("", "%w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return refused("", "read the backup: %w", err)
	}
	defer f.Close()

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return refused("", "make the data directory: %w", err)
	}
	err = store.Restore(f, dir)
	if err == nil {
		err = tryOut(ctx, dir, kek, !moved)
	}
	if err == nil && key != own {
		err = copyKey(key, own)
	}
	if err != nil {
		err = errors.Join(refused(restoreHint(err), "%w", err), empty(dir, filepath.Base(own), hasKey))
		return err
	}
	a.notef("%s is restored; start the server with: sallyport serve --data %s", dir, dir)
	if !moved {
		a.notef("for %d seconds nothing that needs a second factor is accepted; counter-based tokens work again after sallyport authenticator resync, recovery codes after sallyport authenticator recovery-codes",
			int(auth.RewoundFor.Seconds()))
	}
	return nil
}

func restoreHint(err error) string {
	if errors.Is(err, seal.ErrWrongKey) {
		return "give the key file that the server had when the backup was made"
	}
	return ""
}

// onlyKey checks that a data directory is missing or empty but for its key
// file, and reports whether it has that.
func onlyKey(dir, key string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, refused("", "look into the data directory: %w", err)
	}
	has := false
	for _, e := range entries {
		if e.Name() != key {
			return false, refused("name an empty directory with --data, or move what is there away",
				"%s is not empty (it has %s); a backup is only put into an empty data directory", dir, e.Name())
		}
		has = true
	}
	return has, nil
}

// tryOut opens what was restored as the server will, and notes there, if so,
// that it goes back in time.
func tryOut(ctx context.Context, dir string, kek seal.KEK, rewound bool) error {
	s, err := store.Open(ctx, store.Options{Dir: dir, KEK: kek})
	if err != nil {
		return err
	}
	if rewound {
		err = s.MarkRewound(ctx, time.Now())
	}
	return errors.Join(err, s.Close())
}

// copyKey copies the key file into the data directory, where it must not be
// yet.
func copyKey(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy the key file: %w", err)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return fmt.Errorf("copy the key file: %w", err)
	}
	_, err = io.Copy(f, bytes.NewReader(b))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = syncDirectory(filepath.Dir(to))
	}
	if err != nil {
		os.Remove(to)
		return fmt.Errorf("copy the key file: %w", err)
	}
	return nil
}

// empty empties a data directory again after a restore that failed. It was
// empty before, but for the key file if keepKey says so.
func empty(dir, key string, keepKey bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var failed error
	for _, e := range entries {
		if e.Name() == key && keepKey {
			continue
		}
		failed = errors.Join(failed, os.Remove(filepath.Join(dir, e.Name())))
	}
	return failed
}

func (a *app) resealCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reseal",
		Short: "Seal every secret again under a fresh data key",
		Long: `Seal every secret in the database again under a fresh data key, while logins go
on. The key file stays as it is; "sallyport rekey" changes that.`,
		Args: takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var v httpd.Resealed
		if err := a.server().do(c.Context(), "store.reseal", httpd.Nothing{}, &v); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "%s sealed again\n", count(v.Records, "secret"))
		return nil
	}
	return a.printsRecords(c)
}

func (a *app) rewoundCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "rewound",
		Short: "Say that the database went back in time",
		Long: `Say that the database went back in time, after it was restored by other means than
"sallyport restore" and no node could notice, because none had seen it before.
Nothing that needs a second factor is then accepted for 90 seconds, until no code
that was used in the lost stretch can match any more; counter-based tokens have to
be resynchronized and recovery codes made anew; bypasses, cached logins and logins
under way are void.`,
		Args: takes(),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.confirm(yes, "Accept nothing for 90 seconds, and void tokens that count, recovery codes and bypasses?"); err != nil {
			return err
		}
		if err := a.server().do(c.Context(), "store.rewound", httpd.Nothing{}, &httpd.Nothing{}); err != nil {
			return err
		}
		a.notef("noted; logins with a second factor are accepted again in 90 seconds")
		return nil
	}
	return c
}

func (a *app) rekeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rekey",
		Short: "Put a new key in the key file",
		Long: `Put a new key-encryption key in the key file, and wrap the data keys with it.
Backups made before need the old key file still, so keep your copy of it as long
as you keep them.`,
		Args: takes(),
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var v httpd.Rekeyed
		if err := a.server().do(c.Context(), "store.rekey", httpd.Nothing{}, &v); err != nil {
			return err
		}
		a.notef("copy %s to a safe place now; backups made before this need the old one", v.KeyFile)
		if a.json {
			return a.printJSON(v)
		}
		a.facts("key", v.KeyID, "file", v.KeyFile)
		return nil
	}
	return a.printsRecords(c)
}
