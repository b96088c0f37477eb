package otp

import "time"

// Step returns the number of the time step that at lies in (RFC 6238, Section
// 4.2, with T0 = 0), or -1, which matches nothing, if p has no Period or at
// lies before 1970.
func (p Params) Step(at time.Time) int64 {
	period, now := int64(p.Period/time.Second), at.Unix()
	if period < 1 || now < 0 {
		return -1
	}
	return now / period
}

// TOTP returns the code of key at the time at (RFC 6238, Section 4.2). It
// returns "", which never matches, if key, p or at cannot be used.
func TOTP(key []byte, at time.Time, p Params) string {
	step := p.Step(at)
	if step < 0 {
		return ""
	}
	return HOTP(key, uint64(step), p)
}

// MatchTOTP looks for code in the time step of at and in p.Drift steps on each
// side, and returns the newest step that makes it.
//
// A match is not yet an acceptance. The caller keeps the newest accepted step
// per token and refuses a step that is not greater (RFC 6238, Section 5.2):
// that code is used. Because the newest match is returned, this comparison is
// exact even when two steps happen to share a code: if any matching step is
// still unspent, the one returned is. When nothing matches, Locate on older
// steps tells a code that is out of date from a wrong one.
//
// All candidates are always computed, so the time taken does not tell which
// one matched. A token whose clock is known to be off is matched by shifting
// at by as much.
func MatchTOTP(key []byte, code string, at time.Time, p Params) (step int64, ok bool) {
	now := p.Step(at)
	if now < 0 {
		return 0, false
	}
	return Locate(key, code, now-int64(p.Drift), now+int64(p.Drift), p)
}

// Locate looks for code in the time steps from to to, both included, and
// returns the newest that makes it. It decides nothing about acceptance; it is
// there to say what a refused code was.
//
// All candidates are always computed. Steps before 1970 match nothing, and
// neither does a range of more than MaxCandidates steps. In a range of n steps
// a wrong code of d digits is found by chance once in 10^d/n times.
func Locate(key []byte, code string, from, to int64, p Params) (step int64, ok bool) {
	want, valid := number(code, p.Digits)
	from = max(from, 0)
	// to-from cannot overflow: from is not negative and to is not smaller.
	if !valid || !p.usable(key) || p.Period == 0 || to < from || to-from >= MaxCandidates {
		return 0, false
	}
	var g generator
	g.reset(key, p)
	_, high, ok := g.search(want, uint64(from), int(to-from)+1)
	if !ok {
		return 0, false
	}
	return from + int64(high), true
}
