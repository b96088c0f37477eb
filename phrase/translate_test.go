package phrase

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name string
	Note string `prose:"true"`
}

type view struct {
	Name     string
	Title    string `prose:"true"`
	Hint     *string
	Warnings []string          `prose:"true"`
	Help     *string           `prose:"true"`
	ByKey    map[string]string `prose:"true"`
	Any      any               `prose:"true"`
	Steps    []inner
	One      *inner
	Two      [2]inner
	Map      map[string]inner
	Dynamic  any
	Raw      json.RawMessage `prose:"true"`
	Time     time.Time
	Self     *view
	hidden   string
	inner
}

func shout(s string) string { return strings.ToUpper(s) }

func TestTranslateSaysWhatIsTagged(t *testing.T) {
	hint, help := "hint", "help"
	in := view{
		Name: "name", Title: "title", Hint: &hint, Warnings: []string{"one", "two"}, Help: &help,
		ByKey: map[string]string{"key": "value"}, Any: "any",
		Steps: []inner{{"a", "b"}, {"c", "d"}}, One: &inner{"e", "f"}, Two: [2]inner{{"g", "h"}, {"i", "j"}},
		Map: map[string]inner{"k": {"l", "m"}}, Dynamic: []inner{{"n", "o"}}, Raw: json.RawMessage(`"p"`),
		Time: time.Unix(1, 0), Self: &view{Name: "q", Title: "r"}, hidden: "s", inner: inner{"t", "u"},
	}
	before, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	got := Translate(in, shout)
	loud := "HELP"
	want := view{
		Name: "name", Title: "TITLE", Hint: &hint, Warnings: []string{"ONE", "TWO"}, Help: &loud,
		ByKey: map[string]string{"key": "VALUE"}, Any: "ANY",
		Steps: []inner{{"a", "B"}, {"c", "D"}}, One: &inner{"e", "F"}, Two: [2]inner{{"g", "H"}, {"i", "J"}},
		Map: map[string]inner{"k": {"l", "M"}}, Dynamic: []inner{{"n", "O"}}, Raw: json.RawMessage(`"p"`),
		Time: time.Unix(1, 0), Self: &view{Name: "q", Title: "R"}, hidden: "s", inner: inner{"t", "u"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Translate = %+v, want %+v", got, want)
	}
	after, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) || in.Steps[0].Note != "b" || *in.Help != "help" || in.ByKey["key"] != "value" {
		t.Errorf("the original was changed: %s, was %s", after, before)
	}
}

// A row says of which of its cells it is made of sentences.
type row map[string]string

func (r row) Said(say func(string) string) any { return row{"name": r["name"], "note": say(r["note"])} }

func TestTranslateAsksSpeakers(t *testing.T) {
	type table struct {
		Rows []row
		None *row
	}
	in := table{Rows: []row{{"name": "a", "note": "b"}}}
	got := Translate(&in, shout)
	if got.Rows[0]["name"] != "a" || got.Rows[0]["note"] != "B" || got.None != nil {
		t.Errorf("Translate = %v", got)
	}
	if in.Rows[0]["note"] != "b" {
		t.Error("the original was changed")
	}
}

func TestTranslateLeavesTheRest(t *testing.T) {
	type plain struct {
		Name string
		List []string
	}
	p := plain{"a", []string{"b"}}
	got := Translate(&p, shout)
	if got != &p {
		t.Error("a value without sentences was copied")
	}
	if allocs := testing.AllocsPerRun(100, func() { Translate(&p, shout) }); allocs > 1 {
		t.Errorf("a value without sentences costs %v allocations", allocs)
	}
	if got := Translate[any](nil, shout); got != nil {
		t.Errorf("Translate(nil) = %v", got)
	}
	if got := Translate("text", shout); got != "text" {
		t.Errorf("a text outside of a field was said: %q", got)
	}
	type unsaid struct {
		Title string `prose:"true"`
	}
	u := &unsaid{"title"}
	if got := Translate(u, func(s string) string { return s }); got != u {
		t.Error("a value of which nothing was said was copied")
	}
	if got := Translate[any](u, shout); got.(*unsaid).Title != "TITLE" {
		t.Errorf("Translate = %v", got)
	}
}
