package pskc

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The CSV layouts have a header line. E1 is
//
//	upn,serial number,secret key,time interval,manufacturer,model
//
// and E2 the same without the first column. All tokens are TOTP with SHA-1
// and 6 digits. Columns are found by name, so their order is free.

// column is the meaning of a CSV column.
type column int

const (
	colOwner column = iota
	colSerial
	colKey
	colInterval
	colManufacturer
	colModel
	columns // how many there are
)

// columnNames maps a column name, in lower case and with letters only.
var columnNames = map[string]column{
	"upn":          colOwner,
	"serialnumber": colSerial,
	"secretkey":    colKey,
	"timeinterval": colInterval,
	"manufacturer": colManufacturer,
	"model":        colModel,
}

// nameJoints drops what stands between the words of a column name.
var nameJoints = strings.NewReplacer(" ", "", "_", "", "-", "")

// Longest key and line that are read. Keys of up to 128 characters are what
// the layout's documentation promises.
const (
	maxBase32  = 128
	maxCSVLine = 16 << 10
)

// errNotSeedFile must not quote the line: without a header it holds a key.
var errNotSeedFile = errors.New("pskc: not a token seed file: it is neither PSKC nor CSV with a header that names serial number, secret key and time interval")

// readCSV reads line by line. A quoted field ends with its line: encoding/csv
// would let one stray quote swallow all rows after it.
func readCSV(data []byte, l *list) error {
	var (
		header    []column
		separator byte
		line      int
	)
	for len(data) > 0 {
		var row []byte
		row, data = cutLine(data)
		line++
		if header == nil {
			if sep, ok := separatorLine(row); ok {
				separator = sep
				continue
			}
			if blank(row) || comment(row) {
				continue
			}
			if separator == 0 {
				separator = guessSeparator(row)
			}
			var err error
			if header, err = readHeader(row, separator); err != nil {
				return err
			}
			continue
		}
		if blank(row) {
			continue
		}
		t, reason := readRow(row, separator, header)
		t.Line = line
		if err := l.add(t, reason); err != nil {
			return err
		}
	}
	if header == nil {
		return errNotSeedFile
	}
	return nil
}

// cutLine splits off the first line, which ends with LF, CR LF or CR.
func cutLine(data []byte) (line, rest []byte) {
	i := bytes.IndexAny(data, "\r\n")
	if i < 0 {
		return data, nil
	}
	line, rest = data[:i], data[i+1:]
	if data[i] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest
}

// blank reports whether a line is empty or, as spreadsheets write the end of a
// table, holds only separators.
func blank(line []byte) bool {
	return len(bytes.Trim(line, " \t,;\"")) == 0
}

// comment reports whether a line is one. Below the header it counts as a bad
// row, so that a token that somebody has commented out is not lost unseen.
func comment(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#"))
}

// separatorLine reads the line "sep=;" with which Excel is told the separator.
func separatorLine(line []byte) (separator byte, ok bool) {
	s := bytes.ToLower(bytes.TrimSpace(line))
	if len(s) != 5 || !bytes.HasPrefix(s, []byte("sep=")) || !bytes.ContainsAny(s[4:], ",;\t") {
		return 0, false
	}
	return s[4], true
}

// guessSeparator picks the separator that the header has most of.
func guessSeparator(header []byte) byte {
	best := byte(',')
	for _, sep := range []byte(";\t") {
		if bytes.Count(header, []byte{sep}) > bytes.Count(header, []byte{best}) {
			best = sep
		}
	}
	return best
}

func readHeader(line []byte, separator byte) ([]column, error) {
	cells, err := splitRow(line, separator)
	if err != nil {
		return nil, errNotSeedFile
	}
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1] // separators at the end
	}
	header := make([]column, len(cells))
	var have [columns]bool
	unknown := 0 // the first column whose name is not known, from 1
	for i, cell := range cells {
		col, ok := columnNames[nameJoints.Replace(strings.ToLower(cell))]
		if !ok && unknown == 0 {
			unknown = i + 1
		}
		if ok && have[col] {
			return nil, fmt.Errorf("pskc: the CSV header names column %d a second time", i+1)
		}
		if ok {
			have[col] = true
		}
		header[i] = col
	}
	if !have[colSerial] || !have[colKey] || !have[colInterval] {
		return nil, errNotSeedFile
	}
	// A column we do not know may change what the others mean, such as the
	// number of digits; leaving it out would make tokens that never match.
	if unknown != 0 {
		return nil, fmt.Errorf("pskc: the CSV header has an unknown column %d; known are upn, serial number, secret key, time interval, manufacturer and model", unknown)
	}
	return header, nil
}

