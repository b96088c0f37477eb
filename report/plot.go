package report

import (
	"fmt"
	"math"
	"time"

	"sallyport/diagnose"
)

// verdicts is the order in which bars are stacked, from below.
var verdicts = []struct {
	Verdict diagnose.Verdict
	Label   string
}{
	{diagnose.Accepted, "accepted"},
	{diagnose.Refused, "refused"},
	{diagnose.Faulty, "failed by a fault"},
	{diagnose.Challenged, "challenged"},
	{diagnose.Abandoned, "no end in the log"},
}

// A bucket is a span of time and the attempts that began in it.
type bucket struct {
	start int64 // Unix seconds
	n     [5]int
}

func (b *bucket) total() (n int) {
	for _, v := range b.n {
		n += v
	}
	return n
}

// A timeline is attempts counted by time.
type timeline struct {
	buckets []bucket
	step    int64 // seconds
	timed   int   // attempts that have a time
	untimed int
	zone    *time.Location
}

const day = 24 * 60 * 60

// steps are the spans that a person can read off an axis, in seconds. Longer
// ones are years.
var steps = []int64{
	1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 182 * day, 365 * day,
}

// spread counts attempts in at most so many buckets.
func spread(attempts []diagnose.Tried, most int, zone *time.Location) timeline {
	t := timeline{zone: zone}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range attempts {
		if attempts[i].Time.IsZero() {
			t.untimed++
			continue
		}
		t.timed++
		first, last = min(first, attempts[i].Time.Unix()), max(last, attempts[i].Time.Unix())
	}
	if t.timed == 0 {
		return t
	}
	_, offset := time.Unix(first, 0).In(zone).Zone()
	begin := func(step int64) int64 {
		local := first + int64(offset)
		return local - ((local%step)+step)%step - int64(offset)
	}
	for i := 0; ; i++ {
		if i < len(steps) {
			t.step = steps[i]
		} else {
			t.step *= 2
		}
		if (last-begin(t.step))/t.step < int64(most) {
			break
		}
	}
	start := begin(t.step)
	t.buckets = make([]bucket, (last-start)/t.step+1)
	for i := range t.buckets {
		t.buckets[i].start = start + int64(i)*t.step
	}
	for i := range attempts {
		if attempts[i].Time.IsZero() {
			continue
		}
		b := &t.buckets[(attempts[i].Time.Unix()-start)/t.step]
		for v := range verdicts {
			if verdicts[v].Verdict == attempts[i].Verdict {
				b.n[v]++
			}
		}
	}
	return t
}

// every says how much time one bar stands for.
func (t *timeline) every() string {
	for _, u := range []struct {
		seconds int64
		one     string
	}{{365 * day, "year"}, {7 * day, "week"}, {day, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}} {
		if t.step >= u.seconds && t.step%u.seconds == 0 {
			return Plural(int(t.step/u.seconds), u.one, u.one+"s")
		}
	}
	return Plural(int(t.step), "second", "seconds")
}

// A plot is a timeline laid out for a viewBox. Everything in it is numbers and
// texts of our own.
type plot struct {
	ID            string // tells its patterns from those of other plots on the page
	Width, Height int
	Left, Right   int // edges of the plotting area
	Base          float64
	Bars          []bar
	Ticks         []tick // of the time axis
	Levels        []tick // of the count axis
	Lanes         []lane
	Every         string
}

type bar struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

type tick struct {
	At     float64
	Label  string
	Second string // a second line: the date
}

// A lane is the time from the first to the last occurrence of a finding.
type lane struct {
	Number int
	Y      float64
	X, W   float64
	Title  string
}

// A format is how much room a plot has.
type format struct {
	id             string
	width, buckets int
	ticks          int
}

const (
	plotTop    = 14
	barsHeight = 150
	axisHeight = 40
	laneHeight = 20
	maxLanes   = 8
)

