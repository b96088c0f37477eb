package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// Passkeys speaks to browsers about passkeys (Web Authentication Level 3); the
// factor makes authenticators of what they answer. Its fields are read-only once
// in use.
type Passkeys struct {
	// CreationOptions returns the PublicKeyCredentialCreationOptionsJSON (Section
	// 5.1.9) for a challenge and the user handle userID. Authenticators that hold
	// a key of exclude already make no other one; exclude comes with its states.
	CreationOptions func(challenge []byte, userID, userName, displayName string, exclude []auth.Authenticator) (json.RawMessage, error)
}

// The kinds of authenticators that a person can enrol.
const (
	EnrolOATH    = "oath"    // an app that scans a code
	EnrolPasskey = "passkey" // a passkey, in the browser that asks
	EnrolToken   = "token"   // a hardware token that is here and that nobody holds
	EnrolPIN     = "pin"     // a PIN beside the codes of apps and tokens, in place of the one before
)

const (
	// enrolmentLife is how long an authenticator waits for its live test: what
	// SP 800-63B-4, Section 4.1.2.1 grants a binding code.
	enrolmentLife = 10 * time.Minute
	// enrolmentTries is how many wrong codes end an enrolment.
	enrolmentTries = 10
	// maxHeld bounds what one account holds.
	maxHeld  = 30
	maxLabel = 64 // characters
)

// A NewEnrolment is what BeginEnrolment is given.
type NewEnrolment struct {
	Kind   string `json:"kind"`             // oath, passkey, token or pin
	Label  string `json:"label,omitempty"`  // what its owner calls it
	Serial string `json:"serial,omitempty"` // of a token
	PIN    string `json:"pin,omitempty"`    // digits
}

// An Enrolment is an authenticator that waits for its live test, with what its
// owner must be shown, which is kept nowhere else.
type Enrolment struct {
	Ceremony string          `json:"ceremony"`          // to confirm it with
	URI      string          `json:"uri,omitempty"`     // for an app, as a code to scan
	Secret   string          `json:"secret,omitempty"`  // the same for typing: base 32
	Options  json.RawMessage `json:"options,omitempty"` // for the browser: PublicKeyCredentialCreationOptionsJSON
	Expires  time.Time       `json:"expires"`
}

// A Confirmation shows that a new authenticator works.
type Confirmation struct {
	Ceremony     string
	Code         auth.Code // of an app or token; followed by the PIN if that is new
	SecondCode   auth.Code // of a token: the one that it showed next
	Registration string    // of a passkey: RegistrationResponseJSON
}

// A Confirmed is a new authenticator. RecoveryCodes are not nil if it was the
// first second factor of its account; they are shown this once.
type Confirmed struct {
	Authenticator AuthenticatorView `json:"authenticator"`
	RecoveryCodes []string          `json:"recovery_codes,omitempty"`
}

// A pending is the body of an enrolment's ceremony.
type pending struct {
	Kind          string `json:"kind"`
	Session       string `json:"session"` // ID of the session that began it, the only one that can end it
	Label         string `json:"label"`
	Authenticator *kept  `json:"authenticator,omitempty"` // of an app, or the PIN
	Token         string `json:"token,omitempty"`         // ID
	Challenge     []byte `json:"challenge,omitempty"`     // of a passkey
}

// A kept is an authenticator in the sealed body of a ceremony.
type kept struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	Factor  string    `json:"factor"`
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
	State   []byte    `json:"state"`
	Mark    int64     `json:"mark"`
}

func keep(au auth.Authenticator) *kept {
	return &kept{au.ID, au.Account, au.Factor, au.Label, au.Created, au.State, au.Mark}
}

func (k *kept) authenticator() auth.Authenticator {
	return auth.Authenticator{ID: k.ID, Account: k.Account, Factor: k.Factor, Label: k.Label, Created: k.Created, State: k.State, Mark: k.Mark}
}

