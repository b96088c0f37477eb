package check

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// How long a certificate of a public CA may be valid depends on the day on which
// it was made (CA/Browser Forum, ballot SC-081v3; Apple's own rule stays at 398).
func TestLifetimes(t *testing.T) {
	t.Parallel()
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		name  string
		made  time.Time
		days  int
		trust Trust
		want  string
	}{
		{"two years, before any rule", day(2020, 8, 31), 820, Public, "iphone=accepts android=accepts browser=accepts java=accepts windows=accepts"},
		{"398 days of 2020", day(2020, 9, 1), 398, Public, "iphone=accepts android=accepts browser=accepts java=accepts windows=accepts"},
		{"399 days of 2020", day(2020, 9, 1), 399, Public, "iphone=refuses android=accepts browser=refuses java=accepts windows=accepts"},
		{"398 days, the day before the next step", day(2026, 3, 14), 398, Public, "iphone=accepts android=accepts browser=accepts java=accepts windows=accepts"},
		{"200 days, at the next step", day(2026, 3, 15), 200, Public, "iphone=accepts android=accepts browser=accepts java=accepts windows=accepts"},
		{"201 days, at the next step", day(2026, 3, 15), 201, Public, "iphone=accepts android=accepts browser=refuses java=accepts windows=accepts"},
		{"101 days of 2027", day(2027, 3, 15), 101, Public, "iphone=accepts android=accepts browser=refuses java=accepts windows=accepts"},
		{"48 days of 2029", day(2029, 3, 15), 48, Public, "iphone=accepts android=accepts browser=refuses java=accepts windows=accepts"},
		{"825 days of a private CA", day(2026, 3, 15), 825, Known, "iphone=depends android=depends browser=accepts java=depends windows=accepts"},
		{"826 days of a private CA", day(2026, 3, 15), 826, Known, "iphone=refuses android=depends browser=accepts java=depends windows=accepts"},
	}
	for _, tt := range tests {
		f := plainFacts(tt.trust)
		f.leaf.NotBefore, f.leaf.NotAfter = tt.made, tt.made.AddDate(0, 0, tt.days)
		if got := opinions(&Examination{Chain: &Chain{Verdicts: f.verdicts(false)}}); got != tt.want {
			t.Errorf("%s: judges: %s; want %s", tt.name, got, tt.want)
		}
		refused, broken := strings.Contains(tt.want, "refuses"), strings.Contains(strings.Join(f.broken(), "; "), "it is valid for")
		if refused != broken {
			t.Errorf("%s: a client refuses it: %t; a broken rule is named: %t", tt.name, refused, broken)
		}
	}
}

// SHA-1 and MD5 are not the same to everybody, nor are the roots above them.
func TestWeakSignatures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		signed x509.SignatureAlgorithm
		trust  Trust
		want   string
	}{
		{"SHA-1, public", x509.SHA1WithRSA, Public, "iphone=refuses android=refuses browser=refuses java=refuses windows=depends"},
		{"SHA-1, private", x509.ECDSAWithSHA1, Known, "iphone=refuses android=refuses browser=refuses java=depends windows=accepts"},
		{"MD5, private", x509.MD5WithRSA, Known, "iphone=refuses android=refuses browser=refuses java=refuses windows=accepts"},
	}
	for _, tt := range tests {
		f := plainFacts(tt.trust)
		f.leaf.SignatureAlgorithm = tt.signed
		f.sha1 = []*x509.Certificate{f.leaf}
		if got := opinions(&Examination{Chain: &Chain{Verdicts: f.verdicts(false)}}); got != tt.want {
			t.Errorf("%s: judges: %s; want %s", tt.name, got, tt.want)
		}
	}
}

// plainFacts are those of a certificate that nobody objects to by itself.
func plainFacts(trust Trust) *facts {
	made := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	leaf := &x509.Certificate{NotBefore: made, NotAfter: made.AddDate(0, 0, 90), SignatureAlgorithm: x509.SHA256WithRSA}
	return &facts{
		leaf: leaf, path: []*x509.Certificate{leaf}, host: "mfa.example.com", trust: trust,
		complete: true, named: true, purpose: true, purposeSet: true,
	}
}
