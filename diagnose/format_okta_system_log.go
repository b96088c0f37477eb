package diagnose

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// oktaSystemLog reads what Okta's System Log API returns, one event on a line or
// several in an array, the CSV of its console, and names of event types and
// outcomes as people copy them. Events are taken apart by looking for their keys
// and not by a JSON decoder: an event is some 3 kB long, and one that was cut
// still tells its beginning. Okta publishes the keys at
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/.
var oktaSystemLog = Format{
	Name:  "okta-system-log",
	Title: "Okta System Log (JSON, CSV, or copied from the console)",
	Marks: []string{
		`"eventType"`, "outcome.result", "outcome_result", "FAILURE :", "FAILURE: ",
		"device.desktop_mfa.", "device.enrollment.", "device.lifecycle.", "device.local_account.", "device.password_sync.",
		"device.platform.", "device.platform_sso.", "device.signals.", "device.user_os_account.",
		"user.authentication.", "user.session.start", "user.account.lock", "user.mfa.", "policy.evaluate_sign_on",
	},
	New: func() Reader { return &oktaSystemLogReader{} },
}

// An oktaEvent is what is used of an event.
type oktaEvent struct {
	kind, result, reason string
	user, from           string
	factor               string
	published            time.Time
}

type oktaSystemLogReader struct {
	columns []string // of the CSV, as csvColumn names them
}

func (r *oktaSystemLogReader) Read(l *Line, out *Sink) Reading {
	text := strings.TrimSpace(l.Text)
	if strings.Contains(text, `"eventType"`) && strings.IndexByte(text, '{') >= 0 {
		known := false
		text = strings.TrimLeft(text, "[, ")
		for text != "" && text[0] == '{' {
			event, rest := jsonObject(text)
			if e := eventOfJSON(event); e.kind != "" {
				known = true
				e.report(l, out)
			}
			text = strings.TrimLeft(rest, ", ")
		}
		if known {
			return Noted
		}
		return NotMine
	}
	if rest, ok := strings.CutPrefix(text, "FAILURE"); ok {
		rest = strings.TrimLeft(rest, " ")
		if reason, ok := strings.CutPrefix(rest, ":"); ok && isWord(strings.TrimSpace(reason)) {
			oktaEvent{kind: "user.authentication", result: "FAILURE", reason: strings.TrimSpace(reason)}.report(l, out)
			return Noted
		}
		return NotMine
	}
	if isEventType(text) {
		return Noted
	}
	if strings.IndexByte(text, ',') < 0 {
		return NotMine
	}
	return r.row(l, text, out)
}

func (*oktaSystemLogReader) Close(*Sink) {}

// report makes an attempt of the event if it tells how one ended. The evaluation
// of a policy that lets somebody go on is a step of an attempt whose end is an
// event of its own, as is every other event about a login.
func (e oktaEvent) report(l *Line, out *Sink) {
	a := &Attempt{
		Product: oktaSystemLog.Name, Time: e.published, User: e.user, From: e.from, Method: e.factor,
		Stage: auth.StageVerdict, Lines: []*Line{l},
	}
	switch e.result {
	case "SUCCESS", "ALLOW":
		a.Verdict = Accepted
	case "FAILURE", "DENY":
		a.Verdict = Refused
	case "CHALLENGE":
		a.Verdict = Challenged
	default:
		return
	}
	switch {
	case e.kind == "user.session.start", e.kind == "device.password_sync.authentication":
		a.Stage = auth.StagePrimary
	case e.kind == "policy.evaluate_sign_on":
		if a.Verdict != Refused {
			return
		}
		a.Stage = auth.StagePolicy
		a.Codes = []string{"okta-system-log:policy-deny"}
	case e.kind == "user.account.lock", e.kind == "user.account.lock.limit":
		// It tells of the lock, whatever its result is called.
		a.Verdict, a.Stage = Refused, auth.StageAccount
		a.Codes = []string{"okta-system-log:locked_out"}
	case e.kind == "user.mfa.okta_verify.deny_push":
		a.Verdict, a.Stage = Refused, auth.StageAnswer
		a.Codes = []string{"okta-system-log:deny-push"}
	case e.kind == "device.desktop_mfa.recovery_pin.generate":
		if a.Verdict != Refused {
			return
		}
		a.Method = "recovery PIN"
		a.Codes = []string{"okta-system-log:recovery-pin-generate"}
	case e.kind == "user.authentication" || strings.HasPrefix(e.kind, "user.authentication."):
		if e.kind == "user.authentication.sso" && a.Verdict == Accepted {
			return // an application is opened within a session
		}
	default:
		return
	}
	if a.Verdict == Refused && len(a.Codes) == 0 {
		if isWord(e.reason) && len(e.reason) <= 64 {
			a.Codes = []string{"okta-system-log:" + strings.ToLower(e.reason)}
		} else {
			a.Codes = []string{"okta-system-log:" + e.kind}
		}
	}
	out.Attempt(a)
}

func eventOfJSON(s string) oktaEvent {
	e := oktaEvent{kind: jsonString(s, "eventType")}
	if e.kind == "" {
		return e
	}
	outcome := jsonPart(s, "outcome")
	e.result, e.reason = jsonString(outcome, "result"), jsonString(outcome, "reason")
	e.user = jsonString(jsonPart(s, "actor"), "alternateId")
	e.from = jsonString(jsonPart(s, "client"), "ipAddress")
	e.factor = jsonString(jsonPart(s, "debugContext"), "factor")
	if t, ok := rfc3339Time(jsonString(s, "published")); ok {
		e.published = t
	}
	return e
}

