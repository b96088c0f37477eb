package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/auth"
	"sallyport/phrase"
)

// TestTranslation holds the German of outcomes against the catalogue: what their
// rows say in a form that pages and runbooks rely on must be so in German too.
// That there is German for all of it, package phrase tests.
func TestTranslation(t *testing.T) {
	book := phrase.German()
	persons := make(map[string]string) // German to English
	for _, m := range auth.Catalogue() {
		texts := []struct{ key, english string }{
			{"label", m.Label}, {"person", m.Person}, {"help_desk", m.HelpDesk}, {"administrator", m.Administrator}, {"remedy", m.Remedy},
		}
		for _, x := range texts {
			german := book.Say(x.english)
			if en, de := commandsIn(x.english), commandsIn(german); !slices.Equal(en, de) {
				t.Errorf("%s: %s has the commands %q in German; want %q", m.Name, x.key, de, en)
			}
			if du.MatchString(german) {
				t.Errorf("%s: %s addresses people as no stranger does: %q", m.Name, x.key, german)
			}
		}
		if en, de := actorsIn(m.Remedy), actorsIn(book.Say(m.Remedy)); !slices.Equal(en, de) {
			t.Errorf("%s: the remedy is for %q in German; want %q", m.Name, de, en)
		}
		if en, de := strings.Count(m.HelpDesk, "Tell the caller: "), strings.Count(book.Say(m.HelpDesk), "Sagen Sie der anrufenden Person: "); en != de {
			t.Errorf("%s: help_desk tells the caller something %d times in German; want %d", m.Name, de, en)
		}

		// What differs to a guesser in English must differ in German, and what is
		// the same, which a book sees to, must be the same.
		german := book.Say(m.Person)
		if was, ok := persons[german]; ok && was != m.Person {
			t.Errorf("%s: %q stands for %q and for %q", m.Name, german, m.Person, was)
		}
		persons[german] = m.Person
	}
	if english, german := "Sign-in failed. Reference 7F3K-92QD.", book.Say("Sign-in failed. Reference 7F3K-92QD."); german != book.Say("Sign-in failed")+". Referenz 7F3K-92QD." {
		t.Errorf("%q is %q", english, german)
	}
}

var (
	command = regexp.MustCompile("`[^`]*`")
	actor   = regexp.MustCompile(`(?:^|[.!?] )(Nobody|Niemand|Person|Help desk|Helpdesk|Administrator): `)
	du      = regexp.MustCompile(`(?i)\b(du|dich|dir|deine?[mnrs]?)\b`)
)

// commandsIn returns what stands in backticks, sorted, for the order of words
// differs between languages.
func commandsIn(text string) []string {
	return slices.Sorted(slices.Values(command.FindAllString(text, -1)))
}

// actorsIn returns who must act, in turn, by their English names.
func actorsIn(remedy string) []string {
	var list []string
	for _, m := range actor.FindAllStringSubmatch(remedy, -1) {
		list = append(list, strings.NewReplacer("Niemand", "Nobody", "Helpdesk", "Help desk").Replace(m[1]))
	}
	return list
}
