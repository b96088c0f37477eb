package store

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
)

// onBoth runs a test on a store of each kind. reopen ends it and opens it again.
func onBoth(t *testing.T, test func(t *testing.T, s authtest.FullStore, reopen func() authtest.FullStore)) {
	t.Run("sqlite", func(t *testing.T) {
		r := newRig(t, Options{})
		test(t, r.store, func() authtest.FullStore { return r.reopen(t) })
	})
	t.Run("postgres", func(t *testing.T) {
		r := newPostgresRig(t, PostgresOptions{})
		test(t, r.store, func() authtest.FullStore { return r.reopen(t) })
	})
}

var (
	searchDoors    = []string{"radius", "https"}
	searchClients  = []string{"nas", "wiki", "nas\u2028\"2\"", ""}
	searchSubjects = []string{"id-alice", "id-bob", "id-bo", "?x", "", `id-"u":"id-bob"`}
	searchOutcomes = []auth.Outcome{
		auth.OATHCodeVerified, auth.OATHCodeIncorrect, auth.UserNotFound, auth.StoreUnavailable, auth.ClientUnknown, 0, 7777,
	}
	searchFactors = []string{"oath", "webauthn", "", "password"}
)

// searchEvent is the i-th event of a long record: mostly of alice, now and then
// of others, and rarely of a kind that is rare. A clock is set back every day.
func searchEvent(i int) auth.Event {
	pick := func(n, of int) int { return int(uint32(i*2654435761+n*40503)>>8) % of }
	outcome := searchOutcomes[pick(1, 3)]
	if i%977 == 0 {
		outcome = searchOutcomes[3+pick(2, len(searchOutcomes)-3)]
	}
	subject := "id-alice"
	if pick(3, 5) == 0 {
		subject = searchSubjects[pick(4, len(searchSubjects))]
	}
	if i%1500 == 7 {
		subject = "id-rare"
	}
	client := searchClients[pick(5, len(searchClients))]
	application := map[string]string{"nas": "vpn", "wiki": "wiki"}[client]
	e := auth.Event{
		Time: epoch.Add(time.Duration(i)*3*time.Second - time.Duration(i/9000)*90*time.Minute),
		Door: searchDoors[pick(6, 2)], Client: client, Application: application, Subject: subject, Account: subject,
		Outcome: outcome, Verdict: auth.Verdict(pick(7, 4)), Factor: searchFactors[pick(8, len(searchFactors))],
		Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(pick(9, 200))}), uint16(1024+pick(10, 9000))),
		Mark:   auth.NoMark, Count: 1 + pick(11, 3),
		Trace: []auth.Step{{Stage: auth.StageFactor, OK: i%2 == 0, Note: `"o":5,"v":1,"a":"vpn"`}},
	}
	switch pick(12, 3) {
	case 0:
		e.From = "00-1A-2B-3C-4D-" + strconv.Itoa(10+pick(13, 80))
	case 1:
		e.From = "2001:DB8::" + strconv.Itoa(pick(14, 50))
	}
	if pick(15, 4) == 0 {
		e.Rule = "night shift"
	}
	if i%61 == 0 {
		e.Source = netip.AddrPort{}
	}
	return e
}

// record commits events first to first+n and returns all there are, by number.
func record(tb testing.TB, s authtest.FullStore, first, n int) []auth.Event {
	tb.Helper()
	all := make([]auth.Event, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				e := searchEvent(first + i)
				seq, err := s.Commit(context.Background(), auth.Settlement{Event: e})
				if err != nil {
					tb.Error(err)
					return
				}
				e.Seq = seq
				all[i] = e
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b auth.Event) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return all
}

