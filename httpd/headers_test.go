package httpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/admin"
)

// Every answer, whatever it is, tells browsers what they may not do with it.
func TestSecurityHeaders(t *testing.T) {
	w := newTown(t)
	w.site.Secure = true
	token := w.enterBy("portal", "pat")
	for _, tt := range []struct {
		method, target, body string
		change               []func(*http.Request)
	}{
		{"GET", "/v1/config", "", nil},
		{"GET", "/v1/me", "", []func(*http.Request){withCookie("portal", token)}},
		{"GET", "/v1/me", "", nil},
		{"POST", "/v1/sign-in", "{}", nil},
		{"GET", "/v1/openapi.json", "", nil},
		{"GET", "/v1/no-such", "", nil},
		{"PUT", "/v1/config", "", nil},
		{"GET", "/livez", "", nil},
		{"GET", "/readyz", "", nil},
		{"GET", "/console", "", nil},
		{"GET", "/", "", nil},
		{"GET", "/operator/account.list", "", nil},
		{"GET", "/v1//config", "", nil},
		{"POST", "/v1/sign-in", "{}", []func(*http.Request){withHeader("Sec-Fetch-Site", "cross-site")}},
		{"GET", "/v1/config", "", []func(*http.Request){func(r *http.Request) { r.Host = "evil.example" }}},
	} {
		a := w.ask(tt.method, tt.target, tt.body, tt.change...)
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"X-Frame-Options":              "DENY",
			"Cache-Control":                "no-store",
			"Permissions-Policy":           permissionsPolicy,
			"Strict-Transport-Security":    transportSecurity,
			"Content-Security-Policy":      contentPolicy,
		} {
			if got := a.header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s %s (%d): %s is %q; want %q", tt.method, tt.target, a.status, name, got, want)
			}
		}
		for _, name := range []string{"Access-Control-Allow-Origin", "Server", "X-Powered-By"} {
			if got := a.header.Get(name); got != "" {
				t.Errorf("%s %s: %s is %q", tt.method, tt.target, name, got)
			}
		}
	}
	// Where the browser came without TLS it is not told to stay away from that.
	plain := w.ask("GET", "/v1/config", "", func(r *http.Request) { r.TLS = nil })
	if got := plain.header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("without TLS: Strict-Transport-Security is %q", got)
	}
	w.site.Secure = false
	if got := w.ask("GET", "/v1/config", "", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }).header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("with a certificate that nobody knows: Strict-Transport-Security is %q", got)
	}
}

// There is one way to spell an address. Another spelling is nowhere: no route,
// no redirect, not even a question who asks (CVE-2021-40539).
func TestPathBattery(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	console := w.enterBy("console", "olga")
	for _, path := range []string{
		"//v1/me", "/v1//me", "/v1/me/", "/v1/me//", "/./v1/me", "/v1/./me", "/v1/x/../me", "/../v1/me", "/v1/me/.", "/v1/me/..",
		"/v1/%6de", "/%761/me", "/v1%2Fme", "/v1%2fme", "/v1/%2e/me", "/v1/%2E%2e/v1/me", "/v1/x/%2e%2e/me", "/v1/me%2F", "/v1/me%00", "/v1/me%0a", "/v1/me%09", "/v1/me%20",
		"/v1/me;x=1", "/v1;/me", ";/v1/me", "/v1/me%3B", "/v1\\me", "/v1%5Cme", "/\\v1/me", "/v1/me.", "/v1/me.json", "/v1./me", "/V1/me", "/v1/Me", "/v1/ME",
		"/v1/me%7e", "/v1/m%65", "/v1/me%252e", "/v1/mé", "/v1/me%C3%A9", "/api/v1/me", "/v1/v1/me", "/console/../v1/me", "/assets/../v1/me", "/v1/me%E2%80%8B",
		"/operator/account.list", "/operator/v1/me", "/metrics", "/debug/pprof/", "/.git/config", "/v1",
	} {
		r := w.request("GET", "/", "")
		u, err := url.ParseRequestURI(path)
		if err != nil {
			// net/http refuses such a request before it has a handler.
			if u, err = url.Parse("/"); err != nil {
				t.Fatal(err)
			}
			u.Path = path
		}
		r.URL, r.RequestURI = u, path
		withCookie("portal", token)(r)
		withCookie("console", console)(r)
		a := w.serve(r)
		if a.status != 404 || a.problem() != "/problems/no-route" || a.header.Get("Location") != "" {
			t.Errorf("GET %s = %d %s, Location %q; want 404", path, a.status, a.body, a.header.Get("Location"))
		}
	}
}

