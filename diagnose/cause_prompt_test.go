package diagnose

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
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

// busy is n logins of as many people, through the application vpn.
func busy(n int) string {
	text := ""
	for i := range n {
		text += event(fmt.Sprintf("%02d:%02d", i, i), fmt.Sprint("person", i), "accept", 23, "oath-code-verified", time.Second, vpn)
	}
	return text
}

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
		{"a minute and a second apart, once: they may have logged in themselves", in("01:00", "alice", vpn) + in("02:01", "alice", vpn), nil},
		{"a minute apart", in("01:00", "alice", vpn) + in("02:00", "alice", vpn), []string{"double-login"}},
		{
			"almost two minutes apart, and a cache answers",
			in("01:00", "alice", vpn) + event("02:59", "alice", "accept", 9, "used-cache-application", 0, vpn),
			[]string{"double-login"},
		},
		{
			"two minutes apart, three times of three",
			in("01:00", "alice", vpn) + in("03:00", "alice", vpn) + in("11:00", "alice", vpn) + in("13:00", "alice", vpn) + in("21:00", "alice", vpn) + in("23:00", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"two minutes apart, two times of two",
			in("01:00", "alice", vpn) + in("03:00", "alice", vpn) + in("11:00", "alice", vpn) + in("13:00", "alice", vpn),
			nil,
		},
		{"once, where a fifth of the logins are such", busy(3) + in("01:00", "alice", vpn) + in("01:30", "alice", vpn), []string{"double-login"}},
		{"once, where a sixth are", busy(4) + in("01:00", "alice", vpn) + in("01:30", "alice", vpn), nil},
		{
			"one person always, in a busy log",
			busy(50) + in("01:00", "alice", vpn) + in("01:30", "alice", vpn) + in("11:00", "alice", vpn) + in("11:30", "alice", vpn) + in("21:00", "alice", vpn) + in("21:30", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"one person half of the time, in a busy log",
			busy(50) + in("01:00", "alice", vpn) + in("01:30", "alice", vpn) + in("11:00", "alice", vpn) + in("11:30", "alice", vpn) + in("21:00", "alice", vpn) + in("21:30", "alice", vpn) +
				in("31:00", "alice", vpn) + in("41:00", "alice", vpn) + in("51:00", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"one person three times of seven, in a busy log",
			busy(50) + in("01:00", "alice", vpn) + in("01:30", "alice", vpn) + in("11:00", "alice", vpn) + in("11:30", "alice", vpn) + in("21:00", "alice", vpn) + in("21:30", "alice", vpn) +
				in("31:00", "alice", vpn) + in("41:00", "alice", vpn) + in("51:00", "alice", vpn) + in("55:00", "alice", vpn),
			nil,
		},
		{
			"one person twice within seconds of the decision, in a busy log",
			busy(50) + in("01:00", "alice", vpn) + in("01:16", "alice", vpn) + in("11:00", "alice", vpn) + in("11:16", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"one person twice, not that soon, in a busy log",
			busy(50) + in("01:00", "alice", vpn) + in("01:17", "alice", vpn) + in("11:00", "alice", vpn) + in("11:17", "alice", vpn),
			nil,
		},
		{"three in a row", in("01:00", "alice", vpn) + in("01:30", "alice", vpn) + in("02:00", "alice", vpn), []string{"double-login"}},
		{"a program that logs in all the time", in("01:00", "probe", vpn) + in("01:30", "probe", vpn) + in("02:00", "probe", vpn) + in("02:30", "probe", vpn), nil},
		{
			"a failure in between is a new try",
			in("01:00", "alice", vpn) + event("01:15", "alice", "reject", 138, "oath-code-incorrect", 0, vpn) + in("01:30", "alice", vpn),
			nil,
		},
		{
			"a failure of somebody elsewhere in between",
			in("01:00", "alice", vpn) + event("01:15", "alice", "reject", 138, "oath-code-incorrect", 0, `,"application":"vpn","client":"gw","from":"203.0.113.5"`) + in("01:30", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"begun before the first was decided",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 20*time.Second, vpn) + in("01:19", "alice", vpn),
			nil,
		},
		{
			"begun when the first was decided",
			event("01:00", "alice", "accept", 21, "mobile-app-authenticated", 20*time.Second, vpn) + in("01:20", "alice", vpn),
			[]string{"double-login"},
		},
		{
			"nobody was asked the first time",
			event("01:00", "alice", "accept", -100, "skipped-call", 0, vpn) + in("01:30", "alice", vpn),
			nil,
		},
		{
			"nobody was asked the second time",
			in("01:00", "alice", vpn) + event("01:30", "alice", "accept", -104, "trusted-ip", 0, vpn),
			nil,
		},
		{
			"the place is known of one only",
			in("01:00", "alice", vpn) + in("01:30", "alice", `,"application":"vpn","client":"gw"`),
			[]string{"double-login"},
		},
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
	if again := findDoubleLogins([]*Attempt{first, second}); len(again) != 0 {
		t.Errorf("without a cache found %+v; want none", again)
	}
	second.Time = sampleTime.Add(time.Minute)
	if again := findDoubleLogins([]*Attempt{first, second}); len(again) != 1 || again[0].Confidence != Likely || again[0].Why == found[0].Why {
		t.Errorf("within a minute and without a cache found %+v; want one that is likely, for another reason", again)
	}
}

// Somebody who logs in at random is not told of, however often they do.
func TestChanceIsNoDoubleLogin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(10, 7200).Draw(t, "seconds between logins")
		took := rapid.IntRange(0, 20).Draw(t, "seconds that a login takes")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var all []*Attempt
		at := sampleTime
		for range 2000 {
			at = at.Add(time.Duration(random.ExpFloat64()*float64(rate)*float64(time.Second)) + time.Millisecond)
			all = append(all, &Attempt{Product: "sallyport", User: "shared", Verdict: Accepted, Time: at, End: at.Add(time.Duration(took) * time.Second), Lines: []*Line{{}}})
		}
		if found := findDoubleLogins(all); len(found) > 0 {
			t.Fatalf("found %d of %d random logins, every %d seconds on average", len(found), len(all), rate)
		}
	})
}

