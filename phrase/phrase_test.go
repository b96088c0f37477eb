package phrase

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"
)

// sample is a small book of German.
var sample = map[string]string{
	"no code came":       "es kam kein Code",
	"not evaluated":      "nicht ausgewertet",
	"not evaluated: {0}": "nicht ausgewertet: {0}",
	"NPS says so":        "NPS sagt es",
	"rule {0}":           "Regel {0}",
	"rule {0}: refused, whatever is presented":             "Regel {0}: abgelehnt, was auch vorgelegt wird",
	"{0} is disabled":                                      "{0} ist gesperrt",
	"{0} is blocked: {1}":                                  "{0} ist blockiert: {1!}",
	"the login of {0} at {1} is open, but":                 "die Anmeldung von {0} an {1} ist offen, aber",
	"{0}this request comes from another place":             "{0}diese Anfrage kommt von einem anderen Ort",
	"asked separately: {0}":                                "getrennt gefragt: {0}",
	"The certificate of {0} ends on {1}":                   "Am {1} endet das Zertifikat von {0}",
	"from {0} to {1}":                                      "von {0} bis {1}",
	"client {0} gives up before people have answered":      "Client {0} gibt auf, bevor Menschen geantwortet haben",
	"in place of {0}":                                      "anstelle von {0}",
	"is it of another version?":                            "ist er von einer anderen Version?",
	"what node {0} has learned cannot be read":             "was Knoten {0} gelernt hat, ist nicht lesbar",
	"give it the permission login.decide, or no client":    "geben Sie ihm das Recht login.decide oder keinen Client",
	"{0} cannot be the name of a {1}":                      "{0} kann nicht so heißen: {1}",
	"{0} cannot be the name of a client":                   "{0} kann kein Name eines Clients sein",
	"the code is right ({0})":                              "der Code ist richtig ({0})",
	"Two secrets are accepted. Finish the rotation of {0}": "Zwei Geheimnisse gelten. Schließen Sie den Wechsel von {0} ab",
}

func bookOf(t testing.TB, entries map[string]string) *Book {
	t.Helper()
	b, err := Read(files(t, entries))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func files(t testing.TB, entries map[string]string) fstest.MapFS {
	t.Helper()
	b, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"german/sample.json": &fstest.MapFile{Data: b}}
}

