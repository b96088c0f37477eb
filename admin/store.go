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

	// SearchEvents returns a page of events, the newest first.
	SearchEvents(ctx context.Context, s EventSearch) (EventPage, error)
	// Tallies counts the events of whole hours from since until until. Events of
	// the last few seconds may not be in it yet.
	Tallies(ctx context.Context, since, until time.Time) ([]Tally, error)
	// SearchActs returns a page of acts, the newest first.
	SearchActs(ctx context.Context, s ActSearch) ([]Act, error)

	// SearchAccounts returns a page of accounts in the order of their names.
	SearchAccounts(ctx context.Context, s AccountSearch) ([]auth.Account, error)
	// AccountByID finds an account by its ID; ErrNotFound.
	AccountByID(ctx context.Context, id string) (auth.Account, error)
	// CountAccounts counts what dashboards and reports show.
	CountAccounts(ctx context.Context, now time.Time) (AccountCounts, error)
	// Holds says which factors each of the accounts holds, by their IDs.
	Holds(ctx context.Context, accounts []string) (map[string][]string, error)
	// Throttled lists subjects that are accounts and have failed at least as
	// often in a row, limit at most, those with the most failures first.
	Throttled(ctx context.Context, failures, limit int) ([]ThrottledAccount, error)
	// OpenAuthenticator is Authenticator with its state.
	OpenAuthenticator(ctx context.Context, id string) (auth.Authenticator, error)

	// Session finds a session by the hash of its token; ErrNotFound. It is read
	// from the database each time: what ends a session ends it on every node.
	Session(ctx context.Context, token [32]byte) (Session, error)
	// Sessions lists the sessions of an account that have not expired, or of all
	// accounts for "", the newest first.
	Sessions(ctx context.Context, account string, now time.Time) ([]Session, error)
	// Seen notes that a session was used. It may be lost in a crash.
	Seen(ctx context.Context, session string, at time.Time) error
	// Ceremony finds a ceremony by its ID, with its opened body; ErrNotFound.
	Ceremony(ctx context.Context, id string) (Ceremony, error)
	// Ceremonies lists those of a kind that have not expired, without bodies.
	Ceremonies(ctx context.Context, kind CeremonyKind, now time.Time) ([]Ceremony, error)
	// Tried counts one wrong try at a ceremony in a durable transaction of its
	// own and ends the ceremony when limit tries are reached.
	Tried(ctx context.Context, id string, limit int) error
	// Roles lists the roles that administrators made.
	Roles(ctx context.Context) ([]Role, error)
	// Keys lists API keys, and Key finds one by the hash of its secret;
	// ErrNotFound.
	Keys(ctx context.Context) ([]Key, error)
	Key(ctx context.Context, secret [32]byte) (Key, error)

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

// An Act is the record of one administrative change. Apply keeps no record of
// an act without Action: that is for what is no change of anybody's, such as a
// session that begins.
type Act struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`  // who: "uid 0 over the admin socket"
	Action  string    `json:"action"` // what: "account.disable"
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"` // in words, without secrets
	// Before and After are the record that was changed as administrators see it,
	// each a JSON object without secrets, "" if there was none.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
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
	// PreferAuthenticator makes an authenticator the first of those that its
	// account holds; ErrNotFound.
	PreferAuthenticator struct{ ID string }
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

	// AddSession keeps a session, and EndSession ends one by its ID; ErrNotFound.
	AddSession struct{ Session Session }
	EndSession struct{ ID string }
	// EndSessions ends all sessions of an account but the one named Except.
	EndSessions struct{ Account, Except string }
	// RenewSession gives a session another token, and what was proven anew.
	RenewSession struct {
		ID     string
		Token  [32]byte
		Factor string
		Proven time.Time
	}
	// AddCeremony keeps a ceremony. One of the same kind for the same account is
	// replaced if it says so.
	AddCeremony struct {
		Ceremony Ceremony
		Replace  bool
	}
	// TakeCeremony ends a ceremony: whoever's Apply gets through has it, and
	// nobody else ever. ErrNotFound if it is gone or has expired at Now.
	TakeCeremony struct {
		ID  string
		Now time.Time
	}
	// AddRole, UpdateRole and RemoveRole change the roles that administrators
	// make; ErrExists, ErrNotFound. A role that somebody has cannot be removed.
	AddRole    struct{ Role Role }
	UpdateRole struct {
		Name   string
		Update func(*Role) error
	}
	RemoveRole struct{ Name string }
	// AddKey, UpdateKey and RemoveKey change API keys; ErrExists, ErrNotFound.
	// A key's name and secret cannot change.
	AddKey    struct{ Key Key }
	UpdateKey struct {
		Name   string
		Update func(*Key) error
	}
	RemoveKey struct{ Name string }
	// RemoveApplication and RemoveGroup end settings that nothing refers to any
	// more; ErrNotFound.
	RemoveApplication struct{ Name string }
	RemoveGroup       struct{ Name string }
	// RemoveAccount ends an account with everything it holds, its sessions and
	// ceremonies included. Its events stay.
	RemoveAccount struct{ ID string }
	// KeepOwner fails with ErrLastOwner unless an enabled account with the role
	// of that name is left behind the changes before it.
	KeepOwner struct{ Role string }
)

