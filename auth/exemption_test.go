package auth_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
)

// office is where people are in these stories, and elsewhere where they are not.
var (
	office    = netip.MustParseAddr("198.51.100.7")
	elsewhere = netip.MustParseAddr("198.51.100.8")
)

// from is an attempt of somebody at an address.
func from(w *authtest.World, where netip.Addr, client, claimant string, evidence ...auth.Evidence) auth.Attempt {
	at := w.Attempt(client, claimant, evidence...)
	at.Origin, at.From = where, where.String()
	return at
}

// bob gives the world a second person.
func bob(w *authtest.World) (auth.Account, token) {
	w.Helper()
	a := w.AddAccount("bob")
	w.Bind(a, "password", auth.Binding{Secret: auth.Secret(secret)})
	return a, app(w, a)
}

// twoApplications adds "rdp" beside "vpn", with a client that asks; and a client
// of "vpn" whose word on addresses is not believed.
func twoApplications(w *authtest.World) {
	w.Policy(func(s *auth.Settings) {
		s.Applications = append(s.Applications, auth.Application{Name: "rdp"})
		s.Clients = append(s.Clients,
			auth.Client{ID: "c5", Name: "rdp-gateway", Door: "radius", Application: "rdp", Mode: auth.ModeChallenge, Password: auth.PasswordVerify},
			auth.Client{ID: "c6", Name: "doubtful", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Origin: auth.OriginNone},
			auth.Client{ID: "c7", Name: "odd", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Origin: "of-a-later-version"},
			auth.Client{ID: "c9", Name: "nas-2", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify},
			auth.Client{ID: "c8", Name: "homeless", Door: "radius", Mode: auth.ModeChallenge, Password: auth.PasswordVerify},
		)
	})
}

