package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// A vault is a key-encryption key and the wrapped keys of one database.
type vault struct {
	kek     KEK
	wrapped [][]byte
}

func newVault(t testing.TB) *vault {
	t.Helper()
	kek, err := CreateKEK(t.TempDir() + "/seal.key")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{kek: kek}
	v.addKeys(t)
	return v
}

// addKeys does what the store does in one transaction.
func (v *vault) addKeys(t testing.TB) {
	t.Helper()
	added, err := NewKeys(v.kek, v.wrapped)
	if err != nil {
		t.Fatal(err)
	}
	v.wrapped = append(v.wrapped, added...)
}

func (v *vault) ring(t testing.TB) *Keyring {
	t.Helper()
	r, err := NewKeyring(v.kek, v.wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustSeal(t testing.TB, r *Keyring, b Binding, plaintext string) []byte {
	t.Helper()
	sealed, err := r.Seal(b, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t testing.TB, r *Keyring, b Binding, sealed []byte, want string) {
	t.Helper()
	got, err := r.Open(b, sealed)
	if err != nil || string(got) != want {
		t.Fatalf("Open(%v) = %q, %v; want %q, nil", b, got, err, want)
	}
}

func wantRefused(t testing.TB, r *Keyring, b Binding, sealed []byte, want error) {
	t.Helper()
	if got, err := r.Open(b, sealed); !errors.Is(err, want) || got != nil {
		t.Fatalf("Open(%v) = %q, %v; want nil, %v", b, got, err, want)
	}
}

var phone = Binding{"authenticator", "state", "a1"}

// What is sealed opens, is longer by Overhead, and never looks the same twice.
func TestSealOpen(t *testing.T) {
	r := newVault(t).ring(t)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringN(1, -1, -1)
		b := Binding{part.Draw(t, "table"), part.Draw(t, "column"), part.Draw(t, "id")}
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		sealed, err := r.Seal(b, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(plaintext)+Overhead {
			t.Fatalf("Seal made %d octets of %d; want %d more", len(sealed), len(plaintext), Overhead)
		}
		got, err := r.Open(b, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Open = %x, %v; want %x", got, err, plaintext)
		}
		again, err := r.Seal(b, plaintext)
		if err != nil || bytes.Equal(sealed[headerSize:], again[headerSize:]) {
			t.Fatalf("sealing again gave %x, %v; want other octets", again, err)
		}
		prefix := []byte("prefix")
		appended, err := r.OpenAppend(prefix, b, again)
		if err != nil || string(appended) != "prefix"+string(plaintext) {
			t.Fatalf("OpenAppend = %x, %v", appended, err)
		}
	})
}

// No single changed bit, and no cut, opens.
func TestEveryBitCounts(t *testing.T) {
	r := newVault(t).ring(t)
	sealed := mustSeal(t, r, phone, "12345678901234567890")
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			got, err := r.Open(phone, changed)
			if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrUnknownKey) || got != nil {
				t.Errorf("with bit %d of octet %d changed, Open = %q, %v", bit, i, got, err)
			}
		}
		wantRefused(t, r, phone, sealed[:i], ErrTampered)
	}
	wantRefused(t, r, phone, append(bytes.Clone(sealed), 0), ErrTampered)
	wantRefused(t, r, phone, nil, ErrTampered)
	wantOpen(t, r, phone, sealed, "12345678901234567890")
}

func TestSwappedRecordsDoNotOpen(t *testing.T) {
	r := newVault(t).ring(t)
	sealed := mustSeal(t, r, Binding{"ab", "c", "d"}, "secret")
	tests := []struct {
		name string
		b    Binding
	}{
		{"another row", Binding{"ab", "c", "e"}},
		{"another column", Binding{"ab", "x", "d"}},
		{"another table", Binding{"xy", "c", "d"}},
		{"the same letters, divided elsewhere", Binding{"a", "bc", "d"}},
		{"the same letters, all moved on", Binding{"ab", "cd", "d"}},
		{"a longer row", Binding{"ab", "c", "d\x00"}},
		{"another case", Binding{"ab", "c", "D"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantRefused(t, r, tt.b, sealed, ErrTampered) })
	}
	wantOpen(t, r, Binding{"ab", "c", "d"}, sealed, "secret")
}

