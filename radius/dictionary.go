package radius

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Kind is how the value of an attribute is written and read.
type Kind uint8

// The kinds of RFC 2865, Section 5, RFC 3162, and opaque octets.
const (
	Octets      Kind = iota // 0x followed by hexadecimal digits
	String                  // text as it is, or in double quotes
	Number                  // 32 bits: decimal, 0x and 8 digits, or a name of the value
	IPv4                    // dotted
	IPv6                    // RFC 4291
	IPv6Prefix              // prefix/length
	InterfaceID             // 8 octets as 0x and 16 digits
)

// A Definition is one attribute of the dictionary.
type Definition struct {
	Name   string
	Vendor uint32 // 0 for the attributes of the standards
	Type   Type   // within the vendor
	Kind   Kind
	// Tagged attributes may carry a tag of 1 to 31 that groups them: they are
	// written Name:TAG=VALUE (RFC 2868, Section 3).
	Tagged bool
	// Protocol attributes belong to the exchange itself: nobody may configure
	// them into a reply.
	Protocol bool
	// Values names numbers.
	Values []Value
}

// A Value is the name of a number in a Definition.
type Value struct {
	Name   string
	Number uint32
}

// Lookup finds a definition by name, whatever the case of its letters.
func Lookup(name string) (Definition, bool) {
	d, ok := byName[strings.ToLower(name)]
	if !ok {
		return Definition{}, false
	}
	return *d, true
}

// Definitions yields the whole dictionary, for choosing from.
func Definitions() iter.Seq[Definition] { return slices.Values(definitions) }

// String gives the standard's name of t, or "Attr-" and its number.
func (t Type) String() string {
	if d, ok := byNumber[number{0, t}]; ok {
		return d.Name
	}
	return "Attr-" + strconv.Itoa(int(t))
}

// ParseReplyAttribute reads an attribute as [ParseAttribute] does, for use in
// a reply by configuration. It refuses what the protocol itself owns: State,
// Proxy-State, Message-Authenticator, EAP-Message, passwords, responses and
// keys.
func ParseReplyAttribute(s string) (Attribute, error) {
	a, d, err := parseAttribute(s)
	if err != nil {
		return Attribute{}, err
	}
	if _, subs, ok := a.vendorContent(); ok && d.Vendor == 0 {
		// The octets of a whole Vendor-Specific attribute: look inside.
		vendor := binary.BigEndian.Uint32(a.Value)
		for ; len(subs) > 0; subs = subs[subs[1]:] {
			if inner, known := byNumber[number{vendor, Type(subs[0])}]; known && inner.Protocol {
				d = inner
			}
		}
	}
	if d.Protocol {
		return Attribute{}, fmt.Errorf("radius: read attribute: %s belongs to the protocol and cannot be set in a reply", d.Name)
	}
	return a, nil
}

// ParseAttribute reads an attribute written as NAME=VALUE or NUMBER=VALUE,
// where NUMBER is TYPE or 26.VENDOR.TYPE, and NAME or NUMBER may be followed
// by :TAG for the tunnel attributes. Spaces around the parts do not count.
//
//	Filter-Id=staff
//	Session-Timeout=3600
//	Service-Type=Administrative-User
//	Tunnel-Private-Group-Id:1=20
//	26.9.1=shell:priv-lvl=15
//
// How VALUE is written follows from the [Kind]; 0x and hexadecimal digits give
// the octets themselves in every kind, and text in double quotes (with \" and
// \\) may begin with 0x or with a space. An attribute that the dictionary does
// not know has no kind, so its value must be one of these two. Vendor
// attributes are made as [VendorAttribute] makes them.
//
// The error says in words what is wrong with s, for the one who typed it.
func ParseAttribute(s string) (Attribute, error) {
	a, _, err := parseAttribute(s)
	return a, err
}

