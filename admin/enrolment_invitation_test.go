package admin

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

var browser = Redeemer{Source: "192.0.2.9", Agent: "Browser"}

// The way of a new person: a link, a password, an app.
func TestInvitationLetsAPersonEnrol(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.AddAccount(ctx, operator, NewAccount{Name: "mary"})
	h.no(err)
	link, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	if !link.Expires.Equal(h.Now().Add(24*time.Hour)) || len(link.Secret) != 26 || link.Code != "" {
		t.Errorf("invitation %+v", link)
	}
	open, err := h.Invitations(ctx, "")
	h.no(err)
	if len(open) != 1 || open[0] != link.InvitationView || open[0].By != operator.Name || open[0].Kind != InviteLink {
		t.Errorf("invitations %+v; want %+v", open, link.InvitationView)
	}

	token, p, err := h.Redeem(ctx, link.Secret, browser)
	h.no(err)
	if !p.Session.Enrolling() || p.Session.Client != auth.PortalClient || !p.Session.Expires.Equal(h.Now().Add(30*time.Minute)) {
		t.Errorf("session %+v", p.Session)
	}
	p, by, err := h.SessionByToken(ctx, auth.PortalClient, token)
	if err != nil || len(by.May) != 0 {
		t.Fatalf("actor %+v, error %v", by, err)
	}
	h.no(h.OwnPassword(ctx, p, "correct horse battery staple"))
	h.want(h.OwnPassword(ctx, p, "another one, this time longer"), ErrForbidden, "you have a password already")
	h.app(p, "phone")
	h.app(p, "tablet") // also in this session
	if got := h.holds("mary"); got != "password oath recovery oath" {
		t.Errorf("mary holds %s", got)
	}

	// Nothing else is open to whoever has an invitation.
	id := h.store.state.held(p.Account.ID)[1].ID
	refused := map[string]error{
		"rename":   h.RenameAuthenticator(ctx, p, id, "x"),
		"prefer":   h.Prefer(ctx, p, id),
		"remove":   h.RemoveOwnAuthenticator(ctx, p, id),
		"not me":   h.NotMe(ctx, p, "7F3K-92QD"),
		"session":  h.EndOwnSession(ctx, p, p.Session.ID),
		"codes":    second(h.OwnRecoveryCodes(ctx, p)),
		"bypass":   second(h.OwnBypass(ctx, p)),
		"events":   second(h.OwnEvents(ctx, p, "", 0)),
		"sessions": second(h.OwnSessions(ctx, p)),
	}
	_, _, err = h.RenewSession(ctx, p, "oath")
	refused["renew"] = err
	for what, err := range refused {
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%s by an invitation: %v; want it forbidden", what, err)
		}
	}
	h.wait(30 * time.Minute)
	_, _, err = h.SessionByToken(ctx, auth.PortalClient, token)
	h.want(err, ErrSignedOut)
}

func second[T any](_ T, err error) error { return err }