func mustRange(t testing.TB, s string) auth.Range {
	t.Helper()
	r, err := auth.ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTrustedIPNotOneInchOutside(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, _ := alice(w)
	w.Policy(func(s *auth.Settings) {
		s.Trusted = []auth.TrustedIP{
			{ID: "t1", Application: "vpn", Range: mustRange(t, "198.51.100.0-198.51.100.7")},
			{ID: "t2", Application: "", Range: mustRange(t, "0.0.0.0/0")}, // no application is none
		}
	})
	try := func(client string, where netip.Addr, evidence ...auth.Evidence) auth.Decision {
		w.Helper()
		return w.Decide(from(w, where, client, "alice", evidence...))
	}
	right := auth.Password(secret)
	w.Want(try("nas", office, right), auth.Accept, auth.TrustedAddress)
	if got := w.LastEvent(); got.Rule != auth.Strictest || got.Authenticator != "" || got.Mark != auth.NoMark {
		t.Errorf("the event is %+v", got)
	}
	w.Want(try("nas", netip.MustParseAddr("::ffff:198.51.100.7"), right), auth.Accept, auth.TrustedAddress)
	w.Want(try("gateway", office), auth.Accept, auth.TrustedAddress)

	w.Want(try("nas", elsewhere, right), auth.Challenge, auth.OATHCodePending)
	w.Want(try("nas", netip.MustParseAddr("198.51.99.255"), right), auth.Challenge, auth.OATHCodePending)
	w.Want(try("nas", netip.Addr{}, right), auth.Challenge, auth.OATHCodePending)
	w.Want(try("rdp-gateway", office, right), auth.Challenge, auth.OATHCodePending)
	w.Want(try("homeless", office, right), auth.Challenge, auth.OATHCodePending)
	// authentik CVE-2024-47070, Apereo CAS CVE-2023-4612: an address that
	// anybody can claim spares nothing.
	w.Want(try("doubtful", office, right), auth.Challenge, auth.OATHCodePending)
	w.Want(try("odd", office, right), auth.Challenge, auth.OATHCodePending)
	// What the socket says is the client's own address and never the person's.
	at := w.Attempt("nas", "alice", right)
	at.Source = netip.AddrPortFrom(office, 1645)
	w.Want(w.Decide(at), auth.Challenge, auth.OATHCodePending)

	// It spares the second factor and nothing else.
	w.Want(try("nas", office, auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
	w.Want(try("nas", office), auth.Reject, auth.PasswordMissing)
	w.Want(w.Decide(from(w, office, "gateway", "mallory", auth.Code("123456"))), auth.Reject, auth.UserNotFound)
	w.Want(w.Decide(from(w, office, "asking-gateway", "mallory")), auth.Challenge, auth.OATHCodePending)
	a.Enabled = false
	w.Store.PutAccount(a)
	w.Want(try("nas", office, right), auth.Reject, auth.UserDisabled)
	w.Want(try("gateway", office, auth.Code("123456")), auth.Reject, auth.UserDisabled)
	a.Enabled, a.Blocked = true, true
	w.Store.PutAccount(a)
	w.Want(try("nas", office, right), auth.Reject, auth.UserBlocked)
}

// An exemption decides: a code that came along is not looked at and not spent,
// and answers to challenges are judged as they were asked.
func TestExemptionsLeaveTheCodeAlone(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	asked := w.Decide(from(w, office, "nas", "alice", auth.Password(secret)))
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	w.Policy(func(s *auth.Settings) {
		s.Trusted = []auth.TrustedIP{{ID: "t1", Application: "vpn", Range: mustRange(t, office.String())}}
	})
	code := phone.code()
	w.Want(w.Decide(from(w, office, "old-nas", "alice", auth.Password(secret), phone.wrong())), auth.Accept, auth.TrustedAddress)
	w.Want(w.Decide(from(w, office, "old-nas", "alice", auth.Password(secret), code)), auth.Accept, auth.TrustedAddress)

	at := from(w, office, "nas", "alice", phone.wrong())
	at.State = asked.State
	w.Want(w.Decide(at), auth.Reject, auth.OATHCodeIncorrect)
	w.Want(w.Decide(from(w, elsewhere, "old-nas", "alice", auth.Password(secret), code)), auth.Accept, auth.OATHCodeVerified)
}

// Whoever can log in somewhere with a password alone must not buy fresh guesses
// at codes with it (Vault CVE-2025-6015).
func TestExemptionsForgiveNoCodes(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	w.Policy(func(s *auth.Settings) {
		s.Trusted = []auth.TrustedIP{{ID: "t1", Application: "vpn", Range: mustRange(t, office.String())}}
	})
	free := auth.DefaultLimits.Have.Free
	for n := range free {
		w.Want(w.Decide(from(w, elsewhere, "old-nas", "alice", auth.Password(secret), phone.wrong())), auth.Reject, auth.OATHCodeIncorrect)
		if n < free-1 {
			w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Accept, auth.TrustedAddress)
		}
	}
	w.Want(w.Decide(from(w, elsewhere, "old-nas", "alice", auth.Password(secret), phone.code())), auth.Reject, auth.Throttled)
	// It is no way round the throttle either.
	w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Reject, auth.Throttled)
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != free {
		t.Errorf("%d failures counted; want %d", got, free)
	}
}

// The password that an exempt login proved forgives wrong passwords, where we
// check it.
func TestExemptLoginsForgivePasswords(t *testing.T) {
	w := newWorld(t)
	a, _ := alice(w)
	w.Policy(func(s *auth.Settings) {
		s.Trusted = []auth.TrustedIP{{ID: "t1", Application: "vpn", Range: mustRange(t, office.String())}}
	})
	for range 3 {
		w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
	}
	w.Want(w.Decide(from(w, office, "gateway", "alice")), auth.Accept, auth.TrustedAddress)
	if got := w.Store.ThrottleOf(a.ID).Know.Failures; got != 3 {
		t.Errorf("%d wrong passwords counted after a login that proved none; want 3", got)
	}
	w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Accept, auth.TrustedAddress)
	if got := w.Store.ThrottleOf(a.ID).Know.Failures; got != 0 {
		t.Errorf("%d wrong passwords counted after a right one; want 0", got)
	}
}

// cache gives an application a cache rule.
func cache(w *authtest.World, application string, kind auth.CacheType, life time.Duration) {
	w.Policy(func(s *auth.Settings) {
		s.CacheRules = append(s.CacheRules, auth.CacheRule{ID: fmt.Sprint("r", len(s.CacheRules)), Application: application, Type: kind, Life: life})
	})
}

// complete logs alice in with a second factor and lets a second pass.
func complete(w *authtest.World, phone token, client string, where netip.Addr) {
	w.Helper()
	w.Wait(30 * time.Second) // a code that was not used
	d := w.Decide(from(w, where, client, "alice", auth.Password(secret)))
	w.Want(d, auth.Challenge, auth.OATHCodePending)
	at := from(w, where, client, "alice", phone.code())
	at.State = d.State
	w.Want(w.Decide(at), auth.Accept, auth.OATHCodeVerified)
	w.Wait(time.Second)
}

