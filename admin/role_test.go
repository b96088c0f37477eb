package admin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
)

// ranks are accounts of every rank, each with a password, an app and a session.
func ranks(t *testing.T) *house {
	h := newHouse(t)
	_, err := h.AddRole(t.Context(), operator, NewRole{Name: "clerk", Permissions: []Permission{ReadAccounts, WriteAccounts, HelpAccounts}})
	h.no(err)
	for name, role := range map[string]string{
		"olga": Owner, "otto": Owner, "adam": Administrator, "hugo": HelpDesk, "alba": Auditor, "cleo": "clerk", "mary": "",
	} {
		h.account(name, role)
		h.app(h.portal(name), "phone")
	}
	return h
}

// changesOf is every way to change somebody's account.
func changesOf(h *house) map[string]func(by Actor, name string) error {
	ctx := h.t.Context()
	first := func(name, factor string) string {
		for _, x := range h.store.state.held(h.get(name).ID) {
			if x.Factor == factor {
				return x.ID
			}
		}
		h.t.Fatalf("%s holds no %s", name, factor)
		return ""
	}
	return map[string]func(by Actor, name string) error{
		"password": func(by Actor, name string) error {
			return h.SetPassword(ctx, by, name, "correct horse battery staple", "")
		},
		"disable": func(by Actor, name string) error { return h.SetEnabled(ctx, by, name, false) },
		"enable":  func(by Actor, name string) error { return h.SetEnabled(ctx, by, name, true) },
		"block":   func(by Actor, name string) error { return h.Block(ctx, by, name, "", time.Time{}) },
		"unblock": func(by Actor, name string) error { return h.Unblock(ctx, by, name) },
		"unlock":  func(by Actor, name string) error { return h.Unlock(ctx, by, name) },
		"rename": func(by Actor, name string) error {
			n := name + "2"
			_, err := h.ChangeAccount(ctx, by, name, AccountChange{Name: &n})
			return err
		},
		"remove":   func(by Actor, name string) error { return h.RemoveAccount(ctx, by, name, "") },
		"role":     func(by Actor, name string) error { _, err := h.SetRole(ctx, by, name, ""); return err },
		"add":      func(by Actor, name string) error { _, err := h.AddAuthenticator(ctx, by, name, "oath", ""); return err },
		"recovery": func(by Actor, name string) error { _, err := h.NewRecoveryCodes(ctx, by, name); return err },
		"revoke":   func(by Actor, name string) error { return h.RevokeAuthenticator(ctx, by, first(name, "oath")) },
		"revoke password": func(by Actor, name string) error {
			return h.RevokeAuthenticator(ctx, by, first(name, "password"))
		},
		"resync": func(by Actor, name string) error {
			id := first(name, "oath")
			key := h.store.state.authenticators[h.store.state.authenticator(id)].State
			return h.Resync(ctx, by, id, h.code(key, time.Minute), h.code(key, 90*time.Second))
		},
		"assign": func(by Actor, name string) error {
			h.token("T-"+name, nil)
			return h.AssignToken(ctx, by, "T-"+name, name)
		},
		"bypass": func(by Actor, name string) error {
			_, err := h.AddBypass(ctx, by, NewBypass{Account: name, Reason: "new phone"})
			return err
		},
		"remove bypass": func(by Actor, name string) error {
			id := h.get(name).ID
			h.no(h.store.Apply(ctx, Act{}, AddBypass{auth.Bypass{ID: "b", Account: id}}))
			return h.RemoveBypass(ctx, by, name)
		},
		"invite": func(by Actor, name string) error {
			_, err := h.Invite(ctx, by, NewInvitation{Account: name, Kind: InviteLink, Replace: true})
			return err
		},
		"revoke invitation": func(by Actor, name string) error {
			v, err := h.Invite(ctx, operator, NewInvitation{Account: name, Kind: InviteCode, Replace: true})
			h.no(err)
			return h.RevokeInvitation(ctx, by, v.ID)
		},
		"end session": func(by Actor, name string) error { return h.EndSession(ctx, by, h.portal(name).Session.ID) },
	}
}

// token makes a token that nobody holds.
func (h *house) token(serial string, key []byte) {
	h.t.Helper()
	h.no(h.store.Apply(h.t.Context(), Act{}, AddAuthenticator{auth.Authenticator{ID: "id-" + serial, Factor: "oath", Serial: serial, State: key, Mark: auth.NoMark}}))
}

