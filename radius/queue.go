package radius

import (
	"sync"
	"time"
)

// A queue hands requests to workers: goroutines that are started as they are
// needed, up to a number, and then stay. Handlers wait for a disk or for a
// person, so there are many; a goroutine for each packet would have no bound.
type queue struct {
	work       func(*exchange)
	maxWorkers int
	maxWait    time.Duration

	// mu guards the fields below.
	mu      sync.Mutex
	wake    sync.Cond
	ring    []*exchange // waiting requests: size of them, from ring[head] on
	head    int
	size    int
	workers int
	busy    int
	closed  bool
	idle    sync.Cond // signalled when busy falls to 0
}

func newQueue(work func(*exchange), maxWorkers, maxQueued int, maxWait time.Duration) *queue {
	q := &queue{work: work, maxWorkers: maxWorkers, maxWait: maxWait, ring: make([]*exchange, maxQueued)}
	q.wake.L, q.idle.L = &q.mu, &q.mu
	return q
}

// push queues x and reports whether there was room. If the queue is full but
// the request at its head has waited too long to be of use, that one makes
// room: the caller gets it back and must end it.
func (q *queue) push(x *exchange, now time.Time) (stale *exchange, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, false
	}
	if q.size == len(q.ring) {
		if now.Sub(q.ring[q.head].request.Received) <= q.maxWait {
			return nil, false
		}
		stale = q.shift()
	}
	q.ring[(q.head+q.size)%len(q.ring)] = x
	q.size++
	if q.workers-q.busy < q.size && q.workers < q.maxWorkers {
		q.workers++
		go q.run()
	} else {
		q.wake.Signal()
	}
	return stale, true
}

func (q *queue) shift() *exchange {
	x := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.size--
	return x
}

func (q *queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.size == 0 && !q.closed {
			q.wake.Wait()
		}
		if q.closed {
			q.workers--
			return
		}
		x := q.shift()
		q.busy++
		q.mu.Unlock()
		q.work(x)
		q.mu.Lock()
		q.busy--
		if q.busy == 0 {
			q.idle.Broadcast()
		}
	}
}

// close stops the workers as they become free and returns the requests that
// none has begun; the caller must end them. Nothing can be pushed after.
func (q *queue) close() []*exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	var rest []*exchange
	for q.size > 0 {
		rest = append(rest, q.shift())
	}
	q.wake.Broadcast()
	return rest
}

// wait returns when no worker is busy, or with how many still are when expired
// is called by its owner.
func (q *queue) wait(expired func() bool) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.busy > 0 && !expired() {
		q.idle.Wait()
	}
	return q.busy
}

// poke makes wait look again.
func (q *queue) poke() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle.Broadcast()
}

// counts are how many requests are being handled and how many wait.
func (q *queue) counts() (busy, queued int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy, q.size
}
