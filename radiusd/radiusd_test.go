package radiusd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/radius"
)

const sharedSecret = "thirty-two characters of secret!"

// asking and appending are loopback addresses that stand for two NASes.
var addresses = map[string]netip.Addr{
	"asking":    netip.MustParseAddr("127.0.0.1"),
	"appending": netip.MustParseAddr("127.0.0.2"),
	"passing":   netip.MustParseAddr("127.0.0.3"),
	"lax":       netip.MustParseAddr("127.0.0.4"),
}

func settings() *auth.Settings {
	client := func(name string, mode auth.Mode) auth.Client {
		return auth.Client{
			ID: name, Name: name, Door: DoorName, Application: "vpn", Source: addresses[name].String() + "/32",
			Mode: mode, Password: auth.PasswordVerify, Secrets: []auth.Secret{auth.Secret(sharedSecret)},
		}
	}
	passing := client("passing", auth.ModeChallenge)
	passing.Password = auth.PasswordNone
	lax := client("lax", auth.ModeChallenge)
	lax.LaxMessageAuthenticator = true
	return &auth.Settings{Version: 1, Clients: []auth.Client{
		client("asking", auth.ModeChallenge), client("appending", auth.ModeAppend), passing, lax,
	}}
}

// serve starts the door on a loopback port of its own.
func serve(t *testing.T, d Decider) netip.AddrPort {
	t.Helper()
	door := &Door{Decider: d, Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	l, err := radius.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	// The clients send from addresses of their own to one that all reach.
	ctx, stop := context.WithCancel(context.Background())
	srv := &radius.Server{Handler: door, Incident: func(i radius.Incident) { door.Incident(ctx, i) }}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return l.Addr()
}

// exchange sends octets from a NAS's address and returns the reply that is
// signed for request, nil for silence.
func exchange(t *testing.T, nas string, server netip.AddrPort, octets []byte, request [16]byte) *radius.Packet {
	t.Helper()
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addresses[nas], 0)), net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(octets); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, radius.MaxPacketSize)
	n, err := conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	p, err := radius.Parse(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	if s := secret(t, sharedSecret); !s.VerifyResponse(p, request) || !p.HasMessageAuthenticator() || p.Attributes[0].Type != radius.MessageAuthenticator {
		t.Errorf("the reply is not signed, or not first of all")
	}
	return p
}

