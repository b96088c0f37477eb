package httpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// olga is a fresh owner's session at the console, or her as a person, whichever
// an operation is for.
func (w *town) olga(o *operation) func(*http.Request) {
	w.Helper()
	if o.Audience == program {
		return w.withKey("wiki-logins")
	}
	client := clientOfOperation(o)
	return withCookie(client, w.begin(session{account: "olga", client: client, factor: auth.PasskeyFactor}))
}

// A page of another site cannot make a browser change anything here, though it
// sends the cookies along (cross-site request forgery).
func TestOtherSitesChangeNothing(t *testing.T) {
	w := newTown(t)
	foreign := []struct{ name, header, value string }{
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site: same-site", "Sec-Fetch-Site", "same-site"},
		{"a foreign Origin", "Origin", "https://evil.example.net"},
		{"the Origin of a sister host", "Origin", "https://evil.example.com"},
		{"our host on another port", "Origin", townURL + ":8443"},
		{"our host without TLS", "Origin", "http://mfa.example.com.evil.example.net"},
		{"Origin: null", "Origin", "null"},
	}
	for _, o := range apiOperations() {
		if o.Method == http.MethodGet {
			continue
		}
		for _, tt := range foreign {
			r := w.probe(&o.operation)
			w.olga(&o.operation)(r)
			r.Header.Set(tt.header, tt.value)
			acts, sessions := w.acts(), w.sessions()
			if a := w.serve(r); a.status != http.StatusForbidden || a.problem() != "/problems/cross-origin" {
				t.Errorf("%s with %s = %d %s; want 403", o.ID, tt.name, a.status, a.body)
			}
			if w.acts() != acts || !slices.Equal(w.sessions(), sessions) {
				t.Errorf("%s with %s changed something", o.ID, tt.name)
			}
		}
		for _, own := range []string{"same-origin", "none"} {
			r := w.probe(&o.operation)
			w.olga(&o.operation)(r)
			r.Header.Set("Sec-Fetch-Site", own)
			r.Header.Set("Origin", townURL)
			if a := w.serve(r); a.problem() == "/problems/cross-origin" {
				t.Errorf("%s from our own page (%s) = %d %s", o.ID, own, a.status, a.body)
			}
		}
	}
}

// What forms of any site can send without asking first is no body of ours, and
// a preflight is answered with no permission (Fetch Standard, Section 3.3).
func TestFormsAreNoRequests(t *testing.T) {
	w := newTown(t)
	for _, o := range apiOperations() {
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json; charset=utf-7", "text/json", "application/json, text/plain"} {
			if o.Body == 0 || o.Upload && strings.HasPrefix(media, "multipart/") {
				continue
			}
			r := w.request(o.Method, w.probe(&o.operation).URL.RequestURI(), `{"name":"pat"}`)
			r.Header.Set("Content-Type", media)
			if media == "" {
				r.Header.Del("Content-Type")
			}
			w.olga(&o.operation)(r)
			if a := w.serve(r); a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s with a body of type %q = %d %s; want 415", o.ID, media, a.status, a.body)
			}
		}
		r := w.probe(&o.operation)
		pre := w.request(http.MethodOptions, r.URL.RequestURI(), "")
		pre.Header.Set("Origin", "https://evil.example.net")
		pre.Header.Set("Access-Control-Request-Method", o.Method)
		a := w.serve(pre)
		if a.status < 400 || a.status >= 500 {
			t.Errorf("OPTIONS %s = %d; want a refusal", o.Path, a.status)
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("OPTIONS %s says %s", o.Path, name)
			}
		}
	}
}

