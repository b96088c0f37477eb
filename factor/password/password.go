// Package password is the factor "password": a secret that the claimant
// remembers and that we keep as an argon2id hash (RFC 9106). It hides how
// passwords are normalized, hashed, compared and moved from other systems'
// hashes to our own.
//
// In SP 800-63B-4 terms it is a password: something the claimant knows, neither
// replay-resistant nor phishing-resistant. The manual page is README.md beside
// this file.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"sallyport/auth"
	"sallyport/kdf"
)

// Factor verifies passwords. Its fields are read-only once in use; the zero
// Factor accepts nothing and binds nothing.
type Factor struct {
	Params kdf.Params // costs of new hashes; older, cheaper ones are replaced as people log in
	Lanes  *kdf.Lanes // where hashes are computed; shared with every factor that hashes
}

var _ auth.Factor = (*Factor)(nil)

const name = "password"

const (
	minLength = 8    // characters; SP 800-63B-4, Section 3.1.1.2, for a password that is one factor of several
	maxLength = 1024 // octets; longer ones cost the same and are wrong
	saltSize  = 16   // octets (RFC 9106, Section 3.1)
	keySize   = 32   // octets
)

// Info implements auth.Factor.
func (f *Factor) Info() auth.Info {
	return auth.Info{
		Name:     name,
		Title:    "Password",
		Category: auth.Know,
		Verified: auth.PasswordVerified,
	}
}

// Bind makes an authenticator from b.Secret: a new password, or with b.Hashed
// the hash of one in a format that README.md lists. A new password is refused
// if it is short, overlong, not UTF-8, commonly used, or the account's or the
// issuer's name (b.Account, b.Issuer). An imported hash is refused if it is too
// weak to keep or too costly to compute; nothing can be said of the password
// behind it.
func (f *Factor) Bind(ctx context.Context, b auth.Binding) (auth.Bound, error) {
	if b.Hashed {
		state := importMark + string(b.Secret)
		if _, err := parse([]byte(state)); err != nil {
			return auth.Bound{}, fmt.Errorf("password: %w: %w", auth.ErrBind, err)
		}
		return auth.Bound{State: auth.Secret(state), Mark: auth.NoMark}, nil
	}
	if reason := unfit(b); reason != "" {
		return auth.Bound{}, fmt.Errorf("password: %w: %s", auth.ErrBind, reason)
	}
	if err := f.Params.Check(); err != nil {
		return auth.Bound{}, fmt.Errorf("password: hash a new password: %w", err)
	}
	var state auth.Secret
	err := f.Lanes.Do(ctx, func(lane kdf.Lane) { state = f.hash(lane, norm.NFC.Bytes(b.Secret)) })
	if err != nil {
		return auth.Bound{}, fault("hash a new password", err)
	}
	return auth.Bound{State: state, Mark: auth.NoMark}, nil
}

// unfit says why a new password cannot be taken, "" if it can. There are no
// rules of composition: SP 800-63B-4, Section 3.1.1.2, forbids them.
func unfit(b auth.Binding) string {
	switch {
	case len(b.Secret) == 0:
		return "the password is empty"
	case len(b.Secret) > maxLength:
		return fmt.Sprintf("the password is longer than %d octets", maxLength)
	case !utf8.Valid(b.Secret):
		return "the password is not UTF-8"
	}
	password := norm.NFC.String(string(b.Secret))
	switch {
	case utf8.RuneCountInString(password) < minLength:
		return fmt.Sprintf("the password is shorter than %d characters", minLength)
	case common(password):
		return "the password is one of the first that anybody tries"
	case b.Account != "" && strings.EqualFold(password, norm.NFC.String(b.Account)):
		return "the password is the account's name"
	case b.Issuer != "" && strings.EqualFold(password, norm.NFC.String(b.Issuer)):
		return "the password is the name of this service"
	}
	return ""
}

// hash returns the state that keeps secret, which is in its normal form.
func (f *Factor) hash(lane kdf.Lane, secret []byte) auth.Secret {
	h := kdf.Hash{Params: f.Params, Salt: make([]byte, saltSize)}
	rand.Read(h.Salt) // never fails; it ends the program instead
	h.Key = lane.Argon2id(h.Params, secret, h.Salt, keySize)
	return auth.Secret(h.PHC())
}

