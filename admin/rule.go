package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// A RuleView is a rule as administrators see it. Of the lists at its head each
// one that is not empty must fit a login.
type RuleView struct {
	Place        int64    `json:"place"` // 1 is asked first
	Name         string   `json:"name"`
	Applications []string `json:"applications"`
	Clients      []string `json:"clients"`
	Groups       []string `json:"groups"`
	Sources      []string `json:"sources"` // addresses, subnets and ranges where the person is
	Holding      []string `json:"holding"` // factors of which the account holds one
	Times        []string `json:"times"`   // hours such as "mon-fri 08:00-18:00 Europe/Berlin"

	Need             string   `json:"need"`              // both, primary or refuse
	Methods          []string `json:"methods"`           // factors that may complete the login, in the order in which they are asked for; empty for all
	Unenrolled       string   `json:"unenrolled"`        // what people without a second factor meet: refuse, pass or enrol
	ChallengeSeconds int      `json:"challenge_seconds"` // how long a challenge can be answered, 0 for the usual
	WaitSeconds      int      `json:"wait_seconds"`      // how long a second request waits for the open login that it joins, 0 for as long as its client can
	Attributes       []string `json:"attributes"`        // of the reply of an accept, each NAME=VALUE

	// Weakens says in what way the rule asks for less than the strictest does,
	// Warnings what about it is probably not meant.
	Weakens  []string   `json:"weakens" prose:"true"`
	Warnings []string   `json:"warnings" prose:"true"`
	Created  *time.Time `json:"created,omitempty"`
	BuiltIn  bool       `json:"built_in,omitempty"` // the rule for logins that no other matches; it cannot be changed
}

// RuleTerms are what a rule matches and says. A field that is nil stays as it
// is; a list that is empty without being nil empties the list. Words and units
// are those of RuleView.
type RuleTerms struct {
	Applications     []string              `json:"applications,omitzero"`
	Clients          []string              `json:"clients,omitzero"`
	Groups           []string              `json:"groups,omitzero"`
	Sources          []string              `json:"sources,omitzero"`
	Holding          []string              `json:"holding,omitzero"`
	Times            []string              `json:"times,omitzero"`
	Need             *string               `json:"need,omitzero"`
	Methods          []string              `json:"methods,omitzero"`
	Unenrolled       *string               `json:"unenrolled,omitzero"`
	ChallengeSeconds *int                  `json:"challenge_seconds,omitzero"` // 30 to 600, 0 for the usual
	WaitSeconds      *int                  `json:"wait_seconds,omitzero"`      // 1 to 300, 0 for as long as the client can
	Attributes       []auth.ReplyAttribute `json:"attributes,omitzero"`
}

// A RulePlace says where among the others a rule stands: at most one of its
// fields is set.
type RulePlace struct {
	Place  int64  `json:"place,omitzero"`  // 1 is the first
	Before string `json:"before,omitzero"` // name of a rule
	After  string `json:"after,omitzero"`  // name of a rule
}

// A NewRule is what AddRule is given. Without a place the rule becomes the
// last.
type NewRule struct {
	Name string `json:"name"`
	RulePlace
	RuleTerms
}

// A RuleChange is what ChangeRule is given.
type RuleChange struct {
	Name    string `json:"name"`
	NewName string `json:"new_name,omitzero"` // "" keeps the name
	Expect  string `json:"-"`                 // Tag of the RuleView that the change was made for, "" for any
	RuleTerms
}

// A RuleMove is what MoveRule is given.
type RuleMove struct {
	Name   string `json:"name"`
	Expect string `json:"-"` // Tag of the RuleView that the move was made for, "" for any
	RulePlace
}

// AddRule makes a rule.
func (a *Admin) AddRule(ctx context.Context, by Actor, n NewRule) (RuleView, error) {
	if err := checkRuleName(n.Name); err != nil {
		return RuleView{}, err
	}
	s := a.Store.Settings()
	place, err := a.place(s, n.Name, n.RulePlace)
	if err != nil {
		return RuleView{}, err
	}
	r := auth.Rule{Name: n.Name, Place: place, Created: a.Now()}
	if err := a.setTerms(s, &r, n.RuleTerms); err != nil {
		return RuleView{}, err
	}
	if r.ID, err = newID(); err != nil {
		return RuleView{}, err
	}
	said := r
	if said.Place == 0 {
		said.Place = int64(len(s.Rules)) + 1
	}
	record := act{action: "rule.add", subject: r.Name, detail: ruleText(&said), after: ruleRecord(&said)}
	if err := a.applyTo(ctx, by, record, AddRule{r}); err != nil {
		return RuleView{}, problem(err, fmt.Sprintf("there is already a rule %q", r.Name), "sallyport rule show "+r.Name+" shows it")
	}
	return a.ShowRule(r.Name)
}

