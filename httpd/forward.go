package httpd

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
	"sallyport/auth"
)

// Logins in front of web applications that know nothing of Sallyport. The
// reverse proxy of the application asks /v1/forward-auth before each request:
//
//  1. The browser has no session: it is led to the sign-in page on Sallyport's
//     own host. A cookie of the application's host, the start, says which
//     browser set out; what is led along names it by its hash only.
//  2. It signs in there. The accepted login becomes a ticket, which the browser
//     carries to callback on the application's host.
//  3. The proxy hands the ticket to /v1/forward-auth/callback. It is good once,
//     for a minute, for this client, in the browser that set out: nobody can be
//     signed in with somebody else's ticket (OWASP ASVS 5.0, 7.2.4). The browser
//     gets a session of the application's host.
//
// All that the proxy asks for carries the API key of its client, so that
// nobody else can.

const (
	// appCallback is where on an application's host the proxy passes requests
	// on to Sallyport.
	appCallback = "/.sallyport/callback"

	// The cookies of an application's host, as cookieName takes them: the
	// session, and which browser set out to sign in.
	appSession = "app"
	appStart   = "start"

	startLife = time.Hour

	// longestReturn is the longest return_to; of a longer address only the host
	// is come back to.
	longestReturn = 2000
)

// A ForwardQuestion is what a reverse proxy asks before each request.
type ForwardQuestion struct {
	Redirect bool   `query:"redirect" doc:"Answer page views with 303 and not 401. For proxies that hand the answer to the browser as it is (Caddy, Traefik)."`
	Proto    string `header:"X-Forwarded-Proto" example:"https" doc:"The scheme of the address that the browser asked for."`
	Host     string `header:"X-Forwarded-Host" example:"wiki.example.com" doc:"Its host."`
	URI      string `header:"X-Forwarded-Uri" example:"/page?id=7" doc:"Its path and query."`
	Method   string `header:"X-Forwarded-Method" example:"GET" doc:"The method of the request. It matters only with redirect."`
	Session  string `cookie:"__Host-sallyport-app" doc:"The session that the browser has at the application's host."`
	Start    string `cookie:"__Host-sallyport-start" doc:"Which browser set out to sign in."`
}

// A ForwardPass lets a request pass and says whose it is.
type ForwardPass struct {
	User   string `header:"Remote-User" doc:"The name of the account, in UTF-8."`
	Groups string `header:"Remote-Groups" doc:"Its groups, with commas between them."`
	Factor string `header:"Remote-Factor" doc:"The factor that completed the sign-in; none if an exemption spared it."`
}

// A ForwardMove leads the browser on.
type ForwardMove struct {
	Location string `header:"Location"`
}

// A ForwardCallback brings a ticket.
type ForwardCallback struct {
	Ticket  string `query:"ticket" maxLength:"200" doc:"The ticket: good once, for a minute."`
	To      string `query:"to" maxLength:"2000" example:"/page?id=7" doc:"The path of the application to go on to."`
	Session string `cookie:"__Host-sallyport-app"`
	Start   string `cookie:"__Host-sallyport-start"`
}

// A ForwardSignOut ends the session at one application.
type ForwardSignOut struct {
	Site    string `header:"Sec-Fetch-Site" doc:"The browser's word on who asks: a page of another site cannot sign people out."`
	Session string `cookie:"__Host-sallyport-app"`
}

func forwardOperations() []apiOperation {
	op := func(id, path, summary, detail string) operation {
		return operation{
			ID: id, Method: http.MethodGet, Path: path, Summary: summary, Detail: detail, Tag: "Logins",
			Audience: program, Permission: admin.DecideLogins, AnyHost: true,
		}
	}
	return []apiOperation{
		answering(http.StatusOK, operate(op("forward-auth.check", "/v1/forward-auth", "May this request pass?",
			"For reverse proxies, before each request to an application. 200 lets it pass and says whose it is. 401 does not, and Location says where to sign in; with redirect=true page views get a 303 in its place."),
			forward)),
		answering(http.StatusSeeOther, operate(op("forward-auth.callback", "/v1/forward-auth/callback", "Take a ticket",
			"The proxy passes /.sallyport/callback of the application's host on to here. The answer is for the browser."),
			callback)),
		answering(http.StatusSeeOther, operate(op("forward-auth.sign-out", "/v1/forward-auth/sign-out", "Sign out of one application",
			"The proxy passes /.sallyport/sign-out of the application's host on to here. The answer is for the browser."),
			forwardSignOut)),
	}
}

