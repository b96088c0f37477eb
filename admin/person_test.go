package admin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

// login writes an event of an account and returns its reference.
func (h *house) login(name string, ev auth.Event) string {
	h.t.Helper()
	ev.Seq, ev.Subject, ev.Account, ev.Time = uint64(len(h.store.state.events)+1), h.get(name).ID, name, h.Now()
	h.store.state.events = append(h.store.state.events, ev)
	return string(h.References.Of(ev.Seq))
}

func TestMe(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	me, err := h.Me(ctx, p)
	h.no(err)
	if !me.HasPassword || len(me.Authenticators) != 0 || me.HasRecoveryCodes || me.RecoveryCodesLeft != nil || me.MayBypass {
		t.Errorf("me %+v", me)
	}
	phone := h.app(p, "phone")
	h.app(p, "tablet")
	h.SelfBypass = 5 * time.Minute
	h.login("mary", auth.Event{Verdict: auth.Accept, Authenticator: phone.Authenticator.ID, Outcome: auth.OATHCodeVerified})
	h.no(h.RenameAuthenticator(ctx, p, phone.Authenticator.ID, "work phone"))
	me, err = h.Me(ctx, p)
	h.no(err)
	if len(me.Authenticators) != 2 || me.RecoveryCodesLeft == nil || *me.RecoveryCodesLeft != 2 || !me.MayBypass || me.BypassSeconds != 300 {
		t.Fatalf("me %+v", me)
	}
	if a := me.Authenticators[0]; a.Label != "work phone" || !a.Default || a.UsedAt == nil || !a.UsedAt.Equal(h.Now()) || me.Authenticators[1].Default || me.Authenticators[1].UsedAt != nil {
		t.Errorf("authenticators %+v", me.Authenticators)
	}
	h.no(h.Prefer(ctx, p, me.Authenticators[1].ID))
	me, err = h.Me(ctx, p)
	if err != nil || me.Authenticators[0].Label != "tablet" || !me.Authenticators[0].Default {
		t.Errorf("authenticators %+v, error %v", me.Authenticators, err)
	}
}

func TestTheLastFactorStays(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	phone := h.app(p, "phone").Authenticator
	h.want(h.RemoveOwnAuthenticator(ctx, p, phone.ID), ErrInvalid, "set up the new one first")
	tablet := h.app(p, "tablet").Authenticator
	other := h.portal("mary")
	h.no(h.RemoveOwnAuthenticator(ctx, p, phone.ID))
	if got := h.holds("mary"); got != "password recovery oath" {
		t.Errorf("mary holds %s", got)
	}
	if list, err := h.OwnSessions(ctx, p); err != nil || len(list) != 1 || list[0].ID != p.Session.ID {
		t.Errorf("sessions %+v, error %v; want that of %s ended", list, err, other.Session.ID)
	}
	h.want(h.RemoveOwnAuthenticator(ctx, p, tablet.ID), ErrInvalid)
}

// Also when the last two are removed at the same moment, or one by its owner and
// one by an administrator.
func TestTheLastFactorStaysInParallel(t *testing.T) {
	for range 50 {
		h := newHouse(t)
		h.account("mary", "")
		ctx, p := t.Context(), h.portal("mary")
		phone, tablet := h.app(p, "phone").Authenticator, h.app(p, "tablet").Authenticator
		var wg sync.WaitGroup
		var errs [2]error
		wg.Go(func() { errs[0] = h.RemoveOwnAuthenticator(ctx, p, phone.ID) })
		wg.Go(func() { errs[1] = h.RemoveOwnAuthenticator(ctx, p, tablet.ID) })
		wg.Wait()
		if got := h.holds("mary"); got != "password oath recovery" && got != "password recovery oath" {
			t.Fatalf("mary holds %s after %v", got, errs)
		}
	}
}

// And if the other one is revoked between the look at it and the removal.
func TestTheLastFactorIsRevokedMeanwhile(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	phone, tablet := h.app(p, "phone").Authenticator, h.app(p, "tablet").Authenticator
	h.store.meanwhile = func() { h.no(h.RevokeAuthenticator(ctx, operator, tablet.ID)) }
	h.want(h.RemoveOwnAuthenticator(ctx, p, phone.ID), ErrInvalid, "set up the new one first")
	if got := h.holds("mary"); got != "password oath recovery" {
		t.Errorf("mary holds %s", got)
	}
	// A revocation that rested on the other one staying ends the codes with both.
	tablet = h.app(p, "tablet").Authenticator
	h.store.meanwhile = func() { h.no(h.RevokeAuthenticator(ctx, operator, tablet.ID)) }
	h.no(h.RevokeAuthenticator(ctx, operator, phone.ID))
	if got := h.holds("mary"); got != "password" {
		t.Errorf("mary holds %s", got)
	}
}

// CVE-2025-64175 (Gogs) and the like: what is another person's is out of reach.
func TestNobodyReachesWhatIsAnothers(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	h.account("nora", "")
	ctx, mary := t.Context(), h.portal("mary")
	h.app(mary, "phone")
	theirs := h.app(h.portal("nora"), "phone").Authenticator
	ref := h.login("nora", auth.Event{Verdict: auth.Reject, Outcome: auth.PasswordWrong})
	for what, err := range map[string]error{
		"rename":   h.RenameAuthenticator(ctx, mary, theirs.ID, "mine"),
		"prefer":   h.Prefer(ctx, mary, theirs.ID),
		"remove":   h.RemoveOwnAuthenticator(ctx, mary, theirs.ID),
		"not me":   h.NotMe(ctx, mary, ref),
		"password": h.RemoveOwnAuthenticator(ctx, mary, h.store.state.held(mary.Account.ID)[0].ID), // one's own, but a password
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v; want it not found", what, err)
		}
	}
	if events, err := h.OwnEvents(ctx, mary, "", 0); err != nil || len(events.Items) != 0 {
		t.Errorf("events %+v, error %v", events, err)
	}
	if got := h.holds("nora"); got != "password oath recovery" || h.get("nora").Blocked {
		t.Errorf("nora holds %s", got)
	}
	codes, err := h.OwnRecoveryCodes(ctx, mary)
	h.no(err)
	for _, x := range h.store.state.authenticators {
		if x.Factor == "recovery" && strings.Contains(string(x.State), codes[0]) && x.Account != mary.Account.ID {
			t.Error("mary's codes are nora's")
		}
	}
}

