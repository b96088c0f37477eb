package check

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sallyport/diagnose"
	"sallyport/winreg"
)

// A View says for whom a setting holds.
type View string

const (
	View64      View = "64-bit"      // programs of 64 bit
	View32      View = "32-bit"      // programs of 32 bit: below Wow6432Node
	Machine     View = "machine"     // all programs
	LocalSystem View = "LocalSystem" // the logon screen and services (HKU\.DEFAULT)
	Person      View = "person"      // who made the export, or whose NTUSER.DAT it is
)

// A State says what was found of a setting.
type State string

const (
	Right   State = "right"
	Wrong   State = "wrong"
	Missing State = "missing" // which is a fault only if the Setting has a Cause
)

// A Setting is one value that decides what a Windows client does.
type Setting struct {
	Key     string `json:"key"`   // HKLM\SOFTWARE\...; below WOW6432Node for 32 bit
	Value   string `json:"value"` // its name; empty for the key's default value
	View    View   `json:"view"`
	State   State  `json:"state"`
	Found   string `json:"found,omitempty"` // what it is, in words where it is a number of bits
	Should  string `json:"should"`          // what it should be
	Matters string `json:"matters"`         // why: a clause
	// Cause is the finding that it belongs to, empty if it is no fault.
	Cause string `json:"cause,omitempty"`
	// Note is set if the fault stops nobody.
	Note bool `json:"note,omitempty"`
	// Mendable is set if the script of WriteFix mends it.
	Mendable bool   `json:"mendable,omitempty"`
	File     string `json:"file"`           // that it is in, or would be in
	Line     int    `json:"line,omitempty"` // 0 if it is missing, and in a hive
}

// RegistrySchema names the form of a RegistryReport in JSON. Fields may be added
// under the same name; none changes its meaning or goes.
const RegistrySchema = "sallyport-registry/1"

// A RegistryReport says what the files show of a host's settings. Text in it
// that came from the files is without control characters and cut if it was long.
type RegistryReport struct {
	Schema string   `json:"schema"` // RegistrySchema
	Files  []string `json:"files"`
	// Windows and DotNet are the versions, empty if the files do not say.
	Windows string `json:"windows,omitempty"`
	DotNet  string `json:"dotnet,omitempty"`

	Settings []Setting          `json:"settings"`
	Findings []diagnose.Finding `json:"findings"` // the most pressing first
	// NotCovered are the keys that no file has, and that were not judged.
	NotCovered []string `json:"not_covered,omitempty"`
	// Warnings say what could not be read and what contradicts itself.
	Warnings []string `json:"warnings,omitempty"`

	changes []Change
}

// Faulty reports whether anything is wrong that stops somebody.
func (r *RegistryReport) Faulty() bool {
	return slices.ContainsFunc(r.Findings, func(f diagnose.Finding) bool { return !f.Note })
}

// Changes are what mends the settings that are at fault, as far as that is no
// decision that a person must take. Nobody may change them.
func (r *RegistryReport) Changes() []Change { return r.changes }

