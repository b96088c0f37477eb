//go:build !linux

package audit

import "net"

// unacknowledged cannot be asked here.
func unacknowledged(net.Conn) (n int, known bool) { return 0, false }
