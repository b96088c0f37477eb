package diagnose

import (
	"strings"
	"sync"
)

// notShown stands where a secret stood. It says nothing of how long that was.
const notShown = "[not shown]"

// A secretKind is where a secret lies, seen from the word that gives it away.
type secretKind int

const (
	afterKey      secretKind = iota // the word ends the name of a value: Password = "x", 'pass': 'x', &pass=x, <Password>x</Password>
	afterWord                       // the same for a word so short that others end in it: it must stand by itself
	afterQuery                      // a value of the word is a secret in a URL's query only
	afterDigits                     // six to eight digits follow: code 123456
	afterHeader                     // the word is a header of HTTP, with a scheme of authentication
	afterCookie                     // the word is a header of HTTP that is all secret
	afterScheme                     // the word is such a scheme: Basic eDp5
	fromToken                       // the word begins a JSON Web Token
	fromPEM                         // the word begins a key in PEM
	afterURL                        // a password may be in the authority of a URL
	afterTyped                      // multiOTP: what the person typed
	afterCommand                    // multiOTP: the arguments of its command, a password or code among them
	afterFunction                   // privacyIDEA: the arguments, or the result, of a function
)

// secretWords are the words that give a secret away, in lower case.
var secretWords = []struct {
	text string
	kind secretKind
}{
	{"password", afterKey},
	{"passwd", afterKey},
	{"passphrase", afterKey},
	{"passcode", afterKey},
	{"kennwort", afterKey},
	{"passwort", afterKey},
	{"secret", afterKey},
	{"secretkey", afterKey},
	{"secret_key", afterKey},
	{"sharedkey", afterKey},
	{"shared_key", afterKey},
	{"shared key", afterKey},
	{"password1", afterKey},
	{"password2", afterKey},
	{"secret_protected", afterKey},
	{"password_protected", afterKey},
	{"skey", afterKey},
	{"akey", afterWord},
	{"skey_protected", afterKey},
	{"pass_phrase", afterKey},
	{"apikey", afterKey},
	{"api_key", afterKey},
	{"api-key", afterKey},
	{"api key", afterKey},
	{"api token", afterKey},
	{"api_token", afterKey},
	{"apitoken", afterKey},
	{"privatekey", afterKey},
	{"private_key", afterKey},
	{"private key", afterKey},
	{"encryptionkey", afterKey},
	{"encryption_key", afterKey},
	{"access_token", afterKey},
	{"accesstoken", afterKey},
	{"access token", afterKey},
	{"id_token", afterKey},
	{"idtoken", afterKey},
	{"refresh_token", afterKey},
	{"refreshtoken", afterKey},
	{"sessiontoken", afterKey},
	{"session_token", afterKey},
	{"statetoken", afterKey},
	{"state_token", afterKey},
	{"auth_token", afterKey},
	{"authtoken", afterKey},
	{"auth-token", afterKey},
	{"bearertoken", afterKey},
	{"device_token", afterKey},
	{"registration_token", afterKey},
	{"client_assertion", afterKey},
	{"samlresponse", afterKey},
	{"firebase_token", afterKey},
	{"otpkey", afterKey},
	{"otppin", afterKey},
	{"otpval", afterKey},
	{"otpvalue", afterKey},
	{"otp_value", afterKey},
	{"otp value", afterKey},
	{"user-password", afterKey},
	{"chap-challenge", afterKey},
	{"chap-response", afterKey},
	{"chap2-response", afterKey},
	{"chap-cpw", afterKey},
	{"nt-response", afterKey},
	{"lm-response", afterKey},
	{"nt-hash", afterKey},
	{"mppe-recv-key", afterKey},
	{"mppe-send-key", afterKey},
	{"eap-message", afterKey},
	{"pass", afterWord},
	{"passw", afterWord},
	{"pwd", afterWord},
	{"pin", afterWord},
	{"otp", afterWord},
	{"totp", afterWord},
	{"hotp", afterWord},
	{"seed", afterWord},
	{"pw", afterWord},
	{"psk", afterWord},
	{"token", afterQuery},
	{"code", afterQuery},
	{"sid", afterQuery},
	{"ticket", afterQuery},
	{"assertion", afterQuery},
	{"sig", afterQuery},
	{"code", afterDigits},
	{"otp", afterDigits},
	{"token", afterDigits},
	{"pin", afterDigits},
	{"passcode", afterDigits},
	{"password", afterDigits},
	{"tan", afterDigits},
	{"authorization", afterHeader},
	{"cookie", afterCookie},
	{"basic ", afterScheme},
	{"bearer ", afterScheme},
	{"ssws ", afterScheme},
	{"negotiate ", afterScheme},
	{"ntlm ", afterScheme},
	{"eyj", fromToken},
	{"private key-----", fromPEM},
	{"private key block-----", fromPEM},
	{"://", afterURL},
	{"typed by the user", afterTyped},
	{"parameter(s) received:", afterCommand},
	{" with arguments (", afterFunction},
	{" with result ", afterFunction},
}

