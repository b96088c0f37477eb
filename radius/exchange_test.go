package radius

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// An exchangeLog keeps what an observer was told.
type exchangeLog struct {
	mu   sync.Mutex
	list []Exchange
}

func (l *exchangeLog) observe(x *Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := *x
	kept.Again = slices.Clone(x.Again)
	l.list = append(l.list, kept)
}

func (l *exchangeLog) all() []Exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// near compares a time by the test's clock, which goes on by itself too.
func near(got, want time.Duration) bool { return got >= want && got < want+time.Second }

// Every request that reached the handler is told once, when it is over, with
// when it came again and what became of it.
func TestObserverSeesEachExchangeOnce(t *testing.T) {
	g := newGate()
	log := new(exchangeLog)
	w := newWorld(t, func(ctx context.Context, r *Request) Reply {
		r.Mark, r.Note = 100+uint64(r.Packet.Identifier), "note"
		if r.Packet.Identifier == 4 {
			return Reply{} // silence
		}
		return g.pass(ctx, r)
	}, func(w *world) { w.server.Observe = log.observe })

	// 1 is sent three times before it is answered and once after.
	first := w.request(1)
	w.send(first)
	g.wait(t)
	for range 2 {
		w.clock.advance(5 * time.Second)
		w.send(first)
		w.wantIncident(Retransmitted)
	}
	w.clock.advance(2 * time.Second)
	g.open <- struct{}{}
	w.reply(first)
	w.clock.advance(3 * time.Second)
	w.send(first)
	w.reply(first)
	w.wantIncident(Resent)

	// 2 is given up for another request with its identifier.
	second := w.request(2)
	w.send(second)
	g.wait(t)
	w.clock.advance(4 * time.Second)
	third := w.request(2)
	w.send(third)
	w.wantIncident(Superseded)
	g.wait(t)
	w.clock.advance(6 * time.Second)
	close(g.open)
	w.reply(third)

	// 4 is met with silence twice; both times it is a new request.
	fourth := w.request(4)
	for i := range 2 {
		w.send(fourth)
		// Until the first is over, the second would be its retransmission.
		until(t, func() bool { return w.server.Stats().Silences == uint64(i)+1 })
		w.wantQuiet()
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	got := log.all()
	slices.SortStableFunc(got, func(a, b Exchange) int { return a.First.Compare(b.First) })
	if len(got) != 5 {
		t.Fatalf("%d exchanges were told; want 5: %+v", len(got), got)
	}
	if x := got[0]; x.Mark != 101 || x.Note != "note" || x.Client != w.handler.client || x.Code != AccessAccept || x.Superseded != 0 ||
		len(x.Again) != 3 || !near(x.Again[0], 5*time.Second) || !near(x.Again[1], 10*time.Second) || !near(x.Again[2], 15*time.Second) || !near(x.Answered, 12*time.Second) {
		t.Errorf("sent four times and answered after 12 s: %+v", x)
	}
	if x := got[1]; x.Mark != 102 || len(x.Again) != 0 || !near(x.Superseded, 4*time.Second) || !near(x.Answered, 10*time.Second) || x.Code != AccessAccept {
		t.Errorf("superseded after 4 s, its answer ready after 10 s: %+v", x)
	}
	if x := got[2]; x.Superseded != 0 || !near(x.Answered, 6*time.Second) || x.Digest == got[1].Digest {
		t.Errorf("the one that took its place: %+v", x)
	}
	if x, y := got[3], got[4]; x.Answered != 0 || x.Code != 0 || x.Mark != 104 || x.Digest != y.Digest || x.Digest == got[0].Digest {
		t.Errorf("met with silence: %+v and %+v", x, y)
	}
}

// An answer that nobody asks for again is told when it is no longer kept, not
// only at the end.
func TestObserverIsToldWhenAnAnswerExpires(t *testing.T) {
	var told []Exchange
	d := newDuplicates(shardCount)
	d.observe = func(x *Exchange) { told = append(told, *x) }
	c, now := lavish(), time.Unix(1e9, 0)
	_, e, _, _, _ := d.begin(keyOf(1), c, tableRequest(1), nil, now)
	e.code = AccessReject
	d.answer(e, []byte("reply"), now.Add(time.Second))
	d.sweep(now.Add(replyLife))
	if len(told) != 0 {
		t.Fatal("told while the answer was still kept")
	}
	d.sweep(now.Add(time.Second + replyLife))
	if len(told) != 1 || told[0].Answered != time.Second || told[0].Code != AccessReject {
		t.Errorf("told %+v", told)
	}
}

// No more than a fixed number of retransmissions is noted, and an entry that is
// used again does not remember those of another request.
func TestHistoryIsBounded(t *testing.T) {
	var told []Exchange
	d := newDuplicates(1)
	d.observe = func(x *Exchange) {
		x.Again = slices.Clone(x.Again)
		told = append(told, *x)
	}
	c, now := lavish(), time.Unix(1e9, 0)
	for n := range 2 {
		_, e, _, _, _ := d.begin(keyOf(1), c, tableRequest(byte(n)), nil, now)
		for i := range 40 * (1 - n) {
			d.begin(keyOf(1), c, tableRequest(byte(n)), nil, now.Add(time.Duration(i+1)*time.Second))
		}
		d.answer(e, nil, now)
	}
	d.end()
	if len(told) != 2 || len(told[0].Again) != maxAgain || len(told[1].Again) != 0 {
		t.Errorf("told %+v", told)
	}
}

// The observer costs a request that comes once no memory.
func TestObserverAllocatesNothing(t *testing.T) {
	told := 0
	d := newDuplicates(shardCount)
	d.observe = func(*Exchange) { told++ }
	c, now, key := lavish(), time.Unix(1e9, 0), keyOf(1)
	requests := [2]*Packet{tableRequest(1), tableRequest(2)} // each takes the place of the other
	reply := make([]byte, 64)
	i := 0
	serve := func() {
		i++
		_, e, _, _, _ := d.begin(key, c, requests[i%2], nil, now)
		e.code, e.note = AccessAccept, "7F3K-92QD"
		d.answer(e, reply, now)
	}
	serve()
	serve()
	if got := testing.AllocsPerRun(200, serve); got != 0 {
		t.Errorf("%.1f allocations a request; want none", got)
	}
	if told < 200 {
		t.Errorf("the observer was told of %d exchanges", told)
	}
}

func TestStationAddress(t *testing.T) {
	tests := []struct{ value, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{" 192.0.2.7\x00", "192.0.2.7"},
		{"192.0.2.7:51234", "192.0.2.7"},
		{"192.0.2.7[4500]", "192.0.2.7"}, // strongSwan, eap-radius.station_id_with_port
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"[::ffff:192.0.2.7]:443", "192.0.2.7"},
		{"2001:db8::7", "2001:db8::7"},
		{"2001:0DB8:0000:0000:0000:0000:0000:0007", "2001:db8::7"},
		{"[2001:db8::7]", "2001:db8::7"},
		{"[2001:db8::7]:51234", "2001:db8::7"},
		{"2001:db8::7[4500]", "2001:db8::7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"},

		{"", ""},
		{"00-11-22-33-44-55", ""},
		{"00:11:22:33:44:55", ""},
		{"0011.2233.4455", ""},
		{"00:11:22:33:44:55:66:77", ""}, // EUI-64, and an address by its form
		{"+49 30 123456", ""},
		{"4930123456", ""},
		{"3221225991", ""},
		{"192.0.2.7.9", ""},
		{"192.0.02.7", ""},
		{"192.0.2.7/24", ""},
		{"192.0.2.7, 192.0.2.8", ""},
		{"192.0.2.7:port", ""},
		{"192.0.2.7:99999", ""},
		{"192.0.2.7:+80", ""},
		{"192.0.2.7:080", ""},
		{"192.0.2.7[4500", ""},
		{"192.0.2.7]", ""},
		{"[192.0.2.7]:80", ""},
		{"[2001:db8::7", ""},
		{"[2001:db8::7]51234", ""},
		{"fe80::1%eth0", ""},
		{"0.0.0.0", ""},
		{"::", ""},
		{"255.255.255.255", ""},
		{"224.0.0.1", ""},
		{"ff02::1", ""},
		{"ip:source-ip=192.0.2.7", ""},
		{"host.example.com", ""},
	}
	for _, tt := range tests {
		got := ""
		if a, ok := StationAddress([]byte(tt.value)); ok {
			got = a.String()
		}
		if got != tt.want {
			t.Errorf("StationAddress(%q) = %q; want %q", tt.value, got, tt.want)
		}
	}
}

// FuzzStationAddress checks that what is taken for an address is one that a
// person can come from, and is found again when it is written plainly.
func FuzzStationAddress(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "192.0.2.7:51234", "[2001:db8::7]:51234", "192.0.2.7[4500]", "00:11:22:33:44:55:66:77", "::ffff:192.0.2.7"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := StationAddress(b)
		if !ok {
			return
		}
		if a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || !a.IsValid() {
			t.Errorf("StationAddress(%q) = %v", b, a)
		}
		if again, ok := StationAddress([]byte(a.String())); !ok && !isEUI64(a.String()) || ok && again != a {
			t.Errorf("%q is %v, which is then %v", b, a, again)
		}
	})
}
