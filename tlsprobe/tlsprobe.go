// Package tlsprobe says what a TLS endpoint accepts and what a ClientHello
// offers, from SSL 3.0 (RFC 6101) to TLS 1.3 (RFC 8446).
//
// It hides the handshake messages. A probe sends one ClientHello of its own
// making and reads what comes back, up to the server's certificate; it never
// completes a handshake, so that it can offer what no library would.
package tlsprobe
