package patience

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyReading is a reading as meters make them, of few days, logins and nodes,
// so that readings meet in them.
func anyReading() *rapid.Generator[Reading] {
	duration := rapid.Map(rapid.Int64Range(0, 700_000), func(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond })
	return rapid.Custom(func(t *rapid.T) Reading {
		m := new(Meter)
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			at := day0.Add(time.Duration(rapid.IntRange(0, 9*24).Draw(t, "hour")) * time.Hour)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				m.Answer("nas", duration.Draw(t, "answer"), at)
			case 1:
				from := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "from")
				to := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "to")
				c := m.client("nas")
				if day := c.own.at(at); day != nil {
					day.failover(Failover{from, to, rapid.Uint64Range(1, 9).Draw(t, "count"), rapid.Uint64Range(0, 9000).Draw(t, "after")})
				}
				c.changed = true
			default:
				m.Exchange("nas", Exchange{
					Packet: rapid.Uint64Range(0, 5).Draw(t, "packet"), Login: rapid.Uint64Range(0, 5).Draw(t, "login"), First: at,
					Again:    rapid.SliceOfN(duration, 0, 20).Draw(t, "again"),
					Answered: duration.Draw(t, "answered"), Superseded: rapid.SampledFrom([]time.Duration{0, 0, time.Minute}).Draw(t, "superseded"),
					Accepted: rapid.Bool().Draw(t, "accepted"), Reference: "AAAA-AAAA",
				})
			}
		}
		return m.Changed(day0.Add(240 * time.Hour))["nas"]
	})
}

func encoded(t interface{ Fatal(...any) }, r Reading) string {
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Nodes merge in any order, and some have merged before.
func TestMergeIsAssociativeAndCommutative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyReading()
		a, b, c := g.Draw(t, "a"), g.Draw(t, "b"), g.Draw(t, "c")
		before := encoded(t, a) + encoded(t, b)
		if x, y := encoded(t, Merge(a, b)), encoded(t, Merge(b, a)); x != y {
			t.Fatalf("a+b = %s\nb+a = %s", x, y)
		}
		if x, y := encoded(t, Merge(Merge(a, b), c)), encoded(t, Merge(a, Merge(b, c))); x != y {
			t.Fatalf("(a+b)+c = %s\na+(b+c) = %s", x, y)
		}
		if x, y := encoded(t, Merge(a, Reading{})), encoded(t, a); x != y {
			t.Fatalf("a+0 = %s\na = %s", x, y)
		}
		if encoded(t, a)+encoded(t, b) != before {
			t.Fatal("merging changed what was merged")
		}
	})
}

// What is written is read back, and is never larger than said.
func TestReadingSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Merge(anyReading().Draw(t, "a"), anyReading().Draw(t, "b"))
		text := encoded(t, r)
		back, err := Parse([]byte(text))
		if err != nil || encoded(t, back) != text || len(text) > MaxSize {
			t.Fatalf("%d octets %s came back as %s, %v", len(text), text, encoded(t, back), err)
		}
	})
}

// The fullest reading that there can be keeps within its size.
func TestFullestReading(t *testing.T) {
	name := func(i int) string { return string(bytes.Repeat([]byte{byte('a' + i)}, maxName)) }
	var r Reading
	for d := range int64(2 * maxDays) {
		day := Day{Day: 20_000 + d, Exchanges: 1<<64 - 1, Sendings: map[int]uint64{}}
		for i := range 20 {
			day.failover(Failover{name(i), name(25), 1<<64 - 1, 1<<64 - 1})
		}
		for n := range 1 + maxAgain {
			day.Sendings[n+1] = 1<<64 - 1
		}
		for _, h := range []*Histogram{&day.Interval, &day.GaveUp, &day.Answers} {
			for ms := int64(0); ms < longest+1000; ms += 50 {
				h.add(time.Duration(ms) * time.Millisecond)
			}
			for m := range *h {
				(*h)[m] = 1<<64 - 1
			}
		}
		r = Merge(r, Reading{Days: []Day{day}})
	}
	for i := range int64(100) {
		r = Merge(r, Reading{Slow: []Sighting{{1<<64 - 1, 1e15 + i, 1e15}}, Late: []Late{{"AAAA-AAAA", 1e15 + i, 1e9, 1e9}}})
	}
	text := encoded(t, r)
	if len(text) > MaxSize || len(text) < MaxSize/4 {
		t.Errorf("the fullest reading has %d octets; at most %d are promised", len(text), MaxSize)
	}
	if back, err := Parse([]byte(text)); err != nil || encoded(t, back) != text {
		t.Errorf("it is not read back: %v", err)
	}
	if again := encoded(t, Merge(r, r)); len(again) > MaxSize {
		t.Errorf("merged with itself it has %d octets", len(again))
	}
}

