package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// moment reads a time as people write it: RFC 3339, a date with or without a
// time of day in the zone of now, or a distance from now (90s, 15m, 24h, 7d,
// 2w). direction is -1 for distances into the past and 1 for the future.
func moment(s string, now time.Time, direction int) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if d, ok := distance(s); ok {
		return now.Add(time.Duration(direction) * d), nil
	}
	return time.Time{}, misused("", "%q is no time; write 15m, 24h, 7d, 2006-01-02, \"2006-01-02 15:04\" or 2006-01-02T15:04:05Z", s)
}

// distance reads a time.Duration that is not negative, or whole days or weeks.
func distance(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, d >= 0
	}
	if s == "" {
		return 0, false
	}
	unit := 24 * time.Hour
	switch s[len(s)-1] {
	case 'd':
	case 'w':
		unit *= 7
	default:
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil || n > uint64(math.MaxInt64/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// took prints how long something took, in the unit that a person would pick.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}
