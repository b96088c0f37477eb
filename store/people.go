package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A condition collects what a query asks for, with numbered parameters.
type condition struct {
	terms []string
	args  []any
}

// add adds a term in which "?" stands for each argument.
func (c *condition) add(term string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		term = strings.Replace(term, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.terms = append(c.terms, term)
}

func (c *condition) String() string { return strings.Join(c.terms, " AND ") }

// list returns the parameters of a list of values.
func list(values []string) (marks string, args []any) {
	for _, v := range values {
		args = append(args, v)
	}
	return strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", "), args
}

// SearchAccounts implements admin.Store.
func (s *archive) SearchAccounts(ctx context.Context, q admin.AccountSearch) ([]auth.Account, error) {
	found, err := s.searchAccounts(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("store: search accounts: %w", err)
	}
	return found, nil
}

func (s *archive) searchAccounts(ctx context.Context, q admin.AccountSearch) (found []auth.Account, err error) {
	limit := int(limitOf(q.Limit))
	var c condition
	c.add("TRUE")
	if q.Part != "" {
		// Both databases look through the names once.
		c.add(`a.id IN (SELECT n.account FROM name n WHERE n.name LIKE ? ESCAPE '\')`, likePart(q.Part))
	}
	if q.Group != "" {
		c.add(`a.groups LIKE ? ESCAPE '\'`, likeElement(q.Group))
	}
	switch q.Role {
	case "":
	case "*":
		c.add(`a.role <> ''`)
	default:
		c.add(`a.role <> '' AND a.role = ?`, q.Role)
	}
	if q.Blocked {
		c.add(`a.blocked AND (a.blocked_until_us = 0 OR a.blocked_until_us > ?)`, micros(q.Now))
	}
	if q.Off {
		c.add(`NOT a.enabled`)
	}
	if q.Without && len(q.Second) > 0 {
		marks, args := list(q.Second)
		// One look into the index for each account, not one for each factor.
		c.add(`NOT EXISTS (SELECT 1 FROM authenticator x WHERE x.account = a.id AND x.factor || '' IN (`+marks+`))`, args...)
	}
	// LIKE may find more than what is asked for, since it knows no lists and
	// SQLite's is blind to case.
	for after := q.After; len(found) < limit; {
		page := condition{slices.Clone(c.terms), slices.Clone(c.args)}
		page.add(`a.name > ?`, after)
		rows := limit - len(found)
		text := `SELECT ` + accountColumns + ` FROM account a WHERE ` + page.String() + ` ORDER BY a.name LIMIT ` + strconv.Itoa(rows)
		list, err := collect(ctx, s.searchDB, scanAccount, text, page.args...)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			if holds(&a, q.Part) && (q.Group == "" || slices.Contains(a.Groups, q.Group)) {
				found = append(found, a)
			}
		}
		if len(list) < rows {
			break
		}
		after = list[len(list)-1].Name
	}
	return found, nil
}

// holds reports whether a name of the account holds part.
func holds(a *auth.Account, part string) bool {
	return strings.Contains(a.Name, part) || slices.ContainsFunc(a.Aliases, func(name string) bool { return strings.Contains(name, part) })
}

func scanAccount(rows *sql.Rows) (auth.Account, error) {
	var row accountRow
	if err := rows.Scan(row.fields()...); err != nil {
		return auth.Account{}, err
	}
	return row.account()
}

