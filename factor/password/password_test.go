package password

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/kdf"
)

// small keeps tests fast; nothing in the code depends on the size.
var small = kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

func newFactor() *Factor { return &Factor{Params: small, Lanes: kdf.NewLanes(2, time.Minute)} }

func bind(t *testing.T, f *Factor, b auth.Binding) auth.Authenticator {
	t.Helper()
	bound, err := f.Bind(t.Context(), b)
	if err != nil {
		t.Fatalf("Bind: %v", err)
	}
	return auth.Authenticator{ID: "a", Factor: name, State: bound.State, Mark: bound.Mark}
}

func verify(t *testing.T, f *Factor, a auth.Authenticator, typed string) auth.Finding {
	t.Helper()
	found, err := f.Verify(t.Context(), a, attempt(typed))
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return found
}

func attempt(typed string) auth.Attempt {
	return auth.Attempt{Evidence: []auth.Evidence{auth.Password(typed)}}
}

// wantMismatch fails the test if typed is right, or wrong for another reason
// than being wrong.
func wantMismatch(t *testing.T, f *Factor, a auth.Authenticator, what, typed string) {
	t.Helper()
	if found := verify(t, f, a, typed); found.Match() || found.Outcome() != auth.PasswordWrong {
		t.Errorf("%s: match %t, outcome %v; want %v", what, found.Match(), found.Outcome(), auth.PasswordWrong)
	}
}

func suite(f *Factor, b auth.Binding, password string) authtest.FactorCase {
	return authtest.FactorCase{
		Factor:  f,
		Binding: b,
		Right: func(auth.Bound, int) (auth.Evidence, time.Time) {
			return auth.Password(password), authtest.Epoch
		},
		Wrong: func(auth.Bound) []auth.Evidence {
			return []auth.Evidence{
				auth.Password(""), auth.Password(" "), auth.Password("\x00"), auth.Password("\x00" + password),
				auth.Password(password + "\x00"), auth.Password(password + " "), auth.Password(" " + password),
				auth.Password(password[:len(password)-1]), auth.Password(strings.ToUpper(password)),
				auth.Password(strings.Repeat(password, 100)), auth.Password(strings.Repeat("x", 1<<20)), auth.Password("\xff\xfe"),
			}
		},
	}
}

func TestConformance(t *testing.T) {
	authtest.TestFactor(t, suite(newFactor(), auth.Binding{Account: "alice", Secret: auth.Secret("a garden of forking paths")}, "a garden of forking paths"))
}

func TestConformanceOfImportedHashes(t *testing.T) {
	// Some of each kind; TestImportedHashes has them all.
	kinds := []string{"bcrypt 2a", "SHA-512 crypt with rounds", "PBKDF2 sha256", "scrypt", "salted sha1"}
	for _, h := range foreignHashes {
		if slices.Contains(kinds, h.name) && h.password == plainText {
			t.Run(h.name, func(t *testing.T) {
				authtest.TestFactor(t, suite(newFactor(), auth.Binding{Secret: auth.Secret(h.hash), Hashed: true}, h.password))
			})
		}
	}
}

