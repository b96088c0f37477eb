package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sallyport/auth"
)

// ticketLife is how long a ticket can be used: as long as a browser takes to
// follow a redirection.
const ticketLife = time.Minute

// NewTicket makes a ticket that carries a login to the host of a client of the
// door "https": whoever brings it to Admit is that person there. It can be used
// once, within a minute, at that client.
func (a *Admin) NewTicket(ctx context.Context, in SignedIn) (ticket string, err error) {
	acc, err := a.Store.AccountByID(ctx, in.Account)
	if err != nil {
		return "", signedOut(err)
	}
	if _, err := a.mayBeIn(ctx, &acc, in.Client); err != nil {
		return "", err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("admin: encode a ticket: %w", err)
	}
	ticket, now := newSecret(), a.moment()
	return ticket, a.Store.Apply(ctx, Act{}, AddCeremony{Ceremony: Ceremony{
		ID: ceremonyID(ticket), Kind: CeremonyTicket, Account: acc.ID, Body: auth.Secret(body), Created: now, Expires: now.Add(ticketLife),
	}})
}

// Admit ends a ticket and begins the session at its client that it stands for,
// with the browser's address and name as they are now. It is a Problem of the
// kind ErrSignedOut if the ticket is another client's, has been used or has
// expired, or its account may not be signed in any more.
func (a *Admin) Admit(ctx context.Context, client, ticket, source, agent string) (token string, s Session, err error) {
	c, err := a.ceremony(ctx, CeremonyTicket, ceremonyID(ticket))
	if err != nil {
		return "", Session{}, signedOut(err)
	}
	var in SignedIn
	if err := json.Unmarshal(c.Body, &in); err != nil {
		return "", Session{}, errors.New("admin: read a ticket: it is not what was written")
	}
	if in.Client != client || in.Account != c.Account {
		return "", Session{}, signedOut(ErrNotFound)
	}
	acc, err := a.Store.AccountByID(ctx, c.Account)
	if err != nil {
		return "", Session{}, signedOut(err)
	}
	if _, err := a.mayBeIn(ctx, &acc, client); err != nil {
		return "", Session{}, err
	}
	in.Source, in.Agent = source, agent
	token, s, err = a.session(in, portalLife)
	if err != nil {
		return "", Session{}, err
	}
	return token, s, signedOut(a.Store.Apply(ctx, Act{}, TakeCeremony{ID: c.ID, Now: a.moment()}, AddSession{s}))
}