// answering sets the status of answers that are no problems.
func answering(status int, o apiOperation) apiOperation {
	register := o.register
	o.register = func(api huma.API, op huma.Operation) {
		op.DefaultStatus = status
		register(api, op)
	}
	return o
}

// forward answers a reverse proxy.
func forward(_ context.Context, c *caller, in *ForwardQuestion) (*ForwardPass, error) {
	s := c.site
	client, err := s.forwardClient(c)
	if err != nil {
		return nil, err
	}
	p, err := s.appSession(c, client)
	if err != nil {
		return nil, err
	}
	if p.Account.ID != "" {
		return &ForwardPass{User: p.Account.Name, Groups: strings.Join(p.Account.Groups, ","), Factor: cmp.Or(p.Session.Factor, "none")}, nil
	}

	// A browser may set out from several pages at once, so it keeps the start
	// that it has.
	start := tokenOf(c.request, appStart)
	if !isToken(start) {
		start = randomToken()
	}
	setAppCookie(c.w, appStart, start, startLife)
	to := place{Origin: client.Origins[0], Path: "/", Start: startOf(start)}
	if p, ok := asked(client, c.request.Header); ok {
		to.Origin, to.Path = p.Origin, p.Path
	}
	if len(to.String()) > longestReturn {
		to.Path = "/"
	}
	signIn := strings.TrimSuffix(s.URL, "/") + "/sign-in?" + url.Values{"client": {client.Name}, "return_to": {to.String()}}.Encode()
	c.w.Header().Set("X-Sallyport-Redirect", signIn)
	c.w.Header().Set("Location", signIn)
	status := http.StatusUnauthorized
	if in.Redirect && isPageView(c.request.Header, in.Method, c.accept) {
		status = http.StatusSeeOther
	}
	return nil, &Problem{
		Type: "/problems/sign-in", Title: "Not signed in", Status: status,
		Detail: "nobody is signed in at " + client.Name + " in this browser", Hint: "lead the browser to the address in Location",
	}
}

// forwardClient returns the client whose key the proxy has shown, if it can
// send people back.
func (s *Site) forwardClient(c *caller) (*auth.Client, error) {
	client, err := s.loginClient(c)
	if err != nil {
		return nil, err
	}
	return client, signsIn(client)
}

// signsIn refuses clients whose logins cannot be made on our own pages. One that
// checks passwords itself would let people in with a code alone: in front of
// these pages nobody has checked anything.
func signsIn(client *auth.Client) error {
	p := &Problem{Type: "/problems/client", Title: "Not set up for forward-auth", Status: http.StatusUnprocessableEntity}
	switch {
	case client.Password != auth.PasswordVerify:
		p.Detail = fmt.Sprintf("client %s says that it checks passwords itself; before forward-auth nobody has", client.Name)
		p.Hint = "set its password rule to verify"
	case client.Mode != auth.ModeChallenge:
		p.Detail = fmt.Sprintf("client %s takes password and code in one field", client.Name)
		p.Hint = "set its mode to challenge"
	case len(client.Origins) == 0:
		p.Detail = fmt.Sprintf("client %s has no origins, so nobody could be sent back to it", client.Name)
		p.Hint = "give it the address of its application, such as https://wiki.example.com"
	default:
		return nil
	}
	return p
}

// appSession returns who is signed in at the client's host in the browser that
// asks; a person without an account if nobody is. It is read from the database
// each time: what ends a session ends it at the next request, on every node.
func (s *Site) appSession(c *caller, client *auth.Client) (admin.Person, error) {
	p, _, err := s.Admin.SessionByToken(c.request.Context(), client.Name, tokenOf(c.request, appSession))
	if errors.Is(err, admin.ErrSignedOut) {
		return admin.Person{}, nil
	}
	return p, err
}

// A place is where a person comes back to: on which of the client's origins, to
// which path, and in which browser (startOf its start).
type place struct{ Origin, Path, Start string }

// String is the place as return_to says it.
func (p place) String() string {
	return p.Origin + appCallback + "?" + url.Values{"start": {p.Start}, "to": {p.Path}}.Encode()
}