func parseAttribute(s string) (Attribute, *Definition, error) {
	left, value, found := strings.Cut(s, "=")
	if !found {
		return Attribute{}, nil, fmt.Errorf("radius: read attribute: %s has no =", quoteForError(s))
	}
	name, tagText, hasTag := strings.Cut(strings.TrimSpace(left), ":")
	value = strings.TrimSpace(value)
	d, err := lookupNameOrNumber(name)
	if err != nil {
		return Attribute{}, nil, fmt.Errorf("radius: read attribute: %w", err)
	}
	tag := 0
	if hasTag {
		if !d.Tagged {
			return Attribute{}, nil, fmt.Errorf("radius: read attribute: %s takes no tag", d.Name)
		}
		tag, err = strconv.Atoi(tagText)
		if err != nil || tag < 0 || tag > maxTag || tagText != strconv.Itoa(tag) {
			return Attribute{}, nil, fmt.Errorf("radius: read attribute: the tag of %s is not a number from 0 to 31", d.Name)
		}
	}
	octets, isHex, err := d.parseValue(value)
	if err != nil {
		return Attribute{}, nil, fmt.Errorf("radius: read attribute: value of %s: %w", d.Name, err)
	}
	if d.Tagged && !(isHex && !hasTag) {
		octets, err = d.addTag(byte(tag), octets)
		if err != nil {
			return Attribute{}, nil, fmt.Errorf("radius: read attribute: value of %s: %w", d.Name, err)
		}
	}
	if d.Vendor == 0 {
		if len(octets) > maxValue {
			return Attribute{}, nil, fmt.Errorf("radius: read attribute: value of %s: longer than %d octets", d.Name, maxValue)
		}
		return Attribute{Type: d.Type, Value: octets}, d, nil
	}
	a, err := VendorAttribute(d.Vendor, d.Type, octets)
	if err != nil {
		return Attribute{}, nil, fmt.Errorf("radius: read attribute: value of %s: longer than %d octets", d.Name, maxVendorValue)
	}
	return a, d, nil
}

// maxTag is the largest tag; a first octet above it is data (RFC 2868).
const maxTag = 0x1f

// lookupNameOrNumber finds what the left side of an attribute names. A number
// the dictionary lacks gives a definition of its own that says so.
func lookupNameOrNumber(name string) (*Definition, error) {
	if d, ok := byName[strings.ToLower(name)]; ok {
		return d, nil
	}
	parts := strings.Split(name, ".")
	if name == "" || strings.Trim(name, "0123456789.") != "" {
		return nil, fmt.Errorf("no attribute is named %s; an attribute without a name is written TYPE or 26.VENDOR.TYPE", quoteForError(name))
	}
	var n number
	switch len(parts) {
	case 1:
		t, err := strconv.ParseUint(parts[0], 10, 8)
		if err != nil || t == 0 {
			return nil, fmt.Errorf("attribute type %s is not from 1 to 255", quoteForError(name))
		}
		n = number{0, Type(t)}
	case 3:
		vendor, err := strconv.ParseUint(parts[1], 10, 32)
		t, err2 := strconv.ParseUint(parts[2], 10, 8)
		if parts[0] != "26" || err != nil || err2 != nil || vendor == 0 || t == 0 {
			return nil, fmt.Errorf("attribute %s is not of the form 26.VENDOR.TYPE with TYPE from 1 to 255", quoteForError(name))
		}
		n = number{uint32(vendor), Type(t)}
	default:
		return nil, fmt.Errorf("attribute %s is neither TYPE nor 26.VENDOR.TYPE", quoteForError(name))
	}
	if d, ok := byNumber[n]; ok {
		return d, nil
	}
	return &Definition{Name: n.String(), Vendor: n.vendor, Type: n.typ, Kind: kindUnknown}, nil
}

// kindUnknown is the kind of attributes outside the dictionary.
const kindUnknown Kind = 255

// A number is where an attribute stands.
type number struct {
	vendor uint32
	typ    Type
}

func (n number) String() string {
	if n.vendor == 0 {
		return strconv.Itoa(int(n.typ))
	}
	return fmt.Sprintf("26.%d.%d", n.vendor, n.typ)
}

// parseValue reads the right side. isHex says that the octets were given as
// such, so that they are complete.
func (d *Definition) parseValue(s string) (octets []byte, isHex bool, err error) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) == 0 {
			return nil, false, errors.New("0x is not followed by pairs of hexadecimal digits")
		}
		if want := d.size(); want != 0 && len(b) != want {
			return nil, false, fmt.Errorf("%d octets are given, %d are needed", len(b), want)
		}
		if d.Kind == IPv6Prefix {
			if _, err := prefixFromOctets(b); err != nil {
				return nil, false, err
			}
		}
		return b, true, nil
	}
	if s == "" {
		// RFC 2865, Section 5: text and string of no octets must not be sent.
		return nil, false, errors.New("it is empty")
	}
	switch d.Kind {
	case String:
		if s[0] == '"' {
			s, err = unquote(s)
		}
		return []byte(s), false, err
	case Number:
		for _, v := range d.Values {
			if strings.EqualFold(v.Name, s) {
				return binary.BigEndian.AppendUint32(nil, v.Number), false, nil
			}
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nil, false, fmt.Errorf("%s is neither a number from 0 to 4294967295%s", quoteForError(s), d.valueNames())
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n)), false, nil
	case IPv4:
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() {
			return nil, false, fmt.Errorf("%s is not an IPv4 address", quoteForError(s))
		}
		return a.AsSlice(), false, nil
	case IPv6:
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return nil, false, fmt.Errorf("%s is not an IPv6 address", quoteForError(s))
		}
		return a.AsSlice(), false, nil
	case IPv6Prefix:
		p, err := netip.ParsePrefix(s)
		if err != nil || !p.Addr().Is6() || p != p.Masked() {
			return nil, false, fmt.Errorf("%s is not an IPv6 prefix with zero bits behind it", quoteForError(s))
		}
		a := p.Addr().As16()
		return append([]byte{0, byte(p.Bits())}, a[:(p.Bits()+7)/8]...), false, nil
	case kindUnknown:
		if s[0] == '"' {
			s, err = unquote(s)
			return []byte(s), false, err
		}
		return nil, false, errors.New("this attribute is not in the dictionary, so write 0x and hexadecimal digits, or text in double quotes")
	case Octets, InterfaceID:
	}
	return nil, false, errors.New("write it as 0x and hexadecimal digits")
}

