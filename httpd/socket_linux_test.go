package httpd

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "httpd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestListenSocket(t *testing.T) {
	dir := privateDir(t)
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, SocketName)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := ListenSocket(dir); err == nil || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a second ListenSocket = %v; want a refusal", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is still there after Close")
	}
}

// A server that was killed leaves its socket behind.
func TestListenSocketReplacesOneThatIsDead(t *testing.T) {
	dir := privateDir(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatalf("ListenSocket over a dead socket: %v", err)
	}
	l.Close()
}

func TestListenSocketRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(dir string) error
		want    string
	}{
		{"a directory that others may write to", func(dir string) error { return os.Chmod(dir, 0o770) }, "run: chmod 700"},
		{"a file of that name", func(dir string) error { return os.WriteFile(filepath.Join(dir, SocketName), []byte("x"), 0o600) }, "no socket; move it away"},
		{"a directory that is not there", os.Remove, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := privateDir(t)
			if err := tt.prepare(dir); err != nil {
				t.Fatal(err)
			}
			if l, err := ListenSocket(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ListenSocket = %v, %v; want %q", l, err, tt.want)
			}
		})
	}
}

// The path of a unix socket has room for 107 octets; data directories are
// deeper than that.
func TestSocketInADeepDirectory(t *testing.T) {
	dir := filepath.Join(privateDir(t), strings.Repeat("d/", 80))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan uint32)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		defer c.Close()
		uid, err := peerUser(c)
		if err != nil {
			t.Errorf("peerUser: %v", err)
		}
		accepted <- uid
	}()
	c, err := DialSocket(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if uid := <-accepted; uid != uint32(os.Getuid()) {
		t.Errorf("peerUser = %d; want %d", uid, os.Getuid())
	}
}
