package recovery

import (
	"crypto/rand"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/auth"
)

// A code is a recovery code in its normal form: ten characters of Crockford's
// base 32, upper case, together 50 bits. It prints as "hidden".
type code string

const (
	digits   = 10
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's base 32: no I, L, O, U
	maxTyped = 64                                 // octets of input that are looked at
)

func (code) String() string   { return "hidden" }
func (code) GoString() string { return "hidden" }

// newCode returns a code at random.
func newCode() code {
	b := make([]byte, digits)
	rand.Read(b) // never fails; it ends the program instead
	for i := range b {
		b[i] = alphabet[b[i]&31] // 32 divides 256: all characters are equally likely
	}
	return code(b)
}

// written is the code as its owner is shown it: XXXXX-XXXXX.
func (c code) written() string { return string(c[:digits/2]) + "-" + string(c[digits/2:]) }

// normalize reads a code as people type it: in any case, with spaces and dashes
// of any kind anywhere, with O for 0 and with I or L for 1. ok is false if it
// has not the form of a recovery code.
func normalize(typed string) (c code, ok bool) {
	if len(typed) > maxTyped || !utf8.ValidString(typed) {
		return "", false
	}
	b := make([]byte, 0, digits)
	for _, r := range typed {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			continue
		case r >= utf8.RuneSelf: // no letter beyond ASCII becomes one within it
			return "", false
		}
		r = unicode.ToUpper(r)
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if len(b) == digits || strings.IndexByte(alphabet, byte(r)) < 0 {
			return "", false
		}
		b = append(b, byte(r))
	}
	return code(b), len(b) == digits
}

// codeOf returns the first one-time code among the evidence, if it has the form
// of a recovery code. A further one would be a second guess for the price of
// one, and is not looked at.
func codeOf(all []auth.Evidence) (code, bool) {
	for _, e := range all {
		if typed, ok := e.(auth.Code); ok {
			return normalize(string(typed))
		}
	}
	return "", false
}
