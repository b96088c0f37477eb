package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// source is the file with the structs. Their comments are the documentation,
// so it cannot say anything else than the code that it stands beside.
//
//go:embed config.go
var source string

// comments returns the comment of each field by "Type.Field".
func comments() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		panic("config: our own source does not parse: " + err.Error()) // it compiled
	}
	found := make(map[string]string)
	for _, declaration := range file.Decls {
		types, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range types.Specs {
			named, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			fields, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					found[named.Name.Name+"."+name.Name] = strings.TrimSpace(f.Doc.Text())
				}
			}
		}
	}
	return found
}

// allowed says which values a setting may have; "" if any.
func (s setting) allowed() string {
	if words := s.tag.Get("oneof"); words != "" {
		return "one of " + strings.Join(strings.Fields(words), ", ")
	}
	if s.typ.Kind() == reflect.Slice {
		return "at most " + s.tag.Get("max") + " items"
	}
	if low := s.tag.Get("min"); low != "" {
		return low + " to " + s.tag.Get("max")
	}
	return ""
}

// YAML returns c as a file that Parse turns into the same Config again. c must
// be valid.
func (c Config) YAML() string {
	var b strings.Builder
	write(&b, &c, settings(), "", nil)
	return b.String()
}

// Sample returns a configuration file with every key, its comment and its
// default.
func Sample() string {
	var b strings.Builder
	b.WriteString(`# Sallyport's start-up configuration. Every key is here with its default, and
# may be left out. A key that is not known stops the start. Everything else is
# set by commands and kept in the database.
`)
	write(&b, new(Default()), settings(), "", comments())
	return b.String()
}

// write writes the settings at one indentation, with comments if there are any.
func write(b *strings.Builder, c *Config, list []setting, indent string, comments map[string]string) {
	for _, s := range list {
		if comments != nil {
			b.WriteString("\n")
			for line := range strings.SplitSeq(comments[s.doc], "\n") {
				fmt.Fprintf(b, "%s# %s\n", indent, line)
			}
			if allowed := s.allowed(); allowed != "" {
				fmt.Fprintf(b, "%s# Allowed: %s.\n", indent, allowed)
			}
			for i, key := range s.item {
				begin := "#   "
				if i == 0 {
					begin = "# - "
				}
				fmt.Fprintf(b, "%s%s%s: \"\"\n", indent, begin, key.name)
				for line := range strings.SplitSeq(comments[key.doc], "\n") {
					fmt.Fprintf(b, "%s#     %s\n", indent, line)
				}
			}
		}
		if s.isGroup() {
			fmt.Fprintf(b, "%s%s:\n", indent, s.name)
			write(b, c, s.group, indent+"  ", comments)
		} else {
			fmt.Fprintf(b, "%s%s: %s\n", indent, s.name, s.spell(s.of(c)))
		}
	}
}

// Document returns the reference of all keys as Markdown.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Configuration

The configuration file is YAML, and small: it holds what the server must know
before it can open its database. Everything else is set by commands, where
every change has an author and a history.

- A key that is left out has its default; an empty file is a valid one.
- A key that is not known, is there twice, or has no value stops the start. All
  mistakes are reported at once, each with its line.
- What the command line says goes before what the file says. Environment
  variables are not read.
- A length of time is a number with a unit: ` + "`90s`, `2m`" + `.
- Anchors, aliases, tags and second documents of YAML are refused.

## Keys
`)
	describe(&b, new(Default()), settings(), comments())
	b.WriteString("\n## A file with all defaults\n\n```yaml\n" + Sample() + "```\n")
	return b.String()
}

func describe(b *strings.Builder, c *Config, list []setting, comments map[string]string) {
	for _, s := range list {
		fmt.Fprintf(b, "\n### `%s`\n\n%s\n", s.path, markdown(comments[s.doc]))
		if s.isGroup() {
			describe(b, c, s.group, comments)
			continue
		}
		fmt.Fprintf(b, "\nDefault: `%s`.", s.spell(s.of(c)))
		if allowed := s.allowed(); allowed != "" {
			fmt.Fprintf(b, " Allowed: %s.", allowed)
		}
		b.WriteString("\n")
		if s.item == nil {
			continue
		}
		b.WriteString("\nEach item has these keys:\n\n")
		for _, key := range s.item {
			fmt.Fprintf(b, "- `%s`: %s\n", key.name, strings.ReplaceAll(markdown(comments[key.doc]), "\n", "\n  "))
		}
	}
}

// markdown keeps what our comments may contain from being taken for markup.
func markdown(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`").Replace(text)
}

// An Entry is one key with its value, for people who look at a running server.
type Entry struct {
	Key   string // "https.address"
	Value string // as the file would have it, passwords hidden
	Help  string // what it is for
}

// Entries lists what c says, key by key.
func (c Config) Entries() []Entry {
	about := comments()
	var list []Entry
	for _, s := range leaves(settings()) {
		value := s.spell(s.of(&c))
		if s.path == "database" {
			value = quote(c.Database.String())
		}
		list = append(list, Entry{Key: s.path, Value: value, Help: strings.ReplaceAll(about[s.doc], "\n", " ")})
	}
	return list
}
