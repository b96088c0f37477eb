package pgtest

import "syscall"

// dieWithParent ends a server when the tests end that started it, however they
// end. The thread counts that starts it, which must live as long as they do.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
