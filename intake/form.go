package intake

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// A form is what the start of a file says that it is.
type form int

const (
	isText form = iota // or nothing that is known
	isZip
	isGzip
	isBzip2
	isTar
	isDecoded
	isOther // known, but not read; the error says why
)

// others are known by their magic and are not read.
var others = []struct{ magic, is string }{
	{"\xFD7zXZ\x00", "is compressed with xz, which is not read here: run xz -dk on it and name what comes out"},
	{"\x28\xB5\x2F\xFD", "is compressed with zstd, which is not read here: run zstd -d on it and name what comes out"},
	{"\x04\x22\x4D\x18", "is compressed with lz4, which is not read here: run lz4 -d on it and name what comes out"},
	{"\x1F\x9D", "is compressed with compress (.Z), which is not read here: run gzip -dk on it and name what comes out"},
	{"LZIP", "is compressed with lzip, which is not read here: run lzip -dk on it and name what comes out"},
	{"7z\xBC\xAF\x27\x1C", "is a 7-Zip archive, which is not read here: unpack it and name the folder"},
	{"Rar!\x1A\x07", "is a RAR archive, which is not read here: unpack it and name the folder"},
	{"MSCF\x00\x00\x00\x00", "is a cabinet file, which is not read here: unpack it (expand -F:* on Windows, cabextract elsewhere) and name the folder"},
	{"PK\x07\x08", "is one part of a zip archive in several parts: join and unpack them, and name the folder"},
}

// binaries are known by their magic and have no lines.
var binaries = []struct{ magic, is string }{
	{"regf", "is a Windows registry hive: use sallyport check --registry"},
	{"\xD4\xC3\xB2\xA1", capture}, // pcap, in either byte order, in micro- and nanoseconds
	{"\xA1\xB2\xC3\xD4", capture},
	{"\x4D\x3C\xB2\xA1", capture},
	{"\xA1\xB2\x3C\x4D", capture},
	{"LPKSHHRH", "is a systemd journal: run journalctl --file on it, and name what that prints"},
	{"\x7FELF", "is not text (a program)"},
	{"\x89PNG\r\n\x1A\n", "is not text (an image)"},
	{"\xFF\xD8\xFF", "is not text (an image)"},
	{"GIF8", "is not text (an image)"},
	{"%PDF-", "is not text (a PDF document): save its text and name that"},
	{"SQLite format 3\x00", "is not text (an SQLite database)"},
	{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "is not text (an old Office document or Windows installer)"},
}

const capture = "is a packet capture: use sallyport check --pcap"

// A kindError says that a file is of a kind that has no lines.
type kindError struct{ text string }

func (e *kindError) Error() string        { return e.text }
func (e *kindError) Is(target error) bool { return target == ErrNotText }

// recognise tells the form of a file from its first octets, and the decoder or
// the error that go with it.
func recognise(head []byte, decoders []Decoder) (form, *Decoder, error) {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	for i := range decoders {
		if m := decoders[i].Magic; m != "" && begins(m) {
			return isDecoded, &decoders[i], nil
		}
	}
	switch {
	case begins("PK\x03\x04"), begins("PK\x05\x06"):
		return isZip, nil, nil
	case begins("\x1F\x8B\x08"):
		return isGzip, nil, nil
	case len(head) >= 10 && begins("BZh") && head[3] >= '1' && head[3] <= '9' &&
		(bytes.HasPrefix(head[4:], []byte("1AY&SY")) || bytes.HasPrefix(head[4:], []byte("\x17\x72\x45\x38\x50\x90"))):
		return isBzip2, nil, nil
	case tarHeader(head):
		return isTar, nil, nil
	case begins("ElfFile\x00"):
		return isOther, nil, &kindError{"is a Windows event log, which is not read here: export it as text or XML"}
	case len(head) >= 12 && begins("\x0A\x0D\x0D\x0A") &&
		(string(head[8:12]) == "\x4D\x3C\x2B\x1A" || string(head[8:12]) == "\x1A\x2B\x3C\x4D"): // pcapng
		return isOther, nil, &kindError{capture}
	}
	for _, o := range others {
		if begins(o.magic) {
			return isOther, nil, fmt.Errorf("%s", o.is)
		}
	}
	for _, b := range binaries {
		if begins(b.magic) {
			return isOther, nil, &kindError{b.is}
		}
	}
	return isText, nil, nil
}

// tarHeader reports whether b begins with a header of POSIX.1-2017, pax,
// "ustar Interchange Format", or of the older tar that has no magic: the sum of
// its octets is in it, with the octets of the sum itself counted as blanks.
func tarHeader(b []byte) bool {
	if len(b) < 512 || b[0] == 0 {
		return false
	}
	field := strings.Trim(string(b[148:156]), " \x00")
	want, err := strconv.ParseInt(field, 8, 64)
	if err != nil {
		return false
	}
	var unsigned, signed int64
	for i, c := range b[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c)) // as some old tars reckoned
	}
	return want == unsigned || want == signed
}
