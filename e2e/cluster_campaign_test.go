//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sallyport/store/pgtest"
)

// direct is a client whose requests carry a code and nothing else, so that what
// is measured and raced is the code.
var direct = append(slices.Clone(unlimited), "--mode", "append", "--password", "none")

// I1, Vault CVE-2025-6014, Authentik CVE-2024-52289 and their kin, over nodes:
// one code, released on a barrier to 64 sockets over three nodes, is accepted
// exactly once, and the other 63 are told that it did not work.
func TestCampaignClusterOneCodeOnce(t *testing.T) {
	const sockets = 64
	c := startCluster(t, 3, setup{})
	var ports []*socket
	for i := range 4 {
		n := c.client(fmt.Sprintf("vpn%d", i), direct...)
		for j := range sockets / 4 {
			ports = append(ports, n.at(c.nodes[(i+j)%3]).dial())
		}
	}
	alice := c.nodes[0].tokens("alice")[0]
	n := rounds(1000, 30)
	winners := make(map[string]int)
	for round := range n {
		code := alice.code()
		verdicts := make([]string, sockets)
		questions := make([]question, sockets)
		for i, k := range ports {
			questions[i] = k.nas.request("alice", code, nil)
		}
		together(sockets, func(i int) { verdicts[i] = ports[i].ask(questions[i]).verdict() })
		count := make(map[string]int)
		for i, v := range verdicts {
			count[v]++
			if v == "accept" {
				winners[ports[i].nas.server.String()]++
			}
		}
		if count["accept"] != 1 || count["reject"] != sockets-1 {
			t.Fatalf("round %d: one code on %d sockets over three nodes was answered with %v; want one accept", round, sockets, count)
		}
	}
	// The events say the same.
	if got := len(c.nodes[0].events("--outcome", "23")); got != n {
		t.Errorf("%d events of accepts for %d codes", got, n)
	}
	rejects := 0
	for _, ev := range c.nodes[0].events("--account", "alice") {
		if ev.Verdict == "reject" {
			rejects += ev.Count
		}
	}
	if rejects != n*(sockets-1) {
		t.Errorf("%d events of refusals for %d", rejects, n*(sockets-1))
	}
	if len(winners) < 2 && n >= 30 {
		t.Errorf("in %d rounds only %v won; the race was not one between nodes", n, winners)
	}
	c.verify()
	t.Logf("%d rounds of %d parallel uses over three nodes: one accept each, won by %v", n, sockets, winners)
}

// I5: a one-time bypass lets in one of 64 over three nodes.
func TestCampaignClusterBypassOnce(t *testing.T) {
	const sockets = 64
	c := startCluster(t, 3, setup{})
	n := c.client("vpn", direct...)
	var ports []*socket
	for i := range sockets {
		ports = append(ports, n.at(c.nodes[i%3]).dial())
	}
	repeats := rounds(300, 6)
	for round := range repeats {
		p := c.nodes[round%3].tokens(fmt.Sprintf("traveller%d", round))[0]
		c.nodes[round%3].do("", "bypass", "add", p.name, "--seconds", "600", "--reason", "lost phone")
		wrong := p.wrong() // only the bypass can let it in
		questions := make([]question, sockets)
		for i, k := range ports {
			questions[i] = k.nas.request(p.name, wrong, nil)
		}
		verdicts := make([]string, sockets)
		together(sockets, func(i int) { verdicts[i] = ports[i].ask(questions[i]).verdict() })
		count := make(map[string]int)
		for _, v := range verdicts {
			count[v]++
		}
		if count["accept"] != 1 || count["reject"] != sockets-1 {
			t.Fatalf("round %d: one bypass on %d sockets over three nodes was answered with %v; want one accept", round, sockets, count)
		}
		if got := len(c.nodes[0].events("--account", p.name, "--outcome", "7")); got != 1 {
			t.Fatalf("round %d: %d events of a bypass that was used; want 1", round, got)
		}
	}
	c.verify()
	t.Logf("%d bypasses, each used by %d at once over three nodes: one accept each", repeats, sockets)
}

// A worker logs in with one code after the other, and offers a code until it is
// told what became of it. It knows the counter of each code, so that codes that
// happen to be alike are told apart.
type worker struct {
	person *person
	nas    *nas
	how    failover

	mu sync.Mutex
	// mu guards the fields below.
	offers []offer // answered ones
	open   int64   // counter of the code that was offered last and not answered, -1 for none
}

