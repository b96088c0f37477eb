package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/diagnose"
)

// DNS is what the name of the target led to.
type DNS struct {
	// Literal is set if the target is an address, so that nothing was asked.
	Literal bool `json:"literal,omitempty"`
	// CNAME is the name at the end of the aliases, if it is another one.
	CNAME string `json:"cname,omitempty"`
	// V4 and V6 are the addresses, at most maxAddresses together, in the order
	// of the answer.
	V4 []netip.Addr `json:"v4"`
	V6 []netip.Addr `json:"v6"`
	// More is how many addresses were left out.
	More int `json:"more,omitempty"`
	// Private is set if one of the addresses is not of the public Internet.
	Private    bool    `json:"private,omitempty"`
	TookMillis float64 `json:"took_ms"`
	Error      string  `json:"error,omitempty"`
}

// maxAddresses is how many addresses of a name are tried.
const maxAddresses = 16

// lookUp resolves the target's name. It reports whether there is an address.
func (x *examiner) lookUp(ctx context.Context) bool {
	x.step("looking up " + x.target.Host)
	d := &DNS{V4: []netip.Addr{}, V6: []netip.Addr{}}
	x.DNS = d
	if a, ok := x.target.address(); ok {
		d.Literal = true
		d.add(a)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	began := x.now()
	addresses, err := x.lookup(ctx, x.target.Host)
	d.TookMillis = millis(x.now().Sub(began))
	if err == nil && len(addresses) == 0 {
		err = errors.New("the name has no address")
	}
	if err != nil {
		d.Error = printable(err.Error())
		x.reportName(err)
		return false
	}
	seen := make(map[netip.Addr]bool)
	for _, a := range addresses {
		if a = a.Unmap(); !seen[a] {
			seen[a] = true
			d.add(a)
		}
	}
	if x.Options.Lookup == nil {
		// Aliases are told only by the resolver itself, and matter to no finding.
		if name, err := net.DefaultResolver.LookupCNAME(ctx, x.target.Host); err == nil {
			if name = strings.ToLower(strings.TrimSuffix(name, ".")); name != x.target.Host {
				d.CNAME = shorten(name, 253)
			}
		}
	}
	return true
}

func (d *DNS) add(a netip.Addr) {
	switch {
	case len(d.V4)+len(d.V6) >= maxAddresses:
		d.More++
	case a.Is4():
		d.V4 = append(d.V4, a)
	default:
		d.V6 = append(d.V6, a)
	}
	d.Private = d.Private || !isPublic(a)
}

// all returns the addresses in the order in which they are tried: those of IPv6
// first, as most systems do (RFC 6724, Section 2.1).
func (d *DNS) all() []netip.Addr { return slices.Concat(d.V6, d.V4) }

// shared is the address space between a carrier's NAT and its customers (RFC
// 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// isPublic reports whether a can be an address of the public Internet.
func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// reportName makes the finding of a name that led nowhere.
func (x *examiner) reportName(err error) {
	confidence, why := diagnose.Likely, "Another machine may use another resolver and get an answer."
	what := "the resolver answered with an error"
	var failure *net.DNSError
	switch {
	case errors.As(err, &failure) && failure.IsNotFound:
		confidence, why = diagnose.Proven, "The resolver of this machine answered that there is no such name or that it has no address."
		what = "there is no such name, or it has no address"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &failure) && failure.IsTimeout:
		what = fmt.Sprintf("the resolver did not answer within %v", x.timeout)
	}
	x.find("endpoint-name", confidence, why, fmt.Sprintf("%s: %s (%s)", x.target.Host, what, shorten(err.Error(), 200)))
}

// millis is d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
