//go:build linux

// Command console measures how fast the API answers what the pages of the
// console ask for, on a database of many accounts and events. The server runs in
// this process, as cmd/sallyport builds it, and is asked over loopback, one
// request after the other, as one person's browser asks.
//
// The figure that counts is the slowest page's 95th percentile. It holds for
// this kind of machine only; -commit makes events while it measures.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// A bench is one run.
type bench struct {
	accounts, events, requests int
	database                   string
	commit                     int // logins a second while it measures

	server *server.Server
	log    io.Writer
	names  []string
	ids    []string
	spread time.Duration // over which the events lie
	client http.Client
	base   string
	key    string
}

// A row is one thing that pages ask for.
type row struct {
	Page  string `json:"page"`
	What  string `json:"what"`
	P50   int64  `json:"p50_us"`
	P95   int64  `json:"p95_us"`
	Max   int64  `json:"max_us"`
	Bytes int    `json:"octets"` // of the largest answer

	method string
	path   func(*bench, *rand.Rand) string
	body   func(*bench, *rand.Rand) any
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	b := &bench{log: log, spread: 60 * 24 * time.Hour}
	f := flag.NewFlagSet("console", flag.ContinueOnError)
	f.IntVar(&b.accounts, "accounts", 100_000, "accounts")
	f.IntVar(&b.events, "events", 10_000_000, "events")
	f.IntVar(&b.requests, "requests", 200, "requests of each kind")
	f.IntVar(&b.commit, "commit", 0, "logins a second that are committed meanwhile")
	f.StringVar(&b.database, "database", "", "URL of a PostgreSQL database; empty for SQLite")
	dir := f.String("dir", "", "folder of the database; it is filled if it is empty, and kept. Empty for a temporary one")
	only := f.String("only", "", "measure only what has this in its name")
	asJSON := f.Bool("json", false, "print JSON")
	browse := f.Bool("browser", false, "look at the live log in Chromium instead, while -commit logins a second are committed")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		made, err := os.MkdirTemp("", "console-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		*dir = made
	}
	err := b.start(ctx, *dir)
	if err != nil {
		return err
	}
	defer b.server.Close()
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(serving) }()
	var rows []*row
	if *browse {
		err = b.browse(serving, out)
	} else {
		rows, err = b.measure(serving, *only)
	}
	end()
	if err := errors.Join(err, <-served); err != nil || *browse {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "page\twhat\tp50 ms\tp95 ms\tmax ms\toctets\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%.1f\t%d\t\n", r.Page, r.What, float64(r.P50)/1e3, float64(r.P95)/1e3, float64(r.Max)/1e3, r.Bytes)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	slowest := slices.MaxFunc(rows, func(x, y *row) int { return cmp.Compare(x.P95, y.P95) })
	fmt.Fprintf(out, "\nslowest: %s, %s: %.1f ms at p95; must: 200 ms\n", slowest.Page, slowest.What, float64(slowest.P95)/1e3)
	return nil
}

