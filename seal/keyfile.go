package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A KEK is the key-encryption key: 256 random bits that wrap the keys kept in
// the database, and are themselves kept outside of it, in a file. Whoever
// holds the database or a backup without that file holds no secret in clear.
//
// A KEK is a value, is read-only, and prints as "hidden". Keep it no longer
// than the call that needs it. The zero KEK wraps and unwraps nothing.
type KEK struct {
	hidden
	key secret
}

const (
	keySize = 32 // AES-256

	// A key file is one line: format name, key, checksum. The name carries the
	// version of the format, so that a later one can be told apart.
	keyFileFormat = "sallyport-kek-1"

	// keyFileMax is well above the 76 octets of a key file, and keeps us from
	// reading a disk image that was named by mistake.
	keyFileMax = 512

	idSize = 4
)

// keyText is base64 that has one spelling for each key: unused bits must be
// zero, so that a changed character is always a changed key or an error.
var keyText = base64.RawURLEncoding.Strict()

// ID returns a short name of the key, 8 hexadecimal digits of a hash, that is
// safe to print and to store. It says which key file goes with which database.
// The zero KEK has the ID "none".
func (k KEK) ID() string {
	if k.key == nil {
		return "none"
	}
	id := k.id()
	return hex.EncodeToString(id[:])
}

func (k KEK) id() [idSize]byte { return k.digest("sallyport kek id") }

// checksum finds a damaged or mistyped key file. It does not authenticate it.
func (k KEK) checksum() [idSize]byte { return k.digest("sallyport kek checksum") }

// digest gives out 32 bits of a hash of a key that has 256 bits of entropy,
// which helps nobody to find the key.
func (k KEK) digest(label string) (d [idSize]byte) {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(k.key()[:])
	copy(d[:], h.Sum(nil))
	return d
}

// CreateKEK makes a new random key and writes it to a new file at path, mode
// 0400. It returns only once file and folder entry would survive a power
// failure. It never overwrites: if path exists, errors.Is(err, fs.ErrExist).
//
// Whoever calls it should tell the administrator to keep a copy of the file
// apart from the backups of the database: without it nothing sealed can be
// opened, with both everything can.
func CreateKEK(path string) (KEK, error) {
	kek := KEK{key: newSecret()}
	rand.Read(kek.key()[:]) // never fails: without entropy the process ends

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	switch {
	case errors.Is(err, fs.ErrExist):
		return KEK{}, fmt.Errorf("seal: create key file %s: a file of that name is already there, and a key is never overwritten; "+
			"name another path: %w", path, cause(err))
	case errors.Is(err, fs.ErrNotExist):
		return KEK{}, fmt.Errorf("seal: create key file %s: its folder does not exist; create the folder first: %w", path, cause(err))
	case err != nil:
		return KEK{}, fmt.Errorf("seal: create key file %s: %w", path, cause(err))
	}
	if err := writeKeyFile(f, kek); err != nil {
		// The file is ours and nothing has been sealed under it.
		return KEK{}, fmt.Errorf("seal: create key file %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return KEK{}, fmt.Errorf("seal: create key file %s: make its folder entry durable: %w", path, errors.Join(err, os.Remove(path)))
	}
	return kek, nil
}

func writeKeyFile(f *os.File, kek KEK) error {
	_, err := f.Write(encodeKeyFile(kek))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// syncFolder makes a new name in the folder durable. Windows has no such call
// and journals names by itself.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}
	return err
}

// ReadKEK reads a key file that CreateKEK wrote. It refuses a file that is
// missing (errors.Is(err, fs.ErrNotExist)) or cannot be read, that the group
// or others may access, or whose content is not exactly one whole, undamaged
// key. Each error says what to do, and none shows any of the content.
func ReadKEK(path string) (KEK, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return KEK{}, fmt.Errorf("seal: read key file %s: %w", path, err)
	}
	defer clear(text)
	kek, err := decodeKeyFile(text)
	if err != nil {
		return KEK{}, fmt.Errorf("seal: read key file %s: %w", path, err)
	}
	return kek, nil
}

func readKeyFile(path string) ([]byte, error) {
	// Asked before opening, because opening a pipe waits for its other end.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file; name the file that holds the key")
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("it is not there; put your copy of it back, because a new key cannot open an existing database: %w", cause(err))
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("this process may not read it; make the user that runs the server its owner, with mode 0400: %w", cause(err))
	case err != nil:
		return nil, cause(err)
	}
	defer f.Close()

	// Asked again of the open file: it is this one whose content counts.
	info, err = f.Stat()
	if err != nil {
		return nil, cause(err)
	}
	// On Windows the mode says nothing about who has access.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("its mode %#o lets the group or others at it; run chmod 0400 on it, and rotate the key if others use this machine", mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileMax+1))
	if err != nil {
		return nil, cause(err)
	}
	return text, nil
}

func encodeKeyFile(kek KEK) []byte {
	sum := kek.checksum()
	return fmt.Appendf(nil, "%s %s %x\n", keyFileFormat, keyText.EncodeToString(kek.key()[:]), sum)
}

// decodeKeyFile reads the one line of a key file. White space around the line
// is allowed, since a copy may have passed through an editor or a vault.
func decodeKeyFile(text []byte) (KEK, error) {
	if len(text) > keyFileMax {
		return KEK{}, errors.New("it is too long for a key file; check the path")
	}
	line := string(bytes.TrimSpace(text))
	if line == "" {
		return KEK{}, errors.New("it is empty; put your copy of it back, or, if nothing was ever sealed under it, delete it and start again")
	}
	fields := strings.Split(line, " ")
	if fields[0] != keyFileFormat {
		return KEK{}, fmt.Errorf("it is not a key file of this release, which would start with %q; check the path", keyFileFormat)
	}
	damaged := errors.New("it is damaged or cut short; put your copy of it back")
	if len(fields) != 3 {
		return KEK{}, damaged
	}
	key, err := keyText.DecodeString(fields[1])
	defer clear(key)
	if err != nil || len(key) != keySize || strings.ContainsAny(fields[1], "\r\n") {
		return KEK{}, damaged // the decoder's own error could quote the key
	}
	kek := KEK{key: newSecret()}
	copy(kek.key()[:], key)
	want := kek.checksum()
	if subtle.ConstantTimeCompare([]byte(fields[2]), hex.AppendEncode(nil, want[:])) != 1 {
		return KEK{}, damaged
	}
	return kek, nil
}

// cause strips the operation and path, which our own sentence already names.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
