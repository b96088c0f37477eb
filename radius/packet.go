// Package radius speaks RADIUS: it parses, signs and verifies packets, runs
// the server's UDP loop, and is a client of other RADIUS servers.
//
// It hides what makes RADIUS hard to run safely: the Message-Authenticator
// that keeps answers from being forged (RFC 2869, RFC 3579 and the defence
// against CVE-2024-3596), the duplicate detection and reply cache that keep a
// retransmission from being taken for a second login (RFC 5080, Section
// 2.2.2), the limits that keep one device from starving the others, and the
// keep-alive query (RFC 5997). The packet format is RFC 2865, with the tunnel
// attributes of RFC 2868 and the extended attributes of RFC 6929.
//
// It knows nothing of accounts, verdicts or policy. A [Handler] says whom a
// source address belongs to and what the answer is; silence is an answer too.
package radius

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits of a packet. The sizes are those of RFC 2865, Section 3; the
// attribute count is ours, so that a packet full of two-octet attributes costs
// no more than an ordinary one.
const (
	MinPacketSize = 20
	MaxPacketSize = 4096
	MaxAttributes = 200

	headerSize = 20
)

// A Code says what a packet is (RFC 2865, Section 3).
type Code uint8

// The codes this package acts on. All others parse, and a server is silent
// about them.
const (
	AccessRequest      Code = 1
	AccessAccept       Code = 2
	AccessReject       Code = 3
	AccountingRequest  Code = 4
	AccountingResponse Code = 5
	AccessChallenge    Code = 11
	StatusServer       Code = 12 // RFC 5997
)

// String gives the standard's name of c, or its number.
func (c Code) String() string {
	switch c {
	case AccessRequest:
		return "Access-Request"
	case AccessAccept:
		return "Access-Accept"
	case AccessReject:
		return "Access-Reject"
	case AccountingRequest:
		return "Accounting-Request"
	case AccountingResponse:
		return "Accounting-Response"
	case AccessChallenge:
		return "Access-Challenge"
	case StatusServer:
		return "Status-Server"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// A MalformedError says why octets are not a RADIUS packet. The reasons are a
// small fixed set and hold nothing of the packet, so they may be counted,
// compared and shown.
type MalformedError string

// Error gives the reason in words.
func (e MalformedError) Error() string { return "radius: malformed packet: " + string(e) }

const (
	errShort          MalformedError = "shorter than the 20-octet header"
	errLengthLow      MalformedError = "its Length field is below 20"
	errLengthHigh     MalformedError = "its Length field is above 4096"
	errTruncated      MalformedError = "its Length field is larger than what was received"
	errAttributeShort MalformedError = "an attribute has a length of 0 or 1"
	errAttributeLong  MalformedError = "an attribute reaches past the end of the packet"
	errAttributeZero  MalformedError = "an attribute of type 0"
	errAttributeMany  MalformedError = "more than 200 attributes"
	errMASize         MalformedError = "a Message-Authenticator that is not 18 octets long"
	errMATwice        MalformedError = "more than one Message-Authenticator"
	errMixedEAP       MalformedError = "an EAP-Message beside a password or response"
	errReusedID       MalformedError = "a retransmission whose octets differ from the first sending"
)

// Errors of encoding.
var (
	errTooLong        = errors.New("radius: encode packet: longer than 4096 octets")
	errAttributeValue = errors.New("radius: encode packet: an attribute value is longer than 253 octets")
)

// A Packet is one RADIUS packet.
//
// A parsed packet does not copy: its attributes are views into the octets it
// was parsed from, which must stay unchanged as long as the packet is in use.
// The zero Packet is empty and may be filled by hand or by Parse; parsing into
// the same Packet again reuses its memory. A Packet must not be used from two
// goroutines at once while one of them changes it.
type Packet struct {
	Code       Code
	Identifier uint8
	// Authenticator is the Request Authenticator in a request and the
	// Response Authenticator in a reply.
	Authenticator [16]byte
	Attributes    []Attribute

	// raw is what Parse read, without padding; signatures are checked against
	// it. mac is where the value of its Message-Authenticator begins, or 0.
	raw []byte
	mac int
}

// Parse reads b as one datagram. The error is a [MalformedError].
func Parse(b []byte) (*Packet, error) {
	p := new(Packet)
	if err := p.Parse(b); err != nil {
		return nil, err
	}
	return p, nil
}

// Parse reads b as one datagram into p, replacing what p held. Octets beyond
// the Length field are padding and ignored; a datagram shorter than its Length
// field is refused (RFC 2865, Section 3). The error is a [MalformedError], and
// p is then empty. Parse judges only form: no signature has been checked.
func (p *Packet) Parse(b []byte) error {
	attributes := p.Attributes[:0]
	*p = Packet{Attributes: attributes}
	if len(b) < headerSize {
		return errShort
	}
	length := int(binary.BigEndian.Uint16(b[2:4]))
	switch {
	case length < headerSize:
		return errLengthLow
	case length > MaxPacketSize:
		return errLengthHigh
	case length > len(b):
		return errTruncated
	}
	b = b[:length:length]
	mac := 0
	for at := headerSize; at < length; {
		if length-at < 2 {
			return errAttributeLong
		}
		size := int(b[at+1])
		// A size of 0 would never move on (CVE-2021-29629).
		if size < 2 {
			return errAttributeShort
		}
		if size > length-at {
			return errAttributeLong
		}
		// No attribute has this type, and an encoder could not be told from a
		// buffer that was never filled.
		if b[at] == 0 {
			return errAttributeZero
		}
		if len(attributes) == MaxAttributes {
			return errAttributeMany
		}
		if Type(b[at]) == MessageAuthenticator {
			if size != 2+macSize {
				return errMASize
			}
			if mac != 0 {
				return errMATwice
			}
			mac = at + 2
		}
		attributes = append(attributes, Attribute{Type: Type(b[at]), Value: b[at+2 : at+size : at+size]})
		at += size
	}
	p.Code = Code(b[0])
	p.Identifier = b[1]
	copy(p.Authenticator[:], b[4:headerSize])
	p.Attributes = attributes
	p.raw, p.mac = b, mac
	return nil
}

// Append appends the octets of p to dst as they are, unsigned: to sign, use
// [Secret.SignRequest] or [Secret.SignResponse]. It fails if an attribute is
// longer than 253 octets or the packet longer than 4096.
func (p *Packet) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = appendHeader(dst, p)
	dst, err := appendAttributes(dst, start, p.Attributes, false)
	if err != nil {
		return dst[:start], err
	}
	return finishLength(dst, start), nil
}

// appendHeader appends everything before the attributes, with Length zero.
func appendHeader(dst []byte, p *Packet) []byte {
	dst = append(dst, byte(p.Code), p.Identifier, 0, 0)
	return append(dst, p.Authenticator[:]...)
}

// appendAttributes appends attributes to the packet that began at dst[start],
// leaving out any Message-Authenticator if the caller has put its own first.
func appendAttributes(dst []byte, start int, attributes []Attribute, withoutMAC bool) ([]byte, error) {
	for _, a := range attributes {
		if withoutMAC && a.Type == MessageAuthenticator {
			continue
		}
		if len(a.Value) > maxValue {
			return dst, errAttributeValue
		}
		if len(dst)-start+2+len(a.Value) > MaxPacketSize {
			return dst, errTooLong
		}
		dst = append(dst, byte(a.Type), byte(2+len(a.Value)))
		dst = append(dst, a.Value...)
	}
	return dst, nil
}

func finishLength(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+2:], uint16(len(dst)-start))
	return dst
}

