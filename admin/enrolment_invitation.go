package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// The kinds of invitations: a link that says everything, and a code that is read
// out or typed and counts only with the account's name (SP 800-63B-4, Section
// 4.1.2.1, asks for 112 bits of the one and 40 of the other).
const (
	InviteLink = "link"
	InviteCode = "code"
)

const (
	usualLink, maxLink = 24 * time.Hour, 7 * 24 * time.Hour
	codeLife           = 10 * time.Minute
	codeTries          = 5
	codeDigits         = 8 // of Crockford's base 32: 40 bits
)

// A NewInvitation is what Invite is given.
type NewInvitation struct {
	Account string `json:"account"`           // name
	Kind    string `json:"kind"`              // link or code
	Replace bool   `json:"replace,omitempty"` // the account has authenticators, which the new one replaces
	Seconds int    `json:"seconds,omitempty"` // how long it can be used; 0 for a day, or for ten minutes, which is the most for a code
}

// An Invitation lets a person set up what they sign in with. Secret or Code is
// shown once and kept nowhere.
type Invitation struct {
	InvitationView
	Secret string `json:"secret,omitempty"` // of a link, to be put into its fragment
	Code   string `json:"code,omitempty"`   // XXXX-XXXX
}

// An InvitationView is an invitation that has not been used.
type InvitationView struct {
	ID      string    `json:"id"`
	Account string    `json:"account"` // name
	Kind    string    `json:"kind"`    // link or code
	Replace bool      `json:"replace"`
	By      string    `json:"by"` // who made it
	Tries   int       `json:"tries"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// An invited is the body of an invitation's ceremony.
type invited struct {
	Replace bool   `json:"replace"`
	Code    []byte `json:"code,omitempty"` // SHA-256 of account ID and code
	// May is what the account's role permitted when the invitation was made by
	// somebody of as high a rank. It is void once the role permits more:
	// whoever made it could not have made it then.
	May []Permission `json:"may,omitempty"`
}

// Invite makes an invitation for an account, in place of any that it has. An
// account that holds a second factor can be invited only to replace it.
func (a *Admin) Invite(ctx context.Context, by Actor, n NewInvitation) (Invitation, error) {
	life := time.Duration(n.Seconds) * time.Second
	switch n.Kind {
	case InviteLink:
		if n.Seconds == 0 {
			life = usualLink
		}
		if n.Seconds < 0 || life > maxLink || n.Seconds > int(maxLink/time.Second) {
			return Invitation{}, invalid("a day is usual", "a link can be used for %d seconds at most, not %d", maxLink/time.Second, n.Seconds)
		}
	case InviteCode:
		if n.Seconds == 0 {
			life = codeLife
		}
		if n.Seconds < 0 || n.Seconds > int(codeLife/time.Second) {
			return Invitation{}, invalid("make a link for later", "a code can be used for %d seconds at most, not %d", codeLife/time.Second, n.Seconds)
		}
	default:
		return Invitation{}, invalid("kinds are: link, code", "there are no invitations of the kind %q", n.Kind)
	}
	var made Invitation
	err := a.onAccount(ctx, by, n.Account, func(acc auth.Account) error {
		now := a.moment()
		if !acc.Enabled || acc.BlockedAt(now) {
			return invalid("enable or unblock it first", "%s is disabled or blocked, and nobody can enrol", acc.Name)
		}
		held, err := a.Store.Authenticators(ctx, acc.ID)
		if err != nil {
			return err
		}
		if second, _, _ := standings(held); len(second) > 0 && !n.Replace {
			return invalid("make sure that you speak with its owner, then invite to replace what it holds; or revoke that first",
				"%s holds a second factor already", acc.Name)
		}
		may, err := a.PermissionsOf(ctx, acc.Role)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		made = Invitation{InvitationView: InvitationView{
			Account: acc.Name, Kind: n.Kind, Replace: n.Replace, By: by.Name, Created: now, Expires: now.Add(life),
		}}
		w := invited{Replace: n.Replace, May: may}
		if n.Kind == InviteLink {
			made.Secret = newSecret()
			made.ID = ceremonyID(made.Secret)
		} else {
			made.Code, made.ID = newCode(), codeID(acc.ID)
			w.Code = codeHash(acc.ID, made.Code)
		}
		body, err := json.Marshal(w)
		if err != nil {
			return fmt.Errorf("admin: encode an invitation: %w", err)
		}
		detail := fmt.Sprintf("%s, until %s", n.Kind, made.Expires.UTC().Format(time.RFC3339))
		if n.Replace {
			detail += replacing
		}
		return a.applyTo(ctx, by, act{action: "account.invite", subject: acc.Name, detail: detail}, sameRank(acc), AddCeremony{Ceremony: Ceremony{
			ID: made.ID, Kind: CeremonyInvitation, Account: acc.ID, Body: auth.Secret(body), Note: made.note(), Created: now, Expires: made.Expires,
		}, Replace: true})
	})
	if err != nil {
		return Invitation{}, err
	}
	return made, nil
}

// replacing ends the notes of invitations that replace.
const replacing = ", replacing what the account holds"

// note is what the list of ceremonies says of an invitation; viewInvitation
// reads it.
func (v *InvitationView) note() string {
	note := v.Kind + " by " + v.By
	if v.Replace {
		note += replacing
	}
	return note
}

func viewInvitation(c *Ceremony, name string) InvitationView {
	v := InvitationView{ID: c.ID, Account: name, Tries: c.Tries, Created: c.Created, Expires: c.Expires}
	note, replace := strings.CutSuffix(c.Note, replacing)
	v.Replace = replace
	v.Kind, v.By, _ = strings.Cut(note, " by ")
	return v
}

// Invitations lists the invitations that can still be used, of one account or
// for "" of all, those that end first at the front.
func (a *Admin) Invitations(ctx context.Context, name string) ([]InvitationView, error) {
	var only string
	if name != "" {
		acc, err := a.account(ctx, name)
		if err != nil {
			return nil, err
		}
		only = acc.ID
	}
	open, err := a.Store.Ceremonies(ctx, CeremonyInvitation, a.moment())
	if err != nil {
		return nil, err
	}
	views := []InvitationView{}
	for i := range open {
		if only != "" && open[i].Account != only {
			continue
		}
		acc, err := a.Store.AccountByID(ctx, open[i].Account)
		if errors.Is(err, ErrNotFound) {
			continue // removed this moment
		} else if err != nil {
			return nil, err
		}
		views = append(views, viewInvitation(&open[i], acc.Name))
	}
	slices.SortFunc(views, func(x, y InvitationView) int { return x.Expires.Compare(y.Expires) })
	return views, nil
}

// RevokeInvitation ends an invitation that has not been used.
func (a *Admin) RevokeInvitation(ctx context.Context, by Actor, id string) error {
	const gone = "there is no such invitation; it may have been used"
	c, err := a.ceremony(ctx, CeremonyInvitation, id)
	if err != nil {
		return problem(err, gone, "")
	}
	acc, err := a.Store.AccountByID(ctx, c.Account)
	if err != nil {
		return problem(err, gone, "")
	}
	if err := a.mayChange(ctx, by, acc); err != nil {
		return err
	}
	return problem(a.apply(ctx, by, "account.invitation-revoke", acc.Name, c.Note, TakeCeremony{ID: c.ID, Now: a.moment()}), gone, "")
}

// A Redeemer is the browser in which an invitation is used.
type Redeemer struct{ Source, Agent string }

// Redeem uses the invitation behind a link and begins the session in which its
// account can enrol. The session is of the portal and lasts half an hour.
func (a *Admin) Redeem(ctx context.Context, secret string, at Redeemer) (token string, p Person, err error) {
	c, err := a.ceremony(ctx, CeremonyInvitation, ceremonyID(secret))
	if err != nil {
		return "", Person{}, notInvited(err)
	}
	w, err := invitedBy(c)
	if err != nil {
		return "", Person{}, err
	}
	if w.Code != nil {
		return "", Person{}, notInvited(ErrNotFound)
	}
	acc, err := a.Store.AccountByID(ctx, c.Account)
	if err != nil {
		return "", Person{}, notInvited(err)
	}
	return a.redeem(ctx, c, w, acc, at)
}

// RedeemCode uses an invitation by its code and the name of its account, in any
// spelling. The fifth wrong code ends it. Whoever has no right code cannot tell
// whether there is such an account, or an invitation.
func (a *Admin) RedeemCode(ctx context.Context, name, code string, at Redeemer) (token string, p Person, err error) {
	acc, err := a.account(ctx, name)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
		acc = auth.Account{ID: "?"} // nobody's; what follows takes as long as for anybody
	} else if err != nil {
		return "", Person{}, err
	}
	c, err := a.try(ctx, CeremonyInvitation, codeID(acc.ID), codeTries)
	if err != nil {
		return "", Person{}, notInvited(err)
	}
	w, err := invitedBy(c)
	if err != nil {
		return "", Person{}, err
	}
	if subtle.ConstantTimeCompare(w.Code, codeHash(acc.ID, plainCode(code))) != 1 {
		if c.Tries >= codeTries {
			by := Actor{Name: "somebody at " + printable(at.Source, maxLabel)}
			err = a.apply(ctx, by, "account.invitation-guessed", acc.Name, fmt.Sprintf("%d wrong codes ended it", c.Tries), TakeCeremony{ID: c.ID, Now: a.moment()})
			if err != nil && !errors.Is(err, ErrNotFound) {
				return "", Person{}, err
			}
		}
		return "", Person{}, notInvited(ErrNotFound)
	}
	return a.redeem(ctx, c, w, acc, at)
}

// redeem ends an invitation of which the secret was shown.
func (a *Admin) redeem(ctx context.Context, c Ceremony, w invited, acc auth.Account, at Redeemer) (token string, p Person, err error) {
	may, err := a.PermissionsOf(ctx, acc.Role)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", Person{}, err
	}
	if lacking(Actor{May: w.May}, may) != "" || !acc.Enabled || acc.BlockedAt(a.moment()) {
		return "", Person{}, notInvited(ErrNotFound)
	}
	held, err := a.Store.Authenticators(ctx, acc.ID)
	if err != nil {
		return "", Person{}, err
	}
	if second, _, _ := standings(held); len(second) > 0 && !w.Replace {
		return "", Person{}, notInvited(ErrNotFound)
	}
	factor, detail := FactorInvitation, "from "+printable(at.Source, maxLabel)
	if w.Replace {
		factor = FactorReplacement
		detail += replacing
	}
	token, s, err := a.session(SignedIn{Account: acc.ID, Factor: factor, Client: auth.PortalClient, Source: at.Source, Agent: at.Agent}, enrolLife)
	if err != nil {
		return "", Person{}, err
	}
	p = Person{acc, s}
	err = a.apply(ctx, p.actor(), "account.invitation-used", acc.Name, detail, TakeCeremony{ID: c.ID, Now: a.moment()}, a.sameStanding(acc), AddSession{s})
	if errors.Is(err, ErrSignedOut) {
		err = ErrNotFound
	}
	if err != nil {
		return "", Person{}, notInvited(err)
	}
	return token, p, nil
}

func invitedBy(c Ceremony) (invited, error) {
	var w invited
	if err := json.Unmarshal(c.Body, &w); err != nil {
		return invited{}, errors.New("admin: read an invitation: it is not what was written")
	}
	return w, nil
}

// notInvited gives the one answer to every invitation that does not count.
func notInvited(err error) error {
	if errors.Is(err, ErrNotFound) {
		return invalid("ask whoever invited you for a new one", "this invitation does not count: it is mistyped, has been used or replaced, or is too old")
	}
	return err
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode returns a code in two groups.
func newCode() string {
	b := make([]byte, codeDigits)
	rand.Read(b) // never fails; it ends the program instead
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return string(b[:codeDigits/2]) + "-" + string(b[codeDigits/2:])
}

// plainCode returns a code in the form in which it was made, as a person may
// have typed it: in any case, with or without the dash, with O for 0 and I or L
// for 1.
func plainCode(typed string) string {
	var b []byte
	for _, c := range strings.ToUpper(typed[:min(len(typed), 64)]) {
		switch c {
		case '-', ' ', '\t', '\n':
			continue
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if len(b) == codeDigits/2 {
			b = append(b, '-')
		}
		b = append(b, string(c)...)
	}
	return string(b)
}

// codeID is the ID of the one invitation by code that an account can have. It is
// no secret.
func codeID(account string) string { return ceremonyID("invitation by code for\x00" + account) }

func codeHash(account, code string) []byte {
	sum := sha256.Sum256([]byte(account + "\x00" + code))
	return sum[:]
}
