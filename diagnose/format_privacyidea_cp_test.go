package diagnose

import "testing"

func TestPrivacyIDEACP(t *testing.T) {
	const (
		user     = "[02-03-2026 09:00:05] [Utilities.cpp:771] Changing user from '' to 'alice'\n"
		second   = "[02-03-2026 09:00:20] [CCredential.cpp:2570] 2nd step: Sending OTP/Offline check\n"
		complete = "[02-03-2026 09:00:21] [CCredential.cpp:2717] Authentication complete: "
	)
	runReadTests(t, privacyIDEACP, []readTest{
		{"the first of two steps decides nothing", user + complete + "false\n" + second + complete + "true\n", []string{"2026-03-02T09:00:20? alice - - verdict accepted - 3+4"}},
		{
			"an answer printed over many lines",
			user + second + "[02-03-2026 09:00:21] [Endpoint.cpp:426] {\n    \"detail\": {\n        \"message\": \"wrong otp value\",\n        \"authentication\": \"REJECT\",\n" + complete + "false\n",
			[]string{"2026-03-02T09:00:20? alice - - answer refused privacyidea:wrong-otp-value 2+5+6+7"},
		},
		{"the start of an answer, as published", `[25-08-2025 13:39:01] [Endpoint.cpp:384] { "detail": { "message": "matching 1 tokens"`, []string{"2025-08-25T13:39:01? - - - verdict accepted - 1"}},
		{
			"errors alone, without the debug setting",
			"[02-03-2026 09:00:21] [Endpoint.cpp:181] SECURE_FAILURE with status info: WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CA | WINHTTP_CALLBACK_STATUS_FLAG_CERT_CN_INVALID\n[02-03-2026 09:00:21] [Endpoint.cpp:360] WinHttpSendRequest failure: 12175\n[02-03-2026 09:30:21] [Endpoint.cpp:360] WinHttpSendRequest failure: 12002\n",
			[]string{
				"2026-03-02T09:00:21? - - - reach failed credential-provider:invalid-ca,credential-provider:cert-cn-invalid,credential-provider:winhttp-12175 1+2",
				"2026-03-02T09:30:21? - - - reach failed credential-provider:winhttp-12002 3",
			},
		},
		{"the text for any refusal does not hide the server's", second + "[02-03-2026 09:00:21] [Endpoint.cpp:426] { \"message\": \"Failcounter exceeded\" }\n[02-03-2026 09:00:21] [C.cpp:1] Error message: Wrong One-Time Password!\n", []string{"2026-03-02T09:00:20? - - - answer refused privacyidea:failcounter 1+2+3"}},
		{"lines that look like an answer and follow none", "    \"message\": \"wrong otp value\"\n", nil},
		{"multiOTP's provider", "[02-03-2026 09:00:20] [CCredential.cpp:1010] multiOTP timeout Unlock is configured on : 0 minutes\n", nil},
	})
}

func TestLogonUI(t *testing.T) {
	runReadTests(t, logonUI, []readTest{
		{"on one line", "Faulting application name: LogonUI.exe, version: 1 Exception code: 0xc0000409 Fault offset: 0x0\n", []string{"- - - - reach failed logonui:crash,logonui:crash-c0000409 1"}},
		{"on several", "Faulting application name: logonui.exe, version: 1\nFaulting module name: x.dll\nException code: 0xC0000005\n", []string{"- - - - reach failed logonui:crash,logonui:crash-c0000005 1+2+3"}},
		{"another program, also right after", "Faulting application name: LogonUI.exe, v\nFaulting application name: winword.exe, v\nException code: 0xc0000005\n", []string{"- - - - reach failed logonui:crash 1"}},
	})
}

func FuzzPrivacyIDEACP(f *testing.F) {
	fuzzReader(f, privacyIDEACP, "[02-03-2026 09:00:20] [Endpoint.cpp:1] {\n\"message\": \"wrong otp value\"\n\"authentication\": \"ACCEPT\"\n")
}

func FuzzLogonUI(f *testing.F) {
	fuzzReader(f, logonUI, "Faulting application name: LogonUI.exe\nException code: 0x12345678\n")
}
