// Package oath is the factor "oath": a code from an authenticator app or
// hardware token that shares a key with us, and a clock (TOTP, RFC 6238) or a
// counter (HOTP, RFC 4226).
//
// In SP 800-63B terms it is a single-factor OTP authenticator: something the
// claimant has, replay-resistant, not phishing-resistant. The manual page is
// README.md beside this file.
package oath

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"sallyport/auth"
	"sallyport/otp"
)

// Factor verifies OATH codes. Its fields are read-only once in use.
type Factor struct {
	// Drift is how many time steps a TOTP code may be early or late: 1, or 0
	// in strict mode (OWASP ASVS 6.5.5).
	Drift int
}

var _ auth.Resyncer = (*Factor)(nil)

const (
	lookAhead = 5    // HOTP counters tried ahead (RFC 4226, Section 7.4)
	lookBack  = 20   // steps or counters searched to tell an old code from a wrong one
	resyncAll = 1000 // HOTP counters searched for two consecutive codes
	resyncOff = 120  // TOTP steps searched either way for two consecutive codes: an hour at 30 s
)

// Info implements auth.Factor.
func (f *Factor) Info() auth.Info {
	return auth.Info{
		Name:      "oath",
		Title:     "Authenticator app or token",
		Category:  auth.Have,
		Verified:  auth.OATHCodeVerified,
		Prompt:    "Enter the code from your authenticator app or token.",
		PINPrompt: "Enter the code from your authenticator app or token, and your PIN right after it.",
	}
}

// state is what we keep for one authenticator. The newest accepted step or
// counter is not in it but is the authenticator's Mark.
type state struct {
	params otp.Params // Drift is the factor's; Period 0 means HOTP
	offset int64      // steps by which the token's clock is ahead of ours, found by Resync
	key    []byte
}

const (
	stateVersion = 1
	stateHeader  = 1 + 1 + 1 + 2 + 8 // version, algorithm, digits, period in seconds, offset
)

func (s state) encode() auth.Secret {
	b := make([]byte, 0, stateHeader+len(s.key))
	b = append(b, stateVersion, byte(s.params.Algorithm), byte(s.params.Digits))
	b = binary.BigEndian.AppendUint16(b, uint16(s.params.Period/time.Second))
	b = binary.BigEndian.AppendUint64(b, uint64(s.offset))
	return append(b, s.key...)
}

func (f *Factor) decode(a auth.Authenticator) (state, error) {
	b := a.State
	if len(b) < stateHeader || b[0] != stateVersion {
		return state{}, fmt.Errorf("oath: state of authenticator %s is not of version %d", a.ID, stateVersion)
	}
	s := state{
		params: otp.Params{
			Algorithm: otp.Algorithm(b[1]),
			Digits:    int(b[2]),
			Period:    time.Duration(binary.BigEndian.Uint16(b[3:])) * time.Second,
		},
		offset: int64(binary.BigEndian.Uint64(b[5:])),
		key:    b[stateHeader:],
	}
	if s.params.Period > 0 {
		s.params.Drift = f.Drift
	}
	if err := s.params.Validate(); err != nil {
		return state{}, fmt.Errorf("oath: state of authenticator %s: %w", a.ID, err)
	}
	if _, err := otp.CheckKey(s.key); err != nil {
		return state{}, fmt.Errorf("oath: state of authenticator %s: %w", a.ID, err)
	}
	return s, nil
}

// Bind makes an authenticator from b.Token or, without one, with a key of our
// making and the parameters that every authenticator app understands: SHA-1,
// six digits, 30 s.
func (f *Factor) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	if b.Token != nil {
		return bindToken(b.Token)
	}
	e := otp.Enrolment{
		Issuer: b.Issuer, Account: b.Account, Key: otp.NewKey(otp.SHA1),
		Params: otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second},
	}
	uri, err := e.URI()
	if err != nil {
		return auth.Bound{}, fmt.Errorf("%w: %w", auth.ErrBind, err)
	}
	return auth.Bound{State: state{params: e.Params, key: e.Key}.encode(), Mark: auth.NoMark, URI: uri}, nil
}

func bindToken(t *auth.Token) (auth.Bound, error) {
	algorithm, err := otp.ParseAlgorithm(t.Algorithm)
	if err != nil {
		return auth.Bound{}, fmt.Errorf("%w: %w", auth.ErrBind, err)
	}
	s := state{params: otp.Params{Algorithm: algorithm, Digits: t.Digits, Period: t.Period}, key: t.Key}
	if err := s.params.Validate(); err != nil {
		return auth.Bound{}, fmt.Errorf("%w: %w", auth.ErrBind, err)
	}
	if _, err := otp.CheckKey(s.key); err != nil {
		return auth.Bound{}, fmt.Errorf("%w: %w", auth.ErrBind, err)
	}
	mark := auth.NoMark
	if t.Period == 0 {
		if t.Counter > math.MaxInt64-resyncAll {
			return auth.Bound{}, fmt.Errorf("%w: a counter of %d is out of range", auth.ErrBind, t.Counter)
		}
		mark = int64(t.Counter) - 1 // the next counter is the first that counts
	}
	return auth.Bound{State: s.encode(), Mark: mark, Serial: t.Serial}, nil
}

