package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	// fileMax is a hundred times a full file with all its comments.
	fileMax = 1 << 20

	// mistakesMax is more than anybody mends in one go.
	mistakesMax = 50
)

// A mistake is one thing that is wrong with a configuration, said so that the
// reader can find and mend it.
type mistake struct {
	file string // "" if it is not from a file
	line int    // 0 if it is not in any line
	key  string // "" if it is about the file as a whole
	with string // the other key that it is about, if any
	what string
}

func (m mistake) Error() string {
	var b strings.Builder
	b.WriteString("config: ")
	if m.file != "" {
		b.WriteString(m.file)
		if m.line > 0 {
			fmt.Fprintf(&b, ":%d", m.line)
		}
		b.WriteString(": ")
	}
	if m.key != "" {
		b.WriteString(m.key + ": ")
	}
	b.WriteString(m.what)
	return b.String()
}

func joined(mistakes []mistake) error {
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = m
	}
	return errors.Join(errs...)
}

// Load reads the file at path over Default. The error joins everything that is
// wrong, each with file, line, key and what to do, in the order of the lines;
// nothing of a file with a mistake is used. An empty file means Default.
func Load(path string) (Config, error) {
	text, err := read(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(path, text)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("config: there is no such file; create it (an empty file means all defaults) or name another: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(text) > fileMax {
		return nil, mistake{file: path, what: "it is over 1 MiB, so it is hardly a configuration; check the path"}
	}
	return text, nil
}

// Parse is Load for a text that was read already; name stands for it in
// messages.
func Parse(name string, text []byte) (Config, error) {
	r := reader{config: Default(), lines: make(map[string]int), failed: make(map[string]bool)}
	if root := r.root(text); root != nil {
		r.mapping(root, settings(), "", reflect.ValueOf(&r.config).Elem())
	}
	for _, m := range r.config.check() {
		// What could not be read still has its default, which says nothing
		// about what was meant.
		if r.failed[m.key] || r.failed[m.with] {
			continue
		}
		m.line = r.lineOf(m.key)
		r.add(m)
	}
	if len(r.mistakes) == 0 {
		return r.config, nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b mistake) int { return a.line - b.line })
	if r.more {
		r.mistakes = append(r.mistakes, mistake{what: "there are more mistakes; mend these first"})
	}
	for i := range r.mistakes {
		r.mistakes[i].file = name
	}
	return Config{}, joined(r.mistakes)
}

// A reader takes a YAML document into a Config. It walks the nodes itself,
// because of a decoder's errors no administrator can make sense.
type reader struct {
	config   Config
	mistakes []mistake
	lines    map[string]int  // by key path; "radius[1]" for an item
	failed   map[string]bool // key paths whose value could not be read
	more     bool            // there are more mistakes than we report
}

func (r *reader) wrong(line int, key, what string) {
	if key != "" {
		r.failed[key] = true
	}
	r.add(mistake{line: line, key: key, what: what})
}

func (r *reader) add(m mistake) {
	if len(r.mistakes) == mistakesMax {
		r.more = true
		return
	}
	r.mistakes = append(r.mistakes, m)
}

