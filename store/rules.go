package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

const (
	selectRules      = `SELECT id, name, place, body, created_us FROM rule`
	selectTrusted    = `SELECT id, application, addresses, note, created_us FROM trusted_ip ORDER BY application, created_us, id`
	selectCacheRules = `SELECT id, application, type, life_us, created_us FROM cache_rule ORDER BY application`
)

// loadPolicy reads the part of the settings that says what logins need and what
// spares it.
func loadPolicy(w *session, settings *auth.Settings) error {
	rewound, err := w.meta("rewound")
	if err != nil {
		return err
	}
	settings.Rewound = timeOf(rewound)
	if settings.Rules, err = loadRules(w); err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	err = w.query(selectTrusted, func(rows *sql.Rows) error {
		var t auth.TrustedIP
		var addresses string
		var created int64
		err := rows.Scan(&t.ID, &t.Application, &addresses, &t.Note, &created)
		if err != nil {
			return err
		}
		if t.Range, err = auth.ParseRange(addresses); err != nil {
			return fmt.Errorf("decode %s: %w", t.ID, err)
		}
		t.Created = timeOf(created)
		settings.Trusted = append(settings.Trusted, t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read trusted addresses: %w", err)
	}
	err = w.query(selectCacheRules, func(rows *sql.Rows) error {
		var c auth.CacheRule
		var life, created int64
		err := rows.Scan(&c.ID, &c.Application, &c.Type, &life, &created)
		c.Life, c.Created = time.Duration(life)*time.Microsecond, timeOf(created)
		settings.CacheRules = append(settings.CacheRules, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("read cache rules: %w", err)
	}
	return nil
}

// A ruleBody is the column rule.body.
type ruleBody struct {
	Match auth.Match `json:"match"`
	Then  auth.Then  `json:"then"`
}

// bodyOf writes the body of a rule and makes sure that it can be read back: one
// that cannot would keep the program from starting.
func bodyOf(r *auth.Rule) (string, error) {
	b, err := json.Marshal(ruleBody{r.Match, r.Then})
	if err != nil {
		return "", fmt.Errorf("encode rule %q: %w", r.Name, err)
	}
	var back ruleBody
	if err := json.Unmarshal(b, &back); err != nil {
		return "", fmt.Errorf("rule %q cannot be kept: %w", r.Name, err)
	}
	return string(b), nil
}

// loadRules reads all rules in the order of their places.
func loadRules(w *session) (list []auth.Rule, err error) {
	err = w.query(selectRules+` ORDER BY place, id`, func(rows *sql.Rows) error {
		var r auth.Rule
		var body string
		var created int64
		if err := rows.Scan(&r.ID, &r.Name, &r.Place, &body, &created); err != nil {
			return err
		}
		var b ruleBody
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			return fmt.Errorf("decode rule %q: %w", r.Name, err)
		}
		r.Match, r.Then, r.Created = b.Match, b.Then, timeOf(created)
		list = append(list, r)
		return nil
	})
	return list, err
}

// applyPolicy makes changes of rules and exemptions.
func (a *applying) applyPolicy(c admin.Change) error {
	switch c := c.(type) {
	case admin.AddRule:
		return a.addRule(c.Rule)
	case admin.UpdateRule:
		return a.updateRule(c)
	case admin.RemoveRule:
		return a.removeRule(c.Name)
	case admin.AddTrustedIP:
		return a.addTrustedIP(c.TrustedIP)
	case admin.RemoveTrustedIP:
		return a.removeSetting(`DELETE FROM trusted_ip WHERE id = $1`, "trusted IP", c.ID)
	case admin.AddCacheRule:
		return a.addCacheRule(c.CacheRule)
	case admin.RemoveCacheRule:
		return a.removeSetting(`DELETE FROM cache_rule WHERE id = $1`, "cache rule", c.ID)
	case admin.PurgeCache:
		return a.purgeCache(c.Subject)
	case admin.AddBypass:
		return a.addBypass(c.Bypass)
	case admin.RemoveBypass:
		return a.removeBypass(c.Account)
	}
	return a.applyIdentity(c)
}

func (a *applying) removeSetting(text, kind, id string) error {
	a.settings = true
	return a.remove(text, kind, id)
}

// nameable makes sure that a rule has a name that it can have.
func nameable(r *auth.Rule, list []auth.Rule) error {
	switch {
	case r.Name == "":
		return errors.New("a rule must have a name")
	case r.Name == auth.Strictest:
		return taken("rule", r.Name) // by what decides where no rule does
	case slices.ContainsFunc(list, func(o auth.Rule) bool { return o.Name == r.Name && o.ID != r.ID }):
		return taken("rule", r.Name)
	}
	return nil
}

func (a *applying) addRule(r auth.Rule) error {
	if r.ID == "" {
		return errors.New("a rule must have an ID")
	}
	list, err := loadRules(a.w)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(o auth.Rule) bool { return o.ID == r.ID }) {
		return taken("rule ID", r.ID)
	}
	if err := nameable(&r, list); err != nil {
		return err
	}
	body, err := bodyOf(&r)
	if err != nil {
		return err
	}
	a.settings = true
	_, err = a.w.exec(`INSERT INTO rule (id, name, place, body, created_us) VALUES ($1, $2, $3, $4, $5)`,
		r.ID, r.Name, int64(0), body, micros(r.Created))
	if err != nil {
		return err
	}
	place := r.Place
	r.Place = 0
	return a.line(list, r, place)
}

// line puts a rule among the others at a place, and gives each the place that it
// then has.
func (a *applying) line(others []auth.Rule, r auth.Rule, place int64) error {
	if place < 1 || place > int64(len(others)) {
		place = int64(len(others)) + 1
	}
	for i, o := range slices.Insert(others, int(place-1), r) {
		if o.Place == int64(i+1) {
			continue
		}
		if _, err := a.w.exec(`UPDATE rule SET place = $1 WHERE id = $2`, int64(i+1), o.ID); err != nil {
			return err
		}
	}
	return nil
}

// takeRule reads all rules and takes one out of them.
func (a *applying) takeRule(name string) (r auth.Rule, others []auth.Rule, err error) {
	list, err := loadRules(a.w)
	if err != nil {
		return r, nil, err
	}
	i := slices.IndexFunc(list, func(o auth.Rule) bool { return o.Name == name })
	if i < 0 {
		return r, nil, missing("rule", name)
	}
	return list[i], slices.Delete(slices.Clone(list), i, i+1), nil
}

func (a *applying) updateRule(u admin.UpdateRule) error {
	r, others, err := a.takeRule(u.Name)
	if err != nil {
		return err
	}
	was := r
	if err := u.Update(&r); err != nil {
		return &functionError{err}
	}
	if r.ID != was.ID {
		return fmt.Errorf("the ID of rule %q cannot change", u.Name)
	}
	if err := nameable(&r, others); err != nil {
		return err
	}
	body, err := bodyOf(&r)
	if err != nil {
		return err
	}
	a.settings = true
	if _, err := a.w.exec(`UPDATE rule SET name = $1, body = $2, created_us = $3 WHERE id = $4`, r.Name, body, micros(r.Created), r.ID); err != nil {
		return err
	}
	place := r.Place
	r.Place = was.Place
	return a.line(others, r, place)
}

func (a *applying) removeRule(name string) error {
	r, others, err := a.takeRule(name)
	if err != nil {
		return err
	}
	a.settings = true
	if _, err := a.w.exec(`DELETE FROM rule WHERE id = $1`, r.ID); err != nil {
		return err
	}
	for i, o := range others {
		if o.Place == int64(i+1) {
			continue
		}
		if _, err := a.w.exec(`UPDATE rule SET place = $1 WHERE id = $2`, int64(i+1), o.ID); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) addTrustedIP(t auth.TrustedIP) error {
	if t.ID == "" || t.Application == "" {
		return errors.New("a trusted IP must have an ID and an application")
	}
	addresses := t.Range.String()
	if back, err := auth.ParseRange(addresses); err != nil || back != t.Range {
		return fmt.Errorf("%s is no range of addresses", addresses)
	}
	found, err := a.exists(`SELECT 1 FROM trusted_ip WHERE id = $1 OR application = $2 AND addresses = $3`, t.ID, t.Application, addresses)
	if err != nil {
		return err
	}
	if found {
		return taken("trusted IP", addresses)
	}
	a.settings = true
	_, err = a.w.exec(`INSERT INTO trusted_ip (id, application, addresses, note, created_us) VALUES ($1, $2, $3, $4, $5)`,
		t.ID, t.Application, addresses, t.Note, micros(t.Created))
	return err
}

func (a *applying) addCacheRule(c auth.CacheRule) error {
	if c.ID == "" || c.Application == "" {
		return errors.New("a cache rule must have an ID and an application")
	}
	found, err := a.exists(`SELECT 1 FROM cache_rule WHERE id = $1 OR application = $2`, c.ID, c.Application)
	if err != nil {
		return err
	}
	if found {
		return taken("cache rule", c.Application)
	}
	a.settings = true
	_, err = a.w.exec(`INSERT INTO cache_rule (id, application, type, life_us, created_us) VALUES ($1, $2, $3, $4, $5)`,
		c.ID, c.Application, string(c.Type), c.Life.Microseconds(), micros(c.Created))
	return err
}
