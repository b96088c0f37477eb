package otp

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// RFC 6238, Appendix B: every row, all three hashes.
var appendixB = []struct {
	unix                 int64
	step                 int64
	sha1, sha256, sha512 string
}{
	{59, 0x1, "94287082", "46119246", "90693936"},
	{1111111109, 0x23523EC, "07081804", "68084774", "25091201"},
	{1111111111, 0x23523ED, "14050471", "67062674", "99943326"},
	{1234567890, 0x273EF07, "89005924", "91819424", "93441116"},
	{2000000000, 0x3F940AA, "69279037", "90698825", "38618901"},
	{20000000000, 0x27BC86AA, "65353130", "77737706", "47863826"},
}

func TestTOTPAppendixB(t *testing.T) {
	for _, row := range appendixB {
		for a, want := range map[Algorithm]string{SHA1: row.sha1, SHA256: row.sha256, SHA512: row.sha512} {
			p := Params{Algorithm: a, Digits: 8, Period: 30 * time.Second, Drift: 1}
			at := time.Unix(row.unix, 0)
			if got := p.Step(at); got != row.step {
				t.Errorf("Step(%d) = %#x; want %#x", row.unix, got, row.step)
			}
			if got := TOTP(rfcKeys[a], at, p); got != want {
				t.Errorf("TOTP(%d, %v) = %q; want %q", row.unix, a, got, want)
			}
			step, ok := MatchTOTP(rfcKeys[a], want, at, p)
			if !ok || step != row.step {
				t.Errorf("MatchTOTP(%q at %d, %v) = %d, %t; want %d, true", want, row.unix, a, step, ok, row.step)
			}
		}
	}
}

// Codes from RFC 6238, Appendix B (SHA-1 column).
func TestMatchTOTP(t *testing.T) {
	key := []byte("12345678901234567890")
	p := Params{Digits: 8, Period: 30 * time.Second, Drift: 1}
	tests := []struct {
		name     string
		unix     int64
		code     string
		wantStep int64
		wantOK   bool
	}{
		{"RFC 6238 row 1", 59, "94287082", 1, true},
		{"one step late is within drift", 59 + 30, "94287082", 1, true},
		{"two steps late is not", 59 + 60, "94287082", 0, false},
		{"one step early is within drift", 59 - 30, "94287082", 1, true},
		{"before 1970", -1, "94287082", 0, false},
		{"empty code", 59, "", 0, false},
		{"spaces are not for us to remove", 59, " 94287082", 0, false},
		{"six of the eight digits", 59, "287082", 0, false},
		{"one digit more", 59, "942870820", 0, false},
		{"full-width digits", 59, "９４２８７０８２", 0, false},
		{"NUL at the end", 59, "9428708\x00", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			step, ok := MatchTOTP(key, tt.code, time.Unix(tt.unix, 0), p)
			if step != tt.wantStep || ok != tt.wantOK {
				t.Errorf("MatchTOTP(%q at %d) = %d, %t; want %d, %t",
					tt.code, tt.unix, step, ok, tt.wantStep, tt.wantOK)
			}
		})
	}
}

// TestNothingMatchesAShortKey: an empty key is what a bug or a lost record
// looks like, and its codes are known to everybody.
func TestNothingMatchesAShortKey(t *testing.T) {
	p := Params{Digits: 6, Period: 30 * time.Second, Drift: 1}
	at := time.Unix(1_700_000_000, 0)
	for _, size := range []int{0, 1, 10, MinKeySize - 1, MaxKeySize + 1} {
		key := make([]byte, size)
		code := reference(t, key, uint64(p.Step(at)), p)
		if step, ok := MatchTOTP(key, code, at, p); ok {
			t.Errorf("key of %d bytes matched step %d", size, step)
		}
		if n, ok := MatchHOTP(key, code, uint64(p.Step(at)), 1, p); ok {
			t.Errorf("key of %d bytes matched counter %d", size, n)
		}
		if got := HOTP(key, 0, p); got != "" {
			t.Errorf("key of %d bytes made the code %q", size, got)
		}
	}
}

