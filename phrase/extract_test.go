package phrase

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the folder of the module, seen from this package.
const root = ".."

// A sentence is what the source composes at one place, as a template.
type sentence struct {
	english string
	area    string
	file    string // "auth/decide.go"
	line    int
}

// A speaker is a package whose sentences people read.
type speaker struct {
	folder string
	area   string
	// file limits the sentences to one file, empty for all.
	file string
	// errors is whether people read its errors as they are, with the name of
	// the package before them.
	errors bool
}

// speakers are the packages whose sentences reach pages and API.
var speakers = []speaker{
	{folder: "admin", area: "admin"},
	{folder: "config", area: "admin"},
	{folder: "server", area: "admin"},
	{folder: "patience", area: "admin"},
	{folder: "pskc", area: "admin", errors: true},
	{folder: "otp", area: "admin"},
	{folder: "radius", area: "radius", errors: true},
	{folder: "factor/oath", area: "admin"},
	{folder: "factor/password", area: "admin"},
	{folder: "factor/pin", area: "pin"},
	{folder: "factor/recovery", area: "admin"},
	{folder: "factor/webauthn", area: "admin"},
	{folder: "auth", area: "outcomes", file: "catalogue.go"},
	{folder: "auth", area: "auth"},
	{folder: "httpd", area: "httpd"},
	{folder: "radiusd", area: "radius"},
	{folder: "intake", area: "diagnose"},
	{folder: "diagnose", area: "diagnose"},
}

// A source is one package of the module, parsed and with types as far as the
// module itself defines them: what other modules export has no type here.
type source struct {
	folder string
	names  []string // of files
	files  []*ast.File
	info   *types.Info
	pkg    *types.Package
}

// A loader reads packages of this module from their source.
type loader struct {
	fset *token.FileSet
	done map[string]*source
}

func (l *loader) load(folder string) (*source, error) {
	if s := l.done[folder]; s != nil {
		return s, nil
	}
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	if err != nil {
		return nil, err
	}
	s := &source{folder: folder, info: &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object),
	}}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(l.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, folder+"/"+filepath.Base(path))
		s.files = append(s.files, f)
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("no Go files in %s: %w", folder, fs.ErrNotExist)
	}
	config := types.Config{Importer: l, Error: func(error) {}} // what is imported from elsewhere is not known
	s.pkg, _ = config.Check("sallyport/"+folder, l.fset, s.files, s.info)
	l.done[folder] = s
	return s, nil
}

// Import gives packages of this module as they are and all others empty.
func (l *loader) Import(path string) (*types.Package, error) {
	if folder, ours := strings.CutPrefix(path, "sallyport/"); ours {
		s, err := l.load(folder)
		if err != nil {
			return nil, err
		}
		return s.pkg, nil
	}
	if path == "" {
		return nil, errors.New("no path")
	}
	p := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	p.MarkComplete()
	return p, nil
}

// An extractor finds the sentences of one package.
type extractor struct {
	*source
	fset   *token.FileSet
	errors bool // see speaker
	give   func(at token.Pos, template string, forced bool)
}

// sentences walks over a file. Whatever is not excused is given.
func (x *extractor) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.StructType:
			return false // paths and tags
		case *ast.GenDecl:
			return n.Tok != token.CONST // constants are said where they are used
		case *ast.CallExpr:
			return x.call(n)
		case *ast.CompositeLit:
			x.composite(n)
			return false
		case *ast.CaseClause: // what a text is compared with is not said
			for _, s := range n.Body {
				x.walk(s)
			}
			return false
		case *ast.IndexExpr:
			x.walk(n.X)
			return false
		case ast.Expr:
			if b, ok := n.(*ast.BinaryExpr); ok && b.Op != token.ADD {
				if b.Op == token.EQL || b.Op == token.NEQ || b.Op == token.LSS || b.Op == token.GTR {
					x.compared(b.X)
					x.compared(b.Y)
					return false
				}
				return true
			}
			return x.said(n, false)
		}
		return true
	})
}

// compared walks over one side of a comparison, the literals of which are not said.
func (x *extractor) compared(e ast.Expr) {
	if tv, ok := x.info.Types[e]; ok && tv.Value != nil {
		return
	}
	x.walk(e)
}

// said gives e if it composes a text. It reports whether what e consists of is
// to be looked at by itself.
func (x *extractor) said(e ast.Expr, forced bool) bool {
	parts, ok := x.parts(e)
	if !ok {
		return true
	}
	x.give(e.Pos(), x.template(parts), forced)
	return false
}