var secretLiterals = sync.OnceValue(func() *literals {
	ids := map[string]bool{}
	var texts []string
	for _, w := range secretWords {
		if !ids[w.text] {
			ids[w.text] = true
			texts = append(texts, w.text)
		}
	}
	return newLiterals(texts)
})

// secretKinds is what each text of secretLiterals can be, and its length.
var secretKinds = sync.OnceValue(func() (all []struct {
	octets int
	kinds  []secretKind
},
) {
	at := map[string]int{}
	for _, w := range secretWords {
		i, ok := at[w.text]
		if !ok {
			i = len(all)
			at[w.text] = i
			all = append(all, struct {
				octets int
				kinds  []secretKind
			}{octets: len(w.text)})
		}
		all[i].kinds = append(all[i].kinds, w.kind)
	}
	return all
})

// withoutSecrets returns line with notShown for every password, code, shared
// secret and token that a product wrote into it, as far as a word beside it or
// its shape gives it away. What has neither - a password among the words of a
// sentence, the rest of one with blanks that no quotes enclose - is not known for
// one. In doubt it takes away too much: what proves a cause is in the words, and
// those are read before.
//
// A line without secrets is returned as it is, and so is what it returned before.
// It never makes a line longer than four times what that was.
func withoutSecrets(line string) string {
	line = withoutLoggedPassword(line)
	a, known := secretLiterals(), secretKinds()
	var b strings.Builder
	written := 0 // up to here line is in b
	done := 0    // up to here it was looked at
	state := uint32(0)
	for i := 0; i < len(line); i++ {
		state = a.table[state+uint32(a.class[line[i]])]
		if state < a.accept {
			continue
		}
		// Of all that the word can be, what takes the most counts.
		best := secret{}
		for _, id := range a.ends[(state-a.accept)/a.width] {
			w := &known[id]
			at := i + 1 - w.octets
			if at < done {
				continue
			}
			for _, k := range w.kinds {
				if s := secretAt(line, k, done, at, i+1); s.to > s.from && s.to > best.to {
					best = s
				}
			}
		}
		if best.to == 0 {
			continue
		}
		if line[best.from:best.to] != notShown {
			b.WriteString(line[written:best.from])
			b.WriteString(notShown)
			written = best.to
		}
		done, state = best.to, 0
		i = max(i, done-1)
	}
	if written == 0 {
		return line
	}
	b.WriteString(line[written:])
	return b.String()
}

// withoutLoggedPassword hides the password that FreeRADIUS writes after the name
// if auth_badpass or auth_goodpass is set: "Login OK: [alice/password] (from
// client". What ends it is the last of its kind, since it may hold any character.
func withoutLoggedPassword(line string) string {
	if !strings.Contains(line, ": [") {
		return line
	}
	begin := -1
	for _, word := range []string{"Login OK", "Login incorrect", "Invalid user", "Multiple logins"} {
		if i := strings.Index(line, word); i >= 0 && (begin < 0 || i < begin) {
			begin = i
		}
	}
	if begin < 0 {
		return line
	}
	name := frBracket(line[begin:])
	if name < 0 {
		return line
	}
	name += begin + 1
	to := strings.LastIndex(line[name:], "] (from client ")
	if to < 0 {
		to = len(line) - name // cut, or of a layout of somebody's own
	}
	to += name
	i := frSlash(line[name:to])
	if i < 0 {
		return line
	}
	from := name + i + 1
	if from == to || strings.HasPrefix(line[from:], notShown) || frNoPassword(line[from:to]) {
		return line
	}
	return line[:from] + notShown + line[to:]
}

