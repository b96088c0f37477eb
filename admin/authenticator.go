package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/auth"
	"sallyport/pskc"
)

// An AuthenticatorView is an authenticator as administrators see it: never its
// state.
type AuthenticatorView struct {
	ID      string    `json:"id"`
	Account string    `json:"account"` // name; "" for a token that nobody holds
	Factor  string    `json:"factor"`
	Label   string    `json:"label"`
	Serial  string    `json:"serial,omitempty"`
	Used    bool      `json:"used"` // whether a code was ever accepted
	Created time.Time `json:"created"`
}

// A BoundView is a new authenticator with what its owner must be shown, which
// is kept nowhere else.
type BoundView struct {
	ID    string   `json:"id"`
	URI   string   `json:"uri,omitempty"`
	Codes []string `json:"codes,omitempty"`
}

// AddAuthenticator gives an account a new authenticator of a factor with a
// seed of our making.
func (a *Admin) AddAuthenticator(ctx context.Context, by Actor, name, factor, label string) (BoundView, error) {
	if factor == passwordFactor {
		return BoundView{}, invalid("sallyport account password NAME --password-stdin sets it", "a password is not added but set")
	}
	acc, err := a.account(ctx, name)
	if err != nil {
		return BoundView{}, err
	}
	au, bound, err := a.bind(ctx, acc, factor, auth.Binding{Account: acc.Name, Issuer: a.Issuer, Label: label})
	if err != nil {
		return BoundView{}, err
	}
	if err := a.apply(ctx, by, "authenticator.add", acc.Name, factor+" "+au.ID, AddAuthenticator{au}); err != nil {
		return BoundView{}, err
	}
	return BoundView{ID: au.ID, URI: bound.URI, Codes: bound.Codes}, nil
}

// recoveryFactor is the factor that recovery codes belong to.
const recoveryFactor = "recovery"

// NewRecoveryCodes gives an account a fresh sheet of recovery codes; the old
// sheet ends. An account without a second factor gets none: codes that exist
// before MFA is on could be kept for later (CVE-2022-36071).
func (a *Admin) NewRecoveryCodes(ctx context.Context, by Actor, name string) (BoundView, error) {
	acc, err := a.account(ctx, name)
	if err != nil {
		return BoundView{}, err
	}
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return BoundView{}, err
	}
	second := false
	var changes []Change
	for _, h := range held {
		switch h.Factor {
		case recoveryFactor:
			changes = append(changes, RemoveAuthenticator{h.ID})
		case passwordFactor:
		default:
			second = true
		}
	}
	if !second {
		return BoundView{}, invalid("sallyport authenticator add "+acc.Name+" --factor oath", "%s holds no second factor yet that recovery codes could stand in for", acc.Name)
	}
	au, bound, err := a.bind(ctx, acc, recoveryFactor, auth.Binding{Account: acc.Name})
	if err != nil {
		return BoundView{}, err
	}
	changes = append(changes, AddAuthenticator{au})
	if err := a.apply(ctx, by, "authenticator.recovery-codes", acc.Name, au.ID, changes...); err != nil {
		return BoundView{}, err
	}
	return BoundView{ID: au.ID, Codes: bound.Codes}, nil
}

// bind makes an authenticator for an account; acc may be the zero Account.
func (a *Admin) bind(ctx context.Context, acc auth.Account, factor string, b auth.Binding) (auth.Authenticator, auth.Bound, error) {
	f, err := a.factor(factor)
	if err != nil {
		return auth.Authenticator{}, auth.Bound{}, err
	}
	bound, err := f.Bind(ctx, b)
	if errors.Is(err, auth.ErrBind) {
		return auth.Authenticator{}, auth.Bound{}, invalid("", "%v", err)
	} else if err != nil {
		return auth.Authenticator{}, auth.Bound{}, err
	}
	id, err := newID()
	if err != nil {
		return auth.Authenticator{}, auth.Bound{}, err
	}
	return auth.Authenticator{
		ID: id, Account: acc.ID, Factor: factor, Label: b.Label, Serial: bound.Serial,
		Created: a.Now(), State: bound.State, Mark: bound.Mark,
	}, bound, nil
}

// Authenticators lists what an account holds; with an empty name, the tokens
// that nobody holds.
func (a *Admin) Authenticators(ctx context.Context, name string) ([]AuthenticatorView, error) {
	if name == "" {
		return a.authenticators(ctx, auth.Account{})
	}
	acc, err := a.account(ctx, name)
	if err != nil {
		return nil, err
	}
	return a.authenticators(ctx, acc)
}

func (a *Admin) authenticators(ctx context.Context, acc auth.Account) ([]AuthenticatorView, error) {
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return nil, err
	}
	views := make([]AuthenticatorView, len(held))
	for i, h := range held {
		views[i] = AuthenticatorView{
			ID: h.ID, Account: acc.Name, Factor: h.Factor, Label: h.Label, Serial: h.Serial,
			Used: h.Mark != auth.NoMark, Created: h.Created,
		}
	}
	return views, nil
}

// RevokeAuthenticator ends an authenticator, named by its ID or serial. With
// an account's last second factor go its recovery codes.
func (a *Admin) RevokeAuthenticator(ctx context.Context, by Actor, idOrSerial string) error {
	au, err := a.authenticator(ctx, idOrSerial)
	if err != nil {
		return err
	}
	changes := []Change{RemoveAuthenticator{au.ID}}
	if au.Account != "" && au.Factor != passwordFactor && au.Factor != recoveryFactor {
		held, err := a.Store.Authenticators(ctx, au.Account)
		if err != nil {
			return err
		}
		second, recovery := 0, ""
		for _, h := range held {
			switch h.Factor {
			case passwordFactor:
			case recoveryFactor:
				recovery = h.ID
			default:
				second++
			}
		}
		if second == 1 && recovery != "" {
			changes = append(changes, RemoveAuthenticator{recovery})
		}
	}
	return a.apply(ctx, by, "authenticator.revoke", au.ID, au.Factor+" "+au.Label+" "+au.Serial, changes...)
}

