package tlsprobe

import (
	"fmt"
	"slices"
)

// A Version is a protocol version as it stands in a hello.
type Version uint16

// The versions. SSL 2.0 has its own framing and is otherwise a number like the
// others.
const (
	SSL20 Version = 0x0002
	SSL30 Version = 0x0300 // RFC 6101
	TLS10 Version = 0x0301 // RFC 2246
	TLS11 Version = 0x0302 // RFC 4346
	TLS12 Version = 0x0303 // RFC 5246
	TLS13 Version = 0x0304 // RFC 8446
)

// Versions returns all versions from SSL 2.0 to TLS 1.3.
func Versions() []Version { return []Version{SSL20, SSL30, TLS10, TLS11, TLS12, TLS13} }

// String is what people call the version, such as "TLS 1.2". A number that is
// none is shown as it is.
func (v Version) String() string {
	switch v {
	case SSL20:
		return "SSL 2.0"
	case SSL30:
		return "SSL 3.0"
	case TLS10:
		return "TLS 1.0"
	case TLS11:
		return "TLS 1.1"
	case TLS12:
		return "TLS 1.2"
	case TLS13:
		return "TLS 1.3"
	}
	if v>>8 == 0x7f {
		return fmt.Sprintf("TLS 1.3 draft %d", v&0xff) // RFC 8446's drafts, Section 4.2.1.1
	}
	return fmt.Sprintf("version 0x%04X", uint16(v))
}

// Known reports whether v is one of the versions above.
func (v Version) Known() bool {
	return slices.Contains([]Version{SSL20, SSL30, TLS10, TLS11, TLS12, TLS13}, v)
}

// isGREASE reports whether n is one of the values that clients send only so
// that servers learn to ignore what they do not know (RFC 8701).
func isGREASE(n uint16) bool { return n&0x0f0f == 0x0a0a && n>>8 == n&0xff }
