package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/phrase"
)

// An operation is what the API's table says of one thing that can be asked for.
// The gate lets nobody past who is not named here: an operation without an
// audience or without a permission is refused, whoever asks.
type operation struct {
	ID      string // "account.list"; unique, and the OpenAPI operationId
	Method  string
	Path    string // "/v1/accounts/{name}"
	Summary string // a few words, for people who look for it
	Detail  string // sentences, if the summary is not enough
	Tag     string // the chapter of the reference that it stands in

	Audience   audience
	Permission admin.Permission
	// StepUp asks for a full authentication in the last five minutes, by the
	// best that the account holds. API keys are exempt: what they may do was
	// given to them under a step-up.
	StepUp bool
	// Enrolling opens an operation of persons to sessions that an invitation
	// began. They may do nothing else.
	Enrolling bool

	Body   int64  // octets that a JSON body may have; 0 for no body at all
	Upload bool   // the body is multipart/form-data instead
	Media  string // of the answer, if it is not JSON
	Cost   int    // tokens that a visitor's request takes out of its source's bucket; 0 for 1
	// AnyHost serves the operation under host names that are not Sallyport's
	// own: what reverse proxies of other hosts ask for.
	AnyHost bool
}

// An apiOperation is an operation and what it does.
type apiOperation struct {
	operation
	register func(huma.API, huma.Operation)
}

// A caller is one request to the API that has been let in. What does not apply
// to its audience is zero.
type caller struct {
	site      *Site
	operation *operation
	request   *http.Request
	w         http.ResponseWriter // for streams, and for headers that Out does not carry

	by     admin.Actor     // who asks; an administrator's or a program's, with their permissions
	person admin.Person    // of everybody with a session: account and session
	key    admin.KeyHolder // of everybody with an API key
	source netip.AddrPort  // the browser's, if a reverse proxy of ours says so
	accept string          // Accept, which the request no longer has
	book   *phrase.Book    // says the answer's sentences; nil for English
}

type callerKey struct{}

// callerOf returns who was let in.
func callerOf(ctx context.Context) *caller {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		panic("httpd: an operation was reached around its gate")
	}
	return c
}

// stop ends when the listener is told to stop, before requests are cut off:
// streams then end.
func (c *caller) stop() context.Context {
	if stop, ok := c.request.Context().Value(stopKey{}).(context.Context); ok {
		return stop
	}
	return context.Background()
}

// operate is one line of the table. In is a struct as huma reads it: fields with
// path, query and header tags, and Body; Out a struct with header tags, Status
// and Body, struct{} for 204. An error of do becomes a problem document.
func operate[In, Out any](o operation, do func(ctx context.Context, c *caller, in *In) (*Out, error)) apiOperation {
	return apiOperation{o, func(api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, in *In) (*Out, error) {
			c := callerOf(ctx)
			// The body has come; what is done with it may take its time.
			if err := http.NewResponseController(c.w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return nil, c.site.problem(c.request, fmt.Errorf("httpd: lift the time limit for a body: %w", err))
			}
			out, err := do(ctx, c, in)
			// What was asked for may have taken its time too; whoever waits for
			// it must now take it.
			if late := extend(c.w, answerTimeout); late != nil {
				return nil, c.site.problem(c.request, late)
			}
			if err != nil {
				return nil, c.site.problem(c.request, err)
			}
			return out, nil
		})
	}}
}

// answerTimeout is how long somebody may take to read an answer that is no
// stream.
const answerTimeout = time.Minute

// extend gives the reader of an answer that much time from now on, or for 0 as
// much as they like.
func extend(w http.ResponseWriter, d time.Duration) error {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	if err := http.NewResponseController(w).SetWriteDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("httpd: limit the time for a reader: %w", err)
	}
	return nil
}

// uploadTimeout is how long a body of files may take to come.
const uploadTimeout = 15 * time.Minute

// configureHuma sets what huma keeps for the whole process: names of fields
// mean one thing, in one case, and lists are never null.
var configureHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// schemaName names a type in the API's description: by its own name, but for
// types of two packages that are called the same.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[admin.SessionView]() {
		return "OpenSession"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// The names of the API's security schemes.
const (
	schemeConsole = "console"
	schemePortal  = "portal"
	schemeKey     = "key"
)

