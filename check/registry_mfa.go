package check

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sallyport/diagnose"
)

// A connection is a proxy setting as Windows stores it in one value:
// WinHttpSettings, DefaultConnectionSettings. Microsoft does not describe the
// form; this is what netsh and bitsadmin write: four numbers - a version, a
// counter, flags, and the length of the proxy's text - and that text, then
// lengths and texts of the exceptions and of the script's address.
type connection struct {
	flags         uint32
	proxy, script string
}

const (
	flagProxy  = 2
	flagScript = 4
)

func parseConnection(b []byte) (connection, bool) {
	if len(b) < 12 {
		return connection{}, false
	}
	c := connection{flags: binary.LittleEndian.Uint32(b[8:])}
	b = b[12:]
	var texts [3]string
	for i := range texts {
		if len(b) < 4 {
			break
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return connection{}, false
		}
		texts[i], b = string(b[:n]), b[n:]
	}
	c.proxy, c.script = texts[0], texts[2]
	return c, true
}

// says is the setting in words, empty if there is no proxy.
func (c connection) says() string {
	switch {
	case c.flags&flagProxy != 0 && c.proxy != "":
		return shorten(c.proxy, 120)
	case c.flags&flagScript != 0 && c.script != "":
		return shorten("script "+c.script, 120)
	}
	return ""
}

// proxyOf is the proxy that the Internet settings below a key say, empty if
// there is none.
func (j *judging) proxyOf(key string) string {
	if v, ok := j.value(key, "ProxyEnable"); ok {
		if n, ok := v.DWORD(); ok && n != 0 {
			if s := j.text(key, "ProxyServer"); s != "" {
				return shorten(s, 120)
			}
		}
	}
	if s := j.text(key, "AutoConfigURL"); s != "" {
		return shorten("script "+s, 120)
	}
	if v, ok := j.value(key+`\Connections`, "DefaultConnectionSettings"); ok {
		c, _ := parseConnection(v.Data)
		return c.says()
	}
	return ""
}

// proxies judges whether LocalSystem gets out as people do.
func (j *judging) proxies() {
	const cause = "setting-proxy-localsystem"
	if v, ok := j.value(inetPolicyKey, "ProxySettingsPerUser"); ok {
		if n, ok := v.DWORD(); ok && n == 0 {
			return // one setting for all
		}
	}
	winHTTP := ""
	if r := j.look(inetKey+`\Connections`, Machine, "WinHttpSettings", "the network's proxy, if there is one", "the proxy of WinHTTP, which services use"); r != nil {
		if r.there {
			c, ok := parseConnection(r.value.Data)
			winHTTP = c.says()
			r.Found = "no proxy"
			switch {
			case !ok:
				r.Found = "not readable"
			case winHTTP != "":
				r.Found = winHTTP
			}
		}
		r.done()
	}
	key := j.systemKey(inetBelow)
	r := j.look(key, LocalSystem, "ProxyEnable", "as for people", "whether the logon screen goes through a proxy")
	if r == nil {
		return
	}
	system, person := j.proxyOf(key), j.proxyOf(`HKCU`+inetBelow)
	n, _ := r.number()
	switch {
	case n != 0 && system == "":
		r.fails(cause, diagnose.Likely, false, "The proxy is switched on, and there is no address.")
	case system == "" && person != "" && winHTTP == "":
		r.fails(cause, diagnose.Likely, false, "The person whom the file is of goes through a proxy ("+person+"), and neither LocalSystem nor WinHTTP has one.")
	case system == "" && person != "":
		r.fails(cause, diagnose.Possible, false, "WinHTTP has a proxy ("+winHTTP+"), and LocalSystem's embedded browser, which does not use WinHTTP, has none.")
	case system != "":
		r.Found = strings.TrimSpace(r.Found + " (" + system + ")")
	}
	r.done()
}

