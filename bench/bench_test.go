//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sallyport/load"
)

func samples(perSecond ...float64) []sample {
	var all []sample
	for i, v := range perSecond {
		all = append(all, sample{Round: i, Result: load.Result{PerSecond: v}})
	}
	return all
}

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{9, 1, 5, 7}, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("median(%v) = %v; want %v", tt.values, got, tt.want)
			}
		})
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v; want not a number", got)
	}
}

// A quotient is of runs of one round, and a noisy round is left out only where
// three better ones remain.
func TestRatio(t *testing.T) {
	b := &bench{samples: map[string][]sample{
		"above": samples(10, 30, 30, 1000),
		"below": samples(10, 10, 15, 10),
	}}
	b.samples["below"][3].Result.Noise = 0.9
	got, values := b.ratio("above", "below", perSecond)
	if got != 2 || len(values) != 3 {
		t.Errorf("ratio = %v of %v; want 2, the median of 1, 3 and 2", got, values)
	}
	b.samples["above"], b.samples["below"] = b.samples["above"][1:], b.samples["below"][1:]
	if got, values = b.ratio("above", "below", perSecond); got != 3 || len(values) != 3 {
		t.Errorf("ratio = %v of %v; want 3, with the noisy round", got, values)
	}
	b.samples["below"] = b.samples["below"][:1]
	if got, values = b.ratio("above", "below", perSecond); got != 3 || len(values) != 1 {
		t.Errorf("ratio = %v of %v; want only the round that both ran in", got, values)
	}
	if got, _ = b.ratio("above", "missing", perSecond); !math.IsNaN(got) {
		t.Errorf("ratio to a row that did not run = %v; want not a number", got)
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		goal goal
		want string
	}{
		{"above both", goal{Must: 1, Best: 2, Value: 2.5}, "world class"},
		{"between", goal{Must: 1, Best: 2, Value: 1}, "yes"},
		{"below", goal{Must: 1, Best: 2, Value: 0.99}, "no"},
		{"at most, below both", goal{Most: true, Must: 2, Best: 1, Value: 1}, "world class"},
		{"at most, between", goal{Most: true, Must: 2, Best: 1, Value: 2}, "yes"},
		{"at most, above", goal{Most: true, Must: 2, Best: 1, Value: 2.1}, "no"},
		{"nothing known", goal{Must: 1, Value: math.NaN()}, notMeasured},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.goal.judge(); got.Met != tt.want {
				t.Errorf("judge(%+v) = %q; want %q", tt.goal, got.Met, tt.want)
			}
		})
	}
}

// Telling something before it is on disk is no economy.
func TestTooFewFsyncsAreAFault(t *testing.T) {
	b := &bench{
		rows:    []row{{ID: "sallyport-slow", Server: "sallyport"}},
		samples: map[string][]sample{"sallyport-slow": {{Fsyncs: 50, Groups: 100}}},
	}
	for _, g := range b.faultGoals() {
		if g.ID == "G13b" && g.Met != "no" {
			t.Errorf("half an fsync per transaction is judged %q; want no", g.Met)
		}
	}
	r := &report{Goals: b.faultGoals()}
	if err := r.gate(0.25, io.Discard); err == nil || !strings.Contains(err.Error(), "G13b") {
		t.Errorf("gate = %v; want it to name G13b", err)
	}
}

func TestGate(t *testing.T) {
	r := &report{Goals: []goal{
		{ID: "A", Must: 1, Value: 0.8, Met: "no"},
		{ID: "B", Most: true, Must: 1, Value: 1.2, Met: "no"},
		{ID: "C", Met: notMeasured},
	}}
	if err := r.gate(0.25, io.Discard); err != nil {
		t.Errorf("gate within the slack: %v", err)
	}
	err := r.gate(0.1, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "A (") || !strings.Contains(err.Error(), "B (") {
		t.Errorf("gate beyond the slack = %v; want it to name A and B", err)
	}
	r.Rows = []summary{{ID: "echo", Noise: 0.6}}
	if err := r.gate(0.1, io.Discard); err != nil {
		t.Errorf("gate on a machine that others use: %v", err)
	}
}

func TestRowsFitTogether(t *testing.T) {
	b := &bench{radius: "freeradius", strace: "strace", duration: time.Second, long: time.Second, accounts: 1000}
	seen := map[string]bool{}
	for _, r := range b.allRows() {
		if seen[r.ID] {
			t.Errorf("two rows are called %s", r.ID)
		}
		seen[r.ID] = true
		if (r.Share > 0) != (r.Of != "") || r.Of != "" && !seen[r.Of] {
			t.Errorf("row %s is at %g of row %q", r.ID, r.Share, r.Of)
		}
		if r.Share == 0 && r.InFlight == 0 || r.Duration == 0 || r.Durable == "" {
			t.Errorf("row %s is incomplete: %+v", r.ID, r)
		}
	}
	for _, g := range b.goals() {
		if g.Met != notMeasured || g.Why == "" {
			t.Errorf("goal %s without a run is %q, because %q", g.ID, g.Met, g.Why)
		}
		for id := range strings.FieldsSeq(strings.TrimPrefix(strings.ReplaceAll(g.Why, " and ", " "), "needs the rows")) {
			if strings.Contains(id, "-") && !seen[id] {
				t.Errorf("goal %s needs row %s, which there is not", g.ID, id)
			}
		}
	}
}

