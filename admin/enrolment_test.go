package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/otp"
)

func TestEnrolmentEndsWithALiveTest(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH, Label: " my phone "})
	h.no(err)
	if got := h.holds("mary"); got != "password" {
		t.Fatalf("before the test mary holds %s", got)
	}
	u, err := url.Parse(e.URI)
	if err != nil || u.Query().Get("secret") != e.Secret || !e.Expires.Equal(h.Now().Add(10*time.Minute)) {
		t.Errorf("enrolment %+v, error %v", e, err)
	}
	code := h.code(h.key(e), 0)
	done, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: code})
	h.no(err)
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Errorf("mary holds %s", got)
	}
	if done.Authenticator.Label != "my phone" || !done.Authenticator.Default || len(done.RecoveryCodes) == 0 {
		t.Errorf("confirmed %+v", done)
	}
	// The code that was shown is spent.
	au, err := h.store.OpenAuthenticator(ctx, done.Authenticator.ID)
	h.no(err)
	if au.Mark != h.Now().Unix()/30 {
		t.Errorf("mark %d; want the step of now, %d", au.Mark, h.Now().Unix()/30)
	}
	// Nothing is enrolled twice.
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: code})
	h.want(err, ErrNotFound, "begin it again")
	if act := h.last(); act.Action != "account.enrol" || act.Actor != "mary" || !strings.Contains(act.After, `"label":"my phone"`) {
		t.Errorf("act %+v", act)
	}
	// Another one brings no other codes.
	if second := h.app(p, "tablet"); second.RecoveryCodes != nil || second.Authenticator.Default {
		t.Errorf("second %+v", second)
	}
}

// A wrong code says what to do, and ten of them are all there are.
func TestWrongCodesAtEnrolment(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	key := h.key(e)
	tests := []struct {
		name string
		code auth.Code
		want string
	}{
		{"a clock that is ten minutes slow", h.code(key, -10*time.Minute), "automatic date and time"},
		{"a clock that is ten minutes fast", h.code(key, 10*time.Minute), "automatic date and time"},
		{"another entry of the app", h.code(otp.NewKey(otp.SHA1), 0), "newest entry Example (mary)"},
		{"no code", "", "type the digits that the app shows"},
		{"words", "hello!!", "type the digits that the app shows"},
	}
	for _, tt := range tests {
		_, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: tt.code})
		h.want(err, ErrInvalid, tt.want)
	}
	for range 4 {
		_, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: "nothing"})
		h.want(err, ErrInvalid)
	}
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: "nothing"})
	h.want(err, ErrNotFound, "begin it again")
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0)})
	h.want(err, ErrNotFound)
	if got := h.holds("mary"); got != "password" || len(h.store.state.ceremonies) != 0 {
		t.Errorf("mary holds %s; %d ceremonies are left", got, len(h.store.state.ceremonies))
	}
}

// However many wrong codes fall together, no more than ten are judged, and the
// right one among them enrols once.
func TestParallelConfirmations(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	code := h.code(h.key(e), 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done, wrong int
	for i := range 64 {
		wg.Go(func() {
			c := code
			if i%2 == 0 {
				c = "wrong"
			}
			_, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: c})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case errors.Is(err, ErrInvalid):
				wrong++
			case !errors.Is(err, ErrNotFound):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done > 1 || done+wrong > enrolmentTries {
		t.Errorf("%d confirmed, %d judged wrong", done, wrong)
	}
	want := "password"
	if done == 1 {
		want = "password oath recovery"
	}
	if got := h.holds("mary"); got != want {
		t.Errorf("mary holds %s after %d confirmations", got, done)
	}
}

// CVE-2026-18963 (Keycloak): steps could be taken out of order. An enrolment is
// of one session of one person, for ten minutes, and only of the newest that was
// begun.
func TestEnrolmentStepsOutOfOrder(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	h.account("nora", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	key := h.key(e)
	right := func() Confirmation { return Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0)} }

	_, err = h.ConfirmEnrolment(ctx, h.portal("nora"), right())
	h.want(err, ErrNotFound)
	_, err = h.ConfirmEnrolment(ctx, h.portal("mary"), right()) // another session of mary's
	h.want(err, ErrNotFound)
	link, err := h.Invite(ctx, operator, NewInvitation{Account: "nora", Kind: InviteLink})
	h.no(err)
	for _, ceremony := range []string{"", "x", ceremonyID(e.Ceremony), link.Secret, strings.Repeat("A", 1<<16)} {
		c := right()
		c.Ceremony = ceremony
		_, err = h.ConfirmEnrolment(ctx, p, c)
		h.want(err, ErrNotFound)
	}
	_, _, err = h.Redeem(ctx, e.Ceremony, Redeemer{}) // an enrolment is no invitation
	h.want(err, ErrInvalid)

	newer, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPasskey})
	h.no(err)
	_, err = h.ConfirmEnrolment(ctx, p, right())
	h.want(err, ErrNotFound) // replaced
	h.wait(10 * time.Minute)
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: newer.Ceremony, Registration: h.answer(newer.Options)})
	h.want(err, ErrNotFound) // too late
	if got := h.holds("mary") + h.holds("nora"); got != "passwordpassword" {
		t.Errorf("held: %s", got)
	}
	for _, tt := range []NewEnrolment{
		{Kind: "sms"},
		{},
		{Kind: EnrolOATH, Label: "a\x00b"},
		{Kind: EnrolOATH, Label: strings.Repeat("x", 65)},
	} {
		_, err = h.BeginEnrolment(ctx, p, tt)
		h.want(err, ErrInvalid)
	}
}

