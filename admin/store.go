package admin

import (
	"context"
	"errors"
	"io"
	"time"

	"sallyport/auth"
)

// ErrNotFound says that there is no record of that name or ID.
var ErrNotFound = errors.New("not found")

// ErrExists says that a name, alias or serial is taken already.
var ErrExists = errors.New("exists already")

// A Store keeps what administrators manage. All methods may be called
// concurrently.
type Store interface {
	// Settings returns the current applications, clients and groups.
	Settings() *auth.Settings

	// Account finds an account by one of its canonical names; ErrNotFound.
	Account(ctx context.Context, name string) (auth.Account, error)
	// Accounts lists accounts in the order of their names, those after the
	// given name, limit at most.
	Accounts(ctx context.Context, after string, limit int) ([]auth.Account, error)
	// Authenticators lists what an account holds, in order of preference,
	// without their states. An empty account lists tokens that nobody holds.
	Authenticators(ctx context.Context, account string) ([]auth.Authenticator, error)
	// Authenticator finds one by its ID or, failing that, by its serial,
	// without its state; ErrNotFound.
	Authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error)
	// Throttle returns the failure counts of a subject.
	Throttle(ctx context.Context, subject string) (auth.Throttle, error)

	// Apply makes all changes, and records act, in one durable transaction or
	// not at all. Logins that rested on what changed are judged again. It
	// returns ErrNotFound or ErrExists, wrapped with the name in question.
	Apply(ctx context.Context, act Act, changes ...Change) error

	// Events returns events in the order of their commits, f.Limit at most.
	Events(ctx context.Context, f EventFilter) ([]auth.Event, error)
	// Event returns the event of that sequence number; ErrNotFound.
	Event(ctx context.Context, seq uint64) (auth.Event, error)
	// Acts returns administrative acts after the given sequence number in the
	// order of their commits, limit at most.
	Acts(ctx context.Context, after uint64, limit int) ([]Act, error)

	// Backup writes a consistent copy of everything while logins go on. Sealed
	// secrets stay sealed; the key is not in it.
	Backup(ctx context.Context, w io.Writer) error
	// Reseal seals every secret again under a fresh data key, a bounded number
	// of records at a time, while logins go on, and reports how many it did.
	Reseal(ctx context.Context) (records int, err error)
}

// An Act is the record of one administrative change.
type Act struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`  // who: "uid 0 over the admin socket"
	Action  string    `json:"action"` // what: "account.disable"
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"` // before and after, without secrets
}

// A Change is one thing that Apply does. The set is closed. Functions in it
// run inside the transaction, on the current record, at most once, and must
// not call the store; an error from one undoes the whole Apply and is
// returned.
type Change interface{ change() }

type (
	// AddAccount keeps a new account; ErrExists if one of its names is taken.
	AddAccount struct{ Account auth.Account }
	// UpdateAccount changes an account in place. Its ID cannot change.
	UpdateAccount struct {
		ID     string
		Update func(*auth.Account) error
	}
	// ResetThrottle forgets the failures of a subject.
	ResetThrottle struct{ Subject string }
	// AddAuthenticator keeps a new authenticator; an empty Account keeps a
	// token that nobody holds yet. ErrExists if its serial is taken.
	AddAuthenticator struct{ Authenticator auth.Authenticator }
	// UpdateAuthenticator changes an authenticator in place, its opened state
	// included. Its ID and factor cannot change and its Mark only rises.
	UpdateAuthenticator struct {
		ID     string
		Update func(*auth.Authenticator) error
	}
	// RemoveAuthenticator ends an authenticator; the record that it was bound
	// stays in the acts.
	RemoveAuthenticator struct{ ID string }
	// AddApplication, AddClient and AddGroup keep new settings; ErrExists if
	// the name is taken.
	AddApplication struct{ Application auth.Application }
	AddClient      struct{ Client auth.Client }
	AddGroup       struct{ Group auth.Group }
	// UpdateClient changes a client in place. Its ID cannot change.
	UpdateClient struct {
		Name   string
		Update func(*auth.Client) error
	}
	// UpdateGroup changes a group in place.
	UpdateGroup struct {
		Name   string
		Update func(*auth.Group) error
	}
	// RemoveClient ends a client.
	RemoveClient struct{ Name string }
)

func (AddAccount) change()          {}
func (UpdateAccount) change()       {}
func (ResetThrottle) change()       {}
func (AddAuthenticator) change()    {}
func (UpdateAuthenticator) change() {}
func (RemoveAuthenticator) change() {}
func (AddApplication) change()      {}
func (AddClient) change()           {}
func (AddGroup) change()            {}
func (UpdateClient) change()        {}
func (UpdateGroup) change()         {}
func (RemoveClient) change()        {}

// An EventFilter selects events. Zero fields select everything.
type EventFilter struct {
	After   uint64    // sequence number; events after it
	Since   time.Time // events at or after it
	Subject string    // account ID or pseudonym of an unknown name
	Outcome auth.Outcome
	Limit   int  // 0 means 1,000
	Newest  bool // take the newest that match instead of the oldest; still in rising order
}
