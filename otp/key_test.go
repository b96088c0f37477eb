package otp

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	for a, size := range map[Algorithm]int{SHA1: 20, SHA256: 32, SHA512: 64} {
		key, other := NewKey(a), NewKey(a)
		if len(key) != size || bytes.Equal(key, other) || bytes.Equal(key, make([]byte, size)) {
			t.Errorf("NewKey(%v) = %d bytes; want %d random ones", a, len(key), size)
		}
		if weak, err := CheckKey(key); weak || err != nil {
			t.Errorf("CheckKey(NewKey(%v)) = %t, %v", a, weak, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("NewKey of an unknown algorithm returned")
		}
	}()
	NewKey(Algorithm(7))
}

func TestCheckKey(t *testing.T) {
	tests := []struct {
		size     int
		wantWeak bool
		wantOK   bool
	}{
		{0, false, false},
		{10, false, false},
		{15, false, false},
		{16, true, true},
		{19, true, true},
		{20, false, true},
		{64, false, true},
		{128, false, true},
		{129, false, false},
	}
	for _, tt := range tests {
		weak, err := CheckKey(make([]byte, tt.size))
		if weak != tt.wantWeak || (err == nil) != tt.wantOK {
			t.Errorf("CheckKey(%d bytes) = %t, %v; want weak %t, usable %t", tt.size, weak, err, tt.wantWeak, tt.wantOK)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	const rfc = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // "12345678901234567890"
	tests := []struct {
		name string
		text string
		want string // "" for an error
	}{
		{"canonical", rfc, "12345678901234567890"},
		{"lower case", strings.ToLower(rfc), "12345678901234567890"},
		{"in groups", "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", "12345678901234567890"},
		{"with hyphens", "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq", "12345678901234567890"},
		{"line end behind", rfc + "\r\n", "12345678901234567890"},
		{"padded", "MZXW6YTBOI======", "foobar"}, // RFC 4648, Section 10
		{"not padded", "MZXW6YTBOI", "foobar"},   // RFC 4648, Section 10
		{"padding and space", "MZXW6YTBOI====== ", "foobar"},
		{"unused bits set", "MZXW6YTBOJ", "foobar"},
		{"empty", "", ""},
		{"only padding", "========", ""},
		{"only spaces", "   ", ""},
		{"digit 1", "GEZDGNBVGY3TQOJ1", ""},
		{"digit 0", "0EZDGNBVGY3TQOJQ", ""},
		{"digit 8", "8EZDGNBVGY3TQOJQ", ""},
		{"padding inside", "MZXW6===YTBOI===", ""},
		{"two letters too few", rfc[2:], ""},
		{"one letter", "A", ""},
		{"three letters", "AAA", ""},
		{"six letters", "AAAAAA", ""},
		{"full-width letters", "ＭＺＸＷ６ＹＴＢ", ""},
		{"tab inside", "MZXW\t6YTB", ""},
		{"sample key of a vendor's manual that is no Base32", "1234567abcdef1234567abcdef", ""},
		{"too long", strings.Repeat("A", 1032), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeKey(tt.text)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("DecodeKey(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
			}
			if err != nil && len(tt.text) > 8 && strings.Contains(err.Error(), tt.text[:8]) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
	if got := EncodeKey([]byte("12345678901234567890")); got != rfc {
		t.Errorf("EncodeKey = %q; want %q", got, rfc)
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	e := Enrolment{Account: "alice", Key: Key("sesame-sesame-sesame"), Params: Params{Digits: 6}}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "key", e.Key, "enrolment", e)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "key", e.Key, "enrolment", e)
	asJSON, err := json.Marshal(map[string]any{"key": e.Key, "enrolment": &e})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{logged.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%U"} {
		said = append(said, fmt.Sprintf(verb, e.Key), fmt.Sprintf(verb, e), fmt.Sprintf(verb, []*Enrolment{&e}[0]))
	}
	for _, s := range said {
		for _, trace := range []string{"sesame", "736573", "[115", "115 101", "c2VzYW1l", "163 145"} {
			if strings.Contains(s, trace) {
				t.Errorf("the key shows in %q", s)
			}
		}
		if !strings.Contains(s, hidden) {
			t.Errorf("%q does not say that something is hidden", s)
		}
	}
	var plain []byte = e.Key // what callers of Match do
	if string(plain) != "sesame-sesame-sesame" {
		t.Error("the key itself has changed")
	}
}

// FuzzDecodeKey checks that what DecodeKey takes means one key: written in the
// canonical form, it is read as the same key, and the letters are those typed.
func FuzzDecodeKey(f *testing.F) {
	for _, s := range []string{
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "gezd gnbv-gy3t", "MZXW6YTBOI======", "MZXW6YTBOJ", "A", "AAA", "",
		"=", "1234567abcdef1234567abcdef", "ＭＺＸＷ", "MZ\x00XW", "7777777777777777",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := DecodeKey(text)
		if err != nil {
			if key != nil {
				t.Fatalf("DecodeKey(%q) returns a key with its error", text)
			}
			return
		}
		canonical := EncodeKey(key)
		again, err := DecodeKey(canonical)
		if err != nil || !bytes.Equal(again, key) {
			t.Fatalf("DecodeKey(%q) = %x, but DecodeKey(%q) = %x, %v", text, key, canonical, again, err)
		}
		typed := strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "=", "").Replace(strings.TrimSpace(text)))
		if len(typed) != len(canonical) || typed[:len(typed)-1] != canonical[:len(canonical)-1] {
			t.Fatalf("DecodeKey(%q) is the key of %q", text, canonical)
		}
		if strict, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(typed); err != nil || !bytes.Equal(strict, key) {
			t.Fatalf("DecodeKey(%q) = %x; the standard library has %x, %v", text, key, strict, err)
		}
	})
}
