package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"sallyport/admin"
)

const (
	selectCut       = `SELECT MAX(seq) FROM chain WHERE name = $1`
	selectExported  = `SELECT MIN(seq) FROM cursor`
	selectOldest    = `SELECT last, first, body, hash FROM event ORDER BY last LIMIT $1`
	deleteEvents    = `DELETE FROM event WHERE last <= $1`
	selectSegment   = `SELECT MIN(segment) FROM event_subject`
	deleteSubjects  = `DELETE FROM event_subject WHERE segment = $1`
	deleteOutcomes  = `DELETE FROM event_outcome WHERE segment <= $1`
	deleteHours     = `DELETE FROM event_hour WHERE hour < $1 AND last <= $2`
	lowerHour       = `INSERT INTO event_hour (hour, seq) VALUES ($1, $2) ON CONFLICT (hour) DO UPDATE SET seq = excluded.seq WHERE excluded.seq < event_hour.seq`
	insertActText   = `INSERT INTO act (seq, time_us, actor, action, subject, detail, before, after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	retainRows      = 64 // rows deleted in one transaction, which logins wait for
	retainReadAhead = 8  // how many times that are looked at beforehand
)

func (s *session) insertAct(seq int64, act admin.Act) error {
	_, err := s.exec(insertActText, seq, micros(act.Time), act.Actor, act.Action, act.Subject, act.Detail, act.Before, act.After)
	return err
}

// Retain implements admin.Store. It never deletes the newest row, from which the
// numbers go on. What it deletes goes in small parts between the logins, the act
// with the first of them; if there is nothing to delete, there is no act.
func (s *Store) Retain(ctx context.Context, act admin.Act, before time.Time) (deleted uint64, err error) {
	recorded := false
	for {
		plan, err := s.planCut(ctx, micros(before))
		if err == nil && len(plan) > 0 {
			err = s.foldTo(ctx, plan[len(plan)-1].seq)
		}
		if err != nil {
			return deleted, fmt.Errorf("store: delete old events: %w", err)
		}
		if len(plan) == 0 {
			break
		}
		for _, cut := range plan {
			var n uint64
			err := s.exclusive(ctx, func() (err error) {
				n, err = s.cutOff(cut, before, act, &recorded)
				return err
			})
			deleted += n
			if err != nil {
				return deleted, fmt.Errorf("store: delete old events: %w", err)
			}
			if n == 0 {
				return deleted, s.dropIndexes(ctx) // an exporter appeared that stands behind
			}
		}
	}
	return deleted, s.dropIndexes(ctx)
}

// A cut is a place between two rows of events.
type cut struct {
	seq  int64 // newest event that goes
	hash []byte
}

// planCut looks at the oldest rows and returns where to cut, part by part.
func (s *archive) planCut(ctx context.Context, before int64) (plan []cut, err error) {
	tx, err := s.readersDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	limit, err := exported(ctx, tx)
	if err != nil {
		return nil, err
	}
	type row struct {
		eventsRow
		hash []byte
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (row, error) {
		var r row
		err := rows.Scan(&r.last, &r.first, &r.body, &r.hash)
		return r, err
	}, selectOldest, retainRows*retainReadAhead+1)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(rows)-1 && rows[i].last <= limit; i++ {
		r := &rows[i]
		if err := r.split(); err != nil {
			return nil, err
		}
		for j, line := range r.lines {
			var head eventHead
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				return nil, fmt.Errorf("%w (event %d: %w)", errDamaged, r.first+int64(j), err)
			}
			if head.When >= before {
				return plan, nil
			}
		}
		if i%retainRows == 0 {
			plan = append(plan, cut{})
		}
		plan[len(plan)-1] = cut{r.last, r.hash}
	}
	return plan, nil
}

// exported returns the number up to which all exporters have delivered.
func exported(ctx context.Context, tx *sql.Tx) (int64, error) {
	var seq sql.NullInt64
	if err := tx.QueryRowContext(ctx, selectExported).Scan(&seq); err != nil {
		return 0, err
	}
	if !seq.Valid {
		return math.MaxInt64, nil
	}
	return seq.Int64, nil
}

// foldTo folds events up to a number: the marks that they spend must be in the
// table spent before they go.
func (s *Store) foldTo(ctx context.Context, seq int64) error {
	for more := true; more; {
		err := s.exclusive(ctx, func() error {
			w := &s.w
			if more = w.lastEvent-int64(w.unfolded.len()) < seq; more && !s.fold(foldChunk) {
				return errors.New("the marks that they spend could not be kept elsewhere")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cutOff deletes the rows up to c, unless an exporter has appeared that has not
// passed them.
func (s *Store) cutOff(c cut, before time.Time, act admin.Act, recorded *bool) (deleted uint64, err error) {
	w := &s.w
	var was int64
	err = w.transaction(func() error {
		var seq, oldest sql.NullInt64
		if _, err := w.one(selectExported, nil, &seq); err != nil {
			return err
		}
		if seq.Valid && seq.Int64 < c.seq {
			return nil
		}
		if _, err := w.one(`SELECT MIN(last) FROM event`, nil, &oldest); err != nil {
			return err
		}
		if !oldest.Valid || oldest.Int64 > c.seq {
			return nil // somebody else did
		}
		was = w.cut
		deleted = uint64(c.seq - was)
		if _, err := w.exec(deleteEvents, c.seq); err != nil {
			return err
		}
		if err := w.chain.writeLink(&w.session, chainCut, c.seq, c.hash); err != nil {
			return err
		}
		// Who searches from an hour on that is gone begins with the oldest.
		hour := hourOf(micros(before))
		if _, err := w.exec(deleteHours, hour, c.seq); err != nil {
			return err
		}
		if _, err := w.exec(lowerHour, hour-1, c.seq+1); err != nil {
			return err
		}
		if *recorded {
			return nil
		}
		return w.insertAct(w.lastAct+1, act)
	})
	if err != nil || deleted == 0 {
		return 0, err
	}
	s.transactions.Add(1)
	w.cut = c.seq
	if !*recorded {
		*recorded = true
		w.lastAct++
		s.mu.Lock()
		s.clock++ // as every act does, see load
		s.mu.Unlock()
	}
	// They are in no index that is made from now on.
	clear(w.subjects[:max(min(c.seq-w.indexed, int64(len(w.subjects))), 0)])
	return deleted, nil
}

// dropIndexes removes the index of segments that are gone, one at a time.
func (s *Store) dropIndexes(ctx context.Context) error {
	for more := true; more; {
		err := s.exclusive(ctx, func() error {
			w := &s.w
			whole := (w.cut + 1) / segment // the oldest segment of which something may be left
			var lowest sql.NullInt64
			if _, err := w.one(selectSegment, nil, &lowest); err != nil {
				return err
			}
			if more = lowest.Valid && lowest.Int64 < whole; !more {
				return nil
			}
			err := w.transaction(func() error {
				if _, err := w.exec(deleteSubjects, lowest.Int64); err != nil {
					return err
				}
				_, err := w.exec(deleteOutcomes, lowest.Int64)
				return err
			})
			if err == nil {
				s.transactions.Add(1)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("store: remove the index of deleted events: %w", err)
		}
	}
	return nil
}
