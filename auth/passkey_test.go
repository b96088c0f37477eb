package auth_test

import (
	"context"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/recovery"
	"sallyport/kdf"
)

// A signer stands for the passkey factor: an assertion is right if it is the
// name of the key with the challenge of this very State.
type signer struct{}

func (signer) Info() auth.Info {
	return auth.Info{
		Name: auth.PasskeyFactor, Title: "Passkey", Category: auth.Have, Verified: auth.PasskeyVerified, Passkey: true, Both: true,
	}
}

func (signer) Bind(_ context.Context, b auth.Binding) (auth.Bound, error) {
	return auth.Bound{State: b.Secret, Mark: auth.NoMark}, nil
}

func (signer) Verify(_ context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	for _, e := range at.Evidence {
		if assertion, ok := e.(auth.Assertion); ok {
			if assertion == sign(string(a.State), at.State) {
				return auth.Matched(a.Mark), nil
			}
			return auth.Mismatched(auth.PasskeyWrong), nil
		}
	}
	return auth.Finding{}, nil
}

func (signer) Decoy() auth.Authenticator { return auth.Authenticator{Factor: auth.PasskeyFactor} }

func sign(key string, state []byte) auth.Assertion {
	return auth.Assertion(key + ":" + hex.EncodeToString(auth.AssertionChallenge(state)))
}

// A passkeyWorld has alice, who owns the place and holds everything, and bob,
// who holds a passkey and nothing else.
type passkeyWorld struct {
	*authtest.World
	alice, bob auth.Account
	phone      token
}

func newPasskeyWorld(t *testing.T) passkeyWorld {
	t.Helper()
	lanes := kdf.NewLanes(2, time.Minute)
	cheap := kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	w := passkeyWorld{World: authtest.NewWorld(t, &password.Factor{Params: cheap, Lanes: lanes}, &oath.Factor{Drift: 1}, &recovery.Factor{Params: cheap, Lanes: lanes}, signer{})}
	w.alice, w.phone = alice(w.World)
	w.alice.Role = "owner"
	w.Store.PutAccount(w.alice)
	w.Bind(w.alice, auth.PasskeyFactor, auth.Binding{Secret: auth.Secret("alice's key")})
	w.bob = w.AddAccount("bob")
	w.Bind(w.bob, auth.PasskeyFactor, auth.Binding{Secret: auth.Secret("bob's key")})
	return w
}

// at is an attempt of a browser.
func (w passkeyWorld) at(client, name string, state []byte, evidence ...auth.Evidence) auth.Attempt {
	at := w.Attempt(client, name, evidence...)
	at.Door, at.State, at.Can = client, state, auth.Can{Ask: true, Passkey: true}
	return at
}

func (w passkeyWorld) browse(client, name string, state []byte, evidence ...auth.Evidence) auth.Decision {
	w.Helper()
	return w.Decide(w.at(client, name, state, evidence...))
}

func TestPasskeyProvesBothFactors(t *testing.T) {
	for _, client := range []string{auth.ConsoleClient, auth.PortalClient} {
		t.Run(client, func(t *testing.T) {
			w := newPasskeyWorld(t)
			asked := w.browse(client, "alice", nil, auth.PasskeyWanted{})
			w.Want(asked, auth.Challenge, auth.PasskeyPending)
			in := w.browse(client, "alice", asked.State, sign("alice's key", asked.State))
			w.Want(in, auth.Accept, auth.PasskeyVerified)
			if in.Account != w.alice.ID || in.Factor != auth.PasskeyFactor {
				t.Errorf("let in account %q by %q; want %q by %q", in.Account, in.Factor, w.alice.ID, auth.PasskeyFactor)
			}
			again := w.browse(client, "alice", asked.State, sign("alice's key", asked.State))
			w.Want(again, auth.Reject, auth.ChallengeUnknown)
		})
	}
}

