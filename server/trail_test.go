package server

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/otp"
)

// run starts a server that stops when the test says so.
func run(t *testing.T, cfg config.Config) (s *Server, stop func()) {
	t.Helper()
	s, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	}
	t.Cleanup(stop)
	return s, stop
}

// attempts decides n logins at a time that must be refused.
func attempts(t testing.TB, s *Server, at time.Time, n int) {
	t.Helper()
	for range n {
		d := s.Engine.Decide(context.Background(), auth.Attempt{
			Door: "radius", Client: "nas", Claimant: "nobody at all", Evidence: []auth.Evidence{auth.Password("x")}, Time: at, Seen: "test",
		})
		if d.Verdict != auth.Reject {
			t.Fatalf("verdict %v (%v)", d.Verdict, d.Outcome)
		}
	}
}

func exported(t *testing.T, name string) (events []map[string]any, text string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if v["kind"] == "event" {
			events = append(events, v)
		}
	}
	return events, string(b)
}

// node, export and anchors, each at two values.
func TestTrailFollowsTheConfiguration(t *testing.T) {
	for _, node := range []string{"", "node-b"} {
		t.Run("node="+node, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			cfg := testConfig(dir)
			cfg.Node = node
			want, wantAnchors := node, filepath.Join(out, "elsewhere")
			if node == "" {
				host, err := os.Hostname()
				if err != nil {
					t.Fatal(err)
				}
				want, wantAnchors = host, filepath.Join(dir, "anchors")
			} else {
				cfg.Anchors = wantAnchors
				cfg.Export = []config.Export{
					{Name: "one", URL: "file://" + out + "/one.jsonl"}, {Name: "two", URL: "file://" + out + "/two.jsonl"},
				}
			}
			s, stop := run(t, cfg)
			populate(t, s, 1, admin.NewClient{Mode: "append"})
			attempts(t, s, time.Now(), 3)
			stop()
			for _, e := range cfg.Export {
				events, _ := exported(t, strings.TrimPrefix(e.URL, "file://"))
				if len(events) != 3 || events[2]["seq"] != 3.0 || events[0]["node"] != want {
					t.Errorf("%s: %v; want three events of %s", e.Name, events, want)
				}
			}
			if entries, err := os.ReadDir(out); err != nil || node == "" && len(entries) > 0 {
				t.Errorf("files %v, %v", entries, err)
			}
			b, err := os.ReadFile(wantAnchors)
			if err != nil || !strings.Contains(string(b), `"seq":3,`) || !strings.Contains(string(b), `"node":"`+want+`"`) {
				t.Errorf("anchors %s, %v", b, err)
			}
		})
	}
}

// keep_events at two values, and by one node only.
func TestKeepEvents(t *testing.T) {
	now := time.Now()
	for _, keep := range []time.Duration{0, 48 * time.Hour} {
		t.Run(keep.String(), func(t *testing.T) {
			s, _ := run(t, testConfig(t.TempDir()))
			populate(t, s, 1, admin.NewClient{Mode: "append"})
			attempts(t, s, now.Add(-72*time.Hour), 5)
			attempts(t, s, now, 2)
			clock := now
			other := &retention{store: s.Store, keep: keep, node: "other", now: func() time.Time { return clock }}
			r := &retention{store: s.Store, keep: keep, node: "this", now: func() time.Time { return clock }}
			var want uint64
			if keep > 0 {
				want = 5
			}
			if n, err := r.due(t.Context()); n != want || err != nil {
				t.Fatalf("deleted %d, %v; want %d", n, err, want)
			}
			if n, err := other.due(t.Context()); n != 0 || err != nil || !other.last.IsZero() {
				t.Errorf("another node deleted %d, %v", n, err)
			}
			events, err := s.Store.Events(t.Context(), admin.EventFilter{})
			if err != nil || len(events) != 7-int(want) {
				t.Errorf("%d events are left, %v", len(events), err)
			}
			// Not again for a day, and then again.
			clock = now.Add(23 * time.Hour)
			if last := r.last; keep > 0 {
				if _, err := r.due(t.Context()); err != nil || r.last != last {
					t.Errorf("after 23 hours it did so again, %v", err)
				}
			}
			clock = now.Add(49 * time.Hour)
			if want > 0 {
				want = 1 // the newest row stays, so that the chain goes on from it
			}
			if n, err := r.due(t.Context()); n != want || err != nil {
				t.Errorf("after two days deleted %d, %v; want %d", n, err, want)
			}
		})
	}
}

