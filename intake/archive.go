package intake

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// headSize is how much of a file is looked at to tell what it is.
const headSize = 64 << 10

var heads = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, headSize) }}

// content is the octets of a file or of an archive's member.
type content struct {
	name   string // for people
	depth  int    // how many archives it lies in
	packed bool   // the innermost of them holds nothing else, as gzip does
	size   int64  // -1 if it is not known
	mod    int64
	stream bool // its writer may be slow

	src *source
	at  io.ReaderAt // may be nil
	br  *bufio.Reader
}

// A walker is one Walk.
type walker struct {
	ctx   context.Context
	o     Options
	each  func(*File) error
	files int   // given
	held  int64 // octets in spools

	progress progress
}

// errEnough ends a walk that has given MaxFiles.
var errEnough = errors.New("enough files")

// give gives f to each, which may read it until it returns.
func (w *walker) give(f *File) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	enough := w.files == w.o.MaxFiles
	if enough {
		f = unreadable(f.Name, &boundError{fmt.Sprintf(
			"is one file more than the %d that are read at once: name fewer, or one folder after another", w.o.MaxFiles)})
	}
	w.files++
	err := w.each(f)
	f.next = func() (Chunk, error) { return Chunk{}, errors.New("is no longer open") }
	if err == nil && enough {
		return errEnough
	}
	return err
}

func unreadable(name string, err error) *File {
	f := &File{Name: name, Size: -1, next: func() (Chunk, error) { return Chunk{}, err }}
	if errors.Is(err, ErrNotText) {
		f.Encoding = "binary"
	}
	return f
}

func (w *walker) fail(name string, err error) error { return w.give(unreadable(name, err)) }

// content gives each the text that c is, or the texts that it holds.
func (w *walker) content(c *content) error {
	c.br = heads.Get().(*bufio.Reader)
	c.br.Reset(c.src)
	defer func() {
		c.br.Reset(nil)
		heads.Put(c.br)
	}()
	head, err := c.head()
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return w.fail(c.name, err)
	}
	what, decoder, err := recognise(head, w.o.Decoders)
	if what == isTar && c.packed {
		c.depth-- // a tar.gz is one archive
	}
	if what != isText && what != isDecoded && what != isOther && c.depth > w.o.MaxDepth {
		return w.fail(c.name, &boundError{fmt.Sprintf(
			"is an archive that lies in %d others, and no more than %d are opened: unpack the outermost and name what comes out", c.depth, w.o.MaxDepth)})
	}
	switch what {
	case isZip:
		return w.random(c, w.zip)
	case isGzip:
		// A gzip.Reader takes no more of br than it needs.
		r, err := gzip.NewReader(c.br)
		if err != nil {
			return w.fail(c.name, damaged("gzip", err))
		}
		return w.unpacked(c, "gzip", r)
	case isBzip2:
		return w.unpacked(c, "bzip2", bzip2.NewReader(c.br))
	case isTar:
		return w.tar(c)
	case isDecoded:
		return w.random(c, func(c *content) error { return w.decoded(c, decoder) })
	case isOther:
		return w.fail(c.name, err)
	case isText:
		return w.text(c)
	}
	panic("unreachable")
}

// head is the start of c, which stays to be read. Of a stream it is as much as
// its writer has written, if that is a line.
func (c *content) head() ([]byte, error) {
	if !c.stream {
		return c.br.Peek(headSize)
	}
	for want := 12; ; want = c.br.Buffered() + 1 {
		head, err := c.br.Peek(want)
		if err != nil {
			return head, err
		}
		head, _ = c.br.Peek(c.br.Buffered()) // it is there
		if len(head) >= 512 || bytes.IndexByte(head, '\n') >= 0 {
			return head, nil
		}
	}
}

// text gives a file of lines.
func (w *walker) text(c *content) error {
	head, err := c.head()
	for nul := padding(head, 4); nul > 0; nul = padding(head, 1) {
		if _, err := c.br.Discard(nul); err != nil {
			return w.fail(c.name, err)
		}
		head, err = c.head()
	}
	e, ok := detect(head, err != nil)
	if !ok {
		return w.fail(c.name, ErrNotText)
	}
	if _, err := c.br.Discard(e.bom); err != nil {
		return w.fail(c.name, err)
	}
	t := &text{ctx: w.ctx, src: c.br, max: w.o.MaxLine, mac: e.mac, eager: c.stream}
	if e.width > 1 {
		t.src, t.valid = &wide{src: c.br, width: e.width, big: e.big}, true
	}
	return w.give(&File{Name: c.name, Size: c.size, Encoding: e.name, ModTime: c.mod, next: t.next})
}

