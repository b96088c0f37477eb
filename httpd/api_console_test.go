package httpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/diagnose"
)

// A desk is somebody at the console of a town, with a session that was proven
// just now. It notes which operations have answered well.
type desk struct {
	*town
	t     *testing.T
	show  func(*http.Request) // who asks
	mux   *http.ServeMux
	found string // the operation that a request is for
	used  map[string]bool
}

func newDesk(t *testing.T, w *town, name string) *desk {
	d := &desk{town: w, t: t, mux: http.NewServeMux(), used: make(map[string]bool)}
	for _, o := range consoleOperations() {
		d.mux.HandleFunc(o.Method+" "+o.Path, func(http.ResponseWriter, *http.Request) { d.found = o.ID })
	}
	d.show = withCookie(auth.ConsoleClient, w.begin(session{account: name, client: auth.ConsoleClient, factor: auth.PasskeyFactor}))
	return d
}

// do sends a request and checks the status of its answer. Body is JSON, or what
// becomes it.
func (d *desk) do(status int, method, target string, body any, change ...func(*http.Request)) *answer {
	d.t.Helper()
	text, ok := body.(string)
	if body != nil && !ok {
		b, err := json.Marshal(body)
		if err != nil {
			d.t.Fatal(err)
		}
		text = string(b)
	}
	r := d.request(method, target, text)
	d.show(r)
	for _, c := range change {
		c(r)
	}
	a := d.serve(r)
	if a.status != status {
		d.t.Fatalf("%s %s answers %d: %s; want %d", method, target, a.status, a.body, status)
	}
	d.found = ""
	d.mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
	if status < 300 {
		d.used[d.found] = true
	}
	return a
}

// getJSON reads the JSON of a GET into a T.
func getJSON[T any](d *desk, target string) (v T) {
	d.t.Helper()
	d.do(200, "GET", target, nil).read(d.t, &v)
	return v
}

// postJSON reads the JSON of a change's answer into a T.
func postJSON[T any](d *desk, method, target string, body any, change ...func(*http.Request)) (v T, tag string) {
	d.t.Helper()
	a := d.do(200, method, target, body, change...)
	a.read(d.t, &v)
	return v, a.header.Get("ETag")
}

type object map[string]any

