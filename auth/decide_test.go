package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/recovery"
	"sallyport/kdf"
	"sallyport/otp"
)

// alice's password in every story.
const secret = "correct horse battery"

// newWorld returns a world with the factors of the product, the password
// hashing made cheap.
func newWorld(t *testing.T) *authtest.World {
	t.Helper()
	lanes := kdf.NewLanes(2, time.Minute)
	cheap := kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	return authtest.NewWorld(t, &password.Factor{Params: cheap, Lanes: lanes}, &oath.Factor{Drift: 1}, &recovery.Factor{Params: cheap, Lanes: lanes})
}

// A token is what a person holds.
type token struct {
	w *authtest.World
	e otp.Enrolment
}

func (k token) code() auth.Code { return k.codeAt(k.w.Now()) }

func (k token) codeAt(at time.Time) auth.Code {
	return auth.Code(otp.TOTP(k.e.Key, at, k.e.Params))
}

// wrong is a code that the token does not show around now.
func (k token) wrong() auth.Code {
	for n := range 1_000_000 {
		code := fmt.Sprintf("%06d", n)
		now := k.e.Params.Step(k.w.Now())
		if _, ok := otp.Locate(k.e.Key, code, now-30, now+30, k.e.Params); !ok {
			return auth.Code(code)
		}
	}
	panic("every code is right")
}

// alice gives the world an account with a password and an app.
func alice(w *authtest.World, aliases ...string) (auth.Account, token) {
	w.Helper()
	a := w.AddAccount("alice", aliases...)
	w.Bind(a, "password", auth.Binding{Secret: auth.Secret(secret)})
	return a, app(w, a)
}

func app(w *authtest.World, a auth.Account) token {
	w.Helper()
	e, err := otp.ParseURI(w.Bind(a, "oath", auth.Binding{Issuer: "Test"}).URI)
	if err != nil {
		w.Fatal(err)
	}
	return token{w, e}
}

func TestPasswordThenCode(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)

	asked := w.Try("nas", "alice", auth.Password(secret))
	w.Want(asked, auth.Challenge, auth.OATHCodePending)
	w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
}

func TestPasswordAndCodeInOneField(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), phone.code()), auth.Accept, auth.OATHCodeVerified)
}

// Ask for a second factor on one way in and forget it on another: for each
// subset of {password, code} at each client, only the full set is accepted
// (CVE-2025-64103).
func TestOnlyTheFullSetIsAccepted(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	tests := []struct {
		name   string
		client string
		pass   bool
		code   bool
		want   auth.Outcome
	}{
		{"nothing, challenge", "nas", false, false, auth.PasswordMissing},
		{"code alone, challenge", "nas", false, true, auth.PasswordMissing},
		{"nothing, append", "old-nas", false, false, auth.PasswordMissing},
		{"code alone, append", "old-nas", false, true, auth.PasswordMissing},
		{"password alone, append", "old-nas", true, false, auth.CodeMissing},
		{"nothing, the client checked the password", "gateway", false, false, auth.CodeMissing},
		{"password alone, the client checked the password", "gateway", true, false, auth.CodeMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var evidence []auth.Evidence
			if tt.pass {
				evidence = append(evidence, auth.Password(secret))
			}
			if tt.code {
				evidence = append(evidence, phone.code())
			}
			w.Want(w.Try(tt.client, "alice", evidence...), auth.Reject, tt.want)
		})
	}
}

func TestCodeWorksOnceAtAnyClient(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)

	code := phone.code()
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), code), auth.Accept, auth.OATHCodeVerified)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), code), auth.Reject, auth.DuplicateOATHCode)
	w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.DuplicateOATHCode)

	w.Wait(30 * time.Second)
	w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.DuplicateOATHCode)
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
	w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.OATHCodeOutOfDate)
}

// A code that was accepted is told from a wrong one however it is typed
// (CVE-2025-55000).
func TestSpellingsOfOneCodeAreOneCode(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	code := string(phone.code())
	w.Want(w.Try("gateway", "alice", auth.Code(code[:3]+" "+code[3:])), auth.Accept, auth.OATHCodeVerified)
	for _, typed := range []string{code, " " + code, code + "\n", code[:3] + "-" + code[3:], strings.Map(func(r rune) rune { return r - '0' + '０' }, code)} {
		w.Want(w.Try("gateway", "alice", auth.Code(typed)), auth.Reject, auth.DuplicateOATHCode)
	}
}

