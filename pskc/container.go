package pskc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// container reads the children of a KeyContainer (RFC 6030, Section 4) as they
// come by. Element names of the drafts, which some vendors have stayed with,
// are read beside those of the RFC.
type container struct {
	vault
	list *list

	draftCipher bool // encrypted in the manner of a draft, which is not read
}

// maxDeviceKeys bounds the keys of one device. RFC 6030 allows one; drafts had
// one for each application of the token.
const maxDeviceKeys = 64

// take reads one child of the root.
func (c *container) take(n *node) error {
	switch n.name {
	case "EncryptionKey":
		if c.encryptionKey != nil {
			return &documentError{"there is more than one EncryptionKey"}
		}
		c.encryptionKey = n
	case "MACMethod":
		if c.macMethod != nil {
			return &documentError{"there is more than one MACMethod"}
		}
		c.macMethod = n
	case "EncryptionMethod": // drafts only
		if a := n.attr("Algorithm"); a != "" && !strings.EqualFold(a, "NONE") {
			c.draftCipher = true
		}
	case "KeyPackage", "Device": // Device: drafts
		keys := n.all("Key")
		if len(keys) == 0 {
			return c.list.add(Token{Line: n.line}, errors.New("there is no key for the device"))
		}
		if len(keys) > maxDeviceKeys {
			return c.list.add(Token{Line: n.line}, fmt.Errorf("there are more than %d keys for the device", maxDeviceKeys))
		}
		for _, key := range keys {
			t, err := c.token(n, key)
			t.Line = key.line
			if err := c.list.add(t, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// verdict ends the file: it is unreadable if nothing in it could be read for
// want of the right key. Where some of it could, bad rows say the rest.
func (c *container) verdict() error {
	switch {
	case len(c.list.tokens) > 0 || c.opened:
		return nil
	case c.needed != "":
		return fmt.Errorf("%w; it asks for %s", ErrKeyNeeded, c.needed)
	case c.refused:
		return ErrWrongKey
	}
	return nil
}

// algorithms are the values of Key/@Algorithm for one-time passwords, in lower
// case: those of RFC 6030, Section 10, and of the drafts.
var algorithms = map[string]Kind{
	"urn:ietf:params:xml:ns:keyprov:pskc:hotp": HOTP,
	"urn:ietf:params:xml:ns:keyprov:pskc:totp": TOTP,
	"urn:ietf:params:xml:ns:keyprov:pskc#hotp": HOTP,
	"urn:ietf:params:xml:ns:keyprov:pskc#totp": TOTP,
	"http://www.ietf.org/keyprov/pskc#hotp":    HOTP,
	"http://www.ietf.org/keyprov/pskc#totp":    TOTP,
	"hotp":                                     HOTP,
	"totp":                                     TOTP,
}

// token reads one Key of a KeyPackage. What it could read before something went
// wrong is returned with the error, for the serial number's sake.
func (c *container) token(pkg, key *node) (Token, error) {
	var r reading
	info := r.one(pkg, "DeviceInfo")
	if info == nil {
		info = r.one(pkg, "DeviceId") // drafts
	}
	t := Token{
		Serial:       r.text(info, "SerialNo"),
		Manufacturer: r.text(info, "Manufacturer"),
		Model:        r.text(info, "Model"),
		Owner:        r.text(key, "UserId"),
	}
	if t.Serial == "" {
		t.Serial = key.attr("Id", "KeyId")
	}
	if t.Owner == "" {
		t.Owner = r.text(info, "UserId")
	}

	var known bool
	if t.Kind, known = algorithms[strings.ToLower(key.attr("Algorithm", "KeyAlgorithm"))]; !known {
		r.fail(errors.New("the key is not for HOTP or TOTP codes"))
	}
	c.format(&r, &t, key)
	policy(&r, &t, info, key)
	if r.err != nil {
		return t, r.err // before anything is decrypted
	}
	c.data(&r, &t, key)
	return t, r.err
}

// format reads how codes are made and look (RFC 6030, Sections 4.3.4 and 10).
func (c *container) format(r *reading, t *Token, key *node) {
	params := r.one(key, "AlgorithmParameters")
	if params == nil {
		params = r.one(key, "Usage") // drafts
	}
	// Section 10.2 has the values HMAC-SHA1, HMAC-SHA256 and HMAC-SHA512.
	suite := nameJoints.Replace(strings.ToUpper(r.text(params, "Suite")))
	if t.Algorithm = strings.TrimPrefix(suite, "HMAC"); suite == "" {
		t.Algorithm = "SHA1"
	}
	response := r.one(params, "ResponseFormat")
	if response == nil {
		r.fail(errors.New("the format of the codes is missing"))
		return
	}
	if response.attr("Encoding", "Format") != "DECIMAL" {
		r.fail(errors.New("the codes are not decimal digits"))
	}
	switch response.attr("CheckDigits", "CheckDigit") {
	case "", "0", "false":
	default:
		r.fail(errors.New("the codes have a check digit, which is not supported"))
	}
	n, err := strconv.ParseUint(response.attr("Length"), 10, 8)
	if err != nil {
		r.fail(errors.New("the length of the codes is not a number"))
	}
	t.Digits = int(n)
}

// policy reads when and for what a key may be used (RFC 6030, Section 5). What
// is not understood there forbids use.
func policy(r *reading, t *Token, info, key *node) {
	p := r.one(key, "Policy")
	// Device and key may both have dates; the narrower span counts.
	for _, n := range []*node{info, p} {
		if d := date(r, n, "StartDate"); d != nil && (t.StartDate == nil || d.After(*t.StartDate)) {
			t.StartDate = d
		}
		for _, name := range []string{"ExpiryDate", "Expiry"} { // Expiry: drafts
			if d := date(r, n, name); d != nil && (t.ExpiryDate == nil || d.Before(*t.ExpiryDate)) {
				t.ExpiryDate = d
			}
		}
	}
	if p == nil {
		return
	}
	understood := !p.foreign
	usages, otp := 0, false
	for _, n := range p.children {
		switch n.name {
		case "StartDate", "ExpiryDate":
		case "KeyUsage":
			usages++
			otp = otp || strings.TrimSpace(string(n.text)) == "OTP"
		case "PINPolicy":
			// A PIN that the token itself checks is no business of ours.
			if mode := n.attr("PINUsageMode"); mode != "" && mode != "Local" {
				r.fail(errors.New("the token mixes a PIN into its codes, which is not supported"))
			}
			understood = understood && !n.foreign && len(n.children) == 0
		case "NumberOfTransactions":
			r.fail(errors.New("the policy limits how often the key may be used, which is not supported"))
		default:
			understood = false
		}
	}
	if !understood {
		r.fail(errors.New("the policy has conditions that are not known, so the key must not be used"))
	}
	if usages > 0 && !otp {
		r.fail(errors.New("the policy does not allow the key to be used for one-time passwords"))
	}
}

// date reads an xs:dateTime. One without a time zone is taken as UTC.
func date(r *reading, n *node, name string) *time.Time {
	s := r.text(n, name)
	if s == "" {
		return nil
	}
	d, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d, err = time.Parse("2006-01-02T15:04:05", s)
	}
	d = d.UTC()
	if err != nil || d.Year() < 1 || d.Year() > 9999 {
		r.fail(fmt.Errorf("the %s is not a date and time", name))
		return nil
	}
	return &d
}

// data reads the key itself and what moves (RFC 6030, Section 4.2).
func (c *container) data(r *reading, t *Token, key *node) {
	fields := c.fields(r, key)
	if r.err != nil {
		return
	}
	secret := fields["Secret"]
	if secret == nil {
		r.fail(errors.New("the file does not hold the key itself"))
		return
	}
	if plain, ok := c.plain(r, secret); ok {
		t.Key = r.base64(plain, "key")
	} else {
		t.Key = c.open(r, secret)
	}
	// All numbers are read, though not all are used, so that a damaged row
	// shows. Time is the token's step when the file was made, which is history.
	counter := c.number(r, fields["Counter"], "counter", 0, math.MaxInt64, 0)
	c.number(r, fields["Time"], "time", 0, math.MaxInt64, 0)
	interval := c.number(r, fields["TimeInterval"], "time interval", 1, 60*60, 30)
	const day = 24 * 60 * 2 // steps of 30 seconds
	drift := c.number(r, fields["TimeDrift"], "time drift", -day, day, 0)
	switch t.Kind {
	case HOTP:
		t.Counter = uint64(counter)
	case TOTP:
		t.Period = time.Duration(interval) * time.Second
		t.TimeDrift = int(drift)
	}
}

// draftNames are the names that drafts give in Data/@Name.
var draftNames = map[string]string{
	"SECRET": "Secret", "COUNTER": "Counter", "TIME": "Time", "TIME_INTERVAL": "TimeInterval",
}

// fields returns the elements of Data by name. In early drafts there is one
// Data for each, named by an attribute.
func (c *container) fields(r *reading, key *node) map[string]*node {
	fields := make(map[string]*node)
	put := func(name string, n *node) {
		if fields[name] != nil {
			r.fail(fmt.Errorf("there is more than one %s", name))
		}
		fields[name] = n
	}
	all := key.all("Data")
	for _, data := range all {
		if name := data.attr("Name"); name != "" {
			if name = draftNames[strings.ToUpper(name)]; name != "" {
				put(name, data)
			}
			continue
		}
		for _, n := range data.children {
			put(n.name, n)
		}
	}
	return fields
}

// plain returns the text of a value that is not encrypted. It is false for one
// that is.
func (c *container) plain(r *reading, n *node) (string, bool) {
	plain, encrypted, draft := r.one(n, "PlainValue"), r.one(n, "EncryptedValue"), r.one(n, "Value")
	switch {
	case plain != nil && encrypted == nil && draft == nil:
		return strings.TrimSpace(string(plain.text)), true
	case encrypted != nil && plain == nil && draft == nil:
		return "", false
	case draft != nil && plain == nil && encrypted == nil:
		if c.draftCipher {
			r.fail(errors.New("the key is encrypted in the manner of a draft of PSKC, which is not supported"))
		}
		return strings.TrimSpace(string(draft.text)), true
	}
	r.fail(errors.New("a value is missing or there more than once"))
	return "", true
}

// number reads an integer between low and high, or returns absent if there is
// no such element.
//
// Encrypted numbers are octets in network byte order (RFC 6030, Section 4.2);
// some writers drop leading zeros, and some encrypt decimal digits instead. If
// both readings are in range, the row is refused: a wrong counter would make
// every code of the token wrong.
func (c *container) number(r *reading, n *node, what string, low, high, absent int64) int64 {
	if n == nil || r.err != nil {
		return absent
	}
	var readings []int64
	if s, ok := c.plain(r, n); ok {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			readings = append(readings, v)
		} else if v, ok := bigEndian(r.base64(s, what)); ok && n.attr("Name") != "" { // early drafts
			readings = append(readings, v)
		}
	} else {
		b := c.open(r, n)
		if v, ok := bigEndian(b); ok {
			if low < 0 && len(b) == 4 {
				v = int64(int32(v))
			}
			readings = append(readings, v)
		}
		if v, err := strconv.ParseInt(string(b), 10, 64); err == nil && digits(string(b)) {
			readings = append(readings, v)
		}
	}
	readings = slices.DeleteFunc(readings, func(v int64) bool { return v < low || v > high })
	if len(readings) != 1 {
		r.fail(fmt.Errorf("the %s is not a number, out of range or ambiguous", what))
		return absent
	}
	return readings[0]
}

// bigEndian reads up to eight octets as an integer.
func bigEndian(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	var whole [8]byte
	copy(whole[8-len(b):], b)
	v := binary.BigEndian.Uint64(whole[:])
	return int64(v), v <= math.MaxInt64
}
