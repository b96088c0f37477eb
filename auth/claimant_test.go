package auth

import (
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	corp := []string{"CORP", "corp.example.com"}
	tests := []struct {
		name     string
		claimant string
		domains  []string
		want     string // joined by |, "" for an error
	}{
		{"plain", "alice", nil, "alice"},
		{"case", "ALICE", nil, "alice"},
		{"white space around", "  alice\u00a0", nil, "alice"},
		{"inner space stays", "Alice  Smith", nil, "alice  smith"},
		{"down-level name", `CORP\Alice`, nil, `corp\alice|alice`},
		{"white space in a down-level name", `CORP \ Alice`, nil, `corp\alice|alice`},
		{"principal name", "Alice@Corp.Example.Com", nil, "alice@corp.example.com|alice"},
		{"full-width letters and separator", "ＣＯＲＰ＼ａｌｉｃｅ", nil, `corp\alice|alice`},
		{"sharp s folds", "STRASSE", nil, "strasse"},
		{"sharp s folds like ss", "straße", nil, "strasse"},
		{"Kelvin sign", "\u212aate", nil, "kate"},
		{"our domain", `corp\alice`, corp, `corp\alice|alice`},
		{"our principal domain", "alice@CORP.example.com", corp, "alice@corp.example.com|alice"},
		{"another domain", `other\alice`, corp, `other\alice`},
		{"two separators are ambiguous", `corp\alice@corp.example.com`, nil, `corp\alice@corp.example.com`},
		{"no user", `CORP\`, nil, `corp\`},
		{"no domain", `\alice`, nil, `\alice`},
		{"empty", "", nil, ""},
		{"one space (PYSEC-2018-20)", " ", nil, ""},
		{"NUL", "ali\x00ce", nil, ""},
		{"newline", "alice\n", nil, ""},
		{"escape", "al\x1b[31mice", nil, ""},
		{"zero-width space", "ali\u200bce", nil, ""},
		{"right-to-left override", "ali\u202ece", nil, ""},
		{"variation selector", "ali\ufe0fce", nil, ""},
		{"not UTF-8", "al\xffice", nil, ""},
		{"longest", strings.Repeat("a", 255), nil, strings.Repeat("a", 255)},
		{"too long", strings.Repeat("a", 256), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Spellings(tt.claimant, tt.domains)
			if joined := strings.Join(got, "|"); joined != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("Spellings(%q, %q) = %q, %v; want %q", tt.claimant, tt.domains, joined, err, tt.want)
			}
		})
	}
}

// FuzzCanonical checks that a canonical name is its own canonical form, fits
// its limits and holds nothing that a terminal would obey.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"alice", `CORP\Alice`, " a @ b ", "ＡＬＩＣＥ", "straße", "İstanbul", "ﬀ", "ͅ", "ẛ̣", "\u1e9e", "a\u0301", "\u03c2", "ﷺ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c, err := Canonical(name)
		if err != nil {
			return
		}
		if again, err := Canonical(c); err != nil || again != c {
			t.Errorf("Canonical(%q) = %q, but Canonical of that = %q, %v", name, c, again, err)
		}
		if c == "" || len(c) > maxName || strings.ContainsAny(c, "\x00\n\r\x1b") {
			t.Errorf("Canonical(%q) = %q", name, c)
		}
		if upper, err := Canonical(strings.ToUpper(name)); err == nil && isASCII(name) && upper != c {
			t.Errorf("%q and its upper case are %q and %q", name, c, upper)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
