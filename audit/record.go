package audit

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"sallyport/auth"
)

// Kinds of records.
const (
	kindEvent  = "event"
	kindAnchor = "anchor"
)

// A record is one thing to ship.
type record struct {
	kind  string
	seq   uint64
	line  []byte // signed JSON without a line end
	event *auth.Event
	// Of anchors.
	anchor Anchor
}

// An eventLine is an event as it is exported. Fields are only ever added:
// receivers rely on them. Nothing in it is a secret, and a name that nobody has
// is a pseudonym, because an auth.Event holds nothing else.
type eventLine struct {
	Kind          string         `json:"kind"`
	Seq           uint64         `json:"seq"`
	Time          time.Time      `json:"time"`
	Reference     auth.Reference `json:"reference,omitempty"`
	Node          string         `json:"node,omitempty"`
	Door          string         `json:"door"`
	Client        string         `json:"client,omitempty"`
	Application   string         `json:"application,omitempty"`
	Source        string         `json:"source,omitempty"`
	From          string         `json:"from,omitempty"`
	Subject       string         `json:"subject,omitempty"`
	Account       string         `json:"account,omitempty"`
	Verdict       string         `json:"verdict"`
	Code          int            `json:"code"`
	Outcome       string         `json:"outcome"`
	Label         string         `json:"label"`
	Rule          string         `json:"rule,omitempty"`
	Factor        string         `json:"factor,omitempty"`
	Authenticator string         `json:"authenticator,omitempty"`
	Joined        uint64         `json:"joined,omitempty"`
	Failures      int            `json:"failures,omitempty"`
	Count         int            `json:"count"`
	TookMicros    int64          `json:"took_us"`
	Trace         []auth.Step    `json:"trace,omitempty"`
}

// eventRecord renders an event, with its trace or without. The same event gives
// the same octets each time.
func (t *Trail) eventRecord(ev *auth.Event, trace bool) (record, error) {
	l := eventLine{
		Kind: kindEvent, Seq: ev.Seq, Time: ev.Time.UTC(), Reference: t.o.Reference(ev.Seq), Node: ev.Node,
		Door: ev.Door, Client: ev.Client, Application: ev.Application, From: ev.From,
		Subject: ev.Subject, Account: ev.Account, Verdict: ev.Verdict.String(),
		Code: int(ev.Outcome), Outcome: ev.Outcome.String(), Label: ev.Outcome.Meaning().Label,
		Rule: ev.Rule, Factor: ev.Factor, Authenticator: ev.Authenticator, Joined: ev.Joined,
		Failures: ev.Failures, Count: ev.Count, TookMicros: ev.Took.Microseconds(),
	}
	if ev.Source.IsValid() {
		l.Source = ev.Source.String()
	}
	if trace {
		l.Trace = ev.Trace
	}
	line, err := sign(l, t.o.MAC)
	if err != nil {
		return record{}, fmt.Errorf("audit: render event %d: %w", ev.Seq, err)
	}
	return record{kind: kindEvent, seq: ev.Seq, line: line, event: ev}, nil
}

const (
	beforeSignature = `,"signature":"`
	afterSignature  = `"}`
	signatureLen    = len(beforeSignature) + 2*32 + len(afterSignature)
)

// sign renders v, a struct, as one line of ASCII with a signature over all that
// is before it as its last member. Being ASCII it passes through whatever has
// ideas about character sets, and needs no mark of its encoding in syslog (RFC
// 5424, Section 6.4).
func sign(v any, mac MAC) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(bytes.TrimSpace(b.Bytes()), []byte("}"))
	line := ascii(text)
	sum := mac(line)
	line = append(line, beforeSignature...)
	line = hex.AppendEncode(line, sum[:])
	return append(line, afterSignature...), nil
}

// ascii escapes what is not printable ASCII in JSON, where it can only be
// within strings.
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text)+signatureLen)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// Authentic reports whether a line was signed under mac and has not been
// changed since. A line end after it does not count.
func Authentic(line []byte, mac MAC) bool {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) < signatureLen {
		return false
	}
	text, end := line[:len(line)-signatureLen], line[len(line)-signatureLen:]
	given, ok := bytes.CutPrefix(end, []byte(beforeSignature))
	if !ok {
		return false
	}
	if given, ok = bytes.CutSuffix(given, []byte(afterSignature)); !ok {
		return false
	}
	sum := mac(text)
	want := hex.AppendEncode(nil, sum[:])
	return subtle.ConstantTimeCompare(given, want) == 1
}

// A lineHead is what checking needs to know of a line of either kind.
type lineHead struct {
	Kind string    `json:"kind"`
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

var errNoRecord = errors.New("it is not a record of an export")

// parseLine reads a line that some receiver has kept. It may stand behind
// something that the receiver has put before it, such as a syslog header.
func parseLine(line []byte) (lineHead, []byte, error) {
	line = bytes.TrimRight(line, "\r\n")
	i := bytes.Index(line, []byte(`{"kind":"`))
	if i < 0 {
		return lineHead{}, nil, errNoRecord
	}
	line = line[i:]
	var h lineHead
	if err := json.Unmarshal(line, &h); err != nil {
		return lineHead{}, nil, errNoRecord
	}
	if h.Kind != kindEvent && h.Kind != kindAnchor {
		return lineHead{}, nil, fmt.Errorf("it is of the unknown kind %q", h.Kind)
	}
	return h, line, nil
}

// signature returns the signature of a line that has one.
func signature(line []byte) string {
	if len(line) < signatureLen {
		return ""
	}
	return strings.TrimSuffix(string(line[len(line)-signatureLen+len(beforeSignature):]), afterSignature)
}
