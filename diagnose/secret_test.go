package diagnose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestWithoutSecrets(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	tests := []struct{ name, line, want string }{
		// FreeRADIUS
		{"a logged password", "Auth: (3) Login incorrect (pap: wrong): [alice/p]w: [x] (from client vpn port 5 cli 10.0.0.1)", "Auth: (3) Login incorrect (pap: wrong): [alice/[not shown]] (from client vpn port 5 cli 10.0.0.1)"},
		{"one with the end of a reason in it", "Login incorrect: [alice/x): [y] (from client vpn port 5)", "Login incorrect: [alice/[not shown]] (from client vpn port 5)"},
		{"one that is cut", "Login OK: [alice/hunter2", "Login OK: [alice/[not shown]"},
		{"one of a machine", "Login OK: [host/pc.example.org/hunter2] (from client wifi port 0)", "Login OK: [host/pc.example.org/[not shown]] (from client wifi port 0)"},
		{"a machine without one", "Login OK: [host/pc.example.org] (from client wifi port 0)", "Login OK: [host/pc.example.org] (from client wifi port 0)"},
		{"what FreeRADIUS writes for none", "Login OK: [bob/<via Auth-Type = eap>] (from client wifi port 0)", "Login OK: [bob/<via Auth-Type = eap>] (from client wifi port 0)"},
		{"a password that looks like that", "Login OK: [bob/<via Auth-Type = x> y] (from client wifi port 0)", "Login OK: [bob/[not shown]] (from client wifi port 0)"},
		{"too many logins", "Multiple logins (max 1) : [alice/hunter2] (from client vpn port 5)", "Multiple logins (max 1) : [alice/[not shown]] (from client vpn port 5)"},
		{"debug output", `(0)   User-Password = "hunter2"`, `(0)   User-Password = "[not shown]"`},
		{"a quote in it", `(0)   User-Password = "hun\"ter2"`, `(0)   User-Password = "[not shown]"`},
		{"the known good one", `alice Cleartext-Password := "hunter2"`, `alice Cleartext-Password := "[not shown]"`},
		{"a hash", "(0)   control:NT-Password = 0x8846f7eaee8fb117ad06bdd830b7586c", "(0)   control:NT-Password = [not shown]"},
		{"a response", "(0)   MS-CHAP2-Response = 0x0001deadbeef", "(0)   MS-CHAP2-Response = [not shown]"},
		{"version 2", `[pap] login attempt with password "hunter2"`, `[pap] login attempt with password "[not shown]"`},
		{"a program's argument", "Executing: ntlm_auth --username=bob --nt-response=aabb --password=hunter2 :", "Executing: ntlm_auth --username=bob --nt-response=[not shown] --password=[not shown] :"},
		{"a client's secret", `    secret = "testing123"`, `    secret = "[not shown]"`},
		// privacyIDEA
		{"a dictionary", `Entering get_user_from_param with arguments ({'pass': '123456', 'user': 'alice'},) and keywords {}`, `Entering get_user_from_param with arguments ({'pass': '[not shown]', 'user': 'alice'},) and keywords {}`},
		{"a string of Python 2", `{u'pass': u'123456', u'user': u'alice'}`, `{u'pass': u'[not shown]', u'user': u'alice'}`},
		{"positions", `Entering check_pin with arguments ('hunter2',) and keywords {'otpval': '123456'}`, `Entering check_pin with arguments ([not shown]) and keywords {'otpval': '[not shown]'}`},
		{"a result", `Exiting split_pin_pass with result (True, 'hunter2', '123456')`, `Exiting split_pin_pass with result [not shown]`},
		{"the result of a check", `Exiting check_user_pass with result (False, {'message': 'wrong otp pin'})`, `Exiting check_user_pass with result (False, {'message': 'wrong otp pin'})`},
		{"a form", "GET /validate/check?user=bob&pass=hunter2&realm=x HTTP/1.1", "GET /validate/check?user=bob&pass=[not shown]&realm=x HTTP/1.1"},
		{"a database", "connecting to mysql://pi:hunter2@db.example.org/pi", "connecting to mysql://pi:[not shown]@db.example.org/pi"},
		// multiOTP
		{"a command", "debug\t\tDebug\tDebug: *parameter(s) received: -log test3 533836", "debug\t\tDebug\tDebug: *parameter(s) received: [not shown]"},
		{"what was typed", "User *(authentication typed by the user is 123456)", "User *(authentication typed by the user is [not shown]"},
		{"how it was typed", "User *(authentication typed by the user is 13 chars long instead of 6 chars)", "User *(authentication typed by the user is 13 chars long instead of 6 chars)"},
		{"how it was encrypted", "Info: *(authentication typed by the user is CHAP encrypted) from 10.10.20.73", "Info: *(authentication typed by the user is CHAP encrypted) from 10.10.20.73"},
		// Duo and Okta
		{"the keys of Duo", "ikey=DIABCDEFGHIJKLMNOPQR skey=abcdefgh12345678 api_host=api-x.duosecurity.com", "ikey=DIABCDEFGHIJKLMNOPQR skey=[not shown] api_host=api-x.duosecurity.com"},
		{"JSON", `{"user":"bob","passcode":"123456","factor":"passcode"}`, `{"user":"bob","passcode":"[not shown]","factor":"passcode"}`},
		{"JSON in JSON", `{"body":"{\"password\":\"hunter2\",\"user\":\"bob\"}"}`, `{"body":"{\"password\":\"[not shown]\",\"user\":\"bob\"}"}`},
		{"a number in JSON", `{"otp":123456,"user":"bob"}`, `{"otp":[not shown],"user":"bob"}`},
		{"a client secret", "client secret: abcDEF, client ID: 0oa1", "client secret: [not shown] client ID: 0oa1"},
		{"a client secret of .NET", `ClientSecret = 'abcDEF'`, `ClientSecret = '[not shown]'`},
		{"Okta's own scheme", "Authorization: SSWS 00abcDEF_x", "Authorization: [not shown]"},
		{"a token", "got " + jwt + " for bob", "got [not shown] for bob"},
		// HTTP
		{"basic", "Authorization: Basic YWxpY2U6aHVudGVyMg==<CR><LF>Host: x", "Authorization: [not shown]<CR><LF>Host: x"},
		{"bearer without its header", "with Bearer abc123DEF456 as bob", "with Bearer [not shown] as bob"},
		{"digest", `Authorization: Digest username="bob", response="6629fae4"`, `Authorization: [not shown]`},
		{"the word basic", "Basic authentication is off; Negotiate authentication failed", "Basic authentication is off; Negotiate authentication failed"},
		{"a cookie", "Cookie: sid=abc; x=y", "Cookie: [not shown]"},
		{"a URL", "https://x/cb?code=abc&state=s#f", "https://x/cb?code=[not shown]&state=s#f"},
		{"an escaped URL", "redirect=https%3A%2F%2Fx%3Faccess_token%3Dabc", "redirect=https%3A%2F%2Fx%3Faccess_token%3D[not shown]"},
		// Windows
		{"XML", `<Data Name="Password">hunter2</Data><Data Name="User">bob</Data>`, `<Data Name="Password">[not shown]</Data><Data Name="User">bob</Data>`},
		{"a setting", `<add key="SharedSecret" value="hunter2" />`, `<add key="SharedSecret" value="[not shown]" />`},
		{"escaped XML", `&lt;pin&gt;1234&lt;/pin&gt;`, `&lt;pin&gt;[not shown]&lt;/pin&gt;`},
		{"a code", "Sent the code 123456 to the phone", "Sent the code [not shown] to the phone"},
		{"an OTP", "OTP entered: 123456.", "OTP entered: [not shown]."},
		{"a number of an error", "failed with error code 11001234", "failed with error code 11001234"},
		{"a key", "x -----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY----- y", "x [not shown] y"},
		{"a key that is cut", "x -----BEGIN PRIVATE KEY-----", "x [not shown]"},
		// No secrets
		{"a refusal", "Failed password for invalid user bob from 192.0.2.8 port 4 ssh2", "Failed password for invalid user bob from 192.0.2.8 port 4 ssh2"},
		{"a function", "SupportLib.LoadAppSecret: Failed to load secret.: Element not found.", "SupportLib.LoadAppSecret: Failed to load secret.: Element not found."},
		{"a sentence", "The shared secret is incorrect. unknown user name or bad password. (1326)", "The shared secret is incorrect. unknown user name or bad password. (1326)"},
		{"an outcome", `"outcome":"password-wrong","code":1301`, `"outcome":"password-wrong","code":1301`},
		{"a reason", "Reason Code: 16 Reason: Authentication failed", "Reason Code: 16 Reason: Authentication failed"},
		{"an address", "https://login.microsoftonline.com:443/x@y", "https://login.microsoftonline.com:443/x@y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := withoutSecrets(tt.line)
			if got != tt.want {
				t.Errorf("withoutSecrets(%q)\n got %q\nwant %q", tt.line, got, tt.want)
			}
			if again := withoutSecrets(got); again != got {
				t.Errorf("a second time: %q; want %q", again, got)
			}
		})
	}
}

