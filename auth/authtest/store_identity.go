package authtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

func hashOf(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// testSession is a session of an account; its token is its ID.
func testSession(id, name string) admin.Session {
	return admin.Session{
		ID: id, Token: hashOf(id), Account: "id-" + name, Client: auth.PortalClient, Factor: "oath",
		Proven: Epoch, Created: Epoch, Seen: Epoch, Expires: Epoch.Add(time.Hour), Source: "192.0.2.1", Agent: "browser",
	}
}

func testCeremony(id string, kind admin.CeremonyKind, account string) admin.Ceremony {
	return admin.Ceremony{
		ID: id, Kind: kind, Account: account, Body: auth.Secret("body of " + id), Note: "by test",
		Created: Epoch, Expires: Epoch.Add(10 * time.Minute),
	}
}

// wantErr makes sure that changes are refused for a reason and that nothing of
// them is left.
func (t *storeTest) wantErr(want error, changes ...admin.Change) {
	t.Helper()
	if err := t.try(append([]admin.Change{admin.AddApplication{Application: auth.Application{Name: "not added"}}}, changes...)...); !errors.Is(err, want) {
		t.Errorf("Apply(%T) = %v, want %v", changes[len(changes)-1], err, want)
	}
	for _, a := range t.store.Settings().Applications {
		if a.Name == "not added" {
			t.Errorf("Apply(%T) was refused and did what stood before it", changes[len(changes)-1])
		}
	}
}

func (t *storeTest) session(token string) admin.Session {
	t.Helper()
	s, err := t.store.Session(context.Background(), hashOf(token))
	if err != nil {
		t.Fatalf("Session(%s) = %v", token, err)
	}
	return s
}

func (t *storeTest) noSession(token string) {
	t.Helper()
	if s, err := t.store.Session(context.Background(), hashOf(token)); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Session(%s) = %+v, %v; want ErrNotFound", token, s, err)
	}
}

// sessionIDs lists the sessions of an account, of all for "".
func (t *storeTest) sessionIDs(account string, now time.Time) string {
	t.Helper()
	list, err := t.store.Sessions(context.Background(), account, now)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, " ")
}

func (t *storeTest) sessions() {
	ctx := context.Background()
	t.account("alice")
	t.account("bob")
	want := testSession("s1", "alice")
	later := testSession("s2", "alice")
	later.Created = Epoch.Add(time.Minute)
	t.apply(admin.AddSession{Session: want}, admin.AddSession{Session: later}, admin.AddSession{Session: testSession("b1", "bob")})
	for range 2 {
		if got := t.session("s1"); got != want {
			t.Errorf("Session = %+v, want %+v", got, want)
		}
		for _, tt := range []struct {
			account string
			now     time.Time
			want    string
		}{
			{"id-alice", Epoch, "s2 s1"},
			{"id-bob", Epoch, "b1"},
			{"", Epoch, "s2 b1 s1"},
			{"id-none", Epoch, ""},
			{"id-alice", Epoch.Add(time.Hour - 1), "s2 s1"},
			{"id-alice", Epoch.Add(time.Hour), ""},
		} {
			if got := t.sessionIDs(tt.account, tt.now); got != tt.want {
				t.Errorf("Sessions(%q, %v) = %s, want %s", tt.account, tt.now, got, tt.want)
			}
		}
		t.noSession("none")
		t.reopen()
	}

	t.wantErr(admin.ErrExists, admin.AddSession{Session: testSession("s1", "bob")})
	again := testSession("s9", "bob")
	again.Token = hashOf("s1")
	t.wantErr(admin.ErrExists, admin.AddSession{Session: again})
	t.wantErr(admin.ErrNotFound, admin.AddSession{Session: testSession("s9", "nobody")})
	t.wantErr(admin.ErrNotFound, admin.EndSession{ID: "none"})
	t.wantErr(admin.ErrNotFound, admin.RenewSession{ID: "none"})

	// Seen only rises, and is read at once.
	for _, at := range []time.Duration{5, 3} {
		if err := t.store.Seen(ctx, "s1", Epoch.Add(at*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := t.session("s1").Seen; !got.Equal(Epoch.Add(5 * time.Minute)) {
			t.Errorf("seen at %v, want %v", got, Epoch.Add(5*time.Minute))
		}
	}
	if err := t.store.Seen(ctx, "none", Epoch); err != nil {
		t.Errorf("Seen of a session that is gone = %v", err)
	}
	want.Seen = Epoch.Add(5 * time.Minute)
	want.Token, want.Factor, want.Proven = hashOf("renewed"), "webauthn", Epoch.Add(6*time.Minute)
	t.apply(admin.RenewSession{ID: "s1", Token: want.Token, Factor: want.Factor, Proven: want.Proven})
	for range 2 {
		t.noSession("s1")
		if got := t.session("renewed"); got != want {
			t.Errorf("Session = %+v, want %+v", got, want)
		}
		t.reopen()
	}

	t.apply(admin.EndSession{ID: "b1"})
	t.noSession("b1")
	t.apply(admin.AddSession{Session: testSession("s3", "alice")}, admin.EndSessions{Account: "id-alice", Except: "s2"})
	for range 2 {
		t.noSession("s3")
		t.noSession("renewed")
		if got := t.sessionIDs("", Epoch); got != "s2" {
			t.Errorf("Sessions = %s, want s2", got)
		}
		t.reopen()
	}
	t.apply(admin.EndSessions{Account: "id-alice"}, admin.EndSessions{Account: "id-none"})
	t.noSession("s2")
}

// endsAtOnce: what Apply has ended is ended for whoever looks after it has
// returned, and for nobody before it was asked to.
func (t *storeTest) endsAtOnce() {
	ctx := context.Background()
	t.account("alice")
	for round := range 20 {
		token := fmt.Sprint("token", round)
		s := testSession(fmt.Sprint("s", round), "alice")
		s.Token = hashOf(token)
		t.apply(admin.AddSession{Session: s})
		var asked, ended atomic.Bool
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for last := false; !last; {
					last = ended.Load()
					_, err := t.store.Session(ctx, hashOf(token))
					switch {
					case err == nil && last:
						t.Errorf("round %d: the session is there after EndSessions has returned", round)
						return
					case errors.Is(err, admin.ErrNotFound) && !asked.Load():
						t.Errorf("round %d: the session is gone before anybody ended it", round)
						return
					case err != nil && !errors.Is(err, admin.ErrNotFound):
						t.Errorf("Session = %v", err)
						return
					}
				}
			})
		}
		asked.Store(true)
		t.apply(admin.EndSessions{Account: "id-alice"})
		ended.Store(true)
		wg.Wait()
	}
}

