package diagnose

import (
	"net/url"
	"strings"
	"time"

	"sallyport/auth"
)

// privacyIDEACP reads the log of privacyIDEA's credential provider for Windows,
// C:\PICredentialProviderLog.txt: "[25-08-2025 13:39:01] [Endpoint.cpp:384] text"
// in the time of the computer. Without its debug setting it holds errors only.
// Layout and sentences are those of the public source,
// https://github.com/privacyidea/privacyidea-credential-provider.
var privacyIDEACP = Format{
	Name:  "privacyidea-cp",
	Title: "privacyIDEA Credential Provider for Windows (PICredentialProviderLog.txt)",
	Marks: []string{".cpp:", `"message": "`, `"authentication": "`},
	New: func() Reader {
		return &cppReader{product: "privacyidea-cp", claims: func(m string) bool { return !isMultiOTPText(m) }}
	},
}

const (
	// cppAttempt is how long an attempt at the logon screen can take.
	cppAttempt = 120 * time.Second
	// cppAnswer is how many lines an answer of the server has at most.
	cppAnswer = 200
	// cppLines is how many lines of an attempt are kept.
	cppLines = 200
)

// A cppReader reads the logs of credential providers that share the source of
// privacyIDEA's.
type cppReader struct {
	product string
	claims  func(message string) bool // whether a line can be of this product

	open   *Attempt
	user   string
	answer int       // up to which line an answer of the server can go on
	at     time.Time // of the last line
}

// parseCPP takes a line apart.
func parseCPP(text string, out *Sink) (at time.Time, file, message string, ok bool) {
	if !strings.HasPrefix(text, "[") {
		return time.Time{}, "", "", false
	}
	at, _, rest, ok := leadingTime(text, out)
	if !ok || !strings.HasPrefix(rest, "[") {
		return time.Time{}, "", "", false
	}
	where, message, ok := strings.Cut(rest[1:], "]")
	if !ok || len(where) > 80 {
		return time.Time{}, "", "", false
	}
	file, line, ok := strings.Cut(where, ":")
	if !ok || !digitsOnly(line) || !strings.HasSuffix(file, ".cpp") && !strings.HasSuffix(file, ".h") {
		return time.Time{}, "", "", false
	}
	return at, file, strings.TrimPrefix(message, " "), true
}

func (r *cppReader) Read(l *Line, out *Sink) Reading {
	made := r.read(l, out)
	if made == Kept && (r.open == nil || r.open.Lines[len(r.open.Lines)-1] != l) {
		return Noted // it has more lines than are kept
	}
	return made
}

