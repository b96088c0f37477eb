package tlsprobe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func surveyed(t *testing.T, address, name string, o SurveyOptions) Survey {
	t.Helper()
	if o.Wait == 0 {
		o.Wait = patient
	}
	s, err := Take(t.Context(), to(address), name, o)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return s
}

func acceptedVersions(s *Survey) []Version {
	var all []Version
	for _, v := range s.Versions {
		if v.Accepted {
			all = append(all, v.Version)
		}
	}
	return all
}

// rsaCertificate is one that old suites without elliptic curves can use too.
func rsaCertificate(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, _ = certificateOf(t, name, key, &key.PublicKey)
	return certFile, keyFile
}

// The tables of versions and suites, in the server's order, of three nginx
// configurations and of openssl with all that it has.
//
// sslscan in Debian is linked with OpenSSL, so it can offer only what that
// OpenSSL has (no SSL 2.0, SSL 3.0, RC4 or export suites); what our survey
// finds beyond that, it could not know of, and the comparison leaves it out.
// These servers are OpenSSL too, so nothing is beyond.
func TestAgreesWithSslscan(t *testing.T) {
	sslscan := peer(t, "sslscan")
	known := opensslSuites(t)
	rsaCert, rsaKey := rsaCertificate(t, "login.example.com")
	ecCert, ecKey, _ := certificate(t, "login.example.com")
	keys := func(cert, key string) string {
		return " ssl_certificate " + cert + "; ssl_certificate_key " + key + ";"
	}
	tests := []struct {
		name  string
		start func(t *testing.T) string
	}{
		{"nginx with everything, its own order", func(t *testing.T) string {
			return nginx(t, "server { listen LISTEN ssl; ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; ssl_ciphers ALL:@SECLEVEL=0;"+
				keys(rsaCert, rsaKey)+keys(ecCert, ecKey)+"}")
		}},
		{"nginx as an administrator would have it", func(t *testing.T) string {
			return nginx(t, "server { listen LISTEN ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers off; ssl_ciphers "+
				"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305;"+
				keys(rsaCert, rsaKey)+"}")
		}},
		{"nginx with TLS 1.0 alone and few suites", func(t *testing.T) string {
			return nginx(t, "server { listen LISTEN ssl; ssl_protocols TLSv1; ssl_prefer_server_ciphers on; ssl_ciphers AES256-SHA:AES128-SHA:@SECLEVEL=0;"+
				keys(rsaCert, rsaKey)+"}")
		}},
		{"nginx with two suites of TLS 1.3", func(t *testing.T) string {
			return nginx(t, "server { listen LISTEN ssl; ssl_protocols TLSv1.3; ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384;"+
				keys(ecCert, ecKey)+"}")
		}},
		{"openssl with everything, the client's order", func(t *testing.T) string {
			return opensslServer(t, "-cert", rsaCert, "-key", rsaKey, "-cipher", "ALL:COMPLEMENTOFALL@SECLEVEL=0")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := tt.start(t)
			got := surveyed(t, address, "login.example.com", SurveyOptions{})
			if !got.Complete {
				t.Errorf("the survey is not complete after %d connections", got.Connections)
			}
			out, err := exec.Command(sslscan, "--no-colour", "--no-heartbleed", "--no-renegotiation", "--no-compression",
				"--no-groups", "--no-fallback", "--sni-name=login.example.com", "--xml=-", address).Output()
			if err != nil {
				t.Fatalf("sslscan: %v", err)
			}
			versions, suites := readSslscan(t, out)
			if len(versions) == 0 {
				t.Fatalf("sslscan finds no version: %s", out)
			}
			if diff := cmp.Diff(versions, acceptedVersions(&got)); diff != "" {
				t.Errorf("versions (-sslscan +ours):\n%s", diff)
			}
			for v, want := range suites {
				ours := slices.DeleteFunc(slices.Clone(got.Suites[v]), func(id uint16) bool { return known[id] == nil })
				if strings.Contains(tt.name, "its own order") || strings.Contains(tt.name, "few suites") {
					if !slices.Equal(ours, want) {
						t.Errorf("%v, in the server's order: sslscan %04x, ours %04x", v, want, ours)
					}
				}
				slices.Sort(ours)
				slices.Sort(want)
				if diff := cmp.Diff(hexList(want), hexList(ours)); diff != "" {
					t.Errorf("%v (-sslscan +ours):\n%s", v, diff)
				}
			}
		})
	}
}