// Whoever asks for a passkey learns nothing about names, whoever answers wrongly
// neither, and a wrong answer ends the challenge.
func TestPasskeyTellsAGuesserNothing(t *testing.T) {
	w := newPasskeyWorld(t)
	w.AddAccount("carol") // holds nothing
	off := w.AddAccount("dave")
	off.Enabled = false
	w.Store.PutAccount(off)
	for _, name := range []string{"alice", "bob", "carol", "dave", "nobody", "", "a\x00b"} {
		asked := w.browse(auth.PortalClient, name, nil, auth.PasskeyWanted{})
		if asked.Verdict != auth.Challenge || asked.Message != auth.PasskeyPending.Meaning().Person || asked.Factor != auth.PasskeyFactor {
			t.Errorf("%q is asked %v %q for %q", name, asked.Verdict, asked.Message, asked.Factor)
		}
		wrong := w.browse(auth.PortalClient, name, asked.State, auth.Assertion("forged"))
		if wrong.Verdict != auth.Reject || wrong.Message[:15] != "Sign-in failed." {
			t.Errorf("%q with a forged answer: %v %q", name, wrong.Verdict, wrong.Message)
		}
		if ev := w.LastEvent(); ev.Failures != 0 {
			t.Errorf("%q: a forged answer counts as failure %d", name, ev.Failures)
		}
		w.Want(w.browse(auth.PortalClient, name, asked.State, sign(name+"'s key", asked.State)), auth.Reject, w.LastEvent().Outcome)
		if got := w.LastEvent().Outcome; name == "alice" && got != auth.ChallengeUnknown {
			t.Errorf("a challenge that was answered wrongly ends as %v when answered again; want %v", got, auth.ChallengeUnknown)
		}
	}
}

// StrongKey CVE-2025-26788: another person's passkey in a login of this name.
func TestPasskeyOfAnotherAccount(t *testing.T) {
	w := newPasskeyWorld(t)
	asked := w.browse(auth.PortalClient, "alice", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.PortalClient, "alice", asked.State, sign("bob's key", asked.State)), auth.Reject, auth.PasskeyWrong)
	asked = w.browse(auth.PortalClient, "alice", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.PortalClient, "bob", asked.State, sign("bob's key", asked.State)), auth.Reject, auth.ChallengeUnknown)
	asked = w.browse(auth.PortalClient, "alice", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.ConsoleClient, "alice", asked.State, sign("alice's key", asked.State)), auth.Reject, auth.ChallengeElsewhere)
}

// Guesses at codes lock nobody out who has a passkey, and a passkey frees no
// guesser.
func TestPasskeyPassesAThrottle(t *testing.T) {
	w := newPasskeyWorld(t)
	for range 50 {
		w.Wait(2 * time.Hour)
		w.browse(auth.PortalClient, "alice", nil, auth.Password("wrong"))
	}
	w.Want(w.browse(auth.PortalClient, "alice", nil, auth.Password(secret)), auth.Reject, auth.AccountLocked)
	asked := w.browse(auth.PortalClient, "alice", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.PortalClient, "alice", asked.State, sign("alice's key", asked.State)), auth.Accept, auth.PasskeyVerified)
	w.Want(w.browse(auth.PortalClient, "alice", nil, auth.Password(secret)), auth.Reject, auth.AccountLocked)
}

// A door that cannot carry a passkey never asks for one, and a passkey there is
// no second factor that anybody could use.
func TestPasskeyOnlyAtDoorsThatCarryIt(t *testing.T) {
	w := newPasskeyWorld(t)
	w.Bind(w.bob, "password", auth.Binding{Secret: auth.Secret(secret)})
	w.Want(w.Try("nas", "bob", auth.Password(secret)), auth.Reject, auth.UserIncomplete)
	w.Want(w.Try("nas", "bob", auth.PasskeyWanted{}), auth.Reject, auth.PasswordMissing)
	asked := w.Try("nas", "alice", auth.Password(secret))
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	at := w.Attempt("nas", "alice", sign("alice's key", asked.State))
	at.State = asked.State
	w.Want(w.Decide(at), auth.Reject, auth.CodeMissing)
}

// ZITADEL CVE-2025-64103: of every set of things shown, in answer to every kind
// of question, only a whole set lets in.
func TestOnlyWholeSetsLetIn(t *testing.T) {
	const pass, code, assertion = 1, 2, 4
	for _, client := range []string{auth.ConsoleClient, auth.PortalClient, "nas"} {
		for _, start := range []string{"nothing", "passkey", "password"} {
			for shown := range 8 {
				w := newPasskeyWorld(t)
				var state []byte
				proven := 0
				switch start {
				case "passkey":
					state = w.browse(client, "alice", nil, auth.PasskeyWanted{}).State
				case "password":
					state, proven = w.browse(client, "alice", nil, auth.Password(secret)).State, pass
				}
				var evidence []auth.Evidence
				if shown&pass != 0 {
					evidence = append(evidence, auth.Password(secret))
				}
				if shown&code != 0 {
					evidence = append(evidence, w.phone.code())
				}
				if shown&assertion != 0 {
					evidence = append(evidence, sign("alice's key", state))
				}
				have := proven | shown
				want := have&(pass|code) == pass|code && client != auth.ConsoleClient
				if shown&assertion != 0 { // a passkey that is shown decides alone, and needs its question
					want = state != nil
				}
				got := w.browse(client, "alice", state, evidence...)
				if (got.Verdict == auth.Accept) != want {
					t.Errorf("%s after %s with set %03b: %v %v; want accept %t", client, start, shown, got.Verdict, got.Outcome, want)
				}
			}
		}
	}
}

