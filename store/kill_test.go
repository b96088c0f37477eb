package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/seal"
	"sallyport/store/pgtest"
)

// TestMain lets the test binary be the process that TestCampaignKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STORE_TEST_VICTIM"); dir != "" {
		victim(dir, os.Getenv("STORE_TEST_KEK"))
		return
	}
	code := m.Run()
	pgtest.Close()
	os.Exit(code)
}

const victims = 32 // accounts

// victim commits logins until it is killed, and says on stdout what was
// acknowledged: sequence number, account, step.
func victim(dir, key string) {
	kek, err := seal.ReadKEK(key)
	if err != nil {
		panic(err)
	}
	s, err := Open(context.Background(), Options{Dir: dir, KEK: kek})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range victims {
		wg.Go(func() {
			for {
				f, err := s.Snapshot(context.Background(), query(i), false)
				if err != nil {
					panic(err)
				}
				step := f.Authenticators[1].Mark + 1
				st := login(f, step)
				st.Throttle = &auth.Throttle{Have: auth.Count{Failures: int(step + 1)}}
				if step%5 == 0 {
					st.Spend[0].Next = auth.Secret(fmt.Sprint("state ", step))
				}
				seq, err := s.Commit(context.Background(), st)
				if err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Printf("%d %d %d\n", seq, i, step)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// full reports whether campaigns run at their full length (make campaign), and
// not at that of every other run.
func full() bool { return os.Getenv("SALLYPORT_CAMPAIGN") == "full" }

// TestCampaignKill kills a process that commits, again and again, and checks that
// every acknowledged login is there with its event, its spent step and its
// count, that numbers stay dense, and that nothing is spent twice.
func TestCampaignKill(t *testing.T) {
	rounds, most := 6, 600 // kills, and acknowledged logins before each
	if full() {
		rounds, most = 40, 3000
	}
	dir := filepath.Join(t.TempDir(), "data")
	key := filepath.Join(t.TempDir(), "seal.key")
	kek, err := seal.CreateKEK(key)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, KEK: kek}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	addAccounts(t, s, victims)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	type told struct {
		account int
		step    int64
	}
	acknowledged := make(map[uint64]told)
	highest := make(map[int]int64)
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_TEST_VICTIM="+dir, "STORE_TEST_KEK="+key)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After the first word it lives on for a random number of lines.
		lines := bufio.NewScanner(out)
		left := 1 + rand.IntN(most)
		killed := false
		deadline := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		for lines.Scan() {
			part := strings.Fields(lines.Text())
			if len(part) != 3 {
				continue // cut short by the kill, and so not said
			}
			seq, _ := strconv.ParseUint(part[0], 10, 64)
			account, _ := strconv.Atoi(part[1])
			step, _ := strconv.ParseInt(part[2], 10, 64)
			if was, ok := acknowledged[seq]; ok {
				t.Fatalf("event %d was given to %+v and again", seq, was)
			}
			if step <= highest[account] && highest[account] != 0 {
				t.Fatalf("round %d: step %d of account %d was accepted after step %d", round, step, account, highest[account])
			}
			acknowledged[seq] = told{account, step}
			highest[account] = step
			if left--; left == 0 {
				cmd.Process.Kill() // SIGKILL; what it has written to the pipe is still read
				killed = true
			}
		}
		deadline.Stop()
		cmd.Wait()
		if !killed {
			t.Fatalf("round %d: the process ended by itself", round)
		}

		if s, err = Open(context.Background(), o); err != nil {
			t.Fatalf("round %d: Open after a kill = %v", round, err)
		}
		list, err := s.Events(context.Background(), admin.EventFilter{Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[uint64]auth.Event, len(list))
		for i, e := range list {
			if e.Seq != uint64(i+1) {
				t.Fatalf("round %d: event %d has number %d; a number is missing", round, i+1, e.Seq)
			}
			seen[e.Seq] = e
		}
		for seq, want := range acknowledged {
			if e, ok := seen[seq]; !ok || e.Subject != accountID(want.account) || e.Mark != want.step {
				t.Fatalf("round %d: event %d was acknowledged for %+v and is %+v", round, seq, want, e)
			}
		}
		checkTallies(t, s, list) // nothing is left out or counted twice
		for i := range victims {
			f := mustSnapshot(t, s, query(i))
			if m := f.Authenticators[1].Mark; m < highest[i] {
				t.Fatalf("round %d: mark of account %d is %d after step %d was accepted", round, i, m, highest[i])
			} else if f.Throttle.Have.Failures != int(m+1) && m != auth.NoMark {
				t.Fatalf("round %d: account %d has mark %d and %d failures; they were written together", round, i, m, f.Throttle.Have.Failures)
			}
			if bySubject, err := s.Events(context.Background(), admin.EventFilter{Subject: accountID(i), Limit: 1 << 30}); err != nil {
				t.Fatal(err)
			} else if n := f.Authenticators[1].Mark + 1; int64(len(bySubject)) != n {
				t.Fatalf("round %d: %d events of account %d are found by subject, want %d", round, len(bySubject), i, n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged logins over %d kills", len(acknowledged), rounds)
}
