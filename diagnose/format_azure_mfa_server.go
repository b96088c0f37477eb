package diagnose

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/auth"
)

// The names of the two formats.
const (
	azureRadiusName = "azure-mfa-radius"
	azureServerName = "azure-mfa-server"
)

// azureRadiusFormat and azureServerFormat read the logs of Azure MFA Server,
// formerly PhoneFactor. Its services write lines of the form
//
//	time|level|process|thread|component|message
//
// in UTC. The RADIUS service (component pfrad) writes three lines for an
// attempt, which only process and thread tie together, and a thread is used
// again for the next; the main service (pfsvc) writes one line, which may also
// have come through syslog. The two are formats of their own because both tell
// of the same login: who compares attempts must not take that for two logins.
var (
	azureRadiusFormat = Format{
		Name:  azureRadiusName,
		Title: "Azure MFA Server, RADIUS service (MultiFactorAuthRadiusSvc.log)",
		Marks: []string{"|pfrad|"},
		New:   func() Reader { return &azureRadiusReader{open: waiting{give: giveAzureRadius}} },
	}
	azureServerFormat = Format{
		Name:  azureServerName,
		Title: "Azure MFA Server (MultiFactorAuthSvc.log, MultiFactorAuthAdSyncSvc.log, syslog, answers of the Web Service SDK)",
		Marks: []string{
			"|pfsvc|", "|pfadssvc|", " pfsvc:", " pfsvc[", "Pfauth failed for user", "Pfauth succeeded for user",
			"PfAuthUser_", "Completed performing tasks to upgrade from",
		},
		New: func() Reader { return azureServerReader{} },
	}
)

// An azureLine is one line of any service of Azure MFA Server.
type azureLine struct {
	time      time.Time
	thread    string // process and thread
	component string
	message   string
}

// parseAzureLine takes the six fields of a line.
func parseAzureLine(line string) (azureLine, bool) {
	var field [5]string
	s := line
	for i := range field {
		var found bool
		if field[i], s, found = strings.Cut(s, "|"); !found {
			return azureLine{}, false
		}
	}
	t, ok := rfc3339Time(field[0])
	if !ok {
		return azureLine{}, false
	}
	thread := line[len(field[0])+len(field[1])+2:]
	thread = thread[:len(field[2])+1+len(field[3])]
	return azureLine{time: t, thread: thread, component: field[4], message: s}, true
}

// An azureRadiusReader joins the lines of pfrad by process and thread.
type azureRadiusReader struct{ open waiting }

func (r *azureRadiusReader) Read(l *Line, out *Sink) Reading {
	line, ok := parseAzureLine(l.Text)
	if !ok || line.component != "pfrad" {
		return NotMine
	}
	if rest, ok := strings.CutPrefix(line.message, "Calling pfAuthUser("); ok {
		r.open.put(line.thread, &Attempt{
			Product: azureRadiusName, Time: line.time, User: firstQuoted(rest),
			Verdict: Abandoned, Lines: []*Line{l},
		}, out)
		return Kept
	}
	name, _, ok := azureValue(line.message)
	if !ok {
		return Noted
	}
	a := r.open.get(line.thread)
	if a != nil && azureTold(a, name) != "" {
		// A second answer is that of another request, whose beginning is missing.
		r.open.give(r.open.take(line.thread), out)
		a = nil
	}
	if a == nil {
		a = &Attempt{Product: azureRadiusName, Time: line.time, Verdict: Abandoned, Lines: []*Line{l}}
		r.open.put(line.thread, a, out)
	} else {
		r.open.add(line.thread, l, out)
	}
	a.End = line.time
	if azureTold(a, "authResult") == "" || azureTold(a, "rawCallStatus") == "" {
		return Kept
	}
	r.open.give(r.open.take(line.thread), out)
	return Noted
}

func (r *azureRadiusReader) Close(out *Sink) { r.open.giveAll(out) }

// azureValue takes "authResult = 1" or "rawCallStatus = 21".
func azureValue(message string) (name, value string, ok bool) {
	name, value, _ = strings.Cut(message, "=")
	if name = strings.TrimSpace(name); name != "authResult" && name != "rawCallStatus" {
		return name, "", false
	}
	value = strings.TrimSpace(value)
	_, err := strconv.Atoi(value)
	return name, value, err == nil
}

