package report

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"sallyport/diagnose"
)

// Redact returns a copy of r in which people, machines, domains and addresses
// have pseudonyms: user-…, host-…, domain-…, addr-v4-…, client-…. Nothing of r
// is shared with the copy that either could change.
//
// A pseudonym is made of the name by HMAC-SHA-256 with key: the same name has
// the same one in every report that is made with the same key, and without the
// key nobody can try names out. One person has one pseudonym, however their
// name is written: bob, CORP\bob and bob@corp.example are the same. So are, then,
// two people who are called bob in two domains.
//
// What is a name is known from the fields of the report, and from its shape:
// addresses, mail addresses, DOMAIN\name, home folders, UNC paths, security
// identifiers, hardware addresses, GUIDs, telephone numbers, distinguished
// names, and what follows words such as "invalid user". A name that is known
// from anywhere is replaced everywhere, also in evidence, the names of files and
// warnings, as a whole word and without regard to case. A name that is in no
// field and has no such shape is not recognized: read the copy before you
// publish it.
//
// Addresses that everybody has (127.0.0.1), hosts of the makers of products, and
// accounts that are nobody's (root, Administrator, SYSTEM) stay. What the report
// says by itself - titles, remedies, sources - is not touched.
func Redact(r *diagnose.Report, key []byte) *diagnose.Report {
	x := &redactor{key: key, known: &node{}, domains: map[string]bool{}, whole: map[string]string{}}
	x.learn(r)
	return x.report(r)
}

// A kind is what a name names.
type kind string

const (
	aUser   kind = "user"
	aHost   kind = "host"
	aClient kind = "client"
	aDomain kind = "domain"
	aV4     kind = "addr-v4"
	aV6     kind = "addr-v6"
	aMAC    kind = "mac"
	aSID    kind = "sid"
	aGUID   kind = "guid"
	aPhone  kind = "phone"
	aName   kind = "name" // of an organization or a unit
)

// A redactor knows every name that must not remain.
type redactor struct {
	key     []byte
	known   *node             // all names, by their words
	domains map[string]bool   // that hosts and people are in, folded: what follows a host's name
	whole   map[string]string // texts that were redacted, since names of files repeat
}

// A node is one word of a name, or what stands between two.
type node struct {
	next map[string]*node
	// as is the pseudonym of the name that ends here, empty if none does.
	as string
}

// pseudonym is what a name is called. Eight hexadecimal digits keep ten thousand
// people apart but for one case in a hundred.
func (x *redactor) pseudonym(k kind, name string) string {
	m := hmac.New(sha256.New, x.key)
	m.Write([]byte(string(k) + "\x00" + name))
	return string(k) + "-" + hex.EncodeToString(m.Sum(nil)[:4])
}

// maxWords bounds how far a name is followed from one place in a text. A longer
// one is known by its parts.
const maxWords = 48

// remember makes a name known as a whole word. What is known already keeps its
// pseudonym.
func (x *redactor) remember(name, as string) {
	words := split(fold(name))
	for part := range slices.Chunk(words, maxWords) {
		if !slices.ContainsFunc(part, isWord) {
			continue
		}
		n := x.known
		for _, w := range part {
			if n.next == nil {
				n.next = map[string]*node{}
			}
			if n.next[w] == nil {
				n.next[w] = &node{}
			}
			n = n.next[w]
		}
		if n.as == "" {
			n.as = as
		}
	}
}

// user makes a person known in whatever form the name has, and returns the
// pseudonym; the name itself if it is nobody's.
func (x *redactor) user(name string) string {
	bare, domain := parts(name)
	if nobody[fold(bare)] || bare == "" {
		if domain != "" {
			x.domain(domain)
		}
		return name
	}
	as := x.pseudonym(aUser, fold(bare))
	x.remember(bare, as) // with its domain it has a shape
	if domain != "" {
		x.domain(domain)
	}
	return as
}