// found reports by plain comparison whether a search is for an event.
func found(q *admin.EventSearch, e *auth.Event) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	m := e.Outcome.Meaning()
	address := ""
	if e.Source.IsValid() {
		address = e.Source.Addr().String()
	}
	part := strings.ToLower(q.Source) // of ASCII here
	return (q.Before == 0 || e.Seq < q.Before) && e.Seq > q.After && (q.Since.IsZero() || !e.Time.Before(q.Since)) &&
		(q.Until.IsZero() || e.Time.Before(q.Until)) && is(q.Subject, e.Subject) && (q.Outcome == 0 || q.Outcome == e.Outcome) &&
		is(q.Application, e.Application) && is(q.Client, e.Client) && is(q.Door, e.Door) && is(q.Factor, e.Factor) && is(q.Rule, e.Rule) &&
		(strings.Contains(address, part) || strings.Contains(strings.ToLower(e.From), part)) &&
		(len(q.Verdicts) == 0 || slices.Contains(q.Verdicts, e.Verdict)) &&
		(q.Stage == "" || m.Stage == q.Stage) && (!q.AtFault || m.AtFault)
}

// drawSearch draws a search; most fields are left as they are.
func drawSearch(t *rapid.T, all []auth.Event) admin.EventSearch {
	some := func(list ...string) string {
		if rapid.IntRange(0, 3).Draw(t, "asked for") > 0 {
			return ""
		}
		return rapid.SampledFrom(list).Draw(t, "value")
	}
	at := func() time.Time {
		if rapid.IntRange(0, 3).Draw(t, "bound") > 0 {
			return time.Time{}
		}
		e := rapid.SampledFrom(all).Draw(t, "event")
		return e.Time.Add(rapid.SampledFrom([]time.Duration{0, 1000, -1000, time.Hour, -1000 * time.Hour, 1000 * time.Hour}).Draw(t, "beside it"))
	}
	q := admin.EventSearch{
		Since: at(), Until: at(),
		Subject:     some(append(searchSubjects, "id-rare", "id-none")...),
		Application: some("vpn", "wiki", "none"), Client: some(searchClients...), Door: some(searchDoors...),
		Factor: some(searchFactors...), Rule: some("night shift", "night"),
		Source: some("192.0.2.1", "2.17", "1a-2b", "db8::4", `"`, "1024", "none"),
		Limit:  rapid.SampledFrom([]int{1, 7, 50, 1000}).Draw(t, "limit"),
		Budget: rapid.SampledFrom([]int{0, 0, 1, 3, 40}).Draw(t, "budget"),
	}
	if rapid.IntRange(0, 2).Draw(t, "outcome") == 0 {
		q.Outcome = rapid.SampledFrom(append(searchOutcomes, auth.HardStopped)).Draw(t, "outcome")
	}
	if rapid.IntRange(0, 4).Draw(t, "stage") == 0 {
		q.Stage = rapid.SampledFrom([]auth.Stage{auth.StageFactor, auth.StageVerdict, auth.StageReply}).Draw(t, "stage")
	}
	q.AtFault = rapid.IntRange(0, 4).Draw(t, "at fault") == 0
	if rapid.IntRange(0, 3).Draw(t, "verdicts") == 0 {
		q.Verdicts = rapid.SliceOfN(rapid.SampledFrom([]auth.Verdict{0, 1, 2, 3}), 1, 3).Draw(t, "verdicts")
	}
	number := func(label string) uint64 {
		if rapid.IntRange(0, 2).Draw(t, label) > 0 {
			return 0
		}
		return rapid.Uint64Range(1, uint64(len(all)+2)).Draw(t, label)
	}
	q.Before, q.After = number("before"), number("after")
	return q
}

