package httpd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSocketPath is how long the path of a unix socket can be on Linux,
// unix(7): sun_path has 108 octets, one of them for the end.
const maxSocketPath = 107

// withShortPath calls use with a path of dir's socket that is short enough for
// the kernel: the path itself or, if that is too long, one that goes by an
// open descriptor of the directory.
func withShortPath(dir string, use func(path string) error) error {
	path := filepath.Join(dir, SocketName)
	if len(path) <= maxSocketPath {
		return use(path)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", fd, SocketName))
}

// peerUser returns the user at the other end of a unix socket, as the kernel
// noted it when the connection was made (SO_PEERCRED, unix(7)).
func peerUser(c net.Conn) (uid uint32, err error) {
	conn, ok := c.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("httpd: ask who connects: %T has no descriptor", c)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("httpd: ask who connects: %w", err)
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, fmt.Errorf("httpd: ask who connects: %w", err)
	}
	if failed != nil {
		return 0, fmt.Errorf("httpd: ask who connects: %w", failed)
	}
	return cred.Uid, nil
}

// owns reports whether the user owns the directory.
func owns(uid uint32, dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Uid == uid
}
