package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// becomeOther gives up root's right to read everything, for this thread alone.
func becomeOther() error { return syscall.Setfsuid(65534) }

func TestReadKEKWithoutPermission(t *testing.T) {
	path := writeFile(t, fixedKeyFile, 0o000)
	var err error
	asOther(t, func() { _, err = ReadKEK(path) })
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "may not read it") {
		t.Errorf("ReadKEK = %v; want fs.ErrPermission, and advice", err)
	}
}

func TestCreateKEKWithoutPermission(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o555); err != nil {
		t.Fatal(err)
	}
	var err error
	asOther(t, func() { _, err = CreateKEK(filepath.Join(folder, "seal.key")) })
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("CreateKEK = %v; want fs.ErrPermission", err)
	}
}

// Opening a pipe would wait for somebody to write to it.
func TestReadKEKRefusesAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKEK(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("ReadKEK = %v; want it to say that this is not a file", err)
	}
}

// A disk that is full must not leave half a key behind.
func TestWriteKeyFileReportsAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	kek := KEK{key: newSecret()}
	if err := writeKeyFile(full, kek); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writeKeyFile = %v; want ENOSPC", err)
	}
}

// asOther runs f as a user who owns nothing here, on a thread that ends with it.
func asOther(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f() // not root: mode bits already apply to us
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked, so nobody else gets this thread
		err := becomeOther()
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
