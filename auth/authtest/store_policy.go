package authtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

func mustRange(t *testing.T, text string) auth.Range {
	t.Helper()
	r, err := auth.ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testRule(t *testing.T, name string, place int64) auth.Rule {
	t.Helper()
	hours, err := auth.ParseHours("mon-fri 08:00-18:00 Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return auth.Rule{
		ID: "id-" + name, Name: name, Place: place, Created: Epoch,
		Match: auth.Match{
			Applications: []string{"vpn"}, Clients: []string{"nas"}, Groups: []string{"staff"},
			Sources: []auth.Range{mustRange(t, "192.0.2.0/24"), mustRange(t, "2001:db8::1-2001:db8::5")},
			Methods: []string{"oath"}, Times: []auth.Hours{hours},
		},
		Then: auth.Then{
			Need: auth.NeedPrimary, Methods: []string{"recovery", "oath"}, Unenrolled: auth.UnenrolledEnrol,
			ChallengeLife: 3 * time.Minute, Wait: 7 * time.Second, Attributes: []auth.ReplyAttribute{{Name: "Class", Value: "x"}},
		},
	}
}

func (t *storeTest) rules() {
	var version int64
	order := func(want ...string) {
		t.Helper()
		if v := t.store.Settings().Version; v <= version {
			t.Errorf("settings version went from %d to %d; every change of a rule raises it", version, v)
		}
		for range 2 {
			version = t.store.Settings().Version
			var got []string
			for i, r := range t.store.Settings().Rules {
				got = append(got, r.Name)
				if r.Place != int64(i+1) {
					t.Errorf("rule %s has place %d, want %d: places have no gaps", r.Name, r.Place, i+1)
				}
				rule := testRule(t.T, strings.TrimSuffix(r.Name, "2"), r.Place)
				rule.Name = r.Name
				if !reflect.DeepEqual(r, rule) {
					t.Errorf("rule = %+v\nwant   %+v", r, rule)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("rules = %v, want %v", got, want)
			}
			t.reopen()
		}
	}
	add := func(name string, place int64) {
		t.Helper()
		t.apply(admin.AddRule{Rule: testRule(t.T, name, place)})
	}
	move := func(name string, place int64) {
		t.Helper()
		t.apply(admin.UpdateRule{Name: name, Update: func(r *auth.Rule) error { r.Place = place; return nil }})
	}
	add("a", 0)
	add("b", 99)
	add("c", 1)
	add("d", 2)
	order("c", "d", "a", "b")
	move("c", 3)
	order("d", "a", "c", "b")
	move("b", 1)
	order("b", "d", "a", "c")
	move("b", -5)
	order("d", "a", "c", "b")
	move("a", 2)
	order("d", "a", "c", "b")
	t.apply(admin.UpdateRule{Name: "a", Update: func(r *auth.Rule) error { r.Name = "a2"; return nil }})
	order("d", "a2", "c", "b")
	t.apply(admin.RemoveRule{Name: "d"}, admin.RemoveRule{Name: "c"})
	order("a2", "b")
	for _, tt := range []struct {
		name   string
		change admin.Change
		want   error
	}{
		{"a taken name", admin.AddRule{Rule: func() auth.Rule { r := testRule(t.T, "x", 1); r.Name = "b"; return r }()}, admin.ErrExists},
		{"a taken ID", admin.AddRule{Rule: func() auth.Rule { r := testRule(t.T, "b", 1); r.Name = "x"; return r }()}, admin.ErrExists},
		{"the name of what decides where no rule does", admin.AddRule{Rule: testRule(t.T, auth.Strictest, 1)}, admin.ErrExists},
		{"a rename to a taken name", admin.UpdateRule{Name: "a2", Update: func(r *auth.Rule) error { r.Name = "b"; return nil }}, admin.ErrExists},
		{"a missing rule", admin.UpdateRule{Name: "c", Update: func(*auth.Rule) error { return nil }}, admin.ErrNotFound},
		{"a missing rule removed", admin.RemoveRule{Name: "c"}, admin.ErrNotFound},
		{"another ID", admin.UpdateRule{Name: "b", Update: func(r *auth.Rule) error { r.ID = "other"; return nil }}, nil},
		{"no name", admin.AddRule{Rule: auth.Rule{ID: "x"}}, nil},
	} {
		err := t.try(admin.AddRule{Rule: testRule(t.T, "undone", 1)}, tt.change)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("Apply with %s = %v, want an error (%v)", tt.name, err, tt.want)
		}
	}
	version--
	order("a2", "b")
	t.account("alice")
	f := t.snapshot("alice")
	move("b", 1)
	t.refused(settle(f, auth.OATHCodeVerified), "the rules have moved since the facts were read")
}

func (t *storeTest) exemptions() {
	trusted := auth.TrustedIP{ID: "t1", Application: "vpn", Range: mustRange(t.T, "192.0.2.0/24"), Note: "office", Created: Epoch}
	other := auth.TrustedIP{ID: "t2", Application: "web", Range: mustRange(t.T, "192.0.2.0/24"), Created: Epoch}
	cache := auth.CacheRule{ID: "r1", Application: "vpn", Type: auth.CacheUserAddress, Life: time.Minute, Created: Epoch}
	second := auth.CacheRule{ID: "r2", Application: "web", Type: auth.CacheUser, Life: time.Hour, Created: Epoch}
	version := t.store.Settings().Version
	t.apply(admin.AddTrustedIP{TrustedIP: trusted}, admin.AddTrustedIP{TrustedIP: other},
		admin.AddCacheRule{CacheRule: cache}, admin.AddCacheRule{CacheRule: second})
	for range 2 {
		s := t.store.Settings()
		if !reflect.DeepEqual(s.Trusted, []auth.TrustedIP{trusted, other}) || !reflect.DeepEqual(s.CacheRules, []auth.CacheRule{cache, second}) || s.Version <= version {
			t.Fatalf("settings = %+v", s)
		}
		t.reopen()
	}
	trusted.ID, cache.ID = "t3", "r3"
	for _, tt := range []struct {
		change admin.Change
		want   error
	}{
		{admin.AddTrustedIP{TrustedIP: trusted}, admin.ErrExists},
		{admin.AddCacheRule{CacheRule: cache}, admin.ErrExists},
		{admin.RemoveTrustedIP{ID: "t3"}, admin.ErrNotFound},
		{admin.RemoveCacheRule{ID: "r3"}, admin.ErrNotFound},
		{admin.AddTrustedIP{TrustedIP: auth.TrustedIP{ID: "t4", Application: "vpn"}}, nil},
	} {
		if err := t.try(tt.change); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("Apply(%+v) = %v, want an error (%v)", tt.change, err, tt.want)
		}
	}
	t.apply(admin.RemoveTrustedIP{ID: "t1"}, admin.RemoveCacheRule{ID: "r1"})
	if s := t.store.Settings(); !reflect.DeepEqual(s.Trusted, []auth.TrustedIP{other}) || !reflect.DeepEqual(s.CacheRules, []auth.CacheRule{second}) {
		t.Errorf("settings = %+v", s)
	}
}

