package radius

import (
	"encoding/binary"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const canShareAddress = true

// setOptions prepares a socket before it is bound. What only makes it better
// is asked for and not insisted on.
func setOptions(network string, c syscall.RawConn, shared bool) error {
	var failed error
	err := c.Control(func(descriptor uintptr) {
		fd := int(descriptor)
		if shared {
			failed = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		// The first needs a privilege; the second is cut to net.core.rmem_max.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		if strings.HasSuffix(network, "4") {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// readControl notes in x.control how the reply leaves from the address the
// datagram was sent to, and in k how many datagrams were lost so far.
// controls may lie in the memory of x.control.
func (k *socket) readControl(x *exchange, controlLength int) {
	controls := x.control[:controlLength]
	x.control = x.control[:0]
	for len(controls) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(controls)
		if err != nil {
			return
		}
		switch {
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			// 32 bits in the kernel; only the reader of k writes it here.
			drops := k.drops.Load()
			k.drops.Store(drops + uint64(binary.NativeEndian.Uint32(data)-uint32(drops)))
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= 12:
			// struct in_pktinfo: interface, our address, the header's address.
			// The interface is left to routing.
			clear(data[0:4])
			clear(data[8:12])
			keepControl(x, controls, rest)
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= 20:
			// struct in6_pktinfo: our address, interface. Link-local addresses
			// mean something only together with their interface.
			if !(data[0] == 0xfe && data[1]&0xc0 == 0x80) {
				clear(data[16:20])
			}
			keepControl(x, controls, rest)
		}
		controls = rest
	}
}

// keepControl moves the first message of controls, which ends where rest
// begins, to the front of x.control.
func keepControl(x *exchange, controls, rest []byte) {
	x.control = append(x.control[:0], controls[:len(controls)-len(rest)]...)
}
