//go:build !linux

package httpd

import (
	"errors"
	"net"
)

var errNotLinux = errors.New("httpd: the admin socket asks the kernel who connects, which is built for Linux only")

func withShortPath(string, func(path string) error) error { return errNotLinux }

func peerUser(net.Conn) (uint32, error) { return 0, errNotLinux }

func owns(uint32, string) bool { return false }
