package check

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"sallyport/diagnose"
	"sallyport/winreg"
)

// A model is a registry that a test fills: keys to values by their names. It is
// written as exports and read back, as what people send.
type model map[string]map[string]any

// set puts a value: an int is a DWORD, a string a text, a []string a list of
// texts, a []byte binary. A nil value only makes the key.
func (m model) set(key, name string, value any) model {
	if m[key] == nil {
		m[key] = map[string]any{}
	}
	if value != nil {
		m[key][name] = value
	}
	return m
}

func (m model) clone() model {
	c := model{}
	for k, values := range m {
		c[k] = map[string]any{}
		for n, v := range values {
			c[k][n] = v
		}
	}
	return c
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func hexes(b []byte) string {
	var parts []string
	for _, x := range b {
		parts = append(parts, fmt.Sprintf("%02x", x))
	}
	return strings.Join(parts, ",")
}

// export writes the model as regedit does, in UTF-16.
func (m model) export() []byte {
	var b strings.Builder
	b.WriteString("Windows Registry Editor Version 5.00\r\n")
	for _, key := range slices.Sorted(keysOf(m)) {
		parts, ok := winreg.Canonical(key)
		if !ok {
			panic("no key: " + key)
		}
		fmt.Fprintf(&b, "\r\n[%s]\r\n", strings.Join(parts, `\`))
		for _, name := range slices.Sorted(keysOf(m[key])) {
			quoted := "@"
			if name != "" {
				quoted = `"` + name + `"`
			}
			switch v := m[key][name].(type) {
			case int:
				fmt.Fprintf(&b, "%s=dword:%08x\r\n", quoted, uint32(v))
			case string:
				fmt.Fprintf(&b, "%s=\"%s\"\r\n", quoted, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v))
			case []string:
				fmt.Fprintf(&b, "%s=hex(7):%s\r\n", quoted, hexes(utf16le(strings.Join(v, "\x00")+"\x00\x00")))
			case []byte:
				fmt.Fprintf(&b, "%s=hex:%s\r\n", quoted, hexes(v))
			default:
				panic(fmt.Sprintf("no value: %v", v))
			}
		}
	}
	return append([]byte{0xff, 0xfe}, utf16le(b.String())...)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func readBytes(t testing.TB, name string, b []byte) *RegistryFile {
	t.Helper()
	f, err := ReadRegistry(name, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

func (m model) judge(t testing.TB) *RegistryReport {
	t.Helper()
	return JudgeRegistry(readBytes(t, "test.reg", m.export()))
}

// causesOf lists the findings; those that stop nobody have a "~" before them.
func causesOf(r *RegistryReport) []string {
	list := []string{}
	for _, f := range r.Findings {
		id := f.Cause
		if f.Note {
			id = "~" + id
		}
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func setting(r *RegistryReport, key, name string) *Setting {
	for i := range r.Settings {
		if strings.EqualFold(r.Settings[i].Key, key) && r.Settings[i].Value == name {
			return &r.Settings[i]
		}
	}
	return nil
}

const (
	net4        = netKey + `\v4.0.30319`
	net2        = netKey + `\v2.0.50727`
	winHTTP     = inetKey + `\WinHttp`
	tls12Client = schannelKey + `\Protocols\TLS 1.2\Client`
	tls12Server = schannelKey + `\Protocols\TLS 1.2\Server`
	system      = `HKU\.DEFAULT` + inetBelow
	person      = `HKCU` + inetBelow
	okta        = `{6a9ad7b3-5a08-4f4a-9e52-2e4c0d5d7b01}` // made up
	other       = `{6a9ad7b3-5a08-4f4a-9e52-2e4c0d5d7b02}` // made up
)

func of32(key string) string { return inView(key, View32) }

// server2022 is a healthy host, with everything that is judged.
func server2022() model {
	m := model{}
	m.set(versionKey, "CurrentBuildNumber", "20348").set(versionKey, "ProductName", "Windows Server 2022 Standard")
	m.set(of32(versionKey), "CurrentBuildNumber", "20348")
	m.set(releaseKey+`\v4\Full`, "Release", 528449)
	for _, v := range []View{View64, View32} {
		m.set(inView(net4, v), "SchUseStrongCrypto", 1).set(inView(net4, v), "SystemDefaultTlsVersions", 1)
		m.set(inView(netKey, v), "InstallRoot", `C:\Windows\Microsoft.NET\Framework64\`)
		m.set(inView(winHTTP, v), "DefaultSecureProtocols", 0x2800)
		m.set(inView(inetKey, v), "SecureProtocols", 0x2800)
	}
	m.set(explorerKey, "svcVersion", "11.1.20348.0")
	m.set(system, "SecureProtocols", 0x2a80).set(system, "ProxyEnable", 0)
	m.set(person, "SecureProtocols", 0x2a80).set(person, "ProxyEnable", 0)
	m.set(schannelKey, "EventLogging", 1)
	m.set(schannelKey+`\Protocols\TLS 1.0\Server`, "Enabled", 0)
	m.set(tls12Client, "Enabled", 1).set(tls12Client, "DisabledByDefault", 0)
	m.set(tls12Server, "Enabled", 0xffffffff).set(tls12Server, "DisabledByDefault", 0)
	m.set(suitesLocal, "Functions", []string{"TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"})
	m.set(suitesPolicy, "", nil)
	m.set(fipsKey, "Enabled", 0)
	m.set(timeKey, "Start", 2).set(timeKey+`\Parameters`, "Type", "NT5DS")
	m.set(providersKey, "", nil)
	m.set(providersKey+`\{60b78e88-ead8-445c-9cfd-0b87f74ea6cd}`, "", "PasswordProvider")
	m.set(providersKey+`\`+okta, "", "An MFA product")
	m.set(filtersKey, "", nil)
	m.set(filtersKey+`\{DDC0EED2-ADBE-40b6-A217-EDE16A79A0DE}`, "", "GenericFilter")
	m.set(filtersKey+`\`+okta, "", "An MFA product")
	return m
}

func TestHealthyServer2022(t *testing.T) {
	t.Parallel()
	r := server2022().judge(t)
	if len(r.Findings) > 0 || r.Faulty() || len(r.Warnings) > 0 {
		t.Errorf("findings %v, warnings %q", causesOf(r), r.Warnings)
	}
	if len(r.NotCovered) > 0 {
		t.Errorf("not covered: %q", r.NotCovered)
	}
	if r.Windows != "Windows Server 2022 Standard build 20348" || r.DotNet != "4.8" {
		t.Errorf("Windows %q, .NET %q", r.Windows, r.DotNet)
	}
	for _, s := range r.Settings {
		if s.State == Wrong || s.Cause != "" || s.Should == "" || s.Matters == "" {
			t.Errorf("%+v", s)
		}
	}
	if err := WriteFix(new(bytes.Buffer), r, noon); err != ErrNothingToMend {
		t.Errorf("WriteFix = %v; want ErrNothingToMend", err)
	}
}

// TestEachSetting changes one value of a healthy host at a time.
func TestEachSetting(t *testing.T) {
	t.Parallel()
	const (
		right   = ""
		missing = "missing" // and no fault
	)
	type remove struct{}
	tests := []struct {
		name     string
		key      string
		value    string
		to       any
		build    string // if not 20348
		want     string // "right", "missing", or the finding
		states   State
		mendable bool
	}{
		{"release of 4.8", releaseKey + `\v4\Full`, "Release", 528040, "", right, Right, false},
		{"release of 4.5", releaseKey + `\v4\Full`, "Release", 378389, "", "setting-dotnet-release", Wrong, false},
		{"no .NET 4.5", releaseKey + `\v4\Full`, "Release", remove{}, "", "setting-dotnet-release", Missing, false},
		{"release that is a text", releaseKey + `\v4\Full`, "Release", "528040", "", "setting-dotnet-release", Wrong, false},

		{"strong crypto off, 64", net4, "SchUseStrongCrypto", 0, "", "setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto off, 32", of32(net4), "SchUseStrongCrypto", 0, "", "setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto a text", net4, "SchUseStrongCrypto", "1", "", "setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto missing beside the other", net4, "SchUseStrongCrypto", remove{}, "", "~setting-dotnet-strong-crypto", Missing, true},
		{"strong crypto missing beside the other, 32", of32(net4), "SchUseStrongCrypto", remove{}, "", "~setting-dotnet-strong-crypto", Missing, true},
		{"system default off, 64", net4, "SystemDefaultTlsVersions", 0, "", "setting-dotnet-strong-crypto", Wrong, true},
		{"system default off, 32", of32(net4), "SystemDefaultTlsVersions", 0, "", "setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto off for .NET 2", net2, "SchUseStrongCrypto", 0, "", "~setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto off for .NET 2, 32", of32(net2), "SchUseStrongCrypto", 0, "", "~setting-dotnet-strong-crypto", Wrong, true},
		{"strong crypto on for .NET 2", net2, "SchUseStrongCrypto", 1, "", right, Right, false},

		{"WinHTTP with TLS 1.2, 64", winHTTP, "DefaultSecureProtocols", 0xa80, "", right, Right, false},
		{"WinHTTP with TLS 1.3 alone", winHTTP, "DefaultSecureProtocols", 0x2000, "", right, Right, false},
		{"WinHTTP with TLS 1.3 alone where there is none", winHTTP, "DefaultSecureProtocols", 0x2000, "17763", "setting-winhttp-tls12", Wrong, true},
		{"WinHTTP without, 64", winHTTP, "DefaultSecureProtocols", 0xa0, "", "setting-winhttp-tls12", Wrong, true},
		{"WinHTTP without, 32", of32(winHTTP), "DefaultSecureProtocols", 0x280, "", "setting-winhttp-tls12", Wrong, true},
		{"WinHTTP missing on 2022", winHTTP, "DefaultSecureProtocols", remove{}, "", missing, Missing, false},
		{"WinHTTP missing on 2012 R2", winHTTP, "DefaultSecureProtocols", remove{}, "9600", missing, Missing, false},
		{"WinHTTP missing on 2012", winHTTP, "DefaultSecureProtocols", remove{}, "9200", "setting-winhttp-tls12", Missing, true},
		{"WinHTTP missing on 2012, 32", of32(winHTTP), "DefaultSecureProtocols", remove{}, "9200", "setting-winhttp-tls12", Missing, true},

		{"WinINET of the machine without, 64", inetKey, "SecureProtocols", 0xa0, "", "setting-wininet-tls12", Wrong, true},
		{"WinINET of the machine without, 32", of32(inetKey), "SecureProtocols", 0xa0, "", "setting-wininet-tls12", Wrong, true},
		{"WinINET of the machine missing", inetKey, "SecureProtocols", remove{}, "", missing, Missing, false},
		{"WinINET of LocalSystem without", system, "SecureProtocols", 0xa0, "", "setting-wininet-tls12", Wrong, true},
		{"WinINET of LocalSystem a text", system, "SecureProtocols", "0xa80", "", "setting-wininet-tls12", Wrong, true},
		{"WinINET of LocalSystem missing", system, "SecureProtocols", remove{}, "", missing, Missing, false},
		{"WinINET of the person without", person, "SecureProtocols", 0xa0, "", "~setting-wininet-tls12", Wrong, true},
		{"WinINET by a policy without", inetPolicyKey, "SecureProtocols", 0xa0, "", "setting-wininet-tls12", Wrong, false},

		{"TLS 1.2 off for clients", tls12Client, "Enabled", 0, "", "setting-schannel-tls12-off", Wrong, true},
		{"TLS 1.2 not by default for clients", tls12Client, "DisabledByDefault", 1, "", "setting-schannel-tls12-off", Wrong, true},
		{"TLS 1.2 on for clients, written at length", tls12Client, "Enabled", 0xffffffff, "", right, Right, false},
		{"TLS 1.2 not said on 2022", tls12Client, "DisabledByDefault", remove{}, "", missing, Missing, false},
		{"TLS 1.2 not said on 2008 R2", tls12Client, "DisabledByDefault", remove{}, "7601", "setting-schannel-tls12-off", Missing, true},
		{"TLS 1.2 off for servers", tls12Server, "Enabled", 0, "", "setting-schannel-server-tls12-off", Wrong, true},
		{"TLS 1.2 not by default for servers", tls12Server, "DisabledByDefault", 1, "", "setting-schannel-server-tls12-off", Wrong, true},
		{"SSL 3 on", schannelKey + `\Protocols\SSL 3.0\Client`, "Enabled", 1, "", "~setting-schannel-old-protocols", Wrong, true},
		{"SSL 3 off", schannelKey + `\Protocols\SSL 3.0\Client`, "Enabled", 0, "", right, Right, false},
		{"SSL 2 on for servers", schannelKey + `\Protocols\SSL 2.0\Server`, "Enabled", 0xffffffff, "", "~setting-schannel-old-protocols", Wrong, true},
		{"TLS 1.1 off", schannelKey + `\Protocols\TLS 1.1\Client`, "Enabled", 0, "", right, Right, false},
		{"TLS 1.3 on in 2022", schannelKey + `\Protocols\TLS 1.3\Client`, "Enabled", 1, "", right, Right, false},
		{"TLS 1.3 on in 2019", schannelKey + `\Protocols\TLS 1.3\Client`, "Enabled", 1, "17763", "setting-schannel-tls13-unsupported", Wrong, true},
		{"TLS 1.3 off", schannelKey + `\Protocols\TLS 1.3\Client`, "Enabled", 0, "", right, Right, false},

		{"policy with a suite of today", suitesPolicy, "Functions", "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "", right, Right, false},
		{"policy with static keys only", suitesPolicy, "Functions", "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_3DES_EDE_CBC_SHA", "", "setting-schannel-ciphers", Wrong, false},
		{"policy with CBC only", suitesPolicy, "Functions", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256_P256", "", "~setting-schannel-ciphers", Wrong, false},
		{"policy with suites of TLS 1.3 only, without it", suitesPolicy, "Functions", "TLS_AES_128_GCM_SHA256", "17763", "~setting-schannel-ciphers", Wrong, false},
		{"local list with static keys only", suitesLocal, "Functions", []string{"TLS_RSA_WITH_AES_128_CBC_SHA"}, "", "setting-schannel-ciphers", Wrong, false},
		{"ECDH off", schannelKey + `\KeyExchangeAlgorithms\ECDH`, "Enabled", 0, "", "setting-schannel-ciphers", Wrong, false},
		{"ECDH on", schannelKey + `\KeyExchangeAlgorithms\ECDH`, "Enabled", 0xffffffff, "", right, Right, false},
		{"AES 128 off", schannelKey + `\Ciphers\AES 128/128`, "Enabled", 0, "", "~setting-schannel-ciphers", Wrong, false},

		{"FIPS", fipsKey, "Enabled", 1, "", "~setting-fips", Wrong, false},
		{"FIPS not said", fipsKey, "Enabled", remove{}, "", missing, Missing, false},
		{"no time service asked", timeKey + `\Parameters`, "Type", "NoSync", "", "~setting-clock-unsynchronized", Wrong, false},
		{"no time service", timeKey, "Start", 4, "", "~setting-clock-unsynchronized", Wrong, false},
		{"time from NTP", timeKey + `\Parameters`, "Type", "NTP", "", right, Right, false},
		{"proxy without an address", system, "ProxyEnable", 1, "", "setting-proxy-localsystem", Wrong, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			if tt.build != "" {
				m.set(versionKey, "CurrentBuildNumber", tt.build)
			}
			if _, ok := tt.to.(remove); ok {
				delete(m[tt.key], tt.value)
			} else {
				m.set(tt.key, tt.value, tt.to)
			}
			r := m.judge(t)
			want := []string{}
			if tt.want != right && tt.want != missing {
				want = append(want, tt.want)
			}
			if got := causesOf(r); !slices.Equal(got, want) {
				t.Errorf("findings %q; want %q", got, want)
			}
			if faulty := len(want) > 0 && want[0][0] != '~'; r.Faulty() != faulty {
				t.Errorf("Faulty() = %t; want %t", r.Faulty(), faulty)
			}
			s := setting(r, tt.key, tt.value)
			if s == nil {
				t.Fatalf("there is no row for %s %s", tt.key, tt.value)
			}
			if s.State != tt.states || s.Mendable != tt.mendable || (s.Cause == "") != (len(want) == 0) {
				t.Errorf("row %+v; want %s, mendable %t", s, tt.states, tt.mendable)
			}
			if s.File != "test.reg" || (s.Line == 0) != (s.State == Missing) {
				t.Errorf("row does not say where it is from: %+v", s)
			}
		})
	}
}

// Windows Server 2012 R2 as it comes, with .NET Framework 4.5.1.
func TestServer2012R2WithOldDotNet(t *testing.T) {
	t.Parallel()
	m := server2022()
	m.set(versionKey, "CurrentBuildNumber", "9600").set(versionKey, "ProductName", "Windows Server 2012 R2 Standard")
	m.set(releaseKey+`\v4\Full`, "Release", 378675)
	for _, v := range []View{View64, View32} {
		delete(m, inView(net4, v))
		m.set(inView(net4, v), "", nil)
		delete(m[inView(winHTTP, v)], "DefaultSecureProtocols")
		delete(m[inView(inetKey, v)], "SecureProtocols")
	}
	delete(m[system], "SecureProtocols")
	delete(m, tls12Client)
	delete(m, tls12Server)
	m.set(schannelKey+`\Protocols`, "", nil)
	r := m.judge(t)
	if got, want := causesOf(r), []string{"setting-dotnet-release", "setting-dotnet-strong-crypto"}; !slices.Equal(got, want) {
		t.Fatalf("findings %q; want %q", got, want)
	}
	for _, f := range r.Findings {
		if f.Confidence != diagnose.Likely || f.MFAAtFault {
			t.Errorf("%s: %s, MFA at fault %t", f.Cause, f.Confidence, f.MFAAtFault)
		}
		if f.Cause == "setting-dotnet-strong-crypto" && (f.Count != 4 || len(f.Evidence) != 4 || !strings.Contains(f.Evidence[0].Text, "is missing")) {
			t.Errorf("four missing values are one finding: %+v", f)
		}
	}
}

// An administrator has mended Internet Options, and tries it in a browser.
func TestOnlyTheAdministratorsOwnSettingsMended(t *testing.T) {
	t.Parallel()
	m := server2022()
	m.set(versionKey, "CurrentBuildNumber", "9200")
	m.set(system, "SecureProtocols", 0xa0)
	r := m.judge(t)
	if got, want := causesOf(r), []string{"setting-wininet-tls12"}; !slices.Equal(got, want) {
		t.Fatalf("findings %q; want %q", got, want)
	}
	f := r.Findings[0]
	if f.Confidence != diagnose.Proven || f.Note || !strings.Contains(f.Why, "a browser works") {
		t.Errorf("%s: %s", f.Confidence, f.Why)
	}
	if s := setting(r, person, "SecureProtocols"); s == nil || s.State != Right {
		t.Errorf("the administrator's own: %+v", s)
	}
	// Not even there: the default of that Windows counts.
	delete(m[system], "SecureProtocols")
	for _, v := range []View{View64, View32} {
		delete(m[inView(inetKey, v)], "SecureProtocols")
	}
	m.set(explorerKey, "svcVersion", "10.0.9200.16384")
	r = m.judge(t)
	if got, want := causesOf(r), []string{"setting-wininet-tls12"}; !slices.Equal(got, want) || r.Findings[0].Confidence != diagnose.Likely {
		t.Errorf("findings %q; want %q, likely", got, want)
	}
	m.set(explorerKey, "svcVersion", "11.0.9200.1")
	if r = m.judge(t); len(r.Findings) > 0 {
		t.Errorf("with Internet Explorer 11: %q", causesOf(r))
	}
}

// What the release of .NET makes of missing values.
func TestMissingStrongCrypto(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		release any
		tls10   any
		want    diagnose.Confidence
		note    bool
	}{
		{"4.8", 528040, nil, diagnose.Possible, true},
		{"4.8, TLS 1.0 off", 528040, 0, diagnose.Likely, false},
		{"4.6.1", 394254, nil, diagnose.Possible, false},
		{"not known", nil, nil, diagnose.Possible, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			delete(m, releaseKey+`\v4\Full`)
			m.set(net4, "", nil)
			if tt.release != nil {
				m.set(releaseKey+`\v4\Full`, "Release", tt.release)
			}
			m[net4] = map[string]any{}
			m[of32(net4)] = map[string]any{}
			m.set(schannelKey+`\Protocols\TLS 1.0\Client`, "Enabled", tt.tls10)
			r := m.judge(t)
			i := slices.IndexFunc(r.Findings, func(f diagnose.Finding) bool { return f.Cause == "setting-dotnet-strong-crypto" })
			if i < 0 || r.Findings[i].Confidence != tt.want || r.Findings[i].Note != tt.note || r.Findings[i].Count != 4 {
				t.Errorf("findings %+v", r.Findings)
			}
			if tt.release == nil && !slices.Contains(r.NotCovered, releaseKey) {
				t.Errorf("not covered: %q", r.NotCovered)
			}
		})
	}
}

// An export of one key says nothing about others.
func TestNothingIsJudgedThatIsNotCovered(t *testing.T) {
	t.Parallel()
	keys := []string{net4, of32(net4), releaseKey + `\v4\Full`, winHTTP, inetKey, system, person, tls12Client, tls12Server, suitesPolicy, suitesLocal, fipsKey, timeKey + `\Parameters`, timeKey, versionKey, providersKey, filtersKey, azureKey, oktaPolicyKey}
	for _, key := range keys {
		m := model{}
		m.set(key, "Something", 1)
		r := m.judge(t)
		for _, s := range r.Settings {
			if !isWithin(lowerPath(s.Key), lowerPath(key)) {
				t.Errorf("from %s alone: %+v", key, s)
			}
		}
		if len(r.NotCovered) == 0 {
			t.Errorf("%s: nothing is said not to be covered", key)
		}
	}
	// The parent that would hold the key is enough.
	m := model{}
	m.set(schannelKey, "EventLogging", 1)
	if s := setting(m.judge(t), tls12Client, "Enabled"); s == nil || s.State != Missing || s.Cause != "" {
		t.Errorf("below SCHANNEL: %+v", s)
	}
	// A parent that only its path names is not.
	m = model{}
	m.set(schannelKey+`\Protocols\TLS 1.0\Client`, "Enabled", 0)
	if s := setting(m.judge(t), tls12Client, "Enabled"); s != nil {
		t.Errorf("beside an exported key: %+v", s)
	}
	// A value that could not be read may be there.
	broken := []byte("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319]\r\n" +
		"\"SchUseStrongCrypto\"=dword:zz\r\n\"SystemDefaultTlsVersions\"=dword:00000000\r\n")
	r := JudgeRegistry(readBytes(t, "broken.reg", broken))
	if s := setting(r, net4, "SchUseStrongCrypto"); s != nil {
		t.Errorf("not readable: %+v", s)
	}
	if s := setting(r, net4, "SystemDefaultTlsVersions"); s == nil || s.State != Wrong || s.Line != 5 {
		t.Errorf("readable: %+v", s)
	}
	if len(r.Warnings) == 0 {
		t.Error("there is no warning")
	}
}

func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	a, b := model{}, model{}
	a.set(net4, "SchUseStrongCrypto", 0).set(net4, "SystemDefaultTlsVersions", 1)
	b.set(of32(net4), "SchUseStrongCrypto", 1).set(of32(net4), "SystemDefaultTlsVersions", 1)
	r := JudgeRegistry(readBytes(t, "a.reg", a.export()), readBytes(t, "b.reg", b.export()))
	if got := causesOf(r); !slices.Equal(got, []string{"setting-dotnet-strong-crypto"}) || len(r.Settings) != 4 || len(r.Warnings) > 0 {
		t.Errorf("findings %q, %d settings, warnings %q", got, len(r.Settings), r.Warnings)
	}
	if e := r.Findings[0].Evidence; len(e) != 1 || e[0].File != "a.reg" || e[0].Line != 4 {
		t.Errorf("evidence %+v", e)
	}
	// The later of two that differ counts, and that is said.
	b.set(net4, "SchUseStrongCrypto", 1)
	r = JudgeRegistry(readBytes(t, "a.reg", a.export()), readBytes(t, "b.reg", b.export()))
	if len(r.Findings) > 0 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "a.reg and b.reg differ") {
		t.Errorf("findings %q, warnings %q", causesOf(r), r.Warnings)
	}
}

// connectionOf is what netsh writes.
func connectionOf(flags uint32, proxy string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x28)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, flags)
	for _, s := range []string{proxy, "<local>"} {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

func TestProxies(t *testing.T) {
	t.Parallel()
	const cause = "setting-proxy-localsystem"
	for _, tt := range []struct {
		name    string
		person  string
		system  string
		winHTTP []byte
		policy  any
		want    diagnose.Confidence
	}{
		{"none anywhere", "", "", nil, nil, ""},
		{"only people", "proxy.example.com:8080", "", nil, nil, diagnose.Likely},
		{"only people, WinHTTP said to be direct", "proxy.example.com:8080", "", connectionOf(1, ""), nil, diagnose.Likely},
		{"people and WinHTTP", "proxy.example.com:8080", "", connectionOf(3, "proxy.example.com:8080"), nil, diagnose.Possible},
		{"all", "proxy.example.com:8080", "proxy.example.com:8080", connectionOf(3, "proxy.example.com:8080"), nil, ""},
		{"one setting for all", "proxy.example.com:8080", "", nil, 0, ""},
		{"only LocalSystem", "", "proxy.example.com:8080", nil, nil, ""},
		{"WinHTTP not readable", "proxy.example.com:8080", "", []byte{1, 2, 3}, nil, diagnose.Likely},
		{"WinHTTP that lies about lengths", "proxy.example.com:8080", "", []byte("0123456789ab\xff\xff\xff\xffx"), nil, diagnose.Likely},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			for key, proxy := range map[string]string{person: tt.person, system: tt.system} {
				if proxy != "" {
					m.set(key, "ProxyEnable", 1).set(key, "ProxyServer", proxy)
				}
			}
			if tt.winHTTP != nil {
				m.set(inetKey+`\Connections`, "WinHttpSettings", tt.winHTTP)
			}
			m.set(inetPolicyKey, "ProxySettingsPerUser", tt.policy)
			r := m.judge(t)
			switch {
			case tt.want == "" && len(r.Findings) > 0:
				t.Errorf("findings %q", causesOf(r))
			case tt.want != "" && (len(r.Findings) != 1 || r.Findings[0].Cause != cause || r.Findings[0].Confidence != tt.want):
				t.Errorf("findings %+v", r.Findings)
			}
		})
	}
}

func TestCredentialProviders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		providers, filter []string // a "-" before it switches it off
		want              []string
	}{
		{"none of other makers", nil, nil, []string{}},
		{"one product", []string{okta}, []string{okta}, []string{}},
		{"two filters", []string{okta, other}, []string{okta, other}, []string{"credential-provider-conflict"}},
		{"two providers, one filter", []string{okta, other}, []string{okta}, []string{"~credential-provider-conflict"}},
		{"two providers, one switched off", []string{okta, "-" + other}, []string{okta}, []string{}},
		{"a filter alone", nil, []string{okta}, []string{"setting-credential-filter-alone"}},
		{"a filter whose provider is switched off", []string{"-" + okta}, []string{okta}, []string{"setting-credential-filter-alone"}},
		{"a filter with another ID than its provider", []string{other}, []string{okta}, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			for key, list := range map[string][]string{providersKey: tt.providers, filtersKey: tt.filter} {
				delete(m, key+`\`+okta)
				for _, id := range list {
					id, off := strings.CutPrefix(id, "-")
					m.set(key+`\`+id, "", "Somebody's \x1b[31m product")
					if off {
						m.set(key+`\`+id, "Disabled", 1)
					}
				}
			}
			r := m.judge(t)
			if got := causesOf(r); !slices.Equal(got, tt.want) {
				t.Errorf("findings %q; want %q", got, tt.want)
			}
			for _, s := range r.Settings {
				if strings.ContainsRune(s.Found, 0x1b) {
					t.Errorf("an escape in %q", s.Found)
				}
			}
		})
	}
}

func TestAzureMFA(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		to          any // nil takes it away
		want        []string
	}{
		{"as set up", "VERBOSE_LOG", "TRUE", []string{}},
		{"host missing", "AZURE_MFA_HOSTNAME", nil, []string{"setting-azure-mfa-registry"}},
		{"token service empty", "STS_URL", "", []string{"setting-azure-mfa-registry"}},
		{"client ID a number", "CLIENT_ID", 1, []string{"setting-azure-mfa-registry"}},
		{"no list of addresses", "IP_WHITELIST", nil, []string{"~nps-ext-ip-whitelist"}},
		{"a range of addresses", "IP_WHITELIST", "10.0.0.0/8", []string{"~setting-azure-mfa-registry"}},
		{"addresses", "IP_WHITELIST", "10.0.0.1;10.0.0.2", []string{}},
		{"unenrolled people let in", "REQUIRE_USER_MATCH", "False", []string{"~setting-azure-mfa-unenrolled"}},
		{"enrolled people only", "REQUIRE_USER_MATCH", "TRUE", []string{}},
		{"attribute empty", "LDAP_ALTERNATE_LOGINID_ATTRIBUTE", "", []string{"setting-azure-mfa-registry"}},
		{"attribute", "LDAP_ALTERNATE_LOGINID_ATTRIBUTE", "mail", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			for n, v := range map[string]string{
				"AZURE_MFA_HOSTNAME": "strongauthenticationservice.auth.microsoft.com", "AZURE_MFA_RESOURCE_HOSTNAME": "adnotifications.windowsazure.com",
				"AZURE_MFA_TARGET_PATH": "StrongAuthenticationService.svc/Connector", "STS_URL": "https://login.microsoftonline.com/", "CLIENT_ID": "981f26a1-7f43-403b-a875-f8b09b8cd720", "IP_WHITELIST": "",
			} {
				m.set(azureKey, n, v)
			}
			m.set(azureKey, tt.value, tt.to)
			if tt.to == nil {
				delete(m[azureKey], tt.value)
			}
			if got := causesOf(m.judge(t)); !slices.Equal(got, tt.want) {
				t.Errorf("findings %q; want %q", got, tt.want)
			}
		})
	}
}

func TestOktaDeviceAccess(t *testing.T) {
	t.Parallel()
	const factors, required = "desktop-mfa-allowed-factors", "desktop-mfa-not-required"
	for _, tt := range []struct {
		name   string
		values map[string]any
		want   []string
	}{
		{"all", map[string]any{"AllowedFactors": []string{"*"}, "MFARequiredList": []string{"*"}}, []string{}},
		{"some", map[string]any{"AllowedFactors": []string{"OV_Push", "Offline_TOTP"}}, []string{}},
		{"misspelt", map[string]any{"AllowedFactors": []string{"OV_Pusch"}}, []string{factors}},
		{"one of two misspelt", map[string]any{"AllowedFactors": []string{"OV_Push", "OV_TOPT"}}, []string{factors}},
		{"none", map[string]any{"AllowedFactors": []string{}}, []string{factors}},
		{"online only, and online off", map[string]any{"AllowedFactors": []string{"OV_Push"}, "OnlineLoginAllowed": 0}, []string{factors}},
		{"offline only, and offline off", map[string]any{"AllowedFactors": []string{"Offline_TOTP"}, "OfflineLoginAllowed": "false"}, []string{factors}},
		{"both off", map[string]any{"OnlineLoginAllowed": 0, "OfflineLoginAllowed": 0}, []string{factors}},
		{"asks nobody", map[string]any{"MFARequiredList": []string{}}, []string{required}},
		{"asks a group", map[string]any{"MFARequiredList": []string{"Domain Users"}}, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := server2022()
			m.set(oktaKey, "UseDirectAuth", 1)
			m.set(oktaPolicyKey, "AdminContactInfo", "call 4711")
			for n, v := range tt.values {
				m.set(oktaPolicyKey, n, v)
			}
			if got := causesOf(m.judge(t)); !slices.Equal(got, tt.want) {
				t.Errorf("findings %q; want %q", got, tt.want)
			}
		})
	}
	m := server2022()
	m.set(oktaKey, "UseDirectAuth", 0).set(oktaPolicyKey, "AllowedFactors", []string{"OV_Push"})
	if got := causesOf(m.judge(t)); !slices.Equal(got, []string{"~" + factors}) {
		t.Errorf("without UseDirectAuth: %q", got)
	}
}

// A proxy can be set in several ways, for a person as for LocalSystem under
// either of its names.
func TestProxiesByOtherMeans(t *testing.T) {
	t.Parallel()
	const other = `HKU\S-1-5-18` + inetBelow
	byScript := append(connectionOf(5, ""), append([]byte{24, 0, 0, 0}, "http://example.com/p.pac"...)...)
	for _, tt := range []struct {
		name  string
		value string
		to    any
		below string
	}{
		{"a script", "AutoConfigURL", "http://example.com/p.pac", ""},
		{"one value for all of it", "DefaultConnectionSettings", connectionOf(3, "proxy.example.com:8080"), `\Connections`},
		{"one value, a script", "DefaultConnectionSettings", byScript, `\Connections`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := model{}
			m.set(person+tt.below, tt.value, tt.to).set(other, "ProxyEnable", 0)
			if got := causesOf(m.judge(t)); !slices.Equal(got, []string{"setting-proxy-localsystem"}) {
				t.Errorf("only the person: %q", got)
			}
			m.set(other+tt.below, tt.value, tt.to)
			if r := m.judge(t); len(r.Findings) > 0 {
				t.Errorf("LocalSystem too: %q", causesOf(r))
			}
		})
	}
	m := model{}
	m.set(other, "SecureProtocols", 0xa0)
	if s := setting(m.judge(t), other, "SecureProtocols"); s == nil || s.State != Wrong || s.View != LocalSystem {
		t.Errorf("under its number: %+v", s)
	}
}

// A Windows of 32 bit has one view only, and nothing is missing from the other.
func TestWindowsOf32Bit(t *testing.T) {
	t.Parallel()
	m := model{}
	m.set(`HKLM\SOFTWARE`, "", nil).set(versionKey, "CurrentBuildNumber", "7601").set(net4, "SchUseStrongCrypto", 0)
	r := m.judge(t)
	for _, s := range r.Settings {
		if s.View == View32 {
			t.Errorf("%+v", s)
		}
	}
	if s := setting(r, net4, "SchUseStrongCrypto"); s == nil || s.State != Wrong {
		t.Errorf("%+v", s)
	}
	m.set(of32(versionKey), "CurrentBuildNumber", "7601")
	if s := setting(m.judge(t), of32(winHTTP), "DefaultSecureProtocols"); s == nil || s.State != Missing || s.Cause == "" {
		t.Errorf("of 64 bit: %+v", s)
	}
}

// hiveOf makes a hive with hivexsh, from an empty one that has the name which a
// hive of that kind has in itself.
func hiveOf(t *testing.T, kind string, m model) []byte {
	t.Helper()
	tool := peer(t, "hivexsh")
	b, err := os.ReadFile(filepath.Join("testdata", "registry", "empty.hive"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	fmt.Fprintf(&script, "load %s\n", name)
	made := map[string]bool{}
	for _, key := range slices.Sorted(keysOf(m)) {
		at := ""
		script.WriteString("cd \\\n")
		for part := range strings.SplitSeq(key, `\`) {
			if at += `\` + part; !made[at] {
				made[at] = true
				fmt.Fprintf(&script, "add %s\n", part)
			}
			fmt.Fprintf(&script, "cd %s\n", part)
		}
		if len(m[key]) == 0 {
			continue
		}
		fmt.Fprintf(&script, "setval %d\n", len(m[key]))
		for _, n := range slices.Sorted(keysOf(m[key])) {
			switch v := m[key][n].(type) {
			case int:
				fmt.Fprintf(&script, "%s\ndword:0x%x\n", n, v)
			case string:
				fmt.Fprintf(&script, "%s\nstring:%s\n", n, v)
			default:
				t.Fatalf("no value for a hive: %v", v)
			}
		}
	}
	script.WriteString("commit\nquit\n")
	cmd := exec.Command(tool, "-w")
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("hivexsh: %v\n%s", err, out)
	}
	if b, err = os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	// A hive has a name in its header, of at most 32 characters; the sum over
	// the header follows it.
	clear(b[48:112])
	copy(b[48:112], utf16le(kind))
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= binary.LittleEndian.Uint32(b[i:])
	}
	binary.LittleEndian.PutUint32(b[508:], sum)
	return b
}

// Hives that were copied from a host are judged like exports of it: each covers
// all that belongs into it.
func TestHives(t *testing.T) {
	t.Parallel()
	software := model{}
	software.set(`Classes`, "", nil).set(`Policies`, "", nil)
	software.set(`Microsoft\Windows NT\CurrentVersion`, "CurrentBuildNumber", "9200")
	software.set(`WOW6432Node\Microsoft\Windows NT\CurrentVersion`, "CurrentBuildNumber", "9200")
	software.set(`Microsoft\NET Framework Setup\NDP\v4\Full`, "Release", 378389)
	software.set(`Microsoft\.NETFramework\v4.0.30319`, "SchUseStrongCrypto", 0)
	software.set(`WOW6432Node\Microsoft\.NETFramework\v4.0.30319`, "Something", 1)
	system := model{}
	system.set(`Select`, "Current", 1).set(`ControlSet001\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client`, "Enabled", 0)
	r := JudgeRegistry(readBytes(t, "SOFTWARE", hiveOf(t, "SOFTWARE", software)))
	if got, want := causesOf(r), []string{"setting-dotnet-release", "setting-dotnet-strong-crypto", "setting-winhttp-tls12"}; !slices.Equal(got, want) {
		t.Errorf("SOFTWARE: findings %q, want %q; warnings %q", got, want, r.Warnings)
	}
	for key, state := range map[string]State{net4: Wrong, of32(net4): Missing, of32(winHTTP): Missing} {
		name := "SchUseStrongCrypto"
		if strings.HasSuffix(key, "WinHttp") {
			name = "DefaultSecureProtocols"
		}
		if s := setting(r, key, name); s == nil || s.State != state || s.Line != 0 {
			t.Errorf("%s %s: %+v", key, name, s)
		}
	}
	if !slices.Contains(r.NotCovered, schannelKey) {
		t.Errorf("not covered: %q", r.NotCovered)
	}
	r = JudgeRegistry(readBytes(t, "SYSTEM", hiveOf(t, "SYSTEM", system)))
	if got, want := causesOf(r), []string{"setting-schannel-tls12-off"}; !slices.Equal(got, want) {
		t.Errorf("SYSTEM: findings %q, want %q; warnings %q", got, want, r.Warnings)
	}
	person := model{}
	person.set(`Software\Microsoft\Windows\CurrentVersion\Internet Settings`, "SecureProtocols", 0xa0)
	r = JudgeRegistry(readBytes(t, "NTUSER.DAT", hiveOf(t, "NTUSER.DAT", person)))
	if got, want := causesOf(r), []string{"~setting-wininet-tls12"}; !slices.Equal(got, want) {
		t.Errorf("NTUSER.DAT: findings %q, want %q; warnings %q", got, want, r.Warnings)
	}
	r = JudgeRegistry(readBytes(t, "DEFAULT", hiveOf(t, "DEFAULT", person)))
	if got, want := causesOf(r), []string{"setting-wininet-tls12"}; !slices.Equal(got, want) {
		t.Errorf("DEFAULT: findings %q, want %q; warnings %q", got, want, r.Warnings)
	}
	// Saved by reg.exe, it has no name in itself.
	r = JudgeRegistry(readBytes(t, "saved/Default.hiv", hiveOf(t, "", person)))
	if got, want := causesOf(r), []string{"setting-wininet-tls12"}; !slices.Equal(got, want) {
		t.Errorf("Default.hiv: findings %q, want %q; warnings %q", got, want, r.Warnings)
	}
}

// Exports that reg.exe of Wine 8.0 has written.
func TestExportsOfReg(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "registry", "wine-*.reg"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var read []*RegistryFile
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, readBytes(t, filepath.Base(name), b))
	}
	r := JudgeRegistry(read...)
	want := []string{
		"desktop-mfa-allowed-factors", "setting-azure-mfa-registry", "setting-dotnet-strong-crypto", "setting-schannel-tls12-off", "setting-winhttp-tls12", "setting-wininet-tls12",
		"~nps-ext-ip-whitelist",
	}
	if got := causesOf(r); !slices.Equal(got, want) {
		t.Errorf("findings %q\nwant %q", got, want)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// Of all that a hostile or odd registry may hold, a report has one row for each
// value, one finding for each cause, and says where each finding is from; and
// what a later file repeats changes nothing.
func TestReportsHoldTogether(t *testing.T) {
	t.Parallel()
	healthy := server2022()
	var places [][2]string
	for _, key := range slices.Sorted(keysOf(healthy)) {
		for _, name := range slices.Sorted(keysOf(healthy[key])) {
			places = append(places, [2]string{key, name})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := server2022()
		for _, at := range rapid.SliceOfN(rapid.SampledFrom(places), 0, 12).Draw(t, "places") {
			delete(m[at[0]], at[1])
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				m.set(at[0], at[1], int(rapid.Uint32().Draw(t, "number")))
			case 1:
				m.set(at[0], at[1], rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "text"))
			case 2:
				m.set(at[0], at[1], rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "octets"))
			case 3:
				delete(m, at[0])
			default: // the value is missing
			}
		}
		b := m.export()
		f, err := ReadRegistry("a", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		r := JudgeRegistry(f)
		seen := map[string]bool{}
		faults := map[string]int{}
		for _, s := range r.Settings {
			at := s.Key + `\` + s.Value
			if seen[at] {
				t.Errorf("%s is judged twice", at)
			}
			seen[at] = true
			if s.State == Wrong && s.Cause == "" || s.Mendable && s.Cause == "" {
				t.Errorf("%+v", s)
			}
			if s.Cause != "" {
				faults[s.Cause]++
			}
		}
		for _, found := range r.Findings {
			if found.Count != faults[found.Cause] || len(found.Evidence) != found.Count {
				t.Errorf("%s: %d times, %d lines, %d settings", found.Cause, found.Count, len(found.Evidence), faults[found.Cause])
			}
			delete(faults, found.Cause)
		}
		if len(faults) > 0 {
			t.Errorf("no finding for %v", faults)
		}
		if again := JudgeRegistry(f, f); !slices.Equal(again.Settings, r.Settings) {
			t.Error("a file that is given twice changes the report")
		}
	})
}

func FuzzParseConnection(f *testing.F) {
	f.Add(connectionOf(3, "proxy.example.com:8080"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := parseConnection(b)
		if ok && !bytes.Contains(b, []byte(c.proxy)) || !ok && c != (connection{}) {
			t.Errorf("%q: %+v %t", b, c, ok)
		}
	})
}

func FuzzReadRegistry(f *testing.F) {
	f.Add(server2022().export())
	f.Add([]byte("REGEDIT4\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319]\n\"SchUseStrongCrypto\"=dword:0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := ReadRegistry("f", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		r := JudgeRegistry(file)
		for _, s := range r.Settings {
			if s.State != Missing && s.File != "f" {
				t.Errorf("%+v", s)
			}
			if s.State == Missing && s.Key != "" && !file.covers(lowerPath(s.Key)) {
				t.Errorf("missing, and not covered: %+v", s)
			}
		}
		var out bytes.Buffer
		if err := WriteFix(&out, r, noon); err == nil && strings.Count(out.String(), "|DWord|")+strings.Count(out.String(), "|String|") != len(r.Changes()) {
			t.Errorf("%s changes are not in the script", strconv.Itoa(len(r.Changes())))
		}
	})
}
