//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/otp"
)

// rand8 returns eight random characters.
func rand8() string { return rand.Text()[:8] }

// A person is an account with what its owner knows and holds.
type person struct {
	t        testing.TB
	name     string
	password string // "" if the account has none
	id       string // of the authenticator; its serial if it was imported
	key      []byte
	params   otp.Params

	mu sync.Mutex
	// mu guards the fields below.
	spent int64 // newest step or counter that was handed out, -1 for none
}

// enrol makes an account with a password and a TOTP authenticator. An empty
// name gets one made.
func (s *server) enrol(name string) *person {
	s.t.Helper()
	p := s.account(name)
	s.bind(p)
	return p
}

// account makes an account with a password and nothing else.
func (s *server) account(name string, flags ...string) *person {
	s.t.Helper()
	if name == "" {
		name = "person-" + strings.ToLower(rand8())
	}
	p := &person{t: s.t, name: name, password: "pass of " + rand8(), spent: -1}
	s.do(p.password+"\n", append([]string{"account", "add", name, "--password-stdin", "--json"}, flags...)...)
	return p
}

// bind gives a person an authenticator app.
func (s *server) bind(p *person) {
	s.t.Helper()
	bound := record[struct{ ID, URI string }](s.t, s.do("", "authenticator", "add", p.name, "--factor", "oath", "--json"))
	e, err := otp.ParseURI(bound.URI)
	if err != nil {
		s.t.Fatal(err)
	}
	p.id, p.key, p.params, p.spent = bound.ID, e.Key, e.Params, -1
}

// recoveryCodes gives a person a sheet of recovery codes.
func (s *server) recoveryCodes(p *person) []string {
	s.t.Helper()
	return record[struct{ Codes []string }](s.t, s.do("", "authenticator", "recovery-codes", p.name, "--json")).Codes
}

// tokens makes accounts without passwords that hold HOTP tokens, which never
// run out of codes. They serve clients with --password none.
func (s *server) tokens(names ...string) []*person {
	s.t.Helper()
	return s.tokensOf(otp.Params{Digits: 6}, names...)
}

// tokensOf is tokens of any kind.
func (s *server) tokensOf(params otp.Params, names ...string) []*person {
	s.t.Helper()
	all := make([]*person, len(names))
	var wg sync.WaitGroup
	lanes := make(chan struct{}, 4)
	for i, name := range names {
		key := make([]byte, params.Algorithm.KeySize())
		rand.Read(key)
		all[i] = &person{t: s.t, name: name, id: "serial-" + rand8(), key: key, params: params, spent: -1}
		lanes <- struct{}{}
		wg.Go(func() {
			defer func() { <-lanes }()
			if r := s.try("", "account", "add", name, "--json"); r.Exit != 0 {
				s.t.Errorf("account add %s: %s", name, r.Err)
			}
		})
	}
	wg.Wait()
	s.importTokens(all...)
	return all
}

// importTokens imports the tokens that people hold from one PSKC file.
func (s *server) importTokens(people ...*person) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "tokens.pskcxml")
	if err := os.WriteFile(file, []byte(seeds(people...)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if r := s.try("", "authenticator", "import", file, "--json"); r.Exit != 0 {
		s.t.Fatalf("import: exit code %d\n%s%s", r.Exit, r.Out, r.Err)
	}
}

// seeds writes the tokens of people as a PSKC file (RFC 6030, Section 5).
func seeds(people ...*person) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
`)
	for _, p := range people {
		kind, moving := "hotp", fmt.Sprintf("<Counter><PlainValue>%d</PlainValue></Counter>", p.spent+1)
		if p.params.Period > 0 {
			kind, moving = "totp", fmt.Sprintf("<TimeInterval><PlainValue>%d</PlainValue></TimeInterval>", int(p.params.Period/time.Second))
		}
		suite := ""
		if p.params.Algorithm != otp.SHA1 {
			suite = "<Suite>HMAC-" + p.params.Algorithm.String() + "</Suite>"
		}
		fmt.Fprintf(&b, `  <KeyPackage>
    <DeviceInfo><Manufacturer>oath.TEST</Manufacturer><SerialNo>%[1]s</SerialNo></DeviceInfo>
    <Key Id="%[1]s" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:%[2]s">
      <AlgorithmParameters>%[3]s<ResponseFormat Length="%[4]d" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data><Secret><PlainValue>%[5]s</PlainValue></Secret>%[6]s</Data>
      <UserId>%[7]s</UserId>
    </Key>
  </KeyPackage>
`, p.id, kind, suite, p.params.Digits, base64.StdEncoding.EncodeToString(p.key), moving, p.name)
	}
	b.WriteString("</KeyContainer>\n")
	return b.String()
}

// code returns a code that was not handed out before and that works now. A
// TOTP authenticator has two of them: that of the current step and the next,
// which is within the drift. There it stays valid long enough for any test.
func (p *person) code() string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.params.Period == 0 {
		p.spent++
		return otp.HOTP(p.key, uint64(p.spent), p.params)
	}
	now := p.params.Step(time.Now())
	step := max(p.spent+1, now)
	if step > now+1 {
		p.t.Fatalf("%s has no code left for now; enrol another person", p.name)
	}
	p.spent = step
	return p.at(step)
}

// at is the code of a step or counter.
func (p *person) at(step int64) string { return otp.HOTP(p.key, uint64(step), p.params) }

// wrong returns a code that the authenticator shows at no time near now.
func (p *person) wrong() string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	near := p.spent
	if p.params.Period > 0 {
		near = p.params.Step(time.Now())
	}
	shown := make(map[string]bool)
	for step := max(0, near-60); step <= near+60; step++ {
		shown[p.at(step)] = true
	}
	for n := 0; ; n++ {
		code := fmt.Sprintf("%0*d", p.params.Digits, (123457*(n+1))%pow10(p.params.Digits))
		if !shown[code] {
			return code
		}
	}
}

// old returns a code that the authenticator showed some minutes ago and that
// it does not show near now.
func (p *person) old() string {
	p.t.Helper()
	now := p.params.Step(time.Now())
	for step := now - 8; step > now-18; step-- {
		code, again := p.at(step), false
		for near := now - 3; near <= now+3; near++ {
			again = again || p.at(near) == code
		}
		if !again {
			return code
		}
	}
	p.t.Fatal("ten codes in a row come again")
	return ""
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}