// ceremony reads a ceremony that must be there.
func (t *storeTest) ceremony(id string) admin.Ceremony {
	t.Helper()
	c, err := t.store.Ceremony(context.Background(), id)
	if err != nil {
		t.Fatalf("Ceremony(%s) = %v", id, err)
	}
	return c
}

func (t *storeTest) noCeremony(id string) {
	t.Helper()
	if c, err := t.store.Ceremony(context.Background(), id); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Ceremony(%s) = %+v, %v; want ErrNotFound", id, c, err)
	}
}

func (t *storeTest) ceremonyIDs(kind admin.CeremonyKind, now time.Time) string {
	t.Helper()
	list, err := t.store.Ceremonies(context.Background(), kind, now)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range list {
		if c.Body != nil || c.Kind != kind {
			t.Errorf("Ceremonies lists %+v with a body of %d octets; it lists those of %s without bodies", c, len(c.Body), kind)
		}
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

func (t *storeTest) ceremonies() {
	ctx := context.Background()
	t.account("alice")
	t.account("bob")
	want := testCeremony("c1", admin.CeremonyInvitation, "id-alice")
	empty := testCeremony("c2", admin.CeremonyRegistration, "id-alice")
	empty.Body = nil
	t.apply(admin.AddCeremony{Ceremony: want}, admin.AddCeremony{Ceremony: empty},
		admin.AddCeremony{Ceremony: testCeremony("u1", admin.CeremonySetUp, "")})
	for range 2 {
		if got := t.ceremony("c1"); !reflect.DeepEqual(got, want) {
			t.Errorf("Ceremony = %+v (body %q), want %+v", got, []byte(got.Body), want)
		}
		if got := t.ceremony("c2"); len(got.Body) != 0 {
			t.Errorf("a body that was empty is %q", []byte(got.Body))
		}
		if got := t.ceremony("u1"); got.Account != "" || string(got.Body) != "body of u1" {
			t.Errorf("a ceremony without account = %+v", got)
		}
		t.noCeremony("none")
		t.reopen()
	}
	t.wantErr(admin.ErrExists, admin.AddCeremony{Ceremony: testCeremony("c1", admin.CeremonySetUp, "")})
	t.wantErr(admin.ErrNotFound, admin.AddCeremony{Ceremony: testCeremony("c9", admin.CeremonyEnrolment, "id-none")})

	// Replaced is what is of the same kind for the same account, and nothing else.
	t.apply(
		admin.AddCeremony{Ceremony: testCeremony("c3", admin.CeremonyInvitation, "id-alice")},
		admin.AddCeremony{Ceremony: testCeremony("b1", admin.CeremonyInvitation, "id-bob")},
	)
	if got := t.ceremonyIDs(admin.CeremonyInvitation, Epoch); got != "b1 c1 c3" {
		t.Errorf("Ceremonies = %s, want b1 c1 c3", got)
	}
	t.apply(
		admin.AddCeremony{Ceremony: testCeremony("c4", admin.CeremonyInvitation, "id-alice"), Replace: true},
		admin.AddCeremony{Ceremony: testCeremony("u2", admin.CeremonySetUp, ""), Replace: true},
	)
	for range 2 {
		for kind, want := range map[admin.CeremonyKind]string{
			admin.CeremonyInvitation: "b1 c4", admin.CeremonyRegistration: "c2", admin.CeremonySetUp: "u2", admin.CeremonyTicket: "",
		} {
			if got := t.ceremonyIDs(kind, Epoch); got != want {
				t.Errorf("Ceremonies(%s) = %s, want %s", kind, got, want)
			}
		}
		t.reopen()
	}
	if got := t.ceremonyIDs(admin.CeremonyInvitation, Epoch.Add(10*time.Minute)); got != "" {
		t.Errorf("ceremonies that have expired are listed: %s", got)
	}

	// What has expired cannot be taken; what was taken cannot be taken again.
	t.wantErr(admin.ErrNotFound, admin.TakeCeremony{ID: "b1", Now: Epoch.Add(10 * time.Minute)})
	t.wantErr(admin.ErrNotFound, admin.TakeCeremony{ID: "none", Now: Epoch})
	t.apply(admin.TakeCeremony{ID: "b1", Now: Epoch.Add(10*time.Minute - time.Microsecond)})
	for range 2 {
		t.noCeremony("b1")
		t.wantErr(admin.ErrNotFound, admin.TakeCeremony{ID: "b1", Now: Epoch})
		t.reopen()
	}

	// Wrong tries are counted in every case and end it.
	for n := 1; n < 5; n++ {
		if err := t.store.Tried(ctx, "c4", 5); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			t.reopen()
		}
		if got := t.ceremony("c4").Tries; got != n {
			t.Errorf("%d tries, want %d", got, n)
		}
	}
	for range 2 {
		if err := t.store.Tried(ctx, "c4", 5); err != nil {
			t.Errorf("Tried = %v", err)
		}
		t.noCeremony("c4")
	}
	t.wantErr(admin.ErrNotFound, admin.TakeCeremony{ID: "c4", Now: Epoch})
}

// triedTogether: tries that come at once are all counted.
func (t *storeTest) triedTogether() {
	ctx := context.Background()
	c := testCeremony("c1", admin.CeremonySetUp, "")
	t.apply(admin.AddCeremony{Ceremony: c})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := t.store.Tried(ctx, "c1", 17); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := t.ceremony("c1").Tries; got != 16 {
		t.Errorf("%d tries were counted of 16", got)
	}
	if err := t.store.Tried(ctx, "c1", 17); err != nil {
		t.Error(err)
	}
	t.noCeremony("c1")
}

// oneTakes: of 64 who take a ceremony at once, one has it, and only what that one
// does besides is done.
func (t *storeTest) oneTakes() {
	ctx := context.Background()
	t.account("alice")
	for round := range 3 {
		id := fmt.Sprint("c", round)
		t.apply(admin.AddCeremony{Ceremony: testCeremony(id, admin.CeremonyInvitation, "id-alice")})
		var won atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				<-start
				err := t.store.Apply(ctx, admin.Act{},
					admin.AddSession{Session: testSession(fmt.Sprintf("s%d-%d", round, i), "alice")},
					admin.TakeCeremony{ID: id, Now: Epoch})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, admin.ErrNotFound):
					t.Errorf("Apply = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d took the ceremony, want 1", won.Load())
		}
		if list, err := t.store.Sessions(ctx, "id-alice", Epoch); err != nil || len(list) != round+1 {
			t.Errorf("%d sessions, %v; want %d: who does not get the ceremony gets no session", len(list), err, round+1)
		}
	}
}

