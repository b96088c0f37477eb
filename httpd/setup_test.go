package httpd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/factor/webauthn/webauthntest"
)

// registration is what a new passkey answers to creation options.
func registration(t testing.TB, seed string, options json.RawMessage) (json.RawMessage, webauthntest.Authenticator) {
	t.Helper()
	var o struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatalf("options %s: %v", options, err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	user, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	device := webauthntest.New(seed, "mfa.example.com", townURL, string(user))
	return device.Register(challenge), device
}

// emptyTown is a town without an owner, and the secret of its set-up link.
func emptyTown(t *testing.T) (*town, string) {
	t.Helper()
	w := newTown(t)
	for _, name := range []string{"olga"} {
		w.apply(admin.RemoveAccount{ID: w.ids[name]})
	}
	secret, _, err := w.site.Admin.BeginSetUp(context.Background(), admin.Operator("the server"))
	w.must(err)
	return w, secret
}

// The first owner is made by whoever has the link that the server printed, once,
// and then signs in with the passkey.
func TestSetUp(t *testing.T) {
	w, secret := emptyTown(t)
	var config SiteConfig
	w.ask("GET", "/v1/config", "").read(t, &config)
	if !config.NeedsSetUp {
		t.Error("a town without an owner needs no set-up")
	}
	var checked SetUpChecked
	w.ask("POST", "/v1/set-up/check", body(t, map[string]any{"token": secret})).read(t, &checked)
	if got := checked.Expires.Sub(w.time()); got != 24*time.Hour {
		t.Errorf("the link counts for %v; want a day", got)
	}
	const password = "fifteen letters at least"
	var asked SetUpPasskey
	w.ask("POST", "/v1/set-up/passkey", body(t, map[string]any{"token": secret, "name": "Otto", "password": password})).read(t, &asked)
	answered, device := registration(t, "otto's laptop", asked.Options)
	finish := body(t, map[string]any{"token": secret, "ceremony": asked.Ceremony, "registration": answered})
	a := w.ask("POST", "/v1/set-up/owner", finish)
	var done SetUpDone
	a.read(t, &done)
	if a.status != 200 || done.Account.Name != "otto" || done.Account.Role != admin.Owner || len(done.RecoveryCodes) == 0 || len(a.header.Values("Set-Cookie")) != 0 {
		t.Fatalf("making the owner = %d %s", a.status, a.body)
	}
	s := w.challenged("console", "otto", "")
	var o struct{ Challenge string }
	w.must(json.Unmarshal(s.Options, &o))
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	w.must(err)
	in := w.signIn("/v1/sign-in/continue", map[string]any{"client": "console", "name": "otto", "state": s.State, "assertion": json.RawMessage(device.Assert(challenge))})
	if in.Verdict != "accept" || in.Session == nil || in.Session.Role != admin.Owner {
		t.Fatalf("the owner's first sign-in = %d %s", in.status, in.body)
	}
	// It is done, and cannot be done again, begun again or looked at again.
	for path, fields := range map[string]string{
		"/v1/set-up/check":   body(t, map[string]any{"token": secret}),
		"/v1/set-up/passkey": body(t, map[string]any{"token": secret, "name": "eve", "password": password}),
		"/v1/set-up/owner":   finish,
	} {
		if a := w.ask("POST", path, fields); a.status != 403 || a.problem() != "/problems/forbidden" {
			t.Errorf("POST %s again = %d %s; want 403", path, a.status, a.body)
		}
	}
}

// Without the link nobody is made owner, whatever step they begin with.
func TestSetUpWithoutTheLink(t *testing.T) {
	w, secret := emptyTown(t)
	const password = "fifteen letters at least"
	var asked SetUpPasskey
	w.ask("POST", "/v1/set-up/passkey", body(t, map[string]any{"token": secret, "name": "otto", "password": password})).read(t, &asked)
	answered, _ := registration(t, "otto's laptop", asked.Options)
	tests := []struct {
		name, path string
		fields     map[string]any
		want       int
	}{
		{"no secret", "/v1/set-up/check", map[string]any{}, 422},
		{"an empty secret", "/v1/set-up/check", map[string]any{"token": ""}, 422},
		{"another secret", "/v1/set-up/check", map[string]any{"token": strings.Repeat("A", 52)}, 403},
		{"half of the secret", "/v1/set-up/check", map[string]any{"token": secret[:26]}, 403},
		{"a list of secrets", "/v1/set-up/check", map[string]any{"token": []string{secret}}, 422},
		{"another secret for an owner", "/v1/set-up/passkey", map[string]any{"token": "x", "name": "eve", "password": password}, 403},
		{"a short password", "/v1/set-up/passkey", map[string]any{"token": secret, "name": "eve", "password": "fourteen lette"}, 422},
		{"a name that somebody has", "/v1/set-up/passkey", map[string]any{"token": secret, "name": "pat", "password": password}, 409},
		{"a role", "/v1/set-up/passkey", map[string]any{"token": secret, "name": "eve", "password": password, "role": "owner"}, 422},
		{"another secret at the end", "/v1/set-up/owner", map[string]any{"token": "x", "ceremony": asked.Ceremony, "registration": answered}, 403},
		{"another ceremony", "/v1/set-up/owner", map[string]any{"token": secret, "ceremony": "x", "registration": answered}, 404},
		{"no passkey", "/v1/set-up/owner", map[string]any{"token": secret, "ceremony": asked.Ceremony}, 422},
		{"a passkey that is null", "/v1/set-up/owner", map[string]any{"token": secret, "ceremony": asked.Ceremony, "registration": nil}, 422},
		{"a passkey that is none", "/v1/set-up/owner", map[string]any{"token": secret, "ceremony": asked.Ceremony, "registration": map[string]any{}}, 422},
		{"a passkey in a text", "/v1/set-up/owner", map[string]any{"token": secret, "ceremony": asked.Ceremony, "registration": string(answered)}, 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.ask("POST", tt.path, body(t, tt.fields))
			if a.status != tt.want || a.problem() == "" || strings.Contains(a.body, secret) {
				t.Errorf("POST %s = %d %s; want %d", tt.path, a.status, a.body, tt.want)
			}
		})
	}
	if needed, err := w.site.Admin.NeedsSetUp(context.Background()); err != nil || !needed {
		t.Errorf("there is an owner now: %v", err)
	}
	if _, err := w.site.Admin.ShowAccount(context.Background(), "eve"); err == nil {
		t.Error("there is an eve now")
	}
	if a := w.ask("POST", "/v1/set-up/owner", body(t, map[string]any{"token": secret, "ceremony": asked.Ceremony, "registration": answered})); a.status != 200 {
		t.Errorf("the right one after all of that = %d %s", a.status, a.body)
	}
}

// Where there is an owner, no link makes another.
func TestSetUpOfATownThatHasAnOwner(t *testing.T) {
	w := newTown(t)
	if _, _, err := w.site.Admin.BeginSetUp(context.Background(), admin.Operator("the server")); err == nil {
		t.Error("a link was made")
	}
	if a := w.ask("POST", "/v1/set-up/check", `{"token":"x"}`); a.status != 403 {
		t.Errorf("a link that was made up = %d %s", a.status, a.body)
	}
	var config SiteConfig
	w.ask("GET", "/v1/config", "").read(t, &config)
	if config.NeedsSetUp {
		t.Error("a town with an owner needs a set-up")
	}
}