// newAPI registers the operations on a mux, each behind the site's gate, and
// returns the description of all.
func (s *Site) newAPI(mux *http.ServeMux, operations []apiOperation) (*huma.OpenAPI, error) {
	configureHuma()
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Sallyport",
				Version: s.Version,
				Description: "The API of Sallyport. People use it with a session that a browser keeps in a cookie, programs with an API key. " +
					"Refusals are problem documents (RFC 9457) with a hint what to do. Lists come in pages; give `next` as `cursor` to go on.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					schemeConsole: {Type: "apiKey", In: "cookie", Name: cookieName(auth.ConsoleClient), Description: "A session at the console, which a passkey began."},
					schemePortal:  {Type: "apiKey", In: "cookie", Name: cookieName(auth.PortalClient), Description: "A session at the portal."},
					schemeKey:     {Type: "http", Scheme: "bearer", Description: "An API key, spk_..."},
				},
			},
		},
		Formats:                      map[string]huma.Format{jsonMedia: strictJSON, "json": strictJSON},
		DefaultFormat:                jsonMedia,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ourProblems, inTheirWords},
	}
	api := humago.New(mux, config)
	problems := api.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")
	for i := range operations {
		o := &operations[i].operation
		op := huma.Operation{
			OperationID: o.ID, Method: o.Method, Path: o.Path, Summary: o.Summary, Description: o.Detail, Tags: []string{o.Tag},
			MaxBodyBytes: o.Body + 1, BodyReadTimeout: bodyTimeout,
			Security:    o.security(),
			Middlewares: huma.Middlewares{s.gate(o)},
			Extensions:  map[string]any{"x-audience": o.Audience.String(), "x-permission": string(o.Permission), "x-step-up": o.StepUp},
			Responses: map[string]*huma.Response{"default": {
				Description: "A problem (RFC 9457)",
				Content:     map[string]*huma.MediaType{problemMedia: {Schema: problems}},
			}},
		}
		if o.Upload {
			op.BodyReadTimeout = uploadTimeout
		}
		if o.Media != "" {
			op.Responses["200"] = &huma.Response{
				Description: http.StatusText(http.StatusOK),
				Content:     map[string]*huma.MediaType{o.Media: {Schema: &huma.Schema{Type: huma.TypeString}}},
			}
		}
		operations[i].register(api, op)
	}
	description := api.OpenAPI()
	// What huma would answer with, and never does: see ourProblems.
	delete(description.Components.Schemas.Map(), "ErrorModel")
	delete(description.Components.Schemas.Map(), "ErrorDetail")

	var err error
	if s.described, err = json.Marshal(description); err != nil {
		return nil, fmt.Errorf("httpd: describe the API: %w", err)
	}
	return description, nil
}

// describe answers with the description of the API.
func describe(_ context.Context, c *caller, _ *struct{}) (*Described, error) {
	c.w.Header().Set("Content-Language", "en")
	return &Described{describedMedia, c.site.described}, nil
}

// Described is the answer that carries the description of the API.
type Described struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

const describedMedia = "application/openapi+json"

func (o *operation) security() []map[string][]string {
	switch o.Audience {
	case person:
		return []map[string][]string{{schemePortal: {}}}
	case administrator:
		return []map[string][]string{{schemeConsole: {}}, {schemeKey: {}}}
	case signedIn:
		return []map[string][]string{{schemePortal: {}}, {schemeConsole: {}}}
	case program:
		return []map[string][]string{{schemeKey: {}}}
	case operator, machine, anyone, visitor:
	}
	return nil
}

// gate finds out who asks, and lets them to the operation if it is for them. It
// runs before a single octet of the body is read.
func (s *Site) gate(o *operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c := &caller{site: s, operation: o, request: r, w: w, source: s.source(r), accept: r.Header.Get("Accept"), book: speak(w, r)}
		if err := s.admit(c); err != nil {
			s.refuse(w, r, err)
			return
		}
		// The time for the answer, which began with the request, would end while
		// a large body still comes.
		if err := extend(w, 0); err != nil {
			s.refuse(w, r, err)
			return
		}
		// Answers are JSON, or what their operation says; nothing is negotiated.
		r.Header.Set("Accept", jsonMedia)
		next(huma.WithValue(ctx, callerKey{}, c))
		if r.MultipartForm != nil {
			// The server does so for the request as it made it, which this may
			// be a copy of.
			if err := r.MultipartForm.RemoveAll(); err != nil {
				s.Log.Warn("the parts of an upload were not removed", "error", err)
			}
		}
	}
}

// admit decides whether a caller may do what they ask for, and fills in who
// they are.
func (s *Site) admit(c *caller) error {
	o := c.operation
	if o.Permission == "" {
		return forbidden(o)
	}
	switch o.Audience {
	case visitor:
		if !allowed(visitor, o.Permission) {
			return forbidden(o)
		}
		if wait, ok := s.limits.take(c.source.Addr(), max(o.Cost, 1), s.Now()); !ok {
			return tooMany(wait)
		}
	case person:
		if err := s.identifySession(c, auth.PortalClient); err != nil {
			return err
		}
		if !allowed(person, o.Permission) || c.person.Session.Enrolling() && !o.Enrolling {
			return forbidden(o)
		}
	case signedIn:
		client, err := clientOf(c.request)
		if err != nil {
			return err
		}
		if err := s.identifySession(c, client); err != nil {
			return err
		}
		if !allowed(signedIn, o.Permission) || c.person.Session.Enrolling() && !o.Enrolling {
			return forbidden(o)
		}
	case administrator:
		if err := s.identifyAdministrator(c); err != nil {
			return err
		}
		if !c.by.Can(o.Permission) {
			return forbidden(o)
		}
	case program:
		if err := s.identifyKey(c); err != nil {
			return err
		}
		if !c.by.Can(o.Permission) {
			return forbidden(o)
		}
	case operator, machine, anyone:
		return forbidden(o)
	default:
		return forbidden(o)
	}
	if err := checkQuery(c.request); err != nil {
		return err
	}
	if err := checkBody(c); err != nil {
		return err
	}
	if o.StepUp {
		return s.freshEnough(c)
	}
	return nil
}

