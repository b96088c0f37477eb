package httpd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sallyport/admin"
)

// A Health says how the server is. Its fields are read-only once in use.
type Health struct {
	// Checks are what must be well for the server to be ready.
	Checks []Check
	// Advice are what should be well. What is wrong with it is told, and the
	// server is ready all the same.
	Advice []Check
	// Metrics are what /metrics shows.
	Metrics prometheus.Gatherer
	Log     *slog.Logger
}

// A Check is one thing that must be well. Run returns nil or what is wrong, in
// words for an administrator; it is called concurrently, and ends when ctx
// does.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// checkTimeout is how long one check may take. Load balancers ask every few
// seconds and give up as fast.
const checkTimeout = 2 * time.Second

// Telemetry serves /livez, /readyz and /metrics for the loopback listener: it
// tells what is wrong, and asks for no password.
func (h *Health) Telemetry() http.Handler {
	return handler(machine, site{health: h, log: h.Log}, nil)
}

// Public serves /livez and /readyz for HTTPS: it tells which check fails, and
// not why.
func (h *Health) Public() http.Handler {
	return handler(anyone, site{health: h, log: h.Log}, nil)
}

func healthRoutes() []route {
	get := func(path string, a audience, p admin.Permission, serve func(*call) error) route {
		return route{method: http.MethodGet, path: path, audience: a, permission: p, serve: serve}
	}
	return []route{
		get("/livez", machine, readHealth, livez),
		get("/readyz", machine, readHealthCauses, func(c *call) error { return readyz(c, true) }),
		get("/metrics", machine, readMetrics, metrics),
		get("/livez", anyone, readHealth, livez),
		get("/readyz", anyone, readHealth, func(c *call) error { return readyz(c, false) }),
	}
}

// livez says that the process answers. Whoever restarts what is not alive must
// not do so because something else is down; that is what readyz is for.
func livez(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.send([]byte("ok\n"))
	return nil
}

// readiness is the answer of /readyz as JSON.
type readiness struct {
	Ready  bool          `json:"ready"`
	Checks []checkResult `json:"checks"`
}

type checkResult struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Advisory bool   `json:"advisory,omitempty"` // the server is ready all the same
	Detail   string `json:"detail,omitempty"`
}

// word says how bad a failure is.
func (r checkResult) word() string {
	if r.Advisory {
		return "warning"
	}
	return "failed"
}

// readyz runs all checks at once. It answers 200 if all pass and 503 if not,
// in JSON for whoever asks for it, and in lines of text.
func readyz(c *call, causes bool) error {
	ready := c.health.run(c.Context())
	if !causes {
		for i := range ready.Checks {
			ready.Checks[i].Detail = ""
		}
	}
	status := http.StatusOK
	if !ready.Ready {
		status = http.StatusServiceUnavailable
	}
	if strings.Contains(c.Header.Get("Accept"), "application/json") {
		b, err := json.Marshal(ready)
		if err != nil {
			return fmt.Errorf("httpd: encode readiness: %w", err)
		}
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(status)
		c.send(append(b, '\n'))
		return nil
	}
	var b strings.Builder
	for _, r := range ready.Checks {
		switch {
		case r.OK:
			fmt.Fprintf(&b, "ok %s\n", r.Name)
		case r.Detail == "":
			fmt.Fprintf(&b, "%s %s\n", r.word(), r.Name)
		default:
			fmt.Fprintf(&b, "%s %s: %s\n", r.word(), r.Name, strings.ReplaceAll(r.Detail, "\n", "; "))
		}
	}
	if ready.Ready {
		b.WriteString("ready\n")
	} else {
		b.WriteString("not ready\n")
	}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.WriteHeader(status)
	c.send([]byte(b.String()))
	return nil
}

func (h *Health) run(ctx context.Context) readiness {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	type numbered struct {
		i   int
		err error
	}
	checks := slices.Concat(h.Checks, h.Advice)
	results := make(chan numbered, len(checks))
	for i, check := range checks {
		go func() { results <- numbered{i, h.check(ctx, check)} }()
	}
	ready := readiness{Ready: true, Checks: make([]checkResult, len(checks))}
	for i, check := range checks {
		ready.Checks[i] = checkResult{Name: check.Name, Advisory: i >= len(h.Checks), Detail: fmt.Sprintf("no result within %v", checkTimeout)}
	}
	// A check that does not heed its context is not waited for.
wait:
	for range checks {
		select {
		case r := <-results:
			ready.Checks[r.i].OK = r.err == nil
			ready.Checks[r.i].Detail = ""
			if r.err != nil {
				ready.Checks[r.i].Detail = r.err.Error()
			}
		case <-ctx.Done():
			break wait
		}
	}
	for _, r := range ready.Checks {
		ready.Ready = ready.Ready && (r.OK || r.Advisory)
	}
	return ready
}

// check runs one check. A panic in it is a failure of that check alone.
func (h *Health) check(ctx context.Context, check Check) (err error) {
	defer func() {
		if v := recover(); v != nil {
			h.Log.Error("a health check panicked", "check", check.Name, "panic", fmt.Sprint(v))
			err = fmt.Errorf("httpd: the check itself is broken, see the log")
		}
	}()
	return check.Run(ctx)
}

func metrics(c *call) error {
	if c.health.Metrics == nil {
		return notFound(machine, c.URL.Path)
	}
	promhttp.HandlerFor(c.health.Metrics, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(c.log.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError, // most of the picture is better than none
	}).ServeHTTP(c.w, c.Request)
	return nil
}
