package diagnose

import (
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// privacyIDEA reads the log of the privacyIDEA server in its own layout, in that
// of its container, as Apache writes it, and through syslog, and the rows of its
// audit trail: those that the logger audit module writes as JSON, and those that
// its console exports. At the usual level the log says little of logins; the
// audit trail, or the level DEBUG, says how each ended.
//
// The layouts and sentences are those of the public source,
// https://github.com/privacyidea/privacyidea (lib/log.py, lib/token/auth.py,
// lib/tokenclass.py, lib/user.py, lib/auditmodules).
var privacyIDEA = Format{
	Name:  "privacyidea",
	Title: "privacyIDEA server log and audit trail",
	Marks: []string{"privacyidea.lib.", "privacyidea.api.", "privacyidea.app", `{"action": "`, "'POST /validate/", "'POST /auth'"},
	New:   func() Reader { return &privacyIDEAReader{threads: map[string]*ideaRequest{}} },
}

const (
	// ideaThreads bounds of how many threads a request is remembered at a time.
	ideaThreads = 1000
	// ideaThread is how much of the name of one counts.
	ideaThread = 300
	// ideaLines is how many lines of an attempt are kept.
	ideaLines = 200
	// ideaApart is how long after each other two lines of one request can come.
	ideaApart = 60 * time.Second
)

type privacyIDEAReader struct {
	threads map[string]*ideaRequest
	order   []string // their names, the longest known first
}

// An ideaRequest is what is known of the request that a thread is answering.
type ideaRequest struct {
	user, realm, client string
	action              string
	transaction         bool   // it answers a challenge
	mixed               bool   // requests of several people, in a log that does not tell threads apart
	exited              string // the function whose result is in the open attempt
	hints               []string
	at                  time.Time
	open                *Attempt // that no line has decided yet
}

// An ideaLine is one line taken apart.
type ideaLine struct {
	at              time.Time
	zoned           bool
	host, thread    string
	logger, message string
}

// parseIdea takes a line apart:
//
//	[2022-08-12 13:35:24,855][1234][5678][INFO][privacyidea.lib.token:123] text
//	[Fri Aug 12 13:35:24.855283 2022] [wsgi:error] [pid 12:tid 34] INFO:privacyidea.lib.token:text
func parseIdea(text string, out *Sink) (ideaLine, bool) {
	var p ideaLine
	rest := text
	if s, ok := parseSyslog(text, out); ok {
		p.at, p.zoned, p.host, rest = s.time, s.zoned, s.host, s.message
	}
	if at, zoned, after, ok := leadingTime(rest, out); ok {
		p.at, p.zoned, rest = at, zoned, after
	} else if at, after, ok := apacheTime(rest, out); ok {
		p.at, rest = at, after
	}
	for strings.HasPrefix(rest, "[") {
		group, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return ideaLine{}, false
		}
		rest = strings.TrimLeft(after, " ")
		switch {
		case digitsOnly(group) || strings.HasPrefix(group, "pid "):
			if len(p.thread) < ideaThread {
				p.thread += group + "/"
			}
		case strings.Contains(group, ".") && !strings.Contains(group, " "):
			p.logger, _, _ = strings.Cut(group, ":")
		}
		if p.logger != "" {
			break
		}
	}
	if p.logger == "" {
		level, after, _ := strings.Cut(rest, ":")
		switch level {
		case "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL":
		default:
			return ideaLine{}, false
		}
		var ok bool
		if p.logger, rest, ok = strings.Cut(after, ":"); !ok {
			return ideaLine{}, false
		}
	}
	p.message = rest
	return p, true
}

// apacheTime takes "[Fri Aug 12 13:35:24.855283 2022] " from the front of s.
func apacheTime(s string, out *Sink) (at time.Time, rest string, ok bool) {
	in, rest, ok := strings.Cut(s, "]")
	if !ok || len(in) < len("[Fri Aug 12 13:35:24 2022") || len(in) > 40 || in[0] != '[' || in[4] != ' ' || in[8] != ' ' || in[11] != ' ' {
		return time.Time{}, s, false
	}
	month, ok := monthOf(in[5:8])
	day, okDay := paddedDay(in[9:11])
	c, n, okClock := clockOf(in[12:])
	if !ok || !okDay || !okClock {
		return time.Time{}, s, false
	}
	year := number(strings.TrimPrefix(in[12+n:], " "))
	if year < 1000 || year > 9999 {
		return time.Time{}, s, false
	}
	return time.Date(year, month, day, c.hour, c.minute, c.second, c.nano, out.zone()), strings.TrimLeft(rest, " "), true
}