// secretForms are how products write a secret, %s, into a log.
var secretForms = []string{
	"Sun Nov 22 13:01:02 2026 : Auth: (12) Login incorrect (pap: Cleartext password does not match): [alice/%s] (from client vpn port 5 cli 10.1.2.3)",
	"Sun Nov 22 13:01:02 2026 : Auth: (12) Login incorrect: [alice/%s] (from client vpn port 5 cli 10.1.2.3)",
	"Sun Nov 22 13:01:02 2026 : Auth: (12) Login incorrect: [host/pc.example.org/%s] (from client vpn port 5 cli 10.1.2.3)",
	"Sun Nov 22 13:01:02 2026 : Error: (12) Shared secret is incorrect. User-Password = \"%s\"",
	"(12) ERROR: pap: Cleartext-Password := \"%s\" does not match",
	"(12) ERROR: mschap: NT-Password = %s, MS-CHAP2-Response = %s",
	"[2026-03-02 09:12:43,102][1234][141][DEBUG][privacyidea.lib.user:174] Entering get_user_from_param with arguments ({'pass': '%s', 'user': 'alice'},) and keywords {}",
	"[2026-03-02 09:12:43,102][1234][141][ERROR][privacyidea.app:1414] Exception on /validate/check?user=alice&pass=%s [POST]",
	"[2026-03-02 09:12:43,102][1234][141][DEBUG][privacyidea.lib.token:1] Entering check_user_pass with arguments ('alice', '%s') and keywords {'passw': '%s'} The request was aborted: Could not create SSL/TLS secure channel.",
	"LOG 2023-05-23 15:14:10 warning (user bob) User Error: authentication failed for user bob, pass=%s",
	"LOG 2023-05-23 15:14:10 warning (user bob) User *(authentication typed by the user: %s)",
	"LOG 2023-05-23 15:14:10 debug Debug Debug: *parameter(s) received: -log bob %s",
	"Could not create SSL/TLS secure channel. https://api.example.org/token?client_secret=%s&access_token=%s",
	"Could not create SSL/TLS secure channel. https://bob:%s@example.org/",
	"Could not create SSL/TLS secure channel. Authorization: Bearer %s",
	"Could not create SSL/TLS secure channel. {\"password\":\"%s\",\"clientSecret\": \"%s\"}",
	"Could not create SSL/TLS secure channel. {\\\"password\\\":\\\"%s\\\"}",
	"Could not create SSL/TLS secure channel. skey=%s ikey=DI",
	"Could not create SSL/TLS secure channel. client secret: %s",
	"Could not create SSL/TLS secure channel. -----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----",
	"Could not create SSL/TLS secure channel. <Data Name='Password'>%s</Data>",
	"Could not create SSL/TLS secure channel. otp=%s passcode: %s",
	"Failed password for bob from 192.0.2.8 port 4 ssh2 password \"%s\"",
}