// readSslscan reads the versions and suites of sslscan's XML.
func readSslscan(t *testing.T, out []byte) ([]Version, map[Version][]uint16) {
	t.Helper()
	var doc struct {
		Test struct {
			Protocols []struct {
				Type    string `xml:"type,attr"`
				Version string `xml:"version,attr"`
				Enabled string `xml:"enabled,attr"`
			} `xml:"protocol"`
			Ciphers []struct {
				Version string `xml:"sslversion,attr"`
				ID      string `xml:"id,attr"`
			} `xml:"cipher"`
		} `xml:"ssltest"`
	}
	if err := xml.Unmarshal(out, &doc); err != nil {
		t.Fatalf("sslscan's XML: %v: %s", err, out)
	}
	named := map[string]Version{
		"ssl2": SSL20, "ssl3": SSL30, "tls1.0": TLS10, "tls1.1": TLS11, "tls1.2": TLS12, "tls1.3": TLS13,
		"TLSv1.0": TLS10, "TLSv1.1": TLS11, "TLSv1.2": TLS12, "TLSv1.3": TLS13, "SSLv3": SSL30,
	}
	var versions []Version
	for _, p := range doc.Test.Protocols {
		if v, ok := named[p.Type+p.Version]; ok && p.Enabled == "1" {
			versions = append(versions, v)
		}
	}
	suites := make(map[Version][]uint16)
	for _, c := range doc.Test.Ciphers {
		id, err := strconv.ParseUint(strings.TrimPrefix(c.ID, "0x"), 16, 16)
		if err != nil || named[c.Version] == 0 {
			t.Fatalf("sslscan's cipher %+v: %v", c, err)
		}
		suites[named[c.Version]] = append(suites[named[c.Version]], uint16(id))
	}
	return versions, suites
}

func TestSurveyTellsWhoseOrderCounts(t *testing.T) {
	cert, key := rsaCertificate(t, "x")
	for _, tt := range []struct {
		prefer string
		want   bool
	}{{"on", true}, {"off", false}} {
		address := nginx(t, "server { listen LISTEN ssl; ssl_protocols TLSv1.2; ssl_prefer_server_ciphers "+tt.prefer+
			"; ssl_ciphers AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA; ssl_certificate "+cert+"; ssl_certificate_key "+key+"; }")
		s := surveyed(t, address, "x", SurveyOptions{Parallel: 4})
		if s.ServerPreference != tt.want {
			t.Errorf("ssl_prefer_server_ciphers %s: ServerPreference is %t", tt.prefer, s.ServerPreference)
		}
		if want := []uint16{0x002f, 0xc02f, 0x0035}; tt.want && !slices.Equal(s.Suites[TLS12], want) {
			t.Errorf("suites %04x, want %04x", s.Suites[TLS12], want)
		}
	}
}

