package otp

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	pquerna "github.com/pquerna/otp"
	"pgregory.net/rapid"
)

func TestURI(t *testing.T) {
	key := Key("12345678901234567890")
	tests := []struct {
		name string
		e    Enrolment
		want string
	}{
		{
			"TOTP with the usual parameters",
			Enrolment{Issuer: "Example", Account: "alice@example.com", Key: key, Params: Params{Digits: 6, Period: 30 * time.Second, Drift: 1}},
			"otpauth://totp/Example:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example&algorithm=SHA1&digits=6&period=30",
		},
		{
			"spaces, signs and another script",
			Enrolment{Issuer: "Bücher & Söhne", Account: `CORP\a+b=?#`, Key: key, Params: Params{Algorithm: SHA512, Digits: 8, Period: time.Minute}},
			"otpauth://totp/B%C3%BCcher%20%26%20S%C3%B6hne:CORP%5Ca%2Bb%3D%3F%23?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=B%C3%BCcher%20%26%20S%C3%B6hne&algorithm=SHA512&digits=8&period=60",
		},
		{
			"HOTP without issuer",
			Enrolment{Account: "alice", Key: key, Params: Params{Algorithm: SHA256, Digits: 7}, Counter: 42},
			"otpauth://hotp/alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA256&digits=7&counter=42",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.e.URI()
			if err != nil || got != tt.want {
				t.Errorf("URI = %q, %v\nwant  %q", got, err, tt.want)
			}
			back, err := ParseURI(got)
			want := tt.e
			want.Params.Drift = 0
			if err != nil || !reflect.DeepEqual(back, want) {
				t.Errorf("ParseURI(%q) = %+v, %v; want %+v", got, back, err, want)
			}
			other, err := pquerna.NewKeyFromURL(got)
			if err != nil || other.Issuer() != tt.e.Issuer || other.AccountName() != tt.e.Account ||
				other.Secret() != EncodeKey(key) || int(other.Digits()) != tt.e.Params.Digits ||
				other.Algorithm() != pquernaAlgorithm[tt.e.Params.Algorithm] {
				t.Errorf("pquerna reads %q as issuer %q, account %q: %v", got, other.Issuer(), other.AccountName(), err)
			}
		})
	}
}

func TestURIRefuses(t *testing.T) {
	good := Enrolment{Issuer: "Example", Account: "alice", Key: NewKey(SHA1), Params: Params{Digits: 6, Period: 30 * time.Second}}
	if _, err := good.URI(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spoil func(*Enrolment)
	}{
		{"no account", func(e *Enrolment) { e.Account = "" }},
		{"colon in the issuer", func(e *Enrolment) { e.Issuer = "a:b" }},
		{"colon in the account", func(e *Enrolment) { e.Account = "a:b" }},
		{"line end in the account", func(e *Enrolment) { e.Account = "a\nb" }},
		{"space before the account", func(e *Enrolment) { e.Account = " a" }},
		{"invalid UTF-8", func(e *Enrolment) { e.Issuer = "\xff" }},
		{"long account", func(e *Enrolment) { e.Account = strings.Repeat("a", 256) }},
		{"short key", func(e *Enrolment) { e.Key = e.Key[:15] }},
		{"no key", func(e *Enrolment) { e.Key = nil }},
		{"zero Params", func(e *Enrolment) { e.Params = Params{} }},
		{"TOTP with a counter", func(e *Enrolment) { e.Counter = 1 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := good
			tt.spoil(&e)
			if uri, err := e.URI(); err == nil {
				t.Errorf("URI of %+v = %q; want an error", e, uri)
			}
		})
	}
}

