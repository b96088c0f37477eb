// Package httpd is the HTTP edge: the operator API on a unix socket in the data
// directory, the health and metrics pages, and what browsers and programs of the
// network reach: the API below /v1/ and the pages of console and portal. It
// translates requests into calls of package admin and of the engine, and results
// into JSON (RFC 8259), newline-delimited JSON for lists on the socket, and
// problem documents (RFC 9457) for refusals.
//
// It hides who may call what. Every route and operation stands in one of two
// tables (see routes and apiOperations) with the audience it is served to and
// the permission it needs; one without either is refused, whoever asks. It also
// hides how browsers are kept safe: cookies, headers, the one spelling of an
// address, which page may ask, and who is believed to be where.
//
// Nothing here decides a login or makes a change: verdicts come from the engine,
// and a session begins nowhere but behind an accept.
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
