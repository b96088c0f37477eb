package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sallyport/admin"
)

// An Anchor says where the chain of events ended at some time. It names the
// anchor that its node wrote before, so that none can be taken out between two.
type Anchor struct {
	Time      time.Time
	Seq       uint64
	Hash      []byte // 32 octets
	Node      string
	Previous  string // signature of the node's anchor before, "" if there was none
	Signature string // hexadecimal
}

type anchorLine struct {
	Kind     string    `json:"kind"`
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Hash     string    `json:"hash"`
	Node     string    `json:"node"`
	Previous string    `json:"previous"`
}

func (a *Anchor) line(mac MAC) ([]byte, error) {
	line, err := sign(anchorLine{
		Kind: kindAnchor, Seq: a.Seq, Time: a.Time.UTC(), Hash: hex.EncodeToString(a.Hash), Node: a.Node, Previous: a.Previous,
	}, mac)
	if err == nil {
		a.Signature = signature(line)
	}
	return line, err
}

// parseAnchor reads a line that parseLine has found to be an anchor.
func parseAnchor(line []byte) (Anchor, error) {
	var l anchorLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Anchor{}, errNoRecord
	}
	hash, err := hex.DecodeString(l.Hash)
	if err != nil || len(hash) != 32 {
		return Anchor{}, errors.New("its hash is not one")
	}
	return Anchor{Time: l.Time, Seq: l.Seq, Hash: hash, Node: l.Node, Previous: l.Previous, Signature: signature(line)}, nil
}

// An anchorFile is the file of one node's anchors. Lines are only appended.
type anchorFile struct {
	path string
	node string
	mac  MAC

	mu   sync.Mutex
	f    *os.File
	last Anchor
}

func openAnchors(path, node string, mac MAC) (*anchorFile, error) {
	a := &anchorFile{path: path, node: node, mac: mac}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("audit: open the file of anchors: %w", err)
	}
	return a, nil
}

func (a *anchorFile) open() error {
	f, err := openAppend(a.path)
	if err != nil {
		return err
	}
	line, err := lastLine(f)
	if err != nil {
		f.Close()
		return err
	}
	a.f = f
	// A last line that is none of ours, or was tampered with, breaks the chain
	// of anchors, which verification tells; the file goes on all the same.
	if h, line, err := parseLine(line); err == nil && h.Kind == kindAnchor {
		if x, err := parseAnchor(line); err == nil {
			a.last = x
		}
	}
	return nil
}

func (a *anchorFile) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return nil
	}
	err := a.f.Close()
	a.f = nil
	return err
}

func (a *anchorFile) newest() Anchor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// add appends an anchor if head is not where the newest one is, and reports
// whether it made one. With an error the anchor is in no file.
func (a *anchorFile) add(head admin.Link, now time.Time) (Anchor, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if head.Seq == 0 || len(head.Hash) != 32 { // nothing has happened since there is a chain
		return Anchor{}, false, nil
	}
	if head.Seq == a.last.Seq && bytes.Equal(head.Hash, a.last.Hash) {
		return Anchor{}, false, nil
	}
	x := Anchor{Time: now, Seq: head.Seq, Hash: head.Hash, Node: a.node, Previous: a.last.Signature}
	line, err := x.line(a.mac)
	if err != nil {
		return Anchor{}, false, err
	}
	if err := a.append(append(line, '\n')); err != nil {
		return x, true, err
	}
	a.last = x
	return x, true, nil
}

// append writes a line durably. A file that was moved away or cut is gone on
// with, from where memory says the anchors had come: what is missing shows by
// the signature that the next line names.
func (a *anchorFile) append(line []byte) error {
	if !same(a.f, a.path) {
		if a.f != nil {
			a.f.Close()
			a.f = nil
		}
		last := a.last
		if err := a.open(); err != nil {
			return err
		}
		a.last = last
	}
	_, err := a.f.Write(line)
	if err == nil {
		err = a.f.Sync()
	}
	if err != nil {
		a.f.Close() // a torn line is cut off by open
		a.f = nil
	}
	return err
}

// openAppend opens a file to append to, for its owner only if it is made, and
// cuts off a torn record of ours at its end: one that no line end follows was
// never taken for delivered.
func openAppend(path string) (*os.File, error) {
	_, err := os.Stat(path)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if made {
		err = syncDirectory(filepath.Dir(path))
	} else {
		err = mendEnd(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mendEnd makes f end in a whole line.
func mendEnd(f *os.File) error {
	tail, at, err := tailOf(f)
	if err != nil || len(tail) == 0 || tail[len(tail)-1] == '\n' {
		return err
	}
	begin := bytes.LastIndexByte(tail, '\n') + 1
	torn := tail[begin:]
	if n := min(len(torn), len(recordBegin)); string(torn[:n]) == recordBegin[:n] && (begin > 0 || at == 0) {
		return f.Truncate(at + int64(begin))
	}
	_, err = f.WriteString("\n") // somebody else's
	return err
}

const (
	recordBegin = `{"kind":"`
	// lineMost is longer than any record that we write.
	lineMost = 1 << 20
)

// tailOf returns the last octets of f, enough for a record, and where they
// begin.
func tailOf(f *os.File) ([]byte, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", f.Name())
	}
	at := max(0, info.Size()-lineMost)
	tail := make([]byte, info.Size()-at)
	_, err = f.ReadAt(tail, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return tail, at, err
}

// lastLine returns the last line of a file that ends in a whole one.
func lastLine(f *os.File) ([]byte, error) {
	tail, _, err := tailOf(f)
	if err != nil {
		return nil, err
	}
	tail = bytes.TrimSuffix(tail, []byte("\n"))
	return tail[bytes.LastIndexByte(tail, '\n')+1:], nil
}

// same reports whether f is still the file of that path.
func same(f *os.File, path string) bool {
	if f == nil {
		return false
	}
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named)
}

// lines calls use for each line of r, without its end, with its number.
func lines(r io.Reader, use func(n int, line []byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 4*lineMost)
	n := 0
	for s.Scan() {
		n++
		use(n, s.Bytes())
	}
	return s.Err()
}
