package auth

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName is the longest name in octets that is looked at, typed or canonical.
const maxName = 255

// errName says that no account can have such a name.
var errName = errors.New("a name has 1 to 255 octets of UTF-8 and no control or invisible characters")

// Canonical returns the one form of a name: compatibility forms unified (NFKC),
// case folded, white space around it and around its separators gone. Two
// spellings are the same name only if their canonical forms are equal. It is
// idempotent. Inner spaces stay: some directories have them.
//
// An error means that nobody can have this name.
func Canonical(name string) (string, error) {
	if len(name) > maxName {
		return "", errName
	}
	if ascii, ok := canonicalASCII(name); ok {
		if ascii == "" {
			return "", errName
		}
		return ascii, nil
	}
	if !utf8.ValidString(name) {
		return "", errName
	}
	// Folding can make characters that NFKC changes again, and the other way
	// round; the Unicode Standard (Section 3.13, D146) repeats both.
	s := name
	for range 4 {
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) {
			return "", errName
		}
	}
	s = trimParts(s)
	if s == "" || len(s) > maxName {
		return "", errName
	}
	return s, nil
}

// canonicalASCII is the common case, without the tables. ok is false if name
// needs them or cannot be a name.
func canonicalASCII(name string) (canonical string, ok bool) {
	plain := true
	for i := range len(name) {
		switch c := name[i]; {
		case c >= utf8.RuneSelf || c < ' ' || c == 0x7f:
			return "", false
		case c == ' ' || 'A' <= c && c <= 'Z':
			plain = false
		}
	}
	if plain {
		return name, true
	}
	return trimParts(strings.ToLower(name)), true
}

// trimParts removes white space around a name and its domain separators.
func trimParts(s string) string {
	s = strings.TrimSpace(s)
	for _, sep := range []string{`\`, "@"} {
		if before, after, ok := strings.Cut(s, sep); ok {
			s = strings.TrimSpace(before) + sep + strings.TrimSpace(after)
		}
	}
	return s
}

// Spellings returns the canonical names that a claimant may stand for, in the
// order in which they are looked up: the whole of it first; then, if it has a
// domain part (DOMAIN\user or user@domain) that is one of domains, the user
// alone. With no domains every domain part may be dropped: the installation
// has but one population of users. An error means that nobody can have this
// name.
func Spellings(claimant string, domains []string) ([]string, error) {
	whole, err := Canonical(claimant)
	if err != nil {
		return nil, err
	}
	user, domain := splitDomain(whole)
	if domain == "" || user == "" || !hasDomain(domains, domain) {
		return []string{whole}, nil
	}
	return []string{whole, user}, nil
}

// splitDomain takes DOMAIN\user and user@domain apart. A name with both, or
// with more than one of either, is left whole: it is ambiguous.
func splitDomain(name string) (user, domain string) {
	switch strings.Count(name, `\`) + strings.Count(name, "@") {
	case 1:
		if domain, user, ok := strings.Cut(name, `\`); ok {
			return user, domain
		}
		user, domain, _ := strings.Cut(name, "@")
		return user, domain
	default:
		return name, ""
	}
}

func hasDomain(domains []string, domain string) bool {
	if len(domains) == 0 {
		return true
	}
	for _, d := range domains {
		if c, err := Canonical(d); err == nil && c == domain {
			return true
		}
	}
	return false
}
