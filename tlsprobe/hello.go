package tlsprobe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Extensions that this package reads or writes (IANA, "TLS ExtensionType
// Values").
const (
	extServerName          uint16 = 0
	extStatusRequest       uint16 = 5
	extGroups              uint16 = 10
	extPointFormats        uint16 = 11
	extSignatureAlgorithms uint16 = 13
	extHeartbeat           uint16 = 15
	extALPN                uint16 = 16
	extStatusRequestV2     uint16 = 17
	extPadding             uint16 = 21
	extCompressCertificate uint16 = 27
	extRecordSizeLimit     uint16 = 28
	extDelegated           uint16 = 34
	extSessionTicket       uint16 = 35
	extPreSharedKey        uint16 = 41
	extSupportedVersions   uint16 = 43
	extPSKModes            uint16 = 45
	extSignaturesCert      uint16 = 50
	extKeyShare            uint16 = 51
	extOldALPS             uint16 = 17513
	extALPS                uint16 = 17613
	extECH                 uint16 = 0xfe0d
	extRenegotiation       uint16 = 0xff01
)

// maxALPN bounds the protocols of one hello: each costs us more memory than it
// costs the sender.
const maxALPN = 512

// maxExtensions is far above what any client sends; looking for repeated ones
// must not take quadratic time.
const maxExtensions = 256

// A ClientHello is what a client offers, in its own order. GREASE values
// (RFC 8701) are left out of every list; Fingerprint alone knows that they
// were there.
//
// ServerName and ALPN are as the client sent them: whoever shows them must
// quote them.
type ClientHello struct {
	Record Version // of the record that it came in, 0 if unknown
	Legacy Version // legacy_version: the highest that the client has if Versions is empty
	// Versions is the extension supported_versions, nil if there is none.
	Versions            []Version
	Suites              []uint16
	ServerName          string // SNI, empty if there is none
	ALPN                []string
	Groups              []uint16
	SignatureAlgorithms []uint16
	KeyShares           []uint16 // the groups that the client sent a key for
	Extensions          []uint16
	PointFormats        []byte
	SessionID           []byte
	Compression         []byte
	Random              [32]byte
	// SSLv2 is true of a hello in the framing of SSL 2.0, which clients used
	// that wanted to reach servers of any version (RFC 5246, Appendix E.2).
	SSLv2 bool
	// SSLv2Suites are the cipher specs that only SSL 2.0 has, 3 octets each.
	SSLv2Suites []uint32
	// Malformed are the extensions whose content does not have the form that
	// the standard gives them, or that came twice.
	Malformed []uint16
	// Fingerprint names the kind of client: JA4 as FoxIO defines it
	// (https://github.com/FoxIO-LLC/ja4), empty for an SSL 2.0 hello.
	Fingerprint string
	// Size is the length of the handshake message in octets.
	Size int
}

var errNotClientHello = errors.New("tlsprobe: parse ClientHello: not a ClientHello")

// ParseClientHello parses a handshake message of type 1 (RFC 8446,
// Section 4.1.2, which is a superset of those before it), without the record
// that it came in, or an SSL 2.0 CLIENT-HELLO without its header.
//
// The framing must be sound and nothing may follow the message. An extension
// that this package knows and whose content is not as its standard has it does
// not make the hello invalid: it is named in Malformed.
func ParseClientHello(message []byte) (*ClientHello, error) {
	s := cryptobyte.String(message)
	var kind uint8
	var body cryptobyte.String
	if !s.ReadUint8(&kind) || kind != 1 {
		return nil, errNotClientHello
	}
	if !s.ReadUint24LengthPrefixed(&body) || !s.Empty() {
		if h, ok := parseSSLv2Hello(message); ok {
			return h, nil
		}
		return nil, errors.New("tlsprobe: parse ClientHello: its length does not match")
	}
	h := &ClientHello{Size: len(message)}
	var id, suites, compression cryptobyte.String
	if !body.ReadUint16((*uint16)(&h.Legacy)) || !body.CopyBytes(h.Random[:]) ||
		!body.ReadUint8LengthPrefixed(&id) || !body.ReadUint16LengthPrefixed(&suites) ||
		!body.ReadUint8LengthPrefixed(&compression) {
		return nil, errors.New("tlsprobe: parse ClientHello: it ends too early")
	}
	if len(id) > 32 {
		return nil, errors.New("tlsprobe: parse ClientHello: the session ID is longer than 32 octets")
	}
	if len(suites)%2 != 0 {
		return nil, errors.New("tlsprobe: parse ClientHello: the list of suites has an odd length")
	}
	h.SessionID = slices.Clone(id)
	h.Compression = slices.Clone(compression)
	h.Suites = numbers(suites)
	if !body.Empty() {
		if err := h.parseExtensions(body); err != nil {
			return nil, err
		}
	}
	h.Fingerprint = h.ja4()
	return h, nil
}

func (h *ClientHello) parseExtensions(body cryptobyte.String) error {
	var all cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&all) || !body.Empty() {
		return errors.New("tlsprobe: parse ClientHello: the length of the extensions does not match")
	}
	for !all.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !all.ReadUint16(&kind) || !all.ReadUint16LengthPrefixed(&data) {
			return errors.New("tlsprobe: parse ClientHello: an extension ends too early")
		}
		if isGREASE(kind) {
			continue
		}
		repeated := slices.Contains(h.Extensions, kind)
		if len(h.Extensions) >= maxExtensions {
			return errors.New("tlsprobe: parse ClientHello: too many extensions")
		}
		h.Extensions = append(h.Extensions, kind)
		if repeated || !h.parseExtension(kind, data) {
			h.Malformed = append(h.Malformed, kind)
		}
	}
	return nil
}

