package httpd

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The page is one: what it shows depends on the address, which the browser reads
// by itself.
const indexFile = "index.html"

// nonceMark stands in the page where the nonce of each answer comes.
const nonceMark = "__NONCE__"

// views are the addresses that give the page, and what is below them.
var views = []string{"/console", "/portal", "/sign-in", "/set-up", "/enrol", "/reference"}

// noPages is what a browser reads if the pages were not built in.
const noPages = "The pages of the console and the portal are not part of this program: it was built without them.\n" +
	"\"make build\" builds them too; it needs Node 20 or newer. Everything else works, the API at /v1/ included.\n"

// pages serve the built pages. All of it is read at the start: it is small, and
// nothing of it changes while the program runs.
type pages struct {
	site  *Site
	index []byte // nil if there are none
	files map[string]*file
}

// A file is something that pages load.
type file struct {
	kind     string            // Content-Type
	variants map[string][]byte // by Content-Encoding, "" for none
	hashed   bool              // its name changes when it does
}

// The encodings that files can have been compressed with, best first, and how
// the names of those end.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// kinds are the media types of what pages are made of. They are not looked up in
// the tables of the machine, where they may be anything.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
}

func (s *Site) newPages() (http.Handler, error) {
	p := &pages{site: s, files: make(map[string]*file)}
	if s.Pages == nil {
		return p, nil
	}
	index, err := fs.ReadFile(s.Pages, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("httpd: read the pages: %w", err)
	}
	err = fs.WalkDir(s.Pages, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain, encoding := name, ""
		for _, e := range encodings {
			if base, ok := strings.CutSuffix(name, e.suffix); ok {
				plain, encoding = base, e.name
			}
		}
		kind, known := kinds[path.Ext(plain)]
		if !known || path.Base(plain) == indexFile || strings.HasPrefix(path.Base(plain), ".") {
			return nil // maps for debuggers, the page itself, files that keep a directory
		}
		b, err := fs.ReadFile(s.Pages, name)
		if err != nil {
			return err
		}
		f := p.files["/"+plain]
		if f == nil {
			f = &file{kind: kind, variants: make(map[string][]byte), hashed: strings.HasPrefix(plain, "assets/")}
			p.files["/"+plain] = f
		}
		f.variants[encoding] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("httpd: read the pages: %w", err)
	}
	p.index = index
	return p, nil
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.site.refuse(w, r, &Problem{
			Type: "/problems/method", Title: "Wrong method", Status: http.StatusMethodNotAllowed,
			Detail: r.Method + " is not answered here", Hint: "the API is below /v1/",
		})
		return
	}
	if f, ok := p.files[r.URL.Path]; ok {
		f.serve(w, r)
		return
	}
	if r.URL.Path == "/" {
		// The one redirect that there is, to a place of our own.
		w.Header().Set("Location", "/portal")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	if !slices.ContainsFunc(views, func(v string) bool { return r.URL.Path == v || strings.HasPrefix(r.URL.Path, v+"/") }) {
		p.site.refuse(w, r, nothingAt())
		return
	}
	if p.index == nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte(noPages)) //nolint:errcheck // nobody is left to be told
		return
	}
	p.page(w)
}

// page answers with the page. Scripts come from our own files only; styles too,
// and those which the page makes while it runs must carry the answer's nonce.
func (p *pages) page(w http.ResponseWriter) {
	random := make([]byte, 18)
	rand.Read(random) // never fails, see crypto/rand
	nonce := base64.RawURLEncoding.EncodeToString(random)
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; img-src 'self' data:; "+
		"connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Content-Type", kinds[".html"])
	w.Write(bytes.ReplaceAll(p.index, []byte(nonceMark), []byte(nonce))) //nolint:errcheck // nobody is left to be told
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", f.kind)
	if f.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	accepted := r.Header.Get("Accept-Encoding")
	encoding := ""
	for _, e := range encodings {
		if _, ok := f.variants[e.name]; ok && accepts(accepted, e.name) {
			encoding = e.name
			break
		}
	}
	b, ok := f.variants[encoding]
	if !ok {
		// Only compressed variants were built, and the browser takes none.
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b) //nolint:errcheck // nobody is left to be told
}

// accepts reports whether Accept-Encoding names an encoding without refusing it
// (RFC 9110, Section 12.5.3). "*" is not looked at: no browser says so.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		weight, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
		if !found {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}
