package httpd

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// stepUp confirms that it is still the same person: by passkey if password is
// "".
func (w *town) stepUp(client, name, password, token string) signing {
	w.Helper()
	as := withCookie(client, token)
	fields := map[string]any{"password": password}
	if password == "" {
		fields = map[string]any{"passkey": true}
	}
	s := w.signIn("/v1/session/step-up?client="+client, fields, as)
	if s.status != 200 || s.Verdict != "challenge" {
		return s
	}
	answer := map[string]any{"state": s.State}
	if s.Ask == "passkey" {
		answer["assertion"] = w.assertion(name, s)
	} else {
		answer["code"] = w.code(name)
	}
	return w.signIn("/v1/session/step-up/continue?client="+client, answer, as)
}

// A step-up is not older than five minutes, by the best that the account holds,
// and the session gets a new token with it.
func TestStepUp(t *testing.T) {
	w := newTown(t)
	renew := func(token string) *answer {
		return w.ask("POST", "/v1/me/recovery-codes", "", withCookie("portal", token))
	}
	token := w.enterBy("portal", "pat")
	if a := renew(token); a.status != 200 {
		t.Errorf("just signed in = %d %s; want it to count", a.status, a.body)
	}
	w.wait(5*time.Minute - time.Second)
	if a := renew(token); a.status != 200 {
		t.Errorf("within five minutes = %d %s; want it to count", a.status, a.body)
	}
	w.wait(time.Second)
	if a := renew(token); a.status != 403 || a.problem() != "/problems/step-up" {
		t.Errorf("after five minutes = %d %s; want to be asked", a.status, a.body)
	}
	done := w.stepUp("portal", "pat", "", token)
	c := done.cookie(cookieName("portal"))
	if done.Verdict != "accept" || c == nil || c.Value == token || done.Session == nil || done.Session.Factor != auth.PasskeyFactor || !done.Session.Proven.Equal(w.time()) {
		t.Fatalf("the step-up = %d %s", done.status, done.body)
	}
	if a := renew(token); a.status != 401 {
		t.Errorf("the token before the step-up = %d; want 401", a.status)
	}
	if a := renew(c.Value); a.status != 200 {
		t.Errorf("after the step-up = %d %s", a.status, a.body)
	}
	// The session does not last longer for it.
	var s SessionView
	w.ask("GET", "/v1/session?client=portal", "", withCookie("portal", c.Value)).read(t, &s)
	if !s.Expires.Equal(s.Created.Add(24 * time.Hour)) {
		t.Errorf("the session of %v ends at %v", s.Created, s.Expires)
	}
}

// A weaker factor does not stand in for the passkey that somebody holds, however
// fresh it is (GHSA-hp74-gm6m-2qm5).
func TestStepUpByLess(t *testing.T) {
	w := newTown(t)
	s := w.challenged("portal", "pat", townPassword)
	done := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "pat", "state": s.State, "code": w.code("pat")})
	token := done.cookie(cookieName("portal")).Value
	if a := w.ask("POST", "/v1/me/recovery-codes", "", withCookie("portal", token)); a.status != 403 || a.problem() != "/problems/step-up" {
		t.Errorf("signed in this moment by password and code, with a passkey in hand = %d %s; want to be asked for the passkey", a.status, a.body)
	}
	w.wait(time.Minute)
	if a := w.stepUp("portal", "pat", townPassword, token); a.status != 422 || a.cookie(cookieName("portal")) != nil {
		t.Errorf("a step-up by password = %d %s; want 422", a.status, a.body)
	}
	// A state of an ordinary sign-in carried over: the engine accepts the code,
	// and the session notes that it was only a code.
	s = w.challenged("portal", "pat", townPassword)
	carried := w.signIn("/v1/session/step-up/continue?client=portal", map[string]any{"state": s.State, "code": w.code("pat")}, withCookie("portal", token))
	if carried.Verdict == "accept" {
		token = carried.cookie(cookieName("portal")).Value
	}
	if a := w.ask("POST", "/v1/me/recovery-codes", "", withCookie("portal", token)); a.status != 403 || a.problem() != "/problems/step-up" {
		t.Errorf("after a step-up by code = %d %s; want to be asked for the passkey", a.status, a.body)
	}

	// At the console nothing but a passkey will do.
	console := w.enterBy("console", "olga")
	if a := w.stepUp("console", "olga", townPassword, console); a.status != 422 {
		t.Errorf("a password at the console = %d %s; want 422", a.status, a.body)
	}
	weak := w.begin(session{account: "olga", client: "console", factor: "oath"})
	if a := w.freshAt("console", weak); a == nil || a.Type != "/problems/step-up" {
		t.Errorf("a console session that was proven by a code is fresh enough: %v", a)
	}
	// Somebody who holds no passkey proves themselves with what they have.
	w.apply(admin.RemoveAuthenticator{ID: "victor-webauthn"})
	s = w.challenged("portal", "victor", townPassword)
	token = w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "victor", "state": s.State, "code": w.code("victor")}).cookie(cookieName("portal")).Value
	if a := w.ask("POST", "/v1/me/recovery-codes", "", withCookie("portal", token)); a.status != 200 {
		t.Errorf("victor, who has no passkey = %d %s; want his code to count", a.status, a.body)
	}
	w.wait(6 * time.Minute)
	if a := w.stepUp("portal", "victor", townPassword, token); a.Verdict != "accept" {
		t.Errorf("victor's step-up = %d %s", a.status, a.body)
	}
}