// template writes parts as a template, and walks over what is variable. What
// stands together without a word between counts as one.
func (x *extractor) template(parts []part) string {
	var t strings.Builder
	n := 0
	before := false
	for _, p := range parts {
		switch {
		case p.variable == nil:
			t.WriteString(p.text)
			before = before && p.text == ""
			continue
		case !before:
			fmt.Fprintf(&t, "{%d}", n)
			n++
		}
		before = true
		x.walk(p.variable)
	}
	return t.String()
}

// A part of a text is words, or what the program puts there.
type part struct {
	text     string
	variable ast.Expr
}

// parts takes the text that e composes apart. It is false if e composes none:
// if it only names or computes something.
func (x *extractor) parts(e ast.Expr) ([]part, bool) {
	if tv, ok := x.info.Types[e]; ok && tv.Value != nil && tv.Value.Kind() == constant.String {
		return []part{{text: constant.StringVal(tv.Value)}}, true
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return x.parts(e.X)
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return nil, false
		}
		s, err := strconv.Unquote(e.Value)
		return []part{{text: s}}, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD || !x.joins(e) {
			return nil, false
		}
		return append(x.operand(e.X), x.operand(e.Y)...), true
	case *ast.CallExpr:
		if name := called(e); name == "fmt.Sprintf" || name == "fmt.Errorf" {
			return x.format(e, 0)
		}
	}
	return nil, false
}

// joins reports whether a sum joins texts, one of them at least a literal.
func (x *extractor) joins(b *ast.BinaryExpr) bool {
	found := false
	ast.Inspect(b, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			found = found || n.Kind == token.STRING
		case *ast.BinaryExpr:
			return n.Op == token.ADD
		case *ast.CallExpr:
			return called(n) == "fmt.Sprintf"
		case *ast.IndexExpr:
			return false
		case *ast.Ident:
			if tv, ok := x.info.Types[ast.Expr(n)]; ok && tv.Value != nil && tv.Value.Kind() == constant.String {
				found = true
			}
		}
		return true
	})
	return found
}

// operand is parts for what stands in a sum: anything that is not a text known
// here is variable.
func (x *extractor) operand(e ast.Expr) []part {
	if tv, ok := x.info.Types[e]; ok && tv.Value != nil && tv.Value.Kind() == constant.String {
		return []part{{text: constant.StringVal(tv.Value)}}
	}
	if p, ok := x.parts(e); ok {
		return p
	}
	return []part{{variable: e}}
}

var verb = regexp.MustCompile(`%([-+# 0]*)(\d+)?(\.\d+)?(\[\d+\])?([a-zA-Z%])`)

// format takes a call with a format apart. The arguments after it are variable,
// or what they are if the verb is %s.
func (x *extractor) format(c *ast.CallExpr, at int) ([]part, bool) {
	if len(c.Args) <= at {
		return nil, false
	}
	tv, ok := x.info.Types[c.Args[at]]
	var f string
	if ok && tv.Value != nil && tv.Value.Kind() == constant.String {
		f = constant.StringVal(tv.Value)
	} else if b, isLit := c.Args[at].(*ast.BasicLit); isLit {
		f, _ = strconv.Unquote(b.Value)
	} else {
		return nil, false
	}
	var parts []part
	next := at + 1
	for f != "" {
		m := verb.FindStringSubmatchIndex(f)
		if m == nil {
			parts = append(parts, part{text: f})
			break
		}
		if m[0] > 0 {
			parts = append(parts, part{text: f[:m[0]]})
		}
		v := f[m[10]:m[11]]
		switch v {
		case "%":
			parts = append(parts, part{text: "%"})
		default:
			if m[8] >= 0 {
				n, _ := strconv.Atoi(f[m[8]+1 : m[9]-1])
				next = at + n
			}
			if next >= len(c.Args) {
				return nil, false
			}
			arg := c.Args[next]
			next++
			if v == "s" {
				parts = append(parts, x.operand(arg)...)
			} else {
				parts = append(parts, part{variable: arg})
			}
		}
		f = f[m[1]:]
	}
	return parts, true
}

// called names the function of a call: "fmt.Sprintf", "invalid", ".step".
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if id, ok := f.X.(*ast.Ident); ok {
			return id.Name + "." + f.Sel.Name
		}
		return "." + f.Sel.Name
	}
	return ""
}

