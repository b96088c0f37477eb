package radius

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// receiveBuffer is asked of the kernel for each socket: the usual 212,992
	// octets hold only some 270 small packets.
	receiveBuffer = 4 << 20

	// controlSize holds the control messages of one datagram: the address it
	// was sent to and the count of lost ones.
	controlSize = 128
)

// A Listener is an address the server reads from, bound and not yet read.
type Listener struct {
	name    string
	sockets []*socket
}

// Listen binds a UDP address, such as "192.0.2.1:1812", "[::]:1812" or ":1812"
// for every address of both families. With sockets above 1 that many are bound
// to the same address, where the operating system can spread clients over them
// (Linux); 0 means as many as there are processors, at most 4. A reply leaves
// from the address that was asked, also when the listener is bound to all.
func Listen(address string, sockets int) (*Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("radius: listen on %q: %w", address, err)
	}
	network := "udp"
	if ip, err := netip.ParseAddr(host); err == nil {
		network = "udp4"
		if ip.Is6() {
			network = "udp6"
		}
	}
	if sockets <= 0 {
		sockets = min(runtime.GOMAXPROCS(0), 4)
	}
	if !canShareAddress {
		sockets = 1
	}
	if sockets > 1 {
		// Sockets that share an address would share it with another server's
		// too. One that does not share finds out whether somebody has it.
		alone, err := net.ListenPacket(network, net.JoinHostPort(host, port))
		if err != nil {
			return nil, fmt.Errorf("radius: listen on %q: %w", address, err)
		}
		alone.Close()
	}
	l := &Listener{name: address}
	for range sockets {
		config := net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
			return setOptions(network, c, sockets > 1)
		}}
		conn, err := config.ListenPacket(context.Background(), network, net.JoinHostPort(host, port))
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("radius: listen on %q: %w", address, err)
		}
		udp := conn.(*net.UDPConn)
		l.sockets = append(l.sockets, &socket{conn: udp})
		// The first socket settles the port if none was given.
		port = strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port)
	}
	return l, nil
}

// Addr is the address the listener is bound to.
func (l *Listener) Addr() netip.AddrPort {
	return l.sockets[0].conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close frees the address. [Server.Serve] does it by itself.
func (l *Listener) Close() error {
	var errs []error
	for _, k := range l.sockets {
		if err := k.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A socket is one bound UDP socket, read by one goroutine and written by many.
type socket struct {
	conn  *net.UDPConn
	drops atomic.Uint64 // as the kernel last counted them
}

// receive reads one datagram into x and notes what the reply needs.
func (k *socket) receive(x *exchange) (int, netip.AddrPort, error) {
	n, controls, _, source, err := k.conn.ReadMsgUDPAddrPort(x.buffer[:], x.control[:controlSize])
	if err != nil {
		return 0, source, err
	}
	k.readControl(x, controls)
	return n, source, nil
}

func (k *socket) send(b []byte, to netip.AddrPort, control []byte) error {
	_, _, err := k.conn.WriteMsgUDPAddrPort(b, control, to)
	return err
}

// interrupt makes the reader of k look whether it should stop.
func (k *socket) interrupt() { k.conn.SetReadDeadline(time.Unix(1, 0)) }
