package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/auth"
	"sallyport/patience"
)

// A PatienceView says how long a client waits and people take, as far as all
// nodes together have learned it in the newest seven days with traffic.
// Figures that are not known are 0.
type PatienceView struct {
	Client  string    `json:"client"`
	Advice  string    `json:"advice" prose:"true"` // in one sentence
	Nodes   []string  `json:"nodes"`               // that have learned anything
	Updated time.Time `json:"updated,omitzero"`

	Exchanges uint64 `json:"exchanges"`
	Repeated  uint64 `json:"repeated"`
	GivenUp   uint64 `json:"given_up"`
	Late      uint64 `json:"late"` // approved after the client had left

	IntervalMillis    int64   `json:"interval_ms"`
	Growth            float64 `json:"growth"` // of the interval, 1 for a fixed one
	Sendings          int     `json:"sendings"`
	GivesUpMillis     int64   `json:"gives_up_ms"`
	GivesUpLastMillis int64   `json:"gives_up_last_ms"`

	Answers   uint64 `json:"answers"`
	Slower    uint64 `json:"slower"` // of these, slower than the client's patience
	P50Millis int64  `json:"p50_ms"`
	P90Millis int64  `json:"p90_ms"`
	P99Millis int64  `json:"p99_ms"`

	Turns         []TurnView `json:"turns"`
	TimeoutMillis int64      `json:"timeout_ms"` // to set on the client, 0 if what it has will do or is not known
	Warnings      []string   `json:"warnings" prose:"true"`
}

// A TurnView is that a client turned from one node to another.
type TurnView struct {
	From        string `json:"from"`
	To          string `json:"to"`
	Count       uint64 `json:"count"`
	AfterMillis int64  `json:"after_ms"`
}

// Patience says what is known of the patience of the client of that name.
func (a *Admin) Patience(ctx context.Context, name string) (PatienceView, error) {
	all, err := a.readings(ctx)
	if err != nil {
		return PatienceView{}, err
	}
	known, ok := all[name]
	if !ok && a.Store.Settings().Client(name) == nil {
		return PatienceView{}, &Problem{fmt.Sprintf("no client %q", name), "sallyport client list shows the names", ErrNotFound}
	}
	p := known.reading.Patience()
	v := PatienceView{
		Client: name, Advice: p.Advice, Nodes: orEmpty(known.nodes), Updated: known.updated,
		Exchanges: p.Exchanges, Repeated: p.Repeated, GivenUp: p.GivenUp, Late: p.Late,
		IntervalMillis: p.Interval.Milliseconds(), Growth: p.Growth, Sendings: p.Sendings,
		GivesUpMillis: p.GivesUp.Milliseconds(), GivesUpLastMillis: p.GivesUpLast.Milliseconds(),
		Answers: p.Answers, Slower: p.Slower, P50Millis: p.P50.Milliseconds(), P90Millis: p.P90.Milliseconds(), P99Millis: p.P99.Milliseconds(),
		Turns: []TurnView{}, TimeoutMillis: p.Timeout.Milliseconds(), Warnings: []string{},
	}
	for _, t := range p.Turns {
		v.Turns = append(v.Turns, TurnView{t.From, t.To, t.Count, t.After.Milliseconds()})
	}
	for _, node := range known.unread {
		v.Warnings = append(v.Warnings, "what node "+node+" has learned cannot be read; is it of another version?")
	}
	return v, nil
}

// What is known of the patience of one client.
type knownPatience struct {
	reading patience.Reading // of all nodes
	nodes   []string
	unread  []string // nodes whose readings could not be read
	updated time.Time
}

// readings returns what all nodes know, by client. A reading that cannot be
// read is passed over: advice on a little less is better than none.
func (a *Admin) readings(ctx context.Context) (map[string]knownPatience, error) {
	list, err := a.Store.Readings(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(x, y Reading) int { return cmp.Compare(x.Node, y.Node) })
	all := make(map[string]knownPatience)
	for _, kept := range list {
		k := all[kept.Client]
		r, err := patience.Parse(kept.Body)
		if err != nil {
			k.unread = append(k.unread, kept.Node)
		} else {
			k.reading = patience.Merge(k.reading, r)
			k.nodes = append(k.nodes, kept.Node)
			if kept.Time.After(k.updated) {
				k.updated = kept.Time
			}
		}
		all[kept.Client] = k
	}
	return all, nil
}

// A departure is what is known of when clients leave: it tells whether an
// approval was of any use.
type departure struct {
	givesUp map[string]time.Duration // by client
	late    map[auth.Reference]patience.Late
}

func departures(all map[string]knownPatience) departure {
	d := departure{make(map[string]time.Duration, len(all)), make(map[auth.Reference]patience.Late)}
	for client, k := range all {
		d.givesUp[client] = k.reading.Patience().GivesUp
		for _, l := range k.reading.Late {
			d.late[auth.Reference(l.Reference)] = l
		}
	}
	return d
}

// left reports whether the approval of ev came after its client had left, and after
// how long the client had: 0 if only that it had is known.
func (d departure) left(ev *auth.Event, reference auth.Reference) (left bool, gaveUp time.Duration) {
	if ev.Verdict != auth.Accept {
		return false, 0
	}
	if l, ok := d.late[reference]; ok {
		return true, time.Duration(l.GaveUp) * time.Millisecond
	}
	// A tenth is what clients differ by from one time to the next.
	usual := d.givesUp[ev.Client]
	return usual > 0 && ev.Took > usual+usual/10, usual
}

// leftText is what is said of an approval that nobody waited for.
func leftText(took, gaveUp time.Duration) string {
	if gaveUp == 0 {
		return fmt.Sprintf("approved after the client had left: it had begun anew, and this took %s", patience.Seconds(took))
	}
	return fmt.Sprintf("approved after the client had left: it gives up after %s, this took %s", patience.Seconds(gaveUp), patience.Seconds(took))
}

// remarks are what is known of an event beside what was recorded with it.
func (a *Admin) remarks(ctx context.Context, ev *auth.Event) ([]string, error) {
	if ev.Verdict != auth.Accept {
		return nil, nil
	}
	all, err := a.readings(ctx)
	if err != nil {
		return nil, err
	}
	if left, gaveUp := departures(all).left(ev, a.References.Of(ev.Seq)); left {
		return []string{leftText(ev.Took, gaveUp)}, nil
	}
	return nil, nil
}
