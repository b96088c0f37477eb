package httpd

import (
	"context"
	"time"

	"sallyport/admin"
)

// An AccountStart is a new account.
type AccountStart struct {
	Name         string   `json:"name" minLength:"1" maxLength:"255"`
	Aliases      []string `json:"aliases,omitempty" maxItems:"50"`
	Groups       []string `json:"groups,omitempty" maxItems:"100"`
	Password     string   `json:"password,omitempty" maxLength:"1024" doc:"Left out for none: then the person sets one when enrolling, or only clients that check passwords themselves can be used"`
	PasswordHash string   `json:"password_hash,omitempty" maxLength:"1024" doc:"An existing hash instead of a password"`
}

// An AccountEdit changes what it names and leaves the rest.
type AccountEdit struct {
	Name    *string   `json:"name,omitempty" minLength:"1" maxLength:"255"`
	Aliases *[]string `json:"aliases,omitempty" maxItems:"50"`
	Groups  *[]string `json:"groups,omitempty" maxItems:"100"`
}

// An AccountBlock blocks an account.
type AccountBlock struct {
	Reason string     `json:"reason" maxLength:"500"`
	Until  *time.Time `json:"until,omitempty" doc:"Left out: until somebody unblocks it"`
}

// A PasswordSet is a new password, or the hash of one.
type PasswordSet struct {
	Password     string `json:"password,omitempty" maxLength:"1024"`
	PasswordHash string `json:"password_hash,omitempty" maxLength:"1024"`
}

// A RoleGiven is the role that an account is to have.
type RoleGiven struct {
	Role string `json:"role" maxLength:"63" doc:"Empty for none"`
}

// An InvitationStart invites somebody to enrol.
type InvitationStart struct {
	Kind    string `json:"kind" enum:"link,code"`
	Replace bool   `json:"replace,omitempty" doc:"The account has authenticators, which the new one replaces once it has been seen to work"`
	Seconds int    `json:"seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long it can be used; left out: a day for a link, ten minutes for a code"`
}

// An InvitationMade is an invitation with what is shown this once.
type InvitationMade struct {
	admin.Invitation
	Link string `json:"link,omitempty" doc:"What to give to the person"`
}

// A BypassStart spares one login the second factor.
type BypassStart struct {
	Seconds int    `json:"seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long it can be used; left out: five minutes"`
	Reason  string `json:"reason" minLength:"1" maxLength:"500" doc:"For the record"`
}

// accountDo is an operation on one account that takes nothing and answers with
// the account.
func accountDo(o operation, do func(context.Context, *admin.Admin, admin.Actor, string) error) apiOperation {
	o.Tag, o.Audience, o.Body = tagAccounts, administrator, emptyIn
	return operate(o, func(ctx context.Context, c *caller, in *struct {
		AccountPath
		Body *struct{}
	},
	) (*Tagged[admin.AccountView], error) {
		return c.changedAccount(ctx, in.Name, do(ctx, c.site.Admin, c.by, in.Name))
	})
}

// changedAccount answers with an account as it is after a change.
func (c *caller) changedAccount(ctx context.Context, name string, err error) (*Tagged[admin.AccountView], error) {
	if err != nil {
		return nil, err
	}
	return tagged(c.site.Admin.ShowAccount(ctx, name))
}

func accountOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "account.list", Method: "GET", Path: "/v1/accounts", Summary: "Search accounts", Tag: tagAccounts,
			Audience: administrator, Permission: admin.ReadAccounts,
		}, func(ctx context.Context, c *caller, in *struct {
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
			Cursor string `query:"cursor" maxLength:"2000"`
			Q      string `query:"q" maxLength:"255" doc:"A part of a name or alias"`
			Group  string `query:"group" maxLength:"63"`
			Role   string `query:"role" maxLength:"63" doc:"* for any"`
			State  string `query:"state" enum:"disabled,blocked,locked,unenrolled"`
		},
		) (*Listed[admin.AccountView], error) {
			list, err := c.site.Admin.AccountList(ctx, admin.AccountQuery{Q: in.Q, Group: in.Group, Role: in.Role, State: in.State, Cursor: in.Cursor, Limit: in.Limit})
			if err != nil {
				return nil, err
			}
			return paged(list.Items, list.Next), nil
		}),
		operate(operation{
			ID: "account.add", Method: "POST", Path: "/v1/accounts", Summary: "Make an account", Tag: tagAccounts,
			Audience: administrator, Permission: admin.WriteAccounts, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body AccountStart }) (*Tagged[admin.AccountView], error) {
			return tagged(c.site.Admin.AddAccount(ctx, c.by, admin.NewAccount(in.Body)))
		}),
		operate(operation{
			ID: "account.show", Method: "GET", Path: "/v1/accounts/{name}", Summary: "One account with what it holds", Tag: tagAccounts,
			Audience: administrator, Permission: admin.ReadAccounts,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*Tagged[admin.AccountView], error) {
			return tagged(c.site.Admin.ShowAccount(ctx, in.Name))
		}),
		operate(operation{
			ID: "account.change", Method: "PATCH", Path: "/v1/accounts/{name}", Summary: "Rename an account, or change its aliases and groups", Tag: tagAccounts,
			Audience: administrator, Permission: admin.WriteAccounts, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			IfMatch
			Body AccountEdit
		},
		) (*Tagged[admin.AccountView], error) {
			return tagged(c.site.Admin.ChangeAccount(ctx, c.by, in.Name, admin.AccountChange{
				Name: in.Body.Name, Aliases: in.Body.Aliases, Groups: in.Body.Groups, Expect: in.expect(),
			}))
		}),
		operate(operation{
			ID: "account.remove", Method: "DELETE", Path: "/v1/accounts/{name}", Summary: "Remove an account with everything it holds", Tag: tagAccounts,
			Detail:   "Its logins stay in the log.",
			Audience: administrator, Permission: admin.WriteAccounts, StepUp: true,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			IfMatch
		},
		) (*struct{}, error) {
			return nil, c.site.Admin.RemoveAccount(ctx, c.by, in.Name, in.expect())
		}),
		accountDo(operation{
			ID: "account.enable", Method: "POST", Path: "/v1/accounts/{name}/enable", Summary: "Enable an account", Permission: admin.WriteAccounts,
		}, func(ctx context.Context, a *admin.Admin, by admin.Actor, name string) error {
			return a.SetEnabled(ctx, by, name, true)
		}),
		accountDo(operation{
			ID: "account.disable", Method: "POST", Path: "/v1/accounts/{name}/disable", Summary: "Disable an account and end its sessions", Permission: admin.WriteAccounts,
		}, func(ctx context.Context, a *admin.Admin, by admin.Actor, name string) error {
			return a.SetEnabled(ctx, by, name, false)
		}),
		accountDo(operation{
			ID: "account.unblock", Method: "POST", Path: "/v1/accounts/{name}/unblock", Summary: "Lift a block", Permission: admin.HelpAccounts,
		}, func(ctx context.Context, a *admin.Admin, by admin.Actor, name string) error {
			return a.Unblock(ctx, by, name)
		}),
		accountDo(operation{
			ID: "account.unlock", Method: "POST", Path: "/v1/accounts/{name}/unlock", Summary: "Forget an account's failures, so that it can log in at once", Permission: admin.HelpAccounts,
		}, func(ctx context.Context, a *admin.Admin, by admin.Actor, name string) error {
			return a.Unlock(ctx, by, name)
		}),
		operate(operation{
			ID: "account.block", Method: "POST", Path: "/v1/accounts/{name}/block", Summary: "Refuse an account's logins and end its sessions", Tag: tagAccounts,
			Audience: administrator, Permission: admin.HelpAccounts, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body AccountBlock
		},
		) (*Tagged[admin.AccountView], error) {
			var until time.Time
			if in.Body.Until != nil {
				until = *in.Body.Until
			}
			return c.changedAccount(ctx, in.Name, c.site.Admin.Block(ctx, c.by, in.Name, in.Body.Reason, until))
		}),
		operate(operation{
			ID: "account.password", Method: "POST", Path: "/v1/accounts/{name}/password", Summary: "Set a password and end the account's sessions", Tag: tagAccounts,
			Audience: administrator, Permission: admin.WriteAccounts, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body PasswordSet
		},
		) (*Tagged[admin.AccountView], error) {
			if (in.Body.Password == "") == (in.Body.PasswordHash == "") {
				return nil, wrongField("body.password", "give either a password or the hash of one")
			}
			return c.changedAccount(ctx, in.Name, c.site.Admin.SetPassword(ctx, c.by, in.Name, in.Body.Password, in.Body.PasswordHash))
		}),
		operate(operation{
			ID: "account.role", Method: "POST", Path: "/v1/accounts/{name}/role", Summary: "Give an account a role, or take it away", Tag: tagAccounts,
			Detail:   "The account's sessions end. Nobody can give a role that permits more than their own.",
			Audience: administrator, Permission: admin.WriteRoles, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body RoleGiven
		},
		) (*Tagged[admin.AccountView], error) {
			return tagged(c.site.Admin.SetRole(ctx, c.by, in.Name, in.Body.Role))
		}),
		operate(operation{
			ID: "account.recovery-codes", Method: "POST", Path: "/v1/accounts/{name}/recovery-codes", Summary: "Make new recovery codes for somebody", Tag: tagAccounts,
			Detail:   "The old ones count no more. They are shown this once.",
			Audience: administrator, Permission: admin.WriteAuthenticators, StepUp: true, Body: emptyIn,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body *struct{}
		},
		) (*Answered[FreshRecoveryCodes], error) {
			bound, err := c.site.Admin.NewRecoveryCodes(ctx, c.by, in.Name)
			return answered(FreshRecoveryCodes{bound.Codes}, err)
		}),
		operate(operation{
			ID: "account.sessions", Method: "GET", Path: "/v1/accounts/{name}/sessions", Summary: "Where somebody is signed in", Tag: tagAccounts,
			Audience: administrator, Permission: admin.ReadSessions,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*Listed[admin.SessionView], error) {
			return whole(c.site.Admin.Sessions(ctx, in.Name))
		}),
		operate(operation{
			ID: "invitation.add", Method: "POST", Path: "/v1/accounts/{name}/invitations", Summary: "Invite somebody to enrol", Tag: tagAccounts,
			Detail:   "The link or code is shown this once. It can be used once.",
			Audience: administrator, Permission: admin.InviteAccounts, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body InvitationStart
		},
		) (*Answered[InvitationMade], error) {
			made, err := c.site.Admin.Invite(ctx, c.by, admin.NewInvitation{Account: in.Name, Kind: in.Body.Kind, Replace: in.Body.Replace, Seconds: in.Body.Seconds})
			if err != nil {
				return nil, err
			}
			m := InvitationMade{Invitation: made}
			if made.Secret != "" {
				// Behind the #: browsers send that part nowhere.
				m.Link = c.site.URL + "/enrol#" + made.Secret
			}
			return answered(m, nil)
		}),
		operate(operation{
			ID: "account.invitations", Method: "GET", Path: "/v1/accounts/{name}/invitations", Summary: "Somebody's invitations that have not been used", Tag: tagAccounts,
			Audience: administrator, Permission: admin.InviteAccounts,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*Listed[admin.InvitationView], error) {
			return whole(c.site.Admin.Invitations(ctx, in.Name))
		}),
		operate(operation{
			ID: "invitation.list", Method: "GET", Path: "/v1/invitations", Summary: "All invitations that have not been used", Tag: tagAccounts,
			Audience: administrator, Permission: admin.InviteAccounts,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.InvitationView], error) {
			return whole(c.site.Admin.Invitations(ctx, ""))
		}),
		operate(operation{
			ID: "invitation.remove", Method: "DELETE", Path: "/v1/invitations/{id}", Summary: "Take an invitation back", Tag: tagAccounts,
			Audience: administrator, Permission: admin.InviteAccounts,
		}, func(ctx context.Context, c *caller, in *IDPath) (*struct{}, error) {
			return nil, c.site.Admin.RevokeInvitation(ctx, c.by, in.ID)
		}),
		operate(operation{
			ID: "bypass.list", Method: "GET", Path: "/v1/bypasses", Summary: "One-time bypasses that have not been used", Tag: tagAccounts,
			Audience: administrator, Permission: admin.ReadBypasses,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.BypassView], error) {
			return whole(c.site.Admin.Bypasses(ctx))
		}),
		operate(operation{
			ID: "bypass.show", Method: "GET", Path: "/v1/accounts/{name}/bypass", Summary: "Somebody's bypass that has not been used", Tag: tagAccounts,
			Audience: administrator, Permission: admin.ReadBypasses,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*Answered[admin.BypassView], error) {
			account, err := c.site.Admin.ShowAccount(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			if account.Bypass == nil {
				return nil, &admin.Problem{What: account.Name + " has no bypass; it may have been used", Kind: admin.ErrNotFound}
			}
			return answered(*account.Bypass, nil)
		}),
		operate(operation{
			ID: "bypass.add", Method: "POST", Path: "/v1/accounts/{name}/bypass", Summary: "Spare somebody's next login the second factor", Tag: tagAccounts,
			Audience: administrator, Permission: admin.WriteBypasses, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body BypassStart
		},
		) (*Answered[admin.BypassView], error) {
			return answered(c.site.Admin.AddBypass(ctx, c.by, admin.NewBypass{Account: in.Name, Seconds: in.Body.Seconds, Reason: in.Body.Reason}))
		}),
		operate(operation{
			ID: "bypass.remove", Method: "DELETE", Path: "/v1/accounts/{name}/bypass", Summary: "Take a bypass back", Tag: tagAccounts,
			Audience: administrator, Permission: admin.WriteBypasses,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveBypass(ctx, c.by, in.Name)
		}),
	}
}
