package auth

import (
	"encoding/csv"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// azureRow is one call-status code of Azure MFA Server as its reports print it.
type azureRow struct {
	outcome Outcome
	label   string
	result  Result
	method  string
}

func azureRows(t *testing.T) []azureRow {
	t.Helper()
	f, err := os.Open("testdata/outcome-codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"code", "label", "result", "method"}; !slices.Equal(records[0], want) {
		t.Fatalf("columns are %q, want %q", records[0], want)
	}
	var rows []azureRow
	for _, r := range records[1:] {
		n, err := strconv.Atoi(r[0])
		if err != nil {
			t.Fatalf("code %q: %v", r[0], err)
		}
		rows = append(rows, azureRow{Outcome(n), r[1], Result(r[2]), r[3]})
	}
	if len(rows) != 72 {
		t.Fatalf("%d codes, want 72", len(rows))
	}
	return rows
}

// Old runbooks, reports and SIEM rules match on number and label, so both must
// be those of Azure MFA Server to the octet, in its order.
func TestCatalogueKeepsTheAzureCodes(t *testing.T) {
	rows := azureRows(t)
	if len(catalogue) < len(rows) {
		t.Fatalf("catalogue has %d rows, fewer than the %d codes", len(catalogue), len(rows))
	}
	for i, want := range rows {
		m := catalogue[i]
		if got := (azureRow{m.Outcome, m.Label, m.Result, m.Method}); got != want {
			t.Errorf("row %d is %+v, want %+v", i, got, want)
		}
	}
}

func TestCatalogueVerdictsFollowResults(t *testing.T) {
	azure := len(azureRows(t))
	for i, m := range catalogue {
		switch m.Result {
		case Success:
			if m.Verdict != Accept {
				t.Errorf("%d %s: success answers %v", m.Outcome, m.Name, m.Verdict)
			}
		case Pending:
			if m.Verdict != Challenge {
				t.Errorf("%d %s: pending answers %v", m.Outcome, m.Name, m.Verdict)
			}
		case Failure:
			ours := i >= azure && (m.Verdict == Unavailable || m.Verdict == Ignore)
			if m.Verdict != Reject && !ours {
				t.Errorf("%d %s: failure answers %v", m.Outcome, m.Name, m.Verdict)
			}
		case Conditional:
			// A key pressed in a call is a success where no PIN or the right
			// PIN was entered; an account that is missing, disabled or
			// incomplete is never let in.
			want := Reject
			if m.Outcome == 1 || m.Outcome == 2 {
				want = Accept
			}
			if m.Verdict != want {
				t.Errorf("%d %s: answers %v, want %v", m.Outcome, m.Name, m.Verdict, want)
			}
			if i >= azure {
				t.Errorf("%d %s: a row of our own is conditional", m.Outcome, m.Name)
			}
		default:
			t.Errorf("%d %s: result %q is none", m.Outcome, m.Name, m.Result)
		}
	}
}

func TestCatalogueOwnRowsStandAboveAThousandInOrder(t *testing.T) {
	azure := len(azureRows(t))
	last := Outcome(1000)
	for _, m := range catalogue[azure:] {
		if m.Outcome <= last {
			t.Errorf("%d %s stands after %d", m.Outcome, m.Name, last)
		}
		if m.Foreign {
			t.Errorf("%d %s is ours and marked foreign", m.Outcome, m.Name)
		}
		last = m.Outcome
	}
	if row, ok := meaningIndex[0]; ok {
		t.Errorf("the zero Outcome means %q; it must be in no row", catalogue[row].Name)
	}
}

// kebab is the form of a stable name.
var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func TestCatalogueNamesAreUniqueAndComeFromLabels(t *testing.T) {
	// Three codes share one label, and one label begins with a sign that a
	// name cannot hold.
	exceptions := map[Outcome]string{
		3: "hash-not-pressed-after-entry",
		6: "used-cache-user",
		8: "used-cache-ip",
		9: "used-cache-application",
	}
	seen := map[string]Outcome{}
	numbers := map[Outcome]bool{}
	for _, m := range catalogue {
		if !kebab.MatchString(m.Name) {
			t.Errorf("%d: name %q is not kebab-case", m.Outcome, m.Name)
		}
		want := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(m.Label), "-"), "-")
		if x, ok := exceptions[m.Outcome]; ok {
			want = x
		}
		if m.Name != want {
			t.Errorf("%d: name %q, want %q from label %q", m.Outcome, m.Name, want, m.Label)
		}
		if other, ok := seen[m.Name]; ok {
			t.Errorf("%d and %d are both named %q", other, m.Outcome, m.Name)
		}
		if numbers[m.Outcome] {
			t.Errorf("number %d has two rows", m.Outcome)
		}
		seen[m.Name], numbers[m.Outcome] = m.Outcome, true
		if got, ok := OutcomeNamed(m.Name); !ok || got != m.Outcome {
			t.Errorf("OutcomeNamed(%q) = %d, %t; want %d", m.Name, got, ok, m.Outcome)
		}
	}
}