// Nobody who knew a token before is in the session afterwards (session fixation;
// ZITADEL CVE-2024-28197): each step gives a new one and ends the old.
func TestTokensChangeAtEachStep(t *testing.T) {
	w := newTown(t)
	planted := randomToken()
	victors := w.begin(session{account: "victor", client: auth.PortalClient, factor: "oath"})
	for _, before := range []string{planted, victors} {
		w.wait(time.Minute)
		state := func() string {
			var asked SignIn
			w.ask(http.MethodPost, "/v1/sign-in", `{"client":"portal","name":"pat","password":"`+townPassword+`"}`, withCookie("portal", before)).read(t, &asked)
			return asked.State
		}()
		a := w.ask(http.MethodPost, "/v1/sign-in/continue", `{"client":"portal","name":"pat","state":"`+state+`","code":"`+w.code("pat")+`"}`, withCookie("portal", before))
		c := a.cookie(cookieName("portal"))
		if a.status != http.StatusOK || c == nil || c.Value == before || c.Value == state {
			t.Fatalf("sign-in = %d %v %s", a.status, a.header, a.body)
		}
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %v", c)
		}
		for _, dead := range []string{before, state} {
			if a := w.ask(http.MethodGet, "/v1/me", "", withCookie("portal", dead)); a.status != http.StatusUnauthorized {
				t.Errorf("what was there before the sign-in = %d %s; want 401", a.status, a.body)
			}
		}
		if a := w.ask(http.MethodGet, "/v1/me", "", withCookie("portal", c.Value)); a.status != http.StatusOK || !strings.Contains(a.body, `"pat"`) {
			t.Errorf("the new token = %d %s", a.status, a.body)
		}
		// Two cookies of one name: one of them is not ours.
		if a := w.ask(http.MethodGet, "/v1/me", "", withCookie("portal", planted), withCookie("portal", c.Value)); a.status != http.StatusUnauthorized {
			t.Errorf("two cookies of one name = %d; want 401", a.status)
		}
	}
}

// A sign-in leads to no address but our own pages.
func TestOpenRedirects(t *testing.T) {
	w := newTown(t)
	for _, client := range []string{auth.ConsoleClient, auth.PortalClient} {
		foreign := []string{
			"https://evil.example.net/", "//evil.example.net/", `/\evil.example.net`, `\\evil.example.net`, "/\t/evil.example.net", "http:evil.example.net",
			"javascript:alert(1)", "/" + client + "/..//evil.example.net", "/" + client + "//evil.example.net", "/%2f%2fevil.example.net", "/v1/session", "/" + client + ".evil.example.net",
			"/" + client + "@evil.example.net", "https:" + client, "/" + client + "\x00", "/" + client + "/\r\nSet-Cookie: x=y", " /" + client, "/sign-in?client=" + client, "/" + strings.ToUpper(client),
			"/" + client + "/../../v1/session", "data:text/html,x", "/" + client + "/ä", "https://mfa.example.com/" + client,
		}
		for _, to := range foreign {
			body, err := json.Marshal(SignInStart{Client: client, Name: "pat", Password: townPassword, ReturnTo: to})
			w.must(err)
			if a := w.ask(http.MethodPost, "/v1/sign-in", string(body)); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest || strings.Contains(a.body, "evil") {
				t.Errorf("return_to %q = %d %s; want 422", to, a.status, a.body)
			}
		}
	}
	if n := len(w.events()); n != 0 {
		t.Errorf("%d logins were judged", n)
	}
}

// A wire talks to the site as octets, past all that http.Request tidies up.
type wire struct {
	t    testing.TB
	addr string
}

func (w *town) wire() *wire {
	w.Helper()
	server := httptest.NewServer(w.handler)
	w.Cleanup(server.Close)
	return &wire{w, server.Listener.Addr().String()}
}

// send sends a request line and headers as they are and returns the answer; a
// connection that is closed without one is status 0.
func (x *wire) send(line string, headers ...string) *answer {
	x.t.Helper()
	c, err := net.Dial("tcp", x.addr)
	if err != nil {
		x.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		x.t.Fatal(err)
	}
	text := line + "\r\n" + strings.Join(append(headers, "Connection: close"), "\r\n") + "\r\n\r\n"
	if _, err := io.WriteString(c, text); err != nil {
		x.t.Fatal(err)
	}
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return &answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Header, string(b)}
}

