package diagnose

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// sshdFormat reads what OpenSSH's sshd, PAM and its modules, sudo and su write
// to syslog. The texts are those of OpenSSH 9.2, Linux-PAM 1.5, pam_radius 2.0,
// google-authenticator-libpam, oath-toolkit and sudo 1.9.
var sshdFormat = Format{
	Name:  "sshd",
	Title: "OpenSSH sshd, PAM modules, sudo and su (auth.log, secure, the journal)",
	Marks: []string{
		"sshd[", " sshd ", "sshd-session[", " sshd-session ", "sshd-auth[", "sshd(pam_", "sudo:", "sudo[", " su[", " su: ",
		"pam_unix(", "pam_radius_auth", "pam_google_authenticator", "pam_oath", "pam_faillock(", "pam_sss(", "pam_tally2(", "pam_krb5(",
	},
	New: func() Reader {
		return &sshd{sessions: waiting{give: func(a *Attempt, out *Sink) { out.Attempt(a) }}}
	},
}

// An sshd joins the lines of one connection by its process ID. With
// keyboard-interactive, modules run in another process, whose lines are joined
// by the person's name when sshd reports what came of it.
type sshd struct {
	sessions waiting
	nameless []nameless // the newest last
}

// A nameless is what a module said in a process of its own without a name.
type nameless struct {
	host string
	pid  int
	key  string
}

// maxNameless is among how many of them the one of a login is sought.
const maxNameless = 16

func (r *sshd) Close(out *Sink) { r.sessions.giveAll(out) }

func (r *sshd) Read(l *Line, out *Sink) Reading {
	s, ok := parseSyslog(l.Text, out)
	if !ok {
		return NotMine
	}
	if strings.Contains(s.message, " Duo ") { // Duo Unix writes in the name of sshd
		return NotMine
	}
	switch s.program {
	case "sshd", "sshd-session", "sshd-auth":
		return r.sshd(l, &s, out)
	case "sudo":
		return r.sudo(l, &s, out)
	}
	if module, ok := strings.CutPrefix(s.program, "sshd("); ok {
		// google-authenticator-libpam calls itself sshd(pam_google_authenticator).
		if strings.HasPrefix(module, "pam_google_authenticator") {
			return r.module(l, &s, "", out)
		}
	}
	if strings.HasPrefix(s.message, "pam_") {
		return r.module(l, &s, s.program, out)
	}
	if s.program == "su" {
		return Noted
	}
	return NotMine
}

// keys: lines of one process, and what modules say of one person elsewhere.
func pidKey(s *syslogLine) string              { return s.host + " " + s.pid }
func personKey(s *syslogLine, u string) string { return s.host + " @" + u }

func (r *sshd) begin(key string, s *syslogLine, l *Line, out *Sink) *Attempt {
	a := &Attempt{
		Product: sshdFormat.Name, Time: s.time, ZoneAssumed: !s.zoned, Host: s.host, Verdict: Abandoned,
		Lines: make([]*Line, 1, 4),
	}
	a.Lines[0] = l
	r.sessions.put(key, a, out)
	return a
}

// hand hands over the attempt of a key, if there is one.
func (r *sshd) hand(key string, out *Sink) {
	if a := r.sessions.take(key); a != nil {
		out.Attempt(a)
	}
}

// maxLogin is how long sshd lets a login take at most that is still the same: a
// process ID that comes again after it is another process.
const maxLogin = 15 * time.Minute

// session returns the attempt of the connection that a line tells of, begun if
// need be, with the line in it.
func (r *sshd) session(l *Line, s *syslogLine, user, from string, out *Sink) (a *Attempt, reading Reading) {
	key := pidKey(s)
	a = r.sessions.get(key)
	if a != nil && (user != "" && a.User != "" && a.User != user || s.time.Sub(a.Time) > maxLogin) {
		r.hand(key, out)
		a = nil
	}
	reading = Kept
	if a == nil {
		a = r.begin(key, s, l, out)
	} else if !r.sessions.add(key, l, out) {
		reading = Noted
	}
	if user != "" {
		a.User = user
	}
	if from != "" {
		a.From = from
	}
	return a, reading
}

