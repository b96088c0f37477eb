//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"sallyport/load"
	"sallyport/otp"
)

// A clusterRun is what a run with PostgreSQL showed beside load.Result. Shares
// are of the whole run, from before the generators started until all had ended.
type clusterRun struct {
	Nodes    int     `json:"nodes"`
	Logins   uint64  `json:"logins"`
	Node     float64 `json:"node_cpu_us_per_login"`     // all nodes, or FreeRADIUS
	Database float64 `json:"database_cpu_us_per_login"` // all processes of PostgreSQL
	WAL      float64 `json:"wal_octets_per_login"`
	// Groups and Conflicts are of our nodes: transactions that wrote logins,
	// and settlements that were judged again because another node was first.
	Groups    int `json:"groups,omitempty"`
	Conflicts int `json:"conflicts,omitempty"`
	// Refused counts the logins that our nodes did not accept since they were
	// started, by outcome: every one should have been accepted.
	Refused map[string]int `json:"refused,omitempty"`
	Cost    *cost          `json:"cost,omitempty"`
}

// A cost is what one login takes of the database, in the mean over a run.
type cost struct {
	RoundTrips   float64 `json:"round_trips"`
	Sent         float64 `json:"octets_to_database"`
	Received     float64 `json:"octets_from_database"`
	Statements   float64 `json:"statements"`
	Transactions float64 `json:"transactions"`
	Inserted     float64 `json:"rows_inserted"`
	Updated      float64 `json:"rows_updated"`
	Deleted      float64 `json:"rows_deleted"`
	WAL          float64 `json:"wal_octets"`
	FullPages    float64 `json:"wal_full_pages"`
	Flushes      float64 `json:"wal_flushes"`
	Disk         float64 `json:"disk_octets"` // by which the database grew
}

// onDatabase runs a row that uses PostgreSQL, once.
func (b *bench) onDatabase(ctx context.Context, r row, s *sample, rate float64) (err error) {
	if err := b.database.fresh(ctx, r.Nodes == 0); err != nil {
		return fmt.Errorf("make the database of the run: %w", err)
	}
	nodeCore := serverCore
	if r.Apart {
		nodeCore = generatorCore
	}
	address := b.database.address()
	var counted *wire
	if r.Cost {
		if counted, err = newWire(address); err != nil {
			return err
		}
		defer counted.close()
		address = counted.address()
	}
	nodes, err := b.nodes(ctx, r, nodeCore, address)
	stop := sync.OnceValue(func() error {
		var errs []error
		for _, p := range nodes {
			errs = append(errs, p.stop())
		}
		return errors.Join(errs...)
	})
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	if r.Nodes > 0 {
		if err := b.share(len(nodes), time.Now()); err != nil {
			return err
		}
		if err := b.meet(ctx, r, nodes); err != nil {
			return err
		}
		begin := time.Now()
		if r.Cost {
			begin = begin.Add(tellsWithin)
		}
		if err := sleepUntil(ctx, nextStep(begin).Add(200*time.Millisecond)); err != nil {
			return err
		}
	}

	var counts work
	if r.Cost {
		if counts, err = b.database.done(ctx); err != nil {
			return err
		}
	}
	before, err := b.spent(ctx, nodes, counted)
	if err != nil {
		return err
	}
	results, err := b.generators(ctx, r, nodes, func(i int) []string {
		args := []string{"--warm-up", r.WarmUp.String(), "--duration", r.Duration.String(), "--seed", strconv.Itoa(s.Round*10 + i + 1)}
		if r.Nodes > 0 {
			args = append(args, "--drift", "0")
		}
		if rate > 0 {
			args = append(args, "--rate", strconv.FormatFloat(max(1, rate/float64(len(nodes))), 'f', 1, 64))
		} else {
			args = append(args, "--in-flight", strconv.Itoa(max(1, r.InFlight/len(nodes))))
		}
		return append(args, r.Flags...)
	})
	if err != nil {
		return err
	}
	after, err := b.spent(ctx, nodes, counted)
	if err != nil {
		return err
	}
	s.Result = merge(results)
	refused, err := refusals(ctx, nodes)
	if err != nil {
		return err
	}
	c := &clusterRun{Refused: refused, Nodes: len(nodes), Logins: s.Result.Accepts, Groups: after.groups - before.groups, Conflicts: after.conflicts - before.conflicts}
	s.Cluster = c
	if c.Logins == 0 {
		return errors.New("nobody could log in")
	}
	n := float64(c.Logins)
	c.Node = float64((after.nodes - before.nodes).Microseconds()) / n
	c.Database = float64((after.database - before.database).Microseconds()) / n
	c.WAL = float64(after.wal-before.wal) / n
	s.Result.ServerCPU = c.Node + c.Database
	s.Result.ServerRSS = after.resident
	s.Result.Noise = max(0, (after.machine-before.machine-(after.nodes-before.nodes)-(after.database-before.database)-(after.own-before.own)-generatorTime(results)).Seconds()/after.at.Sub(before.at).Seconds())
	if !r.Cost {
		return nil
	}
	// Its processes tell all that they did when their connections end.
	if err := stop(); err != nil {
		return err
	}
	now, err := b.database.done(ctx)
	if err != nil {
		return err
	}
	each := func(now, before int64) float64 { return float64(now-before) / n }
	c.Cost = &cost{
		RoundTrips: each(after.trips, before.trips), Sent: each(after.sent, before.sent), Received: each(after.received, before.received),
		Statements: each(now.Statements, counts.Statements), Transactions: each(now.Commits, counts.Commits),
		Inserted: each(now.Inserted, counts.Inserted), Updated: each(now.Updated, counts.Updated), Deleted: each(now.Deleted, counts.Deleted),
		WAL: c.WAL, FullPages: each(now.FullPages, counts.FullPages), Flushes: each(now.Flushes, counts.Flushes), Disk: each(now.Size, counts.Size),
	}
	return nil
}