// clientOf reads which of a browser's sessions a request is about.
func clientOf(r *http.Request) (string, error) {
	switch client := r.URL.Query().Get("client"); client {
	case auth.ConsoleClient, auth.PortalClient:
		return client, nil
	default:
		return "", badRequest("say which session is meant: client=%s or client=%s", auth.ConsoleClient, auth.PortalClient)
	}
}

func forbidden(o *operation) error {
	return &Problem{
		Type: "/problems/forbidden", Title: "Not permitted", Status: http.StatusForbidden,
		Detail: fmt.Sprintf("you are not permitted to do this (%s)", o.ID),
		Hint:   "an owner can give your role the permission " + string(o.Permission),
	}
}

func tooMany(wait time.Duration) error {
	return &Problem{
		Type: "/problems/too-many", Title: "Too many requests", Status: http.StatusTooManyRequests,
		Detail: "too many requests came from your address", Hint: "wait a moment and try again",
		after: wait,
	}
}

const (
	jsonMedia    = "application/json"
	uploadMedia  = "multipart/form-data"
	problemMedia = "application/problem+json"
)

// checkQuery refuses what could be read in two ways: a parameter that is given
// twice, and text that no database keeps.
func checkQuery(r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query cannot be read: %v", err)
	}
	for name, given := range values {
		switch {
		case len(given) > 1:
			return badRequest("%q is given more than once", name)
		case !readable(name) || !readable(given[0]):
			return badRequest("the query holds text that is not UTF-8, or U+0000")
		}
	}
	if !readable(r.URL.Path) {
		return badRequest("the path holds text that is not UTF-8, or U+0000")
	}
	return nil
}

// readable reports whether a text is one that can be kept as it is.
func readable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// checkBody refuses bodies of a kind that the operation does not take. That a
// JSON body must be called one is also a line of defence against forms of other
// sites: a browser sends that type nowhere without asking first.
func checkBody(c *caller) error {
	o, r := c.operation, c.request
	if r.ContentLength == 0 && len(r.TransferEncoding) == 0 {
		return nil
	}
	if o.Body == 0 {
		return badRequest("%s takes no body", o.ID)
	}
	if r.ContentLength > o.Body {
		return &Problem{
			Type: "/problems/too-large", Title: "Request too large", Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("%s takes a body of %d octets at most", o.ID, o.Body),
		}
	}
	want := jsonMedia
	if o.Upload {
		want = uploadMedia
		r.Body = http.MaxBytesReader(c.w, r.Body, o.Body)
	}
	given := r.Header.Values("Content-Type")
	media, parameters := "", map[string]string(nil)
	if len(given) == 1 {
		var err error
		if media, parameters, err = mime.ParseMediaType(given[0]); err != nil {
			media = ""
		}
	}
	charset, named := parameters["charset"]
	if media != want || !o.Upload && named && !strings.EqualFold(charset, "utf-8") {
		return &Problem{
			Type: "/problems/media-type", Title: "Wrong media type", Status: http.StatusUnsupportedMediaType,
			Detail: fmt.Sprintf("%s takes a body of the type %s", o.ID, want), Hint: "set Content-Type: " + want,
		}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return &Problem{
			Type: "/problems/media-type", Title: "Wrong media type", Status: http.StatusUnsupportedMediaType,
			Detail: "bodies are taken as they are, not compressed",
		}
	}
	if !o.Upload {
		r.Header.Set("Content-Type", jsonMedia) // in the one spelling that huma knows
	}
	return nil
}

// methods are what the API's operations are asked for with.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// allowedMethods returns the methods that a path answers.
func allowedMethods(mux *http.ServeMux, r *http.Request) (names []string) {
	for _, m := range methods {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); pattern != "" {
			names = append(names, m)
		}
	}
	return slices.Clip(names)
}

// serveAPI answers what is below /v1/. The mux would say in plain text that
// there is nothing, and lead elsewhere what is not spelt as it likes.
func (s *Site) serveAPI(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	if _, pattern := mux.Handler(r); pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	names := allowedMethods(mux, r)
	if len(names) == 0 {
		s.refuse(w, r, nothingAt())
		return
	}
	w.Header().Set("Allow", strings.Join(names, ", "))
	s.refuse(w, r, &Problem{
		Type: "/problems/method", Title: "Wrong method", Status: http.StatusMethodNotAllowed,
		Detail: fmt.Sprintf("%s is not answered here", r.Method), Hint: "what is answered here: " + strings.Join(names, ", "),
	})
}

func nothingAt() error {
	return &Problem{
		Type: "/problems/no-route", Title: "Nothing here", Status: http.StatusNotFound,
		Detail: "there is nothing at this address", Hint: "the description of the API is at /v1/openapi.json",
	}
}