// AccountByID implements admin.Store.
func (s *archive) AccountByID(ctx context.Context, id string) (auth.Account, error) {
	var row accountRow
	err := s.quickDB.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account a WHERE a.id = $1`, id).Scan(row.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Account{}, fmt.Errorf("store: %w", missing("account", id))
	}
	if err != nil {
		return auth.Account{}, fmt.Errorf("store: read account %s: %w", id, err)
	}
	a, err := row.account()
	if err != nil {
		return auth.Account{}, fmt.Errorf("store: %w", err)
	}
	return a, nil
}

// passwordFactor is the one factor that is no second one.
const passwordFactor = "password"

const (
	countAccounts = `SELECT (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM account WHERE NOT enabled),
		(SELECT COUNT(*) FROM account WHERE blocked AND (blocked_until_us = 0 OR blocked_until_us > $1))`
	countFactors = `SELECT factor, COUNT(DISTINCT account) FROM authenticator WHERE account IS NOT NULL GROUP BY factor`
	countSecond  = `SELECT COUNT(*) FROM (SELECT DISTINCT account FROM authenticator WHERE account IS NOT NULL AND factor <> $1) held`
)

// CountAccounts implements admin.Store.
func (s *archive) CountAccounts(ctx context.Context, now time.Time) (admin.AccountCounts, error) {
	n, err := s.countAccounts(ctx, now)
	if err != nil {
		return admin.AccountCounts{}, fmt.Errorf("store: count accounts: %w", err)
	}
	return n, nil
}

func (s *archive) countAccounts(ctx context.Context, now time.Time) (n admin.AccountCounts, err error) {
	tx, err := s.searchDB.BeginTx(ctx, s.snapshot)
	if err != nil {
		return n, err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, countAccounts, micros(now)).Scan(&n.All, &n.Disabled, &n.Blocked); err != nil {
		return n, err
	}
	type held struct {
		factor string
		count  int64
	}
	factors, err := collect(ctx, tx, func(rows *sql.Rows) (h held, err error) { return h, rows.Scan(&h.factor, &h.count) }, countFactors)
	if err != nil {
		return n, err
	}
	n.Factors = make(map[string]int64, len(factors))
	for _, h := range factors {
		n.Factors[h.factor] = h.count
	}
	err = tx.QueryRowContext(ctx, countSecond, passwordFactor).Scan(&n.Second)
	return n, err
}

// holdsChunk is how many accounts one query asks about.
const holdsChunk = 500

// Holds implements admin.Store. The factors of an account are in alphabetical
// order; accounts that hold nothing are not in the map.
func (s *archive) Holds(ctx context.Context, accounts []string) (map[string][]string, error) {
	held := make(map[string][]string, len(accounts))
	for chunk := range slices.Chunk(accounts, holdsChunk) {
		var c condition
		marks, args := list(chunk)
		c.add(`account IN (`+marks+`)`, args...)
		rows, err := s.readersDB.QueryContext(ctx, `SELECT DISTINCT account, factor FROM authenticator WHERE `+c.String()+` ORDER BY account, factor`, c.args...)
		if err != nil {
			return nil, fmt.Errorf("store: list factors that accounts hold: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var account, factor string
			if err := rows.Scan(&account, &factor); err != nil {
				return nil, fmt.Errorf("store: list factors that accounts hold: %w", err)
			}
			if n := held[account]; !slices.Contains(n, factor) { // accounts may name one twice
				held[account] = append(n, factor)
			}
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("store: list factors that accounts hold: %w", err)
		}
	}
	for _, factors := range held {
		slices.Sort(factors) // whatever order the database's locale has
	}
	return held, nil
}

// selectThrottled finds accounts by the larger of their two counts. CROSS JOIN
// makes SQLite begin with those who have failed.
const selectThrottled = `SELECT ` + accountColumns + `, t.know_failures, t.know_until_us, t.have_failures, t.have_until_us
	FROM (SELECT subject, know_failures, know_until_us, have_failures, have_until_us,
		CASE WHEN know_failures > have_failures THEN know_failures ELSE have_failures END AS failures
		FROM throttle WHERE know_failures >= $1 OR have_failures >= $1) t
	CROSS JOIN account a WHERE a.id = t.subject ORDER BY t.failures DESC, a.name LIMIT $2`

// Throttled implements admin.Store. An account's failures are the larger of the
// two counts that it has.
func (s *archive) Throttled(ctx context.Context, failures, limit int) ([]admin.ThrottledAccount, error) {
	found, err := collect(ctx, s.searchDB, func(rows *sql.Rows) (t admin.ThrottledAccount, err error) {
		var row accountRow
		var c counts
		if err := rows.Scan(append(row.fields(), &c.knowFailures, &c.knowUntil, &c.haveFailures, &c.haveUntil)...); err != nil {
			return t, err
		}
		t.Throttle = c.throttle()
		t.Account, err = row.account()
		return t, err
	}, selectThrottled, int64(max(failures, 1)), limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("store: list accounts that have failed: %w", err)
	}
	return found, nil
}

// OpenAuthenticator implements admin.Store.
func (s *archive) OpenAuthenticator(ctx context.Context, id string) (auth.Authenticator, error) {
	for {
		a, err := s.Authenticator(ctx, id)
		if err != nil {
			return auth.Authenticator{}, err
		}
		var row authenticatorRow
		err = s.readersDB.QueryRowContext(ctx, `SELECT `+authenticatorColumns+authenticatorTables+`WHERE x.id = $1`, a.ID).Scan(row.fields()...)
		if errors.Is(err, sql.ErrNoRows) {
			return auth.Authenticator{}, fmt.Errorf("store: %w", missing("authenticator", id))
		}
		if err != nil {
			return auth.Authenticator{}, fmt.Errorf("store: read authenticator %q: %w", id, err)
		}
		if row.account.String != a.Account {
			continue // it went to somebody else between the two reads
		}
		if a.State, err = s.openSealed(stateBinding(row.id), row.state); err != nil {
			return auth.Authenticator{}, fmt.Errorf("store: open state of authenticator %s: %w", row.id, err)
		}
		return a, nil
	}
}
