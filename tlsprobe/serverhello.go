package tlsprobe

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// A ServerHello is what a server has chosen.
type ServerHello struct {
	Record  Version // of the record that it came in, 0 if unknown
	Legacy  Version // the field of the message; TLS 1.2 if it is TLS 1.3
	Version Version // negotiated, from supported_versions if it is there
	Suite   uint16
	// Retry is true of a HelloRetryRequest (RFC 8446, Section 4.1.4): the
	// server accepts the version and the suite, but wants a key of Group.
	Retry       bool
	Group       uint16 // of the server's key or that it wants, 0 if it says none
	Extensions  []uint16
	ALPN        string // up to TLS 1.2; encrypted after that
	SessionID   []byte
	Compression uint8
	Random      [32]byte
	// SSLv2Suites are the cipher specs that a server of SSL 2.0 accepts, 3
	// octets each. Suite is 0 then.
	SSLv2Suites []uint32
}

// retryRandom is the random of a ServerHello that is a HelloRetryRequest:
// SHA-256 of "HelloRetryRequest" (RFC 8446, Section 4.1.3).
var retryRandom = [32]byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// Downgraded reports whether the server says that it could do better than this
// version: a TLS 1.3 or TLS 1.2 server marks its random when it speaks an older
// one (RFC 8446, Section 4.1.3). Seen by a client that offered the newer
// version, it proves that somebody in between changed its hello.
func (h *ServerHello) Downgraded() bool {
	switch string(h.Random[24:]) {
	case "DOWNGRD\x01":
		return h.Version <= TLS12
	case "DOWNGRD\x00":
		return h.Version <= TLS11
	}
	return false
}

// ParseServerHello parses a handshake message of type 2, of any version from
// SSL 3.0 (RFC 8446, Section 4.1.3), without the record that it came in.
func ParseServerHello(message []byte) (*ServerHello, error) {
	s := cryptobyte.String(message)
	var kind uint8
	var body, id cryptobyte.String
	if !s.ReadUint8(&kind) || kind != 2 {
		return nil, errors.New("tlsprobe: parse ServerHello: not a ServerHello")
	}
	h := new(ServerHello)
	if !s.ReadUint24LengthPrefixed(&body) || !s.Empty() {
		return nil, errors.New("tlsprobe: parse ServerHello: its length does not match")
	}
	if !body.ReadUint16((*uint16)(&h.Legacy)) || !body.CopyBytes(h.Random[:]) ||
		!body.ReadUint8LengthPrefixed(&id) || len(id) > 32 {
		return nil, errors.New("tlsprobe: parse ServerHello: it ends too early")
	}
	h.Version = h.Legacy
	h.SessionID = append([]byte(nil), id...)
	// Drafts of TLS 1.3 up to 21 had neither session ID nor compression; no
	// server speaks them any more.
	if !body.ReadUint16(&h.Suite) || !body.ReadUint8(&h.Compression) {
		return nil, errors.New("tlsprobe: parse ServerHello: it ends too early")
	}
	h.Retry = h.Random == retryRandom
	if body.Empty() {
		return h, nil
	}
	var all cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&all) || !body.Empty() {
		return nil, errors.New("tlsprobe: parse ServerHello: the length of the extensions does not match")
	}
	for !all.Empty() {
		var ext uint16
		var data cryptobyte.String
		if !all.ReadUint16(&ext) || !all.ReadUint16LengthPrefixed(&data) || len(h.Extensions) >= maxExtensions {
			return nil, errors.New("tlsprobe: parse ServerHello: the extensions are malformed")
		}
		h.Extensions = append(h.Extensions, ext)
		if !h.parseExtension(ext, data) {
			return nil, errors.New("tlsprobe: parse ServerHello: an extension is malformed")
		}
	}
	return h, nil
}

func (h *ServerHello) parseExtension(ext uint16, data cryptobyte.String) bool {
	switch ext {
	case extSupportedVersions:
		return data.ReadUint16((*uint16)(&h.Version)) && data.Empty()
	case extKeyShare: // a group alone in a HelloRetryRequest
		return data.ReadUint16(&h.Group)
	case extALPN:
		var list, name cryptobyte.String
		if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() ||
			!list.ReadUint8LengthPrefixed(&name) || name.Empty() || !list.Empty() {
			return false
		}
		h.ALPN = string(name)
	}
	return true
}

// parseSSLv2ServerHello parses the SERVER-HELLO of SSL 2.0 without its header,
// and the certificate in it.
func parseSSLv2ServerHello(message []byte) (h *ServerHello, certificate []byte, ok bool) {
	s := cryptobyte.String(message)
	var kind, hit, certType uint8
	var certLen, suitesLen, idLen uint16
	h = new(ServerHello)
	var list []byte
	if !s.ReadUint8(&kind) || kind != 4 || !s.ReadUint8(&hit) || !s.ReadUint8(&certType) ||
		!s.ReadUint16((*uint16)(&h.Version)) || h.Version != SSL20 ||
		!s.ReadUint16(&certLen) || !s.ReadUint16(&suitesLen) || !s.ReadUint16(&idLen) ||
		!s.ReadBytes(&certificate, int(certLen)) || suitesLen%3 != 0 ||
		!s.ReadBytes(&list, int(suitesLen)) || !s.ReadBytes(&h.SessionID, int(idLen)) {
		return nil, nil, false
	}
	h.Record, h.Legacy = SSL20, SSL20
	h.SessionID = append([]byte(nil), h.SessionID...)
	for i := 0; i < len(list); i += 3 {
		h.SSLv2Suites = append(h.SSLv2Suites, uint32(list[i])<<16|uint32(list[i+1])<<8|uint32(list[i+2]))
	}
	return h, append([]byte(nil), certificate...), true
}
