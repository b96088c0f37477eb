package auth_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
)

func TestHours(t *testing.T) {
	tests := []struct {
		hours string
		at    string // RFC 3339
		want  bool
	}{
		{"mon-fri 08:00-18:00 UTC", "2026-03-02T08:00:00Z", true}, // a Monday
		{"mon-fri 08:00-18:00 UTC", "2026-03-02T07:59:59Z", false},
		{"mon-fri 08:00-18:00 UTC", "2026-03-02T17:59:59Z", true},
		{"mon-fri 08:00-18:00 UTC", "2026-03-02T18:00:00Z", false},
		{"mon-fri 08:00-18:00 UTC", "2026-03-07T12:00:00Z", false}, // Saturday
		{"sat,sun 00:00-24:00 UTC", "2026-03-08T23:59:59Z", true},
		{"sat,sun 00:00-24:00 UTC", "2026-03-09T00:00:00Z", false},
		{"fri-mon 08:00-18:00 UTC", "2026-03-08T12:00:00Z", true},
		{"fri-mon 08:00-18:00 UTC", "2026-03-10T12:00:00Z", false},

		// Over midnight: the night belongs to the day on which it begins.
		{"fri 22:00-06:00 UTC", "2026-03-06T22:00:00Z", true},
		{"fri 22:00-06:00 UTC", "2026-03-07T05:59:59Z", true},
		{"fri 22:00-06:00 UTC", "2026-03-07T06:00:00Z", false},
		{"fri 22:00-06:00 UTC", "2026-03-06T05:00:00Z", false}, // the night before is Thursday's
		{"fri 22:00-06:00 UTC", "2026-03-07T22:00:00Z", false},
		{"sat 22:00-00:00 UTC", "2026-03-07T23:59:59Z", true},
		{"sat 22:00-00:00 UTC", "2026-03-08T00:00:00Z", false},
		{"sun 23:00-01:00 UTC", "2026-03-09T00:30:00Z", true}, // the week begins anew

		// The clock on the wall counts, wherever the time comes from.
		{"mon 08:00-18:00 Asia/Kolkata", "2026-03-02T02:30:00Z", true},
		{"mon 08:00-18:00 Asia/Kolkata", "2026-03-02T02:29:59Z", false},
		{"mon 08:00-18:00 UTC", "2026-03-02T23:00:00+05:30", true},

		// Europe/Berlin, 29 March 2026: 02:00 CET is 03:00 CEST.
		{"sun 02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", false}, // 01:59:59 CET
		{"sun 02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false}, // 03:00:00 CEST: the hour does not exist
		{"sun 01:00-04:00 Europe/Berlin", "2026-03-29T01:30:00Z", true},
		{"sun 08:00-18:00 Europe/Berlin", "2026-03-29T06:00:00Z", true}, // 08:00 CEST
		{"sun 08:00-18:00 Europe/Berlin", "2026-03-29T16:30:00Z", false},
		{"sat 08:00-18:00 Europe/Berlin", "2026-03-28T06:30:00Z", false}, // 07:30 CET
		{"sat 22:00-02:30 Europe/Berlin", "2026-03-29T00:59:59Z", true},
		{"sat 22:00-02:30 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		// Europe/Berlin, 25 October 2026: 03:00 CEST is 02:00 CET.
		{"sun 02:00-03:00 Europe/Berlin", "2026-10-25T00:00:00Z", true},  // 02:00 CEST
		{"sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:00:00Z", true},  // 02:00 CET, once more
		{"sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:59:59Z", true},  // 02:59:59 CET
		{"sun 02:00-03:00 Europe/Berlin", "2026-10-25T02:00:00Z", false}, // 03:00 CET
		{"sun 08:00-18:00 Europe/Berlin", "2026-10-25T06:59:59Z", false},
		{"sun 08:00-18:00 Europe/Berlin", "2026-10-25T07:00:00Z", true},
	}
	for _, tt := range tests {
		t.Run(tt.hours+" at "+tt.at, func(t *testing.T) {
			h, err := auth.ParseHours(tt.hours)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Contain(at); got != tt.want {
				t.Errorf("Contain = %t; want %t", got, tt.want)
			}
		})
	}
	if (auth.Hours{}).Contain(time.Now()) {
		t.Error("the zero Hours hold a moment")
	}
}

func TestHoursThatAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "mon", "mon 08:00-18:00", "08:00-18:00 UTC", "mon 08:00-18:00 UTC UTC", "mon 8-18 UTC", "mon 08:00 UTC", "mon 08:00-08:00 UTC",
		"mon 24:00-08:00 UTC", "mon 08:00-25:00 UTC", "mon 08:00-18:60 UTC", "mon-fry 08:00-18:00 UTC", "mon,,tue 08:00-18:00 UTC",
		"mon-tue-wed 08:00-18:00 UTC", "monday 08:00-18:00 UTC", "mon 08:00-18:00 Local", "mon 08:00-18:00 Europe/Bielefeld",
		"mon 08:00-18:00 ../etc/passwd", "mon -08:00-18:00 UTC", "mon 00:00-00:00 UTC",
	} {
		if h, err := auth.ParseHours(s); err == nil {
			t.Errorf("ParseHours(%q) = %v; want an error", s, h)
		} else if h.Contain(time.Unix(0, 0)) || h.String() != "" {
			t.Errorf("hours that were refused are %v", h)
		}
	}
}

