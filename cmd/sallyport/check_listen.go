package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"sallyport/check"
	"sallyport/diagnose"
	"sallyport/report"
)

// checkListen describes each client that comes to an address, until it is
// interrupted.
func (a *app) checkListen(ctx context.Context, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return misused("write it as :8443, 192.0.2.7:8443 or [::1]:8443", "--listen: %q is no address and port", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return unreadable("name a port that is free; those below 1024 need root", "--listen: %w", err)
	}
	a.notef("listening on %s; let the client connect to it, and end this with Ctrl-C. No handshake is completed: the client will report an error.", l.Addr())
	came, met := 0, map[string]bool{} // causes
	var printing error
	err = check.Listen(ctx, l, check.ListenOptions{Now: a.now}, func(v check.Arrival) {
		came++
		// A cause is described in full when it is met first.
		var fresh []diagnose.Finding
		for _, f := range v.Findings {
			if !met[f.Cause] {
				fresh = append(fresh, f)
			}
			met[f.Cause] = true
		}
		if a.json {
			if err := a.printJSON(v); printing == nil {
				printing = err
			}
			return
		}
		a.printArrival(&v, fresh)
	})
	switch {
	case err != nil:
		return unreadable("", "--listen: %w", err)
	case printing != nil:
		return printing
	}
	a.notef("%s came", report.Plural(came, "client", "clients"))
	if len(met) > 0 {
		return &failure{err: errors.New("something is wrong"), exit: exitFound, quiet: true}
	}
	return nil
}

// printArrival prints what came, and the findings that are new.
func (a *app) printArrival(v *check.Arrival, fresh []diagnose.Finding) {
	sign, st := "✓ ", good
	switch {
	case len(v.Findings) > 0:
		sign, st = "✗ ", bad
	case v.Hello == nil:
		sign, st = "? ", odd
	}
	a.wrapped(strong, "", v.From+", "+a.when(v.Time))
	a.wrapped(st, "  "+sign, v.Says)
	if h := v.Hello; h != nil {
		for _, s := range h.Says {
			a.wrapped(plain, "    ", s)
		}
		a.wrapped(faint, "    suites  ", strings.Join(h.Suites, " "))
		if h.JA4 != "" {
			a.wrapped(faint, "    JA4     ", h.JA4)
		}
		for _, s := range h.Cannot {
			a.wrapped(odd, "    ! ", s)
		}
	}
	fmt.Fprintln(a.out)
	for i := range fresh {
		a.printDiagnosis(0, &fresh[i])
		fmt.Fprintln(a.out)
	}
}
