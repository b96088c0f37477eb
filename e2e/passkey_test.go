//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"sallyport/auth"
	"sallyport/factor/webauthn/webauthntest"
)

// A visitor is a browser as far as the API is concerned. It keeps cookies by
// hand, because those of the program are for TLS or localhost, and Go's jar does
// not know the second.
type visitor struct {
	t       *testing.T
	site    string
	cookies map[string]string
}

// post sends JSON and reads JSON into out; the answer must be well.
func (v *visitor) post(path string, in, out any) {
	v.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.site+path, bytes.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range v.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		v.t.Fatalf("POST %s: %s: %s", path, resp.Status, text)
	}
	for _, c := range resp.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			v.t.Fatalf("POST %s: %v: %s", path, err, text)
		}
	}
}

// A making is what a browser is given to make a passkey.
type making struct {
	Ceremony string
	Options  struct {
		Challenge string
		User      struct{ ID string }
	}
}

func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// make makes a passkey and returns it with what the browser answers.
func (m *making) make(t *testing.T, site, seed string) (webauthntest.Authenticator, json.RawMessage) {
	t.Helper()
	key := webauthntest.New(seed, "localhost", site, string(octets(t, m.Options.User.ID)))
	return key, key.Register(octets(t, m.Options.Challenge))
}

// A signingIn is the answer to a sign-in.
type signingIn struct{ Verdict, Message, Reference, Ask, State string }

// signIn asks for a passkey in a name and answers with key.
func (v *visitor) signIn(client, name string, key webauthntest.Authenticator) (asked, answered signingIn) {
	v.t.Helper()
	v.post("/v1/sign-in", fields{"client": client, "name": name, "passkey": true}, &asked)
	if asked.Verdict != "challenge" || asked.Ask != "passkey" {
		v.t.Fatalf("%s at the %s: %+v; want to be asked for a passkey", name, client, asked)
	}
	assertion := key.Assert(auth.AssertionChallenge(octets(v.t, asked.State)))
	v.post("/v1/sign-in/continue", fields{"client": client, "name": name, "state": asked.State, "assertion": json.RawMessage(assertion)}, &answered)
	return asked, answered
}

// owned sets a server up, as the link that it prints asks for, and returns its
// owner and the owner's passkey.
func owned(t *testing.T, s *server) (*visitor, webauthntest.Authenticator) {
	t.Helper()
	var link []string
	eventually(t, "the server says where its pages are", func() bool {
		link = setUpLine.FindStringSubmatch(s.out.String())
		return link != nil
	})
	site, token, _ := strings.Cut(link[1], "/set-up#")
	owner := &visitor{t, site, make(map[string]string)}
	var m making
	owner.post("/v1/set-up/passkey", fields{"token": token, "name": "olga", "password": "a password of some length"}, &m)
	key, registration := m.make(t, site, "olga")
	owner.post("/v1/set-up/owner", fields{"token": token, "ceremony": m.Ceremony, "registration": registration}, nil)
	return owner, key
}

// invite lets somebody in to enrol who has an account.
func (v *visitor) invite(name string) *visitor {
	v.t.Helper()
	var invitation struct{ Secret string }
	v.post("/v1/accounts/"+name+"/invitations", fields{"kind": "link"}, &invitation)
	guest := &visitor{v.t, v.site, make(map[string]string)}
	guest.post("/v1/invitations/redeem", fields{"secret": invitation.Secret}, nil)
	return guest
}

// What passkeys lead to, through the program itself: each outcome is told, kept
// and explained as the catalogue has it.
func TestPasskeyOutcomes(t *testing.T) {
	s := start(t, setup{Local: freePort(t)})
	owner, key := owned(t, s)
	key.Count = 7
	asked, in := owner.signIn("console", "olga", key)
	key.Count = 6
	_, copied := owner.signIn("console", "olga", key)
	if in.Verdict != "accept" {
		t.Fatalf("the owner is not let in: %+v", in)
	}
	owner.post("/v1/accounts", fields{"name": "bob"}, nil)
	bob := owner.invite("bob")
	var m making
	bob.post("/v1/me/enrolments", fields{"kind": "passkey"}, &m)
	bobs, registration := m.make(t, owner.site, "bob")
	bob.post("/v1/me/enrolments/confirm", fields{"ceremony": m.Ceremony, "registration": registration}, nil)
	_, roleless := bob.signIn("console", "bob", bobs)
	_, wrong := bob.signIn("portal", "olga", bobs)

	for _, tt := range []struct {
		outcome auth.Outcome
		got     signingIn
		verdict string
	}{
		{auth.PasskeyPending, asked, "challenge"},
		{auth.PasskeyVerified, in, "accept"},
		{auth.RoleMissing, roleless, "reject"},
		{auth.PasskeyWrong, wrong, "reject"},
		{auth.PasskeyCopied, copied, "reject"},
	} {
		m := tt.outcome.Meaning()
		if tt.got.Verdict != tt.verdict || !strings.HasPrefix(tt.got.Message, m.Person) {
			t.Errorf("%v: told %s %q; want %s %q", tt.outcome, tt.got.Verdict, tt.got.Message, tt.verdict, m.Person)
		}
		why := s.why(tt.got.Reference)
		if why.Code != int(tt.outcome) || why.Administrator != m.Administrator || len(why.Trace) == 0 {
			t.Errorf("%v: the record of %s is %+v", tt.outcome, tt.got.Reference, why)
		}
	}
}
