// Package diagnose reads the logs of this and other products, turns their lines
// into attempts to log in, and names what went wrong: the cause, how sure that
// is, the lines that prove it, whether multi-factor authentication is at fault
// at all, who must act, and how to mend it.
//
// It hides how a line finds its way to the format that understands it. Three
// kinds of knowledge are data, a literal each: a Format says how one product's
// log is read, a Cause says what can be wrong and by which signs it shows, and
// a Sign ties a text or a code to its cause. Adding one touches one file.
//
// The input is hostile: what is kept of it is bounded, whatever it holds, and
// the report says what was left out. Nothing of it is ever executed, looked up
// or followed.
package diagnose

import (
	"time"

	"sallyport/auth"
)

// A Verdict is how an attempt ended as far as its log tells.
type Verdict string

const (
	Accepted   Verdict = "accepted"   // the person was let in
	Refused    Verdict = "refused"    // the product said no
	Faulty     Verdict = "failed"     // it could not be decided: something broke
	Challenged Verdict = "challenged" // more was asked for; the answer is not in the log
	Abandoned  Verdict = "abandoned"  // it began and the log does not say how it ended
)

// An Attempt is one try to log in, put together from the lines of one log. Only
// Product, Verdict and Lines are always there; nothing is guessed.
type Attempt struct {
	Product string // name of the Format that read it
	Time    time.Time
	End     time.Time // when it was decided, zero if that is not known
	// ZoneAssumed is set if the log does not say in which zone its times are.
	ZoneAssumed bool

	User   string // as the log writes it, with domain
	Host   string // the machine that wrote the log or was logged in to
	Client string // the RADIUS client, VPN or application through which it came
	From   string // where the person is: an address
	Method string // the second factor, in the product's own word

	Stage   auth.Stage // the last stage that it reached; empty if the log does not tell
	Verdict Verdict
	// Codes are what the product calls the reason, each with the name of its
	// code space before a colon: "azure-mfa:14", "nps-reason:16",
	// "okta-widget:http-401". A Sign with the same Code makes it a cause.
	Codes []string

	Lines []*Line // that tell of it, in the order of the log; at least one
}

// A Line is one line of a log.
type Line struct {
	File   string // as the person named it: bundle.zip!logs/OktaWidget.log
	Number int    // from 1
	Text   string // without its end, UTF-8; cut if it was very long

	// Owned by the engine: the signs that are in its text, whether it is as it is
	// kept, and the format whose reader holds it, from 1.
	signs  []*sign
	short  bool
	holder int
}

// Confidence is how sure a finding is.
type Confidence string

const (
	Proven   Confidence = "proven"   // the line cannot mean anything else
	Likely   Confidence = "likely"   // it nearly always means this
	Possible Confidence = "possible" // it can mean this, and other things
)

// A Format reads the log of one product. It is data: a literal in the file
// format_NAME.go, and one line in formats.
type Format struct {
	Name  string // stable, for scripts: "okta-widget"
	Title string // "Okta MFA Credential Provider for Windows (OktaWidget.log)"

	// Marks are literal texts. A line without any of them, nor any Sign's text,
	// never reaches New's reader: the long rest of a log is passed over at the
	// speed of the search for them. They are matched without regard to the case
	// of ASCII letters, and are at least four octets long.
	Marks []string

	// New returns a reader for one file.
	New func() Reader
}

// A Reader understands the lines of one file in one format. It is used by one
// goroutine.
type Reader interface {
	// Read looks at the next line that has a mark. The text is whatever somebody
	// wrote into a file, and other lines may be missing between two calls. If a
	// reader keeps a line for an attempt that it will hand to out later, it
	// answers Kept; it may hold at most 10,000 attempts open, and closes the
	// oldest as Abandoned (or with what it knows) when there would be more.
	Read(l *Line, out *Sink) Reading
	// Close hands over all attempts that are still open. The file has ended.
	Close(out *Sink)
}

// A Reading is what a Reader made of a line.
type Reading int

const (
	// NotMine: the line is not of this format.
	NotMine Reading = iota
	// Noted: it is of this format, and is in no attempt (or in one that was
	// handed over during this call, which then has it among its Lines).
	Noted
	// Kept: it is of this format, and will be in the Lines of an attempt that
	// is handed over later.
	Kept
)

// A Sink takes what a Reader finds.
type Sink struct {
	// Zone is in which times are to be read that do not say so, and Newest the
	// time that none of the file's can be much later than: a date without a year
	// is of the last year in which it is not after Newest.
	Zone   *time.Location
	Newest time.Time

	attempt func(*Attempt)

	// minute is the last minute of syslog that was read, as the log writes it, and
	// began when that was: most lines are of the same minute as the one before.
	minute string
	began  time.Time
}

// Attempt takes a finished attempt. The Sink keeps a.
func (s *Sink) Attempt(a *Attempt) { s.attempt(a) }
