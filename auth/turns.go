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
	queues map[string]*turn
	spare  []*turn // that nobody has or wants, to be used again
}

// A turn is one subject's. Nobody refers to one in which in is 0.
type turn struct {
	subject string
	token   chan struct{} // holds one while somebody has the turn
	in      int           // how many have or want the turn; guarded by turns.mu
}

// take waits for the subject's turn and returns it, to be given to done.
// waited tells whether somebody else had it in between, so that facts read
// before may be stale. It returns nil if too many wait or ctx has ended.
func (t *turns) take(ctx context.Context, subject string) (q *turn, waited bool) {
	t.mu.Lock()
	q = t.queues[subject]
	if q == nil {
		q = t.begin(subject)
	}
	if q.in >= maxTurns {
		t.mu.Unlock()
		return nil, false
	}
	q.in++
	t.mu.Unlock()

	select {
	case q.token <- struct{}{}:
		return q, false
	default:
	}
	select {
	case q.token <- struct{}{}:
		return q, true
	case <-ctx.Done():
		t.mu.Lock()
		t.leave(q)
		t.mu.Unlock()
		return nil, true
	}
}

// done gives the turn to the next.
func (t *turns) done(q *turn) {
	<-q.token
	t.mu.Lock()
	t.leave(q)
	t.mu.Unlock()
}

// begin adds a turn for subject. mu must be held.
func (t *turns) begin(subject string) *turn {
	if t.queues == nil {
		t.queues = make(map[string]*turn)
	}
	var q *turn
	if n := len(t.spare); n > 0 {
		q, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		q = &turn{token: make(chan struct{}, 1)}
	}
	q.subject = subject
	t.queues[subject] = q
	return q
}

// leave counts one out. mu must be held.
func (t *turns) leave(q *turn) {
	if q.in--; q.in == 0 {
		delete(t.queues, q.subject)
		t.spare = append(t.spare, q)
	}
}
