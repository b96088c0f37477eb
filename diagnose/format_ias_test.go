package diagnose

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// dts, odbc and pairs write the same record in the three forms of the log.
func dts(at string, packet, reason, class int, user string) string {
	return fmt.Sprintf(`<Event><Timestamp data_type="4">11/20/2026 %s</Timestamp><Computer-Name data_type="1">NPS01</Computer-Name><Event-Source data_type="1">IAS</Event-Source><User-Name data_type="1">%s</User-Name><Calling-Station-Id data_type="1">203.0.113.9</Calling-Station-Id><Client-IP-Address data_type="3">10.0.0.5</Client-IP-Address><Client-Friendly-Name data_type="1">VPN01</Client-Friendly-Name><SAM-Account-Name data_type="1">C\%s</SAM-Account-Name><Class data_type="1">311 1 10.1.2.42 05/16/2014 02:17:48 %d</Class><Packet-Type data_type="0">%d</Packet-Type><Reason-Code data_type="0">%d</Reason-Code></Event>`+"\n", at, user, user, class, packet, reason)
}

func odbc(at string, packet, reason, class int, user string) string {
	return fmt.Sprintf(`"NPS01","IAS",11/20/2026,%s,%d,"%s","C\%s",,"203.0.113.9",,,,,,,"10.0.0.5","VPN01",,,,,,,1,"VPN",%d,"311 1 10.1.2.42 05/16/2014 02:17:48 %d",,,,`+"\n", at, packet, user, user, reason, class)
}

func pairs(at string, packet, reason, class int, user string) string {
	return fmt.Sprintf(`10.0.0.5,%s,11/20/2026,%s,IAS,NPS01,25,311 1 10.1.2.42 05/16/2014 02:17:48 %d,31,203.0.113.9,4108,10.0.0.5,4128,VPN01,4129,C\%s,4136,%d,4142,%d`+"\n", user, at, class, user, packet, reason)
}

func TestNPSLogInEachForm(t *testing.T) {
	for name, record := range map[string]func(string, int, int, int, string) string{"DTS": dts, "ODBC": odbc, "IAS": pairs} {
		t.Run(name, func(t *testing.T) {
			all := readAll(t, iasFormat,
				record("13:01:02", 1, 0, 1, "alice")+
					record("13:01:03", 1, 0, 2, "bob")+
					record("13:01:04", 3, 16, 2, "bob")+
					record("13:01:05", 4, 0, 2, "bob")+ // accounting
					record("13:01:06", 11, 0, 1, "alice")+
					record("13:01:20", 1, 0, 3, "alice")+ // the answer to the challenge
					record("13:01:21", 2, 0, 3, "alice")+
					record("13:01:22", 1, 0, 4, "carol")+
					record("13:01:23", 3, 9999, 5, "dave"))
			expectShortly(t, all,
				`refused C\bob 203.0.113.9 nps-reason:16`,
				`accepted C\alice 203.0.113.9`,
				`refused C\dave 203.0.113.9 nps-reason:9999,nps-reason:other`,
				`abandoned C\carol 203.0.113.9`,
			)
			a := all[1]
			if len(a.Lines) != 4 || a.Client != "VPN01" || a.Host != "NPS01" || !a.ZoneAssumed ||
				!a.Time.Equal(time.Date(2026, 11, 20, 13, 1, 2, 0, time.UTC)) || a.End.Sub(a.Time) != 19*time.Second {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestNPSLogPieces(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a challenge that nobody answers", dts("13:01:02", 1, 0, 1, "a") + dts("13:01:03", 11, 0, 1, "a"), []string{`challenged C\a 203.0.113.9`}},
		{"a challenge and a new login much later", dts("13:01:02", 1, 0, 1, "a") + dts("13:01:03", 11, 0, 1, "a") + dts("13:31:02", 1, 0, 2, "a") + dts("13:31:03", 2, 0, 2, "a"), []string{`challenged C\a 203.0.113.9`, `accepted C\a 203.0.113.9`}},
		{"a request without class, as Microsoft shows it", `"CLIENTCOMP","IAS",03/07/2008,13:04:33,1,"client",,,,,,,,,9,"10.10.10.10","npsclient",,,,,,,1,,0,,` + "\n" + `"CLIENTCOMP","IAS",03/07/2008,13:04:33,2,,"npsclientdc/Users/client",,,,,,,,9,"10.10.10.10","npsclient",,,,,,2,1,"Allow access",0,"311 1 10.10.10.11 03/07/2008 20:04:30 1",,`, []string{"accepted client"}},
		{"no reason", strings.Split(dts("13:01:02", 3, 16, 1, "a"), "<Reason-Code")[0], []string{`refused C\a 203.0.113.9`}},
		{"cut inside the time", `<Event><Timestamp data_type="4">11/20/20`, nil},
		{"cut before the type of packet", strings.Split(dts("13:01:02", 3, 16, 1, "a"), "<Packet-Type")[0], nil},
		{"other tables", `"a","IAS",1,2`, nil},
		{"words", "he said ,IAS, and so on", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectShortly(t, readAll(t, iasFormat, tt.text), tt.want...) })
	}
}

// A client that never stops asking does not fill the memory.
func TestNPSLogEndlessChallenges(t *testing.T) {
	var b strings.Builder
	for i := range 5 * maxAttemptLines {
		b.WriteString(dts("13:01:02", 1, 0, i, "a") + dts("13:01:03", 11, 0, i, "a"))
	}
	for _, a := range readAll(t, iasFormat, b.String()) {
		if len(a.Lines) > maxAttemptLines+1 || a.Verdict != Challenged {
			t.Errorf("%s with %d lines", a.Verdict, len(a.Lines))
		}
	}
}

func FuzzNPSLog(f *testing.F) {
	f.Add(dts("13:01:02", 1, 0, 1, "a") + dts("13:01:03", 11, 0, 1, "a") + dts("13:01:04", 1, 0, 2, "a"))
	f.Add(odbc("13:01:02", 1, 0, 1, "a") + odbc("13:01:03", 3, 16, 1, "a"))
	f.Add(pairs("13:01:02", 1, 0, 1, "a") + pairs("13:01:03", 2, 0, 1, "a"))
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, iasFormat, text) {
			if a.Verdict == Accepted && len(a.Codes) > 0 || !a.ZoneAssumed || a.Time.IsZero() {
				t.Errorf("%+v", a)
			}
		}
	})
}
