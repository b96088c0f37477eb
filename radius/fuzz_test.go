package radius

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
)

// FuzzParse checks that a packet we accept means one thing: encoding it again
// gives back the octets it was parsed from, padding aside; and that no length
// inside it, of vendors, tags or fragments, reaches beyond it.
func FuzzParse(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.datagram)
	}
	for _, s := range []string{rfc2865PAPAccept, rfc2865CHAPAccept, rfc5997Accept} {
		f.Add(mustHex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		got, err := p.Append(nil)
		if err != nil || !bytes.HasPrefix(b, got) {
			t.Errorf("Append(Parse(%x)) = %x, %v", b, got, err)
		}
		if len(p.Attributes) > MaxAttributes {
			t.Errorf("%d attributes", len(p.Attributes))
		}
		sum := 0
		for _, a := range p.Attributes {
			inner := 0
			if len(a.Value) >= 4 {
				for sub := range a.Vendor(uint32(a.Value[0])<<24 | uint32(a.Value[1])<<16 | uint32(a.Value[2])<<8 | uint32(a.Value[3])) {
					inner += 2 + len(sub.Value)
				}
			}
			if inner != 0 && inner != len(a.Value)-4 {
				t.Errorf("the vendor attributes of %x take %d octets", a.Value, inner)
			}
			if s := a.String(); a.Type == UserPassword && s != "User-Password=hidden" {
				t.Errorf("a password prints as %q", s)
			}
		}
		extended, _ := p.Extended()
		for _, e := range extended {
			sum += len(e.Value)
		}
		if sum > len(got) {
			t.Errorf("extended attributes of %d octets in a packet of %d", sum, len(got))
		}
		p.Credentials()
	})
}

// FuzzUserPassword checks that what is hidden comes back, NULs at the end
// aside, and that any octets of a right length are some password and no others
// are.
func FuzzUserPassword(f *testing.F) {
	f.Add([]byte("arctangent"), []byte("xyzzy5461"), make([]byte, 16))
	f.Add([]byte(""), []byte("s"), []byte("0123456789abcdef"))
	f.Add([]byte("in\x00side\x00"), []byte("s"), []byte("0123456789abcdef"))
	f.Add(bytes.Repeat([]byte("p"), 128), bytes.Repeat([]byte("s"), 65), bytes.Repeat([]byte{255}, 16))
	f.Add(bytes.Repeat([]byte("p"), 129), []byte("s"), make([]byte, 16))
	f.Fuzz(func(t *testing.T, octets, key, authenticator []byte) {
		secret, err := NewSecret(key)
		if err != nil || len(authenticator) < 16 {
			return
		}
		auth := [16]byte(authenticator)
		hiddenValue, err := secret.HidePassword(nil, octets, auth)
		if (err != nil) != (len(octets) > 128) {
			t.Fatalf("HidePassword of %d octets: %v", len(octets), err)
		}
		if err == nil {
			got, err := secret.RevealPassword(nil, hiddenValue, auth)
			if want := bytes.TrimRight(octets, "\x00"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x comes back as %x, %v", octets, got, err)
			}
		}
		got, err := secret.RevealPassword(nil, octets, auth)
		valid := len(octets) > 0 && len(octets) <= 128 && len(octets)%16 == 0
		if (err == nil) != valid || len(got) > len(octets) {
			t.Errorf("RevealPassword of %d octets = %d octets, %v", len(octets), len(got), err)
		}
	})
}

// FuzzParseAttribute checks that an attribute which is read fits in a packet
// and prints as something that reads as the same octets, and that one which is
// refused is refused in one printable line.
func FuzzParseAttribute(f *testing.F) {
	for _, s := range []string{
		"Filter-Id=staff", " filter-id = a b ", `Filter-Id=" a\"b\\"`, "Filter-Id=0x00ff", "Session-Timeout=3600", "Service-Type=Administrative-User",
		"Framed-IP-Address=192.0.2.7", "NAS-IPv6-Address=2001:db8::1", "Framed-IPv6-Prefix=2001:db8::/32", "Class=0x01ff",
		"Tunnel-Type:1=VLAN", "Tunnel-Private-Group-Id:1=20", "Tunnel-Private-Group-Id=\x01x", "Tunnel-Preference:31=16777215",
		"26.9.1=shell:priv-lvl=15", "26.99999.7=0x0102", `26.99999.7="text"`, "200=0x01", "26=0x000000090103", "26=0x00000009010361",
		"Framed-Interface-Id=0x0001020304050607", "Framed-IPv6-Prefix=0x0000ff", "=", ":=", "26..=", `200="`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAttribute(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("the error has more than one line: %q", err)
			}
			return
		}
		if len(a.Value) == 0 || len(a.Value) > maxValue || a.Type == 0 {
			t.Fatalf("ParseAttribute(%q) = %d %x", s, a.Type, a.Value)
		}
		printed := a.String()
		if strings.HasSuffix(printed, "="+hidden) {
			if _, err := ParseReplyAttribute(s); err == nil && !strings.Contains(s, hidden) {
				t.Errorf("%q may be set in a reply and prints as %q", s, printed)
			}
			return
		}
		again, err := ParseAttribute(printed)
		if err != nil || again.Type != a.Type || !bytes.Equal(again.Value, a.Value) {
			t.Errorf("%q is %d %x and prints as %q, which is %d %x, %v", s, a.Type, a.Value, printed, again.Type, again.Value, err)
		}
	})
}

