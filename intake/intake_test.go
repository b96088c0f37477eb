package intake

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// got is what Walk gave of one file.
type got struct {
	Name, Encoding, Text, Err string
	Cut                       int
}

// read reads a file to its end, and checks what must hold of every chunk.
func read(t testing.TB, f *File, maxLine int) got {
	t.Helper()
	g := got{Name: f.Name, Encoding: f.Encoding}
	var text strings.Builder
	line := 1
	for {
		c, err := f.Next()
		if err != nil {
			if _, again := f.Next(); again == nil || again.Error() != err.Error() {
				t.Errorf("%q: Next = %v, and then %v", f.Name, err, again)
			}
			if err != io.EOF {
				g.Err = err.Error()
			}
			g.Text = text.String()
			return g
		}
		if c.First != line {
			t.Fatalf("%q: a chunk starts at line %d, want %d", f.Name, c.First, line)
		}
		if len(c.Text) == 0 || c.Text[len(c.Text)-1] != '\n' {
			t.Fatalf("%q: a chunk ends in the middle of a line: %.100q", f.Name, c.Text)
		}
		if !utf8.Valid(c.Text) {
			t.Fatalf("%q: a chunk is not UTF-8: %.100q", f.Name, c.Text)
		}
		for l := range bytes.Lines(c.Text) {
			if line++; len(l) > maxLine+1 {
				t.Fatalf("%q: line %d has %d octets, more than %d", f.Name, line-1, len(l)-1, maxLine)
			}
		}
		g.Cut += c.Cut
		text.Write(c.Text)
		c.Release()
	}
}

// walk is all that Walk gives.
func walk(t testing.TB, paths []string, stdin io.Reader, o Options) []got {
	t.Helper()
	var all []got
	err := Walk(t.Context(), paths, stdin, o, func(f *File) error {
		all = append(all, read(t, f, o.withDefaults().MaxLine))
		return nil
	})
	if err != nil {
		t.Fatalf("Walk(%q): %v", paths, err)
	}
	return all
}

// write writes a file into a folder of the test's own and returns its path.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gz(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

type member struct {
	name    string
	content []byte
}

func zipped(method uint16, members ...member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: method, NonUTF8: !utf8.ValidString(m.name)})
		if err != nil {
			panic(err)
		}
		f.Write(m.content)
	}
	w.Close()
	return b.Bytes()
}

func tarred(members ...member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			panic(err)
		}
		w.Write(m.content)
	}
	w.Close()
	return b.Bytes()
}

