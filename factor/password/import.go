package password

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"sallyport/kdf"
)

// A judge tells whether a secret is the one that a hash of another system was
// made from. It does the same work for every secret of the same length.
type judge func(lane kdf.Lane, secret []byte) bool

// The largest costs of imported hashes, beside kdf.Params.Check for argon2.
// Whoever wrote a hash chose its costs, and every guess makes us pay them.
const (
	maxImport       = 512 // octets of text
	maxBcryptCost   = 15
	maxSHA2Rounds   = 1_000_000
	maxPBKDF2Rounds = 2_000_000 // OWASP asks for 1,300,000 with SHA-1
	maxScryptMemory = 256 << 20 // octets: 128*N*r
	maxScryptWork   = 1 << 30   // octets in all p passes together
	maxScryptBlock  = 32        // r
)

// bcryptSees is how much of a password bcrypt looks at, in octets.
const bcryptSees = 72

// parseImport reads a hash in one of the formats that README.md lists. An error
// says what is wrong in words for the administrator who imports it, and nothing
// of the hash.
func parseImport(text string) (judge, error) {
	if len(text) > maxImport {
		return nil, fmt.Errorf("the hash is longer than %d octets", maxImport)
	}
	for _, wrapper := range wrappers {
		// LDAP servers write the scheme in any case (RFC 2307, Section 5.3).
		if len(text) > len(wrapper) && strings.EqualFold(text[:len(wrapper)], wrapper) {
			text = text[len(wrapper):]
			break
		}
	}
	for _, f := range formats {
		m := f.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		j, err := f.read(text, m)
		if err != nil {
			return nil, fmt.Errorf("the %s hash %w", f.name, err)
		}
		return withoutNUL(j), nil
	}
	for _, w := range refused {
		if w.pattern.MatchString(text) {
			return nil, errors.New(w.reason)
		}
	}
	return nil, errors.New("the hash is in no format that can be imported")
}

// withoutNUL lets no password with a NUL octet match. Systems whose hashes are
// imported could not have one; and as bcrypt repeats its key and HMAC pads its
// own, "secret" and "secret\x00" would be the same password to them.
func withoutNUL(j judge) judge {
	return func(lane kdf.Lane, secret []byte) bool {
		match := j(lane, secret)
		return match && bytes.IndexByte(secret, 0) < 0
	}
}

// wrappers are LDAP schemes whose value is a hash in a format of its own.
var wrappers = []string{"{CRYPT}", "{ARGON2}"}

