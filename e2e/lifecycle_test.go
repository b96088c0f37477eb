//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/auth"
	"sallyport/otp"
	"sallyport/radius"
)

// A loop logs people in, one after the other, until it is told to stop.
type loop struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu sync.Mutex
	// mu guards the fields below.
	accepted []login  // names and codes, in order
	refused  []string // what came of the others
}

// logins logs people in through n, all the time, each with codes of their own.
func logins(n *nas, people []*person) *loop {
	l := &loop{stop: make(chan struct{})}
	for _, p := range people {
		l.wg.Go(func() {
			k := n.dial()
			defer k.close()
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				code := p.code()
				a := k.ask(n.request(p.name, code, nil))
				l.mu.Lock()
				if a.verdict() == "accept" {
					l.accepted = append(l.accepted, login{p.name, code})
				} else {
					l.refused = append(l.refused, p.name+": "+a.String())
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *loop) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// soFar returns the logins that were accepted until now.
func (l *loop) soFar() []login {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]login(nil), l.accepted...)
}

// end stops the loop and checks that nobody was refused.
func (l *loop) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if len(l.refused) > 0 {
		t.Errorf("of %d logins %d were refused, the first: %s", len(l.accepted)+len(l.refused), len(l.refused), l.refused[0])
	}
}

// waitForMore waits until another n logins were accepted.
func (l *loop) waitForMore(t *testing.T, n int) {
	t.Helper()
	want := l.count() + n
	eventually(t, "logins go on", func() bool { return l.count() >= want })
}

// copyFile copies a file with its mode.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o400); err != nil {
		t.Fatal(err)
	}
}