// parseExtension takes what we know of one extension. It reports whether the
// content has the form that the standard gives it.
func (h *ClientHello) parseExtension(kind uint16, data cryptobyte.String) bool {
	switch kind {
	case extServerName: // RFC 6066, Section 3
		var list cryptobyte.String
		if !data.ReadUint16LengthPrefixed(&list) || list.Empty() || !data.Empty() {
			return false
		}
		for !list.Empty() {
			var t uint8
			var name cryptobyte.String
			if !list.ReadUint8(&t) || !list.ReadUint16LengthPrefixed(&name) || name.Empty() {
				return false
			}
			if t == 0 && h.ServerName == "" {
				h.ServerName = string(name)
			}
		}
		return true
	case extALPN: // RFC 7301, Section 3.1
		var list cryptobyte.String
		if !data.ReadUint16LengthPrefixed(&list) || list.Empty() || !data.Empty() {
			return false
		}
		for !list.Empty() {
			var name cryptobyte.String
			if !list.ReadUint8LengthPrefixed(&name) || name.Empty() || len(h.ALPN) >= maxALPN {
				return false
			}
			if len(name) == 2 && isGREASE(uint16(name[0])<<8|uint16(name[1])) {
				continue
			}
			h.ALPN = append(h.ALPN, string(name))
		}
		return true
	case extGroups: // RFC 8422, Section 5.1.1
		return readNumbers16(data, &h.Groups)
	case extSignatureAlgorithms: // RFC 8446, Section 4.2.3
		return readNumbers16(data, &h.SignatureAlgorithms)
	case extPointFormats: // RFC 8422, Section 5.1.2
		var list cryptobyte.String
		if !data.ReadUint8LengthPrefixed(&list) || !data.Empty() {
			return false
		}
		h.PointFormats = slices.Clone(list)
		return len(list) > 0
	case extSupportedVersions: // RFC 8446, Section 4.2.1
		var list cryptobyte.String
		if !data.ReadUint8LengthPrefixed(&list) || !data.Empty() || list.Empty() || len(list)%2 != 0 {
			return false
		}
		for _, n := range numbers(list) {
			h.Versions = append(h.Versions, Version(n))
		}
		return true
	case extKeyShare: // RFC 8446, Section 4.2.8
		var list cryptobyte.String
		if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() {
			return false
		}
		for !list.Empty() {
			var group uint16
			var key cryptobyte.String
			if !list.ReadUint16(&group) || !list.ReadUint16LengthPrefixed(&key) || key.Empty() {
				return false
			}
			if !isGREASE(group) {
				h.KeyShares = append(h.KeyShares, group)
			}
		}
		return true
	}
	return true
}

// parseSSLv2Hello parses the CLIENT-HELLO of SSL 2.0 (RFC 5246,
// Appendix E.2), without its two octets of length.
func parseSSLv2Hello(message []byte) (*ClientHello, bool) {
	s := cryptobyte.String(message)
	h := &ClientHello{SSLv2: true, Size: len(message)}
	var kind uint8
	var suites, id, challenge uint16
	if !s.ReadUint8(&kind) || kind != 1 || !s.ReadUint16((*uint16)(&h.Legacy)) ||
		!s.ReadUint16(&suites) || !s.ReadUint16(&id) || !s.ReadUint16(&challenge) {
		return nil, false
	}
	if h.Legacy != SSL20 && h.Legacy>>8 != 3 {
		return nil, false
	}
	h.Record = SSL20
	var list, rest []byte
	if suites%3 != 0 || id > 32 || challenge < 16 || challenge > 32 ||
		!s.ReadBytes(&list, int(suites)) || !s.ReadBytes(&h.SessionID, int(id)) ||
		!s.ReadBytes(&rest, int(challenge)) || !s.Empty() {
		return nil, false
	}
	h.SessionID = slices.Clone(h.SessionID)
	copy(h.Random[32-len(rest):], rest) // RFC 5246, Appendix E.2: padded on the left
	for i := 0; i < len(list); i += 3 {
		if list[i] != 0 {
			h.SSLv2Suites = append(h.SSLv2Suites, uint32(list[i])<<16|uint32(list[i+1])<<8|uint32(list[i+2]))
		} else {
			h.Suites = append(h.Suites, uint16(list[i+1])<<8|uint16(list[i+2]))
		}
	}
	return h, true
}