// A secret is where one lies in a line; nowhere if to is not after from.
type secret struct{ from, to int }

// secretAt finds the secret that a word gives away, which lies in line[at:end].
// What is before done is not looked at.
func secretAt(line string, k secretKind, done, at, end int) secret {
	alone := at == done || !isWordByte(line[at-1])
	switch k {
	case afterKey:
		return keyed(line, done, at, end)
	case afterWord:
		if alone {
			return keyed(line, done, at, end)
		}
	case afterQuery:
		if at > done && (line[at-1] == '?' || line[at-1] == '&') {
			return keyed(line, done, at, end)
		}
	case afterDigits:
		if alone {
			return codeAfter(line, done, at, end)
		}
	case afterHeader:
		if i, ok := headerValue(line, end); ok {
			return credentials(line, i)
		}
	case afterCookie:
		if i, ok := headerValue(line, end); ok {
			return secret{i, headerEnd(line, i)}
		}
	case afterScheme:
		if alone {
			return schemed(line, end)
		}
	case fromToken:
		if line[at] == 'e' && line[at+1] == 'y' && line[at+2] == 'J' {
			if to := spanOf(line, at, isTokenByte); to-at >= 20 {
				return secret{at, to}
			}
		}
	case fromPEM:
		begin := max(strings.LastIndex(line[done:end], "-----BEGIN "), 0) + done
		if i := strings.Index(line[end:], "-----END "); i >= 0 {
			to := end + i + len("-----END ")
			if j := strings.Index(line[to:], "-----"); j >= 0 {
				return secret{begin, to + j + len("-----")}
			}
		}
		return secret{begin, len(line)}
	case afterURL:
		to := end
		for to < len(line) && line[to] > ' ' && strings.IndexByte("/?#\"'<>", line[to]) < 0 {
			to++
		}
		if host := strings.LastIndexByte(line[end:to], '@'); host > 0 {
			if colon := strings.IndexByte(line[end:end+host], ':'); colon >= 0 {
				return secret{end + colon + 1, end + host}
			}
		}
	case afterTyped:
		rest := line[end:]
		for _, tie := range []string{": ", ":", " is ", "="} {
			value, ok := strings.CutPrefix(rest, tie)
			if !ok {
				continue
			}
			value = value[:min(len(value), 100)]
			if strings.Contains(value, " chars long") || strings.Contains(value, " encrypted)") {
				return secret{} // it says how it was typed, and not what
			}
			return secret{end + len(tie), len(line)}
		}
	case afterCommand:
		if i := spanOf(line, end, func(c byte) bool { return c == ' ' }); i < len(line) {
			return secret{i, len(line)}
		}
	case afterFunction:
		return argued(line, done, at, end)
	}
	return secret{}
}