// Scripts and SIEM rules hold these names; changing one is a breaking change.
func TestCatalogueNamesOfDecidedOutcomes(t *testing.T) {
	want := map[Outcome]string{
		OATHCodePending:             "oath-code-pending",
		OATHCodeVerified:            "oath-code-verified",
		UserBlocked:                 "user-is-blocked",
		OATHCodeIncorrect:           "oath-code-incorrect",
		DuplicateOATHCode:           "duplicate-oath-code",
		OATHCodeOutOfDate:           "oath-code-out-of-date",
		UserNotFound:                "user-not-found",
		UserDisabled:                "user-disabled",
		UserIncomplete:              "user-incomplete",
		RecoveryCodeVerified:        "recovery-code-verified",
		ClientUnknown:               "client-unknown",
		SharedSecretMismatch:        "shared-secret-mismatch",
		MessageAuthenticatorMissing: "message-authenticator-missing",
		PacketMalformed:             "packet-malformed",
		ProtocolNotSupported:        "protocol-not-supported",
		ClientRateLimited:           "client-rate-limited",
		ServerOverloaded:            "server-overloaded",
		RequestNotSupported:         "request-not-supported",
		NameUnreadable:              "name-unreadable",
		PasswordWrong:               "password-wrong",
		PasswordMissing:             "password-missing",
		PasswordNotSet:              "password-not-set",
		Throttled:                   "throttled",
		HardStopped:                 "hard-stopped",
		TooManyAtOnce:               "too-many-at-once",
		PolicyRefused:               "policy-refused",
		NoMethodPossible:            "no-method-possible",
		CodeMissing:                 "code-missing",
		CodeNotRecognized:           "code-not-recognized",
		RecoveryCodeWrong:           "recovery-code-wrong",
		RecoveryCodeUsed:            "recovery-code-used",
		ChallengeExpired:            "challenge-expired",
		ChallengeUnknown:            "challenge-unknown",
		ChallengeElsewhere:          "challenge-elsewhere",
		StoreUnavailable:            "store-unavailable",
		InternalFault:               "internal-fault",
		PasswordLaneFull:            "password-lane-full",
		UsedCacheUser:               "used-cache-user",
		BypassedAuth:                "bypassed-auth",
		UsedCacheIP:                 "used-cache-ip",
		UsedCacheApplication:        "used-cache-application",
		AuthInProgress:              "auth-already-in-progress",
		AccountLocked:               "account-locked",
		SkippedCall:                 "skipped-call",
		TrustedAddress:              "trusted-ip",
		EnrolmentRequired:           "enrolment-required",
		ResyncRequired:              "resync-required",
		DatabaseRewound:             "database-rewound",
		PasskeyVerified:             "passkey-verified",
		PasskeyPending:              "passkey-pending",
		PasskeyWrong:                "passkey-wrong",
		RoleMissing:                 "role-missing",
	}
	for o, name := range want {
		if got := o.String(); got != name {
			t.Errorf("Outcome(%d).String() = %q, want %q", int(o), got, name)
		}
		if o.Meaning().Foreign {
			t.Errorf("%s is decided here and marked foreign", name)
		}
	}
}

// outcomeConstants reads the numbers of all constants of type Outcome from the
// source, so that a new one without a row fails the test below.
func outcomeConstants(t *testing.T) map[string]Outcome {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "outcome.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Outcome{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Outcome" {
				continue
			}
			for i, name := range v.Names {
				sign, value := 1, v.Values[i]
				if u, ok := value.(*ast.UnaryExpr); ok && u.Op == token.SUB {
					sign, value = -1, u.X
				}
				lit, ok := value.(*ast.BasicLit)
				if !ok {
					t.Fatalf("%s is not written as a number", name.Name)
				}
				n, err := strconv.Atoi(lit.Value)
				if err != nil {
					t.Fatalf("%s: %v", name.Name, err)
				}
				found[name.Name] = Outcome(sign * n)
			}
		}
	}
	return found
}

