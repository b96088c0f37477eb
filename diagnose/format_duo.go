package diagnose

import (
	"strings"
	"time"

	"sallyport/auth"
)

// duoProxyFormat reads authproxy.log of the Duo Authentication Proxy, as text or
// JSON lines, and the log of its connectivity tool. The texts are those of
// releases 2 to 6.
var duoProxyFormat = Format{
	Name:  "duo-authproxy",
	Title: "Duo Authentication Proxy (authproxy.log, connectivity_tool.log)",
	Marks: []string{
		"[duoauthproxy", "[DuoForwardServer", "[RadiusClient", "[DuoAuthProxy", "[HTTPPageGetter", "[_ADServiceClientProtocol", "[DuoAutoLdapServer",
		"duo_async.DuoAPI", "login attempt for username", "Got preauth result for", "Duo preauth returned", "Duo authentication returned",
		"Returning response code", "Sending response", "Received new request id", "Received duplicate request",
		"Primary credentials rejected", "Error performing primary authentication", "Duo preauth call failed", "Duo auth call failed",
		"The Auth Proxy ", "Testing section '", "API Request Failed", "API request failed", "Failmode Safe -", "Failmode Secure -",
	},
	New: func() Reader {
		return &duoProxy{requests: waiting{give: func(a *Attempt, out *Sink) { out.Attempt(a) }}}
	},
}

// A duoProxy joins the lines of one RADIUS request, which stand behind
// "(('192.0.2.1', 36123), alice, 105): ".
type duoProxy struct {
	requests waiting
	// fault is the code of the last request to Duo's service that failed, which
	// the proxy writes without saying for whom it was.
	fault   string
	faultAt time.Time
	last    time.Time // of the last line that has one
}

// duoFaultTime is for how long a fault explains what follows it.
const duoFaultTime = time.Minute

func (r *duoProxy) Close(out *Sink) { r.requests.giveAll(out) }

func (r *duoProxy) Read(l *Line, out *Sink) Reading {
	t, message, ok := duoPrefix(l.Text, out)
	if !ok {
		// The last line of a traceback says what Duo's service answered, or that it
		// did not: "duoauthproxy.lib.duo_async.DuoAPIFailOpenError: why".
		if _, why, found := strings.Cut(l.Text, "duo_async.DuoAPI"); found {
			if code := duoCode(why); code != "duo:refused" {
				r.fault, r.faultAt = code, r.last
			}
			return Noted
		}
		return r.tool(l)
	}
	r.last = t
	source, user, id, said, ok := duoRequest(message)
	if !ok {
		if containsFold(message, "API request failed") {
			r.fault, r.faultAt = duoCode(message), t
		}
		return Noted
	}
	key := source + " " + id + " " + user
	a := r.requests.get(key)
	if a != nil && (strings.HasPrefix(said, "login attempt for username") || t.Sub(a.Time) > maxLogin) {
		out.Attempt(r.requests.take(key))
		a = nil
	}
	if strings.HasPrefix(said, "Sending response") && a == nil {
		return Noted // the answer was written before
	}
	reading := Kept
	if a == nil {
		a = &Attempt{
			Product: duoProxyFormat.Name, Time: t, User: user, Client: source, Stage: auth.StagePrimary, Verdict: Abandoned,
			Lines: []*Line{l},
		}
		r.requests.put(key, a, out)
	} else if !r.requests.add(key, l, out) {
		reading = Noted
	}
	switch {
	case strings.HasPrefix(said, "Got preauth result for"):
		a.Stage = auth.StageFactor
		switch {
		case strings.HasSuffix(said, "'enroll'"):
			a.addCode("duo:not-enrolled")
		case strings.HasSuffix(said, "'allow'"):
			a.Stage = auth.StagePolicy // nobody is asked
		}
	case strings.HasPrefix(said, "Received duplicate request"):
		a.addCode(duoDuplicate)
	case strings.HasPrefix(said, "Primary credentials rejected"):
		a.addCode("duo:primary-rejected")
	case strings.HasPrefix(said, "Error performing primary authentication"):
		a.addCode("duo:primary-error")
		a.Verdict = Faulty
	case strings.HasPrefix(said, "Duo preauth returned "), strings.HasPrefix(said, "Duo authentication returned "):
		a.Stage = auth.StageAnswer
		_, result, _ := strings.Cut(said, " returned '")
		result, status, _ := strings.Cut(result, "'")
		a.duoResult(result, status)
	case strings.Contains(said, "Failmode Safe"), strings.Contains(said, "Failmode Secure"), strings.Contains(said, "no Duo factors usable"),
		strings.Contains(said, "improperly-formatted password"), strings.Contains(said, "Cannot decode password"), strings.Contains(said, "Secondary authentication bypassed"):
		a.addCode(duoCode(said))
		if r.fault != "" && strings.Contains(said, "Failmode ") && t.Sub(r.faultAt).Abs() <= duoFaultTime {
			a.addCode(r.fault)
		}
	case strings.HasPrefix(said, "login attempt for "), strings.HasPrefix(said, "Sending "), strings.HasPrefix(said, "Received "):
	case strings.HasPrefix(said, "Returning response code "):
		// A switch on the code of the packet (RFC 2865, Section 3).
		switch code, _, _ := strings.Cut(said[len("Returning response code "):], ":"); strings.TrimSpace(code) {
		case "2":
			a.Verdict = Accepted
		case "3":
			if a.Verdict != Faulty {
				a.Verdict = Refused
			}
			if len(a.Codes) == 0 && r.fault != "" && !r.faultAt.Before(a.Time) && t.Sub(r.faultAt) <= duoFaultTime {
				a.addCode(r.fault)
				a.Verdict = Faulty
				r.fault = "" // each request has a fault of its own
			}
			if len(a.Codes) == 0 {
				a.addCode("duo:refused")
			}
		case "11":
			a.Verdict = Challenged
		}
		a.End = t
		r.requests.take(key)
		if reading == Noted {
			a.Lines = append(a.Lines, l)
		}
		out.Attempt(a)
		return Noted
	default:
		// Where Duo refuses beforehand, its words are the line.
		if code := duoCode(said); a.Stage == auth.StageFactor && code != "duo:refused" {
			a.addCode(code)
		}
	}
	return reading
}