func (t *storeTest) verify() admin.Chain {
	t.Helper()
	chain, err := t.store.Verify(context.Background(), nil)
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	return chain
}

// login commits an event of its own time for alice.
func (t *storeTest) login(i int) auth.Event {
	t.Helper()
	s := spending(t.snapshot("alice"), int64(i))
	s.Event.Time = Epoch.Add(time.Duration(i) * time.Minute)
	if i%7 == 3 {
		s.Event.Outcome = auth.UserNotFound
	}
	s.Event.Seq = t.commit(s)
	return s.Event
}

func (t *storeTest) chain() {
	if c := t.verify(); !reflect.DeepEqual(c, admin.Chain{}) {
		t.Errorf("Verify without events = %+v, want nothing", c)
	}
	if h, err := t.store.Head(context.Background()); err != nil || !reflect.DeepEqual(h, admin.Link{}) {
		t.Errorf("Head without events = %+v, %v", h, err)
	}
	t.account("alice")
	var heads []admin.Link
	const n = 30
	for i := range n {
		e := t.login(i)
		h, err := t.store.Head(context.Background())
		if err != nil || h.Seq != e.Seq || len(h.Hash) != 32 {
			t.Fatalf("Head after event %d = %+v, %v", e.Seq, h, err)
		}
		heads = append(heads, h)
		if i%10 == 9 {
			t.reopen()
		}
	}
	var wg sync.WaitGroup // rows of many events
	for i := range 200 {
		wg.Go(func() {
			_, err := t.store.Commit(context.Background(), auth.Settlement{Event: auth.Event{Time: Epoch, Count: i + 1, Mark: auth.NoMark}})
			if err != nil {
				t.Errorf("Commit = %v", err)
			}
		})
	}
	wg.Wait()
	for range 2 {
		i := 0
		chain, err := t.store.Verify(context.Background(), func(l admin.Link) {
			if i < n && !reflect.DeepEqual(l, heads[i]) {
				t.Errorf("Verify gives the link %+v, want the head of then, %+v", l, heads[i])
			}
			i++
		})
		head, headErr := t.store.Head(context.Background())
		if err != nil || headErr != nil || chain.Broken != "" || chain.First != 1 || chain.Last != n+200 ||
			!reflect.DeepEqual(chain.Head, head) || chain.Before != 0 || i < n+200/64 {
			t.Fatalf("Verify = %+v, %v after %d links; head %+v, %v", chain, err, i, head, headErr)
		}
		t.reopen()
	}
	if t.under.Mutate == nil {
		return
	}
	for _, tt := range []struct {
		name, text, undo string
		where            string
	}{
		{
			"changed", `UPDATE event SET body = REPLACE(body, '"p":7', '"p":8') WHERE last = 8`,
			`UPDATE event SET body = REPLACE(body, '"p":8', '"p":7') WHERE last = 8`, "8",
		},
		{"cut out", `UPDATE event SET last = last + 100000, first = first + 100000 WHERE last = 8`, `UPDATE event SET last = 8, first = 8 WHERE last = 100008`, "8"},
		{"without hash", `UPDATE event SET hash = NULL WHERE last = 8`, "", "8"},
	} {
		t.under.Mutate(t.T, tt.text)
		c := t.verify()
		if c.Broken == "" || !strings.Contains(c.Broken, tt.where) || c.Last != 7 || !reflect.DeepEqual(c.Head, heads[6]) {
			t.Errorf("Verify of events of which one was %s = %+v; want to be told that it is event %s, and the last good link", tt.name, c, tt.where)
		}
		if tt.undo == "" {
			continue
		}
		t.under.Mutate(t.T, tt.undo)
		if c := t.verify(); c.Broken != "" {
			t.Fatalf("Verify = %s after the change was undone", c.Broken)
		}
	}
}

