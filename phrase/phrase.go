// Package phrase says sentences of this program in another language. It hides
// how a sentence is found again that was composed somewhere else, and perhaps
// long ago: packages compose English, once, and a book holds for each sentence
// what it is in the other language.
//
// A book maps templates. A template is a sentence as the source composes it,
// with {0}, {1} and so on for what varies, in the order of the English, without
// the full stop, comma or colon that may stand at its ends:
//
//	"client {0} gives up before people have answered"
//
// Its translation has the same placeholders, each at least once, in any order. A
// value that is a phrase of the book itself is said in the other language too;
// one that is written {0!} never is.
package phrase

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed german/*.json
var embedded embed.FS

// German is the book of this program's sentences in German. It is read when it
// is first asked for.
var German = sync.OnceValue(func() *Book {
	b, err := Read(embedded)
	if err != nil {
		panic(err.Error()) // the book is part of the program, and its test reads it
	}
	return b
})

const (
	// maxText is how many octets a text may have to be looked up. The longest
	// sentence of the program has a tenth of it.
	maxText = 8 << 10
	// maxDepth is how deep phrases may stand in phrases.
	maxDepth = 4
	// maxPieces is how many clauses a text may have, and maxJoined how many of
	// them may be one sentence of the book.
	maxPieces = 64
	maxJoined = 16
)

// A Book says sentences in another language. It is safe for concurrent use. The
// nil Book leaves everything as it is.
type Book struct {
	whole map[string]string // sentences in which nothing varies
	// byWord are the other templates, each under the one of its words that the
	// fewest have.
	byWord map[string][]*template
}

// A template is a sentence in which something varies.
type template struct {
	english  string
	literals []string // one more than there are values; those between them
	weight   int      // octets of literals
	// weak is whether so few words stand in it that much could look like it: "use
	// {0}". Its values must then be single words, or phrases themselves.
	weak  bool
	other []piece
}

// A piece of a translation is a text, or the value of a placeholder.
type piece struct {
	text     string
	value    int // -1 for a text
	verbatim bool
}

var placeholder = regexp.MustCompile(`\{(\d+)(!?)\}`)

// Read reads the book whose areas are the files named *.json anywhere in fsys:
// each an object of English to other templates. It refuses templates that cannot
// be told apart or found again, and translations that lack a placeholder or are
// empty.
func Read(fsys fs.FS) (*Book, error) {
	all := make(map[string]string)
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		b, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		var area map[string]string
		if err := json.Unmarshal(b, &area); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for english, other := range area {
			if before, ok := all[english]; ok && before != other {
				return fmt.Errorf("%s: %q is translated in two ways", path, english)
			}
			all[english] = other
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("phrase: read a book: %w", err)
	}
	b := &Book{whole: make(map[string]string), byWord: make(map[string][]*template)}
	if err := b.add(all); err != nil {
		return nil, fmt.Errorf("phrase: read a book: %w", err)
	}
	return b, nil
}

// add fills an empty book.
func (b *Book) add(all map[string]string) error {
	shapes := make(map[string]string)
	frequency := make(map[string]int)
	words := make(map[*template][]string)
	var templates []*template
	for _, english := range slices.Sorted(maps.Keys(all)) {
		other := all[english]
		if _, core, _ := bare(english); core != english || english == "" {
			return fmt.Errorf("%q begins or ends with what joins sentences", english)
		}
		if strings.TrimSpace(other) == "" {
			return fmt.Errorf("%q has no translation", english)
		}
		t, err := parse(english, other)
		if err != nil {
			return fmt.Errorf("%q: %w", english, err)
		}
		if len(t.literals) == 1 {
			b.whole[english] = other
			continue
		}
		shape := strings.Join(t.literals, "\x00")
		if before, ok := shapes[shape]; ok {
			return fmt.Errorf("%q and %q cannot be told apart", before, english)
		}
		shapes[shape] = english
		own := t.words()
		if len(own) == 0 {
			return fmt.Errorf("%q has no word of its own to be found by", english)
		}
		for _, w := range own {
			frequency[w]++
		}
		words[t] = own
		templates = append(templates, t)
	}
	for _, t := range templates {
		rarest := slices.MinFunc(words[t], func(x, y string) int {
			return cmp.Or(cmp.Compare(frequency[x], frequency[y]), -cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		})
		b.byWord[rarest] = append(b.byWord[rarest], t)
	}
	return nil
}

// parse reads a template and its translation.
func parse(english, other string) (*template, error) {
	t := &template{english: english}
	at, n := 0, 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(english, -1) {
		if english[m[2]:m[3]] != strconv.Itoa(n) || m[4] != m[5] {
			return nil, fmt.Errorf("the placeholder after %q must be {%d}", english[:m[0]], n)
		}
		if n > 0 && at == m[0] {
			return nil, fmt.Errorf("nothing stands between {%d} and {%d}", n-1, n)
		}
		t.literals = append(t.literals, english[at:m[0]])
		t.weight += m[0] - at
		at = m[1]
		n++
	}
	t.literals = append(t.literals, english[at:])
	t.weight += len(english) - at

	used := make([]bool, n)
	at = 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(other, -1) {
		v, err := strconv.Atoi(other[m[2]:m[3]])
		if err != nil || v >= n {
			return nil, fmt.Errorf("the translation has %s, which the English has not", other[m[0]:m[1]])
		}
		used[v] = true
		if at < m[0] {
			t.other = append(t.other, piece{text: other[at:m[0]], value: -1})
		}
		t.other = append(t.other, piece{value: v, verbatim: m[4] != m[5]})
		at = m[1]
	}
	if at < len(other) {
		t.other = append(t.other, piece{text: other[at:], value: -1})
	}
	words := 0
	for _, l := range t.literals {
		eachWord(l, func(string, int, int) { words++ })
	}
	t.weak = words < 2
	if v := slices.Index(used, false); v >= 0 {
		return nil, fmt.Errorf("the translation lacks {%d}", v)
	}
	return t, nil
}

// verbatim reports whether a value is never said.
func (t *template) verbatim(value int) bool {
	return slices.ContainsFunc(t.other, func(p piece) bool { return p.value == value && p.verbatim })
}

// words are the words of a template that every sentence of it has, in small
// letters: none that a value could make longer.
func (t *template) words() []string {
	var list []string
	for i, l := range t.literals {
		eachWord(l, func(w string, from, to int) {
			if (from > 0 || i == 0) && (to < len(l) || i == len(t.literals)-1) {
				list = append(list, w)
			}
		})
	}
	return list
}

// eachWord calls use for each run of ASCII letters and digits in s, in small
// letters.
func eachWord(s string, use func(word string, from, to int)) {
	for i := 0; i < len(s); {
		if !wordly(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && wordly(s[i]) {
			i++
		}
		use(strings.ToLower(s[from:i]), from, i)
	}
}

func wordly(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// joints are what stands at the ends of a sentence among others.
const joints = " ,;:.\n"

// bare takes away what joins a sentence to those before and after it.
func bare(s string) (before, core, after string) {
	core = strings.TrimLeft(s, joints)
	before = s[:len(s)-len(core)]
	core = strings.TrimRight(core, joints)
	return before, core, s[len(before)+len(core):]
}

// Say returns s in the other language, or s itself if the book does not know all
// of it: a sentence of the book, or several of them one after the other. It
// takes time in proportion to the length of s, whatever s is.
func (b *Book) Say(s string) string {
	if b == nil || s == "" || len(s) > maxText {
		return s
	}
	r := reader{book: b, left: 1<<16 + 64*len(s)}
	said := r.text(s, maxDepth)
	if said.cover == 0 || r.left < 0 {
		return s
	}
	return said.text
}

// A said text is what the book makes of one.
type said struct {
	text  string
	cover int  // octets of the English that the book knows; 0 if it does not know the text
	loss  int  // octets of values of several words that the book does not know
	raw   bool // begins with a value as it is
}

// better reports whether x is the better reading of a text than y: it leaves less
// in English that may be a sentence, or knows more.
func (x said) better(y said) bool {
	if x.cover == 0 || y.cover == 0 {
		return x.cover > 0
	}
	return cmp.Or(cmp.Compare(y.loss, x.loss), cmp.Compare(x.cover, y.cover)) > 0
}

// A reader looks one text up.
type reader struct {
	book  *Book
	known map[lookUp]said // what it has looked up already
	left  int             // octets that it may still look at; below 0 it has given up
}

type lookUp struct {
	text  string
	depth int
}

// text looks up sentences and what joins them.
func (r *reader) text(s string, depth int) said {
	before, core, after := bare(s)
	if core == "" {
		return said{}
	}
	best := r.sentence(core, depth)
	if best.cover < len(core) {
		if parts := r.several(core, depth); parts.better(best) {
			best = parts
		}
	}
	best.text = before + best.text + after
	return best
}

// sentence looks up one sentence without anything at its ends.
func (r *reader) sentence(core string, depth int) said {
	if found, ok := r.known[lookUp{core, depth}]; ok {
		return found
	}
	found := r.search(core, depth)
	if found.cover < len(core) { // what costs something to find
		if r.known == nil {
			r.known = make(map[lookUp]said)
		}
		r.known[lookUp{core, depth}] = found
	}
	return found
}

func (r *reader) search(core string, depth int) said {
	r.left -= len(core)
	if r.left < 0 {
		return said{}
	}
	if other, ok := r.book.whole[core]; ok {
		return said{text: other, cover: len(core)}
	}
	turned := turnFirst(core)
	if other, ok := r.book.whole[turned]; ok {
		return said{text: begun(core, other), cover: len(core)}
	}
	var best said
	var by *template
	var tried map[*template]bool
	eachWord(core, func(w string, _, _ int) {
		list := r.book.byWord[w]
		if len(list) > 0 && tried == nil {
			tried = make(map[*template]bool)
		}
		for _, t := range list {
			if tried[t] {
				continue
			}
			tried[t] = true
			r.left -= len(t.english)
			if r.left < 0 {
				return
			}
			values, ok := t.match(core)
			if !ok {
				values, ok = t.match(turned)
			}
			if !ok {
				continue
			}
			found := r.fill(t, core, values, depth)
			if t.weak && found.loss > 0 {
				continue
			}
			if by == nil || found.better(best) || !best.better(found) && prior(t, by) {
				best, by = found, t
			}
		}
	})
	return best
}

// prior reports whether of two templates that know as much of a text the first
// is the one to take.
func prior(x, y *template) bool {
	if x.weight != y.weight {
		return x.weight > y.weight
	}
	return x.english < y.english
}

// match takes the values out of a sentence: each as short as can be.
func (t *template) match(s string) ([]string, bool) {
	last := len(t.literals) - 1
	if len(s) < t.weight || !strings.HasPrefix(s, t.literals[0]) || !strings.HasSuffix(s, t.literals[last]) {
		return nil, false
	}
	rest := s[len(t.literals[0]) : len(s)-len(t.literals[last])]
	values := make([]string, 0, last)
	for _, l := range t.literals[1:last] {
		value, behind, ok := strings.Cut(rest, l)
		if !ok {
			return nil, false
		}
		values = append(values, value)
		rest = behind
	}
	return append(values, rest), true
}

// fill writes the translation of a sentence with its values.
func (r *reader) fill(t *template, core string, values []string, depth int) said {
	found := said{cover: t.weight}
	phrases := make([]said, len(values))
	for i, v := range values {
		// Single words are names more often than phrases.
		if !strings.Contains(strings.Trim(v, joints), " ") || t.verbatim(i) {
			continue
		}
		if depth > 0 {
			phrases[i] = r.text(v, depth-1)
		}
		if phrases[i].cover == 0 {
			found.loss += len(v)
			continue
		}
		found.cover += phrases[i].cover
		found.loss += phrases[i].loss
	}
	var text strings.Builder
	for i, p := range t.other {
		switch {
		case p.value < 0:
			text.WriteString(p.text)
		case phrases[p.value].cover == 0:
			text.WriteString(values[p.value])
			found.raw = found.raw || i == 0
		default:
			text.WriteString(phrases[p.value].text)
			found.raw = found.raw || i == 0 && phrases[p.value].raw
		}
	}
	found.text = text.String()
	if t.literals[0] != "" && !found.raw {
		found.text = begun(core, found.text)
	}
	return found
}

// several looks up sentences or clauses that stand one after the other. All must
// be known.
func (r *reader) several(core string, depth int) said {
	pieces := clauses(core)
	if len(pieces) < 2 || len(pieces) > maxPieces {
		return said{}
	}
	// best[i] is the best reading of what begins with piece i.
	best := make([]said, len(pieces)+1)
	known := make([]bool, len(pieces)+1)
	known[len(pieces)] = true
	for i := len(pieces) - 1; i >= 0; i-- {
		for j := i + 1; j <= min(i+maxJoined, len(pieces)); j++ {
			if !known[j] || i == 0 && j == len(pieces) {
				continue
			}
			text := core[pieces[i].from:pieces[j-1].to]
			one := said{}
			switch {
			case strings.Contains(text, " "):
				one = r.sentence(text, depth)
			case j < len(pieces) && core[pieces[i].to] == ':':
				one = said{text: text, raw: true} // names what the rest is about
			}
			if one.cover == 0 && !one.raw {
				continue
			}
			if j < len(pieces) {
				joint := core[pieces[j-1].to:pieces[j].from]
				one = said{one.text + joint + best[j].text, one.cover + len(joint) + best[j].cover, one.loss + best[j].loss, one.raw}
			}
			if one.better(best[i]) {
				best[i], known[i] = one, true
			}
		}
	}
	return best[0]
}

// A clause is a part of a text.
type clause struct{ from, to int }

// clauses are the parts between full stops, semicolons, colons and commas that a
// space follows, and after question and exclamation marks.
func clauses(s string) []clause {
	var list []clause
	from := 0
	for i := 0; i+1 < len(s); i++ {
		if s[i+1] != ' ' {
			continue
		}
		to := i
		switch s[i] {
		case '.', ';', ':', ',':
		case '?', '!':
			to++
		default:
			continue
		}
		next := i + 1
		for next < len(s) && strings.IndexByte(joints, s[next]) >= 0 {
			next++
		}
		if to > from {
			list = append(list, clause{from, to})
			from = next
		}
		i = next - 1
	}
	if from < len(s) {
		list = append(list, clause{from, len(s)})
	}
	return list
}

// turnFirst returns s with its first letter in the other case.
func turnFirst(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	switch {
	case unicode.IsUpper(first):
		return string(unicode.ToLower(first)) + s[size:]
	case unicode.IsLower(first):
		return string(unicode.ToUpper(first)) + s[size:]
	}
	return s
}

// begun gives other a capital at its beginning if english has one there. It
// takes none away: nouns have them anyway.
func begun(english, other string) string {
	if first, _ := utf8.DecodeRuneInString(english); !unicode.IsUpper(first) {
		return other
	}
	if first, size := utf8.DecodeRuneInString(other); unicode.IsLower(first) {
		return string(unicode.ToUpper(first)) + other[size:]
	}
	return other
}
