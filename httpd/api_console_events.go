package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
	"sallyport/auth"
)

// EventFields select events. What is left out selects all.
type EventFields struct {
	Account     string   `query:"account" maxLength:"255" doc:"A name in any spelling, whether or not anybody has it"`
	Application string   `query:"application" maxLength:"63"`
	Client      string   `query:"client" maxLength:"63"`
	Door        string   `query:"door" maxLength:"63" doc:"radius, https, console or portal"`
	Outcome     string   `query:"outcome" maxLength:"100" doc:"A number or a stable name; see /v1/outcomes"`
	Verdict     []string `query:"verdict" maxItems:"5" enum:"accept,challenge,reject,unavailable,ignore" doc:"Any of these, separated by commas"`
	Factor      string   `query:"factor" maxLength:"63"`
	Rule        string   `query:"rule" maxLength:"63"`
	Source      string   `query:"source" maxLength:"100" doc:"A part of the address that sent it, or of where the client says the person is"`
	Stage       string   `query:"stage" enum:"reach,client,account,primary,policy,factor,delivery,answer,verdict,reply" doc:"Of the outcome"`
	AtFault     bool     `query:"at_fault" doc:"Only what MFA, its settings or its equipment is at fault of"`
}

func (f *EventFields) query() admin.EventQuery {
	return admin.EventQuery{
		Account: f.Account, Application: f.Application, Client: f.Client, Door: f.Door, Outcome: f.Outcome, Verdicts: f.Verdict,
		Factor: f.Factor, Rule: f.Rule, Source: f.Source, Stage: f.Stage, AtFault: f.AtFault,
	}
}

// An OutcomeView is a row of the catalogue of outcomes.
type OutcomeView struct {
	Outcome       string `json:"outcome" doc:"The stable name"`
	Code          int    `json:"code"`
	Label         string `json:"label" prose:"true"`
	Verdict       string `json:"verdict"`
	Stage         string `json:"stage"`
	Method        string `json:"method"`
	AtFault       bool   `json:"at_fault"`
	Foreign       bool   `json:"foreign" doc:"Only other products decide so; it is there so that their logs can be read"`
	Person        string `json:"person" prose:"true"`
	HelpDesk      string `json:"help_desk" prose:"true"`
	Administrator string `json:"administrator" prose:"true"`
	Remedy        string `json:"remedy" prose:"true"`
}

func eventOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "dashboard.show", Method: "GET", Path: "/v1/dashboard", Summary: "How logins went lately, and what needs attention", Tag: tagEvents,
			Audience: administrator, Permission: admin.ReadEvents,
		}, func(ctx context.Context, c *caller, in *struct {
			Hours int `query:"hours" minimum:"1" maximum:"336" default:"24" doc:"How many hours, this one included"`
		},
		) (*Answered[admin.Dashboard], error) {
			return answered(c.site.Admin.Dashboard(ctx, in.Hours))
		}),
		operate(operation{
			ID: "event.list", Method: "GET", Path: "/v1/events", Summary: "Search the sign-in log, the newest first", Tag: tagEvents,
			Detail:   "A page may be short or empty and have a next all the same: a search for something rare is cut off, and goes on from there. back says how far it has looked.",
			Audience: administrator, Permission: admin.ReadEvents,
		}, func(ctx context.Context, c *caller, in *struct {
			Page
			EventFields
			Since time.Time `query:"since" doc:"At or after it"`
			Until time.Time `query:"until" doc:"Before it"`
		},
		) (*Answered[admin.EventList], error) {
			q := in.query()
			q.Cursor, q.Limit, q.Since, q.Until = in.Cursor, in.Limit, in.Since, in.Until
			return answered(c.site.Admin.SearchEvents(ctx, q))
		}),
		operate(operation{
			ID: "event.stream", Method: "GET", Path: "/v1/events/stream", Summary: "Follow the sign-in log", Tag: tagEvents,
			Detail: "Server-sent events. `logins` brings a list of events, the newest 200 at most and four times a second at most, in the order of their commits. " +
				"`gap` says how many events were left out because there were more. A comment comes every 15 seconds. The stream ends with the session.",
			Audience: administrator, Permission: admin.ReadEvents, Media: streamMedia,
		}, func(ctx context.Context, c *caller, in *struct{ EventFields }) (*struct{ Body func(huma.Context) }, error) {
			return followEvents(ctx, c, in.query(), usualPace)
		}),
		operate(operation{
			ID: "event.show", Method: "GET", Path: "/v1/events/{reference}", Summary: "Explain one login by its reference", Tag: tagEvents,
			Detail:   "Who may not read the system log gets the help desk's reading: the cause and what to tell the caller, without the notes of the trace.",
			Audience: administrator, Permission: admin.ReadEvents,
		}, func(ctx context.Context, c *caller, in *struct {
			Reference string `path:"reference" minLength:"1" maxLength:"20" doc:"As it was read out: 7F3K-92QD"`
		},
		) (*Answered[admin.WhyView], error) {
			why, err := c.site.Admin.Why(ctx, in.Reference)
			return answered(why.Reading(audienceOf(c.by)), err)
		}),
		operate(operation{
			ID: "outcome.list", Method: "GET", Path: "/v1/outcomes", Summary: "What outcomes there are and what they mean", Tag: tagEvents,
			Audience: administrator, Permission: admin.ReadEvents,
		}, func(context.Context, *caller, *struct{}) (*Listed[OutcomeView], error) {
			var views []OutcomeView
			for _, m := range auth.Catalogue() {
				views = append(views, OutcomeView{
					Outcome: m.Name, Code: int(m.Outcome), Label: m.Label, Verdict: m.Verdict.String(), Stage: string(m.Stage), Method: m.Method,
					AtFault: m.AtFault, Foreign: m.Foreign, Person: m.Person, HelpDesk: m.HelpDesk, Administrator: m.Administrator, Remedy: m.Remedy,
				})
			}
			return listed(views, nil)
		}),
	}
}

