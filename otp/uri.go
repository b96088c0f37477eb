package otp

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Enrolment is what an authenticator app is given to make codes with, as it is
// written into a QR code in the Key URI format of Google Authenticator.
type Enrolment struct {
	Issuer  string // who the account is with; may be empty
	Account string // whose it is, as the app shows it
	Key     Key
	Params  Params // Drift is ours and does not travel
	Counter uint64 // next counter; HOTP only, 0 for TOTP
}

// maxLabel bounds Issuer and Account, in bytes: an app shows one line, and a
// QR code must stay readable.
const maxLabel = 255

// validate says what of e cannot be written into, or be taken from, a URI.
func (e Enrolment) validate() error {
	if err := e.Params.Validate(); err != nil {
		return err
	}
	if _, err := CheckKey(e.Key); err != nil {
		return err
	}
	if e.Params.Period != 0 && e.Counter != 0 {
		return fmt.Errorf("otp: a counter in a TOTP enrolment")
	}
	if e.Account == "" {
		return fmt.Errorf("otp: enrolment without an account name")
	}
	for _, s := range []string{e.Issuer, e.Account} {
		switch {
		case len(s) > maxLabel:
			return fmt.Errorf("otp: issuer or account name longer than %d bytes", maxLabel)
		case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
			return fmt.Errorf("otp: issuer or account name is not printable text")
		case strings.TrimSpace(s) != s:
			return fmt.Errorf("otp: issuer or account name has spaces around it")
		case strings.Contains(s, ":"):
			// The colon parts issuer from account in the label.
			return fmt.Errorf("otp: issuer or account name contains a colon")
		}
	}
	return nil
}

// URI returns the otpauth URI of e: of type totp if Params has a Period, else
// hotp. All parameters are spelled out, for apps differ in their defaults. The
// URI holds the key, so it is as secret as the key.
func (e Enrolment) URI() (string, error) {
	if err := e.validate(); err != nil {
		return "", err
	}
	kind := "totp"
	if e.Params.Period == 0 {
		kind = "hotp"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "otpauth://%s/", kind)
	if e.Issuer != "" {
		b.WriteString(escape(e.Issuer) + ":")
	}
	b.WriteString(escape(e.Account) + "?secret=" + EncodeKey(e.Key))
	if e.Issuer != "" {
		b.WriteString("&issuer=" + escape(e.Issuer))
	}
	fmt.Fprintf(&b, "&algorithm=%v&digits=%d", e.Params.Algorithm, e.Params.Digits)
	if e.Params.Period == 0 {
		fmt.Fprintf(&b, "&counter=%d", e.Counter)
	} else {
		fmt.Fprintf(&b, "&period=%d", e.Params.Period/time.Second)
	}
	return b.String(), nil
}

// escape escapes everything that is not unreserved. A space becomes %20: apps
// show the plus sign of form encoding as it is.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// ParseURI reads an otpauth URI made by us or anybody else. What is left out
// has the defaults of the Key URI format: SHA1, 6 digits, 30 seconds; a HOTP
// counter must be there. Parameters it does not know are ignored; one given
// twice is refused. If label and issuer parameter name different issuers, the
// parameter counts. Errors never contain any of the URI.
func ParseURI(uri string) (Enrolment, error) {
	e, err := parseURI(uri)
	if err != nil {
		return Enrolment{}, fmt.Errorf("otp: parse otpauth URI: %w", err)
	}
	if err := e.validate(); err != nil {
		return Enrolment{}, fmt.Errorf("otp: parse otpauth URI: %w", err)
	}
	return e, nil
}

func parseURI(uri string) (Enrolment, error) {
	const maxURI = 4096
	if len(uri) > maxURI {
		return Enrolment{}, fmt.Errorf("longer than %d bytes", maxURI)
	}
	// Errors of net/url quote their input, which holds the key.
	u, err := url.Parse(uri)
	if err != nil {
		return Enrolment{}, fmt.Errorf("not a URI")
	}
	if u.Scheme != "otpauth" || u.User != nil || u.Fragment != "" {
		return Enrolment{}, fmt.Errorf("not an otpauth URI")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Enrolment{}, fmt.Errorf("malformed parameters")
	}
	for _, name := range []string{"secret", "issuer", "algorithm", "digits", "period", "counter"} {
		if len(query[name]) > 1 {
			return Enrolment{}, fmt.Errorf("parameter %s is given more than once", name)
		}
	}

	e := Enrolment{Params: Params{Digits: 6}}
	issuer, account, found := strings.Cut(strings.TrimPrefix(u.Path, "/"), ":")
	if !found {
		issuer, account = "", issuer
	}
	e.Issuer, e.Account = strings.TrimSpace(issuer), strings.TrimSpace(account)
	if s := strings.TrimSpace(query.Get("issuer")); s != "" {
		e.Issuer = s
	}
	key, err := DecodeKey(query.Get("secret"))
	if err != nil {
		return Enrolment{}, err
	}
	e.Key = key
	if query.Has("algorithm") {
		if e.Params.Algorithm, err = ParseAlgorithm(query.Get("algorithm")); err != nil {
			return Enrolment{}, err
		}
	}
	if query.Has("digits") {
		n, err := strconv.ParseUint(query.Get("digits"), 10, 8)
		if err != nil {
			return Enrolment{}, fmt.Errorf("digits is not a number")
		}
		e.Params.Digits = int(n)
	}
	switch strings.ToLower(u.Host) {
	case "totp":
		e.Params.Period = 30 * time.Second
		if query.Has("period") {
			n, err := strconv.ParseUint(query.Get("period"), 10, 16)
			if err != nil || n == 0 {
				return Enrolment{}, fmt.Errorf("period is not a number of seconds")
			}
			e.Params.Period = time.Duration(n) * time.Second
		}
	case "hotp":
		if e.Counter, err = strconv.ParseUint(query.Get("counter"), 10, 64); err != nil {
			return Enrolment{}, fmt.Errorf("counter is missing or not a number")
		}
	default:
		return Enrolment{}, fmt.Errorf("neither of type totp nor hotp")
	}
	return e, nil
}
