package diagnose

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Every cause says all that a person needs, once.
func TestCatalogueIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, f := range formats {
		if !kebab.MatchString(f.Name) || names[f.Name] || f.Title == "" || f.New == nil || len(f.Marks) == 0 {
			t.Errorf("format %q: its name is taken or no name, or it lacks a title, marks or a reader", f.Name)
		}
		names[f.Name] = true
		for _, m := range f.Marks {
			if len(m) < 4 || strings.Contains(m, "\n") {
				t.Errorf("format %s: %q cannot be a mark", f.Name, m)
			}
		}
	}
	if len(formats) > 64 {
		t.Errorf("%d formats; the engine has room for 64", len(formats))
	}
	ids := map[string]bool{}
	for _, c := range causes {
		if !kebab.MatchString(c.ID) || ids[c.ID] {
			t.Errorf("cause %q: its name is taken or no name", c.ID)
		}
		ids[c.ID] = true
	}
	for _, c := range causes {
		if c.Title == "" || strings.HasSuffix(c.Title, ".") || c.Means == "" || c.Who == "" || len(c.Remedy) == 0 || len(c.Verify) == 0 || len(c.Source) == 0 {
			t.Errorf("cause %s lacks something: %+v", c.ID, c)
		}
		for _, id := range c.Hides {
			if !ids[id] || id == c.ID {
				t.Errorf("cause %s hides %q, which is no other cause", c.ID, id)
			}
		}
		for _, s := range c.Signs {
			switch {
			case (s.Text == "") == (s.Code == ""):
				t.Errorf("cause %s: a sign is either a text or a code: %+v", c.ID, s)
			case s.Text != "" && (len(s.Text) < 6 || strings.Contains(s.Text, "\n")):
				t.Errorf("cause %s: %q cannot be a sign", c.ID, s.Text)
			case s.Confidence.weight() == 0 || s.Why == "":
				t.Errorf("cause %s: a sign does not say how sure it is and why: %+v", c.ID, s)
			}
			for _, f := range s.Formats {
				if !names[f] {
					t.Errorf("cause %s: there is no format %q", c.ID, f)
				}
			}
		}
		for _, step := range slices.Concat(c.Remedy, c.Verify) {
			if step.Text == "" {
				t.Errorf("cause %s has a step without words", c.ID)
			}
		}
		for _, s := range c.Source {
			if !strings.HasPrefix(s, "https://") && strings.Contains(s, "/") && !strings.Contains(s, " ") {
				t.Errorf("cause %s: %q is no source that a reader could open", c.ID, s)
			}
		}
	}
}