// identityAllOrNothing: whichever write fails, a person who redeems an invitation
// has done so with everything that belongs to it, or not at all.
func (t *storeTest) identityAllOrNothing() {
	ctx := context.Background()
	t.account("alice")
	t.apply(
		admin.AddSession{Session: testSession("old", "alice")},
		admin.AddCeremony{Ceremony: testCeremony("c1", admin.CeremonyInvitation, "id-alice")},
	)
	for n := 1; ; n++ {
		t.reopen()
		acts := t.actCount()
		fired := t.under.FailWrite(n)
		err := t.try(
			admin.TakeCeremony{ID: "c1", Now: Epoch},
			admin.EndSessions{Account: "id-alice"},
			admin.AddSession{Session: testSession("new", "alice")},
			admin.AddCeremony{Ceremony: testCeremony("c2", admin.CeremonyEnrolment, "id-alice")},
			admin.AddRole{Role: admin.Role{Name: "night shift"}},
			admin.PreferAuthenticator{ID: "oath-alice"},
		)
		failed := fired()
		t.under.FailWrite(0)
		if failed == (err == nil) {
			t.Fatalf("Apply whose %d. write failed (%t) = %v", n, failed, err)
		}
		if err == nil {
			break
		}
		for range 2 {
			t.session("old")
			t.noSession("new")
			t.ceremony("c1")
			t.noCeremony("c2")
			if roles, err := t.store.Roles(ctx); err != nil || len(roles) != 0 {
				t.Errorf("roles = %v, %v", roles, err)
			}
			if got := t.held("id-alice"); got != "password-alice oath-alice" {
				t.Errorf("authenticators = %s", got)
			}
			if got := t.actCount(); got != acts {
				t.Errorf("%d acts, want %d", got, acts)
			}
			t.reopen()
		}
	}
	for range 2 {
		t.noSession("old")
		t.session("new")
		t.noCeremony("c1")
		t.ceremony("c2")
		if got := t.held("id-alice"); got != "oath-alice password-alice" {
			t.Errorf("authenticators = %s", got)
		}
		t.reopen()
	}
}

