package webauthntest

import "encoding/binary"

// The few shapes of CBOR (RFC 8949) that an attestation object and a COSE key
// need, in the canonical form of CTAP2. They are written here and not with the
// library that reads them, so that one does not excuse the other's mistakes.

const (
	cborUint  = 0 << 5
	cborNint  = 1 << 5
	cborBytes = 2 << 5
	cborText  = 3 << 5
	cborMap   = 5 << 5
)

// head appends the head of an item: its major type and its length or value.
func head(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func number(b []byte, n int64) []byte {
	if n < 0 {
		return head(b, cborNint, uint64(-1-n))
	}
	return head(b, cborUint, uint64(n))
}

func octets(b, s []byte) []byte { return append(head(b, cborBytes, uint64(len(s))), s...) }

func text(b []byte, s string) []byte { return append(head(b, cborText, uint64(len(s))), s...) }
