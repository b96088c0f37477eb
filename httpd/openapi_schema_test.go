package httpd

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// An apiDescription is the served description, read as any client reads it.
type apiDescription struct {
	doc map[string]any
}

// operations calls do for every operation that is described.
func (d *apiDescription) operations(do func(method, path string, op map[string]any)) {
	paths := d.doc["paths"].(map[string]any)
	names := make([]string, 0, len(paths))
	for p := range paths {
		names = append(names, p)
	}
	slices.Sort(names)
	for _, p := range names {
		item := paths[p].(map[string]any)
		for _, m := range []string{"get", "post", "put", "patch", "delete"} {
			if op, ok := item[m].(map[string]any); ok {
				do(strings.ToUpper(m), p, op)
			}
		}
	}
}

// resolve follows references within the description.
func (d *apiDescription) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	for range 10 {
		ref, ok := m["$ref"].(string)
		if !ok {
			return m
		}
		at := any(d.doc)
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
			inner, ok := at.(map[string]any)
			if !ok {
				return nil
			}
			at = inner[part]
		}
		m, _ = at.(map[string]any)
	}
	return m
}

// body returns the schema of an operation's JSON body, nil if it takes none.
func (d *apiDescription) body(op map[string]any) map[string]any {
	content, _ := d.resolve(op["requestBody"])["content"].(map[string]any)
	media, _ := content[jsonMedia].(map[string]any)
	if media == nil {
		return nil
	}
	return d.resolve(media["schema"])
}

// types returns the types that a schema admits.
func types(s map[string]any) []string {
	switch t := s["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var all []string
		for _, v := range t {
			all = append(all, fmt.Sprint(v))
		}
		return all
	}
	return nil
}

// check says how a value does not fit a schema, "" if it does.
func (d *apiDescription) check(at string, schema any, v any) string {
	s := d.resolve(schema)
	if s == nil {
		return "" // anything
	}
	if all := types(s); len(all) > 0 && !slices.Contains(all, typeOf(v, all)) {
		return fmt.Sprintf("%s is %s; the description says %v", at, typeOf(v, nil), all)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		return fmt.Sprintf("%s is %v; the description says one of %v", at, v, enum)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for _, name := range stringsOf(s["required"]) {
			if _, ok := v[name]; !ok {
				return fmt.Sprintf("%s has no %s; the description says that it must", at, name)
			}
		}
		for name, inner := range v {
			p, known := properties[name]
			if !known {
				if p = s["additionalProperties"]; p == false {
					return fmt.Sprintf("%s has %s, which is not described", at, name)
				}
			}
			if why := d.check(at+"."+name, p, inner); why != "" {
				return why
			}
		}
	case []any:
		for i, inner := range v {
			if why := d.check(fmt.Sprintf("%s[%d]", at, i), s["items"], inner); why != "" {
				return why
			}
		}
	case string:
		if s["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return fmt.Sprintf("%s is %q; the description says RFC 3339", at, v)
			}
		}
	}
	return ""
}

// typeOf names the JSON type of a value; an integer is a number where those are
// wanted.
func typeOf(v any, wanted []string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case float64:
		if v == math.Trunc(v) && !slices.Contains(wanted, "number") {
			return "integer"
		}
		return "number"
	}
	return fmt.Sprintf("%T", v)
}

func stringsOf(v any) (all []string) {
	list, _ := v.([]any)
	for _, e := range list {
		all = append(all, fmt.Sprint(e))
	}
	return all
}

// A sampler makes values that a schema describes, that it nearly describes, and
// that nobody would.
type sampler struct {
	*apiDescription
	*rand.Rand
	names []string            // of records that there are
	hints map[string][]string // what makes sense in a field of that name
}

// hostileTexts are what has broken parsers, databases, shells, spreadsheets and
// pages elsewhere.
var hostileTexts = []string{
	"", " ", "\u0000", "a\u0000b", "\u202e", "\ufeff", "\u200b", "😀", "👩‍👩‍👧‍👧", "ﬀ", "İ", "ß", "é", "é", "\r\n", "\x1b[31m", "'", "''", `"`, "`", "\\", "%", "%s%n", "%00", "*", "(|(uid=*))", "../../etc/passwd",
	"' OR 1=1 --", "'; DROP TABLE account; --", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "null", "true", "undefined", "NaN", "-0", "1e999", "9223372036854775808", "0x10", "१२३", "１２３４５６",
	"2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z", "2026-03-04T05:06:07+99:99", "192.0.2.1/33", "::1%lo", "0.0.0.0/0", "::/0", "a.b.c.d", "https://x/", "//x", "spk_", "?abc", "console", "portal", "owner", "uid 0 over the admin socket",
	strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("ä", 4096), strings.Repeat("(", 5000), strings.Repeat("😀", 300), "\U0010ffff", "\ufffd", "Ａlice", "alice ", "ALICE", "a/b", "a?b", "a#b", "a;b", ".", "..", "~", "-", "--help",
}

var hostileNumbers = []any{0, -1, 1, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 1e18, -1e18, 1e300, 0.1, -0.5, 1 << 53, 65536}