func secret(t *testing.T, s string) radius.Secret {
	t.Helper()
	r, err := radius.NewSecret([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request is an Access-Request with PAP.
func request(t *testing.T, name, field string, state []byte) *radius.Packet {
	t.Helper()
	p := radius.NewRequest(radius.AccessRequest)
	p.Add(radius.UserName, []byte(name))
	if err := p.AddPassword(secret(t, sharedSecret), []byte(field)); err != nil {
		t.Fatal(err)
	}
	if state != nil {
		p.Add(radius.State, state)
	}
	return p
}

func signed(t *testing.T, p *radius.Packet, with string) []byte {
	t.Helper()
	b, err := secret(t, with).SignRequest(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDoor(t *testing.T) {
	authtest.TestDoor(t, authtest.DoorCase{
		Settings: settings(),
		Start: func(t *testing.T, o *authtest.Oracle) authtest.Send {
			server := serve(t, o)
			return func(t *testing.T, s authtest.Sent) authtest.Got {
				t.Helper()
				p := request(t, s.Claimant, s.Field, s.State)
				reply := exchange(t, s.Client, server, signed(t, p, sharedSecret), p.Authenticator)
				if reply == nil {
					return authtest.Got{Silent: true}
				}
				return got(t, reply)
			}
		},
	})
}

func got(t *testing.T, p *radius.Packet) authtest.Got {
	t.Helper()
	var g authtest.Got
	switch p.Code {
	case radius.AccessAccept:
		g.Verdict = auth.Accept
	case radius.AccessReject:
		g.Verdict = auth.Reject
	case radius.AccessChallenge:
		g.Verdict = auth.Challenge
	default:
		t.Errorf("reply code %v", p.Code)
	}
	for _, a := range p.Attributes {
		switch a.Type {
		case radius.MessageAuthenticator:
		case radius.ReplyMessage:
			g.Message += string(a.Value)
		case radius.State:
			g.State = a.Value
		default:
			g.Attributes = append(g.Attributes, auth.ReplyAttribute{Name: a.Type.String(), Value: string(a.Value)})
		}
	}
	return g
}

// recorder is a Decider that keeps what it was asked and refuses.
type recorder struct {
	settings *auth.Settings
	attempts chan auth.Attempt
}

func newRecorder() *recorder {
	return &recorder{settings: settings().Index(), attempts: make(chan auth.Attempt, 16)}
}

func (r *recorder) Settings() *auth.Settings { return r.settings }

func (r *recorder) Decide(_ context.Context, at auth.Attempt) auth.Decision {
	r.attempts <- at
	return auth.Decision{Verdict: at.Reach.Meaning().Verdict}
}

// next returns the next attempt that the door made.
func (r *recorder) next(t *testing.T) auth.Attempt {
	t.Helper()
	select {
	case at := <-r.attempts:
		return at
	case <-time.After(10 * time.Second):
		t.Fatal("the engine was not asked")
		return auth.Attempt{}
	}
}

// What never became an attempt is named, and answered by silence.
func TestIncidentsAreNamed(t *testing.T) {
	tests := []struct {
		name string
		nas  string
		make func(t *testing.T) []byte
		want auth.Outcome
	}{
		{"unknown client", "nobody", func(t *testing.T) []byte { return signed(t, request(t, "alice", "x", nil), sharedSecret) }, auth.ClientUnknown},
		{"another shared secret", "asking", func(t *testing.T) []byte {
			return signed(t, request(t, "alice", "x", nil), "another secret of enough letters")
		}, auth.SharedSecretMismatch},
		{"no Message-Authenticator (CVE-2024-3596)", "asking", func(t *testing.T) []byte {
			b, err := request(t, "alice", "x", nil).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, auth.MessageAuthenticatorMissing},
		{"an attribute of length 0 (CVE-2021-29629)", "asking", func(t *testing.T) []byte {
			b := signed(t, request(t, "alice", "x", nil), sharedSecret)
			b[21] = 0
			return b
		}, auth.PacketMalformed},
		{"Accounting-Request", "asking", func(t *testing.T) []byte {
			p := radius.NewRequest(radius.AccountingRequest)
			b, err := p.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, auth.RequestNotSupported},
		{"unsigned, and the password is garbage under our secret", "lax", func(t *testing.T) []byte {
			p := radius.NewRequest(radius.AccessRequest)
			p.Add(radius.UserName, []byte("alice"))
			if err := p.AddPassword(secret(t, "another secret of enough letters"), []byte("a password that is long enough to turn into garbage")); err != nil {
				t.Fatal(err)
			}
			b, err := p.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, auth.SharedSecretMismatch},
	}
	addresses["nobody"] = netip.MustParseAddr("127.0.0.99")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecorder()
			server := serve(t, r)
			if reply := exchange(t, tt.nas, server, tt.make(t), [16]byte{}); reply != nil {
				t.Errorf("answered with %v", reply.Code)
			}
			if at := r.next(t); at.Reach != tt.want || len(at.Evidence) != 0 {
				t.Errorf("reported as %v with %d pieces of evidence; want %v with none", at.Reach, len(at.Evidence), tt.want)
			}
		})
	}
}

// PingID CVE-2023-39930: of the ways in which RADIUS can carry credentials
// only those that this door takes are evaluated, and never a mixture.
func TestOnlyPAPIsEvaluated(t *testing.T) {
	chap := func(p *radius.Packet) { p.Add(3, make([]byte, 17)) }
	mschap := func(p *radius.Packet) {
		a, err := radius.VendorAttribute(radius.VendorMicrosoft, 25, make([]byte, 50))
		if err != nil {
			panic(err)
		}
		p.Add(a.Type, a.Value)
	}
	eap := func(p *radius.Packet) { p.Add(radius.EAPMessage, []byte{2, 1, 0, 10, 1, 'a', 'l', 'i', 'c', 'e'}) }
	pap := func(p *radius.Packet) {
		if err := p.AddPassword(secret(t, sharedSecret), []byte("right")); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		with []func(*radius.Packet)
	}{
		{"CHAP", []func(*radius.Packet){chap}},
		{"MS-CHAPv2", []func(*radius.Packet){mschap}},
		{"EAP", []func(*radius.Packet){eap}},
		{"PAP and CHAP", []func(*radius.Packet){pap, chap}},
		{"PAP and MS-CHAPv2", []func(*radius.Packet){pap, mschap}},
		{"PAP twice", []func(*radius.Packet){pap, pap}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecorder()
			server := serve(t, r)
			p := radius.NewRequest(radius.AccessRequest)
			p.Add(radius.UserName, []byte("alice"))
			for _, add := range tt.with {
				add(p)
			}
			reply := exchange(t, "asking", server, signed(t, p, sharedSecret), p.Authenticator)
			if reply == nil || reply.Code != radius.AccessReject {
				t.Errorf("answered with %v; want a reject", reply)
			}
			if at := r.next(t); at.Reach != auth.ProtocolNotSupported || len(at.Evidence) != 0 {
				t.Errorf("reported as %v with %d pieces of evidence", at.Reach, len(at.Evidence))
			}
		})
	}
}

// A password beside an EAP-Message is discarded unanswered (RFC 3579, Section
// 3.3).
func TestPasswordBesideEAPIsDiscarded(t *testing.T) {
	r := newRecorder()
	server := serve(t, r)
	p := request(t, "alice", "right", nil)
	p.Add(radius.EAPMessage, []byte{2, 1, 0, 10, 1, 'a', 'l', 'i', 'c', 'e'})
	if reply := exchange(t, "asking", server, signed(t, p, sharedSecret), p.Authenticator); reply != nil {
		t.Errorf("answered with %v", reply.Code)
	}
	if at := r.next(t); at.Reach != auth.PacketMalformed || len(at.Evidence) != 0 {
		t.Errorf("reported as %v with %d pieces of evidence", at.Reach, len(at.Evidence))
	}
}

func TestClientThatCheckedThePasswordMaySendNone(t *testing.T) {
	r := newRecorder()
	server := serve(t, r)
	p := radius.NewRequest(radius.AccessRequest)
	p.Add(radius.UserName, []byte("alice"))
	exchange(t, "passing", server, signed(t, p, sharedSecret), p.Authenticator)
	if at := r.next(t); at.Reach != 0 || len(at.Evidence) != 0 || !at.Can.Ask {
		t.Errorf("attempt %+v", at)
	}
}

// The most specific network wins, and a client keeps its counts while its
// settings stand.
func TestClientsBySource(t *testing.T) {
	client := func(name, source string) auth.Client {
		return auth.Client{Name: name, Door: DoorName, Source: source, Secrets: []auth.Secret{auth.Secret(sharedSecret)}}
	}
	r := &recorder{settings: (&auth.Settings{Version: 1, Clients: []auth.Client{
		client("world", "0.0.0.0/0"), client("site", "192.0.2.0/24"), client("nas", "192.0.2.7/32"),
		client("six", "2001:db8::/32"), client("six-nas", "2001:db8::1/128"),
		{Name: "other-door", Door: "ldap", Source: "198.51.100.0/24", Secrets: []auth.Secret{auth.Secret(sharedSecret)}},
		{Name: "no-secret", Door: DoorName, Source: "203.0.113.0/24"},
	}}).Index()}
	d := &Door{Decider: r, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	find := func(addr string) *radius.Client {
		c, ok := d.Client(netip.AddrPortFrom(netip.MustParseAddr(addr), 1645))
		if !ok {
			return nil
		}
		return c
	}
	tests := []struct{ addr, want string }{
		{"192.0.2.7", "nas"},
		{"::ffff:192.0.2.7", "nas"},
		{"192.0.2.8", "site"},
		{"8.8.8.8", "world"},
		{"2001:db8::1", "six-nas"},
		{"2001:db8::2", "six"},
		{"2001:db9::1", ""},
		{"198.51.100.1", "world"},
		{"203.0.113.1", "world"},
	}
	for _, tt := range tests {
		got := ""
		if c := find(tt.addr); c != nil {
			got = c.Name
		}
		if got != tt.want {
			t.Errorf("a packet from %s belongs to %q; want %q", tt.addr, got, tt.want)
		}
	}

	before, site := find("192.0.2.7"), find("192.0.2.8")
	changed := client("nas", "192.0.2.7/32")
	changed.Mode = auth.ModeAppend
	rotated := client("site", "192.0.2.0/24")
	rotated.Secrets = append([]auth.Secret{auth.Secret("a newer secret, long enough")}, rotated.Secrets...)
	r.settings = (&auth.Settings{Version: 2, Clients: []auth.Client{changed, rotated}}).Index()
	if find("192.0.2.7") != before {
		t.Error("a client lost its counts although what the socket loop knows of it stands")
	}
	if got := before.Value.(*clientValue).settings.Load().Mode; got != auth.ModeAppend {
		t.Errorf("the client's new settings are not in force: mode %q", got)
	}
	if find("192.0.2.8") == site {
		t.Error("a client kept its old secret")
	}
	if find("8.8.8.8") != nil {
		t.Error("a removed client is still known")
	}
}

// FuzzPrintable checks that what events show of a packet obeys nothing.
func FuzzPrintable(f *testing.F) {
	f.Add([]byte("00-11-22-33-44-55"))
	f.Add([]byte("\x1b[2J\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range printable(b) {
			if r < ' ' || r == 0x7f || r == 0x9b {
				t.Errorf("printable(%q) = %q", b, printable(b))
			}
		}
	})
}
