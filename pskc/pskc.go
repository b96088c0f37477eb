// Package pskc reads token seed files: the lists of serial numbers and keys
// that come with hardware tokens. It reads PSKC (RFC 6030), plain or encrypted
// with a pre-shared key or a password, the plain form of PSKC's drafts, and
// the CSV layouts that Azure MFA Server and its successor import.
//
// It hides the formats, their dialects and their cryptography; out come tokens
// and, for each row that cannot be used, a line and a reason. A bad row never
// changes how another row is read.
//
// Digital signatures in PSKC (RFC 6030, Section 6.3) are not checked: whoever
// imports a file vouches for it.
package pskc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind says what a token counts.
type Kind string

// The kinds of token that are read.
const (
	TOTP Kind = "totp" // time steps (RFC 6238)
	HOTP Kind = "hotp" // events (RFC 4226)
)

// Token is one usable row: a token and all that is needed to match its codes.
type Token struct {
	Line         int    // where the row begins, from 1
	Serial       string // unique within the file, whatever its case
	Manufacturer string // as written; may be empty, as may Model
	Model        string
	Owner        string // as written: a user name in CSV, often a distinguished name in PSKC; empty if unassigned

	Kind      Kind
	Algorithm string        // SHA1, SHA256 or SHA512
	Digits    int           // 6 to 8
	Period    time.Duration // time step, 30 s or 60 s; 0 for HOTP
	Counter   uint64        // next counter, at most 1<<63-1; 0 for TOTP
	TimeDrift int           // steps that the clock of a TOTP token was known to be off when the file was made

	// From when and until when the token may be used; nil if the file does not
	// say. Judging them is the caller's business.
	StartDate, ExpiryDate *time.Time

	Key Key // 128 to 1024 bits
}

// BadRow is a row that gave no token. Reason is a sentence for an
// administrator; it never quotes the row, which may hold a key anywhere.
type BadRow struct {
	Line   int
	Serial string // if it could be read
	Reason string
}

// Keys is what an encrypted PSKC file needs to be read. CSV and plain PSKC need
// none. It does not print.
type Keys struct {
	PreShared Key    // for RFC 6030, Section 6.1: 128, 192 or 256 bits, as the file's cipher asks
	Password  string // for RFC 6030, Section 6.2
}

// Key is key material that does not print: formatted, logged or marshalled it
// says "hidden". It converts to and from []byte by plain assignment.
type Key []byte

const hidden = "hidden"

// Format writes "hidden" for every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText returns "hidden". Encoders of JSON, XML and log records use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format writes "hidden" for every verb.
func (k Keys) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText returns "hidden". Encoders of JSON, XML and log records use it.
func (k Keys) MarshalText() ([]byte, error) { return []byte(hidden), nil }

var (
	// ErrKeyNeeded means that all that could be read is encrypted, and that
	// Keys lacks what the file asks for; ask for it and read again.
	ErrKeyNeeded = errors.New("pskc: the file is encrypted, and its key or password was not given")

	// ErrWrongKey means that the given key or password opens nothing in the
	// file: it is the wrong one, or the file was altered.
	ErrWrongKey = errors.New("pskc: the key or password does not open the file, or the file was altered")
)

const (
	maxFile = 64 << 20 // bytes
	maxRows = 250_000  // tokens and bad rows together

	minKeySize = 16  // bytes; RFC 4226, R6: at least 128 bits
	maxKeySize = 128 // bytes; a block of SHA-512, the longest key that HMAC uses whole

	maxSerial = 64 // characters; no vendor comes near
	maxName   = 256
)

// Read reads a whole seed file. It finds out itself whether that is PSKC or
// CSV; a UTF-8 byte order mark is skipped.
//
// It returns the usable tokens and the bad rows, each in the order of the
// file. A row is bad if anything in it is missing, contradicts itself or is
// not supported, if its key is shorter than 128 bits, or if an earlier usable
// row has its serial number. err is for the file as a whole: it is not a seed
// file, is damaged as one, is larger than 64 MiB, cannot be read, or is
// ErrKeyNeeded or ErrWrongKey; then there are no tokens and no bad rows.
//
// Deriving a key from a password takes as long as the file asks for, up to
// some seconds.
func Read(r io.Reader, keys Keys) (tokens []Token, bad []BadRow, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("pskc: read seed file: %w", err)
	}
	if len(data) > maxFile {
		return nil, nil, fmt.Errorf("pskc: seed file is larger than %d MiB", maxFile>>20)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, nil, fmt.Errorf("pskc: seed file is UTF-16 text; save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))

	var l list
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("<")) {
		err = readXML(data, keys, &l)
	} else {
		err = readCSV(data, &l)
	}
	if err != nil {
		return nil, nil, err
	}
	return l.tokens, l.bad, nil
}