func TestEnrolAPasskey(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPasskey, Label: "laptop"})
	h.no(err)
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Registration: register(make([]byte, 32), p.Account.ID)})
	h.want(err, ErrInvalid, "made for another challenge")
	done, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Registration: h.answer(e.Options)})
	h.no(err)
	if done.Authenticator.Factor != auth.PasskeyFactor || done.RecoveryCodes == nil {
		t.Errorf("confirmed %+v", done)
	}
	// The browser is told which keys are there already.
	again, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPasskey})
	h.no(err)
	var c creation
	h.no(json.Unmarshal(again.Options, &c))
	if fmt.Sprint(c.Exclude) != fmt.Sprint([]string{done.Authenticator.ID}) || c.Name != "mary" {
		t.Errorf("options %+v", c)
	}
	h.Passkeys = nil
	_, err = h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPasskey})
	h.want(err, ErrInvalid, "takes no passkeys")
}

func TestEnrolAToken(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	h.account("nora", "")
	key := otp.NewKey(otp.SHA1)
	h.token("1001", key)
	h.token("1002", otp.NewKey(otp.SHA1))
	h.no(h.AssignToken(t.Context(), operator, "1002", "nora"))
	ctx, p := t.Context(), h.portal("mary")

	// Whether somebody holds a serial number is nobody's business.
	_, free := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolToken, Serial: "9999"})
	_, held := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolToken, Serial: "1002"})
	h.want(free, ErrNotFound)
	if strings.ReplaceAll(free.Error(), "9999", "1002") != held.Error() {
		t.Errorf("%v; %v", free, held)
	}
	// An app of mary's own has no serial, but an ID.
	_, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolToken, Serial: ""})
	h.want(err, ErrNotFound)

	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolToken, Serial: " 1001 ", Label: "key ring"})
	h.no(err)
	if e.Secret+e.URI != "" {
		t.Errorf("the seed of a token was shown: %+v", e)
	}
	now, next, far := h.code(key, 0), h.code(key, 30*time.Second), h.code(key, 90*time.Second)
	for _, pair := range [][2]auth.Code{{now, ""}, {now, now}, {next, now}, {now, far}} {
		_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: pair[0], SecondCode: pair[1]})
		h.want(err, ErrInvalid, "do not follow one another")
	}
	done, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: now, SecondCode: next})
	h.no(err)
	au, err := h.store.Authenticator(ctx, "1001")
	if err != nil || au.Account != p.Account.ID || au.Label != "key ring" || au.Mark != h.Now().Unix()/30+1 || done.RecoveryCodes == nil {
		t.Errorf("token %+v, error %v, confirmed %+v", au, err, done)
	}
}

// Of two people who claim one token one gets it.
func TestTokenIsClaimedOnce(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	h.account("nora", "")
	key := otp.NewKey(otp.SHA1)
	h.token("1001", key)
	ctx := t.Context()
	var ps [2]Person
	var es [2]Enrolment
	for i, name := range []string{"mary", "nora"} {
		var err error
		ps[i] = h.portal(name)
		es[i], err = h.BeginEnrolment(ctx, ps[i], NewEnrolment{Kind: EnrolToken, Serial: "1001"})
		h.no(err)
	}
	var wg sync.WaitGroup
	var errs [2]error
	for i := range ps {
		wg.Go(func() {
			_, errs[i] = h.ConfirmEnrolment(ctx, ps[i], Confirmation{Ceremony: es[i].Ceremony, Code: h.code(key, 0), SecondCode: h.code(key, 30*time.Second)})
		})
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("errors %v; want one", errs)
	}
}

// CVE-2022-36071 (SFTPGo): recovery codes that existed before MFA was on could
// be kept for later.
func TestRecoveryCodesDoNotExistWithoutAFactor(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	_, err := h.NewRecoveryCodes(ctx, operator, "mary")
	h.want(err, ErrInvalid, "no second factor")
	_, err = h.OwnRecoveryCodes(ctx, p)
	h.want(err, ErrInvalid, "no second factor")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	if got := h.holds("mary"); got != "password" {
		t.Errorf("an enrolment that is not done gave %s", got)
	}
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(h.key(e), 0)})
	h.no(err)
	for _, x := range h.store.state.held(p.Account.ID) {
		if x.Factor == "oath" {
			h.no(h.RevokeAuthenticator(ctx, operator, x.ID))
		}
	}
	if got := h.holds("mary"); got != "password" {
		t.Errorf("after the last factor mary holds %s", got)
	}
}

