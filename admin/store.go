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
	// not at all. Logins that rested on what changed are judged again. A change
	// of an account, its authenticators or its failures also forgets its cache
	// entries and open challenges. It returns ErrNotFound or ErrExists, wrapped with the name in question.
	Apply(ctx context.Context, act Act, changes ...Change) error

	// Events returns events in the order of their commits, f.Limit at most.
	Events(ctx context.Context, f EventFilter) ([]auth.Event, error)
	// Event returns the event of that sequence number; ErrNotFound.
	Event(ctx context.Context, seq uint64) (auth.Event, error)
	// Acts returns administrative acts after the given sequence number in the
	// order of their commits, limit at most.
	Acts(ctx context.Context, after uint64, limit int) ([]Act, error)

	// Bypasses lists the bypasses that are not spent, expired ones included, by
	// account and time, with the names of their accounts.
	Bypasses(ctx context.Context) ([]auth.Bypass, error)

	// Head returns where the chain of events ends.
	Head(ctx context.Context) (Link, error)
	// Verify reads all events in order and checks that each link of their chain
	// fits the one before (see Chain). It gives each link that fits to each, if
	// that is not nil, in order and as the rows have them, so that progress can
	// be told and anchors compared.
	Verify(ctx context.Context, each func(Link)) (Chain, error)
	// Retain deletes whole rows of events older than before, the oldest first,
	// and records act with it. What is left verifies: the link at the cut is
	// kept. It never deletes what an exporter's cursor has not passed.
	Retain(ctx context.Context, act Act, before time.Time) (deleted uint64, err error)

	// Cursor returns how far an exporter has come: the number of the newest
	// event that it has delivered, 0 for none.
	Cursor(ctx context.Context, exporter string) (uint64, error)
	// SetCursor moves it on; it never goes back.
	SetCursor(ctx context.Context, exporter string, seq uint64) error
	// Lease gives the work of that name to holder until the time given, unless
	// another holder has it still at now. Whoever holds it renews it by asking
	// again.
	Lease(ctx context.Context, work, holder string, now, until time.Time) (held bool, err error)

	// SaveReading keeps what a node has learned of a client's patience in place
	// of what it kept before, and Readings returns what all nodes have kept.
	SaveReading(ctx context.Context, r Reading) error
	Readings(ctx context.Context) ([]Reading, error)

	// Nodes lists the nodes that have the database open, or had.
	Nodes(ctx context.Context) ([]Node, error)

	// Backup writes a consistent copy of everything while logins go on. Sealed
	// secrets stay sealed; the key is not in it.
	Backup(ctx context.Context, w io.Writer) error
	// Reseal seals every secret again under a fresh data key, a bounded number
	// of records at a time, while logins go on, and reports how many it did.
	Reseal(ctx context.Context) (records int, err error)
	// MarkRewound notes that the database has gone back in time, as a node does
	// that finds out by itself. See auth.Settings.Rewound.
	MarkRewound(ctx context.Context, at time.Time) error
}

// A Link is a point in the chain of events: every row of events carries a keyed
// hash over its contents and the link before it, so that nobody without the
// installation's keys can change, drop, swap or cut rows and leave a chain that
// verifies.
type Link struct {
	Seq  uint64 // newest event under the hash
	Hash []byte // 32 octets; nil before the first event
}

// A Chain is what Verify found.
type Chain struct {
	First, Last uint64 // events there are; 0 if none
	Head        Link
	Cut         Link   // what Retain left as the link before First; zero if nothing was ever deleted
	Before      uint64 // events up to this number were written before there was a chain, and nothing proves them; 0 if none were
	// Broken says where and how the chain does not fit, "" if it does.
	Broken string
}

// A Reading is what one node has learned of one RADIUS client's patience. Body
// is JSON of package patience.
type Reading struct {
	Client string
	Node   string
	Time   time.Time
	Body   []byte
}

// A Node is one process that decides on this database.
type Node struct {
	Name    string
	Version string // of the program
	Since   time.Time
	Seen    time.Time // last sign of life
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

	// AddRule keeps a new rule at its Place and moves those at and behind that
	// one further back; a Place below 1 or behind the last is the end.
	// ErrExists if the name is taken.
	AddRule struct{ Rule auth.Rule }
	// UpdateRule changes a rule in place, its Place included, which moves it.
	// Its ID cannot change. Places are 1, 2, 3 ... without gaps.
	UpdateRule struct {
		Name   string
		Update func(*auth.Rule) error
	}
	// RemoveRule ends a rule.
	RemoveRule struct{ Name string }
	// AddTrustedIP and AddCacheRule keep new ones; ErrExists if one of the same
	// application and range, or application, is there.
	AddTrustedIP    struct{ TrustedIP auth.TrustedIP }
	RemoveTrustedIP struct{ ID string }
	AddCacheRule    struct{ CacheRule auth.CacheRule }
	RemoveCacheRule struct{ ID string }
	// PurgeCache forgets the cache entries of a subject, of all if it is "".
	PurgeCache struct{ Subject string }
	// AddBypass gives an account a one-time bypass in place of any that it has.
	AddBypass struct{ Bypass auth.Bypass }
	// RemoveBypass takes back an account's bypass; ErrNotFound if it has none.
	RemoveBypass struct{ Account string }
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
func (AddRule) change()             {}
func (UpdateRule) change()          {}
func (RemoveRule) change()          {}
func (AddTrustedIP) change()        {}
func (RemoveTrustedIP) change()     {}
func (AddCacheRule) change()        {}
func (RemoveCacheRule) change()     {}
func (PurgeCache) change()          {}
func (AddBypass) change()           {}
func (RemoveBypass) change()        {}

// An EventFilter selects events. Zero fields select everything.
type EventFilter struct {
	After   uint64    // sequence number; events after it
	Since   time.Time // events at or after it
	Subject string    // account ID or pseudonym of an unknown name
	Outcome auth.Outcome
	Limit   int  // 0 means 1,000
	Newest  bool // take the newest that match instead of the oldest; still in rising order
}
