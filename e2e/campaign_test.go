//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rounds returns how often a campaign repeats: the full count with
// SALLYPORT_CAMPAIGN=full (make campaign), the reduced one in every other run.
func rounds(full, reduced int) int {
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		return full
	}
	return reduced
}

// unlimited lifts a client's rate for campaigns.
var unlimited = []string{"--rate", "100000"}

// I1, Gitea CVE-2021-45331, Vault CVE-2025-6014: one code, released on a
// barrier to 64 sockets over four clients, is accepted exactly once; the other
// 63 are told that it did not work, and their events that it was a duplicate.
func TestCampaignOneCodeOnce(t *testing.T) {
	s := start(t, setup{})
	var sockets []*socket
	for i := range 4 {
		n := s.client(fmt.Sprintf("vpn%d", i), append(unlimited, "--mode", "append", "--password", "none")...)
		for range 16 {
			sockets = append(sockets, n.dial())
		}
	}
	alice := s.tokens("alice")[0]
	n := rounds(1000, 30)
	for round := range n {
		code := alice.code()
		accepted, duplicates := s.counted("oath-code-verified"), s.counted("duplicate-oath-code")
		verdicts := make([]string, len(sockets))
		barrier := make(chan struct{})
		var wg sync.WaitGroup
		for i, k := range sockets {
			q := k.nas.request("alice", code, nil)
			wg.Go(func() {
				<-barrier
				verdicts[i] = k.ask(q).verdict()
			})
		}
		close(barrier)
		wg.Wait()

		count := make(map[string]int)
		for _, v := range verdicts {
			count[v]++
		}
		if count["accept"] != 1 || count["reject"] != len(sockets)-1 {
			t.Fatalf("round %d: one code on %d sockets was answered with %v; want one accept", round, len(sockets), count)
		}
		accepted, duplicates = s.counted("oath-code-verified")-accepted, s.counted("duplicate-oath-code")-duplicates
		if accepted != 1 || duplicates != len(sockets)-1 {
			t.Fatalf("round %d: the server counted %d accepts and %d duplicates", round, accepted, duplicates)
		}
	}
	// The events say the same.
	if got := len(s.events("--outcome", "23")); got != n {
		t.Errorf("%d events of accepts for %d codes", got, n)
	}
	if got := len(s.events("--outcome", "139")); got != n*(len(sockets)-1) {
		t.Errorf("%d events of duplicates for %d", got, n*(len(sockets)-1))
	}
	t.Logf("%d rounds of %d parallel uses: one accept each", n, len(sockets))
}

// counted returns how many attempts have ended so, as the server's metrics say.
func (s *server) counted(outcome string) int {
	s.t.Helper()
	_, metrics := s.get("/metrics")
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "sallyport_attempts_total{") && strings.Contains(line, `outcome="`+outcome+`"`) {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):len(line)-1]), 64)
			if err != nil {
				s.t.Fatalf("metrics say %q: %v", line, err)
			}
			return int(n)
		}
	}
	return 0
}

// I6, AuthQuake, Keycloak CVE-2024-4629: of a thousand guesses at once, with
// the right code somewhere among them, at most the limit is evaluated.
func TestCampaignParallelGuesses(t *testing.T) {
	const guesses, limit = 1000, 10
	s := start(t, setup{})
	n := s.client("vpn", append(unlimited, "--mode", "append", "--password", "none")...)
	repeats := rounds(100, 3)
	lucky := 0
	for round := range repeats {
		victim := s.tokens(fmt.Sprintf("victim%d", round))[0]
		right, wrong := victim.code(), victim.wrong()
		questions := make([]question, guesses)
		for i := range questions {
			questions[i] = n.request(victim.name, wrong, nil)
		}
		questions[rand.IntN(guesses)] = n.request(victim.name, right, nil)

		// 250 identifiers to a socket, so that none is in use twice.
		sockets := []*socket{n.dial(), n.dial(), n.dial(), n.dial()}
		barrier := make(chan struct{})
		var accepts atomic.Int64
		var wg sync.WaitGroup
		for i, k := range sockets {
			mine := questions[i*guesses/4 : (i+1)*guesses/4]
			for j := range mine {
				// Sixteen sockets' worth of senders would only queue in the
				// kernel: what matters is that all are under way at once.
				mine[j].packet.Identifier = uint8(j)
				mine[j] = n.sign(mine[j].packet)
			}
			wg.Go(func() {
				<-barrier
				for _, q := range mine {
					k.send(q.octets)
				}
				heard := make(map[byte]bool)
				for len(heard) < len(mine) {
					b := k.receive(3 * time.Second)
					if b == nil {
						for _, q := range mine { // as a NAS does
							if !heard[q.packet.Identifier] {
								k.send(q.octets)
							}
						}
						continue
					}
					if heard[b[1]] {
						continue
					}
					heard[b[1]] = true
					if n.read(b, mine[b[1]]).verdict() == "accept" {
						accepts.Add(1)
					}
				}
			})
		}
		close(barrier)
		wg.Wait()
		for _, k := range sockets {
			k.close()
		}

		evaluated := 0
		for _, ev := range s.events("--account", victim.name, "--limit", "2000") {
			switch ev.Outcome {
			case "oath-code-incorrect":
				evaluated++
			case "oath-code-verified", "throttled", "too-many-at-once":
			default:
				t.Errorf("a guess ended as %s", ev.Outcome)
			}
		}
		// A right code clears the count, so that two episodes may meet.
		allowed := limit * int(1+accepts.Load())
		if evaluated > allowed || accepts.Load() > 1 {
			t.Fatalf("round %d: %d of %d guesses were evaluated, %d accepted; at most %d may be evaluated", round, evaluated, guesses, accepts.Load(), allowed)
		}
		lucky += int(accepts.Load())
	}
	t.Logf("%d rounds of %d guesses: at most %d evaluated each, the right code among them was lucky %d times", repeats, guesses, limit, lucky)
}

