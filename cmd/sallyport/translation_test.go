package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/auth"
)

// TestTranslation holds the pages' German texts of outcomes against the
// catalogue: a row, a command or a sentence that is added or changed in one of
// them only is found here.
func TestTranslation(t *testing.T) {
	var german map[string]map[string]string
	readJSON(t, "../../web/src/i18n/outcomes.de.json", &german)
	var pages struct {
		Says map[string]string `json:"says"`
	}
	readJSON(t, "../../web/src/i18n/de.json", &pages)

	persons := make(map[string]string) // English to German
	back := make(map[string]string)    // German to English
	for _, m := range auth.Catalogue() {
		de, ok := german[m.Name]
		if !ok {
			t.Errorf("%s (%d) has no German texts", m.Name, m.Outcome)
			continue
		}
		delete(german, m.Name)
		want := []string{"label"}
		if !m.Foreign {
			want = []string{"administrator", "help_desk", "label", "person", "remedy"}
		}
		var keys []string
		for k, text := range de {
			keys = append(keys, k)
			if strings.TrimSpace(text) != text || text == "" {
				t.Errorf("%s: %s is empty or begins or ends with a blank: %q", m.Name, k, text)
			}
		}
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			t.Errorf("%s has the German texts %q; want %q", m.Name, keys, want)
		}
		if m.Foreign {
			continue
		}

		for _, x := range []struct{ key, english string }{
			{"label", m.Label}, {"person", m.Person}, {"help_desk", m.HelpDesk}, {"administrator", m.Administrator}, {"remedy", m.Remedy},
		} {
			if en, de := commandsIn(x.english), commandsIn(de[x.key]); !slices.Equal(en, de) {
				t.Errorf("%s: %s has the commands %q in German; want %q", m.Name, x.key, de, en)
			}
		}
		if en, de := actorsIn(m.Remedy), actorsIn(de["remedy"]); !slices.Equal(en, de) {
			t.Errorf("%s: the remedy is for %q in German; want %q", m.Name, de, en)
		}
		if en, de := strings.Count(m.HelpDesk, "Tell the caller: "), strings.Count(de["help_desk"], "Sagen Sie der anrufenden Person: "); en != de {
			t.Errorf("%s: help_desk tells the caller something %d times in German; want %d", m.Name, de, en)
		}

		// What is the same to a guesser in English must be so in German, and on
		// the sign-in pages, which know sentences and no names of outcomes.
		if was, ok := persons[m.Person]; ok && was != de["person"] {
			t.Errorf("%s: %q is %q in German, and %q elsewhere", m.Name, m.Person, de["person"], was)
		}
		persons[m.Person] = de["person"]
		if was, ok := back[de["person"]]; ok && was != m.Person {
			t.Errorf("%s: %q stands for %q and for %q", m.Name, de["person"], m.Person, was)
		}
		back[de["person"]] = m.Person
		if says := pages.Says[m.Person]; says != de["person"] {
			t.Errorf("%s: the sign-in pages say %q for %q; want %q", m.Name, says, m.Person, de["person"])
		}
	}
	for name := range german {
		t.Errorf("outcomes.de.json has %q, which is no outcome", name)
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

var (
	command = regexp.MustCompile("`[^`]*`")
	actor   = regexp.MustCompile(`(?:^|[.!?] )(Nobody|Niemand|Person|Help desk|Helpdesk|Administrator): `)
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
