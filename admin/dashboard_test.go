package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
)

// TestDashboardCountsEveryEvent compares every sum of a dashboard with the
// events themselves.
func TestDashboardCountsEveryEvent(t *testing.T) {
	var outcomes []auth.Outcome
	for _, m := range auth.Catalogue() {
		outcomes = append(outcomes, m.Outcome)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := &book{}
		a := desk(b)
		hours := rapid.IntRange(1, 72).Draw(t, "hours")
		until := noon.Add(time.Hour)
		since := until.Add(-time.Duration(hours) * time.Hour)
		var inside, accepted, refused, waiting, faults int64
		causes, methods := make(map[string]int64), make(map[string]int64)
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			o := rapid.SampledFrom(outcomes).Draw(t, "outcome")
			m := o.Meaning()
			ev := b.commit(auth.Event{
				Time:        noon.Add(-time.Duration(rapid.IntRange(-59, 80*60).Draw(t, "minutes ago")) * time.Minute),
				Application: rapid.SampledFrom([]string{"", "vpn", "rdp"}).Draw(t, "application"),
				Factor:      rapid.SampledFrom([]string{"", "oath"}).Draw(t, "factor"),
				Outcome:     o, Verdict: m.Verdict, Count: rapid.IntRange(1, 9).Draw(t, "count"),
			})
			if ev.Time.Before(since) || !ev.Time.Before(until) {
				continue
			}
			n := int64(ev.Count)
			inside += n
			switch m.Verdict {
			case auth.Accept:
				accepted += n
				methods[ev.Factor] += n
			case auth.Challenge:
				waiting += n
			case auth.Reject:
				refused += n
				causes[m.Name] += n
			case auth.Unavailable, auth.Ignore:
				faults += n
				causes[m.Name] += n
			}
		}
		d, err := a.Dashboard(context.Background(), hours)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Hours) != hours || !d.Since.Equal(since) || !d.Until.Equal(until) {
			t.Fatalf("%d hours from %v until %v; want %d from %v until %v", len(d.Hours), d.Since, d.Until, hours, since, until)
		}
		var sum HourCount
		for i, h := range d.Hours {
			if want := since.Add(time.Duration(i) * time.Hour); !h.Hour.Equal(want) {
				t.Fatalf("hour %d is %v; want %v", i, h.Hour, want)
			}
			sum.Accepted += h.Accepted
			sum.Refused += h.Refused
			sum.Waiting += h.Waiting
			sum.Faults += h.Faults
		}
		if want := (HourCount{Accepted: accepted, Refused: refused, Waiting: waiting, Faults: faults}); sum != want || accepted+refused+waiting+faults != inside {
			t.Fatalf("the hours add up to %+v; want %+v", sum, want)
		}
		gotCauses, gotMethods := make(map[string]int64), make(map[string]int64)
		for _, c := range d.Causes {
			gotCauses[c.Outcome] += c.Count
		}
		for _, m := range d.Methods {
			gotMethods[m.Factor] += m.Count
		}
		if !maps.Equal(gotCauses, causes) || !maps.Equal(gotMethods, methods) {
			t.Fatalf("causes %v and methods %v; want %v and %v", gotCauses, gotMethods, causes, methods)
		}
		var byApplication ApplicationCount
		for _, p := range d.Applications {
			byApplication.Accepted += p.Accepted
			byApplication.Refused += p.Refused
		}
		if byApplication.Accepted != accepted || byApplication.Refused != refused {
			t.Fatalf("the applications add up to %+v; want %d and %d", byApplication, accepted, refused)
		}
		// The usage report of the same time counts the same.
		q := ReportQuery{Name: "usage", Since: since, Until: until, Limit: 7}
		usage := pages(t, a, q)
		total := make(map[string]int64)
		for _, row := range usage {
			for _, k := range []string{"accepted", "refused", "asked", "unanswered"} {
				var n int64
				if _, err := fmt.Sscan(row[k], &n); err != nil {
					t.Fatal(err)
				}
				total[k] += n
			}
		}
		if want := map[string]int64{"accepted": accepted, "refused": refused, "asked": waiting, "unanswered": faults}; !maps.Equal(total, want) && len(usage) > 0 {
			t.Fatalf("the usage report adds up to %v; want %v", total, want)
		}
	})
}

