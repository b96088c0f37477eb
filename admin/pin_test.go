package admin

import (
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

// pin sets a PIN for a person whose app has a key.
func (h *house) pin(p Person, key []byte, digits string) Confirmed {
	h.t.Helper()
	e, err := h.BeginEnrolment(h.t.Context(), p, NewEnrolment{Kind: EnrolPIN, PIN: digits})
	h.no(err)
	c, err := h.ConfirmEnrolment(h.t.Context(), p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0) + auth.Code(digits)})
	h.no(err)
	return c
}

// enrolled is a person who holds a password, an app and recovery codes.
func (h *house) enrolled(name string) (Person, []byte) {
	h.t.Helper()
	h.account(name, "")
	p := h.portal(name)
	e, err := h.BeginEnrolment(h.t.Context(), p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	key := h.key(e)
	_, err = h.ConfirmEnrolment(h.t.Context(), p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0)})
	h.no(err)
	h.wait(time.Minute)
	return p, key
}

// A PIN is a person's own once they have typed it after a code, and the code is
// spent. A change takes the place of the one before and ends other sessions.
func TestSetAPIN(t *testing.T) {
	h := newHouse(t)
	p, key := h.enrolled("mary")
	ctx := t.Context()
	me, err := h.Me(ctx, p)
	h.no(err)
	if me.PIN == nil || me.PIN.Set != nil || me.PIN.MinDigits != 4 || me.PIN.Remembered != 1 {
		t.Fatalf("before: %+v", me.PIN)
	}
	h.portal("mary")
	if n := h.sessions("mary"); n != 2 {
		t.Fatalf("%d sessions", n)
	}
	done := h.pin(p, key, "2704")
	if done.Authenticator.Factor != auth.PINFactor || done.Authenticator.Default || done.RecoveryCodes != nil {
		t.Errorf("confirmed %+v", done)
	}
	if got := h.holds("mary"); got != "password oath recovery pin" {
		t.Errorf("mary holds %s", got)
	}
	if n := h.sessions("mary"); n != 1 {
		t.Errorf("%d sessions after it; want the one that set it", n)
	}
	if act := h.last(); act.Action != "account.pin" || act.Actor != "mary" {
		t.Errorf("act %+v", act)
	}
	me, err = h.Me(ctx, p)
	h.no(err)
	if me.PIN == nil || me.PIN.Set == nil || !me.PIN.Set.Equal(h.Now()) || me.PIN.Expires == nil || !me.PIN.Expires.Equal(h.Now().Add(24*time.Hour)) {
		t.Errorf("after: %+v", me.PIN)
	}
	for _, v := range me.Authenticators {
		if v.Factor == auth.PINFactor {
			t.Error("the PIN is listed as an authenticator of its owner")
		}
	}

	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2815"})
	h.no(err)
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0) + "2815"})
	h.want(err, ErrInvalid, "used already") // by the first PIN's test
	h.wait(time.Minute)
	h.pin(p, key, "2815")
	if got := h.holds("mary"); got != "password oath recovery pin" {
		t.Errorf("mary holds %s after a change", got)
	}
	_, err = h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2815"})
	h.want(err, ErrInvalid, "this PIN is not taken: it is not a new one of 4 digits", "choose another")

	h.no(h.RemoveOwnPIN(ctx, p))
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Errorf("mary holds %s after she did without", got)
	}
	if act := h.last(); act.Action != "account.pin-remove" {
		t.Errorf("act %+v", act)
	}
	h.want(h.RemoveOwnPIN(ctx, p), ErrNotFound, "you have no PIN")
}

// What is wrong with the test of a PIN is told, and ten wrong tries end it.
func TestPINThatFailsItsTest(t *testing.T) {
	h := newHouse(t)
	p, key := h.enrolled("mary")
	ctx := t.Context()
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2704"})
	h.no(err)
	tests := []struct {
		typed auth.Code
		want  string
	}{
		{h.code(key, 0), "does not come after the code"},
		{h.code(key, 0) + "2705", "does not come after the code"},
		{"2704" + h.code(key, 0), "does not come after the code"},
		{"2704", "none of your app or token"},
		{h.code([]byte("another key of 20 oc"), 0) + "2704", "none of your app or token"},
		{h.code(key, -10*time.Minute) + "2704", "automatic date and time"},
		{"", "does not come after the code"},
		{"a", "does not come after the code"},
		{"b", "does not come after the code"},
	}
	for _, tt := range tests {
		_, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: tt.typed})
		h.want(err, ErrInvalid, tt.want)
	}
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: "c"})
	h.want(err, ErrNotFound, "begin it again")
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(key, 0) + "2704"})
	h.want(err, ErrNotFound)
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Errorf("mary holds %s", got)
	}
}

// A PIN goes with an app or token, and with nothing else.
func TestPINNeedsACode(t *testing.T) {
	h := newHouse(t)
	h.account("nora", "")
	ctx, p := t.Context(), h.portal("nora")
	_, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2704"})
	h.want(err, ErrInvalid, "you have neither", "first")
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPasskey})
	h.no(err)
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Registration: h.answer(e.Options)})
	h.no(err)
	_, err = h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2704"})
	h.want(err, ErrInvalid, "you have neither")
	me, err := h.Me(ctx, p)
	h.no(err)
	if me.PIN != nil {
		t.Errorf("nora, who has a passkey, is offered a PIN: %+v", me.PIN)
	}
	h.PINs = nil
	p, _ = h.enrolled("mary")
	_, err = h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2704"})
	h.want(err, ErrInvalid, "takes no PINs")
}

// The help desk takes a forgotten PIN away as it takes any authenticator; with
// the last app goes the PIN, but not with one of two.
func TestPINOfSomebodyElse(t *testing.T) {
	h := newHouse(t)
	p, key := h.enrolled("mary")
	ctx := t.Context()
	forgotten := h.pin(p, key, "2704").Authenticator.ID
	h.no(h.RevokeAuthenticator(ctx, operator, forgotten))
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Fatalf("mary holds %s", got)
	}
	h.wait(time.Minute)
	p = h.portal("mary")
	h.pin(p, key, "2704")
	tablet := h.app(p, "tablet").Authenticator.ID
	h.no(h.RevokeAuthenticator(ctx, operator, tablet))
	if got := h.holds("mary"); got != "password oath recovery pin" {
		t.Errorf("mary holds %s after the tablet is gone", got)
	}
	held, err := h.Authenticators(ctx, "mary")
	h.no(err)
	for _, v := range held {
		if v.Factor == oathFactor {
			h.no(h.RevokeAuthenticator(ctx, operator, v.ID))
		}
		if v.Default != (v.Factor == oathFactor) {
			t.Errorf("%s: default %t", v.Factor, v.Default)
		}
	}
	if got := h.holds("mary"); got != "password" {
		t.Errorf("mary holds %s without an app", got)
	}
	_, err = h.AddAuthenticator(ctx, operator, "mary", auth.PINFactor, "")
	h.want(err, ErrInvalid, "no factor")
}

// However many tests of a PIN fall together, one sets it, and one code is spent
// once.
func TestParallelTestsOfAPIN(t *testing.T) {
	h := newHouse(t)
	p, key := h.enrolled("mary")
	ctx := t.Context()
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolPIN, PIN: "2704"})
	h.no(err)
	typed := h.code(key, 0) + "2704"
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 8 { // more than ten would end it before they are judged
		wg.Go(func() {
			if _, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: typed}); err == nil {
				mu.Lock()
				done++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := h.holds("mary"); done != 1 || got != "password oath recovery pin" {
		t.Errorf("%d tests passed; mary holds %s", done, got)
	}
}
