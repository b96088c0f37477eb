package httpd

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/otp"
)

// invite makes an invitation for somebody.
func (w *town) invite(name, kind string, replace bool) admin.Invitation {
	w.Helper()
	made, err := w.site.Admin.Invite(context.Background(), admin.Operator("the help desk"), admin.NewInvitation{Account: name, Kind: kind, Replace: replace})
	w.must(err)
	return made
}

// redeem uses an invitation and returns the token of the session that begins.
func (w *town) redeem(fields map[string]any, change ...func(*http.Request)) (string, *answer) {
	w.Helper()
	a := w.ask("POST", "/v1/invitations/redeem", body(w, fields), change...)
	if c := a.cookie(cookieName("portal")); c != nil {
		return c.Value, a
	}
	return "", a
}

// appCode is what an app shows that was given a secret in base 32.
func appCode(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return otp.TOTP(key, at, otp.Params{Digits: 6, Period: 30 * time.Second})
}

// Somebody who is new: an invitation, a password, an app that has shown that it
// works, and then the first sign-in.
func TestEnrolByInvitation(t *testing.T) {
	w := newTown(t)
	invitation := w.invite("edgar", "link", false)
	token, a := w.redeem(map[string]any{"secret": invitation.Secret})
	var begun SessionBegun
	a.read(t, &begun)
	if a.status != 200 || token == "" || !begun.Session.Enrolling || begun.Session.Name != "edgar" || begun.Session.Expires.Sub(w.time()) != 30*time.Minute {
		t.Fatalf("redeeming = %d %s", a.status, a.body)
	}
	as := withCookie("portal", token)
	if _, again := w.redeem(map[string]any{"secret": invitation.Secret}); again.status != 422 || again.cookie(cookieName("portal")) != nil {
		t.Errorf("redeeming it again = %d %s; want 422", again.status, again.body)
	}
	// It opens nothing but enrolment.
	for _, tt := range [][3]string{
		{"GET", "/v1/me/events", ""},
		{"GET", "/v1/me/sessions", ""},
		{"POST", "/v1/me/recovery-codes", ""},
		{"POST", "/v1/me/bypass", ""},
		{"POST", "/v1/session/step-up?client=portal", `{"passkey":true}`},
		{"DELETE", "/v1/me/authenticators/x", ""},
		{"PATCH", "/v1/me/authenticators/x", `{"label":"x"}`},
		{"POST", "/v1/me/not-me", `{"reference":"7F3K-92QD"}`},
	} {
		if a := w.ask(tt[0], tt[1], tt[2], as); a.status != 403 {
			t.Errorf("%s %s by an invitation = %d %s; want 403", tt[0], tt[1], a.status, a.body)
		}
	}
	if a := w.ask("PUT", "/v1/me/password", `{"password":"a password of edgar's own"}`, as); a.status != 204 {
		t.Fatalf("a password = %d %s", a.status, a.body)
	}
	if a := w.ask("PUT", "/v1/me/password", `{"password":"another password"}`, as); a.status != 403 {
		t.Errorf("another password by the invitation = %d %s; want 403", a.status, a.body)
	}
	var e admin.Enrolment
	w.ask("POST", "/v1/me/enrolments", `{"kind":"oath","label":"phone"}`, as).read(t, &e)
	if e.Ceremony == "" || e.Secret == "" || !strings.HasPrefix(e.URI, "otpauth://totp/") {
		t.Fatalf("the enrolment is %+v", e)
	}
	// It is nothing yet: a wrong code leaves it so, and says what to do.
	wrong := "000000"
	if wrong == appCode(t, e.Secret, w.time()) {
		wrong = "000001"
	}
	if a := w.ask("POST", "/v1/me/enrolments/confirm", body(t, map[string]any{"ceremony": e.Ceremony, "code": wrong}), as); a.status != 422 || !strings.Contains(a.body, "hint") {
		t.Errorf("a wrong code = %d %s; want 422 with a hint", a.status, a.body)
	}
	var me admin.Me
	w.ask("GET", "/v1/me", "", as).read(t, &me)
	if len(me.Authenticators) != 0 || !me.HasPassword || !me.Enrolling {
		t.Errorf("before the live test edgar holds %+v", me)
	}
	a = w.ask("POST", "/v1/me/enrolments/confirm", body(t, map[string]any{"ceremony": e.Ceremony, "code": appCode(t, e.Secret, w.time())}), as)
	var done admin.Confirmed
	a.read(t, &done)
	if a.status != 200 || done.Authenticator.Label != "phone" || len(done.RecoveryCodes) == 0 {
		t.Fatalf("the live test = %d %s", a.status, a.body)
	}
	if strings.Contains(a.body, e.Secret) {
		t.Error("the answer holds the seed")
	}
	// The code of the live test is spent; the next one signs in.
	first := w.challenged("portal", "edgar", "a password of edgar's own")
	if s := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "edgar", "state": first.State, "code": appCode(t, e.Secret, w.time())}); s.Verdict != "reject" {
		t.Errorf("the code of the live test again = %s; want a refusal", s.body)
	}
	w.wait(30 * time.Second)
	first = w.challenged("portal", "edgar", "a password of edgar's own")
	if s := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "edgar", "state": first.State, "code": appCode(t, e.Secret, w.time())}); s.Verdict != "accept" {
		t.Errorf("the first sign-in = %d %s", s.status, s.body)
	}
}

