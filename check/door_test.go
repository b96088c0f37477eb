package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/diagnose"
	"sallyport/radius"
)

const radiusSecret = "0123456789abcdef0123456789abcdef"

func secret(t testing.TB, s string) radius.Secret {
	t.Helper()
	out, err := radius.NewSecret([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// freeRADIUS starts one that knows loopback as a client.
func freeRADIUS(t testing.TB) netip.AddrPort {
	t.Helper()
	program := peer(t, "freeradius")
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().(*net.UDPAddr).AddrPort()
	free.Close()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"dictionary": "$INCLUDE /usr/share/freeradius/dictionary\n",
		"radiusd.conf": fmt.Sprintf(`
name = radiusd
logdir = %[1]s
run_dir = %[1]s
libdir = /usr/lib/freeradius
max_requests = 1024
hostname_lookups = no
log { destination = stdout }
security {
	max_attributes = 200
	reject_delay = 0
	status_server = yes
}
client test {
	ipaddr = 127.0.0.1
	secret = %[2]s
	require_message_authenticator = yes
}
modules { }
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = %[3]d
	}
	authorize { }
}
`, dir, radiusSecret, address.Port()),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asker := radius.Asker{AllowUnsigned: true, Retransmission: radius.Retransmission{Initial: 100 * time.Millisecond, Sendings: 1, Total: 200 * time.Millisecond}}
	run(t, func() error {
		_, err := asker.Exchange(context.Background(), address, secret(t, radiusSecret), radius.NewRequest(radius.StatusServer))
		return err
	}, program, "-f", "-s", "-d", dir, "-n", "radiusd", "-l", "stdout")
	return address
}

func TestRadiusServer(t *testing.T) {
	t.Parallel()
	server := freeRADIUS(t)
	p := newPublic(t)
	with := func(s string) func(*Options) {
		return func(o *Options) {
			o.Timeout = 600 * time.Millisecond
			if s != "" {
				o.Secret = secret(t, s)
			}
		}
	}
	p.names["radius.example.com"] = []string{"127.0.0.1"}
	given := fmt.Sprintf("radius://radius.example.com:%d", server.Port())

	e := p.examine(t, given, with(radiusSecret))
	if e.Radius.Answer != "Access-Accept" || e.Faulty() {
		t.Errorf("with the secret: %+v, findings %s", e.Radius, causes(e))
	}
	// FreeRADIUS before 3.2.5 does not sign such answers as it should, and the
	// finding says just that.
	want(t, e, map[bool]string{true: "endpoint-radius-unsigned?", false: ""}[e.Radius.Unsigned])

	e = p.examine(t, given, with("another secret of some length"))
	want(t, e, "radius-no-response")
	if e.Radius.Sent != 3 || e.Radius.Answer != "" || e.Findings[0].Confidence != diagnose.Likely {
		t.Errorf("with another secret: %+v", e.Radius)
	}

	e = p.examine(t, given, with(""))
	want(t, e, "")
	if len(e.Warnings) != 1 || !strings.Contains(e.Warnings[0], "Without the shared secret this says nothing") {
		t.Errorf("without a secret: %+v, warnings %q", e.Radius, e.Warnings)
	}

	_, port, _ := net.SplitHostPort(freePort(t))
	e = p.examine(t, "radius://127.0.0.1:"+port, with(radiusSecret))
	want(t, e, "endpoint-refused")
}

// A server that signs with another secret than the client checks with; real
// ones are silent then, unless they do not check Message-Authenticator.
func TestRadiusAnswerWithAnotherSecret(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other := secret(t, "what the server has")
	go func() {
		b := make([]byte, radius.MaxPacketSize)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if request, err := radius.Parse(b[:n]); err == nil {
				reply, err := other.SignResponse(nil, &radius.Packet{Code: radius.AccessAccept, Identifier: request.Identifier}, request.Authenticator)
				if err == nil {
					conn.WriteToUDPAddrPort(reply, from)
				}
			}
		}
	}()
	p := newPublic(t)
	given := "radius://" + conn.LocalAddr().String()
	e := p.examine(t, given, func(o *Options) { o.Timeout, o.Secret = 300*time.Millisecond, secret(t, radiusSecret) })
	want(t, e, "radius-shared-secret")
	e = p.examine(t, given, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	want(t, e, "")
	if !strings.Contains(e.Radius.Means, "Something answered") {
		t.Errorf("without a secret: %+v", e.Radius)
	}
}

// slapd starts one with an empty database, with TLS if f has a certificate.
func slapd(t testing.TB, f *files) (plain, secure string) {
	t.Helper()
	program, dir := peer(t, "slapd"), t.TempDir()
	plain, secure = freePort(t), freePort(t)
	urls := "ldap://" + plain + "/"
	conf := fmt.Sprintf(`
include /etc/ldap/schema/core.schema
pidfile %[1]s/pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=com"
directory %[1]s
`, dir)
	if f != nil {
		conf = fmt.Sprintf("TLSCertificateFile %s\nTLSCertificateKeyFile %s\nTLSCACertificateFile %s\nTLSCipherSuite NORMAL:-VERS-TLS1.0:-VERS-TLS1.1\n", f.chain, f.key, f.chain) + conf
		urls += " ldaps://" + secure + "/"
	}
	file := filepath.Join(dir, "slapd.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, listens(plain), program, "-f", file, "-h", urls, "-d", "0")
	return plain, secure
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	f := p.healthy(t)
	plain, secure := slapd(t, &f)
	p.route("", target, 389, plain)
	p.route("", target, 636, secure)

	e := p.examine(t, "ldap://"+host)
	want(t, e, "")
	if d := e.Directory; d.StartTLS != "offered" || !d.Readable || strings.Join(d.Contexts, " ") != "dc=example,dc=com" || d.Encrypted {
		t.Errorf("ldap: %+v", d)
	}
	if e.TLS == nil || !e.TLS.accepts(0x0303) || e.Chain == nil || opinions(e) != allAccept {
		t.Errorf("StartTLS: TLS %+v, chain %+v", e.TLS, e.Chain)
	}

	e = p.examine(t, host+":636")
	want(t, e, "")
	if d := e.Directory; d.StartTLS != "" || !d.Readable || !d.Encrypted || e.Chain == nil {
		t.Errorf("ldaps: %+v, chain %+v", d, e.Chain)
	}
	if e.Target.Protocol != LDAPS {
		t.Errorf("protocol %s; want ldaps by the port", e.Target.Protocol)
	}
}

func TestDirectoryWithFaults(t *testing.T) {
	t.Parallel()
	p := newPublic(t)
	plain, _ := slapd(t, nil)
	p.route("", target, 389, plain)
	e := p.examine(t, "ldap://"+host)
	want(t, e, "endpoint-ldap-clear")
	if e.Directory.StartTLS != "refused" || !e.Directory.Readable || e.TLS != nil {
		t.Errorf("clear: %+v, TLS %+v", e.Directory, e.TLS)
	}

	private := newAuthority(t, "Example Corp Root", nil)
	f := write(t, oneRSA(), private.issue(t, oneRSA(), names("dc1.example.com")), private.certificate)
	plain, secure := slapd(t, &f)
	p.route("", target, 389, plain)
	p.route("", target, 636, secure)
	for _, given := range []string{"ldap://" + host, "ldaps://" + host} {
		want(t, p.examine(t, given), "tls-chain-private-ca tls-name")
	}

	p.route("web.example.com", "192.0.2.2", 389, nginx(t, `server { listen LISTEN; return 200 "plain"; }`))
	want(t, p.examine(t, "ldap://web.example.com"), "endpoint-not-ldap")
	p.route("silent.example.com", "192.0.2.3", 389, each(t, func(net.Conn) {}))
	want(t, p.examine(t, "ldap://silent.example.com", func(o *Options) { o.Timeout = 300 * time.Millisecond }), "endpoint-not-ldap")
}

// Active Directory tells its clock, writes lengths in five octets, and names
// what it is. No domain controller runs here; the answer is put together as
// MS-ADTS 3.1.1.3.2 describes it.
func TestDomainController(t *testing.T) {
	t.Parallel()
	long := func(tag byte, parts ...[]byte) []byte {
		whole := ber(tag, parts...)
		_, length, size, _ := header(whole)
		return append([]byte{tag, 0x84, 0, 0, byte(length >> 8), byte(length)}, whole[size:]...)
	}
	text := func(s string) []byte { return long(berOctets, []byte(s)) }
	attribute := func(name string, values ...string) []byte {
		var set [][]byte
		for _, v := range values {
			set = append(set, text(v))
		}
		return long(berSequence, text(name), long(berSet, set...))
	}
	number := func(n byte) []byte { return ber(berInteger, []byte{n}) }
	done := func(tag byte, id, code byte) []byte {
		return long(berSequence, number(id), long(tag, ber(berEnumerated, []byte{code}), text(""), text("no certificate")))
	}
	p := newPublic(t)
	p.route("", target, 389, each(t, func(c net.Conn) {
		defer c.Close()
		for {
			id, operation, err := readMessage(c)
			if err != nil {
				return
			}
			if operation.tag == ldapExtended {
				c.Write(done(ldapExtendedOK, byte(id), 52)) // unavailable
				continue
			}
			c.Write(long(berSequence, number(byte(id)), long(ldapEntry, text(""), long(berSequence,
				attribute("currentTime", time.Now().Add(7*time.Minute).UTC().Format("20060102150405")+".0Z"),
				attribute("dnsHostName", "DC1.example.com"),
				attribute("namingContexts", "DC=example,DC=com", "CN=Configuration,DC=example,DC=com"),
				attribute("domainFunctionality", "7"),
			))))
			c.Write(done(ldapSearchDone, byte(id), 0))
		}
	}))
	e := p.examine(t, "ldap://"+host)
	want(t, e, "endpoint-ldap-clear clock-skew")
	d := e.Directory
	if !d.ActiveDirectory || d.Host != "DC1.example.com" || len(d.Contexts) != 2 || d.StartTLSError != "result code 52: no certificate" {
		t.Errorf("directory: %+v", d)
	}
	if e.Clock == nil || e.Clock.DifferenceMillis < 6.9*60_000 || e.Clock.DifferenceMillis > 7.1*60_000 {
		t.Errorf("clock: %+v; want seven minutes ahead", e.Clock)
	}
}

// Our question and StartTLS are understood by OpenLDAP's own client library:
// its search of the same server gives the same contexts.
func TestDirectoryAgainstLdapsearch(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("ldapsearch")
	if err != nil {
		missingPeer(t, "ldapsearch")
	}
	p := newPublic(t)
	plain, _ := slapd(t, nil)
	p.route("", target, 389, plain)
	out, err := exec.Command(program, "-x", "-LLL", "-H", "ldap://"+plain, "-s", "base", "-b", "", "namingContexts", "supportedSASLMechanisms").CombinedOutput()
	if err != nil {
		t.Fatalf("ldapsearch: %v\n%s", err, out)
	}
	var contexts, sasl []string
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "namingContexts: "); ok {
			contexts = append(contexts, strings.TrimSpace(v))
		}
		if v, ok := strings.CutPrefix(line, "supportedSASLMechanisms: "); ok {
			sasl = append(sasl, strings.TrimSpace(v))
		}
	}
	d := p.examine(t, "ldap://"+host).Directory
	if fmt.Sprint(d.Contexts) != fmt.Sprint(contexts) || fmt.Sprint(d.SASL) != fmt.Sprint(sasl) || len(contexts) == 0 {
		t.Errorf("we read %v and %v; ldapsearch %v and %v", d.Contexts, d.SASL, contexts, sasl)
	}
}
