package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/diagnose"
	"sallyport/intake"
)

// TestSecretsStayOutOfThePage plants passwords in the lines that prove findings,
// and looks for them in the page and in the copy without names.
func TestSecretsStayOutOfThePage(t *testing.T) {
	forms := []string{
		"Sun Nov 22 13:01:02 2026 : Auth: (%d) Login incorrect (pap: Cleartext password does not match): [alice/%s] (from client vpn port 5 cli 10.1.2.3)",
		"Sun Nov 22 13:01:02 2026 : Error: (%d) Shared secret is incorrect. User-Password = \"%s\"",
		"2026-11-22 10:00:00 %d Could not create SSL/TLS secure channel. https://id.example.org/token?client_secret=%s&x=y",
		"2026-11-22 10:00:00 %d Could not create SSL/TLS secure channel. Authorization: Bearer %s",
		"[2026-03-02 09:12:43,102][1234][%d][ERROR][privacyidea.app:1414] Exception on /validate/check?user=alice&pass=%s [POST]",
		"LOG 2023-05-23 15:14:10 warning (user u%d) User Error: authentication failed for user bob, pass=%s",
	}
	rapid.Check(t, func(t *rapid.T) {
		var log strings.Builder
		var planted []string
		for i := range rapid.IntRange(1, 10).Draw(t, "lines") {
			secret := "K" + rapid.StringMatching(`[a-zA-Z0-9!$%*+._~-]{6,30}`).Draw(t, "secret") + "7Q"
			planted = append(planted, secret)
			log.WriteString(fmt.Sprintf(rapid.SampledFrom(forms).Draw(t, "form"), i, secret) + "\n")
		}
		d := diagnose.New(diagnose.Options{Now: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)})
		if err := d.Read(t.Context(), intake.Text("x.log", log.String())); err != nil {
			t.Fatal(err)
		}
		r := d.Report()
		if len(r.Findings) == 0 {
			t.Fatalf("nothing was found in %s", log.String())
		}
		for _, shown := range []*diagnose.Report{r, Redact(r, []byte("key"))} {
			var page strings.Builder
			if err := HTML(&page, shown, Options{}); err != nil {
				t.Fatal(err)
			}
			for _, s := range planted {
				if strings.Contains(page.String(), s) || strings.Contains(page.String(), strings.ReplaceAll(s, "+", "&#43;")) {
					t.Fatalf("%s is in the page for\n%s", s, log.String())
				}
			}
		}
	})
}

// TestPageOfImpossibleTimes: a log whose clocks are of no calendar gives a page
// all the same.
func TestPageOfImpossibleTimes(t *testing.T) {
	var log strings.Builder
	for _, at := range []string{"0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "2026-11-22T10:01:09+99:59", "1970-01-01T00:00:00Z", "2260-12-31T23:59:59Z", "1972-01-01T00:00:00Z"} {
		log.WriteString(at + " gate sshd[812]: Failed password for bob from 192.0.2.8 port 40113 ssh2\n")
		log.WriteString(at + " gate sshd[812]: Connection closed by authenticating user bob 192.0.2.8 port 40113 [preauth]\n")
	}
	d := diagnose.New(diagnose.Options{Now: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)})
	if err := d.Read(t.Context(), intake.Text("x.log", log.String())); err != nil {
		t.Fatal(err)
	}
	r := d.Report()
	if len(r.Findings) == 0 {
		t.Fatal("nothing was found")
	}
	var page strings.Builder
	if err := HTML(&page, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), r.Findings[0].Title) {
		t.Error("the page does not name what was found")
	}
}
