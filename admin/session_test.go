package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
)

// Times from SP 800-63B-4, Sections 2.2.3 and 2.3.3: re-authentication after
// 12 hours or 15 idle minutes at AAL3, after 24 hours or one idle hour at AAL2.
func TestSessionsEnd(t *testing.T) {
	tests := []struct {
		name   string
		client string
		visits []time.Duration // waits, each followed by a request
		open   bool            // whether the last request finds the session
	}{
		{"console, used", auth.ConsoleClient, []time.Duration{14 * time.Minute, 14 * time.Minute}, true},
		{"console, a moment before it was left for too long", auth.ConsoleClient, []time.Duration{15*time.Minute - time.Second}, true},
		{"console, left for 15 minutes", auth.ConsoleClient, []time.Duration{15 * time.Minute}, false},
		{"console, left, and not revived by asking", auth.ConsoleClient, []time.Duration{15 * time.Minute, time.Second}, false},
		{"console, 12 hours of work", auth.ConsoleClient, every(12*time.Hour, 10*time.Minute), false},
		{"console, nearly 12 hours of work", auth.ConsoleClient, every(12*time.Hour-time.Minute, 9*time.Minute), true},
		{"portal, left for 59 minutes", auth.PortalClient, []time.Duration{59 * time.Minute}, true},
		{"portal, left for an hour", auth.PortalClient, []time.Duration{time.Hour}, false},
		{"portal, 24 hours of use", auth.PortalClient, every(24*time.Hour, 30*time.Minute), false},
		{"portal, nearly 24 hours of use", auth.PortalClient, every(24*time.Hour-time.Minute, 29*time.Minute), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.account("olga", Owner)
			token, _ := h.signIn("olga", tt.client, auth.PasskeyFactor)
			var err error
			for _, d := range tt.visits {
				h.wait(d)
				_, _, err = h.SessionByToken(t.Context(), tt.client, token)
			}
			if tt.open {
				h.no(err)
			} else {
				h.want(err, ErrSignedOut, "sign in again")
			}
		})
	}
}

// every is a wait of total, cut into pieces.
func every(total, piece time.Duration) []time.Duration {
	var list []time.Duration
	for total > piece {
		list, total = append(list, piece), total-piece
	}
	return append(list, total)
}

// What ends an account's right to be here ends its sessions in the same
// transaction, and none of them comes back when the right does.
func TestSessionsEndWithTheRight(t *testing.T) {
	ways := map[string]func(h *house) error{
		"disabled": func(h *house) error { return h.SetEnabled(h.t.Context(), operator, "adam", false) },
		"blocked":  func(h *house) error { return h.Block(h.t.Context(), operator, "adam", "", time.Time{}) },
		"role": func(h *house) error {
			_, err := h.SetRole(h.t.Context(), operator, "adam", HelpDesk)
			return err
		},
		"password": func(h *house) error {
			return h.SetPassword(h.t.Context(), operator, "adam", "correct horse battery staple", "")
		},
		"revoked": func(h *house) error {
			return h.RevokeAuthenticator(h.t.Context(), operator, h.store.state.held(h.get("adam").ID)[0].ID)
		},
		"removed": func(h *house) error { return h.RemoveAccount(h.t.Context(), operator, "adam", "") },
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.account("olga", Owner)
			h.account("adam", Administrator)
			console, _ := h.signIn("adam", auth.ConsoleClient, auth.PasskeyFactor)
			portal, _ := h.signIn("adam", auth.PortalClient, "oath")
			other, _ := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)
			h.no(end(h))
			if len(h.store.state.sessions) != 1 {
				t.Errorf("%d sessions are left; want that of olga", len(h.store.state.sessions))
			}
			for client, token := range map[string]string{auth.ConsoleClient: console, auth.PortalClient: portal} {
				_, _, err := h.SessionByToken(t.Context(), client, token)
				h.want(err, ErrSignedOut)
			}
			_, _, err := h.SessionByToken(t.Context(), auth.ConsoleClient, other)
			h.no(err)
		})
	}
}

