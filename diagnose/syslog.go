package diagnose

import (
	"strings"
	"time"
)

// A syslogLine is one line as a syslog daemon or journald writes it.
type syslogLine struct {
	time    time.Time
	zoned   bool   // the line says in which zone its time is
	host    string // "" if it is not said
	program string // "sshd", "" if it is not said
	pid     string // in square brackets after the program, or the PROCID of RFC 5424
	message string
}

// syslogHeader takes the prefix of a syslog daemon or of journald from a line:
// RFC 3164 with and without a year, RFC 5424, and the forms with a time of RFC
// 3339 that rsyslog and `journalctl -o short-iso` write, each with or without the
// priority. A time without a zone is in that of out. It is false if the line does
// not begin so.
func syslogHeader(line string, out *Sink) (t time.Time, host, program, message string, ok bool) {
	s, ok := parseSyslog(line, out)
	return s.time, s.host, s.program, s.message, ok
}

// parseSyslog is syslogHeader with all that the prefix says.
func parseSyslog(line string, out *Sink) (syslogLine, bool) {
	rest := line
	if rest != "" && rest[0] == '<' {
		end := strings.IndexByte(rest, '>')
		if end < 2 || end > 4 || !digitsOnly(rest[1:end]) {
			return syslogLine{}, false
		}
		rest = rest[end+1:]
		if strings.HasPrefix(rest, "1 ") {
			return parseSyslog5424(rest[2:])
		}
	}
	if len(rest) < len("Nov 22 13:01:02 ") {
		return syslogLine{}, false
	}
	var s syslogLine
	if c := rest[0]; '0' <= c && c <= '9' {
		word, after, found := strings.Cut(rest, " ")
		if !found {
			return syslogLine{}, false
		}
		t, ok := rfc3339Time(word)
		if !ok {
			return syslogLine{}, false
		}
		s.time, s.zoned = t, true
		// A time of this form begins the lines of many products. It is syslog only
		// if a host and a program follow.
		if !s.cutOrigin(after) || s.program == "" {
			return syslogLine{}, false
		}
		return s, true
	}
	t, after, ok := bsdTime(rest, out)
	if !ok || !s.cutOrigin(after) {
		return syslogLine{}, false
	}
	s.time = t
	return s, true
}

// cutOrigin takes "host program[pid]: message", where the host or the program
// may be missing.
func (s *syslogLine) cutOrigin(rest string) bool {
	word, after, found := strings.Cut(rest, " ")
	if !found || word == "" || word[0] == '[' {
		return false
	}
	if tag, isTag := strings.CutSuffix(word, ":"); isTag {
		s.program, s.pid = cutPID(tag) // no host: the form of a local daemon
		s.message = after
		return true
	}
	s.host, s.message = word, after
	end := strings.IndexByte(after, ' ')
	if end < 0 {
		end = len(after)
	}
	if tag, isTag := strings.CutSuffix(after[:end], ":"); isTag && tag != "" {
		s.program, s.pid = cutPID(tag)
		s.message = strings.TrimPrefix(after[end:], " ")
	}
	return true
}

// cutPID takes the number from "sshd[123]".
func cutPID(tag string) (program, pid string) {
	program, pid, found := strings.Cut(tag, "[")
	if !found {
		return tag, ""
	}
	pid, _, _ = strings.Cut(pid, "]")
	return program, pid
}

// parseSyslog5424 takes TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA
// MSG (RFC 5424, Section 6).
func parseSyslog5424(rest string) (syslogLine, bool) {
	var field [5]string
	for i := range field {
		var found bool
		if field[i], rest, found = strings.Cut(rest, " "); !found || field[i] == "" {
			return syslogLine{}, false
		}
		if field[i] == "-" {
			field[i] = ""
		}
	}
	s := syslogLine{host: field[1], program: field[2], pid: field[3], zoned: true}
	if field[0] != "" {
		t, ok := rfc3339Time(field[0])
		if !ok {
			return syslogLine{}, false
		}
		s.time = t
	}
	rest, ok := cutStructuredData(rest)
	if !ok {
		return syslogLine{}, false
	}
	s.message = strings.TrimPrefix(rest, "\ufeff")
	return s, true
}

// cutStructuredData takes "-" or any number of [id name="value" ...] from the
// front (RFC 5424, Section 6.3).
func cutStructuredData(s string) (string, bool) {
	if after, found := strings.CutPrefix(s, "-"); found {
		return strings.TrimPrefix(after, " "), true
	}
	if s == "" || s[0] != '[' {
		return "", false
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == ']' && (i+1 == len(s) || s[i+1] != '['):
			return strings.TrimPrefix(s[i+1:], " "), true
		}
	}
	return "", true // the line was cut inside
}

