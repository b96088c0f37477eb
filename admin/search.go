package admin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

// An EventQuery selects a page of events by what people know, the newest first.
// Fields that are "", zero or empty select everything.
type EventQuery struct {
	Cursor      string    `json:"cursor"`  // Next of the page before, "" for the newest
	Limit       int       `json:"limit"`   // events at most, 1 to 1,000; 0 for 50
	Account     string    `json:"account"` // a name in any spelling, whether or not anybody has it
	Application string    `json:"application"`
	Client      string    `json:"client"`
	Door        string    `json:"door"`
	Outcome     string    `json:"outcome"`  // a number or a stable name
	Verdicts    []string  `json:"verdicts"` // any of them
	Factor      string    `json:"factor"`
	Rule        string    `json:"rule"`
	Source      string    `json:"source"` // a part of the address or of where the client says the person is
	Stage       string    `json:"stage"`  // of the outcome
	AtFault     bool      `json:"at_fault"`
	Since       time.Time `json:"since"` // events at or after it
	Until       time.Time `json:"until"` // events before it
}

// An EventList is a page of events, the newest first.
type EventList struct {
	Items []EventView `json:"items"`
	// Next goes on with older events; "" if there are none. A page may be short,
	// or empty, and have a Next all the same: then a bounded search has found
	// nothing more back to the time Back.
	Next string     `json:"next,omitempty"`
	Back *time.Time `json:"back,omitempty"`
}

const (
	defaultPage = 50
	maxPage     = 1000
)

// SearchEvents returns a page of events.
func (a *Admin) SearchEvents(ctx context.Context, q EventQuery) (EventList, error) {
	s, err := a.eventSearch(ctx, q)
	if err != nil {
		return EventList{}, err
	}
	page, err := a.Store.SearchEvents(ctx, s)
	if err != nil {
		return EventList{}, err
	}
	list := EventList{Items: make([]EventView, len(page.Events)), Next: cursorOf(page.Next)}
	for i := range page.Events {
		list.Items[i] = a.viewEvent(&page.Events[i])
	}
	if page.Next != 0 && !page.Back.IsZero() {
		list.Back = &page.Back
	}
	return list, nil
}

// eventSearch turns a query into what a store understands.
func (a *Admin) eventSearch(ctx context.Context, q EventQuery) (EventSearch, error) {
	s := EventSearch{
		Since: q.Since, Until: q.Until, Application: q.Application, Client: q.Client, Door: q.Door,
		Factor: q.Factor, Rule: q.Rule, Source: q.Source, AtFault: q.AtFault,
	}
	var err error
	if s.Before, err = parseCursor(q.Cursor); err != nil {
		return EventSearch{}, err
	}
	if s.Limit, err = pageLimit(q.Limit); err != nil {
		return EventSearch{}, err
	}
	if q.Outcome != "" {
		if s.Outcome, err = parseOutcome(q.Outcome); err != nil {
			return EventSearch{}, err
		}
	}
	for _, w := range q.Verdicts {
		var v auth.Verdict
		if err := v.UnmarshalText([]byte(w)); err != nil {
			return EventSearch{}, fmt.Errorf("admin: read verdict %q: %w", w, err)
		}
		if v.String() != w { // UnmarshalText takes what it does not know for a refusal
			return EventSearch{}, invalid("verdicts are: accept, challenge, reject, unavailable, ignore", "there is no verdict %q", w)
		}
		if !slices.Contains(s.Verdicts, v) {
			s.Verdicts = append(s.Verdicts, v)
		}
	}
	if q.Stage != "" {
		if !slices.Contains(stages, auth.Stage(q.Stage)) {
			return EventSearch{}, invalid("stages are: reach, client, account, primary, policy, factor, delivery, answer, verdict, reply", "there is no stage %q", q.Stage)
		}
		s.Stage = auth.Stage(q.Stage)
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return EventSearch{}, invalid("give an earlier since or a later until", "no time lies between since and until")
	}
	if q.Account != "" {
		if s.Subject, err = a.subject(ctx, q.Account); err != nil {
			return EventSearch{}, err
		}
	}
	return s, nil
}

var stages = []auth.Stage{
	auth.StageReach, auth.StageClient, auth.StageAccount, auth.StagePrimary, auth.StagePolicy,
	auth.StageFactor, auth.StageDelivery, auth.StageAnswer, auth.StageVerdict, auth.StageReply,
}

// selects reports whether an event is one that the search is for, apart from
// its bounds.
func (s *EventSearch) selects(ev *auth.Event) bool {
	return (s.Subject == "" || s.Subject == ev.Subject) &&
		(s.Outcome == 0 || s.Outcome == ev.Outcome) &&
		(s.Application == "" || s.Application == ev.Application) &&
		(s.Client == "" || s.Client == ev.Client) &&
		(s.Door == "" || s.Door == ev.Door) &&
		(s.Factor == "" || s.Factor == ev.Factor) &&
		(s.Rule == "" || s.Rule == ev.Rule) &&
		(s.Source == "" || sourceHas(ev, s.Source)) &&
		(len(s.Verdicts) == 0 || slices.Contains(s.Verdicts, ev.Verdict)) &&
		(s.Stage == "" || s.Stage == ev.Outcome.Meaning().Stage) &&
		(!s.AtFault || ev.Outcome.Meaning().AtFault) &&
		(s.Since.IsZero() || !ev.Time.Before(s.Since)) &&
		(s.Until.IsZero() || ev.Time.Before(s.Until))
}

func sourceHas(ev *auth.Event, part string) bool {
	part = strings.ToLower(part)
	return ev.Source.IsValid() && strings.Contains(ev.Source.String(), part) || strings.Contains(strings.ToLower(ev.From), part)
}

// cursorOf writes where to go on before, "" for 0.
func cursorOf(seq uint64) string {
	if seq == 0 {
		return ""
	}
	return strconv.FormatUint(seq, 36)
}

// parseCursor reads what cursorOf wrote.
func parseCursor(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 36, 63)
	if err != nil || n == 0 || cursorOf(n) != s {
		return 0, invalid("give the next of the page before, or none", "%.40q is no cursor", s)
	}
	return n, nil
}

func pageLimit(n int) (int, error) {
	if n == 0 {
		return defaultPage, nil
	}
	if n < 1 || n > maxPage {
		return 0, invalid("", "a page has 1 to %d entries, not %d", maxPage, n)
	}
	return n, nil
}