// ChangeRule changes what a rule matches and says, or its name. Only what c
// gives is changed.
func (a *Admin) ChangeRule(ctx context.Context, by Actor, c RuleChange) (RuleView, error) {
	s := a.Store.Settings()
	was, err := a.expectedRule(s, c.Name, c.Expect)
	if err != nil {
		return RuleView{}, err
	}
	next := was
	if c.NewName != "" && c.NewName != was.Name {
		if err := checkRuleName(c.NewName); err != nil {
			return RuleView{}, err
		}
		if findRule(s, c.NewName) >= 0 {
			return RuleView{}, &Problem{fmt.Sprintf("there is already a rule %q", c.NewName), "sallyport rule show " + c.NewName + " shows it", ErrExists}
		}
		next.Name = c.NewName
	}
	if err := a.setTerms(s, &next, c.RuleTerms); err != nil {
		return RuleView{}, err
	}
	return a.replaceRule(ctx, by, "rule.change", &was, &next)
}

// MoveRule puts a rule at another place.
func (a *Admin) MoveRule(ctx context.Context, by Actor, m RuleMove) (RuleView, error) {
	s := a.Store.Settings()
	was, err := a.expectedRule(s, m.Name, m.Expect)
	if err != nil {
		return RuleView{}, err
	}
	if m.RulePlace == (RulePlace{}) {
		return RuleView{}, invalid("give a place, or the rule that it goes before or after", "it is not said where rule %q goes", m.Name)
	}
	next := was
	if next.Place, err = a.place(s, m.Name, m.RulePlace); err != nil {
		return RuleView{}, err
	}
	return a.replaceRule(ctx, by, "rule.move", &was, &next)
}

// RemoveRule ends a rule. Its logins meet the next rule that matches. Expect is
// the Tag of the RuleView that is to be removed, "" for any.
func (a *Admin) RemoveRule(ctx context.Context, by Actor, name, expect string) error {
	was, err := a.expectedRule(a.Store.Settings(), name, expect)
	if err != nil {
		return err
	}
	record := act{action: "rule.remove", subject: name, detail: "was " + ruleText(&was), before: ruleRecord(&was)}
	return ruleGone(a.applyTo(ctx, by, record, expectRule(&was, nil), RemoveRule{name}), name)
}

// ShowRule returns one rule; the strictest too.
func (a *Admin) ShowRule(name string) (RuleView, error) {
	for _, v := range a.Rules() {
		if v.Name == name {
			return v, nil
		}
	}
	return RuleView{}, noRule(name)
}

// Rules lists all rules in the order in which they are asked, the one for
// logins that no other matches at the end.
func (a *Admin) Rules() []RuleView {
	s := a.Store.Settings()
	views := make([]RuleView, 0, len(s.Rules)+1)
	for i := range s.Rules {
		views = append(views, viewRule(s, i))
	}
	last := viewTerms(&auth.Rule{Name: auth.Strictest, Place: int64(len(s.Rules)) + 1})
	last.BuiltIn = true
	return append(views, last)
}

// replaceRule writes next in place of was, if that is still what is there, so
// that the record's before is what was really before.
func (a *Admin) replaceRule(ctx context.Context, by Actor, action string, was, next *auth.Rule) (RuleView, error) {
	before, after := ruleText(was), ruleText(next)
	if was.Name != next.Name {
		after = "named " + next.Name + ", " + after
	}
	record := act{action: action, subject: was.Name, detail: "was " + before + "; is " + after, before: ruleRecord(was), after: ruleRecord(next)}
	err := a.applyTo(ctx, by, record, expectRule(was, func(r *auth.Rule) {
		r.Name, r.Place, r.Match, r.Then = next.Name, next.Place, next.Match, next.Then
	}))
	if err != nil {
		return RuleView{}, ruleGone(err, was.Name)
	}
	return a.ShowRule(next.Name)
}

