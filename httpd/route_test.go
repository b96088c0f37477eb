package httpd

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/admin"
	"sallyport/auth"
)

// Every route says to whom it is open and what it lets them do. Without either
// nobody could use it; this test names it before anybody tries.
func TestEveryRouteDeclaresAudienceAndPermission(t *testing.T) {
	seen := make(map[string]bool)
	for _, rt := range routes() {
		key := fmt.Sprintf("%d %s %s", rt.audience, rt.method, rt.path)
		if seen[key] {
			t.Errorf("%s stands in the table twice", key)
		}
		seen[key] = true
		if rt.audience == 0 {
			t.Errorf("%s %s has no audience", rt.method, rt.path)
		}
		if rt.permission == "" {
			t.Errorf("%s %s has no permission", rt.method, rt.path)
		}
		if !allowed(rt.audience, rt.permission) {
			t.Errorf("%s %s needs %q, which its audience has not been granted", rt.method, rt.path, rt.permission)
		}
		if (rt.method == http.MethodPost) != (rt.body > 0) {
			t.Errorf("%s %s takes %d octets", rt.method, rt.path, rt.body)
		}
		if strings.HasPrefix(rt.path, "/operator/") != (rt.audience == operator) {
			t.Errorf("%s %s is open to audience %d", rt.method, rt.path, rt.audience)
		}
		if rt.audience > anyone {
			t.Errorf("%s %s is a route for the API's audience %v; operations are for that", rt.method, rt.path, rt.audience)
		}
	}
}

// The same for the API: every operation has an audience, a permission that
// somebody of that audience can have, and the words that its description needs.
func TestEveryOperationDeclaresAudienceAndPermission(t *testing.T) {
	ids, paths := make(map[string]bool), make(map[string]bool)
	id := regexp.MustCompile(`^[a-z][a-z-]*(\.[a-z][a-z-]*)+$`)
	path := regexp.MustCompile(`^/v1(/([a-z0-9-]+(\.json)?|\{[a-z_]+\}))+$`)
	for _, o := range apiOperations() {
		name := o.Method + " " + o.Path
		if ids[o.ID] || paths[name] {
			t.Errorf("%s (%s) stands in the table twice", o.ID, name)
		}
		ids[o.ID], paths[name] = true, true
		if !id.MatchString(o.ID) || !path.MatchString(o.Path) {
			t.Errorf("%s (%s): the ID or path is not spelt as others are", o.ID, name)
		}
		if !slices.Contains(methods, o.Method) {
			t.Errorf("%s is asked for with %q", o.ID, o.Method)
		}
		if o.Summary == "" || o.Tag == "" || strings.HasSuffix(o.Summary, ".") {
			t.Errorf("%s has the summary %q and the tag %q", o.ID, o.Summary, o.Tag)
		}
		switch o.Audience {
		case visitor, person, signedIn:
			if !allowed(o.Audience, o.Permission) {
				t.Errorf("%s needs %q, which the audience %v has not been granted", o.ID, o.Permission, o.Audience)
			}
		case administrator:
			if !slices.Contains(admin.Permissions(), o.Permission) {
				t.Errorf("%s needs %q, which no role can have", o.ID, o.Permission)
			}
		case program:
			if o.Permission != admin.DecideLogins {
				t.Errorf("%s needs %q; programs have %q", o.ID, o.Permission, admin.DecideLogins)
			}
		case operator, machine, anyone:
			t.Errorf("%s is for the audience %v, which does not use the API", o.ID, o.Audience)
		default:
			t.Errorf("%s has no audience", o.ID)
		}
		if o.Enrolling && o.Audience != person && o.Audience != signedIn {
			t.Errorf("%s is open to invitations and to the audience %v", o.ID, o.Audience)
		}
		if o.StepUp && o.Audience != person && o.Audience != signedIn && o.Audience != administrator {
			t.Errorf("%s asks the audience %v to prove itself anew", o.ID, o.Audience)
		}
		if o.Upload && o.Body == 0 || o.Body < 0 {
			t.Errorf("%s takes an upload of %d octets", o.ID, o.Body)
		}
	}
}