// meet lets every node log in every account of its share, as it has since it
// started in daily life. That uses the code of this time step.
func (b *bench) meet(ctx context.Context, r row, nodes []*process) error {
	// Long enough for all at a rate that is low; it ends when all have.
	within := min(3*time.Second+time.Duration(b.accounts)*time.Second/2500, 25*time.Second)
	met, err := b.generators(ctx, r, nodes, func(int) []string {
		return []string{"--drift", "0", "--warm-up", "0s", "--duration", within.String(), "--in-flight", strconv.Itoa(256 / len(nodes))}
	})
	if err != nil {
		return fmt.Errorf("let the nodes meet the accounts: %w", err)
	}
	if all := merge(met); int(all.Accepts) < b.accounts*99/100 {
		fmt.Fprintf(b.tell, "the nodes met only %d of %d accounts within %v before row %s: use fewer with -accounts\n", all.Accepts, b.accounts, within, r.ID)
	}
	return nil
}

// refusals counts what nodes did not accept, by outcome.
func refusals(ctx context.Context, nodes []*process) (map[string]int, error) {
	counts := map[string]int{}
	for _, p := range nodes {
		if p.telemetry == "" {
			continue
		}
		text, err := p.metrics(ctx)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
			labels, ours := strings.CutPrefix(labels, "sallyport_attempts_total{")
			if !ok || !ours || strings.Contains(labels, `verdict="accept"`) {
				continue
			}
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return nil, fmt.Errorf("read metrics: %q: %w", line, err)
			}
			counts[labels] += int(n)
		}
	}
	return counts, nil
}