// However the last factor's end and a new sheet of codes fall together, codes
// never stay alone.
func TestRecoveryCodesAndTheLastFactorInParallel(t *testing.T) {
	for range 50 {
		h := newHouse(t)
		h.account("mary", "")
		done := h.app(h.portal("mary"), "phone")
		ctx := t.Context()
		var wg sync.WaitGroup
		wg.Go(func() { _ = h.RevokeAuthenticator(ctx, operator, done.Authenticator.ID) })
		wg.Go(func() { _, _ = h.NewRecoveryCodes(ctx, operator, "mary") })
		wg.Wait()
		if got := h.holds("mary"); got != "password" {
			t.Fatalf("mary holds %s", got)
		}
	}
}

// Of an account with a role nobody adds to by less than its passkey what signs
// in to the console.
func TestPasskeyOfAdministratorGuardsWhatIsAdded(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	ctx := t.Context()
	_, first := h.signIn("olga", auth.PortalClient, "oath")
	e, err := h.BeginEnrolment(ctx, first, NewEnrolment{Kind: EnrolPasskey})
	h.no(err) // there is none yet
	_, err = h.ConfirmEnrolment(ctx, first, Confirmation{Ceremony: e.Ceremony, Registration: h.answer(e.Options)})
	h.no(err)
	_, err = h.BeginEnrolment(ctx, first, NewEnrolment{Kind: EnrolPasskey})
	h.want(err, ErrProof, "sign in with your passkey")
	_, best := h.signIn("olga", auth.PortalClient, auth.PasskeyFactor)
	_, err = h.BeginEnrolment(ctx, best, NewEnrolment{Kind: EnrolPasskey})
	h.no(err)
}

func TestAccountHoldsOnlySoMuch(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	p := h.portal("mary")
	for range maxHeld - 2 { // beside password and recovery codes
		h.app(p, "phone")
	}
	_, err := h.BeginEnrolment(t.Context(), p, NewEnrolment{Kind: EnrolOATH})
	h.want(err, ErrInvalid, "remove one")
}

// An account that was shut while its owner enrols gets nothing.
func TestEnrolmentOfAShutAccount(t *testing.T) {
	for name, shut := range map[string]func(h *house) error{
		"disabled": func(h *house) error { return h.SetEnabled(h.t.Context(), operator, "mary", false) },
		"blocked":  func(h *house) error { return h.Block(h.t.Context(), operator, "mary", "", time.Time{}) },
		"role":     func(h *house) error { _, err := h.SetRole(h.t.Context(), operator, "mary", Owner); return err },
		"removed":  func(h *house) error { return h.RemoveAccount(h.t.Context(), operator, "mary", "") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.account("mary", "")
			p := h.portal("mary")
			e, err := h.BeginEnrolment(t.Context(), p, NewEnrolment{Kind: EnrolOATH})
			h.no(err)
			h.no(shut(h))
			if _, err = h.ConfirmEnrolment(t.Context(), p, Confirmation{Ceremony: e.Ceremony, Code: h.code(h.key(e), 0)}); err == nil {
				t.Error("it was enrolled")
			}
			if name == "removed" {
				return
			}
			// Also if it is shut only after everything else was checked.
			h = newHouse(t)
			h.account("mary", "")
			p = h.portal("mary")
			e, err = h.BeginEnrolment(t.Context(), p, NewEnrolment{Kind: EnrolOATH})
			h.no(err)
			h.store.meanwhile = func() { h.no(shut(h)) }
			_, err = h.ConfirmEnrolment(t.Context(), p, Confirmation{Ceremony: e.Ceremony, Code: h.code(h.key(e), 0)})
			h.want(err, ErrSignedOut)
			for _, x := range h.store.state.held(p.Account.ID) {
				if x.Factor != "password" {
					t.Errorf("it holds %s", x.Factor)
				}
			}
		})
	}
}

// CVE-2025-11794 (Mattermost): administrators could read MFA secrets. After the
// enrolment no view, list or record shows a seed.
func TestSeedsAreNotShownAgain(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	key := h.key(e)
	done, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0)})
	h.no(err)
	h.no(h.RenameAuthenticator(ctx, p, done.Authenticator.ID, "x"))
	account, err := h.ShowAccount(ctx, "mary")
	h.no(err)
	list, err := h.Authenticators(ctx, "mary")
	h.no(err)
	me, err := h.Me(ctx, p)
	h.no(err)
	events, err := h.OwnEvents(ctx, p, "", 0)
	h.no(err)
	page, err := h.AccountList(ctx, AccountQuery{})
	h.no(err)
	shown, err := json.Marshal([]any{done.Authenticator, account, list, me, events, page, h.store.state.acts})
	h.no(err)
	for _, secret := range []string{e.Secret, base64.StdEncoding.EncodeToString(key), fmt.Sprintf("%x", key), done.RecoveryCodes[0]} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%s is shown in %s", secret, shown)
		}
	}
}