func (t *storeTest) retain() {
	ctx := context.Background()
	t.account("alice")
	var all []auth.Event
	for i := range 40 {
		all = append(all, t.login(i))
	}
	left := func(cut uint64) {
		t.Helper()
		for range 2 {
			c := t.verify()
			if c.Broken != "" || c.First != cut+1 || c.Last != uint64(len(all)) || c.Cut.Seq != cut || len(c.Cut.Hash) != 32 {
				t.Fatalf("Verify after events up to %d were deleted = %+v", cut, c)
			}
			for _, f := range []admin.EventFilter{
				{},
				{Subject: "id-alice"},
				{Outcome: auth.UserNotFound},
				{After: 2, Limit: 3},
				{Newest: true, Limit: 3, Subject: "id-alice"},
				{Since: Epoch},
				{Since: Epoch.Add(15 * time.Minute), Subject: "id-alice"},
			} {
				var kept []auth.Event
				for _, e := range all {
					if e.Seq > cut {
						kept = append(kept, e)
					}
				}
				if got, want := seqs(t.list(f)), seqs(filter(kept, f)); !reflect.DeepEqual(got, want) {
					t.Errorf("Events(%+v) = %v, want %v", f, got, want)
				}
			}
			if _, err := t.store.Event(ctx, cut); !errors.Is(err, admin.ErrNotFound) {
				t.Errorf("Event of a number that was deleted = %v, want ErrNotFound", err)
			}
			if m := markOf(t.snapshot("alice"), "oath-alice"); m != int64(len(all)-1) {
				t.Fatalf("mark = %d, want %d: what is spent stays spent when its event is deleted", m, len(all)-1)
			}
			t.reopen()
		}
	}
	act := admin.Act{Time: Epoch.Add(time.Hour), Actor: "test", Action: "events.retain", Detail: "30 days"}
	cut := func(before time.Time, want uint64) {
		t.Helper()
		acts := t.actCount()
		n, err := t.store.Retain(ctx, act, before)
		if err != nil || n != want {
			t.Fatalf("Retain = %d, %v; want %d", n, err, want)
		}
		if got := t.actCount() - acts; got != min(int(want), 1) {
			t.Errorf("%d acts were recorded for %d events deleted; one is", got, want)
		}
	}
	cut(Epoch, 0)
	if err := t.store.SetCursor(ctx, "syslog", 5); err != nil {
		t.Fatal(err)
	}
	if err := t.store.SetCursor(ctx, "webhook", 30); err != nil {
		t.Fatal(err)
	}
	cut(Epoch.Add(10*time.Minute), 5) // up to the smallest cursor
	left(5)
	if err := t.store.SetCursor(ctx, "syslog", 30); err != nil {
		t.Fatal(err)
	}
	cut(Epoch.Add(10*time.Minute), 5)
	left(10)
	cut(Epoch.Add(10*time.Minute), 0)
	cut(Epoch.Add(1000*time.Hour), 20)
	left(30)
	for _, exporter := range []string{"syslog", "webhook"} {
		if err := t.store.SetCursor(ctx, exporter, 40); err != nil {
			t.Fatal(err)
		}
	}
	cut(Epoch.Add(1000*time.Hour), 9) // the newest stays: the numbers go on from it
	left(39)
	all = append(all, t.login(40))
	left(39)
}