func (r *privacyIDEAReader) Read(l *Line, out *Sink) Reading {
	if strings.HasPrefix(l.Text, "'") {
		return r.row(l, out)
	}
	p, ok := parseIdea(l.Text, out)
	if !ok {
		return NotMine
	}
	q, made := r.read(l, p, out)
	if made == Kept && (q.open == nil || q.open.Lines[len(q.open.Lines)-1] != l) {
		return Noted // it has more lines than are kept
	}
	return made
}

func (r *privacyIDEAReader) read(l *Line, p ideaLine, out *Sink) (*ideaRequest, Reading) {
	audit := strings.HasPrefix(p.message, `{"action": "`)
	if !audit && !strings.HasPrefix(p.logger, "privacyidea.") {
		return nil, NotMine
	}
	q := r.request(p, out)
	if !q.at.IsZero() && !p.at.IsZero() && p.at.Sub(q.at).Abs() > ideaApart {
		q.hand(out)
		*q = ideaRequest{}
	}
	q.at = p.at

	m := p.message
	switch {
	case audit:
		a := q.decide(l, p, jsonString(m, "info"), jsonString(m, "authentication"), strings.Contains(m, `"success": true`), jsonString(m, "action"))
		if a == nil {
			return q, Noted
		}
		setIf(&a.User, jsonString(m, "user"))
		if realm := jsonString(m, "realm"); realm != "" && a.User != "" {
			a.User += "@" + realm
		}
		setIf(&a.From, jsonString(m, "client"))
		setIf(&a.Method, jsonString(m, "token_type"))
		q.hand(out)
		*q = ideaRequest{}
		return q, Noted
	case strings.Contains(p.logger, "auditmodules") && strings.HasPrefix(m, "Entering log with arguments ("):
		q.auditDict(l, p, m, out)
	case strings.HasPrefix(m, "Entering get_user_from_param with arguments ("):
		q.name(pyString(m, "user"), "", p.thread == "")
		q.transaction = strings.Contains(m, "'transaction_id'")
	case strings.HasPrefix(m, "Entering check_user_pass with arguments "):
		if q.exited != "" { // the next request of the thread
			q.hand(out)
			*q = ideaRequest{at: p.at}
		}
		q.name(pyArgument(m, "login"), pyArgument(m, "realm"), p.thread == "")
	case strings.HasPrefix(m, "Exiting check_"):
		return q, q.result(l, p, m, out)
	case strings.HasPrefix(m, "Problem resolving user "):
		return q, q.unresolved(l, p, m)
	case strings.HasPrefix(m, "Begin handling of request"), strings.HasPrefix(m, "End handling of request"):
		q.hand(out)
		*q = ideaRequest{at: p.at}
	case strings.HasPrefix(m, "User ") && strings.HasSuffix(m, " tries to authenticate"):
		// Servers up to 3.9 write both names as Python does, in quotes.
		user, realm, _ := strings.Cut(strings.TrimSuffix(m[len("User "):], " tries to authenticate"), " from realm ")
		if q.open != nil {
			q.hand(out)
			*q = ideaRequest{at: p.at}
		}
		q.name(pyPlain(user), pyPlain(realm), p.thread == "")
	case (strings.HasPrefix(m, "User ") || strings.HasPrefix(m, "user ")) && strings.HasSuffix(m, " failed to authenticate."):
		a := q.attempt(l, p)
		a.Verdict, a.Stage = Refused, auth.StagePrimary
		addCode(&a.Codes, "privacyidea:userstore-password")
		return q, Kept
	case strings.HasSuffix(m, " exists in NO resolver."):
		a := q.attempt(l, p)
		a.Verdict, a.Stage = Refused, auth.StageAccount
		addCode(&a.Codes, "privacyidea:user-unknown")
		return q, Kept
	case strings.HasPrefix(m, "['") || strings.HasPrefix(m, `["`):
		return q, q.unfit(l, p, m)
	case strings.Contains(m, "revious OTP") && strings.Contains(m, "used again"):
		q.hint("privacyidea:otp-replayed")
	case strings.HasPrefix(m, "Exception on /validate/"), strings.HasPrefix(m, "Exception on /auth"):
		a := q.attempt(l, p)
		a.Verdict = Faulty
		addCode(&a.Codes, "privacyidea:internal-error")
		q.hand(out)
		*q = ideaRequest{at: p.at}
	}
	return q, Noted
}

