package httpd

import (
	"context"
	"encoding/json"

	"sallyport/admin"
	"sallyport/auth"
)

// An InvitationShown is the secret of an invitation's link, or its code with the
// name that it is for.
type InvitationShown struct {
	Secret string `json:"secret,omitempty" maxLength:"200" doc:"What stands behind the # of the link"`
	Name   string `json:"name,omitempty" maxLength:"255"`
	Code   string `json:"code,omitempty" maxLength:"64"`
}

// A SessionBegun carries the session that an invitation began.
type SessionBegun struct {
	Session SessionView `json:"session"`
}

// An EnrolmentConfirmed shows that a new authenticator works.
type EnrolmentConfirmed struct {
	Ceremony     string          `json:"ceremony" minLength:"1" maxLength:"200"`
	Code         string          `json:"code,omitempty" maxLength:"64" doc:"Of an app or token; followed by the PIN if that is what is new"`
	SecondCode   string          `json:"second_code,omitempty" maxLength:"64" doc:"Of a token: the one that it showed next"`
	Registration json.RawMessage `json:"registration,omitempty" doc:"Of a passkey: RegistrationResponseJSON"`
}

// An OwnAuthenticatorChange changes what it names and leaves the rest.
type OwnAuthenticatorChange struct {
	Label   *string `json:"label,omitempty" maxLength:"256"`
	Default bool    `json:"default,omitempty" doc:"Ask for this one first"`
}

