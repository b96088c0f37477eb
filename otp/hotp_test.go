package otp

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	pquerna "github.com/pquerna/otp"
	pquernahotp "github.com/pquerna/otp/hotp"
	pquernatotp "github.com/pquerna/otp/totp"
	"pgregory.net/rapid"
)

// RFC 4226, Appendix D: truncated values and codes of counters 0 to 9.
var appendixD = []struct {
	decimal uint32
	code    string
}{
	{1284755224, "755224"},
	{1094287082, "287082"},
	{137359152, "359152"},
	{1726969429, "969429"},
	{1640338314, "338314"},
	{868254676, "254676"},
	{1918287922, "287922"},
	{82162583, "162583"},
	{673399871, "399871"},
	{645520489, "520489"},
}

func TestHOTPAppendixD(t *testing.T) {
	key := rfcKeys[SHA1]
	for counter, row := range appendixD {
		for digits := MinDigits; digits <= MaxDigits; digits++ {
			all := fmt.Sprintf("%010d", row.decimal)
			want := all[len(all)-digits:]
			p := Params{Digits: digits}
			if digits == 6 && want != row.code {
				t.Fatalf("row %d of the table contradicts itself", counter)
			}
			if got := HOTP(key, uint64(counter), p); got != want {
				t.Errorf("HOTP(%d, %d digits) = %q; want %q", counter, digits, got, want)
			}
			got, ok := MatchHOTP(key, want, 0, 10, p)
			if !ok || got != uint64(counter) {
				t.Errorf("MatchHOTP(%q) = %d, %t; want %d, true", want, got, ok, counter)
			}
		}
	}
}

