package httpd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
)

// body encodes fields as JSON.
func body(t testing.TB, fields map[string]any) string {
	t.Helper()
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// signing is an answer of a sign-in, and the HTTP that carried it.
type signing struct {
	SignIn
	*answer
}

// signIn sends one request of a sign-in.
func (w *town) signIn(path string, fields map[string]any, change ...func(*http.Request)) signing {
	w.Helper()
	s := signing{answer: w.ask("POST", path, body(w, fields), change...)}
	if s.status == 200 {
		s.read(w, &s.SignIn)
	}
	return s
}

// challenged begins a sign-in with a password, or with a passkey if that is "".
func (w *town) challenged(client, name, password string) signing {
	w.Helper()
	fields := map[string]any{"client": client, "name": name}
	if password == "" {
		fields["passkey"] = true
	} else {
		fields["password"] = password
	}
	s := w.signIn("/v1/sign-in", fields)
	if s.status != 200 || s.Verdict != "challenge" || s.State == "" || s.Session != nil || len(s.header.Values("Set-Cookie")) != 0 {
		w.Fatalf("the first step of %s at %s = %d %s; want a challenge, and no session", name, client, s.status, s.body)
	}
	return s
}

// assertion is what a person's passkey answers to a challenge.
func (w *town) assertion(name string, s signing) json.RawMessage {
	w.Helper()
	var options struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
	}
	if err := json.Unmarshal(s.Options, &options); err != nil || options.RPID != "mfa.example.com" {
		w.Fatalf("options %s: %v", s.Options, err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(options.Challenge)
	w.must(err)
	return w.passkey(name).Assert(challenge)
}

// enterBy signs somebody in with their passkey and returns the session's token.
func (w *town) enterBy(client, name string, change ...func(*http.Request)) string {
	w.Helper()
	s := w.challenged(client, name, "")
	done := w.signIn("/v1/sign-in/continue", map[string]any{"client": client, "name": name, "state": s.State, "assertion": w.assertion(name, s)}, change...)
	c := done.cookie(cookieName(client))
	if done.Verdict != "accept" || c == nil {
		w.Fatalf("%s at %s = %d %s; want a session", name, client, done.status, done.body)
	}
	return c.Value
}

func TestSignInAtThePortal(t *testing.T) {
	w := newTown(t)
	s := w.challenged("portal", "pat", townPassword)
	if s.Ask != "code" || s.Options != nil || s.Message == "" {
		t.Errorf("after the password the answer is %s; want to be asked for a code", s.body)
	}
	before := w.sessions()
	done := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "pat", "state": s.State, "code": w.code("pat"), "return_to": "/portal/history?page=2"})
	if done.Verdict != "accept" || done.Redirect != "/portal/history?page=2" || done.Session == nil || done.Session.Name != "pat" || done.Session.Factor != "oath" ||
		done.Session.Client != "portal" || done.Session.Enrolling || len(done.Session.Permissions) != 0 || done.Session.IdleSeconds != 3600 {
		t.Fatalf("after the code: %d %s", done.status, done.body)
	}
	if got := done.Session.Expires.Sub(done.Session.Created); got != 24*time.Hour {
		t.Errorf("the session lasts %v; want 24h", got)
	}
	if n := len(w.sessions()); n != len(before)+1 {
		t.Errorf("%d sessions began; want 1", n-len(before))
	}
	c := done.cookie("__Host-sallyport-portal")
	if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() || len(c.Value) != 43 {
		t.Fatalf("the cookie is %+v", c)
	}
	if strings.Contains(done.body, c.Value) {
		t.Error("the answer's body holds the token")
	}
	var me struct{ Name string }
	w.ask("GET", "/v1/me", "", withCookie("portal", c.Value)).read(t, &me)
	if me.Name != "pat" {
		t.Errorf("GET /v1/me = %+v; want pat", me)
	}
	// The session of the portal is none of the console, whatever cookie it is in.
	if a := w.ask("GET", "/v1/session?client=console", "", withCookie("console", c.Value)); a.status != 401 {
		t.Errorf("the portal's token at the console = %d %s; want 401", a.status, a.body)
	}
}

