package diagnose

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNPSExtensionMessages(t *testing.T) {
	const head = "NPS Extension for Azure MFA: CID: 6da75e38-6bbf-4616-84df-fa65b4c7905c :"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"accepted", head + " Access Accepted for user a@c.com with Azure MFA response: Success and message: session 1", []string{"accepted a@c.com"}},
		{"rejected", head + " Access Rejected for user C\\a b with Azure MFA response: UserNotFound and message: MSODS Graph", []string{`refused C\a b  nps-ext:UserNotFound`}},
		{"rejected, cut off", head + " Access Rejected for user a", []string{"refused a"}},
		{"unknown answer", head + " Access Rejected for user a with Azure MFA response: Strange and message: x", []string{"refused a  nps-ext:Strange,nps-ext:other"}},
		{"exception, with a correlation before the name", head + "Exception in Authentication Ext for User C\\a :: ErrorCode:: CID :6da75e38-6bbf-4616-84df-fa65b4c7905c ESTS_TOKEN_ERROR Msg:: Verify ErrorCode:: OTHER_ERROR Msg:: x", []string{`failed C\a  nps-ext:ESTS_TOKEN_ERROR`}},
		{"exception, unknown", head + "Exception in Authentication Ext for User a :: ErrorCode:: NEW_ERROR Msg:: x", []string{"failed a  nps-ext:NEW_ERROR,nps-ext:other"}},
		{"error without user", "NPS Extension for Azure MFA: ErrorCode:: REQUEST_FORMAT_ERROR Msg:: x", []string{"failed   nps-ext:REQUEST_FORMAT_ERROR"}},
		{"challenge alone", head + " Challenge requested in Authentication Ext for User a.", []string{"challenged a  nps-ext:challenge"}},
		{
			"challenge and answer",
			head + " Challenge requested in Authentication Ext for User a@c.com with state 1\n" + head + " Access Accepted for user b with Azure MFA response: Success and message: s\n" +
				head + " Access Accepted for user A@c.com with Azure MFA response: Success and message: s",
			[]string{"accepted b", "accepted A@c.com"},
		},
		{
			"challenge and a wrong answer",
			head + " Challenge requested in Authentication Ext for User a with state 1\n" + head + " Access Rejected for user a with Azure MFA response: OathCodeIncorrect and message: s",
			[]string{"refused a  nps-ext:OathCodeIncorrect"},
		},
		{
			"two challenges and one answer",
			head + " Challenge requested in Authentication Ext for User a with state 1\n" + head + " Challenge requested in Authentication Ext for User a with state 2\n" + head + " Access Accepted for user a with Azure MFA response: Success and message: s",
			[]string{"challenged a  nps-ext:challenge", "accepted a"},
		},
		{"first factor refused", "NPS Extension for Azure MFA only performs Secondary Auth for Radius requests in AccessAccept State. Request received for User u with response state AccessReject, ignoring request.", []string{"refused u  nps-ext:primary-rejected"}},
		{"inner challenge", "NPS Extension for Azure MFA only performs Secondary Auth for Radius requests in AccessAccept State. Request received for User u with response state AccessChallenge, ignoring request.", nil},
		{"no list of addresses", "NPS Extension for Azure MFA: IP Whitelist not intialized::  ErrorCode:: REGISTRY_CONFIG_ERROR Msg:: Neither registry entry not default value found for key: IP_WHITELIST", nil},
		{"a hint", "NPS Extension for Azure MFA: Radius request is missing NAS Identifier and Nas IpAddress attribute.", nil},
		{"another name of the product", "NPS Extension for Azure AD MFA: CID: 1 : Access Rejected for user a with Azure MFA response: AccessDenied and message: x", []string{"refused a  nps-ext:AccessDenied"}},
		{"XML that is cut off", `<Event xmlns="x"><System><Provider Name="AzureMfa"/><EventID>1</EventID></System><EventData><Data Name="m">` + head + " Access Rejected for user a with Azure MFA response: AccessDenied and message: x", []string{"refused a  nps-ext:AccessDenied"}},
		{"XML about no login, in many lines", "<Event xmlns=\"x\">\n<Data>NPS Extension for Azure MFA: Radius request is missing</Data>\n</Event>", nil},
	}
	for _, tt := range tests {
		for _, f := range []Format{npsExtensionFormat, npsEventFormat} {
			t.Run(tt.name+"/"+f.Name, func(t *testing.T) {
				all := readAll(t, f, tt.text)
				expectShortly(t, all, tt.want...)
				for _, a := range all {
					if a.Product != npsExtensionName {
						t.Errorf("product %q", a.Product)
					}
				}
			})
		}
	}
}

