//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"sallyport/radius"
	"sallyport/store/pgtest"
)

// storyCluster makes three nodes and one client of them for stories. The client
// asks for password and code one after the other.
func storyCluster(t *testing.T) (*cluster, *nas) {
	t.Helper()
	t.Parallel()
	c := startCluster(t, 3, setup{})
	return c, c.client("vpn", unlimited...)
}

// Challenges are in the database: whichever node asked, any can hear the
// answer, and only one does.
func TestClusterChallengeIsAnsweredElsewhere(t *testing.T) {
	c, n := storyCluster(t)
	for asked := range c.nodes {
		for answered := range c.nodes {
			p := c.nodes[asked].enrol("")
			q := n.at(c.nodes[asked]).ask(p.name, p.password, nil).want(t, "challenge")
			code := p.code()
			n.at(c.nodes[answered]).ask(p.name, code, q.state()).want(t, "accept")
			// The State is spent everywhere, and so is the code.
			for _, s := range c.nodes {
				n.at(s).ask(p.name, p.code2(code), q.state()).want(t, "reject")
			}
		}
	}
	c.verify()
}

// code2 is a code other than the one given that was not accepted yet, the same
// if there is none.
func (p *person) code2(code string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if step := p.params.Step(time.Now()) + 1; step > p.spent {
		p.spent = step
		return p.at(step)
	}
	return code
}

// A NAS whose server dies in the middle of a login goes to the next, and the
// person sees one prompt and gives one answer: whether the node died before it
// could answer, or after it had and the answer was lost; over the question, and
// over the answer to it. It is the same for a NAS that repeats its request and
// for one that makes a new one.
func TestClusterFailoverMidLogin(t *testing.T) {
	for _, renew := range []bool{false, true} {
		name := "the same octets"
		if renew {
			name = "a new request"
		}
		t.Run(name, func(t *testing.T) {
			c, n := storyCluster(t)
			first := c.nodes[0]
			nas := failover{Servers: c.nodes, Interval: time.Second, Tries: 2, Rounds: 3, Renew: renew}
			connection := from("192.0.2.7", "ike-4711")

			// once logs p in, with what happens to the first node while it is
			// asked the first or the second time.
			once := func(t *testing.T, p *person, atPrompt, atAnswer func(f *failover)) {
				t.Helper()
				before := first.last()
				ask := nas
				if atPrompt != nil {
					atPrompt(&ask)
				}
				prompt := ask.ask(n, n.requests(p.name, p.password, nil, connection...))
				prompt.want(t, "challenge")

				answer := nas
				// It stays with the server that it heard from, as a NAS does.
				answer.Servers = append([]*server{prompt.by}, slices.DeleteFunc(slices.Clone(c.nodes), func(s *server) bool { return s == prompt.by })...)
				if atAnswer != nil {
					atAnswer(&answer)
				}
				answer.ask(n, n.requests(p.name, p.code(), prompt.state(), connection...)).want(t, "accept")
				if first.running() {
					t.Fatal("nothing happened to the first node")
				}
				first.begin()
				accepts := 0
				for _, ev := range first.events("--account", p.name) {
					if ev.Seq > before && ev.Verdict == "accept" {
						accepts++
					}
				}
				if accepts != 1 {
					t.Errorf("one login has %d events of accepts; want 1", accepts)
				}
			}
			// died kills the first node as soon as it has answered, so that
			// nobody hears it.
			died := func(f *failover) {
				f.Lost = func(s *server, _ answer) bool {
					if s == first {
						s.kill()
						return true
					}
					return false
				}
			}
			// dies kills it while it cannot have decided: the database stands
			// still from before the request until the node is gone.
			dies := func(f *failover) {
				f.Sent = func(s *server) {
					if s == first && s.running() {
						time.Sleep(100 * time.Millisecond) // so that it is at work on it
						s.kill()
						c.db.Continue(t)
					}
				}
			}

			t.Run("after the question", func(t *testing.T) {
				once(t, c.nodes[1].enrol(""), died, nil)
			})
			t.Run("before the question", func(t *testing.T) {
				p := c.nodes[1].enrol("")
				once(t, p, func(f *failover) { c.db.Hang(t); dies(f) }, nil)
			})
			t.Run("between question and answer", func(t *testing.T) {
				once(t, c.nodes[1].enrol(""), nil, func(*failover) { first.kill() })
			})
			t.Run("before the verdict", func(t *testing.T) {
				p := c.nodes[1].enrol("")
				once(t, p, nil, func(f *failover) { c.db.Hang(t); dies(f) })
			})
			t.Run("after the verdict", func(t *testing.T) {
				if renew {
					// Whoever sends a spent code in a request of its own is
					// told that it is spent: no node can tell it from a thief.
					p := c.nodes[1].enrol("")
					q := n.ask(p.name, p.password, nil, connection...).want(t, "challenge")
					code := p.code()
					f := nas
					died(&f)
					f.ask(n, n.requests(p.name, code, q.state(), connection...)).want(t, "reject")
					first.begin()
					return
				}
				once(t, c.nodes[1].enrol(""), nil, died)
			})
			c.verify()
		})
	}
}