func TestSignInAtTheConsole(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("console", "helen")
	var s SessionView
	w.ask("GET", "/v1/session?client=console", "", withCookie("console", token)).read(t, &s)
	if s.Name != "helen" || s.Role != "help-desk" || len(s.Permissions) == 0 || s.IdleSeconds != 900 || s.Expires.Sub(s.Created) != 12*time.Hour || s.Factor != auth.PasskeyFactor {
		t.Errorf("the session is %+v", s)
	}

	// A password and a code are not enough, and a passkey of somebody without a
	// role is not either.
	first := w.signIn("/v1/sign-in", map[string]any{"client": "console", "name": "olga", "password": townPassword})
	if first.Verdict == "accept" || first.Session != nil {
		t.Fatalf("a password at the console = %s", first.body)
	}
	if first.Verdict == "challenge" {
		second := w.signIn("/v1/sign-in/continue", map[string]any{"client": "console", "name": "olga", "state": first.State, "code": w.code("olga")})
		if second.Verdict != "reject" || second.Session != nil || len(second.header.Values("Set-Cookie")) != 0 {
			t.Errorf("a password and a code at the console = %d %s; want a refusal", second.status, second.body)
		}
	}
	asked := w.challenged("console", "pat", "")
	refused := w.signIn("/v1/sign-in/continue", map[string]any{"client": "console", "name": "pat", "state": asked.State, "assertion": w.assertion("pat", asked)})
	if refused.status != 200 || refused.Verdict != "reject" || refused.Reference == "" || refused.Message == "" || len(refused.header.Values("Set-Cookie")) != 0 {
		t.Errorf("pat at the console = %d %s; want a refusal with a reference", refused.status, refused.body)
	}
	// Who wants a passkey is asked for one, whether or not there is such a person.
	if s := w.challenged("console", "nobody-of-this-name", ""); s.Ask != "passkey" || len(s.Options) == 0 {
		t.Errorf("somebody whom there is not = %s; want the same question", s.body)
	}
}

// Half signed in is not signed in: what the first step gives opens nothing
// (security reference: the back button after the first step).
func TestBackButton(t *testing.T) {
	w := newTown(t)
	for _, password := range []string{townPassword, ""} {
		s := w.challenged("portal", "pat", password)
		for _, path := range []string{"/v1/me", "/v1/session?client=portal", "/v1/me/events", "/v1/session?client=console", "/v1/accounts"} {
			for name, as := range map[string]func(*http.Request){
				"the state as a cookie":         withCookie("portal", s.State),
				"the state as console's cookie": withCookie("console", s.State),
				"the state as a key":            withHeader("Authorization", "Bearer "+s.State),
				"nothing":                       func(*http.Request) {},
			} {
				if a := w.ask("GET", path, "", as); a.status != 401 && a.status != 404 {
					t.Errorf("GET %s with %s = %d %s; want 401", path, name, a.status, a.body)
				}
			}
		}
	}
	if n := len(w.sessions()); n != 0 {
		t.Errorf("%d sessions began without a second step", n)
	}
}

