package diagnose

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is put in comes out once, in bounded room.
func TestWaitingGivesEachAttemptAwayOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var given []*Attempt
		w := waiting{give: func(a *Attempt, _ *Sink) { given = append(given, a) }}
		var put []*Attempt
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "key"))
			line := &Line{Text: strings.Repeat("x", rapid.SampledFrom([]int{1, 100, maxWaitingText / 3}).Draw(t, "length"))}
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				a := &Attempt{Lines: []*Line{line}}
				put = append(put, a)
				w.put(key, a, nil)
			case 1:
				before := w.get(key)
				if added := w.add(key, line, nil); added != (before != nil) {
					t.Fatalf("add(%s) = %t with %v waiting", key, added, before)
				}
			case 2:
				if a := w.take(key); a != nil {
					given = append(given, a)
				}
			}
			octets := 0
			for e := w.order.Front(); e != nil; e = e.Next() {
				octets += e.Value.(*waiter).octets
			}
			if octets != w.octets || w.order.Len() != len(w.byKey) || octets > maxWaitingText && w.order.Len() > 1 {
				t.Fatalf("%d octets in %d attempts, counted %d", octets, w.order.Len(), w.octets)
			}
		}
		w.giveAll(nil)
		if len(given) != len(put) || w.octets != 0 {
			t.Fatalf("%d put, %d given; %d octets are left", len(put), len(given), w.octets)
		}
		for _, a := range put {
			if !slices.Contains(given, a) {
				t.Fatal("an attempt was lost")
			}
		}
	})
}

func TestWaitingHoldsSoManyAndNoMore(t *testing.T) {
	var given []string
	w := waiting{give: func(a *Attempt, _ *Sink) { given = append(given, a.User) }}
	for i := range maxWaiting + 3 {
		w.put(strconv.Itoa(i), &Attempt{User: strconv.Itoa(i), Lines: []*Line{{}}}, nil)
	}
	if want := []string{"0", "1", "2"}; !slices.Equal(given, want) {
		t.Errorf("given away: %q; want %q", given, want)
	}
	for range 2 * maxAttemptLines {
		w.add("5", &Line{}, nil)
	}
	if n := len(w.get("5").Lines); n != maxAttemptLines {
		t.Errorf("an attempt holds %d lines; want %d", n, maxAttemptLines)
	}
}
