package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A Permission is one thing that a person or program may be allowed to do. The
// zero Permission is granted to nobody.
type Permission string

// The permissions that there are. Their names are part of the API: custom roles
// and API keys are kept with them.
const (
	ReadAccounts        Permission = "account.read"
	WriteAccounts       Permission = "account.write"  // add, change, disable, remove, set passwords
	HelpAccounts        Permission = "account.help"   // unlock, block, unblock
	InviteAccounts      Permission = "account.invite" // invitations to enrol
	ReadAuthenticators  Permission = "authenticator.read"
	WriteAuthenticators Permission = "authenticator.write" // add, import, assign, resynchronize, recovery codes
	RevokeAuthenticator Permission = "authenticator.revoke"
	ReadSettings        Permission = "settings.read"
	WriteSettings       Permission = "settings.write" // applications, clients, groups
	ReadPolicy          Permission = "policy.read"
	WritePolicy         Permission = "policy.write" // rules, trusted IPs, cache rules
	ReadExplanations    Permission = "policy.explain"
	WriteCache          Permission = "cache.write"
	ReadBypasses        Permission = "bypass.read"
	WriteBypasses       Permission = "bypass.write"
	ReadEvents          Permission = "event.read"
	ReadActs            Permission = "act.read"
	ReadReports         Permission = "report.read"
	ReadSystem          Permission = "system.read" // health, nodes, exports, settings of the server
	ReadSessions        Permission = "session.read"
	WriteSessions       Permission = "session.write"
	ReadRoles           Permission = "role.read"
	WriteRoles          Permission = "role.write" // roles, and who has which
	ReadKeys            Permission = "apikey.read"
	WriteKeys           Permission = "apikey.write"
	Diagnose            Permission = "diagnose"
	TestLogins          Permission = "login.test"
	DecideLogins        Permission = "login.decide" // API keys only: log people in to the key's client
	ReadBackup          Permission = "backup.read"
	WriteKEK            Permission = "key.write" // the key-encryption key
)

// Permissions returns all permissions that a role can have.
func Permissions() []Permission {
	return []Permission{
		ReadAccounts, WriteAccounts, HelpAccounts, InviteAccounts, ReadAuthenticators, WriteAuthenticators, RevokeAuthenticator,
		ReadSettings, WriteSettings, ReadPolicy, WritePolicy, ReadExplanations, WriteCache, ReadBypasses, WriteBypasses,
		ReadEvents, ReadActs, ReadReports, ReadSystem, ReadSessions, WriteSessions, ReadRoles, WriteRoles, ReadKeys, WriteKeys,
		Diagnose, TestLogins, ReadBackup, WriteKEK,
	}
}

// A Role is a name for permissions that accounts can be given.
type Role struct {
	Name        string
	Permissions []Permission
	Created     time.Time
}

// The roles that every installation has. They cannot be changed.
const (
	Owner         = "owner"
	Administrator = "administrator"
	HelpDesk      = "help-desk"
	Auditor       = "auditor"
)

// ErrLastOwner says that a change would leave nobody who may give roles.
var ErrLastOwner = errors.New("the last owner")

// BuiltinRoles returns the roles that every installation has, the highest
// first.
func BuiltinRoles() []Role {
	reads := []Permission{
		ReadAccounts, ReadAuthenticators, ReadSettings, ReadPolicy, ReadExplanations, ReadBypasses, ReadEvents, ReadActs, ReadReports,
		ReadSystem, ReadSessions, ReadRoles, ReadKeys,
	}
	below := []Permission{WriteRoles, WriteKeys, WriteKEK, ReadBackup}
	administrator := slices.DeleteFunc(Permissions(), func(p Permission) bool { return slices.Contains(below, p) })
	return []Role{
		{Name: Owner, Permissions: Permissions()},
		{Name: Administrator, Permissions: administrator},
		{Name: HelpDesk, Permissions: []Permission{
			ReadAccounts, HelpAccounts, InviteAccounts, ReadAuthenticators, RevokeAuthenticator, ReadSettings, ReadPolicy, ReadExplanations,
			ReadBypasses, WriteBypasses, ReadEvents, ReadReports, Diagnose,
		}},
		{Name: Auditor, Permissions: reads},
	}
}

