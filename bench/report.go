//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sallyport/load"
)

// A report is everything that was measured and what it comes to.
type report struct {
	Time     time.Time `json:"time"`
	Machine  string    `json:"machine"`
	Peer     string    `json:"peer"`
	Rounds   int       `json:"rounds"`
	Accounts int       `json:"accounts"`
	// AccountOctets is what an account with one authenticator takes on the disk
	// of PostgreSQL before its first login.
	AccountOctets float64 `json:"account_octets,omitempty"`

	Goals []goal    `json:"goals"`
	Rows  []summary `json:"rows"`
}

// A goal is a figure that was promised, and what it is.
type goal struct {
	ID     string  `json:"id"`
	What   string  `json:"what"`
	Most   bool    `json:"at_most"` // the bounds are upper ones
	Must   float64 `json:"must"`
	Best   float64 `json:"world_class"`
	Unit   string  `json:"unit,omitempty"`
	Value  float64 `json:"value"`
	Met    string  `json:"met"`           // "world class", "yes", "no" or "not measured"
	Why    string  `json:"why,omitempty"` // not measured
	values []float64
}

// A summary is one row with the medians of its samples.
type summary struct {
	ID        string  `json:"id"`
	Title     string  `json:"title"`
	Durable   string  `json:"durable"`
	InFlight  int     `json:"in_flight,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"server_cpu_us_per_login"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	P999      float64 `json:"p99_9_us"`
	RSS       float64 `json:"server_rss_mb"`
	Noise     float64 `json:"noise_cores"`
	Faults    uint64  `json:"faults"`
	OverEcho  float64 `json:"over_echo,omitempty"`
	// Of rows with PostgreSQL.
	Nodes       int      `json:"nodes,omitempty"`
	NodeCPU     float64  `json:"node_cpu_us_per_login,omitempty"`
	DatabaseCPU float64  `json:"database_cpu_us_per_login,omitempty"`
	WAL         float64  `json:"wal_octets_per_login,omitempty"`
	Flushes     float64  `json:"wal_flushes_per_login,omitempty"`
	Group       float64  `json:"logins_per_group,omitempty"`
	Cost        *cost    `json:"cost,omitempty"`
	Samples     []sample `json:"samples"`
}

// tooNoisy is how many cores others may use during a run before it is left out,
// where three better ones exist.
const tooNoisy = 0.3

// calm returns the samples to judge by.
func calm(samples []sample) []sample {
	sorted := slices.Clone(samples)
	slices.SortFunc(sorted, func(a, b sample) int {
		switch {
		case a.Result.Noise < b.Result.Noise:
			return -1
		case a.Result.Noise > b.Result.Noise:
			return 1
		}
		return 0
	})
	for len(sorted) > 3 && last(sorted).Result.Noise > tooNoisy {
		sorted = sorted[:len(sorted)-1]
	}
	return sorted
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func medianOf(samples []sample, value func(*load.Result) float64) float64 {
	var values []float64
	for i := range samples {
		values = append(values, value(&samples[i].Result))
	}
	return median(values)
}

// What is compared.
func perSecond(r *load.Result) float64 { return r.PerSecond }
func serverCPU(r *load.Result) float64 { return r.ServerCPU }
func p50(r *load.Result) float64       { return r.Latency.P50 }
func p99(r *load.Result) float64       { return r.Latency.P99 }
func p999(r *load.Result) float64      { return r.Latency.P999 }
func rss(r *load.Result) float64       { return float64(r.ServerRSS) / (1 << 20) }
func noise(r *load.Result) float64     { return r.Noise }

func faults(r *load.Result) uint64 {
	return r.Wrong + r.Bad + r.Late + r.Lost + r.NoSlot + r.ResentBad
}

// ratio is the median of the quotients of two rows, each taken between runs of
// the same round, which were neighbours in time. Rounds in which either run was
// noisy are left out where three better ones exist.
func (b *bench) ratio(above, below string, value func(*load.Result) float64) (float64, []float64) {
	type pair struct{ quotient, noise float64 }
	var pairs []pair
	for _, a := range b.samples[above] {
		for _, c := range b.samples[below] {
			if a.Round == c.Round && value(&c.Result) > 0 {
				pairs = append(pairs, pair{value(&a.Result) / value(&c.Result), max(a.Result.Noise, c.Result.Noise)})
			}
		}
	}
	slices.SortFunc(pairs, func(p, q pair) int {
		if p.noise < q.noise {
			return -1
		}
		return 1
	})
	for len(pairs) > 3 && last(pairs).noise > tooNoisy {
		pairs = pairs[:len(pairs)-1]
	}
	var quotients []float64
	for _, p := range pairs {
		quotients = append(quotients, p.quotient)
	}
	return median(quotients), quotients
}

func (b *bench) report() *report {
	r := &report{Time: time.Now(), Machine: machine(), Peer: b.peer(), Rounds: b.rounds, Accounts: b.accounts, AccountOctets: b.accountOctets}
	for _, row := range b.rows {
		samples := b.samples[row.ID]
		if len(samples) == 0 {
			continue
		}
		c := calm(samples)
		s := summary{
			ID: row.ID, Title: row.Title, Durable: row.Durable, InFlight: row.InFlight, Samples: samples,
			PerSecond: medianOf(c, perSecond), CPU: medianOf(c, serverCPU),
			P50: medianOf(c, p50), P99: medianOf(c, p99), P999: medianOf(c, p999),
			RSS: medianOf(c, rss), Noise: medianOf(c, noise),
		}
		if row.Share > 0 || row.Rate > 0 {
			s.Rate = medianOf(c, func(r *load.Result) float64 { return r.Rate })
		} else if over, _ := b.ratio(row.ID, "echo", perSecond); !math.IsNaN(over) {
			s.OverEcho = over
		}
		for i := range samples {
			s.Faults += faults(&samples[i].Result)
		}
		if row.Database {
			s.Nodes = row.Nodes
			of := func(value func(*clusterRun) float64) float64 {
				var values []float64
				for i := range c {
					values = append(values, value(c[i].Cluster))
				}
				return median(values)
			}
			s.NodeCPU = of(func(c *clusterRun) float64 { return c.Node })
			s.DatabaseCPU = of(func(c *clusterRun) float64 { return c.Database })
			s.WAL = of(func(c *clusterRun) float64 { return c.WAL })
			s.Group = of(func(c *clusterRun) float64 { return float64(c.Logins) / float64(max(1, c.Groups)) })
			s.Cost = last(c).Cluster.Cost
		}
		r.Rows = append(r.Rows, s)
	}
	r.Goals = b.goals()
	return r
}

// goals computes every goal.
func (b *bench) goals() []goal {
	quotient := func(g goal, above, below string, value func(*load.Result) float64) goal {
		g.Value, g.values = b.ratio(above, below, value)
		if math.IsNaN(g.Value) {
			g.Why = "needs the rows " + above + " and " + below
		}
		return g.judge()
	}
	absent := func(g goal, why string) goal {
		g.Value, g.Why = math.NaN(), why
		return g.judge()
	}
	if b.database != nil {
		wrong := b.wrongAnswers()
		return []goal{
			quotient(goal{ID: "G5", What: "one node / FreeRADIUS, both with PostgreSQL", Must: 5, Best: 10}, "nodes-1", "freeradius-postgres", perSecond),
			quotient(goal{ID: "G6", What: "one node with PostgreSQL / UDP echo", Must: 0.08, Best: 0.15}, "nodes-1", "echo", perSecond),
			wrong,
		}
	}
	const postgres = "measured with the flag postgres"
	tail := goal{ID: "G10", What: "p99.9 at a tenth of its own rate, for long", Most: true, Must: 25, Best: 10, Unit: "ms", Value: math.NaN(), Why: "needs the row sallyport-tail"}
	if s := b.samples["sallyport-tail"]; len(s) > 0 {
		tail.Value, tail.Why = last(s).Result.Latency.P999/1e3, ""
	}
	return append([]goal{
		quotient(goal{ID: "G1", What: "rate / UDP echo", Must: 0.20, Best: 0.30}, "sallyport", "echo", perSecond),
		quotient(goal{ID: "G2", What: "rate / FreeRADIUS, plain password in memory", Must: 1.0, Best: 1.5}, "sallyport", "freeradius-pap", perSecond),
		quotient(goal{ID: "G3", What: "rate / FreeRADIUS, code and log in SQLite", Must: 10, Best: 20}, "sallyport", "freeradius-sql", perSecond),
		quotient(goal{ID: "G4", What: "the same, every fsync 2 ms slower", Must: 30, Best: 60}, "sallyport-slow", "freeradius-sql-slow", perSecond),
		absent(goal{ID: "G5", What: "PostgreSQL: rate / FreeRADIUS and PostgreSQL", Must: 5, Best: 10}, postgres),
		absent(goal{ID: "G6", What: "PostgreSQL: rate / UDP echo", Must: 0.08, Best: 0.15}, postgres),
		quotient(goal{ID: "G7", What: "server CPU per login / per echo", Most: true, Must: 5, Best: 3.3}, "sallyport", "echo", serverCPU),
		quotient(goal{ID: "G8", What: "p50 one at a time / FreeRADIUS and SQLite", Most: true, Must: 1.2, Best: 1.0}, "sallyport-one", "freeradius-sql-one", p50),
		quotient(goal{ID: "G9", What: "p99 at half of its rate / the same of FreeRADIUS", Most: true, Must: 1.0, Best: 0.6}, "sallyport-half", "freeradius-sql-half", p99),
		tail.judge(),
		quotient(goal{ID: "G11", What: "memory with all accounts / FreeRADIUS with codes", Most: true, Must: 0.6, Best: 0.35}, "sallyport", "freeradius-totp", rss),
		absent(goal{ID: "G12", What: "HTTP validate / OpenBao", Must: 1.0, Best: 1.5}, "there is no HTTP validate so far"),
	}, b.faultGoals()...)
}

// faultGoals are the two halves of G13: nothing is lost or wrong below
// saturation, and a transaction costs one fsync.
func (b *bench) faultGoals() []goal {
	// A checkpoint of the write-ahead log costs two more now and then, and so
	// do the transactions that fill in the search index behind the logins.
	fsyncs := goal{ID: "G13b", What: "fsyncs per transaction of logins, all others included", Most: true, Must: 1.2, Best: 1.05, Value: math.NaN(), Why: "needs the row sallyport-slow"}
	var each []float64
	for _, s := range b.samples["sallyport-slow"] {
		if s.Groups > 0 {
			each = append(each, float64(s.Fsyncs)/float64(s.Groups))
		}
	}
	if len(each) > 0 {
		fsyncs.Value, fsyncs.Why = median(each), ""
	}
	fsyncs = fsyncs.judge()
	if fsyncs.Why == "" && fsyncs.Value < 0.99 {
		fsyncs.Met = "no" // something was told before it was on disk
	}
	return []goal{b.wrongAnswers(), fsyncs}
}

// wrongAnswers is the first of them.
func (b *bench) wrongAnswers() goal {
	wrong := goal{ID: "G13a", What: "wrong, bad, late or lost answers of ours", Most: true, Unit: "answers", Value: math.NaN(), Why: "needs a row of ours"}
	for _, row := range b.rows {
		if row.Server != "sallyport" {
			continue
		}
		for i := range b.samples[row.ID] {
			if wrong.Why != "" {
				wrong.Value, wrong.Why = 0, ""
			}
			wrong.Value += float64(faults(&b.samples[row.ID][i].Result))
		}
	}
	return wrong.judge()
}

const notMeasured = "not measured"

func (g goal) judge() goal {
	reaches := func(bound float64) bool {
		if g.Most {
			return g.Value <= bound
		}
		return g.Value >= bound
	}
	switch {
	case math.IsNaN(g.Value):
		g.Value, g.Met = 0, notMeasured
	case reaches(g.Best):
		g.Met = "world class"
	case reaches(g.Must):
		g.Met = "yes"
	default:
		g.Met = "no"
	}
	return g
}

// gate returns an error if a measured goal misses its must by more than slack.
// A machine that others are using judges nobody.
func (r *report) gate(slack float64, tell io.Writer) error {
	for _, s := range r.Rows {
		if s.Noise > 0.5 {
			fmt.Fprintf(tell, "gate skipped: others used %.1f cores during row %s\n", s.Noise, s.ID)
			return nil
		}
	}
	var missed []string
	for _, g := range r.Goals {
		if g.Met == "no" && (g.Most && g.Value > g.Must*(1+slack) || !g.Most && g.Value < g.Must*(1-slack) || g.ID == "G13b") {
			missed = append(missed, fmt.Sprintf("%s (%s): %.3g, must be %s", g.ID, g.What, g.Value, g.bound(g.Must)))
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("goals missed by more than %.0f %%: %s", 100*slack, strings.Join(missed, "; "))
	}
	return nil
}

func (g goal) bound(v float64) string {
	sign := "≥"
	if g.Most {
		sign = "≤"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %.3g %s", sign, v, g.Unit))
}

// print writes the tables for people.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n%s; peer: %s\n%d accounts, %d rounds; one core for the server, one for the generator\n\n", r.Time.Format(time.RFC1123), r.Machine, r.Peer, r.Accounts, r.Rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "goal\twhat\tmust\tworld class\tmeasured\tfrom..to\tmet")
	for _, g := range r.Goals {
		measured, spread := "-", ""
		met := g.Met
		if g.Met == notMeasured {
			met += ": " + g.Why
		} else {
			measured = strings.TrimSpace(fmt.Sprintf("%.3g %s", g.Value, g.Unit))
			if len(g.values) > 1 {
				spread = fmt.Sprintf("%.3g..%.3g", slices.Min(g.values), slices.Max(g.values))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", g.ID, g.What, g.bound(g.Must), g.bound(g.Best), measured, spread, met)
	}
	w.Flush()
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tdurable before the answer\tload\tlogins/s\tx echo\tCPU us\tp50 ms\tp99 ms\tp99.9 ms\tMB\tfaults\tnoise")
	for _, s := range r.Rows {
		load := fmt.Sprintf("%d in flight", s.InFlight)
		over := "-"
		if s.Rate > 0 {
			load = fmt.Sprintf("%.0f/s", s.Rate)
		} else if s.OverEcho > 0 {
			over = fmt.Sprintf("%.3f", s.OverEcho)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.0f\t%d\t%.2f\n",
			s.Title, s.Durable, load, s.PerSecond, over, s.CPU, s.P50/1e3, s.P99/1e3, s.P999/1e3, s.RSS, s.Faults, s.Noise)
	}
	w.Flush()
	r.printPasswords(out)
	r.printNodes(out)
}

// printNodes prints what only rows with PostgreSQL show.
func (r *report) printNodes(out io.Writer) {
	rate := map[string]float64{}
	with, costs := false, false
	for _, s := range r.Rows {
		rate[s.ID] = s.PerSecond
		with, costs = with || s.DatabaseCPU > 0, costs || s.Cost != nil
	}
	if !with {
		return
	}
	if r.AccountOctets > 0 {
		fmt.Fprintf(out, "\nan account with one authenticator takes %.0f octets on the disk of PostgreSQL before its first login\n", r.AccountOctets)
	}
	fmt.Fprint(out, "\nwho uses the processor, us per login, and what a login puts on disk\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tlogins/s\tnodes us\tdatabase us\tdatabase share\tlogins/transaction\tWAL octets")
	for _, s := range r.Rows {
		if s.DatabaseCPU == 0 || s.Cost != nil {
			continue
		}
		group := "-"
		if s.Nodes > 0 {
			group = fmt.Sprintf("%.1f", s.Group)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.1f\t%.1f\t%.0f %%\t%s\t%.0f\n", s.Title, s.PerSecond, s.NodeCPU, s.DatabaseCPU,
			100*s.DatabaseCPU/(s.NodeCPU+s.DatabaseCPU), group, s.WAL)
	}
	w.Flush()
	fmt.Fprint(out, "\nratios of medians, all on the same core(s):\n")
	for _, q := range [][2]string{
		{"nodes-1", "freeradius-postgres"},
		{"nodes-2", "freeradius-postgres"},
		{"nodes-3", "freeradius-postgres"},
		{"nodes-1", "freeradius-pap"},
		{"freeradius-postgres", "freeradius-pap"},
		{"nodes-2", "nodes-1"},
		{"nodes-3", "nodes-1"},
		{"nodes-2-apart", "nodes-1-apart"},
		{"nodes-3-apart", "nodes-1-apart"},
	} {
		if rate[q[0]] > 0 && rate[q[1]] > 0 {
			fmt.Fprintf(out, "  %6.2f x  %s / %s\n", rate[q[0]]/rate[q[1]], q[0], q[1])
		}
	}
	if !costs {
		return
	}
	fmt.Fprint(out, "\nwhat one login takes of the database (in the mean; statements are counted, which slows it down)\n")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tround trips\toctets to\toctets from\tstatements\ttransactions\trows new\tchanged\tgone\tWAL octets\tpage images\tflushes\tdisk octets")
	for _, s := range r.Rows {
		if c := s.Cost; c != nil {
			fmt.Fprintf(w, "%s\t%.3f\t%.0f\t%.0f\t%.3f\t%.3f\t%.2f\t%.2f\t%.2f\t%.0f\t%.3f\t%.3f\t%.0f\n", s.Title, c.RoundTrips, c.Sent, c.Received,
				c.Statements, c.Transactions, c.Inserted, c.Updated, c.Deleted, c.WAL, c.FullPages, c.Flushes, c.Disk)
		}
	}
	w.Flush()
}

// printPasswords compares the rows in which a password is hashed. They have no
// goals: the hash is nearly all of the work.
func (r *report) printPasswords(out io.Writer) {
	rate := map[string]float64{}
	for _, s := range r.Rows {
		rate[s.ID] = s.PerSecond
	}
	theirs := rate["freeradius-bcrypt"]
	if theirs == 0 {
		return
	}
	fmt.Fprintf(out, "\npassword and code, compared with FreeRADIUS and bcrypt (cost %d), whose log is durable but which has no replay check:\n", bcryptCost)
	fmt.Fprintf(out, "  %.2f x  the same hash on our side: the first login, which also replaces the hash by argon2id\n", rate["sallyport-bcrypt"]/theirs)
	fmt.Fprintf(out, "  %.2f x  every later login: argon2id\n", rate["sallyport-argon2id"]/theirs)
}

// machine describes where this was measured.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := runtime.GOOS
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel += " " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", model, runtime.NumCPU(), kernel, runtime.Version())
}

// peer says which FreeRADIUS was measured.
func (b *bench) peer() string {
	if b.radius == "" {
		return "none"
	}
	out, err := exec.Command(b.radius, "-v").CombinedOutput()
	if err != nil {
		return "FreeRADIUS"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if _, after, ok := strings.Cut(line, "Version "); ok {
		line, _, _ = strings.Cut(after, ",")
		return "FreeRADIUS " + strings.TrimSpace(line)
	}
	return line
}
