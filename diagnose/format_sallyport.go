package diagnose

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/auth"
)

// sallyportFormat reads the events of Sallyport itself: what `sallyport events`
// prints, as text or JSON, and what an export sends to files, syslog and webhooks.
var sallyportFormat = Format{
	Name:  "sallyport",
	Title: "Sallyport (sallyport events, exported events)",
	Marks: sallyportMarks(),
	New:   func() Reader { return sallyportEvents{} },
}

// sallyportMarks are the names of all outcomes: every event has one, however it
// is written.
func sallyportMarks() []string {
	marks := []string{"TIME                    ", `"records":[`, `"kind":"anchor"`}
	for _, m := range auth.Catalogue() {
		marks = append(marks, m.Name)
	}
	return marks
}

// sallyportCode is the code of an outcome.
func sallyportCode(o auth.Outcome) string { return "sallyport:" + strconv.Itoa(int(o)) }

type sallyportEvents struct{}

func (sallyportEvents) Close(*Sink) {}

func (sallyportEvents) Read(l *Line, out *Sink) Reading {
	text := l.Text
	begin := strings.IndexByte(text, '{')
	if begin < 0 {
		return sallyportRow(l, out)
	}
	object := text[begin:]
	if inner, ok := strings.CutPrefix(object, `{"export":`); ok {
		// A webhook's batch on one line: every record of it is an event.
		return sallyportBatch(l, inner, out)
	}
	if !strings.Contains(object, `"took_us":`) || !strings.Contains(object, `"outcome":`) {
		if strings.Contains(object, `"kind":"anchor"`) && strings.Contains(object, `"signature":`) {
			return Noted
		}
		return NotMine
	}
	if begin > 0 {
		if _, ok := parseSyslog(text, out); !ok {
			return NotMine
		}
	}
	a := sallyportEvent(object)
	if a == nil {
		return NotMine
	}
	a.Lines = []*Line{l}
	out.Attempt(a)
	return Noted
}

// maxBatch is how many records of one line are read.
const maxBatch = 1000

func sallyportBatch(l *Line, batch string, out *Sink) Reading {
	_, records, ok := strings.Cut(batch, `"records":[`)
	if !ok {
		return NotMine
	}
	for range maxBatch {
		begin := strings.IndexByte(records, '{')
		if begin < 0 {
			break
		}
		object, rest := jsonObject(records[begin:])
		if object == "" {
			break // cut
		}
		records = rest
		if a := sallyportEvent(object); a != nil {
			a.Lines = []*Line{l}
			out.Attempt(a)
		}
	}
	return Noted
}

// sallyportEvent reads one event, nil if it is none.
func sallyportEvent(object string) *Attempt {
	outcome, ok := auth.OutcomeNamed(jsonString(object, "outcome"))
	if !ok {
		return nil
	}
	t, _ := rfc3339Time(jsonString(object, "time"))
	a := &Attempt{
		Product: sallyportFormat.Name, Time: t, End: t, User: jsonString(object, "account"), Host: jsonString(object, "node"),
		From: jsonString(object, "from"), Method: jsonString(object, "factor"),
	}
	a.Client = application(jsonString(object, "application"), jsonString(object, "client"))
	a.outcome(outcome, jsonString(object, "verdict"))
	if _, rest, ok := strings.Cut(object, `"took_us":`); ok {
		end := 0
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		if took := number(rest[:end]); took > 0 {
			a.End = t.Add(time.Duration(took) * time.Microsecond)
		}
	}
	return a
}

// application names through what a login came: both, where both are known.
func application(app, client string) string {
	if app == "" || client == "" || app == client {
		return app + client
	}
	return app + " (" + client + ")"
}

// outcome sets what came of an attempt.
func (a *Attempt) outcome(o auth.Outcome, verdict string) {
	a.Codes = []string{sallyportCode(o)}
	a.Stage = o.Meaning().Stage
	switch verdict {
	case auth.Accept.String():
		a.Verdict = Accepted
	case auth.Challenge.String():
		a.Verdict = Challenged
	case auth.Unavailable.String():
		a.Verdict = Faulty
	default:
		a.Verdict = Refused
	}
}