// numbers reads a list of even length, GREASE left out; nil if nothing is
// left.
func numbers(list []byte) []uint16 {
	var all []uint16
	for ; len(list) >= 2; list = list[2:] {
		if n := uint16(list[0])<<8 | uint16(list[1]); !isGREASE(n) {
			all = append(all, n)
		}
	}
	return all
}

func readNumbers16(data cryptobyte.String, out *[]uint16) bool {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || list.Empty() || len(list)%2 != 0 {
		return false
	}
	*out = numbers(list)
	return true
}

// Max is the highest version that the client offers (RFC 8446,
// Section 4.2.1). Versions that we do not know count only if there is no
// other.
func (h *ClientHello) Max() Version {
	if len(h.Versions) == 0 {
		return h.Legacy
	}
	var highest Version
	for _, v := range h.Versions {
		if v.Known() && v > highest {
			highest = v
		}
	}
	if highest == 0 {
		return h.Versions[0]
	}
	return highest
}

// ja4 is FoxIO's fingerprint JA4 of a TLS client over TCP.
func (h *ClientHello) ja4() string {
	var b strings.Builder
	b.WriteByte('t')
	switch h.Max() {
	case TLS13:
		b.WriteString("13")
	case TLS12:
		b.WriteString("12")
	case TLS11:
		b.WriteString("11")
	case TLS10:
		b.WriteString("10")
	case SSL30:
		b.WriteString("s3")
	case SSL20:
		b.WriteString("s2")
	default:
		b.WriteString("00")
	}
	if slices.Contains(h.Extensions, extServerName) {
		b.WriteByte('d')
	} else {
		b.WriteByte('i')
	}
	fmt.Fprintf(&b, "%02d%02d", min(len(h.Suites), 99), min(len(h.Extensions), 99))
	b.WriteString(ja4ALPN(h.ALPN))

	suites := slices.Sorted(slices.Values(h.Suites))
	b.WriteByte('_')
	b.WriteString(ja4Hash(hexList(suites)))

	rest := slices.DeleteFunc(slices.Sorted(slices.Values(h.Extensions)), func(e uint16) bool {
		return e == extServerName || e == extALPN
	})
	list := hexList(rest)
	if len(h.SignatureAlgorithms) > 0 {
		list += "_" + hexList(h.SignatureAlgorithms)
	}
	b.WriteByte('_')
	if len(h.Extensions) == 0 {
		list = ""
	}
	b.WriteString(ja4Hash(list))
	return b.String()
}

// ja4ALPN is the first and the last character of the first protocol, or of its
// hexadecimal form if they are no letters or digits.
func ja4ALPN(protocols []string) string {
	if len(protocols) == 0 {
		return "00"
	}
	p := protocols[0]
	plain := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	if !plain(p[0]) || !plain(p[len(p)-1]) {
		p = hex.EncodeToString([]byte(p))
	}
	return string(p[0]) + string(p[len(p)-1])
}

func ja4Hash(list string) string {
	if list == "" {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(list))
	return hex.EncodeToString(sum[:6])
}

func hexList(list []uint16) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%04x", n)
	}
	return b.String()
}

