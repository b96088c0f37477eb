package otp

import (
	"math"
	"strconv"
)

// HOTP returns the code of key at counter (RFC 4226, Section 5), with leading
// zeros. It returns "", which never matches, if key or p cannot be used.
func HOTP(key []byte, counter uint64, p Params) string {
	if !p.usable(key) {
		return ""
	}
	var g generator
	g.reset(key, p)
	// The leading 1 keeps the zeros of a code that begins with some.
	b := make([]byte, 0, MaxDigits+2)
	b = strconv.AppendInt(b, int64(g.at(counter))+1_000_000_000, 10)
	return string(b[len(b)-p.Digits:])
}

// MatchHOTP looks for code among the window counters from, from+1, … and
// returns the lowest that makes it. The caller keeps the next expected counter
// per token, passes it as from, and on a match stores counter+1, which spends
// counter and all before it.
//
// The lowest wins because a token that was moved past a code it will still
// show would be out of step. To tell a used code from a wrong one, look again
// below: MatchHOTP(key, code, from-k, k, p) with k at most from.
//
// All candidates are always computed. The last counter, 1<<64-1, is never
// matched, for nothing could follow it. A window below 1 or above
// MaxCandidates matches nothing.
func MatchHOTP(key []byte, code string, from uint64, window int, p Params) (counter uint64, ok bool) {
	want, valid := number(code, p.Digits)
	if !valid || !p.usable(key) || window < 1 || window > MaxCandidates {
		return 0, false
	}
	var g generator
	g.reset(key, p)
	low, _, ok := g.search(want, from, below(from, window))
	if !ok {
		return 0, false
	}
	return from + uint64(low), true
}

// ResyncHOTP looks for two consecutive codes, code1 at one of the window
// counters from, from+1, … and code2 at the one after it, as RFC 4226, Section
// 7.4, advises for a token that has run ahead of the ordinary window. It
// returns the counter of code2, with which the caller does as with that of
// MatchHOTP. Both codes are spent, and so is all before them: from must never
// lie below the stored counter, or an old pair would revive.
//
// A TOTP token whose clock is off is found in the same way, for a TOTP code is
// the HOTP code at the number of its time step. Counters are then steps, p is
// the token's with Period and Drift as they are, and the difference to the
// current step is what its clock is off by.
//
// Cost and limits are those of MatchHOTP.
func ResyncHOTP(key []byte, code1, code2 string, from uint64, window int, p Params) (counter uint64, ok bool) {
	want1, valid1 := number(code1, p.Digits)
	want2, valid2 := number(code2, p.Digits)
	if !valid1 || !valid2 || !p.usable(key) || window < 1 || window > MaxCandidates {
		return 0, false
	}
	// The second code must have a successor too.
	n := below(from, window+1) - 1
	if n < 1 {
		return 0, false
	}
	var g generator
	g.reset(key, p)
	at, ok := g.searchPair(want1, want2, from, n)
	if !ok {
		return 0, false
	}
	return from + uint64(at) + 1, true
}

// below returns how many of the n counters from first on have a successor.
func below(first uint64, n int) int {
	return int(min(uint64(n), math.MaxUint64-first))
}
