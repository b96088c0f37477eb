package load

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/otp"
	"sallyport/radius"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A house is a RADIUS server that remembers which codes were used.
type house struct {
	client   *radius.Client
	accounts map[string]Credential
	mode     Mode
	stall    func() // called for every request, if set

	mu         sync.Mutex
	steps      map[string]int64
	challenges map[string]string // State to name
	served     atomic.Int64
}

func newHouse(t *testing.T, mode Mode, accounts []Credential) *house {
	h := &house{
		client:   &radius.Client{Secret: testSecret(t), Rate: 1e6, Burst: 1e6, MaxInFlight: 1e5},
		accounts: map[string]Credential{}, mode: mode,
		steps: map[string]int64{}, challenges: map[string]string{},
	}
	for _, c := range accounts {
		h.accounts[c.Name] = c
	}
	return h
}

func (h *house) Client(netip.AddrPort) (*radius.Client, bool) { return h.client, true }
func (h *house) Healthy() bool                                { return true }

func (h *house) Serve(_ context.Context, req *radius.Request) radius.Reply {
	if h.stall != nil {
		h.stall()
	}
	no, yes := radius.Reply{Code: radius.AccessReject}, radius.Reply{Code: radius.AccessAccept}
	name, _ := req.Packet.Get(radius.UserName)
	password, err := req.Password()
	field := string(password)
	account, ok := h.accounts[string(name)]
	if !ok || err != nil {
		return no
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.mode {
	case Password:
		if field != account.Password {
			return no
		}
		return yes
	case Append:
		var had bool
		if field, had = strings.CutPrefix(field, account.Password+","); !had {
			return no
		}
	case Challenge:
		state, had := req.Packet.Get(radius.State)
		if !had {
			if field != account.Password {
				return no
			}
			state := fmt.Sprintf("state-%d", h.served.Add(1))
			h.challenges[state] = account.Name
			return radius.Reply{Code: radius.AccessChallenge, State: []byte(state), Message: "Code?"}
		}
		if h.challenges[string(state)] != account.Name {
			return no
		}
		delete(h.challenges, string(state))
	case Code, EchoMode:
	}
	p := account.Token.Params
	p.Drift = 1
	step, ok := otp.MatchTOTP(account.Token.Key, field, req.Received, p)
	if !ok || step <= h.steps[account.Name] {
		return no
	}
	h.steps[account.Name] = step
	return yes
}

// open starts the house and returns its address.
func (h *house) open(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := radius.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := &radius.Server{Handler: h}
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the test's server: %v", err)
		}
	})
	return l.Addr()
}