// random calls read with c such that it has random access.
func (w *walker) random(c *content, read func(*content) error) error {
	if c.at != nil {
		return read(c)
	}
	s := new(spool)
	limit := min(maxHeld, maxHeldAll-w.held)
	ok, err := s.fill(c.br, limit)
	if err != nil {
		return w.fail(c.name, err)
	}
	if !ok {
		return w.fail(c.name, &boundError{fmt.Sprintf(
			"is larger than the %s that are held in memory of what is no file of its own: unpack what it lies in, and name it", octets(limit))})
	}
	w.held += s.size
	defer func() { w.held -= s.size }()
	held := *c
	held.at, held.size = s, s.size
	return read(&held)
}

// member gives what r yields, which lies in c.
func (w *walker) member(c *content, m content, r io.Reader, kind string, b *budget) error {
	m.depth = c.depth + 1
	m.src = &source{ctx: w.ctx, r: r, kind: kind, budget: b}
	return w.content(&m)
}

// unpacked gives what a compressed file holds, under the same name.
func (w *walker) unpacked(c *content, kind string, r io.Reader) error {
	b := &budget{up: c.src.budget, in: func() int64 { return c.src.taken }, ratio: int64(w.o.MaxRatio), free: w.o.free}
	return w.member(c, content{name: c.name, packed: true, size: -1, mod: c.mod}, r, kind, b)
}

func (w *walker) tar(c *content) error {
	b := &budget{
		up: c.src.budget, in: func() int64 { return c.src.taken },
		ratio: int64(w.o.MaxRatio), free: w.o.free, plain: true,
	}
	// What is passed over comes out of c.br too, and so counts.
	r := tar.NewReader(c.br)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && (h == nil || !errors.Is(err, tar.ErrInsecurePath)) {
			return w.fail(c.name, damaged("tar", err))
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		default:
			continue // folders, links, devices: nothing is in them
		}
		m := content{name: c.name + "!" + h.Name, size: h.Size, mod: h.ModTime.Unix()}
		if err := w.member(c, m, r, "tar", b); err != nil {
			return err
		}
		if b.burst != nil {
			return w.fail(c.name, b.burst)
		}
	}
}

// maxDirectory is how much of a zip archive's directory is read; it takes
// several times as much memory. Of one in another archive it is less.
const (
	maxDirectory       = 12 << 20
	maxDirectoryInside = 3 << 20
)

// zipMethods are those that are not read, by their names (APPNOTE.TXT, Section
// 4.4.5).
var zipMethods = map[uint16]string{
	1: "Shrink", 6: "Implode", 9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd",
}

// zip gives the members of a zip archive.
func (w *walker) zip(c *content) error {
	directory := &directoryReader{r: c.at, left: maxDirectory}
	if c.depth > 0 {
		directory.left = maxDirectoryInside
	}
	z, err := zip.NewReader(directory, c.size)
	switch {
	case directory.full:
		return w.fail(c.name, &boundError{"is a zip archive of too many members: if you trust it, unpack it and name the folder"})
	case errors.Is(err, zip.ErrFormat):
		return w.fail(c.name, &damageError{"is cut short or damaged: the directory at the end of the zip archive is missing; copy it again", err})
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return w.fail(c.name, damaged("zip", err))
	}
	directory.read = true
	z.RegisterDecompressor(12, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })

	type placed struct {
		*zip.File
		rotationPath
	}
	var inOrder []placed
	for _, f := range z.File {
		if f.Mode().IsRegular() { // nothing is in folders and links
			inOrder = append(inOrder, placed{f, rotationPathOf(f.Name)})
		}
	}
	slices.SortStableFunc(inOrder, func(a, b placed) int { return a.compare(b.rotationPath) })
	members := make([]*zip.File, len(inOrder))
	for i, p := range inOrder {
		members[i] = p.File
	}
	overlap := overlapping(members, c.size)
	if len(overlap) > 0 {
		members = slices.DeleteFunc(members, func(f *zip.File) bool { return overlap[f] })
		err := w.fail(c.name, &boundError{fmt.Sprintf(
			"has %d members that share their data: it is made to exhaust whoever reads it, and they are not read; "+
				"if you trust it, unpack it and name the folder", len(overlap))})
		if err != nil {
			return err
		}
	}
	all := &budget{up: c.src.budget, in: func() int64 { return c.size }, ratio: int64(w.o.MaxRatio), free: w.o.free}
	for i, f := range members {
		if err := w.zipMember(c, f, all); err != nil {
			return err
		}
		if all.burst != nil {
			return w.fail(c.name, &boundError{fmt.Sprintf("%s; %d of its members are not read", all.burst.text, len(members)-1-i)})
		}
	}
	return nil
}