func (r *cppReader) read(l *Line, out *Sink) Reading {
	at, file, m, ok := parseCPP(l.Text, out)
	if !ok {
		if l.Number > r.answer {
			return NotMine
		}
		return r.answered(l, l.Text) // an answer is printed over many lines
	}
	if !r.claims(m) {
		return NotMine
	}
	if !at.IsZero() {
		if r.open != nil && at.Sub(r.open.Time) > cppAttempt {
			r.Close(out)
		}
		r.at = at
	}
	r.answer = 0
	switch {
	case strings.HasSuffix(m, " - AUTHENTICATION START"), strings.HasSuffix(m, " - AUTHENTICATION END"):
		r.Close(out)
		r.user = ""
	case strings.HasPrefix(m, "{"):
		if file == "Endpoint.cpp" {
			r.answer = l.Number + cppAnswer
		}
		return r.answered(l, m)
	case strings.HasPrefix(m, "Changing user from '"):
		if _, user, ok := strings.Cut(m, "' to '"); ok {
			r.name(strings.TrimSuffix(user, "'"))
		}
	case strings.HasPrefix(m, "Username from provider: "):
		if user := strings.TrimPrefix(m, "Username from provider: "); user != "empty" {
			r.name(user)
		}
	case strings.HasPrefix(m, "user=") && file == "Endpoint.cpp":
		if user, err := url.QueryUnescape(m[len("user="):]); err == nil {
			r.name(user)
		}
	case strings.HasPrefix(m, "2nd step: "):
		r.keep(l)
		return Kept
	case strings.HasPrefix(m, "SECURE_FAILURE with status info: "):
		a := r.keep(l)
		r.fail(a, Faulty, auth.StageReach)
		flags := strings.TrimPrefix(m, "SECURE_FAILURE with status info: ")
		for flag := range strings.SplitSeq(flags, " | ") {
			if name, ok := strings.CutPrefix(flag, "WINHTTP_CALLBACK_STATUS_FLAG_"); ok && isWord(name) && len(name) <= 32 {
				addCode(&a.Codes, "credential-provider:"+strings.ReplaceAll(strings.ToLower(name), "_", "-"))
			}
		}
		return Kept
	case strings.HasPrefix(m, "WinHttpSendRequest failure: "), strings.HasPrefix(m, "WinHttp Result error: "):
		a := r.keep(l)
		r.fail(a, Faulty, auth.StageReach)
		if _, code, _ := strings.Cut(m, ": "); digitsOnly(code) && len(code) <= 6 {
			addCode(&a.Codes, "credential-provider:winhttp-"+code)
		}
		return Kept
	case strings.HasPrefix(m, "Primary host failed to respond, switching to fallback host"):
		addCode(&r.keep(l).Codes, "credential-provider:fallback")
		return Kept
	case strings.HasPrefix(m, "Offline authentication success with token "):
		a := r.keep(l)
		a.Verdict, a.Stage, a.Method = Accepted, auth.StageVerdict, "offline OTP"
		return Kept
	case strings.HasPrefix(m, "Offline authentication failed with token "):
		a := r.keep(l)
		r.fail(a, Refused, auth.StageAnswer)
		a.Method = "offline OTP"
		addCode(&a.Codes, "credential-provider:offline-wrong-otp")
		return Kept
	case strings.HasPrefix(m, "Offline verification result: ") && containsFold(m, "88809020"):
		a := r.keep(l)
		r.fail(a, Refused, auth.StageFactor)
		addCode(&a.Codes, "credential-provider:offline-none-left")
		return Kept
	case strings.HasPrefix(m, "Error message: "):
		return r.shown(l, strings.TrimPrefix(m, "Error message: "))
	case strings.HasPrefix(m, "Login data matches excluded account"), strings.HasPrefix(m, "User is in excluded group"):
		if r.open != nil {
			r.open.Verdict = Accepted
		}
	case strings.HasPrefix(m, "Authentication complete: "):
		// It is false too after the first of two steps, which decides nothing.
		if r.open == nil {
			return Noted
		}
		a := r.keep(l)
		if strings.HasSuffix(m, ": true") || strings.HasSuffix(m, ": 1") {
			a.Verdict, a.Stage = Accepted, auth.StageVerdict
		}
		if a.Verdict == Abandoned {
			return Kept
		}
		a.End = at
		r.Close(out)
		return Noted
	}
	return Noted
}

// name notes who logs in.
func (r *cppReader) name(user string) {
	if user == "" || len(user) > 256 {
		return
	}
	r.user = user
	if r.open != nil && r.open.User == "" {
		r.open.User = user
	}
}

// keep adds a line to the open attempt, which it opens if there is none.
func (r *cppReader) keep(l *Line) *Attempt {
	if r.open == nil {
		r.open = &Attempt{Product: r.product, Verdict: Abandoned, User: r.user, Time: r.at, ZoneAssumed: !r.at.IsZero()}
	}
	if len(r.open.Lines) < cppLines {
		r.open.Lines = append(r.open.Lines, l)
	}
	return r.open
}

// fail says that the attempt went wrong, unless it is known that it did not.
func (r *cppReader) fail(a *Attempt, v Verdict, stage auth.Stage) {
	if a.Verdict != Accepted {
		a.Verdict, a.Stage = v, stage
	}
}