// I15: an exact retransmission to another node is answered with the octets of
// the first answer and is judged nowhere.
func TestClusterRetransmissionGetsTheSameOctets(t *testing.T) {
	c, n := storyCluster(t)
	alice := c.nodes[0].tokens("alice")[0]
	direct := c.client("direct", append(unlimited, "--mode", "append", "--password", "none")...)
	for round := range rounds(200, 10) {
		first, others := c.nodes[round%3], []*server{c.nodes[(round+1)%3], c.nodes[(round+2)%3]}
		for _, field := range []string{alice.code(), alice.wrong()} {
			q := direct.request("alice", field, nil)
			k := direct.at(first).dial()
			a := k.ask(q)
			k.close()
			seq := c.nodes[0].last()
			for _, s := range others {
				k := direct.at(s).dial()
				if again := k.ask(q); !bytes.Equal(again.octets, a.octets) {
					t.Fatalf("round %d: %s answers %v (%x), then %s %v (%x)", round, first.addr, a, a.octets, s.addr, again, again.octets)
				}
				k.close()
			}
			if now := c.nodes[0].last(); now != seq {
				t.Fatalf("round %d: retransmissions made events %d to %d", round, seq+1, now)
			}
		}
	}
	// A retransmission after a restart of the very node, too.
	p := c.nodes[0].enrol("")
	challenge := n.ask(p.name, p.password, nil).want(t, "challenge")
	q := n.request(p.name, p.code(), challenge.state())
	a := n.dial().ask(q).want(t, "accept")
	c.nodes[0].kill()
	c.nodes[0].begin()
	if again := n.dial().ask(q); !bytes.Equal(again.octets, a.octets) {
		t.Errorf("a node answers %x, and after its restart %x", a.octets, again.octets)
	}
	c.verify()
}