// FortiOS CVE-2020-12812, Authelia CVE-2026-47203, Vault CVE-2025-6013: a name
// in another spelling must not find an account without MFA, nor a fresh count.
func TestSpellingsOfOneNameAreOneAccount(t *testing.T) {
	spellings := []string{
		"alice", "ALICE", "Alice", " alice", "alice ", `CORP\alice`, `corp\ALICE`, "alice@corp.example.com", "Alice@Other.Example",
		"ａｌｉｃｅ", `CORP＼alice`, "al", // the last is the alias
	}
	t.Run("each logs in", func(t *testing.T) {
		w := newWorld(t)
		_, phone := alice(w, "al")
		for _, name := range spellings {
			w.Want(w.Try("gateway", name, phone.code()), auth.Accept, auth.OATHCodeVerified)
			w.Wait(30 * time.Second)
		}
	})
	t.Run("all share one count", func(t *testing.T) {
		w := newWorld(t)
		a, phone := alice(w, "al")
		for i := range auth.DefaultLimits.Have.Free {
			w.Want(w.Try("gateway", spellings[i], phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		}
		for _, name := range spellings {
			w.Want(w.Try("gateway", name, phone.code()), auth.Reject, auth.Throttled)
		}
		if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != auth.DefaultLimits.Have.Free {
			t.Errorf("%d failures counted; want %d", got, auth.DefaultLimits.Have.Free)
		}
	})
	t.Run("a domain that is not ours belongs to nobody", func(t *testing.T) {
		w := newWorld(t)
		w.Engine.Domains = []string{"CORP", "corp.example.com"}
		_, phone := alice(w)
		w.Want(w.Try("gateway", `OTHER\alice`, phone.code()), auth.Reject, auth.UserNotFound)
		w.Want(w.Try("gateway", "alice@other.example", phone.code()), auth.Reject, auth.UserNotFound)
		w.Want(w.Try("gateway", `corp\alice`, phone.code()), auth.Accept, auth.OATHCodeVerified)
	})
}

// What the person reads is the same for a wrong password, a wrong code and an
// account that does not exist, and so is the shape of what is kept.
func TestRefusalsReadAlike(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	bob := w.AddAccount("bob") // holds nothing
	carol := w.AddAccount("carol")
	carol.Enabled = false
	w.Store.PutAccount(carol)
	dave := w.AddAccount("dave")
	dave.Blocked, dave.BlockReason = true, "lost phone"
	w.Store.PutAccount(dave)
	w.Bind(bob, "password", auth.Binding{Secret: auth.Secret(secret)})
	w.Bind(a, "recovery", auth.Binding{})

	tests := []struct {
		name string
		d    auth.Decision
		want auth.Outcome
	}{
		{"wrong password", w.Try("old-nas", "alice", auth.Password("not it at all"), phone.code()), auth.PasswordWrong},
		{"wrong code", w.Try("old-nas", "alice", auth.Password(secret), phone.wrong()), auth.OATHCodeIncorrect},
		{"no such account", w.Try("old-nas", "mallory", auth.Password(secret), phone.code()), auth.UserNotFound},
		{"disabled", w.Try("old-nas", "carol", auth.Password(secret), phone.code()), auth.UserDisabled},
		{"blocked", w.Try("old-nas", "dave", auth.Password(secret), phone.code()), auth.UserBlocked},
		{"no second factor", w.Try("old-nas", "bob", auth.Password(secret), phone.code()), auth.UserIncomplete},
		{"a name that cannot be", w.Try("old-nas", "ali\x00ce", auth.Password(secret), phone.code()), auth.NameUnreadable},
		{"not a code", w.Try("old-nas", "alice", auth.Password(secret), auth.Code("swordfish")), auth.CodeNotRecognized},
		{"wrong recovery code", w.Try("old-nas", "alice", auth.Password(secret), auth.Code("ABCDE-FGHJK")), auth.RecoveryCodeWrong},
	}
	told := ""
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.Want(tt.d, auth.Reject, tt.want)
			text := strings.ReplaceAll(tt.d.Message, string(tt.d.Reference), "XXXX-XXXX")
			if told == "" {
				told = text
			}
			if text != told {
				t.Errorf("told %q; the others were told %q", text, told)
			}
		})
	}
	if told != "Sign-in failed. Reference XXXX-XXXX." {
		t.Errorf("told %q", told)
	}
}

