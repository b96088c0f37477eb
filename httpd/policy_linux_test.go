package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/auth"
)

// The operations on the policy one after the other. Of lists the first line
// counts.
func TestPolicyOperations(t *testing.T) {
	h := newHouse(t)
	var asked []auth.Attempt
	h.o.Admin.Explain = func(_ context.Context, at auth.Attempt) (auth.Explanation, error) {
		asked = append(asked, at)
		x := auth.Explanation{Account: "alice", Rule: "office", Methods: []string{"oath"}, Verdict: auth.Challenge, Outcome: auth.OATHCodePending}
		switch {
		case at.Claimant == "fault":
			return auth.Explanation{}, errors.New("the disk is gone")
		case at.Claimant == "nobody":
			x.Account, x.Verdict, x.Outcome = "", auth.Reject, auth.UserNotFound
		case at.Origin.IsValid():
			x.Verdict, x.Outcome, x.Exemption = auth.Accept, auth.TrustedAddress, auth.TrustedAddress
		case !at.Can.Ask:
			x.Verdict, x.Outcome = auth.Reject, auth.CodeMissing
		}
		return x, nil
	}
	steps := []struct {
		operation, body string
		status          int
		names, want     string // fields of the answer
	}{
		{"application.add", `{"name":"vpn"}`, 200, "name", "vpn"},
		{"application.add", `{"name":"empty"}`, 200, "name", "empty"},
		{"group.add", `{"name":"staff"}`, 200, "name", "staff"},
		{"client.add", `{"name":"nas","application":"vpn","source":"192.0.2.1","secret":"sixteen letters!"}`, 200, "origin lax rate_per_second", "calling-station-id false 0"},
		{"client.add", `{"name":"nas2","application":"vpn","source":"192.0.2.2","secret":"sixteen letters!","origin":"none"}`, 200, "origin", "none"},
		{"client.add", `{"name":"nas3","application":"vpn","source":"192.0.2.3","origin":"maybe"}`, 422, "detail hint", `there is no origin "maybe" origins are: calling-station-id, none`},
		{"client.change", `{"name":"nas2","mode":"append","lax":true,"rate_per_second":7,"attributes":[{"Name":"Filter-Id","Value":"x"}]}`, 200, "mode password origin lax rate_per_second attributes secrets", "append verify none true 7 [Filter-Id=x] 1"},
		{"client.change", `{"name":"nas2","attributes":[],"lax":false}`, 200, "mode attributes lax", "append [] false"},
		{"client.change", `{"name":"nas2","source":"192.0.2.1"}`, 409, "detail", "client nas sends from 192.0.2.1/32 already; a packet must belong to one client"},
		{"client.change", `{"name":"nope","mode":"append"}`, 404, "detail", `no client "nope"`},
		{"client.change", `{"name":"nas2","rate_per_second":-1}`, 422, "detail", "a rate cannot be negative"},
		{"client.change", `{"name":"nas2","secret":"not this way"}`, 400, "type", "/problems/invalid"},
		{"account.add", `{"name":"alice"}`, 200, "name", "alice"},

		{"rule.list", `{}`, 200, "name need unenrolled built_in", "strictest both refuse true"},
		{
			"rule.add", `{"name":"office","applications":["vpn","vpn"],"groups":["staff"],"sources":["192.0.2.0/24"],"times":["mon-fri 08:00-18:00 Europe/Berlin"],"methods":["oath","recovery"],"unenrolled":"enrol","challenge_seconds":90,"wait_seconds":20,"attributes":[{"Name":"Filter-Id","Value":"a"}]}`, 200,
			"place applications groups sources times need methods unenrolled challenge_seconds wait_seconds attributes weakens",
			"1 [vpn] [staff] [192.0.2.0/24] [mon,tue,wed,thu,fri 08:00-18:00 Europe/Berlin] both [oath recovery] enrol 90 20 [Filter-Id=a] []",
		},
		{"rule.add", `{"name":"office"}`, 409, "detail", `there is already a rule "office"`},
		{"rule.add", `{"name":"Strictest"}`, 422, "detail", `"Strictest" is the rule for logins that no other rule matches; no other can be called that`},
		{"rule.add", `{"name":"a b"}`, 422, "detail", `"a b" cannot be the name of a rule`},
		{"rule.add", `{"name":"x","applications":["nope"]}`, 404, "detail hint", `there is no application "nope" sallyport application list shows the names`},
		{"rule.add", `{"name":"x","clients":["nope"]}`, 404, "detail hint", `no client "nope" sallyport client list shows the names`},
		{"rule.add", `{"name":"x","groups":["nope"]}`, 404, "detail hint", `there is no group "nope" sallyport group list shows the names`},
		{"rule.add", `{"name":"x","holding":["nope"]}`, 422, "detail", `there is no factor "nope"`},
		{"rule.add", `{"name":"x","methods":["nope"]}`, 422, "detail hint", `there is no factor "nope" factors are: password oath recovery`},
		{"rule.add", `{"name":"x","sources":["192.0.2.9-192.0.2.1"]}`, 422, "type hint", "/problems/invalid write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20"},
		{"rule.add", `{"name":"x","times":["always"]}`, 422, "hint", `write "mon-fri 08:00-18:00 Europe/Berlin"`},
		{"rule.add", `{"name":"x","need":"nothing"}`, 422, "detail hint", `there is no need "nothing" needs are: both, primary, refuse`},
		{"rule.add", `{"name":"x","unenrolled":"maybe"}`, 422, "hint", "they can meet: refuse, pass, enrol"},
		{"rule.add", `{"name":"x","challenge_seconds":29}`, 422, "detail", "a challenge can be answered for 30 to 600 seconds, not 29"},
		{"rule.add", `{"name":"x","wait_seconds":301}`, 422, "type", "/problems/invalid"},
		{"rule.add", `{"name":"x","attributes":[{"Name":"Nope","Value":"1"}]}`, 422, "detail", `there is no attribute "Nope"`},
		{"rule.add", `{"name":"x","need":"refuse","methods":["oath"]}`, 422, "detail", "the rule refuses, so that nothing completes the login; methods would mean nothing"},
		{"rule.add", `{"name":"x","need":"refuse","attributes":[{"Name":"Filter-Id","Value":"a"}]}`, 422, "detail", "the rule refuses, so that nothing completes the login; attributes of accepts would mean nothing"},
		{"rule.add", `{"name":"x","need":"primary","unenrolled":"pass"}`, 422, "detail", "the rule needs only the first factor, so that no second is asked for; an answer for people without a second factor would mean nothing"},
		{"rule.add", `{"name":"x","place":3}`, 422, "detail", "there is no place 3; places are 1 to 2"},
		{"rule.add", `{"name":"x","place":1,"before":"office"}`, 422, "detail", "a place, before and after exclude one another"},
		{"rule.add", `{"name":"x","before":"nope"}`, 404, "detail", `no rule "nope"`},
		{"rule.add", `{"name":"x","after":"strictest"}`, 422, "detail", `nothing can stand behind rule "strictest": it takes every login that is left`},
		{
			"rule.add", `{"name":"admins","need":"primary","clients":["nas2"],"sources":["10.0.0.0/8"],"before":"office"}`, 200, "place weakens warnings",
			"1 [the first factor is enough: no code is asked for] [it never applies at client nas2, whose word on where people are is not believed (sallyport client change nas2 --origin calling-station-id)]",
		},
		{"rule.add", `{"name":"rest","need":"refuse","before":"strictest"}`, 200, "place warnings", "3 []"},
		{"rule.add", `{"name":"late","applications":["vpn"],"unenrolled":"pass"}`, 200, "place warnings", "4 [it is never asked: rule rest before it matches every login that it matches]"},
		{"rule.show", `{"name":"office"}`, 200, "place", "2"},
		{"rule.show", `{"name":"strictest"}`, 200, "place built_in", "5 true"},
		{"rule.show", `{"name":"nope"}`, 404, "detail", `no rule "nope"`},
		{"rule.move", `{"name":"late","before":"office"}`, 200, "place warnings", "2 []"},
		{"rule.move", `{"name":"late","after":"office"}`, 200, "place", "3"},
		{"rule.move", `{"name":"admins","after":"rest"}`, 200, "place", "4"},
		{"rule.move", `{"name":"admins","place":1}`, 200, "place", "1"},
		{"rule.move", `{"name":"admins"}`, 422, "detail", `it is not said where rule "admins" goes`},
		{"rule.move", `{"name":"admins","before":"admins"}`, 422, "detail", `rule "admins" cannot go before or after itself`},
		{"rule.move", `{"name":"strictest","place":1}`, 422, "type", "/problems/invalid"},
		{"rule.change", `{"name":"office","groups":[],"unenrolled":"pass","wait_seconds":0}`, 200, "groups applications unenrolled wait_seconds challenge_seconds", "[] [vpn] pass 0 90"},
		{"rule.change", `{"name":"office","need":"refuse"}`, 422, "hint", "leave it out, or take it away in the same change"},
		{"rule.change", `{"name":"office","new_name":"late"}`, 409, "detail", `there is already a rule "late"`},
		{"rule.change", `{"name":"office","new_name":"bureau"}`, 200, "name place", "bureau 2"},
		{"rule.change", `{"name":"office"}`, 404, "detail", `no rule "office"`},
		{"rule.change", `{"name":"strictest","need":"primary"}`, 422, "detail", `rule "strictest" is for logins that no other rule matches; it cannot be changed, moved or removed`},
		{"rule.remove", `{"name":"rest"}`, 200, "", ""},
		{"rule.remove", `{"name":"rest"}`, 404, "detail", `no rule "rest"`},
		{"rule.list", `{}`, 200, "place name", "1 admins"},

		{
			"trusted-ip.add", `{"application":"vpn","range":"10.1.0.0/16","note":" office "}`, 200, "application range note warnings",
			"vpn 10.1.0.0/16 office [it never applies at client nas2, whose word on where people are is not believed (sallyport client change nas2 --origin calling-station-id)]",
		},
		{"trusted-ip.add", `{"application":"vpn","range":"10.1.0.0-10.1.255.255"}`, 409, "detail", "10.1.0.0/16 is trusted by application vpn already"},
		{"trusted-ip.add", `{"application":"nope","range":"10.1.0.0/16"}`, 404, "detail", `there is no application "nope"`},
		{"trusted-ip.add", `{"application":"vpn","range":"office"}`, 422, "hint", "write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20"},
		{"trusted-ip.add", `{"application":"vpn","range":"10.0.0.0/7"}`, 422, "detail", "10.0.0.0/7 holds more addresses than a /8 of IPv4 or a /16 of IPv6: that is a part of the Internet, not a network that anybody can trust"},
		{"trusted-ip.add", `{"application":"vpn","range":"9.255.255.255-10.255.255.255"}`, 422, "type", "/problems/invalid"},
		{"trusted-ip.add", `{"application":"vpn","range":"2001::/15"}`, 422, "type", "/problems/invalid"},
		{"trusted-ip.add", `{"application":"vpn","range":"::ffff:0:0/96"}`, 422, "type", "/problems/invalid"},
		{"trusted-ip.add", `{"application":"vpn","range":"10.0.0.0/8"}`, 200, "range", "10.0.0.0/8"},
		{"trusted-ip.add", `{"application":"vpn","range":"2001::/16"}`, 200, "range", "2001::/16"},
		{"trusted-ip.add", `{"application":"vpn","range":"0.0.0.0/0","wide":true}`, 200, "range", "0.0.0.0/0"},
		{"trusted-ip.list", `{}`, 200, "application range", "vpn 10.1.0.0/16"},
		{"trusted-ip.remove", `{"application":"vpn","range":"10.1.0.0/16"}`, 200, "range", "10.1.0.0/16"},
		{"trusted-ip.remove", `{"application":"vpn","range":"10.1.0.0/16"}`, 404, "detail", `application "vpn" trusts no 10.1.0.0/16`},
		{"trusted-ip.remove", `{"id":"none"}`, 404, "detail", "no trusted network none"},
		{"trusted-ip.remove", `{"application":"vpn","range":"0.0.0.0/0"}`, 200, "range", "0.0.0.0/0"},

		{"cache.add", `{"application":"vpn","type":"user+application+ip","seconds":60}`, 200, "type seconds code", "user+application+ip 60 8"},
		{"cache.add", `{"application":"vpn","type":"user","seconds":60}`, 409, "detail hint", "application vpn has a cache rule already sallyport cache remove vpn ends it; then add the other"},
		{"cache.add", `{"application":"empty","type":"user","seconds":86400}`, 200, "code", "6"},
		{"cache.add", `{"application":"nope","type":"user","seconds":60}`, 404, "detail", `there is no application "nope"`},
		{"cache.add", `{"application":"vpn","type":"ip","seconds":60}`, 422, "detail", `there is no type of cache rule "ip"`},
		{"cache.add", `{"application":"vpn","type":"user","seconds":0}`, 422, "detail", "a success is remembered for 1 to 86400 seconds, not 0"},
		{"cache.add", `{"application":"vpn","type":"user","seconds":86401}`, 422, "type", "/problems/invalid"},
		{"cache.list", `{}`, 200, "application", "vpn"},
		{"cache.purge", `{"account":"alice"}`, 200, "", ""},
		{"cache.purge", `{"all":true}`, 200, "", ""},
		{"cache.purge", `{}`, 400, "detail", "name an account, or say that all are meant"},
		{"cache.purge", `{"all":true,"account":"alice"}`, 400, "type", "/problems/invalid"},
		{"cache.purge", `{"account":"nobody"}`, 404, "detail", `no account "nobody"`},

		{"bypass.add", `{"account":"ALICE","reason":"new phone"}`, 200, "account from until live reason", "alice 2026-03-04T05:06:07Z 2026-03-04T05:11:07Z true new phone"},
		{"bypass.add", `{"account":"alice","reason":"  "}`, 422, "detail", "a bypass needs a reason"},
		{"bypass.add", `{"account":"alice","reason":"` + strings.Repeat("x", 501) + `"}`, 422, "detail", "a reason has at most 500 characters"},
		{"bypass.add", `{"account":"alice","reason":"x","seconds":9}`, 422, "detail", "a bypass can be used for 10 to 86400 seconds, not 9"},
		{"bypass.add", `{"account":"alice","reason":"x","seconds":86401}`, 422, "type", "/problems/invalid"},
		{"bypass.add", `{"account":"nobody","reason":"x"}`, 404, "detail", `no account "nobody"`},
		{"bypass.add", `{"account":"alice","reason":"another","seconds":10}`, 200, "until", "2026-03-04T05:06:17Z"},
		{"bypass.list", `{}`, 200, "account reason live", "alice another true"},
		{"account.show", `{"name":"alice"}`, 200, "name failures", "alice map[code:0 password:0 stopped:false]"},

		{"policy.explain", `{"account":"alice","application":"vpn"}`, 200, "client verdict code possible answer", "nas challenge 22 true After the right password the person is asked for a second factor (oath)."},
		{"policy.explain", `{"account":"alice","client":"nas2","ip":"10.1.2.3"}`, 200, "verdict possible answer notes", "reject true The person is let in if the right code comes along with the password (oath); without one they are refused (1502 Code Missing). [client nas2 is not believed where people are: rules and exemptions that ask for an address do not match]"},
		{"policy.explain", `{"account":"alice","client":"nas","ip":"10.1.2.3","at":"2026-03-05T00:00:00Z"}`, 200, "verdict exemption at rule need", "accept trusted-ip 2026-03-05T00:00:00Z office both"},
		{"policy.explain", `{"account":"nobody","client":"nas"}`, 200, "claimant account verdict code possible", "nobody  reject -101 false"},
		{"policy.explain", `{"account":"fault","client":"nas"}`, 500, "type", "/problems/fault"},
		{"policy.explain", `{"account":"","client":"nas"}`, 422, "detail", "it is not said who logs in"},
		{"policy.explain", `{"account":"alice"}`, 422, "detail", "it is not said where the login is"},
		{"policy.explain", `{"account":"alice","application":"nope"}`, 404, "detail", `there is no application "nope"`},
		{"policy.explain", `{"account":"alice","application":"empty"}`, 422, "detail", "application empty has no client, so that nobody can log in to it"},
		{"policy.explain", `{"account":"alice","application":"empty","client":"nas"}`, 422, "detail", `client nas asks for application vpn, not "empty"`},
		{"policy.explain", `{"account":"alice","client":"nas","ip":"10.0.0.0/8"}`, 422, "detail", `"10.0.0.0/8" is not an address`},

		{"cache.remove", `{"name":"vpn"}`, 200, "", ""},
		{"cache.remove", `{"name":"vpn"}`, 404, "detail", `application "vpn" has no cache rule`},
		{"bypass.remove", `{"name":"alice"}`, 200, "", ""},
		{"bypass.remove", `{"name":"alice"}`, 404, "detail", "alice has no bypass; it may have been used"},
	}
	for _, s := range steps {
		status, body, _ := h.post(s.operation, s.body)
		if status != s.status {
			t.Errorf("%s %s = %d %s; want %d", s.operation, s.body, status, body, s.status)
			continue
		}
		first, _, _ := strings.Cut(body, "\n")
		if got := fields(t, first, strings.Fields(s.names)...); got != s.want {
			t.Errorf("%s %s = %s; want %s = %s", s.operation, s.body, body, s.names, s.want)
		}
	}

	if want := "[nas nas2 nas2 nas nas nas]"; fmt.Sprint(clientsOf(asked)) != want {
		t.Errorf("the engine was asked about %v; want %s", clientsOf(asked), want)
	}
	for _, at := range asked {
		if at.Evidence != nil || at.State != nil || at.Door != "radius" {
			t.Errorf("the engine was asked %+v", at)
		}
		if at.From != "" && (at.From != "10.1.2.3" || (at.Client == "nas2") != (at.Origin == netip.Addr{})) {
			t.Errorf("at %s from %s the origin is %s", at.Client, at.From, at.Origin)
		}
	}

	acts := make(map[string]string)
	for _, act := range h.store.acts {
		acts[act.Action] = act.Subject + ": " + act.Detail // the last of each
	}
	for action, want := range map[string]string{
		"client.change":     "nas2: was application vpn, source 192.0.2.2/32, mode append, password verify, origin none, message-authenticator optional, rate 7, Filter-Id=x; is application vpn, source 192.0.2.2/32, mode append, password verify, origin none, rate 7",
		"rule.add":          "late: place 4: application vpn: need both, unenrolled pass",
		"rule.change":       "office: was place 2: application vpn, from 192.0.2.0/24, in the hours mon,tue,wed,thu,fri 08:00-18:00 Europe/Berlin: need both, by oath,recovery, unenrolled pass, challenges for 90 s, Filter-Id=a; is named bureau, place 2: application vpn, from 192.0.2.0/24, in the hours mon,tue,wed,thu,fri 08:00-18:00 Europe/Berlin: need both, by oath,recovery, unenrolled pass, challenges for 90 s, Filter-Id=a",
		"rule.move":         "admins: was place 4: client nas2, from 10.0.0.0/8: need primary; is place 1: client nas2, from 10.0.0.0/8: need primary",
		"rule.remove":       "rest: was place 4: every login: need refuse",
		"trusted-ip.remove": "vpn: was 0.0.0.0/0",
		"cache.add":         "empty: user for 86400 s",
		"cache.remove":      "vpn: was user+application+ip for 60 s",
		"cache.purge":       ": all accounts",
		"bypass.add":        "alice: once, for 10 s: another; in place of one until 2026-03-04T05:11:07Z: new phone",
		"bypass.remove":     "alice: was until 2026-03-04T05:06:17Z: another",
	} {
		if acts[action] != want {
			t.Errorf("%s was recorded as %q; want %q", action, acts[action], want)
		}
	}
}

