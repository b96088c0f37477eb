package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/admin"
	"sallyport/auth"
)

// A model is what the store must be like, kept in the plainest way.
type model struct {
	accounts   map[string]*modelAccount // by ID
	throttles  map[string]auth.Throttle
	challenges []modelChallenge             // in the order in which they were opened
	cached     map[string]map[string]uint64 // event by subject and key
	bypasses   map[string]string            // ID by account
	answers    map[string]uint64            // event by request
	events     []auth.Event
}

type modelChallenge struct {
	id, login auth.ChallengeID
	subject   string
	settled   uint64 // by this event
}

type modelAccount struct {
	names   []string
	enabled bool
	held    []modelAuthenticator
}

type modelAuthenticator struct {
	id    string
	mark  int64
	state string
}

// TestModel runs random settlements, changes, folds and restarts against the
// store and the model, with room for three subjects in the cache.
func TestModel(t *testing.T) {
	kek := newKEK(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, remove := tempDir(t)
		defer remove()
		o := Options{Dir: dir, KEK: kek, CacheEntries: 3}
		s, err := Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		m := &model{
			accounts:  make(map[string]*modelAccount),
			throttles: make(map[string]auth.Throttle),
			cached:    make(map[string]map[string]uint64),
			bypasses:  make(map[string]string),
			answers:   make(map[string]uint64),
		}
		names := []string{"a", "b", "c", "d", "e", "f"}
		name := rapid.SampledFrom(names)
		var stale []auth.Settlement // rest on facts that may have moved
		next := 0

		take := func(t *rapid.T) (auth.Facts, auth.Query) {
			q := auth.Query{Names: rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "names"), State: auth.ChallengeID(fmt.Sprint("c", max(0, next-rapid.IntRange(0, 3).Draw(t, "age"))))}
			q.Unknown = "?" + q.Names[len(q.Names)-1]
			q.Request = fmt.Sprint("r", max(0, next-rapid.IntRange(0, 3).Draw(t, "request")))
			f, err := s.Snapshot(context.Background(), q, rapid.Bool().Draw(t, "fresh"))
			if err != nil {
				t.Fatal(err)
			}
			m.check(t, q, f)
			return f, q
		}
		draw := func(t *rapid.T) auth.Settlement {
			f, q := take(t)
			next++
			st := auth.Settlement{Subject: f.Subject, Version: f.Version, Settings: f.Settings.Version}
			st.Event = auth.Event{
				Time:    epoch.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "minutes")) * time.Minute),
				Subject: f.Subject, Mark: auth.NoMark, Count: next,
				Outcome: rapid.SampledFrom([]auth.Outcome{auth.OATHCodeVerified, auth.OATHCodeIncorrect, auth.UserNotFound}).Draw(t, "outcome"),
			}
			if rapid.Bool().Draw(t, "throttles") {
				st.Throttle = &auth.Throttle{Have: auth.Count{Failures: rapid.IntRange(0, 5).Draw(t, "failures")}}
			}
			for i, a := range f.Authenticators {
				if !rapid.Bool().Draw(t, "spends") {
					continue
				}
				sp := auth.Spend{Authenticator: a.ID, Mark: rapid.Int64Range(auth.NoMark, 20).Draw(t, "mark")}
				if rapid.Bool().Draw(t, "next") {
					sp.Next = auth.Secret(fmt.Sprint("state ", next, i))
				}
				st.Spend = append(st.Spend, sp)
				st.Event.Authenticator, st.Event.Mark = a.ID, sp.Mark
			}
			if f.Challenge != nil && rapid.Bool().Draw(t, "closes") {
				st.Close = q.State
			}
			if rapid.Bool().Draw(t, "opens") {
				st.Open = &auth.OpenChallenge{ID: auth.ChallengeID(fmt.Sprint("c", next)), Subject: f.Subject, Client: "x", Expires: epoch.Add(time.Hour * 1000)}
				if len(f.Logins) > 0 && rapid.Bool().Draw(t, "again") {
					st.Open.Login = rapid.SampledFrom(f.Logins).Draw(t, "login").Login
				}
			}
			st.Purge = rapid.IntRange(0, 3).Draw(t, "purges") == 0
			if rapid.IntRange(0, 3).Draw(t, "caches") == 0 {
				st.Cache = []auth.CacheEntry{{Key: rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key"), From: epoch, Until: epoch.Add(time.Hour * 1000)}}
			}
			if f.Bypass != nil && rapid.Bool().Draw(t, "bypasses") {
				st.Bypass = f.Bypass.ID
			}
			if rapid.Bool().Draw(t, "answers") {
				st.Event.Request = fmt.Sprint("r", next)
				st.Event.Verdict = rapid.SampledFrom([]auth.Verdict{auth.Accept, auth.Reject, auth.Challenge}).Draw(t, "verdict")
			}
			return st
		}
		apply := func(t *rapid.T, changes ...admin.Change) error {
			return s.Apply(context.Background(), admin.Act{Time: epoch, Action: "test"}, changes...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"look": func(t *rapid.T) { take(t) },
			"commit": func(t *rapid.T) {
				st := draw(t)
				seq, err := s.Commit(context.Background(), st)
				if err != nil {
					t.Fatalf("Commit on new facts = %v", err)
				}
				m.commit(st, seq)
			},
			"burst": func(t *rapid.T) {
				// Several at once: of the same subject one at most may win.
				list := make([]auth.Settlement, rapid.IntRange(2, 8).Draw(t, "n"))
				for i := range list {
					list[i] = draw(t)
				}
				type result struct {
					seq uint64
					err error
				}
				results := make([]chan result, len(list))
				for i := range list {
					results[i] = make(chan result, 1)
					go func() {
						seq, err := s.Commit(context.Background(), list[i])
						results[i] <- result{seq, err}
					}()
				}
				won := make(map[uint64]auth.Settlement)
				subjects := make(map[string]int)
				for i := range list {
					switch r := <-results[i]; {
					case r.err == nil:
						won[r.seq] = list[i]
						subjects[list[i].Subject]++
					case !errors.Is(r.err, auth.ErrConflict):
						t.Fatalf("Commit = %v", r.err)
					}
				}
				for _, st := range list {
					if subjects[st.Subject] != 1 {
						t.Fatalf("%d settlements of %s won, want 1", subjects[st.Subject], st.Subject)
					}
				}
				for _, seq := range slices.Sorted(maps.Keys(won)) {
					m.commit(won[seq], seq)
				}
			},
			"remember": func(t *rapid.T) { stale = append(stale, draw(t)) },
			"stale": func(t *rapid.T) {
				if len(stale) == 0 {
					t.Skip()
				}
				st := stale[0]
				stale = stale[1:]
				seq, err := s.Commit(context.Background(), st)
				if err == nil {
					m.commit(st, seq) // nothing had moved
				} else if !errors.Is(err, auth.ErrConflict) {
					t.Fatal(err)
				}
			},
			"add account": func(t *rapid.T) {
				own := rapid.SliceOfNDistinct(name, 1, 2, rapid.ID).Draw(t, "names")
				next++
				id := fmt.Sprint("id", next)
				a := modelAccount{names: own, enabled: true}
				changes := []admin.Change{admin.AddAccount{Account: auth.Account{ID: id, Name: own[0], Aliases: own[1:], Enabled: true}}}
				for i := range rapid.IntRange(0, 3).Draw(t, "authenticators") {
					x := modelAuthenticator{id: fmt.Sprint("x", next, "-", i), mark: auth.NoMark, state: fmt.Sprint("s", next, i)}
					a.held = append(a.held, x)
					changes = append(changes, admin.AddAuthenticator{Authenticator: auth.Authenticator{
						ID: x.id, Account: id, Factor: "oath", State: auth.Secret(x.state), Mark: auth.NoMark,
					}})
				}
				err := apply(t, changes...)
				if m.taken(own, "") {
					if !errors.Is(err, admin.ErrExists) {
						t.Fatalf("adding a taken name = %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				m.accounts[id] = &a
			},
			"rename": func(t *rapid.T) {
				id := m.some(t)
				own := rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "names")
				err := apply(t, admin.UpdateAccount{ID: id, Update: func(a *auth.Account) error {
					a.Name, a.Aliases, a.Enabled = own[0], own[1:], !a.Enabled
					return nil
				}})
				if m.taken(own, id) {
					if !errors.Is(err, admin.ErrExists) {
						t.Fatalf("renaming to a taken name = %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				m.accounts[id].names, m.accounts[id].enabled = own, !m.accounts[id].enabled
				m.void(id)
			},
			"hand over": func(t *rapid.T) {
				from, to := m.some(t), m.some(t)
				held := m.accounts[from].held
				if len(held) == 0 || from == to {
					t.Skip()
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				x := held[i]
				if err := apply(t, admin.UpdateAuthenticator{ID: x.id, Update: func(a *auth.Authenticator) error {
					if a.Mark != x.mark || string(a.State) != x.state {
						return fmt.Errorf("an update sees mark %d, want %d", a.Mark, x.mark)
					}
					a.Account = to
					return nil
				}}); err != nil {
					t.Fatal(err)
				}
				m.void(from)
				m.void(to)
				m.accounts[from].held = slices.Delete(slices.Clone(held), i, i+1)
				m.accounts[to].held = append(slices.Clone(m.accounts[to].held), x)
				slices.SortFunc(m.accounts[to].held, func(a, b modelAuthenticator) int { return m.place(a.id) - m.place(b.id) })
			},
			"reset": func(t *rapid.T) {
				id := m.some(t)
				if err := apply(t, admin.ResetThrottle{Subject: id}); err != nil {
					t.Fatal(err)
				}
				delete(m.throttles, id)
				m.void(id)
			},
			"bypass": func(t *rapid.T) {
				id := m.some(t)
				if rapid.Bool().Draw(t, "remove") {
					err := apply(t, admin.RemoveBypass{Account: id})
					if had := m.bypasses[id] != ""; had != (err == nil) || !had && !errors.Is(err, admin.ErrNotFound) {
						t.Fatalf("taking back a bypass (%t) = %v", had, err)
					}
					delete(m.bypasses, id)
					return
				}
				next++
				if err := apply(t, admin.AddBypass{Bypass: auth.Bypass{ID: fmt.Sprint("b", next), Account: id, From: epoch, Until: epoch.Add(time.Hour)}}); err != nil {
					t.Fatal(err)
				}
				m.bypasses[id] = fmt.Sprint("b", next)
			},
			"purge": func(t *rapid.T) {
				subject := ""
				if rapid.Bool().Draw(t, "one") {
					subject = m.some(t)
				}
				if err := apply(t, admin.PurgeCache{Subject: subject}); err != nil {
					t.Fatal(err)
				}
				if subject == "" {
					clear(m.cached)
				}
				delete(m.cached, subject)
			},
			"watch": func(t *rapid.T) {
				id := m.some(t)
				moved, stop := s.Watch(id)
				defer stop()
				if err := apply(t, admin.ResetThrottle{Subject: id}); err != nil {
					t.Fatal(err)
				}
				delete(m.throttles, id)
				m.void(id)
				select {
				case <-moved:
				default:
					t.Fatal("a change did not wake who watches")
				}
			},
			"fold": func(t *rapid.T) {
				n := rapid.IntRange(1, 20).Draw(t, "rows")
				if err := s.exclusive(context.Background(), func() error {
					if s.w.unfolded.len() > 0 {
						s.fold(n)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(context.Background(), o); err != nil {
					t.Fatal(err)
				}
			},
			"events": func(t *rapid.T) {
				f := admin.EventFilter{
					After:   uint64(rapid.IntRange(0, len(m.events)).Draw(t, "after")),
					Limit:   rapid.IntRange(0, 5).Draw(t, "limit"),
					Newest:  rapid.Bool().Draw(t, "newest"),
					Subject: rapid.SampledFrom([]string{"", "?a", "?b", "id1"}).Draw(t, "subject"),
					Outcome: rapid.SampledFrom([]auth.Outcome{0, auth.OATHCodeIncorrect}).Draw(t, "outcome"),
				}
				if rapid.Bool().Draw(t, "since") {
					f.Since = epoch.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "minutes")) * time.Minute)
				}
				list, err := s.Events(context.Background(), f)
				if err != nil {
					t.Fatal(err)
				}
				m.checkEvents(t, f, list)
			},
		})
	})
}

func (m *model) taken(names []string, but string) bool {
	for id, a := range m.accounts {
		for _, n := range names {
			if id != but && slices.Contains(a.names, n) {
				return true
			}
		}
	}
	return false
}

// some draws an account that exists.
func (m *model) some(t *rapid.T) string {
	if len(m.accounts) == 0 {
		t.Skip()
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.accounts))).Draw(t, "account")
}

// place orders authenticators by creation: their IDs are "x", a number that
// rises, and the place within one Apply.
func (m *model) place(id string) int {
	var n, i int
	fmt.Sscanf(id, "x%d-%d", &n, &i)
	return n*10 + i
}

func (m *model) commit(st auth.Settlement, seq uint64) {
	if st.Throttle != nil {
		m.throttles[st.Subject] = *st.Throttle
	}
	for _, sp := range st.Spend {
		held := m.accounts[st.Subject].held
		for i := range held {
			if held[i].id == sp.Authenticator {
				held[i].mark = max(held[i].mark, sp.Mark)
				if sp.Next != nil {
					held[i].state = string(sp.Next)
				}
			}
		}
	}
	if st.Close != "" {
		i := slices.IndexFunc(m.challenges, func(c modelChallenge) bool { return c.id == st.Close })
		login := m.challenges[i].login
		for i := range m.challenges {
			if c := &m.challenges[i]; c.subject == st.Subject && c.login == login && c.settled == 0 {
				c.settled = seq
			}
		}
	}
	if st.Open != nil {
		m.challenges = append(m.challenges, modelChallenge{st.Open.ID, cmp.Or(st.Open.Login, st.Open.ID), st.Subject, 0})
	}
	if st.Purge {
		delete(m.cached, st.Subject)
	}
	for _, e := range st.Cache {
		if m.cached[st.Subject] == nil {
			m.cached[st.Subject] = make(map[string]uint64)
		}
		m.cached[st.Subject][e.Key] = seq
	}
	if st.Bypass != "" {
		delete(m.bypasses, st.Subject)
	}
	if st.Event.Request != "" && st.Event.Verdict != auth.Challenge {
		m.answers[st.Event.Request] = seq
	}
	st.Event.Seq = seq
	m.events = append(m.events, st.Event)
}

func (m *model) check(t *rapid.T, q auth.Query, f auth.Facts) {
	subject := q.Unknown
	for _, n := range q.Names {
		for id, a := range m.accounts {
			if slices.Contains(a.names, n) && subject == q.Unknown {
				subject = id
			}
		}
	}
	if f.Subject != subject {
		t.Fatalf("Snapshot(%v) is of %s, want %s", q.Names, f.Subject, subject)
	}
	if f.Throttle != m.throttles[subject] {
		t.Fatalf("throttle of %s = %+v, want %+v", subject, f.Throttle, m.throttles[subject])
	}
	open := slices.ContainsFunc(m.challenges, func(c modelChallenge) bool {
		return c.id == q.State && c.subject == subject && c.settled == 0
	})
	if open != (f.Challenge != nil) {
		t.Fatalf("challenge %s of %s = %+v, want %t", q.State, subject, f.Challenge, open)
	}
	var logins, want []modelChallenge
	for _, c := range f.Logins {
		l := modelChallenge{id: c.ID, login: c.Login, subject: c.Subject}
		if c.Settled != nil {
			l.settled = c.Settled.Seq
		}
		logins = append(logins, l)
	}
	for _, c := range m.challenges {
		if c.subject == subject {
			want = append(want, c)
		}
	}
	if !slices.Equal(logins, want) {
		t.Fatalf("logins of %s = %+v, want %+v", subject, logins, want)
	}
	cached := make(map[string]uint64)
	for _, e := range f.Cached {
		cached[e.Key] = e.Seq
	}
	if !maps.Equal(cached, m.cached[subject]) {
		t.Fatalf("cache entries of %s = %v, want %v", subject, cached, m.cached[subject])
	}
	if f.Bypass == nil && m.bypasses[subject] != "" || f.Bypass != nil && f.Bypass.ID != m.bypasses[subject] {
		t.Fatalf("bypass of %s = %+v, want %q", subject, f.Bypass, m.bypasses[subject])
	}
	m.checkAnswer(t, q, subject, f.Answered)
	a := m.accounts[subject]
	if a == nil {
		if f.Account != nil || f.Authenticators != nil {
			t.Fatalf("unknown name with account %+v", f.Account)
		}
		return
	}
	if f.Account.Enabled != a.enabled || f.Account.Name != a.names[0] || !slices.Equal(f.Account.Aliases, a.names[1:]) {
		t.Fatalf("account = %+v, want %+v", f.Account, a)
	}
	var got []modelAuthenticator
	for _, x := range f.Authenticators {
		got = append(got, modelAuthenticator{x.ID, x.Mark, string(x.State)})
	}
	if !slices.Equal(got, a.held) {
		t.Fatalf("authenticators of %s = %+v, want %+v", subject, got, a.held)
	}
}

// checkAnswer checks the answer to a request against the events: time is that of
// the newest, and a clock that went far back may have forgotten it.
func (m *model) checkAnswer(t *rapid.T, q auth.Query, subject string, got *auth.Answered) {
	seq := m.answers[q.Request]
	if got != nil {
		if seq == 0 || got.Seq != seq || m.events[seq-1].Subject != subject || m.events[seq-1].Outcome != got.Outcome || m.events[seq-1].Verdict != got.Verdict {
			t.Fatalf("answer to %s of %s = %+v, want event %d", q.Request, subject, got, seq)
		}
		if now := m.events[len(m.events)-1].Time; now.Sub(got.Time) >= auth.AnsweredLife {
			t.Fatalf("answer to %s is of %s, %s old", q.Request, got.Time, now.Sub(got.Time))
		}
		return
	}
	if seq == uint64(len(m.events)) && seq > 0 && m.events[seq-1].Subject == subject {
		t.Fatalf("the newest answer, to %s of %s, is forgotten", q.Request, subject)
	}
}

// void is what a change of an account, its authenticators or failures does.
func (m *model) void(subject string) {
	delete(m.cached, subject)
	m.challenges = slices.DeleteFunc(m.challenges, func(c modelChallenge) bool { return c.subject == subject && c.settled == 0 })
}

func (m *model) checkEvents(t *rapid.T, f admin.EventFilter, list []auth.Event) {
	var want []uint64
	for i, e := range m.events {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		if e.Seq > f.After && !e.Time.Before(f.Since) && (f.Subject == "" || e.Subject == f.Subject) && (f.Outcome == 0 || e.Outcome == f.Outcome) {
			want = append(want, e.Seq)
		}
	}
	if f.Limit > 0 && len(want) > f.Limit {
		if f.Newest {
			want = want[len(want)-f.Limit:]
		} else {
			want = want[:f.Limit]
		}
	}
	var got []uint64
	for _, e := range list {
		got = append(got, e.Seq)
		if w := m.events[e.Seq-1]; w.Count != e.Count || w.Subject != e.Subject || !w.Time.Equal(e.Time) || w.Mark != e.Mark {
			t.Fatalf("event = %+v, want %+v", e, w)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Events(%+v) = %v, want %v", f, got, want)
	}
}
