package diagnose

import (
	"fmt"
	"strings"
	"testing"
)

func TestPrivacyIDEA(t *testing.T) {
	const audit = "[2026-03-02 09:12:44,101][12][34][INFO][privacyidea.lib.auditmodules.loggeraudit:69] "
	const dict = "DEBUG:privacyidea.lib.auditmodules.base:Entering log with arguments (<Audit object at 0x7f>, "
	runReadTests(t, privacyIDEA, []readTest{
		{
			"rows of the audit trail",
			audit + `{"action": "POST /validate/check", "authentication": "REJECT", "client": "192.0.2.7", "info": "wrong otp value", "realm": "example", "success": false, "token_type": "totp", "user": "alice"}` + "\n" +
				audit + `{"action": "POST /validate/check", "authentication": "CHALLENGE", "info": "please enter otp: ", "success": false, "user": "alice"}` + "\n" +
				audit + `{"action": "POST /validate/check", "info": "matching 1 tokens", "success": true, "user": "alice"}` + "\n" +
				audit + `{"action": "GET /audit/", "info": "wrong otp value", "success": false, "user": "admin"}` + "\n",
			[]string{
				"2026-03-02T09:12:44? alice@example 192.0.2.7 totp answer refused privacyidea:wrong-otp-value 1",
				"2026-03-02T09:12:44? alice - - delivery challenged - 2",
				"2026-03-02T09:12:44? alice - - verdict accepted - 3",
			},
		},
		{
			"Apache's layout, with process and thread",
			"[Fri Aug 12 13:35:24.855283 2022] [wsgi:error] [pid 12:tid 34] [client 192.0.2.7:5] " + dict + "{'info': 'Response did not match the challenge.', 'success': False, 'serial': 'T1', 'token_type': 'totp'}) and keywords {}\n",
			[]string{"2022-08-12T13:35:24? - - totp answer refused privacyidea:challenge-mismatch 1"},
		},
		{
			"the user is taken from the same thread only",
			"[2026-03-02 09:12:44,101][1][1][DEBUG][privacyidea.lib.user:1] Entering get_user_from_param with arguments ({'pass': 'x', 'transaction_id': '7', 'user': 'alice'},) and keywords {}\n" +
				"[2026-03-02 09:12:44,102][1][2][DEBUG][privacyidea.lib.user:1] Entering get_user_from_param with arguments ({'pass': 'x', 'user': 'bob'},) and keywords {}\n" +
				"[2026-03-02 09:12:44,103][1][2][DEBUG][privacyidea.lib.auditmodules.base:1] Entering log with arguments (<o>, {'info': 'matching 1 tokens', 'success': True}) and keywords {}\n" +
				"[2026-03-02 09:12:44,104][1][1][DEBUG][privacyidea.lib.auditmodules.base:1] Entering log with arguments (<o>, {'info': 'wrong otp pin', 'success': False}) and keywords {}\n",
			[]string{
				"2026-03-02T09:12:44? bob - - verdict accepted - 3",
				"2026-03-02T09:12:44? alice - - answer refused privacyidea:challenge-expired 4",
			},
		},
		{
			"without threads, two users at once are nobody",
			"[Fri Aug 12 13:35:24.1 2022] DEBUG:privacyidea.lib.user:Entering get_user_from_param with arguments ({'user': 'alice'},)\n" +
				"[Fri Aug 12 13:35:24.2 2022] DEBUG:privacyidea.lib.user:Entering get_user_from_param with arguments ({'user': 'bob'},)\n" +
				"[Fri Aug 12 13:35:24.3 2022] " + dict + "{'info': 'wrong otp value', 'success': False})\n",
			[]string{"2022-08-12T13:35:24? - - - answer refused privacyidea:wrong-otp-value 3"},
		},
		{
			"at the usual level a wrong password shows, and a token that locked itself",
			"[2026-03-02 09:12:44,101][1][1][INFO][privacyidea.lib.user:556] User alice from realm example tries to authenticate\n" +
				"[2026-03-02 09:12:44,201][1][1][INFO][privacyidea.lib.user:580] User alice@example failed to authenticate.\n" +
				"[2026-03-02 09:12:44,301][1][2][INFO][privacyidea.lib.tokenclass:1465] ['Failcounter exceeded'] TOTP1\n" +
				"[2026-03-02 09:12:44,301][1][2][INFO][privacyidea.lib.tokenclass:1465] ['Token is disabled'] TOTP2\n",
			[]string{
				"2026-03-02T09:12:44? alice@example - - primary refused privacyidea:userstore-password 2",
				"2026-03-02T09:12:44? - - - factor abandoned privacyidea:failcounter 3",
			},
		},
		{
			"what tokens said before is the reason if the answer gives none",
			"[2026-03-02 09:12:44,301][1][2][INFO][privacyidea.lib.tokenclass:1465] ['Token is disabled'] TOTP2\n" +
				"[2026-03-02 09:12:44,401][1][2][INFO][privacyidea.lib.auditmodules.loggeraudit:69] " + `{"action": "POST /validate/check", "authentication": "REJECT", "info": "No suitable token found for authentication.", "success": false, "user": "bob"}` + "\n",
			[]string{"2026-03-02T09:12:44? bob - - factor refused privacyidea:no-suitable-token,privacyidea:token-disabled 2"},
		},
		{
			"rows as the console exports them, with and without the newer columns",
			"'71','2026-03-02T09:12:44.101','OK','OK','POST /validate/check','REJECT','0','T1','totp','','','alice','example','ad','','','wrong otp pin','pi1'\n" +
				"'72','2022-03-02T09:12:44.101','OK','OK','POST /validate/check','1','T1','totp','alice','example','ad','','','matching 1 tokens','pi1'\n",
			[]string{
				"2026-03-02T09:12:44? alice@example - totp primary refused privacyidea:wrong-otp-pin 1",
				"2022-03-02T09:12:44? alice@example - totp verdict accepted - 2",
			},
		},
		{
			"what functions answer at the level DEBUG, of which one calls the other",
			"[2026-03-02 09:12:44,101][1][1][DEBUG][privacyidea.lib.token:189] Entering check_user_pass with arguments (User(login=u'alice', realm='example', resolver='ad'), 'HIDDEN') and keywords {}\n" +
				"[2026-03-02 09:12:44,201][1][1][DEBUG][privacyidea.lib.token:188] Exiting check_token_list with result (False, {'message': l'wrong otp value', 'type': 'totp'})\n" +
				"[2026-03-02 09:12:44,202][1][1][DEBUG][privacyidea.lib.token:188] Exiting check_user_pass with result (False, {'message': l'wrong otp value', 'type': 'totp'})\n" +
				"[2026-03-02 09:12:54,202][1][1][DEBUG][privacyidea.lib.token:188] Exiting check_serial_pass with result (True, {'message': 'matching 1 tokens'})\n" +
				"[2026-03-02 09:12:55,202][1][2][DEBUG][privacyidea.lib.token:188] Exiting check_user_pass with result (False, {'message': 'please enter otp: ', 'transaction_id': '07'})\n" +
				"[2026-03-02 09:12:56,202][1][3][DEBUG][privacyidea.lib.token:188] Exiting check_user_pass with result HIDDEN\n" +
				"[2026-03-02 09:12:56,203][1][3][DEBUG][privacyidea.lib.token:188] Exiting check_pin with result (False, {'message': 'wrong otp value'})\n",
			[]string{
				"2026-03-02T09:12:44? alice@example - totp answer refused privacyidea:wrong-otp-value 2+3",
				"2026-03-02T09:12:54? - - - verdict accepted - 4",
				"2026-03-02T09:12:55? - - - delivery challenged - 5",
			},
		},
		{
			"a policy lets somebody in whose token did not match",
			"[2026-03-02 09:12:44,202][1][1][DEBUG][privacyidea.lib.token:188] Exiting check_user_pass with result (False, {'message': 'wrong otp pin'})\n" +
				audit[:len("[2026-03-02 09:12:44,")] + "303][1][1][INFO][privacyidea.lib.auditmodules.loggeraudit:69] " + `{"action": "POST /validate/check", "authentication": "ACCEPT", "info": "against userstore", "success": true, "user": "bob"}` + "\n",
			[]string{"2026-03-02T09:12:44? bob - - verdict accepted - 1+2"},
		},
		{
			"older servers write names in quotes",
			"[2022-03-02 09:12:44,101][1][1][INFO][privacyidea.lib.user:430] User \"o'brien\" from realm 'example' tries to authenticate\n" +
				"[2022-03-02 09:12:44,201][1][1][INFO][privacyidea.lib.user:442] user User(login=\"o'brien\", realm='example', resolver='ad') failed to authenticate.\n",
			[]string{"2022-03-02T09:12:44? o'brien@example - - primary refused privacyidea:userstore-password 2"},
		},
		{
			"a user whom the directory cannot tell of, and one whom nobody knows",
			"[2026-03-02 09:12:44,101][1][1][WARNING][privacyidea.api.auth:164] Problem resolving user alice in realm example: LDAPServerPoolExhaustedError('x')\n" +
				"[2026-03-02 09:13:44,101][1][2][WARNING][privacyidea.api.auth:164] Problem resolving user bob in realm example: no.\n",
			[]string{"2026-03-02T09:12:44? alice@example - - account refused privacyidea:resolver 1"},
		},
		{"through syslog", "Mar  2 09:12:44 pi1 privacyidea: ERROR:privacyidea.app:Exception on /validate/check [POST]\n", []string{"2026-03-02T09:12:44? - - - - failed privacyidea:internal-error 1"}},
		{"another program", "[2026-03-02 09:12:44,101][1][1][INFO][other.lib:1] about privacyidea.lib.token\nnothing of privacyidea.lib.\n", nil},
	})
}

