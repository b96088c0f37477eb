package admin

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/patience"
)

// A ledger is a Store of settings, events and readings; other methods are not
// asked for here.
type ledger struct {
	Store
	settings auth.Settings
	events   []auth.Event
	readings []Reading
	acts     []Act
}

func (l *ledger) Settings() *auth.Settings {
	s := l.settings
	return s.Index()
}

func (l *ledger) Events(_ context.Context, f EventFilter) ([]auth.Event, error) {
	var found []auth.Event
	for _, ev := range l.events {
		if ev.Seq > f.After && !ev.Time.Before(f.Since) && len(found) < f.Limit {
			found = append(found, ev)
		}
	}
	return found, nil
}

func (l *ledger) Event(_ context.Context, seq uint64) (auth.Event, error) {
	for _, ev := range l.events {
		if ev.Seq == seq {
			return ev, nil
		}
	}
	return auth.Event{}, ErrNotFound
}

func (l *ledger) Readings(context.Context) ([]Reading, error) { return l.readings, nil }

func (l *ledger) Apply(_ context.Context, act Act, changes ...Change) error {
	for _, c := range changes {
		switch c := c.(type) {
		case AddCacheRule:
			l.settings.CacheRules = append(l.settings.CacheRules, c.CacheRule)
		case RemoveCacheRule:
			l.settings.CacheRules = slices.DeleteFunc(slices.Clone(l.settings.CacheRules), func(r auth.CacheRule) bool { return r.ID == c.ID })
		default:
			return fmt.Errorf("%T is not asked for here", c)
		}
	}
	l.acts = append(l.acts, act)
	return nil
}

// A kind is a factor of which only the description counts.
type kind struct {
	auth.Factor
	info auth.Info
}

func (k kind) Info() auth.Info { return k.info }

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// A diary writes events as the engine does.
type diary struct {
	t     *testing.T
	store *ledger
	admin *Admin
}

func newDiary(t *testing.T) *diary {
	client := func(name string, origin auth.OriginRule) auth.Client {
		return auth.Client{Name: name, Door: "radius", Application: "vpn", Origin: origin}
	}
	l := &ledger{settings: auth.Settings{Version: 1, Clients: []auth.Client{client("gateway", auth.OriginCalling), client("broker", auth.OriginCalling), client("proxy", auth.OriginNone)}}}
	return &diary{t, l, &Admin{
		Store: l, References: auth.NewReferences([]byte("key")), Now: func() time.Time { return noon.Add(24 * time.Hour) },
		Factors: []auth.Factor{
			kind{info: auth.Info{Name: "password", Category: auth.Know}},
			kind{info: auth.Info{Name: "oath", Category: auth.Have, Verified: auth.OATHCodeVerified}},
			kind{info: auth.Info{Name: "recovery", Category: auth.Have, Verified: auth.RecoveryCodeVerified}},
		},
	}}
}

func (d *diary) write(at float64, ev auth.Event) *auth.Event {
	ev.Seq, ev.Time, ev.Count = uint64(len(d.store.events)+1), noon.Add(time.Duration(at*float64(time.Second))), 1
	ev.Door = "radius"
	if ev.Application == "" {
		ev.Application = "vpn"
	}
	if ev.Subject == "" {
		ev.Subject, ev.Account = "id-alice", "alice"
	}
	d.store.events = append(d.store.events, ev)
	return &d.store.events[len(d.store.events)-1]
}

func (d *diary) asked(at float64, client, from string) {
	d.write(at, auth.Event{Client: client, From: from, Verdict: auth.Challenge, Outcome: auth.OATHCodePending})
}

func (d *diary) accepted(at float64, client, from string) *auth.Event {
	return d.write(at, auth.Event{Client: client, From: from, Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Factor: "oath", Request: fmt.Sprint("request ", len(d.store.events))})
}