// checkSearch walks through the pages of a search and compares with all events.
func checkSearch(t *rapid.T, s authtest.FullStore, q admin.EventSearch, all []auth.Event) {
	asked := q
	var want []uint64
	for i := len(all) - 1; i >= 0; i-- {
		if found(&asked, &all[i]) {
			want = append(want, all[i].Seq)
		}
	}
	byNumber := func(seq uint64) auth.Event {
		i, ok := slices.BinarySearchFunc(all, seq, func(e auth.Event, seq uint64) int { return int(int64(e.Seq) - int64(seq)) })
		if !ok {
			t.Fatalf("event %d was never there", seq)
		}
		return all[i]
	}
	var got []uint64
	const pages = 20
	for page := 1; ; page++ {
		p, err := s.SearchEvents(context.Background(), q)
		if err != nil {
			t.Fatalf("SearchEvents(%+v) = %v", q, err)
		}
		if len(p.Events) > q.Limit {
			t.Fatalf("a page of %d events has %d", q.Limit, len(p.Events))
		}
		for _, e := range p.Events {
			if w := byNumber(e.Seq); e.Outcome != w.Outcome || !e.Time.Equal(w.Time) || e.Subject != w.Subject || len(e.Trace) != 1 {
				t.Fatalf("event %d = %+v, want %+v", e.Seq, e, w)
			}
			if e.Seq < p.Next {
				t.Fatalf("the page ends at %d and holds %d", p.Next, e.Seq)
			}
			got = append(got, e.Seq)
		}
		if p.Next == 0 {
			if !p.Back.IsZero() {
				t.Fatalf("a search that is at its end has looked back to %v", p.Back)
			}
			break
		}
		if !p.Back.Equal(byNumber(p.Next).Time) {
			t.Fatalf("the search has looked back to %v; event %d is of %v", p.Back, p.Next, byNumber(p.Next).Time)
		}
		if q.Before != 0 && p.Next >= q.Before {
			t.Fatalf("page %d ends at %d, where the one before it did: a search must go on", page, p.Next)
		}
		if page == pages { // what has been looked at so far
			want = slices.DeleteFunc(want, func(seq uint64) bool { return seq < p.Next })
			break
		}
		q.Before = p.Next
	}
	if !slices.Equal(got, want) {
		t.Fatalf("SearchEvents(%+v) found %d events %v..., want %d %v...", asked, len(got), got[:min(len(got), 20)], len(want), want[:min(len(want), 20)])
	}
}

// TestSearchEvents compares searches with a plain look at all events, in a record
// of several segments.
func TestSearchEvents(t *testing.T) {
	const n = segment + 3000
	onBoth(t, func(t *testing.T, s authtest.FullStore, reopen func() authtest.FullStore) {
		all := record(t, s, 0, n)
		check := func() {
			t.Helper()
			rapid.Check(t, func(r *rapid.T) { checkSearch(r, s, drawSearch(r, all), all) })
			checkTallies(t, s, all)
		}
		check()
		s = reopen()
		more := record(t, s, n, 500)
		all = append(all, more...)
		check()

		// Deleted events are not found, and stay counted.
		counted := all
		cursor := all[n/3].Seq
		if err := s.SetCursor(context.Background(), "test", cursor); err != nil {
			t.Fatal(err)
		}
		deleted, err := s.Retain(context.Background(), admin.Act{Time: epoch, Action: "events.retain"}, epoch.Add(10000*time.Hour))
		if err != nil || deleted == 0 {
			t.Fatalf("Retain = %d, %v", deleted, err)
		}
		all = all[deleted:]
		rapid.Check(t, func(r *rapid.T) { checkSearch(r, s, drawSearch(r, all), all) })
		checkTallies(t, s, counted)
		s = reopen()
		checkTallies(t, s, counted)
	})
}

// tallyAll counts events one by one.
func tallyAll(all []auth.Event, since, until time.Time) map[admin.Tally]int64 {
	counts := make(map[admin.Tally]int64)
	for i := range all {
		e := &all[i]
		hour := e.Time.UTC().Truncate(time.Hour)
		if !since.IsZero() && hour.Before(since.Truncate(time.Hour)) || !until.IsZero() && !hour.Before(until) {
			continue
		}
		counts[admin.Tally{Hour: hour, Application: e.Application, Client: e.Client, Outcome: e.Outcome, Factor: e.Factor}]++
	}
	return counts
}