func (t *storeTest) cursors() {
	ctx := context.Background()
	at := func(exporter string, want uint64) {
		t.Helper()
		if got, err := t.store.Cursor(ctx, exporter); err != nil || got != want {
			t.Errorf("Cursor of %s = %d, %v; want %d", exporter, got, err, want)
		}
	}
	at("syslog", 0)
	for _, tt := range []struct{ set, want uint64 }{{7, 7}, {5, 7}, {8, 8}, {0, 8}} {
		if err := t.store.SetCursor(ctx, "syslog", tt.set); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			at("syslog", tt.want)
			at("webhook", 0)
			t.reopen()
		}
	}
}

func (t *storeTest) leases() {
	ctx := context.Background()
	for i, tt := range []struct {
		work, holder string
		now, until   int
		want         bool
	}{
		{"export", "one", 0, 10, true},
		{"export", "two", 5, 15, false},
		{"export", "one", 5, 20, true}, // renewed
		{"export", "two", 12, 30, false},
		{"retain", "two", 12, 30, true}, // other work
		{"export", "two", 20, 30, true}, // the other has let it go
		{"export", "one", 25, 40, false},
		{"export", "two", 26, 26, true}, // given back
		{"export", "one", 26, 40, true},
	} {
		held, err := t.store.Lease(ctx, tt.work, tt.holder, Epoch.Add(time.Duration(tt.now)*time.Second), Epoch.Add(time.Duration(tt.until)*time.Second))
		if err != nil || held != tt.want {
			t.Errorf("%d: Lease(%s, %s, %d, %d) = %t, %v; want %t", i, tt.work, tt.holder, tt.now, tt.until, held, err, tt.want)
		}
		if i%3 == 2 {
			t.reopen()
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	holders := 0
	for i := range 32 {
		wg.Go(func() {
			held, err := t.store.Lease(ctx, "race", fmt.Sprint(i), Epoch, Epoch.Add(time.Minute))
			if err != nil {
				t.Errorf("Lease = %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if held {
				holders++
			}
		})
	}
	wg.Wait()
	if holders != 1 {
		t.Errorf("%d of 32 hold one lease", holders)
	}
}

func (t *storeTest) readings() {
	ctx := context.Background()
	one := admin.Reading{Client: "nas", Node: "one", Time: Epoch, Body: []byte(`{"n":1}`)}
	two := admin.Reading{Client: "nas", Node: "two", Time: Epoch.Add(time.Second), Body: []byte(`{"n":2}`)}
	other := admin.Reading{Client: "wifi", Node: "one", Time: Epoch, Body: []byte(`{"n":3}`)}
	for _, r := range []admin.Reading{other, {Client: "nas", Node: "one", Time: Epoch, Body: []byte(`{}`)}, two, one} {
		if err := t.store.SaveReading(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got, err := t.store.Readings(ctx); err != nil || !reflect.DeepEqual(got, []admin.Reading{one, two, other}) {
			t.Errorf("Readings = %+v, %v; want the newest of each client and node", got, err)
		}
		t.reopen()
	}
}

func (t *storeTest) nodes() {
	list, err := t.store.Nodes(context.Background())
	if err != nil || len(list) != 1 || list[0].Name != t.under.Node || list[0].Version == "" {
		t.Errorf("Nodes = %+v, %v; want this one, %q, with its version", list, err, t.under.Node)
	}
	t.reopen()
	if again, err := t.store.Nodes(context.Background()); err != nil || len(again) != 1 || again[0].Since.Before(list[0].Since) {
		t.Errorf("Nodes after a restart = %+v, %v; want the same one", again, err)
	}
}