// An invitation's code counts with its name, for ten minutes; the fifth wrong
// one ends it.
func TestEnrolByCode(t *testing.T) {
	w := newTown(t)
	invitation := w.invite("edgar", "code", false)
	refused := func(what string, fields map[string]any, want int) {
		t.Helper()
		if token, a := w.redeem(fields); a.status != want || token != "" {
			t.Errorf("%s = %d %s; want %d", what, a.status, a.body, want)
		}
	}
	refused("the code alone", map[string]any{"code": invitation.Code}, 422)
	refused("the name alone", map[string]any{"name": "edgar"}, 422)
	refused("nothing", map[string]any{}, 422)
	refused("the code as a link's secret", map[string]any{"secret": invitation.Code}, 422)
	refused("both", map[string]any{"secret": "x", "name": "edgar", "code": invitation.Code}, 422)
	refused("somebody else's name", map[string]any{"name": "pat", "code": invitation.Code}, 422)
	_, nobody := w.redeem(map[string]any{"name": "nobody", "code": "ABCD-EFGH"})
	_, wrong := w.redeem(map[string]any{"name": "edgar", "code": "ABCD-EFGH"})
	if nobody.body != wrong.body || nobody.status != wrong.status {
		t.Errorf("somebody whom there is not hears %s, edgar %s; want the same", nobody.body, wrong.body)
	}
	if token, a := w.redeem(map[string]any{"name": " Edgar ", "code": strings.ToLower(strings.ReplaceAll(invitation.Code, "-", " "))}); token == "" {
		t.Errorf("the code as it may be typed = %d %s", a.status, a.body)
	}

	invitation = w.invite("edgar", "code", false)
	for range 5 {
		w.redeem(map[string]any{"name": "edgar", "code": "0000-0000"})
	}
	refused("the right code after five wrong ones", map[string]any{"name": "edgar", "code": invitation.Code}, 422)
	invitation = w.invite("edgar", "code", false)
	w.wait(10 * time.Minute)
	refused("after ten minutes", map[string]any{"name": "edgar", "code": invitation.Code}, 422)
}

// The session that an invitation begins takes the place of any in the browser.
func TestInvitationEndsTheOldSession(t *testing.T) {
	w := newTown(t)
	old := w.enterBy("portal", "pat")
	token, _ := w.redeem(map[string]any{"secret": w.invite("edgar", "link", false).Secret}, withCookie("portal", old))
	if token == "" || token == old {
		t.Fatal("no new session")
	}
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", old)); a.status != 401 {
		t.Errorf("the old session = %d; want 401", a.status)
	}
}

func TestEnrolAPasskey(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "victor")
	as := withCookie("portal", token)
	var e admin.Enrolment
	a := w.ask("POST", "/v1/me/enrolments", `{"kind":"passkey","label":"laptop"}`, as)
	a.read(t, &e)
	if a.status != 200 || len(e.Options) == 0 || e.Secret != "" {
		t.Fatalf("beginning = %d %s", a.status, a.body)
	}
	answered, _ := registration(t, "victor's laptop", e.Options)
	for name, fields := range map[string]map[string]any{
		"nothing":                     {"ceremony": e.Ceremony},
		"a code and a registration":   {"ceremony": e.Ceremony, "code": "123456", "registration": answered},
		"a text":                      {"ceremony": e.Ceremony, "registration": string(answered)},
		"no ceremony":                 {"registration": answered},
		"a registration of nothing":   {"ceremony": e.Ceremony, "registration": map[string]any{}},
		"a second code without one":   {"ceremony": e.Ceremony, "second_code": "123456"},
		"a ceremony that was made up": {"ceremony": "x", "registration": answered},
	} {
		if a := w.ask("POST", "/v1/me/enrolments/confirm", body(t, fields), as); a.status != 422 && a.status != 404 {
			t.Errorf("%s = %d %s; want a refusal", name, a.status, a.body)
		}
	}
	// Somebody else cannot end it, and neither can another session of victor's.
	other := w.enterBy("portal", "pat")
	confirm := body(t, map[string]any{"ceremony": e.Ceremony, "registration": answered})
	for name, who := range map[string]string{"pat": other, "victor elsewhere": w.enterBy("portal", "victor")} {
		if a := w.ask("POST", "/v1/me/enrolments/confirm", confirm, withCookie("portal", who)); a.status != 404 {
			t.Errorf("%s = %d %s; want 404", name, a.status, a.body)
		}
	}
	if a := w.ask("POST", "/v1/me/enrolments/confirm", confirm, as); a.status != 200 {
		t.Fatalf("confirming = %d %s", a.status, a.body)
	}
	var me admin.Me
	w.ask("GET", "/v1/me", "", as).read(t, &me)
	if n := len(me.Authenticators); n != 3 {
		t.Errorf("victor holds %d authenticators; want 3", n)
	}
}