func unbase64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// utf16of writes text as UTF-16, and utf32of as UTF-32.
func utf16of(s string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

func utf32of(s string, big bool) []byte {
	var b []byte
	for _, r := range s {
		if big {
			b = append(b, 0, byte(r>>16), byte(r>>8), byte(r))
		} else {
			b = append(b, byte(r), byte(r>>8), byte(r>>16), 0)
		}
	}
	return b
}

func TestEncodings(t *testing.T) {
	const text = "2026-11-22 login of Zoë from Köln 😀\nsecond line\n"
	ascii := strings.Repeat("2026-11-22 12:00:00 nothing to see\n", 4000) // more than a head
	tests := []struct {
		name     string
		content  string
		encoding string
		want     string
	}{
		{"nothing", "", "UTF-8", ""},
		{"UTF-8", text, "UTF-8", text},
		{"UTF-8 with mark", "\xEF\xBB\xBF" + text, "UTF-8", text},
		{"only a mark", "\xEF\xBB\xBF", "UTF-8", ""},
		{"UTF-16LE with mark", "\xFF\xFE" + string(utf16of(text, false)), "UTF-16LE", text},
		{"UTF-16BE with mark", "\xFE\xFF" + string(utf16of(text, true)), "UTF-16BE", text},
		{"UTF-16LE without", string(utf16of(text, false)), "UTF-16LE", text},
		{"UTF-16BE without", string(utf16of(text, true)), "UTF-16BE", text},
		{"UTF-16LE without, in Russian", string(utf16of("22.11.2026 Ошибка входа пользователя\r\n", false)), "UTF-16LE", "22.11.2026 Ошибка входа пользователя\n"},
		{"UTF-16LE that lost half of a pair", "\xFF\xFE" + string(utf16of("one", false)) + "\x3D\xD8", "UTF-16LE", "one\uFFFD\n"},
		{"UTF-16LE that lost half of a unit", "\xFF\xFE" + string(utf16of("one\ntwo", false)) + "x", "UTF-16LE", "one\ntwo\n"},
		{"UTF-16 with the second of a pair only", "\xFF\xFE" + string(utf16of("some text that is longer\n", false)) + "\x00\xDEx\x00", "UTF-16LE", "some text that is longer\n\uFFFDx\n"},
		{"UTF-32LE", "\xFF\xFE\x00\x00" + string(utf32of(text, false)), "UTF-32LE", text},
		{"UTF-32BE", "\x00\x00\xFE\xFF" + string(utf32of(text, true)), "UTF-32BE", text},
		{"windows-1252", "M\xFCller \x80 5 \x93quoted\x94\ncaf\xE9\n", "windows-1252", "Müller € 5 “quoted”\ncafé\n"},
		{"one bad line in UTF-8", "Köln\nMüller\nM\xFCller\nZoë\n", "UTF-8", "Köln\nMüller\nMüller\nZoë\n"},
		{"a bad line after the head", ascii + "M\xFCller\nZoë\n", "UTF-8", ascii + "Müller\nZoë\n"},
		{"one bad octet in a line of UTF-8", "Köln, Zoë, M\xFCller\nZoë\n", "UTF-8", "Köln, Zoë, Müller\nZoë\n"},
		{"a line cut within a character", "Köln, Zo\xC3\nZoë\n", "UTF-8", "Köln, Zo\uFFFD\nZoë\n"},
		{"the file cut within a character", "a smile 😀\nanother \xF0\x9F\x98", "UTF-8", "a smile 😀\nanother \uFFFD\n"},
		{"line ends of Windows", "one\r\ntwo\r\n\r\nfour\r\n", "UTF-8", "one\ntwo\n\nfour\n"},
		{"line ends of Windows, copied badly", "one\r\r\ntwo\r\n", "UTF-8", "one\ntwo\n"},
		{"mixed line ends", "one\ntwo\r\nthree", "UTF-8", "one\ntwo\nthree\n"},
		{"line ends of the old Mac", "one\rtwo\rthree", "UTF-8", "one\ntwo\nthree\n"},
		{"line ends of the old Mac in UTF-16", "\xFF\xFE" + string(utf16of("one\rtwo\r", false)), "UTF-16LE", "one\ntwo\n"},
		{"a progress bar is one line", "10%\r20%\r30%\ndone\n", "UTF-8", "10%\r20%\r30%\ndone\n"},
		{"U+2028 ends no line", "one\u2028still one\n", "UTF-8", "one\u2028still one\n"},
		{"truncated under its writer", strings.Repeat("\x00", 3<<20|1) + "one\ntwo\n", "UTF-8", "one\ntwo\n"},
		{"truncated under its writer in UTF-16BE", strings.Repeat("\x00", 200_000) + string(utf16of(text, true)), "UTF-16BE", text},
		{"NULs between", "one\n" + strings.Repeat("\x00", 5000) + "two\n" + ascii, "UTF-8", "one\ntwo\n" + ascii},
		{"NULs only", strings.Repeat("\x00", 100_001), "UTF-8", ""},
		{"no line end at the end", "one\ntwo", "UTF-8", "one\ntwo\n"},
		{"terminal escapes are for the reader to mind", "\x1b[31mred\x1b[0m\n", "UTF-8", "\x1b[31mred\x1b[0m\n"},
		{"BZh is a word too", "BZhello\n", "UTF-8", "BZhello\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "file", []byte(tt.content))
			want := []got{{Name: path, Encoding: tt.encoding, Text: tt.want}}
			if diff := cmp.Diff(want, walk(t, []string{path}, nil, Options{})); diff != "" {
				t.Errorf("of a file (-want +got):\n%s", diff)
			}
			want[0].Name = "-"
			stdin := iotest.DataErrReader(strings.NewReader(tt.content))
			if diff := cmp.Diff(want, walk(t, []string{"-"}, stdin, Options{})); diff != "" {
				t.Errorf("of standard input (-want +got):\n%s", diff)
			}
		})
	}
}

