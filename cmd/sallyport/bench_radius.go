package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/load"
	"sallyport/radius"
)

func (a *app) benchCommand() *cobra.Command {
	return group("bench", "Measure how fast a RADIUS server answers", a.benchRADIUSCommand(), a.benchEchoCommand())
}

// A benchFlags is what bench radius was asked for, as far as load.Options does
// not hold it.
type benchFlags struct {
	server, source, mode    string
	secretFile, credentials string
	secretStdin             bool
}

func (a *app) benchRADIUSCommand() *cobra.Command {
	var f benchFlags
	var o load.Options
	var modes []string
	for _, m := range load.Modes() {
		modes = append(modes, string(m))
	}
	c := &cobra.Command{
		Use:   "radius --server HOST:PORT --credentials FILE",
		Short: "Log in to a RADIUS server as fast as it can, or at a fixed rate",
		Long: `Log in to a RADIUS server, this one or any other that takes PAP, and measure how
many logins it manages and how long each takes. Every answer is verified.

With --in-flight, that many logins are kept under way: what the server can do at
most. With --rate, logins begin at random moments, that many a second in the
mean, whether or not answers come, and each is timed from the moment it was due:
what people would feel at that load.

The credentials file has one account per line, divided by spaces:
NAME PASSWORD OTPAUTH-URI, with - for a password or token that it does not have.
The accounts must exist on the server. Every code is used once, while it is
valid: with the drift of one step that is usual, an account gives three at once
and then one every 30 s. Use many accounts.

What a login consists of is its --mode:
  code       the password field holds a code (client set to --password none)
  password   the password field holds the password; no second factor
  append     password, separator and code in one field
  challenge  the password first, then a code in answer to the challenge
  echo       any packet, for "sallyport bench echo": what this machine can do
             at most

Raise the rate limit of the client that this runs as: it is 200 a second if
nothing was set. Load on a server that is not yours is an attack, so only
servers on this machine are accepted without --allow-remote.`,
		Example: `  sallyport bench radius --server 127.0.0.1:1812 --secret-file secret.txt --credentials people.txt --mode code --in-flight 256
  sallyport bench radius --server 127.0.0.1:1812 --secret-file secret.txt --credentials people.txt --mode challenge --rate 500 --duration 1m --json`,
		Args: cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&f.server, "server", "", "`HOST:PORT` of the RADIUS server; port 1812 if left out")
	flags.StringVar(&f.source, "source", "", "local `address` to send from")
	flags.BoolVar(&f.secretStdin, "secret-stdin", false, "read the shared secret from the first line of standard input")
	flags.StringVar(&f.secretFile, "secret-file", "", "read the shared secret from the first line of this `file`")
	flags.StringVar(&f.credentials, "credentials", "", "`file` with the accounts to log in with")
	flags.StringVar(&f.mode, "mode", string(load.Challenge), "what a login consists of: "+strings.Join(modes, ", "))
	flags.StringVar(&o.Separator, "separator", ",", "`text` between password and code in mode append")
	flags.IntVar(&o.InFlight, "in-flight", 64, "`logins` to keep under way")
	flags.Float64Var(&o.Rate, "rate", 0, "`logins` to begin a second, instead of --in-flight")
	flags.DurationVar(&o.Duration, "duration", 2*time.Second, "how long to measure")
	flags.DurationVar(&o.WarmUp, "warm-up", 500*time.Millisecond, "how long to run before measuring")
	flags.BoolVar(&o.WarmAccounts, "warm-accounts", false, "before that, log in once with every account")
	flags.DurationVar(&o.Timeout, "timeout", 3*time.Second, "after which a request without answer is lost")
	flags.IntVar(&o.Drift, "drift", 1, "time `steps` that the server lets codes be early or late, 0 to 2")
	flags.BoolVar(&o.ReuseCodes, "reuse-codes", false, "send the current code again and again; for servers that forget which were used")
	flags.Float64Var(&o.WrongCodes, "wrong-codes", 0, "`share` of logins with a wrong code, 0 to 1; they must be rejected")
	flags.Float64Var(&o.UnknownUsers, "unknown-users", 0, "`share` of logins with a name that nobody has, 0 to 1; they must be rejected")
	flags.DurationVar(&o.RetransmitAfter, "retransmit-after", 0, "send every answered request once more after this `time`; the answer must be the same octets")
	flags.BoolVar(&o.AllowUnsigned, "allow-unsigned", false, "take answers without Message-Authenticator")
	flags.BoolVar(&o.AllowRemote, "allow-remote", false, "allow a server that is not on this machine")
	flags.IntVar(&o.Sockets, "sockets", 0, "source `ports`; 0 for as many as are wanted")
	flags.IntVar(&o.ServerPID, "server-pid", 0, "`process` of the server on this machine, to measure it with its children")
	flags.Uint64Var(&o.Seed, "seed", 1, "of the order of accounts and the moments of arrival")
	required(c, "server")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.benchOptions(c.Context(), &f, &o); err != nil {
			return err
		}
		r, err := load.Run(c.Context(), o)
		if errors.Is(err, load.ErrNobody) {
			return &failure{err: fmt.Errorf("nobody listens on %v", o.Server), hint: "is the server running, and is this its RADIUS port?", exit: exitUnreachable}
		} else if err != nil {
			return refused("", "%w", err)
		}
		if err := a.printBench(&r); err != nil {
			return err
		}
		if !r.Clean() {
			return refused(benchHint(&r), "not every login got its right answer in time")
		}
		return nil
	}
	return a.printsRecords(c)
}

