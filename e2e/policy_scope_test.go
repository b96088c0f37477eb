//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/radius"
)

// A house is a server with two applications and clients of all kinds.
type house struct {
	*server
	ask, other, blind, add, pass *nas // of vpn: two that ask, one that is not believed, append, and password none
	rdp                          *nas // of rdp
}

func newHouse(t testing.TB, config string) *house {
	s := start(t, setup{Config: config})
	h := &house{
		server: s, ask: s.client("asking"), other: s.client("other"), blind: s.client("blind", "--origin", "none"),
		add: s.client("appending", "--mode", "append"), pass: s.client("passing", "--password", "none"),
	}
	s.do("", "application", "add", "rdp")
	s.do("", "group", "add", "staff")
	h.rdp = &nas{t: t, name: "rdp", from: newSource(), server: s.addr, secret: "the shared secret of rdp"}
	s.do(h.rdp.secret+"\n", "client", "add", "rdp", "--application", "rdp", "--source", h.rdp.from.String(), "--secret-stdin")
	return h
}

// asked checks that a first request with the right password is asked for a code.
func (h *house) asked(what string, n *nas, p *person, more ...radius.Attribute) {
	h.t.Helper()
	if a := n.ask(p.name, p.password, nil, more...); a.verdict() != "challenge" {
		h.t.Errorf("%s: %v; want a question", what, a)
	}
}

// spared checks that a first request is accepted without a code, and why.
func (h *house) spared(what string, n *nas, p *person, want int, more ...radius.Attribute) {
	h.t.Helper()
	if a := n.ask(p.name, p.password, nil, more...); a.verdict() != "accept" {
		h.t.Errorf("%s: %v; want accept %d", what, a, want)
	} else if got := h.newest(p.name); got.Code != want {
		h.t.Errorf("%s: %d %s; want %d", what, got.Code, got.Outcome, want)
	}
}

func station(s string) radius.Attribute {
	return radius.Attribute{Type: radius.CallingStationID, Value: []byte(s)}
}

// A trusted network spares the second factor to who is in it, at its application,
// by the word of a client that is believed, and spares nothing else (I4).
func TestTrustedIPScope(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	p := h.holder("alice")
	h.asked("before there is a trusted network", h.ask, p, station("192.0.2.17"))
	h.do("", "trusted-ip", "add", application, "192.0.2.16-192.0.2.31")
	for _, at := range []string{"192.0.2.16", "192.0.2.31", "192.0.2.20:4500", "::ffff:192.0.2.20"} {
		h.spared("inside, at "+at, h.ask, p, -104, station(at))
	}
	h.spared("inside, another client of the application", h.other, p, -104, station("192.0.2.16"))
	for _, at := range []string{
		"192.0.2.15", "192.0.2.32", "192.0.20.16", "::192.0.2.16", "2001:db8::c000:210", "::ffff:192.0.2.16%eth0", "192.0.2.16.", "192.0.2.016",
		"x192.0.2.16", "192.0.2.16 192.0.2.99", "192.0.2.16,192.0.2.99", "192.0.2.16/28", "00-00-5E-00-53-01", "", "3221225998",
	} {
		h.asked(fmt.Sprintf("outside, at %q", at), h.ask, p, station(at))
	}
	h.asked("no word of where the person is", h.ask, p)
	h.asked("two words of it", h.ask, p, station("192.0.2.16"), station("192.0.2.16"))
	h.asked("a claim in another attribute", h.ask, p, radius.Attribute{Type: radius.NASIdentifier, Value: []byte("192.0.2.16")},
		radius.Attribute{Type: radius.NASIPAddress, Value: []byte{192, 0, 2, 16}})
	h.asked("a client that is not believed", h.blind, p, station("192.0.2.16"))
	h.asked("another application", h.rdp, p, station("192.0.2.16"))
	if got := h.outcomeOf(h.ask.ask(p.name, "wrong", nil, station("192.0.2.16"))); got != "password-wrong" {
		t.Errorf("inside, with a wrong password: %s", got)
	}
	if got := h.outcomeOf(h.ask.ask("nobody", p.password, nil, station("192.0.2.16"))); got != "user-not-found" {
		t.Errorf("inside, a name that nobody has: %s", got)
	}
	// A code that comes along is neither looked at nor spent.
	code := p.code()
	h.add.ask(p.name, p.password+","+code, nil, station("192.0.2.16")).want(t, "accept")
	h.add.ask(p.name, p.password+","+code, nil).want(t, "accept")
	if got := h.newest(p.name).Code; got != 23 {
		t.Errorf("the code that came along with a login that needed none ended the next as %d; want 23", got)
	}
	h.do("", "account", "disable", p.name)
	if got := h.outcomeOf(h.ask.ask(p.name, p.password, nil, station("192.0.2.16"))); got != "user-disabled" {
		t.Errorf("inside, disabled: %s", got)
	}
	h.do("", "account", "enable", p.name)
	h.do("", "rule", "add", "nobody", "--need", "refuse", "--group", "staff")
	h.spared("beside a rule that refuses others", h.ask, p, -104, station("192.0.2.16"))
	h.do("", "rule", "add", "closed", "--need", "refuse")
	if got := h.outcomeOf(h.ask.ask(p.name, p.password, nil, station("192.0.2.16"))); got != "policy-refused" {
		t.Errorf("inside, where a rule refuses: %s", got)
	}
	h.do("", "rule", "remove", "closed", "--yes")
	h.do("", "trusted-ip", "remove", application, "192.0.2.16-192.0.2.31", "--yes")
	h.asked("after it was removed", h.ask, p, station("192.0.2.16"))
}

