package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/otp"
	"sallyport/pskc"
)

// The tests of package admin stand here, where it has a real store and the real
// factors.

var by = admin.Operator("test")

// wantProblem fails unless err is a Problem of that kind which says text.
func wantProblem(t *testing.T, err, kind error, text string) {
	t.Helper()
	var p *admin.Problem
	if !errors.As(err, &p) || !errors.Is(err, kind) || !strings.Contains(p.What, text) {
		t.Errorf("got %v; want a problem of kind %q that says %q", err, kind, text)
	}
}

func newAdmin(t *testing.T) *admin.Admin {
	t.Helper()
	return start(t, testConfig(t.TempDir())).Admin
}

func addAccount(t *testing.T, a *admin.Admin, n admin.NewAccount) admin.AccountView {
	t.Helper()
	v, err := a.AddAccount(t.Context(), by, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAccountNames(t *testing.T) {
	a, ctx := newAdmin(t), t.Context()
	v := addAccount(t, a, admin.NewAccount{Name: " Alice ", Aliases: []string{"ALICE.SMITH", "alice"}, Password: secret})
	if v.Name != "alice" || !slices.Equal(v.Aliases, []string{"alice.smith"}) {
		t.Errorf("added as %q with aliases %q", v.Name, v.Aliases)
	}
	for _, name := range []string{"alice", "ALICE", `CORP\alice`, "alice.smith", "alice@corp.example.com"} {
		if got, err := a.ShowAccount(ctx, name); err != nil || got.ID != v.ID {
			t.Errorf("account %q is %q, %v", name, got.ID, err)
		}
	}
	tests := []struct {
		name string
		n    admin.NewAccount
		kind error
		text string
	}{
		{"name taken", admin.NewAccount{Name: "ALICE"}, admin.ErrExists, "alice"},
		{"name taken as an alias", admin.NewAccount{Name: "Alice.Smith"}, admin.ErrExists, "alice.smith"},
		{"alias taken", admin.NewAccount{Name: "bob", Aliases: []string{"alice"}}, admin.ErrExists, "alice"},
		{"no name", admin.NewAccount{Name: "  "}, admin.ErrInvalid, "cannot be a name"},
		{"a name that nobody can have", admin.NewAccount{Name: "a\x00b"}, admin.ErrInvalid, "cannot be a name"},
		{"no such group", admin.NewAccount{Name: "bob", Groups: []string{"staff"}}, admin.ErrNotFound, `no group "staff"`},
		{"short password", admin.NewAccount{Name: "bob", Password: "short"}, admin.ErrInvalid, "8"},
		{"weak hash", admin.NewAccount{Name: "bob", PasswordHash: "5f4dcc3b5aa765d61d8327deb882cf99"}, admin.ErrInvalid, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := a.AddAccount(ctx, by, tt.n)
			wantProblem(t, err, tt.kind, tt.text)
		})
	}
	if _, err := a.ShowAccount(ctx, "bob"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("a refused account was kept: %v", err)
	}
}

func TestBlocksEnd(t *testing.T) {
	a, ctx := newAdmin(t), t.Context()
	addAccount(t, a, admin.NewAccount{Name: "alice"})
	wantProblem(t, a.Block(ctx, by, "alice", "", time.Now().Add(-time.Second)), admin.ErrInvalid, "over already")
	until := time.Now().Add(time.Hour).Round(time.Microsecond)
	if err := a.Block(ctx, by, "alice", "phone stolen", until); err != nil {
		t.Fatal(err)
	}
	v, err := a.ShowAccount(ctx, "alice")
	if err != nil || !v.Blocked || v.BlockReason != "phone stolen" || !v.BlockedUntil.Equal(until) {
		t.Errorf("shown as %+v, %v", v, err)
	}
	if err := a.Unblock(ctx, by, "alice"); err != nil {
		t.Fatal(err)
	}
	if v, err = a.ShowAccount(ctx, "alice"); err != nil || v.Blocked || v.BlockReason != "" || v.BlockedUntil != nil {
		t.Errorf("shown as %+v, %v", v, err)
	}
	wantProblem(t, a.Block(ctx, by, "nobody", "", time.Time{}), admin.ErrNotFound, `no account "nobody"`)
}

// SFTPGo CVE-2022-36071: recovery codes cannot be made before there is a second
// factor, and end with the last one.
func TestRecoveryCodesLiveAndDieWithTheFactor(t *testing.T) {
	a, ctx := newAdmin(t), t.Context()
	addAccount(t, a, admin.NewAccount{Name: "alice", Password: secret})
	_, err := a.NewRecoveryCodes(ctx, by, "alice")
	wantProblem(t, err, admin.ErrInvalid, "no second factor")

	var ids []string
	for range 2 {
		b, err := a.AddAuthenticator(ctx, by, "alice", "oath", "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, b.ID)
	}
	first, err := a.NewRecoveryCodes(ctx, by, "alice")
	if err != nil || len(first.Codes) != 10 {
		t.Fatalf("%d codes, %v", len(first.Codes), err)
	}
	second, err := a.NewRecoveryCodes(ctx, by, "alice")
	if err != nil {
		t.Fatal(err)
	}
	wantFactors := func(want string) {
		t.Helper()
		held, err := a.Authenticators(ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, h := range held {
			names = append(names, h.Factor)
			if h.ID == first.ID {
				t.Error("the old sheet is still there")
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("alice holds %s; want %s", got, want)
		}
	}
	wantFactors("password oath oath recovery")
	if err := a.RevokeAuthenticator(ctx, by, ids[0]); err != nil {
		t.Fatal(err)
	}
	wantFactors("password oath recovery")
	if err := a.RevokeAuthenticator(ctx, by, ids[1]); err != nil {
		t.Fatal(err)
	}
	wantFactors("password")
	if second.ID == first.ID {
		t.Error("two sheets share an ID")
	}
}

// oath-toolkit CVE-2013-7322: a bad row beside good ones harms none of them,
// and what goes in goes in whole.
func TestImportKeepsGoodRowsAndNamesBadOnes(t *testing.T) {
	a, ctx := newAdmin(t), t.Context()
	addAccount(t, a, admin.NewAccount{Name: "alice"})
	key := otp.EncodeKey(otp.NewKey(otp.SHA1))
	file := strings.Join([]string{
		"upn,serial number,secret key,time interval,manufacturer,model",
		"Alice@example.com,1001," + key + ",30,made,test",
		"nobody@example.com,1002," + key + ",30,made,test",
		"alice,1003,not base 32!,30,made,test",
		",1004," + key + ",60,made,test",
		"alice,1001," + key + ",30,made,test",
	}, "\n")
	v, err := a.Import(ctx, by, []byte(file), pskc.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[int]string)
	for _, bad := range v.Bad {
		lines[bad.Line] = bad.Reason
	}
	if v.Added != 2 || v.Unassigned != 1 || len(lines) != 3 || !strings.Contains(lines[3], "nobody@example.com") || lines[4] == "" || lines[6] == "" {
		t.Errorf("imported %+v", v)
	}
	again, err := a.Import(ctx, by, []byte(file), pskc.Keys{})
	if err != nil || again.Added != 0 || len(again.Bad) != 5 {
		t.Errorf("imported again: %+v, %v", again, err)
	}
	_, err = a.Import(ctx, by, []byte("no token file"), pskc.Keys{})
	wantProblem(t, err, admin.ErrInvalid, "")

	if err := a.AssignToken(ctx, by, "1004", "alice"); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, a.AssignToken(ctx, by, "1004", "alice"), admin.ErrInvalid, "somebody holds")
	wantProblem(t, a.AssignToken(ctx, by, "9999", "alice"), admin.ErrNotFound, "9999")
	if held, err := a.Authenticators(ctx, "alice"); err != nil || len(held) != 2 {
		t.Errorf("alice holds %+v, %v", held, err)
	}
	wantProblem(t, a.Resync(ctx, by, "1001", "123456", "654321"), admin.ErrInvalid, "do not follow")
}

func TestClients(t *testing.T) {
	a, ctx := newAdmin(t), t.Context()
	if _, err := a.AddApplication(ctx, by, "vpn"); err != nil {
		t.Fatal(err)
	}
	_, err := a.AddApplication(ctx, by, "vpn")
	wantProblem(t, err, admin.ErrExists, "vpn")

	v, made, err := a.AddClient(ctx, by, admin.NewClient{Name: "fw1", Application: "vpn", Source: "192.0.2.10"})
	if err != nil || len(made) != 32 {
		t.Fatalf("made a secret of %d characters, %v", len(made), err)
	}
	if v.Source != "192.0.2.10/32" || v.Mode != "challenge" || v.Password != "verify" || v.Secrets != 1 || len(v.Warnings) != 0 {
		t.Errorf("added as %+v", v)
	}
	tests := []struct {
		name string
		n    admin.NewClient
		kind error
		text string
	}{
		{"name taken", admin.NewClient{Name: "fw1", Application: "vpn", Source: "192.0.2.11"}, admin.ErrExists, "fw1"},
		{"source taken", admin.NewClient{Name: "fw2", Application: "vpn", Source: "192.0.2.10/32"}, admin.ErrExists, "fw1"},
		{"source taken, as IPv6", admin.NewClient{Name: "fw2", Application: "vpn", Source: "::ffff:192.0.2.10"}, admin.ErrExists, "fw1"},
		{"no such application", admin.NewClient{Name: "fw2", Application: "rdp", Source: "192.0.2.11"}, admin.ErrNotFound, "rdp"},
		{"no network", admin.NewClient{Name: "fw2", Application: "vpn", Source: "here"}, admin.ErrInvalid, "no network"},
		{"short secret", admin.NewClient{Name: "fw2", Application: "vpn", Source: "192.0.2.11", Secret: "testing123"}, admin.ErrInvalid, "guessed"},
		{"no such mode", admin.NewClient{Name: "fw2", Application: "vpn", Source: "192.0.2.11", Mode: "push"}, admin.ErrInvalid, "push"},
		{"no such rule", admin.NewClient{Name: "fw2", Application: "vpn", Source: "192.0.2.11", Password: "maybe"}, admin.ErrInvalid, "maybe"},
		{"an attribute of the protocol", admin.NewClient{Name: "fw2", Application: "vpn", Source: "192.0.2.11", Attributes: []auth.ReplyAttribute{{Name: "State", Value: "x"}}}, admin.ErrInvalid, "State"},
		{"a name like a path", admin.NewClient{Name: "../fw2", Application: "vpn", Source: "192.0.2.11"}, admin.ErrInvalid, "cannot be the name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := a.AddClient(ctx, by, tt.n)
			wantProblem(t, err, tt.kind, tt.text)
		})
	}

	secrets := func() (live []string) {
		for _, s := range a.Store.Settings().Client("fw1").Secrets {
			live = append(live, string([]byte(s)))
		}
		return live
	}
	wantProblem(t, a.FinishRotation(ctx, by, "fw1"), admin.ErrInvalid, "no rotation")
	next, err := a.RotateClient(ctx, by, "fw1", "")
	if err != nil || !slices.Equal(secrets(), []string{next, made}) {
		t.Errorf("after a rotation %d secrets are live, %v", len(secrets()), err)
	}
	if err := a.FinishRotation(ctx, by, "fw1"); err != nil || !slices.Equal(secrets(), []string{next}) {
		t.Errorf("after its end %d secrets are live, %v", len(secrets()), err)
	}

	weak, _, err := a.AddClient(ctx, by, admin.NewClient{Name: "old", Application: "vpn", Source: "198.51.100.0/24", Password: "none", Lax: true})
	if err != nil || len(weak.Warnings) != 3 {
		t.Errorf("warnings %q, %v", weak.Warnings, err)
	}
	if err := a.RemoveClient(ctx, by, "old", ""); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, a.RemoveClient(ctx, by, "old", ""), admin.ErrNotFound, "old")
}

// Every change leaves an act that says who, what and whom, and no secret.
func TestActsRecordEverything(t *testing.T) {
	a := newAdmin(t)
	ctx := context.Background()
	const canary = "a canary of thirty-two letters!!"
	steps := []struct {
		action string
		do     func() error
	}{
		{"application.add", func() error { _, err := a.AddApplication(ctx, by, "vpn"); return err }},
		{"group.add", func() error { _, err := a.AddGroup(ctx, by, "staff", nil); return err }},
		{"client.add", func() error {
			_, _, err := a.AddClient(ctx, by, admin.NewClient{Name: "fw1", Application: "vpn", Source: "192.0.2.1", Secret: canary})
			return err
		}},
		{"client.rotate", func() error { _, err := a.RotateClient(ctx, by, "fw1", canary+"!"); return err }},
		{"client.rotate-finish", func() error { return a.FinishRotation(ctx, by, "fw1") }},
		{"account.add", func() error {
			_, err := a.AddAccount(ctx, by, admin.NewAccount{Name: "alice", Password: canary, Groups: []string{"staff"}})
			return err
		}},
		{"account.password", func() error { return a.SetPassword(ctx, by, "alice", canary, "") }},
		{"authenticator.add", func() error { _, err := a.AddAuthenticator(ctx, by, "alice", "oath", "phone"); return err }},
		{"authenticator.recovery-codes", func() error { _, err := a.NewRecoveryCodes(ctx, by, "alice"); return err }},
		{"account.disable", func() error { return a.SetEnabled(ctx, by, "alice", false) }},
		{"account.enable", func() error { return a.SetEnabled(ctx, by, "alice", true) }},
		{"account.block", func() error { return a.Block(ctx, by, "alice", "reason", time.Time{}) }},
		{"account.unblock", func() error { return a.Unblock(ctx, by, "alice") }},
		{"account.unlock", func() error { return a.Unlock(ctx, by, "alice") }},
		{"client.change", func() error {
			_, err := a.ChangeClient(ctx, by, admin.ClientChange{Name: "fw1", Origin: "none"})
			return err
		}},
		{"rule.add", func() error {
			_, err := a.AddRule(ctx, by, admin.NewRule{Name: "week", RuleTerms: admin.RuleTerms{Applications: []string{"vpn"}}})
			return err
		}},
		{"rule.change", func() error {
			_, err := a.ChangeRule(ctx, by, admin.RuleChange{Name: "week", NewName: "day"})
			return err
		}},
		{"rule.move", func() error {
			_, err := a.MoveRule(ctx, by, admin.RuleMove{Name: "day", RulePlace: admin.RulePlace{Place: 1}})
			return err
		}},
		{"rule.remove", func() error { return a.RemoveRule(ctx, by, "day", "") }},
		{"trusted-ip.add", func() error {
			_, err := a.AddTrustedIP(ctx, by, admin.NewTrustedIP{Application: "vpn", Range: "10.1.0.0/16"})
			return err
		}},
		{"trusted-ip.remove", func() error {
			_, err := a.RemoveTrustedIP(ctx, by, admin.TrustedIPRef{ID: a.TrustedIPs()[0].ID})
			return err
		}},
		{"cache.add", func() error {
			_, err := a.AddCacheRule(ctx, by, admin.NewCacheRule{Application: "vpn", Type: "user", Seconds: 60})
			return err
		}},
		{"cache.purge", func() error { return a.PurgeCache(ctx, by, "alice") }},
		{"cache.remove", func() error { return a.RemoveCacheRule(ctx, by, "vpn") }},
		{"bypass.add", func() error {
			_, err := a.AddBypass(ctx, by, admin.NewBypass{Account: "alice", Reason: "reason"})
			return err
		}},
		{"bypass.remove", func() error { return a.RemoveBypass(ctx, by, "alice") }},
		{"client.remove", func() error { return a.RemoveClient(ctx, by, "fw1", "") }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.action, err)
		}
	}
	acts, err := a.Acts(ctx, 0, 100)
	if err != nil || len(acts) != len(steps) {
		t.Fatalf("%d acts for %d changes, %v", len(acts), len(steps), err)
	}
	for i, act := range acts {
		if act.Action != steps[i].action || act.Actor != by.Name || act.Subject == "" || act.Time.IsZero() {
			t.Errorf("act %d is %+v; want %s", i, act, steps[i].action)
		}
		if strings.Contains(fmt.Sprint(act), "canary") {
			t.Errorf("act %d holds a secret", i)
		}
	}
}

