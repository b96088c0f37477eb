//go:build linux

package e2e

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A canary is a secret that must show up nowhere.
type canary struct {
	name   string
	octets []byte
	text   bool // it is written as it is, so that other writings of the text count too
}

// writings are the ways in which a secret could stand somewhere.
func (c canary) writings() map[string][]byte {
	w := map[string][]byte{
		"raw":        c.octets,
		"hex":        []byte(hex.EncodeToString(c.octets)),
		"HEX":        []byte(strings.ToUpper(hex.EncodeToString(c.octets))),
		"base32":     []byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(c.octets)),
		"base64":     []byte(base64.RawStdEncoding.EncodeToString(c.octets)),
		"base64 URL": []byte(base64.RawURLEncoding.EncodeToString(c.octets)),
	}
	if c.text {
		j, err := json.Marshal(string(c.octets))
		if err == nil {
			w["JSON"] = j[1 : len(j)-1]
		}
		w["URL"] = []byte(url.QueryEscape(string(c.octets)))
		w["without dashes"] = bytes.ReplaceAll(c.octets, []byte("-"), nil)
		w["lower case"] = bytes.ToLower(c.octets)
	}
	return w
}

// in says in which writing a text holds the canary, "" if in none.
func (c canary) in(text []byte) string {
	for how, w := range c.writings() {
		if bytes.Contains(text, w) {
			return how
		}
	}
	return ""
}

func find(t *testing.T, place string, text []byte, canaries []canary) {
	t.Helper()
	for _, c := range canaries {
		if how := c.in(text); how != "" {
			t.Errorf("%s holds the %s (%s)", place, c.name, how)
		}
	}
}