// held lists the authenticators of an account in their order, which is that of
// its facts.
func (t *storeTest) held(account string) string {
	t.Helper()
	list, err := t.store.Authenticators(context.Background(), account)
	if err != nil {
		t.Fatal(err)
	}
	var ids, facts []string
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	if name, ok := strings.CutPrefix(account, "id-"); ok {
		for _, a := range t.snapshot(name).Authenticators {
			facts = append(facts, a.ID)
		}
		if !slices.Equal(ids, facts) {
			t.Errorf("Authenticators lists %v and Snapshot %v", ids, facts)
		}
	}
	return strings.Join(ids, " ")
}

func (t *storeTest) prefers() {
	t.account("alice")
	t.account("bob")
	third := testAuthenticator("alice", "recovery")
	third.Mark = 4
	t.apply(admin.AddAuthenticator{Authenticator: third})
	t.commit(spending(t.snapshot("alice"), 7))
	before := t.snapshot("alice")
	t.apply(admin.PreferAuthenticator{ID: "recovery-alice"})
	t.refused(settle(before, auth.OATHCodeVerified), "what an account holds is in another order")
	for range 2 {
		if got := t.held("id-alice"); got != "recovery-alice password-alice oath-alice" {
			t.Errorf("authenticators = %s", got)
		}
		f := t.snapshot("alice")
		if markOf(f, "oath-alice") != 7 || markOf(f, "recovery-alice") != 4 {
			t.Errorf("marks have moved: %s", show(f))
		}
		for _, a := range f.Authenticators {
			if string(a.State) != "state of "+a.ID {
				t.Errorf("state of %s is %q", a.ID, []byte(a.State))
			}
		}
		if got := t.held("id-bob"); got != "password-bob oath-bob" {
			t.Errorf("authenticators of somebody else = %s", got)
		}
		t.reopen()
	}
	t.apply(admin.PreferAuthenticator{ID: "recovery-alice"}, admin.PreferAuthenticator{ID: "oath-alice"})
	if got := t.held("id-alice"); got != "oath-alice recovery-alice password-alice" {
		t.Errorf("authenticators = %s", got)
	}
	// What is added is the last.
	t.apply(admin.AddAuthenticator{Authenticator: testAuthenticator("alice", "token")})
	if got := t.held("id-alice"); got != "oath-alice recovery-alice password-alice token-alice" {
		t.Errorf("authenticators = %s", got)
	}
	t.wantErr(admin.ErrNotFound, admin.PreferAuthenticator{ID: "none"})
	spare := testAuthenticator("alice", "spare")
	spare.Account = ""
	t.apply(admin.AddAuthenticator{Authenticator: spare})
	t.wantErr(admin.ErrNotFound, admin.PreferAuthenticator{ID: "spare-alice"})
}