func TestSay(t *testing.T) {
	b := bookOf(t, sample)
	tests := []struct{ name, english, want string }{
		{"a whole sentence", "no code came", "es kam kein Code"},
		{"with a full stop", "no code came.", "es kam kein Code."},
		{"begun with a capital", "No code came.", "Es kam kein Code."},
		{"begun with a small letter", "nPS says so", "NPS sagt es"},
		{"a value", "alice is disabled", "alice ist gesperrt"},
		{"a value before everything keeps its first letter", "alice is disabled.", "alice ist gesperrt."},
		{"a name of several words", "Alice B. Cooper is disabled", "Alice B. Cooper ist gesperrt"},
		{"values in another order", "The certificate of https ends on 2026-12-01.", "Am 2026-12-01 endet das Zertifikat von https."},
		{"a phrase as value", "not evaluated: no code came", "nicht ausgewertet: es kam kein Code"},
		{"no phrase as value", "not evaluated: EOF while reading", "nicht ausgewertet: EOF while reading"},
		{"a value that is never said", "alice is blocked: no code came", "alice ist blockiert: no code came"},
		{"a single word is a name", "rule not", "Regel not"},
		{"the longer template", "rule vpn: refused, whatever is presented", "Regel vpn: abgelehnt, was auch vorgelegt wird"},
		{"the template with the word in it", `"a b" cannot be the name of a client`, `"a b" kann kein Name eines Clients sein`},
		{"the template with the word as value", `"a b" cannot be the name of a rule`, `"a b" kann nicht so heißen: rule`},
		{"sentences one after the other", "No code came. Rule vpn.", "Es kam kein Code. Regel vpn."},
		{"clauses", "rule vpn: refused, whatever is presented; not evaluated", "Regel vpn: abgelehnt, was auch vorgelegt wird; nicht ausgewertet"},
		{"a clause that is a part", ", in place of x", ", anstelle von x"},
		{"a question", "what node n2 has learned cannot be read; is it of another version?", "was Knoten n2 gelernt hat, ist nicht lesbar; ist er von einer anderen Version?"},
		{"several sentences in one entry", "Two secrets are accepted. Finish the rotation of vpn.", "Zwei Geheimnisse gelten. Schließen Sie den Wechsel von vpn ab."},
		{"a full stop within a word", "give it the permission login.decide, or no client", "geben Sie ihm das Recht login.decide oder keinen Client"},
		{
			"phrases in phrases", "asked separately: the login of 10:00 at vpn is open, but this request comes from another place",
			"getrennt gefragt: die Anmeldung von 10:00 an vpn ist offen, aber diese Anfrage kommt von einem anderen Ort",
		},

		{"a name before a colon", "names[0]: no code came; age: rule x", "names[0]: es kam kein Code; age: Regel x"},
		{"a weak template with what may be a sentence", "rule of the network is gone", "rule of the network is gone"},
		{"a weak template with a phrase", "rule vpn: refused, whatever is presented; in place of rule lan", "Regel vpn: abgelehnt, was auch vorgelegt wird; anstelle von Regel lan"},

		{"unknown", "something else happened", "something else happened"},
		{"half known", "no code came; something else happened", "no code came; something else happened"},
		{"half known, the other half", "Something else happened. No code came.", "Something else happened. No code came."},
		{"a word more", "no code came today", "no code came today"},
		{"nothing", "", ""},
		{"joints alone", ". ; ", ". ; "},
		{"not text", "\xff\xfe no code came", "\xff\xfe no code came"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.Say(tt.english); got != tt.want {
				t.Errorf("Say(%q) = %q, want %q", tt.english, got, tt.want)
			}
		})
	}
}

func TestNoBookSaysNothing(t *testing.T) {
	var b *Book
	if got := b.Say("no code came"); got != "no code came" {
		t.Errorf("Say = %q", got)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name    string
		entries map[string]string
		want    string
	}{
		{"no translation", map[string]string{"no code came": " "}, "has no translation"},
		{"a placeholder that is lost", map[string]string{"rule {0} of {1}": "Regel {0}"}, "lacks {1}"},
		{"a placeholder too many", map[string]string{"rule {0}": "Regel {0} {1}"}, "which the English has not"},
		{"placeholders out of order", map[string]string{"rule {1} of {0}": "Regel {0} {1}"}, "must be {0}"},
		{"one mark in English", map[string]string{"rule {0!}": "Regel {0}"}, "must be {0}"},
		{"nothing between", map[string]string{"rule {0}{1}": "Regel {0} {1}"}, "nothing stands between"},
		{"no word", map[string]string{"{0}: {1}s": "{0}: {1}"}, "no word of its own"},
		{"a full stop at the end", map[string]string{"no code came.": "es kam kein Code"}, "what joins sentences"},
		{"an empty template", map[string]string{"": "nichts"}, "what joins sentences"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Read(files(t, tt.entries)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want an error with %q", err, tt.want)
			}
		})
	}
	t.Run("two translations", func(t *testing.T) {
		_, err := Read(fstest.MapFS{
			"a.json": &fstest.MapFile{Data: []byte(`{"no code came": "es kam kein Code"}`)},
			"b.json": &fstest.MapFile{Data: []byte(`{"no code came": "kein Code kam"}`)},
		})
		if err == nil || !strings.Contains(err.Error(), "in two ways") {
			t.Errorf("Read = %v", err)
		}
	})
	t.Run("no object", func(t *testing.T) {
		if _, err := Read(fstest.MapFS{"a.json": &fstest.MapFile{Data: []byte(`["no code came"]`)}}); err == nil {
			t.Error("a list was read")
		}
	})
}