// pages returns all rows of a report.
func pages(t interface {
	Helper()
	Fatal(args ...any)
}, a *Admin, q ReportQuery,
) []map[string]string {
	t.Helper()
	var all []map[string]string
	for range 200 {
		r, err := a.Report(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Items) > q.Limit && q.Limit != 0 {
			t.Fatal("a page of report", q.Name, "is too long:", len(r.Items))
		}
		all = append(all, r.Items...)
		if q.Cursor = r.Next; q.Cursor == "" {
			return all
		}
	}
	t.Fatal("report", q.Name, "does not end")
	return nil
}

func TestLatency(t *testing.T) {
	var events []auth.Event
	for i := 1; i <= 100; i++ {
		events = append(events, auth.Event{Verdict: auth.Accept, Took: time.Duration(i) * time.Millisecond, Count: 1})
	}
	events = append(events,
		auth.Event{Verdict: auth.Accept, Took: time.Hour, Count: 1, Joined: 4},
		auth.Event{Verdict: auth.Ignore, Took: time.Hour, Count: 1},
		auth.Event{Verdict: auth.Reject, Took: time.Hour, Count: 900})
	if got, want := latencyOf(events), (Latency{50_000, 95_000, 99_000, 100}); got != want {
		t.Errorf("latencyOf(1 to 100 ms) = %+v; want %+v", got, want)
	}
	if got := latencyOf(events[:1]); got != (Latency{1000, 1000, 1000, 1}) {
		t.Errorf("latencyOf(1 ms) = %+v", got)
	}
	if got := latencyOf(nil); got != (Latency{}) {
		t.Errorf("latencyOf(nothing) = %+v", got)
	}
}

// quiet is a book in which nothing needs attention.
func quiet() *book {
	return &book{
		accounts: []auth.Account{
			{ID: "a1", Name: "alice", Enabled: true, Role: Owner, Created: noon.AddDate(-1, 0, 0)},
			{ID: "a2", Name: "bob", Enabled: true, Created: noon.AddDate(-1, 0, 0)},
		},
		holds: map[string][]string{"a1": {"password", "passkey"}, "a2": {"password", "oath"}},
		nodes: []Node{{Name: "n1", Since: noon.Add(-time.Hour), Seen: noon.Add(-time.Minute)}},
	}
}

