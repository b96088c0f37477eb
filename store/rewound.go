package store

import (
	"context"
	"fmt"
	"time"

	"sallyport/auth"
)

// MarkRewound notes that the database was found to have gone back in time: a
// backup was restored, a copy that lagged was put in its place. Codes may then
// have been accepted that it knows nothing of. Every authenticator is rewound
// until it is used or resynchronized (auth.Authenticator.Rewound), cache entries,
// bypasses, open challenges, sessions and ceremonies are gone, and the settings
// say since when (auth.Settings.Rewound).
func (s *Store) MarkRewound(ctx context.Context, at time.Time) error {
	err := s.exclusive(ctx, func() error { return s.markRewound(at) })
	if err != nil {
		return fmt.Errorf("store: note that the database has gone back in time: %w", err)
	}
	return nil
}

func (s *Store) markRewound(at time.Time) error {
	w := &s.w
	var settings *auth.Settings
	err := w.transaction(func() (err error) {
		if err := w.markRewound(at, s.settings.Load().Version+1); err != nil {
			return err
		}
		settings, err = loadSettings(&w.session, s.ring)
		return err
	})
	if err != nil {
		return err
	}
	s.transactions.Add(1)
	clear(w.rewound)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Nothing that rests on what was read before may be written.
	s.settings.Store(settings)
	s.cache = newCache(s.cache.limit)
	s.clock++
	s.floor, s.unknownFloor = s.clock, s.clock
	clear(s.versions)
	s.unknowns = 0
	for subject := range s.watches {
		s.wake(subject)
	}
	clear(s.challenges)
	clear(s.logins)
	clear(s.exemptions)
	s.answers = newAnswers()
	for _, c := range w.waiting {
		c.gone = true
	}
	w.waiting, w.settled, w.ends, w.cached, w.leftovers = nil, nil, nil, 0, nil
	return s.loadRewound()
}

// markRewound writes what MarkRewound says, in the transaction that is open. The
// statements are the same for both databases.
func (s *session) markRewound(at time.Time, settings int64) error {
	for _, text := range []string{
		`UPDATE authenticator SET rewound = TRUE WHERE NOT rewound`,
		`DELETE FROM challenge`, `DELETE FROM cache_entry`, `DELETE FROM bypass`, `DELETE FROM session`, `DELETE FROM ceremony`,
	} {
		if _, err := s.exec(text); err != nil {
			return err
		}
	}
	if _, err := s.exec(updateMeta, "rewound", micros(at)); err != nil {
		return err
	}
	_, err := s.exec(updateMeta, "settings", settings)
	return err
}
