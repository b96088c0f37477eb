package server

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sallyport/auth"
	"sallyport/radius"
)

// metrics are what /metrics shows: how logins end and how long they take, what
// the RADIUS socket and the store do. No label carries a name of a person.
type metrics struct {
	registry *prometheus.Registry
	logins   *prometheus.CounterVec
	took     *prometheus.HistogramVec
	series   sync.Map // ending to *series: those of logins and took, found without their labels
	radius   atomic.Pointer[radius.Server]
	server   *Server
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		server:   s,
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_attempts_total",
			Help: "Attempts by verdict and outcome, incidents included.",
		}, []string{"verdict", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sallyport_attempt_seconds",
			Help:    "Time from the receipt of an attempt until its verdict was formed, before it was committed.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		}, []string{"verdict"}),
	}
	m.registry.MustRegister(m.logins, m.took, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// An ending is how attempts can end; there are as many as catalogue rows.
type ending struct {
	verdict auth.Verdict
	outcome auth.Outcome
}

// series are the metrics of one ending.
type series struct {
	logins prometheus.Counter
	took   prometheus.Observer
}

// observe is the engine's Observe function.
func (m *metrics) observe(ev *auth.Event) {
	end := ending{ev.Verdict, ev.Outcome}
	known, ok := m.series.Load(end)
	if !ok {
		verdict := ev.Verdict.String()
		known, _ = m.series.LoadOrStore(end, &series{
			logins: m.logins.WithLabelValues(verdict, ev.Outcome.String()),
			took:   m.took.WithLabelValues(verdict),
		})
	}
	s := known.(*series)
	s.logins.Add(float64(ev.Count))
	if ev.Count == 1 {
		s.took.Observe(ev.Took.Seconds())
	}
}

var (
	packetsDesc    = prometheus.NewDesc("sallyport_radius_packets_total", "Datagrams read from RADIUS sockets.", nil, nil)
	repliesDesc    = prometheus.NewDesc("sallyport_radius_replies_total", "RADIUS replies by code, without those sent again.", []string{"code"}, nil)
	incidentsDesc  = prometheus.NewDesc("sallyport_radius_incidents_total", "Packets that were not simply served, by what was the matter.", []string{"kind"}, nil)
	dropsDesc      = prometheus.NewDesc("sallyport_radius_kernel_drops_total", "Datagrams that the operating system threw away for want of room.", nil, nil)
	inFlightDesc   = prometheus.NewDesc("sallyport_radius_in_flight", "Requests that are being decided.", nil, nil)
	queuedDesc     = prometheus.NewDesc("sallyport_radius_queued", "Requests that wait to be decided.", nil, nil)
	commitsDesc    = prometheus.NewDesc("sallyport_store_commits_total", "Settlements written.", nil, nil)
	groupsDesc     = prometheus.NewDesc("sallyport_store_groups_total", "Transactions that wrote settlements; each costs one fsync.", nil, nil)
	conflictsDesc  = prometheus.NewDesc("sallyport_store_conflicts_total", "Settlements judged again because their facts had moved.", nil, nil)
	overloadsDesc  = prometheus.NewDesc("sallyport_store_overloads_total", "Settlements refused because too many waited.", nil, nil)
	snapshotsDesc  = prometheus.NewDesc("sallyport_store_snapshots_total", "Snapshots by where their facts came from.", []string{"from"}, nil)
	queueDesc      = prometheus.NewDesc("sallyport_store_queue", "Settlements and changes that wait to be written.", nil, nil)
	backlogDesc    = prometheus.NewDesc("sallyport_store_backlog", "Events whose search index is not filled in yet.", nil, nil)
	cachedDesc     = prometheus.NewDesc("sallyport_store_cached", "Subjects whose facts are in memory.", nil, nil)
	rememberedDesc = prometheus.NewDesc("sallyport_radius_remembered", "Requests whose retransmissions would be recognized.", nil, nil)
)

// Describe implements prometheus.Collector. What is described depends on
// nothing, so it describes by collecting.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	if srv := m.radius.Load(); srv != nil {
		st := srv.Stats()
		counter(packetsDesc, st.Received)
		counter(repliesDesc, st.Accepts, "accept")
		counter(repliesDesc, st.Rejects, "reject")
		counter(repliesDesc, st.Challenges, "challenge")
		counter(repliesDesc, st.Statuses, "status")
		counter(repliesDesc, st.Silences, "silence")
		for kind, n := range st.Incidents {
			if kind > 0 {
				counter(incidentsDesc, n, radius.IncidentKind(kind).String())
			}
		}
		counter(dropsDesc, st.KernelDrops)
		gauge(inFlightDesc, st.InFlight)
		gauge(queuedDesc, st.Queued)
		gauge(rememberedDesc, st.Remembered)
	}
	m.collectTrail(ch)
	st := m.server.Store.Stats()
	counter(commitsDesc, st.Commits)
	counter(groupsDesc, st.Groups)
	counter(conflictsDesc, st.Conflicts)
	counter(overloadsDesc, st.Overloads)
	counter(snapshotsDesc, st.Hits, "memory")
	counter(snapshotsDesc, st.Misses, "database")
	gauge(queueDesc, st.Queue)
	gauge(backlogDesc, int(st.Backlog))
	gauge(cachedDesc, st.Cached)
}