// CVE-2026-55077 (Coder): whoever could edit users reset the owner's password.
// Nobody changes an account whose role permits what they may not do, in any way
// that there is.
func TestNobodyChangesWhoRanksHigher(t *testing.T) {
	names := changesOf(newHouse(t))
	for what := range names {
		t.Run(what, func(t *testing.T) {
			tests := []struct {
				by, whom string
				may      bool
			}{
				{"olga", "otto", true},
				{"olga", "adam", true},
				{"olga", "mary", true},
				{"adam", "olga", false},
				{"adam", "hugo", true},
				{"adam", "alba", true},
				{"adam", "mary", true},
				{"hugo", "olga", false},
				{"hugo", "adam", false},
				{"hugo", "alba", false},
				{"hugo", "cleo", false},
				{"hugo", "mary", true},
				{"alba", "olga", false},
				{"alba", "cleo", false},
				{"cleo", "hugo", false},
				{"cleo", "mary", true},
			}
			for _, tt := range tests {
				h := ranks(t)
				by := h.actor(tt.by)
				do := changesOf(h)[what]
				err := do(by, tt.whom)
				if tt.may && err != nil {
					t.Errorf("%s of %s by %s: %v; want it done", what, tt.whom, tt.by, err)
				}
				if !tt.may && !errors.Is(err, ErrForbidden) {
					t.Errorf("%s of %s by %s: error %v; want it forbidden", what, tt.whom, tt.by, err)
				}
				for _, act := range h.store.state.acts {
					if !tt.may && act.Actor == tt.by && !strings.HasPrefix(act.Action, "account.enrol") {
						t.Errorf("%s of %s by %s was forbidden, and recorded as %+v", what, tt.whom, tt.by, act)
					}
				}
			}
		})
	}
}

// A role that is given between the check and the change counts: of the two,
// whoever may not change the account any more has changed nothing.
func TestRoleThatIsGivenMeanwhile(t *testing.T) {
	for what := range changesOf(newHouse(t)) {
		switch what {
		case "end session", "revoke invitation", "bypass", "remove bypass":
			continue // none of them lets anybody into what the role permits
		}
		t.Run(what, func(t *testing.T) {
			h := ranks(t)
			hugo := h.actor("hugo")
			do := changesOf(h)[what]
			if what == "assign" {
				h.token("T-mary", nil)
				do = func(by Actor, name string) error { return h.AssignToken(t.Context(), by, "T-mary", name) }
			}
			before := len(h.store.state.acts)
			h.store.meanwhile = func() {
				_, err := h.SetRole(t.Context(), operator, "mary", Administrator)
				h.no(err)
			}
			h.want(do(hugo, "mary"), ErrForbidden)
			if n := len(h.store.state.acts) - before; n != 1 {
				t.Errorf("%d acts; want the new role alone", n)
			}
		})
	}
}

// Which built-in role stands above which follows from their permissions alone.
func TestRanksOfBuiltinRoles(t *testing.T) {
	above := make(map[string][]string)
	for _, x := range BuiltinRoles() {
		for _, y := range BuiltinRoles() {
			if lacking(Actor{May: x.Permissions}, y.Permissions) == "" && x.Name != y.Name {
				above[x.Name] = append(above[x.Name], y.Name)
			}
		}
	}
	got := fmt.Sprint(above)
	if want := "map[administrator:[help-desk auditor] owner:[administrator help-desk auditor]]"; got != want {
		t.Errorf("who stands above whom: %s; want %s", got, want)
	}
}

func TestNobodyGivesWhatTheyLack(t *testing.T) {
	h := ranks(t)
	ctx := t.Context()
	// Somebody who may give roles but is no owner.
	_, err := h.AddRole(ctx, operator, NewRole{Name: "giver", Permissions: []Permission{WriteRoles, ReadRoles, ReadAccounts}})
	h.no(err)
	_, err = h.SetRole(ctx, operator, "mary", "giver")
	h.no(err)
	by := h.actor("mary")
	for _, role := range []string{Owner, Administrator, HelpDesk, Auditor, "clerk"} {
		_, err := h.SetRole(ctx, by, "mary", role)
		h.want(err, ErrForbidden, "nobody can give")
	}
	_, err = h.AddRole(ctx, by, NewRole{Name: "all", Permissions: Permissions()})
	h.want(err, ErrForbidden)
	_, err = h.ChangeRole(ctx, by, RoleChange{Name: "giver", Permissions: Permissions()})
	h.want(err, ErrForbidden)
	_, err = h.ChangeRole(ctx, by, RoleChange{Name: "clerk", Permissions: []Permission{ReadAccounts}})
	h.want(err, ErrForbidden, "permits more than yours")
	h.want(h.RemoveRole(ctx, by, "clerk"), ErrForbidden)
	_, err = h.AddRole(ctx, by, NewRole{Name: "reader", Permissions: []Permission{ReadAccounts}})
	h.no(err)
	h.account("nora", "")
	_, err = h.SetRole(ctx, by, "nora", "reader")
	h.no(err)
	_, err = h.SetRole(ctx, by, "nora", "")
	h.no(err)
}