// What an export has not delivered is not deleted, however old.
func TestRetentionWaitsForExports(t *testing.T) {
	now := time.Now()
	s, _ := run(t, testConfig(t.TempDir()))
	populate(t, s, 1, admin.NewClient{Mode: "append"})
	attempts(t, s, now.Add(-72*time.Hour), 5)
	attempts(t, s, now, 1)
	if err := s.Store.SetCursor(t.Context(), "siem", 0); err != nil {
		t.Fatal(err)
	}
	before := now.Add(-48 * time.Hour)
	if n, err := s.Store.Retain(t.Context(), admin.Act{Time: now}, before); n != 0 || err != nil {
		t.Errorf("deleted %d that were not delivered, %v", n, err)
	}
	if err := audit.GiveUp(t.Context(), s.Store, "siem"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Store.Retain(t.Context(), admin.Act{Time: now}, before); n != 5 || err != nil {
		t.Errorf("deleted %d after the export was given up, %v; want 5", n, err)
	}
}

// database at two values: SQLite is what the other tests use; PostgreSQL that
// cannot be opened refuses the start, without its password, and leaves no key
// that was made for nothing.
func TestDatabaseThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2-hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(dir)
	cfg.Database, cfg.DatabasePasswordFile = "postgres://sally@127.0.0.1:1/sally?connect_timeout=1", password
	_, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("Start = %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "seal.key")); !os.IsNotExist(err) {
		t.Errorf("a key was left behind: %v", err)
	}
	cfg.DatabasePasswordFile = password + "no"
	if _, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "database_password_file") {
		t.Errorf("Start without the password's file = %v", err)
	}
}

