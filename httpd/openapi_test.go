package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/admin"
	"sallyport/auth"
)

func (w *town) description() *apiDescription {
	w.Helper()
	a := w.ask(http.MethodGet, "/v1/openapi.json", "")
	if a.status != http.StatusOK {
		w.Fatalf("GET /v1/openapi.json = %d %s", a.status, a.body)
	}
	d := &apiDescription{}
	a.read(w, &d.doc)
	return d
}

// The description is OpenAPI 3.1, says a validator that is not ours.
func TestDescriptionPassesAValidator(t *testing.T) {
	web, err := filepath.Abs(filepath.Join("..", "web"))
	if err != nil {
		t.Fatal(err)
	}
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("there is no node: %v", err)
	}
	const validator = "@seriousme/openapi-schema-validator"
	if _, err := os.Stat(filepath.Join(web, "node_modules", validator)); err != nil {
		missing("the validator is not installed; run npm ci in web: %v", err)
	}
	w := newTown(t)
	file := filepath.Join(t.TempDir(), "openapi.json")
	w.must(os.WriteFile(file, []byte(w.ask(http.MethodGet, "/v1/openapi.json", "").body), 0o600))
	validate := func(file string) (string, error) {
		script := `import { Validator } from "` + validator + `"; const v = new Validator(); const r = await v.validate(process.argv[1]);` +
			`console.log(JSON.stringify({ valid: r.valid, errors: r.errors, version: v.version })); process.exit(r.valid ? 0 : 1);`
		cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", script, file)
		cmd.Dir = web
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := validate(file); err != nil || !strings.Contains(out, `"version":"3.1"`) {
		t.Errorf("the validator says %s, %v", out, err)
	}
	// That it finds something at all.
	w.must(os.WriteFile(file, []byte(`{"openapi":"3.1.0","info":{"title":"x"},"paths":{}}`), 0o600))
	if out, err := validate(file); err == nil {
		t.Errorf("the validator accepts a description without a version: %s", out)
	}
}

// The description and the table say the same, and what the description refers to
// is there.
func TestDescriptionIsWhole(t *testing.T) {
	w := newTown(t)
	d := w.description()
	if d.doc["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", d.doc["openapi"])
	}
	table := make(map[string]operation)
	for _, o := range apiOperations() {
		table[o.Method+" "+o.Path] = o.operation
	}
	ids := make(map[string]bool)
	d.operations(func(method, path string, op map[string]any) {
		at := method + " " + path
		o, ok := table[at]
		if !ok {
			t.Errorf("%s is described and not in the table", at)
			return
		}
		delete(table, at)
		if op["operationId"] != o.ID || ids[o.ID] {
			t.Errorf("%s has the operationId %v; want %s, once", at, op["operationId"], o.ID)
		}
		ids[o.ID] = true
		if op["summary"] == nil || len(stringsOf(op["tags"])) != 1 {
			t.Errorf("%s has summary %v and tags %v", at, op["summary"], op["tags"])
		}
		if op["x-audience"] != o.Audience.String() || op["x-permission"] != string(o.Permission) || op["x-step-up"] != o.StepUp {
			t.Errorf("%s says %v %v %v; want %v %v %t", at, op["x-audience"], op["x-permission"], op["x-step-up"], o.Audience, o.Permission, o.StepUp)
		}
		security, _ := op["security"].([]any)
		if (o.Audience == visitor) != (len(security) == 0) {
			t.Errorf("%s is for the audience %v and says security %v", at, o.Audience, security)
		}
		inPath := make(map[string]bool)
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			p := d.resolve(p)
			if p["in"] == "path" {
				inPath[fmt.Sprint(p["name"])] = true
			}
			if p["schema"] == nil {
				t.Errorf("%s: the parameter %v has no schema", at, p["name"])
			}
		}
		for _, name := range pathParameter.FindAllString(path, -1) {
			if !inPath[strings.Trim(name, "{}")] {
				t.Errorf("%s does not describe %s", at, name)
			}
		}
		if takes := op["requestBody"] != nil; takes != (o.Body > 0) {
			t.Errorf("%s describes a body: %t; the table: %d octets", at, takes, o.Body)
		}
		responses, _ := op["responses"].(map[string]any)
		good := 0
		for status := range responses {
			if strings.HasPrefix(status, "2") || status == "303" {
				good++
			}
		}
		if good == 0 || responses["default"] == nil {
			t.Errorf("%s describes the answers %v", at, responses)
		}
	})
	for at := range table {
		t.Errorf("%s is not described", at)
	}
	d.walk("#", d.doc, func(at string, m map[string]any) {
		if ref, ok := m["$ref"].(string); ok && d.resolve(m) == nil {
			t.Errorf("%s refers to %s, which is not there", at, ref)
		}
		if examples, ok := m["examples"].([]any); ok && m["type"] != nil {
			for _, e := range examples {
				if why := d.check(at, m, e); why != "" {
					t.Errorf("an example does not fit: %s", why)
				}
			}
		}
		if m["type"] == "object" && m["properties"] != nil && m["additionalProperties"] == nil && !strings.Contains(at, "multipart") {
			t.Errorf("%s does not say whether it can have other fields", at)
		}
	})
}