// sallyportRow reads a row of the table that `sallyport events` prints:
//
//	TIME VERDICT ACCOUNT APPLICATION CLIENT CODE OUTCOME REFERENCE
//
// Columns are apart by two blanks at least, and may be empty.
func sallyportRow(l *Line, out *Sink) Reading {
	text := l.Text
	if strings.HasPrefix(text, "TIME  ") && strings.Contains(text, "VERDICT") && strings.Contains(text, "OUTCOME") {
		return Noted
	}
	if len(text) < len("2026-11-22 12:00:00 UTC  accept") || text[4] != '-' || text[10] != ' ' {
		return NotMine
	}
	stamp, rest, ok := strings.Cut(text, "  ")
	if !ok || len(stamp) < len("2026-11-22 12:00:00") {
		return NotMine
	}
	zone := strings.TrimSpace(stamp[19:])
	t, ok := spacedTime(stamp[:19], out)
	if !ok {
		return NotMine
	}
	if zone == "UTC" || zone == "GMT" {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	}
	verdict, rest, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	switch verdict {
	case auth.Accept.String(), auth.Reject.String(), auth.Challenge.String(), auth.Unavailable.String(), auth.Ignore.String():
	default:
		return NotMine
	}
	cells := strings.FieldsFunc(strings.ReplaceAll(rest, "  ", "\x00"), func(r rune) bool { return r == 0 })
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	cells = slices.DeleteFunc(cells, func(c string) bool { return c == "" })
	// The code and the outcome are always there, and say the same.
	at := -1
	var outcome auth.Outcome
	for i, c := range cells {
		name, _, _ := strings.Cut(c, " ") // "invalid-code (12 times)"
		if o, known := auth.OutcomeNamed(name); known && i > 0 && cells[i-1] == strconv.Itoa(int(o)) {
			at, outcome = i, o
		}
	}
	if at < 0 {
		return NotMine
	}
	a := &Attempt{Product: sallyportFormat.Name, Time: t, End: t, ZoneAssumed: zone != "UTC" && zone != "GMT", Lines: []*Line{l}}
	a.outcome(outcome, verdict)
	if names := cells[:at-1]; len(names) == 3 {
		a.User, a.Client = names[0], application(names[1], names[2])
	} else if len(names) > 0 && !strings.HasPrefix(rest, "                ") {
		// Which column is empty cannot be told; the person's is wide.
		a.User = names[0]
	}
	out.Attempt(a)
	return Noted
}

// sallyportLogFormat reads the log of `sallyport serve`, as JSON or text.
var sallyportLogFormat = Format{
	Name:  "sallyport-log",
	Title: "Sallyport (log of sallyport serve)",
	Marks: []string{
		"login not decided", "accepted login not answered", "RADIUS client left out", "factor failed",
		"the database cannot be used; nothing is accepted", "the database can be used again", "the database failed; nothing more is written",
		"the database has gone back in time", "events were not exported", "an export is late", "an export is on time again", "msg=\"RADIUS server\"", `"msg":"RADIUS server"`,
		`"msg":"serving"`,
	},
	New: func() Reader { return sallyportLog{} },
}

type sallyportLog struct{}

func (sallyportLog) Close(*Sink) {}

func (sallyportLog) Read(l *Line, out *Sink) Reading {
	text := l.Text
	stamp, message, client := "", "", ""
	if at := strings.IndexByte(text, '{'); at >= 0 && strings.Contains(text, `"level":`) {
		stamp, message, client = jsonString(text[at:], "time"), jsonString(text[at:], "msg"), jsonString(text[at:], "client")
	} else if strings.Contains(text, "level=") {
		stamp, message, client = field(text, "time="), slogText(text, "msg="), slogText(text, "client=")
	}
	if message == "" {
		return NotMine
	}
	if message == "login not decided" || message == "accepted login not answered" {
		t, _ := rfc3339Time(stamp)
		code := "sallyport-log:not-decided"
		if message == "accepted login not answered" {
			code = "sallyport-log:not-answered"
		}
		out.Attempt(&Attempt{
			Product: sallyportLogFormat.Name, Time: t, End: t, Client: client, Stage: auth.StageVerdict, Verdict: Faulty,
			Codes: []string{code}, Lines: []*Line{l},
		})
	}
	return Noted
}

// slogText is a value of log/slog's text form, quoted or not.
func slogText(s, name string) string {
	_, rest, ok := strings.Cut(s, name)
	if !ok {
		return ""
	}
	if rest != "" && rest[0] == '"' {
		end := jsonStringEnd(rest, 1)
		if end < 0 {
			return unescaped(rest[1:])
		}
		return unescaped(rest[1:end])
	}
	return firstWord(rest)
}
