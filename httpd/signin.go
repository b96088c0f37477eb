package httpd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"sallyport/admin"
	"sallyport/auth"
)

// A SignInStart is the first request of a sign-in: a name, and either a password
// or the wish to be asked for a passkey.
type SignInStart struct {
	Client   string `json:"client" minLength:"1" maxLength:"100" doc:"console, portal, or the name of a client behind a reverse proxy"`
	Name     string `json:"name" minLength:"1" maxLength:"255"`
	Password string `json:"password,omitempty" maxLength:"1024"`
	Passkey  bool   `json:"passkey,omitempty" doc:"Ask for a passkey instead of a password and a code"`
	ReturnTo string `json:"return_to,omitempty" maxLength:"2000" doc:"Where to go afterwards: a path of these pages or, for a client behind a reverse proxy, an address of it"`
}

// A SignInAnswer is the answer to a challenge: a code or what a passkey said.
type SignInAnswer struct {
	Client    string          `json:"client" minLength:"1" maxLength:"100"`
	Name      string          `json:"name" minLength:"1" maxLength:"255" doc:"The same as in the first request"`
	State     string          `json:"state" minLength:"1" maxLength:"200"`
	Code      string          `json:"code,omitempty" maxLength:"64"`
	Assertion json.RawMessage `json:"assertion,omitempty" doc:"A PublicKeyCredential as JSON (Web Authentication Level 3, Section 5.1.8)"`
	ReturnTo  string          `json:"return_to,omitempty" maxLength:"2000"`
}

// A SignIn says what came of a request to sign in. A refusal is an answer too.
type SignIn struct {
	Verdict   string          `json:"verdict" enum:"accept,challenge,reject"`
	Message   string          `json:"message" doc:"For the person" prose:"true"`
	Reference string          `json:"reference,omitempty" doc:"What to read out to the help desk"`
	Ask       string          `json:"ask,omitempty" enum:"code,passkey" doc:"What a challenge asks for"`
	State     string          `json:"state,omitempty" doc:"To bring back with the answer, once"`
	Options   json.RawMessage `json:"options,omitempty" doc:"PublicKeyCredentialRequestOptionsJSON, if a passkey is asked for"`
	Session   *SessionView    `json:"session,omitempty"`
	Redirect  string          `json:"redirect,omitempty" doc:"Where to go now"`
}

// Signed is the answer that carries a SignIn.
type Signed struct{ Body SignIn }

const signInBody = 64 << 10 // an assertion has a few kilobytes

func signInOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "config.show", Method: "GET", Path: "/v1/config", Summary: "What the pages need to know before anybody signs in", Tag: tagSession,
			Audience: visitor, Permission: readSite,
		}, showConfig),
		operate(operation{
			ID: "api.describe", Method: "GET", Path: "/v1/openapi.json", Summary: "The description of this API", Tag: tagSession,
			Audience: visitor, Permission: readSite, Media: describedMedia,
		}, describe),
		operate(operation{
			ID: "sign-in.start", Method: "POST", Path: "/v1/sign-in", Summary: "Begin to sign in", Tag: tagSession,
			Detail: "A password leads to a challenge, or to a refusal; `passkey` leads to a challenge for every name alike. " +
				"A refusal is an answer with status 200. When the verdict is accept, the session's cookie comes with it.",
			Audience: visitor, Permission: signIn, Body: signInBody, Cost: 2,
		}, func(ctx context.Context, c *caller, in *struct{ Body SignInStart }) (*Signed, error) {
			b := &in.Body
			to, err := c.site.destination(b.Client, b.ReturnTo)
			if err != nil {
				return nil, err
			}
			evidence, err := firstEvidence(b.Password, b.Passkey)
			if err != nil {
				return nil, err
			}
			return c.decideSignIn(ctx, to, b.Name, nil, evidence)
		}),
		operate(operation{
			ID: "sign-in.continue", Method: "POST", Path: "/v1/sign-in/continue", Summary: "Answer a challenge", Tag: tagSession,
			Audience: visitor, Permission: signIn, Body: signInBody, Cost: 2,
		}, func(ctx context.Context, c *caller, in *struct{ Body SignInAnswer }) (*Signed, error) {
			b := &in.Body
			to, err := c.site.destination(b.Client, b.ReturnTo)
			if err != nil {
				return nil, err
			}
			state, evidence, err := secondEvidence(b.State, b.Code, b.Assertion)
			if err != nil {
				return nil, err
			}
			return c.decideSignIn(ctx, to, b.Name, state, evidence)
		}),
	}
}

