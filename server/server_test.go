package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/config"
	"sallyport/otp"
	"sallyport/pskc"
	"sallyport/radius"
)

const (
	gateway = "thirty-two characters of secret!"
	secret  = "correct horse battery"
)

// start starts a server on ports of its own.
func start(t testing.TB, cfg config.Config) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := Start(context.Background(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
		s.Close()
	})
	return s
}

func testConfig(dir string) config.Config {
	cfg := config.Default()
	cfg.Data, cfg.RADIUS, cfg.Telemetry, cfg.Local = dir, []string{"127.0.0.1:0"}, "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

// populate adds an application, a client and people with tokens.
func populate(t testing.TB, s *Server, people int, client admin.NewClient) []otp.Enrolment {
	t.Helper()
	ctx := context.Background()
	if _, err := s.Admin.AddApplication(ctx, admin.Operator("test"), "vpn"); err != nil {
		t.Fatal(err)
	}
	client.Name, client.Application, client.Source, client.Secret = "nas", "vpn", "127.0.0.1", gateway
	if _, _, err := s.Admin.AddClient(ctx, admin.Operator("test"), client); err != nil {
		t.Fatal(err)
	}
	var tokens strings.Builder
	tokens.WriteString("upn,serial number,secret key,time interval,manufacturer,model\n")
	enrolments := make([]otp.Enrolment, people)
	var changes []admin.Change
	for i := range enrolments {
		name := fmt.Sprintf("user%06d", i)
		enrolments[i] = otp.Enrolment{Account: name, Key: otp.NewKey(otp.SHA1), Params: otp.Params{Digits: 6, Period: 30 * time.Second}}
		changes = append(changes, admin.AddAccount{Account: auth.Account{ID: "id-" + name, Name: name, Enabled: true}})
		fmt.Fprintf(&tokens, "%s,%d,%s,30,made,test\n", name, i, otp.EncodeKey(enrolments[i].Key))
		if len(changes) == 10_000 || i == people-1 {
			if err := s.Store.Apply(ctx, admin.Act{Actor: "test", Action: "populate"}, changes...); err != nil {
				t.Fatal(err)
			}
			changes = changes[:0]
		}
	}
	v, err := s.Admin.Import(ctx, admin.Operator("test"), []byte(tokens.String()), pskc.Keys{})
	if err != nil || v.Added != people {
		t.Fatalf("import: %+v, %v", v, err)
	}
	return enrolments
}

// On a machine with one processor, or a share of one, the server stood still
// while it waited for the disk.
func TestOneProcessorIsNotKeptByTheDisk(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	start(t, testConfig(t.TempDir()))
	if got := runtime.GOMAXPROCS(0); got < 2 {
		t.Errorf("GOMAXPROCS = %d in a running server; want 2 at least", got)
	}
}

// More than two, which somebody may have chosen, stay.
func TestProcessorsAreNotTakenAway(t *testing.T) {
	before := runtime.GOMAXPROCS(5)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	start(t, testConfig(t.TempDir()))
	if got := runtime.GOMAXPROCS(0); got != 5 {
		t.Errorf("GOMAXPROCS = %d in a running server; want 5 as before", got)
	}
}

// One whole login through the assembled program.
func TestLogin(t *testing.T) {
	s := start(t, testConfig(t.TempDir()))
	person := populate(t, s, 1, admin.NewClient{Mode: "challenge"})[0]
	ctx := context.Background()
	if err := s.Admin.SetPassword(ctx, admin.Operator("test"), person.Account, secret, ""); err != nil {
		t.Fatal(err)
	}
	ask := func(field string, state []byte) *radius.Packet {
		t.Helper()
		return exchange(t, s.RADIUS()[0], person.Account, field, state)
	}
	challenge := ask(secret, nil)
	state, ok := challenge.Get(radius.State)
	if challenge.Code != radius.AccessChallenge || !ok {
		t.Fatalf("the password was answered with %v", challenge.Code)
	}
	if got := ask(otp.TOTP(person.Key, time.Now(), person.Params), state); got.Code != radius.AccessAccept {
		message, _ := got.Get(radius.ReplyMessage)
		t.Fatalf("the code was answered with %v %s", got.Code, message)
	}
	events, err := s.Admin.Events(ctx, admin.Search{})
	if err != nil || len(events) != 2 || events[1].Outcome != "oath-code-verified" {
		t.Errorf("events %+v, %v", events, err)
	}
}

// A second installation on one host starts although the usual telemetry
// address is taken; an address that somebody chose is not replaced.
func TestTelemetryAddressTaken(t *testing.T) {
	usual := config.Default().Telemetry
	if l, err := net.Listen("tcp", usual); err == nil {
		defer l.Close()
	}
	cfg := testConfig(t.TempDir())
	cfg.Telemetry = usual
	s := start(t, cfg)
	if got := s.telemetry.Addr().String(); got == usual {
		t.Errorf("listens on %s, which is taken", got)
	}
	chosen := testConfig(t.TempDir())
	chosen.Telemetry = s.telemetry.Addr().String()
	if _, err := Start(t.Context(), chosen, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "--telemetry") {
		t.Errorf("started on a taken address: %v", err)
	}
}

func exchange(t *testing.T, server netip.AddrPort, name, field string, state []byte) *radius.Packet {
	t.Helper()
	key, err := radius.NewSecret([]byte(gateway))
	if err != nil {
		t.Fatal(err)
	}
	p := radius.NewRequest(radius.AccessRequest)
	p.Add(radius.UserName, []byte(name))
	if err := p.AddPassword(key, []byte(field)); err != nil {
		t.Fatal(err)
	}
	if state != nil {
		p.Add(radius.State, state)
	}
	reply, err := new(radius.Asker).Exchange(t.Context(), server, key, p)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// BenchmarkDecide measures code-only logins through engine, factors and store,
// without the socket: 256 at once, each with a code of its own, each on disk
// before it is answered.
func BenchmarkDecide(b *testing.B) {
	s := start(b, testConfig(b.TempDir()))
	people := populate(b, s, 20_000, admin.NewClient{Password: "none", Mode: "append"})
	codes := make([]auth.Code, len(people))
	at := time.Now()
	for i, p := range people {
		codes[i] = auth.Code(otp.TOTP(p.Key, at, p.Params))
	}
	attempt := auth.Attempt{
		Door: "radius", Client: "nas", Source: netip.MustParseAddrPort("127.0.0.1:1645"), Time: at, Seen: "benchmark",
	}
	for _, p := range people { // facts of people who log in now and then are in memory
		if _, err := s.Store.Snapshot(context.Background(), auth.Query{Names: []string{p.Account}}, false); err != nil {
			b.Fatal(err)
		}
	}
	var next, accepted atomic.Int64
	b.SetParallelism(128)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1) - 1
			i := int(n) % len(people)
			a := attempt
			a.Claimant = people[i].Account
			a.Evidence = []auth.Evidence{codes[i]}
			if round := n / int64(len(people)); round > 0 { // the next step's code, at the next step
				a.Time = at.Add(time.Duration(round) * 30 * time.Second)
				a.Evidence[0] = auth.Code(otp.TOTP(people[i].Key, a.Time, people[i].Params))
			}
			if s.Engine.Decide(context.Background(), a).Verdict == auth.Accept {
				accepted.Add(1)
			}
		}
	})
	if accepted.Load() != next.Load() {
		b.Errorf("%d of %d logins were accepted", accepted.Load(), next.Load())
	}
	st := s.Store.Stats()
	b.ReportMetric(float64(st.Commits)/float64(st.Groups), "logins/fsync")
}

// "radius: []" is a configuration that is valid: a server for browsers and
// programs alone. It once ended at its start because no RADIUS listener was there.
func TestServesWithoutRADIUS(t *testing.T) {
	cfg := config.Default()
	cfg.Data, cfg.RADIUS, cfg.Telemetry, cfg.Local = t.TempDir(), nil, "", "127.0.0.1:0"
	s, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	resp, err := http.Get(fmt.Sprintf("http://localhost:%d/v1/config", portOf(s.local)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("GET /v1/config: %s", resp.Status)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}
