package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"sallyport/diagnose"
)

// Directory is what an LDAP server tells to anybody (RFC 4512, Section 5.1).
type Directory struct {
	// Encrypted is whether the rest was read over TLS.
	Encrypted bool `json:"encrypted"`
	// StartTLS is "offered", "refused", or empty if it was not tried: over
	// ldaps, or because the server is none.
	StartTLS      string `json:"start_tls,omitempty"`
	StartTLSError string `json:"start_tls_error,omitempty"`

	// Readable is whether the root entry was handed out.
	Readable        bool      `json:"readable"`
	Vendor          string    `json:"vendor,omitempty"`
	Host            string    `json:"host,omitempty"`
	Contexts        []string  `json:"naming_contexts,omitempty"`
	SASL            []string  `json:"sasl,omitempty"`
	ActiveDirectory bool      `json:"active_directory,omitempty"`
	Time            time.Time `json:"time,omitzero"` // Active Directory tells its clock
	Error           string    `json:"error,omitempty"`
}

// startTLS is the name of the operation (RFC 4511, Section 4.14.1).
const startTLS = "1.3.6.1.4.1.1466.20037"

// rootAttributes are what is asked of the root entry.
var rootAttributes = []string{
	"vendorName", "vendorVersion", "dnsHostName", "namingContexts", "supportedSASLMechanisms",
	"supportedExtension", "currentTime", "forestFunctionality", "domainFunctionality",
}

// message wraps an operation in an LDAPMessage.
func message(id byte, operation []byte) []byte {
	return ber(berSequence, ber(berInteger, []byte{id}), operation)
}

// searchRoot asks for the root entry: base object, no size limit, 10 seconds.
func searchRoot(id byte) []byte {
	var wanted [][]byte
	for _, a := range rootAttributes {
		wanted = append(wanted, ber(berOctets, []byte(a)))
	}
	return message(id, ber(ldapSearch,
		ber(berOctets), ber(berEnumerated, []byte{0}), ber(berEnumerated, []byte{0}),
		ber(berInteger, []byte{0}), ber(berInteger, []byte{10}), ber(berBoolean, []byte{0}),
		ber(ldapPresent, []byte("objectClass")), ber(berSequence, wanted...)))
}

func askStartTLS(id byte) []byte {
	return message(id, ber(ldapExtended, ber(ldapName, []byte(startTLS))))
}

// readMessage reads the next message and returns its ID and operation.
func readMessage(r io.Reader) (id int, operation element, err error) {
	e, err := readElement(r)
	if err != nil {
		return 0, element{}, err
	}
	if e.tag != berSequence {
		return 0, element{}, errNotBER
	}
	parts, err := children(e.value, 3)
	if err != nil || len(parts) < 2 || parts[0].tag != berInteger {
		return 0, element{}, errNotBER
	}
	id, err = parts[0].number()
	return id, parts[1], err
}

// result reads an LDAPResult: its code, and what the server says to it.
func result(operation element) (code int, text string, err error) {
	parts, err := children(operation.value, 3)
	if err != nil || len(parts) < 3 || parts[0].tag != berEnumerated {
		return 0, "", errNotBER
	}
	code, err = parts[0].number()
	return code, shorten(string(parts[2].value), 200), err
}

// entry reads the attributes of a SearchResultEntry, with names in lower case.
func entry(operation element) (map[string][]string, error) {
	parts, err := children(operation.value, 2)
	if err != nil || len(parts) < 2 {
		return nil, errNotBER
	}
	list, err := children(parts[1].value, 100)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]string)
	for _, a := range list {
		fields, err := children(a.value, 2)
		if err != nil || len(fields) < 2 {
			return nil, errNotBER
		}
		values, err := children(fields[1].value, 100)
		if err != nil {
			return nil, err
		}
		name := strings.ToLower(shorten(string(fields[0].value), 60))
		for _, v := range values {
			out[name] = append(out[name], shorten(string(v.value), 200))
		}
	}
	return out, nil
}

// An ldapError is an answer of LDAP that is no success.
type ldapError struct {
	code int
	text string
}

func (e ldapError) Error() string {
	s := fmt.Sprintf("result code %d", e.code)
	if e.text != "" {
		s += ": " + e.text
	}
	return s
}

// readRoot reads the root entry over conn, and when it was asked and answered.
func (x *examiner) readRoot(conn net.Conn) (attributes map[string][]string, asked, answered time.Time, err error) {
	asked = x.now()
	if _, err = conn.Write(searchRoot(1)); err != nil {
		return nil, asked, asked, err
	}
	for range 20 {
		id, operation, err := readMessage(conn)
		if err != nil {
			return nil, asked, asked, err
		}
		switch {
		case operation.tag == ldapEntry && id == 1:
			answered = x.now()
			if attributes, err = entry(operation); err != nil {
				return nil, asked, asked, err
			}
		case operation.tag == ldapSearchDone && id == 1:
			code, text, err := result(operation)
			if err != nil {
				return nil, asked, asked, err
			}
			if code != 0 {
				return nil, asked, asked, ldapError{code, text}
			}
			return attributes, asked, answered, nil
		case operation.tag == ldapExtendedOK && id == 0:
			// The notice that it hangs up (RFC 4511, Section 4.4.1).
			code, text, _ := result(operation)
			return nil, asked, asked, ldapError{code, text}
		}
	}
	return nil, asked, asked, errors.New("the answer has no end")
}