// A second request while a login is open joins it: the same connection is asked
// again, another connection or client of the application waits and gets the
// login's answer, on whichever node; and nobody joins from another address.
func TestClusterJoins(t *testing.T) {
	c, n := storyCluster(t)
	other := c.client("gateway", unlimited...)
	a, b := c.nodes[0], c.nodes[1]
	here := from("192.0.2.7", "tunnel-1")
	elsewhere := from("192.0.2.7", "rdp-9")

	t.Run("the same connection is asked again", func(t *testing.T) {
		p := a.enrol("")
		n.at(a).ask(p.name, p.password, nil, here...).want(t, "challenge")
		again := n.at(b).ask(p.name, p.password, nil, here...).want(t, "challenge")
		n.at(c.nodes[2]).ask(p.name, p.code(), again.state(), here...).want(t, "accept")
	})

	for _, tt := range []struct {
		name    string
		at      *server
		by      *nas
		session []radius.Attribute
		wrong   bool
		verdict string
	}{
		{"another node", b, n, elsewhere, false, "accept"},
		{"another client", a, other, here, false, "accept"},
		{"another client at another node", b, other, elsewhere, false, "accept"},
		{"a wrong answer is everybody's", b, other, elsewhere, true, "reject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := a.enrol("")
			prompt := n.at(a).ask(p.name, p.password, nil, here...).want(t, "challenge")
			joiner := tt.by.at(tt.at).in(t)
			second := make(chan answer, 1)
			go func() { second <- joiner.ask(p.name, p.password, nil, tt.session...) }()
			select {
			case early := <-second:
				t.Fatalf("the second request did not wait: %v", early)
			case <-time.After(time.Second):
			}
			field := p.code()
			if tt.wrong {
				field = p.wrong()
			}
			own := n.at(a).ask(p.name, field, prompt.state(), here...).want(t, tt.verdict)
			joined := (<-second).want(t, tt.verdict)
			if tt.wrong {
				if own.reference() == joined.reference() {
					t.Errorf("both requests have the reference %s", own.reference())
				}
				if got := failuresOf(t, a, p.name); got != 1 {
					t.Errorf("one wrong answer counts as %d failures", got)
				}
				return
			}
			var accepts []event
			for _, ev := range a.events("--account", p.name) {
				if ev.Verdict == "accept" {
					accepts = append(accepts, ev)
				}
			}
			if len(accepts) != 2 || accepts[0].Code != accepts[1].Code {
				t.Fatalf("the accepts are %+v; want two of the same outcome", accepts)
			}
			if why := tt.at.why(accepts[1].Reference); !why.traced("joined login " + accepts[0].Reference) {
				t.Errorf("the second accept does not say that it joined %s: %+v", accepts[0].Reference, why.Trace)
			}
		})
	}

	t.Run("not from another address", func(t *testing.T) {
		p := a.enrol("")
		first := n.at(a).ask(p.name, p.password, nil, here...).want(t, "challenge")
		second := other.at(b).ask(p.name, p.password, nil, from("198.51.100.9", "x")...).want(t, "challenge")
		n.at(a).ask(p.name, p.code(), first.state(), here...).want(t, "accept")
		// It is a login of its own, which that answer does not end.
		other.at(b).ask(p.name, p.code(), second.state(), from("198.51.100.9", "x")...).want(t, "accept")
	})
	c.verify()
}

// failuresOf are the failures of an account by code.
func failuresOf(t testing.TB, s *server, name string) int {
	t.Helper()
	return record[struct {
		Failures struct{ Password, Code int }
	}](t, s.in(t).do("", "account", "show", name, "--json")).Failures.Code
}

// I7: ten wrong codes, wherever they were given, leave none to be looked at:
// the right code is refused unseen at every node, and after a restart.
func TestClusterFailuresCountEverywhere(t *testing.T) {
	c, _ := storyCluster(t)
	n := c.client("direct", append(unlimited, "--mode", "append", "--password", "none")...)
	alice := c.nodes[0].tokens("alice")[0]
	wrong := alice.wrong()
	for i := range 10 {
		n.at(c.nodes[i%3]).ask("alice", wrong, nil).want(t, "reject")
	}
	right := alice.code()
	refused := func(s *server) {
		t.Helper()
		a := n.at(s).ask("alice", right, nil).want(t, "reject")
		if why := s.why(a.reference()); why.Code != 1401 {
			t.Errorf("%s: the code after ten wrong ones ended as %d %s; want 1401", s.addr, why.Code, why.Label)
		}
	}
	for _, s := range c.nodes {
		if got := failuresOf(t, s, "alice"); got != 10 {
			t.Errorf("%s counts %d failures; want 10", s.addr, got)
		}
		refused(s)
	}
	c.nodes[1].kill()
	c.nodes[1].begin()
	refused(c.nodes[1])

	// Unlocked at one node, the code works at another, which may refuse by what
	// it remembers until it has heard of it: a second at most.
	c.nodes[2].do("", "account", "unlock", "alice")
	unlocked := time.Now()
	eventually(t, "an account that was unlocked at another node can log in", func() bool {
		return n.at(c.nodes[1]).ask("alice", right, nil).verdict() == "accept"
	})
	t.Logf("unlocked at the other node after %v", time.Since(unlocked).Round(time.Millisecond))
	c.verify()
}