func readRow(line []byte, separator byte, header []column) (Token, error) {
	if comment(line) {
		return Token{}, errors.New("the line is a comment")
	}
	cells, err := splitRow(line, separator)
	if err != nil {
		return Token{}, err
	}
	for len(cells) > len(header) && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) != len(header) {
		// Cells have shifted, so none can be trusted to be what it seems.
		return Token{}, fmt.Errorf("the row has %d cells and the header has %d", len(cells), len(header))
	}
	var cell [columns]string
	for i, col := range header {
		cell[col] = cells[i]
	}
	t := Token{
		Serial:       cell[colSerial],
		Manufacturer: cell[colManufacturer],
		Model:        cell[colModel],
		Owner:        cell[colOwner],
		Kind:         TOTP,
		Algorithm:    "SHA1",
		Digits:       6,
	}
	switch cell[colInterval] {
	case "30":
		t.Period = 30 * time.Second
	case "60":
		t.Period = 60 * time.Second
	default:
		return t, errors.New("the time interval is not 30 or 60 seconds")
	}
	t.Key, err = decodeBase32(cell[colKey])
	return t, err
}

// splitRow parts a line into its cells, without the spaces around them. A cell
// may be quoted as in RFC 4180.
func splitRow(line []byte, separator byte) ([]string, error) {
	if len(line) > maxCSVLine {
		return nil, fmt.Errorf("the line is longer than %d bytes", maxCSVLine)
	}
	var cells []string
	rest := string(line)
	for {
		var cell string
		if quoted, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), `"`); ok {
			var b strings.Builder
			for {
				part, after, closed := strings.Cut(quoted, `"`)
				if !closed {
					return nil, errors.New("a quotation mark is not closed")
				}
				b.WriteString(part)
				if quoted, ok = strings.CutPrefix(after, `"`); ok {
					b.WriteByte('"') // a doubled mark stands for one
					continue
				}
				cell, rest = b.String(), strings.TrimLeft(after, " ")
				break
			}
			if rest != "" && rest[0] != separator {
				return nil, errors.New("text follows a quoted cell")
			}
		} else {
			end := strings.IndexByte(rest, separator)
			if end < 0 {
				end = len(rest)
			}
			cell, rest = rest[:end], rest[end:]
			if strings.Contains(cell, `"`) {
				return nil, errors.New("a quotation mark stands inside a cell that is not quoted")
			}
		}
		cells = append(cells, strings.TrimSpace(cell))
		if rest == "" {
			return cells, nil
		}
		rest = rest[1:] // the separator
	}
}

var keyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// keyGaps drops what stands between the groups of a key.
var keyGaps = strings.NewReplacer(" ", "", "-", "")

// decodeBase32 reads a key in Base32 (RFC 4648, Section 6): either case, spaces
// and hyphens between groups, with or without padding. The unused bits of the
// last letter are ignored, as tokens' makers and apps do.
func decodeBase32(s string) (Key, error) {
	if s == "" {
		return nil, errors.New("the secret key is missing")
	}
	if len(s) > 2*maxBase32 {
		return nil, fmt.Errorf("the secret key has more than %d characters", maxBase32)
	}
	s = strings.ToUpper(keyGaps.Replace(strings.TrimRight(s, "=")))
	if len(s) > maxBase32 {
		return nil, fmt.Errorf("the secret key has more than %d characters", maxBase32)
	}
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return nil, errors.New("the secret key is not Base32: only the letters A to Z and the digits 2 to 7 may occur")
	}
	switch len(s) % 8 {
	case 1, 3, 6: // no whole number of bytes has this many letters
		return nil, errors.New("the secret key is not Base32: characters are missing")
	}
	key, err := keyEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("the secret key is not Base32")
	}
	return key, nil
}