// No rule, network, cache or bypass relaxes what console and portal ask for.
func TestNothingRelaxesConsoleAndPortal(t *testing.T) {
	w := newPasskeyWorld(t)
	rules(w.World, auth.Rule{Name: "everybody", Then: auth.Then{Need: auth.NeedPrimary, Unenrolled: auth.UnenrolledPass}})
	w.Policy(func(s *auth.Settings) {
		for _, app := range []string{auth.ConsoleClient, auth.PortalClient} {
			s.Trusted = append(s.Trusted, auth.TrustedIP{ID: app, Application: app, Range: mustRange(t, "0.0.0.0/0")})
			s.CacheRules = append(s.CacheRules, auth.CacheRule{ID: app, Application: app, Type: auth.CacheUser, Life: time.Hour})
		}
	})
	carol := w.AddAccount("carol")
	w.Bind(carol, "password", auth.Binding{Secret: auth.Secret(secret)})
	for _, client := range []string{auth.ConsoleClient, auth.PortalClient} {
		w.Store.PutBypass(auth.Bypass{ID: "b", Account: w.alice.ID, From: w.Now().Add(-time.Minute), Until: w.Now().Add(time.Hour)})
		at := w.at(client, "alice", nil, auth.Password(secret))
		at.From, at.Origin = "192.0.2.77", netip.MustParseAddr("192.0.2.77")
		if d := w.Decide(at); d.Verdict != auth.Challenge {
			t.Errorf("%s: a password alone ends as %v %v", client, d.Verdict, d.Outcome)
		}
		if d := w.browse(client, "carol", nil, auth.Password(secret)); d.Verdict != auth.Reject {
			t.Errorf("%s: somebody without a second factor ends as %v %v", client, d.Verdict, d.Outcome)
		}
	}
}

// A client of an older database that happens to be called like one that is built
// in is judged by what the built-in one asks for.
func TestBuiltInClientsCannotBeReplaced(t *testing.T) {
	w := newPasskeyWorld(t)
	w.Policy(func(s *auth.Settings) {
		s.Clients = append(s.Clients, auth.Client{ID: "c99", Name: auth.ConsoleClient, Door: "radius", Application: "vpn", Mode: auth.ModeAppend, Password: auth.PasswordNone})
	})
	w.Want(w.Try(auth.ConsoleClient, "alice", w.phone.code()), auth.Reject, auth.PasswordMissing)
	w.Want(w.Try(auth.ConsoleClient, "alice", auth.Password(secret), w.phone.code()), auth.Reject, auth.UserIncomplete)
}

func TestConsoleNeedsARole(t *testing.T) {
	w := newPasskeyWorld(t)
	asked := w.browse(auth.ConsoleClient, "bob", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.ConsoleClient, "bob", asked.State, sign("bob's key", asked.State)), auth.Reject, auth.RoleMissing)
	asked = w.browse(auth.ConsoleClient, "bob", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.ConsoleClient, "bob", asked.State, sign("alice's key", asked.State)), auth.Reject, auth.PasskeyWrong)
	asked = w.browse(auth.PortalClient, "bob", nil, auth.PasskeyWanted{})
	w.Want(w.browse(auth.PortalClient, "bob", asked.State, sign("bob's key", asked.State)), auth.Accept, auth.PasskeyVerified)
}

// After the password a person is asked for what they put first.
func TestPreferredFactorIsAskedFor(t *testing.T) {
	w := newPasskeyWorld(t)
	w.Bind(w.bob, "password", auth.Binding{Secret: auth.Secret(secret)})
	if d := w.browse(auth.PortalClient, "alice", nil, auth.Password(secret)); d.Factor != "oath" || d.Outcome != auth.OATHCodePending {
		t.Errorf("alice, whose app comes first, is asked for %q (%v)", d.Factor, d.Outcome)
	}
	d := w.browse(auth.PortalClient, "bob", nil, auth.Password(secret))
	if d.Factor != auth.PasskeyFactor || d.Outcome != auth.PasskeyPending {
		t.Errorf("bob, who holds a passkey alone, is asked for %q (%v)", d.Factor, d.Outcome)
	}
	w.Want(w.browse(auth.PortalClient, "bob", d.State, sign("bob's key", d.State)), auth.Accept, auth.PasskeyVerified)
}