// Canaries: no password, code, seed or unknown name is in what is exported, in
// the anchors or in the metrics.
func TestNothingSecretIsExported(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out.jsonl")
	cfg := testConfig(dir)
	cfg.Export = []config.Export{{Name: "file", URL: "file://" + out}}
	s, stop := run(t, cfg)
	person := populate(t, s, 1, admin.NewClient{Mode: "append"})[0]
	const canary = "canary-7f1e9"
	if err := s.Admin.SetPassword(t.Context(), admin.Operator("test"), person.Account, canary+"-password", ""); err != nil {
		t.Fatal(err)
	}
	code := otp.TOTP(person.Key, time.Now(), person.Params)
	for i, a := range []struct {
		name     string
		evidence []auth.Evidence
	}{
		{person.Account, []auth.Evidence{auth.Password(canary + "-password"), auth.Code(code)}},
		{person.Account, []auth.Evidence{auth.Password(canary + "-wrong")}},
		{canary + "-typed-as-a-name", []auth.Evidence{auth.Password(canary)}},
		{person.Account, []auth.Evidence{auth.Password(canary + "-password"), auth.Code("918273")}},
	} {
		s.Engine.Decide(t.Context(), auth.Attempt{Door: "radius", Client: "nas", Claimant: a.name, Evidence: a.evidence, Time: time.Now(), Request: canary + strconv.Itoa(i), Seen: "test"})
	}
	resp, err := http.Get("http://" + s.telemetry.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(metrics), `sallyport_export_lag_seconds{export="file"}`) || !strings.Contains(string(metrics), "sallyport_anchor_timestamp_seconds") {
		t.Errorf("metrics: %v\n%s", err, metrics)
	}
	stop()
	events, text := exported(t, out)
	if len(events) != 4 {
		t.Fatalf("%d events", len(events))
	}
	if events[0]["verdict"] != "accept" || events[0]["account"] != person.Account || !strings.HasPrefix(events[2]["account"].(string), "?") {
		t.Errorf("events %v", events)
	}
	anchors, err := os.ReadFile(filepath.Join(dir, "anchors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{canary, code, "918273", otp.EncodeKey(person.Key)} {
		for what, in := range map[string]string{"export": text, "anchors": string(anchors), "metrics": string(metrics)} {
			if secret == code && what != "export" {
				continue // six digits can be part of a number
			}
			if strings.Contains(in, `"`+secret) || len(secret) > 6 && strings.Contains(in, secret) {
				t.Errorf("%q is in the %s", secret, what)
			}
		}
	}
}

// A receiver that is down makes nobody unready, and shows.
func TestDeadReceiverDoesNotMakeUnready(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Export = []config.Export{{Name: "siem", URL: "syslog+tcp://127.0.0.1:1"}}
	s, _ := run(t, cfg)
	populate(t, s, 1, admin.NewClient{Mode: "append"})
	attempts(t, s, time.Now().Add(-time.Hour), 1)
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := http.Get("http://" + s.telemetry.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("/readyz: %d, %v\n%s", resp.StatusCode, err, b)
		}
		if strings.Contains(string(b), "warning export: export siem: the oldest event that was not delivered is 1h0m") && strings.HasSuffix(string(b), "ready\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no warning: %s", b)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A drill leaves the backup, its key and nothing else behind, and finds what is
// wrong.
func TestDrill(t *testing.T) {
	dir := t.TempDir()
	s, stop := run(t, testConfig(dir))
	populate(t, s, 20, admin.NewClient{Mode: "append"})
	attempts(t, s, time.Now(), 5)
	var backup bytes.Buffer
	if err := s.Store.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	stop()
	key := filepath.Join(dir, "seal.key")
	examine := func(b []byte, key string, drill bool) (Examined, error) {
		scratch, remove, err := Scratch(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		v, failed := Examine(t.Context(), Examination{
			Backup: bytes.NewReader(b), Key: key, Scratch: scratch, Anchors: filepath.Join(dir, "anchors"), Drill: drill, Tell: func(string) {},
		})
		if err := remove(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(filepath.Dir(scratch)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		return v, failed
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := examine(backup.Bytes(), key, true)
	if err != nil || v.Accounts != 20 || v.Authenticators != 20 || v.Clients != 1 || v.Events != 5 || v.Secrets != 21 || v.Refused == "" || !v.Report.Whole() || v.RestoreTook <= 0 || v.Octets != int64(backup.Len()) {
		t.Errorf("drill: %+v, %v", v, err)
	}
	if after, err := os.ReadFile(key); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key file was changed: %v", err)
	}
	if v, err := examine(backup.Bytes(), "", false); err != nil || v.KeyUsed {
		t.Errorf("without a key: %+v, %v", v, err)
	}
	if _, err := examine(backup.Bytes()[:backup.Len()/2], key, true); err == nil {
		t.Error("half a backup passed")
	}
	// One sealed secret that was changed in the backup is found.
	broken := filepath.Join(t.TempDir(), "broken.db")
	if err := os.WriteFile(broken, backup.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+broken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE authenticator SET state = substr(state, 1, length(state) - 1) || x'00' WHERE place = (SELECT MAX(place) FROM authenticator)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := examine(b, key, true); err == nil || !strings.Contains(err.Error(), "authenticator") {
		t.Errorf("a secret that does not open: %v", err)
	}
}

// Random mutations of a copy of a real database are all found by the chain and
// the anchors: I3.
func TestDatabaseMutationsCampaign(t *testing.T) {
	rounds := 300
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		rounds = 10_000
	}
	dir := t.TempDir()
	s, stop := run(t, testConfig(dir))
	populate(t, s, 1, admin.NewClient{Mode: "append"})
	now := time.Now()
	for i := range 40 {
		attempts(t, s, now.Add(time.Duration(i)*time.Minute), 1+i%3)
		s.trail.Anchor(t.Context())
	}
	stop()
	own := filepath.Join(dir, "anchors")
	s, _ = run(t, testConfig(dir)) // the copy: nobody else uses it
	mac := s.Store.MAC(auditPurpose)
	verify := func() audit.Report {
		t.Helper()
		var a audit.Anchors
		if err := a.ReadOwn(own, mac); err != nil {
			t.Fatal(err)
		}
		r, err := audit.Verify(t.Context(), s.Store, &a, nil)
		if err != nil {
			return audit.Report{Findings: []string{err.Error()}} // it cannot even be read
		}
		return r
	}
	if r := verify(); !r.Whole() || r.Anchors < 40 {
		t.Fatalf("before any mutation: %+v", r)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "sallyport.db")+"?_pragma=busy_timeout(5000)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	type row struct {
		last, first int64
		body        string
		hash        []byte
	}
	var list []row
	rows, err := db.Query(`SELECT last, first, body, hash FROM event ORDER BY last`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.last, &r.first, &r.body, &r.hash); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil || len(list) < 40 {
		t.Fatalf("%d rows, %v", len(list), err)
	}
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := db.Exec(text, args...); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`CREATE TABLE kept AS SELECT * FROM event`, `CREATE TABLE kept_chain AS SELECT * FROM chain`} {
		exec(text)
	}
	random := rand.New(rand.NewPCG(2, uint64(rounds)))
	found := make(map[string]int)
	for i := range rounds {
		r, q := list[random.IntN(len(list))], list[random.IntN(len(list))]
		var what string
		switch random.IntN(7) {
		case 0:
			what = "body"
			b := []byte(r.body)
			b[random.IntN(len(b))] ^= 1 << random.IntN(7)
			exec(`UPDATE event SET body = $1 WHERE last = $2`, string(b), r.last)
		case 1:
			what = "hash"
			h := bytes.Clone(r.hash)
			h[random.IntN(len(h))] ^= 1 << random.IntN(8)
			exec(`UPDATE event SET hash = $1 WHERE last = $2`, h, r.last)
		case 2:
			what = "delete"
			exec(`DELETE FROM event WHERE last = $1`, r.last)
		case 3:
			if r.last == q.last || r.body == q.body {
				continue
			}
			what = "swap"
			exec(`UPDATE event SET body = $1, hash = $2 WHERE last = $3`, q.body, q.hash, r.last)
			exec(`UPDATE event SET body = $1, hash = $2 WHERE last = $3`, r.body, r.hash, q.last)
		case 4:
			what = "cut the end"
			exec(`DELETE FROM event WHERE last >= $1`, r.last)
		case 5:
			if r.last == list[len(list)-1].last {
				continue // that is the end
			}
			what = "cut the beginning"
			exec(`DELETE FROM event WHERE last <= $1`, r.last)
		default:
			what = "links"
			exec(`UPDATE chain SET seq = $1, hash = $2`, r.last, r.hash)
			exec(`DELETE FROM event WHERE last <= $1`, r.last)
		}
		if rep := verify(); rep.Whole() {
			t.Fatalf("round %d: not found: %s at %d: %+v", i, what, r.last, rep)
		}
		found[what]++
		exec(`DELETE FROM event`)
		exec(`INSERT INTO event SELECT * FROM kept`)
		exec(`DELETE FROM chain`)
		exec(`INSERT INTO chain SELECT * FROM kept_chain`)
	}
	if r := verify(); !r.Whole() {
		t.Fatalf("after everything was put back: %+v", r)
	}
	t.Log(fmt.Sprint(rounds, " rounds, all found: ", found))
}
