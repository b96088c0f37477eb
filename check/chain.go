package check

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Trust is who answers for a certificate.
type Trust string

const (
	// Public: a CA of the roots that are built in, which are those of Mozilla
	// and so in nearly every phone and browser.
	Public Trust = "public"
	// Known: a CA of Options.Roots, which the clients are said to have.
	Known Trust = "known"
	// Private: a root that is neither.
	Private Trust = "private"
	// Unknown: the chain breaks off before a root, so that nobody can tell.
	Unknown Trust = "unknown"
)

// Chain is what the server showed for itself, and what clients make of it.
type Chain struct {
	// Sent are the certificates in the order in which they were sent, the
	// server's own first; at most maxCertificates.
	Sent []Certificate `json:"sent"`
	// Fetched are those that were missing and were found at the addresses that
	// the certificates name.
	Fetched []Certificate `json:"fetched,omitempty"`

	Trust Trust `json:"trust"`
	// Authority is the name of the highest CA that was found or named.
	Authority string `json:"authority"`
	// Complete is whether what was sent leads to a root without help.
	Complete bool `json:"complete"`
	// NameMatches is whether the certificate is for the target's name.
	NameMatches bool `json:"name_matches"`

	// Verdicts is what each kind of client makes of it.
	Verdicts []Verdict `json:"verdicts"`
	// Notes are what is odd and stops nobody, a sentence each.
	Notes      []string     `json:"notes,omitempty"`
	Revocation []Revocation `json:"revocation,omitempty"`
}

