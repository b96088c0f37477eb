package httpd

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/admin"
	"sallyport/auth"
)

// A verdict is what the gate does with a caller.
type gateVerdict int

const (
	letIn           gateVerdict = iota + 1
	forbiddenToYou              // 403
	notSignedIn                 // 401
	proveYourselves             // 403 with the type /problems/step-up
)

func (v gateVerdict) String() string {
	return [...]string{"?", "let in", "forbidden", "not signed in", "asked to step up"}[v]
}

// gateSaid reads what the gate did from an answer. Whatever an operation itself
// refuses is behind the gate.
func gateSaid(a *answer) gateVerdict {
	switch {
	case a.problem() == "/problems/step-up":
		return proveYourselves
	case a.problem() == "/problems/sign-in":
		return letIn // forward-auth answers its caller, a proxy, about somebody else
	case a.status == http.StatusUnauthorized:
		return notSignedIn
	case a.status == http.StatusForbidden:
		return forbiddenToYou
	}
	return letIn
}

// A callerKind is one kind of caller: what it shows, and what the table says
// that it gets.
type callerKind struct {
	name string
	show func(w *town, o *operation) func(*http.Request)
	want func(o *operation) gateVerdict
}

// nobodyGets is what whoever is nobody gets: what visitors get.
func nobodyGets(o *operation) gateVerdict {
	if o.Audience == visitor {
		return letIn
	}
	return notSignedIn
}

// clientOfOperation is the client whose session an operation that takes either
// is asked about, in these tests.
func clientOfOperation(o *operation) string {
	switch o.Audience {
	case administrator:
		return auth.ConsoleClient
	default:
		return auth.PortalClient
	}
}

// atConsole is somebody with a role and a fresh session at the console.
func atConsole(name string, may []admin.Permission) callerKind {
	return callerKind{
		name: name,
		show: func(w *town, _ *operation) func(*http.Request) {
			return withCookie(auth.ConsoleClient, w.begin(session{account: name, client: auth.ConsoleClient, factor: auth.PasskeyFactor}))
		},
		want: func(o *operation) gateVerdict {
			switch {
			case o.Audience != administrator:
				return nobodyGets(o)
			case slices.Contains(may, o.Permission):
				return letIn
			}
			return forbiddenToYou
		},
	}
}

// withAKey is a program.
func withAKey(name string, may ...admin.Permission) callerKind {
	return callerKind{
		name: "API key " + name,
		show: func(w *town, _ *operation) func(*http.Request) { return w.withKey(name) },
		want: func(o *operation) gateVerdict {
			switch {
			case o.Audience != administrator && o.Audience != program:
				return nobodyGets(o)
			case slices.Contains(may, o.Permission):
				return letIn
			}
			return forbiddenToYou
		},
	}
}

// halfIn is somebody who has shown a password and was asked for a code, and puts
// what they got where a session or key would be.
func halfIn(name string, put func(*http.Request, string)) callerKind {
	return callerKind{
		name: "half signed in, the state as " + name,
		show: func(w *town, _ *operation) func(*http.Request) {
			state := w.half()
			return func(r *http.Request) { put(r, state) }
		},
		want: nobodyGets,
	}
}

// half shows pat's password and returns the state of the challenge.
func (w *town) half() string {
	w.Helper()
	w.wait(time.Second)
	var asked SignIn
	w.ask(http.MethodPost, "/v1/sign-in", `{"client":"portal","name":"pat","password":"`+townPassword+`"}`).read(w, &asked)
	if asked.Verdict != "challenge" || asked.State == "" {
		w.Fatalf("pat's password = %+v; want a challenge", asked)
	}
	return asked.State
}

func addQuery(r *http.Request, name, value string) {
	q := r.URL.Query()
	q.Set(name, value)
	r.URL.RawQuery = q.Encode()
}

// oldSession is a session that is over, each for its own reason.
func oldSession(name, account string, s session, after func(w *town)) callerKind {
	return callerKind{
		name: name,
		show: func(w *town, o *operation) func(*http.Request) {
			s := s
			s.account, s.client = account, clientOfOperation(o)
			token := w.begin(s)
			after(w)
			return withCookie(s.client, token)
		},
		want: nobodyGets,
	}
}

