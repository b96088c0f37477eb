package diagnose

import (
	"strings"

	"sallyport/auth"
)

// oktaCP reads OktaCP.log, the log of the native half of Okta's agent for
// Windows. One sentence of it is published: that something could not be done,
// with the HRESULT and whether the session is a remote one.
var oktaCP = Format{
	Name:  "okta-cp",
	Title: "Okta MFA Credential Provider for Windows (OktaCP.log)",
	Marks: []string{" rdpSession="},
	New:   func() Reader { return oktaCPReader{} },
}

type oktaCPReader struct{}

func (oktaCPReader) Read(l *Line, out *Sink) Reading {
	text := strings.TrimSuffix(l.Text, "<CR><LF>")
	before, _, ok := strings.Cut(text, " rdpSession=")
	if !ok {
		return NotMine
	}
	before, hr, ok := strings.Cut(before, " hr=")
	if !ok || len(hr) != 8 || !hexOnly(hr) {
		return NotMine
	}
	_, operation, ok := strings.Cut(before, "Unable to ")
	if !ok || operation == "" || len(operation) > 64 {
		return NotMine
	}
	at, zoned, _, _ := leadingTime(text, out)
	operation = strings.ToLower(strings.ReplaceAll(operation, " ", "-"))
	out.Attempt(&Attempt{
		Product: oktaCP.Name, Verdict: Faulty, Stage: auth.StageReach,
		Time: at, ZoneAssumed: !at.IsZero() && !zoned,
		Codes: []string{"okta-cp:" + operation, "okta-cp:" + operation + "-" + strings.ToLower(hr)},
		Lines: []*Line{l},
	})
	return Noted
}

func (oktaCPReader) Close(*Sink) {}

func hexOnly(s string) bool {
	for i := range len(s) {
		if c := fold(s[i]); !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
