package pskc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

const (
	// maxIterations bounds the work of PBKDF2, counted in uses of its PRF, of
	// which a key longer than the hash takes twice as many. It is some seconds
	// of one core; files in the world ask for 1,000 to 600,000.
	maxIterations = 10_000_000

	maxSalt   = 1 << 10
	maxCipher = 4 << 10 // bytes of one encrypted value
)

// vault opens the encrypted values of a container (RFC 6030, Section 6). What
// it finds out from the head of the container it finds out once, good or bad:
// the head may be large and the rows many.
type vault struct {
	keys          Keys
	encryptionKey *node
	macMethod     *node

	byKeySize map[int]result // encryption key for ciphers with keys of a size
	mac       *macResult

	// What became of the attempts to open something.
	needed  string // what Keys lacks
	refused bool   // the key opened something, but wrongly
	opened  bool   // a MAC was right, so the key is
}

// result is a key, or why there is none.
type result struct {
	key []byte
	err error
}

// macResult is what MACMethod says, or why it cannot be read.
type macResult struct {
	newHash func() hash.Hash
	key     []byte // nil if the encryption key is meant
	err     error
}

var (
	errNeeded  = errors.New("the key is encrypted, and what opens it was not given")
	errRefused = errors.New("the key or password does not open the row, or the row was altered")
)

// ciphers are the ciphers of RFC 6030, Section 6.1, that are read, with the
// size of their keys.
var ciphers = map[string]int{
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc": 16,
	"http://www.w3.org/2001/04/xmlenc#aes192-cbc": 24,
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc": 32,
}

const tripleDES = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"

// hmacHash returns the hash of an HMAC by its URI, of which XML Signature and
// its successors have several with the same end.
func hmacHash(uri string) func() hash.Hash {
	_, name, _ := strings.Cut(uri, "#")
	switch name {
	case "hmac-sha1":
		return newSHA1
	case "hmac-sha256":
		return sha256.New
	case "hmac-sha384":
		return sha512.New384
	case "hmac-sha512":
		return sha512.New
	}
	return nil
}

// open decrypts the EncryptedValue in n after checking its ValueMAC over
// initialization vector and ciphertext. CBC without that check would let
// anybody change a key, and answer questions about it, so a value without a
// MAC is refused (RFC 6030, Section 6.1.1).
func (v *vault) open(r *reading, n *node) []byte {
	size, data := ciphertext(r, r.one(n, "EncryptedValue"))
	want := r.base64(r.text(n, "ValueMAC"), "MAC")
	if r.err == nil && (len(want) == 0 || v.macMethod == nil) {
		r.fail(errors.New("the encrypted value has no MAC, so it could have been altered"))
	}
	if r.err != nil {
		return nil
	}
	if v.mac == nil {
		m := v.readMACMethod()
		v.mac = &m
	}
	r.fail(v.mac.err)
	key := v.key(r, size)
	if r.err != nil {
		return nil
	}
	macKey := v.mac.key
	if macKey == nil {
		macKey = key
	}
	h := hmac.New(v.mac.newHash, macKey)
	h.Write(data)
	if !hmac.Equal(h.Sum(nil), want) {
		v.refused = true
		r.fail(errRefused)
		return nil
	}
	v.opened = true
	plain, ok := decrypt(key, data)
	if !ok {
		r.fail(errors.New("the encrypted value has wrong padding"))
	}
	return plain
}

// readMACMethod finds out the hash and the key of the MACs. The key is encrypted
// like a value but has no MAC of its own. Older writers leave it out and mean
// the encryption key of the value.
func (v *vault) readMACMethod() macResult {
	newHash := hmacHash(v.macMethod.attr("Algorithm"))
	if newHash == nil {
		return macResult{err: errors.New("the MAC is not HMAC with SHA-1, SHA-256, SHA-384 or SHA-512")}
	}
	var r reading
	n := r.one(v.macMethod, "MACKey")
	if n == nil {
		if r.one(v.macMethod, "MACKeyReference") != nil {
			r.fail(errors.New("the key of the MAC is not in the file"))
		}
		return macResult{newHash: newHash, err: r.err}
	}
	size, data := ciphertext(&r, n)
	key := v.key(&r, size)
	if r.err != nil {
		return macResult{err: r.err}
	}
	plain, ok := decrypt(key, data)
	if !ok || len(plain) == 0 {
		v.refused = true
		return macResult{err: errRefused}
	}
	return macResult{newHash: newHash, key: plain}
}