// A backup is taken while people log in and none of them notices. Restored
// with a copy of the key it is a whole server, in which no code works again
// that was accepted before the backup.
func TestBackupUnderLoadAndRestore(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("passing", "--password", "none", "--rate", "100000")
	people := s.tokens("alice", "bob")
	app := s.enrol("carol")
	code := app.code()
	n.ask(app.name, code, nil).want(t, "accept")
	codes := s.recoveryCodes(app)
	n.ask(app.name, codes[0], nil).want(t, "accept")

	l := logins(n, people)
	l.waitForMore(t, 20)
	before := l.soFar()
	backup := filepath.Join(t.TempDir(), "backup")
	s.do("", "backup", backup)
	l.waitForMore(t, 20)
	if r := s.try("", "backup", backup); r.Exit != 1 || !strings.Contains(r.Err, "exists already") {
		t.Errorf("backup over a file: exit code %d, %s", r.Exit, r.Err)
	}
	l.end(t)
	s.stop()

	key := filepath.Join(t.TempDir(), "key copy")
	copyFile(t, filepath.Join(s.dir, "seal.key"), key)
	foreign := filepath.Join(used(t).dir, "seal.key")
	restore := func(dir string, args ...string) result {
		return call{Args: append([]string{"restore", backup, "--data", dir}, args...)}.run(t)
	}
	if r := restore(s.dir, "--key", key); r.Exit != 1 {
		t.Errorf("restore over a database: exit code %d, %s", r.Exit, r.Err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if r := restore(fresh); r.Exit != 1 || !strings.Contains(r.Err, "--key") {
		t.Errorf("restore without a key: exit code %d, %s", r.Exit, r.Err)
	}
	if r := restore(fresh, "--key", foreign); r.Exit != 1 || !strings.Contains(r.Err, "key") {
		t.Errorf("restore with another key: exit code %d, %s", r.Exit, r.Err)
	}
	if left, err := filepath.Glob(filepath.Join(fresh, "*.db*")); err != nil || len(left) > 0 {
		t.Errorf("a restore that was refused left %v (%v)", left, err)
	}
	if r := restore(fresh, "--key", key); r.Exit != 0 {
		t.Fatalf("restore: exit code %d\n%s", r.Exit, r.Err)
	}
	// Codes were accepted after the backup: for a while nothing is.
	back := start(t, setup{Dir: fresh})
	back.dir = fresh
	m := *n
	m.server = back.addr
	for name, field := range map[string]string{app.name: codes[1], people[0].name: people[0].code()} {
		a := m.ask(name, field, nil).want(t, "reject")
		if got := back.why(a.reference()).Outcome; got != auth.DatabaseRewound.String() {
			t.Errorf("%s after the restore of an older backup: %s; want %v", name, got, auth.DatabaseRewound)
		}
	}
	back.stop()

	// The same backup, if nothing had happened since.
	moved := filepath.Join(t.TempDir(), "moved")
	if r := restore(moved, "--key", key, "--moved"); r.Exit != 0 {
		t.Fatalf("restore --moved: exit code %d\n%s", r.Exit, r.Err)
	}
	again := start(t, setup{Dir: moved})
	again.dir = moved
	m.server = again.addr
	for _, u := range before[len(before)-6:] { // the oldest are beyond what a token may look back
		if a := m.ask(u.name, u.field, nil); a.verdict() != "reject" {
			t.Errorf("%s's code was accepted before the backup and again after the restore: %v", u.name, a)
		}
	}
	m.ask(app.name, code, nil).want(t, "reject")
	m.ask(app.name, codes[0], nil).want(t, "reject")
	m.ask(app.name, codes[1], nil).want(t, "accept")
	for _, p := range people {
		again.do("", "account", "unlock", p.name)
		// The token has gone on since the backup.
		again.do("", "authenticator", "resync", p.id, p.code(), p.code())
		m.ask(p.name, p.code(), nil).want(t, "accept")
	}
	if events := again.events("--account", app.name); len(events) < 4 {
		t.Errorf("the restored server knows %d events of %s", len(events), app.name)
	}
}

// The key-encryption key and the data keys change while people log in and none
// of them notices; the old key file is void afterwards.
func TestKeysChangeUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("passing", "--password", "none", "--rate", "100000")
	key := filepath.Join(s.dir, "seal.key")
	old := filepath.Join(t.TempDir(), "old.key")
	copyFile(t, key, old)
	people := s.tokens("alice", "bob")
	p := s.enrol("carol")
	l := logins(n, people)
	for range 3 {
		l.waitForMore(t, 10)
		s.do("", "rekey")
		l.waitForMore(t, 10)
		s.do("", "reseal")
	}
	l.waitForMore(t, 10)
	l.end(t)
	s.stop()
	s.begin()
	l = logins(n, people)
	l.waitForMore(t, 10)
	l.end(t)
	s.client("appending", "--mode", "append").ask(p.name, p.password+","+p.code(), nil).want(t, "accept")
	s.stop()

	current := filepath.Join(t.TempDir(), "current.key")
	copyFile(t, key, current)
	os.Remove(key)
	copyFile(t, old, key)
	s.refuses("this database is sealed under key", key)
	os.Remove(key)
	copyFile(t, current, key)
	s.begin()
}

// A change by an administrator is in force for the very next login, and for
// one that has come halfway (Keycloak CVE-2026-9798, Gitea CVE-2026-58422).
func TestChangesAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	ask, pass := s.client("asking"), s.client("passing", "--password", "none")
	for _, tt := range []struct{ off, on []string }{
		{[]string{"account", "disable"}, []string{"account", "enable"}},
		{[]string{"account", "block"}, []string{"account", "unblock"}},
	} {
		p := s.tokens("token-" + tt.off[1])[0]
		q := s.enrol("person-" + tt.off[1])
		pass.ask(p.name, p.code(), nil).want(t, "accept")
		state := ask.ask(q.name, q.password, nil).want(t, "challenge").state()
		for _, name := range []string{p.name, q.name} {
			s.do("", append(tt.off, name)...)
		}
		pass.ask(p.name, p.code(), nil).want(t, "reject")
		ask.ask(q.name, q.code(), state).want(t, "reject")
		ask.ask(q.name, q.password, nil).want(t, "reject")
		s.kill() // what was answered "done" is on disk
		s.begin()
		pass.ask(p.name, p.code(), nil).want(t, "reject")
		for _, name := range []string{p.name, q.name} {
			s.do("", append(tt.on, name)...)
			s.do("", "account", "unlock", name)
		}
		pass.ask(p.name, p.code(), nil).want(t, "accept")
	}

	// A block with an end ends by itself, not before.
	p := s.tokens("until")[0]
	until := time.Now().Add(5 * time.Second)
	s.do("", "account", "block", p.name, "--until", until.Format(time.RFC3339Nano))
	code := p.code()
	for range 3 {
		pass.ask(p.name, code, nil).want(t, "reject")
	}
	if time.Now().After(until) {
		t.Fatal("the machine is too slow for a block of five seconds")
	}
	time.Sleep(time.Until(until.Add(10 * time.Millisecond))) // the block has to end
	pass.ask(p.name, code, nil).want(t, "accept")

	// Passwords, clients.
	q := s.enrol("renewed")
	ask.ask(q.name, q.password, nil).want(t, "challenge")
	s.do("another password\n", "account", "password", q.name, "--password-stdin")
	ask.ask(q.name, q.password, nil).want(t, "reject")
	ask.ask(q.name, "another password", nil).want(t, "challenge")
	s.do("", "client", "remove", "asking", "--yes")
	ask.silent(ask.request(q.name, "another password", nil).octets)
}