// An offer is a request that was answered.
type offer struct {
	counter     int64
	accepted    bool
	after       bool // an earlier offer of the same code was not answered
	sent, heard time.Time
	by          *server
}

// work goes on until stop is closed.
func (w *worker) work(stop <-chan struct{}) {
	for {
		code := w.person.code()
		counter := w.person.spent // nobody else uses this person
		w.mu.Lock()
		w.open = counter
		w.mu.Unlock()
		for silent := false; ; silent = true {
			select {
			case <-stop:
				return
			default:
			}
			sent := time.Now()
			h := w.how.ask(w.nas, w.nas.requests(w.person.name, code, nil))
			if h.Packet == nil {
				continue
			}
			w.mu.Lock()
			w.offers = append(w.offers, offer{counter, h.verdict() == "accept", silent, sent, time.Now(), h.by})
			w.open = -1
			w.mu.Unlock()
			break
		}
	}
}

// ahead is further than a server looks for the counter of a code.
const ahead = 20

// codes returns the codes of the counters from first to last.
func (w *worker) codes(first, last int64) (codes []string) {
	for counter := first; counter <= last; counter++ {
		codes = append(codes, w.person.at(counter))
	}
	return codes
}

// shown reports whether the code of the first counter comes again up to the
// last.
func (w *worker) shown(first, last int64) bool {
	codes := w.codes(first, last)
	return slices.Contains(codes[1:], codes[0])
}

// take returns what the worker has heard since it was last asked.
func (w *worker) take() (offers []offer, open int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	offers, w.offers = w.offers, nil
	return offers, w.open
}

// accept returns the first accept by s of a request sent after at.
func (w *worker) accept(s *server, at time.Time) (heard time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.offers {
		if o.accepted && o.by == s && o.sent.After(at) {
			return o.heard, true
		}
	}
	return time.Time{}, false
}

// crew makes workers with a token each.
func (c *cluster) crew(n *nas, size int, how func(i int) failover) []*worker {
	c.t.Helper()
	names := make([]string, size)
	for i := range names {
		names[i] = fmt.Sprintf("worker%02d", i)
	}
	workers := make([]*worker, size)
	for i, p := range c.nodes[0].tokens(names...) {
		workers[i] = &worker{person: p, nas: n, how: how(i), open: -1}
	}
	return workers
}

// begin lets workers work until the function that it returns is called.
func begin(workers []*worker) (end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.work(stop) })
	}
	return sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
}

// A tally judges what workers heard by what events say.
type tally struct {
	c                       *cluster
	began                   time.Time
	after                   uint64 // newest event that was looked at
	accepts, unheard, spent int
}

// check compares the offers since began, which workers made while nobody else
// used their accounts, with the events at s: each accept that was heard has
// exactly one, there is none for what was not offered, no offer whose
// predecessors were all answered was refused, and what was accepted is refused
// when it comes again. It returns the offers.
func (y *tally) check(workers []*worker, s *server) []offer {
	t := y.c.t
	t.Helper()
	recorded := make(map[string]int)
	// By number: a search by time would go through all of the hour.
	out := s.operator().must("event.list", fields{"after": y.after, "outcome": "23"})
	for _, ev := range records[event](t, string(out)) {
		y.after = max(y.after, ev.Seq)
		if !ev.Time.Before(y.began) {
			recorded[ev.Account] += ev.Count
		}
	}
	var all []offer
	for _, w := range workers {
		offers, open := w.take()
		all = append(all, offers...)
		name, accepted, unheard := w.person.name, 0, 0
		newest := int64(-1)
		for _, o := range offers {
			switch {
			case o.accepted:
				accepted++
				newest = o.counter
			case o.after:
				unheard++ // it had been accepted, and the answer was lost
			default:
				t.Fatalf("code %d of %s was never used and was refused by %s", o.counter, name, o.by.addr)
			}
		}
		most := accepted + unheard
		if open >= 0 {
			most++
		}
		if recorded[name] < accepted || recorded[name] > most {
			t.Fatalf("%s heard %d accepts, %d more were refused after an offer that was not answered, %d is open; there are %d events of accepts", name, accepted, unheard, open, recorded[name])
		}
		y.accepts += accepted
		y.unheard += unheard
		// The newest accepted code is the one most in danger. A code that a later
		// counter happens to have too is good again, and says nothing: the next
		// older one is offered then.
		for newest >= 0 && w.shown(newest, newest+ahead) {
			newest--
		}
		if newest >= 0 {
			if got := w.nas.at(s).ask(name, w.person.at(newest), nil).verdict(); got != "reject" {
				t.Fatalf("code %d of %s, which had been accepted, got %q at %s; the next are %q", newest, name, got, s.addr, w.codes(newest, newest+ahead))
			}
			y.spent++
		}
		if open >= 0 {
			// It may be spent or not; it works once in all.
			other := y.c.nodes[(slices.Index(y.c.nodes, s)+1)%len(y.c.nodes)]
			first, second := w.nas.at(s).ask(name, w.person.at(open), nil).verdict(), w.nas.at(other).ask(name, w.person.at(open), nil).verdict()
			if second != "reject" {
				t.Fatalf("an unheard code of %s got %q at %s and then %q at %s", name, first, s.addr, second, other.addr)
			}
		}
	}
	return all
}

