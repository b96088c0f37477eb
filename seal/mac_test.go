package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

func TestMAC(t *testing.T) {
	v := newVault(t)
	r := v.ring(t)
	names := r.MAC("names")
	alice := names([]byte("alice"))

	if again := names([]byte("alice")); again != alice {
		t.Errorf("the same message gave %x, then %x", alice, again)
	}
	if bob := names([]byte("bob")); bob == alice {
		t.Error("two messages have one MAC")
	}
	if references := r.MAC("references")([]byte("alice")); references == alice {
		t.Error("two purposes have one key")
	}
	if foreign := newVault(t).ring(t).MAC("names")([]byte("alice")); foreign == alice {
		t.Error("two databases have one key")
	}
	if restarted := v.ring(t).MAC("names")([]byte("alice")); restarted != alice {
		t.Error("a restart changed the MAC")
	}
	v.addKeys(t)
	if err := r.Reload(v.kek, v.wrapped); err != nil {
		t.Fatal(err)
	}
	if rotated := r.MAC("names")([]byte("alice")); rotated != alice {
		t.Error("a new data key changed the MAC")
	}

	// It is plain HMAC-SHA-256 under the derived key.
	h := hmac.New(sha256.New, derive(r.keys.Load().root, nil, "sallyport mac 1\x00names"))
	h.Write([]byte("alice"))
	if want := [32]byte(h.Sum(nil)); alice != want {
		t.Errorf("MAC = %x; want %x", alice, want)
	}
}

// derive is HKDF with SHA-256: extract and expand of RFC 5869, Section 2, done by
// hand for the one block that our size needs.
func TestDerive(t *testing.T) {
	key := newSecret()
	for i := range key() {
		key()[i] = byte(i)
	}
	salt, info := []byte("a salt of sixtee"), "info"

	extract := hmac.New(sha256.New, salt)
	extract.Write(key()[:])
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write([]byte(info + "\x01"))
	want := [32]byte(expand.Sum(nil))
	if got := [32]byte(derive(key, salt, info)); got != want {
		t.Errorf("derive = %x; want %x", got, want)
	}
}

func BenchmarkMAC(b *testing.B) {
	mac := newVault(b).ring(b).MAC("names")
	message := []byte("alice@example.com")
	b.ReportAllocs()
	for b.Loop() {
		mac(message)
	}
}
