package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

// An AccountView is an account as administrators see it.
type AccountView struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Aliases      []string   `json:"aliases"`
	Groups       []string   `json:"groups"`
	Enabled      bool       `json:"enabled"`
	Blocked      bool       `json:"blocked"`
	BlockReason  string     `json:"block_reason,omitempty"`
	BlockedUntil *time.Time `json:"blocked_until,omitempty"`
	Created      time.Time  `json:"created"`

	// The fields below are filled in when one account is shown.
	Authenticators []AuthenticatorView `json:"authenticators,omitempty"`
	Failures       *FailuresView       `json:"failures,omitempty"`
	Bypass         *BypassView         `json:"bypass,omitempty"` // one that was not used, whether or not it can be still
}

// A FailuresView is how close an account is to its limits.
type FailuresView struct {
	Password int        `json:"password"`
	Code     int        `json:"code"`
	Until    *time.Time `json:"waiting_until,omitempty"`
	Stopped  bool       `json:"stopped"` // until somebody unlocks the account
}

// A NewAccount is what AddAccount is given.
type NewAccount struct {
	Name         string   `json:"name"`
	Aliases      []string `json:"aliases"`
	Groups       []string `json:"groups"`
	Password     string   `json:"password"`      // "" for none: only clients that check the password themselves can be used
	PasswordHash string   `json:"password_hash"` // an existing hash instead of Password
}

// AddAccount makes an enabled account.
func (a *Admin) AddAccount(ctx context.Context, by Actor, n NewAccount) (AccountView, error) {
	name, err := canonical(n.Name)
	if err != nil {
		return AccountView{}, err
	}
	id, err := newID()
	if err != nil {
		return AccountView{}, err
	}
	acc := auth.Account{ID: id, Name: name, Enabled: true, Created: a.Now()}
	for _, alias := range n.Aliases {
		c, err := canonical(alias)
		if err != nil {
			return AccountView{}, err
		}
		if c != name && !slices.Contains(acc.Aliases, c) {
			acc.Aliases = append(acc.Aliases, c)
		}
	}
	for _, g := range n.Groups {
		if a.Store.Settings().Group(g) == nil {
			return AccountView{}, &Problem{fmt.Sprintf("there is no group %q", g), "sallyport group add " + g, ErrNotFound}
		}
		acc.Groups = append(acc.Groups, g)
	}
	changes := []Change{AddAccount{acc}}
	if n.Password != "" || n.PasswordHash != "" {
		add, err := a.password(ctx, acc, n.Password, n.PasswordHash)
		if err != nil {
			return AccountView{}, err
		}
		changes = append(changes, add)
	}
	if err := a.apply(ctx, by, "account.add", name, "", changes...); err != nil {
		name := takenName(err, acc)
		return AccountView{}, problem(err, "an account is already called "+name, "sallyport account show "+name+" tells which")
	}
	return viewAccount(acc, a.Now()), nil
}

// SetPassword gives an account a new password in place of the old.
func (a *Admin) SetPassword(ctx context.Context, by Actor, name, password, hash string) error {
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	add, err := a.password(ctx, acc, password, hash)
	if err != nil {
		return err
	}
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return err
	}
	changes := []Change{add}
	for _, h := range held {
		if h.Factor == passwordFactor {
			changes = append(changes, RemoveAuthenticator{h.ID})
		}
	}
	return a.apply(ctx, by, "account.password", acc.Name, "", changes...)
}

// passwordFactor is the factor that a local password belongs to.
const passwordFactor = "password"

func (a *Admin) password(ctx context.Context, acc auth.Account, password, hash string) (Change, error) {
	b := auth.Binding{Account: acc.Name, Secret: auth.Secret(password)}
	if hash != "" {
		b.Secret, b.Hashed = auth.Secret(hash), true
	}
	au, _, err := a.bind(ctx, acc, passwordFactor, b)
	if err != nil {
		return nil, err
	}
	return AddAuthenticator{au}, nil
}