func TestCatalogueHasARowForEveryConstant(t *testing.T) {
	constants := outcomeConstants(t)
	if constants["UserNotFound"] != UserNotFound || constants["InternalFault"] != InternalFault {
		t.Fatalf("constants were not read from outcome.go: %v", constants)
	}
	for name, o := range constants {
		if _, ok := meaningIndex[o]; !ok {
			t.Errorf("%s (%d) has no row", name, int(o))
		}
	}
}

func TestCatalogueRowsAreComplete(t *testing.T) {
	stages := []Stage{
		StageReach, StageClient, StageAccount, StagePrimary, StagePolicy,
		StageFactor, StageDelivery, StageAnswer, StageVerdict, StageReply,
	}
	remedy := regexp.MustCompile(`(^|\. )(Nobody|Person|Help desk|Administrator): `)
	for _, m := range catalogue {
		if m.Label == "" || m.Method == "" {
			t.Errorf("%d %s: label %q, method %q", m.Outcome, m.Name, m.Label, m.Method)
		}
		if !slices.Contains(stages, m.Stage) {
			t.Errorf("%d %s: stage %q is none", m.Outcome, m.Name, m.Stage)
		}
		texts := map[string]string{
			"Person": m.Person, "HelpDesk": m.HelpDesk, "Administrator": m.Administrator, "Remedy": m.Remedy,
		}
		for field, text := range texts {
			switch {
			case text == "":
				t.Errorf("%d %s: %s is empty", m.Outcome, m.Name, field)
			case !strings.HasSuffix(text, "."):
				t.Errorf("%d %s: %s does not end as a sentence: %q", m.Outcome, m.Name, field, text)
			case strings.Contains(text, "  "), strings.Contains(text, ".."), strings.TrimSpace(text) != text, strings.ContainsAny(text, "\n\t"):
				t.Errorf("%d %s: %s has stray blanks or full stops: %q", m.Outcome, m.Name, field, text)
			}
		}
		if strings.Count(m.HelpDesk, ". Tell the caller: ") != 1 {
			t.Errorf("%d %s: HelpDesk must give the cause and then once what to tell the caller: %q", m.Outcome, m.Name, m.HelpDesk)
		}
		if !remedy.MatchString(m.Remedy) {
			t.Errorf("%d %s: Remedy does not say who acts: %q", m.Outcome, m.Name, m.Remedy)
		}
		if m.Verdict != Accept && strings.HasPrefix(m.Remedy, "Nobody: ") && !m.Foreign {
			t.Errorf("%d %s: a login that was not accepted has nothing to be done: %q", m.Outcome, m.Name, m.Remedy)
		}
		if m.Foreign != strings.HasPrefix(m.Administrator, onlyAzure) || m.Foreign != strings.HasPrefix(m.HelpDesk, fromAzure) {
			t.Errorf("%d %s: foreign is %t, but the texts say otherwise", m.Outcome, m.Name, m.Foreign)
		}
		if m.AtFault && m.Verdict == Accept {
			t.Errorf("%d %s: accepted, yet MFA is at fault", m.Outcome, m.Name)
		}
	}
}

// A Reply-Message holds 253 octets (RFC 2865, Section 5.18), and the reference
// goes into the same one; many NASes garble anything but ASCII.
func TestCataloguePersonTextsFitAReplyMessage(t *testing.T) {
	for _, m := range catalogue {
		if len(m.Person) > 200 {
			t.Errorf("%d %s: %d octets: %q", m.Outcome, m.Name, len(m.Person), m.Person)
		}
		if i := strings.IndexFunc(m.Person, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Errorf("%d %s: octet %d is not printable ASCII: %q", m.Outcome, m.Name, i, m.Person)
		}
	}
}