// azureTold is the value that a line of the attempt gives to a name, "" if none
// does yet. An attempt has three lines at most.
func azureTold(a *Attempt, name string) string {
	for _, l := range a.Lines {
		// Such a message is short and has no bar in it.
		if i := strings.LastIndexByte(l.Text, '|'); i >= 0 && strings.HasPrefix(l.Text[i+1:], name) {
			if n, v, ok := azureValue(l.Text[i+1:]); ok && n == name {
				return v
			}
		}
	}
	return ""
}

// giveAzureRadius judges an attempt: authResult alone is the verdict, for the
// status 2 (only # was pressed) is a success or not by the person's mode.
func giveAzureRadius(a *Attempt, out *Sink) {
	result, status := azureTold(a, "authResult"), azureTold(a, "rawCallStatus")
	azureStatus(a, status)
	if result != "" {
		a.Verdict = Refused
		switch {
		case result == "1":
			a.Verdict = Accepted
		case azureResult(status) == auth.Pending:
			a.Verdict = Challenged
		}
	} else if status != "" {
		a.Verdict = azureVerdict(azureResult(status))
	}
	out.Attempt(a)
}

// azureVerdict is what a status says where nothing else does.
func azureVerdict(r auth.Result) Verdict {
	switch r {
	case auth.Success:
		return Accepted
	case auth.Failure:
		return Refused
	case auth.Pending:
		return Challenged
	case auth.Conditional:
		return Abandoned
	}
	return Abandoned
}

// azureStatus adds a call status to an attempt: its code, and the stage and
// method that it belongs to. A number above those that are known is kept as it
// is: 149 is known from one page only, and there may be more.
func azureStatus(a *Attempt, status string) {
	if status == "" {
		return
	}
	a.Codes = append(a.Codes, azureSpace+status)
	if m := azureMeaning(status); m != nil {
		a.Stage = m.Stage
		if m.Method != "any" && m.Method != "policy" && m.Method != "account state" {
			a.Method = m.Method
		}
	} else if !slices.ContainsFunc(azureUnnumbered, func(u azureExtra) bool { return u.status == status }) {
		a.Codes = append(a.Codes, azureSpace+"other")
	}
}

// azureSpace is the code space of call statuses.
const azureSpace = "azure-mfa:"

// azureMeaning is the row of a call status in the catalogue, nil if it is in none.
func azureMeaning(status string) *auth.Meaning {
	n, err := strconv.Atoi(status)
	if err != nil {
		return nil
	}
	return azureByNumber[n]
}

// azureResult is the kind of a call status; one that nobody has explained counts
// as a failure.
func azureResult(status string) auth.Result {
	if m := azureMeaning(status); m != nil {
		return m.Result
	}
	return auth.Failure
}

// An azureServerReader reads what the other services write, a line an attempt.
type azureServerReader struct{}

func (azureServerReader) Close(*Sink) {}

