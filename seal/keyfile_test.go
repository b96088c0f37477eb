package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCreateAndReadKEK(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	made, err := CreateKEK(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadKEK(path)
	if err != nil {
		t.Fatal(err)
	}
	if *made.key() != *read.key() || made.ID() != read.ID() {
		t.Errorf("ReadKEK gave key %s; want the key %s that was created", read.ID(), made.ID())
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(made.ID()) {
		t.Errorf("ID = %q; want 8 hexadecimal digits", made.ID())
	}
	if id := (KEK{}).ID(); id != "none" {
		t.Errorf("ID of the zero KEK = %q; want none", id)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o400 {
		t.Errorf("mode = %v, %v; want 0400", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !regexp.MustCompile(`^sallyport-kek-1 [A-Za-z0-9_-]{43} [0-9a-f]{8}\n$`).Match(text) {
		t.Errorf("the key file does not have its format (%d octets, %v)", len(text), err)
	}

	if again, err := CreateKEK(path); !errors.Is(err, fs.ErrExist) || again.key != nil {
		t.Errorf("CreateKEK over an existing file = %v; want fs.ErrExist", err)
	}
	if unharmed, err := os.ReadFile(path); err != nil || string(unharmed) != string(text) {
		t.Errorf("CreateKEK over an existing file changed it (%v)", err)
	}
	if _, err := CreateKEK(filepath.Join(t.TempDir(), "no", "seal.key")); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "create the folder first") {
		t.Errorf("CreateKEK without its folder = %v; want fs.ErrNotExist, and advice", err)
	}
	other, err := CreateKEK(filepath.Join(t.TempDir(), "seal.key"))
	if err != nil || *other.key() == *made.key() {
		t.Errorf("two created keys are the same (%v)", err)
	}
}

// A fixed key, so that files of this release open in the next.
const (
	fixedChecksum = "7ac21e75"
	fixedKeyText  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	fixedKeyFile  = "sallyport-kek-1 " + fixedKeyText + " " + fixedChecksum + "\n"
)

func writeFile(t testing.TB, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadKEK(t *testing.T) {
	tests := []struct {
		name string
		text string
		mode fs.FileMode
		want string // part of the error; "" means it opens
	}{
		{"as written", fixedKeyFile, 0o400, ""},
		{"owner may write", fixedKeyFile, 0o600, ""},
		{"without the newline", strings.TrimSpace(fixedKeyFile), 0o400, ""},
		{"with a Windows line end", strings.TrimSpace(fixedKeyFile) + "\r\n", 0o400, ""},
		{"group may read", fixedKeyFile, 0o440, "chmod 0400"},
		{"others may read", fixedKeyFile, 0o404, "chmod 0400"},
		{"group may write", fixedKeyFile, 0o420, "chmod 0400"},
		{"empty", "", 0o400, "it is empty"},
		{"only white space", " \n\n", 0o400, "it is empty"},
		{"too long", fixedKeyFile + strings.Repeat("\n", keyFileMax), 0o400, "too long"},
		{"another kind of file", "-----BEGIN PRIVATE KEY-----\n", 0o400, "not a key file"},
		{"a later format", strings.Replace(fixedKeyFile, "kek-1", "kek-2", 1), 0o400, "not a key file"},
		{"no checksum", "sallyport-kek-1 " + fixedKeyText, 0o400, "damaged"},
		{"a word too many", strings.TrimSpace(fixedKeyFile) + " x", 0o400, "damaged"},
		{"two lines", fixedKeyFile + fixedKeyFile, 0o400, "damaged"},
		{"one letter of the key changed", strings.Replace(fixedKeyFile, "AAEC", "AAED", 1), 0o400, "damaged"},
		{"one digit of the checksum changed", strings.Replace(fixedKeyFile, " "+fixedChecksum, " 0"+fixedChecksum[1:], 1), 0o400, "damaged"},
		{"checksum in capitals", strings.Replace(fixedKeyFile, fixedChecksum, strings.ToUpper(fixedChecksum), 1), 0o400, "damaged"},
		{"key cut short", "sallyport-kek-1 " + fixedKeyText[:40] + " " + fixedChecksum, 0o400, "damaged"},
		{"key too long", "sallyport-kek-1 " + fixedKeyText + "AAAA " + fixedChecksum, 0o400, "damaged"},
		{"not base64", strings.Replace(fixedKeyFile, "AAEC", "A*EC", 1), 0o400, "damaged"},
		{"unused bits set", strings.Replace(fixedKeyFile, "Hh8 ", "Hh9 ", 1), 0o400, "damaged"},
		{"line break in the key", strings.Replace(fixedKeyFile, "AAEC", "AA\nEC", 1), 0o400, "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, tt.text, tt.mode)
			kek, err := ReadKEK(path)
			if tt.want == "" {
				if err != nil || kek.key == nil || kek.key()[31] != 31 {
					t.Errorf("ReadKEK = %v; want the key", err)
				}
				return
			}
			if err == nil || kek.key != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("ReadKEK = %v; want an error with path and %q", err, tt.want)
			}
		})
	}

	// A power failure may leave any part of a file.
	t.Run("cut anywhere", func(t *testing.T) {
		whole := strings.TrimSpace(fixedKeyFile)
		for n := range len(whole) {
			if _, err := ReadKEK(writeFile(t, whole[:n], 0o400)); err == nil {
				t.Errorf("the first %d of %d octets were taken for a key", n, len(whole))
			}
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, err := ReadKEK(filepath.Join(t.TempDir(), "seal.key"))
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "put your copy of it back") {
			t.Errorf("ReadKEK = %v; want fs.ErrNotExist, and advice", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if _, err := ReadKEK(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("ReadKEK = %v; want it to say that this is not a file", err)
		}
	})
	t.Run("a symbolic link to a good file", func(t *testing.T) { // as container platforms mount secrets
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(writeFile(t, fixedKeyFile, 0o400), link); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKEK(link); err != nil {
			t.Error(err)
		}
	})
}

// FuzzKeyFile checks that a text taken for a key is that key's own text, white
// space around it aside, and that no error quotes a key.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(fixedKeyFile))
	f.Add([]byte(strings.TrimSpace(fixedKeyFile)))
	f.Add([]byte("sallyport-kek-1 " + fixedKeyText))
	f.Add([]byte("sallyport-kek-1  " + fixedChecksum))
	f.Add([]byte("sallyport-kek-2 x y"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		kek, err := decodeKeyFile(text)
		if err != nil {
			if strings.Contains(err.Error(), fixedKeyText) {
				t.Errorf("the error quotes the key: %v", err)
			}
			return
		}
		if got, want := string(encodeKeyFile(kek)), strings.TrimSpace(string(text))+"\n"; got != want {
			t.Errorf("%q was taken for a key whose file is %q", text, got)
		}
	})
}
