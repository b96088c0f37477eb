package intake

import (
	"archive/zip"
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"
)

// FuzzWalk checks that whatever a file holds, what comes of it are whole lines
// of UTF-8, none longer than may be, numbered without a gap (read checks that);
// that it takes little memory; and that it is the same whether the file has
// random access or is a stream.
func FuzzWalk(f *testing.F) {
	text := []byte("2026-11-22 12:00:00 login of Zoë\r\nM\xFCller\n")
	for _, b := range [][]byte{
		text, utf16of(string(text[:33]), false), utf16of("\uFEFFone\r\n", true), utf32of("\uFEFFone\n", false),
		[]byte("one\rtwo\r"), append(make([]byte, 99), text...), bytes.Repeat([]byte("long"), 100),
		gz(text), gz(gz(gz(gz(text)))), unbase64(plainBzip2), unbase64(tarBzip2), unbase64(zipBzip2),
		zipped(zip.Deflate, member{"a", text}, member{"../b", gz(text)}), zipped(zip.Store, member{"a", text}),
		zipped(zip.Deflate, member{"in.zip", zipped(zip.Store, member{"a", text})}), overlapped(3),
		tarred(member{"a", text}, member{"b", text}), gz(tarred(member{"a", text})),
		[]byte("ElfFile\x00 one two"), []byte("\x89PNG\r\n\x1A\n"), []byte("regf"), []byte("\xFD7zXZ\x00"),
	} {
		f.Add(b)
	}
	o := Options{MaxLine: 100, MaxFiles: 50, MaxDepth: 2, Decoders: []Decoder{{
		Name: "EVTX", Magic: "ElfFile\x00",
		Open: func(r io.ReaderAt, size int64) (func() ([]byte, int, error), error) {
			b := make([]byte, size)
			if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
				return nil, err
			}
			rest := bytes.Split(b, []byte{' '})
			n := 0
			return func() ([]byte, int, error) {
				if n == len(rest) {
					return nil, 0, io.EOF
				}
				n++
				return rest[n-1], n, nil
			}, nil
		},
	}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var results [2][]got
		for i := range results {
			w := &walker{ctx: t.Context(), o: o.withDefaults(), each: func(f *File) error {
				results[i] = append(results[i], read(t, f, o.MaxLine))
				return nil
			}}
			c := &content{name: "x", size: int64(len(b)), src: &source{ctx: t.Context(), r: bytes.NewReader(b)}}
			if i == 0 {
				c.at = bytes.NewReader(b)
			}
			if err := w.content(c); err != nil && err != errEnough {
				t.Fatalf("content: %v", err)
			}
			if len(results[i]) > o.MaxFiles+1 {
				t.Errorf("%d files came, and no more than %d are read", len(results[i]), o.MaxFiles)
			}
			if w.held != 0 {
				t.Errorf("%d octets are held after the end", w.held)
			}
		}
		if !slices.Equal(results[0], results[1]) {
			t.Errorf("of a file came %+v, of a stream %+v", results[0], results[1])
		}
		// All that was ever allocated, twice over; a decompressor has its tables
		// and a chunk its buffer.
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
			t.Errorf("%d octets took %d MiB", len(b), used>>20)
		}
	})
}