func callers() []callerKind {
	builtin := make(map[string][]admin.Permission)
	for _, r := range admin.BuiltinRoles() {
		builtin[r.Name] = r.Permissions
	}
	atPortal := func(name, account, factor string, want func(o *operation) gateVerdict) callerKind {
		return callerKind{
			name: name,
			show: func(w *town, _ *operation) func(*http.Request) {
				return withCookie(auth.PortalClient, w.begin(session{account: account, client: auth.PortalClient, factor: factor}))
			},
			want: want,
		}
	}
	elsewhere := func(name, client, as string) callerKind {
		return callerKind{
			name: name,
			show: func(w *town, _ *operation) func(*http.Request) {
				return withCookie(as, w.begin(session{account: "olga", client: client, factor: auth.PasskeyFactor}))
			},
			want: nobodyGets,
		}
	}
	nothing := func(*town) {}
	return []callerKind{
		{"nobody", func(*town, *operation) func(*http.Request) { return func(*http.Request) {} }, nobodyGets},
		halfIn("portal cookie", func(r *http.Request, s string) {
			r.AddCookie(&http.Cookie{Name: cookieName(auth.PortalClient), Value: s})
		}),
		halfIn("console cookie", func(r *http.Request, s string) {
			r.AddCookie(&http.Cookie{Name: cookieName(auth.ConsoleClient), Value: s})
		}),
		halfIn("bearer token", func(r *http.Request, s string) { r.Header.Set("Authorization", "Bearer "+s) }),
		halfIn("query", func(r *http.Request, s string) { addQuery(r, "state", s) }),
		halfIn("access token", func(r *http.Request, s string) { addQuery(r, "access_token", s) }),
		atPortal("enrolling", "edgar", admin.FactorInvitation, func(o *operation) gateVerdict {
			switch {
			case o.Audience != person && o.Audience != signedIn:
				return nobodyGets(o)
			case o.Enrolling:
				return letIn
			}
			return forbiddenToYou
		}),
		atPortal("a person", "pat", auth.PasskeyFactor, func(o *operation) gateVerdict {
			if o.Audience == person || o.Audience == signedIn {
				return letIn
			}
			return nobodyGets(o)
		}),
		atConsole("audrey", builtin[admin.Auditor]),
		atConsole("helen", builtin[admin.HelpDesk]),
		atConsole("adam", builtin[admin.Administrator]),
		atConsole("olga", builtin[admin.Owner]),
		atConsole("carl", []admin.Permission{onePermission}),
		withAKey("all", admin.Permissions()...),
		withAKey("reports", onePermission),
		withAKey("wiki-logins", admin.DecideLogins),
		{"an expired API key", func(w *town, _ *operation) func(*http.Request) { return w.withKey("expired") }, nobodyGets},
		oldSession("a session of yesterday", "olga", session{factor: auth.PasskeyFactor, created: 25 * time.Hour}, nothing),
		oldSession("a session left alone", "olga", session{factor: auth.PasskeyFactor, created: time.Hour}, nothing),
		oldSession("a session of somebody who was disabled", "olga", session{factor: auth.PasskeyFactor}, func(w *town) {
			w.apply(admin.UpdateAccount{ID: w.ids["olga"], Update: func(a *auth.Account) error { a.Enabled = false; return nil }})
		}),
		oldSession("a session of somebody who was blocked", "olga", session{factor: auth.PasskeyFactor}, func(w *town) {
			w.apply(admin.UpdateAccount{ID: w.ids["olga"], Update: func(a *auth.Account) error { a.Blocked = true; return nil }})
		}),
		elsewhere("the console's token in the portal's cookie", auth.ConsoleClient, auth.PortalClient),
		elsewhere("the portal's token in the console's cookie", auth.PortalClient, auth.ConsoleClient),
		elsewhere("an application's token in the console's cookie", "wiki", auth.ConsoleClient),
		elsewhere("an application's token in the portal's cookie", "wiki", auth.PortalClient),
	}
}

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// probe is a request for an operation that gets past the gate and no further, as
// far as that can be: no record has the name, and the body fits nothing.
func (w *town) probe(o *operation) *http.Request {
	target := pathParameter.ReplaceAllString(o.Path, "nope")
	if o.Audience == signedIn {
		target += "?client=" + auth.PortalClient
	}
	body := ""
	if o.Body > 0 {
		body = `{"no_such_field":1}`
	}
	r := w.request(o.Method, target, body)
	if o.Upload {
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	}
	return r
}

