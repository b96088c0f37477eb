package httpd

import (
	"context"
	"time"

	"sallyport/admin"
)

// A SystemStatus says how the installation is.
type SystemStatus struct {
	Version string `json:"version" doc:"Of the node that answers"`
	Node    string `json:"node" doc:"That answers"`
	Ready   bool   `json:"ready"`
	admin.SystemView
	Checks []HealthCheck `json:"checks"`
	Audit  *AuditStatus  `json:"audit,omitempty" doc:"How exports and anchors stand"`
}

// A HealthCheck is one thing that must be well, or should be.
type HealthCheck struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Advisory bool   `json:"advisory" doc:"The server is ready all the same"`
	Error    string `json:"error,omitempty"`
}

func systemOperations() []apiOperation {
	return []apiOperation{
		operate(operation{
			ID: "act.list", Method: "GET", Path: "/v1/acts", Summary: "The system log of administrative acts, the newest first", Tag: tagSystem,
			Audience: administrator, Permission: admin.ReadActs,
		}, func(ctx context.Context, c *caller, in *struct {
			Page
			Actor   string    `query:"actor" maxLength:"255" doc:"A part of who did it"`
			Action  string    `query:"action" maxLength:"100" doc:"The beginning of what was done: rule."`
			Subject string    `query:"subject" maxLength:"255"`
			Since   time.Time `query:"since"`
			Until   time.Time `query:"until"`
		},
		) (*Listed[admin.ActView], error) {
			list, err := c.site.Admin.SearchActs(ctx, admin.ActQuery{
				Cursor: in.Cursor, Limit: in.Limit, Actor: in.Actor, Action: in.Action, Subject: in.Subject, Since: in.Since, Until: in.Until,
			})
			if err != nil {
				return nil, err
			}
			return paged(list.Items, list.Next), nil
		}),
		operate(operation{
			ID: "system.show", Method: "GET", Path: "/v1/system", Summary: "How the installation is", Tag: tagSystem,
			Audience: administrator, Permission: admin.ReadSystem,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Answered[SystemStatus], error) {
			return answered(c.systemStatus(ctx))
		}),
		operate(operation{
			ID: "expiring.list", Method: "GET", Path: "/v1/expiring", Summary: "Everything that ends by itself, the soonest first", Tag: tagSystem,
			Audience: administrator, Permission: admin.ReadSystem,
		}, func(ctx context.Context, c *caller, _ *struct{}) (*Listed[admin.Expiry], error) {
			return whole(c.site.Admin.Expiring(ctx))
		}),
	}
}

func (c *caller) systemStatus(ctx context.Context) (SystemStatus, error) {
	s := c.site
	v, err := s.Admin.System(ctx)
	if err != nil {
		return SystemStatus{}, err
	}
	status := SystemStatus{Version: s.Version, SystemView: v, Checks: []HealthCheck{}}
	ready := s.Health.run(ctx)
	status.Ready = ready.Ready
	for _, r := range ready.Checks {
		status.Checks = append(status.Checks, HealthCheck{r.Name, r.OK, r.Advisory, r.Detail})
	}
	if s.Auditing != nil {
		audit, err := s.Auditing.Status(ctx)
		if err != nil {
			return SystemStatus{}, err
		}
		status.Node, status.Audit = audit.Node, &audit
	}
	return status, nil
}