// benchOptions completes o with what f says.
func (a *app) benchOptions(ctx context.Context, f *benchFlags, o *load.Options) error {
	var err error
	if o.Server, err = resolve(ctx, f.server); err != nil {
		return err
	}
	if f.source != "" {
		if o.Source, err = netip.ParseAddr(f.source); err != nil {
			return misused("", "--source: %w", err)
		}
	}
	if o.Mode = load.Mode(f.mode); o.Mode == load.EchoMode {
		return nil
	}
	if f.credentials == "" {
		return misused("", "mode %s needs --credentials", f.mode)
	}
	file, err := os.Open(f.credentials)
	if err != nil {
		return refused("", "read the credentials: %w", err)
	}
	defer file.Close()
	if o.Credentials, err = load.ReadCredentials(file); err != nil {
		return refused("", "%s: %w", f.credentials, err)
	}
	var secret string
	switch {
	case f.secretFile != "" && f.secretStdin:
		return misused("", "give one of --secret-stdin and --secret-file")
	case f.secretFile != "":
		text, err := os.ReadFile(f.secretFile)
		if err != nil {
			return refused("", "read the shared secret: %w", err)
		}
		secret, _, _ = strings.Cut(string(text), "\n")
		secret = strings.TrimSuffix(secret, "\r")
	case f.secretStdin || a.inTerminal:
		if secret, err = a.ask("Shared secret:", "shared secret", false); err != nil {
			return err
		}
	default:
		return misused("", "give the shared secret with --secret-stdin or --secret-file")
	}
	if o.Secret, err = radius.NewSecret([]byte(secret)); err != nil {
		return refused("", "%w", err)
	}
	return nil
}

// benchHint says what most likely stands behind answers that were not right.
func benchHint(r *load.Result) string {
	switch {
	case r.Logins == 0 && r.Bad > 0:
		return "the shared secrets probably differ, or the server does not sign its answers (see --allow-unsigned)"
	case r.Logins == 0 && r.Lost > 0:
		return "a server is silent if the shared secret differs or if it does not know this host as a client; sallyport events --since 5m on the server shows which"
	case r.Wrong > 0:
		return "do these accounts exist there, is the client set to this mode, and have the codes of this minute been used by an earlier run?"
	case r.Lost > 0 || r.Late > 0:
		return "the server could not keep up, or limits this client's rate (client add --rate)"
	}
	return ""
}

func (a *app) printBench(r *load.Result) error {
	if a.json {
		return a.printJSON(r)
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(a.out, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	us := func(v float64) string { return took(time.Duration(v * 1e3)) }
	line("logins", "%d in %.2f s, %.0f a second", r.Logins, r.Seconds, r.PerSecond)
	l := r.Latency
	line("latency", "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", us(l.P50), us(l.P90), us(l.P99), us(l.P999), us(l.Max))
	line("packets", "%d sent; %d accepts, %d rejects, %d challenges", r.Sent, r.Accepts, r.Rejects, r.Challenges)
	line("faults", "%d wrong, %d bad, %d late, %d lost, %d without a free identifier", r.Wrong, r.Bad, r.Late, r.Lost, r.NoSlot)
	if r.Resent+r.ResentBad > 0 {
		line("resent", "%d got the same octets, %d others", r.Resent, r.ResentBad)
	}
	if r.ServerRSS > 0 {
		line("server", "%.1f us of CPU a login, %.2f cores, %d MB resident", r.ServerCPU, r.ServerCores, r.ServerRSS>>20)
	}
	line("machine", "%.2f cores for the load, %.2f for anybody else", r.OwnCores, r.Noise)
	if r.Exhausted {
		a.warnf("the run ended early: no fresh code was left; use more accounts or a shorter run")
	}
	return nil
}

func (a *app) benchEchoCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "echo --listen ADDRESS",
		Short: "Send every UDP datagram back, as a yardstick for bench radius",
		Long: `Send every UDP datagram back to where it came from, until SIGINT or SIGTERM.

"sallyport bench radius --mode echo" against it shows how many packets this
machine can answer at all. Divide other figures by that one to compare them
between machines.`,
		Example: `  sallyport bench echo --listen 127.0.0.1:1899`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:1899", "loopback UDP `address`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		addr, err := net.ResolveUDPAddr("udp", listen)
		if err != nil {
			return misused("", "--listen %q: %w", listen, err)
		}
		// Datagrams with a forged source would be sent on to somebody else.
		if !addr.IP.IsLoopback() {
			return misused("", "--listen %q: an echo that others can reach can be used against third parties; give a loopback address", listen)
		}
		conn, err := net.ListenUDP("udp", addr)
		if err != nil {
			return refused("", "%w", err)
		}
		fmt.Fprintf(a.out, "echo       %s (UDP)\n", conn.LocalAddr())
		return load.Echo(c.Context(), conn)
	}
	return c
}
