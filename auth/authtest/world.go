// Package authtest is the test kit of package auth: a world in which stories
// are told with a clock of its own and a store in memory, and the conformance
// suites that every factor, door and store must pass.
package authtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/auth"
)

// A World is an engine with a clock that stands still until told to move. Try
// checks every invariant again after each attempt.
type World struct {
	*testing.T
	Engine *auth.Engine
	Store  *Memory

	now    atomic.Int64 // nanoseconds since Epoch
	serial int
}

// NewWorld returns a world with these factors and two clients of application
// "vpn": "nas" asks challenges, "old-nas" sends password and code in one
// field; both leave the password to us. A third, "gateway", has checked the
// password itself.
func NewWorld(t *testing.T, factors ...auth.Factor) *World {
	t.Helper()
	settings := &auth.Settings{
		Version:      1,
		Applications: []auth.Application{{Name: "vpn"}},
		Clients: []auth.Client{
			{
				ID: "c1", Name: "nas", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
				Attributes: []auth.ReplyAttribute{{Name: "Class", Value: "nas"}},
			},
			{ID: "c2", Name: "old-nas", Door: "radius", Application: "vpn", Mode: auth.ModeAppend, Password: auth.PasswordVerify},
			{ID: "c3", Name: "gateway", Door: "radius", Application: "vpn", Mode: auth.ModeAppend, Password: auth.PasswordNone},
			{ID: "c4", Name: "asking-gateway", Door: "radius", Application: "vpn", Mode: auth.ModeChallenge, Password: auth.PasswordNone},
		},
		Groups: []auth.Group{{Name: "staff", Attributes: []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}}}},
	}
	w := &World{T: t, Store: NewMemory(settings)}
	w.Engine = auth.NewEngine(auth.Parts{
		Store:         w.Store,
		Factors:       factors,
		Limits:        auth.DefaultLimits,
		ChallengeLife: 2 * time.Minute,
		References:    auth.NewReferences([]byte("a key for tests")),
		Pseudonym:     Pseudonym,
		CacheKey:      CacheKey,
		Node:          "node-1",
		Stopwatch:     w.Now,
		Log:           slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return w
}

// Pseudonym is what worlds keep of a name that nobody has.
func Pseudonym(name string) string {
	m := hmac.New(sha256.New, []byte("a key for tests"))
	m.Write([]byte(name))
	return "?" + hex.EncodeToString(m.Sum(nil)[:8])
}

// CacheKey is how worlds name the scopes of cached successes.
func CacheKey(message []byte) [32]byte {
	m := hmac.New(sha256.New, []byte("another key for tests"))
	m.Write(message)
	return [32]byte(m.Sum(nil))
}

// Now is the time in the world.
func (w *World) Now() time.Time { return Epoch.Add(time.Duration(w.now.Load())) }

// Wait lets time pass.
func (w *World) Wait(d time.Duration) { w.now.Add(int64(d)) }

// AddAccount makes an enabled account of that name and returns it.
func (w *World) AddAccount(name string, aliases ...string) auth.Account {
	w.Helper()
	canonical, err := auth.Canonical(name)
	if err != nil {
		w.Fatalf("account %q: %v", name, err)
	}
	w.serial++
	a := auth.Account{ID: "account-" + canonical, Name: canonical, Aliases: aliases, Enabled: true}
	w.Store.PutAccount(a)
	return a
}

// Bind gives an account an authenticator of a factor and returns what its
// owner was shown.
func (w *World) Bind(account auth.Account, factor string, b auth.Binding) auth.Bound {
	w.Helper()
	for _, f := range w.Engine.Factors {
		if f.Info().Name != factor {
			continue
		}
		b.Account = account.Name
		bound, err := f.Bind(w.Context(), b)
		if err != nil {
			w.Fatalf("bind %s to %s: %v", factor, account.Name, err)
		}
		w.serial++
		w.Store.PutAuthenticator(auth.Authenticator{
			ID: account.Name + "/" + factor + "/" + string(rune('a'+w.serial%26)), Account: account.ID,
			Factor: factor, Label: b.Label, State: bound.State, Mark: bound.Mark,
		})
		return bound
	}
	w.Fatalf("no factor %q in this world", factor)
	return auth.Bound{}
}

// Policy changes the settings of the world.
func (w *World) Policy(change func(*auth.Settings)) {
	s := *w.Store.Settings()
	s.Applications, s.Clients, s.Groups = slices.Clone(s.Applications), slices.Clone(s.Clients), slices.Clone(s.Groups)
	s.Rules, s.Trusted, s.CacheRules = slices.Clone(s.Rules), slices.Clone(s.Trusted), slices.Clone(s.CacheRules)
	change(&s)
	w.Store.PutSettings(&s)
}

// Attempt is an attempt through client by the claimant, now.
func (w *World) Attempt(client, claimant string, evidence ...auth.Evidence) auth.Attempt {
	return auth.Attempt{
		Door: "radius", Client: client, Claimant: claimant, Evidence: evidence,
		Source: netip.MustParseAddrPort("192.0.2.1:1645"), Time: w.Now(), Can: auth.Can{Ask: true},
	}
}

// Try lets the engine decide and checks every invariant.
func (w *World) Try(client, claimant string, evidence ...auth.Evidence) auth.Decision {
	w.Helper()
	return w.Decide(w.Attempt(client, claimant, evidence...))
}

// Answer answers a challenge.
func (w *World) Answer(d auth.Decision, client, claimant string, code auth.Code) auth.Decision {
	w.Helper()
	at := w.Attempt(client, claimant, code)
	at.State = d.State
	return w.Decide(at)
}

// Decide lets the engine decide any attempt and checks every invariant.
func (w *World) Decide(at auth.Attempt) auth.Decision {
	w.Helper()
	before := len(w.Store.Events())
	d := w.Engine.Decide(context.WithoutCancel(w.Context()), at)
	w.Check(d, before)
	return d
}

// Check verifies what must hold after every single decision: it has exactly one
// event, which says the same, or none if it was given before; and nothing was
// spent twice or told too early. The store's own books hold the rest.
func (w *World) Check(d auth.Decision, before int) {
	w.Helper()
	for _, b := range w.Store.Breaches() {
		w.Errorf("invariant broken: %s", b)
	}
	if d.Verdict == auth.Unavailable && d.Outcome == auth.StoreUnavailable {
		return // nothing was told, and nothing need be on disk
	}
	if d.Repeated {
		w.checkRepeated(d, before)
		return
	}
	events := w.Store.Events()[before:]
	if len(events) != 1 {
		w.Errorf("one decision left %d events; one attempt has one event", len(events))
		return
	}
	ev := events[0]
	if ev.Verdict != d.Verdict || ev.Outcome != d.Outcome {
		w.Errorf("told %v %v, but the event says %v %v", d.Verdict, d.Outcome, ev.Verdict, ev.Outcome)
	}
	if seq, err := w.Engine.References.Seq(string(d.Reference)); err != nil || seq != ev.Seq {
		w.Errorf("reference %q leads to event %d, %v; want %d", d.Reference, seq, err, ev.Seq)
	}
	if d.Verdict == auth.Reject && !strings.Contains(d.Message, string(d.Reference)) {
		w.Errorf("the person was told %q, without the reference %s", d.Message, d.Reference)
	}
	if (d.Verdict == auth.Challenge) != (len(d.State) > 0) {
		w.Errorf("verdict %v with a State of %d octets", d.Verdict, len(d.State))
	}
	if len(ev.Trace) == 0 || ev.Trace[len(ev.Trace)-1].Stage != auth.StageVerdict {
		w.Errorf("the trace does not end in a verdict: %+v", ev.Trace)
	}
}

// checkRepeated verifies that an answer given again is the one that was given.
func (w *World) checkRepeated(d auth.Decision, before int) {
	w.Helper()
	events := w.Store.Events()
	if len(events) != before {
		w.Errorf("an answer given again left %d events; the first time has left one", len(events)-before)
	}
	seq, err := w.Engine.References.Seq(string(d.Reference))
	if err != nil || seq == 0 || seq > uint64(before) {
		w.Errorf("an answer given again has reference %q, which leads to no event: %v", d.Reference, err)
		return
	}
	first := events[seq-1]
	if first.Verdict != d.Verdict || first.Outcome != d.Outcome || first.Request == "" {
		w.Errorf("told %v %v once more, but event %d says %v %v to request %q", d.Verdict, d.Outcome, seq, first.Verdict, first.Outcome, first.Request)
	}
	if d.Verdict != auth.Accept && d.Verdict != auth.Reject {
		w.Errorf("%v was given once more; only final answers are", d.Verdict)
	}
}

// Want fails the test unless d has this verdict and outcome.
func (w *World) Want(d auth.Decision, v auth.Verdict, o auth.Outcome) {
	w.Helper()
	if d.Verdict != v || d.Outcome != o {
		w.Errorf("decided %v %v (%s); want %v %v", d.Verdict, d.Outcome, d.Message, v, o)
	}
}

// LastEvent returns the newest event.
func (w *World) LastEvent() auth.Event {
	w.Helper()
	events := w.Store.Events()
	if len(events) == 0 {
		w.Fatal("there is no event yet")
	}
	return events[len(events)-1]
}
