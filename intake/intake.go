// Package intake turns what a person points at - files, folders, archives,
// standard input - into text: whole lines in UTF-8, in chunks, with the number
// of each chunk's first line.
//
// It hides archives in archives, compression, encodings, Windows event logs and
// the bounds that hostile input runs into. Nothing is ever written to disk, and
// a name inside an archive is only ever shown, never opened.
package intake

import (
	"context"
	"errors"
	"io"
	"strings"
)

// Options bound the reading. The zero value of a number means its default.
type Options struct {
	// MaxLine is how many octets of a line are kept; the rest of it is passed
	// over. Default 64 KiB.
	MaxLine int
	// MaxRatio is how many times larger than its compressed form the content of
	// an archive may be, once it is larger than 64 MiB. Default 200.
	MaxRatio int
	// MaxFiles is how many files are read, archives' members included. Default
	// 100,000.
	MaxFiles int
	// MaxDepth is how deep archives may lie in archives. Default 3.
	MaxDepth int
	// Progress is told now and then how many octets of how many have been read,
	// from the files that were named, before decompression; all is 0 if it is
	// not known. It may be nil.
	Progress func(done, all int64)
	// Decoders read what is no text but holds lines, such as Windows event logs.
	// A file whose content begins with the magic of one is given to it.
	Decoders []Decoder

	free int64 // the 64 MiB of MaxRatio, less in tests
}

// A File is one text to be read, or one that cannot be.
type File struct {
	// Name is as the person would find it: bundle.zip!logs/OktaWidget.log. It may
	// hold anything, control characters too.
	Name     string
	Size     int64  // decompressed, -1 if it is not known
	Encoding string // "UTF-8", "UTF-16LE", "windows-1252", "EVTX", "binary"
	ModTime  int64  // Unix seconds, 0 if not known

	next func() (Chunk, error)
}

// A Chunk is some whole lines of a file.
type Chunk struct {
	First int    // number of the first line, from 1
	Text  []byte // UTF-8, each line ended by '\n'; may be changed, and is the reader's to keep
	// Cut is how many of its lines were longer than MaxLine.
	Cut int

	whole *[]byte // the buffer that Text lies in, if it is one worth keeping
}

// Release gives the memory of Text back, to be used for a later chunk. Text must
// not be touched afterwards, nor anything that still points into it. It need not
// be called: a chunk that is kept is left to the garbage collector.
func (c *Chunk) Release() {
	if c.whole != nil {
		giveBack(c.whole)
	}
	c.whole, c.Text = nil, nil
}

// Next returns the next chunk, io.EOF after the last one. Any other error says
// why the file could not be read to its end; what came before holds.
func (f *File) Next() (Chunk, error) { return f.next() }

// Text is a file that holds text, as one that was read would.
func Text(name, content string) *File {
	o := Options{}.withDefaults()
	t := &text{ctx: context.Background(), src: strings.NewReader(content), max: o.MaxLine}
	return &File{Name: name, Size: int64(len(content)), Encoding: "UTF-8", next: t.next}
}

func (o Options) withDefaults() Options {
	if o.MaxLine <= 0 {
		o.MaxLine = 64 << 10
	}
	if o.MaxRatio <= 0 {
		o.MaxRatio = 200
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 100_000
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = 3
	}
	if o.free <= 0 {
		o.free = free
	}
	return o
}

// Walk calls each for every file under paths, in a stable order; "-" is stdin,
// which may be nil if it is not named. A path that cannot be opened, and an
// archive's member that cannot be read, is given to each as a File whose Next
// returns the reason: one bad file never keeps the others from being read. Walk
// returns the error of each, or of ctx.
//
// In a folder, and in a zip archive, files come by name, but of a log that was
// rotated the oldest part first; in a tar archive they come as they lie. Links
// in folders are not followed; pipes, sockets and devices there are given with
// an error that is ErrNotText.
//
// Walk calls each and Progress one at a time, from the caller's goroutine; a
// File can be read only until each returns, its chunks are good for ever. A Read
// of stdin that waits when Walk returns, because ctx ended, goes on waiting.
//
// The errors of Next are the rest of a sentence that begins with the file's
// name: "is encrypted: unpack it with its password and name what comes out".
func Walk(ctx context.Context, paths []string, stdin io.Reader, o Options, each func(*File) error) error {
	o = o.withDefaults()
	l := &list{ctx: ctx, most: o.MaxFiles}
	for _, p := range paths {
		if !l.full() {
			l.named(p, stdin)
		}
	}
	w := &walker{ctx: ctx, o: o, each: each, progress: progress{report: o.Progress, size: -1}}
	if err := w.walk(l.entries, stdin); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return ctx.Err()
}
