//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/radius"
)

// metric reads one value from /metrics, 0 if there is none of that name.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	_, body := s.get("/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatalf("metric %s: %v", name, err)
			}
			return n
		}
	}
	return 0
}

const (
	resentMetric        = `sallyport_radius_incidents_total{kind="resent"}`
	retransmittedMetric = `sallyport_radius_incidents_total{kind="retransmitted"}`
)

// A retransmission gets the octets of the first answer and is no second login
// (RFC 5080, Section 2.2.2).
func TestRetransmissionGetsTheSameOctets(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn", "--mode", "append")
	p := s.enrol("alice")
	for _, tt := range []struct{ name, field, verdict string }{
		{"accept", p.password + "," + p.code(), "accept"},
		{"reject", p.password + "," + p.wrong(), "reject"},
	} {
		k, q := n.dial(), n.request(p.name, tt.field, nil)
		first := k.ask(q).want(t, tt.verdict)
		events := len(s.events())
		for range 5 {
			if again := k.ask(q); !bytes.Equal(again.octets, first.octets) {
				t.Errorf("%s: answered by %x, then by %x", tt.name, first.octets, again.octets)
			}
		}
		if now := len(s.events()); now != events {
			t.Errorf("%s: five retransmissions made %d events", tt.name, now-events)
		}
	}
	if got := s.metric(resentMetric); got < 10 {
		t.Errorf("%v retransmissions were counted; want 10", got)
	}
}

// A retransmission that comes while the request is being answered is dropped:
// one request, one login, one answer.
func TestRetransmissionWhilePendingIsDropped(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Release: true})
	n := s.client("vpn")
	p := s.enrol("alice")
	// Others' passwords keep the hashing lanes busy, so that this one waits;
	// not so many that it would not get its turn in time.
	busy := n.dial()
	for i := range 6 {
		busy.send(n.request(fmt.Sprintf("nobody-%d", i), "whatever", nil).octets)
	}
	k, q := n.dial(), n.request(p.name, p.password, nil)
	for range 4 {
		k.send(q.octets)
	}
	n.read(k.receive(patience), q).want(t, "challenge")
	if b := k.receive(quiet); b != nil {
		t.Errorf("one request was answered twice, the second time by %x", b)
	}
	if got := s.metric(retransmittedMetric); got != 3 {
		t.Errorf("%v retransmissions were dropped; want 3", got)
	}
	if got := len(s.events("--account", p.name)); got != 1 {
		t.Errorf("one request made %d events", got)
	}
}

// The same octets are the same request, from whichever port the NAS sends them:
// they get their answer again, and no second event.
func TestSameOctetsFromAnotherPortAreTheSameRequest(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn", "--mode", "append")
	p := s.enrol("")
	q := n.request(p.name, p.password+","+p.code(), nil)
	first := n.dial().ask(q).want(t, "accept")
	again := n.dial().ask(q).want(t, "accept")
	if a, b := first.String(), again.String(); a != b {
		t.Errorf("the answer was\n%s\nand is\n%s", a, b)
	}
	if got := s.events("--account", p.name); len(got) != 1 {
		t.Errorf("one request made %d events", len(got))
	}
}

// The same code in a request of its own is a second login, whatever else is
// the same: another identifier, another authenticator. NASes that cascade to the
// next server send such requests.
func TestSameCodeInAnotherRequestIsASecondLogin(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn", "--mode", "append")
	for _, tt := range []struct {
		name  string
		again func(p *person, k *socket, q question, field string) answer
	}{
		{"another identifier, same authenticator", func(_ *person, k *socket, q question, _ string) answer {
			other := *q.packet
			other.Identifier++
			return k.ask(n.sign(&other))
		}},
		{"same identifier, another authenticator", func(p *person, k *socket, q question, field string) answer {
			other := n.request(p.name, field, nil)
			other.packet.Identifier = q.packet.Identifier
			return k.ask(n.sign(other.packet))
		}},
	} {
		p := s.enrol("")
		field := p.password + "," + p.code()
		k, q := n.dial(), n.request(p.name, field, nil)
		k.ask(q).want(t, "accept")
		a := tt.again(p, k, q, field).want(t, "reject")
		if why := s.why(a.reference()); why.Code != 139 {
			t.Errorf("%s: %d %s; want 139", tt.name, why.Code, why.Label)
		}
	}
}

