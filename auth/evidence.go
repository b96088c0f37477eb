package auth

import (
	"crypto/sha256"
	"log/slog"
)

// Evidence is what a claimant presented. It is a closed set: Password, Code,
// Assertion, and PasskeyWanted, which presents nothing yet. Every kind prints as "hidden", so that no log, error or test failure can
// carry one.
type Evidence interface{ evidence() }

// Password is a memorized secret as it was typed, whole and unchanged.
type Password string

// Code is a one-time code as it was typed: from an authenticator app, a token
// or a sheet of recovery codes. Factors normalize it; nobody else does.
type Code string

// Assertion is the answer of a WebAuthn authenticator to a challenge, as JSON of
// a PublicKeyCredential (Web Authentication Level 3, Section 5.1.8). The
// challenge that it must have signed is AssertionChallenge of the Attempt's
// State.
type Assertion string

// PasskeyWanted says in a first request that the claimant would rather be asked
// for a passkey than show a password. It counts only at a door that can carry
// one (Can.Passkey).
type PasskeyWanted struct{}

func (Password) evidence()      {}
func (Code) evidence()          {}
func (Assertion) evidence()     {}
func (PasskeyWanted) evidence() {}

// AssertionChallenge is the challenge for WebAuthn that belongs to the State of
// a Decision: 32 octets. Whoever has the State can compute it; an answer counts
// once, because the State does.
func AssertionChallenge(state []byte) []byte {
	sum := sha256.Sum256(append([]byte("sallyport assertion challenge\x00"), state...))
	return sum[:]
}

const hidden = "hidden"

// The methods below keep evidence out of everything that prints.

func (Password) String() string               { return hidden }
func (Password) GoString() string             { return hidden }
func (Password) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Password) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

func (Code) String() string               { return hidden }
func (Code) GoString() string             { return hidden }
func (Code) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Code) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

func (Assertion) String() string               { return hidden }
func (Assertion) GoString() string             { return hidden }
func (Assertion) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Assertion) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Secret is a shared secret or key that must not be printed: a NAS's RADIUS
// secret, the seed of a token on its way in.
type Secret []byte

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