// parts splits the name of a person into the bare name and the domain: of
// DOMAIN\name, name@domain, host/name and CN=name,DC=domain.
func parts(name string) (bare, domain string) {
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		return name[i+1:], strings.TrimRight(name[:i], `\`)
	}
	if m := commonName.FindStringSubmatch(name); m != nil {
		var dcs []string
		for _, dc := range domainComponent.FindAllStringSubmatch(name, -1) {
			dcs = append(dcs, dc[1])
		}
		return strings.TrimSpace(m[1]), strings.Join(dcs, ".")
	}
	if i := strings.LastIndexByte(name, '@'); i > 0 {
		return name[:i], name[i+1:]
	}
	return strings.TrimPrefix(name, "host/"), ""
}

var (
	commonName      = regexp.MustCompile(`(?i)^(?:CN|UID)=([^,/]+)`)
	domainComponent = regexp.MustCompile(`(?i)\bDC=([^,/]+)`)
)

// domain makes a Windows or DNS domain known.
func (x *redactor) domain(name string) {
	name = strings.Trim(name, `\ ."'`)
	f := fold(name)
	if f == "" || nobody[f] || vendor(f) != "" {
		return
	}
	as := x.pseudonym(aDomain, f)
	x.remember(name, as)
	if strings.Contains(f, ".") {
		x.domains[f] = true
		first, _, _ := strings.Cut(f, ".")
		if !common[first] && !tiny(first) {
			x.remember(first, x.pseudonym(aDomain, first))
		}
	}
}

// host makes a machine known, with and without its domain, and returns its
// pseudonym.
func (x *redactor) host(name string, k kind) string {
	name = strings.TrimSuffix(strings.Trim(strings.TrimSpace(name), `\"'`), ".")
	f := fold(name)
	if f == "" || nobody[f] || k == aClient && (programs[f] || common[f]) {
		return name
	}
	if as, ok := x.address(name); ok {
		return as
	}
	if bareMAC.MatchString(f) {
		as := x.mac(f)
		x.remember(name, as)
		return as
	}
	if isFQDN(f) {
		return x.fqdn(f)
	}
	as := x.pseudonym(k, f)
	if k == aClient {
		// An application may be called like a machine; a machine is one kind.
		if prior := x.lookup(f); prior != "" {
			return prior
		}
	}
	x.remember(name, as)
	return as
}

var bareMAC = regexp.MustCompile(`^[0-9a-f]{12}$`)

// fqdn returns what becomes of a host's full name. A maker's host stays; one of
// a customer at a maker's loses the customer. RDS01 and rds01.corp.example are
// one host.
func (x *redactor) fqdn(f string) string {
	f = strings.TrimSuffix(f, ".")
	if v := vendor(f); v != "" {
		if v == f {
			return f
		}
		as := x.pseudonym(aHost, f) + "." + v
		x.remember(f, as)
		customer, _, _ := strings.Cut(f, ".")
		if !common[customer] && !tiny(customer) {
			x.remember(customer, x.pseudonym(aHost, customer))
		}
		return as
	}
	if x.domains[f] {
		return x.pseudonym(aDomain, f)
	}
	first, rest, _ := strings.Cut(f, ".")
	if common[first] || !strings.Contains(rest, ".") && !x.domains[rest] {
		// www.corp.example has no name of its own; corp.example is one.
		as := x.pseudonym(aHost, f)
		x.remember(f, as)
		if !common[first] && !tiny(first) {
			x.remember(first, as)
		}
		if common[first] && strings.Contains(rest, ".") {
			x.domain(rest)
		}
		return as
	}
	as := x.pseudonym(aHost, first)
	x.remember(f, as)
	if !tiny(first) {
		x.remember(first, as)
	}
	x.domain(rest)
	return as
}

// address returns the pseudonym of an IP address, with or without a port.
func (x *redactor) address(s string) (as string, ok bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	port := ""
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return "", false
		}
		a = ap.Addr()
		port = s[strings.LastIndexByte(s, ':'):]
	}
	return x.ip(a) + port, true
}

func (x *redactor) ip(a netip.Addr) string {
	a = a.WithZone("").Unmap()
	switch {
	case a.IsLoopback(), a.IsUnspecified(), a.Is4() && a.As4()[0] == 255:
		return a.String()
	case a.Is4():
		return x.pseudonym(aV4, a.String())
	}
	return x.pseudonym(aV6, a.String())
}

// mac returns the pseudonym of a hardware address in any of its spellings.
func (x *redactor) mac(s string) string {
	digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(fold(s))
	return x.pseudonym(aMAC, digits)
}

// lookup returns the pseudonym of a name that is known as a whole.
func (x *redactor) lookup(name string) string {
	n := x.known
	for _, w := range split(fold(name)) {
		if n = n.next[w]; n == nil {
			return ""
		}
	}
	return n.as
}

