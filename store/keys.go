package store

import (
	"context"
	"database/sql"
	"fmt"

	"sallyport/seal"
)

// loadKeys reads the wrapped keys, making the first ones in a new database.
func (s *Store) loadKeys(kek seal.KEK) error {
	w := &s.w
	var wrapped [][]byte
	err := w.transaction(func() error {
		_, rows, err := w.wrappedKeys()
		if err != nil || len(rows) > 0 {
			wrapped = rows
			return err
		}
		wrapped, err = seal.NewKeys(kek, nil)
		if err != nil {
			return err
		}
		return w.addKeys(0, wrapped)
	})
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if s.ring, err = seal.NewKeyring(kek, wrapped); err != nil {
		return fmt.Errorf("the database's keys do not open: %w", err)
	}
	s.w.kek = kek
	return nil
}

func (s *session) wrappedKeys() (ids []int64, wrapped [][]byte, err error) {
	err = s.query(`SELECT id, wrapped FROM data_key ORDER BY id`, func(rows *sql.Rows) error {
		var id int64
		var b []byte
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
		ids, wrapped = append(ids, id), append(wrapped, b)
		return nil
	})
	return ids, wrapped, err
}

func (s *session) addKeys(last int64, added [][]byte) error {
	for i, b := range added {
		if _, err := s.exec(`INSERT INTO data_key (id, wrapped) VALUES ($1, $2)`, last+1+int64(i), b); err != nil {
			return err
		}
	}
	return nil
}

// Rewrap wraps the keys in the database under another key file's key, in one
// transaction. No secret is sealed again, and nothing else waits.
func (s *Store) Rewrap(ctx context.Context, to seal.KEK) error {
	err := s.exclusive(ctx, func() error {
		w := &s.w
		err := w.transaction(func() error {
			ids, wrapped, err := w.wrappedKeys()
			if err != nil {
				return err
			}
			again, err := seal.Rewrap(w.kek, to, wrapped)
			if err != nil {
				return err
			}
			for i, id := range ids {
				if _, err := w.exec(`UPDATE data_key SET wrapped = $1 WHERE id = $2`, again[i], id); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			s.transactions.Add(1)
			w.kek = to
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("store: wrap keys again: %w", err)
	}
	return nil
}

// resealChunk is how many records are sealed again in one transaction.
const resealChunk = 128

// Reseal implements admin.Store.
func (s *Store) Reseal(ctx context.Context) (records int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: seal again: %w", err)
		}
	}()
	if err := s.exclusive(ctx, s.addDataKey); err != nil {
		return 0, err
	}
	place := int64(0)
	for more := true; more; {
		err := s.exclusive(ctx, func() (err error) {
			var n int
			err = s.w.transaction(func() (err error) {
				place, n, more, err = s.w.resealAuthenticators(s.ring, place)
				return err
			})
			if err == nil {
				s.transactions.Add(1)
				records += n
			}
			return err
		})
		if err != nil {
			return records, err
		}
	}
	err = s.exclusive(ctx, func() error {
		var n int
		err := s.w.transaction(func() (err error) {
			n, err = s.w.resealClients(s.ring)
			return err
		})
		if err == nil {
			s.transactions.Add(1)
			records += n
		}
		return err
	})
	if err != nil {
		return records, err
	}
	n, err := s.resealAllCeremonies(ctx, s.ring)
	return records + n, err
}

// resealAllCeremonies seals the bodies of all ceremonies again. One that is begun
// meanwhile is under the newest key.
func (s *archive) resealAllCeremonies(ctx context.Context, ring *seal.Keyring) (records int, err error) {
	last := ""
	for more := true; more; {
		var n int
		err := s.transact(ctx, func(w *session) (err error) {
			last, n, more, err = w.resealCeremonies(ring, last)
			return err
		})
		if err != nil {
			return records, err
		}
		records += n
	}
	return records, nil
}

// addDataKey makes a fresh data key, which seals from then on.
func (s *Store) addDataKey() error {
	w := &s.w
	var all [][]byte
	err := w.transaction(func() error {
		ids, wrapped, err := w.wrappedKeys()
		if err != nil {
			return err
		}
		added, err := seal.NewKeys(w.kek, wrapped)
		if err != nil {
			return err
		}
		all = append(wrapped, added...)
		return w.addKeys(ids[len(ids)-1], added)
	})
	if err != nil {
		return err
	}
	s.transactions.Add(1)
	return s.ring.Reload(w.kek, all)
}

type sealedRow struct {
	place  int64
	id     string
	sealed []byte
}

// resealAuthenticators seals the states of the next authenticators again, and
// reports where it stopped and whether there are more.
func (s *session) resealAuthenticators(ring *seal.Keyring, after int64) (place int64, n int, more bool, err error) {
	var list []sealedRow
	err = s.query(`SELECT place, id, state FROM authenticator WHERE place > $1 ORDER BY place LIMIT $2`, func(rows *sql.Rows) error {
		var r sealedRow
		err := rows.Scan(&r.place, &r.id, &r.sealed)
		list = append(list, r)
		return err
	}, after, int64(resealChunk))
	if err != nil {
		return after, 0, true, err
	}
	place = after
	for _, r := range list {
		place = r.place
		sealed, changed, err := ring.Reseal(stateBinding(r.id), r.sealed)
		if err != nil {
			return after, 0, true, fmt.Errorf("state of authenticator %s: %w", r.id, err)
		}
		if !changed {
			continue
		}
		if _, err := s.exec(`UPDATE authenticator SET state = $1 WHERE place = $2`, sealed, r.place); err != nil {
			return after, 0, true, err
		}
		n++
	}
	return place, n, len(list) == resealChunk, nil
}

// resealClients seals the shared secrets of all clients again; there are few.
func (s *session) resealClients(ring *seal.Keyring) (n int, err error) {
	var list []sealedRow
	err = s.query(`SELECT id, secrets FROM client ORDER BY id`, func(rows *sql.Rows) error {
		var r sealedRow
		err := rows.Scan(&r.id, &r.sealed)
		list = append(list, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		sealed, changed, err := ring.Reseal(secretsBinding(r.id), r.sealed)
		if err != nil {
			return 0, fmt.Errorf("secrets of client %s: %w", r.id, err)
		}
		if !changed {
			continue
		}
		if _, err := s.exec(`UPDATE client SET secrets = $1 WHERE id = $2`, sealed, r.id); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
