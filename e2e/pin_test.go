//go:build linux

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/otp"
)

// A PIN that its owner has set over the API of the portal is asked for beside
// the code at a RADIUS client, and can be taken away by the help desk.
func TestPINOutcomes(t *testing.T) {
	// Long enough to stand nowhere by chance.
	const pin, wrong = "2704183925160748", "2704183925160749"
	s := start(t, setup{Local: freePort(t), Level: "debug"})
	n := s.client("asking")
	p := s.account("")
	owner, key := owned(t, s)
	owner.signIn("console", "olga", key)
	bob := owner.invite(p.name)
	var begun struct{ Ceremony, URI string }
	bob.post("/v1/me/enrolments", fields{"kind": "oath"}, &begun)
	e, err := otp.ParseURI(begun.URI)
	if err != nil {
		t.Fatal(err)
	}
	code := func(steps time.Duration) string {
		return otp.TOTP(e.Key, time.Now().Add(steps*30*time.Second), e.Params)
	}
	// One step early, now and one step late: three codes without waiting.
	bob.post("/v1/me/enrolments/confirm", fields{"ceremony": begun.Ceremony, "code": code(-1)}, nil)
	bob.post("/v1/me/enrolments", fields{"kind": "pin", "pin": pin}, &begun)
	bob.post("/v1/me/enrolments/confirm", fields{"ceremony": begun.Ceremony, "code": code(0) + pin}, nil)

	login := func(typed string) answer {
		t.Helper()
		return n.ask(p.name, typed, n.ask(p.name, p.password, nil).want(t, "challenge").state())
	}
	last := code(1)
	for _, typed := range []string{last, last + wrong} {
		if got := s.outcomeOf(login(typed)); got != auth.PINWrong.String() {
			t.Errorf("with %d digits: %s", len(typed), got)
		}
	}
	login(last+pin).want(t, "accept")
	held := records[struct{ ID, Factor string }](t, s.do("", "authenticator", "list", p.name, "--json"))
	for _, h := range held {
		if h.Factor == auth.PINFactor {
			s.do("", "authenticator", "revoke", h.ID, "--yes")
		}
	}
	if got := s.outcomeOf(login(last)); got != auth.DuplicateOATHCode.String() {
		t.Errorf("the code alone, without a PIN: %s", got)
	}

	secrets := []canary{{"PIN", []byte(pin), true}, {"wrong PIN", []byte(wrong), true}}
	find(t, "standard output", []byte(s.out.String()), secrets)
	find(t, "the log", []byte(s.log.String()), secrets)
	find(t, "the list of events", []byte(s.do("", "events", "--json")), secrets)
	s.stop()
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		find(t, path, b, secrets)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
