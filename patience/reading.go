package patience

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Reading is what has been learned of one client. It is plain data of a
// bounded size, whatever the traffic, and JSON; readings of several nodes are
// added with Merge. The zero Reading knows nothing.
type Reading struct {
	// Days are the newest in which anything was learned, newest first: who
	// changes the settings of a client wants to see what came of it.
	Days []Day `json:"days,omitempty"`
	// Slow are the newest requests that a client may have taken to another
	// node, and Late the newest approvals that came after it had left. Newest
	// first.
	Slow []Sighting `json:"slow,omitempty"`
	Late []Late     `json:"late,omitempty"`
}

// A Day is what was learned on one day of UTC.
type Day struct {
	Day       int64  `json:"day"`       // since 1970-01-01
	Exchanges uint64 `json:"exchanges"` // requests that were seen to their end
	Repeated  uint64 `json:"repeated,omitempty"`
	GivenUp   uint64 `json:"given_up,omitempty"` // those that the client demonstrably gave up
	Late      uint64 `json:"late,omitempty"`     // approvals that came after it had left

	Interval Histogram      `json:"interval,omitempty"` // from a request until it was first sent again
	Growth   Growth         `json:"growth,omitzero"`    // of the intervals after that
	Sendings map[int]uint64 `json:"sendings,omitempty"` // how often requests were sent that were given up
	GaveUp   Histogram      `json:"gave_up,omitempty"`  // how long after the first sending that was
	Answers  Histogram      `json:"answers,omitempty"`  // from a question until its answer
	// Failovers are the first in the order of their names.
	Failovers []Failover `json:"failovers,omitempty"`
}

// Growth adds up by how much intervals grew.
type Growth struct {
	Steps   uint64 `json:"steps,omitempty"`
	Percent uint64 `json:"percent,omitempty"` // their sum: 100 for an interval like the one before
}

// A Failover counts the requests that a client sent to node To because node
// From had not answered.
type Failover struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count uint64 `json:"count"`
	After uint64 `json:"after_ms"` // the sum of the times from the one to the other
}

// A Sighting is a request that was not answered at once. Times are
// milliseconds since 1970.
type Sighting struct {
	Login uint64 `json:"login,string"`
	First int64  `json:"first"`
	Until int64  `json:"until,omitempty"` // when it was answered, 0 for never
}

// A Late is an approval that came after the client had left.
type Late struct {
	Reference string `json:"reference"`
	Time      int64  `json:"time"` // of the request, in milliseconds since 1970
	Took      int64  `json:"took_ms"`
	GaveUp    int64  `json:"gave_up_ms"` // when the client gave up, 0 if only that it did is known
}

const (
	maxDays      = 7
	maxSlow      = 32
	maxLate      = 32
	maxFailovers = 16
	maxName      = 64
	maxReference = 16

	// MaxSize bounds the JSON of a Reading.
	MaxSize = 512 << 10
)

// Merge adds two readings of one client by different nodes, or of different
// times. It is associative and commutative, and changes neither.
func Merge(a, b Reading) Reading {
	var r Reading
	for _, d := range slices.Concat(a.Days, b.Days) {
		r.day(d.Day).merge(&d)
	}
	r.Days = r.Days[:min(len(r.Days), maxDays)]
	r.Slow = newest(slices.Concat(a.Slow, b.Slow), maxSlow, Sighting.compare)
	r.Late = newest(slices.Concat(a.Late, b.Late), maxLate, Late.compare)
	return r
}

// day returns the record of that day, which it makes if there is none. There
// may then be one too many.
func (r *Reading) day(n int64) *Day {
	i, found := slices.BinarySearchFunc(r.Days, n, func(d Day, n int64) int { return cmp.Compare(n, d.Day) })
	if !found {
		r.Days = slices.Insert(r.Days, i, Day{Day: n})
	}
	return &r.Days[i]
}

// at returns the record of the day of t, nil if that is older than what is
// kept.
func (r *Reading) at(t time.Time) *Day {
	n := t.Unix() / (24 * 60 * 60)
	if len(r.Days) == maxDays && n < r.Days[maxDays-1].Day {
		return nil
	}
	if len(r.Days) > 0 && r.Days[0].Day == n {
		return &r.Days[0]
	}
	r.day(n)
	r.Days = r.Days[:min(len(r.Days), maxDays)]
	return r.day(n)
}