// text is a string for a schema.
func (g *sampler) text(s map[string]any) string {
	switch s["format"] {
	case "date-time":
		return time.Date(2026, 3, 1+g.IntN(8), g.IntN(24), 0, 0, 0, time.UTC).Format(time.RFC3339)
	case "byte":
		return "AAEC"
	}
	least, most := 0, 40
	if n, ok := s["minLength"].(float64); ok {
		least = int(n)
	}
	if n, ok := s["maxLength"].(float64); ok {
		most = min(most, int(n))
	}
	if g.IntN(3) > 0 && len(g.names) > 0 {
		if name := g.names[g.IntN(len(g.names))]; len(name) >= least && len(name) <= most {
			return name
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-."
	b := make([]byte, least+g.IntN(max(1, most-least+1)))
	for i := range b {
		b[i] = letters[g.IntN(len(letters))]
	}
	return string(b)
}

func (g *sampler) number(s map[string]any) any {
	low, high := -10.0, 1000.0
	if n, ok := s["minimum"].(float64); ok {
		low = n
	}
	if n, ok := s["maximum"].(float64); ok {
		high = n
	}
	switch g.IntN(4) {
	case 0:
		return low
	case 1:
		return high
	}
	return math.Floor(low + g.Float64()*math.Min(math.Max(0, high-low), 1000))
}

// valid makes a value that the schema describes.
func (g *sampler) valid(schema any, depth int) any {
	s := g.resolve(schema)
	if enum, ok := s["enum"].([]any); ok && len(enum) > 0 {
		return enum[g.IntN(len(enum))]
	}
	if examples, ok := s["examples"].([]any); ok && len(examples) > 0 && g.IntN(2) == 0 {
		return examples[0]
	}
	all := types(s)
	if len(all) == 0 {
		return []any{"x", 1, map[string]any{}, nil}[g.IntN(4)]
	}
	switch all[0] {
	case "object":
		v := make(map[string]any)
		properties, _ := s["properties"].(map[string]any)
		required := stringsOf(s["required"])
		for name, p := range properties {
			if slices.Contains(required, name) || depth < 4 && g.IntN(3) == 0 {
				v[name] = g.valid(p, depth+1)
				if hints := g.hints[name]; len(hints) > 0 && g.IntN(5) > 0 {
					v[name] = g.hinted(v[name], hints)
				}
			}
		}
		if inner, ok := s["additionalProperties"].(map[string]any); ok && depth < 4 {
			v["x"] = g.valid(inner, depth+1)
		}
		return v
	case "array":
		n := g.IntN(4)
		if least, ok := s["minItems"].(float64); ok {
			n = max(n, int(least))
		}
		if depth >= 4 {
			n = 0
		}
		v := make([]any, n)
		for i := range v {
			v[i] = g.valid(s["items"], depth+1)
		}
		return v
	case "string":
		return g.text(s)
	case "integer", "number":
		return g.number(s)
	case "boolean":
		return g.IntN(2) == 0
	}
	return nil
}

// hinted replaces the texts of a value by what makes sense there.
func (g *sampler) hinted(v any, hints []string) any {
	switch v := v.(type) {
	case string:
		return hints[g.IntN(len(hints))]
	case []any:
		for i := range v {
			v[i] = g.hinted(v[i], hints)
		}
		return v
	}
	return v
}

// bend changes one place of a value so that it nearly is what is described.
func (g *sampler) bend(v any) any {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		if len(names) > 0 && g.IntN(3) > 0 {
			name := names[g.IntN(len(names))]
			if g.IntN(4) == 0 {
				delete(v, name)
			} else {
				v[name] = g.bend(v[name])
			}
			return v
		}
		if g.IntN(2) == 0 && len(names) > 0 {
			v[strings.ToUpper(names[0])] = v[names[0]]
		} else {
			v["no_such_field"] = true
		}
		return v
	case []any:
		if len(v) > 0 && g.IntN(2) == 0 {
			v[g.IntN(len(v))] = g.bend(v[g.IntN(len(v))])
			return v
		}
		return slices.Repeat(append(v, g.odd()), 1+g.IntN(50))
	case string:
		if g.IntN(4) > 0 {
			return hostileTexts[g.IntN(len(hostileTexts))]
		}
	case float64, int:
		if g.IntN(2) == 0 {
			return hostileNumbers[g.IntN(len(hostileNumbers))]
		}
	}
	return g.odd()
}

// odd is a value of any type.
func (g *sampler) odd() any {
	switch g.IntN(7) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return hostileNumbers[g.IntN(len(hostileNumbers))]
	case 3:
		return []any{}
	case 4:
		return map[string]any{"x": []any{map[string]any{}}}
	}
	return hostileTexts[g.IntN(len(hostileTexts))]
}

// hostileBody is what no encoder of JSON would write, made from one that did.
func (g *sampler) hostileBody(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	text := string(b)
	switch g.IntN(14) {
	case 0:
		return text[:g.IntN(len(text)+1)]
	case 1:
		return text + text
	case 2:
		return "\ufeff" + text
	case 3:
		return strings.Repeat("[", 20_000)
	case 4:
		return strings.Repeat(`{"a":`, 20_000)
	case 5:
		return strings.Replace(text, `"`, "\"\xff\xfe", 1)
	case 6:
		return strings.Replace(text, "{", `{"name":"a","name":"b",`, 1)
	case 7:
		return strings.Replace(text, ":", `:"\ud800`, 1)
	case 8:
		return `{"name":"` + strings.Repeat("A", 1<<20) + `"}`
	case 9:
		return strings.Repeat(" ", 100_000) + text
	case 10:
		return `{"name":1e9999999}`
	case 11:
		return strings.Replace(text, "{", `{"__proto__":{"admin":true},"constructor":1,`, 1)
	case 12:
		i := g.IntN(len(text) + 1)
		return text[:i] + string(rune(g.IntN(256))) + text[i:]
	}
	return []string{"", "null", "true", "0", `""`, "[]", "{}", "NaN", "'x'", "{'name':'x'}", "<x/>", "name=x", "\x00", "[{}]", "{\"\":{}}"}[g.IntN(15)]
}
