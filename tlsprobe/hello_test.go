package tlsprobe

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8448, Section 3: the ClientHello and the ServerHello of a simple 1-RTT
// handshake; Section 5: a HelloRetryRequest.
const (
	rfc8448ClientHello = `
01 00 00 c0 03 03 cb 34 ec b1 e7 81 63 ba 1c 38 c6 da cb 19 6a 6d ff a2 1a 8d 99 12 ec 18 a2 ef 62 83
02 4d ec e7 00 00 06 13 01 13 03 13 02 01 00 00 91 00 00 00 0b 00 09 00 00 06 73 65 72 76 65 72 ff 01
00 01 00 00 0a 00 14 00 12 00 1d 00 17 00 18 00 19 01 00 01 01 01 02 01 03 01 04 00 23 00 00 00 33 00
26 00 24 00 1d 00 20 99 38 1d e5 60 e4 bd 43 d2 3d 8e 43 5a 7d ba fe b3 c0 6e 51 c1 3c ae 4d 54 13 69
1e 52 9a af 2c 00 2b 00 03 02 03 04 00 0d 00 20 00 1e 04 03 05 03 06 03 02 03 08 04 08 05 08 06 04 01
05 01 06 01 02 01 04 02 05 02 06 02 02 02 00 2d 00 02 01 01 00 1c 00 02 40 01`
	rfc8448ServerHello = `
02 00 00 56 03 03 a6 af 06 a4 12 18 60 dc 5e 6e 60 24 9c d3 4c 95 93 0c 8a c5 cb 14 34 da c1 55 77 2e
d3 e2 69 28 00 13 01 00 00 2e 00 33 00 24 00 1d 00 20 c9 82 88 76 11 20 95 fe 66 76 2b db f7 c6 72 e1
56 d6 cc 25 3b 83 3d f1 dd 69 b1 b0 4e 75 1f 0f 00 2b 00 02 03 04`
	rfc8448Retry = `
02 00 00 ac 03 03 cf 21 ad 74 e5 9a 61 11 be 1d 8c 02 1e 65 b8 91 c2 a2 11 16 7a bb 8c 5e 07 9e
09 e2 c8 a8 33 9c 00 13 01 00 00 84 00 33 00 02 00 17 00 2c 00 74 00 72 71 dc d0 4b b8 8b c3 18
91 19 39 8a 00 00 00 00 ee fa fc 76 c1 46 b8 23 b0 96 f8 aa ca d3 65 dd 00 30 95 3f 4e df 62 56
36 e5 f2 1b b2 e2 3f cc 65 4b 1b 5b 40 31 8d 10 d1 37 ab cb b8 75 74 e3 6e 8a 1f 02 5f 7d fa 5d
6e 50 78 1b 5e da 4a a1 5b 0c 8b e7 78 25 7d 16 aa 30 30 e9 e7 84 1d d9 e4 c0 34 22 67 e8 ca 0c
af 57 1f b2 b7 cf f0 f9 34 b0 00 2b 00 02 03 04`
)

func TestParseClientHelloOfRFC8448(t *testing.T) {
	got, err := ParseClientHello(unhex(t, rfc8448ClientHello))
	if err != nil {
		t.Fatal(err)
	}
	want := &ClientHello{
		Legacy: TLS12, Versions: []Version{TLS13}, Suites: []uint16{0x1301, 0x1303, 0x1302},
		ServerName: "server", Groups: []uint16{29, 23, 24, 25, 256, 257, 258, 259, 260},
		SignatureAlgorithms: []uint16{
			0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502,
			0x0602, 0x0202,
		},
		KeyShares: []uint16{29}, Extensions: []uint16{0, 0xff01, 10, 35, 51, 43, 13, 45, 28},
		Compression: []byte{0}, Size: 196, SessionID: []byte{},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ClientHello{}, "Random", "Fingerprint")); diff != "" {
		t.Errorf("ParseClientHello (-want +got):\n%s", diff)
	}
	if want := unhex(t, rfc8448ClientHello)[6:38]; !bytes.Equal(got.Random[:], want) {
		t.Errorf("Random = %x, want %x", got.Random, want)
	}
	if got.Max() != TLS13 {
		t.Errorf("Max() = %v, want TLS 1.3", got.Max())
	}
}

func TestParseServerHelloOfRFC8448(t *testing.T) {
	tests := []struct {
		name, message string
		want          ServerHello
	}{
		{"the key is there", rfc8448ServerHello, ServerHello{
			Legacy: TLS12, Version: TLS13, Suite: 0x1301, Group: 29, Extensions: []uint16{51, 43},
		}},
		{"HelloRetryRequest for P-256", rfc8448Retry, ServerHello{
			Legacy: TLS12, Version: TLS13, Suite: 0x1301, Group: 23, Retry: true, Extensions: []uint16{51, 44, 43},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseServerHello(unhex(t, tt.message))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreFields(ServerHello{}, "Random"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ParseServerHello (-want +got):\n%s", diff)
			}
		})
	}
}