func TestCacheTypes(t *testing.T) {
	tests := []struct {
		kind    auth.CacheType
		outcome auth.Outcome
		// What is asked 37 s after a login through nas, door radius, from the office.
		sameApp, otherPlace, otherDoor, otherApp bool // spared
	}{
		{auth.CacheUser, auth.UsedCacheUser, true, true, true, true},
		{auth.CacheUserApplication, auth.UsedCacheApplication, true, true, false, false},
		{auth.CacheUserAddress, auth.UsedCacheIP, true, false, false, false},
		{"", 0, false, false, false, false},
		{"of-a-later-version", 0, false, false, false, false},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			w := newWorld(t)
			twoApplications(w)
			_, phone := alice(w)
			bob(w)
			cache(w, "vpn", tt.kind, time.Minute)
			cache(w, "rdp", tt.kind, time.Minute)
			cache(w, "", tt.kind, time.Minute)
			complete(w, phone, "nas", office)
			w.Wait(36 * time.Second)

			want := func(name string, at auth.Attempt, spared bool) {
				t.Helper()
				at.Evidence = []auth.Evidence{auth.Password(secret)}
				verdict, outcome := auth.Challenge, auth.OATHCodePending
				if spared {
					verdict, outcome = auth.Accept, tt.outcome
				}
				if d := w.Decide(at); d.Verdict != verdict || d.Outcome != outcome {
					t.Errorf("%s: %v %v; want %v %v", name, d.Verdict, d.Outcome, verdict, outcome)
				}
			}
			want("the same", from(w, office, "nas", "alice"), tt.sameApp)
			want("another client of the application", from(w, office, "nas-2", "alice"), tt.sameApp)
			want("another address", from(w, elsewhere, "nas", "alice"), tt.otherPlace)
			want("no address", from(w, netip.Addr{}, "nas", "alice"), tt.otherPlace)
			want("a client that is not believed", from(w, office, "doubtful", "alice"), tt.otherPlace)
			at := from(w, office, "nas", "alice")
			at.Door = "ldap"
			want("another door", at, tt.otherDoor)
			want("another application", from(w, office, "rdp-gateway", "alice"), tt.otherApp)
			want("no application", from(w, office, "homeless", "alice"), false)
			want("another account", from(w, office, "nas", "bob"), false)
			want("another spelling", from(w, office, "nas", `CORP\ALICE`), tt.sameApp)
			if tt.outcome != 0 {
				w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password("not it at all"))), auth.Reject, auth.PasswordWrong)
			}
		})
	}
}

// The second of an append client cannot be asked; only then it is refused.
func TestCacheSparesAppendClients(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	cache(w, "vpn", auth.CacheUserApplication, time.Minute)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret)), auth.Reject, auth.CodeMissing)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), phone.code()), auth.Accept, auth.OATHCodeVerified)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
}

// A login of which nobody knows where it comes from has no scope of the type
// with an address, and gets no wider one instead.
func TestCacheWithoutAnAddressCachesNothing(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	cache(w, "vpn", auth.CacheUser, time.Hour)
	cache(w, "vpn", auth.CacheUserAddress, time.Hour)
	complete(w, phone, "nas", netip.Addr{})
	if got := w.Store.CachedOf(a.ID); len(got) != 0 {
		t.Errorf("cached %+v", got)
	}
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Challenge, auth.OATHCodePending)
}

// An address with a zone is another host elsewhere: it is no address.
func TestZonesAreNoPlace(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	cache(w, "vpn", auth.CacheUserAddress, time.Hour)
	complete(w, phone, "nas", netip.MustParseAddr("fe80::1%eth0"))
	if got := w.Store.CachedOf(a.ID); len(got) != 0 {
		t.Errorf("cached %+v", got)
	}
}

// Of two rules alike the shorter life counts.
func TestCacheUsesTheShorterLife(t *testing.T) {
	for _, lives := range [][]time.Duration{{time.Hour, 30 * time.Second}, {30 * time.Second, time.Hour}} {
		w := newWorld(t)
		_, phone := alice(w)
		for _, life := range lives {
			cache(w, "vpn", auth.CacheUser, life)
		}
		complete(w, phone, "nas", office)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
		w.Wait(29 * time.Second)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	}
}

