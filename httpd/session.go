package httpd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// cookieName is the cookie that holds the session at a client. The prefix makes
// browsers refuse it from any other host, any path and any connection without
// TLS (RFC 6265bis, Section 4.1.3.2).
func cookieName(client string) string { return "__Host-sallyport-" + client }

// setSession gives a browser the token of its session at a client. The cookie
// ends with the browser; the session ends by its own times.
func setSession(w http.ResponseWriter, client, token string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(client), Value: token, Path: "/",
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// clearSession takes it back.
func clearSession(w http.ResponseWriter, client string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(client), Path: "/", MaxAge: -1,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// tokenOf reads the session token that a browser sends for a client, "" if it
// sends none. Two of the same name are none: one of them is not ours.
func tokenOf(r *http.Request, client string) string {
	cookies := r.CookiesNamed(cookieName(client))
	if len(cookies) != 1 || len(cookies[0].Value) > 200 {
		return ""
	}
	return cookies[0].Value
}

// identifySession finds out who is signed in to a client in the browser that
// asks.
func (s *Site) identifySession(c *caller, client string) error {
	p, by, err := s.Admin.SessionByToken(c.request.Context(), client, tokenOf(c.request, client))
	if err != nil {
		return err
	}
	c.person, c.by = p, by
	return nil
}

// identifyAdministrator finds out who administers: somebody with an API key or,
// if the request shows none, with a session at the console.
func (s *Site) identifyAdministrator(c *caller) error {
	if len(c.request.Header.Values("Authorization")) > 0 {
		return s.identifyKey(c)
	}
	return s.identifySession(c, auth.ConsoleClient)
}

// identifyKey finds out which program asks.
func (s *Site) identifyKey(c *caller) error {
	secret, ok := bearerOf(c.request)
	if !ok {
		return errNoKey
	}
	key, err := s.Admin.KeyBySecret(c.request.Context(), secret)
	if err != nil {
		if p := problemOf(err); p.Status == http.StatusUnauthorized {
			return errNoKey
		}
		return err
	}
	c.key, c.by = key, key.Actor
	return nil
}

var errNoKey = &Problem{
	Type: "/problems/no-key", Title: "No API key", Status: http.StatusUnauthorized,
	Detail: "the request shows no API key that is known here and has not expired", Hint: "send Authorization: Bearer spk_...",
}

// bearerOf reads the one bearer token of a request (RFC 6750, Section 2.1).
func bearerOf(r *http.Request) (string, bool) {
	lines := r.Header.Values("Authorization")
	if len(lines) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(lines[0], " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= 200
}

// fresh is how long a full authentication is good for what asks for one.
const fresh = 5 * time.Minute

// freshEnough asks for a full authentication in the last minutes, by the best
// that the account holds. A session notes which factor completed the newest: a
// weaker one, however new, proves nothing here.
func (s *Site) freshEnough(c *caller) error {
	if c.key.Name != "" {
		return nil
	}
	if c.person.Session.Enrolling() {
		return nil // the invitation was shown in the session's half hour, and is all there is
	}
	age := s.Now().Sub(c.person.Session.Proven)
	if age < 0 || age >= fresh {
		return stepUp("this needs a confirmation that it is you, not older than five minutes")
	}
	best, err := s.needsPasskey(c.request.Context(), c.person)
	if err != nil {
		return err
	}
	if best && c.person.Session.Factor != auth.PasskeyFactor {
		return stepUp("this needs a confirmation with your passkey")
	}
	return nil
}

func stepUp(detail string) error {
	return &Problem{
		Type: "/problems/step-up", Title: "Confirm that it is you", Status: http.StatusForbidden,
		Detail: detail, Hint: "POST /v1/session/step-up, then ask again",
	}
}

// needsPasskey reports whether somebody proves themselves anew with a passkey
// and nothing less: at the console everybody, elsewhere whoever holds one.
func (s *Site) needsPasskey(ctx context.Context, p admin.Person) (bool, error) {
	if p.Session.Client == auth.ConsoleClient {
		return true, nil
	}
	held, err := s.Admin.Store.Authenticators(ctx, p.Account.ID)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(held, func(a auth.Authenticator) bool { return a.Factor == auth.PasskeyFactor }), nil
}

// A SessionView is what a browser is told of its session.
type SessionView struct {
	Account     string             `json:"account" doc:"ID"`
	Name        string             `json:"name"`
	Client      string             `json:"client" enum:"console,portal"`
	Factor      string             `json:"factor" doc:"What completed the newest full authentication"`
	Role        string             `json:"role,omitempty"`
	Permissions []admin.Permission `json:"permissions"`
	Enrolling   bool               `json:"enrolling" doc:"An invitation began the session: it may set up authenticators and nothing else"`
	Proven      time.Time          `json:"proven"`
	Created     time.Time          `json:"created"`
	Expires     time.Time          `json:"expires"`
	IdleSeconds int                `json:"idle_seconds" doc:"After how long without a request the session ends"`
}

func viewSession(p admin.Person, by admin.Actor) SessionView {
	v := SessionView{
		Account: p.Account.ID, Name: p.Account.Name, Client: p.Session.Client, Factor: p.Session.Factor, Permissions: by.May,
		Enrolling: p.Session.Enrolling(), Proven: p.Session.Proven, Created: p.Session.Created, Expires: p.Session.Expires,
		IdleSeconds: int(p.Session.Idle() / time.Second),
	}
	if v.Permissions == nil {
		v.Permissions = []admin.Permission{}
	}
	if p.Session.Client == auth.ConsoleClient {
		v.Role = p.Account.Role
	}
	return v
}

// WhichSession names one of a browser's sessions.
type WhichSession struct {
	Client string `query:"client" required:"true" enum:"console,portal" doc:"Which of the browser's sessions is meant"`
}

const tagSession = "Signing in"

// A StepUpStart begins a confirmation that it is still the same person.
type StepUpStart struct {
	Password string `json:"password,omitempty" maxLength:"1024"`
	Passkey  bool   `json:"passkey,omitempty"`
}

// A StepUpAnswer answers its challenge.
type StepUpAnswer struct {
	State     string          `json:"state" minLength:"1" maxLength:"200"`
	Code      string          `json:"code,omitempty" maxLength:"64"`
	Assertion json.RawMessage `json:"assertion,omitempty" doc:"A PublicKeyCredential as JSON"`
}

func sessionOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "session.show", Method: "GET", Path: "/v1/session", Summary: "Who is signed in", Tag: tagSession,
			Audience: signedIn, Permission: ownSession, Enrolling: true,
		}, func(_ context.Context, c *caller, _ *WhichSession) (*struct{ Body SessionView }, error) {
			return &struct{ Body SessionView }{viewSession(c.person, c.by)}, nil
		}),
		operate(operation{
			ID: "session.end", Method: "DELETE", Path: "/v1/session", Summary: "Sign out", Tag: tagSession,
			Audience: signedIn, Permission: ownSession, Enrolling: true,
		}, func(ctx context.Context, c *caller, in *WhichSession) (*struct{}, error) {
			if err := c.site.Admin.SignOut(ctx, c.person); err != nil {
				return nil, err
			}
			clearSession(c.w, in.Client)
			return nil, nil
		}),
		operate(operation{
			ID: "step-up.start", Method: "POST", Path: "/v1/session/step-up", Summary: "Begin to confirm that it is you", Tag: tagSession,
			Detail:   "A full login, by the best that the account holds: a passkey at the console and for whoever has one, otherwise a password and a code.",
			Audience: signedIn, Permission: ownSession, Body: signInBody,
		}, func(ctx context.Context, c *caller, in *struct {
			WhichSession
			Body StepUpStart
		},
		) (*Signed, error) {
			passkey, err := c.site.needsPasskey(ctx, c.person)
			if err != nil {
				return nil, err
			}
			if passkey && !in.Body.Passkey {
				return nil, wrongField("body.passkey", "confirm with your passkey")
			}
			evidence, err := firstEvidence(in.Body.Password, in.Body.Passkey)
			if err != nil {
				return nil, err
			}
			return c.decideStepUp(ctx, nil, evidence)
		}),
		operate(operation{
			ID: "step-up.continue", Method: "POST", Path: "/v1/session/step-up/continue", Summary: "Answer the challenge of a confirmation", Tag: tagSession,
			Detail:   "The session gets a new token; the one before is worth nothing from then on.",
			Audience: signedIn, Permission: ownSession, Body: signInBody,
		}, func(ctx context.Context, c *caller, in *struct {
			WhichSession
			Body StepUpAnswer
		},
		) (*Signed, error) {
			state, evidence, err := secondEvidence(in.Body.State, in.Body.Code, in.Body.Assertion)
			if err != nil {
				return nil, err
			}
			return c.decideStepUp(ctx, state, evidence)
		}),
	}
}

// decideStepUp asks the engine whether the person in a session is who they say,
// as at a sign-in, and notes in the session what proved it.
func (c *caller) decideStepUp(ctx context.Context, state []byte, evidence []auth.Evidence) (*Signed, error) {
	client := c.person.Session.Client
	d := c.site.Decide(ctx, c.attempt(client, client, c.person.Account.Name, state, evidence))
	answer, err := c.site.signIn(d)
	if err != nil || d.Verdict != auth.Accept {
		return answer, err
	}
	if d.Account != c.person.Account.ID {
		return nil, fmt.Errorf("httpd: a login as account %s came out of a session of account %s", d.Account, c.person.Account.ID)
	}
	token, session, err := c.site.Admin.RenewSession(ctx, c.person, d.Factor)
	if err != nil {
		return nil, err
	}
	setSession(c.w, client, token)
	view := viewSession(admin.Person{Account: c.person.Account, Session: session}, c.by)
	answer.Body.Session = &view
	return answer, nil
}
