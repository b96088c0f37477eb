package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Validate returns everything that is wrong with c, joined, nil if nothing is.
// Each error names the key and says what to do.
func (c Config) Validate() error { return joined(c.check()) }

func (c Config) check() []mistake {
	v := verdict{config: c}
	base := reflect.ValueOf(&v.config).Elem()
	for _, s := range leaves(settings()) {
		v.tags(s, base)
		if s.item == nil {
			continue
		}
		list := s.in(base)
		for i := range list.Len() {
			for _, key := range s.item {
				key.path = fmt.Sprintf("%s[%d].%s", s.path, i, key.name)
				v.tags(key, list.Index(i))
			}
		}
	}
	v.addresses()
	v.rules()
	v.database()
	v.exports()
	return v.mistakes
}

// A verdict collects the mistakes of a configuration.
type verdict struct {
	config   Config
	mistakes []mistake
}

func (v *verdict) wrong(key, format string, args ...any) {
	v.mistakes = append(v.mistakes, mistake{key: key, what: fmt.Sprintf(format, args...)})
}

// wrongWith is wrong for a mistake that rests on a second key as well.
func (v *verdict) wrongWith(other, key, format string, args ...any) {
	v.wrong(key, format, args...)
	v.mistakes[len(v.mistakes)-1].with = other
}

// tags checks what the tags of the field say, and that texts are clean.
func (v *verdict) tags(s setting, base reflect.Value) {
	value := s.in(base)
	if value.Kind() == reflect.Slice {
		if most, _ := strconv.Atoi(s.tag.Get("max")); value.Len() > most {
			v.wrong(s.path, "has %d items; at most %d are allowed", value.Len(), most)
			value.Set(value.Slice(0, most)) // of our copy; it bounds the work of what follows
		}
	}
	switch x := value.Interface().(type) {
	case string:
		v.clean(s.path, x)
	case []string:
		for i, item := range x {
			v.clean(fmt.Sprintf("%s[%d]", s.path, i), item)
		}
	case int:
		low, _ := strconv.Atoi(s.tag.Get("min"))
		high, _ := strconv.Atoi(s.tag.Get("max"))
		if x < low || x > high {
			v.wrong(s.path, "%d is not allowed; choose from %d to %d", x, low, high)
		}
	case time.Duration:
		low, _ := time.ParseDuration(s.tag.Get("min"))
		high, _ := time.ParseDuration(s.tag.Get("max"))
		if x < low || x > high {
			v.wrong(s.path, "%s is not allowed; choose from %s to %s", format(value), s.tag.Get("min"), s.tag.Get("max"))
		}
	}
	if words := strings.Fields(s.tag.Get("oneof")); len(words) > 0 && !slices.Contains(words, format(value)) {
		v.wrong(s.path, "%s is not allowed; choose from %s", quote(format(value)), strings.Join(words, ", "))
	}
}

// clean refuses what cannot be seen: it is never meant, and misleads whoever
// reads the log.
func (v *verdict) clean(key, text string) {
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }):
		v.wrong(key, "%s has characters that cannot be shown; delete them", quote(text))
	case strings.TrimSpace(text) != text:
		v.wrong(key, "%s begins or ends with white space; delete it", quote(text))
	}
}

// digits is what a port may be written with; the standard library would also
// take service names, which differ between machines.
var digits = regexp.MustCompile(`^[0-9]{1,5}$`)

// An endpoint is an address of ours that could be understood. An invalid addr
// stands for every interface.
type endpoint struct {
	key  string
	addr netip.Addr
	port int
}

// endpoint reads HOST:PORT, where HOST is an IP address or nothing. Names are
// refused: what they mean depends on a resolver that may not be there yet.
// Port 0 is any free one, for tests.
func (v *verdict) endpoint(key, text string) (endpoint, bool) {
	e := endpoint{key: key}
	host, port, err := net.SplitHostPort(text)
	if err == nil && host != "" {
		e.addr, err = netip.ParseAddr(host)
	}
	if err == nil && digits.MatchString(port) {
		e.port, err = strconv.Atoi(port)
	} else {
		e.port = -1
	}
	if err != nil || e.port < 0 || e.port > 65535 {
		v.wrong(key, "%s is not an IP address and port; write it like 192.0.2.1:443, [2001:db8::1]:443, or :443 for every interface", quote(text))
		return endpoint{}, false
	}
	e.addr = e.addr.Unmap()
	if e.addr.IsUnspecified() {
		e.addr = netip.Addr{}
	}
	return e, true
}