// The engine looks at what a store hands out: a bypass of somebody else, an entry
// that ends sooner than the rule says, one from before the database went back
// under the same version of the settings.
func TestTheEngineLooksItself(t *testing.T) {
	factor := plain{}
	settings := &auth.Settings{
		Applications: []auth.Application{{Name: "vpn"}},
		Clients:      []auth.Client{{Name: "nas", Application: "vpn", Mode: auth.ModeAppend, Password: auth.PasswordNone}},
		CacheRules:   []auth.CacheRule{{Application: "vpn", Type: auth.CacheUser, Life: time.Hour}},
	}
	account := &auth.Account{ID: "a1", Name: "alice", Enabled: true}
	sheet := auth.Authenticator{ID: "s", Account: "a1", Factor: "recovery", State: auth.Secret("A-B."), Mark: auth.NoMark}
	now := authtest.Epoch
	store := &keeping{still: still{auth.Facts{Subject: "a1", Account: account, Settings: settings.Index(), Authenticators: []auth.Authenticator{sheet}}}}
	e := auth.NewEngine(auth.Parts{
		Store: store, Factors: []auth.Factor{factor, plainSheet{}}, Limits: auth.DefaultLimits,
		Pseudonym: authtest.Pseudonym, CacheKey: authtest.CacheKey, Stopwatch: func() time.Time { return now },
	})
	try := func(evidence ...auth.Evidence) auth.Outcome {
		return e.Decide(t.Context(), auth.Attempt{Door: "radius", Client: "nas", Claimant: "alice", Evidence: evidence, Time: now}).Outcome
	}
	store.facts.Bypass = &auth.Bypass{ID: "b", Account: "a2", From: now, Until: now.Add(time.Hour)}
	if got := try(); got != auth.CodeMissing {
		t.Errorf("with somebody else's bypass: %v", got)
	}
	store.facts.Bypass = nil
	if got := try(auth.Code("A-B")); got != auth.RecoveryCodeVerified || len(store.last.Cache) != 1 {
		t.Fatalf("a right code: %v, cached %+v", got, store.last.Cache)
	}
	entry := store.last.Cache[0]
	for name, tt := range map[string]struct {
		change func(*auth.CacheEntry, *auth.Settings)
		want   auth.Outcome
	}{
		"as it was made":          {func(*auth.CacheEntry, *auth.Settings) {}, auth.UsedCacheUser},
		"that has ended":          {func(c *auth.CacheEntry, _ *auth.Settings) { c.Until = now }, auth.CodeMissing},
		"that ends in time":       {func(c *auth.CacheEntry, _ *auth.Settings) { c.Until = now.Add(1) }, auth.UsedCacheUser},
		"from the future":         {func(c *auth.CacheEntry, _ *auth.Settings) { c.From = now.Add(1) }, auth.CodeMissing},
		"newer than a rewind":     {func(_ *auth.CacheEntry, s *auth.Settings) { s.Rewound = now.Add(-time.Hour) }, auth.UsedCacheUser},
		"revived by a rewind":     {func(c *auth.CacheEntry, s *auth.Settings) { s.Rewound = now.Add(-2 * time.Minute); c.From = s.Rewound }, auth.CodeMissing},
		"of another key":          {func(c *auth.CacheEntry, _ *auth.Settings) { c.Key = c.Key[1:] + "0" }, auth.CodeMissing},
		"under another version":   {func(_ *auth.CacheEntry, s *auth.Settings) { s.Version++ }, auth.CodeMissing},
		"of an empty key":         {func(c *auth.CacheEntry, _ *auth.Settings) { c.Key = "" }, auth.CodeMissing},
		"with a rule that is out": {func(_ *auth.CacheEntry, s *auth.Settings) { s.CacheRules = nil }, auth.CodeMissing},
	} {
		c, s := entry, *settings
		tt.change(&c, &s)
		store.facts.Cached, store.facts.Settings = []auth.CacheEntry{c}, s.Index()
		if got := try(); got != tt.want {
			t.Errorf("an entry %s: %v; want %v", name, got, tt.want)
		}
	}
}

// keeping is a still store that keeps the newest settlement.
type keeping struct {
	still
	last auth.Settlement
}

func (k *keeping) Commit(_ context.Context, s auth.Settlement) (uint64, error) {
	k.last = s
	return 1, nil
}

// Of an application's rules only the narrowest counts; a rule of a type that a
// later version knows is narrower than all and spares nothing.
func TestCacheUsesTheNarrowestRule(t *testing.T) {
	tests := []struct {
		kinds []auth.CacheType
		want  auth.Outcome
	}{
		{[]auth.CacheType{auth.CacheUser}, auth.UsedCacheUser},
		{[]auth.CacheType{auth.CacheUser, auth.CacheUserApplication}, auth.UsedCacheApplication},
		{[]auth.CacheType{auth.CacheUserAddress, auth.CacheUser, auth.CacheUserApplication}, auth.UsedCacheIP},
		{[]auth.CacheType{auth.CacheUserAddress, "of-a-later-version"}, auth.OATHCodePending},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.kinds), func(t *testing.T) {
			w := newWorld(t)
			_, phone := alice(w)
			for _, k := range tt.kinds {
				cache(w, "vpn", k, time.Minute)
			}
			complete(w, phone, "nas", office)
			if d := w.Decide(from(w, office, "nas", "alice", auth.Password(secret))); d.Outcome != tt.want {
				t.Errorf("outcome %v; want %v", d.Outcome, tt.want)
			}
		})
	}
}