// expectRule is a change of a rule that fails if the rule is no longer as it
// was when the change was prepared.
func expectRule(was *auth.Rule, change func(*auth.Rule)) Change {
	return UpdateRule{was.Name, func(r *auth.Rule) error {
		if ruleText(r) != ruleText(was) {
			return invalid("sallyport rule show "+was.Name+" shows it as it is now; then try again", "rule %q was changed by somebody else meanwhile; nothing was done", was.Name)
		}
		if change != nil {
			change(r)
		}
		return nil
	}}
}

func ruleGone(err error, name string) error {
	return problem(err, fmt.Sprintf("no rule %q", name), "sallyport rule list shows the names")
}

func noRule(name string) error {
	return &Problem{fmt.Sprintf("no rule %q", name), "sallyport rule list shows the names", ErrNotFound}
}

func findRule(s *auth.Settings, name string) int {
	return slices.IndexFunc(s.Rules, func(r auth.Rule) bool { return r.Name == name })
}

// rule finds a rule that can be changed.
func (a *Admin) rule(s *auth.Settings, name string) (auth.Rule, error) {
	if name == auth.Strictest {
		return auth.Rule{}, invalid("sallyport rule add makes a rule that is asked before it", "rule %q is for logins that no other rule matches; it cannot be changed, moved or removed", name)
	}
	i := findRule(s, name)
	if i < 0 {
		return auth.Rule{}, noRule(name)
	}
	return s.Rules[i], nil
}

// expectedRule finds a rule that can be changed and is as its changer knows it.
func (a *Admin) expectedRule(s *auth.Settings, name, expect string) (auth.Rule, error) {
	r, err := a.rule(s, name)
	if err != nil {
		return auth.Rule{}, err
	}
	return r, expected(expect, viewRule(s, findRule(s, name)))
}

// ruleRecord is a rule as the record of acts keeps it.
func ruleRecord(r *auth.Rule) RuleView {
	v := viewTerms(r)
	v.Weakens = weakens(r)
	if !r.Created.IsZero() {
		v.Created = &r.Created
	}
	return v
}

func checkRuleName(name string) error {
	if err := checkName("rule", name); err != nil {
		return err
	}
	if strings.EqualFold(name, auth.Strictest) {
		return invalid("choose another name", "%q is the rule for logins that no other rule matches; no other can be called that", name)
	}
	return nil
}

// place says at which place a rule of that name is to stand. 0 is behind all
// others.
func (a *Admin) place(s *auth.Settings, name string, p RulePlace) (int64, error) {
	given := 0
	for _, set := range []bool{p.Place != 0, p.Before != "", p.After != ""} {
		if set {
			given++
		}
	}
	own := findRule(s, name)
	last := int64(len(s.Rules))
	if own < 0 {
		last++ // it is about to be added
	}
	switch {
	case given > 1:
		return 0, invalid("give one of them", "a place, before and after exclude one another")
	case given == 0:
		return 0, nil
	case p.Place != 0:
		if p.Place < 1 || p.Place > last {
			return 0, invalid("sallyport rule list shows the places", "there is no place %d; places are 1 to %d", p.Place, last)
		}
		return p.Place, nil
	}
	other := p.Before + p.After
	if other == name {
		return 0, invalid("name another rule", "rule %q cannot go before or after itself", name)
	}
	at := findRule(s, other)
	if other == auth.Strictest && p.Before != "" {
		at = len(s.Rules)
	} else if at < 0 {
		if other == auth.Strictest {
			return 0, invalid("", "nothing can stand behind rule %q: it takes every login that is left", other)
		}
		return 0, noRule(other)
	}
	place := int64(at) + 1
	if p.After != "" {
		place++
	}
	if own >= 0 && own < at {
		place-- // the others move up when it leaves its place
	}
	return place, nil
}

