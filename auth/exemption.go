package auth

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
)

// Exemptions relax what the policy asks of a login: a trusted network, a cached
// success, a one-time bypass. They spare the second factor and nothing else: the
// account must be one that may log in, and a first factor that is ours to check
// is checked. A rule that refuses is not relaxed.

// A TrustedIP spares the second factor to logins of one application whose
// person is in a range of addresses (-104).
type TrustedIP struct {
	ID          string
	Application string // name; "" never matches
	Range       Range
	Note        string
	Created     time.Time
}

// CacheType says how narrow a cached success is. Numbers are those of the
// outcomes of a login that it spares.
type CacheType string

const (
	CacheUser            CacheType = "user"                // 6: the account, over all applications that have a rule of this type
	CacheUserApplication CacheType = "user+application"    // 9: account, authentication type (the door) and application
	CacheUserAddress     CacheType = "user+application+ip" // 8: the same, and the person's address
)

// A CacheRule lets a login that was completed with a second factor spare later
// ones the same, for a fixed time: hits do not prolong it.
type CacheRule struct {
	ID          string
	Application string // name; "" never matches
	Type        CacheType
	Life        time.Duration // 1 s to 24 h
	Created     time.Time
}

// A CacheEntry is one success that is remembered. The store keeps entries by
// subject and forgets all those of a subject with every change of its account,
// authenticators or failures by an administrator, and with a Settlement that
// says Purge.
type CacheEntry struct {
	// Key is a keyed hash over the length-prefixed scope and the version of the
	// settings: any change of policy leaves every entry without a reader.
	Key   string
	From  time.Time // when it was made; a clock before it does not see it
	Until time.Time
	Seq   uint64 // event of the login that made it; the store fills it in
}

// A Bypass spares one login of one account the second factor (7).
type Bypass struct {
	ID      string
	Account string // Account.ID
	Name    string // the account's, in listings for administrators; "" elsewhere
	From    time.Time
	Until   time.Time
	Reason  string
	Actor   string // who allowed it
}

// OpenAt reports whether the bypass can be used at t.
func (b *Bypass) OpenAt(t time.Time) bool { return !t.Before(b.From) && t.Before(b.Until) }

// maxCacheLife bounds how long any success is remembered, whatever a rule says.
const maxCacheLife = 24 * time.Hour

// outcome is what a login ends as that a cached success of this type spared the
// second factor, 0 for a type that nobody knows, which spares none.
func (c CacheType) outcome() Outcome {
	switch c {
	case CacheUser:
		return UsedCacheUser
	case CacheUserApplication:
		return UsedCacheApplication
	case CacheUserAddress:
		return UsedCacheIP
	}
	return 0
}

// narrowness orders types; what is narrower goes before. A type that nobody
// knows goes before all and spares nothing.
func (c CacheType) narrowness() int {
	switch c {
	case CacheUser:
		return 1
	case CacheUserApplication:
		return 2
	case CacheUserAddress:
		return 3
	}
	return 4
}

// cacheRule returns the rule by which successes at an application are
// remembered: the narrowest, and of two alike the one with the shorter life. Nil
// if none are.
func (s *Settings) cacheRule(application string) *CacheRule {
	var found *CacheRule
	for i := range s.CacheRules {
		r := &s.CacheRules[i]
		if application == "" || r.Application != application {
			continue
		}
		if found == nil || r.Type.narrowness() > found.Type.narrowness() ||
			r.Type == found.Type && r.Life < found.Life {
			found = r
		}
	}
	if found == nil || found.Type.outcome() == 0 || found.Life <= 0 {
		return nil
	}
	return found
}

// life is how long the rule remembers a success.
func (r *CacheRule) life() time.Duration { return min(r.Life, maxCacheLife) }

// trusted returns the entry of the application's trusted addresses that holds
// where the person is, or nil.
func (t *trial) trusted(client *Client) *TrustedIP {
	if client.Application == "" {
		return nil
	}
	all := t.facts.Settings.Trusted
	for i := range all {
		if all[i].Application == client.Application && all[i].Range.Contains(t.at.Origin) {
			return &all[i]
		}
	}
	return nil
}

