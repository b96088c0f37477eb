//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/radius"
)

const ownDomains = `
domains: [CORP, corp.example.com]
`

// However a name is spelled, it is the one account with its second factor, or
// nobody: never an account without one (FortiOS CVE-2020-12812, Authelia
// CVE-2026-47203, Vault CVE-2025-6013 and OpenBao CVE-2025-55001). What fails
// under one spelling counts under all (Vault CVE-2025-6004 and OpenBao
// CVE-2025-54998).
func TestNameVariants(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: ownDomains + patientLimits})
	ask, add := s.client("asking"), s.client("appending", "--mode", "append")
	p := s.account("alice", "--alias", "a.liddell")
	s.bind(p)

	same := []string{
		"alice", "Alice", "ALICE", "aLiCe", " alice", "alice ", "  Alice\u00a0", "\u3000alice",
		`CORP\alice`, `corp\ALICE`, `CORP \ alice`, "alice@corp.example.com", "ALICE@CORP.EXAMPLE.COM", "alice @ corp.example.com",
		"a.liddell", "A.Liddell", `corp\A.LIDDELL`,
		"ａｌｉｃｅ", "ＡＬＩＣＥ", "alic\u2147", // full width; compatibility form of e
	}
	failures := 0
	for _, name := range same {
		a := ask.ask(name, p.password, nil)
		if a.verdict() != "challenge" {
			t.Errorf("%q with the right password: %v; want the challenge of alice", name, a)
		}
		add.ask(name, p.password+","+p.wrong(), nil).want(t, "reject")
		failures++
	}
	shown := record[struct {
		Name     string
		Failures struct{ Password, Code int }
	}](t, s.do("", "account", "show", `CORP\Alice`, "--json"))
	if shown.Name != "alice" || shown.Failures.Code != failures {
		t.Errorf("%s has %d failures; want alice and %d: every spelling counts", shown.Name, shown.Failures.Code, failures)
	}
	for _, ev := range s.events() {
		if ev.Account != "alice" {
			t.Errorf("an event names %q; want alice", ev.Account)
		}
	}

	others := []string{
		"", " ", "\t", "\x00", "alice\x00", "\x00alice", "alice\n", "ali\tce", "ali ce", "alicee", "alic", "al\u00edce",
		"al\u0456ce", "\u202ealice", "ali\u200bce", "alice\u200d", "alice\ufe0f", // Cyrillic, bidi, zero width, variation selector
		"\xff\xfe", "alice\xff", "alice;", "alice,", "alice'--", `alice" OR "1"="1`, "*", "al*", "(cn=alice)", `alice\2a`, "alice)(uid=*",
		`OTHER\alice`, "alice@evil.example", "alice@corp.example.com@corp.example.com", `CORP\alice@corp.example.com`, `CORP\CORP\alice`,
		`\alice`, `CORP\`, "@corp.example.com", "alice@", "../alice", "alice/", "%61lice", "alice%00", "${alice}",
	}
	code := p.code()
	for _, name := range others {
		started := time.Now()
		if a := ask.ask(name, p.password, nil); a.verdict() != "reject" {
			t.Errorf("%q with alice's password: %v; want reject", name, a)
		}
		if a := add.ask(name, p.password+","+code, nil); a.verdict() != "reject" {
			t.Errorf("%q with alice's password and code: %v; want reject", name, a)
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%q took %v", name, took)
		}
	}
	// None of this has cost alice her code.
	add.ask("alice", p.password+","+code, nil).want(t, "accept")
}

// A user name of one space is a name that nobody has, and no reason to hang
// (privacyIDEA PYSEC-2018-20).
func TestNameOfOneSpace(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn")
	for _, name := range []string{" ", "   ", "", "\t"} {
		a := n.dial().askFor(n.request(name, "password", nil), 10*time.Second).want(t, "reject")
		if why := s.why(a.reference()); why.Outcome != "name-unreadable" {
			t.Errorf("%q: %s; want name-unreadable", name, why.Outcome)
		}
	}
}

// Long names are whole names: after a right login with one, a wrong password
// is wrong and a longer name is another (Okta, 2024: a name of 52 characters
// and more let any password in). User-Name holds 253 octets, so that longer
// ones can only be tried as several attributes.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	n := s.client("vpn", "--mode", "append")
	for _, length := range []int{51, 52, 53, 72, 73, 253} {
		name := strings.Repeat("n", length-4) + fmt.Sprintf(".%03d", length)
		// Labels in authenticator apps are shorter than names can be.
		p := s.account(name)
		p.params, p.key, p.id = appToken, []byte("twenty octets of key"), "serial-"+rand8()
		s.importTokens(p)
		n.ask(name, p.password+","+p.code(), nil).want(t, "accept")
		for what, l := range map[string]login{
			"a wrong password":            {name, "wrong," + p.code()},
			"an empty password":           {name, "," + p.wrong()},
			"a shorter name":              {name[:length-1], p.password + "," + p.wrong()},
			"another of the same length":  {"m" + name[1:], p.password + "," + p.wrong()},
			"the same name, a wrong code": {name, p.password + "," + p.wrong()},
		} {
			if a := n.ask(l.name, l.field, nil); a.verdict() != "reject" {
				t.Errorf("name of %d octets, %s: %v; want reject", length, what, a)
			}
		}
	}
	for _, length := range []int{255, 1024} {
		var parts []radius.Attribute
		for rest := strings.Repeat("n", length); rest != ""; {
			part := rest[:min(len(rest), 200)]
			rest = rest[len(part):]
			parts = append(parts, radius.Text(radius.UserName, part))
		}
		q := n.unsigned("", "password,123456", nil)
		q.Attributes = append(parts, q.Attributes[1:]...)
		if a := n.dial().ask(n.sign(q)); a.verdict() != "reject" {
			t.Errorf("name of %d octets in %d attributes: %v; want reject", length, len(parts), a)
		}
	}
	for length, want := range map[int]int{255: 0, 256: 1, 1024: 1} {
		if r := s.try("", "account", "add", strings.Repeat("x", length)); r.Exit != want {
			t.Errorf("account add with a name of %d octets: exit code %d; want %d: %s", length, r.Exit, want, r.Err)
		}
	}
}

// The whole password is verified, at the lengths at which some hashes stop
// reading, and nothing that only looks like one (go-ldap CVE-2017-14623: an
// empty password was a success).
func TestPasswords(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	n := s.client("vpn")
	for _, length := range []int{16, 72, 73, 128} {
		p := &person{t: t, name: fmt.Sprintf("person-%d", length), password: strings.Repeat("p", length-1) + "q"}
		s.do(p.password+"\n", "account", "add", p.name, "--password-stdin")
		s.bind(p)
		n.ask(p.name, p.password, nil).want(t, "challenge")
		for _, wrong := range []string{
			"", " ", "\x00", "\x00" + p.password[:length-1], p.password[:length-1], p.password[:length/2], p.password[:min(length-1, 72)],
			strings.ToUpper(p.password), p.password[:length-1] + "p", p.password[:length-1] + " ", p.code(),
		} {
			if a := n.ask(p.name, wrong, nil); a.verdict() != "reject" {
				t.Errorf("password of %d octets: %q was met with %v; want reject", length, wrong, a)
			}
		}
	}
}

// Only both factors together let anybody in (ZITADEL CVE-2025-64103), and no
// step is passed with fields that are empty, missing, repeated or too many
// (authentik CVE-2026-49448, PingID CVE-2023-39930).
func TestOnlyBothFactorsTogether(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	ask, add := s.client("asking"), s.client("appending", "--mode", "append")
	p := s.enrol("alice")
	other := s.enrol("bob")
	codes := s.recoveryCodes(p)
	password := func() []byte { return ask.ask(p.name, p.password, nil).want(t, "challenge").state() }
	hidden := func(q *radius.Packet, text string) radius.Attribute {
		v, err := ask.key().HidePassword(nil, []byte(text), q.Authenticator)
		if err != nil {
			t.Fatal(err)
		}
		return radius.Attribute{Type: radius.UserPassword, Value: v}
	}
	code := p.code() // good all the time: nothing below may spend it
	request := func(name, field string, state []byte, change func(q *radius.Packet)) answer {
		q := ask.unsigned(name, field, state)
		change(q)
		return ask.dial().ask(ask.sign(q))
	}
	drop := func(typ radius.Type) func(*radius.Packet) {
		return func(q *radius.Packet) {
			for i, at := range q.Attributes {
				if at.Type == typ {
					q.Attributes = append(q.Attributes[:i:i], q.Attributes[i+1:]...)
					return
				}
			}
		}
	}
	same := func(*radius.Packet) {}
	for _, tt := range []struct {
		name string
		got  func() answer
		want string // "" for silence
	}{
		{"the code alone", func() answer { return ask.ask(p.name, code, nil) }, "reject"},
		{"a recovery code alone", func() answer { return ask.ask(p.name, codes[0], nil) }, "reject"},
		{"the code alone, appended to nothing", func() answer { return add.ask(p.name, ","+code, nil) }, "reject"},
		{"the password alone, and nothing appended", func() answer { return add.ask(p.name, p.password+",", nil) }, "reject"},
		{"the password alone, where it is asked for more", func() answer { return ask.ask(p.name, p.password, nil) }, "challenge"},
		{"the password again as the answer", func() answer { return ask.ask(p.name, p.password, password()) }, "reject"},
		{"an empty answer", func() answer { return ask.ask(p.name, "", password()) }, "reject"},
		{"no answer", func() answer { return request(p.name, "", password(), drop(radius.UserPassword)) }, "reject"},
		{"an answer without a name", func() answer { return request(p.name, code, password(), drop(radius.UserName)) }, "reject"},
		{"the answer of another person", func() answer { return ask.ask(other.name, other.code(), password()) }, "reject"},
		{"another person's code", func() answer { return ask.ask(p.name, other.code(), password()) }, "reject"},
		{"an empty State", func() answer { return ask.ask(p.name, code, []byte{}) }, "reject"},
		{"a State with one bit changed", func() answer {
			state := append([]byte(nil), password()...)
			state[3] ^= 4
			return ask.ask(p.name, code, state)
		}, "reject"},
		{"a State cut short", func() answer { return ask.ask(p.name, code, password()[:15]) }, "reject"},
		{"two States", func() answer {
			return request(p.name, code, password(), func(q *radius.Packet) { q.Add(radius.State, password()) })
		}, "reject"},
		{"two passwords", func() answer {
			return request(p.name, p.password, nil, func(q *radius.Packet) { q.Attributes = append(q.Attributes, hidden(q, code)) })
		}, "reject"},
		{"two names", func() answer {
			return request(other.name, code, password(), func(q *radius.Packet) { q.Add(radius.UserName, []byte(p.name)) })
		}, "reject"},
		{"the code and a CHAP-Password", func() answer {
			return request(p.name, code, password(), func(q *radius.Packet) { q.Add(radius.CHAPPassword, make([]byte, 17)) })
		}, "reject"},
		{"the code and MS-CHAPv2", func() answer {
			return request(p.name, code, password(), func(q *radius.Packet) {
				a, err := radius.VendorAttribute(radius.VendorMicrosoft, 25, make([]byte, 50))
				if err != nil {
					t.Fatal(err)
				}
				q.Attributes = append(q.Attributes, a)
			})
		}, "reject"},
		{"the code and EAP", func() answer { // silently discarded: RFC 3579, Section 3.3
			q := ask.unsigned(p.name, code, password())
			q.Add(radius.EAPMessage, []byte{2, 1, 0, 10, 1, 'a', 'l', 'i', 'c', 'e'})
			return ask.dial().askFor(ask.sign(q), quiet)
		}, ""},
		{"CHAP alone", func() answer {
			return request(p.name, "", nil, func(q *radius.Packet) {
				drop(radius.UserPassword)(q)
				q.Add(radius.CHAPPassword, make([]byte, 17))
			})
		}, "reject"},
		{"EAP alone", func() answer {
			return request(p.name, "", nil, func(q *radius.Packet) {
				drop(radius.UserPassword)(q)
				q.Add(radius.EAPMessage, []byte{2, 1, 0, 10, 1, 'a', 'l', 'i', 'c', 'e'})
			})
		}, "reject"},
		{"nothing at all", func() answer {
			return request("", "", nil, func(q *radius.Packet) { q.Attributes = nil })
		}, "reject"},
		{"the right answer", func() answer { return request(p.name, code, password(), same) }, "accept"},
	} {
		if a := tt.got(); a.verdict() != tt.want {
			why := ""
			if a.reference() != "" {
				why = s.why(a.reference()).Label
			}
			t.Errorf("%s: %v (%s); want %s", tt.name, a, why, tt.want)
		}
	}
}
