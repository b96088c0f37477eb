package auth

import (
	"net/netip"
	"time"
)

// An Event is the audit record of one attempt: who, where, what came of it and
// why, with the trace. It is committed together with the verdict. It never
// holds a secret, a code or a name that nobody has.
type Event struct {
	Seq  uint64 // given by Commit: dense, rising in the order of commits
	Time time.Time
	Took time.Duration // from the door's receipt until the verdict was formed

	Door        string
	Client      string
	Application string
	Source      netip.AddrPort
	From        string // where the NAS says the person is

	Subject string // account ID, or the pseudonym of an unknown name; "" if no name was read
	Account string // account name, or the pseudonym
	Verdict Verdict
	Outcome Outcome

	Factor        string // factor of the authenticator that completed or failed the login
	Authenticator string // its ID
	Mark          int64  // the moving factor that this event spends, NoMark if none

	Rule    string // name of the rule that said what was needed, "" if it did not come to that
	Node    string // which node decided
	Request string // Attempt.Request of a final answer, "" otherwise
	Joined  uint64 // Seq of the login whose answer this one got, 0 if it had its own

	Failures int // consecutive failures of the subject after this event, in the class that failed
	Count    int // how many incidents like this one it stands for; 1 for a login
	Trace    []Step
}

// A Step is one line of the trace.
type Step struct {
	Stage Stage         `json:"stage"`
	OK    bool          `json:"ok"`
	Took  time.Duration `json:"took_ns"`
	Note  string        `json:"note" prose:"true"` // for the administrator; no secrets
}

// A Stage is a part of an attempt's life: reach, client, account, primary,
// policy, factor, delivery, answer, verdict, reply.
type Stage string

const (
	StageReach    Stage = "reach"    // the request arrived and could be read
	StageClient   Stage = "client"   // it came from a client we know
	StageAccount  Stage = "account"  // the claimant is an account that may log in
	StagePrimary  Stage = "primary"  // the first factor
	StagePolicy   Stage = "policy"   // what is still needed
	StageFactor   Stage = "factor"   // a second factor that can work at this door
	StageDelivery Stage = "delivery" // getting a challenge to the person
	StageAnswer   Stage = "answer"   // what the person answered
	StageVerdict  Stage = "verdict"  // deciding and committing
	StageReply    Stage = "reply"    // getting the answer back to the client
)
