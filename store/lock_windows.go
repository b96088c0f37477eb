package store

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the lock that f stands for, or reports false if another
// process has it. The lock ends with f, and with the process, however that
// ends.
func lockFile(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if err == windows.ERROR_LOCK_VIOLATION {
		return false, nil
	}
	return err == nil, err
}
