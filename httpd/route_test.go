package httpd

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sallyport/admin"
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
