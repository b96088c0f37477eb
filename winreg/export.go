package winreg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

const (
	header5 = "Windows Registry Editor Version 5.00"
	header4 = "REGEDIT4"

	// maxTextLines bounds the lines that one text goes over: regedit writes line
	// ends in texts as they are.
	maxTextLines = 1000
)

// readExport reads a .reg file. head is its beginning.
func readExport(name string, head []byte, r io.Reader, interesting []string) (*Registry, []Problem, error) {
	e := &export{loader: newLoader(name, interesting), lines: newLines(head, r)}
	for started := false; ; {
		line, err := e.lines.next()
		if errors.Is(err, io.EOF) {
			if !started {
				return nil, nil, ErrFormat
			}
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("winreg: read %s: %w", name, err)
		}
		text := strings.TrimLeft(line.text, " \t")
		if !started {
			switch {
			case text == "" || text[0] == ';':
				if e.lines.number > maxTextLines {
					return nil, nil, ErrFormat
				}
				continue
			case isHeader(text, header5), isHeader(text, header4):
			case text[0] == '[' && rooted(text):
				e.problem(line.number, "the first line should be %q: regedit does not import this file", header5)
			default:
				return nil, nil, ErrFormat
			}
			started = true
		}
		if line.cut {
			e.problem(line.number, "the line is longer than %d octets", maxLine)
			continue
		}
		switch {
		case text == "" || text[0] == ';':
		case isHeader(text, header5):
			e.ansi, e.key = false, nil
		case isHeader(text, header4):
			e.ansi, e.key = true, nil
		case text[0] == '[':
			e.readKey(text, line.number)
		case text[0] == '"' || text[0] == '@':
			if err := e.readValue(text, line); err != nil {
				return nil, nil, fmt.Errorf("winreg: read %s: %w", name, err)
			}
		default:
			e.problem(line.number, "neither a key, a value nor a comment")
		}
	}
	return e.reg, e.problems, nil
}

func isHeader(text, header string) bool {
	return strings.EqualFold(strings.TrimRight(text, " \t"), header)
}

// rooted says whether a line that begins with '[' is that of a key.
func rooted(text string) bool {
	path, _, ok := bracketed(text)
	if !ok {
		return false
	}
	_, ok = Canonical(path)
	return ok
}

// bracketed returns what stands in brackets. Names may contain brackets
// themselves; a comment may follow.
func bracketed(text string) (path string, deleted, ok bool) {
	end := strings.LastIndexByte(text, ']')
	if end < 0 {
		return "", false, false
	}
	if rest := strings.TrimLeft(text[end+1:], " \t"); rest != "" && rest[0] != ';' {
		return "", false, false
	}
	path, deleted = strings.CutPrefix(text[1:end], "-")
	return path, deleted, true
}

// An export is being read.
type export struct {
	*loader
	lines *lines
	ansi  bool  // REGEDIT4: texts in binary form are ANSI
	key   *node // nil if its values are not to be kept
}

func (e *export) readKey(text string, number int) {
	e.key = nil
	path, deleted, ok := bracketed(text)
	if !ok {
		e.problem(number, "the line of a key does not end with ]")
		return
	}
	parts, ok := Canonical(path)
	switch {
	case !ok:
		e.problem(number, "the key does not begin with a root such as HKEY_LOCAL_MACHINE")
	case len(parts) > maxDepth:
		e.problem(number, "more than %d keys in each other", maxDepth)
	case deleted:
		e.remove(parts)
	case e.wants(parts):
		e.key = e.loader.key(parts, number)
	}
}

