package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

func well(context.Context) error { return nil }

// nothingHere is the problem that says so.
func nothingHere(path string) string {
	return `{"type":"/problems/no-route","title":"Nothing here","detail":"there is nothing at ` + path + `","status":404}` + "\n"
}

func get(t *testing.T, h http.Handler, path, accept string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func TestHealthPages(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "sallyport_test_total", Help: "Tests."})
	registry.MustRegister(counter)
	counter.Inc()
	log := slog.New(slog.DiscardHandler)
	good := &Health{Checks: []Check{{"store", well}, {"radius", well}}, Metrics: registry, Log: log}
	sick := &Health{Checks: []Check{{"store", func(context.Context) error { return errors.New("store: the disk\nis gone") }}, {"radius", well}}, Metrics: registry, Log: log}
	broken := &Health{Checks: []Check{{"store", func(context.Context) error { panic("no") }}}, Log: log}

	tests := []struct {
		name, path, accept string
		handler            http.Handler
		status             int
		body               string
	}{
		{"alive", "/livez", "", good.Telemetry(), 200, "ok\n"},
		{"ready", "/readyz", "", good.Telemetry(), 200, "ok store\nok radius\nready\n"},
		{"ready in JSON", "/readyz", "application/json", good.Telemetry(), 200, `{"ready":true,"checks":[{"name":"store","ok":true},{"name":"radius","ok":true}]}` + "\n"},
		{"a check fails", "/readyz", "", sick.Telemetry(), 503, "failed store: store: the disk; is gone\nok radius\nnot ready\n"},
		{"a check fails, in JSON", "/readyz", "application/json", sick.Telemetry(), 503, `{"ready":false,"checks":[{"name":"store","ok":false,"detail":"store: the disk\nis gone"},{"name":"radius","ok":true}]}` + "\n"},
		{"alive although a check fails", "/livez", "", sick.Telemetry(), 200, "ok\n"},
		{"a check panics", "/readyz", "", broken.Telemetry(), 503, "failed store: httpd: the check itself is broken, see the log\nnot ready\n"},
		{"anyone hears that a check fails, not why", "/readyz", "", sick.Public(), 503, "failed store\nok radius\nnot ready\n"},
		{"anyone in JSON", "/readyz", "application/json", sick.Public(), 503, `{"ready":false,"checks":[{"name":"store","ok":false},{"name":"radius","ok":true}]}` + "\n"},
		{"anyone asks for metrics", "/metrics", "", good.Public(), 404, nothingHere("/metrics")},
		{"anyone asks for the console", "/", "text/html", good.Public(), 404, nothingHere("/")},
		{"anyone tries the operator API", "/operator/account.list", "", good.Public(), 404, nothingHere("/operator/account.list")},
		{
			"the operator API on the telemetry listener", "/operator/account.list", "", good.Telemetry(), 404,
			`{"type":"/problems/no-route","title":"Nothing here","detail":"there is nothing at /operator/account.list","hint":"there are /livez, /readyz and /metrics","status":404}` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := get(t, tt.handler, tt.path, tt.accept); status != tt.status || body != tt.body {
				t.Errorf("GET %s = %d %q; want %d %q", tt.path, status, body, tt.status, tt.body)
			}
		})
	}
	if status, body := get(t, good.Telemetry(), "/metrics", ""); status != 200 || !strings.Contains(body, "sallyport_test_total 1") {
		t.Errorf("GET /metrics = %d %q; want the counter", status, body)
	}
}

// A check that neither answers nor heeds its context must not hold up those
// who ask.
func TestCheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &Health{Checks: []Check{{"store", func(context.Context) error { <-release; return nil }}, {"radius", well}}, Log: slog.New(slog.DiscardHandler)}
		status, body := get(t, h.Telemetry(), "/readyz", "")
		if want := "failed store: no result within 2s\nok radius\nnot ready\n"; status != 503 || body != want {
			t.Errorf("GET /readyz = %d %q; want 503 %q", status, body, want)
		}
		close(release)
	})
}
