//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/otp"
)

// failures is how often an account has failed in a row, and whether it waits.
func (s *server) failures(name string) (password, code int, stopped bool) {
	s.t.Helper()
	v := record[struct {
		Failures struct {
			Password, Code int
			Stopped        bool
		}
	}](s.t, s.do("", "account", "show", name, "--json"))
	return v.Failures.Password, v.Failures.Code, v.Failures.Stopped
}

func limitsOf(free, stop int) string {
	return fmt.Sprintf("throttle:\n  password: {free: %[1]d, stop: %[2]d}\n  second_factor: {free: %[1]d, stop: %[2]d}\n", free, stop)
}

// outcomeOf is the outcome of a refused login, by its reference.
func (s *server) outcomeOf(a answer) string {
	s.t.Helper()
	a.want(s.t, "reject")
	return s.why(a.reference()).Outcome
}

// The limit is what is set, at two values of it (xrdp CVE-2024-39917: a
// setting that did nothing), and at the one that is installed (ZITADEL
// CVE-2024-32868: off by default, and missing for second factors).
func TestLimitsAreInForce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, config string
		free         int
	}{{"3", limitsOf(3, 50), 3}, {"5", limitsOf(5, 50), 5}, {"as installed", "", 10}} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, setup{Config: tt.config})
			ask, pass := s.client("asking"), s.client("passing", "--password", "none")
			codes, passwords := s.enrol("codes"), s.enrol("passwords")
			for i := range tt.free {
				if got := s.outcomeOf(pass.ask(codes.name, codes.wrong(), nil)); got != "oath-code-incorrect" {
					t.Errorf("code %d: %s; want it judged", i+1, got)
				}
				if got := s.outcomeOf(ask.ask(passwords.name, "wrong", nil)); got != "password-wrong" {
					t.Errorf("password %d: %s; want it judged", i+1, got)
				}
			}
			if got := s.outcomeOf(pass.ask(codes.name, codes.code(), nil)); got != "throttled" {
				t.Errorf("right code after %d wrong ones: %s; want throttled", tt.free, got)
			}
			if got := s.outcomeOf(ask.ask(passwords.name, passwords.password, nil)); got != "throttled" {
				t.Errorf("right password after %d wrong ones: %s; want throttled", tt.free, got)
			}
			// Nor does the other way in help.
			if got := s.outcomeOf(ask.ask(codes.name, codes.password, nil)); got != "throttled" {
				t.Errorf("password of an account whose codes wait: %s; want throttled", got)
			}
		})
	}
}

// A stop holds after a restart and after a crash, for the right code and
// password too, and only a person lifts it (Vikunja CVE-2026-35597: the lock
// was written in the transaction that the failing login rolled back).
func TestStopOutlivesRestarts(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: limitsOf(4, 4)})
	n := s.client("vpn", "--mode", "append")
	p := s.enrol("alice")
	right := p.password + "," + p.code()
	for i := range 4 {
		n.ask(p.name, p.password+","+p.wrong(), nil).want(t, "reject")
		if i == 1 {
			s.kill() // two failures are on disk already
			s.begin()
		}
	}
	for _, end := range []func(){func() {}, s.stop, s.kill} {
		end()
		if !s.running() {
			s.begin()
		}
		if got := s.outcomeOf(n.ask(p.name, right, nil)); got != "hard-stopped" {
			t.Errorf("right password and code after the stop: %s; want hard-stopped", got)
		}
	}
	if _, codes, stopped := s.failures(p.name); codes != 4 || !stopped {
		t.Errorf("the account shows %d failures, stopped %t; want 4 and true", codes, stopped)
	}
	s.do("", "account", "unlock", p.name)
	n.ask(p.name, right, nil).want(t, "accept")
}