func TestCacheEndsAndDoesNotSlide(t *testing.T) {
	for _, life := range []time.Duration{10 * time.Second, time.Minute, 24 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			w := newWorld(t)
			_, phone := alice(w)
			cache(w, "vpn", auth.CacheUserApplication, life)
			complete(w, phone, "nas", office)
			w.Wait(life/2 - time.Second)
			again := func() auth.Decision {
				w.Helper()
				return w.Decide(from(w, office, "nas", "alice", auth.Password(secret)))
			}
			w.Want(again(), auth.Accept, auth.UsedCacheApplication)
			w.Wait(life/2 - time.Nanosecond)
			w.Want(again(), auth.Accept, auth.UsedCacheApplication)
			w.Wait(time.Nanosecond)
			w.Want(again(), auth.Challenge, auth.OATHCodePending)
		})
	}
	t.Run("never longer than a day", func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w)
		cache(w, "vpn", auth.CacheUserApplication, 1000*time.Hour)
		complete(w, phone, "nas", office)
		w.Wait(24*time.Hour - time.Second)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	})
	for _, life := range []time.Duration{0, -time.Minute} {
		t.Run("no time at all "+life.String(), func(t *testing.T) {
			w := newWorld(t)
			_, phone := alice(w)
			cache(w, "vpn", auth.CacheUserApplication, life)
			complete(w, phone, "nas", office)
			w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		})
	}
	t.Run("a shorter life elsewhere", func(t *testing.T) {
		w := newWorld(t)
		twoApplications(w)
		_, phone := alice(w)
		cache(w, "vpn", auth.CacheUser, time.Hour)
		cache(w, "rdp", auth.CacheUser, time.Minute)
		complete(w, phone, "nas", office)
		w.Want(w.Try("rdp-gateway", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
		w.Wait(59 * time.Second)
		w.Want(w.Try("rdp-gateway", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
	})
	t.Run("a clock that went back does not see it", func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w)
		cache(w, "vpn", auth.CacheUserApplication, time.Hour)
		complete(w, phone, "nas", office)
		w.Wait(-time.Second - time.Nanosecond)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		w.Wait(time.Nanosecond)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
	})
}

// What a cached success does not survive.
func TestCacheIsForgotten(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *authtest.World, a auth.Account, phone token)
	}{
		{"a wrong password", func(w *authtest.World, _ auth.Account, _ token) {
			w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
		}},
		{"a wrong password at another application", func(w *authtest.World, _ auth.Account, _ token) {
			w.Want(w.Try("rdp-gateway", "ALICE", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
		}},
		{"a wrong code", func(w *authtest.World, _ auth.Account, phone token) {
			d := w.Try("rdp-gateway", "alice", auth.Password(secret))
			w.Want(w.Answer(d, "rdp-gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		}},
		{"a code once more", func(w *authtest.World, _ auth.Account, phone token) {
			d := w.Try("rdp-gateway", "alice", auth.Password(secret))
			w.Want(w.Answer(d, "rdp-gateway", "alice", phone.code()), auth.Reject, auth.DuplicateOATHCode)
		}},
		{"any change of policy", func(w *authtest.World, _ auth.Account, _ token) { w.Policy(func(*auth.Settings) {}) }},
		{"a new password", func(w *authtest.World, a auth.Account, _ token) {
			w.Bind(a, "password", auth.Binding{Secret: auth.Secret("another password")})
		}},
		{"a new second factor", func(w *authtest.World, a auth.Account, _ token) { app(w, a) }},
		{"a block that was lifted", func(w *authtest.World, a auth.Account, _ token) {
			b := a
			b.Blocked = true
			w.Store.PutAccount(b)
			w.Store.PutAccount(a)
		}},
		{"failures forgiven", func(w *authtest.World, a auth.Account, _ token) { w.Store.Unlock(a.ID) }},
		{"a database that went back in time", func(w *authtest.World, _ auth.Account, _ token) {
			w.Policy(func(s *auth.Settings) { s.Rewound = w.Now() })
			w.Wait(auth.RewoundFor)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			twoApplications(w)
			a, phone := alice(w)
			cache(w, "vpn", auth.CacheUserApplication, time.Hour)
			complete(w, phone, "nas", office)
			w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
			tt.do(w, a, phone)
			w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
		})
	}
	t.Run("nothing at all", func(t *testing.T) {
		w := newWorld(t)
		twoApplications(w)
		_, phone := alice(w)
		cache(w, "vpn", auth.CacheUserApplication, time.Hour)
		complete(w, phone, "nas", office)
		// Others' failures, refusals unseen and missing evidence are no failed try.
		w.Want(w.Try("nas", "bob", auth.Password("not it at all")), auth.Reject, auth.UserNotFound)
		w.Want(w.Try("nas", "alice"), auth.Reject, auth.PasswordMissing)
		w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
	})
}

// Only what a second factor completed is remembered: a hit, a bypass, a trusted
// address and a joined answer are not (the store's books tell), or a success
// would live for ever.
func TestOnlyAProvenLoginIsCached(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	sheet := w.Bind(a, "recovery", auth.Binding{}).Codes
	cache(w, "vpn", auth.CacheUserApplication, time.Minute)
	w.Store.PutBypass(auth.Bypass{ID: "b1", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Hour)})
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.BypassedAuth)
	if got := w.Store.CachedOf(a.ID); len(got) != 0 {
		t.Errorf("a bypass left %+v", got)
	}
	complete(w, phone, "nas", office)
	first := w.Store.CachedOf(a.ID)
	w.Wait(30 * time.Second)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
	if got := w.Store.CachedOf(a.ID); fmt.Sprint(got) != fmt.Sprint(first) {
		t.Errorf("a hit moved %+v to %+v", first, got)
	}
	w.Wait(time.Minute)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[0])), auth.Accept, auth.RecoveryCodeVerified)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheApplication)
}

