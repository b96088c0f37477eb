//go:build !linux

package radius

import "syscall"

const canShareAddress = false

// setOptions has nothing to set here: a server bound to all addresses of a
// host with several should be given one listener for each.
func setOptions(string, syscall.RawConn, bool) error { return nil }

func (k *socket) readControl(x *exchange, _ int) { x.control = x.control[:0] }
