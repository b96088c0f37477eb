package report

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A shape is a form by which a name is recognized wherever it stands.
type shape struct {
	// must is a text without which the expression need not be tried.
	must string
	re   *regexp.Regexp
	// as says what becomes of s[from:to], which the last group of the expression
	// matched, and where the name ends. It makes the name known if that is safe:
	// a word that may be prose is replaced where it stands, and not elsewhere. An
	// end that is not after from says that it is no name.
	as func(x *redactor, s string, from, to int) (as string, end int)
}

// label is what stands between the name of a field and its value in the logs of
// RADIUS servers, Windows events in text and XML, and anything with key=value.
const label = `(?:[ \t]*[:=](?:[ \t]|\\[trn])*|[^<>=]{0,24}">|" *: *")\\?["'‘“]?`

var shapes = []shape{
	{re: regexp.MustCompile(`(?i)[\\/](?:users|home|documents and settings)[\\/]{1,2}([^\\/:*?"'<>|,;]{1,64})`), as: homeFolder},
	{must: "@", re: regexp.MustCompile(`[\pL\pN_][\pL\pN._%+'-]*@[\pL\pN]+(?:[.-][\pL\pN]+)*`), as: mailAddress},
	{must: `\`, re: regexp.MustCompile(`[\pL\pN][\pL\pN.-]{0,62}\\{1,2}[\pL\pN_][\pL\pN._$-]*`), as: downLevel},
	{must: `\\`, re: regexp.MustCompile(`\\{2,4}([\pL\pN][\pL\pN._-]*)`), as: shared},
	{must: ".", re: regexp.MustCompile(`(?:\d{1,3}\.){3}\d{1,3}`), as: ipv4},
	{must: ":", re: regexp.MustCompile(`[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*(?:%[0-9A-Za-z._-]+)?`), as: ipv6},
	{re: regexp.MustCompile(`(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}`), as: hardware},
	{must: "S-1-", re: regexp.MustCompile(`S-1-(?:5-21|12-1)(?:-\d+)+`), as: func(x *redactor, s string, from, to int) (string, int) {
		return x.pseudonym(aSID, s[from:to]), to
	}},
	{must: "-", re: regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`), as: func(x *redactor, s string, from, to int) (string, int) {
		id := fold(s[from:to])
		if publicID[id] {
			return s[from:to], to
		}
		return x.pseudonym(aGUID, id), to
	}},
	{must: "+", re: regexp.MustCompile(`\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}`), as: telephone},
	{must: "=", re: regexp.MustCompile(`(?i)\b(?:CN|OU|O|DC|UID) ?= ?([^,;+/"<>\\=\[\]\r\n]{1,128})`), as: distinguished},
	{re: regexp.MustCompile(`(?i)\b(?:invalid|illegal|unknown) user:? ["']?(.{1,128}?)["']? from `), as: person},
	{re: regexp.MustCompile(`(?i)\b(?:invalid|illegal) user:? ["']?([^\s"']{1,128})`), as: person},
	{re: regexp.MustCompile(`(?i) for (?:invalid user )?(.{1,128}?) from \S+ port \d`), as: person},
	{re: regexp.MustCompile(`(?i)\b(?:user|username|account|principal|login|pfAuthUser)[ (]{1,2}['"‘“”’]([^'"‘“”’]{1,128})['"‘“”’]`), as: person},
	{re: regexp.MustCompile(`(?i)\b(?:user-?name|user_name|logname|ruser|account name|upn|userprincipalname|samaccountname|subjectusername|targetusername|fully qualified account name|fullyqualifiedsubjectusername|sam-account-name|fully-qualifed-user-name)` + label + `([^\s"'‘’“”,;<>&|()\[\]]{1,128})`), as: person},
	{re: regexp.MustCompile(`(?i)\b(?:user|login|account|principal|identity)=["']?([^\s"'‘’“”,;<>&|()\[\]]{1,128})`), as: person},
	{re: regexp.MustCompile(`(?i)\b(?:user|login|account|principal|identity): ["']?([^\s"'‘’“”,;<>&|()\[\]]{1,128})`), as: perhaps},
	{re: regexp.MustCompile(`(?i)\b(?:for|of|by|as) user ([^\s'"‘“”’,;:()\[\]<>]{1,128})`), as: perhaps},
	{re: regexp.MustCompile(`(?i)\b(?:rhost|workstation name|workstationname|workstation|computer-?name|computer|nas[- ]identifier|nas-id|client[- ]friendly[- ]name|calling[- ]station[- ]id(?:entifier)?|called[- ]station[- ]id(?:entifier)?|hostname|account domain|targetdomainname|subjectdomainname)` + label + `([^\s"'‘’“”,;<>&|()\[\]]{1,128})`), as: machine},
	{re: regexp.MustCompile(`^(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[0-9:.,]+(?:Z|[+-]\d\d:?\d\d)) ([\pL\pN][\pL\pN._-]*) [\w./-]+(?:\[\d+\])?: `), as: machine},
	{must: ".", re: regexp.MustCompile(`[\pL\pN_](?:[\pL\pN_-]*[\pL\pN_])?(?:\.[\pL\pN_](?:[\pL\pN_-]*[\pL\pN_])?)+`), as: fullName},
}