func (d *Day) merge(o *Day) {
	d.Exchanges = plus(d.Exchanges, o.Exchanges)
	d.Repeated = plus(d.Repeated, o.Repeated)
	d.GivenUp = plus(d.GivenUp, o.GivenUp)
	d.Late = plus(d.Late, o.Late)
	d.Interval.merge(o.Interval)
	d.GaveUp.merge(o.GaveUp)
	d.Answers.merge(o.Answers)
	d.Growth = Growth{plus(d.Growth.Steps, o.Growth.Steps), plus(d.Growth.Percent, o.Growth.Percent)}
	if d.Sendings == nil && len(o.Sendings) > 0 {
		d.Sendings = make(map[int]uint64, len(o.Sendings))
	}
	for n, c := range o.Sendings {
		d.Sendings[n] = plus(d.Sendings[n], c)
	}
	for _, f := range o.Failovers {
		d.failover(f)
	}
}

// failover adds f. When there are too many pairs those with the last names go:
// a pair that is kept in the end was then never dropped on the way, so that its
// count does not depend on the order of merging.
func (d *Day) failover(f Failover) {
	i, found := slices.BinarySearchFunc(d.Failovers, f, func(a, b Failover) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	if !found {
		d.Failovers = slices.Insert(d.Failovers, i, f)
		d.Failovers = d.Failovers[:min(len(d.Failovers), maxFailovers)]
		return
	}
	d.Failovers[i].Count = plus(d.Failovers[i].Count, f.Count)
	d.Failovers[i].After = plus(d.Failovers[i].After, f.After)
}

func (s Sighting) compare(o Sighting) int {
	return cmp.Or(cmp.Compare(o.First, s.First), cmp.Compare(s.Login, o.Login), cmp.Compare(s.Until, o.Until))
}

func (l Late) compare(o Late) int {
	return cmp.Or(cmp.Compare(o.Time, l.Time), strings.Compare(l.Reference, o.Reference), cmp.Compare(l.Took, o.Took), cmp.Compare(l.GaveUp, o.GaveUp))
}

// newest orders list and keeps the first of it.
func newest[T any](list []T, most int, compare func(T, T) int) []T {
	slices.SortFunc(list, compare)
	if len(list) > most {
		list = slices.Clone(list[:most])
	}
	return list
}

// insert puts one into such a list.
func insert[T any](list []T, one T, most int, compare func(T, T) int) []T {
	i, _ := slices.BinarySearchFunc(list, one, compare)
	list = slices.Insert(list, i, one)
	return list[:min(len(list), most)]
}

// Parse reads a Reading from JSON. Fields that a newer version added are
// passed over; numbers that no version writes are an error.
func Parse(b []byte) (Reading, error) {
	if len(b) > MaxSize {
		return Reading{}, fmt.Errorf("patience: read a reading: %d octets are more than any has", len(b))
	}
	var r Reading
	if err := json.Unmarshal(b, &r); err != nil {
		return Reading{}, fmt.Errorf("patience: read a reading: %w", err)
	}
	if err := r.check(); err != nil {
		return Reading{}, err
	}
	return Merge(r, Reading{}), nil // in order, and no more than is kept
}

func (r *Reading) check() error {
	for i := range r.Days {
		d := &r.Days[i]
		for _, h := range []Histogram{d.Interval, d.GaveUp, d.Answers} {
			if err := h.check(); err != nil {
				return err
			}
		}
		for n, c := range d.Sendings {
			if n < 1 || n > 1+maxAgain || c == 0 {
				return fmt.Errorf("patience: a reading counts %d requests that were sent %d times", c, n)
			}
		}
		for _, f := range d.Failovers {
			if len(f.From) > maxName || len(f.To) > maxName || f.Count == 0 || f.After/f.Count > longest {
				return fmt.Errorf("patience: a reading counts %d turns between nodes that cannot be", f.Count)
			}
		}
	}
	for _, l := range r.Late {
		if len(l.Reference) > maxReference || l.Took < 0 || l.GaveUp < 0 {
			return fmt.Errorf("patience: a reading has a late answer that cannot be")
		}
	}
	return nil
}

// Encode returns the JSON of r, of MaxSize octets at most.
func (r Reading) Encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("patience: write a reading: %w", err)
	}
	return b, nil
}

// clone returns a Reading that shares nothing with r.
func (r Reading) clone() Reading {
	c := Reading{Days: slices.Clone(r.Days), Slow: slices.Clone(r.Slow), Late: slices.Clone(r.Late)}
	for i := range c.Days {
		d := &c.Days[i]
		d.Interval, d.GaveUp, d.Answers = maps.Clone(d.Interval), maps.Clone(d.GaveUp), maps.Clone(d.Answers)
		d.Sendings, d.Failovers = maps.Clone(d.Sendings), slices.Clone(d.Failovers)
	}
	return c
}
