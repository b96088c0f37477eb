package phrase

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestComplete holds the German book against the source: every sentence that
// the server composes for people has a translation, and every translation has a
// sentence that the source composes. With MISSING=DIR in the environment, what is
// missing is written there, an area a file, to be filled in.
func TestComplete(t *testing.T) {
	sentences, texts := composed(t)
	if len(sentences) < 2000 {
		t.Fatalf("only %d sentences were found; does the extractor still see the source?", len(sentences))
	}
	entries := entriesOf(t)
	known := make(map[string]bool)
	for _, list := range entries {
		for english := range list {
			known[english] = true
		}
	}

	for _, format := range checks {
		texts[numbered(format)] = true
	}

	missing := make(map[string][]sentence)
	wanted := make(map[string]bool)
	for _, s := range sentences {
		if !wanted[s.english] && !known[s.english] {
			missing[s.area] = append(missing[s.area], s)
		}
		wanted[s.english] = true
	}
	for _, area := range slices.Sorted(maps.Keys(missing)) {
		list := missing[area]
		const shown = 10
		for _, s := range list[:min(len(list), shown)] {
			t.Errorf("%s:%d: no German in german/%s.json for %q", s.file, s.line, area, s.english)
		}
		if more := len(list) - shown; more > 0 {
			t.Errorf("german/%s.json lacks %d more; MISSING=DIR go test ./phrase writes them all", area, more)
		}
	}
	if dir := os.Getenv("MISSING"); dir != "" {
		write(t, dir, missing)
	}

	// What is not composed as it is may be a part of a sentence, which the
	// diagnosis takes apart by who must act, or a template with words filled in.
	var whole strings.Builder
	for english := range wanted {
		whole.WriteString(strings.ToLower(english) + "\n")
	}
	var templates []*template
	for _, english := range slices.Sorted(maps.Keys(wanted)) {
		p, err := parse(english, english)
		if err != nil {
			t.Errorf("%q cannot be looked up: %v", english, err)
		} else if len(p.literals) > 1 {
			templates = append(templates, p)
		}
	}
	for _, area := range slices.Sorted(maps.Keys(entries)) {
		for _, english := range slices.Sorted(maps.Keys(entries[area])) {
			if !wanted[english] && !texts[english] && !strings.Contains(whole.String(), strings.ToLower(english)) && !slices.ContainsFunc(templates, func(p *template) bool { return p.instance(english, texts) }) {
				t.Errorf("german/%s.json: nothing composes %q", area, english)
			}
		}
	}
}

// instance reports whether a text is the template with words of the source, or
// other placeholders, in its place of values.
func (t *template) instance(english string, texts map[string]bool) bool {
	values, ok := t.match(english)
	if !ok {
		return false
	}
	for _, v := range values {
		if _, core, _ := bare(v); !texts[core] && placeholder.ReplaceAllString(v, "") != "" {
			return false
		}
	}
	return true
}

// TestGerman looks at the entries themselves.
func TestGerman(t *testing.T) {
	for area, list := range entriesOf(t) {
		for english, german := range list {
			if german == english && !command.MatchString(english) && len(strings.Fields(placeholder.ReplaceAllString(english, ""))) >= 3 {
				t.Errorf("%s: %q is not translated", area, english)
			}
			if german != strings.TrimSpace(german) {
				t.Errorf("%s: the German of %q begins or ends with a blank", area, english)
			}
			if strings.HasSuffix(german, ".") && !strings.HasSuffix(german, "..") {
				t.Errorf("%s: the German of %q ends with a full stop, which the program puts there if the English has it", area, english)
			}
		}
	}
}

// TestGermanIsRead finds every sentence again that the book holds.
func TestGermanIsRead(t *testing.T) {
	b, err := Read(embedded)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range entriesOf(t) {
		for english, german := range list {
			for i := range strings.Count(english, "{") {
				// Names of one letter each, which are in no template.
				value := fmt.Sprintf("Ж%d", i)
				english = strings.ReplaceAll(english, fmt.Sprintf("{%d}", i), value)
				german = strings.ReplaceAll(strings.ReplaceAll(german, fmt.Sprintf("{%d}", i), value), fmt.Sprintf("{%d!}", i), value)
			}
			if got := b.Say(english); got != german {
				t.Errorf("Say(%q) = %q, want %q", english, got, german)
			}
		}
	}
}

// entriesOf reads the book, area by area. Keys must be in order, so that a change
// shows as one.
func entriesOf(t *testing.T) map[string]map[string]string {
	t.Helper()
	files, err := fs.Glob(embedded, "german/*.json")
	if err != nil {
		t.Fatal(err)
	}
	areas := make(map[string]map[string]string)
	for _, name := range files {
		text, err := fs.ReadFile(embedded, name)
		if err != nil {
			t.Fatal(err)
		}
		var list map[string]string
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		areas[strings.TrimSuffix(path.Base(name), ".json")] = list
		if want := written(t, slices.Sorted(maps.Keys(list)), func(k string) string { return list[k] }); !bytes.Equal(text, want) {
			t.Errorf("%s is not in order: keys sorted, each once and on a line of its own, indented by two spaces (jq -S . does it)", name)
		}
	}
	return areas
}

// written is an area as its file has it.
func written(t *testing.T, keys []string, value func(string) string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("{")
	for i, k := range keys {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  ")
		for j, s := range []string{k, value(k)} {
			if j > 0 {
				b.WriteString(": ")
			}
			var quoted bytes.Buffer
			e := json.NewEncoder(&quoted)
			e.SetEscapeHTML(false)
			if err := e.Encode(s); err != nil {
				t.Fatal(err)
			}
			b.Write(bytes.TrimSuffix(quoted.Bytes(), []byte("\n")))
		}
	}
	if len(keys) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func write(t *testing.T, dir string, missing map[string][]sentence) {
	t.Helper()
	for area, list := range missing {
		var keys []string
		for _, s := range list {
			keys = append(keys, s.english)
		}
		if err := os.WriteFile(filepath.Join(dir, area+".json"), written(t, keys, func(string) string { return "" }), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
