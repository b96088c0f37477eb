package auth

import (
	"fmt"
	"strings"
	"time"
)

// Hours are hours of some days of the week in one time zone: "mon-fri
// 08:00-18:00 Europe/Berlin". The zero Hours hold no moment.
type Hours struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day, from first to before last
	zone     *time.Location
}

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseHours reads days ("mon-fri", "sat,sun", "mon-sun"), hours
// ("08:00-18:00", "22:00-06:00" over midnight, which belongs to the day on which
// it begins, "00:00-24:00") and a zone of the IANA time zone database, with one
// space between them.
func ParseHours(s string) (Hours, error) {
	bad := func(why string) error {
		return fmt.Errorf("%q are no hours such as \"mon-fri 08:00-18:00 Europe/Berlin\": %s", s, why)
	}
	fields := strings.Fields(s)
	if len(fields) != 3 {
		return Hours{}, bad("give days, hours and a time zone")
	}
	var h Hours
	for part := range strings.SplitSeq(strings.ToLower(fields[0]), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, b := dayOf(first), dayOf(last)
		if a < 0 || b < 0 {
			return Hours{}, bad("days are mon tue wed thu fri sat sun")
		}
		for d := a; ; d = (d + 1) % 7 {
			h.days[d] = true
			if d == b {
				break
			}
		}
	}
	from, to, _ := strings.Cut(fields[1], "-")
	var ok1, ok2 bool
	h.from, ok1 = minutesOf(from)
	h.to, ok2 = minutesOf(to)
	if !ok1 || !ok2 || h.from == 24*60 || h.to == h.from {
		return Hours{}, bad("hours look like 08:00-18:00")
	}
	// "Local" would mean another zone on another node.
	if fields[2] == "Local" {
		return Hours{}, bad("name the time zone")
	}
	zone, err := time.LoadLocation(fields[2])
	if err != nil {
		return Hours{}, bad("there is no such time zone")
	}
	h.zone = zone
	return h, nil
}

func dayOf(name string) int {
	for i, n := range dayNames {
		if n == name {
			return i
		}
	}
	return -1
}

func minutesOf(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

// Contain reports whether t is in the hours, by the clock on the wall of their
// zone.
func (h Hours) Contain(t time.Time) bool {
	if h.zone == nil {
		return false
	}
	t = t.In(h.zone)
	day, minute := t.Weekday(), t.Hour()*60+t.Minute()
	if h.from < h.to {
		return h.days[day] && h.from <= minute && minute < h.to
	}
	return h.days[day] && minute >= h.from || h.days[(day+6)%7] && minute < h.to
}

// String returns a text that ParseHours reads back.
func (h Hours) String() string {
	if h.zone == nil {
		return ""
	}
	var days []string
	for i := range 7 {
		if d := (i + 1) % 7; h.days[d] {
			days = append(days, dayNames[d])
		}
	}
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d %s", strings.Join(days, ","), h.from/60, h.from%60, h.to/60, h.to%60, h.zone)
}

// MarshalText writes String.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what ParseHours reads.
func (h *Hours) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHours(string(b))
	return err
}
