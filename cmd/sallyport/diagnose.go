package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/diagnose"
	"sallyport/evtx"
	"sallyport/intake"
	"sallyport/report"
)

// What diagnose and check exit with differs from other commands: scripts ask
// them whether something is wrong.
const (
	exitFound      = 1
	exitUnreadable = 2
)

// decoders read what is no text but holds lines.
var decoders = []intake.Decoder{{Name: "EVTX", Magic: "ElfFile\x00", Open: evtx.Lines}}

type diagnoseOptions struct {
	html    string
	redact  bool
	follow  bool
	zone    string
	explain string
}

func (a *app) diagnoseCommand() *cobra.Command {
	var o diagnoseOptions
	c := &cobra.Command{
		Use:   "diagnose PATH...|-",
		Short: "Read the logs of any MFA product, and say what went wrong and how to mend it",
		Long: `Read the logs of any MFA product, and say what went wrong and how to mend it.
PATH is a file, a folder or an archive (zip, tar, gzip, bzip2), as it came from
the server: what a file is shows in its content, not in its name. No server is
needed, nothing is changed, and nothing leaves this machine.

It knows the logs of Okta's agents, Azure MFA Server, the NPS extension and NPS,
FreeRADIUS, Duo Authentication Proxy, privacyIDEA, multiOTP, sshd, PAM, and this
server. In any other file it looks for texts of errors that are known.

With --redact people, hosts and addresses have pseudonyms, which are the same
each time on this machine: the key to them is kept in redact.key in your
configuration directory. Read what you send to others all the same.

With --follow it goes on with lines as they are written, until it is interrupted:
each attempt that failed is a line, and each cause is described when it is met
first. With --json each of these lines is an object.

Exit codes: 0 nothing wrong; 1 something was found, even if other files could
not be read; 2 something could not be read, and nothing was found in the rest,
or the command was not understood.`,
		Example: `  sallyport diagnose "C:\Program Files\Okta\Okta Windows Credential Provider\logs"
  sallyport diagnose bundle.zip --html report.html
  journalctl -u ssh -o short-iso | sallyport diagnose -
  sallyport diagnose /var/log/freeradius/radius.log --follow
  sallyport diagnose logs/ --redact --json
  sallyport diagnose --explain tls-version`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case o.explain != "" && len(args) > 0:
				return misused(c.CommandPath()+" --help", "--explain reads no file, and has %q", args[0])
			case o.explain == "" && len(args) == 0:
				return misused(c.CommandPath()+" --help", "%s needs PATH, or - for standard input", c.CommandPath())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print one JSON object (docs/diagnosis/json.md)")
	c.Flags().StringVar(&o.html, "html", "", "write the report into this `file` as a page that needs nothing else")
	c.Flags().BoolVar(&o.redact, "redact", false, "give people, hosts and addresses pseudonyms")
	c.Flags().BoolVar(&o.follow, "follow", false, "go on with lines as they are written")
	c.Flags().StringVar(&o.zone, "zone", "", "time `zone` of logs that do not say theirs, and of what is printed: UTC, Europe/Berlin (default: this machine's)")
	c.Flags().StringVar(&o.explain, "explain", "", "print what is known of a `cause`, and read nothing")
	c.MarkFlagsMutuallyExclusive("explain", "json")
	c.MarkFlagsMutuallyExclusive("explain", "html")
	c.MarkFlagsMutuallyExclusive("explain", "follow")
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.explain != "" {
			return a.explainCause(o.explain)
		}
		if o.zone != "" {
			zone, err := time.LoadLocation(o.zone)
			if err != nil {
				return misused("write it as UTC, Europe/Berlin or America/New_York", "--zone: there is no time zone %q", o.zone)
			}
			a.zone = zone
		}
		if a.environment("GOMEMLIMIT") == "" {
			// What is kept is bounded; the rest is garbage soon, and need not be
			// collected before there is much of it.
			debug.SetMemoryLimit(200 << 20)
			debug.SetGCPercent(400)
		}
		if o.follow {
			return a.follow(c.Context(), args, o)
		}
		return a.diagnose(c.Context(), args, o)
	}
	return c
}

// unreadable is a failure of diagnose and check that nothing was found before.
func unreadable(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, exit: exitUnreadable}
}

func (a *app) diagnose(ctx context.Context, paths []string, o diagnoseOptions) error {
	d := diagnose.New(diagnose.Options{Zone: a.zone, Now: a.now(), Workers: runtime.GOMAXPROCS(0)})
	tell := a.meter()
	err := intake.Walk(ctx, paths, a.in, intake.Options{Progress: tell, Decoders: decoders}, func(f *intake.File) error {
		return d.Read(ctx, f)
	})
	tell(-1, 0)
	switch {
	case ctx.Err() != nil:
		return unreadable("", "interrupted before everything was read; nothing was changed")
	case err != nil:
		return unreadable("", "%w", err)
	}
	r := d.Report()
	if err := a.deliver(r, o); err != nil {
		return err
	}
	return verdictOn(r)
}