// freshAt returns the problem that freshEnough has with a session, nil if none.
func (w *town) freshAt(client, token string) *Problem {
	w.Helper()
	r := w.request("GET", "/", "")
	withCookie(client, token)(r)
	c := &caller{site: w.site, operation: &operation{}, request: r}
	w.must(w.site.identifySession(c, client))
	if err := w.site.freshEnough(c); err != nil {
		return problemOf(err)
	}
	return nil
}

// A step-up proves the person in the session and nobody else.
func TestStepUpOfSomebodyElse(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	s := w.challenged("portal", "olga", "")
	a := w.signIn("/v1/session/step-up/continue?client=portal", map[string]any{"state": s.State, "assertion": w.assertion("olga", s)}, withCookie("portal", token))
	if a.Verdict == "accept" || len(a.header.Values("Set-Cookie")) != 0 {
		t.Errorf("olga's passkey in pat's session = %d %s", a.status, a.body)
	}
	w.site.Decide = func(context.Context, auth.Attempt) auth.Decision {
		return auth.Decision{Verdict: auth.Accept, Account: w.ids["olga"], Factor: auth.PasskeyFactor}
	}
	a = w.signIn("/v1/session/step-up/continue?client=portal", map[string]any{"state": "AAAA", "code": "123456"}, withCookie("portal", token))
	if a.status != 500 || len(a.header.Values("Set-Cookie")) != 0 {
		t.Errorf("an accept of olga in pat's session = %d %s; want a fault", a.status, a.body)
	}
	// Nobody is asked without a session.
	if a := w.ask("POST", "/v1/session/step-up?client=portal", `{"passkey":true}`); a.status != 401 {
		t.Errorf("a step-up without a session = %d", a.status)
	}
}