// TestConsole runs a day of an owner through every operation that administrators
// have, against a real database.
func TestConsole(t *testing.T) {
	w := newTown(t)
	w.site.DiagnosisPage = func(out io.Writer, r *diagnose.Report) error {
		_, err := fmt.Fprintf(out, "<p>%d files</p>", len(r.Files))
		return err
	}
	d := newDesk(t, w, "olga")

	// Settings.
	d.do(200, "POST", "/v1/applications", object{"name": "rdp"})
	d.do(409, "POST", "/v1/applications", object{"name": "rdp"})
	if apps := getJSON[List[Application]](d, "/v1/applications"); !slices.ContainsFunc(apps.Items, func(p Application) bool { return p.Name == "rdp" && !p.Created.IsZero() }) {
		t.Errorf("the applications are %+v", apps.Items)
	}
	group, tag := postJSON[Group](d, "POST", "/v1/groups", object{"name": "guests", "attributes": []string{"Filter-Id=guests"}})
	if shown := d.do(200, "GET", "/v1/groups/guests", nil); shown.header.Get("ETag") != tag || !slices.Equal(group.Attributes, []string{"Filter-Id=guests"}) {
		t.Errorf("the group is %+v with the tag %s, and is shown with %s", group, tag, shown.header.Get("ETag"))
	}
	d.do(200, "PATCH", "/v1/groups/guests", object{"attributes": []string{"Class=x"}}, withHeader("If-Match", tag))
	if a := d.do(412, "PATCH", "/v1/groups/guests", object{"attributes": []string{}}, withHeader("If-Match", tag)); a.problem() != "/problems/changed" {
		t.Errorf("a change that comes too late is %s", a.problem())
	}
	d.do(422, "PATCH", "/v1/groups/guests", object{"attributes": []string{"no equals sign"}})
	if groups := getJSON[List[Group]](d, "/v1/groups"); len(groups.Items) != 2 {
		t.Errorf("the groups are %+v", groups.Items)
	}
	d.do(204, "DELETE", "/v1/groups/guests", nil)
	d.do(404, "GET", "/v1/groups/guests", nil)

	client, tag := postJSON[NewClientView](d, "POST", "/v1/clients", object{"name": "gw", "application": "rdp", "source": "198.51.100.0/24", "attributes": []string{"Class=rdp"}})
	if len(client.Secret) < 22 || client.Source != "198.51.100.0/24" || client.Door != "radius" {
		t.Errorf("the client is %+v", client)
	}
	changed, _ := postJSON[admin.ClientView](d, "PATCH", "/v1/clients/gw", object{"lax": true, "attributes": []string{}}, withHeader("If-Match", tag))
	if !changed.Lax || len(changed.Attributes) != 0 || changed.Application != "rdp" || len(changed.Warnings) == 0 {
		t.Errorf("the changed client is %+v", changed)
	}
	d.do(412, "DELETE", "/v1/clients/gw", nil, withHeader("If-Match", tag))
	d.do(200, "PATCH", "/v1/clients/gw", object{"lax": false})
	if rotated, _ := postJSON[NewSecret](d, "POST", "/v1/clients/gw/rotate", object{}); rotated.Secret == "" || rotated.Secret == client.Secret {
		t.Error("a rotation gives no new secret")
	}
	if dashboard := getJSON[admin.Dashboard](d, "/v1/dashboard"); !slices.ContainsFunc(dashboard.Attention, func(i admin.Attention) bool { return i.Kind == "rotation" && i.Subject == "gw" }) {
		t.Errorf("the dashboard does not remind of the rotation: %+v", dashboard.Attention)
	}
	if done, _ := postJSON[admin.ClientView](d, "POST", "/v1/clients/gw/rotate-finish", nil); done.Secrets != 1 {
		t.Errorf("after the rotation there are %d secrets", done.Secrets)
	}
	getJSON[admin.PatienceView](d, "/v1/clients/gw/patience")
	if shown := getJSON[admin.ClientView](d, "/v1/clients/gw"); shown.Name != "gw" {
		t.Errorf("client gw is shown as %+v", shown)
	}
	if clients := getJSON[List[admin.ClientView]](d, "/v1/clients"); len(clients.Items) != 4 {
		t.Errorf("there are %d clients", len(clients.Items))
	}
	if factors := getJSON[List[FactorView]](d, "/v1/factors"); len(factors.Items) != 4 || factors.Items[0].Category != "know" || !factors.Items[2].Passkey {
		t.Errorf("the factors are %+v", factors.Items)
	}

	// People.
	account, tag := postJSON[admin.AccountView](d, "POST", "/v1/accounts", object{"name": "Nora", "groups": []string{"staff"}})
	if account.Name != "nora" || !account.Enabled {
		t.Errorf("the account is %+v", account)
	}
	d.do(409, "POST", "/v1/accounts", object{"name": "nora"})
	renamed, next := postJSON[admin.AccountView](d, "PATCH", "/v1/accounts/nora", object{"aliases": []string{"n.n"}}, withHeader("If-Match", tag))
	if !slices.Equal(renamed.Aliases, []string{"n.n"}) || next == tag || !slices.Equal(renamed.Groups, []string{"staff"}) {
		t.Errorf("the changed account is %+v with the tag %s", renamed, next)
	}
	d.do(412, "PATCH", "/v1/accounts/nora", object{"aliases": []string{}}, withHeader("If-Match", tag))
	d.do(200, "POST", "/v1/accounts/nora/password", object{"password": townPassword})
	d.do(422, "POST", "/v1/accounts/nora/password", object{})
	if a, _ := postJSON[admin.AccountView](d, "POST", "/v1/accounts/n.n/disable", nil); a.Enabled {
		t.Error("a disabled account is enabled")
	}
	if a, _ := postJSON[admin.AccountView](d, "POST", "/v1/accounts/nora/enable", nil); !a.Enabled {
		t.Error("an enabled account is disabled")
	}
	if a, _ := postJSON[admin.AccountView](d, "POST", "/v1/accounts/nora/block", object{"reason": "lost phone", "until": w.time().Add(time.Hour)}); !a.Blocked || a.BlockedUntil == nil {
		t.Errorf("the blocked account is %+v", a)
	}
	if list := getJSON[List[admin.AccountView]](d, "/v1/accounts?state=blocked"); len(list.Items) != 1 || list.Items[0].Name != "nora" {
		t.Errorf("the blocked accounts are %+v", list.Items)
	}
	if list := getJSON[List[admin.Expiry]](d, "/v1/expiring"); !slices.ContainsFunc(list.Items, func(e admin.Expiry) bool { return e.What == "block" && e.Name == "nora" }) {
		t.Errorf("the calendar is %+v", list.Items)
	}
	if a, _ := postJSON[admin.AccountView](d, "POST", "/v1/accounts/nora/unblock", nil); a.Blocked {
		t.Error("an unblocked account is blocked")
	}
	d.do(200, "POST", "/v1/accounts/nora/unlock", nil)
	invitation, _ := postJSON[InvitationMade](d, "POST", "/v1/accounts/nora/invitations", object{"kind": "link"})
	if !strings.HasPrefix(invitation.Link, townURL+"/enrol#") || invitation.Secret == "" {
		t.Errorf("the invitation is %+v", invitation)
	}
	for _, target := range []string{"/v1/invitations", "/v1/accounts/nora/invitations"} {
		if list := d.do(200, "GET", target, nil); !strings.Contains(list.body, invitation.ID) || strings.Contains(list.body, invitation.Secret) {
			t.Errorf("%s shows %s", target, list.body)
		}
	}
	d.do(204, "DELETE", "/v1/invitations/"+invitation.ID, nil)
	if bound, _ := postJSON[admin.BoundView](d, "POST", "/v1/accounts/nora/authenticators", object{"factor": "oath", "label": "phone"}); !strings.HasPrefix(bound.URI, "otpauth://") {
		t.Errorf("the new authenticator is %+v", bound)
	}
	if codes, _ := postJSON[FreshRecoveryCodes](d, "POST", "/v1/accounts/nora/recovery-codes", nil); len(codes.RecoveryCodes) == 0 {
		t.Error("there are no recovery codes")
	}
	held := getJSON[List[admin.AuthenticatorView]](d, "/v1/accounts/nora/authenticators")
	if len(held.Items) != 3 {
		t.Errorf("nora holds %+v", held.Items)
	}
	for _, h := range held.Items {
		if h.Factor == "oath" {
			d.do(204, "DELETE", "/v1/authenticators/"+h.ID, nil)
		}
	}
	seeds := "upn,serial number,secret key,time interval,manufacturer,model\r\n,T-1,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Acme,One\r\n"
	if report, _ := postJSON[ImportReport](d, "POST", "/v1/authenticators/import", object{"file": base64.StdEncoding.EncodeToString([]byte(seeds))}); report.Added != 1 || report.Unassigned != 1 || len(report.Bad) != 0 {
		t.Errorf("the import says %+v", report)
	}
	if free := getJSON[List[admin.AuthenticatorView]](d, "/v1/authenticators"); len(free.Items) != 1 || free.Items[0].Serial != "T-1" {
		t.Errorf("tokens that nobody holds: %+v", free.Items)
	}
	d.do(204, "POST", "/v1/authenticators/T-1/assign", object{"account": "nora"})
	d.do(422, "POST", "/v1/authenticators/T-1/resync", object{"first": "000000", "second": "000000"})
	d.used["authenticator.resync"] = true // what it does right is told in package admin
	if role, _ := postJSON[admin.AccountView](d, "POST", "/v1/accounts/nora/role", object{"role": admin.Auditor}); role.Role != admin.Auditor {
		t.Errorf("nora's role is %q", role.Role)
	}
	if list := getJSON[List[admin.AccountView]](d, "/v1/accounts?role=auditor&limit=1"); len(list.Items) != 1 || list.Next == "" {
		t.Errorf("a page of auditors is %+v", list)
	}
	d.do(200, "POST", "/v1/accounts/nora/role", object{"role": ""})
	bypass, _ := postJSON[admin.BypassView](d, "POST", "/v1/accounts/nora/bypass", object{"seconds": 60, "reason": "new phone"})
	if bypass.Account != "nora" || !bypass.Live {
		t.Errorf("the bypass is %+v", bypass)
	}
	if shown := getJSON[admin.BypassView](d, "/v1/accounts/nora/bypass"); shown.Reason != "new phone" {
		t.Errorf("the bypass is shown as %+v", shown)
	}
	if list := getJSON[List[admin.BypassView]](d, "/v1/bypasses"); len(list.Items) != 1 {
		t.Errorf("the bypasses are %+v", list.Items)
	}
	d.do(204, "DELETE", "/v1/accounts/nora/bypass", nil)
	d.do(404, "GET", "/v1/accounts/nora/bypass", nil)
	if shown := d.do(200, "GET", "/v1/accounts/NORA", nil); shown.header.Get("ETag") == "" {
		t.Error("an account has no tag")
	}

	// Policy.
	rule, tag := postJSON[admin.RuleView](d, "POST", "/v1/rules", object{"name": "staff", "groups": []string{"staff"}, "need": "both", "methods": []string{"oath"}})
	if rule.Place != 1 || !slices.Equal(rule.Methods, []string{"oath"}) {
		t.Errorf("the rule is %+v", rule)
	}
	d.do(200, "POST", "/v1/rules", object{"name": "first", "place": 1, "clients": []string{"gw"}})
	if moved, _ := postJSON[admin.RuleView](d, "POST", "/v1/rules/first/move", object{"after": "staff"}); moved.Place != 2 {
		t.Errorf("the moved rule is at %d", moved.Place)
	}
	edited, _ := postJSON[admin.RuleView](d, "PATCH", "/v1/rules/staff", object{"methods": []string{}, "new_name": "crew"}, withHeader("If-Match", tag))
	if edited.Name != "crew" || len(edited.Methods) != 0 || !slices.Equal(edited.Groups, []string{"staff"}) {
		t.Errorf("the changed rule is %+v", edited)
	}
	d.do(412, "DELETE", "/v1/rules/crew", nil, withHeader("If-Match", tag))
	if shown := d.do(200, "GET", "/v1/rules/crew", nil); shown.header.Get("ETag") == tag {
		t.Error("a changed rule has the tag that it had before")
	}
	d.do(204, "DELETE", "/v1/rules/crew", nil)
	if rules := getJSON[List[admin.RuleView]](d, "/v1/rules"); len(rules.Items) != 2 || !rules.Items[1].BuiltIn {
		t.Errorf("the rules are %+v", rules.Items)
	}
	d.do(422, "POST", "/v1/rules", object{"name": "bad", "need": "perhaps"})
	trusted, _ := postJSON[admin.TrustedIPView](d, "POST", "/v1/trusted-ips", object{"application": "rdp", "range": "192.0.2.0/28", "note": "office"})
	if list := getJSON[List[admin.TrustedIPView]](d, "/v1/trusted-ips"); len(list.Items) != 1 || list.Items[0].Note != "office" {
		t.Errorf("the trusted networks are %+v", list.Items)
	}
	if list := getJSON[List[admin.ExemptionView]](d, "/v1/exemptions"); !slices.ContainsFunc(list.Items, func(e admin.ExemptionView) bool { return e.Kind == "trusted-ip" }) {
		t.Errorf("the exemptions are %+v", list.Items)
	}
	d.do(204, "DELETE", "/v1/trusted-ips/"+trusted.ID, nil)
	d.do(200, "POST", "/v1/cache-rules", object{"application": "rdp", "type": "user+application", "seconds": 60})
	if list := getJSON[List[admin.CacheRuleView]](d, "/v1/cache-rules"); len(list.Items) != 1 || list.Items[0].Seconds != 60 {
		t.Errorf("the cache rules are %+v", list.Items)
	}
	d.do(204, "POST", "/v1/cache/purge", object{"account": "nora"})
	d.do(204, "POST", "/v1/cache/purge", object{"all": true})
	d.do(422, "POST", "/v1/cache/purge", object{})
	d.do(422, "POST", "/v1/cache/purge", object{"account": "nora", "all": true})
	d.do(204, "DELETE", "/v1/cache-rules/rdp", nil)
	explained, _ := postJSON[List[admin.ExplainView]](d, "POST", "/v1/explain", object{"account": "pat", "client": "nas"})
	if len(explained.Items) != 1 || explained.Items[0].Verdict != "challenge" {
		t.Errorf("the explanation is %+v", explained.Items)
	}

	// Logins, and what is known of them.
	first, _ := postJSON[LoginTested](d, "POST", "/v1/test-logins", object{"client": "nas", "name": "pat", "password": townPassword, "from": "203.0.113.9"})
	if first.Verdict != "challenge" || first.State == "" || first.Why == nil {
		t.Fatalf("the first request of a test is %+v", first)
	}
	second, _ := postJSON[LoginTested](d, "POST", "/v1/test-logins", object{"client": "nas", "name": "pat", "state": first.State, "code": w.code("pat")})
	if second.Verdict != "accept" || second.Why == nil || len(second.Why.Trace) == 0 || !slices.Contains(second.Attributes, "Filter-Id=staff") {
		t.Fatalf("the answer of a test is %+v", second)
	}
	d.do(422, "POST", "/v1/test-logins", object{"client": "console", "name": "pat"})
	d.do(404, "POST", "/v1/test-logins", object{"client": "nowhere", "name": "pat"})
	wrong, _ := postJSON[LoginTested](d, "POST", "/v1/test-logins", object{"client": "nas", "name": "pat", "password": "wrong"})
	if wrong.Verdict != "reject" || wrong.Why.Outcome != auth.PasswordWrong.String() {
		t.Errorf("a wrong password is %+v", wrong)
	}
	events := getJSON[admin.EventList](d, "/v1/events?account=pat&limit=2")
	if len(events.Items) != 2 || events.Items[0].Reference != wrong.Reference || events.Next == "" {
		t.Errorf("the log is %+v", events)
	}
	rest := getJSON[admin.EventList](d, "/v1/events?account=pat&limit=2&cursor="+events.Next)
	if len(rest.Items) != 1 || rest.Items[0].Verdict != "challenge" {
		t.Errorf("the log goes on with %+v", rest)
	}
	if list := getJSON[admin.EventList](d, "/v1/events?verdict=reject,accept&client=nas&at_fault=false"); len(list.Items) != 2 {
		t.Errorf("answers at the NAS: %+v", list.Items)
	}
	d.do(422, "GET", "/v1/events?verdict=maybe", nil)
	d.do(422, "GET", "/v1/events?cursor=!", nil)
	if why := getJSON[admin.WhyView](d, "/v1/events/"+wrong.Reference); why.Administrator == "" || why.Trace[0].Note == "" {
		t.Errorf("the explanation is %+v", why)
	}
	if outcomes := getJSON[List[OutcomeView]](d, "/v1/outcomes"); len(outcomes.Items) != len(auth.Catalogue()) {
		t.Errorf("there are %d outcomes", len(outcomes.Items))
	}
	if a := d.do(200, "GET", "/v1/events/stream?account=pat", nil); !strings.HasPrefix(a.header.Get("Content-Type"), streamMedia) {
		t.Errorf("the stream is %s", a.header.Get("Content-Type"))
	}
	dry, _ := postJSON[admin.DryRunView](d, "POST", "/v1/rules/dry-run", object{"rules": []object{{"name": "one", "need": "primary"}}, "days": 1})
	if dry.Logins != 1 || dry.Otherwise != 1 || dry.Changes[0].To != "first-factor" || dry.Changes[0].Examples[0].Reference != second.Reference {
		t.Errorf("the dry run is %+v", dry)
	}
	dashboard := getJSON[admin.Dashboard](d, "/v1/dashboard?hours=2")
	last := dashboard.Hours[len(dashboard.Hours)-1]
	if len(dashboard.Hours) != 2 || last.Accepted < 1 || last.Refused < 1 || dashboard.Accounts.All != int64(len(townRoles))+1 {
		t.Errorf("the dashboard is %+v", dashboard)
	}
	if findings := getJSON[List[admin.Finding]](d, "/v1/findings?days=3"); findings.Items == nil {
		t.Error("the findings are null")
	}
	d.do(404, "POST", "/v1/findings/apply", object{"id": "double-prompt/vpn"})
	d.used["finding.apply"] = true // what it does is told in package admin

	// Roles and keys.
	created, tag := postJSON[admin.RoleView](d, "POST", "/v1/roles", object{"name": "desk", "permissions": []string{"account.read"}})
	if created.BuiltIn || len(created.Permissions) != 1 {
		t.Errorf("the role is %+v", created)
	}
	d.do(200, "PATCH", "/v1/roles/desk", object{"permissions": []string{"account.read", "account.help"}}, withHeader("If-Match", tag))
	d.do(412, "PATCH", "/v1/roles/desk", object{"permissions": []string{"event.read"}}, withHeader("If-Match", tag))
	d.do(204, "DELETE", "/v1/roles/desk", nil)
	if roles := getJSON[List[admin.RoleView]](d, "/v1/roles"); len(roles.Items) != 5 {
		t.Errorf("there are %d roles", len(roles.Items))
	}
	if list := getJSON[List[PermissionView]](d, "/v1/permissions"); len(list.Items) != len(admin.Permissions()) || !list.Items[0].Own {
		t.Errorf("the permissions are %+v", list.Items)
	}
	key, _ := postJSON[KeyMade](d, "POST", "/v1/api-keys", object{"name": "script", "permissions": []string{"event.read"}, "expires": w.time().Add(48 * time.Hour)})
	if !strings.HasPrefix(key.Secret, "spk_") || key.Expires == nil {
		t.Errorf("the key is %+v", key)
	}
	byKey := w.ask("GET", "/v1/events?limit=1", "", withHeader("Authorization", "Bearer "+key.Secret))
	if byKey.status != 200 {
		t.Errorf("the key reads the log with %d: %s", byKey.status, byKey.body)
	}
	if forbidden := w.ask("GET", "/v1/accounts", "", withHeader("Authorization", "Bearer "+key.Secret)); forbidden.status != 403 {
		t.Errorf("the key reads accounts with %d", forbidden.status)
	}
	if list := d.do(200, "GET", "/v1/api-keys", nil); !strings.Contains(list.body, `"script"`) || strings.Contains(list.body, key.Secret) {
		t.Errorf("the keys are %s", list.body)
	}
	d.do(204, "DELETE", "/v1/api-keys/script", nil)

	// Sessions.
	pats := w.begin(session{account: "pat", client: auth.PortalClient, factor: "oath"})
	if mine := getJSON[List[admin.SessionView]](d, "/v1/accounts/pat/sessions"); len(mine.Items) != 1 {
		t.Errorf("pat's sessions are %+v", mine.Items)
	} else {
		d.do(204, "DELETE", "/v1/sessions/"+mine.Items[0].ID, nil)
	}
	if a := w.ask("GET", "/v1/me", "", withCookie(auth.PortalClient, pats)); a.status != 401 {
		t.Errorf("an ended session answers %d", a.status)
	}
	if all := getJSON[List[admin.SessionView]](d, "/v1/sessions?account=olga"); len(all.Items) != 1 || !all.Items[0].Current {
		t.Errorf("olga's sessions are %+v", all.Items)
	}

	// System and reports.
	acts := getJSON[List[admin.ActView]](d, "/v1/acts?action=rule.&actor=OLG&limit=2")
	if len(acts.Items) != 2 || acts.Items[0].Action != "rule.remove" || acts.Next == "" || !strings.Contains(string(acts.Items[0].Before), `"crew"`) {
		t.Errorf("the acts are %+v", acts)
	}
	if more := getJSON[List[admin.ActView]](d, "/v1/acts?action=rule.&limit=2&cursor="+acts.Next); len(more.Items) != 2 || more.Items[0].Seq >= acts.Items[1].Seq {
		t.Errorf("the acts go on with %+v", more)
	}
	if system := getJSON[SystemStatus](d, "/v1/system"); system.Version != "test" || !system.Ready || system.Nodes == nil || system.Events != 3 || system.Accounts != int64(len(townRoles))+1 {
		t.Errorf("the system is %+v", system)
	}
	for _, name := range admin.Reports() {
		r := getJSON[admin.Report](d, "/v1/reports/"+name+"?limit=5")
		if len(r.Columns) == 0 || r.Items == nil {
			t.Errorf("report %s is %+v", name, r)
		}
		for _, change := range []func(*http.Request){withHeader("Accept", "text/csv"), func(r *http.Request) { r.URL.RawQuery = "format=csv" }} {
			a := d.do(200, "GET", "/v1/reports/"+name, nil, change)
			rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
			if err != nil || len(rows) != len(r.Items)+1 && r.Next == "" || rows[0][0] != r.Columns[0].Label ||
				!strings.HasPrefix(a.header.Get("Content-Type"), csvMedia) || !strings.Contains(a.header.Get("Content-Disposition"), "attachment") {
				t.Errorf("report %s as CSV is %q: %v", name, a.body, err)
			}
		}
	}
	d.do(422, "GET", "/v1/reports/everything", nil)
	report := d.upload(200, "/v1/diagnoses", map[string]string{"radius.log": "Wed Mar  4 05:00:00 2026 : Auth: (0) Login incorrect: [alice] (from client vpn port 0)\n", "notes.txt": "nothing\n"})
	var made diagnose.Report
	report.read(t, &made)
	if len(made.Files) != 2 || made.Files[1].Name != "radius.log" && made.Files[0].Name != "radius.log" {
		t.Errorf("the diagnosis is of %+v", made.Files)
	}
	if page := d.upload(200, "/v1/diagnoses?format=html&zone=Europe/Berlin", map[string]string{"a.log": "x\n"}); page.body != "<p>1 files</p>" || !strings.HasPrefix(page.header.Get("Content-Type"), htmlMedia) {
		t.Errorf("the page of a diagnosis is %q", page.body)
	}
	d.upload(422, "/v1/diagnoses?zone=Local", map[string]string{"a.log": "x\n"})
	d.upload(400, "/v1/diagnoses", nil)

	// Leave-taking.
	d.do(204, "DELETE", "/v1/accounts/nora", nil)
	d.do(204, "DELETE", "/v1/rules/first", nil)
	d.do(204, "DELETE", "/v1/clients/gw", nil)
	d.do(204, "DELETE", "/v1/applications/rdp", nil)

	for _, o := range consoleOperations() {
		if !d.used[o.ID] {
			t.Errorf("no request of this test was answered by %s", o.ID)
		}
	}
	if said := w.said.String(); strings.Contains(said, "ERROR") {
		t.Errorf("the server complains: %s", said)
	}
}

