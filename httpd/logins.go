package httpd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A LoginRequest is a login that a web application brings. Name, Password and
// Code are what the person typed, whole and unchanged.
type LoginRequest struct {
	Name     string  `json:"name" maxLength:"1024" example:"alice" doc:"The name as the person typed it."`
	Password *string `json:"password,omitempty" maxLength:"4096" example:"correct horse battery staple" doc:"The password as it was typed. Leave it out if the client checks passwords itself."`
	Code     *string `json:"code,omitempty" maxLength:"256" example:"123456" doc:"A one-time code, if the form has a field for one. Without it the person is asked."`
	IP       string  `json:"ip,omitempty" maxLength:"64" example:"192.0.2.7" doc:"The address of the person's browser as the application has seen it. Rules and exemptions that ask for an address go by it, unless the client's origin is set to none."`
	Session  string  `json:"session,omitempty" maxLength:"256" example:"form-5f1c" doc:"Whatever is the same in two requests of one browser's login and differs between two browsers. A second request of the same session joins the first, so that the person is asked once."`
	Request  string  `json:"request,omitempty" maxLength:"128" example:"b7c7f2f0-5a1c-4a0e-9f0d-6a4f2f4b1c11" doc:"A random key for this very request. Sent again with the same key and contents it gets its answer again; nothing is judged or spent twice."`
}

// A LoginContinuation brings what the person answered to a challenge.
type LoginContinuation struct {
	Name    string `json:"name" maxLength:"1024" example:"alice" doc:"The name as in the request that was answered with the challenge."`
	State   string `json:"state" minLength:"1" maxLength:"256" example:"9u3cU0nH0bq4fR7dXqjvQg" doc:"The state that came with the challenge. It can be answered once."`
	Code    string `json:"code" maxLength:"256" example:"123456" doc:"What the person answered."`
	IP      string `json:"ip,omitempty" maxLength:"64" example:"192.0.2.7" doc:"As in the first request."`
	Session string `json:"session,omitempty" maxLength:"256" example:"form-5f1c" doc:"As in the first request."`
	Request string `json:"request,omitempty" maxLength:"128" example:"5d0c8a52-83bb-4a52-9a36-0d3f3a1f6a0e" doc:"A random key for this very request, not that of the first."`
}

// A LoginAnswer is what came of a login. Message is for the person. Outcome,
// Code and Label are the whole truth, for the application's log: shown to a
// person they would tell a guesser which names there are.
type LoginAnswer struct {
	Verdict    string              `json:"verdict" enum:"accept,challenge,reject" doc:"accept: the person is in. challenge: show the message, ask for a code and continue with the state. reject: show the message."`
	Message    string              `json:"message" example:"Sign-in failed. Reference 7F3K-92QD." doc:"What the person may read." prose:"true"`
	Outcome    string              `json:"outcome" example:"oath-code-incorrect" doc:"The stable name of the outcome. For logs, never for the person."`
	Code       int                 `json:"code" example:"138" doc:"The number of the outcome."`
	Label      string              `json:"label" example:"OATH Code Incorrect" doc:"The outcome in reports. For logs, never for the person." prose:"true"`
	Reference  string              `json:"reference,omitempty" example:"7F3K-92QD" doc:"With it the help desk finds this login."`
	State      string              `json:"state,omitempty" example:"9u3cU0nH0bq4fR7dXqjvQg" doc:"With verdict challenge: what to bring back with the answer."`
	Account    string              `json:"account,omitempty" example:"alice" doc:"With verdict accept: the canonical name of the account that was let in. Sign this name in, not the one that was typed: an account has several spellings."`
	Factor     string              `json:"factor,omitempty" example:"oath" doc:"With verdict accept: the factor that completed the login; absent if an exemption spared it."`
	Attributes map[string][]string `json:"attributes" doc:"With verdict accept: the reply attributes of client, rule and groups, in their order."`
}

// loginQuotas are what clients may still do at this door. The zero value is
// ready.
type loginQuotas struct {
	mu sync.Mutex
	// mu guards the fields below.
	clients map[string]*loginQuota // by name; as many as there are clients
	waiting int
}

// A loginQuota is that of one client.
type loginQuota struct {
	spent   float64 // tokens missing from its full bucket
	last    time.Time
	waiting int
}

