// Package admin makes every change that an administrator or a person can make
// to what decides logins. Each is checked, made in one transaction with the
// record of who made it, and in force for the next login on any node.
//
// Nothing here verifies a login; that is package auth. Factors make and read
// the states of authenticators; admin only carries them.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sallyport/auth"
)

// An Admin makes changes on behalf of actors. Its fields are read-only once it
// is in use; all methods may be called concurrently.
type Admin struct {
	Store   Store
	Factors []auth.Factor
	Limits  auth.Limits
	Domains []string
	Issuer  string // shown in authenticator apps
	// References and Pseudonym are the engine's.
	References auth.References
	Pseudonym  func(name string) string
	// Attribute checks a reply attribute as the doors will read it.
	Attribute func(auth.ReplyAttribute) error
	// Explain is the engine's.
	Explain func(context.Context, auth.Attempt) (auth.Explanation, error)
	Now     func() time.Time
	// Passkeys speaks to browsers about passkeys; without it none can be made.
	Passkeys *Passkeys
	// PINs makes and judges PINs; without it nobody can set one.
	PINs PINs
	// SelfBypass is how long a bypass can be used that a person takes at the
	// portal, 0 if people may take none.
	SelfBypass time.Duration

	// The rest feeds dashboards, calendars and dry runs. Each may be nil; then
	// nothing is said of what it would tell.

	// ExplainUnder is the engine's: Explain as if other settings were in force.
	ExplainUnder func(context.Context, auth.Attempt, *auth.Settings) (auth.Explanation, error)
	// LateExports tells which exports of the record are behind.
	LateExports func(context.Context) ([]LateExport, error)
	// Certificates tells which certificates the listeners show.
	Certificates func() []Certificate
	// Configuration tells how the program was started, without secrets.
	Configuration func() []SettingView

	attention attention // what the dashboard last found out at some cost
}

// A Problem is a request that cannot be met, told in words that its maker can
// act on. Everything else that admin returns is a fault of ours.
type Problem struct {
	What string // "no account \"alcie\""
	Hint string // what to do next, "" if we do not know
	// Kind is ErrNotFound, ErrExists, ErrInvalid, ErrForbidden, ErrChanged,
	// ErrSignedOut, ErrProof or ErrLastOwner.
	Kind error
}

// The kinds of problems that do not come from a Store.
var (
	// ErrInvalid says that a request makes no sense as it is.
	ErrInvalid = errors.New("invalid")
	// ErrForbidden says that the actor may not do this, to this account or role.
	ErrForbidden = errors.New("forbidden")
	// ErrChanged says that a record is no longer what the request expected.
	ErrChanged = errors.New("changed meanwhile")
	// ErrSignedOut says that there is no session, or none any more.
	ErrSignedOut = errors.New("not signed in")
	// ErrProof says that the session must be proven anew, and better, first.
	ErrProof = errors.New("not proven well enough")
)

func (p *Problem) Error() string { return p.What }

// Unwrap returns the kind of problem.
func (p *Problem) Unwrap() error { return p.Kind }

func invalid(hint, format string, args ...any) error {
	return &Problem{What: fmt.Sprintf(format, args...), Hint: hint, Kind: ErrInvalid}
}

func forbidden(hint, format string, args ...any) error {
	return &Problem{What: fmt.Sprintf(format, args...), Hint: hint, Kind: ErrForbidden}
}

// problem turns the store's ErrNotFound and ErrExists into a Problem.
func problem(err error, what, hint string) error {
	var told *Problem
	if errors.As(err, &told) {
		return err
	}
	for _, kind := range []error{ErrNotFound, ErrExists} {
		if errors.Is(err, kind) {
			return &Problem{What: what, Hint: hint, Kind: kind}
		}
	}
	return err
}

// apply records and makes changes.
func (a *Admin) apply(ctx context.Context, by Actor, action, subject, detail string, changes ...Change) error {
	return a.applyTo(ctx, by, act{action: action, subject: subject, detail: detail}, changes...)
}

// An act is what the record will say. Before and after are the views of what
// was changed, nil if there was or is nothing to view.
type act struct {
	action, subject, detail string
	before, after           any
}

// applyTo records and makes changes of something that can be viewed.
func (a *Admin) applyTo(ctx context.Context, by Actor, w act, changes ...Change) error {
	before, err := recordOf(w.before)
	if err != nil {
		return err
	}
	after, err := recordOf(w.after)
	if err != nil {
		return err
	}
	err = a.Store.Apply(ctx, Act{
		Time: a.Now(), Actor: by.Name, Action: w.action, Subject: w.subject, Detail: w.detail, Before: before, After: after,
	}, changes...)
	if errors.Is(err, ErrLastOwner) {
		return &Problem{"nobody else has the role " + Owner + ", and somebody must", "give the role " + Owner + " to another account first", ErrLastOwner}
	}
	return err
}

// Tag returns a short text that is equal for equal records: the entity tag of a
// view, without quotes (RFC 9110, Section 8.8.3). What a view says beside its
// record, such as what an account holds, does not count.
func Tag(view any) string {
	switch v := view.(type) {
	case AccountView:
		v.Authenticators, v.Failures, v.Bypass, v.Factors = nil, nil, nil, nil
		view = v
	case ClientView:
		v.Warnings = nil
		view = v
	case RoleView:
		v.Accounts = 0
		view = v
	case RuleView:
		v.Warnings = nil
		view = v
	}
	b, err := json.Marshal(view)
	if err != nil {
		panic(fmt.Sprintf("admin: encode a %T for its tag: %v", view, err)) // views are plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// expected checks that a record is the one that the request was made for; an
// expect of "" is for any.
func expected(expect string, view any) error {
	if expect == "" || subtle.ConstantTimeCompare([]byte(expect), []byte(Tag(view))) == 1 {
		return nil
	}
	return changed()
}

func changed() error {
	return &Problem{"somebody else has changed this meanwhile; nothing was done", "look at it as it is now, then try again", ErrChanged}
}

// moment returns the time now as stores keep times: to the microsecond, in UTC.
// What is shown of a new record is so what is shown of it later.
func (a *Admin) moment() time.Time { return stored(a.Now()) }

func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("admin: make an ID: %w", err)
	}
	return id.String(), nil
}

// factor returns the factor of that name.
func (a *Admin) factor(name string) (auth.Factor, error) {
	names := ""
	for _, f := range a.Factors {
		if f.Info().Name == name {
			return f, nil
		}
		if f.Info().Category == auth.Have {
			names += " " + f.Info().Name
		}
	}
	return nil, invalid("factors are:"+names, "there is no factor %q", name)
}

// Acts returns the record of changes after the given sequence number.
func (a *Admin) Acts(ctx context.Context, after uint64, limit int) ([]Act, error) {
	return a.Store.Acts(ctx, after, limit)
}