func TestParseURI(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	key := Key("12345678901234567890")
	totp := Params{Digits: 6, Period: 30 * time.Second}
	tests := []struct {
		name string
		uri  string
		want *Enrolment // nil for an error
	}{
		{"example of the Key URI format", "otpauth://totp/Example:alice@google.com?secret=" + secret + "&issuer=Example", &Enrolment{Issuer: "Example", Account: "alice@google.com", Key: key, Params: totp}},
		{"escaped colon and space behind it", "otpauth://totp/Provider1%3A%20Alice%20Smith?secret=" + secret, &Enrolment{Issuer: "Provider1", Account: "Alice Smith", Key: key, Params: totp}},
		{"no issuer at all", "otpauth://totp/alice?secret=" + secret, &Enrolment{Account: "alice", Key: key, Params: totp}},
		{"issuer only as a parameter", "otpauth://totp/alice?issuer=Big+Corp&secret=" + secret, &Enrolment{Issuer: "Big Corp", Account: "alice", Key: key, Params: totp}},
		{"issuers differ", "otpauth://totp/Old:alice?issuer=New&secret=" + secret, &Enrolment{Issuer: "New", Account: "alice", Key: key, Params: totp}},
		{"lower case secret with padding", "otpauth://totp/a?secret=gezdgnbvgy3tqojqgezdgnbvgy%3D%3D%3D%3D%3D%3D", &Enrolment{Account: "a", Key: Key("1234567890123456"), Params: totp}},
		{"upper case scheme and type", "OTPAUTH://TOTP/a?secret=" + secret, &Enrolment{Account: "a", Key: key, Params: totp}},
		{"everything said", "otpauth://totp/a?secret=" + secret + "&algorithm=sha256&digits=8&period=60", &Enrolment{Account: "a", Key: key, Params: Params{SHA256, 8, time.Minute, 0}}},
		{"unknown parameter", "otpauth://totp/a?secret=" + secret + "&image=https%3A%2F%2Fexample.com%2Fa.png", &Enrolment{Account: "a", Key: key, Params: totp}},
		{"HOTP", "otpauth://hotp/a?secret=" + secret + "&counter=0", &Enrolment{Account: "a", Key: key, Params: Params{Digits: 6}}},
		{"HOTP without counter", "otpauth://hotp/a?secret=" + secret, nil},
		{"HOTP, negative counter", "otpauth://hotp/a?secret=" + secret + "&counter=-1", nil},
		{"no secret", "otpauth://totp/a", nil},
		{"short secret", "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ", nil},
		{"secret not Base32", "otpauth://totp/a?secret=18181818181818181818181818181818", nil},
		{"two secrets", "otpauth://totp/a?secret=" + secret + "&secret=" + secret, nil},
		{"no account", "otpauth://totp/?secret=" + secret, nil},
		{"other type", "otpauth://steam/a?secret=" + secret, nil},
		{"other scheme", "https://totp/a?secret=" + secret, nil},
		{"9 digits", "otpauth://totp/a?digits=9&secret=" + secret, nil},
		{"signed digits", "otpauth://totp/a?digits=+6&secret=" + secret, nil},
		{"empty digits", "otpauth://totp/a?digits=&secret=" + secret, nil},
		{"period 0", "otpauth://totp/a?period=0&secret=" + secret, nil},
		{"period 45", "otpauth://totp/a?period=45&secret=" + secret, nil},
		{"period that overflows", "otpauth://totp/a?period=18446744073709551646&secret=" + secret, nil},
		{"MD5", "otpauth://totp/a?algorithm=MD5&secret=" + secret, nil},
		{"user name", "otpauth://user@totp/a?secret=" + secret, nil},
		{"bad escape", "otpauth://totp/%zz?secret=" + secret, nil},
		{"bad parameters", "otpauth://totp/a?secret=" + secret + "&x=%zz", nil},
		{"not a URI", "\x7f", nil},
		{"empty", "", nil},
		{"too long", "otpauth://totp/a?secret=" + secret + "&x=" + strings.Repeat("y", 4096), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseURI(tt.uri)
			if tt.want == nil {
				if err == nil || !reflect.DeepEqual(got, Enrolment{}) {
					t.Errorf("ParseURI(%q) = %+v, %v; want nothing and an error", tt.uri, got, err)
				} else if strings.Contains(err.Error(), "GEZDG") || strings.Contains(err.Error(), "1818") {
					t.Errorf("the error shows the key: %v", err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, *tt.want) {
				t.Errorf("ParseURI(%q) = %+v, %v; want %+v", tt.uri, got, err, *tt.want)
			}
		})
	}
}

// TestURIThereAndBack: what URI writes, ParseURI reads as the same enrolment.
func TestURIThereAndBack(t *testing.T) {
	name := rapid.StringMatching(`[\p{L}\p{N}\\@.&=?#%/+"' -]{0,20}[\p{L}\p{N}]`)
	rapid.Check(t, func(t *rapid.T) {
		e := Enrolment{
			Issuer:  strings.TrimSpace(name.Draw(t, "issuer")),
			Account: strings.TrimSpace(name.Draw(t, "account")),
			Key:     rapid.SliceOfN(rapid.Byte(), MinKeySize, MaxKeySize).Draw(t, "key"),
			Params: Params{
				Algorithm: rapid.SampledFrom([]Algorithm{SHA1, SHA256, SHA512}).Draw(t, "algorithm"),
				Digits:    rapid.IntRange(MinDigits, MaxDigits).Draw(t, "digits"),
				Period:    rapid.SampledFrom([]time.Duration{0, 30 * time.Second, time.Minute}).Draw(t, "period"),
			},
		}
		if e.Params.Period == 0 {
			e.Counter = rapid.Uint64().Draw(t, "counter")
		}
		uri, err := e.URI()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseURI(uri)
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Fatalf("ParseURI(%q) = %+v, %v; want %+v", uri, back, err, e)
		}
	})
}

// FuzzParseURI checks that an enrolment we take can be used and written, and
// that what we write means the same.
func FuzzParseURI(f *testing.F) {
	for _, s := range []string{
		"otpauth://totp/Example:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example&algorithm=SHA1&digits=6&period=30",
		"otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&counter=18446744073709551615",
		"otpauth://totp/%00?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
		"otpauth:totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
		"otpauth://totp/a:b:c?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ;issuer=x",
		"otpauth://totp/a%2Fb?issuer=%E2%80%AE&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ#x",
		"OTPAUTH://TOTP//a?digits=08&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		e, err := ParseURI(uri)
		if err != nil {
			if !reflect.DeepEqual(e, Enrolment{}) {
				t.Fatalf("ParseURI(%q) returns an enrolment with its error", uri)
			}
			return
		}
		if HOTP(e.Key, 0, e.Params) == "" {
			t.Fatalf("ParseURI(%q) took what makes no codes: %+v", uri, e)
		}
		written, err := e.URI()
		if err != nil {
			t.Fatalf("ParseURI(%q) = %+v, which cannot be written: %v", uri, e, err)
		}
		again, err := ParseURI(written)
		if err != nil || !reflect.DeepEqual(again, e) || !bytes.Equal(again.Key, e.Key) {
			t.Fatalf("ParseURI(%q) = %+v, %v; want %+v", written, again, err, e)
		}
	})
}
