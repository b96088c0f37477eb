package radius

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/bits"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestAuthenticatorsAreRandom is named after pyrad (PYSEC-2019-154,
// PYSEC-2020-211), whose identifiers counted and whose authenticators came
// from a weak generator.
func TestAuthenticatorsAreRandom(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	seen := make(map[[16]byte]struct{}, n)
	var ones int
	var octets, identifiers [256]int
	follows := 0
	var last uint8
	for i := range n {
		p := NewRequest(AccessRequest)
		if _, again := seen[p.Authenticator]; again {
			t.Fatalf("authenticator %d repeats", i)
		}
		seen[p.Authenticator] = struct{}{}
		for _, b := range p.Authenticator {
			ones += bits.OnesCount8(b)
			octets[b]++
		}
		identifiers[p.Identifier]++
		if p.Identifier == last+1 {
			follows++
		}
		last = p.Identifier
	}
	// Each bound is six standard deviations wide: a good generator fails one
	// run in hundreds of millions.
	total := float64(n) * 128
	if z := (float64(ones) - total/2) / math.Sqrt(total/4); math.Abs(z) > 6 {
		t.Errorf("monobit: %d ones in %.0f bits, z = %.1f", ones, total, z)
	}
	chi := func(counts [256]int, all float64) float64 {
		sum, want := 0.0, all/256
		for _, c := range counts {
			sum += (float64(c) - want) * (float64(c) - want) / want
		}
		return (sum - 255) / math.Sqrt(2*255)
	}
	if z := chi(octets, float64(n)*16); math.Abs(z) > 6 {
		t.Errorf("chi-square of octets: z = %.1f", z)
	}
	if z := chi(identifiers, float64(n)); math.Abs(z) > 6 {
		t.Errorf("chi-square of identifiers: z = %.1f", z)
	}
	if want := float64(n) / 256; math.Abs(float64(follows)-want) > 6*math.Sqrt(want) {
		t.Errorf("%d identifiers follow the one before, about %.0f would by chance", follows, want)
	}
}

// TestRetransmissionSchedule checks RFC 5080, Section 2.2.1.
func TestRetransmissionSchedule(t *testing.T) {
	tests := []struct {
		name   string
		policy Retransmission
		random float64
		want   []time.Duration
	}{
		{
			"the RFC's values, no jitter",
			Retransmission{},
			0.5,
			[]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second},
		},
		{"least jitter", Retransmission{}, 0, []time.Duration{1800 * time.Millisecond, 3420 * time.Millisecond, 6498 * time.Millisecond}},
		{"most jitter", Retransmission{}, 1, []time.Duration{2200 * time.Millisecond, 4620 * time.Millisecond, 9702 * time.Millisecond, 17600 * time.Millisecond}},
		{
			"own values",
			Retransmission{Initial: time.Second, Longest: 3 * time.Second},
			0.5,
			[]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var wait time.Duration
			for i, want := range tt.want {
				wait = tt.policy.next(wait, tt.random)
				if d := wait - want; d < -time.Microsecond || d > time.Microsecond {
					t.Errorf("wait %d is %v, want %v", i+1, wait, want)
				}
			}
		})
	}
}

