package httpd

import (
	"context"
	"encoding/json"
	"time"

	"sallyport/admin"
)

// A SetUpSecret is the secret of a set-up link.
type SetUpSecret struct {
	Token string `json:"token" minLength:"1" maxLength:"200" doc:"What stands behind the # of the link that the server printed"`
}

// A SetUpChecked says until when a set-up link counts.
type SetUpChecked struct {
	Expires time.Time `json:"expires"`
}

// A SetUpOwner is the name and password of the first owner.
type SetUpOwner struct {
	Token    string `json:"token" minLength:"1" maxLength:"200"`
	Name     string `json:"name" minLength:"1" maxLength:"255"`
	Password string `json:"password" minLength:"1" maxLength:"1024" doc:"15 characters at least"`
}

// A SetUpPasskey is what a browser needs to make the first owner's passkey.
type SetUpPasskey struct {
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options" doc:"PublicKeyCredentialCreationOptionsJSON"`
	Expires  time.Time       `json:"expires"`
}

// A SetUpFinish brings the passkey.
type SetUpFinish struct {
	Token        string          `json:"token" minLength:"1" maxLength:"200"`
	Ceremony     string          `json:"ceremony" minLength:"1" maxLength:"200"`
	Registration json.RawMessage `json:"registration" doc:"RegistrationResponseJSON"`
}

// A SetUpDone is the first owner, with what is shown this once.
type SetUpDone struct {
	Account       admin.AccountView `json:"account"`
	RecoveryCodes []string          `json:"recovery_codes"`
}

const tagSetUp = "Setting up"

// setUpOperations make the first owner of an installation that has none.
func setUpOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "set-up.check", Method: "POST", Path: "/v1/set-up/check", Summary: "Check a set-up link", Tag: tagSetUp,
			Audience: visitor, Permission: setUp, Body: signInBody, Cost: 5,
		}, func(ctx context.Context, c *caller, in *struct{ Body SetUpSecret }) (*struct{ Body SetUpChecked }, error) {
			expires, err := c.site.Admin.CheckSetUp(ctx, in.Body.Token)
			if err != nil {
				return nil, err
			}
			return &struct{ Body SetUpChecked }{SetUpChecked{expires}}, nil
		}),
		operate(operation{
			ID: "set-up.passkey", Method: "POST", Path: "/v1/set-up/passkey", Summary: "Name the first owner and ask for their passkey", Tag: tagSetUp,
			Audience: visitor, Permission: setUp, Body: signInBody, Cost: 5,
		}, func(ctx context.Context, c *caller, in *struct{ Body SetUpOwner }) (*struct{ Body SetUpPasskey }, error) {
			o, err := c.site.Admin.BeginOwner(ctx, admin.NewOwner{Secret: in.Body.Token, Name: in.Body.Name, Password: in.Body.Password})
			if err != nil {
				return nil, err
			}
			return &struct{ Body SetUpPasskey }{SetUpPasskey(o)}, nil
		}),
		operate(operation{
			ID: "set-up.owner", Method: "POST", Path: "/v1/set-up/owner", Summary: "Make the first owner", Tag: tagSetUp,
			Detail:   "Nobody is signed in by this: the owner signs in with the new passkey, which shows that it works.",
			Audience: visitor, Permission: setUp, Body: signInBody, Cost: 5,
		}, func(ctx context.Context, c *caller, in *struct{ Body SetUpFinish }) (*struct{ Body SetUpDone }, error) {
			registration, err := credential("body.registration", in.Body.Registration)
			if err != nil {
				return nil, err
			}
			account, codes, err := c.site.Admin.FinishOwner(ctx, in.Body.Token, in.Body.Ceremony, registration)
			if err != nil {
				return nil, err
			}
			return &struct{ Body SetUpDone }{SetUpDone{account, codes}}, nil
		}),
	}
}

// credential reads what a browser says of a passkey: an object, which the factor
// takes apart.
func credential(location string, given json.RawMessage) (string, error) {
	if len(given) == 0 || given[0] != '{' {
		return "", wrongField(location, "it is no PublicKeyCredential")
	}
	return string(given), nil
}
