package diagnose

import (
	"slices"
	"strings"
	"time"

	"sallyport/auth"
)

const (
	// npsExtensionName is the name of npsExtensionFormat.
	npsExtensionName = "nps-extension"
	// npsExtensionSays begins each message of the extension. The product behind it
	// has had several names.
	npsExtensionSays = "NPS Extension for "
)

var npsExtensionMarks = []string{npsExtensionSays}

// npsExtensionFormat reads what the NPS extension for Azure MFA (Microsoft Entra
// multifactor authentication) writes to its channels AuthN and AuthZ. Each
// message is one line, so that it is understood without the event around it too;
// in an export with other events, it is npsEventFormat that reads it, which is
// the same reader.
var npsExtensionFormat = Format{
	Name:  npsExtensionName,
	Title: "NPS extension for Azure MFA (AzureMfa, AuthN and AuthZ channels)",
	Marks: npsExtensionMarks,
	New:   newWindowsEvents,
}

// npsExtensionSpace is the code space of the extension's errors and of the
// answers of the service behind it.
const npsExtensionSpace = "nps-ext:"

// stepUp is how long a question of the extension can be answered: its sessions
// end after three minutes, and a slow clock is forgiven.
const stepUp = 5 * time.Minute

// extension makes an attempt of a message of the extension, or notes one that is
// about no login.
func (r *windowsEvents) extension(e *winEvent, a *Attempt, out *Sink) Reading {
	s := e.message
	a.Product = npsExtensionName
	code := ""
	switch {
	case strings.Contains(s, "Access Accepted for user "):
		a.User, _ = cutAny(after(s, "Access Accepted for user "), " with ", " and message")
		a.Verdict, a.Stage = Accepted, auth.StageVerdict
	case strings.Contains(s, "Access Rejected for user "):
		var rest string
		a.User, rest = cutAny(after(s, "Access Rejected for user "), " with Azure MFA response: ", " with ")
		code, _ = cutAny(rest, " and message", " ")
		a.Verdict, a.Stage = Refused, auth.StageAnswer
	case strings.Contains(s, "Challenge requested in Authentication Ext for User "):
		a.User, _ = cutAny(after(s, "Challenge requested in Authentication Ext for User "), " with state ", " with ")
		a.User = strings.TrimSuffix(a.User, ".")
		a.Verdict, a.Stage, a.Codes = Challenged, auth.StageFactor, []string{npsExtensionSpace + "challenge"}
		r.asked.put(account(a.User), a, out)
		return Kept
	case strings.Contains(s, "only performs Secondary Auth") && strings.Contains(s, "response state AccessReject"):
		a.User, _ = cutAny(after(s, "Request received for User "), " with response state ")
		code, a.Verdict, a.Stage = "primary-rejected", Refused, auth.StagePrimary
	case strings.Contains(s, "in Authentication Ext for User "):
		a.User, _ = cutAny(after(s, "in Authentication Ext for User "), " :: ", "::", " ErrorCode")
		code, a.Verdict, a.Stage = npsExtensionError(s), Faulty, auth.StageDelivery
	default:
		if !npsExtensionLogin(s) {
			return Noted
		}
		code, a.Verdict, a.Stage = npsExtensionError(s), Faulty, auth.StageDelivery
	}
	if before := r.asked.get(account(a.User)); before != nil && a.User != "" && !late(before.Time, a.Time) {
		// The answer to a question: one login.
		r.asked.take(account(a.User))
		a.Time, a.End, a.ZoneAssumed = before.Time, a.Time, before.ZoneAssumed
		a.Lines = slices.Concat(before.Lines, a.Lines)
	}
	if code != "" {
		a.Codes = []string{npsExtensionSpace + code}
		if !slices.Contains(npsExtensionCodes, code) {
			a.Codes = append(a.Codes, npsExtensionSpace+"other")
		}
	}
	out.Attempt(a)
	return Noted
}

// npsExtensionLogin reports whether a message is about a login, rather than about
// the extension itself or a step that decides nothing.
func npsExtensionLogin(s string) bool {
	for _, part := range []string{
		"Access Accepted for user ", "Access Rejected for user ", "in Authentication Ext for User ", "response state AccessReject",
	} {
		if strings.Contains(s, part) {
			return true
		}
	}
	code := npsExtensionError(s)
	return code != "" && code != "REGISTRY_CONFIG_ERROR"
}

// npsExtensionError takes the name of an error from "ErrorCode:: NAME Msg::",
// where the correlation may stand before the name.
func npsExtensionError(s string) string {
	i := strings.LastIndex(s, "ErrorCode::")
	// The inner error says the same once more; the first that has a name counts.
	if first := strings.Index(s, "ErrorCode::"); first >= 0 {
		i = first
	}
	if i < 0 {
		return ""
	}
	name, _, _ := strings.Cut(s[i+len("ErrorCode::"):], "Msg::")
	for _, word := range slices.Backward(strings.Fields(name)) {
		if len(word) > 4 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
			return word
		}
	}
	return ""
}

// late reports whether an answer comes too late to be that of a question. Where a
// time is missing, the order of the lines decides.
func late(question, answer time.Time) bool {
	return !question.IsZero() && !answer.IsZero() && answer.Sub(question) > stepUp
}

// after is what follows a text.
func after(s, text string) string {
	_, rest, _ := strings.Cut(s, text)
	return rest
}

// cutAny cuts at the first of some ends that is there.
func cutAny(s string, ends ...string) (before, rest string) {
	for _, end := range ends {
		if b, r, found := strings.Cut(s, end); found {
			return strings.TrimSpace(b), r
		}
	}
	return strings.TrimSpace(s), ""
}