// TestSecretsStayInTheLog plants passwords and codes in every form in every
// format's log, and looks for them in all that a report holds.
func TestSecretsStayInTheLog(t *testing.T) {
	lines := sampleLines(t)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var planted []string
		for range rapid.IntRange(1, 20).Draw(t, "lines") {
			line := rapid.SampledFrom(lines).Draw(t, "line")
			secret := "K" + rapid.StringMatching(`[a-zA-Z0-9!$%*+._~-]{6,30}`).Draw(t, "secret") + "7Q"
			form := rapid.SampledFrom(secretForms).Draw(t, "form")
			planted = append(planted, secret)
			form = strings.ReplaceAll(form, "%s", secret)
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				text.WriteString(form)
			case 1:
				text.WriteString(line + " " + form)
			case 2:
				text.WriteString(strings.Repeat(".", rapid.IntRange(900, 1100).Draw(t, "before")) + form)
			case 3:
				text.WriteString(form + "\n" + line)
			}
			text.WriteByte('\n')
		}
		d := New(Options{Now: sampleTime, Attempt: func(a Tried) { noneIn(t, planted, a) }})
		readText(t, d, "x.log", text.String())
		noneIn(t, planted, d.Report())
		for _, k := range d.kept {
			for _, l := range k.attempt.Lines {
				noneIn(t, planted, l.Text)
			}
		}
	})
}