// checkTallies compares tallies with a count over the events.
func checkTallies(t testing.TB, s authtest.FullStore, all []auth.Event) {
	t.Helper()
	for _, tt := range [][2]time.Time{
		{},
		{epoch.Add(5 * time.Hour), time.Time{}},
		{{}, epoch.Add(5 * time.Hour)},
		{epoch.Add(5*time.Hour + time.Minute), epoch.Add(9*time.Hour + time.Second)},
		{epoch.Add(20 * time.Hour), epoch.Add(20 * time.Hour)},
		{epoch.Add(1e6 * time.Hour), time.Time{}},
	} {
		list, err := s.Tallies(context.Background(), tt[0], tt[1])
		if err != nil {
			t.Fatal(err)
		}
		want := tallyAll(all, tt[0], tt[1])
		got := make(map[admin.Tally]int64)
		for i, tally := range list {
			n := tally.Count
			tally.Count = 0
			if got[tally] != 0 {
				t.Errorf("%+v is told twice", tally)
			}
			got[tally] = n
			if n != want[tally] {
				t.Errorf("Tallies(%v, %v): %d of %+v, want %d", tt[0], tt[1], n, tally, want[tally])
			}
			if i > 0 && tally.Hour.Before(list[i-1].Hour) {
				t.Errorf("hour %v stands behind %v", tally.Hour, list[i-1].Hour)
			}
		}
		if len(got) != len(want) {
			t.Errorf("Tallies(%v, %v) has %d kinds, want %d", tt[0], tt[1], len(got), len(want))
		}
	}
}

// TestFailedTally fails each write of a fold in turn: no event is left out of the
// tally or counted twice.
func TestFailedTally(t *testing.T) {
	r := newRig(t, Options{})
	var all []auth.Event
	for n := 1; n <= 12; n++ {
		all = append(all, record(t, r.store, 200*n, 150)...)
		fired := r.faults.failWrite(n)
		quiet(t, r.store)
		fired()
		r.faults.failWrite(0)
		checkTallies(t, r.store, all)
		if n%4 == 0 {
			r.reopen(t)
			checkTallies(t, r.store, all)
		}
	}
}

// TestTallyTexts counts what a column of text cannot hold.
func TestTallyTexts(t *testing.T) {
	onBoth(t, func(t *testing.T, s authtest.FullStore, reopen func() authtest.FullStore) {
		for range 3 {
			for _, client := range []string{"a\x00b", "\xff\xfe", "\uFFFD\uFFFD", "ok"} {
				st := auth.Settlement{Event: auth.Event{Time: epoch, Client: client, Outcome: auth.ClientUnknown, Count: 1, Mark: auth.NoMark}}
				if _, err := s.Commit(context.Background(), st); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			list, err := s.Tallies(context.Background(), time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]int64)
			for _, tally := range list {
				got[tally.Client] += tally.Count
			}
			if len(got) != 3 || got["a\uFFFDb"] != 3 || got["\uFFFD\uFFFD"] != 6 || got["ok"] != 3 {
				t.Errorf("tallies by client = %v", got)
			}
			s = reopen()
		}
	})
}