// keyed finds the value whose name ends with the word in line[at:end].
func keyed(line string, done, at, end int) secret {
	query := at > done && (line[at-1] == '?' || line[at-1] == '&')
	i, closed := end, false
	for range 2 {
		for _, q := range []string{`\"`, `&quot;`, `""`, `"`, `'`, `]`, `%22`} {
			if strings.HasPrefix(line[i:], q) {
				i, closed = i+len(q), true
				break
			}
		}
	}
	blank := i
	i = spanOf(line, i, isBlank)
	tied := true
	switch rest := line[i:]; {
	case strings.HasPrefix(rest, ":="), strings.HasPrefix(rest, "=="), strings.HasPrefix(rest, "+="), strings.HasPrefix(rest, "=>"), strings.HasPrefix(rest, "->"):
		i += 2
	case strings.HasPrefix(rest, "="), strings.HasPrefix(rest, ":"):
		i++
	case len(rest) >= 3 && (strings.EqualFold(rest[:3], "%3d") || strings.EqualFold(rest[:3], "%3a")):
		i += 3
		query = true
	case strings.HasPrefix(rest, ">") && i == blank:
		// Text of XML, up to the next tag.
		to := strings.IndexByte(line[i:], '<')
		if to < 0 {
			return secret{i + 1, len(line)}
		}
		return secret{i + 1, i + to}
	case strings.HasPrefix(rest, "&gt;") && i == blank:
		i += len("&gt;")
		if to := strings.Index(line[i:], "&lt;"); to >= 0 {
			return secret{i, i + to}
		}
		return secret{i, len(line)}
	case closed && i > blank && strings.HasPrefix(rest, `value="`):
		i += len("value=")
	default:
		tied = false
	}
	i = spanOf(line, i, isBlank)
	rest := line[i:]
	if !tied {
		// password "x" needs no sign between, but a quoted name that a quoted value
		// follows would be two words of a list.
		if closed || i == blank || rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return secret{}
		}
	}
	if len(rest) > 1 && strings.IndexByte("ubrUBR", rest[0]) >= 0 && (rest[1] == '\'' || rest[1] == '"') {
		i++ // a string of Python
		rest = line[i:]
	}
	for _, q := range []string{`\"`, `&quot;`, `%22`} {
		if value, ok := strings.CutPrefix(rest, q); ok {
			if to := strings.Index(value, q); to >= 0 {
				return secret{i + len(q), i + len(q) + to}
			}
			return secret{i + len(q), len(line)}
		}
	}
	if len(rest) > 2 && rest[:2] == `""` && rest[2] > ' ' && strings.IndexByte(",;)}]", rest[2]) < 0 {
		// A quote that is doubled because a table's value is around it.
		if to := strings.Index(rest[2:], `""`); to >= 0 {
			return secret{i + 2, i + 2 + to}
		}
		return secret{i + 2, len(line)}
	}
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		for to := i + 1; to < len(line); to++ {
			switch line[to] {
			case '\\':
				to++
			case rest[0]:
				return secret{i + 1, to}
			}
		}
		return secret{i + 1, len(line)}
	}
	to := bareEnd(line, i, query, closed)
	if plainWords[strings.ToLower(strings.TrimRight(line[i:to], ".,;:!"))] {
		return secret{}
	}
	return secret{i, to}
}

// plainWords are what a sentence goes on with after a colon that follows one of
// the words: "LoadAppSecret: Failed to load". A password that is one of them is
// as good as none.
var plainWords = map[string]bool{
	"failed": true, "failure": true, "error": true, "unable": true, "could": true, "cannot": true, "can't": true, "not": true, "no": true,
	"incorrect": true, "invalid": true, "wrong": true, "missing": true, "expired": true, "exception": true, "access": true, "denied": true,
	"the": true, "a": true, "an": true, "is": true, "was": true, "does": true, "did": true, "must": true, "user": true, "account": true,
}

// bareEnd is where a value ends that no quotes enclose. One in a query ends where
// its parameter does, and one with a quoted name where the list goes on.
func bareEnd(line string, i int, query, closed bool) int {
	if strings.HasPrefix(line[i:], notShown) {
		i += len(notShown)
	}
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c <= ' ', c == '[' && strings.HasPrefix(line[i:], notShown):
			return i
		case c == '<' && strings.HasPrefix(line[i:], "<CR>"), c == '<' && strings.HasPrefix(line[i:], "<LF>"), c == '<' && strings.HasPrefix(line[i:], "</"):
			return i
		case query && strings.IndexByte("&#\"'<>", c) >= 0:
			return i
		case closed && strings.IndexByte(",}]", c) >= 0:
			return i
		case (c == '"' || c == '\'') && (i+1 == len(line) || strings.IndexByte(" ,;:)}]>&\t", line[i+1]) >= 0):
			return i
		}
	}
	return i
}

// errorWords are what stands before "code" where that is no code to log in with.
var errorWords = map[string]bool{
	"error": true, "reason": true, "status": true, "result": true, "exit": true, "event": true, "return": true, "response": true,
	"http": true, "failure": true, "area": true, "sub": true, "win32": true, "hresult": true, "fault": true, "message": true,
}