// dialStartTLS connects and goes to the point where TLS begins.
func (x *examiner) dialStartTLS(ctx context.Context) (net.Conn, error) {
	conn, err := x.dialTarget(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := x.askTLS(conn); err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return conn, nil
}

// askTLS sends StartTLS and reads the answer.
func (x *examiner) askTLS(conn net.Conn) error {
	if _, err := conn.Write(askStartTLS(1)); err != nil {
		return err
	}
	_, operation, err := readMessage(conn)
	if err != nil {
		return err
	}
	if operation.tag != ldapExtendedOK {
		return errNotBER
	}
	code, text, err := result(operation)
	if err != nil {
		return err
	}
	if code != 0 {
		return ldapError{code, text}
	}
	return nil
}

// ldap examines a directory: over ldaps within TLS, else in clear and then with
// StartTLS.
func (x *examiner) ldap(ctx context.Context) {
	d := &Directory{}
	x.Directory = d
	if x.target.Protocol == LDAPS {
		if config := x.tls(ctx, x.dialTarget); config != nil {
			d.Encrypted = true
			x.root(ctx, d, config)
		}
		return
	}
	x.root(ctx, d, nil)
	if !d.Readable && d.Error != "" && x.found("endpoint-not-ldap") {
		return
	}
	step, cancel := context.WithTimeout(ctx, x.timeout)
	conn, err := x.dialStartTLS(step)
	cancel()
	if err != nil {
		d.StartTLS, d.StartTLSError = "refused", shorten(cause(err), 200)
		x.find("endpoint-ldap-clear", diagnose.Proven, "The server was asked for StartTLS and did not agree.",
			fmt.Sprintf("StartTLS at %s: %s", x.target.hostPort(), d.StartTLSError))
		return
	}
	conn.Close()
	d.StartTLS = "offered"
	x.tls(ctx, x.dialStartTLS)
}

// root reads the root entry into d, over TLS if there is a config.
func (x *examiner) root(ctx context.Context, d *Directory, config *tls.Config) {
	x.step("reading what the directory says of itself")
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	conn, err := x.dialTarget(ctx)
	if err == nil && config != nil {
		secure := tls.Client(conn, config)
		if err = secure.HandshakeContext(ctx); err != nil {
			conn.Close()
		}
		conn = secure
	}
	if err != nil {
		d.Error = shorten(cause(err), 200)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	attributes, asked, answered, err := x.readRoot(conn)
	var refusal ldapError
	switch {
	case errors.As(err, &refusal):
		// It speaks LDAP, and shows nothing to those who have not logged in.
		d.Error = refusal.Error()
		return
	case err != nil && ctx.Err() != nil:
		d.Error = fmt.Sprintf("no answer within %v", x.timeout)
	case err != nil:
		d.Error = shorten(err.Error(), 200)
	}
	if err != nil {
		x.find("endpoint-not-ldap", diagnose.Proven, "The connection was made, a search was sent, and no answer of LDAP came.",
			fmt.Sprintf("search of the root entry at %s: %s", x.target.hostPort(), d.Error))
		return
	}
	d.Readable = true
	d.read(attributes)
	if !d.Time.IsZero() {
		// Written as 20261122201002.0Z: the tenths are always 0.
		x.Clock = compareClocks(d.Time, asked, answered, time.Second, "currentTime of LDAP")
	}
}

// read takes what matters from the attributes of the root entry.
func (d *Directory) read(a map[string][]string) {
	one := func(name string) string {
		if v := a[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	d.Vendor = strings.TrimSpace(one("vendorname") + " " + one("vendorversion"))
	d.Host = one("dnshostname")
	d.Contexts = slices.Clone(first(a["namingcontexts"], 20))
	d.SASL = slices.Clone(first(a["supportedsaslmechanisms"], 20))
	d.ActiveDirectory = one("forestfunctionality") != "" || one("domainfunctionality") != ""
	if t, ok := generalizedTime(one("currenttime")); ok {
		d.Time = t
	}
}

// generalizedTime reads a time as directories write it (RFC 4517, Section
// 3.3.13), in UTC and with seconds.
func generalizedTime(s string) (time.Time, bool) {
	whole, ok := strings.CutSuffix(s, "Z")
	if !ok {
		return time.Time{}, false
	}
	whole, _, _ = strings.Cut(whole, ".")
	t, err := time.Parse("20060102150405", whole)
	return t, err == nil
}
