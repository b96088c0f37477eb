// Package server builds the whole program from a config.Config, for main and
// for tests alike. It is the only place that names implementations: which
// factors, doors and store there are is said here and nowhere else.
package server

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
	_ "time/tzdata" // rules have time zones, and not every machine has the IANA's

	"golang.org/x/sync/errgroup"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/factor/webauthn"
	"sallyport/httpd"
	"sallyport/radius"
	"sallyport/radiusd"
	"sallyport/seal"
)

// A Server is the assembled program. Start opens everything it needs, Serve
// answers until told to stop, Close gives everything back.
type Server struct {
	Engine *auth.Engine
	Admin  *admin.Admin
	Store  Store

	cfg       config.Config
	node      string
	trail     *audit.Trail
	log       *slog.Logger
	metrics   *metrics
	door      *radiusd.Door
	radius    *radius.Server
	listeners []*radius.Listener
	socket    net.Listener
	telemetry net.Listener
	https     net.Listener
	local     net.Listener
	site      http.Handler
	health    *httpd.Health
	feed      *admin.Feed
	passkeys  *webauthn.Factor // its Origins are set by listen
	madeKey   bool             // on this start, which was the first
}

// Run starts a server, prints on out what it listens on, and serves until ctx
// ends. An error says in one sentence what is wrong and what to do.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger, out io.Writer) error {
	s, err := Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, line := range s.Listening() {
		fmt.Fprintln(out, line)
	}
	if link, err := s.setUpLink(ctx); err != nil {
		return err
	} else if link != "" {
		fmt.Fprintf(out, "set up     %s\n           once, within a day: it makes the owner of this installation; the next start makes another\n", link)
	}
	return s.Serve(ctx)
}

// Start opens the store and all listeners. Nothing is answered before Serve.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if s.madeKey { // said only now, so that a refusal is one sentence
		log.Warn("made a key for this installation; keep a copy of it apart from backups, which cannot be opened without it", "key_file", cfg.KEKPath())
	}
	return s, nil
}

// minProcs is how many goroutines must be able to run at once. One that waits
// for the disk in fsync keeps its processor, as Go counts them, until the
// runtime takes it away, which it does late. With a single one nothing is
// decided while a group is committed, and the rate falls to a fraction.
const minProcs = 2

func (s *Server) start(ctx context.Context) error {
	if err := s.assemble(ctx); err != nil {
		return err
	}
	return s.listen()
}

// assemble builds everything but the listeners.
func (s *Server) assemble(ctx context.Context) error {
	if runtime.GOMAXPROCS(0) < minProcs {
		runtime.GOMAXPROCS(minProcs)
	}
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("server: make the data directory: %w; give a directory that this user can write to", err)
	}
	var err error
	if s.node, err = s.cfg.NodeName(); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if err := s.openTrail(); err != nil {
		return err
	}
	if s.passkeys, err = passkeyFactor(s.cfg); err != nil {
		return err
	}
	verifiers, err := factors(s.cfg, s.passkeys)
	if err != nil {
		return err
	}
	pins, err := pins(s.cfg)
	if err != nil {
		return err
	}
	pseudonym := s.Store.MAC("names that nobody has")
	parts := auth.Parts{
		Store:   s.Store,
		Factors: verifiers,
		PINs:    pins,
		Limits: auth.Limits{
			Know: auth.Limit{Free: s.cfg.Throttle.Password.Free, Stop: s.cfg.Throttle.Password.Stop},
			Have: auth.Limit{Free: s.cfg.Throttle.SecondFactor.Free, Stop: s.cfg.Throttle.SecondFactor.Stop},
		},
		Domains:       s.cfg.Domains,
		ChallengeLife: s.cfg.ChallengeLifetime,
		References:    s.references(),
		Pseudonym: func(name string) string {
			sum := pseudonym([]byte(name))
			text := [1 + 2*8]byte{'?'}
			hex.Encode(text[1:], sum[:8])
			return string(text[:])
		},
		CacheKey:  s.Store.MAC("cache keys"),
		Node:      s.node,
		Stopwatch: time.Now,
		Hold:      hold,
		Log:       s.log,
	}
	s.metrics = newMetrics(s)
	s.feed = &admin.Feed{}
	parts.Observe = func(ev *auth.Event) {
		s.metrics.observe(ev)
		s.feed.Observe(ev)
	}
	s.Engine = auth.NewEngine(parts)
	s.Admin = &admin.Admin{
		Store: s.Store, Factors: parts.Factors, PINs: pins, Limits: parts.Limits, Domains: parts.Domains, Issuer: s.cfg.Issuer,
		References: parts.References, Pseudonym: parts.Pseudonym, Attribute: radiusd.CheckAttribute, Explain: s.Engine.Explain, Now: time.Now,
		Passkeys: &admin.Passkeys{CreationOptions: s.passkeys.CreationOptions}, SelfBypass: time.Duration(s.cfg.Portal.BypassSeconds) * time.Second,
		ExplainUnder: s.Engine.ExplainUnder, LateExports: s.lateExports, Certificates: s.certificates, Configuration: s.configuration,
	}
	s.feed.Admin = s.Admin
	return nil
}

// references is what turns events into references and back.
func (s *Server) references() auth.References {
	key := s.Store.MAC("references")(nil)
	return auth.NewReferences(key[:])
}

