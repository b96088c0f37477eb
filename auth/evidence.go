package auth

import "log/slog"

// Evidence is what a claimant presented. It is a closed set: Password and Code.
// Every kind prints as "hidden", so that no log, error or test failure can
// carry one.
type Evidence interface{ evidence() }

// Password is a memorized secret as it was typed, whole and unchanged.
type Password string

// Code is a one-time code as it was typed: from an authenticator app, a token
// or a sheet of recovery codes. Factors normalize it; nobody else does.
type Code string

func (Password) evidence() {}
func (Code) evidence()     {}

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

// Secret is a shared secret or key that must not be printed: a NAS's RADIUS
// secret, the seed of a token on its way in.
type Secret []byte

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