// At the costs that are shipped.
func TestDefaultCosts(t *testing.T) {
	f := &Factor{Params: kdf.Default, Lanes: kdf.NewLanes(1, time.Minute)}
	a := bind(t, f, auth.Binding{Secret: auth.Secret("a garden of forking paths")})
	if want := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`); !want.MatchString(string([]byte(a.State))) {
		t.Error("the state is not an argon2id hash at 19 MiB and two passes with a salt of 16 octets and a key of 32")
	}
	if !verify(t, f, a, "a garden of forking paths").Match() {
		t.Error("the right password does not match")
	}
	wantMismatch(t, f, a, "a wrong password", "a garden of forking path")
}

func TestBindRefusesNewPasswords(t *testing.T) {
	tests := []struct {
		name     string
		password string
		reason   string
	}{
		{"none", "", "empty"},
		{"seven characters", "tr7-.zb", "shorter than 8"},
		{"seven characters in more octets", "äöüßéèê", "shorter than 8"},
		{"eight characters of which two become one", "a\u0308bcdefg", "shorter than 8"},
		{"more than 1024 octets", strings.Repeat("x", 1025), "longer than 1024"},
		{"not UTF-8", "garden\xffpaths", "not UTF-8"},
		{"the first that is tried", "Password123", "first that anybody tries"},
		{"the account's name", "Alice.Liddell", "account's name"},
		{"the service's name", "Example Corp", "name of this service"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFactor().Bind(t.Context(), auth.Binding{Account: "alice.liddell", Issuer: "Example Corp", Secret: auth.Secret(tt.password)})
			if !errors.Is(err, auth.ErrBind) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("Bind = %v; want auth.ErrBind and %q", err, tt.reason)
			}
			if len(tt.password) >= 7 && err != nil && strings.Contains(err.Error(), tt.password) {
				t.Error("the error gives the password away")
			}
		})
	}
}

// No rules of composition: SP 800-63B-4, Section 3.1.1.2.
func TestBindTakes(t *testing.T) {
	f := newFactor()
	for _, password := range []string{
		"tr7-.zbq", "äöüßéèêç", "qzvkwpxj", "48151623", "        ", "\x00\x00\x00\x00\x00\x00\x00\x00", "\x00garden of paths",
		"\U0001f600\U0001f601\U0001f602\U0001f603\U0001f604\U0001f605\U0001f606\U0001f607", strings.Repeat("ä", 512),
	} {
		a := bind(t, f, auth.Binding{Account: "alice", Issuer: "Example Corp", Secret: auth.Secret(password)})
		if !verify(t, f, a, password).Match() {
			t.Errorf("%q was bound and does not match", password)
		}
		wantMismatch(t, f, a, fmt.Sprintf("%q without its last octet", password), password[:len(password)-1])
	}
}

// The whole password counts, whatever its length: one octet changed anywhere
// is another password (SP 800-63B-4, Section 3.1.1.2; and bcrypt's 72 octets
// were Okta's hole of 2024).
func TestWholePasswordIsVerified(t *testing.T) {
	f := newFactor()
	for _, n := range []int{8, 55, 56, 63, 64, 65, 71, 72, 73, 100, 127, 128, 129, 255, 256, 257, 1023, 1024} {
		password := []byte(strings.Repeat("0123456789abcdefghijk", 50)[:n])
		a := bind(t, f, auth.Binding{Secret: auth.Secret(password)})
		if !verify(t, f, a, string(password)).Match() {
			t.Errorf("%d octets: the right password does not match", n)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			changed := append([]byte(nil), password...)
			changed[i] ^= 1
			wantMismatch(t, f, a, fmt.Sprintf("%d octets, octet %d changed", n, i), string(changed))
		}
		wantMismatch(t, f, a, fmt.Sprintf("%d octets and one more", n), string(password)+"x")
		wantMismatch(t, f, a, fmt.Sprintf("%d octets without the last", n), string(password[:n-1]))
	}
}

func TestSpellingsOfUnicode(t *testing.T) {
	f := newFactor()
	composed, apart := "Gr\u00fc\u00dfe aus K\u00f6ln", "Gru\u0308\u00dfe aus Ko\u0308ln"
	for _, bound := range []string{composed, apart} {
		a := bind(t, f, auth.Binding{Secret: auth.Secret(bound)})
		for _, typed := range []string{composed, apart} {
			if !verify(t, f, a, typed).Match() {
				t.Errorf("bound as %+q, typed as %+q: no match; the same characters are the same password", bound, typed)
			}
		}
		// Compatibility forms are other characters (RFC 8265, Section 4.2.2).
		wantMismatch(t, f, a, "full-width letter", strings.Replace(composed, "K", "\uff2b", 1))
	}
}

func TestPasswordsThatFollowNoRule(t *testing.T) {
	f := newFactor()
	spaces := bind(t, f, auth.Binding{Secret: auth.Secret("          ")})
	nuls := bind(t, f, auth.Binding{Secret: auth.Secret("\x00garden of paths")})
	for _, typed := range []string{"", " ", "         ", "           ", "\t         "} {
		wantMismatch(t, f, spaces, fmt.Sprintf("%q on ten spaces", typed), typed)
	}
	for _, typed := range []string{"", "\x00", "garden of paths", "\x00\x00garden of paths", "\x00garden of paths\x00"} {
		wantMismatch(t, f, nuls, fmt.Sprintf("%q on a password that begins with NUL", typed), typed)
	}
}

// An empty password is never right (CVE-2017-14623), not even to a hash of the
// empty password, as another system may have kept for "no password".
func TestEmptyPasswordIsNeverRight(t *testing.T) {
	f := newFactor()
	var own auth.Secret
	if err := f.Lanes.Do(t.Context(), func(lane kdf.Lane) { own = f.hash(lane, nil) }); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("saltsalt"))
	imported := importMark + "{SSHA256}" + base64.StdEncoding.EncodeToString(append(sum[:], "saltsalt"...))
	for _, state := range []auth.Secret{own, auth.Secret(imported)} {
		wantMismatch(t, f, auth.Authenticator{ID: "a", State: state}, "the empty password", "")
	}
}

func TestStateOfOtherLengthsIsAnError(t *testing.T) {
	for _, lengths := range [][2]int{{saltSize, 31}, {saltSize, 33}, {saltSize, 16}, {15, keySize}, {17, keySize}} {
		h := kdf.Hash{Params: small, Salt: make([]byte, lengths[0]), Key: make([]byte, lengths[1])}
		if _, err := parse([]byte(h.PHC())); err == nil {
			t.Errorf("a state with a salt of %d octets and a key of %d is read as ours", lengths[0], lengths[1])
		}
	}
}

// Two evidences would be two guesses for the price of one.
func TestOnlyTheFirstPasswordIsJudged(t *testing.T) {
	f := newFactor()
	a := bind(t, f, auth.Binding{Secret: auth.Secret(nonASCII)})
	at := auth.Attempt{Evidence: []auth.Evidence{auth.Code("123456"), auth.Password("wrong"), auth.Password(nonASCII)}}
	if found, err := f.Verify(t.Context(), a, at); err != nil || found.Match() {
		t.Errorf("the second of two passwords: match %t, %v", found.Match(), err)
	}
}

// Time must not tell an account with a password from one without, a right
// password from a wrong one, or that a hash is about to be replaced. What takes
// time is hashes; they are counted.
func TestEveryAnswerCostsTheSame(t *testing.T) {
	old := &Factor{Params: kdf.Params{MemoryKiB: 32, Iterations: 1, Parallelism: 1}, Lanes: kdf.NewLanes(1, time.Minute)}
	f := newFactor()
	const password = "a garden of forking paths"
	typed := map[string]string{
		"right": password, "wrong": "a garden of forking path", "empty": "", "overlong": strings.Repeat("x", 4096), "NUL": password + "\x00",
	}
	imported := "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg"
	tests := []struct {
		name   string
		holder auth.Authenticator
		hashes uint64
	}{
		{"a real password", bind(t, f, auth.Binding{Secret: auth.Secret(password)}), 1},
		{"the decoy", f.Decoy(), 1},
		{"a hash at old costs", bind(t, old, auth.Binding{Secret: auth.Secret(password)}), 2},
		{"an imported hash", bind(t, f, auth.Binding{Secret: auth.Secret(imported), Hashed: true}), 2},
	}
	for _, tt := range tests {
		for what, p := range typed {
			before := f.Lanes.Hashes()
			verify(t, f, tt.holder, p)
			if got := f.Lanes.Hashes() - before; got != tt.hashes {
				t.Errorf("%s, %s password: %d hashes, want %d", tt.name, what, got, tt.hashes)
			}
		}
	}
	for _, who := range []string{"real", "decoy"} {
		holder := map[string]auth.Authenticator{"real": tests[0].holder, "decoy": tests[1].holder}[who]
		k, err := parse(holder.State)
		if err != nil || k.own.Params != f.Params {
			t.Errorf("the %s hash has costs %+v, %v; want %+v", who, k.own.Params, err, f.Params)
		}
	}
}

func TestImportedHashes(t *testing.T) {
	f := newFactor()
	own := regexp.MustCompile(`^\$argon2id\$v=19\$m=64,t=1,p=1\$`)
	for _, h := range foreignHashes {
		t.Run(h.name+" of "+h.password, func(t *testing.T) {
			a := bind(t, f, auth.Binding{Secret: auth.Secret(h.hash), Hashed: true})
			wantMismatch(t, f, a, "wrong last letter", h.password[:len(h.password)-1]+"_")
			wantMismatch(t, f, a, "one letter less", h.password[:len(h.password)-1])
			wantMismatch(t, f, a, "one letter more", h.password+"x")
			wantMismatch(t, f, a, "empty", "")
			// bcrypt repeats its key, HMAC pads it: to both these are the same.
			wantMismatch(t, f, a, "NUL behind", h.password+"\x00")
			wantMismatch(t, f, a, "NUL and once more", h.password+"\x00"+h.password)

			found := verify(t, f, a, h.password)
			if !found.Match() {
				t.Fatalf("the right password does not match: outcome %v", found.Outcome())
			}
			if !own.Match(found.Next()) {
				t.Fatal("a match does not replace the imported hash by one of ours")
			}
			if found.Mark() != a.Mark {
				t.Errorf("the mark moved from %d to %d", a.Mark, found.Mark())
			}
			a.State = found.Next()
			again := verify(t, f, a, h.password)
			if !again.Match() || again.Next() != nil {
				t.Errorf("after the replacement: match %t, replaced again %t", again.Match(), again.Next() != nil)
			}
			wantMismatch(t, f, a, "wrong last letter, after the replacement", h.password[:len(h.password)-1]+"_")
		})
	}
}

func TestHashOfADebianAccount(t *testing.T) {
	f := newFactor()
	a := bind(t, f, auth.Binding{Secret: auth.Secret(debianHash), Hashed: true})
	if !verify(t, f, a, plainText).Match() {
		t.Error("the right password does not match")
	}
	wantMismatch(t, f, a, "a wrong password", plainText+"x")
}

// Other systems hashed what was typed, mostly composed; devices that type
// characters apart must not be locked out by a move.
func TestImportedHashesAndUnicode(t *testing.T) {
	f := newFactor()
	for _, h := range foreignHashes {
		if h.password != nonASCII {
			continue
		}
		a := bind(t, f, auth.Binding{Secret: auth.Secret(h.hash), Hashed: true})
		found := verify(t, f, a, norm.NFD.String(nonASCII))
		if !found.Match() {
			t.Errorf("%s: characters typed apart do not match", h.name)
			continue
		}
		a.State = found.Next()
		if !verify(t, f, a, nonASCII).Match() {
			t.Errorf("%s: after the replacement, composed characters do not match", h.name)
		}
	}
}

// bcrypt sees 72 octets. A longer password cannot be verified whole, so it is
// never right, not even to a hash that another system made of its beginning.
func TestBcryptVerifiesWholeOrNothing(t *testing.T) {
	f := newFactor()
	for _, h := range foreignHashes {
		if h.password != octets72 || !strings.HasPrefix(h.name, "bcrypt") {
			continue
		}
		a := bind(t, f, auth.Binding{Secret: auth.Secret(h.hash), Hashed: true})
		if !verify(t, f, a, octets72).Match() {
			t.Errorf("%s: the 72 octets that were hashed do not match", h.name)
		}
		for _, n := range []int{71, 73, 100, 128, 129, 257, 1024, 1025} {
			wantMismatch(t, f, a, fmt.Sprintf("%s: %d octets with the same beginning", h.name, n), strings.Repeat("x", n))
		}
	}
}

func TestWrappedHashes(t *testing.T) {
	f := newFactor()
	for _, h := range foreignHashes {
		var wrapped string
		switch {
		case h.password == plainText && strings.Contains(h.name, "crypt"):
			wrapped = "{CRYPT}" + h.hash
		case strings.HasPrefix(h.name, "argon2"):
			wrapped = "{argon2}" + h.hash
		case h.password == plainText && strings.HasPrefix(h.name, "salted"):
			wrapped = strings.Replace(h.hash, "SSHA", "ssha", 1)
		default:
			continue
		}
		a := bind(t, f, auth.Binding{Secret: auth.Secret(wrapped), Hashed: true})
		if !verify(t, f, a, h.password).Match() {
			t.Errorf("%s in an LDAP scheme does not match", h.name)
		}
	}
}

func TestBindRefusesHashes(t *testing.T) {
	const argon2Rest = "$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg"
	tests := []struct{ name, hash, reason string }{
		{"nothing", "", "no format"},
		{"a password", "correct horse battery", "no format"},
		{"a very long text", "$6$" + strings.Repeat("x", 600), "longer than 512"},
		{"two hashes", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "no format"},
		{"a line break", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n", "no format"},
		{"MD5 crypt", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "MD5"},
		{"Apache MD5", "$apr1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "MD5"},
		{"LDAP MD5", "{MD5}X03MO1qnZdYdgyfeuILPmQ==", "MD5"},
		{"LDAP salted MD5", "{smd5}X03MO1qnZdYdgyfeuILPmQ==", "MD5"},
		{"NT", "8846F7EAEE8FB117AD06BDD830B7586C", "NT"},
		{"NT in crypt form", "$3$$8846f7eaee8fb117ad06bdd830b7586c", "NT"},
		{"LM and NT", "e52cac67419a9a224a3b108f3fa6cb6d:8846f7eaee8fb117ad06bdd830b7586c", "NT"},
		{"LDAP SHA without salt", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "without salt"},
		{"LDAP SHA-512 without salt", "{SHA512}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "without salt"},
		{"bare SHA-1", "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "without salt"},
		{"SHA-1 crypt", "$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq", "SHA-1 crypt"},
		{"DES crypt", "rl0uE0NhOOjBU", "DES"},
		{"DES crypt in a scheme", "{crypt}rl0uE0NhOOjBU", "DES"},
		{"a password that says so", "{CLEARTEXT}correct horse", "not a hash"},
		{"a locked account", "!$6$saltstring$x", "locked"},
		{"no password", "*", "locked"},
		{"faulty bcrypt 2x", "$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "faulty"},
		{"first bcrypt", "$2$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "faulty"},
		{"argon2d", "$argon2d$v=19$m=64,t=1,p=1" + argon2Rest, "argon2d"},
		{"argon2id of version 16", "$argon2id$v=16$m=64,t=1,p=1" + argon2Rest, "version 19"},
		{"argon2id with a key identifier", "$argon2id$v=19$m=64,t=1,p=1,keyid=AA" + argon2Rest, "cannot be read"},
		{"salted SHA with no salt", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "no salt"},
		{"SHA-512 crypt with a key of SHA-256", "$6$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "cannot be read"},
		{"PBKDF2 with a short key", "$pbkdf2-sha256$1000$ZGVmZ2hpamtsbW5vcHFycw$AAAA", "cannot be read"},

		// Costs that a hostile list of hashes could carry.
		{"argon2id that takes 1 GiB", "$argon2id$v=19$m=1048576,t=1,p=1" + argon2Rest, "costs too much"},
		{"argon2i that takes 4 TiB", "$argon2i$v=19$m=4294967295,t=1,p=1" + argon2Rest, "cannot be read"},
		{"argon2id with 17 passes", "$argon2id$v=19$m=64,t=17,p=1" + argon2Rest, "costs too much"},
		{"argon2id with 200 threads", "$argon2id$v=19$m=65536,t=1,p=200" + argon2Rest, "costs too much"},
		{"bcrypt of cost 16", "$2b$16$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "cost 16"},
		{"bcrypt of cost 31", "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "cost 31"},
		{"bcrypt of cost 3", "$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "cost 3"},
		{"SHA-256 crypt with 1,000,001 rounds", "$5$rounds=1000001$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "rounds"},
		{"SHA-256 crypt with 999 rounds", "$5$rounds=999$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "rounds"},
		{"SHA-256 crypt with more rounds than a number holds", "$5$rounds=99999999999999999999$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC", "no format"},
		{"PBKDF2 with 2,000,001 rounds", "$pbkdf2-sha256$2000001$ZGVmZ2hpamtsbW5vcHFycw$2bwomolgGb/UZHoWKXwoyLJOFAFDUg0vZ/U/wYlj2kY", "rounds"},
		{"scrypt that takes 512 MiB", "$scrypt$ln=19,r=8,p=1$ZGVmZ2hpamtsbW5vcHFycw$DSRMIPTxShLqq5lhw/ki2we9gW1HDiSHP/QNaNV8d74", "costs too much"},
		{"scrypt of N=2^99", "$scrypt$ln=99,r=8,p=1$ZGVmZ2hpamtsbW5vcHFycw$DSRMIPTxShLqq5lhw/ki2we9gW1HDiSHP/QNaNV8d74", "costs too much"},
		{"scrypt with 999 threads", "$scrypt$ln=14,r=8,p=999$ZGVmZ2hpamtsbW5vcHFycw$DSRMIPTxShLqq5lhw/ki2we9gW1HDiSHP/QNaNV8d74", "costs too much"},
		{"yescrypt that takes 1 GiB", "$y$jFT$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79", "costs too much"},
		{"yescrypt of N=2^64", "$y$jzT$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79", "cost N"},
		{"yescrypt with a parameter more", "$y$j9T/$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79", "no format"},
	}
	f := newFactor()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Bind(t.Context(), auth.Binding{Secret: auth.Secret(tt.hash), Hashed: true})
			if !errors.Is(err, auth.ErrBind) || !strings.Contains(err.Error(), tt.reason) {
				t.Fatalf("Bind = %v; want auth.ErrBind and %q", err, tt.reason)
			}
			for _, secret := range []string{"correct horse", "abcdefghijklm", "saltstring", "MDEyMzQ1", "8846", "rl0uE"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q shows a part of the hash", err)
				}
			}
		})
	}
}

func TestRaisedCostsReplaceHashes(t *testing.T) {
	const password = "a garden of forking paths"
	lanes := kdf.NewLanes(1, time.Minute)
	before := &Factor{Params: small, Lanes: lanes}
	a := bind(t, before, auth.Binding{Secret: auth.Secret(password)})
	tests := []struct {
		name     string
		params   kdf.Params
		replaced bool
	}{
		{"the same", small, false},
		{"more memory", kdf.Params{MemoryKiB: 128, Iterations: 1, Parallelism: 1}, true},
		{"more passes", kdf.Params{MemoryKiB: 64, Iterations: 2, Parallelism: 1}, true},
		{"less memory", kdf.Params{MemoryKiB: 32, Iterations: 1, Parallelism: 1}, false},
		{"more threads", kdf.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 2}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Factor{Params: tt.params, Lanes: lanes}
			found := verify(t, f, a, password)
			if !found.Match() || (found.Next() != nil) != tt.replaced {
				t.Fatalf("match %t, replaced %t; want a match, replaced %t", found.Match(), found.Next() != nil, tt.replaced)
			}
			wantMismatch(t, f, a, "a wrong password", "a garden of forking path")
			if !tt.replaced {
				return
			}
			now := a
			now.State = found.Next()
			if again := verify(t, f, now, password); !again.Match() || again.Next() != nil {
				t.Errorf("after the replacement: match %t, replaced again %t", again.Match(), again.Next() != nil)
			}
		})
	}
}

func TestBusyLanesAreOurFault(t *testing.T) {
	const password = "a garden of forking paths"
	synctest.Test(t, func(t *testing.T) {
		f := &Factor{Params: small, Lanes: kdf.NewLanes(1, 2*time.Second)}
		a := bind(t, f, auth.Binding{Secret: auth.Secret(password)})
		taken, done := make(chan struct{}), make(chan struct{})
		go func() {
			if err := f.Lanes.Do(context.Background(), func(kdf.Lane) { close(taken); <-done }); err != nil {
				t.Error(err)
			}
		}()
		<-taken
		start := time.Now()
		found, err := f.Verify(t.Context(), a, attempt(password))
		if !errors.Is(err, auth.ErrBusy) || found.Match() {
			t.Errorf("with all lanes taken: match %t, %v; want auth.ErrBusy", found.Match(), err)
		}
		// The engine tells an ended context, for which it records nothing, from
		// a full lane, which it records.
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full lane looks like the end of the caller's context: %v", err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v for a lane, want 2s", waited)
		}
		// What is not ours waits for nothing.
		if _, err := f.Verify(t.Context(), a, auth.Attempt{Evidence: []auth.Evidence{auth.Code("123456")}}); err != nil {
			t.Errorf("a code, with all lanes taken: %v", err)
		}
		close(done)
		if !verify(t, f, a, password).Match() {
			t.Error("with the lane free again, the right password does not match")
		}
	})
}

// The zero Factor is a mistake of assembly and must open nothing.
func TestZeroFactorAcceptsNothing(t *testing.T) {
	var f Factor
	a := bind(t, newFactor(), auth.Binding{Secret: auth.Secret(plainText)})
	for _, holder := range []auth.Authenticator{a, f.Decoy()} {
		if found, err := f.Verify(t.Context(), holder, attempt(plainText)); err == nil || found.Match() {
			t.Errorf("Verify of %s: match %t, %v; want an error", holder.ID, found.Match(), err)
		}
	}
	if _, err := f.Bind(t.Context(), auth.Binding{Secret: auth.Secret(plainText)}); err == nil {
		t.Error("Bind works without costs and lanes")
	}
}

// A password is right exactly if its normal form is the one that was bound.
func TestOnlyTheSamePasswordMatches(t *testing.T) {
	f := newFactor()
	rapid.Check(t, func(r *rapid.T) {
		letters := rapid.RuneFrom([]rune("ab \x00\u0308a\u0301\u00e4\u1e9b\ufb01"))
		bound := rapid.StringOfN(letters, 8, 80, -1).Draw(r, "bound")
		typed := rapid.OneOf(rapid.Just(bound), rapid.Just(norm.NFD.String(bound)), rapid.StringOfN(letters, 0, 80, -1)).Draw(r, "typed")
		b, err := f.Bind(t.Context(), auth.Binding{Secret: auth.Secret(bound)})
		if err != nil {
			if !errors.Is(err, auth.ErrBind) {
				r.Fatalf("Bind(%+q): %v", bound, err)
			}
			return // too short once composed
		}
		found, err := f.Verify(t.Context(), auth.Authenticator{State: b.State}, attempt(typed))
		if err != nil {
			r.Fatalf("Verify: %v", err)
		}
		if want := norm.NFC.String(bound) == norm.NFC.String(typed); found.Match() != want {
			r.Fatalf("bound %+q, typed %+q: match %t, want %t", bound, typed, found.Match(), want)
		}
	})
}

// FuzzImport checks that a text that is accepted as a hash has bounded costs,
// which shows in that it can be judged at once; that no such hash takes the
// empty password; and that refusals repeat nothing of the text.
func FuzzImport(f *testing.F) {
	for _, h := range foreignHashes {
		if h.password == plainText {
			f.Add(h.hash)
			f.Add("{CRYPT}" + h.hash)
		}
	}
	f.Add("$argon2id$v=19$m=1024,t=16,p=16$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg")
	f.Add("$argon2i$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg")
	f.Add("$scrypt$ln=99,r=999,p=999$MDEyMw$MDEyMzQ1Njc4OWFiY2RlZg")
	f.Add("$y$jzz$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79")
	f.Add("{SSHA}" + strings.Repeat("A", 100))
	f.Add("8846F7EAEE8FB117AD06BDD830B7586C")
	factor := &Factor{Params: kdf.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}, Lanes: kdf.NewLanes(1, time.Minute)}
	f.Fuzz(func(t *testing.T, text string) {
		bound, err := factor.Bind(t.Context(), auth.Binding{Secret: auth.Secret(text), Hashed: true})
		if err != nil {
			if !errors.Is(err, auth.ErrBind) {
				t.Errorf("Bind(%q): %v; want auth.ErrBind", text, err)
			}
			if len(text) >= 24 && strings.Contains(err.Error(), text) {
				t.Errorf("the error %q repeats the hash", err)
			}
			return
		}
		a := auth.Authenticator{State: bound.State, Mark: auth.NoMark}
		start := time.Now()
		for _, typed := range []string{"", "\x00", strings.Repeat("x", 1025)} {
			if found, err := factor.Verify(t.Context(), a, attempt(typed)); err != nil || found.Match() {
				t.Errorf("%q takes a password that nobody can have: match %t, %v", text, found.Match(), err)
			}
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%q takes %v for three guesses", text, took)
		}
	})
}

// FuzzPHC checks that a state of ours is read in one way only, and that nothing
// else is taken for one.
func FuzzPHC(f *testing.F) {
	h := kdf.Hash{Params: small, Salt: make([]byte, saltSize), Key: make([]byte, keySize)}
	f.Add(h.PHC())
	f.Add(strings.Replace(h.PHC(), "m=64", "m=4294967295", 1))
	f.Add(strings.Replace(h.PHC(), "t=1", "t=4294967295", 1))
	f.Add(h.PHC() + "\n")
	f.Add(importMark + h.PHC())
	f.Add("")
	f.Fuzz(func(t *testing.T, state string) {
		k, err := parse([]byte(state))
		switch {
		case err != nil:
		case k.imported != nil:
			if !strings.HasPrefix(state, importMark) {
				t.Errorf("%q is taken for another system's hash", state)
			}
		case k.own.PHC() != state:
			t.Errorf("%q is read as %q", state, k.own.PHC())
		case k.own.Check() != nil:
			t.Errorf("%q is read although %v", state, k.own.Check())
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	run := func(name string, p kdf.Params, binding auth.Binding, typed string) {
		b.Run(name, func(b *testing.B) {
			f := &Factor{Params: p, Lanes: kdf.NewLanes(1, time.Minute)}
			bound, err := f.Bind(b.Context(), binding)
			if err != nil {
				b.Fatal(err)
			}
			a := auth.Authenticator{Factor: "password", State: bound.State, Mark: bound.Mark}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Verify(b.Context(), a, attempt(typed)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("m=64", small, auth.Binding{Secret: auth.Secret(plainText)}, plainText)
	run("default", kdf.Default, auth.Binding{Secret: auth.Secret(plainText)}, plainText)
	for _, h := range foreignHashes {
		if h.password == plainText {
			run("imported/"+h.name, small, auth.Binding{Secret: auth.Secret(h.hash), Hashed: true}, plainText)
		}
	}
}
