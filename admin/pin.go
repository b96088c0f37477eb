package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"sallyport/auth"
)

// PINs makes and judges PINs.
type PINs interface {
	auth.PINs
	// New returns the state of a PIN that a person has typed, given the one that
	// they had, with its state, or nil. It returns auth.ErrBind, wrapped with what
	// is wrong, if the rules refuse it.
	New(typed auth.Secret, before *auth.Authenticator) (auth.Secret, error)
	// Bounds returns the rules, and how many digits a PIN has at most.
	Bounds() (rules auth.PINRules, maxDigits int)
}

// A PINView says what a person has to know of their PIN.
type PINView struct {
	Set        *time.Time `json:"set,omitempty"`     // when it was set, nil if there is none
	Expires    *time.Time `json:"expires,omitempty"` // when it has to be changed, nil if it need not be
	MinDigits  int        `json:"min_digits"`
	MaxDigits  int        `json:"max_digits"`
	Remembered int        `json:"remembered"` // so many former ones are not taken again
}

// viewPIN returns what a person sees of a PIN that was set at a time, the zero
// time if there is none; nil if they hold nothing that it could go with.
func (a *Admin) viewPIN(second []AuthenticatorView, set time.Time) *PINView {
	goes := false
	for i := range second {
		goes = goes || a.takesPIN(second[i].Factor)
	}
	if a.PINs == nil || !goes && set.IsZero() {
		return nil
	}
	rules, most := a.PINs.Bounds()
	v := &PINView{MinDigits: rules.MinDigits, MaxDigits: most, Remembered: rules.Remembered}
	if set.IsZero() {
		return v
	}
	v.Set = &set
	if at, ends := rules.Expires(set); ends {
		v.Expires = &at
	}
	return v
}

// takesPIN reports whether the codes of a factor are followed by a PIN.
func (a *Admin) takesPIN(factor string) bool {
	f, err := a.factor(factor)
	return err == nil && f.Info().PINPrompt != ""
}

// newPIN makes a PIN for an account, to be kept once it has been typed rightly.
func (a *Admin) newPIN(ctx context.Context, acc auth.Account, held []auth.Authenticator, typed string) (*kept, error) {
	if a.PINs == nil {
		return nil, invalid("", "this server takes no PINs")
	}
	second, _, old := standings(held)
	goes := false
	for i := range second {
		goes = goes || a.takesPIN(second[i].Factor)
	}
	if !goes {
		return nil, invalid("set up an authenticator app or a token first", "a PIN is typed after the code of an app or token, and you have neither")
	}
	var before *auth.Authenticator
	if len(old) > 0 {
		open, err := a.Store.OpenAuthenticator(ctx, old[0].ID)
		if err != nil && !errors.Is(err, ErrNotFound) { // then it was removed this moment
			return nil, err
		} else if err == nil {
			before = &open
		}
	}
	state, err := a.PINs.New(auth.Secret(typed), before)
	if errors.Is(err, auth.ErrBind) {
		return nil, invalid("choose another one", "this PIN is not taken: %s", strings.TrimPrefix(err.Error(), auth.ErrBind.Error()+": "))
	} else if err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	return keep(auth.Authenticator{ID: id, Account: acc.ID, Factor: auth.PINFactor, Created: a.moment(), State: state, Mark: auth.NoMark}), nil
}

// confirmPIN makes a PIN a person's own once they have typed it after a code of
// their app or token, as they will at logins. The code is spent.
func (a *Admin) confirmPIN(ctx context.Context, p Person, c Ceremony, w *pending, held []auth.Authenticator, typed auth.Code) (Confirmed, error) {
	if a.PINs == nil || w.Authenticator == nil {
		return Confirmed{}, errors.New("admin: read an enrolment: it is not of a PIN")
	}
	au := w.Authenticator.authenticator()
	au.Created = a.moment() // its age counts from here
	code, wrong, err := a.PINs.Split(au, typed, au.Created)
	if err != nil {
		return Confirmed{}, err
	}
	second, _, old := standings(held)
	spent, why, err := a.codeOf(ctx, p, second, code)
	if err != nil {
		return Confirmed{}, err
	}
	switch {
	case wrong != 0:
		return Confirmed{}, invalid("type the code that the app or token shows and right after it the new PIN", "the new PIN does not come after the code, or is not what you chose before")
	case spent == nil && (why == auth.DuplicateOATHCode || why == auth.OATHCodeOutOfDate):
		return Confirmed{}, a.wrongCode(why, p.Account.Name)
	case spent == nil:
		return Confirmed{}, invalid("type the code that it shows now and right after it the new PIN", "the code before the PIN is none of your app or token")
	}
	changes := append([]Change{TakeCeremony{ID: c.ID, Now: au.Created}, a.sameStanding(p.Account), spent}, removals(old)...)
	changes = append(changes, AddAuthenticator{au}, EndSessions{Account: p.Account.ID, Except: p.Session.ID})
	done := Confirmed{Authenticator: viewAuthenticator(p.Account.Name, &au)}
	return done, a.applyTo(ctx, p.actor(), act{action: "account.pin", subject: p.Account.Name, detail: au.ID, after: done.Authenticator}, changes...)
}

// codeOf returns the change that spends a code at the one of a person's
// authenticators that shows it; nil and why if none of them does.
func (a *Admin) codeOf(ctx context.Context, p Person, second []auth.Authenticator, code auth.Code) (Change, auth.Outcome, error) {
	why := auth.CodeNotRecognized
	for i := range second {
		f, err := a.factor(second[i].Factor)
		if err != nil {
			return nil, 0, err
		}
		if f.Info().PINPrompt == "" {
			continue
		}
		open, err := a.Store.OpenAuthenticator(ctx, second[i].ID)
		if err != nil {
			return nil, 0, heldNoMore(err)
		}
		finding, err := f.Verify(ctx, open, auth.Attempt{Claimant: p.Account.Name, Evidence: []auth.Evidence{code}, Time: a.moment()})
		if err != nil {
			return nil, 0, err
		}
		if finding.Match() {
			return UpdateAuthenticator{open.ID, func(now *auth.Authenticator) error {
				if now.Account != p.Account.ID || now.Mark != open.Mark {
					return errStale
				}
				spend(now, finding)
				return nil
			}}, 0, nil
		}
		if finding.Outcome() != 0 {
			why = finding.Outcome()
		}
	}
	return nil, why, nil
}

// RemoveOwnPIN takes a person's PIN away and ends their other sessions: codes
// stand by themselves again.
func (a *Admin) RemoveOwnPIN(ctx context.Context, p Person) error {
	if p.Session.Enrolling() {
		return onlyEnrolling()
	}
	return again(func() error {
		held, err := a.Store.Authenticators(ctx, p.Account.ID)
		if err != nil {
			return err
		}
		_, _, old := standings(held)
		if len(old) == 0 {
			return &Problem{"you have no PIN", "it may have been removed; load the page again", ErrNotFound}
		}
		changes := append([]Change{a.sameStanding(p.Account)}, removals(old)...)
		changes = append(changes, EndSessions{Account: p.Account.ID, Except: p.Session.ID})
		return heldNoMore(a.applyTo(ctx, p.actor(), act{
			action: "account.pin-remove", subject: p.Account.Name, detail: old[0].ID, before: viewAuthenticator(p.Account.Name, &old[0]),
		}, changes...))
	})
}
