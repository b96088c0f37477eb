package winreg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"www.velocidex.com/golang/regparser"
)

const (
	hiveMagic = "regf"
	// firstBin is where the cells of a hive begin: all offsets are from here.
	firstBin = 4096
	noCell   = 0xffffffff

	// maxReads bounds the reads of a hive, of a few octets each, so that one that
	// leads in circles or claims lists without end comes to an end itself, after
	// a second or two.
	maxReads = 20_000_000
	// maxLists bounds the lists of keys in lists of keys. Windows makes one level.
	maxLists = 4
	// smallValue is the longest value that is in one cell in any version.
	smallValue = 16_344

	// Flags: the name is in Latin-1 and not in UTF-16.
	keyPlainName   = 0x0020
	valuePlainName = 0x0001
	// inlineData is set in the length of data that is in the place of its offset.
	inlineData = 0x80000000
)

var (
	errReads  = errors.New("the hive leads in circles, or is far larger than what is asked for")
	errNoData = errors.New("its data is not in the file")
	errPanic  = errors.New("the cells of the hive contradict each other")
)

// ReadHive reads a hive, like Read. mount is where it belongs, such as
// HKEY_LOCAL_MACHINE\SOFTWARE; if it is empty, it is guessed from the keys in the
// hive and, failing that, from the name that the hive has in itself.
//
// CurrentControlSet, which is only a link in a running system, is the control
// set that the hive of HKEY_LOCAL_MACHINE\SYSTEM has selected.
func ReadHive(name string, data io.ReaderAt, size int64, mount string, interesting []string) (*Registry, []Problem, error) {
	h := &hive{loader: newLoader(name, interesting)}
	h.meter = &meter{file: data, size: size, left: maxReads}
	err := h.guard(func() error { return h.read(mount) })
	if h.meter.err != nil {
		return nil, nil, fmt.Errorf("winreg: read %s: %w", name, h.meter.err)
	}
	if errors.Is(err, ErrFormat) {
		return nil, nil, ErrFormat
	}
	if err != nil && h.keys == 0 {
		return nil, nil, fmt.Errorf("winreg: read hive %s: %w", name, err)
	}
	if err != nil {
		h.problem(0, "%v; what was read before holds", err)
	}
	return h.reg, h.problems, nil
}

// A hive is being read.
type hive struct {
	*loader
	meter   *meter
	profile *regparser.RegistryProfile
	pieces  bool           // long values are in several cells: since version 1.4
	visited map[int64]bool // offsets of the keys that have been walked, of one path
}

// guard turns the panics of f into errors: those of the meter, and those of the
// library when it is given nonsense.
func (h *hive) guard(f func() error) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == any(errReads):
			err = errReads
		default:
			err = errPanic
		}
	}()
	return f()
}