// Also when nothing has ended the session itself, as when its account was
// changed by another release, each request looks at the account as it is.
func TestEachRequestLooksAtTheAccount(t *testing.T) {
	tests := []struct {
		name   string
		change func(*auth.Account)
		client string
		open   bool
	}{
		{"nothing", func(*auth.Account) {}, auth.ConsoleClient, true},
		{"disabled", func(a *auth.Account) { a.Enabled = false }, auth.ConsoleClient, false},
		{"disabled", func(a *auth.Account) { a.Enabled = false }, auth.PortalClient, false},
		{"blocked", func(a *auth.Account) { a.Blocked = true }, auth.PortalClient, false},
		{"a block that is over", func(a *auth.Account) { a.Blocked, a.BlockedUntil = true, noon }, auth.PortalClient, true},
		{"role gone from the account", func(a *auth.Account) { a.Role = "" }, auth.ConsoleClient, false},
		{"role gone from the account", func(a *auth.Account) { a.Role = "" }, auth.PortalClient, true},
		{"role gone altogether", func(a *auth.Account) { a.Role = "gone" }, auth.ConsoleClient, false},
	}
	for _, tt := range tests {
		t.Run(tt.name+" at the "+tt.client, func(t *testing.T) {
			h := newHouse(t)
			acc := h.account("olga", Owner)
			token, _ := h.signIn("olga", tt.client, auth.PasskeyFactor)
			tt.change(&acc)
			h.store.state.accounts[acc.ID] = acc
			_, _, err := h.SessionByToken(t.Context(), tt.client, token)
			if tt.open {
				h.no(err)
				return
			}
			h.want(err, ErrSignedOut)
			_, _, err = h.NewSession(t.Context(), SignedIn{Account: acc.ID, Client: tt.client})
			h.want(err, ErrSignedOut)
		})
	}
}

func TestSessionIsOfOneClient(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	ctx := t.Context()
	token, _ := h.signIn("olga", auth.PortalClient, auth.PasskeyFactor)
	_, by, err := h.SessionByToken(ctx, auth.PortalClient, token)
	if err != nil || len(by.May) != 0 || by.Account != h.get("olga").ID {
		t.Errorf("an owner at the portal is %+v, error %v; they may do nothing there", by, err)
	}
	for _, client := range []string{auth.ConsoleClient, "", "wiki"} {
		_, _, err = h.SessionByToken(ctx, client, token)
		h.want(err, ErrSignedOut)
	}
	for _, bad := range []string{"", " ", token[:42], token + "A", strings.ToLower(token), strings.Repeat("A", 43), strings.Repeat("x", 1<<20)} {
		_, _, err = h.SessionByToken(ctx, auth.PortalClient, bad)
		h.want(err, ErrSignedOut)
	}
	_, _, err = h.NewSession(ctx, SignedIn{Account: h.get("olga").ID, Client: "wiki"})
	h.want(err, ErrSignedOut) // there is no such client
}

// CVE-2026-47726 (nebula-mesh): the database held session tokens in clear.
func TestTokensAreKeptHashed(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	token, p := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)
	invitation, err := h.Invite(t.Context(), operator, NewInvitation{Account: "olga", Kind: InviteLink})
	h.no(err)
	coded, err := h.Invite(t.Context(), operator, NewInvitation{Account: h.account("mary", "").Name, Kind: InviteCode})
	h.no(err)
	e, err := h.BeginEnrolment(t.Context(), p, NewEnrolment{Kind: EnrolOATH})
	h.no(err)
	_, key, err := h.AddKey(t.Context(), operator, NewKey{Name: "k", Permissions: []Permission{ReadEvents}})
	h.no(err)
	secrets := []string{token, invitation.Secret, coded.Code, strings.ReplaceAll(coded.Code, "-", ""), e.Ceremony, key}
	for _, c := range h.store.state.ceremonies {
		for _, s := range secrets {
			if strings.Contains(fmt.Sprintf("%s %s %s", c.ID, c.Note, []byte(c.Body)), s) {
				t.Errorf("a ceremony of the kind %s holds a secret", c.Kind)
			}
		}
	}
	for _, act := range h.store.state.acts {
		for _, s := range append(secrets, e.Secret) {
			if strings.Contains(fmt.Sprintf("%+v", act), s) {
				t.Errorf("act %s holds a secret", act.Action)
			}
		}
	}
	if s := h.store.state.sessions[p.Session.ID]; s.Token != sha256.Sum256([]byte(token)) {
		t.Errorf("kept is %s", hex.EncodeToString(s.Token[:]))
	}
	if len(token) != tokenLength {
		t.Errorf("a token has %d characters", len(token))
	}
}

