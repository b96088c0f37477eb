package audit

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Target is where one exporter delivers.
type Target struct {
	// Name is what its cursor is kept under; one that changes begins with the
	// oldest event again.
	Name string
	// URL is syslog+udp://HOST:514, syslog+tcp://HOST:514,
	// syslog+tls://HOST:6514, https://..., http://... or file:///PATH.
	URL string
	// CA is the path of a PEM file with the certificates that a TLS receiver's
	// must be signed by, "" for those of the system.
	CA string
	// Secret signs the batches of a webhook. It is 16 octets at least.
	Secret []byte
}

// shown returns the URL as it may be printed: a query can be a secret.
func (t Target) shown() string {
	shown, _, cut := strings.Cut(t.URL, "?")
	if cut {
		shown += "?..."
	}
	return shown
}

// receiver returns what delivers to the target.
func (t Target) receiver(now func() time.Time) (receiver, error) {
	fail := func(err error) (receiver, error) { return nil, fmt.Errorf("audit: export %s: %w", t.Name, err) }
	u, err := url.Parse(t.URL)
	if err != nil {
		return fail(fmt.Errorf("its address makes no sense: %w", err))
	}
	var roots *x509.CertPool
	if t.CA != "" {
		if roots, err = readRoots(t.CA); err != nil {
			return fail(err)
		}
	}
	settings := func() (*tls.Config, error) {
		c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
		if t.CA != "" { // anew each time, so that it can be replaced under us
			var err error
			if c.RootCAs, err = readRoots(t.CA); err != nil {
				return nil, err
			}
		}
		return c, nil
	}
	switch u.Scheme {
	case "syslog+udp":
		return &syslog{network: "udp", address: at(u, "514"), pid: os.Getpid(), now: now}, nil
	case "syslog+tcp":
		return &syslog{network: "tcp", address: at(u, "514"), pid: os.Getpid(), now: now}, nil
	case "syslog+tls":
		return &syslog{network: "tcp", address: at(u, "6514"), tls: settings, pid: os.Getpid(), now: now}, nil
	case "https", "http":
		if len(t.Secret) < secretLeast {
			return fail(fmt.Errorf("its secret has %d octets; it needs %d at least", len(t.Secret), secretLeast))
		}
		return newWebhook(t.Name, u.String(), t.Secret, roots, now), nil
	case "file":
		if !filepath.IsAbs(u.Path) {
			return fail(fmt.Errorf("%q is not the path of a file", u.Path))
		}
		return &file{path: filepath.FromSlash(u.Path)}, nil
	}
	return fail(fmt.Errorf("there is no export to %q", u.Scheme))
}

// secretLeast is the least length of a webhook's secret, in octets: 128 bits.
const secretLeast = 16

func at(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func readRoots(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of its CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("there is no certificate in PEM in %s", path)
	}
	return pool, nil
}