// join moves what modules said of a person into the attempt.
func (r *sshd) join(a *Attempt, s *syslogLine, out *Sink) {
	said := r.sessions.take(personKey(s, a.User))
	if said == nil && strings.HasPrefix(a.Method, "keyboard-interactive") {
		said = r.takeNameless(a, s)
	}
	if said == nil {
		return
	}
	if len(a.Lines)+len(said.Lines) > 2*maxAttemptLines {
		out.Attempt(said) // it goes on and on
		return
	}
	a.Lines = append(a.Lines, said.Lines...)
	slices.SortFunc(a.Lines, func(x, y *Line) int { return cmp.Compare(x.Number, y.Number) })
	if said.Time.Before(a.Time) {
		a.Time = said.Time
	}
	for _, c := range said.Codes {
		a.addCode(c)
	}
}

// takeNameless takes out what a module said in the process that sshd most
// probably began for this login: the next one after its own.
func (r *sshd) takeNameless(a *Attempt, s *syslogLine) *Attempt {
	pid, best := number(s.pid), -1
	for i, n := range r.nameless {
		other := r.sessions.get(n.key)
		if other == nil || n.host != s.host || n.pid <= pid || other == a || other.User != "" && other.User != a.User || s.time.Sub(other.Time) > time.Minute {
			continue
		}
		if best < 0 || n.pid < r.nameless[best].pid {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	said := r.sessions.take(r.nameless[best].key)
	r.nameless = slices.Delete(r.nameless, best, best+1)
	return said
}

func (r *sshd) sshd(l *Line, s *syslogLine, out *Sink) Reading {
	m := strings.TrimPrefix(s.message, "error: ")
	if m == "" {
		return Noted
	}
	switch m[0] {
	case 'A':
		if rest, ok := strings.CutPrefix(m, "Accepted "); ok {
			return r.accepted(l, s, rest, out)
		}
		if strings.HasPrefix(m, "Authentication refused: ") {
			return r.coded(l, s, "", "", "sshd:key-file-modes", out)
		}
	case 'F':
		if rest, ok := strings.CutPrefix(m, "Failed "); ok {
			return r.failed(l, s, rest, out)
		}
	case 'P':
		if rest, ok := strings.CutPrefix(m, "PAM: "); ok {
			return r.pamError(l, s, rest, out)
		}
		rest, ok := strings.CutPrefix(m, "Postponed ")
		if !ok {
			// One of several methods was right, and the next is asked for.
			rest, ok = strings.CutPrefix(m, "Partial ")
		}
		if ok {
			_, user, from := sshWho(rest)
			a, reading := r.session(l, s, user, from, out)
			a.Stage = auth.StageFactor
			return reading
		}
	case 'I':
		if rest, ok := strings.CutPrefix(m, "Invalid user "); ok {
			user, from, _ := strings.Cut(rest, " from ")
			return r.coded(l, s, user, firstWord(from), "sshd:unknown-user", out)
		}
	case 'U':
		if rest, ok := strings.CutPrefix(m, "User "); ok && strings.Contains(m, " not allowed because ") {
			user, rest, _ := strings.Cut(rest, " ")
			code := "sshd:not-allowed"
			if strings.Contains(rest, "account is locked") {
				code = "sshd:account-locked"
			}
			from, _ := strings.CutPrefix(rest, "from ")
			if from == rest {
				from = ""
			}
			return r.coded(l, s, user, firstWord(from), code, out)
		}
		if rest, ok := strings.CutPrefix(m, "Unable to negotiate with "); ok {
			a, _ := r.session(l, s, "", firstWord(rest), out)
			a.addCode("sshd:no-common-algorithm")
			a.Verdict, a.End, a.Stage = Faulty, s.time, auth.StageReach
			r.hand(pidKey(s), out)
			return Noted
		}
	case 'm':
		if rest, ok := strings.CutPrefix(m, "maximum authentication attempts exceeded for "); ok {
			user, from := sshUserFrom(rest)
			a, reading := r.session(l, s, user, from, out)
			a.addCode("sshd:too-many-tries")
			a.Verdict, a.End = Refused, s.time
			return reading
		}
	case 'T':
		if strings.HasPrefix(m, "Timeout before authentication for ") {
			return r.timeout(l, s, m, out)
		}
	case 'C':
		if rest, ok := strings.CutPrefix(m, "Connection closed by "); ok {
			return r.gone(l, s, rest, out)
		}
		if rest, ok := strings.CutPrefix(m, "Connection reset by "); ok {
			return r.gone(l, s, rest, out)
		}
	case 'D':
		if rest, ok := strings.CutPrefix(m, "Disconnected from "); ok {
			return r.gone(l, s, rest, out)
		}
		if rest, ok := strings.CutPrefix(m, "Disconnecting "); ok {
			return r.gone(l, s, rest, out)
		}
	case 'u':
		if strings.HasPrefix(m, "userauth_pubkey: ") && strings.Contains(m, "not in Pubkey") {
			return r.coded(l, s, "", "", "sshd:key-algorithm", out)
		}
	case 'f':
		if strings.HasPrefix(m, "fatal: Timeout before authentication for ") {
			return r.timeout(l, s, m, out)
		}
		if rest, ok := strings.CutPrefix(m, "fatal: Access denied for user "); ok && strings.Contains(rest, " by PAM account configuration") {
			return r.account(l, s, rest, out)
		}
	case 'p':
		if strings.HasPrefix(m, "pam_") {
			return r.module(l, s, "sshd", out)
		}
	}
	return Noted
}

// coded takes a line that tells why a login will be refused.
func (r *sshd) coded(l *Line, s *syslogLine, user, from, code string, out *Sink) Reading {
	a, reading := r.session(l, s, user, from, out)
	a.addCode(code)
	a.Verdict, a.Stage = Refused, auth.StageAccount
	return reading
}

// accepted takes "password for alice from 192.0.2.1 port 5 ssh2".
func (r *sshd) accepted(l *Line, s *syslogLine, rest string, out *Sink) Reading {
	method, user, from := sshWho(rest)
	key := pidKey(s)
	a := r.sessions.get(key)
	if a == nil && r.sessions.get(personKey(s, user)) == nil {
		// The usual line needs no search.
		out.Attempt(&Attempt{
			Product: sshdFormat.Name, Time: s.time, End: s.time, ZoneAssumed: !s.zoned, User: user, Host: s.host, From: from,
			Method: method, Stage: auth.StageVerdict, Verdict: Accepted, Lines: []*Line{l},
		})
		return Noted
	}
	a, reading := r.session(l, s, user, from, out)
	a.Method, a.Verdict, a.Stage, a.End = method, Accepted, auth.StageVerdict, s.time
	if strings.HasPrefix(method, "keyboard-interactive") || method == "password" {
		r.join(a, s, out)
	}
	r.hand(key, out)
	if reading == Noted {
		a.Lines = append(a.Lines, l)
	}
	return Noted
}

// failed takes "password for invalid user bob from 192.0.2.1 port 5 ssh2".
func (r *sshd) failed(l *Line, s *syslogLine, rest string, out *Sink) Reading {
	method, user, from := sshWho(rest)
	if method == "" {
		return Noted
	}
	a, reading := r.session(l, s, user, from, out)
	if method == "none" {
		return reading // a client asks which methods there are
	}
	a.Method, a.Verdict, a.Stage, a.End = method, Refused, auth.StagePrimary, s.time
	switch {
	case strings.Contains(rest, " for invalid user "):
		a.addCode("sshd:unknown-user")
	case method == "publickey":
		a.addCode("sshd:key-refused")
	case method == "password":
		a.addCode("sshd:wrong-password")
	default:
		a.addCode("sshd:refused")
	}
	r.join(a, s, out)
	return reading
}

// pamErrors are the words of libpam's errors, and their codes.
var pamErrors = []struct{ text, code string }{
	{"Authentication failure for ", "pam:auth-err"},
	{"Permission denied for ", "pam:perm-denied"},
	{"Authentication service cannot retrieve authentication info for ", "pam:authinfo-unavail"},
	{"User not known to the underlying authentication module for ", "pam:user-unknown"},
	{"Have exhausted maximum number of retries for service for ", "pam:maxtries"},
	{"User account has expired for ", "pam:account-expired"},
	{"Module is unknown for ", "pam:module-unknown"},
	{"System error for ", "pam:system-err"},
	{"Error in service module for ", "pam:service-err"},
}

func (r *sshd) pamError(l *Line, s *syslogLine, rest string, out *Sink) Reading {
	code := "pam:error"
	for _, e := range pamErrors {
		if after, ok := strings.CutPrefix(rest, e.text); ok {
			code, rest = e.code, after
			break
		}
	}
	if code == "pam:error" {
		_, after, ok := strings.Cut(rest, " for ")
		if !ok {
			return Noted
		}
		rest = after
	}
	user, from := sshUserFrom(rest)
	a, reading := r.session(l, s, user, from, out)
	a.Verdict, a.Stage, a.End = Refused, auth.StageAnswer, s.time
	switch code {
	case "pam:authinfo-unavail", "pam:module-unknown", "pam:system-err", "pam:service-err":
		a.Verdict = Faulty
	}
	a.addCode(code)
	if a.Method == "" {
		a.Method = "keyboard-interactive/pam"
	}
	r.join(a, s, out)
	return reading
}

func (r *sshd) timeout(l *Line, s *syslogLine, m string, out *Sink) Reading {
	_, from, _ := strings.Cut(m, " for ")
	from = strings.TrimPrefix(from, "connection from ")
	a, _ := r.session(l, s, "", firstWord(from), out)
	a.addCode("sshd:timeout")
	a.End = s.time
	if a.Verdict == Abandoned && a.User != "" {
		a.Verdict = Refused
	}
	r.hand(pidKey(s), out)
	return Noted
}

// account takes "alice by PAM account configuration [preauth]": whoever it is had
// proven it, and the account rules of PAM refused. Most modules say why before.
func (r *sshd) account(l *Line, s *syslogLine, rest string, out *Sink) Reading {
	user, _, _ := strings.Cut(rest, " by PAM account configuration")
	a, reading := r.session(l, s, user, "", out)
	r.join(a, s, out)
	if !slices.ContainsFunc(a.Codes, func(c string) bool { return strings.HasPrefix(c, "pam:") && c != "pam:wrong-password" }) {
		a.addCode(pamAccount)
	}
	if a.Verdict != Faulty {
		a.Verdict = Refused
	}
	a.Stage, a.End = auth.StageAccount, s.time
	r.hand(pidKey(s), out)
	if reading == Noted {
		a.Lines = append(a.Lines, l)
	}
	return Noted
}

const pamAccount = "sshd:pam-account"

// gone takes "authenticating user alice 192.0.2.1 port 5 [preauth]", the end of
// a connection that was not let in.
func (r *sshd) gone(l *Line, s *syslogLine, rest string, out *Sink) Reading {
	key := pidKey(s)
	who, ok := strings.CutPrefix(rest, "authenticating user ")
	if !ok {
		who, ok = strings.CutPrefix(rest, "invalid user ")
	}
	if !ok {
		// Nobody had said who they are, or the session was open.
		if a := r.sessions.get(key); a != nil && strings.HasSuffix(rest, "[preauth]") {
			a.Lines = append(a.Lines, l)
			r.hand(key, out)
		}
		return Noted
	}
	user, from, _ := strings.Cut(who, " ")
	a, reading := r.session(l, s, user, firstWord(from), out)
	if strings.HasSuffix(who, ": Too many authentication failures [preauth]") || strings.Contains(who, "Too many authentication failures") {
		a.addCode("sshd:too-many-tries")
		a.Verdict = Refused
	}
	if a.End.IsZero() {
		a.End = s.time
	}
	r.hand(key, out)
	if reading == Noted {
		a.Lines = append(a.Lines, l)
	}
	return Noted
}

// module takes a line of a PAM module, which service wrote.
func (r *sshd) module(l *Line, s *syslogLine, service string, out *Sink) Reading {
	m := s.message
	code := moduleCode(m)
	if code == "" {
		return Noted
	}
	user := moduleUser(m)
	if open, close := strings.IndexByte(m, '('), strings.IndexByte(m, ')'); service != "" && open > 0 && close > open {
		service, _, _ = strings.Cut(m[open+1:close], ":")
	}
	if service == "" {
		service = "sshd"
	}
	verdict := Refused
	switch code {
	case "pam-radius:no-answer", "pam-radius:shared-secret", "pam:authinfo-unavail", "pam:module-unknown", "pam:system-err", "pam:service-err":
		verdict = Faulty
	}
	key := pidKey(s)
	switch {
	case service == "sudo":
		key = personKey(s, "sudo "+user)
	case service != "sshd":
		if code == modulePassed {
			return Noted
		}
		a := &Attempt{
			Product: sshdFormat.Name, Time: s.time, End: s.time, ZoneAssumed: !s.zoned, User: user, Host: s.host, Client: service,
			From: field(m, "rhost="), Stage: auth.StagePrimary, Verdict: verdict, Codes: []string{code}, Lines: []*Line{l},
		}
		out.Attempt(a)
		return Noted
	case r.sessions.get(key) == nil:
		// Of another process than sshd's, or before it says anything.
		if user != "" {
			key = personKey(s, user)
		} else {
			if len(r.nameless) == maxNameless {
				r.nameless = slices.Delete(r.nameless, 0, 1)
			}
			r.nameless = append(r.nameless, nameless{s.host, number(s.pid), key})
		}
	}
	a, reading := r.sessions.get(key), Kept
	if a != nil && s.time.Sub(a.Time) > maxLogin {
		r.hand(key, out)
		a = nil
	}
	if a == nil {
		a = r.begin(key, s, l, out)
		if service != "sshd" {
			a.Client = service
		}
	} else if !r.sessions.add(key, l, out) {
		reading = Noted
	}
	if user != "" {
		a.User = user
	}
	if from := field(m, "rhost="); from != "" {
		a.From = from
	}
	if code != modulePassed {
		a.addCode(code)
		a.Verdict, a.Stage, a.End = verdict, auth.StageAnswer, s.time
	}
	return reading
}

const modulePassed = "pam:passed"

// moduleTexts are what modules write, and its codes. The first that is in the
// message counts.
var moduleTexts = []struct{ text, code string }{
	{"authentication failure; logname=", "pam:wrong-password"},
	{"check pass; user unknown", "pam:user-unknown"},
	{"password check failed for user", "pam:wrong-password"},
	{"Accepted google_authenticator for", modulePassed},
	{"Invalid verification code", "totp:wrong-code"},
	{"Trying to reuse a previously used time-based code", "totp:reused"},
	{"Too many concurrent login attempts", "totp:throttled"},
	{"Too many invalid", "totp:throttled"},
	{"No secret configured for user", "totp:not-set-up"},
	{"Failed to read \"", "totp:not-set-up"},
	{"Secret file \"", "totp:secret-file"},
	{"All RADIUS servers failed to respond", "pam-radius:no-answer"},
	{"failed to respond", "pam-radius:no-answer"},
	{"shared secret is probably incorrect", "pam-radius:shared-secret"},
	{"failed verification", "pam-radius:shared-secret"},
	{"onsecutive login failures for user", "pam:locked"},
	{"account temporarily locked", "pam:locked"},
	{"account has expired", "pam:account-expired"},
	{" has expired (", "pam:account-expired"}, // pam_unix: "account alice has expired (account expired)"
	{"account is expired", "pam:account-expired"},
	{"account is disabled", "pam:locked"},
	{"account is locked", "pam:locked"},
	{", deny ", "pam:locked"}, // pam_tally2: "user alice (1001) tally 5, deny 4"
	{"expired password for user", "pam:password-expired"},
	// Modules that end with the words of pam_strerror, as pam_sss does: "Access
	// denied for user alice: 6 (Permission denied)".
	{"(Authentication token is no longer valid", "pam:password-expired"},
	{"(Authentication token expired", "pam:password-expired"},
	{"(User not known to the underlying", "pam:user-unknown"},
	{"(Authentication service cannot retrieve", "pam:authinfo-unavail"},
	{"(Have exhausted maximum number of retries", "pam:maxtries"},
	{"(Module is unknown", "pam:module-unknown"},
	{"(System error", "pam:system-err"},
	{"(Error in service module", "pam:service-err"},
	{"(Authentication failure", "pam:wrong-password"},
	{"Permission denied", "pam:perm-denied"},
	{"ccess denied for user", "pam:perm-denied"}, // pam_access, pam_time, pam_sss
	{"Refused user ", "pam:perm-denied"},         // pam_listfile
}

func moduleCode(m string) string {
	if strings.Contains(m, ":session): ") {
		return ""
	}
	if strings.Contains(m, "received for user ") && strings.Contains(m, "(User not known") {
		return "" // one of several modules: the user is another's
	}
	for i := range moduleTexts {
		if strings.Contains(m, moduleTexts[i].text) {
			return moduleTexts[i].code
		}
	}
	return ""
}

// moduleUser finds the person in a module's message.
func moduleUser(m string) string {
	if u := field(m, " user="); u != "" {
		return u
	}
	for _, before := range []string{"for user ", " user (", "code for ", "google_authenticator for ", " for \"", ": account ", "): user ", "Refused user "} {
		if _, rest, ok := strings.Cut(m, before); ok {
			rest, _, _ = strings.Cut(rest, " ")
			return strings.Trim(rest, "\",.():`'")
		}
	}
	return ""
}

// field returns the word after a name and equals sign.
func field(m, name string) string {
	_, rest, ok := strings.Cut(m, name)
	if !ok {
		return ""
	}
	return firstWord(rest)
}

func firstWord(s string) string {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSuffix(s, ":")
}

// sudo takes "alice : 3 incorrect password attempts ; PWD=/ ; COMMAND=/bin/id".
func (r *sshd) sudo(l *Line, s *syslogLine, out *Sink) Reading {
	m := s.message
	if strings.HasPrefix(m, "pam_") {
		return r.module(l, s, "sudo", out)
	}
	user, rest, ok := strings.Cut(strings.TrimLeft(m, " "), " : ")
	if !ok {
		return Noted
	}
	key := personKey(s, "sudo "+user)
	code := ""
	switch {
	case strings.Contains(rest, "incorrect password attempt"):
		code = "sudo:wrong-password"
	case strings.HasPrefix(rest, "user NOT in sudoers"), strings.HasPrefix(rest, "command not allowed"), strings.HasPrefix(rest, "user NOT authorized on host"):
		code = "sudo:not-allowed"
	case strings.HasPrefix(rest, "a password is required"):
		code = "sudo:password-required"
	}
	a := r.sessions.take(key)
	if a == nil {
		if code == "" {
			return Noted // it was not asked for a password
		}
		a = &Attempt{Product: sshdFormat.Name, Time: s.time, ZoneAssumed: !s.zoned, User: user, Host: s.host, Client: "sudo"}
	}
	a.Lines = append(a.Lines, l)
	a.End = s.time
	if code == "" {
		a.Verdict, a.Stage = Accepted, auth.StageVerdict
	} else {
		a.addCode(code)
		a.Verdict = Refused
		if a.Stage == "" {
			a.Stage = auth.StagePrimary
		}
	}
	out.Attempt(a)
	return Noted
}

// sshWho takes "METHOD for [invalid user ]alice from 192.0.2.1 port 5 ssh2" apart.
// A name may hold anything; the last " from " counts.
func sshWho(s string) (method, user, from string) {
	method, rest, ok := strings.Cut(s, " for ")
	if !ok || strings.IndexByte(method, ' ') >= 0 {
		return "", "", ""
	}
	user, from = sshUserFrom(rest)
	return method, user, from
}

func sshUserFrom(s string) (user, from string) {
	s = strings.TrimPrefix(s, "invalid user ")
	s = strings.TrimPrefix(s, "illegal user ")
	at := strings.LastIndex(s, " from ")
	if at < 0 {
		return firstWord(s), ""
	}
	return s[:at], firstWord(s[at+len(" from "):])
}