// What needs attention is told, each thing alone.
func TestAttention(t *testing.T) {
	d, err := desk(quiet()).Dashboard(t.Context(), 24)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Attention) != 0 || len(d.Expiring) != 0 {
		t.Fatalf("with nothing wrong there is %+v, and %+v expires", d.Attention, d.Expiring)
	}
	if want := (AccountTotals{All: 2, Enrolled: 2}); d.Accounts.All != want.All || d.Accounts.Enrolled != want.Enrolled || d.Accounts.Factors["passkey"] != 1 {
		t.Errorf("the accounts are %+v", d.Accounts)
	}
	tests := []struct {
		name  string
		wrong func(*book, *Admin)
		kinds []string
		sev   Severity
		link  string
	}{
		{"the database went back in time just now", func(b *book, _ *Admin) {
			b.set(func(s *auth.Settings) { s.Rewound = noon.Add(-time.Minute) })
		}, []string{"database-rewound"}, Critical, "/console/system"},
		{"it did so yesterday", func(b *book, _ *Admin) {
			b.set(func(s *auth.Settings) { s.Rewound = noon.AddDate(0, 0, -1) })
		}, []string{"database-rewound"}, Warning, "/console/system"},
		{"somebody was somebody else", func(b *book, _ *Admin) {
			b.note(Act{Time: noon.AddDate(0, 0, -3), Action: fraudAction, Subject: "bob", Detail: "7F3K-92QD"})
		}, []string{"fraud"}, Critical, "/console/accounts/bob"},
		{"a passkey's counter went back, twice", func(b *book, _ *Admin) {
			for range 2 {
				b.commit(auth.Event{Time: noon.Add(-time.Hour), Subject: "a2", Account: "bob", Client: "portal", Verdict: auth.Reject, Outcome: auth.PasskeyCopied})
			}
			b.commit(auth.Event{Time: noon.AddDate(0, 0, -8), Subject: "a1", Account: "alice", Client: "portal", Verdict: auth.Reject, Outcome: auth.PasskeyCopied})
		}, []string{"passkey-copied"}, Critical, "/console/accounts/bob"},
		{"an export is behind", func(_ *book, a *Admin) {
			a.LateExports = func(context.Context) ([]LateExport, error) {
				return []LateExport{{Name: "siem", Lag: time.Hour, Why: "connection refused"}}, nil
			}
		}, []string{"export-late"}, Critical, "/console/system"},
		{"a node is missing", func(b *book, _ *Admin) {
			b.nodes = append(b.nodes, Node{Name: "n2", Seen: noon.Add(-time.Hour)}, Node{Name: "gone", Seen: noon.AddDate(0, -1, 0)})
		}, []string{"node-missing"}, Warning, "/console/system"},
		{"somebody is locked out and somebody waits", func(b *book, _ *Admin) {
			b.failed = map[string]auth.Throttle{
				"a1": {Have: auth.Count{Failures: 10}},
				"a2": {Know: auth.Count{Failures: 6, Until: noon.Add(time.Minute)}},
			}
		}, []string{"account-stopped", "accounts-waiting"}, Warning, "/console/accounts/alice"},
		{"somebody has waited long enough", func(b *book, _ *Admin) {
			b.failed = map[string]auth.Throttle{"a2": {Know: auth.Count{Failures: 6, Until: noon}}}
		}, nil, "", ""},
		{"an owner has no passkey", func(b *book, _ *Admin) { b.holds["a1"] = []string{"password", "oath"} }, []string{"role-without-passkey"}, Info, "/console/accounts/alice"},
		{"a network is trusted", func(b *book, _ *Admin) {
			r, err := auth.ParseRange("192.0.2.0/24")
			if err != nil {
				t.Fatal(err)
			}
			b.set(func(s *auth.Settings) { s.Trusted = []auth.TrustedIP{{ID: "t", Application: "rdp", Range: r}} })
		}, []string{"exemptions"}, Info, "/console/exemptions"},
		{"a client need not sign", func(b *book, _ *Admin) {
			b.set(func(s *auth.Settings) { s.Clients[0].LaxMessageAuthenticator = true })
		}, []string{"client-lax", "exemptions"}, Warning, "/console/clients/fw1"},
		{"a certificate ends in two weeks", func(_ *book, a *Admin) {
			a.Certificates = func() []Certificate {
				return []Certificate{{Listener: "https", Subject: "mfa.example.org", Until: noon.AddDate(0, 0, 14)}}
			}
		}, []string{"certificate"}, Warning, "/console/system"},
		{"a certificate has ended", func(_ *book, a *Admin) {
			a.Certificates = func() []Certificate { return []Certificate{{Listener: "https", Until: noon.Add(-time.Hour)}} }
		}, []string{"certificate"}, Critical, "/console/system"},
		{"an API key ends in five days", func(b *book, _ *Admin) { b.keys = []Key{{Name: "wiki", Expires: noon.AddDate(0, 0, 5)}} }, []string{"api-key"}, Warning, "/console/api-keys"},
		{"an API key ends next year", func(b *book, _ *Admin) { b.keys = []Key{{Name: "wiki", Expires: noon.AddDate(1, 0, 0)}} }, nil, "", ""},
		{"a secret is being changed for a month", func(b *book, _ *Admin) {
			b.set(func(s *auth.Settings) { s.Clients[1].Secrets = append(s.Clients[1].Secrets, auth.Secret("y")) })
			b.note(Act{Time: noon.AddDate(0, -1, 0), Action: "client.rotate", Subject: "fw2"})
			b.note(Act{Time: noon.AddDate(0, -1, 0), Action: "client.rotate-finish", Subject: "fw2"})
		}, []string{"rotation"}, Warning, "/console/clients/fw2"},
		{"people are asked twice", func(b *book, _ *Admin) {
			for i := range 3 {
				b.commit(auth.Event{
					Time: noon.Add(-time.Hour + time.Duration(i)*10*time.Second), Subject: "a2", Account: "bob", Application: "vpn", Client: "fw1",
					Factor: "oath", Verdict: auth.Accept, Outcome: auth.OATHCodeVerified,
				})
			}
		}, []string{doublePrompt}, Warning, "/console/findings"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := quiet()
			a := desk(b)
			tt.wrong(b, a)
			d, err := a.Dashboard(t.Context(), 24)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, item := range d.Attention {
				kinds = append(kinds, item.Kind)
				if item.Title == "" || item.Link == "" || item.Detail == "" {
					t.Errorf("an item says too little: %+v", item)
				}
			}
			if !slices.Equal(kinds, tt.kinds) {
				t.Fatalf("the dashboard shows %q; want %q", kinds, tt.kinds)
			}
			if len(kinds) > 0 && (d.Attention[0].Severity != tt.sev || d.Attention[0].Link != tt.link) {
				t.Errorf("it is %s and leads to %s; want %s and %s", d.Attention[0].Severity, d.Attention[0].Link, tt.sev, tt.link)
			}
		})
	}
}

