package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/auth"
)

// maxAnswers bounds the answers that are remembered for requests that are sent
// again.
const maxAnswers = 1 << 16

const answeredLife = int64(auth.AnsweredLife / 1000) // microseconds

// Answers are the newest final answers, in the order of their events, and by the
// requests that they answer. Time is that of events. Store.mu guards them.
type answers struct {
	queue []*answer
	head  int
	by    map[string]*answer
}

// An answer is that to one request of one subject.
type answer struct {
	auth.Answered
	subject, request string
}

func newAnswers() answers { return answers{by: make(map[string]*answer)} }

// keep remembers what an event answered, if it is a final answer to a request
// that has a name.
func (a *answers) keep(seq int64, e *auth.Event) {
	if e.Request == "" || e.Subject == "" || e.Verdict != auth.Accept && e.Verdict != auth.Reject {
		return
	}
	x := &answer{*answeredBy(seq, e), e.Subject, e.Request}
	a.queue = append(a.queue, x)
	a.by[e.Request] = x
	for len(a.queue)-a.head > maxAnswers {
		a.drop()
	}
}

// drop forgets the oldest.
func (a *answers) drop() {
	x := a.queue[a.head]
	a.queue[a.head] = nil
	a.head++
	if a.by[x.request] == x {
		delete(a.by, x.request)
	}
	if a.head > 1024 && a.head > len(a.queue)/2 {
		n := copy(a.queue, a.queue[a.head:])
		clear(a.queue[n:])
		a.queue, a.head = a.queue[:n], 0
	}
}

// due reports whether the oldest is too old.
func (a *answers) due(now int64) bool {
	return a.head < len(a.queue) && micros(a.queue[a.head].Time)+answeredLife <= now
}

// expire forgets at most n that are too old, and reports whether there were any.
func (a *answers) expire(now int64, n int) bool {
	some := false
	for ; n > 0 && a.due(now); n-- {
		a.drop()
		some = true
	}
	return some
}

// find returns the answer to a request of a subject, nil if none is remembered.
func (a *answers) find(subject, request string, now int64) *auth.Answered {
	x := a.by[request]
	if x == nil || x.subject != subject || micros(x.Time)+answeredLife <= now {
		return nil
	}
	found := x.Answered
	return &found
}

var errEnough = errors.New("enough")

// loadAnswers reads the newest answers back from the newest events.
func (s *Store) loadAnswers() error {
	w := &s.w
	var found []auth.Event // the newest first
	err := w.query(`SELECT last, first, body FROM event ORDER BY last DESC`, func(rows *sql.Rows) error {
		var r eventsRow
		if err := rows.Scan(&r.last, &r.first, &r.body); err != nil {
			return err
		}
		if err := r.split(); err != nil {
			return err
		}
		old := true
		for i, line := range slices.Backward(r.lines) {
			var head eventHead
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				return fmt.Errorf("%w (event %d: %w)", errDamaged, r.first+int64(i), err)
			}
			if head.When+answeredLife <= w.lastTime {
				continue
			}
			old = false
			if !strings.Contains(line, keyRequest) {
				continue
			}
			e, err := decodeEvent(r.first+int64(i), line)
			if err != nil {
				return err
			}
			e.Trace = nil
			found = append(found, e)
		}
		if old || len(found) >= maxAnswers {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for i := range slices.Backward(found) {
		s.answers.keep(int64(found[i].Seq), &found[i])
	}
	return nil
}
