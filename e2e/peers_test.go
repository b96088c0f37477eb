//go:build linux

package e2e

import (
	"context"
	"encoding/base32"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/radius"
)

// A radclient logs in with FreeRADIUS's radclient.
type radclient struct {
	program string
	server  netip.AddrPort
	from    netip.Addr
	secret  string
}

// login sends one Access-Request with Message-Authenticator and returns what
// radclient printed of the reply.
func (r radclient) login(t *testing.T, attributes ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(r.secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, r.program, "-x", "-r", "5", "-t", "4", "-S", file, r.server.String(), "auth")
	attributes = append(slices.Clone(attributes), "Message-Authenticator = 0x00", "Packet-Src-IP-Address = "+r.from.String())
	c.Stdin = strings.NewReader(strings.Join(attributes, "\n") + "\n")
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatalf("radclient: %v", err)
	}
	// It prints what it sent as well.
	_, reply, ok := strings.Cut(string(out), "Received ")
	if !ok {
		t.Fatalf("radclient got no reply:\n%s", out)
	}
	return reply
}

func quoted(name, value string) string { return fmt.Sprintf("%s = %q", name, value) }

var stateLine = regexp.MustCompile(`State = (0x[0-9a-f]+)`)

func wantReply(t *testing.T, reply, code string, parts ...string) {
	t.Helper()
	if !strings.HasPrefix(reply, code+" ") {
		t.Fatalf("the reply is %s; want %s", reply, code)
	}
	for _, part := range parts {
		if !strings.Contains(reply, part) {
			t.Errorf("the reply has no %s: %s", part, reply)
		}
	}
}