func (r *privacyIDEAReader) Close(out *Sink) {
	for _, name := range r.order {
		r.threads[name].hand(out)
	}
	clear(r.threads)
	r.order = nil
}

// request is what is known of the request of a line's thread.
func (r *privacyIDEAReader) request(p ideaLine, out *Sink) *ideaRequest {
	key := p.host + " " + p.thread
	if len(key) > ideaThread {
		key = key[:ideaThread]
	}
	if q := r.threads[key]; q != nil {
		return q
	}
	if len(r.order) == ideaThreads {
		r.threads[r.order[0]].hand(out)
		delete(r.threads, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	}
	q := &ideaRequest{}
	r.threads[key] = q
	r.order = append(r.order, key)
	return q
}

// attempt is the attempt of the request, with one more line.
func (q *ideaRequest) attempt(l *Line, p ideaLine) *Attempt {
	if q.open == nil {
		q.open = &Attempt{
			Product: privacyIDEA.Name, Verdict: Abandoned, Host: p.host,
			Time: p.at, ZoneAssumed: !p.at.IsZero() && !p.zoned,
		}
	}
	a := q.open
	if len(a.Lines) < ideaLines {
		a.Lines = append(a.Lines, l)
	}
	if a.User == "" && !q.mixed {
		a.User = q.user
		if q.user != "" && q.realm != "" {
			a.User += "@" + q.realm
		}
		a.From = q.client
	}
	return a
}

// hand hands the open attempt over, if there is one.
func (q *ideaRequest) hand(out *Sink) {
	if q.open != nil {
		out.Attempt(q.open)
		q.open = nil
	}
}

// name notes for whom the request is. If the log does not tell threads apart, a
// second name before the end of the first request makes both uncertain.
func (q *ideaRequest) name(user, realm string, threadless bool) {
	if user == "" {
		return
	}
	if threadless && q.user != "" && q.user != user {
		q.mixed = true
	}
	q.user, q.realm = user, realm
}

// auditDict reads what the level DEBUG tells of the audit object: first who asks
// for what, later how it ended.
func (q *ideaRequest) auditDict(l *Line, p ideaLine, m string, out *Sink) {
	if user := pyString(m, "user"); user != "" {
		q.name(user, pyString(m, "realm"), p.thread == "")
	}
	setIf(&q.client, pyString(m, "client"))
	setIf(&q.action, pyString(m, "action"))
	info := pyString(m, "info")
	if info == "" || !strings.Contains(m, "'success': ") {
		return
	}
	a := q.decide(l, p, info, pyString(m, "authentication"), strings.Contains(m, "'success': True"), q.action)
	if a == nil {
		return
	}
	setIf(&a.Method, pyString(m, "token_type"))
	q.hand(out)
	*q = ideaRequest{at: q.at}
}

// result reads what a function answered that checks a login, which the level
// DEBUG tells: "Exiting check_user_pass with result (False, {'message': 'wrong
// otp value'})". It is not the last word, for a policy or the audit object may
// say more of it, so the attempt stays open. check_token_list is called by the
// others, and answers the same just before they do.
func (q *ideaRequest) result(l *Line, p ideaLine, m string, out *Sink) Reading {
	const inner = "check_token_list"
	name, answer, ok := strings.Cut(m[len("Exiting "):], " with result (")
	if !ok || name != inner && name != "check_user_pass" && name != "check_serial_pass" && name != "check_realm_pass" {
		return Noted
	}
	success := strings.HasPrefix(answer, "True")
	info := pyString(answer, "message")
	if !success && (info == "" || !strings.HasPrefix(answer, "False")) {
		return Noted
	}
	if q.exited != "" && (q.exited != inner || name == inner) { // of another request, whose beginning is missing
		q.hand(out)
		*q = ideaRequest{at: p.at}
	}
	authentication := ""
	if !success && strings.Contains(answer, "'transaction_id': ") {
		authentication = "CHALLENGE"
	}
	a := q.decide(l, p, info, authentication, success, q.action)
	if a == nil {
		return Noted
	}
	setIf(&a.Method, pyString(answer, "type"))
	q.exited = name
	return Kept
}

// unresolved reads that a user of the WebUI could not be looked up: "Problem
// resolving user alice in realm example: ERR907: Error performing bind
// operation". Without a reason that is known it is left to what follows.
func (q *ideaRequest) unresolved(l *Line, p ideaLine, m string) Reading {
	user, rest, ok := strings.Cut(m[len("Problem resolving user "):], " in realm ")
	realm, reason, named := strings.Cut(rest, ": ")
	code, stage := ideaReason(reason)
	if !ok || !named || code == "" {
		return Noted
	}
	q.name(user, realm, p.thread == "")
	a := q.attempt(l, p)
	a.Verdict, a.Stage = Refused, stage
	addCode(&a.Codes, "privacyidea:"+code)
	return Kept
}

// decide ends the attempt by what the audit trail says of it. It is nil if the
// request was no login.
func (q *ideaRequest) decide(l *Line, p ideaLine, info, authentication string, success bool, action string) *Attempt {
	if action != "" && !strings.Contains(action, "/validate/") && !strings.HasSuffix(action, "/auth") {
		return nil
	}
	a := q.attempt(l, p)
	a.End = p.at
	if authentication == "ACCEPT" || success {
		a.Verdict, a.Stage = Accepted, auth.StageVerdict
		a.Codes = nil
		return a
	}
	code, stage := ideaReason(info)
	switch {
	case authentication == "CHALLENGE":
		a.Verdict, a.Stage = Challenged, auth.StageDelivery
		return a
	case authentication == "" && code == "" && isPrompt(info):
		a.Verdict, a.Stage = Challenged, auth.StageDelivery
		return a
	}
	a.Verdict = Refused
	if code == "wrong-otp-pin" && q.transaction {
		// The source says of a challenge that is unknown or has expired that it is
		// treated as if nothing matched.
		code, stage = "challenge-expired", auth.StageAnswer
	}
	if code != "" {
		addCode(&a.Codes, "privacyidea:"+code)
		a.Stage = stage
	}
	for _, hint := range q.hints {
		if code == "" || code == "no-suitable-token" || code == "wrong-otp-value" {
			addCode(&a.Codes, hint)
		}
	}
	return a
}

// unfit reads what a token says that may not be used: "['Failcounter exceeded']
// TOTP00012345". The person may have another token, so this alone decides
// nothing; only that a token has locked itself is worth telling anyway.
func (q *ideaRequest) unfit(l *Line, p ideaLine, m string) Reading {
	code, stage := ideaReason(m)
	switch code {
	case "":
		return Noted
	case "failcounter":
		a := q.attempt(l, p)
		addCode(&a.Codes, "privacyidea:"+code)
		if a.Verdict == Abandoned {
			a.Stage = stage
		}
		return Kept
	}
	q.hint("privacyidea:" + code)
	return Noted
}

// hint remembers what may be the reason, if none is given.
func (q *ideaRequest) hint(code string) {
	if len(q.hints) < 8 {
		q.hints = append(q.hints, code)
	}
}

// row reads one row of the audit trail as the console exports it: values in
// single quotes, in an order that grew with the releases.
func (r *privacyIDEAReader) row(l *Line, out *Sink) Reading {
	f := csvFields(l.Text, '\'')
	action := slices.IndexFunc(f, func(s string) bool {
		return strings.HasPrefix(s, "POST /validate/") || s == "POST /auth"
	})
	if action < 1 || len(f) < action+10 {
		return NotMine
	}
	var at time.Time
	for _, s := range f[:action] {
		if t, _, _, ok := leadingTime(s, out); ok {
			at = t
		}
	}
	// action, [authentication], success, serial, token_type, [container_serial,
	// container_type], user, realm, resolver, administrator, action_detail, info,
	// privacyidea_server, [policies], client
	value := func(i int) string {
		if i >= len(f) || f[i] == "None" {
			return ""
		}
		return f[i]
	}
	i := action + 1
	authentication := ""
	if v := value(i + 1); v == "1" || v == "0" || v == "True" || v == "False" {
		authentication = value(i)
		i++
	}
	success := value(i) == "1" || value(i) == "True"
	info := value(i + 8)
	user, realm := value(i+3), value(i+4)
	if authentication != "" || i == action+2 {
		info, user, realm = value(i+10), value(i+5), value(i+6)
	}
	q := ideaRequest{user: user, realm: realm}
	a := q.decide(l, ideaLine{at: at}, info, authentication, success, f[action])
	if a == nil {
		return Noted
	}
	a.Method = value(i + 2)
	q.hand(out)
	return Noted
}

// ideaReasons are the messages that a request ends with, and what they mean. The
// first that is in a message counts.
var ideaReasons = []struct {
	text, code string
	stage      auth.Stage
}{
	{"previous otp used again", "otp-replayed", auth.StageAnswer},
	{"wrong otp value", "wrong-otp-value", auth.StageAnswer},
	{"Response did not match", "challenge-mismatch", auth.StageAnswer},
	{"Failcounter exceeded", "failcounter", auth.StageFactor},
	{"Token is not yet enrolled", "token-not-enrolled", auth.StageFactor},
	{"Token is disabled", "token-disabled", auth.StageFactor},
	{"Token inactive", "token-disabled", auth.StageFactor},
	{"No active challenge response token found", "token-disabled", auth.StageFactor},
	{"token is locked", "token-revoked", auth.StageFactor},
	{"Outside validity period", "token-expired", auth.StageFactor},
	{"Authentication counter exceeded", "token-used-up", auth.StageFactor},
	{"user has no tokens assigned", "no-token", auth.StageFactor},
	{"No suitable token found", "no-suitable-token", auth.StageFactor},
	{"wrong otp pin", "wrong-otp-pin", auth.StagePrimary},
	{"failed authentications per", "too-many-failures", auth.StagePolicy},
	{"successful authentications per", "too-many-logins", auth.StagePolicy},
	{"account has exceeded the authentication time limit", "too-many-failures", auth.StagePolicy},
	{"bind operation", "resolver", auth.StageAccount},
	{"LDAPSocket", "resolver", auth.StageAccount},
	{"LDAPServerPool", "resolver", auth.StageAccount},
	{"no active server available in server pool", "resolver", auth.StageAccount},
	{"connection with StartTLS", "resolver", auth.StageAccount},
	{"Error during LDAP", "resolver", auth.StageAccount},
	{"Unknown realm", "unknown-realm", auth.StageAccount},
	{"exists in NO resolver", "user-unknown", auth.StageAccount},
	{"does not exist", "user-unknown", auth.StageAccount},
	{"not allowed", "policy", auth.StagePolicy},
	{"authentication method is not available", "policy", auth.StagePolicy},
	{"No valid API key", "api-key", auth.StageClient},
	{"valid API key is required", "api-key", auth.StageClient},
	{"no API key", "api-key", auth.StageClient},
	{"No subscription for your client", "subscription", auth.StageClient},
	{"SubscriptionError", "subscription", auth.StageClient},
	{"Wrong credentials", "wrong-credentials", auth.StagePrimary},
}

// ideaReason is what a message of the server means, "" if that is not known.
func ideaReason(message string) (code string, stage auth.Stage) {
	for _, r := range ideaReasons {
		if containsFold(message, r.text) {
			return r.code, r.stage
		}
	}
	return "", ""
}

// isPrompt reports whether a message asks the person for something: servers
// before 3.10 wrote nothing else about a challenge that they sent.
func isPrompt(message string) bool {
	return containsFold(message, "enter ") || containsFold(message, "confirm ") || containsFold(message, "please ")
}

// pyString is the string that is the value of a key in a Python dictionary as it
// is printed, "" if it is none.
func pyString(s, key string) string {
	_, value, ok := strings.Cut(s, "'"+key+"': ")
	if !ok {
		return ""
	}
	return pyQuoted(value)
}

// pyArgument is the string that a keyword argument has in a Python call as it is
// printed: "User(login='alice', realm='example')". It is "" if there is none.
func pyArgument(s, key string) string {
	_, value, ok := strings.Cut(s, key+"=")
	if !ok {
		return ""
	}
	return pyQuoted(value)
}

// pyPlain is a string with or without the quotes that Python prints it in.
func pyPlain(s string) string {
	if in := pyQuoted(s); in != "" {
		return in
	}
	return s
}

// pyQuoted is the string in quotes that s begins with, "" if it is none. A
// letter or two may stand before it: u'alice' is text of Python 2, l'wrong otp
// value' one that is translated later.
func pyQuoted(s string) string {
	value := s
	for n := 0; n < 2 && value != "" && fold(value[0]) >= 'a' && fold(value[0]) <= 'z'; n++ {
		value = value[1:]
	}
	if value == "" || value[0] != '\'' && value[0] != '"' {
		return ""
	}
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case value[0]:
			return unescaped(value[1:i])
		}
	}
	return unescaped(value[1:]) // cut
}

func setIf(to *string, s string) {
	if s != "" {
		*to = s
	}
}
