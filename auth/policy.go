package auth

import "slices"

// A Requirement is what the policy asks of an attempt: the categories that must
// be proven. What is still missing is always computed from what has been
// proven, never from a position in a list.
type Requirement struct {
	Know bool // a first factor checked by us
	Have bool // a second factor
}

// Require is the policy: what a client's logins need. A client that checks the
// password itself is trusted for the first factor and for nothing else; an
// unknown rule meets the strictest requirement.
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
		}
	}
	return r
}

// Met reports whether nothing is left open.
func (r Requirement) Met() bool { return !r.Know && !r.Have }