// restore undoes what a kind of caller has done to olga.
func (w *town) restore() {
	w.apply(admin.UpdateAccount{ID: w.ids["olga"], Update: func(a *auth.Account) error { a.Enabled, a.Blocked = true, false; return nil }})
}

// Every operation for every kind of caller: the gate does what the table says,
// nothing answers with a fault, and whoever is refused has changed nothing.
func TestEveryOperationForEveryCaller(t *testing.T) {
	w := newTown(t)
	operations := apiOperations()
	asked := 0
	for _, kind := range callers() {
		t.Run(kind.name, func(t *testing.T) {
			w.restore()
			shown := make(map[string]func(*http.Request)) // for which client
			for i := range operations {
				o := &operations[i].operation
				client := clientOfOperation(o)
				if shown[client] == nil {
					shown[client] = kind.show(w, o)
				}
				r := w.probe(o)
				shown[client](r)
				acts, sessions := w.acts(), w.sessions()
				a := w.serve(r)
				asked++
				got, want := gateSaid(a), kind.want(o)
				if got != want {
					t.Errorf("%s (%s %s, for %v with %q) = %d %s: %v; want %v", o.ID, o.Method, o.Path, o.Audience, o.Permission, a.status, a.body, got, want)
				}
				if a.status >= 500 {
					t.Errorf("%s = %d %s", o.ID, a.status, a.body)
				}
				if got == letIn {
					clear(shown) // it may have ended the session
					continue
				}
				if now := w.acts(); now != acts {
					t.Errorf("%s was refused, but left %d acts", o.ID, now-acts)
				}
				if now := w.sessions(); !slices.Equal(now, sessions) {
					t.Errorf("%s was refused, but the sessions are %v; were %v", o.ID, now, sessions)
				}
				if c := a.header.Values("Set-Cookie"); len(c) > 0 {
					t.Errorf("%s was refused, but sets %v", o.ID, c)
				}
				if a.problem() == "" {
					t.Errorf("%s was refused with %s %q; want a problem document", o.ID, a.header.Get("Content-Type"), a.body)
				}
			}
		})
	}
	t.Logf("%d operations, %d requests", len(operations), asked)
}

// Every permission that a role can have opens something, and an operation that
// needs one opens to a role that has that one alone.
func TestEveryPermissionAlone(t *testing.T) {
	w := newTown(t)
	operations := apiOperations()
	for _, p := range admin.Permissions() {
		t.Run(string(p), func(t *testing.T) {
			w.apply(admin.UpdateRole{Name: "one", Update: func(r *admin.Role) error { r.Permissions = []admin.Permission{p}; return nil }})
			opens := 0
			for i := range operations {
				o := &operations[i].operation
				if o.Audience != administrator {
					continue
				}
				kind := atConsole("carl", []admin.Permission{p})
				r := w.probe(o)
				kind.show(w, o)(r)
				a := w.serve(r)
				if got, want := gateSaid(a), kind.want(o); got != want {
					t.Errorf("%s = %d %s: %v; want %v", o.ID, a.status, a.body, got, want)
				} else if got == letIn {
					opens++
				}
			}
			if opens == 0 && !servedElsewhere[p] {
				t.Errorf("nothing in the API needs %s; take it away, or say where else it counts", p)
			}
		})
	}
}

// servedElsewhere are permissions for what only the operator API does.
var servedElsewhere = map[admin.Permission]bool{admin.ReadBackup: true, admin.WriteKEK: true}

