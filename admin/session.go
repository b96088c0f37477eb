package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/auth"
)

// A Session is one browser in which somebody is signed in. Its token, 256 random
// bits, is in that browser's cookie and nowhere else.
type Session struct {
	ID      string   // public, for lists and revoking
	Token   [32]byte // SHA-256 of the token
	Account string   // ID
	Client  string   // to which client it belongs: auth.ConsoleClient, auth.PortalClient, or one behind a reverse proxy
	Factor  string   // that completed the newest full authentication
	Proven  time.Time
	Created time.Time
	Seen    time.Time
	Expires time.Time // whatever happens
	Source  string    // address of the browser when it began
	Agent   string    // what the browser calls itself, 200 octets at most
}

// A CeremonyKind says what a Ceremony is for.
type CeremonyKind string

const (
	CeremonySetUp        CeremonyKind = "set-up"       // makes the first owner
	CeremonyInvitation   CeremonyKind = "invitation"   // lets a person enrol
	CeremonyEnrolment    CeremonyKind = "enrolment"    // an authenticator that waits for its live test
	CeremonyRegistration CeremonyKind = "registration" // a passkey that the browser is making
	CeremonyTicket       CeremonyKind = "ticket"       // carries a login to the host of a forward-auth client
)

// A Ceremony is something that was begun and can be ended once: a link, a code,
// a passkey in the making. Whoever has the secret behind ID may go on with it.
type Ceremony struct {
	ID      string // for secrets: hex of their SHA-256
	Kind    CeremonyKind
	Account string // ID, "" if there is none yet
	Body    auth.Secret
	Note    string // for lists: who made it, without secrets
	Tries   int    // wrong ones so far
	Created time.Time
	Expires time.Time
}

// A Key lets a program use the API. Its secret is shown once.
type Key struct {
	Name        string
	Secret      [32]byte // SHA-256 of it
	Permissions []Permission
	Client      string // for DecideLogins: the client whose logins it brings, "" otherwise
	Created     time.Time
	Expires     time.Time // zero for never
	Used        time.Time // about; zero if never
}

// The factors of sessions that began with an invitation rather than a login.
// FactorReplacement is for invitations that replace what an account holds.
const (
	FactorInvitation  = "invitation"
	FactorReplacement = "invitation-replacing"
)

// How long sessions last, whatever happens, and how long unused. Those of the
// console are what SP 800-63B-4, Section 2.3.3 asks for at AAL3, the others what
// Section 2.2.3 asks for at AAL2.
const (
	consoleLife, consoleIdle = 12 * time.Hour, 15 * time.Minute
	portalLife, portalIdle   = 24 * time.Hour, time.Hour
	enrolLife                = 30 * time.Minute
	// seenEvery is how often the use of a session is noted.
	seenEvery = time.Minute
	// maxAgent is how much of what a browser calls itself is kept, in octets.
	maxAgent = 200
)

// Enrolling reports whether the session began with an invitation: it may set up
// what its owner signs in with, and nothing else.
func (s *Session) Enrolling() bool {
	return s.Factor == FactorInvitation || s.Factor == FactorReplacement
}

// Idle is how long the session may be unused.
func (s *Session) Idle() time.Duration {
	switch {
	case s.Enrolling():
		return enrolLife
	case s.Client == auth.ConsoleClient:
		return consoleIdle
	}
	return portalIdle
}

// OpenAt reports whether the session has neither expired nor been left.
func (s *Session) OpenAt(t time.Time) bool {
	return t.Before(s.Expires) && t.Sub(s.Seen) < s.Idle()
}

// A Person is somebody who is signed in, as SessionByToken found them. What a
// Person may do with their own account needs no permission.
type Person struct {
	Account auth.Account
	Session Session
}

// actor is the person in the record of their own acts.
func (p *Person) actor() Actor { return Actor{Name: p.Account.Name, Account: p.Account.ID} }

// A SignedIn is what a login has shown that the engine accepted.
type SignedIn struct {
	Account string `json:"account"` // ID; Decision.Account
	Factor  string `json:"factor"`  // Decision.Factor
	Client  string `json:"client"`  // auth.ConsoleClient, auth.PortalClient or one of the door "https"
	Source  string `json:"source"`  // address of the browser
	Agent   string `json:"agent"`   // what the browser calls itself
}

