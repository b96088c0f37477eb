package httpd

import (
	"context"
	"encoding/base64"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/radius"
)

// A LoginTest is a login that an administrator tries through a client.
type LoginTest struct {
	Client   string `json:"client" minLength:"1" maxLength:"63"`
	Name     string `json:"name" maxLength:"255"`
	Password string `json:"password,omitempty" maxLength:"1024"`
	Code     string `json:"code,omitempty" maxLength:"256" doc:"In the first request beside the password, or the answer to a challenge"`
	State    string `json:"state,omitempty" maxLength:"200" doc:"Of the challenge that this answers"`
	From     string `json:"from,omitempty" maxLength:"253" doc:"What the client would say of where the person is"`
}

// A LoginTested is what came of it.
type LoginTested struct {
	Verdict    string         `json:"verdict" enum:"accept,challenge,reject,unavailable,ignore"`
	Message    string         `json:"message" doc:"What the person would read" prose:"true"`
	Reference  string         `json:"reference,omitempty"`
	State      string         `json:"state,omitempty" doc:"Of a challenge: give it back with the code"`
	Attributes []string       `json:"attributes" doc:"Of the reply of an accept, each NAME=VALUE"`
	Why        *admin.WhyView `json:"why,omitempty"`
}

func testOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "login.test", Method: "POST", Path: "/v1/test-logins", Summary: "Try a login through a client, and see its trace", Tag: tagDiagnosis,
			Detail: "It is a login like any other: it is recorded, it counts failures, and it spends what it uses. Nobody is let in anywhere. " +
				"It says nothing of the network or the shared secret; a request of the client itself does.",
			Audience: administrator, Permission: admin.TestLogins, Body: consoleBody,
		}, testLogin),
	}
}

func testLogin(ctx context.Context, c *caller, in *struct{ Body LoginTest }) (*Answered[LoginTested], error) {
	b, s := &in.Body, c.site
	if b.Client == auth.ConsoleClient || b.Client == auth.PortalClient {
		return nil, wrongField("body.client", "sign in there to try it")
	}
	view, err := s.Admin.ShowClient(b.Client)
	if err != nil {
		return nil, err
	}
	at := auth.Attempt{
		Door: view.Door, Client: view.Name, Claimant: b.Name, Source: c.source, From: b.From, Time: s.Now(),
		Can:  auth.Can{Ask: view.Mode == string(auth.ModeChallenge)},
		Seen: "a test by " + c.by.Name + " at the console",
	}
	at.Origin, _ = radius.StationAddress([]byte(b.From))
	if b.State != "" {
		if at.State, err = base64.RawURLEncoding.DecodeString(b.State); err != nil || len(at.State) == 0 {
			return nil, wrongField("body.state", "it is not what a challenge brought")
		}
	}
	if b.Password != "" {
		at.Evidence = append(at.Evidence, auth.Password(b.Password))
	}
	if b.Code != "" {
		at.Evidence = append(at.Evidence, auth.Code(b.Code))
	}
	d := s.Decide(ctx, at)
	tested := LoginTested{Verdict: d.Verdict.String(), Message: d.Message, Reference: string(d.Reference), Attributes: []string{}}
	if d.Verdict == auth.Challenge {
		tested.State = base64.RawURLEncoding.EncodeToString(d.State)
	}
	for _, a := range d.Attributes {
		tested.Attributes = append(tested.Attributes, a.Name+"="+a.Value)
	}
	if d.Reference != "" {
		why, err := s.Admin.Why(ctx, string(d.Reference))
		if err != nil {
			return nil, err
		}
		why = why.Reading(audienceOf(c.by))
		tested.Why = &why
	}
	return answered(tested, nil)
}
