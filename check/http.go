package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/diagnose"
)

// Web is what one GET request met.
type Web struct {
	URL        string  `json:"url"`
	Status     int     `json:"status,omitempty"` // 0 if there was no answer of HTTP
	Server     string  `json:"server,omitempty"` // the header
	TookMillis float64 `json:"took_ms"`
	// Location is where it redirects to. It is not followed.
	Location string `json:"location,omitempty"`
	// HSTS is the header Strict-Transport-Security.
	HSTS string `json:"hsts,omitempty"`
	// Via names the proxies that passed it on and say so.
	Via []string `json:"via,omitempty"`
	// Proxies are other headers that only proxies set, as "Name: value".
	Proxies []string `json:"proxies,omitempty"`
	// Service is the MFA service that the host is known to belong to.
	Service string `json:"service,omitempty"`
	// Means is what the status means for an agent, a few sentences.
	Means string `json:"means"`
	Error string `json:"error,omitempty"`
}

// proxyHeaders are set by proxies and filters on the way, not by the server.
var proxyHeaders = []string{
	"X-Squid-Error", "X-Bluecoat-Via", "X-Zscaler-Error", "X-Iwproxy", "Proxy-Connection", "Proxy-Agent",
	"Proxy-Authenticate", "X-Cache-Lookup", "X-Webmarshal-Requestid", "X-Proxy-Agent", "X-Proxy-Id",
}

// web asks for the target's path with one GET. config is nil for HTTP without
// TLS.
func (x *examiner) web(ctx context.Context, config *tls.Config) {
	x.step("asking over HTTP")
	scheme := "https"
	if config == nil {
		scheme = "http"
	}
	address := scheme + "://" + x.authority(scheme) + x.target.Path
	w := &Web{URL: address}
	if s := serviceOf(x.target.Host); s != nil {
		w.Service = s.name
	}
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return // the target was read as a URL, so it is one
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Cache-Control", "no-cache")
	began := x.now()
	var asked atomic.Pointer[time.Time]
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := x.dialTarget(ctx)
		if err != nil {
			return nil, err
		}
		return writeTimed{conn, func() { now := x.now(); asked.Store(&now) }}, nil
	}
	response, err := client(dial, config, x.timeout).Do(request)
	answered, left := x.now(), asked.Load()
	w.TookMillis = millis(answered.Sub(began))
	if err != nil {
		w.Error = shorten(cause(err), 200)
		w.Means = "There was no answer of HTTP."
		switch {
		case x.TLS != nil && x.TLS.ClientCertificate:
			w.Means = "The server wants a certificate of the client, and there is none to show."
			x.Web = w
		case x.target.Protocol != TLS:
			x.Web = w
			x.find("endpoint-http-none", diagnose.Likely, "The connection was made, and what came over it was no answer of HTTP.", address+": "+w.Error)
		}
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // a broken end changes nothing
	x.Web = w
	w.read(response)
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil && response.Header.Get("Age") == "" && left != nil {
		// An answer with an Age came from a cache, whose Date is an old one (RFC
		// 9111, Section 4.2.3).
		x.Clock = compareClocks(date, *left, answered, time.Second, "Date header of HTTP")
	}
	w.Means = x.meaning(response, body)
	x.reportWeb(config != nil)
}

// writeTimed notes when it was last written to, which is when the request left.
type writeTimed struct {
	net.Conn
	note func()
}

func (w writeTimed) Write(b []byte) (int, error) {
	w.note()
	return w.Conn.Write(b)
}

// authority is the host as it stands in a URL.
func (x *examiner) authority(scheme string) string {
	if x.target.Port == schemes[scheme].port {
		if strings.Contains(x.target.Host, ":") {
			return "[" + x.target.Host + "]"
		}
		return x.target.Host
	}
	return x.target.hostPort()
}

// read takes what matters from the headers.
func (w *Web) read(response *http.Response) {
	w.Status = response.StatusCode
	w.Server = shorten(response.Header.Get("Server"), 100)
	w.Location = shorten(response.Header.Get("Location"), 300)
	w.HSTS = shorten(response.Header.Get("Strict-Transport-Security"), 100)
	for _, v := range first(response.Header.Values("Via"), 5) {
		w.Via = append(w.Via, shorten(v, 100))
	}
	for _, name := range proxyHeaders {
		if v := response.Header.Get(name); v != "" {
			w.Proxies = append(w.Proxies, name+": "+shorten(v, 100))
		}
	}
}

