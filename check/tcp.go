package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"sallyport/diagnose"
)

// A ConnectionState says how a TCP connection to one address ended.
type ConnectionState string

const (
	Open ConnectionState = "open"
	// Refused: the host, or a firewall in its name, answered that nobody
	// listens there.
	Refused ConnectionState = "refused"
	// NoAnswer: nothing came back within the time of a step. Nearly always a
	// firewall drops the packets.
	NoAnswer ConnectionState = "timeout"
	// Unreachable: a router answered that it knows no way.
	Unreachable ConnectionState = "unreachable"
	// NoRoute: this machine itself has no way to addresses of this kind. It says
	// nothing about the target.
	NoRoute ConnectionState = "no-route"
	Broken  ConnectionState = "failed" // something else; Error says what
)

// A Connection is the try to reach one address.
type Connection struct {
	Address    netip.Addr      `json:"address"`
	State      ConnectionState `json:"state"`
	TookMillis float64         `json:"took_ms"`
	Error      string          `json:"error,omitempty"`
}

// connect tries every address at the same time. It reports whether one is open;
// x.reached is then the first of them in the order in which a client tries.
func (x *examiner) connect(ctx context.Context) bool {
	x.step("connecting to port " + fmt.Sprint(x.target.Port))
	addresses := x.DNS.all()
	x.TCP = make([]Connection, len(addresses))
	var wait sync.WaitGroup
	for i, a := range addresses {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, x.timeout)
			defer cancel()
			began := x.now()
			conn, err := x.dial(ctx, "tcp", netip.AddrPortFrom(a, uint16(x.target.Port)).String())
			c := Connection{Address: a, State: Open, TookMillis: millis(x.now().Sub(began))}
			if err != nil {
				c.State, c.Error = connectionState(err), shorten(err.Error(), 200)
			} else {
				conn.Close()
			}
			x.TCP[i] = c
		})
	}
	wait.Wait()
	for _, c := range x.TCP {
		// IPv4 is preferred for the rest, since fewer things differ there
		// between this machine and the one that an agent runs on.
		if c.State == Open && (!x.reached.IsValid() || c.Address.Is4() && x.reached.Is6()) {
			x.reached = c.Address
		}
	}
	x.reportConnections()
	return x.reached.IsValid()
}

// connectionState tells the errors of connect apart. The numbers are those of
// Windows (WSAECONNREFUSED, WSAETIMEDOUT, WSAEHOSTUNREACH, WSAENETUNREACH),
// which package syscall does not map to the names of Unix.
func connectionState(err error) ConnectionState {
	var number syscall.Errno
	if errors.As(err, &number) {
		switch number {
		case syscall.ECONNREFUSED, 10061:
			return Refused
		case syscall.ETIMEDOUT, 10060:
			return NoAnswer
		case syscall.EHOSTUNREACH, 10065:
			return Unreachable
		case syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, 10051, 10049, 10047:
			return NoRoute
		default:
		}
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return NoAnswer
	}
	return Broken
}

// reportConnections makes the findings of what was seen in x.TCP.
func (x *examiner) reportConnections() {
	var open, failed []Connection
	for _, c := range x.TCP {
		switch c.State {
		case Open:
			open = append(open, c)
		case NoRoute:
			// If there are others, a client on this machine does not try it.
			if len(x.TCP) == 1 || onlyNoRoute(x.TCP) {
				failed = append(failed, c)
			}
		case Refused, NoAnswer, Unreachable, Broken:
			failed = append(failed, c)
		}
	}
	if len(failed) == 0 {
		return
	}
	seen := make([]string, 0, len(failed))
	for _, c := range failed {
		seen = append(seen, fmt.Sprintf("%s: %s", netip.AddrPortFrom(c.Address, uint16(x.target.Port)), c.State.words(x)))
	}
	switch {
	case len(open) > 0:
		for _, c := range open {
			seen = append(seen, fmt.Sprintf("%s: open after %.0f ms", netip.AddrPortFrom(c.Address, uint16(x.target.Port)), c.TookMillis))
		}
		x.find("endpoint-some-addresses", diagnose.Likely, "It was so from this machine; a firewall on the way may treat others differently.", seen...)
	case allRefused(failed):
		x.find("endpoint-refused", diagnose.Proven, "The answer to the connection was a refusal.", seen...)
	default:
		if x.Proxy != "" {
			seen = append(seen, "the environment names a proxy: "+x.Proxy)
		}
		x.find("endpoint-unreachable", diagnose.Proven, "No connection could be made from this machine.", seen...)
	}
}

func allRefused(cs []Connection) bool {
	for _, c := range cs {
		if c.State != Refused {
			return false
		}
	}
	return true
}

func onlyNoRoute(cs []Connection) bool {
	for _, c := range cs {
		if c.State != NoRoute {
			return false
		}
	}
	return true
}

// words says s as part of a sentence.
func (s ConnectionState) words(x *examiner) string {
	switch s {
	case Open:
		return "open"
	case Refused:
		return "refused: nobody listens there, or a firewall says so"
	case NoAnswer:
		return fmt.Sprintf("no answer within %v", x.timeout)
	case Unreachable:
		return "a router answered that there is no way to it"
	case NoRoute:
		return "this machine has no way to such an address"
	case Broken:
		return "failed"
	}
	return strings.ReplaceAll(string(s), "-", " ")
}
