package radius

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	layeh "layeh.com/radius"
	"pgregory.net/rapid"
)

func mustSecret(s string) Secret {
	secret, err := NewSecret([]byte(s))
	if err != nil {
		panic(err)
	}
	return secret
}

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustParse(t testing.TB, b []byte) *Packet {
	t.Helper()
	p, err := Parse(b)
	if err != nil {
		t.Fatalf("Parse(%x): %v", b, err)
	}
	return p
}

// The examples of RFC 2865, Section 7, and RFC 5997, Section 6.
const (
	rfcSecret = "xyzzy5461"

	rfc2865PAPRequest = `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb
		98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
		93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8
		01 10 05 06 00 00 00 03`
	rfc2865PAPAccept = `02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf
		9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
		0e 06 c0 a8 01 03`
	rfc2865CHAPRequest = `01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e
		0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9
		75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04
		06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00
		02 07 06 00 00 00 01`
	rfc2865CHAPAccept = `02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0
		3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01
		08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00
		00 01 0c 06 00 00 05 dc`
	rfc5997Query = `0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02
		18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43
		82 20 97 c8 4f a3`
	rfc5997Accept = `02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8
		b5 41 1d 66`
)

func TestRFC2865Section7Point1(t *testing.T) {
	secret := mustSecret(rfcSecret)
	p := mustParse(t, mustHex(t, rfc2865PAPRequest))
	if p.Code != AccessRequest || p.Identifier != 0 || len(p.Attributes) != 4 {
		t.Errorf("got %v, identifier %d, %d attributes; want Access-Request, 0, 4", p.Code, p.Identifier, len(p.Attributes))
	}
	hiddenValue, _ := p.Get(UserPassword)
	got, err := secret.RevealPassword(nil, hiddenValue, p.Authenticator)
	if err != nil || string(got) != "arctangent" {
		t.Errorf("RevealPassword = %q, %v; want arctangent", got, err)
	}
	again, err := secret.HidePassword(nil, []byte("arctangent"), p.Authenticator)
	if err != nil || !bytes.Equal(again, hiddenValue) {
		t.Errorf("HidePassword = %x, %v; want %x", again, err, hiddenValue)
	}
	want := []string{"User-Name=nemo", "User-Password=hidden", "NAS-IP-Address=192.168.1.16", "NAS-Port=3"}
	for i, a := range p.Attributes {
		if a.String() != want[i] {
			t.Errorf("attribute %d prints %q, want %q", i, a, want[i])
		}
	}
	if !secret.VerifyResponse(mustParse(t, mustHex(t, rfc2865PAPAccept)), p.Authenticator) {
		t.Error("the Response Authenticator of the example was refused")
	}
	if mustSecret("xyzzy5462").VerifyResponse(mustParse(t, mustHex(t, rfc2865PAPAccept)), p.Authenticator) {
		t.Error("a wrong secret was taken")
	}
}

func TestRFC2865Section7Point2(t *testing.T) {
	secret := mustSecret(rfcSecret)
	p := mustParse(t, mustHex(t, rfc2865CHAPRequest))
	value, _ := p.Get(CHAPPassword)
	if !VerifyCHAP(value, p.Authenticator[:], []byte("arctangent")) {
		t.Error("the CHAP response of the example was refused")
	}
	if VerifyCHAP(value, p.Authenticator[:], []byte("arctangenT")) || VerifyCHAP(value[:16], p.Authenticator[:], []byte("arctangent")) {
		t.Error("a wrong CHAP response was taken")
	}
	if got := p.Credentials(); got != CHAP {
		t.Errorf("Credentials = %b, want CHAP", got)
	}
	if !secret.VerifyResponse(mustParse(t, mustHex(t, rfc2865CHAPAccept)), p.Authenticator) {
		t.Error("the Response Authenticator of the example was refused")
	}
}

func TestRFC5997Section6Point1(t *testing.T) {
	secret := mustSecret(rfcSecret)
	octets := mustHex(t, rfc5997Query)
	p := mustParse(t, octets)
	if !secret.VerifyRequest(p) {
		t.Error("the Message-Authenticator of the example was refused")
	}
	signed, err := secret.SignRequest(nil, &Packet{Code: StatusServer, Identifier: p.Identifier, Authenticator: p.Authenticator})
	if err != nil || !bytes.Equal(signed, octets) {
		t.Errorf("SignRequest = %x, %v; want %x", signed, err, octets)
	}
	if !secret.VerifyResponse(mustParse(t, mustHex(t, rfc5997Accept)), p.Authenticator) {
		t.Error("the Response Authenticator of the example was refused")
	}
}

