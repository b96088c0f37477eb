package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"sallyport/auth"
)

// npsEventName is the name of npsEventFormat.
const npsEventName = "nps-event"

// npsEventFormat reads the Windows events that tell of logins through Network
// Policy Server: 6272 to 6279 of the Security log, what NPS itself and RD Gateway
// write, and what the extension for Azure MFA writes, in every form in which
// events are exported: rendered text, CSV by Event Viewer or Export-Csv, XML in
// one line or in many, and event log files, which arrive as XML.
var npsEventFormat = Format{
	Name:  npsEventName,
	Title: "Windows events of Network Policy Server (6272 to 6279), RD Gateway and Schannel: text, CSV, XML, EVTX",
	Marks: slices.Concat(npsExtensionMarks, []string{
		"Network Policy Server granted", "Network Policy Server denied access", "Network Policy Server discarded the",
		"Network Policy Server locked the user account", "Network Policy Server quarantined",
		"Account Name:", "Account Domain:", "Calling Station Identifier:", "Called Station Identifier:", "NAS IPv4 Address:",
		"NAS IPv6 Address:", "NAS Identifier:", "Client Friendly Name:", "Client IP Address:", "Network Policy Name:",
		"Connection Request Policy Name:", "Authentication Server:", "Authentication Type:", "EAP Type:", "Reason Code:", "Reason:",
		`"6272"`, `"6273"`, `"6274"`, `"6276"`, `"6277"`, `"6278"`, `"6279"`,
		"Log Name:", "Event ID:", "Date: ", "Computer: ", "TimeCreated", "MachineName", "Date and Time", "Event Xml:",
		"<Event xmlns", "<Event>", "</Event>", "<Provider Name=", "<EventID", "<Computer>", "<Message>",
		"SubjectUserName", "SubjectDomainName", "CallingStationID", "CalledStationID", "NASIPv4Address",
		"NASIPv6Address", "NASIdentifier", "ClientName", "ClientIPAddress", "NetworkPolicyName",
		"ProxyPolicyName", "AuthenticationServer", "AuthenticationType", "EAPType", "ReasonCode", `"Reason"`, "'Reason'",
		"invalid RADIUS client IP address", "Message-Authenticator attribute", "A LDAP connection with domain controller",
		`on client computer "`, "fatal alert was", "TLS client credential",
	}),
	New: newWindowsEvents,
}

func newWindowsEvents() Reader {
	return &windowsEvents{asked: waiting{give: func(a *Attempt, out *Sink) { out.Attempt(a) }}}
}

// A windowsEvents reads events of NPS and of its extension. Lines of an event
// that have no mark do not reach it.
type windowsEvents struct {
	xml     *winEvent  // an event in XML whose end has not come
	text    *winEvent  // a rendered message whose end has not come
	head    *winEvent  // what stands before a rendered message: time, host and number
	columns *csvHeader // of the table that is being read
	retold  bool       // the XML that follows repeats a rendered event
	told    bool       // the XML that is being read does
	asked   waiting    // of the extension: who was asked for a code, by account
}

func (r *windowsEvents) Read(l *Line, out *Sink) Reading {
	s := l.Text
	if strings.HasPrefix(s, "<Event><Timestamp data_type=") {
		return NotMine // an accounting record of NPS
	}
	hasTag := strings.IndexByte(s, '<') >= 0
	if hasTag && (r.xml != nil || strings.Contains(s, "<Event ") || strings.Contains(s, "<Event>")) {
		return r.readXML(l, out)
	}
	if r.xml != nil {
		// Inside the rendered message of an event in XML.
		if r.xml.near(l) && beginsWithLabel(s) && r.xml.labels(s) > 0 {
			if r.concerns(r.xml) && r.xml.keep(l) {
				return Kept
			}
			return Noted
		}
		r.endXML(out)
	}
	return r.readText(l, out)
}

func (r *windowsEvents) Close(out *Sink) {
	r.endXML(out)
	r.endText(out)
	r.asked.giveAll(out)
}

