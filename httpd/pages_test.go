package httpd

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func servePages(t *testing.T, files fstest.MapFS, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := &Site{URL: townURL, Log: slog.New(slog.DiscardHandler)}
	if files != nil {
		s.Pages = files
	}
	p, err := s.newPages()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.protect(w, r)
	p.ServeHTTP(w, r)
	return w
}

var somePages = fstest.MapFS{
	"index.html":              {Data: []byte(`<meta name="nonce" content="__NONCE__"><style nonce="__NONCE__"></style>`)},
	"favicon.svg":             {Data: []byte("<svg/>")},
	"assets/app-1a2b.js":      {Data: []byte("plain")},
	"assets/app-1a2b.js.br":   {Data: []byte("brotli")},
	"assets/app-1a2b.js.gz":   {Data: []byte("gzip")},
	"assets/only-1a2b.css.br": {Data: []byte("brotli")},
	"assets/app-1a2b.js.map":  {Data: []byte("a map")},
	".gitkeep":                {},
}

func TestPages(t *testing.T) {
	tests := []struct {
		name, method, path, accept string
		status                     int
		kind, encoding, cache      string
		body                       string // a part of it
	}{
		{"a page", "GET", "/console", "", 200, "text/html; charset=utf-8", "", "no-store", `nonce="`},
		{"below a page", "GET", "/console/accounts/alice", "", 200, "text/html; charset=utf-8", "", "no-store", `nonce="`},
		{"sign-in", "GET", "/sign-in?client=portal", "", 200, "text/html; charset=utf-8", "", "no-store", `nonce="`},
		{"set-up", "HEAD", "/set-up", "", 200, "text/html; charset=utf-8", "", "no-store", ""},
		{"enrol", "GET", "/enrol", "", 200, "text/html; charset=utf-8", "", "no-store", ""},
		{"reference", "GET", "/reference/api", "", 200, "text/html; charset=utf-8", "", "no-store", ""},
		{"what only begins like a page", "GET", "/consoles", "", 404, problemMedia, "", "no-store", "nothing at this address"},
		{"a page in capitals", "GET", "/Console", "", 404, problemMedia, "", "no-store", "nothing at this address"},
		{"the page by its file's name", "GET", "/index.html", "", 404, problemMedia, "", "no-store", "nothing at this address"},
		{"a script", "GET", "/assets/app-1a2b.js", "gzip, deflate, br", 200, "text/javascript; charset=utf-8", "br", "public, max-age=31536000, immutable", "brotli"},
		{"a script for a browser without brotli", "GET", "/assets/app-1a2b.js", "gzip", 200, "text/javascript; charset=utf-8", "gzip", "public, max-age=31536000, immutable", "gzip"},
		{"a browser that refuses brotli", "GET", "/assets/app-1a2b.js", "br;q=0, gzip;q=0.5", 200, "text/javascript; charset=utf-8", "gzip", "public, max-age=31536000, immutable", "gzip"},
		{"a script, plain", "GET", "/assets/app-1a2b.js", "", 200, "text/javascript; charset=utf-8", "", "public, max-age=31536000, immutable", "plain"},
		{"only compressed, for a browser that takes nothing", "GET", "/assets/only-1a2b.css", "", 406, "text/css; charset=utf-8", "", "public, max-age=31536000, immutable", ""},
		{"a file whose name stays", "GET", "/favicon.svg", "", 200, "image/svg+xml", "", "no-cache", "<svg/>"},
		{"a compressed variant by its own name", "GET", "/assets/app-1a2b.js.br", "", 404, problemMedia, "", "no-store", ""},
		{"a map for debuggers", "GET", "/assets/app-1a2b.js.map", "", 404, problemMedia, "", "no-store", ""},
		{"a file that keeps the directory", "GET", "/.gitkeep", "", 404, problemMedia, "", "no-store", ""},
		{"a directory", "GET", "/assets/", "", 404, problemMedia, "", "no-store", ""},
		{"the API's old name", "GET", "/api", "", 404, problemMedia, "", "no-store", ""},
		{"a form", "POST", "/sign-in", "", 405, problemMedia, "", "no-store", "the API is below /v1/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := servePages(t, somePages, tt.method, tt.path, "Accept-Encoding", tt.accept)
			h := w.Header()
			if w.Code != tt.status || h.Get("Content-Type") != tt.kind || h.Get("Content-Encoding") != tt.encoding || h.Get("Cache-Control") != tt.cache ||
				!strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%s %s = %d %q, encoding %q, cache %q, %q", tt.method, tt.path, w.Code, h.Get("Content-Type"), h.Get("Content-Encoding"), h.Get("Cache-Control"), w.Body)
			}
		})
	}
	if w := servePages(t, somePages, "GET", "/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/portal" {
		t.Errorf("GET / = %d to %q; want 303 to the portal", w.Code, w.Header().Get("Location"))
	}
}

// Each answer has a nonce of its own, the same in the policy and in the page,
// and nothing else lets a style or script in.
func TestPageNonce(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		w := servePages(t, somePages, "GET", "/portal")
		policy, body := w.Header().Get("Content-Security-Policy"), w.Body.String()
		_, rest, ok := strings.Cut(policy, "'nonce-")
		nonce, _, ended := strings.Cut(rest, "'")
		if !ok || !ended || len(nonce) < 22 || seen[nonce] {
			t.Fatalf("policy %q: no fresh nonce of 128 bits or more", policy)
		}
		seen[nonce] = true
		if strings.Count(body, nonce) != 2 || strings.Contains(body, nonceMark) {
			t.Errorf("the page %q does not carry the nonce %s", body, nonce)
		}
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("policy %q lacks %s", policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q lets in what is unsafe", policy)
		}
	}
}

// A program that was built without pages says so, where a page would be.
func TestNoPages(t *testing.T) {
	for _, files := range []fstest.MapFS{nil, {".gitkeep": {}}} {
		w := servePages(t, files, "GET", "/console")
		if w.Code != 404 || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(w.Body.String(), "make build") {
			t.Errorf("GET /console without pages = %d %q %q; want how to build them", w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if w := servePages(t, files, "GET", "/elsewhere"); w.Code != 404 || strings.Contains(w.Body.String(), "make build") {
			t.Errorf("GET /elsewhere without pages = %d %q", w.Code, w.Body)
		}
	}
}
