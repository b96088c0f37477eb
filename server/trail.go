package server

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/config"
	"sallyport/httpd"
)

// auditPurpose is what the records of exports and anchors are signed for.
const auditPurpose = "audit record"

// openTrail opens the exports and the file of anchors.
func (s *Server) openTrail() error {
	targets, err := targets(s.cfg.Export)
	if err != nil {
		return err
	}
	references := s.references()
	s.trail, err = audit.Open(audit.Options{
		Source: s.Store, Targets: targets, Node: s.node, Anchors: s.cfg.AnchorsPath(), MAC: s.Store.MAC(auditPurpose),
		Reference: references.Of, Now: time.Now, Log: s.log,
	})
	return err
}

func targets(exports []config.Export) ([]audit.Target, error) {
	list := make([]audit.Target, len(exports))
	for i, e := range exports {
		secret, err := e.Secret()
		if err != nil {
			return nil, err
		}
		list[i] = audit.Target{Name: e.Name, URL: e.URL, CA: e.CA, Secret: secret}
	}
	return list, nil
}

const (
	// retainEvery is how often old events are deleted, lookToRetain how often a
	// node looks whether that is up to it.
	retainEvery  = 24 * time.Hour
	lookToRetain = time.Hour
)

// A retention deletes events that are older than the rule says.
type retention struct {
	store Store
	keep  time.Duration // 0 for ever
	node  string
	now   func() time.Time
	last  time.Time // when it last did
}

// due deletes old events if that was not done for a day and no other node has
// taken it upon itself. It reports how many.
func (r *retention) due(ctx context.Context) (deleted uint64, err error) {
	now := r.now()
	if r.keep == 0 || now.Sub(r.last) < retainEvery {
		return 0, nil
	}
	held, err := r.store.Lease(ctx, "retention", r.node, now, now.Add(retainEvery+lookToRetain))
	if err != nil || !held {
		return 0, err
	}
	before := now.Add(-r.keep)
	deleted, err = r.store.Retain(ctx, admin.Act{
		Time: now, Actor: "node " + r.node, Action: "event.retain",
		Detail: "keep_events: events before " + before.UTC().Format(time.RFC3339),
	}, before)
	if err == nil {
		r.last = now
	}
	return deleted, err
}

