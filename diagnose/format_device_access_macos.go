package diagnose

import (
	"strings"
	"time"

	"sallyport/auth"
)

// deviceAccessMac reads OktaDeviceAccess.log of macOS. Its lines look like JSON
// and are not: an icon may stand before the first key, and the quotation marks
// within the message are as they come. So a line is read from both its ends, and
// what is between is the message.
//
// A try to register the device for the recovery PIN is an attempt only if it
// failed: the log is not known to say that one succeeded.
var deviceAccessMac = Format{
	Name:  "okta-device-access-macos",
	Title: "Okta Device Access on macOS (OktaDeviceAccess.log)",
	Marks: []string{`{"message": "`, `"defaultProperties": "`},
	New:   func() Reader { return deviceAccessMacReader{} },
}

type deviceAccessMacReader struct{}

// A macLine is one line taken apart.
type macLine struct {
	at                time.Time
	zoned             bool
	category, message string
	file, function    string // "" if the line was cut
}

func parseMacLine(text string, out *Sink) (macLine, bool) {
	head, body, ok := strings.Cut(text, `{"message": "`)
	if !ok {
		return macLine{}, false
	}
	head, ok = strings.CutSuffix(strings.TrimRight(head, " "), `":`)
	if !ok {
		return macLine{}, false
	}
	quote := strings.LastIndexByte(head, '"')
	brace := strings.IndexByte(head, '{')
	if quote < 0 || brace < 0 || brace > quote || quote+1 == len(head) || strings.IndexByte(head[brace:quote], '"') >= 0 {
		return macLine{}, false
	}
	m := macLine{category: head[quote+1:]}
	m.at, m.zoned, _, _ = leadingTime(strings.TrimLeft(head, ">"), out)
	end := strings.LastIndex(body, `", "defaultProperties": "`)
	if end < 0 { // cut
		m.message = body
		return m, true
	}
	m.message = body[:end]
	if _, location, ok := strings.Cut(body[end:], `"location": "`); ok {
		location = strings.TrimRight(location, `"} `)
		m.file, location, _ = strings.Cut(location, ":")
		if line := strings.LastIndexByte(location, ':'); line >= 0 && digitsOnly(location[line+1:]) {
			location = location[:line]
		}
		m.function = location
	}
	return m, true
}

func (deviceAccessMacReader) Read(l *Line, out *Sink) Reading {
	m, ok := parseMacLine(l.Text, out)
	if !ok {
		return NotMine
	}
	reason, failed := strings.CutPrefix(m.message, "Registration failed: ")
	if !failed {
		return Noted
	}
	a := &Attempt{
		Product: deviceAccessMac.Name, Verdict: Faulty, Method: "recovery PIN", Stage: auth.StageClient,
		Time: m.at, ZoneAssumed: !m.at.IsZero() && !m.zoned, Lines: []*Line{l},
	}
	if _, domain, ok := strings.Cut(reason, "Error Domain="); ok {
		domain, rest, _ := strings.Cut(domain, " Code=")
		end := 0
		for end < len(rest) && (isDigit(rest[end]) || end == 0 && rest[0] == '-') {
			end++
		}
		if end > 0 && len(domain) <= 64 {
			a.Codes = append(a.Codes, "okta-device-access:"+domain+"-"+rest[:end])
		}
	}
	out.Attempt(a)
	return Noted
}

func (deviceAccessMacReader) Close(*Sink) {}