func (w *walker) zipMember(c *content, f *zip.File, all *budget) error {
	name := f.Name
	if !utf8.ValidString(name) {
		// It is in the code page of MS-DOS (APPNOTE.TXT, Appendix D).
		b := make([]byte, 0, 2*len(name))
		for i := range len(name) {
			b = utf8.AppendRune(b, charmap.CodePage437.DecodeByte(name[i]))
		}
		name = string(b)
	}
	name = c.name + "!" + name
	if f.Flags&1 != 0 || f.Method == 99 { // 99 is AES; the method is in its extra field
		return w.fail(name, errors.New("is encrypted: unpack it with its password and name what comes out"))
	}
	r, err := f.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		method := zipMethods[f.Method]
		if method == "" {
			method = fmt.Sprintf("method %d", f.Method)
		}
		return w.fail(name, fmt.Errorf("is compressed with %s, which is not read here: unpack it and name what comes out", method))
	} else if err != nil {
		return w.fail(name, damaged("zip", err))
	}
	// Nothing is open that closing could fail to close.
	defer func() { _ = r.Close() }()
	// A directory may say what it likes of sizes; all bounds what that permits.
	in := int64(min(f.CompressedSize64, uint64(c.size)))
	b := &budget{up: all, in: func() int64 { return in }, ratio: int64(w.o.MaxRatio), free: w.o.free}
	m := content{name: name, size: int64(f.UncompressedSize64)}
	if m.size < 0 {
		m.size = -1
	}
	if !f.Modified.IsZero() {
		m.mod = f.Modified.Unix()
	}
	return w.member(c, m, r, "zip", b)
}

// overlapping are the members of a zip archive of so many octets that share data
// with others. Only an archive made to be a bomb has any (David Fifield, "A
// better zip bomb", WOOT 2019).
func overlapping(members []*zip.File, size int64) map[*zip.File]bool {
	type extent struct {
		from, to int64
		f        *zip.File
	}
	extents := make([]extent, 0, len(members))
	for _, f := range members {
		from, err := f.DataOffset()
		if err != nil || from > size {
			continue // opening it will say so
		}
		if n := int64(min(f.CompressedSize64, uint64(size-from))); n > 0 {
			extents = append(extents, extent{from, from + n, f})
		}
	}
	slices.SortFunc(extents, func(a, b extent) int { return int(min(max(a.from-b.from, -1), 1)) })
	var shared map[*zip.File]bool
	furthest := 0
	for i := 1; i < len(extents); i++ {
		if extents[i].from < extents[furthest].to {
			if shared == nil {
				shared = make(map[*zip.File]bool)
			}
			shared[extents[i].f], shared[extents[furthest].f] = true, true
		}
		if extents[i].to > extents[furthest].to {
			furthest = i
		}
	}
	return shared
}

// A directoryReader bounds what is read until the directory has been read.
type directoryReader struct {
	r          io.ReaderAt
	left       int64
	read, full bool
}

func (d *directoryReader) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("an offset before the start")
	}
	n, err := d.r.ReadAt(p, at)
	if !d.read {
		if d.left -= int64(n); d.left < 0 {
			d.full = true
			return 0, errors.New("directory too large")
		}
	}
	return n, err
}
