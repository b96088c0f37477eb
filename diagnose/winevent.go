package diagnose

import (
	"html"
	"slices"
	"strings"
	"time"
)

// A winEvent is one event of a Windows log, in whatever form it was exported.
type winEvent struct {
	id       int    // 0 if it is not known
	provider string // "Microsoft-Windows-Security-Auditing"
	host     string
	time     time.Time
	assumed  bool // the time's zone is not said
	message  string
	// fields are the values by the names that the event's XML has for them,
	// whether they came from XML or from the labels of a rendered message.
	fields map[string]string
	lines  []*Line
}

// set gives a field a value, unless it has one. A dash stands for none.
func (e *winEvent) set(name, value string) {
	value = strings.TrimSpace(value)
	if value == "" || value == "-" || e.fields[name] != "" {
		return
	}
	if e.fields == nil {
		e.fields = map[string]string{}
	}
	e.fields[name] = value
}

// eventLabels are the labels of rendered messages of NPS events, with the names
// that the fields have in XML; those without a name only end the value before.
var eventLabels = []struct{ label, field string }{
	{"Fully Qualified Account Name:", "FullyQualifiedSubjectUserName"},
	{"Account Name:", "SubjectUserName"},
	{"Account Domain:", "SubjectDomainName"},
	{"Security ID:", ""},
	{"Called Station Identifier:", "CalledStationID"},
	{"Calling Station Identifier:", "CallingStationID"},
	{"NAS IPv4 Address:", "NASIPv4Address"},
	{"NAS IPv6 Address:", "NASIPv6Address"},
	{"NAS Identifier:", "NASIdentifier"},
	{"NAS Port-Type:", ""},
	{"NAS Port:", ""},
	{"Client Friendly Name:", "ClientName"},
	{"Client IP Address:", "ClientIPAddress"},
	{"Connection Request Policy Name:", "ProxyPolicyName"},
	{"Proxy Policy Name:", "ProxyPolicyName"},
	{"Network Policy Name:", "NetworkPolicyName"},
	{"Authentication Provider:", ""},
	{"Authentication Server:", "AuthenticationServer"},
	{"Authentication Type:", "AuthenticationType"},
	{"EAP Type:", "EAPType"},
	{"Account Session Identifier:", ""},
	{"Logging Results:", ""},
	{"OS-Version:", ""},
	{"Reason Code:", "ReasonCode"},
	{"Reason:", "Reason"},
	{"Client Machine:", ""},
	{"RADIUS Client:", ""},
	{"Authentication Details:", ""},
	{"Quarantine Information:", ""},
	{"NAS:", ""},
	{"User:", ""},
}

// labels reads the labels in a piece of a rendered message, which may be one
// line of it, or all of it where something has taken the line ends away. It
// says how many it found.
func (e *winEvent) labels(s string) int {
	found, field, start := 0, "", 0
	for from := 0; ; {
		i := strings.IndexByte(s[from:], ':')
		if i < 0 {
			break
		}
		end := from + i + 1
		from = end
		for k := range eventLabels {
			l := &eventLabels[k]
			begin := end - len(l.label)
			if begin < start || s[begin:end] != l.label || begin > 0 && s[begin-1] != ' ' && s[begin-1] != '\t' {
				continue
			}
			found++
			if field != "" {
				e.set(field, s[start:begin])
			}
			field, start = l.field, end
			break
		}
		if field == "Reason" {
			break // the last label, and its text may hold anything
		}
	}
	if field != "" {
		e.set(field, s[start:])
	}
	return found
}

// beginsWithLabel reports whether a line is one of a rendered message. In a log
// of several products others may use the same words further on.
func beginsWithLabel(line string) bool {
	line = strings.TrimLeft(line, " \t")
	for i := range eventLabels {
		if strings.HasPrefix(line, eventLabels[i].label) {
			return true
		}
	}
	return false
}

// maxEventLines is how many lines an event has, those between that have no mark
// included.
const maxEventLines = 100

// near reports whether a line can belong to an event that has begun.
func (e *winEvent) near(l *Line) bool {
	return len(e.lines) == 0 || l.Number-e.lines[0].Number <= maxEventLines
}

