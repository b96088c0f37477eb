package auth

import "time"

// An Account is the subscriber account that a claimant turned out to be.
type Account struct {
	ID      string   // immutable; everything is keyed on it, never on a name
	Name    string   // canonical, see Canonical
	Aliases []string // further canonical names
	Groups  []string // names of groups, in the order their reply attributes apply
	Enabled bool
	Blocked bool
	// BlockReason and BlockedUntil explain a block; a zero time means until
	// somebody lifts it.
	BlockReason  string
	BlockedUntil time.Time
	// Role is the name of the role that its owner has at the console, "" for
	// people who administer nothing.
	Role    string
	Created time.Time
}

// BlockedAt reports whether the account is blocked at t.
func (a *Account) BlockedAt(t time.Time) bool {
	return a.Blocked && (a.BlockedUntil.IsZero() || t.Before(a.BlockedUntil))
}

// An Authenticator is one thing that an account holds.
type Authenticator struct {
	ID      string
	Account string // Account.ID
	Factor  string // Info.Name of the factor that reads State
	Label   string // what its owner or administrator calls it
	Serial  string // of a hardware token, "" otherwise
	Created time.Time
	// State belongs to the factor. The store seals it, binds it to this record
	// and gives it back; nobody else looks inside. Nil in listings.
	State Secret
	// Mark is the newest moving factor that was accepted: a TOTP time step, an
	// HOTP counter. It and all before it are spent. NoMark if none was.
	Mark int64
	// Rewound says that the database went back in time since this was last
	// bound, resynchronized or used, so that State and Mark may be older than
	// what was spent. A factor whose spent things do not expire by the clock
	// refuses until it is resynchronized or bound anew.
	Rewound bool
}

// NoMark is the Mark of an authenticator that has not been used.
const NoMark int64 = -1

// An Application is one protected thing with its own rules: "Office VPN".
type Application struct {
	Name    string
	Created time.Time
}

// Mode says how a client carries the second factor.
type Mode string

const (
	ModeChallenge Mode = "challenge" // the client can show a question and bring back the answer
	ModeAppend    Mode = "append"    // password and code come in one field: password,123456
)

// PasswordRule says who checks the first factor of a client's logins.
type PasswordRule string

const (
	PasswordVerify PasswordRule = "verify" // we do
	PasswordNone   PasswordRule = "none"   // the client has done so before it asked; the field carries the code
)

// OriginRule says what a client's word on where the person is counts for.
type OriginRule string

const (
	// OriginCalling takes the address in Calling-Station-Id (RFC 2865, Section
	// 5.31), if there is one, for the person's. The NAS has signed it; whether
	// it has seen or was told it, its administrator knows.
	OriginCalling OriginRule = ""
	// OriginNone believes nothing: rules and exemptions that ask for an address
	// never match.
	OriginNone OriginRule = "none"
)

// A Client is one sender at a door: a NAS with its shared secret.
type Client struct {
	ID          string
	Name        string
	Door        string // "radius"; "https" for programs that use the API and for what stands behind a reverse proxy
	Application string
	Source      string // CIDR from which it sends; the most specific wins
	Mode        Mode
	Password    PasswordRule
	// Secrets are the live shared secrets, newest first; two at most, so that
	// a secret can be changed without an outage.
	Secrets []Secret
	// LaxMessageAuthenticator accepts Access-Requests that carry no
	// Message-Authenticator. It exposes the client to CVE-2024-3596 and shows
	// up as a warning wherever the client does.
	LaxMessageAuthenticator bool
	RatePerSecond           int // requests; 0 means the default of the door
	Origin                  OriginRule
	Attributes              []ReplyAttribute
	// Origins are where a client of the door "https" may send a person back to
	// after a sign-in (RFC 6454, Section 6.2): "https://wiki.example.org". Such a
	// client has no Source and no Secrets.
	Origins []string
	Created time.Time
}

// A Group gives its members reply attributes.
type Group struct {
	Name       string
	Attributes []ReplyAttribute
	Created    time.Time
}

// Settings are everything that decides logins and is not about one account.
// A Settings value is immutable once a store has handed it out.
type Settings struct {
	Version      int64
	Applications []Application
	Clients      []Client
	Groups       []Group
	Rules        []Rule // in the order of their places
	Trusted      []TrustedIP
	CacheRules   []CacheRule
	// Rewound is when it was last found that the database had gone back in
	// time, zero if never. See RewoundFor.
	Rewound time.Time

	clients map[string]*Client
	groups  map[string]*Group
	notes   []string // of Rules, in their order, for traces
}

// RewoundFor is how long nothing is accepted after the database was found to
// have gone back in time: longer than any code of RFC 6238 that was spent in the
// lost stretch can still match.
const RewoundFor = 90 * time.Second

// Client returns the client of that name, built in or not, or nil.
func (s *Settings) Client(name string) *Client { return s.clients[name] }

// Group returns the group of that name, or nil.
func (s *Settings) Group(name string) *Group { return s.groups[name] }

// Index prepares the look-ups. A store calls it once, before it hands s out.
func (s *Settings) Index() *Settings {
	s.clients = make(map[string]*Client, len(builtin)+len(s.Clients))
	for i := range s.Clients {
		s.clients[s.Clients[i].Name] = &s.Clients[i]
	}
	// They come last: a client of a database that is older than they are must
	// not lend them its own rules.
	for i := range builtin {
		s.clients[builtin[i].Name] = &builtin[i]
	}
	s.groups = make(map[string]*Group, len(s.Groups))
	for i := range s.Groups {
		s.groups[s.Groups[i].Name] = &s.Groups[i]
	}
	s.notes = make([]string, len(s.Rules))
	for i := range s.Rules {
		s.notes[i] = s.Rules[i].note()
	}
	return s
}

// The clients that are built in: the browsers of administrators and of
// everybody. No other client, and no application, can have their names. No rule
// and no exemption relaxes what they ask for.
const (
	ConsoleClient = "console" // a passkey, of an account that has a role
	PortalClient  = "portal"  // a first and a second factor, or a passkey
)

// builtin are the clients that every Settings has.
var builtin = []Client{
	{ID: ConsoleClient, Name: ConsoleClient, Door: "console", Application: ConsoleClient, Mode: ModeChallenge, Password: PasswordVerify, Origin: OriginNone},
	{ID: PortalClient, Name: PortalClient, Door: "portal", Application: PortalClient, Mode: ModeChallenge, Password: PasswordVerify, Origin: OriginNone},
}
