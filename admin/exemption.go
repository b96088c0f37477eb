package admin

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A TrustedIPView is a trusted network of an application.
type TrustedIPView struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Range       string    `json:"range"`
	Note        string    `json:"note,omitempty"`
	Warnings    []string  `json:"warnings" prose:"true"`
	Created     time.Time `json:"created"`
}

// A NewTrustedIP is what AddTrustedIP is given.
type NewTrustedIP struct {
	Application string `json:"application"`
	Range       string `json:"range"` // an address, subnet or range
	Note        string `json:"note"`
	Wide        bool   `json:"wide"` // it is meant to hold more addresses than an IPv4 /8 or an IPv6 /16
}

// A TrustedIPRef names a trusted network: by its ID, or by application and
// range.
type TrustedIPRef struct {
	ID          string `json:"id"`
	Application string `json:"application"`
	Range       string `json:"range"`
}

// AddTrustedIP spares the second factor to logins of an application from a
// range of addresses.
func (a *Admin) AddTrustedIP(ctx context.Context, by Actor, n NewTrustedIP) (TrustedIPView, error) {
	s := a.Store.Settings()
	if err := application(s, n.Application); err != nil {
		return TrustedIPView{}, err
	}
	rng, err := parseRange(n.Range)
	if err != nil {
		return TrustedIPView{}, err
	}
	if tooWide(rng) && !n.Wide {
		return TrustedIPView{}, invalid("name the networks that you know one by one; if it is really meant, say so with --wide",
			"%s holds more addresses than a /8 of IPv4 or a /16 of IPv6: that is a part of the Internet, not a network that anybody can trust", rng)
	}
	t := auth.TrustedIP{Application: n.Application, Range: rng, Note: strings.TrimSpace(n.Note), Created: a.Now()}
	if t.ID, err = newID(); err != nil {
		return TrustedIPView{}, err
	}
	record := act{action: "trusted-ip.add", subject: t.Application, detail: trustedText(&t), after: viewTrusted(s, &t)}
	if err := a.applyTo(ctx, by, record, AddTrustedIP{t}); err != nil {
		return TrustedIPView{}, problem(err, fmt.Sprintf("%s is trusted by application %s already", rng, t.Application), "sallyport trusted-ip list shows it")
	}
	return viewTrusted(s, &t), nil
}

// RemoveTrustedIP ends a trusted network and returns what it was.
func (a *Admin) RemoveTrustedIP(ctx context.Context, by Actor, ref TrustedIPRef) (TrustedIPView, error) {
	s := a.Store.Settings()
	var rng auth.Range
	if ref.ID == "" {
		var err error
		if rng, err = parseRange(ref.Range); err != nil {
			return TrustedIPView{}, err
		}
	}
	i := slices.IndexFunc(s.Trusted, func(t auth.TrustedIP) bool {
		if ref.ID != "" {
			return t.ID == ref.ID
		}
		return t.Application == ref.Application && t.Range == rng
	})
	gone := func() error {
		what := "no trusted network " + ref.ID
		if ref.ID == "" {
			what = fmt.Sprintf("application %q trusts no %s", ref.Application, rng)
		}
		return &Problem{what, "sallyport trusted-ip list shows them", ErrNotFound}
	}
	if i < 0 {
		return TrustedIPView{}, gone()
	}
	t := s.Trusted[i]
	record := act{action: "trusted-ip.remove", subject: t.Application, detail: "was " + trustedText(&t), before: viewTrusted(s, &t)}
	if err := a.applyTo(ctx, by, record, RemoveTrustedIP{t.ID}); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = gone()
		}
		return TrustedIPView{}, err
	}
	return viewTrusted(s, &t), nil
}

// TrustedIPs lists all trusted networks.
func (a *Admin) TrustedIPs() []TrustedIPView {
	s := a.Store.Settings()
	views := make([]TrustedIPView, len(s.Trusted))
	for i := range s.Trusted {
		views[i] = viewTrusted(s, &s.Trusted[i])
	}
	return views
}