// Each step takes what it asks for, all of it and nothing else; a request that
// lacks something does not move on (CVE-2026-49448).
func TestSignInFields(t *testing.T) {
	w := newTown(t)
	first := func(more string) string { return `{"client":"portal","name":"pat"` + more + `}` }
	state := w.challenged("portal", "pat", townPassword).State
	code := w.code("pat")
	second := func(more string) string {
		return `{"client":"portal","name":"pat","state":"` + state + `"` + more + `}`
	}
	tests := []struct {
		name, path, body string
		status           int
	}{
		{"nothing", "/v1/sign-in", "", 400},
		{"an empty object", "/v1/sign-in", "{}", 422},
		{"null", "/v1/sign-in", "null", 422},
		{"a list", "/v1/sign-in", "[]", 422},
		{"a list of one", "/v1/sign-in", "[" + first(`,"password":"x"`) + "]", 422},
		{"no password and no passkey", "/v1/sign-in", first(""), 422},
		{"an empty password", "/v1/sign-in", first(`,"password":""`), 422},
		{"a password that is null", "/v1/sign-in", first(`,"password":null`), 422},
		{"a password that is a number", "/v1/sign-in", first(`,"password":1`), 422},
		{"a password that is an object", "/v1/sign-in", first(`,"password":{"$ne":""}`), 422},
		{"both", "/v1/sign-in", first(`,"password":"x","passkey":true`), 422},
		{"a passkey that is not wanted", "/v1/sign-in", first(`,"passkey":false`), 422},
		{"a password twice", "/v1/sign-in", first(`,"password":"x","password":"y"`), 400},
		{"a password twice, in two cases", "/v1/sign-in", first(`,"password":"x","Password":"y"`), 400},
		{"a name twice", "/v1/sign-in", first(`,"name":"olga","password":"x"`), 400},
		{"a field that there is not", "/v1/sign-in", first(`,"password":"x","role":"owner"`), 422},
		{"a field of another step", "/v1/sign-in", first(`,"password":"x","code":"123456"`), 422},
		{"a field in another case", "/v1/sign-in", `{"client":"portal","NAME":"pat","password":"x"}`, 422},
		{"a verdict", "/v1/sign-in", first(`,"password":"x","verdict":"accept"`), 422},
		{"an empty name", "/v1/sign-in", `{"client":"portal","name":"","password":"x"}`, 422},
		{"a name of 256 octets", "/v1/sign-in", `{"client":"portal","name":"` + strings.Repeat("x", 256) + `","password":"x"}`, 422},
		{"no client", "/v1/sign-in", `{"name":"pat","password":"x"}`, 422},
		{"a client that there is not", "/v1/sign-in", `{"client":"nowhere","name":"pat","password":"x"}`, 422},
		{"a client of another door", "/v1/sign-in", `{"client":"nas","name":"pat","password":"x"}`, 422},
		{"U+0000", "/v1/sign-in", first(`,"password":"x\u0000"`), 400},
		{"not UTF-8", "/v1/sign-in", first(`,"password":"` + "\xff" + `"`), 400},
		{"a query", "/v1/sign-in?passkey=true", first(`,"password":"x"`), 422},
		{"a query given twice", "/v1/sign-in?a=1&a=2", first(`,"password":"x"`), 400},
		{"a body too large", "/v1/sign-in", first(`,"password":"` + strings.Repeat("x", signInBody) + `"`), 413},

		{"second: nothing", "/v1/sign-in/continue", "", 400},
		{"second: an empty object", "/v1/sign-in/continue", "{}", 422},
		{"second: no code", "/v1/sign-in/continue", second(""), 422},
		{"second: an empty code", "/v1/sign-in/continue", second(`,"code":""`), 422},
		{"second: a code that is null", "/v1/sign-in/continue", second(`,"code":null`), 422},
		{"second: a code that is a number", "/v1/sign-in/continue", second(`,"code":123456`), 422},
		{"second: codes", "/v1/sign-in/continue", second(`,"code":["` + code + `"]`), 422},
		{"second: a code twice", "/v1/sign-in/continue", second(`,"code":"000000","code":"` + code + `"`), 400},
		{"second: an assertion that is null", "/v1/sign-in/continue", second(`,"assertion":null`), 422},
		{"second: an assertion that is true", "/v1/sign-in/continue", second(`,"assertion":true`), 422},
		{"second: both", "/v1/sign-in/continue", second(`,"code":"` + code + `","assertion":{}`), 422},
		{"second: a password", "/v1/sign-in/continue", second(`,"password":"x"`), 422},
		{"second: no state", "/v1/sign-in/continue", `{"client":"portal","name":"pat","code":"` + code + `"}`, 422},
		{"second: an empty state", "/v1/sign-in/continue", `{"client":"portal","name":"pat","state":"","code":"` + code + `"}`, 422},
		{"second: a state that is no base 64", "/v1/sign-in/continue", `{"client":"portal","name":"pat","state":"!!","code":"` + code + `"}`, 422},
		{"second: no name", "/v1/sign-in/continue", `{"client":"portal","state":"` + state + `","code":"` + code + `"}`, 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.ask("POST", tt.path, tt.body)
			if a.status != tt.status || a.problem() == "" || len(a.header.Values("Set-Cookie")) != 0 {
				t.Errorf("POST %s %.200s = %d %s; want %d", tt.path, tt.body, a.status, a.body, tt.status)
			}
			if strings.Contains(a.body, `"x"`) || strings.Contains(a.body, code) {
				t.Errorf("the refusal says again what was sent: %s", a.body)
			}
		})
	}
	// None of that has used up the challenge, nor counted as a wrong code.
	if done := w.signIn("/v1/sign-in/continue", map[string]any{"client": "portal", "name": "pat", "state": state, "code": code}); done.Verdict != "accept" {
		t.Errorf("the right code after all of that = %d %s; want an accept", done.status, done.body)
	}
}