func (AddAccount) change()          {}
func (UpdateAccount) change()       {}
func (ResetThrottle) change()       {}
func (AddAuthenticator) change()    {}
func (UpdateAuthenticator) change() {}
func (RemoveAuthenticator) change() {}
func (PreferAuthenticator) change() {}
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
func (AddSession) change()          {}
func (EndSession) change()          {}
func (EndSessions) change()         {}
func (RenewSession) change()        {}
func (AddCeremony) change()         {}
func (TakeCeremony) change()        {}
func (AddRole) change()             {}
func (UpdateRole) change()          {}
func (RemoveRole) change()          {}
func (AddKey) change()              {}
func (UpdateKey) change()           {}
func (RemoveKey) change()           {}
func (RemoveApplication) change()   {}
func (RemoveGroup) change()         {}
func (RemoveAccount) change()       {}
func (KeepOwner) change()           {}

// An EventFilter selects events. Zero fields select everything.
type EventFilter struct {
	After   uint64    // sequence number; events after it
	Since   time.Time // events at or after it
	Subject string    // account ID or pseudonym of an unknown name
	Outcome auth.Outcome
	Limit   int  // 0 means 1,000
	Newest  bool // take the newest that match instead of the oldest; still in rising order
}

// An EventSearch selects a page of events, the newest first. Zero fields select
// everything.
type EventSearch struct {
	Before  uint64 // events before this sequence number; 0 for the newest
	After   uint64 // events after it
	Since   time.Time
	Until   time.Time // events before it
	Subject string    // account ID or pseudonym of an unknown name
	Outcome auth.Outcome
	// The following are looked for in each event that the above leave.
	Application string
	Client      string
	Door        string
	Factor      string
	Rule        string
	Source      string         // a part of the address or of where the NAS says the person is
	Verdicts    []auth.Verdict // any of them
	Stage       auth.Stage     // of the outcome
	AtFault     bool           // only outcomes of which MFA is at fault

	Limit  int // events at most, 1 to 1,000
	Budget int // rows read at most; 0 for the store's own bound
}

// An EventPage is what a search found. When Next is not 0 there may be more
// before it: the search has looked at everything from Next on, whether or not
// the page is full, so that a search for something rare ends in time and can be
// gone on with.
type EventPage struct {
	Events []auth.Event
	Next   uint64    // to give as Before
	Back   time.Time // how far back the search has looked; zero if to the end
}

// A Tally counts events of one kind in one hour.
type Tally struct {
	Hour        time.Time
	Application string
	Client      string
	Outcome     auth.Outcome
	Factor      string
	Count       int64
}

// An ActSearch selects a page of acts, the newest first. Zero fields select
// everything.
type ActSearch struct {
	Before  uint64
	Since   time.Time
	Until   time.Time
	Actor   string // a part of it, in any case
	Action  string // the beginning of it: "rule."
	Subject string // exactly
	Limit   int
}

// An AccountSearch selects a page of accounts. Zero fields select everything.
type AccountSearch struct {
	After   string // names after it
	Part    string // a part of the name or an alias, in canonical form
	Group   string
	Role    string // its name; "*" for any
	Blocked bool   // only those blocked at Now
	Off     bool   // only those that are disabled
	// Without says that no authenticator of a factor in Second is held.
	Without bool
	Second  []string // factors
	Now     time.Time
	Limit   int
}

// AccountCounts are figures over all accounts.
type AccountCounts struct {
	All      int64
	Disabled int64
	Blocked  int64
	Factors  map[string]int64 // accounts that hold at least one authenticator of it
	Second   int64            // accounts that hold any but a password
}

// A ThrottledAccount is an account that has failed in a row.
type ThrottledAccount struct {
	Account  auth.Account
	Throttle auth.Throttle
}
