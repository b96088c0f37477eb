package otp

import (
	"encoding/json"
	"testing"
	"time"
)

// The keys of RFC 6238, Appendix A: the ASCII digits repeated to the length of
// the hash. Appendix B speaks of one key, but its rows hold only for these.
var rfcKeys = map[Algorithm][]byte{
	SHA1:   []byte("12345678901234567890"),
	SHA256: []byte("12345678901234567890123456789012"),
	SHA512: []byte("1234567890123456789012345678901234567890123456789012345678901234"),
}

func TestValidate(t *testing.T) {
	good := Params{Digits: 6, Period: 30 * time.Second, Drift: 1}
	tests := []struct {
		name string
		p    Params
		want bool
	}{
		{"usual TOTP", good, true},
		{"strict TOTP of a minute, 8 digits, SHA-512", Params{SHA512, 8, time.Minute, 0}, true},
		{"HOTP", Params{Digits: 7}, true},
		{"zero value", Params{}, false},
		{"5 digits", Params{Digits: 5, Period: 30 * time.Second}, false},
		{"9 digits", Params{Digits: 9, Period: 30 * time.Second}, false},
		{"unknown algorithm", Params{Algorithm: 3, Digits: 6}, false},
		{"45 seconds", Params{Digits: 6, Period: 45 * time.Second}, false},
		{"30 nanoseconds", Params{Digits: 6, Period: 30}, false},
		{"negative period", Params{Digits: 6, Period: -30 * time.Second}, false},
		{"drift without a period", Params{Digits: 6, Drift: 1}, false},
		{"negative drift", Params{Digits: 6, Period: 30 * time.Second, Drift: -1}, false},
		{"too much drift", Params{Digits: 6, Period: 30 * time.Second, Drift: MaxDrift + 1}, false},
	}
	at := time.Unix(1_700_000_000, 0)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.p.Validate()
			if (err == nil) != tt.want {
				t.Errorf("Validate(%+v) = %v; want valid %t", tt.p, err, tt.want)
			}
			if err == nil {
				return
			}
			// Params that are refused make and match nothing.
			key := rfcKeys[SHA1]
			if c := HOTP(key, 1, tt.p); c != "" {
				t.Errorf("HOTP with %+v = %q; want none", tt.p, c)
			}
			for _, code := range []string{"", "0", "00000", "287082", "000000000", "94287082"} {
				if step, ok := MatchTOTP(key, code, at, tt.p); ok {
					t.Errorf("MatchTOTP(%q, %+v) = %d, true", code, tt.p, step)
				}
				if step, ok := Locate(key, code, 0, 100, tt.p); ok {
					t.Errorf("Locate(%q, %+v) = %d, true", code, tt.p, step)
				}
				if n, ok := MatchHOTP(key, code, 0, 100, tt.p); ok {
					t.Errorf("MatchHOTP(%q, %+v) = %d, true", code, tt.p, n)
				}
				if n, ok := ResyncHOTP(key, code, code, 0, 100, tt.p); ok {
					t.Errorf("ResyncHOTP(%q, %+v) = %d, true", code, tt.p, n)
				}
			}
		})
	}
}

func TestAlgorithmText(t *testing.T) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		text, err := json.Marshal(Params{Algorithm: a, Digits: 6})
		if err != nil {
			t.Fatal(err)
		}
		var back Params
		if err := json.Unmarshal(text, &back); err != nil || back.Algorithm != a {
			t.Errorf("%v through %s came back as %v, %v", a, text, back.Algorithm, err)
		}
		if got, err := ParseAlgorithm("s" + a.String()[1:]); err != nil || got != a {
			t.Errorf("ParseAlgorithm(s%s) = %v, %v; want %v", a.String()[1:], got, err, a)
		}
	}
	if _, err := Algorithm(9).MarshalText(); err == nil {
		t.Error("an unknown algorithm was written")
	}
	for _, name := range []string{"", "MD5", "SHA-1", "SHA1 ", "SHA2"} {
		if a, err := ParseAlgorithm(name); err == nil {
			t.Errorf("ParseAlgorithm(%q) = %v; want an error", name, a)
		}
	}
	if got := Algorithm(9).String(); got != "Algorithm(9)" {
		t.Errorf("Algorithm(9) prints %q", got)
	}
}
