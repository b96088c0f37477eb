package authtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

// A DoorCase is a door under test.
type DoorCase struct {
	// Start serves the door on d until the test ends. The settings of d have
	// one client of the door's own making, as DoorSettings returned them.
	Start func(t *testing.T, d *Oracle) Send
	// Settings are what the door is started with: two clients, "asking" in
	// challenge mode and "appending" in append mode, of which Send can play
	// either.
	Settings *auth.Settings
}

// Send logs in as a real client of the door does and returns what came back. A
// door that keeps silent returns a Got with Silent set, after a wait that the
// case chooses.
type Send func(t *testing.T, s Sent) Got

// Sent is what a client sends.
type Sent struct {
	Client   string // "asking" or "appending"
	Claimant string
	Field    string // what stands in the password field
	State    []byte
}

// Got is what a client sees.
type Got struct {
	Silent     bool
	Verdict    auth.Verdict // Accept, Reject or Challenge
	Message    string
	State      []byte
	Attributes []auth.ReplyAttribute
}

// An Oracle stands in for the engine: it answers what it was told to and keeps
// what it was asked.
type Oracle struct {
	settings *auth.Settings

	mu sync.Mutex
	// mu guards the fields below.
	answer auth.Decision
	panics bool
	asked  []auth.Attempt
}

// Decide records the attempt and returns the answer that was set.
func (o *Oracle) Decide(_ context.Context, at auth.Attempt) auth.Decision {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, at)
	if o.panics {
		panic("the engine failed")
	}
	return o.answer
}

// Settings implements what doors need of an engine.
func (o *Oracle) Settings() *auth.Settings { return o.settings }

func (o *Oracle) set(d auth.Decision, panics bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer, o.panics, o.asked = d, panics, nil
}

