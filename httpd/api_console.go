package httpd

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
	"sallyport/auth"
)

// consoleOperations are what administrators do, in a browser or by an API key.
func consoleOperations() []apiOperation {
	return slices.Concat(
		eventOperations(),
		accountOperations(),
		authenticatorOperations(),
		openSessionOperations(),
		settingOperations(),
		policyOperations(),
		roleOperations(),
		keyOperations(),
		systemOperations(),
		reportOperations(),
		diagnosisOperations(),
		testOperations(),
	)
}

// Chapters of the reference.
const (
	tagEvents         = "Sign-in log"
	tagAccounts       = "Accounts"
	tagAuthenticators = "Authenticators"
	tagOpenSessions   = "Sessions"
	tagSettings       = "Applications, groups and clients"
	tagPolicy         = "Policy"
	tagRoles          = "Roles and API keys"
	tagSystem         = "System"
	tagReports        = "Reports"
	tagDiagnosis      = "Diagnosis"
)

// consoleBody is how many octets a body of an administrator's request may have.
const consoleBody = 64 << 10

// AccountPath names an account, in any spelling that could log in.
type AccountPath struct {
	Name string `path:"name" minLength:"1" maxLength:"255" doc:"The account, in any spelling that could log in"`
}

// NamePath names a setting.
type NamePath struct {
	Name string `path:"name" minLength:"1" maxLength:"63"`
}

// IDPath names a record by its ID.
type IDPath struct {
	ID string `path:"id" minLength:"1" maxLength:"200"`
}

// Answered carries an answer that is no record and no list.
type Answered[T any] struct{ Body T }

// answered makes an answer of what package admin returns.
func answered[T any](v T, err error) (*Answered[T], error) {
	if err != nil {
		return nil, err
	}
	return &Answered[T]{v}, nil
}

// whole makes an answer of a list that comes in one part.
func whole[T any](items []T, err error) (*Listed[T], error) {
	if err != nil {
		return nil, err
	}
	return listed(items, nil)
}

// paged makes an answer of a page whose cursor is package admin's.
func paged[T any](items []T, next string) *Listed[T] {
	if items == nil {
		items = []T{}
	}
	return &Listed[T]{Body: List[T]{Items: items, Next: next}}
}

// pairs reads reply attributes as lists of them are written: NAME=VALUE. Nil
// stays nil.
func pairs(texts []string) ([]auth.ReplyAttribute, error) {
	if texts == nil {
		return nil, nil
	}
	list := make([]auth.ReplyAttribute, len(texts))
	for i, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &Problem{
				Type: "/problems/invalid", Title: "Invalid request", Status: http.StatusUnprocessableEntity,
				Detail: "a reply attribute has no equals sign", Hint: "write NAME=VALUE, for instance Filter-Id=staff or Class=vpn",
				Errors: []FieldError{{"body.attributes", "an attribute reads NAME=VALUE"}},
			}
		}
		list[i] = auth.ReplyAttribute{Name: name, Value: value}
	}
	return list, nil
}

// audienceOf says which reading of a login an administrator gets: the whole
// truth is for those who may see what others have changed.
func audienceOf(by admin.Actor) admin.Audience {
	if by.Can(admin.ReadActs) {
		return admin.ForAdministrator
	}
	return admin.ForHelpDesk
}

// eitherOr describes an operation whose answer is JSON of a type, or a file of
// another kind.
func eitherOr[T any](o apiOperation, media string) apiOperation {
	register := o.register
	o.register = func(api huma.API, op huma.Operation) {
		t := reflect.TypeFor[T]()
		op.Responses["200"] = &huma.Response{
			Description: http.StatusText(http.StatusOK),
			Content: map[string]*huma.MediaType{
				jsonMedia: {Schema: api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())},
				media:     {Schema: &huma.Schema{Type: huma.TypeString}},
			},
		}
		register(api, op)
	}
	return o
}
