package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"sallyport/config"
	"sallyport/seal"
)

var errNoPostgres = errors.New("server: this program was built without PostgreSQL; leave database empty for SQLite in the data folder")

// openPostgres opens the PostgreSQL database of that URL, which holds its
// password.
func (s *Server) openPostgres(ctx context.Context, url string, kek seal.KEK, stopAt int) (Store, error) {
	return nil, errNoPostgres
}

// Migrate copies everything from the SQLite database in cfg.Data, which no
// server may use, into the empty PostgreSQL database that cfg names. It tells
// how many rows of which table were copied so far. The SQLite database stays as
// it is.
func Migrate(ctx context.Context, cfg config.Config, log *slog.Logger, tell func(table string, rows int64)) error {
	url, err := cfg.DatabaseWithPassword()
	if err != nil {
		return err
	}
	if url == "" {
		return errors.New("server: migrate: no database is named to copy into")
	}
	kek, err := seal.ReadKEK(cfg.KEKPath())
	if err != nil {
		return err
	}
	node, err := cfg.NodeName()
	if err != nil {
		return err
	}
	if err := migrate(ctx, cfg.Data, migration{url: url, kek: kek, node: node, log: log}, tell); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// A migration says what to copy into.
type migration struct {
	url  string
	kek  seal.KEK
	node string
	log  *slog.Logger
}

func migrate(ctx context.Context, dir string, m migration, tell func(table string, rows int64)) error {
	return errNoPostgres
}