// Whoever knows what was typed finds the events of a name that nobody has; the
// events do not hold it.
func TestEventsOfUnknownNames(t *testing.T) {
	s := start(t, testConfig(t.TempDir()))
	populate(t, s, 1, admin.NewClient{Mode: "append"})
	exchange(t, s.RADIUS()[0], `CORP\Mallory`, "hunter2,123456", nil)
	for _, name := range []string{"mallory", "MALLORY", `corp\mallory`} {
		events, err := s.Admin.Events(t.Context(), admin.Search{Account: name})
		if err != nil || len(events) != 1 || events[0].Code != int(auth.UserNotFound) {
			t.Fatalf("events of %q: %+v, %v", name, events, err)
		}
		if strings.Contains(strings.ToLower(events[0].Account), "mallory") {
			t.Errorf("the event holds the name %q", events[0].Account)
		}
		why, err := s.Admin.Why(t.Context(), strings.ToLower(events[0].Reference))
		if err != nil || why.Outcome != "user-not-found" || len(why.Trace) == 0 {
			t.Errorf("why %+v, %v", why, err)
		}
	}
	_, err := s.Admin.Why(t.Context(), "0000-0000")
	wantProblem(t, err, admin.ErrNotFound, "0000-0000")
	_, err = s.Admin.Events(t.Context(), admin.Search{Outcome: "138x"})
	wantProblem(t, err, admin.ErrInvalid, "138x")
}
