package radius

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseAttribute(t *testing.T) {
	tests := []struct {
		in    string
		typ   Type
		value string // hexadecimal
		out   string // what it prints as; "" if as in
	}{
		{"Filter-Id=staff", 11, "7374616666", ""},
		{" filter-id =  staff only ", 11, "7374616666206f6e6c79", "Filter-Id=staff only"},
		{"11=staff", 11, "7374616666", "Filter-Id=staff"},
		{`Filter-Id=" padded "`, 11, "2070616464656420", ""},
		{`Filter-Id="0x41"`, 11, "30783431", ""},
		{`Filter-Id="a\"b\\c"`, 11, "6122625c63", `Filter-Id=a"b\c`},
		{"Filter-Id=a=b", 11, "613d62", ""},
		{"Filter-Id=0x6100", 11, "6100", ""},
		{"Filter-Id=ünïcode", 11, "c3bc6ec3af636f6465", ""},
		{"Session-Timeout=3600", 27, "00000e10", ""},
		{"Session-Timeout=4294967295", 27, "ffffffff", ""},
		{"Session-Timeout=0x00000e10", 27, "00000e10", "Session-Timeout=3600"},
		{"Service-Type=administrative-user", 6, "00000006", "Service-Type=Administrative-User"},
		{"Service-Type=6", 6, "00000006", "Service-Type=Administrative-User"},
		{"Service-Type=99", 6, "00000063", ""},
		{"Framed-IP-Address=192.0.2.7", 8, "c0000207", ""},
		{"NAS-IPv6-Address=2001:db8::1", 95, "20010db8000000000000000000000001", ""},
		{"Framed-IPv6-Prefix=2001:db8::/32", 97, "002020010db8", ""},
		{"Framed-IPv6-Prefix=::/0", 97, "0000", ""},
		{"Framed-IPv6-Prefix=0x002020010db80000", 97, "002020010db80000", ""},
		{"Framed-Interface-Id=0x0001020304050607", 96, "0001020304050607", ""},
		{"Class=0x01ff", 25, "01ff", ""},
		{"Tunnel-Type=VLAN", 64, "0000000d", ""},
		{"Tunnel-Type:1=VLAN", 64, "0100000d", ""},
		{"Tunnel-Type:0=13", 64, "0000000d", "Tunnel-Type=VLAN"},
		{"Tunnel-Medium-Type:31=IEEE-802", 65, "1f000006", ""},
		{"Tunnel-Private-Group-Id=20", 81, "3230", ""},
		{"Tunnel-Private-Group-Id:1=20", 81, "013230", ""},
		{"Tunnel-Private-Group-Id=0x013230", 81, "013230", "Tunnel-Private-Group-Id:1=20"},
		{"Tunnel-Private-Group-Id:2=0x3230", 81, "023230", "Tunnel-Private-Group-Id:2=20"},
		{"Cisco-AVPair=shell:priv-lvl=15", 26, "00000009 0113 7368656c6c3a707269762d6c766c3d3135", ""},
		{"26.9.1=shell:priv-lvl=15", 26, "00000009 0113 7368656c6c3a707269762d6c766c3d3135", "Cisco-AVPair=shell:priv-lvl=15"},
		{"Fortinet-Group-Name=vpn", 26, "00003044 0105 76706e", ""},
		{"26.12356.1=vpn", 26, "00003044 0105 76706e", "Fortinet-Group-Name=vpn"},
		{"26.99999.7=0x0102", 26, "0001869f 0704 0102", ""},
		{`26.99999.7="text"`, 26, "0001869f 0706 74657874", ""},
		{"200=0x01", 200, "01", ""},
		{`200="text"`, 200, "74657874", ""},
		{"Error-Cause=Unsupported-Service", 101, "00000195", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseAttribute(tt.in)
			if err != nil || got.Type != tt.typ || !bytes.Equal(got.Value, mustHex(t, tt.value)) {
				t.Fatalf("ParseAttribute(%q) = %d %x, %v; want %d %s", tt.in, got.Type, got.Value, err, tt.typ, tt.value)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if got.String() != want {
				t.Errorf("it prints as %q, want %q", got, want)
			}
			if _, err := ParseReplyAttribute(tt.in); err != nil {
				t.Errorf("ParseReplyAttribute: %v", err)
			}
		})
	}
}

func TestParseAttributeSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `"" has no =`},
		{"Filter-Id", "has no ="},
		{"=x", `no attribute is named ""`},
		{"Filter=x", `no attribute is named "Filter"`},
		{"Filter-Id=", "value of Filter-Id: it is empty"},
		{`Filter-Id=""`, "it is empty"},
		{`Filter-Id="x`, "closing quote is missing"},
		{`Filter-Id="x"y`, "something follows the closing quote"},
		{`Filter-Id="\n"`, "a backslash stands before neither"},
		{"Filter-Id=" + strings.Repeat("x", 254), "longer than 253 octets"},
		{"Cisco-AVPair=" + strings.Repeat("x", 248), "longer than 247 octets"},
		{"Filter-Id=0x", "pairs of hexadecimal digits"},
		{"Filter-Id=0x123", "pairs of hexadecimal digits"},
		{"Session-Timeout=-1", "neither a number from 0 to 4294967295"},
		{"Session-Timeout=4294967296", "neither a number from 0 to 4294967295"},
		{"Session-Timeout=1h", "nor a name"},
		{"Session-Timeout=0x01", "1 octets are given, 4 are needed"},
		{"Service-Type=Admin", "nor one of Login-User, Framed-User"},
		{"Framed-IP-Address=300.0.0.1", "not an IPv4 address"},
		{"Framed-IP-Address=::1", "not an IPv4 address"},
		{"NAS-IPv6-Address=192.0.2.1", "not an IPv6 address"},
		{"NAS-IPv6-Address=fe80::1%eth0", "not an IPv6 address"},
		{"Framed-IPv6-Prefix=2001:db8::1/32", "not an IPv6 prefix with zero bits"},
		{"Framed-IPv6-Prefix=0x0081", "not an IPv6 prefix"},
		{"Vendor-Specific=text", "write it as 0x"},
		{"Filter-Id:1=x", "Filter-Id takes no tag"},
		{"Tunnel-Type:32=VLAN", "not a number from 0 to 31"},
		{"Tunnel-Type:01=VLAN", "not a number from 0 to 31"},
		{"Tunnel-Type:=VLAN", "not a number from 0 to 31"},
		{"Tunnel-Preference:1=16777216", "leaves no room for the tag"},
		{"0=0x01", "not from 1 to 255"},
		{"256=0x01", "not from 1 to 255"},
		{"26.9=0x01", "neither TYPE nor 26.VENDOR.TYPE"},
		{"27.9.1=0x01", "not of the form 26.VENDOR.TYPE"},
		{"26.0.1=0x01", "not of the form 26.VENDOR.TYPE"},
		{"26.9.0=0x01", "not of the form 26.VENDOR.TYPE"},
		{"26.9.256=0x01", "not of the form 26.VENDOR.TYPE"},
		{"26.99999.1=15", "not in the dictionary"},
		{strings.Repeat("n", 300) + "=1", `"...`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseAttribute(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "radius: read attribute: ") {
				t.Errorf("ParseAttribute(%q) = %v, %v; want an error with %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestReplyAttributesOfTheProtocolAreRefused(t *testing.T) {
	for _, in := range []string{
		"State=0x01", "24=0x01", "Proxy-State=0x01", "Message-Authenticator=0x00", "User-Password=0x00", "2=0x00",
		"EAP-Message=0x01", "CHAP-Password=0x00", "Tunnel-Password=0x00", "MS-MPPE-Send-Key=0x00", "26.311.17=0x00",
		"MS-CHAP2-Success=0x00",
		"Vendor-Specific=0x000001371003ff",       // MS-MPPE-Send-Key in disguise
		"26=0x00000137220600000000" + "1003ff",   // the same behind another
		"Vendor-Specific=0x0000013710030011030a", // two of them
	} {
		if a, err := ParseReplyAttribute(in); err == nil || !strings.Contains(err.Error(), "belongs to the protocol") {
			t.Errorf("ParseReplyAttribute(%q) = %v, %v; want it refused", in, a, err)
		}
		if _, err := ParseAttribute(in); err != nil {
			t.Errorf("ParseAttribute(%q): %v", in, err)
		}
	}
}

func TestSecretsOfAPacketDoNotPrint(t *testing.T) {
	value := []byte("secret-of-a-user")
	for _, a := range []Attribute{
		{UserPassword, value},
		{CHAPPassword, value},
		{tunnelPassword, value},
		{arapPassword, value},
		vendorOrDie(t, VendorMicrosoft, 16, string(value)), vendorOrDie(t, VendorMicrosoft, 25, string(value)),
	} {
		if s := a.String(); !strings.HasSuffix(s, "=hidden") {
			t.Errorf("%d prints as %q", a.Type, s)
		}
	}
}

// TestAttributesPrintAsTheyAreRead: reading what was printed gives the same
// octets, for every attribute of the dictionary and any other.
func TestAttributesPrintAsTheyAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Attribute
		if rapid.Bool().Draw(t, "known") {
			d := rapid.SampledFrom(definitions).Draw(t, "definition")
			value := rapid.SliceOfN(rapid.Byte(), 1, 247).Draw(t, "value")
			if rapid.Bool().Draw(t, "text") {
				value = []byte(rapid.StringN(1, 60, 200).Draw(t, "text value"))
			}
			a = Attribute{d.Type, value}
			if d.Vendor != 0 {
				a, _ = VendorAttribute(d.Vendor, d.Type, value)
			}
		} else {
			a = Attribute{Type(rapid.IntRange(1, 255).Draw(t, "type")), rapid.SliceOfN(rapid.Byte(), 1, 253).Draw(t, "value")}
		}
		s := a.String()
		if strings.HasSuffix(s, "="+hidden) {
			return
		}
		b, err := ParseAttribute(s)
		if err != nil {
			// The dictionary's sizes may refuse what a NAS could still send.
			if strings.Contains(s, "=0x") {
				return
			}
			t.Fatalf("%q does not parse: %v", s, err)
		}
		if b.Type != a.Type || !bytes.Equal(b.Value, a.Value) {
			t.Fatalf("%d %x prints as %q, which is %d %x", a.Type, a.Value, s, b.Type, b.Value)
		}
	})
}

