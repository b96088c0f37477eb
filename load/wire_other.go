//go:build !linux

package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const batch = 64

// A wire is a number of connected UDP sockets, each with a goroutine that
// reads it. It costs more per packet than the one for Linux: figures from here
// are good for comparing with each other only.
type wire struct {
	refused uint64

	connections []*net.UDPConn
	arrived     chan datagram
	spare       chan []byte
	next        *datagram // taken by wait, not yet handed out
	bounced     atomic.Uint64
	readers     sync.WaitGroup
	closing     chan struct{}
}

type datagram struct {
	socket int
	octets []byte
	buffer []byte
}

func dial(server netip.AddrPort, source netip.Addr, sockets int) (*wire, error) {
	w := &wire{arrived: make(chan datagram, 4096), spare: make(chan []byte, 4096), closing: make(chan struct{})}
	var local *net.UDPAddr
	if source.IsValid() {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	for i := range sockets {
		c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(server))
		if err != nil {
			w.close()
			return nil, fmt.Errorf("load: send to %s: %w", server, err)
		}
		_ = c.SetReadBuffer(socketBuffer)
		w.connections = append(w.connections, c)
		w.readers.Go(func() { w.read(i, c) })
	}
	return w, nil
}

func (w *wire) read(socket int, c *net.UDPConn) {
	for {
		var buffer []byte
		select {
		case buffer = <-w.spare:
		default:
			buffer = make([]byte, 4096)
		}
		n, err := c.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			w.bounced.Add(1)
			select {
			case <-w.closing:
				return
			case <-time.After(time.Millisecond): // an error that stays must not spin
				continue
			}
		}
		select {
		case w.arrived <- datagram{socket, buffer[:n], buffer}:
		case <-w.closing:
			return
		}
	}
}

func (w *wire) close() {
	close(w.closing)
	for _, c := range w.connections {
		_ = c.Close()
	}
	w.readers.Wait()
}

func (w *wire) send(socket int, packets [][]byte) error {
	for _, p := range packets {
		// A datagram that cannot be sent is lost and counted as such.
		if _, err := w.connections[socket].Write(p); errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("load: send: %w", err)
		} else if err != nil {
			w.bounced.Add(1)
		}
	}
	return nil
}

func (w *wire) wait(d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case next := <-w.arrived:
		w.next = &next
	case <-timer.C:
	}
	return nil
}

func (w *wire) receive(take func(socket int, datagram []byte)) error {
	hand := func(d datagram) {
		take(d.socket, d.octets)
		select {
		case w.spare <- d.buffer:
		default:
		}
	}
	if w.next != nil {
		hand(*w.next)
		w.next = nil
	}
	w.refused = w.bounced.Load()
	for range cap(w.arrived) {
		select {
		case d := <-w.arrived:
			hand(d)
		default:
			return nil
		}
	}
	return nil
}