// SiteConfig is what everybody may know of this installation.
type SiteConfig struct {
	Issuer     string   `json:"issuer"`
	Version    string   `json:"version"`
	URL        string   `json:"url"`
	NeedsSetUp bool     `json:"needs_set_up" doc:"There is no owner yet"`
	Languages  []string `json:"languages"`
}

func showConfig(ctx context.Context, c *caller, _ *struct{}) (*struct{ Body SiteConfig }, error) {
	s := c.site
	needs, err := s.Admin.NeedsSetUp(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body SiteConfig }{SiteConfig{s.Issuer, s.Version, s.URL, needs, []string{"en", "de"}}}, nil
}

// A destination is where a sign-in leads: to a client and then to an address.
type destination struct {
	client   string
	elseways *auth.Client // a client behind a reverse proxy; nil for console and portal
	returnTo string
}

// door is the name of the door for the client, as events have it.
func (d *destination) door() string {
	if d.elseways != nil {
		return elsewhereDoor
	}
	return d.client
}

// elsewhereDoor is the door of clients that are neither console nor portal.
const elsewhereDoor = "https"

// destination checks where a sign-in is to lead, before anybody is judged: an
// address that is not ours to send people to is refused whoever they are.
func (s *Site) destination(client, returnTo string) (destination, error) {
	switch client {
	case auth.ConsoleClient, auth.PortalClient:
		if returnTo == "" {
			returnTo = "/" + client
		}
		if !ownPage(client, returnTo) {
			return destination{}, wrongField("body.return_to", "it is no page of the "+client)
		}
		return destination{client: client, returnTo: returnTo}, nil
	}
	// Names of clients of other doors, and names that nobody has, are the same
	// here: this door is not theirs.
	c := s.Admin.Store.Settings().Client(client)
	if c == nil || c.Door != elsewhereDoor {
		return destination{}, wrongField("body.client", "nobody can sign in to that here")
	}
	if err := s.mayReturn(c, returnTo); err != nil {
		return destination{}, err
	}
	return destination{client: client, elseways: c, returnTo: returnTo}, nil
}

// ownPage reports whether an address is a path among the pages of a client, and
// can be nothing else to any browser.
func ownPage(client, to string) bool {
	for i := range len(to) {
		if to[i] <= ' ' || to[i] >= 0x7f || to[i] == '\\' {
			return false
		}
	}
	path, _, _ := strings.Cut(to, "#")
	path, _, _ = strings.Cut(path, "?")
	if strings.Contains(path, "//") || strings.Contains(path, "..") {
		return false
	}
	for _, view := range []string{"/" + client, "/reference"} {
		if path == view || strings.HasPrefix(path, view+"/") {
			return true
		}
	}
	return false
}

func wrongField(location, message string) error {
	return &Problem{
		Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity,
		Detail: "the request is not what it should be: " + strings.TrimPrefix(location, "body.") + ": " + message,
		Errors: []FieldError{{location, message}},
	}
}

// firstEvidence is what a first request shows. Neither is nothing to judge, and
// both would leave open what was meant.
func firstEvidence(password string, passkey bool) ([]auth.Evidence, error) {
	switch {
	case passkey && password != "":
		return nil, wrongField("body.passkey", "give a password or ask for a passkey, not both")
	case passkey:
		return []auth.Evidence{auth.PasskeyWanted{}}, nil
	case password == "":
		return nil, wrongField("body.password", "give a password or ask for a passkey")
	}
	return []auth.Evidence{auth.Password(password)}, nil
}

// secondEvidence is what an answer to a challenge shows.
func secondEvidence(state, code string, assertion json.RawMessage) ([]byte, []auth.Evidence, error) {
	raw, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil || len(raw) == 0 {
		return nil, nil, wrongField("body.state", "it is not one that came with a challenge")
	}
	given := string(assertion)
	if given == "null" {
		given = ""
	}
	switch {
	case code != "" && given != "":
		return nil, nil, wrongField("body.assertion", "give a code or an assertion, not both")
	case given != "" && given[0] != '{':
		return nil, nil, wrongField("body.assertion", "it is no PublicKeyCredential")
	case given != "":
		return raw, []auth.Evidence{auth.Assertion(given)}, nil
	case code == "":
		return nil, nil, wrongField("body.code", "give a code or an assertion")
	}
	return raw, []auth.Evidence{auth.Code(code)}, nil
}