// BeginEnrolment prepares a new authenticator of a person. It is theirs only
// once ConfirmEnrolment has seen it work; one that was begun before and is not
// confirmed is dropped.
func (a *Admin) BeginEnrolment(ctx context.Context, p Person, n NewEnrolment) (Enrolment, error) {
	label, err := checkLabel(n.Label)
	if err != nil {
		return Enrolment{}, err
	}
	held, err := a.Store.Authenticators(ctx, p.Account.ID)
	if err != nil {
		return Enrolment{}, err
	}
	if err := a.mayEnrol(p, held); err != nil {
		return Enrolment{}, err
	}
	if len(held) >= maxHeld {
		return Enrolment{}, invalid("remove one that you do not use any more", "you have %d ways to prove who you are already", len(held))
	}
	w := pending{Kind: n.Kind, Session: p.Session.ID, Label: label}
	var e Enrolment
	switch n.Kind {
	case EnrolOATH:
		au, bound, err := a.bind(ctx, p.Account, oathFactor, auth.Binding{Account: p.Account.Name, Issuer: a.Issuer, Label: label})
		if err != nil {
			return Enrolment{}, err
		}
		w.Authenticator, e.URI = keep(au), bound.URI
		if u, err := url.Parse(bound.URI); err == nil {
			e.Secret = u.Query().Get("secret")
		}
	case EnrolPasskey:
		w.Challenge = newChallenge()
		if e.Options, err = a.creationOptions(ctx, w.Challenge, p.Account, held); err != nil {
			return Enrolment{}, err
		}
	case EnrolToken:
		au, err := a.Store.Authenticator(ctx, strings.TrimSpace(n.Serial))
		if err == nil && (au.Account != "" || au.Serial == "") {
			err = ErrNotFound // whether somebody holds it is nobody's business
		}
		if err != nil {
			return Enrolment{}, problem(err, fmt.Sprintf("there is no free token with the serial number %q", printable(n.Serial, maxLabel)),
				"read the number on the back of the token again, or ask the help desk")
		}
		w.Token = au.ID
	case EnrolPIN:
		if w.Authenticator, err = a.newPIN(ctx, p.Account, held, n.PIN); err != nil {
			return Enrolment{}, err
		}
	default:
		return Enrolment{}, invalid("kinds are: oath, passkey, token, pin", "nothing of the kind %q can be enrolled", n.Kind)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return Enrolment{}, fmt.Errorf("admin: encode an enrolment: %w", err)
	}
	now := a.moment()
	e.Ceremony, e.Expires = newSecret(), now.Add(enrolmentLife)
	return e, a.Store.Apply(ctx, Act{}, AddCeremony{Ceremony: Ceremony{
		ID: ceremonyID(e.Ceremony), Kind: CeremonyEnrolment, Account: p.Account.ID, Body: auth.Secret(body),
		Note: n.Kind, Created: now, Expires: e.Expires,
	}, Replace: true})
}

// ConfirmEnrolment makes an authenticator a person's own once it has been seen
// to work; what showed that is spent. A wrong code says what is probably wrong,
// and the tenth ends the enrolment. The first second factor of an account brings
// recovery codes. An invitation that replaces removes the apps and tokens that
// the account held before.
func (a *Admin) ConfirmEnrolment(ctx context.Context, p Person, in Confirmation) (Confirmed, error) {
	id := ceremonyID(in.Ceremony)
	c, err := a.try(ctx, CeremonyEnrolment, id, enrolmentTries)
	if err != nil {
		return Confirmed{}, enrolmentOver(err)
	}
	var w pending
	if err := json.Unmarshal(c.Body, &w); err != nil {
		return Confirmed{}, errors.New("admin: read an enrolment: it is not what was written")
	}
	if c.Account != p.Account.ID || w.Session != p.Session.ID {
		return Confirmed{}, enrolmentOver(ErrNotFound)
	}
	var done Confirmed
	err = again(func() error {
		done, err = a.confirm(ctx, p, c, &w, in)
		return err
	})
	if errors.Is(err, ErrInvalid) {
		if over := a.tooOften(ctx, c, enrolmentTries); over != nil {
			return Confirmed{}, enrolmentOver(over)
		}
		return Confirmed{}, err
	}
	if err != nil {
		return Confirmed{}, enrolmentOver(err)
	}
	return done, nil
}

