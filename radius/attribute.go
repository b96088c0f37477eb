package radius

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"
	"unicode/utf8"
)

// maxValue is what fits in one attribute: its length octet counts itself and
// the type (RFC 2865, Section 5).
const maxValue = 253

// A Type is the number of an attribute; its String is the standard's name.
type Type uint8

// The attributes that this package or its callers read or write by themselves.
// The dictionary knows more by name; see [Lookup].
const (
	UserName             Type = 1
	UserPassword         Type = 2
	CHAPPassword         Type = 3
	NASIPAddress         Type = 4
	NASPort              Type = 5
	ServiceType          Type = 6
	FramedIPAddress      Type = 8
	FilterID             Type = 11
	ReplyMessage         Type = 18
	State                Type = 24
	Class                Type = 25
	VendorSpecific       Type = 26
	SessionTimeout       Type = 27
	CalledStationID      Type = 30
	CallingStationID     Type = 31
	NASIdentifier        Type = 32
	ProxyState           Type = 33
	AcctSessionID        Type = 44
	CHAPChallenge        Type = 60
	NASPortType          Type = 61
	TunnelType           Type = 64
	TunnelMediumType     Type = 65
	ConnectInfo          Type = 77
	EAPMessage           Type = 79
	MessageAuthenticator Type = 80
	TunnelPrivateGroupID Type = 81
	NASPortID            Type = 87
	NASIPv6Address       Type = 95
	ErrorCause           Type = 101
	FramedIPv6Address    Type = 168

	arapPassword   Type = 70
	tunnelPassword Type = 69
)

// VendorMicrosoft is the enterprise number under which RFC 2548 keeps MS-CHAP.
const VendorMicrosoft = 311

// An Attribute is one attribute as it stands in a packet, without its length.
// Value may be at most 253 octets; of a parsed packet it is a view.
type Attribute struct {
	Type  Type
	Value []byte
}

// Text makes an attribute of a string.
func Text(t Type, s string) Attribute { return Attribute{Type: t, Value: []byte(s)} }

// Integer makes an attribute of a 32-bit number.
func Integer(t Type, n uint32) Attribute {
	return Attribute{Type: t, Value: binary.BigEndian.AppendUint32(nil, n)}
}

// Integer reads the value as a 32-bit number; false if it is not four octets.
func (a Attribute) Integer() (uint32, bool) {
	if len(a.Value) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(a.Value), true
}

// Address reads the value as an IPv4 or IPv6 address; false if it is neither
// four nor sixteen octets.
func (a Attribute) Address() (netip.Addr, bool) { return netip.AddrFromSlice(a.Value) }

// VendorAttribute makes a Vendor-Specific attribute with one sub-attribute in
// the form that RFC 2865, Section 5.26 recommends and nearly every vendor uses.
// It fails if value is longer than 247 octets.
func VendorAttribute(vendor uint32, typ Type, value []byte) (Attribute, error) {
	if len(value) > maxVendorValue {
		return Attribute{}, errors.New("radius: encode vendor attribute: its value is longer than 247 octets")
	}
	v := make([]byte, 0, 6+len(value))
	v = binary.BigEndian.AppendUint32(v, vendor)
	v = append(v, byte(typ), byte(2+len(value)))
	return Attribute{Type: VendorSpecific, Value: append(v, value...)}, nil
}

const maxVendorValue = maxValue - 6

// Vendor yields the sub-attributes of a Vendor-Specific attribute of that
// vendor. It yields nothing for another attribute or vendor, nor if the
// content does not add up to whole sub-attributes: such content is opaque, not
// an error of the packet (RFC 2865, Section 5.26).
func (a Attribute) Vendor(vendor uint32) iter.Seq[Attribute] {
	return func(yield func(Attribute) bool) {
		id, subs, ok := a.vendorContent()
		if !ok || id != vendor {
			return
		}
		for len(subs) > 0 {
			size := int(subs[1])
			if !yield(Attribute{Type: Type(subs[0]), Value: subs[2:size:size]}) {
				return
			}
			subs = subs[size:]
		}
	}
}

// vendorContent splits the value of a Vendor-Specific attribute into vendor
// and sub-attributes; false unless it is exactly a sequence of them.
func (a Attribute) vendorContent() (vendor uint32, subs []byte, ok bool) {
	if a.Type != VendorSpecific || len(a.Value) < 6 {
		return 0, nil, false
	}
	subs = a.Value[4:]
	for rest := subs; len(rest) > 0; {
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return 0, nil, false
		}
		rest = rest[rest[1]:]
	}
	return binary.BigEndian.Uint32(a.Value), subs, true
}

// An ExtendedAttribute is one attribute of the extended space of RFC 6929,
// put together from its fragments.
type ExtendedAttribute struct {
	Space Type // 241 to 246
	Type  Type // within the space
	Value []byte
}

// Extended yields the attributes of the extended type space (RFC 6929) in
// their order. A long attribute is put together from fragments that follow one
// another directly; the result is never longer than the packet. An attribute
// that breaks the format ends as opaque octets nobody reads (RFC 6929, Section
// 2.8): it is left out, and malformed counts it.
func (p *Packet) Extended() (attributes []ExtendedAttribute, malformed int) {
	for i := 0; i < len(p.Attributes); i++ {
		a := p.Attributes[i]
		switch {
		case a.Type >= 241 && a.Type <= 244:
			// Extended-Type, then at least one octet of value.
			if len(a.Value) < 2 {
				malformed++
				continue
			}
			attributes = append(attributes, ExtendedAttribute{a.Type, Type(a.Value[0]), a.Value[1:]})
		case a.Type == 245 || a.Type == 246:
			// Extended-Type, flags, then at least one octet of value.
			whole := a.Value
			if len(whole) < 3 {
				malformed++
				continue
			}
			value, more := whole[2:], whole[1]&longMore != 0
			if more {
				value = append([]byte(nil), value...)
			}
			complete := true
			for more {
				// A fragment that announces another must be full, and the
				// other must be next and of the same type (Section 2.2).
				next := i + 1
				if len(p.Attributes[i].Value) != maxValue || next == len(p.Attributes) ||
					p.Attributes[next].Type != a.Type || len(p.Attributes[next].Value) < 3 ||
					p.Attributes[next].Value[0] != whole[0] {
					complete = false
					break
				}
				i = next
				value = append(value, p.Attributes[i].Value[2:]...)
				more = p.Attributes[i].Value[1]&longMore != 0
			}
			if !complete {
				malformed++
				continue
			}
			attributes = append(attributes, ExtendedAttribute{a.Type, Type(whole[0]), value})
		}
	}
	return attributes, malformed
}

// longMore is the M flag of RFC 6929, Section 2.2.
const longMore = 0x80

// appendMessage appends text as as many Reply-Message attributes as it needs,
// never cutting through a UTF-8 character. The values are views of text.
func appendMessage(dst []Attribute, text []byte) []Attribute {
	for len(text) > 0 {
		n := len(text)
		if n > maxValue {
			n = maxValue
			for n > maxValue-utf8.UTFMax && !utf8.RuneStart(text[n]) {
				n--
			}
		}
		dst = append(dst, Attribute{Type: ReplyMessage, Value: text[:n:n]})
		text = text[n:]
	}
	return dst
}