// start opens the server, and fills its database if that is empty.
func (b *bench) start(ctx context.Context, dir string) error {
	cfg := config.Default()
	cfg.Data, cfg.RADIUS, cfg.Telemetry, cfg.Local = dir, nil, "", "127.0.0.1:0"
	if b.database != "" {
		if err := cfg.Set("database", b.database); err != nil {
			return err
		}
	}
	var err error
	if b.server, err = server.Start(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	for _, line := range b.server.Listening() {
		if rest, ok := strings.CutPrefix(line, "pages"); ok {
			b.base, _, _ = strings.Cut(strings.TrimSpace(rest), "/console")
		}
	}
	by := admin.Operator("bench")
	// The key is made anew: its secret is nowhere.
	_ = b.server.Admin.RemoveKey(ctx, by, "bench")
	if _, b.key, err = b.server.Admin.AddKey(ctx, by, admin.NewKey{Name: "bench", Permissions: admin.Permissions()}); err != nil {
		return err
	}
	return b.fill(ctx, by)
}

// fill makes accounts and events until there are enough.
func (b *bench) fill(ctx context.Context, by admin.Actor) error {
	a := b.server.Admin
	if b.server.Store.Settings().Client("vpn-1") == nil {
		for i := range 5 {
			app := fmt.Sprintf("vpn-%d", i)
			if _, err := a.AddApplication(ctx, by, app); err != nil {
				return err
			}
			if _, _, err := a.AddClient(ctx, by, admin.NewClient{Name: app, Application: app, Source: fmt.Sprintf("198.51.100.%d", i+1)}); err != nil {
				return err
			}
		}
	}
	const atOnce = 1000
	for from := 0; from < b.accounts; from += atOnce {
		if err := b.addAccounts(ctx, from, min(from+atOnce, b.accounts)); err != nil {
			return err
		}
	}
	head, err := b.server.Store.Head(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	b.progress("%d accounts, %d events there", len(b.names), head.Seq)
	var next atomic.Int64
	next.Store(int64(head.Seq))
	g, filling := errgroup.WithContext(ctx)
	for range 256 {
		g.Go(func() error {
			for {
				n := next.Add(1)
				if n > int64(b.events) {
					return nil
				}
				if _, err := b.server.Store.Commit(filling, b.settlement(n, began)); err != nil {
					return err
				}
				if n%1_000_000 == 0 {
					b.progress("%d events, %s", n, time.Since(began).Round(time.Second))
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// What searching needs is filled in behind the logins.
	for {
		tallied, err := b.tallied(ctx)
		if err != nil || tallied >= int64(b.events)*99/100 {
			return err
		}
		b.progress("%d events are counted", tallied)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

func (b *bench) tallied(ctx context.Context) (n int64, err error) {
	list, err := b.server.Store.Tallies(ctx, time.Now().Add(-2*b.spread), time.Now().Add(time.Hour))
	for _, t := range list {
		n += t.Count
	}
	return n, err
}

func (b *bench) progress(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

func accountName(i int) string { return fmt.Sprintf("person%06d", i) }

// addAccounts adds accounts from to below to; nine of ten hold something.
func (b *bench) addAccounts(ctx context.Context, from, to int) error {
	if first, err := b.server.Store.Account(ctx, accountName(from)); err == nil { // filled before
		rest, err := b.server.Store.Accounts(ctx, first.Name, to-from-1)
		if err != nil {
			return err
		}
		for _, x := range append([]auth.Account{first}, rest...) {
			b.names, b.ids = append(b.names, x.Name), append(b.ids, x.ID)
		}
		return nil
	}
	now := time.Now()
	changes := make([]admin.Change, 0, 2*(to-from))
	for i := from; i < to; i++ {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		changes = append(changes, admin.AddAccount{Account: auth.Account{ID: id.String(), Name: accountName(i), Enabled: i%50 != 0, Created: now}})
		b.names, b.ids = append(b.names, accountName(i)), append(b.ids, id.String())
		if i%10 == 0 {
			continue
		}
		held, err := uuid.NewV7()
		if err != nil {
			return err
		}
		changes = append(changes, admin.AddAuthenticator{Authenticator: auth.Authenticator{
			ID: held.String(), Account: id.String(), Factor: "oath", Created: now, State: auth.Secret("bench"), Mark: auth.NoMark,
		}})
	}
	return b.server.Store.Apply(ctx, admin.Act{Time: now, Actor: "bench", Action: "account.add"}, changes...)
}

// settlement is the n-th event, as a login would leave it.
func (b *bench) settlement(n int64, newest time.Time) auth.Settlement {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	who := r.IntN(len(b.names))
	outcome := auth.OATHCodeVerified
	switch p := r.IntN(1000); {
	case p < 60:
		outcome = auth.PasswordWrong
	case p < 90:
		outcome = auth.OATHCodeIncorrect
	case p < 100:
		outcome = auth.Throttled
	case p < 101:
		outcome = auth.UserBlocked
	case p < 300:
		outcome = auth.OATHCodePending
	}
	app := fmt.Sprintf("vpn-%d", r.IntN(5))
	m := outcome.Meaning()
	at := newest.Add(-b.spread + time.Duration(float64(b.spread)*float64(n)/float64(b.events+1)))
	return auth.Settlement{Event: auth.Event{
		Time: at, Took: time.Duration(1+r.IntN(40)) * time.Millisecond, Door: "radius", Client: app, Application: app,
		Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.IntN(5))}), uint16(1024+r.IntN(60000))),
		From:   fmt.Sprintf("203.0.113.%d", r.IntN(256)), Subject: b.ids[who], Account: b.names[who], Verdict: m.Verdict, Outcome: outcome,
		Factor: "oath", Mark: auth.NoMark, Rule: "strictest", Node: "bench", Count: 1,
		Trace: []auth.Step{
			{Stage: auth.StageReach, OK: true, Took: 20 * time.Microsecond, Note: "PAP"},
			{Stage: auth.StageClient, OK: true, Note: app},
			{Stage: auth.StageAccount, OK: true, Note: b.names[who]},
			{Stage: auth.StagePrimary, OK: true, Took: 15 * time.Millisecond, Note: "the password is right"},
			{Stage: auth.StagePolicy, OK: true, Note: "no rule matches: a first and a second factor are needed"},
			{Stage: auth.StageAnswer, OK: m.Verdict == auth.Accept, Note: "the code is right (oath)"},
			{Stage: auth.StageVerdict, OK: true, Note: m.Verdict.String()},
		},
	}}
}

// measure asks for everything that pages ask for.
func (b *bench) measure(ctx context.Context, only string) ([]*row, error) {
	if b.commit > 0 {
		go b.keepCommitting(ctx)
	}
	var rows []*row
	for _, r := range asked() {
		if !strings.Contains(r.Page+" "+r.What, only) {
			continue
		}
		took := make([]int64, 0, b.requests)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range b.requests {
			d, n, err := b.ask(ctx, r, random)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", r.Page, r.What, err)
			}
			if i < 3 && b.requests > 20 {
				continue // the first fill caches, as a first look at a page does once
			}
			took, r.Bytes = append(took, d.Microseconds()), max(r.Bytes, n)
		}
		slices.Sort(took)
		r.P50, r.P95, r.Max = took[len(took)/2], took[len(took)*95/100], took[len(took)-1]
		rows = append(rows, r)
	}
	return rows, nil
}

// browse looks at the live log in a browser, signed in as an auditor of the
// bench's own, while logins are committed.
func (b *bench) browse(ctx context.Context, out io.Writer) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	onlooker := auth.Account{ID: id.String(), Name: "onlooker-" + id.String(), Enabled: true, Role: admin.Auditor, Created: time.Now()}
	if err := b.server.Store.Apply(ctx, admin.Act{Time: time.Now(), Actor: "bench", Action: "account.add"}, admin.AddAccount{Account: onlooker}); err != nil {
		return err
	}
	token, _, err := b.server.Admin.NewSession(ctx, admin.SignedIn{Account: onlooker.ID, Factor: auth.PasskeyFactor, Client: auth.ConsoleClient, Source: "127.0.0.1", Agent: "bench"})
	if err != nil {
		return err
	}
	if b.commit > 0 {
		go b.keepCommitting(ctx)
	}
	c := exec.CommandContext(ctx, "node", "e2e/live.mjs")
	c.Dir = "web"
	c.Env = append(os.Environ(), "SALLYPORT_URL="+b.base, "SALLYPORT_TOKEN="+token)
	c.Stdout, c.Stderr = out, b.log
	return c.Run()
}

// keepCommitting commits logins at a steady rate until ctx ends.
func (b *bench) keepCommitting(ctx context.Context) {
	tick := time.NewTicker(time.Second / time.Duration(b.commit))
	defer tick.Stop()
	for n := int64(b.events) + 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s := b.settlement(n, time.Now())
		s.Event.Time = time.Now()
		if _, err := b.server.Store.Commit(ctx, s); err != nil {
			return
		}
	}
}

func (b *bench) ask(ctx context.Context, r *row, random *rand.Rand) (time.Duration, int, error) {
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body(b, random))
		if err != nil {
			return 0, 0, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), b.base+r.path(b, random), body)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	began := time.Now()
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL.Path, resp.Status, text)
	}
	return took, len(text), err
}