func TestSurveyFindsSNINeeded(t *testing.T) {
	cert, key, _ := certificate(t, "login.example.com")
	otherCert, otherKey, _ := certificate(t, "other.example.com")
	named := "ssl_protocols TLSv1.2 TLSv1.3; server { listen LISTEN ssl; server_name login.example.com; ssl_certificate " + cert + "; ssl_certificate_key " + key + "; }"
	t.Run("refused without the name", func(t *testing.T) {
		address := nginx(t, "server { listen LISTEN ssl default_server; ssl_reject_handshake on; }"+named)
		s := surveyed(t, address, "login.example.com", SurveyOptions{NoSuites: true})
		if !s.NeedsSNI || s.Unnamed == nil || s.Unnamed.Alert == nil || s.Unnamed.Alert.Description != AlertUnrecognizedName {
			t.Errorf("NeedsSNI %t, without the name: %v", s.NeedsSNI, s.Unnamed)
		}
		if got := acceptedVersions(&s); !slices.Equal(got, []Version{TLS12, TLS13}) {
			t.Errorf("accepted: %v", got)
		}
		old, _ := LookupProfile("android5nosni")
		if a := probed(t, address, old.To("login.example.com")); a.End != Alerted {
			t.Errorf("a client without SNI: %v", &a)
		}
	})
	t.Run("another certificate without the name", func(t *testing.T) {
		address := nginx(t, "server { listen LISTEN ssl default_server; ssl_certificate "+otherCert+"; ssl_certificate_key "+otherKey+"; }"+named)
		s := surveyed(t, address, "login.example.com", SurveyOptions{NoSuites: true})
		if s.NeedsSNI || !s.OtherCertificate {
			t.Errorf("NeedsSNI %t, OtherCertificate %t", s.NeedsSNI, s.OtherCertificate)
		}
	})
	t.Run("the name does not matter", func(t *testing.T) {
		s := surveyed(t, nginx(t, named), "login.example.com", SurveyOptions{NoSuites: true})
		if s.NeedsSNI || s.OtherCertificate || !s.Unnamed.Accepted() {
			t.Errorf("NeedsSNI %t, OtherCertificate %t, without the name: %v", s.NeedsSNI, s.OtherCertificate, s.Unnamed)
		}
	})
}

func TestSurveySSL3(t *testing.T) {
	s := surveyed(t, ssl3Server(t, 0x0005, 0x000a, 0x0004), "old", SurveyOptions{})
	// The responder answers every hello with SSL 3.0, so only that is accepted
	// and nothing is intolerant.
	if got := acceptedVersions(&s); !slices.Equal(got, []Version{SSL30}) {
		t.Fatalf("accepted: %v", got)
	}
	if want := []uint16{0x0005, 0x000a, 0x0004}; !slices.Equal(s.Suites[SSL30], want) {
		t.Errorf("suites %04x, want %04x", s.Suites[SSL30], want)
	}
	if len(s.Intolerant) > 0 || !s.Complete || !s.ServerPreference {
		t.Errorf("Intolerant %v, Complete %t, ServerPreference %t", s.Intolerant, s.Complete, s.ServerPreference)
	}
}

// difficult is crypto/tls behind a box that lets only some hellos through.
func difficult(t *testing.T, config *tls.Config, passes func(h *ClientHello) bool) string {
	return listen(t, func(c net.Conn) {
		var first []byte
		var s Stream
		c.SetDeadline(time.Now().Add(patient))
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			first = append(first, buf[:n]...)
			s.Add(buf[:n])
			if e, ok := s.Next(); ok {
				if e.Client == nil || !passes(e.Client) {
					c.(*net.TCPConn).SetLinger(0)
					return
				}
				break
			}
			if err != nil {
				return
			}
		}
		server := tls.Server(&again{Conn: c, first: first}, config)
		server.Handshake()
	})
}

// again is a connection whose first octets are read a second time.
type again struct {
	net.Conn
	first []byte
}

func (a *again) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(b)
}

