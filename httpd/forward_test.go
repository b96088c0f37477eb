package httpd

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sallyport/admin"
	"sallyport/auth"
)

// A visitor is a browser in front of the proxy of an application: it keeps the
// cookies of the application's host.
type proxied struct {
	w       *town
	key     string // API key of the proxy
	cookies map[string]string
	host    string
}

func (w *town) browser() *proxied {
	return &proxied{w: w, key: "wiki-logins", cookies: make(map[string]string), host: "wiki.example.com"}
}

// get asks for a page of the application: the proxy asks us first.
func (p *proxied) get(uri string, change ...func(*http.Request)) *answer {
	p.w.Helper()
	return p.send("/v1/forward-auth", append([]func(*http.Request){
		withHeader("X-Forwarded-Proto", "https"), withHeader("X-Forwarded-Host", p.host), withHeader("X-Forwarded-Uri", uri),
	}, change...)...)
}

// send passes a request on to us, as the proxy does, and keeps the cookies.
func (p *proxied) send(target string, change ...func(*http.Request)) *answer {
	p.w.Helper()
	a := p.w.ask(http.MethodGet, target, "", append([]func(*http.Request){p.w.withKey(p.key), func(r *http.Request) {
		r.Host = p.host
		for name, value := range p.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}}, change...)...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if p.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		}
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") || c.SameSite != http.SameSiteLaxMode {
			p.w.Errorf("cookie %v", c)
		}
	}
	return a
}

// led is the return_to of the sign-in page that an answer leads to.
func (p *proxied) led(a *answer) string {
	p.w.Helper()
	to := a.header.Get("Location")
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, townURL+"/sign-in?") || u.Query().Get("client") == "" {
		p.w.Fatalf("status %d, Location %q; want the sign-in page", a.status, to)
	}
	return u.Query().Get("return_to")
}

// signInAt signs a person in on our own host and returns where the browser is
// sent to.
func (w *town) signInAt(client, name, returnTo string) string {
	w.Helper()
	first, err := json.Marshal(SignInStart{Client: client, Name: name, Password: townPassword, ReturnTo: returnTo})
	w.must(err)
	a := w.ask(http.MethodPost, "/v1/sign-in", string(first))
	var asked, in SignIn
	a.read(w, &asked)
	if asked.Verdict != "challenge" {
		w.Fatalf("POST /v1/sign-in %s = %d %s; want a challenge", first, a.status, a.body)
	}
	second, err := json.Marshal(SignInAnswer{Client: client, Name: name, State: asked.State, Code: w.code(name), ReturnTo: returnTo})
	w.must(err)
	a = w.ask(http.MethodPost, "/v1/sign-in/continue", string(second))
	a.read(w, &in)
	if in.Verdict != "accept" || in.Redirect == "" || in.Session != nil {
		w.Fatalf("POST /v1/sign-in/continue = %d %s; want a redirect", a.status, a.body)
	}
	if len(a.header.Values("Set-Cookie")) != 0 {
		w.Errorf("the sign-in for an application sets %v on our own host", a.header.Values("Set-Cookie"))
	}
	return in.Redirect
}

// callbackOf is what the proxy passes on for the address of a redirect.
func (w *town) callbackOf(redirect, origin string) string {
	w.Helper()
	rest, ok := strings.CutPrefix(redirect, origin+"/.sallyport/callback?")
	if !ok {
		w.Fatalf("redirect %q; want the callback at %s", redirect, origin)
	}
	return "/v1/forward-auth/callback?" + rest
}

// enter goes the whole way to a session at the wiki.
func (w *town) enter(name string) *proxied {
	w.Helper()
	p := w.browser()
	redirect := w.signInAt("wiki", name, p.led(p.get("/")))
	if a := p.send(w.callbackOf(redirect, wikiOrigin)); a.status != http.StatusSeeOther {
		w.Fatalf("callback = %d %s", a.status, a.body)
	}
	return p
}

