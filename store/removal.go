package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/admin"
	"sallyport/auth"
)

// referring returns the name of a rule that matches by a name, "" if none does.
func (a *applying) referring(names func(*auth.Match) []string, name string) (string, error) {
	rules, err := loadRules(a.w)
	if err != nil {
		return "", err
	}
	for i := range rules {
		if slices.Contains(names(&rules[i].Match), name) {
			return rules[i].Name, nil
		}
	}
	return "", nil
}

func (a *applying) removeApplication(name string) error {
	for _, by := range []struct{ kind, text string }{
		{"client", `SELECT name FROM client WHERE application = $1 ORDER BY name LIMIT 1`},
		{"trusted IP", `SELECT addresses FROM trusted_ip WHERE application = $1 ORDER BY addresses LIMIT 1`},
		{"cache rule", `SELECT id FROM cache_rule WHERE application = $1`},
	} {
		var who string
		found, err := a.w.one(by.text, []any{name}, &who)
		if err != nil {
			return err
		}
		if found {
			return used("application", name, by.kind, who)
		}
	}
	rule, err := a.referring(func(m *auth.Match) []string { return m.Applications }, name)
	if err != nil {
		return err
	}
	if rule != "" {
		return used("application", name, "rule", rule)
	}
	return a.removeSetting(`DELETE FROM application WHERE name = $1`, "application", name)
}

func (a *applying) removeGroup(name string) error {
	rule, err := a.referring(func(m *auth.Match) []string { return m.Groups }, name)
	if err != nil {
		return err
	}
	if rule != "" {
		return used("group", name, "rule", rule)
	}
	member := ""
	// LIKE finds every member, and some who only look like it.
	err = a.w.query(`SELECT name, groups FROM account WHERE groups LIKE $1 ESCAPE '\'`, func(rows *sql.Rows) error {
		var account, groups string
		if err := rows.Scan(&account, &groups); err != nil {
			return err
		}
		list, err := stringsOf(groups)
		if err == nil && slices.Contains(list, name) && (member == "" || account < member) {
			member = account
		}
		return err
	}, likeElement(name))
	if err != nil {
		return err
	}
	if member != "" {
		return used("group", name, "account", member)
	}
	return a.removeSetting(`DELETE FROM account_group WHERE name = $1`, "group", name)
}

// likePart is a pattern of LIKE ... ESCAPE '\' for texts that hold part.
func likePart(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part) + "%"
}

// likeElement is one for lists, as textOf writes them, that hold an element. It
// may find others too.
func likeElement(element string) string {
	text := textOf([]string{element})
	return likePart(text[1 : len(text)-1])
}

// removeAccount ends an account. What it spent stays in the table spent, and its
// version goes on: should the ID ever come back, neither begins again.
func (a *applying) removeAccount(id string) error {
	if err := a.accountThere(id); err != nil {
		return err
	}
	var held []string
	err := a.w.query(`SELECT id FROM authenticator WHERE account = $1 ORDER BY place`, func(rows *sql.Rows) error {
		var x string
		err := rows.Scan(&x)
		held = append(held, x)
		return err
	}, id)
	if err != nil {
		return err
	}
	for _, x := range held {
		a.news.rewound[x] = false
	}
	a.moved[id] = struct{}{}
	a.news.bypasses[id] = nil
	for _, text := range []string{
		`DELETE FROM session WHERE account = $1`, `DELETE FROM ceremony WHERE account = $1`, `DELETE FROM bypass WHERE account = $1`,
		`DELETE FROM throttle WHERE subject = $1`, `DELETE FROM authenticator WHERE account = $1`, `DELETE FROM name WHERE account = $1`,
		`DELETE FROM account WHERE id = $1`,
	} {
		if _, err := a.w.exec(text, id); err != nil {
			return err
		}
	}
	return nil
}

// keepOwner looks at what the changes before it leave. A block that had ended
// when the act was made is none.
func (a *applying) keepOwner(role string) error {
	if role == "" {
		return errors.New("the role of owners must have a name")
	}
	found, err := a.exists(`SELECT 1 FROM account WHERE role = $1 AND role <> '' AND enabled
		AND (NOT blocked OR blocked_until_us <> 0 AND blocked_until_us <= $2) LIMIT 1`, role, a.at)
	if err == nil && !found {
		err = admin.ErrLastOwner
	}
	return err
}

// preferAuthenticator gives an authenticator the place of the first that its
// account holds, and each of those before it the place of the next. States of
// what moves are sealed again, since a Reseal that goes on by place could
// miss them.
func (a *applying) preferAuthenticator(id string) error {
	var account sql.NullString
	found, err := a.w.one(`SELECT account FROM authenticator WHERE id = $1`, []any{id}, &account)
	if err != nil {
		return err
	}
	if !found || !account.Valid {
		return missing("authenticator", id)
	}
	var held []sealedRow
	err = a.w.query(`SELECT place, id, state FROM authenticator WHERE account = $1 ORDER BY place`, func(rows *sql.Rows) error {
		var r sealedRow
		err := rows.Scan(&r.place, &r.id, &r.sealed)
		held = append(held, r)
		return err
	}, account.String)
	if err != nil {
		return err
	}
	a.moved[account.String] = struct{}{}
	at := slices.IndexFunc(held, func(r sealedRow) bool { return r.id == id })
	const aside = 0 // places begin at 1
	move := func(r sealedRow, place int64) error {
		sealed, _, err := a.ring.Reseal(stateBinding(r.id), r.sealed)
		if err != nil {
			return fmt.Errorf("seal state of authenticator %s again: %w", r.id, err)
		}
		_, err = a.w.exec(`UPDATE authenticator SET place = $1, state = $2 WHERE id = $3`, place, sealed, r.id)
		return err
	}
	if at <= 0 {
		return nil
	}
	if err := move(held[at], aside); err != nil {
		return err
	}
	for i := at - 1; i >= 0; i-- {
		if err := move(held[i], held[i+1].place); err != nil {
			return err
		}
	}
	return move(held[at], held[0].place)
}