// However much there is to look at, a dashboard stays short, and says how much
// it leaves out.
func TestAttentionIsBounded(t *testing.T) {
	b := quiet()
	b.failed = make(map[string]auth.Throttle)
	for i := range 300 {
		id := fmt.Sprintf("x%d", i)
		b.accounts = append(b.accounts, auth.Account{ID: id, Name: fmt.Sprintf("user%03d", i), Enabled: true})
		b.failed[id] = auth.Throttle{Have: auth.Count{Failures: 10}}
	}
	d, err := desk(b).Dashboard(t.Context(), 24)
	if err != nil {
		t.Fatal(err)
	}
	last := d.Attention[len(d.Attention)-1]
	if len(d.Attention) != maxAlike+1 || last.Kind != "accounts-stopped" || last.Count != 300-maxAlike || !strings.HasPrefix(last.Title, "295 more") {
		t.Errorf("there are %d items, the last of them %+v", len(d.Attention), last)
	}
}

// The events are not read again for each look at a dashboard.
func TestDashboardKeepsWhatItReads(t *testing.T) {
	b := quiet()
	a := desk(b)
	now := noon
	a.Now = func() time.Time { return now }
	b.commit(auth.Event{Time: noon, Verdict: auth.Accept, Took: time.Millisecond, Count: 1})
	look := func() Dashboard {
		t.Helper()
		d, err := a.Dashboard(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	look()
	reads := b.reads
	if look(); b.reads != reads {
		t.Error("a second look reads the events again")
	}
	now = now.Add(attentionLife)
	if d := look(); b.reads == reads || d.TookOf != 1 {
		t.Error("after a minute they are not read again")
	}
	if _, err := a.Dashboard(t.Context(), 0); err == nil {
		t.Error("a dashboard of no hours is shown")
	}
}

func TestExpiring(t *testing.T) {
	b := quiet()
	a := desk(b)
	b.accounts[1].Blocked, b.accounts[1].BlockReason, b.accounts[1].BlockedUntil = true, "left", noon.Add(5*time.Hour)
	b.keys = []Key{{Name: "wiki", Expires: noon.Add(4 * time.Hour)}, {Name: "for ever"}}
	b.open = []Ceremony{
		{ID: "1", Kind: CeremonyInvitation, Account: "a2", Note: "by alice", Expires: noon.Add(2 * time.Hour)},
		{ID: "2", Kind: CeremonyInvitation, Account: "removed", Expires: noon.Add(2 * time.Hour)},
		{ID: "3", Kind: CeremonyInvitation, Account: "a2", Expires: noon},
	}
	b.bypasses = []auth.Bypass{{Account: "a1", Name: "alice", From: noon, Until: noon.Add(time.Hour), Reason: "new phone", Actor: "bob"}, {Account: "a2", Name: "bob", Until: noon.Add(-time.Hour)}}
	b.set(func(s *auth.Settings) { s.Clients[0].Secrets = append(s.Clients[0].Secrets, auth.Secret("y")) })
	b.note(Act{Time: noon.Add(-time.Hour), Action: "client.rotate", Subject: "fw1"})
	a.Certificates = func() []Certificate { return []Certificate{{"https", "mfa.example.org", noon.Add(3 * time.Hour)}} }
	list, err := a.Expiring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%+d %s %s", int(e.At.Sub(noon)/time.Hour), e.What, e.Name))
	}
	want := []string{"-1 rotation fw1", "+1 bypass alice", "+2 invitation bob", "+3 certificate https", "+4 api-key wiki", "+5 block bob"}
	if !slices.Equal(got, want) {
		t.Errorf("the calendar is %q; want %q", got, want)
	}
}

func TestReports(t *testing.T) {
	b := quiet()
	a := desk(b)
	b.accounts = append(b.accounts, auth.Account{ID: "a3", Name: "carol", Enabled: true, Groups: []string{"staff"}, Created: noon})
	b.holds["a3"] = []string{"password", "recovery"}
	b.failed = map[string]auth.Throttle{"a3": {Have: auth.Count{Failures: 10}}, "a2": {Have: auth.Count{Failures: 5, Until: noon.Add(time.Minute)}}}
	b.keys = []Key{{Name: "wiki", Expires: noon.AddDate(0, 1, 0)}}
	for i, o := range []auth.Outcome{auth.OATHCodeVerified, auth.BypassedAuth, auth.TrustedAddress, auth.PasswordWrong, auth.SkippedCall} {
		b.commit(auth.Event{
			Time: noon.Add(time.Duration(i-100) * time.Minute), Account: "bob", Subject: "a2", Application: "vpn", Client: "fw1", Outcome: o, Verdict: o.Meaning().Verdict,
			Trace: []auth.Step{{Stage: auth.StagePolicy, OK: true, Note: "rule day"}, {Stage: auth.StagePolicy, OK: true, Note: "spared by " + o.String()}, {Stage: auth.StageVerdict, OK: true}},
		})
	}
	for _, action := range []string{"account.block", "account.blocked-otherwise", "account.unblock", fraudAction} {
		b.note(Act{Time: noon.Add(-time.Hour), Action: action, Subject: "bob", Actor: "alice", Detail: "because"})
	}
	want := map[string][]string{ // one column of each row
		"usage":      {"fw1"},
		"bypassed":   {"-100", "-104", "7"},
		"blocked":    {fraudAction, "account.unblock", "account.block"},
		"fraud":      {"bob"},
		"unenrolled": {"carol"},
		"expiring":   {"wiki"},
		"locked":     {"carol", "bob"},
	}
	column := map[string]string{"usage": "client", "bypassed": "outcome", "blocked": "action", "fraud": "account", "unenrolled": "account", "expiring": "name", "locked": "account"}
	for i, number := range want["bypassed"] {
		o, err := parseOutcome(number)
		if err != nil {
			t.Fatal(err)
		}
		want["bypassed"][i] = o.String()
	}
	for _, name := range Reports() {
		for _, limit := range []int{1, 2, 50} {
			q := ReportQuery{Name: name, Limit: limit, Until: noon.Add(time.Hour)}
			var got []string
			for _, row := range pages(t, a, q) {
				got = append(got, row[column[name]])
			}
			if !slices.Equal(got, want[name]) {
				t.Errorf("report %s in pages of %d has %q; want %q", name, limit, got, want[name])
			}
		}
		r, err := a.Report(t.Context(), ReportQuery{Name: name, Until: noon.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Items {
			for key := range row {
				if name != "fraud" && !slices.ContainsFunc(r.Columns, func(c Column) bool { return c.Key == key }) {
					t.Errorf("report %s has a cell %q of no column", name, key)
				}
			}
		}
	}
	if r, err := a.Report(t.Context(), ReportQuery{Name: "bypassed"}); err != nil || r.Items[0]["detail"] != "spared by "+auth.SkippedCall.String() {
		t.Errorf("the report does not say what spared the second factor: %v, %v", r.Items, err)
	}
	for _, q := range []ReportQuery{
		{Name: "usage", Since: noon, Until: noon},
		{Name: "usage", Since: noon.AddDate(-2, 0, 0), Until: noon},
		{Name: "usage", Limit: 1001},
		{Name: "usage", Cursor: "!"},
		{Name: "blocked", Cursor: "!"},
		{Name: "bypassed", Cursor: "!"},
	} {
		_, err := a.Report(t.Context(), q)
		kindOf(t, err, ErrInvalid)
	}
	_, err := a.Report(t.Context(), ReportQuery{Name: "everything"})
	kindOf(t, err, ErrNotFound)
}

// Pages of what spared the second factor hold each such login once, whatever
// their size and however few rows the store reads at a time.
func TestBypassedReportPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &book{budget: rapid.IntRange(0, 9).Draw(t, "budget")}
		a := desk(b)
		var want []string
		for range rapid.IntRange(0, 50).Draw(t, "events") {
			o := rapid.SampledFrom([]auth.Outcome{auth.OATHCodeVerified, auth.BypassedAuth, auth.TrustedAddress, auth.UsedCacheIP, auth.PasswordWrong}).Draw(t, "outcome")
			ev := b.commit(auth.Event{Time: noon.Add(-time.Hour), Outcome: o, Verdict: o.Meaning().Verdict})
			if slices.Contains(exempted, o) {
				want = append(want, string(a.References.Of(ev.Seq)))
			}
		}
		slices.Reverse(want)
		var got []string
		for _, row := range pages(t, a, ReportQuery{Name: "bypassed", Limit: rapid.IntRange(1, 12).Draw(t, "limit")}) {
			got = append(got, row["reference"])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the pages hold %v; want %v", got, want)
		}
	})
}

