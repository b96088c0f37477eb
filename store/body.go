package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// An event is kept as one line of JSON; a row of the table event holds the
// lines of those that were written together (see eventLines). Short keys,
// because every login writes one and the disk's share of a login grows with its
// length; fields that are zero are left out.
//
// Encoding is by hand since it stands in the way of every login: an encoder
// that goes by reflection costs several times as much. Decoding is rare.
type eventBody struct {
	eventHead
	Verdict  int64         `json:"v"`
	Took     time.Duration `json:"t"`
	Door     string        `json:"d"`
	Source   string        `json:"s"`
	From     string        `json:"f"`
	Account  string        `json:"n"`
	Mark     *int64        `json:"m"` // if it is not the one spent
	Rule     string        `json:"l"`
	Node     string        `json:"h"`
	Request  string        `json:"i"`
	Joined   uint64        `json:"j"`
	Failures int           `json:"x"`
	Count    int           `json:"q"`
	Trace    []stepBody    `json:"r"`
}

// An eventHead is what folding needs of an event.
type eventHead struct {
	When          int64  `json:"w"` // microseconds
	Subject       string `json:"u"`
	Outcome       int64  `json:"o"`
	Authenticator string `json:"y"`
	Spent         *int64 `json:"p"` // mark that the event spends, if any
	Client        string `json:"c"`
	Application   string `json:"a"`
	Factor        string `json:"k"`
}

type stepBody struct {
	Stage string        `json:"s"`
	OK    bool          `json:"o"`
	Took  time.Duration `json:"t"`
	Note  string        `json:"n"`
}