func TestSignOut(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	a := w.ask("DELETE", "/v1/session?client=portal", "", withCookie("portal", token))
	c := a.cookie(cookieName("portal"))
	if a.status != 204 || c == nil || c.Value != "" || c.MaxAge >= 0 || !c.Secure || c.Path != "/" {
		t.Errorf("signing out = %d %s, cookie %+v", a.status, a.body, c)
	}
	if a := w.ask("GET", "/v1/session?client=portal", "", withCookie("portal", token)); a.status != 401 || a.problem() != "/problems/signed-out" {
		t.Errorf("after signing out = %d %s; want 401", a.status, a.body)
	}
	if n := len(w.sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// What ends a session ends it at the next request.
func TestSessionEnds(t *testing.T) {
	tests := []struct {
		name, client string
		do           func(w *town, id string)
	}{
		{"left alone at the console", "console", func(w *town, _ string) { w.wait(15 * time.Minute) }},
		{"left alone at the portal", "portal", func(w *town, _ string) { w.wait(time.Hour) }},
		{"disabled", "portal", func(w *town, id string) {
			w.apply(admin.UpdateAccount{ID: id, Update: func(a *auth.Account) error { a.Enabled = false; return nil }})
		}},
		{"blocked", "portal", func(w *town, id string) {
			w.apply(admin.UpdateAccount{ID: id, Update: func(a *auth.Account) error { a.Blocked = true; return nil }})
		}},
		{"the role is gone", "console", func(w *town, id string) {
			w.apply(admin.UpdateAccount{ID: id, Update: func(a *auth.Account) error { a.Role = ""; return nil }})
		}},
		{"removed", "portal", func(w *town, id string) { w.apply(admin.RemoveAccount{ID: id}) }},
		{"ended by an administrator", "portal", func(w *town, id string) { w.apply(admin.EndSessions{Account: id}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newTown(t)
			token := w.enterBy(tt.client, "helen")
			ask := func() *answer { return w.ask("GET", "/v1/session?client="+tt.client, "", withCookie(tt.client, token)) }
			if a := ask(); a.status != 200 {
				t.Fatalf("before = %d %s", a.status, a.body)
			}
			tt.do(w, w.ids["helen"])
			if a := ask(); a.status != 401 {
				t.Errorf("after = %d %s; want 401", a.status, a.body)
			}
		})
	}
}

// However busy a session is, it ends.
func TestSessionExpires(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("console", "olga")
	ask := func() int {
		return w.ask("GET", "/v1/session?client=console", "", withCookie("console", token)).status
	}
	for range 71 {
		w.wait(10 * time.Minute)
		if got := ask(); got != 200 {
			t.Fatalf("a busy session at %v = %d", w.time(), got)
		}
	}
	w.wait(10 * time.Minute)
	if got := ask(); got != 401 {
		t.Errorf("after twelve hours = %d; want 401", got)
	}
}

// Which of the browser's sessions is meant must be said.
func TestWhichSession(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	for _, query := range []string{"", "?client=", "?client=vpn", "?client=portal&client=console", "?Client=portal", "?client=PORTAL", "?client=portal&more=1"} {
		if a := w.ask("GET", "/v1/session"+query, "", withCookie("portal", token), withCookie("console", token)); a.status == 200 {
			t.Errorf("GET /v1/session%s = %d %s; want a refusal", query, a.status, a.body)
		}
	}
}

// A cookie, a key and a header that are spelt otherwise are none.
func TestIdentification(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	for name, as := range map[string]func(*http.Request){
		"another name of the cookie": func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "sallyport-portal", Value: token}) },
		"the token and more":         withCookie("portal", token+"A"),
		"the token cut":              withCookie("portal", token[:42]),
		"the token in capitals":      withCookie("portal", strings.ToUpper(token)),
		"an endless token":           withCookie("portal", strings.Repeat("A", 8000)),
		"the token as a key":         withHeader("Authorization", "Bearer "+token),
		"the session's ID":           withCookie("portal", w.sessions()[0]),
	} {
		if a := w.ask("GET", "/v1/me", "", as); a.status != 401 {
			t.Errorf("%s = %d; want 401", name, a.status)
		}
	}
	bearers := []struct {
		name   string
		lines  []string
		want   string
		wantOK bool
	}{
		{"one", []string{"Bearer spk_x"}, "spk_x", true},
		{"in small letters", []string{"bearer spk_x"}, "spk_x", true},
		{"none", nil, "", false},
		{"two", []string{"Bearer spk_x", "Bearer spk_y"}, "", false},
		{"basic", []string{"Basic spk_x"}, "", false},
		{"no token", []string{"Bearer "}, "", false},
		{"only a token", []string{"spk_x"}, "", false},
		{"too long", []string{"Bearer " + strings.Repeat("x", 201)}, "", false},
	}
	for _, tt := range bearers {
		r := w.request("GET", "/", "")
		if tt.lines != nil {
			r.Header["Authorization"] = tt.lines
		}
		if got, ok := bearerOf(r); ok != tt.wantOK || ok && got != tt.want {
			t.Errorf("%s: bearerOf = %q, %t; want %q, %t", tt.name, got, ok, tt.want, tt.wantOK)
		}
	}
}
