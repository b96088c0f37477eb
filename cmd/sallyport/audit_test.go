//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/httpd"
	"sallyport/radius"
)

// A killer is a webhook's receiver that kills the server when it has a batch
// and before it has said so.
type killer struct {
	mu    sync.Mutex
	lines []string
	kill  func() // what the next batch with an event beyond above does, nil for nothing
	above uint64
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var batch struct {
		Records []json.RawMessage `json:"records"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range batch.Records {
		k.lines = append(k.lines, string(l))
	}
	if k.kill != nil && newestOf(k.lines) > k.above {
		k.kill()
		k.kill = nil
	}
}

// newest returns the newest event that has come.
func (k *killer) newest() (seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return newestOf(k.lines)
}

func newestOf(lines []string) (seq uint64) {
	for _, l := range lines {
		var v struct{ Seq uint64 }
		if json.Unmarshal([]byte(l), &v) == nil {
			seq = max(seq, v.Seq)
		}
	}
	return seq
}

// The server is killed between a delivery and the move of the cursor, again
// and again: nothing is lost, at most something comes twice.
func TestKilledBetweenDeliveryAndCursorCampaign(t *testing.T) {
	rounds := 5
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		rounds = 100
	}
	k := &killer{}
	hook := httptest.NewServer(k)
	defer hook.Close()
	s := newScript(t)
	work := s.vars["WORK"]
	for name, text := range map[string]string{
		"secret": "a secret of the webhook\n",
		"config": fmt.Sprintf("export:\n- name: hook\n  url: %s/events\n  secret_file: %s/secret\n", hook.URL, work),
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(line string) {
		t.Helper()
		if err := s.line(line); err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, s.stdout, s.stderr)
		}
	}
	serve := "serve --config $WORK/config"
	must(serve)
	must("sallyport application add vpn")
	must("sallyport client add nas --application vpn --source 127.0.0.1 --mode append --json")
	must(`get SECRET '"secret":"([^"]+)"'`)
	for round := range rounds {
		server, above := s.server, k.newest()
		k.mu.Lock()
		k.above = above
		k.kill = func() {
			if err := server.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = server.Wait() // it is gone before the answer leaves
		}
		k.mu.Unlock()
		refusedLogins(t, s.vars["RADIUS"], s.vars["SECRET"], round, 10)
		deadline := time.Now().Add(30 * time.Second)
		for killed := false; !killed; {
			k.mu.Lock()
			killed = k.kill == nil
			k.mu.Unlock()
			if time.Now().After(deadline) {
				t.Fatal("no batch came")
			}
			time.Sleep(5 * time.Millisecond)
		}
		must(serve)
	}
	must("sallyport audit status --json")
	var st httpd.AuditStatus
	if err := json.Unmarshal([]byte(s.stdout), &st); err != nil {
		t.Fatal(err)
	}
	head := st.Exports[0].Head
	if head < uint64(5*rounds) {
		t.Fatalf("only %d events", head)
	}
	deadline := time.Now().Add(2 * time.Minute) // the lease of the one that was killed is this node's own
	for k.newest() < head {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events came", k.newest(), head)
		}
		time.Sleep(20 * time.Millisecond)
	}
	k.mu.Lock()
	kept := strings.Join(k.lines, "\n") + "\n"
	k.mu.Unlock()
	if err := os.WriteFile(filepath.Join(work, "kept"), []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	must("sallyport audit verify --export kept")
	must("stdout ^whole$")
	must("stdout 'came more than once'")
	must(fmt.Sprintf("stdout ^events.*1.to.%d$", head))
	must("sallyport audit verify")
	t.Logf("%d kills, %d events, %d lines", rounds, head, bytes.Count([]byte(kept), []byte("\n")))
}

// refusedLogins sends n logins of names that nobody has. The server may die
// meanwhile.
func refusedLogins(t *testing.T, server, secret string, round, n int) {
	t.Helper()
	addr, err := netip.ParseAddrPort(server)
	if err != nil {
		t.Fatal(err)
	}
	key, err := radius.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			p := radius.NewRequest(radius.AccessRequest)
			p.Add(radius.UserName, fmt.Appendf(nil, "nobody-%d-%d", round, i))
			if err := p.AddPassword(key, []byte("wrong")); err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			reply, err := new(radius.Asker).Exchange(ctx, addr, key, p)
			if err == nil && reply.Code == radius.AccessAccept {
				t.Error("a name that nobody has was let in")
			}
		})
	}
	wg.Wait()
}