// Names with characters of their own can be asked for, encoded as they must be.
func TestNamesInPaths(t *testing.T) {
	for _, tt := range []struct {
		path string
		want bool
	}{
		{"/v1/accounts/alice%40example.com", true},
		{"/v1/accounts/CORP%5Calice", true},
		{"/v1/accounts/j%C3%BCrgen", true},
		{"/v1/accounts/a%2Fb", true},
		{"/v1/accounts/john.doe", true},
		{"/v1/accounts/a%20b", true},
		{"/v1/accounts/a%2Eb", false},
		{"/v1/accounts/%2E%2E", false},
		{"/v1/accounts/a%00b", false},
		{"/v1/accounts/a%7Fb", false},
		{"/v1/accounts/", true}, // the mux has nothing there
		{"", false},
		{"*", false},
	} {
		u := &url.URL{Path: tt.path}
		if parsed, err := url.Parse(tt.path); err == nil {
			u = parsed
		}
		if got := plainPath(u); got != tt.want {
			t.Errorf("plainPath(%s) = %t; want %t", tt.path, got, tt.want)
		}
	}
}

// FuzzPlainPath checks that a path that we look at has one spelling only: what
// the mux makes of it, encoded again, is that path, and nothing in it leads up.
func FuzzPlainPath(f *testing.F) {
	for _, s := range []string{"/v1/me", "/v1/accounts/a%2Fb", "/v1//me", "/v1/%2e%2e/x", "/a;b", "/\\", "/v1/me."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !plainPath(u) {
			return
		}
		escaped := u.EscapedPath()
		for segment := range strings.SplitSeq(strings.TrimPrefix(escaped, "/"), "/") {
			plain, err := url.PathUnescape(segment)
			if err != nil || plain == "." || plain == ".." {
				t.Errorf("%q has the segment %q", escaped, plain)
			}
			for _, c := range []byte(plain) {
				if c < ' ' || c == 0x7f {
					t.Errorf("%q has a control character", escaped)
				}
			}
			unreserved := strings.NewReplacer("-", "", ".", "", "_", "", "~", "").Replace(plain)
			if strings.Contains(segment, "%") && unreserved == "" {
				t.Errorf("%q encodes what needs none", escaped)
			}
		}
		if strings.Contains(escaped, "//") || strings.ContainsAny(escaped, ";\\") {
			t.Errorf("%q was let through", escaped)
		}
	})
}

// Under a name that is not ours nothing is served but health checks, whoever
// asks: the name of another site may have been made to lead here.
func TestHosts(t *testing.T) {
	w := newTown(t)
	tests := []struct {
		host, peer string
		want       int
	}{
		{"mfa.example.com", "203.0.113.5:1", 200},
		{"mfa.example.com:443", "203.0.113.5:1", 200},
		{"MFA.example.com", "203.0.113.5:1", 200},
		{"mfa.example.com:8443", "203.0.113.5:1", 421},
		{"mfa.example.com.", "203.0.113.5:1", 421},
		{"mfa.example.com.evil.example", "203.0.113.5:1", 421},
		{"evil.example", "203.0.113.5:1", 421},
		{"192.0.2.1", "203.0.113.5:1", 421},
		{"", "203.0.113.5:1", 421},
		{"localhost:9480", "203.0.113.5:1", 421},
		{"localhost:9480", "127.0.0.1:1", 200},
		{"127.0.0.1:9480", "127.0.0.1:1", 200},
		{"[::1]:9480", "[::1]:1", 200},
		{"evil.example:9480", "127.0.0.1:1", 421},
		{"localhost.evil.example", "127.0.0.1:1", 421},
	}
	for _, tt := range tests {
		as := func(r *http.Request) {
			r.Host, r.RemoteAddr = tt.host, tt.peer
			r.Header.Set("X-Forwarded-Host", "mfa.example.com")
		}
		if a := w.ask("GET", "/v1/config", "", as); a.status != tt.want {
			t.Errorf("Host %q from %s = %d %s; want %d", tt.host, tt.peer, a.status, a.body, tt.want)
		}
		if a := w.ask("GET", "/livez", "", as); a.status != 200 {
			t.Errorf("/livez under %q = %d", tt.host, a.status)
		}
	}
	// An installation without a name of its own is served under any.
	w.site.URL = "http://localhost:9480"
	if a := w.ask("GET", "/v1/config", "", func(r *http.Request) { r.Host = "whatever" }); a.status != 200 {
		t.Errorf("without an https URL, Host whatever = %d", a.status)
	}
}