func TestSurveyOfDifficultServers(t *testing.T) {
	_, _, pair := certificate(t, "x")
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	t.Run("breaks on TLS 1.3", func(t *testing.T) {
		address := difficult(t, config, func(h *ClientHello) bool { return len(h.Versions) == 0 })
		s := surveyed(t, address, "x", SurveyOptions{NoSuites: true})
		if !slices.Equal(s.Intolerant, []Version{TLS13}) {
			t.Errorf("Intolerant = %v (accepted %v)", s.Intolerant, acceptedVersions(&s))
		}
	})
	t.Run("breaks on anything above TLS 1.0", func(t *testing.T) {
		old := config.Clone()
		old.MaxVersion = tls.VersionTLS10
		address := difficult(t, old, func(h *ClientHello) bool { return h.Max() <= TLS10 })
		s := surveyed(t, address, "x", SurveyOptions{NoSuites: true})
		if !slices.Equal(s.Intolerant, []Version{TLS11, TLS12, TLS13}) {
			t.Errorf("Intolerant = %v (accepted %v)", s.Intolerant, acceptedVersions(&s))
		}
		if s.Named.End != Reset {
			t.Errorf("the usual hello: %v", s.Named)
		}
	})
	t.Run("breaks on large hellos", func(t *testing.T) {
		modern := config.Clone()
		modern.MaxVersion = tls.VersionTLS13
		address := difficult(t, modern, func(h *ClientHello) bool { return h.Size < 1400 })
		s := surveyed(t, address, "x", SurveyOptions{NoSuites: true})
		if !s.LargeHelloFails || len(s.Intolerant) > 0 {
			t.Errorf("LargeHelloFails %t, Intolerant %v", s.LargeHelloFails, s.Intolerant)
		}
	})
	t.Run("takes no more than 60 suites", func(t *testing.T) {
		address := difficult(t, config, func(h *ClientHello) bool { return len(h.Suites) <= 60 })
		s := surveyed(t, address, "x", SurveyOptions{})
		if got := acceptedVersions(&s); !slices.Equal(got, []Version{TLS10, TLS11, TLS12}) {
			t.Errorf("accepted: %v", got)
		}
		if want := []uint16{0xc02b, 0xc009}; !slices.Equal(s.Suites[TLS12], want) || !s.Complete {
			t.Errorf("suites %04x, want %04x; complete %t", s.Suites[TLS12], want, s.Complete)
		}
	})
	t.Run("breaks on nothing", func(t *testing.T) {
		s := surveyed(t, goServer(t, config), "x", SurveyOptions{Parallel: 3})
		if len(s.Intolerant) > 0 || s.LargeHelloFails || !s.Complete || !s.ServerPreference {
			t.Errorf("Intolerant %v, LargeHelloFails %t, Complete %t, ServerPreference %t", s.Intolerant, s.LargeHelloFails, s.Complete, s.ServerPreference)
		}
	})
	t.Run("has had enough after 6 connections", func(t *testing.T) {
		var served atomic.Int32
		address := difficult(t, config, func(*ClientHello) bool { return served.Add(1) <= 6 })
		s := surveyed(t, address, "x", SurveyOptions{Versions: []Version{TLS12, TLS11, TLS10}})
		if s.Complete || s.NeedsSNI || s.LargeHelloFails || len(s.Intolerant) > 0 {
			t.Errorf("complete %t after %d connections, NeedsSNI %t, LargeHelloFails %t, Intolerant %v",
				s.Complete, s.Connections, s.NeedsSNI, s.LargeHelloFails, s.Intolerant)
		}
	})
}

func TestSurveyKeepsToItsBounds(t *testing.T) {
	_, _, pair := certificate(t, "x")
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10}
	address := goServer(t, config)
	var mu sync.Mutex
	var now, most, calls, last int
	counted := func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		c, err := to(address)(ctx)
		return &counting{c, func() { mu.Lock(); now--; mu.Unlock() }}, err
	}
	s, err := Take(t.Context(), counted, "x", SurveyOptions{
		Connections: 9, Parallel: 3, Wait: patient,
		Progress: func(p Progress) { calls++; last = p.Connections },
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Connections != 9 || s.Complete || most > 3 || calls != 9 || last != 9 {
		t.Errorf("%d connections, complete %t, %d at once, %d calls, the last with %d", s.Connections, s.Complete, most, calls, last)
	}

	ctx, cancel := context.WithCancel(t.Context())
	_, err = Take(ctx, to(address), "x", SurveyOptions{Wait: patient, Progress: func(p Progress) {
		if p.Connections == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Take of a context that ended = %v", err)
	}
}

type counting struct {
	net.Conn
	closed func()
}

func (c *counting) Close() error {
	c.closed()
	return c.Conn.Close()
}

// Where there is nothing to survey, one connection says so.
func TestSurveyOfWhatIsNotTLS(t *testing.T) {
	plain := listen(t, func(c net.Conn) { readHello(c); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	for address, want := range map[string]End{plain: NotTLS, freeAddress(t): Refused} {
		s := surveyed(t, address, "x", SurveyOptions{})
		if s.Named.End != want || len(s.Versions) > 0 || s.Connections != 1 {
			t.Errorf("named %v, %d versions, %d connections; want %v", s.Named, len(s.Versions), s.Connections, want)
		}
	}
}