func (a *Admin) confirm(ctx context.Context, p Person, c Ceremony, w *pending, in Confirmation) (Confirmed, error) {
	held, err := a.Store.Authenticators(ctx, p.Account.ID)
	if err != nil {
		return Confirmed{}, err
	}
	if err := a.mayEnrol(p, held); err != nil {
		return Confirmed{}, err
	}
	if w.Kind == EnrolPIN {
		return a.confirmPIN(ctx, p, c, w, held, in.Code)
	}
	au, add, err := a.tested(ctx, p, w, in)
	if err != nil {
		return Confirmed{}, err
	}
	changes := []Change{TakeCeremony{ID: c.ID, Now: a.moment()}, a.sameStanding(p.Account), add}
	second, recovery, _ := standings(held)
	detail := au.Factor + " " + au.ID
	if p.Session.Factor == FactorReplacement {
		for _, h := range second {
			if h.Factor == oathFactor && h.Created.Before(p.Session.Created) {
				changes = append(changes, RemoveAuthenticator{h.ID})
				detail += ", in place of " + h.ID
			}
		}
	}
	done := Confirmed{Authenticator: viewAuthenticator(p.Account.Name, &au)}
	if len(second) == 0 {
		done.Authenticator.Default = true
		sheet, bound, err := a.bind(ctx, p.Account, recoveryFactor, auth.Binding{Account: p.Account.Name})
		if err != nil {
			return Confirmed{}, err
		}
		changes = append(append(changes, removals(recovery)...), AddAuthenticator{sheet})
		done.RecoveryCodes = bound.Codes
	}
	by := p.actor()
	return done, a.applyTo(ctx, by, act{action: "account.enrol", subject: p.Account.Name, detail: detail, after: done.Authenticator}, changes...)
}

// tested returns the new authenticator and the change that adds it, once it has
// passed its live test. What is wrong is a Problem of the kind ErrInvalid.
func (a *Admin) tested(ctx context.Context, p Person, w *pending, in Confirmation) (auth.Authenticator, Change, error) {
	switch {
	case w.Kind == EnrolOATH && w.Authenticator != nil:
		au := w.Authenticator.authenticator()
		f, err := a.factor(au.Factor)
		if err != nil {
			return au, nil, err
		}
		finding, err := f.Verify(ctx, au, auth.Attempt{Claimant: p.Account.Name, Evidence: []auth.Evidence{in.Code}, Time: a.moment()})
		if err != nil {
			return au, nil, err
		}
		if !finding.Match() {
			return au, nil, a.wrongCode(finding.Outcome(), p.Account.Name)
		}
		spend(&au, finding)
		return au, AddAuthenticator{au}, nil
	case w.Kind == EnrolPasskey:
		au, _, err := a.bind(ctx, p.Account, auth.PasskeyFactor, auth.Binding{
			Account: p.Account.Name, Issuer: a.Issuer, Label: w.Label,
			Registration: auth.Secret(in.Registration), Challenge: w.Challenge, User: p.Account.ID,
		})
		return au, AddAuthenticator{au}, err
	case w.Kind == EnrolToken:
		au, err := a.Store.Authenticator(ctx, w.Token)
		if err != nil {
			return au, nil, err
		}
		resync, err := a.resync(ctx, au.Factor, in.Code, in.SecondCode)
		if err != nil {
			return au, nil, err
		}
		au.Account = p.Account.ID
		if w.Label != "" {
			au.Label = w.Label
		}
		return au, UpdateAuthenticator{au.ID, func(now *auth.Authenticator) error {
			if now.Account != "" {
				return ErrNotFound // somebody was faster
			}
			now.Account, now.Label = au.Account, au.Label
			return resync(now)
		}}, nil
	}
	return auth.Authenticator{}, nil, errors.New("admin: read an enrolment: it is of no known kind")
}

// wrongCode says what is probably the matter with a code that an app shows.
func (a *Admin) wrongCode(why auth.Outcome, name string) error {
	switch why {
	case auth.OATHCodeOutOfDate:
		return invalid("switch on automatic date and time on the device with the app, then type the code that it shows now",
			"the code is of another time: the clock of the device with the app is wrong, or the code was typed too late")
	case auth.DuplicateOATHCode:
		return invalid("wait for the next code", "this code was used already")
	case auth.OATHCodeIncorrect:
		return invalid(fmt.Sprintf("look for the newest entry %s (%s) in the app, and delete older ones of the same name", a.Issuer, name),
			"the code does not belong to the entry that was just added: it was mistyped, or it is that of another entry in the app")
	default:
		return invalid("type the digits that the app shows, usually six", "this is no code of an authenticator app")
	}
}

// mayEnrol checks that a person may add to what they hold.
//
// An invitation stands for a login, so it counts only where a login cannot be
// had: for the first authenticators of an account, or to replace what was lost.
// Who has a role and a passkey signs in to the console with it; whatever proves
// less must not be able to make another one (SP 800-63B-4, Section 4.1.2).
func (a *Admin) mayEnrol(p Person, held []auth.Authenticator) error {
	second, _, _ := standings(held)
	switch {
	case p.Session.Factor == FactorReplacement:
	case p.Session.Enrolling():
		for _, h := range second {
			if h.Created.Before(p.Session.Created) {
				return forbidden("sign in with it, or ask the help desk for an invitation that replaces it",
					"you have an authenticator already, so this invitation does not let you add one")
			}
		}
	case p.Account.Role != "" && p.Session.Factor != auth.PasskeyFactor &&
		slices.ContainsFunc(held, func(h auth.Authenticator) bool { return h.Factor == auth.PasskeyFactor }):
		return &Problem{"you have a passkey and administer this server, so only the passkey lets you add to it", "sign in with your passkey", ErrProof}
	}
	return nil
}

