package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sallyport/seal"
)

// databaseFile is the file in the data directory that shows that there is a
// database which some key must fit.
const databaseFile = "sallyport.db"

// readKEK reads the key-encryption key. A first start makes one; a database
// without its key is refused, because a new key would lock it for good.
func readKEK(path, data string) (kek seal.KEK, made bool, err error) {
	kek, err = seal.ReadKEK(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return kek, false, err
	}
	if _, err := os.Lstat(filepath.Join(data, databaseFile)); err == nil {
		return seal.KEK{}, false, fmt.Errorf("server: the key file %s is missing, and the secrets in %s cannot be read without it; put your copy of it back", path, filepath.Join(data, databaseFile))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return seal.KEK{}, false, fmt.Errorf("server: look for a database: %w", err)
	}
	kek, err = seal.CreateKEK(path)
	return kek, err == nil, err
}

// nextKEK is where a new key waits while a rotation is under way.
func nextKEK(path string) string { return path + ".next" }

// rotate puts a new key-encryption key in place of the one at path. rewrap
// wraps the data keys anew. The new key is on disk before anything depends on
// it, and the old one until nothing does: a crash in between is mended by
// finishRotation.
func rotate(path string, rewrap func(seal.KEK) error) (id string, err error) {
	next := nextKEK(path)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("server: clear the way for a new key: %w", err)
	}
	kek, err := seal.CreateKEK(next)
	if err != nil {
		return "", err
	}
	if err := rewrap(kek); err != nil {
		return "", err
	}
	if err := replace(next, path); err != nil {
		return "", err
	}
	return kek.ID(), nil
}

// finishRotation ends a rotation that a crash cut off after the data keys were
// wrapped anew: the waiting key becomes the key. It returns false if none
// waits.
func finishRotation(path string) (bool, error) {
	if _, err := seal.ReadKEK(nextKEK(path)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, replace(nextKEK(path), path)
}

func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("server: put the new key in place: %w", err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("server: put the new key in place: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("server: put the new key in place: %w", err)
	}
	return nil
}