// AssignToken gives a token that nobody holds to an account.
func (a *Admin) AssignToken(ctx context.Context, by Actor, idOrSerial, name string) error {
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	au, err := a.authenticator(ctx, idOrSerial)
	if err != nil {
		return err
	}
	return a.apply(ctx, by, "authenticator.assign", acc.Name, au.ID+" "+au.Serial, UpdateAuthenticator{au.ID, func(au *auth.Authenticator) error {
		if au.Account != "" {
			return invalid("sallyport authenticator revoke it first", "somebody holds token %s already", idOrSerial)
		}
		au.Account = acc.ID
		return nil
	}})
}

// Resync finds the moving factor of a token again from two consecutive codes.
func (a *Admin) Resync(ctx context.Context, by Actor, idOrSerial string, first, second auth.Code) error {
	au, err := a.authenticator(ctx, idOrSerial)
	if err != nil {
		return err
	}
	f, err := a.factor(au.Factor)
	if err != nil {
		return err
	}
	r, ok := f.(auth.Resyncer)
	if !ok {
		return invalid("", "an authenticator of factor %s has nothing to resynchronize", au.Factor)
	}
	return a.apply(ctx, by, "authenticator.resync", au.ID, au.Serial, UpdateAuthenticator{au.ID, func(au *auth.Authenticator) error {
		finding, err := r.Resync(ctx, *au, first, second, a.Now())
		if err != nil {
			return err
		}
		if !finding.Match() {
			return invalid("give two codes that the token showed one after the other, the older first",
				"the two codes do not follow one another on this token, or were used before")
		}
		au.Mark = finding.Mark()
		if next := finding.Next(); next != nil {
			au.State = next
		}
		return nil
	}})
}

func (a *Admin) authenticator(ctx context.Context, idOrSerial string) (auth.Authenticator, error) {
	au, err := a.Store.Authenticator(ctx, idOrSerial)
	return au, problem(err, fmt.Sprintf("no authenticator %q", idOrSerial), "sallyport authenticator list NAME shows the IDs")
}

// An ImportView says what came of an import.
type ImportView struct {
	Added      int           `json:"added"`
	Unassigned int           `json:"unassigned"` // of those added, the ones that nobody holds yet
	Bad        []pskc.BadRow `json:"bad"`
}

// Import reads a file of token seeds and keeps every good row, all in one
// transaction; bad rows are listed with their line and reason and change
// nothing. Owners are looked up as claimants are.
func (a *Admin) Import(ctx context.Context, by Actor, file []byte, keys pskc.Keys) (ImportView, error) {
	tokens, bad, err := pskc.Read(bytes.NewReader(file), keys)
	if err != nil {
		return ImportView{}, invalid("the file must be PSKC (RFC 6030) or CSV with a header of: upn, serial number, secret key, time interval, manufacturer, model", "%v", err)
	}
	var v ImportView
	var changes []Change
	for _, t := range tokens {
		add, reason, err := a.importToken(ctx, t)
		switch {
		case err != nil:
			return ImportView{}, err
		case reason != "":
			bad = append(bad, pskc.BadRow{Line: t.Line, Serial: t.Serial, Reason: reason})
			continue
		case add.Authenticator.Account == "":
			v.Unassigned++
		}
		v.Added++
		changes = append(changes, add)
	}
	v.Bad = orEmpty(bad)
	if len(changes) == 0 {
		return v, nil
	}
	detail := fmt.Sprintf("%d tokens, %d bad rows", v.Added, len(v.Bad))
	if err := a.apply(ctx, by, "authenticator.import", "", detail, changes...); err != nil {
		return ImportView{}, problem(err, fmt.Sprintf("a token of this file was added by somebody else meanwhile (%v); nothing was imported", err), "run the import again")
	}
	return v, nil
}

// importToken turns one row into a change, or says what is wrong with it.
func (a *Admin) importToken(ctx context.Context, t pskc.Token) (add AddAuthenticator, reason string, err error) {
	var acc auth.Account
	if t.Owner != "" {
		if acc, err = a.account(ctx, t.Owner); errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
			return add, fmt.Sprintf("no account %q", t.Owner), nil
		} else if err != nil {
			return add, "", err
		}
	}
	if t.Serial != "" {
		if _, err := a.Store.Authenticator(ctx, t.Serial); err == nil {
			return add, "a token of this serial is here already", nil
		} else if !errors.Is(err, ErrNotFound) {
			return add, "", err
		}
	}
	label := strings.TrimSpace(t.Manufacturer + " " + t.Model)
	au, _, err := a.bind(ctx, acc, oathFactor, auth.Binding{Account: acc.Name, Label: label, Token: &auth.Token{
		Serial: t.Serial, Key: auth.Secret(t.Key), Algorithm: t.Algorithm, Digits: t.Digits, Period: t.Period, Counter: t.Counter,
	}})
	if errors.Is(err, ErrInvalid) {
		return add, err.Error(), nil
	}
	return AddAuthenticator{au}, "", err
}

// oathFactor is the factor that imported seeds belong to.
const oathFactor = "oath"