func (d *diary) findings() []Finding {
	d.t.Helper()
	f, err := d.admin.Findings(d.t.Context(), noon.Add(-time.Hour), noon.Add(24*time.Hour))
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// ids lists the findings and how often each struck.
func (d *diary) ids() string {
	d.t.Helper()
	var list []string
	for _, f := range d.findings() {
		list = append(list, fmt.Sprintf("%s %d", f.ID, f.Count))
	}
	return strings.Join(list, ", ")
}

// The reported case (MSExchangeGuru, "Azure MFA: Twice MFA for MAC Users",
// 2017): a Mac RDP client logs in twice, 37 seconds apart, and the person is
// asked twice. There is one finding, with the rule that would have spared the
// second, and it is silent once that is made.
func TestMacRDPLogsInTwice(t *testing.T) {
	d := newDiary(t)
	const home = "198.51.100.7"
	d.asked(0, "gateway", home)
	d.accepted(5, "gateway", home)
	d.asked(34, "gateway", home)
	d.accepted(42, "gateway", home)

	list := d.findings()
	if len(list) != 1 {
		t.Fatalf("findings: %s; want one", d.ids())
	}
	f := list[0]
	if f.ID != "double-prompt/vpn" || f.Count != 1 || f.Application != "vpn" || !f.First.Equal(noon.Add(42*time.Second)) {
		t.Errorf("%+v", f)
	}
	if len(f.Examples) != 1 || f.Examples[0].Account != "alice" || f.Examples[0].What != "two genuine logins 37 seconds apart, both prompted" {
		t.Fatalf("examples %+v", f.Examples)
	}
	logins := f.Examples[0].Logins
	if len(logins) != 2 || logins[0].Reference != string(d.admin.References.Of(2)) || logins[1].Reference != string(d.admin.References.Of(4)) ||
		logins[0].From != home || logins[1].Client != "gateway" || logins[1].Time.Sub(logins[0].Time) != 37*time.Second {
		t.Errorf("logins %+v", logins)
	}
	if want := CacheCommand("vpn", auth.CacheUserAddress, time.Minute); f.Command != want {
		t.Errorf("command %q; want %q", f.Command, want)
	}

	done, err := d.admin.ApplyFinding(t.Context(), Operator("uid 0"), f.ID, noon.Add(-time.Hour), noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	rules := d.store.settings.CacheRules
	if len(rules) != 1 || rules[0].Application != "vpn" || rules[0].Type != auth.CacheUserAddress || rules[0].Life != time.Minute || rules[0].ID == "" {
		t.Errorf("rules %+v", rules)
	}
	if act := d.store.acts[0]; act.Action != "cache.add" || act.Actor != "uid 0" || !strings.Contains(act.Detail, "double-prompt/vpn") || done.Done == "" {
		t.Errorf("act %+v, done %q", act, done.Done)
	}
	if got := d.ids(); got != "" {
		t.Errorf("with its rule made the finding is still there: %s", got)
	}
	_, err = d.admin.ApplyFinding(t.Context(), Operator("uid 0"), f.ID, noon.Add(-time.Hour), noon.Add(24*time.Hour))
	if err == nil || !strings.Contains(err.Error(), "no finding") {
		t.Errorf("applied twice: %v", err)
	}
}

// Two accepts in short order that are no double prompt.
func TestWhatIsNoDoublePrompt(t *testing.T) {
	const home = "198.51.100.7"
	tests := []struct {
		name  string
		write func(d *diary)
		want  string
	}{
		{"one login, its challenge sent again", func(d *diary) {
			d.asked(0, "gateway", home)
			d.asked(5, "gateway", home)
			d.accepted(9, "gateway", home)
		}, ""},
		{"the second joined the first", func(d *diary) {
			first := d.accepted(0, "gateway", home)
			d.accepted(0.1, "broker", home).Joined = first.Seq
		}, ""},
		{"the second was spared by a cache", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.write(37, auth.Event{Client: "gateway", From: home, Verdict: auth.Accept, Outcome: auth.UsedCacheIP})
		}, ""},
		{"the second needed a password only", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.write(37, auth.Event{Client: "gateway", From: home, Verdict: auth.Accept, Outcome: auth.SkippedCall, Factor: "password"})
		}, ""},
		{"one request, judged at two nodes", func(d *diary) {
			first := d.accepted(0, "gateway", home)
			d.accepted(6, "gateway", home).Request = first.Request
		}, ""},
		{"the second was refused", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.write(37, auth.Event{Client: "gateway", From: home, Verdict: auth.Reject, Outcome: auth.OATHCodeIncorrect, Factor: "oath"})
		}, ""},
		{"another application", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.accepted(37, "gateway", home).Application = "mail"
		}, ""},
		{"console and portal, which nothing spares", func(d *diary) {
			for _, client := range []string{auth.ConsoleClient, auth.PortalClient} {
				d.accepted(0, client, home).Application = client
				d.accepted(37, client, home).Application = client
			}
		}, ""},
		{"another person", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.accepted(37, "gateway", home).Subject = "id-bob"
		}, ""},
		{"121 seconds apart", func(d *diary) {
			d.accepted(0, "gateway", home)
			d.accepted(121, "gateway", home)
		}, ""},
		{"asked twice at the same moment", func(d *diary) {
			d.asked(0, "gateway", "")
			d.asked(1, "broker", "")
			d.accepted(8, "gateway", "")
			d.accepted(14, "broker", "")
		}, "parallel-prompt/vpn 1"},
		{"a recovery code is a second factor too", func(d *diary) {
			d.accepted(0, "gateway", home)
			ev := d.accepted(100, "gateway", home)
			ev.Factor, ev.Outcome = "recovery", auth.RecoveryCodeVerified
		}, "double-prompt/vpn 1"},
		{"committed in the other order", func(d *diary) {
			d.accepted(37, "gateway", home)
			d.accepted(0, "gateway", home)
		}, "double-prompt/vpn 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDiary(t)
			tt.write(d)
			if got := d.ids(); got != tt.want {
				t.Errorf("findings %q; want %q", got, tt.want)
			}
		})
	}
}