const (
	// loginWait is how long a login may wait for another of the same session:
	// less than the 10 s after which impatient HTTP clients give up.
	loginWait = 8 * time.Second
	// maxWaiting is how many logins at once may be offered to wait; one client
	// gets half of the places at most.
	maxWaiting = 256
	// loginRate is how many logins a second a client may bring if its settings
	// say nothing; twice as many may come at once.
	loginRate = 200
)

// loginOperations are the lines of the table for web applications.
func loginOperations() []apiOperation {
	op := func(id, path, summary, detail string) operation {
		return operation{
			ID: id, Method: http.MethodPost, Path: path, Summary: summary, Detail: detail, Tag: "Logins",
			Audience: program, Permission: admin.DecideLogins, Body: 16 << 10,
		}
	}
	return []apiOperation{
		operate(op("login.decide", "/v1/logins", "Log somebody in",
			"A web application brings a login and learns what came of it. The API key says for which client; the same engine, rules and limits decide as at every other door. 503 means that nothing was decided."), logIn),
		operate(op("login.continue", "/v1/logins/continue", "Answer a challenge",
			"Brings what the person answered to a challenge."), carryOn),
	}
}

// What the operations take and give.
type (
	loginCall        struct{ Body LoginRequest }
	continuationCall struct{ Body LoginContinuation }
	loginReply       struct{ Body LoginAnswer }
)

// loginClient returns the client for which an API key brings logins.
func (s *Site) loginClient(c *caller) (*auth.Client, error) {
	client := s.Admin.Store.Settings().Client(c.key.Client)
	if client == nil || client.Door != elsewhereDoor {
		return nil, &Problem{
			Type: "/problems/forbidden", Title: "Not permitted", Status: http.StatusForbidden,
			Detail: "this API key brings logins to no client of the door https", Hint: "make a client with the door https, and an API key for it",
		}
	}
	return client, nil
}

// logIn decides a first request.
func logIn(ctx context.Context, c *caller, in *loginCall) (*loginReply, error) {
	s, r := c.site, &in.Body
	client, err := s.loginClient(c)
	if err != nil {
		return nil, err
	}
	at, err := s.loginAttempt(c, client, r.Name, r.IP, r.Session)
	if err != nil {
		return nil, err
	}
	var password, code string
	if r.Password != nil {
		password = *r.Password
		at.Evidence = append(at.Evidence, auth.Password(password))
	}
	if r.Code != nil {
		code = *r.Code
		at.Evidence = append(at.Evidence, auth.Code(code))
	}
	at.Request = s.nameRequest(client, "login", r.Request, r.Name, password, code, present(r.Password, r.Code), r.IP, r.Session)
	return s.decideLogin(ctx, client, at)
}

// carryOn decides the answer to a challenge.
func carryOn(ctx context.Context, c *caller, in *continuationCall) (*loginReply, error) {
	s, r := c.site, &in.Body
	client, err := s.loginClient(c)
	if err != nil {
		return nil, err
	}
	at, err := s.loginAttempt(c, client, r.Name, r.IP, r.Session)
	if err != nil {
		return nil, err
	}
	// What is no State of ours belongs to no challenge; the engine says so, and
	// records it.
	state, err := base64.RawURLEncoding.Strict().DecodeString(r.State)
	if err != nil || len(state) == 0 {
		state = []byte(r.State)
	}
	at.State = state
	at.Evidence = []auth.Evidence{auth.Code(r.Code)}
	at.Request = s.nameRequest(client, "continue", r.Request, r.Name, r.State, r.Code, r.IP, r.Session)
	return s.decideLogin(ctx, client, at)
}