// learn makes known every name that a field holds, and then every one that is
// known from its shape.
func (x *redactor) learn(r *diagnose.Report) {
	// Domains first, so that hosts are told from them; people before hosts and
	// clients, because a person is one in whichever field the name is found.
	eachTried := func(visit func(t *diagnose.Tried)) {
		for i := range r.Attempts {
			visit(&r.Attempts[i])
		}
	}
	eachTried(func(t *diagnose.Tried) { x.user(t.User) })
	for i := range r.Findings {
		for _, u := range r.Findings[i].Users {
			x.user(u)
		}
	}
	eachTried(func(t *diagnose.Tried) {
		x.host(t.Host, aHost)
		x.host(t.From, aHost)
	})
	for i := range r.Findings {
		for _, h := range r.Findings[i].Hosts {
			x.host(h, aHost)
		}
	}
	eachTried(func(t *diagnose.Tried) { x.host(t.Client, aClient) })
	for i := range r.Findings {
		for _, c := range r.Findings[i].Clients {
			x.host(c, aClient)
		}
	}
	x.eachText(r, func(s *string) {
		x.shaped(*s)
	})
}

// eachText visits every text of a report that can hold a name in the middle.
func (x *redactor) eachText(r *diagnose.Report, visit func(*string)) {
	for i := range r.Files {
		visit(&r.Files[i].Name)
		visit(&r.Files[i].Error)
		visit(&r.Files[i].Encoding)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		visit(&f.Why)
		for j := range f.Evidence {
			visit(&f.Evidence[j].File)
			visit(&f.Evidence[j].Text)
		}
	}
	for i := range r.Attempts {
		t := &r.Attempts[i]
		visit(&t.Method)
		visit(&t.Stage)
		visit(&t.File)
		for j := range t.Codes {
			if !aCode.MatchString(t.Codes[j]) {
				visit(&t.Codes[j])
			}
		}
	}
	for i := range r.Warnings {
		visit(&r.Warnings[i])
	}
}

// aCode is what a code looks like that comes from a table, and not from a log.
var aCode = regexp.MustCompile(`^[a-z0-9-]{1,40}:-?[A-Za-z0-9_.-]{1,64}$`)

// report copies r under pseudonyms.
func (x *redactor) report(r *diagnose.Report) *diagnose.Report {
	c := *r
	c.Files = slices.Clone(r.Files)
	for i := range c.Files {
		formats := make(map[string]int, len(c.Files[i].Formats))
		for name, n := range c.Files[i].Formats {
			formats[name] = n
		}
		c.Files[i].Formats = formats
	}
	c.Warnings = slices.Clone(r.Warnings)
	c.Findings = slices.Clone(r.Findings)
	for i := range c.Findings {
		f := &c.Findings[i]
		f.Users = x.each(f.Users, x.user)
		f.Hosts = x.each(f.Hosts, func(s string) string { return x.host(s, aHost) })
		f.Clients = x.each(f.Clients, func(s string) string { return x.host(s, aClient) })
		f.Evidence = slices.Clone(f.Evidence)
		f.Source = slices.Clone(f.Source)
		f.Remedy, f.Verify = cloneSteps(f.Remedy), cloneSteps(f.Verify)
	}
	c.Attempts = slices.Clone(r.Attempts)
	for i := range c.Attempts {
		t := &c.Attempts[i]
		t.User = x.field(t.User, x.user)
		t.Host = x.field(t.Host, func(s string) string { return x.host(s, aHost) })
		t.From = x.field(t.From, func(s string) string { return x.host(s, aHost) })
		t.Client = x.field(t.Client, func(s string) string { return x.host(s, aClient) })
		t.Codes, t.Causes = slices.Clone(t.Codes), slices.Clone(t.Causes)
	}
	x.eachText(&c, func(s *string) { *s = x.text(*s) })
	return &c
}

func cloneSteps(steps []diagnose.Step) []diagnose.Step {
	c := slices.Clone(steps)
	for i := range c {
		c[i].Commands = slices.Clone(c[i].Commands)
	}
	return c
}

func (x *redactor) each(names []string, as func(string) string) []string {
	c := slices.Clone(names)
	for i := range c {
		c[i] = x.field(c[i], as)
	}
	// Two forms of one name have become one.
	seen := map[string]bool{}
	return slices.DeleteFunc(c, func(s string) bool {
		was := seen[s]
		seen[s] = true
		return was
	})
}