// A revoked authenticator is accepted no more, also not by a login that has
// come halfway, and the others of its owner are.
func TestRevokedAuthenticator(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	ask, pass := s.client("asking"), s.client("passing", "--password", "none")
	p := s.enrol("alice")
	lost := &person{t: t, name: p.name, password: p.password, id: p.id, key: p.key, params: p.params, spent: -1}
	s.bind(p) // a second phone
	state := ask.ask(p.name, p.password, nil).want(t, "challenge").state()
	pass.ask(p.name, lost.code(), nil).want(t, "accept")
	s.do("", "authenticator", "revoke", lost.id, "--yes")
	ask.ask(p.name, lost.code(), state).want(t, "reject")
	pass.ask(p.name, p.code(), nil).want(t, "accept")
	if r := s.try("", "authenticator", "revoke", lost.id, "--yes"); r.Exit != 1 || !strings.Contains(r.Err, "no authenticator") {
		t.Errorf("revoked twice: exit code %d, %s", r.Exit, r.Err)
	}
	s.kill()
	s.begin()
	pass.ask(p.name, lost.wrong(), nil).want(t, "reject")
	if held := records[struct{ ID string }](t, s.do("", "authenticator", "list", p.name, "--json")); len(held) != 2 { // password and phone
		t.Errorf("alice holds %+v", held)
	}
}

// Reply attributes of client and groups come with the accept, kept through the
// challenge, and never with anything else.
func TestReplyAttributes(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	s.do("", "group", "add", "staff", "--reply", "Filter-Id=staff", "--reply", "Session-Timeout=3600")
	s.do("", "group", "add", "ops", "--reply", "26.9.1=shell:priv-lvl=15")
	n := s.client("vpn", "--reply", "Class=vpn")
	p := s.account("alice", "--group", "staff", "--group", "ops")
	s.bind(p)
	c := n.ask(p.name, p.password, nil).want(t, "challenge")
	a := n.ask(p.name, p.code(), c.state()).want(t, "accept")
	var got []string
	for _, at := range a.Attributes[1:] {
		got = append(got, at.String())
	}
	want := "Class=vpn Filter-Id=staff Session-Timeout=3600 Cisco-AVPair=shell:priv-lvl=15"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("the accept carries %s; want %s", text, want)
	}
	for _, other := range []answer{c, n.ask(p.name, "wrong", nil)} {
		for _, at := range other.Attributes {
			switch at.Type {
			case radius.MessageAuthenticator, radius.State, radius.ReplyMessage:
			default:
				t.Errorf("a %s carries %v", other.verdict(), at)
			}
		}
	}
}

