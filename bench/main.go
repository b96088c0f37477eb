//go:build linux

// Command bench measures the built program from outside and compares it with
// FreeRADIUS set up for the same work, and with a bare UDP echo, in one
// interleaved run, as ratios: README.md beside this file says what each row
// means.
//
// It pins processes to cores and reads what they use from /proc, so it is for
// Linux. It makes everything it needs in a directory of its own and removes it again.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/load"
)

// A bench is one comparison.
type bench struct {
	program  string // sallyport
	dir      string
	rounds   int
	accounts int
	duration time.Duration
	long     time.Duration // of the row that watches the tail
	priority bool
	rows     []row
	tell     io.Writer

	radius  string // freeradius, "" if it is not installed
	strace  string // "" if it is not installed
	samples map[string][]sample

	database      *database   // nil where ours is in SQLite
	accountOctets float64     // what an account with one authenticator takes there
	codes         *population // accounts that log in with a code and nothing else
}

// A sample is one run of one row.
type sample struct {
	Round  int         `json:"round"`
	Result load.Result `json:"result"`
	// Fsyncs and Groups are counted where the server runs under strace: how
	// often it forced data to disk, and how many transactions it says it wrote.
	Fsyncs int `json:"fsyncs,omitempty"`
	Groups int `json:"groups,omitempty"`

	Cluster *clusterRun `json:"cluster,omitempty"` // of rows with PostgreSQL
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, tell io.Writer) error {
	b := &bench{tell: tell, samples: map[string][]sample{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(tell)
	flags.StringVar(&b.program, "sallyport", filepath.Join("bin", "sallyport"), "the built program")
	parent := flags.String("dir", "", "directory to work in, on the kind of disk that is to be measured (default: the temporary directory)")
	flags.IntVar(&b.rounds, "rounds", 4, "how often every row is run")
	flags.IntVar(&b.accounts, "accounts", 100_000, "accounts on both sides; with -postgres 40000 suffice")
	flags.DurationVar(&b.duration, "duration", 2*time.Second, "measured part of each run")
	flags.DurationVar(&b.long, "long", time.Minute, "measured part of the row that watches the tail; 0 leaves it out")
	flags.BoolVar(&b.priority, "priority", true, "give server and generator precedence over other programs, if this user may")
	keep := flags.Bool("keep", false, "leave the directory with accounts and credentials, and say where it is")
	postgres := flags.Bool("postgres", false, "measure nodes on one PostgreSQL, and FreeRADIUS with its log there, instead of everything with SQLite")
	only := flags.String("rows", "", "regular expression of the rows to run (default: all)")
	asJSON := flags.Bool("json", false, "print everything that was measured as JSON instead of the tables")
	gate := flags.Float64("gate", -1, "fail if a goal that was measured misses its \"must\" by more than this share, such as 0.25")
	if err := flags.Parse(args); err != nil {
		return err
	}
	choose, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-rows: %w", err)
	}
	if err := b.look(*parent); err != nil {
		return err
	}
	if *keep {
		fmt.Fprintf(tell, "working in %s\n", b.dir)
	} else {
		defer os.RemoveAll(b.dir)
	}
	if *postgres {
		if b.database, err = b.startDatabase(ctx, *parent); err != nil {
			return err
		}
		defer func() {
			if err := b.database.remove(); err != nil {
				fmt.Fprintln(tell, err)
			}
		}()
	}
	for _, r := range b.allRows() {
		if choose.MatchString(r.ID) {
			b.rows = append(b.rows, r)
		}
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	report := b.report()
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "\t")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else {
		report.print(out)
	}
	if *gate >= 0 {
		return report.gate(*gate, tell)
	}
	return nil
}

// look finds what is needed, and says what is missing.
func (b *bench) look(parent string) error {
	var err error
	if b.program, err = filepath.Abs(b.program); err != nil {
		return err
	}
	if _, err := os.Stat(b.program); err != nil {
		return fmt.Errorf("%w; build it first: make build", err)
	}
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return fmt.Errorf("read the processors of this process: %w", err)
	}
	if !cpus.IsSet(serverCore) || !cpus.IsSet(generatorCore) {
		return fmt.Errorf("the server is measured on core %d and the generator runs on core %d; this process may not use both", serverCore, generatorCore)
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("%w; apt-get install util-linux", err)
	}
	if b.radius, err = exec.LookPath("freeradius"); err != nil {
		b.radius = "" // sbin is not on everybody's path
		if _, err := os.Stat("/usr/sbin/freeradius"); err == nil {
			b.radius = "/usr/sbin/freeradius"
		} else {
			fmt.Fprintln(b.tell, "freeradius is not installed: its rows are left out (apt-get install freeradius)")
		}
	}
	if b.strace, err = exec.LookPath("strace"); err != nil {
		b.strace = ""
		fmt.Fprintln(b.tell, "strace is not installed: the rows with a slow disk are left out (apt-get install strace)")
	}
	if b.dir, err = os.MkdirTemp(parent, "sallyport-bench-"); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(b.dir, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC {
		os.Remove(b.dir)
		return fmt.Errorf("%s is in memory, where durable means nothing; give a directory on a disk with -dir", b.dir)
	}
	return nil
}

// measure runs all rows in every round, each time in another order, and the
// row that watches the tail once at the end.
func (b *bench) measure(ctx context.Context) error {
	shuffle := rand.New(rand.NewPCG(1, 2))
	for round := range b.rounds {
		// Cost rows run when the rounds are over: what counts statements slows
		// them down.
		// A row that depends on another's rate runs right after it.
		var leaders []row
		followers := map[string][]row{}
		for _, r := range b.rows {
			switch {
			case r.Tail, r.Cost:
			case r.Of != "":
				followers[r.Of] = append(followers[r.Of], r)
			default:
				leaders = append(leaders, r)
			}
		}
		shuffle.Shuffle(len(leaders), func(i, j int) { leaders[i], leaders[j] = leaders[j], leaders[i] })
		for _, leader := range leaders {
			if err := b.one(ctx, round, leader); err != nil {
				return err
			}
			for _, r := range followers[leader.ID] {
				if err := b.one(ctx, round, r); err != nil {
					return err
				}
			}
		}
	}
	for _, r := range b.rows {
		if r.Tail && b.long > 0 && len(b.samples[r.Of]) > 0 {
			if err := b.one(ctx, b.rounds-1, r); err != nil {
				return err
			}
		}
	}
	counting := false
	for _, r := range b.rows {
		if !r.Cost {
			continue
		}
		if !counting {
			if err := b.database.count(ctx, b); err != nil {
				return fmt.Errorf("let the database count statements: %w", err)
			}
			counting = true
		}
		if err := b.one(ctx, b.rounds, r); err != nil {
			return err
		}
	}
	return nil
}

// one runs one row once: a fresh server on fresh data.
func (b *bench) one(ctx context.Context, round int, r row) error {
	s := sample{Round: round}
	if r.Database {
		rate := r.Rate
		if r.Share > 0 {
			rate = r.Share * last(b.samples[r.Of]).Result.PerSecond
		}
		if err := b.onDatabase(ctx, r, &s, rate); err != nil {
			return fmt.Errorf("row %s, round %d: %w", r.ID, round+1, err)
		}
		b.note(r, s)
		return nil
	}
	err := b.serve(ctx, r, &s, func(p *process) error {
		args := []string{
			"bench", "radius", "--json", "--server", p.address, "--server-pid", strconv.Itoa(p.pid()),
			"--mode", string(r.Mode), "--seed", strconv.Itoa(round + 1),
			"--warm-up", r.WarmUp.String(), "--duration", r.Duration.String(), "--timeout", "10s",
		}
		if r.Mode != load.EchoMode {
			args = append(args, "--secret-file", b.path("secret"), "--credentials", b.path(r.Credentials))
		}
		switch {
		case r.Share > 0:
			rate := r.Share * last(b.samples[r.Of]).Result.PerSecond
			if r.Tail {
				// A minute uses up more codes than a short run: what is left
				// after every account has logged in once allows this much.
				rate = min(rate, b.freshRate(r.Duration))
			}
			args = append(args, "--rate", strconv.FormatFloat(max(rate, 1), 'f', 1, 64))
		default:
			args = append(args, "--in-flight", strconv.Itoa(r.InFlight))
		}
		args = append(args, r.Flags...)
		var err error
		s.Result, err = b.generate(ctx, args)
		return err
	})
	if err != nil {
		return fmt.Errorf("row %s, round %d: %w", r.ID, round+1, err)
	}
	b.note(r, s)
	return nil
}

// note keeps a sample and tells of it.
func (b *bench) note(r row, s sample) {
	b.samples[r.ID] = append(b.samples[r.ID], s)
	res := &s.Result
	note := ""
	if c := s.Cluster; c != nil {
		note = fmt.Sprintf("  database %.1f us, %.0f octets of WAL", c.Database, c.WAL)
		for what, n := range c.Refused {
			note += fmt.Sprintf("  %d times %s", n, what)
		}
	}
	if !res.Clean() {
		note += fmt.Sprintf("  NOT CLEAN: %d wrong, %d bad, %d late, %d lost, %d without identifier", res.Wrong, res.Bad, res.Late, res.Lost, res.NoSlot)
	}
	if res.Exhausted {
		note += "  (codes used up)"
	}
	fmt.Fprintf(b.tell, "round %d  %-22s %9.0f/s  %6.1f us CPU  p50 %.2f ms  p99 %.2f ms  noise %.2f%s\n",
		s.Round+1, r.ID, res.PerSecond, res.ServerCPU, res.Latency.P50/1e3, res.Latency.P99/1e3, res.Noise, note)
}

// freshRate is how many logins a second fresh codes suffice for, over a time
// that begins with a step: an account has three codes at first, one of which
// warms it, and gets one more with every step.
func (b *bench) freshRate(d time.Duration) float64 {
	const step = 30 * time.Second
	rate := 2 * float64(b.accounts) / min(d, step).Seconds()
	for n := 1; time.Duration(n)*step < d; n++ {
		rate = min(rate, float64(2+n)*float64(b.accounts)/min(d, time.Duration(n+1)*step).Seconds())
	}
	return 0.95 * rate // arrivals are random
}

// generate runs the load generator and returns its result.
func (b *bench) generate(ctx context.Context, args []string) (load.Result, error) {
	return b.generateBy(b.command(ctx, generatorCore, append([]string{b.program}, args...)))
}

// generateBy runs the load generator that cmd is.
func (b *bench) generateBy(cmd *exec.Cmd) (load.Result, error) {
	var r load.Result
	var out, fault strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := b.start(cmd); err != nil {
		return r, err
	}
	err := cmd.Wait()
	// It exits with 1 after a result with wrong answers, too; they are counted.
	if json.Unmarshal([]byte(out.String()), &r) != nil {
		return r, fmt.Errorf("the load generator: %w: %s", err, strings.TrimSpace(fault.String()))
	}
	return r, nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func last[T any](s []T) T { return s[len(s)-1] }