// Each type of cache rule spares what is in its scope, and one inch outside
// everybody is asked (I4).
func TestCacheScopes(t *testing.T) {
	t.Parallel()
	here, there := "192.0.2.7", "192.0.2.8"
	for _, tt := range []struct {
		kind        string
		code        int
		address     bool // a part of the scope
		application bool // a part of the scope
	}{
		{"user+application+ip", 8, true, true},
		{"user+application", 9, false, true},
		{"user", 6, false, false},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, patientLimits)
			p, q := h.holder("alice"), h.holder("bob")
			q.password = p.password
			h.do(p.password+"\n", "account", "password", "bob", "--password-stdin")
			full := func(n *nas) {
				t.Helper()
				a := n.ask(p.name, p.password, nil, station(here)).want(t, "challenge")
				n.ask(p.name, p.code(), a.state(), station(here)).want(t, "accept")
			}
			full(h.ask)
			h.asked("without a rule", h.ask, p, station(here))

			h.do("", "cache", "add", application, "--type", tt.kind, "--seconds", "60")
			h.asked("a success from before the rule", h.ask, p, station(here))
			full(h.ask)
			h.spared("the same", h.ask, p, tt.code, station(here))
			h.spared("another client of the application", h.other, p, tt.code, station(here))
			h.asked("another account", h.ask, q, station(here))
			h.asked("another application without a rule", h.rdp, p, station(here))
			if tt.address {
				h.asked("another address", h.ask, p, station(there))
				h.asked("no address", h.ask, p)
				h.asked("a client that is not believed", h.blind, p, station(here))
				a := h.ask.ask(p.name, p.password, nil).want(t, "challenge")
				h.ask.ask(p.name, p.code(), a.state()).want(t, "accept")
				h.asked("after a success from nowhere", h.ask, p)
				h.asked("a success from nowhere is not one from anywhere", h.ask, p, station(there))
			} else {
				h.spared("another address", h.ask, p, tt.code, station(there))
				h.spared("no address", h.ask, p, tt.code)
			}

			h.do("", "cache", "add", "rdp", "--type", tt.kind, "--seconds", "60")
			h.asked("after a change of the settings", h.ask, p, station(here))
			full(h.ask)
			if tt.application {
				h.asked("another application with a rule of its own", h.rdp, p, station(here))
			} else {
				h.spared("another application with a rule of this type", h.rdp, p, tt.code, station(here))
			}

			h.do("", "cache", "purge", "--all")
			var open []byte // a question from before the success; a first request would not be looked at
			for _, end := range []struct {
				what string
				do   func()
			}{
				{"a wrong password", func() { h.ask.ask(p.name, "wrong", nil).want(t, "reject") }},
				{"a wrong password at another application", func() { h.rdp.ask(p.name, "wrong", nil).want(t, "reject") }},
				{"a wrong code", func() { h.other.ask(p.name, p.wrong(), open).want(t, "reject") }},
				{"a code that was used", func() { h.other.ask(p.name, p.at(p.spent), open).want(t, "reject") }},
				{"a new password", func() { h.do(p.password+"\n", "account", "password", p.name, "--password-stdin") }},
				{"disabling and enabling", func() {
					h.do("", "account", "disable", p.name)
					h.do("", "account", "enable", p.name)
				}},
				{"blocking and unblocking", func() {
					h.do("", "account", "block", p.name, "--reason", "test")
					h.do("", "account", "unblock", p.name)
				}},
				{"unlocking", func() { h.do("", "account", "unlock", p.name) }},
				{"new recovery codes", func() { h.recoveryCodes(p) }},
				{"purging it", func() { h.do("", "cache", "purge", p.name) }},
				{"purging all", func() { h.do("", "cache", "purge", "--all") }},
				{"a new rule", func() { h.do("", "rule", "add", "r"+rand8(), "--application", "rdp", "--group", "staff") }},
				{"a new trusted network", func() { h.do("", "trusted-ip", "add", "rdp", "198.51.100.0/24") }},
			} {
				open = h.other.ask(p.name, p.password, nil, station(there)).want(t, "challenge").state()
				full(h.ask)
				h.spared("before "+end.what, h.ask, p, tt.code, station(here))
				end.do()
				h.asked("after "+end.what, h.ask, p, station(here))
			}
			// What others do changes nothing.
			full(h.ask)
			h.ask.ask(q.name, "wrong", nil, station(here)).want(t, "reject")
			h.do("", "account", "unlock", q.name)
			h.spared("after another account's failures", h.ask, p, tt.code, station(here))
			h.stop()
			h.begin()
			h.spared("after a restart", h.ask, p, tt.code, station(here))
			if got := h.outcomeOf(h.ask.ask(p.name, "wrong", nil, station(here))); got != "password-wrong" {
				t.Errorf("a wrong password after a cached success: %s", got)
			}
		})
	}
}