// Files that are no text are named as what they are.
func TestNotText(t *testing.T) {
	noise := make([]byte, 5000)
	seed := uint32(1)
	for i := range noise {
		seed = seed*1664525 + 1013904223
		noise[i] = byte(seed >> 24)
	}
	utmp := make([]byte, 384*20) // as wtmp has them
	for i := range 20 {
		copy(utmp[384*i:], "\x07\x00\x00\x00\x12\x03\x00\x00pts/0")
		copy(utmp[384*i+44:], "alice")
		copy(utmp[384*i+340:], "\x05\x06\x20\x69\x01\x02\x0F")
	}
	tests := []struct {
		name, content, want string
		text                bool // it is wanted as text, but cannot be read
	}{
		{"noise", string(noise), "is not text", false},
		{"accounting of logins", string(utmp), "is not text", false},
		{"a program", "\x7FELF\x02\x01\x01\x00", "is not text (a program)", false},
		{"an image", "\x89PNG\r\n\x1A\n\x00", "is not text (an image)", false},
		{"noise in UTF-16", "\xFF\xFE" + string(noise), "is not text", false},
		{"a hive", "regf\x01\x00\x00\x00", "is a Windows registry hive: use sallyport check --registry", false},
		{"a capture", "\xD4\xC3\xB2\xA1\x02\x00\x04\x00", "is a packet capture: use sallyport check --pcap", false},
		{"a newer capture", "\x0A\x0D\x0D\x0A\x1C\x00\x00\x00\x4D\x3C\x2B\x1A", "is a packet capture: use sallyport check --pcap", false},
		{"an event log without its decoder", "ElfFile\x00", "is a Windows event log, which is not read here: export it as text or XML", false},
		{"xz", "\xFD7zXZ\x00", "is compressed with xz, which is not read here: run xz -dk on it and name what comes out", true},
		{"zstd", "\x28\xB5\x2F\xFD", "is compressed with zstd, which is not read here: run zstd -d on it and name what comes out", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "file", []byte(tt.content))
			err := Walk(t.Context(), []string{path}, nil, Options{}, func(f *File) error {
				_, err := f.Next()
				if err == nil || err.Error() != tt.want {
					t.Errorf("Next = %v, want %q", err, tt.want)
				}
				if errors.Is(err, ErrNotText) == tt.text || (f.Encoding == "binary") == tt.text {
					t.Errorf("Next = %v with encoding %q; want it to be ErrNotText: %t", err, f.Encoding, !tt.text)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestForms(t *testing.T) {
	a, b := []byte("alpha\nbeta\n"), []byte("gamma\n")
	long := bytes.Repeat([]byte("a line of a log that is long enough to need more than a buffer\n"), 20_000)
	bz2 := unbase64(plainBzip2)
	tarbz2 := unbase64(tarBzip2)
	tests := []struct {
		name    string
		content []byte
		want    []got // names without the path
	}{
		{"gzip", gz(a), []got{{Text: string(a)}}},
		{"gzip, large", gz(long), []got{{Text: string(long)}}},
		{"gzip of two streams", append(gz(a), gz(b)...), []got{{Text: "alpha\nbeta\ngamma\n"}}},
		{"gzip in gzip", gz(gz(a)), []got{{Text: string(a)}}},
		{"bzip2", bz2, []got{{Text: string(a)}}},
		{"zip, deflated", zipped(zip.Deflate, member{"x/a.log", a}, member{"b.log", b}), []got{{Name: "!b.log", Text: string(b)}, {Name: "!x/a.log", Text: string(a)}}},
		{"zip, stored", zipped(zip.Store, member{"a.log", long}), []got{{Name: "!a.log", Text: string(long)}}},
		{"zip by bzip2", unbase64(zipBzip2), []got{{Name: "!a.log", Text: string(a)}}},
		{"zip of nothing", zipped(zip.Store), nil},
		{"tar", tarred(member{"b.log", b}, member{"a.log", a}), []got{{Name: "!b.log", Text: string(b)}, {Name: "!a.log", Text: string(a)}}},
		{"tar.gz", gz(tarred(member{"a.log", a})), []got{{Name: "!a.log", Text: string(a)}}},
		{"tar.bz2", tarbz2, []got{{Name: "!logs/a.log", Text: string(a)}}},
		{"gzip in zip", zipped(zip.Store, member{"a.log.gz", gz(a)}), []got{{Name: "!a.log.gz", Text: string(a)}}},
		{"zip in zip", zipped(zip.Deflate, member{"in.zip", zipped(zip.Deflate, member{"a.log", long})}), []got{{Name: "!in.zip!a.log", Text: string(long)}}},
		{"zip in tar.gz in zip in gzip", gz(zipped(zip.Deflate, member{"b.tgz", gz(tarred(member{"in.zip", zipped(zip.Deflate, member{"a.log", a})}))})), []got{{Name: "!b.tgz!in.zip!a.log", Text: string(a)}}},
		{"duplicates", zipped(zip.Deflate, member{"a.log", a}, member{"a.log", b}), []got{{Name: "!a.log", Text: string(a)}, {Name: "!a.log", Text: string(b)}}},
		{"a name of MS-DOS", zipped(zip.Deflate, member{"M\x81ller.log", a}), []got{{Name: "!Müller.log", Text: string(a)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "file", tt.content)
			for i := range tt.want {
				tt.want[i].Encoding = "UTF-8"
			}
			stdin, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			for _, from := range []struct {
				path  string
				stdin io.Reader
			}{{path, nil}, {"-", bytes.NewReader(tt.content)}, {"/dev/stdin", stdin}} {
				var want []got
				for _, w := range tt.want {
					w.Name = from.path + w.Name
					want = append(want, w)
				}
				if diff := cmp.Diff(want, walk(t, []string{from.path}, from.stdin, Options{})); diff != "" {
					t.Errorf("of %s (-want +got):\n%s", from.path, diff)
				}
			}
		})
	}
}

// What is in one bad archive or member never keeps the rest from being read.
func TestDamage(t *testing.T) {
	a := []byte(strings.Repeat("alpha\n", 1000))
	noise := bytes.Buffer{}
	for i := range 20_000 {
		fmt.Fprintf(&noise, "%08x\n", crc32.ChecksumIEEE([]byte{byte(i), byte(i >> 8)}))
	}
	long := gz(noise.Bytes())
	encrypted := func() []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		f, _ := w.CreateRaw(&zip.FileHeader{Name: "secret.log", Method: zip.Store, Flags: 1, CompressedSize64: 15, UncompressedSize64: 3})
		f.Write(make([]byte, 15))
		f, _ = w.CreateRaw(&zip.FileHeader{Name: "strange.log", Method: 14, CompressedSize64: 1, UncompressedSize64: 3})
		f.Write(make([]byte, 1))
		f, _ = w.Create("open.log")
		f.Write(a)
		w.Close()
		return b.Bytes()
	}()
	badSum := zipped(zip.Store, member{"a.log", []byte("alpha beta\n")}, member{"b.log", a})
	badSum = bytes.Replace(badSum, []byte("alpha beta"), []byte("alpha bexa"), 1)
	const again = "; what came before was read, for the rest copy it again"
	tests := []struct {
		name    string
		content []byte
		want    []got
	}{
		{"gzip, cut", long[:len(long)/2], []got{{Encoding: "UTF-8", Err: "is cut short: its gzip data end too early" + again}}},
		{"gzip, cut in its header", long[:5], []got{{Err: "is cut short: its gzip data end too early" + again}}},
		{"tar, cut", tarred(member{"a.log", a})[:3000], []got{
			{Name: "!a.log", Encoding: "UTF-8", Text: strings.Repeat("alpha\n", 2488/6) + "alph\n", Err: "is cut short: its tar data end too early" + again},
			{Err: "is cut short: its tar data end too early" + again},
		}},
		{"zip, cut", zipped(zip.Store, member{"a.log", a})[:3000], []got{{Err: "is cut short or damaged: the directory at the end of the zip archive is missing; copy it again"}}},
		{"zip with members that cannot be read", encrypted, []got{
			{Name: "!open.log", Encoding: "UTF-8", Text: string(a)},
			{Name: "!secret.log", Err: "is encrypted: unpack it with its password and name what comes out"},
			{Name: "!strange.log", Err: "is compressed with LZMA, which is not read here: unpack it and name what comes out"},
		}},
		{"zip with a wrong checksum", badSum, []got{
			{Name: "!a.log", Encoding: "UTF-8", Text: "alpha bexa\n", Err: "is damaged: its zip data cannot be read (zip: checksum error); copy it again"},
			{Name: "!b.log", Encoding: "UTF-8", Text: string(a)},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "file", tt.content)
			all := walk(t, []string{path, path + ".missing"}, nil, Options{})
			want := make([]got, 0, len(tt.want)+1)
			for i, w := range tt.want {
				w.Name = path + w.Name
				if tt.name == "gzip, cut" && i < len(all) {
					if g := all[i].Text; !strings.HasPrefix(noise.String(), g[:len(g)-1]) || len(g) < 50_000 {
						t.Errorf("of a file cut in half came %d octets: %.100q", len(g), g)
					}
					w.Text = all[i].Text
				}
				want = append(want, w)
			}
			want = append(want, got{Name: path + ".missing", Err: "cannot be opened: no such file or directory; look for a slip in the name"})
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("Walk (-want +got):\n%s", diff)
			}
		})
	}
}

// A name in an archive is shown as it is, and never opened.
func TestPathTricks(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "secret"), []byte("on disk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{
		"../../etc/passwd", filepath.Join(folder, "secret"), `..\..\secret`, `C:\secret`,
		"secret", "a//b/./c", "-", "/dev/stdin", "\x1b[31mred", "a\nb", "!",
	}
	t.Chdir(folder)
	var members []member
	want := make(map[string]bool)
	for _, n := range names {
		members = append(members, member{n, []byte("in the archive\n")})
		want["!"+n] = true
	}
	archives := map[string][]byte{
		"x.zip": zipped(zip.Deflate, append(members, member{"a\x00b", []byte("in the archive\n")})...), "x.tar": tarred(members...),
	}
	for name, content := range archives {
		path := write(t, name, content)
		found := make(map[string]bool)
		for _, g := range walk(t, []string{path}, nil, Options{}) {
			if g.Text != "in the archive\n" || g.Err != "" {
				t.Errorf("%s: %q holds %q and %s", name, g.Name, g.Text, g.Err)
			}
			found[strings.TrimPrefix(g.Name, path)] = true
		}
		if name == "x.zip" {
			want["!a\x00b"] = true
		} else {
			delete(want, "!a\x00b")
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, kind := range []byte{tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeChar, tar.TypeDir} {
		w.WriteHeader(&tar.Header{Name: "x", Linkname: filepath.Join(folder, "secret"), Typeflag: kind})
	}
	w.Close()
	if all := walk(t, []string{write(t, "links.tar", b.Bytes())}, nil, Options{}); len(all) != 0 {
		t.Errorf("links and devices in a tar archive gave %v", all)
	}
}

func TestReadingGoesOn(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	err := Walk(t.Context(), []string{missing}, nil, Options{}, func(f *File) error {
		if _, err := f.Next(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Next = %v, want fs.ErrNotExist", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if all := walk(t, []string{"-"}, nil, Options{}); len(all) != 1 || all[0].Err != "is not open" {
		t.Errorf("without standard input: %v", all)
	}
	own := errors.New("enough")
	seen := 0
	path := write(t, "x.zip", zipped(zip.Deflate, member{"a", []byte("a\n")}, member{"b", []byte("b\n")}))
	err = Walk(t.Context(), []string{path}, nil, Options{}, func(*File) error { seen++; return own })
	if err != own || seen != 1 {
		t.Errorf("Walk = %v after %d files, want the error of each after one", err, seen)
	}
	// A member that is not read to its end is no reason not to read the next.
	for _, content := range [][]byte{
		tarred(member{"a", bytes.Repeat([]byte("a\n"), 1<<20)}, member{"b", []byte("b\n")}),
		zipped(zip.Deflate, member{"a", bytes.Repeat([]byte("a\n"), 1<<20)}, member{"b", []byte("b\n")}),
	} {
		var kept *File
		last := ""
		err := Walk(t.Context(), []string{write(t, "x", content)}, nil, Options{}, func(f *File) error {
			if c, err := f.Next(); err != nil || !strings.HasSuffix(f.Name, string(c.Text[0])) {
				t.Errorf("%s: %.10q, %v", f.Name, c.Text, err)
			}
			kept, last = f, f.Name
			return nil
		})
		if err != nil || !strings.HasSuffix(last, "!b") {
			t.Errorf("Walk = %v, the last file was %s", err, last)
		}
		if _, err := kept.Next(); err == nil || err == io.EOF {
			t.Errorf("Next after Walk = %v, want an error", err)
		}
	}
}

func TestText(t *testing.T) {
	f := Text("made.log", "one\r\ntwo")
	if g, want := read(t, f, 64<<10), (got{Name: "made.log", Encoding: "UTF-8", Text: "one\ntwo\n"}); g != want {
		t.Errorf("Text = %+v, want %+v", g, want)
	}
}

func TestLongLines(t *testing.T) {
	const most = 1000
	ab := strings.Repeat("ab", 3<<20)
	smile := strings.Repeat("😀", 1000)
	tests := []struct {
		name, content, want string
		cut                 int
	}{
		{"as long as may be", ab[:most] + "\nx\n", ab[:most] + "\nx\n", 0},
		{"as long as may be, with a line end of Windows", ab[:most] + "\r\nx\r\n", ab[:most] + "\nx\n", 0},
		{"one more", ab[:most+1] + "\nx\n", ab[:most] + "\nx\n", 1},
		{"many", strings.Repeat(ab[:most+5]+"\nx\n", 2000), strings.Repeat(ab[:most]+"\nx\n", 2000), 2000},
		{"longer than a chunk", "x\n" + ab + "\ny\n" + ab, "x\n" + ab[:most] + "\ny\n" + ab[:most] + "\n", 2},
		{"characters stay whole", "a" + smile + "\n", "a" + smile[:996] + "\n", 1},
		{"characters stay whole beyond a chunk", "a" + strings.Repeat(smile, 1000) + "\nx\n", "a" + smile[:996] + "\nx\n", 1},
		{"windows-1252 grows", strings.Repeat("\xE9", 999) + "\n", strings.Repeat("é", 500) + "\n", 1},
		{"windows-1252 longer than a chunk", strings.Repeat("\xE9", 3<<20) + "\nx", strings.Repeat("é", 500) + "\nx\n", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "file", []byte(tt.content))
			all := walk(t, []string{path}, nil, Options{MaxLine: most})
			if len(all) != 1 || all[0].Text != tt.want || all[0].Cut != tt.cut || all[0].Err != "" {
				t.Errorf("Walk gave %d octets with %d lines cut, %q; want %d and %d", len(all[0].Text), all[0].Cut, all[0].Err, len(tt.want), tt.cut)
			}
		})
	}
	// More than a chunk may be kept too.
	path := write(t, "file", []byte(ab[:5<<20]+"\nx\n"))
	if all := walk(t, []string{path}, nil, Options{MaxLine: 4 << 20}); all[0].Text != ab[:4<<20]+"\nx\n" || all[0].Cut != 1 {
		t.Errorf("of a line of 5 MiB with MaxLine 4 MiB came %d octets", len(all[0].Text))
	}
}

func TestProgress(t *testing.T) {
	plain := write(t, "a.log", bytes.Repeat([]byte("a line of a log\n"), 1<<20))
	packed := write(t, "b.zip", zipped(zip.Store, member{"a", bytes.Repeat([]byte("b\n"), 5<<20)}, member{"b", []byte("b\n")}))
	var want int64
	for _, p := range []string{plain, packed} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		want += info.Size()
	}
	var last int64
	calls := 0
	o := Options{Progress: func(done, all int64) {
		if done < last || done > all || all != want {
			t.Errorf("Progress(%d, %d) after %d, want %d in all", done, all, last, want)
		}
		last = done
		calls++
	}}
	walk(t, []string{plain, packed}, nil, o)
	if last != want || calls < 4 {
		t.Errorf("the last of %d reports was %d of %d", calls, last, want)
	}
	o.Progress = func(done, all int64) { last, want = done, all }
	walk(t, []string{plain, "-"}, strings.NewReader("x\n"), o)
	if want != 0 || last != 16<<20+2 {
		t.Errorf("with standard input the last report was %d of %d", last, want)
	}
}

func TestDecoder(t *testing.T) {
	long := strings.Repeat("é", 100)
	o := Options{MaxLine: 9, Decoders: []Decoder{{
		Name: "EVTX", Magic: "ElfFile\x00",
		Open: func(r io.ReaderAt, size int64) (func() ([]byte, int, error), error) {
			b := make([]byte, size)
			if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
				return nil, err
			}
			words := strings.Fields(string(b[8:]))
			if len(words) == 0 {
				return nil, errors.New("is an event log without any record")
			}
			n := 0
			buf := make([]byte, 0, 1000)
			return func() ([]byte, int, error) {
				if n++; n > len(words) {
					return nil, 0, errors.New("is cut short")
				}
				buf = append(buf[:0], words[n-1]...) // valid only until the next call
				number := n
				if n > 2 {
					number += 10 // records that are gone
				}
				return buf, number, nil
			}, nil
		},
	}}}
	content := []byte("ElfFile\x00one\x00x two " + long + " four\xFF")
	for _, path := range []string{
		write(t, "a.evtx", content), write(t, "a.zip", zipped(zip.Deflate, member{"a.evtx", content})), "-",
	} {
		var chunks []Chunk
		err := Walk(t.Context(), []string{path}, bytes.NewReader(content), o, func(f *File) error {
			for {
				c, err := f.Next()
				if err != nil {
					if f.Encoding != "EVTX" || err.Error() != "is cut short" {
						t.Errorf("%s: %s, %v", f.Name, f.Encoding, err)
					}
					return nil
				}
				chunks = append(chunks, c)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(chunks) != 2 || chunks[0].First != 1 || string(chunks[0].Text) != "one x\ntwo\n" || chunks[0].Cut != 0 ||
			chunks[1].First != 13 || string(chunks[1].Text) != "éééé\nfour?\n" || chunks[1].Cut != 1 {
			t.Errorf("%s: %+v", path, chunks)
		}
	}
	if all := walk(t, []string{write(t, "x", []byte("ElfFile\x00"))}, nil, o); all[0].Err != "is an event log without any record" {
		t.Errorf("an empty one: %+v", all)
	}
}

// When ctx ends, so does Walk, wherever it is.
func TestCancel(t *testing.T) {
	path := write(t, "a.log", bytes.Repeat([]byte("a line of a log\n"), 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	err := Walk(ctx, []string{path, path}, nil, Options{}, func(f *File) error {
		if _, err := f.Next(); err != nil {
			t.Error(err)
		}
		cancel()
		if _, err := f.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("Next = %v, want context.Canceled", err)
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Walk = %v, want context.Canceled", err)
	}
}

// Made by Python's bz2, tarfile and zipfile: the standard library packs no bzip2.
const (
	plainBzip2 = "QlpoOTFBWSZTWbVmTfEAAAJBgAAQMkREACAAMQwIGgyepaJqZA8XckU4UJC1Zk3x"
	tarBzip2   = "QlpoOTFBWSZTWZTKQZoAAHT7gMqQAIBAAf2AAQByxN4ACAggAFRGpqDQZAbRGTNQSUT1GhoGgAB9rEehBBkIRh1KklGqCBDg0Hju" +
		"72EzhCGCPd3bjgjWsKs5LdCdStSiWDPlX1eQARfi7kinChISmUgzQA=="
	zipBzip2 = "UEsDBC4AAAAMALmidl1uUDBuMAAAAAsAAAAFAAAAYS5sb2dCWmg5MUFZJlNZtWZN8QAAAkGAABAyREQAIAAxDAgaDJ6lompkDxdy" +
		"RThQkLVmTfFQSwECLgMuAAAADAC5onZdblAwbjAAAAALAAAABQAAAAAAAAAAAAAAgAEAAAAAYS5sb2dQSwUGAAAAAAEAAQAzAAAA" +
		"UwAAAAAA"
)
