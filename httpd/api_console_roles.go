package httpd

import (
	"context"
	"time"

	"sallyport/admin"
)

// A RoleStart is a new role.
type RoleStart struct {
	Name        string             `json:"name" minLength:"1" maxLength:"63"`
	Permissions []admin.Permission `json:"permissions" maxItems:"100"`
}

// A RoleEdit is what a role permits from now on.
type RoleEdit struct {
	Permissions []admin.Permission `json:"permissions" maxItems:"100"`
}

// A PermissionView is one thing that a role can permit.
type PermissionView struct {
	Name admin.Permission `json:"name"`
	Own  bool             `json:"own" doc:"Whoever asks has it, and can put it into a role"`
}

// A KeyStart is a new API key.
type KeyStart struct {
	Name        string             `json:"name" minLength:"1" maxLength:"63"`
	Permissions []admin.Permission `json:"permissions" maxItems:"100"`
	Client      string             `json:"client,omitempty" maxLength:"63" doc:"For login.decide: the client of the door https whose logins it brings"`
	Expires     *time.Time         `json:"expires,omitempty" doc:"Left out for never"`
}

// A KeyMade is an API key with its secret, which is shown this once.
type KeyMade struct {
	admin.KeyView
	Secret string `json:"secret"`
}

func roleOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "role.list", Method: "GET", Path: "/v1/roles", Summary: "All roles", Tag: tagRoles,
			Audience: administrator, Permission: admin.ReadRoles,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.RoleView], error) {
			return whole(c.site.Admin.Roles(ctx))
		}),
		operate(operation{
			ID: "role.add", Method: "POST", Path: "/v1/roles", Summary: "Make a role", Tag: tagRoles,
			Detail:   "Nobody can make a role that permits more than their own.",
			Audience: administrator, Permission: admin.WriteRoles, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body RoleStart }) (*Tagged[admin.RoleView], error) {
			return tagged(c.site.Admin.AddRole(ctx, c.by, admin.NewRole(in.Body)))
		}),
		operate(operation{
			ID: "role.change", Method: "PATCH", Path: "/v1/roles/{name}", Summary: "Change what a role permits", Tag: tagRoles,
			Audience: administrator, Permission: admin.WriteRoles, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
			Body RoleEdit
		},
		) (*Tagged[admin.RoleView], error) {
			return tagged(c.site.Admin.ChangeRole(ctx, c.by, admin.RoleChange{Name: in.Name, Permissions: in.Body.Permissions, Expect: in.expect()}))
		}),
		operate(operation{
			ID: "role.remove", Method: "DELETE", Path: "/v1/roles/{name}", Summary: "Remove a role that nobody has", Tag: tagRoles,
			Audience: administrator, Permission: admin.WriteRoles, StepUp: true,
		}, func(ctx context.Context, c *caller, in *NamePath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveRole(ctx, c.by, in.Name)
		}),
		operate(operation{
			ID: "permission.list", Method: "GET", Path: "/v1/permissions", Summary: "What roles can permit", Tag: tagRoles,
			Audience: administrator, Permission: admin.ReadRoles,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[PermissionView], error) {
			var views []PermissionView
			for _, p := range admin.Permissions() {
				views = append(views, PermissionView{p, c.by.Can(p)})
			}
			return listed(views, nil)
		}),
	}
}

func keyOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "api-key.list", Method: "GET", Path: "/v1/api-keys", Summary: "All API keys", Tag: tagRoles,
			Audience: administrator, Permission: admin.ReadKeys,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.KeyView], error) {
			return whole(c.site.Admin.Keys(ctx))
		}),
		operate(operation{
			ID: "api-key.add", Method: "POST", Path: "/v1/api-keys", Summary: "Make an API key", Tag: tagRoles,
			Detail:   "Its secret is shown this once. A key is not asked to confirm that it is you: give it no more than it needs.",
			Audience: administrator, Permission: admin.WriteKeys, StepUp: true, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body KeyStart }) (*Answered[KeyMade], error) {
			n := admin.NewKey{Name: in.Body.Name, Permissions: in.Body.Permissions, Client: in.Body.Client}
			if in.Body.Expires != nil {
				n.Expires = *in.Body.Expires
			}
			view, secret, err := c.site.Admin.AddKey(ctx, c.by, n)
			return answered(KeyMade{view, secret}, err)
		}),
		operate(operation{
			ID: "api-key.remove", Method: "DELETE", Path: "/v1/api-keys/{name}", Summary: "End an API key", Tag: tagRoles,
			Audience: administrator, Permission: admin.WriteKeys, StepUp: true,
		}, func(ctx context.Context, c *caller, in *NamePath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveKey(ctx, c.by, in.Name)
		}),
	}
}
