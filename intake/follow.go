package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Following says how files are followed.
type Following struct {
	// Poll says when to look at the files again. Follow looks at them once before
	// the first time; when Poll is closed it gives the lines that have not ended
	// and returns.
	Poll <-chan time.Time
	// FromStart gives what is in the files already. Otherwise only what is
	// written from now on is given, a line that is just being written wholly.
	FromStart bool
	// MaxLine is as in Options.
	MaxLine int
}

// maxFollowed is how many files are followed: each is held open, so that its
// last lines can be read after it was renamed.
const maxFollowed = 4096

// goneFor is after how many looks at which it was not there a file in a folder
// is given up. The new file of a rotated log is there after one or two.
const goneFor = 5

// turn is how many octets of one file are read before the others have theirs.
const turn = 16 << 20

// Follow calls each with every chunk of whole lines that is written to the files
// under paths, until ctx ends, Poll is closed or each fails. A folder stands for
// the plain files in it and below it, those that appear later too, from their
// start. Only text that is not compressed is followed.
//
// A file that is renamed is read to its end, and then what has taken its name
// from the start; one that has become shorter was truncated, and is read from
// the start. (One that was truncated and has grown beyond where it was since the
// last look cannot be told from one that grew.) Each of these has a File of its
// own and line numbers from 1, although of the same name.
//
// A file that cannot be followed, or not any more, is given once with a Chunk
// that is empty; its Next returns the reason. It is tried again when it changes.
// Next of any other File returns io.EOF.
func Follow(ctx context.Context, paths []string, o Following, each func(*File, Chunk) error) error {
	w := &follower{
		ctx: ctx, max: Options{MaxLine: o.MaxLine}.withDefaults().MaxLine, each: each,
		named: make(map[string]*followed), passed: make(map[string]os.FileInfo),
	}
	defer w.close()
	for fromStart := o.FromStart; ; fromStart = true {
		if err := w.look(paths, fromStart); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-o.Poll:
			if !ok {
				for _, f := range w.files {
					if err := w.finish(f); err != nil {
						return err
					}
				}
				return nil
			}
		}
	}
}

type follower struct {
	ctx  context.Context
	max  int
	each func(*File, Chunk) error

	files  []*followed // in the order in which they were found
	named  map[string]*followed
	passed map[string]os.FileInfo // files in folders that were read under another name
	left   []*os.File             // renamed since the last look; open, so that they are known again
	full   bool                   // maxFollowed was said
}

// followed is one name, and the file that has it.
type followed struct {
	path string
	root bool     // it was named, and is waited for when it is not there
	gone int      // looks since it was there last
	file *os.File // nil if there is none
	info os.FileInfo
	pos  int64 // of what is read next
	text *text // nil if not enough has been written to tell how
	f    *File
	said string // why it cannot be read, if that was given
	dead bool   // until the file is another
}

func (w *follower) close() {
	for _, f := range w.files {
		f.close()
	}
	w.forget()
}

func (f *followed) close() {
	if f.file != nil {
		_ = f.file.Close() // it was only read
		f.file = nil
	}
}

func (w *follower) forget() {
	for _, f := range w.left {
		_ = f.Close() // it was only read
	}
	w.left = nil
}

// look finds files and reads what was written to them.
func (w *follower) look(paths []string, fromStart bool) error {
	before := len(w.files)
	if err := w.find(paths); err != nil {
		return err
	}
	for i, f := range w.files {
		if err := w.check(f); err != nil {
			return err
		}
		if i >= before && !fromStart {
			if err := w.toEnd(f); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		more = false
		for _, f := range w.files {
			some, err := w.read(f)
			if err != nil {
				return err
			}
			more = more || some
		}
	}
	return w.drop()
}

// drop ends the files of folders that have been gone for a while.
func (w *follower) drop() error {
	var kept []*followed
	for i, f := range w.files {
		if f.root || f.gone < goneFor {
			if kept != nil {
				kept = append(kept, f)
			}
			continue
		}
		if kept == nil {
			kept = append(make([]*followed, 0, len(w.files)), w.files[:i]...)
		}
		if err := w.finish(f); err != nil {
			return err
		}
		f.close()
		delete(w.named, f.path)
	}
	if kept != nil {
		w.files = kept
	}
	return nil
}

// find adds the files that are new.
func (w *follower) find(paths []string) error {
	passed := make(map[string]os.FileInfo)
	for _, root := range paths {
		if w.named[root] != nil {
			continue
		}
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() {
			// It may yet come to be.
			if err := w.add(root, true); err != nil {
				return err
			}
			continue
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if e := w.ctx.Err(); e != nil {
				return e
			}
			if err != nil || !d.Type().IsRegular() || w.named[path] != nil {
				return nil //nolint:nilerr // a folder that cannot be read now may be later; tail says nothing either
			}
			info, err := d.Info()
			if err != nil {
				return nil //nolint:nilerr // it is gone again
			}
			if w.isPassed(path, info) {
				passed[path] = info
				return nil
			}
			return w.add(path, false)
		})
		if err != nil {
			return err
		}
	}
	w.passed = passed
	w.forget()
	return nil
}

// isPassed reports whether a file in a folder has been read under another name.
func (w *follower) isPassed(path string, info os.FileInfo) bool {
	if i := w.passed[path]; i != nil && os.SameFile(i, info) {
		return true
	}
	for _, f := range w.files {
		if f.file != nil && os.SameFile(f.info, info) {
			return true
		}
	}
	for _, i := range w.passed {
		if os.SameFile(i, info) {
			return true
		}
	}
	for _, f := range w.left {
		if i, err := f.Stat(); err == nil && os.SameFile(i, info) {
			return true
		}
	}
	// A copy is another file, but its name says what it is.
	folder, name := filepath.Split(path)
	r := rotationOf(name)
	return (r.kind != 2 || r.base != name) && w.named[folder+r.base] != nil
}