// A success counts for as long as the rule says, at two values of it, and logins
// that it spares do not prolong it.
func TestCacheDoesNotSlide(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{2, 4} {
		t.Run(fmt.Sprint(seconds), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "")
			p := h.holder("alice")
			h.do("", "cache", "add", application, "--type", "user", "--seconds", fmt.Sprint(seconds))
			a := h.ask.ask(p.name, p.password, nil).want(t, "challenge")
			before := time.Now()
			h.ask.ask(p.name, p.code(), a.state()).want(t, "accept")
			after := time.Now()
			life := time.Duration(seconds) * time.Second
			spared := 0
			for {
				sent := time.Now()
				verdict := h.ask.ask(p.name, p.password, nil).verdict()
				if done := time.Now(); verdict == "accept" {
					if sent.Sub(after) >= life {
						t.Fatalf("%v after the success it still spares a second factor", sent.Sub(after))
					}
					spared++
				} else {
					if done.Sub(before) < life {
						t.Fatalf("%v after the success it does not spare a second factor any more", done.Sub(before))
					}
					break
				}
			}
			if spared == 0 {
				t.Error("it never spared one")
			}
		})
	}
}

// Okta, 2024: a cache key that was cut off let any password match for names of
// 52 characters and more. Names of every such length need their own password,
// and names that look alike when they are joined to what stands beside them in a
// key are different names.
func TestLongNamesAndTheCache(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	h.do("", "cache", "add", application, "--type", "user+application", "--seconds", "600")
	h.do("", "cache", "add", "rdp", "--type", "user+application", "--seconds", "600")
	var people []*person
	for _, length := range []int{1, 51, 52, 53, 72, 73, 200, 253} {
		people = append(people, h.holder(strings.Repeat("n", length)))
	}
	for _, p := range people {
		a := h.ask.ask(p.name, p.password, nil).want(t, "challenge")
		h.ask.ask(p.name, p.code(), a.state()).want(t, "accept")
		h.spared(fmt.Sprintf("a name of %d octets", len(p.name)), h.ask, p, 9)
		for _, wrong := range []string{"", " ", "wrong", p.password + "x", p.password[:len(p.password)-1], strings.Repeat("x", 100)} {
			if a := h.ask.ask(p.name, wrong, nil); a.verdict() != "reject" {
				t.Errorf("a name of %d octets after a cached success, with a wrong password: %v", len(p.name), a)
			}
		}
		h.do("", "account", "unlock", p.name)
	}
	for i, p := range people {
		a := h.ask.ask(p.name, p.password, nil).want(t, "challenge")
		h.ask.ask(p.name, p.code(), a.state()).want(t, "accept")
		for _, q := range people[i+1:] {
			h.asked(fmt.Sprintf("a name of %d octets after a success of one of %d", len(q.name), len(p.name)), h.ask, q)
		}
	}
}

