package httpd

import (
	"context"

	"sallyport/admin"
	"sallyport/auth"
)

// A NameGiven names a new setting.
type NameGiven struct {
	Name string `json:"name" minLength:"1" maxLength:"63"`
}

// A GroupStart is a new group.
type GroupStart struct {
	Name       string   `json:"name" minLength:"1" maxLength:"63"`
	Attributes []string `json:"attributes,omitempty" maxItems:"50" doc:"Reply attributes of its members, each NAME=VALUE"`
}

// A GroupEdit changes a group.
type GroupEdit struct {
	Attributes []string `json:"attributes" maxItems:"50"`
}

// A ClientStart is a new client.
type ClientStart struct {
	Name        string   `json:"name" minLength:"1" maxLength:"63"`
	Application string   `json:"application" minLength:"1" maxLength:"63"`
	Door        string   `json:"door,omitempty" enum:"radius,https" doc:"Left out for radius"`
	Source      string   `json:"source,omitempty" maxLength:"100" doc:"Of the door radius: the address or subnet from which it sends"`
	Secret      string   `json:"secret,omitempty" maxLength:"256" doc:"Of the door radius; left out to have one made"`
	Mode        string   `json:"mode,omitempty" enum:"challenge,append"`
	Password    string   `json:"password,omitempty" enum:"verify,none"`
	Origin      string   `json:"origin,omitempty" enum:"calling-station-id,none"`
	Lax         bool     `json:"lax,omitempty" doc:"Do not require Message-Authenticator"`
	Rate        int      `json:"rate_per_second,omitempty" minimum:"0" maximum:"1000000"`
	Attributes  []string `json:"attributes,omitempty" maxItems:"50" doc:"Each NAME=VALUE"`
	Origins     []string `json:"origins,omitempty" maxItems:"50" doc:"Of the door https: where it may send people back to, https://wiki.example.org"`
}

// A ClientEdit changes what it names and leaves the rest.
type ClientEdit struct {
	Application string    `json:"application,omitempty" maxLength:"63"`
	Source      string    `json:"source,omitempty" maxLength:"100"`
	Mode        string    `json:"mode,omitempty" enum:"challenge,append"`
	Password    string    `json:"password,omitempty" enum:"verify,none"`
	Origin      string    `json:"origin,omitempty" enum:"calling-station-id,none"`
	Lax         *bool     `json:"lax,omitempty"`
	Rate        *int      `json:"rate_per_second,omitempty" minimum:"0" maximum:"1000000"`
	Attributes  *[]string `json:"attributes,omitempty" maxItems:"50"`
	Origins     *[]string `json:"origins,omitempty" maxItems:"50"`
}

// A SecretGiven is a client's next secret.
type SecretGiven struct {
	Secret string `json:"secret,omitempty" maxLength:"256" doc:"Left out to have one made"`
}

// A FactorView is a factor that this server knows.
type FactorView struct {
	Name     string `json:"name"`
	Title    string `json:"title" prose:"true"`
	Category string `json:"category" enum:"know,have" doc:"A first factor, or a second"`
	Passkey  bool   `json:"passkey" doc:"Only browsers can bring it"`
}

// given returns what a pointer to a list holds: nil if nothing is to change, and
// never nil if it is.
func given(list *[]string) []string {
	if list == nil {
		return nil
	}
	return append(make([]string, 0, len(*list)), *list...)
}

func settingOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "factor.list", Method: "GET", Path: "/v1/factors", Summary: "What people can sign in with", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[FactorView], error) {
			var views []FactorView
			for _, f := range c.site.Admin.Factors {
				info := f.Info()
				v := FactorView{Name: info.Name, Title: info.Title, Category: "have", Passkey: info.Passkey}
				if info.Category == auth.Know {
					v.Category = "know"
				}
				views = append(views, v)
			}
			return listed(views, nil)
		}),
		operate(operation{
			ID: "application.list", Method: "GET", Path: "/v1/applications", Summary: "All applications", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[Application], error) {
			var views []Application
			for _, p := range c.site.Admin.Applications() {
				views = append(views, Application(p))
			}
			return listed(views, nil)
		}),
		operate(operation{
			ID: "application.add", Method: "POST", Path: "/v1/applications", Summary: "Make an application", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body NameGiven }) (*Answered[Application], error) {
			p, err := c.site.Admin.AddApplication(ctx, c.by, in.Body.Name)
			return answered(Application(p), err)
		}),
		operate(operation{
			ID: "application.remove", Method: "DELETE", Path: "/v1/applications/{name}", Summary: "Remove an application that nothing refers to", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings,
		}, func(ctx context.Context, c *caller, in *NamePath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveApplication(ctx, c.by, in.Name)
		}),
		operate(operation{
			ID: "group.list", Method: "GET", Path: "/v1/groups", Summary: "All groups", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[Group], error) {
			var views []Group
			for _, g := range c.site.Admin.Groups() {
				views = append(views, viewGroup(g))
			}
			return listed(views, nil)
		}),
		operate(operation{
			ID: "group.show", Method: "GET", Path: "/v1/groups/{name}", Summary: "One group", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, in *NamePath) (*Tagged[Group], error) {
			g := c.site.Admin.Store.Settings().Group(in.Name)
			if g == nil {
				return nil, &admin.Problem{What: "there is no group of this name", Kind: admin.ErrNotFound}
			}
			return taggedGroup(*g, nil)
		}),
		operate(operation{
			ID: "group.add", Method: "POST", Path: "/v1/groups", Summary: "Make a group", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body GroupStart }) (*Tagged[Group], error) {
			attributes, err := pairs(in.Body.Attributes)
			if err != nil {
				return nil, err
			}
			return taggedGroup(c.site.Admin.AddGroup(ctx, c.by, in.Body.Name, attributes))
		}),
		operate(operation{
			ID: "group.change", Method: "PATCH", Path: "/v1/groups/{name}", Summary: "Change the reply attributes of a group", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
			Body GroupEdit
		},
		) (*Tagged[Group], error) {
			attributes, err := pairs(in.Body.Attributes)
			if err != nil {
				return nil, err
			}
			return taggedGroup(c.site.Admin.ChangeGroup(ctx, c.by, in.Name, attributes, in.expect()))
		}),
		operate(operation{
			ID: "group.remove", Method: "DELETE", Path: "/v1/groups/{name}", Summary: "Remove a group that nothing refers to", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings,
		}, func(ctx context.Context, c *caller, in *NamePath) (*struct{}, error) {
			return nil, c.site.Admin.RemoveGroup(ctx, c.by, in.Name)
		}),
		operate(operation{
			ID: "client.list", Method: "GET", Path: "/v1/clients", Summary: "All clients", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, _ *struct{}) (*Listed[admin.ClientView], error) {
			return listed(c.site.Admin.Clients(), nil)
		}),
		operate(operation{
			ID: "client.add", Method: "POST", Path: "/v1/clients", Summary: "Make a client", Tag: tagSettings,
			Detail:   "A secret that is made here is in the answer and cannot be read again.",
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, addClient),
		operate(operation{
			ID: "client.show", Method: "GET", Path: "/v1/clients/{name}", Summary: "One client", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(_ context.Context, c *caller, in *NamePath) (*Tagged[admin.ClientView], error) {
			return tagged(c.site.Admin.ShowClient(in.Name))
		}),
		operate(operation{
			ID: "client.change", Method: "PATCH", Path: "/v1/clients/{name}", Summary: "Change how a client is treated", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, changeClient),
		operate(operation{
			ID: "client.remove", Method: "DELETE", Path: "/v1/clients/{name}", Summary: "Remove a client", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			IfMatch
		},
		) (*struct{}, error) {
			return nil, c.site.Admin.RemoveClient(ctx, c.by, in.Name, in.expect())
		}),
		operate(operation{
			ID: "client.rotate", Method: "POST", Path: "/v1/clients/{name}/rotate", Summary: "Begin to change a client's secret", Tag: tagSettings,
			Detail:   "Both secrets are accepted until the rotation is finished. One that is made here is in the answer and cannot be read again.",
			Audience: administrator, Permission: admin.WriteSettings, Body: consoleBody,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			Body SecretGiven
		},
		) (*Answered[NewSecret], error) {
			secret, err := c.site.Admin.RotateClient(ctx, c.by, in.Name, in.Body.Secret)
			return answered(NewSecret{in.Name, secret}, err)
		}),
		operate(operation{
			ID: "client.rotate-finish", Method: "POST", Path: "/v1/clients/{name}/rotate-finish", Summary: "End a client's old secret", Tag: tagSettings,
			Audience: administrator, Permission: admin.WriteSettings, Body: emptyIn,
		}, func(ctx context.Context, c *caller, in *struct {
			NamePath
			Body *struct{}
		},
		) (*Tagged[admin.ClientView], error) {
			if err := c.site.Admin.FinishRotation(ctx, c.by, in.Name); err != nil {
				return nil, err
			}
			return tagged(c.site.Admin.ShowClient(in.Name))
		}),
		operate(operation{
			ID: "client.patience", Method: "GET", Path: "/v1/clients/{name}/patience", Summary: "How long a client waits and people take", Tag: tagSettings,
			Audience: administrator, Permission: admin.ReadSettings,
		}, func(ctx context.Context, c *caller, in *NamePath) (*Answered[admin.PatienceView], error) {
			return answered(c.site.Admin.Patience(ctx, in.Name))
		}),
	}
}

// taggedGroup makes an answer of a group. Its entity tag is of the group as
// package admin knows it.
func taggedGroup(g auth.Group, err error) (*Tagged[Group], error) {
	if err != nil {
		return nil, err
	}
	return &Tagged[Group]{`"` + admin.Tag(g) + `"`, viewGroup(g)}, nil
}

// ClientMade carries a new client with its secret.
type ClientMade struct {
	ETag string `header:"ETag"`
	Body NewClientView
}

func addClient(ctx context.Context, c *caller, in *struct{ Body ClientStart }) (*ClientMade, error) {
	b := &in.Body
	attributes, err := pairs(b.Attributes)
	if err != nil {
		return nil, err
	}
	view, secret, err := c.site.Admin.AddClient(ctx, c.by, admin.NewClient{
		Name: b.Name, Application: b.Application, Door: b.Door, Source: b.Source, Secret: b.Secret, Mode: b.Mode, Password: b.Password,
		Origin: b.Origin, Lax: b.Lax, RatePerSecond: b.Rate, Attributes: attributes, Origins: b.Origins,
	})
	if err != nil {
		return nil, err
	}
	return &ClientMade{`"` + admin.Tag(view) + `"`, NewClientView{view, secret}}, nil
}

func changeClient(ctx context.Context, c *caller, in *struct {
	NamePath
	IfMatch
	Body ClientEdit
},
) (*Tagged[admin.ClientView], error) {
	b := &in.Body
	attributes, err := pairs(given(b.Attributes))
	if err != nil {
		return nil, err
	}
	return tagged(c.site.Admin.ChangeClient(ctx, c.by, admin.ClientChange{
		Name: in.Name, Application: b.Application, Source: b.Source, Mode: b.Mode, Password: b.Password, Origin: b.Origin, Lax: b.Lax,
		RatePerSecond: b.Rate, Attributes: attributes, Origins: given(b.Origins), Expect: in.expect(),
	}))
}
