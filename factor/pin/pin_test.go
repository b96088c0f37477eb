package pin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/auth"
	"sallyport/factor/pin"
)

var (
	set   = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	rules = auth.PINRules{MinDigits: 6, Remembered: 3, MaxAge: 90 * 24 * time.Hour}
)

func newPIN(t interface {
	Helper()
	Fatal(...any)
}, p *pin.PINs, digits string, before *auth.Authenticator,
) auth.Authenticator {
	t.Helper()
	state, err := p.New(auth.Secret(digits), before)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Authenticator{ID: "p", Factor: auth.PINFactor, State: state, Created: set, Mark: auth.NoMark}
}

func TestRules(t *testing.T) {
	tests := []struct {
		typed string
		says  string // "" if it is taken
	}{
		{"270418", ""},
		{"0911", "fewer than 6"},
		{"09110", "fewer than 6"},
		{"", "fewer than 6"},
		{"2704182704182704", ""},
		{"27041827041827041", "more than 16"},
		{"27041a", "something other"},
		{"２７０４１８", "more than 16"}, // full-width digits are three octets each
		{"2704 18", "something other"},
		{"270411", ""},
		{"271118", "three times in a row"},
		{"000418", "three times in a row"},
		{"270444", "three times in a row"},
		{"271238", "count up or down"},
		{"276543", "count up or down"},
		{"987418", "count up or down"},
		{"901841", ""}, // 9 is not followed by 0
		{"246809", ""},
		{"270270", "second half"},
		{"27042704", "second half"},
		{"2704270", ""},
	}
	p := &pin.PINs{Rules: rules}
	for _, tt := range tests {
		_, err := p.New(auth.Secret(tt.typed), nil)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v; want it taken", tt.typed, err)
		case tt.says != "" && (!errors.Is(err, auth.ErrBind) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v; want it refused because of %q", tt.typed, err, tt.says)
		case err != nil && tt.typed != "" && strings.Contains(err.Error(), tt.typed):
			t.Errorf("the refusal repeats the PIN: %v", err)
		}
	}
}

func TestFormerPINs(t *testing.T) {
	p := &pin.PINs{Rules: rules}
	had := []string{"270418", "381529", "492630", "503741"}
	au := newPIN(t, p, had[0], nil)
	for _, digits := range had[1:] {
		au = newPIN(t, p, digits, &au)
	}
	for i, digits := range had {
		_, err := p.New(auth.Secret(digits), &au)
		if remembered := i > 0; remembered != errors.Is(err, auth.ErrBind) {
			t.Errorf("the PIN of %d changes ago: %v", len(had)-1-i, err)
		}
	}
	if _, why, err := p.Split(au, auth.Code("123456"+had[2]), set); why != auth.PINWrong || err != nil {
		t.Errorf("a former PIN at a login: %v, %v", why, err)
	}
	none := &pin.PINs{Rules: auth.PINRules{MinDigits: 6}}
	if _, err := none.New(auth.Secret(had[3]), &au); err != nil {
		t.Errorf("the same PIN again where none is remembered: %v", err)
	}
}

func TestSplit(t *testing.T) {
	p := &pin.PINs{Rules: rules}
	old := set.Add(rules.MaxAge)
	tests := []struct {
		typed string
		at    time.Time
		code  auth.Code
		why   auth.Outcome
	}{
		{"123456270418", set, "123456", 0},
		{"12345678270418", set, "12345678", 0},
		{"1234567 270418", set, "1234567", 0},
		{"123 456 270-418", set, "123456", 0},
		{"１２３４５６270418", set, "123456", 0},
		{"123456270418", old.Add(-time.Nanosecond), "123456", 0},
		{"123456270418", old, "123456", auth.PINExpired},
		{"123456270419", old, "123456", auth.PINWrong},
		{"123456", set, "123456", auth.PINWrong},
		{"12345678", set, "12345678", auth.PINWrong},
		{"270418", set, "270418", auth.PINWrong},
		{"270418123456", set, "270418", auth.PINWrong}, // the PIN first
		{"123456789270418", set, "123456789270418", auth.PINWrong},
		{"12345270418", set, "12345270418", auth.PINWrong},
		{"ABCDE-FGHJK", set, "ABCDE-FGHJK", auth.PINWrong}, // a recovery code
		{"", set, "", auth.PINWrong},
		{strings.Repeat("1", 5000), set, auth.Code(strings.Repeat("1", 5000)), auth.PINWrong},
	}
	au := newPIN(t, p, "270418", nil)
	for _, tt := range tests {
		code, why, err := p.Split(au, auth.Code(tt.typed), tt.at)
		if string(code) != string(tt.code) || why != tt.why || err != nil {
			t.Errorf("%.20q: %q, %v, %v; want %q, %v", tt.typed, string(code), why, err, string(tt.code), tt.why)
		}
		if _, why, err := p.Split(p.Decoy(), auth.Code(tt.typed), tt.at); why != auth.PINWrong || err != nil {
			t.Errorf("%.20q with the decoy: %v, %v", tt.typed, why, err)
		}
	}
}

// TestForeignState: a state that is not ours is a fault of ours and lets nobody
// in.
func TestForeignState(t *testing.T) {
	p := &pin.PINs{Rules: rules}
	au := newPIN(t, p, "270418", nil)
	for what, change := range map[string]func([]byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"another version": func(b []byte) []byte { b[0] = 2; return b },
		"no digits":       func(b []byte) []byte { b[1] = 0; return b },
		"too many digits": func(b []byte) []byte { b[1] = 17; return b },
		"cut":             func(b []byte) []byte { return b[:len(b)-1] },
		"half a former":   func(b []byte) []byte { return append(b, make([]byte, 31)...) },
		"many former":     func(b []byte) []byte { return append(b, make([]byte, 25*32)...) },
	} {
		broken := au
		broken.State = change(append([]byte(nil), au.State...))
		if _, why, err := p.Split(broken, "123456270418", set); why != auth.InternalFault || err == nil {
			t.Errorf("%s: %v, %v", what, why, err)
		}
		if _, err := p.New(auth.Secret("381529"), &broken); err == nil || errors.Is(err, auth.ErrBind) {
			t.Errorf("%s: a change says %v", what, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		rules auth.PINRules
		ok    bool
	}{
		{auth.PINRules{MinDigits: 4}, true},
		{rules, true},
		{auth.PINRules{MinDigits: 16, Remembered: 24}, true},
		{auth.PINRules{MinDigits: 3}, false},
		{auth.PINRules{MinDigits: 17}, false},
		{auth.PINRules{MinDigits: 6, Remembered: 25}, false},
		{auth.PINRules{MinDigits: 6, Remembered: -1}, false},
		{auth.PINRules{MinDigits: 6, MaxAge: -1}, false},
		{auth.PINRules{}, false},
	} {
		if err := (&pin.PINs{Rules: tt.rules}).Check(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.rules, err)
		}
	}
}

// TestOnlyThePINIsRight: of all digits behind a code exactly the PIN is right,
// and the code comes back whole.
func TestOnlyThePINIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pin.PINs{Rules: auth.PINRules{MinDigits: 4, Remembered: 2}}
		digits := rapid.StringMatching(`[0-9]{4,16}`).Draw(t, "PIN")
		state, err := p.New(auth.Secret(digits), nil)
		if err != nil {
			return // the rules refuse it
		}
		au := auth.Authenticator{ID: "p", State: state, Created: set}
		code := rapid.StringMatching(`[0-9]{6,8}`).Draw(t, "code")
		other := rapid.StringMatching(fmt.Sprintf(`[0-9]{%d}`, len(digits))).Draw(t, "other")
		if got, why, err := p.Split(au, auth.Code(code+digits), set); string(got) != code || why != 0 || err != nil {
			t.Fatalf("%s with its PIN: %q, %v, %v", code, string(got), why, err)
		}
		got, why, err := p.Split(au, auth.Code(code+other), set)
		if string(got) != code || (why == 0) != (other == digits) || err != nil {
			t.Fatalf("%s with %s for %s: %q, %v, %v", code, other, digits, string(got), why, err)
		}
	})
}

// FuzzSplit: whatever is typed, only what ends in the PIN is right, and what
// remains is what was typed or digits that a code can have.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"123456270418", "123 456 270-418", "270418", "", "１２３４５６２７０４１８", "ABCDE-FGHJK", "12345678 270418 ", "\x00123456270418"} {
		f.Add(s)
	}
	p := &pin.PINs{Rules: rules}
	au := newPIN(f, p, "270418", nil)
	f.Fuzz(func(t *testing.T, typed string) {
		code, why, err := p.Split(au, auth.Code(typed), set)
		if err != nil {
			t.Fatal(err)
		}
		if why == 0 && (len(code) < 6 || len(code) > 8 || strings.Trim(string(code), "0123456789") != "") {
			t.Errorf("%q is right and leaves %q", typed, string(code))
		}
		if why != 0 && why != auth.PINWrong {
			t.Errorf("%q: %v", typed, why)
		}
		if again, why2, err := p.Split(au, auth.Code(typed), set); again != code || why2 != why || err != nil {
			t.Errorf("%q is judged in two ways", typed)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	p := &pin.PINs{Rules: rules}
	au := newPIN(b, p, "270418", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, why, err := p.Split(au, "123456270418", set); why != 0 || err != nil {
			b.Fatal(why, err)
		}
	}
}
