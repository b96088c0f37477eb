//go:build linux

package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/radius"
)

// A scene is one server with what the provocations below need.
type scene struct {
	*server
	ask, pass *nas // verifies passwords and asks for codes; takes codes alone
	add       *nas // takes password,code in one field
}

// elsewhere makes a client of an application of its own, for provocations that
// change the policy.
func (s *scene) elsewhere(flags ...string) (n *nas, application string) {
	s.t.Helper()
	application = "app-" + strings.ToLower(rand8())
	s.do("", "application", "add", application)
	n = &nas{t: s.t, name: "of-" + application, from: newSource(), server: s.addr, secret: "the shared secret of " + application}
	args := []string{"client", "add", n.name, "--application", application, "--source", n.from.String(), "--secret-stdin"}
	s.do(n.secret+"\n", append(args, flags...)...)
	return n, application
}

// remembered logs a person in with a code where a cache rule of that kind
// remembers it, and returns what the next login gets.
func (s *scene) remembered(kind string) answer {
	s.t.Helper()
	n, application := s.elsewhere()
	s.do("", "cache", "add", application, "--type", kind, "--seconds", "60")
	p, at := s.enrol(""), station("192.0.2.77")
	state := n.ask(p.name, p.password, nil, at).want(s.t, "challenge").state()
	n.ask(p.name, p.code(), state, at).want(s.t, "accept")
	return n.ask(p.name, p.password, nil, at)
}

// limits are short, so that a provocation needs few logins: nothing else
// differs from what is installed.
const limits = `
throttle:
  password: {free: 2, stop: 2}
  second_factor: {free: 2, stop: 50}
challenge_lifetime: 30s
`

func newScene(t testing.TB) *scene {
	s := start(t, setup{Config: limits})
	return &scene{
		server: s,
		ask:    s.client("asking"),
		add:    s.client("appending", "--mode", "append"),
		pass:   s.client("passing", "--password", "none"),
	}
}

// in returns s for a subtest.
func (s *scene) in(t testing.TB) *scene {
	return &scene{server: s.server.in(t), ask: s.ask.in(t), pass: s.pass.in(t), add: s.add.in(t)}
}