func (w *follower) add(path string, root bool) error {
	if len(w.files) == maxFollowed {
		if w.full {
			return nil
		}
		w.full = true
		return w.each(unreadable(path, &boundError{fmt.Sprintf(
			"is one file more than the %d that are followed at once: name those that matter", maxFollowed)}), Chunk{})
	}
	f := &followed{path: path, root: root}
	w.files = append(w.files, f)
	w.named[path] = f
	return nil
}

// say gives a reason once.
func (w *follower) say(f *followed, err error) error {
	if f.said == err.Error() {
		return nil
	}
	f.said = err.Error()
	return w.each(unreadable(f.path, err), Chunk{})
}

// check notices that the file of a name is another, or was truncated.
func (w *follower) check(f *followed) error {
	info, err := os.Stat(f.path)
	if err == nil {
		f.gone = 0
	}
	switch {
	case err != nil && f.file == nil:
		if f.gone++; !f.root {
			return nil // it was there only for a moment
		}
		return w.say(f, cannot("be opened", err))
	case err != nil:
		f.gone++ // it may still be written to by who has it open
		return nil
	case f.file != nil && os.SameFile(info, f.info):
		// The file that is open, not the name, which may be another's by now.
		if info, err = f.file.Stat(); err != nil || info.Size() >= f.pos {
			return nil
		}
		if err := w.flush(f); err != nil {
			return err
		}
		f.restart()
		return nil
	case f.file != nil:
		if err := w.finish(f); err != nil {
			return err
		}
		w.left = append(w.left, f.file)
		f.file = nil
	}
	switch {
	case info.IsDir():
		return w.say(f, errors.New("is a folder, but was none before: start again to follow what is in it"))
	case !info.Mode().IsRegular():
		return w.say(f, special(info.Mode()))
	}
	file, err := os.Open(f.path)
	if err != nil {
		return w.say(f, cannot("be opened", err))
	}
	if info, err = file.Stat(); err != nil {
		_ = file.Close() // it was only read
		return w.say(f, cannot("be opened", err))
	}
	f.file, f.info, f.said = file, info, ""
	f.restart()
	return nil
}

func (f *followed) restart() {
	f.pos, f.text, f.dead = 0, nil, false
}

// Read reads on in the file.
func (f *followed) Read(p []byte) (int, error) {
	n, err := f.file.ReadAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// begin tells from the start of the file how it is to be read; ended says that
// no more will be written to it.
func (w *follower) begin(f *followed, ended bool) error {
	if f.text != nil || f.dead || f.file == nil {
		return nil
	}
	head := make([]byte, headSize)
	n, err := f.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return w.say(f, cannot("be read", err))
	}
	head = head[:n]
	if n == 0 || (!ended && n < 12 && bytes.IndexByte(head, '\n') < 0) {
		return nil
	}
	what, _, err := recognise(head, nil)
	if what != isText {
		f.dead = true
		if err == nil {
			err = errors.New("is an archive: only text can be followed")
		}
		return w.say(f, err)
	}
	nul := padding(head, 4)
	e, ok := detect(head[nul:], false)
	if !ok {
		f.dead = true
		return w.say(f, ErrNotText)
	}
	f.pos = int64(nul + e.bom)
	f.f = &File{
		Name: f.path, Size: -1, Encoding: e.name, ModTime: f.info.ModTime().Unix(),
		next: func() (Chunk, error) { return Chunk{}, io.EOF },
	}
	f.text = &text{ctx: w.ctx, src: f, max: w.max, growing: true}
	if e.width > 1 {
		f.text.src, f.text.valid = &wide{src: f, width: e.width, big: e.big, growing: true}, true
	}
	return nil
}

// toEnd passes over what is in the file.
func (w *follower) toEnd(f *followed) error {
	if err := w.begin(f, false); err != nil || f.text == nil {
		return err
	}
	for {
		c, err := f.text.next()
		if err != nil {
			return w.stopped(f, err)
		}
		c.Release()
	}
}

// read gives what was written, but no more than a turn of it; more says that
// there may be more.
func (w *follower) read(f *followed) (more bool, _ error) {
	if err := w.begin(f, false); err != nil || f.text == nil || f.dead {
		return false, err
	}
	for from := f.pos; f.pos-from < turn; {
		c, err := f.text.next()
		if err != nil {
			return false, w.stopped(f, err)
		}
		if err := w.each(f.f, c); err != nil {
			return false, err
		}
	}
	return true, nil
}

// stopped judges the error of text.next.
func (w *follower) stopped(f *followed, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	}
	f.dead = true
	return w.say(f, cannot("be read", err))
}

// finish gives all that is in a file that nobody will write to any more.
func (w *follower) finish(f *followed) error {
	if err := w.begin(f, true); err != nil || f.text == nil || f.dead {
		return err
	}
	for {
		if more, err := w.read(f); err != nil {
			return err
		} else if !more {
			return w.flush(f)
		}
	}
}

// flush gives the line that has not ended.
func (w *follower) flush(f *followed) error {
	if f.text == nil || f.dead {
		return nil
	}
	// What is in the file from pos on is not of that line's file any more.
	f.text.growing, f.text.src = false, bytes.NewReader(nil)
	c, err := f.text.next()
	if err != nil {
		return w.stopped(f, err)
	}
	return w.each(f.f, c)
}
