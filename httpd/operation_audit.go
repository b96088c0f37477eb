package httpd

import (
	"context"
	"errors"
	"time"

	"sallyport/admin"
)

// An Auditing is what the audit operations ask of whoever assembled the server.
// All of it may be called concurrently.
type Auditing struct {
	// Status says how exports and anchors stand.
	Status func(ctx context.Context) (AuditStatus, error)
	// Verify checks the chain of events against the anchors of this node and
	// those given, one a line, and tells progress by the newest event read.
	Verify func(ctx context.Context, anchors []string, progress func(seq uint64)) (AuditReport, error)
	// Authentic says of each record whether it is one of this installation's.
	Authentic func(records []string) []bool
	// Retain deletes events before a time, but for those that an export waits
	// for.
	Retain func(ctx context.Context, by admin.Actor, before time.Time) (deleted uint64, err error)
	// GiveUp lets nothing wait any more for an export that is not configured.
	GiveUp func(ctx context.Context, by admin.Actor, name string) error
}

// An AuditStatus says how exports and anchors stand.
type AuditStatus struct {
	Node       string         `json:"node"` // that answers
	AnchorFile string         `json:"anchor_file"`
	AnchorSeq  uint64         `json:"anchor_seq"` // of this node's newest anchor, 0 for none
	AnchorTime time.Time      `json:"anchor_time,omitzero"`
	KeepEvents string         `json:"keep_events"` // "0s" for ever
	Exports    []ExportStatus `json:"exports"`
}

// An ExportStatus says how one export stands.
type ExportStatus struct {
	Name        string    `json:"name"`
	URL         string    `json:"url"`
	Position    uint64    `json:"position"` // newest event that was delivered
	Head        uint64    `json:"head"`     // newest event that there is
	Oldest      time.Time `json:"oldest,omitzero"`
	LagSeconds  float64   `json:"lag_seconds"`
	Late        bool      `json:"late"`
	GivenUp     bool      `json:"given_up"`
	Ships       bool      `json:"ships"` // the node that answers is the one that ships; what follows is what it has seen
	Delivered   uint64    `json:"delivered"`
	Failures    uint64    `json:"failures"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastFailure time.Time `json:"last_failure,omitzero"`
}

// An AuditVerify asks for a verification of the events in the database.
type AuditVerify struct {
	Anchors []string `json:"anchors"` // lines that were kept elsewhere
}

// An AuditProgress is one line of the answer: how far the verification has
// come, and in the last one what it found.
type AuditProgress struct {
	Seq    uint64       `json:"seq"`
	Report *AuditReport `json:"report,omitempty"`
}

// An AuditReport is what a verification found.
type AuditReport struct {
	Whole          bool     `json:"whole"`
	First          uint64   `json:"first"` // events there are; 0 if none
	Last           uint64   `json:"last"`
	Anchors        int      `json:"anchors"`         // those compared that fit
	NewestAnchored uint64   `json:"newest_anchored"` // newest event that an anchor bears witness to
	Findings       []string `json:"findings"`        // what does not fit
	Notes          []string `json:"notes"`
}

// An AuditCheck asks which records of an export are genuine.
type AuditCheck struct {
	Records []string `json:"records"`
}

// An AuditChecked answers for each, and says what the newest anchor of the
// server bears witness to.
type AuditChecked struct {
	Genuine    []bool    `json:"genuine"`
	AnchorSeq  uint64    `json:"anchor_seq"`
	AnchorTime time.Time `json:"anchor_time,omitzero"`
}

// A Retention asks for old events to be deleted.
type Retention struct {
	Before time.Time `json:"before"`
}

// Retained says how many were.
type Retained struct {
	Events uint64 `json:"events"`
}

var errNoAuditing = errors.New("httpd: this server was built without exports and anchors")

// auditOperations are the operations on exports, anchors and old events.
func auditOperations() []route {
	with := func(c *call) (*Auditing, error) {
		if c.operator.Auditing == nil {
			return nil, errNoAuditing
		}
		return c.operator.Auditing, nil
	}
	return []route{
		op("audit.status", admin.ReadEvents, func(c *call, _ Nothing) (AuditStatus, error) {
			a, err := with(c)
			if err != nil {
				return AuditStatus{}, err
			}
			return a.Status(c.Context())
		}),
		large(streamed("audit.verify", admin.ReadEvents, verifyEvents)),
		large(op("audit.check", admin.ReadEvents, func(c *call, in AuditCheck) (AuditChecked, error) {
			a, err := with(c)
			if err != nil {
				return AuditChecked{}, err
			}
			st, err := a.Status(c.Context())
			if err != nil {
				return AuditChecked{}, err
			}
			return AuditChecked{Genuine: a.Authentic(in.Records), AnchorSeq: st.AnchorSeq, AnchorTime: st.AnchorTime}, nil
		})),
		op("audit.retain", admin.WriteSettings, func(c *call, in Retention) (Retained, error) {
			a, err := with(c)
			if err != nil {
				return Retained{}, err
			}
			if age := c.operator.Admin.Now().Sub(in.Before); in.Before.IsZero() || age < keepLeast {
				return Retained{}, badRequest("events are kept for %v at least; give an earlier time", keepLeast)
			}
			n, err := a.Retain(c.Context(), c.by, in.Before)
			return Retained{n}, err
		}),
		op("audit.give-up", admin.WriteSettings, func(c *call, in Name) (Nothing, error) {
			a, err := with(c)
			if err != nil {
				return Nothing{}, err
			}
			if in.Name == "" {
				return Nothing{}, badRequest("name an export")
			}
			return Nothing{}, a.GiveUp(c.Context(), c.by, in.Name)
		}),
	}
}

// keepLeast is the least age of events that may be deleted: repeated requests
// and joins need the newest ones.
const keepLeast = 24 * time.Hour

// verifyEvents streams progress and at last the report.
func verifyEvents(c *call) error {
	var in AuditVerify
	if err := c.decode(&in); err != nil {
		return err
	}
	a := c.operator.Auditing
	if a == nil {
		return errNoAuditing
	}
	return list(c, func(ctx context.Context, send func(AuditProgress) error, flush func() error) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var told time.Time
		report, err := a.Verify(ctx, in.Anchors, func(seq uint64) {
			if now := time.Now(); now.Sub(told) < tellVerified {
				return
			} else {
				told = now
			}
			err := send(AuditProgress{Seq: seq})
			if err == nil {
				err = flush()
			}
			if err != nil { // nobody waits for the rest
				cancel(err)
			}
		})
		if err != nil {
			return err
		}
		return send(AuditProgress{Seq: report.Last, Report: &report})
	})
}

// tellVerified is how often progress is told.
const tellVerified = 200 * time.Millisecond