func TestOwnAuthenticators(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	elsewhere := w.enterBy("portal", "pat")
	as := withCookie("portal", token)
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"another label", "PATCH", "/v1/me/authenticators/pat-oath", `{"label":"new phone"}`, 204},
		{"first", "PATCH", "/v1/me/authenticators/pat-webauthn", `{"default":true}`, 204},
		{"nothing to change", "PATCH", "/v1/me/authenticators/pat-oath", `{}`, 422},
		{"somebody else's", "PATCH", "/v1/me/authenticators/olga-oath", `{"label":"mine"}`, 404},
		{"somebody else's, to remove", "DELETE", "/v1/me/authenticators/olga-oath", "", 404},
		{"the password", "DELETE", "/v1/me/authenticators/pat-password", "", 404},
		{"a body with what takes none", "DELETE", "/v1/me/authenticators/pat-oath", `{}`, 400},
		{"one of two", "DELETE", "/v1/me/authenticators/pat-oath", "", 204},
		{"the last", "DELETE", "/v1/me/authenticators/pat-webauthn", "", 422},
	} {
		if a := w.ask(tt.method, tt.path, tt.body, as); a.status != tt.want {
			t.Errorf("%s = %d %s; want %d", tt.name, a.status, a.body, tt.want)
		}
	}
	var me admin.Me
	w.ask("GET", "/v1/me", "", as).read(t, &me)
	if len(me.Authenticators) != 1 || me.Authenticators[0].ID != "pat-webauthn" {
		t.Errorf("pat holds %+v", me.Authenticators)
	}
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", elsewhere)); a.status != 401 {
		t.Errorf("pat's other session after the removal = %d; want 401", a.status)
	}
}

func TestOwnPassword(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	elsewhere := w.enterBy("portal", "pat")
	as := withCookie("portal", token)
	if a := w.ask("PUT", "/v1/me/password", `{"password":"a new and long password"}`, as); a.status != 204 {
		t.Fatalf("a new password = %d %s", a.status, a.body)
	}
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", elsewhere)); a.status != 401 {
		t.Errorf("pat's other session = %d; want 401", a.status)
	}
	if a := w.ask("GET", "/v1/me", "", as); a.status != 200 {
		t.Errorf("this session = %d; want it to go on", a.status)
	}
	w.challenged("portal", "pat", "a new and long password")
	w.wait(6 * time.Minute)
	if a := w.ask("PUT", "/v1/me/password", `{"password":"yet another password"}`, as); a.status != 403 || a.problem() != "/problems/step-up" {
		t.Errorf("six minutes later = %d %s; want to be asked", a.status, a.body)
	}
}