// ownProviders are the credential providers and filters that come with Windows
// or are registered by it.
var ownProviders = map[string]bool{
	"{01a30791-40ae-4653-ab2e-fd210019ae88}": true, // automatic redeployment
	"{1b283861-754f-4022-ad47-a5eaaa618894}": true, // smart card reader selection
	"{1ee7337f-85ac-45e2-a23c-37c753209769}": true, // smart card WinRT
	"{2135f72a-90b5-4ed3-a7f1-8bb705ac276a}": true, // picture password
	"{25cbb996-92ed-457e-b28c-4774084bd562}": true, // generic
	"{27fbdb57-b613-4af2-9d7e-4fa7a66c21ad}": true, // trusted signal
	"{3dd6bec0-8193-4ffe-ae25-e08e39ea4063}": true, // network provider
	"{48b4e58d-2791-456c-9091-d524c6c706f2}": true, // secondary authentication factor
	"{503739d0-4c5e-4cfd-b3ba-d881334f0df2}": true, // vault
	"{600e7adb-da3e-41a4-9225-3c0399e88c0c}": true, // CNG dialog
	"{60b78e88-ead8-445c-9cfd-0b87f74ea6cd}": true, // password
	"{6f45dc1e-5384-457a-bc13-2cd81b0d28ed}": true, // password, before Windows 8
	"{8841d728-1a76-4682-bb6f-a9ea53b4b3ba}": true, // logon password reset
	"{8af662bf-65a0-4d0a-a540-a338a999d36f}": true, // face
	"{8bf9a910-a8ff-457f-999f-a5ca10b4a885}": true, // smart card, before Windows 8
	"{8fd7e19c-3bf7-489b-a72c-846ab3678c96}": true, // smart card
	"{94596c7e-3744-41ce-893e-bbf09122f76a}": true, // smart card PIN
	"{ac3ac249-e820-4343-a65b-377ac634dc09}": true, // biometric, before Windows 8.1
	"{bec09223-b018-416d-a0ac-523971b639f5}": true, // biometric
	"{c5d7540a-cd51-453b-b22b-05305ba03f07}": true, // cloud experience
	"{c885aa15-1764-4293-b82a-0586add46b35}": true, // iris
	"{cb82ea12-9f71-446d-89e1-8d0924e1256e}": true, // PIN, before Windows 10
	"{d6886603-9d2f-4eb2-b667-1971041fa96b}": true, // PIN
	"{e74e57b0-6c6d-44d5-9cda-fb2df5ed7435}": true, // certificate
	"{f64945df-4fa9-4068-a2fb-61af319edd33}": true, // remote desktop
	"{f8a0b131-5f68-486c-8040-7e8fc3c85bb6}": true, // Microsoft account
	"{f8a1793b-7873-4046-b2a7-1f318747f427}": true, // security key
	"{ddc0eed2-adbe-40b6-a217-ede16a79a0de}": true, // generic filter
	"{edd749de-2ef1-4a80-98d1-81f20e6df58e}": true, // Microsoft account filter
}

var classID = regexp.MustCompile(`^\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}$`)

// maxProviders bounds how many providers are listed: the real ones are few.
const maxProviders = 100

