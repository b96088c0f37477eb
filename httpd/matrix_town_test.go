package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sallyport/admin"
	"sallyport/auth"
	"sallyport/diagnose"
	"sallyport/factor/oath"
	"sallyport/factor/password"
	"sallyport/factor/pin"
	"sallyport/factor/recovery"
	"sallyport/factor/webauthn"
	"sallyport/factor/webauthn/webauthntest"
	"sallyport/kdf"
	"sallyport/otp"
	"sallyport/report"
	"sallyport/seal"
	"sallyport/store"
)

const (
	townURL      = "https://mfa.example.com"
	townPassword = "nine lanterns over the harbour"
	wikiOrigin   = "https://wiki.example.com"
)

// A town is a site over a real database in which people of every kind live. Its
// clock stands still until told to move.
type town struct {
	testing.TB
	store   *store.Store
	engine  *auth.Engine
	site    *Site
	handler http.Handler
	said    *capture // what the server logs
	dir     string

	now     atomic.Int64
	visits  atomic.Uint32
	mu      sync.Mutex
	secrets map[string]string // what no answer may ever hold, by what it is
	ids     map[string]string // of accounts, by name
}

// A capture keeps what is written to it.
type capture struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// The people of a town, and the roles that they have at the console.
var townRoles = map[string]string{
	"olga": admin.Owner, "adam": admin.Administrator, "helen": admin.HelpDesk, "audrey": admin.Auditor, "carl": "one",
	"pat": "", "edgar": "", "victor": "",
}

// onePermission is all that carl's role permits.
const onePermission = admin.ReadReports

func newTown(t testing.TB) *town {
	t.Helper()
	w := &town{TB: t, said: new(capture), secrets: make(map[string]string), ids: make(map[string]string)}
	w.now.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano())
	log := slog.New(slog.NewTextHandler(w.said, &slog.HandlerOptions{Level: slog.LevelDebug}))

	dir := t.TempDir()
	w.dir = dir
	kek, err := seal.CreateKEK(filepath.Join(dir, "seal.key"))
	w.must(err)
	w.store, err = store.Open(context.Background(), store.Options{Dir: dir, KEK: kek, Log: slog.New(slog.DiscardHandler), Version: "test", Now: w.time})
	w.must(err)
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})

	params := kdf.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}
	lanes := kdf.NewLanes(2, time.Minute)
	passkeys := &webauthn.Factor{RPID: "mfa.example.com", RPName: "Sallyport", Origins: []string{townURL}}
	factors := []auth.Factor{
		&password.Factor{Params: params, Lanes: lanes}, &oath.Factor{Drift: 1}, passkeys, &recovery.Factor{Params: params, Lanes: lanes},
	}
	pseudonym := w.store.MAC("names that nobody has")
	pins := &pin.PINs{Rules: auth.PINRules{MinDigits: 6, Remembered: 5}}
	parts := auth.Parts{
		Store: w.store, Factors: factors, Limits: auth.DefaultLimits, Domains: []string{"example.com"}, ChallengeLife: 2 * time.Minute,
		References: auth.NewReferences([]byte("a key for tests")),
		Pseudonym: func(name string) string {
			sum := pseudonym([]byte(name))
			return "?" + hex.EncodeToString(sum[:8])
		},
		CacheKey: w.store.MAC("cache keys"), Stopwatch: w.time, Log: log, PINs: pins,
	}
	feed := &admin.Feed{}
	parts.Observe = feed.Observe
	w.engine = auth.NewEngine(parts)
	adm := &admin.Admin{
		Store: w.store, Factors: factors, PINs: pins, Limits: parts.Limits, Domains: parts.Domains, Issuer: "Sallyport", References: parts.References,
		Pseudonym: parts.Pseudonym, Attribute: func(auth.ReplyAttribute) error { return nil }, Explain: w.engine.Explain, Now: w.time,
		Passkeys: &admin.Passkeys{CreationOptions: passkeys.CreationOptions}, SelfBypass: 5 * time.Minute, ExplainUnder: w.engine.ExplainUnder,
	}
	feed.Admin = adm
	w.site = &Site{
		Admin: adm, Decide: w.engine.Decide, Keyed: w.store.MAC("requests"), Passkey: passkeys.RequestOptions, URL: townURL,
		Issuer: "Sallyport", Version: "test", Feed: feed, Log: log, Now: w.time,
		DiagnosisPage: func(out io.Writer, r *diagnose.Report) error { return report.HTML(out, r, report.Options{}) },
		Health:        &Health{Metrics: prometheus.NewRegistry(), Log: log},
	}
	w.handler, err = w.site.Handler()
	w.must(err)

	w.apply(
		admin.AddApplication{Application: auth.Application{Name: "vpn", Created: w.time()}},
		admin.AddApplication{Application: auth.Application{Name: "wiki", Created: w.time()}},
		admin.AddGroup{Group: auth.Group{Name: "staff", Attributes: []auth.ReplyAttribute{{Name: "Filter-Id", Value: "staff"}}, Created: w.time()}},
		admin.AddClient{Client: auth.Client{
			ID: "c-nas", Name: "nas", Door: "radius", Application: "vpn", Source: "192.0.2.1/32", Mode: auth.ModeChallenge, Password: auth.PasswordVerify,
			Secrets: []auth.Secret{auth.Secret(w.secret("RADIUS secret", "nas's shared secret of 32 octets"))}, Created: w.time(),
		}},
		admin.AddClient{Client: w.webClient("wiki", wikiOrigin, "https://wiki2.example.com:8443")},
		admin.AddClient{Client: w.webClient("shop", "https://shop.example.com")},
		admin.AddRole{Role: admin.Role{Name: "one", Permissions: []admin.Permission{onePermission}, Created: w.time()}},
	)
	for name, role := range townRoles {
		w.settle(name, role)
	}
	for name, permissions := range map[string][]admin.Permission{
		"all": admin.Permissions(), "reports": {onePermission}, "wiki-logins": {admin.DecideLogins}, "shop-logins": {admin.DecideLogins},
	} {
		client, _ := strings.CutSuffix(name, "-logins")
		if client == name {
			client = ""
		}
		w.apply(admin.AddKey{Key: admin.Key{Name: name, Secret: sha256.Sum256([]byte(w.key(name))), Permissions: permissions, Client: client, Created: w.time()}})
	}
	w.apply(admin.AddKey{Key: admin.Key{
		Name: "expired", Secret: sha256.Sum256([]byte(w.key("expired"))), Permissions: admin.Permissions(), Created: w.time(), Expires: w.time(),
	}})
	return w
}