// CVE-2026-73431 and others: links could be used again.
func TestInvitationsCountOnce(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	old, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	link, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	_, _, err = h.Redeem(ctx, old.Secret, browser)
	h.want(err, ErrInvalid, "does not count") // replaced by the newer one

	var wg sync.WaitGroup
	var mu sync.Mutex
	used := 0
	for range 32 {
		wg.Go(func() {
			if _, _, err := h.Redeem(ctx, link.Secret, browser); err == nil {
				mu.Lock()
				used++
				mu.Unlock()
			} else if !errors.Is(err, ErrInvalid) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used != 1 || h.sessions("mary") != 1 {
		t.Errorf("used %d times, %d sessions", used, h.sessions("mary"))
	}

	late, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink, Seconds: 60})
	h.no(err)
	h.wait(time.Minute)
	_, _, err = h.Redeem(ctx, late.Secret, browser)
	h.want(err, ErrInvalid)
	revoked, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	h.no(h.RevokeInvitation(ctx, operator, revoked.ID))
	h.want(h.RevokeInvitation(ctx, operator, revoked.ID), ErrNotFound)
	_, _, err = h.Redeem(ctx, revoked.Secret, browser)
	h.want(err, ErrInvalid)
	for _, guess := range []string{"", " ", revoked.ID, strings.Repeat("A", 26), "invitation by code for\x00" + h.get("mary").ID} {
		_, _, err = h.Redeem(ctx, guess, browser)
		h.want(err, ErrInvalid)
	}
}

func TestCodesOfInvitations(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	h.account("nora", "")
	v, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteCode})
	h.no(err)
	if len(v.Code) != 9 || v.Code[4] != '-' || !v.Expires.Equal(h.Now().Add(10*time.Minute)) || v.Secret != "" {
		t.Fatalf("invitation %+v", v)
	}
	// Whoever does not have the code learns nothing: not of names, not of
	// invitations.
	var words string
	for _, tt := range []struct{ name, code string }{
		{"nobody", v.Code}, {"nora", v.Code}, {"mary", "0000-0000"}, {"", v.Code}, {"mary", ""}, {"\x00", ""}, {"mary", strings.Repeat("0", 1<<16)},
	} {
		_, _, err := h.RedeemCode(ctx, tt.name, tt.code, browser)
		h.want(err, ErrInvalid)
		var p *Problem
		if errors.As(err, &p); words == "" {
			words = p.What + p.Hint
		} else if words != p.What+p.Hint {
			t.Errorf("%q with %.20q: %q; want %q", tt.name, tt.code, p.What+p.Hint, words)
		}
	}
	if open, err := h.Invitations(ctx, "mary"); err != nil || len(open) != 1 || open[0].Tries != 3 {
		t.Errorf("invitations %+v, error %v; want three tries counted", open, err)
	}
	// A link is no code and a code no link.
	_, _, err = h.Redeem(ctx, v.Code, browser)
	h.want(err, ErrInvalid)

	typed := strings.ToLower(strings.NewReplacer("-", " ", "0", "o", "1", "l").Replace(v.Code))
	_, p, err := h.RedeemCode(ctx, " MARY ", typed, browser)
	h.no(err)
	if p.Account.Name != "mary" || !p.Session.Enrolling() {
		t.Errorf("person %+v", p)
	}
	_, _, err = h.RedeemCode(ctx, "mary", v.Code, browser)
	h.want(err, ErrInvalid)
}

// Five wrong codes end an invitation, however many fall together.
func TestGuessesEndAnInvitation(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	v, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteCode})
	h.no(err)
	for range 4 {
		_, _, err = h.RedeemCode(ctx, "mary", "0000-0000", browser)
		h.want(err, ErrInvalid)
	}
	_, _, err = h.RedeemCode(ctx, "mary", v.Code, browser) // the fifth try is the right one
	h.no(err)

	v, err = h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteCode})
	h.no(err)
	for range 5 {
		_, _, err = h.RedeemCode(ctx, "mary", "0000-0000", browser)
		h.want(err, ErrInvalid)
	}
	_, _, err = h.RedeemCode(ctx, "mary", v.Code, browser)
	h.want(err, ErrInvalid)
	if open, err := h.Invitations(ctx, "mary"); err != nil || len(open) != 0 {
		t.Errorf("invitations %+v, error %v", open, err)
	}
	if act := h.last(); act.Action != "account.invitation-guessed" || act.Subject != "mary" || act.Actor != "somebody at 192.0.2.9" {
		t.Errorf("act %+v", act)
	}

	v, err = h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteCode})
	h.no(err)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, _, err := h.RedeemCode(ctx, "mary", "0000-0000", browser); !errors.Is(err, ErrInvalid) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, _, err = h.RedeemCode(ctx, "mary", v.Code, browser)
	h.want(err, ErrInvalid)
}

