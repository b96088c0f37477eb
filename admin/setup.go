package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sallyport/auth"
)

const (
	// setUpLife is how long a set-up link can be used; a restart of the server
	// makes another.
	setUpLife = 24 * time.Hour
	// setUpTries is how many answers of a browser that are no passkey end the
	// making of the first owner's.
	setUpTries = 10
)

// An owning is the body of the ceremony that makes the first owner.
type owning struct {
	SetUp     string `json:"set_up"` // ID of the set-up's ceremony
	Account   string `json:"account"`
	Name      string `json:"name"`
	Challenge []byte `json:"challenge"`
	Password  *kept  `json:"password"`
}

// NeedsSetUp reports whether no account has the role owner yet.
func (a *Admin) NeedsSetUp(ctx context.Context) (bool, error) {
	owners, err := a.Store.SearchAccounts(ctx, AccountSearch{Role: Owner, Now: a.moment(), Limit: 1})
	return len(owners) == 0, err
}

// BeginSetUp makes the secret of a set-up link, with which the first owner is
// made; one that was made before counts no more. It is for whoever reads the
// server's own output.
func (a *Admin) BeginSetUp(ctx context.Context, by Actor) (secret string, expires time.Time, err error) {
	needed, err := a.NeedsSetUp(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	if !needed {
		return "", time.Time{}, setUpDone()
	}
	now := a.moment()
	secret, expires = newSecret()+newSecret(), now.Add(setUpLife)
	err = a.apply(ctx, by, "set-up.begin", "", "until "+expires.UTC().Format(time.RFC3339), AddCeremony{Ceremony: Ceremony{
		ID: ceremonyID(secret), Kind: CeremonySetUp, Note: "by " + by.Name, Created: now, Expires: expires,
	}, Replace: true})
	if err != nil {
		return "", time.Time{}, err
	}
	return secret, expires, nil
}

// CheckSetUp returns until when the secret of a set-up link counts.
func (a *Admin) CheckSetUp(ctx context.Context, secret string) (expires time.Time, err error) {
	c, err := a.setUp(ctx, secret)
	return c.Expires, err
}

// setUp finds the set-up of a secret, if there is still one to do.
func (a *Admin) setUp(ctx context.Context, secret string) (Ceremony, error) {
	c, err := a.ceremony(ctx, CeremonySetUp, ceremonyID(secret))
	if err != nil {
		return Ceremony{}, noSetUp(err)
	}
	needed, err := a.NeedsSetUp(ctx)
	if err != nil {
		return Ceremony{}, err
	}
	if !needed {
		return Ceremony{}, setUpDone()
	}
	return c, nil
}

// A NewOwner is what BeginOwner is given.
type NewOwner struct {
	Secret   string // of the set-up link
	Name     string
	Password string // 15 characters at least
}

// An OwnerCeremony is a first owner who has still to make a passkey.
type OwnerCeremony struct {
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options"` // PublicKeyCredentialCreationOptionsJSON
	Expires  time.Time       `json:"expires"`
}

// BeginOwner checks the name and password of the first owner and asks for their
// passkey. Nothing but a ceremony is kept; one that was begun before is dropped.
func (a *Admin) BeginOwner(ctx context.Context, n NewOwner) (OwnerCeremony, error) {
	setUp, err := a.setUp(ctx, n.Secret)
	if err != nil {
		return OwnerCeremony{}, err
	}
	name, err := canonical(n.Name)
	if err != nil {
		return OwnerCeremony{}, err
	}
	if err := longPassword(n.Password); err != nil {
		return OwnerCeremony{}, err
	}
	if _, err := a.Store.Account(ctx, name); err == nil {
		return OwnerCeremony{}, nameTaken(name)
	} else if !errors.Is(err, ErrNotFound) {
		return OwnerCeremony{}, err
	}
	id, err := newID()
	if err != nil {
		return OwnerCeremony{}, err
	}
	acc := auth.Account{ID: id, Name: name}
	w := owning{SetUp: setUp.ID, Account: id, Name: name, Challenge: newChallenge()}
	var o OwnerCeremony
	if o.Options, err = a.creationOptions(ctx, w.Challenge, acc, nil); err != nil {
		return OwnerCeremony{}, err
	}
	password, _, err := a.bind(ctx, acc, passwordFactor, auth.Binding{Account: name, Issuer: a.Issuer, Secret: auth.Secret(n.Password)})
	if err != nil {
		return OwnerCeremony{}, err
	}
	w.Password = keep(password)
	body, err := json.Marshal(w)
	if err != nil {
		return OwnerCeremony{}, fmt.Errorf("admin: encode the first owner: %w", err)
	}
	now := a.moment()
	o.Ceremony, o.Expires = newSecret(), now.Add(enrolmentLife)
	return o, a.Store.Apply(ctx, Act{}, AddCeremony{Ceremony: Ceremony{
		ID: ceremonyID(o.Ceremony), Kind: CeremonyRegistration, Body: auth.Secret(body), Created: now, Expires: o.Expires,
	}, Replace: true})
}

// FinishOwner makes the first owner, with password, passkey and recovery codes,
// and ends the set-up: all of it or nothing. The codes are shown this once.
func (a *Admin) FinishOwner(ctx context.Context, secret, ceremony, registration string) (AccountView, []string, error) {
	setUp, err := a.setUp(ctx, secret)
	if err != nil {
		return AccountView{}, nil, err
	}
	c, err := a.try(ctx, CeremonyRegistration, ceremonyID(ceremony), setUpTries)
	if err != nil {
		return AccountView{}, nil, enrolmentOver(err)
	}
	var w owning
	if err := json.Unmarshal(c.Body, &w); err != nil || w.Password == nil {
		return AccountView{}, nil, errors.New("admin: read the first owner: it is not what was written")
	}
	if w.SetUp != setUp.ID {
		return AccountView{}, nil, enrolmentOver(ErrNotFound)
	}
	acc := auth.Account{ID: w.Account, Name: w.Name, Enabled: true, Role: Owner, Created: a.moment()}
	passkey, _, err := a.bind(ctx, acc, auth.PasskeyFactor, auth.Binding{
		Account: acc.Name, Issuer: a.Issuer, Registration: auth.Secret(registration), Challenge: w.Challenge, User: acc.ID,
	})
	if errors.Is(err, ErrInvalid) {
		if over := a.tooOften(ctx, c, setUpTries); over != nil {
			return AccountView{}, nil, enrolmentOver(over)
		}
	}
	if err != nil {
		return AccountView{}, nil, err
	}
	sheet, bound, err := a.bind(ctx, acc, recoveryFactor, auth.Binding{Account: acc.Name})
	if err != nil {
		return AccountView{}, nil, err
	}
	view, now := viewAccount(acc, a.moment()), a.moment()
	err = a.applyTo(ctx, Actor{Name: acc.Name, Account: acc.ID}, act{action: "set-up.owner", subject: acc.Name, after: view},
		TakeCeremony{ID: setUp.ID, Now: now}, TakeCeremony{ID: c.ID, Now: now}, AddAccount{acc},
		AddAuthenticator{w.Password.authenticator()}, AddAuthenticator{passkey}, AddAuthenticator{sheet})
	switch {
	case errors.Is(err, ErrExists):
		return AccountView{}, nil, nameTaken(acc.Name)
	case err != nil:
		return AccountView{}, nil, noSetUp(err)
	}
	return view, bound.Codes, nil
}

func nameTaken(name string) error {
	return &Problem{"an account is already called " + name, "choose another name for the owner", ErrExists}
}

func setUpDone() error {
	return forbidden("sign in, or have an owner give you a role", "this server has been set up already")
}

func noSetUp(err error) error {
	if errors.Is(err, ErrNotFound) {
		return forbidden("start the server again; it prints a new one", "this set-up link is mistyped, has been used or replaced, or is too old")
	}
	return err
}