// I1, I2, I5, I22, X1 over nodes: a node is killed at a random moment under
// load, again and again. NASes send the same octets to the next node: no login
// fails by it, every accept has its event, nothing is accepted twice, and the
// other nodes go on at once.
func TestCampaignClusterKills(t *testing.T) {
	c := startCluster(t, 3, setup{})
	n := c.client("vpn", direct...)
	workers := c.crew(n, 12, func(i int) failover {
		servers := []*server{c.nodes[i%3], c.nodes[(i+1)%3], c.nodes[(i+2)%3]}
		return failover{Servers: servers, Interval: 300 * time.Millisecond, Tries: 2, Rounds: 2}
	})
	kills := rounds(500, 15)
	judge := tally{c: c}
	var gaps []time.Duration
	for kill := range kills {
		judge.began = time.Now()
		end := begin(workers)
		victim := c.nodes[rand.IntN(3)]
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond) // load; nothing waits for a result here
		victim.kill()
		killed := time.Now()
		// Each other node goes on, and then the victim comes back, under load.
		for _, s := range c.nodes {
			if s == victim {
				continue
			}
			var gap time.Duration
			eventually(t, "a login at "+s.addr.String()+" after another node was killed", func() bool {
				for _, w := range workers {
					if heard, ok := w.accept(s, killed); ok && (gap == 0 || heard.Sub(killed) < gap) {
						gap = heard.Sub(killed)
					}
				}
				return gap > 0
			})
			gaps = append(gaps, gap)
		}
		victim.begin()
		end()
		judge.check(workers, victim)
		if kill%50 == 49 {
			t.Logf("%d kills", kill+1)
		}
	}
	if judge.accepts < kills {
		t.Fatalf("%d logins were accepted around %d kills; that was no load", judge.accepts, kills)
	}
	slices.Sort(gaps)
	worst := gaps[len(gaps)-1]
	if worst > 5*time.Second {
		t.Errorf("a node took %v to go on after another was killed", worst)
	}
	c.verify()
	t.Logf("%d kills under load: %d accepts heard, each with its event; %d answers lost with a node and found on another request; %d spent codes offered again and refused; the other nodes' next accept after %v in the median, %v at most",
		kills, judge.accepts, judge.unheard, judge.spent, gaps[len(gaps)/2].Round(time.Millisecond), worst.Round(time.Millisecond))
}

// X8: a node that stands still at a random moment, perhaps in the middle of a
// transaction that others wait for, stops them for ten seconds at most. When it
// goes on, what it had in hand is accepted by nobody twice.
func TestCampaignClusterHungNode(t *testing.T) {
	const within = 10 * time.Second
	c := startCluster(t, 3, setup{})
	n := c.client("vpn", direct...)
	workers := c.crew(n, 12, func(i int) failover {
		servers := []*server{c.nodes[i%3], c.nodes[(i+1)%3], c.nodes[(i+2)%3]}
		return failover{Servers: servers, Interval: 300 * time.Millisecond, Tries: 2, Rounds: 2}
	})
	judge := tally{c: c}
	var worst time.Duration
	repeats := rounds(100, 5)
	for round := range repeats {
		judge.began = time.Now()
		end := begin(workers)
		victim := c.nodes[rand.IntN(3)]
		awaitAccept(t, workers, victim, judge.began)
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		if err := victim.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped := time.Now()
		for _, s := range c.nodes {
			if s == victim {
				continue
			}
			gap := awaitAccept(t, workers, s, stopped).Sub(stopped)
			worst = max(worst, gap)
			if gap > within {
				t.Errorf("round %d: a node took %v to go on after another stood still; want %v at most", round, gap, within)
			}
		}
		if err := victim.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		awaitAccept(t, workers, victim, time.Now())
		end()
		judge.check(workers, victim)
	}
	c.verify()
	t.Logf("a node stood still %d times under load: %d accepts heard, each with its event; the others went on after %v at most", repeats, judge.accepts, worst.Round(time.Millisecond))
}