// The marks of RFC 8446, Section 4.1.3.
func TestDowngraded(t *testing.T) {
	random := func(end string) (r [32]byte) {
		copy(r[24:], end)
		return r
	}
	tests := []struct {
		name  string
		hello ServerHello
		want  bool
	}{
		{"TLS 1.2 of a TLS 1.3 server", ServerHello{Version: TLS12, Random: random("DOWNGRD\x01")}, true},
		{"TLS 1.1 of a TLS 1.2 server", ServerHello{Version: TLS11, Random: random("DOWNGRD\x00")}, true},
		{"TLS 1.2 with the mark for TLS 1.1", ServerHello{Version: TLS12, Random: random("DOWNGRD\x00")}, false},
		{"TLS 1.3 is no downgrade", ServerHello{Version: TLS13, Random: random("DOWNGRD\x01")}, false},
		{"an old server", ServerHello{Version: TLS10}, false},
	}
	for _, tt := range tests {
		if got := tt.hello.Downgraded(); got != tt.want {
			t.Errorf("%s: Downgraded() = %t, want %t", tt.name, got, tt.want)
		}
	}
}

// capturedHellos are the hellos in testdata, by name.
func capturedHellos(t testing.TB) map[string][]byte {
	t.Helper()
	file, err := os.ReadFile("testdata/hellos.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for line := range strings.Lines(string(file)) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			all[name] = unhex(t, text)
		}
	}
	if len(all) < 10 {
		t.Fatalf("testdata/hellos.txt has %d hellos", len(all))
	}
	return all
}

// parseRecords is the first hello of a stream.
func parseRecords(t testing.TB, b []byte) *ClientHello {
	t.Helper()
	var s Stream
	s.Add(b)
	e, ok := s.Next()
	if !ok || e.Client == nil {
		t.Fatalf("no ClientHello in %x: %+v", b, e)
	}
	return e.Client
}

// The fingerprint of Chrome is the example in the definition of JA4
// (https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md).
func TestFingerprintIsJA4(t *testing.T) {
	h := parseRecords(t, capturedHellos(t)["Chrome 101 (Win 10)"])
	if want := "t13d1516h2_8daaf6152771_e5627efa2ab1"; h.Fingerprint != want {
		t.Errorf("Fingerprint = %q, want %q", h.Fingerprint, want)
	}
}

func TestDescribe(t *testing.T) {
	hellos := capturedHellos(t)
	tests := []struct {
		client string
		want   []string
	}{
		{"IE 8-10 Win 7", []string{
			"offers TLS 1.0 at most",
			`asks for the server name "dev.ssllabs.com" (SNI)`,
			"offers 12 cipher suites, 4 of them weak (3DES and RC4)",
			"offers no authenticated encryption (GCM, CCM or ChaCha20), only what TLS 1.1 and older had or CBC",
		}},
		{"Java 6u45", []string{
			"offers TLS 1.0 at most",
			"speaks in the framing of SSL 2.0, which most servers no longer understand",
			"has no server name (SNI)",
			"offers 15 cipher suites, 12 of them weak (RC4, 3DES, DES and export)",
			"offers no authenticated encryption (GCM, CCM or ChaCha20), only what TLS 1.1 and older had or CBC",
		}},
		{"OpenSSL 3.0.19", []string{
			"offers TLS 1.3, TLS 1.2, TLS 1.1 and TLS 1.0",
			`asks for the server name "login.example.com" (SNI)`,
			"offers 30 cipher suites",
		}},
		{"Chromium 156", []string{
			"offers TLS 1.3 and TLS 1.2",
			`asks for the server name "login.example.com" (SNI)`,
			"offers 15 cipher suites",
			`wants to speak "h2" or "http/1.1" (ALPN)`,
			"offers a post-quantum key exchange",
			"is 1984 octets long and needs more than one TCP segment, which some boxes in between cannot take",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			got := parseRecords(t, hellos[tt.client]).Describe()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Describe (-want +got):\n%s", diff)
			}
		})
	}
}

// What a hostile client says never reaches a terminal as it is.
func TestDescribeQuotes(t *testing.T) {
	o := Offer{
		Versions: []Version{TLS12}, Suites: []uint16{0xc02f, FallbackSCSV},
		ServerName: "\x1b]0;owned\x07", ALPN: []string{"\x1b[2J\u202e"},
	}
	for _, s := range parseRecords(t, o.Marshal([32]byte{})).Describe() {
		for _, r := range s {
			if r < ' ' || r > '~' {
				t.Errorf("Describe says %q", s)
			}
		}
	}
}

