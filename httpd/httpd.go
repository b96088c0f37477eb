// Package httpd is the HTTP edge: the operator API on a unix socket in the data
// directory, and the health and metrics pages. It translates requests into
// calls of package admin and results into JSON (RFC 8259), newline-delimited
// JSON for lists, and problem documents (RFC 9457) for refusals.
//
// It hides who may call what. Every route stands in one table (see routes) with
// the audience it is served to and the permission it needs; an audience is a
// listener, and a route without either is refused.
package httpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = time.Minute
	idleTimeout   = time.Minute
	headerLimit   = 16 << 10 // octets
	grace         = 5 * time.Second
)

// Serve answers HTTP requests that come to l with h until ctx ends, then lets
// requests in hand finish for a few seconds and returns nil. It closes l. Use
// it for every listener but the admin socket, which has [Operator.Serve]. It
// returns an error only if l fails.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	return serve(ctx, l, &http.Server{
		Handler:      h,
		WriteTimeout: time.Minute,
		BaseContext:  func(net.Listener) context.Context { return context.WithValue(context.Background(), stopKey{}, ctx) },
	}, log)
}

// serve runs s with the limits that every listener has.
func serve(ctx context.Context, l net.Listener, s *http.Server, log *slog.Logger) error {
	s.ReadHeaderTimeout = headerTimeout
	s.IdleTimeout = idleTimeout
	s.MaxHeaderBytes = headerLimit
	// What net/http has to say is about the peer: a failed handshake, a
	// connection that broke.
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)

	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("httpd: serve %v: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(patience); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			log.Warn("requests were cut off at shutdown", "listener", l.Addr().String())
		}
		s.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("httpd: serve %v: %w", l.Addr(), err)
	}
	return nil
}
