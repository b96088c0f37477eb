package radius

// Everything in this package that computes MD5 or HMAC-MD5 is in this file.
//
// The exception, and why it is made: RADIUS over UDP is defined on MD5. The
// Response Authenticator and the hiding of User-Password are plain MD5 keyed
// by concatenation (RFC 2865, Sections 3 and 5.2), and Message-Authenticator is
// HMAC-MD5 (RFC 3579, Section 3.2). No peer understands anything else. Plain
// MD5 here is broken: CVE-2024-3596 forges a Response Authenticator by a
// chosen-prefix collision. HMAC-MD5 is not known to be, so nothing in this
// package trusts a packet for its Response Authenticator alone unless its
// caller says so. MD5 protects nothing else in this program.

import (
	"crypto/md5" //nolint:gosec // demanded by the protocol; see above
	"crypto/subtle"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"sync"
)

const (
	macSize = md5.Size // of a Message-Authenticator's value

	// maxPassword is the longest User-Password (RFC 2865, Section 5.2).
	maxPassword = 128
)

// A Secret is the shared secret between a server and one client, with the hash
// states that follow from it computed once. It never prints. The zero Secret
// is no secret: it verifies nothing and signs nothing. A Secret is immutable
// and may be used concurrently and copied.
type Secret struct{ keys *secretKeys }

type secretKeys struct {
	raw []byte
	// Saved MD5 states: after the secret, and after the inner and outer pad
	// of HMAC.
	prefix, inner, outer []byte
}

// NewSecret makes a Secret of the octets both sides know. It copies them. Only
// an empty secret is refused; how long one ought to be is the caller's policy
// (at least 16 random characters).
func NewSecret(octets []byte) (Secret, error) {
	if len(octets) == 0 {
		return Secret{}, errors.New("radius: make secret: it is empty")
	}
	k := &secretKeys{raw: append([]byte(nil), octets...)}
	key := k.raw
	if len(key) > md5.BlockSize {
		sum := md5.Sum(key)
		key = sum[:]
	}
	var inner, outer [md5.BlockSize]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	k.prefix, k.inner, k.outer = md5State(k.raw), md5State(inner[:]), md5State(outer[:])
	return Secret{k}, nil
}

func md5State(b []byte) []byte {
	h := md5.New()
	h.Write(b)
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("radius: crypto/md5 cannot save its state: " + err.Error()) // it documents that it can
	}
	return state
}

// IsZero reports whether s is no secret.
func (s Secret) IsZero() bool { return s.keys == nil }

// Equal reports whether s and t are the same secret, in constant time.
func (s Secret) Equal(t Secret) bool {
	if s.keys == nil || t.keys == nil {
		return s.keys == t.keys
	}
	return subtle.ConstantTimeCompare(s.keys.raw, t.keys.raw) == 1
}

const hidden = "hidden"

// String says "hidden".
func (Secret) String() string { return hidden }

// GoString says "hidden".
func (Secret) GoString() string { return hidden }

// Format says "hidden", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue says "hidden".
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText says "hidden".
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON says "hidden".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// scratch is one MD5 computation's memory, kept so that none is allocated.
type scratch struct {
	h     hash.Hash
	state encoding.BinaryUnmarshaler // h again
	auth  [16]byte                   // an authenticator that goes into the hash
	sum   [md5.Size]byte
}

var scratches = sync.Pool{New: func() any {
	h := md5.New()
	return &scratch{h: h, state: h.(encoding.BinaryUnmarshaler)}
}}

// load continues from a saved state.
func (c *scratch) load(state []byte) {
	if err := c.state.UnmarshalBinary(state); err != nil {
		panic("radius: crypto/md5 cannot load the state it saved: " + err.Error())
	}
}

// finish returns the digest; it is overwritten by the next use of c.
func (c *scratch) finish() []byte { return c.h.Sum(c.sum[:0]) }

var zeroMAC [macSize]byte