func (o *Oracle) seen() []auth.Attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// TestDoor checks that a door translates and does nothing else. Each failure
// says which rule was broken.
func TestDoor(t *testing.T, c DoorCase) {
	oracle := &Oracle{settings: c.Settings.Index()}
	send := c.Start(t, oracle)
	login := Sent{Client: "asking", Claimant: "alice", Field: "correct horse"}

	t.Run("every verdict has one wire form", func(t *testing.T) {
		state := []byte("0123456789abcdef")
		filter := []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}}
		tests := []struct {
			name   string
			answer auth.Decision
			want   Got
		}{
			{
				"accept",
				auth.Decision{Verdict: auth.Accept, Message: "Signed in.", Attributes: filter},
				Got{Verdict: auth.Accept, Attributes: filter},
			},
			{
				"reject",
				auth.Decision{Verdict: auth.Reject, Message: "Sign-in failed. Reference 7F3K-92QD.", Attributes: filter},
				Got{Verdict: auth.Reject, Message: "Sign-in failed. Reference 7F3K-92QD."},
			},
			{
				"challenge",
				auth.Decision{Verdict: auth.Challenge, Message: "Enter the code.", State: state, Attributes: filter},
				Got{Verdict: auth.Challenge, Message: "Enter the code.", State: state},
			},
			{"unavailable", auth.Decision{Verdict: auth.Unavailable, Attributes: filter}, Got{Silent: true}},
			{"ignore", auth.Decision{Verdict: auth.Ignore, Attributes: filter}, Got{Silent: true}},
			{"the zero decision refuses", auth.Decision{}, Got{Verdict: auth.Reject}},
			{"a verdict nobody knows lets nobody in", auth.Decision{Verdict: 250, Attributes: filter}, Got{Silent: true}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				oracle.set(tt.answer, false)
				if got := send(t, login); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
					t.Errorf("the client saw %+v; want %+v", got, tt.want)
				}
				if n := len(oracle.seen()); n != 1 {
					t.Errorf("the engine was asked %d times for one login; want 1", n)
				}
			})
		}
	})

	t.Run("an engine that fails lets nobody in", func(t *testing.T) {
		oracle.set(auth.Decision{}, true)
		if got := send(t, login); !got.Silent {
			t.Errorf("the client saw %+v; want silence", got)
		}
	})

	t.Run("what was typed arrives unchanged", func(t *testing.T) {
		names := []string{"alice", "ALICE ", `CORP\alice`, "alice@example.com", "ａｌｉｃｅ", "al\x1bice", "a'--", "*)(uid=*"}
		for _, name := range names {
			oracle.set(auth.Decision{}, false)
			send(t, Sent{Client: "asking", Claimant: name, Field: "pass\tword, with comma"})
			at := one(t, oracle)
			if at.Claimant != name {
				t.Errorf("claimant %q arrived as %q", name, at.Claimant)
			}
			want(t, at, auth.Password("pass\tword, with comma"))
		}
	})

	t.Run("the field holds what the client's settings say", func(t *testing.T) {
		state := []byte("0123456789abcdef")
		tests := []struct {
			name string
			sent Sent
			want []auth.Evidence
		}{
			{"asked: the first field is a password", Sent{Client: "asking", Claimant: "a", Field: "secret,123456"}, []auth.Evidence{auth.Password("secret,123456")}},
			{"asked: the answer is a code", Sent{Client: "asking", Claimant: "a", Field: "123456", State: state}, []auth.Evidence{auth.Code("123456")}},
			{"appended", Sent{Client: "appending", Claimant: "a", Field: "secret,123456"}, []auth.Evidence{auth.Password("secret"), auth.Code("123456")}},
			{"appended to a password with commas", Sent{Client: "appending", Claimant: "a", Field: "se,cr,et,123456"}, []auth.Evidence{auth.Password("se,cr,et"), auth.Code("123456")}},
			{"appended to nothing", Sent{Client: "appending", Claimant: "a", Field: ",123456"}, []auth.Evidence{auth.Password(""), auth.Code("123456")}},
			{"nothing appended", Sent{Client: "appending", Claimant: "a", Field: "secret"}, []auth.Evidence{auth.Password("secret")}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				oracle.set(auth.Decision{}, false)
				send(t, tt.sent)
				at := one(t, oracle)
				want(t, at, tt.want...)
				if !bytes.Equal(at.State, tt.sent.State) {
					t.Errorf("State %x arrived as %x", tt.sent.State, at.State)
				}
				if at.Client != tt.sent.Client {
					t.Errorf("client %q arrived as %q", tt.sent.Client, at.Client)
				}
				if at.Can.Ask != (tt.sent.Client == "asking") {
					t.Errorf("the door says that it can ask: %t", at.Can.Ask)
				}
			})
		}
	})

	t.Run("the attempt says when and from where", func(t *testing.T) {
		oracle.set(auth.Decision{}, false)
		before := time.Now()
		send(t, login)
		at := one(t, oracle)
		if at.Time.Before(before.Add(-time.Second)) || at.Time.After(time.Now()) {
			t.Errorf("time %v", at.Time)
		}
		if !at.Source.Addr().IsLoopback() || at.Door == "" {
			t.Errorf("source %v, door %q", at.Source, at.Door)
		}
	})
}

func one(t *testing.T, o *Oracle) auth.Attempt {
	t.Helper()
	seen := o.seen()
	if len(seen) != 1 {
		t.Fatalf("the engine was asked %d times for one login; want 1", len(seen))
	}
	return seen[0]
}

// want compares evidence; it does not print any, because evidence does not
// print.
func want(t *testing.T, at auth.Attempt, evidence ...auth.Evidence) {
	t.Helper()
	if len(at.Evidence) != len(evidence) {
		t.Errorf("%d pieces of evidence arrived; want %d", len(at.Evidence), len(evidence))
		return
	}
	for i := range evidence {
		if at.Evidence[i] != evidence[i] {
			t.Errorf("evidence %d arrived as another %T; want the %T that was sent", i, at.Evidence[i], evidence[i])
		}
	}
}