// silent are calls the texts of which nobody is told. The name is that of the
// function, or of a method with a dot before it.
var silent = []struct{ name, why string }{
	{"panic", "a fault of the program, which stops it"},
	{".Debug", "the server's log"},
	{".Info", "the server's log"},
	{".Warn", "the server's log"},
	{".Error", "the server's log"},
	{"http.Error", "answers to programs that ask for no page"},
	{".Set", "heads of answers"},
	{".cut", "the server's log"},
	{".unavailable", "the server's log"},
	{".MAC", "what a key is for, not a text"},
	{".mac", "what a key is for, not a text"},
	{"fmt.Fprintf", "files that the program writes, not answers"},
	{"strings.Contains", "what is searched for"},
	{"strings.HasPrefix", "what is searched for"},
	{"strings.HasSuffix", "what is searched for"},
	{"strings.Cut", "what is searched for"},
	{"strings.CutPrefix", "what is searched for"},
	{"strings.CutSuffix", "what is searched for"},
	{"strings.Index", "what is searched for"},
	{"strings.LastIndex", "what is searched for"},
	{"strings.Split", "what is searched for"},
	{"strings.SplitSeq", "what is searched for"},
	{"strings.EqualFold", "what is searched for"},
	{"strings.Count", "what is searched for"},
	{"strings.TrimPrefix", "what is searched for"},
	{"strings.TrimSuffix", "what is searched for"},
	{"strings.Trim", "what is searched for"},
	{"strings.NewReplacer", "what is searched for"},
	{"strings.ReplaceAll", "what is searched for"},
	{"regexp.MustCompile", "what is searched for"},
	{".Format", "how times are written"},
	{"time.Parse", "how times are written"},
	{"time.ParseInLocation", "how times are written"},
}

// call walks over a call and reports whether all of it is to be walked over.
func (x *extractor) call(c *ast.CallExpr) bool {
	name := called(c)
	for _, s := range silent {
		if name == s.name || strings.HasPrefix(s.name, ".") && strings.HasSuffix(name, s.name) {
			return false
		}
	}
	if at := x.formatOf(c); at >= 0 {
		for _, a := range c.Args[:at] {
			x.walk(a)
		}
		if x.inner(c, at) {
			return false
		}
		parts, ok := x.format(c, at)
		if !ok {
			return true
		}
		x.give(c.Args[at].Pos(), x.template(parts), false)
		return false
	}
	if name == "errors.New" && len(c.Args) == 1 {
		if p, ok := x.parts(c.Args[0]); ok && ours(p) && !x.errors {
			return false
		}
	}
	return true
}

// inner reports whether a format is that of an error for the log: it begins with
// the name of a package.
func (x *extractor) inner(c *ast.CallExpr, at int) bool {
	if called(c) != "fmt.Errorf" {
		return false
	}
	p, ok := x.format(c, at)
	return ok && ours(p) && !x.errors
}

var packageName = regexp.MustCompile(`^[a-z]+: `)

func ours(p []part) bool {
	return len(p) > 0 && p[0].variable == nil && packageName.MatchString(p[0].text)
}

// formatOf is which argument of a call is a format, -1 for none.
func (x *extractor) formatOf(c *ast.CallExpr) int {
	switch called(c) {
	case "fmt.Sprintf", "fmt.Errorf":
		return 0
	case "fmt.Fprintf":
		return 1
	}
	var id *ast.Ident
	switch f := c.Fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return -1
	}
	o := x.info.Uses[id]
	if o == nil {
		return -1
	}
	sig, ok := o.Type().(*types.Signature)
	if !ok || !sig.Variadic() || sig.Params().Len() < 2 {
		return -1
	}
	if p := sig.Params().At(sig.Params().Len() - 2); p.Name() == "format" {
		return sig.Params().Len() - 2
	}
	return -1
}

// unsaid are fields that are data, not sentences: Type.Field, or Type.* for all.
var unsaid = map[string]string{
	"operation.ID":      "a name for programs",
	"operation.Tag":     "the description of the API, which is English",
	"operation.Path":    "an address",
	"operation.Summary": "the description of the API, which is English",
	"operation.Detail":  "the description of the API, which is English",
	"Sign.Text":         "what is searched for in logs",
	"Sign.And":          "what is searched for in logs",
	"Sign.Not":          "what is searched for in logs",
	"Sign.Code":         "what is searched for in logs",
	"Sign.Formats":      "names of formats",
	"Cause.Source":      "where it is known from: titles and addresses as they are",
	"Cause.ID":          "a name for programs",
	"Step.Commands":     "what is typed as it is",
	"Format.Marks":      "what is searched for in logs",
	"Format.Title":      "the manual, which is English",
	"Format.Name":       "a name for programs",
	"Meaning.Name":      "a name for programs",
	"Meaning.Method":    "a name for programs",
	"Schema.*":          "the description of the API, which is English",
	"Info.Description":  "the description of the API, which is English",
	"SecurityScheme.*":  "the description of the API, which is English",
	"apiOperation.*":    "the description of the API, which is English",
	"Column.Key":        "a name for programs",
	"Column.Kind":       "a name for programs",
}

