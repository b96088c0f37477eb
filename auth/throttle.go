package auth

import "time"

// A Throttle counts the consecutive failures of one subject: an account, or a
// name that no account has, which is counted alike so that a guesser cannot
// tell the two apart. Counts are kept by the store and span doors, sessions,
// restarts and nodes (SP 800-63B-4, Section 3.2.2; RFC 4226, Section 7.3).
type Throttle struct {
	Know Count // first factors checked by us
	Have Count // second factors, counted only after the first was right
}

// A Count is the state of one class of factors.
type Count struct {
	Failures int       // consecutive, since the last complete login
	Until    time.Time // nothing is evaluated before; zero if not waiting
}

// Limits bound guessing. The zero Limits refuse after the first failure.
type Limits struct {
	Know, Have Limit
}

// A Limit bounds one class of factors.
type Limit struct {
	Free int // failures that are evaluated in a row; then the account waits 30 s, and after each further one 1, 2, 4 ... 60 min
	Stop int // failures after which only a person lifts the stop
}

// maxFailures is the ceiling of SP 800-63B-4, Section 3.2.2, which counts over
// all authenticators of an account and which no setting can raise.
const maxFailures = 100

// DefaultLimits are ten free failures, then growing waits, then a stop.
var DefaultLimits = Limits{
	Know: Limit{Free: 10, Stop: 50},
	Have: Limit{Free: 10, Stop: 50},
}

const (
	firstWait = 30 * time.Second
	maxWait   = time.Hour
)

// Stopped reports whether only a person can lift the stop.
func (l Limit) Stopped(c Count) bool { return c.Failures >= min(l.Stop, maxFailures) }

// Stopped reports whether the failures of all classes together have reached
// the ceiling.
func (t Throttle) Stopped() bool { return t.Know.Failures+t.Have.Failures >= maxFailures }

// Waiting reports whether an attempt at t comes too early to be evaluated.
func (l Limit) Waiting(c Count, t time.Time) bool { return t.Before(c.Until) }

// held says whether failures so far forbid to evaluate an attempt at at, and
// by which count. That of the second factor, or both together, holds every
// login; that of the first only those in which we would check it.
func (l Limits) held(t Throttle, need Requirement, at time.Time) (Outcome, Count) {
	switch {
	case l.Have.Stopped(t.Have) || t.Stopped():
		return HardStopped, t.Have
	case need.Know && l.Know.Stopped(t.Know):
		return AccountLocked, t.Know
	case l.Have.Waiting(t.Have, at):
		return Throttled, t.Have
	case need.Know && l.Know.Waiting(t.Know, at):
		return Throttled, t.Know
	}
	return 0, Count{}
}

// Failed returns c after one more failure at t.
func (l Limit) Failed(c Count, t time.Time) Count {
	c.Failures++
	if over := c.Failures - l.Free; over >= 0 {
		wait := maxWait
		if over < 7 { // 30 s << 7 is past the hour
			wait = min(firstWait<<over, maxWait)
		}
		c.Until = t.Add(wait)
	}
	return c
}