// disjoint refuses to listen twice at one place, which the system would refuse
// later in fewer words.
func (v *verdict) disjoint(taken []endpoint, e endpoint) {
	for _, t := range taken {
		if e.port == t.port && e.port != 0 && (e.addr == t.addr || !e.addr.IsValid() || !t.addr.IsValid()) {
			v.wrongWith(t.key, e.key, "port %d is in use by %s already; choose another address or port", e.port, t.key)
			return
		}
	}
}

func (v *verdict) addresses() {
	c := v.config
	var udp, tcp []endpoint
	for i, text := range c.RADIUS {
		if e, ok := v.endpoint(fmt.Sprintf("radius[%d]", i), text); ok {
			v.disjoint(udp, e)
			udp = append(udp, e)
		}
	}
	if c.HTTPS.Address != "" {
		if e, ok := v.endpoint("https.address", c.HTTPS.Address); ok {
			tcp = append(tcp, e)
		}
	}
	if c.Telemetry != "" {
		if e, ok := v.endpoint("telemetry", c.Telemetry); ok {
			v.disjoint(tcp, e)
			tcp = append(tcp, e)
			if !e.addr.IsLoopback() {
				v.wrong("telemetry", "%q can be reached from other machines, and asks for no password; write 127.0.0.1:%d, and let a collector on this machine pass it on",
					c.Telemetry, e.port)
			}
		}
	}
	if c.Local != "" {
		if e, ok := v.endpoint("local", c.Local); ok {
			v.disjoint(tcp, e)
			if !e.addr.IsLoopback() {
				v.wrong("local", "%q can be reached from other machines, and has no TLS; write 127.0.0.1:%d, and use https.address for other machines", c.Local, e.port)
			}
		}
	}
	if len(c.RADIUS) == 0 && c.HTTPS.Address == "" && c.Local == "" {
		v.wrongWith("https.address", "radius", "none of radius, https.address and local has an address, so nobody could log in; give at least one")
	}
	v.site()
}

// site checks the address that people type, and the proxies before it.
func (v *verdict) site() {
	c := v.config
	if text := c.HTTPS.URL; text != "" {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost"):
			v.wrong("https.url", "%s is not an address for browsers; write it like https://mfa.example.com", quote(text))
		case !hostName.MatchString(u.Hostname()) || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
			v.wrong("https.url", "%s has more in it than https://, a host name and perhaps a port; write it like https://mfa.example.com", quote(text))
		case u.Hostname() != strings.ToLower(u.Hostname()):
			v.wrong("https.url", "%s has capital letters, which browsers make small; write it in small letters", quote(text))
		default:
			if _, err := netip.ParseAddr(u.Hostname()); err == nil {
				v.wrong("https.url", "%s has an IP address for a host, and passkeys belong to names; give the host a name", quote(text))
			}
		}
	}
	for i, text := range c.HTTPS.Proxies {
		if p, err := prefix(text); err != nil || p.Bits() == 0 {
			v.wrong(fmt.Sprintf("https.proxies[%d]", i), "%s is neither an address nor a network; write it like 192.0.2.10 or 192.0.2.0/28", quote(text))
		}
	}
}

// cheapest are the equivalent minimum settings of Argon2id in the OWASP
// Password Storage Cheat Sheet: less memory takes more passes.
var cheapest = []struct{ memoryKiB, iterations int }{
	{47104, 1}, {19456, 2}, {12288, 3}, {9216, 4}, {7168, 5},
}

const (
	issuerMax = 64
	domainMax = 255 // RFC 1035, Section 2.3.4
)