// A page of another site cannot make a browser change anything here, though the
// browser would add its cookies.
func TestOtherSitesCannotAsk(t *testing.T) {
	w := newTown(t)
	token := w.enterBy("portal", "pat")
	tests := []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"our own page", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": townURL}, 204},
		{"a program", nil, 204},
		{"the page of another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"the page of a neighbour", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://wiki.example.com"}, 403},
		{"an old browser on another site", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a sandboxed frame", map[string]string{"Origin": "null"}, 403},
		{"an old browser on our own page", map[string]string{"Origin": townURL}, 204},
		{"another scheme", map[string]string{"Origin": "ftp://mfa.example.com.evil.example"}, 403},
	}
	for _, tt := range tests {
		as := []func(*http.Request){withCookie("portal", token)}
		for name, value := range tt.header {
			as = append(as, withHeader(name, value))
		}
		a := w.ask("PATCH", "/v1/me/authenticators/pat-oath", `{"label":"phone"}`, as...)
		if a.status != tt.want || tt.want == 403 && a.problem() != "/problems/cross-origin" {
			t.Errorf("%s = %d %s; want %d", tt.name, a.status, a.body, tt.want)
		}
	}
	// What a form can send is not what we read.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json, text/plain", "application/jsonp", "text/json", "application/problem+json", "application/json; charset=utf-16"} {
		a := w.ask("PATCH", "/v1/me/authenticators/pat-oath", `{"label":"phone"}`, withCookie("portal", token), func(r *http.Request) {
			r.Header.Del("Content-Type")
			if kind != "" {
				r.Header.Set("Content-Type", kind)
			}
		})
		if a.status != 415 || a.problem() != "/problems/media-type" {
			t.Errorf("a body of the type %q = %d %s; want 415", kind, a.status, a.body)
		}
	}
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"} {
		if a := w.ask("PATCH", "/v1/me/authenticators/pat-oath", `{"label":"phone"}`, withCookie("portal", token), withHeader("Content-Type", kind)); a.status != 204 {
			t.Errorf("a body of the type %q = %d %s; want 204", kind, a.status, a.body)
		}
	}
	if a := w.ask("PATCH", "/v1/me/authenticators/pat-oath", `{"label":"phone"}`, withCookie("portal", token), withHeader("Content-Encoding", "gzip")); a.status != 415 {
		t.Errorf("a compressed body = %d; want 415", a.status)
	}
}

func TestMethods(t *testing.T) {
	w := newTown(t)
	for _, tt := range []struct{ method, path, allow string }{
		{"PUT", "/v1/config", "GET"},
		{"OPTIONS", "/v1/config", "GET"},
		{"TRACE", "/v1/config", "GET"},
		{"GET", "/v1/sign-in", "POST"},
		{"HEAD", "/v1/sign-in", "POST"},
		{"POST", "/v1/session", "GET, DELETE"},
		{"get", "/v1/config", "GET"},
		{"FROB", "/v1/me/authenticators/x", "PATCH, DELETE"},
	} {
		a := w.ask(tt.method, tt.path, "")
		if a.status != 405 || a.header.Get("Allow") != tt.allow || a.problem() != "/problems/method" {
			t.Errorf("%s %s = %d, Allow %q, %s; want 405 and %q", tt.method, tt.path, a.status, a.header.Get("Allow"), a.body, tt.allow)
		}
	}
	if a := w.ask("HEAD", "/v1/config", ""); a.status != 200 {
		t.Errorf("HEAD /v1/config = %d", a.status)
	}
	// An override in a header or query is nothing to us.
	if a := w.ask("GET", "/v1/sign-in?_method=POST", "", withHeader("X-Http-Method-Override", "POST")); a.status != 405 {
		t.Errorf("an overridden method = %d; want 405", a.status)
	}
	for _, name := range []string{"X-Original-Url", "X-Rewrite-Url"} {
		if a := w.ask("GET", "/v1/config", "", withHeader(name, "/v1/me")); a.status != 200 || !strings.Contains(a.body, "issuer") {
			t.Errorf("with %s = %d %s", name, a.status, a.body)
		}
	}
}