// returnPlace reads what return_to says. It refuses everything but what a
// place's String gives for an origin of the client: a ticket goes nowhere else.
func returnPlace(client *auth.Client, returnTo string) (place, error) {
	refused := &Problem{
		Type: "/problems/invalid", Title: "Foreign address", Status: http.StatusUnprocessableEntity,
		Detail: fmt.Sprintf("return_to is no address that %s leads back to", client.Name),
		Hint:   "open the application itself; it leads here and back",
		Errors: []FieldError{{"body.return_to", "no address that the application leads back to"}},
	}
	u, err := url.Parse(returnTo)
	if err != nil || len(returnTo) > longestReturn {
		return place{}, refused
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return place{}, refused
	}
	p := place{Origin: u.Scheme + "://" + u.Host, Path: q.Get("to"), Start: q.Get("start")}
	// Only the one spelling that we have made ourselves is taken, so that no
	// browser reads another host in it than we do.
	if !slices.Contains(client.Origins, p.Origin) || !isLocalPath(p.Path) || !isToken(p.Start) || p.String() != returnTo {
		return place{}, refused
	}
	return p, nil
}

// isLocalPath reports whether p leads a browser to a path of the host that it
// is at, and to no other: one "/" first, and nothing that browsers turn into
// one or leave out (URL Standard, Section 4.4).
func isLocalPath(p string) bool {
	if len(p) > longestReturn || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	path, _, _ := strings.Cut(p, "?")
	if path == "/.sallyport" || strings.HasPrefix(path, "/.sallyport/") {
		return false // signing in must not end with signing out
	}
	u, err := url.Parse(p)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Fragment == ""
}

// asked returns the place that the browser asked the proxy for, if the proxy
// says one and it is the client's.
func asked(client *auth.Client, h http.Header) (place, bool) {
	var parts [3]string
	for i, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"} {
		values := h.Values(name)
		if len(values) != 1 {
			return place{}, false // of two nobody knows which is meant
		}
		parts[i] = values[0]
	}
	p := place{Origin: strings.ToLower(parts[0] + "://" + parts[1]), Path: parts[2]}
	p.Origin = strings.TrimSuffix(p.Origin, ":443")
	if !slices.Contains(client.Origins, p.Origin) {
		return place{}, false
	}
	if !isLocalPath(p.Path) {
		p.Path = "/"
	}
	return p, true
}

// isPageView reports whether a browser would show the answer as a page, so that
// it can be led elsewhere.
func isPageView(h http.Header, method, accept string) bool {
	if method != "" && method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(accept, "text/html")
}

// mayReturn checks that a sign-in for a client behind a reverse proxy leads back
// to that client, before anybody is judged.
func (s *Site) mayReturn(client *auth.Client, returnTo string) error {
	if err := signsIn(client); err != nil {
		return err
	}
	_, err := returnPlace(client, returnTo)
	return err
}

// carry makes a ticket of an accepted login and returns the address that takes
// the browser to the application with it.
func (s *Site) carry(ctx context.Context, c *caller, client *auth.Client, d auth.Decision, returnTo string) (redirect string, err error) {
	to, err := returnPlace(client, returnTo)
	if err != nil {
		return "", err
	}
	if d.Verdict != auth.Accept || d.Account == "" {
		return "", fmt.Errorf("httpd: make a ticket for %s of a login that was not accepted", client.Name)
	}
	secret, err := s.Admin.NewTicket(ctx, admin.SignedIn{
		Account: d.Account, Factor: d.Factor, Client: client.Name, Source: c.source.Addr().String(), Agent: c.request.UserAgent(),
	})
	if err != nil {
		return "", err
	}
	return to.Origin + appCallback + "?" + url.Values{"ticket": {secret + "." + s.boundTo(to.Start, client, secret)}, "to": {to.Path}}.Encode(), nil
}