// Other spellings of an address are nowhere (ManageEngine CVE-2021-40539): a
// proxy in front and the mux behind could read them as two different things.
func TestPathsHaveOneSpelling(t *testing.T) {
	w := newTown(t)
	x := w.wire()
	host, key := "Host: mfa.example.com", "Authorization: Bearer "+w.key("all")
	checked := 0
	for _, o := range apiOperations() {
		path := pathParameter.ReplaceAllString(o.Path, "nope")
		last := path[strings.LastIndexByte(path, '/')+1:]
		first := path[1:2]
		variants := []string{
			"/" + path, "//" + path[1:], strings.Replace(path, "/", "//", 2), "/." + path, "/.." + path, "/x/.." + path, "/%2e" + path, "/%2e%2e" + path, path + "/", path + "//", path + "/.",
			path + "/..", path + "/%2e", path + ".", path + "%2e", path + ";", path + ";x=y", path + "%3b", path + "%00", path + "%20", path + "%09", path + "%0a", path + "%2f", path + "%5c",
			path + `\`, `\` + path[1:], strings.Replace(path[1:], "/", "%2f", 1), "/" + strings.Replace(path[1:], "/", "%2F", 1), "/" + strings.Replace(path[1:], "/", `\`, 1),
			"/%76" + path[2:], "/%56" + path[2:], "/V" + path[2:], strings.ToUpper(path), path[:len(path)-1] + strings.ToUpper(path[len(path)-1:]), path[:len(path)-len(last)] + "." + last,
			"/" + first + "1;" + path[3:], "/v1/..;" + path[3:], "/v1%2f.." + path, path + ".json", path + "/x", path + "%c0%af", "/v1/./" + path[4:], "/v1//" + path[4:], "/v2" + path[3:],
		}
		for _, v := range variants {
			if v == path || v == o.Path {
				continue
			}
			acts := w.acts()
			a := x.send(o.Method+" "+v+" HTTP/1.1", host, key, "Content-Length: 0")
			checked++
			// A name that ends in a dot is a name; nobody has it.
			ok := a.status == http.StatusNotFound || a.status == http.StatusBadRequest || a.status == 0 ||
				a.status == http.StatusMethodNotAllowed && !strings.HasPrefix(v, "/v1/") // pages know no method but GET
			if strings.HasSuffix(o.Path, "}") && (a.problem() == "/problems/not-found" || a.status == http.StatusUnprocessableEntity || a.status == http.StatusMethodNotAllowed) {
				ok = true
			}
			if !ok && !isOtherOperation(v, o.Method) {
				t.Errorf("%s %s = %d %s; want 404 (%s)", o.Method, v, a.status, a.body, o.ID)
			}
			if a.header.Get("Location") != "" {
				t.Errorf("%s %s leads to %s", o.Method, v, a.header.Get("Location"))
			}
			if now := w.acts(); now != acts {
				t.Errorf("%s %s left %d acts", o.Method, v, now-acts)
			}
		}
	}
	t.Logf("%d spellings", checked)
}

// isOtherOperation reports whether a path happens to be that of an operation in
// its own right, with any method.
func isOtherOperation(path, _ string) bool {
	for _, o := range apiOperations() {
		want, got := strings.Split(o.Path, "/"), strings.Split(path, "/")
		if len(want) != len(got) {
			continue
		}
		same := true
		for i := range want {
			if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
				same = false
			}
		}
		if same {
			return true
		}
	}
	return false
}

// hostileHeaders are what proxies and frameworks elsewhere have been talked into
// something with (authentik CVE-2024-47070, Apereo CAS CVE-2023-4612, Teleport
// CVE-2025-49825).
var hostileHeaders = [][]string{
	{"X-Forwarded-For: 127.0.0.1"},
	{"X-Forwarded-For: a"},
	{"X-Forwarded-For: ,,,,"},
	{"X-Forwarded-For: fe80::1%eth0"},
	{"X-Forwarded-For: [::1]:80, 127.0.0.1"},
	{"X-Forwarded-For: " + strings.Repeat("1.2.3.4, ", 1100) + "1.2.3.4"},
	{"X-Forwarded-For: " + strings.Repeat("9", 10_000)},
	{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 127.0.0.1"},
	{"X-Forwarded-For: 192.0.2.1\x0b"},
	{"X-Real-IP: 127.0.0.1", "X-Client-IP: 127.0.0.1", "CF-Connecting-IP: 127.0.0.1", "True-Client-IP: 127.0.0.1", "Forwarded: for=127.0.0.1;host=localhost"},
	{"X-Forwarded-Host: localhost", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /v1"},
	{"X-Original-URL: /v1/config", "X-Rewrite-URL: /v1/config", "X-Original-URI: /v1/config"},
	{"X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET"},
	{"Remote-User: olga", "X-Remote-User: olga", "X-Forwarded-User: olga", "X-Authenticated-User: olga", "Remote-Groups: owner"},
	{"X-Client-Cert: olga", "X-SSL-Client-Verify: SUCCESS", "X-SSL-Client-S-DN: CN=olga", "X-Forwarded-Client-Cert: Subject=\"CN=olga\""},
	{"Authorization: Basic b2xnYTpvbGdh"},
	{"Authorization: Bearer"},
	{"Authorization: Bearer spk_"},
	{"Authorization: Bearer null"},
	{"Authorization: Bearer spk_" + strings.Repeat("A", 52), "Authorization: Bearer spk_" + strings.Repeat("B", 52)},
	{"Authorization: Bearer " + strings.Repeat("A", 12_000)},
	{"Cookie: __Host-sallyport-console=; __Host-sallyport-portal=; __Host-sallyport-app="},
	{"Cookie: __Host-sallyport-console=" + strings.Repeat("A", 43) + "; __Host-sallyport-portal=" + strings.Repeat("A", 43)},
	{"Cookie: __Host-sallyport-console=\"; __Host-sallyport-console\"=x"},
}

// No header gets anybody in who has no session and no key.
func TestHeadersLetNobodyIn(t *testing.T) {
	w := newTown(t)
	x := w.wire()
	for _, o := range apiOperations() {
		path := w.probe(&o.operation).URL.RequestURI()
		for _, headers := range hostileHeaders {
			acts := w.acts()
			a := x.send(o.Method+" "+path+" HTTP/1.1", append([]string{"Host: mfa.example.com", "Content-Length: 0"}, headers...)...)
			if a.status >= 500 && a.status != http.StatusHTTPVersionNotSupported {
				t.Errorf("%s with %.60q = %d %s", o.ID, headers, a.status, a.body)
			}
			if o.Audience != visitor && (a.status < 400 || a.header.Get("Set-Cookie") != "") {
				t.Errorf("%s with %.60q = %d %s; want a refusal", o.ID, headers, a.status, a.body)
			}
			if now := w.acts(); now != acts {
				t.Errorf("%s with %.60q left %d acts", o.ID, headers, now-acts)
			}
		}
	}
}

// A request under another host's name is not for us, but for what reverse
// proxies ask (DNS rebinding).
func TestOtherHostsAreNotServed(t *testing.T) {
	w := newTown(t)
	for _, host := range []string{"evil.example.net", "mfa.example.com.evil.example.net", "mfa.example.com:80", "127.0.0.1", "localhost", "", "mfa.example.com@evil", "MFA.example.com."} {
		for _, o := range apiOperations() {
			r := w.probe(&o.operation)
			w.olga(&o.operation)(r)
			r.Host = host
			a := w.serve(r)
			if served := a.status != http.StatusMisdirectedRequest; served != o.AnyHost {
				t.Errorf("%s under the host %q = %d %s; served under any host: %t", o.ID, host, a.status, a.body, o.AnyHost)
			}
		}
	}
	for _, host := range []string{"mfa.example.com", "MFA.EXAMPLE.COM", "mfa.example.com:443"} {
		if a := w.ask(http.MethodGet, "/v1/config", "", func(r *http.Request) { r.Host = host }); a.status != http.StatusOK {
			t.Errorf("under our own host %q = %d", host, a.status)
		}
	}
}

// Methods that nobody has put into the table do nothing; HEAD is GET without a
// body, to the same people.
func TestOtherMethods(t *testing.T) {
	w := newTown(t)
	x := w.wire()
	byPath := make(map[string][]string)
	for _, o := range apiOperations() {
		byPath[o.Path] = append(byPath[o.Path], o.Method)
	}
	for path, methods := range byPath {
		target := pathParameter.ReplaceAllString(path, "nope")
		for _, m := range []string{"OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PUT", "DELETE", "PATCH", "POST", "get", "GET ", "M-SEARCH", "LOCK"} {
			if slices.Contains(methods, m) || isOtherOperationWith(target, m) {
				continue
			}
			acts := w.acts()
			a := x.send(m+" "+target+" HTTP/1.1", "Host: mfa.example.com", "Authorization: Bearer "+w.key("all"), "X-HTTP-Method-Override: "+methods[0], "Content-Length: 0")
			if a.status != 0 && (a.status < 400 || a.status >= 500) {
				t.Errorf("%s %s = %d %s; want a refusal", m, target, a.status, a.body)
			}
			if strings.Contains(a.body, w.key("all")) {
				t.Errorf("%s %s gives back the API key", m, target)
			}
			if now := w.acts(); now != acts {
				t.Errorf("%s %s left %d acts", m, target, now-acts)
			}
		}
		if !slices.Contains(methods, http.MethodGet) {
			continue
		}
		get, head := x.send("GET "+target+" HTTP/1.1", "Host: mfa.example.com"), x.send("HEAD "+target+" HTTP/1.1", "Host: mfa.example.com")
		if head.status != get.status && head.status != http.StatusMethodNotAllowed || head.body != "" {
			t.Errorf("HEAD %s = %d %q; GET = %d", target, head.status, head.body, get.status)
		}
	}
}

func isOtherOperationWith(path, method string) bool {
	for _, o := range apiOperations() {
		if o.Method == method && isOtherOperation(path, method) && len(strings.Split(o.Path, "/")) == len(strings.Split(path, "/")) {
			return true
		}
	}
	return false
}

// Ten thousand made-up addresses from one socket share one bucket (Fleet
// CVE-2026-24000, Vikunja CVE-2026-29794).
func TestRatesGoByTheSocket(t *testing.T) {
	w := newTown(t)
	passed := 0
	for i := range 1000 {
		a := w.ask(http.MethodGet, "/v1/config", "", func(r *http.Request) {
			r.RemoteAddr = "198.51.100.9:4000"
			r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String())
			r.Header.Set("X-Real-IP", "10.0.0.1")
		})
		if a.status == http.StatusOK {
			passed++
		} else if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Fatalf("= %d %s", a.status, a.body)
		}
	}
	if passed > bucketSize {
		t.Errorf("%d of 1,000 requests at one moment passed; want %d at most", passed, bucketSize)
	}
}

// Every answer tells browsers to be careful with it.
func TestEveryAnswerIsCareful(t *testing.T) {
	w := newTown(t)
	for _, o := range apiOperations() {
		for _, show := range []func(*http.Request){w.olga(&o.operation), func(*http.Request) {}} {
			r := w.probe(&o.operation)
			show(r)
			a := w.serve(r)
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s = %d with %s: %q; want %q", o.ID, a.status, name, got, want)
				}
			}
			if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s = %d with %v", o.ID, a.status, a.header)
			}
		}
	}
}

// Nobody edits or resets somebody who may do more than they (Coder
// CVE-2026-55077, NetBird GHSA-rxmp-8h9v-56cx).
func TestNobodyChangesThoseAbove(t *testing.T) {
	w := newTown(t)
	attempts := []struct{ method, path, body string }{
		{"POST", "/v1/accounts/olga/password", `{"password":"a password of adam's own"}`},
		{"POST", "/v1/accounts/olga/role", `{"role":""}`},
		{"POST", "/v1/accounts/olga/disable", ""},
		{"POST", "/v1/accounts/olga/block", `{"reason":"x"}`},
		{"POST", "/v1/accounts/olga/recovery-codes", ""},
		{"POST", "/v1/accounts/olga/authenticators", `{"factor":"oath","label":"x"}`},
		{"POST", "/v1/accounts/olga/invitations", `{"kind":"link","replace":true}`},
		{"POST", "/v1/accounts/olga/bypass", `{"seconds":300,"reason":"x"}`},
		{"PATCH", "/v1/accounts/olga", `{"name":"olga2"}`},
		{"DELETE", "/v1/accounts/olga", ""},
		{"DELETE", "/v1/authenticators/olga-webauthn", ""},
		{"DELETE", "/v1/authenticators/olga-password", ""},
		{"POST", "/v1/authenticators/olga-oath/resync", `{"first":"111111","second":"222222"}`},
		{"POST", "/v1/accounts/adam/role", `{"role":"owner"}`},
		{"POST", "/v1/accounts/victor/role", `{"role":"owner"}`},
		{"POST", "/v1/roles", `{"name":"mine","permissions":["role.write"]}`},
		{"PATCH", "/v1/roles/one", `{"permissions":["role.write"]}`},
		{"POST", "/v1/api-keys", `{"name":"mine","permissions":["role.write"]}`},
	}
	before := w.acts()
	for _, who := range []string{"adam", "helen", "audrey", "carl"} {
		for _, try := range attempts {
			a := w.ask(try.method, try.path, try.body, withCookie("console", w.begin(session{account: who, client: "console", factor: auth.PasskeyFactor})))
			if a.status != http.StatusForbidden || a.problem() != "/problems/forbidden" {
				t.Errorf("%s: %s %s %s = %d %s; want 403", who, try.method, try.path, try.body, a.status, a.body)
			}
		}
	}
	if now := w.acts(); now != before {
		t.Errorf("%d acts were left", now-before)
	}
	olga, err := w.store.Account(context.Background(), "olga")
	if err != nil || olga.Role != admin.Owner || !olga.Enabled || olga.Blocked {
		t.Errorf("olga is %+v, %v", olga, err)
	}
	// An account with the permission that the operations need, and no other.
	w.apply(admin.UpdateRole{Name: "one", Update: func(r *admin.Role) error { r.Permissions = []admin.Permission{admin.WriteRoles}; return nil }})
	for _, try := range []struct{ method, path, body string }{
		{"POST", "/v1/accounts/carl/role", `{"role":"owner"}`},
		{"PATCH", "/v1/roles/one", `{"permissions":["role.write","account.write"]}`},
		{"POST", "/v1/accounts/olga/role", `{"role":"one"}`},
	} {
		a := w.ask(try.method, try.path, try.body, withCookie("console", w.begin(session{account: "carl", client: "console", factor: auth.PasskeyFactor})))
		if a.status != http.StatusForbidden {
			t.Errorf("carl, who may change roles: %s %s %s = %d %s; want 403", try.method, try.path, try.body, a.status, a.body)
		}
	}
}

// However many changes of roles come at once, an owner is left, and nobody is one
// whom no owner has made one.
func TestRoleChangesAtOnce(t *testing.T) {
	w := newTown(t)
	w.apply(admin.UpdateAccount{ID: w.ids["victor"], Update: func(a *auth.Account) error { a.Role = admin.Owner; return nil }})
	var together sync.WaitGroup
	for i := range 64 {
		who, to := "olga", "auditor"
		if i%2 == 0 {
			who = "victor"
		}
		if i%3 == 0 {
			to = ""
		}
		body, err := json.Marshal(map[string]string{"role": to})
		w.must(err)
		r := w.request(http.MethodPost, "/v1/accounts/"+who+"/role", string(body))
		w.withKey("all")(r)
		together.Go(func() {
			if a := w.serve(r); a.status >= 500 {
				t.Errorf("= %d %s", a.status, a.body)
			}
		})
	}
	together.Wait()
	owners := 0
	for name := range townRoles {
		a, err := w.store.Account(context.Background(), name)
		w.must(err)
		if a.Role == admin.Owner {
			owners++
			if name != "olga" && name != "victor" {
				t.Errorf("%s became an owner", name)
			}
		}
	}
	if owners != 1 {
		t.Errorf("%d owners are left; want one", owners)
	}
}

// real fills in the path parameters of an operation with what is there.
func (w *town) real(path, reference string) string {
	for prefix, value := range map[string]string{
		"/v1/accounts/": "pat", "/v1/clients/": "wiki", "/v1/roles/": "one", "/v1/applications/": "vpn", "/v1/groups/": "staff", "/v1/rules/": "everybody",
		"/v1/events/": reference, "/v1/authenticators/": "pat-oath", "/v1/api-keys/": "all", "/v1/reports/": "usage",
	} {
		if strings.HasPrefix(path, prefix) {
			return pathParameter.ReplaceAllString(path, value)
		}
	}
	return pathParameter.ReplaceAllString(path, "nope")
}

// No answer to a reader ever holds a secret: seeds, hashes, recovery codes,
// passwords, keys, tokens (Mattermost CVE-2025-11794; OpenBao CVE-2025-62513;
// nebula-mesh CVE-2026-53603). Neither does the record of acts, the log or, but
// sealed or hashed, the database.
func TestNothingTellsASecret(t *testing.T) {
	w := newTown(t)
	// Something of everything happens first, all of it with secrets.
	reference := ""
	for _, body := range []LoginRequest{
		{Name: "pat", Password: ptr(w.secret("a wrong password", "Tr0ub4dor&3 zebra")), Code: ptr("135790")},
		{Name: w.secret("a password in the name field", "hunter2-Xylophon!"), Password: ptr("x")},
		{Name: "pat", Password: ptr(townPassword), Code: ptr(w.code("pat"))},
	} {
		reference = w.bring("/v1/logins", body).Reference
	}
	console := func() func(*http.Request) {
		return withCookie("console", w.begin(session{account: "olga", client: "console", factor: auth.PasskeyFactor}))
	}
	made := []struct{ method, path, body string }{
		{"POST", "/v1/accounts", `{"name":"nora"}`},
		{"POST", "/v1/accounts/nora/password", `{"password":"` + w.secret("a new password", "a brand new pass phrase 77") + `"}`},
		{"POST", "/v1/accounts/nora/authenticators", `{"factor":"oath","label":"phone"}`},
		{"POST", "/v1/accounts/pat/recovery-codes", ``},
		{"POST", "/v1/accounts/edgar/invitations", `{"kind":"link"}`},
		{"POST", "/v1/accounts/edgar/invitations", `{"kind":"code"}`},
		{"POST", "/v1/clients", `{"name":"nas2","application":"vpn","source":"192.0.2.2"}`},
		{"POST", "/v1/clients/nas/rotate", `{}`},
		{"POST", "/v1/rules", `{"name":"everybody"}`},
		{"POST", "/v1/api-keys", `{"name":"new","permissions":["event.read"]}`},
		{"POST", "/v1/test-logins", `{"client":"nas","name":"pat","password":"` + townPassword + `"}`},
		{"POST", "/v1/accounts/pat/bypass", `{"seconds":300,"reason":"a new phone"}`},
	}
	for _, m := range made {
		a := w.ask(m.method, m.path, m.body, console())
		if a.status >= 300 {
			t.Errorf("%s %s %s = %d %s", m.method, m.path, m.body, a.status, a.body)
			continue
		}
		w.learn(m.method+" "+m.path, a.body)
	}
	token := w.secret("a console session's token", w.begin(session{account: "olga", client: "console", factor: auth.PasskeyFactor}))
	w.secret("a portal session's token", w.begin(session{account: "pat", client: "portal", factor: auth.PasskeyFactor}))
	p := w.enter("victor")
	w.secret("an application's session's token", p.cookies["__Host-sallyport-app"])

	read := 0
	for _, o := range apiOperations() {
		if o.Method != http.MethodGet {
			continue
		}
		target := w.real(o.Path, reference)
		show := w.olga(&o.operation)
		if o.Audience == administrator {
			show = withCookie("console", token)
		}
		if o.Audience == signedIn {
			target += "?client=portal"
		}
		for _, query := range []string{"", "limit=1000", "format=csv"} {
			to := target
			if query != "" {
				to += map[bool]string{true: "&", false: "?"}[strings.Contains(target, "?")] + query
			}
			r := w.request(http.MethodGet, to, "")
			show(r)
			a := w.serve(r)
			if query == "" && a.status != http.StatusOK && !strings.HasPrefix(o.Path, "/v1/forward-auth") && a.status != http.StatusUnprocessableEntity {
				t.Errorf("GET %s = %d %s; want to see what it says", to, a.status, a.body)
			}
			read++
			w.scan("GET "+to, a.body+fmt.Sprint(a.header))
		}
	}
	w.scan("the log", w.said.String())
	w.scanDatabase()
	t.Logf("%d answers, %d secrets", read, len(w.secrets))
}

// learn notes the secrets that an answer shows once.
func (w *town) learn(what, body string) {
	w.Helper()
	var v any
	w.must(json.Unmarshal([]byte(body), &v))
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				walk(k, inner)
			}
		case []any:
			for i, inner := range v {
				if s, ok := inner.(string); ok && (name == "recovery_codes" || name == "codes") {
					w.secret(fmt.Sprintf("%s of %s, %d", name, what, i), s)
				}
				walk(name, inner)
			}
		case string:
			if slices.Contains([]string{"secret", "link", "code", "uri", "state"}, name) && len(v) >= 8 {
				w.secret(name+" of "+what, v)
			}
		}
	}
	walk("", v)
}

// scan looks for secrets in a text.
func (w *town) scan(where, text string) {
	w.Helper()
	for what, secret := range w.secrets {
		if len(secret) >= 8 && strings.Contains(text, secret) {
			w.Errorf("%s tells %s", where, what)
		}
		if b, err := json.Marshal(secret); err == nil && len(secret) >= 8 && strings.Contains(text, strings.Trim(string(b), `"`)) {
			w.Errorf("%s tells %s, in JSON", where, what)
		}
	}
}