// Reasons of the source are understood whatever surrounds them.
func TestIdeaReasonsAreTold(t *testing.T) {
	for _, r := range ideaReasons {
		if code, _ := ideaReason("ERR1: " + strings.ToUpper(r.text) + " for T1"); code != r.code {
			t.Errorf("%q means %q; want %q", r.text, code, r.code)
		}
		if len(know().codes["privacyidea:"+r.code]) == 0 {
			t.Errorf("no cause has the code privacyidea:%s", r.code)
		}
	}
}

// A server with very many threads does not fill the memory.
func TestPrivacyIDEAHoldsFewThreads(t *testing.T) {
	r := privacyIDEA.New().(*privacyIDEAReader)
	handed := 0
	out := &Sink{attempt: func(*Attempt) { handed++ }}
	for i := range 3 * ideaThreads {
		l := &Line{Number: i + 1, Text: fmt.Sprintf("[2026-03-02 09:12:44,101][1][%d][INFO][privacyidea.lib.user:580] User u%d@r failed to authenticate.", i, i)}
		if got := r.Read(l, out); got != Kept {
			t.Fatalf("line %d: %v", i, got)
		}
	}
	if len(r.threads) > ideaThreads || len(r.threads) != len(r.order) {
		t.Errorf("%d threads are remembered, %d in order; want at most %d", len(r.threads), len(r.order), ideaThreads)
	}
	r.Close(out)
	if handed != 3*ideaThreads {
		t.Errorf("%d attempts; want %d", handed, 3*ideaThreads)
	}
}

func FuzzPrivacyIDEA(f *testing.F) {
	fuzzReader(f, privacyIDEA,
		"[2026-03-02 09:12:44,101][1][1][INFO][privacyidea.lib.user:580] User a@b failed to authenticate.\n[2026-03-02 09:12:44,301][1][1][INFO][privacyidea.lib.tokenclass:1465] ['Failcounter exceeded'] T\n",
		"'1','POST /validate/check','','',''\n",
		"[2026-03-02 09:12:44,101][1][1][DEBUG][privacyidea.lib.token:1] Entering check_user_pass with arguments (User(login='a', realm='b'),)\n[2026-03-02 09:12:44,101][1][1][DEBUG][privacyidea.lib.token:1] Exiting check_token_list with result (False, {'message': 'wrong otp pin'})\n[2026-03-02 09:12:44,101][1][1][DEBUG][privacyidea.lib.token:1] Exiting check_user_pass with result (True, {})\n")
}
