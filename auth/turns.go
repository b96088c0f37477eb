package auth

import (
	"context"
	"sync"
)

// maxTurns is how many attempts on one subject may be under way on a node. The
// rest are refused: a storm on one account must not take every worker.
const maxTurns = 64

// turns lets the attempts on one subject be judged one after the other. It is
// a courtesy that saves work, not a guard: the guard is Commit.
type turns struct {
	mu sync.Mutex
	// mu guards the fields below.
	queues map[string]*queue
}

type queue struct {
	turn chan struct{} // holds a token while somebody has the turn
	in   int           // how many have or want the turn
}

// take waits for the subject's turn. waited tells whether somebody else had it
// in between, so that facts read before may be stale. ok is false if too many
// wait or ctx has ended; then done must not be called.
func (t *turns) take(ctx context.Context, subject string) (waited, ok bool) {
	t.mu.Lock()
	if t.queues == nil {
		t.queues = make(map[string]*queue)
	}
	q := t.queues[subject]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[subject] = q
	}
	if q.in >= maxTurns {
		t.mu.Unlock()
		return false, false
	}
	q.in++
	t.mu.Unlock()

	select {
	case q.turn <- struct{}{}:
		return false, true
	default:
	}
	select {
	case q.turn <- struct{}{}:
		return true, true
	case <-ctx.Done():
		t.leave(subject, q)
		return true, false
	}
}

// done gives the turn to the next.
func (t *turns) done(subject string) {
	t.mu.Lock()
	q := t.queues[subject]
	t.mu.Unlock()
	<-q.turn
	t.leave(subject, q)
}

func (t *turns) leave(subject string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.in--; q.in == 0 {
		delete(t.queues, subject)
	}
}