// oathtool is a code made by the OATH Toolkit.
func oathtool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(peer(t, "oathtool"), args...).Output()
	if err != nil {
		t.Fatalf("oathtool: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func base32Key(p *person) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(p.key)
}

// loginBothWays logs two people in through radclient with codes of oathtool:
// one who is asked for the code, and one who appends it. asks and appends are
// where each is sent.
func loginBothWays(t *testing.T, s *server, asks, appends radclient) {
	t.Helper()
	alice, bob := s.enrol("alice-"+rand8()), s.enrol("bob-"+rand8())

	reply := asks.login(t, quoted("User-Name", alice.name), quoted("User-Password", alice.password))
	wantReply(t, reply, "Access-Challenge", `Reply-Message = "Enter the code from your authenticator app or token."`)
	state := stateLine.FindStringSubmatch(reply)
	if state == nil {
		t.Fatalf("the challenge has no State: %s", reply)
	}
	code := oathtool(t, "--totp", "-b", base32Key(alice))
	answer := []string{quoted("User-Name", alice.name), quoted("User-Password", code), "State = " + state[1]}
	wantReply(t, asks.login(t, answer...), "Access-Accept", `Filter-Id = "staff"`)
	// radclient makes a new request of the same attributes: that is no
	// retransmission but a second use of the State.
	wantReply(t, asks.login(t, answer...), "Access-Reject", `Reply-Message = "Sign-in failed. Reference `)

	code = oathtool(t, "--totp", "-b", base32Key(bob))
	both := []string{quoted("User-Name", bob.name), quoted("User-Password", bob.password+","+code)}
	wantReply(t, appends.login(t, both...), "Access-Accept", `Filter-Id = "staff"`)
	wantReply(t, appends.login(t, both...), "Access-Reject", `Reply-Message = "Sign-in failed. Reference `)
	wantReply(t, appends.login(t, quoted("User-Name", bob.name), quoted("User-Password", "wrong,"+code)), "Access-Reject")

	verdicts := make(map[string]int)
	for _, p := range []*person{alice, bob} {
		for _, ev := range s.events("--account", p.name) {
			verdicts[ev.Verdict+" "+ev.Outcome]++
		}
	}
	want := map[string]int{
		"challenge oath-code-pending": 1, "accept oath-code-verified": 2,
		"reject challenge-unknown": 1, "reject duplicate-oath-code": 1, "reject password-wrong": 1,
	}
	for what, n := range want {
		if verdicts[what] != n {
			t.Errorf("%d events say %q; want %d (all: %v)", verdicts[what], what, n, verdicts)
		}
	}
}

// Debian's radclient and oathtool log in, in both modes.
func TestRadclientLogsIn(t *testing.T) {
	t.Parallel()
	program := peer(t, "radclient")
	s := start(t, setup{})
	asking := s.client("asking", "--reply", "Filter-Id=staff")
	appending := s.client("appending", "--mode", "append", "--reply", "Filter-Id=staff")
	asks, appends := radclient{program, s.addr, asking.from, asking.secret}, radclient{program, s.addr, appending.from, appending.secret}
	loginBothWays(t, s, asks, appends)

	reply := asks.login(t, quoted("User-Name", "nobody"), quoted("User-Password", "x"), "Proxy-State = 0x6f6e65", "Proxy-State = 0x74776f")
	wantReply(t, reply, "Access-Reject")
	one, two := strings.Index(reply, "Proxy-State = 0x6f6e65"), strings.Index(reply, "Proxy-State = 0x74776f")
	if one < 0 || two < one {
		t.Errorf("Proxy-State does not come back whole and in order (RFC 2865, Section 5.33): %s", reply)
	}
}

// A FreeRADIUS that stands between the NAS and us passes logins on, in both
// modes, with its own Proxy-State on top of the NAS's.
func TestFreeRADIUSProxiesToUs(t *testing.T) {
	t.Parallel()
	program := peer(t, "radclient")
	s := start(t, setup{})
	asking := s.client("asking", "--reply", "Filter-Id=staff")
	appending := s.client("appending", "--mode", "append", "--reply", "Filter-Id=staff")
	proxy := proxyWithFreeRADIUS(t, asking, appending)
	asks := radclient{program, netip.AddrPortFrom(proxy.Addr(), proxy.Port()), home, proxySecret}
	appends := radclient{program, netip.AddrPortFrom(proxy.Addr(), proxy.Port()+1), home, proxySecret}
	loginBothWays(t, s, asks, appends)

	reply := asks.login(t, quoted("User-Name", "nobody"), quoted("User-Password", "x"), "Proxy-State = 0x6e6173")
	wantReply(t, reply, "Access-Reject", "Proxy-State = 0x6e6173")
}

const proxySecret = "between the device and FreeRADIUS"

// proxyWithFreeRADIUS starts a FreeRADIUS that sends what comes to its port to
// the server as asking, and what comes to the next port as appending.
func proxyWithFreeRADIUS(t *testing.T, asking, appending *nas) netip.AddrPort {
	t.Helper()
	program := peer(t, "freeradius")
	dir := t.TempDir()
	address := netip.AddrPortFrom(newHost(t), radiusPort)
	homes := ""
	for _, n := range []*nas{asking, appending} {
		homes += fmt.Sprintf(`
home_server %[1]s {
	type = auth
	ipaddr = %[2]s
	port = %[3]d
	src_ipaddr = %[4]s
	secret = "%[5]s"
	response_window = 20
	zombie_period = 40
	status_check = status-server
	check_interval = 6
	num_answers_to_alive = 3
}
home_server_pool %[1]s {
	type = fail-over
	home_server = %[1]s
}
realm %[1]s {
	auth_pool = %[1]s
	nostrip
}
server %[1]s {
	listen {
		type = auth
		ipaddr = %[6]s
		port = %[7]d
	}
	authorize {
		update control {
			&Proxy-To-Realm := "%[1]s"
		}
	}
	pre-proxy {
		update proxy-request {
			&Message-Authenticator := 0x00
		}
	}
}
`, n.name, n.server.Addr(), n.server.Port(), n.from, n.secret, address.Addr(), address.Port()+uint16(strings.Count(homes, "home_server_pool")))
	}
	for file, text := range map[string]string{
		"dictionary": "$INCLUDE /usr/share/freeradius/dictionary\n",
		"radiusd.conf": fmt.Sprintf(`
name = radiusd
logdir = %[1]s
run_dir = %[1]s
libdir = /usr/lib/freeradius
max_requests = 4096
max_request_time = 30
cleanup_delay = 5
hostname_lookups = no
proxy_requests = yes
log {
	destination = stdout
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = yes
}
client device {
	ipaddr = 127.0.0.1
	secret = "%[2]s"
	require_message_authenticator = yes
}
proxy server {
	default_fallback = no
}
modules {
}
%[3]s
`, dir, proxySecret, homes),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output := new(capture)
	c := exec.Command(program, "-f", "-d", dir, "-n", "radiusd", "-l", "stdout")
	c.Stdout, c.Stderr = output, output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		c.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("FreeRADIUS said:\n%s", output)
		}
	})
	secret, err := radius.NewSecret([]byte(proxySecret))
	if err != nil {
		t.Fatal(err)
	}
	// FreeRADIUS before 3.2.4 puts no Message-Authenticator into such replies.
	asker := radius.Asker{AllowUnsigned: true, Retransmission: radius.Retransmission{Initial: 100 * time.Millisecond, Longest: 300 * time.Millisecond, Sendings: 100, Total: patience}}
	if _, err := asker.Exchange(context.Background(), address, secret, radius.NewRequest(radius.StatusServer)); err != nil {
		t.Fatalf("FreeRADIUS does not start: %v\n%s", err, output)
	}
	return address
}

