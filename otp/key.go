package otp

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
)

const (
	// MinKeySize is 128 bits, below which RFC 4226, R6, allows no key.
	MinKeySize = 16

	// GoodKeySize is 160 bits, which RFC 4226, R6, recommends.
	GoodKeySize = 20

	// MaxKeySize is the block of SHA-512, the longest key that HMAC uses whole.
	MaxKeySize = 128
)

// NewKey returns a random key as long as the hash of a: 160, 256 or 512 bits.
// It panics if a is unknown.
func NewKey(a Algorithm) []byte {
	key := make([]byte, a.KeySize())
	if len(key) == 0 {
		panic("otp: new key for " + a.String())
	}
	rand.Read(key) // never fails: the program ends if the system has no randomness
	return key
}

// CheckKey judges the length of a key that somebody else made. It returns an
// error if the key may not be used, and weak if it may but is shorter than
// RFC 4226, R6, recommends, which an administrator should be told.
func CheckKey(key []byte) (weak bool, err error) {
	switch n := len(key); {
	case n < MinKeySize:
		return false, fmt.Errorf("otp: key of %d bits is too short: at least %d are needed", n*8, MinKeySize*8)
	case n > MaxKeySize:
		return false, fmt.Errorf("otp: key of %d bits is too long: at most %d are read", n*8, MaxKeySize*8)
	default:
		return n < GoodKeySize, nil
	}
}

var keyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// EncodeKey returns key in Base32 (RFC 4648, Section 6) without padding, the
// form in which people type it and authenticator apps expect it.
func EncodeKey(key []byte) string {
	return keyEncoding.EncodeToString(key)
}

// DecodeKey reads a key in Base32 as people type and vendors print it: either
// case, spaces and hyphens between groups, with or without padding. Letters
// outside the alphabet, among them 0, 1, 8 and 9, are refused, not guessed at.
// The unused bits of the last letter are ignored, as authenticator apps do.
//
// Only the text is judged; CheckKey judges the length. Errors never contain
// any of the text.
func DecodeKey(text string) ([]byte, error) {
	const maxText = 1024
	if len(text) > maxText {
		return nil, fmt.Errorf("otp: decode key: longer than %d characters", maxText)
	}
	letters := make([]byte, 0, len(text))
	for i, c := range []byte(strings.TrimRight(strings.TrimSpace(text), "=")) {
		switch {
		case c == ' ' || c == '-':
		case c >= 'a' && c <= 'z':
			letters = append(letters, c-'a'+'A')
		case c >= 'A' && c <= 'Z' || c >= '2' && c <= '7':
			letters = append(letters, c)
		default:
			return nil, fmt.Errorf("otp: decode key: character %d is not Base32 (A to Z, 2 to 7)", i+1)
		}
	}
	switch len(letters) % 8 {
	case 1, 3, 6: // no whole number of bytes has this many letters
		return nil, fmt.Errorf("otp: decode key: %d Base32 characters are no whole number of bytes; some are missing", len(letters))
	}
	if len(letters) == 0 {
		return nil, fmt.Errorf("otp: decode key: empty")
	}
	key, err := keyEncoding.DecodeString(string(letters))
	if err != nil {
		return nil, fmt.Errorf("otp: decode key: not Base32")
	}
	return key, nil
}

// Key is key material that does not print: formatted, logged or marshalled it
// says "hidden". It converts to and from []byte by plain assignment.
type Key []byte

const hidden = "hidden"

// Format writes "hidden" for every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText returns "hidden". Encoders of JSON, XML and log records use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }
