package config

import (
	"fmt"
	"net"
	"net/netip"
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
	for _, s := range leaves(settings()) {
		v.tags(s)
	}
	v.addresses()
	v.rules()
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
func (v *verdict) tags(s setting) {
	value := s.of(&v.config)
	switch x := value.Interface().(type) {
	case string:
		v.clean(s.path, x)
	case []string:
		if most, _ := strconv.Atoi(s.tag.Get("max")); len(x) > most {
			v.wrong(s.path, "has %d items; at most %d are allowed", len(x), most)
			x = x[:most]
			value.Set(value.Slice(0, most)) // of our copy; it bounds the work of what follows
		}
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
			if !e.addr.IsLoopback() {
				v.wrong("telemetry", "%q can be reached from other machines, and asks for no password; write 127.0.0.1:%d, and let a collector on this machine pass it on",
					c.Telemetry, e.port)
			}
		}
	}
	if len(c.RADIUS) == 0 && c.HTTPS.Address == "" {
		v.wrongWith("https.address", "radius", "neither radius nor https.address has an address, so nobody could log in; give at least one")
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