// field replaces a name that fills a field. A name of nobody that stays may
// still have a domain.
func (x *redactor) field(name string, as func(string) string) string {
	if name == "" {
		return ""
	}
	if p := as(name); p != name {
		return p
	}
	return x.text(name)
}

// text replaces every name in s.
func (x *redactor) text(s string) string {
	if s == "" {
		return ""
	}
	if short, ok := x.whole[s]; ok {
		return short
	}
	var b strings.Builder
	at := 0
	for _, sp := range x.spans(s) {
		b.WriteString(s[at:sp.from])
		b.WriteString(sp.as)
		at = sp.to
	}
	b.WriteString(s[at:])
	if len(s) <= 1024 && len(x.whole) < 10_000 {
		x.whole[s] = b.String()
	}
	return b.String()
}

// A span is a stretch of a text that is a name.
type span struct {
	from, to int
	as       string
}

// shaped finds the names in s that have a shape, and makes them known. What
// colours a terminal stands between words, although it ends in a letter. So does
// an escape of JSON or of an address, but CORP\u1234567 is somebody: a text with
// escapes is looked at both ways.
func (x *redactor) shaped(s string) []span {
	var list []span
	stretches := func(between *regexp.Regexp) {
		at := 0
		for _, m := range between.FindAllStringIndex(s, -1) {
			list = x.shapedIn(list, s[at:m[0]], at)
			at = m[1]
		}
		list = x.shapedIn(list, s[at:], at)
	}
	stretches(controls)
	if escapes.MatchString(s) {
		stretches(escapes)
	}
	return list
}

var (
	controls = regexp.MustCompile(`\x1b\[[ -?]*[@-~]`) // ECMA-48, Section 5.4
	escapes  = regexp.MustCompile(`\x1b\[[ -?]*[@-~]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9a-fA-F]{2}`)
)

// shapedIn is shaped for a stretch that begins at an offset.
func (x *redactor) shapedIn(list []span, s string, offset int) []span {
	for i := range shapes {
		sh := &shapes[i]
		if sh.must != "" && !strings.Contains(s, sh.must) {
			continue
		}
		for _, m := range sh.re.FindAllStringSubmatchIndex(s, -1) {
			// The last group that took part is the name.
			from, to := m[0], m[1]
			for g := len(m) - 2; g >= 2; g -= 2 {
				if m[g] >= 0 {
					from, to = m[g], m[g+1]
					break
				}
			}
			as, end := sh.as(x, s, from, to)
			if _, err := netip.ParseAddr(as); end > from && (as != s[from:end] || err == nil) {
				// An address that stays keeps its numbers from being taken for names.
				list = append(list, span{offset + from, offset + end, as})
			}
		}
	}
	return list
}

// spans finds all names in s, in order and apart from one another.
func (x *redactor) spans(s string) []span {
	list := append(x.shaped(s), x.knownIn(s)...)
	slices.SortStableFunc(list, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	// What overlaps is replaced together, under the name that begins first.
	merged := list[:0]
	for _, sp := range list {
		if n := len(merged); n > 0 && sp.from < merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, sp.to)
			continue
		}
		merged = append(merged, sp)
	}
	return merged
}

// knownIn finds names that are known, as whole words, the longest at each place.
func (x *redactor) knownIn(s string) []span {
	var list []span
	words := split(s)
	starts := make([]int, len(words)+1)
	folded := make([]string, len(words))
	for i, w := range words {
		starts[i+1] = starts[i] + len(w)
		folded[i] = fold(w)
	}
	for i := 0; i < len(words); {
		from := starts[i]
		end, as := x.follow(folded, i, folded[i])
		if end == i && i > 0 {
			if n := escaped(folded[i-1], folded[i]); n > 0 && len(folded[i]) == len(words[i]) {
				end, as = x.follow(folded, i, folded[i][n:])
				from += n
			}
		}
		if end == i {
			i++
			continue
		}
		list = append(list, span{from, starts[end], as})
		i = end
	}
	return list
}

// follow looks for the longest name that begins with the word at i, which is
// read as first.
func (x *redactor) follow(words []string, i int, first string) (end int, as string) {
	end = i
	n := x.known.next[first]
	for j := i; n != nil; n = n.next[words[j]] {
		j++
		if n.as != "" {
			end, as = j, n.as
		}
		if j == len(words) {
			break
		}
	}
	return end, as
}