// The answer to a challenge belongs to the challenge, the client and the person
// that it was made for, and counts once.
func TestSignInStateIsOneStep(t *testing.T) {
	w := newTown(t)
	refused := func(what string, s signing) {
		t.Helper()
		if s.status != 200 || s.Verdict != "reject" || s.Session != nil || len(s.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s = %d %s; want a refusal", what, s.status, s.body)
		}
	}
	send := func(client, name, state string, what string, shown any) signing {
		return w.signIn("/v1/sign-in/continue", map[string]any{"client": client, "name": name, "state": state, what: shown})
	}
	s := w.challenged("portal", "pat", townPassword)
	refused("another person's code", send("portal", "olga", s.State, "code", w.code("olga")))
	s = w.challenged("portal", "olga", townPassword)
	refused("a state of the portal at the console", send("console", "olga", s.State, "code", w.code("olga")))

	asked := w.challenged("portal", "olga", "")
	shown := w.assertion("olga", asked)
	refused("an assertion for another challenge", send("portal", "olga", w.challenged("portal", "olga", "").State, "assertion", shown))
	if done := send("portal", "olga", asked.State, "assertion", shown); done.Verdict != "accept" {
		t.Fatalf("the assertion = %s; want an accept", done.body)
	}
	refused("the same assertion again", send("portal", "olga", asked.State, "assertion", shown))
	console := w.challenged("portal", "olga", "")
	refused("a state of the portal at the console, by passkey", send("console", "olga", console.State, "assertion", w.assertion("olga", console)))
	other := w.challenged("portal", "victor", "")
	refused("somebody else's passkey", send("portal", "victor", other.State, "assertion", w.assertion("olga", other)))

	late := w.challenged("portal", "adam", "")
	w.wait(3 * time.Minute)
	refused("after three minutes", send("portal", "adam", late.State, "assertion", w.assertion("adam", late)))
	refused("a state that was made up", send("portal", "adam", base64.RawURLEncoding.EncodeToString(make([]byte, 32)), "code", w.code("adam")))
}

// A session is new whenever somebody signs in, whatever the browser brought; the
// one that it brought is over (session fixation, CVE-2024-28197).
func TestSignInEndsTheOldSession(t *testing.T) {
	w := newTown(t)
	old := w.enterBy("portal", "pat")
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", old)); a.status != 200 {
		t.Fatalf("the first session = %d", a.status)
	}
	// Somebody else signs in in the same browser.
	next := w.enterBy("portal", "victor", withCookie("portal", old))
	if next == old {
		t.Error("the token stayed the same over a sign-in")
	}
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", old)); a.status != 401 || a.problem() != "/problems/signed-out" {
		t.Errorf("the old token = %d %s; want 401", a.status, a.body)
	}
	if n := len(w.sessions()); n != 1 {
		t.Errorf("%d sessions are open; want 1", n)
	}
	// A token that an attacker has planted becomes no session.
	planted := strings.Repeat("A", 43)
	token := w.enterBy("portal", "pat", withCookie("portal", planted))
	if token == planted || w.ask("GET", "/v1/me", "", withCookie("portal", planted)).status != 401 {
		t.Error("a planted token was taken over")
	}
	// Two cookies of one name: one of them is not ours.
	if a := w.ask("GET", "/v1/me", "", withCookie("portal", planted), withCookie("portal", token)); a.status != 401 {
		t.Errorf("two cookies = %d; want 401", a.status)
	}
	// Signing in at the portal leaves the console alone.
	console := w.enterBy("console", "olga")
	w.enterBy("portal", "olga", withCookie("console", console))
	if a := w.ask("GET", "/v1/session?client=console", "", withCookie("console", console)); a.status != 200 {
		t.Errorf("the console's session after a sign-in at the portal = %d", a.status)
	}
}