// messageAuthenticator computes the Message-Authenticator of packet, whose
// value stands at mac, as if its Authenticator field held authenticator (RFC
// 3579, Section 3.2). What it returns is overwritten by the next use of c.
func (s Secret) messageAuthenticator(c *scratch, packet []byte, authenticator [16]byte, mac int) []byte {
	c.auth = authenticator
	c.load(s.keys.inner)
	c.h.Write(packet[:4])
	c.h.Write(c.auth[:])
	c.h.Write(packet[headerSize:mac])
	c.h.Write(zeroMAC[:])
	c.h.Write(packet[mac+macSize:])
	inner := c.finish()
	c.load(s.keys.outer)
	c.h.Write(inner)
	return c.finish()
}

// responseAuthenticator computes MD5(Code, Identifier, Length, Request
// Authenticator, Attributes, Secret) (RFC 2865, Section 3).
func (s Secret) responseAuthenticator(c *scratch, packet []byte, request [16]byte) []byte {
	c.auth = request
	c.h.Reset()
	c.h.Write(packet[:4])
	c.h.Write(c.auth[:])
	c.h.Write(packet[headerSize:])
	c.h.Write(s.keys.raw)
	return c.finish()
}

// VerifyRequest reports whether p, as it was parsed, carries a
// Message-Authenticator made with s. It serves Access-Request and
// Status-Server, whose Authenticator field is what the sender hashed.
func (s Secret) VerifyRequest(p *Packet) bool {
	if s.keys == nil || p.mac == 0 {
		return false
	}
	return s.verifyMAC(p, p.Authenticator)
}

// VerifyResponse reports whether p, as it was parsed, is signed with s as the
// answer to a request with this Request Authenticator: its Response
// Authenticator is right, and so is its Message-Authenticator if it has one.
// A caller who wants one present, and by CVE-2024-3596 ought to, also asks
// [Packet.HasMessageAuthenticator].
func (s Secret) VerifyResponse(p *Packet, request [16]byte) bool {
	if s.keys == nil || p.raw == nil {
		return false
	}
	c := scratches.Get().(*scratch)
	same := subtle.ConstantTimeCompare(s.responseAuthenticator(c, p.raw, request), p.Authenticator[:]) == 1
	scratches.Put(c)
	return same && (p.mac == 0 || s.verifyMAC(p, request))
}

func (s Secret) verifyMAC(p *Packet, authenticator [16]byte) bool {
	c := scratches.Get().(*scratch)
	want := s.messageAuthenticator(c, p.raw, authenticator, p.mac)
	same := subtle.ConstantTimeCompare(want, p.raw[p.mac:p.mac+macSize]) == 1
	scratches.Put(c)
	return same
}

var errNoSecret = errors.New("radius: sign packet: there is no secret")

// SignRequest appends the octets of request p to dst, with a
// Message-Authenticator as the first attribute, replacing any that p has. It
// serves Access-Request and Status-Server; other requests are signed by other
// rules and refused.
func (s Secret) SignRequest(dst []byte, p *Packet) ([]byte, error) {
	if p.Code != AccessRequest && p.Code != StatusServer {
		return dst, fmt.Errorf("radius: sign packet: %v is not a request of this kind", p.Code)
	}
	return s.sign(dst, p, p.Authenticator)
}

// SignResponse appends the octets of reply p to dst, with a
// Message-Authenticator as the first attribute, replacing any that p has, and
// the Response Authenticator in place of p.Authenticator. First, because the
// forger of CVE-2024-3596 needs a prefix that he can foresee. The argument
// request is the Request Authenticator of what is being answered.
func (s Secret) SignResponse(dst []byte, p *Packet, request [16]byte) ([]byte, error) {
	start := len(dst)
	dst, err := s.sign(dst, p, request)
	if err != nil {
		return dst, err
	}
	c := scratches.Get().(*scratch)
	copy(dst[start+4:], s.responseAuthenticator(c, dst[start:], request))
	scratches.Put(c)
	return dst, nil
}