// Verify accepts a code within the allowed drift, or the look-ahead, and each
// time step or counter at most once (RFC 6238, Section 5.2). It tells apart a
// code that was accepted before (DuplicateOATHCode), one that is older than
// that or not of this time (OATHCodeOutOfDate), and one that this token has
// not shown lately (OATHCodeIncorrect).
//
// After the database has gone back in time (Authenticator.Rewound) the counter
// of an HOTP token may lie before codes that were spent, and counters do not
// expire: every code that looks like one is refused, right or wrong
// (ResyncRequired), until two consecutive ones beyond the mark have been given to
// Resync by somebody who makes sure whose they are. Time steps have expired by
// then.
func (f *Factor) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	if err := ctx.Err(); err != nil {
		return auth.Finding{}, err
	}
	s, err := f.decode(a)
	if err != nil {
		return auth.Finding{}, err
	}
	code, ok := codeOf(at.Evidence)
	if !ok {
		return auth.Finding{}, nil
	}
	if s.params.Period == 0 {
		found := verifyHOTP(s, a.Mark, code) // the work is the same either way
		if a.Rewound {
			return auth.Mismatched(auth.ResyncRequired), nil
		}
		return found, nil
	}
	return verifyTOTP(s, a.Mark, code, at.Time), nil
}

func verifyTOTP(s state, mark int64, code string, at time.Time) auth.Finding {
	now := s.params.Step(at) + s.offset
	drift := int64(s.params.Drift)
	step, ok := otp.Locate(s.key, code, now-drift, now+drift, s.params)
	switch {
	case ok && step > mark:
		return auth.Matched(step)
	case !ok:
		step, ok = otp.Locate(s.key, code, now-lookBack, now+lookBack, s.params)
	}
	switch {
	case !ok:
		return auth.Mismatched(auth.OATHCodeIncorrect)
	case step == mark:
		return auth.Mismatched(auth.DuplicateOATHCode)
	}
	return auth.Mismatched(auth.OATHCodeOutOfDate)
}

func verifyHOTP(s state, mark int64, code string) auth.Finding {
	next := uint64(mark + 1)
	if counter, ok := otp.MatchHOTP(s.key, code, next, lookAhead, s.params); ok {
		return auth.Matched(int64(counter))
	}
	back := min(next, lookBack)
	counter, ok := otp.MatchHOTP(s.key, code, next-back, int(back), s.params)
	switch {
	case !ok:
		return auth.Mismatched(auth.OATHCodeIncorrect)
	case int64(counter) == mark:
		return auth.Mismatched(auth.DuplicateOATHCode)
	}
	return auth.Mismatched(auth.OATHCodeOutOfDate)
}

// Resync implements auth.Resyncer. Both codes must lie beyond everything that
// was ever accepted, so that no old pair revives (CVE-2019-12887).
func (f *Factor) Resync(ctx context.Context, a auth.Authenticator, first, second auth.Code, at time.Time) (auth.Finding, error) {
	if err := ctx.Err(); err != nil {
		return auth.Finding{}, err
	}
	s, err := f.decode(a)
	if err != nil {
		return auth.Finding{}, err
	}
	one, ok1 := otp.Normalize(string(first))
	two, ok2 := otp.Normalize(string(second))
	if !ok1 || !ok2 {
		return auth.Mismatched(auth.CodeNotRecognized), nil
	}
	from, window, now := a.Mark+1, resyncAll, int64(0)
	if s.params.Period > 0 {
		now = s.params.Step(at)
		from = max(from, now-resyncOff)
		window = int(now + resyncOff - from)
	}
	if window <= 0 || from < 0 {
		return auth.Mismatched(auth.OATHCodeOutOfDate), nil
	}
	counter, ok := otp.ResyncHOTP(s.key, one, two, uint64(from), window, s.params)
	if !ok {
		return auth.Mismatched(auth.OATHCodeIncorrect), nil
	}
	if s.params.Period == 0 {
		return auth.Matched(int64(counter)), nil
	}
	s.offset = int64(counter) - now
	return auth.MatchedNext(int64(counter), s.encode()), nil
}

// Decoy implements auth.Factor: a token with a key that nobody has, made anew
// for every process.
func (f *Factor) Decoy() auth.Authenticator {
	s := state{params: otp.Params{Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second}, key: otp.NewKey(otp.SHA1)}
	return auth.Authenticator{ID: "decoy", Factor: "oath", State: s.encode(), Mark: math.MaxInt64}
}

// codeOf returns the normalized code among the evidence, if it looks like one
// that a token could show.
func codeOf(all []auth.Evidence) (string, bool) {
	for _, e := range all {
		if typed, ok := e.(auth.Code); ok {
			code, ok := otp.Normalize(string(typed))
			return code, ok && len(code) >= otp.MinDigits && len(code) <= otp.MaxDigits
		}
	}
	return "", false
}