// lineOf finds the line of a key, or of the nearest group that holds it.
func (r *reader) lineOf(key string) int {
	for key != "" {
		if line := r.lines[key]; line > 0 {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

// root returns the one mapping of the text; nil if there is none, or a mistake.
func (r *reader) root(text []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var document, next yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	switch err := loader.Load(&next); {
	case err == nil:
		r.wrong(next.Line, "", `there is a second document; delete the line "---" and what follows`)
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	root := &document
	if root.Kind == yaml.DocumentNode {
		if len(root.Content) == 0 {
			return nil
		}
		root = root.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" {
		return nil // nothing but comments
	}
	if !r.plain(root, "") {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.wrong(root.Line, "", "the file must be a list of keys with values, such as \"issuer: Example\"")
		return nil
	}
	return root
}

func (r *reader) syntax(err error) {
	var at *yaml.LoadError
	if errors.As(err, &at) {
		r.wrong(at.Mark.Line, "", "this is not YAML: "+at.Message)
		return
	}
	r.wrong(0, "", "this is not YAML: "+err.Error())
}

// mapping reads the keys of a group into known, whose values are in base.
func (r *reader) mapping(node *yaml.Node, known []setting, prefix string, base reflect.Value) {
	seen := make(map[string]int)
	for i := 0; i+1 < len(node.Content) && !r.more; i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		j := slices.IndexFunc(known, func(s setting) bool { return s.name == key.Value })
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			r.wrong(key.Line, "", "a key must be a plain word")
		case j < 0:
			what := unknown(key.Value, known, func(s setting) string { return s.name })
			if prefix != "" {
				what += fmt.Sprintf(" (in %q)", strings.TrimSuffix(prefix, "."))
			}
			r.wrong(key.Line, "", what)
		case seen[key.Value] > 0:
			r.wrong(key.Line, prefix+key.Value, fmt.Sprintf("was given in line %d already; delete one of the two", seen[key.Value]))
		default:
			seen[key.Value] = key.Line
			s := known[j]
			s.path = prefix + s.name
			r.lines[s.path] = key.Line
			r.value(value, s, base)
		}
	}
}

func (r *reader) value(node *yaml.Node, s setting, base reflect.Value) {
	if !r.plain(node, s.path) {
		return
	}
	isNull := node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
	switch {
	case s.isGroup():
		if node.Kind != yaml.MappingNode {
			r.wrong(node.Line, s.path, "must have keys below it, indented: "+names(s.group)+"; or delete the line for the defaults")
			return
		}
		r.mapping(node, s.group, s.path+".", base)
	case isNull:
		r.wrong(node.Line, s.path, "has no value; give one, or delete the line for the default "+s.spell(s.fallback()))
	case s.typ.Kind() == reflect.Slice:
		r.list(node, s)
	case node.Kind != yaml.ScalarNode:
		r.wrong(node.Line, s.path, "must be a single value, such as "+s.spell(s.fallback()))
	default:
		if err := parse(s.in(base), node.Value); err != nil {
			r.wrong(node.Line, s.path, err.Error())
		}
	}
}

func (r *reader) list(node *yaml.Node, s setting) {
	if node.Kind != yaml.SequenceNode {
		what := "must be a list; write [] for an empty one"
		switch {
		case s.item != nil:
			what = "must be a list; write \"- \" before the first key of each item, and [] for an empty list"
		case node.Kind == yaml.ScalarNode:
			what = "must be a list; write [" + quote(node.Value) + "]"
		}
		r.wrong(node.Line, s.path, what)
		return
	}
	if s.item != nil {
		r.groups(node, s)
		return
	}
	var items []string
	for i, item := range node.Content {
		if r.more {
			return
		}
		path := fmt.Sprintf("%s[%d]", s.path, i)
		r.lines[path] = item.Line
		if !r.plain(item, path) {
			r.failed[s.path] = true
			continue
		}
		if item.Kind != yaml.ScalarNode || item.ShortTag() == "!!null" {
			r.wrong(item.Line, path, "must be a single value; write it, or delete the item")
			r.failed[s.path] = true
			continue
		}
		items = append(items, item.Value)
	}
	if !r.failed[s.path] { // else the numbers of the items would be others
		s.of(&r.config).Set(reflect.ValueOf(items))
	}
}

// groups reads a list of groups.
func (r *reader) groups(node *yaml.Node, s setting) {
	list := reflect.MakeSlice(s.typ, 0, 0)
	for i, item := range node.Content {
		if r.more {
			return
		}
		path := fmt.Sprintf("%s[%d]", s.path, i)
		r.lines[path] = item.Line
		if !r.plain(item, path) {
			r.failed[s.path] = true
			continue
		}
		if item.Kind != yaml.MappingNode {
			r.wrong(item.Line, path, "must have keys: "+names(s.item)+"; write them, or delete the item")
			r.failed[s.path] = true
			continue
		}
		value := reflect.New(s.typ.Elem()).Elem()
		r.mapping(item, s.item, path+".", value)
		list = reflect.Append(list, value)
	}
	if !r.failed[s.path] && list.Len() > 0 {
		s.of(&r.config).Set(list)
	}
}

// plain refuses what YAML has for other uses: a value must be what it looks
// like, in the place where it stands.
func (r *reader) plain(node *yaml.Node, path string) bool {
	switch {
	case node.Kind == yaml.AliasNode:
		r.wrong(node.Line, path, "uses an alias (*); write the value itself")
	case node.Anchor != "":
		r.wrong(node.Line, path, "has an anchor (&); delete it")
	case node.Style&yaml.TaggedStyle != 0:
		r.wrong(node.Line, path, "has a tag (!); delete it")
	default:
		return true
	}
	return false
}