// hold waits until t or until ctx ends.
func hold(ctx context.Context, t time.Time) {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *Server) listen() (err error) {
	s.door = &radiusd.Door{Decider: s.Engine, Ready: func() bool { return s.Store.Healthy() == nil }, Log: s.log}
	for _, addr := range s.cfg.RADIUS {
		l, err := radius.Listen(addr, 0)
		if err != nil {
			return fmt.Errorf("server: listen for RADIUS on %s: %w", addr, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if s.socket, err = httpd.ListenSocket(s.cfg.Data); err != nil {
		return err
	}
	if s.cfg.Telemetry != "" {
		if s.telemetry, err = s.listenUsual("telemetry", s.cfg.Telemetry, config.Default().Telemetry); err != nil {
			return fmt.Errorf("server: listen for telemetry on %s: %w; give another address with --telemetry, or \"\" to switch it off", s.cfg.Telemetry, err)
		}
	}
	if s.cfg.HTTPS.Address != "" {
		settings, err := httpd.TLS(s.cfg.HTTPS.Certificate, s.cfg.HTTPS.Key, time.Now)
		if err != nil {
			return err
		}
		if s.https, err = tls.Listen("tcp", s.cfg.HTTPS.Address, settings); err != nil {
			return fmt.Errorf("server: listen for HTTPS on %s: %w", s.cfg.HTTPS.Address, err)
		}
	}
	if s.cfg.Local != "" {
		if s.local, err = s.listenUsual("local", s.cfg.Local, config.Default().Local); err != nil {
			return fmt.Errorf("server: listen for browsers of this machine on %s: %w; give another address with --local, or \"\" to switch it off", s.cfg.Local, err)
		}
	}
	return s.openSite()
}

// listenUsual opens an address for what is served on this machine alone. If
// nobody chose the address and another server of this host has it, any free port
// will do: that must not keep a second installation from starting.
func (s *Server) listenUsual(what, address, usual string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && address == usual {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			s.log.Warn("the usual address is taken by another program; another port is used until the next start", "for", what, "usual", usual, "now", l.Addr().String())
		}
	}
	return l, err
}

// RADIUS returns the addresses at which RADIUS clients are served.
func (s *Server) RADIUS() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Listening says line by line what the server listens on.
func (s *Server) Listening() []string {
	var lines []string
	for _, addr := range s.RADIUS() {
		lines = append(lines, fmt.Sprintf("RADIUS     %s (UDP)", addr))
	}
	if s.https != nil {
		lines = append(lines, fmt.Sprintf("HTTPS      https://%s", s.https.Addr()))
	}
	if s.local != nil {
		lines = append(lines, fmt.Sprintf("pages      http://localhost:%d/console and /portal (this machine only)", portOf(s.local)))
	}
	if s.telemetry != nil {
		lines = append(lines, fmt.Sprintf("telemetry  http://%s/readyz and /metrics", s.telemetry.Addr()))
	}
	return append(lines, "admin      "+filepath.Join(s.cfg.Data, httpd.SocketName))
}

// tellEvery is how often incidents that were only counted are told.
const tellEvery = 30 * time.Second

// Serve answers until ctx ends, then lets what is under way finish. An error
// means that something failed for good; the store's failure is one.
func (s *Server) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-s.Store.Failed():
			return fmt.Errorf("server: stop, because the store cannot be trusted to keep anything: %w", s.Store.Healthy())
		case <-ctx.Done():
			return nil
		}
	})
	// Incidents are recorded until the last packet is answered.
	incidents := context.WithoutCancel(ctx)
	s.radius = &radius.Server{Handler: s.door, Incident: func(i radius.Incident) { s.door.Incident(incidents, i) }}
	s.metrics.radius.Store(s.radius)
	if len(s.listeners) > 0 {
		g.Go(func() error { return s.serveRADIUS(ctx) })
	}
	g.Go(func() error {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				s.Engine.Tell(ctx, now)
			case <-ctx.Done():
				s.Engine.Tell(incidents, time.Now().Add(time.Hour)) // whatever is left
				return nil
			}
		}
	})
	operator := &httpd.Operator{Admin: s.Admin, KeyFile: s.cfg.KEKPath(), Rekey: s.rekey, Auditing: s.auditing(), Log: s.log}
	g.Go(func() error { return operator.Serve(ctx, s.socket) })
	if s.telemetry != nil {
		g.Go(func() error { return httpd.Serve(ctx, s.telemetry, s.health.Telemetry(), s.log) })
	}
	for _, l := range []net.Listener{s.https, s.local} {
		if l != nil {
			g.Go(func() error { return httpd.Serve(ctx, l, s.site, s.log) })
		}
	}
	g.Go(func() error { s.follow(ctx); return nil })
	g.Go(func() error { s.retain(ctx); return nil })
	// Exports and anchors end when everybody else has, to take along what
	// happened last.
	trailing, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.trail.Run(trailing)
	}()
	err := g.Wait()
	end()
	<-ended
	return err
}

// check makes the store do what every login needs of it.
func (s *Server) check(ctx context.Context) error {
	if err := s.Store.Healthy(); err != nil {
		return err
	}
	_, err := s.Store.Snapshot(ctx, auth.Query{Unknown: "?health"}, true)
	return err
}

func (s *Server) rekey(ctx context.Context) (string, error) {
	return rotate(s.cfg.KEKPath(), func(kek seal.KEK) error { return s.Store.Rewrap(ctx, kek) })
}

// Close gives back what Start opened.
func (s *Server) Close() {
	for _, l := range s.listeners {
		l.Close()
	}
	for _, l := range []net.Listener{s.socket, s.telemetry, s.https, s.local} {
		if l != nil {
			l.Close()
		}
	}
	if s.trail != nil {
		if err := s.trail.Close(); err != nil {
			s.log.Error("anchors not closed cleanly", "err", err)
		}
	}
	if s.Store != nil {
		if err := s.Store.Close(); err != nil {
			s.log.Error("store not closed cleanly", "err", err)
		}
	}
}