func clientsOf(attempts []auth.Attempt) (names []string) {
	for _, at := range attempts {
		names = append(names, at.Client)
	}
	return names
}

// Each setting that weakens MFA is in the list, with a command that ends it,
// and goes from the list with it.
func TestExemptionsAreListed(t *testing.T) {
	h := newHouse(t)
	do := func(operation, body string) {
		t.Helper()
		if status, answer, _ := h.post(operation, body); status != 200 {
			t.Fatalf("%s %s = %d %s", operation, body, status, answer)
		}
	}
	list := func() string {
		t.Helper()
		status, body, _ := h.post("exemption.list", `{}`)
		if status != 200 {
			t.Fatalf("exemption.list = %d %s", status, body)
		}
		var lines []string
		for line := range strings.Lines(body) {
			lines = append(lines, fields(t, line, "kind", "end"))
		}
		return strings.Join(lines, "\n")
	}
	do("application.add", `{"name":"vpn"}`)
	do("application.add", `{"name":"rdp"}`)
	do("client.add", `{"name":"nas","application":"vpn","source":"192.0.2.1"}`)
	do("client.add", `{"name":"gw","application":"rdp","source":"192.0.2.2","origin":"none"}`)
	do("account.add", `{"name":"alice"}`)
	do("rule.add", `{"name":"strict","applications":["vpn"],"methods":["oath"],"unenrolled":"enrol","sources":["192.0.2.0/24"]}`)
	do("rule.add", `{"name":"never","need":"refuse","applications":["rdp"]}`)
	if got := list(); got != "" {
		t.Errorf("nothing weakens MFA, and the list says\n%s", got)
	}
	do("rule.add", `{"name":"lan","applications":["vpn"],"need":"primary","sources":["10.0.0.0/24"]}`)
	do("rule.add", `{"name":"week","applications":["rdp"],"unenrolled":"pass"}`)
	do("trusted-ip.add", `{"application":"vpn","range":"10.1.0.0/16"}`)
	do("cache.add", `{"application":"rdp","type":"user+application+ip","seconds":60}`)
	do("bypass.add", `{"account":"alice","reason":"new phone"}`)
	do("client.change", `{"name":"gw","password":"none","lax":true}`)
	want := strings.Join([]string{
		"rule-primary sallyport rule change lan --need both",
		"rule-unenrolled sallyport rule change week --unenrolled refuse",
		"trusted-ip sallyport trusted-ip remove vpn 10.1.0.0/16",
		"cache-rule sallyport cache remove rdp",
		"bypass sallyport bypass remove alice",
		"client-password sallyport client change gw --password verify",
		"client-message-authenticator sallyport client change gw --message-authenticator required",
		"client-origin sallyport client change nas --origin none",
	}, "\n")
	if got := list(); got != want {
		t.Errorf("the list says\n%s\nwant\n%s", got, want)
	}
	// The cache rule of rdp does not make gw's word count: it is not believed.
	do("client.change", `{"name":"gw","origin":"calling-station-id"}`)
	if got := list(); !strings.HasSuffix(got, "\nclient-origin sallyport client change gw --origin none") {
		t.Errorf("the list says\n%s", got)
	}
	// What an exemption's command says, over the API; a bypass ends by itself.
	do("rule.change", `{"name":"lan","need":"both"}`)
	do("rule.change", `{"name":"week","unenrolled":"refuse"}`)
	do("trusted-ip.remove", `{"application":"vpn","range":"10.1.0.0/16"}`)
	do("cache.remove", `{"name":"rdp"}`)
	do("client.change", `{"name":"gw","password":"verify","lax":false}`)
	h.o.Admin.Now = func() time.Time { return start.Add(5 * time.Minute) }
	if got := list(); got != "" {
		t.Errorf("all was ended, and the list says\n%s", got)
	}
}

// A rule is written only over what the administrator saw: the record of a
// change says what was really before.
func TestRuleThatMovedMeanwhileIsNotOverwritten(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"a", "b"} {
		if status, body, _ := h.post("rule.add", `{"name":"`+name+`"}`); status != 200 {
			t.Fatalf("rule.add = %d %s", status, body)
		}
	}
	h.store.before = func() { // somebody else is faster
		h.store.settings.Rules[0].Then.Need = auth.NeedRefuse
	}
	for _, operation := range []string{"rule.change", "rule.remove"} {
		body := `{"name":"a"}`
		h.store.settings.Rules[0].Then.Need = auth.NeedBoth
		status, answer, _ := h.post(operation, body)
		if status != 422 || fields(t, answer, "detail") != `rule "a" was changed by somebody else meanwhile; nothing was done` {
			t.Errorf("%s = %d %s; want a refusal", operation, status, answer)
		}
	}
	if n := len(h.store.acts); n != 2 {
		t.Errorf("%d acts; want the two that made the rules", n)
	}
}