// credentialProviders lists those of other makers, and judges whether they get
// along.
func (j *judging) credentialProviders() {
	providers, filters := j.providers(providersKey, "a credential provider of another maker"), j.providers(filtersKey, "a filter of another maker, which hides other providers")
	if !j.covers(providersKey) {
		j.notCovered(providersKey)
	}
	if !j.covers(filtersKey) {
		j.notCovered(filtersKey)
	}
	works := func(r *row) bool { return !strings.HasSuffix(r.Found, disabled) }
	active := slices.DeleteFunc(slices.Clone(filters), func(r *row) bool { return !works(r) })
	for _, r := range filters {
		lone := !slices.ContainsFunc(providers, func(p *row) bool { return works(p) && strings.EqualFold(lastKey(p.Key), lastKey(r.Key)) })
		switch {
		case len(active) > 1 && works(r):
			r.fails("credential-provider-conflict", diagnose.Likely, false, "Several filters of other makers are registered; each hides the others' providers.")
		case works(r) && lone && !slices.ContainsFunc(providers, works) && j.covers(providersKey):
			r.fails("setting-credential-filter-alone", diagnose.Likely, false, "No provider of another maker is registered and switched on that the filter could be for.")
		}
	}
	if n := slices.DeleteFunc(slices.Clone(providers), func(r *row) bool { return !works(r) }); len(n) > 1 && len(active) <= 1 {
		for _, r := range n {
			r.fails("credential-provider-conflict", diagnose.Possible, true, "Several providers of other makers are registered. They often get along; where a prompt is missing, this is where to look.")
		}
	}
	for _, r := range slices.Concat(providers, filters) {
		r.done()
	}
}

const disabled = ", disabled"

