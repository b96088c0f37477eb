package evtx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Types of values ([MS-EVEN6], Section 2.2.12).
const (
	typeNull       = 0x00
	typeString     = 0x01
	typeANSIString = 0x02
	typeInt8       = 0x03
	typeUInt8      = 0x04
	typeInt16      = 0x05
	typeUInt16     = 0x06
	typeInt32      = 0x07
	typeUInt32     = 0x08
	typeInt64      = 0x09
	typeUInt64     = 0x0a
	typeReal32     = 0x0b
	typeReal64     = 0x0c
	typeBool       = 0x0d
	typeBinary     = 0x0e
	typeGUID       = 0x0f
	typeSizeT      = 0x10
	typeFileTime   = 0x11
	typeSysTime    = 0x12
	typeSID        = 0x13
	typeHexInt32   = 0x14
	typeHexInt64   = 0x15
	typeBinXML     = 0x21
	typeXML        = 0x23
	typeArray      = 0x80 // a bit: an array of the others
)

// null says whether there is nothing to write. An empty string is something.
func (v value) null() bool {
	switch v.kind {
	case typeNull:
		return true
	case typeString, typeANSIString, typeBinary, typeBinXML, typeXML:
		return false
	}
	return v.start == v.end && !v.array()
}

func (v value) array() bool { return v.kind&typeArray != 0 && v.kind != typeArray|typeBinary }

// items returns the items of an array.
func (v value) items(data []byte) []value {
	kind := v.kind &^ typeArray
	var items []value
	for at := v.start; at < v.end; {
		rest := data[at:v.end]
		n, skip := width(kind, rest), 0
		if n == 0 {
			n = len(rest)
		}
		switch kind {
		case typeString: // ended by NUL
			n, skip = len(rest), 0
			for i := 0; i+1 < len(rest); i += 2 {
				if rest[i] == 0 && rest[i+1] == 0 {
					n, skip = i, 2
					break
				}
			}
		case typeANSIString:
			if i := bytes.IndexByte(rest, 0); i >= 0 {
				n, skip = i, 1
			}
		case typeSizeT:
			n = 4
			if (v.end-v.start)%8 == 0 {
				n = 8
			}
		case typeSID:
			if len(rest) > 1 {
				n = 8 + 4*int(rest[1])
			}
		}
		n = min(n, len(rest))
		items = append(items, value{kind: kind, start: at, end: at + n})
		at += n + skip
	}
	return items
}

// width returns how many octets a value of a type takes, 0 if that varies.
func width(kind byte, b []byte) int {
	switch kind {
	case typeInt8, typeUInt8:
		return 1
	case typeInt16, typeUInt16:
		return 2
	case typeInt32, typeUInt32, typeReal32, typeHexInt32:
		return 4
	case typeInt64, typeUInt64, typeReal64, typeHexInt64, typeFileTime:
		return 8
	case typeBool:
		return min(4, max(1, len(b))) // 4 by the standard, but 1 is seen
	case typeGUID, typeSysTime:
		return 16
	}
	return 0
}

// append writes the value as text. What does not have the form of its type is
// written in hexadecimal, like binary data: it is better seen than lost.
func (v value) append(out, data []byte, where context) []byte {
	b := data[v.start:v.end]
	if v.array() {
		for i, item := range v.items(data) {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.append(out, data, where)
		}
		return out
	}
	if v.null() {
		return out
	}
	if n := width(v.kind, b); n > 0 && len(b) != n {
		if v.kind != typeBool || len(b) > 8 {
			return appendHex(out, b)
		}
	}
	switch v.kind {
	case typeString, typeXML:
		return appendUTF16(out, trimNUL(b), where)
	case typeANSIString:
		for _, c := range bytes.TrimRight(b, "\x00") {
			out = appendRune(out, charmap.Windows1252.DecodeByte(c), where)
		}
		return out
	case typeInt8:
		return strconv.AppendInt(out, int64(int8(b[0])), 10)
	case typeInt16:
		return strconv.AppendInt(out, int64(int16(binary.LittleEndian.Uint16(b))), 10)
	case typeInt32:
		return strconv.AppendInt(out, int64(int32(binary.LittleEndian.Uint32(b))), 10)
	case typeInt64:
		return strconv.AppendInt(out, int64(binary.LittleEndian.Uint64(b)), 10)
	case typeUInt8, typeUInt16, typeUInt32, typeUInt64:
		return strconv.AppendUint(out, littleEndian(b), 10)
	case typeReal32:
		return appendReal(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
	case typeReal64:
		return appendReal(out, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	case typeBool:
		return strconv.AppendBool(out, littleEndian(b) != 0)
	case typeHexInt32, typeHexInt64:
		out = append(out, "0x"...)
		return strconv.AppendUint(out, littleEndian(b), 16)
	case typeSizeT:
		if len(b) != 4 && len(b) != 8 {
			return appendHex(out, b)
		}
		out = append(out, "0x"...)
		return strconv.AppendUint(out, littleEndian(b), 16)
	case typeGUID:
		return appendGUID(out, b)
	case typeFileTime:
		return fileTime(binary.LittleEndian.Uint64(b)).AppendFormat(out, "2006-01-02T15:04:05.0000000Z")
	case typeSysTime:
		return appendSysTime(out, b)
	case typeSID:
		return appendSID(out, b)
	}
	return appendHex(out, b)
}

func littleEndian(b []byte) uint64 {
	var n uint64
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n
}

func appendHex(out, b []byte) []byte {
	n := len(out)
	out = hex.AppendEncode(out, b)
	return append(out[:n], bytes.ToUpper(out[n:])...)
}

// appendReal writes infinities and what is no number as XML Schema does.
func appendReal(out []byte, f float64, bits int) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(out, "INF"...)
	case math.IsInf(f, -1):
		return append(out, "-INF"...)
	}
	return strconv.AppendFloat(out, f, 'g', -1, bits)
}