func (v *verdict) rules() {
	c := v.config
	if c.Data == "" {
		v.wrong("data", "is empty; name the folder of the database")
	}
	if c.HTTPS.Certificate == "" && c.HTTPS.Key != "" {
		v.wrongWith("https.key", "https.certificate", "is empty, but https.key is given; give both or neither")
	}
	if c.HTTPS.Certificate != "" && c.HTTPS.Key == "" {
		v.wrongWith("https.certificate", "https.key", "is empty, but https.certificate is given; give both or neither")
	}

	switch {
	case c.Issuer == "":
		v.wrong("issuer", "is empty; give the name that people know this service by")
	case utf8.RuneCountInString(c.Issuer) > issuerMax:
		v.wrong("issuer", "has more than %d characters; shorten it, since apps cut it off", issuerMax)
	case strings.Contains(c.Issuer, ":"):
		v.wrong("issuer", "%q has a colon, which separates issuer and account in authenticator apps; leave it out", c.Issuer)
	}

	for i, d := range c.Domains {
		key := fmt.Sprintf("domains[%d]", i)
		switch {
		case d == "":
			v.wrong(key, "is empty; give a name or delete the item")
		case len(d) > domainMax:
			v.wrong(key, "is longer than the %d octets of a domain name; check it", domainMax)
		case strings.ContainsFunc(d, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`\/@:;,*?"<>|`, r) }):
			v.wrong(key, "%s is not a domain name; write the name alone, such as CORP or corp.example.com", quote(d))
		case slices.ContainsFunc(c.Domains[:i], func(other string) bool { return strings.EqualFold(other, d) }):
			v.wrong(key, "%s is in the list already; delete it", quote(d))
		}
	}

	for _, l := range []struct {
		key string
		Limit
	}{{"throttle.second_factor", c.Throttle.SecondFactor}, {"throttle.password", c.Throttle.Password}} {
		if l.Free > l.Stop {
			v.wrongWith(l.key+".stop", l.key+".free", "%d is more than %s.stop, which is %d; make it smaller", l.Free, l.key, l.Stop)
		}
	}

	h := c.PasswordHash
	last := cheapest[len(cheapest)-1]
	inRange := h.MemoryKiB >= last.memoryKiB && h.Iterations >= 1 // else that has been said
	if inRange && !slices.ContainsFunc(cheapest, func(m struct{ memoryKiB, iterations int }) bool {
		return h.MemoryKiB >= m.memoryKiB && h.Iterations >= m.iterations
	}) {
		v.wrongWith("password_hash.iterations", "password_hash.memory_kib", "%d with %d iterations is too cheap to guess against; "+
			"choose at least 47104 with 1, 19456 with 2, 12288 with 3, 9216 with 4 or 7168 with 5", h.MemoryKiB, h.Iterations)
	}
}

// nodeName is what a node can be called: what fits into a syslog HOSTNAME (RFC
// 5424, Section 6.2.4) and a log line.
var nodeName = regexp.MustCompile(`^[!-~]{1,64}$`)

// keepLeast is the least time for which events are kept: repeated requests,
// joins and the export need the newest ones.
const keepLeast = 24 * time.Hour

const notDatabase = "it is not the URL of a database; write it like postgres://USER@HOST/NAME, or leave it empty for SQLite in the data folder"

// database checks what is said about the database. No message repeats its URL,
// which can hold a password.
func (v *verdict) database() {
	c := v.config
	hasPassword := false
	switch text := string(c.Database); {
	case text == "":
		if c.DatabasePasswordFile != "" {
			v.wrongWith("database", "database_password_file", "is given, but database is empty; SQLite needs no password")
		}
	case strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) || !utf8.ValidString(text):
		v.wrong("database", "it has white space around it, or characters that cannot be shown; delete them")
	default:
		u, _, err := c.Database.parse()
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && !u.Query().Has("host") || strings.Trim(u.Path, "/") == "" {
			v.wrong("database", notDatabase)
			break
		}
		_, hasPassword = u.User.Password()
		hasPassword = hasPassword || u.Query().Has("password")
	}
	if hasPassword && c.DatabasePasswordFile != "" {
		v.wrongWith("database", "database_password_file", "is given, but database has a password as well; take one of the two away")
	}
	if c.Node != "" && !nodeName.MatchString(c.Node) {
		v.wrong("node", "%s is no name for a node; use up to 64 letters, digits and signs of ASCII, without spaces", quote(c.Node))
	}
	if c.KeepEvents > 0 && c.KeepEvents < keepLeast {
		v.wrong("keep_events", "%s is too short; keep events for 24h at least, or for ever with 0s", format(reflect.ValueOf(c.KeepEvents)))
	}
}

