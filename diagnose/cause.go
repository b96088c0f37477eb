package diagnose

// A Cause is one thing that can be wrong, and all that is known of it. It is
// data: a literal in one of the files cause_AREA.go, which is the only place
// that a new one touches. Its page in the manual is made of it.
type Cause struct {
	ID    string // stable, for scripts, in kebab case: "tls-version"
	Title string // the sentence that an administrator would recognize, without a full stop
	// Means says what happens, and why it shows as it does: a few whole sentences.
	Means string

	// MFAAtFault is whether the multi-factor product, its settings or its
	// equipment failed, rather than the person, the network, Windows or a
	// certificate beside it.
	MFAAtFault bool
	Who        string // who must act: "Windows administrator of the host", "the person", "nobody"

	Remedy []Step   // what to do, in order
	Verify []Step   // how to see that it is mended
	Source []string // where this is known from: an address or a standard's section

	// Note marks what is worth knowing but stops nobody from logging in.
	Note bool

	Signs []Sign
	// Find looks for the cause in what several attempts show together, nil if
	// single lines and codes tell. It gets all kept attempts ordered by time,
	// those without a time first, and must not change them.
	Find func(attempts []*Attempt) []Match

	// Hides are the IDs of causes that are only symptoms of this one. Where both
	// show in the same attempt, only this one is reported; a sign that is in no
	// attempt is a symptom of whatever hides it in the same file.
	Hides []string
}

// A Step is one thing to do.
type Step struct {
	Text     string   `json:"text" prose:"true"`
	Commands []string `json:"commands,omitempty"` // to be typed as they are, with CAPITALS to be filled in
}

// A Sign is what shows a cause: a text in a line, or a code of an attempt.
type Sign struct {
	// Text is a literal that is matched without regard to the case of ASCII
	// letters, at least six octets long. And must all be in the same line too,
	// Not must not.
	Text string
	And  []string
	Not  []string
	// Formats limits Text to lines that one of these formats understands; empty
	// for lines of any format and of none.
	Formats []string

	// Code is a code of an attempt, instead of Text: "azure-mfa:14".
	Code string
	// Verdicts limits Code to attempts that ended so; empty for all that were
	// not accepted.
	Verdicts []Verdict

	Confidence Confidence
	Why        string // why it is no surer, or what makes it sure: a sentence
}

// A Match is one occurrence of a cause.
type Match struct {
	Attempts   []*Attempt // that show it, at least one; the one that suffered first
	Lines      []*Line    // that prove it; those of the attempts if empty
	Confidence Confidence
	Why        string
}