// packet builds octets with a right Length field.
func packet(code byte, attributes ...byte) []byte {
	b := make([]byte, 20, 20+len(attributes))
	b[0] = code
	b = append(b, attributes...)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	return b
}

func withLength(b []byte, n int) []byte {
	b = bytes.Clone(b)
	b[2], b[3] = byte(n>>8), byte(n)
	return b
}

var anyMAC = append([]byte{80, 18}, make([]byte, 16)...)

func TestParseJudgesForm(t *testing.T) {
	full := bytes.Repeat(append([]byte{18, 254}, make([]byte, 252)...), 16) // 4064 octets
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, errShort},
		{"19 octets", make([]byte, 19), errShort},
		{"header only", packet(1), nil},
		{"Length 19", withLength(packet(1), 19), errLengthLow},
		{"Length 0", withLength(packet(1), 0), errLengthLow},
		{"Length above what came", withLength(packet(1, 1, 3, 'a'), 24), errTruncated},
		{"padding behind Length is ignored", append(packet(1, 1, 3, 'a'), 0, 0, 0, 0), nil},
		{"padding that looks like a bad attribute is ignored", append(packet(1), 1, 0), nil},
		{"4096 octets", packet(1, append(bytes.Clone(full), append([]byte{18, 12}, make([]byte, 10)...)...)...), nil},
		{"Length 4097", withLength(make([]byte, 5000), 4097), errLengthHigh},
		{"attribute length 0 (CVE-2021-29629)", packet(1, 1, 0), errAttributeShort},
		{"attribute length 1", packet(1, 1, 1), errAttributeShort},
		{"attribute length 2 is an empty value", packet(1, 1, 2), nil},
		{"attribute past the end", packet(1, 1, 4, 'a'), errAttributeLong},
		{"a lone octet at the end", packet(1, 1, 3, 'a', 1), errAttributeLong},
		{"attribute of type 0", packet(1, 0, 2), errAttributeZero},
		{"200 attributes", packet(1, bytes.Repeat([]byte{1, 2}, 200)...), nil},
		{"201 attributes", packet(1, bytes.Repeat([]byte{1, 2}, 201)...), errAttributeMany},
		{"one Message-Authenticator", packet(1, anyMAC...), nil},
		{"two Message-Authenticators", packet(1, append(bytes.Clone(anyMAC), anyMAC...)...), errMATwice},
		{"Message-Authenticator of 17 octets", packet(1, append([]byte{80, 17}, make([]byte, 15)...)...), errMASize},
		{"Message-Authenticator of 19 octets", packet(1, append([]byte{80, 19}, make([]byte, 17)...)...), errMASize},
		{"unknown code", packet(250, 1, 3, 'a'), nil},
		{"Vendor-Specific of nonsense is opaque", packet(1, 26, 3, 0), nil},
	}
	var reused Packet
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// A length of 0 must not be walked for ever (CVE-2021-29629); the
			// watchdog is far beyond what a busy machine delays.
			watchdog := time.AfterFunc(30*time.Second, func() { panic("Parse does not end") })
			err := reused.Parse(tt.in)
			watchdog.Stop()
			if !errors.Is(err, tt.want) {
				t.Fatalf("Parse(%x) = %v, want %v", tt.in, err, tt.want)
			}
			if err != nil {
				if reused.Code != 0 || len(reused.Attributes) > 0 || reused.HasMessageAuthenticator() {
					t.Errorf("a failed Parse left %+v", reused)
				}
				return
			}
			got, err := reused.Append([]byte("before"))
			if err != nil || !bytes.HasPrefix(append([]byte("before"), tt.in...), got) {
				t.Errorf("Append after Parse(%x) = %x, %v", tt.in, got, err)
			}
		})
	}
}

func TestParseReusesItsMemory(t *testing.T) {
	b := packet(1, append(bytes.Repeat([]byte{1, 3, 'a'}, 50), anyMAC...)...)
	p := mustParse(t, b)
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Parse(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("parsing into the same packet allocates %v times, want 0", n)
	}
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	long := &Packet{Code: AccessAccept, Attributes: []Attribute{{ReplyMessage, make([]byte, 254)}}}
	if got, err := long.Append(nil); !errors.Is(err, errAttributeValue) || len(got) != 0 {
		t.Errorf("Append of a 254-octet value = %x, %v", got, err)
	}
	var many Packet
	for range 17 {
		many.Add(ReplyMessage, make([]byte, 253))
	}
	if got, err := many.Append([]byte("kept")); !errors.Is(err, errTooLong) || string(got) != "kept" {
		t.Errorf("Append of 4335 octets = %x, %v", got, err)
	}
}