// titles are fields that are said even if they are one word.
var titles = map[string]bool{"Meaning.Label": true, "Cause.Who": true, "Cause.Title": true, "Column.Label": true, "Problem.Title": true, "Info.Title": true, "Finding.Title": true}

// composite walks over the values of a literal.
func (x *extractor) composite(c *ast.CompositeLit) {
	name := ""
	var fields *types.Struct
	isMap := false
	if tv, ok := x.info.Types[ast.Expr(c)]; ok && tv.Type != nil {
		t := tv.Type
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		if n, ok := t.(*types.Named); ok {
			name = n.Obj().Name()
		}
		fields, _ = t.Underlying().(*types.Struct)
		_, isMap = t.Underlying().(*types.Map)
	}
	if name == "" {
		switch t := c.Type.(type) {
		case *ast.Ident:
			name = t.Name
		case *ast.SelectorExpr:
			name = t.Sel.Name
		}
	}
	for i, e := range c.Elts {
		field := ""
		value := e
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			value = kv.Value
			if id, ok := kv.Key.(*ast.Ident); ok && !isMap {
				field = id.Name
			}
		} else if fields != nil && i < fields.NumFields() {
			field = fields.Field(i).Name()
		}
		key := name + "." + field
		if unsaid[key] != "" || unsaid[name+".*"] != "" {
			continue
		}
		if titles[key] {
			if !x.said(value, true) {
				continue
			}
		}
		x.walk(value)
	}
}

// numbered writes what a format leaves open, in a text that is one but is given
// to another function as it is, as placeholders.
func numbered(t string) string {
	if placeholder.MatchString(t) {
		return t
	}
	n := -1
	return plainVerb.ReplaceAllStringFunc(t, func(string) string {
		n++
		return fmt.Sprintf("{%d}", n)
	})
}

var plainVerb = regexp.MustCompile(`"?%[sdqv]\b"?`)

// unjoined takes away what joins a template to the one before or after it.
func unjoined(t string) string {
	return strings.TrimRight(strings.TrimLeft(t, " ,;:.\n"), " ,;:.\n")
}

var word = regexp.MustCompile(`(?:^|[\s("'])[A-Za-z][A-Za-z]+(?:['-][A-Za-z]+)*(?:$|[\s.,;:!?)"'])`)

// wordy reports whether a template is a phrase of a language: two words, or one
// beside something variable.
func wordy(t string) bool {
	if !strings.Contains(t, " ") {
		return false
	}
	bare := placeholder.ReplaceAllString(t, "\x00")
	words := 0
	for _, w := range strings.Fields(bare) {
		if w == "\x00" {
			continue
		}
		if word.MatchString(w) {
			words++
		}
	}
	return words >= 2 || words == 1 && bare != t
}

// composed returns every sentence of the source, in its order, and every text
// that it holds whatever it is for.
func composed(t testing.TB) (sentences []sentence, texts map[string]bool) {
	t.Helper()
	l := &loader{token.NewFileSet(), make(map[string]*source)}
	texts = make(map[string]bool)
	used := make([]bool, len(exempt))
	for _, sp := range speakers {
		s, err := l.load(sp.folder)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.files {
			if exemptFile(s.names[i]) || sp.file != "" && s.names[i] != sp.folder+"/"+sp.file {
				continue
			}
			x := &extractor{source: s, fset: l.fset, errors: sp.errors, give: func(at token.Pos, template string, forced bool) {
				english := unjoined(numbered(template))
				texts[english] = true
				if !forced && !wordy(english) {
					return
				}
				if e := excused(s.names[i], english); e >= 0 {
					used[e] = true
					return
				}
				sentences = append(sentences, sentence{english, sp.area, s.names[i], l.fset.Position(at).Line})
			}}
			x.walk(f)
			if s.names[i] == "config/config.go" {
				sentences = append(sentences, helps(l.fset, f)...)
			}
		}
	}
	for i, e := range exempt {
		if !used[i] {
			t.Errorf("the exemption of %s in %s excuses nothing", e.texts, e.prefix)
		}
	}
	return sentences, texts
}

