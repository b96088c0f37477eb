package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A follow is a Follow that is looked at from outside, step by step.
type follow struct {
	t      *testing.T
	poll   chan time.Time
	given  chan string
	done   chan error
	cancel context.CancelFunc
}

// start starts to follow and waits until it has looked once.
func start(t *testing.T, fromStart bool, paths ...string) *follow {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follow{t, make(chan time.Time), make(chan string, 1000), make(chan error, 1), cancel}
	go func() {
		o := Following{Poll: f.poll, FromStart: fromStart, MaxLine: 100}
		f.done <- Follow(ctx, paths, o, func(file *File, c Chunk) error {
			name := filepath.Base(file.Name)
			if len(c.Text) == 0 {
				_, err := file.Next()
				f.given <- fmt.Sprintf("%s %v", name, err)
			} else if _, err := file.Next(); err != io.EOF {
				f.given <- fmt.Sprintf("%s Next = %v", name, err)
			}
			for i, l := range strings.SplitAfter(strings.TrimSuffix(string(c.Text), "\n"), "\n") {
				if len(c.Text) > 0 {
					f.given <- fmt.Sprintf("%s:%d %s", name, c.First+i, strings.TrimSuffix(l, "\n"))
				}
			}
			return nil
		})
		close(f.given)
	}()
	return f
}

// want has the files looked at and checks what is given. Follow takes a tick
// only when it has given everything of the one before.
func (f *follow) want(lines ...string) {
	f.t.Helper()
	f.poll <- time.Time{}
	f.poll <- time.Time{}
	f.took(lines)
}

func (f *follow) took(lines []string) {
	f.t.Helper()
	var got []string
	for {
		select {
		case l, ok := <-f.given:
			if ok {
				got = append(got, l)
				continue
			}
		default:
		}
		break
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		f.t.Errorf("given (-want +got):\n%s", diff)
	}
}