// Failures are not forgotten because of others: not of many other names
// between (Argo CD CVE-2024-21662), not of another factor's success, not of a
// new challenge, another client or another port (AuthQuake; Vault
// CVE-2025-6015).
func TestFailuresAreNotForgotten(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: limitsOf(6, 50)})
	ask, pass := s.client("asking"), s.client("passing", "--password", "none", "--rate", "100000")
	p := s.enrol("alice")
	wrong := func(what string, want int) {
		t.Helper()
		if _, codes, _ := s.failures(p.name); codes != want {
			t.Errorf("after %s: %d failures; want %d", what, codes, want)
		}
	}
	state := ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	ask.ask(p.name, p.wrong(), state).want(t, "reject")
	wrong("a wrong answer", 1)
	state = ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	wrong("a new challenge, and the right password", 1)
	ask.ask(p.name, p.wrong(), state).want(t, "reject")
	wrong("a wrong answer to it", 2)
	pass.ask(p.name, p.wrong(), nil).want(t, "reject")
	wrong("a wrong code through another client", 3)
	flood(t, pass, 3000)
	wrong("3,000 other names", 3)
	s.recoveryCodes(p)
	wrong("new recovery codes", 3)
	s.do("", "account", "disable", p.name)
	s.do("", "account", "enable", p.name)
	wrong("disabling and enabling", 3)
	s.stop()
	s.begin()
	wrong("a restart", 3)
	pass.ask(p.name, p.code(), nil).want(t, "accept")
	wrong("a whole login", 0)
}

// flood lets n names that nobody has fail, a hundred at a time.
func flood(t *testing.T, nas *nas, n int) {
	t.Helper()
	k := nas.dial()
	defer k.close()
	for done := 0; done < n; {
		sent := make(map[byte]question)
		for range min(100, n-done) {
			q := nas.request(fmt.Sprintf("nobody-%d", done), "123456", nil)
			q.packet.Identifier = byte(len(sent))
			q = nas.sign(q.packet)
			sent[q.packet.Identifier] = q
			k.send(q.octets)
			done++
		}
		for len(sent) > 0 {
			b := k.receive(patience)
			if b == nil {
				t.Fatalf("%d of %d names got no answer", len(sent), n)
			}
			nas.read(b, sent[b[1]]).want(t, "reject")
			delete(sent, b[1])
		}
	}
}

// Names that nobody has are counted and stopped like accounts, and forged
// claims of the packet change nothing about the count (Fleet CVE-2026-24000).
func TestUnknownNamesWaitToo(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: limitsOf(3, 50)})
	n := s.client("vpn")
	for i := range 3 {
		q := n.unsigned([]string{"nobody", "NOBODY", `any\nobody`}[i], "wrong", nil)
		q.Add(31, []byte("10.0.0."+fmt.Sprint(i))) // Calling-Station-Id
		q.Add(4, []byte{10, 0, 0, byte(i)})        // NAS-IP-Address
		if got := s.outcomeOf(n.dial().ask(n.sign(q))); got != "user-not-found" {
			t.Errorf("try %d: %s; want user-not-found", i+1, got)
		}
	}
	if got := s.outcomeOf(n.ask("nobody", "wrong", nil)); got != "throttled" {
		t.Errorf("after three spellings of a name that nobody has: %s; want throttled", got)
	}
}

// spellings are ways of typing the same digits.
func spellings(code string) []string {
	var all []string
	pad := []string{"", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "-", "+", "0", "\x00", "\ufeff", "\u200b", ".", ","}
	for _, before := range pad {
		for _, after := range pad {
			all = append(all, before+code+after)
		}
	}
	for _, gap := range pad[1:] {
		all = append(all, code[:3]+gap+code[3:], strings.Join(strings.Split(code, ""), gap))
	}
	var wide, arabic strings.Builder
	for _, d := range code {
		wide.WriteRune('\uff10' + d - '0')
		arabic.WriteRune('\u0660' + d - '0')
	}
	return append(all, wide.String(), arabic.String(), "0x"+code, code+"e0", strings.Repeat(code, 2))
}

// A code that was accepted is used up in every spelling of it (OpenBao
// CVE-2025-55000 and Vault CVE-2025-6014: the mark was put on the typed text),
// through every client, after a restart and after a crash (Gitea
// CVE-2021-45331, nebula-mesh GHSA-v2jf-442r-6mjh, Vikunja CVE-2026-33473).
func TestCodeWorksOnceHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	pass, add := s.client("passing", "--password", "none", "--rate", "100000"), s.client("appending", "--mode", "append")
	p := s.enrol("alice")
	code := p.code()
	pass.ask(p.name, code[:3]+" "+code[3:], nil).want(t, "accept")
	k := pass.dial()
	tried := 0
	try := func(typed string) {
		t.Helper()
		if tried%80 == 79 {
			s.do("", "account", "unlock", p.name)
		}
		tried++
		if a := k.ask(pass.request(p.name, typed, nil)); a.verdict() != "reject" {
			t.Errorf("%q after %s was accepted: %v", typed, code, a)
		}
	}
	for _, typed := range spellings(code) {
		try(typed)
	}
	if tried < 200 {
		t.Errorf("only %d spellings", tried)
	}
	add.ask(p.name, p.password+","+code, nil).want(t, "reject")
	s.kill()
	s.begin()
	try(code)
	s.stop()
	s.begin()
	try(code)
}

