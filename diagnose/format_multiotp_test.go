package diagnose

import (
	"fmt"
	"testing"
)

func TestMultiOTP(t *testing.T) {
	runReadTests(t, multiOTP, []readTest{
		{
			"the lines of one attempt, and its result",
			"2021-10-19 08:32:13\twarning\talice\tUser\tError: authentication failed for user alice from 10.10.20.73\t0\tMULTIOTP\n" +
				"2021-10-19 08:32:13\twarning\talice\tUser\tInfo: *(authentication typed by the user is CHAP encrypted) from 10.10.20.73\t0\tMULTIOTP\n" +
				"2021-10-19 08:32:13\tdebug\t\tDebug\tDebug: *99 ERROR: Authentication failed (and other possible unknown errors) from 10.10.20.73\t0\tMULTIOTP\n",
			[]string{"2021-10-19T08:32:13? alice 10.10.20.73 - answer refused multiotp:99 1+3"},
		},
		{
			"as shown on a console",
			"LOG 2023-05-23 15:14:10 warning (user bob) User Error: authentication failed for user bob\nLOG 2023-05-23 15:14:10 warning (user bob) User *(authentication typed by the user is 13 chars long instead of 6 chars)\n98 *ERROR: Authentication failed (wrong token length)\n",
			[]string{"2023-05-23T15:14:10? bob - - answer refused multiotp:99,multiotp:98 1+2+3"},
		},
		{
			"several at once, one of which succeeds",
			"2026-03-02 09:12:44\twarning\talice\tUser\tError: User alice LDAP password false\n" +
				"2026-03-02 09:12:44\tnotice\tbob\tUser\tOK: User bob successfully logged in (using Credential Provider) with HOTP token\n" +
				"2026-03-02 09:12:44\tinfo\tcarol\tUser\tInfo: waiting challenge response for user carol, state 12.\n" +
				"2026-03-02 09:12:45\twarning\talice\tUser\tError: authentication failed for user alice\n" +
				"2026-03-02 09:13:45\tnotice\talice\tUser\tOK: User alice successfully logged in with a scratch password\n",
			[]string{
				"2026-03-02T09:12:44? bob - HOTP verdict accepted - 2",
				"2026-03-02T09:12:44? carol - - answer challenged - 3",
				"2026-03-02T09:12:44? alice - - primary refused multiotp:ldap-password,multiotp:99 1+4",
				"2026-03-02T09:13:45? alice - scratch verdict accepted - 5",
			},
		},
		{"a result alone", "0 *OK: Token accepted\n24 *ERROR: User locked (too many tries)\n11 *INFO: User successfully created or updated\n", []string{
			"- - - - verdict accepted - 1", "- - - - answer refused multiotp:24 2",
		}},
		{
			"the reason is only in the answer to a RADIUS client",
			"2026-03-02 09:12:44\twarning\talice\tUser\tError: authentication failed for user alice\t0\tOTP1\n" +
				"2026-03-02 09:12:45\tdebug\t\tDebug\tDebug: *Attributes sent to the RADIUS server: Reply-Message := \"ERROR: Authentication failed (wrong private id)\"\t0\tOTP1\n" +
				"2026-03-02 09:13:45\tdebug\t\tDebug\tDebug: *Attributes sent to the RADIUS server: Reply-Message := \"ERROR: Authentication failed (bad password)\"\t0\tOTP1\n" +
				"2026-03-02 09:14:44\twarning\t\tUser\tError: authentication failed (using Credential Provider) for carol (same token replayed)\t0\tOTP1\n",
			[]string{
				"2026-03-02T09:12:44? alice - - answer refused multiotp:99,multiotp:97 1+2",
				"2026-03-02T09:14:44? carol - - answer refused multiotp:26 4",
			},
		},
		{"results of several commands", "LOG 2026-03-02 09:12:44 warning (user vera) User Error: User vera locked after 6 failed authentications\n24 *ERROR: User locked (too many tries)\n24 ERROR: User locked (too many tries)\n79 *ERROR: AD/LDAP connection error\n0 *OK: Token accepted\n", []string{
			"2026-03-02T09:12:44? vera - - factor refused multiotp:24 1+2", "- - - - answer refused multiotp:79 4", "- - - - verdict accepted - 5",
		}},
		{"through syslog", "<132>Mar  2 09:12:44 otp1 multiOTP: otp1.example.com 192.0.2.9 Error: User alice is desactivated\n", []string{"2026-03-02T09:12:44? alice - - account refused multiotp:38 1"}},
		{"blanks instead of tabs", "2023-06-12 14:28:05     warning my user User    Error: cache too old for user myUser, account autolocked\n", []string{"2023-06-12T14:28:05? myUser - - factor refused multiotp:81 1"}},
		{"errors of the server are no attempts", "2026-03-02 09:12:44\twarning\t\tSystem\tError: LDAP connection failed\t0\tOTP1\n", nil},
		{"another log", "2026/03/02 09:12:44 [error] authentication failed for user alice, multiOTP\n98 problems\n", nil},
	})
}