// layOut draws attempts and the findings beside them, nil if no attempt has a
// time.
func layOut(r *diagnose.Report, s format, zone *time.Location) *plot {
	t := spread(r.Attempts, s.buckets, zone)
	if t.timed == 0 {
		return nil
	}
	p := &plot{ID: s.id, Width: s.width, Left: 42, Right: s.width - 8, Base: plotTop + barsHeight, Every: t.every()}
	most := 1
	for i := range t.buckets {
		most = max(most, t.buckets[i].total())
	}
	top, level := ceiling(most)
	for n := 0; n <= top; n += level {
		p.Levels = append(p.Levels, tick{At: round(p.Base - float64(n)/float64(top)*barsHeight), Label: short(n)})
	}
	room := float64(p.Right - p.Left)
	width := room / float64(len(t.buckets))
	for i := range t.buckets {
		b := &t.buckets[i]
		y := p.Base
		for v, n := range b.n {
			if n == 0 {
				continue
			}
			h := float64(n) / float64(top) * barsHeight
			y -= h
			gap := min(2, width*0.15)
			p.Bars = append(p.Bars, bar{
				X: round(float64(p.Left) + float64(i)*width + gap/2), Y: round(y), W: round(min(width-gap, 40)), H: round(max(h, 0.8)),
				Class: string(verdicts[v].Verdict),
				Title: fmt.Sprintf("%s: %s %s", stamp(b.start, t.step, zone), Count(n), verdicts[v].Label),
			})
		}
	}
	p.Ticks = t.ticks(s.ticks, float64(p.Left), width)
	y := p.Base + axisHeight
	end := t.buckets[len(t.buckets)-1].start + t.step
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.First.IsZero() || f.Last.IsZero() || len(p.Lanes) == maxLanes {
			continue
		}
		at := func(sec int64) float64 {
			sec = min(max(sec, t.buckets[0].start), end)
			return float64(p.Left) + float64(sec-t.buckets[0].start)/float64(end-t.buckets[0].start)*room
		}
		x := at(f.First.Unix())
		p.Lanes = append(p.Lanes, lane{
			Number: i + 1, Y: y, X: round(min(x, float64(p.Right)-6)), W: round(max(at(f.Last.Unix())-x, 6)),
			Title: fmt.Sprintf("%d. %s", i+1, visible(f.Title)),
		})
		y += laneHeight
	}
	p.Height = int(y) + 4
	if len(p.Lanes) == 0 {
		p.Height = int(p.Base) + axisHeight
	}
	return p
}

// ticks labels the time axis at most so many times, at bars that a person would
// pick.
func (t *timeline) ticks(most int, left, width float64) []tick {
	every := 1
	for _, n := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 30, 60} {
		every = n
		if (len(t.buckets)+n-1)/n <= most {
			break
		}
	}
	var list []tick
	before := ""
	for i := 0; i < len(t.buckets); i += every {
		at := time.Unix(t.buckets[i].start, 0).In(t.zone)
		k := tick{At: round(left + float64(i)*width)}
		date := at.Format("2 Jan 2006")
		switch {
		case t.step < 60:
			k.Label = at.Format("15:04:05")
		case t.step < day:
			k.Label = at.Format("15:04")
		default:
			k.Label, date = at.Format("2 Jan"), at.Format("2006")
		}
		if date != before {
			k.Second, before = date, date
		}
		list = append(list, k)
	}
	return list
}

// ceiling picks the top of the count axis and the distance of its levels, so
// that there are two to five.
func ceiling(most int) (top, level int) {
	for scale := 1; ; scale *= 10 {
		for _, n := range []int{1, 2, 5} {
			level = n * scale
			if levels := (most + level - 1) / level; levels <= 4 {
				return levels * level, level
			}
		}
	}
}

// short writes a count for an axis.
func short(n int) string {
	for _, u := range []struct {
		n    int
		name string
	}{{1_000_000_000, "G"}, {1_000_000, "M"}, {1000, "k"}} {
		if n >= 10*u.n || n >= u.n && n%(u.n/10) == 0 {
			if n%u.n == 0 {
				return fmt.Sprintf("%d%s", n/u.n, u.name)
			}
			return fmt.Sprintf("%.1f%s", float64(n)/float64(u.n), u.name)
		}
	}
	return fmt.Sprint(n)
}

// stamp names the beginning of a bucket.
func stamp(unix, step int64, zone *time.Location) string {
	at := time.Unix(unix, 0).In(zone)
	switch {
	case step >= day:
		return at.Format(time.DateOnly)
	case step >= 60:
		return at.Format("2006-01-02 15:04")
	}
	return at.Format(time.DateTime)
}

func round(f float64) float64 { return math.Round(f*100) / 100 }

// A countRow is one bucket as a row of the table beside the plot.
type countRow struct {
	When string
	N    [5]string
}

// rows are the buckets in which anything happened, as a table.
func (t *timeline) rows() []countRow {
	var rows []countRow
	for i := range t.buckets {
		b := &t.buckets[i]
		if b.total() == 0 {
			continue
		}
		row := countRow{When: stamp(b.start, t.step, t.zone)}
		for v, n := range b.n {
			row.N[v] = Count(n)
		}
		rows = append(rows, row)
	}
	return rows
}
