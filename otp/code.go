package otp

// maxTyped is the length in bytes beyond which Normalize does not look. Eight
// full-width digits with separators between them need half of it.
const maxTyped = 64

// Normalize brings a code as a person typed or pasted it to ASCII digits. It
// is the one place where spellings of a code are made equal: every door and
// factor passes codes through it once and uses only what it returns.
//
// White space around the code is dropped. Between two digits one space or one
// hyphen is dropped, as in "123 456". Full-width digits (U+FF10 to U+FF19),
// which Japanese and Chinese keyboards produce, become ASCII. Anything else is
// refused: signs, letters, NUL, other scripts' digits, doubled separators. The
// length is not judged here but where the code is matched.
//
// Normalizing what Normalize returned changes nothing.
func Normalize(typed string) (code string, ok bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	runes := []rune(typed)
	for len(runes) > 0 && isBlank(runes[0]) {
		runes = runes[1:]
	}
	for len(runes) > 0 && isBlank(runes[len(runes)-1]) {
		runes = runes[:len(runes)-1]
	}
	digits := make([]byte, 0, len(runes))
	separated := true // no separator may come next: at the start, or after one
	for _, r := range runes {
		switch {
		case r >= '0' && r <= '9':
			digits, separated = append(digits, byte(r)), false
		case r >= '０' && r <= '９':
			digits, separated = append(digits, byte(r-'０'+'0')), false
		case !separated && isSeparator(r):
			separated = true
		default:
			return "", false
		}
	}
	if separated { // empty, or a separator at the end
		return "", false
	}
	return string(digits), true
}

// isSeparator reports whether r may stand alone between two digits: the plain,
// no-break and ideographic spaces, and the plain hyphen.
func isSeparator(r rune) bool {
	return r == ' ' || r == '\u00a0' || r == '\u3000' || r == '-'
}

// isBlank reports whether r may surround a code. Tabs and line ends come along
// when a code is copied out of a message.
func isBlank(r rune) bool {
	return r == ' ' || r == '\u00a0' || r == '\u3000' || r == '\t' || r == '\r' || r == '\n'
}

// number returns the value of code if it is exactly digits ASCII digits, and
// digits is a length that codes may have.
func number(code string, digits int) (int32, bool) {
	if digits < MinDigits || digits > MaxDigits || len(code) != digits {
		return 0, false
	}
	var v int32
	for i := range len(code) {
		c := code[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int32(c-'0')
	}
	return v, true
}
