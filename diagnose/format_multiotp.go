package diagnose

import (
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// multiOTP reads the log of the multiOTP server: its file, with tabs between time,
// level, user, category, text, and in newer releases two more fields; what
// -display-log prints; the result line of its command; and what it sends by
// syslog. Layouts, sentences and result numbers are those of the public source,
// https://github.com/multiOTP/multiotp (multiotp.class.php).
var multiOTP = Format{
	Name:  "multiotp",
	Title: "multiOTP server log",
	Marks: []string{
		"\tdebug\t", "\tinfo\t", "\tnotice\t", "\twarning\t", "\terror\t", "\tcritical\t", "LOG 20", "multiOTP",
		"Error: authentication failed", "Error: User ", "Error: cache too old", "Error: token of user ", "successfully logged in",
		" *ERROR: ", " *OK: ", " *INFO: ", "ERROR: Authentication failed", "Reply-Message := ", "authentication typed by the user",
		"Error: no information on where to send", "SMS code request", "Static code request", "waiting challenge response",
	},
	New: func() Reader { return &multiOTPReader{open: map[string]*Attempt{}} },
}

const (
	// multiOTPApart is how long after each other lines of one attempt can come.
	multiOTPApart = 5 * time.Second
	// multiOTPOpen is how many attempts are open at a time.
	multiOTPOpen = 100
)

type multiOTPReader struct {
	open  map[string]*Attempt // by user, as the log writes it
	order []string            // their users, the last touched last
	done  bool                // the attempt before was handed over, and its result line may come
	codes []string            // of that attempt
}

// A multiOTPLine is one line taken apart.
type multiOTPLine struct {
	at           time.Time
	host, user   string
	text         string
	result       bool // text is a result, "98 ERROR: Authentication failed (wrong token length)"
	instructions bool // it is about RADIUS attributes
}

var multiOTPLevels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func parseMultiOTP(text string, out *Sink) (multiOTPLine, bool) {
	var p multiOTPLine
	if i := indexFold(text, " multiotp: "); i >= 0 {
		if s, ok := parseSyslog(text, out); ok && strings.EqualFold(s.program, "multiOTP") {
			p.at, p.host = s.time, s.host
			// The name and the address of the machine precede the text.
			_, rest, ok := strings.Cut(s.message, " ")
			if ok {
				_, rest, ok = strings.Cut(rest, " ")
			}
			if !ok {
				return multiOTPLine{}, false
			}
			p.text = rest
			return p.finish(), true
		}
	}
	rest := strings.TrimLeft(text, "> ")
	if result, ok := multiOTPResult(rest); ok {
		p.text, p.result = result, true
		return p, true
	}
	if strings.HasPrefix(rest, "Reply-Message := ") {
		p.instructions = true
		return p, true
	}
	shown := strings.HasPrefix(rest, "LOG ")
	if shown {
		rest = rest[len("LOG "):]
	}
	at, _, rest, ok := leadingTime(rest, out)
	if !ok {
		return multiOTPLine{}, false
	}
	p.at = at
	if fields := strings.Split(strings.TrimLeft(rest, "\t"), "\t"); len(fields) >= 4 && isLevel(fields[0]) {
		p.user, p.text = fields[1], fields[3]
		if len(fields) >= 6 {
			p.host = fields[5]
		}
		return p.finish(), true
	}
	// Blanks instead of tabs: as shown on a console, or as somebody pasted it.
	level, rest, ok := strings.Cut(strings.TrimLeft(rest, "\t "), " ")
	if !ok || !isLevel(level) {
		return multiOTPLine{}, false
	}
	if name, after, ok := strings.Cut(strings.TrimLeft(rest, " "), ") "); shown && ok && strings.HasPrefix(name, "(user ") {
		p.user, rest = name[len("(user "):], after
	}
	for _, category := range []string{"User ", "Authentication ", "System ", "Debug ", "Server ", "LDAP ", "Token ", "SMS ", "Email ", "Group ", "Device "} {
		// The user stands between level and category: what is before is not read.
		if i := strings.Index(rest, category); i >= 0 && i < 80 {
			p.text = strings.TrimLeft(rest[i+len(category):], " ")
			return p.finish(), true
		}
	}
	return multiOTPLine{}, false
}

// finish tells results and RADIUS attributes from other texts.
func (p multiOTPLine) finish() multiOTPLine {
	text, _ := strings.CutPrefix(p.text, "Debug: *")
	if result, ok := multiOTPResult(text); ok {
		p.text, p.result = result, true
	}
	p.instructions = strings.HasPrefix(text, "Attributes sent to the RADIUS server")
	return p
}

// multiOTPResult takes the result line of a command: the number, perhaps a star,
// and its text.
func multiOTPResult(s string) (string, bool) {
	n := 0
	for n < len(s) && n < 3 && isDigit(s[n]) {
		n++
	}
	if n == 0 || n == len(s) || s[n] != ' ' {
		return "", false
	}
	text := strings.TrimPrefix(s[n+1:], "*")
	if strings.HasPrefix(text, "ERROR: ") || strings.HasPrefix(text, "OK: ") || strings.HasPrefix(text, "INFO: ") {
		return s[:n] + " " + text, true
	}
	return "", false
}

func isLevel(s string) bool {
	for _, l := range multiOTPLevels {
		if s == l {
			return true
		}
	}
	return false
}

func (r *multiOTPReader) Read(l *Line, out *Sink) Reading {
	p, ok := parseMultiOTP(l.Text, out)
	if !ok {
		return NotMine
	}
	for len(r.order) > 0 && p.at.Sub(r.open[r.order[0]].Time) > multiOTPApart {
		r.hand(r.order[0], out)
	}
	if p.instructions {
		return r.reply(l)
	}
	if p.result {
		return r.result(l, p, out)
	}
	text := p.text
	code, stage, user := multiOTPSentence(text)
	if p.user != "" {
		user = p.user // the same in all lines of an attempt, where sentences may say it otherwise
	}
	if user == "" && code != "" {
		code = "" // about the server, not about a login
	}
	from := ""
	if i := strings.LastIndex(text, " from "); i >= 0 {
		from, _, _ = strings.Cut(text[i+len(" from "):], " ")
	}
	switch {
	case strings.Contains(text, "successfully logged in") && user != "":
		a := r.attempt(user, p, out)
		r.drop(user)
		a.Verdict, a.Stage, a.End, a.From = Accepted, auth.StageVerdict, p.at, from
		a.Lines = append(a.Lines, l)
		if _, method, ok := strings.Cut(text, " with "); ok {
			method = strings.TrimPrefix(method, "a ")
			a.Method, _, _ = strings.Cut(method, " ")
		}
		out.Attempt(a)
		r.done, r.codes = true, nil
		return Noted
	case strings.HasPrefix(text, "Info: waiting challenge response for user "):
		a := r.attempt(user, p, out)
		r.drop(user)
		a.Verdict, a.Stage, a.From = Challenged, auth.StageAnswer, from
		a.Lines = append(a.Lines, l)
		out.Attempt(a)
		r.done = false
		return Noted
	case code != "":
		a := r.attempt(user, p, out)
		if len(a.Lines) >= 50 {
			return Noted
		}
		a.Lines = append(a.Lines, l)
		a.Verdict, a.End = Refused, p.at
		if a.Stage == "" || code != "99" {
			a.Stage = stage
		}
		setIf(&a.From, from)
		addCode(&a.Codes, "multiotp:"+code)
		r.done = false
		return Kept
	}
	return Noted
}

// reply reads what is sent to a RADIUS client. Its message is the text of the
// result, which at the usual levels stands nowhere else: the sentence before it
// says of most failures only that there was one.
func (r *multiOTPReader) reply(l *Line) Reading {
	_, text, ok := strings.Cut(l.Text, `Reply-Message := "ERROR: `)
	if !ok || len(r.order) == 0 {
		return Noted
	}
	text, _, _ = strings.Cut(text, `"`)
	code := multiOTPTexts[text]
	a := r.open[r.order[len(r.order)-1]]
	if code == "" || len(a.Lines) >= 50 {
		return Noted
	}
	a.Lines = append(a.Lines, l)
	addCode(&a.Codes, "multiotp:"+code)
	return Kept
}

// multiOTPTexts are the texts of results that a login can end with, and their
// numbers.
var multiOTPTexts = map[string]string{
	"User blacklisted":             "20",
	"User doesn't exist":           "21",
	"Invalid algorithm":            "23",
	"User locked (too many tries)": "24",
	"User delayed (too many tries, but still a hope in a few minutes)":       "25",
	"This token has already been used":                                       "26",
	"Resynchronization of the token has failed":                              "27",
	"Encryption hash error, encryption key is not matching":                  "33",
	"Linked user doesn't exist":                                              "34",
	"Token doesn't exist":                                                    "36",
	"User is desactivated":                                                   "38",
	"No information on where to send SMS code":                               "60",
	"SMS code request received, but an error occurred during transmission":   "61",
	"SMS provider not supported":                                             "62",
	"This SMS code has expired":                                              "63",
	"Cannot resent an SMS code right now":                                    "64",
	"SMS code request not allowed":                                           "65",
	"Email code request not allowed":                                         "66",
	"No information on where to send Email code":                             "67",
	"Email code request received, but an error occurred during transmission": "68",
	"Failed to send email":                                                   "69",
	"Server authentication error":                                            "70",
	"Email SMTP server not defined":                                          "73",
	"AD/LDAP connection error":                                               "79",
	"Cache too old for this user, account autolocked":                        "81",
	"User not allowed for this device":                                       "82",
	"Authentication failed (without2fa token not authorized here)":           "91",
	"Authentication failed (bad password)":                                   "92",
	"Authentication failed (time based token probably out of sync)":          "93",
	"Authentication failed (CRC error)":                                      "96",
	"Authentication failed (wrong private id)":                               "97",
	"Authentication failed (wrong token length)":                             "98",
	"Authentication failed (and other possible unknown errors)":              "99",
}

// attempt is the open attempt of a user; a new one if that is too old.
func (r *multiOTPReader) attempt(user string, p multiOTPLine, out *Sink) *Attempt {
	if a := r.open[user]; a != nil {
		if p.at.Sub(a.Time).Abs() <= multiOTPApart {
			r.drop(user)
			r.open[user] = a
			r.order = append(r.order, user)
			return a
		}
		r.hand(user, out)
	}
	if len(r.order) == multiOTPOpen {
		r.hand(r.order[0], out)
	}
	a := &Attempt{
		Product: multiOTP.Name, User: user, Host: p.host, Verdict: Refused,
		Time: p.at, ZoneAssumed: !p.at.IsZero(),
	}
	r.open[user] = a
	r.order = append(r.order, user)
	return a
}

// drop forgets the open attempt of a user.
func (r *multiOTPReader) drop(user string) {
	delete(r.open, user)
	for i, u := range r.order {
		if u == user {
			r.order = append(r.order[:i], r.order[i+1:]...)
			return
		}
	}
}

// hand hands over the open attempt of a user.
func (r *multiOTPReader) hand(user string, out *Sink) {
	a := r.open[user]
	r.drop(user)
	out.Attempt(a)
}

// result reads the result line of a command, which ends the attempt that was
// touched last, or is one by itself.
func (r *multiOTPReader) result(l *Line, p multiOTPLine, out *Sink) Reading {
	code, _, _ := strings.Cut(p.text, " ")
	n := number(code)
	if n >= 1 && n < 20 {
		return Noted // a request that was done, or a challenge
	}
	if n == 0 && r.done && len(r.codes) == 0 {
		r.done = false
		return Noted // the same result, shown and written
	}
	if len(r.order) > 0 && n != 0 {
		user := r.order[len(r.order)-1]
		a := r.open[user]
		if p.at.IsZero() || p.at.Sub(a.Time).Abs() <= multiOTPApart {
			if len(a.Lines) < 60 {
				a.Lines = append(a.Lines, l)
			}
			addCode(&a.Codes, "multiotp:"+code)
			r.hand(user, out)
			r.done, r.codes = true, a.Codes
			return Noted
		}
	}
	same := n != 0 && r.done && slices.Contains(r.codes, "multiotp:"+code)
	r.done = false
	if same {
		return Noted
	}
	a := &Attempt{
		Product: multiOTP.Name, Host: p.host, Verdict: Accepted, Stage: auth.StageVerdict,
		Time: p.at, ZoneAssumed: !p.at.IsZero(), Lines: []*Line{l},
	}
	if n != 0 {
		a.Verdict, a.Stage = Refused, auth.StageAnswer
		a.Codes = []string{"multiotp:" + code}
	}
	out.Attempt(a)
	return Noted
}

func (r *multiOTPReader) Close(out *Sink) {
	for len(r.order) > 0 {
		r.hand(r.order[0], out)
	}
}

// multiOTPSentence is the result number that a sentence of the log stands for,
// "" if it is not about a refused login, and the user that it names.
func multiOTPSentence(text string) (code string, stage auth.Stage, user string) {
	if i := strings.Index(text, "authentication typed by the user is "); i >= 0 && strings.Contains(text, " chars") {
		return "98", auth.StageAnswer, ""
	}
	text, ok := strings.CutPrefix(text, "Error: ")
	if !ok {
		return "", "", ""
	}
	if _, rest, ok := strings.Cut(text, " for "); ok && strings.HasPrefix(text, "authentication failed") {
		user, rest := cutUser(strings.TrimPrefix(rest, "user "))
		switch {
		case strings.HasPrefix(rest, "(time based token probably out of sync"):
			return "93", auth.StageAnswer, user
		case strings.HasPrefix(rest, "(same token replayed"):
			return "26", auth.StageAnswer, user
		case strings.HasPrefix(rest, "(without2fa token not authorized here"):
			return "91", auth.StagePolicy, user
		}
		return "99", auth.StageAnswer, user
	}
	for _, s := range []struct {
		before, after, code string
		stage               auth.Stage
	}{
		{"User ", "LDAP password false", "ldap-password", auth.StagePrimary},
		{"User ", "verification failed, unreachable LDAP/AD server", "79", auth.StagePrimary},
		{"User ", "locked after ", "24", auth.StageFactor},
		{"User ", "still delayed for ", "25", auth.StageFactor},
		{"User ", "is now delayed for ", "25", auth.StageFactor},
		{"User ", "doesn't exist", "21", auth.StageAccount},
		{"linked user ", "doesn't exist", "34", auth.StageAccount},
		{"User ", "is desactivated", "38", auth.StageAccount},
		{"token of user ", "already used", "26", auth.StageAnswer},
		{"resync for user ", "has failed", "27", auth.StageAnswer},
		{"cache too old for user ", "account autolocked", "81", auth.StageFactor},
		{"no information on where to send SMS code for ", "", "60", auth.StageDelivery},
		{"no information on where to send Email code for ", "", "67", auth.StageDelivery},
		{"SMS code request received for ", "occurred during transmission", "61", auth.StageDelivery},
	} {
		if rest, ok := strings.CutPrefix(text, s.before); ok {
			user, rest := cutUser(rest)
			if strings.Contains(rest, s.after) {
				return s.code, s.stage, user
			}
		}
	}
	return "", "", ""
}

// cutUser takes a name from the front of the rest of a sentence.
func cutUser(s string) (user, rest string) {
	user, rest, _ = strings.Cut(s, " ")
	user = strings.TrimRight(user, ",.")
	if len(user) > 256 {
		user = ""
	}
	return user, rest
}

// multiOTPCP reads the logs of multiOTP's credential provider for Windows. The
// present one shares privacyIDEA's source, its layout and even the name of its
// file, and counts hours to twelve without saying which half of the day it is;
// the older one writes the text before the place.
var multiOTPCP = Format{
	Name:  "multiotp-cp",
	Title: "multiOTP Credential Provider for Windows",
	Marks: []string{".cpp:", "[at line "},
	New: func() Reader {
		r := &multiOTPCPReader{}
		r.cpp = cppReader{product: "multiotp-cp", claims: func(m string) bool {
			if isMultiOTPText(m) {
				r.seen = true
			}
			return r.seen
		}}
		return r
	},
}

// isMultiOTPText reports whether only multiOTP's credential provider writes this.
func isMultiOTPText(m string) bool {
	for _, s := range []string{
		"multiOTP", "Multiotp", "The user has logged in recently", "The user has NOT logged in recently", "LAST LOGGED IN TIME FOR USER",
		"Number of active sessions:", "User SID is : ", "Found a session for the user", "No session found", "FAILED to find the SID",
		"Session number:   ", "        id:  ", "        state:  ", "        username: ", "        sid:  ",
	} {
		if strings.HasPrefix(m, s) {
			return true
		}
	}
	return false
}

type multiOTPCPReader struct {
	seen bool // the file is multiOTP's
	cpp  cppReader

	open *Attempt // in the older layout
	user string
	next string // of what the value stands in the next line
}

func (r *multiOTPCPReader) Read(l *Line, out *Sink) Reading {
	text, place, ok := strings.Cut(l.Text, " [at line ")
	if !ok {
		return r.cpp.Read(l, out)
	}
	at, _, text, ok := leadingTime(strings.TrimLeft(text, "> "), out)
	if !ok || !strings.HasPrefix(text, ":") || !strings.Contains(place, ".cpp'") && !strings.Contains(place, ".h'") {
		return NotMine
	}
	text = strings.TrimSpace(text[1:])
	what := r.next
	r.next = ""
	switch {
	case strings.HasSuffix(text, "Username:"):
		r.next = "user"
	case what == "user":
		if len(text) <= 256 {
			r.user = text
		}
	case strings.HasPrefix(text, "multiOTP.exe Exit Code:"):
		r.Close(out)
		r.next = "code"
		r.open = &Attempt{
			Product: multiOTPCP.Name, Verdict: Abandoned, User: r.user,
			Time: at, ZoneAssumed: !at.IsZero(), Lines: []*Line{l},
		}
		r.user = ""
		return Kept
	case what == "code" && r.open != nil:
		a := r.open
		a.Lines = append(a.Lines, l)
		code, _, _ := strings.Cut(strings.TrimPrefix(text, "Integer: "), " ")
		switch n := number(code); {
		case n == 0:
			a.Verdict, a.Stage = Accepted, auth.StageVerdict
		case n > 0:
			a.Verdict, a.Stage = Refused, auth.StageAnswer
			a.Codes = []string{"multiotp:" + code}
		}
		r.Close(out)
	}
	return Noted
}

func (r *multiOTPCPReader) Close(out *Sink) {
	if r.open != nil {
		out.Attempt(r.open)
		r.open = nil
	}
	r.cpp.Close(out)
}
