package diagnose

import (
	"strings"

	"sallyport/auth"
)

// oktaFormats are the logs of Okta's agents, of privacyIDEA and of multiOTP.
var oktaFormats = []Format{
	oktaWidget, oktaCP, deviceAccessMac, deviceAccessWindows, oktaSystemLog, oktaScreen,
	privacyIDEA, multiOTPCP, privacyIDEACP, logonUI, multiOTP,
}

// oktaScreen knows the titles of the two dialogs that Okta's agent shows instead
// of a prompt. They are too short to be looked for in the middle of lines.
var oktaScreen = Format{
	Name:  "okta-screen",
	Title: "Text copied from the logon screen of Okta's agent",
	Marks: []string{"MFA Bypass", "Display Failed"},
	New:   func() Reader { return oktaScreenReader{} },
}

type oktaScreenReader struct{}

func (oktaScreenReader) Read(l *Line, out *Sink) Reading {
	text := strings.ToLower(strings.Trim(l.Text, " \t.\"'"))
	text = strings.TrimSuffix(text, " dialog")
	a := &Attempt{Product: oktaScreen.Name, Verdict: Faulty, Lines: []*Line{l}}
	switch text {
	case "mfa bypass":
		a.Stage, a.Codes = auth.StagePolicy, []string{"okta-screen:mfa-bypass"}
	case "display failed":
		a.Stage, a.Codes = auth.StageClient, []string{"okta-screen:display-failed"}
	default:
		return NotMine
	}
	out.Attempt(a)
	return Noted
}

func (oktaScreenReader) Close(*Sink) {}
