package diagnose

import (
	"slices"
	"strings"
	"testing"
)

func TestOktaSystemLog(t *testing.T) {
	event := func(kind, outcome string) string {
		return `{"actor":{"alternateId":"alice@example.com","type":"User"},"client":{"ipAddress":"192.0.2.7"},"debugContext":{"debugData":{"factor":"OKTA_VERIFY_PUSH"}},"displayMessage":"says \"eventType\":\"x\"","eventType":"` +
			kind + `","outcome":` + outcome + `,"published":"2026-03-02T09:12:44.120Z","target":[{"alternateId":"other"}]}`
	}
	const who = "2026-03-02T09:12:44 alice@example.com 192.0.2.7 OKTA_VERIFY_PUSH "
	runReadTests(t, oktaSystemLog, []readTest{
		{"a success", event("user.session.start", `{"reason":null,"result":"SUCCESS"}`), []string{who + "primary accepted - 1"}},
		{"a failure with a reason", event("user.authentication.auth_via_mfa", `{"reason":"INVALID_CREDENTIALS","result":"FAILURE"}`), []string{who + "verdict refused okta-system-log:invalid_credentials 1"}},
		{"a reason that is a sentence", event("user.authentication.auth_via_mfa", `{"reason": "Some sentence", "result": "FAILURE"}`), []string{who + "verdict refused okta-system-log:user.authentication.auth_via_mfa 1"}},
		{"the event of a rejected push is a success", event("user.mfa.okta_verify.deny_push", `{"result":"SUCCESS"}`), []string{who + "answer refused okta-system-log:deny-push 1"}},
		{"a policy that lets somebody go on is a step", event("policy.evaluate_sign_on", `{"result":"ALLOW"}`), nil},
		{"a policy that denies is an end", event("policy.evaluate_sign_on", `{"result":"DENY","reason":"x y"}`), []string{who + "policy refused okta-system-log:policy-deny 1"}},
		{"an array on one line", "[" + event("user.session.start", `{"result":"SUCCESS"}`) + "," + event("user.session.start", `{"reason":"LOCKED_OUT","result":"FAILURE"}`) + "]", []string{
			who + "primary accepted - 1", who + "primary refused okta-system-log:locked_out 1",
		}},
		{"an event that was cut after its outcome", strings.Split(event("user.session.start", `{"reason":"LOCKED_OUT","result":"FAILURE"}`), `,"published"`)[0], []string{"- alice@example.com 192.0.2.7 OKTA_VERIFY_PUSH primary refused okta-system-log:locked_out 1"}},
		{"an outcome as the console shows it", "FAILURE : user_not_assigned\nFAILURE : two words\n", []string{"- - - - verdict refused okta-system-log:user_not_assigned 1"}},
		{"names only", "device.desktop_mfa.recovery_pin.generate\ndevice.platform_sso.keys.register\n", nil},
		{"CSV with a heading", "timestamp,eventType,actor.alternateId,outcome.result,outcome.reason\n2026-03-02T09:12:44Z,user.session.start,\"alice, the first\",FAILURE,LOCKED_OUT\n", []string{"2026-03-02T09:12:44 alice, the first - - primary refused okta-system-log:locked_out 2"}},
		{"CSV without one", "2026-03-02T09:12:44Z,user.session.start,alice,FAILURE,LOCKED_OUT\n", []string{"2026-03-02T09:12:44 - - - primary refused okta-system-log:user.session.start 1"}},
	})
}

func TestCSVFields(t *testing.T) {
	for in, want := range map[string][]string{
		"":                {""},
		"a,b,":            {"a", "b", ""},
		`"a,b",c`:         {"a,b", "c"},
		`"say ""hi""",c`:  {`say "hi"`, "c"},
		`"it's" fine",c`:  {`it's" fine`, "c"}, // not doubled, and not the end
		`"cut in the mid`: {"cut in the mid"},
	} {
		if got := csvFields(in, '"'); !slices.Equal(got, want) {
			t.Errorf("csvFields(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestJSONKeys(t *testing.T) {
	const s = `{"a":{"name" : "one \"name\":\"two\" \u00e9\n","list":[{"x":1},"]}"]},"name":"three","n":4}`
	if got, want := jsonString(jsonPart(s, "a"), "name"), `one "name":"two" é `; got != want {
		t.Errorf("name within a is %q; want %q", got, want)
	}
	if object, rest := jsonObject(s + "tail"); object != s || rest != "tail" {
		t.Errorf("jsonObject = %q, %q", object, rest)
	}
	for _, key := range []string{"n", "x", "nobody", "list"} {
		if got := jsonString(s, key); got != "" {
			t.Errorf("jsonString(%s) = %q; want none", key, got)
		}
	}
	if got := pyString(`{'info': "it's", 'user': 'al\'ice', 'cut': 'x`, "user"); got != "al'ice" {
		t.Errorf("pyString = %q", got)
	}
}

func FuzzOktaSystemLog(f *testing.F) {
	fuzzReader(f, oktaSystemLog, `{"eventType":"user.session.start","outcome":{"result":"FAILURE"`, "FAILURE: x\n", `[{"eventType":"a.b.c"},{"eventType`)
}