func TestSeenIsNotedOnceAMinute(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	token, _ := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)
	for range 600 {
		h.wait(time.Second)
		_, _, err := h.SessionByToken(t.Context(), auth.ConsoleClient, token)
		h.no(err)
	}
	if h.store.state.seen != 10 {
		t.Errorf("noted %d times in ten minutes of use; want 10", h.store.state.seen)
	}
}

func TestStepUpMakesTheOldTokenWorthless(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	ctx := t.Context()
	old, _ := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)
	h.wait(10 * time.Minute)
	p, _, err := h.SessionByToken(ctx, auth.ConsoleClient, old)
	h.no(err)
	fresh, s, err := h.RenewSession(ctx, p, auth.PasskeyFactor)
	h.no(err)
	if fresh == old || s.ID != p.Session.ID || !s.Proven.Equal(h.Now()) || !s.Expires.Equal(p.Session.Expires) {
		t.Errorf("renewed from %+v to %+v", p.Session, s)
	}
	_, _, err = h.SessionByToken(ctx, auth.ConsoleClient, old)
	h.want(err, ErrSignedOut)
	got, _, err := h.SessionByToken(ctx, auth.ConsoleClient, fresh)
	if err != nil || !got.Session.Proven.Equal(h.Now()) {
		t.Errorf("session %+v, error %v", got.Session, err)
	}
	h.no(h.SignOut(ctx, got))
	h.no(h.SignOut(ctx, got)) // twice is no error
	_, _, err = h.SessionByToken(ctx, auth.ConsoleClient, fresh)
	h.want(err, ErrSignedOut)
	_, _, err = h.RenewSession(ctx, got, auth.PasskeyFactor)
	h.want(err, ErrSignedOut)
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	h := newHouse(t)
	h.account("olga", Owner)
	h.account("mary", "")
	ctx := t.Context()
	_, first := h.signIn("mary", auth.PortalClient, "oath")
	h.wait(time.Minute)
	_, second := h.signIn("mary", auth.PortalClient, "oath")
	_, olga := h.signIn("olga", auth.ConsoleClient, auth.PasskeyFactor)

	own, err := h.OwnSessions(ctx, second)
	h.no(err)
	if len(own) != 2 || !own[0].Current || own[1].Current || own[0].ID != second.Session.ID || own[0].Account != "mary" || own[0].Source != "192.0.2.7" {
		t.Errorf("own sessions %+v", own)
	}
	all, err := h.Sessions(ctx, "")
	h.no(err)
	if len(all) != 3 {
		t.Errorf("all sessions %+v", all)
	}
	if b, err := json.Marshal(all); err != nil || strings.Contains(string(b), hex.EncodeToString(first.Session.Token[:])) {
		t.Errorf("a list of sessions holds the hash of a token, or: %v", err)
	}
	h.want(h.EndOwnSession(ctx, second, olga.Session.ID), ErrNotFound) // another person's
	h.no(h.EndOwnSession(ctx, second, first.Session.ID))
	h.want(h.EndOwnSession(ctx, second, first.Session.ID), ErrNotFound)
	h.no(h.EndSession(ctx, h.actor("olga"), second.Session.ID))
	h.want(h.EndSession(ctx, h.actor("olga"), "no such"), ErrNotFound)
	if list, err := h.Sessions(ctx, "mary"); err != nil || len(list) != 0 {
		t.Errorf("sessions of mary %+v, error %v", list, err)
	}
	h.wait(20 * time.Minute) // olga's is not over, but was left
	if list, err := h.Sessions(ctx, "olga"); err != nil || len(list) != 0 {
		t.Errorf("sessions of olga %+v, error %v", list, err)
	}
}

