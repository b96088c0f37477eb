// Package pin judges PINs: digits that a person types right after the code of an
// app or token, so that whoever finds the one without knowing the other stays
// out (auth.PINs).
//
// A PIN is no authenticator of SP 800-63B: it is checked here together with the
// code, stands in for no password and unlocks nothing. As with passwords (SP
// 800-63B-4, Section 3.1.1.2) guesses are counted by the engine, and what is kept
// is salted and hashed, and sealed by the store. The manual page is README.md
// beside this file; docs/decisions/0013 says why the hash is a fast one.
package pin

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"sallyport/auth"
	"sallyport/otp"
)

// MaxDigits is the length of the longest PIN.
const MaxDigits = 16

const (
	minDigits     = 4  // what no setting goes below
	maxRemembered = 24 // former PINs
	run           = 3  // digits that are alike, or count up or down
)

// PINs judges PINs. Its field is read-only once in use.
type PINs struct {
	Rules auth.PINRules
}

var _ auth.PINs = (*PINs)(nil)

// Check reports what is wrong with the rules.
func (p *PINs) Check() error {
	r := p.Rules
	if r.MinDigits < minDigits || r.MinDigits > MaxDigits || r.Remembered < 0 || r.Remembered > maxRemembered || r.MaxAge < 0 {
		return fmt.Errorf("pin: rules %+v are out of range", r)
	}
	return nil
}

// state is what we keep of a PIN, beside when it was set, which is its
// authenticator's Created.
type state struct {
	digits int // how many the PIN has
	salt   [saltSize]byte
	hash   [sha256.Size]byte
	former [][sha256.Size]byte // the newest first, under the same salt
}

const (
	stateVersion = 1
	saltSize     = 16
	stateHeader  = 1 + 1 + saltSize + sha256.Size // version, digits, salt, hash
)

func (s *state) encode() auth.Secret {
	b := make([]byte, 0, stateHeader+len(s.former)*sha256.Size)
	b = append(b, stateVersion, byte(s.digits))
	b = append(b, s.salt[:]...)
	b = append(b, s.hash[:]...)
	for i := range s.former {
		b = append(b, s.former[i][:]...)
	}
	return b
}

func decode(a auth.Authenticator) (state, error) {
	b := a.State
	if len(b) < stateHeader || b[0] != stateVersion || (len(b)-stateHeader)%sha256.Size != 0 ||
		b[1] < minDigits || b[1] > MaxDigits || len(b) > stateHeader+maxRemembered*sha256.Size {
		return state{}, fmt.Errorf("pin: state of authenticator %s is not of version %d", a.ID, stateVersion)
	}
	s := state{digits: int(b[1])}
	copy(s.salt[:], b[2:])
	copy(s.hash[:], b[2+saltSize:])
	for b = b[stateHeader:]; len(b) > 0; b = b[sha256.Size:] {
		s.former = append(s.former, [sha256.Size]byte(b))
	}
	return s, nil
}

func (s *state) hashOf(digits []byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.salt[:])
	h.Write(digits)
	h.Sum(sum[:0])
	return sum
}

// New returns the state of a PIN, as a person has typed it; before is the one
// that they had, with its state, nil if they had none. It returns auth.ErrBind,
// wrapped with what is wrong, in words for the person, if the rules refuse it.
func (p *PINs) New(typed auth.Secret, before *auth.Authenticator) (auth.Secret, error) {
	digits := []byte(typed)
	switch {
	case len(digits) < p.Rules.MinDigits:
		return nil, refused("it has fewer than %d digits", p.Rules.MinDigits)
	case len(digits) > MaxDigits:
		return nil, refused("it has more than %d digits", MaxDigits)
	case bytes.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }):
		return nil, refused("it has something other than the digits 0 to 9 in it")
	}
	for i := range len(digits) - run + 1 {
		switch a, b, c := int(digits[i]), int(digits[i+1]), int(digits[i+2]); {
		case a == b && b == c:
			return nil, refused("it has the same digit three times in a row")
		case b-a == c-b && (b-a == 1 || b-a == -1):
			return nil, refused("three of its digits count up or down, as in 345")
		}
	}
	if len(digits)%2 == 0 && bytes.Equal(digits[:len(digits)/2], digits[len(digits)/2:]) {
		return nil, refused("its second half repeats the first")
	}
	s := state{digits: len(digits)}
	rand.Read(s.salt[:]) // never fails; it ends the program instead
	if before != nil {
		old, err := decode(*before)
		if err != nil {
			return nil, err
		}
		s.salt = old.salt
		s.former = append([][sha256.Size]byte{old.hash}, old.former...)
		s.former = s.former[:min(len(s.former), p.Rules.Remembered)]
	}
	s.hash = s.hashOf(digits)
	for i := range s.former {
		if hmac.Equal(s.former[i][:], s.hash[:]) {
			return nil, refused("you have had it before; the last %d cannot be taken again", p.Rules.Remembered)
		}
	}
	return s.encode(), nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", auth.ErrBind, fmt.Sprintf(format, args...))
}

// Split implements auth.PINs. Blanks between the digits count as they do in
// codes (otp.Normalize). Whether a PIN is right takes the same time for all that
// are typed.
func (p *PINs) Split(pin auth.Authenticator, typed auth.Code, at time.Time) (auth.Code, auth.Outcome, error) {
	s, err := decode(pin)
	if err != nil {
		return typed, auth.InternalFault, err
	}
	all, ok := otp.Normalize(string(typed))
	end := len(all) - s.digits
	whole := !ok || end < otp.MinDigits || end > otp.MaxDigits
	if whole { // hashed all the same
		all, end = missing[:s.digits], 0
	}
	sum := s.hashOf([]byte(all[end:]))
	right := hmac.Equal(sum[:], s.hash[:])
	expires, expiring := p.Rules.Expires(pin.Created)
	switch {
	case whole:
		return typed, auth.PINWrong, nil
	case !right:
		return auth.Code(all[:end]), auth.PINWrong, nil
	case expiring && !at.Before(expires):
		return auth.Code(all[:end]), auth.PINExpired, nil
	}
	return auth.Code(all[:end]), 0, nil
}

// missing is hashed where no PIN was typed.
const missing = "----------------"

// Decoy implements auth.PINs: a hash of six digits that no digits have.
func (p *PINs) Decoy() auth.Authenticator {
	s := state{digits: 6}
	rand.Read(s.salt[:])
	rand.Read(s.hash[:])
	return auth.Authenticator{ID: "decoy", Factor: auth.PINFactor, State: s.encode(), Mark: auth.NoMark}
}

// Bounds implements admin.PINs.
func (p *PINs) Bounds() (auth.PINRules, int) { return p.Rules, MaxDigits }