// bsdTime takes "Nov 22 13:01:02 ", or the same with a year before the hour or
// before the month, or with a fraction, from the front (RFC 3164, Section 4.1.2).
func bsdTime(s string, out *Sink) (t time.Time, rest string, ok bool) {
	if len(s) < len("Nov 22 13:01:02 ") || s[3] != ' ' {
		return time.Time{}, "", false
	}
	const minute = len("Nov 22 13:01")
	if s[:minute] == out.minute {
		if c, n, ok := clockOf(s[7:]); ok && 7+n < len(s) && s[7+n] == ' ' {
			return out.began.Add(time.Duration(c.second)*time.Second + time.Duration(c.nano)), s[7+n+1:], true
		}
	}
	month, ok := monthOf(s[:3])
	if !ok {
		return time.Time{}, "", false
	}
	day, ok := paddedDay(s[4:6])
	if !ok || s[6] != ' ' {
		return time.Time{}, "", false
	}
	whole := s
	s = s[7:]
	year := 0
	if len(s) > 5 && s[4] == ' ' && digitsOnly(s[:4]) {
		year, s = number(s[:4]), s[5:]
	}
	c, n, ok := clockOf(s)
	if !ok || n >= len(s) {
		return time.Time{}, "", false
	}
	rest, ok = strings.CutPrefix(s[n:], ": ") // as some routers write it
	if !ok {
		if rest, ok = strings.CutPrefix(s[n:], " "); !ok {
			return time.Time{}, "", false
		}
	}
	if year == 0 {
		t = out.yearless(month, day, c)
		out.minute = strings.Clone(whole[:minute])
		out.began = t.Add(-time.Duration(c.second)*time.Second - time.Duration(c.nano))
		return t, rest, true
	}
	return time.Date(year, month, day, c.hour, c.minute, c.second, c.nano, out.zone()), rest, true
}

// yearless is the given moment in the last year in which it is not after Newest.
// A day is forgiven, because the clock or the zone of the machine that wrote the
// file may be another.
func (s *Sink) yearless(month time.Month, day int, c clock) time.Time {
	zone := s.zone()
	limit := s.Newest.Add(24 * time.Hour)
	year := limit.In(zone).Year()
	// The 29th of February is in one of any nine years (1897 to 1904 are past).
	for range 9 {
		t := time.Date(year, month, day, c.hour, c.minute, c.second, c.nano, zone)
		if !t.After(limit) && t.Day() == day {
			return t
		}
		year--
	}
	return time.Date(limit.In(zone).Year(), month, day, c.hour, c.minute, c.second, c.nano, zone)
}

// zone is where times are that do not say so.
func (s *Sink) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// A clock is the time of a day.
type clock struct{ hour, minute, second, nano int }

// clockOf takes "13:01:02" with or without a fraction after a point or a comma
// from the front of s, and says how many octets that were.
func clockOf(s string) (c clock, n int, ok bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return clock{}, 0, false
	}
	c = clock{hour: number(s[:2]), minute: number(s[3:5]), second: number(s[6:8])}
	if c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 60 {
		return clock{}, 0, false
	}
	n = 8
	if len(s) > 9 && (s[8] == '.' || s[8] == ',') && isDigit(s[9]) {
		n++
		scale := 100_000_000
		for ; n < len(s) && isDigit(s[n]); n++ {
			c.nano += int(s[n]-'0') * scale
			scale /= 10
		}
	}
	return c, n, true
}

// rfc3339Time reads all of s as a time of RFC 3339, also with a zone that has no
// colon, as journald writes it, and with a comma before the fraction.
func rfc3339Time(s string) (time.Time, bool) {
	if len(s) < len("2026-11-22T13:01:02Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != 't' {
		return time.Time{}, false
	}
	year, month, day := number(s[:4]), number(s[5:7]), number(s[8:10])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	c, n, ok := clockOf(s[11:])
	if !ok {
		return time.Time{}, false
	}
	zone, ok := zoneOf(s[11+n:])
	if !ok {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nano, zone), true
}

// zoneOf reads all of s as "Z", "+01:00" or "+0100".
func zoneOf(s string) (*time.Location, bool) {
	if s == "Z" || s == "z" {
		return time.UTC, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	hour, minute := number(s[1:3]), number(s[3:5])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return nil, false
	}
	offset := hour*3600 + minute*60
	if offset == 0 {
		return time.UTC, true
	}
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), true
}

// paddedDay reads the day of a month, padded with a blank or a zero.
func paddedDay(s string) (int, bool) {
	if s[0] == ' ' {
		s = s[1:]
	}
	day := number(s)
	return day, day >= 1 && day <= 31
}

// monthOf reads the English short name of a month.
func monthOf(s string) (time.Month, bool) {
	i := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", s)
	return time.Month(i/3 + 1), i >= 0 && i%3 == 0
}

// number reads a decimal number of at most nine digits; -1 if it is none.
func number(s string) int {
	if s == "" || len(s) > 9 || !digitsOnly(s) {
		return -1
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digitsOnly(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
