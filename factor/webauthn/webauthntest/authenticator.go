// Package webauthntest is a WebAuthn authenticator in software, with the
// browser around it (Web Authentication Level 3, Sections 5.1 and 6). Tests use
// it to register passkeys and to sign in with them, and to lie about each thing
// that a relying party must check.
//
// Only tests import it. It keeps its private key in memory and asks nobody for
// consent.
package webauthntest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384, for ES384
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
)

// Flags of the authenticator data (Web Authentication Level 3, Section 6.1).
const (
	UserPresent    byte = 1 << 0 // UP
	Reserved1      byte = 1 << 1 // for future use; a relying party ignores it
	UserVerified   byte = 1 << 2 // UV
	BackupEligible byte = 1 << 3 // BE
	BackedUp       byte = 1 << 4 // BS
	Reserved2      byte = 1 << 5 // for future use; a relying party ignores it
	Attested       byte = 1 << 6 // AT: credential data follow; Register sets it
	Extended       byte = 1 << 7 // ED: extension outputs follow
)

// Identifiers of algorithms in COSE (RFC 9053, RFC 8812).
const (
	ES256 int64 = -7
	EdDSA int64 = -8
	ES384 int64 = -35
	RS256 int64 = -257
)

// Types of ceremony in the client data.
const (
	Create = "webauthn.create"
	Get    = "webauthn.get"
)

// An Authenticator holds one credential. It is a plain value: to change what it
// says, copy it and set a field. Its methods change nothing, so that the same
// value says the same again; whoever wants a counting one adds to Count between
// two answers.
type Authenticator struct {
	// Key signs. *ecdsa.PrivateKey on P-256 is ES256, on P-384 ES384;
	// ed25519.PrivateKey is EdDSA; *rsa.PrivateKey is RS256.
	Key crypto.Signer
	ID  []byte // of the credential

	// What the authenticator says.

	RPID       string // of which it hashes the relying party's identifier
	User       string // user handle: the account's ID
	Flags      byte
	Count      uint32 // the sign count of the next answer, 0 if it does not count
	AAGUID     [16]byte
	Transports []string
	Extensions []byte // CBOR behind the authenticator data; goes with the flag Extended
	// Algorithm is the one that the public key claims in a registration, 0 for
	// that of Key.
	Algorithm int64
	// Format is that of the attestation: "" or "none" without a statement,
	// "packed" with one that the credential's own key has signed.
	Format string

	// What the browser says.

	Origin      string
	TopOrigin   string
	CrossOrigin bool
	Type        string // "" for what the ceremony has
}

// New returns a passkey as phones keep it: ES256, the person verified, backed
// up, no sign count. Key and credential ID follow from seed alone.
func New(seed, rpID, origin, user string) Authenticator {
	sum := sha256.Sum256([]byte("key of " + seed))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		panic(fmt.Sprintf("webauthntest: the seed %q gives no key: %v", seed, err)) // once in 2^32 seeds
	}
	id := sha256.Sum256([]byte("credential of " + seed))
	return Authenticator{
		Key: key, ID: id[:],
		RPID: rpID, Origin: origin, User: user,
		Flags:      UserPresent | UserVerified | BackupEligible | BackedUp,
		Transports: []string{"hybrid", "internal"},
	}
}

// NewKey returns a security key: ES256, the person verified, never backed up,
// with a sign count that stands at 1.
func NewKey(seed, rpID, origin, user string) Authenticator {
	a := New(seed, rpID, origin, user)
	a.Flags = UserPresent | UserVerified
	a.Count = 1
	a.Transports = []string{"nfc", "usb"}
	return a
}

// WithEd25519 returns a with an Ed25519 key of the given seed in place of its own.
func (a Authenticator) WithEd25519(seed string) Authenticator {
	sum := sha256.Sum256([]byte("ed25519 key of " + seed))
	a.Key = ed25519.NewKeyFromSeed(sum[:])
	return a
}

// Register answers a registration with challenge: JSON of a
// RegistrationResponse, as PublicKeyCredential.toJSON gives it.
func (a Authenticator) Register(challenge []byte) []byte {
	client := a.clientData(Create, challenge)
	data := a.data(a.Flags | Attested)
	object := head(nil, cborMap, 3)
	if a.Format == "packed" {
		object = text(text(object, "fmt"), "packed")
		object = head(text(object, "attStmt"), cborMap, 2)
		object = number(text(object, "alg"), a.algorithm())
		object = octets(text(object, "sig"), a.sign(data, client))
	} else {
		object = text(text(object, "fmt"), "none")
		object = head(text(object, "attStmt"), cborMap, 0)
	}
	object = octets(text(object, "authData"), data)
	return a.credential(map[string]any{
		"clientDataJSON":     encode(client),
		"attestationObject":  encode(object),
		"authenticatorData":  encode(data),
		"publicKeyAlgorithm": a.algorithm(),
		"transports":         a.Transports,
	})
}