// The rule is as narrow and short as does for nearly all.
func TestAdvisedRule(t *testing.T) {
	pairs := func(gap float64, n int, first, second [2]string) func(*diary) {
		return func(d *diary) {
			for i := range n {
				at := float64(i) * 1000
				d.accepted(at, first[0], first[1])
				d.accepted(at+gap, second[0], second[1])
			}
		}
	}
	home, away := [2]string{"gateway", "198.51.100.7"}, [2]string{"gateway", "203.0.113.9"}
	homePort := [2]string{"broker", "[::ffff:198.51.100.7]:443"}
	unknown, mac, unbelieved := [2]string{"gateway", ""}, [2]string{"gateway", "00-11-22-33-44-55"}, [2]string{"proxy", "198.51.100.7"}
	tests := []struct {
		name  string
		write func(*diary)
		typ   auth.CacheType
		life  time.Duration
		words string
	}{
		{"same address, 59 s", pairs(59, 3, home, home), auth.CacheUserAddress, time.Minute, "same person, application and address"},
		{"same address, 60 s", pairs(60, 3, home, home), auth.CacheUserAddress, 2 * time.Minute, "same person"},
		{"same address, 120 s", pairs(120, 3, home, home), auth.CacheUserAddress, 5 * time.Minute, "same person"},
		{"same address, written otherwise by another client", pairs(37, 3, home, homePort), auth.CacheUserAddress, time.Minute, "same person"},
		{"other address", pairs(37, 3, home, away), auth.CacheUserApplication, time.Minute, "In 3 of 3 cases the two came from different addresses"},
		{"no address", pairs(37, 3, unknown, unknown), auth.CacheUserApplication, time.Minute, "not known"},
		{"the same MAC address", pairs(37, 3, mac, mac), auth.CacheUserApplication, time.Minute, "not known"},
		{"a client that is not believed", pairs(37, 3, unbelieved, unbelieved), auth.CacheUserApplication, time.Minute, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDiary(t)
			tt.write(d)
			list := d.findings()
			if len(list) != 1 || list[0].Count != 3 {
				t.Fatalf("findings: %s", d.ids())
			}
			f := list[0]
			if want := CacheCommand("vpn", tt.typ, tt.life); f.Command != want || !strings.Contains(f.Advice, tt.words) {
				t.Errorf("command %q, advice %q; want %q and %q", f.Command, f.Advice, want, tt.words)
			}
		})
	}
	t.Run("a few that are further apart do not stretch the rule, nor nag afterwards", func(t *testing.T) {
		d := newDiary(t)
		pairs(37, 10, home, home)(d)
		d.accepted(20_000, "gateway", home[1])
		d.accepted(20_100, "gateway", home[1])
		if f := d.findings(); len(f) != 1 || f[0].Count != 11 || f[0].rule.Life != time.Minute {
			t.Fatalf("%+v", f)
		}
		d.store.settings.CacheRules = []auth.CacheRule{{ID: "1", Application: "vpn", Type: auth.CacheUserAddress, Life: time.Minute}}
		if got := d.ids(); got != "" {
			t.Errorf("findings %q with the rule made", got)
		}
	})
	t.Run("a rule that does not spare them is replaced by a longer one", func(t *testing.T) {
		d := newDiary(t)
		pairs(100, 5, home, home)(d)
		d.store.settings.CacheRules = []auth.CacheRule{{ID: "short", Application: "vpn", Type: auth.CacheUserAddress, Life: 30 * time.Second}}
		f := d.findings()
		if len(f) != 1 || f[0].Command != "sallyport findings apply double-prompt/vpn" || !strings.Contains(f[0].Advice, "in the place of") && !strings.Contains(f[0].Advice, "takes the place of") {
			t.Fatalf("%+v", f)
		}
		if _, err := d.admin.ApplyFinding(t.Context(), Operator("uid 0"), f[0].ID, noon, noon.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if r := d.store.settings.CacheRules; len(r) != 1 || r[0].Life != 2*time.Minute {
			t.Errorf("rules %+v", r)
		}
		if got := d.ids(); got != "" {
			t.Errorf("findings %q with the rule made", got)
		}
	})
	t.Run("a rule on the address does not spare those without one", func(t *testing.T) {
		d := newDiary(t)
		pairs(37, 2, unknown, unknown)(d)
		d.store.settings.CacheRules = []auth.CacheRule{
			{ID: "1", Application: "vpn", Type: auth.CacheUserAddress, Life: time.Hour},
			{ID: "2", Application: "mail", Type: auth.CacheUser, Life: time.Hour},
		}
		if got := d.ids(); got != "double-prompt/vpn 2" {
			t.Errorf("findings %q", got)
		}
	})
}

