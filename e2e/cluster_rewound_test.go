//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/otp"
	"sallyport/store/pgtest"
)

// I21, X7: a database that goes back in time revives nothing. Everything that
// was spent after the copy was made is offered again, at every node and all the
// time, from before the database is back until after codes are accepted again:
// none of it is accepted. TOTP goes on by itself when the spent steps are over,
// HOTP after a resynchronization, a bypass never.
func TestCampaignClusterRewound(t *testing.T) {
	t.Parallel()
	for range rounds(5, 1) {
		// All at once: each waits most of the time.
		together(3, func(way int) {
			db := pgtest.Start(t)
			switch way {
			case 0: // yesterday's backup is restored under running nodes
				var base string
				testRewound(t, "restored", rewindable(t, db, db.NewDatabase(t)),
					func() { base = db.Basebackup(t) },
					func(*cluster) { db.Stop(t); db.Restore(t, base); db.Start(t) })
			case 1: // and while none runs, so that only their files can tell
				var base string
				testRewound(t, "restored while stopped", rewindable(t, db, db.NewDatabase(t)),
					func() { base = db.Basebackup(t) },
					func(c *cluster) {
						for _, s := range c.nodes {
							s.stop()
						}
						db.Stop(t)
						db.Restore(t, base)
						db.Start(t)
						for _, s := range c.nodes {
							s.begin()
						}
					})
			case 2: // the primary dies, and a standby that had fallen behind takes its place
				name := db.Database(t)
				standby := db.Standby(t)
				testRewound(t, "promoted", rewindable(t, db, pgtest.URLOf(name, db, standby)),
					func() { db.CaughtUp(t, standby); standby.Lag(t) },
					func(*cluster) { db.Kill(t); standby.Promote(t) })
			}
		})
	}
}

// rewindable makes two nodes on a database.
func rewindable(t testing.TB, db *pgtest.Server, url string) *cluster {
	t.Helper()
	c := &cluster{t: t, db: db, url: url}
	c.add()
	c.add()
	return c
}

// testRewound spends things after keep and lets rewind undo that in the
// database.
func testRewound(t testing.TB, way string, c *cluster, keep func(), rewind func(*cluster)) {
	t.Helper()
	n := c.client("direct", direct...)
	first := c.nodes[0]
	// The attacked have spent something after the copy was made; the others
	// only want to log in.
	everyone := first.tokens("holder", "bypassed", "bystander")
	holder, bypassed, bystander := everyone[0], everyone[1], everyone[2]
	apps := first.tokensOf(otp.Params{Digits: 6, Period: 30 * time.Second}, "attacked", "patient")
	attacked, patient := apps[0], apps[1]
	n.ask("holder", holder.code(), nil).want(t, "accept")
	n.ask("bystander", bystander.code(), nil).want(t, "accept")
	first.do("", "bypass", "add", "bypassed", "--seconds", "3600", "--reason", "lost phone")

	keep()
	type replay struct{ name, code string }
	var replays []replay
	spend := func(p *person, code string) {
		n.at(c.nodes[len(replays)%2]).ask(p.name, code, nil).want(t, "accept")
		replays = append(replays, replay{p.name, code})
	}
	for range 5 {
		spend(holder, holder.code())
	}
	spend(attacked, attacked.code())
	spend(attacked, attacked.code())
	spend(bypassed, bypassed.wrong()) // the bypass lets in whatever comes along

	// A node that stops says how far the events had come.
	second := c.nodes[1]
	second.stop()
	second.begin()

	// The attack begins before the database goes back and ends with the test.
	stop := make(chan struct{})
	var attack sync.WaitGroup
	accepted := make(chan string, 100)
	for _, s := range c.nodes {
		for _, r := range replays {
			attack.Go(func() {
				k := n.at(s).dial()
				defer k.close()
				for {
					if a := k.askFor(n.request(r.name, r.code, nil), time.Second); a.verdict() == "accept" {
						accepted <- fmt.Sprintf("%s with %s at %s", r.name, r.code, s.addr)
						return
					}
					select {
					case <-stop:
						return
					case <-time.After(200 * time.Millisecond):
					}
				}
			})
		}
	}
	end := sync.OnceFunc(func() {
		close(stop)
		attack.Wait()
	})
	defer end()

	rewind(c)
	back := time.Now()
	// What needs a second factor is refused for the time being, for everybody
	// alike, and the events say why.
	var refused answer
	eventually(t, "a login on the database that went back is answered", func() bool {
		refused = n.ask("bystander", bystander.at(bystander.spent+1), nil)
		return refused.Packet != nil
	})
	refused.want(t, "reject")
	if why := first.why(refused.reference()); why.Code != 2004 {
		t.Errorf("after the database went back a login ends as %d %s; want 2004", why.Code, why.Label)
	}
	stranger := n.at(c.nodes[1]).ask("nobody-"+rand8(), "123456", nil).want(t, "reject")
	if stranger.message() == "" || withoutReference(stranger) != withoutReference(refused) {
		t.Errorf("a known person reads %q, a stranger %q", refused.message(), stranger.message())
	}

	// TOTP comes back by itself, at every node.
	for _, s := range c.nodes {
		tries := 0
		var last answer
		deadline := time.Now().Add(4 * time.Minute)
		for {
			patient.mu.Lock()
			step := max(patient.params.Step(time.Now()), patient.spent+1)
			patient.mu.Unlock()
			last = n.at(s).ask("patient", patient.at(step), nil)
			if tries++; last.verdict() == "accept" {
				patient.mu.Lock()
				patient.spent = step
				patient.mu.Unlock()
				break
			}
			if why := s.why(last.reference()); why.Code != 2004 {
				t.Fatalf("the right code is refused for %d %s; want 2004", why.Code, why.Label)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v after the database went back %s accepts no code: %v", time.Since(back), s.addr, last)
			}
			time.Sleep(2 * time.Second) // as a person does who was told to wait
		}
		t.Logf("%s: %s accepts codes again after %v", way, s.addr, time.Since(back).Round(time.Second))
	}
	if took := time.Since(back); took < 80*time.Second {
		t.Errorf("codes were accepted %v after the database went back, while spent ones were still in their time", took)
	}

	// HOTP does not: nobody knows how far its counter had come.
	a := n.ask("bystander", bystander.code(), nil).want(t, "reject")
	if why := first.why(a.reference()); why.Code != 1506 {
		t.Errorf("an HOTP code after the database went back ends as %d %s; want 1506", why.Code, why.Label)
	}
	one, two := bystander.code(), bystander.code()
	first.do("", "authenticator", "resync", bystander.id, one, two)
	n.at(c.nodes[1]).ask("bystander", bystander.code(), nil).want(t, "accept")

	end()
	select {
	case what := <-accepted:
		t.Errorf("%s: accepted again after the database went back: %s", way, what)
	default:
	}
	// Whoever looks at the record of events finds that some are gone.
	if r := second.try("", "audit", "verify"); r.Exit != 1 || !strings.Contains(r.Out+r.Err, "NOT WHOLE") || !strings.Contains(r.Out+r.Err, "an old copy of the database was gone on with") {
		t.Errorf("%s: audit verify does not tell that events are gone: exit code %d\n%s%s", way, r.Exit, r.Out, r.Err)
	}
}

// withoutReference is what a person reads, without what is theirs alone.
func withoutReference(a answer) string {
	words, _, _ := strings.Cut(a.message(), " Reference ")
	return words
}
