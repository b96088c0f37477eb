package httpd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"sallyport/admin"
)

// Streams end with one of two trailers (RFC 9110, Section 6.5). A client that
// sees neither has only a part of what it asked for.
const (
	// TrailerComplete is "yes" if the stream is whole.
	TrailerComplete = "Sallyport-Complete"
	// TrailerProblem is a Problem as JSON, on one line, if it is not.
	TrailerProblem = "Sallyport-Problem"
)

// A stream is an answer in parts. It starts with the first part: until then an
// error can still become a problem document.
type stream struct {
	c       *call
	kind    string // Content-Type
	patient bool   // wait for a slow reader as long as it takes
	started bool
}

// Write sends the next octets.
func (s *stream) Write(b []byte) (int, error) {
	s.start()
	if !s.patient {
		if err := http.NewResponseController(s.c.w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			return 0, fmt.Errorf("httpd: limit the time for a reader: %w", err)
		}
	}
	return s.c.w.Write(b)
}

func (s *stream) start() {
	if s.started {
		return
	}
	s.started = true
	h := s.c.w.Header()
	h.Set("Content-Type", s.kind)
	h.Set("Trailer", TrailerComplete+", "+TrailerProblem)
	s.c.w.WriteHeader(http.StatusOK)
}

// end finishes the stream, whole if err is nil.
func (s *stream) end(err error) error {
	if err != nil && !s.started {
		return err
	}
	s.start()
	if err == nil {
		s.c.w.Header().Set(TrailerComplete, "yes")
		return nil
	}
	b, err := json.Marshal(s.c.problem(err))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.c.w.Header().Set(TrailerProblem, string(b))
	return nil
}

// list answers with one line of JSON for each item that each yields.
func list[T any](c *call, each func(ctx context.Context, send func(T) error, flush func() error) error) error {
	// The reader may be a person with a pager; nothing is held meanwhile.
	s := &stream{c: c, kind: "application/x-ndjson", patient: true}
	enc := json.NewEncoder(s)
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	defer context.AfterFunc(c.stop, cancel)()
	flush := func() error {
		s.start()
		return http.NewResponseController(c.w).Flush()
	}
	err := each(ctx, func(item T) error { return enc.Encode(item) }, flush)
	if err != nil && c.stop.Err() != nil {
		err = errStopping
	}
	return s.end(err)
}

var errStopping = &Problem{
	Type: "/problems/stopping", Title: "Stopping", Status: http.StatusServiceUnavailable,
	Detail: "the server is shutting down",
}

// page is how many records are read from the store at once. Between pages
// nothing is held, so that a slow reader holds up nobody.
const page = 1000

func listAccounts(c *call) error {
	if err := c.decode(&struct{}{}); err != nil {
		return err
	}
	return list(c, func(ctx context.Context, send func(admin.AccountView) error, _ func() error) error {
		for after := ""; ; {
			accounts, err := c.operator.Admin.Accounts(ctx, after, page)
			if err != nil {
				return err
			}
			for _, a := range accounts {
				if err := send(a); err != nil {
					return err
				}
				after = a.Name
			}
			if len(accounts) < page {
				return nil
			}
		}
	})
}

// An ActQuery asks for the record of administrative changes.
type ActQuery struct {
	After uint64 `json:"after"` // sequence number; acts after it
	Limit int    `json:"limit"` // 0 for all
}

func listActs(c *call) error {
	var q ActQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	if q.Limit < 0 {
		return badRequest("a limit cannot be negative")
	}
	return list(c, func(ctx context.Context, send func(admin.Act) error, _ func() error) error {
		for after, sent := q.After, 0; ; {
			n := page
			if q.Limit > 0 {
				n = min(page, q.Limit-sent)
			}
			acts, err := c.operator.Admin.Acts(ctx, after, n)
			if err != nil {
				return err
			}
			for _, a := range acts {
				if err := send(a); err != nil {
					return err
				}
				after = a.Seq
			}
			if sent += len(acts); len(acts) < n || sent == q.Limit {
				return nil
			}
		}
	})
}

// An EventQuery asks for events. With Limit only the newest so many come,
// without it all that match. With Follow the stream goes on with events as
// they happen; it begins now if neither Since nor After nor Limit ask for
// older ones.
type EventQuery struct {
	After   uint64    `json:"after"`
	Since   time.Time `json:"since"`
	Account string    `json:"account"`
	Outcome string    `json:"outcome"`
	Limit   int       `json:"limit"`
	Follow  bool      `json:"follow"`
}

// maxNewest bounds how many events are held in memory for one EventQuery with
// a limit.
const maxNewest = 100_000

// lookAgain is how often a follower asks for new events.
const lookAgain = 250 * time.Millisecond

func listEvents(c *call) error {
	var q EventQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	if q.Limit < 0 || q.Limit > maxNewest {
		return badRequest("a limit is from 1 to %d, or 0 for all", maxNewest)
	}
	a := c.operator.Admin
	return list(c, func(ctx context.Context, send func(admin.EventView) error, flush func() error) error {
		s := admin.Search{After: q.After, Since: q.Since, Account: q.Account, Outcome: q.Outcome, Limit: page}
		switch {
		case q.Limit > 0:
			s.Limit, s.Newest = q.Limit, true
			events, err := a.Events(ctx, s)
			if err != nil {
				return err
			}
			if !q.Follow {
				return sendEvents(events, send, &s.After)
			}
			// What has happened by now and is not among them, does not match
			// or is not wanted.
			s.Limit, s.Newest = page, false
			if err := sendEvents(events, send, &s.After); err != nil {
				return err
			}
		case q.Follow && q.Since.IsZero() && q.After == 0:
			// One search as it will be made again and again, so that a mistake
			// in it is told at once.
			s.Limit, s.Newest = 1, true
			if _, err := a.Events(ctx, s); err != nil {
				return err
			}
			newest, err := a.Events(ctx, admin.Search{Limit: 1, Newest: true})
			if err != nil {
				return err
			}
			for _, ev := range newest {
				s.After = ev.Seq
			}
			s.Limit, s.Newest = page, false
		}
		for {
			events, err := a.Events(ctx, s)
			if err != nil {
				return err
			}
			if err := sendEvents(events, send, &s.After); err != nil {
				return err
			}
			if len(events) == page {
				continue
			}
			if !q.Follow {
				return nil
			}
			if err := flush(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lookAgain):
			}
		}
	})
}

// sendEvents sends events and moves last on to the last of them.
func sendEvents(events []admin.EventView, send func(admin.EventView) error, last *uint64) error {
	for _, ev := range events {
		if err := send(ev); err != nil {
			return err
		}
		*last = ev.Seq
	}
	return nil
}
