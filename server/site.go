package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/diagnose"
	"sallyport/factor/webauthn"
	"sallyport/httpd"
	"sallyport/report"
	"sallyport/web"
)

// passkeyFactor returns the factor for passkeys of the address that people type.
func passkeyFactor(cfg config.Config) (*webauthn.Factor, error) {
	u, err := url.Parse(cfg.Site(0))
	if err != nil {
		return nil, fmt.Errorf("server: https.url: %w", err)
	}
	return &webauthn.Factor{RPID: u.Hostname(), RPName: cfg.Issuer}, nil
}

// openSite builds what browsers and programs reach. The listeners must be open:
// the local one's port is part of the address that people type if there is no
// other.
func (s *Server) openSite() error {
	port := 0
	if s.local != nil {
		port = portOf(s.local)
	}
	address := s.cfg.Site(port)
	s.passkeys.Origins = []string{address}
	s.health = &httpd.Health{
		Checks: []httpd.Check{{Name: "store", Run: s.check}},
		// A receiver that is down is no reason to send logins elsewhere.
		Advice:  []httpd.Check{{Name: "export", Run: func(context.Context) error { return s.trail.Late() }}},
		Metrics: s.metrics.registry,
		Log:     s.log,
	}
	site := &httpd.Site{
		Admin: s.Admin, Decide: s.Engine.Decide, Passkey: s.passkeys.RequestOptions, Keyed: s.Store.MAC("requests over HTTPS"),
		URL: address, Proxies: s.cfg.ProxyPrefixes(), Secure: s.cfg.HTTPS.Certificate != "", Pages: web.Pages(),
		Issuer: s.cfg.Issuer, Version: Version(),
		Health: s.health, Auditing: s.auditing(), Feed: s.feed, Log: s.log, Now: time.Now,
		DiagnosisPage: func(w io.Writer, r *diagnose.Report) error { return report.HTML(w, r, report.Options{}) },
	}
	var err error
	s.site, err = site.Handler()
	return err
}

func portOf(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// setUpLink returns the link that makes the first owner, "" if there is one, or
// if no address is known at which a browser could open it.
func (s *Server) setUpLink(ctx context.Context) (string, error) {
	if s.local == nil && (s.https == nil || s.cfg.HTTPS.URL == "") {
		return "", nil
	}
	needed, err := s.Admin.NeedsSetUp(ctx)
	if err != nil || !needed {
		return "", err
	}
	secret, _, err := s.Admin.BeginSetUp(ctx, admin.Operator("node "+s.node))
	if err != nil {
		return "", err
	}
	port := 0
	if s.local != nil {
		port = portOf(s.local)
	}
	return s.cfg.Site(port) + "/set-up#" + secret, nil
}

// followEvery is how often the live log looks for logins of other nodes.
const followEvery = time.Second

// follow feeds the live log with what other nodes commit, until ctx ends.
func (s *Server) follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	s.feed.Run(ctx, tick.C, func(err error) { s.log.Warn("the live log could not look for logins of other nodes", "err", err) })
}

// lateExports tells which exports are behind.
func (s *Server) lateExports(context.Context) ([]admin.LateExport, error) {
	var late []admin.LateExport
	for _, f := range s.trail.Figures() {
		if f.Alarm {
			late = append(late, admin.LateExport{Name: f.Name, Lag: f.Lag, Why: f.LastError})
		}
	}
	return late, nil
}

// certificates tells which certificate the HTTPS listener shows, as its files
// have it now.
func (s *Server) certificates() []admin.Certificate {
	if s.cfg.HTTPS.Certificate == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(s.cfg.HTTPS.Certificate, s.cfg.HTTPS.Key)
	if err != nil || len(pair.Certificate) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil
	}
	subject := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 {
		subject = leaf.DNSNames[0]
	}
	return []admin.Certificate{{Listener: "https", Subject: subject, Until: leaf.NotAfter}}
}

// configuration tells how the program was started.
func (s *Server) configuration() []admin.SettingView {
	entries := s.cfg.Entries()
	list := make([]admin.SettingView, len(entries))
	for i, e := range entries {
		list[i] = admin.SettingView(e)
	}
	return list
}
