package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/diagnose"
)

// A Site is what browsers and programs of the network reach: the API below /v1/,
// the pages of console and portal, /livez and /readyz. Its fields are read-only
// once it serves; all are required that are not said to be otherwise.
type Site struct {
	Admin *admin.Admin
	// Decide is the engine's. Every verdict comes from it.
	Decide func(context.Context, auth.Attempt) auth.Decision
	// Keyed is a hash under a key that all nodes of the installation share and
	// nobody else knows: it names requests that may be sent again, and binds
	// tickets to browsers.
	Keyed func(message []byte) [32]byte
	// Passkey returns what a browser needs to ask its authenticators for an
	// answer to a challenge: PublicKeyCredentialRequestOptionsJSON of Web
	// Authentication Level 3, Section 5.1.10.
	Passkey func(challenge []byte) (json.RawMessage, error)
	// URL is the address that people type, without a slash at its end:
	// https://mfa.example.com, or http://localhost with a port. With https it is
	// the one host under which anything is served to other machines.
	URL string
	// Proxies are reverse proxies whose X-Forwarded-For and X-Forwarded-Proto
	// are believed; nil for none.
	Proxies []netip.Prefix
	// Secure tells browsers to come back with TLS only, where they came with it:
	// set it if the certificate is one that they know.
	Secure bool
	// Pages holds what web/dist was built to; nil or without an index.html if
	// there are none.
	Pages           fs.FS
	Issuer, Version string
	Health          *Health
	Auditing        *Auditing   // nil for none
	Feed            *admin.Feed // of the live log; nil for none
	// DiagnosisPage writes a diagnosis as a page that needs nothing else; nil if
	// there are no such pages.
	DiagnosisPage func(io.Writer, *diagnose.Report) error
	Log           *slog.Logger
	Now           func() time.Time

	described []byte // the API's description, made by Handler
	limits    rates
	logins    loginQuotas
}

// apiOperations is the table of everything that the API does. Others add a line
// for what is theirs.
func apiOperations() []apiOperation {
	return slices.Concat(
		signInOperations(),
		setUpOperations(),
		meOperations(),
		sessionOperations(),
		loginOperations(),
		forwardOperations(),
		consoleOperations(),
	)
}

// stopKey is the key under which a request's context has the context that ends
// when its listener is told to stop.
type stopKey struct{}

// Handler returns what the site serves, on every listener alike. An error means
// that the table of operations is wrong.
func (s *Site) Handler() (http.Handler, error) { return s.handler(apiOperations()) }

func (s *Site) handler(operations []apiOperation) (http.Handler, error) {
	var origins http.CrossOriginProtection
	if err := origins.AddTrustedOrigin(s.URL); err != nil {
		return nil, fmt.Errorf("httpd: the site's address: %w", err)
	}
	api := http.NewServeMux()
	if _, err := s.newAPI(api, operations); err != nil {
		return nil, err
	}
	pages, err := s.newPages()
	if err != nil {
		return nil, err
	}
	elsewhere := http.NewServeMux() // what is served under any host's name
	for i := range operations {
		if o := &operations[i]; o.AnyHost {
			elsewhere.HandleFunc(o.Method+" "+o.Path, func(http.ResponseWriter, *http.Request) {})
		}
	}
	health := s.Health.Public()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.survive(w, r)
		s.protect(w, r)
		if !plainPath(r.URL) {
			s.refuse(w, r, nothingAt())
			return
		}
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
			health.ServeHTTP(w, r) // load balancers ask by address
			return
		}
		if !s.ownHost(r) {
			if _, pattern := elsewhere.Handler(r); pattern == "" {
				s.refuse(w, r, &Problem{
					Type: "/problems/wrong-host", Title: "Wrong host", Status: http.StatusMisdirectedRequest,
					Detail: "this server is not the host that was asked for", Hint: "use " + s.URL,
				})
				return
			}
		}
		if err := origins.Check(r); err != nil {
			s.refuse(w, r, &Problem{
				Type: "/problems/cross-origin", Title: "From another site", Status: http.StatusForbidden,
				Detail: "the page of another site asked for this", Hint: "use the pages at " + s.URL + "; programs send no Origin header",
			})
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			s.serveAPI(api, w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}

// survive turns a panic into a refusal. It lets http.ErrAbortHandler through,
// by which a stream that has begun is cut.
func (s *Site) survive(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.Log.Error("a request handler panicked", "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	s.refuse(w, r, errPanic)
}