func TestNPSExtensionTimeAndHost(t *testing.T) {
	const message = "NPS Extension for Azure MFA: CID: 1 : Access Rejected for user a with Azure MFA response: AccessDenied and message: x"
	for _, tt := range []struct{ name, text string }{
		{"XML", `<Event xmlns="x"><System><TimeCreated SystemTime="2026-11-20T13:01:02.0Z"/><Computer>NPS01</Computer></System><EventData><Data>` + message + "</Data></EventData></Event>"},
		{"details", "Log Name:      AuthZOptCh\nDate:          20/11/2026 13:01:02\nComputer:      NPS01\nDescription:\n" + message},
		{"CSV", `"TimeCreated","Id","MachineName","Message"` + "\n" + `"11/20/2026 1:01:02 PM","1","NPS01","` + message + `"`},
		{"CSV, message first", `"Message","Id","MachineName","TimeCreated"` + "\n\"" + message + `","1","NPS01","11/20/2026 1:01:02 PM"`},
		{"syslog", "Nov 20 13:01:02 NPS01 AzureMfa[7]: " + message},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := readAll(t, npsEventFormat, tt.text)
			if len(all) != 1 || all[0].Host != "NPS01" || !all[0].Time.Equal(time.Date(2026, 11, 20, 13, 1, 2, 0, time.UTC)) || all[0].ZoneAssumed == (tt.name == "XML") {
				t.Errorf("%+v", all)
			}
		})
	}
}

// An answer that comes after the session has ended is that of another login.
func TestNPSExtensionAnswerTooLate(t *testing.T) {
	event := func(at, message string) string {
		return `<Event xmlns="x"><System><TimeCreated SystemTime="2026-11-20T` + at + `Z"/></System><EventData><Data>NPS Extension for Azure MFA: ` + message + "</Data></EventData></Event>\n"
	}
	expectShortly(t, readAll(t, npsExtensionFormat,
		event("13:00:00", "Challenge requested in Authentication Ext for User a with state 1")+
			event("13:06:00", "Access Accepted for user a with Azure MFA response: Success and message: s")),
		"accepted a", "challenged a  nps-ext:challenge")
}

// Each error that is named as known has a sign, and the other way round.
func TestEachExtensionErrorHasItsCause(t *testing.T) {
	signs := map[string]string{}
	var texts []string
	for _, c := range npsExtensionCauses {
		for _, s := range c.Signs {
			if code, ok := strings.CutPrefix(s.Code, npsExtensionSpace); ok {
				if other := signs[code]; other != "" {
					t.Errorf("%s is in %s and %s", code, other, c.ID)
				}
				signs[code] = c.ID
			} else {
				texts = append(texts, s.Text)
			}
		}
	}
	for _, code := range npsExtensionCodes {
		if signs[code] == "" && !slices.Contains(texts, code) && code != "ALTERNATE_LOGIN_ID_ERROR" {
			t.Errorf("%s has no cause", code)
		}
		delete(signs, code)
	}
	delete(signs, "other")
	if len(signs) > 0 {
		t.Errorf("causes for errors that are not known: %v", signs)
	}
}

var placeholder = regexp.MustCompile(`\bTODO\b|XXX`)

func TestMicrosoftCausesHaveRemediesThatCanBeTyped(t *testing.T) {
	for _, c := range slices.Concat(azureCauses, npsExtensionCauses, npsCauses) {
		for _, s := range slices.Concat(c.Remedy, c.Verify) {
			for _, command := range s.Commands {
				if strings.TrimSpace(command) != command || command == "" || strings.ContainsAny(command, "\n<") && !strings.Contains(command, "</dev/null") || placeholder.MatchString(command) {
					t.Errorf("%s: %q cannot be typed", c.ID, command)
				}
			}
		}
	}
}

func FuzzNPSExtension(f *testing.F) {
	f.Add("NPS Extension for Azure MFA: CID: 1 :Exception in Authentication Ext for User a :: ErrorCode:: X_ERROR Msg:: y")
	f.Add("NPS Extension for Azure MFA: CID: 1 : Challenge requested in Authentication Ext for User a\nNPS Extension for Azure MFA: Access Accepted for user a with x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range readAll(t, npsExtensionFormat, text) {
			if a.Verdict == Abandoned {
				t.Errorf("a message of the extension decides, fails or asks: %+v", a)
			}
		}
	})
}
