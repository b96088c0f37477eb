package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// npsMessage is the rendered message of a Security event of NPS.
func npsMessage(id int, user, reason string) string {
	first := map[int]string{6272: "granted access to a user.", 6273: "denied access to a user.", 6274: "discarded the request for a user."}[id]
	s := "Network Policy Server " + first + "\n\nContact the Network Policy Server administrator for more information.\n\n" +
		"User:\n\tSecurity ID:\t\t\tNULL SID\n\tAccount Name:\t\t\t" + user + "\n\tAccount Domain:\t\t\tCONTOSO\n\tFully Qualified Account Name:\tCONTOSO\\" + user +
		"\n\nClient Machine:\n\tAccount Name:\t\t\t-\n\tCalling Station Identifier:\t\t203.0.113.9\n\nNAS:\n\tNAS IPv4 Address:\t\t10.0.0.5\n\nRADIUS Client:\n\tClient Friendly Name:\t\tVPN01\n\tClient IP Address:\t\t\t10.0.0.5\n\n" +
		"Authentication Details:\n\tNetwork Policy Name:\t\tVPN\n\tAuthentication Server:\t\tNPS01.contoso.com\n\tAuthentication Type:\t\tPAP\n"
	if reason != "" {
		return s + "\tReason Code:\t\t\t" + reason + "\n\tReason:\t\t\t\tsomething, \"quoted\" or not"
	}
	return s + "\nQuarantine Information:\n\tResult:\t\t\t\tFull Access\n\tSession Identifier:\t\t\t-"
}

// npsXML is such an event as an event log file gives it.
func npsXML(id int, user, reason string) string {
	s := fmt.Sprintf(`<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Microsoft-Windows-Security-Auditing" Guid="{54849625-5478-4994-A5BA-3E3B0328C30D}"/><EventID>%d</EventID><TimeCreated SystemTime="2026-11-20T13:01:02.495859700Z"/><Channel>Security</Channel><Computer>NPS01.contoso.com</Computer><Security/></System><EventData><Data Name="SubjectUserName">%s</Data><Data Name="SubjectDomainName">CONTOSO</Data><Data Name="FullyQualifiedSubjectUserName">CONTOSO\%s</Data><Data Name="CallingStationID">203.0.113.9</Data><Data Name="ClientName">VPN01</Data><Data Name="ClientIPAddress">10.0.0.5</Data>`, id, user, user)
	if reason != "" {
		s += `<Data Name="ReasonCode">` + reason + `</Data><Data Name="Reason">a &lt;text&gt;</Data>`
	}
	return s + "</EventData></Event>"
}

