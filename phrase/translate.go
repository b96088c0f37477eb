package phrase

import (
	"reflect"
	"sync"
)

// Translate returns v with every sentence in it said by say: each string in a
// field with the tag prose:"true", of structs however deep in v. Such a field
// may also be a pointer to a string, or a list, map or interface of them. v
// itself stays as it is; what holds no sentence is shared with it, not copied.
// It costs nothing for types that have no such field.
//
// A value that is a Speaker says itself. Fields of embedded structs count if the
// struct's type is exported. Keys of maps are names, and octets such as those of a json.RawMessage are
// passed on.
func Translate[T any](v T, say func(string) string) T {
	in := reflect.ValueOf(&v).Elem()
	if out, changed := planOf(in.Type()).apply(in, say, false); changed {
		reflect.ValueOf(&v).Elem().Set(out)
	}
	return v
}

// A Speaker says its own sentences, where tags cannot tell them from other texts.
type Speaker interface {
	// Said, whose receiver is a value, returns a copy of it, of the same type, with its sentences
	// said by say.
	Said(say func(string) string) any
}

var speakerType = reflect.TypeFor[Speaker]()

// A plan is what there is to do to the values of a type.
type plan struct {
	typ reflect.Type
	own bool // it is a Speaker
	// speaks is whether a value may hold a sentence: it or what it leads to has a
	// tagged field, or an interface, of which only the value tells.
	speaks bool
	// fields are those of a struct that are to be looked at.
	fields []field
}

type field struct {
	index int
	prose bool
}

var plans sync.Map // of reflect.Type to *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{typ: t, own: t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer && t.Implements(speakerType), speaks: speaks(t, make(map[reflect.Type]bool))}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				continue
			}
			prose := f.Tag.Get("prose") == "true"
			if prose || speaks(f.Type, make(map[reflect.Type]bool)) {
				p.fields = append(p.fields, field{i, prose})
			}
		}
	}
	kept, _ := plans.LoadOrStore(t, p)
	return kept.(*plan)
}

// speaks reports whether a value of t may hold a tagged field. seen are the types
// that are being looked at, for those that hold themselves.
func speaks(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.Implements(speakerType) {
		return true
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return speaks(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && (f.Tag.Get("prose") == "true" || speaks(f.Type, seen)) {
				return true
			}
		}
	default:
	}
	return false
}

// apply returns v with its sentences said, and whether that is another value
// than v. If prose is set, the strings of v are sentences themselves.
func (p *plan) apply(v reflect.Value, say func(string) string, prose bool) (reflect.Value, bool) {
	if !prose && !p.speaks {
		return v, false
	}
	if p.own {
		return reflect.ValueOf(v.Interface().(Speaker).Said(say)), true
	}
	switch p.typ.Kind() {
	case reflect.String:
		if !prose {
			return v, false
		}
		text := v.String()
		other := say(text)
		if other == text {
			return v, false
		}
		out := reflect.New(p.typ).Elem()
		out.SetString(other)
		return out, true
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		inner, changed := planOf(v.Elem().Type()).apply(v.Elem(), say, prose)
		if !changed {
			return v, false
		}
		out := reflect.New(p.typ).Elem()
		if p.typ.Kind() == reflect.Pointer {
			out.Set(reflect.New(p.typ.Elem()))
			out.Elem().Set(inner)
		} else {
			out.Set(inner)
		}
		return out, true
	case reflect.Slice, reflect.Array:
		return p.list(v, say, prose)
	case reflect.Map:
		return p.keyed(v, say, prose)
	case reflect.Struct:
		return p.record(v, say)
	default:
		return v, false
	}
}

func (p *plan) list(v reflect.Value, say func(string) string, prose bool) (reflect.Value, bool) {
	var out reflect.Value
	each := planOf(p.typ.Elem())
	for i := range v.Len() {
		inner, changed := each.apply(v.Index(i), say, prose)
		if !changed {
			continue
		}
		if !out.IsValid() {
			if p.typ.Kind() == reflect.Slice {
				out = reflect.MakeSlice(p.typ, v.Len(), v.Len())
			} else {
				out = reflect.New(p.typ).Elem()
			}
			reflect.Copy(out, v)
		}
		out.Index(i).Set(inner)
	}
	if !out.IsValid() {
		return v, false
	}
	return out, true
}

func (p *plan) keyed(v reflect.Value, say func(string) string, prose bool) (reflect.Value, bool) {
	var out reflect.Value
	each := planOf(p.typ.Elem())
	for entries := v.MapRange(); entries.Next(); {
		inner, changed := each.apply(entries.Value(), say, prose)
		if !changed {
			continue
		}
		if !out.IsValid() {
			out = reflect.MakeMapWithSize(p.typ, v.Len())
			for all := v.MapRange(); all.Next(); {
				out.SetMapIndex(all.Key(), all.Value())
			}
		}
		out.SetMapIndex(entries.Key(), inner)
	}
	if !out.IsValid() {
		return v, false
	}
	return out, true
}

func (p *plan) record(v reflect.Value, say func(string) string) (reflect.Value, bool) {
	var out reflect.Value
	for _, f := range p.fields {
		inner, changed := planOf(v.Field(f.index).Type()).apply(v.Field(f.index), say, f.prose)
		if !changed {
			continue
		}
		if !out.IsValid() {
			out = reflect.New(p.typ).Elem()
			out.Set(v)
		}
		out.Field(f.index).Set(inner)
	}
	if !out.IsValid() {
		return v, false
	}
	return out, true
}