// helps are the comments of settings, which pages show beside them.
func helps(fset *token.FileSet, f *ast.File) []sentence {
	var found []sentence
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if ok && field.Doc != nil && field.Tag != nil && strings.Contains(field.Tag.Value, "yaml:") {
			text := strings.ReplaceAll(strings.TrimSpace(field.Doc.Text()), "\n", " ")
			found = append(found, sentence{unjoined(text), "admin", "config/config.go", fset.Position(field.Pos()).Line})
		}
		return true
	})
	return found
}

// exemptFiles hold no sentence that reaches a page or a program: a file, or all
// that begin so.
var exemptFiles = []struct{ prefix, why string }{
	{"config/document.go", "the manual, which is English"},
	{"config/load.go", "told to who starts the server, at the command line"},
	{"config/setting.go", "told to who starts the server, at the command line"},
	{"config/validate.go", "told to who starts the server, at the command line"},
	{"diagnose/format_", "what is searched for in logs, which are as they are"},
	{"diagnose/winevent.go", "what is searched for in logs, which are as they are"},
	{"diagnose/syslog.go", "what is searched for in logs, which are as they are"},
	{"diagnose/secret.go", "what is searched for in logs, which are as they are"},
	{"server/metrics.go", "names of figures for Prometheus, which are English"},
	{"server/examine.go", "the restore drill of the command line"},
	{"server/server.go", "what the server prints as it starts"},
	{"httpd/headers.go", "heads of answers"},
	{"intake/follow.go", "following is done at the command line"},
}

// command matches commands that stand alone: "sallyport group add {0}", and
// those of Windows that change its registry.
var command = regexp.MustCompile(`^(sallyport( [a-z-]+){1,2}( \{\d+\}| --[a-z-]+( \S+)?)*|reg add .*)$`)

type exemption struct{ prefix, texts, why string }

// exempt are texts that are no sentences for people, or that stay as they are:
// a file, or all that begin so, and what the texts match.
var exempt = []exemption{
	{"", command.String(), "a command, which is typed as it is"},
	{"config/config.go", `^(is empty, and|it is not the URL|\{0\} |cannot be|it has )`, "told to who starts the server, at the command line"},
	{"admin/act.go", `^(somebody at|invitation by code for)$`, "the beginnings of sentences that are composed elsewhere"},
	{"httpd/api.go", `^A problem \(RFC 9457\)$`, "the description of the API, which is English"},
	{"intake/form.go", `^SQLite format`, "how files of that kind begin"},
	{"auth/evidence.go", `^sallyport assertion`, "what is signed, not a text"},
	{"auth/", `^(no capacity left|not mine|facts have moved|the account's facts moved at every try|login not decided)$`, "kinds of errors, for programs"},
	{"admin/admin.go", `^(changed meanwhile|not signed in|not proven well enough)$`, "kinds of errors, for programs"},
	{"admin/role.go", `^(the last owner|the record has moved)$`, "kinds of errors, for programs"},
	{"admin/store.go", `^(not found|exists already)$`, "kinds of errors, for programs"},
	{"server/trail.go", `^(audit record|Age of|1 if this node|Events delivered by|Deliveries that failed|When this node)`, "names of figures for Prometheus, which are English"},
	{"httpd/forward.go", `^(May this request pass|For reverse proxies, before|Take a ticket|The proxy passes|Sign out of one application)`, "the description of the API, which is English"},
	{"httpd/api.go", `^(Sallyport|The API of Sallyport|A session at|An API key, spk)`, "the description of the API, which is English"},
	{"httpd/forward.go", `^sallyport start`, "what a key is for, not a text"},
	{"httpd/logins.go", `^(Log somebody in|A web application brings|Answer a challenge|Brings what the person)`, "the description of the API, which is English"},
	{"httpd/api_console_events.go", `^event: `, "how events are framed"},
	{"httpd/pages.go", `^(default-src|public, max-age|The pages of the console)`, "heads of answers, and a page of a program without pages"},
	{"factor/password/password.go", `^(hash a new password|verify authenticator|the lengths of)`, "the server's log"},
	{"factor/recovery/recovery.go", `^(hash new codes|it is not JSON|it is not written|salt, keys|a key has)`, "the server's log"},
	{"factor/webauthn/state.go", `^its (credential|AAGUID|flags)|^it has \{0\} transports`, "the server's log"},
}

// excused says which exemption a sentence falls under, -1 for none.
func excused(file, english string) int {
	return slices.IndexFunc(exempt, func(e exemption) bool {
		return strings.HasPrefix(file, e.prefix) && regexp.MustCompile(e.texts).MatchString(english)
	})
}

func exemptFile(name string) bool {
	return slices.ContainsFunc(exemptFiles, func(e struct{ prefix, why string }) bool { return strings.HasPrefix(name, e.prefix) })
}