// learned makes a reading of a client that gives up after 20 s and whose people
// take as long as told.
func (d *diary) learned(client string, people time.Duration, late ...patience.Exchange) {
	d.t.Helper()
	m := new(patience.Meter)
	for i := range 3 {
		m.Exchange(client, patience.Exchange{Packet: uint64(i + 1), First: noon, Again: []time.Duration{10 * time.Second}, Superseded: time.Minute})
	}
	for range 20 {
		m.Answer(client, people, noon)
	}
	for _, x := range late {
		m.Exchange(client, x)
	}
	body, err := m.Changed(noon.Add(time.Hour))[client].Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	d.store.readings = append(d.store.readings, Reading{Client: client, Node: "node-1", Time: noon.Add(time.Hour), Body: body})
}

// An approval that nobody waited for any more is told as such, in the findings
// and by the reference.
func TestApprovedAfterTheClientHadLeft(t *testing.T) {
	d := newDiary(t)
	slow := d.accepted(0, "gateway", "")
	slow.Took, slow.Joined = 31*time.Second, 9
	superseded := d.accepted(300, "gateway", "")
	superseded.Took = 12 * time.Second
	inTime := d.accepted(600, "gateway", "")
	inTime.Took = 19 * time.Second
	refused := d.write(900, auth.Event{Client: "gateway", Verdict: auth.Reject, Outcome: auth.OATHCodeIncorrect, Took: 31 * time.Second})
	elsewhere := d.accepted(1200, "broker", "")
	elsewhere.Took = 31 * time.Second
	reference := string(d.admin.References.Of(superseded.Seq))
	d.learned("gateway", 5*time.Second, patience.Exchange{Packet: 9, First: noon, Superseded: 8 * time.Second, Answered: 12 * time.Second, Accepted: true, Reference: reference})

	if got := d.ids(); got != "late-approval/gateway 2" {
		t.Fatalf("findings %q", got)
	}
	f := d.findings()[0]
	if len(f.Examples) != 2 || f.Examples[1].What != "approved after the client had left: it gives up after 20 s, this took 31 s" || f.Examples[0].Logins[0].Reference != reference || f.Command != "" {
		t.Errorf("%+v", f)
	}
	if _, err := d.admin.ApplyFinding(t.Context(), Operator("uid 0"), f.ID, noon.Add(-time.Hour), noon.Add(24*time.Hour)); err == nil || !strings.Contains(err.Error(), "not in this server") {
		t.Errorf("applied what cannot be applied here: %v", err)
	}
	for _, tt := range []struct {
		ev   *auth.Event
		want string
	}{
		{slow, "approved after the client had left: it gives up after 20 s, this took 31 s"},
		{superseded, "approved after the client had left: it had begun anew, and this took 12 s"},
		{inTime, ""},
		{refused, ""},
		{elsewhere, ""},
	} {
		why, err := d.admin.Why(t.Context(), string(d.admin.References.Of(tt.ev.Seq)))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(why.Remarks, "; "); got != tt.want {
			t.Errorf("event %d: %q; want %q", tt.ev.Seq, got, tt.want)
		}
	}
}

