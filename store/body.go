package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// An event is kept as one row: what searching and rebuilding need are columns,
// the rest is the body, a JSON text that the database never looks into. Short
// keys, because every login writes one and the disk's share of a login grows
// with its length; fields that are zero are left out.
//
// Encoding is by hand since it stands in the way of every login: an encoder
// that goes by reflection costs several times as much. Decoding is rare.
type eventBody struct {
	Took        time.Duration `json:"t"`
	Door        string        `json:"d"`
	Client      string        `json:"c"`
	Application string        `json:"a"`
	Source      string        `json:"s"`
	From        string        `json:"f"`
	Account     string        `json:"n"`
	Factor      string        `json:"k"`
	Mark        *int64        `json:"m"` // if it is not the one in the column
	Failures    int           `json:"x"`
	Count       int           `json:"q"`
	Trace       []stepBody    `json:"r"`
}

type stepBody struct {
	Stage string        `json:"s"`
	OK    bool          `json:"o"`
	Took  time.Duration `json:"t"`
	Note  string        `json:"n"`
}

// appendBody appends the body of e. column is the mark that the row's column
// holds. Octets that are not UTF-8 become U+FFFD.
func appendBody(b []byte, e *auth.Event, column int64) []byte {
	b = append(b, '{')
	b = appendInt(b, `"t":`, int64(e.Took))
	b = appendText(b, `"d":`, e.Door)
	b = appendText(b, `"c":`, e.Client)
	b = appendText(b, `"a":`, e.Application)
	b = appendSource(b, e.Source)
	b = appendText(b, `"f":`, e.From)
	b = appendText(b, `"n":`, e.Account)
	b = appendText(b, `"k":`, e.Factor)
	if e.Mark != column {
		b = append(comma(b), `"m":`...)
		b = strconv.AppendInt(b, e.Mark, 10)
	}
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

// An eventRow is one row of the table event.
type eventRow struct {
	seq           int64
	timeUS        int64
	subject       string
	outcome       int64
	verdict       int64
	authenticator string
	mark          int64
	body          string
}

// fields returns where eventColumns are scanned to.
func (r *eventRow) fields() []any {
	return []any{&r.seq, &r.timeUS, &r.subject, &r.outcome, &r.verdict, &r.authenticator, &r.mark, &r.body}
}

// event rebuilds the event that the row was made from.
func (r *eventRow) event() (auth.Event, error) {
	var b eventBody
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return auth.Event{}, fmt.Errorf("decode event %d: %w", r.seq, err)
	}
	e := auth.Event{
		Seq:           uint64(r.seq),
		Time:          timeOf(r.timeUS),
		Took:          b.Took,
		Door:          b.Door,
		Client:        b.Client,
		Application:   b.Application,
		From:          b.From,
		Subject:       r.subject,
		Account:       b.Account,
		Verdict:       auth.Verdict(r.verdict),
		Outcome:       auth.Outcome(r.outcome),
		Factor:        b.Factor,
		Authenticator: r.authenticator,
		Mark:          r.mark,
		Failures:      b.Failures,
		Count:         b.Count,
	}
	if b.Mark != nil {
		e.Mark = *b.Mark
	}
	if b.Source != "" {
		source, err := netip.ParseAddrPort(b.Source)
		if err != nil {
			return auth.Event{}, fmt.Errorf("decode source of event %d: %w", r.seq, err)
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