func (t *storeTest) roles() {
	ctx := context.Background()
	want := []admin.Role{
		{Name: "desk", Permissions: []admin.Permission{admin.ReadAccounts, admin.HelpAccounts}, Created: Epoch},
		{Name: "nobody", Created: Epoch},
	}
	t.apply(admin.AddRole{Role: want[1]}, admin.AddRole{Role: want[0]})
	t.account("alice")
	t.wantErr(admin.ErrNotFound, admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Role = "none"; return nil }})
	t.apply(admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Role = "desk"; return nil }})
	owner := testAccount("olga")
	owner.Role = admin.Owner
	t.apply(admin.AddAccount{Account: owner})
	for range 2 {
		if got, err := t.store.Roles(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Roles = %+v, %v; want %+v", got, err, want)
		}
		if got := t.snapshot("alice").Account.Role; got != "desk" {
			t.Errorf("alice has the role %q", got)
		}
		if a, err := t.store.AccountByID(ctx, "id-olga"); err != nil || a.Role != admin.Owner {
			t.Errorf("AccountByID = %+v, %v", a, err)
		}
		t.reopen()
	}
	for _, name := range []string{"desk", admin.Owner, admin.Auditor} {
		t.wantErr(admin.ErrExists, admin.AddRole{Role: admin.Role{Name: name}})
	}
	t.wantErr(admin.ErrNotFound, admin.UpdateRole{Name: "none", Update: func(*admin.Role) error { return nil }})
	t.wantErr(admin.ErrNotFound, admin.RemoveRole{Name: "none"})
	own := errors.New("own")
	if err := t.try(admin.UpdateRole{Name: "desk", Update: func(*admin.Role) error { return own }}); !errors.Is(err, own) || err.Error() != "own" {
		t.Errorf("the error of a function in a change is %v, want it as it is", err)
	}
	err := t.try(admin.RemoveRole{Name: "desk"})
	if !errors.Is(err, admin.ErrExists) || !strings.Contains(err.Error(), "desk") || !strings.Contains(err.Error(), "alice") {
		t.Errorf("RemoveRole of a role that somebody has = %v; want ErrExists, the role and who has it", err)
	}
	t.apply(
		admin.UpdateRole{Name: "desk", Update: func(r *admin.Role) error { r.Permissions = r.Permissions[:1]; return nil }},
		admin.RemoveRole{Name: "nobody"},
	)
	want[0].Permissions = want[0].Permissions[:1]
	for range 2 {
		if got, err := t.store.Roles(ctx); err != nil || !reflect.DeepEqual(got, want[:1]) {
			t.Errorf("Roles = %+v, %v; want %+v", got, err, want[:1])
		}
		t.reopen()
	}
}

// keepsOwner: of many who take the role of owner from each other at once, the
// last does not succeed.
func (t *storeTest) keepsOwner() {
	ctx := context.Background()
	set := func(change func(*auth.Account)) func(*auth.Account) error {
		return func(a *auth.Account) error { change(a); return nil }
	}
	for _, name := range []string{"olga", "otto"} {
		a := testAccount(name)
		a.Role = admin.Owner
		t.apply(admin.AddAccount{Account: a})
	}
	ways := []func(*auth.Account){
		func(a *auth.Account) { a.Role = "" },
		func(a *auth.Account) { a.Role = admin.Auditor },
		func(a *auth.Account) { a.Enabled = false },
		func(a *auth.Account) { a.Blocked = true },
		func(a *auth.Account) { a.Blocked, a.BlockedUntil = true, Epoch.Add(1000*time.Hour) },
	}
	for round := range 3 {
		for _, name := range []string{"olga", "otto"} {
			t.apply(admin.UpdateAccount{ID: "id-" + name, Update: set(func(a *auth.Account) {
				a.Role, a.Enabled, a.Blocked, a.BlockedUntil = admin.Owner, true, false, time.Time{}
			})})
		}
		var done atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				<-start
				err := t.store.Apply(ctx, admin.Act{Time: Epoch, Action: "account.role"},
					admin.UpdateAccount{ID: []string{"id-olga", "id-otto"}[i%2], Update: set(ways[(i/2+round)%len(ways)])},
					admin.KeepOwner{Role: admin.Owner})
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, admin.ErrLastOwner):
					t.Errorf("Apply = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		left := 0
		for _, name := range []string{"olga", "otto"} {
			if a := t.snapshot(name).Account; a.Role == admin.Owner && a.Enabled && !a.Blocked {
				left++
			}
		}
		if left != 1 || done.Load() == 0 {
			t.Fatalf("round %d: %d owners are left after %d of 64 succeeded; want 1", round, left, done.Load())
		}
	}
	// A block that has ended is none.
	t.apply(
		admin.UpdateAccount{ID: "id-olga", Update: set(func(a *auth.Account) {
			a.Role, a.Enabled, a.Blocked, a.BlockedUntil = admin.Owner, true, true, Epoch
		})},
		admin.UpdateAccount{ID: "id-otto", Update: set(func(a *auth.Account) { a.Role = "" })},
		admin.KeepOwner{Role: admin.Owner},
	)
	t.wantErr(admin.ErrLastOwner, admin.RemoveAccount{ID: "id-olga"}, admin.KeepOwner{Role: admin.Owner})
	t.wantErr(admin.ErrLastOwner, admin.KeepOwner{Role: "none"})
}

