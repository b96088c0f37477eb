package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON reads JSON (RFC 8259) that means one thing to every reader: no
// name twice in an object, no text that a decoder would change. It writes JSON
// as it is.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	},
	Unmarshal: func(b []byte, v any) error {
		// huma reads each body twice, into any to check it and then into what
		// the operation takes.
		if _, first := v.(*any); first {
			if err := unambiguous(b); err != nil {
				return err
			}
		}
		return json.Unmarshal(b, v)
	},
}

// deepest is how far objects and lists may be nested in a body.
const deepest = 32

// unambiguous says what is wrong with a JSON text, if anything is.
func unambiguous(b []byte) error {
	// A decoder would put U+FFFD in place of what is not UTF-8, and keep
	// another password than the one that was meant.
	if !utf8.Valid(b) {
		return errors.New("the body is not UTF-8")
	}
	if !json.Valid(b) {
		return errors.New("the body is not one JSON value")
	}
	if err := wholeEscapes(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		names map[string]bool // nil in a list
		name  bool            // the next token is a name
	}
	var levels []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the body is not JSON: %w", err)
		}
		top := len(levels) - 1
		if top >= 0 && levels[top].names != nil {
			if name, ok := token.(string); ok && levels[top].name {
				// Decoders differ in whether case matters.
				if folded := strings.ToLower(name); levels[top].names[folded] {
					return fmt.Errorf("%s stands in an object twice", strconv.Quote(name))
				} else {
					levels[top].names[folded] = true
				}
				levels[top].name = false
				continue
			}
			levels[top].name = true
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: make(map[string]bool), name: true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
		}
		if len(levels) > deepest {
			return fmt.Errorf("the body is nested more than %d deep", deepest)
		}
	}
}

// wholeEscapes refuses \u escapes that stand for no character (RFC 8259,
// Section 8.2), and U+0000, which databases cannot keep. b is valid JSON, so
// that a backslash is always in a string and followed by what it escapes.
func wholeEscapes(b []byte) error {
	unit := func(i int) (uint64, bool) {
		if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 16)
		return n, err == nil
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		n, ok := unit(i)
		if !ok {
			i++ // the octet that is escaped
			continue
		}
		switch {
		case n == 0:
			return errors.New("the body holds U+0000")
		case 0xdc00 <= n && n <= 0xdfff:
			return errors.New("the body holds half a character")
		case 0xd800 <= n && n <= 0xdbff:
			if low, ok := unit(i + 6); !ok || low < 0xdc00 || low > 0xdfff {
				return errors.New("the body holds half a character")
			}
			i += 6
		}
		i += 5
	}
	return nil
}

// A FieldError says what is wrong with one part of a request.
type FieldError struct {
	Location string `json:"location" doc:"Where: body.name, query.limit, path.name"`
	Message  string `json:"message" prose:"true"`
}

var problemType = reflect.TypeFor[Problem]()

// ourProblems turns huma's refusals into problems of our shape. They never say
// again what was sent: it may be a password.
func ourProblems(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Type: "/problems/invalid", Title: "Invalid request", Status: m.Status, Detail: m.Detail}
	switch {
	case m.Status == 413:
		p.Type, p.Title = "/problems/too-large", "Request too large"
	case m.Status == 408:
		p.Type, p.Title, p.Detail = "/problems/broke-off", "The request broke off", "the request did not come whole in time"
	case m.Status == 415:
		p.Type, p.Title = "/problems/media-type", "Wrong media type"
	case m.Status >= 500:
		p.Type, p.Title, p.Detail = "/problems/broke-off", "The request broke off", "the request could not be read"
	}
	var said []string
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, FieldError{e.Location, e.Message})
		if where := strings.TrimPrefix(strings.TrimPrefix(e.Location, "body"), "."); where != "" {
			said = append(said, where+": "+e.Message)
		} else {
			said = append(said, e.Message)
		}
	}
	if n := len(said); n > 3 {
		said = append(said[:3], fmt.Sprintf("and %d more", n-3))
	}
	if len(said) > 0 && m.Status < 500 {
		p.Detail = "the request is not what it should be: " + strings.Join(said, "; ")
	}
	return p, nil
}