// A bypass works once, for its account, for so long, with the right password, and
// of 64 that come at once one gets it (I5).
func TestBypassScope(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	p, q := h.holder("alice", "--alias", "wonder"), h.holder("bob")
	give := func(p *person, seconds int) {
		t.Helper()
		h.do("", "bypass", "add", p.name, "--reason", "new phone", "--seconds", fmt.Sprint(seconds))
	}
	h.asked("before there is one", h.ask, p)
	give(p, 600)
	h.asked("another account", h.ask, q)
	if got := h.outcomeOf(h.ask.ask(p.name, "wrong", nil)); got != "password-wrong" {
		t.Errorf("a wrong password: %s", got)
	}
	h.do("", "account", "disable", p.name)
	if got := h.outcomeOf(h.ask.ask(p.name, p.password, nil)); got != "user-disabled" {
		t.Errorf("disabled: %s", got)
	}
	h.do("", "account", "enable", p.name)
	h.spared("with the right password, after all that", h.ask, p, 7)
	h.asked("a second time", h.ask, p)
	h.asked("a second time, another application", h.rdp, p)

	give(p, 600)
	h.do("", "bypass", "remove", p.name)
	h.asked("after it was taken back", h.ask, p)
	give(p, 600)
	h.stop()
	h.begin()
	h.spared("after a restart", h.rdp, p, 7)
	h.kill()
	h.begin()
	h.asked("used, after a crash", h.ask, p)

	give(p, 600)
	give(p, 600)
	h.spared("given twice, the first time", h.ask, p, 7)
	h.asked("given twice, the second time: one takes the place of the other", h.ask, p)

	// What does not need it does not spend it.
	h.do("", "trusted-ip", "add", application, "192.0.2.7")
	give(p, 600)
	h.spared("where the network spares the second factor", h.ask, p, -104, station("192.0.2.7"))
	h.spared("where it does not", h.ask, p, 7, station("192.0.2.8"))

	for round := range rounds(20, 2) {
		give(p, 600)
		var mu sync.Mutex
		count := make(map[string]int)
		barrier := make(chan struct{})
		var wg sync.WaitGroup
		spelled := []string{p.name, "ALICE", `CORP\alice`, "wonder"}
		for i := range 64 {
			n := []*nas{h.ask, h.other, h.rdp, h.blind}[i%4]
			k := n.dial()
			query := n.request(spelled[i/4%4], p.password, nil)
			wg.Go(func() {
				defer k.close()
				<-barrier
				v := k.askFor(query, patience).verdict()
				mu.Lock()
				defer mu.Unlock()
				count[v]++
			})
		}
		close(barrier)
		wg.Wait()
		if count["accept"] != 1 || count["accept"]+count["challenge"]+count["reject"] != 64 {
			t.Errorf("round %d: 64 logins at once with one bypass: %v; want one accept", round, count)
		}
	}
	if got := len(h.events("--account", p.name, "--outcome", "7")); got != 4+rounds(20, 2) {
		t.Errorf("%d bypasses were used; want %d", got, 4+rounds(20, 2))
	}

	give(q, 10)
	time.Sleep(10*time.Second + 50*time.Millisecond) // the shortest that can be given
	h.asked("after its time", h.ask, q)
}

