package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sallyport/auth"
)

// Me is what a person sees of their own account.
type Me struct {
	Name           string              `json:"name"`
	Role           string              `json:"role,omitempty"`
	HasPassword    bool                `json:"has_password"`
	Authenticators []AuthenticatorView `json:"authenticators"` // but for password, recovery codes and PIN
	// RecoveryCodesLeft is how many recovery codes are unused, nil if there are
	// none to use or that cannot be told.
	RecoveryCodesLeft *int        `json:"recovery_codes_left,omitempty"`
	HasRecoveryCodes  bool        `json:"has_recovery_codes"`
	PIN               *PINView    `json:"pin,omitempty"` // nil if there can be none
	MayBypass         bool        `json:"may_bypass"`
	BypassSeconds     int         `json:"bypass_seconds,omitempty"`
	Bypass            *BypassView `json:"bypass,omitempty"`
	Enrolling         bool        `json:"enrolling"`            // signed in by an invitation: nothing but setting up
	Replacing         bool        `json:"replacing,omitempty"`  // what is set up takes the place of what was there
	Enrollable        []string    `json:"enrollable,omitempty"` // kinds that BeginEnrolment takes
}

// A counter is a factor that can tell how many codes of a sheet are left.
type counter interface {
	Left(a auth.Authenticator) (int, error)
}

// Me returns what a person holds.
func (a *Admin) Me(ctx context.Context, p Person) (Me, error) {
	me := Me{
		Name: p.Account.Name, Role: p.Account.Role, Authenticators: []AuthenticatorView{},
		Enrolling: p.Session.Enrolling(), Replacing: p.Session.Factor == FactorReplacement,
		Enrollable: []string{EnrolOATH, EnrolToken},
	}
	if a.Passkeys != nil {
		me.Enrollable = append(me.Enrollable, EnrolPasskey)
	}
	all, err := a.authenticators(ctx, p.Account)
	if err != nil {
		return Me{}, err
	}
	if err := a.noteUse(ctx, p.Account, all); err != nil {
		return Me{}, err
	}
	var set time.Time // when the PIN was
	for _, v := range all {
		switch v.Factor {
		case passwordFactor:
			me.HasPassword = true
		case auth.PINFactor:
			set = v.Created
		case recoveryFactor:
			me.HasRecoveryCodes = true
			if me.RecoveryCodesLeft, err = a.codesLeft(ctx, v.ID); err != nil {
				return Me{}, err
			}
		default:
			me.Authenticators = append(me.Authenticators, v)
		}
	}
	me.PIN = a.viewPIN(me.Authenticators, set)
	if me.Enrolling {
		return me, nil
	}
	me.MayBypass, me.BypassSeconds = a.SelfBypass > 0, int(a.SelfBypass/time.Second)
	me.Bypass, err = a.bypass(ctx, p.Account)
	return me, err
}