func (t *storeTest) keys() {
	ctx := context.Background()
	t.apply(admin.AddApplication{Application: auth.Application{Name: "vpn"}}, admin.AddClient{Client: testClient("nas")})
	key := func(name string) admin.Key {
		return admin.Key{
			Name: name, Secret: hashOf("secret of " + name), Permissions: []admin.Permission{admin.DecideLogins, admin.ReadEvents},
			Client: "nas", Created: Epoch, Expires: Epoch.Add(time.Hour),
		}
	}
	plain := admin.Key{Name: "plain", Secret: hashOf("plain"), Created: Epoch}
	t.apply(admin.AddKey{Key: plain}, admin.AddKey{Key: key("a")})
	for range 2 {
		if got, err := t.store.Keys(ctx); err != nil || !reflect.DeepEqual(got, []admin.Key{key("a"), plain}) {
			t.Errorf("Keys = %+v, %v", got, err)
		}
		if got, err := t.store.Key(ctx, hashOf("secret of a")); err != nil || !reflect.DeepEqual(got, key("a")) {
			t.Errorf("Key = %+v, %v", got, err)
		}
		if _, err := t.store.Key(ctx, hashOf("none")); !errors.Is(err, admin.ErrNotFound) {
			t.Errorf("Key of no secret = %v, want ErrNotFound", err)
		}
		t.reopen()
	}
	t.wantErr(admin.ErrExists, admin.AddKey{Key: key("a")})
	again := key("b")
	again.Secret = hashOf("plain")
	t.wantErr(admin.ErrExists, admin.AddKey{Key: again})
	other := key("b")
	other.Client = "none"
	t.wantErr(admin.ErrNotFound, admin.AddKey{Key: other})
	t.wantErr(admin.ErrNotFound, admin.RemoveKey{Name: "none"})
	t.wantErr(admin.ErrNotFound, admin.UpdateKey{Name: "none", Update: func(*admin.Key) error { return nil }})
	if err := t.try(admin.UpdateKey{Name: "a", Update: func(k *admin.Key) error { k.Secret = hashOf("x"); return nil }}); err == nil {
		t.Error("the secret of a key could be changed")
	}
	t.apply(admin.UpdateKey{Name: "a", Update: func(k *admin.Key) error { k.Used = Epoch.Add(time.Minute); return nil }})
	if got, err := t.store.Key(ctx, hashOf("secret of a")); err != nil || !got.Used.Equal(Epoch.Add(time.Minute)) {
		t.Errorf("Key = %+v, %v; want it used", got, err)
	}

	// A key goes with its client's name, and ends with the client; so does a
	// session.
	t.account("alice")
	s := testSession("s1", "alice")
	s.Client = "nas"
	t.apply(admin.AddSession{Session: s}, admin.UpdateClient{Name: "nas", Update: func(c *auth.Client) error { c.Name = "nas2"; return nil }})
	if k, err := t.store.Key(ctx, hashOf("secret of a")); err != nil || k.Client != "nas2" || t.session("s1").Client != "nas2" {
		t.Errorf("after the client got another name: key %+v, %v, session %+v", k, err, t.session("s1"))
	}
	t.apply(admin.RemoveClient{Name: "nas2"})
	t.noSession("s1")
	if _, err := t.store.Key(ctx, hashOf("secret of a")); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("Key of a client that is gone = %v, want ErrNotFound", err)
	}
	t.apply(admin.RemoveKey{Name: "plain"})
	if got, err := t.store.Keys(ctx); err != nil || len(got) != 0 {
		t.Errorf("Keys = %+v, %v; want none", got, err)
	}
}

// referred: settings to which something refers stay.
func (t *storeTest) referred() {
	rule := auth.Rule{ID: "r1", Name: "rule", Match: auth.Match{Applications: []string{"vpn"}, Groups: []string{"a \"group\", %_"}}}
	member := testAccount("alice")
	member.Groups = []string{"x", "a \"group\", %_"}
	t.apply(
		admin.AddApplication{Application: auth.Application{Name: "vpn", Created: Epoch}},
		admin.AddGroup{Group: auth.Group{Name: "a \"group\", %_", Created: Epoch}},
		admin.AddGroup{Group: auth.Group{Name: "X", Created: Epoch}},
		admin.AddGroup{Group: auth.Group{Name: ",", Created: Epoch}},
		admin.AddClient{Client: testClient("nas")},
		admin.AddRule{Rule: rule},
		admin.AddTrustedIP{TrustedIP: auth.TrustedIP{ID: "t1", Application: "vpn", Range: mustRange(t.T, "192.0.2.0/24")}},
		admin.AddCacheRule{CacheRule: auth.CacheRule{ID: "k1", Application: "vpn", Type: auth.CacheUser, Life: time.Minute}},
		admin.AddAccount{Account: member},
	)
	refuses := func(by string, c admin.Change) {
		t.Helper()
		err := t.try(c)
		if !errors.Is(err, admin.ErrExists) || !strings.Contains(err.Error(), by) {
			t.Errorf("Apply(%+v) = %v; want ErrExists and %q", c, err, by)
		}
	}
	application := admin.RemoveApplication{Name: "vpn"}
	refuses(`client "nas"`, application)
	t.apply(admin.RemoveClient{Name: "nas"})
	refuses(`trusted IP "192.0.2.0/24"`, application)
	t.apply(admin.RemoveTrustedIP{ID: "t1"})
	refuses(`cache rule "k1"`, application)
	t.apply(admin.RemoveCacheRule{ID: "k1"})
	refuses(`rule "rule"`, application)
	group := admin.RemoveGroup{Name: "a \"group\", %_"}
	refuses(`rule "rule"`, group)
	t.apply(admin.RemoveRule{Name: "rule"}, application)
	refuses(`account "alice"`, group)
	// A group is not another whose name has other letters, nor the comma of a list.
	t.apply(admin.RemoveGroup{Name: "X"}, admin.RemoveGroup{Name: ","})
	t.apply(admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Groups = nil; return nil }}, group)
	for range 2 {
		if s := t.store.Settings(); len(s.Applications) != 0 || len(s.Groups) != 0 {
			t.Errorf("settings that were removed: %+v %+v", s.Applications, s.Groups)
		}
		t.wantErr(admin.ErrNotFound, application)
		t.wantErr(admin.ErrNotFound, group)
		t.reopen()
	}
}

