package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrBind says that a Binding cannot become an authenticator. Factors wrap it
// with what is wrong, in words for the person who asked.
var ErrBind = errors.New("cannot bind")

// ErrBusy says that a factor had no capacity left in time. The engine answers
// Unavailable; nothing was judged.
var ErrBusy = errors.New("no capacity left")

// A Factor is one kind of authenticator. It reads its arguments and returns
// values; it changes nothing of ours, reads no clock and opens nothing. All
// methods may be called concurrently.
type Factor interface {
	Info() Info

	// Bind makes a new authenticator of this kind from what b brings. It
	// returns ErrBind (wrapped, saying what is wrong with b) if b cannot
	// become one.
	Bind(ctx context.Context, b Binding) (Bound, error)

	// Verify judges the attempt's evidence against one authenticator. Evidence
	// of another kind is a Finding with the zero Outcome: not mine. An error
	// means that we are broken or out of capacity, never that the claimant was
	// wrong. Verify spends nothing itself: what it matched is spent by the
	// Finding, which the engine commits before anyone hears "accepted".
	Verify(ctx context.Context, a Authenticator, at Attempt) (Finding, error)

	// Decoy returns an authenticator that no evidence matches and that costs
	// Verify as much as a real one. The engine verifies against it where an
	// account has none, or where there is no account, so that time tells
	// nothing.
	Decoy() Authenticator
}

// A Resyncer is a factor whose moving factor can be found again from two
// consecutive codes (RFC 4226, Section 7.4).
type Resyncer interface {
	Factor
	// Resync returns a matching Finding whose Mark is the second code's moving
	// factor, or a mismatch. It never moves the mark back.
	Resync(ctx context.Context, a Authenticator, first, second Code, at time.Time) (Finding, error)
}

// Category says what kind of thing a factor proves, in the words of SP 800-63B.
type Category uint8

const (
	Know Category = iota + 1 // something the claimant knows
	Have                     // something the claimant has
)

// Info describes a factor.
type Info struct {
	Name     string // "oath"; stable, stored with every authenticator
	Title    string // "Authenticator app or token", for people
	Category Category
	Verified Outcome // the outcome of an accept that this factor completed
	Prompt   string  // what a person is asked at a challenge, "" if it cannot be asked for
	// PINPrompt is what a person is asked who has a PIN (PINFactor), which is then
	// typed right after the code. "" means that its codes stand by themselves.
	PINPrompt string
	// StandIn says that it stands in for others that are not at hand, so that
	// nobody is asked for it who holds another.
	StandIn bool
	// Passkey says that its evidence is an Assertion, which only some doors can
	// carry (Can.Passkey).
	Passkey bool
	// Both says that it is a multi-factor authenticator (SP 800-63B-4, Section
	// 3.1.7): a match proves a first factor as well, because nobody can use it
	// without a PIN or biometric that the authenticator itself has checked.
	Both bool
}

// A Binding is what a new authenticator is made from. Which fields a factor
// reads is said in its package.
type Binding struct {
	Account string // canonical name, for labels
	Issuer  string // who issues it, for authenticator apps
	Label   string
	Secret  Secret // a password, or a password hash to import
	Hashed  bool   // Secret is a hash in a known format rather than the password
	Token   *Token // a seed that was made elsewhere
	// Registration is what a WebAuthn authenticator answered to a registration
	// with the challenge Challenge for the user handle User (the account's ID).
	Registration Secret
	Challenge    []byte
	User         string
}

// A Token is the seed of an OATH token made elsewhere.
type Token struct {
	Serial    string
	Key       Secret
	Algorithm string // "SHA1", "SHA256" or "SHA512"
	Digits    int
	Period    time.Duration // of a TOTP token; 0 means that the token is HOTP
	Counter   uint64        // the next counter of an HOTP token
}

// Bound is a new authenticator's state, and what its owner must be shown once.
type Bound struct {
	State  Secret
	Mark   int64
	Serial string
	URI    string   // otpauth URI, "" if there is none
	Codes  []string // recovery codes, nil if there are none
}

// A Finding is what a factor learned from one look at the evidence. The zero
// Finding means "not mine" and matches nothing.
type Finding struct {
	match   bool
	outcome Outcome
	mark    int64
	next    Secret
}

// Matched says that the evidence proves the authenticator, and that Mark moves
// to mark. Pass the authenticator's own Mark if the factor has no moving part.
func Matched(mark int64) Finding { return Finding{match: true, mark: mark} }

// MatchedNext is Matched with a new state to keep in place of the old.
func MatchedNext(mark int64, next Secret) Finding {
	return Finding{match: true, mark: mark, next: next}
}

// Mismatched says that the evidence does not prove the authenticator, and why.
func Mismatched(why Outcome) Finding { return Finding{outcome: why} }

// The methods below keep a new state out of everything that prints: fmt calls
// no method of an unexported field.

func (f Finding) String() string {
	switch {
	case f.match:
		return "match"
	case f.outcome == 0:
		return "not mine"
	}
	return f.outcome.String()
}
func (f Finding) GoString() string     { return f.String() }
func (f Finding) LogValue() slog.Value { return slog.StringValue(f.String()) }

// Match reports whether the evidence proved the authenticator.
func (f Finding) Match() bool { return f.match }

// Outcome says why it did not match; zero means that the evidence was not of
// this factor's kind.
func (f Finding) Outcome() Outcome { return f.outcome }

// Mark is the moving factor that a match spends.
func (f Finding) Mark() int64 { return f.mark }

// Next is the state that replaces the authenticator's, nil to keep it.
func (f Finding) Next() Secret { return f.next }