// TestAcceptanceWindow measures, second by second and at the last nanosecond,
// for how long a code is accepted. Keycloak accepted codes for 60 seconds that
// were meant to live 30 (CVE-2024-7318).
func TestAcceptanceWindow(t *testing.T) {
	key := rfcKeys[SHA1]
	for _, period := range []time.Duration{30 * time.Second, time.Minute} {
		for drift := 0; drift <= MaxDrift; drift++ {
			t.Run(fmt.Sprintf("%v drift %d", period, drift), func(t *testing.T) {
				p := Params{Digits: 8, Period: period, Drift: drift}
				const step = 30_000_000
				start := time.Unix(step*int64(period/time.Second), 0)
				code := TOTP(key, start, p)
				matches := func(at time.Time) bool {
					got, ok := MatchTOTP(key, code, at, p)
					if ok && got != step {
						t.Fatalf("at %v step %d matched; want %d", at, got, step)
					}
					return ok
				}
				var first, last time.Time
				accepted := 0
				for at := start.Add(-10 * period); at.Before(start.Add(10 * period)); at = at.Add(time.Second) {
					if matches(at) {
						if accepted == 0 {
							first = at
						}
						last = at
						accepted++
					}
				}
				wantFirst := start.Add(-time.Duration(drift) * period)
				wantEnd := start.Add(time.Duration(drift+1) * period)
				if !first.Equal(wantFirst) || !last.Equal(wantEnd.Add(-time.Second)) {
					t.Errorf("accepted from %v to %v; want from %v until before %v", first, last, wantFirst, wantEnd)
				}
				if want := (2*drift + 1) * int(period/time.Second); accepted != want {
					t.Errorf("accepted in %d seconds; want %d", accepted, want)
				}
				if matches(wantFirst.Add(-1)) || !matches(wantEnd.Add(-1)) || matches(wantEnd) {
					t.Error("the window does not end at the nanosecond")
				}
			})
		}
	}
}

// TestStepsThatShareACode: two steps within one window may have the same code
// (two such steps found by search). The newest must be returned, so that one
// comparison with the newest spent step refuses every replay and nothing else.
func TestStepsThatShareACode(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 6, Period: 30 * time.Second, Drift: MaxDrift}
	a, b := findTwins(t, key, p)
	code := HOTP(key, a, p)
	during := func(step uint64) time.Time { return time.Unix(int64(step)*30+7, 0) }

	spent := int64(-1)
	accept := func(at time.Time) bool { // what a caller does
		step, ok := MatchTOTP(key, code, at, p)
		if !ok || step <= spent {
			return false
		}
		spent = step
		return true
	}
	if !accept(during(b-MaxDrift-1)) || spent != int64(a) {
		t.Fatalf("before step %d is in reach: spent %d; want %d", b, spent, a)
	}
	if accept(during(b - MaxDrift - 1)) {
		t.Error("a replay of the older step was accepted")
	}
	if !accept(during((a+b)/2)) || spent != int64(b) {
		t.Errorf("unspent step %d was refused because spent step %d has the same code", b, a)
	}
	for step := a; step < b+10; step++ {
		if accept(during(step)) {
			t.Errorf("a replay at step %d was accepted", step)
		}
	}
}

