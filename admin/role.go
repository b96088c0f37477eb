package admin

import (
	"errors"
	"slices"
	"time"
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
