// Package winreg reads what people send of a Windows registry - exports (.reg)
// and hives (SOFTWARE, SYSTEM, NTUSER.DAT) - into one model of keys and values.
//
// It hides how both are written: the encodings and versions of exports as
// regedit and editors save them, and the cells of a hive, where a hive is
// mounted, and which control set is the current one. It asks no registry that
// is running.
package winreg

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// ErrFormat is what Read returns for something that is neither a registry export
// nor a hive.
var ErrFormat = errors.New("winreg: neither a registry export (.reg) nor a registry hive")

// What is kept at most of one file. The registry of a server has some 500,000
// keys, but nobody is interested in all of them at once.
const (
	maxKeys   = 100_000
	maxValues = 400_000
	maxOctets = 64 << 20 // of names and data
	maxValue  = 1 << 20  // octets of one value: the registry's own limit
	maxDepth  = 512      // keys in keys: the registry's own limit
	// maxName is the registry's limit for the names of values; those of keys must
	// be shorter still.
	maxName     = 16_383
	maxProblems = 1000
)

// A Type is the type of a value.
type Type uint32

// The types of values, by the names of winnt.h.
const (
	None            Type = 0  // REG_NONE
	String          Type = 1  // REG_SZ
	ExpandString    Type = 2  // REG_EXPAND_SZ
	Binary          Type = 3  // REG_BINARY
	DWORD           Type = 4  // REG_DWORD
	DWORDBigEndian  Type = 5  // REG_DWORD_BIG_ENDIAN
	Link            Type = 6  // REG_LINK
	MultiString     Type = 7  // REG_MULTI_SZ
	ResourceList    Type = 8  // REG_RESOURCE_LIST
	FullResource    Type = 9  // REG_FULL_RESOURCE_DESCRIPTOR
	RequirementList Type = 10 // REG_RESOURCE_REQUIREMENTS_LIST
	QWORD           Type = 11 // REG_QWORD
)

var typeNames = []string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK", "REG_MULTI_SZ",
	"REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD",
}

// String returns the name that regedit shows: REG_SZ.
func (t Type) String() string {
	if int64(t) < int64(len(typeNames)) {
		return typeNames[t]
	}
	return fmt.Sprintf("REG_0x%X", uint32(t))
}

// A Source is where a value stands.
type Source struct {
	File string
	Line int // 0 in a hive
}

// A Value is one value of a key.
type Value struct {
	Name string // empty for the key's default value
	Type Type
	// Data is as the registry holds it: numbers little-endian, texts in
	// little-endian UTF-16, as a rule with their terminator.
	Data   []byte
	Source Source
}

// DWORD returns the number of a REG_DWORD, of either byte order.
func (v Value) DWORD() (uint32, bool) {
	switch {
	case len(v.Data) != 4:
	case v.Type == DWORD:
		return binary.LittleEndian.Uint32(v.Data), true
	case v.Type == DWORDBigEndian:
		return binary.BigEndian.Uint32(v.Data), true
	}
	return 0, false
}

// String returns the value as text: texts as they are, up to their terminator;
// the texts of a REG_MULTI_SZ with ", " between them; numbers in decimal;
// everything else in hexadecimal. A number that has not the length of its type
// is in hexadecimal too.
func (v Value) String() string {
	switch v.Type {
	case String, ExpandString, Link:
		text, _, _ := strings.Cut(decodeUTF16(v.Data), "\x00")
		return text
	case MultiString:
		return strings.Join(v.Strings(), ", ")
	case DWORD, DWORDBigEndian:
		if n, ok := v.DWORD(); ok {
			return strconv.FormatUint(uint64(n), 10)
		}
	case QWORD:
		if len(v.Data) == 8 {
			return strconv.FormatUint(binary.LittleEndian.Uint64(v.Data), 10)
		}
	default: // what has no form of its own
	}
	return hex.EncodeToString(v.Data)
}

// Strings returns the texts of a REG_MULTI_SZ, which end with the first empty
// one, and the one text of a REG_SZ or REG_EXPAND_SZ. It returns nil for other
// types.
func (v Value) Strings() []string {
	switch v.Type {
	case String, ExpandString:
		return []string{v.String()}
	case MultiString:
		texts := strings.Split(decodeUTF16(v.Data), "\x00")
		if end := slices.Index(texts, ""); end >= 0 {
			texts = texts[:end]
		}
		return texts
	default:
		return nil
	}
}

// A Key is a key with its values, in the order of the file.
type Key struct {
	// Path is in full, and begins with the long name of its root:
	// HKEY_LOCAL_MACHINE\SOFTWARE. Its case is that of the file.
	Path   string
	Values []Value
}