// CISA AA22-074A: a dormant account could enrol a device again. An account is
// open to nobody without an invitation, and to none while it is shut.
func TestShutAccountsCannotEnrol(t *testing.T) {
	shut := map[string]func(h *house, on bool) error{
		"disabled": func(h *house, on bool) error { return h.SetEnabled(h.t.Context(), operator, "mary", !on) },
		"blocked": func(h *house, on bool) error {
			if on {
				return h.Block(h.t.Context(), operator, "mary", "", time.Time{})
			}
			return h.Unblock(h.t.Context(), operator, "mary")
		},
	}
	for name, set := range shut {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			ctx := t.Context()
			h.account("mary", "")
			link, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
			h.no(err)
			h.no(set(h, true))
			_, err = h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteCode})
			h.want(err, ErrInvalid, "disabled or blocked")
			_, _, err = h.Redeem(ctx, link.Secret, browser)
			h.want(err, ErrInvalid, "does not count")
			if h.sessions("mary") != 0 {
				t.Error("there is a session")
			}
			h.no(set(h, false))
			_, _, err = h.Redeem(ctx, link.Secret, browser)
			h.no(err)
		})
	}
}

// And if it is shut after everything else was checked.
func TestAccountIsShutWhileItsInvitationIsUsed(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	link, err := h.Invite(t.Context(), operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	h.store.meanwhile = func() { h.no(h.SetEnabled(t.Context(), operator, "mary", false)) }
	_, _, err = h.Redeem(t.Context(), link.Secret, browser)
	h.want(err, ErrInvalid, "does not count")
	if h.sessions("mary") != 0 {
		t.Error("there is a session")
	}
}

// A new phone: the old app stays until the new one has shown that it works, and
// goes with that.
func TestInvitationThatReplaces(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	old := h.app(h.portal("mary"), "old phone").Authenticator
	_, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.want(err, ErrInvalid, "holds a second factor already")
	h.wait(time.Hour)
	link, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink, Replace: true})
	h.no(err)
	if open, err := h.Invitations(ctx, "mary"); err != nil || len(open) != 1 || !open[0].Replace || open[0].By != operator.Name {
		t.Errorf("invitations %+v, error %v", open, err)
	}
	_, p, err := h.Redeem(ctx, link.Secret, browser)
	h.no(err)
	if me, err := h.Me(ctx, p); err != nil || !me.Enrolling || !me.Replacing || me.MayBypass {
		t.Errorf("me %+v, error %v", me, err)
	}
	h.want(h.OwnPassword(ctx, p, "another password"), ErrForbidden)
	e, err := h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH, Label: "new phone"})
	h.no(err)
	_, err = h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: "wrong"})
	h.want(err, ErrInvalid)
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Errorf("before the test mary holds %s", got)
	}
	h.wait(time.Minute)
	done, err := h.ConfirmEnrolment(ctx, p, Confirmation{Ceremony: e.Ceremony, Code: h.code(h.key(e), 0)})
	h.no(err)
	if _, err := h.store.Authenticator(ctx, old.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old phone: %v; want it gone", err)
	}
	if got := h.holds("mary"); got != "password recovery oath" || done.RecoveryCodes != nil {
		t.Errorf("mary holds %s, confirmed %+v", got, done)
	}
	if act := h.last(); !strings.Contains(act.Detail, "in place of "+old.ID) {
		t.Errorf("act %+v", act)
	}
	h.app(p, "tablet") // replaces nothing that this session has brought
	if got := h.holds("mary"); got != "password recovery oath oath" {
		t.Errorf("mary holds %s", got)
	}
}

// An invitation for the first authenticators adds none once there are some, from
// wherever they came.
func TestPlainInvitationDoesNotAdd(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("mary", "")
	link, err := h.Invite(ctx, operator, NewInvitation{Account: "mary", Kind: InviteLink})
	h.no(err)
	h.app(h.portal("mary"), "phone")
	h.wait(time.Second)
	_, _, err = h.Redeem(ctx, link.Secret, browser)
	h.want(err, ErrInvalid)

	h.account("nora", "")
	link, err = h.Invite(ctx, operator, NewInvitation{Account: "nora", Kind: InviteLink})
	h.no(err)
	p := h.portal("nora")
	h.app(p, "phone")
	// Between the look at what is held and the session there is no gap that lasts:
	// the session itself enrols nothing either.
	p.Session.Factor, p.Session.Created = FactorInvitation, h.Now().Add(time.Second)
	_, err = h.BeginEnrolment(ctx, p, NewEnrolment{Kind: EnrolOATH})
	h.want(err, ErrForbidden)
}