func TestLookup(t *testing.T) {
	d, ok := Lookup("FILTER-ID")
	if !ok || d.Name != "Filter-Id" || d.Type != FilterID || d.Kind != String {
		t.Errorf("Lookup = %+v, %t", d, ok)
	}
	if _, ok := Lookup("Nothing"); ok {
		t.Error("Lookup found Nothing")
	}
	if FilterID.String() != "Filter-Id" || Type(200).String() != "Attr-200" {
		t.Errorf("%v and %v", FilterID, Type(200))
	}
	names := make(map[string]bool)
	numbers := make(map[number]bool)
	for d := range Definitions() {
		if n := (number{d.Vendor, d.Type}); names[d.Name] || numbers[n] {
			t.Errorf("%s or %v stands twice", d.Name, n)
		}
		names[d.Name], numbers[number{d.Vendor, d.Type}] = true, true
	}
}

// TestDictionaryAgreesWithFreeRADIUS compares every definition and value with
// the dictionaries that FreeRADIUS installs.
func TestDictionaryAgreesWithFreeRADIUS(t *testing.T) {
	files, _ := filepath.Glob("/usr/share/freeradius/dictionary*")
	if len(files) == 0 {
		missingPeer(t, "the dictionaries of freeradius")
	}
	type theirs struct {
		number number
		kind   string
		tagged bool
	}
	attributes := make(map[string][]theirs)
	values := make(map[string]uint64)
	vendors := make(map[string]uint32)
	spaces := regexp.MustCompile(`\s+`)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		vendor := uint32(0)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			w := spaces.Split(strings.TrimSpace(lines.Text()), -1)
			switch {
			case len(w) >= 3 && w[0] == "VENDOR":
				n, _ := strconv.ParseUint(w[2], 0, 32)
				vendors[w[1]] = uint32(n)
			case len(w) >= 2 && w[0] == "BEGIN-VENDOR":
				vendor = vendors[w[1]]
			case len(w) >= 2 && w[0] == "END-VENDOR":
				vendor = 0
			case len(w) >= 4 && w[0] == "ATTRIBUTE":
				n, err := strconv.ParseUint(w[2], 0, 8)
				if err != nil {
					continue
				}
				kind, _, _ := strings.Cut(w[3], "[")
				attributes[w[1]] = append(attributes[w[1]], theirs{
					number{vendor, Type(n)},
					strings.ToLower(kind),
					len(w) > 4 && strings.Contains(w[4], "has_tag"),
				})
			case len(w) >= 4 && w[0] == "VALUE":
				if n, err := strconv.ParseUint(w[3], 0, 32); err == nil {
					values[strings.ToLower(w[1]+" "+w[2])] = n
				}
			}
		}
		f.Close()
	}
	kinds := map[string]Kind{
		"string": String, "integer": Number, "date": Number, "ipaddr": IPv4, "ipv6addr": IPv6,
		"ipv6prefix": IPv6Prefix, "ifid": InterfaceID, "octets": Octets, "vsa": Octets,
	}
	for d := range Definitions() {
		if d.Name == "User-Password" || d.Name == "Tunnel-Password" || d.Name == "MS-CHAP-Error" {
			continue // encrypted text there, opaque or the protocol's here
		}
		if d.Name == "Class" {
			continue // octets there; administrators write text everywhere, and 0x gives octets here too
		}
		found := false
		for _, a := range attributes[d.Name] {
			if a.number == (number{d.Vendor, d.Type}) && kinds[a.kind] == d.Kind && a.tagged == d.Tagged {
				found = true
			}
		}
		if !found {
			t.Errorf("%s is %v, kind %d, tagged %t; FreeRADIUS has %+v", d.Name, number{d.Vendor, d.Type}, d.Kind, d.Tagged, attributes[d.Name])
		}
		for _, v := range d.Values {
			if n, ok := values[strings.ToLower(d.Name+" "+v.Name)]; !ok || n != uint64(v.Number) {
				t.Errorf("%s %s is %d; FreeRADIUS has %d, %t", d.Name, v.Name, v.Number, n, ok)
			}
		}
	}
}

// missingPeer ends a test that needs a program which is not installed. The
// build machine must have it.
func missingPeer(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s must be installed where CI=true", what)
	}
	t.Skipf("%s is not installed", what)
}