// FuzzParseHours checks that what is read means one thing: its text is read back
// as hours that hold the same moments.
func FuzzParseHours(f *testing.F) {
	for _, s := range []string{
		"mon-fri 08:00-18:00 Europe/Berlin", "sat,sun 00:00-24:00 UTC", "fri-mon 22:00-06:00 America/New_York",
		"sun 02:00-03:00 Europe/Berlin", "MON 8:00-9:00 UTC", "mon-mon 00:00-24:00 Asia/Kathmandu", "mon 00:01-00:00 Etc/GMT+12",
	} {
		f.Add(s, int64(1_774_746_000))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		h, err := auth.ParseHours(s)
		if err != nil {
			return
		}
		again, err := auth.ParseHours(h.String())
		if err != nil || again.String() != h.String() {
			t.Fatalf("ParseHours(%q) = %v, which reads back as %v, %v", s, h, again, err)
		}
		unix %= 1 << 33
		for minutes := int64(0); minutes < 7*24*60; minutes += 97 {
			at := time.Unix(unix+minutes*60, 0)
			if h.Contain(at) != again.Contain(at) {
				t.Fatalf("%v and %v differ at %v", h, again, at)
			}
		}
		b, err := h.MarshalText()
		var text auth.Hours
		if err != nil || text.UnmarshalText(b) != nil || text.String() != h.String() {
			t.Errorf("%v as text is %q, %v, and back %v", h, b, err, text)
		}
	})
}

// Hours agree with a walk through the week minute by minute, in a zone whose
// clock never changes.
func TestHoursAgreeWithAWeek(t *testing.T) {
	days := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	rapid.Check(t, func(t *rapid.T) {
		first, last := rapid.IntRange(0, 6).Draw(t, "first"), rapid.IntRange(0, 6).Draw(t, "last")
		from, to := rapid.IntRange(0, 1439).Draw(t, "from"), rapid.IntRange(0, 1440).Draw(t, "to")
		if from == to {
			t.Skip()
		}
		clock := func(m int) string {
			return string([]byte{byte('0' + m/600), byte('0' + m/60%10), ':', byte('0' + m%60/10), byte('0' + m%10)})
		}
		h, err := auth.ParseHours(days[first] + "-" + days[last] + " " + clock(from) + "-" + clock(to) + " UTC")
		if err != nil {
			t.Fatal(err)
		}
		var in [7 * 1440]bool
		for d := first; ; d = (d + 1) % 7 {
			end := to
			if to <= from {
				end += 1440
			}
			for m := from; m < end; m++ {
				in[(d*1440+m)%len(in)] = true
			}
			if d == last {
				break
			}
		}
		sunday := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		for m, want := range in {
			if at := sunday.Add(time.Duration(m) * time.Minute); h.Contain(at) != want {
				t.Fatalf("%v at %v: %t; want %t", h, at.Format("Mon 15:04"), !want, want)
			}
		}
	})
}