// Codes of every length but the right one are refused (npm otpauth before
// 3.2.8 took codes of one digit).
func TestCodesOfOtherLengths(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	n := s.client("passing", "--password", "none")
	p := s.enrol("alice")
	right := p.code()
	digits := right + "00000000000000"
	for length := range 21 {
		typed := digits[:length]
		if length == len(right) || length == 0 {
			continue
		}
		if a := n.ask(p.name, typed, nil); a.verdict() != "reject" {
			t.Errorf("a code of %d digits: %v", length, a)
		}
	}
	n.ask(p.name, right, nil).want(t, "accept")
}

// A code is accepted in its own step and one before and after it, and at no
// other time: what is set is what is measured (Keycloak CVE-2024-7318 took
// codes for twice as long).
func TestAcceptanceWindow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config string
		drift  int64
	}{{patientLimits, 1}, {patientLimits + "totp: {drift_steps: 0}\n", 0}} {
		s := start(t, setup{Config: tt.config})
		n := s.client("passing", "--password", "none")
		params := otp.Params{Digits: 6, Period: time.Minute} // long steps, so that a test fits into one
		for {
			people := s.tokensOf(params, fmt.Sprintf("a%s", rand8()), fmt.Sprintf("b%s", rand8()), fmt.Sprintf("c%s", rand8()),
				fmt.Sprintf("d%s", rand8()), fmt.Sprintf("e%s", rand8()), fmt.Sprintf("f%s", rand8()), fmt.Sprintf("g%s", rand8()))
			now := params.Step(time.Now())
			got := make(map[int64]string)
			for i, p := range people {
				offset := int64(i) - 3
				got[offset] = n.ask(p.name, p.at(now+offset), nil).verdict()
			}
			if params.Step(time.Now()) != now {
				continue // a step ended meanwhile: nothing can be said
			}
			for offset, verdict := range got {
				want := "reject"
				if -tt.drift <= offset && offset <= tt.drift {
					want = "accept"
				}
				if verdict != want {
					t.Errorf("drift %d, a code of step now%+d: %s; want %s", tt.drift, offset, verdict, want)
				}
			}
			break
		}
	}
}

// Recovery codes belong to one account, work once, and end with the sheet and
// with the last second factor; without one there are none (Gogs
// CVE-2025-64175, SFTPGo CVE-2022-36071).
func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	n := s.client("passing", "--password", "none")
	bare := s.account("bare")
	if r := s.try("", "authenticator", "recovery-codes", bare.name); r.Exit != 1 || !strings.Contains(r.Err, "no second factor") {
		t.Errorf("recovery codes for an account without a second factor: exit code %d, %s", r.Exit, r.Err)
	}
	alice, bob := s.enrol("alice"), s.enrol("bob")
	old := s.recoveryCodes(alice)
	codes := s.recoveryCodes(alice)
	others := s.recoveryCodes(bob)
	n.ask(alice.name, codes[0], nil).want(t, "accept")
	for what, code := range map[string]string{"used": codes[0], "of an older sheet": old[1], "of another account": others[0]} {
		if a := n.ask(alice.name, code, nil); a.verdict() != "reject" {
			t.Errorf("a recovery code %s: %v", what, a)
		}
	}
	n.ask(bob.name, others[0], nil).want(t, "accept")
	n.ask(bob.name, strings.ReplaceAll(strings.ToLower(others[0]), "-", ""), nil).want(t, "reject")
	s.do("", "authenticator", "revoke", bob.id, "--yes")
	n.ask(bob.name, others[1], nil).want(t, "reject")
	s.bind(bob)
	n.ask(bob.name, others[1], nil).want(t, "reject")
}
