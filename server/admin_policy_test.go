package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/otp"
	"sallyport/radius"
)

// A town is a server with two applications, three clients and three people,
// whose logins happen when the test says.
type town struct {
	*testing.T
	s     *Server
	admin *admin.Admin
	now   time.Time
	token otp.Enrolment // alice's
	sheet []string      // alice's recovery codes
}

// newTown: alice (group staff) holds a password, a token and recovery codes, bob
// (no group) and carol (staff) only a password. fw1 and fw2 ask for vpn, gw for
// rdp.
func newTown(t *testing.T) *town {
	t.Helper()
	s := start(t, testConfig(t.TempDir()))
	w := &town{T: t, s: s, admin: s.Admin, now: time.Now()}
	ctx := t.Context()
	for _, name := range []string{"vpn", "rdp"} {
		if _, err := w.admin.AddApplication(ctx, by, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.admin.AddGroup(ctx, by, "staff", []auth.ReplyAttribute{{Name: "Filter-Id", Value: "group"}}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []admin.NewClient{
		{Name: "fw1", Application: "vpn", Attributes: []auth.ReplyAttribute{{Name: "Filter-Id", Value: "client"}}},
		{Name: "fw2", Application: "vpn"},
		{Name: "gw", Application: "rdp"},
	} {
		c.Source, c.Secret = fmt.Sprintf("192.0.2.%d", i+1), gateway
		if _, _, err := w.admin.AddClient(ctx, by, c); err != nil {
			t.Fatal(err)
		}
	}
	addAccount(t, w.admin, admin.NewAccount{Name: "alice", Password: secret, Groups: []string{"staff"}})
	addAccount(t, w.admin, admin.NewAccount{Name: "bob", Password: secret})
	addAccount(t, w.admin, admin.NewAccount{Name: "carol", Password: secret, Groups: []string{"staff"}})
	bound, err := w.admin.AddAuthenticator(ctx, by, "alice", "oath", "phone")
	if err != nil {
		t.Fatal(err)
	}
	if w.token, err = otp.ParseURI(bound.URI); err != nil {
		t.Fatal(err)
	}
	bound, err = w.admin.NewRecoveryCodes(ctx, by, "alice")
	if err != nil {
		t.Fatal(err)
	}
	w.sheet = bound.Codes
	return w
}

// do fails the test if a change was refused.
func (w *town) do(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// rule makes a rule in place of all others.
func (w *town) rule(t admin.RuleTerms) {
	w.Helper()
	w.clear()
	w.do(w.admin.AddRule(w.Context(), by, admin.NewRule{Name: "it", RuleTerms: t}))
}

func (w *town) clear() {
	w.Helper()
	for _, r := range w.admin.Rules() {
		if !r.BuiltIn {
			w.do(nil, w.admin.RemoveRule(w.Context(), by, r.Name, ""))
		}
	}
}

// decide lets an attempt be decided at the town's time.
func (w *town) decide(client, name, ip string, state []byte, evidence ...auth.Evidence) auth.Decision {
	w.Helper()
	at := auth.Attempt{
		Door: "radius", Client: client, Claimant: name, Evidence: evidence, State: state, Time: w.now,
		Source: netip.MustParseAddrPort("192.0.2.1:1645"), Can: auth.Can{Ask: true}, Seen: "a test",
	}
	if ip != "" {
		at.From, at.Origin = ip, netip.MustParseAddr(ip)
	}
	return w.s.Engine.Decide(w.Context(), at)
}

// want fails unless the right password is answered with that outcome.
func (w *town) want(client, name, ip string, want auth.Outcome) auth.Decision {
	w.Helper()
	d := w.decide(client, name, ip, nil, auth.Password(secret))
	if d.Outcome != want {
		w.Errorf("%s at %s from %q: %s %d %s; want %d %s", name, client, ip, d.Verdict, d.Outcome, d.Outcome, want, want)
	}
	return d
}

// login makes alice log in with password and code, and moves on to the next
// code.
func (w *town) login(client, ip string) auth.Decision {
	w.Helper()
	asked := w.want(client, "alice", ip, auth.OATHCodePending)
	d := w.decide(client, "alice", ip, asked.State, auth.Code(otp.TOTP(w.token.Key, w.now, w.token.Params)))
	if d.Outcome != auth.OATHCodeVerified {
		w.Errorf("alice at %s from %q with the code: %s; want to be let in", client, ip, d.Outcome)
	}
	return d
}

// nextCode moves on to a time at which a code can be used that was not yet, and
// what was asked and cached before is over.
func (w *town) nextCode() { w.now = w.now.Add(11 * time.Minute) }

func word(s string) *string { return &s }
func number(n int) *int     { return &n }

// Each condition of a rule at two values: a login that meets it, and one that
// does not by an inch.
func TestRulesMatchWhatTheySay(t *testing.T) {
	w := newTown(t)
	refuse := word("refuse")
	const asked, refused = auth.OATHCodePending, auth.PolicyRefused
	type login struct {
		client, name, ip string
		want             auth.Outcome
	}
	tests := []struct {
		name   string
		terms  admin.RuleTerms
		logins []login
	}{
		{"every login", admin.RuleTerms{Need: refuse}, []login{{"fw1", "alice", "", refused}, {"gw", "bob", "10.0.0.1", refused}}},
		{"an application", admin.RuleTerms{Need: refuse, Applications: []string{"vpn"}}, []login{
			{"fw1", "alice", "", refused}, {"fw2", "alice", "", refused}, {"gw", "alice", "", asked},
		}},
		{"one of two applications", admin.RuleTerms{Need: refuse, Applications: []string{"vpn", "rdp"}}, []login{{"gw", "alice", "", refused}}},
		{"a client", admin.RuleTerms{Need: refuse, Clients: []string{"fw1"}}, []login{{"fw1", "alice", "", refused}, {"fw2", "alice", "", asked}}},
		{"a group", admin.RuleTerms{Need: refuse, Groups: []string{"staff"}}, []login{
			{"fw1", "alice", "", refused}, {"fw1", "carol", "", refused}, {"fw1", "bob", "", auth.UserIncomplete},
		}},
		{"a subnet", admin.RuleTerms{Need: refuse, Sources: []string{"10.1.0.0/16"}}, []login{
			{"fw1", "alice", "10.1.0.0", refused},
			{"fw1", "alice", "10.1.255.255", refused},
			{"fw1", "alice", "::ffff:10.1.0.1", refused},
			{"fw1", "alice", "10.0.255.255", asked},
			{"fw1", "alice", "10.2.0.0", asked},
			{"fw1", "alice", "2001:db8::1", asked},
			{"fw1", "alice", "", asked},
		}},
		{"a range", admin.RuleTerms{Need: refuse, Sources: []string{"2001:db8::5-2001:db8::7", "192.0.2.9"}}, []login{
			{"fw1", "alice", "2001:db8::7", refused}, {"fw1", "alice", "2001:db8::8", asked}, {"fw1", "alice", "192.0.2.9", refused}, {"fw1", "alice", "192.0.2.10", asked},
		}},
		{"what the account holds", admin.RuleTerms{Need: refuse, Holding: []string{"oath"}}, []login{
			{"fw1", "alice", "", refused}, {"fw1", "carol", "", auth.UserIncomplete},
		}},
		{"two kinds of condition must both be met", admin.RuleTerms{Need: refuse, Clients: []string{"fw1"}, Groups: []string{"staff"}}, []login{
			{"fw1", "alice", "", refused}, {"fw2", "alice", "", asked}, {"fw1", "bob", "", auth.UserIncomplete},
		}},
	}
	for _, tt := range tests {
		w.rule(tt.terms)
		for _, l := range tt.logins {
			t.Run(tt.name, func(t *testing.T) {
				w := *w
				w.T = t
				w.want(l.client, l.name, l.ip, l.want)
			})
		}
	}

	w.rule(admin.RuleTerms{Need: refuse, Times: []string{"mon-fri 08:00-18:00 Europe/Berlin"}})
	for at, want := range map[string]auth.Outcome{
		"2026-12-23T06:59:59Z": asked, "2026-12-23T07:00:00Z": refused, // a Wednesday in winter, an hour before UTC
		"2026-12-23T16:59:59Z": refused, "2026-12-23T17:00:00Z": asked,
		"2026-12-26T12:00:00Z": asked, // a Saturday
	} {
		var err error
		if w.now, err = time.Parse(time.RFC3339, at); err != nil {
			t.Fatal(err)
		}
		w.want("fw1", "alice", "", want)
	}
}

// What rules say, each setting at two values at least.
func TestRulesDoWhatTheySay(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()

	w.rule(admin.RuleTerms{Need: word("both")})
	w.want("fw1", "alice", "", auth.OATHCodePending)
	w.rule(admin.RuleTerms{Need: word("primary")})
	w.want("fw1", "alice", "", auth.SkippedCall)
	w.want("fw1", "bob", "", auth.SkippedCall)
	if d := w.decide("fw1", "alice", "", nil, auth.Password("wrong")); d.Verdict != auth.Reject {
		t.Errorf("a wrong password where the first factor is enough: %s", d.Verdict)
	}

	for unenrolled, want := range map[string]auth.Outcome{"refuse": auth.UserIncomplete, "pass": auth.SkippedCall, "enrol": auth.EnrolmentRequired} {
		w.rule(admin.RuleTerms{Unenrolled: word(unenrolled)})
		w.want("fw1", "bob", "", want)
		w.want("fw1", "alice", "", auth.OATHCodePending) // who has one is asked, whatever becomes of others
	}

	// Recovery codes complete a login only where the rule admits them.
	for _, methods := range [][]string{{"oath"}, {"recovery"}} {
		w.nextCode()
		w.rule(admin.RuleTerms{Methods: methods})
		asked := w.decide("fw1", "alice", "", nil, auth.Password(secret))
		d := w.decide("fw1", "alice", "", asked.State, auth.Code(w.sheet[0]))
		if accepted := d.Verdict == auth.Accept; asked.Verdict != auth.Challenge || accepted != (methods[0] == "recovery") {
			t.Errorf("a recovery code where %v is admitted: %s, then %s", methods, asked.Outcome, d.Outcome)
		}
	}

	// A challenge lives as long as the rule says.
	for seconds, want := range map[int]auth.Outcome{30: auth.ChallengeExpired, 600: auth.OATHCodeVerified} {
		w.nextCode()
		w.rule(admin.RuleTerms{ChallengeSeconds: number(seconds)})
		asked := w.want("fw1", "alice", "", auth.OATHCodePending)
		w.now = w.now.Add(31 * time.Second)
		if d := w.decide("fw1", "alice", "", asked.State, auth.Code(otp.TOTP(w.token.Key, w.now, w.token.Params))); d.Outcome != want {
			t.Errorf("an answer after 31 s to a challenge of %d s: %s; want %s", seconds, d.Outcome, want)
		}
	}

	// A second request waits for an open login as long as the rule says. The
	// clock has passed both times already, so that it need not.
	w.now = time.Now().Add(-time.Hour)
	for seconds, want := range map[int]string{7: "it was not answered within 7s", 0: "it was not answered within 40s"} {
		w.nextCode()
		w.rule(admin.RuleTerms{WaitSeconds: number(seconds)})
		w.want("fw1", "alice", "10.1.2.3", auth.OATHCodePending)
		w.s.Engine.Decide(ctx, auth.Attempt{
			Door: "radius", Client: "fw2", Claimant: "alice", Evidence: []auth.Evidence{auth.Password(secret)}, Time: w.now,
			From: "10.1.2.3", Can: auth.Can{Ask: true, Wait: 40 * time.Second}, Seen: "a test",
		})
		events, err := w.admin.Events(ctx, admin.Search{Limit: 1, Newest: true})
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := w.s.Store.Event(ctx, events[0].Seq); err != nil || !strings.Contains(fmt.Sprint(ev.Trace), want) {
			t.Errorf("with %d seconds to wait: %v, %v; want %s", seconds, ev.Trace, err, want)
		}
	}

	// Attributes stand after the client's and before the groups'.
	for _, own := range [][]auth.ReplyAttribute{nil, {{Name: "Filter-Id", Value: "rule"}}} {
		w.rule(admin.RuleTerms{Need: word("primary"), Attributes: own})
		var values []string
		for _, at := range w.want("fw1", "alice", "", auth.SkippedCall).Attributes {
			values = append(values, at.Value)
		}
		want := "client group"
		if own != nil {
			want = "client rule group"
		}
		if got := strings.Join(values, " "); got != want {
			t.Errorf("the reply has %s; want %s", got, want)
		}
	}

	// The first that matches decides; moving it changes which that is.
	w.clear()
	w.do(w.admin.AddRule(ctx, by, admin.NewRule{Name: "open", RuleTerms: admin.RuleTerms{Need: word("primary")}}))
	w.do(w.admin.AddRule(ctx, by, admin.NewRule{Name: "shut", RuleTerms: admin.RuleTerms{Need: word("refuse"), Applications: []string{"vpn"}}}))
	w.want("fw1", "bob", "", auth.SkippedCall)
	w.do(w.admin.MoveRule(ctx, by, admin.RuleMove{Name: "shut", RulePlace: admin.RulePlace{Before: "open"}}))
	w.want("fw1", "bob", "", auth.PolicyRefused)
	w.want("gw", "bob", "", auth.SkippedCall)
	if views := w.admin.Rules(); views[0].Name != "shut" || views[0].Place != 1 || views[1].Place != 2 || views[2].Name != auth.Strictest {
		t.Errorf("rules %+v", views)
	}
	w.do(w.admin.ChangeRule(ctx, by, admin.RuleChange{Name: "shut", RuleTerms: admin.RuleTerms{Applications: []string{}}}))
	w.want("gw", "bob", "", auth.PolicyRefused)
	w.do(w.admin.ChangeRule(ctx, by, admin.RuleChange{Name: "shut", NewName: "closed", RuleTerms: admin.RuleTerms{Applications: []string{"rdp"}}}))
	w.want("fw1", "bob", "", auth.SkippedCall)
	events, err := w.admin.Events(ctx, admin.Search{Limit: 1, Newest: true})
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := w.s.Store.Event(ctx, events[0].Seq); err != nil || ev.Rule != "open" {
		t.Errorf("the newest login was decided by rule %q, %v; want open", ev.Rule, err)
	}
	w.clear()
	w.want("fw1", "bob", "", auth.UserIncomplete) // nothing matches: the strictest
}

func TestTrustedIPReachesNoFurther(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.do(w.admin.AddTrustedIP(ctx, by, admin.NewTrustedIP{Application: "vpn", Range: "10.1.0.0/16"}))
	w.want("fw1", "alice", "10.1.255.255", auth.TrustedAddress)
	w.want("fw2", "alice", "10.1.0.0", auth.TrustedAddress)
	w.want("fw1", "alice", "10.2.0.0", auth.OATHCodePending) // an inch outside
	w.want("fw1", "alice", "", auth.OATHCodePending)         // nobody says where
	w.want("gw", "alice", "10.1.0.1", auth.OATHCodePending)  // another application
	if d := w.decide("fw1", "alice", "10.1.0.1", nil, auth.Password("wrong")); d.Verdict != auth.Reject {
		t.Errorf("a wrong password from a trusted network: %s", d.Verdict)
	}
	w.rule(admin.RuleTerms{Need: word("refuse")})
	w.want("fw1", "alice", "10.1.0.1", auth.PolicyRefused)
	w.clear()
	w.do(w.admin.RemoveTrustedIP(ctx, by, admin.TrustedIPRef{Application: "vpn", Range: "10.1.0.0/16"}))
	w.want("fw1", "alice", "10.1.0.1", auth.OATHCodePending)
	_, err := w.admin.RemoveTrustedIP(ctx, by, admin.TrustedIPRef{Application: "vpn", Range: "10.1.0.0/16"})
	wantProblem(t, err, admin.ErrNotFound, "trusts no 10.1.0.0/16")
}

func TestCacheRulesReachNoFurther(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	const asked = auth.OATHCodePending
	cache := func(kind string, seconds int) {
		t.Helper()
		w.nextCode()
		for _, r := range w.admin.CacheRules() {
			w.do(nil, w.admin.RemoveCacheRule(ctx, by, r.Application))
		}
		for _, app := range []string{"vpn", "rdp"} {
			w.do(w.admin.AddCacheRule(ctx, by, admin.NewCacheRule{Application: app, Type: kind, Seconds: seconds}))
		}
		w.login("fw1", "10.1.2.3")
	}
	for _, tt := range []struct {
		kind                         string
		same, elsewhere, application auth.Outcome
	}{
		{"user", auth.UsedCacheUser, auth.UsedCacheUser, auth.UsedCacheUser},
		{"user+application", auth.UsedCacheApplication, auth.UsedCacheApplication, asked},
		{"user+application+ip", auth.UsedCacheIP, asked, asked},
	} {
		cache(tt.kind, 60)
		w.now = w.now.Add(37 * time.Second) // as a Mac RDP client does
		w.want("fw2", "alice", "10.1.2.3", tt.same)
		w.want("fw1", "alice", "10.1.2.4", tt.elsewhere)
		w.want("gw", "alice", "10.1.2.3", tt.application)
		w.want("fw1", "bob", "10.1.2.3", auth.UserIncomplete) // another account
	}

	// Seconds at two values; hits do not prolong them.
	for _, seconds := range []int{60, 120} {
		cache("user+application+ip", seconds)
		w.now = w.now.Add(59 * time.Second)
		w.want("fw1", "alice", "10.1.2.3", auth.UsedCacheIP)
		w.now = w.now.Add(time.Second)
		want := asked
		if seconds == 120 {
			want = auth.UsedCacheIP
		}
		w.want("fw1", "alice", "10.1.2.3", want)
	}

	// Without a known address nothing is remembered by a rule that asks for it.
	w.nextCode()
	w.login("fw1", "")
	w.want("fw1", "alice", "", asked)

	// Whatever changes the account or the policy ends it.
	for name, change := range map[string]func() error{
		"purge of the account": func() error { return w.admin.PurgeCache(ctx, by, "alice") },
		"purge of all":         func() error { return w.admin.PurgeCache(ctx, by, "") },
		"unlock":               func() error { return w.admin.Unlock(ctx, by, "alice") },
		"block and unblock": func() error {
			return errors.Join(w.admin.Block(ctx, by, "alice", "", time.Time{}), w.admin.Unblock(ctx, by, "alice"))
		},
		"unblock":        func() error { return w.admin.Unblock(ctx, by, "alice") },
		"a new password": func() error { return w.admin.SetPassword(ctx, by, "alice", secret, "") },
		"a new factor":   func() error { _, err := w.admin.AddAuthenticator(ctx, by, "alice", "oath", "second"); return err },
		"a change of policy": func() error {
			_, err := w.admin.AddTrustedIP(ctx, by, admin.NewTrustedIP{Application: "rdp", Range: "192.0.2.1"})
			return err
		},
		"the rule's end": func() error { return w.admin.RemoveCacheRule(ctx, by, "vpn") },
		"a wrong password": func() error {
			w.decide("fw1", "alice", "10.1.2.3", nil, auth.Password("wrong"))
			return nil
		},
		"a wrong code": func() error {
			d := w.decide("fw1", "alice", "10.9.9.9", nil, auth.Password(secret))
			w.decide("fw1", "alice", "10.9.9.9", d.State, auth.Code("000000"))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache("user+application+ip", 60)
			w.want("fw1", "alice", "10.1.2.3", auth.UsedCacheIP)
			if err := change(); err != nil {
				t.Fatal(err)
			}
			w.want("fw1", "alice", "10.1.2.3", asked)
		})
	}

	// A purge of somebody else does not.
	cache("user+application+ip", 60)
	w.do(nil, w.admin.PurgeCache(ctx, by, "bob"))
	w.want("fw1", "alice", "10.1.2.3", auth.UsedCacheIP)
}

func TestBypassIsForOneLoginOfOneAccount(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	_, err := w.admin.AddBypass(ctx, by, admin.NewBypass{Account: "alice"})
	wantProblem(t, err, admin.ErrInvalid, "a bypass needs a reason")

	add := func(seconds int) admin.BypassView {
		t.Helper()
		v, err := w.admin.AddBypass(ctx, by, admin.NewBypass{Account: `CORP\ALICE`, Seconds: seconds, Reason: "phone at home"})
		if err != nil || v.Account != "alice" || v.Actor != by.Name {
			t.Fatalf("bypass %+v, %v", v, err)
		}
		return v
	}
	for seconds, life := range map[int]time.Duration{0: admin.DefaultBypass, 10: 10 * time.Second} {
		v := add(seconds)
		if got := v.Until.Sub(v.From); got != life {
			t.Errorf("a bypass of %d seconds is for %v; want %v", seconds, got, life)
		}
		w.now = v.From.Add(-time.Second)
		w.want("fw1", "alice", "", auth.OATHCodePending)
		w.now = v.Until
		w.want("fw1", "alice", "", auth.OATHCodePending)
		w.now = v.Until.Add(-time.Second)
		w.want("fw1", "bob", "", auth.UserIncomplete) // not his
		if d := w.decide("fw1", "alice", "", nil, auth.Password("wrong")); d.Verdict != auth.Reject {
			t.Errorf("a wrong password with a bypass: %s", d.Verdict)
		}
		w.want("gw", "alice", "", auth.BypassedAuth)
		w.want("gw", "alice", "", auth.OATHCodePending) // it is used up
		if left, err := w.admin.Bypasses(ctx); err != nil || len(left) > 0 {
			t.Errorf("%+v is left, %v", left, err)
		}
	}

	// Taken back; replaced; shown; and what a rule refuses stays refused.
	w.now = add(60).From
	w.do(nil, w.admin.RemoveBypass(ctx, by, "alice"))
	w.want("fw1", "alice", "", auth.OATHCodePending)
	wantProblem(t, w.admin.RemoveBypass(ctx, by, "alice"), admin.ErrNotFound, "alice has no bypass")
	add(86400)
	w.now = add(60).From
	if v, err := w.admin.ShowAccount(ctx, "alice"); err != nil || v.Bypass == nil || !v.Bypass.Live || v.Bypass.Until.Sub(v.Bypass.From) != time.Minute {
		t.Errorf("shown with bypass %+v, %v", v.Bypass, err)
	}
	list, err := w.admin.Bypasses(ctx)
	if err != nil || len(list) != 1 || list[0].Account != "alice" {
		t.Errorf("bypasses %+v, %v; want one of alice", list, err)
	}
	w.rule(admin.RuleTerms{Need: word("refuse")})
	w.want("fw1", "alice", "", auth.PolicyRefused)
	w.clear()
	w.want("fw1", "alice", "", auth.BypassedAuth)
	if v, err := w.admin.ShowAccount(ctx, "alice"); err != nil || v.Bypass != nil {
		t.Errorf("shown with bypass %+v after it was used, %v", v.Bypass, err)
	}
}

// A client is believed where people are, or not: over RADIUS, as a NAS says it.
func TestOriginOfAClient(t *testing.T) {
	s := start(t, testConfig(t.TempDir()))
	person := populate(t, s, 1, admin.NewClient{})[0]
	ctx := t.Context()
	if err := s.Admin.SetPassword(ctx, by, person.Account, secret, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Admin.AddTrustedIP(ctx, by, admin.NewTrustedIP{Application: "vpn", Range: "10.1.0.0/16"}); err != nil {
		t.Fatal(err)
	}
	key, err := radius.NewSecret([]byte(gateway))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		origin, from string
		want         radius.Code
	}{
		{"calling-station-id", "10.1.2.3", radius.AccessAccept},
		{"calling-station-id", "10.2.2.3", radius.AccessChallenge},
		{"calling-station-id", "00-10-A4-23-19-C0", radius.AccessChallenge},
		{"none", "10.1.2.3", radius.AccessChallenge},
	} {
		if v, err := s.Admin.ChangeClient(ctx, by, admin.ClientChange{Name: "nas", Origin: tt.origin}); err != nil || v.Origin != tt.origin {
			t.Fatalf("changed to %+v, %v", v, err)
		}
		p := radius.NewRequest(radius.AccessRequest)
		p.Add(radius.UserName, []byte(person.Account))
		p.Add(radius.CallingStationID, []byte(tt.from))
		if err := p.AddPassword(key, []byte(secret)); err != nil {
			t.Fatal(err)
		}
		reply, err := new(radius.Asker).Exchange(ctx, s.RADIUS()[0], key, p)
		if err != nil || reply.Code != tt.want {
			t.Errorf("origin %s, from %s: %v, %v; want %v", tt.origin, tt.from, reply, err, tt.want)
		}
	}
}

// What explain says comes true, and explaining spends nothing.
func TestExplanationComesTrue(t *testing.T) {
	w := newTown(t)
	ctx := context.Background()
	ask := func(q admin.Question) []admin.ExplainView {
		t.Helper()
		q.At = w.now
		views, err := w.admin.ExplainLogin(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		return views
	}
	w.do(w.admin.AddTrustedIP(ctx, by, admin.NewTrustedIP{Application: "vpn", Range: "10.1.0.0/16"}))
	w.do(w.admin.AddRule(ctx, by, admin.NewRule{Name: "week", RuleTerms: admin.RuleTerms{Applications: []string{"rdp"}, Unenrolled: word("pass")}}))
	w.do(w.admin.ChangeClient(ctx, by, admin.ClientChange{Name: "fw2", Origin: "none"}))
	b, err := w.admin.AddBypass(ctx, by, admin.NewBypass{Account: "carol", Reason: "new phone"})
	if err != nil {
		t.Fatal(err)
	}
	w.now = b.From
	for _, tt := range []struct {
		client, name, ip string
		rule             string
		exemption        string
	}{
		{"fw1", "alice", "10.1.2.3", auth.Strictest, "trusted-ip"},
		{"fw1", "alice", "10.2.2.3", auth.Strictest, ""},
		{"fw1", "bob", "", auth.Strictest, ""},
		{"gw", "bob", "", "week", "skipped-call"},
		{"gw", "alice", "10.1.2.3", "week", ""},
		{"fw1", "nobody", "10.9.9.9", "", ""},
		{"fw1", "carol", "10.9.9.9", auth.Strictest, "bypassed-auth"},
	} {
		v := ask(admin.Question{Account: tt.name, Client: tt.client, IP: tt.ip})[0]
		if again := ask(admin.Question{Account: tt.name, Client: tt.client, IP: tt.ip})[0]; again.Outcome != v.Outcome {
			t.Errorf("%+v: explained as %s, then as %s", tt, v.Outcome, again.Outcome)
		}
		d := w.decide(tt.client, tt.name, tt.ip, nil, auth.Password(secret))
		if v.Code != int(d.Outcome) || v.Verdict != d.Verdict.String() || v.Exemption != tt.exemption || tt.rule != "" && v.Rule != tt.rule {
			t.Errorf("%+v: explained as %s %s by rule %s, exemption %q; it was %s %s", tt, v.Verdict, v.Outcome, v.Rule, v.Exemption, d.Verdict, d.Outcome)
		}
	}
	views := ask(admin.Question{Account: "alice", Application: "vpn", IP: "10.1.2.3"})
	if len(views) != 2 || views[0].Client != "fw1" || views[0].Code != -104 || views[1].Client != "fw2" || views[1].Verdict != "challenge" || !views[1].Possible {
		t.Errorf("at vpn: %+v", views)
	}
	unknown := ask(admin.Question{Account: "nobody", Client: "fw1"})[0]
	if unknown.Account != "" || unknown.Possible || !strings.Contains(strings.Join(unknown.Notes, " "), `no account has the name "nobody"`) {
		t.Errorf("somebody unknown: %+v", unknown)
	}
	before, err := w.admin.Events(ctx, admin.Search{})
	if err != nil {
		t.Fatal(err)
	}
	ask(admin.Question{Account: "alice", Application: "vpn"})
	if after, err := w.admin.Events(ctx, admin.Search{}); err != nil || len(after) != len(before) {
		t.Errorf("explaining has made %d events, %v", len(after)-len(before), err)
	}
}

// However rules are moved, they stand where they were put, the others keep
// their order, and places have no gaps.
func TestMovedRulesStandWhereTheyWerePut(t *testing.T) {
	a := newAdmin(t)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		if _, err := a.AddRule(t.Context(), by, admin.NewRule{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	order := func() (names []string) {
		for i, v := range a.Rules() {
			if v.Place != int64(i)+1 {
				t.Errorf("rule %s has place %d; want %d", v.Name, v.Place, i+1)
			}
			if !v.BuiltIn {
				names = append(names, v.Name)
			}
		}
		return names
	}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom(names).Draw(r, "name")
		want := slices.DeleteFunc(order(), func(n string) bool { return n == name })
		other := rapid.SampledFrom(want).Draw(r, "other")
		at := slices.Index(want, other)
		var p admin.RulePlace
		switch rapid.SampledFrom([]string{"before", "after", "place", "last"}).Draw(r, "how") {
		case "before":
			p.Before = other
		case "after":
			p.After = other
			at++
		case "place":
			p.Place = int64(at) + 1
		case "last":
			p.Before = auth.Strictest
			at = len(want)
		}
		want = slices.Insert(want, at, name)
		v, err := a.MoveRule(t.Context(), by, admin.RuleMove{Name: name, RulePlace: p})
		if err != nil {
			r.Fatal(err)
		}
		if got := order(); !slices.Equal(got, want) || v.Place != int64(at)+1 {
			r.Fatalf("%s moved to %+v: %v at %d; want %v at %d", name, p, got, v.Place, want, at+1)
		}
	})
}
