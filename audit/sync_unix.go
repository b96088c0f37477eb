//go:build unix

package audit

import (
	"errors"
	"os"
)

// syncDirectory makes the names of new files in dir durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