// What the book does not know stays as it is; what it knows keeps its values.
func TestSayKeepsValues(t *testing.T) {
	b := bookOf(t, sample)
	rapid.Check(t, func(t *rapid.T) {
		// Values without a space are never phrases, those of these letters never
		// the words of a template.
		value := rapid.StringMatching(`[XYZ0-9@\\"._-]{0,6}[XYZ0-9]`)
		english := rapid.SampledFrom(slices.Sorted(maps.Keys(sample))).Draw(t, "template")
		other := sample[english]
		for i := range strings.Count(english, "{") {
			v := value.Draw(t, "value")
			english = strings.ReplaceAll(english, fmt.Sprintf("{%d}", i), v)
			other = strings.ReplaceAll(strings.ReplaceAll(other, fmt.Sprintf("{%d}", i), v), fmt.Sprintf("{%d!}", i), v)
		}
		if got := b.Say(english); got != other {
			t.Errorf("Say(%q) = %q, want %q", english, got, other)
		}
		strange := english + " " + value.Draw(t, "more") + " qqq"
		if got := b.Say(strange); strings.HasSuffix(sample[english], "}") && got != strange && !strings.HasSuffix(got, " qqq") {
			t.Errorf("Say(%q) = %q", strange, got)
		}
	})
}

// FuzzSay checks that whatever comes, what is said of it has the same ends, and
// that what the book cannot know is not touched.
func FuzzSay(f *testing.F) {
	b := bookOf(f, sample)
	for english := range sample {
		f.Add(english)
	}
	f.Add("rule {0}; rule {1}. Rule x, is disabled: ")
	f.Add(strings.Repeat("rule x: ", 40))
	f.Fuzz(func(t *testing.T, s string) {
		got := b.Say(s)
		before, core, after := bare(s)
		if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
			t.Errorf("Say(%q) = %q: other ends", s, got)
		}
		known := false
		eachWord(core, func(w string, _, _ int) { known = known || len(b.byWord[w]) > 0 })
		for _, c := range append(clauses(core), clause{0, len(core)}) {
			one := core[c.from:c.to]
			known = known || b.whole[one] != "" || b.whole[turnFirst(one)] != ""
		}
		if !known && got != s && !strings.Contains(core, "is it of another version?") {
			t.Errorf("Say(%q) = %q, of which the book knows nothing", s, got)
		}
		if again := b.Say(s); again != got {
			t.Errorf("Say(%q) = %q, and then %q", s, got, again)
		}
	})
}

// Hostile texts take no longer than their length warrants: a name that somebody
// typed is in many sentences.
func TestSayIsLinear(t *testing.T) {
	b := bookOf(t, sample)
	for _, unit := range []string{
		"rule x: ", "the login of ", "asked separately: ", "; ", ". a", "not evaluated: ", "from to ", "this request comes from another place ", "\xff", "is disabled, ",
	} {
		start := time.Now()
		const n = 20
		for range n {
			b.Say(strings.Repeat(unit, maxText/len(unit)))
		}
		if took := time.Since(start) / n; took > 200*time.Millisecond {
			t.Errorf("16 KiB of %q took %s", unit, took)
		}
		long := strings.Repeat(unit, maxText)
		if got := b.Say(long); got != long {
			t.Errorf("%d octets of %q were said", len(long), unit)
		}
	}
}

func BenchmarkSay(bench *testing.B) {
	b := German()
	for _, s := range []string{
		"No login that needs a second factor is accepted until 2026-01-01T00:00:00Z.",
		"wiki",
		"rule vpn: a first and a second factor are needed",
		"an error that is nobody's business happened while the server read a file of somebody else",
	} {
		bench.Run(s[:4], func(bench *testing.B) {
			for bench.Loop() {
				b.Say(s)
			}
		})
	}
}