// The same event gives the same attempt in every form of export.
func TestNPSEventInEveryForm(t *testing.T) {
	const shown = "refused CONTOSO\\bob 203.0.113.9 nps-reason:16"
	doubled := strings.ReplaceAll(npsMessage(6273, "bob", "16"), `"`, `""`)
	tests := []struct {
		name, text    string
		host          string
		time          string
		assumed       bool
		linesAtLeast  int
		acceptedFirst bool // alice's 6272 before it
	}{
		{"XML in one line", npsXML(6273, "bob", "16"), "NPS01.contoso.com", "2026-11-20T13:01:02.4958597Z", false, 1, false},
		{"XML, two in one line", npsXML(6272, "alice", "") + npsXML(6273, "bob", "16"), "NPS01.contoso.com", "2026-11-20T13:01:02.4958597Z", false, 1, true},
		{"XML in single quotes", strings.ReplaceAll(npsXML(6273, "bob", "16"), `"`, "'"), "NPS01.contoso.com", "2026-11-20T13:01:02.4958597Z", false, 1, false},
		{"XML in many lines", strings.ReplaceAll(npsXML(6272, "alice", "")+npsXML(6273, "bob", "16"), "><", ">\n  <"), "NPS01.contoso.com", "2026-11-20T13:01:02.4958597Z", false, 5, true},
		{
			"XML with the rendered message", strings.Replace(npsXML(6273, "bob", "16"), "</Event>", "<RenderingInfo Culture='en-US'><Message>"+npsMessage(6273, "bob", "16")+"</Message></RenderingInfo></Event>", 1),
			"NPS01.contoso.com", "2026-11-20T13:01:02.4958597Z", false, 5, false,
		},
		{"message alone", npsMessage(6273, "bob", "16"), "NPS01.contoso.com", "0001-01-01T00:00:00Z", false, 8, false},
		{
			"copied details, with the XML of the same event", "Log Name:      Security\nSource:        Microsoft-Windows-Security-Auditing\nDate:          20/11/2026 13:01:02\nEvent ID:      6273\nComputer:      NPS01\nDescription:\n" +
				npsMessage(6273, "bob", "16") + "\nEvent Xml:\n" + strings.ReplaceAll(npsXML(6273, "bob", "16"), "><", ">\n<"),
			"NPS01", "2026-11-20T13:01:02Z", true, 8, false,
		},
		{
			"Format-List", "\nTimeCreated  : 11/20/2026 1:01:00 PM\nProviderName : Microsoft-Windows-Security-Auditing\nId           : 6272\nMessage      : " + npsMessage(6272, "alice", "") +
				"\n\nTimeCreated  : 11/20/2026 1:01:02 PM\nProviderName : Microsoft-Windows-Security-Auditing\nId           : 6273\nMessage      : " + npsMessage(6273, "bob", "16"),
			"NPS01.contoso.com", "2026-11-20T13:01:02Z", true, 8, true,
		},
		{
			"CSV by Event Viewer", "Keywords,Date and Time,Source,Event ID,Task Category\nAudit Success,11/20/2026 1:01:00 PM,Microsoft-Windows-Security-Auditing,6272,Network Policy Server,\"" + npsMessage(6272, "alice", "") +
				"\"\nAudit Failure,11/20/2026 1:01:02 PM,Microsoft-Windows-Security-Auditing,6273,Network Policy Server,\"" + doubled + "\"\n",
			"NPS01.contoso.com", "2026-11-20T13:01:02Z", true, 8, true,
		},
		{
			"text by Event Viewer", "Keywords\tDate and Time\tSource\tEvent ID\tTask Category\nAudit Failure\t20/11/2026 13:01:02\tMicrosoft-Windows-Security-Auditing\t6273\tNetwork Policy Server\t\"" + doubled + "\"\n",
			"NPS01.contoso.com", "2026-11-20T13:01:02Z", true, 8, false,
		},
		{
			"Export-Csv, message first", `"Message","Id","ProviderName","LogName","MachineName","TimeCreated"` + "\n\"" + npsMessage(6272, "alice", "") + `","6272","x","Security","NPS02","11/20/2026 1:01:00 PM"` +
				"\n\"" + doubled + `","6273","x","Security","NPS02","11/20/2026 1:01:02 PM"` + "\n",
			"NPS02", "2026-11-20T13:01:02Z", true, 8, true,
		},
		{
			"Export-Csv, message last", `"TimeCreated","Id","MachineName","Message"` + "\n" + `"11/20/2026 1:01:02 PM","6273","NPS02","` + doubled + "\"\n",
			"NPS02", "2026-11-20T13:01:02Z", true, 8, false,
		},
		{
			"Export-Csv without its header", "\"" + doubled + `","6273","2",,"Security","NPS02",,"11/20/2026 1:01:02 PM"` + "\n",
			"NPS01.contoso.com", "2026-11-20T13:01:02Z", true, 8, false,
		},
		{
			"one line through syslog", "Nov 20 13:01:02 NPS02 Microsoft-Windows-Security-Auditing[756]: 6273: " + strings.Join(strings.Fields(npsMessage(6273, "bob", "16")), " "),
			"NPS02", "2026-11-20T13:01:02Z", true, 1, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := readAll(t, npsEventFormat, tt.text)
			want := []string{shown}
			if tt.acceptedFirst {
				want = []string{`accepted CONTOSO\alice 203.0.113.9`, shown}
			}
			if got := shortly(all); !slices.Equal(got, want) {
				t.Fatalf("got %q; want %q", got, want)
			}
			a := all[len(all)-1]
			if a.Client != "VPN01" || a.Host != tt.host || a.Product != npsEventName || len(a.Lines) < tt.linesAtLeast {
				t.Errorf("client %q, host %q, product %q, %d lines", a.Client, a.Host, a.Product, len(a.Lines))
			}
			if at := a.Time.UTC().Format(time.RFC3339Nano); at != tt.time || a.ZoneAssumed != tt.assumed {
				t.Errorf("time %s, assumed %t; want %s, %t", at, a.ZoneAssumed, tt.time, tt.assumed)
			}
		})
	}
}

