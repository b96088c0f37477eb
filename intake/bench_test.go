package intake

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkWalk reads 64 MiB of a log, as it is written and packed in practice.
// B/s is of the text that comes out.
func BenchmarkWalk(b *testing.B) {
	var text bytes.Buffer
	for i := 0; text.Len() < 64<<20; i++ {
		fmt.Fprintf(&text, "2026-11-22T12:%02d:%02d host%d sshd[%d]: Accepted keyboard-interactive/pam for user%d from 192.0.2.%d port %d ssh2\n",
			i/60%60, i%60, i%7, i%32768, i*7919%100_000, i%255, i*31%65536)
	}
	plain := text.Bytes()
	german := bytes.ReplaceAll(plain, []byte("Accepted"), []byte("Müller,"))
	tests := []struct {
		name    string
		content []byte
	}{
		{"UTF-8", plain},
		{"UTF-8 with umlauts", german},
		{"line ends of Windows", bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n"))},
		{"windows-1252", latin1(string(german))},
		{"UTF-16LE", utf16of(string(plain), false)},
		{"gzip", gz(plain)},
		{"zip", zipped(zip.Deflate, member{"a", plain})},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "file")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				err := Walk(b.Context(), []string{path}, nil, Options{}, func(f *File) error {
					for {
						c, err := f.Next()
						if err == io.EOF {
							return nil
						} else if err != nil {
							return err
						}
						c.Release()
					}
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