// user is the account that the event is about, with its domain if it has one.
func (e *winEvent) user() string {
	name, domain := e.fields["SubjectUserName"], e.fields["SubjectDomainName"]
	switch {
	case name == "":
		return e.fields["FullyQualifiedSubjectUserName"]
	case domain == "" || strings.ContainsAny(name, `\@/`):
		return name
	}
	return domain + `\` + name
}

// tag takes the next XML tag from s: its name, with a slash before that of an
// end; its attributes; and what follows it. A tag that the end of the line has
// cut off is none.
func nextTag(s string) (name, attributes, rest string, ok bool) {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 || i+1 == len(s) {
			return "", "", "", false
		}
		s = s[i+1:]
		if s[0] == '?' || s[0] == '!' {
			continue
		}
		end := strings.IndexByte(s, '>')
		if end < 0 {
			return "", "", "", false
		}
		name, attributes, _ = strings.Cut(s[:end], " ")
		return strings.TrimSuffix(name, "/"), attributes, s[end+1:], true
	}
}

// xmlAttribute takes an attribute's value, in either kind of quotes.
func xmlAttribute(attributes, name string) string {
	for s := attributes; ; {
		i := strings.Index(s, name+"=")
		if i < 0 || i+len(name)+1 >= len(s) {
			return ""
		}
		bounded := i == 0 || s[i-1] == ' '
		s = s[i+len(name)+1:]
		if quote := s[0]; bounded && (quote == '"' || quote == '\'') {
			value, _, _ := strings.Cut(s[1:], s[:1])
			return xmlText(value)
		}
	}
}

// xmlText undoes the escapes of XML.
func xmlText(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return html.UnescapeString(s)
}

// textBefore is the text up to the next tag.
func textBefore(s string) string {
	if i := strings.IndexByte(s, '<'); i >= 0 {
		s = s[:i]
	}
	return xmlText(s)
}

// eventTime reads the time of an exported event. Windows writes it in the format
// of whoever exported it: where day and month cannot be told apart, a clock with
// AM and PM means that the month comes first, and one of 24 hours the day,
// unless that would be in the future.
func eventTime(s string, out *Sink) (t time.Time, assumed, ok bool) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch r {
		case '\u200e', '\u200f':
			return -1 // marks of direction, which some versions write
		case '\u202f', '\u00a0', 'T':
			return ' '
		}
		return r
	}, s))
	date, clockText, found := strings.Cut(s, " ")
	if !found || len(date) > 10 {
		return time.Time{}, false, false
	}
	clockText, half, _ := strings.Cut(strings.TrimSpace(clockText), " ")
	if len(clockText) > 1 && clockText[1] == ':' {
		clockText = "0" + clockText
	}
	c, n, ok := clockOf(clockText)
	if !ok {
		return time.Time{}, false, false
	}
	switch strings.ToUpper(half) {
	case "AM":
		c.hour %= 12
	case "PM":
		c.hour = c.hour%12 + 12
	}
	zone, assumed := out.zone(), true
	if z, ok := zoneOf(clockText[n:]); ok {
		zone, assumed = z, false
	}
	separator := strings.IndexAny(date, "/.-")
	if separator < 0 {
		return time.Time{}, false, false
	}
	part := strings.Split(date, date[separator:separator+1])
	if len(part) != 3 {
		return time.Time{}, false, false
	}
	a, b, d := number(part[0]), number(part[1]), number(part[2])
	at := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nano, zone)
	}
	valid := func(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= 31 }
	if len(part[0]) == 4 {
		return at(a, b, d), assumed, a >= 0 && valid(b, d)
	}
	if len(part[2]) == 2 && d >= 0 {
		d += 2000
	}
	if d < 1970 || d > 9999 {
		return time.Time{}, false, false
	}
	monthFirst := half != "" && date[separator] == '/'
	switch {
	case !valid(a, b) && !valid(b, a):
		return time.Time{}, false, false
	case !valid(a, b):
		monthFirst = false
	case !valid(b, a):
		monthFirst = true
	}
	first, other := at(d, a, b), at(d, b, a)
	if !monthFirst {
		first, other = other, first
	}
	if valid(a, b) && valid(b, a) && !out.Newest.IsZero() && first.After(out.Newest.Add(24*time.Hour)) && !other.After(out.Newest.Add(24*time.Hour)) {
		return other, assumed, true
	}
	return first, assumed, true
}

// A csvHeader says in which columns an export has what is needed, -1 for none.
type csvHeader struct{ time, id, host, provider, message int }

// parseCSVHeader reads the first line of an export by Event Viewer or by
// PowerShell's Export-Csv.
func parseCSVHeader(s string) (csvHeader, bool) {
	h := csvHeader{-1, -1, -1, -1, -1}
	separator := byte(',')
	if strings.IndexByte(s, '\t') >= 0 {
		separator = '\t'
	}
	columns := splitCSV(strings.TrimPrefix(s, "\ufeff"), separator)
	if len(columns) < 3 {
		return h, false
	}
	for i, name := range columns {
		switch name {
		case "Date and Time", "TimeCreated", "TimeGenerated":
			h.time = i
		case "Event ID", "Id", "EventID":
			h.id = i
		case "MachineName", "Computer":
			h.host = i
		case "Source", "ProviderName":
			h.provider = i
		case "Message":
			h.message = i
		}
	}
	if h.time < 0 || h.id < 0 {
		return h, false
	}
	if h.message < 0 {
		h.message = len(columns) // Event Viewer has no name for its last column
	}
	return h, true
}

// splitCSV splits one line of a table. Quotes that are not closed end with it.
func splitCSV(s string, separator byte) []string {
	var all []string
	for {
		if len(all) == maxColumns {
			return all
		}
		if s == "" || s[0] != '"' {
			i := strings.IndexByte(s, separator)
			if i < 0 {
				return append(all, s)
			}
			all, s = append(all, s[:i]), s[i+1:]
			continue
		}
		value, n := quotedCSV(s)
		all = append(all, value)
		s = s[n:]
		i := strings.IndexByte(s, separator)
		if i < 0 {
			return all
		}
		s = s[i+1:]
	}
}

// maxColumns is how many columns of a table are looked at.
const maxColumns = 300

// quotedCSV takes a quoted value from the front, in which a quote is doubled, and
// says how many octets it took.
func quotedCSV(s string) (value string, n int) {
	i := 1
	for i < len(s) {
		if s[i] != '"' {
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			i += 2
			continue
		}
		return strings.ReplaceAll(s[1:i], `""`, `"`), i + 1
	}
	return strings.ReplaceAll(s[1:], `""`, `"`), len(s)
}

