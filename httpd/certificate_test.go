package httpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestHTTPSWithACertificateOfItsOwn(t *testing.T) {
	settings, err := TLS("", "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &Health{Checks: []Check{{"store", well}}, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, tls.NewListener(l, settings), h.Public(), h.Log) }()

	leaf, err := x509.ParseCertificate(settings.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
	resp, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	transport.CloseIdleConnections()
	if err != nil || resp.StatusCode != 200 || string(b) != "ok store\nready\n" {
		t.Errorf("GET /readyz = %d %q, %v", resp.StatusCode, b, err)
	}
	if old, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		old.Close()
		t.Error("TLS 1.1 was accepted")
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v; want nil", err)
	}
}

// writeCertificate makes a pair of PEM files and returns the certificate.
func writeCertificate(t *testing.T, certificate, key string, at time.Time) []byte {
	t.Helper()
	pair, err := selfSigned(at)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		key:         {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return pair.Certificate[0]
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	now := start
	first := writeCertificate(t, certificate, key, now)
	settings, err := TLS(certificate, key, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	used := func() string {
		c, err := settings.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(c.Certificate[0])
	}
	if used() != string(first) {
		t.Error("not the certificate of the files")
	}
	second := writeCertificate(t, certificate, key, now.Add(time.Hour))
	if used() != string(first) {
		t.Error("the files were looked at again at once")
	}
	now = now.Add(checkFiles)
	if used() != string(second) {
		t.Error("a changed certificate was not read")
	}
	if err := os.WriteFile(certificate, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkFiles)
	if used() != string(second) {
		t.Error("a broken file took the place of a good certificate")
	}
	third := writeCertificate(t, certificate, key, now.Add(2*time.Hour))
	now = now.Add(checkFiles)
	if used() != string(third) {
		t.Error("a mended certificate was not read")
	}
}

func TestCertificateThatCannotBeRead(t *testing.T) {
	if c, err := TLS(filepath.Join(t.TempDir(), "none"), "", time.Now); err == nil {
		t.Errorf("TLS of a missing file = %v; want an error", c)
	}
}
