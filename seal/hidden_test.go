package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// spellings returns the ways in which octets show up in logs and dumps.
func spellings(secret []byte) []string {
	var big, little []uint32 // as the round keys of AES begin
	for word := range slices.Chunk(secret[:len(secret)/4*4], 4) {
		big = append(big, binary.BigEndian.Uint32(word))
		little = append(little, binary.LittleEndian.Uint32(word))
	}
	list := strings.Trim(fmt.Sprint(secret), "[]") // as %v prints a byte slice
	return []string{
		string(secret),
		hex.EncodeToString(secret),
		strings.ToUpper(hex.EncodeToString(secret)),
		strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="),
		base64.RawURLEncoding.EncodeToString(secret),
		list,
		strings.Trim(fmt.Sprint(big), "[]"),
		strings.Trim(fmt.Sprint(little), "[]"),
		strings.ReplaceAll(list, " ", ", "), // as %#v and some encoders do
		strings.ReplaceAll(list, " ", ","),
	}
}

// Neither keys nor what holds them, alone or inside other values, nor any error,
// show a key or a plaintext, however they are printed, logged or encoded.
func TestSecretsDoNotPrint(t *testing.T) {
	v := newVault(t)
	r := v.ring(t)
	plaintext := []byte("canary plaintext 0123456789")
	sealed := mustSeal(t, r, phone, string(plaintext))
	wantOpen(t, r, phone, sealed, string(plaintext)) // so that an opener is kept

	secrets := [][]byte{v.kek.key()[:], r.keys.Load().root()[:], plaintext}
	for id, key := range r.keys.Load().data {
		secrets = append(secrets, key()[:])
		if id == header(sealed).keyID() {
			secrets = append(secrets, derive(key, sealed[5:headerSize], "sallyport seal 1"))
		}
	}
	if len(secrets) != 5 {
		t.Fatalf("%d secrets to look for; want 5", len(secrets))
	}

	type holder struct {
		kek  KEK // unexported: fmt walks it without asking its methods
		ring *Keyring
		mac  func([]byte) [32]byte
	}
	in := holder{v.kek, r, r.MAC("names")}
	values := []any{v.kek, &v.kek, r, in, &in, []any{v.kek, r}, map[string]any{"kek": v.kek, "ring": r}, r.keys.Load()}

	var printed []string
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "value", value)
		printed = append(printed, logged.String())
	}
	for _, value := range []any{v.kek, &v.kek, r, []any{v.kek, r}} {
		j, err := json.Marshal(value)
		if err != nil || !strings.Contains(string(j), `"hidden"`) {
			t.Errorf("json.Marshal(%T) = %s, %v", value, j, err)
		}
		x, err := xml.Marshal(value)
		if err != nil || !strings.Contains(string(x), "hidden") {
			t.Errorf("xml.Marshal(%T) = %s, %v", value, x, err)
		}
		printed = append(printed, string(j), string(x))
	}
	for _, err := range everyError(t, v, r, sealed) {
		printed = append(printed, err.Error(), fmt.Sprintf("%#v", err))
	}

	for _, secret := range secrets {
		for _, spelled := range spellings(secret) {
			for _, p := range printed {
				if strings.Contains(p, spelled) {
					t.Errorf("a secret shows as %q in %q", spelled, p)
				}
			}
		}
	}
	for _, value := range []any{v.kek, &v.kek, r} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if got := fmt.Sprintf(verb, value); got != "hidden" {
				t.Errorf("Sprintf(%q, %T) = %q; want hidden", verb, value, got)
			}
		}
	}
	if v.kek.String() != "hidden" || r.GoString() != "hidden" {
		t.Error("String or GoString is not hidden")
	}
}

// everyError provokes each error of this package, with secrets in reach.
func everyError(t *testing.T, v *vault, r *Keyring, sealed []byte) []error {
	t.Helper()
	other := newVault(t)
	var errs []error
	collect := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("this was to fail")
			return
		}
		errs = append(errs, err)
	}
	try := func(_ any, err error) { t.Helper(); collect(err) }

	try(r.Open(Binding{"t", "c", "other"}, sealed))
	try(r.Open(phone, sealed[:10]))
	try(r.Open(Binding{}, sealed))
	try(r.Seal(Binding{}, []byte("canary plaintext 0123456789")))
	try(other.ring(t).Open(phone, sealed))
	try(NewKeyring(other.kek, v.wrapped))
	try(NewKeyring(v.kek, v.wrapped[:1]))
	try(NewKeyring(v.kek, nil))
	try(NewKeyring(KEK{}, v.wrapped))
	try(NewKeys(other.kek, v.wrapped))
	try(Rewrap(other.kek, v.kek, v.wrapped))
	try(Rewrap(v.kek, KEK{}, v.wrapped))
	collect(r.Reload(other.kek, other.wrapped))
	broken := bytes.Clone(v.wrapped[1])
	broken[40] ^= 1
	try(NewKeyring(v.kek, [][]byte{v.wrapped[0], broken}))

	file := string(encodeKeyFile(v.kek))
	for _, text := range []string{
		file[:50], file + "x", strings.Replace(file, " ", "  ", 1), strings.TrimSpace(file) + "0",
		strings.Replace(file, keyFileFormat, "", 1), strings.Replace(file, " ", " !", 1),
	} {
		try(ReadKEK(writeFile(t, text, 0o400)))
	}
	try(ReadKEK(writeFile(t, file, 0o444)))
	try(CreateKEK(writeFile(t, file, 0o400)))
	return errs
}