// scanDatabase looks for secrets in the files of the database.
func (w *town) scanDatabase() {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "sallyport.db*"))
	w.must(err)
	if len(files) == 0 {
		w.Error("there is no database to look into")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		w.must(err)
		for what, secret := range w.secrets {
			if len(secret) >= 8 && bytes.Contains(b, []byte(secret)) {
				w.Errorf("%s holds %s", filepath.Base(file), what)
			}
		}
		if sum := sha256.Sum256([]byte(w.key("all"))); strings.HasSuffix(file, ".db") && !bytes.Contains(b, sum[:]) && !w.inJournal(sum[:]) {
			w.Errorf("the database does not hold the hash of an API key: this test looks in the wrong place")
		}
	}
}

// inJournal reports whether octets are in the write-ahead log.
func (w *town) inJournal(octets []byte) bool {
	b, err := os.ReadFile(filepath.Join(w.dir, "sallyport.db-wal"))
	return err == nil && (bytes.Contains(b, octets) || bytes.Contains(b, fmt.Appendf(nil, "%x", octets)))
}

// Without a session nothing changes but by signing in (Vault CVE-2025-4656,
// OpenBao CVE-2025-52894), and what visitors may ask for changes nothing unless
// they have the secret for it.
func TestVisitorsChangeNothing(t *testing.T) {
	w := newTown(t)
	acts, sessions := w.acts(), w.sessions()
	guesses := []struct{ path, body string }{
		{"/v1/set-up/check", `{"token":"` + randomToken() + `"}`},
		{"/v1/set-up/passkey", `{"token":"` + randomToken() + `","name":"mallory","password":"a password of mallory's"}`},
		{"/v1/set-up/owner", `{"token":"` + randomToken() + `","ceremony":"x","registration":{}}`},
		{"/v1/invitations/redeem", `{"secret":"` + randomToken() + `"}`},
		{"/v1/invitations/redeem", `{"name":"edgar","code":"ABCDEFGH"}`},
		{"/v1/sign-in", `{"client":"console","name":"olga","password":"` + townPassword + `"}`},
		{"/v1/sign-in", `{"client":"console","name":"olga","passkey":true}`},
		{"/v1/sign-in/continue", `{"client":"console","name":"olga","state":"AAAAAAAAAAAAAAAAAAAAAA","code":"` + w.code("olga") + `"}`},
		{"/v1/sign-in/continue", `{"client":"portal","name":"olga","state":"AAAAAAAAAAAAAAAAAAAAAA","assertion":{"id":"x"}}`},
	}
	for _, g := range guesses {
		if a := w.ask(http.MethodPost, g.path, g.body); a.status >= 500 || len(a.header.Values("Set-Cookie")) > 0 || strings.Contains(a.body, `"accept"`) {
			t.Errorf("POST %s %s = %d %s", g.path, g.body, a.status, a.body)
		}
	}
	if now := w.acts(); now != acts {
		t.Errorf("%d acts were left", now-acts)
	}
	if now := w.sessions(); !slices.Equal(now, sessions) {
		t.Errorf("sessions %v; were %v", now, sessions)
	}
}

