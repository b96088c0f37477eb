package check

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// wrongHost has every fault that the script mends.
func wrongHost() model {
	m := server2022()
	m.set(versionKey, "CurrentBuildNumber", "9200")
	for _, v := range []View{View64, View32} {
		delete(m, inView(net4, v))
		m.set(inView(net4, v), "SchUseStrongCrypto", 0)
		m.set(inView(net2, v), "SystemDefaultTlsVersions", "1")
		m.set(inView(inetKey, v), "SecureProtocols", 0x28)
	}
	delete(m, winHTTP)
	m.set(of32(winHTTP), "DefaultSecureProtocols", 0xa0)
	m.set(system, "SecureProtocols", []byte{1, 2}).set(person, "SecureProtocols", 0xa0)
	m.set(tls12Client, "Enabled", 0).set(tls12Client, "DisabledByDefault", 1)
	m.set(tls12Server, "Enabled", 0).set(tls12Server, "DisabledByDefault", []string{"x", "y"})
	m.set(schannelKey+`\Protocols\TLS 1.3\Client`, "Enabled", 1)
	m.set(schannelKey+`\Protocols\SSL 3.0\Server`, "Enabled", 0xffffffff)
	for _, n := range []string{"AZURE_MFA_HOSTNAME", "AZURE_MFA_RESOURCE_HOSTNAME", "AZURE_MFA_TARGET_PATH", "STS_URL", "CLIENT_ID"} {
		m.set(azureKey, n, "x")
	}
	return m
}

func scriptFor(t interface {
	Helper()
	Fatal(...any)
}, r *RegistryReport,
) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteFix(&b, r, noon); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A played host is a registry as Windows keeps it, which plays a script's table: the
// script's rules, written a second time from what they say.
type played struct {
	t      interface{ Fatalf(string, ...any) }
	values model
}

type undone struct {
	key, name string
	there     bool
	value     any
	after     any
	made      []string
}

// lines reads the table of a script back.
func lines(t interface{ Fatalf(string, ...any) }, script string) [][]string {
	_, rest, ok := strings.Cut(script, "$table = @'\r\n")
	body, _, ok2 := strings.Cut(rest, "\r\n'@")
	if !ok || !ok2 {
		t.Fatalf("the script has no table")
	}
	rows := strings.Split(body, "\r\n")
	if rows[0] != "Hive|View|Key|Name|Kind|Action|Number|Absent" {
		t.Fatalf("columns %q", rows[0])
	}
	var out [][]string
	for _, row := range rows[1:] {
		fields := strings.Split(row, "|")
		if len(fields) != 8 {
			t.Fatalf("row %q", row)
		}
		out = append(out, fields)
	}
	return out
}

// find returns the name under which the host has a key, which may differ in its
// case.
func (h *played) find(key string) (string, bool) {
	for k := range h.values {
		if strings.EqualFold(k, key) {
			return k, true
		}
	}
	return key, false
}

