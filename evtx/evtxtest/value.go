package evtxtest

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// A Value is what stands in the place of a Slot. Type and Data are written as
// they are, so that a test can write what Windows would not.
type Value struct {
	Type  byte
	Data  []byte
	Nodes []Node // of TypeBinXML, in the place of Data
}

// Types of values ([MS-EVEN6], Section 2.2.12).
const (
	TypeNull     = 0x00
	TypeString   = 0x01
	TypeANSI     = 0x02
	TypeInt8     = 0x03
	TypeUInt8    = 0x04
	TypeInt16    = 0x05
	TypeUInt16   = 0x06
	TypeInt32    = 0x07
	TypeUInt32   = 0x08
	TypeInt64    = 0x09
	TypeUInt64   = 0x0a
	TypeReal32   = 0x0b
	TypeReal64   = 0x0c
	TypeBool     = 0x0d
	TypeBinary   = 0x0e
	TypeGUID     = 0x0f
	TypeSizeT    = 0x10
	TypeFileTime = 0x11
	TypeSysTime  = 0x12
	TypeSID      = 0x13
	TypeHexInt32 = 0x14
	TypeHexInt64 = 0x15
	TypeBinXML   = 0x21
	TypeXML      = 0x23
	TypeArray    = 0x80 // a bit
)

var le = binary.LittleEndian

// The functions below make values of the types of the same name.

func Null() Value           { return Value{} }
func String(s string) Value { return Value{Type: TypeString, Data: encodeUTF16(s)} }
func ANSI(s string) Value   { return Value{Type: TypeANSI, Data: []byte(s)} } // as it is encoded
func Int8(n int8) Value     { return Value{Type: TypeInt8, Data: []byte{byte(n)}} }
func UInt8(n uint8) Value   { return Value{Type: TypeUInt8, Data: []byte{n}} }
func Int16(n int16) Value   { return Value{Type: TypeInt16, Data: le.AppendUint16(nil, uint16(n))} }
func UInt16(n uint16) Value { return Value{Type: TypeUInt16, Data: le.AppendUint16(nil, n)} }
func Int32(n int32) Value   { return Value{Type: TypeInt32, Data: le.AppendUint32(nil, uint32(n))} }
func UInt32(n uint32) Value { return Value{Type: TypeUInt32, Data: le.AppendUint32(nil, n)} }
func Int64(n int64) Value   { return Value{Type: TypeInt64, Data: le.AppendUint64(nil, uint64(n))} }
func UInt64(n uint64) Value { return Value{Type: TypeUInt64, Data: le.AppendUint64(nil, n)} }

func Real32(f float32) Value {
	return Value{Type: TypeReal32, Data: le.AppendUint32(nil, math.Float32bits(f))}
}

func Real64(f float64) Value {
	return Value{Type: TypeReal64, Data: le.AppendUint64(nil, math.Float64bits(f))}
}

func Bool(b bool) Value {
	v := Value{Type: TypeBool, Data: make([]byte, 4)}
	if b {
		v.Data[0] = 1
	}
	return v
}

func Binary(b []byte) Value   { return Value{Type: TypeBinary, Data: b} }
func Size32(n uint32) Value   { return Value{Type: TypeSizeT, Data: le.AppendUint32(nil, n)} }
func Size64(n uint64) Value   { return Value{Type: TypeSizeT, Data: le.AppendUint64(nil, n)} }
func HexInt32(n uint32) Value { return Value{Type: TypeHexInt32, Data: le.AppendUint32(nil, n)} }
func HexInt64(n uint64) Value { return Value{Type: TypeHexInt64, Data: le.AppendUint64(nil, n)} }

// GUID takes the form {01234567-89ab-cdef-0123-456789abcdef} and panics if it is
// given another.
func GUID(s string) Value {
	b, err := hex.DecodeString(strings.Trim(strings.ReplaceAll(s, "-", ""), "{}"))
	if err != nil || len(b) != 16 {
		panic("evtxtest: no GUID: " + s)
	}
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return Value{Type: TypeGUID, Data: b}
}

// FileTime keeps 100 ns of t.
func FileTime(t time.Time) Value {
	return Value{Type: TypeFileTime, Data: le.AppendUint64(nil, fileTime(t))}
}

// SysTime keeps 1 ms of t.
func SysTime(t time.Time) Value {
	t = t.UTC()
	v := Value{Type: TypeSysTime}
	for _, n := range []int{
		t.Year(), int(t.Month()), int(t.Weekday()), t.Day(),
		t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1e6,
	} {
		v.Data = le.AppendUint16(v.Data, uint16(n))
	}
	return v
}

// SID takes the form S-1-5-18 and panics if it is given another.
func SID(s string) Value {
	revision, authority, sub := sid(s)
	b := []byte{revision, byte(len(sub))}
	b = binary.BigEndian.AppendUint16(b, uint16(authority>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(authority))
	for _, n := range sub {
		b = le.AppendUint32(b, n)
	}
	return Value{Type: TypeSID, Data: b}
}

// BinXML is a value that is binary XML itself.
func BinXML(nodes ...Node) Value { return Value{Type: TypeBinXML, Nodes: nodes} }

// Array is an array of values, which must all be of the type of the first.
func Array(first Value, rest ...Value) Value {
	v := Value{Type: first.Type | TypeArray}
	for _, item := range append([]Value{first}, rest...) {
		v.Data = append(v.Data, item.Data...)
		switch item.Type {
		case TypeString:
			v.Data = append(v.Data, 0, 0)
		case TypeANSI:
			v.Data = append(v.Data, 0)
		}
	}
	return v
}

func encodeUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// fileTime is t in units of 100 ns since 1601.
func fileTime(t time.Time) uint64 {
	const toUnix = 11644473600
	return uint64(t.Unix()+toUnix)*1e7 + uint64(t.Nanosecond()/100)
}
