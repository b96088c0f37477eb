package httpd

import (
	"context"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/pskc"
)

// An AuthenticatorStart is a new authenticator of somebody's.
type AuthenticatorStart struct {
	Factor string `json:"factor" minLength:"1" maxLength:"63"`
	Label  string `json:"label,omitempty" maxLength:"256"`
}

// A TokenGiven says who gets a token.
type TokenGiven struct {
	Account string `json:"account" minLength:"1" maxLength:"255"`
}

// A TokenResync is two codes that a token showed one after the other.
type TokenResync struct {
	First  string `json:"first" minLength:"1" maxLength:"64"`
	Second string `json:"second" minLength:"1" maxLength:"64"`
}

// A SeedFile is a file of token seeds with what opens it.
type SeedFile struct {
	File       []byte `json:"file" doc:"PSKC (RFC 6030) or CSV"`
	Key        []byte `json:"key,omitempty" doc:"The pre-shared key of an encrypted file"`
	Passphrase string `json:"passphrase,omitempty" maxLength:"1024"`
}

func authenticatorOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "authenticator.list", Method: "GET", Path: "/v1/authenticators", Summary: "Tokens that nobody holds yet", Tag: tagAuthenticators,
			Audience: administrator, Permission: admin.ReadAuthenticators,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.AuthenticatorView], error) {
			return whole(c.site.Admin.Authenticators(ctx, ""))
		}),
		operate(operation{
			ID: "account.authenticators", Method: "GET", Path: "/v1/accounts/{name}/authenticators", Summary: "What an account holds", Tag: tagAuthenticators,
			Audience: administrator, Permission: admin.ReadAuthenticators,
		}, func(ctx context.Context, c *caller, in *AccountPath) (*Listed[admin.AuthenticatorView], error) {
			return whole(c.site.Admin.Authenticators(ctx, in.Name))
		}),
		operate(operation{
			ID: "authenticator.add", Method: "POST", Path: "/v1/accounts/{name}/authenticators", Summary: "Give somebody an authenticator", Tag: tagAuthenticators,
			Detail:   "What its owner must be shown is in the answer and kept nowhere. An invitation is better: then nobody else sees it.",
			Audience: administrator, Permission: admin.WriteAuthenticators, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			AccountPath
			Body AuthenticatorStart
		},
		) (*Answered[admin.BoundView], error) {
			return answered(c.site.Admin.AddAuthenticator(ctx, c.by, in.Name, in.Body.Factor, in.Body.Label))
		}),
		operate(operation{
			ID: "authenticator.import", Method: "POST", Path: "/v1/authenticators/import", Summary: "Import token seeds", Tag: tagAuthenticators,
			Detail:   "All good rows are kept, in one transaction; bad ones are listed with their line and reason.",
			Audience: administrator, Permission: admin.WriteAuthenticators, StepUp: true, Body: importBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body SeedFile }) (*Answered[ImportReport], error) {
			v, err := c.site.Admin.Import(ctx, c.by, in.Body.File, pskc.Keys{PreShared: in.Body.Key, Password: in.Body.Passphrase})
			if err != nil {
				return nil, err
			}
			r := ImportReport{Added: v.Added, Unassigned: v.Unassigned, Bad: []BadRow{}}
			for _, b := range v.Bad {
				r.Bad = append(r.Bad, BadRow{b.Line, b.Serial, b.Reason})
			}
			return answered(r, nil)
		}),
		operate(operation{
			ID: "authenticator.revoke", Method: "DELETE", Path: "/v1/authenticators/{id}", Summary: "End an authenticator", Tag: tagAuthenticators,
			Detail:   "By its ID or serial. With an account's last second factor go its recovery codes; its sessions end.",
			Audience: administrator, Permission: admin.RevokeAuthenticator, StepUp: true,
		}, func(ctx context.Context, c *caller, in *IDPath) (*struct{}, error) {
			return nil, c.site.Admin.RevokeAuthenticator(ctx, c.by, in.ID)
		}),
		operate(operation{
			ID: "authenticator.assign", Method: "POST", Path: "/v1/authenticators/{id}/assign", Summary: "Give a token that nobody holds to somebody", Tag: tagAuthenticators,
			Audience: administrator, Permission: admin.WriteAuthenticators, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			IDPath
			Body TokenGiven
		},
		) (*struct{}, error) {
			return nil, c.site.Admin.AssignToken(ctx, c.by, in.ID, in.Body.Account)
		}),
		operate(operation{
			ID: "authenticator.resync", Method: "POST", Path: "/v1/authenticators/{id}/resync", Summary: "Find the moving factor of a token again", Tag: tagAuthenticators,
			Audience: administrator, Permission: admin.WriteAuthenticators, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			IDPath
			Body TokenResync
		},
		) (*struct{}, error) {
			return nil, c.site.Admin.Resync(ctx, c.by, in.ID, auth.Code(in.Body.First), auth.Code(in.Body.Second))
		}),
	}
}

func openSessionOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "session.list", Method: "GET", Path: "/v1/sessions", Summary: "Who is signed in", Tag: tagOpenSessions,
			Audience: administrator, Permission: admin.ReadSessions,
		}, func(ctx context.Context, c *caller, in *struct {
			Account string `query:"account" maxLength:"255" doc:"Of one account only"`
		},
		) (*Listed[admin.SessionView], error) {
			list, err := c.site.Admin.Sessions(ctx, in.Account)
			for i := range list {
				list[i].Current = list[i].ID == c.person.Session.ID
			}
			return whole(list, err)
		}),
		operate(operation{
			ID: "session.remove", Method: "DELETE", Path: "/v1/sessions/{id}", Summary: "End a session", Tag: tagOpenSessions,
			Audience: administrator, Permission: admin.WriteSessions,
		}, func(ctx context.Context, c *caller, in *IDPath) (*struct{}, error) {
			return nil, c.site.Admin.EndSession(ctx, c.by, in.ID)
		}),
	}
}