// An upstream is a server that a test scripts: for the n-th datagram, from 1,
// it sends what answer returns.
func upstream(t *testing.T, answer func(n int, request *Packet) [][]byte) (netip.AddrPort, func() [][]byte) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			got = append(got, bytes.Clone(b[:n]))
			p, err := Parse(got[len(got)-1])
			if err != nil {
				t.Errorf("the client sent %x: %v", b[:n], err)
				continue
			}
			for _, reply := range answer(len(got), p) {
				conn.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	end := func() [][]byte {
		conn.Close()
		<-done
		return got
	}
	t.Cleanup(func() { end() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), end
}

var hasty = Retransmission{Initial: 20 * time.Millisecond, Longest: 40 * time.Millisecond, Sendings: 4, Total: patience}

func signedReply(t *testing.T, s Secret, code Code, request *Packet, attributes ...Attribute) []byte {
	t.Helper()
	b, err := s.SignResponse(nil, &Packet{Code: code, Identifier: request.Identifier, Attributes: attributes}, request.Authenticator)
	if err != nil {
		t.Error(err)
	}
	return b
}

// unsignedReply has a right Response Authenticator and nothing else, as the
// replies of old servers, and of the forger of CVE-2024-3596.
func unsignedReply(t *testing.T, s Secret, code Code, request *Packet, attributes ...Attribute) []byte {
	t.Helper()
	p := &Packet{Code: code, Identifier: request.Identifier, Attributes: attributes}
	b, err := p.Append(nil)
	if err != nil {
		t.Error(err)
	}
	c := scratches.Get().(*scratch)
	defer scratches.Put(c)
	copy(b[4:], s.responseAuthenticator(c, b, request.Authenticator))
	return b
}

func TestExchangeRepeatsTheSameOctets(t *testing.T) {
	secret := mustSecret("s")
	server, end := upstream(t, func(n int, p *Packet) [][]byte {
		if !secret.VerifyRequest(p) || p.Attributes[0].Type != MessageAuthenticator {
			t.Error("the request is not signed in its first attribute")
		}
		if n < 3 {
			return nil
		}
		return [][]byte{signedReply(t, secret, AccessChallenge, p, Attribute{State, []byte("again")})}
	})
	request := NewRequest(AccessRequest)
	request.Attributes = []Attribute{Text(UserName, "alice"), {State, []byte("state")}}
	if err := request.AddPassword(secret, []byte("pw")); err != nil {
		t.Fatal(err)
	}
	a := Asker{Retransmission: hasty}
	reply, err := a.Exchange(context.Background(), server, secret, request)
	if err != nil {
		t.Fatal(err)
	}
	if state, _ := reply.Get(State); reply.Code != AccessChallenge || string(state) != "again" {
		t.Errorf("the reply is %v with state %q", reply.Code, state)
	}
	sent := end()
	if len(sent) < 3 {
		t.Fatalf("sent %d times, want 3", len(sent))
	}
	for _, b := range sent {
		if !bytes.Equal(b, sent[0]) {
			t.Errorf("sent %x, then %x", sent[0], b)
		}
	}
}

func TestExchangeIgnoresWhatIsNoReply(t *testing.T) {
	secret := mustSecret("s")
	server, _ := upstream(t, func(_ int, p *Packet) [][]byte {
		good := signedReply(t, secret, AccessReject, p)
		flipped := bytes.Clone(good)
		flipped[0] = byte(AccessAccept)
		other := *p
		other.Identifier++
		return [][]byte{
			[]byte("noise"),
			signedReply(t, mustSecret("another"), AccessAccept, p),
			flipped,
			unsignedReply(t, secret, AccessAccept, p),
			signedReply(t, secret, AccessAccept, &other),
			signedReply(t, secret, AccountingResponse, p),
			signedReply(t, secret, AccessRequest, p),
			good,
		}
	})
	a := Asker{Retransmission: hasty}
	reply, err := a.Exchange(context.Background(), server, secret, NewRequest(AccessRequest))
	if err != nil || reply.Code != AccessReject {
		t.Errorf("Exchange = %v, %v; want the Access-Reject behind the forgeries", reply, err)
	}
}

func TestExchangeSaysWhyThereIsNoReply(t *testing.T) {
	secret := mustSecret("s")
	tests := []struct {
		name   string
		answer func(p *Packet) [][]byte
		check  func(e *NoReplyError) bool
		words  string
	}{
		{
			"silence", func(*Packet) [][]byte { return nil },
			func(e *NoReplyError) bool { return e.Forged == 0 && e.Unsigned == 0 && e.Other == 0 }, "nothing came back",
		},
		{
			"another secret", func(p *Packet) [][]byte { return [][]byte{signedReply(t, mustSecret("z"), AccessAccept, p)} },
			func(e *NoReplyError) bool { return e.Forged > 0 }, "the shared secret probably differs",
		},
		{
			"no Message-Authenticator", func(p *Packet) [][]byte { return [][]byte{unsignedReply(t, secret, AccessAccept, p)} },
			func(e *NoReplyError) bool { return e.Unsigned > 0 && e.Forged == 0 }, "without Message-Authenticator",
		},
		{"a wrong Message-Authenticator under a right Response Authenticator", func(p *Packet) [][]byte {
			return [][]byte{unsignedReply(t, secret, AccessAccept, p, Attribute{MessageAuthenticator, make([]byte, 16)})}
		}, func(e *NoReplyError) bool { return e.Forged > 0 && e.Unsigned == 0 }, "wrong signature"},
		{
			"noise", func(*Packet) [][]byte { return [][]byte{[]byte("noise")} },
			func(e *NoReplyError) bool { return e.Other > 0 }, "no reply to it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, _ := upstream(t, func(_ int, p *Packet) [][]byte { return tt.answer(p) })
			a := Asker{Retransmission: hasty}
			reply, err := a.Exchange(context.Background(), server, secret, NewRequest(AccessRequest))
			var none *NoReplyError
			if reply != nil || !errors.As(err, &none) || !errors.Is(err, ErrNoReply) {
				t.Fatalf("Exchange = %v, %v; want a NoReplyError", reply, err)
			}
			if !tt.check(none) || none.Sendings != hasty.Sendings || none.Server != server || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("Exchange = %+v, %q; want %q", none, err, tt.words)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		server, end := upstream(t, func(int, *Packet) [][]byte { return nil })
		end()
		a := Asker{Retransmission: hasty}
		_, err := a.Exchange(context.Background(), server, secret, NewRequest(AccessRequest))
		var none *NoReplyError
		if !errors.As(err, &none) || !none.Unreachable || !strings.Contains(err.Error(), "nobody listens there") {
			t.Errorf("Exchange = %v, want word that nobody listens", err)
		}
	})
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		server, _ := upstream(t, func(int, *Packet) [][]byte { cancel(); return nil })
		var a Asker // would wait 2 s
		_, err := a.Exchange(ctx, server, secret, NewRequest(AccessRequest))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNoReply) {
			t.Errorf("Exchange = %v, want the context's error", err)
		}
	})
	t.Run("time is over before the sendings", func(t *testing.T) {
		server, _ := upstream(t, func(int, *Packet) [][]byte { return nil })
		a := Asker{Retransmission: Retransmission{Initial: time.Hour, Total: 20 * time.Millisecond}}
		_, err := a.Exchange(context.Background(), server, secret, NewRequest(AccessRequest))
		var none *NoReplyError
		if !errors.As(err, &none) || none.Sendings != 1 || none.Waited < 20*time.Millisecond {
			t.Errorf("Exchange = %v, want one sending", err)
		}
	})
}

func TestUnsignedRepliesAreTakenOnlyIfAllowed(t *testing.T) {
	secret := mustSecret("s")
	server, _ := upstream(t, func(_ int, p *Packet) [][]byte { return [][]byte{unsignedReply(t, secret, AccessAccept, p)} })
	a := Asker{Retransmission: hasty, AllowUnsigned: true}
	reply, err := a.Exchange(context.Background(), server, secret, NewRequest(AccessRequest))
	if err != nil || reply.Code != AccessAccept {
		t.Errorf("Exchange = %v, %v", reply, err)
	}
}

func TestExchangeRefusesWhatItCannotSign(t *testing.T) {
	server := netip.MustParseAddrPort("127.0.0.1:9")
	var a Asker
	if _, err := a.Exchange(context.Background(), server, Secret{}, NewRequest(AccessRequest)); err == nil {
		t.Error("an exchange without secret was tried")
	}
	if _, err := a.Exchange(context.Background(), server, mustSecret("s"), NewRequest(AccountingRequest)); err == nil {
		t.Error("an Accounting-Request was sent")
	}
	if err := NewRequest(AccessRequest).AddPassword(mustSecret("s"), make([]byte, 129)); err == nil {
		t.Error("a password of 129 octets was added")
	}
}
