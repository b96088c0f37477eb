package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Default says that it is the one that its owner is asked for first.
	Default bool `json:"default,omitempty"`
	// UsedAt is when it last completed a login, if that was lately and one
	// account is shown.
	UsedAt *time.Time `json:"used_at,omitempty"`
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
	var view BoundView
	err := a.onAccount(ctx, by, name, func(acc auth.Account) error {
		au, bound, err := a.bind(ctx, acc, factor, auth.Binding{Account: acc.Name, Issuer: a.Issuer, Label: label})
		if err != nil {
			return err
		}
		view = BoundView{ID: au.ID, URI: bound.URI, Codes: bound.Codes}
		return a.applyTo(ctx, by, act{
			action: "authenticator.add", subject: acc.Name, detail: factor + " " + au.ID, after: viewAuthenticator(acc.Name, &au),
		}, sameRank(acc), AddAuthenticator{au})
	})
	if err != nil {
		return BoundView{}, err
	}
	return view, nil
}

// recoveryFactor is the factor that recovery codes belong to.
const recoveryFactor = "recovery"

// NewRecoveryCodes gives an account a fresh sheet of recovery codes; the old
// sheet ends. An account without a second factor gets none: codes that exist
// before MFA is on could be kept for later (CVE-2022-36071).
func (a *Admin) NewRecoveryCodes(ctx context.Context, by Actor, name string) (BoundView, error) {
	var view BoundView
	err := a.onAccount(ctx, by, name, func(acc auth.Account) error {
		var err error
		view, err = a.newRecoveryCodes(ctx, by, acc)
		return err
	})
	if err != nil {
		return BoundView{}, err
	}
	return view, nil
}

func (a *Admin) newRecoveryCodes(ctx context.Context, by Actor, acc auth.Account) (BoundView, error) {
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return BoundView{}, err
	}
	second, old, _ := standings(held)
	if len(second) == 0 {
		return BoundView{}, invalid("sallyport authenticator add "+acc.Name+" --factor oath", "%s holds no second factor yet that recovery codes could stand in for", acc.Name)
	}
	au, bound, err := a.bind(ctx, acc, recoveryFactor, auth.Binding{Account: acc.Name})
	if err != nil {
		return BoundView{}, err
	}
	changes := append([]Change{sameRank(acc), stillHeld(acc, second[0])}, removals(old)...)
	changes = append(changes, AddAuthenticator{au})
	if err := a.apply(ctx, by, "authenticator.recovery-codes", acc.Name, au.ID, changes...); err != nil {
		return BoundView{}, heldNoMore(err)
	}
	return BoundView{ID: au.ID, Codes: bound.Codes}, nil
}

// standings sorts out what an account holds: its second factors in their order,
// the recovery codes that stand in for them, and the PIN beside them.
func standings(held []auth.Authenticator) (second, recovery, pin []auth.Authenticator) {
	for _, h := range held {
		switch h.Factor {
		case passwordFactor:
		case recoveryFactor:
			recovery = append(recovery, h)
		case auth.PINFactor:
			pin = append(pin, h)
		default:
			second = append(second, h)
		}
	}
	return second, recovery, pin
}

func removals(gone []auth.Authenticator) []Change {
	changes := make([]Change, len(gone))
	for i := range gone {
		changes[i] = RemoveAuthenticator{gone[i].ID}
	}
	return changes
}

// stillHeld changes nothing and fails if the account does not hold the
// authenticator any more.
func stillHeld(acc auth.Account, h auth.Authenticator) Change {
	return UpdateAuthenticator{h.ID, func(now *auth.Authenticator) error {
		if now.Account != acc.ID {
			return errStale
		}
		return nil
	}}
}

// heldNoMore turns the store's word that an authenticator is gone into errStale:
// what an account holds has changed since it was looked at.
func heldNoMore(err error) error {
	var told *Problem
	if errors.Is(err, ErrNotFound) && !errors.As(err, &told) {
		return errStale
	}
	return err
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
		Created: a.moment(), State: bound.State, Mark: bound.Mark,
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
	views, first := make([]AuthenticatorView, len(held)), true
	for i := range held {
		views[i] = viewAuthenticator(acc.Name, &held[i])
		if second, _, _ := standings(held[i : i+1]); acc.ID != "" && first && len(second) > 0 {
			views[i].Default, first = true, false
		}
	}
	return views, nil
}

func viewAuthenticator(account string, h *auth.Authenticator) AuthenticatorView {
	return AuthenticatorView{
		ID: h.ID, Account: account, Factor: h.Factor, Label: h.Label, Serial: h.Serial,
		Used: h.Mark != auth.NoMark, Created: h.Created,
	}
}

// recentLogins is how many of an account's newest logins are searched for when
// its authenticators were last used.
const recentLogins = 100

// noteUse fills in when each was last used.
func (a *Admin) noteUse(ctx context.Context, acc auth.Account, views []AuthenticatorView) error {
	if len(views) == 0 {
		return nil
	}
	page, err := a.Store.SearchEvents(ctx, EventSearch{Subject: acc.ID, Verdicts: []auth.Verdict{auth.Accept}, Limit: recentLogins})
	if err != nil {
		return err
	}
	for i := range views {
		for j := range page.Events { // the newest first
			if page.Events[j].Authenticator == views[i].ID {
				views[i].UsedAt = &page.Events[j].Time
				break
			}
		}
	}
	return nil
}

