//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent does nothing here: tests that panic leave their servers behind.
func dieWithParent(*syscall.SysProcAttr) {}
