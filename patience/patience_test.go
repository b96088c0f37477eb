package patience

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var day0 = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)

func seconds(s ...float64) []time.Duration {
	d := make([]time.Duration, len(s))
	for i := range s {
		d[i] = time.Duration(s[i] * float64(time.Second))
	}
	return d
}

// Schedules as devices keep them, each given up because nothing came back, or
// too late.
func TestSchedules(t *testing.T) {
	tests := []struct {
		name         string
		again        []time.Duration
		wantEnd      time.Duration
		wantSendings int
		wantKnown    bool
	}{
		{"once only: nothing says when it gave up", nil, 0, 1, false},
		{"libradius: 3 sendings, 3 s each", seconds(3, 6), 9 * time.Second, 3, true},
		{"fixed, 3 sendings of 5 s (OPNsense, then its next server)", seconds(5, 10), 15 * time.Second, 3, true},
		{"fixed, 2 sendings of 10 s", seconds(10), 20 * time.Second, 2, true},
		{"fixed, with the jitter of a busy device", seconds(5.02, 9.97), 14900 * time.Millisecond, 3, true},
		{"RFC 5080: 2 s, doubling", seconds(2, 6, 14), 30 * time.Second, 4, true},
		{"strongSwan: 2 s, 1.4 times, 4 sendings", seconds(2, 4.8, 8.72), 14208 * time.Millisecond, 4, true},
		{"SoftEther: 15 sendings of 1 s", seconds(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14), 15 * time.Second, 15, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := Exchange{First: day0, Again: tt.again}
			gone, after, known := x.left()
			if d := after - tt.wantEnd; !gone || known != tt.wantKnown || d.Abs() > 100*time.Millisecond {
				t.Errorf("left() = %t, %v, %t; want true, %v, %t", gone, after, known, tt.wantEnd, tt.wantKnown)
			}
			if got := read(tt.again).sendings; got != tt.wantSendings {
				t.Errorf("%d sendings; want %d", got, tt.wantSendings)
			}
		})
	}
}

func TestWhoHasLeft(t *testing.T) {
	again := seconds(5, 10) // gives up after 15 s
	tests := []struct {
		name string
		x    Exchange
		want bool
	}{
		{"answered at once", Exchange{Answered: time.Millisecond}, false},
		{"answered while it went on sending", Exchange{Again: again, Answered: 12 * time.Second}, false},
		{"answered in the last moment, as far as the schedule can tell", Exchange{Again: again, Answered: 15500 * time.Millisecond}, false},
		{"answered after the schedule was over", Exchange{Again: again, Answered: 17 * time.Second}, true},
		{"never answered", Exchange{Again: again}, true},
		{"another request took the identifier", Exchange{Again: again, Answered: 16 * time.Second, Superseded: 11 * time.Second}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if gone, _, _ := tt.x.left(); gone != tt.want {
				t.Errorf("left() = %t; want %t", gone, tt.want)
			}
		})
	}
	x := Exchange{Again: again, Superseded: 11 * time.Second}
	if _, after, _ := x.left(); after != 11*time.Second {
		t.Errorf("superseded after 11 s, it is said to have left after %v", after)
	}
}

// The words that the page of a client begins with.
func TestAdvice(t *testing.T) {
	abandoned := func(m *Meter, n int, again ...float64) {
		for i := range n {
			m.Exchange("nas", Exchange{Packet: uint64(1000 + i), First: day0, Again: seconds(again...), Superseded: 5 * time.Minute})
		}
	}
	people := func(m *Meter, n int, took ...float64) {
		for i := range n {
			m.Answer("nas", seconds(took...)[i%len(took)], day0)
		}
	}
	tests := []struct {
		name  string
		learn func(*Meter)
		want  string
		set   time.Duration
	}{
		{"nothing", func(*Meter) {}, "not enough traffic yet: 0 exchanges, 0 given up by the client, 0 answers of people", 0},
		{"little", func(m *Meter) { abandoned(m, 2, 10); people(m, 19, 23) }, "not enough traffic yet: 2 exchanges, 2 given up by the client, 19 answers of people", 0},
		{
			"the page of the issue", func(m *Meter) { abandoned(m, 3, 10); people(m, 100, 8, 9, 10, 11, 12, 13, 14, 15, 23, 23) },
			"gives up after 20 s; 1 in 10 people need 23 s; set its time-out to 60 s", 60 * time.Second,
		},
		{
			"slow people", func(m *Meter) { abandoned(m, 3, 10); people(m, 100, 60, 70) },
			"gives up after 20 s; 1 in 10 people need 70 s; set its time-out to 90 s", 90 * time.Second,
		},
		{
			"only the slowest", func(m *Meter) {
				abandoned(m, 3, 10)
				people(m, 98, 5)
				people(m, 2, 31)
			},
			"gives up after 20 s; 1 in 100 people need 31 s; set its time-out to 60 s", 60 * time.Second,
		},
		{"patient", func(m *Meter) { abandoned(m, 3, 30); people(m, 100, 8, 9, 20) }, "gives up after 60 s; 1 in 10 people need 20 s: that is enough", 0},
		{"no people", func(m *Meter) { abandoned(m, 4, 5, 10) }, "gives up after 15 s; how long people need is not known yet (0 answers), 60 s suits most", 0},
		{"never gave up", func(m *Meter) { people(m, 20, 23) }, "not seen to give up yet in 0 exchanges; 1 in 10 people need 23 s, so its time-out should be 60 s or more", 0},
		{
			"two devices under one name", func(m *Meter) {
				abandoned(m, 5, 3, 6)
				for i := range 5 {
					m.Exchange("nas", Exchange{Packet: uint64(i + 1), First: day0, Again: seconds(15), Superseded: 5 * time.Minute})
				}
				people(m, 20, 4)
			},
			"gives up after 9 s to 30 s, so there is more than one device or setting; 1 in 10 people need 4 s: that is enough", 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := new(Meter)
			tt.learn(m)
			p := m.Changed(day0)["nas"].Patience()
			if p.Advice != tt.want || p.Timeout != tt.set {
				t.Errorf("%q, set %v; want %q, set %v", p.Advice, p.Timeout, tt.want, tt.set)
			}
		})
	}
}

