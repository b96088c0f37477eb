package diagnose

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"sallyport/intake"
)

// A bundle is what somebody would send who cannot log in: several files of
// several machines, labelled by hand with what is wrong there. The file is text:
//
//	expect: cause-a, cause-b     (or: expect: nothing)
//	pack: zip                    (or folder, or tar; folder if the line is missing)
//	words for whoever reads the file
//	-- gateway/radius.log --
//	lines
//	-- server/OktaWidget.log (utf-16le) --
//	lines                        (utf-16le, utf-16be, bom, windows-1252, crlf, gz; several with commas)
type bundle struct {
	name   string
	expect []string
	pack   string
	files  []bundleFile
}

type bundleFile struct {
	name, text string
	forms      []string
}

func bundles(t *testing.T) []bundle {
	t.Helper()
	paths, err := filepath.Glob("testdata/bundles/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []bundle
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := bundle{name: strings.TrimSuffix(filepath.Base(path), ".txt"), pack: "folder"}
		labelled := false
		for line := range strings.Lines(string(raw)) {
			word := strings.TrimSpace(line)
			if head, ok := strings.CutPrefix(word, "-- "); ok && strings.HasSuffix(head, " --") {
				f := bundleFile{name: strings.TrimSuffix(head, " --")}
				if name, forms, ok := strings.Cut(f.name, " ("); ok {
					f.name, f.forms = name, strings.Split(strings.TrimSuffix(forms, ")"), ", ")
				}
				b.files = append(b.files, f)
				continue
			}
			if len(b.files) > 0 {
				b.files[len(b.files)-1].text += line
				continue
			}
			if list, ok := strings.CutPrefix(word, "expect: "); ok {
				labelled = true
				if list != "nothing" {
					b.expect = strings.Split(list, ", ")
				}
			}
			if pack, ok := strings.CutPrefix(word, "pack: "); ok {
				b.pack = pack
			}
		}
		if !labelled || len(b.files) == 0 {
			t.Fatalf("%s has no label or no files", path)
		}
		for _, id := range b.expect {
			if CauseByID(id) == nil {
				t.Errorf("%s expects %s, which is no cause", path, id)
			}
		}
		all = append(all, b)
	}
	return all
}

// content is the file as it is stored.
func (f *bundleFile) content(t *testing.T) []byte {
	t.Helper()
	text, b := f.text, []byte(nil)
	var err error
	for _, form := range f.forms {
		if form == "crlf" {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
	}
	b = []byte(text)
	for _, form := range f.forms {
		switch form {
		case "crlf":
		case "bom":
			b = append([]byte("\ufeff"), b...)
		case "utf-16le":
			b, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes(b)
		case "utf-16be":
			b, err = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().Bytes(b)
		case "windows-1252":
			b, err = charmap.Windows1252.NewEncoder().Bytes(b)
		case "gz":
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, err = w.Write(b)
			err = errors.Join(err, w.Close())
			b = z.Bytes()
		default:
			t.Fatalf("%s: there is no form %q", f.name, form)
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", f.name, form, err)
		}
	}
	return b
}

// lay writes the bundle to disk and returns what is to be read.
func (b *bundle) lay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if b.pack == "zip" {
		path := filepath.Join(dir, b.name+".zip")
		var z bytes.Buffer
		w := zip.NewWriter(&z)
		for i := range b.files {
			m, err := w.Create(b.files[i].name)
			if err == nil {
				_, err = m.Write(b.files[i].content(t))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), os.WriteFile(path, z.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for i := range b.files {
		path := filepath.Join(dir, filepath.FromSlash(b.files[i].name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b.files[i].content(t), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// diagnosePath reads whatever lies at path.
func diagnosePath(t *testing.T, path string, workers int) *Report {
	t.Helper()
	d := New(Options{Now: sampleTime, Workers: workers})
	err := intake.Walk(t.Context(), []string{path}, nil, intake.Options{}, func(f *intake.File) error { return d.Read(t.Context(), f) })
	if err != nil {
		t.Fatal(err)
	}
	return d.Report()
}

// TestBundles diagnoses every labelled bundle and prints, by cause, how many of
// the findings are right (precision) and how many of the labels were found
// (recall). A healthy bundle must yield nothing at all.
func TestBundles(t *testing.T) {
	type score struct{ right, wrong, missed int }
	scores := map[string]*score{}
	of := func(id string) *score {
		if scores[id] == nil {
			scores[id] = &score{}
		}
		return scores[id]
	}
	all := bundles(t)
	several := 0
	for _, b := range all {
		r := diagnosePath(t, b.lay(t), 1)
		got := causesOf(r)
		if len(b.expect) > 1 {
			several++
		}
		for _, id := range got {
			if slices.Contains(b.expect, id) {
				of(id).right++
				continue
			}
			of(id).wrong++
			for _, f := range r.Findings {
				if f.Cause == id {
					t.Logf("%s: %s is not there, by %v", b.name, id, f.Evidence)
				}
			}
		}
		for _, id := range b.expect {
			if !slices.Contains(got, id) {
				of(id).missed++
				t.Logf("%s: %s was not found", b.name, id)
			}
		}
		if len(b.expect) == 0 && len(got) > 0 {
			t.Errorf("%s is healthy; found %q", b.name, got)
		}
		for _, f := range r.Files {
			if f.Error != "" {
				t.Errorf("%s: %s could not be read: %s", b.name, f.Name, f.Error)
			}
		}
	}
	var sum score
	out := &strings.Builder{}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "cause\tright\twrong\tmissed\tprecision\trecall")
	row := func(name string, s *score) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", name, s.right, s.wrong, s.missed, share(s.right, s.right+s.wrong), share(s.right, s.right+s.missed))
	}
	for _, id := range slices.Sorted(maps.Keys(scores)) {
		s := scores[id]
		row(id, s)
		sum.right, sum.wrong, sum.missed = sum.right+s.right, sum.wrong+s.wrong, sum.missed+s.missed
	}
	row("all", &sum)
	w.Flush()
	t.Logf("%d bundles, %d with several causes\n%s", len(all), several, out)
	if len(all) < 40 {
		t.Errorf("%d bundles; want 40 at least", len(all))
	}
	if 100*sum.right < 95*(sum.right+sum.wrong) || 100*sum.right < 95*(sum.right+sum.missed) {
		t.Errorf("precision %s, recall %s; want 0.95 each", share(sum.right, sum.right+sum.wrong), share(sum.right, sum.right+sum.missed))
	}
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(n)/float64(of))
}
