package pskc

// This file is the package's only use of SHA-1.
//
// Exception to "no SHA-1": RFC 6030 prescribes HMAC-SHA-1 as the MAC of
// encrypted values (Section 6.1.1), and PBKDF2 takes it where a file names no
// other (RFC 8018, Appendix A.2); most files in the world use both. HMAC needs
// its hash to be a pseudorandom function, not free of collisions, and no
// attack on SHA-1 touches that (RFC 6194, Section 3.3).

import (
	"crypto/sha1" //nolint:gosec // see the exception above
	"hash"
)

func newSHA1() hash.Hash {
	return sha1.New() //nolint:gosec // see the exception above
}
