package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/diagnose"
)

// chain judges what the server showed for itself.
func (x *examiner) chain(ctx context.Context, sent []*x509.Certificate, stapled []byte) {
	x.step("judging the certificates")
	if len(sent) > maxCertificates {
		x.warn("the server sent %d certificates; only the first %d were looked at.", len(sent), maxCertificates)
		sent = sent[:maxCertificates]
	}
	r := roots{public: x.Options.Public, known: x.Options.Roots}
	if r.public == nil {
		r.public = publicRoots()
	}
	f, fetched := x.complete(ctx, examineChain(sent, nil, x.target.Host, x.now(), r), r)
	c := &Chain{
		Trust: f.trust, Authority: f.authority(), Complete: f.complete, NameMatches: f.named,
		Notes: f.notes(), Fetched: fetched,
	}
	for _, s := range f.sent {
		c.Sent = append(c.Sent, describe(s, ""))
	}
	c.Revocation = x.revocation(ctx, f, stapled)
	revoked := slices.ContainsFunc(c.Revocation, func(r Revocation) bool { return r.Status == Revoked })
	c.Verdicts = f.verdicts(revoked)
	x.Chain = c
	if !x.reportInterception(f) {
		x.reportTrust(f)
	}
	x.reportCertificate(f)
	x.reportRevocation()
}

// reportTrust makes the findings of who answers for the certificate.
func (x *examiner) reportTrust(f *facts) {
	issuer := nameOf(f.leaf.Issuer.String())
	switch f.trust {
	case Public, Known:
		if !f.complete {
			for _, c := range f.missing {
				x.find("tls-chain-missing-intermediate", diagnose.Proven,
					"With the certificate that was fetched from where the server's own names it, the chain leads to a root; with what was sent it does not.",
					"the server does not send the certificate of "+nameOf(c.Subject.String()))
			}
		}
	case Private:
		seen := fmt.Sprintf("the certificate for %s was issued by %s, and the highest CA is %s, which is among no public roots", x.target.Host, issuer, f.authority())
		if selfIssued(f.leaf) {
			seen = fmt.Sprintf("the certificate for %s was issued by itself: %s", x.target.Host, nameOf(f.leaf.Subject.String()))
		}
		x.find("tls-chain-private-ca", diagnose.Proven, "The chain leads to a root that is not among the public ones.", seen)
		for _, c := range f.missing {
			x.find("tls-chain-private-ca", diagnose.Proven, "", "the server does not send the certificate of "+nameOf(c.Subject.String())+", so clients that have the root can still fail")
		}
	case Unknown:
		seen := fmt.Sprintf("the chain breaks off at %s, whose certificate is neither sent nor a root", f.authority())
		if looksPublic(f.leaf) {
			x.find("tls-chain-missing-intermediate", diagnose.Likely,
				"The certificate has the marks of a public CA, and what was sent does not lead to its root.", seen)
			return
		}
		x.find("tls-chain-private-ca", diagnose.Likely,
			"No public root leads to the certificate, and it has no marks of a public CA. The root itself was not seen, so a missing intermediate is possible too.", seen)
	}
}

// reportCertificate makes the findings of the certificates by themselves.
func (x *examiner) reportCertificate(f *facts) {
	if !f.named {
		names := slices.Clone(f.leaf.DNSNames)
		for _, a := range f.leaf.IPAddresses {
			names = append(names, a.String())
		}
		seen := fmt.Sprintf("the certificate is for %s and not for %s", shorten(strings.Join(first(names, 10), ", "), 300), x.target.Host)
		switch {
		case f.commonName != "":
			seen = fmt.Sprintf("the certificate has %s only as the common name of its subject and has no subject alternative names", x.target.Host)
		case len(names) == 0:
			seen = fmt.Sprintf("the certificate has no names but its subject, %s, and is not for %s", nameOf(f.leaf.Subject.String()), x.target.Host)
		}
		x.find("tls-name", diagnose.Proven, "The names are in the certificate.", seen)
	}
	for _, c := range f.expired {
		x.find("tls-expired", diagnose.Proven, "The date is in the certificate, as compared with the clock of this machine.",
			fmt.Sprintf("the certificate of %s expired on %s, %s ago", nameOf(c.Subject.String()), c.NotAfter.UTC().Format(time.RFC3339), days(f.now.Sub(c.NotAfter))))
	}
	for _, c := range f.future {
		x.find("tls-expired", diagnose.Proven, "The date is in the certificate, as compared with the clock of this machine.",
			fmt.Sprintf("the certificate of %s is valid from %s, in %s", nameOf(c.Subject.String()), c.NotBefore.UTC().Format(time.RFC3339), days(c.NotBefore.Sub(f.now))))
	}
	if broken := f.broken(); len(broken) > 0 {
		x.find("endpoint-certificate-rules", diagnose.Proven, "All of it is in the certificates.", broken...)
	}
	if left := f.leaf.NotAfter.Sub(f.now); left > 0 && len(f.future) == 0 && left < soon(f.leaf) {
		x.note("endpoint-expires-soon", "The date is in the certificate.",
			fmt.Sprintf("the certificate expires on %s, in %s", f.leaf.NotAfter.UTC().Format(time.RFC3339), days(left)))
	}
}

// soon is how long before the end of a certificate its renewal is late: 14
// days, or a fifth of its life for those that live only for days.
func soon(c *x509.Certificate) time.Duration {
	return min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/5)
}

// days says a span in days, or in hours if it is short.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// reportRevocation makes the findings of x.Chain.Revocation.
func (x *examiner) reportRevocation() {
	good := make(map[string]bool)
	for _, r := range x.Chain.Revocation {
		good[r.Certificate] = good[r.Certificate] || r.Status == Good
	}
	for _, r := range x.Chain.Revocation {
		at := r.Kind
		if r.URL != "" {
			at += " at " + r.URL
		}
		switch r.Status {
		case Revoked:
			x.find("endpoint-revoked", diagnose.Proven, "The answer is signed by the CA.",
				fmt.Sprintf("the certificate of %s was revoked on %s (%s)", r.Certificate, r.RevokedAt.Format(time.RFC3339), at))
		case NotReached, Stale, Unreadable:
			// One source that answers is enough for a client, and without the CA's
			// certificate nothing could have been read.
			if good[r.Certificate] || x.Chain.Trust == Unknown || x.Chain.Trust == Private && r.Status == Unreadable {
				continue
			}
			detail := r.Error
			if r.Status == Stale {
				detail = "it should have been renewed by " + r.NextUpdate.Format(time.RFC3339)
			}
			x.find("tls-revocation", diagnose.Likely, "It was so from this machine; a firewall may treat others differently.",
				fmt.Sprintf("%s says nothing of the certificate of %s: %s", at, r.Certificate, detail))
		case Good, NotKnown, NotExamined:
		}
	}
}
