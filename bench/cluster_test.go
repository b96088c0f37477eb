//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/load"
	"sallyport/otp"
)

// A round trip is what is sent after something was received, however many
// pieces it takes either way, on each connection for itself.
func TestWire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // answers each line by two
				defer c.Close()
				b := make([]byte, 100)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if bytes.HasSuffix(b[:n], []byte("\n")) {
						io.WriteString(c, "one\n")
						io.WriteString(c, "two\n")
					}
				}
			}()
		}
	}()
	w, err := newWire(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var connections []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", w.address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		connections = append(connections, c)
	}
	const trips = 5
	for range trips {
		for _, c := range connections {
			for _, piece := range []string{"a", "long ", "question\n"} {
				io.WriteString(c, piece)
				time.Sleep(2 * time.Millisecond) // so that the pieces travel apart
			}
			if _, err := io.ReadFull(c, make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, sent, received := w.counts()
	if got != 2*trips || sent != 2*trips*15 || received != 2*trips*8 {
		t.Errorf("counted %d round trips, %d octets there and %d back; want %d, %d and %d", got, sent, received, 2*trips, 2*trips*15, 2*trips*8)
	}
	w.close()
	if _, err := connections[0].Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives its wire")
	}
}

// Rates and counts add up; percentiles become no better by adding.
func TestMerge(t *testing.T) {
	got := merge([]generated{
		{Result: load.Result{Logins: 300, PerSecond: 150, Accepts: 310, Lost: 1, Rate: 10, Latency: load.Latency{P50: 10, P99: 50, Max: 60}}},
		{Result: load.Result{Logins: 100, PerSecond: 50, Accepts: 120, Wrong: 2, Rate: 10, Latency: load.Latency{P50: 30, P99: 40, Max: 900}, Exhausted: true}},
	})
	if got.Logins != 400 || got.PerSecond != 200 || got.Accepts != 430 || got.Rate != 20 || got.Lost != 1 || got.Wrong != 2 || !got.Exhausted || got.Clean() {
		t.Errorf("merge = %+v", got)
	}
	if want := (load.Latency{P50: 15, P99: 50, Max: 900}); got.Latency != want {
		t.Errorf("latency = %+v; want %+v", got.Latency, want)
	}
}

// The next step begins at a multiple of 30 s and not now.
func TestNextStep(t *testing.T) {
	for _, unix := range []int64{0, 1, 29, 30, 59, 1_800_000_017} {
		got := nextStep(time.Unix(unix, 0)).Unix()
		if got%30 != 0 || got <= unix || got > unix+30 {
			t.Errorf("the step after %d begins at %d", unix, got)
		}
	}
}

// An account whose code of one step comes again in the next is no use: the code
// would be used before it is measured.
func TestRepeats(t *testing.T) {
	e := otp.Enrolment{Key: []byte("12345678901234567890"), Params: otp.Params{Digits: 6, Period: 30 * time.Second}}
	// Steps are looked through for a code that comes twice in a row.
	for at := int64(1); ; at++ {
		if otp.HOTP(e.Key, uint64(at), e.Params) != otp.HOTP(e.Key, uint64(at+1), e.Params) {
			continue
		}
		begin := time.Unix(30*at, 0)
		for _, tt := range []struct {
			name string
			from time.Time
			want bool
		}{
			{"the first of them is now", begin, true},
			{"the second is now", begin.Add(30 * time.Second), true},
			{"both are to come", begin.Add(-time.Minute), true},
			{"both are over", begin.Add(2 * time.Minute), false},
			{"both come after the run", begin.Add(-10 * time.Minute), false},
		} {
			if got := repeats(e, tt.from, tt.from.Add(time.Minute)); got != tt.want {
				t.Errorf("%s: repeats = %t; want %t", tt.name, got, tt.want)
			}
		}
		return
	}
}

func TestDatabaseRowsFitTogether(t *testing.T) {
	b := &bench{radius: "freeradius", database: &database{}, duration: time.Second, accounts: 1000}
	seen := map[string]bool{}
	for _, r := range b.allRows() {
		if seen[r.ID] {
			t.Errorf("two rows are called %s", r.ID)
		}
		seen[r.ID] = true
		if (r.Share > 0) != (r.Of != "") || r.Of != "" && !seen[r.Of] {
			t.Errorf("row %s is at %g of row %q", r.ID, r.Share, r.Of)
		}
		if r.Share == 0 && r.Rate == 0 && r.InFlight == 0 || r.Duration == 0 || r.Durable == "" {
			t.Errorf("row %s is incomplete: %+v", r.ID, r)
		}
		if r.Database && (r.Nodes > 0) != (r.Server == "sallyport") || r.Cost && !r.Database {
			t.Errorf("row %s contradicts itself: %+v", r.ID, r)
		}
	}
	for _, g := range b.goals() {
		if g.Met != notMeasured || g.Why == "" {
			t.Errorf("goal %s without a run is %q, because %q", g.ID, g.Met, g.Why)
		}
	}
}

// TestSmallComparisonWithPostgres runs the real thing in small: our nodes and
// FreeRADIUS on a real PostgreSQL. What is known of FreeRADIUS, one statement
// and one row for each login, shows whether the counts are right.
func TestSmallComparisonWithPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	if databasePrograms() == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	program := filepath.Join(t.TempDir(), "sallyport")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "sallyport/cmd/sallyport")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out, tell bytes.Buffer
	err := run(t.Context(), []string{
		"-postgres", "-sallyport", program, "-rounds", "1", "-accounts", "6000", "-duration", "200ms",
		"-priority=false", "-json", "-rows", "^(echo|nodes-1|nodes-3-cost|freeradius-postgres|freeradius-postgres-cost)$",
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
		for _, each := range s.Samples {
			if each.Result.Wrong+each.Result.Bad > 0 {
				t.Errorf("row %s: %d wrong and %d bad answers", s.ID, each.Result.Wrong, each.Result.Bad)
			}
		}
	}
	want := []string{"echo", "nodes-1", "nodes-3-cost"}
	if _, err := moduleDirectory(); err == nil || os.Getenv("CI") == "true" {
		want = append(want, "freeradius-postgres", "freeradius-postgres-cost")
		c := rows["freeradius-postgres-cost"].Cost
		if c == nil || c.Statements < 0.95 || c.Statements > 1.05 || c.Inserted < 0.95 || c.Inserted > 1.05 || c.RoundTrips < 0.95 || c.RoundTrips > 1.05 {
			t.Errorf("a login of FreeRADIUS is counted as %+v; want one statement, one row and one round trip", c)
		}
	}
	for _, id := range want {
		s, ok := rows[id]
		switch {
		case !ok:
			t.Errorf("there is no row %s; it told:\n%s", id, &tell)
		case s.PerSecond <= 0 || id != "echo" && (s.NodeCPU <= 0 || s.DatabaseCPU <= 0 || s.WAL <= 0):
			t.Errorf("row %s: %+v", id, s)
		}
	}
	if c := rows["nodes-3-cost"].Cost; c == nil || c.RoundTrips <= 0 || c.Statements <= 0 || c.Inserted <= 0 || c.Flushes <= 0 {
		t.Errorf("the cost of a login of ours is %+v", c)
	}
	var printed bytes.Buffer
	r.print(&printed)
	for _, s := range r.Rows {
		if !strings.Contains(printed.String(), s.Title) {
			t.Errorf("the table lacks %q:\n%s", s.Title, &printed)
		}
	}
}