// size is how many octets the kind has, 0 if that varies.
func (d *Definition) size() int {
	switch d.Kind {
	case Number, IPv4:
		return 4
	case IPv6:
		return 16
	case InterfaceID:
		return 8
	case Octets, String, IPv6Prefix, kindUnknown:
	}
	return 0
}

func (d *Definition) valueNames() string {
	if len(d.Values) == 0 {
		return " nor a name"
	}
	names := make([]string, len(d.Values))
	for i, v := range d.Values {
		names[i] = v.Name
	}
	return " nor one of " + strings.Join(names, ", ")
}

// addTag puts a tag where RFC 2868 has it: in numbers it is the first of the
// four octets; before text it stands only if it is used, and a text whose
// first octet would be taken for a tag gets the tag 0.
func (d *Definition) addTag(tag byte, octets []byte) ([]byte, error) {
	if d.Kind == Number {
		if octets[0] != 0 {
			return nil, errors.New("it is above 16777215, which leaves no room for the tag")
		}
		octets[0] = tag
		return octets, nil
	}
	if tag == 0 && octets[0] > maxTag {
		return octets, nil
	}
	return append([]byte{tag}, octets...), nil
}

func prefixFromOctets(b []byte) (netip.Prefix, error) {
	if len(b) < 2 || len(b) > 18 || b[0] != 0 || b[1] > 128 || len(b)-2 < (int(b[1])+7)/8 {
		return netip.Prefix{}, errors.New("the octets are not an IPv6 prefix (RFC 3162, Section 2.3)")
	}
	var a [16]byte
	copy(a[:], b[2:])
	p := netip.PrefixFrom(netip.AddrFrom16(a), int(b[1]))
	if p != p.Masked() {
		return netip.Prefix{}, errors.New("the octets are not an IPv6 prefix with zero bits behind it")
	}
	return p, nil
}