// Codes must last: at every moment fewer are used than have become valid.
func TestFreshRate(t *testing.T) {
	b := &bench{accounts: 1000}
	for _, d := range []time.Duration{time.Second, 29 * time.Second, 30 * time.Second, time.Minute, 95 * time.Second} {
		rate := b.freshRate(d)
		for at := time.Second; at <= d; at += time.Second {
			codes := 1000 * (2 + float64((at-time.Second)/(30*time.Second)))
			if used := rate * at.Seconds(); used > codes {
				t.Errorf("over %v at %.0f/s: %.0f codes used after %v, %.0f were there", d, rate, used, at, codes)
			}
		}
	}
}

func TestFreeRADIUSConfigurations(t *testing.T) {
	if _, err := moduleDirectory(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b := &bench{dir: t.TempDir()}
	if err := os.WriteFile(b.path("secret"), []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variant := range []string{"pap", "totp", "totp-sql", "both-sql", "totp-postgres"} {
		t.Run(variant, func(t *testing.T) {
			dir, err := b.freeRADIUS(variant, "127.0.0.1:1812", "127.0.0.1:5432")
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, "radiusd.conf"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "@") || !strings.Contains(string(text), `secret = "s3cr3t"`) {
				t.Errorf("a value is missing in:\n%s", text)
			}
			if got, want := strings.Contains(string(text), "INSERT"), strings.HasSuffix(variant, "-sql") || strings.HasSuffix(variant, "-postgres"); got != want {
				t.Errorf("logs to SQL: %t; want %t", got, want)
			}
		})
	}
	if _, err := b.freeRADIUS("ldap", "127.0.0.1:1812", ""); err == nil {
		t.Error("a variant that there is not was written")
	}
}

func TestCountFsyncs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	text := "12 fdatasync(5) = 0 (DELAYED)\n13 fsync(7 <unfinished ...>\n12 fdatasync(5) = 0 (DELAYED)\n13 <... fsync resumed>) = 0 (DELAYED)\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := countFsyncs(path); n != 3 || err != nil {
		t.Errorf("countFsyncs(%q) = %d, %v; want 3", text, n, err)
	}
}

func TestPopulations(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte(thePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	plain, hashed := population{name: "code"}, population{name: "bcrypt", hash: string(hash)}
	if plain.account(7) != "c000007" || plain.password(7) == plain.password(8) {
		t.Errorf("account %q, passwords %q and %q; want one each", plain.account(7), plain.password(7), plain.password(8))
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hashed.hash), []byte(hashed.password(7))); err != nil {
		t.Errorf("the password that is sent is not the one that was hashed: %v", err)
	}
}

// TestSmallComparison runs the real thing in small: the built program, its
// load generator, the echo and, where it is installed, FreeRADIUS.
func TestSmallComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	program := filepath.Join(t.TempDir(), "sallyport")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "sallyport/cmd/sallyport")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out, tell bytes.Buffer
	err := run(t.Context(), []string{
		"-sallyport", program, "-dir", t.TempDir(), "-rounds", "1", "-accounts", "20000", "-duration", "200ms", "-long", "0",
		"-priority=false", "-json", "-rows", "^(echo|sallyport|sallyport-argon2id|sallyport-slow|freeradius-sql|freeradius-bcrypt)$",
	}, &out, &tell)
	if err != nil {
		t.Fatalf("run: %v\n%s", err, &tell)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	rows := map[string]summary{}
	for _, s := range r.Rows {
		rows[s.ID] = s
		if s.PerSecond <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("row %s: %.1f/s, p50 %.1f us, p99 %.1f us", s.ID, s.PerSecond, s.P50, s.P99)
		}
		for _, each := range s.Samples {
			if each.Result.Wrong+each.Result.Bad > 0 {
				t.Errorf("row %s: %d wrong and %d bad answers", s.ID, each.Result.Wrong, each.Result.Bad)
			}
		}
	}
	want := []string{"echo", "sallyport", "sallyport-argon2id"}
	if _, err := exec.LookPath("strace"); err == nil || os.Getenv("CI") == "true" {
		want = append(want, "sallyport-slow")
	}
	if _, err := moduleDirectory(); err == nil || os.Getenv("CI") == "true" {
		want = append(want, "freeradius-sql", "freeradius-bcrypt")
	}
	for _, id := range want {
		if _, ok := rows[id]; !ok {
			t.Errorf("there is no row %s; it told:\n%s", id, &tell)
		}
	}
	for _, g := range r.Goals {
		if g.ID == "G1" && (g.Met == notMeasured || g.Value <= 0) {
			t.Errorf("goal %+v; want it measured", g)
		}
		if g.ID == "G13b" && rows["sallyport-slow"].ID != "" && g.Value < 0.99 {
			t.Errorf("%.2f fsyncs per transaction; want one at least", g.Value)
		}
	}
	var printed bytes.Buffer
	r.print(&printed)
	for _, s := range r.Rows {
		if !strings.Contains(printed.String(), s.Title) {
			t.Errorf("the table lacks %q:\n%s", s.Title, &printed)
		}
	}
}