// A Problem is something that was passed over.
type Problem struct {
	File string
	Line int // 0 if it is about the file, or a hive
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// A Registry is what has been read. It is not changed any more: any number of
// goroutines may use it at once.
//
// Names of keys and values are compared without regard to case. Paths may begin
// with a root's short name (HKLM), with "HKLM:" as in PowerShell, and with
// "Computer\".
type Registry struct {
	root node
}

// Value returns a key's value; the empty name is that of its default value.
func (r *Registry) Value(path, name string) (Value, bool) {
	k := r.find(path)
	if k == nil {
		return Value{}, false
	}
	v, ok := k.values[strings.ToLower(name)]
	return v.Value, ok
}

// HasKey says whether there is a key of that path. Keys are there too if only
// something below them is.
func (r *Registry) HasKey(path string) bool { return r.find(path) != nil }

// Key returns a key.
func (r *Registry) Key(path string) (Key, bool) {
	k := r.find(path)
	if k == nil {
		return Key{}, false
	}
	canonical, _ := Canonical(path)
	return k.key(strings.Join(canonical, `\`)), true
}

// Subkeys returns the names of the keys right below a key, in the order of the
// alphabet.
func (r *Registry) Subkeys(path string) []string {
	k := r.find(path)
	if k == nil {
		return nil
	}
	var names []string
	for _, name := range k.sorted() {
		names = append(names, k.children[name].name)
	}
	return names
}

// Views says which of a key's two forms there are: that of 64-bit programs, and
// that of 32-bit programs, which Windows keeps below WOW6432Node. The path is
// that of the first; it must be below HKEY_LOCAL_MACHINE\SOFTWARE or
// HKEY_CURRENT_USER\SOFTWARE for the second to be there.
func (r *Registry) Views(path string) (native, wow bool) {
	other, ok := wow6432(path)
	return r.HasKey(path), ok && r.HasKey(other)
}

// wow6432 returns the path that 32-bit programs see in the place of path.
func wow6432(path string) (string, bool) {
	parts, ok := Canonical(path)
	if !ok || len(parts) < 3 || !strings.EqualFold(parts[1], "SOFTWARE") || strings.EqualFold(parts[2], "WOW6432Node") {
		return "", false
	}
	return strings.Join(slices.Insert(parts, 2, "WOW6432Node"), `\`), true
}

// Keys returns all keys, those above others first, and otherwise in the order of
// the alphabet.
func (r *Registry) Keys() []Key {
	var keys []Key
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, name := range n.sorted() {
			child := n.children[name]
			below := child.name
			if path != "" {
				below = path + `\` + child.name
			}
			keys = append(keys, child.key(below))
			walk(child, below)
		}
	}
	walk(&r.root, "")
	return keys
}

func (r *Registry) find(path string) *node {
	parts, ok := Canonical(path)
	if !ok {
		return nil
	}
	n := &r.root
	for _, part := range parts {
		if n = n.children[strings.ToLower(part)]; n == nil {
			return nil
		}
	}
	return n
}

// A node is a key. Its children and values are found by their names in lower
// case.
type node struct {
	name     string
	children map[string]*node
	values   map[string]ordered
}

// ordered is a value with its place in the file.
type ordered struct {
	Value
	place int
}

func (n *node) sorted() []string {
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (n *node) key(path string) Key {
	values := make([]ordered, 0, len(n.values))
	for _, v := range n.values {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b ordered) int { return cmp.Compare(a.place, b.place) })
	k := Key{Path: path}
	for _, v := range values {
		k.Values = append(k.Values, v.Value)
	}
	return k
}

var roots = map[string]string{
	"hklm": "HKEY_LOCAL_MACHINE", "hkcu": "HKEY_CURRENT_USER", "hku": "HKEY_USERS",
	"hkcr": "HKEY_CLASSES_ROOT", "hkcc": "HKEY_CURRENT_CONFIG",
	"hkey_local_machine": "HKEY_LOCAL_MACHINE", "hkey_current_user": "HKEY_CURRENT_USER", "hkey_users": "HKEY_USERS",
	"hkey_classes_root": "HKEY_CLASSES_ROOT", "hkey_current_config": "HKEY_CURRENT_CONFIG",
}

// Canonical takes the path of a key apart, and makes the name of its root the
// long one. It returns false if the path does not begin with a root.
func Canonical(path string) ([]string, bool) {
	var parts []string
	for part := range strings.SplitSeq(path, `\`) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 1 && (strings.EqualFold(parts[0], "Computer") || strings.EqualFold(parts[0], "My Computer")) {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return nil, false
	}
	root, ok := roots[strings.ToLower(strings.TrimSuffix(strings.TrimSpace(parts[0]), ":"))]
	if !ok {
		return nil, false
	}
	parts[0] = root
	return parts, true
}

// Read reads an export or a hive; which it is, and in which encoding, says its
// content. name is what values and problems give as their file.
//
// Kept are the keys of the paths in interesting and everything below them, with
// what 32-bit programs see in their place (WOW6432Node); with no paths, all that
// there is. Where a hive was mounted is guessed from its content: ReadHive can
// be told. Problems are what could not be read or was too much; what is returned
// with an error is nothing.
func Read(name string, data io.ReaderAt, size int64, interesting []string) (*Registry, []Problem, error) {
	head := make([]byte, min(size, 4096))
	if n, err := data.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("winreg: read %s: %w", name, err)
	} else if n < len(head) {
		head = head[:n]
	}
	if strings.HasPrefix(string(head), hiveMagic) {
		return ReadHive(name, data, size, "", interesting)
	}
	return readExport(name, head, io.NewSectionReader(data, 0, size), interesting)
}

// A loader fills a Registry, within bounds.
type loader struct {
	file     string
	reg      *Registry
	problems []Problem
	// wanted are the paths that are interesting, in lower case and none below
	// another; nil if everything is.
	wanted []string

	keys, values, octets int
	full                 bool
	place                int
}

func newLoader(file string, interesting []string) *loader {
	l := &loader{file: file, reg: new(Registry)}
	for _, path := range interesting {
		for _, p := range []func(string) (string, bool){
			func(p string) (string, bool) { return p, true },
			wow6432,
		} {
			if other, ok := p(path); ok {
				if parts, ok := Canonical(other); ok {
					l.wanted = append(l.wanted, strings.ToLower(strings.Join(parts, `\`)))
				}
			}
		}
	}
	slices.Sort(l.wanted)
	kept := l.wanted[:0]
	for _, path := range l.wanted {
		if !slices.ContainsFunc(kept, func(k string) bool { return isBelow(path, k) }) {
			kept = append(kept, path)
		}
	}
	l.wanted = kept
	// A list that names nothing that can be is not the same as no list.
	if len(interesting) > 0 && l.wanted == nil {
		l.wanted = []string{}
	}
	return l
}

// isBelow says whether path, in lower case, is top or a key below it.
func isBelow(path, top string) bool {
	return strings.HasPrefix(path, top) && (len(path) == len(top) || path[len(top)] == '\\')
}

// wants says whether the key of a canonical path is to be kept.
func (l *loader) wants(parts []string) bool {
	if l.wanted == nil {
		return true
	}
	path := strings.ToLower(strings.Join(parts, `\`))
	return slices.ContainsFunc(l.wanted, func(top string) bool { return isBelow(path, top) })
}

func (l *loader) problem(line int, format string, args ...any) {
	switch {
	case len(l.problems) == maxProblems:
		l.problems = append(l.problems, Problem{File: l.file, Text: "there are more problems than are listed here"})
	case len(l.problems) < maxProblems:
		l.problems = append(l.problems, Problem{File: l.file, Line: line, Text: fmt.Sprintf(format, args...)})
	}
}

// tooMuch notes that the rest of the file is not kept.
func (l *loader) tooMuch(line int) {
	if !l.full {
		l.full = true
		l.problem(line, "there is more than is kept of one file; the rest was passed over: name fewer keys")
	}
}

// key returns the node of a canonical path, and makes it if need be. It returns
// nil once there are too many.
func (l *loader) key(parts []string, line int) *node {
	n := &l.reg.root
	for _, part := range parts {
		if n = l.child(n, part, line); n == nil {
			return nil
		}
	}
	return n
}

// child returns the key of that name below n, and makes it if need be. It
// returns nil once there are too many.
func (l *loader) child(n *node, name string, line int) *node {
	lower := strings.ToLower(name)
	if child := n.children[lower]; child != nil {
		return child
	}
	if l.full || l.keys == maxKeys || l.octets+len(name) > maxOctets {
		l.tooMuch(line)
		return nil
	}
	l.keys++
	l.octets += len(name)
	child := &node{name: name}
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	n.children[lower] = child
	return child
}

// set gives n a value, in the place of one of the same name.
func (l *loader) set(n *node, v Value) {
	if size := len(v.Name) + len(v.Data); l.full || l.values == maxValues || l.octets+size > maxOctets {
		l.tooMuch(v.Source.Line)
		return
	}
	l.values++
	l.octets += len(v.Name) + len(v.Data)
	if n.values == nil {
		n.values = make(map[string]ordered)
	}
	l.place++
	n.values[strings.ToLower(v.Name)] = ordered{Value: v, place: l.place}
}

// remove takes away a key with all that is below it.
func (l *loader) remove(parts []string) {
	n := &l.reg.root
	for _, part := range parts[:len(parts)-1] {
		if n = n.children[strings.ToLower(part)]; n == nil {
			return
		}
	}
	delete(n.children, strings.ToLower(parts[len(parts)-1]))
}

func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

func encodeUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
