package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

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
	Role         string     `json:"role,omitempty"`

	// Factors are the factors that it holds, in lists that were searched for.
	Factors []string `json:"factors,omitempty"`
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
	acc := auth.Account{ID: id, Name: name, Enabled: true, Created: a.moment()}
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
			return AccountView{}, noGroup(g)
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
	view := viewAccount(acc, a.moment())
	if err := a.applyTo(ctx, by, act{action: "account.add", subject: name, after: view}, changes...); err != nil {
		return AccountView{}, taken(err, acc)
	}
	return view, nil
}

// taken tells which name of acc another account has, if err says that one has.
func taken(err error, acc auth.Account) error {
	if !errors.Is(err, ErrExists) {
		return err
	}
	name := takenName(err, acc)
	return problem(err, "an account is already called "+name, "sallyport account show "+name+" tells which")
}

// SetPassword gives an account a new password in place of the old, and ends
// its sessions.
func (a *Admin) SetPassword(ctx context.Context, by Actor, name, password, hash string) error {
	return a.onAccount(ctx, by, name, func(acc auth.Account) error {
		return a.setPassword(ctx, by, acc, password, hash, "")
	})
}

// setPassword ends the sessions of the account but the one named except.
func (a *Admin) setPassword(ctx context.Context, by Actor, acc auth.Account, password, hash, except string) error {
	if acc.Role != "" && hash == "" {
		if err := longPassword(password); err != nil {
			return err
		}
	}
	add, err := a.password(ctx, acc, password, hash)
	if err != nil {
		return err
	}
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return err
	}
	changes := []Change{sameRank(acc), add}
	for _, h := range held {
		if h.Factor == passwordFactor {
			changes = append(changes, RemoveAuthenticator{h.ID})
		}
	}
	changes = append(changes, EndSessions{Account: acc.ID, Except: except})
	return a.apply(ctx, by, "account.password", acc.Name, "", changes...)
}

// minOwnerPassword is the least length of the passwords of people who have a
// role, in characters (SP 800-63B-4, Section 3.1.1.2, for a password that
// somewhere is the only factor).
const minOwnerPassword = 15

func longPassword(password string) error {
	if n := utf8.RuneCountInString(norm.NFC.String(password)); n < minOwnerPassword {
		return invalid("several words in a row are easy to remember and hard to guess",
			"the password of somebody who administers this server has at least %d characters, not %d", minOwnerPassword, n)
	}
	return nil
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
		views[i] = viewAccount(accounts[i], a.moment())
	}
	return views, nil
}