// I1, I2, X1, Vikunja CVE-2026-35597, nebula-mesh GHSA-v2jf-442r-6mjh: SIGKILL
// at a random moment under load. Every accept that a client saw has its event
// after the restart, no code works again, and the database opens.
func TestCampaignKills(t *testing.T) {
	const workers = 16
	s := start(t, setup{Release: true})
	n := s.client("vpn", append(unlimited, "--mode", "append", "--password", "none")...)
	names := make([]string, workers)
	for i := range names {
		names[i] = fmt.Sprintf("worker%02d", i)
	}
	people := s.tokens(names...)

	// Codes are told apart by their counters: among thousands of six digits
	// some are alike.
	type history struct {
		accepted []int64 // counters whose accept was seen
		unheard  []int64 // counters whose answer was not
	}
	seen := make([]history, workers)
	all := make([]map[int64]bool, workers)
	for i := range all {
		all[i] = make(map[int64]bool)
	}
	kills, accepts, unheard := rounds(200, 8), 0, 0
	for kill := range kills {
		began := time.Now()
		var stop atomic.Bool
		var wg sync.WaitGroup
		for i, p := range people {
			seen[i] = history{}
			wg.Go(func() {
				k := n.dial()
				defer k.close()
				for !stop.Load() {
					code := p.code()
					counter := p.spent
					switch k.askFor(n.request(p.name, code, nil), 300*time.Millisecond).verdict() {
					case "accept":
						seen[i].accepted = append(seen[i].accepted, counter)
					case "":
						seen[i].unheard = append(seen[i].unheard, counter)
					default:
						// The first code after a kill may lie beyond the
						// look-ahead; the next rounds' re-offers tell.
					}
				}
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond) // load; nothing waits for a result here
		s.kill()
		stop.Store(true)
		wg.Wait()
		s.begin()

		recorded := make(map[string]int) // accepts since the load began
		for _, ev := range s.events("--outcome", "23", "--since", began.Add(-time.Second).Format(time.RFC3339)) {
			if !ev.Time.Before(began) {
				recorded[ev.Account] += ev.Count
			}
		}
		for i, p := range people {
			h := &seen[i]
			accepts += len(h.accepted)
			unheard += len(h.unheard)
			for _, counter := range h.accepted {
				if all[i][counter] {
					t.Errorf("kill %d: code %d of %s was accepted twice", kill, counter, p.name)
				}
				all[i][counter] = true
			}
			if recorded[p.name] < len(h.accepted) {
				t.Fatalf("kill %d: %d accepts of %s were seen, %d events are there", kill, len(h.accepted), p.name, recorded[p.name])
			}
			// The newest accepted code is the one most in danger.
			if m := len(h.accepted); m > 0 {
				if got := n.ask(p.name, p.at(h.accepted[m-1]), nil).verdict(); got != "reject" {
					t.Fatalf("kill %d: a code of %s that was accepted before the kill got %q after it", kill, p.name, got)
				}
			}
			// A code whose answer nobody heard may be spent or not; it works
			// once in all.
			if m := len(h.unheard); m > 0 {
				code := p.at(h.unheard[m-1])
				first, second := n.ask(p.name, code, nil).verdict(), n.ask(p.name, code, nil).verdict()
				if second != "reject" {
					t.Fatalf("kill %d: an unheard code of %s got %q and then %q", kill, p.name, first, second)
				}
				if first == "accept" {
					all[i][h.unheard[m-1]] = true
				}
			}
		}
	}
	if accepts == 0 {
		t.Fatal("no login was accepted between the kills")
	}
	t.Logf("%d kills under load: %d accepts seen, each with its event; %d answers unheard; nothing accepted twice", kills, accepts, unheard)
}