// provocations is how each outcome is brought about through the RADIUS door.
// The answer is what the NAS got.
var provocations = []struct {
	outcome auth.Outcome
	how     string
	do      func(t *testing.T, s *scene) answer
}{
	{auth.OATHCodePending, "the right password at a client that can ask", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.ask.ask(p.name, p.password, nil)
	}},
	{auth.OATHCodeVerified, "password and code in one field", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.add.ask(p.name, p.password+","+p.code(), nil)
	}},
	{auth.RecoveryCodeVerified, "a recovery code as the answer to the challenge", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		codes := s.recoveryCodes(p)
		state := s.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
		return s.ask.ask(p.name, strings.ToLower(codes[3]), state)
	}},

	{auth.UserNotFound, "a name that nobody has", func(t *testing.T, s *scene) answer {
		return s.ask.ask("nobody-"+rand8(), "whatever", nil)
	}},
	{auth.UserDisabled, "an account that was disabled", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.do("", "account", "disable", p.name)
		return s.add.ask(p.name, p.password+","+p.code(), nil)
	}},
	{auth.UserBlocked, "an account that was blocked", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.do("", "account", "block", p.name, "--reason", "on leave")
		return s.add.ask(p.name, p.password+","+p.code(), nil)
	}},
	{auth.UserIncomplete, "the right password of an account without a second factor", func(t *testing.T, s *scene) answer {
		p := s.account("")
		return s.ask.ask(p.name, p.password, nil)
	}},
	{auth.NameUnreadable, "a name with a control character", func(t *testing.T, s *scene) answer {
		return s.ask.ask("ali\x01ce", "whatever", nil)
	}},

	{auth.PasswordWrong, "a wrong password", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.ask.ask(p.name, "not "+p.password, nil)
	}},
	{auth.PasswordMissing, "an empty password", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.ask.ask(p.name, "", nil)
	}},
	{auth.PasswordNotSet, "an account without password at a client whose passwords we check", func(t *testing.T, s *scene) answer {
		p := s.tokens("token-" + strings.ToLower(rand8()))[0]
		return s.ask.ask(p.name, "whatever", nil)
	}},

	{auth.OATHCodeIncorrect, "a code of no time near now", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.add.ask(p.name, p.password+","+p.wrong(), nil)
	}},
	{auth.DuplicateOATHCode, "a code that was accepted before", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		code := p.code()
		s.pass.ask(p.name, code, nil).want(t, "accept")
		return s.pass.ask(p.name, code, nil)
	}},
	{auth.OATHCodeOutOfDate, "a code of some minutes ago", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.pass.ask(p.name, p.old(), nil)
	}},
	{auth.CodeMissing, "a password without a code where both come in one field", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.add.ask(p.name, p.password, nil)
	}},
	{auth.CodeNotRecognized, "a word where a code should be", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.add.ask(p.name, p.password+",push", nil)
	}},
	{auth.RecoveryCodeWrong, "a recovery code that is on no sheet", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.recoveryCodes(p)
		return s.pass.ask(p.name, "00000-00000", nil)
	}},
	{auth.RecoveryCodeUsed, "a recovery code for the second time", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		code := s.recoveryCodes(p)[0]
		s.pass.ask(p.name, code, nil).want(t, "accept")
		return s.pass.ask(p.name, code, nil)
	}},

	{auth.Throttled, "a third code after two wrong ones, where two are free", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.pass.ask(p.name, p.wrong(), nil).want(t, "reject")
		s.pass.ask(p.name, p.wrong(), nil).want(t, "reject")
		return s.pass.ask(p.name, p.code(), nil)
	}},
	{auth.AccountLocked, "the right password after two wrong ones, where two are the stop", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.ask.ask(p.name, "wrong one", nil).want(t, "reject")
		s.ask.ask(p.name, "wrong two", nil).want(t, "reject")
		return s.ask.ask(p.name, p.password, nil)
	}},
	{auth.TooManyAtOnce, "a hundred passwords for one account at once", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return crowd(t, s, p, 100)
	}},

	{auth.ChallengeExpired, "an answer after the challenge's life, through a restart", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		state := s.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
		over := time.Now().Add(30*time.Second + 100*time.Millisecond) // 30 s is the least that can be set
		s.stop()
		s.begin()
		time.Sleep(time.Until(over)) // challenge_lifetime has to pass
		return s.ask.ask(p.name, p.code(), state)
	}},
	{auth.ChallengeUnknown, "a State that was never given out", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		return s.ask.ask(p.name, p.code(), []byte("0123456789abcdef"))
	}},
	{auth.ChallengeElsewhere, "the State of another client", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		state := s.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
		return s.pass.ask(p.name, p.code(), state)
	}},

	{auth.UsedCacheUser, "a login after one at an application that remembers people", func(_ *testing.T, s *scene) answer {
		return s.remembered("user")
	}},
	{auth.UsedCacheApplication, "a login after one at an application that remembers people for itself", func(_ *testing.T, s *scene) answer {
		return s.remembered("user+application")
	}},
	{auth.UsedCacheIP, "a login after one from the same address", func(_ *testing.T, s *scene) answer {
		return s.remembered("user+application+ip")
	}},
	{auth.BypassedAuth, "a password while a one-time bypass is open", func(_ *testing.T, s *scene) answer {
		p := s.enrol("")
		s.do("", "bypass", "add", p.name, "--reason", "lost phone")
		return s.ask.ask(p.name, p.password, nil)
	}},
	{auth.TrustedAddress, "a password from a trusted network", func(_ *testing.T, s *scene) answer {
		n, application := s.elsewhere()
		s.do("", "trusted-ip", "add", application, "192.0.2.0/28")
		p := s.enrol("")
		return n.ask(p.name, p.password, nil, station("192.0.2.9"))
	}},
	{auth.SkippedCall, "a password where a rule asks for no more", func(_ *testing.T, s *scene) answer {
		n, application := s.elsewhere()
		s.do("", "rule", "add", "only-"+application, "--application", application, "--need", "primary")
		p := s.enrol("")
		return n.ask(p.name, p.password, nil)
	}},
	{auth.PolicyRefused, "the right password where a rule refuses", func(_ *testing.T, s *scene) answer {
		n, application := s.elsewhere()
		s.do("", "rule", "add", "no-"+application, "--application", application, "--need", "refuse")
		p := s.enrol("")
		return n.ask(p.name, p.password, nil)
	}},
	{auth.EnrolmentRequired, "the right password of a person without a second factor where a rule has such people enrol", func(_ *testing.T, s *scene) answer {
		n, application := s.elsewhere()
		s.do("", "rule", "add", "enrol-"+application, "--application", application, "--unenrolled", "enrol")
		p := s.account("")
		return n.ask(p.name, p.password, nil)
	}},
	{auth.AuthInProgress, "a password at a client that cannot ask, from elsewhere, while a login is open", func(t *testing.T, s *scene) answer {
		p := s.enrol("")
		s.ask.ask(p.name, p.password, nil, station("192.0.2.1")).want(t, "challenge")
		return s.add.ask(p.name, p.password, nil, station("192.0.2.2"))
	}},

	{auth.ClientUnknown, "a source that belongs to no client", func(t *testing.T, s *scene) answer {
		stranger := *s.ask
		stranger.from = newSource()
		stranger.silent(stranger.request("alice", "whatever", nil).octets)
		return answer{}
	}},
	{auth.SharedSecretMismatch, "a Message-Authenticator made with another secret", func(t *testing.T, s *scene) answer {
		other := *s.ask
		other.secret = "a secret that differs from it"
		other.silent(other.request("alice", "whatever", nil).octets)
		return answer{}
	}},
	{auth.MessageAuthenticatorMissing, "an Access-Request without Message-Authenticator", func(t *testing.T, s *scene) answer {
		octets, err := s.ask.unsigned("alice", "whatever", nil).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.ask.silent(octets)
		return answer{}
	}},
	{auth.PacketMalformed, "an attribute of length 0", func(t *testing.T, s *scene) answer {
		octets := s.ask.request("alice", "whatever", nil).octets
		octets[21] = 0
		s.ask.silent(octets)
		return answer{}
	}},
	{auth.RequestNotSupported, "an Accounting-Request", func(t *testing.T, s *scene) answer {
		octets, err := radius.NewRequest(radius.AccountingRequest).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.ask.silent(octets)
		return answer{}
	}},
	{auth.ProtocolNotSupported, "CHAP", func(t *testing.T, s *scene) answer {
		p := radius.NewRequest(radius.AccessRequest)
		p.Add(radius.UserName, []byte("alice"))
		p.Add(radius.CHAPPassword, make([]byte, 17))
		return s.ask.dial().ask(s.ask.sign(p))
	}},
	{auth.ClientRateLimited, "more requests than the client's rate", func(t *testing.T, s *scene) answer {
		slow := s.client("slow-"+rand8(), "--rate", "1", "--password", "none")
		k := slow.dial()
		for range 20 {
			k.send(slow.request("alice", "123456", nil).octets)
		}
		return answer{}
	}},
	{auth.PasswordLaneFull, "more passwords at once than can be hashed before NASes give up", func(t *testing.T, s *scene) answer {
		storm(t, s, 700)
		return answer{}
	}},
	{auth.ServerOverloaded, "more requests at once than are taken from one client", func(t *testing.T, s *scene) answer {
		storm(t, s, 5200)
		return answer{}
	}},
}