// A fault is told to the log, and not to whoever asks.
func TestFaultsStayHere(t *testing.T) {
	w := newTown(t)
	type none = struct{}
	table := []apiOperation{
		operate(operation{ID: "x.fails", Method: "GET", Path: "/v1/fails", Audience: visitor, Permission: readSite},
			func(context.Context, *caller, *none) (*none, error) { return nil, io.ErrUnexpectedEOF }),
		operate(operation{ID: "x.panics", Method: "GET", Path: "/v1/panics", Audience: visitor, Permission: readSite},
			func(context.Context, *caller, *none) (*none, error) { panic("a secret word") }),
		operate(operation{ID: "x.refuses", Method: "GET", Path: "/v1/refuses", Audience: visitor, Permission: readSite},
			func(context.Context, *caller, *none) (*none, error) {
				return nil, &admin.Problem{What: "you cannot", Hint: "do otherwise", Kind: admin.ErrLastOwner}
			}),
	}
	h, err := w.site.handler(table)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	for path, said := range map[string]string{"/v1/fails": io.ErrUnexpectedEOF.Error(), "/v1/panics": "a secret word"} {
		a := w.ask("GET", path, "")
		if a.status != 500 || a.problem() != "/problems/fault" || strings.Contains(a.body, said) || !strings.Contains(w.said.String(), said) {
			t.Errorf("GET %s = %d %s; want a fault that only the log explains", path, a.status, a.body)
		}
	}
	a := w.ask("GET", "/v1/refuses", "")
	if want := `{"type":"/problems/last-owner","title":"The last owner","detail":"you cannot","hint":"do otherwise","status":409}` + "\n"; a.status != 409 || a.body != want {
		t.Errorf("GET /v1/refuses = %d %s; want %s", a.status, a.body, want)
	}
}

// An operation may take longer than its body may take to come; a body that never
// comes is given up after a minute.
func TestTimeForBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Site{URL: townURL, Now: time.Now, Log: slog.New(slog.DiscardHandler), Health: &Health{Log: slog.New(slog.DiscardHandler)}}
		type in struct {
			Body struct {
				Name string `json:"name"`
			}
		}
		type out struct {
			Body struct {
				Name string `json:"name"`
			}
		}
		h, err := s.handler([]apiOperation{operate(operation{ID: "x.takes", Method: "POST", Path: "/v1/takes", Audience: visitor, Permission: readSite, Body: 100},
			func(ctx context.Context, _ *caller, i *in) (*out, error) {
				select {
				case <-ctx.Done():
					t.Errorf("the operation was ended: %v", ctx.Err())
				case <-time.After(10 * bodyTimeout):
				}
				return &out{Body: i.Body}, nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(body, length string) (status int, answered string) {
			near, far := net.Pipe()
			l := &pipeListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
			l.conn <- far
			server := &http.Server{Handler: h}
			served := make(chan error)
			go func() { served <- server.Serve(l) }()
			go io.WriteString(near, "POST /v1/takes HTTP/1.1\r\nHost: mfa.example.com\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "+length+"\r\n\r\n"+body)
			resp, err := http.ReadResponse(bufio.NewReader(near), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			near.Close()
			server.Close()
			<-served
			return resp.StatusCode, string(b)
		}
		if status, b := ask(`{"name":"alice"}`, "16"); status != 200 || !strings.Contains(b, "alice") {
			t.Errorf("a long operation = %d %s; want 200", status, b)
		}
		begun := time.Now()
		if status, b := ask(`{"name":`, "16"); status != 408 || time.Since(begun) != bodyTimeout || !strings.Contains(b, "/problems/broke-off") {
			t.Errorf("a body that never comes = %d %s after %v; want 408 after %v", status, b, time.Since(begun), bodyTimeout)
		}
	})
}
