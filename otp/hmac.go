package otp

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
)

const (
	sha1Size   = 20
	sha256Size = sha256.Size
	sha512Size = sha512.Size
)

// generator makes the codes of one key. It holds the two padded key blocks of
// HMAC (RFC 2104) with room for what follows them, so that a code costs two
// hashes over a stack buffer and no allocation; crypto/hmac allocates for each
// message and takes about twice as long.
type generator struct {
	algorithm Algorithm
	digits    int
	block     int       // block size of the hash
	inner     [136]byte // key xor ipad, then the counter
	outer     [192]byte // key xor opad, then the inner hash
}

// reset prepares g for key. The caller has checked p and key with usable.
func (g *generator) reset(key []byte, p Params) {
	g.algorithm, g.digits = p.Algorithm, p.Digits
	g.block = 64
	if p.Algorithm == SHA512 {
		g.block = 128
	}
	// A key longer than a block is replaced by its hash (RFC 2104, Section 2).
	n := copy(g.inner[:g.block], key)
	if len(key) > g.block {
		clear(g.inner[:g.block])
		n = g.hash(g.inner[:g.block], key)
	}
	for i := range g.inner[:g.block] {
		var k byte
		if i < n {
			k = g.inner[i]
		}
		g.inner[i], g.outer[i] = k^0x36, k^0x5c
	}
}

// hash writes the hash of msg to dst and returns its length.
func (g *generator) hash(dst, msg []byte) int {
	switch g.algorithm {
	case SHA1:
		h := sha1Sum(msg)
		return copy(dst, h[:])
	case SHA256:
		h := sha256.Sum256(msg)
		return copy(dst, h[:])
	case SHA512:
		h := sha512.Sum512(msg)
		return copy(dst, h[:])
	}
	return 0
}

// at returns the code at counter as a number (RFC 4226, Section 5.3).
func (g *generator) at(counter uint64) int32 {
	b := g.block
	binary.BigEndian.PutUint64(g.inner[b:], counter)
	n := g.hash(g.outer[b:], g.inner[:b+8])
	n = g.hash(g.outer[b:], g.outer[:b+n])
	mac := g.outer[b : b+n]
	o := mac[n-1] & 0xf
	v := binary.BigEndian.Uint32(mac[o:o+4]) & 0x7fffffff
	// Division by a constant becomes a multiplication, whose time does not
	// depend on the value.
	switch g.digits {
	case 6:
		v %= 1_000_000
	case 7:
		v %= 10_000_000
	case 8:
		v %= 100_000_000
	}
	return int32(v)
}

// search compares want with the n codes from counter first on. It takes as
// long for a hit as for a miss, wherever the hit is. It returns the distance
// from first of the lowest and of the highest hit.
func (g *generator) search(want int32, first uint64, n int) (lowest, highest int, ok bool) {
	found := 0
	for i := range n {
		hit := subtle.ConstantTimeEq(want, g.at(first+uint64(i)))
		lowest = subtle.ConstantTimeSelect(hit&^found, i, lowest)
		highest = subtle.ConstantTimeSelect(hit, i, highest)
		found |= hit
	}
	return lowest, highest, found == 1
}

// searchPair is search for two neighbours: want1 at one of the n counters from
// first on and want2 at the next. It returns the distance from first of the
// lowest such want1.
func (g *generator) searchPair(want1, want2 int32, first uint64, n int) (lowest int, ok bool) {
	found := 0
	code := g.at(first)
	for i := range n {
		next := g.at(first + uint64(i) + 1)
		hit := subtle.ConstantTimeEq(want1, code) & subtle.ConstantTimeEq(want2, next)
		lowest = subtle.ConstantTimeSelect(hit&^found, i, lowest)
		found |= hit
		code = next
	}
	return lowest, found == 1
}