func (w *town) webClient(name string, origins ...string) auth.Client {
	return auth.Client{
		ID: "c-" + name, Name: name, Door: "https", Application: "wiki", Mode: auth.ModeChallenge, Password: auth.PasswordVerify, Origins: origins,
		Attributes: []auth.ReplyAttribute{{Name: "Class", Value: name}}, Created: w.time(),
	}
}

// settle makes an account that has everything: password, authenticator app,
// passkey and recovery codes; but edgar, who is only about to.
func (w *town) settle(name, role string) {
	w.Helper()
	id := "00000000-0000-7000-8000-" + hex.EncodeToString(fmt.Appendf(nil, "%-6.6s", name))
	w.ids[name] = id
	changes := []admin.Change{admin.AddAccount{Account: auth.Account{ID: id, Name: name, Groups: []string{"staff"}, Enabled: true, Role: role, Created: w.time()}}}
	if name != "edgar" {
		ctx := context.Background()
		bind := func(kind int, b auth.Binding) auth.Bound {
			f := w.engine.Factors[kind]
			b.Account, b.Issuer = name, "Sallyport"
			bound, err := f.Bind(ctx, b)
			w.must(err)
			changes = append(changes, admin.AddAuthenticator{Authenticator: auth.Authenticator{
				ID: name + "-" + f.Info().Name, Account: id, Factor: f.Info().Name, Label: "of " + name, State: bound.State, Mark: bound.Mark, Created: w.time(),
			}})
			w.secret("state of "+name+"'s "+f.Info().Name, string(bound.State))
			return bound
		}
		bind(0, auth.Binding{Secret: auth.Secret(w.secret("password", townPassword))})
		seed := seedOf(name)
		w.secret(name+"'s seed", otp.EncodeKey(seed))
		w.secret(name+"'s seed in hex", hex.EncodeToString(seed))
		w.secret(name+"'s seed in base 64", base64.StdEncoding.EncodeToString(seed))
		bind(1, auth.Binding{Token: &auth.Token{Key: seed, Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second}})
		challenge := bytes.Repeat([]byte{7}, 32)
		bind(2, auth.Binding{Registration: w.passkey(name).Register(challenge), Challenge: challenge, User: id})
		for i, code := range bind(3, auth.Binding{}).Codes {
			w.secret(fmt.Sprintf("%s's recovery code %d", name, i+1), code)
		}
	}
	w.apply(changes...)
}