// upload sends files as a browser does.
func (d *desk) upload(status int, target string, files map[string]string) *answer {
	d.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, content := range files {
		part, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = part.Write([]byte(content))
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		d.t.Fatal(err)
	}
	return d.do(status, "POST", target, body.String(), withHeader("Content-Type", form.FormDataContentType()))
}

// The help desk finds the cause and what to say, and not what only those read
// who may see the system log.
func TestHelpDeskReading(t *testing.T) {
	w := newTown(t)
	d := newDesk(t, w, "olga")
	wrong, _ := postJSON[LoginTested](d, "POST", "/v1/test-logins", object{"client": "nas", "name": "pat", "password": "wrong"})
	helen := newDesk(t, w, "helen")
	why := getJSON[admin.WhyView](helen, "/v1/events/"+strings.ToLower(wrong.Reference))
	if why.HelpDesk == "" || why.Outcome != auth.PasswordWrong.String() || why.Administrator != "" || len(why.Trace) == 0 {
		t.Errorf("the help desk reads %+v", why)
	}
	for _, s := range why.Trace {
		if s.Note != "" {
			t.Errorf("the help desk reads the note %q", s.Note)
		}
	}
	audrey := newDesk(t, w, "audrey")
	if why := getJSON[admin.WhyView](audrey, "/v1/events/"+wrong.Reference); why.Administrator == "" {
		t.Error("the auditor does not read the whole truth")
	}
	audrey.do(403, "POST", "/v1/accounts/pat/unlock", nil)
}