// retain deletes old events until ctx ends.
func (s *Server) retain(ctx context.Context) {
	r := &retention{store: s.Store, keep: s.cfg.KeepEvents, node: s.node, now: time.Now}
	for tick := time.NewTicker(lookToRetain); ; {
		deleted, err := r.due(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.log.Warn("old events were not deleted; it is tried again in an hour", "err", err)
		case deleted > 0:
			s.log.Info("old events were deleted", "events", deleted, "keep_events", s.cfg.KeepEvents)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// auditing is what the operator API asks about events.
func (s *Server) auditing() *httpd.Auditing {
	mac := s.Store.MAC(auditPurpose)
	return &httpd.Auditing{
		Status: func(ctx context.Context) (httpd.AuditStatus, error) {
			list, err := s.trail.Status(ctx)
			if err != nil {
				return httpd.AuditStatus{}, err
			}
			v := httpd.AuditStatus{Node: s.node, AnchorFile: s.cfg.AnchorsPath(), KeepEvents: s.cfg.KeepEvents.String(), Exports: make([]httpd.ExportStatus, len(list))}
			if a := s.trail.NewestAnchor(); a.Seq > 0 {
				v.AnchorSeq, v.AnchorTime = a.Seq, a.Time
			}
			for i, e := range list {
				v.Exports[i] = httpd.ExportStatus{
					Name: e.Name, URL: e.URL, Position: e.Position, Head: e.Head, Oldest: e.Oldest, LagSeconds: e.Lag.Seconds(),
					Late: e.Alarm, GivenUp: e.GivenUp, Ships: e.Ships, Delivered: e.Delivered, Failures: e.Failures,
					LastSuccess: e.LastSuccess, LastError: e.LastError, LastFailure: e.LastFailure,
				}
			}
			return v, nil
		},
		Verify: func(ctx context.Context, anchors []string, progress func(seq uint64)) (httpd.AuditReport, error) {
			var known audit.Anchors
			if err := known.ReadOwn(s.cfg.AnchorsPath(), mac); err != nil {
				return httpd.AuditReport{}, err
			}
			for _, line := range anchors {
				known.AddLine([]byte(line), mac)
			}
			r, err := audit.Verify(ctx, s.Store, &known, progress)
			return reportView(r), err
		},
		Authentic: func(records []string) []bool {
			good := make([]bool, len(records))
			for i, r := range records {
				good[i] = audit.Authentic([]byte(r), mac)
			}
			return good
		},
		Retain: func(ctx context.Context, by admin.Actor, before time.Time) (uint64, error) {
			return s.Store.Retain(ctx, admin.Act{
				Time: time.Now(), Actor: by.Name, Action: "event.retain", Detail: "events before " + before.UTC().Format(time.RFC3339),
			}, before)
		},
		GiveUp: func(ctx context.Context, by admin.Actor, name string) error {
			for _, e := range s.cfg.Export {
				if e.Name == name {
					return &admin.Problem{
						What: fmt.Sprintf("export %s is in the configuration of this server", name), Kind: admin.ErrInvalid,
						Hint: "take it out of the configuration of every node, and start them again, first",
					}
				}
			}
			if err := s.Store.Apply(ctx, admin.Act{Time: time.Now(), Actor: by.Name, Action: "export.give-up", Subject: name}); err != nil {
				return err
			}
			return audit.GiveUp(ctx, s.Store, name)
		},
	}
}

func reportView(r audit.Report) httpd.AuditReport {
	return httpd.AuditReport{
		Whole: r.Whole(), First: r.First, Last: r.Last, Anchors: r.Anchors, NewestAnchored: r.Newest, Findings: r.Findings, Notes: r.Notes,
	}
}

var (
	exportLagDesc       = prometheus.NewDesc("sallyport_export_lag_seconds", "Age of the oldest event that an export has not delivered, 0 if it has delivered all.", []string{"export"}, nil)
	exportShipsDesc     = prometheus.NewDesc("sallyport_export_ships", "1 if this node ships the export, 0 if another one does.", []string{"export"}, nil)
	exportDeliveredDesc = prometheus.NewDesc("sallyport_export_delivered_total", "Events delivered by this node.", []string{"export"}, nil)
	exportFailuresDesc  = prometheus.NewDesc("sallyport_export_failures_total", "Deliveries that failed.", []string{"export"}, nil)
	anchorDesc          = prometheus.NewDesc("sallyport_anchor_timestamp_seconds", "When this node wrote its newest anchor, in seconds since 1970; 0 for never.", nil, nil)
)

// collectTrail collects the metrics of exports and anchors.
func (m *metrics) collectTrail(ch chan<- prometheus.Metric) {
	trail := m.server.trail
	for _, e := range trail.Figures() {
		ships := 0.0
		if e.Ships {
			ships = 1
		}
		ch <- prometheus.MustNewConstMetric(exportLagDesc, prometheus.GaugeValue, e.Lag.Seconds(), e.Name)
		ch <- prometheus.MustNewConstMetric(exportShipsDesc, prometheus.GaugeValue, ships, e.Name)
		ch <- prometheus.MustNewConstMetric(exportDeliveredDesc, prometheus.CounterValue, float64(e.Delivered), e.Name)
		ch <- prometheus.MustNewConstMetric(exportFailuresDesc, prometheus.CounterValue, float64(e.Failures), e.Name)
	}
	at := 0.0
	if a := trail.NewestAnchor(); a.Seq > 0 {
		at = float64(a.Time.UnixMilli()) / 1000
	}
	ch <- prometheus.MustNewConstMetric(anchorDesc, prometheus.GaugeValue, at)
}
