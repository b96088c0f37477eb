package report

import (
	"fmt"
	"time"

	"sallyport/diagnose"
)

// hostile is what somebody may write into a log who hopes that it is read in a
// browser.
const hostile = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\u2066\u200b\x00\xff'\"><img src=https://evil.example/x onerror=alert(1)>"

// sample is a report with something in every field: a day at a site where one
// server cannot speak TLS 1.2, some people mistype, and a client gives up early.
func sample() *diagnose.Report {
	start := time.Date(2026, 3, 4, 6, 0, 0, 0, time.UTC)
	r := &diagnose.Report{
		Schema: "sallyport-diagnosis/1",
		Made:   start.Add(12 * time.Hour),
		Files: []diagnose.FileSummary{
			{Name: "bundle.zip!logs/OktaWidget.log", Formats: map[string]int{"okta-widget": 1820, "okta-cp": 4}, Encoding: "UTF-16LE", Lines: 1902, Bytes: 812_233},
			{Name: `C:\Users\bob.smith\Desktop\MultiFactorAuthRadiusSvc.log`, Formats: map[string]int{"azure-mfa-radius": 912}, Encoding: "UTF-8", Lines: 912, Bytes: 99_120},
			{Name: "photo.jpg", Formats: map[string]int{}, Encoding: "binary", Lines: 12, Bytes: 4211},
			{Name: "bundle.zip!logs/broken.evtx", Formats: map[string]int{}, Encoding: "EVTX", Error: "the file ends in the middle of a record"},
		},
		Warnings: []string{
			"OktaWidget.log does not say in which zone its times are; they were read as UTC.",
			"12 lines of OktaWidget.log were longer than 65536 octets; the rest of each was passed over.",
		},
	}
	users := []string{`CORP\alice`, `CORP\bob.smith`, "carol@corp.example", "dave", "erin@corp.example", "frank"}
	add := func(at time.Duration, n int, v diagnose.Verdict, cause string, codes ...string) {
		for i := range n {
			t := diagnose.Tried{
				Time: start.Add(at + time.Duration(i)*97*time.Second), Product: "okta-widget", User: users[(i*7+int(at/time.Minute))%len(users)],
				Host: "RDS01.corp.example", Client: "vpn-gw", From: fmt.Sprintf("10.20.30.%d", 1+i%40), Method: "push", Stage: "second factor",
				Verdict: v, Codes: codes, File: "bundle.zip!logs/OktaWidget.log", Line: 100 + i*3, ZoneAssumed: i%5 == 0,
			}
			if cause != "" {
				t.Causes = []string{cause}
			}
			r.Attempts = append(r.Attempts, t)
			switch v {
			case diagnose.Accepted:
				r.Totals.Accepted++
			case diagnose.Refused:
				r.Totals.Refused++
			case diagnose.Faulty:
				r.Totals.Faulty++
			case diagnose.Challenged:
				r.Totals.Challenged++
			case diagnose.Abandoned:
				r.Totals.Abandoned++
			}
			r.Totals.Attempts++
		}
	}
	add(0, 60, diagnose.Accepted, "")
	add(2*time.Hour, 140, diagnose.Accepted, "")
	add(3*time.Hour, 90, diagnose.Faulty, "tls-version", "okta-widget:tls")
	add(4*time.Hour, 30, diagnose.Refused, "okta-user-locked", "okta-widget:http-403")
	add(6*time.Hour, 80, diagnose.Accepted, "")
	add(7*time.Hour, 25, diagnose.Abandoned, "prompt-retransmission")
	add(8*time.Hour, 16, diagnose.Challenged, "")
	r.Attempts = append(r.Attempts, diagnose.Tried{
		Product: "okta-cp", User: hostile, Host: hostile, Client: hostile, From: hostile, Method: hostile, Stage: hostile, Verdict: diagnose.Refused,
		Codes: []string{"okta-cp:80004001"}, Causes: []string{"credential-provider-conflict"}, File: hostile, Line: 7,
	})
	r.Totals.Attempts++
	r.Totals.Refused++
	r.Findings = []diagnose.Finding{
		{
			Cause: "tls-version", Title: "The server offers TLS 1.0, and the other side wants TLS 1.2",
			Means:      "The .NET Framework of this host offers TLS 1.0 because strong cryptography is not turned on for it. The service answers the first message with an alert, or resets the connection, and the login ends before anybody is asked for a second factor.",
			Confidence: diagnose.Proven, Why: "the exception names the protocol version alert (70), which means nothing else",
			Count: 90, First: start.Add(3 * time.Hour), Last: start.Add(5*time.Hour + 24*time.Minute),
			Users: users[:4], UserCount: 6, Hosts: []string{"RDS01.corp.example"}, Clients: []string{"vpn-gw"},
			Evidence: []diagnose.Evidence{
				{File: "bundle.zip!logs/OktaWidget.log", Line: 100, Text: "exception thrown is = System.Net.WebException: The request was aborted: Could not create SSL/TLS secure channel.<CR><LF>   at System.Net.HttpWebRequest.GetResponse()<CR><LF>   at OktaWidget.JwtService.GetStateTokenUsingJwt(String username)<CR><LF>   at OktaWidget.OktaWidgetForm..ctor(String username, Int64 parent, Boolean doMfaChallenge)"},
				{File: "bundle.zip!logs/OktaWidget.log", Line: 103, Text: "System.Security.Authentication.AuthenticationException: A call to SSPI failed, see inner exception. user=CORP\\bob.smith\tfrom 10.20.30.4"},
			},
			Who: "Windows administrator of the host",
			Remedy: []diagnose.Step{
				{Text: "Turn strong cryptography on for .NET, 64 and 32 bit, and restart the host.", Commands: []string{
					`reg add HKLM\SOFTWARE\Microsoft\.NETFramework\v4.0.30319 /v SchUseStrongCrypto /t REG_DWORD /d 1 /f`,
					`reg add HKLM\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319 /v SchUseStrongCrypto /t REG_DWORD /d 1 /f`,
				}},
				{Text: "If a group policy sets the value back, change it there."},
			},
			Verify: []diagnose.Step{{Text: "Look at what the service accepts, and log in once.", Commands: []string{"sallyport check https://TENANT.okta.com"}}},
			Source: []string{"https://learn.microsoft.com/dotnet/framework/network-programming/tls", "RFC 8446, Section 4.2.1"},
		},
		{
			Cause: "okta-user-locked", Title: "Okta refuses the person: the account is locked", Means: "Okta answered 403.",
			Confidence: diagnose.Likely, Why: "403 is nearly always this, and a policy can say it too", MFAAtFault: true, Count: 30,
			First: start.Add(4 * time.Hour), Last: start.Add(5 * time.Hour), Users: []string{"dave"}, UserCount: 1,
			Evidence: []diagnose.Evidence{{File: hostile, Line: 7, Text: hostile}},
			Who:      "Okta administrator", Remedy: []diagnose.Step{{Text: "Unlock the account."}}, Verify: []diagnose.Step{{Text: "Let the person log in."}},
			Source: []string{"https://help.okta.com/", "javascript:alert(1)"},
		},
		{
			Cause: "prompt-retransmission", Title: "People are asked twice because the client sends its request again too soon", Means: "The client repeats its request.",
			Confidence: diagnose.Possible, Why: "the log has no identifier of the request", Note: true, Count: 25,
			First: start.Add(7 * time.Hour), Last: start.Add(8 * time.Hour), Who: "administrator of the RADIUS client",
			Evidence: []diagnose.Evidence{{File: "radius.log", Line: 3, Text: "word " + long("x", 3000)}},
			Remedy:   []diagnose.Step{{Text: "Set the time-out of the client to 60 s."}}, Verify: nil, Source: nil,
		},
	}
	return r
}

func long(s string, n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		b = append(b, s...)
	}
	return string(b)
}