// alone are those that take long or keep a server busy; they have a server of
// their own.
var alone = map[auth.Outcome]bool{
	auth.ChallengeExpired: true, auth.TooManyAtOnce: true, auth.PasswordLaneFull: true, auth.ServerOverloaded: true,
}

// exempt are the outcomes that cannot be brought about here, and why.
var exempt = map[auth.Outcome]string{
	auth.PasskeyVerified:  "RADIUS carries no passkeys; TestPasskeyOutcomes provokes it",
	auth.PasskeyPending:   "the same",
	auth.PasskeyWrong:     "the same",
	auth.PasskeyCopied:    "the same",
	auth.PINWrong:         "PINs are set in the portal; TestPINOutcomes provokes it",
	auth.PINExpired:       "a PIN is at least a day old by then; auth.TestExpiredPIN has a clock of its own",
	auth.RoleMissing:      "the same",
	auth.PasswordVerified: "a password alone lets in only where a rule says so, and then the outcome is SkippedCall; the row waits for other doors",
	auth.ResyncRequired:   "it takes a database that went back in time; the cluster tests provoke it",
	auth.DatabaseRewound:  "it takes a database that went back in time; the cluster tests provoke it",
	auth.HardStopped:      "TestStopsAreToldApart provokes it, with limits of its own",
	auth.NoMethodPossible: "a RADIUS client either can be asked or appends, and then the outcome is CodeMissing; the row waits for other doors",
	auth.StoreUnavailable: "no event can be kept of it; TestFullDisk provokes it and looks for it in the log",
	auth.InternalFault:    "it means a defect of ours; none is known",
}

