package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
)

// askAudit asks an operator's API for an audit operation.
func askAudit(t *testing.T, a *Auditing, operation, body string) (status int, answer string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := &Operator{Auditing: a, Log: log, Admin: &admin.Admin{Now: func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }}}
	h := handler(operator, site{operator: o, log: log, stop: context.Background()}, func(*http.Request) (admin.Actor, error) { return admin.Operator("tester"), nil })
	srv := httptest.NewServer(h)
	defer srv.Close()
	resp, err := http.Post(srv.URL+"/operator/"+operation, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	d := json.NewDecoder(resp.Body)
	for d.More() {
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		b.Write(v)
		b.WriteByte('\n')
	}
	return resp.StatusCode, b.String()
}

func TestAuditOperations(t *testing.T) {
	var gaveUp string
	var by admin.Actor
	var before time.Time
	a := &Auditing{
		Status: func(context.Context) (AuditStatus, error) {
			return AuditStatus{Node: "n", AnchorSeq: 7, Exports: []ExportStatus{{Name: "siem", Late: true}}}, nil
		},
		Verify: func(_ context.Context, anchors []string, progress func(uint64)) (AuditReport, error) {
			progress(1)
			progress(2) // too soon after the first to be told
			return AuditReport{Whole: false, Last: 9, Findings: anchors, Notes: []string{}}, nil
		},
		Authentic: func(records []string) []bool {
			good := make([]bool, len(records))
			for i, r := range records {
				good[i] = r == "good"
			}
			return good
		},
		Retain: func(_ context.Context, who admin.Actor, at time.Time) (uint64, error) {
			by, before = who, at
			return 5, nil
		},
		GiveUp: func(_ context.Context, who admin.Actor, name string) error {
			by, gaveUp = who, name
			return nil
		},
	}
	tests := []struct {
		operation, body string
		status          int
		want            string
	}{
		{"audit.status", "", 200, `"anchor_seq":7,"keep_events":"","exports":[{"name":"siem",`},
		{"audit.verify", `{"anchors":["x"]}`, 200, `{"seq":1}` + "\n" + `{"seq":9,"report":{"whole":false,"first":0,"last":9,"anchors":0,"newest_anchored":0,"findings":["x"],"notes":[]}}`},
		{"audit.verify", `{"anchor":[]}`, 400, "unknown field"},
		{"audit.check", `{"records":["good","bad"]}`, 200, `{"genuine":[true,false],"anchor_seq":7}`},
		{"audit.retain", `{}`, 400, "24h0m0s"},
		{"audit.retain", `{"before":"2026-11-21T12:00:01Z"}`, 400, "24h0m0s"},
		{"audit.retain", `{"before":"2026-11-21T12:00:00Z"}`, 200, `{"events":5}`},
		{"audit.give-up", `{}`, 400, "name an export"},
		{"audit.give-up", `{"name":"old"}`, 200, `{}`},
	}
	for _, tt := range tests {
		status, got := askAudit(t, a, tt.operation, tt.body)
		if status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %d %s; want %d %s", tt.operation, tt.body, status, got, tt.status, tt.want)
		}
		if status, _ := askAudit(t, nil, tt.operation, tt.body); status != 500 && status != 400 {
			t.Errorf("%s of a server without exports: %d", tt.operation, status)
		}
	}
	if by.Name != "tester" || gaveUp != "old" || !before.Equal(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("by %s: gave up %q, deleted before %v", by, gaveUp, before)
	}
	a.Verify = func(context.Context, []string, func(uint64)) (AuditReport, error) {
		return AuditReport{}, errors.New("the disk is gone")
	}
	a.Status = func(context.Context) (AuditStatus, error) { return AuditStatus{}, errors.New("the disk is gone") }
	for _, operation := range []string{"audit.verify", "audit.status", "audit.check"} {
		if status, _ := askAudit(t, a, operation, "{}"); status != 500 {
			t.Errorf("%s with a fault: %d; want 500", operation, status)
		}
	}
}

// What is only advice is told, and leaves the server ready.
func TestAdviceDoesNotMakeUnready(t *testing.T) {
	late := func(context.Context) error { return errors.New("the oldest event is an hour old") }
	h := &Health{Checks: []Check{{"store", well}}, Advice: []Check{{"export", late}}, Log: slog.New(slog.DiscardHandler)}
	for accept, want := range map[string]string{
		"":                 "ok store\nwarning export: the oldest event is an hour old\nready\n",
		"application/json": `{"ready":true,"checks":[{"name":"store","ok":true},{"name":"export","ok":false,"advisory":true,"detail":"the oldest event is an hour old"}]}` + "\n",
	} {
		r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.Telemetry().ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%d %s; want 200 %s", w.Code, w.Body, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
	w := httptest.NewRecorder()
	h.Public().ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "ok store\nwarning export\nready\n" {
		t.Errorf("in public: %d %s", w.Code, w.Body)
	}
}