// walk calls do for every object of the description.
func (d *apiDescription) walk(at string, v any, do func(at string, m map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		do(at, v)
		for name, inner := range v {
			d.walk(at+"/"+name, inner, do)
		}
	case []any:
		for i, inner := range v {
			d.walk(fmt.Sprintf("%s/%d", at, i), inner, do)
		}
	}
}

// The names of fields are one case, so that clients need no table.
func TestFieldsAreSnakeCase(t *testing.T) {
	w := newTown(t)
	d := w.description()
	form := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	d.walk("#", d.doc["components"], func(at string, m map[string]any) {
		properties, _ := m["properties"].(map[string]any)
		for name, p := range properties {
			if _, schema := p.(map[string]any); schema && !form.MatchString(name) {
				t.Errorf("%s has the field %q", at, name)
			}
		}
	})
}

// rounds is how often a campaign repeats: the full count with
// SALLYPORT_CAMPAIGN=full, as make campaign sets it.
func rounds(full, reduced int) int {
	if os.Getenv("SALLYPORT_CAMPAIGN") == "full" {
		return full
	}
	return reduced
}

// A prober asks operations as whoever may, with made-up contents.
type prober struct {
	*sampler
	w          *town
	operations map[string]operation
}

func newProber(t testing.TB, seed uint64) *prober {
	w := newTown(t)
	p := &prober{w: w, operations: make(map[string]operation)}
	p.sampler = &sampler{
		apiDescription: w.description(), Rand: rand.New(rand.NewPCG(seed, 1)),
		names: []string{"pat", "victor", "nobody", "vpn", "wiki", "nas", "staff", "one", "all", "oath", "pat-oath", "everybody", "usage", "192.0.2.0/24", "event.read", "300"},
		hints: map[string][]string{
			"role": {"auditor", "one", ""}, "application": {"vpn", "wiki"}, "applications": {"vpn", "wiki"}, "client": {"wiki", "nas", "portal"}, "clients": {"wiki", "nas"}, "groups": {"staff"},
			"factor": {"oath", "password", "recovery"}, "methods": {"oath", "webauthn"}, "permissions": {"event.read", "report.read"}, "source": {"192.0.2.0/24", "198.51.100.7", "2001:db8::/64"},
			"sources": {"192.0.2.0/24"}, "password": {"a pass phrase that is long enough", townPassword}, "account": {"pat", "victor"}, "door": {"radius", "https"}, "origins": {"https://x.example.com"},
			"mode": {"challenge", "append"}, "origin": {"calling-station-id", "none"}, "secret": {"sixteen letters at least"}, "attributes": {"Filter-Id=staff"}, "until": {"2027-01-01T00:00:00Z"},
			"expires": {"2027-01-01T00:00:00Z"}, "aliases": {"other", "another"}, "range": {"192.0.2.0/24"}, "reference": {"7F3K-92QD"},
		},
	}
	for _, o := range apiOperations() {
		p.operations[o.Method+" "+o.Path] = o.operation
	}
	return p
}

