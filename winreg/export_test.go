package winreg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
)

// read reads a file that must be read.
func read(t testing.TB, data []byte, interesting ...string) (*Registry, []Problem) {
	t.Helper()
	r, problems, err := Read("test.reg", bytes.NewReader(data), int64(len(data)), interesting)
	if err != nil {
		t.Fatal(err)
	}
	return r, problems
}

// show writes what has been read, a key or value a line.
func show(r *Registry) string {
	var b strings.Builder
	for _, k := range r.Keys() {
		fmt.Fprintf(&b, "[%s]\n", k.Path)
		for _, v := range k.Values {
			fmt.Fprintf(&b, "%s %s %q %d\n", v.Name, v.Type, v.String(), v.Source.Line)
		}
	}
	return b.String()
}

func TestExport(t *testing.T) {
	const h = header5 + "\r\n\r\n"
	tests := []struct {
		name     string
		text     string
		want     string
		problems []string
	}{
		{
			"values of every form", h + `[HKEY_LOCAL_MACHINE\SOFTWARE\A]` + "\r\n" +
				`@="default"` + "\r\n" +
				`"Text"="C:\\Program Files\\\"x\""` + "\r\n" +
				`"Number"=dword:0000001F` + "\r\n" +
				`"Binary"=hex:00,ff` + "\r\n" +
				`"Expand"=hex(2):25,00,41,00,25,00,00,00` + "\r\n" +
				`"Multi"=hex(7):61,00,00,00,62,00,63,00,00,00,00,00` + "\r\n" +
				`"Large"=hex(b):00,00,00,00,01,00,00,00` + "\r\n" +
				`"Big end"=hex(5):00,00,00,05` + "\r\n" +
				`"None"=hex(0):` + "\r\n" +
				`"Odd"=hex(4):01,02` + "\r\n" +
				`"Other"=hex(ffff0012):ab` + "\r\n",
			`[HKEY_LOCAL_MACHINE]
[HKEY_LOCAL_MACHINE\SOFTWARE]
[HKEY_LOCAL_MACHINE\SOFTWARE\A]
 REG_SZ "default" 4
Text REG_SZ "C:\\Program Files\\\"x\"" 5
Number REG_DWORD "31" 6
Binary REG_BINARY "00ff" 7
Expand REG_EXPAND_SZ "%A%" 8
Multi REG_MULTI_SZ "a, bc" 9
Large REG_QWORD "4294967296" 10
Big end REG_DWORD_BIG_ENDIAN "5" 11
None REG_NONE "" 12
Odd REG_DWORD "0102" 13
Other REG_0xFFFF0012 "ab" 14
`, nil,
		},
		{
			"data over several lines", h + "[HKEY_CURRENT_USER\\A]\r\n\"x\"=hex:01,02,\\\r\n  03,\\\r\n  04\r\n\"y\"=\"after\"\r\n",
			"[HKEY_CURRENT_USER]\n[HKEY_CURRENT_USER\\A]\nx REG_BINARY \"01020304\" 4\ny REG_SZ \"after\" 7\n", nil,
		},
		{
			"a text over several lines", h + "[HKEY_CURRENT_USER\\A]\r\n\"x\"=\"one\r\n\r\n\"\r\n\"y\"=\"two\nthree\"\r\n",
			"[HKEY_CURRENT_USER]\n[HKEY_CURRENT_USER\\A]\nx REG_SZ \"one\\r\\n\\r\\n\" 4\ny REG_SZ \"two\\nthree\" 7\n", nil,
		},
		{
			"comments and blanks", h + "; first\r\n  [HKEY_USERS\\.DEFAULT\\A] ; a key\r\n ; of\r\n\t\"x\" = dword:1 ; one\r\n@=\"a;b\" ;c\r\n\"y\"=hex:01 ; d\r\n",
			"[HKEY_USERS]\n[HKEY_USERS\\.DEFAULT]\n[HKEY_USERS\\.DEFAULT\\A]\nx REG_DWORD \"1\" 6\n REG_SZ \"a;b\" 7\ny REG_BINARY \"01\" 8\n", nil,
		},
		{
			"short names of roots", h + "[HKLM\\A]\r\n[hkcu\\b]\r\n[HKEY_Local_Machine\\a\\C\\]\r\n",
			"[HKEY_CURRENT_USER]\n[HKEY_CURRENT_USER\\b]\n[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\n[HKEY_LOCAL_MACHINE\\A\\C]\n", nil,
		},
		{
			"what is deleted", h + "[HKLM\\A\\B\\C]\r\n\"x\"=\"1\"\r\n\"y\"=\"2\"\r\n\"X\"=-\r\n[HKLM\\D\\E]\r\n[-HKLM\\a\\b]\r\n\"z\"=\"goes nowhere\"\r\n[-HKLM\\not\\there]\r\n[HKLM\\D]\r\n@=\"d\"\r\n@=-;\r\n",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\n[HKEY_LOCAL_MACHINE\\D]\n[HKEY_LOCAL_MACHINE\\D\\E]\n", nil,
		},
		{
			"a value twice", h + "[HKLM\\A]\r\n\"x\"=\"1\"\r\n\"y\"=\"2\"\r\n\"X\"=\"3\"\r\n",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\ny REG_SZ \"2\" 5\nX REG_SZ \"3\" 6\n", nil,
		},
		{
			"brackets in names", h + "[HKLM\\A]B[\\C]\r\n",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]B[]\n[HKEY_LOCAL_MACHINE\\A]B[\\C]\n", nil,
		},
		{
			"REGEDIT4", "REGEDIT4\n\n[HKLM\\A]\n\"t\"=\"caf\xe9\"\n\"e\"=hex(2):25,80,25,00\n\"m\"=hex(7):61,00,62,00,00\n\"b\"=hex:25,80\n",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\nt REG_SZ \"café\" 4\ne REG_EXPAND_SZ \"%€%\" 5\nm REG_MULTI_SZ \"a, b\" 6\nb REG_BINARY \"2580\" 7\n", nil,
		},
		{
			"two exports in one file", h + "[HKLM\\A]\n\"x\"=\"1\"\nREGEDIT4\n\"lost\"=\"2\"\n[HKLM\\A]\n\"y\"=hex(2):61\n" + h + "[HKLM\\A]\n\"z\"=hex(2):61,00\n",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\nx REG_SZ \"1\" 4\ny REG_EXPAND_SZ \"a\" 8\nz REG_EXPAND_SZ \"a\" 12\n", nil,
		},
		{
			"no header", "; copied from the chat\n[HKLM\\A]\n\"x\"=dword:2",
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\nx REG_DWORD \"2\" 3\n",
			[]string{`test.reg:2: the first line should be "Windows Registry Editor Version 5.00": regedit does not import this file`},
		},
		{
			"broken lines", h + strings.Join([]string{
				`[HKLM\A]`, `"ok"="1"`, // 3, 4
				`HKLM\B`, `[HKLM\B`, `[HKLM\A] B`, `[Software\B]`, // 5 to 8
				`"x"="into no key"`,                                                          // 9
				`[HKLM\A]`,                                                                   // 10
				`"x=1`, `"x"`, `"x"=1`, `"x"=dword:123456789`, `"x"=dword:1 2`, `"x"=dword:`, // 11 to 16
				`"x"=hex:0g`, `"x"=hex:001`, `"x"=hex(z):00`, `"x"="a" b`, `"x"=- b`, // 17 to 21
				`"x"="no end`, `"y"="2"`, // 22, 23
				`"x"="C:\dir\"`, `[HKLM\C]`, // 24, 25
				`"path"="C:\dir\\file"`,   // 26
				`"x"=hex:01,\`, `"z"="3"`, // 27, 28
				`"x"=hex:01,0g,\`, `  02`, `"last"="4"`, // 29 to 31
				`"x"=hex(2)`, `"x"=dword`, // 32, 33
				`"x"=hex:01,\`, // 34
			}, "\r\n"),
			"[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\nok REG_SZ \"1\" 4\ny REG_SZ \"2\" 23\n" +
				"[HKEY_LOCAL_MACHINE\\C]\npath REG_SZ \"C:\\\\dir\\\\file\" 26\nz REG_SZ \"3\" 28\nlast REG_SZ \"4\" 31\n",
			[]string{
				"test.reg:5: neither a key, a value nor a comment",
				"test.reg:6: the line of a key does not end with ]",
				"test.reg:7: the line of a key does not end with ]",
				"test.reg:8: the key does not begin with a root such as HKEY_LOCAL_MACHINE",
				`test.reg:11: the name of a value does not end with "`,
				"test.reg:12: the name of a value is not followed by =",
				`test.reg:13: what follows = is none of "text", dword:, hex:, hex(type): and -`,
				"test.reg:14: dword: must be followed by up to 8 hexadecimal digits",
				"test.reg:15: dword: must be followed by up to 8 hexadecimal digits",
				"test.reg:16: dword: must be followed by up to 8 hexadecimal digits",
				"test.reg:17: hex must be followed by octets of two hexadecimal digits with commas between them",
				"test.reg:18: hex must be followed by octets of two hexadecimal digits with commas between them",
				"test.reg:19: the type in hex(...) is not a hexadecimal number",
				`test.reg:20: the text goes on behind its end: a " inside of it must be written \"`,
				`test.reg:21: what follows = is none of "text", dword:, hex:, hex(type): and -`,
				`test.reg:22: the text does not end with "`,
				`test.reg:24: the text does not end with "`,
				`test.reg:26: a \ in quotation marks must be written \\; it was read as if it were`,
				`test.reg:27: the value ends in the middle: its last line ends with \`,
				"test.reg:29: hex must be followed by octets of two hexadecimal digits with commas between them",
				`test.reg:32: what follows = is none of "text", dword:, hex:, hex(type): and -`,
				`test.reg:33: what follows = is none of "text", dword:, hex:, hex(type): and -`,
				`test.reg:34: the value ends in the middle: its last line ends with \`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, problems := read(t, []byte(tt.text))
			if diff := cmp.Diff(tt.want, show(r)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tt.problems, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	const text = header5 + "\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe]\r\n\"Œ€\"=\"naïve\"\r\n"
	encode := func(e interface{ Bytes([]byte) ([]byte, error) }) []byte {
		b, err := e.Bytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	files := map[string][]byte{
		"UTF-16LE with BOM": encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()),
		"UTF-16LE":          encode(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder()),
		"UTF-16BE with BOM": encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()),
		"UTF-16BE":          encode(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewEncoder()),
		"UTF-8":             []byte(text),
		"UTF-8 with BOM":    []byte("\ufeff" + text),
		"windows-1252":      encode(charmap.Windows1252.NewEncoder()),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			r, problems := read(t, file)
			v, ok := r.Value(`HKLM\software\GRÖSSE`, "œ€") // ẞ is not the capital of two letters
			if ok {
				t.Errorf("found %v by a name that is another", v)
			}
			v, ok = r.Value(`HKLM\software\GRÖßE`, "œ€")
			if !ok || v.String() != "naïve" || len(problems) != 0 {
				t.Errorf("Value = %q, %t; problems %v; all:\n%s", v, ok, problems, show(r))
			}
			if want := (Source{File: "test.reg", Line: 4}); v.Source != want {
				t.Errorf("Source = %v, want %v", v.Source, want)
			}
		})
	}
}

func TestLookUp(t *testing.T) {
	r, _ := read(t, []byte(header5+`
[HKEY_LOCAL_MACHINE\SOFTWARE\Okta\Okta MFA]
@="both"
[HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Okta\Okta MFA]
[HKEY_LOCAL_MACHINE\SOFTWARE\Native]
[HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Old]
`))
	for _, path := range []string{`HKEY_LOCAL_MACHINE`, `HKLM\SOFTWARE`, `hklm:\software\okta\okta mfa\`, `Computer\HKLM\Software\Okta`} {
		if !r.HasKey(path) {
			t.Errorf("HasKey(%q) = false", path)
		}
	}
	for _, path := range []string{"", `\`, "SOFTWARE", `HKCU\SOFTWARE\Okta`, `HKLM\SOFTWARE\Okta MFA`, "Computer"} {
		if r.HasKey(path) {
			t.Errorf("HasKey(%q) = true", path)
		}
		if _, ok := r.Value(path, ""); ok {
			t.Errorf("Value(%q) is there", path)
		}
		if _, ok := r.Key(path); ok {
			t.Errorf("Key(%q) is there", path)
		}
	}
	views := []struct {
		path        string
		native, wow bool
	}{
		{`HKLM\SOFTWARE\Okta\Okta MFA`, true, true},
		{`HKLM\SOFTWARE\Native`, true, false},
		{`HKLM\SOFTWARE\Old`, false, true},
		{`HKLM\SOFTWARE\Neither`, false, false},
		{`HKLM\SOFTWARE\WOW6432Node\Old`, true, false},
		{`HKLM\SYSTEM`, false, false},
	}
	for _, tt := range views {
		if native, wow := r.Views(tt.path); native != tt.native || wow != tt.wow {
			t.Errorf("Views(%q) = %t, %t; want %t, %t", tt.path, native, wow, tt.native, tt.wow)
		}
	}
	if got, want := r.Subkeys(`HKLM\SOFTWARE`), []string{"Native", "Okta", "WOW6432Node"}; !slices.Equal(got, want) {
		t.Errorf("Subkeys = %q, want %q", got, want)
	}
	if r.Subkeys(`HKLM\not there`) != nil {
		t.Error("a key that is not there has subkeys")
	}
	k, ok := r.Key(`HKLM\SOFTWARE\Okta\Okta MFA`)
	if !ok || len(k.Values) != 1 || k.Values[0].String() != "both" {
		t.Errorf("Key = %v, %t", k, ok)
	}
}

func TestInteresting(t *testing.T) {
	file := []byte(header5 + `
[HKEY_LOCAL_MACHINE\SOFTWARE\A]
"x"="1"
[HKEY_LOCAL_MACHINE\SOFTWARE\A\below]
[HKEY_LOCAL_MACHINE\SOFTWARE\AB]
"x"=hex:01,\
  02
[HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\A]
[HKEY_LOCAL_MACHINE\SYSTEM]
`)
	tests := []struct {
		interesting []string
		want        []string
	}{
		{[]string{`HKLM\Software\a`}, []string{
			`HKEY_LOCAL_MACHINE`, `HKEY_LOCAL_MACHINE\SOFTWARE`, `HKEY_LOCAL_MACHINE\SOFTWARE\A`, `HKEY_LOCAL_MACHINE\SOFTWARE\A\below`,
			`HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node`, `HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\A`,
		}},
		{[]string{`HKLM\SYSTEM`, `HKLM\SYSTEM\below`}, []string{`HKEY_LOCAL_MACHINE`, `HKEY_LOCAL_MACHINE\SYSTEM`}},
		{[]string{"nonsense"}, nil},
	}
	for _, tt := range tests {
		r, problems := read(t, file, tt.interesting...)
		var got []string
		for _, k := range r.Keys() {
			got = append(got, k.Path)
		}
		if !slices.Equal(got, tt.want) || len(problems) != 0 {
			t.Errorf("interested in %q: read %q, problems %v; want %q", tt.interesting, got, problems, tt.want)
		}
	}
}

func TestValueForms(t *testing.T) {
	tests := []struct {
		value   Value
		text    string
		strings []string
		number  uint32
		isDWORD bool
	}{
		{Value{Type: String, Data: encodeUTF16("a\x00")}, "a", []string{"a"}, 0, false},
		{Value{Type: String, Data: encodeUTF16("no end")}, "no end", []string{"no end"}, 0, false},
		{Value{Type: ExpandString, Data: encodeUTF16("%x%\x00junk")}, "%x%", []string{"%x%"}, 0, false},
		{Value{Type: MultiString, Data: encodeUTF16("a\x00b\x00\x00")}, "a, b", []string{"a", "b"}, 0, false},
		{Value{Type: MultiString, Data: encodeUTF16("a\x00b")}, "a, b", []string{"a", "b"}, 0, false},
		{Value{Type: MultiString}, "", []string{}, 0, false},
		{Value{Type: DWORD, Data: []byte{1, 2, 0, 0}}, "513", nil, 513, true},
		{Value{Type: DWORDBigEndian, Data: []byte{0, 0, 2, 1}}, "513", nil, 513, true},
		{Value{Type: DWORD, Data: []byte{1}}, "01", nil, 0, false},
		{Value{Type: QWORD, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0}}, "1", nil, 0, false},
		{Value{Type: QWORD, Data: []byte{1, 0}}, "0100", nil, 0, false},
		{Value{Type: Binary, Data: []byte{0xca, 0xfe}}, "cafe", nil, 0, false},
	}
	for _, tt := range tests {
		n, ok := tt.value.DWORD()
		if got := tt.value.String(); got != tt.text || n != tt.number || ok != tt.isDWORD {
			t.Errorf("%s %x: %q, %d, %t; want %q, %d, %t", tt.value.Type, tt.value.Data, got, n, ok, tt.text, tt.number, tt.isDWORD)
		}
		if got := tt.value.Strings(); !slices.Equal(got, tt.strings) || (got == nil) != (tt.strings == nil) {
			t.Errorf("%s %x: Strings() = %q, want %q", tt.value.Type, tt.value.Data, got, tt.strings)
		}
	}
}

func TestNeither(t *testing.T) {
	for _, text := range []string{"", "\x00\x00", "Nov 22 13:01:02 host sshd[1]: text", "[section]\nkey=value\n", "[HKLM", "; only a comment\n", strings.Repeat("\n", 5000) + header5, "regx"} {
		if _, _, err := Read("x", strings.NewReader(text), int64(len(text)), nil); !errors.Is(err, ErrFormat) {
			t.Errorf("Read(%.30q) = %v, want ErrFormat", text, err)
		}
	}
}

var errDisk = errors.New("the disk is gone")

// failing is a file that cannot be read from an offset on.
type failing struct {
	file []byte
	from int64
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.from {
		return 0, errDisk
	}
	return copy(b, f.file[off:]), nil
}

func TestDiskError(t *testing.T) {
	file := []byte(header5 + "\n" + strings.Repeat("[HKLM\\A]\n", 10_000))
	for _, from := range []int64{0, 50_000} {
		if _, _, err := Read("x", failing{file, from}, int64(len(file)), nil); !errors.Is(err, errDisk) {
			t.Errorf("from %d: %v, want %v", from, err, errDisk)
		}
	}
}

// TestBounds has files that ask for more than is kept.
func TestBounds(t *testing.T) {
	many := func(n int, line func(i int) string) []byte {
		var b bytes.Buffer
		b.WriteString(header5 + "\n[HKLM\\A]\n")
		for i := range n {
			b.WriteString(line(i))
		}
		return b.Bytes()
	}
	const tooMuch = "there is more than is kept of one file; the rest was passed over: name fewer keys"
	deep := strings.Repeat(`\a`, maxDepth)
	tests := []struct {
		name     string
		file     []byte
		problems int
		last     string
	}{
		{"keys", many(maxKeys+10, func(i int) string { return fmt.Sprintf("[HKLM\\A\\%d]\n", i) }), 1, tooMuch},
		{"keys in keys", many(3, func(int) string { return "[HKLM" + deep + "]\n" }), 3, "more than 512 keys in each other"},
		{"values", many(maxValues+10, func(i int) string { return fmt.Sprintf("\"%d\"=dword:1\n", i) }), 1, tooMuch},
		{"a long line", many(1, func(int) string { return `"x"="` + strings.Repeat("a", maxLine) + "\"\n" }), 1, "the line is longer than 2097152 octets"},
		{"a long name", many(1, func(int) string { return `"` + strings.Repeat("n", 4*maxName) + "\"=dword:1\n" }), 1, "the name of a value is longer than a name can be"},
		{"a long value", many(1, func(int) string { return `"x"=hex:` + strings.Repeat("00,00,00,\\\n", maxValue/3+1) + "00\n" }), 1, "the value is longer than 1048576 octets"},
		{"a text over many lines", many(1, func(int) string { return `"x"="` + strings.Repeat("; a\n", maxTextLines+10) }), 1, `the text does not end with "`},
		{"problems", many(maxProblems+10, func(int) string { return "?\n" }), maxProblems + 1, "there are more problems than are listed here"},
		{"lines that could begin texts", many(200_000, func(int) string { return "@ =\"\n" }), maxProblems + 1, "there are more problems than are listed here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, problems := read(t, tt.file)
			if len(problems) != tt.problems || problems[len(problems)-1].Text != tt.last {
				t.Errorf("%d problems, want %d; the first %v, the last %v", len(problems), tt.problems, problems[:1], problems[max(0, len(problems)-1):])
			}
			if !r.HasKey(`HKLM\A`) {
				t.Error("what came before is lost")
			}
		})
	}
}