// No secret shows up in clear at rest, in logs at the most talkative level, in
// events, explanations, lists, metrics, backups or errors (Duo Auth Proxy
// CVE-2023-20207, OpenBao CVE-2025-62513, Mattermost CVE-2025-11794).
func TestSecretsShowUpNowhere(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Level: "debug"})
	ask, add := s.client("asking"), s.client("appending", "--mode", "append")
	pass := s.client("passing", "--password", "none")
	lax := s.client("lax", "--message-authenticator", "optional")

	p := &person{t: t, name: "alice", password: "Kanarienvogel \"42\" & mehr", spent: -1}
	s.do(p.password+"\n", "account", "add", p.name, "--password-stdin", "--json")
	s.bind(p)
	codes := s.recoveryCodes(p)
	token := s.tokens("bob")[0]
	stray := "Stieglitz und Zeisig 77" // a password that somebody types as a name
	rotated := "the next shared secret, a siskin"

	canaries := []canary{
		{"password", []byte(p.password), true},
		{"wrong password", []byte("Kanarienvogel falsch 13"), true},
		{"password typed as a name", []byte(stray), true},
		{"seed", p.key, false},
		{"imported seed", token.key, false},
		{"new shared secret", []byte(rotated), true},
		{"used recovery code", []byte(codes[0]), true},
		{"unused recovery code", []byte(codes[5]), true},
		{"wrong recovery code", []byte("ZZZZZ-ZZZZZ"), true},
	}
	for _, n := range []*nas{ask, add, pass, lax} {
		canaries = append(canaries, canary{"shared secret of " + n.name, []byte(n.secret), true})
	}

	// A whole session: right, wrong, malformed, unsigned.
	seen := func(a answer) []byte { return a.octets }
	var replies [][]byte
	challenge := ask.ask(p.name, p.password, nil).want(t, "challenge")
	first := p.code()
	replies = append(replies, seen(challenge), seen(ask.ask(p.name, first, challenge.state()).want(t, "accept")))
	second := p.code()
	replies = append(replies,
		seen(add.ask(p.name, p.password+","+second, nil).want(t, "accept")),
		seen(add.ask(p.name, p.password+","+second, nil).want(t, "reject")),
		seen(add.ask(p.name, "Kanarienvogel falsch 13,"+second, nil).want(t, "reject")),
		seen(add.ask(stray, "x,"+second, nil).want(t, "reject")),
		seen(pass.ask(p.name, codes[0], nil).want(t, "accept")),
		seen(pass.ask(p.name, codes[0], nil).want(t, "reject")),
		seen(pass.ask(p.name, "ZZZZZ-ZZZZZ", nil).want(t, "reject")),
		seen(pass.ask("bob", token.code(), nil).want(t, "accept")),
	)
	unsigned, err := lax.unsigned(p.name, p.password, nil).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	lax.dial().send(unsigned)
	stranger := *ask
	stranger.secret = "not the secret that was agreed on"
	stranger.silent(stranger.request(p.name, p.password, nil).octets)
	broken := add.request(p.name, p.password+","+second, nil).octets
	broken[21] = 0
	add.silent(broken)
	s.do(rotated+"\n", "client", "rotate", "asking", "--secret-stdin", "--json")
	s.eventAfter(0, "the last packet", func(ev event) bool { return ev.Outcome == "packet-malformed" })

	// Errors that carry what was asked.
	var errors strings.Builder
	for _, r := range []result{
		s.try(p.password+"\n", "account", "add", p.name, "--password-stdin"),
		s.try(rotated+"\n", "client", "add", "passing", "--application", application, "--source", "192.0.2.1", "--secret-stdin"),
		s.try("short\n", "client", "add", "short", "--application", application, "--source", "192.0.2.2", "--secret-stdin"),
		s.try(p.password+"\n", "account", "password", "nobody", "--password-stdin"),
		s.try("", "authenticator", "resync", p.id, first, second),
		s.try("not a hash: "+p.password+"\n", "account", "add", "carol", "--password-hash-stdin"),
	} {
		if r.Exit == 0 {
			t.Errorf("a command that must fail did not: %+v", r)
		}
		errors.WriteString(r.Out + r.Err)
	}

	// What administrators see.
	find(t, "the events", []byte(s.do("", "events", "--json")+s.do("", "events")), canaries)
	var whys strings.Builder
	for _, ev := range s.events() {
		whys.WriteString(s.do("", "why", ev.Reference) + s.do("", "why", ev.Reference, "--json"))
	}
	find(t, "the explanations", []byte(whys.String()), canaries)
	find(t, "the errors", []byte(errors.String()), canaries)
	lists := ""
	for _, args := range [][]string{
		{"account", "list"},
		{"account", "show", p.name},
		{"authenticator", "list", p.name},
		{"authenticator", "list", "bob"},
		{"client", "list"},
		{"acts"},
		{"codes"},
	} {
		lists += s.do("", append(args, "--json")...) + s.do("", args...)
	}
	find(t, "the lists", []byte(lists), canaries)
	_, metrics := s.get("/metrics")
	_, ready := s.get("/readyz")
	_, missing := s.get("/readyz?password=" + url.QueryEscape(p.password))
	find(t, "the telemetry", []byte(metrics+ready+missing), canaries)
	find(t, "the replies", bytes.Join(replies, nil), canaries)

	// What lies on the disk.
	backup := filepath.Join(t.TempDir(), "backup")
	s.do("", "backup", backup)
	octets, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	find(t, "the backup", octets, canaries)
	if key, err := os.ReadFile(filepath.Join(s.dir, "seal.key")); err != nil || bytes.Contains(octets, bytes.TrimSpace(key)) {
		t.Errorf("the backup holds the key file (%v)", err)
	}
	disk := func(when string) {
		t.Helper()
		files := 0
		err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			files++
			find(t, filepath.Base(path)+" "+when, b, canaries)
			return err
		})
		if err != nil || files < 3 {
			t.Errorf("looked into %d files: %v", files, err)
		}
	}
	disk("while the server runs")
	s.kill()
	disk("after a crash")
	s.begin()
	s.stop()
	disk("after a stop")
	find(t, "the log", []byte(s.log.String()), canaries)
	find(t, "standard output", []byte(s.out.String()), canaries)

	// One-time codes are too short to look for in files of random octets, but
	// have no place in text.
	var short []canary
	for _, code := range []string{first, second} {
		short = append(short, canary{"one-time code", []byte(`"` + code + `"`), true}, canary{"one-time code", []byte(" " + code + " "), true},
			canary{"one-time code", []byte("," + code), true}, canary{"one-time code", []byte("=" + code), true})
	}
	find(t, "what administrators see", []byte(whys.String()+lists+metrics+errors.String()), short)
	find(t, "the log", []byte(s.log.String()), short)
}

// The search finds what it looks for, in every writing.
func TestFindCanary(t *testing.T) {
	c := canary{"secret", []byte("Fox & \"Dog\""), true}
	for _, text := range []string{
		`Fox & "Dog"`, "466f7820262022446f6722", "466F7820262022446F6722", "IZXXQIBGEAREI33HEI", "Rm94ICYgIkRvZyI=",
		"Fox \\u0026 \\\"Dog\\\"", "Fox+%26+%22Dog%22", `fox & "dog"`,
	} {
		if c.in([]byte("before "+text+" after")) == "" {
			t.Errorf("%s is not found", text)
		}
	}
	if how := c.in([]byte("Fox and Dog")); how != "" {
		t.Errorf("found where it is not (%s)", how)
	}
}

// Files of the data directory can be read by their owner alone.
func TestDataDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	s.enrol("alice")
	backup := filepath.Join(t.TempDir(), "backup")
	s.do("", "backup", backup)
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the backup has mode %v (%v)", info.Mode(), err)
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v; want it closed to group and others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		r := call{Args: []string{"account", "list", "--data", s.dir}, User: nobody()}.run(t)
		if r.Exit == 0 {
			t.Errorf("another user may ask the server: %s", r.Out)
		}
	}
}