// AuthQuake, Keycloak CVE-2024-4629, Vault CVE-2025-6015: parallel guesses over
// fresh sessions must not outrun the limit, nor a right code among them.
func TestParallelGuessesStayWithinTheLimit(t *testing.T) {
	w := newWorld(t)
	w.Store.Unkind = 7
	a, phone := alice(w)
	const guesses = 1000
	wrong := phone.wrong()

	start := make(chan struct{})
	var wg sync.WaitGroup
	for range guesses {
		wg.Go(func() {
			<-start
			w.Engine.Decide(context.Background(), w.Attempt("gateway", "alice", wrong))
		})
	}
	close(start)
	wg.Wait()

	evaluated, other := 0, 0
	for _, ev := range w.Store.Events() {
		switch ev.Outcome {
		case auth.OATHCodeIncorrect:
			evaluated++
		case auth.Throttled, auth.TooManyAtOnce:
			other++
		default:
			t.Errorf("a guess ended as %v", ev.Outcome)
		}
	}
	limit := auth.DefaultLimits.Have.Free
	if evaluated > limit || evaluated+other != guesses {
		t.Errorf("%d of %d guesses were evaluated, %d refused unseen; at most %d may be evaluated", evaluated, guesses, other, limit)
	}
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != evaluated {
		t.Errorf("%d failures counted, %d evaluated", got, evaluated)
	}
	for _, b := range w.Store.Breaches() {
		t.Errorf("invariant broken: %s", b)
	}
}

// A crowd on an account is refused without being evaluated, and its refusals
// clear no count: they did once, and the first guess of a storm went uncounted.
func TestACrowdClearsNoCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, phone := alice(w)
		wrong := phone.wrong()
		w.Want(w.Try("gateway", "alice", wrong), auth.Reject, auth.OATHCodeIncorrect)

		// One attempt holds the turn inside its factor, and 63 wait behind it.
		held := holding{Factor: w.Engine.Factors[1], leave: make(chan struct{})}
		w.Engine.Factors[1] = &held
		for range 64 {
			go w.Engine.Decide(context.Background(), w.Attempt("gateway", "alice", wrong))
		}
		synctest.Wait()
		w.Want(w.Try("gateway", "alice", wrong), auth.Reject, auth.TooManyAtOnce)

		close(held.leave)
		synctest.Wait()
		if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != auth.DefaultLimits.Have.Free {
			t.Errorf("%d failures counted; want %d", got, auth.DefaultLimits.Have.Free)
		}
	})
}

// holding is a factor whose Verify waits.
type holding struct {
	auth.Factor
	leave chan struct{}
}

func (h *holding) Verify(ctx context.Context, a auth.Authenticator, at auth.Attempt) (auth.Finding, error) {
	<-h.leave
	return h.Factor.Verify(ctx, a, at)
}

// Gitea CVE-2021-45331, CVE-2026-20779: one code released to 64 connections at
// once is accepted exactly once.
func TestParallelUsesOfOneCode(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	w := newWorld(t)
	w.Store.Unkind = 5
	_, phone := alice(w)
	for round := range rounds {
		code := phone.code()
		start := make(chan struct{})
		verdicts := make(chan auth.Decision, 64)
		var wg sync.WaitGroup
		for i := range 64 {
			client := []string{"gateway", "asking-gateway"}[i%2]
			wg.Go(func() {
				<-start
				verdicts <- w.Engine.Decide(context.Background(), w.Attempt(client, "alice", code))
			})
		}
		close(start)
		wg.Wait()
		close(verdicts)
		accepts := 0
		for d := range verdicts {
			if d.Verdict == auth.Accept {
				accepts++
			}
		}
		if accepts != 1 {
			t.Fatalf("round %d: %d of 64 uses of one code were accepted; want 1", round, accepts)
		}
		w.Wait(30 * time.Second)
	}
	for _, b := range w.Store.Breaches() {
		t.Errorf("invariant broken: %s", b)
	}
}

