package diagnose

import (
	"bytes"
	"slices"
)

// literals finds many literal texts in one pass: the automaton of Aho and
// Corasick (1975), made complete, so that each octet costs one look into a
// table. The case of ASCII letters does not count. It is read-only once made.
type literals struct {
	class  [256]uint8 // octets that no text tells apart share a class; 0 is in no text
	width  uint32     // classes
	table  []uint32   // by state, which is a multiple of width, and class
	accept uint32     // states from here on end a text
	ends   [][]uint16 // the texts that end in state accept + i*width
}

// newLiterals makes the automaton. The texts are not empty, and hold no line
// feed.
func newLiterals(texts []string) *literals {
	a := &literals{width: 1}
	for _, t := range texts {
		for i := range len(t) {
			if c := fold(t[i]); a.class[c] == 0 {
				a.class[c] = uint8(a.width)
				a.width++
			}
		}
	}
	for c := byte('A'); c <= 'Z'; c++ {
		a.class[c] = a.class[fold(c)]
	}

	// The trie, then its states breadth first with where each falls back to.
	type node struct {
		next map[uint8]int32
		fail int32
		ends []uint16
	}
	nodes := []node{{next: map[uint8]int32{}}}
	for id, t := range texts {
		at := int32(0)
		for i := range len(t) {
			c := a.class[t[i]]
			to, ok := nodes[at].next[c]
			if !ok {
				to = int32(len(nodes))
				nodes = append(nodes, node{next: map[uint8]int32{}})
				nodes[at].next[c] = to
			}
			at = to
		}
		nodes[at].ends = append(nodes[at].ends, uint16(id))
	}
	order := make([]int32, 1, len(nodes))
	full := make([]int32, len(nodes)*int(a.width))
	for i := 0; i < len(order); i++ {
		at := order[i]
		n := &nodes[at]
		if at != 0 {
			n.ends = append(n.ends, nodes[n.fail].ends...)
		}
		for c := range a.width {
			row := int(at) * int(a.width)
			falls := int32(0)
			if at != 0 {
				falls = full[int(n.fail)*int(a.width)+int(c)]
			}
			to, ok := n.next[uint8(c)]
			if !ok {
				full[row+int(c)] = falls
				continue
			}
			nodes[to].fail = falls
			full[row+int(c)] = to
			order = append(order, to)
		}
	}

	// States are numbered by their distance from the start, so that the few that
	// ordinary text visits lie side by side, with those that end a text last.
	number := make([]uint32, len(nodes))
	next := uint32(0)
	for _, ending := range []bool{false, true} {
		if ending {
			a.accept = next
		}
		for _, at := range order {
			if (len(nodes[at].ends) > 0) == ending {
				number[at] = next
				next += a.width
				if ending {
					a.ends = append(a.ends, nodes[at].ends)
				}
			}
		}
	}
	a.table = make([]uint32, len(full))
	for at := range nodes {
		for c := range a.width {
			a.table[number[at]+c] = number[full[at*int(a.width)+int(c)]]
		}
	}
	return a
}

func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// A hit is one line with texts in it.
type hit struct {
	start, end int // of the line, without its end
	before     int // line feeds in the text before it
	texts      []uint16
}

// lanes is how many parts of a text are searched side by side. Each step has to
// wait for the memory that the step before read, and lanes wait together.
const lanes = 4

// A search is the memory of one scan, to be used again for the next.
type search struct {
	parts [lanes]lane
	hits  []hit

	// What find makes of them.
	found                []candidate
	octets, lines, first int
}

// scan finds the lines of text that hold a text. They are valid until the next
// scan with the same memory.
func (a *literals) scan(text []byte, m *search) []hit {
	parts := &m.parts
	rest := text
	for i := range parts {
		part := rest
		if cut := len(text) / lanes; i < lanes-1 && len(rest) > cut {
			part = rest[:cut+bytes.IndexByte(rest[cut:], '\n')+1]
			if len(part) == cut { // there is no line feed any more
				part = rest
			}
		}
		parts[i].begin(part, len(text)-len(rest))
		rest = rest[len(part):]
	}
	t0, t1, t2, t3 := parts[0].text, parts[1].text, parts[2].text, parts[3].text
	n := min(len(t0), len(t1), len(t2), len(t3))
	t0, t1, t2, t3 = t0[:n], t1[:n], t2[:n], t3[:n]
	table, class, accept := a.table, &a.class, a.accept
	var s0, s1, s2, s3 uint32
	for i := range n {
		s0 = table[s0+uint32(class[t0[i]])]
		s1 = table[s1+uint32(class[t1[i]])]
		s2 = table[s2+uint32(class[t2[i]])]
		s3 = table[s3+uint32(class[t3[i]])]
		if max(s0, s1, s2, s3) >= accept {
			for j, s := range [lanes]uint32{s0, s1, s2, s3} {
				if s >= accept {
					parts[j].found(i, a.ends[(s-accept)/a.width])
				}
			}
		}
	}
	for j, s := range [lanes]uint32{s0, s1, s2, s3} {
		l := &parts[j]
		for i := n; i < len(l.text); i++ {
			if s = table[s+uint32(class[l.text[i]])]; s >= accept {
				l.found(i, a.ends[(s-accept)/a.width])
			}
		}
	}
	before := 0
	hits := m.hits[:0]
	for j := range parts {
		l := &parts[j]
		for _, h := range l.hits {
			h.start, h.end, h.before = h.start+l.offset, h.end+l.offset, h.before+before
			hits = append(hits, h)
		}
		if j < lanes-1 {
			before += l.lines + bytes.Count(l.text[l.counted:], newline)
		}
	}
	m.hits = hits
	return hits
}

// A lane is a part of a text, of whole lines, being searched.
type lane struct {
	text    []byte
	offset  int // of text in all of it
	end     int // of the line of the last hit, -1 before the first
	counted int // up to where line feeds have been counted
	lines   int // line feeds up to there
	hits    []hit
	arena   []uint16 // room for the texts of many lines
}

func (l *lane) begin(text []byte, offset int) {
	*l = lane{text: text, offset: offset, end: -1, hits: l.hits[:0], arena: l.arena[:0]}
}

// found takes note of texts that end at i.
func (l *lane) found(i int, ends []uint16) {
	const usual = 4 // texts in a line that has any
	if i > l.end {
		start := bytes.LastIndexByte(l.text[:i], '\n') + 1
		l.lines += bytes.Count(l.text[l.counted:start], newline)
		l.counted = start
		if l.end = bytes.IndexByte(l.text[i:], '\n'); l.end < 0 {
			l.end = len(l.text)
		} else {
			l.end += i
		}
		if cap(l.arena)-len(l.arena) < usual {
			l.arena = make([]uint16, 0, 2*cap(l.arena)+256*usual) // the old one is in hits
		}
		n := len(l.arena)
		l.arena = l.arena[:n+usual]
		l.hits = append(l.hits, hit{start: start, end: l.end, before: l.lines, texts: l.arena[n:n:len(l.arena)]})
	}
	h := &l.hits[len(l.hits)-1]
	for _, id := range ends {
		if !slices.Contains(h.texts, id) {
			h.texts = append(h.texts, id)
		}
	}
}

var newline = []byte{'\n'}