func TestMultiOTPCP(t *testing.T) {
	const old = "[16.07.2015 08:02:36.0702]: Username: [at line 325 in 'endpoint.cpp']\n[16.07.2015 08:02:36.0704]: Administrator [at line 326 in 'endpoint.cpp']\n[16.07.2015 08:02:37.0132]: multiOTP.exe Exit Code: [at line 280 in 'endpoint.cpp']\n"
	runReadTests(t, multiOTPCP, []readTest{
		{"the older layout, accepted", old + "[16.07.2015 08:02:37.0134]: Integer: 0 (0x0) [at line 281 in 'endpoint.cpp']\n", []string{"2015-07-16T08:02:37? Administrator - - verdict accepted - 3+4"}},
		{"the older layout, refused", old + "[16.07.2015 08:02:37.0134]: Integer: 25 (0x19) [at line 281 in 'endpoint.cpp']\n", []string{"2015-07-16T08:02:37? Administrator - - answer refused multiotp:25 3+4"}},
		{"cut before the code", old, []string{"2015-07-16T08:02:37? Administrator - - - abandoned - 3"}},
		{"lines that privacyIDEA's provider writes too, in multiOTP's file", "[02-03-2026 09:12:40] [CCredential.cpp:1059] The user has NOT logged in recently\n[02-03-2026 09:12:44] [Endpoint.cpp:248] WinHttpSendRequest failure: 12029\n", []string{"2026-03-02T09:12:44? - - - reach failed credential-provider:winhttp-12029 2"}},
		{"the same in a file that may be privacyIDEA's", "[02-03-2026 09:12:44] [Endpoint.cpp:248] WinHttpSendRequest failure: 12029\n", nil},
	})
}

// Every result of a refused login is a cause.
func TestMultiOTPResultsHaveCauses(t *testing.T) {
	known := know().codes
	for n := 20; n < 100; n++ {
		switch {
		case n >= 44 && n <= 59, n >= 74 && n <= 78, n >= 83 && n <= 90, n == 22, n == 35:
			continue // not of a login, or not used
		}
		if len(known[fmt.Sprintf("multiotp:%d", n)]) == 0 {
			t.Errorf("no cause has the result %d", n)
		}
	}
}

// Each text of a result is that of a cause.
func TestMultiOTPTextsHaveCauses(t *testing.T) {
	for text, code := range multiOTPTexts {
		if len(know().codes["multiotp:"+code]) == 0 {
			t.Errorf("no cause has the result %s, %q", code, text)
		}
	}
}

// However many people log in at once, few attempts are held.
func TestMultiOTPHoldsFewAttempts(t *testing.T) {
	r := multiOTP.New().(*multiOTPReader)
	handed := 0
	out := &Sink{attempt: func(*Attempt) { handed++ }}
	for i := range 1000 {
		r.Read(&Line{Number: i + 1, Text: fmt.Sprintf("2026-03-02 09:12:44\twarning\tu%d\tUser\tError: authentication failed for user u%d", i, i)}, out)
		if len(r.open) > multiOTPOpen || len(r.open) != len(r.order) {
			t.Fatalf("%d attempts are open, %d in order; want at most %d", len(r.open), len(r.order), multiOTPOpen)
		}
	}
	r.Close(out)
	if handed != 1000 {
		t.Errorf("%d attempts; want 1000", handed)
	}
}

func FuzzMultiOTP(f *testing.F) {
	fuzzReader(f, multiOTP, "2026-03-02 09:12:44\twarning\ta\tUser\tError: authentication failed for user a\n98 *ERROR: x\n0 *OK: y\nReply-Message := \"ERROR: User is desactivated\"\nReply-Message := \"z\"\n")
}

func FuzzMultiOTPCP(f *testing.F) {
	fuzzReader(f, multiOTPCP, "[16.07.2015 08:02:37.0132]: multiOTP.exe Exit Code: [at line 280 in 'endpoint.cpp']\n[16.07.2015 08:02:37.0134]: Integer: 25 (0x19) [at line 281 in 'endpoint.cpp']\n")
}