func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			if i != len(s)-1 {
				return "", errors.New("something follows the closing quote")
			}
			if b.Len() == 0 {
				return "", errors.New("it is empty")
			}
			return b.String(), nil
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", errors.New(`a backslash stands before neither " nor \`)
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote is missing")
}

// quoteForError shows what an administrator typed, on one line and not at any
// length.
func quoteForError(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}

// String writes a as [ParseAttribute] reads it. Passwords, responses and keys
// come out as "hidden", which it does not read.
func (a Attribute) String() string {
	n, value := number{0, a.Type}, a.Value
	if vendor, subs, ok := a.vendorContent(); ok && vendor != 0 && int(subs[1]) == len(subs) && len(subs) > 2 && subs[0] != 0 {
		n, value = number{vendor, Type(subs[0])}, subs[2:]
	}
	d, ok := byNumber[n]
	if !ok {
		d = &Definition{Name: n.String(), Kind: kindUnknown}
	}
	switch {
	case n == number{0, UserPassword}, n == number{0, CHAPPassword}, n == number{0, tunnelPassword}, n == number{0, arapPassword},
		n.vendor != 0 && d.Protocol:
		return d.Name + "=" + hidden
	}
	if d.Tagged {
		if tag, rest, ok := d.cutTag(value); ok {
			if text := d.formatValue(rest); !strings.HasPrefix(text, "0x") {
				if tag == 0 {
					return d.Name + "=" + text
				}
				return d.Name + ":" + strconv.Itoa(int(tag)) + "=" + text
			}
		}
		// Hexadecimal octets without a tag are the whole value.
		return d.Name + "=0x" + hex.EncodeToString(value)
	}
	return d.Name + "=" + d.formatValue(value)
}

// cutTag undoes addTag; false if value is not as addTag would have made it.
func (d *Definition) cutTag(value []byte) (tag byte, rest []byte, ok bool) {
	switch {
	case d.Kind == Number:
		if len(value) != 4 || value[0] > maxTag {
			return 0, nil, false
		}
		rest = append([]byte{0}, value[1:]...)
		return value[0], rest, true
	case len(value) == 0:
		return 0, nil, false
	case value[0] > maxTag:
		return 0, value, true
	case value[0] == 0 || len(value) == 1:
		return 0, nil, false
	}
	return value[0], value[1:], true
}

func (d *Definition) formatValue(v []byte) string {
	inHex := "0x" + hex.EncodeToString(v)
	if want := d.size(); want != 0 && len(v) != want {
		return inHex
	}
	switch d.Kind {
	case String, kindUnknown:
		return formatText(v, d.Kind == kindUnknown)
	case Number:
		n := binary.BigEndian.Uint32(v)
		for _, value := range d.Values {
			if value.Number == n {
				return value.Name
			}
		}
		return strconv.FormatUint(uint64(n), 10)
	case IPv4, IPv6:
		a, _ := netip.AddrFromSlice(v)
		return a.String()
	case IPv6Prefix:
		if p, err := prefixFromOctets(v); err == nil && len(v) == 2+(p.Bits()+7)/8 {
			return p.String()
		}
	case Octets, InterfaceID:
	}
	return inHex
}

// formatText shows text that can be shown, in quotes if it would otherwise be
// read differently, and anything else as octets.
func formatText(v []byte, quoted bool) string {
	s := string(v)
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "0x" + hex.EncodeToString(v)
	}
	if quoted || s[0] == '"' || strings.HasPrefix(s, "0x") || strings.TrimSpace(s) != s {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

var byName, byNumber = indexDefinitions()

func indexDefinitions() (map[string]*Definition, map[number]*Definition) {
	names := make(map[string]*Definition, len(definitions))
	numbers := make(map[number]*Definition, len(definitions))
	for i := range definitions {
		d := &definitions[i]
		names[strings.ToLower(d.Name)] = d
		numbers[number{d.Vendor, d.Type}] = d
	}
	return names, numbers
}

// Enterprise numbers (IANA, Private Enterprise Numbers).
const (
	vendorCisco      = 9
	vendorHP         = 11
	vendorCitrix     = 66
	vendorHuawei     = 2011
	vendorCheckPoint = 2620
	vendorJuniper    = 2636
	vendorCiscoASA   = 3076
	vendorNetScreen  = 3224
	vendorF5         = 3375
	vendorSonicWall  = 8741
	vendorFortinet   = 12356
	vendorAruba      = 14823
	vendorMikrotik   = 14988
	vendorRuckus     = 25053
	vendorPaloAlto   = 25461
	vendorMeraki     = 29671
	vendorArista     = 30065
)

// definitions is the dictionary: what administrators of network devices put in
// rules and replies. The sources are the RFC named over each block and the
// vendors' own documentation.
var definitions = []Definition{
	// RFC 2865.
	{Name: "User-Name", Type: UserName, Kind: String},
	{Name: "User-Password", Type: UserPassword, Kind: Octets, Protocol: true},
	{Name: "CHAP-Password", Type: CHAPPassword, Kind: Octets, Protocol: true},
	{Name: "NAS-IP-Address", Type: NASIPAddress, Kind: IPv4},
	{Name: "NAS-Port", Type: NASPort, Kind: Number},
	{Name: "Service-Type", Type: ServiceType, Kind: Number, Values: []Value{
		{"Login-User", 1},
		{"Framed-User", 2},
		{"Callback-Login-User", 3},
		{"Callback-Framed-User", 4},
		{"Outbound-User", 5},
		{"Administrative-User", 6},
		{"NAS-Prompt-User", 7},
		{"Authenticate-Only", 8},
		{"Callback-NAS-Prompt", 9},
		{"Call-Check", 10},
		{"Callback-Administrative", 11},
		{"Authorize-Only", 17},
	}},
	{Name: "Framed-Protocol", Type: 7, Kind: Number, Values: []Value{
		{"PPP", 1}, {"SLIP", 2}, {"ARAP", 3}, {"Gandalf-SLML", 4}, {"Xylogics-IPX-SLIP", 5}, {"X.75-Synchronous", 6},
	}},
	{Name: "Framed-IP-Address", Type: FramedIPAddress, Kind: IPv4},
	{Name: "Framed-IP-Netmask", Type: 9, Kind: IPv4},
	{Name: "Framed-Routing", Type: 10, Kind: Number, Values: []Value{
		{"None", 0}, {"Broadcast", 1}, {"Listen", 2}, {"Broadcast-Listen", 3},
	}},
	{Name: "Filter-Id", Type: FilterID, Kind: String},
	{Name: "Framed-MTU", Type: 12, Kind: Number},
	{Name: "Framed-Compression", Type: 13, Kind: Number, Values: []Value{
		{"None", 0}, {"Van-Jacobson-TCP-IP", 1}, {"IPX-Header-Compression", 2}, {"Stac-LZS", 3},
	}},
	{Name: "Login-IP-Host", Type: 14, Kind: IPv4},
	{Name: "Login-Service", Type: 15, Kind: Number, Values: []Value{
		{"Telnet", 0}, {"Rlogin", 1}, {"TCP-Clear", 2}, {"PortMaster", 3}, {"LAT", 4}, {"X25-PAD", 5}, {"X25-T3POS", 6}, {"TCP-Clear-Quiet", 8},
	}},
	{Name: "Login-TCP-Port", Type: 16, Kind: Number},
	{Name: "Reply-Message", Type: ReplyMessage, Kind: String},
	{Name: "Callback-Number", Type: 19, Kind: String},
	{Name: "Callback-Id", Type: 20, Kind: String},
	{Name: "Framed-Route", Type: 22, Kind: String},
	{Name: "State", Type: State, Kind: Octets, Protocol: true},
	{Name: "Class", Type: Class, Kind: String},
	{Name: "Vendor-Specific", Type: VendorSpecific, Kind: Octets},
	{Name: "Session-Timeout", Type: SessionTimeout, Kind: Number},
	{Name: "Idle-Timeout", Type: 28, Kind: Number},
	{Name: "Termination-Action", Type: 29, Kind: Number, Values: []Value{{"Default", 0}, {"RADIUS-Request", 1}}},
	{Name: "Called-Station-Id", Type: CalledStationID, Kind: String},
	{Name: "Calling-Station-Id", Type: CallingStationID, Kind: String},
	{Name: "NAS-Identifier", Type: NASIdentifier, Kind: String},
	{Name: "Proxy-State", Type: ProxyState, Kind: Octets, Protocol: true},
	{Name: "CHAP-Challenge", Type: CHAPChallenge, Kind: Octets, Protocol: true},
	{Name: "NAS-Port-Type", Type: NASPortType, Kind: Number, Values: []Value{
		{"Async", 0},
		{"Sync", 1},
		{"ISDN", 2},
		{"ISDN-V120", 3},
		{"ISDN-V110", 4},
		{"Virtual", 5},
		{"PIAFS", 6},
		{"HDLC-Clear-Channel", 7},
		{"X.25", 8},
		{"X.75", 9},
		{"G.3-Fax", 10},
		{"SDSL", 11},
		{"ADSL-CAP", 12},
		{"ADSL-DMT", 13},
		{"IDSL", 14},
		{"Ethernet", 15},
		{"xDSL", 16},
		{"Cable", 17},
		{"Wireless-Other", 18},
		{"Wireless-802.11", 19},
	}},
	{Name: "Port-Limit", Type: 62, Kind: Number},

	// RFC 2866 and RFC 2869.
	{Name: "Acct-Status-Type", Type: 40, Kind: Number, Values: []Value{
		{"Start", 1}, {"Stop", 2}, {"Interim-Update", 3}, {"Accounting-On", 7}, {"Accounting-Off", 8}, {"Failed", 15},
	}},
	{Name: "Acct-Delay-Time", Type: 41, Kind: Number},
	{Name: "Acct-Input-Octets", Type: 42, Kind: Number},
	{Name: "Acct-Output-Octets", Type: 43, Kind: Number},
	{Name: "Acct-Session-Id", Type: AcctSessionID, Kind: String},
	{Name: "Acct-Authentic", Type: 45, Kind: Number, Values: []Value{{"RADIUS", 1}, {"Local", 2}, {"Remote", 3}, {"Diameter", 4}}},
	{Name: "Acct-Session-Time", Type: 46, Kind: Number},
	{Name: "Acct-Input-Packets", Type: 47, Kind: Number},
	{Name: "Acct-Output-Packets", Type: 48, Kind: Number},
	{Name: "Acct-Terminate-Cause", Type: 49, Kind: Number, Values: []Value{
		{"User-Request", 1},
		{"Lost-Carrier", 2},
		{"Lost-Service", 3},
		{"Idle-Timeout", 4},
		{"Session-Timeout", 5},
		{"Admin-Reset", 6},
		{"Admin-Reboot", 7},
		{"Port-Error", 8},
		{"NAS-Error", 9},
		{"NAS-Request", 10},
		{"NAS-Reboot", 11},
		{"Port-Unneeded", 12},
		{"Port-Preempted", 13},
		{"Port-Suspended", 14},
		{"Service-Unavailable", 15},
		{"Callback", 16},
		{"User-Error", 17},
		{"Host-Request", 18},
	}},
	{Name: "Acct-Multi-Session-Id", Type: 50, Kind: String},
	{Name: "Acct-Link-Count", Type: 51, Kind: Number},
	{Name: "Acct-Input-Gigawords", Type: 52, Kind: Number},
	{Name: "Acct-Output-Gigawords", Type: 53, Kind: Number},
	{Name: "Event-Timestamp", Type: 55, Kind: Number},
	{Name: "ARAP-Password", Type: arapPassword, Kind: Octets, Protocol: true},
	{Name: "Password-Retry", Type: 75, Kind: Number},
	{Name: "Prompt", Type: 76, Kind: Number, Values: []Value{{"No-Echo", 0}, {"Echo", 1}}},
	{Name: "Connect-Info", Type: ConnectInfo, Kind: String},
	{Name: "EAP-Message", Type: EAPMessage, Kind: Octets, Protocol: true},
	{Name: "Message-Authenticator", Type: MessageAuthenticator, Kind: Octets, Protocol: true},
	{Name: "Acct-Interim-Interval", Type: 85, Kind: Number},
	{Name: "NAS-Port-Id", Type: NASPortID, Kind: String},
	{Name: "Framed-Pool", Type: 88, Kind: String},

	// RFC 4675 and RFC 4372.
	{Name: "Egress-VLANID", Type: 56, Kind: Number},
	{Name: "Ingress-Filters", Type: 57, Kind: Number, Values: []Value{{"Enabled", 1}, {"Disabled", 2}}},
	{Name: "Egress-VLAN-Name", Type: 58, Kind: String},
	{Name: "Chargeable-User-Identity", Type: 89, Kind: Octets},

	// RFC 2868 and RFC 3580.
	{Name: "Tunnel-Type", Type: TunnelType, Kind: Number, Tagged: true, Values: []Value{
		{"PPTP", 1},
		{"L2F", 2},
		{"L2TP", 3},
		{"ATMP", 4},
		{"VTP", 5},
		{"AH", 6},
		{"IP", 7},
		{"MIN-IP", 8},
		{"ESP", 9},
		{"GRE", 10},
		{"DVS", 11},
		{"IP-in-IP", 12},
		{"VLAN", 13},
	}},
	{Name: "Tunnel-Medium-Type", Type: TunnelMediumType, Kind: Number, Tagged: true, Values: []Value{
		{"IPv4", 1},
		{"IPv6", 2},
		{"NSAP", 3},
		{"HDLC", 4},
		{"BBN-1822", 5},
		{"IEEE-802", 6},
		{"E.163", 7},
		{"E.164", 8},
		{"F.69", 9},
		{"X.121", 10},
		{"IPX", 11},
		{"Appletalk", 12},
		{"DecNet-IV", 13},
		{"Banyan-Vines", 14},
		{"E.164-NSAP", 15},
	}},
	{Name: "Tunnel-Client-Endpoint", Type: 66, Kind: String, Tagged: true},
	{Name: "Tunnel-Server-Endpoint", Type: 67, Kind: String, Tagged: true},
	{Name: "Tunnel-Password", Type: tunnelPassword, Kind: Octets, Protocol: true},
	{Name: "Tunnel-Private-Group-Id", Type: TunnelPrivateGroupID, Kind: String, Tagged: true},
	{Name: "Tunnel-Assignment-Id", Type: 82, Kind: String, Tagged: true},
	{Name: "Tunnel-Preference", Type: 83, Kind: Number, Tagged: true},
	{Name: "Tunnel-Client-Auth-Id", Type: 90, Kind: String, Tagged: true},
	{Name: "Tunnel-Server-Auth-Id", Type: 91, Kind: String, Tagged: true},

	// RFC 3162, RFC 4818 and RFC 6911.
	{Name: "NAS-IPv6-Address", Type: NASIPv6Address, Kind: IPv6},
	{Name: "Framed-Interface-Id", Type: 96, Kind: InterfaceID},
	{Name: "Framed-IPv6-Prefix", Type: 97, Kind: IPv6Prefix},
	{Name: "Login-IPv6-Host", Type: 98, Kind: IPv6},
	{Name: "Framed-IPv6-Route", Type: 99, Kind: String},
	{Name: "Framed-IPv6-Pool", Type: 100, Kind: String},
	{Name: "Delegated-IPv6-Prefix", Type: 123, Kind: IPv6Prefix},
	{Name: "Framed-IPv6-Address", Type: FramedIPv6Address, Kind: IPv6},
	{Name: "DNS-Server-IPv6-Address", Type: 169, Kind: IPv6},
	{Name: "Route-IPv6-Information", Type: 170, Kind: IPv6Prefix},
	{Name: "Delegated-IPv6-Prefix-Pool", Type: 171, Kind: String},
	{Name: "Stateful-IPv6-Address-Pool", Type: 172, Kind: String},

	// RFC 5176.
	{Name: "Error-Cause", Type: ErrorCause, Kind: Number, Values: []Value{
		{"Residual-Context-Removed", 201},
		{"Invalid-EAP-Packet", 202},
		{"Unsupported-Attribute", 401},
		{"Missing-Attribute", 402},
		{"NAS-Identification-Mismatch", 403},
		{"Invalid-Request", 404},
		{"Unsupported-Service", 405},
		{"Unsupported-Extension", 406},
		{"Invalid-Attribute-Value", 407},
		{"Administratively-Prohibited", 501},
		{"Proxy-Request-Not-Routable", 502},
		{"Session-Context-Not-Found", 503},
		{"Session-Context-Not-Removable", 504},
		{"Proxy-Processing-Error", 505},
		{"Resources-Unavailable", 506},
		{"Request-Initiated", 507},
		{"Multiple-Session-Selection-Unsupported", 508},
	}},

	// RFC 2548. The responses and keys are named so that they can be refused
	// and shown by name.
	{Name: "MS-CHAP-Response", Vendor: VendorMicrosoft, Type: 1, Kind: Octets, Protocol: true},
	{Name: "MS-CHAP-Error", Vendor: VendorMicrosoft, Type: 2, Kind: String, Protocol: true},
	{Name: "MS-MPPE-Encryption-Policy", Vendor: VendorMicrosoft, Type: 7, Kind: Number, Protocol: true},
	{Name: "MS-MPPE-Encryption-Types", Vendor: VendorMicrosoft, Type: 8, Kind: Number, Protocol: true},
	{Name: "MS-CHAP-Domain", Vendor: VendorMicrosoft, Type: 10, Kind: String},
	{Name: "MS-CHAP-Challenge", Vendor: VendorMicrosoft, Type: 11, Kind: Octets, Protocol: true},
	{Name: "MS-CHAP-MPPE-Keys", Vendor: VendorMicrosoft, Type: 12, Kind: Octets, Protocol: true},
	{Name: "MS-MPPE-Send-Key", Vendor: VendorMicrosoft, Type: 16, Kind: Octets, Protocol: true},
	{Name: "MS-MPPE-Recv-Key", Vendor: VendorMicrosoft, Type: 17, Kind: Octets, Protocol: true},
	{Name: "MS-Filter", Vendor: VendorMicrosoft, Type: 22, Kind: Octets},
	{Name: "MS-CHAP2-Response", Vendor: VendorMicrosoft, Type: 25, Kind: Octets, Protocol: true},
	{Name: "MS-CHAP2-Success", Vendor: VendorMicrosoft, Type: 26, Kind: Octets, Protocol: true},
	{Name: "MS-Primary-DNS-Server", Vendor: VendorMicrosoft, Type: 28, Kind: IPv4},
	{Name: "MS-Secondary-DNS-Server", Vendor: VendorMicrosoft, Type: 29, Kind: IPv4},
	{Name: "MS-RAS-Client-Name", Vendor: VendorMicrosoft, Type: 34, Kind: String},
	{Name: "MS-RAS-Client-Version", Vendor: VendorMicrosoft, Type: 35, Kind: String},
	{Name: "MS-Network-Access-Server-Type", Vendor: VendorMicrosoft, Type: 47, Kind: Number},
	{Name: "MS-Machine-Name", Vendor: VendorMicrosoft, Type: 50, Kind: String},

	// Vendors.
	{Name: "Cisco-AVPair", Vendor: vendorCisco, Type: 1, Kind: String},
	{Name: "Cisco-NAS-Port", Vendor: vendorCisco, Type: 2, Kind: String},
	{Name: "ASA-Banner1", Vendor: vendorCiscoASA, Type: 15, Kind: String},
	{Name: "ASA-Group-Policy", Vendor: vendorCiscoASA, Type: 25, Kind: String},
	{Name: "ASA-TunnelGroupName", Vendor: vendorCiscoASA, Type: 146, Kind: String},
	{Name: "ASA-Privilege-Level", Vendor: vendorCiscoASA, Type: 220, Kind: Number},
	{Name: "ASA-ClientType", Vendor: vendorCiscoASA, Type: 150, Kind: Number},
	{Name: "HP-Privilege-Level", Vendor: vendorHP, Type: 1, Kind: Number},
	{Name: "Citrix-Group-Names", Vendor: vendorCitrix, Type: 14, Kind: String},
	{Name: "Citrix-Group-Ids", Vendor: vendorCitrix, Type: 15, Kind: String},
	{Name: "Citrix-User-Groups", Vendor: vendorCitrix, Type: 16, Kind: String},
	{Name: "Huawei-Exec-Privilege", Vendor: vendorHuawei, Type: 29, Kind: Number},
	{Name: "CP-Gaia-User-Role", Vendor: vendorCheckPoint, Type: 229, Kind: String},
	{Name: "CP-Gaia-SuperUser-Access", Vendor: vendorCheckPoint, Type: 230, Kind: Number},
	{Name: "Juniper-Local-User-Name", Vendor: vendorJuniper, Type: 1, Kind: String},
	{Name: "Juniper-Allow-Commands", Vendor: vendorJuniper, Type: 2, Kind: String},
	{Name: "Juniper-Deny-Commands", Vendor: vendorJuniper, Type: 3, Kind: String},
	{Name: "Juniper-Allow-Configuration", Vendor: vendorJuniper, Type: 4, Kind: String},
	{Name: "Juniper-Deny-Configuration", Vendor: vendorJuniper, Type: 5, Kind: String},
	{Name: "Juniper-User-Permissions", Vendor: vendorJuniper, Type: 10, Kind: String},
	{Name: "NS-Admin-Privilege", Vendor: vendorNetScreen, Type: 1, Kind: Number},
	{Name: "NS-User-Group", Vendor: vendorNetScreen, Type: 3, Kind: String},
	{Name: "F5-LTM-User-Role", Vendor: vendorF5, Type: 1, Kind: Number},
	{Name: "F5-LTM-User-Partition", Vendor: vendorF5, Type: 3, Kind: String},
	{Name: "F5-LTM-User-Shell", Vendor: vendorF5, Type: 5, Kind: String},
	{Name: "F5-LTM-User-Info-1", Vendor: vendorF5, Type: 12, Kind: String},
	{Name: "F5-LTM-User-Info-2", Vendor: vendorF5, Type: 13, Kind: String},
	{Name: "SonicWall-User-Privilege", Vendor: vendorSonicWall, Type: 1, Kind: Number},
	{Name: "SonicWall-User-Group", Vendor: vendorSonicWall, Type: 3, Kind: String},
	{Name: "Fortinet-Group-Name", Vendor: vendorFortinet, Type: 1, Kind: String},
	{Name: "Fortinet-Client-IP-Address", Vendor: vendorFortinet, Type: 2, Kind: IPv4},
	{Name: "Fortinet-Vdom-Name", Vendor: vendorFortinet, Type: 3, Kind: String},
	{Name: "Fortinet-Access-Profile", Vendor: vendorFortinet, Type: 6, Kind: String},
	{Name: "Aruba-User-Role", Vendor: vendorAruba, Type: 1, Kind: String},
	{Name: "Aruba-User-Vlan", Vendor: vendorAruba, Type: 2, Kind: Number},
	{Name: "Aruba-Priv-Admin-User", Vendor: vendorAruba, Type: 3, Kind: Number},
	{Name: "Aruba-Admin-Role", Vendor: vendorAruba, Type: 4, Kind: String},
	{Name: "Aruba-Essid-Name", Vendor: vendorAruba, Type: 5, Kind: String},
	{Name: "Aruba-Named-User-Vlan", Vendor: vendorAruba, Type: 9, Kind: String},
	{Name: "Mikrotik-Group", Vendor: vendorMikrotik, Type: 3, Kind: String},
	{Name: "Mikrotik-Rate-Limit", Vendor: vendorMikrotik, Type: 8, Kind: String},
	{Name: "Mikrotik-Realm", Vendor: vendorMikrotik, Type: 9, Kind: String},
	{Name: "Mikrotik-Address-List", Vendor: vendorMikrotik, Type: 19, Kind: String},
	{Name: "Ruckus-User-Groups", Vendor: vendorRuckus, Type: 1, Kind: String},
	{Name: "PaloAlto-Admin-Role", Vendor: vendorPaloAlto, Type: 1, Kind: String},
	{Name: "PaloAlto-Admin-Access-Domain", Vendor: vendorPaloAlto, Type: 2, Kind: String},
	{Name: "PaloAlto-Panorama-Admin-Role", Vendor: vendorPaloAlto, Type: 3, Kind: String},
	{Name: "PaloAlto-Panorama-Admin-Access-Domain", Vendor: vendorPaloAlto, Type: 4, Kind: String},
	{Name: "PaloAlto-User-Group", Vendor: vendorPaloAlto, Type: 5, Kind: String},
	{Name: "PaloAlto-User-Domain", Vendor: vendorPaloAlto, Type: 6, Kind: String},
	{Name: "PaloAlto-Client-Source-IP", Vendor: vendorPaloAlto, Type: 7, Kind: String},
	{Name: "Meraki-Device-Name", Vendor: vendorMeraki, Type: 1, Kind: String},
	{Name: "Arista-AVPair", Vendor: vendorArista, Type: 1, Kind: String},
	{Name: "Arista-User-Priv-Level", Vendor: vendorArista, Type: 2, Kind: Number},
	{Name: "Arista-User-Role", Vendor: vendorArista, Type: 3, Kind: String},
}