// A rule that asks for the first factor only is for the logins that it matches:
// whatever it does not match, and what matches nothing, meets the strictest (Okta
// Classic, 2024: a policy that did not apply to what it did not know).
func TestRuleScope(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	h.do("", "group", "add", "robots")
	robot, p := h.holder("robot", "--group", "robots"), h.holder("alice")
	bare := h.account("bare")
	h.asked("no rule", h.ask, robot)
	h.do("", "rule", "add", "robots", "--need", "primary", "--group", "robots", "--application", application, "--client", "asking",
		"--source", "192.0.2.0/24", "--holding", "oath", "--time", "mon-sun 00:00-24:00 UTC")
	h.spared("all that it says", h.ask, robot, -100, station("192.0.2.7"))
	if got := h.newest(robot.name).Rule; got != "robots" {
		t.Errorf("the event names rule %q", got)
	}
	h.asked("another group", h.ask, p, station("192.0.2.7"))
	if got := h.newest(p.name).Rule; got != "strictest" {
		t.Errorf("the event of a login that no rule matches names rule %q", got)
	}
	h.asked("another client", h.other, robot, station("192.0.2.7"))
	h.asked("another application", h.rdp, robot, station("192.0.2.7"))
	h.asked("another address", h.ask, robot, station("192.0.3.7"))
	h.asked("no address", h.ask, robot)
	h.do("", "rule", "change", "robots", "--holding", "recovery")
	h.asked("another factor", h.ask, robot, station("192.0.2.7"))
	h.do("", "rule", "change", "robots", "--holding", "oath", "--time", notNow())
	h.asked("another time", h.ask, robot, station("192.0.2.7"))
	h.do("", "rule", "remove", "robots", "--yes")
	h.asked("removed", h.ask, robot, station("192.0.2.7"))

	if got := h.outcomeOf(h.ask.ask(bare.name, bare.password, nil)); got != "user-incomplete" {
		t.Errorf("a person without a second factor where no rule says anything: %s", got)
	}
	h.do("", "rule", "add", "lenient", "--unenrolled", "pass", "--application", "rdp")
	h.spared("one whom a rule lets pass", h.rdp, bare, -100)
	h.asked("one who has a second factor, under that rule", h.rdp, p)
	if got := h.outcomeOf(h.ask.ask(bare.name, bare.password, nil)); got != "user-incomplete" {
		t.Errorf("the same person at another application: %s", got)
	}
	h.do("", "rule", "change", "lenient", "--unenrolled", "enrol")
	if got := h.outcomeOf(h.rdp.ask(bare.name, bare.password, nil)); got != "enrolment-required" {
		t.Errorf("one who must enrol: %s", got)
	}
	h.bind(bare)
	h.asked("one who has enrolled", h.rdp, bare)

	// Ory Kratos CVE-2024-45042: what is needed is reckoned from what the rule
	// admits and not from what a person happens to hold.
	sheet := h.recoveryCodes(p)
	h.do("", "rule", "add", "apps", "--application", application, "--method", "oath")
	state := h.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	if got := h.outcomeOf(h.ask.ask(p.name, sheet[0], state)); got != "code-not-recognized" {
		t.Errorf("a recovery code where only codes of apps and tokens are admitted: %s", got)
	}
	h.do("", "rule", "change", "apps", "--method", "recovery")
	state = h.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	if got := h.outcomeOf(h.ask.ask(p.name, p.code(), state)); got != "code-not-recognized" {
		t.Errorf("a code of a token where only recovery codes are admitted: %s", got)
	}
	state = h.ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	h.ask.ask(p.name, sheet[0], state).want(t, "accept")
	if got := h.outcomeOf(h.ask.ask(robot.name, robot.password, nil)); got != "user-incomplete" {
		t.Errorf("one who holds nothing that the rule admits: %s", got)
	}
}

// notNow are hours that do not hold this moment, nor the next ones.
func notNow() string {
	hour := time.Now().UTC().Hour()
	return fmt.Sprintf("mon-sun %02d:00-%02d:00 UTC", (hour+6)%23, (hour+6)%23+1)
}

// A rule that refuses does so in the words of every other refusal, and only who
// knows the password is refused by it.
func TestRefusingRuleSaysNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	p := h.holder("alice")
	h.do("", "rule", "add", "closed", "--need", "refuse", "--application", "rdp")
	refused := h.rdp.ask(p.name, p.password, nil)
	wrong := h.rdp.ask(p.name, "wrong", nil)
	unknown := h.rdp.ask("nobody", "wrong", nil)
	words := func(a answer) string {
		text, _, _ := strings.Cut(a.message(), " Reference ")
		return text
	}
	if words(refused) != words(wrong) || words(refused) != words(unknown) {
		t.Errorf("refused by a rule: %v; by a wrong password: %v; nobody: %v", refused, wrong, unknown)
	}
	for want, a := range map[string]answer{"policy-refused": refused, "password-wrong": wrong, "user-not-found": unknown} {
		if got := h.outcomeOf(a); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	if password, code, _ := h.failures(p.name); password != 1 || code != 0 {
		t.Errorf("%d and %d failures; want the wrong password alone", password, code)
	}
	h.asked("the other application", h.ask, p)
}