// A node that is silent (its database is gone) gets every retransmission as a
// new request. Together they are one exchange, and it shows when the client
// gives up.
func TestSilenceShowsThePatience(t *testing.T) {
	m := new(Meter)
	for login := range 3 {
		first := day0.Add(time.Duration(login) * time.Minute)
		for _, at := range seconds(0, 5, 10) {
			m.Exchange("nas", Exchange{Packet: uint64(login + 1), First: first.Add(at)})
		}
	}
	if got := m.GivesUp("nas"); got != 0 {
		t.Errorf("after two whole exchanges it is believed to give up after %v", got)
	}
	r := m.Changed(day0.Add(4 * time.Minute))["nas"]
	p := r.Patience()
	if p.Exchanges != 3 || p.GivenUp != 3 || p.GivesUp != 15*time.Second || p.Sendings != 3 || p.Interval != 5*time.Second || p.Growth != 1 {
		t.Errorf("%+v", p)
	}
	if got := m.GivesUp("nas"); got != 15*time.Second {
		t.Errorf("GivesUp = %v; want 15 s", got)
	}
	// Answered in the end, it was not given up.
	m.Exchange("nas", Exchange{Packet: 9, First: day0.Add(10 * time.Minute)})
	m.Exchange("nas", Exchange{Packet: 9, First: day0.Add(10*time.Minute + 5*time.Second), Answered: time.Millisecond})
	if p := m.Changed(day0.Add(20 * time.Minute))["nas"].Patience(); p.Exchanges != 4 || p.GivenUp != 3 || p.Repeated != 4 {
		t.Errorf("%+v", p)
	}
}

// A flood of requests that nobody answers costs no more than a fixed room.
func TestUnansweredFloodIsBounded(t *testing.T) {
	m := new(Meter)
	for i := range 20_000 {
		m.Exchange("nas", Exchange{Packet: uint64(i + 1), Login: uint64(i + 1), First: day0.Add(time.Duration(i) * time.Millisecond)})
	}
	c := m.client("nas")
	if len(c.open) > maxOpen || len(c.seen) > maxSeen || len(c.own.Slow) > maxSlow || len(c.own.Days) != 1 {
		t.Errorf("%d open, %d seen, %d slow, %d days", len(c.open), len(c.seen), len(c.own.Slow), len(c.own.Days))
	}
	b, err := c.own.Encode()
	if err != nil || len(b) > 4096 {
		t.Errorf("the reading has %d octets, %v", len(b), err)
	}
}

// "Approved after the client had left": by its own schedule, by taking the
// identifier for another request, and by what is usual for it.
func TestLateAnswers(t *testing.T) {
	m := new(Meter)
	for i := range 3 {
		m.Exchange("nas", Exchange{Packet: uint64(100 + i), First: day0, Again: seconds(10), Superseded: time.Minute})
	}
	late := []Exchange{
		{Packet: 1, First: day0.Add(1 * time.Minute), Again: seconds(10), Answered: 31 * time.Second, Accepted: true, Reference: "AAAA-0001"},
		{Packet: 2, First: day0.Add(2 * time.Minute), Superseded: 25 * time.Second, Answered: 31 * time.Second, Accepted: true, Reference: "AAAA-0002"},
		{Packet: 3, First: day0.Add(3 * time.Minute), Answered: 31 * time.Second, Accepted: true, Reference: "AAAA-0003"},
	}
	inTime := []Exchange{
		{Packet: 4, First: day0.Add(4 * time.Minute), Again: seconds(10), Answered: 18 * time.Second, Accepted: true, Reference: "AAAA-0004"},
		{Packet: 5, First: day0.Add(5 * time.Minute), Answered: 19 * time.Second, Accepted: true, Reference: "AAAA-0005"},
		{Packet: 6, First: day0.Add(6 * time.Minute), Again: seconds(10), Answered: 31 * time.Second, Reference: "AAAA-0006"}, // a refusal is of use to nobody
	}
	for _, x := range append(late, inTime...) {
		m.Exchange("nas", x)
	}
	r := m.Changed(day0.Add(time.Hour))["nas"]
	var got []string
	for _, l := range r.Late {
		got = append(got, fmt.Sprintf("%s %d %d", l.Reference, l.Took, l.GaveUp))
	}
	want := []string{"AAAA-0003 31000 20000", "AAAA-0002 31000 20000", "AAAA-0001 31000 20000"}
	if strings.Join(got, "; ") != strings.Join(want, "; ") || r.Days[0].Late != 3 {
		t.Errorf("late: %q, %d in all; want %q", got, r.Days[0].Late, want)
	}
}

