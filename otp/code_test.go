package otp

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNormalize(t *testing.T) {
	tests := []struct {
		name   string
		typed  string
		want   string
		wantOK bool
	}{
		{"plain", "123456", "123456", true},
		{"leading zeros stay", "000042", "000042", true},
		{"grouped with a space", "123 456", "123456", true},
		{"grouped with a hyphen", "123-456", "123456", true},
		{"grouped in twos", "12 34 56 78", "12345678", true},
		{"spaces around", "  123456 ", "123456", true},
		{"pasted with a line end", "\t123456\r\n", "123456", true},
		{"no-break space", "123\u00a0456", "123456", true},
		{"full-width", "１２３　４５６", "123456", true},
		{"half and half", "12３456", "123456", true},
		{"empty", "", "", false},
		{"only spaces", "   ", "", false},
		{"only a hyphen", "-", "", false},
		{"minus in front", "-123456", "", false},
		{"plus in front", "+123456", "", false},
		{"hyphen behind", "123456-", "", false},
		{"two spaces inside", "123  456", "", false},
		{"space and hyphen", "123 -456", "", false},
		{"tab inside", "123\t456", "", false},
		{"line end inside", "123\n456", "", false},
		{"NUL behind", "123456\x00", "", false},
		{"NUL in front", "\x00123456", "", false},
		{"letter", "12345O", "", false},
		{"hexadecimal", "0x1E240", "", false},
		{"decimal point", "123.456", "", false},
		{"exponent", "1e6", "", false},
		{"Arabic digits", "١٢٣٤٥٦", "", false},
		{"Devanagari digits", "१२३४५६", "", false},
		{"superscripts", "¹²³⁴⁵⁶", "", false},
		{"en dash", "123–456", "", false},
		{"zero-width space", "123\u200b456", "", false},
		{"byte order mark", "\ufeff123456", "", false},
		{"invalid UTF-8", "123456\xff", "", false},
		{"longest", strings.Repeat(" ", 58) + "123456", "123456", true},
		{"too long", strings.Repeat(" ", 59) + "123456", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Normalize(tt.typed)
			if got != tt.want || ok != tt.wantOK {
				t.Errorf("Normalize(%q) = %q, %t; want %q, %t", tt.typed, got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

// TestSpellingsOfOneCode: whatever way one code is spelled, it leads to the
// step that is spent, or is refused. In OpenBao (CVE-2025-55000) the mark stood
// on the typed text and the check on the trimmed one, so that a space in front
// made a used code fresh.
func TestSpellingsOfOneCode(t *testing.T) {
	key, p := rfcKeys[SHA1], Params{Digits: 6, Period: 30 * time.Second, Drift: 1}
	at := time.Unix(1_700_000_000, 0)
	code, spent := TOTP(key, at, p), p.Step(at)

	fullWidth := func(s string) string {
		return strings.Map(func(r rune) rune { return r - '0' + '０' }, s)
	}
	bodies := []string{
		code, fullWidth(code), fullWidth(code[:3]) + code[3:],
		code[:3] + " " + code[3:], code[:3] + "-" + code[3:], code[:3] + "\u00a0" + code[3:],
		code[:3] + "\x00" + code[3:], code[:3] + "+" + code[3:], code[:2] + " " + code[2:4] + " " + code[4:],
		code[:3] + "  " + code[3:], code + code, code[1:], code + ".0", "0x" + code,
	}
	around := []string{"", " ", "  ", "\t", "\n", "\r\n", "\x00", "+", "-", "0", "\u00a0", "\u3000", "\u200b", "\ufeff", "\v", "\u0085"}
	spellings, led := 0, 0
	for _, body := range bodies {
		for _, before := range around {
			for _, after := range []string{"", " ", "\x00", "\n", "0"} {
				spellings++
				typed := before + body + after
				normal, ok := Normalize(typed)
				if !ok {
					continue
				}
				step, ok := MatchTOTP(key, normal, at, p)
				if !ok {
					continue
				}
				led++
				if step != spent {
					t.Errorf("%q leads to step %d; want %d", typed, step, spent)
				}
			}
		}
	}
	if spellings < 200 || led < 100 {
		t.Errorf("%d spellings, of which %d were understood: the test has lost its bite", spellings, led)
	}
}

// FuzzNormalize checks that Normalize is idempotent, returns digits and nothing
// else, and neither adds, drops nor reorders digits.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"123456", " 123 456 ", "１２３　４５６", "12-34-56", "", "-", "1\x002", "123456\xff", "١٢٣٤٥٦",
		"\ufeff123456", "+123456", "12 34\t", strings.Repeat("9", 65),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := Normalize(typed)
		if !ok {
			if got != "" {
				t.Fatalf("Normalize(%q) refuses and returns %q", typed, got)
			}
			return
		}
		if got == "" || strings.Trim(got, "0123456789") != "" || !utf8.ValidString(typed) {
			t.Fatalf("Normalize(%q) = %q", typed, got)
		}
		var digits strings.Builder
		for _, r := range typed {
			switch {
			case r >= '0' && r <= '9':
				digits.WriteRune(r)
			case r >= 0xff10 && r <= 0xff19:
				digits.WriteRune(r - 0xff10 + '0')
			}
		}
		if digits.String() != got {
			t.Fatalf("Normalize(%q) = %q; its digits are %q", typed, got, digits.String())
		}
		if again, ok := Normalize(got); !ok || again != got {
			t.Fatalf("Normalize(%q) = %q, %t; want no change", got, again, ok)
		}
	})
}