func viewTrusted(s *auth.Settings, t *auth.TrustedIP) TrustedIPView {
	v := TrustedIPView{ID: t.ID, Application: t.Application, Range: t.Range.String(), Note: t.Note, Warnings: unbelievedOf(s, t.Application), Created: t.Created}
	if tooWide(t.Range) {
		v.Warnings = append(v.Warnings, "it holds more addresses than a /8 of IPv4 or a /16 of IPv6")
	}
	return v
}

func trustedText(t *auth.TrustedIP) string {
	text := t.Range.String()
	if t.Note != "" {
		text += " (" + t.Note + ")"
	}
	return text
}

func parseRange(s string) (auth.Range, error) {
	r, err := auth.ParseRange(s)
	if err != nil {
		return auth.Range{}, invalid("write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20", "%v", err)
	}
	return r, nil
}

// tooWide reports whether a range holds more addresses than a /8 of IPv4 or a
// /16 of IPv6 does.
func tooWide(r auth.Range) bool {
	bits := r.First.BitLen() - 8
	if r.First.Is6() {
		bits = r.First.BitLen() - 16
	}
	var first, last big.Int
	first.SetBytes(r.First.AsSlice())
	last.SetBytes(r.Last.AsSlice())
	size := last.Sub(&last, &first)
	return size.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(bits))) >= 0 // size is one less than there are
}

// unbelievedOf warns of clients of an application at which nothing that asks
// for the person's address can apply.
func unbelievedOf(s *auth.Settings, application string) []string {
	warnings := []string{}
	for i := range s.Clients {
		if c := &s.Clients[i]; c.Application == application && c.Origin == auth.OriginNone {
			warnings = append(warnings, unbelieved(c))
		}
	}
	return warnings
}

// A CacheRuleView is the cache rule of an application.
type CacheRuleView struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Type        string    `json:"type"` // user, user+application or user+application+ip
	Seconds     int       `json:"seconds"`
	Code        int       `json:"code"` // outcome of a login that it spares
	Warnings    []string  `json:"warnings" prose:"true"`
	Created     time.Time `json:"created"`
}

// A NewCacheRule is what AddCacheRule is given.
type NewCacheRule struct {
	Application string `json:"application"`
	Type        string `json:"type"`
	Seconds     int    `json:"seconds"` // 1 to 86,400
}

// maxCacheLife is the longest that a success is remembered.
const maxCacheLife = 24 * time.Hour

// AddCacheRule lets a login of an application that was completed with a second
// factor spare later ones the same, for a fixed time.
func (a *Admin) AddCacheRule(ctx context.Context, by Actor, n NewCacheRule) (CacheRuleView, error) {
	s := a.Store.Settings()
	if err := application(s, n.Application); err != nil {
		return CacheRuleView{}, err
	}
	c := auth.CacheRule{Application: n.Application, Type: auth.CacheType(n.Type), Life: time.Duration(n.Seconds) * time.Second, Created: a.Now()}
	if cacheOutcome(c.Type) == 0 {
		return CacheRuleView{}, invalid("types are: user, user+application, user+application+ip; the last is the narrowest", "there is no type of cache rule %q", n.Type)
	}
	if n.Seconds < 1 || n.Seconds > int(maxCacheLife/time.Second) {
		return CacheRuleView{}, invalid("60 is enough for a client that logs in twice", "a success is remembered for 1 to %d seconds, not %d", maxCacheLife/time.Second, n.Seconds)
	}
	var err error
	if c.ID, err = newID(); err != nil {
		return CacheRuleView{}, err
	}
	record := act{action: "cache.add", subject: c.Application, detail: cacheText(&c), after: viewCache(s, &c)}
	if err := a.applyTo(ctx, by, record, AddCacheRule{c}); err != nil {
		return CacheRuleView{}, problem(err, fmt.Sprintf("application %s has a cache rule already", c.Application), "sallyport cache remove "+c.Application+" ends it; then add the other")
	}
	return viewCache(s, &c), nil
}

