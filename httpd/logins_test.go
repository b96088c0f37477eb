package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/auth/authtest"
)

// A doorStore is what the door for web applications reads.
type doorStore struct {
	admin.Store // nil: nothing else is asked for here
	settings    func() *auth.Settings
}

func (s doorStore) Settings() *auth.Settings { return s.settings() }

// keyOf is the API key of a client.
func keyOf(client string) string { return fmt.Sprintf("spk_%052s", client) }

// Key knows one key for each client.
func (s doorStore) Key(_ context.Context, secret [32]byte) (admin.Key, error) {
	for _, c := range s.settings().Clients {
		if sha256.Sum256([]byte(keyOf(c.Name))) == secret {
			return admin.Key{Name: c.Name, Client: c.Name, Permissions: []admin.Permission{admin.DecideLogins}, Used: time.Now()}, nil
		}
	}
	return admin.Key{}, admin.ErrNotFound
}

func TestLoginDoor(t *testing.T) {
	authtest.TestDoor(t, authtest.DoorCase{
		Settings: &auth.Settings{Version: 1, Clients: []auth.Client{
			{ID: "1", Name: "asking", Door: "https", Application: "wiki", Mode: auth.ModeChallenge, Password: auth.PasswordVerify},
			{ID: "2", Name: "appending", Door: "https", Application: "wiki", Mode: auth.ModeAppend, Password: auth.PasswordVerify},
		}},
		Start: func(t *testing.T, o *authtest.Oracle) authtest.Send {
			log := slog.New(slog.DiscardHandler)
			site := &Site{
				Admin: &admin.Admin{Store: doorStore{settings: o.Settings}, Now: time.Now}, Decide: o.Decide, URL: "http://localhost:1",
				Health: &Health{Log: log}, Log: log, Now: time.Now,
			}
			handler, err := site.Handler()
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			return func(t *testing.T, s authtest.Sent) authtest.Got { return sendLogin(t, server, s) }
		},
	})
}

// sendLogin logs in as a web application does whose form has one field for the
// password and, if it appends, one for the code.
func sendLogin(t *testing.T, server *httptest.Server, s authtest.Sent) authtest.Got {
	t.Helper()
	path, body := "/v1/logins", map[string]any{"name": s.Claimant, "password": s.Field}
	i := strings.LastIndexByte(s.Field, ',')
	switch {
	case s.State != nil:
		path, body = "/v1/logins/continue", map[string]any{"name": s.Claimant, "code": s.Field, "state": base64.RawURLEncoding.EncodeToString(s.State)}
	case s.Client == "appending" && i >= 0:
		body["password"], body["code"] = s.Field[:i], s.Field[i+1:]
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, server.URL+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+keyOf(s.Client))
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 500 {
		return authtest.Got{Silent: true}
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s %v: %d %s", path, body, resp.StatusCode, b)
	}
	var a LoginAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	got := authtest.Got{}
	switch a.Verdict {
	case "accept":
		got.Verdict = auth.Accept // the suite knows doors that say nothing beside it
	case "challenge":
		got.Verdict, got.Message = auth.Challenge, a.Message
		if got.State, err = base64.RawURLEncoding.DecodeString(a.State); err != nil {
			t.Errorf("state %q: %v", a.State, err)
		}
	case "reject":
		got.Message = a.Message
	default:
		t.Errorf("verdict %q", a.Verdict)
	}
	for name, values := range a.Attributes {
		for _, v := range values {
			got.Attributes = append(got.Attributes, auth.ReplyAttribute{Name: name, Value: v})
		}
	}
	return got
}

// bring brings a login with the wiki's key and returns what came of it.
func (w *town) bring(path string, body any, change ...func(*http.Request)) LoginAnswer {
	w.Helper()
	b, err := json.Marshal(body)
	w.must(err)
	got := w.ask(http.MethodPost, path, string(b), append([]func(*http.Request){w.withKey("wiki-logins")}, change...)...)
	if got.status != http.StatusOK {
		w.Fatalf("POST %s %s = %d %s", path, b, got.status, got.body)
	}
	var a LoginAnswer
	got.read(w, &a)
	return a
}