// codeAfter finds six to eight digits behind a word.
func codeAfter(line string, done, at, end int) secret {
	before := strings.TrimRight(line[max(done, at-16):at], " ")
	if errorWords[strings.ToLower(before[strings.LastIndexAny(before, " \t(,;:\"'")+1:])] {
		return secret{}
	}
	i, tied := end, false
	for i < len(line) && i-end < 24 {
		if isDigit(line[i]) {
			break
		}
		if strings.IndexByte(" \t:='\"([#\\", line[i]) >= 0 {
			tied = true
			i++
			continue
		}
		word := spanOf(line, i, isWordByte)
		switch strings.ToLower(line[i:word]) {
		case "is", "was", "value", "entered", "received", "typed", "given", "sent", "of", "number":
			if !tied {
				return secret{}
			}
			i = word
			continue
		}
		return secret{}
	}
	to := spanOf(line, i, isDigit)
	if !tied || to-i < 6 || to-i > 8 || to < len(line) && isWordByte(line[to]) {
		return secret{}
	}
	if at > done && line[at-1] == '"' && line[i-1] != '"' {
		return secret{} // a number of JSON, as errors have it
	}
	return secret{i, to}
}

// headerValue is where the value of a header begins.
func headerValue(line string, i int) (int, bool) {
	for i < len(line) && (line[i] == '"' || line[i] == '\'' || line[i] == '\\') {
		i++
	}
	i = spanOf(line, i, isBlank)
	if i >= len(line) || line[i] != ':' && line[i] != '=' {
		return 0, false
	}
	i = spanOf(line, i+1, isBlank)
	for i < len(line) && (line[i] == '"' || line[i] == '\'' || line[i] == '\\') {
		i++
	}
	return i, i < len(line)
}

// headerEnd is where the value of a header ends.
func headerEnd(line string, i int) int {
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"', c == '\'', c == '<' && strings.HasPrefix(line[i:], "<CR>"), c == '<' && strings.HasPrefix(line[i:], "<LF>"):
			return i
		case c == '\\' && i+1 < len(line) && strings.IndexByte(`rn"'`, line[i+1]) >= 0:
			return i
		}
	}
	return i
}

// credentials finds what follows the scheme in a header of HTTP. Without a scheme
// that is known, a long word is all that is taken: a sentence may begin like a
// header.
func credentials(line string, i int) secret {
	if strings.HasPrefix(line[i:], notShown) {
		return secret{i, bareEnd(line, i, true, true)}
	}
	word := spanOf(line, i, func(c byte) bool { return c > ' ' && c != '"' && c != '\'' })
	switch strings.ToLower(line[i:word]) {
	case "digest":
		return secret{i, len(line)} // it has quotes of its own
	case "basic", "bearer", "negotiate", "ntlm", "ssws", "token", "hmac", "apikey", "oauth", "dpop", "jwt":
		return secret{i, headerEnd(line, i)}
	}
	if word-i >= 16 {
		return secret{i, word}
	}
	return secret{}
}

// schemed finds what follows the name of a scheme, unless it is a word: "Basic
// authentication".
func schemed(line string, i int) secret {
	i = spanOf(line, i, func(c byte) bool { return c == ' ' })
	to := spanOf(line, i, isTokenByte)
	if to-i < 8 {
		return secret{}
	}
	lower, upper, other := false, false, false
	for j, c := range []byte(line[i:to]) {
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = upper || j > 0
		case c != '-' && c != '.' && c != '/':
			other = true
		}
	}
	if !other && !(lower && upper) {
		return secret{}
	}
	return secret{i, to}
}

// argued finds the arguments or the result of a function of privacyIDEA that has
// to do with passwords and codes:
//
//	Entering check_pin with arguments ('1234',) and keywords {}
func argued(line string, done, at, end int) secret {
	name := line[max(done, at-100):at]
	name = strings.ToLower(name[strings.LastIndexByte(name, ' ')+1:])
	if strings.HasPrefix(name, "check") && line[end-1] != '(' {
		return secret{} // what a check came to is a yes or no, and why
	}
	for _, part := range []string{"pass", "pin", "otp", "check", "verify", "authenticate", "crypt", "key", "secret", "hash"} {
		if !strings.Contains(name, part) {
			continue
		}
		if to := strings.LastIndex(line[end:], ") and keywords "); to >= 0 {
			return secret{end, end + to}
		}
		return secret{end, len(line)}
	}
	return secret{}
}

// spanOf is where the octets end, from i on, that are in a class.
func spanOf(line string, i int, in func(byte) bool) int {
	for i < len(line) && in(line[i]) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isWordByte(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// isTokenByte is the alphabet of base64 in all its kinds, and the point that
// joins the parts of a token.
func isTokenByte(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~+/=", c) >= 0
}