func homeFolder(x *redactor, s string, from, to int) (string, int) {
	// Only a name that is followed by more of the path can hold a space.
	if to == len(s) || s[to] != '\\' && s[to] != '/' {
		if i := strings.IndexAny(s[from:to], " \t"); i >= 0 {
			to = from + i
		}
	}
	return person(x, s, from, to)
}

func mailAddress(x *redactor, s string, from, to int) (string, int) {
	if _, domain := parts(s[from:to]); vendor(fold(domain)) == fold(domain) {
		return s[from:to], to
	}
	return person(x, s, from, to)
}

// downLevel is DOMAIN\name, and not a piece of a path.
func downLevel(x *redactor, s string, from, to int) (string, int) {
	if from > 0 && strings.IndexByte(`\/:.-_%$`, s[from-1]) >= 0 || to < len(s) && (s[to] == '\\' || s[to] == '/') {
		return "", 0
	}
	end := from + len(strings.TrimRight(s[from:to], ".-_"))
	bare, domain := parts(s[from:end])
	f := fold(bare)
	if i := strings.LastIndexByte(f, '.'); i >= 0 && fileKind[f[i+1:]] || strings.HasPrefix(fold(domain), "hk") {
		return "", 0
	}
	if f == "" || nobody[f] {
		return "", 0
	}
	if domain != strings.ToLower(domain) {
		x.domain(domain)
	}
	as := x.pseudonym(aUser, f)
	x.remember(bare, as)
	return as, end
}