func TestOwnPassword(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	h.account("olga", Owner)
	ctx, mary, olga := t.Context(), h.portal("mary"), h.portal("olga")
	old := h.store.state.held(mary.Account.ID)[0]
	h.portal("mary")
	h.want(h.OwnPassword(ctx, mary, "seven c"), ErrInvalid, "shorter than 8")
	h.no(h.OwnPassword(ctx, mary, "eight ch"))
	if got := h.holds("mary"); got != "password" || h.store.state.held(mary.Account.ID)[0].ID == old.ID {
		t.Errorf("mary holds %s", got)
	}
	if h.sessions("mary") != 1 {
		t.Errorf("%d sessions of mary; want this one alone", h.sessions("mary"))
	}
	h.want(h.OwnPassword(ctx, olga, "eight ch"), ErrInvalid, "at least 15 characters")
	h.want(h.SetPassword(ctx, operator, "olga", "eight ch", ""), ErrInvalid, "at least 15 characters")
	h.no(h.OwnPassword(ctx, olga, ownerPassword))
}

func TestOwnBypass(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	_, err := h.OwnBypass(ctx, p)
	h.want(err, ErrForbidden, "ask the help desk")
	h.SelfBypass = 2 * time.Minute
	v, err := h.OwnBypass(ctx, p)
	h.no(err)
	if !v.Live || !v.Until.Equal(h.Now().Add(2*time.Minute)) || v.Actor != "mary" {
		t.Errorf("bypass %+v", v)
	}
	if act := h.last(); act.Action != "bypass.add" || act.Actor != "mary" || act.Subject != "mary" {
		t.Errorf("act %+v", act)
	}
	h.no(h.Block(ctx, operator, "mary", "", time.Time{}))
	_, err = h.OwnBypass(ctx, p)
	h.want(err, ErrSignedOut)
}

func TestOwnEventsAreInTheirWords(t *testing.T) {
	h := newHouse(t)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	for range 5 {
		h.login("mary", auth.Event{
			Verdict: auth.Reject, Outcome: auth.PasswordWrong, Client: "fw1", Application: "vpn", From: "198.51.100.7",
			Source: netip.MustParseAddrPort("192.0.2.10:1812"), Trace: []auth.Step{{Note: "for the administrator"}},
		})
	}
	var refs []string
	cursor := ""
	for range 5 {
		page, err := h.OwnEvents(ctx, p, cursor, 2)
		h.no(err)
		for _, e := range page.Items {
			if e.Message != auth.PasswordWrong.Meaning().Person || strings.Contains(fmt.Sprint(e), "administrator") || e.Client != "fw1" || e.Source != "192.0.2.10" {
				t.Errorf("event %+v", e)
			}
			refs = append(refs, e.Reference)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(refs) != 5 || refs[0] != string(h.References.Of(5)) || refs[4] != string(h.References.Of(1)) {
		t.Errorf("references %v", refs)
	}
	for _, bad := range []string{"x", "-1", "0", "99999999999999999999"} {
		_, err := h.OwnEvents(ctx, p, bad, 0)
		h.want(err, ErrInvalid, "no cursor")
	}
	_, err := h.OwnEvents(ctx, p, "", 201)
	h.want(err, ErrInvalid)
}

func TestThisWasNotMe(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	h.account("mary", "")
	ctx, p := t.Context(), h.portal("mary")
	h.portal("mary")
	ref := h.login("mary", auth.Event{Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Client: "fw1"})
	for _, bad := range []string{"", "7F3K", "no reference", string(h.References.Of(99))} {
		h.want(h.NotMe(ctx, p, bad), ErrNotFound)
	}
	h.no(h.NotMe(ctx, p, strings.ToLower(ref)))
	if acc := h.get("mary"); !acc.BlockedAt(h.Now()) || !acc.BlockedUntil.IsZero() || h.sessions("mary") != 0 {
		t.Errorf("account %+v, %d sessions", acc, h.sessions("mary"))
	}
	act := h.last()
	if act.Action != "account.fraud" || act.Actor != "mary" || act.Subject != "mary" || !strings.Contains(act.Detail, ref) || !strings.Contains(act.After, `"blocked":true`) {
		t.Errorf("act %+v", act)
	}

	// The last owner stays, so that somebody can go on from there.
	olga := h.portal("olga")
	ref = h.login("olga", auth.Event{Verdict: auth.Accept, Outcome: auth.OATHCodeVerified, Client: "fw1"})
	h.no(h.NotMe(ctx, olga, ref))
	if h.get("olga").Blocked || h.sessions("olga") != 0 {
		t.Errorf("account %+v, %d sessions", h.get("olga"), h.sessions("olga"))
	}
	if act := h.last(); act.Action != "account.fraud" || !strings.Contains(act.Detail, "not blocked") {
		t.Errorf("act %+v", act)
	}
}