// TestSearchActs compares searches with a plain look at all acts.
func TestSearchActs(t *testing.T) {
	onBoth(t, func(t *testing.T, s authtest.FullStore, _ func() authtest.FullStore) {
		actors := []string{"Olga", "olga", "uid 0 over the admin socket", "50%", "a_b", "Übel", ""}
		actions := []string{"rule.add", "rule.change", "ruler", "Rule.add", "account.role", "ü.x"}
		subjects := []string{"alice", "Alice", "vpn", ""}
		var all []admin.Act
		for i := range 200 {
			a := admin.Act{
				Seq: uint64(i + 1), Time: epoch.Add(time.Duration(i) * time.Minute), Actor: actors[i*7%len(actors)],
				Action: actions[i*5%len(actions)], Subject: subjects[i*3%len(subjects)], Detail: strconv.Itoa(i), After: `{"a":1}`,
			}
			if err := s.Apply(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			all = append(all, a)
		}
		rapid.Check(t, func(t *rapid.T) {
			some := func(list ...string) string {
				return rapid.SampledFrom(append([]string{"", "", ""}, list...)).Draw(t, "text")
			}
			q := admin.ActSearch{
				Before: rapid.SampledFrom([]uint64{0, 1, 50, 150, 999}).Draw(t, "before"),
				Actor:  some("OLG", "0%", "%", "_", `\`, "uid 0", "Übel", "none"), Action: some("rule.", "rule", "ü.", "RULE", "none"),
				Subject: some("alice", "vpn", "none"), Limit: rapid.SampledFrom([]int{0, 1, 10}).Draw(t, "limit"),
			}
			at := func() time.Time {
				return rapid.SampledFrom([]time.Time{{}, {}, epoch, epoch.Add(100 * time.Minute), epoch.Add(150*time.Minute + 1000)}).Draw(t, "at")
			}
			q.Since, q.Until = at(), at()
			var want []admin.Act
			for _, a := range slices.Backward(all) {
				if (q.Before == 0 || a.Seq < q.Before) && (q.Since.IsZero() || !a.Time.Before(q.Since)) && (q.Until.IsZero() || a.Time.Before(q.Until)) &&
					strings.Contains(lower(a.Actor), lower(q.Actor)) && strings.HasPrefix(a.Action, q.Action) &&
					(q.Subject == "" || a.Subject == q.Subject) && (q.Limit == 0 || len(want) < q.Limit) {
					want = append(want, a)
				}
			}
			got, err := s.SearchActs(context.Background(), q)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("SearchActs(%+v) = %+v, %v; want %+v", q, got, err, want)
			}
		})
	})
}

// plainOn is a settlement on facts that is no more than its event.
func plainOn(f auth.Facts) auth.Settlement {
	return auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
		Event: auth.Event{Time: epoch, Subject: f.Subject, Outcome: auth.PasswordWrong, Count: 1, Mark: auth.NoMark},
	}
}

// TestSearchAccounts compares searches with a plain look at all accounts.
func TestSearchAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, s authtest.FullStore, _ func() authtest.FullStore) {
		ctx := context.Background()
		apply := func(changes ...admin.Change) {
			t.Helper()
			if err := s.Apply(ctx, admin.Act{Time: epoch, Action: "test"}, changes...); err != nil {
				t.Fatal(err)
			}
		}
		apply(admin.AddRole{Role: admin.Role{Name: "desk"}})
		parts := []string{"a", "b", "%", "_", `\`, "ü", `"`, ",", "'", "ab", "A"}
		groups := []string{"staff", "Staff", `a"b`, "x_y", "xzy", ","}
		factors := []string{"password", "oath", "recovery", "webauthn"}
		held := make(map[string][]string)
		failures := make(map[string]int)
		var all []auth.Account
		for i := range 120 {
			name := parts[i%len(parts)] + parts[i*7/3%len(parts)] + strconv.Itoa(i)
			a := auth.Account{
				ID: fmt.Sprint("id-", i), Name: name, Enabled: i%4 != 0, Created: epoch,
				Role: []string{"", "", "", "desk", admin.Owner}[i*3%5],
			}
			for j := range i % 3 {
				a.Aliases = append(a.Aliases, parts[(i+j*5)%len(parts)]+"alias"+strconv.Itoa(i)+strconv.Itoa(j))
			}
			for j := range i % 4 {
				a.Groups = append(a.Groups, groups[(i+j)%len(groups)])
			}
			if i%5 == 0 {
				a.Blocked, a.BlockedUntil = true, []time.Time{{}, epoch, epoch.Add(time.Hour)}[i/5%3]
			}
			apply(admin.AddAccount{Account: a})
			for j, factor := range factors {
				if i>>j&1 == 1 {
					for n := range 1 + i%2 {
						apply(admin.AddAuthenticator{Authenticator: auth.Authenticator{
							ID: fmt.Sprint(a.ID, "-", factor, n), Account: a.ID, Factor: factor, State: auth.Secret("state of " + a.ID), Mark: auth.NoMark,
						}})
					}
					held[a.ID] = append(held[a.ID], factor)
				}
			}
			slices.Sort(held[a.ID])
			if n := i % 7; n > 0 {
				st := plainOn(mustSnapshot(t, s, auth.Query{Names: []string{name}, Unknown: "?x"}))
				st.Throttle = &auth.Throttle{Know: auth.Count{Failures: n}, Have: auth.Count{Failures: i % 3, Until: epoch.Add(time.Hour)}}
				commitOn(t, s, st)
				failures[a.ID] = max(n, i%3)
			}
			all = append(all, a)
		}
		unknown := plainOn(mustSnapshot(t, s, auth.Query{Names: []string{"nobody"}, Unknown: "?nobody"}))
		unknown.Throttle = &auth.Throttle{Know: auth.Count{Failures: 99}}
		commitOn(t, s, unknown)
		slices.SortFunc(all, func(a, b auth.Account) int { return strings.Compare(a.Name, b.Name) })

		rapid.Check(t, func(t *rapid.T) {
			some := func(list ...string) string {
				return rapid.SampledFrom(append([]string{"", "", ""}, list...)).Draw(t, "text")
			}
			q := admin.AccountSearch{
				After: some(all[30].Name, all[100].Name, "zzz"), Part: some(append(parts, "alias", "1", "none")...),
				Group: some(append(groups, "none", "%")...), Role: some("*", "desk", admin.Owner, "none"),
				Blocked: rapid.IntRange(0, 3).Draw(t, "blocked") == 0, Off: rapid.IntRange(0, 3).Draw(t, "off") == 0,
				Without: rapid.IntRange(0, 2).Draw(t, "without") == 0, Second: factors[1:rapid.IntRange(1, 4).Draw(t, "second")],
				Now:   rapid.SampledFrom([]time.Time{epoch.Add(-time.Hour), epoch, epoch.Add(time.Minute), epoch.Add(2 * time.Hour)}).Draw(t, "now"),
				Limit: rapid.SampledFrom([]int{0, 1, 3, 50}).Draw(t, "limit"),
			}
			var want []string
			for i := range all {
				a := &all[i]
				match := a.Name > q.After && (strings.Contains(a.Name, q.Part) ||
					slices.ContainsFunc(a.Aliases, func(n string) bool { return strings.Contains(n, q.Part) })) &&
					(q.Group == "" || slices.Contains(a.Groups, q.Group)) && (q.Role == "" || q.Role == a.Role || q.Role == "*" && a.Role != "") &&
					(!q.Blocked || a.BlockedAt(q.Now)) && (!q.Off || !a.Enabled) &&
					(!q.Without || !slices.ContainsFunc(q.Second, func(f string) bool { return slices.Contains(held[a.ID], f) })) &&
					(q.Limit == 0 || len(want) < q.Limit)
				if match {
					want = append(want, a.Name)
				}
			}
			list, err := s.SearchAccounts(ctx, q)
			var got []string
			for _, a := range list {
				got = append(got, a.Name)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("SearchAccounts(%+v) = %q, %v; want %q", q, got, err, want)
			}
		})

		var ids []string
		want := admin.AccountCounts{Factors: make(map[string]int64)}
		for _, a := range all {
			ids = append(ids, a.ID)
			want.All++
			if !a.Enabled {
				want.Disabled++
			}
			if a.BlockedAt(epoch.Add(time.Minute)) {
				want.Blocked++
			}
			second := false
			for _, f := range held[a.ID] {
				want.Factors[f]++
				second = second || f != "password"
			}
			if second {
				want.Second++
			}
		}
		if got, err := s.CountAccounts(ctx, epoch.Add(time.Minute)); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("CountAccounts = %+v, %v; want %+v", got, err, want)
		}
		got, err := s.Holds(ctx, append(ids, "id-none", ids[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range append(ids, "id-none") {
			if !slices.Equal(got[id], held[id]) {
				t.Errorf("Holds(%s) = %v, want %v", id, got[id], held[id])
			}
		}
		if got, err := s.Holds(ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("Holds of nobody = %v, %v", got, err)
		}
		for _, least := range []int{1, 4, 100} {
			n := 0
			for _, f := range failures {
				if f >= least {
					n++
				}
			}
			list, err := s.Throttled(ctx, least, 1000)
			if err != nil || len(list) != n {
				t.Errorf("Throttled(%d) has %d, %v; want %d", least, len(list), err, n)
			}
			last := 1 << 30
			for _, th := range list {
				f := max(th.Throttle.Know.Failures, th.Throttle.Have.Failures)
				if f != failures[th.Account.ID] || f > last {
					t.Errorf("Throttled tells %d failures of %s, want %d, after %d", f, th.Account.ID, failures[th.Account.ID], last)
				}
				last = f
			}
			if few, err := s.Throttled(ctx, least, 2); err != nil || len(few) != min(n, 2) {
				t.Errorf("Throttled with limit = %d, %v", len(few), err)
			}
		}
		if a, err := s.OpenAuthenticator(ctx, "id-3-oath0"); err != nil || string(a.State) != "state of id-3" || a.Mark != auth.NoMark || a.Account != "id-3" {
			t.Errorf("OpenAuthenticator = %+v (%q), %v", a, []byte(a.State), err)
		}
	})
}

// benchEvents is how many events the benchmarks of searches have.
func benchEvents(b *testing.B) int {
	if n, err := strconv.Atoi(os.Getenv("SALLYPORT_BENCH_EVENTS")); err == nil {
		return n
	}
	return 500_000
}

// BenchmarkSearchEvents is one page of 50, of a record that is long: what is
// frequent, what is rare, and what there is not.
func BenchmarkSearchEvents(b *testing.B) {
	o := Options{Dir: filepath.Join(b.TempDir(), "data"), KEK: newKEK(b)}
	s, err := Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { s.Close() }()
	n := benchEvents(b)
	record(b, s, 0, n)
	if err := s.Close(); err != nil { // which fills the indexes
		b.Fatal(err)
	}
	if s, err = Open(context.Background(), o); err != nil {
		b.Fatal(err)
	}
	middle := searchEvent(n / 2).Time
	for name, q := range map[string]admin.EventSearch{
		"newest":                  {},
		"subject":                 {Subject: "id-alice"},
		"rare-subject":            {Subject: "id-rare"},
		"no-subject":              {Subject: "id-none"},
		"outcome":                 {Outcome: auth.OATHCodeIncorrect},
		"rare-outcome":            {Outcome: auth.StoreUnavailable},
		"no-outcome":              {Outcome: auth.HardStopped},
		"at-fault":                {AtFault: true},
		"client":                  {Client: "wiki"},
		"no-client":               {Client: "none"},
		"no-source":               {Source: "198.51.100.7"},
		"subject-and-client":      {Subject: "id-alice", Client: "none"},
		"until":                   {Until: middle},
		"until-no-client":         {Until: middle, Client: "none"},
		"since-and-until-subject": {Since: middle, Until: middle.Add(time.Hour), Subject: "id-rare"},
	} {
		b.Run(name, func(b *testing.B) {
			q.Limit = 50
			rows := 0
			for b.Loop() {
				page, err := s.SearchEvents(context.Background(), q)
				if err != nil {
					b.Fatal(err)
				}
				rows = len(page.Events)
			}
			b.ReportMetric(float64(rows), "events")
		})
	}
	b.Run("tallies-of-a-week", func(b *testing.B) {
		kinds := 0
		for b.Loop() {
			list, err := s.Tallies(context.Background(), middle, middle.Add(7*24*time.Hour))
			if err != nil {
				b.Fatal(err)
			}
			kinds = len(list)
		}
		b.ReportMetric(float64(kinds), "kinds")
	})
}

// BenchmarkSearchAccounts is one page of 50 of 100,000 accounts.
func BenchmarkSearchAccounts(b *testing.B) {
	const accounts = 100_000
	s := benchStore(b, accounts, Options{})
	for name, q := range map[string]admin.AccountSearch{
		"all":          {},
		"part":         {Part: "99"},
		"no-part":      {Part: "none"},
		"no-group":     {Group: "none"},
		"no-role":      {Role: "*"},
		"blocked":      {Blocked: true},
		"off":          {Off: true},
		"without":      {Without: true, Second: []string{"oath", "webauthn"}},
		"without-none": {Without: true, Second: []string{"none"}},
	} {
		b.Run(name, func(b *testing.B) {
			q.Limit, q.Now = 50, epoch
			for b.Loop() {
				if _, err := s.SearchAccounts(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.CountAccounts(context.Background(), epoch); err != nil {
				b.Fatal(err)
			}
		}
	})
}
