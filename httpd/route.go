package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/admin"
)

// An audience is who can reach a route. The first three are everybody who can
// open a listener; the rest are told apart by what they show. The zero audience
// is nobody.
type audience int

const (
	operator audience = iota + 1 // the admin socket: root and the server's own user
	machine                      // the telemetry listener: whoever is on this host
	anyone                       // HTTPS, beside the API

	visitor       // whoever asks the API
	person        // with a session at the portal
	signedIn      // with a session at the portal or at the console: the query's client says which
	administrator // with a session at the console, or an API key
	program       // with an API key
)

// String returns the audience's name as the API's description has it.
func (a audience) String() string {
	switch a {
	case operator:
		return "operator"
	case machine:
		return "machine"
	case anyone:
		return "anyone"
	case visitor:
		return "visitor"
	case person:
		return "person"
	case signedIn:
		return "signed-in"
	case administrator:
		return "administrator"
	case program:
		return "program"
	}
	return "nobody"
}

// What routes of listeners without names let their callers do. No role can
// have these.
const (
	readHealth       admin.Permission = "health.read"
	readHealthCauses admin.Permission = "health.causes"
	readMetrics      admin.Permission = "metrics.read"
)

// What visitors and people may do for themselves. No role can have these
// either: nobody needs one to sign in.
const (
	readSite    admin.Permission = "site.read"    // what everybody may know of this installation
	signIn      admin.Permission = "self.sign-in" // also by an invitation
	setUp       admin.Permission = "self.set-up"  // become the first owner, with the link that the server printed
	goOn        admin.Permission = "self.go-on"   // with a login that another host began: forward-auth
	ownSession  admin.Permission = "self.session" // see, prove and end one's own sessions
	readSelf    admin.Permission = "self.read"    // what one holds, and one's own history
	enrolSelf   admin.Permission = "self.enrol"   // authenticators and passwords of one's own
	writeSelf   admin.Permission = "self.write"   // change or remove them
	reportFraud admin.Permission = "self.report"  // "this was not me"
	bypassSelf  admin.Permission = "self.bypass"  // a one-time bypass, where the owner allows it
)

// grants is what each audience may do. What administrators and programs may do
// depends on who they are, and stands with them.
var grants = map[audience][]admin.Permission{
	operator: admin.Permissions(),
	machine:  {readHealth, readHealthCauses, readMetrics},
	anyone:   {readHealth},
	visitor:  {readSite, signIn, setUp, goOn},
	person:   {readSelf, enrolSelf, writeSelf, reportFraud, bypassSelf},
	signedIn: {ownSession},
}

// allowed reports whether a has been granted p.
func allowed(a audience, p admin.Permission) bool {
	return p != "" && slices.Contains(grants[a], p)
}

// A route is one thing that can be asked for.
type route struct {
	method     string
	path       string
	audience   audience
	permission admin.Permission
	body       int64 // octets that a request may bring; 0 for none
	// serve answers. An error that it returns becomes a problem document, so
	// it must not have written anything then.
	serve func(*call) error
}

// routes is the table of everything that is served, on all listeners.
func routes() []route {
	return slices.Concat(operations(), auditOperations(), patienceOperations(), healthRoutes())
}

// A site is what routes work on. What a listener's routes do not use is nil.
type site struct {
	operator *Operator
	health   *Health
	log      *slog.Logger
	// stop ends when the listener is told to stop: streams then end, and other
	// requests finish.
	stop context.Context
}

// A call is one request that has been let in.
type call struct {
	*http.Request
	site
	w     http.ResponseWriter
	route *route
	by    admin.Actor // who asks; zero for listeners without names
}

// handler serves the routes of one audience. identify finds out who asks, or
// refuses; nil if the audience has no names.
func handler(a audience, s site, identify func(*http.Request) (admin.Actor, error)) http.Handler {
	byPath := make(map[string][]route)
	for _, rt := range routes() {
		if rt.audience == a {
			byPath[rt.path] = append(byPath[rt.path], rt)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		c := &call{Request: r, site: s, w: w}
		defer c.survive()
		if err := c.dispatch(a, byPath, identify); err != nil {
			c.refuse(err)
		}
	})
}

func (c *call) dispatch(a audience, byPath map[string][]route, identify func(*http.Request) (admin.Actor, error)) error {
	if identify != nil {
		by, err := identify(c.Request)
		if err != nil {
			return err
		}
		c.by = by
	}
	candidates := byPath[c.URL.Path]
	if len(candidates) == 0 {
		return notFound(a, c.URL.Path)
	}
	method := c.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	i := slices.IndexFunc(candidates, func(rt route) bool { return rt.method == method })
	if i < 0 {
		c.w.Header().Set("Allow", candidates[0].method)
		return &Problem{
			Type: "/problems/method", Title: "Wrong method", Status: http.StatusMethodNotAllowed,
			Detail: fmt.Sprintf("%s does not answer %s", c.URL.Path, c.Method), Hint: "use " + candidates[0].method,
		}
	}
	c.route = &candidates[i]
	if !allowed(a, c.route.permission) {
		return &Problem{
			Type: "/problems/forbidden", Title: "Not permitted", Status: http.StatusForbidden,
			Detail: fmt.Sprintf("%s is not open to you", c.URL.Path),
		}
	}
	return c.route.serve(c)
}

// survive turns a panic into a refusal. It lets http.ErrAbortHandler through,
// by which a stream that has begun is cut.
func (c *call) survive() {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	c.log.Error("a request handler panicked", "path", c.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.refuse(errPanic)
}

var errPanic = errors.New("httpd: a fault in the server itself, see its log")

// decode reads the request's body, one JSON object, into v. Fields that v does
// not have are refused: whoever sent them believes that they do something.
func (c *call) decode(v any) error {
	// A body that never comes must not hold the connection; an answer may take
	// its time.
	control := http.NewResponseController(c.w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("httpd: limit the time for a body: %w", err)
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, c.route.body))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &Problem{
			Type: "/problems/too-large", Title: "Request too large", Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("%s takes %d octets at most", c.URL.Path, large.Limit),
		}
	case err != nil:
		return badRequest("the request broke off: %v", err)
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("httpd: lift the time limit for a body: %w", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil // nothing was asked for in particular
	}
	// A decoder would put U+FFFD in place of what is not UTF-8, and keep
	// another password than the one that was meant.
	if !utf8.Valid(b) {
		return badRequest("the request is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("the request is not what %s takes: %s", c.URL.Path, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("the request holds more than one JSON value")
	}
	return nil
}

// answer sends v as JSON.
func (c *call) answer(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("httpd: encode the answer of %s: %w", c.URL.Path, err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.send(append(b, '\n'))
	return nil
}

// send writes the body of an answer. If that fails, nobody is left to be told.
func (c *call) send(b []byte) { _, _ = c.w.Write(b) }