// formats are what can be imported. Every pattern takes the whole text.
var formats = []struct {
	name    string
	pattern *regexp.Regexp
	read    func(text string, m []string) (judge, error)
}{
	{"argon2", regexp.MustCompile(`^\$argon2(id|i)(\$v=19\$.*)$`), readArgon2},
	{"bcrypt", regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`), readBcrypt},
	{"SHA-crypt", regexp.MustCompile(`^\$([56])\$(?:rounds=([1-9][0-9]{0,8})\$)?([!-#%-9;-~]{1,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$`), readSHACrypt},
	{"PBKDF2", regexp.MustCompile(`^\$pbkdf2(|-sha1|-sha224|-sha256|-sha384|-sha512)\$([1-9][0-9]{0,8})\$([./+0-9A-Za-z]+)\$([./+0-9A-Za-z]+)$`), readPBKDF2},
	{"scrypt", regexp.MustCompile(`^\$scrypt\$ln=([1-9][0-9]?),r=([1-9][0-9]{0,2}),p=([1-9][0-9]{0,2})\$([/+0-9A-Za-z]+)\$([/+0-9A-Za-z]+)$`), readScrypt},
	{"yescrypt", regexp.MustCompile(`^\$y\$j([./0-9A-Za-z])([./0-9A-Za-z])\$[./0-9A-Za-z]{1,86}\$([./0-9A-Za-z]{43})$`), readYescrypt},
	{"salted SHA", regexp.MustCompile(`^\{(?i:SSHA(|256|384|512))\}([/+0-9A-Za-z]+={0,2})$`), readSSHA},
}

// refused are formats that are known and not taken, most of them because a
// stolen copy would give its passwords away in hours.
var refused = []struct {
	pattern *regexp.Regexp
	reason  string
}{
	{regexp.MustCompile(`^(\$1\$|\$apr1\$|\$md5[$,]|(?i:\{(CRAM-)?S?MD5[}.]))`), "MD5 hashes are too weak to keep; have the person set a new password"},
	{regexp.MustCompile(`^(?i:[0-9a-f]{32}(:[0-9a-f]{32})?|\$3\$.*|\{(NT|NTLM|LANMAN)\}.*)$`), "NT, LM and plain MD5 hashes are too weak to keep; have the person set a new password"},
	{regexp.MustCompile(`^(\$sha1\$|(?i:\{SHA(1|224|256|384|512)?[}.])|(?i:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})$)`), "hashes without salt, and SHA-1 crypt, are too weak to keep; have the person set a new password"},
	{regexp.MustCompile(`^(_[./0-9A-Za-z]{19}|[./0-9A-Za-z]{13})$`), "DES crypt hashes see eight characters of a password at most; have the person set a new password"},
	{regexp.MustCompile(`^(?i:\{(PLAIN|CLEAR|CLEARTEXT)\}|\$plaintext\$|\$base64\$)`), "this is a password, not a hash; import it as one"},
	{regexp.MustCompile(`^\$2x?\$`), "bcrypt hashes marked $2$ and $2x$ come from faulty programs that took different passwords for the same; have the person set a new password"},
	{regexp.MustCompile(`^\$argon2d\$`), "argon2d is not made for passwords, as its timing tells about them (RFC 9106, Section 1); have the person set a new password"},
	{regexp.MustCompile(`^\$argon2`), "the argon2 hash is not of version 19 (v=19) with m, t and p"},
	{regexp.MustCompile(`^[!*]`), "the hash is marked as locked"},
}

func readArgon2(_ string, m []string) (judge, error) {
	h, err := kdf.Parse("$argon2id" + m[2]) // the two are written alike
	if errors.Is(err, kdf.ErrFormat) {
		return nil, errors.New("cannot be read")
	} else if err != nil {
		return nil, fmt.Errorf("costs too much or too little: %w", err)
	}
	if m[1] == "i" {
		return func(_ kdf.Lane, secret []byte) bool {
			key := argon2.Key(secret, h.Salt, uint32(h.Iterations), uint32(h.MemoryKiB), uint8(h.Parallelism), uint32(len(h.Key)))
			return subtle.ConstantTimeCompare(key, h.Key) == 1
		}, nil
	}
	return func(lane kdf.Lane, secret []byte) bool {
		return subtle.ConstantTimeCompare(lane.Argon2id(h.Params, secret, h.Salt, len(h.Key)), h.Key) == 1
	}, nil
}

// readBcrypt: bcrypt cuts a password after 72 octets. Whether the other system
// refused longer ones or cut them, we cannot know; to take one would be to
// verify a part of it for the whole. It is computed and never matches.
func readBcrypt(text string, m []string) (judge, error) {
	if cost := number(m[1]); cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, fmt.Errorf("has cost %d, which is not within %d to %d", cost, bcrypt.MinCost, maxBcryptCost)
	}
	return func(_ kdf.Lane, secret []byte) bool {
		err := bcrypt.CompareHashAndPassword([]byte(text), secret[:min(len(secret), bcryptSees)])
		return err == nil && len(secret) <= bcryptSees
	}, nil
}

func readSHACrypt(_ string, m []string) (judge, error) {
	rounds := 5000 // where the hash names none
	if m[2] != "" {
		rounds = number(m[2])
	}
	if rounds < 1000 || rounds > maxSHA2Rounds {
		return nil, fmt.Errorf("has %d rounds, which are not within 1000 to %d", rounds, maxSHA2Rounds)
	}
	newHash, encoded := sha256.New, 43
	if m[1] == "6" {
		newHash, encoded = sha512.New, 86
	}
	salt, want := []byte(m[3]), []byte(m[4])
	if len(want) != encoded {
		return nil, errors.New("cannot be read")
	}
	return func(_ kdf.Lane, secret []byte) bool {
		return subtle.ConstantTimeCompare(crypt.KeySHACrypt(newHash, secret, salt, rounds), want) == 1
	}, nil
}

func readPBKDF2(_ string, m []string) (judge, error) {
	newHash := map[string]func() hash.Hash{
		"": sha1.New, "-sha1": sha1.New, "-sha224": sha256.New224, "-sha256": sha256.New, "-sha384": sha512.New384, "-sha512": sha512.New,
	}[m[1]]
	rounds := number(m[2])
	if rounds > maxPBKDF2Rounds {
		return nil, fmt.Errorf("has %d rounds, which are more than %d", rounds, maxPBKDF2Rounds)
	}
	// Passlib writes "." where base64 has "+".
	salt, want, err := saltAndKey(strings.ReplaceAll(m[3], ".", "+"), strings.ReplaceAll(m[4], ".", "+"), newHash().Size())
	if err != nil {
		return nil, err
	}
	return func(_ kdf.Lane, secret []byte) bool {
		key, err := pbkdf2.Key(newHash, string(secret), salt, rounds, len(want))
		return err == nil && subtle.ConstantTimeCompare(key, want) == 1
	}, nil
}

func readScrypt(_ string, m []string) (judge, error) {
	ln, r, p := number(m[1]), number(m[2]), number(m[3])
	if err := checkScrypt(ln, r, p); err != nil {
		return nil, err
	}
	salt, want, err := saltAndKey(m[4], m[5], 32)
	if err != nil {
		return nil, err
	}
	return func(_ kdf.Lane, secret []byte) bool {
		key, err := scrypt.Key(secret, salt, 1<<ln, r, p, len(want))
		return err == nil && subtle.ConstantTimeCompare(key, want) == 1
	}, nil
}

// readYescrypt takes what Linux distributions write: flags "j", no extra time,
// one thread.
func readYescrypt(text string, m []string) (judge, error) {
	ln, r := 1+strings.Index(cryptDigits, m[1]), 1+strings.Index(cryptDigits, m[2])
	if ln < 10 || ln > 18 {
		return nil, fmt.Errorf("has cost N=2^%d, which is not within 2^10 to 2^18", ln)
	}
	if err := checkScrypt(ln, r, 1); err != nil {
		return nil, err
	}
	setting := []byte(text)
	if salt := strings.Split(text, "$")[3]; yescrypt.Decode64([]byte(salt)) == nil {
		return nil, errors.New("cannot be read")
	}
	return func(_ kdf.Lane, secret []byte) bool {
		got, err := yescrypt.Hash(secret, setting)
		return err == nil && subtle.ConstantTimeCompare(got, setting) == 1
	}, nil
}

const cryptDigits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// checkScrypt bounds N=2^ln, r and p.
func checkScrypt(ln, r, p int) error {
	if ln > 24 || r > maxScryptBlock || 128<<ln*r > maxScryptMemory || 128<<ln*r*p > maxScryptWork {
		return fmt.Errorf("costs too much: N=2^%d, r=%d, p=%d; 128*N*r may be %d MiB, and %d MiB times p",
			ln, r, p, maxScryptMemory>>20, maxScryptWork>>20)
	}
	return nil
}

func readSSHA(_ string, m []string) (judge, error) {
	newHash := map[string]func() hash.Hash{"": sha1.New, "256": sha256.New, "384": sha512.New384, "512": sha512.New}[m[1]]
	size := newHash().Size()
	b, err := base64.StdEncoding.DecodeString(m[2])
	if err != nil || len(b) < size+4 || len(b) > size+64 {
		return nil, errors.New("has no salt of 4 to 64 octets, or cannot be read")
	}
	want, salt := b[:size], b[size:]
	return func(_ kdf.Lane, secret []byte) bool {
		h := newHash()
		h.Write(secret)
		h.Write(salt)
		return subtle.ConstantTimeCompare(h.Sum(nil), want) == 1
	}, nil
}

// saltAndKey decodes unpadded base64. The key must have the size that programs
// give it: a short key of PBKDF2 or scrypt is the beginning of a long one, so
// that a hash cut short would still match, and more easily.
func saltAndKey(salt64, key64 string, size int) (salt, key []byte, err error) {
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(salt64)
	key, err2 := b64.DecodeString(key64)
	if err1 != nil || err2 != nil || len(salt) < 4 || len(salt) > 64 || len(key) != size {
		return nil, nil, fmt.Errorf("has no salt of 4 to 64 octets and key of %d, or cannot be read", size)
	}
	return salt, key, nil
}

// number reads digits that a pattern has found to be nine at most.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