// readXML walks through the tags of a line, which may end one event and begin
// others.
func (r *windowsEvents) readXML(l *Line, out *Sink) Reading {
	made, mine := Noted, r.xml != nil
	rest := l.Text
	if r.xml != nil {
		r.xml.labels(rest[:max(0, strings.IndexByte(rest, '<'))])
	}
	for {
		name, attributes, after, ok := nextTag(rest)
		if !ok {
			break
		}
		rest = after
		if name == "Event" {
			r.endXML(out) // its end was cut off
			r.endText(out)
			r.xml = &winEvent{}
			r.told, r.retold = r.retold, false
			mine = true
			continue
		}
		e := r.xml
		if e == nil {
			continue
		}
		switch name {
		case "Provider":
			e.provider = xmlAttribute(attributes, "Name")
		case "EventID":
			e.id = number(strings.TrimSpace(textBefore(rest)))
		case "TimeCreated":
			when := xmlAttribute(attributes, "SystemTime")
			if e.time, ok = rfc3339Time(when); !ok {
				e.time, e.assumed, _ = eventTime(when, out)
			}
		case "Computer":
			e.host = textBefore(rest)
		case "Data", "Message":
			e.data(xmlAttribute(attributes, "Name"), textBefore(rest))
		case "/Event":
			if r.concerns(e) {
				e.keep(l)
			}
			if r.endXML(out) == Kept {
				made = Kept
			}
			continue
		}
		if e.provider == "Microsoft-Windows-Security-Auditing" && e.id > 0 && (e.id < 6272 || e.id > 6280) {
			// The rest of an event that is none of ours, in a log that is full of them.
			i := strings.Index(rest, "</Event>")
			if i < 0 {
				break
			}
			rest = rest[i:]
		}
	}
	if !mine {
		return NotMine
	}
	if r.xml != nil && r.concerns(r.xml) && r.xml.keep(l) {
		return Kept
	}
	return made
}

// data takes a value of an event in XML. The extension's message stands in one,
// whatever its name.
func (e *winEvent) data(name, value string) {
	if strings.Contains(value, npsExtensionSays) {
		e.message = value
		return
	}
	if name == "" {
		name = "0"
	}
	e.set(name, value)
}

// concerns reports whether an event in XML will be an attempt.
func (r *windowsEvents) concerns(e *winEvent) bool {
	if r.told {
		return false
	}
	switch {
	case e.message != "":
		return npsExtensionLogin(e.message)
	case e.provider == "NPS":
		return e.id == 13 || e.id == 17 || e.id == 18
	case e.provider == "Microsoft-Windows-Security-Auditing" || e.provider == "":
		return npsVerdict(e.id) != ""
	}
	return false
}

// npsVerdict is what the number of a Security event says, empty for others.
func npsVerdict(id int) Verdict {
	switch id {
	case 6272, 6276, 6277, 6278: // granted, quarantined, on probation, granted in full
		return Accepted
	case 6273, 6279: // denied, locked
		return Refused
	case 6274: // discarded: the client gets no answer
		return Faulty
	}
	return ""
}

func (r *windowsEvents) endXML(out *Sink) Reading {
	e := r.xml
	r.xml = nil
	if e == nil || len(e.lines) == 0 {
		return Noted
	}
	return r.finish(e, out)
}

func (r *windowsEvents) endText(out *Sink) {
	e := r.text
	r.text = nil
	if e != nil {
		r.finish(e, out)
	}
}

// finish makes an attempt of an event. It is Kept if the attempt waits for more.
func (r *windowsEvents) finish(e *winEvent, out *Sink) Reading {
	a := &Attempt{
		Product: npsEventName, Time: e.time, ZoneAssumed: e.assumed, Host: e.host, User: e.user(),
		Client: e.fields["ClientName"], From: e.fields["CallingStationID"], Lines: e.lines,
	}
	if a.Client == "" {
		a.Client = e.fields["ClientIPAddress"]
	}
	if a.Host == "" {
		a.Host = e.fields["AuthenticationServer"]
	}
	switch {
	case e.message != "":
		return r.extension(e, a, out)
	case e.provider == "NPS":
		a.Verdict, a.Stage = Refused, auth.StageClient
		a.Client = e.fields["0"]
		a.Codes = []string{"nps-event:" + strconv.Itoa(e.id)}
	default:
		a.Verdict = npsVerdict(e.id)
		reason := e.fields["ReasonCode"]
		if a.Verdict == "" {
			a.Verdict = Refused // a reason without its beginning, and success has none
		}
		if a.Verdict != Accepted {
			npsReasoned(a, e.id, reason)
		} else {
			a.Stage = auth.StageVerdict
		}
	}
	out.Attempt(a)
	return Noted
}