// codesLeft returns how many codes of a sheet are unused, nil if nobody can
// tell.
func (a *Admin) codesLeft(ctx context.Context, id string) (*int, error) {
	f, err := a.factor(recoveryFactor)
	if err != nil {
		return nil, err
	}
	c, ok := f.(counter)
	if !ok {
		return nil, nil
	}
	au, err := a.Store.OpenAuthenticator(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n, err := c.Left(au)
	return &n, err
}

// own finds one of a person's authenticators that are not password, recovery
// codes or PIN, and the others of those, in their order.
func (a *Admin) own(ctx context.Context, p Person, id string) (au auth.Authenticator, others []auth.Authenticator, err error) {
	if p.Session.Enrolling() {
		return au, nil, onlyEnrolling()
	}
	held, err := a.Store.Authenticators(ctx, p.Account.ID)
	if err != nil {
		return au, nil, err
	}
	second, _, _ := standings(held)
	for _, h := range second {
		if h.ID == id {
			au = h
		} else {
			others = append(others, h)
		}
	}
	if au.ID == "" {
		return au, nil, notYours()
	}
	return au, others, nil
}

func notYours() error {
	return &Problem{"you have no such authenticator", "it may have been removed; load the page again", ErrNotFound}
}

// RenameAuthenticator gives one of a person's authenticators another label.
func (a *Admin) RenameAuthenticator(ctx context.Context, p Person, id, label string) error {
	label, err := checkLabel(label)
	if err != nil {
		return err
	}
	return again(func() error {
		au, _, err := a.own(ctx, p, id)
		if err != nil {
			return err
		}
		next := au
		next.Label = label
		return heldNoMore(a.applyTo(ctx, p.actor(), act{
			action: "authenticator.rename", subject: p.Account.Name, detail: au.Factor + " " + au.ID,
			before: viewAuthenticator(p.Account.Name, &au), after: viewAuthenticator(p.Account.Name, &next),
		}, UpdateAuthenticator{id, func(now *auth.Authenticator) error {
			if now.Account != p.Account.ID {
				return errStale
			}
			now.Label = label
			return nil
		}}))
	})
}

// Prefer makes one of a person's authenticators the one that they are asked for
// first.
func (a *Admin) Prefer(ctx context.Context, p Person, id string) error {
	return again(func() error {
		au, _, err := a.own(ctx, p, id)
		if err != nil {
			return err
		}
		return heldNoMore(a.apply(ctx, p.actor(), "authenticator.prefer", p.Account.Name, au.Factor+" "+au.ID, stillHeld(p.Account, au), PreferAuthenticator{id}))
	})
}

// RemoveOwnAuthenticator ends one of a person's authenticators, and their other
// sessions. The last one stays until there is a new one.
func (a *Admin) RemoveOwnAuthenticator(ctx context.Context, p Person, id string) error {
	return again(func() error {
		au, others, err := a.own(ctx, p, id)
		if err != nil {
			return err
		}
		if len(others) == 0 {
			return invalid("set up the new one first, then remove this one", "this is the only one that you can prove yourself with")
		}
		// The other one must stay, also if somebody removes it at this moment.
		return heldNoMore(a.applyTo(ctx, p.actor(), act{
			action: "authenticator.revoke", subject: au.ID, detail: au.Factor + " " + au.Label + " " + au.Serial, before: viewAuthenticator(p.Account.Name, &au),
		}, stillHeld(p.Account, others[0]), RemoveAuthenticator{au.ID}, EndSessions{Account: p.Account.ID, Except: p.Session.ID}))
	})
}

// OwnRecoveryCodes gives a person a fresh sheet of recovery codes; the old one
// ends.
func (a *Admin) OwnRecoveryCodes(ctx context.Context, p Person) ([]string, error) {
	if p.Session.Enrolling() {
		return nil, onlyEnrolling()
	}
	var view BoundView
	err := again(func() error {
		var err error
		view, err = a.newRecoveryCodes(ctx, p.actor(), p.Account)
		return err
	})
	if errors.Is(err, ErrInvalid) {
		return nil, invalid("set up an authenticator first", "you have no second factor yet that recovery codes could stand in for")
	}
	return view.Codes, err
}

// OwnPassword sets a person's password and ends their other sessions. By an
// invitation it can be set only if there is none.
func (a *Admin) OwnPassword(ctx context.Context, p Person, password string) error {
	if p.Session.Enrolling() {
		held, err := a.Store.Authenticators(ctx, p.Account.ID)
		if err != nil {
			return err
		}
		for _, h := range held {
			if h.Factor == passwordFactor {
				return forbidden("sign in with it, or ask the help desk", "you have a password already, and an invitation does not let you change it")
			}
		}
	}
	err := a.setPassword(ctx, p.actor(), p.Account, password, "", p.Session.ID)
	if err = heldNoMore(err); errors.Is(err, errStale) {
		return changed()
	}
	return err
}

// selfReason is the reason of a bypass that a person takes.
const selfReason = "taken at the portal"

// OwnBypass spares a person's next login the second factor, if people may do
// that here.
func (a *Admin) OwnBypass(ctx context.Context, p Person) (BypassView, error) {
	if p.Session.Enrolling() {
		return BypassView{}, onlyEnrolling()
	}
	if a.SelfBypass <= 0 {
		return BypassView{}, forbidden("ask the help desk", "people cannot take a bypass here")
	}
	id, err := newID()
	if err != nil {
		return BypassView{}, err
	}
	now := a.moment()
	b := auth.Bypass{ID: id, Account: p.Account.ID, From: now, Until: now.Add(a.SelfBypass), Reason: selfReason, Actor: p.Account.Name}
	view := viewBypass(p.Account.Name, &b, now)
	detail := fmt.Sprintf("once, for %d s: %s", a.SelfBypass/time.Second, selfReason)
	err = a.applyTo(ctx, p.actor(), act{action: "bypass.add", subject: p.Account.Name, detail: detail, after: view}, a.sameStanding(p.Account), AddBypass{b})
	if err != nil {
		return BypassView{}, signedOut(err)
	}
	return view, nil
}

// A MyEvent is a login as the person sees it whose name was used.
type MyEvent struct {
	Time        time.Time `json:"time"`
	Application string    `json:"application"`
	Client      string    `json:"client"`
	From        string    `json:"from,omitempty"`
	Source      string    `json:"source,omitempty"`
	Verdict     string    `json:"verdict"`
	Message     string    `json:"message" prose:"true"`
	Reference   string    `json:"reference"`
	Factor      string    `json:"factor,omitempty"`
	Outcome     string    `json:"outcome"`
}

// MyEvents is a page of a person's logins, the newest first.
type MyEvents struct {
	Items []MyEvent `json:"items"`
	Next  string    `json:"next,omitempty"` // the cursor of the page behind this one, "" at the end
}

const usualEvents, maxEvents = 50, 200

// OwnEvents returns the logins of a person's account, as persons read them.
// limit is 1 to 200, 0 for 50.
func (a *Admin) OwnEvents(ctx context.Context, p Person, cursor string, limit int) (MyEvents, error) {
	if p.Session.Enrolling() {
		return MyEvents{}, onlyEnrolling()
	}
	if limit == 0 {
		limit = usualEvents
	}
	if limit < 1 || limit > maxEvents {
		return MyEvents{}, invalid("", "a page has 1 to %d logins, not %d", maxEvents, limit)
	}
	s := EventSearch{Subject: p.Account.ID, Limit: limit}
	if cursor != "" {
		var err error
		if s.Before, err = strconv.ParseUint(cursor, 10, 63); err != nil || s.Before == 0 {
			return MyEvents{}, invalid("begin again without one", "%q is no cursor", cursor)
		}
	}
	page, err := a.Store.SearchEvents(ctx, s)
	if err != nil {
		return MyEvents{}, err
	}
	list := MyEvents{Items: make([]MyEvent, len(page.Events))}
	for i := range page.Events {
		list.Items[i] = a.viewMine(&page.Events[i])
	}
	if page.Next != 0 {
		list.Next = strconv.FormatUint(page.Next, 10)
	}
	return list, nil
}

// viewMine leaves out what is for the administrator's eyes.
func (a *Admin) viewMine(ev *auth.Event) MyEvent {
	v := MyEvent{
		Time: ev.Time, Application: ev.Application, Client: ev.Client, From: ev.From, Verdict: ev.Verdict.String(),
		Message: ev.Outcome.Meaning().Person, Reference: string(a.References.Of(ev.Seq)), Factor: ev.Factor, Outcome: ev.Outcome.String(),
	}
	if ev.Source.IsValid() {
		v.Source = ev.Source.Addr().String()
	}
	return v
}

// NotMe records that a person says of one of their logins that it was somebody
// else's, blocks the account and ends all of its sessions. The last owner is not
// blocked, so that somebody can go on from there.
func (a *Admin) NotMe(ctx context.Context, p Person, reference string) error {
	if p.Session.Enrolling() {
		return onlyEnrolling()
	}
	none := &Problem{"you have no login of this reference", "take the reference from your own list of logins", ErrNotFound}
	seq, err := a.References.Seq(reference)
	if err != nil {
		return none
	}
	ev, err := a.Store.Event(ctx, seq)
	if errors.Is(err, ErrNotFound) || err == nil && ev.Subject != p.Account.ID {
		return none
	} else if err != nil {
		return err
	}
	ref := a.References.Of(seq)
	detail := fmt.Sprintf("says that the login %s at %s was somebody else's", ref, ev.Client)
	return again(func() error {
		acc, err := a.Store.AccountByID(ctx, p.Account.ID)
		if err != nil {
			return signedOut(err)
		}
		_, err = a.edit(ctx, p.actor(), acc, "", edit{action: fraudAction, detail: detail, shuts: true, change: func(acc *auth.Account) {
			acc.Blocked, acc.BlockReason, acc.BlockedUntil = true, "said at the portal that the login "+string(ref)+" was somebody else's", time.Time{}
		}})
		if errors.Is(err, ErrLastOwner) {
			err = a.apply(ctx, p.actor(), fraudAction, acc.Name, detail+"; not blocked, because nobody else is an owner", unmoved(acc), EndSessions{Account: acc.ID})
		}
		return err
	})
}
