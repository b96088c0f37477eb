package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sallyport/diagnose"
)

var testKey = []byte("a key that only tests know, 32 oc")

// evidence makes a report with these lines as evidence, and these people in
// fields.
func evidence(users []string, lines ...string) *diagnose.Report {
	r := &diagnose.Report{Findings: []diagnose.Finding{{Users: users}}}
	for i, l := range lines {
		r.Findings[0].Evidence = append(r.Findings[0].Evidence, diagnose.Evidence{File: "a.log", Line: i + 1, Text: l})
	}
	return r
}

func TestRedactText(t *testing.T) {
	x := &redactor{key: testKey}
	bob, dc := x.pseudonym(aUser, "bob"), x.pseudonym(aHost, "dc01")
	corp, example := x.pseudonym(aDomain, "corp"), x.pseudonym(aDomain, "corp.example")
	v4, v6 := x.pseudonym(aV4, "192.0.2.7"), x.pseudonym(aV6, "2001:db8::7")
	mac := x.pseudonym(aMAC, "001122aabbcc")
	tests := []struct{ name, in, want string }{
		{"a bare name that a field holds", "hello Bob, bobby and BOB.", "hello " + bob + ", bobby and " + bob + "."},
		{"with a domain of Windows", `for CORP\bob at CORP`, "for " + bob + " at " + corp},
		{"with a domain, escaped", `{"u":"CORP\\bob"}`, `{"u":"` + bob + `"}`},
		{"a mail address", "bob@corp.example said", bob + " said"},
		{"quotes of typewriters and printers", "Calling pfAuthUser(‘Domain\\bob’, ”, 1)", "Calling pfAuthUser(‘" + bob + "’, ”, 1)"},
		{"an address", "from 192.0.2.7 port 22", "from " + v4 + " port 22"},
		{"an address with a port", "192.0.2.7:443", v4 + ":443"},
		{"the same address mapped", "::ffff:192.0.2.7", v4},
		{"an address at the end of a sentence", "it was 192.0.2.7.", "it was " + v4 + "."},
		{"an address of six", "[2001:db8::7]:443 and 2001:DB8:0:0::7, fe80", "[" + v6 + "]:443 and " + v6 + ", fe80"},
		{"addresses of everybody", "127.0.0.1 ::1 0.0.0.0 255.255.255.0", "127.0.0.1 ::1 0.0.0.0 255.255.255.0"},
		{"times are no addresses", "2026-03-04 12:34:56 +0100 12:34:56.789", "2026-03-04 12:34:56 +0100 12:34:56.789"},
		{"object identifiers are no addresses", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.1"},
		{"namespaces are no hosts", "at System.Net.HttpWebRequest.GetResponse() OktaWidget.log", "at System.Net.HttpWebRequest.GetResponse() OktaWidget.log"},
		{"paths are no people", `C:\Program Files\Okta\Okta Windows Credential Provider\logs\OktaWidget.log`, `C:\Program Files\Okta\Okta Windows Credential Provider\logs\OktaWidget.log`},
		{"registry keys are no people", `HKLM\SOFTWARE\Microsoft HKLM\SOFTWARE`, `HKLM\SOFTWARE\Microsoft HKLM\SOFTWARE`},
		{"a home folder", `C:\Users\bob\Desktop /home/bob/x`, `C:\Users\` + bob + `\Desktop /home/` + bob + `/x`},
		{"a hardware address", "00-11-22-AA-BB-CC 00:11:22:aa:bb:cc 0011.22aa.bbcc", mac + " " + mac + " " + mac},
		{"a host", "DC01 dc01.corp.example", dc + " " + dc},
		{"a UNC path", `copied to \\dc01\share$`, `copied to \\` + dc + `\share$`},
		{"hosts of makers", "login.microsoftonline.com adnotifications.windowsazure.com okta.com www.okta.com", "login.microsoftonline.com adnotifications.windowsazure.com okta.com www.okta.com"},
		{"a customer of a maker", "https://zyx.okta.com/app zyx", "https://" + x.pseudonym(aHost, "zyx.okta.com") + ".okta.com/app " + x.pseudonym(aHost, "zyx")},
		{"a security identifier", "S-1-5-21-1-2-3-1104 S-1-5-18", x.pseudonym(aSID, "S-1-5-21-1-2-3-1104") + " S-1-5-18"},
		{"a tenant", "CID: 6da75e38-6bbf-4616-84df-fa65b4c7905c :x", "CID: " + x.pseudonym(aGUID, "6da75e38-6bbf-4616-84df-fa65b4c7905c") + " :x"},
		{"the application of Microsoft", "981f26a1-7f43-403b-a875-f8b09b8cd720", "981f26a1-7f43-403b-a875-f8b09b8cd720"},
		{"somebody who is in no field", "Failed password for invalid user mallory from 192.0.2.7 port 1 ssh2; mallory", "Failed password for invalid user " + x.pseudonym(aUser, "mallory") + " from " + v4 + " port 1 ssh2; " + x.pseudonym(aUser, "mallory")},
		{"a name with a space", "Failed password for invalid user eve x from 192.0.2.7 port 1 ssh2", "Failed password for invalid user " + x.pseudonym(aUser, "eve x") + " from " + v4 + " port 1 ssh2"},
		{"the accounts of every system", `root NT AUTHORITY\SYSTEM Administrator`, `root NT AUTHORITY\SYSTEM Administrator`},
		{"somebody in a directory", "CN=Joan Roe,OU=Staff,DC=corp,DC=example", "CN=" + x.pseudonym(aUser, "joan roe") + ",OU=" + x.pseudonym(aName, "staff") + ",DC=" + corp + ",DC=example"},
		{"an authority that everybody trusts", "CN=DigiCert Global Root G2,O=DigiCert Inc", "CN=DigiCert Global Root G2,O=DigiCert Inc"},
		{"an authority of a company", "O=Roe Ltd,CN=Roe Root", "O=" + x.pseudonym(aName, "roe ltd") + ",CN=" + x.pseudonym(aName, "roe root")},
		{"a telephone number", "called +1 425-555-0100.", "called " + x.pseudonym(aPhone, "14255550100") + "."},
		{"prose", "for user authentication; user not found", "for user authentication; user not found"},
		{"an XML event", `<Data Name="SubjectUserName">trent</Data>`, `<Data Name="SubjectUserName">` + x.pseudonym(aUser, "trent") + `</Data>`},
		{"a number for a name", "uid=0 user=0 at 127.0.0.1 0", "uid=0 user=" + x.pseudonym(aUser, "0") + " at 127.0.0.1 0"},
		{"words of a form", "Account Name: user, String username", "Account Name: user, String username"},
		{"a domain", "corp.example", example},
		{"a log of sshd", "Nov 22 13:01:02 web9 sshd[77]: Connection closed", "Nov 22 13:01:02 " + x.pseudonym(aHost, "web9") + " sshd[77]: Connection closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := evidence([]string{`CORP\bob`, "bob@corp.example"}, tt.in)
			r.Findings[0].Hosts = []string{"dc01.corp.example"}
			got := Redact(r, testKey)
			if got.Findings[0].Evidence[0].Text != tt.want {
				t.Errorf("%q\n got %q\nwant %q", tt.in, got.Findings[0].Evidence[0].Text, tt.want)
			}
			if diff := cmp.Diff([]string{bob}, got.Findings[0].Users); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
		})
	}
}

// A name of a person or host as a test makes it up: letters that no
// hexadecimal digit is, so that no pseudonym holds it by chance.
func nameOf(t *rapid.T, what string) string {
	return rapid.StringMatching(`[G-Zg-zßéЖ]{4,9}`).Draw(t, what) + "q"
}

// Whatever forms a name is planted in, and wherever, nothing of it remains, the
// report that was given is as it was, and the rest of the copy is too.
func TestRedactLeavesNoName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, host, domain, client := nameOf(t, "user"), nameOf(t, "host"), nameOf(t, "domain"), nameOf(t, "client")
		v4 := fmt.Sprintf("%d.%d.%d.%d", rapid.IntRange(1, 126).Draw(t, "v4"), rapid.IntRange(100, 255).Draw(t, "b"), rapid.IntRange(100, 255).Draw(t, "c"), rapid.IntRange(100, 255).Draw(t, "d"))
		v6 := fmt.Sprintf("2001:db8:%x::%x", rapid.IntRange(0x1000, 0xffff).Draw(t, "v6"), rapid.IntRange(0x1000, 0xffff).Draw(t, "low"))
		mixed := func(s string) string {
			switch rapid.IntRange(0, 2).Draw(t, "case") {
			case 0:
				return strings.ToUpper(s)
			case 1:
				return strings.ToLower(s)
			}
			return s
		}
		form := func() string {
			u, d := mixed(user), mixed(domain)
			return rapid.SampledFrom([]string{u, d + `\` + u, u + "@" + d + ".example", u + "@" + d}).Draw(t, "form")
		}
		machine := func() string {
			return rapid.SampledFrom([]string{mixed(host), mixed(host) + "." + domain + ".example"}).Draw(t, "machine")
		}
		address := func() string {
			return rapid.SampledFrom([]string{v4, v6, v4 + ":53", "::ffff:" + v4}).Draw(t, "address")
		}
		around := func(s string) string {
			pair := rapid.SampledFrom([][2]string{{"", ""}, {"x ", " y"}, {"'", "'"}, {`"`, `",`}, {"(", ")"}, {"user=", ";"}, {"a:", ": "}, {"<", ">"}, {"=", "\t"}, {"‘", "’"}, {"/", "/"}, {`\t`, `\r\n`}, {"%20", "%0A"}, {`\u0027`, `\u0027`}, {"\x1b[31m", "\x1b[0m"}}).Draw(t, "around")
			return pair[0] + s + pair[1]
		}
		text := func() string {
			var b strings.Builder
			for range rapid.IntRange(1, 5).Draw(t, "pieces") {
				b.WriteString(" " + around(rapid.SampledFrom([]func() string{
					form, machine, address, func() string { return mixed(client) },
					func() string { return `C:\Users\` + mixed(user) + `\AppData` },
					func() string { return `\\` + machine() + `\share` },
					func() string { return "invalid user " + mixed(user) + " from " + v4 + " port 9" },
				}).Draw(t, "piece")()))
			}
			return b.String()
		}
		f := diagnose.Finding{
			Cause: "tls-version", Title: "T", Means: "M", Why: text(), Who: "W", Count: 3, UserCount: 2,
			Remedy: []diagnose.Step{{Text: "R", Commands: []string{"C"}}}, Source: []string{"S"},
			Users: []string{form(), form()}, Hosts: []string{machine()}, Clients: []string{client},
			Evidence: []diagnose.Evidence{{File: text(), Line: 3, Text: text()}, {File: "f", Text: text()}},
		}
		r := &diagnose.Report{
			Schema: "s", Made: time.Unix(1, 0).UTC(), Findings: []diagnose.Finding{f}, Warnings: []string{text()},
			Files: []diagnose.FileSummary{{Name: text(), Formats: map[string]int{"sshd": 2}, Error: text()}},
			Attempts: []diagnose.Tried{
				{User: form(), Host: machine(), Client: client, From: address(), Method: text(), Stage: text(), File: text(), Product: "sshd", Codes: []string{"sshd:1"}, Causes: []string{"c"}},
				{User: form(), Host: address(), Client: address(), From: machine(), Verdict: diagnose.Refused},
			},
		}
		// Names are found out only where there is one: each is in a field.
		r.Attempts = append(r.Attempts, diagnose.Tried{User: domain + `\` + user, Host: host})
		before := asJSON(t, r)
		red := Redact(r, testKey)
		if after := asJSON(t, r); after != before {
			t.Fatalf("the report that was given has changed:\n%s\n%s", before, after)
		}
		after := asJSON(t, red)
		for _, name := range []string{user, host, domain, client, v4, v6} {
			if strings.Contains(fold(after), fold(name)) {
				t.Fatalf("%q is still there:\n%s\nof\n%s", name, after, before)
			}
		}
		if again := asJSON(t, Redact(r, testKey)); again != after {
			t.Fatalf("not stable:\n%s\n%s", after, again)
		}
		x := &redactor{key: testKey}
		if want := x.pseudonym(aUser, fold(user)); red.Attempts[0].User != want || red.Attempts[2].User != want || red.Findings[0].Users[0] != want {
			t.Fatalf("the person has several names: %q, %q, %q; want %q", red.Attempts[0].User, red.Attempts[2].User, red.Findings[0].Users, want)
		}
		g := red.Findings[0]
		if g.Title != f.Title || g.Means != f.Means || g.Remedy[0].Commands[0] != "C" || g.Source[0] != "S" || g.Count != 3 || g.UserCount != 2 {
			t.Fatalf("what the report says by itself was touched: %+v", g)
		}
	})
}

// asJSON writes v with nothing escaped that a name could hide in.
func asJSON(t interface{ Fatal(...any) }, v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Another key, other pseudonyms; the same key, the same, over reports.
func TestRedactKey(t *testing.T) {
	one := Redact(evidence([]string{"bob"}), testKey).Findings[0].Users[0]
	same := Redact(evidence([]string{"alice", `X\BOB`}, "bob"), testKey).Findings[0].Users[1]
	other := Redact(evidence([]string{"bob"}), []byte("another key")).Findings[0].Users[0]
	if one != same || one == other || !strings.HasPrefix(one, "user-") {
		t.Errorf("bob is %q, in another report %q, with another key %q", one, same, other)
	}
}

// A name of many words, and a text that is nearly that name again and again,
// take time in proportion to the text.
func TestRedactIsNotQuadratic(t *testing.T) {
	name := strings.Repeat("a.", 30_000)
	done := make(chan *diagnose.Report)
	go func() { done <- Redact(evidence([]string{name + "b"}, name+"c", name+"b"), testKey) }()
	select {
	case r := <-done:
		if got := r.Findings[0].Evidence[1].Text; strings.Contains(got, "a.b") || strings.Contains(got, "a.a") {
			t.Errorf("a long name is still there: %.80q", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("not done after 20 s")
	}
}