// shared is the host of a UNC path.
func shared(x *redactor, s string, from, to int) (string, int) {
	before := strings.TrimRight(s[:from], `\`)
	if r, _ := utf8.DecodeLastRuneInString(before); before != "" && (letter(r) || strings.ContainsRune(":/.)]}_-", r)) {
		return "", 0 // a path with its separators written twice
	}
	return machine(x, s, from, to)
}

func ipv4(x *redactor, s string, from, to int) (string, int) {
	if from > 0 && (digit(s[from-1]) || s[from-1] == '.' && from > 1 && digit(s[from-2])) {
		return "", 0
	}
	if to < len(s) && digit(s[to]) || to+1 < len(s) && s[to] == '.' && digit(s[to+1]) {
		return "", 0
	}
	octets := strings.Split(s[from:to], ".")
	for i := range octets {
		if octets[i] = strings.TrimLeft(octets[i], "0"); octets[i] == "" {
			octets[i] = "0"
		}
	}
	a, err := netip.ParseAddr(strings.Join(octets, "."))
	if err != nil {
		return "", 0
	}
	return x.ip(a), to
}

func ipv6(x *redactor, s string, from, to int) (string, int) {
	if glued(s[:from]) {
		return "", 0
	}
	for end := to; end > from+1; end-- {
		// What follows an address in a sentence may look like more of it.
		if end < to && s[end] != ':' && s[end] != '.' && s[end] != '%' {
			break
		}
		if a, err := netip.ParseAddr(s[from:end]); err == nil {
			if r, _ := utf8.DecodeRuneInString(s[end:]); end < len(s) && letter(r) {
				return "", 0
			}
			return x.ip(a), end
		}
	}
	return "", 0
}

// glued reports whether what follows before belongs to a word of it: it ends in
// a letter or a digit, and not in an escape such as \t.
func glued(before string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	n := len(before)
	return letter(r) && (n < 2 || before[n-2] != '\\' || strings.IndexByte("trn", before[n-1]) < 0)
}

func hardware(x *redactor, s string, from, to int) (string, int) {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	if from > 0 && (glued(s[:from]) || before == ':' || before == '.') || to < len(s) && (letter(after) || after == ':') {
		return "", 0
	}
	return x.mac(s[from:to]), to
}

func telephone(x *redactor, s string, from, to int) (string, int) {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s[from:to])
	// The zone after a time of day begins with a plus sign too.
	if before := strings.TrimRight(s[:from], " "); len(digits) < 8 || before != "" && digit(before[len(before)-1]) {
		return "", 0
	}
	return x.pseudonym(aPhone, digits), to
}

// distinguished is one value of a distinguished name: of a person or a machine
// in a directory, or of the holder of a certificate.
func distinguished(x *redactor, s string, from, to int) (string, int) {
	value := strings.TrimSpace(s[from:to])
	to = from + strings.Index(s[from:to], value) + len(value)
	first, _, _ := strings.Cut(value, " ")
	f := fold(value)
	switch {
	case value == "" || number(first) || nobody[f] || isFQDN(strings.TrimPrefix(fold(first), "*.")) || publicAuthority.MatchString(value):
		return "", 0
	case topLevel[f] && strings.EqualFold(attribute(s, from), "DC"):
		return "", 0
	case strings.EqualFold(attribute(s, from), "DC"):
		as := x.pseudonym(aDomain, f)
		x.remember(value, as)
		return as, to
	case strings.EqualFold(attribute(s, from), "CN") || strings.EqualFold(attribute(s, from), "UID"):
		near := fold(s[to:min(len(s), to+512)])
		if strings.Contains(near, "dc=") {
			return person(x, s, from, to)
		}
	}
	as := x.pseudonym(aName, f)
	x.remember(value, as)
	return as, to
}

// attribute is the type of the attribute whose value begins at from.
func attribute(s string, from int) string {
	before := strings.TrimRight(s[:from], " =")
	return before[strings.LastIndexFunc(before, func(r rune) bool { return !letter(r) })+1:]
}

// tiny reports whether a text is too short to be looked for everywhere, if only
// its place says that it is a name: a letter, or some digits.
func tiny(f string) bool { return utf8.RuneCountInString(f) < 2 || len(f) < 5 && number(f) }

// person is a name that cannot be anything else.
func person(x *redactor, s string, from, to int) (string, int) {
	name := s[from:to]
	if _, err := netip.ParseAddr(name); err == nil {
		return "", 0 // another shape
	}
	bare, _ := parts(name)
	if f := fold(bare); prose[f] || strings.Contains(name, "=") && !commonName.MatchString(name) {
		return "", 0 // the name of the next field, after one that is empty
	} else if tiny(f) && f != "" {
		return x.pseudonym(aUser, f), to
	}
	if as := x.user(name); as != name {
		return as, to
	}
	return "", 0
}

// perhaps is a name unless it is a word of the sentence.
func perhaps(x *redactor, s string, from, to int) (string, int) {
	bare, _ := parts(s[from:to])
	bare = strings.TrimRight(bare, ".:")
	if f := fold(bare); f == "" || nobody[f] || prose[f] {
		return "", 0
	}
	return x.pseudonym(aUser, fold(bare)), from + len(strings.TrimRight(s[from:to], ".:"))
}

func machine(x *redactor, s string, from, to int) (string, int) {
	name := s[from:to]
	f := fold(name)
	if prose[f] || nobody[f] || strings.Trim(f, "-._:") == "" {
		return "", 0
	}
	if tiny(f) {
		return x.pseudonym(aHost, f), to
	}
	return x.host(name, aHost), to
}

func fullName(x *redactor, s string, from, to int) (string, int) {
	f := fold(s[from:to])
	if !isFQDN(f) {
		return "", 0
	}
	return x.fqdn(f), to
}

// isFQDN reports whether folded text is the full name of a host, and not of a
// file or a class: it ends in a top-level domain that exists, or that private
// networks use.
func isFQDN(f string) bool {
	i := strings.LastIndexByte(f, '.')
	if i <= 0 || len(f) > 253 || !topLevel[f[i+1:]] {
		return false
	}
	if j := strings.IndexByte(f, '.'); i == j {
		return !fileKind[f[i+1:]] && f != "asp.net" && f != "system.net" && f != "system.io" && f != "node.js"
	}
	return true
}

// vendor returns the part of a host's name that is its maker's: all of it for
// hosts that everybody uses, the domain for one of a customer, nothing for hosts
// of others.
func vendor(f string) string {
	for _, v := range vendors {
		if f == v {
			return f
		}
		customer, ok := strings.CutSuffix(f, "."+v)
		if !ok {
			continue
		}
		for _, l := range strings.Split(customer, ".") {
			if !common[l] && !service[l] {
				return v
			}
		}
		return f
	}
	return ""
}

// vendors are the domains of the makers of products that this program reads the
// logs of, and of authorities that certify.
var vendors = words(`okta.com oktapreview.com okta-emea.com oktacdn.com trexcloud.com
	microsoftonline.com microsoft.com windowsazure.com windows.net azure.com azure.net azure.us microsoftonline.us onmicrosoft.com
	windows.com office.com office365.com live.com phonefactor.net msftncsi.com windowsupdate.com
	duosecurity.com duo.com privacyidea.org netknights.it multiotp.net freeradius.org openssh.com libssh.org
	digicert.com letsencrypt.org lencr.org globalsign.com globalsign.net sectigo.com usertrust.com comodoca.com entrust.net godaddy.com
	amazontrust.com pki.goog identrust.com verisign.com symcb.com geotrust.com
	github.com w3.org ietf.org`)

// service are names of hosts that all customers of a maker share.
var service = set(`adnotifications strongauthenticationservice credentials login accounts graph support help docs learn techcommunity
	developer status ocsp crl crl3 crl4 cacerts ctldl www download schemas ssprdedicatedsbprodscu management core device enterpriseregistration`)

// common are first parts of the names of hosts that tell nothing of whose they are.
var common = set(`www mail smtp vpn auth login mfa radius ldap ldaps nps adfs sts sso api proxy gateway rdp rdg dc ns ns1 ns2 dns ntp time
	server host web app portal admin dev test prod stage intranet internal local remote ftp cdn static img m`)

// programs are what people log in to on every system.
var programs = set(`sshd ssh sudo su login cron systemd-logind systemd-user polkit-1 gdm gdm-password lightdm sddm screen passwd rdp nps ias iis owa`)

// nobody are accounts, hosts and domains that every system has.
var nobody = set(`root administrator administrators admin guest system anonymous nobody unknown none null nil undefined
	public default defaultaccount systemprofile localservice networkservice localsystem localhost localdomain workgroup
	users computers builtin everyone true false yes no`)

// prose are words that follow "user" in sentences, or stand where a name would
// in what describes a log.
var prose = set(`a an and are at authentication authorization be been by can cannot canceled cancelled could credentials denied did disabled does
	enabled error exists expired failed failure for from had has have id in info information input interaction is it its locked login logon may
	must name not of on or password profile rejected request should store that the this to token unknown was will with without
	debug notice warning warn err crit alert emerg fatal trace
	user username client server service identifier account type number port string int int32 int64 message reason code state stage agent group
	computer workstation machine device application`)

// fileKind are what names of files end in that could be a domain, or a person's.
var fileKind = set(`log txt exe dll evtx evt xml csv json zip gz tar tgz conf config cfg ini reg dat db ps1 bat cmd msi sys so sh py html htm md old bak`)

// topLevel are the last parts of hosts' names: of countries, the frequent
// others, and what private networks are called.
var topLevel = set(`com net org edu gov mil int info biz name pro mobi jobs museum coop aero asia cat tel travel arpa
	app dev cloud online site tech store shop xyz top club live world today company group global network systems solutions services
	email support software digital agency academy school university health care hospital clinic bank insurance finance capital legal law
	energy media news studio design page blog wiki zone team work works space website host hosting run goog google microsoft azure aws
	local lan internal intranet corp home localdomain domain priv private ad loc test example invalid onion
	ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc cd cf cg ch ci ck
	cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs
	gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu
	lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl
	pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm
	tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw`)

// publicID are GUIDs that every installation has: the application and the trace
// providers of the NPS extension.
var publicID = set(`981f26a1-7f43-403b-a875-f8b09b8cd720 7237ed00-e119-430b-ab0f-c63360c8ee81 ec2e6d3a-c958-4c76-8ea4-0262520886ff
	00000000-0000-0000-0000-000000000000`)

// publicAuthority are names in certificates that belong to authorities and to
// makers of products that re-sign traffic.
var publicAuthority = regexp.MustCompile(`(?i)microsoft|digicert|let's encrypt|isrg|globalsign|sectigo|comodo|usertrust|entrust|godaddy|go daddy|starfield|amazon|google|identrust|verisign|symantec|geotrust|thawte|rapidssl|baltimore|cybertrust|quovadis|swisssign|actalis|certum|buypass|harica|zerossl|zscaler|netskope|fortinet|fortigate|palo alto|blue ?coat|sophos|cisco|umbrella|mcafee|skyhigh|forcepoint|websense|barracuda|check point|kaspersky|eset|avast|bitdefender|okta|duo security`)

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words(list) {
		m[w] = true
	}
	return m
}

func words(list string) []string { return strings.Fields(list) }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func number(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// split cuts s into words of letters and digits and, singly, the characters
// between them; what colours a terminal is one character. Put together they are
// s again.
func split(s string) []string {
	var list []string
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\x1b' {
			size = control(s[i:])
		}
		if letter(r) || unicode.IsMark(r) {
			i += size
			continue
		}
		if from < i {
			list = append(list, s[from:i])
		}
		list = append(list, s[i:i+size])
		i += size
		from = i
	}
	if from < len(s) {
		list = append(list, s[from:])
	}
	return list
}

// control is the length of the control sequence that s begins with (ECMA-48,
// Section 5.4), 1 if it is none.
func control(s string) int {
	if len(s) < 2 || s[1] != '[' {
		return 1
	}
	i := 2
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		return i + 1
	}
	return 1
}

// escaped is how many octets of a word are not of it, because they end an escape
// that began before it: as in \tbob, \u0027bob and %5Cbob.
func escaped(before, word string) int {
	hex := func(from, n int) bool {
		return len(word) > from+n && strings.Trim(word[from:from+n], "0123456789abcdef") == ""
	}
	switch {
	case before == "%" && hex(0, 2):
		return 2
	case before != `\`:
		return 0
	case word[0] == 'u' && hex(1, 4):
		return 5
	case word[0] == 'x' && hex(1, 2):
		return 3
	case len(word) > 1 && strings.IndexByte("trnfbv", word[0]) >= 0:
		return 1
	}
	return 0
}

func isWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return letter(r)
}

// fold makes two texts equal that differ only in case.
func fold(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, s)
}