func TestMatchHOTP(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 6}
	tests := []struct {
		name   string
		code   string
		from   uint64
		window int
		want   uint64
		wantOK bool
	}{
		{"next counter", "755224", 0, 1, 0, true},
		{"last of the window", "254676", 0, 6, 5, true},
		{"one beyond the window", "254676", 0, 5, 0, false},
		{"already behind", "755224", 1, 100, 0, false},
		{"looking back says it was used", "755224", 0, 1, 0, true},
		{"empty window", "755224", 0, 0, 0, false},
		{"negative window", "755224", 0, -1, 0, false},
		{"largest window", "520489", 0, MaxCandidates, 9, true},
		{"window too large", "520489", 0, MaxCandidates + 1, 0, false},
		{"wrong code", "755225", 0, 10, 0, false},
		{"empty code", "", 0, 10, 0, false},
		{"seven of eight digits", "4755224", 0, 10, 0, false},
		{"letters", "75522A", 0, 10, 0, false},
		{"sign", "+55224", 0, 10, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := MatchHOTP(key, tt.code, tt.from, tt.window, p)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("MatchHOTP(%q, from %d, %d) = %d, %t; want %d, %t",
					tt.code, tt.from, tt.window, got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

// TestHOTPEndOfCounters checks that nothing wraps to 0: after the last counter
// the stored "next" would be 0, and every code ever used would be live again.
func TestHOTPEndOfCounters(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 8}
	const last = math.MaxUint64
	tests := []struct {
		name   string
		code   string
		from   uint64
		window int
		want   uint64
		wantOK bool
	}{
		{"last but one", HOTP(key, last-1, p), last - 1, 10, last - 1, true},
		{"last has no successor", HOTP(key, last, p), last - 1, 10, 0, false},
		{"from the last", HOTP(key, last, p), last, 10, 0, false},
		{"first, seen from the end", HOTP(key, 0, p), last - 3, MaxCandidates, 0, false},
		{"second, seen from the end", HOTP(key, 1, p), last, MaxCandidates, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := MatchHOTP(key, tt.code, tt.from, tt.window, p)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("MatchHOTP(from %d) = %d, %t; want %d, %t", tt.from, got, ok, tt.want, tt.wantOK)
			}
		})
	}
	pairs := []struct {
		name   string
		first  uint64 // counter of the first code
		from   uint64
		want   uint64
		wantOK bool
	}{
		{"last usable pair", last - 2, last - 5, last - 1, true},
		{"pair that ends on the last counter", last - 1, last - 5, 0, false},
		{"pair around the end", last, last - 5, 0, false},
		{"from the last", last, last, 0, false},
		{"from the last but one", last - 1, last - 1, 0, false},
	}
	for _, tt := range pairs {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ResyncHOTP(key, HOTP(key, tt.first, p), HOTP(key, tt.first+1, p), tt.from, 50, p)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("ResyncHOTP(from %d) = %d, %t; want %d, %t", tt.from, got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

func TestResyncHOTP(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 6}
	code := func(n uint64) string { return HOTP(key, n, p) }
	tests := []struct {
		name         string
		code1, code2 string
		from         uint64
		window       int
		want         uint64
		wantOK       bool
	}{
		{"two in a row, far ahead", code(700), code(701), 3, 1000, 701, true},
		{"two in a row at once", code(3), code(4), 3, 1, 4, true},
		{"first one at the last place", code(12), code(13), 3, 10, 13, true},
		{"first one beyond the window", code(13), code(14), 3, 10, 0, false},
		{"an old pair does not revive", code(1), code(2), 3, 1000, 0, false},
		{"a pair half spent does not revive", code(2), code(3), 3, 1000, 0, false},
		{"one left out between them", code(700), code(702), 3, 1000, 0, false},
		{"the wrong way round", code(701), code(700), 3, 1000, 0, false},
		{"the same code twice", code(700), code(700), 3, 1000, 0, false},
		{"only the first is right", code(700), "000000", 3, 1000, 0, false},
		{"only the second is right", "000000", code(701), 3, 1000, 0, false},
		{"second code empty", code(700), "", 3, 1000, 0, false},
		{"window too large", code(700), code(701), 3, MaxCandidates + 1, 0, false},
		{"empty window", code(3), code(4), 3, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ResyncHOTP(key, tt.code1, tt.code2, tt.from, tt.window, p)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("ResyncHOTP(%q, %q, from %d, %d) = %d, %t; want %d, %t",
					tt.code1, tt.code2, tt.from, tt.window, got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

// TestResyncOfTOTPToken checks the promise that a token whose clock is off is
// found with ResyncHOTP over time steps.
func TestResyncOfTOTPToken(t *testing.T) {
	key, p := rfcKeys[SHA256], Params{Algorithm: SHA256, Digits: 6, Period: time.Minute, Drift: 1}
	now := time.Unix(1_800_000_000, 0)
	token := now.Add(-47 * time.Minute) // its clock is slow
	first, second := TOTP(key, token, p), TOTP(key, token.Add(p.Period), p)
	step, ok := ResyncHOTP(key, first, second, uint64(p.Step(now)-1000), 2000, p)
	if !ok {
		t.Fatal("the token was not found")
	}
	off := int64(step) - p.Step(now.Add(p.Period))
	if off != -47 {
		t.Errorf("clock is off by %d steps; want -47", off)
	}
	later := token.Add(10 * time.Minute)
	if _, ok := MatchTOTP(key, TOTP(key, later, p), now.Add(10*time.Minute).Add(time.Duration(off)*p.Period), p); !ok {
		t.Error("shifting the time by what the clock is off does not match")
	}
}

// TestLowestHOTPCounterWins uses two counters close together that share a code
// (found by search). Had the higher been taken, the token would be behind us.
func TestLowestHOTPCounterWins(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 6}
	a, b := findTwins(t, key, p)
	got, ok := MatchHOTP(key, HOTP(key, a, p), a-1, int(b-a)+3, p)
	if !ok || got != a {
		t.Errorf("MatchHOTP = %d, %t; want the lower of %d and %d", got, ok, a, b)
	}
	got, ok = MatchHOTP(key, HOTP(key, a, p), a+1, int(b-a)+3, p)
	if !ok || got != b {
		t.Errorf("MatchHOTP above %d = %d, %t; want %d", a, got, ok, b)
	}
}

// findTwins returns two counters a < b, at most 4 apart, with the same code.
func findTwins(t *testing.T, key []byte, p Params) (a, b uint64) {
	var recent [4]string
	for n := uint64(10); n < 10_000_000; n++ {
		code := HOTP(key, n, p)
		for back := range uint64(4) {
			if recent[(n-1-back)%4] == code {
				return n - 1 - back, n
			}
		}
		recent[n%4] = code
	}
	t.Fatal("no two counters share a code")
	return 0, 0
}

// reference is HOTP by another implementation, for keys of any length.
func reference(t *testing.T, key []byte, counter uint64, p Params) string {
	code, err := pquernahotp.GenerateCodeCustom(base32.StdEncoding.EncodeToString(key), counter,
		pquernahotp.ValidateOpts{Digits: pquerna.Digits(p.Digits), Algorithm: pquernaAlgorithm[p.Algorithm]})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestKeysOfEveryLength: HMAC treats keys shorter than, as long as and longer
// than the block of the hash in different ways.
func TestKeysOfEveryLength(t *testing.T) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		for size := MinKeySize; size <= MaxKeySize; size++ {
			key := make([]byte, size)
			rand.Read(key)
			for _, counter := range []uint64{0, 1, 255, 1 << 32, 1<<63 - 1, math.MaxUint64} {
				p := Params{Algorithm: a, Digits: 8}
				if got, want := HOTP(key, counter, p), reference(t, key, counter, p); got != want {
					t.Fatalf("HOTP(%d byte key, %d, %v) = %q; pquerna has %q", size, counter, a, got, want)
				}
			}
		}
	}
}

var pquernaAlgorithm = map[Algorithm]pquerna.Algorithm{
	SHA1: pquerna.AlgorithmSHA1, SHA256: pquerna.AlgorithmSHA256, SHA512: pquerna.AlgorithmSHA512,
}

// TestAgainstPquerna compares codes and verdicts with another implementation.
func TestAgainstPquerna(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), MinKeySize, MaxKeySize).Draw(t, "key")
		p := Params{
			Algorithm: rapid.SampledFrom([]Algorithm{SHA1, SHA256, SHA512}).Draw(t, "algorithm"),
			Digits:    rapid.IntRange(MinDigits, MaxDigits).Draw(t, "digits"),
			Period:    rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute}).Draw(t, "period"),
			Drift:     rapid.IntRange(0, MaxDrift).Draw(t, "drift"),
		}
		// Below MaxDrift steps the other one underflows its counter.
		at := time.Unix(rapid.Int64Range(300, 1<<40).Draw(t, "at"), 0)
		secret := base32.StdEncoding.EncodeToString(key)
		opts := pquernatotp.ValidateOpts{
			Period: uint(p.Period / time.Second), Skew: uint(p.Drift),
			Digits: pquerna.Digits(p.Digits), Algorithm: pquernaAlgorithm[p.Algorithm],
		}
		code, err := pquernatotp.GenerateCodeCustom(secret, at, opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := TOTP(key, at, p); got != code {
			t.Fatalf("TOTP = %q; pquerna has %q", got, code)
		}
		later := at.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "later")) * time.Second)
		if later.Unix() < 300 {
			later = at
		}
		theirs, err := pquernatotp.ValidateCustom(code, secret, later, opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := MatchTOTP(key, code, later, p); ours != theirs {
			t.Fatalf("MatchTOTP(%q of %d at %d) = %t; pquerna says %t", code, at.Unix(), later.Unix(), ours, theirs)
		}
	})
}