func TestForwardAuth(t *testing.T) {
	w := newTown(t)
	p := w.browser()
	refused := p.get("/page?id=7", withHeader("Remote-User", "olga"))
	if refused.status != http.StatusUnauthorized || refused.header.Get("Remote-User") != "" || refused.header.Get("X-Sallyport-Redirect") != refused.header.Get("Location") {
		t.Fatalf("without a session = %d %v", refused.status, refused.header)
	}
	returnTo := p.led(refused)
	other := p.get("/other") // a second tab sets out; both come back
	otherTo := p.led(other)

	redirect := w.signInAt("wiki", "pat", returnTo)
	callback := w.callbackOf(redirect, wikiOrigin)
	in := p.send(callback)
	if in.status != http.StatusSeeOther || in.header.Get("Location") != "/page?id=7" || p.cookies["__Host-sallyport-app"] == "" {
		t.Fatalf("callback = %d %v %s", in.status, in.header, in.body)
	}
	page := p.get("/page?id=7", withHeader("Remote-User", "olga"), withHeader("Remote-Groups", "admins"))
	if page.status != http.StatusOK || page.header.Get("Remote-User") != "pat" || page.header.Get("Remote-Groups") != "staff" || page.header.Get("Remote-Factor") != "oath" || page.body != "" {
		t.Errorf("with a session = %d %v %q", page.status, page.header, page.body)
	}
	w.wait(30 * time.Second)
	if a := p.send(w.callbackOf(w.signInAt("wiki", "pat", otherTo), wikiOrigin)); a.status != http.StatusSeeOther || a.header.Get("Location") != "/other" {
		t.Errorf("the second tab = %d %s", a.status, a.body)
	}

	// Nobody else can use what this browser has.
	if a := (&proxied{w: w, key: "shop-logins", cookies: p.cookies, host: "shop.example.com"}).get("/"); a.status != http.StatusUnauthorized {
		t.Errorf("the cookie at another client = %d; want 401", a.status)
	}
	for _, client := range []string{auth.ConsoleClient, auth.PortalClient} {
		if a := w.ask(http.MethodGet, "/v1/session?client="+client, "", withCookie(client, p.cookies["__Host-sallyport-app"])); a.status != http.StatusUnauthorized {
			t.Errorf("the cookie at the %s = %d; want 401", client, a.status)
		}
	}
	token := w.begin(session{account: "olga", client: auth.ConsoleClient, factor: auth.PasskeyFactor})
	if a := (&proxied{w: w, key: "wiki-logins", cookies: map[string]string{"__Host-sallyport-app": token}, host: p.host}).get("/"); a.status != http.StatusUnauthorized {
		t.Errorf("a console session at the wiki = %d; want 401", a.status)
	}
}

