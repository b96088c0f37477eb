// Package admin makes every change that an administrator or a person can make
// to what decides logins. Each is checked, made in one transaction with the
// record of who made it, and in force for the next login on any node.
//
// Nothing here verifies a login; that is package auth. Factors make and read
// the states of authenticators; admin only carries them.
package admin

import (
	"context"
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
}

// A Problem is a request that cannot be met, told in words that its maker can
// act on. Everything else that admin returns is a fault of ours.
type Problem struct {
	What string // "no account \"alcie\""
	Hint string // what to do next, "" if we do not know
	Kind error  // ErrNotFound, ErrExists or ErrInvalid
}

// ErrInvalid says that a request makes no sense as it is.
var ErrInvalid = errors.New("invalid")

func (p *Problem) Error() string { return p.What }

// Unwrap returns the kind of problem.
func (p *Problem) Unwrap() error { return p.Kind }

func invalid(hint, format string, args ...any) error {
	return &Problem{What: fmt.Sprintf(format, args...), Hint: hint, Kind: ErrInvalid}
}

// problem turns the store's ErrNotFound and ErrExists into a Problem.
func problem(err error, what, hint string) error {
	for _, kind := range []error{ErrNotFound, ErrExists} {
		if errors.Is(err, kind) {
			return &Problem{What: what, Hint: hint, Kind: kind}
		}
	}
	return err
}

// apply records and makes changes.
func (a *Admin) apply(ctx context.Context, by Actor, action, subject, detail string, changes ...Change) error {
	return a.Store.Apply(ctx, Act{Time: a.Now(), Actor: by.Name, Action: action, Subject: subject, Detail: detail}, changes...)
}

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