// nodes starts the servers of a row, our nodes or FreeRADIUS.
func (b *bench) nodes(ctx context.Context, r row, core int, database string) ([]*process, error) {
	if r.Nodes == 0 {
		if err := b.database.exec(ctx, runDatabase, freeRADIUSPostgresSchema); err != nil {
			return nil, err
		}
		p := &process{ended: make(chan struct{})}
		var err error
		if p.address, err = freePort("udp"); err != nil {
			return nil, err
		}
		dir, err := b.freeRADIUS(r.Server, p.address, database)
		if err != nil {
			return nil, err
		}
		if err := b.launch(ctx, p, core, b.freeRADIUSCommand(dir), radiusReady); err != nil {
			return nil, err
		}
		return []*process{p}, nil
	}
	var nodes []*process
	for i := range r.Nodes {
		data := b.path(fmt.Sprintf("node-%d", i+1))
		if err := os.RemoveAll(data); err != nil {
			return nodes, err
		}
		if err := os.Mkdir(data, 0o700); err != nil {
			return nodes, err
		}
		key, err := os.ReadFile(filepath.Join(b.path("data"), "seal.key"))
		if err != nil {
			return nodes, err
		}
		if err := os.WriteFile(filepath.Join(data, "seal.key"), key, 0o600); err != nil {
			return nodes, err
		}
		settings := filepath.Join(data, "sallyport.yaml")
		if err := os.WriteFile(settings, fmt.Appendf(nil, "database: %q\n", b.database.url(database, runDatabase)), 0o600); err != nil {
			return nodes, err
		}
		p := &process{ended: make(chan struct{}), env: []string{"GOMAXPROCS=2"}}
		if err := b.launch(ctx, p, core, []string{
			b.program, "serve", "--data", data, "--config", settings, "--radius", "127.0.0.1:0",
			"--telemetry", "127.0.0.1:0", "--local", "", "--log-level", "warn", "--log-format", "text",
		}, ours); err != nil {
			return nodes, err
		}
		nodes = append(nodes, p)
	}
	return nodes, nil
}

// A generated is the result of one generator, and what it used itself.
type generated struct {
	load.Result
	used time.Duration
}