// Slower people never lead to a shorter time-out, and a more patient client
// never to a shorter wait.
func TestAdviceIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 400_000)
		p, q := ms.Draw(t, "p"), ms.Draw(t, "q")
		if p > q {
			p, q = q, p
		}
		at := func(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
		if Enough(at(p)) > Enough(at(q)) {
			t.Fatalf("Enough(%d ms) = %v, Enough(%d ms) = %v", p, Enough(at(p)), q, Enough(at(q)))
		}
		interval := func(ms int64) time.Duration {
			m := new(Meter)
			for i := range 3 {
				m.Exchange("nas", Exchange{Packet: uint64(i + 1), First: day0, Again: []time.Duration{at(ms + 1000)}, Superseded: time.Hour})
			}
			return m.GivesUp("nas")
		}
		if interval(p) > interval(q) {
			t.Fatalf("a client that repeats after %d ms is believed to give up after %v, one after %d ms %v", p+1000, interval(p), q+1000, interval(q))
		}
		var h Histogram
		for range 20 {
			h.add(at(p))
		}
		before := h.Quantile(0.9)
		h.add(at(q))
		if h.Quantile(0.9) < before {
			t.Fatalf("a slower answer made the ninth decile shorter: %v, then %v", before, h.Quantile(0.9))
		}
		if m := middle(at(q)); middle(time.Duration(m)*time.Millisecond) != m || middle(at(p)) > m {
			t.Fatalf("buckets: %d ms is in %d, %d ms in %d", p, middle(at(p)), q, m)
		}
		wider := Report{GivesUp: at(q), P90: at(p), P99: at(p), Answers: 20}
		if narrower := (Report{GivesUp: at(p), P90: at(p), P99: at(p), Answers: 20}); wider.advise() > 0 && narrower.advise() == 0 {
			t.Fatalf("a client of %d ms is told to wait longer, one of %d ms is not", q, p)
		}
	})
}

// FuzzParse checks that what is read is bounded, can be used, and is written
// as it is read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"days":[{"day":20516,"exchanges":3,"gave_up":{"15000":3},"sendings":{"3":3},"growth":{"steps":3,"percent":300}}]}`,
		`{"slow":[{"login":"18446744073709551615","first":1,"until":2}],"late":[{"reference":"AAAA-AAAA","time":1,"took_ms":2,"gave_up_ms":3}]}`,
		`{"days":[{"day":1,"exchanges":1,"failovers":[{"from":"a","to":"b","count":1,"after_ms":5}]},{"day":1,"exchanges":18446744073709551615}]}`,
		`{"days":[{"day":1,"gave_up":{"17":1}}]}`, `{"days":[{"day":1,"sendings":{"99":1}}]}`, `[]`, `null`, `{"days":[{"day":-9223372036854775808},{"day":9223372036854775807}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		if len(r.Days) > maxDays || len(r.Slow) > maxSlow || len(r.Late) > maxLate {
			t.Errorf("%d days, %d slow, %d late", len(r.Days), len(r.Slow), len(r.Late))
		}
		text := encoded(t, r)
		if back, err := Parse([]byte(text)); err != nil || encoded(t, back) != text {
			t.Errorf("%s came back as %s, %v", text, encoded(t, back), err)
		}
		p := Merge(r, r).Patience()
		if p.Advice == "" || p.GivesUp < 0 || p.P90 > p.P99 || p.GivesUp > p.GivesUpLast {
			t.Errorf("%+v", p)
		}
		m := new(Meter)
		m.Load("nas", r)
		m.Others("a", "nas", []NodeReading{{"b", r}})
		m.Exchange("nas", Exchange{Packet: 1, First: day0, Again: seconds(5), Answered: time.Minute})
	})
}