func TestWaitsGrowAndOnlyAPersonLiftsTheStop(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	waits := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}
	for range auth.DefaultLimits.Have.Free {
		w.Want(w.Try("gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
	}
	for _, wait := range waits {
		w.Wait(wait - time.Second)
		w.Want(w.Try("gateway", "alice", phone.code()), auth.Reject, auth.Throttled)
		w.Wait(time.Second)
		w.Want(w.Try("gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
	}
	for failures := auth.DefaultLimits.Have.Free + len(waits); failures < auth.DefaultLimits.Have.Stop; failures++ {
		w.Wait(time.Hour)
		w.Want(w.Try("gateway", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
	}
	w.Wait(100 * 24 * time.Hour)
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Reject, auth.HardStopped)

	w.Store.Unlock(a.ID)
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
}

// A name that nobody has is throttled as an account is, so that a guesser
// cannot tell the two apart by when the answers change.
func TestUnknownNamesAreThrottledAlike(t *testing.T) {
	w := newWorld(t)
	alice(w)
	for range auth.DefaultLimits.Know.Free {
		w.Want(w.Try("nas", "alice", auth.Password("not it at all")), auth.Reject, auth.PasswordWrong)
		w.Want(w.Try("nas", "mallory", auth.Password("not it at all")), auth.Reject, auth.UserNotFound)
	}
	known := w.Try("nas", "alice", auth.Password("not it at all"))
	unknown := w.Try("nas", "mallory", auth.Password("not it at all"))
	w.Want(known, auth.Reject, auth.Throttled)
	w.Want(unknown, auth.Reject, auth.Throttled)
	if k, u := strings.Split(known.Message, " Reference")[0], strings.Split(unknown.Message, " Reference")[0]; k != u {
		t.Errorf("a known name was told %q, an unknown one %q", k, u)
	}
}

// Only a complete login clears the counts; a right password does not (Vault
// CVE-2025-6015: a fresh first step bought fresh guesses).
func TestOnlyACompleteLoginClearsTheCount(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	for range 5 {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(w.Answer(asked, "nas", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
	}
	w.Try("nas", "alice", auth.Password(secret))
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 5 {
		t.Fatalf("%d failures counted after five wrong codes and a right password; want 5", got)
	}
	asked := w.Try("nas", "alice", auth.Password(secret))
	w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
	if got := w.Store.ThrottleOf(a.ID); got != (auth.Throttle{}) {
		t.Errorf("counts after a complete login: %+v", got)
	}
}

// Second-factor failures count only after a correct first factor, so that
// nobody can lock out an account with its name alone.
func TestWrongPasswordsDoNotStopTheSecondFactor(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	for range 100 {
		w.Try("old-nas", "alice", auth.Password("not it at all"), phone.wrong())
	}
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 0 {
		t.Errorf("%d code failures counted behind wrong passwords", got)
	}
	// A client that checks passwords itself is not held by guesses at ours.
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
}

// A client that sends everything twice locks nobody out: a code that was
// accepted before is no guess.
func TestDuplicatesAreNotCounted(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	code := phone.code()
	w.Want(w.Try("gateway", "alice", code), auth.Accept, auth.OATHCodeVerified)
	for range 3 * auth.DefaultLimits.Have.Free {
		w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.DuplicateOATHCode)
	}
	if got := w.Store.ThrottleOf(a.ID).Have.Failures; got != 0 {
		t.Errorf("%d failures counted", got)
	}
}

func TestChallengeIsBoundAndSingleUse(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	bob := w.AddAccount("bob")
	w.Bind(bob, "password", auth.Binding{Secret: auth.Secret(secret)})
	bobs := app(w, bob)

	t.Run("another account", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(w.Answer(asked, "nas", "bob", bobs.code()), auth.Reject, auth.ChallengeUnknown)
	})
	t.Run("another client", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(w.Answer(asked, "asking-gateway", "alice", phone.code()), auth.Reject, auth.ChallengeElsewhere)
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
		w.Wait(30 * time.Second)
	})
	t.Run("a second answer", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(w.Answer(asked, "nas", "alice", phone.wrong()), auth.Reject, auth.OATHCodeIncorrect)
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.ChallengeUnknown)
	})
	t.Run("too late", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Wait(w.Engine.ChallengeLife)
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.ChallengeExpired)
	})
	t.Run("just in time", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Wait(w.Engine.ChallengeLife - time.Nanosecond)
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
		w.Wait(30 * time.Second)
	})
	t.Run("made up", func(t *testing.T) {
		at := w.Attempt("nas", "alice", phone.code())
		at.State = []byte("sixteen octets!!")
		w.Want(w.Decide(at), auth.Reject, auth.ChallengeUnknown)
	})
	t.Run("an empty answer", func(t *testing.T) {
		asked := w.Try("nas", "alice", auth.Password(secret))
		w.Want(w.Answer(asked, "nas", "alice", ""), auth.Reject, auth.CodeMissing)
		w.Want(w.Answer(asked, "nas", "alice", phone.code()), auth.Reject, auth.ChallengeUnknown)
	})
	t.Run("the account was disabled in between", func(t *testing.T) {
		asked := w.Try("nas", "bob", auth.Password(secret))
		bob.Enabled = false
		w.Store.PutAccount(bob)
		w.Want(w.Answer(asked, "nas", "bob", bobs.code()), auth.Reject, auth.UserDisabled)
	})
}