// Nobody who is signed in by an invitation can do more than enrol.
func TestInvitationsOpenOnlyEnrolment(t *testing.T) {
	want := []string{"me.enrol", "me.enrol-confirm", "me.password", "me.show", "session.end", "session.show"}
	var got []string
	for _, o := range apiOperations() {
		if o.Enrolling {
			got = append(got, o.ID)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("sessions of invitations may do %q; want %q", got, want)
	}
}

func TestNothingIsGrantedByDefault(t *testing.T) {
	tests := []struct {
		name string
		a    audience
		p    admin.Permission
		want bool
	}{
		{"no audience", 0, readHealth, false},
		{"no permission", operator, "", false},
		{"neither", 0, "", false},
		{"an audience that does not exist", 99, readHealth, false},
		{"the causes of failures over HTTPS", anyone, readHealthCauses, false},
		{"metrics over HTTPS", anyone, readMetrics, false},
		{"accounts on the telemetry listener", machine, admin.ReadAccounts, false},
		{"health over HTTPS", anyone, readHealth, true},
		{"an account of a visitor's own", visitor, readSelf, false},
		{"accounts for people", person, admin.ReadAccounts, false},
		{"accounts for every administrator", administrator, admin.ReadAccounts, false},
		{"logins for every program", program, admin.DecideLogins, false},
		{"signing in", visitor, signIn, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := allowed(tt.a, tt.p); got != tt.want {
				t.Errorf("allowed(%d, %q) = %t; want %t", tt.a, tt.p, got, tt.want)
			}
		})
	}
}

// A route that was put into the table without a permission is refused when it
// is asked for, whoever asks.
func TestRouteWithoutPermissionIsRefused(t *testing.T) {
	for _, a := range []audience{operator, machine, anyone} {
		w := httptest.NewRecorder()
		c := &call{Request: httptest.NewRequest("GET", "/x", nil), w: w, site: site{log: slog.New(slog.DiscardHandler)}}
		err := c.dispatch(a, map[string][]route{"/x": {{method: "GET", path: "/x", audience: a, serve: func(*call) error {
			t.Errorf("audience %d got in", a)
			return nil
		}}}}, nil)
		if p := problemOf(err); err == nil || p.Status != http.StatusForbidden {
			t.Errorf("dispatch for audience %d = %v; want 403", a, err)
		}
	}
}

// The same for operations, and for those whose audience is none that uses the
// API: the owner's session and the strongest key open none of them.
func TestOperationWithoutAudienceOrPermissionIsRefused(t *testing.T) {
	w := newTown(t)
	reached := func(_ context.Context, c *caller, _ *struct{}) (*struct{}, error) {
		t.Errorf("%s was reached", c.operation.ID)
		return nil, nil
	}
	var table []apiOperation
	add := func(id string, a audience, p admin.Permission) {
		table = append(table, operate(operation{ID: id, Method: "GET", Path: "/v1/" + id, Summary: "x", Tag: "x", Audience: a, Permission: p}, reached))
	}
	for a := audience(0); a <= program+1; a++ {
		add(fmt.Sprintf("none-%d", a), a, "")
		add(fmt.Sprintf("other-%d", a), a, "no.such")
	}
	for _, a := range []audience{0, operator, machine, anyone, program + 1} {
		add(fmt.Sprintf("health-%d", a), a, readHealth)
		add(fmt.Sprintf("accounts-%d", a), a, admin.ReadAccounts)
	}
	h, err := w.site.handler(table)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	console := w.begin(session{account: "olga", client: "console", factor: auth.PasskeyFactor})
	portal := w.begin(session{account: "olga", client: "portal", factor: auth.PasskeyFactor})
	for i := range table {
		for _, target := range []string{table[i].Path, table[i].Path + "?client=console", table[i].Path + "?client=portal"} {
			for who, as := range map[string][]func(*http.Request){
				"nobody": nil, "the owner": {withCookie("console", console), withCookie("portal", portal)}, "a key": {w.withKey("all")}, "a program": {w.withKey("wiki-logins")},
			} {
				if a := w.ask("GET", target, "", as...); a.status != 401 && a.status != 403 && a.status != 400 {
					t.Errorf("GET %s as %s = %d %s; want it refused", target, who, a.status, a.body)
				}
			}
		}
	}
}