// RemoveCacheRule ends the cache rule of an application, and with it
// everything that was remembered by it.
func (a *Admin) RemoveCacheRule(ctx context.Context, by Actor, app string) error {
	s := a.Store.Settings()
	none := fmt.Sprintf("application %q has no cache rule", app)
	var changes []Change
	var was []string
	var before any // of several, which only an older version has made, the last
	for i := range s.CacheRules {
		if c := &s.CacheRules[i]; c.Application == app {
			changes, was, before = append(changes, RemoveCacheRule{c.ID}), append(was, cacheText(c)), viewCache(s, c)
		}
	}
	if len(changes) == 0 {
		return &Problem{none, "sallyport cache list shows them", ErrNotFound}
	}
	record := act{action: "cache.remove", subject: app, detail: "was " + strings.Join(was, ", "), before: before}
	return problem(a.applyTo(ctx, by, record, changes...), none, "sallyport cache list shows them")
}

// CacheRules lists all cache rules.
func (a *Admin) CacheRules() []CacheRuleView {
	s := a.Store.Settings()
	views := make([]CacheRuleView, len(s.CacheRules))
	for i := range s.CacheRules {
		views[i] = viewCache(s, &s.CacheRules[i])
	}
	return views
}

// PurgeCache forgets the remembered successes of one account, of all accounts
// if name is "".
func (a *Admin) PurgeCache(ctx context.Context, by Actor, name string) error {
	if name == "" {
		return a.apply(ctx, by, "cache.purge", "", "all accounts", PurgeCache{})
	}
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	return a.apply(ctx, by, "cache.purge", acc.Name, "", PurgeCache{acc.ID})
}

func viewCache(s *auth.Settings, c *auth.CacheRule) CacheRuleView {
	v := CacheRuleView{
		ID: c.ID, Application: c.Application, Type: string(c.Type), Seconds: int(c.Life / time.Second),
		Code: int(cacheOutcome(c.Type)), Warnings: []string{}, Created: c.Created,
	}
	if c.Type == auth.CacheUserAddress {
		v.Warnings = unbelievedOf(s, c.Application)
	}
	return v
}

func cacheText(c *auth.CacheRule) string {
	return fmt.Sprintf("%s for %d s", c.Type, c.Life/time.Second)
}

// cacheOutcome returns the outcome of a login that a rule of that type spares,
// 0 if there is no such type.
func cacheOutcome(t auth.CacheType) auth.Outcome {
	switch t {
	case auth.CacheUser:
		return auth.UsedCacheUser
	case auth.CacheUserApplication:
		return auth.UsedCacheApplication
	case auth.CacheUserAddress:
		return auth.UsedCacheIP
	}
	return 0
}

// CacheCommand is the command line that makes a cache rule.
func CacheCommand(application string, t auth.CacheType, life time.Duration) string {
	return fmt.Sprintf("sallyport cache add %s --type %s --seconds %d", application, t, life/time.Second)
}

// A BypassView is a one-time bypass that has not been used.
type BypassView struct {
	Account string    `json:"account"` // name
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Live    bool      `json:"live"` // it can be used now
	Reason  string    `json:"reason"`
	Actor   string    `json:"actor"` // who allowed it
}

// A NewBypass is what AddBypass is given.
type NewBypass struct {
	Account string `json:"account"`
	Seconds int    `json:"seconds"` // 10 to 86,400; 0 for DefaultBypass
	Reason  string `json:"reason"`  // for the record; required
}

// DefaultBypass is how long a bypass can be used if nobody says otherwise.
const DefaultBypass = 5 * time.Minute

const (
	minBypass, maxBypass = 10 * time.Second, 24 * time.Hour
	maxReason            = 500 // characters
)

