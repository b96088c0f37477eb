package winreg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func text(name, s string) Value {
	return Value{Name: name, Type: String, Data: encodeUTF16(s + "\x00")}
}

func number(name string, n uint32) Value {
	return Value{Name: name, Type: DWORD, Data: le.AppendUint32(nil, n)}
}

// readHive reads a hive that must be read. rapid's T is no testing.TB.
func readHive(t interface {
	Helper()
	Fatal(...any)
}, file []byte, mount string, interesting ...string,
) ([]Key, []Problem) {
	t.Helper()
	r, problems, err := ReadHive("hive", bytes.NewReader(file), int64(len(file)), mount, interesting)
	if err != nil {
		t.Fatal(err)
	}
	return r.Keys(), problems
}

func paths(keys []Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Path)
	}
	return out
}

// TestHivexHive has Debian's hivexsh, which knows nothing of our encoder, fill an
// empty hive of ours.
func TestHivexHive(t *testing.T) {
	tool, err := exec.LookPath("hivexsh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("hivexsh is missing: install libhivex-bin: %v", err)
		}
		t.Skip("hivexsh is not installed")
	}
	name := filepath.Join(t.TempDir(), "SOFTWARE")
	if err := os.WriteFile(name, encodeHive(`emRoot\System32\Config\SOFTWARE`, made{name: "ROOT"}), 0o600); err != nil {
		t.Fatal(err)
	}
	var multi strings.Builder
	for _, b := range encodeUTF16("api.example.org\x00login.example.org\x00\x00") {
		fmt.Fprintf(&multi, "%02x,", b)
	}
	var script strings.Builder
	// hivexsh writes to the file only when it is told to.
	fmt.Fprintf(&script, "load %s\n", name)
	script.WriteString("add Classes\nadd Microsoft\nadd Policies\nadd Okta\ncd Okta\nadd Okta MFA\ncd Okta MFA\nsetval 9\n" +
		"@\nstring:default\n" +
		"Url\nstring:https://example.okta.com\n" +
		"Path\nexpandstring:%ProgramFiles%\\Okta\n" +
		"Enabled\ndword:0x1f\n" +
		"Large\nhex:11:ef,cd,ab,89,67,45,23,01\n" +
		"Hosts\nhex:7:" + strings.TrimSuffix(multi.String(), ",") + "\n" +
		"Blob\nhex:3:" + strings.Repeat("de,ad,be,ef,01,", 49) + "de,ad,be,ef,01\n" +
		"Small\nhex:3:aa,bb,cc\n" +
		"Nothing\nnone\n")
	script.WriteString("add Policies\ncd \\Microsoft\n")
	for i := range 60 { // more keys than hivex puts into one list
		fmt.Fprintf(&script, "add Key %02d\n", 59-i)
	}
	script.WriteString("cd Key 33\nsetval 1\nx\nstring:y\ncommit\nquit\n")
	cmd := exec.Command(tool, "-w")
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("hivexsh: %v\n%s", err, out)
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}

	// hivexsh marks the file as in use and done alike: nothing to report.
	r, problems, err := Read(name, bytes.NewReader(file), int64(len(file)), []string{`HKLM\SOFTWARE\Okta`, `HKLM\SOFTWARE\Microsoft\Key 33`})
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 0 {
		t.Errorf("problems %v", problems)
	}
	if got, want := paths(r.Keys()), []string{
		`HKEY_LOCAL_MACHINE`, `HKEY_LOCAL_MACHINE\SOFTWARE`, `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft`, `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Key 33`,
		`HKEY_LOCAL_MACHINE\SOFTWARE\Okta`, `HKEY_LOCAL_MACHINE\SOFTWARE\Okta\Okta MFA`, `HKEY_LOCAL_MACHINE\SOFTWARE\Okta\Okta MFA\Policies`,
	}; !slices.Equal(got, want) {
		t.Errorf("keys %q\nwant %q", got, want)
	}
	k, _ := r.Key(`HKLM\SOFTWARE\Okta\Okta MFA`)
	var got []string
	for _, v := range k.Values {
		if v.Source != (Source{File: name}) {
			t.Errorf("Source of %s = %v", v.Name, v.Source)
		}
		got = append(got, fmt.Sprintf("%s %s %s", v.Name, v.Type, v))
	}
	want := []string{
		" REG_SZ default", "Url REG_SZ https://example.okta.com", `Path REG_EXPAND_SZ %ProgramFiles%\Okta`, "Enabled REG_DWORD 31",
		"Large REG_QWORD 81985529216486895", "Hosts REG_MULTI_SZ api.example.org, login.example.org",
		"Blob REG_BINARY " + strings.Repeat("deadbeef01", 50), "Small REG_BINARY aabbcc", "Nothing REG_NONE ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	all, _ := readHive(t, file, "")
	n := 0
	for _, k := range all {
		if strings.HasPrefix(k.Path, `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Key `) {
			n++
		}
	}
	if n != 60 {
		t.Errorf("%d of 60 keys were read", n)
	}
}