func TestTickets(t *testing.T) {
	w := newTown(t)
	refusals := []struct {
		name string
		try  func(p *proxied, callback string) *answer
	}{
		{"in a browser that did not set out", func(_ *proxied, callback string) *answer { return w.browser().send(callback) }},
		{"in a browser that set out itself", func(_ *proxied, callback string) *answer {
			victim := w.browser()
			victim.get("/")
			return victim.send(callback)
		}},
		{"at another client", func(p *proxied, callback string) *answer { p.key = "shop-logins"; return p.send(callback) }},
		{"without the proxy's key", func(p *proxied, callback string) *answer {
			return p.send(callback, func(r *http.Request) { r.Header.Del("Authorization") })
		}},
		{"after a minute", func(p *proxied, callback string) *answer { w.wait(time.Minute); return p.send(callback) }},
		{"of an account that was disabled meanwhile", func(p *proxied, callback string) *answer {
			w.apply(admin.UpdateAccount{ID: w.ids["pat"], Update: func(a *auth.Account) error { a.Enabled = false; return nil }})
			defer w.apply(admin.UpdateAccount{ID: w.ids["pat"], Update: func(a *auth.Account) error { a.Enabled = true; return nil }})
			return p.send(callback)
		}},
		{"a letter changed", func(p *proxied, callback string) *answer {
			i := strings.Index(callback, "ticket=") + len("ticket=")
			letter := "A"
			if callback[i] == 'A' {
				letter = "B"
			}
			return p.send(callback[:i] + letter + callback[i+1:])
		}},
		{"without its proof", func(p *proxied, callback string) *answer {
			head, _, _ := strings.Cut(callback, ".")
			_, tail, _ := strings.Cut(callback, "&to=")
			return p.send(head + ".&to=" + tail)
		}},
		{"no ticket", func(p *proxied, _ string) *answer { return p.send("/v1/forward-auth/callback?to=%2F") }},
		{"twice", func(p *proxied, callback string) *answer {
			thief := &proxied{w: w, key: p.key, host: p.host, cookies: map[string]string{"__Host-sallyport-start": p.cookies["__Host-sallyport-start"]}}
			if a := p.send(callback); a.status != http.StatusSeeOther {
				w.Fatalf("the first time = %d %s", a.status, a.body)
			}
			return thief.send(callback)
		}},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			w.wait(time.Minute)
			p := w.browser()
			redirect := w.signInAt("wiki", "pat", p.led(p.get("/")))
			a := tt.try(p, w.callbackOf(redirect, wikiOrigin))
			if a.status != http.StatusForbidden && a.status != http.StatusUnauthorized && a.status != http.StatusUnprocessableEntity {
				t.Errorf("= %d %s; want a refusal", a.status, a.body)
			}
			if a.cookie("__Host-sallyport-app") != nil || a.header.Get("Location") != "" {
				t.Errorf("refused, but the answer says %v", a.header)
			}
		})
	}
	t.Run("back in a browser that is in already", func(t *testing.T) {
		w.wait(time.Minute)
		p := w.browser()
		callback := w.callbackOf(w.signInAt("wiki", "pat", p.led(p.get("/x"))), wikiOrigin)
		p.send(callback)
		token := p.cookies["__Host-sallyport-app"]
		if a := p.send(callback); a.status != http.StatusSeeOther || a.header.Get("Location") != "/x" || p.cookies["__Host-sallyport-app"] != token {
			t.Errorf("= %d %v; want to be led on, with nothing new", a.status, a.header)
		}
	})
}

// What ends a session ends it at the next request.
func TestForwardSessionsEnd(t *testing.T) {
	w := newTown(t)
	change := func(update func(*auth.Account)) func(*proxied) {
		return func(*proxied) {
			w.apply(admin.UpdateAccount{ID: w.ids["pat"], Update: func(a *auth.Account) error { update(a); return nil }})
		}
	}
	tests := []struct {
		name string
		end  func(*proxied)
	}{
		{"the account is disabled", change(func(a *auth.Account) { a.Enabled = false })},
		{"the account is blocked", change(func(a *auth.Account) { a.Blocked = true })},
		{"all its sessions are ended", func(*proxied) { w.apply(admin.EndSessions{Account: w.ids["pat"]}) }},
		{"an hour without a request", func(*proxied) { w.wait(time.Hour) }},
		{"a day", func(p *proxied) {
			for range 25 {
				w.wait(58 * time.Minute)
				p.get("/")
			}
		}},
		{"signing out", func(p *proxied) {
			if a := p.send("/v1/forward-auth/sign-out", withHeader("Sec-Fetch-Site", "same-origin")); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
				t.Errorf("sign-out = %d %s", a.status, a.body)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.wait(time.Minute)
			w.apply(admin.UpdateAccount{ID: w.ids["pat"], Update: func(a *auth.Account) error { a.Enabled, a.Blocked = true, false; return nil }})
			p := w.enter("pat")
			if a := p.get("/"); a.status != http.StatusOK {
				t.Fatalf("before = %d", a.status)
			}
			tt.end(p)
			if a := p.get("/"); a.status != http.StatusUnauthorized || a.header.Get("Remote-User") != "" {
				t.Errorf("after = %d %v; want 401", a.status, a.header)
			}
		})
	}
	t.Run("a page of another site cannot sign out", func(t *testing.T) {
		w.wait(time.Minute)
		p := w.enter("olga")
		for _, site := range []string{"cross-site", "same-site"} {
			if a := p.send("/v1/forward-auth/sign-out", withHeader("Sec-Fetch-Site", site)); a.status != http.StatusForbidden {
				t.Errorf("%s = %d; want 403", site, a.status)
			}
		}
		if a := p.get("/"); a.status != http.StatusOK {
			t.Errorf("afterwards = %d; want 200", a.status)
		}
	})
	t.Run("the client is removed", func(t *testing.T) {
		w.wait(time.Minute)
		p := w.enter("olga")
		w.apply(admin.RemoveClient{Name: "wiki"})
		if a := p.get("/"); a.status != http.StatusUnauthorized || a.header.Get("Remote-User") != "" {
			t.Errorf("afterwards = %d %v; want 401", a.status, a.header)
		}
	})
}