// NewSession begins a session and returns it with its token, which goes into
// the browser's cookie. Only an accept of the engine is a reason to call it.
func (a *Admin) NewSession(ctx context.Context, in SignedIn) (token string, s Session, err error) {
	acc, err := a.Store.AccountByID(ctx, in.Account)
	if err != nil {
		return "", Session{}, signedOut(err)
	}
	if _, err := a.mayBeIn(ctx, &acc, in.Client); err != nil {
		return "", Session{}, err
	}
	life := portalLife
	if in.Client == auth.ConsoleClient {
		life = consoleLife
	}
	token, s, err = a.session(in, life)
	if err != nil {
		return "", Session{}, err
	}
	return token, s, signedOut(a.Store.Apply(ctx, Act{}, AddSession{s}))
}

// session makes a session that lasts no longer than life.
func (a *Admin) session(in SignedIn, life time.Duration) (token string, s Session, err error) {
	id, err := newID()
	if err != nil {
		return "", Session{}, err
	}
	now := a.moment()
	token, hash := newToken()
	return token, Session{
		ID: id, Token: hash, Account: in.Account, Client: in.Client, Factor: in.Factor,
		Proven: now, Created: now, Seen: now, Expires: now.Add(life), Source: in.Source, Agent: printable(in.Agent, maxAgent),
	}, nil
}

// SessionByToken finds who is signed in to a client with a token, and what they
// may do there. A session of another client is none. It is a Problem of the kind
// ErrSignedOut if there is no such session, or it has expired or was left
// alone for too long, or its account is gone, disabled or blocked, or at the
// console if the account has no role any more.
func (a *Admin) SessionByToken(ctx context.Context, client, token string) (Person, Actor, error) {
	if len(token) != tokenLength {
		return Person{}, Actor{}, signedOut(ErrNotFound)
	}
	s, err := a.Store.Session(ctx, sha256.Sum256([]byte(token)))
	if err != nil {
		return Person{}, Actor{}, signedOut(err)
	}
	now := a.moment()
	if s.Client != client || !s.OpenAt(now) {
		return Person{}, Actor{}, signedOut(ErrNotFound)
	}
	acc, err := a.Store.AccountByID(ctx, s.Account)
	if err != nil {
		return Person{}, Actor{}, signedOut(err)
	}
	may, err := a.mayBeIn(ctx, &acc, client)
	if err != nil {
		return Person{}, Actor{}, err
	}
	if now.Sub(s.Seen) >= seenEvery {
		if err := a.Store.Seen(ctx, s.ID, now); err != nil {
			return Person{}, Actor{}, signedOut(err)
		}
		s.Seen = now
	}
	return Person{acc, s}, Actor{Name: acc.Name, Account: acc.ID, May: may}, nil
}

// mayBeIn checks that an account may be signed in to a client now and returns
// what it may do there: at the console what its role permits, elsewhere nothing.
func (a *Admin) mayBeIn(ctx context.Context, acc *auth.Account, client string) ([]Permission, error) {
	if !acc.Enabled || acc.BlockedAt(a.moment()) || a.Store.Settings().Client(client) == nil {
		return nil, signedOut(ErrNotFound)
	}
	if client != auth.ConsoleClient {
		return nil, nil
	}
	may, err := a.PermissionsOf(ctx, acc.Role)
	if err != nil {
		return nil, signedOut(err)
	}
	if len(may) == 0 {
		return nil, signedOut(ErrNotFound)
	}
	return may, nil
}

// RenewSession notes that a person has proven themselves anew, with a factor,
// and gives their session another token; the one before is worth nothing from
// then on. When the session ends does not change.
func (a *Admin) RenewSession(ctx context.Context, p Person, factor string) (token string, s Session, err error) {
	if p.Session.Enrolling() {
		return "", Session{}, onlyEnrolling()
	}
	token, hash := newToken()
	s = p.Session
	s.Token, s.Factor, s.Proven = hash, factor, a.moment()
	return token, s, signedOut(a.Store.Apply(ctx, Act{}, RenewSession{ID: s.ID, Token: hash, Factor: factor, Proven: s.Proven}))
}