const streamMedia = "text/event-stream"

// A pace says how often a live log does what.
type pace struct {
	send  time.Duration // from one batch to the next, at least
	beat  time.Duration // a sign of life, so that proxies keep the connection
	check time.Duration // whether whoever looks on still may
	write time.Duration // how long a reader may take to take what is sent
}

var usualPace = pace{send: time.Second / 4, beat: 15 * time.Second, check: 15 * time.Second, write: 30 * time.Second}

var errNoFeed = &Problem{
	Type: "/problems/not-found", Title: "Not found", Status: http.StatusNotFound,
	Detail: "this server has no live log", Hint: "ask for /v1/events again and again",
}

// followEvents answers with a stream of events.
func followEvents(ctx context.Context, c *caller, q admin.EventQuery, p pace) (*struct{ Body func(huma.Context) }, error) {
	feed := c.site.Feed
	if feed == nil {
		return nil, errNoFeed
	}
	sub, err := feed.Subscribe(ctx, q)
	if errors.Is(err, admin.ErrCrowded) {
		return nil, &Problem{
			Type: "/problems/busy", Title: "Busy", Status: http.StatusServiceUnavailable,
			Detail: "too many live logs are open", Hint: "close one, or look at the log without following it",
		}
	}
	if err != nil {
		return nil, err
	}
	return &struct{ Body func(huma.Context) }{func(huma.Context) {
		defer sub.Close()
		l := &liveLog{c: c, sub: sub, pace: p, control: http.NewResponseController(c.w)}
		if err := l.run(ctx); err != nil {
			// What was sent is whole; the browser asks again, and is told.
			c.site.Log.Debug("a live log ended", "by", c.by.Name, "why", err)
		}
	}}, nil
}

// A liveLog is one stream of events.
type liveLog struct {
	c       *caller
	sub     *admin.Subscription
	pace    pace
	control *http.ResponseController
}

// run sends until the reader leaves, the listener stops, or whoever looks on may
// not any more.
func (l *liveLog) run(ctx context.Context) error {
	h := l.c.w.Header()
	h.Set("Content-Type", streamMedia)
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	l.c.w.WriteHeader(http.StatusOK)
	if err := l.write("retry: 3000\n\n"); err != nil {
		return err
	}
	beat, check := time.NewTicker(l.pace.beat), time.NewTicker(l.pace.check)
	defer beat.Stop()
	defer check.Stop()
	var pause <-chan time.Time // since the last batch; nil when it is over
	ready := l.sub.Ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.c.stop().Done():
			return errStopping
		case <-beat.C:
			if err := l.write(":\n\n"); err != nil {
				return err
			}
		case <-check.C:
			if err := l.allowed(ctx); err != nil {
				return err
			}
		case <-pause:
			pause, ready = nil, l.sub.Ready()
		case <-ready:
			if err := l.send(); err != nil {
				return err
			}
			pause, ready = time.After(l.pace.send), nil
		}
	}
}

// allowed checks that whoever looks on still may.
func (l *liveLog) allowed(ctx context.Context) error {
	var by admin.Actor
	if l.c.key.Name != "" {
		secret, _ := bearerOf(l.c.request)
		key, err := l.c.site.Admin.KeyBySecret(ctx, secret)
		if err != nil {
			return err
		}
		by = key.Actor
	} else {
		var err error
		if by, err = l.c.site.Admin.StillSignedIn(ctx, l.c.person); err != nil {
			return err
		}
	}
	if !by.Can(l.c.operation.Permission) {
		return forbidden(l.c.operation)
	}
	return nil
}

// A Gap says how many events a live log has left out.
type Gap struct {
	Skipped uint64 `json:"skipped"`
}

func (l *liveLog) send() error {
	events, skipped := l.sub.Take()
	text := ""
	if skipped > 0 {
		b, err := json.Marshal(Gap{skipped})
		if err != nil {
			return fmt.Errorf("httpd: encode a gap: %w", err)
		}
		text += "event: gap\ndata: " + string(b) + "\n\n"
	}
	if len(events) > 0 {
		b, err := json.Marshal(inWords(events, l.c.book)) // no line breaks, as the format asks
		if err != nil {
			return fmt.Errorf("httpd: encode events: %w", err)
		}
		text += "event: logins\ndata: " + string(b) + "\n\n"
	}
	return l.write(text)
}

// write sends a text at once. The listener's limit for whole answers is none for
// a stream; what is limited is how long the reader may take for each part.
func (l *liveLog) write(text string) error {
	if err := l.control.SetWriteDeadline(time.Now().Add(l.pace.write)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("httpd: limit the time for a reader: %w", err)
	}
	if _, err := l.c.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("httpd: send events: %w", err)
	}
	return l.control.Flush()
}
