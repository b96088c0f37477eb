package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// An entry is a file that was named, or lies in a folder that was.
type entry struct {
	path  string
	size  int64 // -1 if it is a stream
	stdin bool
	err   error // why it is not read
}

// list is what is to be read, in its order.
type list struct {
	ctx     context.Context
	most    int // entries
	entries []entry
}

func (l *list) full() bool { return len(l.entries) > l.most || l.ctx.Err() != nil }

// named lists a path that the person gave.
func (l *list) named(path string, stdin io.Reader) {
	if path == "-" || path == "/dev/stdin" {
		e := entry{path: path, size: -1, stdin: true}
		if f, size := regular(stdin); f != nil {
			e.size = size
		}
		l.entries = append(l.entries, e)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		l.entries = append(l.entries, entry{path: path, err: cannot("be opened", err)})
	case info.IsDir():
		l.folder(path)
	case info.Mode().IsRegular():
		l.entries = append(l.entries, entry{path: path, size: info.Size()})
	case info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0:
		l.entries = append(l.entries, entry{path: path, size: -1})
	default:
		l.entries = append(l.entries, entry{path: path, err: special(info.Mode())})
	}
}

// folder lists a folder and those in it.
func (l *list) folder(path string) {
	dir, err := os.Open(path)
	if err != nil {
		l.entries = append(l.entries, entry{path: path, err: cannot("be opened", err)})
		return
	}
	type child struct {
		fs.DirEntry
		rotation
	}
	var children []child
	var readErr error
	for readErr == nil && len(l.entries)+len(children) <= l.most && l.ctx.Err() == nil {
		var some []fs.DirEntry
		some, readErr = dir.ReadDir(1000)
		for _, d := range some {
			children = append(children, child{d, rotationOf(d.Name())})
		}
	}
	// It was only read.
	_ = dir.Close()
	slices.SortFunc(children, func(a, b child) int { return a.compare(b.rotation) })
	for _, c := range children {
		if l.full() {
			return
		}
		at := filepath.Join(path, c.Name())
		switch {
		case c.IsDir():
			l.folder(at)
		case c.Type().IsRegular():
			e := entry{path: at}
			if info, err := c.Info(); err != nil {
				e.err = cannot("be opened", err)
			} else {
				e.size = info.Size()
			}
			l.entries = append(l.entries, e)
		case c.Type()&fs.ModeSymlink != 0:
			// What it points to is in the folder, or was not asked for.
		default:
			l.entries = append(l.entries, entry{path: at, err: special(c.Type())})
		}
	}
	if readErr != nil && readErr != io.EOF {
		l.entries = append(l.entries, entry{path: path, err: cannot("be listed to its end", readErr)})
	}
}

// special is why a file that is no file is not read.
func special(mode fs.FileMode) error {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return &kindError{"is a named pipe: name it by itself to read what is written to it"}
	case mode&fs.ModeSocket != 0:
		return &kindError{"is a socket, not a file"}
	}
	return &kindError{"is a device, not a file"}
}

// cannot is an error of the operating system without the path, which stands
// before it already.
func cannot(what string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	hint := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "; run this as a user who may read it"
	case errors.Is(err, fs.ErrNotExist):
		hint = "; look for a slip in the name"
	}
	return fmt.Errorf("cannot %s: %w%s", what, err, hint)
}

// progress is how much of the files that were named has been read.
type progress struct {
	report  func(done, all int64)
	all     int64 // 0 if it is not known
	before  int64 // of files that are done
	current int64
	size    int64 // of the current one, -1 if it is not known
	told    int64
}

// progressStep is how many octets are read between two reports.
const progressStep = 4 << 20

func (p *progress) read(n int64) {
	p.current += n
	if p.report == nil || p.done()-p.told < progressStep {
		return
	}
	p.told = p.done()
	p.report(p.told, p.all)
}

// done never counts more of a file than its size: what is read twice is one.
func (p *progress) done() int64 {
	if p.size >= 0 {
		return p.before + min(p.current, p.size)
	}
	return p.before + p.current
}

// end ends the current file: what of it is not wanted is done too.
func (p *progress) end() {
	if p.size >= 0 {
		p.current = p.size
	}
	p.before, p.current, p.size = p.done(), 0, -1
	if p.report != nil && p.before > p.told {
		p.told = p.before
		p.report(p.before, p.all)
	}
}

// walk reads all that is listed.
func (w *walker) walk(entries []entry, stdin io.Reader) error {
	for _, e := range entries {
		if e.size < 0 {
			w.progress.all = 0
			break
		}
		w.progress.all += e.size
	}
	for _, e := range entries {
		w.progress.size = e.size
		if err := w.entry(e, stdin); err != nil {
			return err
		}
		w.progress.end()
	}
	return nil
}

func (w *walker) entry(e entry, stdin io.Reader) error {
	if e.err != nil {
		return w.fail(e.path, e.err)
	}
	c := &content{name: e.path, size: e.size}
	var r io.Reader
	switch {
	case e.stdin && stdin == nil:
		return w.fail(e.path, errors.New("is not open"))
	case e.stdin:
		if f, _ := regular(stdin); f != nil {
			r, c.at = f, f
			break
		}
		s, stop := interruptible(w.ctx, stdin)
		defer stop()
		r, c.stream, c.size = s, true, -1
	case e.size < 0:
		f, err := openStream(w.ctx, e.path)
		if err != nil {
			return w.fail(e.path, cannot("be opened", err))
		}
		// It was only read, here and below.
		defer func() { _ = f.Close() }()
		s, stop := interruptible(w.ctx, f)
		defer stop()
		r, c.stream = s, true
	default:
		f, err := os.Open(e.path)
		if err != nil {
			return w.fail(e.path, cannot("be opened", err))
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			c.size, c.mod = info.Size(), info.ModTime().Unix()
		}
		r, c.at = f, f
	}
	c.src = &source{ctx: w.ctx, r: r, told: w.progress.read}
	if c.at != nil {
		c.at = &sourceAt{ctx: w.ctx, r: c.at, told: w.progress.read}
	}
	return w.content(c)
}

// regular returns standard input if it is a file that is read from its start,
// which needs no holding in memory, and its size.
func regular(stdin io.Reader) (*os.File, int64) {
	f, ok := stdin.(*os.File)
	if !ok || f == nil {
		return nil, 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return nil, 0
	}
	return f, info.Size()
}