// Describe says in sentences for people what the hello offers and what is
// remarkable about it, the most important first. Each begins with a verb, so
// that "the client" or "it" can stand before it; none ends with a full stop.
// Whatever came from the client is quoted.
func (h *ClientHello) Describe() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }

	switch {
	case len(h.Versions) > 0:
		names := make([]string, 0, len(h.Versions))
		for _, v := range h.Versions[:min(len(h.Versions), 8)] {
			names = append(names, v.String())
		}
		add("offers %s", listed(names))
	default:
		add("offers %s at most", h.Legacy)
	}
	if h.SSLv2 {
		add("speaks in the framing of SSL 2.0, which most servers no longer understand")
	}
	switch {
	case h.ServerName != "":
		add("asks for the server name %s (SNI)", strconv.Quote(h.ServerName))
	case slices.Contains(h.Malformed, extServerName):
		add("has a server name (SNI) that cannot be read")
	default:
		add("has no server name (SNI)")
	}
	h.describeSuites(add)
	if len(h.Extensions) == 0 && !h.SSLv2 {
		add("has no extensions at all")
	}
	if h.Max() == TLS12 && len(h.Versions) == 0 && !slices.Contains(h.Extensions, extSignatureAlgorithms) {
		add("does not say which signatures it can check, so the server must assume SHA-1 (RFC 5246, Section 7.4.1.4.1)")
	} else if n := len(h.SignatureAlgorithms); n > 0 && !slices.ContainsFunc(h.SignatureAlgorithms, beyondSHA1) {
		add("can check only signatures with MD5 and SHA-1")
	}
	if len(h.ALPN) > 0 {
		names := make([]string, 0, len(h.ALPN))
		for _, p := range h.ALPN[:min(len(h.ALPN), 8)] {
			names = append(names, strconv.Quote(p))
		}
		add("wants to speak %s (ALPN)", strings.Join(names, " or "))
	}
	if slices.Contains(h.Suites, FallbackSCSV) {
		add("is a second try with an older version after a failure (TLS_FALLBACK_SCSV, RFC 7507)")
	}
	if slices.ContainsFunc(h.Groups, postQuantum) {
		add("offers a post-quantum key exchange")
	}
	if h.Size > 1400 {
		add("is %d octets long and needs more than one TCP segment, which some boxes in between cannot take", h.Size)
	}
	for _, e := range h.Malformed[:min(len(h.Malformed), 4)] {
		if e != extServerName {
			add("has an extension %d that is malformed or repeated", e)
		}
	}
	return all
}

func (h *ClientHello) describeSuites(add func(string, ...any)) {
	var suites, weak, modern, forward int
	var reasons []string
	for _, id := range h.Suites {
		if id == RenegotiationSCSV || id == FallbackSCSV {
			continue
		}
		suites++
		s, ok := LookupSuite(id)
		switch {
		case !ok:
			continue
		case s.Weak != "":
			weak++
			kind := weakKind(s.Name)
			if !slices.Contains(reasons, kind) {
				reasons = append(reasons, kind)
			}
		}
		if s.From >= TLS12 && !strings.Contains(s.Name, "_CBC_") {
			modern++
		}
		if s.From >= TLS13 || strings.Contains(s.Name, "DHE_") {
			forward++
		}
	}
	switch {
	case suites == 0 && len(h.SSLv2Suites) > 0:
		add("offers %d cipher suites, all of them of SSL 2.0", len(h.SSLv2Suites))
	case suites == 0:
		add("offers no cipher suite")
	case weak == suites:
		add("offers %d cipher suites, all of them weak (%s)", suites, listed(reasons))
	case weak > 0:
		add("offers %d cipher suites, %d of them weak (%s)", suites, weak, listed(reasons))
	default:
		add("offers %d cipher suites", suites)
	}
	if suites > 0 && modern == 0 {
		add("offers no authenticated encryption (GCM, CCM or ChaCha20), only what TLS 1.1 and older had or CBC")
	}
	if suites > 0 && forward == 0 {
		add("offers no forward secrecy")
	}
}

// weakKind is the word by which people know what is weak about a suite.
func weakKind(name string) string {
	for _, k := range []struct{ part, kind string }{
		{"_NULL_", "no encryption"},
		{"_anon_", "no authentication"},
		{"EXPORT", "export"},
		{"RC4", "RC4"},
		{"RC2", "RC2"},
		{"3DES", "3DES"},
		{"DES", "DES"},
		{"IDEA", "IDEA"},
		{"MD5", "MD5"},
	} {
		if strings.Contains(name, k.part) {
			return k.kind
		}
	}
	return "other"
}

// beyondSHA1 reports whether a signature algorithm uses a hash newer than
// SHA-1 (RFC 5246, Section 7.4.1.4.1: the first octet is the hash up to TLS
// 1.2; from 7 on RFC 8446, Section 4.2.3).
func beyondSHA1(algorithm uint16) bool { return algorithm>>8 > 2 }

// postQuantum are the hybrid groups with ML-KEM (RFC 9794's term) and the
// Kyber draft that browsers had before.
func postQuantum(group uint16) bool {
	switch group {
	case 0x11eb, 0x11ec, 0x11ed, 0x6399, 0x639a, 0x0200, 0x0201, 0x0202:
		return true
	}
	return false
}

// listed joins words as people do: "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
