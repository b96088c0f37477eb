package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sallyport/auth"
)

// An EventView is one event as scripts and administrators see it.
type EventView struct {
	Time        time.Time `json:"time"`
	Account     string    `json:"account"`
	Application string    `json:"application"`
	Client      string    `json:"client"`
	Source      string    `json:"source"`
	From        string    `json:"from,omitempty"`
	Door        string    `json:"door"`
	Verdict     string    `json:"verdict"`
	Code        int       `json:"code"`    // the outcome's number
	Outcome     string    `json:"outcome"` // its stable name
	Label       string    `json:"label" prose:"true"`
	Factor      string    `json:"factor,omitempty"`
	Rule        string    `json:"rule,omitempty"` // that said what was needed
	Failures    int       `json:"failures,omitempty"`
	Count       int       `json:"count"` // how many it stands for
	TookMicros  int64     `json:"took_us"`
	Reference   string    `json:"reference"`
	Seq         uint64    `json:"seq"`
}

// A WhyView explains one event in its three readings.
type WhyView struct {
	EventView
	Authenticator string      `json:"authenticator,omitempty"`
	Stage         string      `json:"stage"`
	Person        string      `json:"person" prose:"true"`
	HelpDesk      string      `json:"help_desk,omitempty" prose:"true"`
	Administrator string      `json:"administrator,omitempty" prose:"true"`
	Remedy        string      `json:"remedy,omitempty" prose:"true"`
	AtFault       bool        `json:"mfa_at_fault"`
	Trace         []auth.Step `json:"trace"`
	Remarks       []string    `json:"remarks,omitempty" prose:"true"` // what is known beside
}

// An Audience is who reads an explanation.
type Audience int

// The audiences, from the one that is told least. The zero Audience is that.
const (
	ForPerson        Audience = iota // whose login it was
	ForHelpDesk                      // who answers the telephone
	ForAdministrator                 // who runs the installation
)

// Reading returns what of an explanation an audience may see. The person sees
// what the login told them and what they know themselves. The help desk sees the
// cause and what to tell the caller, and how far the login came, but not what
// the trace says of the installation. An audience that nobody knows is the
// person.
func (v WhyView) Reading(a Audience) WhyView {
	switch a {
	case ForAdministrator:
		return v
	case ForHelpDesk:
		v.Administrator, v.Authenticator, v.Remarks = "", "", nil
		trace := make([]auth.Step, len(v.Trace))
		for i, s := range v.Trace {
			trace[i] = auth.Step{Stage: s.Stage, OK: s.OK, Took: s.Took}
		}
		v.Trace = trace
		return v
	case ForPerson:
	}
	return WhyView{
		EventView: EventView{
			Time: v.Time, Account: v.Account, Application: v.Application, Client: v.Client, From: v.From,
			Verdict: v.Verdict, Count: v.Count, Reference: v.Reference,
		},
		Person: v.Person,
		Trace:  []auth.Step{},
	}
}

// A Search selects events by what people know.
type Search struct {
	After   uint64    `json:"after"`   // events after this sequence number
	Since   time.Time `json:"since"`   // events at or after this time
	Account string    `json:"account"` // a name in any spelling, whether or not anybody has it
	Outcome string    `json:"outcome"` // a number or a stable name
	Limit   int       `json:"limit"`
	Newest  bool      `json:"newest"` // the newest that match instead of the oldest
}

// Events returns events in the order of their commits.
func (a *Admin) Events(ctx context.Context, s Search) ([]EventView, error) {
	f := EventFilter{After: s.After, Since: s.Since, Limit: s.Limit, Newest: s.Newest}
	if s.Outcome != "" {
		o, err := parseOutcome(s.Outcome)
		if err != nil {
			return nil, err
		}
		f.Outcome = o
	}
	if s.Account != "" {
		subject, err := a.subject(ctx, s.Account)
		if err != nil {
			return nil, err
		}
		f.Subject = subject
	}
	events, err := a.Store.Events(ctx, f)
	if err != nil {
		return nil, err
	}
	views := make([]EventView, len(events))
	for i := range events {
		views[i] = a.viewEvent(&events[i])
	}
	return views, nil
}

// subject returns what the events of a name are kept under: the account's ID,
// or the pseudonym of a name that nobody has.
func (a *Admin) subject(ctx context.Context, name string) (string, error) {
	acc, err := a.account(ctx, name)
	if err == nil {
		return acc.ID, nil
	}
	if errors.Is(err, ErrInvalid) {
		return a.Pseudonym(name), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	if name[0] == '?' { // a pseudonym, as events print it
		return name, nil
	}
	spellings, err := auth.Spellings(name, a.Domains)
	if err != nil {
		return a.Pseudonym(name), nil
	}
	return a.Pseudonym(spellings[len(spellings)-1]), nil
}

// Why explains the event behind a reference.
func (a *Admin) Why(ctx context.Context, reference string) (WhyView, error) {
	seq, err := a.References.Seq(reference)
	if err != nil {
		return WhyView{}, invalid("read the eight characters again", "%q is no reference: %v", reference, err)
	}
	ev, err := a.Store.Event(ctx, seq)
	if err != nil {
		return WhyView{}, problem(err, fmt.Sprintf("no login has the reference %s", a.References.Of(seq)), "read the eight characters again; each names one login of this installation")
	}
	remarks, err := a.remarks(ctx, &ev)
	if err != nil {
		return WhyView{}, err
	}
	m := ev.Outcome.Meaning()
	person := m.Person
	if ev.Verdict == auth.Ignore || ev.Verdict == auth.Unavailable {
		person = "Nothing: there was no answer, so the application reports a time-out."
	}
	return WhyView{
		EventView:     a.viewEvent(&ev),
		Authenticator: ev.Authenticator,
		Stage:         string(m.Stage),
		Person:        person,
		HelpDesk:      m.HelpDesk,
		Administrator: m.Administrator,
		Remedy:        m.Remedy,
		AtFault:       m.AtFault,
		Trace:         ev.Trace,
		Remarks:       remarks,
	}, nil
}

func (a *Admin) viewEvent(ev *auth.Event) EventView {
	v := EventView{
		Time: ev.Time, Account: ev.Account, Application: ev.Application, Client: ev.Client,
		From: ev.From, Door: ev.Door, Verdict: ev.Verdict.String(),
		Code: int(ev.Outcome), Outcome: ev.Outcome.String(), Label: ev.Outcome.Meaning().Label,
		Factor: ev.Factor, Rule: ev.Rule, Failures: ev.Failures, Count: ev.Count, TookMicros: ev.Took.Microseconds(),
		Reference: string(a.References.Of(ev.Seq)), Seq: ev.Seq,
	}
	if ev.Source.IsValid() {
		v.Source = ev.Source.String()
	}
	return v
}

// parseOutcome reads an outcome's number or name.
func parseOutcome(s string) (auth.Outcome, error) {
	if o, ok := auth.OutcomeNamed(s); ok {
		return o, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		for _, m := range auth.Catalogue() {
			if int(m.Outcome) == n {
				return m.Outcome, nil
			}
		}
	}
	return 0, invalid("sallyport codes lists them", "there is no outcome %q", s)
}