// list gathers the rows of one file.
type list struct {
	tokens  []Token
	bad     []BadRow
	serials map[string]int // lower-case serial of each token → its line
}

var errTooManyRows = fmt.Errorf("pskc: seed file has more than %d rows", maxRows)

// add takes one row: t as a token if reason is nil and the checks that hold
// for all formats pass, else as a bad row. Only tokens reserve their serial
// number, so a bad row cannot displace a good one.
func (l *list) add(t Token, reason error) error {
	if len(l.tokens)+len(l.bad) >= maxRows {
		return errTooManyRows
	}
	if reason == nil {
		reason = t.check()
	}
	folded := strings.ToLower(t.Serial)
	if line, taken := l.serials[folded]; reason == nil && taken {
		reason = fmt.Errorf("the serial number was already on line %d", line)
	}
	if reason != nil {
		if text(t.Serial, maxSerial) != nil {
			t.Serial = ""
		}
		l.bad = append(l.bad, BadRow{Line: t.Line, Serial: t.Serial, Reason: reason.Error()})
		return nil
	}
	if l.serials == nil {
		l.serials = make(map[string]int)
	}
	l.serials[folded] = t.Line
	l.tokens = append(l.tokens, t)
	return nil
}

// check judges what every format must provide.
func (t Token) check() error {
	if t.Serial == "" {
		return errors.New("the serial number is missing")
	}
	if rounded(t.Serial) {
		return errors.New("the serial number was rounded by a spreadsheet; format the column as text and export it again")
	}
	fields := []struct {
		name, value string
		limit       int
	}{
		{"serial number", t.Serial, maxSerial},
		{"manufacturer", t.Manufacturer, maxName},
		{"model", t.Model, maxName},
		{"owner", t.Owner, maxName},
	}
	for _, f := range fields {
		if err := text(f.value, f.limit); err != nil {
			return fmt.Errorf("the %s %w", f.name, err)
		}
	}
	switch t.Kind {
	case TOTP:
		if t.Period != 30*time.Second && t.Period != 60*time.Second {
			return errors.New("the time interval is not 30 or 60 seconds")
		}
	case HOTP:
	default:
		return errors.New("the kind of token is not known")
	}
	switch t.Algorithm {
	case "SHA1", "SHA256", "SHA512":
	default:
		return errors.New("the hash algorithm is not SHA1, SHA256 or SHA512")
	}
	if t.Digits < 6 || t.Digits > 8 {
		return errors.New("the codes do not have 6 to 8 digits")
	}
	switch n := len(t.Key); {
	case n < minKeySize:
		return fmt.Errorf("the key has %d bits; at least %d are needed", n*8, minKeySize*8)
	case n > maxKeySize:
		return fmt.Errorf("the key has %d bits; at most %d are read", n*8, maxKeySize*8)
	}
	if t.StartDate != nil && t.ExpiryDate != nil && t.ExpiryDate.Before(*t.StartDate) {
		return errors.New("the token expires before it may be used")
	}
	return nil
}

// text says what is wrong with s as a line of text for people. Cells that a
// spreadsheet would take for formulas are text like any other; whoever writes
// a spreadsheet must quote them.
func text(s string, limit int) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8 text")
	case utf8.RuneCountInString(s) > limit:
		return fmt.Errorf("is longer than %d characters", limit)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return errors.New("contains characters that do not print")
	}
	return nil
}

// rounded reports whether s looks like a long number that a spreadsheet has
// turned into something like 1.23457E+12, losing digits.
func rounded(s string) bool {
	mantissa, exponent, ok := strings.Cut(strings.ToUpper(s), "E+")
	whole, fraction, _ := strings.Cut(strings.Replace(mantissa, ",", ".", 1), ".")
	return ok && len(whole) == 1 && digits(whole+fraction+exponent) && exponent != ""
}

// digits reports whether s consists of ASCII digits.
func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
