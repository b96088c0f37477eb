//go:build unix

package intake

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNamedPipe(t *testing.T) {
	for _, content := range []string{"one\ntwo\n", string(gz([]byte("one\ntwo\n"))), ""} {
		path := fifo(t)
		wrote := make(chan error, 1)
		go func() { wrote <- os.WriteFile(path, []byte(content), 0o600) }()
		want := []got{{Name: path, Encoding: "UTF-8", Text: "one\ntwo\n"}}
		if content == "" {
			want[0].Text = ""
		}
		if diff := cmp.Diff(want, walk(t, []string{path}, nil, Options{})); diff != "" {
			t.Errorf("Walk (-want +got):\n%s", diff)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	}
	if all := walk(t, []string{os.DevNull}, nil, Options{}); len(all) != 1 || all[0].Text != "" || all[0].Err != "" {
		t.Errorf("of %s: %v", os.DevNull, all)
	}
}

// A line of a stream is given when it is there, not when a megabyte is.
func TestStreamIsPrompt(t *testing.T) {
	r, w := io.Pipe()
	given := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- Walk(t.Context(), []string{"-"}, r, Options{}, func(f *File) error {
			for {
				c, err := f.Next()
				if err != nil {
					if err == io.EOF {
						err = nil
					}
					return err
				}
				given <- string(c.Text)
			}
		})
	}()
	for _, step := range []struct{ write, want string }{
		{"the first line\nand half of", "the first line\n"},
		{" the second\n", "and half of the second\n"},
		{"third\r\n", "third\n"},
	} {
		if _, err := io.WriteString(w, step.write); err != nil {
			t.Fatal(err)
		}
		if got := <-given; got != step.want {
			t.Errorf("after %q was written came %q, want %q", step.write, got, step.want)
		}
	}
	io.WriteString(w, "the end")
	w.Close()
	if got := <-given; got != "the end\n" {
		t.Errorf("at the end came %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Walk does not wait for what waits: a reader of standard input, a pipe that
// nobody writes to, a pipe that somebody has open.
func TestCancelWhileWaiting(t *testing.T) {
	quiet, silent := io.Pipe()
	open := fifo(t)
	writer := make(chan *os.File, 1)
	go func() {
		w, err := os.OpenFile(open, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		writer <- w
	}()
	for name, wait := range map[string]struct {
		path  string
		stdin io.Reader
	}{
		"standard input":           {"-", quiet},
		"a pipe without a writer":  {fifo(t), nil},
		"a pipe of a quiet writer": {open, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- Walk(ctx, []string{wait.path}, wait.stdin, Options{}, func(f *File) error {
					_, err := f.Next()
					return err
				})
			}()
			if wait.path == open {
				w := <-writer
				defer w.Close()
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Walk = %v, want context.Canceled", err)
			}
		})
	}
	silent.Close() // the Read that waited ends
}

func TestFolder(t *testing.T) {
	folder := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("b.log", "b\n")
	put("a/z.log", "z\n")
	put("a/y.zip", string(zipped(zip.Deflate, member{"in.log", []byte("in\n")})))
	put("c.png", "\x89PNG\r\n\x1A\n")
	if err := os.Symlink("/", filepath.Join(folder, "everything")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(folder, filepath.Join(t.TempDir(), "named")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	put("closed.log", "nobody reads this\n")
	put("shut/in.log", "nor this\n")
	closed := []string{filepath.Join(folder, "closed.log"), filepath.Join(folder, "shut")}
	for _, c := range closed {
		if err := os.Chmod(c, 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(closed[1], 0o700) })
	const denied = "cannot be opened: permission denied; run this as a user who may read it"
	want := []got{
		{Name: "a/y.zip!in.log", Encoding: "UTF-8", Text: "in\n"},
		{Name: "a/z.log", Encoding: "UTF-8", Text: "z\n"},
		{Name: "b.log", Encoding: "UTF-8", Text: "b\n"},
		{Name: "c.png", Encoding: "binary", Err: "is not text (an image)"},
		{Name: "closed.log", Err: denied},
		{Name: "pipe", Encoding: "binary", Err: "is a named pipe: name it by itself to read what is written to it"},
		{Name: "shut", Err: denied},
	}
	if os.Geteuid() == 0 { // who may read everything
		want[4] = got{Name: "closed.log", Encoding: "UTF-8", Text: "nobody reads this\n"}
		want[6] = got{Name: "shut/in.log", Encoding: "UTF-8", Text: "nor this\n"}
	}
	all := walk(t, []string{folder}, nil, Options{})
	for i := range all {
		all[i].Name = strings.TrimPrefix(all[i].Name, folder+"/")
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("Walk (-want +got):\n%s", diff)
	}
}