func (s Secret) sign(dst []byte, p *Packet, authenticator [16]byte) ([]byte, error) {
	if s.keys == nil {
		return dst, errNoSecret
	}
	start := len(dst)
	dst = appendHeader(dst, p)
	dst = append(dst, byte(MessageAuthenticator), 2+macSize)
	mac := len(dst)
	dst = append(dst, zeroMAC[:]...)
	dst, err := appendAttributes(dst, start, p.Attributes, true)
	if err != nil {
		return dst[:start], err
	}
	dst = finishLength(dst, start)
	c := scratches.Get().(*scratch)
	copy(dst[mac:], s.messageAuthenticator(c, dst[start:], authenticator, mac-start))
	scratches.Put(c)
	return dst, nil
}

// Errors of User-Password.
var (
	ErrPasswordLong   = errors.New("radius: hide password: longer than 128 octets")
	ErrPasswordLength = errors.New("radius: read User-Password: its length is not 16, 32, ... or 128 octets")
)

// HidePassword appends to dst the User-Password value for password in the
// request with this Request Authenticator (RFC 2865, Section 5.2). A password
// that ends in NUL cannot be told from its padding.
func (s Secret) HidePassword(dst, password []byte, request [16]byte) ([]byte, error) {
	if s.keys == nil {
		return dst, errNoSecret
	}
	if len(password) > maxPassword {
		return dst, ErrPasswordLong
	}
	start := len(dst)
	dst = append(dst, password...)
	for len(dst) == start || (len(dst)-start)%16 != 0 {
		dst = append(dst, 0)
	}
	c := scratches.Get().(*scratch)
	c.auth = request
	previous := c.auth[:]
	for at := start; at < len(dst); at += 16 {
		block := dst[at : at+16]
		s.maskBlock(c, previous)
		subtle.XORBytes(block, block, c.sum[:])
		previous = block
	}
	clear(c.sum[:])
	scratches.Put(c)
	return dst, nil
}

// RevealPassword appends to dst the password hidden in a User-Password value
// of a request with this Request Authenticator. It takes off trailing NULs,
// which are padding, and nothing else. With the wrong secret it returns
// garbage, not an error: only a Message-Authenticator tells.
//
// dst must not overlap hidden. The caller clears what it returns after use.
func (s Secret) RevealPassword(dst, hidden []byte, request [16]byte) ([]byte, error) {
	if s.keys == nil {
		return dst, errNoSecret
	}
	if len(hidden) == 0 || len(hidden)%16 != 0 || len(hidden) > maxPassword {
		return dst, ErrPasswordLength
	}
	start := len(dst)
	dst = append(dst, hidden...)
	c := scratches.Get().(*scratch)
	c.auth = request
	previous := c.auth[:]
	for at := 0; at < len(hidden); at += 16 {
		block := dst[start+at : start+at+16]
		s.maskBlock(c, previous)
		subtle.XORBytes(block, block, c.sum[:])
		previous = hidden[at : at+16]
	}
	clear(c.sum[:])
	scratches.Put(c)
	for len(dst) > start && dst[len(dst)-1] == 0 {
		dst = dst[:len(dst)-1]
	}
	return dst, nil
}

// maskBlock leaves MD5(Secret, previous) in c.sum.
func (s Secret) maskBlock(c *scratch, previous []byte) {
	c.load(s.keys.prefix)
	c.h.Write(previous)
	c.finish()
}

// VerifyCHAP reports whether value, a CHAP-Password, was made of this cleartext
// password and challenge (RFC 2865, Section 2.2; RFC 1994). The challenge is
// the CHAP-Challenge attribute, or the Request Authenticator if there is none.
func VerifyCHAP(value, challenge, password []byte) bool {
	if len(value) != 1+md5.Size {
		return false
	}
	c := scratches.Get().(*scratch)
	defer scratches.Put(c)
	c.h.Reset()
	c.h.Write(value[:1])
	c.h.Write(password)
	c.h.Write(challenge)
	return subtle.ConstantTimeCompare(c.finish(), value[1:]) == 1
}