// An OwnPasswordChange is a person's new password.
type OwnPasswordChange struct {
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

// FreshRecoveryCodes are shown this once.
type FreshRecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

// A NotMe names the login that was somebody else's.
type NotMe struct {
	Reference string `json:"reference" minLength:"1" maxLength:"20"`
}

// OwnID names something of a person's own.
type OwnID struct {
	ID string `path:"id" maxLength:"100"`
}

const (
	tagMe   = "One's own account"
	meBody  = 64 << 10
	emptyIn = 64 // octets of an empty object
)

// meOperations are what people do with what is theirs. Whose it is comes from
// the session alone: no request names an account.
func meOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "invitation.redeem", Method: "POST", Path: "/v1/invitations/redeem", Summary: "Use an invitation to enrol", Tag: tagMe,
			Detail:   "The session that begins may set up what its owner signs in with, and nothing else. An invitation can be used once.",
			Audience: visitor, Permission: signIn, Body: meBody, Cost: 10,
		}, redeem),
		operate(operation{
			ID: "me.show", Method: "GET", Path: "/v1/me", Summary: "What one holds", Tag: tagMe,
			Audience: person, Permission: readSelf, Enrolling: true,
		}, showMe),
		operate(operation{
			ID: "me.enrol", Method: "POST", Path: "/v1/me/enrolments", Summary: "Begin to enrol an authenticator", Tag: tagMe,
			Detail:   "It is one's own only once it has been seen to work. Who has signed in, and not by an invitation, confirms first that it is they.",
			Audience: person, Permission: enrolSelf, StepUp: true, Enrolling: true, Body: meBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body OwnEnrolment }) (*struct{ Body admin.Enrolment }, error) {
			e, err := c.site.Admin.BeginEnrolment(ctx, c.person, admin.NewEnrolment(in.Body))
			if err != nil {
				return nil, err
			}
			return &struct{ Body admin.Enrolment }{e}, nil
		}),
		operate(operation{
			ID: "me.enrol-confirm", Method: "POST", Path: "/v1/me/enrolments/confirm", Summary: "Show that a new authenticator works", Tag: tagMe,
			Audience: person, Permission: enrolSelf, Enrolling: true, Body: meBody,
		}, confirmEnrolment),
		operate(operation{
			ID: "me.authenticator-change", Method: "PATCH", Path: "/v1/me/authenticators/{id}", Summary: "Rename an authenticator, or be asked for it first", Tag: tagMe,
			Audience: person, Permission: writeSelf, Body: meBody,
		}, changeOwn),
		operate(operation{
			ID: "me.authenticator-remove", Method: "DELETE", Path: "/v1/me/authenticators/{id}", Summary: "Remove an authenticator", Tag: tagMe,
			Detail:   "The last one stays. All other sessions end.",
			Audience: person, Permission: writeSelf, StepUp: true,
		}, func(ctx context.Context, c *caller, in *OwnID) (*struct{}, error) {
			return nil, c.site.Admin.RemoveOwnAuthenticator(ctx, c.person, in.ID)
		}),
		operate(operation{
			ID: "me.recovery-codes", Method: "POST", Path: "/v1/me/recovery-codes", Summary: "Make new recovery codes", Tag: tagMe,
			Detail:   "The old ones count no more.",
			Audience: person, Permission: writeSelf, StepUp: true, Body: emptyIn,
		}, func(ctx context.Context, c *caller, _ *NoInput) (*struct{ Body FreshRecoveryCodes }, error) {
			codes, err := c.site.Admin.OwnRecoveryCodes(ctx, c.person)
			if err != nil {
				return nil, err
			}
			return &struct{ Body FreshRecoveryCodes }{FreshRecoveryCodes{codes}}, nil
		}),
		operate(operation{
			ID: "me.pin-remove", Method: "DELETE", Path: "/v1/me/pin", Summary: "Do without a PIN", Tag: tagMe,
			Detail:   "Codes stand by themselves again. All other sessions end. A PIN is set, or changed, by an enrolment of the kind pin.",
			Audience: person, Permission: writeSelf, StepUp: true,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*struct{}, error) {
			return nil, c.site.Admin.RemoveOwnPIN(ctx, c.person)
		}),
		operate(operation{
			ID: "me.password", Method: "PUT", Path: "/v1/me/password", Summary: "Set one's password", Tag: tagMe,
			Detail:   "All other sessions end. By an invitation it can be set only if there is none.",
			Audience: person, Permission: enrolSelf, StepUp: true, Enrolling: true, Body: meBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body OwnPasswordChange }) (*struct{}, error) {
			return nil, c.site.Admin.OwnPassword(ctx, c.person, in.Body.Password)
		}),
		operate(operation{
			ID: "me.events", Method: "GET", Path: "/v1/me/events", Summary: "One's own logins, the newest first", Tag: tagMe,
			Audience: person, Permission: readSelf,
		}, func(ctx context.Context, c *caller, in *struct {
			Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
			Cursor string `query:"cursor" maxLength:"100"`
		},
		) (*struct{ Body admin.MyEvents }, error) {
			events, err := c.site.Admin.OwnEvents(ctx, c.person, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			return &struct{ Body admin.MyEvents }{events}, nil
		}),
		operate(operation{
			ID: "me.not-me", Method: "POST", Path: "/v1/me/not-me", Summary: "Say that a login was somebody else's", Tag: tagMe,
			Detail:   "The account is blocked and all of its sessions end, this one too.",
			Audience: person, Permission: reportFraud, Body: meBody,
		}, func(ctx context.Context, c *caller, in *struct{ Body NotMe }) (*struct{}, error) {
			if err := c.site.Admin.NotMe(ctx, c.person, in.Body.Reference); err != nil {
				return nil, err
			}
			clearSession(c.w, auth.PortalClient)
			return nil, nil
		}),
		operate(operation{
			ID: "me.bypass", Method: "POST", Path: "/v1/me/bypass", Summary: "Spare one's next login the second factor", Tag: tagMe,
			Detail:   "Only where the owner of the installation lets people do that.",
			Audience: person, Permission: bypassSelf, StepUp: true, Body: emptyIn,
		}, func(ctx context.Context, c *caller, _ *NoInput) (*struct{ Body admin.BypassView }, error) {
			b, err := c.site.Admin.OwnBypass(ctx, c.person)
			if err != nil {
				return nil, err
			}
			return &struct{ Body admin.BypassView }{b}, nil
		}),
		operate(operation{
			ID: "me.sessions", Method: "GET", Path: "/v1/me/sessions", Summary: "Where one is signed in", Tag: tagMe,
			Audience: person, Permission: readSelf,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.SessionView], error) {
			sessions, err := c.site.Admin.OwnSessions(ctx, c.person)
			if err != nil {
				return nil, err
			}
			return listed(sessions, nil)
		}),
		operate(operation{
			ID: "me.session-end", Method: "DELETE", Path: "/v1/me/sessions/{id}", Summary: "Sign out elsewhere", Tag: tagMe,
			Audience: person, Permission: writeSelf,
		}, func(ctx context.Context, c *caller, in *OwnID) (*struct{}, error) {
			if err := c.site.Admin.EndOwnSession(ctx, c.person, in.ID); err != nil {
				return nil, err
			}
			if in.ID == c.person.Session.ID {
				clearSession(c.w, auth.PortalClient)
			}
			return nil, nil
		}),
	}
}