// TestMessageAuthenticatorIsHMAC compares the kept hash states with crypto/hmac,
// for secrets on both sides of the 64-octet block.
func TestMessageAuthenticatorIsHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 150).Draw(t, "secret")
		secret, err := NewSecret(key)
		if err != nil {
			t.Fatal(err)
		}
		p := drawPacket(t)
		p.Code = AccessRequest
		signed, err := secret.SignRequest(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		zeroed := bytes.Clone(signed)
		clear(zeroed[22:38])
		h := hmac.New(md5.New, key)
		h.Write(zeroed)
		if want := h.Sum(nil); signed[20] != 80 || signed[21] != 18 || !bytes.Equal(signed[22:38], want) {
			t.Fatalf("SignRequest = %x, want a first attribute with %x", signed, want)
		}
		got, err := Parse(signed)
		if err != nil || !secret.VerifyRequest(got) {
			t.Fatalf("what was signed is not verified: %v", err)
		}

		// A reply: the same with the request's authenticator in its place.
		p.Code = AccessChallenge
		request := got.Authenticator
		reply, err := secret.SignResponse(nil, p, request)
		if err != nil {
			t.Fatal(err)
		}
		zeroed = bytes.Clone(reply)
		clear(zeroed[22:38])
		copy(zeroed[4:], request[:])
		h.Reset()
		h.Write(zeroed)
		if want := h.Sum(nil); reply[20] != 80 || !bytes.Equal(reply[22:38], want) {
			t.Fatalf("SignResponse = %x, want a first attribute with %x", reply, want)
		}
		parsed, err := Parse(reply)
		if err != nil || !secret.VerifyResponse(parsed, request) {
			t.Fatalf("the signed reply is not verified: %v", err)
		}
		request[rapid.IntRange(0, 15).Draw(t, "octet")] ^= 1
		if secret.VerifyResponse(parsed, request) {
			t.Fatal("a reply to another request was taken")
		}
	})
}

// drawPacket draws a packet that can be encoded with a Message-Authenticator
// in front and parsed.
func drawPacket(t *rapid.T) *Packet {
	p := &Packet{
		Code:       AccessRequest,
		Identifier: rapid.Byte().Draw(t, "identifier"),
	}
	copy(p.Authenticator[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "authenticator"))
	size := 20 + 18
	for range rapid.IntRange(0, 30).Draw(t, "attributes") {
		typ := Type(rapid.IntRange(1, 255).Draw(t, "type"))
		value := rapid.SliceOfN(rapid.Byte(), 0, 253).Draw(t, "value")
		if size+2+len(value) > MaxPacketSize || typ == MessageAuthenticator {
			continue
		}
		size += 2 + len(value)
		p.Add(typ, value)
	}
	return p
}

