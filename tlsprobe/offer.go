package tlsprobe

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/sha512"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
)

// Groups that keys can be made for (RFC 8446, Section 4.2.7, and
// draft-ietf-tls-ecdhe-mlkem).
const (
	GroupP256           uint16 = 23
	GroupP384           uint16 = 24
	GroupP521           uint16 = 25
	GroupX25519         uint16 = 29
	GroupX25519MLKEM768 uint16 = 0x11ec
)

// An Offer is a hello to be sent. The zero value of a field means what a client
// of that age would send; an empty but non-nil slice means nothing.
type Offer struct {
	// Versions are what the client accepts, in any order. Up to TLS 1.2 only
	// the highest shows in the hello; with TLS 1.3 all of them do. SSL 2.0
	// alone is offered in its own framing.
	Versions []Version
	Suites   []uint16
	// ServerName is sent as SNI unless it is empty. SSL 3.0 alone has no
	// extensions, so it cannot say it.
	ServerName          string
	ALPN                []string
	Groups              []uint16
	SignatureAlgorithms []uint16
	PointFormats        []byte
	// KeyShares are the groups that a key is sent for with TLS 1.3: any of the
	// five above.
	KeyShares []uint16
	// Extensions are all extensions in the order in which they stand in the
	// hello. Those that have nothing to say (a server name where there is none)
	// are left out.
	Extensions  []uint16
	SessionID   []byte // nil: 32 octets with TLS 1.3 (RFC 8446, Appendix D.4), else none
	Compression []byte // nil: none, as one octet of 0
	Record      Version
	// GREASE puts the values of RFC 8701 where Chrome has them.
	GREASE bool
	// Pad makes the message at least so long by the padding extension
	// (RFC 7685), 0 for as it is.
	Pad int
}

// Max is the highest version of the offer, 0 if it has none.
func (o *Offer) Max() Version {
	if len(o.Versions) == 0 {
		return 0
	}
	return slices.Max(o.Versions)
}

// Accepts reports whether a client of this offer would go on after h: it has
// offered the version and the suite.
func (o *Offer) Accepts(h *ServerHello) bool {
	if h == nil || !slices.Contains(o.Versions, h.Version) {
		return false
	}
	return h.Version == SSL20 || slices.Contains(o.Suites, h.Suite)
}

// Marshal returns the hello in its record, or in several if it is longer than
// one may be. The same random gives the same octets: the keys for TLS 1.3 are
// made from it. They are real keys, so that a server goes on as it would with
// any client, but they protect nothing, as no handshake is ever completed.
//
// It returns nil if a field is longer than its length prefix can say.
func (o *Offer) Marshal(random [32]byte) []byte {
	if o.Max() == SSL20 {
		return o.marshalSSLv2(random)
	}
	message, err := o.message(random)
	if err != nil {
		return nil
	}
	record := o.Record
	if record == 0 {
		record = min(o.Max(), TLS10)
	}
	var out []byte
	for len(message) > 0 {
		n := min(len(message), 1<<14) // RFC 8446, Section 5.1
		out = append(out, recordHandshake, byte(record>>8), byte(record), byte(n>>8), byte(n))
		out = append(out, message[:n]...)
		message = message[n:]
	}
	return out
}

// sslv2Suites are all cipher specs of SSL 2.0.
var sslv2Suites = []uint32{0x010080, 0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700c0, 0x080080}

func (o *Offer) marshalSSLv2(random [32]byte) []byte {
	n := 9 + 3*len(sslv2Suites) + 16
	out := []byte{
		0x80 | byte(n>>8), byte(n), 1, 0, 2,
		0, byte(3 * len(sslv2Suites)), 0, 0, 0, 16,
	}
	for _, s := range sslv2Suites {
		out = append(out, byte(s>>16), byte(s>>8), byte(s))
	}
	return append(out, random[:16]...)
}

func (o *Offer) message(random [32]byte) ([]byte, error) {
	id := o.SessionID
	if id == nil && o.Max() >= TLS13 {
		seed := derive(random, "session ID")
		id = seed[:32]
	}
	suites := o.Suites
	if o.GREASE {
		suites = append([]uint16{grease(random, 0)}, suites...)
	}
	compression := o.Compression
	if compression == nil {
		compression = []byte{0}
	}
	before := 4 + 2 + 32 + 1 + len(id) + 2 + 2*len(suites) + 1 + len(compression) + 2
	extensions, err := o.extensions(random, before)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(1)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(min(o.Max(), TLS12)))
		b.AddBytes(random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(id) })
		addNumbers(b, suites)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(compression) })
		if len(extensions) > 0 {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
		}
	})
	return b.Bytes()
}