// Whoever guesses names, passwords or codes must not learn from the words how
// far they got.
func TestCatalogueTellsAGuesserNothing(t *testing.T) {
	same := []struct {
		text     string
		outcomes []Outcome
	}{
		{"Sign-in failed.", []Outcome{
			UserNotFound, UserDisabled, UserIncomplete, UserBlocked, NameUnreadable,
			PasswordWrong, PasswordMissing, PasswordNotSet,
			1304, // password-expired
			1305, // directory-account-locked
			PolicyRefused, NoMethodPossible,
			OATHCodeIncorrect, DuplicateOATHCode, OATHCodeOutOfDate,
			CodeMissing, CodeNotRecognized, RecoveryCodeWrong, RecoveryCodeUsed, PasskeyWrong,
			ChallengeUnknown, ChallengeElsewhere,
			100, 107, 111, // the phone number on record cannot be used
			AuthInProgress, ResyncRequired,
			112, 129, 132, // the person denied it or reported fraud
			122, 123, 130, // wrong code or PIN
			134, 135, 137, // no app that could answer, or a bad answer
		}},
		// Names that nobody has are throttled and stopped alike.
		{"Too many attempts. Wait a while and try again, or call the help desk.", []Outcome{
			Throttled, HardStopped, AccountLocked, TooManyAtOnce,
		}},
		// Our own faults look alike: which part is down is nobody's business.
		{"The sign-in service cannot answer right now. Try again in a few minutes, or call the help desk.", []Outcome{
			StoreUnavailable, InternalFault, PasswordLaneFull, ServerOverloaded, ClientRateLimited,
			1306, // directory-unreachable
			1307, // directory-tls-failed
		}},
	}
	for _, group := range same {
		for _, o := range group.outcomes {
			i, ok := meaningIndex[o]
			if !ok {
				t.Errorf("%d has no row", int(o))
				continue
			}
			if got := catalogue[i].Person; got != group.text {
				t.Errorf("%d %s tells the person %q, want %q", int(o), catalogue[i].Name, got, group.text)
			}
		}
	}
	for _, m := range catalogue {
		if m.Verdict == Accept && m.Person != "Signed in." {
			t.Errorf("%d %s tells an accepted person %q", m.Outcome, m.Name, m.Person)
		}
	}
}

var quoted = regexp.MustCompile("`([^`]*)`")

// Advice that names a command must name one that exists, written in full.
func TestCatalogueAdvisesKnownCommands(t *testing.T) {
	known := map[string][]string{
		"account":       {"add", "list", "show", "enable", "disable", "block", "unblock", "unlock", "password"},
		"authenticator": {"add", "list", "revoke", "import", "recovery-codes", "resync"},
		"client":        {"add", "list", "remove", "rotate", "patience"},
		"events":        nil,
		"explain":       nil,
		"why":           nil,
		"rule":          {"add", "list", "show", "change", "move", "remove"},
		"trusted-ip":    {"add", "list", "remove"},
		"cache":         {"add", "list", "remove", "purge"},
		"bypass":        {"add", "list", "remove"},
		"exemptions":    nil,
		"findings":      nil,
		"audit":         {"verify", "status"},
		"login":         nil,
	}
	// What else is set apart as typed by somebody.
	other := []string{"--alias", "password,123456", `DOMAIN\user`, "user@domain", "user"}
	commands := 0
	for _, m := range catalogue {
		for _, text := range []string{m.Person, m.HelpDesk, m.Administrator, m.Remedy} {
			if strings.Count(text, "`")%2 != 0 {
				t.Errorf("%d %s: a quotation is not closed: %q", m.Outcome, m.Name, text)
			}
			for _, q := range quoted.FindAllStringSubmatch(text, -1) {
				words := strings.Fields(q[1])
				if len(words) == 0 || words[0] != "sallyport" {
					if !slices.Contains(other, q[1]) {
						t.Errorf("%d %s: %q is no command", m.Outcome, m.Name, q[1])
					}
					continue
				}
				commands++
				if len(words) < 2 {
					t.Errorf("%d %s: %q names no command", m.Outcome, m.Name, q[1])
					continue
				}
				verbs, ok := known[words[1]]
				if !ok || verbs != nil && (len(words) < 3 || !slices.Contains(verbs, words[2])) {
					t.Errorf("%d %s: there is no command %q", m.Outcome, m.Name, q[1])
				}
			}
			if strings.Contains(quoted.ReplaceAllString(text, ""), "sallyport ") {
				t.Errorf("%d %s: a command is not set apart: %q", m.Outcome, m.Name, text)
			}
		}
	}
	if commands == 0 {
		t.Error("no row advises a command; the pattern that finds them is broken")
	}
}

// Changing the returned slice must not change the catalogue.
func TestCatalogueIsACopy(t *testing.T) {
	rows := Catalogue()
	if len(rows) != len(catalogue) {
		t.Fatalf("Catalogue() has %d rows, want %d", len(rows), len(catalogue))
	}
	rows[0].Person = "changed"
	if catalogue[0].Person == "changed" {
		t.Error("Catalogue() shares its rows with its callers")
	}
}
