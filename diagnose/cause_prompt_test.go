package diagnose

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// promptIDs are the causes of cause_prompt.go that a log shows, the symptoms
// that they hide taken away.
func promptIDs(t *testing.T, text string) []string {
	t.Helper()
	_, r := diagnosed(t, "log", text)
	var ids []string
	for _, id := range causesOf(r) {
		if slices.ContainsFunc(promptCauses, func(c Cause) bool { return c.ID == id }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// event is a line of `sallyport events --json`.
func event(at, account, verdict string, code int, outcome string, took time.Duration, more string) string {
	return fmt.Sprintf(`{"time":"2026-11-22T10:%sZ","account":%q,"door":"radius","verdict":%q,"code":%d,"outcome":%q,"took_us":%d%s}`+"\n",
		at, account, verdict, code, outcome, took.Microseconds(), more)
}

const (
	vpn   = `,"application":"vpn","client":"gw","from":"198.51.100.7"`
	other = `,"application":"mail","client":"gw2","from":"198.51.100.7"`
)

func TestDoublePromptsAreToldApart(t *testing.T) {
	in := func(at, account, more string) string {
		return event(at, account, "accept", 23, "oath-code-verified", time.Second, more)
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{
			// https://msexchangeguru.com/?p=10215
			"the Remote Desktop client of a Mac logs in twice, and a cache answers the second time",
			"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser(‘Domain\\pnigam’, ”, 1)\n" +
				"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1\n" +
				"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n" +
				"2017-02-14T02:57:56.986251Z|0|1412|10088|pfrad|Calling pfAuthUser(‘Domain\\pnigam’, ”, 1)\n" +
				"2017-02-14T02:57:57.550306Z|0|1412|10088|pfrad|authResult = 1\n" +
				"2017-02-14T02:57:57.550306Z|0|1412|10088|pfrad|rawCallStatus = 6\n",
			[]string{"double-login"},
		},
		{"twice within a minute", in("01:00", "alice", vpn) + in("01:30", "alice", vpn), []string{"double-login"}},
		{"twice within two minutes", in("01:00", "alice", vpn) + in("02:59", "alice", vpn), []string{"double-login"}},
		{"the name in capitals", in("01:00", "alice", vpn) + in("01:30", "ALICE", vpn), []string{"double-login"}},
		{"two minutes and a second apart", in("01:00", "alice", vpn) + in("03:01", "alice", vpn), nil},
		{"another person", in("01:00", "alice", vpn) + in("01:30", "bob", vpn), nil},
		{"another application", in("01:00", "alice", vpn) + in("01:30", "alice", other), nil},
		{"another place", in("01:00", "alice", vpn) + in("01:30", "alice", `,"application":"vpn","client":"gw","from":"203.0.113.5"`), nil},
		{"the same event twice in a bundle", in("01:00", "alice", vpn) + in("01:00", "alice", vpn), nil},
		{"a failure and a retry", event("01:00", "alice", "reject", 138, "oath-code-incorrect", 0, vpn) + in("01:30", "alice", vpn), nil},
		{"a question and its answer", event("01:00", "alice", "challenge", 22, "oath-code-pending", 0, vpn) + in("01:30", "alice", vpn), nil},
		{
			"two sessions by SSH",
			"Nov 22 10:00:01 gate sshd[1]: Accepted publickey for alice from 192.0.2.1 port 5 ssh2\nNov 22 10:00:31 gate sshd[2]: Accepted publickey for alice from 192.0.2.1 port 6 ssh2\n",
			nil,
		},
		{
			"a phone that roams between access points",
			"Sun Nov 22 10:14:14 2026 : Auth: (2) Login OK: [alice] (from client ap1 port 5 cli 02-00-00-00-00-01)\nSun Nov 22 10:14:34 2026 : Auth: (3) Login OK: [alice] (from client ap1 port 6 cli 02-00-00-00-00-01)\n",
			nil,
		},

		{
			"a copy of a request",
			"Sun Nov 22 10:14:14 2026 : Error: (2) Ignoring duplicate packet from client vpn port 1 - ID: 8 due to unfinished request in module rest\nSun Nov 22 10:14:24 2026 : Auth: (2) Login OK: [alice] (from client vpn port 5)\n",
			[]string{"double-prompt-retransmission"},
		},
		{
			"a copy while a rejection is delayed",
			"Sun Nov 22 10:14:14 2026 : Info: (2) Discarding duplicate request from client vpn port 1 - ID: 8 due to delayed response\n",
			nil,
		},

		{"a request while one is open", event("01:05", "alice", "reject", 101, "auth-already-in-progress", 0, vpn), []string{"request-while-open"}},

		{
			"the second server is asked while the first waits",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 20*time.Second, vpn+`,"node":"a"`) + event("01:10", "alice", "challenge", 22, "oath-code-pending", 0, vpn+`,"node":"b"`),
			[]string{"failover"},
		},
		{
			"the second server is asked after the first has decided",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 5*time.Second, vpn+`,"node":"a"`) + event("01:10", "alice", "challenge", 22, "oath-code-pending", 0, vpn+`,"node":"b"`),
			nil,
		},
		{
			"the second server is asked by another client",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 20*time.Second, vpn+`,"node":"a"`) + event("01:10", "alice", "challenge", 22, "oath-code-pending", 0, other+`,"node":"b"`),
			nil,
		},
		{
			"two machines by SSH at once",
			"Nov 22 10:00:01 gate1 sshd[1]: Invalid user x from 192.0.2.1 port 5\nNov 22 10:00:03 gate2 sshd[2]: Invalid user x from 192.0.2.1 port 6\n",
			nil,
		},

		{
			"approved after 40 seconds, and at once begun anew",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 40*time.Second, vpn) + event("01:44", "alice", "accept", 21, "mobile-app-authenticated", 5*time.Second, vpn),
			[]string{"slow-human"},
		},
		{
			"approved after 40 seconds, and begun anew much later",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 40*time.Second, vpn) + event("04:44", "alice", "accept", 21, "mobile-app-authenticated", 5*time.Second, vpn),
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := promptIDs(t, tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("found %q; want %q in\n%s", got, tt.want, tt.text)
			}
		})
	}
}