const duoDuplicate = "duo:duplicate"

// tool takes a line of the connectivity tool: "[error]  The Auth Proxy was not
// able to ...".
func (r *duoProxy) tool(l *Line) Reading {
	text := strings.TrimLeft(l.Text, " \t")
	if strings.HasPrefix(text, "[info]") || strings.HasPrefix(text, "[warn]") || strings.HasPrefix(text, "[error]") || strings.HasPrefix(text, "[critical]") {
		return Noted
	}
	return NotMine
}

// duoPrefix takes "2026-11-22T13:01:02.123456+0000 [duoauthproxy.lib.log#info] "
// from the front, or the message out of a JSON line.
func duoPrefix(s string, out *Sink) (t time.Time, message string, ok bool) {
	if strings.HasPrefix(s, "{") {
		if strings.Contains(s, `"auth_stage"`) {
			return time.Time{}, "", false // of authevents.log
		}
		message = jsonString(s, "msg")
		if message == "" {
			message = jsonString(s, "message")
		}
		if message == "" {
			return time.Time{}, "", false
		}
		t, _ = rfc3339Time(jsonString(s, "timestamp"))
		return t, message, true
	}
	stamp, rest, found := strings.Cut(s, " [")
	if !found || len(stamp) < 19 || len(stamp) > 40 {
		return time.Time{}, "", false
	}
	if t, ok = spacedTime(stamp, out); !ok {
		return time.Time{}, "", false
	}
	_, message, ok = strings.Cut(rest, "] ")
	return t, message, ok
}

// spacedTime reads all of s as a time of RFC 3339, also with a blank instead of
// the T, and without a zone.
func spacedTime(s string, out *Sink) (time.Time, bool) {
	if len(s) < 19 {
		return time.Time{}, false
	}
	if s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	if t, ok := rfc3339Time(s); ok {
		return t, true
	}
	t, ok := rfc3339Time(s + "Z")
	if !ok {
		return time.Time{}, false
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), out.zone()), true
}

// duoRequest takes "(('192.0.2.1', 36123), alice, 105): what happened" apart.
// The name may be quoted, or hold commas.
func duoRequest(m string) (source, user, id, said string, ok bool) {
	rest, ok := strings.CutPrefix(m, "(('")
	if !ok {
		return "", "", "", "", false
	}
	source, rest, ok = strings.Cut(rest, "'")
	if !ok {
		return "", "", "", "", false
	}
	_, rest, ok = strings.Cut(rest, "), ")
	if !ok {
		return "", "", "", "", false
	}
	head, said, ok := strings.Cut(rest, "): ")
	if !ok {
		return "", "", "", "", false
	}
	at := strings.LastIndex(head, ", ")
	if at < 0 {
		return "", "", "", "", false
	}
	user, id = head[:at], head[at+2:]
	user = strings.Trim(strings.TrimPrefix(user, "u'"), "'")
	return source, user, id, said, true
}

// duoResult takes what Duo's service answered: "deny" and "Login request denied."
func (a *Attempt) duoResult(result, status string) {
	if result == "allow" || result == "auth" {
		return
	}
	if code := duoCode(status); code != "duo:refused" || result != "enroll" {
		a.addCode(code)
		return
	}
	a.addCode("duo:not-enrolled")
}