// verdictOn is how diagnose exits after it has said everything.
func verdictOn(r *diagnose.Report) error {
	if len(r.Findings) > 0 {
		return &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	}
	read, failed := 0, 0
	for i := range r.Files {
		switch f := &r.Files[i]; {
		case f.Error == "":
			read++
		case f.Encoding != "binary": // a picture in a folder is no fault
			failed++
		}
	}
	switch {
	case len(r.Files) == 0:
		return unreadable("name a file, or a folder or an archive that holds files", "there is nothing to read")
	case read == 0:
		return unreadable("", "nothing could be read")
	case failed > 0:
		return unreadable("", "not everything could be read; nothing was found in the rest")
	}
	return nil
}

// deliver prints a report and writes the page that was asked for.
func (a *app) deliver(r *diagnose.Report, o diagnoseOptions) error {
	if o.redact {
		key, err := a.redactKey()
		if err != nil {
			return err
		}
		r = report.Redact(r, key)
	}
	if o.html != "" {
		if err := a.writePage(o.html, r); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(r)
	}
	return a.tellReport(r)
}

// writePage writes a page that only its owner can read: it holds names.
func (a *app) writePage(name string, r *diagnose.Report) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = report.HTML(f, r, report.Options{Zone: a.zone})
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return unreadable("name a file in a folder that can be written with --html", "write the report: %w", err)
	}
	a.notef("wrote %s", name)
	return nil
}

// redactKey returns the key of pseudonyms: the one that is kept for this user,
// so that they stay the same, or one for this time if none can be kept.
func (a *app) redactKey() ([]byte, error) {
	dir, err := os.UserConfigDir()
	var key []byte
	if err == nil {
		key, err = keptKey(filepath.Join(dir, "sallyport", "redact.key"))
	}
	if err == nil {
		return key, nil
	}
	a.notef("note: pseudonyms are for this time only, because their key could not be kept: %v", err)
	key = make([]byte, keyLength)
	_, err = rand.Read(key)
	return key, err
}

const keyLength = 32

