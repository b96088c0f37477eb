package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sallyport/auth"
)

// A mark is one that is spent but not yet folded into the table spent.
type mark struct {
	authenticator string
	mark          int64
}

// Snapshot implements auth.Store.
//
// Facts come from memory if the version they were read at is still the
// subject's, so that they are never older than the last commit. What reads
// from the database takes the version first, then the marks that are only in
// memory, then the database: whatever moves meanwhile leaves facts that are
// too new for their version, which costs a conflict, never facts that are
// older than it.
func (s *Store) Snapshot(ctx context.Context, q auth.Query, fresh bool) (auth.Facts, error) {
	// Before everything else, for the same reason.
	f := auth.Facts{Settings: s.settings.Load()}
	if !fresh {
		found, err := s.remembered(q, &f)
		if err != nil {
			return auth.Facts{}, fmt.Errorf("store: facts of %s: %w", f.Subject, err)
		}
		if found {
			s.hits.Add(1)
			return f, nil
		}
		f = auth.Facts{Settings: f.Settings}
	}
	s.misses.Add(1)
	if err := s.read(ctx, q, &f); err != nil {
		if damaged(err) {
			s.fail(err)
		}
		return auth.Facts{}, fmt.Errorf("store: read facts: %w", err)
	}
	return f, nil
}

// remembered answers q from memory, or reports false.
func (s *Store) remembered(q auth.Query, f *auth.Facts) (bool, error) {
	var few [8]int64
	e, marks := s.present(q, f, few[:0])
	if e == nil {
		return false, nil
	}
	return true, e.facts(s.ring, marks, f)
}

// present finds the entry that answers q, nil if there is none that is
// current, and copies what moves from it and the open challenges to f.
func (s *Store) present(q auth.Query, f *auth.Facts, marks []int64) (*entry, []int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(q)
	// An entry that is current has the names of its account that are so now.
	if e == nil || e.version != s.version(e.subject) {
		return nil, nil
	}
	e.use()
	f.Subject, f.Version = e.subject, e.version
	f.Throttle = e.throttle.throttle()
	s.moving(q, f)
	return e, append(marks, e.marks...)
}

// find returns the cached entry of the first of q's names that an account has,
// or of q.Unknown if it is known that nobody has any. mu must be held.
func (s *Store) find(q auth.Query) *entry {
	for _, name := range q.Names {
		if e := s.cache.names[name]; e != nil {
			return e
		}
		if names, ok := s.cache.absent[name]; !ok || names != s.names.Load() {
			return nil
		}
	}
	return s.cache.subjects[q.Unknown]
}

// moving adds to f what is kept of its subject beside the cache: challenges,
// exemptions and answers. mu must be held.
func (s *Store) moving(q auth.Query, f *auth.Facts) {
	s.asked(q.State, f)
	f.Cached, f.Bypass, f.Answered = nil, nil, nil
	s.exempt(f)
	if q.Request != "" {
		f.Answered = s.answers.find(f.Subject, q.Request, s.w.lastTime)
	}
}

// read answers q from the database and remembers the answer.
func (s *Store) read(ctx context.Context, q auth.Query, f *auth.Facts) error {
	for range 8 {
		names := s.names.Load()
		f.Subject = q.Unknown
		name := ""
		var absent []string
		for _, n := range q.Names {
			id, err := s.resolve(ctx, n)
			if err != nil {
				return err
			}
			if id != "" {
				f.Subject, name = id, n
				break
			}
			absent = append(absent, n)
		}

		s.mu.RLock()
		f.Version = s.version(f.Subject)
		s.moving(q, f)
		unfolded := append([]mark(nil), s.unfoldedMarks[f.Subject]...)
		s.mu.RUnlock()

		e := &entry{version: f.Version}
		if name == "" {
			if err := s.readThrottle(ctx, f.Subject, &e.throttle); err != nil {
				return err
			}
		} else {
			found, err := s.readAccount(ctx, f.Subject, e)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			for _, m := range unfolded {
				if i := e.place(m.authenticator); i >= 0 {
					e.marks[i] = max(e.marks[i], m.mark)
				}
			}
		}
		f.Throttle = e.throttle.throttle()
		if err := e.facts(s.ring, e.marks, f); err != nil {
			return err
		}
		if name != "" && !named(f.Account, name) {
			f.Account, f.Authenticators = nil, nil
			continue // the name went to another account between the two reads
		}
		subject := f.Subject
		if name != "" {
			subject = f.Account.ID // part of the packed string, as the cache's keys should be
			f.Subject = subject
		}
		s.mu.Lock()
		s.cache.add(subject, f.Account, e) // from here on, what moves in e is guarded by mu
		for _, n := range absent {
			s.cache.miss(n, names)
		}
		s.mu.Unlock()
		return nil
	}
	return errors.New("names move from account to account")
}

// resolve returns the ID of the account that has the name, "" if none has.
func (s *Store) resolve(ctx context.Context, name string) (id string, err error) {
	err = s.readers.resolve.QueryRowContext(ctx, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

func (s *Store) readThrottle(ctx context.Context, subject string, c *counts) error {
	err := s.readers.throttle.QueryRowContext(ctx, subject).
		Scan(&c.knowFailures, &c.knowUntil, &c.haveFailures, &c.haveUntil)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// readAccount reads everything about an account in one statement, which sees
// one state of the database, and fills e.
func (s *Store) readAccount(ctx context.Context, id string, e *entry) (found bool, err error) {
	rows, err := s.readers.facts.QueryContext(ctx, id)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	return e.scanFacts(rows)
}

// A scanner is the rows of a query, of either database.
type scanner interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// scanFacts fills e from the rows of selectFacts, or reports false.
func (e *entry) scanFacts(rows scanner) (found bool, err error) {
	var account auth.Account
	var held []sealedAuthenticator
	for rows.Next() {
		var row accountRow
		var t [4]sql.NullInt64
		var a struct {
			id, factor, label, serial sql.NullString
			created, mark             sql.NullInt64
			state                     []byte
			rewound                   sql.NullBool
		}
		err := rows.Scan(append(row.fields(), &t[0], &t[1], &t[2], &t[3],
			&a.id, &a.factor, &a.label, &a.serial, &a.created, &a.state, &a.rewound, &a.mark)...)
		if err != nil {
			return false, err
		}
		if !found {
			found = true
			if account, err = row.account(); err != nil {
				return false, err
			}
			e.throttle = counts{
				knowFailures: int32(t[0].Int64), knowUntil: t[1].Int64,
				haveFailures: int32(t[2].Int64), haveUntil: t[3].Int64,
			}
		}
		if a.id.Valid {
			held = append(held, sealedAuthenticator{
				Authenticator: auth.Authenticator{
					ID: a.id.String, Factor: a.factor.String, Label: a.label.String,
					Serial: a.serial.String, Created: timeOf(a.created.Int64), Rewound: a.rewound.Bool,
				},
				sealed: a.state,
			})
			m := auth.NoMark
			if a.mark.Valid {
				m = a.mark.Int64
			}
			e.marks = append(e.marks, m)
		}
	}
	if err := rows.Err(); err != nil || !found {
		return false, err
	}
	e.marks = append(make([]int64, 0, len(e.marks)), e.marks...) // no spare room: there are many
	e.packed = pack(&account, held)
	return true, nil
}
