package diagnose

import (
	"strings"
	"time"

	"sallyport/auth"
)

// deviceAccessWindows reads the logs of Okta Device Access on Windows: a time
// with its zone, a level, an icon in brackets or none, the method, the text. The
// time is missing where a line was copied without it.
var deviceAccessWindows = Format{
	Name:  "okta-device-access-windows",
	Title: "Okta Device Access on Windows",
	Marks: []string{"[INF] [", "[WRN] [", "[ERR] [", "[DBG] [", "[VRB] [", "[FTL] ["},
	New:   func() Reader { return &deviceAccessWindowsReader{} },
}

// deviceAccessApart is for how long lines can be of one try to register.
const deviceAccessApart = 10 * time.Second

type deviceAccessWindowsReader struct {
	registration *Attempt // that is failing
}

// A windowsLine is one line taken apart.
type windowsLine struct {
	at             time.Time
	zoned          bool
	level          string
	class, message string // class is "DeviceRegistrationJob", without the method
}

func parseWindowsLine(text string, out *Sink) (windowsLine, bool) {
	var w windowsLine
	rest := text
	if !strings.HasPrefix(rest, "[") {
		var ok bool
		if w.at, w.zoned, rest, ok = leadingTime(rest, out); !ok {
			return windowsLine{}, false
		}
	}
	if len(rest) < len("[INF] [") || rest[0] != '[' || rest[4] != ']' {
		return windowsLine{}, false
	}
	w.level = rest[1:4]
	switch w.level {
	case "INF", "WRN", "ERR", "DBG", "VRB", "FTL":
	default:
		return windowsLine{}, false
	}
	rest = strings.TrimLeft(rest[5:], " ")
	for range 2 {
		group, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]")
		if !ok || !strings.HasPrefix(rest, "[") {
			return windowsLine{}, false
		}
		rest = strings.TrimLeft(after, " ")
		class, method, ok := strings.Cut(group, "::")
		if !ok {
			class, method, ok = strings.Cut(group, ".")
		}
		if ok && isWord(class) && isWord(method) {
			w.class, w.message = class, rest
			return w, true
		}
		if strings.ContainsFunc(group, func(c rune) bool { return c < 0x80 && c != ' ' }) {
			return windowsLine{}, false // neither a method nor an icon
		}
	}
	return windowsLine{}, false
}

// isWord reports whether s is an identifier.
func isWord(s string) bool {
	for i := range len(s) {
		if c := fold(s[i]); (c < 'a' || c > 'z') && !isDigit(c) && c != '_' {
			return false
		}
	}
	return s != ""
}

func (r *deviceAccessWindowsReader) Read(l *Line, out *Sink) Reading {
	w, ok := parseWindowsLine(l.Text, out)
	if !ok {
		return NotMine
	}
	a := Attempt{
		Product: deviceAccessWindows.Name, Verdict: Faulty, Stage: auth.StageClient,
		Time: w.at, ZoneAssumed: !w.at.IsZero() && !w.zoned, Lines: []*Line{l},
	}
	switch {
	case strings.HasPrefix(w.message, "Device is not registered"):
		r.Close(out)
		a.Method = "recovery PIN"
		a.Codes = []string{"okta-device-access:not-registered"}
		out.Attempt(&a)
		return Noted
	case strings.HasPrefix(w.message, "Device cannot be registered"):
		r.Close(out)
		a.Method = "device registration"
		a.Codes = []string{"okta-device-access:cannot-register"}
		if strings.Contains(w.message, "Could not find a valid certificate") {
			a.Codes = []string{"okta-device-access:no-certificate"}
		}
		r.registration = &a
		return Kept
	case strings.Contains(w.message, "Device not eligible for registration"):
		if o := r.registration; o != nil && w.at.Sub(o.Time).Abs() <= deviceAccessApart {
			o.Lines = append(o.Lines, l)
			o.End = w.at
			o.Codes = append(o.Codes, "okta-device-access:not-eligible")
			r.Close(out)
			return Noted
		}
		r.Close(out)
		a.Method = "device registration"
		a.Codes = []string{"okta-device-access:not-eligible"}
		out.Attempt(&a)
		return Noted
	}
	return Noted
}

func (r *deviceAccessWindowsReader) Close(out *Sink) {
	if r.registration != nil {
		out.Attempt(r.registration)
		r.registration = nil
	}
}
