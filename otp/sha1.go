package otp

// This file is the package's only use of SHA-1.
//
// Exception to "no SHA-1": RFC 4226 defines HOTP over HMAC-SHA-1, and nearly
// every authenticator app and hardware token makes only such codes. HMAC needs
// its hash to be a pseudorandom function, not free of collisions, and no
// attack on SHA-1 touches that (RFC 6194, Section 3.3). Nothing else may be
// built on this function.

import "crypto/sha1" //nolint:gosec // see the exception above

func sha1Sum(msg []byte) [sha1.Size]byte {
	return sha1.Sum(msg) //nolint:gosec // see the exception above
}