// isEventType reports whether s is nothing but the name of an event type.
func isEventType(s string) bool {
	if len(s) > 128 || strings.Count(s, ".") < 2 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !isWord(part) || strings.ToLower(part) != part {
			return false
		}
	}
	return strings.HasPrefix(s, "device.") || strings.HasPrefix(s, "user.") || strings.HasPrefix(s, "policy.")
}

// row reads a line of the CSV. Without its heading it is told by the name of an
// event type, and the user is not guessed.
func (r *oktaSystemLogReader) row(l *Line, text string, out *Sink) Reading {
	fields := csvFields(text, '"')
	heading := make([]string, len(fields))
	for i, f := range fields {
		heading[i] = csvColumn(f)
	}
	if slices.Contains(heading, "outcomeresult") && slices.Contains(heading, "eventtype") {
		r.columns = heading
		return Noted
	}
	var e oktaEvent
	for i, f := range fields {
		column := ""
		if i < len(r.columns) && len(fields) == len(r.columns) {
			column = r.columns[i]
		}
		switch {
		case column == "eventtype", column == "" && e.kind == "" && isEventType(f):
			e.kind = f
		case column == "outcomeresult", column == "" && e.result == "" && slices.Contains([]string{"SUCCESS", "FAILURE", "DENY", "ALLOW", "CHALLENGE"}, f):
			e.result = f
		case column == "outcomereason":
			e.reason = f
		case column == "actoralternateid":
			e.user = f
		case column == "clientipaddress":
			e.from = f
		case column == "published", column == "timestamp", column == "" && e.published.IsZero():
			if t, ok := rfc3339Time(f); ok {
				e.published = t
			}
		}
	}
	if !isEventType(e.kind) || e.result == "" {
		return NotMine
	}
	e.report(l, out)
	return Noted
}

// csvColumn is the name of a column without what differs between exports:
// "actor.alternate_id" and "actor_alternateId" are one.
func csvColumn(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '.' || c == '_' || c == ' ' || c == '-' {
			return -1
		}
		return c
	}, strings.ToLower(s))
}

// csvFields takes a line of comma-separated values apart (RFC 4180, Section 2):
// a value may be in quotes, in which two quotes are one. The last one may be cut.
func csvFields(line string, quote byte) []string {
	var fields []string
	for {
		if line == "" || line[0] != quote {
			field, rest, more := strings.Cut(line, ",")
			fields = append(fields, field)
			if !more {
				return fields
			}
			line = rest
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(line); i++ {
			if line[i] == quote {
				// A quote that neither ends the value nor is doubled is itself:
				// privacyIDEA does not double those within its values.
				if i+1 == len(line) || line[i+1] == ',' {
					break
				}
				if line[i+1] == quote {
					i++
				}
			}
			b.WriteByte(line[i])
		}
		fields = append(fields, b.String())
		if i+1 >= len(line) {
			return fields
		}
		line = line[i+2:]
	}
}

// jsonObject takes a JSON object from the front of s, which begins with its
// brace. Where the object was cut, it is all of s.
func jsonObject(s string) (object, rest string) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end := jsonStringEnd(s, i+1)
			if end < 0 {
				return s, ""
			}
			i = end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return s[:i+1], s[i+1:]
			}
		}
	}
	return s, ""
}

// jsonStringEnd is where the string that goes on at start has its closing quote.
func jsonStringEnd(s string, start int) int {
	for i := start; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// jsonAfter is what follows the first key of this name, from its value on. A
// quote within a string is written with a backslash, so no value looks like a
// key.
func jsonAfter(s, key string) string {
	for {
		i := strings.Index(s, key)
		if i < 0 {
			return ""
		}
		before := i
		s2 := s[i+len(key):]
		if before == 0 || s[before-1] != '"' || !strings.HasPrefix(s2, `"`) {
			s = s2
			continue
		}
		s2 = strings.TrimLeft(s2[1:], " ")
		if value, ok := strings.CutPrefix(s2, ":"); ok {
			return strings.TrimLeft(value, " ")
		}
		s = s2
	}
}

// jsonPart is the object that is the value of a key, "" if it is none.
func jsonPart(s, key string) string {
	value := jsonAfter(s, key)
	if value == "" || value[0] != '{' {
		return ""
	}
	object, _ := jsonObject(value)
	return object
}

// jsonString is the string that is the value of a key, "" if it is none.
func jsonString(s, key string) string {
	value := jsonAfter(s, key)
	if value == "" || value[0] != '"' {
		return ""
	}
	end := jsonStringEnd(value, 1)
	if end < 0 {
		end = len(value) // cut
	}
	return unescaped(value[1:end])
}

// unescaped resolves the escapes of a JSON or Python string, as far as they are
// met in messages: the others stay as they are.
func unescaped(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n', 'r', 't':
			b.WriteByte(' ')
		case 'u':
			if i+4 < len(s) && hexOnly(s[i+1:i+5]) {
				var c rune
				for _, h := range []byte(s[i+1 : i+5]) {
					h = fold(h)
					if isDigit(h) {
						c = c<<4 | rune(h-'0')
					} else {
						c = c<<4 | rune(h-'a'+10)
					}
				}
				if !utf8.ValidRune(c) {
					c = utf8.RuneError
				}
				b.WriteRune(c)
				i += 4
				continue
			}
			b.WriteString(`\u`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
