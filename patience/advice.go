package patience

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Report is a Reading in figures and in words. Durations are 0 where nothing
// is known.
type Report struct {
	Exchanges uint64 // requests that were seen to their end
	Repeated  uint64 // of these, sent more than once
	GivenUp   uint64 // of these, demonstrably given up
	Late      uint64 // approved after the client had left

	Interval time.Duration // from a request until it is first sent again
	Growth   float64       // of the intervals after that, 1 for a fixed one
	Sendings int           // how often a request is sent before it is given up
	// GivesUp is when 1 in 10 of the requests that were given up had been given
	// up, and GivesUpLast when 9 in 10 had: the client's time-out, if it is one
	// device.
	GivesUp, GivesUpLast time.Duration
	// Seen says where GivesUp comes from: false if it is only from when the
	// client turned to another node.
	Seen bool

	Answers       uint64
	Slower        uint64        // answers that took longer than GivesUp, if that is known
	P50, P90, P99 time.Duration // how long people take to answer

	Turns []Turn // to other nodes, the most frequent first

	// Timeout is what to set on the client, 0 if what it has will do or too
	// little is known to say.
	Timeout time.Duration
	// Advice says it in one sentence.
	Advice string
}

// A Turn is that a client turned from one node to another.
type Turn struct {
	From, To string
	Count    uint64
	After    time.Duration // on average
}

const (
	// enoughGivenUp and enoughAnswers are how many observations a figure must
	// rest on. A time-out is one setting of a device and repeats itself; people
	// differ, and of fewer than 20 nobody is "1 in 10".
	enoughGivenUp = 3
	enoughAnswers = 20
	// freshGivenUp is how many are looked at, the newest days first, so that a
	// new setting shows soon.
	freshGivenUp = 20
)

// Patience says what r amounts to.
func (r Reading) Patience() Report {
	var p Report
	var interval, gaveUp, answers Histogram
	var growth Growth
	sendings := make(map[int]uint64)
	turns := make(map[[2]string]Failover)
	for i := range r.Days {
		d := &r.Days[i]
		p.Exchanges = plus(p.Exchanges, d.Exchanges)
		p.Repeated = plus(p.Repeated, d.Repeated)
		p.GivenUp = plus(p.GivenUp, d.GivenUp)
		p.Late = plus(p.Late, d.Late)
		answers.merge(d.Answers)
		if gaveUp.Count() < freshGivenUp {
			gaveUp.merge(d.GaveUp)
			interval.merge(d.Interval)
			growth = Growth{plus(growth.Steps, d.Growth.Steps), plus(growth.Percent, d.Growth.Percent)}
			for n, c := range d.Sendings {
				sendings[n] = plus(sendings[n], c)
			}
		}
		for _, f := range d.Failovers {
			k := [2]string{f.From, f.To}
			t := turns[k]
			turns[k] = Failover{From: f.From, To: f.To, Count: plus(t.Count, f.Count), After: plus(t.After, f.After)}
		}
	}
	p.Interval = interval.Quantile(0.5)
	if growth.Steps > 0 {
		p.Growth = float64(growth.Percent/growth.Steps) / 100
	}
	if gaveUp.Count() >= enoughGivenUp {
		p.GivesUp, p.GivesUpLast, p.Seen = gaveUp.Quantile(0.1), gaveUp.Quantile(0.9), true
		var most uint64
		for n, c := range sendings {
			if c > most || c == most && n > p.Sendings {
				p.Sendings, most = n, c
			}
		}
	}
	for _, f := range turns {
		p.Turns = append(p.Turns, Turn{f.From, f.To, f.Count, time.Duration(f.After/f.Count) * time.Millisecond})
	}
	slices.SortFunc(p.Turns, func(a, b Turn) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	for _, t := range p.Turns {
		if !p.Seen && t.Count >= enoughGivenUp {
			p.GivesUp = time.Duration(middle(t.After)) * time.Millisecond
			p.GivesUpLast = p.GivesUp
			break
		}
	}
	p.Answers = answers.Count()
	p.P50, p.P90, p.P99 = answers.Quantile(0.5), answers.Quantile(0.9), answers.Quantile(0.99)
	if p.GivesUp > 0 {
		p.Slower = p.Answers - answers.below(p.GivesUp.Milliseconds())
	}
	p.Timeout = p.advise()
	p.Advice = p.sentence()
	return p
}

// timeouts are what devices offer and people set. 60 s is the least that
// anybody with a telephone in a pocket should be given.
var timeouts = []time.Duration{60 * time.Second, 90 * time.Second, 120 * time.Second, 180 * time.Second}

// Enough is the least time-out of a client whose people take up to p99, which
// is 0 if that is not known. It never falls when p99 rises.
func Enough(p99 time.Duration) time.Duration {
	for _, t := range timeouts {
		if p99+p99/4 <= t {
			return t
		}
	}
	return timeouts[len(timeouts)-1]
}

// advise returns the time-out to set, 0 for none.
func (p *Report) advise() time.Duration {
	if p.GivesUp == 0 || p.Answers < enoughAnswers {
		return 0
	}
	if p.GivesUp >= p.P99 && p.GivesUp >= p.P90+p.P90/4 {
		return 0
	}
	if t := Enough(p.P99); t > p.GivesUp {
		return t
	}
	return 0
}

// sentence says it in words.
func (p *Report) sentence() string {
	switch {
	case p.GivesUp == 0 && p.Answers < enoughAnswers:
		return fmt.Sprintf("not enough traffic yet: %s, %d given up by the client, %d answers of people", count(p.Exchanges, "exchange"), p.GivenUp, p.Answers)
	case p.GivesUp == 0:
		return fmt.Sprintf("not seen to give up yet in %s; 1 in 10 people need %s, so its time-out should be %s or more", count(p.Exchanges, "exchange"), Seconds(p.P90), Seconds(Enough(p.P99)))
	}
	gives := "gives up after " + Seconds(p.GivesUp)
	switch {
	case !p.Seen:
		gives = "turns to another node after " + Seconds(p.GivesUp)
	case p.GivesUpLast > p.GivesUp+p.GivesUp/4:
		gives = fmt.Sprintf("gives up after %s to %s, so there is more than one device or setting", Seconds(p.GivesUp), Seconds(p.GivesUpLast))
	}
	if p.Answers < enoughAnswers {
		words := fmt.Sprintf("%s; how long people need is not known yet (%s)", gives, count(p.Answers, "answer"))
		if p.GivesUp < timeouts[0] {
			words += ", 60 s suits most"
		}
		return words
	}
	needs := "1 in 10 people need " + Seconds(p.P90)
	if p.P90 < p.GivesUp && p.P99 > p.GivesUp {
		needs = "1 in 100 people need " + Seconds(p.P99)
	}
	if p.Timeout == 0 {
		return fmt.Sprintf("%s; %s: that is enough", gives, needs)
	}
	return fmt.Sprintf("%s; %s; set its time-out to %s", gives, needs, Seconds(p.Timeout))
}

// count writes a number of things.
func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Seconds writes d as people say time-outs: 2.5 s, 20 s, 120 s.
func Seconds(d time.Duration) string {
	if d >= 10*time.Second || d%time.Second == 0 {
		return fmt.Sprintf("%d s", int64(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