// I12, I22, X6, X8: without its database a node accepts nothing and says
// nothing, however the database is gone, and goes on by itself within ten
// seconds of its return.
func TestCampaignClusterDatabaseFaults(t *testing.T) {
	const within = 10 * time.Second
	c := startCluster(t, 3, setup{Release: true})
	n := c.client("vpn", direct...)
	// Each worker asks one node and no other, so that each node is watched.
	workers := c.crew(n, 6, func(i int) failover {
		return failover{Servers: c.nodes[i%3 : i%3+1], Interval: 500 * time.Millisecond, Tries: 4}
	})
	none := func(testing.TB) {}
	faults := []struct {
		name        string
		break_, end func(testing.TB)
	}{
		{"stopped", c.db.Stop, c.db.Start},
		{"hung", c.db.Hang, c.db.Continue},
		{"killed", c.db.Kill, c.db.Start},
		{"restarted", c.db.Restart, none},
		{"read-only", readOnly(c.db), func(t testing.TB) { c.db.ReadOnly(t, false) }},
		{"cut off", sever(c.db), none},
	}
	judge := tally{c: c}
	worst := make(map[string]time.Duration)
	repeats, offers := rounds(20, 1), 0
	for round := range repeats {
		for _, f := range faults {
			judge.began = time.Now()
			end := begin(workers)
			for _, s := range c.nodes {
				awaitAccept(t, workers, s, judge.began)
			}
			f.break_(t)
			gone := time.Now()
			time.Sleep(time.Duration(500+rand.IntN(rounds(6000, 1500))) * time.Millisecond) // the outage
			back := time.Now()
			f.end(t)
			ended := time.Now()
			for _, s := range c.nodes {
				took := awaitAccept(t, workers, s, ended).Sub(ended)
				worst[f.name] = max(worst[f.name], took)
				if took > within {
					t.Errorf("round %d: %s went on %v after the database that was %s was back; want %v at most", round, s.addr, took, f.name, within)
				}
			}
			end()
			for _, o := range judge.check(workers, c.nodes[round%3]) {
				offers++
				if o.sent.After(gone) && o.heard.Before(back) && f.name != "restarted" && f.name != "cut off" {
					t.Fatalf("round %d: while the database was %s, %s answered a request (accepted: %t)", round, f.name, o.by.addr, o.accepted)
				}
			}
		}
	}
	c.verify()
	var list []string
	for _, f := range faults {
		list = append(list, fmt.Sprintf("%s %v", f.name, worst[f.name].Round(10*time.Millisecond)))
	}
	t.Logf("%d rounds of %d faults: no answer meanwhile; %d accepts heard, each with its event, %d unheard; longest until a node went on: %v", repeats, len(faults), judge.accepts, judge.unheard, list)
}

// awaitAccept waits for an accept by s of a request sent after at.
func awaitAccept(t testing.TB, workers []*worker, s *server, at time.Time) time.Time {
	t.Helper()
	var first time.Time
	eventually(t, "a login at "+s.addr.String(), func() bool {
		for _, w := range workers {
			if heard, ok := w.accept(s, at); ok && (first.IsZero() || heard.Before(first)) {
				first = heard
			}
		}
		return !first.IsZero()
	})
	return first
}

// readOnly makes a database read-only and waits until all its processes know.
func readOnly(db *pgtest.Server) func(testing.TB) {
	return func(t testing.TB) {
		db.ReadOnly(t, true)
		eventually(t, "the database is read-only", func() bool {
			conn, err := pgx.Connect(context.Background(), db.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			var set string
			if err := conn.QueryRow(context.Background(), `SHOW default_transaction_read_only`).Scan(&set); err != nil {
				t.Fatal(err)
			}
			return set == "on"
		})
		// The server has told its processes; each hears it before its next
		// statement.
		time.Sleep(200 * time.Millisecond)
	}
}

// sever cuts every connection to a database once, as a firewall that forgets or
// an administrator who cleans up does.
func sever(db *pgtest.Server) func(testing.TB) {
	return func(t testing.TB) {
		db.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	}
}