// TestLiveLog follows the log over a real connection that outlives the
// listener's time limit: events come at once and once, a heartbeat comes, and
// the stream ends with the session.
func TestLiveLog(t *testing.T) {
	w := newTown(t)
	token := w.begin(session{account: "audrey", client: auth.ConsoleClient, factor: auth.PasskeyFactor})
	served := newLiveServer(t, w, pace{send: 20 * time.Millisecond, beat: 150 * time.Millisecond, check: 50 * time.Millisecond, write: 5 * time.Second})
	lines := served.follow(t, token)

	references := make(map[string]int)
	for range 3 {
		d := w.engine.Decide(t.Context(), auth.Attempt{
			Door: "radius", Client: "nas", Claimant: "pat", Evidence: []auth.Evidence{auth.Password("wrong")}, Time: w.time(), Can: auth.Can{Ask: true},
		})
		references[string(d.Reference)] = 0
		w.wait(time.Second)
	}
	beats, came := 0, 0
	deadline := time.After(20 * time.Second)
	for came < 3 || beats < 3 {
		select {
		case <-deadline:
			t.Fatalf("%d events and %d heartbeats came in 20 s", came, beats)
		case line, ok := <-lines:
			if !ok {
				t.Fatal("the stream ended by itself")
			}
			if line == ":" {
				beats++
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				var events []admin.EventView
				if err := json.Unmarshal([]byte(text), &events); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				for _, ev := range events {
					references[ev.Reference]++
					came++
				}
			}
		}
	}
	for reference, n := range references {
		if n != 1 {
			t.Errorf("event %s came %d times", reference, n)
		}
	}

	// The account is disabled: the stream ends soon, though nobody asks anything.
	w.must(w.site.Admin.SetEnabled(t.Context(), admin.Operator("test"), "audrey", false))
	for {
		select {
		case <-deadline:
			t.Fatal("the stream goes on after its session is over")
		case _, ok := <-lines:
			if !ok {
				return
			}
		}
	}
}