var (
	exportName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	hostName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
)

func (v *verdict) exports() {
	list := v.config.Export
	for i, e := range list {
		key := fmt.Sprintf("export[%d].", i)
		switch {
		case !exportName.MatchString(e.Name):
			v.wrong(key+"name", "%s is no name for an export; use up to 32 small letters, digits and hyphens, such as siem", quote(e.Name))
		case slices.ContainsFunc(list[:i], func(other Export) bool { return other.Name == e.Name }):
			v.wrong(key+"name", "%s is in the list already; each export has a name of its own", quote(e.Name))
		}
		scheme, ok := v.exportURL(key+"url", e.URL)
		if !ok {
			continue
		}
		if slices.ContainsFunc(list[:i], func(other Export) bool { return other.URL == e.URL }) {
			v.wrong(key+"url", "%s is in the list already; delete one of the two", quote(e.URL))
		}
		if e.CA != "" && scheme != "syslog+tls" && scheme != "https" {
			v.wrongWith(key+"url", key+"ca", "is given, but %s uses no certificates; delete it, or use syslog+tls or https", scheme)
		}
		posts := scheme == "https" || scheme == "http"
		if posts && e.SecretFile == "" {
			v.wrong(key+"secret_file", "is empty, so that the receiver could not tell our events from anybody else's; name a file with a secret that it knows too")
		}
		if !posts && e.SecretFile != "" {
			v.wrongWith(key+"url", key+"secret_file", "is given, but %s has no use for a secret; delete it", scheme)
		}
	}
}

// exportURL checks where an export goes and returns the scheme.
func (v *verdict) exportURL(key, text string) (scheme string, ok bool) {
	bad := func(format string, args ...any) (string, bool) {
		v.wrong(key, format, args...)
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return bad("%s is not an address; write it like syslog+tls://siem.example.com:6514, https://siem.example.com/events or file:///var/log/sallyport.jsonl", quote(text))
	}
	if u.User != nil {
		return bad("it has a user or password in it, which would be printed; what is posted is signed with the secret of secret_file instead")
	}
	if u.Fragment != "" {
		return bad("%s has a fragment (#), which means nothing here; delete it", quote(text))
	}
	if u.Scheme == "file" {
		if u.Host != "" || u.RawQuery != "" || u.Opaque != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) != u.Path || u.Path == "/" {
			return bad("%s is not the address of a file; write it with three slashes and the whole path, like file:///var/log/sallyport.jsonl", quote(text))
		}
		return u.Scheme, true
	}
	address, err := netip.ParseAddr(u.Hostname())
	if err != nil && !hostName.MatchString(u.Hostname()) {
		return bad("%s has no host that could be reached; write it like syslog+tls://siem.example.com:6514", quote(text))
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return bad("%s has no port from 1 to 65535", quote(text))
		}
	}
	switch u.Scheme {
	case "syslog+udp", "syslog+tcp", "syslog+tls":
		if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
			return bad("%s has something after host and port, which means nothing to syslog; delete it", quote(text))
		}
	case "https":
	case "http":
		if !address.IsLoopback() && u.Hostname() != "localhost" {
			return bad("%s would send events in clear over the network; use https, which http may stand for only on this machine (127.0.0.1)", quote(text))
		}
	default:
		return bad("%s begins with an unknown word; use syslog+udp, syslog+tcp, syslog+tls, https, http to this machine, or file", quote(text))
	}
	return u.Scheme, true
}
