package admin

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"sallyport/auth"
)

// An AccountQuery selects accounts. Zero fields select everything.
type AccountQuery struct {
	Q      string `json:"q"`     // a part of a name or alias, in any case
	Group  string `json:"group"` // members
	Role   string `json:"role"`  // who have it; "*" for any role
	State  string `json:"state"` // disabled, blocked, locked or unenrolled
	Cursor string `json:"cursor"`
	Limit  int    `json:"limit"` // 1 to 500, 0 for 50
}

// An AccountList is a page of accounts, in the order of their names.
type AccountList struct {
	Items []AccountView `json:"items"`
	Next  string        `json:"next,omitempty"` // the Cursor of the page behind this one, "" at the end
}

// The states by which accounts are looked for.
const (
	stateDisabled   = "disabled"
	stateBlocked    = "blocked"
	stateLocked     = "locked"     // too many failures: waiting, or until somebody unlocks it
	stateUnenrolled = "unenrolled" // holds nothing but a password
)

const usualAccounts, maxAccounts = 50, 500

// AccountList searches accounts. Of those that are locked it returns the first
// page only, the ones with the most failures first.
func (a *Admin) AccountList(ctx context.Context, q AccountQuery) (AccountList, error) {
	limit := q.Limit
	if limit == 0 {
		limit = usualAccounts
	}
	if limit < 1 || limit > maxAccounts {
		return AccountList{}, invalid("", "a page has 1 to %d accounts, not %d", maxAccounts, q.Limit)
	}
	s := AccountSearch{Group: q.Group, Role: q.Role, Now: a.moment(), Limit: limit + 1}
	if part := strings.TrimSpace(q.Q); part != "" {
		var err error
		if s.Part, err = canonical(part); err != nil {
			return AccountList{}, err
		}
	}
	if q.Cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil {
			return AccountList{}, invalid("begin again without one", "%q is no cursor", q.Cursor)
		}
		s.After = string(after)
	}
	switch q.State {
	case "":
	case stateDisabled:
		s.Off = true
	case stateBlocked:
		s.Blocked = true
	case stateUnenrolled:
		s.Without, s.Second = true, a.secondFactors()
	case stateLocked:
		return a.lockedList(ctx, s, limit)
	default:
		return AccountList{}, invalid("states are: disabled, blocked, locked, unenrolled", "there is no state %q", q.State)
	}
	found, err := a.Store.SearchAccounts(ctx, s)
	if err != nil {
		return AccountList{}, err
	}
	var list AccountList
	if len(found) > limit {
		found = found[:limit]
		list.Next = base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].Name))
	}
	list.Items, err = a.viewAccounts(ctx, found)
	return list, err
}

// lockedList returns the accounts of a search whose logins wait or are stopped
// because of failures.
func (a *Admin) lockedList(ctx context.Context, s AccountSearch, limit int) (AccountList, error) {
	failed, err := a.locked(ctx, s.Now)
	if err != nil {
		return AccountList{}, err
	}
	var found []auth.Account
	for i := range failed {
		if s.fits(&failed[i].account) && len(found) < limit {
			found = append(found, failed[i].account)
		}
	}
	var list AccountList
	list.Items, err = a.viewAccounts(ctx, found)
	return list, err
}

// fits reports whether an account is one of a search for names, group and role.
func (s *AccountSearch) fits(acc *auth.Account) bool {
	named := slices.ContainsFunc(append([]string{acc.Name}, acc.Aliases...), func(n string) bool { return strings.Contains(n, s.Part) })
	return named && (s.Group == "" || slices.Contains(acc.Groups, s.Group)) &&
		(s.Role == "" || acc.Role == s.Role || s.Role == "*" && acc.Role != "")
}

// viewAccounts views accounts with the factors that they hold.
func (a *Admin) viewAccounts(ctx context.Context, found []auth.Account) ([]AccountView, error) {
	views, ids := make([]AccountView, len(found)), make([]string, len(found))
	for i := range found {
		views[i], ids[i] = viewAccount(found[i], a.moment()), found[i].ID
	}
	if len(ids) == 0 {
		return views, nil
	}
	holds, err := a.Store.Holds(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range views {
		views[i].Factors = holds[ids[i]]
	}
	return views, nil
}
