package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
	"sallyport/store"
)

// A Store is what the program needs of a database.
type Store interface {
	auth.Store
	admin.Store
	// MAC returns a keyed hash for one purpose, stable over restarts, key
	// rotations and nodes.
	MAC(purpose string) func(message []byte) [32]byte
	// Rewrap wraps the keys in the database under another key file's key.
	Rewrap(ctx context.Context, to seal.KEK) error
	// Healthy returns nil, or why nothing can be decided now.
	Healthy() error
	// Failed returns a channel that is closed if the store can never be used
	// again by this process. A database that is away is no such failure.
	Failed() <-chan struct{}
	Stats() store.Stats
	Close() error
}

// openDatabase opens the database that the configuration names: SQLite in the
// data folder, or PostgreSQL.
func (s *Server) openDatabase(ctx context.Context, kek seal.KEK) (Store, error) {
	stopAt := min(s.cfg.Throttle.Password.Stop, s.cfg.Throttle.SecondFactor.Stop)
	if s.cfg.Database == "" {
		return opened(store.Open(ctx, store.Options{
			Dir: s.cfg.Data, KEK: kek, Log: s.log, StopAt: stopAt, Node: s.node, Version: Version(), Now: time.Now,
		}))
	}
	url, err := s.cfg.DatabaseWithPassword()
	if err != nil {
		return nil, err
	}
	return s.openPostgres(ctx, url, kek, stopAt)
}

// opened keeps a nil pointer from becoming an interface that is not nil.
func opened[S Store](s S, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openStore reads the key and opens the store with it.
func (s *Server) openStore(ctx context.Context) error {
	path := s.cfg.KEKPath()
	for {
		kek, made, err := readKEK(path, s.cfg.Data)
		if err != nil {
			return err
		}
		s.madeKey = s.madeKey || made
		s.Store, err = s.openDatabase(ctx, kek)
		if !errors.Is(err, seal.ErrWrongKey) {
			return s.unmakeKey(made, err)
		}
		if made { // another node has made the database, and its key
			return errors.Join(fmt.Errorf("server: the database belongs to the key file of another node, and there is none here; copy that file to %s: %w", path, err), s.unmakeKey(made, err))
		}
		if finished, rotationErr := finishRotation(path); rotationErr != nil {
			return errors.Join(err, rotationErr)
		} else if !finished {
			return err
		}
		s.log.Warn("a rotation of the key-encryption key had been cut off and was finished", "key_file", path)
	}
}

// unmakeKey removes a key that was made for a database on another machine that
// then could not be opened: nothing was sealed with it, and it would only be
// taken for the right one. It returns err.
func (s *Server) unmakeKey(made bool, err error) error {
	if err == nil || !made || s.cfg.Database == "" {
		return err
	}
	s.madeKey = false
	return errors.Join(err, os.Remove(s.cfg.KEKPath()))
}