// ShowAccount returns one account with what it holds and how often it failed.
func (a *Admin) ShowAccount(ctx context.Context, name string) (AccountView, error) {
	acc, err := a.account(ctx, name)
	if err != nil {
		return AccountView{}, err
	}
	v := viewAccount(acc, a.moment())
	if v.Authenticators, err = a.authenticators(ctx, acc); err != nil {
		return AccountView{}, err
	}
	if err := a.noteUse(ctx, acc, v.Authenticators); err != nil {
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
	if until.After(a.moment()) {
		v.Failures.Until = &until
	}
	if v.Bypass, err = a.bypass(ctx, acc); err != nil {
		return AccountView{}, err
	}
	return v, nil
}

// SetEnabled enables or disables an account. A disabled account cannot log in;
// its sessions end.
func (a *Admin) SetEnabled(ctx context.Context, by Actor, name string, enabled bool) error {
	if enabled {
		return a.update(ctx, by, name, edit{action: "account.enable", change: func(acc *auth.Account) { acc.Enabled = true }})
	}
	return a.update(ctx, by, name, edit{action: "account.disable", shuts: true, change: func(acc *auth.Account) { acc.Enabled = false }})
}

// Block refuses an account's logins until it is unblocked, or until a time, and
// ends its sessions. As with every change of an account, what caches remember of
// it is forgotten and its open challenges end.
func (a *Admin) Block(ctx context.Context, by Actor, name, reason string, until time.Time) error {
	if !until.IsZero() && !until.After(a.moment()) {
		return invalid("give a time in the future, or none", "a block until %s would be over already", until.Format(time.RFC3339))
	}
	return a.update(ctx, by, name, edit{action: "account.block", detail: reason, shuts: true, change: func(acc *auth.Account) {
		acc.Blocked, acc.BlockReason, acc.BlockedUntil = true, reason, stored(until)
	}})
}

// Unblock lifts a block.
func (a *Admin) Unblock(ctx context.Context, by Actor, name string) error {
	return a.update(ctx, by, name, edit{action: "account.unblock", change: func(acc *auth.Account) {
		acc.Blocked, acc.BlockReason, acc.BlockedUntil = false, "", time.Time{}
	}})
}

// Unlock forgets an account's failures, so that it can log in at once. What
// caches remember of it is forgotten too.
func (a *Admin) Unlock(ctx context.Context, by Actor, name string) error {
	return a.onAccount(ctx, by, name, func(acc auth.Account) error {
		t, err := a.Store.Throttle(ctx, acc.ID)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("had failed %d passwords and %d codes", t.Know.Failures, t.Have.Failures)
		return a.apply(ctx, by, "account.unlock", acc.Name, detail, sameRank(acc), ResetThrottle{acc.ID})
	})
}

// An AccountChange is what ChangeAccount is given. What is nil stays as it is.
type AccountChange struct {
	Name    *string   `json:"name,omitempty"`
	Aliases *[]string `json:"aliases,omitempty"`
	Groups  *[]string `json:"groups,omitempty"`
	Expect  string    `json:"-"` // Tag of the account as it was seen, "" for any
}

// ChangeAccount changes what an account is called, and its groups.
func (a *Admin) ChangeAccount(ctx context.Context, by Actor, name string, n AccountChange) (AccountView, error) {
	var view AccountView
	err := a.onAccount(ctx, by, name, func(acc auth.Account) error {
		next := acc
		if n.Name != nil {
			c, err := canonical(*n.Name)
			if err != nil {
				return err
			}
			next.Name = c
		}
		if n.Aliases != nil {
			next.Aliases = *n.Aliases
		}
		aliases := next.Aliases
		next.Aliases = nil
		for _, alias := range aliases {
			c, err := canonical(alias)
			if err != nil {
				return err
			}
			if c != next.Name && !slices.Contains(next.Aliases, c) {
				next.Aliases = append(next.Aliases, c)
			}
		}
		if n.Groups != nil {
			next.Groups = nil
			for _, g := range *n.Groups {
				if a.Store.Settings().Group(g) == nil {
					return noGroup(g)
				}
				if !slices.Contains(next.Groups, g) {
					next.Groups = append(next.Groups, g)
				}
			}
		}
		var err error
		view, err = a.edit(ctx, by, acc, n.Expect, edit{action: "account.change", change: func(acc *auth.Account) {
			acc.Name, acc.Aliases, acc.Groups = next.Name, next.Aliases, next.Groups
		}})
		return taken(err, next)
	})
	if err != nil {
		return AccountView{}, err
	}
	return view, nil
}

// RemoveAccount ends an account with everything that it holds and its sessions.
// Its events stay. expect is the Tag of the account as it was seen, "" for any.
func (a *Admin) RemoveAccount(ctx context.Context, by Actor, name, expect string) error {
	return a.onAccount(ctx, by, name, func(acc auth.Account) error {
		was := viewAccount(acc, a.moment())
		if err := expected(expect, was); err != nil {
			return err
		}
		changes := []Change{unmoved(acc), EndSessions{Account: acc.ID}, RemoveAccount{acc.ID}}
		if acc.Role == Owner {
			changes = append(changes, KeepOwner{Owner})
		}
		return a.applyTo(ctx, by, act{action: "account.remove", subject: acc.Name, before: was}, changes...)
	})
}

// onAccount does something to an account that the actor may change, again if
// the account was changed meanwhile so that it rests on a record that has moved.
func (a *Admin) onAccount(ctx context.Context, by Actor, name string, do func(acc auth.Account) error) error {
	return again(func() error {
		acc, err := a.account(ctx, name)
		if err != nil {
			return err
		}
		if err := a.mayChange(ctx, by, acc); err != nil {
			return err
		}
		err = do(acc)
		var told *Problem
		if errors.Is(err, ErrNotFound) && !errors.As(err, &told) {
			return noAccount(name) // removed meanwhile
		}
		return err
	})
}

// An edit is a change of an account's own record.
type edit struct {
	action, detail string
	shuts          bool // nobody gets in any more: sessions end, and it must not be the last owner
	change         func(*auth.Account)
}

func (a *Admin) update(ctx context.Context, by Actor, name string, e edit) error {
	return a.onAccount(ctx, by, name, func(acc auth.Account) error {
		_, err := a.edit(ctx, by, acc, "", e)
		return err
	})
}

// edit makes an edit of the account as it was looked at.
func (a *Admin) edit(ctx context.Context, by Actor, acc auth.Account, expect string, e edit) (AccountView, error) {
	was := viewAccount(acc, a.moment())
	if err := expected(expect, was); err != nil {
		return AccountView{}, err
	}
	next := acc
	e.change(&next)
	view := viewAccount(next, a.moment())
	changes := []Change{UpdateAccount{acc.ID, func(now *auth.Account) error {
		if !sameAccount(now, &acc) {
			return errStale
		}
		e.change(now)
		return nil
	}}}
	if e.shuts {
		changes = append(changes, EndSessions{Account: acc.ID})
		if acc.Role == Owner {
			changes = append(changes, KeepOwner{Owner})
		}
	}
	return view, a.applyTo(ctx, by, act{action: e.action, subject: acc.Name, detail: e.detail, before: was, after: view}, changes...)
}

// unmoved changes nothing and fails if the account is not as it was looked at.
func unmoved(acc auth.Account) Change {
	return UpdateAccount{acc.ID, func(now *auth.Account) error {
		if !sameAccount(now, &acc) {
			return errStale
		}
		return nil
	}}
}

// sameRank changes nothing and fails if the account has got another role since
// it was found that the actor may change it.
func sameRank(acc auth.Account) Change {
	return UpdateAccount{acc.ID, func(now *auth.Account) error {
		if now.Role != acc.Role {
			return errStale
		}
		return nil
	}}
}

func sameAccount(a, b *auth.Account) bool {
	return a.ID == b.ID && a.Name == b.Name && slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Groups, b.Groups) &&
		a.Enabled == b.Enabled && a.Blocked == b.Blocked && a.BlockReason == b.BlockReason &&
		a.BlockedUntil.Equal(b.BlockedUntil) && a.Role == b.Role
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
	return auth.Account{}, noAccount(name)
}

func noAccount(name string) error {
	return &Problem{fmt.Sprintf("no account %q", name), "sallyport account list shows the names", ErrNotFound}
}

func noGroup(name string) error {
	return &Problem{fmt.Sprintf("there is no group %q", name), "sallyport group add " + name, ErrNotFound}
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
		Enabled: a.Enabled, Created: a.Created, Role: a.Role,
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
