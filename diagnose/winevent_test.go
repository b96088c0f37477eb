package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEventTime(t *testing.T) {
	tests := []struct {
		name, in, want string
		assumed        bool
	}{
		{"American", "11/20/2026 1:01:02 PM", "2026-11-20T13:01:02Z", true},
		{"American, midnight", "11/20/2026 12:01:02 AM", "2026-11-20T00:01:02Z", true},
		{"American, day and month could be either", "3/7/2014 12:55:51 PM", "2014-03-07T12:55:51Z", true},
		{"narrow blank before PM", "11/20/2026 1:01:02\u202fPM", "2026-11-20T13:01:02Z", true},
		{"marks of direction", "\u200e11/\u200e20/\u200e2026 1:01:02 PM", "2026-11-20T13:01:02Z", true},
		{"British", "20/11/2026 13:01:02", "2026-11-20T13:01:02Z", true},
		{"British, day and month could be either", "03/07/2014 12:55:51", "2014-07-03T12:55:51Z", true},
		{"the day first would be in the future", "11/12/2026 13:01:02", "2026-11-12T13:01:02Z", true},
		{"German", "20.11.2026 13:01:02", "2026-11-20T13:01:02Z", true},
		{"wevtutil", "2026-11-20T13:01:02.123", "2026-11-20T13:01:02.123Z", true},
		{"wevtutil, in UTC", "2026-11-20T13:01:02.1230000Z", "2026-11-20T13:01:02.123Z", false},
		{"ISO with a blank", "2026-11-20 13:01:02", "2026-11-20T13:01:02Z", true},
		{"no time", "20/11/2026", "", false},
		{"month 13 and day 14", "13/14/2026 13:01:02", "", false},
		{"not a date", "Security Log 1", "", false},
		{"empty", "", "", false},
	}
	out := &Sink{Zone: time.UTC, Newest: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, assumed, ok := eventTime(tt.in, out)
			got := ""
			if ok {
				got = at.UTC().Format(time.RFC3339Nano)
			}
			if got != tt.want || ok && assumed != tt.assumed {
				t.Errorf("eventTime(%q) = %s, assumed %t; want %s, %t", tt.in, got, assumed, tt.want, tt.assumed)
			}
		})
	}
}

// A table that is written by the rules of RFC 4180 is read back.
func TestSplitCSVReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune(`ab",`+"\t")), 0, 8, -1), 1, 8).Draw(t, "columns")
		var quoted []string
		for _, v := range want {
			if strings.ContainsAny(v, `",`) || rapid.Bool().Draw(t, "quoted") {
				v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			quoted = append(quoted, v)
		}
		if got := splitCSV(strings.Join(quoted, ","), ','); !slices.Equal(got, want) {
			t.Fatalf("splitCSV(%s) = %q; want %q", strings.Join(quoted, ","), got, want)
		}
	})
}

func TestXMLAttribute(t *testing.T) {
	for _, tt := range []struct{ in, name, want string }{
		{`Name="NPS" Guid="{1}"`, "Name", "NPS"},
		{`Name='NPS'`, "Name", "NPS"},
		{`EventSourceName='x' Name='y'`, "Name", "y"},
		{`Name="a &amp; b"`, "Name", "a & b"},
		{`Name=`, "Name", ""},
		{`Name="cut`, "Name", "cut"},
		{``, "Name", ""},
	} {
		if got := xmlAttribute(tt.in, tt.name); got != tt.want {
			t.Errorf("xmlAttribute(%s, %s) = %q; want %q", tt.in, tt.name, got, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	e := &winEvent{}
	n := e.labels("User:  Security ID: NULL SID  Account Name: alice smith  Account Domain: C  Fully Qualified Account Name: C\\alice Client Machine: Account Name: -  NAS: NAS IPv4 Address: 10.0.0.1 RADIUS Client: Client Friendly Name: VPN 1 Reason Code: 16 Reason: User: x, Account Name: y")
	want := map[string]string{
		"SubjectUserName": "alice smith", "SubjectDomainName": "C", "FullyQualifiedSubjectUserName": `C\alice`, "NASIPv4Address": "10.0.0.1",
		"ClientName": "VPN 1", "ReasonCode": "16", "Reason": "User: x, Account Name: y",
	}
	if n != 13 || len(e.fields) != len(want) {
		t.Errorf("%d labels, %q", n, e.fields)
	}
	for name, value := range want {
		if e.fields[name] != value {
			t.Errorf("%s = %q; want %q", name, e.fields[name], value)
		}
	}
	if n := (&winEvent{}).labels("SubReason Code:5 x:y :: "); n != 0 {
		t.Errorf("%d labels in a text that has none", n)
	}
}