// noneIn checks that no secret is in what v is as JSON.
func noneIn(t rapid.TB, secrets []string, v any) {
	t.Helper()
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(raw.String(), s) {
			t.Fatalf("%s is in %s", s, raw.String())
		}
	}
}

// TestBasicCredentialsAreSecret: what base64 hides from a reader of the line it
// does not hide from anybody else.
func TestBasicCredentialsAreSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := base64.StdEncoding.EncodeToString([]byte("alice:" + rapid.StringN(4, 40, -1).Draw(t, "password")))
		for _, form := range []string{"Authorization: Basic %s", "sent Basic %s to it", `"authorization": "Basic %s"`} {
			if got := withoutSecrets(fmt.Sprintf(form, secret)); strings.Contains(got, secret) {
				t.Fatalf("%q", got)
			}
		}
	})
}

// TestEvidenceStaysEvidence: what is taken out of a line is never what proves the
// finding.
func TestEvidenceStaysEvidence(t *testing.T) {
	for _, b := range sampleBlocks(t) {
		_, r := diagnosed(t, b.id, b.text)
		for _, f := range r.Findings {
			c := CauseByID(f.Cause)
			for _, e := range f.Evidence {
				at := e.Line - 1
				raw := strings.Split(b.text, "\n")[at]
				for _, s := range c.Signs {
					if s.Text != "" && containsFold(raw, s.Text) && len(raw) <= maxText && !containsFold(e.Text, s.Text) {
						t.Errorf("%s: %s is not seen any more in %q, once %q", b.id, s.Text, e.Text, raw)
					}
				}
			}
		}
	}
}

func FuzzWithoutSecrets(f *testing.F) {
	for _, line := range sampleLines(f) {
		f.Add(line)
	}
	for _, form := range secretForms {
		f.Add(strings.ReplaceAll(form, "%s", "hunter2/]'\" x"))
	}
	f.Add("password=[not shown]x pass:[not shown")
	f.Fuzz(func(t *testing.T, line string) {
		got := withoutSecrets(line)
		if len(got) > 4*len(line) {
			t.Errorf("%d octets of %d", len(got), len(line))
		}
		if again := withoutSecrets(got); again != got {
			t.Errorf("not the same the second time:\n%q\n%q\n%q", line, got, again)
		}
		if utf8.ValidString(line) && !utf8.ValidString(got) {
			t.Errorf("no UTF-8: %q", got)
		}
	})
}

func BenchmarkWithoutSecrets(b *testing.B) {
	lines := sampleLines(b)
	octets := 0
	for _, l := range lines {
		octets += len(l)
	}
	b.SetBytes(int64(octets))
	for b.Loop() {
		for _, l := range lines {
			withoutSecrets(l)
		}
	}
}

// TestSecretsAreFoundInOnePassCampaign: a line of nothing but words that give a secret
// away takes no longer by the octet than a short one.
func TestSecretsAreFoundInOnePassCampaign(t *testing.T) {
	words := []string{"Login incorrect (", "): [", ": [x", "eyJ", "eyJa ", "-----BEGIN ", "BEGIN PRIVATE KEY----- -----", "Entering x with arguments (", "Exiting check with result "}
	for _, w := range secretWords {
		words = append(words, w.text)
	}
	for _, w := range words {
		for _, tie := range []string{"", " ", "=", ": ", ">", ">\"", " \"", "='", "&", "?", " is ", "=\\\"", "    "} {
			line := strings.Repeat(w+tie, 64<<10/len(w+tie))
			took := time.Hour
			for range 5 { // of which the quickest counts: other work must not decide
				start := time.Now()
				withoutSecrets(line)
				if took = min(took, time.Since(start)); took < 20*time.Millisecond {
					break
				}
			}
			// A pass takes a fraction of a millisecond, and the square of it a second.
			if took > 100*time.Millisecond {
				tooSlow(t, "%q repeated to 64 KiB takes %v", w+tie, took)
			}
		}
	}
}
