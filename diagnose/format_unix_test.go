package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// briefly is what a test compares of an attempt.
func briefly(a *Attempt) string {
	s := string(a.Verdict) + " " + a.User
	for _, f := range []struct{ name, value string }{{"client", a.Client}, {"from", a.From}, {"host", a.Host}, {"method", a.Method}} {
		if f.value != "" {
			s += " " + f.name + "=" + f.value
		}
	}
	if len(a.Codes) > 0 {
		s += " " + strings.Join(a.Codes, ",")
	}
	return fmt.Sprintf("%s lines=%d", s, len(a.Lines))
}

// checkReads compares what a format makes of a text.
func checkReads(t *testing.T, f Format, text string, want ...string) []*Attempt {
	t.Helper()
	all := readAll(t, f, text)
	var got []string
	for _, a := range all {
		got = append(got, briefly(a))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s read\n%s\ngot\n\t%s\nwant\n\t%s", f.Name, text, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return all
}

func TestFreeRADIUSReads(t *testing.T) {
	const at = "Sun Nov 22 10:14:15 2026 : "
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a login", at + "Auth: (2) Login OK: [alice] (from client vpn port 5 cli 10.1.2.3)", []string{"accepted alice client=vpn from=10.1.2.3 lines=1"}},
		{"without a number", at + "Auth: Login OK: [alice] (from client vpn port 5)", []string{"accepted alice client=vpn lines=1"}},
		{"a logged password is not kept", at + "Auth: (2) Login incorrect (pap: Passwords don't match): [alice/secret] (from client vpn port 5)", []string{"refused alice client=vpn freeradius:wrong-password lines=1"}},
		{"a machine's name", at + "Auth: (2) Login OK: [host/pc.example.com] (from client wifi port 5)", []string{"accepted host/pc.example.com client=wifi lines=1"}},
		{"in a tunnel", at + "Auth: (2) Login OK: [alice] (from client wifi port 5 cli 02-00-00-00-00-01 via TLS tunnel)", []string{"accepted alice client=wifi from=02-00-00-00-00-01 lines=1"}},
		{"two reasons of one request", at + "Auth: (2) Invalid user (sql: User not found): [bob] (from client vpn port 5)\n" + at + "Auth: (2) Login incorrect (pap: Passwords don't match): [bob] (from client vpn port 5)", []string{"refused bob client=vpn freeradius:unknown-user,freeradius:wrong-password lines=2"}},
		{"the same number of another person", at + "Auth: (2) Login incorrect: [bob] (from client vpn port 5)\n" + at + "Auth: (2) Login incorrect: [alice] (from client vpn port 5)", []string{"refused bob client=vpn freeradius:refused lines=1", "refused alice client=vpn freeradius:refused lines=1"}},
		{"copies of a request", at + "Error: (7) Ignoring duplicate packet from client vpn port 1 - ID: 8 due to unfinished request in module rest\n" + at + "Auth: (7) Login OK: [alice] (from client vpn port 5)", []string{"accepted alice client=vpn freeradius:duplicate lines=2"}},
		{"a copy while a rejection is delayed tells nothing", at + "Info: (7) Discarding duplicate request from client vpn port 1 - ID: 8 due to delayed response", nil},
		{"a fault", at + "Auth: (9) Login incorrect (Home Server failed to respond): [bob] (from client vpn port 0)", []string{"failed bob client=vpn freeradius:home-server-silent lines=1"}},
		{"syslog", "Nov 22 10:14:15 rad1 radiusd[4]: (2) Login OK: [alice] (from client vpn port 5)", []string{"accepted alice client=vpn host=rad1 lines=1"}},
		{"brackets in the reason", at + "Auth: (2) Login incorrect (mschap: Program returned code (1) and output 'Logon failure (0xc000006d)'): [EXAMPLE\\bob] (from client vpn port 5)", []string{"refused EXAMPLE\\bob client=vpn freeradius:wrong-password lines=1"}},
		{"cut in the name", at + "Auth: (2) Login OK: [ali", []string{"accepted ali lines=1"}},
		{"cut before", at + "Auth: (2) Login incor", nil},
		{
			"debug output, interleaved",
			"(0) Received Access-Request Id 4 from 192.0.2.1:45019 to 192.0.2.2:1812 length 79\n(0)   User-Name = \"alice\"\n(1) Received Access-Request Id 5 from [2001:db8::1]:45019 to [2001:db8::2]:1812 length 79\n" +
				"(1)   User-Name = \"bob\"\n(1)   Calling-Station-Id = \"10.1.2.4\"\n(1) pap: ERROR: Cleartext password does not match \"known good\" password\n(1) Failed to authenticate the user\n" +
				"(0) Sent Access-Accept Id 4 from 192.0.2.2:1812 to 192.0.2.1:45019 length 20\n(1) Sent Access-Reject Id 5 from x to y length 20",
			[]string{"accepted alice client=192.0.2.1 lines=3", "refused bob client=[2001:db8::1] from=10.1.2.4 freeradius:wrong-password lines=6"},
		},
		{"a challenge", "(0) Received Access-Request Id 4 from 192.0.2.1:4 to 192.0.2.2:1812 length 79\n(0)   User-Name = \"alice\"\n(0) Sent Access-Challenge Id 4 from a to b length 2", []string{"challenged alice client=192.0.2.1 lines=3"}},
		{"debug output that ends early", "(0) Received Access-Request Id 4 from 192.0.2.1:4 to 192.0.2.2:1812 length 79", []string{"abandoned  client=192.0.2.1 lines=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReads(t, freeradiusFormat, tt.text, tt.want...) })
	}
}

func TestFreeRADIUSHandsOverSoon(t *testing.T) {
	var all []*Attempt
	out := &Sink{Zone: time.UTC, attempt: func(a *Attempt) { all = append(all, a) }}
	r := newFreeradius()
	r.Read(&Line{Text: "Sun Nov 22 10:14:15 2026 : Auth: (1) Login incorrect: [bob] (from client vpn port 5)"}, out)
	if len(all) != 0 {
		t.Fatal("a refusal did not wait for a second reason")
	}
	r.Read(&Line{Text: "Sun Nov 22 10:14:19 2026 : Auth: (2) Login OK: [alice] (from client vpn port 5)"}, out)
	if len(all) != 2 || all[0].User != "bob" || all[1].User != "alice" {
		t.Errorf("%d attempts after four seconds; want both", len(all))
	}
}

func TestSSHDReads(t *testing.T) {
	const at = "Nov 22 10:00:01 gate "
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a key", at + "sshd[1]: Accepted publickey for alice from 192.0.2.1 port 5 ssh2: ED25519 SHA256:x", []string{"accepted alice from=192.0.2.1 host=gate method=publickey lines=1"}},
		{"a name with words", at + "sshd[1]: Failed password for invalid user a from b from 192.0.2.1 port 5 ssh2", []string{"refused a from b from=192.0.2.1 host=gate method=password sshd:unknown-user lines=1"}},
		{
			"two wrong, then right", at + "sshd[1]: Failed password for alice from 192.0.2.1 port 5 ssh2\n" + at + "sshd[1]: Failed password for alice from 192.0.2.1 port 5 ssh2\n" + at + "sshd[1]: Accepted password for alice from 192.0.2.1 port 5 ssh2",
			[]string{"accepted alice from=192.0.2.1 host=gate method=password sshd:wrong-password lines=3"},
		},
		{
			"two connections, interleaved", at + "sshd[1]: Failed password for alice from 192.0.2.1 port 5 ssh2\n" + at + "sshd[2]: Invalid user x from 192.0.2.9 port 5\n" + at + "sshd[1]: Connection closed by authenticating user alice 192.0.2.1 port 5 [preauth]\n" + at + "sshd[2]: Connection closed by invalid user x 192.0.2.9 port 5 [preauth]",
			[]string{"refused alice from=192.0.2.1 host=gate method=password sshd:wrong-password lines=2", "refused x from=192.0.2.9 host=gate sshd:unknown-user lines=2"},
		},
		{"somebody who went away", at + "sshd[1]: Connection closed by authenticating user alice 192.0.2.1 port 5 [preauth]", []string{"abandoned alice from=192.0.2.1 host=gate lines=1"}},
		{"a process ID that comes again", at + "sshd[1]: Failed password for alice from 192.0.2.1 port 5 ssh2\n" + at + "sshd[1]: Accepted password for bob from 192.0.2.1 port 5 ssh2", []string{"refused alice from=192.0.2.1 host=gate method=password sshd:wrong-password lines=1", "accepted bob from=192.0.2.1 host=gate method=password lines=1"}},
		{
			"a module in a process of its own", at + "sshd[9]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=alice\n" + at + "sshd[5]: error: PAM: Authentication failure for alice from 192.0.2.1\n" + at + "sshd[5]: Connection closed by authenticating user alice 192.0.2.1 port 5 [preauth]",
			[]string{"refused alice from=192.0.2.1 host=gate method=keyboard-interactive/pam pam:auth-err,pam:wrong-password lines=3"},
		},
		{"another service", at + "login[7]: pam_unix(login:auth): authentication failure; logname= uid=0 euid=0 tty=tty1 ruser= rhost=  user=bob", []string{"refused bob client=login host=gate pam:wrong-password lines=1"}},
		{"sudo after one wrong password", at + "sudo: pam_unix(sudo:auth): authentication failure; logname= uid=1 euid=0 tty= ruser=bob rhost=  user=bob\n" + at + "sudo:      bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id", []string{"accepted bob client=sudo host=gate pam:wrong-password lines=2"}},
		{"sudo without a question", at + "sudo:      bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id", nil},
		{"duo's line is duo's", at + "sshd[3]: Successful Duo login for 'alice' from 192.0.2.1", nil},
		{"cut", at + "sshd[3]: Failed pass", nil},
		{"another program", at + "cron[3]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReads(t, sshdFormat, tt.text, tt.want...) })
	}
}

func TestDuoReads(t *testing.T) {
	const at = "2026-11-22T10:01:02+0000 [duoauthproxy.lib.log#info] "
	const who = "(('192.0.2.1', 36123), alice, 105): "
	tests := []struct {
		name   string
		format Format
		text   string
		want   []string
	}{
		{"a login", duoProxyFormat, at + who + "login attempt for username 'alice'\n" + at + who + "Returning response code 2: AccessAccept", []string{"accepted alice client=192.0.2.1 lines=2"}},
		{"the identifier again", duoProxyFormat, at + who + "login attempt for username 'alice'\n" + at + who + "login attempt for username 'alice'", []string{"abandoned alice client=192.0.2.1 lines=1", "abandoned alice client=192.0.2.1 lines=1"}},
		{"a name with a comma", duoProxyFormat, at + "(('192.0.2.1', 36123), CN=Alice, OU=x, 105): Returning response code 11: AccessChallenge", []string{"challenged CN=Alice, OU=x client=192.0.2.1 lines=1"}},
		{"an event without a primary stage", duoEventFormat, `{"msg": "Login request denied.", "username": "bob", "auth_stage": "Secondary authentication", "status": "Reject", "client_ip": "198.51.100.7"}`, []string{"refused bob from=198.51.100.7 duo:denied lines=1"}},
		{"a cut event", duoEventFormat, `{"status": "Allow", "auth_stage": "Primary authentication", "username": "bo`, []string{"abandoned bo lines=1"}},
		{"login_duo", duoUnixFormat, "Nov 22 10:01:02 gate login_duo[10]: Failed Duo login for 'alice' from 192.0.2.7: Login request denied.", []string{"refused alice client=login_duo from=192.0.2.7 host=gate duo:denied lines=1"}},
		{"login_duo in debug mode", duoUnixFormat, "[4] Failsafe Duo login for 'whatever': Couldn't connect to localhost:4443: Failed to connect", []string{"accepted whatever duo:fail-open,duo:unreachable lines=1"}},
		{"the Admin API", duoAPIFormat, `{"event_type":"authentication","isotimestamp":"2026-11-22T10:00:00+00:00","reason":"user_approved","result":"success","factor":"duo_push","application":{"name":"VPN"},"user":{"key":"DU","name":"alice"}}`, []string{"accepted alice client=VPN method=duo_push lines=1"}},
		{"what an administrator did", duoAPIFormat, `{"action":"user_update","isotimestamp":"2026-11-22T10:00:00+00:00"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReads(t, tt.format, tt.text, tt.want...) })
	}
}

func TestSallyportReads(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		text   string
		want   []string
	}{
		{"a row", sallyportFormat, "2026-11-22 20:44:46 UTC   accept       alice              office-vpn    gateway       23    oath-code-verified             9E2A-31JY", []string{"accepted alice client=office-vpn (gateway) sallyport:23 lines=1"}},
		{"a row for many", sallyportFormat, "2026-11-22 20:44:46 UTC   ignore                          office-vpn    gateway       1102  shared-secret-mismatch (9 times)         YDGR-NDQW", []string{"refused  sallyport:1102 lines=1"}},
		{"JSON", sallyportFormat, `{"time":"2026-11-22T20:44:46Z","account":"bob","application":"vpn","client":"gw","from":"198.51.100.7","verdict":"unavailable","code":2001,"outcome":"store-unavailable","took_us":52080}`, []string{"failed bob client=vpn (gw) from=198.51.100.7 sallyport:2001 lines=1"}},
		{"an outcome that nobody knows", sallyportFormat, `{"outcome":"oath-code-verified-twice","took_us":1,"verdict":"accept"}`, nil},
		{"a batch", sallyportFormat, `{"export":"x","records":[{"outcome":"oath-code-verified","took_us":1,"verdict":"accept","account":"a"},{"outcome":"user-is-blocked","took_us":1,"verdict":"reject","account":"b"}]}`, []string{"accepted a sallyport:23 lines=1", "refused b sallyport:14 lines=1"}},
		{"the name of an outcome elsewhere", sallyportFormat, "see user-is-blocked in the manual", nil},
		{"the server's log", sallyportLogFormat, `time=2026-11-22T20:44:46Z level=ERROR msg="login not decided" client=gw err="store: no"`, []string{"failed  client=gw sallyport-log:not-decided lines=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReads(t, tt.format, tt.text, tt.want...) })
	}
}

// What a reader holds is bounded, whatever the log does.
func TestUnixReadersAreBounded(t *testing.T) {
	tests := []struct {
		format Format
		line   func(i int) string
	}{
		{freeradiusFormat, func(i int) string {
			return fmt.Sprintf("(%d) Received Access-Request Id 4 from 192.0.2.1:45019 to 192.0.2.2:1812 length 79", i)
		}},
		{sshdFormat, func(i int) string {
			return fmt.Sprintf("Nov 22 10:00:01 gate sshd[%d]: Invalid user x%d from 192.0.2.9 port 5", i, i)
		}},
		{sshdFormat, func(int) string {
			return "Nov 22 10:00:01 gate sshd[1]: Failed password for bob from 192.0.2.1 port 5 ssh2"
		}},
		{sshdFormat, func(i int) string {
			if i%2 == 0 {
				return "Nov 22 10:00:01 gate sshd[9]: pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=192.0.2.1  user=bob"
			}
			return "Nov 22 10:00:01 gate sshd[1]: error: PAM: Authentication failure for bob from 192.0.2.1"
		}},
		{duoProxyFormat, func(i int) string {
			return fmt.Sprintf("2026-11-22T10:01:02+0000 [x] (('192.0.2.1', 36123), alice, %d): login attempt for username 'alice'", i)
		}},
		{duoEventFormat, func(i int) string {
			return fmt.Sprintf(`{"status": "Allow", "auth_stage": "Primary authentication", "username": "u%d"}`, i)
		}},
	}
	for _, tt := range tests {
		lines, handed := 0, 0
		out := &Sink{Zone: time.UTC, Newest: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), attempt: func(a *Attempt) { lines += len(a.Lines); handed++ }}
		r := tt.format.New()
		kept := 0
		const n = 60_000
		for i := range n {
			if r.Read(&Line{Number: i, Text: tt.line(i)}, out) == Kept {
				kept++
			}
			if kept-lines > maxWaiting+200 {
				t.Fatalf("%s holds %d lines", tt.format.Name, kept-lines)
			}
		}
		r.Close(out)
		if handed == 0 || lines < kept {
			t.Errorf("%s kept %d lines and handed over %d in %d attempts", tt.format.Name, kept, lines, handed)
		}
	}
}

// fuzzUnixReader checks what readAll does of whatever text, and that nothing is made
// up: what an attempt says of people stands in its lines.
func fuzzUnixReader(f *testing.F, format Format) {
	for _, b := range sampleBlocks(f) {
		f.Add(b.text[:min(len(b.text), 4000)])
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, format, text) {
			if a.User == "" || strings.ContainsAny(text, "\\\r") {
				continue
			}
			if !slices.ContainsFunc(a.Lines, func(l *Line) bool { return strings.Contains(l.Text, a.User) }) {
				t.Errorf("%q is in no line of its attempt: %q", a.User, a.Lines[0].Text)
			}
		}
	})
}

func FuzzFreeRADIUS(f *testing.F)   { fuzzUnixReader(f, freeradiusFormat) }
func FuzzSSHD(f *testing.F)         { fuzzUnixReader(f, sshdFormat) }
func FuzzDuoProxy(f *testing.F)     { fuzzUnixReader(f, duoProxyFormat) }
func FuzzDuoEvents(f *testing.F)    { fuzzUnixReader(f, duoEventFormat) }
func FuzzDuoUnix(f *testing.F)      { fuzzUnixReader(f, duoUnixFormat) }
func FuzzDuoAPI(f *testing.F)       { fuzzUnixReader(f, duoAPIFormat) }
func FuzzSallyport(f *testing.F)    { fuzzUnixReader(f, sallyportFormat) }
func FuzzSallyportLog(f *testing.F) { fuzzUnixReader(f, sallyportLogFormat) }

// The lines that make up most of such logs.
func BenchmarkUnixReaders(b *testing.B) {
	for _, bb := range []struct {
		name   string
		format Format
		line   string
	}{
		{"sshd", sshdFormat, "Nov 22 10:14:25 gate sshd[32543]: Accepted publickey for alice from 192.0.2.1 port 42110 ssh2: ED25519 SHA256:jCrvRhv2icckEQyv4jlVF8fYcxHi3YtkEVK1p79XdnY"},
		{"sshd-noise", sshdFormat, "Nov 22 10:14:25 gate sshd[32549]: Received disconnect from 192.0.2.1 port 42110:11: disconnected by user"},
		{"freeradius", freeradiusFormat, "Sun Nov 22 10:14:14 2026 : Auth: (2) Login OK: [alice] (from client vpn port 5 cli 10.1.2.3)"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			out := &Sink{Zone: time.UTC, Newest: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), attempt: func(*Attempt) {}}
			r, l := bb.format.New(), &Line{Text: bb.line}
			b.ReportAllocs()
			for b.Loop() {
				r.Read(l, out)
			}
		})
	}
}