// Accounts lists accounts in the order of their names.
func (a *Admin) Accounts(ctx context.Context, after string, limit int) ([]AccountView, error) {
	accounts, err := a.Store.Accounts(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	views := make([]AccountView, len(accounts))
	for i := range accounts {
		views[i] = viewAccount(accounts[i], a.Now())
	}
	return views, nil
}

// ShowAccount returns one account with what it holds and how often it failed.
func (a *Admin) ShowAccount(ctx context.Context, name string) (AccountView, error) {
	acc, err := a.account(ctx, name)
	if err != nil {
		return AccountView{}, err
	}
	v := viewAccount(acc, a.Now())
	if v.Authenticators, err = a.authenticators(ctx, acc); err != nil {
		return AccountView{}, err
	}
	t, err := a.Store.Throttle(ctx, acc.ID)
	if err != nil {
		return AccountView{}, err
	}
	v.Failures = &FailuresView{
		Password: t.Know.Failures,
		Code:     t.Have.Failures,
		Stopped:  a.Limits.Know.Stopped(t.Know) || a.Limits.Have.Stopped(t.Have) || t.Stopped(),
	}
	until := t.Know.Until
	if t.Have.Until.After(until) {
		until = t.Have.Until
	}
	if until.After(a.Now()) {
		v.Failures.Until = &until
	}
	if v.Bypass, err = a.bypass(ctx, acc); err != nil {
		return AccountView{}, err
	}
	return v, nil
}

// SetEnabled enables or disables an account. A disabled account cannot log in.
func (a *Admin) SetEnabled(ctx context.Context, by Actor, name string, enabled bool) error {
	action := "account.disable"
	if enabled {
		action = "account.enable"
	}
	return a.update(ctx, by, name, action, "", func(acc *auth.Account) { acc.Enabled = enabled })
}

// Block refuses an account's logins until it is unblocked, or until a time. As
// with every change of an account, what caches remember of it is forgotten and
// its open challenges end.
func (a *Admin) Block(ctx context.Context, by Actor, name, reason string, until time.Time) error {
	if !until.IsZero() && !until.After(a.Now()) {
		return invalid("give a time in the future, or none", "a block until %s would be over already", until.Format(time.RFC3339))
	}
	return a.update(ctx, by, name, "account.block", reason, func(acc *auth.Account) {
		acc.Blocked, acc.BlockReason, acc.BlockedUntil = true, reason, until
	})
}

// Unblock lifts a block.
func (a *Admin) Unblock(ctx context.Context, by Actor, name string) error {
	return a.update(ctx, by, name, "account.unblock", "", func(acc *auth.Account) {
		acc.Blocked, acc.BlockReason, acc.BlockedUntil = false, "", time.Time{}
	})
}

// Unlock forgets an account's failures, so that it can log in at once. What
// caches remember of it is forgotten too.
func (a *Admin) Unlock(ctx context.Context, by Actor, name string) error {
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	t, err := a.Store.Throttle(ctx, acc.ID)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("had failed %d passwords and %d codes", t.Know.Failures, t.Have.Failures)
	return a.apply(ctx, by, "account.unlock", acc.Name, detail, ResetThrottle{acc.ID})
}

func (a *Admin) update(ctx context.Context, by Actor, name, action, detail string, change func(*auth.Account)) error {
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	return a.apply(ctx, by, action, acc.Name, detail, UpdateAccount{acc.ID, func(acc *auth.Account) error {
		change(acc)
		return nil
	}})
}

// account finds an account by any spelling that could log in.
func (a *Admin) account(ctx context.Context, name string) (auth.Account, error) {
	spellings, err := auth.Spellings(name, a.Domains)
	if err != nil {
		return auth.Account{}, invalid("", "%q cannot be a name: %v", name, err)
	}
	for _, s := range spellings {
		acc, err := a.Store.Account(ctx, s)
		if err == nil {
			return acc, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return auth.Account{}, err
		}
	}
	return auth.Account{}, &Problem{fmt.Sprintf("no account %q", name), "sallyport account list shows the names", ErrNotFound}
}

func canonical(name string) (string, error) {
	c, err := auth.Canonical(name)
	if err != nil {
		return "", invalid("", "%q cannot be a name: %v", name, err)
	}
	return c, nil
}

// takenName finds which of an account's names a store's ErrExists is about.
func takenName(err error, acc auth.Account) string {
	for _, alias := range acc.Aliases {
		if strings.Contains(err.Error(), strconv.Quote(alias)) {
			return alias
		}
	}
	return acc.Name
}

func viewAccount(a auth.Account, now time.Time) AccountView {
	v := AccountView{
		ID: a.ID, Name: a.Name, Aliases: orEmpty(a.Aliases), Groups: orEmpty(a.Groups),
		Enabled: a.Enabled, Created: a.Created,
	}
	if v.Blocked = a.BlockedAt(now); v.Blocked {
		v.BlockReason = a.BlockReason
		if !a.BlockedUntil.IsZero() {
			v.BlockedUntil = &a.BlockedUntil
		}
	}
	return v
}

// orEmpty makes JSON say [] rather than null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