// events are all events so far.
func (w *town) events() []auth.Event {
	w.Helper()
	all, err := w.store.Events(context.Background(), admin.EventFilter{Limit: 100_000})
	w.must(err)
	return all
}

func ptr[T any](v T) *T { return &v }

func TestLoginThroughAWebApplication(t *testing.T) {
	w := newTown(t)
	asked := w.bring("/v1/logins", LoginRequest{Name: "Pat@EXAMPLE.com", Password: ptr(townPassword), IP: "::ffff:192.0.2.7"})
	if asked.Verdict != "challenge" || asked.State == "" || asked.Message == "" || asked.Outcome != "oath-code-pending" && asked.Code != 22 {
		t.Fatalf("password alone = %+v; want a challenge", asked)
	}
	wrong := w.bring("/v1/logins/continue", LoginContinuation{Name: "pat", State: asked.State, Code: "000000"})
	if wrong.Verdict != "reject" || wrong.Reference == "" || !strings.Contains(wrong.Message, wrong.Reference) || wrong.Account != "" || len(wrong.Attributes) != 0 {
		t.Errorf("a wrong code = %+v; want a refusal with its reference", wrong)
	}
	again := w.bring("/v1/logins/continue", LoginContinuation{Name: "pat", State: asked.State, Code: w.code("pat")})
	if again.Verdict != "reject" || again.Code != int(auth.ChallengeUnknown) {
		t.Errorf("a challenge answered twice = %+v; want that it is unknown", again)
	}
	asked = w.bring("/v1/logins", LoginRequest{Name: "pat", Password: ptr(townPassword), IP: "192.0.2.7"})
	in := w.bring("/v1/logins/continue", LoginContinuation{Name: "PAT", State: asked.State, Code: w.code("pat"), IP: "192.0.2.7"})
	if in.Verdict != "accept" || in.Account != "pat" || in.Factor != "oath" || fmt.Sprint(in.Attributes) != "map[Class:[wiki] Filter-Id:[staff]]" {
		t.Errorf("the right code = %+v; want pat let in by oath with the attributes of client and group", in)
	}
	replayed := w.bring("/v1/logins", LoginRequest{Name: "pat", Password: ptr(townPassword), Code: ptr(w.code("pat"))})
	if replayed.Verdict != "reject" || replayed.Code != int(auth.DuplicateOATHCode) {
		t.Errorf("the same code once more = %+v; want that it was used", replayed)
	}
	last := w.events()[len(w.events())-2]
	if last.Door != "https" || last.Client != "wiki" || last.Application != "wiki" || last.From != "192.0.2.7" || !last.Source.IsValid() {
		t.Errorf("the event of the accept says %+v", last)
	}
}