// readValue reads a value, over as many lines as it takes. Its only errors are
// those of reading.
func (e *export) readValue(text string, line line) error {
	v := Value{Source: Source{File: e.file, Line: line.number}}
	rest, lone := text[1:], false
	if text[0] == '"' {
		q := unquote(rest)
		if !q.closed {
			e.problem(line.number, "the name of a value does not end with \"")
			return nil
		}
		v.Name, rest = q.text, q.rest
		lone = q.lone
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if !ok {
		e.problem(line.number, "the name of a value is not followed by =")
		return nil
	}
	if len(v.Name) > maxName*3 {
		e.problem(line.number, "the name of a value is longer than a name can be")
		return nil
	}
	rest = strings.TrimLeft(rest, " \t")
	word, number, colon := strings.Cut(rest, ":")
	word = strings.ToLower(word)
	if !colon {
		word = ""
	}
	switch {
	case strings.HasPrefix(rest, "-") && ended(rest[1:]):
		if e.key != nil {
			delete(e.key.values, strings.ToLower(v.Name))
		}
		return nil
	case strings.HasPrefix(rest, `"`):
		v.Type = String
		text, ok, err := e.readText(rest[1:], line, &lone)
		if err != nil || !ok {
			return err
		}
		v.Data = encodeUTF16(text + "\x00")
	case word == "dword":
		v.Type = DWORD
		digits := strings.TrimLeft(number, " \t")
		end := len(digits)
		if i := strings.IndexAny(digits, " \t;"); i >= 0 {
			end = i
		}
		n, err := strconv.ParseUint(digits[:end], 16, 32)
		if err != nil || !ended(digits[end:]) {
			e.problem(line.number, "dword: must be followed by up to 8 hexadecimal digits")
			return nil
		}
		v.Data = binary.LittleEndian.AppendUint32(nil, uint32(n))
	case word == "hex", strings.HasPrefix(word, "hex(") && strings.HasSuffix(word, ")"):
		v.Type = Binary
		data, ok, err := e.readHex(number, line.number)
		if err != nil || !ok {
			return err
		}
		if word != "hex" {
			n, err := strconv.ParseUint(word[len("hex("):len(word)-1], 16, 32)
			if err != nil {
				e.problem(line.number, "the type in hex(...) is not a hexadecimal number")
				return nil
			}
			v.Type = Type(n)
		}
		if e.ansi && (v.Type == String || v.Type == ExpandString || v.Type == MultiString) {
			data = fromANSI(data)
		}
		v.Data = data
	default:
		e.problem(line.number, `what follows = is none of "text", dword:, hex:, hex(type): and -`)
		return nil
	}
	if lone {
		e.problem(line.number, `a \ in quotation marks must be written \\; it was read as if it were`)
	}
	switch {
	case len(v.Data) > maxValue:
		e.problem(line.number, "the value is longer than %d octets", maxValue)
	case e.key != nil:
		e.set(e.key, v)
	}
	return nil
}

// ended says whether nothing but a comment follows.
func ended(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return rest == "" || rest[0] == ';'
}

// readText reads a text behind its first quotation mark. It goes over several
// lines if there are line ends in it. lone is set if a backslash stands alone.
func (e *export) readText(rest string, at line, lone *bool) (string, bool, error) {
	q := unquote(rest)
	var b strings.Builder
	b.WriteString(q.text)
	*lone = *lone || q.lone
	var taken []line
	for end := at.end; !q.closed; {
		next, err := e.lines.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return "", false, err
		}
		// A text without its end must not swallow what comes after it.
		if err != nil || next.cut || len(taken) == maxTextLines || b.Len() > maxValue || startsSomething(next.text) {
			if err == nil {
				taken = append(taken, next)
			}
			e.lines.unread(taken)
			e.problem(at.number, `the text does not end with "`)
			return "", false, nil
		}
		taken = append(taken, next)
		q = unquote(next.text)
		*lone = *lone || q.lone
		b.WriteString(end)
		b.WriteString(q.text)
		end = next.end
	}
	if !ended(q.rest) {
		e.problem(at.number, `the text goes on behind its end: a " inside of it must be written \"`)
		return "", false, nil
	}
	return b.String(), true, nil
}

// startsSomething says whether a line looks like the beginning of a key or
// value.
func startsSomething(text string) bool {
	text = strings.TrimLeft(text, " \t")
	switch {
	case strings.HasPrefix(text, "["):
		return rooted(text)
	case strings.HasPrefix(text, "@"):
		return strings.HasPrefix(strings.TrimLeft(text[1:], " \t"), "=")
	case strings.HasPrefix(text, `"`):
		q := unquote(text[1:])
		return q.closed && strings.HasPrefix(strings.TrimLeft(q.rest, " \t"), "=")
	}
	return false
}

// quoted is a text, or a part of one.
type quoted struct {
	text   string
	rest   string // behind the quotation mark
	closed bool   // by a quotation mark
	lone   bool   // there was a backslash before neither a backslash nor a quotation mark
}

// unquote reads up to the quotation mark that is not escaped.
func unquote(s string) quoted {
	var q quoted
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			q.text, q.rest, q.closed = b.String(), s[i+1:], true
			return q
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"'):
			i++
			b.WriteByte(s[i])
		default:
			q.lone = q.lone || s[i] == '\\'
			b.WriteByte(s[i])
		}
	}
	q.text = b.String()
	return q
}

// readHex reads octets, over as many lines as end with a backslash.
func (e *export) readHex(rest string, number int) ([]byte, bool, error) {
	var data []byte
	sound := true
	for {
		body, more := strings.CutSuffix(strings.TrimRight(rest, " \t"), `\`)
		if !more {
			body, _, _ = strings.Cut(body, ";")
		}
		for part := range strings.SplitSeq(body, ",") {
			part = strings.Trim(part, " \t")
			if part == "" {
				continue
			}
			n, err := strconv.ParseUint(part, 16, 8)
			if err != nil || len(part) > 2 {
				sound = false
				break
			}
			if len(data) <= maxValue {
				data = append(data, byte(n))
			}
		}
		if !more {
			break
		}
		next, err := e.lines.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if err != nil || next.cut || startsSomething(next.text) {
			if err == nil {
				e.lines.unread([]line{next})
			}
			e.problem(number, `the value ends in the middle: its last line ends with \`)
			return nil, false, nil
		}
		rest = next.text
	}
	if !sound {
		e.problem(number, "hex must be followed by octets of two hexadecimal digits with commas between them")
	}
	return data, sound, nil
}

func fromANSI(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = append(out, encodeUTF16(string(charmap.Windows1252.DecodeByte(c)))...)
	}
	return out
}
