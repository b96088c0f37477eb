package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A setting is one key of the file: a single value, a list, or a group of
// further keys. It knows what reflection tells about one field of Config.
type setting struct {
	path  string // "throttle.password.stop"
	name  string // "stop"
	doc   string // where its comment is: "Limit.Stop"
	index []int  // for reflect.Value.FieldByIndex, from Config or from the item
	typ   reflect.Type
	tag   reflect.StructTag

	ofItem bool // it is a key of the items of a list

	group []setting // the keys below it, if it is a group
	item  []setting // the keys of each item, if it is a list of groups
}

func (s setting) isGroup() bool { return s.typ.Kind() == reflect.Struct }

func (s setting) of(c *Config) reflect.Value { return s.in(reflect.ValueOf(c).Elem()) }

// in returns the setting's value in what holds it: a Config, or an item of a
// list of groups.
func (s setting) in(base reflect.Value) reflect.Value { return base.FieldByIndex(s.index) }

// fallback is the value where the file says nothing.
func (s setting) fallback() reflect.Value {
	if s.ofItem {
		return reflect.Zero(s.typ)
	}
	return s.of(new(Default()))
}

// settings returns the keys of the file in the order of the struct.
func settings() []setting { return settingsOf(reflect.TypeFor[Config](), "", nil) }

func settingsOf(t reflect.Type, prefix string, index []int) []setting {
	var list []setting
	for i := range t.NumField() {
		f := t.Field(i)
		s := setting{
			name:  f.Tag.Get("yaml"),
			doc:   t.Name() + "." + f.Name,
			index: append(index[:len(index):len(index)], i),
			typ:   f.Type,
			tag:   f.Tag,
		}
		s.path = prefix + s.name
		switch {
		case s.isGroup():
			s.group = settingsOf(f.Type, s.path+".", s.index)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			s.item = settingsOf(f.Type.Elem(), "", nil)
			for i := range s.item {
				s.item[i].ofItem = true
			}
		}
		list = append(list, s)
	}
	return list
}

// flat returns the settings with all that are below them, but for the keys of
// items, of which there are as many as items.
func flat(list []setting) []setting {
	var all []setting
	for _, s := range list {
		all = append(all, s)
		all = append(all, flat(s.group)...)
	}
	return all
}

// leaves returns every setting that is not a group.
func leaves(list []setting) []setting { return slices.DeleteFunc(flat(list), setting.isGroup) }

func names(list []setting) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = s.name
	}
	return strings.Join(all, ", ")
}

// quote shows a text that came from outside, but no more of it than a message
// can bear.
func quote(text string) string {
	const most = 80
	if len(text) <= most {
		return strconv.Quote(text)
	}
	return strconv.Quote(text[:most]) + "..."
}

// wholeNumber leaves out the other spellings of YAML (octal, hexadecimal,
// underscores), which nobody needs here and some would read differently.
var wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// parse turns the text of a single value into v. Its errors are the second
// half of a sentence that begins with the key.
func parse(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *DatabaseURL:
		*p = DatabaseURL(text)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || !wholeNumber.MatchString(text) {
			return fmt.Errorf("%s is not a whole number; write digits only", quote(text))
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is not a length of time; write a number and a unit, such as 90s or 2m", quote(text))
		}
		*p = d
	case *slog.Level:
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			if text == format(reflect.ValueOf(level)) {
				*p = level
				return nil
			}
		}
		return fmt.Errorf("%s is not a level; write debug, info, warn or error", quote(text))
	default:
		return errors.New("cannot be set: its type is not known to this package")
	}
	return nil
}

// format is the inverse of parse.
func format(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		text := x.String() // 2m0s, 1h0m0s
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	case slog.Level:
		return strings.ToLower(x.String())
	case DatabaseURL:
		return string(x)
	default:
		return fmt.Sprint(x)
	}
}

// spell writes a value as YAML that any parser reads the same way.
func (s setting) spell(v reflect.Value) string {
	switch {
	case s.item != nil:
		items := make([]string, v.Len())
		for i := range items {
			keys := make([]string, len(s.item))
			for j, k := range s.item {
				keys[j] = k.name + ": " + k.spell(k.in(v.Index(i)))
			}
			items[i] = "{" + strings.Join(keys, ", ") + "}"
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = strconv.Quote(format(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.Kind() == reflect.String && s.tag.Get("oneof") == "":
		return strconv.Quote(format(v))
	default:
		return format(v)
	}
}

// Set changes the setting with this key ("log.level") to what the text says,
// as a flag on the command line does to override the file. Items of a list are
// separated by commas; an empty text is an empty list. The caller calls
// Validate after the last Set. On error nothing has changed.
func (c *Config) Set(key, text string) error {
	all := flat(settings())
	i := slices.IndexFunc(all, func(s setting) bool { return s.path == key })
	if i < 0 {
		return mistake{what: unknown(key, slices.DeleteFunc(all, setting.isGroup), func(s setting) string { return s.path })}
	}
	switch s := all[i]; {
	case s.isGroup():
		return mistake{key: key, what: "is a group; set one of its keys: " + names(s.group)}
	case s.item != nil:
		return mistake{key: key, what: "is a list of groups; write it in the file"}
	case s.typ.Kind() == reflect.Slice:
		var items []string
		if strings.TrimSpace(text) != "" {
			for item := range strings.SplitSeq(text, ",") {
				items = append(items, strings.TrimSpace(item))
			}
		}
		s.of(c).Set(reflect.ValueOf(items))
	default:
		if err := parse(s.of(c), text); err != nil {
			return mistake{key: key, what: err.Error()}
		}
	}
	return nil
}

// unknown says that a key does not exist, and which one may be meant: the same
// name in another group, or the name here that takes the fewest corrections.
func unknown(key string, known []setting, name func(setting) string) string {
	all := make([]string, len(known))
	best, fewest := "", len(key)
	for i, s := range known {
		all[i] = name(s)
		longer := max(len(key), len(all[i]))
		if len(key) > 2*len(all[i]) {
			continue // no slip of the finger
		}
		if d := distance(simple(key), simple(all[i])); d <= longer/2 && d < fewest {
			best, fewest = all[i], d
		}
	}
	if elsewhere := slices.IndexFunc(flat(settings()), func(s setting) bool { return s.name == key }); elsewhere >= 0 {
		best = flat(settings())[elsewhere].path
	}
	if best != "" {
		return fmt.Sprintf("unknown key %s; did you mean %q?", quote(key), best)
	}
	return fmt.Sprintf("unknown key %s; known here: %s", quote(key), strings.Join(all, ", "))
}

// simple takes away what people vary without meaning anything by it.
func simple(key string) string {
	return strings.ReplaceAll(strings.ToLower(key), "-", "_")
}

// distance counts the letters to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