// Each step with what it needs missing, empty or too much of it (authentik
// CVE-2026-49448): nobody gets in, and no step is skipped.
func TestLoginStepsCannotBeSkipped(t *testing.T) {
	w := newTown(t)
	asked := w.bring("/v1/logins", LoginRequest{Name: "pat", Password: ptr(townPassword)})
	tests := []struct {
		name, path, body string
		want             int // 200 means a refusal by the engine
	}{
		{"nothing at all", "/v1/logins", ``, 400},
		{"an empty object", "/v1/logins", `{}`, 422},
		{"null", "/v1/logins", `null`, 422},
		{"a list", "/v1/logins", `[]`, 422},
		{"a name alone", "/v1/logins", `{"name":"pat"}`, 200},
		{"an empty password", "/v1/logins", `{"name":"pat","password":""}`, 200},
		{"a space for a password", "/v1/logins", `{"name":"pat","password":" "}`, 200},
		{"null for a password", "/v1/logins", `{"name":"pat","password":null}`, 200},
		{"a password that begins with NUL", "/v1/logins", `{"name":"pat","password":"\u0000"}`, 400},
		{"a code without a password", "/v1/logins", `{"name":"pat","code":"` + w.code("pat") + `"}`, 200},
		{"a state in the first request", "/v1/logins", `{"name":"pat","state":"` + asked.State + `","code":"1"}`, 422},
		{"no state", "/v1/logins/continue", `{"name":"pat","code":"` + w.code("pat") + `"}`, 422},
		{"an empty state", "/v1/logins/continue", `{"name":"pat","state":"","code":"` + w.code("pat") + `"}`, 422},
		{"a state that is none", "/v1/logins/continue", `{"name":"pat","state":"=","code":"` + w.code("pat") + `"}`, 200},
		{"no code", "/v1/logins/continue", `{"name":"pat","state":"` + asked.State + `"}`, 422},
		{"two names", "/v1/logins/continue", `{"name":"pat","name":"olga","state":"` + asked.State + `","code":"1"}`, 400},
		{"two names of different case", "/v1/logins/continue", `{"name":"pat","Name":"olga","state":"` + asked.State + `","code":"1"}`, 400},
		{"somebody else's state", "/v1/logins/continue", `{"name":"victor","state":"` + asked.State + `","code":"` + w.code("victor") + `"}`, 200},
		{"a password besides", "/v1/logins/continue", `{"name":"pat","state":"` + asked.State + `","code":"1","password":"x"}`, 422},
		{"an empty code", "/v1/logins/continue", `{"name":"pat","state":"` + asked.State + `","code":""}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := w.ask(http.MethodPost, tt.path, tt.body, w.withKey("wiki-logins"), withHeader("Content-Type", "application/json"))
			if got.status != tt.want {
				t.Errorf("POST %s %s = %d %s; want %d", tt.path, tt.body, got.status, got.body, tt.want)
			}
			if tt.want == http.StatusOK && !strings.Contains(got.body, `"verdict":"reject"`) {
				t.Errorf("POST %s %s = %s; want a refusal", tt.path, tt.body, got.body)
			}
		})
	}
}

// A request that is sent again with its key gets its answer again; nothing is
// judged, counted or recorded twice. The same key with other contents, or of
// another client, names another request.
func TestLoginSentAgain(t *testing.T) {
	w := newTown(t)
	first := LoginRequest{Name: "pat", Password: ptr(townPassword), Code: ptr(w.code("pat")), Request: "one"}
	in := w.bring("/v1/logins", first)
	if in.Verdict != "accept" {
		t.Fatalf("the first time = %+v", in)
	}
	events := len(w.events())
	if again := w.bring("/v1/logins", first); again.Verdict != "accept" || again.Account != "pat" || again.Factor != in.Factor || again.Reference != in.Reference || again.Code != in.Code || fmt.Sprint(again.Attributes) != fmt.Sprint(in.Attributes) {
		t.Errorf("sent again = %+v; want %+v", again, in)
	}
	if n := len(w.events()); n != events {
		t.Errorf("%d events after it was sent again; want %d", n, events)
	}
	other := first
	other.Password = ptr("another password")
	if got := w.bring("/v1/logins", other); got.Verdict != "reject" {
		t.Errorf("the same key with another password = %+v; want a refusal", got)
	}
	other = first
	other.Request = "two"
	if got := w.bring("/v1/logins", other); got.Verdict != "reject" || got.Code != int(auth.DuplicateOATHCode) {
		t.Errorf("another key = %+v; want that the code was used", got)
	}
	b, err := json.Marshal(first)
	w.must(err)
	var shop LoginAnswer
	w.ask(http.MethodPost, "/v1/logins", string(b), w.withKey("shop-logins")).read(t, &shop)
	if shop.Verdict != "reject" || shop.Code != int(auth.DuplicateOATHCode) {
		t.Errorf("the same key of another client = %+v; want that the code was used", shop)
	}
}

func TestLoginAddresses(t *testing.T) {
	w := newTown(t)
	for _, ip := range []string{"192.0.2.7:80", "fe80::1%eth0", "wiki.example.com", "192.0.2.0/24", "192.0.2.7, 10.0.0.1", " 192.0.2.9", "0x7f.1"} {
		b, err := json.Marshal(LoginRequest{Name: "pat", Password: ptr("x"), IP: ip})
		w.must(err)
		if got := w.ask(http.MethodPost, "/v1/logins", string(b), w.withKey("wiki-logins")); got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, ip) {
			t.Errorf("ip %q = %d %s; want 422, and not to read it again", ip, got.status, got.body)
		}
	}
	var at auth.Attempt
	w.site.Decide = func(_ context.Context, a auth.Attempt) auth.Decision { at = a; return auth.Decision{} }
	tests := []struct {
		name   string
		origin auth.OriginRule
		ip     string
		want   string
	}{
		{"a client that is believed", auth.OriginCalling, "::ffff:192.0.2.7", "192.0.2.7 192.0.2.7"},
		{"a client that is not", auth.OriginNone, "192.0.2.7", "192.0.2.7 invalid IP"},
		{"nothing said", auth.OriginCalling, "", " invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.apply(admin.UpdateClient{Name: "wiki", Update: func(c *auth.Client) error { c.Origin = tt.origin; return nil }})
			w.bring("/v1/logins", LoginRequest{Name: "pat", Password: ptr("x"), IP: tt.ip}, withHeader("X-Forwarded-For", "198.51.100.1"))
			if got := at.From + " " + at.Origin.String(); got != tt.want {
				t.Errorf("from and origin are %q; want %q", got, tt.want)
			}
			if !strings.HasPrefix(at.Source.String(), "203.") {
				t.Errorf("source %v; want the socket's peer", at.Source)
			}
		})
	}
}

// Keys bring logins to their own client of this door, and nowhere else.
func TestLoginKeys(t *testing.T) {
	w := newTown(t)
	body := `{"name":"pat","password":"` + townPassword + `","code":"` + w.code("pat") + `"}`
	for client, want := range map[string]int{"": http.StatusForbidden, "nas": http.StatusUnauthorized} {
		name := "for " + client
		w.apply(admin.AddKey{Key: admin.Key{Name: name, Secret: sha256.Sum256([]byte(w.key(name))), Permissions: []admin.Permission{admin.DecideLogins}, Client: client, Created: w.time()}})
		if got := w.ask(http.MethodPost, "/v1/logins", body, w.withKey(name)); got.status != want {
			t.Errorf("a key for the client %q = %d %s; want %d", client, got.status, got.body, want)
		}
	}
	for _, key := range []string{"all", "reports"} {
		if got := w.ask(http.MethodPost, "/v1/logins", body, w.withKey(key)); got.status != http.StatusForbidden {
			t.Errorf("the key %q = %d %s; want 403", key, got.status, got.body)
		}
	}
	if n := len(w.events()); n != 0 {
		t.Errorf("%d logins were judged", n)
	}
}

func TestLoginRate(t *testing.T) {
	w := newTown(t)
	var mu sync.Mutex
	var limited int
	w.site.Decide = func(_ context.Context, a auth.Attempt) auth.Decision {
		mu.Lock()
		defer mu.Unlock()
		if a.Reach == auth.ClientRateLimited && a.Client == "wiki" {
			limited++
		}
		return auth.Decision{Message: "Sign-in failed."}
	}
	w.apply(admin.UpdateClient{Name: "wiki", Update: func(c *auth.Client) error { c.RatePerSecond = 3; return nil }})
	try := func(key string) int {
		return w.ask(http.MethodPost, "/v1/logins", `{"name":"pat","password":"x"}`, w.withKey(key)).status
	}
	var statuses []int
	for range 8 {
		statuses = append(statuses, try("wiki-logins"))
	}
	if got := fmt.Sprint(statuses); got != "[200 200 200 200 200 200 429 429]" || limited != 2 {
		t.Errorf("8 logins at once at 3 a second: %s, %d told to the engine; want 6 and 2 refused", got, limited)
	}
	if got := try("shop-logins"); got != http.StatusOK {
		t.Errorf("another client = %d; want 200", got)
	}
	w.wait(time.Second)
	if got := fmt.Sprint(try("wiki-logins"), try("wiki-logins"), try("wiki-logins"), try("wiki-logins")); got != "200 200 200 429" {
		t.Errorf("a second later: %s; want three more", got)
	}
	w.wait(-time.Hour)
	if got := try("wiki-logins"); got != http.StatusTooManyRequests {
		t.Errorf("with the clock turned back = %d; want 429", got)
	}
}

// An accept whose account cannot be named lets nobody in.
func TestLoginOfAnAccountThatIsGone(t *testing.T) {
	w := newTown(t)
	w.site.Decide = func(context.Context, auth.Attempt) auth.Decision {
		return auth.Decision{Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Account: "gone", Factor: "oath"}
	}
	got := w.ask(http.MethodPost, "/v1/logins", `{"name":"pat","password":"x"}`, w.withKey("wiki-logins"))
	if got.status < 400 || strings.Contains(got.body, "accept") {
		t.Errorf("= %d %s; want a refusal", got.status, got.body)
	}
}

// Logins may wait for others only while there are places, and one client never
// takes them all.
func TestLoginsThatMayWait(t *testing.T) {
	var q loginQuotas
	taken := func(client string) (n int) {
		for q.admitWaiting(client) {
			if n++; n > maxWaiting {
				t.Fatalf("%s has taken %d of %d places", client, n, maxWaiting)
			}
		}
		return n
	}
	if a, b, c := taken("a"), taken("b"), taken("c"); a != maxWaiting/2 || b != maxWaiting/2 || c != 0 {
		t.Errorf("three greedy clients get %d, %d and %d places; want half, half and none", a, b, c)
	}
	q.endWaiting("a")
	if !q.admitWaiting("c") || q.admitWaiting("b") {
		t.Error("the place that a left goes to c and not to b")
	}
}

// A session is what the application's own cookie may hold; it is not kept.
func TestLoginSessionIsNotKept(t *testing.T) {
	w := newTown(t)
	var at auth.Attempt
	w.site.Decide = func(_ context.Context, a auth.Attempt) auth.Decision { at = a; return auth.Decision{} }
	w.bring("/v1/logins", LoginRequest{Name: "pat", Password: ptr("x"), Session: "PHPSESSID=secret", Request: "a key"})
	if at.Session == "" || strings.Contains(at.Session, "secret") || at.Request == "" || strings.Contains(at.Request, "key") {
		t.Errorf("session %q, request %q", at.Session, at.Request)
	}
	if at.Can.Wait != loginWait || !at.Can.Ask || at.Can.Passkey {
		t.Errorf("the door can %+v", at.Can)
	}
}

func TestLoginNotDecided(t *testing.T) {
	w := newTown(t)
	for _, v := range []auth.Verdict{auth.Unavailable, auth.Ignore, 99} {
		w.site.Decide = func(context.Context, auth.Attempt) auth.Decision {
			return auth.Decision{Verdict: v, Attributes: []auth.ReplyAttribute{{Name: "Class", Value: "wiki"}}}
		}
		got := w.ask(http.MethodPost, "/v1/logins", `{"name":"pat","password":"x"}`, w.withKey("wiki-logins"))
		if got.status != http.StatusServiceUnavailable || got.problem() != "/problems/unavailable" || strings.Contains(got.body, "Class") {
			t.Errorf("verdict %d = %d %s; want 503", v, got.status, got.body)
		}
	}
}

// A key's client is looked at again where it counts: a key of a NAS brings no
// logins, whatever let it in.
func TestLoginClientOfAKey(t *testing.T) {
	w := newTown(t)
	for client, want := range map[string]bool{"wiki": true, "nas": false, "console": false, "portal": false, "": false} {
		c := &caller{site: w.site, key: admin.KeyHolder{Client: client}}
		if got, err := w.site.loginClient(c); (err == nil) != want || want && got.Name != client {
			t.Errorf("loginClient of %q = %v, %v; want one: %t", client, got, err, want)
		}
	}
}

// Requests are named by everything that they say, by whom they are said, and by
// nothing if they have no key.
func TestLoginRequestNames(t *testing.T) {
	w := newTown(t)
	wiki, shop := w.store.Settings().Client("wiki"), w.store.Settings().Client("shop")
	names := make(map[string]bool)
	for _, name := range []string{
		w.site.nameRequest(wiki, "login", "k", "pat", "x"), w.site.nameRequest(shop, "login", "k", "pat", "x"), w.site.nameRequest(wiki, "continue", "k", "pat", "x"),
		w.site.nameRequest(wiki, "login", "k2", "pat", "x"), w.site.nameRequest(wiki, "login", "k", "patx", ""), w.site.nameRequest(wiki, "login", "kpat", "", "x"),
	} {
		if name == "" || names[name] {
			t.Errorf("the name %q is another request's", name)
		}
		names[name] = true
	}
	if name := w.site.nameRequest(wiki, "login", "", "pat"); name != "" {
		t.Errorf("a request without a key is named %q", name)
	}
}
