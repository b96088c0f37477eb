package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, zone)
	tests := []struct {
		name, in  string
		direction int
		want      string // RFC 3339, "" for an error
	}{
		{"minutes ago", "15m", -1, "2026-03-04T11:45:00+01:00"},
		{"hours ago", "24h", -1, "2026-03-03T12:00:00+01:00"},
		{"hours and minutes from now", "1h30m", 1, "2026-03-04T13:30:00+01:00"},
		{"days ago", "7d", -1, "2026-02-25T12:00:00+01:00"},
		{"weeks from now", "2w", 1, "2026-03-18T12:00:00+01:00"},
		{"RFC 3339 in UTC", "2026-01-02T03:04:05Z", -1, "2026-01-02T03:04:05Z"},
		{"RFC 3339 with an offset", "2026-01-02T03:04:05.5+02:00", -1, "2026-01-02T03:04:05+02:00"},
		{"a date is midnight here", "2026-01-02", -1, "2026-01-02T00:00:00+01:00"},
		{"a time of day here", "2026-01-02 03:04", -1, "2026-01-02T03:04:00+01:00"},
		{"with seconds", "2026-01-02 03:04:05", -1, "2026-01-02T03:04:05+01:00"},
		{"empty", "", -1, ""},
		{"a word", "yesterday", -1, ""},
		{"a number without unit", "15", -1, ""},
		{"a distance below zero", "-15m", -1, ""},
		{"days below zero", "-1d", -1, ""},
		{"half a day", "1.5d", -1, ""},
		{"more weeks than there is time", "99999999w", -1, ""},
		{"a day that does not exist", "2026-02-30", -1, ""},
		{"space around", " 15m", -1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := moment(tt.in, now, tt.direction)
			if (err != nil) != (tt.want == "") || err == nil && got.Format(time.RFC3339) != tt.want {
				t.Errorf("moment(%q) = %v, %v; want %s", tt.in, got, err, tt.want)
			}
		})
	}
}

// FuzzMoment checks that a distance never leads to the wrong side of now, and
// that what is read means the same when it is written as RFC 3339 and read
// again.
func FuzzMoment(f *testing.F) {
	for _, s := range []string{"15m", "7d", "2w", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02 03:04", "0s", "-1d", "2562047h47m16.854775807s"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := distance(s); ok {
			if d < 0 {
				t.Errorf("distance(%q) = %v", s, d)
			}
			if at, err := moment(s, now, -1); err != nil || at.After(now) {
				t.Errorf("moment(%q) into the past = %v, %v", s, at, err)
			}
			if at, err := moment(s, now, 1); err != nil || at.Before(now) {
				t.Errorf("moment(%q) into the future = %v, %v", s, at, err)
			}
		}
		at, err := moment(s, now, -1)
		if err != nil || at.Year() < 0 || at.Year() > 9999 {
			return
		}
		if again, err := moment(at.Format(time.RFC3339Nano), now, 1); err != nil || !again.Equal(at) {
			t.Errorf("moment(%q) = %v, and of that %v, %v", s, at, again, err)
		}
	})
}

func TestTook(t *testing.T) {
	tests := []struct {
		name string
		d    time.Duration
		want string
	}{
		{"microseconds", 20 * time.Microsecond, "0.02 ms"},
		{"milliseconds", 12300 * time.Microsecond, "12.3 ms"},
		{"seconds", 2500 * time.Millisecond, "2.50 s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := took(tt.d); got != tt.want {
				t.Errorf("took(%v) = %s; want %s", tt.d, got, tt.want)
			}
		})
	}
}