func run(t *testing.T, o Options) Result {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Everything that a mode sends is accepted once by a server that remembers, so
// no code is stale, used twice or out of order.
func TestEveryLoginIsRight(t *testing.T) {
	accounts := testCredentials(2000)
	for _, mode := range []Mode{Code, Password, Append, Challenge} {
		for _, loop := range []string{"closed", "open"} {
			t.Run(string(mode)+" "+loop, func(t *testing.T) {
				h := newHouse(t, mode, accounts)
				o := Options{
					Server: h.open(t), Secret: testSecret(t), Credentials: accounts, Mode: mode, Separator: ",",
					InFlight: 16, WarmUp: 10 * time.Millisecond, Duration: 250 * time.Millisecond, Drift: 1,
					ServerPID: os.Getpid(),
				}
				if loop == "open" {
					o.Rate = 2000
				}
				r := run(t, o)
				if !r.Clean() || r.Logins == 0 || r.Rejects != 0 || r.Accepts < r.Logins || r.Loop != loop {
					t.Errorf("result %+v; want logins, every one accepted", r)
				}
				if mode == Challenge && r.Challenges < r.Logins {
					t.Errorf("%d challenges for %d logins", r.Challenges, r.Logins)
				}
				if r.Latency.P50 <= 0 || r.Latency.P50 > r.Latency.Max || r.PerSecond <= 0 {
					t.Errorf("latency %+v at %.0f a second", r.Latency, r.PerSecond)
				}
				if loop == "open" && (r.PerSecond < 1000 || r.PerSecond > 3000) {
					t.Errorf("%.0f logins a second; 2000 were asked for", r.PerSecond)
				}
			})
		}
	}
}

// Without fresh codes a run ends early and says so; nothing stale is sent.
func TestRunEndsWhenCodesAreUsedUp(t *testing.T) {
	accounts := testCredentials(40)
	h := newHouse(t, Code, accounts)
	r := run(t, Options{
		Server: h.open(t), Secret: testSecret(t), Credentials: accounts, Mode: Code,
		InFlight: 4, Duration: time.Second, Drift: 1,
	})
	if !r.Exhausted || !r.Clean() || r.Accepts != 3*40 {
		t.Errorf("result %+v; want 120 accepts, then exhausted", r)
	}
}

// Every account logs in before the measurement, and none of it is measured.
func TestAccountsAreWarmed(t *testing.T) {
	accounts := plain(testCredentials(1600))[:1500]
	for _, rate := range []float64{0, 500} {
		t.Run(fmt.Sprintf("rate %g", rate), func(t *testing.T) {
			h := newHouse(t, Code, accounts)
			r := run(t, Options{
				Server: h.open(t), Secret: testSecret(t), Credentials: accounts, Mode: Code, WarmAccounts: true,
				InFlight: 1, Rate: rate, Duration: 100 * time.Millisecond, Drift: 1,
			})
			h.mu.Lock()
			defer h.mu.Unlock()
			if !r.Clean() || len(h.steps) != len(accounts) {
				t.Errorf("%d of %d accounts have logged in; result %+v", len(h.steps), len(accounts), r)
			}
			if r.Logins == 0 || r.Accepts < uint64(len(accounts))+r.Logins {
				t.Errorf("%d accepts, %d of them measured; want %d more", r.Accepts, r.Logins, len(accounts))
			}
		})
	}
}

// plain returns the accounts whose tokens show no code twice around now. A code
// that comes again while it is valid is left out of a run, and an account that
// has no other is not met.
func plain(accounts []Credential) []Credential {
	var kept []Credential
	for _, a := range accounts {
		codes := make(map[string]bool)
		now := a.Token.Params.Step(time.Now())
		for step := now - 3; step <= now+5; step++ {
			codes[otp.HOTP(a.Token.Key, uint64(step), a.Token.Params)] = true
		}
		if len(codes) == 9 {
			kept = append(kept, a)
		}
	}
	return kept
}

func TestMixesAreRejected(t *testing.T) {
	accounts := testCredentials(2000)
	for _, mode := range []Mode{Code, Append, Challenge} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHouse(t, mode, accounts)
			r := run(t, Options{
				Server: h.open(t), Secret: testSecret(t), Credentials: accounts, Mode: mode, Separator: ",",
				Rate: 3000, Duration: 300 * time.Millisecond, Drift: 1, WrongCodes: 0.3, UnknownUsers: 0.2,
			})
			total := r.Accepts + r.Rejects
			if !r.Clean() || total == 0 {
				t.Fatalf("result %+v; want every login to end as it should", r)
			}
			if share := float64(r.Rejects) / float64(total); share < 0.35 || share > 0.65 {
				t.Errorf("%d of %d were rejected; want about half", r.Rejects, total)
			}
		})
	}
}

func TestRetransmissionGetsTheSameOctets(t *testing.T) {
	accounts := testCredentials(1000)
	for _, mode := range []Mode{Code, Challenge} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHouse(t, mode, accounts)
			r := run(t, Options{
				Server: h.open(t), Secret: testSecret(t), Credentials: accounts, Mode: mode,
				Rate: 1000, Duration: 200 * time.Millisecond, Drift: 1, RetransmitAfter: 20 * time.Millisecond,
			})
			if !r.Clean() || r.Resent == 0 || r.Resent < r.Logins {
				t.Errorf("result %+v; want every login's answer again", r)
			}
		})
	}
}

// A peer is a UDP server that answers as a test wants.
func peer(t *testing.T, answer func(c *net.UDPConn, from netip.AddrPort, datagram []byte)) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			answer(c, from, append([]byte(nil), buffer[:n]...))
		}
	})
	t.Cleanup(func() {
		c.Close()
		serving.Wait()
	})
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func accept(t *testing.T, secret radius.Secret, request []byte) []byte {
	p, err := radius.Parse(request)
	if err != nil {
		t.Error(err)
		return nil
	}
	reply, err := secret.SignResponse(nil, &radius.Packet{Code: radius.AccessAccept, Identifier: p.Identifier}, p.Authenticator)
	if err != nil {
		t.Error(err)
	}
	return reply
}

// unsignedAccept answers as a server does that knows only RFC 2865, Section 3:
// MD5(Code, Identifier, Length, Request Authenticator, Attributes, Secret).
func unsignedAccept(request []byte) []byte {
	reply := append([]byte{byte(radius.AccessAccept), request[1], 0, 20}, request[4:20]...)
	sum := md5.Sum(append(reply[:20:20], testSecretText...))
	copy(reply[4:], sum[:])
	return reply
}

func password(t *testing.T, server netip.AddrPort) Options {
	return Options{
		Server: server, Secret: testSecret(t), Credentials: testCredentials(10), Mode: Password,
		InFlight: 4, Duration: 100 * time.Millisecond, Timeout: 100 * time.Millisecond,
	}
}