// importFile imports a file and returns the report.
func (s *server) importFile(stdin, file string, flags ...string) (added, unassigned int, bad map[string]string) {
	s.t.Helper()
	r := s.try(stdin, append([]string{"authenticator", "import", filepath.Join("testdata", file), "--json"}, flags...)...)
	report := record[struct {
		Added, Unassigned int
		Bad               []struct{ Serial, Reason string }
	}](s.t, r.Out)
	bad = make(map[string]string)
	for _, b := range report.Bad {
		bad[b.Serial] = b.Reason
	}
	if want := min(1, len(bad)); r.Exit != want {
		s.t.Errorf("import of %s: exit code %d; want %d: %s", file, r.Exit, want, r.Err)
	}
	return report.Added, report.Unassigned, bad
}

// Seeds imported from PSKC and CSV log in with codes that oathtool makes of
// the same seeds: counters and clocks, three hashes, 6 to 8 digits, 30 and 60
// seconds. Bad rows are listed, and the good ones are there.
func TestImportedTokensLogIn(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	n := s.client("passing", "--password", "none")
	seed := strings.Repeat("1234567890", 7)
	sha1, sha256, sha512 := hex.EncodeToString([]byte(seed[:20])), hex.EncodeToString([]byte(seed[:32])), hex.EncodeToString([]byte(seed[:64]))
	for _, name := range []string{"hotp-6", "hotp-8", "totp-sha1", "totp-sha256", "totp-sha512", "csv-30", "csv-60", "drawer", "figure"} {
		s.do("", "account", "add", name)
	}

	added, unassigned, bad := s.importFile("", "tokens.pskcxml")
	if added != 5 || unassigned != 0 || len(bad) != 1 || bad["pskc-bad"] == "" {
		t.Errorf("PSKC: %d added, %d unassigned, bad %v", added, unassigned, bad)
	}
	added, unassigned, bad = s.importFile("", "tokens.csv")
	if added != 2 || unassigned != 0 || len(bad) != 2 || bad["csv-nobody"] == "" || bad["csv-bad"] == "" {
		t.Errorf("CSV: %d added, %d unassigned, bad %v", added, unassigned, bad)
	}
	if added, unassigned, bad = s.importFile("", "unassigned.csv"); added != 1 || unassigned != 1 || len(bad) != 0 {
		t.Errorf("CSV without owners: %d added, %d unassigned, bad %v", added, unassigned, bad)
	}
	s.do("", "authenticator", "assign", "drawer-1", "drawer")
	// RFC 6030, Section 6.1: encrypted with a pre-shared key, and nobody's.
	if r := s.try("", "authenticator", "import", filepath.Join("testdata", "rfc6030-figure6.pskcxml")); r.Exit != 1 || !strings.Contains(r.Err, "encrypted") {
		t.Errorf("encrypted PSKC without its key: exit code %d, %s", r.Exit, r.Err)
	}
	if added, _, _ = s.importFile("12345678901234567890123456789012\n", "rfc6030-figure6.pskcxml", "--key-stdin"); added != 1 {
		t.Errorf("encrypted PSKC: %d added", added)
	}
	s.do("", "authenticator", "assign", "987654321", "figure")
	if added, _, bad = s.importFile("", "tokens.pskcxml"); added != 0 || len(bad) != 6 {
		t.Errorf("PSKC once more: %d added, bad %v", added, bad)
	}

	for _, tt := range []struct {
		name string
		args []string
	}{
		{"hotp-6", []string{"-c", "0", "-d", "6", sha1}},
		{"hotp-6", []string{"-c", "1", "-d", "6", sha1}},
		{"hotp-8", []string{"-c", "1000", "-d", "8", sha1}},
		{"totp-sha1", []string{"--totp=sha1", "-d", "6", sha1}},
		{"totp-sha256", []string{"--totp=sha256", "-d", "8", "-s", "60s", sha256}},
		{"totp-sha512", []string{"--totp=sha512", "-d", "7", sha512}},
		{"csv-30", []string{"--totp=sha1", "-d", "6", sha1}},
		{"csv-60@example.com", []string{"--totp=sha1", "-d", "6", "-s", "60s", sha1}},
		{"drawer", []string{"--totp=sha1", "-d", "6", sha1}},
		{"figure", []string{"-c", "0", "-d", "8", sha1}},
	} {
		code := oathtool(t, tt.args...)
		if a := n.ask(tt.name, code, nil); a.verdict() != "accept" {
			t.Errorf("%s with a code of oathtool %v: %v", tt.name, tt.args, a)
		}
		if a := n.ask(tt.name, code, nil); a.verdict() != "reject" {
			t.Errorf("%s with the same code again: %v", tt.name, a)
		}
	}
}