// answered reads what the server answered, or a line of it.
func (r *cppReader) answered(l *Line, text string) Reading {
	if i := strings.Index(text, `"authentication": "`); i >= 0 {
		switch jsonString(text[i:], "authentication") {
		case "ACCEPT":
			a := r.keep(l)
			a.Verdict, a.Stage = Accepted, auth.StageVerdict
			return Kept
		case "REJECT":
			r.fail(r.keep(l), Refused, auth.StageAnswer)
			return Kept
		}
	}
	message := jsonString(text, "message")
	if strings.HasPrefix(message, "matching ") || strings.HasPrefix(message, "Found matching challenge") {
		a := r.keep(l)
		a.Verdict, a.Stage = Accepted, auth.StageVerdict
		return Kept
	}
	if code, stage := ideaReason(message); code != "" {
		a := r.keep(l)
		r.fail(a, Refused, stage)
		addCode(&a.Codes, "privacyidea:"+code)
		return Kept
	}
	return Noted
}

// shown reads what the person was told.
func (r *cppReader) shown(l *Line, text string) Reading {
	code, stage := ideaReason(text)
	switch {
	case strings.HasPrefix(text, "Connection or configuration error!"):
		a := r.keep(l)
		r.fail(a, Faulty, auth.StageReach)
		addCode(&a.Codes, "credential-provider:connection")
		return Kept
	case code != "":
		a := r.keep(l)
		r.fail(a, Refused, stage)
		addCode(&a.Codes, "privacyidea:"+code)
		return Kept
	case strings.HasPrefix(text, "Wrong One-Time Password"), strings.HasPrefix(text, "Authentication failed"):
		a := r.keep(l)
		r.fail(a, Refused, auth.StageAnswer)
		if len(a.Codes) == 0 { // it is the text for any failure
			addCode(&a.Codes, "credential-provider:wrong-otp-shown")
		}
		return Kept
	}
	return Noted
}

func (r *cppReader) Close(out *Sink) {
	if r.open != nil {
		out.Attempt(r.open)
		r.open = nil
	}
}

// logonUI reads event 1000 of the Windows Application log about LogonUI.exe, the
// process in which credential providers run. It may stand on one line or on one
// for each value.
var logonUI = Format{
	Name:  "windows-logonui",
	Title: "Windows Application log: LogonUI.exe crashed",
	Marks: []string{"Faulting application name: ", "Faulting module name: ", "Exception code: 0x"},
	New:   func() Reader { return &logonUIReader{} },
}

type logonUIReader struct {
	open *Attempt
	last int
}

func (r *logonUIReader) Read(l *Line, out *Sink) Reading {
	if _, name, ok := strings.Cut(l.Text, "Faulting application name: "); ok {
		r.Close(out)
		if len(name) < len("LogonUI.exe") || !strings.EqualFold(name[:len("LogonUI.exe")], "LogonUI.exe") {
			return NotMine
		}
		at, zoned, _, _ := leadingTime(l.Text, out)
		r.open = &Attempt{
			Product: logonUI.Name, Verdict: Faulty, Stage: auth.StageReach,
			Time: at, ZoneAssumed: !at.IsZero() && !zoned, Codes: []string{"logonui:crash"},
		}
	} else if r.open == nil || l.Number-r.last > 4 {
		return NotMine
	}
	r.last = l.Number
	a := r.open
	if len(a.Lines) == 16 {
		return Noted
	}
	a.Lines = append(a.Lines, l)
	if _, code, ok := strings.Cut(l.Text, "Exception code: 0x"); ok && len(code) >= 8 && hexOnly(code[:8]) {
		addCode(&a.Codes, "logonui:crash-"+strings.ToLower(code[:8]))
	}
	return Kept
}

func (r *logonUIReader) Close(out *Sink) {
	if r.open != nil {
		out.Attempt(r.open)
		r.open = nil
	}
}