// Get returns the value of the first attribute of type t.
func (p *Packet) Get(t Type) ([]byte, bool) {
	for i := range p.Attributes {
		if p.Attributes[i].Type == t {
			return p.Attributes[i].Value, true
		}
	}
	return nil, false
}

// Add appends an attribute. The value is not copied.
func (p *Packet) Add(t Type, value []byte) {
	p.Attributes = append(p.Attributes, Attribute{Type: t, Value: value})
}

// HasMessageAuthenticator reports whether p was parsed from octets that hold a
// Message-Authenticator. It does not say that its value is right.
func (p *Packet) HasMessageAuthenticator() bool { return p.mac != 0 }

// Credentials is the set of ways in which a request says who is there. More
// than one bit is a request that means different things to different readers,
// which has let people skip a factor elsewhere (CVE-2023-39930): refuse it.
type Credentials uint8

// The ways of RFC 2865 (PAP, CHAP), RFC 2548 (MS-CHAP), RFC 2869 (ARAP) and
// RFC 3579 (EAP). Repeated is set if an attribute that may stand once stands
// twice: User-Name, User-Password, CHAP-Password, State, or a Microsoft
// response.
const (
	PAP Credentials = 1 << iota
	CHAP
	MSCHAP
	MSCHAPv2
	ARAP
	EAP
	Repeated
)

// Credentials returns which credentials p carries; 0 if none.
func (p *Packet) Credentials() Credentials {
	var c Credentials
	note := func(bit Credentials) {
		if c&bit != 0 {
			c |= Repeated
		}
		c |= bit
	}
	names, states := 0, 0
	for i := range p.Attributes {
		a := &p.Attributes[i]
		switch a.Type {
		case UserName:
			names++
		case State:
			states++
		case UserPassword:
			note(PAP)
		case CHAPPassword:
			note(CHAP)
		case arapPassword:
			note(ARAP)
		case EAPMessage:
			c |= EAP // split over several attributes by design
		case VendorSpecific:
			for sub := range a.Vendor(VendorMicrosoft) {
				switch sub.Type {
				case 1:
					note(MSCHAP)
				case 25:
					note(MSCHAPv2)
				}
			}
		}
	}
	if names > 1 || states > 1 {
		c |= Repeated
	}
	return c
}
