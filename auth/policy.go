package auth

import (
	"net/netip"
	"slices"
	"time"
)

// A Requirement is what the policy asks of an attempt: the categories that must
// be proven. What is still missing is always computed from what has been
// proven, never from a position in a list.
type Requirement struct {
	Know bool // a first factor checked by us
	Have bool // a second factor
}

// Require is what a client's logins need before any rule or exemption relaxes
// it. A client that checks the password itself is trusted for the first factor
// and for nothing else; an unknown rule for passwords meets the strictest
// requirement.
func Require(c *Client) Requirement {
	return Requirement{Know: c.Password != PasswordNone, Have: true}
}

// Missing returns what of r the proven factors leave open.
func (r Requirement) Missing(proven []string, factors []Factor) Requirement {
	if len(proven) == 0 {
		return r
	}
	for _, f := range factors {
		info := f.Info()
		if !slices.Contains(proven, info.Name) {
			continue
		}
		switch info.Category {
		case Know:
			r.Know = false
		case Have:
			r.Have = false
			r.Know = r.Know && !info.Both
		}
	}
	return r
}

// Met reports whether nothing is left open.
func (r Requirement) Met() bool { return !r.Know && !r.Have }

// rule returns the rule that decides a login: the first that matches, else the
// strictest. note says in the trace what it asks for. account is nil for a name
// that nobody has.
func (s *Settings) rule(client *Client, account *Account, held []Authenticator, at *Attempt) (r *Rule, note string) {
	if own := ownRules[client.Name]; own != nil {
		return own, own.note()
	}
	for i := range s.Rules {
		m := &s.Rules[i].Match
		if m.fitsRequest(client, at) && m.fitsPerson(account, held) {
			return &s.Rules[i], s.notes[i]
		}
	}
	return &strictest, strictestNote
}

// ruleNamed returns the rule of that name, or nil.
func (s *Settings) ruleNamed(name string) *Rule {
	for i := range s.Rules {
		if s.Rules[i].Name == name {
			return &s.Rules[i]
		}
	}
	if name == Strictest {
		return &strictest
	}
	return ownRules[name]
}

// fitsRequest reports whether the conditions fit that are not about the person.
func (m *Match) fitsRequest(client *Client, at *Attempt) bool {
	return fits(m.Applications, client.Application) && fits(m.Clients, client.Name) &&
		(len(m.Sources) == 0 || slices.ContainsFunc(m.Sources, func(r Range) bool { return r.Contains(at.Origin) })) &&
		(len(m.Times) == 0 || slices.ContainsFunc(m.Times, func(h Hours) bool { return h.Contain(at.Time) }))
}

// fitsPerson reports whether the conditions fit that are about the person. Of a
// name that nobody has nothing is true.
func (m *Match) fitsPerson(account *Account, held []Authenticator) bool {
	if len(m.Groups) > 0 && (account == nil || !slices.ContainsFunc(account.Groups, func(g string) bool { return fits(m.Groups, g) })) {
		return false
	}
	return len(m.Methods) == 0 ||
		account != nil && slices.ContainsFunc(held, func(a Authenticator) bool { return fits(m.Methods, a.Factor) })
}

// fits reports whether a condition on a name fits it: there is none, or it lists
// the name. An empty name is in no list.
func fits(list []string, name string) bool {
	return len(list) == 0 || name != "" && slices.Contains(list, name)
}

const strictestNote = "no rule matches: a first and a second factor are needed"

// note says in the trace what the rule asks for.
func (r *Rule) note() string {
	switch r.Then.Need {
	case NeedPrimary:
		return "rule " + r.Name + ": a first factor is enough"
	case NeedRefuse:
		return "rule " + r.Name + ": refused, whatever is presented"
	case NeedBoth:
	}
	return "rule " + r.Name + ": a first and a second factor are needed"
}

// admits reports whether a factor may be the second one of a login.
func (t *Then) admits(factor string) bool {
	return len(t.Methods) == 0 || slices.Contains(t.Methods, factor)
}

// challengeLife is how long a challenge can be answered where usual is the
// usual time.
func (t *Then) challengeLife(usual time.Duration) time.Duration {
	if t.ChallengeLife > 0 {
		return t.ChallengeLife
	}
	return usual
}

// patience is how long a request may wait for another login where the door can
// wait for can.
func (t *Then) patience(can time.Duration) time.Duration {
	if t.Wait > 0 {
		return min(t.Wait, can)
	}
	return can
}

// rewoundAt reports whether at falls into the time after the database was found
// to have gone back in which nothing that needs a second factor is judged, and
// the login needs one as far as can be said without the name: a rule that asks
// for less must hold whoever it is, because nobody may learn from the answer
// which names there are.
func (s *Settings) rewoundAt(client *Client, at *Attempt) bool {
	if s.Rewound.IsZero() || at.Time.Before(s.Rewound) || !at.Time.Before(s.Rewound.Add(RewoundFor)) {
		return false
	}
	if ownRules[client.Name] != nil {
		return true
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		switch {
		case !r.Match.fitsRequest(client, at):
		case r.Then.Need != NeedPrimary:
			return true
		case len(r.Match.Groups) == 0 && len(r.Match.Methods) == 0:
			return false
		}
	}
	return true
}

// revived reports whether something that can be used once, or that failures
// take away, was there before the database went back in time: it may have been
// used up in the stretch that is lost.
func (s *Settings) revived(made time.Time) bool {
	return !s.Rewound.IsZero() && !made.After(s.Rewound)
}

// origin returns where the person is, as far as the client is believed.
func (c *Client) origin(said netip.Addr) netip.Addr {
	if c.Origin != OriginCalling || said.Zone() != "" {
		return netip.Addr{}
	}
	return said.Unmap()
}
