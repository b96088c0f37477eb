package diagnose

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// add counts one attempt.
func (t *Totals) add(v Verdict) {
	t.Attempts++
	switch v {
	case Accepted:
		t.Accepted++
	case Refused:
		t.Refused++
	case Faulty:
		t.Faulty++
	case Challenged:
		t.Challenged++
	case Abandoned:
		t.Abandoned++
	}
}

// A tally is what is known of one finding so far. It is bounded.
type tally struct {
	count       int
	first, last time.Time
	sure        Confidence
	why         string
	users       map[uint64]bool // hashes: names may be long
	named       []string        // users, in the order in which they were met
	hosts       []string
	clients     []string
	evidence    []Evidence
}

func tallyOf(found map[*Cause]*tally, c *Cause) *tally {
	t := found[c]
	if t == nil {
		t = &tally{}
		found[c] = t
	}
	return t
}

// add counts one occurrence, in an attempt or in none.
func (t *tally) add(a *Attempt, s shown) {
	t.count++
	if s.sure.weight() > t.sure.weight() {
		t.sure, t.why = s.sure, s.why
	}
	lines := s.lines
	if a != nil {
		t.span(a.Time, a.Time)
		t.user(a.User)
		t.hosts = named(t.hosts, a.Host)
		t.clients = named(t.clients, a.Client)
		if lines == nil {
			lines = a.Lines
		}
	}
	for _, l := range lines {
		t.prove(Evidence{File: l.File, Line: l.Number, Text: l.Text})
	}
}

func (t *tally) span(first, last time.Time) {
	if !first.IsZero() && (t.first.IsZero() || first.Before(t.first)) {
		t.first = first
	}
	if last.After(t.last) {
		t.last = last
	}
}

func (t *tally) user(name string) {
	bare := account(name)
	key := maphash.String(nameSeed, bare)
	if bare == "" || t.users[key] || len(t.users) >= maxDistinct {
		return
	}
	if t.users == nil {
		t.users = map[uint64]bool{}
	}
	t.users[key] = true
	t.named = named(t.named, name)
}

var nameSeed = maphash.MakeSeed()

func (t *tally) prove(e Evidence) {
	if len(t.evidence) < maxEvidence && !slices.Contains(t.evidence, e) {
		t.evidence = append(t.evidence, e)
	}
}

// named adds a name to a short list of different ones.
func named(list []string, name string) []string {
	if name == "" || len(list) >= maxNamed || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// merge adds what another tally of the same cause has counted.
func (t *tally) merge(o *tally) {
	t.count += o.count
	if o.sure.weight() > t.sure.weight() {
		t.sure, t.why = o.sure, o.why
	}
	t.span(o.first, o.last)
	for _, u := range o.named {
		t.user(u)
	}
	for u := range o.users {
		if len(t.users) < maxDistinct {
			t.users[u] = true
		}
	}
	for _, h := range o.hosts {
		t.hosts = named(t.hosts, h)
	}
	for _, c := range o.clients {
		t.clients = named(t.clients, c)
	}
	for _, e := range o.evidence {
		t.prove(e)
	}
}

func (t *tally) clone() *tally {
	c := &tally{}
	c.merge(t)
	return c
}

// finding is the tally as it is reported.
func (t *tally) finding(c *Cause) Finding {
	f := Found(c.ID, t.sure, t.why, t.evidence...)
	f.Count, f.First, f.Last = t.count, t.first, t.last
	f.Users, f.UserCount, f.Hosts, f.Clients = t.named, len(t.users), t.hosts, t.clients
	return f
}

// pressing orders findings: what stops people before what does not, what is
// explained before what is not, what lies with somebody else before what the
// person can mend alone, what struck often and surely before the rest.
func pressing(a, b Finding) int {
	rank := func(f Finding) int {
		switch {
		case f.Note:
			return 3
		case f.Cause == unexplainedCauses[0].ID:
			return 2
		case f.Who == thePerson:
			return 1
		}
		return 0
	}
	place := func(f Finding) int {
		return slices.IndexFunc(causes, func(c Cause) bool { return c.ID == f.Cause })
	}
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(b.Count*b.Confidence.weight(), a.Count*a.Confidence.weight()),
		cmp.Compare(b.UserCount, a.UserCount),
		cmp.Compare(place(a), place(b)),
	)
}

// thePerson is the Who of what one person has to do differently.
const thePerson = "the person"

// count words a number of things: 1 attempt, 2 attempts, or 1 was, 2 were.
func count(n int, words ...string) string {
	word := words[0]
	if n != 1 {
		word += "s"
		if len(words) > 1 {
			word = words[1]
		}
	}
	return fmt.Sprintf("%d %s", n, word)
}