// NetBird GHSA-rxmp-8h9v-56cx: a race between updates of roles gave the owner's.
// However 64 edits fall together, nobody gets more than somebody could give, all
// that were allowed are made, and an owner is left.
func TestParallelRoleEdits(t *testing.T) {
	h := ranks(t)
	ctx := t.Context()
	_, err := h.AddRole(ctx, operator, NewRole{Name: "giver", Permissions: []Permission{WriteRoles, ReadRoles, ReadAccounts}})
	h.no(err)
	_, err = h.SetRole(ctx, operator, "mary", "giver")
	h.no(err)
	giver, owner := h.actor("mary"), h.actor("olga")
	h.account("nora", "")
	before := len(h.store.state.acts)

	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			var err error
			switch i % 8 {
			case 0:
				_, err = h.SetRole(ctx, giver, "nora", Owner)
				if !errors.Is(err, ErrForbidden) {
					t.Errorf("edit %d: a giver gives the role owner: %v", i, err)
				}
				return
			case 1:
				_, err = h.ChangeRole(ctx, giver, RoleChange{Name: "giver", Permissions: Permissions()})
				if !errors.Is(err, ErrForbidden) {
					t.Errorf("edit %d: a giver widens their own role: %v", i, err)
				}
				return
			case 2:
				_, err = h.ChangeRole(ctx, owner, RoleChange{Name: "clerk", Permissions: []Permission{ReadAccounts, WriteRoles}})
			case 3:
				_, err = h.ChangeRole(ctx, owner, RoleChange{Name: "clerk", Permissions: []Permission{ReadAccounts}})
			case 4: // to either owner in turn: one of them stays
				_, err = h.SetRole(ctx, operator, []string{"olga", "otto"}[i/8%2], Administrator)
				if errors.Is(err, ErrLastOwner) {
					return
				}
			case 5:
				_, err = h.SetRole(ctx, giver, "nora", "giver")
				if errors.Is(err, ErrForbidden) { // when nora was something higher
					return
				}
			case 6:
				_, err = h.SetRole(ctx, owner, "nora", HelpDesk)
			case 7:
				_, err = h.SetRole(ctx, owner, "nora", "")
			}
			if err != nil {
				t.Errorf("edit %d: %v", i, err)
			}
		})
	}
	wg.Wait()

	owners := 0
	for _, acc := range h.store.state.accounts {
		if acc.Role == Owner {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d owners are left; want one", owners)
	}
	if r, err := h.role(ctx, "giver"); err != nil || len(r.Permissions) != 3 {
		t.Errorf("role giver: %v, error %v", r, err)
	}
	// Every record of a change begins where the one before it ended.
	was := map[string]string{}
	for _, act := range h.store.state.acts[before:] {
		if act.Action != "account.role" {
			continue
		}
		if before, ok := was[act.Subject]; ok && before != act.Before {
			t.Errorf("act %d of %s says it was %s; the one before left %s", act.Seq, act.Subject, act.Before, before)
		}
		was[act.Subject] = act.After
		if strings.Contains(act.After, `"role":"owner"`) {
			t.Errorf("%s made %s an owner", act.Actor, act.Subject)
		}
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.account("olga", Owner)
	h.account("mary", "")
	_, err := h.SetRole(ctx, operator, "olga", Administrator)
	h.want(err, ErrLastOwner, "give the role owner to another account first")
	h.want(h.SetEnabled(ctx, operator, "olga", false), ErrLastOwner)
	h.want(h.Block(ctx, operator, "olga", "", time.Time{}), ErrLastOwner)
	h.want(h.RemoveAccount(ctx, operator, "olga", ""), ErrLastOwner)
	h.no(h.SetEnabled(ctx, operator, "mary", false)) // who is none goes as before
	if acc := h.get("olga"); acc.Role != Owner || !acc.Enabled || acc.Blocked {
		t.Errorf("olga is %+v", acc)
	}

	h.account("otto", Owner)
	_, err = h.SetRole(ctx, operator, "olga", Administrator)
	h.no(err)
	h.want(h.SetEnabled(ctx, operator, "otto", false), ErrLastOwner)
}

// Of two owners who put each other out at the same moment one stays.
func TestOwnersPutEachOtherOut(t *testing.T) {
	for range 20 {
		h := newHouse(t)
		h.account("olga", Owner)
		h.account("otto", Owner)
		olga, otto := h.actor("olga"), h.actor("otto")
		var wg sync.WaitGroup
		var errs [2]error
		wg.Go(func() { errs[0] = h.Block(t.Context(), olga, "otto", "", time.Time{}) })
		wg.Go(func() { errs[1] = h.SetEnabled(t.Context(), otto, "olga", false) })
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("errors %v; want one of the two refused", errs)
		}
	}
}