// Where the proxy says the browser is going decides only where it comes back to,
// and never beyond the client's origins.
func TestForwardComesBack(t *testing.T) {
	w := newTown(t)
	home := "https://wiki.example.com /"
	tests := []struct {
		name             string
		proto, host, uri string
		want             string
	}{
		{"a page", "https", "wiki.example.com", "/a?b=c&d=%2F", "https://wiki.example.com /a?b=c&d=%2F"},
		{"another origin of the client", "https", "wiki2.example.com:8443", "/a", "https://wiki2.example.com:8443 /a"},
		{"the usual port", "https", "wiki.example.com:443", "/a", "https://wiki.example.com /a"},
		{"upper case", "HTTPS", "WIKI.example.com", "/A", "https://wiki.example.com /A"},
		{"another port", "https", "wiki.example.com:444", "/a", home},
		{"no TLS", "http", "wiki.example.com", "/a", home},
		{"a foreign host", "https", "evil.example.net", "/a", home},
		{"a host that begins the same", "https", "wiki.example.com.evil.example.net", "/a", home},
		{"credentials", "https", "wiki.example.com@evil.example.net", "/a", home},
		{"two slashes", "https", "wiki.example.com", "//evil.example.net/", home},
		{"slash and backslash", "https", "wiki.example.com", `/\evil.example.net/`, home},
		{"a whole address", "https", "wiki.example.com", "https://evil.example.net/", home},
		{"nothing", "", "", "", home},
		{"a line break", "https", "wiki.example.com", "/a\tb", home},
		{"our own callback", "https", "wiki.example.com", "/.sallyport/sign-out", home},
		{"10 KB", "https", "wiki.example.com", "/" + strings.Repeat("x", 10_000), home},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := w.browser()
			a := p.get(tt.uri, withHeader("X-Forwarded-Proto", tt.proto), withHeader("X-Forwarded-Host", tt.host))
			if a.status != http.StatusUnauthorized {
				t.Fatalf("= %d %s", a.status, a.body)
			}
			place, err := returnPlace(w.store.Settings().Client("wiki"), p.led(a))
			if got := place.Origin + " " + place.Path; err != nil || got != tt.want {
				t.Errorf("leads back to %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	t.Run("said twice", func(t *testing.T) {
		p := w.browser()
		a := p.get("/a", func(r *http.Request) { r.Header.Add("X-Forwarded-Uri", "/b") })
		if place, err := returnPlace(w.store.Settings().Client("wiki"), p.led(a)); err != nil || place.Path != "/" {
			t.Errorf("leads back to %+v, %v", place, err)
		}
	})
}

// foreignReturns are what open redirects are made of.
var foreignReturns = []string{
	"", "/", "/console", "https://wiki.example.com/", "https://wiki.example.com", "https://evil.example.net/.sallyport/callback?start=S&to=%2F",
	"//wiki.example.com/.sallyport/callback?start=S&to=%2F", "http://wiki.example.com/.sallyport/callback?start=S&to=%2F",
	"https://wiki.example.com:444/.sallyport/callback?start=S&to=%2F", "https://wiki.example.com@evil.example.net/.sallyport/callback?start=S&to=%2F",
	"https://evil.example.net\\@wiki.example.com/.sallyport/callback?start=S&to=%2F", "https://wiki.example.com.evil.example.net/.sallyport/callback?start=S&to=%2F",
	"https://wiki.example.com/.sallyport/callback?start=S&to=%2F%2Fevil.example.net", "https://wiki.example.com/.sallyport/callback?start=S&to=https%3A%2F%2Fevil.example.net",
	"https://wiki.example.com/.sallyport/callback?start=S&to=%2F%5Cevil.example.net", "https://wiki.example.com/.sallyport/callback?start=S&to=%2F%09%2Fevil.example.net",
	"https://wiki.example.com/.sallyport/callback?start=S&to=%2F#evil", "https://wiki.example.com/.sallyport/callback?to=%2F&start=S",
	"https://wiki.example.com/.sallyport/callback?start=S&to=%2F&to=%2F%2Fevil.example.net", "https://wiki.example.com/.sallyport/callback?start=S&to=%2F&ticket=x",
	"https://WIKI.example.com/.sallyport/callback?start=S&to=%2F", "https://wiki.example.com/.sallyport/../.sallyport/callback?start=S&to=%2F",
	"https://wiki.example.com/.sallyport/callback?start=short&to=%2F", "https://wiki.example.com/.sallyport/callback?start=S&to=javascript%3Aalert%281%29",
	"javascript:alert(1)", "data:text/html,x", "https:wiki.example.com", "https:///wiki.example.com/", "https://wiki.example.com/.sallyport/callback?start=S&to=%2F.sallyport%2Fsign-out",
	" https://wiki.example.com/.sallyport/callback?start=S&to=%2F", "https://wiki.example.com/.sallyport/callback?start=S&to=%2F%0d%0aSet-Cookie%3A%20x%3Dy",
	"https://wiki.example.com/.sallyport/callback?start=S&to=%2F" + strings.Repeat("x", 3000),
}

// A sign-in leads nowhere but back to its application. The addresses are refused
// before anybody is judged.
func TestForwardOpenRedirects(t *testing.T) {
	w := newTown(t)
	start := startOf(randomToken())
	for _, to := range foreignReturns {
		to = strings.ReplaceAll(to, "start=S", "start="+start)
		body, err := json.Marshal(SignInStart{Client: "wiki", Name: "pat", Password: townPassword, ReturnTo: to})
		w.must(err)
		if a := w.ask(http.MethodPost, "/v1/sign-in", string(body)); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, "evil") {
			t.Errorf("return_to %q = %d %s; want 422", to, a.status, a.body)
		}
	}
	if n := len(w.events()); n != 0 {
		t.Errorf("%d logins were judged", n)
	}
	p := w.browser()
	callback := w.callbackOf(w.signInAt("wiki", "pat", p.led(p.get("/"))), wikiOrigin)
	for _, to := range []string{"", "//evil.example.net", `/\evil.example.net`, "https://evil.example.net", "evil", "/\n/evil", "/ä", "/.sallyport/sign-out"} {
		swapped := callback[:strings.Index(callback, "&to=")] + "&to=" + url.QueryEscape(to)
		if a := p.send(swapped); a.status != http.StatusUnprocessableEntity || a.header.Get("Location") != "" {
			t.Errorf("callback to %q = %d %v; want 422", to, a.status, a.header)
		}
	}
	if a := p.send(callback); a.status != http.StatusSeeOther {
		t.Errorf("the ticket was spent by addresses that were refused: %d %s", a.status, a.body)
	}
}