// appendGUID writes a GUID ([MS-DTYP], Section 2.3.4): three numbers in the
// little-endian order, then eight octets.
func appendGUID(out, b []byte) []byte {
	out = append(out, '{')
	for i, from := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, b[from:from+1])
	}
	return append(out, '}')
}

// appendSysTime writes a SYSTEMTIME ([MS-DTYP], Section 2.3.13).
func appendSysTime(out, b []byte) []byte {
	field := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	year, month, day := field(0), field(1), field(3)
	hour, minute, second, ms := field(4), field(5), field(6), field(7)
	if year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 || ms > 999 {
		return appendHex(out, b)
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC)
	return t.AppendFormat(out, "2006-01-02T15:04:05.000Z")
}

// appendSID writes a SID in the string form of [MS-DTYP], Section 2.4.2.1.
func appendSID(out, b []byte) []byte {
	if len(b) < 8 || len(b) < 8+4*int(b[1]) {
		return appendHex(out, b)
	}
	out = append(out, "S-"...)
	out = strconv.AppendUint(out, uint64(b[0]), 10)
	out = append(out, '-')
	authority := uint64(binary.BigEndian.Uint16(b[2:]))<<32 | uint64(binary.BigEndian.Uint32(b[4:]))
	if authority >= 1<<32 {
		out = append(out, "0x"...)
		out = strconv.AppendUint(out, authority, 16)
	} else {
		out = strconv.AppendUint(out, authority, 10)
	}
	for i := range int(b[1]) {
		out = append(out, '-')
		out = strconv.AppendUint(out, uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10)
	}
	return out
}

// A context is where a text stands: what must be escaped differs.
type context bool

const (
	inContent   context = false
	inAttribute context = true
)

// trimNUL takes the terminators off a UTF-16 string.
func trimNUL(b []byte) []byte {
	b = b[:len(b)&^1]
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// appendUTF16 writes little-endian UTF-16 as XML text.
func appendUTF16(out, b []byte, where context) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		if r >= 'a' && r <= 'z' {
			out = append(out, byte(r))
			continue
		}
		if utf16.IsSurrogate(r) {
			pair := utf8.RuneError
			if i+3 < len(b) {
				pair = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[i+2:])))
			}
			if pair != utf8.RuneError {
				i += 2
			}
			r = pair
		}
		out = appendRune(out, r, where)
	}
	return out
}

// appendRune writes a character as XML text, and never as the end of a line.
func appendRune(out []byte, r rune, where context) []byte {
	switch {
	case r == '<':
		return append(out, "&lt;"...)
	case r == '>':
		return append(out, "&gt;"...)
	case r == '&':
		return append(out, "&amp;"...)
	case r == '\'' && where == inAttribute:
		return append(out, "&apos;"...)
	case r == '\r', r == '\n', r == '\t' && where == inAttribute,
		r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029:
		out = append(out, "&#x"...)
		n := len(out)
		out = strconv.AppendUint(out, uint64(r), 16)
		copy(out[n:], bytes.ToUpper(out[n:]))
		return append(out, ';')
	case r == '\t':
		return append(out, '\t')
	case r < ' ':
		return utf8.AppendRune(out, 0x2400+r)
	case r == 0xfffe, r == 0xffff:
		r = utf8.RuneError
	}
	return utf8.AppendRune(out, r)
}