// I9: once a revocation has returned on one node, no attempt sent afterwards is
// accepted on any, however many are under way.
func TestClusterRevocation(t *testing.T) {
	c, _ := storyCluster(t)
	n := c.client("direct", append(unlimited, "--mode", "append", "--password", "none")...)
	kinds := []struct {
		name   string
		revoke func(s *server, p *person)
	}{
		{"disabled account", func(s *server, p *person) { s.do("", "account", "disable", p.name) }},
		{"revoked authenticator", func(s *server, p *person) { s.do("", "authenticator", "revoke", p.id, "--yes") }},
	}
	raced, late := 0, time.Duration(0)
	for round := range rounds(200, 6) {
		kind := kinds[round%len(kinds)]
		p := c.nodes[0].tokens(fmt.Sprintf("leaver%d", round))[0]
		for _, s := range c.nodes { // every node has its facts in memory
			n.at(s).ask(p.name, p.code(), nil).want(t, "accept")
		}
		stop, revoked := make(chan struct{}), make(chan time.Time, 1)
		go func() {
			time.Sleep(time.Duration(round%20) * time.Millisecond) // under the attempts below
			kind.revoke(c.nodes[round%3], p)
			revoked <- time.Now()
		}()
		type attempt struct {
			sent, heard time.Time
			by          string
		}
		accepts := make([][]attempt, 6)
		done := make(chan struct{})
		go func() {
			defer close(done)
			together(len(accepts), func(i int) {
				s := c.nodes[i%3]
				k := n.at(s).dial()
				defer k.close()
				for {
					sent := time.Now()
					if k.ask(n.request(p.name, p.code(), nil)).verdict() == "accept" {
						accepts[i] = append(accepts[i], attempt{sent, time.Now(), s.addr.String()})
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}()
		at := <-revoked
		time.Sleep(50 * time.Millisecond) // so that attempts are sent after it
		close(stop)
		<-done
		for _, each := range accepts {
			for _, a := range each {
				raced++
				late = max(late, a.heard.Sub(at))
				if a.sent.After(at) {
					t.Fatalf("round %d, %s: an attempt sent %v after the revocation was accepted at %s", round, kind.name, a.sent.Sub(at), a.by)
				}
			}
		}
		for _, s := range c.nodes {
			n.at(s).ask(p.name, p.code(), nil).want(t, "reject")
		}
	}
	t.Logf("%d accepts were under way before revocations, none was sent after one; the last was heard %v after", raced, late)
	c.verify()
}

// A change of settings on one node is seen by the others within a second.
func TestClusterSettingsSpread(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, setup{Release: true})
	c.client("vpn")
	var worst time.Duration
	for i := range rounds(100, 8) {
		from := c.nodes[i%3]
		n := &nas{t: t, name: fmt.Sprintf("late-%d", i), from: newSource(), secret: "the shared secret of " + rand8()}
		from.do(n.secret+"\n", "client", "add", n.name, "--application", application, "--source", n.from.String(), "--secret-stdin", "--json")
		changed := time.Now()
		for _, s := range c.nodes {
			n.at(s).isKnown()
		}
		spread := time.Since(changed)
		worst = max(worst, spread)
		if spread > time.Second {
			t.Errorf("change %d: a client that was added at %s is known everywhere %v later; want a second at most", i, from.addr, spread)
		}
		from.do("", "client", "remove", n.name, "--yes")
		removed := time.Now()
		for _, s := range c.nodes {
			eventually(t, "a removed client is unknown at "+s.addr.String(), func() bool {
				k := n.at(s).dial()
				defer k.close()
				return k.askFor(n.request("nobody", "x", nil), 50*time.Millisecond).Packet == nil
			})
		}
		// The last question waited for silence.
		spread = time.Since(removed) - 3*50*time.Millisecond
		worst = max(worst, spread)
		if spread > time.Second {
			t.Errorf("change %d: a client that was removed at %s is unknown everywhere %v later; want a second at most", i, from.addr, spread)
		}
	}
	t.Logf("settings were everywhere after %v at the latest", worst)
}

// `sallyport migrate` moves an installation with everything that protects it:
// what was spent stays spent, what was counted stays counted, and what people
// hold works.
func TestClusterMigrate(t *testing.T) {
	t.Parallel()
	old := start(t, setup{})
	n := old.client("direct", append(unlimited, "--mode", "append", "--password", "none")...)
	vpn := old.client("vpn", unlimited...)
	people := old.tokens("alice", "bob", "carol")
	alice, bob, carol := people[0], people[1], people[2]
	dave := old.enrol("dave")
	sheet := old.recoveryCodes(dave)

	var spent []string // by alice
	for range 5 {
		spent = append(spent, alice.code())
		n.ask("alice", spent[len(spent)-1], nil).want(t, "accept")
	}
	for range 10 {
		n.ask("bob", bob.wrong(), nil).want(t, "reject")
	}
	old.do("", "account", "disable", "carol")
	question := vpn.ask("dave", dave.password, nil).want(t, "challenge")
	daves := dave.code()
	vpn.ask("dave", daves, question.state()).want(t, "accept")
	question = vpn.ask("dave", dave.password, nil).want(t, "challenge")
	vpn.ask("dave", sheet[0], question.state()).want(t, "accept")
	events := old.events()
	accounts := old.do("", "account", "list", "--json")
	old.stop()

	db := pgtest.Start(t)
	c := &cluster{t: t, db: db, url: db.NewDatabase(t)}
	moved := call{Args: []string{"migrate", "--data", old.dir, "--to", c.url}}.run(t)
	if moved.Exit != 0 {
		t.Fatalf("migrate: exit code %d\n%s%s", moved.Exit, moved.Out, moved.Err)
	}
	c.key = old.dir
	for range 2 {
		node := c.add()
		applications.Store(node.addr, true)
		n.at(node).isKnown()
	}
	a, b := c.nodes[0], c.nodes[1]

	var now []event
	for _, ev := range a.events() {
		if len(now) < len(events) {
			now = append(now, ev)
		}
	}
	if !slices.Equal(asJSON(t, now), asJSON(t, events)) {
		t.Errorf("the events are %v; want %v", now, events)
	}
	if got := b.do("", "account", "list", "--json"); got != accounts {
		t.Errorf("the accounts are\n%s; want\n%s", got, accounts)
	}
	for i, code := range spent {
		if got := n.at(c.nodes[i%2]).ask("alice", code, nil); got.verdict() != "reject" {
			t.Errorf("code %d of alice, spent before the move, is answered with %v", i, got)
		}
	}
	n.at(b).ask("alice", alice.code(), nil).want(t, "accept")
	refused := n.at(a).ask("bob", bob.code(), nil).want(t, "reject")
	if why := a.why(refused.reference()); why.Code != 1401 {
		t.Errorf("bob, throttled before the move, is refused for %d %s; want 1401", why.Code, why.Label)
	}
	n.at(a).ask("carol", carol.code(), nil).want(t, "reject")
	for _, field := range []string{daves, sheet[0]} {
		q := vpn.at(a).ask("dave", dave.password, nil).want(t, "challenge")
		vpn.at(b).ask("dave", field, q.state()).want(t, "reject")
	}
	q := vpn.at(b).ask("dave", dave.password, nil).want(t, "challenge")
	vpn.at(a).ask("dave", sheet[1], q.state()).want(t, "accept")
	c.verify()

	// The old server must not go on deciding beside the new ones; and a second
	// move must not overwrite what has happened since.
	if again := (call{Args: []string{"migrate", "--data", old.dir, "--to", c.url}}).run(t); again.Exit == 0 {
		t.Errorf("a second migrate into the same database succeeded:\n%s", again.Out)
	}
}

// asJSON makes events comparable.
func asJSON(t testing.TB, events []event) []string {
	t.Helper()
	var lines []string
	for _, ev := range events {
		b, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	return lines
}
