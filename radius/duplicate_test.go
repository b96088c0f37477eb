package radius

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func keyOf(n int) requestKey {
	return requestKey{source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1000), identifier: uint8(n)}
}

func tableRequest(authenticator byte) *Packet {
	p := &Packet{raw: []byte{authenticator}}
	p.Authenticator[0] = authenticator
	return p
}

// lavish is a client whose own limits are never met.
func lavish() *Client { return &Client{Rate: 1e9, Burst: 1e9, MaxInFlight: 1e9} }

func TestTableIsBoundedAndKeepsPendingRequests(t *testing.T) {
	const limit = shardCount * 4
	d := newDuplicates(limit)
	c := lavish()
	now := time.Unix(1e9, 0)
	begin := func(n int) (admission, *entry) {
		got, e, _, _, _ := d.begin(keyOf(n), c, tableRequest(1), nil, now)
		return got, e
	}
	// Pending requests fill it until every shard is full; from then on new
	// ones are dropped and none of the pending is forgotten.
	pendings := make(map[int]*entry)
	refused := 0
	for n := 0; n < 20*limit; n++ {
		switch got, e := begin(n); got {
		case admitted:
			pendings[n] = e
		case tooMany:
			refused++
		default:
			t.Fatalf("request %d: %d", n, got)
		}
	}
	if len(pendings) != limit || d.len() != limit || refused != 19*limit {
		t.Fatalf("%d admitted, %d in the table, %d refused; want %d, %d, %d", len(pendings), d.len(), refused, limit, limit, 19*limit)
	}
	for n := range pendings {
		if got, _ := begin(n); got != pending {
			t.Errorf("pending request %d was forgotten: %d", n, got)
		}
	}
	// Answered ones make room, the oldest answer first.
	for _, e := range pendings {
		if !d.answer(e, []byte("reply"), now) {
			t.Error("an answer was not wanted")
		}
	}
	for n := 20 * limit; n < 40*limit; n++ {
		got, e := begin(n)
		if got != admitted {
			t.Fatalf("request %d found no room among answers: %d", n, got)
		}
		d.answer(e, []byte("reply"), now)
	}
	if d.len() != limit || c.inFlight.Load() != 0 || c.remembered.Load() != limit {
		t.Errorf("%d in the table, %d in flight, %d remembered", d.len(), c.inFlight.Load(), c.remembered.Load())
	}
	now = now.Add(replyLife)
	d.sweep(now)
	if d.len() != 0 || c.remembered.Load() != 0 {
		t.Errorf("%d in the table after their life, %d remembered", d.len(), c.remembered.Load())
	}
}

func TestAClientOverItsShareLosesItsOwnAnswers(t *testing.T) {
	d := newDuplicates(1 << 16)
	now := time.Unix(1e9, 0)
	other := lavish()
	_, e, _, _, _ := d.begin(keyOf(-1), other, tableRequest(1), nil, now)
	d.answer(e, []byte("other's"), now)
	c := &Client{Rate: 1, Burst: 10, MaxInFlight: 10} // a share of 30+10+10
	admittedCount := 0
	for n := range 5000 {
		c.requests = bucket{} // as after new settings
		switch got, e, _, _, _ := d.begin(keyOf(n), c, tableRequest(1), nil, now); got {
		case admitted:
			admittedCount++
			d.answer(e, []byte("mine"), now)
		case tooMany:
		default:
			t.Fatalf("request %d: %d", n, got)
		}
	}
	if got := c.remembered.Load(); got > c.share() {
		t.Errorf("the client holds %d entries, its share is %d", got, c.share())
	}
	if admittedCount < int(c.share()) {
		t.Errorf("%d requests were admitted, at least the share of %d must be", admittedCount, c.share())
	}
	if got, _, reply, _, _ := d.begin(keyOf(-1), other, tableRequest(1), nil, now); got != again || string(reply) != "other's" {
		t.Errorf("another client's answer is gone: %d %q", got, reply)
	}
}

