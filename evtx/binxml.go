package evtx

import (
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// Binary XML is parsed to nodes, and these are rendered. A template is parsed
// once for its chunk, however many records use it.
type (
	// A node is one piece of content. Exactly one of literal, element, instance
	// and sub is set; sub if the others are zero and slot is not noSlot.
	node struct {
		literal  string // escaped for where it stands
		element  *element
		instance *instance
		slot     int // index of the value to put here, noSlot if this is none
		optional bool
	}
	element struct {
		name    string
		attrs   []attr
		content []node
		empty   bool // written <name/>
	}
	attr struct {
		name  string
		value []node
	}
	// A template is a text with slots for the values that differ from record to
	// record.
	template struct {
		nodes []node
		ready bool // false while it is being parsed
	}
	// An instance is a template with its values.
	instance struct {
		template *template
		values   []value
	}
	// A value lies in the chunk from start to end.
	value struct {
		kind       byte
		start, end int
	}
)

const noSlot = -1

// Tokens of binary XML ([MS-EVEN6], Section 2.2.12). moreData says only that
// another of the same kind follows, which the next token says anyway.
const (
	tokenEOF               = 0x00
	tokenOpenStart         = 0x01
	tokenCloseStart        = 0x02
	tokenCloseEmpty        = 0x03
	tokenEndElement        = 0x04
	tokenValue             = 0x05
	tokenAttribute         = 0x06
	tokenCDATA             = 0x07
	tokenCharRef           = 0x08
	tokenEntityRef         = 0x09
	tokenPITarget          = 0x0a
	tokenPIData            = 0x0b
	tokenTemplateInstance  = 0x0c
	tokenNormalSlot        = 0x0d
	tokenOptionalSlot      = 0x0e
	tokenFragmentHeader    = 0x0f
	moreData               = 0x40
	templateHeaderSize     = 24 // offset of the next one, GUID, size of what follows
	nameHeaderSize         = 8  // offset of the next one, hash, characters
	fragmentHeaderRestSize = 3
)

const (
	// maxDepth bounds elements in elements, templates in templates and binary XML
	// in values, taken together. Windows writes about 10.
	maxDepth = 64
	// maxWork bounds what is spent on one chunk: an octet that is read or written
	// costs one, a token tokenWork. The templates of a chunk of 64 KiB turn its
	// records into at most some 2 MB of XML in practice, but a file can be made
	// to ask for terabytes.
	maxWork   = 16 << 20
	tokenWork = 8
	// maxNodes bounds the nodes of one record, and of one template.
	maxNodes = chunkSize
	maxAttrs = 256
	// maxName bounds the characters of names: a name is written twice for every
	// element.
	maxName  = 256
	nameWork = 512
)

var (
	errTooMuch = errors.New("the chunk asks for more work than an event log gives")
	errNoEvent = errors.New("the record holds no event")
	errDepth   = errors.New("nested too deeply")
	errShort   = errors.New("ends early")
)

// A parser reads the binary XML between pos and end.
type parser struct {
	chunk    *chunk
	pos, end int
	depth    int
	nodes    int // that may still be made
	// dependency is whether elements carry a dependency identifier: they do in
	// templates.
	dependency bool
}

// fragment reads the nodes between start and end: an event, or a value that is
// binary XML itself.
func (c *chunk) fragment(start, end, depth int) ([]node, error) {
	var first error
	// Some writers put dependency identifiers outside of templates too.
	for _, dependency := range []bool{false, true} {
		p := parser{chunk: c, pos: start, end: end, depth: depth, nodes: maxNodes, dependency: dependency}
		nodes, last, err := p.content()
		if err == nil && last != tokenEOF {
			err = fmt.Errorf("token %#02x at the end", last)
		}
		if err == nil || errors.Is(err, errTooMuch) {
			return nodes, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (p *parser) take(n int) ([]byte, error) {
	if n < 0 || n > p.end-p.pos {
		return nil, errShort
	}
	b := p.chunk.data[p.pos : p.pos+n]
	p.pos += n
	return b, nil
}

func (p *parser) uint8() (byte, error) {
	b, err := p.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (p *parser) uint16() (int, error) {
	b, err := p.take(2)
	if err != nil {
		return 0, err
	}
	return int(binary.LittleEndian.Uint16(b)), nil
}

// uint32 reads a number that counts or measures something in the chunk. What
// cannot be in a chunk is an error here already.
func (p *parser) uint32() (int, error) {
	b, err := p.take(4)
	if err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint32(b)
	if n > chunkSize {
		return 0, fmt.Errorf("%d is outside of the chunk", n)
	}
	return int(n), nil
}

// count spends the work of one token.
func (p *parser) count() error {
	p.chunk.work -= tokenWork
	if p.chunk.work < 0 {
		return errTooMuch
	}
	p.nodes--
	if p.nodes < 0 {
		return errors.New("more tokens than a record can hold")
	}
	return nil
}

// content reads nodes until a token that ends them, which it returns:
// tokenEOF, also at the end of the data, tokenEndElement, or another that does
// not belong into content.
func (p *parser) content() (nodes []node, last byte, err error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, 0, errDepth
	}
	for p.pos < p.end {
		if err := p.count(); err != nil {
			return nil, 0, err
		}
		token, err := p.uint8()
		if err != nil {
			return nil, 0, err
		}
		switch token &^ moreData {
		case tokenOpenStart:
			e, err := p.element(token&moreData != 0)
			if err != nil {
				return nil, 0, err
			}
			nodes = append(nodes, node{element: e, slot: noSlot})
		case tokenTemplateInstance:
			in, err := p.instance()
			if err != nil {
				return nil, 0, err
			}
			nodes = append(nodes, node{instance: in, slot: noSlot})
		case tokenFragmentHeader:
			if _, err := p.take(fragmentHeaderRestSize); err != nil {
				return nil, 0, err
			}
		case tokenPITarget:
			// Processing instructions say nothing of an event: they are passed over.
			if _, err := p.name(); err != nil {
				return nil, 0, err
			}
		case tokenPIData:
			if _, err := p.text(); err != nil {
				return nil, 0, err
			}
		case tokenValue, tokenCDATA, tokenCharRef, tokenEntityRef, tokenNormalSlot, tokenOptionalSlot:
			n, err := p.piece(token&^moreData, inContent)
			if err != nil {
				return nil, 0, err
			}
			nodes = append(nodes, n)
		default:
			return nodes, token, nil
		}
	}
	return nodes, tokenEOF, nil
}

// piece reads what text, in elements or attributes, is made of.
func (p *parser) piece(token byte, where context) (node, error) {
	switch token {
	case tokenValue:
		kind, err := p.uint8()
		if err != nil {
			return node{}, err
		}
		if kind != typeString {
			return node{}, fmt.Errorf("a text of type %#02x", kind)
		}
		return p.literal(where)
	case tokenCDATA:
		// Escaped, like any other text: it says the same.
		return p.literal(where)
	case tokenCharRef:
		r, err := p.uint16()
		if err != nil {
			return node{}, err
		}
		return node{literal: string(appendRune(nil, rune(r), where)), slot: noSlot}, nil
	case tokenEntityRef:
		name, err := p.name()
		if err != nil {
			return node{}, err
		}
		switch name {
		case "lt", "gt", "amp", "quot", "apos":
			return node{literal: "&" + name + ";", slot: noSlot}, nil
		}
		return node{literal: "&amp;" + name + ";", slot: noSlot}, nil
	case tokenNormalSlot, tokenOptionalSlot:
		b, err := p.take(3)
		if err != nil {
			return node{}, err
		}
		// The type in the third octet is what the template expects; what the value
		// is says the value itself.
		return node{slot: int(binary.LittleEndian.Uint16(b)), optional: token == tokenOptionalSlot}, nil
	}
	return node{}, fmt.Errorf("token %#02x in a text", token)
}

func (p *parser) literal(where context) (node, error) {
	b, err := p.text()
	if err != nil {
		return node{}, err
	}
	return node{literal: string(appendUTF16(nil, b, where)), slot: noSlot}, nil
}

// text reads a string that says its own length, and returns it in UTF-16.
func (p *parser) text() ([]byte, error) {
	n, err := p.uint16()
	if err != nil {
		return nil, err
	}
	p.chunk.work -= 2 * n
	return p.take(2 * n)
}

// element reads an element behind its first token.
func (p *parser) element(hasAttrs bool) (*element, error) {
	if p.dependency {
		if _, err := p.take(2); err != nil {
			return nil, err
		}
	}
	if _, err := p.take(4); err != nil { // its size; its tokens say where it ends
		return nil, err
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	e := &element{name: name}
	if hasAttrs {
		if _, err := p.take(4); err != nil { // the size of the list
			return nil, err
		}
		if err := p.attributes(e); err != nil {
			return nil, fmt.Errorf("attributes of %s: %w", name, err)
		}
	}
	token, err := p.uint8()
	if err != nil {
		return nil, err
	}
	switch token {
	case tokenCloseEmpty:
		e.empty = true
		return e, nil
	case tokenCloseStart:
		if e.content, token, err = p.content(); err != nil {
			return nil, err
		}
		if token != tokenEndElement {
			return nil, fmt.Errorf("token %#02x where %s should end", token, name)
		}
		return e, nil
	}
	return nil, fmt.Errorf("token %#02x in the start of %s", token, name)
}

func (p *parser) attributes(e *element) error {
	for p.pos < p.end && p.chunk.data[p.pos]&^moreData == tokenAttribute {
		p.pos++
		if err := p.count(); err != nil {
			return err
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		a := attr{name: name}
		for p.pos < p.end && isPiece(p.chunk.data[p.pos]&^moreData) {
			if err := p.count(); err != nil {
				return err
			}
			token := p.chunk.data[p.pos] &^ moreData
			p.pos++
			n, err := p.piece(token, inAttribute)
			if err != nil {
				return err
			}
			a.value = append(a.value, n)
		}
		if len(e.attrs) == maxAttrs {
			return errors.New("too many")
		}
		// XML allows every name but once.
		if !e.has(name) {
			e.attrs = append(e.attrs, a)
		}
	}
	return nil
}

func (e *element) has(name string) bool {
	for _, a := range e.attrs {
		if a.name == name {
			return true
		}
	}
	return false
}

func isPiece(token byte) bool {
	switch token {
	case tokenValue, tokenCharRef, tokenEntityRef, tokenNormalSlot, tokenOptionalSlot:
		return true
	}
	return false
}

// name reads a reference to a name. The name lies elsewhere in the chunk or,
// the first time that it is used, right here.
func (p *parser) name() (string, error) {
	at, err := p.uint32()
	if err != nil {
		return "", err
	}
	name, size, err := p.chunk.name(at)
	if err != nil {
		return "", err
	}
	if at == p.pos {
		if _, err := p.take(size); err != nil {
			return "", err
		}
	}
	return name, nil
}

// name returns the name at the given offset and how many octets it takes.
func (c *chunk) name(at int) (string, int, error) {
	if at+nameHeaderSize > len(c.data) {
		return "", 0, errShort
	}
	n := int(binary.LittleEndian.Uint16(c.data[at+6:]))
	size := nameHeaderSize + 2*n + 2
	if at+size > len(c.data) {
		return "", 0, errShort
	}
	if name, ok := c.names[at]; ok {
		return name, size, nil
	}
	if n == 0 || n > maxName {
		return "", 0, errors.New("a name that is empty or far too long")
	}
	// Names beyond ASCII are dear: a parser is asked about each.
	if c.work -= nameWork; c.work < 0 {
		return "", 0, errTooMuch
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(c.data[at+nameHeaderSize+2*i:])
	}
	name := xmlName(string(utf16.Decode(units)))
	if c.names == nil {
		c.names = make(map[int]string)
	}
	c.names[at] = name
	return name, size, nil
}

// xmlName returns s if XML allows it as the name of an element or attribute,
// and otherwise s with '_' in the place of every character that may be the
// reason. It must not be empty.
func xmlName(s string) string {
	ascii := true
	colons := 0
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r == ':':
			colons++
			return r
		case r >= 0x80:
			ascii = false
		}
		return '_'
	}, s)
	if first := plain[0]; first >= '0' && first <= '9' || first == '-' || first == '.' {
		plain = "_" + plain
	}
	if colons > 1 || plain[0] == ':' || plain[len(plain)-1] == ':' ||
		colons == 1 && strings.IndexByte("0123456789-.", plain[strings.IndexByte(plain, ':')+1]) >= 0 {
		plain = strings.ReplaceAll(plain, ":", "_")
	}
	// Which letters beyond ASCII a name may have only a parser knows.
	if !ascii && isName(s) {
		return s
	}
	return plain
}

func isName(s string) bool {
	if strings.ContainsAny(s, ": \t\r\n/>='\"<&") {
		return false
	}
	d := xml.NewDecoder(strings.NewReader("<" + s + "/>"))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// instance reads a template's use behind its token: where the template is, the
// template itself if this is its first use in the chunk, and the values.
func (p *parser) instance() (*instance, error) {
	if _, err := p.take(1 + 4); err != nil { // always 1; the beginning of the template's GUID
		return nil, err
	}
	at, err := p.uint32()
	if err != nil {
		return nil, err
	}
	t, size, err := p.chunk.template(at, p.depth)
	if err != nil {
		return nil, err
	}
	if at == p.pos {
		if _, err := p.take(size); err != nil {
			return nil, err
		}
	}
	n, err := p.uint32()
	if err != nil {
		return nil, err
	}
	sizes, err := p.take(4 * n)
	if err != nil {
		return nil, err
	}
	p.nodes -= n
	if p.chunk.work -= tokenWork * n; p.chunk.work < 0 {
		return nil, errTooMuch
	}
	in := &instance{template: t, values: make([]value, n)}
	for i := range in.values {
		start := p.pos
		if _, err := p.take(int(binary.LittleEndian.Uint16(sizes[4*i:]))); err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		in.values[i] = value{kind: sizes[4*i+2], start: start, end: p.pos}
	}
	return in, nil
}

// template returns the template that is defined at the given offset and how
// many octets the definition takes.
func (c *chunk) template(at, depth int) (*template, int, error) {
	if at+templateHeaderSize > len(c.data) {
		return nil, 0, errShort
	}
	n := int64(binary.LittleEndian.Uint32(c.data[at+20:]))
	size := templateHeaderSize + n
	if int64(at)+size > int64(len(c.data)) {
		return nil, 0, errShort
	}
	if t := c.templates[at]; t != nil {
		if !t.ready {
			return nil, 0, errors.New("a template that is part of itself, or damaged")
		}
		return t, int(size), nil
	}
	t := new(template)
	if c.templates == nil {
		c.templates = make(map[int]*template)
	}
	// It stays in the map if it cannot be parsed, lest every record tries again.
	c.templates[at] = t
	p := parser{
		chunk: c, pos: at + templateHeaderSize, end: at + int(size),
		depth: depth, nodes: maxNodes, dependency: true,
	}
	nodes, last, err := p.content()
	if err != nil {
		return nil, 0, fmt.Errorf("template: %w", err)
	}
	if last != tokenEOF {
		return nil, 0, fmt.Errorf("template: token %#02x at its end", last)
	}
	t.nodes, t.ready = nodes, true
	return t, int(size), nil
}