// An Actor is who makes a change: the name for the record, and what they may
// do. The zero Actor may do nothing.
type Actor struct {
	Name    string // "alice", "uid 0 over the admin socket"
	Account string // ID of the account, "" for operators and API keys
	May     []Permission
}

// Operator returns an actor who may do everything: whoever can open the admin
// socket could as well open the database and the key file beside it.
func Operator(name string) Actor { return Actor{Name: name, May: Permissions()} }

// Can reports whether the actor has a permission.
func (a Actor) Can(p Permission) bool { return p != "" && slices.Contains(a.May, p) }

// A RoleView is a role as administrators see it.
type RoleView struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	BuiltIn     bool         `json:"builtin"`  // it cannot be changed
	Accounts    int          `json:"accounts"` // how many have it
	Created     *time.Time   `json:"created,omitempty"`
}

// A NewRole is what AddRole is given.
type NewRole struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
}

// A RoleChange is what ChangeRole is given.
type RoleChange struct {
	Name        string       `json:"-"`
	Permissions []Permission `json:"permissions"` // in place of those before
	Expect      string       `json:"-"`           // Tag of the role as it was seen, "" for any
}

// maxTries bounds how often a change is made again because the record that it
// rested on had moved. Of many changes at once each round lets one through.
const maxTries = 256

// errStale says within a transaction that a record is not the one that was
// looked at before.
var errStale = errors.New("the record has moved")

// again repeats do while it rests on a record that has moved.
func again(do func() error) error {
	for range maxTries {
		if err := do(); !errors.Is(err, errStale) {
			return err
		}
	}
	return changed()
}

// Roles lists the roles that there are, the built-in ones first, and how many
// accounts have each.
func (a *Admin) Roles(ctx context.Context) ([]RoleView, error) {
	custom, err := a.Store.Roles(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]RoleView, 0, 4+len(custom))
	for _, r := range BuiltinRoles() {
		views = append(views, viewRole(r))
	}
	for _, r := range custom {
		views = append(views, viewRole(r))
	}
	slices.SortFunc(views[4:], func(x, y RoleView) int { return strings.Compare(x.Name, y.Name) })
	count := make(map[string]int)
	const page = 1000
	for after := ""; ; {
		accounts, err := a.Store.SearchAccounts(ctx, AccountSearch{After: after, Role: "*", Now: a.moment(), Limit: page})
		if err != nil {
			return nil, err
		}
		for i := range accounts {
			count[accounts[i].Role]++
			after = accounts[i].Name
		}
		if len(accounts) < page {
			break
		}
	}
	for i := range views {
		views[i].Accounts = count[views[i].Name]
	}
	return views, nil
}

// PermissionsOf returns what a role permits; "" permits nothing. A role that
// there is not is a Problem of the kind ErrNotFound.
func (a *Admin) PermissionsOf(ctx context.Context, role string) ([]Permission, error) {
	if role == "" {
		return nil, nil
	}
	r, err := a.role(ctx, role)
	return r.Permissions, err
}

func (a *Admin) role(ctx context.Context, name string) (Role, error) {
	for _, r := range BuiltinRoles() {
		if r.Name == name {
			return r, nil
		}
	}
	custom, err := a.Store.Roles(ctx)
	if err != nil {
		return Role{}, err
	}
	for _, r := range custom {
		if r.Name == name {
			r.Permissions = inOrder(r.Permissions)
			return r, nil
		}
	}
	return Role{}, noRole(name)
}

func noRole(name string) error {
	return &Problem{fmt.Sprintf("there is no role %q", name), "there are owner, administrator, help-desk, auditor, and those that were added", ErrNotFound}
}

