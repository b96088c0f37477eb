package audit

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many octets written to a TCP connection the other
// system has not acknowledged, tcp(7): SIOCOUTQ.
func unacknowledged(c net.Conn) (n int, known bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		var failed error
		n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		known = failed == nil
	})
	return n, known && err == nil
}
