package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Expiry is something with a date.
type Expiry struct {
	// What is certificate, api-key, invitation, bypass, block or rotation.
	What string `json:"what"`
	Name string `json:"name"` // of the account, key, client or listener
	// At is when it ends by itself. A rotation of a secret does not: its At is
	// when it was begun.
	At     time.Time `json:"at"`
	Detail string    `json:"detail,omitempty" prose:"true"`
	Link   string    `json:"link"` // path in the console
}

// The kinds of Expiry.
const (
	expiringCertificate = "certificate"
	expiringKey         = "api-key"
	expiringInvitation  = "invitation"
	expiringBypass      = "bypass"
	expiringBlock       = "block"
	begunRotation       = "rotation"
)

// maxExpiring bounds how many blocks and how many invitations a calendar shows.
const maxExpiring = 500

// Expiring is the calendar of everything that ends by itself, and of secret
// rotations that were begun and not finished, the soonest first. Sessions and
// challenges are not in it: their end is no news.
func (a *Admin) Expiring(ctx context.Context) ([]Expiry, error) {
	list := []Expiry{}
	if a.Certificates != nil {
		for _, c := range a.Certificates() {
			list = append(list, Expiry{What: expiringCertificate, Name: c.Listener, At: c.Until, Detail: c.Subject, Link: "/console/system"})
		}
	}
	keys, err := a.Store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !k.Expires.IsZero() {
			list = append(list, Expiry{What: expiringKey, Name: k.Name, At: k.Expires, Link: "/console/api-keys"})
		}
	}
	for _, collect := range []func(context.Context, []Expiry) ([]Expiry, error){a.expiringInvitations, a.expiringBypasses, a.expiringBlocks, a.rotations} {
		if list, err = collect(ctx, list); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(x, y Expiry) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Name, y.Name)) })
	return list, nil
}

func (a *Admin) expiringInvitations(ctx context.Context, list []Expiry) ([]Expiry, error) {
	open, err := a.Store.Ceremonies(ctx, CeremonyInvitation, a.Now())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(open, func(x, y Ceremony) int { return x.Expires.Compare(y.Expires) })
	for _, c := range open[:min(len(open), maxExpiring)] {
		acc, err := a.Store.AccountByID(ctx, c.Account)
		if errors.Is(err, ErrNotFound) {
			continue // it was removed this moment
		} else if err != nil {
			return nil, err
		}
		list = append(list, Expiry{What: expiringInvitation, Name: acc.Name, At: c.Expires, Detail: c.Note, Link: accountLink(acc.Name)})
	}
	return list, nil
}

func (a *Admin) expiringBypasses(ctx context.Context, list []Expiry) ([]Expiry, error) {
	bypasses, err := a.Bypasses(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range bypasses {
		if b.Live {
			list = append(list, Expiry{What: expiringBypass, Name: b.Account, At: b.Until, Detail: fmt.Sprintf("%s (allowed by %s)", b.Reason, b.Actor), Link: accountLink(b.Account)})
		}
	}
	return list, nil
}

func (a *Admin) expiringBlocks(ctx context.Context, list []Expiry) ([]Expiry, error) {
	blocked, err := a.Store.SearchAccounts(ctx, AccountSearch{Blocked: true, Now: a.Now(), Limit: maxExpiring})
	if err != nil {
		return nil, err
	}
	for i := range blocked {
		if acc := &blocked[i]; !acc.BlockedUntil.IsZero() {
			list = append(list, Expiry{What: expiringBlock, Name: acc.Name, At: acc.BlockedUntil, Detail: acc.BlockReason, Link: accountLink(acc.Name)})
		}
	}
	return list, nil
}

// rotations are the clients that have two secrets, with when that was begun.
func (a *Admin) rotations(ctx context.Context, list []Expiry) ([]Expiry, error) {
	s := a.Store.Settings()
	for i := range s.Clients {
		c := &s.Clients[i]
		if len(c.Secrets) < 2 {
			continue
		}
		begun, err := a.rotationBegun(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		if begun.IsZero() {
			begun = c.Created
		}
		list = append(list, Expiry{
			What: begunRotation, Name: c.Name, At: begun,
			Detail: "two secrets are accepted until the rotation is finished", Link: clientLink(c.Name),
		})
	}
	return list, nil
}

// rotationBegun is when a client's secret was last rotated, zero if nothing is
// known of it. The record of changes is the only place that knows.
func (a *Admin) rotationBegun(ctx context.Context, client string) (time.Time, error) {
	const action = "client.rotate"
	// The newest few: a rotation that was finished begins with the same letters.
	acts, err := a.Store.SearchActs(ctx, ActSearch{Action: action, Subject: client, Limit: 10})
	if err != nil {
		return time.Time{}, err
	}
	for i := range acts {
		if acts[i].Action == action {
			return acts[i].Time, nil
		}
	}
	return time.Time{}, nil
}