// AddBypass spares one login of one account the second factor, from now on. A
// bypass that the account has already is replaced.
func (a *Admin) AddBypass(ctx context.Context, by Actor, n NewBypass) (BypassView, error) {
	acc, err := a.account(ctx, n.Account)
	if err != nil {
		return BypassView{}, err
	}
	if err := a.mayChange(ctx, by, acc); err != nil {
		return BypassView{}, err
	}
	reason := strings.TrimSpace(n.Reason)
	if reason == "" {
		return BypassView{}, invalid("say why in a few words, such as \"new phone, called from the office\"", "a bypass needs a reason")
	}
	if len([]rune(reason)) > maxReason {
		return BypassView{}, invalid("", "a reason has at most %d characters", maxReason)
	}
	life := DefaultBypass
	if n.Seconds != 0 {
		if n.Seconds < int(minBypass/time.Second) || n.Seconds > int(maxBypass/time.Second) {
			return BypassView{}, invalid("for people who stay without a second factor, sallyport authenticator recovery-codes "+acc.Name, "a bypass can be used for %d to %d seconds, not %d", minBypass/time.Second, maxBypass/time.Second, n.Seconds)
		}
		life = time.Duration(n.Seconds) * time.Second
	}
	now := a.Now()
	b := auth.Bypass{Account: acc.ID, From: now, Until: now.Add(life), Reason: reason, Actor: by.Name}
	if b.ID, err = newID(); err != nil {
		return BypassView{}, err
	}
	record := act{action: "bypass.add", subject: acc.Name, detail: fmt.Sprintf("once, for %d s: %s", life/time.Second, reason), after: viewBypass(acc.Name, &b, now)}
	if old, err := a.bypass(ctx, acc); err != nil {
		return BypassView{}, err
	} else if old != nil && old.Live {
		record.detail += fmt.Sprintf("; in place of one until %s: %s", old.Until.UTC().Format(time.RFC3339), old.Reason)
		record.before = *old
	}
	if err := a.applyTo(ctx, by, record, AddBypass{b}); err != nil {
		return BypassView{}, problem(err, fmt.Sprintf("no account %q", n.Account), "sallyport account list shows the names")
	}
	return viewBypass(acc.Name, &b, now), nil
}

// RemoveBypass takes back the bypass of an account.
func (a *Admin) RemoveBypass(ctx context.Context, by Actor, name string) error {
	acc, err := a.account(ctx, name)
	if err != nil {
		return err
	}
	if err := a.mayChange(ctx, by, acc); err != nil {
		return err
	}
	old, err := a.bypass(ctx, acc)
	if err != nil {
		return err
	}
	record := act{action: "bypass.remove", subject: acc.Name}
	if old != nil {
		record.detail, record.before = fmt.Sprintf("was until %s: %s", old.Until.UTC().Format(time.RFC3339), old.Reason), *old
	}
	return problem(a.applyTo(ctx, by, record, RemoveBypass{acc.ID}),
		fmt.Sprintf("%s has no bypass; it may have been used", acc.Name), "sallyport events --account "+acc.Name+" --outcome 7 shows where")
}