// OPNsense issue 10270: the firewall sends three times to one server and then
// turns to the next.
func TestFailoverIsRecognized(t *testing.T) {
	a, b := new(Meter), new(Meter)
	for login := range uint64(3) {
		first := day0.Add(time.Duration(login) * time.Minute)
		a.Exchange("fw", Exchange{Packet: login + 1, Login: 100 + login, First: first, Again: seconds(5, 10)}) // never answered
		b.Exchange("fw", Exchange{Packet: login + 7, Login: 100 + login, First: first.Add(15 * time.Second), Answered: time.Millisecond})
	}
	// Others that only look like it: answered before the second came, or before
	// the first.
	a.Exchange("fw", Exchange{Packet: 50, Login: 500, First: day0, Answered: 2 * time.Second})
	b.Exchange("fw", Exchange{Packet: 51, Login: 500, First: day0.Add(40 * time.Second), Answered: time.Millisecond})
	b.Exchange("fw", Exchange{Packet: 52, Login: 600, First: day0, Answered: time.Millisecond})
	a.Exchange("fw", Exchange{Packet: 53, Login: 600, First: day0.Add(time.Second), Again: seconds(7.5), Superseded: time.Minute})

	fromA := a.Changed(day0.Add(time.Hour))["fw"]
	for range 2 { // looked at twice, counted once
		b.Others("node-b", "fw", []NodeReading{{"node-a", fromA}, {"node-b", b.Changed(day0.Add(time.Hour))["fw"]}})
	}
	whole := Merge(fromA, b.client("fw").own)
	p := whole.Patience()
	if len(p.Turns) != 1 || p.Turns[0] != (Turn{"node-a", "node-b", 3, 15 * time.Second}) {
		t.Errorf("turns %+v", p.Turns)
	}
	if got := b.GivesUp("fw"); got != 15*time.Second {
		t.Errorf("node b believes that the client gives up after %v; node a knows that it is 15 s", got)
	}
	// Without a schedule of its own, when it turned is when it gave up.
	only := b.client("fw").own.Patience()
	if only.GivesUp != 15*time.Second || only.Seen || !strings.HasPrefix(only.Advice, "turns to another node after 15 s") {
		t.Errorf("%+v", only)
	}
}

// A new setting of the device shows within a day, not after the old figures
// have been outnumbered.
func TestNewSettingShowsSoon(t *testing.T) {
	m := new(Meter)
	for i := range 1000 {
		m.Exchange("nas", Exchange{Packet: uint64(i + 1), First: day0, Again: seconds(10), Superseded: time.Minute})
	}
	next := day0.Add(24 * time.Hour)
	for i := range freshGivenUp {
		m.Exchange("nas", Exchange{Packet: uint64(i + 5000), First: next, Again: seconds(30), Superseded: 5 * time.Minute})
	}
	if got := m.GivesUp("nas"); got != time.Minute {
		t.Errorf("it is still believed to give up after %v", got)
	}
	// And what is older than a week is gone.
	for d := range 10 {
		m.Answer("nas", time.Second, day0.Add(time.Duration(d)*24*time.Hour))
	}
	m.Answer("nas", time.Second, day0)
	if r := m.Changed(next)["nas"]; len(r.Days) != maxDays || r.Days[0].Day-r.Days[maxDays-1].Day != maxDays-1 {
		t.Errorf("%d days are kept, from %d to %d", len(r.Days), r.Days[len(r.Days)-1].Day, r.Days[0].Day)
	}
}

func TestChangedAndUnsaved(t *testing.T) {
	m := new(Meter)
	m.Answer("nas", time.Second, day0)
	first := m.Changed(day0)
	if len(first) != 1 || len(m.Changed(day0)) != 0 {
		t.Error("a change is not given out once")
	}
	m.Unsaved("nas")
	if len(m.Changed(day0)) != 1 {
		t.Error("what could not be kept is not given out again")
	}
	other := new(Meter)
	other.Load("nas", first["nas"])
	if len(other.Changed(day0)) != 0 {
		t.Error("what was loaded is to be kept again")
	}
	m.Answer("nas", time.Second, day0)
	if first["nas"].Days[0].Answers.Count() != 1 || other.client("nas").own.Days[0].Answers.Count() != 1 {
		t.Error("a reading that was given out changes")
	}
}