// A packet with a bad Message-Authenticator touches nothing: not the stored
// answer that it imitates, not the account's count, and nobody hears of it but
// the administrator (RFC 5080, Section 2.2.2; RFC 3579, Section 3.2).
func TestBadMessageAuthenticatorTouchesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn", "--mode", "append")
	p := s.enrol("alice")
	k, q := n.dial(), n.request(p.name, p.password+","+p.code(), nil)
	first := k.ask(q).want(t, "accept")
	seq := s.last()

	altered := bytes.Clone(q.octets)
	altered[22] ^= 1 // in the Message-Authenticator, which is first
	other := n.request(p.name, "wrong", nil)
	other.octets[1] = q.octets[1] // now the signature is wrong for the identifier
	for _, octets := range [][]byte{altered, other.octets} {
		k.send(octets)
		if again := k.ask(q); !bytes.Equal(again.octets, first.octets) {
			t.Errorf("after a forged packet the stored answer is %x; want %x", again.octets, first.octets)
		}
	}
	s.eventAfter(seq, "the shared secrets differ", func(ev event) bool {
		return ev.Outcome == "shared-secret-mismatch" && ev.Verdict == "ignore" && ev.Client == "vpn" && ev.Account == ""
	})
	account := record[struct {
		Failures struct{ Password, Code int }
	}](t, s.do("", "account", "show", p.name, "--json"))
	if account.Failures.Password != 0 || account.Failures.Code != 0 {
		t.Errorf("forged packets were counted as failures of the account: %+v", account.Failures)
	}
}

// While a shared secret is changed both are live, each reply is signed with
// the one that the request was; afterwards the old one is void.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	old := s.client("vpn")
	renewed := *old
	renewed.secret = "a newer shared secret " + rand8()
	third := *old
	third.secret = "a secret that was never given " + rand8()

	s.do(renewed.secret+"\n", "client", "rotate", "vpn", "--secret-stdin", "--json")
	for name, n := range map[string]*nas{"old": old, "new": &renewed} {
		if a := n.ask("nobody", "x", nil); a.verdict() != "reject" {
			t.Errorf("with the %s secret, while both are live: %v", name, a)
		}
	}
	third.silent(third.request("nobody", "x", nil).octets)
	s.do("", "client", "rotate", "vpn", "--finish")
	renewed.ask("nobody", "x", nil).want(t, "reject")
	old.silent(old.request("nobody", "x", nil).octets)
	s.eventAfter(0, "the old secret is void", func(ev event) bool { return ev.Outcome == "shared-secret-mismatch" })
}

// Whoever is no client hears nothing, however often; it is counted, and told
// at a bounded rate.
func TestUnknownClientsAreCounted(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	known := s.client("vpn")
	stranger := *known
	stranger.from = newSource()
	k := stranger.dial()
	const n = 50
	for range n {
		k.send(stranger.request("alice", "x", nil).octets)
	}
	if b := k.receive(quiet); b != nil {
		t.Errorf("a stranger was answered by %x", b)
	}
	s.eventAfter(0, "an unknown client", func(ev event) bool { return ev.Outcome == "client-unknown" && ev.Verdict == "ignore" })
	eventually(t, "all strangers' packets are counted", func() bool {
		return s.metric(`sallyport_radius_incidents_total{kind="unknown client"}`) == n
	})
	if got := s.events("--outcome", "client-unknown"); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("%d packets in a second made the events %+v; want one that is told at once", n, got)
	}
	// What was only counted is told at the latest when the server stops.
	s.stop()
	s.begin()
	total := 0
	for _, ev := range s.events("--outcome", "client-unknown") {
		total += ev.Count
		if host, _, _ := strings.Cut(ev.Source, ":"); host != stranger.from.String() {
			t.Errorf("the event names %s; want %v", ev.Source, stranger.from)
		}
	}
	if total != n {
		t.Errorf("events stand for %d packets; want %d", total, n)
	}
}

// A client that sends more than its rate is not served beyond it, and nobody
// else suffers. Each of the two settings has its effect (CVE-2024-39917: a
// limit that did nothing).
func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	served := make(map[string]int)
	for _, rate := range []string{"5", "50"} {
		n := s.client("rate-"+rate, "--rate", rate, "--password", "none")
		k := n.dial()
		for i := range 200 {
			b := n.request(fmt.Sprintf("nobody-%d", i), "123456", nil)
			b.packet.Identifier = byte(i)
			k.send(n.sign(b.packet).octets)
		}
		for k.receive(time.Second) != nil {
			served[rate]++
		}
	}
	// Two seconds' worth at once, and what comes in while they are sent.
	for rate, most := range map[string]int{"5": 20, "50": 150} {
		limit, _ := strconv.Atoi(rate)
		if served[rate] < 2*limit || served[rate] > most {
			t.Errorf("of 200 requests at a rate of %s, %d were served; want %d to %d", rate, served[rate], 2*limit, most)
		}
	}
	s.eventAfter(0, "a client above its rate", func(ev event) bool { return ev.Outcome == "client-rate-limited" && ev.Client == "rate-5" })
	s.client("other").ask("nobody", "x", nil).want(t, "reject")
}

// Status-Server is answered if it is signed (RFC 5997), and never without.
func TestStatusServer(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("vpn")
	n.dial().ask(n.sign(radius.NewRequest(radius.StatusServer))).want(t, "accept")
	octets, err := radius.NewRequest(radius.StatusServer).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	n.silent(octets)
}