// Pages before which nobody has checked a password must not be signed in to with
// a code alone.
func TestForwardNeedsAFirstFactor(t *testing.T) {
	w := newTown(t)
	p := w.browser()
	returnTo := p.led(p.get("/"))
	tests := []struct {
		name   string
		change func(*auth.Client)
	}{
		{"checks passwords itself", func(c *auth.Client) { c.Password = auth.PasswordNone }},
		{"takes both in one field", func(c *auth.Client) { c.Mode = auth.ModeAppend }},
		{"has no origins", func(c *auth.Client) { c.Origins = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer w.apply(admin.UpdateClient{Name: "wiki", Update: func(c *auth.Client) error {
				c.Password, c.Mode, c.Origins = auth.PasswordVerify, auth.ModeChallenge, []string{wikiOrigin}
				return nil
			}})
			w.apply(admin.UpdateClient{Name: "wiki", Update: func(c *auth.Client) error { tt.change(c); return nil }})
			body, err := json.Marshal(SignInStart{Client: "wiki", Name: "pat", Password: townPassword, ReturnTo: returnTo})
			w.must(err)
			for _, a := range []*answer{w.ask(http.MethodPost, "/v1/sign-in", string(body)), p.get("/")} {
				if a.status != http.StatusUnprocessableEntity || a.problem() != "/problems/client" {
					t.Errorf("= %d %s; want 422", a.status, a.body)
				}
			}
		})
	}
}