func TestParseClientHelloRefuses(t *testing.T) {
	good := unhex(t, rfc8448ClientHello)
	with := func(change func(b []byte) []byte) []byte { return change(slices.Clone(good)) }
	tests := []struct {
		name    string
		message []byte
	}{
		{"nothing", nil},
		{"another type", with(func(b []byte) []byte { b[0] = 2; return b })},
		{"an octet missing", good[:len(good)-1]},
		{"an octet too many", append(slices.Clone(good), 0)},
		{"a session ID of 33 octets", with(func(b []byte) []byte { b[38] = 33; return b })},
		{"an odd list of suites", with(func(b []byte) []byte { b[40] = 5; return b })},
		{"extensions longer than the message", with(func(b []byte) []byte { b[50]++; return b })},
		{"SSL 2.0 with a challenge of 8 octets", []byte{1, 3, 1, 0, 3, 0, 0, 0, 8, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8}},
	}
	for _, tt := range tests {
		if h, err := ParseClientHello(tt.message); err == nil {
			t.Errorf("%s: ParseClientHello(%x) = %+v", tt.name, tt.message, h)
		}
	}
}

// A malformed extension does not hide the rest of the hello.
func TestMalformedExtensionIsNamed(t *testing.T) {
	b := unhex(t, rfc8448ClientHello)
	b[59] = 0x7f // the length of the name in server_name
	h, err := ParseClientHello(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.ServerName != "" || !slices.Equal(h.Malformed, []uint16{0}) || h.Max() != TLS13 {
		t.Errorf("ServerName %q, Malformed %v, Max %v", h.ServerName, h.Malformed, h.Max())
	}
	if d := h.Describe(); !slices.Contains(d, "has a server name (SNI) that cannot be read") {
		t.Errorf("Describe() = %q", d)
	}
}

// offerOf is the offer that would be marshalled to a hello like h.
func offerOf(h *ClientHello) Offer {
	o := Offer{
		Versions: h.Versions, Suites: h.Suites, ServerName: h.ServerName, ALPN: h.ALPN, Groups: nonNil(h.Groups),
		SignatureAlgorithms: nonNil(h.SignatureAlgorithms), PointFormats: nonNil(h.PointFormats), Record: h.Record,
		SessionID: nonNil(h.SessionID), Compression: nonNil(h.Compression), Extensions: nonNil(h.Extensions),
		KeyShares: nonNil(h.KeyShares),
	}
	if o.Versions == nil {
		o.Versions = []Version{h.Legacy}
	}
	return o
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// What an Offer says is what a hello made of it says.
func TestMarshalParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint16().Filter(func(n uint16) bool { return !isGREASE(n) }), 1, 40)
		o := Offer{
			Versions:            rapid.SliceOfNDistinct(rapid.SampledFrom(Versions()[1:]), 1, 5, rapid.ID).Draw(t, "versions"),
			Suites:              numbers.Draw(t, "suites"),
			ServerName:          rapid.StringMatching(`[a-z0-9.-]{0,60}`).Draw(t, "name"),
			ALPN:                rapid.SliceOfN(rapid.StringMatching(`[a-z0-9/.]{3,9}`), 0, 4).Draw(t, "alpn"),
			Groups:              numbers.Draw(t, "groups"),
			SignatureAlgorithms: numbers.Draw(t, "signatures"),
			PointFormats:        rapid.SliceOfN(rapid.Byte(), 1, 4).Draw(t, "formats"),
			KeyShares:           rapid.SliceOfDistinct(rapid.SampledFrom([]uint16{23, 24, 25, 29, 0x11ec}), rapid.ID).Draw(t, "keys"),
			SessionID:           rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "session"),
			GREASE:              rapid.Bool().Draw(t, "grease"),
			Pad:                 rapid.IntRange(0, 3000).Draw(t, "pad"),
		}
		var random [32]byte
		copy(random[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "random"))
		b := o.Marshal(random)
		if !bytes.Equal(b, o.Marshal(random)) {
			t.Fatal("the same random gives another hello")
		}
		h := parseOne(t, b)
		want := &ClientHello{
			Record: min(o.Max(), TLS10), Legacy: min(o.Max(), TLS12), Suites: o.Suites,
			SessionID: o.SessionID, Compression: []byte{0}, Random: random,
		}
		if o.Max() >= TLS13 {
			want.Versions = slices.Sorted(slices.Values(o.Versions))
			slices.Reverse(want.Versions)
			want.KeyShares = o.KeyShares
		}
		if o.Max() > SSL30 {
			want.ServerName, want.ALPN = o.ServerName, o.ALPN
			if o.elliptic() {
				want.Groups, want.PointFormats = o.Groups, o.PointFormats
			}
		}
		if o.Max() >= TLS12 {
			want.SignatureAlgorithms = o.SignatureAlgorithms
		}
		if diff := cmp.Diff(want, h, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(ClientHello{}, "Extensions", "Fingerprint", "Size")); diff != "" {
			t.Fatalf("parsed from Marshal (-offered +parsed):\n%s", diff)
		}
		if h.Size < o.Pad {
			t.Fatalf("the message has %d octets, Pad is %d", h.Size, o.Pad)
		}
	})
}