// TestHivexReadsOurs proves the encoder of the other tests: hivexml reads what
// it has written.
func TestHivexReadsOurs(t *testing.T) {
	tool, err := exec.LookPath("hivexml")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("hivexml is missing: install libhivex-bin: %v", err)
		}
		t.Skip("hivexml is not installed")
	}
	name := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(name, encodeHive("x", made{name: "ROOT", keys: []made{{
		name: "One", values: []Value{text("t", "héllo"), number("n", 258), {Name: "b", Type: Binary, Data: bytes.Repeat([]byte{7}, 20_000)}},
		keys: []made{{name: "Two"}, {name: "漢"}},
	}}}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, name).CombinedOutput()
	if err != nil {
		t.Fatalf("hivexml: %v\n%s", err, out)
	}
	for _, want := range []string{`<node name="One">`, `<node name="Two">`, `<node name="漢">`, `key="t" value="héllo"`, `type="int32" key="n" value="258"`, `key="b"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("hivexml does not show %s:\n%.2000s", want, out)
		}
	}
}

func TestMountPoints(t *testing.T) {
	key := func(names ...string) made {
		root := made{name: "ROOT"}
		for _, n := range names {
			root.keys = append(root.keys, made{name: n})
		}
		return root
	}
	tests := []struct {
		fileName string
		root     made
		told     string
		want     string // empty if it cannot be told
	}{
		{"", key("Classes", "Microsoft", "WOW6432Node"), "", `HKEY_LOCAL_MACHINE\SOFTWARE`},
		{"", key("ControlSet001", "Select", "Setup"), "", `HKEY_LOCAL_MACHINE\SYSTEM`},
		{`\??\C:\Users\alice\ntuser.dat`, key("Control Panel", "Software"), "", "HKEY_CURRENT_USER"},
		{`emRoot\System32\Config\DEFAULT`, key("Control Panel", "Software"), "", `HKEY_USERS\.DEFAULT`},
		{`emRoot\System32\Config\SECURITY`, key("Policy"), "", `HKEY_LOCAL_MACHINE\SECURITY`},
		{`emRoot\System32\Config\SOFTWARE`, key("Okta"), "", `HKEY_LOCAL_MACHINE\SOFTWARE`},
		{`\Microsoft\Windows\UsrClass.dat`, key("Local Settings"), "", `HKEY_CURRENT_USER\SOFTWARE\Classes`},
		{"", key("Okta"), `hklm\SOFTWARE`, `HKEY_LOCAL_MACHINE\SOFTWARE`},
		{"", key("Classes", "Microsoft"), `HKU\S-1-5-18`, `HKEY_USERS\S-1-5-18`},
		{"", key("Okta"), "", ""},
		{"", key("Okta"), "Software", ""},
	}
	for _, tt := range tests {
		file := encodeHive(tt.fileName, tt.root)
		r, problems, err := ReadHive("hive", bytes.NewReader(file), int64(len(file)), tt.told, nil)
		if tt.want == "" {
			if err == nil || !strings.Contains(err.Error(), "say so") {
				t.Errorf("%q told %q: %v", tt.fileName, tt.told, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.fileName, err)
			continue
		}
		for _, k := range tt.root.keys {
			if !r.HasKey(tt.want + `\` + k.name) {
				t.Errorf("%q told %q: no %s\\%s; problems %v; keys %q", tt.fileName, tt.told, tt.want, k.name, problems, paths(r.Keys()))
			}
		}
	}
}

func TestCurrentControlSet(t *testing.T) {
	set := func(value string) []made {
		return []made{{name: "Services", keys: []made{{name: "IAS", values: []Value{text("x", value)}}}}}
	}
	const path = `HKLM\SYSTEM\CurrentControlSet\Services\IAS`
	tests := []struct {
		name     string
		sel      made
		want     string
		problems int
	}{
		{"the second", made{name: "Select", values: []Value{number("Current", 2), number("Default", 1)}}, "two", 0},
		{"not said", made{name: "Select"}, "one", 1},
		{"one that is not there", made{name: "Select", values: []Value{number("Current", 7)}}, "", 0},
	}
	for _, tt := range tests {
		file := encodeHive("", made{name: "ROOT", keys: []made{
			{name: "ControlSet001", keys: set("one")}, {name: "ControlSet002", keys: set("two")}, tt.sel,
		}})
		for _, interesting := range [][]string{nil, {path}, {path, `HKLM\SYSTEM\ControlSet002`}, {`HKLM`}, {`HKLM\SYSTEM`}} {
			r, problems, err := ReadHive("hive", bytes.NewReader(file), int64(len(file)), "", interesting)
			if err != nil {
				t.Fatal(err)
			}
			v, ok := r.Value(path, "x")
			if v.String() != tt.want || ok != (tt.want != "") || len(problems) != tt.problems {
				t.Errorf("%s, interested in %q: %q, %t, problems %v; want %q", tt.name, interesting, v, ok, problems, tt.want)
			}
		}
	}
}

// TestOldHive has a long value in one cell, as Windows XP writes it and every
// later one leaves it.
func TestOldHive(t *testing.T) {
	blob := bytes.Repeat([]byte{1, 2, 3, 4, 5}, 10_000)
	file := encodeHive("", made{name: "ROOT", keys: []made{{name: "Software"}}, values: []Value{{Name: "b", Type: Binary, Data: blob[:smallValue]}}})
	le.PutUint32(file[24:], 3)
	at := uint32(len(file) - firstBin)
	file = append(le.AppendUint32(file, uint32(-(len(blob)+4))), blob...)
	vk := bytes.Index(file, []byte("vk"))
	le.PutUint32(file[vk+4:], uint32(len(blob)))
	le.PutUint32(file[vk+8:], at)
	keys, problems := readHive(t, file, "")
	if len(keys) != 2 || len(keys[0].Values) != 1 || !bytes.Equal(keys[0].Values[0].Data, blob) || len(problems) != 0 {
		t.Errorf("read %d keys, problems %v; want the value of %d octets", len(keys), problems, len(blob))
	}
}

func TestHiveInUse(t *testing.T) {
	file := encodeHive("", made{name: "ROOT", keys: []made{{name: "Software"}}})
	file[4]++
	_, problems := readHive(t, file, "")
	if len(problems) != 1 || !strings.Contains(problems[0].Text, ".LOG1") {
		t.Errorf("problems %v, want one of the logs beside it", problems)
	}
}

// TestMadeHives reads hives with arbitrary names and data.
func TestMadeHives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune("AbCé漢 ./-")), 1, 5, -1)
		lower := func(s string) string { return strings.ToLower(s) }
		var key func(depth int) made
		var want []Key
		keys := func(depth int) []made {
			var out []made
			if depth < 3 {
				for _, n := range rapid.SliceOfNDistinct(name, 0, 4, lower).Draw(rt, "keys") {
					k := key(depth + 1)
					k.name = n
					out = append(out, k)
				}
			}
			return out
		}
		key = func(depth int) made {
			var k made
			for _, n := range rapid.SliceOfNDistinct(rapid.OneOf(name, rapid.Just("")), 0, 4, lower).Draw(rt, "values") {
				size := rapid.SampledFrom([]int{0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100, smallValue, smallValue + 1, 2 * smallValue}).Draw(rt, "size")
				k.values = append(k.values, Value{
					Name: n, Type: Type(rapid.Uint32Range(0, 12).Draw(rt, "type")),
					Data: bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(rt, "octet"))}, size),
				})
			}
			k.keys = keys(depth)
			return k
		}
		root := key(0)
		root.name = "ROOT"
		var list func(k made, path string)
		list = func(k made, path string) {
			want = append(want, Key{Path: path, Values: k.values})
			slices.SortFunc(k.keys, func(a, b made) int { return strings.Compare(lower(a.name), lower(b.name)) })
			for _, sub := range k.keys {
				list(sub, path+`\`+sub.name)
			}
		}
		file := encodeHive("", root)
		list(root, "HKEY_CURRENT_USER")
		got, problems := readHive(rt, file, "HKCU")
		if diff := differ(want, got); diff != "" || len(problems) != 0 {
			rt.Fatalf("%s; problems %v", diff, problems)
		}
	})
}

// TestHostileHives has hives that lead in circles or claim to be endless.
func TestHostileHives(t *testing.T) {
	build := func() []byte {
		return encodeHive("", made{name: "ROOT", keys: []made{
			{name: "A", keys: []made{{name: "B", values: []Value{text("v", "a text"), number("n", 1)}}, {name: "C"}}},
		}})
	}
	// at returns the offset in the file of what follows the first pattern.
	at := func(file []byte, pattern string) int {
		i := bytes.Index(file, []byte(pattern))
		if i < 0 {
			t.Fatalf("no %q", pattern)
		}
		return i
	}
	// key returns the offset of the cell of the key with the name.
	key := func(file []byte, name string) int {
		for from := firstBin; ; {
			i := from + at(file[from:], "nk")
			if string(file[i+76:i+76+int(le.Uint16(file[i+72:]))]) == name {
				return i - 4
			}
			from = i + 2
		}
	}
	tests := []struct {
		name    string
		damage  func(file []byte) []byte
		problem string
		fails   bool
	}{
		{"a key below itself", func(b []byte) []byte {
			// The list below A gives A in the place of B.
			list := int(le.Uint32(b[key(b, "A")+4+28:])) + firstBin
			le.PutUint32(b[list+8:], uint32(key(b, "A")-firstBin))
			return b
		}, "is found in two places", false},
		{"a list of lists that contains itself", func(b []byte) []byte {
			list := int(le.Uint32(b[key(b, "A")+4+28:])) + firstBin
			copy(b[list+4:], "ri")
			le.PutUint32(b[list+8:], uint32(list-firstBin))
			le.PutUint32(b[list+12:], uint32(list-firstBin))
			return b
		}, "lists of keys in lists of keys", false},
		{"a key twice in a list", func(b []byte) []byte {
			list := int(le.Uint32(b[key(b, "A")+4+28:])) + firstBin
			le.PutUint32(b[list+16:], uint32(key(b, "B")-firstBin))
			return b
		}, "is there twice", false},
		{"endless values", func(b []byte) []byte {
			le.PutUint32(b[key(b, "B")+4+36:], 0xfffffff0)
			return b
		}, "damaged", false},
		{"a value without end", func(b []byte) []byte {
			le.PutUint32(b[at(b, "vk")+4:], 0x7fffffff)
			return b
		}, "longer than", false},
		{"a value that is cut", func(b []byte) []byte {
			le.PutUint32(b[at(b, "vk")+4:], 16_000)
			return b
		}, "not in the file", false},
		{"a value in pieces that are not there", func(b []byte) []byte {
			le.PutUint32(b[at(b, "vk")+4:], 20_000)
			return b
		}, "not in the file", false},
		{"a value elsewhere", func(b []byte) []byte {
			i := at(b, "vk")
			le.PutUint32(b[i+8:], 0x7ffffff0)
			return b
		}, "not in the file", false},
		{"no root", func(b []byte) []byte {
			le.PutUint32(b[36:], 0x7ffffff0)
			return b
		}, "no root key", true},
		{"cut in its header", func(b []byte) []byte { return b[:100] }, "no root key", true},
		{"the header alone", func(b []byte) []byte { return b[:4096] }, "no root key", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.damage(build())
			r, problems, err := ReadHive("hive", bytes.NewReader(file), int64(len(file)), "HKCU", nil)
			if tt.fails {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Text, tt.problem) }) {
				t.Errorf("problems %v, want %q", problems, tt.problem)
			}
			if !r.HasKey(`HKCU\A`) {
				t.Error("what is sound is lost")
			}
		})
	}
}

// TestWorkIsBounded has lists in lists, each of the same keys: some 4 billion
// ways.
func TestWorkIsBounded(t *testing.T) {
	const n = 3000
	e := make([]made, n)
	for i := range e {
		e[i].name = fmt.Sprintf("k%d", i)
	}
	file := encodeHive("", made{name: "ROOT", keys: e})
	root := int(le.Uint32(file[36:])) + firstBin
	list := le.Uint32(file[root+4+28:])
	for range maxLists - 1 {
		ri := le.AppendUint16([]byte("ri"), n)
		for range n {
			ri = le.AppendUint32(ri, list)
		}
		list = uint32(len(file) - firstBin)
		cell := le.AppendUint32(nil, uint32(-(len(ri) + 4)))
		file = append(file, append(cell, ri...)...)
	}
	le.PutUint32(file[root+4+28:], list)
	r, problems, err := ReadHive("hive", bytes.NewReader(file), int64(len(file)), "HKCU", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(r.Subkeys("HKCU")); got != n {
		t.Errorf("%d keys, want %d", got, n)
	}
	if last := problems[len(problems)-1].Text; !strings.Contains(last, "more problems") {
		t.Errorf("the last problem is %q", last)
	}
}

func TestHiveDiskError(t *testing.T) {
	file := encodeHive("", made{name: "ROOT", values: []Value{{Name: "x", Type: Binary, Data: make([]byte, 50_000)}}, keys: []made{{name: "Software"}}})
	if _, _, err := Read("x", failing{file, 30_000}, int64(len(file)), nil); !errors.Is(err, errDisk) {
		t.Errorf("Read = %v, want %v", err, errDisk)
	}
}

// FuzzHive checks that whatever a hive says, reading it ends, within the bounds,
// and that what is read can be written as an export and is the same there.
func FuzzHive(f *testing.F) {
	small := func(b []byte) []byte { return bytes.TrimRight(b[:], "\x00") }
	f.Add(small(encodeHive("", made{name: "ROOT", keys: []made{{name: "Software", values: []Value{text("", "x"), number("n", 5)}, keys: []made{{name: "Okta"}}}}})))
	f.Add(small(encodeHive(`\SYSTEM`, made{name: "ROOT", keys: []made{
		{name: "ControlSet001", keys: []made{{name: "Services"}}}, {name: "Select", values: []Value{number("Current", 1)}},
	}})))
	f.Add(small(encodeHive(`\SOFTWARE`, made{name: "ROOT", keys: []made{{name: "漢", values: []Value{{Name: "b", Type: Binary, Data: make([]byte, 17_000)}}}}})))
	f.Fuzz(func(t *testing.T, file []byte) {
		if !bytes.HasPrefix(file, []byte(hiveMagic)) {
			return
		}
		r, _, err := ReadHive("fuzz", bytes.NewReader(file), int64(len(file)), "", nil)
		if err != nil {
			return
		}
		keys := r.Keys()
		octets := 0
		for _, k := range keys {
			for _, v := range k.Values {
				octets += len(v.Data)
			}
			// The line ends and brackets that names of a hive may have, an export
			// cannot.
			if strings.ContainsAny(k.Path, "\r\n\x00") {
				return
			}
			for _, v := range k.Values {
				if strings.ContainsAny(v.Name, "\r\n") {
					return
				}
			}
		}
		if len(keys) > maxKeys+2 || octets > maxOctets {
			t.Errorf("%d keys, %d octets of data", len(keys), octets)
		}
		if octets < 1<<20 {
			anew(t, r)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for typ, want := range map[Type]string{String: "REG_SZ", QWORD: "REG_QWORD", 12: "REG_0xC", 0xffffffff: "REG_0xFFFFFFFF"} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d) = %s, want %s", uint32(typ), got, want)
		}
	}
	if got := (Value{Type: 12, Data: []byte{1}}).String(); got != hex.EncodeToString([]byte{1}) {
		t.Errorf("a value of another type is %q", got)
	}
}