func (h *hive) read(mount string) error {
	reg, err := regparser.NewRegistry(h.meter)
	if err != nil {
		return ErrFormat
	}
	h.profile = reg.Profile
	h.pieces = reg.BaseBlock.Minor() >= 4
	root := h.cell(reg.BaseBlock.RootCell()).KeyNode()
	if root == nil {
		return errors.New("it has no root key: the file may be cut off")
	}
	if reg.BaseBlock.Sequence1() != reg.BaseBlock.Sequence2() {
		h.problem(0, "the hive was in use when it was copied: its newest changes are in the .LOG1 and .LOG2 files beside it")
	}
	if mount == "" {
		mount = h.guess(root, reg.BaseBlock.FileName())
	}
	at, ok := Canonical(mount)
	if !ok {
		return fmt.Errorf("cannot tell where this hive belongs (%q): say so, as in HKEY_LOCAL_MACHINE\\SOFTWARE", mount)
	}
	// The mount point is there even if nothing below it is of interest.
	if h.key(at, 0) == nil {
		return nil
	}
	current := ""
	if strings.EqualFold(strings.Join(at, `\`), `HKEY_LOCAL_MACHINE\SYSTEM`) {
		current = h.currentControlSet(root)
	}

	top := strings.ToLower(strings.Join(at, `\`))
	if h.wants(at) {
		h.visited = make(map[int64]bool)
		h.walk(root, h.key(at, 0), 0)
		h.link(at, current)
		return nil
	}
	for _, path := range h.wanted {
		if !isBelow(path, top) {
			continue
		}
		h.open(root, at, strings.Split(path[len(top)+1:], `\`), current)
	}
	return nil
}

// link makes CurrentControlSet the same key as the control set of that name.
func (h *hive) link(at []string, current string) {
	if current == "" {
		return
	}
	system := h.key(at, 0)
	if set := system.children[strings.ToLower(current)]; set != nil && system.children["currentcontrolset"] == nil {
		system.children["currentcontrolset"] = &node{name: "CurrentControlSet", children: set.children, values: set.values}
	}
}

// open reads the key of a path below the root with everything below it.
func (h *hive) open(root *regparser.CM_KEY_NODE, at, below []string, current string) {
	key := root
	names := append([]string(nil), at...)
	for _, part := range below {
		wanted := part
		if key == root && current != "" && part == "currentcontrolset" {
			wanted = strings.ToLower(current)
		}
		var next *regparser.CM_KEY_NODE
		var name string
		h.subkeys(key, func(k *regparser.CM_KEY_NODE, n string) bool {
			if strings.ToLower(n) != wanted {
				return true
			}
			next, name = k, n
			return false
		})
		if next == nil {
			return
		}
		if wanted != part {
			name = "CurrentControlSet"
		}
		key, names = next, append(names, name)
	}
	if n := h.key(names, 0); n != nil {
		h.visited = make(map[int64]bool)
		h.walk(key, n, len(names))
	}
}

// walk reads the values of a key and everything below it.
func (h *hive) walk(key *regparser.CM_KEY_NODE, n *node, depth int) {
	if h.visited[key.Offset] {
		h.problem(0, "the key %q is found in two places; the second was passed over", n.name)
		return
	}
	h.visited[key.Offset] = true
	h.values(key, n)
	if depth == maxDepth {
		h.problem(0, "more than %d keys in each other", maxDepth)
		return
	}
	type found struct {
		key  *regparser.CM_KEY_NODE
		node *node
	}
	var below []found
	h.subkeys(key, func(k *regparser.CM_KEY_NODE, name string) bool {
		if n.children[strings.ToLower(name)] != nil {
			h.problem(0, "the key %q is there twice; the second was passed over", name)
			return true
		}
		child := h.child(n, name, 0)
		if child == nil {
			return false
		}
		below = append(below, found{k, child})
		return true
	})
	for _, f := range below {
		if h.full {
			return
		}
		h.walk(f.key, f.node, depth+1)
	}
}

func (h *hive) cell(offset uint32) *regparser.HCELL {
	return h.profile.HCELL(h.meter, firstBin+int64(offset))
}

// subkeys calls each for the keys right below a key until it returns false. The
// library has this too, but follows lists that contain themselves until the
// stack is full, and keeps everything at once.
func (h *hive) subkeys(key *regparser.CM_KEY_NODE, each func(k *regparser.CM_KEY_NODE, name string) bool) {
	if key.SubKeyCounts()[0] == 0 {
		return
	}
	offset := key.SubKeyLists()[0]
	if offset == noCell {
		return
	}
	h.list(h.cell(offset), 0, each)
}

func (h *hive) list(cell *regparser.HCELL, depth int, each func(k *regparser.CM_KEY_NODE, name string) bool) bool {
	if depth == maxLists {
		h.problem(0, "lists of keys in lists of keys: the rest was passed over")
		return false
	}
	if fast := cell.KeyIndexFast(); fast != nil {
		at := fast.Offset + h.profile.Off_CM_KEY_INDEX_FAST_List
		for i := range int64(fast.Count()) {
			element := h.profile.CM_KEY_INDEX_FAST_ELEMENT(h.meter, at+8*i)
			if !h.entry(h.cell(element.NodeOffset()), depth, each) {
				return false
			}
		}
	} else if index := cell.KeyIndex(); index != nil {
		at := index.Offset + h.profile.Off_CM_KEY_INDEX_List
		for _, offset := range regparser.ParseSafeArray_uint32(h.meter, at, int(index.Count())) {
			if !h.entry(h.cell(offset), depth, each) {
				return false
			}
		}
	}
	return true
}

// entry is one entry of a list: a key or another list.
func (h *hive) entry(cell *regparser.HCELL, depth int, each func(k *regparser.CM_KEY_NODE, name string) bool) bool {
	k := cell.KeyNode()
	if k == nil {
		return h.list(cell, depth+1, each)
	}
	name := decodeName([]byte(k.Name()), k.Flags()&keyPlainName != 0)
	if name == "" || strings.Contains(name, `\`) {
		return true
	}
	return each(k, name)
}

// values reads the values of a key.
func (h *hive) values(key *regparser.CM_KEY_NODE, n *node) {
	list := key.ValueList()
	count := int(min(list.Count(), maxValues))
	if count == 0 || list.List() == noCell {
		return
	}
	cells := h.cell(list.List())
	for _, offset := range regparser.ParseSafeArray_uint32(h.meter, cells.Payload(), count) {
		if h.full {
			return
		}
		v := h.cell(offset).KeyValue()
		if v == nil {
			h.problem(0, "a value of the key %q is damaged", n.name)
			continue
		}
		name := decodeName([]byte(v.ValueName()), v.Flags()&valuePlainName != 0)
		data, err := h.data(v)
		if err != nil {
			h.problem(0, "the value %q of the key %q: %v", name, n.name, err)
			continue
		}
		h.set(n, Value{Name: name, Type: Type(v.Type()), Data: data, Source: Source{File: h.file}})
	}
}

// data returns the data of a value: up to four octets are in the place of their
// offset, much is in several cells.
func (h *hive) data(v *regparser.CM_KEY_VALUE) ([]byte, error) {
	size := v.DataSize()
	if size > maxValue {
		return nil, fmt.Errorf("longer than %d octets", maxValue)
	}
	if v.DataLength()&inlineData != 0 {
		return binary.LittleEndian.AppendUint32(nil, v.Data())[:min(size, 4)], nil
	}
	cell := h.cell(v.Data())
	if size <= smallValue || !h.pieces {
		return h.octets(cell, size)
	}
	big := h.profile.CM_BIG_DATA(h.meter, cell.Payload())
	list := h.cell(big.List())
	var data []byte
	for _, offset := range regparser.ParseSafeArray_uint32(h.meter, list.Payload(), int(big.Count())) {
		if int64(len(data)) == size {
			break
		}
		piece, err := h.octets(h.cell(offset), min(size-int64(len(data)), smallValue))
		if err != nil {
			return nil, err
		}
		data = append(data, piece...)
	}
	if int64(len(data)) < size {
		return nil, errNoData
	}
	return data, nil
}

// octets returns the first octets of a cell.
func (h *hive) octets(cell *regparser.HCELL, size int64) ([]byte, error) {
	data := make([]byte, size)
	if n, _ := h.meter.ReadAt(data, cell.Payload()); int64(n) < size {
		return nil, errNoData
	}
	return data, nil
}

func decodeName(b []byte, plain bool) string {
	if !plain {
		return decodeUTF16(b)
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(charmap.ISO8859_1.DecodeByte(c))
	}
	return s.String()
}

// guess says where a hive belongs, by the keys right below its root, and failing
// that by the end of the file name that it has in its header.
func (h *hive) guess(root *regparser.CM_KEY_NODE, fileName string) string {
	has := make(map[string]bool)
	h.subkeys(root, func(_ *regparser.CM_KEY_NODE, name string) bool {
		if len(has) < 1000 {
			has[strings.ToLower(name)] = true
		}
		return true
	})
	file := strings.ToLower(path.Base(strings.ReplaceAll(strings.TrimRight(fileName, "\x00"), `\`, "/")))
	switch {
	case has["select"] && (has["controlset001"] || has["setup"]):
		return `HKEY_LOCAL_MACHINE\SYSTEM`
	case has["microsoft"] && (has["classes"] || has["policies"]):
		return `HKEY_LOCAL_MACHINE\SOFTWARE`
	case has["software"] && file == "default":
		return `HKEY_USERS\.DEFAULT`
	case has["software"]:
		return "HKEY_CURRENT_USER"
	}
	// Names of parts of a hive, such as that of an image, keep only the name.
	switch file {
	case "software", "system", "sam", "security":
		return `HKEY_LOCAL_MACHINE\` + strings.ToUpper(file)
	case "ntuser.dat":
		return "HKEY_CURRENT_USER"
	case "usrclass.dat":
		return `HKEY_CURRENT_USER\SOFTWARE\Classes`
	case "default":
		return `HKEY_USERS\.DEFAULT`
	}
	return ""
}

// currentControlSet returns the name of the control set that is selected.
func (h *hive) currentControlSet(root *regparser.CM_KEY_NODE) string {
	set := ""
	h.subkeys(root, func(k *regparser.CM_KEY_NODE, name string) bool {
		if !strings.EqualFold(name, "Select") {
			return true
		}
		values := new(node)
		h.values(k, values)
		if n, ok := values.values["current"].DWORD(); ok {
			set = fmt.Sprintf("ControlSet%03d", n)
		}
		return false
	})
	if set == "" {
		h.problem(0, `the hive does not say which control set is the current one (Select\Current); ControlSet001 was taken`)
		set = "ControlSet001"
	}
	return set
}

// A meter gives the library the octets of a hive, from pages that it keeps, and
// panics once there were too many reads: the library ignores errors.
type meter struct {
	file  io.ReaderAt
	size  int64
	left  int
	err   error // of file
	pages map[int64][]byte
}

const (
	pageSize = 16 << 10
	maxPages = 1024
)

func (m *meter) ReadAt(b []byte, off int64) (int, error) {
	done := 0
	for done < len(b) {
		m.left--
		if m.left < 0 || m.err != nil {
			panic(errReads)
		}
		at := off + int64(done)
		if at < 0 || at >= m.size {
			return done, io.EOF
		}
		page, err := m.page(at / pageSize)
		if err != nil {
			m.err = err
			panic(errReads)
		}
		from := int(at % pageSize)
		if from >= len(page) {
			return done, io.EOF
		}
		done += copy(b[done:], page[from:])
	}
	return done, nil
}

func (m *meter) page(number int64) ([]byte, error) {
	if page, ok := m.pages[number]; ok {
		return page, nil
	}
	if m.pages == nil || len(m.pages) == maxPages {
		m.pages = make(map[int64][]byte)
	}
	page := make([]byte, min(pageSize, m.size-number*pageSize))
	n, err := m.file.ReadAt(page, number*pageSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	m.pages[number] = page[:n]
	return page[:n], nil
}
