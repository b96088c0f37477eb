package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"sallyport/winreg"
)

// A RegistryFile is an export or a hive that was read, with what of the
// registry it covers: a value that is not in it is missing on the host only if
// its key, or one above, was exported.
type RegistryFile struct {
	Name string
	// Problems are what in the file could not be read.
	Problems []winreg.Problem

	registry *winreg.Registry
	// version has the key that says which Windows it is. It is read by itself,
	// because so much lies below it.
	version *winreg.Registry
	// listed are the keys, in lower case, that were exported with all below them.
	listed map[string]bool
	// doubtful are those of which a value could not be read.
	doubtful map[string]bool
}

// maxListed bounds the keys of one file that are noted as exported.
const maxListed = 100_000

// ReadRegistry reads an export (.reg) or a hive (SOFTWARE, SYSTEM, DEFAULT,
// NTUSER.DAT) of size octets. The error is winreg.ErrFormat for a file that is
// neither, or says why it could not be read. A hive of an account is taken for
// LocalSystem's if its name, in the file or of the file, is or begins with
// DEFAULT.
func ReadRegistry(name string, data io.ReaderAt, size int64) (*RegistryFile, error) {
	f := &RegistryFile{Name: name, listed: map[string]bool{}, doubtful: map[string]bool{}}
	var head [4]byte
	_, err := data.ReadAt(head[:], 0)
	hive := err == nil && string(head[:]) == "regf"
	if f.registry, f.Problems, err = winreg.Read(name, data, size, registryKeys()); err != nil {
		return nil, err
	}
	if hive && f.registry.HasKey("HKCU") && isDefault(name) {
		if f.registry, f.Problems, err = winreg.ReadHive(name, data, size, localSystem[0], registryKeys()); err != nil {
			return nil, err
		}
	}
	// What does not fit into the second reading lies below the key and is not
	// wanted; everything else has been reported by the first.
	if f.version, _, err = winreg.Read(name, data, size, []string{versionKey}); err != nil {
		return nil, err
	}
	if hive {
		f.coverHive()
		return f, nil
	}
	if err := f.coverExport(io.NewSectionReader(data, 0, size)); err != nil {
		return nil, fmt.Errorf("check: read the keys of %s: %w", name, err)
	}
	return f, nil
}

// isDefault reports whether a hive of an account is named as that of
// LocalSystem. Nothing else tells the two apart once "reg save" has written it.
func isDefault(name string) bool {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	return len(base) >= len("default") && strings.EqualFold(base[:len("default")], "default")
}

// coverHive notes where the hive belongs. One that was not read whole covers
// nothing: what is missing from it may be in what was not read.
func (f *RegistryFile) coverHive() {
	if len(f.Problems) > 0 {
		return
	}
	for _, mount := range []string{`HKLM\SOFTWARE`, `HKLM\SYSTEM`, `HKU\.DEFAULT`, `HKU\S-1-5-18`, `HKCU`} {
		if f.registry.HasKey(mount) || f.version.HasKey(mount) {
			f.listed[lowerPath(mount)] = true
		}
	}
}

// coverExport notes which keys the lines of an export name.
func (f *RegistryFile) coverExport(r io.Reader) error {
	broken := map[int]bool{}
	for _, p := range f.Problems {
		broken[p.Line] = true
	}
	lines := bufio.NewReaderSize(asUTF8(r), 64<<10)
	current := ""
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		whole := !errors.Is(err, bufio.ErrBufferFull)
		text := strings.TrimPrefix(string(line[:min(len(line), 4096)]), "\ufeff")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if whole {
			if path, ok := keyLine(text); ok {
				current = lowerPath(path)
				if relevant(current) && len(f.listed) < maxListed {
					f.listed[current] = true
				}
			}
		}
		if broken[number] && current != "" {
			f.doubtful[current] = true
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// asUTF8 decodes UTF-16 as regedit writes it; other encodings differ only
// outside of ASCII, which no key has that matters here.
func asUTF8(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	head, _ := b.Peek(2)
	switch {
	case bytes.Equal(head, []byte{0xff, 0xfe}), len(head) == 2 && head[0] != 0 && head[1] == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Reader(b)
	case bytes.Equal(head, []byte{0xfe, 0xff}), len(head) == 2 && head[0] == 0 && head[1] != 0:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder().Reader(b)
	}
	return b
}

// keyLine returns the key that a line of an export names. One that is deleted
// is none.
func keyLine(line string) (string, bool) {
	line = strings.TrimSpace(line)
	end := strings.LastIndexByte(line, ']')
	if end < 1 || line[0] != '[' || line[1] == '-' {
		return "", false
	}
	_, ok := winreg.Canonical(line[1:end])
	return line[1:end], ok
}

// relevant reports whether a key, in lower case, is one that holds a setting, or
// lies above or below such a key.
func relevant(path string) bool {
	return slices.ContainsFunc(settingKeys(), func(key string) bool { return isWithin(path, key) || isWithin(key, path) })
}

// isWithin reports whether path is top or a key below it, both in lower case.
func isWithin(path, top string) bool {
	return strings.HasPrefix(path, top) && (len(path) == len(top) || path[len(top)] == '\\')
}

// covers reports whether a value of the key would be in the file if it were in
// the registry. The path is in lower case.
func (f *RegistryFile) covers(path string) bool {
	if f.doubtful[path] {
		return false
	}
	for {
		if f.listed[path] {
			return true
		}
		cut := strings.LastIndexByte(path, '\\')
		if cut < 0 {
			return false
		}
		path = path[:cut]
	}
}

// lowerPath is a key's path in the form in which paths are compared.
func lowerPath(path string) string {
	parts, ok := winreg.Canonical(path)
	if !ok {
		return ""
	}
	return strings.ToLower(strings.Join(parts, `\`))
}
