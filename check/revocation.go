package check

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// A RevocationStatus is what a source says of a certificate.
type RevocationStatus string

const (
	Good    RevocationStatus = "good"
	Revoked RevocationStatus = "revoked"
	// NotKnown: the source answered that it does not know the certificate.
	NotKnown RevocationStatus = "unknown"
	// NotReached: there was no answer, so that a client that insists refuses.
	NotReached RevocationStatus = "unreachable"
	// Stale: it should have been renewed before now.
	Stale RevocationStatus = "stale"
	// Unreadable: what came is no such thing, or is not signed by the CA.
	Unreadable RevocationStatus = "unreadable"
	// NotExamined: it is at an address other than http, or is too long.
	NotExamined RevocationStatus = "not-examined"
)

// A Revocation is one source that says whether a certificate is revoked.
type Revocation struct {
	Certificate string           `json:"certificate"` // its subject
	Kind        string           `json:"kind"`        // crl (RFC 5280), ocsp (RFC 6960), or stapled: ocsp that the server brought along
	URL         string           `json:"url,omitempty"`
	Status      RevocationStatus `json:"status"`
	Updated     time.Time        `json:"updated,omitzero"`
	NextUpdate  time.Time        `json:"next_update,omitzero"`
	RevokedAt   time.Time        `json:"revoked_at,omitzero"`
	Error       string           `json:"error,omitempty"`
}

// revocation asks every source that the certificates below the root name, at
// most two of a kind for each and for the lowest three of them.
func (x *examiner) revocation(ctx context.Context, f *facts, stapled []byte) []Revocation {
	var asks []func() Revocation
	for i, c := range first(f.path, 3) {
		if selfIssued(c) {
			continue
		}
		var issuer *x509.Certificate
		if i+1 < len(f.path) {
			issuer = f.path[i+1]
		}
		if i == 0 && len(stapled) > 0 {
			asks = append(asks, func() Revocation {
				r := Revocation{Certificate: nameOf(c.Subject.String()), Kind: "stapled"}
				r.readOCSP(stapled, c, issuer, f.now)
				return r
			})
		}
		for _, at := range first(c.CRLDistributionPoints, 2) {
			asks = append(asks, func() Revocation { return x.askCRL(ctx, c, issuer, at, f.now) })
		}
		for _, at := range first(c.OCSPServer, 2) {
			asks = append(asks, func() Revocation { return x.askOCSP(ctx, c, issuer, at, f.now) })
		}
	}
	if len(asks) > 0 {
		x.step("asking whether the certificate is revoked")
	}
	out := make([]Revocation, len(asks))
	var wait sync.WaitGroup
	for i, ask := range asks {
		wait.Go(func() { out[i] = ask() })
	}
	wait.Wait()
	return out
}

// failed notes why nothing came.
func (r *Revocation) failed(err error) {
	r.Status, r.Error = NotReached, printable(err.Error())
	if errors.Is(err, errNotHTTP) || errors.Is(err, errTooLong) {
		r.Status = NotExamined
	}
}

func (r *Revocation) unreadable(why string) { r.Status, r.Error = Unreadable, why }

func (x *examiner) askCRL(ctx context.Context, c, issuer *x509.Certificate, at string, now time.Time) Revocation {
	r := Revocation{Certificate: nameOf(c.Subject.String()), Kind: "crl", URL: shorten(at, 200)}
	body, err := x.fetch(ctx, "GET", at, "", nil)
	if err != nil {
		r.failed(err)
		return r
	}
	r.readCRL(body, c, issuer, now)
	return r
}

// readCRL looks for c in a revocation list, DER or PEM.
func (r *Revocation) readCRL(body []byte, c, issuer *x509.Certificate, now time.Time) {
	if block, _ := pem.Decode(body); block != nil && block.Type == "X509 CRL" {
		body = block.Bytes
	}
	list, err := x509.ParseRevocationList(body)
	if err != nil {
		r.unreadable("it is not a revocation list")
		return
	}
	r.Updated, r.NextUpdate = list.ThisUpdate.UTC(), list.NextUpdate.UTC()
	if issuer == nil {
		r.unreadable("the certificate of the CA that signed it is not known")
		return
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		r.unreadable("it is not signed by the CA: " + shorten(err.Error(), 150))
		return
	}
	r.Status = Good
	if !list.NextUpdate.IsZero() && now.After(list.NextUpdate) {
		r.Status = Stale
	}
	for _, e := range list.RevokedCertificateEntries {
		// Reason 8 takes a certificate off hold again (RFC 5280, Section 5.3.1).
		if e.SerialNumber != nil && e.SerialNumber.Cmp(c.SerialNumber) == 0 && e.ReasonCode != 8 {
			r.Status, r.RevokedAt = Revoked, e.RevocationTime.UTC()
		}
	}
}

func (x *examiner) askOCSP(ctx context.Context, c, issuer *x509.Certificate, at string, now time.Time) Revocation {
	r := Revocation{Certificate: nameOf(c.Subject.String()), Kind: "ocsp", URL: shorten(at, 200)}
	if issuer == nil {
		r.Status, r.Error = NotExamined, "the certificate of the CA is not known, and the question needs it"
		return r
	}
	// The form with SHA-1 names is the one that every responder takes (RFC
	// 5019, Section 2.1.1).
	question, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		r.Status, r.Error = NotExamined, shorten(err.Error(), 150)
		return r
	}
	body, err := x.fetch(ctx, "POST", at, "application/ocsp-request", question)
	if err != nil {
		r.failed(err)
		return r
	}
	r.readOCSP(body, c, issuer, now)
	return r
}

// readOCSP reads a responder's answer about c.
func (r *Revocation) readOCSP(body []byte, c, issuer *x509.Certificate, now time.Time) {
	if issuer == nil {
		// Without the CA its signature cannot be checked, and it says nothing.
		r.unreadable("the certificate of the CA that signed it is not known")
		return
	}
	answer, err := ocsp.ParseResponseForCert(body, c, issuer)
	var refusal ocsp.ResponseError
	switch {
	case errors.As(err, &refusal):
		r.unreadable(fmt.Sprintf("the responder answered %q", refusal.Status.String()))
		return
	case err != nil:
		r.unreadable("it is no answer that the CA signed: " + shorten(err.Error(), 150))
		return
	}
	r.Updated, r.NextUpdate = answer.ThisUpdate.UTC(), answer.NextUpdate.UTC()
	switch answer.Status {
	case ocsp.Good:
		r.Status = Good
	case ocsp.Revoked:
		r.Status, r.RevokedAt = Revoked, answer.RevokedAt.UTC()
		return
	default:
		r.Status = NotKnown
	}
	if !answer.NextUpdate.IsZero() && now.After(answer.NextUpdate) {
		r.Status = Stale
	}
}