// boundTo proves that a ticket was made for the browser that has this start and
// for no other.
func (s *Site) boundTo(start string, client *auth.Client, secret string) string {
	var b []byte
	for _, f := range []string{"ticket", start, client.Name, secret} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	sum := s.Keyed(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// callback takes a ticket and begins a session of the application's host.
func callback(ctx context.Context, c *caller, in *ForwardCallback) (*ForwardMove, error) {
	s := c.site
	client, err := s.forwardClient(c)
	if err != nil {
		return nil, err
	}
	if !isLocalPath(in.To) {
		return nil, &Problem{
			Type: "/problems/invalid", Title: "Foreign address", Status: http.StatusUnprocessableEntity,
			Detail: "to is not a path of this application", Hint: "open the application itself",
		}
	}
	move, err := s.takeTicket(ctx, c, client, in)
	if !errors.Is(err, errTicket) {
		return move, err
	}
	// Whoever goes back to this address in a browser that is signed in already
	// is where they want to be. Nothing is granted.
	p, err := s.appSession(c, client)
	switch {
	case err != nil:
		return nil, err
	case p.Account.ID != "":
		return &ForwardMove{Location: in.To}, nil
	}
	return nil, errTicket
}

var errTicket = &Problem{
	Type: "/problems/ticket", Title: "The sign-in cannot be completed", Status: http.StatusForbidden,
	Detail: "this sign-in was completed already, took longer than a minute to come back, or was begun in another browser",
	Hint:   "open the page again and sign in once more; if this happens each time, the reverse proxy does not hand the browser its Set-Cookie",
}

// takeTicket is callback for a ticket that is good; errTicket if it is not. One
// that comes to another browser than its own is not even looked for.
func (s *Site) takeTicket(ctx context.Context, c *caller, client *auth.Client, in *ForwardCallback) (*ForwardMove, error) {
	secret, bound, ok := strings.Cut(in.Ticket, ".")
	start := tokenOf(c.request, appStart)
	if !ok || !isToken(start) || subtle.ConstantTimeCompare([]byte(bound), []byte(s.boundTo(startOf(start), client, secret))) != 1 {
		return nil, errTicket
	}
	token, _, err := s.Admin.Admit(ctx, client.Name, secret, c.browserAddress(), c.request.UserAgent())
	switch {
	case errors.Is(err, admin.ErrSignedOut):
		return nil, errTicket
	case err != nil:
		return nil, fmt.Errorf("httpd: begin a session at %s: %w", client.Name, err)
	}
	setAppCookie(c.w, appSession, token, 0)
	return &ForwardMove{Location: in.To}, nil
}

// browserAddress is where the reverse proxy that asks says the browser is: the
// last hop that it names, or the proxy itself if it names none. It is shown in
// lists of sessions and decides nothing.
func (c *caller) browserAddress() string {
	lines := c.request.Header.Values("X-Forwarded-For")
	if len(lines) > 0 {
		last := lines[len(lines)-1]
		if addr, ok := readHop(last[strings.LastIndexByte(last, ',')+1:]); ok {
			return addr.String()
		}
	}
	return c.source.Addr().String()
}

// forwardSignOut ends the session that a browser has at the client's host.
func forwardSignOut(ctx context.Context, c *caller, in *ForwardSignOut) (*ForwardMove, error) {
	s := c.site
	client, err := s.forwardClient(c)
	if err != nil {
		return nil, err
	}
	if in.Site == "cross-site" || in.Site == "same-site" {
		return nil, &Problem{
			Type: "/problems/cross-site", Title: "Asked by another site", Status: http.StatusForbidden,
			Detail: "a page of another site wants to sign you out", Hint: "sign out in the application itself",
		}
	}
	p, err := s.appSession(c, client)
	if err != nil {
		return nil, err
	}
	if p.Account.ID != "" {
		if err := s.Admin.SignOut(ctx, p); err != nil {
			return nil, fmt.Errorf("httpd: end a session at %s: %w", client.Name, err)
		}
	}
	setAppCookie(c.w, appSession, "", 0)
	return &ForwardMove{Location: "/"}, nil
}

// randomToken returns 256 random bits as text.
func randomToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails; it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// isToken reports whether s has the form of a token, so that nothing else is
// looked up, hashed or given back.
func isToken(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// startOf is what may be known of a start on its way.
func startOf(start string) string {
	sum := sha256.Sum256([]byte("sallyport start\x00" + start))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// setAppCookie sets a cookie of the application's host, or ends it if value is
// "". It lives as long as life says, or as the browser does if life is 0. It is
// Lax, because the browser comes from Sallyport's host when it brings the
// ticket, and people come to applications by links.
func setAppCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
