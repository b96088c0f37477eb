package auth

import (
	"net/netip"
	"time"
)

// An Attempt is one try to log in, as a door understood it. It is plain data;
// nothing in it has been verified except that it came from Client.
type Attempt struct {
	Door     string // "radius"; the protocol through which it came
	Client   string // name of the client (NAS) that sent it, "" if unknown
	Claimant string // the name as it was typed
	Evidence []Evidence
	State    []byte // handle of the challenge that this answers, nil for a first request

	Source netip.AddrPort // the socket peer, never a claim of the packet
	From   string         // where the NAS says the person is (Calling-Station-Id); a claim
	Origin netip.Addr     // the address in From, if it is one and the client is believed; the zero Addr otherwise
	// Session is what the client says about the connection that the login is
	// for (its port, its session), in any form that is equal for the same
	// connection; "" if it says nothing.
	Session string
	// Request names this very request, so that it gets its answer again and not
	// a second judgement when it is sent again, to this node or another. Two
	// requests that a client made apart never have the same; "" if the door
	// cannot tell.
	Request string
	Time    time.Time // when the door received it
	Can     Can

	// Reach is set by a door that could not form an attempt to evaluate: the
	// client is unknown, the shared secret does not fit, the packet is
	// malformed, the protocol is one that we do not speak. The engine then
	// evaluates nothing. It refuses if the catalogue says so; otherwise the
	// door stays silent, and the event is recorded at a bounded rate.
	Reach Outcome
	// Seen says in a few words what the door saw, for the trace. No secrets.
	Seen string
}

// Can says what a door is able to do for this attempt.
type Can struct {
	Ask bool // it can carry a challenge and bring back the answer
	// Passkey says that it can carry a WebAuthn assertion. Factors that need one
	// are asked for and verified at no other door.
	Passkey bool
	// Wait is how long after Attempt.Time an answer is still of use; 0 if the
	// attempt cannot wait for anything.
	Wait time.Duration
}

// A Verdict is what the door does. The zero Verdict refuses.
type Verdict uint8

const (
	Reject      Verdict = iota // say no
	Accept                     // say yes
	Challenge                  // ask for more
	Unavailable                // our fault: do not answer, so that the client may try another server
	Ignore                     // not from anyone we know: do not answer
)

var verdictNames = [...]string{"reject", "accept", "challenge", "unavailable", "ignore"}

// String returns the verdict's name as it appears in events and JSON.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "reject"
}

// MarshalText makes JSON carry the name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a name; anything it does not know is Reject.
func (v *Verdict) UnmarshalText(b []byte) error {
	*v = Reject
	for i, n := range verdictNames {
		if n == string(b) {
			*v = Verdict(i)
		}
	}
	return nil
}

// A Decision is the engine's answer to one Attempt. Everything in it is
// already committed. The zero Decision refuses and says nothing.
type Decision struct {
	Verdict   Verdict
	Outcome   Outcome
	Reference Reference // what a person can read out to the help desk; "" if nothing was committed
	Message   string    // what the person may be told, reference included
	State     []byte    // for Challenge: the handle to bring back with the answer
	// Attributes go into the reply of an Accept, in order. They are the
	// settings of the client, the rule and the groups; the door translates them.
	Attributes []ReplyAttribute
	// Account is the ID of the account that an Accept let in, "" otherwise.
	// Factor is the factor that completed it, "" if an exemption spared it; for
	// a Challenge the one that is asked for.
	Account string
	Factor  string
	// Repeated says that this very request had its answer before and gets it
	// again: nothing was judged, spent or recorded now. Reference is that of the
	// first time.
	Repeated bool
}

// A ReplyAttribute is one "Name=Value" that an administrator set for a client
// or a group, such as Filter-Id=staff.
type ReplyAttribute struct{ Name, Value string }
