//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// I7, AuthQuake 2024, Keycloak CVE-2018-14657, Argo CD CVE-2024-21662: whatever
// happens between two guesses, the count goes on. An account is led to one
// failure before its limit, then one thing happens, and the next guess is the
// last that is judged: at another client, under another spelling, after a login
// that needed no code.
func TestCountsGoOnWhateverHappens(t *testing.T) {
	t.Parallel()
	const limit = 4
	h := newHouse(t, limitsOf(limit, 50))
	h.do("", "rule", "add", "rdp-primary", "--application", "rdp", "--need", "primary")
	h.do("", "trusted-ip", "add", application, "192.0.2.7")
	other := h.holder("somebody-else")
	turn := 0
	for _, event := range []struct {
		what string
		do   func(p *person)
	}{
		{"nothing", func(*person) {}},
		{"a restart", func(*person) { h.stop(); h.begin() }},
		{"a crash", func(*person) { h.kill(); h.begin() }},
		{"a new question", func(p *person) { h.ask.ask(p.name, p.password, nil).want(t, "challenge") }},
		{"a login at an application that needs no code", func(p *person) { h.spared("primary only", h.rdp, p, -100) }},
		{"a login from a trusted network", func(p *person) { h.spared("trusted", h.ask, p, -104, station("192.0.2.7")) }},
		{"a login by a bypass", func(p *person) {
			h.do("", "bypass", "add", p.name, "--reason", "test")
			h.spared("bypass", h.ask, p, 7)
		}},
		{"a new password", func(p *person) { h.do(p.password+"\n", "account", "password", p.name, "--password-stdin") }},
		{"new recovery codes", func(p *person) { h.recoveryCodes(p) }},
		{"disabling and enabling", func(p *person) {
			h.do("", "account", "disable", p.name)
			h.do("", "account", "enable", p.name)
		}},
		{"another account's unlock", func(*person) { h.do("", "account", "unlock", other.name) }},
		{"another account's login", func(*person) { h.add.ask(other.name, other.password+","+other.code(), nil).want(t, "accept") }},
		{"other names' failures", func(*person) {
			for i := range 20 {
				h.pass.ask(fmt.Sprintf("nobody-%d", i), "123456", nil).want(t, "reject")
			}
		}},
		{"a change of the settings", func(*person) { h.do("", "rule", "add", "r"+strings.ToLower(rand8()), "--group", "staff") }},
		{"a purge of the caches", func(*person) { h.do("", "cache", "purge", "--all") }},
	} {
		name := "victim-" + strings.ToLower(rand8())
		p := h.holder(name)
		// Each guess by another spelling, and through another client.
		guess := func() string {
			t.Helper()
			turn++
			spelled := []string{name, strings.ToUpper(name), `CORP\` + name, name + "@corp.example", " " + name}[turn%5]
			switch turn % 3 {
			case 0:
				return h.outcomeOf(h.pass.ask(spelled, p.wrong(), nil))
			case 1:
				return h.outcomeOf(h.add.ask(spelled, p.password+","+p.wrong(), nil))
			}
			a := h.other.ask(spelled, p.password, nil)
			if a.verdict() != "challenge" {
				return h.outcomeOf(a)
			}
			return h.outcomeOf(h.other.ask(spelled, p.wrong(), a.state()))
		}
		for range limit - 1 {
			if got := guess(); got != "oath-code-incorrect" {
				t.Errorf("%s: a guess before it: %s", event.what, got)
			}
		}
		event.do(p)
		if _, codes, _ := h.failures(name); codes != limit-1 {
			t.Errorf("%s: the account has %d failures; want %d", event.what, codes, limit-1)
		}
		if got := guess(); got != "oath-code-incorrect" {
			t.Errorf("%s: the last guess that is judged: %s", event.what, got)
		}
		for range 3 {
			if got := guess(); got != "throttled" {
				t.Errorf("%s: a guess beyond the limit: %s; want throttled", event.what, got)
			}
		}
		if got := h.outcomeOf(h.rdp.ask(name, p.password, nil)); got != "throttled" {
			t.Errorf("%s: a login that needs no code while the account waits: %s", event.what, got)
		}
	}
}

// The hard stop by wrong passwords is told from the one by wrong codes, and
// neither an exemption nor time lifts it.
func TestStopsAreToldApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, limitsOf(3, 3))
	h.do("", "trusted-ip", "add", application, "192.0.2.7")
	passwords, codes := h.holder("passwords"), h.holder("codes")
	for range 3 {
		h.ask.ask(passwords.name, "wrong", nil).want(t, "reject")
		h.pass.ask(codes.name, codes.wrong(), nil).want(t, "reject")
	}
	for p, want := range map[*person]string{passwords: "account-locked", codes: "hard-stopped"} {
		h.do("", "bypass", "add", p.name, "--reason", "test")
		if got := h.outcomeOf(h.ask.ask(p.name, p.password, nil)); got != want {
			t.Errorf("%s with the right password and a bypass: %s; want %s", p.name, got, want)
		}
		if got := h.outcomeOf(h.ask.ask(p.name, p.password, nil, station("192.0.2.7"))); got != want {
			t.Errorf("%s from a trusted network: %s; want %s", p.name, got, want)
		}
		h.do("", "account", "unlock", p.name)
		h.spared("after the unlock", h.ask, p, 7)
	}
}

// What the policy says it would do is what it does, and saying it spends nothing.
func TestExplainAgreesAndSpendsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, patientLimits)
	p, bare := h.holder("alice"), h.account("bare")
	h.do("", "rule", "add", "closed", "--need", "refuse", "--source", "198.51.100.0/24")
	h.do("", "rule", "add", "office", "--need", "primary", "--application", "rdp")
	h.do("", "trusted-ip", "add", application, "192.0.2.7")
	explain := func(who, client, ip string) (verdict string, code int, rule string) {
		t.Helper()
		args := []string{"explain", "--account", who, "--client", client, "--json"}
		if ip != "" {
			args = append(args, "--ip", ip)
		}
		v := record[struct {
			Verdict, Rule string
			Code          int
		}](t, h.try("", args...).Out) // a refusal is its exit code too
		return v.Verdict, v.Code, v.Rule
	}
	h.do("", "bypass", "add", bare.name, "--reason", "no token yet")
	for _, tt := range []struct {
		who     *person
		n       *nas
		ip      string
		verdict string
		code    int
		rule    string
	}{
		{p, h.ask, "", "challenge", 22, "strictest"},
		{p, h.ask, "192.0.2.7", "accept", -104, "strictest"},
		{p, h.blind, "192.0.2.7", "challenge", 22, "strictest"},
		{p, h.ask, "198.51.100.1", "reject", 1404, "closed"},
		{p, h.rdp, "", "accept", -100, "office"},
		{bare, h.ask, "", "accept", 7, "strictest"},
	} {
		before := h.last()
		for range 3 {
			verdict, code, rule := explain(tt.who.name, tt.n.name, tt.ip)
			if verdict != tt.verdict || code != tt.code || rule != tt.rule {
				t.Errorf("explain %s at %s from %q: %s %d by %q; want %s %d by %q", tt.who.name, tt.n.name, tt.ip, verdict, code, rule, tt.verdict, tt.code, tt.rule)
			}
		}
		if now := h.last(); now != before {
			t.Errorf("explain left an event")
		}
		a := tt.n.ask(tt.who.name, tt.who.password, nil, where(tt.ip, 1)...)
		if a.verdict() != tt.verdict {
			t.Errorf("%s at %s from %q: %v; explain said %s", tt.who.name, tt.n.name, tt.ip, a, tt.verdict)
		}
		if got := h.newest(tt.who.name); got.Code != tt.code || got.Rule != tt.rule {
			t.Errorf("%s at %s from %q: %d by %q; explain said %d by %q", tt.who.name, tt.n.name, tt.ip, got.Code, got.Rule, tt.code, tt.rule)
		}
	}
	if verdict, code, _ := explain(bare.name, "asking", ""); verdict != "reject" || code != -103 {
		t.Errorf("explain after the bypass was used: %s %d; want reject -103", verdict, code)
	}
}
