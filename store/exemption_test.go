package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// cache commits a login of account 0 that is remembered under a key.
func cacheLogin(t *testing.T, s *Store, key string, from, until time.Time) {
	t.Helper()
	f := mustSnapshot(t, s, query(0))
	_, err := s.Commit(context.Background(), auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
		Cache: []auth.CacheEntry{{Key: key, From: from, Until: until}},
		Event: auth.Event{Time: from, Subject: f.Subject, Mark: auth.NoMark},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// quiet does what can wait until nothing is left of it.
func quiet(t *testing.T, s *Store) {
	t.Helper()
	err := s.exclusive(context.Background(), func() error {
		for i := 0; s.restless(); i++ {
			if i > 10_000 {
				return errors.New("the background never comes to an end")
			}
			s.background()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func countRows(t *testing.T, r *rig, table string) (n int) {
	t.Helper()
	if err := r.database(t).QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCacheEntriesAreBounded checks that the entries of one subject that end
// first give way, in memory and in the database.
func TestCacheEntriesAreBounded(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	for i := range maxCached + 10 {
		cacheLogin(t, s, fmt.Sprint("k", i), epoch, epoch.Add(time.Hour+time.Duration((i*31)%97)*time.Minute))
	}
	want := func() {
		t.Helper()
		f := mustSnapshot(t, s, query(0))
		if len(f.Cached) != maxCached {
			t.Fatalf("%d cache entries, want %d", len(f.Cached), maxCached)
		}
		if n := countRows(t, r, "cache_entry"); n != maxCached {
			t.Errorf("%d rows, want %d", n, maxCached)
		}
	}
	quiet(t, s)
	want()
	s = r.reopen(t)
	quiet(t, s)
	want()
	// What has expired goes, row and all, and nothing of it is left in memory.
	if _, err := s.Commit(context.Background(), auth.Settlement{Event: auth.Event{Time: epoch.Add(100 * time.Hour), Mark: auth.NoMark}}); err != nil {
		t.Fatal(err)
	}
	quiet(t, s)
	if n := countRows(t, r, "cache_entry"); n != 0 {
		t.Errorf("%d rows of what has expired", n)
	}
	if err := s.exclusive(context.Background(), func() error {
		if len(s.exemptions) != 0 || s.w.cached != 0 || len(s.w.ends) != 0 {
			t.Errorf("%d exemptions, %d entries, %d ends are left in memory", len(s.exemptions), s.w.cached, len(s.w.ends))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestExpiredEntryDoesNotTakeItsSuccessor checks that the row of an entry which
// has expired, still to be removed, is not removed when another of its key has
// come since.
func TestExpiredEntryDoesNotTakeItsSuccessor(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	cacheLogin(t, s, "k", epoch, epoch.Add(time.Minute))
	later := epoch.Add(2 * time.Minute)
	if _, err := s.Commit(context.Background(), auth.Settlement{Event: auth.Event{Time: later, Mark: auth.NoMark}}); err != nil {
		t.Fatal(err)
	}
	cacheLogin(t, s, "k", later, later.Add(time.Minute))
	quiet(t, s)
	for range 2 {
		if f := mustSnapshot(t, s, query(0)); len(f.Cached) != 1 || !f.Cached[0].Until.Equal(later.Add(time.Minute)) {
			t.Errorf("cache entries = %+v, want the new one", f.Cached)
		}
		s = r.reopen(t)
	}
}

// TestPurgedEntriesLeaveNothing checks that entries which are made and purged
// again and again fill no memory.
func TestPurgedEntriesLeaveNothing(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	for i := range 3000 {
		f := mustSnapshot(t, s, query(0))
		_, err := s.Commit(context.Background(), auth.Settlement{
			Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version, Purge: true,
			Cache: []auth.CacheEntry{{Key: fmt.Sprint(i), From: epoch, Until: epoch.Add(time.Hour)}},
			Event: auth.Event{Time: epoch, Subject: f.Subject, Mark: auth.NoMark},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.exclusive(context.Background(), func() error {
		if len(s.w.ends) > 1100 || s.w.cached != 1 {
			t.Errorf("%d ends and %d entries are remembered, want about one", len(s.w.ends), s.w.cached)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, r, "cache_entry"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// TestGivenUpRowsDoNotOutliveAPurge checks that what memory has given up for want
// of room, and whose row is still there, is not brought back by a crash after it
// was purged: a password reset ends a login even then.
func TestGivenUpRowsDoNotOutliveAPurge(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	giveUp := func() {
		t.Helper()
		cacheLogin(t, s, "k", epoch, epoch.Add(time.Hour))
		f := mustSnapshot(t, s, query(0))
		_, err := s.Commit(ctx, auth.Settlement{
			Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version,
			Open:  &auth.OpenChallenge{ID: auth.ChallengeID(fmt.Sprint(f.Version)), Subject: f.Subject, Expires: epoch.Add(time.Hour)},
			Event: auth.Event{Time: epoch, Subject: f.Subject, Mark: auth.NoMark},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.exclusive(ctx, func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.endFirst()
			s.dropOldest()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	giveUp()
	if err := s.Apply(ctx, admin.Act{Time: epoch}, admin.ResetThrottle{Subject: accountID(0)}); err != nil {
		t.Fatal(err)
	}
	if c, x := countRows(t, r, "challenge"), countRows(t, r, "cache_entry"); c != 0 || x != 0 {
		t.Errorf("%d challenges and %d cache entries outlived a change by an administrator", c, x)
	}
	giveUp()
	f := mustSnapshot(t, s, query(0))
	if _, err := s.Commit(ctx, auth.Settlement{
		Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version, Purge: true,
		Event: auth.Event{Time: epoch, Subject: f.Subject, Mark: auth.NoMark},
	}); err != nil {
		t.Fatal(err)
	}
	if x := countRows(t, r, "cache_entry"); x != 0 {
		t.Errorf("%d cache entries outlived a purge", x)
	}
}

// TestLoginsOfOneSubjectAreBounded checks that who opens challenges without end
// pushes out those that are settled first, then the oldest.
func TestLoginsOfOneSubjectAreBounded(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	open := func(id, closes auth.ChallengeID) {
		t.Helper()
		f := mustSnapshot(t, s, query(0))
		_, err := s.Commit(context.Background(), auth.Settlement{
			Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version, Close: closes,
			Open:  &auth.OpenChallenge{ID: id, Subject: f.Subject, Expires: epoch.Add(time.Minute)},
			Event: auth.Event{Time: epoch, Subject: f.Subject, Mark: auth.NoMark},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open("settled", "")
	open("first", "settled")
	for i := range maxLogins {
		open(auth.ChallengeID(fmt.Sprint(i)), "")
	}
	quiet(t, s)
	for range 2 {
		f := mustSnapshot(t, s, query(0))
		if len(f.Logins) != maxLogins || f.Logins[0].ID != "0" {
			t.Errorf("%d logins, the oldest is %s; want %d, the newest", len(f.Logins), f.Logins[0].ID, maxLogins)
		}
		if n := countRows(t, r, "challenge"); n != maxLogins {
			t.Errorf("%d rows, want %d", n, maxLogins)
		}
		s = r.reopen(t)
	}
}

// TestAnswersAreBounded checks that the oldest answers give way, and that one
// that was given twice is the newer.
func TestAnswersAreBounded(t *testing.T) {
	a := newAnswers()
	for i := range maxAnswers + 100 {
		a.keep(int64(i+1), &auth.Event{Time: epoch, Request: fmt.Sprint(i), Subject: "s", Verdict: auth.Accept})
	}
	now := micros(epoch)
	if len(a.by) != maxAnswers || a.find("s", "99", now) != nil || a.find("s", "100", now) == nil {
		t.Errorf("%d answers, want %d, the newest", len(a.by), maxAnswers)
	}
	a.keep(1<<30, &auth.Event{Time: epoch.Add(time.Second), Request: "100", Subject: "s", Verdict: auth.Reject})
	for range 5 {
		a.drop()
	}
	if got := a.find("s", "100", now); got == nil || got.Seq != 1<<30 {
		t.Errorf("answer given again = %+v, want the newer", got)
	}
	if got := a.find("other", "100", now); got != nil {
		t.Errorf("the answer to another subject's request = %+v", got)
	}
	for a.expire(now+answeredLife+1_000_000, 1000) {
	}
	if len(a.by) != 0 || a.head != len(a.queue) {
		t.Errorf("%d answers are left when all are too old", len(a.by))
	}
}

// TestWatchesLeaveNothing checks that watches which nobody waits for any more
// are forgotten, woken or not.
func TestWatchesLeaveNothing(t *testing.T) {
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	_, stopEarly := s.Watch(accountID(0))
	stopEarly()
	moved, stop := s.Watch(accountID(0))
	if _, err := s.Commit(context.Background(), login(mustSnapshot(t, s, query(0)), 1)); err != nil {
		t.Fatal(err)
	}
	<-moved
	_, stopNext := s.Watch(accountID(0)) // a watch of its own, which the first must not end
	stop()
	if len(s.watches) != 1 {
		t.Errorf("%d watches, want the newest", len(s.watches))
	}
	stopNext()
	if len(s.watches) != 0 {
		t.Errorf("%d watches are left", len(s.watches))
	}
	// Names that nobody has move all at once when they are too many.
	moved, stop = s.Watch("?somebody")
	defer stop()
	s.mu.Lock()
	s.forgetUnknowns()
	s.mu.Unlock()
	<-moved
}

// TestMarkRewound checks that after the database was found to have gone back
// nothing is trusted that may have been spent since, until it is used.
func TestMarkRewound(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 3)
	cacheLogin(t, s, "k", epoch, epoch.Add(time.Hour))
	if err := s.Apply(ctx, admin.Act{Time: epoch}, admin.AddBypass{Bypass: auth.Bypass{ID: "b", Account: accountID(0), From: epoch, Until: epoch.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	f := mustSnapshot(t, s, query(0))
	st := login(f, 5)
	st.Open = &auth.OpenChallenge{ID: "c", Subject: f.Subject, Expires: epoch.Add(time.Hour)}
	if _, err := s.Commit(ctx, st); err != nil {
		t.Fatal(err)
	}
	flight := login(mustSnapshot(t, s, query(0)), 6)
	moved, stop := s.Watch(accountID(0))
	defer stop()
	at := epoch.Add(time.Minute)
	if err := s.MarkRewound(ctx, at); err != nil {
		t.Fatal(err)
	}
	<-moved
	if _, err := s.Commit(ctx, flight); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("Commit on what was so before = %v, want ErrConflict", err)
	}
	for range 2 {
		q := query(0)
		q.State = "c"
		f := mustSnapshot(t, s, q)
		if !f.Settings.Rewound.Equal(at) || f.Cached != nil || f.Bypass != nil || f.Challenge != nil || f.Logins != nil ||
			!f.Authenticators[0].Rewound || !f.Authenticators[1].Rewound || f.Authenticators[1].Mark != 5 {
			t.Errorf("facts = %+v, settings %+v", f, f.Settings.Rewound)
		}
		s = r.reopen(t)
	}
	if _, err := s.Commit(ctx, login(mustSnapshot(t, s, query(0)), 7)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if f := mustSnapshot(t, s, query(0)); !f.Authenticators[0].Rewound || f.Authenticators[1].Rewound || f.Authenticators[1].Mark != 7 {
			t.Errorf("after a login: %+v; only what was used is known again", f.Authenticators)
		}
		if f := mustSnapshot(t, s, query(1)); !f.Authenticators[1].Rewound {
			t.Error("the login of another has cleared it")
		}
		s = r.reopen(t)
	}
}

// TestRestoreBringsNoExemptionBack checks that a bypass which may have been spent
// since the backup, and a success that may have been purged, stay behind.
func TestRestoreBringsNoExemptionBack(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	s := r.store
	addAccounts(t, s, 1)
	cacheLogin(t, s, "k", epoch, epoch.Add(time.Hour))
	if err := s.Apply(ctx, admin.Act{Time: epoch}, admin.AddBypass{Bypass: auth.Bypass{ID: "b", Account: accountID(0), From: epoch, Until: epoch.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(&b, dir); err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, Options{Dir: dir, KEK: r.options.KEK})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if f := mustSnapshot(t, again, query(0)); f.Account == nil || f.Bypass != nil || f.Cached != nil {
		t.Errorf("after Restore: bypass %+v, cache entries %+v", f.Bypass, f.Cached)
	}
	if c := mustVerify(t, again); c.Broken != "" || c.Last != 1 {
		t.Errorf("Verify after Restore = %+v", c)
	}
}

// TestNodesSayThatTheyLive checks the row of a node, by the clock that it is
// given.
func TestNodesSayThatTheyLive(t *testing.T) {
	now := epoch
	r := newRig(t, Options{Node: "one", Version: "1.0", Now: func() time.Time { return now }})
	s := r.store
	want := func(since, seen time.Time, version string) {
		t.Helper()
		list, err := s.Nodes(context.Background())
		if err != nil || len(list) != 1 || list[0] != (admin.Node{Name: "one", Version: version, Since: since, Seen: seen}) {
			t.Errorf("Nodes = %+v, %v", list, err)
		}
	}
	want(epoch, epoch, "1.0")
	if err := s.exclusive(context.Background(), func() error {
		now = epoch.Add(time.Minute)
		return s.w.transaction(s.seen)
	}); err != nil {
		t.Fatal(err)
	}
	want(epoch, epoch.Add(time.Minute), "1.0")
	r.options.Version = "1.1"
	s = r.reopen(t)
	want(epoch.Add(time.Minute), epoch.Add(time.Minute), "1.1")
}