func parseOne(t *rapid.T, b []byte) *ClientHello {
	var s Stream
	s.Add(b)
	s.Finish()
	e, ok := s.Next()
	if !ok || e.Client == nil {
		t.Fatalf("no ClientHello in %x: %+v", b, e)
	}
	if e, ok := s.Next(); ok {
		t.Fatalf("after the ClientHello: %+v", e)
	}
	return e.Client
}

func TestMarshalRefusesWhatDoesNotFit(t *testing.T) {
	tests := []struct {
		name  string
		offer Offer
	}{
		{"too many suites", Offer{Versions: []Version{TLS12}, Suites: make([]uint16, 40000)}},
		{"a protocol of 300 octets", Offer{Versions: []Version{TLS12}, Suites: []uint16{1}, ALPN: []string{strings.Repeat("x", 300)}}},
		{"a name of 70000 octets", Offer{Versions: []Version{TLS12}, Suites: []uint16{1}, ServerName: strings.Repeat("x", 70000)}},
		{"a group that we have no key for", Offer{Versions: []Version{TLS13}, Suites: []uint16{0x1301}, KeyShares: []uint16{30}}},
	}
	for _, tt := range tests {
		if b := tt.offer.Marshal([32]byte{}); b != nil {
			t.Errorf("%s: Marshal gives %d octets", tt.name, len(b))
		}
	}
}

// A hello longer than a record is split, and read again as one.
func TestMarshalSplitsRecords(t *testing.T) {
	suites := make([]uint16, 20000)
	for i := range suites {
		suites[i] = 0xc02f
	}
	o := Offer{Versions: []Version{TLS12}, Suites: suites}
	b := o.Marshal([32]byte{})
	if n := int(b[3])<<8 | int(b[4]); n != 1<<14 {
		t.Errorf("the first record has %d octets, want 16384", n)
	}
	if h := parseRecords(t, b); len(h.Suites) != len(suites) {
		t.Errorf("%d suites were read, want %d", len(h.Suites), len(suites))
	}
}

// FuzzParseClientHello checks that a hello means one thing: an offer made of
// what was read gives a hello that reads the same.
func FuzzParseClientHello(f *testing.F) {
	f.Add(unhex(f, rfc8448ClientHello))
	for _, b := range capturedHellos(f) {
		if b[0] == recordHandshake {
			f.Add(b[5:])
		} else {
			f.Add(b[2:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseClientHello(b)
		if err != nil {
			return
		}
		if h.Size != len(b) || len(h.Suites) > len(b) || len(h.ALPN) > maxALPN || len(h.Extensions) > maxExtensions {
			t.Errorf("%d octets give %d suites, %d protocols, %d extensions, size %d", len(b), len(h.Suites), len(h.ALPN), len(h.Extensions), h.Size)
		}
		for _, s := range h.Describe() {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("Describe says %q", s)
			}
		}
		if h.SSLv2 || len(h.Malformed) > 0 || h.Legacy > TLS12 || h.Legacy < SSL30 {
			return // no Offer is like that
		}
		o := offerOf(h)
		if slices.Contains(h.Extensions, extSupportedVersions) {
			sorted := slices.Sorted(slices.Values(h.Versions))
			slices.Reverse(sorted)
			if len(sorted) == 0 || !slices.Equal(sorted, h.Versions) || h.Max() != TLS13 || sorted[0] != TLS13 || h.Legacy != TLS12 {
				return
			}
		}
		for _, g := range h.KeyShares {
			if !slices.Contains([]uint16{23, 24, 25, 29, 0x11ec}, g) {
				return // we can make no key for it
			}
		}
		if slices.Contains(h.Extensions, extKeyShare) && h.KeyShares == nil {
			o.KeyShares = []uint16{}
		}
		made := o.Marshal(h.Random)
		if made == nil {
			t.Fatalf("no hello of %+v", o)
		}
		again := parseRecords(t, made)
		ignore := []string{"Record", "Size", "Fingerprint", "Extensions"}
		if slices.Contains(h.Extensions, extSignaturesCert) {
			ignore = append(ignore, "SignatureAlgorithms") // the offer has one list for both
		}
		if diff := cmp.Diff(h, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(ClientHello{}, ignore...)); diff != "" {
			t.Errorf("read again (-first +again):\n%s", diff)
		}
	})
}