func seedOf(name string) []byte {
	sum := sha256.Sum256([]byte("seed of " + name))
	return sum[:20]
}

// passkey is the one that a person holds.
func (w *town) passkey(name string) webauthntest.Authenticator {
	return webauthntest.New(name, "mfa.example.com", townURL, w.ids[name])
}

// code is what a person's authenticator app shows now.
func (w *town) code(name string) string {
	return otp.TOTP(seedOf(name), w.time(), otp.Params{Digits: 6, Period: 30 * time.Second})
}

// key is the secret of an API key.
func (w *town) key(name string) string {
	sum := sha256.Sum256([]byte("API key " + name))
	return w.secret("API key "+name, "spk_"+hex.EncodeToString(sum[:26]))
}

// secret notes what no answer may hold.
func (w *town) secret(what, value string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[what] = value
	return value
}

func (w *town) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *town) time() time.Time      { return time.Unix(0, w.now.Load()).UTC() }
func (w *town) wait(d time.Duration) { w.now.Add(int64(d)) }

func (w *town) apply(changes ...admin.Change) {
	w.Helper()
	w.must(w.store.Apply(context.Background(), admin.Act{}, changes...))
}

// A session is one that a town has made without a sign-in: what was proven when.
type session struct {
	account, client, factor string
	proven                  time.Duration // ago
	created                 time.Duration // ago
}

// begin makes a session and returns the token of its cookie.
func (w *town) begin(s session) string {
	w.Helper()
	token := randomToken()
	now := w.time()
	w.apply(admin.AddSession{Session: admin.Session{
		ID: "s-" + token[:20], Token: sha256.Sum256([]byte(token)), Account: w.ids[s.account], Client: s.client, Factor: s.factor,
		Proven: now.Add(-s.proven), Created: now.Add(-s.created), Seen: now.Add(-s.created), Expires: now.Add(12*time.Hour - s.created),
		Source: "198.51.100.7", Agent: "test",
	}})
	return token
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the kind of problem that the answer is, "" if it is none.
func (a *answer) problem() string {
	if a.header.Get("Content-Type") != problemMedia {
		return ""
	}
	var p Problem
	if json.Unmarshal([]byte(a.body), &p) != nil {
		return "unreadable"
	}
	return p.Type
}

// cookie returns a cookie that the answer sets, nil if it does not.
func (a *answer) cookie(name string) *http.Cookie {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// read reads the answer's JSON.
func (a *answer) read(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("status %d, %q: %v", a.status, a.body, err)
	}
}

// request is one that comes from a source of its own over TLS.
func (w *town) request(method, target, body string) *http.Request {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, townURL+target, content)
	if body != "" {
		r.Header.Set("Content-Type", jsonMedia)
	}
	n := w.visits.Add(1)
	r.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)}), 40000).String()
	return r
}

// serve lets the site answer. Streams end after a moment.
func (w *town) serve(r *http.Request) *answer {
	w.Helper()
	if strings.HasSuffix(r.URL.Path, "/stream") {
		ctx, cancel := context.WithTimeout(r.Context(), 200*time.Millisecond)
		defer cancel()
		r = r.WithContext(ctx)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return &answer{rec.Code, rec.Header(), rec.Body.String()}
}

// ask sends a request that is changed by each of the functions first.
func (w *town) ask(method, target, body string, change ...func(*http.Request)) *answer {
	w.Helper()
	r := w.request(method, target, body)
	for _, c := range change {
		c(r)
	}
	return w.serve(r)
}

// withCookie adds the session cookie of a client.
func withCookie(client, token string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName(client), Value: token}) }
}

func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// withKey shows an API key.
func (w *town) withKey(name string) func(*http.Request) {
	return withHeader("Authorization", "Bearer "+w.key(name))
}

// acts is how many administrative acts there were.
func (w *town) acts() uint64 {
	w.Helper()
	all, err := w.store.SearchActs(context.Background(), admin.ActSearch{Limit: 1})
	w.must(err)
	if len(all) == 0 {
		return 0
	}
	return all[0].Seq
}

// sessions lists the IDs of all open sessions.
func (w *town) sessions() []string {
	w.Helper()
	all, err := w.store.Sessions(context.Background(), "", w.time())
	w.must(err)
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	slices.Sort(ids)
	return ids
}
