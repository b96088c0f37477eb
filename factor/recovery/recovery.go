// Package recovery is the factor "recovery": ten codes on a sheet, each good
// for one login when app or token is out of reach. It hides how codes are
// made, spelled, hashed and used up.
//
// In SP 800-63B-4 terms (Section 3.1.2) it is a set of look-up secrets:
// something the claimant has, replay-resistant, not phishing-resistant. The
// manual page is README.md beside this file.
package recovery

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sallyport/auth"
	"sallyport/kdf"
)

// Factor verifies recovery codes. Its fields are read-only once in use; the
// zero Factor accepts nothing and binds nothing.
type Factor struct {
	Params kdf.Params // costs of the hashes of new sets; a set keeps its own
	Lanes  *kdf.Lanes // where hashes are computed; shared with every factor that hashes
}

var _ auth.Factor = (*Factor)(nil)

const name = "recovery"

const (
	codes    = 10 // in a set
	saltSize = 16 // octets; SP 800-63B-4, Section 3.1.2.2, asks for four at least
	keySize  = 32 // octets
)

// Info implements auth.Factor.
func (f *Factor) Info() auth.Info {
	return auth.Info{
		Name:     name,
		Title:    "Recovery codes",
		Category: auth.Have,
		Verified: auth.RecoveryCodeVerified,
		Prompt:   "Enter one of your recovery codes.",
		StandIn:  true,
	}
}

// state is what we keep for one set of codes. Codes have 50 bits, which is less
// than the 112 from which a plain hash would do: they are salted and hashed as
// passwords are (SP 800-63B-4, Section 3.1.2.2). The salt is the set's, so that
// one computation judges a guess against all ten; as each set has its own, two
// sets cannot be attacked at the price of one.
type state struct {
	Params kdf.Params `json:"params"`
	Salt   []byte     `json:"salt"`
	Keys   [][]byte   `json:"keys"`
	Used   []bool     `json:"used"` // by position in Keys
}

// Bind makes a new set of codes, whatever b says. Bound.Codes is their only
// appearance in clear.
func (f *Factor) Bind(ctx context.Context, _ auth.Binding) (auth.Bound, error) {
	if err := f.Params.Check(); err != nil {
		return auth.Bound{}, fmt.Errorf("recovery: hash new codes: %w", err)
	}
	s := state{Params: f.Params, Salt: make([]byte, saltSize), Used: make([]bool, codes)}
	rand.Read(s.Salt) // never fails; it ends the program instead
	bound := auth.Bound{Mark: auth.NoMark}
	for len(bound.Codes) < codes {
		code := newCode()
		if slices.Contains(bound.Codes, code.written()) {
			continue // two of one kind would be one code that works twice
		}
		// One lane for each hash and not for all: logins get their turn in between.
		err := f.Lanes.Do(ctx, func(lane kdf.Lane) { s.Keys = append(s.Keys, s.hash(lane, code)) })
		if err != nil {
			return auth.Bound{}, fault("hash new codes", err)
		}
		bound.Codes = append(bound.Codes, code.written())
	}
	var err error
	if bound.State, err = s.encode(); err != nil {
		return auth.Bound{}, err
	}
	return bound, nil
}

// Verify accepts a code of the set that is not used yet, and returns the set
// with that code used. It tells a code that has been used (RecoveryCodeUsed)
// from one that is not of the set (RecoveryCodeWrong). All three take the same
// time. What has not the form of a recovery code is not ours and costs
// nothing, so that codes of apps and tokens never wait for a lane.
//
// After the database has gone back in time (Authenticator.Rewound) nobody knows
// which codes were used since: all are refused, right or wrong
// (ResyncRequired), in the same time, until a new set is bound.
//
// An error wraps auth.ErrBusy if there was no lane in time.
func (f *Factor) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	typed, ok := codeOf(at.Evidence)
	if !ok {
		return auth.Finding{}, nil
	}
	s, err := decode(a.State)
	if err != nil {
		return auth.Finding{}, fmt.Errorf("recovery: read state of authenticator %s: %w", a.ID, err)
	}
	var guess []byte
	if err := f.Lanes.Do(ctx, func(lane kdf.Lane) { guess = s.hash(lane, typed) }); err != nil {
		return auth.Finding{}, fault("verify authenticator "+a.ID, err)
	}
	found := -1
	for i, key := range s.Keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(key, guess), i, found)
	}
	switch {
	case a.Rewound:
		return auth.Mismatched(auth.ResyncRequired), nil
	case found < 0:
		return auth.Mismatched(auth.RecoveryCodeWrong), nil
	case s.Used[found]:
		return auth.Mismatched(auth.RecoveryCodeUsed), nil
	}
	s.Used[found] = true
	next, err := s.encode()
	if err != nil {
		return auth.Finding{}, err
	}
	return auth.MatchedNext(a.Mark, next), nil
}

// Left returns how many codes of a set are unused: 0 to 10. After the database
// has gone back in time it is 0, because none is accepted then.
func (f *Factor) Left(a auth.Authenticator) (int, error) {
	s, err := decode(a.State)
	if err != nil {
		return 0, fmt.Errorf("recovery: read state of authenticator %s: %w", a.ID, err)
	}
	left := 0
	for _, used := range s.Used {
		if !used && !a.Rewound {
			left++
		}
	}
	return left, nil
}

// Decoy implements auth.Factor: a set whose keys are random, so that nobody,
// we included, knows a code for it.
func (f *Factor) Decoy() auth.Authenticator {
	s := state{Params: f.Params, Salt: make([]byte, saltSize), Used: make([]bool, codes)}
	rand.Read(s.Salt)
	for range codes {
		key := make([]byte, keySize)
		rand.Read(key)
		s.Keys = append(s.Keys, key)
	}
	secret, err := s.encode()
	if err != nil {
		secret = nil // Verify will refuse it with an error
	}
	return auth.Authenticator{ID: "decoy", Factor: name, State: secret, Mark: auth.NoMark}
}

// fault wraps an error of the lanes.
func fault(doing string, err error) error {
	if errors.Is(err, kdf.ErrBusy) {
		return fmt.Errorf("recovery: %s: %w: %w", doing, auth.ErrBusy, err)
	}
	return fmt.Errorf("recovery: %s: %w", doing, err)
}

func (s *state) hash(lane kdf.Lane, c code) []byte {
	return lane.Argon2id(s.Params, []byte(c), s.Salt, keySize)
}

func (s *state) encode() (auth.Secret, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("recovery: encode state: %w", err)
	}
	return b, nil
}

// decode reads what encode writes, and only that. Its errors say nothing of
// the hashes.
func decode(secret auth.Secret) (state, error) {
	var s state
	if err := json.Unmarshal(secret, &s); err != nil {
		return state{}, errors.New("it is not JSON of the right shape")
	}
	if again, err := json.Marshal(&s); err != nil || !bytes.Equal(again, secret) {
		return state{}, errors.New("it is not written as we write it")
	}
	if err := s.Params.Check(); err != nil {
		return state{}, err
	}
	if len(s.Salt) != saltSize || len(s.Keys) != codes || len(s.Used) != codes {
		return state{}, errors.New("salt, keys and used do not have the right lengths")
	}
	for _, key := range s.Keys {
		if len(key) != keySize {
			return state{}, errors.New("a key has not the right length")
		}
	}
	return s, nil
}