// crowd sends n passwords for one account at once and returns a reply that
// refused because of the crowd.
func crowd(t *testing.T, s *scene, p *person, n int) answer {
	t.Helper()
	k := s.ask.dial()
	sent := make(map[byte]question)
	for len(sent) < n {
		q := s.ask.request(p.name, p.password, nil)
		if _, used := sent[q.packet.Identifier]; used {
			continue
		}
		sent[q.packet.Identifier] = q
		k.send(q.octets)
	}
	for range n {
		b := k.receive(patience)
		if b == nil {
			t.Fatal("no login was refused because of the crowd")
		}
		if a := s.ask.read(b, sent[b[1]]); strings.HasPrefix(a.message(), auth.TooManyAtOnce.Meaning().Person) {
			return a
		}
	}
	t.Fatal("no login was refused because of the crowd")
	return answer{}
}

// storm sends passwords of as many names at once. At some 10 to 30 ms each and
// one lane for each processor but one, 700 are more than can be hashed before
// NASes give up; 5,200 are more than one client may have in hand (4,096).
func storm(t *testing.T, s *scene, requests int) {
	t.Helper()
	n := s.client("storm-"+rand8(), "--rate", "100000")
	var packets [][]byte
	for i := range requests {
		packets = append(packets, n.request(fmt.Sprintf("nobody-%d", i), "whatever", nil).octets)
	}
	var ports []*socket
	for range requests/256 + 1 { // an identifier is used once on a port
		ports = append(ports, n.dial())
	}
	for i, b := range packets {
		b[1] = byte(i / len(ports))
		ports[i%len(ports)].send(resign(n, b))
	}
}

// resign signs octets of a request again after they were changed.
func resign(n *nas, b []byte) []byte {
	p, err := radius.Parse(b)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.sign(p).octets
}

