//go:build linux

package e2e

import (
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/otp"
	"sallyport/radius"
)

// where are the attributes by which a NAS says where the person is and which
// connection it is about. An empty station says nothing.
func where(station string, port uint32) []radius.Attribute {
	all := []radius.Attribute{{Type: radius.NASPort, Value: binary.BigEndian.AppendUint32(nil, port)}}
	if station != "" {
		all = append(all, radius.Attribute{Type: radius.CallingStationID, Value: []byte(station)})
	}
	return all
}

// holder makes an account with a password and a token that counts, which never
// runs out of codes.
func (s *server) holder(name string, flags ...string) *person {
	s.t.Helper()
	p := s.account(name, flags...)
	p.id, p.params, p.key = "serial-"+rand8(), otp.Params{Digits: 6}, []byte("a key of "+rand8()+rand8())
	s.importTokens(p)
	return p
}

// code of the newest event of an account.
func (s *server) newest(name string) ruling {
	s.t.Helper()
	all, err := s.operator().rulings(name)
	if err != nil || len(all) == 0 {
		s.t.Fatalf("events of %s: %v, %v", name, all, err)
	}
	return all[len(all)-1]
}

// logIn logs a person in with password and, if asked, a code, and returns how
// the login ended.
func (s *server) logIn(n *nas, p *person, station string, port uint32) (code int, asked bool) {
	s.t.Helper()
	a := n.ask(p.name, p.password, nil, where(station, port)...)
	if a.verdict() == "challenge" {
		asked = true
		a = n.ask(p.name, p.code(), a.state(), where(station, port)...)
	}
	a.want(s.t, "accept")
	return s.newest(p.name).Code, asked
}

// wantLogIn is logIn for one whose end is known: 23 after a question, anything
// else without one.
func (s *server) wantLogIn(what string, n *nas, p *person, station string, want int) {
	s.t.Helper()
	if code, asked := s.logIn(n, p, station, 1); code != want || asked != (want == 23) {
		s.t.Errorf("%s: ended as %d, asked %t; want %d", what, code, asked, want)
	}
}

type finding struct {
	ID, Kind, Title, Application, Advice, Command, Done string
	Count                                               int
	Examples                                            []struct {
		Account, What string
		Logins        []struct{ Reference, Client string }
	}
}

// The reported case: a remote desktop client on a Mac logs in twice for one
// session, some time after the first login has ended (37 seconds there, two
// here). Nothing can join what has ended, so without a rule both ask, and a
// finding says so and which rule would have spared the second. With it the first
// login asks, the second does not, and one from elsewhere asks again.
func TestDoublePromptOfARemoteDesktop(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("gateway")
	p := s.holder("alice")

	if found := records[finding](t, s.do("", "findings", "--json")); len(found) != 0 {
		t.Errorf("before anything has happened there are findings: %+v", found)
	}
	s.wantLogIn("the first of two logins without a rule", n, p, "203.0.113.5", 23)
	first := s.newest(p.name)
	time.Sleep(2 * time.Second) // the gap is what the story is about
	if code, asked := s.logIn(n, p, "203.0.113.5", 2); code != 23 || !asked {
		t.Errorf("the second login without a rule ended as %d, asked %t; want 23 after a question", code, asked)
	}
	second := s.newest(p.name)

	found := records[finding](t, s.do("", "findings", "--json"))
	if len(found) != 1 || found[0].Kind != "double-prompt" || found[0].Application != application || found[0].Count != 1 || len(found[0].Examples) != 1 {
		t.Fatalf("findings are %+v; want one double prompt of %s", found, application)
	}
	f := found[0]
	if e := f.Examples[0]; e.Account != p.name || len(e.Logins) != 2 || e.Logins[0].Reference != first.Reference || e.Logins[1].Reference != second.Reference {
		t.Errorf("the finding's example is %+v; want the logins %s and %s of %s", e, first.Reference, second.Reference, p.name)
	}
	if !strings.Contains(f.Command, "cache add "+application) || !strings.Contains(f.Command, "user+application+ip") {
		t.Errorf("the finding advises %q; want the narrowest cache rule that would have spared the second login", f.Command)
	}
	text := s.do("", "findings")
	for _, want := range []string{f.ID, f.Command, first.Reference, second.Reference} {
		if !strings.Contains(text, want) {
			t.Errorf("sallyport findings does not say %q:\n%s", want, text)
		}
	}

	s.do("", "findings", "apply", f.ID)
	if found := records[finding](t, s.do("", "findings", "--json")); len(found) != 0 {
		t.Errorf("after its remedy was applied there are findings still: %+v", found)
	}
	s.do("", "cache", "remove", application, "--yes")
	s.do("", "cache", "add", application, "--type", "user+application+ip", "--seconds", "60")
	s.wantLogIn("the first login with the rule", n, p, "203.0.113.5", 23)
	time.Sleep(2 * time.Second)
	if code, asked := s.logIn(n, p, "203.0.113.5", 2); code != 8 || asked {
		t.Errorf("the second login with the rule ended as %d, asked %t; want 8 without a question", code, asked)
	}
	s.wantLogIn("a login from another address", n, p, "203.0.113.6", 23)
}