// A token that has run ahead is found again by two consecutive codes, and no
// old pair revives (LinOTP CVE-2019-12887).
func TestResync(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: patientLimits})
	n := s.client("passing", "--password", "none")
	resync := func(p *person, first, second int64) result {
		return s.try("", "authenticator", "resync", p.id, p.at(first), p.at(second))
	}
	t.Run("counter", func(t *testing.T) {
		p := s.tokens("counter")[0]
		n.ask(p.name, p.at(0), nil).want(t, "accept")
		n.ask(p.name, p.at(50), nil).want(t, "reject") // beyond the look-ahead
		if r := resync(p, 50, 52); r.Exit != 1 || !strings.Contains(r.Err, "do not follow one another") {
			t.Errorf("two codes with one between: exit code %d, %s", r.Exit, r.Err)
		}
		if r := resync(p, 50, 51); r.Exit != 0 {
			t.Fatalf("resync: %s", r.Err)
		}
		for _, spent := range []int64{0, 1, 50, 51} {
			n.ask(p.name, p.at(spent), nil).want(t, "reject")
		}
		n.ask(p.name, p.at(52), nil).want(t, "accept")
		for _, pair := range [][2]int64{{50, 51}, {1, 2}, {51, 52}} {
			if r := resync(p, pair[0], pair[1]); r.Exit != 1 {
				t.Errorf("an old pair %v revives: %s", pair, r.Err)
			}
		}
		n.ask(p.name, p.at(53), nil).want(t, "accept")
		s.kill()
		s.begin()
		n.ask(p.name, p.at(53), nil).want(t, "reject")
		n.ask(p.name, p.at(54), nil).want(t, "accept")
	})
	t.Run("clock", func(t *testing.T) {
		// The token's clock is ten minutes fast; long steps leave time for it.
		p := s.tokensOf(otp.Params{Digits: 8, Period: time.Minute, Algorithm: otp.SHA256}, "clock")[0]
		ahead := func() int64 { return p.params.Step(time.Now()) + 10 }
		n.ask(p.name, p.at(ahead()), nil).want(t, "reject")
		at := ahead()
		if r := resync(p, at-1, at); r.Exit != 0 {
			t.Fatalf("resync: %s", r.Err)
		}
		n.ask(p.name, p.at(at), nil).want(t, "reject") // spent by the resync
		n.ask(p.name, p.at(at+1), nil).want(t, "accept")
		n.ask(p.name, p.at(at+1), nil).want(t, "reject")
		if r := resync(p, at-1, at); r.Exit != 1 {
			t.Errorf("an old pair revives: %s", r.Err)
		}
	})
}

// What administrators do is on record, in order, with who did it.
func TestActsAreRecorded(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	p := s.enrol("alice")
	s.do("", "account", "disable", p.name)
	type act struct {
		Seq                    uint64
		Actor, Action, Subject string
	}
	var actions []string
	for i, a := range records[act](t, s.do("", "acts", "--json")) {
		if a.Actor == "" || a.Subject == "" || a.Seq != uint64(i+1) {
			t.Errorf("act %+v", a)
		}
		actions = append(actions, a.Action)
	}
	if got, want := fmt.Sprint(actions), "[account.add authenticator.add account.disable]"; got != want {
		t.Errorf("acts %s; want %s", got, want)
	}
}