// TestLayehAgrees takes layeh.com/radius, written by others, as a judge of
// encoding, PAP and the Response Authenticator.
func TestLayehAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "secret")
		secret, err := NewSecret(key)
		if err != nil {
			t.Fatal(err)
		}
		p := drawPacket(t)

		// Ours parses there with the same attributes.
		ours, err := p.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := layeh.Parse(ours, key)
		if err != nil {
			t.Fatalf("layeh refuses %x: %v", ours, err)
		}
		if len(theirs.Attributes) != len(p.Attributes) || theirs.Identifier != p.Identifier || theirs.Authenticator != p.Authenticator {
			t.Fatalf("layeh reads %+v", theirs)
		}
		for i, a := range theirs.Attributes {
			if Type(a.Type) != p.Attributes[i].Type || !bytes.Equal(a.Attribute, p.Attributes[i].Value) {
				t.Fatalf("attribute %d is %v %x there and %v %x here", i, a.Type, a.Attribute, p.Attributes[i].Type, p.Attributes[i].Value)
			}
		}

		// Theirs parses here, octet for octet.
		encoded, err := theirs.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(encoded)
		if err != nil || !bytes.Equal(encoded, ours) {
			t.Fatalf("%v: layeh encodes %x, we %x", err, encoded, ours)
		}
		if diff := cmp.Diff(p.Attributes, back.Attributes, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); diff != "" {
			t.Fatal(diff)
		}

		// PAP, both ways. layeh cuts at the first NUL, so there is none here.
		password := bytes.ReplaceAll(rapid.SliceOfN(rapid.Byte(), 0, 128).Draw(t, "password"), []byte{0}, []byte{1})
		hiddenHere, err := secret.HidePassword(nil, password, p.Authenticator)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := layeh.UserPassword(layeh.Attribute(hiddenHere), key, p.Authenticator[:])
		if err != nil || !bytes.Equal(clear, password) {
			t.Fatalf("layeh reads password %q as %q, %v", password, clear, err)
		}
		hiddenThere, err := layeh.NewUserPassword(password, key, p.Authenticator[:])
		if err != nil || !bytes.Equal(hiddenThere, hiddenHere) {
			t.Fatalf("layeh hides password %q as %x, we as %x, %v", password, hiddenThere, hiddenHere, err)
		}

		// The Response Authenticator, both ways.
		response := theirs.Response(layeh.CodeAccessReject)
		response.Add(18, layeh.Attribute("no"))
		octets, err := response.Encode()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(octets)
		if err != nil || !secret.VerifyResponse(parsed, p.Authenticator) {
			t.Fatalf("layeh's response %x was refused: %v", octets, err)
		}
		signed, err := secret.SignResponse(nil, &Packet{Code: AccessReject, Identifier: p.Identifier}, p.Authenticator)
		if err != nil || !layeh.IsAuthenticResponse(signed, ours, key) {
			t.Fatalf("layeh refuses our response %x: %v", signed, err)
		}
	})
}

func TestUserPassword(t *testing.T) {
	secret := mustSecret(rfcSecret)
	auth := [16]byte{1, 2, 3}
	for _, n := range []int{0, 1, 15, 16, 17, 127, 128} {
		t.Run(fmt.Sprintf("%d octets come back", n), func(t *testing.T) {
			password := bytes.Repeat([]byte("p"), n)
			hiddenValue, err := secret.HidePassword(nil, password, auth)
			if err != nil || len(hiddenValue) != max(16, (n+15)/16*16) {
				t.Fatalf("HidePassword gives %d octets, %v", len(hiddenValue), err)
			}
			got, err := secret.RevealPassword([]byte("before"), hiddenValue, auth)
			if err != nil || string(got) != "before"+string(password) {
				t.Errorf("RevealPassword = %q, %v; want %q", got, err, password)
			}
		})
	}
	if got, err := secret.HidePassword(nil, make([]byte, 129), auth); !errors.Is(err, ErrPasswordLong) || got != nil {
		t.Errorf("HidePassword of 129 octets = %x, %v; want ErrPasswordLong", got, err)
	}
	for _, n := range []int{0, 1, 15, 17, 127, 129, 144, 253} {
		if got, err := secret.RevealPassword(nil, make([]byte, n), auth); !errors.Is(err, ErrPasswordLength) || got != nil {
			t.Errorf("RevealPassword of %d octets = %x, %v; want ErrPasswordLength", n, got, err)
		}
	}
	for _, password := range []string{" spaced ", "in\x00side", "\x00first", "tab\t", "line\n"} {
		hiddenValue, _ := secret.HidePassword(nil, []byte(password+"\x00\x00"), auth)
		if got, err := secret.RevealPassword(nil, hiddenValue, auth); err != nil || string(got) != password {
			t.Errorf("RevealPassword of %q with padding = %q, %v; only trailing NULs may go", password, got, err)
		}
	}
}

