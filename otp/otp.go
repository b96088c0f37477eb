// Package otp computes and matches one-time codes: HOTP (RFC 4226), which
// counts events, and TOTP (RFC 6238), which counts time steps. It hides how a
// code is made from a key, how a typed code is read, and how a key travels in
// Base32 and in an otpauth URI.
//
// It holds no state and reads no clock. Every match returns the counter or
// step that matched, never just "yes": what a caller marks as spent is that
// number, not the typed text, so that no second spelling of a code can be
// accepted again.
//
// Nothing here fails open. With a key below MinKeySize, Params that Validate
// refuses, or a code that is not exactly Digits ASCII digits, nothing matches.
// All functions may be called concurrently.
package otp

import (
	"fmt"
	"strings"
	"time"
)

// Algorithm is the hash under the HMAC. Its zero value is SHA1, which RFC 4226
// prescribes and which the Key URI format takes when nothing is said.
type Algorithm uint8

// The hashes of RFC 6238, Section 1.2.
const (
	SHA1 Algorithm = iota
	SHA256
	SHA512
)

// String returns the name used in otpauth URIs: SHA1, SHA256 or SHA512.
func (a Algorithm) String() string {
	switch a {
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	case SHA512:
		return "SHA512"
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// KeySize is the length in bytes of the output of the hash, which is the
// length that RFC 6238, Section 5.1, recommends for keys, or 0 for an unknown
// Algorithm.
func (a Algorithm) KeySize() int {
	switch a {
	case SHA1:
		return sha1Size
	case SHA256:
		return sha256Size
	case SHA512:
		return sha512Size
	}
	return 0
}

// ParseAlgorithm reads what String writes, in any case.
func ParseAlgorithm(name string) (Algorithm, error) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		if strings.EqualFold(name, a.String()) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("otp: algorithm is not SHA1, SHA256 or SHA512")
}

// MarshalText writes the name, so that stored Params stay readable and do not
// hang on the order of the constants.
func (a Algorithm) MarshalText() ([]byte, error) {
	if a.KeySize() == 0 {
		return nil, fmt.Errorf("otp: unknown algorithm %d", uint8(a))
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (a *Algorithm) UnmarshalText(text []byte) error {
	got, err := ParseAlgorithm(string(text))
	if err != nil {
		return err
	}
	*a = got
	return nil
}

const (
	// MinDigits and MaxDigits bound the length of a code: RFC 4226, R4, asks
	// for at least 6, and its truncation carries little more than 8.
	MinDigits = 6
	MaxDigits = 8

	// MaxDrift bounds Params.Drift. RFC 6238, Section 5.2, recommends at most
	// one step; every further one gives each guess another code to hit.
	MaxDrift = 2

	// MaxCandidates is the largest number of codes that one call compares. It
	// covers a day of 30 second steps and costs a few milliseconds.
	MaxCandidates = 4096
)

// Params says how a token makes its codes. HOTP uses Algorithm and Digits, and
// leaves Period and Drift at 0.
type Params struct {
	Algorithm Algorithm
	Digits    int           // 6, 7 or 8
	Period    time.Duration // length of a time step: 30 s or 60 s; 0 for HOTP
	Drift     int           // steps accepted each side of the current one, 0 (strict) to MaxDrift
}

// Validate says what is wrong with p, as Params of TOTP if Period is set and
// of HOTP otherwise.
func (p Params) Validate() error {
	switch {
	case p.Algorithm.KeySize() == 0:
		return fmt.Errorf("otp: unknown algorithm %d", uint8(p.Algorithm))
	case p.Digits < MinDigits || p.Digits > MaxDigits:
		return fmt.Errorf("otp: codes of %d digits: want %d to %d", p.Digits, MinDigits, MaxDigits)
	case p.Period != 0 && p.Period != 30*time.Second && p.Period != 60*time.Second:
		return fmt.Errorf("otp: time step of %v: want 30 s or 60 s", p.Period)
	case p.Period == 0 && p.Drift != 0:
		return fmt.Errorf("otp: drift of %d steps without a time step", p.Drift)
	case p.Drift < 0 || p.Drift > MaxDrift:
		return fmt.Errorf("otp: drift of %d steps: want 0 to %d", p.Drift, MaxDrift)
	}
	return nil
}

// usable reports whether p and key may make or match codes at all.
func (p Params) usable(key []byte) bool {
	return len(key) >= MinKeySize && len(key) <= MaxKeySize && p.Validate() == nil
}
