package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/config"
	"sallyport/seal"
	"sallyport/server"
)

// overrides are the settings that serve takes as flags, with their keys in the
// configuration.
var overrides = []struct{ flag, key, usage string }{
	{"radius", "radius", "UDP `addresses` for RADIUS, separated by commas; \"\" for none"},
	{"https", "https.address", "TCP `address` for HTTPS"},
	{"local", "local", "loopback `address` of the pages without TLS, for browsers on this machine; \"\" for none"},
	{"telemetry", "telemetry", "loopback `address` of /livez, /readyz and /metrics; \"\" for none"},
	{"log-format", "log.format", "json or text"},
	{"log-level", "log.level", "debug, info, warn or error"},
}

func (a *app) serveCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve [--data DIR] [--config FILE]",
		Short: "Run the server until SIGINT or SIGTERM",
		Long: `Run the server until SIGINT or SIGTERM.

Without a configuration file the defaults apply; "sallyport config sample"
shows them. Flags override the file. The data directory is made if it is
missing, and so is, at the first start, the key file seal.key in it: keep a copy
of that file apart from your backups, which cannot be read without it.

What it listens on is printed to standard output, the log to standard error.`,
		Example: `  sallyport serve --data /var/lib/sallyport
  sallyport serve --data ./data --radius 127.0.0.1:1812 --telemetry 127.0.0.1:9812 --log-format text`,
		Args: takes(),
	}
	c.Flags().StringVar(&file, "config", "", "configuration `file`")
	values := make([]string, len(overrides))
	for i, o := range overrides {
		c.Flags().StringVar(&values[i], o.flag, "", o.usage+" (default: "+o.key+" of the configuration)")
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		set := make(map[string]string)
		for i, o := range overrides {
			if c.Flags().Changed(o.flag) {
				set[o.key] = values[i]
			}
		}
		cfg, err := a.configuration(file, set)
		if err != nil {
			return err
		}
		return a.serve(c.Context(), cfg)
	}
	return c
}

// configuration loads a configuration; what the flags and the environment say
// goes before what the file says.
func (a *app) configuration(file string, set map[string]string) (config.Config, error) {
	cfg := config.Default()
	if file != "" {
		var err error
		if cfg, err = config.Load(file); err != nil {
			return cfg, refused("sallyport config sample prints every key with its default", "%w", err)
		}
	}
	if dir, given := a.dataGiven(); given {
		cfg.Data = dir
	}
	for _, o := range overrides {
		value, ok := set[o.key]
		if !ok {
			continue
		}
		if err := cfg.Set(o.key, value); err != nil {
			return cfg, misused("", "--%s: %s", o.flag, plainly(err))
		}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, refused("", "%w", err)
	}
	return cfg, nil
}

// plainly takes the name of the package off an error whose place is said
// otherwise.
func plainly(err error) string { return strings.TrimPrefix(err.Error(), "config: ") }

func (a *app) serve(ctx context.Context, cfg config.Config) error {
	options := &slog.HandlerOptions{Level: cfg.Log.Level}
	var handler slog.Handler = slog.NewJSONHandler(a.err, options)
	if cfg.Log.Format == "text" {
		handler = slog.NewTextHandler(a.err, options)
	}
	err := server.Run(ctx, cfg, slog.New(handler), a.out)
	if err == nil {
		return nil
	}
	return refused(serveHint(err, cfg), "%w", err)
}

// serveHint says what to do about the failures that every installation meets
// sooner or later.
func serveHint(err error, cfg config.Config) string {
	switch {
	case errors.Is(err, seal.ErrWrongKey):
		return "put back the copy of the key file that belongs to this database: " + cfg.KEKPath()
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop the program that uses the address (ss -lnptu shows it), or give another with --radius, --https, --local or --telemetry"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "give an address that this host has (ip address shows them)"
	case errors.Is(err, syscall.ENOSPC):
		return "make room on the disk of " + cfg.Data
	case errors.Is(err, syscall.EROFS):
		return "the file system of " + cfg.Data + " is mounted read-only; give another directory with --data"
	case errors.Is(err, fs.ErrPermission):
		return "run as the user that owns " + cfg.Data + ", or give another directory with --data; ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return ""
}