// Our own test login does what a NAS does, and says what came of it by its
// exit code.
func TestLoginCommand(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.clientAt(home, "command", "--reply", "Session-Timeout=3600")
	p := s.enrol("alice")
	login := func(secret string, flags []string, lines ...string) result {
		t.Helper()
		args := append([]string{"login", "--server", s.addr.String(), "--secret-stdin", "--json", p.name}, flags...)
		return call{Args: args, Stdin: strings.Join(append([]string{secret}, lines...), "\n") + "\n"}.run(t)
	}
	type view struct {
		Verdict, Message, Again string
		Attributes              []string
		Challenges              int
	}
	code := p.code()
	tests := []struct {
		name   string
		secret string
		flags  []string
		lines  []string
		exit   int
		want   view
	}{
		{
			"right", n.secret,
			[]string{"--again"},
			[]string{p.password, code},
			0,
			view{Verdict: "accept", Again: "same", Attributes: []string{"Session-Timeout=3600"}, Challenges: 1},
		},
		{"the same code again", n.secret, nil, []string{p.password, code}, 1, view{Verdict: "reject", Message: "Sign-in failed. Reference ", Challenges: 1}},
		{"wrong password", n.secret, nil, []string{"wrong"}, 1, view{Verdict: "reject", Message: "Sign-in failed. Reference "}},
		{"wrong shared secret", "some other secret of ours", []string{"--timeout", "300ms"}, []string{p.password}, 3, view{Verdict: "none"}},
	}
	for _, tt := range tests {
		r := login(tt.secret, tt.flags, tt.lines...)
		if r.Exit != tt.exit {
			t.Errorf("%s: exit code %d; want %d\n%s%s", tt.name, r.Exit, tt.exit, r.Out, r.Err)
			continue
		}
		got := record[view](t, r.Out)
		if !strings.HasPrefix(got.Message, tt.want.Message) {
			t.Errorf("%s: the person is told %q; want %q", tt.name, got.Message, tt.want.Message)
		}
		if got.Verdict != tt.want.Verdict || got.Again != tt.want.Again || got.Challenges != tt.want.Challenges ||
			strings.Join(got.Attributes, " ") != strings.Join(tt.want.Attributes, " ") {
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
}