// write writes a model as an export.
func write(keys []Key) []byte {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
	var b bytes.Buffer
	b.WriteString(header5 + "\r\n\r\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "[%s]\r\n", k.Path)
		for _, v := range k.Values {
			name := "@"
			if v.Name != "" {
				name = `"` + escape(v.Name) + `"`
			}
			text, ended := strings.CutSuffix(decodeUTF16(v.Data), "\x00")
			switch {
			case v.Type == String && ended && !strings.ContainsAny(text, "\x00\r\n") && bytes.Equal(encodeUTF16(text+"\x00"), v.Data):
				fmt.Fprintf(&b, "%s=\"%s\"\r\n", name, escape(text))
			case v.Type == DWORD && len(v.Data) == 4:
				n, _ := v.DWORD()
				fmt.Fprintf(&b, "%s=dword:%08x\r\n", name, n)
			default:
				var octets []string
				for i, c := range v.Data {
					s := hex.EncodeToString([]byte{c})
					if i%25 == 24 {
						s = "\\\r\n  " + s
					}
					octets = append(octets, s)
				}
				fmt.Fprintf(&b, "%s=hex(%x):%s\r\n", name, uint32(v.Type), strings.Join(octets, ","))
			}
		}
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// anew checks that a model is the same once it has been written and read again.
func anew(t testing.TB, r *Registry) {
	t.Helper()
	keys := r.Keys()
	file := write(keys)
	again, problems := read(t, file)
	if diff := differ(keys, again.Keys()); diff != "" || len(problems) != 0 {
		t.Errorf("read anew: %s; problems %v\n%q", diff, problems, file)
	}
}

// differ says where keys differ, but for the places of values in files. It is
// cmp.Diff for megabytes.
func differ(want, got []Key) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return "a key too many: " + got[i].Path
		case i >= len(got):
			return "a key too few: " + want[i].Path
		case want[i].Path != got[i].Path || len(want[i].Values) != len(got[i].Values):
			return fmt.Sprintf("%q with %d values, want %q with %d", got[i].Path, len(got[i].Values), want[i].Path, len(want[i].Values))
		}
		for j, w := range want[i].Values {
			g := got[i].Values[j]
			if w.Name != g.Name || w.Type != g.Type || !bytes.Equal(w.Data, g.Data) {
				return fmt.Sprintf("%q has %q %v %.100x, want %q %v %.100x", want[i].Path, g.Name, g.Type, g.Data, w.Name, w.Type, w.Data)
			}
		}
	}
	return ""
}

func TestWrittenAndReadAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune(`aB\"[]=;@ é漢😀-`)), 1, 6, -1)
		l := newLoader("made", nil)
		for range rapid.IntRange(0, 5).Draw(rt, "keys") {
			path, _ := Canonical(`HKLM\` + strings.ReplaceAll(name.Draw(rt, "key"), `\`, "/"))
			n := l.key(path, 0)
			for range rapid.IntRange(0, 4).Draw(rt, "values") {
				v := Value{Name: name.Draw(rt, "name"), Type: Type(rapid.Uint32Range(0, 12).Draw(rt, "type")), Data: rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "data")}
				if rapid.Bool().Draw(rt, "text") {
					v.Type, v.Data = String, encodeUTF16(name.Draw(rt, "content")+"\x00")
				}
				l.set(n, v)
			}
		}
		anew(t, l.reg)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// FuzzExport checks that an export means one thing: what is read of it, written
// as an export and read again, is the same.
func FuzzExport(f *testing.F) {
	f.Add([]byte(header5 + "\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n@=\"x\\\\y\"\r\n\"n\"=dword:0000000a\r\n\"m\"=hex(7):61,00,\\\r\n  00,00\r\n\"gone\"=-\r\n[-HKEY_LOCAL_MACHINE\\B]\r\n"))
	f.Add([]byte("REGEDIT4\n[HKCU\\A]\n\"caf\xe9\"=\"two\nlines\" ; c\n\"e\"=hex(2):25,80,00\n"))
	f.Add([]byte("\xff\xfe[\x00H\x00K\x00U\x00]\x00\n\x00@\x00=\x00\"\x00\"\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if bytes.HasPrefix(file, []byte(hiveMagic)) {
			return
		}
		r, problems, err := Read("fuzz.reg", bytes.NewReader(file), int64(len(file)), nil)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		for _, p := range problems {
			if p.Text == "" || p.Line < 0 || p.Line > bytes.Count(file, []byte("\n"))+1 {
				t.Errorf("problem %+v", p)
			}
		}
		for _, k := range r.Keys() {
			if again, ok := r.Key(k.Path); !ok || len(again.Values) != len(k.Values) {
				t.Errorf("Key(%q) = %v, %t", k.Path, again, ok)
			}
		}
		anew(t, r)
	})
}