// A second login that a cache answered is the same cause, and says so.
func TestDoubleLoginSaysThatACacheAnswered(t *testing.T) {
	first := &Attempt{Product: "sallyport", User: "alice", Verdict: Accepted, Time: sampleTime, Lines: []*Line{{}}, Codes: []string{"sallyport:23"}}
	second := &Attempt{Product: "sallyport", User: "alice", Verdict: Accepted, Time: sampleTime.Add(90 * time.Second), Lines: []*Line{{}}, Codes: []string{"sallyport:9"}}
	found := findDoubleLogins([]*Attempt{first, second})
	if len(found) != 1 || found[0].Confidence != Likely || found[0].Attempts[0] != second {
		t.Fatalf("found %+v; want one that is likely, by the second login", found)
	}
	second.Codes = []string{"sallyport:23"}
	if again := findDoubleLogins([]*Attempt{first, second}); len(again) != 1 || again[0].Confidence != Possible || again[0].Why == found[0].Why {
		t.Errorf("without a cache found %+v; want one that is possible, for another reason", again)
	}
}

// NPS writes that it discarded a request before or after the one that it decided.
func TestDiscardedByNPS(t *testing.T) {
	at := func(seconds int, codes ...string) *Attempt {
		return &Attempt{Product: "nps-event", User: "EXAMPLE\\alice", Client: "gw", Verdict: Accepted, Time: sampleTime.Add(time.Duration(seconds) * time.Second), Codes: codes, Lines: []*Line{{}}}
	}
	tests := []struct {
		name     string
		attempts []*Attempt
		want     int
	}{
		{"after the decision", []*Attempt{at(0), at(5, "nps-event:6274")}, 1},
		{"before the decision", []*Attempt{at(0, "nps-event:6274"), at(5, "nps-event:6274"), at(20)}, 2},
		{"between two decisions counts once", []*Attempt{at(0), at(5, "nps-event:6274"), at(20)}, 1},
		{"alone it may have any reason", []*Attempt{at(0, "nps-event:6274")}, 0},
		{"long after", []*Attempt{at(0), at(200, "nps-event:6274")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := findRetransmissions(tt.attempts); len(got) != tt.want {
				t.Errorf("%d found; want %d", len(got), tt.want)
			}
		})
	}
}

// Finding takes one pass, also if it is always the same person.
func TestPromptCausesAreFast(t *testing.T) {
	const n = 200_000
	all := make([]*Attempt, n)
	for i := range all {
		all[i] = &Attempt{
			Product: "sallyport", User: "alice", Client: "gw", Host: fmt.Sprint("h", i%3), Verdict: Accepted,
			Time: sampleTime.Add(time.Duration(i) * time.Millisecond), End: sampleTime.Add(time.Duration(i)*time.Millisecond + time.Minute), Lines: []*Line{{}},
		}
	}
	for _, c := range promptCauses {
		if c.Find == nil {
			continue
		}
		begun := time.Now()
		c.Find(all)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s took %s for %d attempts", c.ID, took, n)
		}
	}
}