// extensions are the extensions without their common length. before is how
// long the message is up to there.
func (o *Offer) extensions(random [32]byte, before int) ([]byte, error) {
	order := o.Extensions
	if order == nil {
		order = o.usualExtensions()
	}
	b := cryptobyte.NewBuilder(nil)
	length := before
	add := func(kind uint16, content []byte) {
		b.AddUint16(kind)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(content) })
		length += 4 + len(content)
	}
	if o.GREASE {
		add(grease(random, 2), nil)
	}
	for _, kind := range order {
		if kind == extPadding {
			continue
		}
		content, ok, err := o.extension(kind, random)
		if err != nil {
			return nil, err
		}
		if ok {
			add(kind, content)
		}
	}
	if o.GREASE {
		add(grease(random, 3), []byte{0})
	}
	without := length
	if without == before {
		without -= 2 // there is not even their common length
	}
	if o.Pad > without {
		add(extPadding, make([]byte, max(o.Pad-length-4, 0)))
	}
	return b.Bytes()
}

// usualExtensions are what a plain client of the offer's age sends.
func (o *Offer) usualExtensions() []uint16 {
	highest := o.Max()
	if highest <= SSL30 {
		return nil
	}
	order := []uint16{extServerName, extRenegotiation}
	if o.elliptic() {
		order = append(order, extGroups, extPointFormats)
	}
	if highest >= TLS12 {
		order = append(order, extSignatureAlgorithms)
	}
	order = append(order, extALPN)
	if highest >= TLS13 {
		order = append(order, extSupportedVersions, extPSKModes, extKeyShare)
	}
	return order
}

// elliptic reports whether the offer has suites that need a group.
func (o *Offer) elliptic() bool {
	return o.Max() >= TLS13 || slices.ContainsFunc(o.Suites, func(id uint16) bool {
		return id >= 0xc001 && id <= 0xc019 || id >= 0xc023 && id <= 0xc03b || id >= 0xc048 && id <= 0xd005
	})
}

// extension is the content of one extension; ok is false if the offer has
// nothing to say in it. Those that are only a flag, or that we have no opinion
// on, have the content that clients commonly send.
func (o *Offer) extension(kind uint16, random [32]byte) (content []byte, ok bool, err error) {
	b := cryptobyte.NewBuilder(nil)
	switch kind {
	case extServerName:
		if o.ServerName == "" {
			return nil, false, nil
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint8(0)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.ServerName)) })
		})
	case extALPN:
		if len(o.ALPN) == 0 {
			return nil, false, nil
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, p := range o.ALPN {
				b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(p)) })
			}
		})
	case extGroups:
		list := o.groups()
		if o.GREASE {
			list = append([]uint16{grease(random, 1)}, list...)
		}
		if len(list) == 0 {
			return nil, false, nil
		}
		addNumbers(b, list)
	case extSignatureAlgorithms, extSignaturesCert:
		list := o.SignatureAlgorithms
		if list == nil {
			list = usualSignatures
		}
		if len(list) == 0 {
			return nil, false, nil
		}
		addNumbers(b, list)
	case extPointFormats:
		list := o.PointFormats
		if list == nil {
			list = []byte{0} // uncompressed, which all must have (RFC 8422, Section 5.1.2)
		}
		if len(list) == 0 {
			return nil, false, nil
		}
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(list) })
	case extSupportedVersions:
		list := slices.Sorted(slices.Values(o.Versions))
		slices.Reverse(list)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			if o.GREASE {
				b.AddUint16(grease(random, 4))
			}
			for _, v := range list {
				b.AddUint16(uint16(v))
			}
		})
	case extKeyShare:
		if err := o.addKeyShares(b, random); err != nil {
			return nil, false, err
		}
	case extPSKModes:
		b.AddBytes([]byte{1, 1}) // psk_dhe_ke (RFC 8446, Section 4.2.9)
	case extStatusRequest:
		b.AddBytes([]byte{1, 0, 0, 0, 0}) // OCSP, any responder (RFC 6066, Section 8)
	case extStatusRequestV2:
		b.AddBytes([]byte{0, 7, 2, 0, 4, 0, 0, 0, 0}) // ocsp_multi (RFC 6961, Section 2.2)
	case extRenegotiation:
		b.AddBytes([]byte{0}) // no renegotiation (RFC 5746, Section 3.4)
	case extHeartbeat:
		b.AddBytes([]byte{1}) // the peer may send (RFC 6520, Section 2)
	case extCompressCertificate:
		b.AddBytes([]byte{2, 0, 2}) // brotli (RFC 8879, Section 3)
	case extRecordSizeLimit:
		b.AddBytes([]byte{0x40, 1}) // 2^14 + 1 (RFC 8449, Section 4)
	case extDelegated:
		addNumbers(b, []uint16{0x0403, 0x0503, 0x0603, 0x0203}) // as Firefox (RFC 9345)
	case extOldALPS, extALPS:
		b.AddBytes([]byte{0, 3, 2, 'h', '2'})
	case extECH:
		b.AddBytes(greaseECH(random))
	case extPreSharedKey:
		return nil, false, nil // there is no session to resume
	}
	content, err = b.Bytes()
	return content, true, err
}