// What half a sign-in gives is worth nothing (Roundcube duo_auth: the back
// button), and a code alone is no console (SPEC: a passkey).
func TestConsoleNeedsAPasskey(t *testing.T) {
	w := newTown(t)
	for _, name := range []string{"olga", "pat", "nobody"} {
		var asked SignIn
		w.ask(http.MethodPost, "/v1/sign-in", `{"client":"console","name":"`+name+`","password":"`+townPassword+`"}`).read(t, &asked)
		if asked.Verdict == "accept" || asked.Session != nil {
			t.Errorf("%s with a password at the console = %+v", name, asked)
		}
		if asked.State != "" {
			a := w.ask(http.MethodPost, "/v1/sign-in/continue", `{"client":"console","name":"`+name+`","state":"`+asked.State+`","code":"`+w.code(name)+`"}`)
			if strings.Contains(a.body, `"accept"`) || len(a.header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s with a code at the console = %d %s", name, a.status, a.body)
			}
		}
	}
	signed := func(name, client string) *answer {
		var asked SignIn
		w.ask(http.MethodPost, "/v1/sign-in", `{"client":"`+client+`","name":"`+name+`","passkey":true}`).read(t, &asked)
		var options struct{ Challenge string }
		w.must(json.Unmarshal(asked.Options, &options))
		challenge, err := base64.RawURLEncoding.DecodeString(options.Challenge)
		w.must(err)
		return w.ask(http.MethodPost, "/v1/sign-in/continue", `{"client":"`+client+`","name":"`+name+`","state":"`+asked.State+`","assertion":`+string(w.passkey(name).Assert(challenge))+`}`)
	}
	if a := signed("olga", "console"); a.cookie(cookieName("console")) == nil {
		t.Errorf("olga's passkey at the console = %d %s; want a session", a.status, a.body)
	}
	if a := signed("pat", "console"); len(a.header.Values("Set-Cookie")) > 0 || strings.Contains(a.body, `"accept"`) {
		t.Errorf("pat, who has no role, with a passkey at the console = %d %s; want a refusal", a.status, a.body)
	}
	if a := signed("pat", "portal"); a.cookie(cookieName("portal")) == nil {
		t.Errorf("pat's passkey at the portal = %d %s; want a session", a.status, a.body)
	}
}
