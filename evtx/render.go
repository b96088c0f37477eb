package evtx

import "errors"

// A renderer writes nodes as XML. It keeps its buffer from record to record.
type renderer struct {
	chunk *chunk
	out   []byte
	depth int // of templates and values in each other, and of elements
	open  int // elements that have been begun and not ended
	roots int // elements that stand in no other
}

// record renders the event of one record. The result is valid until the next
// call. It returns errTooMuch if the chunk is not worth going on with.
func (r *renderer) record(c *chunk, raw rawRecord) ([]byte, error) {
	r.chunk, r.out = c, r.out[:0]
	r.depth, r.open, r.roots = 0, 0, 0
	nodes, err := c.fragment(raw.start, raw.end, 0)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, errNoEvent
	}
	if err := r.content(nodes, nil); err != nil {
		return nil, err
	}
	if r.roots != 1 {
		return nil, errors.New("not one element")
	}
	return r.out, nil
}

// spend pays for what has been written since the buffer's length was n, and for
// one node.
func (r *renderer) spend(n int) error {
	r.chunk.work -= tokenWork + len(r.out) - n
	if r.chunk.work < 0 {
		return errTooMuch
	}
	return nil
}

// content writes nodes. The values are those of the template that they are of.
func (r *renderer) content(nodes []node, values []value) error {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxDepth {
		return errDepth
	}
	for _, n := range nodes {
		var err error
		switch {
		case n.element != nil:
			err = r.element(n.element, values)
		case n.instance != nil:
			err = r.content(n.instance.template.nodes, n.instance.values)
		default:
			err = r.piece(n, values, inContent)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// piece writes a literal or a value.
func (r *renderer) piece(n node, values []value, where context) error {
	before := len(r.out)
	switch {
	case n.slot == noSlot:
		r.out = append(r.out, n.literal...)
	case n.slot < len(values):
		v := values[n.slot]
		if v.kind == typeBinXML {
			if where == inAttribute {
				return errors.New("binary XML in an attribute")
			}
			return r.embedded(v)
		}
		r.out = v.append(r.out, r.chunk.data, where)
	}
	if r.open == 0 && len(r.out) > before {
		return errors.New("text outside of the element")
	}
	return r.spend(before)
}

// embedded writes a value that is binary XML itself.
func (r *renderer) embedded(v value) error {
	if err := r.spend(len(r.out)); err != nil {
		return err
	}
	nodes, err := r.chunk.fragment(v.start, v.end, r.depth)
	if err != nil {
		return err
	}
	return r.content(nodes, nil)
}

// element writes an element: once, or for each item if its content is an array,
// or not at all if its content is optional and absent ([MS-EVEN6], Section
// 2.2.12).
func (r *renderer) element(e *element, values []value) error {
	if len(e.content) != 1 || e.content[0].slot == noSlot {
		return r.filled(e, values, nil)
	}
	slot := e.content[0]
	var v value
	if slot.slot < len(values) {
		v = values[slot.slot]
	}
	if slot.optional && v.null() {
		return nil
	}
	if !v.array() {
		return r.filled(e, values, nil)
	}
	items := v.items(r.chunk.data)
	if len(items) == 0 {
		return r.filled(e, values, &value{})
	}
	for i := range items {
		if err := r.filled(e, values, &items[i]); err != nil {
			return err
		}
	}
	return nil
}

// filled writes an element; with item as its content if that is not nil.
func (r *renderer) filled(e *element, values []value, item *value) error {
	if r.open == 0 {
		if r.roots++; r.roots > 1 {
			return errors.New("more than one element")
		}
	}
	before := len(r.out)
	r.open++
	r.out = append(r.out, '<')
	r.out = append(r.out, e.name...)
	for _, a := range e.attrs {
		if len(a.value) == 1 && a.value[0].slot != noSlot && a.value[0].optional {
			if s := a.value[0].slot; s >= len(values) || values[s].null() {
				continue
			}
		}
		r.out = append(r.out, ' ')
		r.out = append(r.out, a.name...)
		r.out = append(r.out, "='"...)
		for _, n := range a.value {
			if err := r.piece(n, values, inAttribute); err != nil {
				return err
			}
		}
		r.out = append(r.out, '\'')
	}
	if e.empty {
		r.out = append(r.out, "/>"...)
		r.open--
		return r.spend(before)
	}
	r.out = append(r.out, '>')
	if err := r.spend(before); err != nil {
		return err
	}
	if item != nil {
		before = len(r.out)
		r.out = item.append(r.out, r.chunk.data, inContent)
		if err := r.spend(before); err != nil {
			return err
		}
	} else if err := r.content(e.content, values); err != nil {
		return err
	}
	before = len(r.out)
	r.out = append(r.out, "</"...)
	r.out = append(r.out, e.name...)
	r.out = append(r.out, '>')
	r.open--
	return r.spend(before)
}
