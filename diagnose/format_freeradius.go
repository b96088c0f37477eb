package diagnose

import (
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// freeradiusFormat reads what FreeRADIUS writes: radius.log, the same through
// syslog, and the output of `radiusd -X`.
var freeradiusFormat = Format{
	Name:  "freeradius",
	Title: "FreeRADIUS (radius.log, syslog, and the output of radiusd -X)",
	Marks: []string{
		" : Auth: ", " : Error: ", " : ERROR: ", " : Info: ", " : Proxy: ", " : Warning: ", " : WARNING: ",
		"radiusd[", "freeradius[",
		"Login OK: [", "Login incorrect", "Invalid user", "Multiple logins",
		") Received Access-Request", ") Sent Access-", ")   User-Name = ", ")   Calling-Station-Id = ",
		") ERROR: ", ": ERROR: ", "Failed to authenticate the user",
		"packet from client ", "request from client ", "from unknown client", "home server",
		"Dropping packet without response", "Shared secret is incorrect", "Insecure packet from host",
		"BlastRADIUS", "Unresponsive child", "Ready to process requests",
	},
	New: newFreeradius,
}

// A freeradius holds what one request is known to be until its result is
// written, and a rejection for a little longer: the server may write several
// reasons for the same one.
type freeradius struct {
	requests waiting // by number, as the log writes it
	refused  []refusal
	// debug is set once the log shows packets: what a request came to is then
	// known when its reply is sent, and not before.
	debug bool
}

// A refusal waits for another reason for the same request.
type refusal struct {
	number  string
	attempt *Attempt
}

// frPatience is how long it waits, by the log's time, and maxRefusals how many
// do so.
const (
	frPatience  = 2 * time.Second
	maxRefusals = 64
)

func newFreeradius() Reader {
	return &freeradius{requests: waiting{give: func(a *Attempt, out *Sink) { out.Attempt(a) }}}
}

func (r *freeradius) Close(out *Sink) { r.requests.giveAll(out) }

// hand hands over the request of that number, if there is one.
func (r *freeradius) hand(number string, out *Sink) {
	if a := r.requests.take(number); a != nil {
		out.Attempt(a)
	}
}

// expire hands over the refusals that have waited long enough.
func (r *freeradius) expire(now time.Time, out *Sink) {
	for len(r.refused) > 0 {
		f := r.refused[0]
		if len(r.refused) <= maxRefusals && now.Sub(f.attempt.End) <= frPatience {
			return
		}
		r.refused = r.refused[1:]
		if r.requests.get(f.number) == f.attempt {
			r.hand(f.number, out)
		}
	}
}

func (r *freeradius) Read(l *Line, out *Sink) Reading {
	text := l.Text
	e := frLine{zoned: true}
	if t, rest, ok := frTime(text, out); ok {
		e.time, e.zoned = t, false
		// "Auth: (12) Login OK: ...": the kind of a line says nothing more.
		if _, rest, ok = strings.Cut(rest, ": "); !ok {
			return Noted // cut
		}
		text = rest
	} else if s, ok := parseSyslog(text, out); ok {
		if s.program != "radiusd" && s.program != "freeradius" {
			return NotMine
		}
		e.time, e.zoned, e.host, text = s.time, s.zoned, s.host, s.message
	}
	e.number, e.message = frNumber(text)
	if !e.time.IsZero() {
		r.expire(e.time, out)
	}
	return r.read(l, &e, out)
}

// A frLine is one line without its prefix.
type frLine struct {
	time    time.Time
	zoned   bool
	host    string
	number  string // of the request, "" if the line does not say
	message string
}

// frTime takes "Sun Nov 22 13:01:02 2026 : " from the front.
func frTime(s string, out *Sink) (t time.Time, rest string, ok bool) {
	const form = "Sun Nov 22 13:01:02 2026 : "
	if len(s) < len(form) || s[3] != ' ' || s[len(form)-3:len(form)] != " : " {
		return time.Time{}, "", false
	}
	if s[7] != ' ' || s[10] != ' ' || s[19] != ' ' {
		return time.Time{}, "", false
	}
	month, ok := monthOf(s[4:7])
	if !ok {
		return time.Time{}, "", false
	}
	day, ok := paddedDay(s[8:10])
	if !ok {
		return time.Time{}, "", false
	}
	c, _, ok := clockOf(s[11:19])
	year := number(s[20:24])
	if !ok || year < 0 {
		return time.Time{}, "", false
	}
	return time.Date(year, month, day, c.hour, c.minute, c.second, 0, out.zone()), s[len(form):], true
}

// frNumber takes "(12) " from the front, also where it stands twice.
func frNumber(s string) (num, message string) {
	for s != "" && s[0] == '(' {
		end := strings.IndexByte(s, ')')
		if end < 2 || end > 21 || !digitsOnly(s[1:end]) || end+1 >= len(s) || s[end+1] != ' ' {
			break
		}
		num, s = s[1:end], s[end+2:]
	}
	return num, s
}

func (r *freeradius) read(l *Line, e *frLine, out *Sink) Reading {
	m := e.message
	switch {
	case strings.HasPrefix(m, "Login OK: ["):
		return r.result(l, e, Accepted, "", m[len("Login OK: "):], out)
	case strings.HasPrefix(m, "Login incorrect"), strings.HasPrefix(m, "Invalid user"), strings.HasPrefix(m, "Multiple logins"):
		reason, who := frReason(m)
		if who == "" && !strings.Contains(m, "[") {
			return Noted // cut before the name
		}
		return r.result(l, e, Refused, reason, who, out)
	case strings.HasPrefix(m, "Received Access-Request"):
		return r.received(l, e, out)
	case strings.HasPrefix(m, "Sent Access-"):
		return r.sent(l, e, out)
	}
	if e.number != "" {
		if a := r.requests.get(e.number); a != nil && (r.debug || a.End.IsZero()) {
			if reading := r.about(a, e.number, l, m, out); reading != NotMine {
				return reading
			}
		}
	}
	if client, ok := frDuplicate(m); ok && e.number != "" {
		if a := r.requests.get(e.number); a != nil && a.End.IsZero() {
			a.addCode(frDuplicated)
			return r.keep(e.number, l, out)
		}
		r.requests.put(e.number, &Attempt{
			Product: freeradiusFormat.Name, Time: e.time, ZoneAssumed: !e.zoned && !e.time.IsZero(), Host: e.host, Client: client,
			Verdict: Abandoned, Codes: []string{frDuplicated}, Lines: []*Line{l},
		}, out)
		return Kept
	}
	if !e.known() {
		return NotMine
	}
	return Noted
}

// known reports whether a line that is about no request is FreeRADIUS's.
func (e *frLine) known() bool {
	if !e.time.IsZero() || e.number != "" {
		return true
	}
	for _, text := range []string{
		"Dropping packet without response", "Ignoring request to ", "Received conflicting packet from client ",
		"Marking home server ", "Unresponsive child", "Ready to process requests", "Receive - Insecure packet from host ",
		"Ignoring duplicate packet from client ", "Discarding duplicate request from client ",
	} {
		if strings.HasPrefix(e.message, text) {
			return true
		}
	}
	return strings.Contains(e.message, "BlastRADIUS")
}

// frDuplicate takes the client out of what is said of a request that came again
// before it was answered. One that came again while its rejection was delayed on
// purpose tells nothing.
func frDuplicate(m string) (client string, ok bool) {
	rest, ok := strings.CutPrefix(m, "Ignoring duplicate packet from client ")
	if !ok {
		if rest, ok = strings.CutPrefix(m, "Discarding duplicate request from client "); !ok || strings.HasSuffix(m, "due to delayed response") {
			return "", false
		}
	}
	client, _, _ = strings.Cut(rest, " ")
	return client, true
}

// received begins a request of the debug output.
func (r *freeradius) received(l *Line, e *frLine, out *Sink) Reading {
	if e.number == "" {
		return NotMine
	}
	r.debug = true
	a := &Attempt{
		Product: freeradiusFormat.Name, Time: e.time, ZoneAssumed: !e.zoned && !e.time.IsZero(), Host: e.host,
		Stage: auth.StageReach, Verdict: Abandoned, Lines: []*Line{l},
	}
	if _, from, ok := strings.Cut(e.message, " from "); ok {
		from, _, _ = strings.Cut(from, " ")
		if i := strings.LastIndexByte(from, ':'); i > 0 {
			from = from[:i]
		}
		a.Client = from
	}
	r.requests.put(e.number, a, out)
	return Kept
}

// about takes the attributes and errors of a request in the debug output.
func (r *freeradius) about(a *Attempt, number string, l *Line, m string, out *Sink) Reading {
	switch {
	case strings.HasPrefix(m, "  User-Name = \""):
		if a.User == "" {
			a.User = strings.TrimSuffix(m[len("  User-Name = \""):], "\"")
		}
	case strings.HasPrefix(m, "  Calling-Station-Id = \""):
		a.From = strings.TrimSuffix(m[len("  Calling-Station-Id = \""):], "\"")
	case strings.Contains(m, "ERROR: "):
		if code := frCode(m); code != frRefused {
			a.addCode(code)
		}
	case strings.HasPrefix(m, "Failed to authenticate the user"):
	default:
		return NotMine
	}
	return r.keep(number, l, out)
}

// keep adds a line to a request, unless that has enough of them.
func (r *freeradius) keep(number string, l *Line, out *Sink) Reading {
	if r.requests.add(number, l, out) {
		return Kept
	}
	return Noted
}

// sent ends a request of the debug output.
func (r *freeradius) sent(l *Line, e *frLine, out *Sink) Reading {
	a := r.requests.get(e.number)
	if a == nil || e.number == "" {
		if e.number == "" {
			return NotMine
		}
		return Noted
	}
	kind, _, _ := strings.Cut(e.message[len("Sent Access-"):], " ")
	switch kind {
	case "Accept":
		a.Verdict = Accepted
	case "Reject":
		if a.Verdict != Faulty {
			a.Verdict = Refused
		}
		if len(a.Codes) == 0 {
			a.addCode(frRefused)
		}
		a.settle()
	case "Challenge":
		a.Verdict, a.Stage = Challenged, auth.StageFactor
	default: // to a home server
		return r.keep(e.number, l, out)
	}
	a.End = e.time
	r.requests.add(e.number, l, out)
	r.hand(e.number, out)
	return Noted
}

// settle makes a refusal a fault where something broke.
func (a *Attempt) settle() {
	for _, c := range a.Codes {
		if c == frHomeServer || c == frModule {
			a.Verdict = Faulty
		}
	}
}

// result takes "[alice] (from client vpn port 5 cli 10.1.2.3)".
func (r *freeradius) result(l *Line, e *frLine, v Verdict, reason, who string, out *Sink) Reading {
	user, client, from := frWho(who)
	var a *Attempt
	if e.number != "" {
		a = r.requests.get(e.number)
		if a != nil && a.User != "" && (a.User != user || !r.debug && e.time.Sub(a.Time) > time.Minute) {
			r.hand(e.number, out) // of another server, or of the same before a restart
			a = nil
		}
	}
	held := a != nil
	first := !held || a.End.IsZero()
	if !held {
		a = &Attempt{
			Product: freeradiusFormat.Name, Time: e.time, ZoneAssumed: !e.zoned && !e.time.IsZero(), Host: e.host,
			Lines: []*Line{l},
		}
	}
	if user != "" {
		a.User = user
	}
	if client != "" {
		a.Client = client
	}
	if from != "" {
		a.From = from
	}
	a.End, a.Verdict = e.time, v
	if v == Accepted {
		a.Stage = auth.StageVerdict
	} else {
		a.Stage = auth.StagePrimary
		a.addCode(frCode(reason))
		a.settle()
	}
	switch {
	case held && r.debug:
		return r.keep(e.number, l, out) // the reply follows
	case held && v == Accepted:
		r.requests.add(e.number, l, out)
		r.hand(e.number, out)
	case held:
		if first {
			r.refused = append(r.refused, refusal{e.number, a})
		}
		return r.keep(e.number, l, out)
	case v == Accepted || e.number == "":
		out.Attempt(a)
	default:
		r.requests.put(e.number, a, out)
		r.refused = append(r.refused, refusal{e.number, a})
		return Kept
	}
	return Noted
}

// frReason takes "Login incorrect (reason): [alice] (from ..." apart. The reason
// may hold brackets of its own; a name may, too, and is then the loser.
func frReason(m string) (reason, who string) {
	at := frBracket(m)
	if at < 0 {
		return m, ""
	}
	who = m[at:]
	if begin := strings.IndexByte(m[:at], '('); begin >= 0 && strings.HasPrefix(m[at-3:], "): [") {
		return m[begin+1 : at-3], who
	}
	if strings.HasPrefix(m, "Multiple logins") {
		return m[:at-2], who
	}
	return "", who
}

// frBracket is where the bracket before the name stands in "Login incorrect
// (reason): [alice/password] (from ...", -1 if there is none. Where no reason
// follows the first words, the name does, and "): [" belongs to it.
func frBracket(m string) int {
	for _, words := range []string{"Login OK", "Login incorrect", "Invalid user"} {
		if rest, ok := strings.CutPrefix(m, words); ok && strings.HasPrefix(rest, ": [") {
			return len(words) + len(": ")
		}
	}
	if at := strings.Index(m, "): ["); at >= 0 {
		return at + len("): ")
	}
	if at := strings.Index(m, ": ["); at >= 0 {
		return at + len(": ")
	}
	return -1
}

// frSlash is where the slash stands that the password follows, -1 if there is
// none. The name of a machine has one of its own.
func frSlash(user string) int {
	skip := 0
	if strings.HasPrefix(user, "host/") {
		skip = len("host/")
	}
	i := strings.IndexByte(user[skip:], '/')
	if i < 0 {
		return -1
	}
	return skip + i
}

// frNoPassword reports whether FreeRADIUS says that it has no password, where it
// would write one.
func frNoPassword(s string) bool {
	return s == "<CHAP-Password>" || s == "<no User-Password attribute>" || strings.HasPrefix(s, "<via Auth-Type = ") && strings.IndexByte(s, '>') == len(s)-1
}

// frWho takes "[alice] (from client vpn port 5 cli 10.1.2.3)" apart. If passwords
// are logged, as they should not be, they stand after the name: what is behind a
// slash is not kept.
func frWho(s string) (user, client, from string) {
	at := strings.LastIndex(s, "] (from client ")
	if at < 0 {
		user = strings.TrimPrefix(s, "[")
		if end := strings.LastIndexByte(user, ']'); end >= 0 {
			user = user[:end]
		}
	} else {
		user = strings.TrimPrefix(s[:at], "[")
		rest := s[at+len("] (from client "):]
		client, rest, _ = strings.Cut(rest, " ")
		client = strings.TrimSuffix(client, ")")
		if _, cli, ok := strings.Cut(rest, "cli "); ok {
			from, _, _ = strings.Cut(cli, ")")
			from, _, _ = strings.Cut(from, " ")
		}
	}
	if slash := frSlash(user); slash >= 0 {
		user = user[:slash]
	}
	return user, client, from
}

// Codes that are used in several places.
const (
	frRefused    = "freeradius:refused" // for a reason that has no code
	frDuplicated = "freeradius:duplicate"
	frHomeServer = "freeradius:home-server-silent"
	frModule     = "freeradius:module-failed"
)

// frReasons are what FreeRADIUS writes as the reason, and its code. The first
// that is in the text counts.
var frReasons = []struct{ text, code string }{
	{"Cleartext password does not match", "freeradius:wrong-password"},
	{"MS-CHAP2-Response is incorrect", "freeradius:wrong-password"},
	{"MS-CHAP-Response is incorrect", "freeradius:wrong-password"},
	{"password is incorrect", "freeradius:wrong-password"},
	{"does not match \"known good\" password", "freeradius:wrong-password"},
	{"Passwords don't match", "freeradius:wrong-password"},
	{"Bind credentials incorrect", "freeradius:wrong-password"},
	{"0xc000006d", "freeradius:wrong-password"},
	{"0xc000006a", "freeradius:wrong-password"},
	{"0xc0000064", "freeradius:unknown-user"},
	{"No Auth-Type found", "freeradius:no-auth-type"},
	{"User not found", "freeradius:unknown-user"},
	{"User object not found", "freeradius:unknown-user"},
	{"Cleartext-Password is required", "freeradius:no-usable-password"},
	{"No NT-Password", "freeradius:no-usable-password"},
	{"No NT/LM-Password", "freeradius:no-usable-password"},
	{"No \"known good\" password", "freeradius:no-usable-password"},
	{"Home Server failed to respond", frHomeServer},
	{"lack of any response from home server", frHomeServer},
	{"Failed to find live home server", frHomeServer},
	{"Home Server says so", "freeradius:home-server-says-no"},
	{"Multiple logins", "freeradius:multiple-logins"},
	{"unknown CA", "freeradius:eap-certificate"},
	{"certificate unknown", "freeradius:eap-certificate"},
	{"bad certificate", "freeradius:eap-certificate"},
	{"certificate expired", "freeradius:eap-certificate"},
	{"protocol version", "freeradius:eap-tls-version"},
	{"Failed to read from child output", frModule},
	{"Child PID", frModule},
	{"taking too much time", frModule},
	{"Can't contact LDAP server", frModule},
	{"No connections available", frModule},
	{"module-failure", frModule},
	{"Failed retrieving values required to evaluate condition", frModule},
}

func frCode(reason string) string {
	for i := range frReasons {
		if strings.Contains(reason, frReasons[i].text) {
			return frReasons[i].code
		}
	}
	if frBroken(reason) {
		return frModule
	}
	return frRefused
}

// frBroken reports whether a reason is that of a module which could not do its
// work: "ldap: Failed to ...". The name before the colon is what the module is
// called in the configuration, which can be anything. Those that check a password
// or speak EAP are taken out, for to them "failed" is the person's.
func frBroken(reason string) bool {
	name, words, ok := strings.Cut(reason, ": ")
	if !ok || name == "" || strings.ContainsAny(name, " \t") || containsFold(name, "chap") || containsFold(name, "eap") {
		return false
	}
	switch strings.ToLower(name) {
	case "pap", "tls", "ttls", "pwd", "unix", "krb5", "pam", "winbind", "totp", "digest", "yubikey":
		return false
	}
	words = strings.TrimPrefix(words, "ERROR: ")
	for _, refusing := range []string{"credentials", "password", "logon failure", "not found", "not permitted", "denied"} {
		if containsFold(words, refusing) {
			return false
		}
	}
	for _, begins := range []string{"Failed ", "Error ", "Unable to ", "Could not ", "Couldn't ", "Cannot ", "Can't "} {
		if len(words) >= len(begins) && strings.EqualFold(words[:len(begins)], begins) {
			return true
		}
	}
	for _, part := range []string{"timed out", "timeout", "couldn't connect", "connection refused", "no connection", "connection failed", "server error", "unavailable", "unreachable", "can't contact", "request failed", "query failed"} {
		if containsFold(words, part) {
			return true
		}
	}
	return false
}

// addCode adds a code that the attempt does not have yet.
func (a *Attempt) addCode(code string) {
	if !slices.Contains(a.Codes, code) {
		a.Codes = append(a.Codes, code)
	}
}
