package store

import "sync"

// A watch wakes all who wait for one subject to move. Store.mu guards it.
type watch struct {
	moved   chan struct{}
	waiting int
}

// Watch implements auth.Store. Here it is no hint: the channel is closed once
// what moved the subject is in memory.
func (s *Store) Watch(subject string) (moved <-chan struct{}, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watches[subject]
	if w == nil {
		w = &watch{moved: make(chan struct{})}
		s.watches[subject] = w
	}
	w.waiting++
	return w.moved, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.waiting--; w.waiting == 0 && s.watches[subject] == w {
			delete(s.watches, subject)
		}
	})
}

// wake wakes those who watch a subject. mu must be held.
func (s *Store) wake(subject string) {
	if len(s.watches) == 0 {
		return
	}
	if w := s.watches[subject]; w != nil {
		close(w.moved)
		delete(s.watches, subject)
	}
}