func TestShortTimeoutIsFound(t *testing.T) {
	d := newDiary(t)
	d.learned("gateway", 23*time.Second)
	d.learned("broker", 5*time.Second)
	d.learned("removed", 23*time.Second)
	d.store.readings = append(d.store.readings, Reading{Client: "gateway", Node: "node-9", Body: []byte("{of a later version")})
	if got := d.ids(); got != "short-timeout/gateway 20" {
		t.Fatalf("findings %q", got)
	}
	if f := d.findings()[0]; !strings.Contains(f.Advice, "gives up after 20 s; 1 in 10 people need 23 s; set its time-out to 60 s") {
		t.Errorf("advice %q", f.Advice)
	}
	v, err := d.admin.Patience(t.Context(), "gateway")
	if err != nil || v.GivesUpMillis != 20_000 || v.P90Millis != 23_000 || v.TimeoutMillis != 60_000 || fmt.Sprint(v.Nodes) != "[node-1]" || len(v.Warnings) != 1 || !v.Updated.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := d.admin.Patience(t.Context(), "proxy"); err != nil || !strings.HasPrefix(v.Advice, "not enough traffic yet: 0 exchanges") {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := d.admin.Patience(t.Context(), "nobody"); err == nil {
		t.Error("a client that does not exist has a patience")
	}
}

// An endless is a Store with that many events, made as they are read.
type endless struct {
	ledger
	n uint64
}

func (e *endless) Events(_ context.Context, f EventFilter) ([]auth.Event, error) {
	var page []auth.Event
	for seq := f.After + 1; seq <= e.n && len(page) < f.Limit; seq++ {
		person := fmt.Sprint("person ", seq/2) // each logs in twice, a millisecond apart
		page = append(page, auth.Event{
			Seq: seq, Time: noon.Add(time.Duration(seq) * time.Millisecond), Count: 1, Subject: person, Account: person,
			Application: "vpn", Client: "gateway", Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Factor: "oath", Request: fmt.Sprint(seq),
		})
	}
	return page, nil
}

// However many events there are, they are not held.
func TestFindingsNeedBoundedMemory(t *testing.T) {
	d := newDiary(t)
	d.admin.Store = &endless{ledger: *d.store, n: 600_000}
	s := &search{admin: d.admin, settings: d.store.Settings(), found: make(map[string]*collection), recent: make(map[recentKey]*recent), second: []string{"oath"}}
	most := 0
	if err := d.admin.eachEvent(t.Context(), noon, noon.Add(24*time.Hour), func(ev *auth.Event) {
		s.look(ev)
		most = max(most, len(s.recent))
	}); err != nil {
		t.Fatal(err)
	}
	if most > maxRecent+1 || most < maxRecent/2 {
		t.Errorf("%d people were remembered at once; at most %d are promised", most, maxRecent)
	}
	list := s.findings()
	if len(list) != 1 || list[0].Count != 299_999 && list[0].Count != 300_000 || len(list[0].Examples) != maxExamples {
		t.Errorf("%+v", list)
	}
	runtime.KeepAlive(s)
}
