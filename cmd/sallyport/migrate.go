package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/config"
	"sallyport/server"
)

func (a *app) migrateCommand() *cobra.Command {
	var to, passwordFile, key string
	c := &cobra.Command{
		Use:   "migrate --to URL",
		Short: "Move everything from SQLite into a PostgreSQL database",
		Long: `Move everything from the SQLite database of a data directory into an empty
PostgreSQL database. The server must be stopped. The SQLite database is only
read; afterwards set "database" in the configuration, and keep the old file as a
backup until you are sure.

The password may stand in the URL, in --password-file, or in the file .pgpass of
the user that runs this command; on the command line others can see it.`,
		Example: `  sallyport migrate --data /var/lib/sallyport --to postgres://sallyport@db.example.com/sallyport --password-file /etc/sallyport/db`,
		Args:    takes(),
	}
	c.Flags().StringVar(&to, "to", "", "`URL` of the empty database")
	c.Flags().StringVar(&passwordFile, "password-file", "", "`file` that holds the database's password")
	c.Flags().StringVar(&key, "key", "", "the key `file` (default: seal.key in the data directory)")
	required(c, "to")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.migrate(c.Context(), to, passwordFile, key)
	}
	return c
}

func (a *app) migrate(ctx context.Context, to, passwordFile, key string) error {
	cfg := config.Default()
	cfg.Data, cfg.KEKFile = a.data(), key
	cfg.Database, cfg.DatabasePasswordFile = config.DatabaseURL(to), passwordFile
	if err := cfg.Validate(); err != nil {
		return misused("", "%s", plainly(err))
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "sallyport.db")); err != nil {
		return refused("name the data directory with --data", "there is no database to move in %s: %w", cfg.Data, err)
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	tell := a.progress()
	err := server.Migrate(ctx, cfg, log, func(table string, rows int64) { tell(fmt.Sprintf("%s: %d", table, rows)) })
	tell("")
	if err != nil {
		return refused(serveHint(err, cfg), "%w", err)
	}
	a.notef("everything is in %s; set it as database in the configuration, give each node a copy of %s, and start the server", cfg.Database, cfg.KEKPath())
	return nil
}
