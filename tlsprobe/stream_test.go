package tlsprobe

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record puts a record around body.
func record(kind byte, version Version, body ...byte) []byte {
	return append([]byte{kind, byte(version >> 8), byte(version), byte(len(body) >> 8), byte(len(body))}, body...)
}

// events are what a stream shows when it comes in pieces of n octets.
func events(b []byte, n int) []Event {
	var s Stream
	var all []Event
	take := func() {
		for {
			e, ok := s.Next()
			if !ok {
				return
			}
			all = append(all, e)
		}
	}
	for part := range slices.Chunk(b, n) {
		s.Add(part)
		take()
	}
	s.Finish()
	take()
	return all
}

// told writes events as a line, for tables.
func told(all []Event) string {
	var words []string
	for _, e := range all {
		w := e.Kind.String()
		switch e.Kind {
		case KindClientHello:
			w += "(" + e.Client.Max().String() + ")"
		case KindServerHello:
			w += "(" + e.Server.Version.String() + ")"
		case KindAlert:
			w += "(" + e.Alert.Name() + ")"
			if e.Encrypted {
				w = "Alert(encrypted)"
			}
		case KindPlain:
			w += "(" + e.Looks + ")"
		case KindBroken:
			w += "(" + e.Why + ")"
		case KindCertificates:
			w += "(" + strings.Repeat("#", len(e.Certificates)) + ")"
		case KindServerHelloDone, KindMessage, KindChangeCipherSpec, KindEncrypted:
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func TestStreamTells(t *testing.T) {
	hello := unhex(t, rfc8448ClientHello)
	answer := unhex(t, rfc8448ServerHello)
	retry := unhex(t, rfc8448Retry)
	old := (&Offer{Versions: []Version{TLS10}, Suites: []uint16{0x2f}}).Marshal([32]byte{})
	oldAnswer := append([]byte{2, 0, 0, 38, 3, 1}, make([]byte, 36)...)
	certificates := []byte{11, 0, 0, 13, 0, 0, 10, 0, 0, 3, 'a', 'b', 'c', 0, 0, 1, 'd'}
	random := bytes.Repeat([]byte{0xd5}, 40)
	// In two records, the first of which ends in the message's own length.
	split := slices.Concat(record(22, TLS10, hello[:3]...), record(22, TLS10, hello[3:]...))

	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, ""},
		{
			"TLS 1.3 client", slices.Concat(record(22, TLS10, hello...), record(20, TLS12, 1), record(23, TLS12, random...)),
			"ClientHello(TLS 1.3) ChangeCipherSpec Encrypted",
		},
		{
			"TLS 1.3 client that was asked to try again", slices.Concat(record(22, TLS10, hello...), record(20, TLS12, 1), record(22, TLS12, hello...), record(23, TLS12, random...)),
			"ClientHello(TLS 1.3) ChangeCipherSpec ClientHello(TLS 1.3) Encrypted",
		},
		{
			"TLS 1.3 server", slices.Concat(record(22, TLS12, answer...), record(20, TLS12, 1), record(23, TLS12, random...), record(23, TLS12, random...)),
			"ServerHello(TLS 1.3) ChangeCipherSpec Encrypted",
		},
		{
			"TLS 1.3 server that asks to try again", slices.Concat(record(22, TLS12, retry...), record(20, TLS12, 1), record(22, TLS12, answer...), record(23, TLS12, random...)),
			"ServerHello(TLS 1.3) ChangeCipherSpec ServerHello(TLS 1.3) Encrypted",
		},
		{"hello split over records", split, "ClientHello(TLS 1.3)"},
		{
			"TLS 1.0 server, all in one record", record(22, TLS10, slices.Concat(oldAnswer, certificates, []byte{14, 0, 0, 0})...),
			"ServerHello(TLS 1.0) Certificates(##) ServerHelloDone",
		},
		{
			"TLS 1.0 client to the end", slices.Concat(old, record(22, TLS10, 16, 0, 0, 2, 0, 0), record(20, TLS10, 1), record(22, TLS10, random...), record(21, TLS10, random[:24]...)),
			"ClientHello(TLS 1.0) Message ChangeCipherSpec Encrypted Alert(encrypted)",
		},
		{"alert at once", record(21, TLS10, 2, 70), "Alert(protocol_version)"},
		{"alert after the hello", slices.Concat(old, record(21, TLS10, 2, 48)), "ClientHello(TLS 1.0) Alert(unknown_ca)"},
		{
			"SSL 2.0 framing and an answer in TLS", slices.Concat(capturedHellos(t)["Java 6u45"], record(21, TLS10, 2, 48)),
			"ClientHello(TLS 1.0) Alert(unknown_ca)",
		},
		{
			"SSL 2.0 server", append([]byte{0x80, 11 + 1 + 3 + 16, 4, 0, 1, 0, 2, 0, 1, 0, 3, 0, 16, 'c', 7, 0, 0xc0}, make([]byte, 16)...),
			"ServerHello(SSL 2.0) Certificates(#)",
		},
		{"SSL 2.0 server without a common cipher", []byte{0x80, 3, 0, 0, 1}, "Alert(handshake_failure)"},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"), "Plain(HTTP)"},
		{
			"HTTP through a proxy", append([]byte("CONNECT login.example.com:443 HTTP/1.1\r\n\r\n"), old...),
			"Plain(a request to an HTTP proxy) ClientHello(TLS 1.0)",
		},
		{
			"proxy's answer and the server's", append([]byte("HTTP/1.1 200 Connection established\r\n\r\n"), record(22, TLS10, oldAnswer...)...),
			"Plain(HTTP) ServerHello(TLS 1.0)",
		},
		{
			"STARTTLS refused by an alert", append([]byte("220 mx ESMTP\r\n220 go ahead\r\n"), record(21, TLS12, 2, 40)...),
			"Plain(SMTP or FTP) Alert(handshake_failure)",
		},
		// MS-RDPBCGR, Section 4.1.1, the cookie shortened.
		{
			"RDP", append([]byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"), old...),
			"Plain(RDP) ClientHello(TLS 1.0)",
		},
		{"SSH", []byte("SSH-2.0-OpenSSH_9.2\r\n"), "Plain(SSH)"},
		{"LDAP", []byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"), "Plain(LDAP)"},
		{"a few letters and the end", []byte("hi"), "Plain(plain text)"},
		{"text", []byte("Welcome to this server, stranger"), "Plain(plain text)"},
		{"binary", []byte{1, 2, 3, 4}, "Plain(no protocol that is known here)"},
		{"a record of 20000 octets", slices.Concat(old, []byte{22, 3, 1, 0x4e, 0x20}), "ClientHello(TLS 1.0) Broken(a record is longer than TLS allows)"},
		{"text after the hello", append(slices.Clone(old), "hello"...), "ClientHello(TLS 1.0) Broken(what follows the handshake's beginning is no TLS record)"},
		{"cut in the middle of the hello", old[:30], "Broken(the stream ends in the middle of a message)"},
		{"a hello that lies about its length", record(22, TLS10, 1, 0, 0, 3, 3, 3, 0), "Broken(the ClientHello is malformed)"},
		{"a message of 16 MiB", record(22, TLS10, 11, 0xff, 0xff, 0xff), "Broken(a handshake message is larger than any genuine one)"},
		{"a malformed alert", record(21, TLS10, 2), "Broken(an alert is malformed)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1 << 20, 1, 2, 7, 64} {
				if got := told(events(tt.in, n)); got != tt.want {
					t.Errorf("in pieces of %d:\n got %s\nwant %s", n, got, tt.want)
				}
			}
		})
	}
}

func TestStreamKeepsTheRecordsVersionAndPlace(t *testing.T) {
	hello := (&Offer{Versions: []Version{TLS12}, Suites: []uint16{0x2f}, Record: TLS11}).Marshal([32]byte{})
	proxy := []byte("CONNECT x:443 HTTP/1.1\r\n\r\n")
	all := events(append(slices.Clone(proxy), hello...), 3)
	if len(all) != 2 || all[1].Client == nil {
		t.Fatalf("events: %s", told(all))
	}
	if got := all[1].Client.Record; got != TLS11 {
		t.Errorf("Record = %v, want TLS 1.1", got)
	}
	if got := all[1].At; got != int64(len(proxy)) {
		t.Errorf("At = %d, want %d", got, len(proxy))
	}
}

// A stream that never ends, of any kind, is held within 256 KiB.
func TestStreamIsBounded(t *testing.T) {
	kinds := map[string][]byte{
		"text without end":     bytes.Repeat([]byte("abc "), 4096),
		"alerts":               bytes.Repeat(record(21, TLS12, 1, 90), 2048),
		"cipher specs":         bytes.Repeat(record(20, TLS12, 1), 2048),
		"handshake messages":   record(22, TLS12, bytes.Repeat([]byte{0, 0, 0, 0}, 4000)...),
		"a large message":      record(22, TLS12, append([]byte{11, 1, 0xff, 0}, make([]byte, 12000)...)...),
		"application data":     record(23, TLS12, make([]byte, 16000)...),
		"empty handshakes":     bytes.Repeat(record(22, TLS12), 4096),
		"almost a hello again": bytes.Repeat([]byte("\n\x16\x03\x01\x00\x10\x01"), 2048),
	}
	for name, part := range kinds {
		t.Run(name, func(t *testing.T) {
			var s Stream
			total := 0
			for total < 8<<20 {
				s.Add(part)
				total += len(part)
				if held := cap(s.buf) + cap(s.hs); held > 256<<10 {
					t.Fatalf("after %d octets it holds %d", total, held)
				}
				if len(s.events) > maxEvents {
					t.Fatalf("after %d octets there are %d events", total, len(s.events))
				}
			}
		})
	}
}

// FuzzStream checks that what a stream shows does not depend on how it is cut,
// and that it holds no more than it says.
func FuzzStream(f *testing.F) {
	for _, b := range capturedHellos(f) {
		f.Add(b, uint64(1))
	}
	answer := unhex(f, rfc8448ServerHello)
	f.Add(slices.Concat(record(22, TLS12, answer...), record(20, TLS12, 1), record(23, TLS12, 1, 2, 3)), uint64(2))
	f.Add([]byte("HTTP/1.1 200 Connection established\r\n\r\n\x15\x03\x01\x00\x02\x02\x28"), uint64(3))
	f.Add([]byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01"), uint64(4))
	f.Add([]byte("\x80\x03\x00\x00\x01"), uint64(5))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole := events(b, max(len(b), 1))

		var s Stream
		var pieces []Event
		random := rand.New(rand.NewPCG(seed, 0))
		for rest := b; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 40))
			s.Add(rest[:n])
			rest = rest[n:]
			if held := cap(s.buf) + cap(s.hs); held > 256<<10 {
				t.Fatalf("it holds %d octets", held)
			}
			for random.IntN(3) > 0 {
				if e, ok := s.Next(); ok {
					pieces = append(pieces, e)
				}
			}
		}
		s.Finish()
		for {
			e, ok := s.Next()
			if !ok {
				break
			}
			pieces = append(pieces, e)
		}
		if diff := cmp.Diff(whole, pieces); diff != "" {
			t.Errorf("cut with seed %d (-whole +pieces):\n%s", seed, diff)
		}
		if len(whole) > maxEvents {
			t.Errorf("%d events", len(whole))
		}
	})
}

// Many small records cost what few large ones do: each octet is moved a bounded
// number of times.
func BenchmarkStreamSmallRecords(b *testing.B) {
	part := bytes.Repeat(record(23, TLS12, 0), 2700)
	b.SetBytes(int64(len(part)))
	var s Stream
	for b.Loop() {
		s.Add(part)
	}
}