func TestIncompleteBindingIsRefused(t *testing.T) {
	r := newVault(t).ring(t)
	sealed := mustSeal(t, r, phone, "secret")
	for _, b := range []Binding{{}, {"", "c", "d"}, {"t", "", "d"}, {"t", "c", ""}} {
		if got, err := r.Seal(b, []byte("secret")); err == nil || got != nil {
			t.Errorf("Seal(%q) = %x, %v; want an error", b, got, err)
		}
		if got, err := r.Open(b, sealed); err == nil || got != nil {
			t.Errorf("Open(%q) = %x, %v; want an error", b, got, err)
		}
		if got, changed, err := r.Reseal(b, sealed); err == nil || changed || got != nil {
			t.Errorf("Reseal(%q) = %x, %t, %v; want an error", b, got, changed, err)
		}
	}
}

// A failed OpenAppend leaves what was there, and nothing of the secret behind it.
func TestOpenAppendFailureLeavesNoPlaintext(t *testing.T) {
	r := newVault(t).ring(t)
	sealed := mustSeal(t, r, phone, strings.Repeat("canary", 20))
	sealed[len(sealed)-1] ^= 1
	room := make([]byte, 256)
	copy(room, "prefix")
	if _, err := r.OpenAppend(room[:6], phone, sealed); !errors.Is(err, ErrTampered) {
		t.Fatalf("OpenAppend = %v; want ErrTampered", err)
	}
	if string(room[:6]) != "prefix" || bytes.Contains(room, []byte("canary")) {
		t.Errorf("after a failed OpenAppend the buffer holds %q", room)
	}
}

func TestDataKeyRotation(t *testing.T) {
	v := newVault(t)
	here, there := v.ring(t), v.ring(t) // two nodes on one database
	old := mustSeal(t, here, phone, "old")
	if here.NeedsReseal(old) {
		t.Error("a record under the only data key needs no resealing")
	}

	before := v.wrapped
	v.addKeys(t)
	if err := here.Reload(v.kek, v.wrapped); err != nil {
		t.Fatal(err)
	}
	fresh := mustSeal(t, here, phone, "new")
	wantOpen(t, here, phone, old, "old")
	wantOpen(t, here, phone, fresh, "new")

	// The other node hears of it when it meets such a record.
	wantRefused(t, there, phone, fresh, ErrUnknownKey)
	if err := there.Reload(v.kek, v.wrapped); err != nil {
		t.Fatal(err)
	}
	wantOpen(t, there, phone, fresh, "new")

	// A list that was read too early takes nothing away.
	if err := here.Reload(v.kek, before); err != nil {
		t.Fatal(err)
	}
	wantOpen(t, here, phone, fresh, "new")
	if sealed := mustSeal(t, here, phone, "newer"); here.NeedsReseal(sealed) {
		t.Error("after a stale Reload, records are sealed under the old data key")
	}

	if !here.NeedsReseal(old) || here.NeedsReseal(fresh) {
		t.Errorf("NeedsReseal(old), (new) = %t, %t; want true, false", here.NeedsReseal(old), here.NeedsReseal(fresh))
	}
	moved, changed, err := here.Reseal(phone, old)
	if err != nil || !changed || here.NeedsReseal(moved) {
		t.Fatalf("Reseal = changed %t, %v; want it moved", changed, err)
	}
	wantOpen(t, there, phone, moved, "old")
	if same, changed, err := here.Reseal(phone, moved); err != nil || changed || !bytes.Equal(same, moved) {
		t.Errorf("Reseal of a moved record = changed %t, %v; want it as it was", changed, err)
	}
	if _, changed, err := here.Reseal(Binding{"authenticator", "state", "a2"}, old); !errors.Is(err, ErrTampered) || changed {
		t.Errorf("Reseal in another row = changed %t, %v; want ErrTampered", changed, err)
	}
	if !here.NeedsReseal(nil) {
		t.Error("NeedsReseal(nil) = false; want Reseal to look at it and refuse")
	}
}

// Two nodes that rotate at once add two keys of one generation; all nodes must
// still open everything and agree on the newest.
func TestConcurrentRotationsAgree(t *testing.T) {
	v := newVault(t)
	one, err := NewKeys(v.kek, v.wrapped)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewKeys(v.kek, v.wrapped)
	if err != nil {
		t.Fatal(err)
	}
	a, b := v.ring(t), v.ring(t)
	for _, step := range []struct {
		ring  *Keyring
		added [][]byte
	}{{a, one}, {a, two}, {b, two}, {b, one}} {
		if err := step.ring.Reload(v.kek, append(v.wrapped[:2:2], step.added...)); err != nil {
			t.Fatal(err)
		}
	}
	sealed := mustSeal(t, a, phone, "secret")
	wantOpen(t, b, phone, sealed, "secret")
	if b.NeedsReseal(sealed) {
		t.Error("the two nodes do not agree on the newest data key")
	}
}