// around reads what stands beside the message in a row of a table: the columns
// before it, or those after it, of which the first is number first. Without a
// header, a column that reads as a time is the time, and one that reads as the
// number of an event of NPS is that.
func (e *winEvent) around(columns []string, first int, h *csvHeader, out *Sink) {
	for i, value := range columns {
		at := first + i
		value = strings.TrimSpace(value)
		if h != nil {
			switch at {
			case h.host:
				e.host = value
			case h.provider:
				e.provider = value
			}
			if at != h.time && at != h.id {
				continue
			}
		}
		if n := number(value); n > 0 && e.id == 0 && (h != nil && at == h.id || h == nil && n >= 6272 && n <= 6280) {
			e.id = n
		}
		if (h == nil || at == h.time) && e.time.IsZero() && len(value) >= len("1/2/2026 1:02:03") {
			if t, assumed, ok := eventTime(value, out); ok {
				e.time, e.assumed = t, assumed
			}
		}
	}
}

// prefixed reads what stands before the message in a line: columns of a table,
// or what a syslog daemon wrote.
func (e *winEvent) prefixed(prefix string, h *csvHeader, out *Sink) {
	if s, ok := parseSyslog(prefix+" ", out); ok {
		e.time, e.assumed, e.host = s.time, !s.zoned, s.host
		return
	}
	prefix = strings.TrimSuffix(prefix, `"`)
	separator := byte(',')
	if strings.IndexByte(prefix, '\t') >= 0 {
		separator = '\t'
	} else if strings.IndexByte(prefix, ',') < 0 {
		// The table that PowerShell prints: time, number, level, message.
		words := strings.Fields(prefix)
		for n := min(3, len(words)); n >= 2 && e.time.IsZero(); n-- {
			if t, assumed, ok := eventTime(strings.Join(words[:n], " "), out); ok {
				e.time, e.assumed = t, assumed
			}
		}
		return
	}
	e.around(splitCSV(prefix, separator), 0, h, out)
}

// suffixed reads the columns after a message that ends in this line, and returns
// the line without them.
func (e *winEvent) suffixed(line string, h *csvHeader, out *Sink) string {
	i := strings.Index(line, `","`)
	if i < 0 {
		i = strings.Index(line, `",`)
	}
	if i < 0 {
		return strings.TrimSuffix(line, `"`)
	}
	first := 1
	if h != nil {
		first = h.message + 1
	}
	e.around(splitCSV(line[i+2:], ','), first, h, out)
	return line[:i]
}

// keep adds a line, and is false if the event holds as many as it may.
func (e *winEvent) keep(l *Line) bool {
	if len(e.lines) >= maxAttemptLines {
		return false
	}
	if !slices.Contains(e.lines, l) {
		e.lines = append(e.lines, l)
	}
	return true
}