// loginAttempt is an attempt as far as first requests and answers are alike.
func (s *Site) loginAttempt(c *caller, client *auth.Client, name, ip, session string) (auth.Attempt, error) {
	at := auth.Attempt{
		Door: elsewhereDoor, Client: client.Name, Claimant: name, Source: peerOf(c.request), Time: s.Now(),
		Can: auth.Can{Ask: client.Mode == auth.ModeChallenge}, Seen: "a login that a web application brought",
	}
	if session != "" {
		// It may be what the application's own cookie holds.
		sum := sha256.Sum256([]byte(session))
		at.Session = base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	if ip == "" {
		return at, nil
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return auth.Attempt{}, &Problem{
			Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity,
			Detail: "ip is no address", Hint: "write 192.0.2.7 or 2001:db8::7, without port or zone; leave it out if you do not know it",
			Errors: []FieldError{{"body.ip", "no address"}},
		}
	}
	at.From = addr.Unmap().String()
	if client.Origin == auth.OriginCalling {
		at.Origin = addr.Unmap()
	}
	return at, nil
}

// present tells fields that are there from fields that are empty.
func present(fields ...*string) string {
	var b strings.Builder
	for _, f := range fields {
		if f == nil {
			b.WriteByte('-')
		} else {
			b.WriteByte('+')
		}
	}
	return b.String()
}

// nameRequest names a request by the key that the client gave it. Everything else
// that it says is part of the name, so that a key that is used again for
// something else names something else; the hash is keyed, so that the name
// gives nothing away.
func (s *Site) nameRequest(client *auth.Client, what, key string, fields ...string) string {
	if s.Keyed == nil || key == "" {
		return ""
	}
	var b []byte
	for _, f := range append([]string{"https", what, client.Name, key}, fields...) {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	sum := s.Keyed(b)
	clear(b) // of the password
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}

// decideLogin lets the engine judge an attempt and translates what it says.
func (s *Site) decideLogin(ctx context.Context, client *auth.Client, at auth.Attempt) (*loginReply, error) {
	if !s.logins.take(client, at.Time) {
		// The engine records it, at a bounded rate.
		s.Decide(ctx, auth.Attempt{
			Door: elsewhereDoor, Client: client.Name, Source: at.Source, Time: at.Time, Reach: auth.ClientRateLimited,
			Seen: "more logins a second than the client may bring",
		})
		return nil, &Problem{
			Type: "/problems/too-many", Title: "Too many requests", Status: http.StatusTooManyRequests,
			Detail: "this client brings more logins a second than it may", Hint: "send less, or raise the client's rate_per_second",
			after: time.Second,
		}
	}
	if s.logins.admitWaiting(client.Name) {
		defer s.logins.endWaiting(client.Name)
		at.Can.Wait = loginWait
	}
	d := s.Decide(ctx, at)
	a := LoginAnswer{Verdict: d.Verdict.String(), Message: d.Message, Reference: string(d.Reference), Attributes: map[string][]string{}}
	if d.Outcome != 0 {
		m := d.Outcome.Meaning()
		a.Outcome, a.Code, a.Label = m.Name, int(m.Outcome), m.Label
	}
	switch d.Verdict {
	case auth.Accept:
		if d.Account != "" {
			account, err := s.Admin.Store.AccountByID(ctx, d.Account)
			if err != nil {
				// Without its name the application might let somebody else in.
				return nil, fmt.Errorf("httpd: name the account that was let in: %w", err)
			}
			a.Account = account.Name
		}
		a.Factor = d.Factor
		for _, at := range d.Attributes {
			a.Attributes[at.Name] = append(a.Attributes[at.Name], at.Value)
		}
		return &loginReply{a}, nil
	case auth.Challenge:
		a.State = base64.RawURLEncoding.EncodeToString(d.State)
		return &loginReply{a}, nil
	case auth.Reject:
		return &loginReply{a}, nil
	case auth.Unavailable, auth.Ignore:
	}
	return nil, &Problem{
		Type: "/problems/unavailable", Title: "Not decided", Status: http.StatusServiceUnavailable,
		Detail: "the login could not be decided; nobody was let in", Hint: "send it again, to another node if there is one; the server's /readyz says what is wrong",
	}
}

// take takes a token from the client's bucket and reports whether there was
// one.
func (q *loginQuotas) take(client *auth.Client, now time.Time) bool {
	rate := float64(client.RatePerSecond)
	if rate <= 0 {
		rate = loginRate
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.client(client.Name)
	// A clock that went back refills nothing and forgets nothing.
	if passed := now.Sub(c.last); passed > 0 {
		c.spent = math.Max(0, c.spent-passed.Seconds()*rate)
	}
	c.last = now
	if c.spent+1 > 2*rate {
		return false
	}
	c.spent++
	return true
}

// client returns what is kept of a client; q.mu is held.
func (q *loginQuotas) client(name string) *loginQuota {
	c := q.clients[name]
	if c == nil {
		c = new(loginQuota)
		if q.clients == nil {
			q.clients = make(map[string]*loginQuota)
		}
		q.clients[name] = c
	}
	return c
}

// admitWaiting takes one of the places of logins that may wait.
func (q *loginQuotas) admitWaiting(client string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.client(client)
	if q.waiting >= maxWaiting || c.waiting >= maxWaiting/2 {
		return false
	}
	q.waiting++
	c.waiting++
	return true
}

func (q *loginQuotas) endWaiting(client string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	q.client(client).waiting--
}