// SignOut ends the session of a person. It is no error if it is over.
func (a *Admin) SignOut(ctx context.Context, p Person) error {
	if err := a.Store.Apply(ctx, Act{}, EndSession{p.Session.ID}); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// A SessionView is a session as its owner and administrators see it.
type SessionView struct {
	ID      string    `json:"id"`
	Account string    `json:"account"` // name
	Client  string    `json:"client"`
	Factor  string    `json:"factor"`
	Source  string    `json:"source"`
	Agent   string    `json:"agent"`
	Created time.Time `json:"created"`
	Proven  time.Time `json:"proven"`
	Seen    time.Time `json:"seen"` // to a minute
	Expires time.Time `json:"expires"`
	Current bool      `json:"current,omitempty"` // the one that asks
}

// maxSessions bounds a list of sessions.
const maxSessions = 1000

// Sessions lists the open sessions of an account, of all accounts if name is
// "", the newest first, 1,000 at most.
func (a *Admin) Sessions(ctx context.Context, name string) ([]SessionView, error) {
	id := ""
	if name != "" {
		acc, err := a.account(ctx, name)
		if err != nil {
			return nil, err
		}
		id = acc.ID
	}
	return a.sessionsOf(ctx, id, "")
}

// OwnSessions lists the open sessions of a person, the newest first.
func (a *Admin) OwnSessions(ctx context.Context, p Person) ([]SessionView, error) {
	if p.Session.Enrolling() {
		return nil, onlyEnrolling()
	}
	return a.sessionsOf(ctx, p.Account.ID, p.Session.ID)
}

func (a *Admin) sessionsOf(ctx context.Context, account, current string) ([]SessionView, error) {
	now := a.moment()
	all, err := a.Store.Sessions(ctx, account, now)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s Session) bool { return !s.OpenAt(now) })
	views := make([]SessionView, 0, min(len(all), maxSessions))
	names := make(map[string]string)
	for i := range all[:min(len(all), maxSessions)] {
		s := &all[i]
		name, known := names[s.Account]
		if !known {
			acc, err := a.Store.AccountByID(ctx, s.Account)
			if errors.Is(err, ErrNotFound) {
				continue // removed since
			} else if err != nil {
				return nil, err
			}
			name = acc.Name
			names[s.Account] = name
		}
		views = append(views, SessionView{
			ID: s.ID, Account: name, Client: s.Client, Factor: s.Factor, Source: s.Source, Agent: s.Agent,
			Created: s.Created, Proven: s.Proven, Seen: s.Seen, Expires: s.Expires, Current: s.ID == current,
		})
	}
	return views, nil
}

// EndSession ends somebody's session, for administrators.
func (a *Admin) EndSession(ctx context.Context, by Actor, id string) error {
	s, err := a.sessionNamed(ctx, "", id)
	if err != nil {
		return err
	}
	acc, err := a.Store.AccountByID(ctx, s.Account)
	if err != nil {
		return problem(err, noSession, "")
	}
	if err := a.mayChange(ctx, by, acc); err != nil {
		return err
	}
	return a.endSession(ctx, by, acc, s)
}

// EndOwnSession ends one of a person's sessions.
func (a *Admin) EndOwnSession(ctx context.Context, p Person, id string) error {
	if p.Session.Enrolling() {
		return onlyEnrolling()
	}
	s, err := a.sessionNamed(ctx, p.Account.ID, id)
	if err != nil {
		return err
	}
	return a.endSession(ctx, p.actor(), p.Account, s)
}

func (a *Admin) endSession(ctx context.Context, by Actor, acc auth.Account, s Session) error {
	detail := fmt.Sprintf("of %s, from %s, since %s", s.Client, s.Source, s.Created.UTC().Format(time.RFC3339))
	return problem(a.apply(ctx, by, "session.end", acc.Name, detail, EndSession{s.ID}), noSession, "")
}

const noSession = "there is no such session; it may be over"

// sessionNamed finds a session by its ID among those of an account, or of all.
func (a *Admin) sessionNamed(ctx context.Context, account, id string) (Session, error) {
	all, err := a.Store.Sessions(ctx, account, a.moment())
	if err != nil {
		return Session{}, err
	}
	i := slices.IndexFunc(all, func(s Session) bool { return s.ID == id })
	if i < 0 {
		return Session{}, &Problem{noSession, "", ErrNotFound}
	}
	return all[i], nil
}

// signedOut turns what says that a session, account or role is gone into the
// one answer that there is to it. Other errors stay, and nil does.
func signedOut(err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Problem{"you are not signed in, or not any more", "sign in again", ErrSignedOut}
	}
	return err
}

func onlyEnrolling() error {
	return forbidden("finish setting up, then sign in", "an invitation lets you set up how you sign in, and nothing else")
}

// tokenLength is the length of 256 bits in base 64.
const tokenLength = 43

// newToken returns a session's token and the hash that is kept of it.
func newToken() (token string, hash [32]byte) {
	b := make([]byte, 32)
	rand.Read(b) // never fails; it ends the program instead
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, sha256.Sum256([]byte(token))
}

// printable returns what can be shown of a text that a stranger has sent, max
// octets at most.
func printable(s string, maxOctets int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 4*maxOctets)], ""))
	for len(s) > maxOctets {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