// Two servers that do not say who they are: each has its log.
func TestFailoverBetweenTwoLogs(t *testing.T) {
	file := func(name string) []*Line { return []*Line{{File: name}} }
	at := func(file []*Line, begin, end int) *Attempt {
		return &Attempt{
			Product: "azure-mfa-radius", User: "CORP\\hana", Verdict: Accepted, Lines: file,
			Time: sampleTime.Add(time.Duration(begin) * time.Second), End: sampleTime.Add(time.Duration(end) * time.Second),
		}
	}
	a, b := file("a/svc.log"), file("b/svc.log")
	tests := []struct {
		name     string
		attempts []*Attempt
		want     int
	}{
		{"the second is asked while the first waits", []*Attempt{at(a, 0, 22), at(b, 10, 18)}, 1},
		{"the second is asked when the first has decided", []*Attempt{at(a, 0, 10), at(b, 10, 18)}, 0},
		{"both in one log", []*Attempt{at(a, 0, 22), at(a, 10, 18)}, 0},
		{"three seconds after", []*Attempt{at(a, 0, 22), at(b, 3, 18)}, 1},
		{"a copy of the log with a clock that is a little off", []*Attempt{at(a, 0, 22), at(b, 2, 24)}, 0},
		{"a copy that has only the end right", []*Attempt{at(a, 0, 22), at(b, 4, 22)}, 0},
		{
			"one has no end, as where a log was cut off",
			[]*Attempt{{Product: "azure-mfa-radius", User: "CORP\\hana", Verdict: Abandoned, Time: sampleTime, Lines: a}, at(b, 10, 18)},
			0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := findFailovers(tt.attempts); len(got) != tt.want {
				t.Errorf("%d found; want %d", len(got), tt.want)
			}
		})
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
func TestPromptCausesAreFastCampaign(t *testing.T) {
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
			tooSlow(t, "%s took %s for %d attempts", c.ID, took, n)
		}
	}
}