// AddRole makes a role. Nobody can put into it what they may not do themselves.
func (a *Admin) AddRole(ctx context.Context, by Actor, n NewRole) (RoleView, error) {
	if err := checkName("role", n.Name); err != nil {
		return RoleView{}, err
	}
	if builtinRole(n.Name) {
		return RoleView{}, &Problem{fmt.Sprintf("the role %q is built in", n.Name), "give the new role another name", ErrExists}
	}
	permissions, err := rolePermissions(n.Permissions)
	if err != nil {
		return RoleView{}, err
	}
	if err := mayGive(by, permissions); err != nil {
		return RoleView{}, err
	}
	r := Role{Name: n.Name, Permissions: permissions, Created: a.moment()}
	view := viewRole(r)
	if err := a.applyTo(ctx, by, act{action: "role.add", subject: r.Name, detail: words(permissions), after: view}, AddRole{r}); err != nil {
		return RoleView{}, problem(err, fmt.Sprintf("there is already a role %q", r.Name), "change that one, or use another name")
	}
	return view, nil
}

// ChangeRole gives a role other permissions, at once for everybody who has it.
// Nobody can change a role that permits, or shall permit, what they may not do
// themselves.
func (a *Admin) ChangeRole(ctx context.Context, by Actor, n RoleChange) (RoleView, error) {
	if builtinRole(n.Name) {
		return RoleView{}, fixedRole(n.Name)
	}
	permissions, err := rolePermissions(n.Permissions)
	if err != nil {
		return RoleView{}, err
	}
	if err := mayGive(by, permissions); err != nil {
		return RoleView{}, err
	}
	var view RoleView
	err = again(func() error {
		was, err := a.role(ctx, n.Name)
		if err != nil {
			return err
		}
		if err := mayAlter(by, was); err != nil {
			return err
		}
		if err := expected(n.Expect, viewRole(was)); err != nil {
			return err
		}
		next := was
		next.Permissions = permissions
		view = viewRole(next)
		return a.applyTo(ctx, by, act{action: "role.change", subject: n.Name, detail: words(permissions), before: viewRole(was), after: view},
			UpdateRole{n.Name, func(r *Role) error {
				if !slices.Equal(inOrder(r.Permissions), was.Permissions) {
					return errStale
				}
				r.Permissions = permissions
				return nil
			}})
	})
	if errors.Is(err, ErrNotFound) {
		return RoleView{}, noRole(n.Name)
	}
	return view, err
}

// RemoveRole ends a role that nobody has.
func (a *Admin) RemoveRole(ctx context.Context, by Actor, name string) error {
	if builtinRole(name) {
		return fixedRole(name)
	}
	r, err := a.role(ctx, name)
	if err != nil {
		return err
	}
	if err := mayAlter(by, r); err != nil {
		return err
	}
	have, err := a.Store.SearchAccounts(ctx, AccountSearch{Role: name, Now: a.moment(), Limit: 1})
	if err != nil {
		return err
	}
	if len(have) > 0 {
		return invalid("give "+have[0].Name+" and everybody else who has it another role first", "%s has the role %s", have[0].Name, name)
	}
	err = a.applyTo(ctx, by, act{action: "role.remove", subject: name, detail: words(r.Permissions), before: viewRole(r)}, RemoveRole{name})
	if errors.Is(err, ErrNotFound) {
		return noRole(name)
	}
	return err
}