// Assert answers a request with challenge: JSON of an AuthenticationResponse,
// as PublicKeyCredential.toJSON gives it.
func (a Authenticator) Assert(challenge []byte) []byte {
	client := a.clientData(Get, challenge)
	data := a.data(a.Flags)
	response := map[string]any{
		"clientDataJSON":    encode(client),
		"authenticatorData": encode(data),
		"signature":         encode(a.sign(data, client)),
	}
	if a.User != "" {
		response["userHandle"] = encode([]byte(a.User))
	}
	return a.credential(response)
}

func (a Authenticator) credential(response map[string]any) []byte {
	return mustJSON(map[string]any{
		"id": encode(a.ID), "rawId": encode(a.ID), "type": "public-key",
		"authenticatorAttachment": "platform",
		"clientExtensionResults":  map[string]any{},
		"response":                response,
	})
}

// clientData is what the browser serializes (Section 5.8.1.1).
func (a Authenticator) clientData(ceremony string, challenge []byte) []byte {
	if a.Type != "" {
		ceremony = a.Type
	}
	data := struct {
		Type        string `json:"type"`
		Challenge   string `json:"challenge"`
		Origin      string `json:"origin"`
		CrossOrigin bool   `json:"crossOrigin"`
		TopOrigin   string `json:"topOrigin,omitempty"`
	}{ceremony, encode(challenge), a.Origin, a.CrossOrigin, a.TopOrigin}
	return mustJSON(data)
}

// data is the authenticator data (Section 6.1).
func (a Authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.RPID))
	b := binary.BigEndian.AppendUint32(append(hash[:], flags), a.Count)
	if flags&Attested != 0 {
		b = append(b, a.AAGUID[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.ID)))
		b = append(append(b, a.ID...), a.PublicKey()...)
	}
	return append(b, a.Extensions...)
}

// PublicKey is the credential's public key as COSE_Key (RFC 9052, Section 7).
func (a Authenticator) PublicKey() []byte {
	const kty, alg, crv, x, y = 1, 3, -1, -2, -3
	switch key := a.Key.(type) {
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(fmt.Sprintf("webauthntest: %v", err))
		}
		size := len(point) / 2
		curve := int64(1)
		if key.Curve == elliptic.P384() {
			curve = 2
		}
		b := number(number(head(nil, cborMap, 5), kty), 2)
		b = number(number(b, alg), a.algorithm())
		b = number(number(b, crv), curve)
		b = octets(number(b, x), point[1:1+size])
		return octets(number(b, y), point[1+size:])
	case ed25519.PrivateKey:
		b := number(number(head(nil, cborMap, 4), kty), 1)
		b = number(number(b, alg), a.algorithm())
		b = number(number(b, crv), 6)
		return octets(number(b, x), key.Public().(ed25519.PublicKey))
	case *rsa.PrivateKey:
		b := number(number(head(nil, cborMap, 4), kty), 3)
		b = number(number(b, alg), a.algorithm())
		b = octets(number(b, -1), key.N.Bytes())
		return octets(number(b, -2), big.NewInt(int64(key.E)).Bytes())
	}
	panic(fmt.Sprintf("webauthntest: no COSE form for a %T", a.Key))
}

func (a Authenticator) algorithm() int64 {
	if a.Algorithm != 0 {
		return a.Algorithm
	}
	switch key := a.Key.(type) {
	case ed25519.PrivateKey:
		return EdDSA
	case *rsa.PrivateKey:
		return RS256
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P384() {
			return ES384
		}
	}
	return ES256
}

// sign signs authenticator data and the hash of the client data (Section
// 6.3.3). Without a source of randomness crypto/ecdsa signs as RFC 6979 says,
// the same each time.
func (a Authenticator) sign(data, client []byte) []byte {
	hash := sha256.Sum256(client)
	message := append(bytes.Clone(data), hash[:]...)
	var (
		digest   = message
		options  = crypto.Hash(0)
		_, whole = a.Key.(ed25519.PrivateKey) // Ed25519 signs the message itself
	)
	if !whole {
		options = crypto.SHA256
		if key, ok := a.Key.(*ecdsa.PrivateKey); ok && key.Curve == elliptic.P384() {
			options = crypto.SHA384
		}
		h := options.New()
		h.Write(message)
		digest = h.Sum(nil)
	}
	signature, err := a.Key.Sign(nil, digest, options)
	if err != nil {
		panic(fmt.Sprintf("webauthntest: sign: %v", err))
	}
	return signature
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("webauthntest: %v", err))
	}
	return b
}