// meaning says what the answer means for an agent that calls this address.
func (x *examiner) meaning(response *http.Response, body []byte) string {
	status := response.StatusCode
	s := serviceOf(x.target.Host)
	var out []string
	switch {
	case status == 407:
		out = append(out, "A proxy on the way wants credentials before it lets anything through. Agents that run as a service have none to give.")
	case status == 511:
		out = append(out, "A gateway wants somebody to log in to the network first (RFC 6585, Section 6).")
	case status >= 500:
		out = append(out, "The server, or what stands in front of it, fails by itself.")
	case status == 401:
		out = append(out, "The server is reached and wants credentials. An agent that gets this has sent none, wrong ones, or a signature whose time is too far off.")
	case status == 403:
		out = append(out, "The server is reached and refuses. For an agent that is a missing assignment or permission, a network that is not allowed, or a filter on the way.")
	case status == 404:
		out = append(out, "The server is reached and has nothing at this path. For an agent that is a wrong URL, or a user name that it does not know.")
	case status >= 300 && status < 400:
		out = append(out, redirectMeaning(response))
	default:
		out = append(out, "The server is reached and answers.")
	}
	if s != nil {
		if m := s.meaning[status]; m != "" {
			out = append(out, m)
		}
		if s.anyAnswer && status < 500 && status != 407 {
			out = append(out, fmt.Sprintf("%s calls other paths of this host; that anything answers here shows that it can be reached.", capital(s.agent)))
		}
	}
	if status == 200 && hasLogin(body) {
		out = append(out, "The page asks for a password, so it is made for people; an agent needs the address of an interface.")
	}
	return strings.Join(out, " ")
}

// redirectMeaning says where a redirect leads, in kind.
func redirectMeaning(response *http.Response) string {
	to, err := response.Location()
	if err != nil {
		return "The server redirects and does not say where to."
	}
	from := response.Request.URL
	switch {
	case to.Hostname() != "" && !strings.EqualFold(to.Hostname(), from.Hostname()):
		return "The server redirects to another host (" + shorten(to.Hostname(), 100) + "). Agents seldom follow that: give them the address that it leads to, unless a network gateway made the redirect."
	case from.Scheme == "http" && to.Scheme == "https":
		return "The server redirects to https, as it should. Give agents the https address."
	case isLoginPath(to):
		return "The server redirects to a login page, which is made for people; an agent needs the address of an interface."
	}
	return "The server redirects within itself. Agents seldom follow that: give them the address that it leads to."
}

func isLoginPath(u *url.URL) bool {
	path := strings.ToLower(u.Path)
	return slices.ContainsFunc([]string{"login", "signin", "sign-in", "logon", "auth", "sso"}, func(s string) bool { return strings.Contains(path, s) })
}

// hasLogin reports whether a page has a field for a password.
func hasLogin(body []byte) bool {
	lower := bytes.ToLower(body)
	return bytes.Contains(lower, []byte(`type="password"`)) || bytes.Contains(lower, []byte("type='password'")) || bytes.Contains(lower, []byte("type=password"))
}

// capital makes the first letter a capital.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// reportWeb makes the findings of what x.Web says.
func (x *examiner) reportWeb(encrypted bool) {
	w := x.Web
	seen := fmt.Sprintf("GET %s: %d %s", shorten(w.URL, 300), w.Status, http.StatusText(w.Status))
	if w.Server != "" {
		seen += ", Server: " + w.Server
	}
	if w.Location != "" {
		seen += ", Location: " + w.Location
	}
	s := serviceOf(x.target.Host)
	known := s != nil && s.anyAnswer
	switch {
	case w.Status == 407:
		x.find("proxy", diagnose.Proven, "Only a proxy answers with 407.", seen)
	case w.Status == 511:
		x.find("endpoint-gateway-login", diagnose.Proven, "Only a gateway answers with 511.", seen)
	case w.Status >= 500:
		x.find("endpoint-http-5xx", diagnose.Likely, "It was so at this moment; a server that is busy or restarts mends itself.", seen)
	case w.Status == 401 && !known:
		x.find("endpoint-http-401", diagnose.Possible, "The examination sends no credentials, so this may be as it should.", seen)
	case w.Status == 403 && !known:
		x.find("endpoint-http-403", diagnose.Possible, "The examination sends no credentials, so this may be as it should.", seen)
	case w.Status == 404 && !known:
		x.find("endpoint-http-404", diagnose.Possible, "There may be nothing at this path and all that agents need at others.", seen)
	case s != nil && w.Status >= 300 && w.Status < 400 && x.ledAway():
		x.find("endpoint-gateway-login", diagnose.Likely, "The service does not send agents to such a host; gateways that want a login do.", seen)
	}
	if !encrypted && s != nil && w.Status < 300 {
		x.find("endpoint-gateway-login", diagnose.Likely, "The service answers over http with nothing but a redirect to https; something else answered.", seen)
	}
}

// ledAway reports whether a redirect leads to a host of the local network, as
// network gateways do.
func (x *examiner) ledAway() bool {
	to, err := url.Parse(x.Web.Location)
	if err != nil || to.Hostname() == "" {
		return false
	}
	a, err := netip.ParseAddr(to.Hostname())
	return err == nil && !isPublic(a.Unmap()) || err != nil && !strings.Contains(to.Hostname(), ".")
}