// "This was not me": the login must be one's own; the account is blocked and all
// sessions end.
func TestNotMe(t *testing.T) {
	w := newTown(t)
	stranger := w.signIn("/v1/sign-in", map[string]any{"client": "portal", "name": "pat", "password": "a guess"})
	others := w.signIn("/v1/sign-in", map[string]any{"client": "portal", "name": "olga", "password": "a guess"})
	token := w.enterBy("portal", "pat")
	as := withCookie("portal", token)
	var mine admin.MyEvents
	w.ask("GET", "/v1/me/events?limit=2", "", as).read(t, &mine)
	if len(mine.Items) != 2 || mine.Next == "" {
		t.Fatalf("pat's logins are %+v; want two and more behind them", mine)
	}
	found := false
	for cursor := mine.Next; cursor != ""; {
		var page admin.MyEvents
		w.ask("GET", "/v1/me/events?cursor="+cursor, "", as).read(t, &page)
		for _, ev := range page.Items {
			found = found || ev.Reference == stranger.Reference
			if ev.Reference == others.Reference {
				t.Error("pat's list has olga's login")
			}
		}
		cursor = page.Next
	}
	if !found {
		t.Errorf("the guess %s is not in pat's list", stranger.Reference)
	}
	for name, reference := range map[string]string{"olga's": others.Reference, "nobody's": "0000-0000", "none": "what?"} {
		if a := w.ask("POST", "/v1/me/not-me", body(t, map[string]any{"reference": reference}), as); a.status != 404 {
			t.Errorf("%s login = %d %s; want 404", name, a.status, a.body)
		}
	}
	a := w.ask("POST", "/v1/me/not-me", body(t, map[string]any{"reference": stranger.Reference}), as)
	if c := a.cookie(cookieName("portal")); a.status != 204 || c == nil || c.MaxAge >= 0 {
		t.Fatalf("not me = %d %s", a.status, a.body)
	}
	if a := w.ask("GET", "/v1/me", "", as); a.status != 401 {
		t.Errorf("pat's session = %d; want 401", a.status)
	}
	s := w.challenged("portal", "pat", "")
	if done := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "pat", "state": s.State, "assertion": w.assertion("pat", s)}); done.Verdict != "reject" {
		t.Errorf("signing in to a blocked account = %s", done.body)
	}
}

func TestOwnSessions(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat", withHeader("User-Agent", "A browser\x01 of pat's"))
	elsewhere := w.enterBy("portal", "pat")
	w.enterBy("portal", "olga")
	as := withCookie("portal", token)
	a := w.ask("GET", "/v1/me/sessions", "", as)
	var list List[admin.SessionView]
	a.read(t, &list)
	if len(list.Items) != 2 || strings.Contains(a.body, token) || strings.Contains(a.body, "token") {
		t.Fatalf("pat's sessions are %s", a.body)
	}
	var own, other string
	for _, s := range list.Items {
		if s.Current {
			own = s.ID
			if s.Agent != "A browser of pat's" {
				t.Errorf("the browser is called %q", s.Agent)
			}
		} else {
			other = s.ID
		}
	}
	if a := w.ask("DELETE", "/v1/me/sessions/"+other, "", as); a.status != 204 {
		t.Errorf("ending the other = %d %s", a.status, a.body)
	}
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", elsewhere)); a.status != 401 {
		t.Errorf("the other session = %d; want 401", a.status)
	}
	for _, id := range w.sessions() {
		if id != own {
			if a := w.ask("DELETE", "/v1/me/sessions/"+id, "", as); a.status != 404 {
				t.Errorf("ending olga's = %d; want 404", a.status)
			}
		}
	}
	if a := w.ask("DELETE", "/v1/me/sessions/"+own, "", as); a.status != 204 || a.cookie(cookieName("portal")) == nil {
		t.Errorf("ending one's own = %d", a.status)
	}
	if a := w.ask("GET", "/v1/me", "", as); a.status != 401 {
		t.Errorf("after that = %d; want 401", a.status)
	}
}

func TestOwnBypass(t *testing.T) {
	w := newTown(t)
	as := withCookie("portal", w.enterBy("portal", "pat"))
	a := w.ask("POST", "/v1/me/bypass", "{}", as)
	var b admin.BypassView
	a.read(t, &b)
	if a.status != 200 || b.Until.Sub(w.time()) != 5*time.Minute {
		t.Errorf("a bypass = %d %s; want one for five minutes", a.status, a.body)
	}
	w.site.Admin.SelfBypass = 0
	if a := w.ask("POST", "/v1/me/bypass", "", as); a.status != 403 {
		t.Errorf("where it is not allowed = %d %s; want 403", a.status, a.body)
	}
	if a := w.ask("POST", "/v1/me/bypass", `{"seconds":86400}`, as); a.status != 422 && a.status != 413 {
		t.Errorf("with a wish = %d %s; want a refusal", a.status, a.body)
	}
}

// What a person is told of an API that lists what they hold has no seeds, no
// states and no hashes in it.
func TestMeHoldsNoSecrets(t *testing.T) {
	w := newTown(t)
	a := w.ask("GET", "/v1/me", "", withCookie("portal", w.enterBy("portal", "pat")))
	var me map[string]json.RawMessage
	a.read(t, &me)
	for what, secret := range w.secrets {
		if strings.Contains(a.body, secret) {
			t.Errorf("GET /v1/me holds the %s", what)
		}
	}
	if !strings.Contains(string(me["has_password"]), "true") {
		t.Errorf("GET /v1/me = %s", a.body)
	}
}
