package check

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// list makes a revocation list of a that has these certificates on it.
func (a *authority) list(t testing.TB, next time.Duration, revoked ...*x509.Certificate) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: time.Now().Add(-72 * time.Hour), NextUpdate: time.Now().Add(next)}
	for _, c := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-72 * time.Hour), ReasonCode: 1,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// status makes a's answer of OCSP about a certificate.
func (a *authority) status(t testing.TB, c *x509.Certificate, status int) []byte {
	t.Helper()
	der, err := ocsp.CreateResponse(a.certificate, a.certificate, ocsp.Response{
		Status: status, SerialNumber: c.SerialNumber, IssuerHash: crypto.SHA1,
		ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour), RevokedAt: time.Now().Add(-2 * time.Hour),
	}, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func crl(at string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.CRLDistributionPoints = append(c.CRLDistributionPoints, at) }
}

func responder(at string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.OCSPServer = append(c.OCSPServer, at) }
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change []func(*x509.Certificate)
		// serve is what the CA's web server does, given the server's certificate.
		serve  func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc
		causes string
		status string // of each source, in order
		judges string
	}{
		{
			name: "on no list", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(t *testing.T, p *public, _ *x509.Certificate) http.HandlerFunc {
				return body(p.ca.list(t, time.Hour, p.ca.certificate))
			},
			status: "crl=good", judges: allAccept,
		},
		{
			name: "on the list", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc {
				return body(p.ca.list(t, time.Hour, leaf))
			},
			causes: "endpoint-revoked", status: "crl=revoked",
			judges: "iphone=depends android=depends browser=depends java=depends windows=depends",
		},
		{
			name: "list of yesterday", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(t *testing.T, p *public, _ *x509.Certificate) http.HandlerFunc {
				return body(p.ca.list(t, -24*time.Hour))
			},
			causes: "tls-revocation", status: "crl=stale", judges: allAccept,
		},
		{
			name: "list of another CA", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc {
				return body(newAuthority(t, "Public CA", nil).list(t, time.Hour, leaf))
			},
			causes: "tls-revocation", status: "crl=unreadable", judges: allAccept,
		},
		{
			name: "a page instead of a list", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(*testing.T, *public, *x509.Certificate) http.HandlerFunc {
				return body([]byte("<html>Please log in to the network</html>"))
			},
			causes: "tls-revocation", status: "crl=unreadable", judges: allAccept,
		},
		{
			name: "endless list", change: []func(*x509.Certificate){crl("http://pki.example.net/ca.crl")},
			serve: func(*testing.T, *public, *x509.Certificate) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					for chunk := make([]byte, 64<<10); ; {
						if _, err := w.Write(chunk); err != nil {
							return
						}
					}
				}
			},
			status: "crl=not-examined", judges: allAccept,
		},
		{
			name: "list not reached", change: []func(*x509.Certificate){crl("http://nowhere.example.net/ca.crl")},
			serve:  func(*testing.T, *public, *x509.Certificate) http.HandlerFunc { return http.NotFound },
			causes: "tls-revocation", status: "crl=unreachable", judges: allAccept,
		},
		{
			name: "list in a directory", change: []func(*x509.Certificate){crl("ldap:///CN=CA?certificateRevocationList")},
			serve:  func(*testing.T, *public, *x509.Certificate) http.HandlerFunc { return http.NotFound },
			status: "crl=not-examined", judges: allAccept,
		},
		{
			name:   "one of two sources is enough",
			change: []func(*x509.Certificate){crl("http://nowhere.example.net/ca.crl"), responder("http://pki.example.net/ocsp")},
			serve: func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc {
				return answers(t, leaf, p.ca, p.ca.status(t, leaf, ocsp.Good))
			},
			status: "crl=unreachable ocsp=good", judges: allAccept,
		},
		{
			name: "revoked by OCSP", change: []func(*x509.Certificate){responder("http://pki.example.net/ocsp")},
			serve: func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc {
				return answers(t, leaf, p.ca, p.ca.status(t, leaf, ocsp.Revoked))
			},
			causes: "endpoint-revoked", status: "ocsp=revoked",
			judges: "iphone=depends android=depends browser=depends java=depends windows=depends",
		},
		{
			name: "answer of OCSP by somebody else", change: []func(*x509.Certificate){responder("http://pki.example.net/ocsp")},
			serve: func(t *testing.T, p *public, leaf *x509.Certificate) http.HandlerFunc {
				return answers(t, leaf, p.ca, newAuthority(t, "Public CA", nil).status(t, leaf, ocsp.Revoked))
			},
			causes: "tls-revocation", status: "ocsp=unreadable", judges: allAccept,
		},
		{
			name: "responder that refuses", change: []func(*x509.Certificate){responder("http://pki.example.net/ocsp")},
			serve: func(*testing.T, *public, *x509.Certificate) http.HandlerFunc {
				return body(ocsp.UnauthorizedErrorResponse)
			},
			causes: "tls-revocation", status: "ocsp=unreadable", judges: allAccept,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t)
			leaf := p.ca.issue(t, oneRSA(), tt.change...)
			p.route("pki.example.net", "198.51.100.7", 80, goHTTP(t, tt.serve(t, p, leaf)))
			p.route("", target, 443, nginx(t, secure(write(t, oneRSA(), leaf, p.ca.certificate), "")))
			e := p.examine(t, host, func(o *Options) { o.VersionsOnly = true })
			want(t, e, tt.causes)
			if got := statuses(e); got != tt.status {
				t.Errorf("sources: %s; want %s (%+v)", got, tt.status, e.Chain.Revocation)
			}
			if got := opinions(e); got != tt.judges {
				t.Errorf("judges: %s; want %s", got, tt.judges)
			}
		})
	}
}

func statuses(e *Examination) string {
	var out []string
	for _, r := range e.Chain.Revocation {
		out = append(out, r.Kind+"="+string(r.Status))
	}
	return strings.Join(out, " ")
}

func body(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
}

// answers is a responder that is asked about a certificate of a CA, and nothing
// else.
func answers(t *testing.T, c *x509.Certificate, ca *authority, answer []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		q, err := ocsp.ParseRequest(question)
		if err != nil || q.SerialNumber.Cmp(c.SerialNumber) != 0 || r.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("the responder was asked %+v (%v), as %s; want certificate %v", q, err, r.Header.Get("Content-Type"), c.SerialNumber)
		}
		w.Write(answer)
	}
}

// nginx hands out the answer of OCSP itself.
func TestStapledAnswer(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	leaf := p.ca.issue(t, oneRSA())
	f := write(t, oneRSA(), leaf, p.ca.certificate)
	staple := filepath.Join(f.dir, "staple.der")
	if err := os.WriteFile(staple, p.ca.status(t, leaf, ocsp.Revoked), 0o600); err != nil {
		t.Fatal(err)
	}
	p.route("", target, 443, nginx(t, secure(f, "ssl_stapling on; ssl_stapling_file "+staple+";")))
	e := p.examine(t, host, func(o *Options) { o.VersionsOnly = true })
	want(t, e, "endpoint-revoked")
	if !e.TLS.Stapled || statuses(e) != "stapled=revoked" {
		t.Errorf("stapled: %t, sources: %s", e.TLS.Stapled, statuses(e))
	}
}
