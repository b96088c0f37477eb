package tlsprobe

import (
	"crypto/tls"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestSuites(t *testing.T) {
	all := Suites()
	assigned := 0
	names := make(map[string]bool)
	for i, s := range all {
		if i > 0 && all[i-1].ID >= s.ID {
			t.Errorf("%04x does not follow %04x", s.ID, all[i-1].ID)
		}
		if names[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		names[s.Name] = true
		if s.Assigned {
			assigned++
			if !strings.HasPrefix(s.Name, "TLS_") {
				t.Errorf("%04x is called %q", s.ID, s.Name)
			}
		}
		if s.From < SSL30 || s.To > TLS13 || s.From > s.To {
			t.Errorf("%s: from %v to %v", s.Name, s.From, s.To)
		}
		if got, ok := LookupSuite(s.ID); !ok || got != s {
			t.Errorf("LookupSuite(%04x) = %+v", s.ID, got)
		}
	}
	if assigned < 340 {
		t.Errorf("%d suites are assigned", assigned)
	}
}

// Names and numbers against another list: that of crypto/tls.
func TestSuitesAgreeWithGo(t *testing.T) {
	for _, want := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		s, ok := LookupSuite(want.ID)
		if !ok || s.Name != want.Name {
			t.Errorf("%04x is %q, crypto/tls has %q", want.ID, s.Name, want.Name)
		}
		for _, v := range want.SupportedVersions {
			if Version(v) < s.From || Version(v) > s.To {
				t.Errorf("%s: %v to %v, crypto/tls has %v", s.Name, s.From, s.To, Version(v))
			}
		}
	}
}

// peer is the path of a program that a test needs. On a build machine its
// absence is a failure.
func peer(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this test needs %s: %v", name, err)
		}
		t.Skipf("this test needs %s: %v", name, err)
	}
	return path
}

// opensslSuites are the suites that the openssl here has, by number.
func opensslSuites(t testing.TB) map[uint16][]string {
	t.Helper()
	out, err := exec.Command(peer(t, "openssl"), "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL@SECLEVEL=0").Output()
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\s*0x(..),0x(..) - (\S+)\s+- (\S+)\s+(\S+)`)
	all := make(map[uint16][]string)
	for _, m := range line.FindAllStringSubmatch(string(out), -1) {
		id, err := strconv.ParseUint(m[1]+m[2], 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		all[uint16(id)] = m[3:]
	}
	return all
}

func TestSuitesAgreeWithOpenSSL(t *testing.T) {
	all := opensslSuites(t)
	if len(all) < 100 {
		t.Fatalf("openssl lists %d suites", len(all))
	}
	for id, want := range all {
		s, ok := LookupSuite(id)
		if !ok || s.Name != want[0] || s.OpenSSL != want[1] {
			t.Errorf("%04x is %q, %q; openssl has %q, %q", id, s.Name, s.OpenSSL, want[0], want[1])
		}
		if since12 := want[2] == "TLSv1.2" || want[2] == "TLSv1.3"; since12 != (s.From >= TLS12) {
			t.Errorf("%s begins with %v, openssl says %s", s.Name, s.From, want[2])
		}
	}
}

func TestSuiteFaults(t *testing.T) {
	tests := []struct {
		id   uint16
		weak string // a part of it
		note string
	}{
		{0x0002, "does not encrypt", ""},
		{0x0003, "short for export", ""},
		{0x0005, "RC4", ""},
		{0x0009, "56 bits", ""},
		{0x000a, "SWEET32", ""},
		{0x0034, "not authenticated", ""},
		{0xc0b4, "does not encrypt", ""},
		{0x002f, "", "no forward secrecy"},
		{0xc013, "", "CBC"},
		{0xc02f, "", ""},
		{0x1301, "", ""},
	}
	for _, tt := range tests {
		s, ok := LookupSuite(tt.id)
		if !ok || !strings.Contains(s.Weak, tt.weak) || !strings.Contains(s.Note, tt.note) ||
			(tt.weak == "") != (s.Weak == "") || (tt.note == "") != (s.Note == "") {
			t.Errorf("%s: weak %q, note %q; want %q, %q", s.Name, s.Weak, s.Note, tt.weak, tt.note)
		}
	}
}

func TestSuiteName(t *testing.T) {
	for id, want := range map[uint16]string{
		0xc02f: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0x00ff: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
		0x5600: "TLS_FALLBACK_SCSV", 0x00d0: "0x00D0", 0x2a2a: "GREASE",
	} {
		if got := SuiteName(id); got != want {
			t.Errorf("SuiteName(%04x) = %q, want %q", id, got, want)
		}
	}
}

func TestVersionString(t *testing.T) {
	for v, want := range map[Version]string{
		SSL20: "SSL 2.0", SSL30: "SSL 3.0", TLS10: "TLS 1.0", TLS11: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3",
		0x7f1c: "TLS 1.3 draft 28", 0x0505: "version 0x0505",
	} {
		if got := v.String(); got != want {
			t.Errorf("Version(%04x).String() = %q, want %q", uint16(v), got, want)
		}
	}
}

// The names are in the form of the registry; each has a sentence.
func TestAlerts(t *testing.T) {
	for d := range alerts {
		a := Alert{2, d}
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(a.Name()) || !strings.HasSuffix(a.Meaning(), ".") {
			t.Errorf("alert %d: %q, %q", d, a.Name(), a.Meaning())
		}
	}
	for d, want := range map[uint8]string{40: "handshake_failure", 70: "protocol_version", 112: "unrecognized_name", 200: "alert_200"} {
		if got := (Alert{2, d}).Name(); got != want {
			t.Errorf("Alert %d is %q, want %q", d, got, want)
		}
	}
	if got := (Alert{1, 112}).String(); got != "unrecognized_name (warning)" {
		t.Errorf("String() = %q", got)
	}
}