// end closes Poll and checks what is given at the end.
func (f *follow) end(lines ...string) {
	f.t.Helper()
	close(f.poll)
	if err := <-f.done; err != nil {
		f.t.Errorf("Follow = %v", err)
	}
	f.took(lines)
	f.cancel()
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestFollowFromEnd(t *testing.T) {
	path := write(t, "a.log", []byte("one\ntwo\nthr"))
	f := start(t, false, path)
	f.want()
	add(t, path, "ee\nfour\n")
	f.want("a.log:3 three", "a.log:4 four")
	add(t, path, "fi")
	f.want()
	add(t, path, "ve")
	f.want()
	add(t, path, "\r\nsix\nseven")
	f.want("a.log:5 five", "a.log:6 six")
	f.end("a.log:7 seven")
}

func TestFollowFromStart(t *testing.T) {
	path := write(t, "a.log", []byte("one\ntwo\nthr"))
	f := start(t, true, path)
	f.want("a.log:1 one", "a.log:2 two")
	add(t, path, "ee"+strings.Repeat("e", 200)+"\n")
	f.want("a.log:3 thr" + strings.Repeat("e", 97))
	f.end()
}

func TestFollowEncodings(t *testing.T) {
	smile := string(utf16of("😀\r\n", false))
	for mark, write16 := range map[string]func(string) string{
		"\xFF\xFE": func(s string) string { return string(utf16of(s, false)) },
		"":         func(s string) string { return string(utf16of(s, false)) },
	} {
		path := write(t, "a.log", []byte(mark+write16("the first line\r\n")))
		f := start(t, false, path)
		f.want()
		add(t, path, write16("two ")+smile[:3]) // cut within a unit of a pair
		f.want()
		add(t, path, smile[3:])
		f.want("a.log:2 two 😀")
		f.end()
	}
	// A character that is cut is waited for.
	path := write(t, "a.log", nil)
	f := start(t, false, path)
	add(t, path, "a line with K\xC3")
	f.want()
	add(t, path, "\xB6ln\n\x00\x00M\xFCller\n")
	f.want("a.log:1 a line with Köln", "a.log:2 Müller")
	f.end()
}

func TestFollowRotation(t *testing.T) {
	path := write(t, "a.log", []byte("old\n"))
	f := start(t, false, path)
	f.want()
	// By renaming, while its writer still has it open.
	rename(t, path, path+".1")
	add(t, path+".1", "last words\nhalf")
	f.want("a.log:2 last words")
	add(t, path, "new\n")
	f.want("a.log:3 half", "a.log:1 new")
	// By truncation.
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	f.want()
	add(t, path, "again\nha")
	f.want("a.log:1 again")
	if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want("a.log:2 ha", "a.log:1 x")
	// By removal.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.want()
	add(t, path, "back\n")
	f.want("a.log:1 back")
	f.end()
}

func TestFollowFolder(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a.log"), filepath.Join(folder, "b.log")
	add(t, a, "old\n")
	add(t, a+".1", "older\n")
	f := start(t, false, folder)
	f.want()
	add(t, b, "new\n")
	f.want("b.log:1 new")
	// What was renamed is not read again, under whatever name, nor a copy of it.
	for i := range 3 {
		rename(t, a, fmt.Sprintf("%s.old%d", a, i))
		add(t, a, "line\n")
		f.want("a.log:1 line")
		f.want()
	}
	add(t, a+".1", "a copy of what was read\n")
	add(t, a+"-20261101", "another copy\n")
	add(t, a+".2.gz", "packed\n")
	f.want()
	add(t, a, "more\n")
	f.want("a.log:2 more")
	// A log of each day is a new one.
	if err := os.Mkdir(filepath.Join(folder, "daily"), 0o700); err != nil {
		t.Fatal(err)
	}
	add(t, filepath.Join(folder, "daily", "c-2026-11-01.log"), "today\n")
	f.want("c-2026-11-01.log:1 today")
	add(t, filepath.Join(folder, "daily", "c-2026-11-02.log"), "tomorrow\n")
	f.want("c-2026-11-02.log:1 tomorrow")
	// One that is gone for good is given up, with what it said last, and a file of its
	// name is a new one.
	add(t, b, "half")
	f.want()
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	f.want()
	f.want()
	f.want("b.log:2 half")
	add(t, b, "another\n")
	f.want("b.log:1 another")
	f.end()
}

func TestFollowWhatCannotBe(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.log")
	packed := write(t, "a.gz", gz([]byte("x\n")))
	image := write(t, "a.png", []byte("\x89PNG\r\n\x1A\n\x00\x00\x00\x00"))
	f := start(t, false, missing, packed, image)
	f.want(
		"missing.log cannot be opened: no such file or directory; look for a slip in the name",
		"a.gz is an archive: only text can be followed",
		"a.png is not text (an image)",
	)
	f.want()
	add(t, missing, "here\n")
	f.want("missing.log:1 here")
	f.cancel()
	if err := <-f.done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want context.Canceled", err)
	}

	own := errors.New("enough")
	err := Follow(t.Context(), []string{missing}, Following{FromStart: true}, func(*File, Chunk) error { return own })
	if err != own {
		t.Errorf("Follow = %v, want the error of each", err)
	}
}

// Files that are written to fast take turns, and nothing is lost between.
func TestFollowMuch(t *testing.T) {
	var want, count [2]int
	paths := []string{write(t, "a.log", nil), write(t, "b.log", nil)}
	poll := make(chan time.Time)
	close(poll)
	for i, p := range paths {
		text := strings.Repeat("a line of a log that is written to fast\n", 1_000_000)
		add(t, p, text)
		want[i] = len(text)
	}
	var turns []string
	err := Follow(t.Context(), paths, Following{Poll: poll, FromStart: true}, func(f *File, c Chunk) error {
		i := 0
		if f.Name == paths[1] {
			i = 1
		}
		if n := len(turns); n == 0 || turns[n-1] != f.Name {
			turns = append(turns, f.Name)
		}
		count[i] += len(c.Text)
		c.Release()
		return nil
	})
	if err != nil || count != want || len(turns) < 4 {
		t.Errorf("Follow = %v; of %v octets came %v, in %d turns", err, want, count, len(turns))
	}
}