// A client that has checked the password and sends none is asked for the code,
// and a name that nobody has is asked just the same.
func TestAskingGatewayAsksEverybody(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	known := w.Try("asking-gateway", "alice")
	unknown := w.Try("asking-gateway", "mallory")
	w.Want(known, auth.Challenge, auth.OATHCodePending)
	w.Want(unknown, auth.Challenge, auth.OATHCodePending)
	if known.Message != unknown.Message {
		t.Errorf("a known name was asked %q, an unknown one %q", known.Message, unknown.Message)
	}
	w.Want(w.Answer(unknown, "asking-gateway", "mallory", phone.code()), auth.Reject, auth.UserNotFound)
	w.Want(w.Answer(known, "asking-gateway", "alice", phone.code()), auth.Accept, auth.OATHCodeVerified)
}

func TestAttributesSurviveAChallenge(t *testing.T) {
	w := newWorld(t)
	a, phone := alice(w)
	a.Groups = []string{"staff"}
	w.Store.PutAccount(a)
	asked := w.Try("nas", "alice", auth.Password(secret))
	if len(asked.Attributes) != 0 {
		t.Errorf("a challenge carries %v", asked.Attributes)
	}
	got := w.Answer(asked, "nas", "alice", phone.code())
	want := "[{Class nas} {Filter-Id staff}]"
	if fmt.Sprint(got.Attributes) != want {
		t.Errorf("attributes %v; want %s", got.Attributes, want)
	}
}

func TestRecoveryCodeStandsInOnce(t *testing.T) {
	w := newWorld(t)
	a, _ := alice(w)
	sheet := w.Bind(a, "recovery", auth.Binding{}).Codes
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[3])), auth.Accept, auth.RecoveryCodeVerified)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(sheet[3])), auth.Reject, auth.RecoveryCodeUsed)
	w.Want(w.Try("old-nas", "alice", auth.Password(secret), auth.Code(strings.ToLower(sheet[4]))), auth.Accept, auth.RecoveryCodeVerified)
}

// A store that is gone, or that dies after it has done the work, lets nobody
// in and tells nobody anything.
func TestFaultsOfTheStoreLetNobodyIn(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	code := phone.code()

	w.Store.Down = authtest.ErrDown
	w.Want(w.Try("gateway", "alice", code), auth.Unavailable, auth.StoreUnavailable)
	w.Store.Down = nil

	w.Store.Fail = errors.New("connection lost after COMMIT")
	d := w.Try("gateway", "alice", code)
	w.Want(d, auth.Unavailable, auth.StoreUnavailable)
	if d.Message != "" || d.Attributes != nil {
		t.Errorf("an undecided login says %q, %v", d.Message, d.Attributes)
	}
	// The code was spent by the commit nobody heard of: it stays spent.
	w.Want(w.Try("gateway", "alice", code), auth.Reject, auth.DuplicateOATHCode)
}

// Our own lack of capacity is nobody's failure.
func TestBusyPasswordLaneCountsNothing(t *testing.T) {
	w := newWorld(t)
	a, _ := alice(w)
	for i, f := range w.Engine.Factors {
		if f.Info().Name == "password" {
			w.Engine.Factors[i] = busy{f}
		}
	}
	w.Want(w.Try("nas", "alice", auth.Password(secret)), auth.Unavailable, auth.PasswordLaneFull)
	if got := w.Store.ThrottleOf(a.ID); got != (auth.Throttle{}) {
		t.Errorf("counted %+v", got)
	}
}