// Bypasses lists the bypasses that were not used, those that can no longer be
// used too.
func (a *Admin) Bypasses(ctx context.Context) ([]BypassView, error) {
	list, err := a.Store.Bypasses(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	views := make([]BypassView, len(list))
	for i := range list {
		views[i] = viewBypass(list[i].Name, &list[i], now)
	}
	return views, nil
}

// bypass returns the unused bypass of an account that ends last, nil if it has
// none.
func (a *Admin) bypass(ctx context.Context, acc auth.Account) (*BypassView, error) {
	list, err := a.Store.Bypasses(ctx)
	if err != nil {
		return nil, err
	}
	var last *auth.Bypass
	for i := range list {
		if b := &list[i]; b.Account == acc.ID && (last == nil || b.Until.After(last.Until)) {
			last = b
		}
	}
	if last == nil {
		return nil, nil
	}
	v := viewBypass(acc.Name, last, a.Now())
	return &v, nil
}

func viewBypass(name string, b *auth.Bypass, now time.Time) BypassView {
	return BypassView{Account: name, From: b.From, Until: b.Until, Live: b.OpenAt(now), Reason: b.Reason, Actor: b.Actor}
}

// An ExemptionView is one setting that lets people in with less than the
// strictest rule asks for.
type ExemptionView struct {
	// Kind is rule-primary, rule-unenrolled, trusted-ip, cache-rule, bypass,
	// client-password, client-message-authenticator or client-origin.
	Kind  string     `json:"kind"`
	What  string     `json:"what" prose:"true"` // in a sentence
	Since time.Time  `json:"since"`             // when the rule, network, client or bypass was made
	Until *time.Time `json:"until,omitempty"`   // when it ends by itself
	End   string     `json:"end"`               // the command that ends it
}

// Exemptions lists every setting that weakens MFA, by kind.
func (a *Admin) Exemptions(ctx context.Context) ([]ExemptionView, error) {
	s := a.Store.Settings()
	var list []ExemptionView
	add := func(kind, what string, since time.Time, end string) {
		list = append(list, ExemptionView{Kind: kind, What: what, Since: since, End: end})
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		for _, how := range weakens(r) {
			kind, end := "rule-unenrolled", "sallyport rule change "+r.Name+" --unenrolled refuse"
			if r.Then.Need == auth.NeedPrimary {
				kind, end = "rule-primary", "sallyport rule change "+r.Name+" --need both"
			}
			what := fmt.Sprintf("rule %s, for %s: %s", r.Name, matchText(&r.Match), how)
			for j := range s.Clients {
				if c := &s.Clients[j]; c.Password == auth.PasswordNone && reaches(&r.Match, c) {
					what += fmt.Sprintf("; at client %s, which checks passwords itself, nothing is checked here", c.Name)
				}
			}
			add(kind, what, r.Created, end)
		}
	}
	for i := range s.Trusted {
		t := &s.Trusted[i]
		add("trusted-ip", fmt.Sprintf("application %s asks for no second factor from %s", t.Application, trustedText(t)), t.Created,
			fmt.Sprintf("sallyport trusted-ip remove %s %s", t.Application, t.Range))
	}
	for i := range s.CacheRules {
		c := &s.CacheRules[i]
		add("cache-rule", fmt.Sprintf("application %s: a second factor spares the next ones for %d s (%s)", c.Application, c.Life/time.Second, c.Type), c.Created,
			"sallyport cache remove "+c.Application)
	}
	bypasses, err := a.Bypasses(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range bypasses {
		if !b.Live {
			continue
		}
		add("bypass", fmt.Sprintf("%s can log in once without a second factor: %s (allowed by %s)", b.Account, b.Reason, b.Actor), b.From, "sallyport bypass remove "+b.Account)
		list[len(list)-1].Until = &b.Until
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		if c.Password == auth.PasswordNone {
			add("client-password", fmt.Sprintf("client %s checks passwords itself: whoever knows its shared secret needs only a code", c.Name), c.Created,
				"sallyport client change "+c.Name+" --password verify")
		}
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		if c.LaxMessageAuthenticator {
			add("client-message-authenticator", fmt.Sprintf("client %s need not sign its requests: answers can be forged by whoever sits on the path (CVE-2024-3596)", c.Name), c.Created,
				"sallyport client change "+c.Name+" --message-authenticator required")
		}
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		if on := dependsOnOrigin(s, c); c.Origin != auth.OriginNone && len(on) > 0 {
			add("client-origin", fmt.Sprintf("client %s is believed where people are, and %s on it", c.Name, depends(on)), c.Created,
				"sallyport client change "+c.Name+" --origin none")
		}
	}
	return list, nil
}

// dependsOnOrigin lists what relaxes logins of a client by the address at
// which it says people are.
func dependsOnOrigin(s *auth.Settings, c *auth.Client) (on []string) {
	for i := range s.Rules {
		if r := &s.Rules[i]; len(r.Match.Sources) > 0 && len(weakens(r)) > 0 && reaches(&r.Match, c) {
			on = append(on, "rule "+r.Name)
		}
	}
	for i := range s.Trusted {
		if t := &s.Trusted[i]; t.Application == c.Application {
			on = append(on, "trusted network "+t.Range.String())
		}
	}
	for i := range s.CacheRules {
		if r := &s.CacheRules[i]; r.Application == c.Application && r.Type == auth.CacheUserAddress {
			on = append(on, "the cache rule of "+r.Application)
		}
	}
	return on
}

func depends(on []string) string {
	if len(on) == 1 {
		return on[0] + " depends"
	}
	return strings.Join(on[:len(on)-1], ", ") + " and " + on[len(on)-1] + " depend"
}
