package pskc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits that keep a hostile document from costing more than a good one of its
// size. A key package of a real token takes about 2 KiB and 8 levels.
const (
	maxDepth   = 32
	maxElement = 1 << 20 // bytes of one child of the root, and of one token of XML
)

// node is an element. Elements of namespaces we do not know are left out.
type node struct {
	name     string // without namespace
	line     int
	attrs    []xml.Attr
	text     []byte
	children []*node
	foreign  bool // an element of an unknown namespace was left out
}

// Namespaces whose elements are read beside that of the root. Some writers put
// PBKDF2 parameters in none at all, RFC 6030 itself in Figure 7 among them.
var knownSpaces = map[string]bool{
	"":                                   true,
	"http://www.w3.org/2000/09/xmldsig#": true,
	"http://www.w3.org/2001/04/xmlenc#":  true,
	"http://www.w3.org/2009/xmlenc11#":   true,
	"http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5#":     true,
	"http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#": true,
}

// pskcSpace begins the namespace of PSKC, urn:ietf:params:xml:ns:keyprov:pskc,
// and those of its drafts.
const pskcSpace = "urn:ietf:params:xml:ns:keyprov:"

// readXML reads a KeyContainer one child of the root at a time, so that memory
// is bounded by the largest child. Document type declarations are refused, and
// with them all entities but the five of XML itself.
func readXML(data []byte, keys Keys, l *list) error {
	src := &meter{data: data}
	dec := xml.NewDecoder(src)
	c := container{vault: vault{keys: keys}, list: l}
	broken := func(err error) error {
		line, _ := dec.InputPos()
		if errors.Is(err, errElementTooLarge) {
			return fmt.Errorf("pskc: an element that reaches line %d is larger than %d KiB", line, maxElement>>10)
		}
		if errors.Is(err, errTooManyRows) {
			return err
		}
		// Errors of encoding/xml may quote their input, which holds keys.
		if reason := (*documentError)(nil); errors.As(err, &reason) {
			return fmt.Errorf("pskc: line %d: %s", line, reason.text)
		}
		return fmt.Errorf("pskc: not well-formed XML in UTF-8 at line %d", line)
	}

	var (
		stack []*node // open elements from the root on; nil for those left out
		space string  // namespace of the root
		done  bool    // the root is closed
	)
	for {
		if len(stack) <= 1 {
			src.limit = src.pos + maxElement
		}
		line, _ := dec.InputPos()
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return broken(&documentError{"document type declarations are not accepted"})
		case xml.CharData:
			switch {
			case len(stack) == 0:
				if len(bytes.TrimSpace(token)) > 0 {
					return broken(&documentError{"text outside the root element"})
				}
			case len(stack) > 1 && stack[len(stack)-1] != nil: // that of the root is not kept
				n := stack[len(stack)-1]
				n.text = append(n.text, token...)
			}
		case xml.StartElement:
			if len(stack) >= maxDepth {
				return broken(&documentError{"elements are nested too deeply"})
			}
			n := &node{name: token.Name.Local, line: line, attrs: token.Copy().Attr}
			if len(stack) == 0 {
				if done || n.name != "KeyContainer" || !strings.HasPrefix(token.Name.Space, pskcSpace) {
					return broken(&documentError{"not a token seed file: the root element is not a PSKC KeyContainer"})
				}
				space = token.Name.Space
				if v := n.attr("Version"); v != "" && v != "1" && v != "1.0" {
					return broken(&documentError{"the version of PSKC is not 1.0"})
				}
			} else if parent := stack[len(stack)-1]; parent == nil {
				n = nil
			} else if token.Name.Space != space && !knownSpaces[token.Name.Space] {
				parent.foreign = true
				n = nil
			} else if len(stack) > 1 { // children of the root are not kept
				parent.children = append(parent.children, n)
			}
			stack = append(stack, n)
		case xml.EndElement:
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			done = len(stack) == 0
			if len(stack) == 1 && n != nil {
				if err := c.take(n); err != nil {
					return broken(err)
				}
			}
		}
	}
	if !done {
		return broken(io.ErrUnexpectedEOF)
	}
	return c.verdict()
}

// documentError is a fault of the document as a whole, in words fit to show.
type documentError struct{ text string }

func (e *documentError) Error() string { return e.text }

var errElementTooLarge = errors.New("element too large")

// meter hands out data byte by byte up to limit. Being an io.ByteReader it is
// read by encoding/xml without a buffer, so pos is exact.
type meter struct {
	data       []byte
	pos, limit int
}

func (m *meter) ReadByte() (byte, error) {
	if m.pos >= len(m.data) {
		return 0, io.EOF
	}
	if m.pos >= m.limit {
		return 0, errElementTooLarge
	}
	m.pos++
	return m.data[m.pos-1], nil
}

// Read makes meter an io.Reader, which xml.NewDecoder asks for and never uses.
func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := m.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// attr returns the first attribute with one of these names, in any case,
// without the spaces around it, or "".
func (n *node) attr(names ...string) string {
	if n == nil {
		return ""
	}
	for _, name := range names {
		for _, a := range n.attrs {
			if a.Name.Space == "" && strings.EqualFold(a.Name.Local, name) {
				return strings.TrimSpace(a.Value)
			}
		}
	}
	return ""
}

// all returns the children called name.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var found []*node
	for _, child := range n.children {
		if child.name == name {
			found = append(found, child)
		}
	}
	return found
}

// reading walks a row and remembers the first thing that is wrong with it, so
// that the steps need not be checked one by one.
type reading struct{ err error }

func (r *reading) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// one follows path down from n. It returns nil if there is no such element. Two
// of them are an error: which one counts would be a guess.
func (r *reading) one(n *node, path ...string) *node {
	for _, name := range path {
		found := n.all(name)
		switch len(found) {
		case 0:
			return nil
		case 1:
			n = found[0]
		default:
			r.fail(fmt.Errorf("there is more than one %s", name))
			return nil
		}
	}
	return n
}

// text returns the text of the element at path, without the spaces around it.
func (r *reading) text(n *node, path ...string) string {
	if n = r.one(n, path...); n == nil {
		return ""
	}
	return strings.TrimSpace(string(n.text))
}

// base64 decodes s, in which white space may stand anywhere. what is its name
// in the error.
func (r *reading) base64(s, what string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		r.fail(fmt.Errorf("the %s is not Base64", what))
		return nil
	}
	return b
}