// Each kind of wrong answer is counted as what it is.
func TestWrongAnswersAreCounted(t *testing.T) {
	secret := testSecret(t)
	other, err := radius.NewSecret([]byte("another secret altogether"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(c *net.UDPConn, to netip.AddrPort, b []byte) {
		if _, err := c.WriteToUDPAddrPort(b, to); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	tests := []struct {
		name   string
		answer func(*net.UDPConn, netip.AddrPort, []byte)
		count  func(*Result) uint64
	}{
		{"silence is lost", func(*net.UDPConn, netip.AddrPort, []byte) {}, func(r *Result) uint64 { return r.Lost }},
		{"another secret is bad", func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			send(c, from, accept(t, other, b))
		}, func(r *Result) uint64 { return r.Bad }},
		{"noise is bad", func(c *net.UDPConn, from netip.AddrPort, _ []byte) {
			send(c, from, []byte("hello"))
		}, func(r *Result) uint64 { return r.Bad }},
		{"a reject is wrong", func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			p, _ := radius.Parse(b)
			reply, _ := secret.SignResponse(nil, &radius.Packet{Code: radius.AccessReject, Identifier: p.Identifier}, p.Authenticator)
			send(c, from, reply)
		}, func(r *Result) uint64 { return r.Wrong }},
		{"the second answer is late", func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			reply := accept(t, secret, b)
			send(c, from, reply)
			send(c, from, reply)
		}, func(r *Result) uint64 { return r.Late }},
		{"an answer after the timeout is late", func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			time.Sleep(60 * time.Millisecond) // one after another, so most come after the timeout of 100 ms
			send(c, from, accept(t, secret, b))
		}, func(r *Result) uint64 { return r.Late }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, password(t, peer(t, tt.answer)))
			if tt.count(&r) == 0 || r.Clean() {
				t.Errorf("result %+v does not count it", r)
			}
		})
	}
}

// Signed replies only, unless asked for otherwise.
func TestUnsignedReplies(t *testing.T) {
	server := peer(t, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
		c.WriteToUDPAddrPort(unsignedAccept(b), from)
	})
	o := password(t, server)
	if r := run(t, o); r.Bad == 0 || r.Logins != 0 {
		t.Errorf("result %+v; want all of it bad", r)
	}
	o.AllowUnsigned = true
	if r := run(t, o); r.Bad != 0 || r.Logins == 0 {
		t.Errorf("result %+v; want it taken when allowed", r)
	}
}

// A stall of the server shows in the latency of everything that was due during
// it, not only in that of the requests that were out: at a fixed rate the
// generator does not wait with the server (no coordinated omission).
func TestStallIsNotOmitted(t *testing.T) {
	secret := testSecret(t)
	begun := time.Now()
	stalled := false
	server := peer(t, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
		if !stalled && time.Since(begun) > 100*time.Millisecond {
			stalled = true
			time.Sleep(200 * time.Millisecond)
		}
		c.WriteToUDPAddrPort(accept(t, secret, b), from)
	})
	o := password(t, server)
	// All that is sent fits into the peer's receive buffer, however long a busy
	// machine makes the stall.
	o.Rate, o.Duration, o.Timeout = 400, 500*time.Millisecond, time.Second
	begun = time.Now()
	r := run(t, o)
	// Of 500 ms, 200 were stalled: the p90 lies within the stall.
	if r.Lost != 0 || r.Latency.P90 < 50e3 || r.Latency.Max < 150e3 {
		t.Errorf("result %+v; want the stall of 200 ms to show in p90", r)
	}
}

func TestNobodyListens(t *testing.T) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	server := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	if _, err := Run(t.Context(), password(t, server)); !errors.Is(err, ErrNobody) {
		t.Errorf("Run = %v; want ErrNobody", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := newHouse(t, Password, testCredentials(10))
	o := password(t, h.open(t))
	o.Duration = time.Hour
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v; want context.Canceled", err)
	}
}

func TestEcho(t *testing.T) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Echo(ctx, c) }()
	r := run(t, Options{
		Server: c.LocalAddr().(*net.UDPAddr).AddrPort(), Mode: EchoMode,
		InFlight: 64, WarmUp: 10 * time.Millisecond, Duration: 100 * time.Millisecond,
	})
	if !r.Clean() || r.Logins == 0 {
		t.Errorf("result %+v; want every packet back", r)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Echo ended with %v; want nil when its context ends", err)
	}
}

// BenchmarkGenerator is what the generator and an echo cost together per
// packet: the ceiling of what this machine can measure.
func BenchmarkGenerator(b *testing.B) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- Echo(ctx, c) }()
	b.ReportAllocs()
	for b.Loop() {
		r, err := Run(ctx, Options{
			Server: c.LocalAddr().(*net.UDPAddr).AddrPort(), Mode: EchoMode,
			InFlight: 256, Duration: 200 * time.Millisecond,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.PerSecond, "packets/s")
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
