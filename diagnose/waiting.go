package diagnose

import "container/list"

const (
	// maxWaiting is how many attempts of a file may wait for more lines, and
	// maxWaitingText how many octets of lines they may hold together.
	maxWaiting     = 10_000
	maxWaitingText = 8 << 20
	// maxAttemptLines is how many lines one attempt takes.
	maxAttemptLines = 64
)

// A waiting holds the attempts of one file that have begun, each by the key that
// joins its lines. It is bounded: when there is no room, the oldest is given
// away as it is.
type waiting struct {
	give func(*Attempt, *Sink) // hands over an attempt that gets no more lines

	byKey  map[string]*list.Element
	order  list.List // of *waiter, the oldest first
	octets int
}

type waiter struct {
	key     string
	attempt *Attempt
	octets  int
}

// put begins an attempt. One that has the same key is given away.
func (w *waiting) put(key string, a *Attempt, out *Sink) {
	if old := w.take(key); old != nil {
		w.give(old, out)
	}
	if w.byKey == nil {
		w.byKey = map[string]*list.Element{}
	}
	n := len(key)
	for _, l := range a.Lines {
		n += len(l.Text)
	}
	w.byKey[key] = w.order.PushBack(&waiter{key: key, attempt: a, octets: n})
	w.octets += n
	w.shed(out)
}

// shed gives the oldest away until the bounds are kept.
func (w *waiting) shed(out *Sink) {
	for w.order.Len() > 1 && (w.order.Len() > maxWaiting || w.octets > maxWaitingText) {
		w.give(w.take(w.order.Front().Value.(*waiter).key), out)
	}
}

// get returns the attempt with this key, nil if there is none.
func (w *waiting) get(key string) *Attempt {
	if e := w.byKey[key]; e != nil {
		return e.Value.(*waiter).attempt
	}
	return nil
}

// add puts a line into the attempt with this key. It is false if there is none,
// or if that one holds as many lines as it may.
func (w *waiting) add(key string, l *Line, out *Sink) bool {
	e := w.byKey[key]
	if e == nil {
		return false
	}
	h := e.Value.(*waiter)
	if len(h.attempt.Lines) >= maxAttemptLines {
		return false
	}
	h.attempt.Lines = append(h.attempt.Lines, l)
	h.octets += len(l.Text)
	w.octets += len(l.Text)
	w.order.MoveToBack(e)
	w.shed(out)
	return true
}

// take takes the attempt with this key out, nil if there is none.
func (w *waiting) take(key string) *Attempt {
	e := w.byKey[key]
	if e == nil {
		return nil
	}
	h := w.order.Remove(e).(*waiter)
	delete(w.byKey, key)
	w.octets -= h.octets
	return h.attempt
}

// giveAll gives all away, the oldest first.
func (w *waiting) giveAll(out *Sink) {
	for w.order.Len() > 0 {
		w.give(w.take(w.order.Front().Value.(*waiter).key), out)
	}
}