// npsReasoned adds the codes of a refusal.
func npsReasoned(a *Attempt, id int, reason string) {
	n := number(reason)
	if n < 0 || id == 6279 || id == 6274 && (n == 0 || n == 9) {
		if id > 0 {
			a.Codes = append(a.Codes, "nps-event:"+strconv.Itoa(id))
		}
		return
	}
	a.Codes = append(a.Codes, npsReasonSpace+strconv.Itoa(n))
	row := npsReasonOf(n)
	if row == nil {
		a.Codes = append(a.Codes, npsReasonSpace+"other")
		return
	}
	a.Stage = row.stage
}

// npsReasonSpace is the code space of NPS's reasons.
const npsReasonSpace = "nps-reason:"

// npsSentences begin the messages of Security events.
var npsSentences = []struct {
	text string
	id   int
}{
	{"Network Policy Server granted access to a user but put it on probation", 6277},
	{"Network Policy Server granted access", 6272},
	{"Network Policy Server granted full access", 6278},
	{"Network Policy Server denied access", 6273},
	{"Network Policy Server discarded the request", 6274},
	{"Network Policy Server quarantined", 6276},
	{"Network Policy Server locked the user account", 6279},
}

// readText reads a line that is not XML.
func (r *windowsEvents) readText(l *Line, out *Sink) Reading {
	s := l.Text
	if at := strings.Index(s, "Network Policy Server "); at >= 0 {
		for _, begin := range npsSentences {
			if at := strings.Index(s, begin.text); at >= 0 {
				return r.beginText(l, at, begin.id, out)
			}
		}
	}
	if at := strings.Index(s, npsExtensionSays); at >= 0 {
		r.endText(out)
		e := r.newText(s[:at], out)
		message := s[at:]
		if strings.IndexByte(message, '"') >= 0 {
			message = e.suffixed(message, r.columns, out)
		}
		e.message, e.lines = message, []*Line{l}
		return r.finish(e, out)
	}
	if made := r.readCore(l, out); made != NotMine {
		return made
	}
	trimmed := strings.TrimSpace(s)
	if made := r.readHead(trimmed, out); made != NotMine {
		return made
	}
	if r.text != nil && !r.text.near(l) {
		r.endText(out)
	}
	if r.text == nil {
		if !strings.HasPrefix(trimmed, "Reason Code:") {
			return r.readTable(s)
		}
		r.text = r.newText("", out) // its beginning is missing
	}
	return r.readLabels(l, out)
}

// newText begins a rendered event with what is known of it before its message.
func (r *windowsEvents) newText(prefix string, out *Sink) *winEvent {
	e := r.head
	r.head = nil
	if e == nil {
		e = &winEvent{}
	}
	if strings.TrimSpace(prefix) != "" {
		e.prefixed(prefix, r.columns, out)
	}
	return e
}

func (r *windowsEvents) beginText(l *Line, at, id int, out *Sink) Reading {
	r.endText(out)
	r.text = r.newText(l.Text[:at], out)
	r.text.id = id
	r.text.lines = []*Line{l}
	r.text.labels(l.Text[at:])
	if r.text.fields["Reason"] != "" {
		r.endText(out) // all of it is in one line
		return Noted
	}
	return Kept
}

// readLabels reads a line of a rendered message. The reason is the last label of
// a refusal; columns after a quotation mark end any message.
func (r *windowsEvents) readLabels(l *Line, out *Sink) Reading {
	e, s := r.text, l.Text
	ended := false
	if strings.IndexByte(s, '"') >= 0 {
		body := e.suffixed(s, r.columns, out)
		ended = len(body) < len(s)-1 && strings.Contains(s, `"627`)
		s = body
	}
	if !ended && !beginsWithLabel(s) {
		return NotMine
	}
	e.labels(s)
	kept := e.keep(l)
	if ended || e.fields["Reason"] != "" || !kept {
		r.endText(out)
		return Noted
	}
	return Kept
}