func (azureServerReader) Read(l *Line, out *Sink) Reading {
	a := &Attempt{Product: azureServerName, Lines: []*Line{l}}
	message := l.Text
	switch line, ok := parseAzureLine(l.Text); {
	case ok && (line.component == "pfsvc" || line.component == "pfadssvc"):
		message, a.Time = line.message, line.time
	case ok:
		return NotMine
	default:
		if s, ok := parseSyslog(l.Text, out); ok {
			if s.program != "pfsvc" {
				return NotMine
			}
			message, a.Time, a.ZoneAssumed, a.Host = s.message, s.time, !s.zoned, s.host
		} else if before, after, found := strings.Cut(l.Text, " pfsvc: "); found && !strings.ContainsAny(before, " |") {
			a.Host, message = before, after // syslog whose time another program has cut off
		} else if strings.Contains(l.Text, "PfAuthUser_") {
			return readAzureAnswer(l, out)
		} else if !strings.HasPrefix(message, "Pfauth ") && !strings.HasPrefix(message, "Completed performing tasks to upgrade from ") {
			return NotMine
		}
	}
	switch {
	case strings.HasPrefix(message, "Pfauth succeeded for user "):
		a.Verdict = Accepted
	case strings.HasPrefix(message, "Pfauth failed for user "):
		a.Verdict = Refused
	case strings.HasPrefix(message, "Failed ") && strings.Contains(message, " auth for user ") && strings.Contains(message, "Logon failure:"):
		a.Verdict, a.Stage = Refused, auth.StagePrimary
		a.User = quotedAfter(message, " auth for user ")
		a.Codes = []string{azureSpace + "logon-failure"}
		out.Attempt(a)
		return Noted
	default:
		return Noted
	}
	a.User = quotedAfter(message, " for user ")
	if _, rest, found := strings.Cut(message, "Call status: "); found {
		token, description, _ := strings.Cut(rest, " - ")
		azureStatus(a, azureToken(strings.TrimSpace(token), firstQuoted(description)))
		message = message[:len(message)-len(rest)]
	}
	if i := strings.LastIndex(message, " from "); i >= 0 {
		address, _, _ := strings.Cut(message[i+len(" from "):], " ")
		a.From = strings.TrimSuffix(address, ".")
	}
	if a.Verdict == Refused && len(a.Codes) == 1 && azureResult(strings.TrimPrefix(a.Codes[0], azureSpace)) == auth.Pending {
		a.Verdict = Challenged
	}
	out.Attempt(a)
	return Noted
}

// azureToken is the call status that a token of the main service's log means:
// its number where one is known, the token itself otherwise.
func azureToken(token, description string) string {
	if n, ok := azureByConstant[token]; ok {
		return strconv.Itoa(n)
	}
	for n, m := range azureByNumber {
		// Two statuses share this label.
		if description != "" && m.Label == description && m.Label != "Used Cache" {
			return strconv.Itoa(n)
		}
	}
	return token
}

// readAzureAnswer reads an answer of the Web Service SDK that somebody printed:
// the flag of the result, and the code of callResult, in the braces of a script
// or the tags of SOAP.
func readAzureAnswer(l *Line, out *Sink) Reading {
	_, rest, _ := strings.Cut(l.Text, "PfAuthUser_")
	_, flag, found := strings.Cut(rest, "Result")
	_, result, named := strings.Cut(rest, "callResult")
	if !found || !named {
		return Noted
	}
	flag = strings.ToLower(strings.TrimLeft(flag, `'": >`))
	a := &Attempt{Product: azureServerName, Lines: []*Line{l}}
	switch {
	case strings.HasPrefix(flag, "true"):
		a.Verdict = Accepted
	case strings.HasPrefix(flag, "false"):
		a.Verdict = Refused
	default:
		return Noted
	}
	if _, code, found := strings.Cut(result, "Code"); found {
		code = strings.TrimLeft(code, `'": >`)
		end := 0
		for end < len(code) && (isDigit(code[end]) || end == 0 && code[0] == '-') {
			end++
		}
		if _, err := strconv.Atoi(code[:end]); err == nil {
			azureStatus(a, code[:end])
		}
	}
	out.Attempt(a)
	return Noted
}

// quotes are the marks around names: the log's own, and what a text processor
// has made of them where a line was published.
const quotes = "'\"‘’‚‛“”„"

// firstQuoted takes the text between the first quotation mark and the next that
// something other than a letter follows: a name may hold an apostrophe. Without
// an end, it is all.
func firstQuoted(s string) string {
	start := strings.IndexAny(s, quotes)
	if start < 0 {
		return ""
	}
	_, n := utf8.DecodeRuneInString(s[start:])
	s = s[start+n:]
	for from := 0; from < len(s); {
		i := strings.IndexAny(s[from:], quotes)
		if i < 0 {
			break
		}
		_, n := utf8.DecodeRuneInString(s[from+i:])
		after := s[from+i+n:]
		if after == "" || strings.IndexByte(" ,.)[;:", after[0]) >= 0 {
			return s[:from+i]
		}
		from += i + n
	}
	return s
}

// quotedAfter is firstQuoted of what follows a text.
func quotedAfter(s, text string) string {
	_, rest, _ := strings.Cut(s, text)
	return firstQuoted(rest)
}