// Words for needs and what becomes of people without a second factor. In the
// database the strictest of each is the empty one.
var (
	needWords       = map[auth.Need]string{auth.NeedBoth: "both", auth.NeedPrimary: "primary", auth.NeedRefuse: "refuse"}
	unenrolledWords = map[auth.Unenrolled]string{auth.UnenrolledRefuse: "refuse", auth.UnenrolledPass: "pass", auth.UnenrolledEnrol: "enrol"}
)

// needWord returns the word for n; one that nobody knows counts as the
// strictest, as it does for logins.
func needWord(n auth.Need) string {
	if w, ok := needWords[n]; ok {
		return w
	}
	return needWords[auth.NeedBoth]
}

func unenrolledWord(u auth.Unenrolled) string {
	if w, ok := unenrolledWords[u]; ok {
		return w
	}
	return unenrolledWords[auth.UnenrolledRefuse]
}

const (
	minChallengeLife, maxChallengeLife = 30 * time.Second, 10 * time.Minute // as the configuration's challenge_lifetime
	minRuleWait, maxRuleWait           = time.Second, 5 * time.Minute
)

// setTerms changes r as t says and checks the whole of what comes of it.
func (a *Admin) setTerms(s *auth.Settings, r *auth.Rule, t RuleTerms) (err error) {
	m, then := &r.Match, &r.Then
	if t.Applications != nil {
		if m.Applications, err = known(t.Applications, func(name string) error { return application(s, name) }); err != nil {
			return err
		}
	}
	if t.Clients != nil {
		if m.Clients, err = known(t.Clients, func(name string) error { return clientNamed(s, name) }); err != nil {
			return err
		}
	}
	if t.Groups != nil {
		if m.Groups, err = known(t.Groups, func(name string) error { return groupNamed(s, name) }); err != nil {
			return err
		}
	}
	if t.Holding != nil {
		if m.Methods, err = known(t.Holding, func(name string) error { _, err := a.factor(name); return err }); err != nil {
			return err
		}
	}
	if t.Sources != nil {
		m.Sources = nil
		for _, text := range t.Sources {
			rng, err := auth.ParseRange(text)
			if err != nil {
				return invalid("write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20", "%v", err)
			}
			if !slices.Contains(m.Sources, rng) {
				m.Sources = append(m.Sources, rng)
			}
		}
	}
	if t.Times != nil {
		m.Times = nil
		for _, text := range t.Times {
			h, err := auth.ParseHours(text)
			if err != nil {
				return invalid(`write "mon-fri 08:00-18:00 Europe/Berlin"`, "%v", err)
			}
			m.Times = append(m.Times, h)
		}
	}
	if t.Need != nil {
		if then.Need, err = word(needWords, *t.Need, "need", "needs are: both, primary, refuse"); err != nil {
			return err
		}
	}
	if t.Methods != nil {
		if then.Methods, err = known(t.Methods, a.secondFactor); err != nil {
			return err
		}
	}
	if t.Unenrolled != nil {
		if then.Unenrolled, err = word(unenrolledWords, *t.Unenrolled, "answer for people without a second factor", "they can meet: refuse, pass, enrol"); err != nil {
			return err
		}
	}
	if t.ChallengeSeconds != nil {
		if then.ChallengeLife, err = seconds(*t.ChallengeSeconds, minChallengeLife, maxChallengeLife, "a challenge can be answered"); err != nil {
			return err
		}
	}
	if t.WaitSeconds != nil {
		if then.Wait, err = seconds(*t.WaitSeconds, minRuleWait, maxRuleWait, "a request waits for the login that it joins"); err != nil {
			return err
		}
	}
	if t.Attributes != nil {
		if err := a.checkAttributes(t.Attributes); err != nil {
			return err
		}
		then.Attributes = nil
		then.Attributes = append(then.Attributes, t.Attributes...)
	}
	return checkThen(then)
}

// checkThen refuses what makes no sense together.
func checkThen(t *auth.Then) error {
	if t.Need == auth.NeedBoth {
		return nil
	}
	says := "refuses, so that nothing completes the login"
	if t.Need == auth.NeedPrimary {
		says = "needs only the first factor, so that no second is asked for"
	}
	var superfluous string
	switch {
	case len(t.Methods) > 0:
		superfluous = "methods"
	case t.Unenrolled != auth.UnenrolledRefuse:
		superfluous = "an answer for people without a second factor"
	case t.ChallengeLife != 0:
		superfluous = "a time to answer challenges"
	case t.Wait != 0:
		superfluous = "a time to wait for open logins"
	case t.Need == auth.NeedRefuse && len(t.Attributes) > 0:
		superfluous = "attributes of accepts"
	default:
		return nil
	}
	return invalid("leave it out, or take it away in the same change", "the rule %s; %s would mean nothing", says, superfluous)
}