func TestNPSEventVerdicts(t *testing.T) {
	core := func(id int) string {
		return fmt.Sprintf(`<Event xmlns="x"><System><Provider Name="NPS"/><EventID Qualifiers="49152">%d</EventID></System><EventData><Data>10.9.9.9</Data></EventData></Event>`, id)
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"granted", npsXML(6272, "a", ""), []string{`accepted CONTOSO\a 203.0.113.9`}},
		{"granted in full", npsXML(6278, "a", ""), []string{`accepted CONTOSO\a 203.0.113.9`}},
		{"discarded by an extension", npsXML(6274, "a", "9"), []string{`failed CONTOSO\a 203.0.113.9 nps-event:6274`}},
		{"discarded for a reason of its own", npsXML(6274, "a", "3"), []string{`failed CONTOSO\a 203.0.113.9 nps-reason:3`}},
		{"locked", npsXML(6279, "a", ""), []string{`refused CONTOSO\a 203.0.113.9 nps-event:6279`}},
		{"denied, reason cut off", strings.Split(npsXML(6273, "a", "16"), `<Data Name="ReasonCode">`)[0], []string{`refused CONTOSO\a 203.0.113.9 nps-event:6273`}},
		{"a reason that nobody knows", npsXML(6273, "a", "9999"), []string{`refused CONTOSO\a 203.0.113.9 nps-reason:9999,nps-reason:other`}},
		{"a reason without its beginning", "\tReason Code:\t\t21\n\tReason:\t\tAn NPS extension", []string{"refused   nps-reason:21"}},
		{"accounting", npsXML(6275, "a", ""), nil},
		{"another event", npsXML(4624, "a", ""), nil},
		{"another event, in many lines", strings.ReplaceAll(npsXML(4624, "a", ""), "><", ">\n<"), nil},
		{"unknown client", "A RADIUS message was received from the invalid RADIUS client IP address 10.9.9.9.", []string{"refused   nps-event:13"}},
		{"unknown client, XML", core(13), []string{"refused   nps-event:13"}},
		{"wrong secret", "An Access-Request message was received from RADIUS client X.X.X.X with a Message-Authenticator attribute that is not valid.", []string{"refused   nps-event:18"}},
		{"wrong secret, XML", core(18), []string{"refused   nps-event:18"}},
		{"no Message-Authenticator", "An Access-Request message was received from RADIUS client 10.0.0.1 without a Message-Authenticator attribute when a Message-Authenticator attribute is required.", []string{"refused   nps-event:17"}},
		{"NPS starts", core(4400), nil},
		{"RD Gateway lets in", `The user "C\a", on client computer "1.2.3.4", met connection authorization policy requirements and was therefore authorized`, nil},
		{"RD Gateway refuses", `The user "C\a", on client computer "1.2.3.4", did not meet connection authorization policy requirements and was therefore not authorized`, []string{`refused C\a 1.2.3.4 rd-gateway:201`}},
		{"an accounting record of NPS", `<Event><Timestamp data_type="4">05/19/2014 15:21:44.008</Timestamp></Event>`, nil},
		{"words of others after an event", npsMessage(6272, "a", "") + "\nduo: Reason: denied\n" + strings.Repeat("\n", 100) + "Reason Code: 7\nReason: x", []string{`accepted CONTOSO\a 203.0.113.9`, "refused   nps-reason:7"}},
		{"words of others", "Reason: none\nDate: Fri\nComputer: mine\nAccount Name: x", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expectShortly(t, readAll(t, npsEventFormat, tt.text), tt.want...)
		})
	}
}

func TestNPSCoreNamesTheClient(t *testing.T) {
	for _, text := range []string{
		"A RADIUS message was received from the invalid RADIUS client IP address 10.9.9.9.",
		"Error,11/20/2026 1:01:02 PM,NPS,13,None,A RADIUS message was received from the invalid RADIUS client IP address 10.9.9.9.",
		`"A RADIUS message was received from the invalid RADIUS client IP address 10.9.9.9.","13","Error"`,
		"An Access-Request message was received from RADIUS client 10.9.9.9 with a Message-Authenticator attribute that is not valid.",
	} {
		if all := readAll(t, npsEventFormat, text); len(all) != 1 || all[0].Client != "10.9.9.9" {
			t.Errorf("%s: %+v", text, all)
		}
	}
}

// Every reason that has been published has a cause, and no code two.
func TestEachReasonHasItsCause(t *testing.T) {
	seen := map[int]string{}
	for _, row := range npsReasonRows {
		for _, code := range row.codes {
			if other := seen[code]; other != "" {
				t.Errorf("reason %d is in %s and %s", code, other, row.id)
			}
			seen[code] = row.id
		}
		if CauseByID(row.id) == nil || row.stage == "" {
			t.Errorf("%s has no cause or no stage", row.id)
		}
	}
	published := []int{64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 80, 96, 97, 112, 113, 115, 116, 117, 118}
	for _, span := range [][2]int{{1, 10}, {16, 23}, {32, 38}, {48, 49}, {256, 302}} {
		for n := span[0]; n <= span[1]; n++ {
			published = append(published, n)
		}
	}
	for _, n := range published {
		if seen[n] == "" {
			t.Errorf("reason %d has no cause", n)
		}
	}
}

func FuzzNPSEvent(f *testing.F) {
	f.Add(npsXML(6273, "bob", "16") + npsXML(6272, "a", ""))
	f.Add(strings.ReplaceAll(npsXML(6273, "bob", "16"), "><", ">\n<"))
	f.Add("\"" + npsMessage(6272, "a", "") + "\",\"6272\",\"11/20/2026 1:01:02 PM\"\n" + npsMessage(6273, "b", "21"))
	f.Add("Log Name: x\nDate:   20.11.2026 1:02:03\nComputer:  y\n" + npsMessage(6274, "b", "9") + "\nEvent Xml:\n" + npsXML(6274, "b", "9"))
	f.Add("TimeCreated : 1/2/2026 1:02:03 AM\nNPS Extension for Azure MFA: CID: 1 : Challenge requested in Authentication Ext for User u\n<Event ><Data>NPS Extension for x: Access Accepted for user u</Data></Event>")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, npsEventFormat, text) {
			if len(a.Lines) > 2*maxAttemptLines {
				t.Errorf("an attempt of %d lines", len(a.Lines))
			}
			if a.Verdict == Accepted && len(a.Codes) > 0 {
				t.Errorf("accepted with %q", a.Codes)
			}
		}
	})
}