// appendBody appends the line of e, which spends a mark unless that is NoMark.
// Octets that are not UTF-8 become U+FFFD. What searches look for comes first.
func appendBody(b []byte, e *auth.Event, spent int64) []byte {
	b = append(b, '{')
	b = appendInt(b, `"w":`, micros(e.Time))
	b = appendText(b, keySubject, e.Subject)
	b = appendInt(b, keyOutcome, int64(e.Outcome))
	b = appendInt(b, `"v":`, int64(e.Verdict))
	b = appendText(b, `"y":`, e.Authenticator)
	if spent != auth.NoMark {
		b = append(comma(b), `"p":`...)
		b = strconv.AppendInt(b, spent, 10)
	}
	b = appendInt(b, `"t":`, int64(e.Took))
	b = appendText(b, `"d":`, e.Door)
	b = appendText(b, `"c":`, e.Client)
	b = appendText(b, `"a":`, e.Application)
	b = appendSource(b, e.Source)
	b = appendText(b, `"f":`, e.From)
	b = appendText(b, `"n":`, e.Account)
	b = appendText(b, `"k":`, e.Factor)
	if e.Mark != spent {
		b = append(comma(b), `"m":`...)
		b = strconv.AppendInt(b, e.Mark, 10)
	}
	b = appendText(b, `"l":`, e.Rule)
	b = appendText(b, `"h":`, e.Node)
	b = appendText(b, keyRequest, e.Request)
	b = appendInt(b, `"j":`, int64(e.Joined))
	b = appendInt(b, `"x":`, int64(e.Failures))
	b = appendInt(b, `"q":`, int64(e.Count))
	if len(e.Trace) > 0 {
		b = append(comma(b), `"r":[`...)
		for i := range e.Trace {
			step := &e.Trace[i]
			b = append(comma(b), '{')
			b = appendText(b, `"s":`, string(step.Stage))
			if step.OK {
				b = append(comma(b), `"o":true`...)
			}
			b = appendInt(b, `"t":`, int64(step.Took))
			b = appendText(b, `"n":`, step.Note)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendSource appends an address, if there is one. The zone of an IPv6 address
// can be any text; one that would not be read back is left out.
func appendSource(b []byte, source netip.AddrPort) []byte {
	if !source.IsValid() {
		return b
	}
	if source.Addr().Zone() == "" {
		b = append(comma(b), `"s":"`...)
		b = source.AppendTo(b)
		return append(b, '"')
	}
	text := source.String()
	if again, err := netip.ParseAddrPort(text); err != nil || again != source || !utf8.ValidString(text) {
		text = netip.AddrPortFrom(source.Addr().WithZone(""), source.Port()).String()
	}
	return appendText(b, `"s":`, text)
}

// comma separates what follows from what came before, if anything did.
func comma(b []byte) []byte {
	if last := b[len(b)-1]; last != '{' && last != '[' {
		b = append(b, ',')
	}
	return b
}

func appendInt(b []byte, key string, v int64) []byte {
	if v == 0 {
		return b
	}
	b = append(comma(b), key...)
	return strconv.AppendInt(b, v, 10)
}

func appendText(b []byte, key, v string) []byte {
	if v == "" {
		return b
	}
	b = append(comma(b), key...)
	return appendQuoted(b, v)
}

// appendQuoted appends s as a JSON string (RFC 8259, Section 7).
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
			} else {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
			i++
			start = i
			continue
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// spent returns the mark that the event spends, NoMark if none.
func (h *eventHead) spent() int64 {
	if h.Spent == nil {
		return auth.NoMark
	}
	return *h.Spent
}

// Keys that searches look for before they decode a line.
const (
	keyTime    = `"w":`
	keySubject = `"u":`
	keyOutcome = `"o":`
	keyVerdict = `"v":`
	keyRequest = `"i":`
)

// An eventRow is an event that is to be written, and what the committer needs
// of it afterwards.
type eventRow struct {
	seq           int64
	timeUS        int64
	subject       string
	outcome       int64
	authenticator string
	mark          int64 // spent
	kind          eventKind
	body          []byte
}

// eventLines takes the body of a row of the table event, which holds the events
// from first to last, apart: a JSON array with one event on each line. Within
// JSON a line never ends, so that one event is found without decoding others.
func eventLines(first, last int64, body string) ([]string, error) {
	inner, open := strings.CutPrefix(body, linesOpen)
	inner, closed := strings.CutSuffix(inner, linesClose)
	lines := strings.Split(inner, linesNext)
	if !open || !closed || int64(len(lines)) != last-first+1 {
		return nil, fmt.Errorf("%w (row of events %d to %d)", errDamaged, first, last)
	}
	return lines, nil
}

const (
	linesOpen  = "[\n"
	linesNext  = ",\n"
	linesClose = "\n]"
)

// decodeEvent rebuilds the event that a line was made from.
func decodeEvent(seq int64, line string) (auth.Event, error) {
	var b eventBody
	if err := json.Unmarshal([]byte(line), &b); err != nil {
		return auth.Event{}, fmt.Errorf("decode event %d: %w", seq, err)
	}
	e := auth.Event{
		Seq:           uint64(seq),
		Time:          timeOf(b.When),
		Took:          b.Took,
		Door:          b.Door,
		Client:        b.Client,
		Application:   b.Application,
		From:          b.From,
		Subject:       b.Subject,
		Account:       b.Account,
		Verdict:       auth.Verdict(b.Verdict),
		Outcome:       auth.Outcome(b.Outcome),
		Factor:        b.Factor,
		Authenticator: b.Authenticator,
		Mark:          b.spent(),
		Rule:          b.Rule,
		Node:          b.Node,
		Request:       b.Request,
		Joined:        b.Joined,
		Failures:      b.Failures,
		Count:         b.Count,
	}
	if b.Mark != nil {
		e.Mark = *b.Mark
	}
	if b.Source != "" {
		source, err := netip.ParseAddrPort(b.Source)
		if err != nil {
			return auth.Event{}, fmt.Errorf("decode source of event %d: %w", seq, err)
		}
		e.Source = source
	}
	if len(b.Trace) > 0 {
		e.Trace = make([]auth.Step, len(b.Trace))
		for i, s := range b.Trace {
			e.Trace[i] = auth.Step{Stage: auth.Stage(s.Stage), OK: s.OK, Took: s.Took, Note: s.Note}
		}
	}
	return e, nil
}

// micros is t as the database keeps it: microseconds since 1970 in UTC, 0 for
// the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// timeOf is the time that micros made us from.
func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
