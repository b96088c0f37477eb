package auth_test

import (
	"strings"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/pin"
	"sallyport/factor/recovery"
	"sallyport/kdf"
)

const alicesPIN = "270418"

// A pinWorld has alice, who has a PIN beside her app, and bob, who has none.
type pinWorld struct {
	*authtest.World
	alice, bob  auth.Account
	phone, bobs token
}

func newPINWorld(t *testing.T) pinWorld {
	t.Helper()
	lanes := kdf.NewLanes(2, time.Minute)
	cheap := kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	w := pinWorld{World: authtest.NewWorld(t, &password.Factor{Params: cheap, Lanes: lanes}, &oath.Factor{Drift: 1}, &recovery.Factor{Params: cheap, Lanes: lanes}, signer{})}
	pins := &pin.PINs{Rules: auth.PINRules{MinDigits: 6, MaxAge: 90 * 24 * time.Hour}}
	parts := w.Engine.Parts
	parts.PINs = pins
	w.Engine = auth.NewEngine(parts)
	w.alice, w.phone = alice(w.World)
	state, err := pins.New(auth.Secret(alicesPIN), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Store.PutAuthenticator(auth.Authenticator{ID: "alice/pin", Account: w.alice.ID, Factor: auth.PINFactor, State: state, Created: w.Now(), Mark: auth.NoMark})
	w.bob = w.AddAccount("bob")
	w.Bind(w.bob, "password", auth.Binding{Secret: auth.Secret(secret)})
	w.bobs = app(w.World, w.bob)
	return w
}

// A PIN is asked for beside the code at every client, and a code without it, or
// with another one, lets nobody in and spends nothing.
func TestPINBesideTheCode(t *testing.T) {
	for _, client := range []string{"nas", "old-nas", "gateway", "asking-gateway"} {
		t.Run(client, func(t *testing.T) {
			w := newPINWorld(t)
			login := func(typed auth.Code) auth.Decision {
				t.Helper()
				switch client {
				case "nas":
					return w.Answer(w.Try(client, "alice", auth.Password(secret)), client, "alice", typed)
				case "asking-gateway":
					return w.Answer(w.Try(client, "alice"), client, "alice", typed)
				case "old-nas":
					return w.Try(client, "alice", auth.Password(secret), typed)
				default:
					return w.Try(client, "alice", typed)
				}
			}
			code := w.phone.code()
			w.Want(login(code), auth.Reject, auth.PINWrong)
			w.Want(login(code+"270419"), auth.Reject, auth.PINWrong)
			w.Want(login(alicesPIN+code), auth.Reject, auth.OATHCodeIncorrect)
			w.Want(login(w.phone.wrong()+alicesPIN), auth.Reject, auth.OATHCodeIncorrect)
			w.Want(login(alicesPIN), auth.Reject, auth.OATHCodeIncorrect)
			w.Want(login("swordfish"), auth.Reject, auth.CodeNotRecognized)
			if got := w.Store.ThrottleOf(w.alice.ID).Have.Failures; got != 6 {
				t.Errorf("%d failures are counted; want 6", got)
			}
			w.Want(login(code+alicesPIN), auth.Accept, auth.OATHCodeVerified)
			w.Want(login(code+alicesPIN), auth.Reject, auth.DuplicateOATHCode)
		})
	}
}

// Whoever has the app and not the PIN gets as many guesses as anybody at a code,
// also with a code that was accepted before: that one counts as no guess only
// with the right PIN.
func TestPINGuessesAreCounted(t *testing.T) {
	w := newPINWorld(t)
	code := w.phone.code()
	w.Want(w.Try("gateway", "alice", code+alicesPIN), auth.Accept, auth.OATHCodeVerified)
	for range auth.DefaultLimits.Have.Free {
		w.Want(w.Try("gateway", "alice", code+"111111"), auth.Reject, auth.PINWrong)
	}
	w.Want(w.Try("gateway", "alice", code+alicesPIN), auth.Reject, auth.Throttled)
}

// Refusals do not tell who has a PIN, nor which of code and PIN was wrong.
func TestPINRefusalsReadAlike(t *testing.T) {
	w := newPINWorld(t)
	told := map[string]string{}
	for what, d := range map[string]auth.Decision{
		"alice, no PIN":           w.Try("gateway", "alice", w.phone.code()),
		"alice, wrong PIN":        w.Try("gateway", "alice", w.phone.code()+"111111"),
		"alice, wrong code":       w.Try("gateway", "alice", w.phone.wrong()+alicesPIN),
		"bob, wrong code":         w.Try("gateway", "bob", w.bobs.wrong()),
		"bob, who has no PIN":     w.Try("gateway", "bob", w.bobs.code()+"111111"),
		"nobody of that name":     w.Try("gateway", "mallory", auth.Code("123456")),
		"nobody, with six digits": w.Try("gateway", "mallory", auth.Code("123456111111")),
	} {
		if d.Verdict != auth.Reject {
			t.Errorf("%s: %v", what, d.Verdict)
		}
		text := strings.ReplaceAll(d.Message, string(d.Reference), "")
		told[text] += what + "; "
	}
	if len(told) != 1 {
		t.Errorf("refusals differ: %q", told)
	}
	// Where the client has checked the password everybody is asked the same;
	// behind a password that was right here, a PIN is asked for by its name.
	if a, b := w.Try("asking-gateway", "alice").Message, w.Try("asking-gateway", "bob").Message; a != b {
		t.Errorf("asked %q and %q", a, b)
	}
	if m := w.Try("nas", "alice", auth.Password(secret)).Message; !strings.Contains(m, "PIN") {
		t.Errorf("alice is asked %q", m)
	}
	if m := w.Try("nas", "bob", auth.Password(secret)).Message; strings.Contains(m, "PIN") {
		t.Errorf("bob is asked %q", m)
	}
}

// An expired PIN is taken at the portal alone, where it can be changed, and costs
// neither the code nor a failure elsewhere.
func TestExpiredPIN(t *testing.T) {
	w := newPINWorld(t)
	w.Wait(90*24*time.Hour - time.Minute)
	w.Want(w.Try("gateway", "alice", w.phone.code()+alicesPIN), auth.Accept, auth.OATHCodeVerified)
	w.Wait(time.Minute)
	code := w.phone.code()
	d := w.Try("gateway", "alice", code+alicesPIN)
	w.Want(d, auth.Reject, auth.PINExpired)
	if !strings.Contains(d.Message, "PIN has expired") {
		t.Errorf("alice is told %q", d.Message)
	}
	w.Want(w.Try("gateway", "alice", code+"111111"), auth.Reject, auth.PINWrong)
	if got := w.Store.ThrottleOf(w.alice.ID).Have.Failures; got != 1 {
		t.Errorf("%d failures are counted; want 1, of the wrong PIN", got)
	}
	at := w.Attempt(auth.PortalClient, "alice", auth.Password(secret))
	at.Door, at.Can.Passkey = auth.PortalClient, true
	asked := w.Decide(at)
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	at = w.Attempt(auth.PortalClient, "alice", code+"111111")
	at.Door, at.State = auth.PortalClient, asked.State
	w.Want(w.Decide(at), auth.Reject, auth.PINWrong)
	at = w.Attempt(auth.PortalClient, "alice", auth.Password(secret))
	at.Door = auth.PortalClient
	asked = w.Decide(at)
	at = w.Attempt(auth.PortalClient, "alice", code+alicesPIN)
	at.Door, at.State = auth.PortalClient, asked.State
	w.Want(w.Decide(at), auth.Accept, auth.OATHCodeVerified)
}

// Recovery codes stand in for the app and are typed without the PIN; passkeys
// have their own.
func TestPINIsNotAskedBesideOthers(t *testing.T) {
	w := newPINWorld(t)
	sheet := w.Bind(w.alice, "recovery", auth.Binding{}).Codes
	w.Want(w.Try("gateway", "alice", auth.Code(sheet[0])), auth.Accept, auth.RecoveryCodeVerified)
	w.Bind(w.alice, auth.PasskeyFactor, auth.Binding{Secret: auth.Secret("alice's key")})
	at := w.Attempt(auth.PortalClient, "alice", auth.PasskeyWanted{})
	at.Door, at.Can.Passkey = auth.PortalClient, true
	asked := w.Decide(at)
	at = w.Attempt(auth.PortalClient, "alice", sign("alice's key", asked.State))
	at.Door, at.Can.Passkey, at.State = auth.PortalClient, true, asked.State
	w.Want(w.Decide(at), auth.Accept, auth.PasskeyVerified)
}

// A PIN that cannot be judged lets nobody in.
func TestPINThatCannotBeJudged(t *testing.T) {
	t.Run("its state is broken", func(t *testing.T) {
		w := newPINWorld(t)
		w.Store.PutAuthenticator(auth.Authenticator{ID: "alice/pin", Account: w.alice.ID, Factor: auth.PINFactor, State: auth.Secret("no state"), Mark: auth.NoMark})
		if d := w.Try("gateway", "alice", w.phone.code()+alicesPIN); d.Verdict != auth.Unavailable {
			t.Errorf("decided %v %v", d.Verdict, d.Outcome)
		}
		w.Want(w.Try("gateway", "bob", w.bobs.code()), auth.Accept, auth.OATHCodeVerified)
	})
	t.Run("nobody judges PINs here", func(t *testing.T) {
		w := newPINWorld(t)
		parts := w.Engine.Parts
		parts.PINs = nil
		w.Engine = auth.NewEngine(parts)
		for _, typed := range []auth.Code{w.phone.code(), w.phone.code() + alicesPIN} {
			if d := w.Try("gateway", "alice", typed); d.Verdict == auth.Accept {
				t.Errorf("accepted with %d characters", len(typed))
			}
		}
		w.Want(w.Try("gateway", "bob", w.bobs.code()), auth.Accept, auth.OATHCodeVerified)
	})
}

// The one that a person prefers is asked for whatever order the rule has, and
// recovery codes are never it: after a lost phone the sheet is older than the new
// app.
func TestPersonIsAskedForTheirOwn(t *testing.T) {
	w := newWorld(t)
	a := w.AddAccount("alice")
	w.Bind(a, "password", auth.Binding{Secret: auth.Secret(secret)})
	w.Bind(a, "recovery", auth.Binding{})
	app(w, a)
	for _, methods := range [][]string{nil, {"oath"}, {"oath", "recovery"}, {"recovery", "oath"}} {
		rules(w, auth.Rule{Name: "it", Then: auth.Then{Methods: methods}})
		if d := w.Try("nas", "alice", auth.Password(secret)); !strings.Contains(d.Message, "authenticator app") {
			t.Errorf("methods %v: asked %q", methods, d.Message)
		}
	}
}

// A splitter counts the codes from which a PIN was taken.
type splitter struct {
	auth.PINs
	splits int
}

func (s *splitter) Split(p auth.Authenticator, typed auth.Code, at time.Time) (auth.Code, auth.Outcome, error) {
	s.splits++
	return s.PINs.Split(p, typed, at)
}

// Whoever brings a code, it is split once, so that time does not tell who has a
// PIN, nor who has an account.
func TestEverybodysCodeIsSplit(t *testing.T) {
	w := newPINWorld(t)
	carol := w.AddAccount("carol")
	carol.Enabled = false
	w.Store.PutAccount(carol)
	parts := w.Engine.Parts
	count := &splitter{PINs: parts.PINs}
	parts.PINs = count
	w.Engine = auth.NewEngine(parts)
	for what, at := range map[string]auth.Attempt{
		"with a PIN":           w.Attempt("gateway", "alice", w.phone.code()+alicesPIN),
		"without one":          w.Attempt("gateway", "bob", w.bobs.code()),
		"disabled":             w.Attempt("gateway", "carol", auth.Code("123456")),
		"no such account":      w.Attempt("gateway", "mallory", auth.Code("123456")),
		"not a code":           w.Attempt("gateway", "bob", auth.Code("swordfish")),
		"behind a wrong first": w.Attempt("old-nas", "bob", auth.Password("not it at all"), w.bobs.code()),
	} {
		count.splits = 0
		w.Decide(at)
		if count.splits != 1 {
			t.Errorf("%s: %d codes were split; want 1", what, count.splits)
		}
	}
}