// keptKey reads a key, and makes it at first. Two that make it at once get the
// same one.
func keptKey(name string) ([]byte, error) {
	key, err := readKey(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	fresh, err := os.CreateTemp(filepath.Dir(name), "redact.key.*") // for its owner only
	if err != nil {
		return nil, err
	}
	defer os.Remove(fresh.Name())
	key = make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	_, err = fresh.Write(key)
	if err == nil {
		err = fresh.Sync()
	}
	if closed := fresh.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	// Whoever was first wins: a link never replaces.
	if err := os.Link(fresh.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		// Not every file system has links.
		if err := os.Rename(fresh.Name(), name); err != nil {
			return nil, err
		}
	}
	return readKey(name)
}

func readKey(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if err == nil && len(key) != keyLength {
		return nil, fmt.Errorf("%s holds %d octets; a key has %d: delete it, and another is made", name, len(key), keyLength)
	}
	return key, err
}

// meter tells on a terminal how far reading is: at most four times a second,
// and nothing about what is done in less than half of one. A negative number
// clears the line. It may be called concurrently.
func (a *app) meter() func(done, all int64) {
	tell := a.progress()
	var mu sync.Mutex
	begun := a.now()
	last := begun.Add(250 * time.Millisecond)
	return func(done, all int64) {
		mu.Lock()
		defer mu.Unlock()
		now := a.now()
		if done < 0 {
			tell("")
			return
		}
		if now.Sub(last) < 250*time.Millisecond {
			return
		}
		last = now
		tell(pace(done, all, now.Sub(begun)))
	}
}

// pace says how much was read, of how much, and how fast.
func pace(done, all int64, in time.Duration) string {
	s := "read " + octets(done)
	if all > 0 {
		s += fmt.Sprintf(" of %s (%d %%)", octets(all), min(100, int64(float64(done)/float64(all)*100)))
	}
	if seconds := in.Seconds(); seconds > 0 {
		s += ", " + octets(int64(float64(done)/seconds)) + "/s"
	}
	return s
}

// octets writes a size as people do, in decimal units.
func octets(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// pollEvery is how often followed files are looked at.
const pollEvery = 500 * time.Millisecond

// follow prints what goes wrong as it is written, until it is interrupted.
func (a *app) follow(ctx context.Context, paths []string, o diagnoseOptions) error {
	for _, p := range paths {
		if p == "-" {
			return misused("name the file", "--follow: standard input cannot be followed")
		}
	}
	w := &watcher{a: a, counts: map[string]int{}, streams: map[*intake.File]*diagnose.Stream{}, names: map[string]*intake.File{}}
	if o.redact {
		key, err := a.redactKey()
		if err != nil {
			return err
		}
		w.key = key
	}
	w.d = diagnose.New(diagnose.Options{Zone: a.zone, Now: a.now(), Attempt: w.attempt})
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	err := intake.Follow(ctx, paths, intake.Following{Poll: poll.C}, w.chunk)
	for _, s := range w.streams {
		s.Close(nil)
	}
	w.describe()
	if err == nil {
		err = w.err
	}
	if err != nil && !errors.Is(err, context.Canceled) { // interrupted: how one stops it
		return unreadable("", "%w", err)
	}
	r := w.d.Report()
	if o.html != "" {
		page := r
		if w.key != nil {
			page = report.Redact(r, w.key)
		}
		if err := a.writePage(o.html, page); err != nil {
			return err
		}
	}
	if len(r.Findings) > 0 {
		return &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	}
	if w.unread && len(r.Files) == 0 {
		return &failure{err: errors.New("nothing could be read"), exit: exitUnreadable}
	}
	return nil
}

// A watcher prints attempts that fail as they are read.
type watcher struct {
	a       *app
	d       *diagnose.Diagnosis
	key     []byte // of pseudonyms, nil for none
	streams map[*intake.File]*diagnose.Stream
	names   map[string]*intake.File // the file that bears a name now
	counts  map[string]int          // by cause
	fresh   []string                // causes that were met first in this chunk
	unread  bool
	err     error // of printing
}

// chunk takes what was written to a file.
func (w *watcher) chunk(f *intake.File, c intake.Chunk) error {
	if len(c.Text) == 0 {
		if _, err := f.Next(); err != nil && !errors.Is(err, io.EOF) {
			w.unread = true
			w.a.warnf("%s: %v", f.Name, err)
		}
		return nil
	}
	s := w.streams[f]
	if s == nil {
		// What had this name before was renamed or truncated, and has ended.
		if old := w.names[f.Name]; old != nil {
			w.streams[old].Close(nil)
			delete(w.streams, old)
		}
		s = w.d.Stream(f)
		w.streams[f], w.names[f.Name] = s, f
	}
	s.Take(c)
	w.describe()
	return w.err
}

// attempt takes an attempt, or a line that is in none and has a cause.
func (w *watcher) attempt(t diagnose.Tried) {
	for _, cause := range t.Causes {
		if w.counts[cause]++; w.counts[cause] == 1 {
			w.fresh = append(w.fresh, cause)
		}
	}
	switch t.Verdict {
	case diagnose.Accepted, diagnose.Challenged:
		if len(t.Causes) == 0 {
			return
		}
	case diagnose.Refused, diagnose.Faulty, diagnose.Abandoned:
	}
	if w.key != nil {
		t = report.Redact(&diagnose.Report{Attempts: []diagnose.Tried{t}}, w.key).Attempts[0]
	}
	if w.a.json {
		w.keep(w.a.printJSON(t))
		return
	}
	_, err := fmt.Fprintln(w.a.out, w.a.triedLine(t, w.counts))
	w.keep(err)
}

func (w *watcher) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}

// describe prints the causes that were met for the first time. A cause that only
// many attempts show together is known by then to none of them; the report at
// the end has it.
func (w *watcher) describe() {
	if len(w.fresh) == 0 || w.a.json {
		w.fresh = nil
		return
	}
	r := w.d.Report()
	if w.key != nil {
		r = report.Redact(r, w.key)
	}
	for i := range r.Findings {
		for _, cause := range w.fresh {
			if r.Findings[i].Cause == cause {
				fmt.Fprintln(w.a.out)
				w.a.printDiagnosis(0, &r.Findings[i])
				fmt.Fprintln(w.a.out)
			}
		}
	}
	w.fresh = nil
}

// triedLine is one attempt as a line.
func (a *app) triedLine(t diagnose.Tried, counts map[string]int) string {
	var words []string
	if !t.Time.IsZero() {
		words = append(words, a.paint(faint, a.when(t.Time)))
	}
	if t.Verdict != "" {
		words = append(words, a.paint(bad, string(t.Verdict)))
	}
	if t.User != "" {
		words = append(words, a.paint(strong, t.User))
	}
	for _, p := range [][2]string{{"from", t.From}, {"through", t.Client}, {"on", t.Host}} {
		if p[1] != "" {
			words = append(words, p[0]+" "+clean(p[1]))
		}
	}
	var causes []string
	for _, c := range t.Causes {
		s := clean(c)
		if n := counts[c]; n > 1 {
			s += fmt.Sprintf(" (%d times)", n)
		}
		causes = append(causes, s)
	}
	if len(causes) == 0 {
		causes = append(causes, clean(strings.Join(t.Codes, ", ")))
	}
	if causes[0] != "" {
		words = append(words, strings.Join(causes, ", "))
	}
	return strings.Join(append(words, a.paint(faint, fmt.Sprintf("%s:%d", t.File, t.Line))), "  ")
}
