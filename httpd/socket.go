package httpd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// SocketName is the name of the admin socket in the data directory.
const SocketName = "admin.sock"

// ListenSocket makes the admin socket in the data directory, mode 0600, in
// place of one that a server has left behind. Whoever calls it must hold the
// data directory's lock; as a second line it refuses if somebody answers.
//
// A directory that others may write to is refused: they could put a socket of
// their own in its place and be told passwords.
func ListenSocket(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("httpd: make the admin socket: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("httpd: make the admin socket: others may write to %s; run: chmod 700 %s", dir, dir)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("httpd: make the admin socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("httpd: make the admin socket: %s is there already and no socket; move it away", path)
	default:
		if c, err := dial(context.Background(), dir); err == nil {
			c.Close()
			return nil, fmt.Errorf("httpd: make the admin socket: another server answers on %s; stop it first", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("httpd: make the admin socket: %w", err)
		}
	}
	l, err := listen(dir)
	if err != nil {
		return nil, fmt.Errorf("httpd: make the admin socket: %w", err)
	}
	// Until here the directory and the check of the peer's user stood before
	// it, as they still do.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("httpd: make the admin socket: %w", err)
	}
	return l, nil
}

// DialSocket connects to the server of a data directory. It refuses a server
// that runs as anybody but root, the owner of the directory or ourselves:
// what it will be told are passwords.
func DialSocket(ctx context.Context, dir string) (net.Conn, error) {
	c, err := dial(ctx, dir)
	if err != nil {
		return nil, err
	}
	uid, err := peerUser(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	if uid != 0 && uid != uint32(os.Geteuid()) && !owns(uid, dir) {
		c.Close()
		return nil, fmt.Errorf("httpd: the server on %s runs as uid %d, who does not own the directory", filepath.Join(dir, SocketName), uid)
	}
	return c, nil
}

// A socketListener removes its socket when it is closed.
type socketListener struct {
	*net.UnixListener
	path string
}

// Close stops listening and removes the socket.
func (l *socketListener) Close() error {
	// First the name, so that nobody finds it and waits.
	os.Remove(l.path)
	return l.UnixListener.Close()
}

// Addr names the socket by its path in the data directory.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func listen(dir string) (net.Listener, error) {
	var l *net.UnixListener
	err := withShortPath(dir, func(path string) error {
		var err error
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it knows the name only as withShortPath gave it
	return &socketListener{UnixListener: l, path: filepath.Join(dir, SocketName)}, nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	var c net.Conn
	err := withShortPath(dir, func(path string) error {
		var err error
		c, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		return err
	})
	return c, err
}
