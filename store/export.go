package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sallyport/admin"
)

// What nodes and exporters share: cursors, leases, readings and the list of
// nodes. The statements are the same for both databases.
const (
	selectCursor = `SELECT seq FROM cursor WHERE exporter = $1`
	upsertCursor = `INSERT INTO cursor (exporter, seq) VALUES ($1, $2)
		ON CONFLICT (exporter) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > cursor.seq`
	// Held by whoever asks, unless another has it still at $4.
	upsertLease = `INSERT INTO lease (work, holder, until_us) VALUES ($1, $2, $3)
		ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, until_us = excluded.until_us
		WHERE lease.holder = excluded.holder OR lease.until_us <= $4`
	upsertReading = `INSERT INTO reading (client, node, time_us, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (client, node) DO UPDATE SET time_us = excluded.time_us, body = excluded.body`
	selectReadings = `SELECT client, node, time_us, body FROM reading ORDER BY client, node`
	upsertNode     = `INSERT INTO node (name, version, since_us, seen_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, since_us = excluded.since_us, seen_us = excluded.seen_us`
	selectNodes = `SELECT name, version, since_us, seen_us FROM node ORDER BY name`
)

// change runs one statement in a transaction between two groups of logins and
// returns how many rows it changed.
func (s *Store) changeOne(ctx context.Context, text string, args ...any) (changed int64, err error) {
	err = s.exclusive(ctx, func() error {
		err := s.w.transaction(func() (err error) {
			changed, err = s.w.exec(text, args...)
			return err
		})
		if err == nil {
			s.transactions.Add(1)
		}
		return err
	})
	if err != nil {
		return 0, err // changed may still be written
	}
	return changed, nil
}

// transact runs work in a transaction between two groups of logins.
func (s *Store) transact(ctx context.Context, work func(*session) error) error {
	return s.exclusive(ctx, func() error {
		err := s.w.transaction(func() error { return work(&s.w.session) })
		if err == nil {
			s.transactions.Add(1)
		}
		return err
	})
}

// Cursor implements admin.Store.
func (s *archive) Cursor(ctx context.Context, exporter string) (uint64, error) {
	var seq int64
	err := s.readersDB.QueryRowContext(ctx, selectCursor, exporter).Scan(&seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("store: read cursor of %s: %w", exporter, err)
	}
	return uint64(seq), nil
}

// SetCursor implements admin.Store.
func (s *archive) SetCursor(ctx context.Context, exporter string, seq uint64) error {
	if _, err := s.change(ctx, upsertCursor, exporter, position(seq)); err != nil {
		return fmt.Errorf("store: move cursor of %s: %w", exporter, err)
	}
	return nil
}

// Lease implements admin.Store.
func (s *archive) Lease(ctx context.Context, work, holder string, now, until time.Time) (held bool, err error) {
	changed, err := s.change(ctx, upsertLease, work, holder, micros(until), micros(now))
	if err != nil {
		return false, fmt.Errorf("store: lease %s to %s: %w", work, holder, err)
	}
	return changed > 0, nil
}

// SaveReading implements admin.Store.
func (s *archive) SaveReading(ctx context.Context, r admin.Reading) error {
	if _, err := s.change(ctx, upsertReading, r.Client, r.Node, micros(r.Time), r.Body); err != nil {
		return fmt.Errorf("store: save reading of client %s: %w", r.Client, err)
	}
	return nil
}

// Readings implements admin.Store.
func (s *archive) Readings(ctx context.Context) ([]admin.Reading, error) {
	list, err := collect(ctx, s.readersDB, scanReading, selectReadings)
	if err != nil {
		return nil, fmt.Errorf("store: list readings: %w", err)
	}
	return list, nil
}

func scanReading(rows *sql.Rows) (r admin.Reading, err error) {
	var at int64
	err = rows.Scan(&r.Client, &r.Node, &at, &r.Body)
	r.Time = timeOf(at)
	return r, err
}

// Nodes implements admin.Store.
func (s *archive) Nodes(ctx context.Context) ([]admin.Node, error) {
	list, err := collect(ctx, s.readersDB, scanNode, selectNodes)
	if err != nil {
		return nil, fmt.Errorf("store: list nodes: %w", err)
	}
	return list, nil
}

func scanNode(rows *sql.Rows) (n admin.Node, err error) {
	var since, seen int64
	err = rows.Scan(&n.Name, &n.Version, &since, &seen)
	n.Since, n.Seen = timeOf(since), timeOf(seen)
	return n, err
}

// joinNodes enters this process in the list of nodes.
func (s *Store) joinNodes() error {
	if s.node.Name == "" {
		return nil
	}
	s.node.Since = s.time()
	return s.w.transaction(s.seen)
}

// seen notes in the transaction that is open that this process lives.
func (s *Store) seen() error {
	_, err := s.w.exec(upsertNode, s.node.Name, s.node.Version, micros(s.node.Since), micros(s.time()))
	if err != nil {
		return fmt.Errorf("enter node %s: %w", s.node.Name, err)
	}
	return nil
}

// time returns what time it is. Only the committer asks.
func (s *Store) time() time.Time {
	if s.now == nil {
		return timeOf(s.w.lastTime)
	}
	return s.now()
}

// beatEvery is how often a node says that it lives.
const beatEvery = 30 * time.Second

// beat says so until the store is closed.
func (s *Store) beat() {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.quit:
			return
		}
		// What fails here fails for logins too, and is said there.
		_ = s.exclusive(context.Background(), func() error {
			err := s.w.transaction(s.seen)
			if err == nil {
				s.transactions.Add(1)
			}
			return err
		})
	}
}