// RevokeAuthenticator ends an authenticator, named by its ID or serial, and the
// sessions of whoever held it. With an account's last second factor go its
// recovery codes and its PIN.
func (a *Admin) RevokeAuthenticator(ctx context.Context, by Actor, idOrSerial string) error {
	return again(func() error {
		au, err := a.authenticator(ctx, idOrSerial)
		if err != nil {
			return err
		}
		acc, err := a.ownerOf(ctx, by, au)
		if err != nil {
			return err
		}
		changes := []Change{RemoveAuthenticator{au.ID}}
		if acc.ID != "" {
			held, err := a.Store.Authenticators(ctx, acc.ID)
			if err != nil {
				return err
			}
			second, recovery, pin := standings(held)
			switch {
			case len(second) == 1 && second[0].ID == au.ID:
				changes = append(append(changes, removals(recovery)...), removals(pin)...)
			case len(second) > 1 && slices.ContainsFunc(second, func(h auth.Authenticator) bool { return h.ID == au.ID }):
				// Recovery codes stay for the sake of another one, which must stay too.
				other := slices.IndexFunc(second, func(h auth.Authenticator) bool { return h.ID != au.ID })
				changes = append(changes, stillHeld(acc, second[other]))
			}
			changes = append(changes, sameRank(acc), EndSessions{Account: acc.ID})
		}
		err = a.applyTo(ctx, by, act{
			action: "authenticator.revoke", subject: au.ID, detail: au.Factor + " " + au.Label + " " + au.Serial, before: viewAuthenticator(acc.Name, &au),
		}, changes...)
		return heldNoMore(err)
	})
}

// ownerOf returns the account that holds an authenticator, the zero Account if
// nobody does. The actor may change it.
func (a *Admin) ownerOf(ctx context.Context, by Actor, au auth.Authenticator) (auth.Account, error) {
	if au.Account == "" {
		return auth.Account{}, nil
	}
	acc, err := a.Store.AccountByID(ctx, au.Account)
	if errors.Is(err, ErrNotFound) {
		return auth.Account{}, errStale // it went with its account
	} else if err != nil {
		return auth.Account{}, err
	}
	return acc, a.mayChange(ctx, by, acc)
}

// AssignToken gives a token that nobody holds to an account.
func (a *Admin) AssignToken(ctx context.Context, by Actor, idOrSerial, name string) error {
	return a.onAccount(ctx, by, name, func(acc auth.Account) error {
		au, err := a.authenticator(ctx, idOrSerial)
		if err != nil {
			return err
		}
		given := au
		given.Account = acc.ID
		return a.applyTo(ctx, by, act{
			action: "authenticator.assign", subject: acc.Name, detail: au.ID + " " + au.Serial,
			before: viewAuthenticator("", &au), after: viewAuthenticator(acc.Name, &given),
		}, sameRank(acc), UpdateAuthenticator{au.ID, func(au *auth.Authenticator) error {
			if au.Account != "" {
				return invalid("sallyport authenticator revoke it first", "somebody holds token %s already", idOrSerial)
			}
			au.Account = acc.ID
			return nil
		}})
	})
}

// Resync finds the moving factor of a token again from two consecutive codes.
func (a *Admin) Resync(ctx context.Context, by Actor, idOrSerial string, first, second auth.Code) error {
	return again(func() error {
		au, err := a.authenticator(ctx, idOrSerial)
		if err != nil {
			return err
		}
		acc, err := a.ownerOf(ctx, by, au)
		if err != nil {
			return err
		}
		resync, err := a.resync(ctx, au.Factor, first, second)
		if err != nil {
			return err
		}
		changes := []Change{UpdateAuthenticator{au.ID, func(now *auth.Authenticator) error {
			if now.Account != au.Account {
				return errStale
			}
			return resync(now)
		}}}
		if acc.ID != "" {
			changes = append(changes, sameRank(acc))
		}
		return heldNoMore(a.apply(ctx, by, "authenticator.resync", au.ID, au.Serial, changes...))
	})
}

// resync returns the change that two consecutive codes make to an authenticator
// of a factor.
func (a *Admin) resync(ctx context.Context, factor string, first, second auth.Code) (func(*auth.Authenticator) error, error) {
	f, err := a.factor(factor)
	if err != nil {
		return nil, err
	}
	r, ok := f.(auth.Resyncer)
	if !ok {
		return nil, invalid("", "an authenticator of factor %s has nothing to resynchronize", factor)
	}
	return func(au *auth.Authenticator) error {
		finding, err := r.Resync(ctx, *au, first, second, a.moment())
		if err != nil {
			return err
		}
		if !finding.Match() {
			return invalid("give two codes that the token showed one after the other, the older first",
				"the two codes do not follow one another on this token, or were used before")
		}
		spend(au, finding)
		return nil
	}, nil
}

// spend moves an authenticator on by what it has matched.
func spend(au *auth.Authenticator, f auth.Finding) {
	au.Mark = f.Mark()
	if next := f.Next(); next != nil {
		au.State = next
	}
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
		add, reason, err := a.importToken(ctx, by, t)
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
func (a *Admin) importToken(ctx context.Context, by Actor, t pskc.Token) (add AddAuthenticator, reason string, err error) {
	var acc auth.Account
	if t.Owner != "" {
		if acc, err = a.account(ctx, t.Owner); errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
			return add, fmt.Sprintf("no account %q", t.Owner), nil
		} else if err != nil {
			return add, "", err
		}
		if err := a.mayChange(ctx, by, acc); errors.Is(err, ErrForbidden) {
			return add, err.Error(), nil
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