func TestTicketCarriesALoginOnce(t *testing.T) {
	h := newHouse(t)
	acc := h.account("mary", "")
	ctx := t.Context()
	h.no(h.store.Apply(ctx, Act{}, AddClient{auth.Client{Name: "wiki", Door: httpsDoor}}, AddClient{auth.Client{Name: "mail", Door: httpsDoor}}))
	in := SignedIn{Account: acc.ID, Factor: "oath", Client: "wiki", Source: "192.0.2.7"}
	ticket, err := h.NewTicket(ctx, in)
	h.no(err)
	_, _, err = h.Admit(ctx, "mail", ticket, "192.0.2.8", "Browser")
	h.want(err, ErrSignedOut) // another client's
	token, s, err := h.Admit(ctx, "wiki", ticket, "192.0.2.8", "Browser")
	h.no(err)
	if s.Client != "wiki" || s.Factor != "oath" || s.Account != acc.ID || s.Source != "192.0.2.8" {
		t.Errorf("session %+v", s)
	}
	if p, by, err := h.SessionByToken(ctx, "wiki", token); err != nil || p.Account.Name != "mary" || len(by.May) != 0 {
		t.Errorf("person %+v, actor %+v, error %v", p, by, err)
	}
	_, _, err = h.Admit(ctx, "wiki", ticket, "192.0.2.8", "Browser")
	h.want(err, ErrSignedOut) // twice

	late, err := h.NewTicket(ctx, in)
	h.no(err)
	h.wait(time.Minute)
	_, _, err = h.Admit(ctx, "wiki", late, "", "")
	h.want(err, ErrSignedOut)

	blocked, err := h.NewTicket(ctx, in)
	h.no(err)
	h.no(h.Block(ctx, operator, "mary", "", time.Time{}))
	_, _, err = h.Admit(ctx, "wiki", blocked, "", "")
	h.want(err, ErrSignedOut)
	// A session does not outlive its client.
	h.no(h.Unblock(ctx, operator, "mary"))
	token, _, err = h.NewSession(ctx, in)
	h.no(err)
	h.no(h.RemoveClient(ctx, operator, "wiki", ""))
	_, _, err = h.SessionByToken(ctx, "wiki", token)
	h.want(err, ErrSignedOut)
}

func TestAgentIsCut(t *testing.T) {
	h := newHouse(t)
	acc := h.account("mary", "")
	tests := []struct{ agent, want string }{
		{"Browser/1.0 (X11)", "Browser/1.0 (X11)"},
		{"\x1b[31mred\x00\n\xff", "[31mred"},
		{strings.Repeat("ä", 150), strings.Repeat("ä", 100)},
		{strings.Repeat("x", 1<<20), strings.Repeat("x", 200)},
	}
	for _, tt := range tests {
		_, s, err := h.NewSession(t.Context(), SignedIn{Account: acc.ID, Client: auth.PortalClient, Agent: tt.agent})
		if err != nil || s.Agent != tt.want {
			t.Errorf("agent %.40q is kept as %q, error %v; want %q", tt.agent, s.Agent, err, tt.want)
		}
	}
}

// A fault of the store is a fault, and never an answer about the session.
func TestFaultsAreNotAnswers(t *testing.T) {
	h := newHouse(t)
	acc := h.account("mary", "")
	h.store.fails = errors.New("disk full")
	_, _, err := h.NewSession(t.Context(), SignedIn{Account: acc.ID, Client: auth.PortalClient})
	var p *Problem
	if err == nil || errors.As(err, &p) {
		t.Errorf("error %v; want the fault", err)
	}
	if h.sessions("mary") != 0 {
		t.Error("there is a session")
	}
}
