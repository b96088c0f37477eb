package diagnose

import (
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

// oktaWidget reads OktaWidget.log, the log of the managed half of Okta's agent
// for Windows. What precedes a record in it has never been published: samples
// have nothing, or are pictures. So any of several common prefixes is taken, and
// none is needed. A login that went well leaves nothing that is known.
var oktaWidget = Format{
	Name:  "okta-widget",
	Title: "Okta MFA Credential Provider for Windows (OktaWidget.log)",
	Marks: []string{
		"OktaWidget.", "exception thrown is = ", "InvalidOperationException thrown ", "Exception thrown System.",
		"System.Net.WebException", "System.IO.IOException", "System.Net.Sockets.SocketException",
		"System.Security.Authentication.AuthenticationException", "System.FormatException",
		"encryption algorithm 'HS256'", widgetKeyTexts[0], widgetKeyTexts[1], widgetKeyTexts[2], widgetKeyTexts[3],
		" at System.", "username = ", "username: ", "username=",
	},
	New: func() Reader { return &oktaWidgetReader{} },
}

// widgetLeads begin a record about an exception: those of newer agents, of older
// ones, and of the decoding of the secret, where the missing space is Okta's.
var widgetLeads = []string{"exception thrown is = ", "InvalidOperationException thrown ", "Exception thrown System.FormatExceptiondata = "}

// widgetExceptions are the types that the agent is known to log.
var widgetExceptions = []string{
	"System.Net.WebException", "System.IO.IOException", "System.Net.Sockets.SocketException",
	"System.Security.Authentication.AuthenticationException", "System.FormatException",
}

// widgetKeyTexts are what the releases of Microsoft's IdentityModel say of a
// secret that is too short to sign with (IDX10603, IDX10653, IDX10720) or empty
// (IDX10703). The name of the algorithm and the sizes differ, and may be hidden.
var widgetKeyTexts = [...]string{
	"requires the SecurityKey.KeySize to be greater than",
	"requires a key size of at least",
	"the key size must be greater than",
	"key length is zero",
}

const (
	widgetHS256 = "encryption algorithm 'HS256'"
	// widgetApart is how many lines may lie between two of one failure, and
	// widgetLines how many lines a failure has at most.
	widgetApart = 20
	widgetLines = 200
)

type oktaWidgetReader struct {
	seen     bool // a line that only this agent writes
	open     *widgetFailure
	user     string // named last, in line userLine
	userLine int
}

// A widgetFailure is one exception with those inside it, which may stand in
// records of their own.
type widgetFailure struct {
	attempt Attempt
	types   []string
	hs256   bool // there is nothing yet but the sentence about the key
	last    int
	at      time.Time
}

func (r *oktaWidgetReader) Read(l *Line, out *Sink) Reading {
	text := l.Text
	ours := strings.Contains(text, "OktaWidget.")
	lead := -1
	for _, s := range widgetLeads {
		if lead = strings.Index(text, s); lead >= 0 {
			ours = true
			break
		}
	}
	hs256 := strings.Contains(text, widgetHS256)
	if hs256 {
		ours = true
	} else if ours || r.seen { // other programs sign tokens too
		hs256 = isWidgetKeyText(text)
	}
	if user := widgetUser(text); user != "" {
		r.user, r.userLine = user, l.Number
		if r.open != nil && r.open.attempt.User == "" && l.Number-r.open.last <= widgetApart {
			r.open.attempt.User = user
		}
	}

	at, zoned, rest, _ := leadingTime(text, out)
	near := r.open != nil && l.Number-r.open.last <= widgetApart &&
		(at.IsZero() || r.open.at.IsZero() || at.Sub(r.open.at).Abs() <= 5*time.Second)
	body := withoutLevel(rest)
	bare := "" // the type that the record begins with
	for _, t := range widgetExceptions {
		if strings.HasPrefix(strings.TrimLeft(body, "> "), t+":") {
			bare = t
		}
	}

	switch {
	case lead >= 0 || hs256:
		// The sentence about the key and the exception of decoding it are one.
		if !near || !r.open.hs256 || !strings.Contains(text, "System.FormatException") {
			r.begin(out, at, zoned)
		}
		r.open.hs256 = hs256
	case bare != "" && (ours || r.seen):
		if !near || slices.Contains(r.open.types, bare) {
			r.begin(out, at, zoned)
		}
	case ours || strings.HasPrefix(body, "at System."):
		if !near || len(r.open.attempt.Lines) >= widgetLines {
			r.seen = r.seen || ours
			if ours {
				return Noted // a frame by itself, of an exception that began before the file
			}
			return NotMine
		}
	default:
		return NotMine
	}
	r.seen = true
	r.take(l, text)
	return Kept
}

// begin opens a failure, and hands over the one before it.
func (r *oktaWidgetReader) begin(out *Sink, at time.Time, zoned bool) {
	r.Close(out)
	r.open = &widgetFailure{at: at, attempt: Attempt{
		Product: oktaWidget.Name, Verdict: Faulty, Time: at, ZoneAssumed: !at.IsZero() && !zoned,
	}}
}

// take adds a line to the open failure.
func (r *oktaWidgetReader) take(l *Line, text string) {
	f := r.open
	a := &f.attempt
	a.Lines = append(a.Lines, l)
	f.last = l.Number
	if a.User == "" && r.user != "" && l.Number-r.userLine <= widgetApart {
		a.User = r.user
	}
	for _, t := range widgetExceptions {
		if strings.Contains(text, t) {
			addCode(&f.types, t)
		}
	}
	if code, ok := widgetHTTP(text); ok {
		addCode(&a.Codes, "okta-widget:http-"+code)
		a.Stage = map[string]auth.Stage{"401": auth.StageClient, "403": auth.StagePolicy, "404": auth.StageAccount}[code]
	}
	switch {
	case strings.Contains(text, widgetHS256), isWidgetKeyText(text), strings.Contains(text, "Base-64"), strings.Contains(text, "SecurityService.unencryptData"):
		addCode(&a.Codes, "okta-widget:client-secret")
		a.Stage = auth.StageClient
	case strings.Contains(text, "The operation has timed out"):
		addCode(&a.Codes, "okta-widget:timeout")
	}
	if a.Stage == "" {
		a.Stage = auth.StageReach // what else is known to be thrown is the connection's
	}
	// The window's entry point got a third argument, and lost an older one, in
	// some release that is not documented.
	if _, call, ok := strings.Cut(text, "displayWidget("); ok {
		arguments, _, _ := strings.Cut(call, ")")
		if strings.Count(arguments, ",") >= 2 {
			addCode(&a.Codes, "okta-widget:agent-newer")
		} else {
			addCode(&a.Codes, "okta-widget:agent-older")
		}
	}
}

func (r *oktaWidgetReader) Close(out *Sink) {
	if r.open != nil {
		out.Attempt(&r.open.attempt)
		r.open = nil
	}
}

// isWidgetKeyText reports whether a line says that a key is no good to sign with.
func isWidgetKeyText(text string) bool {
	for _, s := range widgetKeyTexts {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// widgetHTTP is the status that .NET put into the message of a WebException.
func widgetHTTP(text string) (string, bool) {
	_, rest, ok := strings.Cut(text, "returned an error: (")
	if !ok || len(rest) < 4 || rest[3] != ')' || !digitsOnly(rest[:3]) {
		return "", false
	}
	return rest[:3], true
}

// widgetUser is the name that a line gives after the word username.
func widgetUser(text string) string {
	i := indexFold(text, "username")
	if i < 0 {
		return ""
	}
	rest := strings.TrimLeft(text[i+len("username"):], " ")
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		return ""
	}
	rest = strings.TrimLeft(rest[1:], " \"'")
	end := strings.IndexAny(rest, " \t,;\"'()<>")
	if end < 0 {
		end = len(rest)
	}
	if end > 256 {
		return ""
	}
	return rest[:end]
}

// indexFold is strings.Index without regard to the case of ASCII letters; part
// is in lower case.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if fold(s[i]) == part[0] && containsFold(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// addCode adds s to a list that has each string once.
func addCode(list *[]string, s string) {
	if !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

// withoutLevel is a line without brackets and the name of a level before its
// text: "[12] ERROR - text". Other words stay.
func withoutLevel(s string) string {
	for range 6 {
		s = strings.TrimLeft(s, " \t-:")
		if s == "" {
			return s
		}
		if s[0] == '[' {
			end := strings.IndexByte(s, ']')
			if end < 0 || end > 64 {
				return s
			}
			s = s[end+1:]
			continue
		}
		word, rest, found := strings.Cut(s, " ")
		switch strings.ToUpper(strings.TrimRight(word, ":-")) {
		case "ERROR", "ERR", "INFO", "DEBUG", "WARN", "WARNING", "FATAL", "TRACE":
			if found {
				s = rest
				continue
			}
		}
		return s
	}
	return s
}

// leadingTime takes a date with a time of day from the front of a line, as logs
// of Windows and macOS write it: the year first, or the day before it with
// points or hyphens, or with slashes if the order shows; a fraction; AM or PM; a
// zone; all of it in brackets or not. at is zero if the order of day and month
// does not show. It is not ok if there is no such thing; rest is s then.
func leadingTime(s string, out *Sink) (at time.Time, zoned bool, rest string, ok bool) {
	in := strings.TrimLeft(s, " \ufeff")
	bracket := strings.HasPrefix(in, "[")
	if bracket {
		in = in[1:]
	}
	year, month, day, n := leadingDate(in)
	if n == 0 || n >= len(in) || in[n] != ' ' && in[n] != 'T' && in[n] != ',' {
		return time.Time{}, false, s, false
	}
	in = strings.TrimLeft(in[n+1:], " ")
	if len(in) > 1 && in[1] == ':' {
		in = "0" + in // "9:05:07"
	}
	c, n, ok := clockOf(in)
	if !ok {
		return time.Time{}, false, s, false
	}
	if n == 8 && len(in) >= 12 && in[8] == ':' && digitsOnly(in[9:12]) {
		c.nano, n = number(in[9:12])*int(time.Millisecond), 12 // "02:15:41:804"
	}
	in = in[n:]
	half := false
	for i, word := range []string{" AM", " PM"} {
		if len(in) >= 3 && strings.EqualFold(in[:3], word) && c.hour >= 1 && c.hour <= 12 {
			c.hour, in, half = c.hour%12+12*i, in[3:], true
		}
	}
	zone := out.zone()
	if z, after, found := leadingZone(in); found {
		zone, in, zoned = z, after, true
	}
	if bracket {
		if in, ok = strings.CutPrefix(in, "]"); !ok {
			return time.Time{}, false, s, false
		}
	}
	if month < 0 { // day and month in either order: day holds the first, -month the second
		first, second := day, -month
		switch {
		case first > 12:
			day, month = first, second
		case second > 12 || half: // only Americans write AM and PM after such a date
			day, month = second, first
		default:
			month = 0
		}
	}
	if month >= 1 && month <= 12 && day >= 1 && day <= 31 {
		at = time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nano, zone)
	}
	return at, zoned && !at.IsZero(), strings.TrimLeft(in, " "), true
}

// leadingDate takes a date from the front of s, and says how many octets it was,
// 0 if there is none. The month is negative if it may be the day.
func leadingDate(s string) (year, month, day, n int) {
	var part [3]int
	var separator byte
	for i := range part {
		start := n
		for n < len(s) && isDigit(s[n]) && n-start < 4 {
			n++
		}
		if part[i] = number(s[start:n]); part[i] < 0 {
			return 0, 0, 0, 0
		}
		if i == 2 {
			break
		}
		if n >= len(s) || s[n] != '-' && s[n] != '/' && s[n] != '.' || i == 1 && s[n] != separator {
			return 0, 0, 0, 0
		}
		separator = s[n]
		n++
	}
	switch {
	case part[0] >= 1000:
		return part[0], part[1], part[2], n
	case part[2] < 1000:
		return 0, 0, 0, 0
	case separator == '/':
		return part[2], -part[1], part[0], n
	default:
		return part[2], part[1], part[0], n
	}
}

// leadingZone takes "Z", "+0530" or " +05:30" from the front of s.
func leadingZone(s string) (zone *time.Location, rest string, ok bool) {
	in := strings.TrimPrefix(s, " ")
	for _, n := range []int{6, 5, 1} {
		if len(in) >= n && (len(in) == n || strings.IndexByte(" ]|\t", in[n]) >= 0) {
			if z, ok := zoneOf(in[:n]); ok {
				return z, in[n:], true
			}
		}
	}
	return nil, s, false
}
