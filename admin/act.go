package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// An ActView is the record of one administrative change.
type ActView struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail,omitempty"`
	// Before and After are the record as administrators see it, without secrets:
	// neither if the act changed none, Before alone if it ended one, After alone
	// if it made one.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Said returns the view with its sentences said by say: who did it where that is
// no person but described, and the detail, unless an administrator wrote it.
func (v ActView) Said(say func(string) string) any {
	for _, begins := range []string{"uid ", "node ", "somebody at ", "invitation by code for "} {
		if strings.HasPrefix(v.Actor, begins) {
			v.Actor = say(v.Actor)
		}
	}
	if v.Action != "account.block" {
		v.Detail = say(v.Detail)
	}
	return v
}

// An ActQuery selects a page of acts, the newest first. Fields that are "" or
// zero select everything.
type ActQuery struct {
	Cursor  string    `json:"cursor"` // Next of the page before, "" for the newest
	Limit   int       `json:"limit"`  // acts at most, 1 to 1,000; 0 for 50
	Actor   string    `json:"actor"`  // a part of who did it, in any case
	Action  string    `json:"action"` // the beginning of what was done: "rule."
	Subject string    `json:"subject"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}

// An ActList is a page of acts, the newest first.
type ActList struct {
	Items []ActView `json:"items"`
	Next  string    `json:"next,omitempty"`
}

// SearchActs returns a page of the record of changes.
func (a *Admin) SearchActs(ctx context.Context, q ActQuery) (ActList, error) {
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return ActList{}, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return ActList{}, err
	}
	// One more than a page shows whether there is another.
	acts, err := a.Store.SearchActs(ctx, ActSearch{
		Before: before, Since: q.Since, Until: q.Until, Actor: q.Actor, Action: q.Action, Subject: q.Subject, Limit: limit + 1,
	})
	if err != nil {
		return ActList{}, err
	}
	var list ActList
	if len(acts) > limit {
		acts = acts[:limit]
		list.Next = cursorOf(acts[limit-1].Seq)
	}
	list.Items = make([]ActView, len(acts))
	for i := range acts {
		list.Items[i] = viewAct(&acts[i])
	}
	return list, nil
}

func viewAct(act *Act) ActView {
	return ActView{
		Seq: act.Seq, Time: act.Time, Actor: act.Actor, Action: act.Action, Subject: act.Subject, Detail: act.Detail,
		Before: rawJSON(act.Before), After: rawJSON(act.After),
	}
}

// rawJSON returns the JSON that a record holds. What is none, because somebody
// else wrote it, must not make the whole page unreadable: it is shown as a text.
func rawJSON(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil // a string is always JSON
	}
	return b
}

// recordOf returns a view as the record of acts keeps it, "" for none.
func recordOf(view any) (string, error) {
	if view == nil {
		return "", nil
	}
	b, err := json.Marshal(view)
	if err != nil {
		return "", fmt.Errorf("admin: encode a %T for the record: %w", view, err)
	}
	return string(b), nil
}