// apply makes the changes of a table, and returns what would take them back.
func (h *played) apply(rows [][]string) []undone {
	var record []undone
	for _, f := range rows {
		root, ok := map[string]string{"LocalMachine": "HKLM", "Users": "HKU", "CurrentUser": "HKCU"}[f[0]]
		if !ok {
			h.t.Fatalf("hive %q", f[0])
		}
		key := root + `\` + f[2]
		switch f[1] {
		case "64":
		case "32":
			below, ok := strings.CutPrefix(f[2], `SOFTWARE\`)
			if !ok || f[0] != "LocalMachine" {
				h.t.Fatalf("%s has no view of 32 bit", key)
			}
			key = `HKLM\SOFTWARE\WOW6432Node\` + below
		default:
			h.t.Fatalf("view %q", f[1])
		}
		number, err1 := strconv.Atoi(f[6])
		absent, err2 := strconv.Atoi(f[7])
		if err1 != nil || err2 != nil || number < 0 || absent < 0 || number > math.MaxInt32 || absent > math.MaxInt32 {
			h.t.Fatalf("numbers %q, %q: the script has 32 bits with a sign", f[6], f[7])
		}
		key, exists := h.find(key)
		before, there := h.values[key][f[3]]
		was, isNumber := before.(int)
		var after any
		switch f[5] {
		case "Set":
			after = number
		case "Or":
			after = absent
			if there && isNumber {
				after = was | number
			}
		case "Create":
			after = ""
			if there {
				continue
			}
		default:
			h.t.Fatalf("action %q", f[5])
		}
		if kind, _ := map[string]string{"Set": "DWord", "Or": "DWord", "Create": "String"}[f[5]]; kind != f[4] {
			h.t.Fatalf("%s makes a %s", f[5], f[4])
		}
		if isNumber && was == after {
			continue
		}
		u := undone{key: key, name: f[3], there: there, value: before, after: after}
		if !exists {
			u.made = append(u.made, key)
		}
		record = append(record, u)
		h.values.set(key, f[3], after)
	}
	return record
}

// undo takes changes back, but for what has another value by now.
func (h *played) undo(record []undone) {
	for _, u := range record {
		if h.values[u.key][u.name] != u.after {
			continue
		}
		if u.there {
			h.values[u.key][u.name] = u.value
			continue
		}
		delete(h.values[u.key], u.name)
		for _, key := range u.made {
			if len(h.values[key]) == 0 {
				delete(h.values, key)
			}
		}
	}
}

// TestFixMends plays the table of the script: judged again, nothing is left that
// it can mend; the second time nothing changes; and undone, all is as it was.
func TestFixMends(t *testing.T) {
	t.Parallel()
	m := wrongHost()
	before := m.clone()
	r := m.judge(t)
	if len(r.Changes()) != 19 {
		t.Fatalf("%d changes; want 19", len(r.Changes()))
	}
	h := &played{t, m}
	table := lines(t, scriptFor(t, r))
	record := h.apply(table)
	if len(record) != len(r.Changes()) {
		t.Errorf("%d of %d changes did anything", len(record), len(r.Changes()))
	}
	again := h.values.judge(t)
	if len(again.Changes()) > 0 || again.Faulty() {
		t.Errorf("left: %q", causesOf(again))
	}
	if err := WriteFix(new(bytes.Buffer), again, noon); !errors.Is(err, ErrNothingToMend) {
		t.Errorf("WriteFix = %v", err)
	}
	for key, want := range map[string]int{winHTTP: 0xa80, of32(winHTTP): 0x8a0} {
		key, _ := h.find(key)
		if got := h.values[key]["DefaultSecureProtocols"]; got != want {
			t.Errorf("%s = %#x; want %#x: bits are added", key, got, want)
		}
	}
	if second := h.apply(table); len(second) > 0 {
		t.Errorf("the second time: %+v", second)
	}
	h.undo(record)
	if diff := cmp.Diff(before, h.values); diff != "" {
		t.Errorf("not as before (-before +after undo):\n%s", diff)
	}
}

// Of any host, what the script can mend is mended by it, at once and for good.
func TestFixMendsWhateverItIs(t *testing.T) {
	t.Parallel()
	all := wrongHost()
	var places [][2]string
	for _, key := range slices.Sorted(keysOf(all)) {
		for _, name := range slices.Sorted(keysOf(all[key])) {
			places = append(places, [2]string{key, name})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := server2022()
		for _, at := range rapid.SliceOfN(rapid.SampledFrom(places), 1, 25).Draw(t, "places") {
			m.set(at[0], at[1], nil)
			if to := rapid.SampledFrom([]any{all[at[0]][at[1]], 0, 1, 0xa0, 0x800, "text", nil}).Draw(t, "to"); to != nil {
				m[at[0]][at[1]] = to
			} else {
				delete(m[at[0]], at[1])
			}
		}
		judge := func(m model) *RegistryReport {
			b := m.export()
			f, err := ReadRegistry("host", bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			return JudgeRegistry(f)
		}
		before := m.clone()
		r := judge(m)
		if len(r.Changes()) == 0 {
			return
		}
		h := &played{t, m}
		table := lines(t, scriptFor(t, r))
		record := h.apply(table)
		for _, s := range judge(h.values).Settings {
			if s.Mendable {
				t.Errorf("left: %+v", s)
			}
		}
		if second := h.apply(table); len(second) > 0 {
			t.Errorf("the second time: %+v", second)
		}
		h.undo(record)
		if diff := cmp.Diff(before, h.values); diff != "" {
			t.Errorf("not as before (-before +after undo):\n%s", diff)
		}
	})
}

// A hostile file cannot bring a word of its own into the script.
func TestFixHoldsNothingOfTheFile(t *testing.T) {
	t.Parallel()
	m := wrongHost()
	ours := scriptFor(t, m.judge(t))
	for key, values := range m {
		for name := range values {
			if _, ok := m[key][name].(string); ok && key != versionKey && name != "SystemDefaultTlsVersions" {
				m[key][name] = "'@; Remove-Item evil | $(evil) `evil"
			}
		}
	}
	m.set(providersKey+`\`+other, "", "'@; evil").set(versionKey, "ProductName", "'@ evil")
	m.set(net4+`\evil'@`, "evil", 1)
	if diff := cmp.Diff(ours, scriptFor(t, m.judge(t))); diff != "" {
		t.Errorf("the file shows in the script:\n%s", diff)
	}
	bad := &RegistryReport{changes: []Change{{Hive: "LocalMachine", View: 64, Key: "a'b", Name: "x", Kind: DWord, Action: Set}}}
	var b bytes.Buffer
	if err := WriteFix(&b, bad, noon); err == nil || b.Len() > 0 {
		t.Errorf("a quote in a name is written: %v", err)
	}
}