func TestZeroSecretDoesNothing(t *testing.T) {
	var none Secret
	p := mustParse(t, mustHex(t, rfc5997Query))
	if none.VerifyRequest(p) || none.VerifyResponse(p, p.Authenticator) {
		t.Error("no secret verifies something")
	}
	if _, err := none.SignRequest(nil, NewRequest(AccessRequest)); err == nil {
		t.Error("no secret signs a request")
	}
	if _, err := none.SignResponse(nil, &Packet{Code: AccessAccept}, p.Authenticator); err == nil {
		t.Error("no secret signs a reply")
	}
	if _, err := none.HidePassword(nil, []byte("a"), p.Authenticator); err == nil {
		t.Error("no secret hides a password")
	}
	if _, err := none.RevealPassword(nil, make([]byte, 16), p.Authenticator); err == nil {
		t.Error("no secret reveals a password")
	}
	if _, err := NewSecret(nil); err == nil {
		t.Error("an empty secret was made")
	}
	if _, err := mustSecret("a").SignRequest(nil, &Packet{Code: AccountingRequest}); err == nil {
		t.Error("an Accounting-Request was signed like an Access-Request")
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	const clear = "correct-horse-battery"
	secret := mustSecret(clear)
	holder := struct {
		Secret  Secret
		Pointer *Secret
	}{secret, &secret}
	asJSON, err := json.Marshal(holder)
	if err != nil || string(asJSON) != `{"Secret":"hidden","Pointer":"hidden"}` {
		t.Errorf("JSON is %s, %v", asJSON, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("client", "secret", secret, "holder", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("client", "secret", secret, "holder", holder)
	printed := log.String() + secret.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%U", "%p"} {
		printed += fmt.Sprintf(verb+verb+verb, secret, &secret, holder)
	}
	for _, leak := range []string{clear, fmt.Sprintf("%x", clear), fmt.Sprintf("%X", clear), fmt.Sprint([]byte(clear)), "99 111 114"} {
		if strings.Contains(printed, leak) {
			t.Errorf("the secret shows as %q in %q", leak, printed)
		}
	}
	if !secret.Equal(mustSecret(clear)) || secret.Equal(mustSecret(clear+"x")) || secret.Equal(Secret{}) || !(Secret{}).Equal(Secret{}) {
		t.Error("Equal is wrong")
	}
}

func vendorOrDie(t testing.TB, vendor uint32, typ Type, value string) Attribute {
	t.Helper()
	a, err := VendorAttribute(vendor, typ, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCredentialsTellsMixtures is named after PingID's RADIUS component
// (CVE-2022-40723, CVE-2023-39930), where an unexpected kind of response
// skipped a factor: the caller must be able to see every kind there is.
func TestCredentialsTellsMixtures(t *testing.T) {
	name := Text(UserName, "alice")
	pap := Attribute{UserPassword, make([]byte, 16)}
	chap := Attribute{CHAPPassword, make([]byte, 17)}
	ms1 := vendorOrDie(t, VendorMicrosoft, 1, strings.Repeat("r", 50))
	ms2 := vendorOrDie(t, VendorMicrosoft, 25, strings.Repeat("r", 50))
	eap := Attribute{EAPMessage, []byte{2, 1, 0, 4}}
	state := Attribute{State, []byte("s")}
	both := Attribute{VendorSpecific, append(bytes.Clone(ms1.Value), ms2.Value[4:]...)}
	tests := []struct {
		name string
		in   []Attribute
		want Credentials
	}{
		{"none", []Attribute{name}, 0},
		{"PAP", []Attribute{name, pap}, PAP},
		{"CHAP", []Attribute{name, chap}, CHAP},
		{"MS-CHAP", []Attribute{name, ms1}, MSCHAP},
		{"MS-CHAPv2", []Attribute{name, ms2}, MSCHAPv2},
		{"ARAP", []Attribute{name, {arapPassword, make([]byte, 16)}}, ARAP},
		{"EAP in two attributes is one", []Attribute{name, eap, eap}, EAP},
		{"PAP and MS-CHAPv2", []Attribute{name, pap, ms2}, PAP | MSCHAPv2},
		{"PAP and EAP", []Attribute{name, pap, eap}, PAP | EAP},
		{"both MS-CHAPs in one attribute", []Attribute{name, both}, MSCHAP | MSCHAPv2},
		{"two passwords", []Attribute{name, pap, pap}, PAP | Repeated},
		{"two names", []Attribute{name, name, pap}, PAP | Repeated},
		{"two states", []Attribute{name, pap, state, state}, PAP | Repeated},
		{"another vendor's type 25", []Attribute{name, pap, vendorOrDie(t, 9, 25, "x")}, PAP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Packet{Attributes: tt.in}
			if got := p.Credentials(); got != tt.want {
				t.Errorf("Credentials = %07b, want %07b", got, tt.want)
			}
		})
	}
}

func TestVendorYieldsWholeSubAttributes(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []Attribute
	}{
		{"one", "00000009 0104 6162", []Attribute{{1, []byte("ab")}}},
		{"two", "00000009 0103 61 0203 62", []Attribute{{1, []byte("a")}, {2, []byte("b")}}},
		{"empty value", "00000009 0102", []Attribute{{1, []byte{}}}},
		{"length 0", "00000009 0100 6162", nil},
		{"length 1", "00000009 0101 6162", nil},
		{"past the end", "00000009 0105 6162", nil},
		{"second past the end", "00000009 0103 61 0204 62", nil},
		{"a lone octet", "00000009 0103 61 02", nil},
		{"another vendor", "0000000a 0104 6162", nil},
		{"vendor only", "00000009", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Attribute{VendorSpecific, mustHex(t, tt.in)}
			var got []Attribute
			for sub := range a.Vendor(9) {
				got = append(got, sub)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := VendorAttribute(9, 1, make([]byte, 248)); err == nil {
		t.Error("a vendor value of 248 octets was taken")
	}
}

func TestExtendedAttributes(t *testing.T) {
	long := func(typ, flags byte, n int) Attribute {
		return Attribute{245, append([]byte{typ, flags}, bytes.Repeat([]byte{typ}, n)...)}
	}
	tests := []struct {
		name      string
		in        []Attribute
		want      []ExtendedAttribute
		malformed int
	}{
		{
			"short form",
			[]Attribute{{241, []byte{1, 'a'}}, {1, []byte("x")}, {244, []byte{2, 'b', 'c'}}},
			[]ExtendedAttribute{{241, 1, []byte("a")}, {244, 2, []byte("bc")}},
			0,
		},
		{"short form without value", []Attribute{{241, []byte{1}}, {242, nil}}, nil, 2},
		{"long form in one", []Attribute{long(7, 0, 3)}, []ExtendedAttribute{{245, 7, []byte{7, 7, 7}}}, 0},
		{
			"long form in three",
			[]Attribute{long(7, longMore, 251), long(7, longMore, 251), long(7, 0, 1)},
			[]ExtendedAttribute{{245, 7, bytes.Repeat([]byte{7}, 503)}},
			0,
		},
		{"announced and missing", []Attribute{long(7, longMore, 251)}, nil, 1},
		{
			"announced by a fragment that is not full",
			[]Attribute{long(7, longMore, 250), long(7, 0, 1)},
			[]ExtendedAttribute{{245, 7, []byte{7}}},
			1,
		},
		{
			"followed by another type",
			[]Attribute{long(7, longMore, 251), long(8, 0, 1)},
			[]ExtendedAttribute{{245, 8, []byte{8}}},
			1,
		},
		{
			"followed by an ordinary attribute",
			[]Attribute{long(7, longMore, 251), {1, []byte("x")}, long(7, 0, 1)},
			[]ExtendedAttribute{{245, 7, []byte{7}}},
			1,
		},
		{"without value", []Attribute{{246, []byte{1, 0}}}, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Packet{Attributes: tt.in}
			got, malformed := p.Extended()
			if diff := cmp.Diff(tt.want, got); diff != "" || malformed != tt.malformed {
				t.Errorf("malformed %d, want %d; %s", malformed, tt.malformed, diff)
			}
		})
	}
}

func TestReplyMessageIsSplitBetweenCharacters(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []int
	}{
		{"nothing", "", nil},
		{"253 octets", strings.Repeat("a", 253), []int{253}},
		{"254 octets", strings.Repeat("a", 254), []int{253, 1}},
		{"two-octet characters", strings.Repeat("é", 200), []int{252, 148}},
		{"four-octet characters", strings.Repeat("🔑", 64), []int{252, 4}},
		{"not UTF-8", strings.Repeat("\x80", 300), []int{249, 51}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var sizes []int
			var joined []byte
			for _, a := range appendMessage(nil, []byte(tt.text)) {
				sizes = append(sizes, len(a.Value))
				joined = append(joined, a.Value...)
			}
			if diff := cmp.Diff(tt.want, sizes); diff != "" || string(joined) != tt.text {
				t.Errorf("joined %q; %s", joined, diff)
			}
		})
	}
}

func TestAttributeReaders(t *testing.T) {
	if n, ok := Integer(NASPort, 77).Integer(); n != 77 || !ok {
		t.Errorf("Integer = %d, %t", n, ok)
	}
	if _, ok := (Attribute{NASPort, []byte{1, 2, 3}}).Integer(); ok {
		t.Error("three octets are a number")
	}
	if a, ok := (Attribute{NASIPAddress, []byte{192, 0, 2, 1}}).Address(); a != netip.MustParseAddr("192.0.2.1") || !ok {
		t.Errorf("Address = %v, %t", a, ok)
	}
	if _, ok := (Attribute{NASIPAddress, []byte{1}}).Address(); ok {
		t.Error("one octet is an address")
	}
	var malformed MalformedError
	if _, err := Parse(nil); !errors.As(err, &malformed) {
		t.Errorf("Parse(nil) = %v, want a MalformedError", err)
	}
}