// Where a sign-in leads is among our own pages, whatever a link says.
func TestReturnToIsOurs(t *testing.T) {
	tests := []struct {
		client, to string
		want       bool
	}{
		{"portal", "/portal", true},
		{"portal", "/portal/history?page=2#top", true},
		{"console", "/console/events/7F3K-92QD", true},
		{"console", "/reference/api", true},
		{"portal", "/console", false},
		{"console", "/portal", false},
		{"portal", "https://evil.example", false},
		{"portal", "//evil.example", false},
		{"portal", "///evil.example", false},
		{"portal", "/\\evil.example", false},
		{"portal", "/portal\\@evil.example", false},
		{"portal", "/portal//evil.example", false},
		{"portal", "/portal/../../evil", false},
		{"portal", "/portal.evil.example", false},
		{"portal", "portal", false},
		{"portal", "javascript:alert(1)", false},
		{"portal", "/portal\n/x", false},
		{"portal", "/portal\x00", false},
		{"portal", "\t//evil.example", false},
		{"portal", " /portal", false},
		{"portal", "/portalé", false},
		{"portal", "/%2f/evil.example", false},
		{"portal", "@evil.example/portal", false},
	}
	for _, tt := range tests {
		if got := ownPage(tt.client, tt.to); got != tt.want {
			t.Errorf("ownPage(%s, %q) = %t; want %t", tt.client, tt.to, got, tt.want)
		}
	}
	// It is refused before anybody is judged.
	w := newTown(t)
	w.site.Decide = func(context.Context, auth.Attempt) auth.Decision {
		t.Error("somebody was judged")
		return auth.Decision{}
	}
	for _, path := range []string{"/v1/sign-in", "/v1/sign-in/continue"} {
		fields := map[string]any{"client": "portal", "name": "pat", "password": townPassword, "return_to": "//evil.example"}
		if path == "/v1/sign-in/continue" {
			fields = map[string]any{"client": "portal", "name": "pat", "state": "AAAA", "code": "123456", "return_to": "//evil.example"}
		}
		if a := w.ask("POST", path, body(t, fields)); a.status != 422 || !strings.Contains(a.body, "body.return_to") {
			t.Errorf("POST %s = %d %s; want 422 for return_to", path, a.status, a.body)
		}
	}
}

// Only an accept begins a session. Whatever else comes from the engine, also
// what should never come, is none (CVE-2024-10924).
func TestOnlyAnAcceptBeginsASession(t *testing.T) {
	w := newTown(t)
	id := w.ids["pat"]
	tests := []struct {
		name     string
		d        auth.Decision
		status   int
		verdict  string
		sessions int
	}{
		{"an accept", auth.Decision{Verdict: auth.Accept, Account: id, Factor: "oath"}, 200, "accept", 1},
		{"the zero decision", auth.Decision{}, 200, "reject", 0},
		{"the zero decision of somebody", auth.Decision{Account: id, Factor: "oath"}, 200, "reject", 0},
		{"a refusal that names an account", auth.Decision{Verdict: auth.Reject, Account: id, Factor: "oath"}, 200, "reject", 0},
		{"a challenge that names an account", auth.Decision{Verdict: auth.Challenge, Account: id, Factor: "oath", State: []byte("state")}, 200, "challenge", 0},
		{"nobody could be judged", auth.Decision{Verdict: auth.Unavailable, Account: id, Message: "Try again."}, 503, "unavailable", 0},
		{"to be ignored", auth.Decision{Verdict: auth.Ignore, Account: id}, 200, "reject", 0},
		{"a verdict that there is not", auth.Decision{Verdict: 99, Account: id, Factor: "oath"}, 200, "reject", 0},
		{"an accept of nobody", auth.Decision{Verdict: auth.Accept}, 500, "", 0},
		{"an accept of somebody who is gone", auth.Decision{Verdict: auth.Accept, Account: "no such account"}, 401, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.site.Decide = func(context.Context, auth.Attempt) auth.Decision { return tt.d }
			before := len(w.sessions())
			a := w.ask("POST", "/v1/sign-in/continue", `{"client":"portal","name":"pat","state":"AAAA","code":"123456"}`)
			if a.status != tt.status || len(w.sessions())-before != tt.sessions || len(a.header.Values("Set-Cookie")) != tt.sessions {
				t.Errorf("status %d, %s, %d cookies", a.status, a.body, len(a.header.Values("Set-Cookie")))
			}
			var s struct{ Verdict string }
			a.read(t, &s)
			if s.Verdict != tt.verdict {
				t.Errorf("verdict %q; want %q", s.Verdict, tt.verdict)
			}
		})
	}
}