// TestAgainstOathtool compares codes with those of oathtool (OATH Toolkit).
func TestAgainstOathtool(t *testing.T) {
	tool, err := exec.LookPath("oathtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("oathtool is not installed; Debian and Ubuntu have it in the package oathtool")
		}
		t.Skip("oathtool is not installed")
	}
	run := func(arg ...string) []string {
		out, err := exec.Command(tool, arg...).Output()
		if err != nil {
			t.Fatalf("oathtool %v: %v", arg, err)
		}
		return strings.Fields(string(out))
	}
	compared := 0
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		for digits := MinDigits; digits <= MaxDigits; digits++ {
			key := NewKey(a)
			for _, period := range []time.Duration{30 * time.Second, time.Minute} {
				p := Params{Algorithm: a, Digits: digits, Period: period}
				for _, at := range []time.Time{time.Unix(59, 0), time.Unix(1_111_111_109, 0), time.Unix(20_000_000_000, 0)} {
					codes := run("--totp="+a.String(), fmt.Sprintf("--digits=%d", digits),
						fmt.Sprintf("--time-step-size=%ds", int(period.Seconds())), "--window=19",
						"--now="+at.UTC().Format("2006-01-02 15:04:05 UTC"), hex.EncodeToString(key))
					if len(codes) != 20 {
						t.Fatalf("oathtool gave %d codes; want 20", len(codes))
					}
					for i, want := range codes {
						if got := TOTP(key, at.Add(time.Duration(i)*period), p); got != want {
							t.Errorf("TOTP(%v, %d digits, %v, %v + %d steps) = %q; oathtool has %q", a, digits, period, at.UTC(), i, got, want)
						}
						compared++
					}
				}
			}
		}
	}
	for digits := MinDigits; digits <= MaxDigits; digits++ {
		key := NewKey(SHA1)
		for _, counter := range []uint64{0, 1_000_000, 1<<32 - 10, 1<<63 - 100} {
			codes := run("--hotp", fmt.Sprintf("--digits=%d", digits), fmt.Sprintf("--counter=%d", counter), "--window=19", hex.EncodeToString(key))
			for i, want := range codes {
				if got := HOTP(key, counter+uint64(i), Params{Digits: digits}); got != want {
					t.Errorf("HOTP(%d, %d digits) = %q; oathtool has %q", counter+uint64(i), digits, got, want)
				}
				compared++
			}
		}
	}
	t.Logf("compared %d codes", compared)
}

func BenchmarkHOTP(b *testing.B) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		b.Run(a.String(), func(b *testing.B) {
			key, p := rfcKeys[a], Params{Algorithm: a, Digits: 6}
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				HOTP(key, n, p)
			}
		})
	}
}

// BenchmarkMatchTOTP measures a hit and a miss over one step and over three.
// They must cost the same: a miss compares as many codes as a hit.
func BenchmarkMatchTOTP(b *testing.B) {
	at := time.Unix(1_700_000_000, 0)
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		for drift := range 2 {
			p := Params{Algorithm: a, Digits: 6, Period: 30 * time.Second, Drift: drift}
			key := rfcKeys[a]
			good := TOTP(key, at, p)
			miss := "000000"
			for _, c := range []struct{ name, code string }{{"hit", good}, {"miss", miss}} {
				b.Run(fmt.Sprintf("%v/steps=%d/%s", a, 2*drift+1, c.name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						MatchTOTP(key, c.code, at, p)
					}
				})
			}
		}
	}
}

// BenchmarkLocateDay measures the search through a day of steps that tells a
// code that is out of date from a wrong one.
func BenchmarkLocateDay(b *testing.B) {
	key, p := rfcKeys[SHA1], Params{Digits: 6, Period: 30 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		Locate(key, "000000", 56_000_000, 56_000_000+2879, p)
	}
}