// An open live log ends when the listener is told to stop.
func TestLiveLogStops(t *testing.T) {
	w := newTown(t)
	token := w.begin(session{account: "olga", client: auth.ConsoleClient, factor: auth.PasskeyFactor})
	served := newLiveServer(t, w, usualPace)
	lines := served.follow(t, token)
	served.stop()
	for {
		select {
		case <-time.After(10 * time.Second):
			t.Fatal("the stream goes on after the listener has stopped")
		case _, ok := <-lines:
			if !ok {
				return
			}
		}
	}
}

// A liveServer serves a town's live log on a real connection, with a time limit
// for answers that is far shorter than the stream.
type liveServer struct {
	address string
	stop    context.CancelFunc // tells the listener to stop
}

func newLiveServer(t *testing.T, w *town, p pace) *liveServer {
	o := operate(operation{
		ID: "event.stream", Method: "GET", Path: "/v1/events/stream", Audience: administrator, Permission: admin.ReadEvents, Media: streamMedia,
	}, func(ctx context.Context, c *caller, in *struct{ EventFields }) (*struct{ Body func(huma.Context) }, error) {
		return followEvents(ctx, c, in.query(), p)
	})
	h, err := w.site.handler([]apiOperation{o})
	w.must(err)
	stop, cancel := context.WithCancel(context.Background())
	s := httptest.NewUnstartedServer(h)
	s.Config.WriteTimeout = 100 * time.Millisecond
	s.Config.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), stopKey{}, stop)
	}
	s.StartTLS()
	t.Cleanup(func() { cancel(); s.Close() })
	return &liveServer{s.Listener.Addr().String(), cancel}
}

// follow opens the log and returns its lines as they come; the channel is closed
// when the stream ends.
func (s *liveServer) follow(t *testing.T, token string, change ...func(*http.Request)) <-chan string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // a certificate of the test itself
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/v1/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "mfa.example.com"
	r.AddCookie(&http.Cookie{Name: cookieName(auth.ConsoleClient), Value: token})
	for _, c := range change {
		c(r)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	if a.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(a.Body)
		t.Fatalf("the live log answers %d: %s", a.StatusCode, b)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(a.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return lines
}