// What the engine is asked to judge is what came, and who it came from.
func TestSignInAttempt(t *testing.T) {
	w := newTown(t)
	var got auth.Attempt
	w.site.Decide = func(_ context.Context, at auth.Attempt) auth.Decision {
		got = at
		return auth.Decision{}
	}
	w.site.Proxies = ourProxies
	w.ask("POST", "/v1/sign-in", `{"client":"console","name":" CORP\\Pat ","passkey":true}`, func(r *http.Request) {
		r.RemoteAddr = "192.0.2.9:999"
		r.Header.Set("X-Forwarded-For", "10.0.0.1, 203.0.113.5")
	})
	if got.Door != "console" || got.Client != "console" || got.Claimant != ` CORP\Pat ` || got.State != nil || fmt.Sprintf("%T", got.Evidence) != "[]auth.Evidence" || len(got.Evidence) != 1 ||
		got.Evidence[0] != auth.Evidence(auth.PasskeyWanted{}) || got.Source.Addr().String() != "203.0.113.5" || got.Origin.String() != "203.0.113.5" || !got.Can.Ask || !got.Can.Passkey || !got.Time.Equal(w.time()) {
		t.Errorf("the engine was asked %+v", got)
	}
	w.ask("POST", "/v1/sign-in/continue", `{"client":"portal","name":"pat","state":"AQID","code":"12 34 56"}`)
	if got.Door != "portal" || got.Client != "portal" || string(got.State) != "\x01\x02\x03" || got.Evidence[0] != auth.Evidence(auth.Code("12 34 56")) {
		t.Errorf("the engine was asked %+v", got)
	}
}

// A source that asks too often waits; others do not.
func TestSignInIsLimited(t *testing.T) {
	w := newTown(t)
	w.site.Decide = func(context.Context, auth.Attempt) auth.Decision { return auth.Decision{} }
	ask := func(from string) *answer {
		return w.ask("POST", "/v1/sign-in", `{"client":"portal","name":"pat","password":"x"}`, func(r *http.Request) { r.RemoteAddr = from })
	}
	for i := range bucketSize / 2 {
		if a := ask("198.51.100.7:1"); a.status != 200 {
			t.Fatalf("request %d = %d %s", i+1, a.status, a.body)
		}
	}
	a := ask("198.51.100.7:2")
	if a.status != 429 || a.problem() != "/problems/too-many" || a.header.Get("Retry-After") != "1" {
		t.Errorf("the next = %d %s, Retry-After %q; want 429 and 1", a.status, a.body, a.header.Get("Retry-After"))
	}
	if a := ask("198.51.100.8:1"); a.status != 200 {
		t.Errorf("somebody else = %d", a.status)
	}
	w.wait(time.Second)
	if a := ask("198.51.100.7:3"); a.status != 200 {
		t.Errorf("a second later = %d", a.status)
	}
}

func TestConfig(t *testing.T) {
	w := newTown(t)
	a := w.ask("GET", "/v1/config", "")
	want := `{"issuer":"Sallyport","version":"test","url":"https://mfa.example.com","needs_set_up":false,"languages":["en","de"]}` + "\n"
	if a.status != 200 || a.body != want {
		t.Errorf("GET /v1/config = %d %s; want %s", a.status, a.body, want)
	}
}