func TestRolesAreCountedAndChanged(t *testing.T) {
	h := ranks(t)
	ctx := t.Context()
	list, err := h.Roles(ctx)
	h.no(err)
	var got []string
	for _, r := range list {
		got = append(got, fmt.Sprintf("%s %d %t", r.Name, r.Accounts, r.BuiltIn))
	}
	if want := "owner 2 true, administrator 1 true, help-desk 1 true, auditor 1 true, clerk 1 false"; strings.Join(got, ", ") != want {
		t.Errorf("roles: %s; want %s", strings.Join(got, ", "), want)
	}

	clerk := list[4]
	_, err = h.ChangeRole(ctx, operator, RoleChange{Name: "clerk", Permissions: []Permission{ReadEvents}, Expect: "not it"})
	h.want(err, ErrChanged)
	v, err := h.ChangeRole(ctx, operator, RoleChange{Name: "clerk", Permissions: []Permission{ReadEvents, ReadAccounts, ReadEvents}, Expect: Tag(clerk)})
	h.no(err)
	if !slices.Equal(v.Permissions, []Permission{ReadAccounts, ReadEvents}) {
		t.Errorf("permissions %v", v.Permissions)
	}
	if act := h.last(); act.Action != "role.change" || !strings.Contains(act.Before, "account.write") || strings.Contains(act.After, "account.write") {
		t.Errorf("act %+v", act)
	}
	h.want(h.RemoveRole(ctx, operator, "clerk"), ErrInvalid, "cleo has the role clerk")
	_, err = h.SetRole(ctx, operator, "cleo", "")
	h.no(err)
	h.no(h.RemoveRole(ctx, operator, "clerk"))

	tests := []struct {
		name string
		do   func() error
		kind error
	}{
		{"a role of a built-in name", func() error {
			_, err := h.AddRole(ctx, operator, NewRole{Name: Owner, Permissions: []Permission{ReadEvents}})
			return err
		}, ErrExists},
		{"no permission", func() error { _, err := h.AddRole(ctx, operator, NewRole{Name: "x"}); return err }, ErrInvalid},
		{"a permission that there is not", func() error {
			_, err := h.AddRole(ctx, operator, NewRole{Name: "x", Permissions: []Permission{"everything"}})
			return err
		}, ErrInvalid},
		{"the empty permission", func() error {
			_, err := h.AddRole(ctx, operator, NewRole{Name: "x", Permissions: []Permission{""}})
			return err
		}, ErrInvalid},
		{"a permission of keys alone", func() error {
			_, err := h.AddRole(ctx, operator, NewRole{Name: "x", Permissions: []Permission{DecideLogins}})
			return err
		}, ErrInvalid},
		{"change of a built-in role", func() error {
			_, err := h.ChangeRole(ctx, operator, RoleChange{Name: Auditor, Permissions: []Permission{ReadEvents}})
			return err
		}, ErrInvalid},
		{"removal of a built-in role", func() error { return h.RemoveRole(ctx, operator, HelpDesk) }, ErrInvalid},
		{"change of no role", func() error {
			_, err := h.ChangeRole(ctx, operator, RoleChange{Name: "gone", Permissions: []Permission{ReadEvents}})
			return err
		}, ErrNotFound},
		{"removal of no role", func() error { return h.RemoveRole(ctx, operator, "gone") }, ErrNotFound},
		{"no role to give", func() error { _, err := h.SetRole(ctx, operator, "mary", "gone"); return err }, ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { h.want(tt.do(), tt.kind) })
	}
}

// A role that was removed permits nothing, and nobody who has it is out of
// reach.
func TestRoleThatIsGonePermitsNothing(t *testing.T) {
	h := newHouse(t)
	acc := h.account("mary", "")
	acc.Role = "gone"
	h.store.state.accounts[acc.ID] = acc
	h.no(h.SetEnabled(t.Context(), Actor{Name: "nobody"}, "mary", false))
	_, err := h.PermissionsOf(t.Context(), "gone")
	h.want(err, ErrNotFound)
}

func TestPermissionsTakeEffectAtOnce(t *testing.T) {
	h := ranks(t)
	ctx := t.Context()
	token, _ := h.signIn("cleo", auth.ConsoleClient, auth.PasskeyFactor)
	_, by, err := h.SessionByToken(ctx, auth.ConsoleClient, token)
	h.no(err)
	if !by.Can(WriteAccounts) || by.Can(WriteRoles) {
		t.Fatalf("a clerk may %v", by.May)
	}
	_, err = h.ChangeRole(ctx, operator, RoleChange{Name: "clerk", Permissions: []Permission{ReadAccounts}})
	h.no(err)
	if _, by, err = h.SessionByToken(ctx, auth.ConsoleClient, token); err != nil || by.Can(WriteAccounts) {
		t.Errorf("a clerk may %v, error %v", by.May, err)
	}
}