// providers makes the rows of those below a key that are not of Windows.
func (j *judging) providers(key, matters string) []*row {
	seen := map[string]bool{}
	var rows []*row
	for _, f := range j.files {
		for _, id := range f.registry.Subkeys(key) {
			lower := strings.ToLower(id)
			if seen[lower] || ownProviders[lower] || !classID.MatchString(id) || len(rows) == maxProviders {
				continue
			}
			seen[lower] = true
			r := &row{j: j, there: true, Setting: Setting{Key: key + `\` + id, View: Machine, State: Right, Should: "one that is wanted", Matters: matters, File: f.Name}}
			r.Found = shorten(j.text(r.Key, ""), 80)
			if r.Found == "" {
				r.Found = "without a name"
			}
			if v, ok := j.value(r.Key, ""); ok {
				r.File, r.Line = v.Source.File, v.Source.Line
			}
			if v, ok := j.value(r.Key, "Disabled"); ok {
				if n, ok := v.DWORD(); ok && n != 0 {
					r.Found += disabled
				}
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '\\')+1:] }

// azureMFA judges the settings of the NPS extension, if it is there.
func (j *judging) azureMFA() {
	const cause = "setting-azure-mfa-registry"
	if !j.hasKey(azureKey) {
		return
	}
	for _, name := range []string{"AZURE_MFA_HOSTNAME", "AZURE_MFA_RESOURCE_HOSTNAME", "AZURE_MFA_TARGET_PATH", "STS_URL", "CLIENT_ID"} {
		r := j.look(azureKey, Machine, name, "what the setup of the extension wrote", "without it the NPS extension cannot ask")
		switch {
		case r == nil:
			continue
		case !r.there:
			r.fails(cause, diagnose.Likely, false, "A value that the extension needs is missing.")
		case r.Found == "" || r.value.Strings() == nil:
			r.fails(cause, diagnose.Proven, false, "A value that the extension needs is empty, or no text.")
		}
		r.done()
	}
	if r := j.look(azureKey, Machine, "LDAP_ALTERNATE_LOGINID_ATTRIBUTE", "missing, or the name of an attribute", "by which attribute people are known to the service"); r != nil && r.there {
		if r.Found == "" {
			r.fails(cause, diagnose.Proven, false, "The name of the attribute is empty, so that nobody is found.")
		}
		r.done()
	}
	if r := j.look(azureKey, Machine, "IP_WHITELIST", "empty, or single addresses with ; between them", "from where no second factor is asked for"); r != nil {
		switch {
		case !r.there:
			r.fails("nps-ext-ip-whitelist", diagnose.Proven, true, "The value is not there; the extension says so at each request.")
			r.mend(Change{Kind: String, Action: Create})
		case strings.ContainsAny(r.Found, "/-*,"):
			r.fails(cause, diagnose.Likely, true, "The extension knows single addresses only, with ; between them: ranges except nobody.")
		}
		r.done()
	}
	if r := j.look(azureKey, Machine, "REQUIRE_USER_MATCH", "TRUE, or missing", "whether people without a second factor are refused"); r != nil {
		if strings.EqualFold(strings.TrimSpace(r.Found), "FALSE") {
			r.fails("setting-azure-mfa-unenrolled", diagnose.Proven, true, "The value is FALSE.")
		}
		r.done()
	}
	if r := j.look(azureKey, Machine, "OVERRIDE_NUMBER_MATCHING_WITH_OTP", "TRUE, FALSE or missing", "FALSE asks to approve or deny, as RD Gateway needs it; a code needs PAP"); r != nil && r.there {
		r.done()
	}
}

// oktaFactors are the names that AllowedFactors knows, and whether each works
// online.
var oktaFactors = map[string]bool{"OV_Push": true, "OV_TOTP": true, "FIDO2_USB_key": true, "Offline_TOTP": false, "Offline_Security_key": false}

// oktaDeviceAccess judges the policies of Okta Device Access, if there are any.
func (j *judging) oktaDeviceAccess() {
	if !j.hasKey(oktaPolicyKey) {
		return
	}
	online, offline := j.allowed("OnlineLoginAllowed"), j.allowed("OfflineLoginAllowed")
	if r := j.look(oktaPolicyKey, Machine, "AllowedFactors", "*, or names of factors as Okta writes them", "a wrong name, or none that is left, locks everybody out"); r != nil && r.there {
		j.allowedFactors(r, online, offline)
		r.done()
	}
	if !online && !offline {
		if r := j.look(oktaPolicyKey, Machine, "OnlineLoginAllowed", "on, or OfflineLoginAllowed on", "with both off no factor is left"); r != nil {
			r.fails("desktop-mfa-allowed-factors", diagnose.Likely, false, "Both OnlineLoginAllowed and OfflineLoginAllowed are off.")
			r.done()
		}
	}
	if r := j.look(oktaPolicyKey, Machine, "MFARequiredList", "*, names of people or groups, or missing", "who is asked for a second factor"); r != nil {
		if r.there && !slices.ContainsFunc(r.value.Strings(), func(s string) bool { return strings.TrimSpace(s) != "" }) {
			r.fails("desktop-mfa-not-required", diagnose.Proven, false, "The list is empty, which means nobody.")
		}
		r.done()
	}
}

func (j *judging) allowedFactors(r *row, online, offline bool) {
	const cause = "desktop-mfa-allowed-factors"
	var unknown, usable []string
	all := false
	for _, name := range r.value.Strings() {
		name = strings.TrimSpace(name)
		works, known := oktaFactors[name]
		switch {
		case name == "*":
			all = true
		case name == "":
		case !known:
			unknown = append(unknown, shorten(name, 40))
		case works && online || !works && offline:
			usable = append(usable, name)
		}
	}
	switch {
	case len(unknown) > 0:
		r.fails(cause, diagnose.Proven, false, fmt.Sprintf("%s is not the name of a factor.", strings.Join(unknown[:min(len(unknown), 5)], ", ")))
	case !all && len(usable) == 0:
		r.fails(cause, diagnose.Likely, false, "None of the factors is left: the list is empty, or OnlineLoginAllowed and OfflineLoginAllowed contradict it.")
	case !all:
		if v, ok := j.value(oktaKey, "UseDirectAuth"); j.covers(oktaKey) || ok {
			if n, _ := v.DWORD(); n != 1 {
				r.fails(cause, diagnose.Possible, true, "The list needs UseDirectAuth, which is not 1.")
			}
		}
	}
}

// allowed reads a switch of which Okta does not say the type; it is off only if
// it says so.
func (j *judging) allowed(name string) bool {
	v, ok := j.value(oktaPolicyKey, name)
	if !ok {
		return true
	}
	if n, ok := v.DWORD(); ok {
		return n != 0
	}
	return !slices.Contains([]string{"0", "false", "no"}, strings.ToLower(strings.TrimSpace(v.String())))
}