// FuzzVerifyMessageAuthenticator checks that a signature is good for exactly
// the octets that were signed: any change of any of them, of the secret or of
// the request that is answered, is refused.
func FuzzVerifyMessageAuthenticator(f *testing.F) {
	f.Add([]byte("xyzzy5461"), []byte("\x01\x07alice"), uint16(0), byte(1))
	f.Add([]byte("s"), []byte{}, uint16(37), byte(0x80))
	f.Add(bytes.Repeat([]byte("k"), 100), []byte("\x21\x03p\x21\x03q\x1a\x0a\x00\x00\x00\x09\x01\x04ab"), uint16(3), byte(0xff))
	f.Fuzz(func(t *testing.T, key, attributes []byte, at uint16, change byte) {
		secret, err := NewSecret(key)
		if err != nil || change == 0 {
			return
		}
		template, err := Parse(packetOf(attributes))
		if err != nil {
			return
		}
		template.Code, template.Authenticator = AccessRequest, [16]byte{9, 8, 7}
		signed, err := secret.SignRequest(nil, template)
		if err != nil {
			return
		}
		request := mustParse(t, signed)
		if !secret.VerifyRequest(request) {
			t.Fatalf("the signature of %x is refused", signed)
		}
		flipped := bytes.Clone(signed)
		flipped[int(at)%len(flipped)] ^= change
		if p, err := Parse(flipped); err == nil && secret.VerifyRequest(p) {
			t.Errorf("%x passes for %x", flipped, signed)
		}
		longer, err := NewSecret(append(bytes.Clone(key), change))
		if err != nil {
			t.Fatal(err)
		}
		if longer.VerifyRequest(request) {
			t.Errorf("another secret passes")
		}

		template.Code = AccessAccept
		reply, err := secret.SignResponse(nil, template, request.Authenticator)
		if err != nil {
			t.Fatal(err)
		}
		if !secret.VerifyResponse(mustParse(t, reply), request.Authenticator) {
			t.Fatalf("the signature of reply %x is refused", reply)
		}
		flipped = append(flipped[:0], reply...)
		flipped[int(at)%len(flipped)] ^= change
		if p, err := Parse(flipped); err == nil && secret.VerifyResponse(p, request.Authenticator) {
			t.Errorf("reply %x passes for %x", flipped, reply)
		}
		other := request.Authenticator
		other[int(at)%16] ^= change
		if secret.VerifyResponse(mustParse(t, reply), other) {
			t.Error("the reply passes for another request's")
		}
	})
}

// packetOf puts a header before attributes.
func packetOf(attributes []byte) []byte {
	b := append(make([]byte, 20), attributes...)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	return b
}

// A recorder is a sender that keeps what it is given.
type recorder struct{ sent [][]byte }

func (r *recorder) send(b []byte, _ netip.AddrPort, _ []byte) error {
	r.sent = append(r.sent, bytes.Clone(b))
	return nil
}

// FuzzServerDatagram feeds datagrams to the server behind its sockets. It
// answers only what is signed, once for each, with a signed reply to that
// request; and when all is done no request is left in hand. The low bits of
// sign have the datagrams signed after they were changed, so that the fuzzer
// gets past the signature.
func FuzzServerDatagram(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.datagram, c.datagram, byte(0))
		f.Add(c.datagram, c.datagram, byte(3))
	}
	secret := mustSecret(diffSecret)
	client := &Client{Secret: secret, Rate: 1e9, Burst: 1e9, MaxInFlight: 1e9}
	asked := 0
	s := &Server{Handler: &deskHandler{client: client, serve: func(_ context.Context, r *Request) Reply {
		asked++
		if _, err := r.Password(); err != nil {
			return Reply{Code: AccessReject, Message: "no password"}
		}
		return Reply{Code: AccessAccept}
	}}}
	running, err := s.start(context.Background(), nil)
	if err != nil {
		f.Fatal(err)
	}
	running.queue.maxWorkers = 0 // the test is the worker
	// deliver returns what is sent because of b.
	deliver := func(b []byte) [][]byte {
		out := new(recorder)
		x := s.acquire()
		x.datagram = x.buffer[:copy(x.buffer[:], b)]
		x.via = out
		x.request.Source = netip.MustParseAddrPort("127.0.0.1:4000")
		if s.receive(running, x) {
			s.serve(running, running.queue.shift())
		}
		return out.sent
	}
	f.Fuzz(func(t *testing.T, first, second []byte, sign byte) {
		first, second = bytes.Clone(first), bytes.Clone(second)
		if sign&1 != 0 {
			resign(first)
		}
		if sign&2 != 0 {
			resign(second)
		}
		running.table = newDuplicates(1 << 10)
		client.status.spent = 0
		for _, b := range [][]byte{first, second, first, second} {
			before := asked
			sent := deliver(b)
			p, err := Parse(b)
			allowed := err == nil && (p.Code == AccessRequest || p.Code == StatusServer) && secret.VerifyRequest(p)
			switch {
			case !allowed && (len(sent) > 0 || asked != before):
				t.Fatalf("%x, which is not signed, was answered %x", b, sent)
			case len(sent) > 1:
				t.Fatalf("%x was answered %d times", b, len(sent))
			}
			for _, octets := range sent {
				reply, err := Parse(octets)
				if err != nil || reply.Identifier != p.Identifier || !secret.VerifyResponse(reply, p.Authenticator) ||
					reply.Attributes[0].Type != MessageAuthenticator {
					t.Fatalf("%x was answered %x, %v", b, octets, err)
				}
			}
			again := asked
			repeated := deliver(b)
			if len(sent) == 1 && p.Code == AccessRequest && (asked != again || len(repeated) != 1 || !bytes.Equal(repeated[0], sent[0])) {
				t.Fatalf("sent again, %x was answered %x, first %x", b, repeated, sent)
			}
		}
		if n := client.inFlight.Load(); n != 0 {
			t.Fatalf("%d requests are still in hand", n)
		}
	})
}