// Every outcome that the RADIUS door can lead to is provoked through it, and
// what the person is told, events and why agree on what it was: one reason
// code for each verdict.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, tt := range provocations {
		t.Run(tt.outcome.String(), func(t *testing.T) {
			s := s.in(t)
			if alone[tt.outcome] {
				t.Parallel()
				s = newScene(t)
			}
			m := tt.outcome.Meaning()
			before := s.last()
			a := tt.do(t, s)

			var ev event
			switch m.Verdict {
			case auth.Reject:
				a.want(t, "reject")
				if want := m.Person + " Reference " + a.reference() + "."; a.message() != want || a.reference() == "" {
					t.Errorf("the person is told %q; want %q and a reference", a.message(), m.Person)
				}
				ev = s.eventAfter(before, a.reference(), func(ev event) bool { return ev.Reference == a.reference() })
			case auth.Accept, auth.Challenge:
				a.want(t, m.Verdict.String())
				if m.Verdict == auth.Challenge && a.message() != m.Person {
					t.Errorf("the person is asked %q; want %q", a.message(), m.Person)
				}
				ev = s.eventAfter(before, tt.how, func(ev event) bool { return ev.Code == int(tt.outcome) })
			case auth.Unavailable, auth.Ignore:
				if a.Packet != nil {
					t.Errorf("answered by %v; want silence", a)
				}
				ev = s.eventAfter(before, tt.how, func(ev event) bool { return ev.Code == int(tt.outcome) })
			}
			if ev.Code != int(tt.outcome) || ev.Outcome != m.Name || ev.Label != m.Label || ev.Verdict != m.Verdict.String() {
				t.Errorf("%s: the event says %d %s %q %s; want %d %s %q %v", tt.how,
					ev.Code, ev.Outcome, ev.Label, ev.Verdict, tt.outcome, m.Name, m.Label, m.Verdict)
			}
			why := s.why(ev.Reference)
			person := m.Person
			if a.Packet == nil {
				person = "Nothing: there was no answer, so the application reports a time-out."
			}
			if why.event != ev {
				t.Errorf("why and events differ:\n%+v\n%+v", why.event, ev)
			}
			if why.Person != person || why.HelpDesk != m.HelpDesk || why.Administrator != m.Administrator || why.Remedy != m.Remedy || why.Stage != string(m.Stage) {
				t.Errorf("why does not say what the catalogue says of %v: %+v", tt.outcome, why)
			}
			if len(why.Trace) == 0 {
				t.Errorf("there is no trace of %v", tt.outcome)
			}
		})
	}
}

// Every outcome that the engine, a factor or the door can decide on is in the
// table above, or says why it is not.
func TestEveryOutcomeIsProvoked(t *testing.T) {
	provoked := make(map[string]bool)
	for _, p := range provocations {
		if _, both := exempt[p.outcome]; both {
			t.Errorf("%v is provoked and exempt", p.outcome)
		}
		provoked[p.outcome.String()] = true
	}
	constants := outcomeConstants(t)
	named := make(map[string]auth.Outcome)
	for _, m := range auth.Catalogue() {
		named[m.Name] = m.Outcome
	}
	for name, o := range constants {
		_, excused := exempt[o]
		switch {
		case o.Meaning().Foreign:
			t.Errorf("%s has a constant although only other products' logs bring it", name)
		case !provoked[o.String()] && !excused:
			t.Errorf("nothing provokes %s (%v)", name, o)
		}
	}
	for _, m := range auth.Catalogue() {
		if provoked[m.Name] && m.Foreign {
			t.Errorf("%s is provoked although only other products' logs bring it", m.Name)
		}
	}
	for o, why := range exempt {
		found := false
		for _, c := range constants {
			found = found || c == o
		}
		if !found {
			t.Errorf("%v is exempt (%s) and has no constant", o, why)
		}
	}
}

// outcomeConstants reads the constants of type Outcome from the source of
// package auth, so that a new one cannot be forgotten here.
func outcomeConstants(t *testing.T) map[string]auth.Outcome {
	t.Helper()
	path := filepath.Join("..", "auth", "outcome.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := make(map[string]auth.Outcome)
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Outcome" {
				continue
			}
			var n int
			value := string(text[v.Values[0].Pos()-1 : v.Values[0].End()-1])
			if _, err := fmt.Sscanf(value, "%d", &n); err != nil {
				t.Fatalf("%s = %s is no number", v.Names[0].Name, value)
			}
			constants[v.Names[0].Name] = auth.Outcome(n)
		}
	}
	if len(constants) < 20 {
		t.Fatalf("only %d outcomes were found in %s", len(constants), path)
	}
	return constants
}