// generators runs one load generator for each node, all at once, each with
// accounts of its own.
func (b *bench) generators(ctx context.Context, r row, nodes []*process, flags func(i int) []string) ([]generated, error) {
	results, errs := make([]generated, len(nodes)), make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, p := range nodes {
		credentials := r.Credentials
		if r.Nodes > 0 {
			credentials = partOf(credentials, i, len(nodes))
		}
		args := append([]string{
			"bench", "radius", "--json", "--server", p.address, "--mode", string(r.Mode), "--timeout", "10s",
			"--secret-file", b.path("secret"), "--credentials", b.path(credentials),
		}, flags(i)...)
		wg.Go(func() { results[i].Result, results[i].used, errs[i] = b.generateTimed(ctx, args) })
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

// partOf names the file with the i-th of n parts of a file of credentials.
func partOf(credentials string, i, n int) string {
	return fmt.Sprintf("%s.%d-of-%d", credentials, i+1, n)
}

// merge makes one result of those of generators that ran at the same time:
// rates and counts are added; percentiles cannot be, so p50 is the mean weighted
// by logins and what is beyond it is the worst of any.
func merge(parts []generated) load.Result {
	all := parts[0].Result
	for _, p := range parts[1:] {
		a, r := &all, &p.Result
		n, m := float64(a.Logins), float64(r.Logins)
		if n+m > 0 {
			a.Latency.Mean = (n*a.Latency.Mean + m*r.Latency.Mean) / (n + m)
			a.Latency.P50 = (n*a.Latency.P50 + m*r.Latency.P50) / (n + m)
		}
		a.Latency.P90 = max(a.Latency.P90, r.Latency.P90)
		a.Latency.P99 = max(a.Latency.P99, r.Latency.P99)
		a.Latency.P999 = max(a.Latency.P999, r.Latency.P999)
		a.Latency.Max = max(a.Latency.Max, r.Latency.Max)
		a.Server += " " + r.Server
		a.InFlight += r.InFlight
		a.Rate += r.Rate
		a.Accounts += r.Accounts
		a.Logins += r.Logins
		a.PerSecond += r.PerSecond
		a.Sent += r.Sent
		a.Accepts += r.Accepts
		a.Rejects += r.Rejects
		a.Challenges += r.Challenges
		a.Wrong += r.Wrong
		a.Bad += r.Bad
		a.Late += r.Late
		a.Lost += r.Lost
		a.NoSlot += r.NoSlot
		a.Refused += r.Refused
		a.Resent += r.Resent
		a.ResentBad += r.ResentBad
		a.Exhausted = a.Exhausted || r.Exhausted
		a.OwnCores += r.OwnCores
	}
	return all
}

func generatorTime(parts []generated) time.Duration {
	var sum time.Duration
	for _, p := range parts {
		sum += p.used
	}
	return sum
}

// tellsWithin is after how long an idle process of PostgreSQL adds what it did
// to the counts that others can read.
const tellsWithin = 11 * time.Second

// A spending is what everybody has used so far.
type spending struct {
	at                    time.Time
	nodes, database, own  time.Duration // CPU time
	machine               time.Duration
	wal                   int64 // octets of write-ahead log
	resident              uint64
	groups, conflicts     int
	trips, sent, received int64
}

// spent reads what everybody has used so far.
func (b *bench) spent(ctx context.Context, nodes []*process, w *wire) (spending, error) {
	var u spending
	var err error
	if u.wal, err = b.database.wal(ctx); err != nil {
		return u, err
	}
	for _, p := range nodes {
		for _, pid := range load.Family(p.pid()) {
			used, _ := load.CPUTime(pid) // one that has just ended has used nothing more
			u.nodes += used
			u.resident += load.Resident(pid)
		}
		if p.telemetry == "" {
			continue
		}
		for name, sum := range map[string]*int{"sallyport_store_groups_total": &u.groups, "sallyport_store_conflicts_total": &u.conflicts} {
			n, err := p.metric(ctx, name)
			if err != nil {
				return u, err
			}
			*sum += n
		}
	}
	for _, pid := range load.Family(b.database.pid()) {
		used, _ := load.CPUTime(pid)
		u.database += used
	}
	u.own, _ = load.CPUTime(os.Getpid())
	u.machine, _, _ = load.MachineTime()
	if w != nil {
		u.trips, u.sent, u.received = w.counts()
	}
	u.at = time.Now()
	return u, nil
}

// generateTimed is generate, and tells what the generator used.
func (b *bench) generateTimed(ctx context.Context, args []string) (load.Result, time.Duration, error) {
	cmd := b.command(ctx, generatorCore, append([]string{b.program}, args...))
	r, err := b.generateBy(cmd)
	if cmd.ProcessState == nil {
		return r, 0, err
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// step is how long codes are valid (RFC 6238, Section 5.2, the usual setting).
const step = 30 * time.Second

func nextStep(t time.Time) time.Time { return t.Truncate(step).Add(step) }

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// share writes the credentials of each of n nodes, without the accounts whose
// codes come twice between now and the end of a run. One in a hundred thousand
// does: the code with which it was met would be the one that is measured, and
// rightly refused.
func (b *bench) share(n int, now time.Time) error {
	for i := range n {
		if err := b.writeSome(partOf("code.txt", i, n), b.codes, func(account int) bool {
			return account%n == i && !repeats(b.codes.tokens[account], now, now.Add(4*step))
		}); err != nil {
			return err
		}
	}
	return nil
}

// repeats reports whether a token shows a code twice from one moment to another,
// or in the steps before and after, in which it is valid too.
func repeats(e otp.Enrolment, from, to time.Time) bool {
	seen := map[string]bool{}
	for at := e.Params.Step(from) - 1; at <= e.Params.Step(to)+1; at++ {
		code := otp.HOTP(e.Key, uint64(at), e.Params)
		if seen[code] {
			return true
		}
		seen[code] = true
	}
	return false
}

// maxNodes is how many nodes of ours are measured at most.
const maxNodes = 3