// Proxies that hand our answer to the browser as it is get one that it follows,
// if it shows pages and not if a script asks.
func TestForwardRedirects(t *testing.T) {
	w := newTown(t)
	tests := []struct {
		name   string
		target string
		header map[string]string
		want   int
	}{
		{"nginx", "/v1/forward-auth", map[string]string{"Accept": "text/html"}, 401},
		{"a page", "/v1/forward-auth?redirect=true", map[string]string{"Accept": "text/html,*/*", "X-Forwarded-Method": "GET"}, 303},
		{"a page in a browser of today", "/v1/forward-auth?redirect=true", map[string]string{"Sec-Fetch-Mode": "navigate"}, 303},
		{"a script", "/v1/forward-auth?redirect=true", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, 401},
		{"a form", "/v1/forward-auth?redirect=true", map[string]string{"Sec-Fetch-Mode": "navigate", "X-Forwarded-Method": "POST"}, 401},
		{"a program", "/v1/forward-auth?redirect=true", map[string]string{"Accept": "application/json"}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := w.browser()
			a := p.send(tt.target, func(r *http.Request) {
				for name, value := range tt.header {
					r.Header.Set(name, value)
				}
			})
			if a.status != tt.want || p.led(a) == "" {
				t.Errorf("= %d %v; want %d", a.status, a.header, tt.want)
			}
		})
	}
}

// A return_to that is taken leads to the client and is spelt as we spell it,
// whatever else a browser would make of other spellings.
func FuzzReturnPlace(f *testing.F) {
	client := &auth.Client{Name: "wiki", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Origins: []string{wikiOrigin}}
	start := startOf(strings.Repeat("x", 43))
	f.Add(place{wikiOrigin, "/page?id=7", start}.String())
	for _, to := range foreignReturns {
		f.Add(strings.ReplaceAll(to, "start=S", "start="+start))
	}
	f.Fuzz(func(t *testing.T, to string) {
		p, err := returnPlace(client, to)
		if err != nil {
			return
		}
		if p.String() != to || !slices.Contains(client.Origins, p.Origin) {
			t.Fatalf("%q was taken as %+v", to, p)
		}
		base, err := url.Parse(p.Origin)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := base.Parse(p.Path); err != nil || at.Scheme+"://"+at.Host != wikiOrigin || at.User != nil || strings.HasPrefix(at.Path, "//") {
			t.Errorf("%q leads to %v, %v", to, at, err)
		}
	})
}

// Every place that we make ourselves is read again as it is.
func TestReturnPlaceRoundTrip(t *testing.T) {
	client := &auth.Client{Name: "wiki", Origins: []string{wikiOrigin, "https://wiki2.example.com:8443"}}
	rapid.Check(t, func(t *rapid.T) {
		p := place{
			Origin: rapid.SampledFrom(client.Origins).Draw(t, "origin"),
			Path:   "/" + rapid.StringMatching(`[!-~]{0,60}`).Draw(t, "path"),
			Start:  startOf(rapid.String().Draw(t, "start")),
		}
		got, err := returnPlace(client, p.String())
		if isLocalPath(p.Path) != (err == nil) || err == nil && got != p {
			t.Errorf("returnPlace(%q) = %+v, %v; want %+v", p.String(), got, err, p)
		}
	})
}
