package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
)

// shortly is an attempt as a table of a test writes it: verdict, user, from, codes.
func shortly(all []*Attempt) []string {
	var lines []string
	for _, a := range all {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", a.Verdict, a.User, a.From, strings.Join(a.Codes, ","))))
	}
	return lines
}

func expectShortly(t *testing.T, all []*Attempt, want ...string) {
	t.Helper()
	if got := shortly(all); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func pfrad(second, thread int, message string) string {
	return fmt.Sprintf("2024-05-02T08:00:%02d.000001Z|0|2210|%d|pfrad|%s\n", second, thread, message)
}

func TestAzureRadiusJoinsLinesByThread(t *testing.T) {
	all := readAll(t, azureRadiusFormat,
		pfrad(1, 1, "Calling pfAuthUser('CONTOSO\\alice', '', 1)")+
			pfrad(2, 2, "Calling pfAuthUser(‘CONTOSO\\o'brien’, ”, 1)")+
			pfrad(3, 2, "authResult = 1")+
			pfrad(3, 2, "rawCallStatus = 21")+
			pfrad(4, 2, "Calling pfAuthUser('eve@contoso.com', '', 1)")+ // the thread is used again
			pfrad(5, 1, "rawCallStatus = 133")+ // in the other order
			pfrad(5, 1, "authResult = 0")+
			pfrad(6, 2, "authResult = 0")+
			pfrad(6, 2, "rawCallStatus = 20"))
	expectShortly(t, all,
		`accepted CONTOSO\o'brien  azure-mfa:21`,
		`refused CONTOSO\alice  azure-mfa:133`,
		`challenged eve@contoso.com  azure-mfa:20`,
	)
	if a := all[0]; a.End.Sub(a.Time) != time.Second || a.ZoneAssumed || a.Method != "mobile app" || a.Stage != auth.StageAnswer || len(a.Lines) != 3 {
		t.Errorf("the first attempt is %+v", a)
	}
}

func TestAzureRadiusWithMissingLines(t *testing.T) {
	tests := []struct {
		name  string
		lines string
		want  []string
	}{
		{"no beginning", pfrad(1, 1, "authResult = 1") + pfrad(1, 1, "rawCallStatus = 6"), []string{"accepted   azure-mfa:6"}},
		{"no end", pfrad(1, 1, "Calling pfAuthUser('a', '', 1)"), []string{"abandoned a"}},
		{"two beginnings", pfrad(1, 1, "Calling pfAuthUser('a', '', 1)") + pfrad(2, 1, "Calling pfAuthUser('b', '', 1)"), []string{"abandoned a", "abandoned b"}},
		{"only the result", pfrad(1, 1, "Calling pfAuthUser('a', '', 1)") + pfrad(2, 1, "authResult = 0"), []string{"refused a"}},
		{"only the status, a failure", pfrad(1, 1, "rawCallStatus = 14"), []string{"refused   azure-mfa:14"}},
		{"only the status, a conditional one", pfrad(1, 1, "rawCallStatus = 2"), []string{"abandoned   azure-mfa:2"}},
		{"two results on one thread", pfrad(1, 1, "authResult = 0") + pfrad(2, 1, "authResult = 1"), []string{"refused", "accepted"}},
		{"status 1 is what authResult says", pfrad(1, 1, "authResult = 0") + pfrad(2, 1, "rawCallStatus = 1"), []string{"refused   azure-mfa:1"}},
		{"a number that nobody knows", pfrad(1, 1, "authResult = 0") + pfrad(2, 1, "rawCallStatus = 777"), []string{"refused   azure-mfa:777,azure-mfa:other"}},
		{"149 is known", pfrad(1, 1, "authResult = 0") + pfrad(2, 1, "rawCallStatus = 149"), []string{"refused   azure-mfa:149"}},
		{"a negative status", pfrad(1, 1, "authResult = 0") + pfrad(2, 1, "rawCallStatus = -101"), []string{"refused   azure-mfa:-101"}},
		{"a user name that is cut off", pfrad(1, 1, "Calling pfAuthUser('CONTOSO\\al"), []string{`abandoned CONTOSO\al`}},
		{"not a number", pfrad(1, 1, "authResult = yes"), nil},
		{"another component", strings.Replace(pfrad(1, 1, "authResult = 1"), "|pfrad|", "|pfsvc|", 1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectShortly(t, readAll(t, azureRadiusFormat, tt.lines), tt.want...) })
	}
}

func TestAzureServerLines(t *testing.T) {
	const head = "2024-05-02T08:00:00.1Z|0|1|2|pfsvc|"
	tests := []struct {
		name, line string
		want       []string
	}{
		{"succeeded", head + `Pfauth succeeded for user 'C\alice' from 10.0.0.7:50122. Call status: SUCCESS_PHONE_APP_AUTHENTICATED - "Mobile App Authenticated".`, []string{`accepted C\alice 10.0.0.7:50122 azure-mfa:21`}},
		{"failed, without address", head + `Pfauth failed for user 'alice'. Call status: FAILED_PHONE_APP_DENIED - "Mobile App Denied".`, []string{"refused alice  azure-mfa:129"}},
		{"distinguished name", head + `Pfauth failed for user 'CN=Bob Low,DC=c' (distinguishedName format) from 10.0.0.7. Call status: 14 - "User is Blocked".`, []string{"refused CN=Bob Low,DC=c 10.0.0.7 azure-mfa:14"}},
		{"by description", head + `Pfauth failed for user 'a'. Call status: NEW_ONE - "Account Locked".`, []string{"refused a  azure-mfa:105"}},
		{"a constant without number", head + `Pfauth failed for user 'a'. Call status: FAILED_OATH_TOKEN_TIMEOUT - "x".`, []string{"refused a  azure-mfa:FAILED_OATH_TOKEN_TIMEOUT"}},
		{"a constant that nobody knows", head + `Pfauth failed for user 'a'. Call status: WHATEVER - "x".`, []string{"refused a  azure-mfa:WHATEVER,azure-mfa:other"}},
		{"sent, not answered", head + `Pfauth failed for user 'a'. Call status: SUCCESS_SMS_SENT - "Text Message Sent".`, []string{"challenged a  azure-mfa:20"}},
		{"first factor", head + `Failed Windows auth for user 'a' from 10.0.0.8. Logon failure: unknown user name or bad password. (1326)`, []string{"refused a  azure-mfa:logon-failure"}},
		{"syslog", `Nov 21 08:12:40 mfa01 pfsvc: Pfauth failed for user 'a'. Call status: 138 - "OATH Code Incorrect".`, []string{"refused a  azure-mfa:138"}},
		{"host only", `mfa01 pfsvc: Pfauth failed for user 'a'. Call status: 138 - "OATH Code Incorrect".`, []string{"refused a  azure-mfa:138"}},
		{"message only", `Pfauth failed for user 'a'. Call status: 138 - "OATH Code Incorrect".`, []string{"refused a  azure-mfa:138"}},
		{"cut off", head + `Pfauth failed for user 'a`, []string{"refused a"}},
		{"user change", head + `User "bob" was added.`, nil},
		{"upgrade", "Completed performing tasks to upgrade from 23 to 24", nil},
		{"a pattern of a parser", `Pfauth (?:failed|succeeded) for user '`, nil},
		{"SDK", `{'PfAuthUser_5Result': False,'callResult': {'Code': 149,'Description': 'Direct SDK Not Allowed'}}`, []string{"refused   azure-mfa:149"}},
		{"SDK, SOAP", `<PfAuthUser_5Result>true</PfAuthUser_5Result><callResult><Code>21</Code>`, []string{"accepted   azure-mfa:21"}},
		{"SDK, without a result", `{'PfAuthUser_5Result': None, 'callResult': {}}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectShortly(t, readAll(t, azureServerFormat, tt.line), tt.want...) })
	}
}

func TestAzureServerHostAndTime(t *testing.T) {
	a := readAll(t, azureServerFormat, `<134>1 2026-11-21T08:13:02+01:00 mfa01 pfsvc 2210 - - Pfauth succeeded for user 'eve'. Call status: 6 - "Used Cache".`)[0]
	if a.Host != "mfa01" || a.ZoneAssumed || !a.Time.Equal(time.Date(2026, 11, 21, 7, 13, 2, 0, time.UTC)) {
		t.Errorf("host %q, time %v, assumed %t", a.Host, a.Time, a.ZoneAssumed)
	}
	a = readAll(t, azureServerFormat, `Nov 21 08:13:02 mfa01 pfsvc[7]: Pfauth succeeded for user 'eve'.`)[0]
	if a.Host != "mfa01" || !a.ZoneAssumed || !a.Time.Equal(time.Date(2026, 11, 21, 8, 13, 2, 0, time.UTC)) {
		t.Errorf("host %q, time %v, assumed %t", a.Host, a.Time, a.ZoneAssumed)
	}
}

// Each of the 72 statuses has a cause that says what it means, and none speaks of
// this program to the people of another.
func TestEachAzureStatusHasItsCause(t *testing.T) {
	n := 0
	means := map[string]string{}
	for _, m := range auth.Catalogue() {
		if m.Outcome > 141 {
			continue
		}
		n++
		c := CauseByID("azure-mfa-" + m.Name)
		if c == nil {
			t.Errorf("status %d has no cause", m.Outcome)
			continue
		}
		if other := means[c.Means]; other != "" {
			t.Errorf("%s says the same as %s: %s", c.ID, other, c.Means)
		}
		means[c.Means] = c.ID
		if !strings.Contains(c.Title, strconv.Itoa(int(m.Outcome))) || c.MFAAtFault != m.AtFault {
			t.Errorf("%s: %q, at fault %t", c.ID, c.Title, c.MFAAtFault)
		}
		text := c.Title + c.Means
		for _, s := range c.Remedy {
			text += s.Text
		}
		for _, ours := range []string{"allyport", "the trace", "The trace", "Tell the caller", "  "} {
			if strings.Contains(text, ours) {
				t.Errorf("%s speaks of this program (%q): %s", c.ID, ours, text)
			}
		}
		if len(c.Means) < 60 {
			t.Errorf("%s says little: %s", c.ID, c.Means)
		}
	}
	if n != 72 {
		t.Errorf("%d statuses; want 72", n)
	}
}

// A status is a finding only if the login was refused, and then exactly one.
func TestAzureStatusIsJudgedByItsResult(t *testing.T) {
	for _, m := range auth.Catalogue() {
		if m.Outcome > 141 {
			continue
		}
		status := strconv.Itoa(int(m.Outcome))
		_, accepted := diagnosed(t, "a", pfrad(1, 1, "Calling pfAuthUser('a', '', 1)")+pfrad(2, 1, "authResult = 1")+pfrad(2, 1, "rawCallStatus = "+status))
		if len(accepted.Findings) != 0 {
			t.Errorf("status %s with authResult = 1 finds %q", status, causesOf(accepted))
		}
		_, refused := diagnosed(t, "a", pfrad(1, 1, "Calling pfAuthUser('a', '', 1)")+pfrad(2, 1, "authResult = 0")+pfrad(2, 1, "rawCallStatus = "+status))
		if got := causesOf(refused); len(got) != 1 || got[0] == "unexplained" {
			t.Errorf("status %s with authResult = 0 finds %q", status, got)
		}
	}
}

func TestFirstQuoted(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"'a', '', 1)", "a"}, {"‘Domain\\a’, ”, 1)", "Domain\\a"}, {"'o'brien', ''", "o'brien"}, {"'o''', ''", "o''"}, {`"x"`, "x"}, {"no quotes", ""}, {"'open", "open"}, {"''", ""}, {"", ""},
	} {
		if got := firstQuoted(tt.in); got != tt.want {
			t.Errorf("firstQuoted(%s) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzAzureRadius(f *testing.F) {
	f.Add(pfrad(1, 1, "Calling pfAuthUser('a', '', 1)") + pfrad(2, 1, "authResult = 1") + pfrad(2, 1, "rawCallStatus = 21"))
	f.Add(pfrad(1, 1, "rawCallStatus = 2") + pfrad(1, 1, "rawCallStatus = 2"))
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, azureRadiusFormat, text) {
			if len(a.Lines) > 3 {
				t.Errorf("an attempt of %d lines", len(a.Lines))
			}
		}
	})
}

func FuzzAzureServer(f *testing.F) {
	f.Add(`2024-05-02T08:00:00.1Z|0|1|2|pfsvc|Pfauth failed for user 'a' from 10.0.0.7. Call status: 14 - "User is Blocked".`)
	f.Add(`{'PfAuthUser_5Result': False,'callResult': {'Code': 149,'Description': 'Direct SDK Not Allowed'}}`)
	f.Add(`mfa01 pfsvc: Failed x auth for user 'a'. Logon failure: no`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, azureServerFormat, text) {
			if len(a.Lines) != 1 || !strings.Contains(a.Lines[0].Text, a.User) {
				t.Errorf("%d lines, user %q", len(a.Lines), a.User)
			}
		}
	})
}