// removes: an account goes with everything that it has, and whoever gets its name
// or even its ID begins with nothing.
func (t *storeTest) removes() {
	ctx := context.Background()
	t.account("alice", "ally")
	t.account("bob")
	var events []auth.Event
	for _, name := range []string{"alice", "bob"} {
		f := t.snapshot(name)
		st := spending(f, 7)
		st.Spend[0].Authenticator = "oath-" + name
		st.Event.Authenticator = st.Spend[0].Authenticator
		st.Throttle = &auth.Throttle{Know: auth.Count{Failures: 3}}
		st.Cache = []auth.CacheEntry{{Key: "k", From: Epoch, Until: Epoch.Add(time.Hour)}}
		st.Open = &auth.OpenChallenge{ID: auth.ChallengeID("c-" + name), Subject: f.Subject, Client: "nas", Expires: Epoch.Add(time.Hour)}
		t.commit(st)
		t.apply(
			admin.AddSession{Session: testSession("s-"+name, name)},
			admin.AddCeremony{Ceremony: testCeremony("y-"+name, admin.CeremonyEnrolment, "id-"+name)},
			admin.AddBypass{Bypass: testBypass("b-"+name, name)},
		)
		events = t.list(admin.EventFilter{})
	}
	before := t.snapshot("alice")
	t.wantErr(admin.ErrNotFound, admin.RemoveAccount{ID: "id-none"})
	t.apply(admin.RemoveAccount{ID: "id-alice"})
	t.refused(settle(before, auth.OATHCodeVerified), "the account is gone")
	for range 2 {
		for _, name := range []string{"alice", "ally"} {
			if f := t.snapshot(name); f.Account != nil || f.Subject != unknownOf([]string{name}) {
				t.Errorf("Snapshot(%s) = %s", name, show(f))
			}
		}
		t.noSession("s-alice")
		t.noCeremony("y-alice")
		t.session("s-bob")
		t.ceremony("y-bob")
		if f := t.look(auth.Query{Names: []string{"bob"}, Unknown: "?bob", State: "c-bob"}, false); f.Account == nil || len(f.Authenticators) != 2 ||
			f.Bypass == nil || f.Throttle.Know.Failures != 3 {
			t.Errorf("bob's facts: %s, bypass %+v", show(f), f.Bypass)
		}
		if list, err := t.store.Bypasses(ctx); err != nil || len(list) != 1 {
			t.Errorf("bypasses = %+v, %v", list, err)
		}
		if _, err := t.store.AccountByID(ctx, "id-alice"); !errors.Is(err, admin.ErrNotFound) {
			t.Errorf("AccountByID = %v, want ErrNotFound", err)
		}
		if _, err := t.store.Authenticator(ctx, "oath-alice"); !errors.Is(err, admin.ErrNotFound) {
			t.Errorf("Authenticator = %v, want ErrNotFound", err)
		}
		if th, err := t.store.Throttle(ctx, "id-alice"); err != nil || th != (auth.Throttle{}) {
			t.Errorf("Throttle = %+v, %v", th, err)
		}
		if got := t.list(admin.EventFilter{}); !reflect.DeepEqual(got, events) {
			t.Error("the events of an account that is gone have changed")
		}
		t.reopen()
	}
	t.account("alice", "ally")
	f := t.look(auth.Query{Names: []string{"ally"}, Unknown: "?ally", State: "c-alice"}, false)
	if f.Challenge != nil || len(f.Logins) != 0 || len(f.Cached) != 0 || f.Bypass != nil || f.Throttle != (auth.Throttle{}) {
		t.Errorf("an account of the same ID inherits: %+v", f)
	}
	if m := markOf(f, "oath-alice"); m != 7 {
		t.Errorf("mark of an authenticator of the same ID is %d, want 7: what is spent stays spent", m)
	}
	t.refused(settle(before, auth.OATHCodeVerified), "the account of that time is gone")
	t.noSession("s-alice")
}

