package httpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"sync"
	"time"
)

// TLS returns the settings for HTTPS: TLS 1.2 or newer, with the certificate
// and key of those PEM files. The files are read again when they change, so
// that a renewed certificate needs no restart; while they cannot be read the
// old one stays in use.
//
// With both names empty it makes a certificate that nobody has signed, for
// this host's name and loopback, anew for each call. That is enough for health
// checks and a first look; browsers will warn.
func TLS(certificate, key string, now func() time.Time) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if certificate == "" && key == "" {
		made, err := selfSigned(now())
		if err != nil {
			return nil, fmt.Errorf("httpd: make a certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{made}
		return c, nil
	}
	files := &certificateFiles{certificate: certificate, key: key, now: now}
	if err := files.load(); err != nil {
		return nil, err
	}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.current(), nil }
	return c, nil
}

// certificateFiles are a certificate and its key on disk.
type certificateFiles struct {
	certificate, key string
	now              func() time.Time

	mu sync.Mutex
	// mu guards the fields below.
	loaded  *tls.Certificate
	stamp   [2]time.Time // modification times of what is loaded
	checked time.Time
}

// checkFiles is how often the files are looked at, at most.
const checkFiles = 10 * time.Second

func (f *certificateFiles) current() *tls.Certificate {
	f.mu.Lock()
	due := f.now().Sub(f.checked) >= checkFiles
	stamp, loaded := f.stamp, f.loaded
	f.mu.Unlock()
	if due && f.modified() != stamp {
		if f.load() == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.loaded
		}
	}
	return loaded
}

func (f *certificateFiles) modified() (stamp [2]time.Time) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			stamp[i] = info.ModTime()
		}
	}
	return stamp
}

func (f *certificateFiles) load() error {
	// Stamped before it is read: a change in between is found the next time.
	stamp := f.modified()
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = f.now()
	if err != nil {
		return fmt.Errorf("httpd: read the HTTPS certificate: %w", err)
	}
	f.loaded, f.stamp = &pair, stamp
	return nil
}

func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[len(names)-1]},
		DNSNames:              names,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