// A sensitive operation asks for a proof not older than five minutes, by the
// best that the account holds; keys are exempt.
func TestStepUpForEveryOperation(t *testing.T) {
	w := newTown(t)
	operations := apiOperations()
	tests := []struct {
		name    string
		factor  string
		proven  time.Duration
		console gateVerdict // what somebody at the console gets
		portal  gateVerdict // what somebody at the portal gets who holds a passkey
	}{
		{"just now", auth.PasskeyFactor, 0, letIn, letIn},
		{"a moment short of five minutes ago", auth.PasskeyFactor, 5*time.Minute - time.Second, letIn, letIn},
		{"five minutes ago", auth.PasskeyFactor, 5 * time.Minute, proveYourselves, proveYourselves},
		{"hours ago", auth.PasskeyFactor, 3 * time.Hour, proveYourselves, proveYourselves},
		{"in the future", auth.PasskeyFactor, -time.Hour, proveYourselves, proveYourselves},
		{"by a weaker factor just now", "oath", 0, proveYourselves, proveYourselves},
		{"by an exemption just now", "", 0, proveYourselves, proveYourselves},
	}
	sensitive := 0
	for i := range operations {
		o := &operations[i].operation
		if !o.StepUp {
			continue
		}
		sensitive++
		for _, tt := range tests {
			account, want := "olga", tt.console
			if o.Audience != administrator {
				account, want = "pat", tt.portal
			}
			client := clientOfOperation(o)
			r := w.probe(o)
			withCookie(client, w.begin(session{account: account, client: client, factor: tt.factor, proven: tt.proven}))(r)
			acts := w.acts()
			a := w.serve(r)
			if got := gateSaid(a); got != want {
				t.Errorf("%s, proven %s = %d %s: %v; want %v", o.ID, tt.name, a.status, a.body, got, want)
			}
			if now := w.acts(); want != letIn && now != acts {
				t.Errorf("%s, proven %s, was refused and left %d acts", o.ID, tt.name, now-acts)
			}
		}
		if o.Audience == administrator {
			if a := w.serve(func() *http.Request { r := w.probe(o); w.withKey("all")(r); return r }()); gateSaid(a) != letIn {
				t.Errorf("%s with an API key = %d %s; want to be let in", o.ID, a.status, a.body)
			}
		}
	}
	if sensitive == 0 {
		t.Error("no operation asks for a step-up")
	}
}

// What must ask for a step-up does: whatever gives somebody a way in, or takes a
// proof away.
func TestWhatAsksForAStepUp(t *testing.T) {
	must := []string{
		"POST /v1/accounts/{name}/password", "POST /v1/accounts/{name}/role", "POST /v1/accounts/{name}/recovery-codes", "DELETE /v1/accounts/{name}",
		"POST /v1/accounts/{name}/bypass", "POST /v1/accounts/{name}/authenticators", "DELETE /v1/authenticators/{id}", "POST /v1/authenticators/{id}/assign",
		"POST /v1/authenticators/import", "POST /v1/roles", "PATCH /v1/roles/{name}", "DELETE /v1/roles/{name}", "POST /v1/api-keys", "DELETE /v1/api-keys/{name}",
		"DELETE /v1/me/authenticators/{id}", "POST /v1/me/recovery-codes", "POST /v1/findings/apply",
	}
	found := make(map[string]bool)
	for _, o := range apiOperations() {
		found[o.Method+" "+o.Path] = o.StepUp
	}
	for _, op := range must {
		if stepUp, ok := found[op]; !ok {
			t.Errorf("there is no %s", op)
		} else if !stepUp {
			t.Errorf("%s asks for no step-up", op)
		}
	}
}

// The table itself: each line has what the gate needs, and no two are the same.
func TestTableOfOperations(t *testing.T) {
	ids, paths := make(map[string]bool), make(map[string]bool)
	form := regexp.MustCompile(`^(/[a-z0-9][a-z0-9.-]*|/\{[a-z_]+\})+$`)
	for _, o := range apiOperations() {
		at := o.Method + " " + pathParameter.ReplaceAllString(o.Path, "{}")
		switch {
		case ids[o.ID] || paths[at]:
			t.Errorf("%s (%s) stands in the table twice", o.ID, at)
		case o.Audience < visitor || o.Audience > program:
			t.Errorf("%s has the audience %v", o.ID, o.Audience)
		case o.Permission == "":
			t.Errorf("%s has no permission", o.ID)
		case !form.MatchString(o.Path) || !strings.HasPrefix(o.Path, "/v1/"):
			t.Errorf("%s has the path %s", o.ID, o.Path)
		case o.Summary == "" || o.Tag == "":
			t.Errorf("%s says nothing of itself", o.ID)
		case o.StepUp && (o.Audience == visitor || o.Audience == program):
			t.Errorf("%s wants a step-up of somebody who has no session", o.ID)
		case o.Method == http.MethodGet && o.Body > 0:
			t.Errorf("%s is asked for with GET and takes a body", o.ID)
		case o.Audience == administrator && !slices.Contains(admin.Permissions(), o.Permission):
			t.Errorf("%s needs %q, which no role can have", o.ID, o.Permission)
		case o.Audience == program && o.Permission != admin.DecideLogins:
			t.Errorf("%s needs %q of a program", o.ID, o.Permission)
		}
		ids[o.ID], paths[at] = true, true
	}
	if len(ids) < 10 {
		t.Errorf("there are %d operations", len(ids))
	}
}