// unrecorded: an act without action is none.
func (t *storeTest) unrecorded() {
	ctx := context.Background()
	t.account("alice")
	acts := t.actCount()
	for i := range 3 {
		if err := t.store.Apply(ctx, admin.Act{}, admin.AddSession{Session: testSession(fmt.Sprint("s", i), "alice")}); err != nil {
			t.Fatal(err)
		}
		// Even what moves an account has no act, if nobody says what it was.
		before := t.snapshot("alice")
		err := t.store.Apply(ctx, admin.Act{}, admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error {
			a.Groups = []string{fmt.Sprint("group", i)}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.refused(settle(before, auth.OATHCodeVerified), "the account has moved")
		if got := t.snapshot("alice").Account.Groups; !slices.Equal(got, []string{fmt.Sprint("group", i)}) {
			t.Errorf("groups = %v", got)
		}
		if i == 1 {
			t.reopen()
		}
	}
	if got := t.actCount(); got != acts {
		t.Errorf("%d acts were recorded of changes without action", got-acts)
	}
	t.apply(admin.EndSession{ID: "s1"})
	if got := t.actCount(); got != acts+1 {
		t.Errorf("%d acts, want %d: numbers go on without gaps", got, acts+1)
	}
	act := admin.Act{
		Time: Epoch, Actor: "olga", Action: "account.role", Subject: "alice", Detail: "d", Before: `{"role":""}`, After: `{"role":"owner"}`,
	}
	if err := t.store.Apply(ctx, act, admin.UpdateAccount{ID: "id-alice", Update: func(a *auth.Account) error { a.Role = admin.Owner; return nil }}); err != nil {
		t.Fatal(err)
	}
	act.Seq = uint64(acts + 2)
	for range 2 {
		list, err := t.store.Acts(ctx, uint64(acts+1), 0)
		if err != nil || !reflect.DeepEqual(list, []admin.Act{act}) {
			t.Errorf("Acts = %+v, %v; want %+v", list, err, act)
		}
		t.reopen()
	}
}

// behindProxies: clients of other doors than RADIUS have no secrets and no source.
func (t *storeTest) behindProxies() {
	want := auth.Client{
		ID: "id-wiki", Name: "wiki", Door: "https", Application: "wiki", Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
		Origins: []string{"https://wiki.example.org", "https://old.example.org:8443"}, Created: Epoch,
	}
	other := want
	other.ID, other.Name, other.Origins = "id-blog", "blog", nil
	t.apply(admin.AddClient{Client: want}, admin.AddClient{Client: other}, admin.AddClient{Client: testClient("nas")})
	for range 2 {
		s := t.store.Settings()
		for _, c := range []auth.Client{want, other, testClient("nas")} {
			if got := s.Client(c.Name); got == nil || !reflect.DeepEqual(*got, c) {
				t.Errorf("client = %+v, want %+v", got, c)
			}
		}
		t.reopen()
	}
	t.apply(admin.UpdateClient{Name: "wiki", Update: func(c *auth.Client) error { c.Origins = c.Origins[1:]; return nil }})
	if got := t.store.Settings().Client("wiki").Origins; !slices.Equal(got, want.Origins[1:]) {
		t.Errorf("origins = %v", got)
	}
}

// bodiesResealed: bodies of ceremonies are sealed again with everything else.
func (t *storeTest) bodiesResealed() {
	ctx := context.Background()
	t.account("alice")
	const many = 300 // more than are sealed again in one transaction
	changes := make([]admin.Change, many)
	for i := range changes {
		changes[i] = admin.AddCeremony{Ceremony: testCeremony(fmt.Sprint("c", i), admin.CeremonyEnrolment, "id-alice")}
	}
	t.apply(changes...)
	for round := range 2 {
		n, err := t.store.Reseal(ctx)
		if err != nil || n != many+2 {
			t.Fatalf("Reseal = %d, %v; want %d: two states and the bodies", n, err, many+2)
		}
		// What moves while states are sealed again must not be missed by place.
		t.apply(admin.PreferAuthenticator{ID: []string{"oath-alice", "password-alice"}[round]})
		for i := range many {
			id := fmt.Sprint("c", i)
			if got := t.ceremony(id); string(got.Body) != "body of "+id {
				t.Fatalf("body of %s is %q", id, []byte(got.Body))
			}
		}
		t.reopen()
	}
	var b bytes.Buffer
	if err := t.store.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("body of ")) {
		t.Error("the backup holds the body of a ceremony in the clear")
	}
}