type busy struct{ auth.Factor }

func (busy) Verify(context.Context, auth.Authenticator, auth.Attempt) (auth.Finding, error) {
	return auth.Finding{}, fmt.Errorf("no lane: %w", auth.ErrBusy)
}

// A factor that cannot read its state refuses, and the log gets the reason.
func TestBrokenAuthenticatorLetsNobodyIn(t *testing.T) {
	w := newWorld(t)
	a := w.AddAccount("alice")
	w.Store.PutAuthenticator(auth.Authenticator{ID: "x", Account: a.ID, Factor: "oath", State: auth.Secret("garbage"), Mark: auth.NoMark})
	w.Want(w.Try("gateway", "alice", auth.Code("123456")), auth.Unavailable, auth.InternalFault)
}

func TestClientRemovedUnderWay(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	w.Store.PutSettings(&auth.Settings{})
	w.Want(w.Try("gateway", "alice", phone.code()), auth.Ignore, auth.ClientUnknown)
}

func TestNoSecretsInEvents(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	code := phone.code()
	w.Try("old-nas", "alice", auth.Password(secret), code)
	w.Try("old-nas", "hunter2-typed-as-a-name", auth.Password(secret), code)
	w.Try("old-nas", "alice", auth.Password("hunter2-typed-as-a-password"), auth.Code("hunter2"))
	for _, ev := range w.Store.Events() {
		text := fmt.Sprintf("%+v", ev)
		for _, canary := range []string{secret, string([]byte(code)), "hunter2"} {
			if strings.Contains(text, canary) {
				t.Errorf("event holds %q: %s", canary, text)
			}
		}
	}
}

func TestIncidentsAreToldAtABoundedRate(t *testing.T) {
	w := newWorld(t)
	incident := func() {
		at := w.Attempt("", "")
		at.Reach, at.Seen = auth.ClientUnknown, "a packet"
		if d := w.Engine.Decide(t.Context(), at); d.Verdict != auth.Ignore {
			t.Errorf("verdict %v for an unknown client", d.Verdict)
		}
	}
	for range 1000 {
		incident()
	}
	if got := len(w.Store.Events()); got != 1 {
		t.Fatalf("%d events for 1,000 packets at once; want 1", got)
	}
	w.Wait(time.Minute)
	w.Engine.Tell(t.Context(), w.Now())
	if got := w.LastEvent().Count; got != 999 {
		t.Errorf("the second event stands for %d packets; want 999", got)
	}
	w.Wait(time.Minute)
	w.Engine.Tell(t.Context(), w.Now())
	w.Wait(time.Minute)
	incident()
	if events := w.Store.Events(); len(events) != 3 || events[2].Count != 1 {
		t.Errorf("%d events; want a third that stands for 1", len(events))
	}
}

// Refusals and challenges leave at a random moment of the second stretch of 10
// ms since they came; accepts at once.
func TestRefusalsLeaveOnAGrid(t *testing.T) {
	w := newWorld(t)
	_, phone := alice(w)
	tests := []struct {
		name  string
		took  time.Duration
		code  auth.Code
		after time.Duration // since the attempt came; 0 for not held
	}{
		{"an accept", 3 * time.Millisecond, phone.code(), 0},
		{"a fast refusal", 100 * time.Microsecond, phone.wrong(), 10 * time.Millisecond},
		{"one a little slower", 140 * time.Microsecond, phone.wrong(), 10 * time.Millisecond},
		{"a slow refusal", 29 * time.Millisecond, phone.wrong(), 30 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := w.Attempt("gateway", "alice", tt.code)
			var held []time.Duration
			w.Engine.Hold = func(_ context.Context, until time.Time) { held = append(held, until.Sub(at.Time)) }
			w.Wait(tt.took)
			w.Decide(at)
			switch {
			case tt.after == 0:
				if len(held) != 0 {
					t.Errorf("held for %v", held)
				}
			case len(held) != 1 || held[0] < tt.after || held[0] >= tt.after+10*time.Millisecond:
				t.Errorf("held for %v; want a moment within 10 ms after %v", held, tt.after)
			}
		})
	}
}
