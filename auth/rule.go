package auth

import (
	"time"
)

// A Rule says what the logins need that it matches. Rules are rows that
// administrators order; the first that matches decides, and a login that none
// matches meets the strictest: a first and a second factor, no way round for
// people who have none.
type Rule struct {
	ID      string
	Name    string // unique; what events and traces call it
	Place   int64  // rules are asked in rising order
	Created time.Time
	Match   Match
	Then    Then
}

// A Match names the logins that a rule is about. Every list that is not empty
// must hold something that fits; a Match without any fits every login.
type Match struct {
	Applications []string `json:"applications,omitempty"` // names
	Clients      []string `json:"clients,omitempty"`      // names
	Groups       []string `json:"groups,omitempty"`       // the account is a member of one
	Sources      []Range  `json:"sources,omitempty"`      // Attempt.Origin is in one; an unknown origin is in none
	Methods      []string `json:"methods,omitempty"`      // the account holds an authenticator of one of these factors
	Times        []Hours  `json:"times,omitempty"`        // Attempt.Time is in one
}

// Then is what a rule says.
type Then struct {
	Need       Need       `json:"need,omitempty"`
	Methods    []string   `json:"methods,omitempty"` // the factors that may complete the login, in the order in which people are asked who prefer none of them; empty means all, in the usual order
	Unenrolled Unenrolled `json:"unenrolled,omitempty"`
	// ChallengeLife is how long a challenge can be answered, 0 for the usual.
	ChallengeLife time.Duration `json:"challenge_life_ns,omitempty"`
	// Wait is how long a request may wait for an open login that it joins, 0
	// for as long as the door can.
	Wait time.Duration `json:"wait_ns,omitempty"`
	// Attributes go into the reply of an accept, after the client's and before
	// the groups'.
	Attributes []ReplyAttribute `json:"attributes,omitempty"`
}

// Need is what a rule asks for. The zero Need is the strictest that can be
// met.
type Need string

const (
	NeedBoth    Need = ""        // a first and a second factor
	NeedPrimary Need = "primary" // a first factor only: the login is outside the scope of MFA (-100)
	NeedRefuse  Need = "refuse"  // nothing helps
)

// Unenrolled says what happens to people who hold no second factor that the
// rule admits. The zero value refuses.
type Unenrolled string

const (
	UnenrolledRefuse Unenrolled = ""      // -103
	UnenrolledPass   Unenrolled = "pass"  // on the first factor alone, -100
	UnenrolledEnrol  Unenrolled = "enrol" // refused, and told to enrol first
)

// strictest is the rule that a login meets which no other matches.
var strictest = Rule{Name: Strictest}

// Strictest is the name of the rule for logins that no rule matches; no other
// rule can have it.
const Strictest = "strictest"

// PasskeyFactor is the factor whose evidence is an Assertion.
const PasskeyFactor = "webauthn"

// ownRules are the rules of the built-in clients. Nothing stands before them.
var ownRules = map[string]*Rule{
	ConsoleClient: {Name: ConsoleClient, Then: Then{Methods: []string{PasskeyFactor}}},
	PortalClient:  {Name: PortalClient},
}