func TestKEKRotation(t *testing.T) {
	v := newVault(t)
	v.addKeys(t)
	r := v.ring(t)
	sealed := mustSeal(t, r, phone, "secret")
	mac := r.MAC("names")([]byte("alice"))

	next, err := CreateKEK(t.TempDir() + "/next.key")
	if err != nil {
		t.Fatal(err)
	}
	rewrapped, err := Rewrap(v.kek, next, v.wrapped)
	if err != nil || len(rewrapped) != len(v.wrapped) {
		t.Fatalf("Rewrap = %d keys, %v; want %d", len(rewrapped), err, len(v.wrapped))
	}
	old := v.kek
	v.kek, v.wrapped = next, rewrapped
	renewed := v.ring(t)
	wantOpen(t, renewed, phone, sealed, "secret")
	if renewed.NeedsReseal(sealed) {
		t.Error("a new key-encryption key touches no record, but NeedsReseal says so")
	}
	if renewed.MAC("names")([]byte("alice")) != mac {
		t.Error("a new key-encryption key changed a MAC")
	}
	if err := r.Reload(next, rewrapped); err != nil {
		t.Errorf("Reload under the new key-encryption key: %v", err)
	}

	_, err = NewKeyring(old, rewrapped)
	if !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), next.ID()) || !strings.Contains(err.Error(), old.ID()) {
		t.Errorf("NewKeyring with the old key file = %v; want ErrWrongKey, naming %s and %s", err, next.ID(), old.ID())
	}
	if _, err := Rewrap(old, next, rewrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Rewrap from the wrong key = %v; want ErrWrongKey", err)
	}
	if _, err := NewKeys(old, rewrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("NewKeys with the wrong key = %v; want ErrWrongKey", err)
	}
	if err := r.Reload(old, rewrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Reload with the wrong key = %v; want ErrWrongKey", err)
	}
	wantOpen(t, r, phone, sealed, "secret") // a refused Reload changes nothing
}

func TestKeyringRefuses(t *testing.T) {
	v, other := newVault(t), newVault(t)
	foreign, err := Rewrap(other.kek, v.kek, other.wrapped)
	if err != nil {
		t.Fatal(err)
	}
	rewrapped := func(from []byte, change func(*plainKey)) []byte {
		p, err := v.kek.unwrap(from)
		if err != nil {
			t.Fatal(err)
		}
		change(&p)
		w, err := v.kek.wrap(p)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	root, data := v.wrapped[0], v.wrapped[1]
	sameID := rewrapped(data, func(p *plainKey) { p.key = newSecret() })
	oddKind := rewrapped(data, func(p *plainKey) { p.kind = 'x' })

	tests := []struct {
		name    string
		kek     KEK
		wrapped [][]byte
		want    error // nil: any error
	}{
		{"no keys", v.kek, nil, nil},
		{"zero KEK", KEK{}, v.wrapped, ErrWrongKey},
		{"another KEK", other.kek, v.wrapped, ErrWrongKey},
		{"root key missing", v.kek, [][]byte{data}, ErrTampered},
		{"data keys missing", v.kek, [][]byte{root}, ErrTampered},
		{"two root keys", v.kek, [][]byte{root, data, foreign[0]}, ErrTampered},
		{"two data keys of one ID", v.kek, [][]byte{root, data, sameID}, ErrTampered},
		{"a kind that does not exist", v.kek, [][]byte{root, data, oddKind}, ErrTampered},
		{"an empty row", v.kek, [][]byte{root, data, {}}, ErrTampered},
		{"a row cut short", v.kek, [][]byte{root, data[:len(data)-1]}, ErrTampered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewKeyring(tt.kek, tt.wrapped)
			if err == nil || r != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("NewKeyring = %v, %v; want %v", r, err, tt.want)
			}
		})
	}

	t.Run("any changed bit of a wrapped key", func(t *testing.T) {
		for i := range data {
			for bit := range 8 {
				changed := bytes.Clone(data)
				changed[i] ^= 1 << bit
				_, err := NewKeyring(v.kek, [][]byte{root, changed})
				if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrWrongKey) {
					t.Errorf("with bit %d of octet %d changed: %v", bit, i, err)
				}
			}
		}
	})
	t.Run("reload of another database's keys", func(t *testing.T) {
		r := v.ring(t)
		if err := r.Reload(v.kek, foreign); err == nil {
			t.Error("Reload accepted them")
		}
		wantOpen(t, r, phone, mustSeal(t, r, phone, "secret"), "secret")
	})
	t.Run("reload of a changed data key", func(t *testing.T) {
		if err := v.ring(t).Reload(v.kek, [][]byte{root, sameID}); !errors.Is(err, ErrTampered) {
			t.Errorf("Reload = %v; want ErrTampered", err)
		}
	})
	t.Run("first keys without a KEK", func(t *testing.T) {
		if added, err := NewKeys(KEK{}, nil); !errors.Is(err, ErrWrongKey) || added != nil {
			t.Errorf("NewKeys(zero KEK) = %x, %v; want ErrWrongKey", added, err)
		}
	})
	t.Run("a row that is there twice is the same key", func(t *testing.T) {
		if _, err := NewKeyring(v.kek, [][]byte{root, data, root, data}); err != nil {
			t.Error(err)
		}
	})
}

