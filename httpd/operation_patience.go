package httpd

import (
	"context"
	"time"

	"sallyport/admin"
)

// A FindingQuery says how far back to look; the zero time is seven days.
type FindingQuery struct {
	Since time.Time `json:"since"`
}

// A FindingRef names a finding of those since a time.
type FindingRef struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
}

// findingsLook is how far back findings look if nobody says.
const findingsLook = 7 * 24 * time.Hour

// patienceOperations are the routes about what was learned from traffic.
func patienceOperations() []route {
	since := func(c *call, given time.Time) (since, until time.Time) {
		now := c.operator.Admin.Now()
		if given.IsZero() {
			given = now.Add(-findingsLook)
		}
		return given, now
	}
	return []route{
		streamed("finding.list", admin.ReadEvents, func(c *call) error {
			var q FindingQuery
			if err := c.decode(&q); err != nil {
				return err
			}
			return listOf(c, func(ctx context.Context) ([]admin.Finding, error) {
				from, until := since(c, q.Since)
				return c.operator.Admin.Findings(ctx, from, until)
			})
		}),
		op("finding.apply", admin.WritePolicy, func(c *call, in FindingRef) (admin.Finding, error) {
			from, until := since(c, in.Since)
			return c.operator.Admin.ApplyFinding(c.Context(), c.by, in.ID, from, until)
		}),
		op("client.patience", admin.ReadEvents, func(c *call, in Name) (admin.PatienceView, error) {
			return c.operator.Admin.Patience(c.Context(), in.Name)
		}),
	}
}
