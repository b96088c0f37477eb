package diagnose

import (
	"strings"
	"testing"
	"time"
)

func TestSyslogHeader(t *testing.T) {
	out := &Sink{Zone: time.FixedZone("", 3600), Newest: time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)}
	tests := []struct {
		name, line             string
		want                   string // RFC 3339
		host, program, message string
		ok                     bool
	}{
		{"RFC 3164", "Jan  9 13:01:02 gate sshd[12]: Accepted password", "2026-01-09T13:01:02+01:00", "gate", "sshd", "Accepted password", true},
		{"with a priority", "<34>Jan 10 13:01:02 gate su: hello", "2026-01-10T13:01:02+01:00", "gate", "su", "hello", true},
		{"of last year", "Dec 31 23:59:59 gate sshd[12]: x", "2025-12-31T23:59:59+01:00", "gate", "sshd", "x", true},
		{"a leap day", "Feb 29 10:00:00 gate sshd[12]: x", "2024-02-29T10:00:00+01:00", "gate", "sshd", "x", true},
		{"with a year", "Nov 22 2020 13:01:02 gate app: x", "2020-11-22T13:01:02+01:00", "gate", "app", "x", true},
		{"with a fraction", "Jan  9 13:01:02.250 gate app: x", "2026-01-09T13:01:02.25+01:00", "gate", "app", "x", true},
		{"without a host", "Jan  9 13:01:02 sshd[12]: x", "2026-01-09T13:01:02+01:00", "", "sshd", "x", true},
		{"without a program", "Jan  9 13:01:02 gate last message repeated 3 times", "2026-01-09T13:01:02+01:00", "gate", "", "last message repeated 3 times", true},
		{"RFC 5424", `<34>1 2026-01-09T13:01:02.003Z gate app 12 ID47 [a@1 b="c\]\""][d@1 e="f"] the message`, "2026-01-09T13:01:02.003Z", "gate", "app", "the message", true},
		{"RFC 5424 with nothing", "<34>1 - - - - - -", "0001-01-01T00:00:00Z", "", "", "", true},
		{"RFC 5424 with a mark of its encoding", "<34>1 2026-01-09T13:01:02Z gate app - - - \ufeffx", "2026-01-09T13:01:02Z", "gate", "app", "x", true},
		{"rsyslog", "2026-01-09T13:01:02.123456+01:00 gate sshd[12]: x", "2026-01-09T13:01:02.123456+01:00", "gate", "sshd", "x", true},
		{"journald", "2026-01-09T13:01:02+0100 gate sshd[12]: x", "2026-01-09T13:01:02+01:00", "gate", "sshd", "x", true},
		{"another product's line", "2026-01-09T13:01:02+0000 [duoauthproxy.lib.log#info] x: y", "", "", "", "", false},
		{"no program after a time", "2026-01-09T13:01:02Z INFO it began", "", "", "", "", false},
		{"Azure MFA Server", "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|x", "", "", "", "", false},
		{"no such month", "Foo  9 13:01:02 gate app: x", "", "", "", "", false},
		{"no such hour", "Jan  9 24:01:02 gate app: x", "", "", "", "", false},
		{"no number as priority", "<a>Jan  9 13:01:02 gate app: x", "", "", "", "", false},
		{"cut", "Jan  9 13:01", "", "", "", "", false},
		{"empty", "", "", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			when, host, program, message, ok := syslogHeader(tt.line, out)
			if ok != tt.ok || ok && (when.Format(time.RFC3339Nano) != tt.want || host != tt.host || program != tt.program || message != tt.message) {
				t.Errorf("syslogHeader(%q) = %s, %q, %q, %q, %t; want %s, %q, %q, %q, %t",
					tt.line, when.Format(time.RFC3339Nano), host, program, message, ok, tt.want, tt.host, tt.program, tt.message, tt.ok)
			}
		})
	}
}

// FuzzSyslogHeader checks that what is taken apart comes from the line, and that
// a time without a year is not in the future.
func FuzzSyslogHeader(f *testing.F) {
	for _, s := range []string{
		"Jan  9 13:01:02 gate sshd[12]: x", `<34>1 2026-01-09T13:01:02Z gate app 12 ID [a b="]"] m`, "2026-01-09T13:01:02+0100 gate sshd[12]: x", "Feb 29 10:00:00 a b: c",
	} {
		f.Add(s)
	}
	out := &Sink{Zone: time.UTC, Newest: time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, line string) {
		s, ok := parseSyslog(line, out)
		if !ok {
			return
		}
		for _, part := range []string{s.host, s.program, s.pid, s.message} {
			if !strings.Contains(line, part) {
				t.Errorf("%q has %q, which is not in it", line, part)
			}
		}
		if _, rest, _ := strings.Cut(line, ">"); !s.zoned && s.time.Year() == 2026 && s.time.After(out.Newest.Add(24*time.Hour)) && !strings.Contains(line[:min(len(line), 40)], "2026") && !strings.Contains(rest[:min(len(rest), 40)], "2026") {
			t.Errorf("%q is of %s, after %s", line, s.time, out.Newest)
		}
	})
}