// A token of PowerShell, as far as the script needs them.
type token struct{ kind, text string }

// tokens splits a script into comments, strings, variables, words and marks,
// and fails where a string does not end or brackets do not match
// (about_Quoting_Rules, about_Parsing).
func tokens(t *testing.T, script string) []token {
	t.Helper()
	var list []token
	var open []byte
	closes := map[byte]byte{')': '(', ']': '[', '}': '{'}
	line := 1
	word := func(c byte) bool {
		return c == '_' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for i := 0; i < len(script); {
		c := script[i]
		switch {
		case c == '\n':
			line++
			i++
			list = append(list, token{"end", "\n"})
		case c == ' ' || c == '\r':
			i++
		case c == '#':
			end := i + strings.IndexByte(script[i:], '\n')
			list = append(list, token{"comment", script[i:end]})
			i = end
		case strings.HasPrefix(script[i:], "@'\r\n"):
			end := strings.Index(script[i:], "\r\n'@")
			if end < 0 {
				t.Fatalf("line %d: a text does not end", line)
			}
			list = append(list, token{"string", script[i+4 : i+end]})
			line += strings.Count(script[i:i+end], "\n")
			i += end + 4
		case c == '\'' || c == '"':
			end := strings.IndexByte(script[i+1:], c)
			if end < 0 || strings.Contains(script[i+1:i+1+end], "\n") {
				t.Fatalf("line %d: a string does not end on its line", line)
			}
			s := script[i+1 : i+1+end]
			if c == '"' && strings.Contains(s, "$") {
				t.Errorf("line %d: %q is expanded", line, s)
			}
			list = append(list, token{"string", s})
			i += end + 2
		case strings.IndexByte("([{", c) >= 0:
			open = append(open, c)
			list = append(list, token{"mark", string(c)})
			i++
		case strings.IndexByte(")]}", c) >= 0:
			if len(open) == 0 || open[len(open)-1] != closes[c] {
				t.Fatalf("line %d: %c matches nothing", line, c)
			}
			open = open[:len(open)-1]
			list = append(list, token{"mark", string(c)})
			i++
		case c == '$':
			end := i + 1
			for end < len(script) && (script[end] == '_' || script[end] >= 'a' && script[end] <= 'z' || script[end] >= 'A' && script[end] <= 'Z') {
				end++
			}
			list = append(list, token{"variable", script[i:end]})
			i = end
		case word(c):
			end := i
			for end < len(script) && word(script[end]) {
				end++
			}
			list = append(list, token{"word", script[i:end]})
			i = end
		case strings.IndexByte("=,;|+@:", c) >= 0:
			list = append(list, token{"mark", string(c)})
			i++
		default:
			t.Fatalf("line %d: %q", line, c)
		}
	}
	if len(open) > 0 {
		t.Fatalf("%q is not closed", open)
	}
	return list
}

// There is no PowerShell where the tests run, so this reads the script as far
// as one can without: it is ASCII with the line ends of Windows, its strings and
// brackets are closed, and it calls nothing that Windows PowerShell 5.1 has not.
func TestFixIsAScript(t *testing.T) {
	t.Parallel()
	script := scriptFor(t, wrongHost().judge(t))
	for i, c := range []byte(script) {
		if c > '~' || c < ' ' && c != '\r' && c != '\n' || c == '\n' && script[i-1] != '\r' {
			t.Fatalf("octet %d is %q", i, c)
		}
	}
	if strings.Contains(script, "@TABLE@") || strings.Contains(script, "@TIME@") || strings.Contains(script, "@COUNT@") || !strings.Contains(script, "2026-11-22 12:00 UTC") {
		t.Error("a placeholder is left")
	}
	list := tokens(t, script)
	known := map[string]bool{
		"Set-StrictMode": true, "New-Object": true, "Write-Host": true, "ConvertFrom-Csv": true, "ConvertFrom-Json": true, "ConvertTo-Json": true, "Where-Object": true,
		"if": true, "else": true, "elseif": true, "foreach": true, "for": true, "in": true, "try": true, "catch": true, "finally": true, "switch": true, "default": true,
		"return": true, "throw": true, "exit": true, "continue": true, "function": true, "param": true,
	}
	assigned := map[string]bool{"$true": true, "$false": true, "$null": true, "$_": true, "$PSCommandPath": true, "$ErrorActionPreference": true, "$Apply": true, "$Undo": true}
	calls := map[string]bool{}
	for i, k := range list {
		if k.kind == "word" && i > 0 && list[i-1] == (token{"word", "function"}) {
			known[k.text] = true
		}
		// A variable is one that is assigned, a parameter, or of a loop.
		if k.kind == "variable" && i+1 < len(list) {
			next := list[i+1]
			parameter := i > 0 && (list[i-1].text == "(" || list[i-1].text == ",") && (next.text == "," || next.text == ")")
			if next.text == "=" || next.text == "in" || next.text == "+" && list[i+2].text == "=" || parameter {
				assigned[strings.ToLower(k.text)] = true
			}
		}
	}
	for i, k := range list {
		if k.kind == "variable" && !assigned[k.text] && !assigned[strings.ToLower(k.text)] {
			t.Errorf("%s is never set", k.text)
		}
		if k.kind != "word" || i == 0 {
			continue
		}
		// A word begins a command after a line end, a brace, a pipe, an opening
		// parenthesis or an equals sign.
		before := list[i-1]
		begins := before.kind == "end" || before.text == "{" && before.kind == "mark" || before.text == "|" || before.text == "(" || before.text == ";" || before.text == "}" || before.text == "="
		property := i+1 < len(list) && list[i+1].text == "="
		if !begins || property || strings.HasPrefix(k.text, "-") || k.text[0] >= '0' && k.text[0] <= '9' {
			continue
		}
		calls[k.text] = true
		if !known[k.text] {
			t.Errorf("%s is no command that Windows PowerShell has by itself", k.text)
		}
	}
	for _, must := range []string{"Set-StrictMode", "ConvertFrom-Csv", "ConvertTo-Json", "Write-Host", "Read-Value", "Write-Value", "Remove-Value", "Write-Record", "Test-Administrator", "exit"} {
		if !calls[must] {
			t.Errorf("the script never calls %s", must)
		}
	}
	// The record is on disk before the first change.
	if main := script[strings.Index(script, "$todo = @()"):]; strings.Index(main, "Write-Record") > strings.Index(main, "Write-Value") {
		t.Error("a value is written before the record")
	}
}