// Where the settings are.
const (
	netKey        = `HKLM\SOFTWARE\Microsoft\.NETFramework`
	releaseKey    = `HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP`
	versionKey    = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	explorerKey   = `HKLM\SOFTWARE\Microsoft\Internet Explorer`
	inetKey       = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings`
	inetPolicyKey = `HKLM\SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings`
	inetBelow     = `\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings`
	schannelKey   = `HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL`
	suitesPolicy  = `HKLM\SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002`
	suitesLocal   = `HKLM\SYSTEM\CurrentControlSet\Control\Cryptography\Configuration\Local\SSL\00010002`
	fipsKey       = `HKLM\SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy`
	timeKey       = `HKLM\SYSTEM\CurrentControlSet\Services\W32Time`
	providersKey  = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Providers`
	filtersKey    = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\Credential Provider Filters`
	azureKey      = `HKLM\SOFTWARE\Microsoft\AzureMfa`
	oktaPolicyKey = `HKLM\SOFTWARE\Policies\Okta\Okta Device Access`
	oktaKey       = `HKLM\SOFTWARE\Okta\Okta Device Access`
)

// localSystem is LocalSystem's part of HKEY_USERS under its two names.
var localSystem = []string{`HKU\.DEFAULT`, `HKU\S-1-5-18`}

// registryKeys are the keys that are read, with all below them.
func registryKeys() []string {
	return []string{
		netKey, releaseKey, explorerKey, inetKey, inetPolicyKey, localSystem[0] + inetBelow, localSystem[1] + inetBelow, `HKCU` + inetBelow,
		schannelKey, suitesPolicy, suitesLocal, fipsKey, timeKey, providersKey, filtersKey, azureKey, oktaPolicyKey, oktaKey,
	}
}

// settingKeys are those keys and the one of the version, in lower case and in
// both views.
var settingKeys = sync.OnceValue(func() []string {
	var keys []string
	for _, k := range append(registryKeys(), versionKey) {
		keys = append(keys, lowerPath(k), lowerPath(inView(k, View32)))
	}
	return keys
})

// inView is the path that programs of that view find in the place of key.
func inView(key string, v View) string {
	if v == View32 {
		return strings.Replace(key, `\SOFTWARE\`, `\SOFTWARE\WOW6432Node\`, 1)
	}
	return key
}

// JudgeRegistry judges every setting that the files cover. Where two of them
// have the same value, the later one counts.
func JudgeRegistry(files ...*RegistryFile) *RegistryReport {
	j := &judging{RegistryReport: &RegistryReport{Schema: RegistrySchema, Settings: []Setting{}, Findings: []diagnose.Finding{}}, files: files}
	for _, f := range files {
		j.Files = append(j.Files, f.Name)
		for _, p := range f.Problems {
			p.Text = shorten(p.Text, 300)
			j.Warnings = append(j.Warnings, p.String())
		}
	}
	j.versions()
	j.dotnet()
	j.winHTTP()
	j.winINET()
	j.schannel()
	j.suites()
	j.fips()
	j.proxies()
	j.credentialProviders()
	j.clock()
	j.azureMFA()
	j.oktaDeviceAccess()
	j.findings()
	return j.RegistryReport
}

// judging is a report that is being made.
type judging struct {
	*RegistryReport
	files []*RegistryFile

	build   int  // of Windows, 0 if it is not known
	release int  // of .NET Framework 4: 0 if it is not known, -1 if there is none from 4.5 on
	old     bool // .NET Framework 2.0 to 3.5 is installed
	faults  []fault
}

// A fault is what is wrong with a setting.
type fault struct {
	cause      string
	confidence diagnose.Confidence
	why        string
	note       bool
	evidence   diagnose.Evidence
}

// value returns a value from the last file that has it.
func (j *judging) value(key, name string) (winreg.Value, bool) {
	var found winreg.Value
	ok := false
	for _, f := range j.files {
		v, there := f.registry.Value(key, name)
		if !there {
			v, there = f.version.Value(key, name)
		}
		if !there {
			continue
		}
		if ok && (v.Type != found.Type || !bytes.Equal(v.Data, found.Data)) {
			w := fmt.Sprintf(`%s and %s differ in %s\%s: the later one counts`, found.Source.File, v.Source.File, key, name)
			if !slices.Contains(j.Warnings, w) {
				j.Warnings = append(j.Warnings, w)
			}
		}
		found, ok = v, true
	}
	return found, ok
}

func (j *judging) text(key, name string) string {
	v, _ := j.value(key, name)
	return strings.TrimSpace(v.String())
}

func (j *judging) hasKey(key string) bool {
	return slices.ContainsFunc(j.files, func(f *RegistryFile) bool { return f.registry.HasKey(key) })
}

func (j *judging) covers(key string) bool { return j.coveredBy(key) != "" }

// coveredBy names the last file that covers a key, empty if none does.
func (j *judging) coveredBy(key string) string {
	path, name := lowerPath(key), ""
	for _, f := range j.files {
		if f.covers(path) {
			name = f.Name
		}
	}
	return name
}

// A row is a setting that is being judged.
type row struct {
	j *judging
	Setting
	value winreg.Value
	there bool
}

// look begins a row. It returns nil if the value is not there and no file covers
// its key, so that nothing can be said.
func (j *judging) look(key string, v View, name, should, matters string) *row {
	path := inView(key, v)
	r := &row{j: j, Setting: Setting{Key: path, Value: name, View: v, State: Missing, Should: should, Matters: matters}}
	if r.value, r.there = j.value(path, name); r.there {
		r.State, r.Found = Right, shorten(r.value.String(), 120)
		r.File, r.Line = r.value.Source.File, r.value.Source.Line
		return r
	}
	if r.File = j.coveredBy(path); r.File == "" {
		return nil
	}
	return r
}

// number returns the DWORD of a row, and false for what is none.
func (r *row) number() (uint32, bool) {
	n, ok := r.value.DWORD()
	return n, r.there && ok
}

// fails says that the row is at fault; it is wrong if it is not missing.
func (r *row) fails(cause string, confidence diagnose.Confidence, note bool, why string) {
	if r.there {
		r.State = Wrong
	}
	r.Cause, r.Note = cause, note || diagnose.CauseByID(cause).Note
	text := r.Key + `\` + cmp.Or(r.Value, "(default)") + " is missing"
	if r.there {
		text = r.Key + `\` + cmp.Or(r.Value, "(default)") + " = " + cmp.Or(r.Found, "nothing")
	}
	r.j.faults = append(r.j.faults, fault{cause, confidence, why, r.Note, diagnose.Evidence{File: r.File, Line: r.Line, Text: text}})
}

// mend has the script mend the row, which must be at fault.
func (r *row) mend(c Change) {
	r.Mendable = true
	hive, key, _ := strings.Cut(r.Key, `\`)
	c.Hive, c.View = hives[hive], 64
	c.Key, c.Name = strings.Replace(key, `\WOW6432Node\`, `\`, 1), r.Value
	if r.View == View32 {
		c.View = 32
	}
	r.j.changes = append(r.j.changes, c)
}

// done adds the row to the report.
func (r *row) done() { r.j.Settings = append(r.j.Settings, r.Setting) }

// misTyped judges a value that is no number where one belongs: Windows passes it
// over.
func (r *row) misTyped(cause string) {
	r.Found += " (" + r.value.Type.String() + ")"
	r.fails(cause, diagnose.Likely, false, "The value is of type "+r.value.Type.String()+" and not REG_DWORD: it is passed over.")
}

// notCovered notes a key that no file has.
func (j *judging) notCovered(key string) {
	if !slices.Contains(j.NotCovered, key) {
		j.NotCovered = append(j.NotCovered, key)
	}
}

// findings makes one finding of each cause.
func (j *judging) findings() {
	for _, c := range diagnose.Causes() {
		var all []fault
		for _, f := range j.faults {
			if f.cause == c.ID {
				all = append(all, f)
			}
		}
		if len(all) == 0 {
			continue
		}
		worst := slices.MinFunc(all, func(a, b fault) int {
			return cmp.Or(cmp.Compare(rank(a.note), rank(b.note)), cmp.Compare(howSure[a.confidence], howSure[b.confidence]))
		})
		finding := diagnose.Found(c.ID, worst.confidence, worst.why)
		finding.Note, finding.Count = worst.note, len(all)
		for _, f := range all {
			finding.Evidence = append(finding.Evidence, f.evidence)
		}
		j.Findings = append(j.Findings, finding)
	}
	slices.SortStableFunc(j.Findings, func(a, b diagnose.Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Note), rank(b.Note)), cmp.Compare(howSure[a.Confidence], howSure[b.Confidence]))
	})
}

var howSure = map[diagnose.Confidence]int{diagnose.Proven: 0, diagnose.Likely: 1, diagnose.Possible: 2}

func rank(note bool) int {
	if note {
		return 1
	}
	return 0
}

// Builds of Windows from which something changed.
const (
	build2012   = 9200  // TLS 1.2 is on in Schannel
	build2012R2 = 9600  // TLS 1.2 is in the defaults of WinHTTP; Internet Explorer 11
	build2016   = 10240 // and Windows 10
	build2022   = 20348 // TLS 1.3
)

// Releases of .NET Framework, from
// https://learn.microsoft.com/dotnet/framework/install/how-to-determine-which-versions-are-installed.
var releases = []struct {
	least int
	name  string
}{
	{533320, "4.8.1"},
	{528040, "4.8"},
	{461808, "4.7.2"},
	{461308, "4.7.1"},
	{460798, "4.7"},
	{394802, "4.6.2"},
	{394254, "4.6.1"},
	{393295, "4.6"},
	{379893, "4.5.2"},
	{378675, "4.5.1"},
	{378389, "4.5"},
}

const (
	release46  = 393295
	release461 = 394254
	release47  = 460798
)

func releaseName(n int) string {
	for _, r := range releases {
		if n >= r.least {
			return r.name
		}
	}
	return "older than 4.5"
}

// versions finds out which Windows and which .NET it is.
func (j *judging) versions() {
	for _, name := range []string{"CurrentBuildNumber", "CurrentBuild"} {
		if n, err := strconv.Atoi(j.text(versionKey, name)); err == nil && n > 0 && n < 1_000_000 && j.build == 0 {
			j.build = n
		}
	}
	if j.build > 0 {
		j.Windows = strings.TrimSpace(shorten(j.text(versionKey, "ProductName"), 80) + " build " + strconv.Itoa(j.build))
	} else {
		j.notCovered(versionKey)
	}
	if v, ok := j.value(releaseKey+`\v3.5`, "Install"); ok {
		n, _ := v.DWORD()
		j.old = n == 1
	}
	r := j.look(releaseKey+`\v4\Full`, Machine, "Release", "394254 (4.6.1) or more", "which TLS versions .NET programs can offer, and whether MFA agents run")
	if r == nil {
		j.notCovered(releaseKey)
		return
	}
	n, ok := r.number()
	switch {
	case !r.there:
		j.release = -1
		r.fails("setting-dotnet-release", diagnose.Likely, false, "There is no .NET Framework from 4.5 on.")
	case !ok:
		r.misTyped("setting-dotnet-release")
	default:
		j.release = int(n)
		j.DotNet = releaseName(j.release)
		r.Found = fmt.Sprintf("%d (%s)", n, j.DotNet)
		if j.release < release461 {
			r.fails("setting-dotnet-release", diagnose.Likely, false, "The release is "+j.DotNet+".")
		}
	}
	r.done()
}

// dotnet judges what .NET Framework programs may offer.
func (j *judging) dotnet() {
	tls10, off := j.value(schannelKey+`\Protocols\TLS 1.0\Client`, "Enabled")
	n, ok := tls10.DWORD()
	off = off && ok && n == 0
	for _, v := range []View{View64, View32} {
		if j.only32(v) {
			continue
		}
		if !j.covers(inView(netKey+`\v4.0.30319`, v)) {
			j.notCovered(inView(netKey, v))
		}
		for _, version := range []string{"v4.0.30319", "v2.0.50727"} {
			j.dotnetVersion(netKey+`\`+version, v, version == "v2.0.50727", off)
		}
	}
}

func (j *judging) dotnetVersion(key string, v View, old, tls10Off bool) {
	isOn := func(name string) bool {
		value, ok := j.value(inView(key, v), name)
		n, isNumber := value.DWORD()
		return ok && isNumber && n != 0
	}
	for _, s := range []struct{ name, other, matters string }{
		{"SchUseStrongCrypto", "SystemDefaultTlsVersions", "without it programs built for .NET before 4.6 offer TLS 1.0 at most"},
		{"SystemDefaultTlsVersions", "SchUseStrongCrypto", "without it programs built for .NET before 4.7 do not offer what Windows offers"},
	} {
		r := j.look(key, v, s.name, "1", s.matters)
		if r == nil || old && !r.there && !j.old {
			continue
		}
		const cause = "setting-dotnet-strong-crypto"
		n, ok := r.number()
		switch {
		case ok && n != 0:
		case ok:
			r.fails(cause, diagnose.Proven, old, "The value is 0: it tells .NET programs to offer old versions only.")
		case r.there:
			r.misTyped(cause)
		case j.release == -1 && !old || j.release == 0 && !j.hasKey(inView(key, v)):
			r.Matters = "there is no .NET Framework 4 here that would read it"
		case isOn(s.other):
			r.fails(cause, diagnose.Possible, true, s.other+" is set, which lets programs offer TLS 1.2; Microsoft advises to set both.")
		case old:
			r.fails(cause, diagnose.Possible, true, ".NET Framework 3.5 is installed, and its programs offer TLS 1.0 at most.")
		case tls10Off:
			r.fails(cause, diagnose.Likely, false, "TLS 1.0 is switched off in Schannel, so that programs built for an older .NET have no version left: they say that there is no common algorithm.")
		case j.release >= release47:
			r.fails(cause, diagnose.Possible, true, "The release is "+j.DotNet+": programs that are built for 4.7 or newer offer what Windows offers all the same, those built for older ones do not.")
		case j.release >= release46:
			r.fails(cause, diagnose.Possible, false, "The release is "+j.DotNet+": programs that are built for it offer TLS 1.2, those built for less than 4.6 do not.")
		case j.release > 0:
			r.fails(cause, diagnose.Likely, false, "The release is "+j.DotNet+", whose programs offer TLS 1.0 at most unless it is set.")
		default:
			r.fails(cause, diagnose.Possible, false, "The files do not say which release of .NET it is; programs built for less than 4.6 offer TLS 1.0 at most.")
		}
		if r.Cause != "" {
			r.mend(Change{Kind: DWord, Action: Set, Number: 1})
		}
		r.done()
	}
}

// only32 reports that v is the 32-bit view of a Windows that has none: one of 32
// bit, whose one view is the other.
func (j *judging) only32(v View) bool {
	return v == View32 && j.covers(`HKLM\SOFTWARE`) && !j.hasKey(`HKLM\SOFTWARE\WOW6432Node`) &&
		!slices.ContainsFunc(j.files, func(f *RegistryFile) bool { return f.version.HasKey(`HKLM\SOFTWARE\WOW6432Node`) })
}

// tls12 and tls13 are bits of SecureProtocols and DefaultSecureProtocols
// (SP_PROT_*_CLIENT of schannel.h, as WinHTTP and WinINET number them).
const (
	bitTLS12 = 0x800
	bitTLS13 = 0x2000
	// bitsBefore is what is set where nothing was: TLS 1.0, 1.1 and 1.2. The
	// first two keep what old servers within the network may need.
	bitsBefore = 0xa80
)

var protocolBits = []struct {
	bit  uint32
	name string
}{
	{0x08, "SSL 2"}, {0x20, "SSL 3"}, {0x80, "TLS 1.0"}, {0x200, "TLS 1.1"}, {bitTLS12, "TLS 1.2"}, {bitTLS13, "TLS 1.3"},
}

func protocolNames(n uint32) string {
	var names []string
	for _, p := range protocolBits {
		if n&p.bit != 0 {
			names = append(names, p.name)
		}
	}
	if names == nil {
		names = []string{"none"}
	}
	return fmt.Sprintf("0x%X (%s)", n, strings.Join(names, ", "))
}

// modern reports whether the bits have a version that servers of today take.
func (j *judging) modern(n uint32) bool {
	return n&bitTLS12 != 0 || n&bitTLS13 != 0 && (j.build == 0 || j.build >= build2022)
}

var addTLS12 = Change{Kind: DWord, Action: Or, Number: bitTLS12, Absent: bitsBefore}

func (j *judging) winHTTP() {
	const cause = "setting-winhttp-tls12"
	for _, v := range []View{View64, View32} {
		if j.only32(v) {
			continue
		}
		r := j.look(inetKey+`\WinHttp`, v, "DefaultSecureProtocols", "one with 0x800 (TLS 1.2)", "what WinHTTP offers for programs that do not choose")
		if r == nil {
			j.notCovered(inView(inetKey, v))
			continue
		}
		n, ok := r.number()
		if ok {
			r.Found = protocolNames(n)
		}
		switch {
		case ok && j.modern(n):
		case ok:
			r.fails(cause, diagnose.Proven, false, "The value is there, and TLS 1.2 is not in it.")
		case r.there:
			r.misTyped(cause)
		case j.build == 0:
			r.Matters = "needed before Windows 8.1 and Server 2012 R2 only; the files do not say which Windows it is"
		case j.build < build2012R2:
			r.fails(cause, diagnose.Likely, false, "This Windows offers TLS 1.0 at most in WinHTTP unless the value says otherwise.")
		default:
			r.Matters = "TLS 1.2 is in the default of this Windows"
		}
		if r.Cause != "" {
			r.mend(addTLS12)
		}
		r.done()
	}
}

func (j *judging) winINET() {
	const (
		cause   = "setting-wininet-tls12"
		name    = "SecureProtocols"
		should  = "one with 0x800 (TLS 1.2)"
		matters = "what WinINET and embedded browsers offer"
	)
	has := func(key string) bool {
		v, ok := j.value(key, name)
		n, isNumber := v.DWORD()
		return ok && isNumber && j.modern(n)
	}
	person := has(`HKCU` + inetBelow)
	judge := func(r *row, confidence diagnose.Confidence, note bool, why string) {
		n, ok := r.number()
		if ok {
			r.Found = protocolNames(n)
		}
		switch {
		case ok && j.modern(n):
		case ok:
			r.fails(cause, confidence, note, why)
		case r.there:
			r.misTyped(cause)
		}
		if r.Cause != "" {
			r.mend(addTLS12)
		}
		r.done()
	}
	if r := j.look(inetPolicyKey, Machine, name, should, "a policy, which wins over all others"); r != nil && r.there {
		n, ok := r.number()
		if ok {
			r.Found = protocolNames(n)
		}
		if ok && !j.modern(n) {
			r.fails(cause, diagnose.Proven, false, "A policy sets what is offered, and TLS 1.2 is not in it.")
		}
		r.done()
	}
	for _, v := range []View{View64, View32} {
		if j.only32(v) {
			continue
		}
		r := j.look(inetKey, v, name, should, matters+", where the person has no value")
		if r == nil {
			j.notCovered(inView(inetKey, v))
			continue
		}
		judge(r, diagnose.Likely, false, "The machine's own value counts where an account has none, and TLS 1.2 is not in it.")
	}
	system := j.systemKey(inetBelow)
	if r := j.look(system, LocalSystem, name, should, matters+" at the logon screen and in services"); r != nil {
		why := "The logon screen runs as LocalSystem, whose value this is, and TLS 1.2 is not in it."
		if person {
			why = "The logon screen runs as LocalSystem, whose value this is, and TLS 1.2 is not in it. The administrator's own value has it: a browser works, and the prompt at the logon screen does not."
		}
		if !r.there && j.build > 0 && j.build < build2012R2 && !has(inetKey) && !strings.HasPrefix(j.text(explorerKey, "svcVersion"), "11.") {
			r.fails(cause, diagnose.Likely, false, strings.Replace(why, "and TLS 1.2 is not in it", "and this Windows offers TLS 1.0 at most where there is none", 1))
		}
		judge(r, diagnose.Proven, false, why)
	} else {
		j.notCovered(localSystem[0] + inetBelow)
	}
	if r := j.look(`HKCU`+inetBelow, Person, name, should, matters+" of this one person"); r != nil {
		judge(r, diagnose.Proven, true, "TLS 1.2 is not in the value of the person whom the file is of. Neither the logon screen nor services read it.")
	}
}

// systemKey is the path of LocalSystem's key under the name that the files use.
func (j *judging) systemKey(below string) string {
	if j.hasKey(localSystem[1]+below) && !j.hasKey(localSystem[0]+below) {
		return localSystem[1] + below
	}
	return localSystem[0] + below
}

// schannel judges the switches of the TLS versions.
func (j *judging) schannel() {
	if !j.covers(schannelKey + `\Protocols\TLS 1.2\Client`) {
		j.notCovered(schannelKey)
	}
	for _, protocol := range []string{"SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"} {
		for _, side := range []string{"Client", "Server"} {
			for _, name := range []string{"Enabled", "DisabledByDefault"} {
				j.protocol(protocol, side, name)
			}
		}
	}
}

func (j *judging) protocol(protocol, side, name string) {
	r := j.look(schannelKey+`\Protocols\`+protocol+`\`+side, Machine, name, "", "")
	if r == nil || !r.there && protocol != "TLS 1.2" {
		return
	}
	n, ok := r.number()
	if ok && n > 1 {
		r.Found = fmt.Sprintf("0x%X", n)
	}
	on := ok && (name == "Enabled") == (n != 0)
	direction := map[string]string{"Client": "for outgoing connections", "Server": "for incoming connections"}[side]
	switch protocol {
	case "TLS 1.2":
		r.Should, r.Matters = "1, or missing", "TLS 1.2 "+direction
		off := "The value switches TLS 1.2 off."
		if name == "DisabledByDefault" {
			r.Should = "0, or missing"
			off = "TLS 1.2 is offered only for programs that ask for it by name."
		}
		cause := "setting-schannel-tls12-off"
		if side == "Server" {
			cause = "setting-schannel-server-tls12-off"
		}
		switch {
		case on:
		case ok && name == "Enabled":
			r.fails(cause, diagnose.Proven, false, off)
		case ok:
			r.fails(cause, diagnose.Likely, false, off)
		case r.there:
			r.misTyped(cause)
		case name == "DisabledByDefault" && j.build > 0 && j.build < build2012:
			r.Should = "0"
			r.fails(cause, diagnose.Likely, side == "Server", "This Windows has TLS 1.2 switched off unless the value says otherwise.")
		}
		if r.Cause != "" {
			c := Change{Kind: DWord, Action: Set, Number: 1}
			if name == "DisabledByDefault" {
				c.Number = 0
			}
			r.mend(c)
		}
	case "TLS 1.3":
		r.Should, r.Matters = "as Windows comes", "TLS 1.3 "+direction+"; 1.2 is enough for servers of today"
		if on && name == "Enabled" && j.build > 0 && j.build < build2022 {
			r.Should = "0, or missing"
			r.fails("setting-schannel-tls13-unsupported", diagnose.Proven, side == "Server", "The build of Windows is older than 20348, the first that supports TLS 1.3.")
			r.mend(Change{Kind: DWord, Action: Set, Number: 0})
		}
	case "SSL 2.0", "SSL 3.0":
		r.Should, r.Matters = "off", "a broken protocol "+direction
		if on && name == "Enabled" {
			r.fails("setting-schannel-old-protocols", diagnose.Proven, true, "The value switches the protocol on.")
			r.mend(Change{Kind: DWord, Action: Set, Number: 0})
		}
	default: // TLS 1.0 and 1.1
		r.Should, r.Matters = "either", "an old protocol (RFC 8996) "+direction+"; off is better where nothing needs it"
	}
	r.done()
}

// suites judges which cipher suites and algorithms are left.
func (j *judging) suites() {
	const cause = "setting-schannel-ciphers"
	policy := false
	for _, list := range []struct {
		key     string
		matters string
	}{
		{suitesPolicy, "a policy that replaces the list of Windows"},
		{suitesLocal, "the list of Windows, where no policy replaces it"},
	} {
		r := j.look(list.key, Machine, "Functions", "a list with suites of ECDHE or DHE and GCM or ChaCha20", list.matters)
		if r == nil {
			j.notCovered(list.key)
			continue
		}
		var names []string
		for _, s := range r.value.Strings() {
			for name := range strings.SplitSeq(s, ",") {
				if name = strings.ToUpper(strings.TrimSpace(name)); name != "" {
					names = append(names, name)
				}
			}
		}
		switch forward := slices.ContainsFunc(names, isForward); {
		case !r.there || len(names) == 0 && list.key == suitesLocal:
		case slices.ContainsFunc(names, func(s string) bool { return j.isModern(s) }):
		default:
			why := "None of the suites has ephemeral keys with authenticated encryption; many servers still take those with CBC."
			if !forward {
				why = "None of the suites has ephemeral keys (ECDHE, DHE), without which servers of today refuse."
			}
			confidence := diagnose.Possible
			if !forward {
				confidence = diagnose.Likely
			}
			r.fails(cause, confidence, policy || forward, why)
		}
		policy = policy || r.there && len(names) > 0
		if r.there {
			r.Found = fmt.Sprintf("%d suites: %s", len(names), shorten(strings.Join(names, ", "), 120))
		}
		r.done()
	}
	var aes []*row
	for _, s := range []struct{ below, matters string }{
		{`KeyExchangeAlgorithms\ECDH`, "nearly all servers of today agree on keys with it"},
		{`Hashes\SHA256`, "nearly all certificates are signed with it"},
		{`Ciphers\AES 128/128`, "half of the suites of today encrypt with it"},
		{`Ciphers\AES 256/256`, "half of the suites of today encrypt with it"},
	} {
		r := j.look(schannelKey+`\`+s.below, Machine, "Enabled", "missing, or 0xFFFFFFFF", s.matters)
		if r == nil || !r.there {
			continue
		}
		if n, ok := r.number(); ok {
			r.Found = fmt.Sprintf("0x%X", n)
			if n == 0 && strings.HasPrefix(s.below, "Ciphers") {
				aes = append(aes, r)
			} else if n == 0 {
				r.fails(cause, diagnose.Likely, false, "An algorithm that nearly every server of today needs is switched off.")
			}
		}
		if !slices.Contains(aes, r) {
			r.done()
		}
	}
	for _, r := range aes {
		r.fails(cause, diagnose.Likely, len(aes) == 1, "AES is switched off, in one of its lengths or in both.")
		r.done()
	}
}

// isForward reports whether a suite has ephemeral keys.
func isForward(suite string) bool {
	return strings.HasPrefix(suite, "TLS_ECDHE_") || strings.HasPrefix(suite, "TLS_DHE_") || isTLS13(suite)
}

func isTLS13(suite string) bool {
	return strings.HasPrefix(suite, "TLS_AES_") || strings.HasPrefix(suite, "TLS_CHACHA20_")
}

// isModern reports whether a suite is of those that RFC 9325, Section 4.2 and
// RFC 8446 recommend. Those of TLS 1.3 are of no use to a Windows without it.
func (j *judging) isModern(suite string) bool {
	if isTLS13(suite) {
		return j.build == 0 || j.build >= build2022
	}
	return isForward(suite) && (strings.Contains(suite, "_GCM_") || strings.Contains(suite, "_CHACHA20_"))
}

func (j *judging) fips() {
	r := j.look(fipsKey, Machine, "Enabled", "0, or missing", "FIPS mode forbids algorithms that some agents need")
	if r == nil {
		j.notCovered(fipsKey)
		return
	}
	if n, ok := r.number(); ok && n != 0 {
		r.fails("setting-fips", diagnose.Proven, true, "The value switches FIPS mode on.")
	}
	r.done()
}

// clock judges whether anybody sets the clock.
func (j *judging) clock() {
	const cause = "setting-clock-unsynchronized"
	r := j.look(timeKey+`\Parameters`, Machine, "Type", "NT5DS, NTP or AllSync", "whom the time service asks")
	if r == nil {
		j.notCovered(timeKey)
		return
	}
	if r.there && strings.EqualFold(strings.TrimSpace(r.value.String()), "NoSync") {
		r.fails(cause, diagnose.Proven, true, "The time service is told to ask nobody.")
	}
	r.done()
	if r := j.look(timeKey, Machine, "Start", "2 or 3", "whether the time service starts"); r != nil && r.there {
		if n, ok := r.number(); ok && n == 4 {
			r.fails(cause, diagnose.Proven, true, "The time service is disabled.")
		}
		r.done()
	}
}