// readHead reads the lines that stand before a rendered message in an export as
// text, by Event Viewer, wevtutil or Format-List.
func (r *windowsEvents) readHead(s string, out *Sink) Reading {
	name, value, found := strings.Cut(s, ":")
	if !found || len(name) > 20 {
		return NotMine
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch name {
	case "Log Name":
		r.endText(out)
		r.head = &winEvent{}
		return Noted
	case "Event Xml":
		r.endText(out)
		r.retold = true
		return Noted
	case "TimeCreated":
		r.endText(out)
		if r.head == nil || !r.head.time.IsZero() {
			r.head = &winEvent{}
		}
	case "MachineName":
		if r.head == nil {
			r.head = &winEvent{}
		}
	case "Date", "Event ID", "Computer":
		if r.head == nil {
			return NotMine
		}
	default:
		return NotMine
	}
	switch name {
	case "TimeCreated", "Date":
		r.head.time, r.head.assumed, _ = eventTime(value, out)
	case "Event ID":
		r.head.id = number(value)
	case "MachineName", "Computer":
		r.head.host = value
	}
	return Noted
}

// readTable reads the header of a table. Rows of events that are not about
// logins are known by their columns.
func (r *windowsEvents) readTable(s string) Reading {
	if h, ok := parseCSVHeader(s); ok {
		r.columns = &h
		return Noted
	}
	return NotMine
}

// readCore reads what NPS itself and RD Gateway write, a line each.
func (r *windowsEvents) readCore(l *Line, out *Sink) Reading {
	s := l.Text
	id, client := 0, ""
	if i := strings.Index(s, "invalid RADIUS client IP address "); i >= 0 {
		id, client = 13, s[i+len("invalid RADIUS client IP address "):]
	} else if i := strings.Index(s, "Message-Authenticator attribute"); i >= 0 {
		j := strings.Index(s, "was received from RADIUS client ")
		switch {
		case j < 0:
			return NotMine
		case strings.Contains(s[i:], "that is not valid"):
			id = 18
		default:
			id = 17
		}
		client = s[j+len("was received from RADIUS client "):]
	} else if i := strings.Index(s, `on client computer "`); i >= 0 {
		return r.readGateway(l, out)
	} else if strings.Contains(s, "A LDAP connection with domain controller") ||
		strings.Contains(s, "fatal alert was") || strings.Contains(s, "TLS client credential") {
		r.endText(out)
		r.head = nil
		return Noted
	} else {
		return NotMine
	}
	r.endText(out)
	e := r.newText(beforeMessage(s, "An Access-Request message", "A RADIUS message"), out)
	if end := strings.IndexAny(client, ` ",;`); end >= 0 {
		client = client[:end]
	}
	e.set("0", strings.TrimRight(client, "."))
	e.id, e.provider, e.lines = id, "NPS", []*Line{l}
	return r.finish(e, out)
}

// beforeMessage is what stands before the first of some beginnings.
func beforeMessage(s string, beginnings ...string) string {
	for _, b := range beginnings {
		if i := strings.Index(s, b); i >= 0 {
			return s[:i]
		}
	}
	return ""
}

// readGateway reads an event of RD Gateway. Only a refusal is an attempt: what it
// lets through is asked of NPS, whose events tell of the same login.
func (r *windowsEvents) readGateway(l *Line, out *Sink) Reading {
	s := l.Text
	code := ""
	switch {
	case strings.Contains(s, "did not meet connection authorization policy requirements"):
		code = "rd-gateway:201"
	case strings.Contains(s, "did not meet resource authorization policy requirements"):
		code = "rd-gateway:301"
	case strings.Contains(s, "authorization policy requirements"), strings.Contains(s, "has initiated an outbound connection"),
		strings.Contains(s, "connected to"), strings.Contains(s, "disconnected from"):
	default:
		return NotMine
	}
	r.endText(out)
	e := r.newText(beforeMessage(s, `The user "`), out)
	if code == "" {
		return Noted
	}
	out.Attempt(&Attempt{
		Product: npsEventName, Time: e.time, ZoneAssumed: e.assumed, Host: e.host, Verdict: Refused, Stage: auth.StagePolicy,
		User: quotedAfter(s, "The user "), From: quotedAfter(s, "on client computer "), Codes: []string{code}, Lines: []*Line{l},
	})
	return Noted
}
