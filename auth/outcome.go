package auth

import "slices"

// An Outcome says why an attempt ended as it did. It is the number of one row
// of the closed catalogue: 1 to 141 and -100 to -104 are the call-status codes
// of Azure MFA Server under their old numbers and labels, so that runbooks,
// reports and SIEM rules go on working; numbers above 1000 are Sallyport's own.
// The zero Outcome is in no row and means "none yet".
type Outcome int

// The outcomes that this program decides on. Rows that only foreign logs bring
// have no constant.
const (
	UsedCacheUser        Outcome = 6
	BypassedAuth         Outcome = 7
	UsedCacheIP          Outcome = 8
	UsedCacheApplication Outcome = 9
	UserBlocked          Outcome = 14
	OATHCodePending      Outcome = 22
	OATHCodeVerified     Outcome = 23
	AuthInProgress       Outcome = 101
	AccountLocked        Outcome = 105
	OATHCodeIncorrect    Outcome = 138
	DuplicateOATHCode    Outcome = 139
	OATHCodeOutOfDate    Outcome = 140
	SkippedCall          Outcome = -100
	UserNotFound         Outcome = -101
	UserDisabled         Outcome = -102
	UserIncomplete       Outcome = -103
	TrustedAddress       Outcome = -104

	RecoveryCodeVerified Outcome = 1001
	PasswordVerified     Outcome = 1002
	PasskeyVerified      Outcome = 1003
	PasskeyPending       Outcome = 1004

	ClientUnknown               Outcome = 1101
	SharedSecretMismatch        Outcome = 1102
	MessageAuthenticatorMissing Outcome = 1103
	PacketMalformed             Outcome = 1104
	ProtocolNotSupported        Outcome = 1105
	ClientRateLimited           Outcome = 1106
	ServerOverloaded            Outcome = 1107
	RequestNotSupported         Outcome = 1108

	NameUnreadable Outcome = 1201

	PasswordWrong   Outcome = 1301
	PasswordMissing Outcome = 1302
	PasswordNotSet  Outcome = 1303

	Throttled     Outcome = 1401
	HardStopped   Outcome = 1402
	TooManyAtOnce Outcome = 1403
	PolicyRefused Outcome = 1404

	EnrolmentRequired Outcome = 1406
	RoleMissing       Outcome = 1407

	NoMethodPossible  Outcome = 1501
	CodeMissing       Outcome = 1502
	CodeNotRecognized Outcome = 1503
	RecoveryCodeWrong Outcome = 1504
	RecoveryCodeUsed  Outcome = 1505
	ResyncRequired    Outcome = 1506
	PasskeyWrong      Outcome = 1507
	PINWrong          Outcome = 1508
	PINExpired        Outcome = 1509
	PasskeyCopied     Outcome = 1510

	ChallengeExpired   Outcome = 1601
	ChallengeUnknown   Outcome = 1602
	ChallengeElsewhere Outcome = 1603

	StoreUnavailable Outcome = 2001
	InternalFault    Outcome = 2002
	PasswordLaneFull Outcome = 2003
	DatabaseRewound  Outcome = 2004
)

// A Meaning is one row of the catalogue: what an Outcome means and who is told
// what.
type Meaning struct {
	Outcome Outcome
	Name    string  // stable, for scripts: "oath-code-incorrect"
	Label   string  // for reports: "OATH Code Incorrect"
	Result  Result  // what kind of result it is
	Verdict Verdict // what Sallyport answers when it decides so
	Stage   Stage   // where in the attempt's life it arises
	Method  string  // which methods it belongs to, "any" for all

	Person        string // told to the claimant: the same words wherever the truth would help a guesser
	HelpDesk      string // the cause, and what to tell the caller
	Administrator string // the whole truth
	Remedy        string // what to do next, and who

	AtFault bool // whether MFA itself, its settings or its equipment failed, rather than the claimant or something beside it
	Foreign bool // exists only so that other products' logs can be read; Sallyport never decides so
}

// A Result is the kind of a call-status code.
type Result string

const (
	Success     Result = "success"
	Failure     Result = "failure"
	Pending     Result = "pending"
	Conditional Result = "conditional" // success or failure by the account's settings
)

// Meaning returns the catalogue row of o. For a number that is in no row it
// returns the row of InternalFault, so that an unknown outcome refuses.
func (o Outcome) Meaning() *Meaning {
	if i, ok := meaningIndex[o]; ok {
		return &catalogue[i]
	}
	return &catalogue[meaningIndex[InternalFault]]
}

// String returns the outcome's stable name.
func (o Outcome) String() string {
	if o == 0 {
		return "none"
	}
	return o.Meaning().Name
}

// Catalogue returns all rows, ordered as they stand in the catalogue.
func Catalogue() []Meaning { return slices.Clone(catalogue) }

// OutcomeNamed finds an outcome by its stable name.
func OutcomeNamed(name string) (Outcome, bool) {
	for i := range catalogue {
		if catalogue[i].Name == name {
			return catalogue[i].Outcome, true
		}
	}
	return 0, false
}

var meaningIndex = func() map[Outcome]int {
	m := make(map[Outcome]int, len(catalogue))
	for i := range catalogue {
		m[catalogue[i].Outcome] = i
	}
	return m
}()
