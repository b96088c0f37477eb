package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sallyport/config"
	"sallyport/seal"
	"sallyport/store"
)

// openPostgres opens the PostgreSQL database of that URL, which holds its
// password.
func (s *Server) openPostgres(ctx context.Context, url string, kek seal.KEK, stopAt int) (Store, error) {
	return opened(store.OpenPostgres(ctx, store.PostgresOptions{
		URL: url, Dir: s.cfg.Data, KEK: kek, Log: s.log, Node: s.node, Version: Version(), StopAt: stopAt, Now: time.Now,
	}))
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
	to := store.PostgresOptions{URL: url, Dir: cfg.Data, KEK: kek, Log: log, Node: node, Version: Version(), Now: time.Now}
	if err := store.Migrate(ctx, cfg.Data, to, tell); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}