// The limit of seals for one key holds under concurrent use, and reaching it
// is not noticed by the caller.
func TestSealingKeyIsReplacedAtItsLimit(t *testing.T) {
	v := newVault(t)
	r := v.ring(t)
	if r.limit != 1<<32 {
		t.Errorf("a Keyring allows %d seals for a key; want 2^32", r.limit)
	}
	r.limit = 10
	const workers, each = 8, 25
	used := make([]map[header]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		used[w] = make(map[header]int)
		wg.Go(func() {
			for i := range each {
				b := Binding{"t", "c", fmt.Sprint(w, i)}
				sealed, err := r.Seal(b, []byte("secret"))
				if err != nil {
					t.Error(err)
					return
				}
				used[w][header(sealed)]++
				if got, err := r.Open(b, sealed); err != nil || string(got) != "secret" {
					t.Errorf("Open = %q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	total := make(map[header]int)
	for _, m := range used {
		for h, n := range m {
			total[h] += n
		}
	}
	for h, n := range total {
		if n > 10 {
			t.Errorf("%d records were sealed under one key (%x); want at most 10", n, h)
		}
	}
	if want := workers * each / 10; len(total) != want {
		t.Errorf("%d seals used %d keys; want %d", workers*each, len(total), want)
	}
}

// Each process seals under a key of its own.
func TestKeyringsDoNotShareSealingKeys(t *testing.T) {
	v := newVault(t)
	a, b := mustSeal(t, v.ring(t), phone, "x"), mustSeal(t, v.ring(t), phone, "x")
	if header(a) == header(b) {
		t.Errorf("two Keyrings of one database use the same sealing key %x", header(a))
	}
}

// Made-up headers do not fill the memory, and genuine ones not without bound.
func TestOpenersAreBounded(t *testing.T) {
	v := newVault(t)
	r := v.ring(t)
	sealed := mustSeal(t, r, phone, "secret")
	for i := range 100 {
		forged := bytes.Clone(sealed)
		forged[headerSize-1] ^= byte(i + 1)
		wantRefused(t, r, phone, forged, ErrTampered)
	}
	if len(r.openers) != 0 {
		t.Errorf("%d forged headers are kept", len(r.openers))
	}
	for i := range openersKept {
		r.openers[header{1, byte(i >> 8), byte(i)}] = nil
	}
	wantOpen(t, r, phone, sealed, "secret")
	wantOpen(t, r, phone, sealed, "secret")
	if len(r.openers) != 1 {
		t.Errorf("%d openers are kept; want only the one just used", len(r.openers))
	}
}

func TestConcurrentUse(t *testing.T) {
	v := newVault(t)
	r := v.ring(t)
	r.limit = 50
	old := mustSeal(t, r, phone, "old")
	mac := r.MAC("names")
	want := mac([]byte("alice"))

	lists := [][][]byte{v.wrapped}
	for range 5 {
		v.addKeys(t)
		lists = append(lists, slices.Clone(v.wrapped))
	}
	var wg sync.WaitGroup
	for _, list := range lists {
		wg.Go(func() {
			if err := r.Reload(v.kek, list); err != nil {
				t.Error(err)
			}
		})
	}
	for w := range 4 {
		wg.Go(func() {
			b := Binding{"t", "c", fmt.Sprint(w)}
			for range 200 {
				sealed, err := r.Seal(b, []byte("secret"))
				if err != nil {
					t.Error(err)
					return
				}
				moved, _, err := r.Reseal(b, sealed)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := r.Open(b, moved); err != nil || string(got) != "secret" {
					t.Errorf("Open = %q, %v", got, err)
				}
				if got, err := r.Open(phone, old); err != nil || string(got) != "old" {
					t.Errorf("Open = %q, %v", got, err)
				}
				if mac([]byte("alice")) != want || r.MAC("names")([]byte("alice")) != want {
					t.Error("a MAC changed")
				}
			}
		})
	}
	wg.Wait()
	if sealed := mustSeal(t, r, phone, "x"); header(sealed).keyID() != r.keys.Load().newest.id {
		t.Error("after all Reloads, records are not sealed under the newest data key")
	}
}

// FuzzOpen checks that of all octets and places, only what Seal made opens, and
// only in its own place, and that what it opens to is what was sealed.
func FuzzOpen(f *testing.F) {
	r := newVault(f).ring(f)
	const secret = "12345678901234567890"
	f.Add([]byte{}, uint16(0), int16(0), "authenticator", "state", "a1")        // as it was
	f.Add([]byte{1}, uint16(0), int16(0), "authenticator", "state", "a1")       // version
	f.Add([]byte{1}, uint16(1), int16(0), "authenticator", "state", "a1")       // data key
	f.Add([]byte{1}, uint16(5), int16(0), "authenticator", "state", "a1")       // salt
	f.Add([]byte{1}, uint16(21), int16(0), "authenticator", "state", "a1")      // nonce
	f.Add([]byte{1}, uint16(33), int16(0), "authenticator", "state", "a1")      // ciphertext
	f.Add([]byte{1}, uint16(68), int16(0), "authenticator", "state", "a1")      // tag
	f.Add([]byte{}, uint16(0), int16(-1), "authenticator", "state", "a1")       // cut
	f.Add([]byte{}, uint16(0), int16(1), "authenticator", "state", "a1")        // longer
	f.Add([]byte{}, uint16(0), int16(0), "authenticator", "statea", "1")        // shifted place
	f.Add([]byte{}, uint16(0), int16(0), "account", "state", "a1")              // another table
	f.Add([]byte("whole"), uint16(0), int16(-69), "authenticator", "state", "") // nothing left
	f.Fuzz(func(t *testing.T, patch []byte, at uint16, resize int16, table, column, id string) {
		sealed := mustSeal(t, r, phone, secret)
		input := bytes.Clone(sealed)
		if resize < 0 {
			input = input[:max(0, len(input)+int(resize))]
		} else {
			input = append(input, make([]byte, resize)...)
		}
		for i, p := range patch {
			if j := int(at) + i; j < len(input) {
				input[j] ^= p
			}
		}
		b := Binding{table, column, id}
		got, err := r.Open(b, input)
		genuine := bytes.Equal(input, sealed) && b == phone
		if genuine != (err == nil) {
			t.Fatalf("Open(%q, %x) = %q, %v; genuine: %t", b, input, got, err, genuine)
		}
		if err == nil && string(got) != secret || err != nil && got != nil {
			t.Fatalf("Open(%q, %x) = %q, %v", b, input, got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := newVault(b).ring(b)
	plaintext := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal(phone, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	r := newVault(b).ring(b)
	sealed := mustSeal(b, r, phone, strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(phone, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenAppend(b *testing.B) {
	r := newVault(b).ring(b)
	sealed := mustSeal(b, r, phone, strings.Repeat("x", 100))
	room := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.OpenAppend(room, phone, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// The first record of another process's sealing key costs a derivation.
func BenchmarkOpenFirstOfAnotherProcess(b *testing.B) {
	v := newVault(b)
	r := v.ring(b)
	sealed := mustSeal(b, v.ring(b), phone, strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		clear(r.openers)
		if _, err := r.Open(phone, sealed); err != nil {
			b.Fatal(err)
		}
	}
}