// TestLocate tells apart what a caller must tell apart: good, used, out of
// date, wrong.
func TestLocate(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 8, Period: 30 * time.Second, Drift: 1}
	at := time.Unix(1_700_000_010, 0)
	now := p.Step(at)
	code := func(step int64) string { return HOTP(key, uint64(step), p) }
	const day = 2880
	tests := []struct {
		name     string
		code     string
		from, to int64
		want     int64
		wantOK   bool
	}{
		{"an hour ago", code(now - 120), now - day, now - 2, now - 120, true},
		{"oldest of the range", code(now - day), now - day, now - 2, now - day, true},
		{"newest of the range", code(now - 2), now - day, now - 2, now - 2, true},
		{"older than the range", code(now - day - 1), now - day, now - 2, 0, false},
		{"newer than the range", code(now - 1), now - day, now - 2, 0, false},
		{"from the future", code(now + 100), now + 2, now + 200, now + 100, true},
		{"range of one", code(now), now, now, now, true},
		{"empty range", code(now), now, now - 1, 0, false},
		{"range reaches before 1970", code(3), -100, 5, 3, true},
		{"all before 1970", code(3), -100, -1, 0, false},
		{"step -1 is not step 1<<64-1", code(-1), -100, 5, 0, false},
		{"largest range", code(5), 0, MaxCandidates - 1, 5, true},
		{"range too large", code(5), 0, MaxCandidates, 0, false},
		{"whole range of int64", code(5), math.MinInt64, math.MaxInt64, 0, false},
		{"end of int64", code(math.MaxInt64), math.MaxInt64 - 3, math.MaxInt64, math.MaxInt64, true},
		{"wrong", "00000000", now - day, now + day/3, 0, false},
		{"too short", code(now)[1:], now - 1, now + 1, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Locate(key, tt.code, tt.from, tt.to, p)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("Locate(%d to %d) = %d, %t; want %d, %t", tt.from, tt.to, got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

// TestFindsWhatWasMade: any code is found again at its step from every time in
// the window and, as long as no other step shares it, from no other time.
func TestFindsWhatWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), MinKeySize, MaxKeySize).Draw(t, "key")
		p := Params{
			Algorithm: rapid.SampledFrom([]Algorithm{SHA1, SHA256, SHA512}).Draw(t, "algorithm"),
			Digits:    rapid.IntRange(MinDigits, MaxDigits).Draw(t, "digits"),
			Period:    rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute}).Draw(t, "period"),
			Drift:     rapid.IntRange(0, MaxDrift).Draw(t, "drift"),
		}
		made := time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "made"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		code := TOTP(key, made, p)
		typed := made.Add(time.Duration(rapid.Int64Range(-400, 400).Draw(t, "typed")) * time.Second)
		if typed.Unix() < 0 {
			typed = made
		}
		distance := p.Step(typed) - p.Step(made)
		step, ok := MatchTOTP(key, code, typed, p)
		switch {
		case max(distance, -distance) <= int64(p.Drift):
			if !ok || step < p.Step(made) {
				t.Fatalf("a code %d steps away with drift %d: %d, %t", distance, p.Drift, step, ok)
			}
		case ok && HOTP(key, uint64(step), p) != code:
			t.Fatalf("step %d was returned and has another code", step)
		}
	})
}

// TestOnlyTheRightLengthMatches: every length from 0 to 20 but the right one is
// refused. Another library took one digit for a code (npm otpauth before
// 3.2.8). The code is one that begins with zeros, so that a shorter one has the
// same value as a number.
func TestOnlyTheRightLengthMatches(t *testing.T) {
	key := rfcKeys[SHA1]
	for digits := MinDigits; digits <= MaxDigits; digits++ {
		p := Params{Digits: digits, Period: 30 * time.Second, Drift: MaxDrift}
		at := time.Unix(1_700_000_000, 0)
		for !strings.HasPrefix(TOTP(key, at, p), "000") {
			at = at.Add(p.Period)
		}
		right := TOTP(key, at, p)
		for length := range 21 {
			// Cut or filled up with zeros at either end; each digit alone.
			long := strings.Repeat("0", 20) + right
			tries := []string{long[len(long)-length:], (right + strings.Repeat("0", 20))[:length]}
			for d := range 10 {
				tries = append(tries, strings.Repeat(fmt.Sprint(d), length))
			}
			for _, code := range tries {
				want := code == right
				if _, ok := MatchTOTP(key, code, at, p); ok != want {
					t.Errorf("%d digits: MatchTOTP(%q of length %d) = %t; want %t", digits, code, length, ok, want)
				}
				if _, ok := MatchHOTP(key, code, uint64(p.Step(at)), 1, p); ok != want {
					t.Errorf("%d digits: MatchHOTP(%q of length %d) = %t; want %t", digits, code, length, ok, want)
				}
			}
		}
	}
}
