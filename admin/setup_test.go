package admin

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

const ownerPassword = "correct horse battery staple"

func TestFirstOwner(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	if needed, err := h.NeedsSetUp(ctx); err != nil || !needed {
		t.Fatalf("needed %t, error %v", needed, err)
	}
	secret, expires, err := h.BeginSetUp(ctx, Actor{Name: "serve"})
	h.no(err)
	if len(secret) != 52 || !expires.Equal(h.Now().Add(24*time.Hour)) {
		t.Errorf("a secret of %d characters until %s", len(secret), expires)
	}
	if got, err := h.CheckSetUp(ctx, secret); err != nil || !got.Equal(expires) {
		t.Errorf("it counts until %s, error %v", got, err)
	}
	o, err := h.BeginOwner(ctx, NewOwner{Secret: secret, Name: " Olga ", Password: ownerPassword})
	h.no(err)
	if len(h.store.state.accounts) != 0 || len(h.store.state.authenticators) != 0 {
		t.Error("something is kept before the passkey was made")
	}
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, register(make([]byte, 32), "somebody"))
	h.want(err, ErrInvalid, "made for another challenge")
	v, codes, err := h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	h.no(err)
	if v.Name != "olga" || v.Role != Owner || !v.Enabled || len(codes) == 0 {
		t.Errorf("owner %+v, %d codes", v, len(codes))
	}
	if got := h.holds("olga"); got != "password webauthn recovery" {
		t.Errorf("olga holds %s", got)
	}
	if act := h.last(); act.Action != "set-up.owner" || act.Actor != "olga" || !strings.Contains(act.After, `"role":"owner"`) {
		t.Errorf("act %+v", act)
	}
	// It is done, and no step of it counts any more.
	if needed, err := h.NeedsSetUp(ctx); err != nil || needed {
		t.Errorf("needed %t, error %v", needed, err)
	}
	_, _, err = h.BeginSetUp(ctx, operator)
	h.want(err, ErrForbidden, "set up already")
	_, err = h.CheckSetUp(ctx, secret)
	h.want(err, ErrForbidden)
	_, err = h.BeginOwner(ctx, NewOwner{Secret: secret, Name: "eve", Password: ownerPassword})
	h.want(err, ErrForbidden)
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	h.want(err, ErrForbidden)
	if len(h.store.state.accounts) != 1 || len(h.store.state.ceremonies) != 0 {
		t.Errorf("%d accounts, %d ceremonies", len(h.store.state.accounts), len(h.store.state.ceremonies))
	}
}

func TestSetUpStepsOutOfOrder(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	old, _, err := h.BeginSetUp(ctx, operator)
	h.no(err)
	begun, err := h.BeginOwner(ctx, NewOwner{Secret: old, Name: "olga", Password: ownerPassword})
	h.no(err)
	secret, _, err := h.BeginSetUp(ctx, operator) // the server was started again
	h.no(err)
	_, err = h.CheckSetUp(ctx, old)
	h.want(err, ErrForbidden, "start the server again")
	// What was begun by the old link is not ended by the new one.
	_, _, err = h.FinishOwner(ctx, secret, begun.Ceremony, h.answer(begun.Options))
	h.want(err, ErrNotFound, "begin it again")
	_, _, err = h.FinishOwner(ctx, old, begun.Ceremony, h.answer(begun.Options))
	h.want(err, ErrForbidden)
	for _, guess := range []string{"", "x", strings.ToLower(secret), ceremonyID(secret), begun.Ceremony} {
		_, err = h.CheckSetUp(ctx, guess)
		h.want(err, ErrForbidden)
		_, err = h.BeginOwner(ctx, NewOwner{Secret: guess, Name: "eve", Password: ownerPassword})
		h.want(err, ErrForbidden)
		_, _, err = h.FinishOwner(ctx, guess, begun.Ceremony, h.answer(begun.Options))
		h.want(err, ErrForbidden)
		_, _, err = h.FinishOwner(ctx, secret, guess, "")
		h.want(err, ErrNotFound)
	}

	for _, tt := range []struct {
		name string
		n    NewOwner
		kind error
		want string
	}{
		{"14 characters", NewOwner{Name: "olga", Password: "fourteen chars"}, ErrInvalid, "at least 15 characters"},
		{"14 characters that take 15 code points before NFC", NewOwner{Name: "olga", Password: "thirteen chrse\u0301"}, ErrInvalid, "not 14"},
		{"no name", NewOwner{Name: " ", Password: ownerPassword}, ErrInvalid, "cannot be a name"},
	} {
		tt.n.Secret = secret
		_, err := h.BeginOwner(ctx, tt.n)
		h.want(err, tt.kind, tt.want)
	}
	h.account("mary", "")
	_, err = h.BeginOwner(ctx, NewOwner{Secret: secret, Name: "mary", Password: ownerPassword})
	h.want(err, ErrExists, "choose another name")
	o, err := h.BeginOwner(ctx, NewOwner{Secret: secret, Name: "nora", Password: ownerPassword})
	h.no(err)
	h.account("nora", "")
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	h.want(err, ErrExists)
	if h.holds("nora") != "password" || h.get("nora").Role != "" {
		t.Error("half an owner was made")
	}
	h.wait(10 * time.Minute)
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	h.want(err, ErrNotFound) // the passkey took too long
	h.wait(24 * time.Hour)
	_, err = h.CheckSetUp(ctx, secret)
	h.want(err, ErrForbidden)
}

// Of many browsers that end one set-up at once, one makes an owner.
func TestSetUpEndsOnce(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	secret, _, err := h.BeginSetUp(ctx, operator)
	h.no(err)
	o, err := h.BeginOwner(ctx, NewOwner{Secret: secret, Name: "olga", Password: ownerPassword})
	h.no(err)
	var wg sync.WaitGroup
	for range setUpTries {
		wg.Go(func() {
			_, _, err := h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
			if err != nil && !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := h.holds("olga"); len(h.store.state.accounts) != 1 || got != "password webauthn recovery" {
		t.Errorf("%d accounts; olga holds %s", len(h.store.state.accounts), got)
	}
}

// What the store could not keep was not done, and can be done again.
func TestSetUpOnAFullDisk(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	secret, _, err := h.BeginSetUp(ctx, operator)
	h.no(err)
	o, err := h.BeginOwner(ctx, NewOwner{Secret: secret, Name: "olga", Password: ownerPassword})
	h.no(err)
	h.store.fails = errors.New("disk full")
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	var p *Problem
	if err == nil || errors.As(err, &p) {
		t.Errorf("error %v; want the fault", err)
	}
	_, _, err = h.FinishOwner(ctx, secret, o.Ceremony, h.answer(o.Options))
	h.no(err)
	_, p2 := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)
	if p2.Account.Role != Owner {
		t.Errorf("account %+v", p2.Account)
	}
}