// A success by a factor that the rule does not admit spares nothing that the
// rule asks for (Ory Kratos CVE-2024-45042, Pocket ID GHSA-hp74-gm6m-2qm5).
func TestCacheRemembersWhichFactor(t *testing.T) {
	w := newWorld(t)
	twoApplications(w)
	a, phone := alice(w)
	sheet := w.Bind(a, "recovery", auth.Binding{}).Codes
	w.Policy(func(s *auth.Settings) {
		s.Rules = []auth.Rule{{Name: "rdp", Match: auth.Match{Applications: []string{"rdp"}}, Then: auth.Then{Methods: []string{"oath"}}}}
	})
	cache(w, "vpn", auth.CacheUser, time.Hour)
	cache(w, "rdp", auth.CacheUser, time.Hour)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[0])), auth.Accept, auth.RecoveryCodeVerified)
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
	w.Want(w.Try("rdp-gateway", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
	complete(w, phone, "rdp-gateway", office)
	w.Want(w.Try("rdp-gateway", "alice", auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
}

// Okta, October 2024: the cache key was a hash of name and password that read 72
// octets, so that behind a long name every password was right.
func TestLongNamesDoNotCutTheCacheKey(t *testing.T) {
	for _, n := range []int{51, 52, 53, 72, 73, 255} {
		t.Run(fmt.Sprint(n, " octets"), func(t *testing.T) {
			w := newWorld(t)
			name := strings.Repeat("a", n)
			a := w.AddAccount(name)
			w.Bind(a, "password", auth.Binding{Secret: auth.Secret(secret)})
			phone := app(w, a)
			other := w.AddAccount(name[:n-1] + "b")
			w.Bind(other, "password", auth.Binding{Secret: auth.Secret(secret)})
			app(w, other)
			cache(w, "vpn", auth.CacheUser, time.Hour)
			complete := func() {
				w.Wait(30 * time.Second)
				w.Want(w.Try("old-nas", name, auth.Password(secret), phone.code()), auth.Accept, auth.OATHCodeVerified)
			}
			complete()
			w.Want(w.Try("nas", other.Name, auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
			w.Want(w.Try("nas", name, auth.Password(secret)), auth.Accept, auth.UsedCacheUser)
			for _, wrong := range []string{"x", secret + "x", secret[:len(secret)-1], strings.Repeat("x", 300), secret + strings.Repeat("x", 300)} {
				w.Want(w.Try("nas", name, auth.Password(wrong)), auth.Reject, auth.PasswordWrong)
				complete()
			}
			w.Want(w.Try("nas", name), auth.Reject, auth.PasswordMissing)
		})
	}
}

// Two scopes whose fields run together to the same text are two scopes: each
// field has its length in front of it.
func TestCacheKeysDoNotCollide(t *testing.T) {
	w := newWorld(t)
	pairs := [][2]string{{"vpn", "radius"}, {"vp", "nradius"}, {"n", "radiusvp"}, {"radius", "vpn"}, {"vpn\x00radius", ""}, {"vpn|radius", ""}, {"", "vpnradius"}}
	w.Policy(func(s *auth.Settings) {
		s.Clients = nil
		for i, p := range pairs {
			s.Clients = append(s.Clients, auth.Client{ID: fmt.Sprint("c", i), Name: fmt.Sprint("client-", i), Application: p[0], Mode: auth.ModeAppend, Password: auth.PasswordNone})
			s.CacheRules = append(s.CacheRules, auth.CacheRule{ID: fmt.Sprint("r", i), Application: p[0], Type: auth.CacheUserApplication, Life: time.Hour})
		}
	})
	a, phone := alice(w)
	keys := make(map[string]int)
	for i, p := range pairs {
		w.Wait(30 * time.Second)
		w.Store.Unlock(a.ID) // forgets what was cached
		at := w.Attempt(fmt.Sprint("client-", i), "alice", phone.code())
		at.Door = p[1]
		w.Want(w.Decide(at), auth.Accept, auth.OATHCodeVerified)
		entries := w.Store.CachedOf(a.ID)
		if p[0] == "" {
			if len(entries) != 0 {
				t.Errorf("no application: cached %+v", entries)
			}
			continue
		}
		if len(entries) != 1 {
			t.Fatalf("scope %q left %d entries", p, len(entries))
		}
		if other, twice := keys[entries[0].Key]; twice {
			t.Errorf("scopes %q and %q have one key", pairs[other], p)
		}
		keys[entries[0].Key] = i
		if strings.Contains(entries[0].Key, "vpn") || len(entries[0].Key) != 64 {
			t.Errorf("key %q", entries[0].Key)
		}
	}
}

func TestWithoutACacheKeyNothingIsCached(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	w.Engine.CacheKey = nil
	cache(w, "vpn", auth.CacheUser, time.Hour)
	complete(w, phone, "nas", office)
	if got := w.Store.CachedOf(a.ID); len(got) != 0 {
		t.Errorf("cached %+v", got)
	}
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Challenge, auth.OATHCodePending)
}

func TestBypassWorksOnceForItsAccountInItsTime(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	bob(w)
	give := func(id string, after, life time.Duration) {
		w.Store.PutBypass(auth.Bypass{ID: id, Account: a.ID, From: w.Now().Add(after), Until: w.Now().Add(after + life), Reason: "lost phone", Actor: "hotline"})
	}
	right := auth.Password(secret)
	give("b1", 0, 5*time.Minute)
	w.Want(w.Try("nas", "bob", right), auth.Challenge, auth.OATHCodePending)
	w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
	w.Want(w.Try("nas", "alice"), auth.Reject, auth.PasswordMissing)
	w.Want(w.Try("old-nas", "alice", right, phone.wrong()), auth.Accept, auth.BypassedAuth) // the code is not looked at
	if note := fmt.Sprint(w.LastEvent().Trace); !strings.Contains(note, "hotline") || !strings.Contains(note, "lost phone") {
		t.Errorf("the trace does not say who gave the bypass and why: %s", note)
	}
	w.Want(w.Try("nas", "alice", right), auth.Challenge, auth.OATHCodePending)

	give("b2", time.Second, time.Minute) // not yet
	w.Want(w.Try("nas", "alice", right), auth.Challenge, auth.OATHCodePending)
	w.Wait(time.Second + time.Minute) // not any more
	w.Want(w.Try("nas", "alice", right), auth.Challenge, auth.OATHCodePending)
	w.Wait(-time.Nanosecond)
	w.Want(w.Try("gateway", "alice"), auth.Accept, auth.BypassedAuth)

	give("b3", 0, time.Minute)
	w.Wait(-time.Nanosecond) // the clock went back
	w.Want(w.Try("nas", "alice", right), auth.Challenge, auth.OATHCodePending)
	w.Wait(time.Nanosecond)

	// An answer to a challenge does not spend it, and a blocked account cannot.
	d := w.Try("asking-gateway", "mallory")
	w.Want(d, auth.Challenge, auth.OATHCodePending)
	b := a
	b.Blocked = true
	w.Store.PutAccount(b)
	w.Want(w.Try("nas", "alice", right), auth.Reject, auth.UserBlocked)
	w.Store.PutAccount(a)

	// One that was there before the database went back in time may be used up.
	w.Policy(func(s *auth.Settings) { s.Rewound = w.Now() })
	w.Wait(auth.RewoundFor)
	give("b4", -auth.RewoundFor, time.Hour)
	w.Want(w.Try("nas", "alice", right), auth.Challenge, auth.OATHCodePending)
	give("b5", 0, time.Hour)
	w.Want(w.Try("nas", "alice", right), auth.Accept, auth.BypassedAuth)
}

// A bypass is not spent where nothing would be asked for, and the policy can
// refuse it.
func TestBypassIsTheLastExemption(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	w.Store.PutBypass(auth.Bypass{ID: "b1", Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Hour)})
	right := auth.Password(secret)
	set := func(change func(*auth.Settings)) {
		w.Policy(func(s *auth.Settings) {
			s.Rules, s.Trusted, s.CacheRules = nil, nil, nil
			change(s)
		})
	}
	trusted := []auth.TrustedIP{{ID: "t", Application: "vpn", Range: mustRange(t, office.String())}}
	primary := []auth.Rule{{Name: "easy", Then: auth.Then{Need: auth.NeedPrimary}}}
	cached := []auth.CacheRule{{ID: "c", Application: "vpn", Type: auth.CacheUser, Life: time.Hour}}
	try := func() auth.Decision { return w.Decide(from(w, office, "nas", "alice", right)) }

	set(func(s *auth.Settings) {
		s.Rules = []auth.Rule{{Name: "closed", Then: auth.Then{Need: auth.NeedRefuse}}}
		s.Trusted = trusted
	})
	w.Want(try(), auth.Reject, auth.PolicyRefused)
	set(func(s *auth.Settings) { s.Trusted, s.Rules, s.CacheRules = trusted, primary, cached })
	w.Want(try(), auth.Accept, auth.TrustedAddress)
	set(func(s *auth.Settings) { s.Rules, s.CacheRules = primary, cached })
	w.Want(try(), auth.Accept, auth.SkippedCall)
	set(func(s *auth.Settings) { s.CacheRules = cached })
	// A first request would spend the bypass; the challenge is from before it.
	w.Store.PutBypass(auth.Bypass{ID: "b2", Account: a.ID, From: w.Now().Add(time.Minute), Until: w.Now().Add(time.Hour)})
	w.Want(w.Try("old-nas", "alice", right, phone.code()), auth.Accept, auth.OATHCodeVerified)
	w.Wait(time.Minute)
	w.Want(try(), auth.Accept, auth.UsedCacheUser)
	set(func(*auth.Settings) {})
	w.Want(try(), auth.Accept, auth.BypassedAuth)
	w.Want(try(), auth.Challenge, auth.OATHCodePending)
}

// 64 uses of one bypass at once: exactly one is let in by it.
func TestParallelUsesOfOneBypass(t *testing.T) {
	w := newWorld(t)
	w.Store.Unkind = 5
	a, _ := alice(w)
	for round := range 20 {
		w.Store.PutBypass(auth.Bypass{ID: fmt.Sprint("b", round), Account: a.ID, From: w.Now(), Until: w.Now().Add(time.Minute)})
		start := make(chan struct{})
		outcomes := make(chan auth.Outcome, 64)
		var wg sync.WaitGroup
		for i := range 64 {
			client := []string{"gateway", "asking-gateway"}[i%2]
			wg.Go(func() {
				<-start
				outcomes <- w.Engine.Decide(context.Background(), w.Attempt(client, "alice")).Outcome
			})
		}
		close(start)
		wg.Wait()
		close(outcomes)
		sevens := 0
		for o := range outcomes {
			switch o {
			case auth.BypassedAuth:
				sevens++
			case auth.OATHCodePending, auth.CodeMissing, auth.AuthInProgress, auth.TooManyAtOnce:
			default:
				t.Fatalf("round %d: outcome %v", round, o)
			}
		}
		if sevens != 1 {
			t.Fatalf("round %d: %d of 64 uses of one bypass were accepted; want 1", round, sevens)
		}
		w.Wait(10 * time.Minute)
	}
	for _, b := range w.Store.Breaches() {
		t.Errorf("invariant broken: %s", b)
	}
}

// The trace of an exempt login says what let the person in.
func TestExemptionsAreTraced(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	cache(w, "vpn", auth.CacheUserAddress, time.Minute)
	complete(w, phone, "nas", office)
	first := w.Engine.References.Of(w.LastEvent().Seq)
	w.Wait(36 * time.Second)
	w.Want(w.Decide(from(w, office, "nas", "alice", auth.Password(secret))), auth.Accept, auth.UsedCacheIP)
	note := ""
	for _, s := range w.LastEvent().Trace {
		if s.Stage == auth.StagePolicy {
			note += s.Note + "\n"
		}
	}
	for _, want := range []string{string(first), "37s ago", "user+application+ip", "1m0s"} {
		if !strings.Contains(note, want) {
			t.Errorf("the trace lacks %q: %s", want, note)
		}
	}
}