// Verify compares a password, whole and octet by octet after Unicode
// normalization (NFC), with the hash. What it does, and so the time it takes,
// depends on the hash that is kept and not on whether the password is right:
// where a match replaces the hash, a mismatch computes the new one too and
// throws it away.
//
// An error wraps auth.ErrBusy if there was no lane in time.
func (f *Factor) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	typed, ok := passwordOf(at.Evidence)
	if !ok {
		return auth.Finding{}, nil
	}
	kept, err := parse(a.State)
	if err != nil {
		return auth.Finding{}, fmt.Errorf("password: read state of authenticator %s: %w", a.ID, err)
	}
	if err := f.Params.Check(); err != nil {
		return auth.Finding{}, fmt.Errorf("password: verify authenticator %s: %w", a.ID, err)
	}
	// An empty password is never right (CVE-2017-14623), nor is one that we
	// would not have taken; but they take as long as any other.
	possible := typed != "" && len(typed) <= maxLength
	raw := []byte(typed[:min(len(typed), maxLength)])
	normal := norm.NFC.Bytes(raw)

	var match bool
	var next auth.Secret
	err = f.Lanes.Do(ctx, func(lane kdf.Lane) {
		match = kept.match(lane, raw, normal)
		if kept.imported != nil || kept.own.Below(f.Params) {
			next = f.hash(lane, normal)
		}
	})
	switch {
	case err != nil:
		return auth.Finding{}, fault("verify authenticator "+a.ID, err)
	case !match || !possible:
		return auth.Mismatched(auth.PasswordWrong), nil
	case next != nil:
		return auth.MatchedNext(a.Mark, next), nil
	}
	return auth.Matched(a.Mark), nil
}

// Decoy implements auth.Factor: a hash at the costs of new ones whose key is
// random, so that nobody, we included, knows a password for it.
func (f *Factor) Decoy() auth.Authenticator {
	h := kdf.Hash{Params: f.Params, Salt: make([]byte, saltSize), Key: make([]byte, keySize)}
	rand.Read(h.Salt)
	rand.Read(h.Key)
	return auth.Authenticator{ID: "decoy", Factor: name, State: auth.Secret(h.PHC()), Mark: auth.NoMark}
}

// passwordOf returns the first password among the evidence. A further one
// would be a second guess for the price of one, and is not looked at.
func passwordOf(all []auth.Evidence) (string, bool) {
	for _, e := range all {
		if p, ok := e.(auth.Password); ok {
			return string(p), true
		}
	}
	return "", false
}

// fault wraps an error of the lanes.
func fault(doing string, err error) error {
	if errors.Is(err, kdf.ErrBusy) {
		return fmt.Errorf("password: %s: %w: %w", doing, auth.ErrBusy, err)
	}
	return fmt.Errorf("password: %s: %w", doing, err)
}

// kept is what the state of an authenticator says: a hash of our own or, with
// imported set, one of another system.
type kept struct {
	own      kdf.Hash
	imported judge
}

// importMark begins a state that holds another system's hash.
const importMark = "import:"

// parse reads a state. Errors say nothing of the hash.
func parse(state []byte) (kept, error) {
	if foreign, ok := strings.CutPrefix(string(state), importMark); ok {
		j, err := parseImport(foreign)
		return kept{imported: j}, err
	}
	h, err := kdf.Parse(string(state))
	if err != nil {
		return kept{}, err
	}
	if len(h.Salt) != saltSize || len(h.Key) != keySize {
		return kept{}, errors.New("the lengths of salt and key are not ours")
	}
	return kept{own: h}, nil
}

// match reports whether the password is the one that was hashed. Our hashes
// are made of the normal form. Other systems hashed what was typed, so for
// theirs that is tried first, and both are always computed.
func (k kept) match(lane kdf.Lane, raw, normal []byte) bool {
	if k.imported == nil {
		key := lane.Argon2id(k.own.Params, normal, k.own.Salt, keySize)
		return subtle.ConstantTimeCompare(key, k.own.Key) == 1
	}
	match := k.imported(lane, raw)
	if string(raw) != string(normal) {
		match = k.imported(lane, normal) || match
	}
	return match
}