func fixed(path string) func(*bench, *rand.Rand) string {
	return func(*bench, *rand.Rand) string { return path }
}

func somebody(prefix, suffix string) func(*bench, *rand.Rand) string {
	return func(b *bench, r *rand.Rand) string { return prefix + b.names[r.IntN(len(b.names))] + suffix }
}

// asked is everything that the console's pages ask for when they open, and what
// the filters of the sign-in log come down to.
func asked() []*row {
	day := func(from, to int) string {
		at := func(days int) string {
			return time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Format(time.RFC3339)
		}
		return "since=" + at(from) + "&until=" + at(to)
	}
	return []*row{
		{Page: "dashboard", What: "24 hours", path: fixed("/v1/dashboard")},
		{Page: "sign-ins", What: "newest", path: fixed("/v1/events?limit=50")},
		{Page: "sign-ins", What: "of an account", path: somebody("/v1/events?limit=50&account=", "")},
		{Page: "sign-ins", What: "of a name that nobody has", path: fixed("/v1/events?limit=50&account=nobody-at-all")},
		{Page: "sign-ins", What: "of a frequent outcome", path: fixed("/v1/events?limit=50&outcome=password-wrong")},
		{Page: "sign-ins", What: "of a rare outcome", path: fixed("/v1/events?limit=50&outcome=user-is-blocked")},
		{Page: "sign-ins", What: "of an outcome that never was", path: fixed("/v1/events?limit=50&outcome=hard-stopped")},
		{Page: "sign-ins", What: "of an application", path: fixed("/v1/events?limit=50&application=vpn-3")},
		{Page: "sign-ins", What: "from an address", path: fixed("/v1/events?limit=50&source=203.0.113.77")},
		{Page: "sign-ins", What: "from an address that never was", path: fixed("/v1/events?limit=50&source=192.0.2.255")},
		{Page: "sign-ins", What: "refused", path: fixed("/v1/events?limit=50&verdict=reject")},
		{Page: "sign-ins", What: "a day a month ago", path: fixed("/v1/events?limit=50&" + day(31, 30))},
		{Page: "accounts", What: "first page", path: fixed("/v1/accounts?limit=50")},
		{Page: "accounts", What: "part of a name", path: fixed("/v1/accounts?limit=50&q=9999")},
		{Page: "accounts", What: "part that nobody has", path: fixed("/v1/accounts?limit=50&q=zzz")},
		{Page: "accounts", What: "unenrolled", path: fixed("/v1/accounts?limit=50&state=unenrolled")},
		{Page: "accounts", What: "disabled", path: fixed("/v1/accounts?limit=50&state=disabled")},
		{Page: "accounts", What: "locked", path: fixed("/v1/accounts?limit=50&state=locked")},
		{Page: "account", What: "itself", path: somebody("/v1/accounts/", "")},
		{Page: "explain", What: "a login", method: http.MethodPost, path: fixed("/v1/explain"), body: func(b *bench, r *rand.Rand) any {
			return map[string]string{"account": b.names[r.IntN(len(b.names))], "application": "vpn-1"}
		}},
		{Page: "applications", What: "all", path: fixed("/v1/applications")},
		{Page: "clients", What: "all", path: fixed("/v1/clients")},
		{Page: "rules", What: "all", path: fixed("/v1/rules")},
		{Page: "exemptions", What: "all", path: fixed("/v1/exemptions")},
		{Page: "system log", What: "newest", path: fixed("/v1/acts?limit=50")},
		{Page: "expiry", What: "all", path: fixed("/v1/expiring")},
		{Page: "health", What: "all", path: fixed("/v1/system")},
		{Page: "findings", What: "one day", path: fixed("/v1/findings?days=1")},
		{Page: "reports", What: "usage, 30 days", path: fixed("/v1/reports/usage?" + day(30, 0))},
		{Page: "reports", What: "unenrolled", path: fixed("/v1/reports/unenrolled")},
		{Page: "reports", What: "bypassed", path: fixed("/v1/reports/bypassed")},
		{Page: "reports", What: "blocked", path: fixed("/v1/reports/blocked")},
		{Page: "reports", What: "locked", path: fixed("/v1/reports/locked")},
		{Page: "reports", What: "fraud", path: fixed("/v1/reports/fraud")},
	}
}