// usualGroups are all groups that a server could want, usualGroups13 those for
// TLS 1.3. Finite-field groups are left out before TLS 1.3, where offering them
// makes some servers refuse DHE suites (RFC 7919, Section 4). The post-quantum
// ones are left out because servers that prefer them would ask for a key first.
var (
	usualGroups     = []uint16{GroupX25519, GroupP256, GroupP384, GroupP521, 30, 26, 27, 28, 22, 21, 20, 19}
	usualGroups13   = []uint16{GroupX25519, GroupP256, GroupP384, GroupP521, 30, 31, 32, 33, 256, 257, 258, 259, 260, 41}
	usualKeyShares  = []uint16{GroupX25519, GroupP256}
	usualSignatures = []uint16{
		0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
		0x081a, 0x081b, 0x081c, 0x0708, 0x0401, 0x0501, 0x0601, 0x0402, 0x0502, 0x0602,
		0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202, 0x0101,
	}
)

func (o *Offer) groups() []uint16 {
	switch {
	case o.Groups != nil:
		return o.Groups
	case o.Max() >= TLS13:
		return usualGroups13
	}
	return usualGroups
}

func (o *Offer) addKeyShares(b *cryptobyte.Builder, random [32]byte) error {
	groups := o.KeyShares
	if groups == nil {
		groups = usualKeyShares
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if o.GREASE {
			b.AddUint16(grease(random, 1))
			b.AddBytes([]byte{0, 1, 0})
		}
		for _, group := range groups {
			key, err := publicKey(group, random)
			if err != nil {
				b.SetError(err)
				return
			}
			b.AddUint16(group)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(key) })
		}
	})
	_, err := b.Bytes()
	return err
}

// publicKey makes the public key of a group from random.
func publicKey(group uint16, random [32]byte) ([]byte, error) {
	var curve ecdh.Curve
	size := 32
	switch group {
	case GroupX25519MLKEM768:
		seed := derive(random, "ML-KEM-768")
		key, err := mlkem.NewDecapsulationKey768(seed[:])
		if err != nil {
			return nil, fmt.Errorf("tlsprobe: make a key for group %d: %w", group, err)
		}
		rest, err := publicKey(GroupX25519, random)
		return append(key.EncapsulationKey().Bytes(), rest...), err
	case GroupX25519:
		curve = ecdh.X25519()
	case GroupP256:
		curve = ecdh.P256()
	case GroupP384:
		curve, size = ecdh.P384(), 48
	case GroupP521:
		curve, size = ecdh.P521(), 66
	default:
		return nil, fmt.Errorf("tlsprobe: make a key for group %d: this group cannot have one", group)
	}
	seed := derive(random, "group "+strconv.Itoa(int(group)))
	scalar := make([]byte, size)
	// With the first octet cleared the scalar is less than the order of any of
	// the curves, which all begin with ones, or with 0x01ff for P-521.
	copy(scalar[1:], seed[:])
	key, err := curve.NewPrivateKey(scalar)
	if err != nil {
		return nil, fmt.Errorf("tlsprobe: make a key for group %d: %w", group, err)
	}
	return key.PublicKey().Bytes(), nil
}

// derive makes octets for one use of random.
func derive(random [32]byte, use string) [64]byte {
	return sha512.Sum512(append(random[:], use...))
}

// grease picks one of the 16 values of RFC 8701, another one for every use.
func grease(random [32]byte, use int) uint16 {
	n := (uint16(random[0])+uint16(use)*3)&0x0f<<4 | 0x0a
	return n<<8 | n
}

// greaseECH is the extension that clients without an ECH key send, so that
// those with one do not stand out (RFC 9849, Section 6.2).
func greaseECH(random [32]byte) []byte {
	a, c := derive(random, "ECH 1"), derive(random, "ECH 2")
	out := []byte{0, 0, 1, 0, 1, a[32], 0, 32} // outer, HKDF-SHA256, AES-128-GCM, config ID
	out = append(out, a[:32]...)
	payload := make([]byte, 0, 144)
	for len(payload) < 144 {
		payload = append(payload, c[:min(64, 144-len(payload))]...)
		c = sha512.Sum512(c[:])
	}
	return append(append(out, 0, 144), payload...)
}

func addNumbers(b *cryptobyte.Builder, list []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, n := range list {
			b.AddUint16(n)
		}
	})
}
