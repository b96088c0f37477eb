//go:build linux

// Command diagnose measures how fast "sallyport diagnose" reads a large mixed
// log, and in the same run, on the same core, ripgrep searching the same file
// for the same literals, and wc -l. Only the ratios are worth anything.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"sallyport/diagnose"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// A row is one command that is measured.
type row struct {
	Name    string        `json:"name"`
	Took    time.Duration `json:"took_ns"`  // median
	Used    time.Duration `json:"cpu_ns"`   // median, user and system
	PerSec  float64       `json:"mb_per_s"` // of the log, by Took
	Peak    int64         `json:"peak_mib"` // resident memory, the largest seen
	command []string
	environ []string
	exits   []int // besides 0
	times   []time.Duration
	used    []time.Duration
}

type report struct {
	Octets int64    `json:"octets"`
	Lines  int      `json:"lines"`
	Texts  int      `json:"literals"`
	Rows   []*row   `json:"rows"`
	Ratios []string `json:"ratios"`
}

func run(ctx context.Context, args []string, out, tell io.Writer) error {
	flags := flag.NewFlagSet("diagnose", flag.ContinueOnError)
	flags.SetOutput(tell)
	program := flags.String("sallyport", filepath.Join("bin", "sallyport"), "the built program")
	parent := flags.String("dir", "", "directory to work in (default: the temporary directory)")
	size := flags.Int64("mib", 2048, "size of the log in MiB")
	rounds := flags.Int("rounds", 3, "how often every row is run")
	share := flags.Float64("logins", 0.1, "share of lines that tell of logins; the rest is what else a machine writes")
	asJSON := flags.Bool("json", false, "print what was measured as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rg, err := exec.LookPath("rg")
	if err != nil {
		return fmt.Errorf("ripgrep is what it is compared with: %w", err)
	}
	dir, err := os.MkdirTemp(*parent, "bench-diagnose-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log, literals := filepath.Join(dir, "mixed.log"), filepath.Join(dir, "literals")
	texts := diagnose.Literals()
	if err := os.WriteFile(literals, []byte(strings.Join(texts, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(tell, "writing %d MiB of log\n", *size)
	r := report{Texts: len(texts)}
	if r.Octets, r.Lines, err = write(log, *size<<20, *share); err != nil {
		return err
	}
	if *program, err = filepath.Abs(*program); err != nil {
		return err
	}
	one := []string{"taskset", "-c", "0"}
	ours := []string{*program, "diagnose", "--json", log}
	r.Rows = []*row{
		{Name: "wc -l", command: append(slices.Clone(one), "wc", "-l", log)},
		{Name: "ripgrep, one core", command: append(slices.Clone(one), rg, "-j1", "-c", "-F", "-f", literals, log), exits: []int{1}},
		{Name: "ripgrep, any case, one core", command: append(slices.Clone(one), rg, "-j1", "-c", "-i", "-F", "-f", literals, log), exits: []int{1}},
		{Name: "sallyport diagnose, one core", command: append(slices.Clone(one), ours...), environ: []string{"GOMAXPROCS=1"}, exits: []int{1}},
		{Name: "sallyport diagnose, all cores", command: ours, exits: []int{1}},
	}
	for round := range *rounds {
		for _, i := range rand.Perm(len(r.Rows)) {
			w := r.Rows[i]
			if err := w.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			fmt.Fprintf(tell, "round %d, %s: %v\n", round+1, w.Name, w.times[len(w.times)-1].Round(time.Millisecond))
		}
	}
	for _, w := range r.Rows {
		slices.Sort(w.times)
		slices.Sort(w.used)
		w.Took, w.Used = w.times[len(w.times)/2], w.used[len(w.used)/2]
		w.PerSec = float64(r.Octets) / 1e6 / w.Took.Seconds()
	}
	r.Ratios = []string{
		ratio("of the speed of ripgrep for the same literals, one core, by CPU time (must be 0.5)", r.Rows[1].Used, r.Rows[3].Used),
		ratio("of the speed of ripgrep in any case, as we search, one core, by CPU time", r.Rows[2].Used, r.Rows[3].Used),
		ratio("of the speed of wc -l, one core, by CPU time", r.Rows[0].Used, r.Rows[3].Used),
		ratio("of the speed on one core with all cores, by the clock", r.Rows[3].Took, r.Rows[4].Took),
	}
	if *asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "a log of %.0f MB and %d lines, searched for %d literals\n\n", float64(r.Octets)/1e6, r.Lines, r.Texts)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tmedian\tCPU\tMB/s\tpeak memory")
	for _, w := range r.Rows {
		fmt.Fprintf(t, "%s\t%v\t%v\t%.0f\t%d MiB\n", w.Name, w.Took.Round(time.Millisecond), w.Used.Round(time.Millisecond), w.PerSec, w.Peak)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, s := range r.Ratios {
		fmt.Fprintln(out, s)
	}
	return nil
}

// ratio says how many times as fast as theirs ours is.
func ratio(what string, theirs, ours time.Duration) string {
	return fmt.Sprintf("%.2f  %s", theirs.Seconds()/ours.Seconds(), what)
}

// run runs the command once.
func (w *row) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, w.command[0], w.command[1:]...)
	cmd.Env = append(os.Environ(), w.environ...)
	var said strings.Builder
	cmd.Stderr = &said
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(w.exits, exit.ExitCode()) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	w.times = append(w.times, took)
	w.used = append(w.used, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		w.Peak = max(w.Peak, used.Maxrss>>10)
	}
	return nil
}

// write makes a log of at least that size, the same at every call: what many
// products wrote into one file in the course of a day, mostly of things that
// are no login.
func write(path string, size int64, share float64) (octets int64, lines int, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	b := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	var line []byte
	for octets < size {
		at = at.Add(time.Duration(r.IntN(20)) * time.Millisecond)
		line = noise(line[:0], r, at)
		if r.Float64() < share {
			line = login(line[:0], r, at)
		}
		n, err := b.Write(line)
		if err != nil {
			return octets, lines, err
		}
		octets += int64(n)
		lines += strings.Count(string(line), "\n")
	}
	return octets, lines, b.Flush()
}

func noise(to []byte, r *rand.Rand, at time.Time) []byte {
	to = at.AppendFormat(to, "Jan _2 15:04:05 ")
	switch r.IntN(5) {
	case 0:
		return fmt.Appendf(to, "web%d kernel: [%d.%06d] IPv4: martian source 192.0.2.%d from 198.51.100.%d, on dev eth0\n", r.IntN(9), r.IntN(1e6), r.IntN(1e6), r.IntN(256), r.IntN(256))
	case 1:
		return fmt.Appendf(to, "web%d nginx: 203.0.113.%d - - \"GET /assets/app-%08x.js HTTP/1.1\" 200 %d \"https://portal.example/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"\n", r.IntN(9), r.IntN(256), r.Uint32(), r.IntN(1e6))
	case 2:
		return fmt.Appendf(to, "db%d systemd[1]: Started Session %d of user backup.\n", r.IntN(9), r.IntN(1e5))
	case 3:
		return fmt.Appendf(to, "mail%d postfix/smtpd[%d]: connect from relay%d.example[192.0.2.%d]\n", r.IntN(9), r.IntN(1e5), r.IntN(99), r.IntN(256))
	}
	return fmt.Appendf(to, "db%d postgres[%d]: [%d-1] LOG:  checkpoint complete: wrote %d buffers (%d.%d%%); 0 WAL file(s) added\n", r.IntN(9), r.IntN(1e5), r.IntN(99), r.IntN(1e4), r.IntN(99), r.IntN(9))
}

// login is one login: 29 in 30 are well.
func login(to []byte, r *rand.Rand, at time.Time) []byte {
	user, bad := "user"+strconv.Itoa(r.IntN(20_000)), r.IntN(30) == 0
	switch r.IntN(3) {
	case 0:
		to = at.AppendFormat(to, "Jan _2 15:04:05 ")
		if bad {
			return fmt.Appendf(to, "bastion sshd[%d]: Failed keyboard-interactive/pam for %s from 198.51.100.%d port %d ssh2\n", r.IntN(1e5), user, r.IntN(256), r.IntN(6e4))
		}
		return fmt.Appendf(to, "bastion sshd[%d]: Accepted keyboard-interactive/pam for %s from 198.51.100.%d port %d ssh2\n", r.IntN(1e5), user, r.IntN(256), r.IntN(6e4))
	case 1:
		to = at.AppendFormat(to, "Mon Jan _2 15:04:05 2006 : Auth: ")
		if bad {
			return fmt.Appendf(to, "(%d) Login incorrect (pap: Cleartext password does not match \"known good\" password): [%s] (from client vpn port %d cli 198.51.100.%d)\n", r.IntN(1e6), user, r.IntN(100), r.IntN(256))
		}
		return fmt.Appendf(to, "(%d) Login OK: [%s] (from client vpn port %d cli 198.51.100.%d)\n", r.IntN(1e6), user, r.IntN(100), r.IntN(256))
	}
	thread, result, status := r.IntN(1e4), 1, 21
	if bad {
		result, status = 0, 133
	}
	for _, text := range []string{"Calling pfAuthUser('CORP\\" + user + "', '', 1)", "authResult = " + strconv.Itoa(result), "rawCallStatus = " + strconv.Itoa(status)} {
		to = at.AppendFormat(to, "2006-01-02T15:04:05.000000Z|0|1412|")
		to = fmt.Appendf(to, "%d|pfrad|%s\n", thread, text)
	}
	return to
}
