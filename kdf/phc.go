// Package kdf hashes low-entropy secrets with argon2id in a bounded number of
// lanes (RFC 9106), and reads and writes such hashes in the PHC string format.
//
// It hides how the machine is kept from being overrun by hashing: a bound on
// what runs at once (Lanes), and a bound on the costs that a hash from
// elsewhere may ask for (Params.Check).
package kdf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
)

// Params are the costs of one argon2id hash (RFC 9106, Section 3.1). The zero
// Params pass no check.
type Params struct {
	MemoryKiB   int // m
	Iterations  int // t, passes over the memory
	Parallelism int // p
}

// Default are the first-choice costs of the OWASP password storage cheat sheet
// for a server that does other work too: 19 MiB, two passes, one thread.
var Default = Params{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1}

// The largest costs that are computed. Hashes come from outside, with costs
// that whoever wrote them chose.
const (
	maxMemoryKiB   = 256 << 10
	maxIterations  = 16
	maxParallelism = 16
	maxWork        = 512 << 10 // KiB times passes: about a second of one core
)

// Check returns an error if p cannot be computed, or costs more than this
// program is willing to spend on one hash: 256 MiB, 16 passes, 16 threads, and
// 512 MiB of memory touched in all passes together.
func (p Params) Check() error {
	switch {
	case p.Parallelism < 1 || p.Parallelism > maxParallelism:
		return fmt.Errorf("kdf: argon2 parallelism p=%d is not within 1 to %d", p.Parallelism, maxParallelism)
	case p.Iterations < 1 || p.Iterations > maxIterations:
		return fmt.Errorf("kdf: argon2 iterations t=%d are not within 1 to %d", p.Iterations, maxIterations)
	case p.MemoryKiB < 8*p.Parallelism || p.MemoryKiB > maxMemoryKiB: // RFC 9106, Section 3.1: at least 8*p
		return fmt.Errorf("kdf: argon2 memory m=%d KiB is not within %d to %d", p.MemoryKiB, 8*p.Parallelism, maxMemoryKiB)
	case p.MemoryKiB*p.Iterations > maxWork:
		return fmt.Errorf("kdf: argon2 memory m=%d KiB times iterations t=%d is over %d", p.MemoryKiB, p.Iterations, maxWork)
	}
	return nil
}

// Below reports whether a hash at costs p is easier to guess than one at q:
// less memory or fewer passes.
func (p Params) Below(q Params) bool {
	return p.MemoryKiB < q.MemoryKiB || p.Iterations < q.Iterations
}

// A Hash is an argon2id hash with all that is needed to compute it again. It
// prints as "hidden": whoever has it can guess offline.
type Hash struct {
	Params
	Salt []byte // 8 to 64 octets
	Key  []byte // 16 to 64 octets
}

const (
	minSalt, maxSalt = 8, 64
	minKey, maxKey   = 16, 64
)

const hidden = "hidden"

func (Hash) String() string               { return hidden }
func (Hash) GoString() string             { return hidden }
func (Hash) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Hash) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// ErrFormat says that a text is not an argon2id hash in the PHC string format.
var ErrFormat = errors.New("not an argon2id hash in the PHC string format")

// b64 is the PHC string format's: standard alphabet, no padding. With Strict and
// an alphabet that the pattern has checked, every value has one spelling.
var b64 = base64.RawStdEncoding.Strict()

// pattern is the PHC string of argon2id: version 0x13, the only one of RFC 9106,
// all three costs in that order without sign or leading zero, salt and key; no
// key identifier, no associated data.
var pattern = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,8})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})$`)

// PHC returns h in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY.
func (h Hash) PHC() string {
	return "$argon2id$v=19$m=" + strconv.Itoa(h.MemoryKiB) + ",t=" + strconv.Itoa(h.Iterations) + ",p=" + strconv.Itoa(h.Parallelism) +
		"$" + b64.EncodeToString(h.Salt) + "$" + b64.EncodeToString(h.Key)
}

// Parse reads what PHC writes, and only that, so that PHC gives back the text
// that was parsed. Costs that do not pass Check are an error, as are salts and
// keys beyond the lengths of Hash. Errors say nothing of the salt and the key.
func Parse(phc string) (Hash, error) {
	m := pattern.FindStringSubmatch(phc)
	if m == nil {
		return Hash{}, fmt.Errorf("kdf: %w", ErrFormat)
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // nine digits at most: always a number
	}
	h := Hash{Params: Params{MemoryKiB: n[0], Iterations: n[1], Parallelism: n[2]}}
	if err := h.Check(); err != nil {
		return Hash{}, err
	}
	var err error
	if h.Salt, err = b64.DecodeString(m[4]); err != nil || len(h.Salt) < minSalt || len(h.Salt) > maxSalt {
		return Hash{}, fmt.Errorf("kdf: %w: the salt is not %d to %d octets in base64", ErrFormat, minSalt, maxSalt)
	}
	if h.Key, err = b64.DecodeString(m[5]); err != nil || len(h.Key) < minKey || len(h.Key) > maxKey {
		return Hash{}, fmt.Errorf("kdf: %w: the key is not %d to %d octets in base64", ErrFormat, minKey, maxKey)
	}
	return h, nil
}
