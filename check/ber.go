package check

import (
	"errors"
	"fmt"
	"io"
)

// LDAP is written in BER with definite lengths (RFC 4511, Section 5.1).
// Servers write lengths in more octets than they need, which encoding/asn1
// refuses, so the few elements that are needed here are read by hand.

// Tags of the elements that are exchanged.
const (
	berBoolean     = 0x01
	berInteger     = 0x02
	berOctets      = 0x04
	berEnumerated  = 0x0a
	berSequence    = 0x30
	berSet         = 0x31
	ldapSearch     = 0x63 // [APPLICATION 3]
	ldapEntry      = 0x64
	ldapSearchDone = 0x65
	ldapExtended   = 0x77
	ldapExtendedOK = 0x78 // ExtendedResponse, whatever its result
	ldapName       = 0x80 // [0] requestName
	ldapPresent    = 0x87 // [7] the filter "has this attribute"
)

// maxElement is the longest message of LDAP that is read.
const maxElement = 256 << 10

var (
	errNotBER  = errors.New("it is not BER")
	errBERLong = errors.New("a message is longer than 256 KiB")
)

// ber writes one element.
func ber(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := []byte{tag}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// element is one element: its tag and what is in it.
type element struct {
	tag   byte
	value []byte
}

// header reads tag and length at the start of b. size is how long they are
// themselves, 0 if b is too short to tell.
func header(b []byte) (tag byte, length, size int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, nil
	}
	if b[0]&0x1f == 0x1f {
		return 0, 0, 0, errNotBER // a tag of several octets, which LDAP has none of
	}
	if b[1] < 0x80 {
		return b[0], int(b[1]), 2, nil
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 4 {
		return 0, 0, 0, errNotBER
	}
	if len(b) < 2+n {
		return 0, 0, 0, nil
	}
	for _, o := range b[2 : 2+n] {
		length = length<<8 | int(o)
		if length > maxElement {
			return 0, 0, 0, errBERLong
		}
	}
	return b[0], length, 2 + n, nil
}

// next reads the first element of b and returns what follows it.
func next(b []byte) (e element, rest []byte, err error) {
	tag, length, size, err := header(b)
	if err != nil {
		return element{}, nil, err
	}
	if size == 0 || len(b)-size < length {
		return element{}, nil, errNotBER
	}
	return element{tag, b[size : size+length]}, b[size+length:], nil
}

// children reads all elements in b, at most so many.
func children(b []byte, most int) ([]element, error) {
	var out []element
	for len(b) > 0 && len(out) < most {
		e, rest, err := next(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, e), rest
	}
	return out, nil
}

// number reads an INTEGER or ENUMERATED, of which LDAP has only small ones.
func (e element) number() (int, error) {
	if len(e.value) == 0 || len(e.value) > 5 || e.value[0]&0x80 != 0 {
		return 0, fmt.Errorf("a number: %w", errNotBER)
	}
	n := 0
	for _, o := range e.value {
		n = n<<8 | int(o)
	}
	return n, nil
}

// readElement reads one element from a connection.
func readElement(r io.Reader) (element, error) {
	var head []byte
	for {
		tag, length, size, err := header(head)
		if err != nil {
			return element{}, err
		}
		if size == 0 {
			head = append(head, 0)
			if _, err := io.ReadFull(r, head[len(head)-1:]); err != nil {
				return element{}, err
			}
			continue
		}
		value := make([]byte, length)
		if _, err := io.ReadFull(r, value); err != nil {
			return element{}, err
		}
		return element{tag, value}, nil
	}
}