// TestTableAgreesWithAModel drives the table at random beside a plain map that
// follows the words of RFC 5080, Section 2.2.2.
func TestTableAgreesWithAModel(t *testing.T) {
	type known struct {
		authenticator byte
		e             *entry
		answered      time.Time // zero while pending
		reply         byte
	}
	rapid.Check(t, func(t *rapid.T) {
		d := newDuplicates(1 << 12)
		c := lavish()
		now := time.Unix(1e9, 0)
		model := make(map[int]*known)
		var superseded []*known
		serial := byte(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			n := rapid.IntRange(0, 3).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0, 1:
				a := byte(rapid.IntRange(0, 2).Draw(t, "authenticator"))
				if k := model[n]; k != nil && !k.answered.IsZero() && now.Sub(k.answered) >= replyLife {
					delete(model, n)
				}
				k := model[n]
				got, e, reply, _, old := d.begin(keyOf(n), c, tableRequest(a), nil, now)
				switch {
				case k != nil && k.authenticator == a && k.answered.IsZero():
					if got != pending {
						t.Fatalf("a pending request gave %d", got)
					}
				case k != nil && k.authenticator == a:
					if got == again2Much && e == nil {
						break
					}
					if got != again || len(reply) != 1 || reply[0] != k.reply {
						t.Fatalf("an answered request gave %d %x, want %x", got, reply, k.reply)
					}
				default:
					if got != admitted {
						t.Fatalf("a new request gave %d", got)
					}
					if wasPending := k != nil && k.answered.IsZero(); wasPending != !old.IsZero() {
						t.Fatalf("superseded = %v, want %t", old, wasPending)
					} else if wasPending {
						superseded = append(superseded, k)
					}
					model[n] = &known{authenticator: a, e: e}
				}
			case 2:
				if len(superseded) > 0 {
					if d.answer(superseded[0].e, []byte{0}, now) {
						t.Fatal("the answer to a superseded request is wanted")
					}
					superseded = superseded[1:]
				} else if k := model[n]; k != nil && k.answered.IsZero() {
					if rapid.Bool().Draw(t, "silent") {
						d.forget(k.e)
						delete(model, n)
						break
					}
					serial++
					k.answered, k.reply = now, serial
					if !d.answer(k.e, []byte{serial}, now) {
						t.Fatal("an answer is not wanted")
					}
				}
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
			}
		}
		inFlight := int64(len(superseded))
		for _, k := range model {
			if k.answered.IsZero() {
				inFlight++
			}
		}
		if got := c.inFlight.Load(); got != inFlight {
			t.Fatalf("%d in flight, want %d", got, inFlight)
		}
	})
}

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Unix(1e9, 0)
	take := func(want bool) {
		t.Helper()
		if got := b.take(now, 10, 3); got != want {
			t.Errorf("take = %t, want %t", got, want)
		}
	}
	for range 3 {
		take(true)
	}
	take(false)
	now = now.Add(100 * time.Millisecond)
	take(true)
	take(false)
	now = now.Add(-time.Hour) // a clock set back refills nothing
	take(false)
	now = now.Add(time.Hour) // nor does it forget what it owes for long
	for range 3 {
		take(true)
	}
	take(false)
}

// TestQueueStartsAWorkerForEachWaitingRequest: a request must not wait behind
// one that waits for a person while there may be more workers.
func TestQueueStartsAWorkerForEachWaitingRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		started := 0
		done := make(chan struct{}, 100)
		q := newQueue(func(*exchange) { done <- struct{}{}; <-release }, 10, 100, time.Second)
		for range 50 {
			x := new(exchange)
			x.request.Received = time.Now()
			if _, ok := q.push(x, time.Now()); !ok {
				t.Fatal("no room")
			}
		}
		synctest.Wait()
		started = len(done)
		if busy, queued := q.counts(); started != 10 || busy != 10 || queued != 40 {
			t.Errorf("%d started, %d busy, %d queued; want 10, 10, 40", started, busy, queued)
		}
		rest := q.close()
		if len(rest) != 40 {
			t.Errorf("close returns %d requests, want 40", len(rest))
		}
		if _, ok := q.push(new(exchange), time.Now()); ok {
			t.Error("a closed queue took a request")
		}
		close(release)
		if left := q.wait(func() bool { return false }); left != 0 {
			t.Errorf("%d are left", left)
		}
	})
}

// TestSweepRunsByItself: a server that hears nothing more still forgets.
func TestSweepRunsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: &deskHandler{}}
		r, err := s.start(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		go s.sweep(r, stop)
		_, e, _, _, _ := r.table.begin(keyOf(1), lavish(), tableRequest(1), nil, time.Now())
		r.table.answer(e, []byte("reply"), time.Now())
		time.Sleep(replyLife - time.Second)
		if got := s.Stats().Remembered; got != 1 {
			t.Errorf("%d remembered before its life is over, want 1", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.Stats().Remembered; got != 0 {
			t.Errorf("%d remembered, want 0", got)
		}
		close(stop)
	})
}