// known checks each name and returns them without repetitions.
func known(names []string, check func(string) error) ([]string, error) {
	var list []string
	for _, n := range names {
		if err := check(n); err != nil {
			return nil, err
		}
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list, nil
}

// word finds the value that people write as w.
func word[T comparable](words map[T]string, w, kind, hint string) (T, error) {
	for value, text := range words {
		if text == w {
			return value, nil
		}
	}
	var none T
	return none, invalid(hint, "there is no %s %q", kind, w)
}

func seconds(n int, least, most time.Duration, what string) (time.Duration, error) {
	if n == 0 {
		return 0, nil
	}
	if n < int(least/time.Second) || n > int(most/time.Second) {
		return 0, invalid("0 means the usual", "%s for %d to %d seconds, not %d", what, least/time.Second, most/time.Second, n)
	}
	return time.Duration(n) * time.Second, nil
}

func application(s *auth.Settings, name string) error {
	if slices.ContainsFunc(s.Applications, func(p auth.Application) bool { return p.Name == name }) {
		return nil
	}
	return &Problem{fmt.Sprintf("there is no application %q", name), "sallyport application list shows the names", ErrNotFound}
}

func clientNamed(s *auth.Settings, name string) error {
	if s.Client(name) != nil {
		return nil
	}
	return &Problem{fmt.Sprintf("no client %q", name), "sallyport client list shows the names", ErrNotFound}
}

func groupNamed(s *auth.Settings, name string) error {
	if s.Group(name) != nil {
		return nil
	}
	return &Problem{fmt.Sprintf("there is no group %q", name), "sallyport group list shows the names", ErrNotFound}
}

// secondFactor checks that a factor can complete a login.
func (a *Admin) secondFactor(name string) error {
	f, err := a.factor(name)
	if err != nil {
		return err
	}
	if f.Info().Category != auth.Have {
		return invalid("", "factor %q is a first factor; it cannot complete a login", name)
	}
	return nil
}

// ruleText is everything about a rule on one line, for the record.
func ruleText(r *auth.Rule) string {
	text := fmt.Sprintf("place %d: %s: %s", r.Place, matchText(&r.Match), thenText(&r.Then))
	for _, at := range r.Then.Attributes {
		text += ", " + at.Name + "=" + at.Value
	}
	return text
}

// matchText says which logins a rule is about.
func matchText(m *auth.Match) string {
	var parts []string
	if len(m.Applications) > 0 {
		parts = append(parts, "application "+strings.Join(m.Applications, ","))
	}
	if len(m.Clients) > 0 {
		parts = append(parts, "client "+strings.Join(m.Clients, ","))
	}
	if len(m.Groups) > 0 {
		parts = append(parts, "group "+strings.Join(m.Groups, ","))
	}
	if len(m.Sources) > 0 {
		parts = append(parts, "from "+strings.Join(texts(m.Sources), ","))
	}
	if len(m.Methods) > 0 {
		parts = append(parts, "holding "+strings.Join(m.Methods, ","))
	}
	if len(m.Times) > 0 {
		parts = append(parts, "in the hours "+strings.Join(texts(m.Times), ","))
	}
	if len(parts) == 0 {
		return "every login"
	}
	return strings.Join(parts, ", ")
}

// thenText says what a rule asks for, without attributes.
func thenText(t *auth.Then) string {
	text := "need " + needWord(t.Need)
	if len(t.Methods) > 0 {
		text += ", by " + strings.Join(t.Methods, ",")
	}
	if t.Need != auth.NeedPrimary && t.Need != auth.NeedRefuse {
		text += ", unenrolled " + unenrolledWord(t.Unenrolled)
	}
	if t.ChallengeLife != 0 {
		text += fmt.Sprintf(", challenges for %d s", t.ChallengeLife/time.Second)
	}
	if t.Wait != 0 {
		text += fmt.Sprintf(", waits %d s", t.Wait/time.Second)
	}
	return text
}

func texts[T fmt.Stringer](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.String()
	}
	return list
}