// exempt looks whether something spares this login the second factor, and says
// so in t.spared and the trace. It is asked only of first requests of accounts
// that may log in and whose first factor is right.
func (t *trial) exempt(client *Client) {
	switch entry, hit := t.trusted(client), (*CacheEntry)(nil); {
	case entry != nil:
		t.spared = TrustedAddress
		t.step(StagePolicy, true, t.at.Origin.String()+" is in the trusted range "+entry.Range.String()+" of "+client.Application)
		return
	case t.rule.Then.Need == NeedPrimary:
		t.spared = SkippedCall
		return
	default:
		rule := t.facts.Settings.cacheRule(client.Application)
		if hit = t.cached(rule, client); hit != nil {
			t.spared = rule.Type.outcome()
			t.step(StagePolicy, true, "login "+string(t.engine.References.Of(hit.Seq))+" was completed "+
				t.at.Time.Sub(hit.From).Round(time.Second).String()+" ago; the cache rule "+string(rule.Type)+" of "+
				client.Application+" remembers it for "+rule.life().String())
			return
		}
	}
	b := t.facts.Bypass
	switch {
	case b == nil || b.Account != t.facts.Account.ID || !b.OpenAt(t.at.Time):
	case t.facts.Settings.revived(b.From):
		t.step(StagePolicy, false, "the bypass is older than the database's going back in time and may have been used since; it does not count")
	default:
		t.spared, t.bypass = BypassedAuth, b.ID
		t.step(StagePolicy, true, "the bypass that "+b.Actor+" gave until "+b.Until.UTC().Format(time.RFC3339)+" is used: "+b.Reason)
	}
}

// cached returns the success that the application's cache rule remembers for
// this login, or nil. It must have been completed with a second factor that the
// login's own rule admits.
func (t *trial) cached(rule *CacheRule, client *Client) *CacheEntry {
	if rule == nil || len(t.facts.Cached) == 0 {
		return nil
	}
	for i := range t.engine.about {
		info := &t.engine.about[i].info
		if info.Category != Have || !t.rule.Then.admits(info.Name) {
			continue
		}
		key := t.cacheKey(rule.Type, client, info.Name)
		if key == "" {
			return nil
		}
		for i := range t.facts.Cached {
			e := &t.facts.Cached[i]
			if e.Key == key && !t.at.Time.Before(e.From) && t.at.Time.Before(e.Until) &&
				t.at.Time.Before(e.From.Add(rule.life())) && !t.facts.Settings.revived(e.From) {
				return e
			}
		}
	}
	return nil
}

// remember returns what an accept leaves behind that the factor completed.
func (t *trial) remember(client *Client, factor string) []CacheEntry {
	rule := t.facts.Settings.cacheRule(client.Application)
	if rule == nil {
		return nil
	}
	key := t.cacheKey(rule.Type, client, factor)
	if key == "" {
		return nil
	}
	return []CacheEntry{{Key: key, From: t.at.Time, Until: t.at.Time.Add(rule.life())}}
}

// cacheKey names the scope of a cached success: a keyed hash over fields that
// each have their length in front, so that no two scopes are one text (Okta,
// 2024: a key of joined and cut-off fields let any password match). It is "" if
// nothing is to be cached: a login of which nobody knows where it comes from
// has no scope of type CacheUserAddress and gets no wider one instead.
func (t *trial) cacheKey(kind CacheType, client *Client, factor string) string {
	if t.engine.CacheKey == nil || t.facts.Account == nil {
		return ""
	}
	fields := append(make([]string, 0, 7), strconv.FormatInt(t.facts.Settings.Version, 10), string(kind), t.facts.Subject, factor)
	switch kind {
	case CacheUser:
	case CacheUserAddress:
		if !t.at.Origin.IsValid() {
			return ""
		}
		fields = append(fields, t.at.Door, client.Application, string(t.at.Origin.AsSlice()))
	case CacheUserApplication:
		fields = append(fields, t.at.Door, client.Application)
	default:
		return ""
	}
	var message []byte
	for _, f := range fields {
		message = binary.BigEndian.AppendUint32(message, uint32(len(f)))
		message = append(message, f...)
	}
	sum := t.engine.CacheKey(message)
	return hex.EncodeToString(sum[:])
}