// NoInput takes an empty object, or no body.
type NoInput struct {
	Body *struct{}
}

// An OwnEnrolment says what a person wants to enrol.
type OwnEnrolment struct {
	Kind   string `json:"kind" enum:"oath,passkey,token,pin"`
	Label  string `json:"label,omitempty" maxLength:"256" doc:"What its owner calls it"`
	Serial string `json:"serial,omitempty" maxLength:"100" doc:"Of a token: the number on its back"`
	PIN    string `json:"pin,omitempty" maxLength:"64" doc:"Its digits, to be typed after codes from now on; it takes the place of the one before"`
}

func redeem(ctx context.Context, c *caller, in *struct{ Body InvitationShown }) (*struct{ Body SessionBegun }, error) {
	b, a := &in.Body, c.site.Admin
	byLink := b.Secret != ""
	if byLink && (b.Name != "" || b.Code != "") {
		return nil, wrongField("body.secret", "give the secret of a link, or a name and a code, not both")
	}
	if !byLink && (b.Name == "" || b.Code == "") {
		return nil, wrongField("body.code", "give the secret of a link, or a name and a code")
	}
	at := admin.Redeemer{Source: c.source.Addr().String(), Agent: c.request.UserAgent()}
	view, err := c.begin(ctx, auth.PortalClient, func() (token string, err error) {
		if byLink {
			token, _, err = a.Redeem(ctx, b.Secret, at)
		} else {
			token, _, err = a.RedeemCode(ctx, b.Name, b.Code, at)
		}
		return token, err
	})
	if err != nil {
		return nil, err
	}
	return &struct{ Body SessionBegun }{SessionBegun{view}}, nil
}

func showMe(ctx context.Context, c *caller, _ *struct{}) (*struct{ Body admin.Me }, error) {
	me, err := c.site.Admin.Me(ctx, c.person)
	if err != nil {
		return nil, err
	}
	return &struct{ Body admin.Me }{me}, nil
}

func confirmEnrolment(ctx context.Context, c *caller, in *struct{ Body EnrolmentConfirmed }) (*struct{ Body admin.Confirmed }, error) {
	b := &in.Body
	confirmation := admin.Confirmation{Ceremony: b.Ceremony, Code: auth.Code(b.Code), SecondCode: auth.Code(b.SecondCode)}
	if b.Code == "" {
		if b.SecondCode != "" {
			return nil, wrongField("body.code", "the first of the two codes is missing")
		}
		var err error
		if confirmation.Registration, err = credential("body.registration", b.Registration); err != nil {
			return nil, wrongField("body.code", "give a code, or what the browser said of a passkey")
		}
	} else if len(b.Registration) > 0 {
		return nil, wrongField("body.registration", "give a code or a registration, not both")
	}
	done, err := c.site.Admin.ConfirmEnrolment(ctx, c.person, confirmation)
	if err != nil {
		return nil, err
	}
	return &struct{ Body admin.Confirmed }{done}, nil
}

func changeOwn(ctx context.Context, c *caller, in *struct {
	OwnID
	Body OwnAuthenticatorChange
},
) (*struct{}, error) {
	b, a := &in.Body, c.site.Admin
	if b.Label == nil && !b.Default {
		return nil, wrongField("body.label", "say what to change: a label, or default")
	}
	if b.Label != nil {
		if err := a.RenameAuthenticator(ctx, c.person, in.ID, *b.Label); err != nil {
			return nil, err
		}
	}
	if b.Default {
		return nil, a.Prefer(ctx, c.person, in.ID)
	}
	return nil, nil
}