// ciphertext reads an EncryptedDataType of XML Encryption: the size of the key
// that opens it, and initialization vector and ciphertext in one.
func ciphertext(r *reading, n *node) (size int, data []byte) {
	switch algorithm := r.one(n, "EncryptionMethod").attr("Algorithm"); {
	case algorithm == tripleDES:
		r.fail(errors.New("the value is encrypted with triple DES, which is not supported"))
	case strings.Contains(algorithm, "#rsa"):
		r.fail(errors.New("the value is encrypted to a certificate, which is not supported"))
	case ciphers[algorithm] == 0:
		r.fail(errors.New("the value is not encrypted with AES in CBC mode; nothing else is supported"))
	default:
		size = ciphers[algorithm]
	}
	value := r.one(n, "CipherData", "CipherValue")
	if value == nil {
		r.fail(errors.New("the encrypted value is missing"))
	}
	if r.err != nil {
		return 0, nil
	}
	data = r.base64(string(value.text), "encrypted value")
	if r.err == nil && (len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 || len(data) > maxCipher) {
		r.fail(errors.New("the encrypted value has a wrong length"))
	}
	return size, data
}

// decrypt undoes AES-CBC. The last octet of the padding says how long it is;
// XML Encryption, Section 5.2, leaves the others open.
func decrypt(key, data []byte) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	iv, data := data[:aes.BlockSize], data[aes.BlockSize:]
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, false
	}
	return plain[:len(plain)-padding], true
}

// key returns the encryption key for ciphers whose keys have size octets.
func (v *vault) key(r *reading, size int) []byte {
	if r.err != nil {
		return nil
	}
	found, ok := v.byKeySize[size]
	if !ok {
		var own reading
		found.key = v.findKey(&own, size)
		found.err = own.err
		if v.byKeySize == nil {
			v.byKeySize = make(map[int]result)
		}
		v.byKeySize[size] = found
	}
	r.fail(found.err)
	return found.key
}

// findKey returns the pre-shared key or the one derived from the password, as
// EncryptionKey says.
func (v *vault) findKey(r *reading, size int) []byte {
	name := r.text(v.encryptionKey, "KeyName")
	derived := r.one(v.encryptionKey, "DerivedKey")
	certificate := r.one(v.encryptionKey, "X509Data")
	switch {
	case r.err != nil:
		return nil
	case derived != nil:
		return v.derive(r, derived, size)
	case certificate != nil:
		r.fail(errors.New("the value is encrypted to a certificate, which is not supported"))
	case len(v.keys.PreShared) == 0:
		v.needed = "a pre-shared key" + called(name)
		r.fail(errNeeded)
	case len(v.keys.PreShared) != size:
		v.refused = true
		r.fail(fmt.Errorf("the given key has %d bits; the row is encrypted with one of %d", len(v.keys.PreShared)*8, size*8))
	default:
		return v.keys.PreShared
	}
	return nil
}

// called adds a name from the file to a message, if it is fit for one.
func called(name string) string {
	if name == "" || text(name, maxName) != nil {
		return ""
	}
	return fmt.Sprintf(" called %q", name)
}

// derive computes the key from the password with PBKDF2 (RFC 6030, Section
// 6.2; RFC 8018, Appendix A.2).
func (v *vault) derive(r *reading, derived *node, size int) []byte {
	method := r.one(derived, "KeyDerivationMethod")
	if a := method.attr("Algorithm"); !strings.HasSuffix(strings.ToLower(a), "#pbkdf2") {
		r.fail(errors.New("the key is not derived from its password with PBKDF2"))
	}
	params := r.one(method, "PBKDF2-params")
	salt := r.base64(r.text(params, "Salt", "Specified"), "salt")
	iterations, err := strconv.Atoi(r.text(params, "IterationCount"))
	if r.err == nil && (len(salt) == 0 || len(salt) > maxSalt || err != nil || iterations < 1) {
		r.fail(errors.New("the salt or the iteration count of PBKDF2 is missing or out of range"))
	}
	if s := r.text(params, "KeyLength"); s != "" && s != strconv.Itoa(size) {
		r.fail(errors.New("the length of the derived key does not fit the cipher"))
	}
	newHash := newSHA1 // the default
	if a := r.one(params, "PRF").attr("Algorithm"); a != "" {
		if newHash = hmacHash(a); newHash == nil {
			r.fail(errors.New("the PRF of PBKDF2 is not HMAC with SHA-1, SHA-256, SHA-384 or SHA-512"))
		}
	}
	if r.err != nil {
		return nil
	}
	blocks := (size + newHash().Size() - 1) / newHash().Size()
	if iterations > maxIterations/blocks {
		r.fail(fmt.Errorf("PBKDF2 asks for %d iterations, which is more than is allowed", iterations))
		return nil
	}
	if v.keys.Password == "" {
		v.needed = "a password" + called(r.text(derived, "MasterKeyName"))
		r.fail(errNeeded)
		return nil
	}
	key, err := pbkdf2.Key(newHash, v.keys.Password, salt, iterations, size)
	if err != nil {
		r.fail(errors.New("PBKDF2 failed"))
	}
	return key
}