// FuzzCSV checks that any cells are read again as they were by a reader of
// RFC 4180, but for an apostrophe before those that a spreadsheet would take for
// a formula, and that there are none of these left.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"=HYPERLINK(\"http://x\")", "+1", "-104", "@SUM(A1)", "\tx", "\rx", "a,b", "a\"b", "a\r\nb", "a\nb", "", " =1", "'=1", "\uff1d1"} {
		f.Add(s, "plain")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		r := Report{
			Columns: []Column{{"a", "=Label", "text"}, {"b", "B", "text"}, {"c", "C", "text"}},
			Items:   []map[string]string{{"a": first, "b": second}, {"b": first, "a": second, "c": "x"}},
		}
		var text bytes.Buffer
		if err := r.WriteCSV(&text, true); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(text.Bytes())).ReadAll()
		if err != nil {
			t.Fatalf("%q is no CSV: %v", text.String(), err)
		}
		want := [][]string{{"'=Label", "B", "C"}, {first, second, ""}, {second, first, "x"}}
		if len(rows) != len(want) {
			t.Fatalf("%d rows; want %d: %q", len(rows), len(want), text.String())
		}
		for i, row := range rows {
			if len(row) != 3 {
				t.Fatalf("row %d has %d cells", i, len(row))
			}
			for j, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("cell %q begins like a formula", cell)
				}
				// The reader turns CR LF within quotes into LF.
				plain := strings.ReplaceAll(want[i][j], "\r\n", "\n")
				if cell != plain && cell != "'"+plain {
					t.Errorf("cell %q was %q", cell, want[i][j])
				}
			}
		}
	})
}

func TestSystem(t *testing.T) {
	b := quiet()
	a := desk(b)
	a.Configuration = func() []SettingView {
		return []SettingView{{"https.address", ":443", "where browsers and programs come"}}
	}
	b.nodes = append(b.nodes, Node{Name: "n2", Seen: noon.Add(-time.Hour)})
	b.commit(auth.Event{})
	b.set(func(s *auth.Settings) { s.Clients[0].LaxMessageAuthenticator, s.Rewound = true, noon })
	v, err := a.System(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Nodes) != 2 || v.Nodes[0].Missing || !v.Nodes[1].Missing || v.Exemptions != 1 || v.Events != 1 || v.Accounts != 2 ||
		len(v.Settings) != 1 || v.Rewound == nil || !v.Rewound.Equal(noon) {
		text, _ := json.Marshal(v)
		t.Errorf("the system is %s", text)
	}
}