// A Certificate is one of a chain.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // DNS names and addresses, at most maxNames
	MoreNames int       `json:"more_names,omitempty"`
	Serial    string    `json:"serial"` // hexadecimal
	Key       string    `json:"key"`    // "RSA 2048"
	Signature string    `json:"signature"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // of the whole certificate, hexadecimal
	CA        bool      `json:"ca,omitempty"`
	// SelfIssued is set if subject and issuer are the same: a root, or a
	// certificate that answers for itself.
	SelfIssued bool   `json:"self_issued,omitempty"`
	From       string `json:"from,omitempty"` // the address it was fetched from
}

const (
	maxCertificates = 20
	maxNames        = 50
	// maxTimes is for how many times a chain is verified, which bounds what a
	// server can make us reckon with a heap of certificates that are out of date.
	maxTimes = 8
	// maxFetched is how many missing certificates are looked for.
	maxFetched = 4
)

// describe makes the plain data of a certificate.
func describe(c *x509.Certificate, from string) Certificate {
	sum := sha256.Sum256(c.Raw)
	d := Certificate{
		Subject: nameOf(c.Subject.String()), Issuer: nameOf(c.Issuer.String()),
		Serial: shorten(c.SerialNumber.Text(16), 64), Key: keyOf(c), Signature: c.SignatureAlgorithm.String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
		CA: c.IsCA, SelfIssued: selfIssued(c), From: from,
	}
	for _, n := range c.DNSNames {
		d.Names = append(d.Names, shorten(n, 253))
	}
	for _, a := range c.IPAddresses {
		d.Names = append(d.Names, a.String())
	}
	if len(d.Names) > maxNames {
		d.Names, d.MoreNames = d.Names[:maxNames], len(d.Names)-maxNames
	}
	return d
}

// nameOf is a distinguished name for people.
func nameOf(dn string) string {
	if dn == "" {
		return "(no name)"
	}
	return shorten(dn, 300)
}

func keyOf(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}

// rsaBits is the size of c's key if it is an RSA key, else 0.
func rsaBits(c *x509.Certificate) int {
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return k.N.BitLen()
	}
	return 0
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// publicRoots are the roots that are built in: those of Mozilla, with the dates
// after which some of them are no longer believed.
var publicRoots = sync.OnceValue(func() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			panic("check: a root that is built in cannot be read: " + err.Error()) // the tests read every one
		}
		if root.Constraint == nil {
			pool.AddCert(c)
		} else {
			pool.AddCertWithConstraint(c, root.Constraint)
		}
	}
	return pool
})

// ReadRoots reads a file of CA certificates, PEM or DER, for Options.Roots.
func ReadRoots(file []byte) (*x509.CertPool, error) {
	certificates, err := readCertificates(file)
	if err != nil {
		return nil, fmt.Errorf("check: read the file of CA certificates: %w", err)
	}
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool, nil
}

// readCertificates reads certificates in PEM, or one in DER.
func readCertificates(file []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := file; len(out) < 1000; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) > 0 {
		return out, nil
	}
	c, err := x509.ParseCertificate(file)
	if err != nil {
		return nil, errors.New("there is no certificate in it, neither in PEM nor in DER")
	}
	return []*x509.Certificate{c}, nil
}

// facts is what a chain is, before anybody judges it.
type facts struct {
	leaf  *x509.Certificate
	sent  []*x509.Certificate
	host  string
	now   time.Time
	trust Trust
	// complete is whether what was sent leads to a root.
	complete bool
	// path leads from the leaf upwards: a verified chain if there is one, else
	// what follows by the names.
	path []*x509.Certificate
	// missing are the certificates of path that were neither sent nor are the
	// root at its end.
	missing []*x509.Certificate

	named      bool   // the certificate is for host
	commonName string // that would match host, if only the subject names it
	expired    []*x509.Certificate
	future     []*x509.Certificate
	sha1       []*x509.Certificate // signed with SHA-1 or worse, below the root
	purpose    bool                // may be used for a server
	purposeSet bool                // says what it may be used for at all
	refusal    string              // why no chain could be verified, in the words of the library
}

// roots are the two pools that a chain can lead to.
type roots struct{ public, known *x509.CertPool }

// examineChain finds the facts of what was sent. fetched are certificates from
// elsewhere that may complete it.
func examineChain(sent, fetched []*x509.Certificate, host string, now time.Time, r roots) *facts {
	f := &facts{leaf: sent[0], sent: sent, host: host, now: now}
	f.named = f.leaf.VerifyHostname(host) == nil
	if !f.named && len(f.leaf.DNSNames) == 0 && len(f.leaf.IPAddresses) == 0 && matchesCommonName(f.leaf, host) {
		f.commonName = f.leaf.Subject.CommonName
	}
	f.purposeSet = len(f.leaf.ExtKeyUsage)+len(f.leaf.UnknownExtKeyUsage) > 0
	f.purpose = !f.purposeSet || slices.ContainsFunc(f.leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny
	})
	f.follow(fetched, r)
	for _, c := range f.path {
		switch {
		case now.After(c.NotAfter):
			f.expired = append(f.expired, c)
		case now.Before(c.NotBefore):
			f.future = append(f.future, c)
		}
		// The signature of a root proves nothing and is not looked at.
		if weakSignature(c.SignatureAlgorithm) && !selfIssued(c) {
			f.sha1 = append(f.sha1, c)
		}
	}
	return f
}

// follow finds trust, path and completeness.
func (f *facts) follow(fetched []*x509.Certificate, r roots) {
	all := slices.Concat(f.sent[1:], fetched)
	for _, try := range []struct {
		pool  *x509.CertPool
		trust Trust
	}{{r.public, Public}, {r.known, Known}} {
		if try.pool == nil {
			continue
		}
		if path := f.verified(try.pool, f.sent[1:]); path != nil {
			f.trust, f.path, f.complete = try.trust, path, true
			return
		}
		if len(fetched) == 0 {
			continue
		}
		if path := f.verified(try.pool, all); path != nil {
			f.trust, f.path = try.trust, path
			f.missing = f.notSent(path[:len(path)-1])
			return
		}
	}
	f.path = byNames(f.leaf, all)
	top := f.path[len(f.path)-1]
	if selfIssued(top) {
		f.trust = Private
		f.missing = f.notSent(f.path[:len(f.path)-1])
		f.complete = len(f.missing) == 0
		return
	}
	f.trust = Unknown
	f.missing = f.notSent(f.path)
}

// verified returns a chain to one of the roots, nil if there is none. It
// looks only at who signed what: dates, name and purpose are judged by
// themselves, so the time that it is verified for is one at which the
// certificates were valid.
func (f *facts) verified(pool *x509.CertPool, others []*x509.Certificate) []*x509.Certificate {
	intermediates := x509.NewCertPool()
	for _, c := range others {
		intermediates.AddCert(c)
	}
	times := []time.Time{f.now}
	for _, c := range append([]*x509.Certificate{f.leaf}, others...) {
		if f.now.Before(c.NotBefore) || f.now.After(c.NotAfter) {
			times = append(times, c.NotBefore.Add(time.Second), c.NotAfter.Add(-time.Second))
		}
	}
	for _, at := range first(times, maxTimes) {
		if at.Before(f.leaf.NotBefore) || at.After(f.leaf.NotAfter) {
			continue
		}
		chains, err := f.leaf.Verify(x509.VerifyOptions{
			Roots: pool, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err == nil {
			return shortest(chains)
		}
		if f.refusal == "" || !errors.As(err, new(x509.UnknownAuthorityError)) {
			f.refusal = shorten(err.Error(), 200)
		}
	}
	return nil
}

// shortest returns the shortest chain: the others lead over cross-signatures.
func shortest(chains [][]*x509.Certificate) []*x509.Certificate {
	return slices.MinFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) })
}

// byNames goes from the leaf to whoever it names as its issuer, and so on.
func byNames(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	path := []*x509.Certificate{leaf}
	for top := leaf; !selfIssued(top); {
		next := slices.IndexFunc(others, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, top.RawIssuer) && !slices.ContainsFunc(path, c.Equal) &&
				(len(top.AuthorityKeyId) == 0 || len(c.SubjectKeyId) == 0 || bytes.Equal(top.AuthorityKeyId, c.SubjectKeyId))
		})
		if next < 0 {
			break
		}
		top = others[next]
		path = append(path, top)
	}
	return path
}

// notSent returns those of cs that are not among what was sent.
func (f *facts) notSent(cs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range cs {
		if !slices.ContainsFunc(f.sent, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// top is the highest certificate that is at hand.
func (f *facts) top() *x509.Certificate { return f.path[len(f.path)-1] }

// authority names the highest CA that is at hand or named by it.
func (f *facts) authority() string { return nameOf(f.top().Issuer.String()) }

// logged is the extension that holds the receipts of certificate transparency
// (RFC 6962, Section 3.3). Only public CAs have their certificates logged.
var logged = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// looksPublic reports whether the certificate says by itself that a public CA
// made it: it was logged, or follows a policy of the CA/Browser Forum.
func looksPublic(c *x509.Certificate) bool {
	forum := asn1.ObjectIdentifier{2, 23, 140, 1, 2}
	return slices.ContainsFunc(c.PolicyIdentifiers, func(p asn1.ObjectIdentifier) bool {
		return len(p) > len(forum) && p[:len(forum)].Equal(forum)
	}) || slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(logged) })
}

func weakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	default:
		return false
	}
}

// matchesCommonName is how names were matched before RFC 2818 was taken at its
// word: by the subject alone.
func matchesCommonName(c *x509.Certificate, host string) bool {
	name := strings.ToLower(c.Subject.CommonName)
	if _, err := netip.ParseAddr(host); err == nil {
		return name == host
	}
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		_, domain, found := strings.Cut(host, ".")
		return found && domain == rest && strings.Contains(rest, ".")
	}
	return name != "" && name == host
}

// notes says what is odd about the order of what was sent.
func (f *facts) notes() []string {
	var out []string
	for i, c := range f.sent {
		if slices.ContainsFunc(f.sent[:i], c.Equal) {
			out = append(out, "A certificate is sent twice: "+nameOf(c.Subject.String())+".")
			break
		}
	}
	for i, c := range f.sent {
		if i > 0 && !slices.ContainsFunc(f.sent[:i], c.Equal) && !bytes.Equal(f.sent[i-1].RawIssuer, c.RawSubject) && slices.ContainsFunc(f.path, c.Equal) {
			out = append(out, "The certificates are not sent in order, each followed by its issuer (RFC 5246, Section 7.4.2). Clients sort them today; some old ones do not.")
			break
		}
	}
	for i, c := range f.sent {
		if i > 0 && selfIssued(c) {
			out = append(out, "The root is sent too. It is of no use: a client has it already or does not believe it.")
			break
		}
	}
	for i, c := range f.sent {
		if i > 0 && !selfIssued(c) && !slices.ContainsFunc(f.path, c.Equal) {
			out = append(out, "A certificate is sent that is not needed: "+nameOf(c.Subject.String())+".")
			break
		}
	}
	return out
}

// complete fetches what is missing between the chain that was sent and a root,
// from where the certificates say that their issuer's is (RFC 5280, Section
// 4.2.2.1).
func (x *examiner) complete(ctx context.Context, f *facts, r roots) (*facts, []Certificate) {
	var fetched []*x509.Certificate
	var described []Certificate
	for len(fetched) < maxFetched && f.trust != Public && f.trust != Known && !selfIssued(f.top()) {
		if len(f.top().IssuingCertificateURL) == 0 {
			break
		}
		x.step("fetching a certificate that the server did not send")
		next, from, err := x.fetchIssuer(ctx, f.top())
		if err != nil {
			x.warn("The certificate of %s is not sent and could not be fetched: %v.", nameOf(f.top().Issuer.String()), err)
			break
		}
		fetched = append(fetched, next)
		described = append(described, describe(next, from))
		f = examineChain(f.sent, fetched, f.host, f.now, r)
	}
	return f, described
}

// fetchIssuer gets the certificate that signed c.
func (x *examiner) fetchIssuer(ctx context.Context, c *x509.Certificate) (*x509.Certificate, string, error) {
	var last error
	for _, at := range first(c.IssuingCertificateURL, 2) {
		body, err := x.fetch(ctx, "GET", at, "", nil)
		if err != nil {
			last = err
			continue
		}
		found, err := readCertificates(body)
		if err != nil {
			last = fmt.Errorf("what is at %s is not a certificate", shorten(at, 200))
			continue
		}
		for _, issuer := range found {
			if bytes.Equal(issuer.RawSubject, c.RawIssuer) {
				return issuer, shorten(at, 200), nil
			}
		}
		last = fmt.Errorf("what is at %s is another certificate", shorten(at, 200))
	}
	return nil, "", last
}

// first returns at most n of s.
func first[T any](s []T, n int) []T { return s[:min(n, len(s))] }