// viewRule is the rule at index i, with what is remarkable about it among the
// others.
func viewRule(s *auth.Settings, i int) RuleView {
	r := &s.Rules[i]
	v := viewTerms(r)
	v.Created = &r.Created
	v.Weakens = weakens(r)
	for j := range i {
		if covers(&s.Rules[j].Match, &r.Match) {
			v.Warnings = append(v.Warnings, fmt.Sprintf("it is never asked: rule %s before it matches every login that it matches", s.Rules[j].Name))
			break
		}
	}
	dangling := func(names []string, check func(*auth.Settings, string) error) {
		for _, n := range names {
			if err := check(s, n); err != nil {
				v.Warnings = append(v.Warnings, err.Error()+", which it names")
			}
		}
	}
	dangling(r.Match.Applications, application)
	dangling(r.Match.Clients, clientNamed)
	dangling(r.Match.Groups, groupNamed)
	if len(r.Match.Sources) > 0 {
		for j := range s.Clients {
			if c := &s.Clients[j]; c.Origin == auth.OriginNone && reaches(&r.Match, c) {
				v.Warnings = append(v.Warnings, unbelieved(c))
			}
		}
	}
	return v
}

func viewTerms(r *auth.Rule) RuleView {
	v := RuleView{
		Place: r.Place, Name: r.Name,
		Applications: orEmpty(r.Match.Applications), Clients: orEmpty(r.Match.Clients), Groups: orEmpty(r.Match.Groups),
		Sources: texts(r.Match.Sources), Holding: orEmpty(r.Match.Methods), Times: texts(r.Match.Times),
		Need: needWord(r.Then.Need), Methods: orEmpty(r.Then.Methods), Unenrolled: unenrolledWord(r.Then.Unenrolled),
		ChallengeSeconds: int(r.Then.ChallengeLife / time.Second), WaitSeconds: int(r.Then.Wait / time.Second),
		Attributes: []string{}, Weakens: []string{}, Warnings: []string{},
	}
	for _, at := range r.Then.Attributes {
		v.Attributes = append(v.Attributes, at.Name+"="+at.Value)
	}
	return v
}

// weakens says in what way a rule asks for less than the strictest does.
func weakens(r *auth.Rule) []string {
	switch {
	case r.Then.Need == auth.NeedPrimary:
		return []string{"the first factor is enough: no code is asked for"}
	case r.Then.Need != auth.NeedRefuse && r.Then.Unenrolled == auth.UnenrolledPass:
		return []string{"people who hold no second factor that it admits are let in on the first alone"}
	}
	return []string{}
}

// unbelieved says that a client's word on where people are counts for nothing.
func unbelieved(c *auth.Client) string {
	return fmt.Sprintf("it never applies at client %s, whose word on where people are is not believed (sallyport client change %s --origin calling-station-id)", c.Name, c.Name)
}

// reaches reports whether logins of a client can match.
func reaches(m *auth.Match, c *auth.Client) bool {
	return (len(m.Applications) == 0 || slices.Contains(m.Applications, c.Application)) &&
		(len(m.Clients) == 0 || slices.Contains(m.Clients, c.Name))
}

// covers reports whether every login that b matches is matched by a too. It
// may overlook that it is so.
func covers(a, b *auth.Match) bool {
	return within(b.Applications, a.Applications) && within(b.Clients, a.Clients) && within(b.Groups, a.Groups) &&
		within(b.Methods, a.Methods) && within(texts(b.Times), texts(a.Times)) &&
		(len(a.Sources) == 0 || len(b.Sources) > 0 && !slices.ContainsFunc(b.Sources, func(r auth.Range) bool {
			return !slices.ContainsFunc(a.Sources, func(wide auth.Range) bool { return wide.Contains(r.First) && wide.Contains(r.Last) })
		}))
}

// within reports whether all that the list some lets through, all does. An
// empty list lets everything through.
func within(some, all []string) bool {
	if len(all) == 0 {
		return true
	}
	return len(some) > 0 && !slices.ContainsFunc(some, func(n string) bool { return !slices.Contains(all, n) })
}