// Whoever invited somebody without a role cannot use the invitation once that
// account administers: the help desk would be owner.
func TestInvitationDoesNotRiseWithTheRole(t *testing.T) {
	for _, kind := range []string{InviteLink, InviteCode} {
		h := ranks(t)
		ctx := t.Context()
		v, err := h.Invite(ctx, h.actor("hugo"), NewInvitation{Account: "mary", Kind: kind, Replace: true})
		h.no(err)
		_, err = h.SetRole(ctx, operator, "mary", Administrator)
		h.no(err)
		if kind == InviteLink {
			_, _, err = h.Redeem(ctx, v.Secret, browser)
		} else {
			_, _, err = h.RedeemCode(ctx, "mary", v.Code, browser)
		}
		h.want(err, ErrInvalid, "does not count")
		if h.sessions("mary") != 0 {
			t.Errorf("%s: there is a session", kind)
		}
	}
	// One made by somebody of the rank counts.
	h := ranks(t)
	v, err := h.Invite(t.Context(), h.actor("olga"), NewInvitation{Account: "adam", Kind: InviteLink, Replace: true})
	h.no(err)
	_, _, err = h.Redeem(t.Context(), v.Secret, browser)
	h.no(err)
}

func TestInvitationsLast(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	tests := []struct {
		n  NewInvitation
		ok bool
	}{
		{NewInvitation{Account: "mary", Kind: InviteLink, Seconds: 7 * 86400}, true},
		{NewInvitation{Account: "mary", Kind: InviteLink, Seconds: 7*86400 + 1}, false},
		{NewInvitation{Account: "mary", Kind: InviteLink, Seconds: -1}, false},
		{NewInvitation{Account: "mary", Kind: InviteLink, Seconds: 1 << 62}, false},
		{NewInvitation{Account: "mary", Kind: InviteCode, Seconds: 600}, true},
		{NewInvitation{Account: "mary", Kind: InviteCode, Seconds: 601}, false},
		{NewInvitation{Account: "mary", Kind: InviteCode, Seconds: -1}, false},
		{NewInvitation{Account: "mary", Kind: "pigeon"}, false},
		{NewInvitation{Account: "mary"}, false},
	}
	for _, tt := range tests {
		v, err := h.Invite(t.Context(), operator, tt.n)
		if tt.ok {
			h.no(err)
			if want := h.Now().Add(time.Duration(tt.n.Seconds) * time.Second); !v.Expires.Equal(want) {
				t.Errorf("%+v lasts until %s; want %s", tt.n, v.Expires, want)
			}
		} else if !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: error %v; want it refused", tt.n, err)
		}
	}
	_, err := h.Invite(t.Context(), operator, NewInvitation{Account: "nobody", Kind: InviteLink})
	h.want(err, ErrNotFound)
}

// FuzzPlainCode states that a code is the same however a person types it, and
// that what was typed never grows.
func FuzzPlainCode(f *testing.F) {
	for _, s := range []string{"7F3K-92QD", "7f3k 92qd", "7f3k92qd", "oOiIlL01", "", "-", "ä", strings.Repeat("A", 100), "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		plain := plainCode(typed)
		if len(plain) > 3*64+1 {
			t.Fatalf("plainCode(%q) has %d octets", typed, len(plain))
		}
		if again := plainCode(plain); len(plain) <= 64 && again != plain {
			t.Errorf("plainCode(%q) = %q, and of that %q", typed, plain, again)
		}
		if len(typed) <= 60 {
			if lower := plainCode(strings.ToLower(strings.ToUpper(typed))); isASCII(typed) && lower != plain {
				t.Errorf("plainCode(%q) = %q, in small letters %q", typed, plain, lower)
			}
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