// SetRole gives an account a role in place of the one that it has, "" for none,
// and ends its sessions. Nobody gives what they may not do themselves, nor
// takes a role from somebody who may do more than they.
func (a *Admin) SetRole(ctx context.Context, by Actor, name, role string) (AccountView, error) {
	var view AccountView
	err := a.onAccount(ctx, by, name, func(acc auth.Account) error {
		permissions, err := a.PermissionsOf(ctx, role)
		if err != nil {
			return err
		}
		if err := mayGive(by, permissions); err != nil {
			return err
		}
		next := acc
		next.Role = role
		view = viewAccount(next, a.moment())
		changes := []Change{
			UpdateAccount{acc.ID, func(now *auth.Account) error {
				if !sameAccount(now, &acc) {
					return errStale
				}
				now.Role = role
				return nil
			}},
			EndSessions{Account: acc.ID},
		}
		if role != "" && !builtinRole(role) {
			// It must be there still, and permit what was looked at.
			changes = append(changes, UpdateRole{role, func(r *Role) error {
				if !slices.Equal(inOrder(r.Permissions), permissions) {
					return errStale
				}
				return nil
			}})
		}
		if acc.Role == Owner && role != Owner {
			changes = append(changes, KeepOwner{Owner})
		}
		detail := fmt.Sprintf("from %s to %s", orNone(acc.Role), orNone(role))
		return a.applyTo(ctx, by, act{action: "account.role", subject: acc.Name, detail: detail, before: viewAccount(acc, a.moment()), after: view}, changes...)
	})
	if err != nil {
		return AccountView{}, problem(err, fmt.Sprintf("account %q or role %q is gone", name, role), "")
	}
	return view, nil
}

// mayChange refuses an actor who would change an account whose role permits
// something that the actor may not do: whoever can change what an account
// proves itself with can sign in as it.
func (a *Admin) mayChange(ctx context.Context, by Actor, acc auth.Account) error {
	permissions, err := a.PermissionsOf(ctx, acc.Role)
	if errors.Is(err, ErrNotFound) {
		return nil // a role that there is no more permits nothing
	} else if err != nil {
		return err
	}
	if lacking(by, permissions) != "" {
		return forbidden("ask somebody whose role permits as much", "%s has the role %s, which permits more than yours", acc.Name, acc.Role)
	}
	return nil
}

// mayAlter is mayChange for a role itself.
func mayAlter(by Actor, r Role) error {
	if lacking(by, r.Permissions) != "" {
		return forbidden("ask somebody whose role permits as much", "the role %s permits more than yours", r.Name)
	}
	return nil
}

// mayGive refuses to give away what the actor lacks.
func mayGive(by Actor, permissions []Permission) error {
	if p := lacking(by, permissions); p != "" {
		return forbidden("ask somebody who has it", "nobody can give the permission %s who does not have it", p)
	}
	return nil
}

// lacking returns the first permission that the actor does not have, "" if
// there is none.
func lacking(by Actor, permissions []Permission) Permission {
	for _, p := range permissions {
		if !by.Can(p) {
			return p
		}
	}
	return ""
}

// rolePermissions checks the permissions of a role.
func rolePermissions(given []Permission) ([]Permission, error) {
	known := Permissions()
	for _, p := range given {
		switch {
		case p == DecideLogins:
			return nil, invalid("make an API key for it", "the permission %s is for API keys alone", p)
		case !slices.Contains(known, p):
			return nil, invalid("the list of permissions shows the names", "there is no permission %q", p)
		}
	}
	permissions := inOrder(given)
	if len(permissions) == 0 {
		return nil, invalid("", "a role permits something")
	}
	return permissions, nil
}

// inOrder returns those of all permissions that are given, each once.
func inOrder(given []Permission) []Permission {
	return slices.DeleteFunc(Permissions(), func(p Permission) bool { return !slices.Contains(given, p) })
}

func viewRole(r Role) RoleView {
	v := RoleView{Name: r.Name, Permissions: orEmpty(inOrder(r.Permissions)), BuiltIn: builtinRole(r.Name)}
	if !v.BuiltIn {
		v.Created = &r.Created
	}
	return v
}

func builtinRole(name string) bool {
	return slices.ContainsFunc(BuiltinRoles(), func(r Role) bool { return r.Name == name })
}

func fixedRole(name string) error {
	return invalid("add a role of your own", "the role %s is built in and cannot be changed", name)
}

func words(permissions []Permission) string {
	text := make([]string, len(permissions))
	for i, p := range permissions {
		text[i] = string(p)
	}
	return strings.Join(text, " ")
}

func orNone(role string) string {
	if role == "" {
		return "no role"
	}
	return role
}