// attempt is what the engine judges. It does so for every request anew: what was
// shown before is in the engine's own record of the challenge, and nowhere here.
func (c *caller) attempt(door, client, name string, state []byte, evidence []auth.Evidence) auth.Attempt {
	return auth.Attempt{
		Door: door, Client: client, Claimant: name, Evidence: evidence, State: state,
		Source: c.source, From: c.source.Addr().String(), Origin: c.source.Addr(),
		Time: c.site.Now(), Can: auth.Can{Ask: true, Passkey: true},
	}
}

// decideSignIn asks the engine and does what it says.
func (c *caller) decideSignIn(ctx context.Context, to destination, name string, state []byte, evidence []auth.Evidence) (*Signed, error) {
	d := c.site.Decide(ctx, c.attempt(to.door(), to.client, name, state, evidence))
	answer, err := c.site.signIn(d)
	if err != nil || d.Verdict != auth.Accept {
		return answer, err
	}
	if d.Account == "" {
		return nil, fmt.Errorf("httpd: an accept at %s names no account", to.client)
	}
	// The one place where a login becomes a session: behind an accept.
	if to.elseways != nil {
		if answer.Body.Redirect, err = c.site.carry(ctx, c, to.elseways, d, to.returnTo); err != nil {
			return nil, err
		}
		return answer, nil
	}
	view, err := c.begin(ctx, to.client, func() (string, error) {
		token, _, err := c.site.Admin.NewSession(ctx, admin.SignedIn{
			Account: d.Account, Factor: d.Factor, Client: to.client, Source: c.source.Addr().String(), Agent: c.request.UserAgent(),
		})
		return token, err
	})
	if err != nil {
		return nil, err
	}
	answer.Body.Session, answer.Body.Redirect = &view, to.returnTo
	return answer, nil
}

// begin begins a session in a browser: the one that was there ends, so that
// nobody who knows an older token is in the new session, and a new token comes
// in its place.
func (c *caller) begin(ctx context.Context, client string, make func() (token string, err error)) (SessionView, error) {
	if err := c.endOld(ctx, client); err != nil {
		return SessionView{}, err
	}
	token, err := make()
	if err != nil {
		return SessionView{}, err
	}
	// Read as any later request will: who may not be in the session is told so
	// now.
	p, by, err := c.site.Admin.SessionByToken(ctx, client, token)
	if err != nil {
		return SessionView{}, err
	}
	setSession(c.w, client, token)
	return viewSession(p, by), nil
}

// endOld ends the session that a browser has at a client, if it has one.
func (c *caller) endOld(ctx context.Context, client string) error {
	token := tokenOf(c.request, client)
	if token == "" {
		return nil
	}
	old, _, err := c.site.Admin.SessionByToken(ctx, client, token)
	if err != nil {
		if p := problemOf(err); p.Status == http.StatusUnauthorized {
			return nil
		}
		return err
	}
	return c.site.Admin.SignOut(ctx, old)
}

// signIn turns a decision into an answer. An accept has neither session nor
// redirect yet.
func (s *Site) signIn(d auth.Decision) (*Signed, error) {
	answer := SignIn{Message: d.Message, Reference: string(d.Reference)}
	switch d.Verdict {
	case auth.Accept:
		answer.Verdict = "accept"
	case auth.Challenge:
		answer.Verdict, answer.Ask = "challenge", "code"
		answer.State = base64.RawURLEncoding.EncodeToString(d.State)
		if d.Factor == auth.PasskeyFactor {
			options, err := s.Passkey(auth.AssertionChallenge(d.State))
			if err != nil {
				return nil, err
			}
			answer.Ask, answer.Options = "passkey", options
		}
	case auth.Unavailable:
		p := &Problem{
			Type: "/problems/unavailable", Title: "Not available", Status: http.StatusServiceUnavailable,
			Detail: d.Message, Hint: "try again in a moment", Verdict: "unavailable",
		}
		if p.Detail == "" {
			p.Detail = "nobody can be signed in at the moment"
		}
		return nil, p
	case auth.Reject, auth.Ignore:
		answer.Verdict = "reject"
	}
	if answer.Verdict == "" {
		answer.Verdict = "reject" // no verdict that there is
	}
	if answer.Verdict == "reject" && answer.Message == "" {
		answer.Message = "Sign-in failed."
	}
	return &Signed{answer}, nil
}