// A NAS whose answer was lost asks again in a new request of the same connection:
// the person is asked once, any of the two questions can be answered, and the
// other is over then.
func TestSameConnectionAsksAgain(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn")
	p := s.holder("alice")
	at := where("203.0.113.5", 7)
	first := n.ask(p.name, p.password, nil, at...).want(t, "challenge")
	second := n.ask(p.name, p.password, nil, at...).want(t, "challenge")
	if first.message() != second.message() {
		t.Errorf("asked %q, then %q", first.message(), second.message())
	}
	n.ask(p.name, p.code(), second.state(), at...).want(t, "accept")
	if got := s.outcomeOf(n.ask(p.name, p.code(), first.state(), at...)); got != "challenge-unknown" {
		t.Errorf("the other question of a login that is over: %s", got)
	}
	// Another connection of the same client from another place is another login.
	first = n.ask(p.name, p.password, nil, where("203.0.113.5", 7)...).want(t, "challenge")
	second = n.ask(p.name, p.password, nil, where("203.0.113.6", 7)...).want(t, "challenge")
	n.ask(p.name, p.code(), first.state(), at...).want(t, "accept")
	n.ask(p.name, p.code(), second.state(), at...).want(t, "accept")
}

// A second client of the application that asks for the same person in the same
// place while the first waits for its answer gets that answer, without a question
// of its own: the accept, and the refusal too. One that cannot ask gets it as
// well. From another place, or from nowhere, nothing is joined.
func TestSecondRequestJoinsAnOpenLogin(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	one, two, old := s.client("one"), s.client("two"), s.client("old", "--mode", "append")
	op := s.operator()
	for _, tt := range []struct {
		name    string
		second  *nas
		right   bool
		verdict string
		code    int
	}{
		{"accepted, at a client that could ask", two, true, "accept", 23},
		{"accepted, at a client that could not", old, true, "accept", 23},
		{"refused", two, false, "reject", 138},
	} {
		p := s.holder("")
		at := where("203.0.113.5", 1)
		asked := one.ask(p.name, p.password, nil, at...).want(t, "challenge")
		var joined answer
		var wg sync.WaitGroup
		k, q := tt.second.dial(), tt.second.request(p.name, p.password, nil, where("203.0.113.5", 9)...)
		wg.Go(func() { joined = k.ask(q) })
		// It waits: nothing comes, and no event either.
		time.Sleep(700 * time.Millisecond)
		if all, err := op.rulings(p.name); err != nil || len(all) != 1 {
			t.Errorf("%s: while the second request waits there are %d events, %v; want that of the question", tt.name, len(all), err)
		}
		answerCode := p.wrong()
		if tt.right {
			answerCode = p.code()
		}
		one.ask(p.name, answerCode, asked.state(), at...).want(t, tt.verdict)
		wg.Wait()
		joined.want(t, tt.verdict)
		all, err := op.rulings(p.name)
		if err != nil || len(all) != 3 || all[1].Code != tt.code || all[2].Code != tt.code || all[2].Client != tt.second.name {
			t.Errorf("%s: the events are %+v, %v; want the question and two that ended as %d", tt.name, all, err, tt.code)
		}
		if _, codes, _ := s.failures(p.name); codes != map[bool]int{true: 0, false: 1}[tt.right] {
			t.Errorf("%s: %d failures; a joined refusal counts none of its own", tt.name, codes)
		}
		joinedTo := s.why(all[2].Reference)
		text := ""
		for _, step := range joinedTo.Trace {
			text += step.Note + "\n"
		}
		if !strings.Contains(text, all[1].Reference) {
			t.Errorf("%s: the trace does not name the login that was joined (%s):\n%s", tt.name, all[1].Reference, text)
		}
	}

	p := s.holder("")
	one.ask(p.name, p.password, nil, where("203.0.113.5", 1)...).want(t, "challenge")
	for _, station := range []string{"203.0.113.6", ""} {
		began := time.Now()
		a := old.ask(p.name, p.password, nil, where(station, 1)...).want(t, "reject")
		if why := s.why(a.reference()); why.Code != 101 || len(why.Trace) == 0 {
			t.Errorf("from %q at a client that cannot ask: %d; want 101", station, why.Code)
		} else if text := traceOf(why); !strings.Contains(text, "cannot join") {
			t.Errorf("the trace of 101 does not say why joining cannot be right:\n%s", text)
		}
		two.ask(p.name, p.password, nil, where(station, 1)...).want(t, "challenge")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("from %q the answers took %v; there was nothing to wait for", station, took)
		}
	}
}

func traceOf(r reason) string {
	var b strings.Builder
	for _, step := range r.Trace {
		b.WriteString(step.Note + "\n")
	}
	return b.String()
}

// A joined login needs everything else to be right at that moment: a wrong
// password does not wait, and an account that was disabled meanwhile is not let
// in by the answer it waited for.
func TestJoiningSparesNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	one, two := s.client("one"), s.client("two")
	p := s.holder("alice")
	at := where("203.0.113.5", 1)
	asked := one.ask(p.name, p.password, nil, at...).want(t, "challenge")
	if got := s.outcomeOf(two.ask(p.name, "wrong", nil, at...)); got != "password-wrong" {
		t.Errorf("a wrong password beside an open login: %s", got)
	}
	var joined answer
	var wg sync.WaitGroup
	k, q := two.dial(), two.request(p.name, p.password, nil, at...)
	wg.Go(func() { joined = k.ask(q) })
	time.Sleep(500 * time.Millisecond)
	s.do("", "account", "disable", p.name)
	wg.Wait()
	if got := s.outcomeOf(joined); got != "user-disabled" {
		t.Errorf("a request that waited while its account was disabled: %s", got)
	}
	if got := s.outcomeOf(one.ask(p.name, p.code(), asked.state(), at...)); got != "user-disabled" {
		t.Errorf("the question of an account that was disabled: %s", got)
	}
}