// mend gives the prober a fresh town if the last request has broken what the next
// one needs. Owners may do that.
func (p *prober) mend(t testing.TB) {
	ctx := context.Background()
	olga, err := p.w.store.Account(ctx, "olga")
	pat, err2 := p.w.store.Account(ctx, "pat")
	keys, err3 := p.w.store.Keys(ctx)
	if err != nil || err2 != nil || err3 != nil || olga.Role != admin.Owner || !olga.Enabled || olga.BlockedAt(p.w.time()) || !pat.Enabled || pat.BlockedAt(p.w.time()) ||
		p.w.store.Settings().Client("wiki") == nil || len(keys) < 5 {
		p.w = newTown(t)
	}
}

// text for a path or query: what there is, what there could be, what nobody
// would send.
func (p *prober) word(schema any, hostile bool) string {
	if hostile {
		return hostileTexts[p.IntN(len(hostileTexts))]
	}
	switch v := p.valid(schema, 0).(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, fmt.Sprint(e))
		}
		return strings.Join(all, ",")
	default:
		return strings.TrimSuffix(fmt.Sprint(v), ".0")
	}
}

// request makes a request of an operation. mode is 0 for a valid one, 1 for one
// that nearly is, 2 for a hostile one.
func (p *prober) request(method, path string, op map[string]any, mode int) *http.Request {
	query := url.Values{}
	headers := make(http.Header)
	parameters, _ := op["parameters"].([]any)
	if p.IntN(3) > 0 {
		path = p.w.real(path, "7F3K-92QD")
	}
	for _, raw := range parameters {
		param := p.resolve(raw)
		name := fmt.Sprint(param["name"])
		hostile := mode > 0 && p.IntN(2*len(parameters)) == 0
		switch param["in"] {
		case "path":
			word := p.word(param["schema"], hostile)
			if word == "" || word == "." || word == ".." {
				word = "nope"
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(word))
		case "query":
			if param["required"] == true || p.IntN(4) == 0 {
				query.Set(name, p.word(param["schema"], hostile))
			}
		case "header":
			if hostile {
				headers[name] = []string{hostileTexts[p.IntN(len(hostileTexts))]}
			}
		}
	}
	if mode == 2 && p.IntN(10) == 0 {
		query.Set("no_such_parameter", "x")
	}
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	o := p.operations[method+" "+fmt.Sprint(op["x-path"])]
	body, media := "", jsonMedia
	if schema := p.body(op); schema != nil {
		v := p.valid(schema, 0)
		switch mode {
		case 1:
			v = p.bend(v)
		case 2:
			body = p.hostileBody(v)
		}
		if mode < 2 {
			b, err := json.Marshal(v)
			p.w.must(err)
			body = string(b)
		}
	} else if o.Upload {
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		part, err := form.CreateFormFile("files", "x.log")
		p.w.must(err)
		fmt.Fprintf(part, "%s\n", hostileTexts[p.IntN(len(hostileTexts))])
		if mode < 2 {
			p.w.must(form.Close())
		}
		body, media = b.String(), form.FormDataContentType()
	}
	u, err := url.Parse(townURL + target)
	if err != nil {
		p.w.Fatalf("%s: %v", target, err)
	}
	r := p.w.request(method, "/", body)
	r.URL, r.RequestURI = u, u.RequestURI()
	if body != "" {
		r.Header.Set("Content-Type", media)
	}
	for name, values := range headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r
}

// show makes the request one of somebody who may ask.
func (p *prober) show(o *operation, r *http.Request) {
	switch o.Audience {
	case administrator:
		if p.IntN(2) == 0 {
			p.w.withKey("all")(r)
			return
		}
		p.w.olga(o)(r)
	case person, signedIn:
		if o.Audience == signedIn {
			addQuery(r, "client", auth.PortalClient)
		}
		withCookie(auth.PortalClient, p.w.begin(session{account: "pat", client: auth.PortalClient, factor: auth.PasskeyFactor}))(r)
	case program:
		p.w.withKey("wiki-logins")(r)
	case visitor, operator, machine, anyone:
	}
}

// judge says what is wrong with an answer.
func (p *prober) judge(op map[string]any, a *answer) string {
	responses := op["responses"].(map[string]any)
	said := responses[fmt.Sprint(a.status)]
	if said == nil {
		said = responses["default"]
	}
	content, _ := p.resolve(said)["content"].(map[string]any)
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	switch {
	case a.status >= 500:
		return "a fault"
	case a.status >= 300 && a.status < 400 && a.header.Get("Location") == "":
		return "a redirection to nowhere"
	case a.status >= 400 && media != problemMedia:
		return "a refusal that is no problem document"
	case a.body == "":
		return ""
	case media != jsonMedia && media != problemMedia:
		return ""
	}
	described, _ := content[media].(map[string]any)
	if described == nil {
		return "an answer of a kind that is not described"
	}
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		return "an answer that is not JSON: " + err.Error()
	}
	return p.check("the answer", described["schema"], v)
}

