//go:build !unix

package audit

// syncDirectory does nothing: there is no such thing here.
func syncDirectory(string) error { return nil }
