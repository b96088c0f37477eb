//go:build unix

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock that f stands for, or reports false if another
// process has it. The lock ends with f, and with the process, however that
// ends.
func lockFile(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}
