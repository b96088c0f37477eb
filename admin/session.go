package admin

import (
	"time"

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
