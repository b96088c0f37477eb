package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/diagnose"
)

// A Hint is one sign that something stands between this machine and the server
// and takes part in the conversation.
type Hint struct {
	Kind string `json:"kind"` // issuer, service, via, header, address or environment
	Text string `json:"text"`
}

// A product inspects TLS: it ends the connection, and signs a certificate of
// its own for every name.
type product struct {
	name string
	// words are in the names of the CAs that it makes, in lower case.
	words []string
}

// products are known by the names that they give to their CAs, unless whoever
// installs them chooses another.
var products = []product{
	{"Zscaler", []string{"zscaler"}},
	{"Blue Coat (Symantec, Broadcom) ProxySG", []string{"blue coat", "bluecoat", "proxysg"}},
	{"Fortinet FortiGate", []string{"fortinet", "fortigate"}},
	{"Palo Alto Networks", []string{"palo alto networks", "paloaltonetworks", "globalprotect"}},
	{"Sophos", []string{"sophos", "astaro"}},
	{"Check Point", []string{"check point", "checkpoint"}},
	{"Netskope", []string{"netskope", "goskope"}},
	{"Cisco Umbrella", []string{"cisco umbrella", "opendns"}},
	{"Cisco Secure Web Appliance", []string{"ironport", "cisco web security"}},
	{"Squid", []string{"squid"}},
	{"McAfee or Skyhigh Web Gateway", []string{"mcafee web gateway", "skyhigh", "webwasher"}},
	{"Forcepoint (Websense)", []string{"forcepoint", "websense"}},
	{"Barracuda", []string{"barracuda"}},
	{"SonicWall", []string{"sonicwall"}},
	{"WatchGuard", []string{"watchguard", "fireware"}},
	{"Cloudflare Gateway", []string{"cloudflare managed", "cloudflare for teams", "gateway ca - cloudflare"}},
	{"Cato Networks", []string{"cato networks", "cato-networks"}},
	{"iboss", []string{"iboss"}},
	{"Menlo Security", []string{"menlo security"}},
	{"Smoothwall", []string{"smoothwall"}},
	{"Lightspeed", []string{"lightspeed"}},
	{"Securly", []string{"securly"}},
	{"ContentKeeper", []string{"contentkeeper"}},
	{"Untangle (Arista)", []string{"untangle"}},
	{"Kerio Control", []string{"kerio"}},
	{"Trend Micro", []string{"trend micro", "trendmicro"}},
	{"Kaspersky", []string{"kaspersky"}},
	{"Avast or AVG", []string{"avast", "avg technologies", "avg web/mail shield", "web/mail shield"}},
	{"Bitdefender", []string{"bitdefender"}},
	{"ESET", []string{"eset ssl filter", "eset, spol"}},
	{"mitmproxy", []string{"mitmproxy"}},
	{"Fiddler", []string{"fiddler", "do_not_trust"}},
	{"Charles Proxy", []string{"charles proxy"}},
	{"Burp Suite", []string{"portswigger"}},
}

// inspector returns the product whose name one of the CAs above the certificate
// has, "" if none does. A certificate under a public root is never one.
func (f *facts) inspector() (name, in string) {
	if f.trust == Public {
		return "", ""
	}
	names := []string{f.leaf.Issuer.String()}
	for _, c := range f.path[1:] {
		names = append(names, c.Subject.String(), c.Issuer.String())
	}
	for _, n := range names {
		lower := strings.ToLower(n)
		for _, p := range products {
			if slices.ContainsFunc(p.words, func(w string) bool { return strings.Contains(lower, w) }) {
				return p.name, nameOf(n)
			}
		}
	}
	return "", ""
}

// reportInterception collects the hints in x.Interception, and makes the
// finding if the certificate was made on the way. It reports whether it did.
func (x *examiner) reportInterception(f *facts) bool {
	s := serviceOf(x.target.Host)
	if f == nil || f.trust == Public {
		return false
	}
	seen := fmt.Sprintf("the certificate for %s was issued by %s; the highest CA is %s", x.target.Host, nameOf(f.leaf.Issuer.String()), f.authority())
	name, in := f.inspector()
	if name != "" {
		x.hint("issuer", "A CA in the chain is named as those of "+name+" are: "+in+".")
	}
	// A public CA that is only not reached because an intermediate is missing
	// is none of this.
	foreign := s != nil && (f.trust == Private || f.trust == Known || f.trust == Unknown && !looksPublic(f.leaf))
	if foreign {
		x.hint("service", s.name+" uses certificates of public CAs, and this one is of none: "+f.authority()+".")
	}
	switch {
	case foreign && name != "":
		x.find("tls-inspection", diagnose.Proven, s.name+" uses certificates of public CAs, and the CA is named as those of "+name+" are.", seen)
	case foreign:
		x.find("tls-inspection", diagnose.Proven, s.name+" uses certificates of public CAs, and no root that is built in leads to this one.", seen)
	case name != "" && f.trust == Private && selfIssued(f.leaf):
		// The page of such a device itself has a certificate that it made for
		// itself.
		x.find("tls-inspection", diagnose.Possible, "The certificate is named as those of "+name+" are; it answers for itself, as it does if the target is such a device.", seen)
	case name != "" && f.trust != Known:
		x.find("tls-inspection", diagnose.Likely, "The CA is named as those of "+name+" are; it may also be the target's own certificate if the target is such a device.", seen)
	default:
		return false
	}
	return true
}

// hintsOfAnswer collects what HTTP and DNS show. Neither is a fault by itself:
// servers have proxies of their own in front of them.
func (x *examiner) hintsOfAnswer() {
	if w := x.Web; w != nil {
		for _, v := range w.Via {
			x.hint("via", "A proxy passed the answer on and says so: Via: "+v+". It may be the server's own.")
		}
		for _, h := range w.Proxies {
			x.hint("header", "A header is there that proxies set: "+h+".")
		}
	}
	if d, s := x.DNS, serviceOf(x.target.Host); s != nil && d != nil && d.Private && !d.Literal {
		private := slices.DeleteFunc(d.all(), func(a netip.Addr) bool { return isPublic(a) })
		x.hint("address", fmt.Sprintf("%s is on the public Internet, and this name leads to %s: the resolver here answers by itself.", s.name, private[0]))
	}
	if x.Proxy != "" {
		x.hint("environment", "The environment of this process names a proxy ("+x.Proxy+"). The examination goes without it; programs that use it may meet something else.")
	}
}

func (x *examiner) hint(kind, text string) {
	x.Interception = append(x.Interception, Hint{kind, text})
}