// Requests made from the served description, valid, nearly valid and hostile,
// for every operation as somebody who may do everything: no faults, answers as
// they are described, nothing that is not.
func TestCampaignDescribedRequests(t *testing.T) {
	seed := rand.Uint64()
	p := newProber(t, seed)
	n := rounds(600, 15)
	asked, accepted := 0, make(map[string]int)
	p.apiDescription.operations(func(method, path string, op map[string]any) {
		op["x-path"] = path
		o := p.operations[method+" "+path]
		for i := range n {
			p.mend(t)
			r := p.request(method, path, op, i%3)
			p.show(&o, r)
			uri := r.URL.RequestURI()
			a := p.w.serve(r)
			asked++
			if why := p.judge(op, a); why != "" {
				t.Errorf("%s (%s %.200s, seed %d, round %d) = %d %.400s: %s", o.ID, method, uri, seed, i, a.status, a.body, why)
			}
			if a.status < 400 {
				accepted[o.ID]++
			}
		}
	})
	var never []string
	for _, o := range p.operations {
		if accepted[o.ID] == 0 {
			never = append(never, o.ID)
		}
	}
	slices.Sort(never)
	if log := p.w.said.String(); strings.Contains(log, "panicked") {
		t.Errorf("a handler panicked: %.2000s", log[strings.Index(log, "panicked"):])
	}
	t.Logf("%d requests, seed %d; never accepted: %v", asked, seed, never)
	if len(never) > len(p.operations)*2/3 {
		t.Error("hardly anything was accepted: this tests nothing but the checks of bodies")
	}
}

// What is not described is refused, wherever it stands: whoever sent it believes
// that it does something.
func TestUnknownFieldsAreRefused(t *testing.T) {
	p := newProber(t, 1)
	checked := 0
	p.apiDescription.operations(func(method, path string, op map[string]any) {
		op["x-path"] = path
		o := p.operations[method+" "+path]
		schema := p.body(op)
		for i := range 4 {
			p.mend(t)
			r := p.request(method, path, op, 0)
			if schema != nil {
				v := p.valid(schema, 0)
				addUnknown(v, i)
				b, err := json.Marshal(v)
				p.w.must(err)
				r2 := p.w.request(method, "/", string(b))
				r2.URL, r2.RequestURI = r.URL, r.RequestURI
				r = r2
			} else {
				addQuery(r, "no_such_parameter", "x")
			}
			p.show(&o, r)
			acts := p.w.acts()
			a := p.w.serve(r)
			checked++
			if a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
				t.Errorf("%s with something that is not described = %d %s; want 400 or 422", o.ID, a.status, a.body)
			}
			if now := p.w.acts(); now != acts {
				t.Errorf("%s with something that is not described left %d acts", o.ID, now-acts)
			}
		}
	})
	t.Logf("%d requests", checked)
}

// addUnknown adds a field that nobody knows: at the top, or in each object that
// stands below it if there is one.
func addUnknown(v any, i int) {
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	if i%2 == 1 {
		for _, inner := range m {
			if list, ok := inner.([]any); ok && len(list) > 0 {
				inner = list[0]
			}
			if below, ok := inner.(map[string]any); ok && len(below) > 0 {
				below["no_such_field"] = 1
			}
		}
	}
	m["no_such_field"] = 1
}

// Every kind of problem that anything answers with is explained in docs/api.md.
func TestProblemsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]string)
	form := regexp.MustCompile(`"(/problems/[a-z-]+)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range form.FindAllStringSubmatch(string(b), -1) {
			kinds[m[1]] = file
		}
	}
	if len(kinds) < 10 {
		t.Errorf("found %d kinds of problems: this test looks in the wrong place", len(kinds))
	}
	for kind, file := range kinds {
		if !bytes.Contains(page, []byte("`"+kind+"`")) {
			t.Errorf("%s answers with %s, which docs/api.md does not explain", file, kind)
		}
	}
}
