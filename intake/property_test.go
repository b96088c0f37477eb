package intake

import (
	"archive/zip"
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"pgregory.net/rapid"
)

// Whatever a text is written in and packed by, Walk gives its lines back, with
// their numbers (which read checks).
func TestLinesComeBack(t *testing.T) {
	encodings := map[string]func(string) []byte{
		"UTF-8":               func(s string) []byte { return []byte(s) },
		"UTF-8 with mark":     func(s string) []byte { return []byte("\uFEFF" + s) },
		"UTF-16LE with mark":  func(s string) []byte { return utf16of("\uFEFF"+s, false) },
		"UTF-16BE with mark":  func(s string) []byte { return utf16of("\uFEFF"+s, true) },
		"UTF-16LE":            func(s string) []byte { return utf16of(s, false) },
		"UTF-16BE":            func(s string) []byte { return utf16of(s, true) },
		"UTF-32LE with mark":  func(s string) []byte { return utf32of("\uFEFF"+s, false) },
		"UTF-32BE with mark":  func(s string) []byte { return utf32of("\uFEFF"+s, true) },
		"windows-1252":        latin1,
		"UTF-8 after padding": func(s string) []byte { return append(make([]byte, 70_001), s...) },
	}
	packings := map[string]func([]byte) []byte{
		"nothing":    func(b []byte) []byte { return b },
		"gzip":       gz,
		"zip":        func(b []byte) []byte { return zipped(zip.Deflate, member{"a", b}) },
		"stored zip": func(b []byte) []byte { return zipped(zip.Store, member{"a", b}) },
		"tar":        func(b []byte) []byte { return tarred(member{"a", b}) },
		"tar.gz":     func(b []byte) []byte { return gz(tarred(member{"a", b})) },
		"zip in zip": func(b []byte) []byte {
			return zipped(zip.Deflate, member{"a", zipped(zip.Store, member{"a", b})})
		},
	}
	readers := map[string]func([]byte) io.Reader{
		"file":     nil,
		"at once":  func(b []byte) io.Reader { return bytes.NewReader(b) },
		"by halfs": func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
		"with end": func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
	}
	anyOf := func(t *rapid.T, name string, keys []string) string { return rapid.SampledFrom(keys).Draw(t, name) }
	runes := rapid.StringOf(rapid.RuneFrom([]rune("abc é\u2028\u0085😀\t\""), unicode.L, unicode.Nd, unicode.P, unicode.Sm))
	western := rapid.StringOf(rapid.SampledFrom([]rune("abc xyz 123 éüßñ")))
	rapid.Check(t, func(r *rapid.T) {
		encoding := anyOf(r, "encoding", keys(encodings))
		packing := anyOf(r, "packing", keys(packings))
		reader := anyOf(r, "reader", keys(readers))
		line := runes
		if encoding == "windows-1252" {
			line = western
		}
		some := rapid.SliceOf(line).Draw(r, "lines")
		times := rapid.SampledFrom([]int{1, 1, 1, 1000, 20_000}).Draw(r, "times")
		times = min(times, 1+3_000_000/(1+25*len(some)))
		var want strings.Builder
		var lines []string
		for range times {
			for _, l := range some {
				// As in a log, most of a line that is not blank is ASCII.
				if l != "" || encoding == "UTF-16LE" || encoding == "UTF-16BE" || len(lines) == 0 {
					l = "2026-11-22 12:00:00 " + l
				}
				lines = append(lines, l)
				want.WriteString(l + "\n")
			}
		}
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(r, "line end")
		text := strings.Join(lines, end)
		if len(lines) > 0 && (lines[len(lines)-1] == "" || rapid.Bool().Draw(r, "ended")) {
			text += end
		}
		content := packings[packing](encodings[encoding](text))
		path, stdin := "-", io.Reader(nil)
		if from := readers[reader]; from != nil {
			stdin = from(content)
		} else {
			path = write(t, "file", content)
		}
		all := walk(t, []string{path}, stdin, Options{})
		if len(all) != 1 || all[0].Text != want.String() || all[0].Err != "" || all[0].Cut != 0 {
			r.Fatalf("Walk gave %.1000v, want %.1000q", all, want.String())
		}
		if e := all[0].Encoding; text != "" && !strings.HasPrefix(encoding, e) && e != "UTF-8" {
			r.Errorf("the encoding is said to be %s", e)
		}
	})
}

func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// keys are in order, so that what is drawn does not depend on that of a map.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
