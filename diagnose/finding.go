package diagnose

import "time"

// A Report is what was found in one or more logs, or at one target: what
// --json prints. A field that does not apply is left out.
type Report struct {
	Schema   string        `json:"schema"` // sallyport-diagnosis/1
	Made     time.Time     `json:"made"`
	Files    []FileSummary `json:"files,omitempty"`
	Totals   Totals        `json:"totals"`
	Findings []Finding     `json:"findings"` // the most pressing first
	Attempts []Tried       `json:"attempts"` // by time; at most as many as fit into the memory that is allowed
	// Warnings say what was left out or could not be read, a sentence each.
	Warnings []string `json:"warnings,omitempty" prose:"true"`
}

// A FileSummary is one file that was read.
type FileSummary struct {
	Name     string         `json:"name"`
	Formats  map[string]int `json:"formats"` // lines that each format understood; empty if none did
	Encoding string         `json:"encoding,omitempty"`
	Lines    int            `json:"lines"`
	Bytes    int64          `json:"bytes"`
	Error    string         `json:"error,omitempty" prose:"true"` // why it was not read, or not to its end
}

// Totals counts all attempts, also those that are not listed.
type Totals struct {
	Attempts   int `json:"attempts"`
	Accepted   int `json:"accepted"`
	Refused    int `json:"refused"`
	Faulty     int `json:"failed"`
	Challenged int `json:"challenged"`
	Abandoned  int `json:"abandoned"`
}

// A Finding is one cause, however often and in however many ways it shows.
type Finding struct {
	Cause      string     `json:"cause"` // Cause.ID
	Title      string     `json:"title" prose:"true"`
	Means      string     `json:"means" prose:"true"`
	Confidence Confidence `json:"confidence"`
	Why        string     `json:"confidence_reason" prose:"true"`
	MFAAtFault bool       `json:"mfa_at_fault"`
	Note       bool       `json:"note,omitempty"` // stops nobody
	Count      int        `json:"count"`          // occurrences
	First      time.Time  `json:"first,omitzero"`
	Last       time.Time  `json:"last,omitzero"`
	// Users, Hosts and Clients are whom and what it struck: at most some, in the
	// order in which they were met. UserCount is how many there are, at most
	// maxDistinct.
	Users     []string   `json:"users,omitempty"`
	UserCount int        `json:"user_count,omitempty"`
	Hosts     []string   `json:"hosts,omitempty"`
	Clients   []string   `json:"clients,omitempty"`
	Evidence  []Evidence `json:"evidence"` // at most maxEvidence
	Who       string     `json:"who" prose:"true"`
	Remedy    []Step     `json:"remedy"`
	Verify    []Step     `json:"verify"`
	Source    []string   `json:"source"`
}

// Evidence is one line that proves a finding.
type Evidence struct {
	File string `json:"file"` // or the target that was examined
	Line int    `json:"line"` // 0 if it is not from a file
	Text string `json:"text"`
}

// A Tried is an attempt as it is reported.
type Tried struct {
	Time        time.Time `json:"time,omitzero"`
	End         time.Time `json:"end,omitzero"`
	ZoneAssumed bool      `json:"zone_assumed,omitempty"`
	Product     string    `json:"product"`
	User        string    `json:"user,omitempty"`
	Host        string    `json:"host,omitempty"`
	Client      string    `json:"client,omitempty"`
	From        string    `json:"from,omitempty"`
	Method      string    `json:"method,omitempty"`
	Stage       string    `json:"stage,omitempty"`
	Verdict     Verdict   `json:"verdict"`
	Codes       []string  `json:"codes,omitempty"`
	Causes      []string  `json:"causes,omitempty"` // IDs
	File        string    `json:"file"`
	Line        int       `json:"line"` // of its first line
}

// Found makes the finding of a cause that was met outside of any log: at a
// target, in a capture, in a registry. It panics if there is no such cause.
func Found(id string, confidence Confidence, why string, evidence ...Evidence) Finding {
	c := CauseByID(id)
	if c == nil {
		panic("diagnose: there is no cause " + id)
	}
	for i := range evidence {
		evidence[i].Text = withoutSecrets(evidence[i].Text)
	}
	return Finding{
		Cause: c.ID, Title: c.Title, Means: c.Means, Confidence: confidence, Why: why,
		MFAAtFault: c.MFAAtFault, Note: c.Note, Count: 1, Evidence: evidence,
		Who: c.Who, Remedy: c.Remedy, Verify: c.Verify, Source: c.Source,
	}
}
