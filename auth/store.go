package auth

import (
	"context"
	"errors"
	"time"
)

// ErrConflict is returned by Store.Commit if a fact that the settlement rests
// on has moved. Nothing was changed; the engine judges again on new facts.
var ErrConflict = errors.New("facts have moved")

// A Store keeps what the engine knows. All methods may be called concurrently.
//
// A Store never interprets Authenticator.State; it seals it, bound to its
// record, and gives it back.
type Store interface {
	// Settings returns the current settings. It never blocks and never
	// returns nil. The value is immutable; a change makes a new one with a
	// higher Version.
	Settings() *Settings

	// Snapshot returns all facts about one claimant at once. They may be
	// stale: Commit finds out. fresh asks for facts that are at least as new
	// as the last settlement this process has committed or seen refused.
	Snapshot(ctx context.Context, q Query, fresh bool) (Facts, error)

	// Commit writes s completely or not at all, and returns only once it
	// would survive a power failure, with the sequence number of its event. It
	// returns ErrConflict, having changed nothing, if s.Subject is no longer at
	// s.Version, the settings are no longer at s.Settings, s.Close names a
	// challenge that is not open, or s.Bypass a bypass that is gone. Any other error means that nothing may be told to
	// anyone.
	//
	// A settlement without Subject rests on no facts and carries only an event;
	// the event may name a subject all the same.
	Commit(ctx context.Context, s Settlement) (seq uint64, err error)

	// Watch returns a channel that is closed when the subject's version may
	// have moved, on whichever node, and at the latest a second or so after it
	// has. It is a hint: whoever is woken looks again. stop ends the watch and
	// must be called.
	Watch(subject string) (moved <-chan struct{}, stop func())
}

// A Query names the claimant and the challenge that facts are wanted for.
type Query struct {
	Names   []string    // canonical names to look for, in order; the first that exists wins
	Unknown string      // subject to use if none does; begins with "?", as no account ID does
	State   ChallengeID // challenge to look up, "" for none
	Request string      // Attempt.Request to look up, "" for none
}

// Facts are what a verdict rests on.
type Facts struct {
	Subject        string // Account.ID, or Query.Unknown
	Version        int64  // moves with every settlement and every change of this subject
	Settings       *Settings
	Account        *Account        // nil if no name is known; not to be modified
	Authenticators []Authenticator // of the account, in order of preference; States are open
	Throttle       Throttle
	Challenge      *OpenChallenge // the open one of Query.State; nil if there is none, or it belongs to another subject

	// Logins are the subject's challenges that have not expired, in the order
	// in which they were opened: open ones, and those that were settled, which
	// stay until they would have expired so that others can join them.
	Logins []OpenChallenge
	Cached []CacheEntry // unexpired
	Bypass *Bypass      // the account's unspent bypass that ends last, nil if there is none
	// Answered is the final answer that was given to this very request
	// (Query.Request) in the last AnsweredLife, nil if there is none. Only the
	// newest few of a subject need be kept.
	Answered *Answered
}

// AnsweredLife is how long a final answer is remembered for the same request
// sent again: RFC 5080, Section 2.2.2 asks for the time that a client goes on
// sending.
const AnsweredLife = time.Minute

// An Answered is the final answer to a request.
type Answered struct {
	Seq     uint64 // of its event
	Time    time.Time
	Client  string
	Verdict Verdict // Accept or Reject
	Outcome Outcome
	Rule    string // Event.Rule
}

// A ChallengeID names a challenge without giving away its State: whoever reads
// the database cannot answer it.
type ChallengeID string

// An OpenChallenge is a login that waits for its answer. It is bound to one
// client and one account and can be answered once. When one of several that
// belong to one login is answered, all of them are settled.
type OpenChallenge struct {
	ID          ChallengeID
	Login       ChallengeID // the first challenge of the login; ID itself if it is that
	Subject     string
	Client      string
	Application string
	From        string   // as Attempt.From
	Session     string   // as Attempt.Session
	Proven      []string // names of the factors proven so far
	Asked       time.Time
	Expires     time.Time

	// Settled says what came of the login, nil while it is open. The store
	// takes it from the event of the settlement that closed it.
	Settled *Answered
}

// A Settlement is one verdict with everything that comes of it, to be written
// at once.
type Settlement struct {
	// What it rests on.
	Subject  string // "" if the attempt did not get as far as a name
	Version  int64
	Settings int64

	// What it changes.
	Throttle *Throttle // new counts, nil if they stay
	Spend    []Spend
	Open     *OpenChallenge // to keep, nil for none
	Close    ChallengeID    // answered: it and all of its Login are settled, "" for none
	Cache    []CacheEntry   // to keep; one of the same key is replaced
	Purge    bool           // forget the subject's cache entries, before those above are kept
	Bypass   string         // ID of the bypass that is spent, "" for none
	Event    Event
}

// A Spend moves one authenticator of the settlement's subject on.
type Spend struct {
	Authenticator string
	Mark          int64  // never lower than before
	Next          Secret // new state, nil to keep the old
}