// duoTexts are what Duo's service and its clients write, and our code of it. The
// first that is in the text counts, without regard to case.
var duoTexts = []struct{ text, code string }{
	{"primary credentials rejected", "duo:primary-rejected"},
	{"error performing primary authentication", "duo:primary-error"},
	{"failmode safe", "duo:fail-open"},
	{"secondary authentication bypassed", "duo:fail-open"},
	{"failmode secure", "duo:fail-closed"},
	{"fraud", "duo:fraud"},
	{"timed out", "duo:timeout"},
	{"timeout", "duo:timeout"},
	{"incorrect passcode", "duo:wrong-passcode"},
	{"passcode has already been used", "duo:wrong-passcode"},
	{"invalid passcode", "duo:wrong-passcode"},
	{"not enrolled", "duo:not-enrolled"},
	{"enrollment", "duo:not-enrolled"},
	{"enroll", "duo:not-enrolled"},
	{"no duo factors usable", "duo:no-factor"},
	{"does not have an associated device", "duo:no-factor"},
	{"locked out", "duo:locked-out"},
	{"account is disabled", "duo:disabled"},
	{"not permitted", "duo:policy"},
	{"denied by", "duo:policy"},
	{"improperly-formatted password", "duo:no-password"},
	{"no username provided", "duo:no-password"},
	{"cannot decode password", "radius:shared-secret"},
	{"login request denied", "duo:denied"},
	{"denied", "duo:denied"},
	{"invalid ikey or skey", "duo:credentials"},
	{"invalid integration key", "duo:credentials"},
	{"invalid signature in request", "duo:credentials"},
	{"bad request timestamp", "duo:clock"},
	{"invalid date header", "duo:clock"},
	{"couldn't connect", "duo:unreachable"},
	{"failed to connect", "duo:unreachable"},
	{"http 5", "duo:unreachable"},
	{"api request failed", "duo:unreachable"},
}

func duoCode(text string) string {
	for i := range duoTexts {
		if containsFold(text, duoTexts[i].text) {
			return duoTexts[i].code
		}
	}
	return "duo:refused"
}

// duoEventFormat reads authevents.log of the Duo Authentication Proxy: a line of
// JSON for each stage of a login.
var duoEventFormat = Format{
	Name:  "duo-authevents",
	Title: "Duo Authentication Proxy (authevents.log)",
	Marks: []string{`"auth_stage"`},
	New: func() Reader {
		return &duoEvents{stages: waiting{give: func(a *Attempt, out *Sink) { out.Attempt(a) }}}
	},
}

// A duoEvents joins the primary stage of a login with the secondary.
type duoEvents struct {
	stages waiting
}

func (r *duoEvents) Close(out *Sink) { r.stages.giveAll(out) }

func (r *duoEvents) Read(l *Line, out *Sink) Reading {
	text := l.Text
	status := jsonString(text, "status")
	if status == "" || !strings.HasPrefix(strings.TrimLeft(text, " \t"), "{") {
		return NotMine
	}
	t, _ := rfc3339Time(jsonString(text, "timestamp"))
	user := jsonString(text, "username")
	if user == "" {
		user = jsonString(text, "dn") // of the LDAP server
	}
	section, from, message := jsonString(text, "server_section"), jsonString(text, "client_ip"), jsonString(text, "msg")
	if strings.EqualFold(from, "unknown") {
		from = ""
	}
	key := user + "\x00" + from + "\x00" + section
	primary := strings.HasPrefix(jsonString(text, "auth_stage"), "Primary")
	a := r.stages.get(key)
	if a != nil && (primary || t.Sub(a.Time) > maxLogin) {
		out.Attempt(r.stages.take(key))
		a = nil
	}
	held := a != nil
	if !held {
		a = &Attempt{
			Product: duoEventFormat.Name, Time: t, User: user, From: from, Client: section, Host: jsonString(text, "hostname"),
			Stage: auth.StagePrimary, Verdict: Abandoned, Lines: []*Line{l},
		}
	}
	if !primary {
		a.Stage = auth.StageAnswer
		a.Method = jsonString(text, "factor")
	}
	a.End = t
	switch status {
	case "Allow":
		if primary {
			a.End = time.Time{}
			r.stages.put(key, a, out)
			return Kept
		}
		a.Verdict = Accepted
		if code := duoCode(message); code == "duo:fail-open" {
			a.addCode(code)
		}
	case "Reject":
		a.Verdict = Refused
		a.addCode(duoCode(message))
	default:
		a.Verdict = Faulty
		a.addCode(duoCode(message))
	}
	if held {
		r.stages.take(key)
		a.Lines = append(a.Lines, l)
	}
	out.Attempt(a)
	return Noted
}

// duoUnixFormat reads what login_duo and pam_duo write to syslog.
var duoUnixFormat = Format{
	Name:  "duo-unix",
	Title: "Duo Unix (login_duo and pam_duo, in syslog)",
	Marks: []string{" Duo login", "bypassed Duo 2FA", "login_duo[", "pam_duo["},
	New:   func() Reader { return duoUnix{} },
}

