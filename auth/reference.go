package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A Reference is the short code that a person can read out to the help desk:
// eight characters of Crockford's base 32 in two groups, such as 7F3K-92QD. It
// names one event.
type Reference string

// References turns sequence numbers into references and back, so that a
// reference needs no index to be looked up. It is a keyed permutation of 40
// bits (a Feistel network of four rounds over AES-128): a reference tells
// nobody how many logins there have been, and cannot be guessed from another.
// Safe for concurrent use; the zero value gives no references.
type References struct{ block cipher.Block }

// NewReferences returns the permutation of that key, of any length. The key
// must stay the same for the life of the events.
func NewReferences(key []byte) References {
	sum := sha256.Sum256(key)
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(fmt.Sprintf("auth: AES-128 with a key of 16 octets: %v", err)) // cannot happen
	}
	return References{block: block}
}

const (
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	half      = 1<<20 - 1
)

// ErrReference says that a text is not a reference.
var ErrReference = errors.New("a reference looks like 7F3K-92QD")

// Of returns the reference of the event with that sequence number. Numbers
// beyond 40 bits have none.
func (r References) Of(seq uint64) Reference {
	if r.block == nil || seq > 1<<40-1 {
		return ""
	}
	n := r.permute(seq, false)
	b := make([]byte, 9)
	for i := 8; i >= 0; i-- {
		if i == 4 {
			b[i] = '-'
			continue
		}
		b[i] = crockford[n&31]
		n >>= 5
	}
	return Reference(b)
}

// Seq returns the sequence number behind a reference as a person may type it:
// in any case, with or without the dash, with O for 0 and I or L for 1.
func (r References) Seq(typed string) (uint64, error) {
	var n uint64
	digits := 0
	for _, c := range strings.ToUpper(typed) {
		switch c {
		case '-', ' ':
			continue
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		v := strings.IndexRune(crockford, c)
		if v < 0 {
			return 0, ErrReference
		}
		if digits++; digits > 8 {
			return 0, ErrReference
		}
		n = n<<5 | uint64(v)
	}
	if digits != 8 || r.block == nil {
		return 0, ErrReference
	}
	return r.permute(n, true), nil
}

func (r References) permute(n uint64, back bool) uint64 {
	left, right := uint32(n>>20)&half, uint32(n)&half
	b := make([]byte, aes.BlockSize)
	round := func(i byte, v uint32) uint32 {
		clear(b)
		b[0] = i
		binary.BigEndian.PutUint32(b[1:], v)
		r.block.Encrypt(b, b)
		return binary.BigEndian.Uint32(b) & half
	}
	for i := range byte(4) {
		if back {
			left, right = right^round(3-i, left), left
		} else {
			left, right = right, left^round(i, right)
		}
	}
	return uint64(left)<<20 | uint64(right)
}