// creationOptions returns what a browser needs to make a passkey.
func (a *Admin) creationOptions(ctx context.Context, challenge []byte, acc auth.Account, held []auth.Authenticator) (json.RawMessage, error) {
	if a.Passkeys == nil || a.Passkeys.CreationOptions == nil {
		return nil, invalid("choose an authenticator app", "this server takes no passkeys")
	}
	var exclude []auth.Authenticator
	for _, h := range held {
		if h.Factor != auth.PasskeyFactor {
			continue
		}
		open, err := a.Store.OpenAuthenticator(ctx, h.ID)
		if errors.Is(err, ErrNotFound) {
			continue // removed this moment
		} else if err != nil {
			return nil, err
		}
		exclude = append(exclude, open)
	}
	options, err := a.Passkeys.CreationOptions(challenge, acc.ID, acc.Name, acc.Name, exclude)
	if err != nil {
		return nil, fmt.Errorf("admin: ask for a passkey: %w", err)
	}
	return options, nil
}

// sameStanding is sameRank that also fails if the account may not sign in any
// more.
func (a *Admin) sameStanding(acc auth.Account) Change {
	at := a.moment()
	return UpdateAccount{acc.ID, func(now *auth.Account) error {
		if now.Role != acc.Role || !now.Enabled || now.BlockedAt(at) {
			return signedOut(ErrNotFound)
		}
		return nil
	}}
}

// enrolmentOver turns the word that a ceremony is gone into a Problem.
func enrolmentOver(err error) error {
	return problem(err, "this set-up has expired, was replaced by a newer one or has been used", "begin it again")
}

// ceremony finds a ceremony of a kind that can still be ended.
func (a *Admin) ceremony(ctx context.Context, kind CeremonyKind, id string) (Ceremony, error) {
	c, err := a.Store.Ceremony(ctx, id)
	if err != nil {
		return Ceremony{}, err
	}
	if c.Kind != kind || !a.moment().Before(c.Expires) {
		return Ceremony{}, ErrNotFound
	}
	return c, nil
}

// try counts a try at a ceremony before it is judged, so that of many at once no
// more than limit are; then it returns the ceremony. ErrNotFound says that there
// is none, or that there were too many.
func (a *Admin) try(ctx context.Context, kind CeremonyKind, id string, limit int) (Ceremony, error) {
	_, err := a.ceremony(ctx, kind, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Ceremony{}, err
	}
	counted := id
	if err != nil {
		counted = ceremonyID(id) // nobody's, so that it takes as long
	}
	if err := a.Store.Tried(ctx, counted, limit+1); err != nil && !errors.Is(err, ErrNotFound) {
		return Ceremony{}, err
	}
	c, err := a.ceremony(ctx, kind, id)
	if err != nil {
		return Ceremony{}, err
	}
	if c.Tries > limit {
		return Ceremony{}, ErrNotFound
	}
	return c, nil
}

// tooOften ends a ceremony whose last try was wrong and returns ErrNotFound; it
// returns nil if there are tries left.
func (a *Admin) tooOften(ctx context.Context, c Ceremony, limit int) error {
	if c.Tries < limit {
		return nil
	}
	if err := a.Store.Apply(ctx, Act{}, TakeCeremony{ID: c.ID, Now: a.moment()}); err != nil {
		return err
	}
	return ErrNotFound
}

// checkLabel returns the label that an authenticator gets.
func checkLabel(s string) (string, error) {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxLabel {
		return "", invalid("", "a label has at most %d characters", maxLabel)
	}
	if printable(s, 4*maxLabel) != s {
		return "", invalid("use letters, digits, spaces and punctuation", "a label cannot have invisible characters")
	}
	return s, nil
}

// newSecret returns a secret for a link or a ceremony: 130 bits in base 32.
func newSecret() string { return rand.Text() }

// newChallenge returns a challenge for WebAuthn.
func newChallenge() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails; it ends the program instead
	return b
}

// ceremonyID is the ID of the ceremony behind a secret.
func ceremonyID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