type duoUnix struct{}

func (duoUnix) Close(*Sink) {}

func (duoUnix) Read(l *Line, out *Sink) Reading {
	s, ok := parseSyslog(l.Text, out)
	if !ok {
		// The debug output of login_duo: "[4] Failed Duo login for ...".
		level, rest, found := strings.Cut(l.Text, "] ")
		if !found || len(level) != 2 || level[0] != '[' {
			return NotMine
		}
		s.message, s.zoned = rest, true
	}
	m := strings.TrimPrefix(s.message, "pam_duo: ")
	what, rest, ok := strings.Cut(m, " Duo login")
	if !ok || strings.IndexByte(what, ' ') >= 0 && what != "Error in" {
		if strings.HasPrefix(s.program, "login_duo") || strings.HasPrefix(s.program, "pam_duo") || strings.HasSuffix(m, "bypassed Duo 2FA due to user's UNIX group") {
			return Noted
		}
		return NotMine
	}
	a := &Attempt{
		Product: duoUnixFormat.Name, Time: s.time, End: s.time, ZoneAssumed: !s.zoned, Host: s.host, Client: s.program,
		Stage: auth.StageAnswer, Verdict: Refused, Lines: []*Line{l},
	}
	if _, after, found := strings.Cut(rest, " for '"); found {
		a.User, rest, _ = strings.Cut(after, "'")
	}
	if after, found := strings.CutPrefix(rest, " from "); found {
		from, reason, _ := strings.Cut(after, ": ")
		a.From, rest = strings.Trim(from, "':"), reason
	} else {
		rest = strings.TrimPrefix(rest, ": ")
	}
	switch what {
	case "Successful":
		a.Verdict = Accepted
	case "Skipped": // by policy or because the person is let through
		a.Verdict = Accepted
		a.Stage = auth.StagePolicy
	case "Failsafe":
		a.Verdict = Accepted
		a.addCode("duo:fail-open")
	case "Failed", "Aborted":
		a.addCode(duoCode(rest))
	default: // Failsecure, Error in
		a.Verdict = Faulty
		a.addCode(duoCode(rest))
	}
	if a.Verdict == Accepted && what == "Failsafe" {
		if why := duoCode(rest); why != "duo:refused" {
			a.addCode(why)
		}
	}
	out.Attempt(a)
	return Noted
}

// duoAPIFormat reads the records that Duo's Admin API gives, a JSON object a
// line, as collectors store them.
var duoAPIFormat = Format{
	Name:  "duo-admin-api",
	Title: "Duo Admin API (authentication and administrator records, JSON lines)",
	Marks: []string{`"isotimestamp"`},
	New:   func() Reader { return duoAPI{} },
}

type duoAPI struct{}

func (duoAPI) Close(*Sink) {}

func (duoAPI) Read(l *Line, out *Sink) Reading {
	text := l.Text
	if !strings.Contains(text, "{") {
		return NotMine
	}
	result, reason := jsonString(text, "result"), jsonString(text, "reason")
	if result == "" {
		result = jsonString(text, "outcome") // of the older interface
	}
	if result == "" || jsonString(text, "txid") == "" && jsonString(text, "event_type") != "authentication" {
		if jsonString(text, "action") != "" || jsonString(text, "eventtype") != "" {
			return Noted // what an administrator or the service did
		}
		return NotMine
	}
	t, _ := rfc3339Time(jsonString(text, "isotimestamp"))
	a := &Attempt{
		Product: duoAPIFormat.Name, Time: t, End: t, Method: jsonString(text, "factor"), Stage: auth.StageAnswer, Verdict: Refused,
		Lines: []*Line{l},
	}
	if object := jsonPart(text, "user"); object != "" {
		a.User = jsonString(object, "name")
	}
	if a.User == "" {
		a.User = jsonString(text, "username")
	}
	if object := jsonPart(text, "application"); object != "" {
		a.Client = jsonString(object, "name")
	}
	if object := jsonPart(text, "access_device"); object != "" {
		a.From = jsonString(object, "ip")
		a.Host = jsonString(object, "hostname")
	}
	switch strings.ToLower(result) {
	case "success":
		a.Verdict = Accepted
	case "error":
		a.Verdict = Faulty
		a.addCode("duo-reason:" + reason)
		a.addCode("duo:refused")
	default:
		if reason == "" || strings.EqualFold(result, "fraud") {
			reason = "user_marked_fraud"
		}
		a.addCode("duo-reason:" + strings.ToLower(strings.ReplaceAll(reason, " ", "_")))
		a.addCode("duo:refused") // for a reason that nobody knows yet
	}
	out.Attempt(a)
	return Noted
}
