package webauthn

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"pgregory.net/rapid"

	"sallyport/auth"
	"sallyport/auth/authtest"
	"sallyport/factor/webauthn/webauthntest"
)

const (
	rpID    = "login.example.org"
	origin  = "https://login.example.org"
	account = "account-1" // the user handle, and the account whose authenticator it is
)

var (
	creation = []byte("challenge of the registration...")
	handle   = []byte("handle") // State of the attempts of authtest too
)

func newFactor() *Factor {
	return &Factor{RPID: rpID, RPName: "Example", Origins: []string{origin}}
}

func passkey(seed string) webauthntest.Authenticator {
	return webauthntest.New(seed, rpID, origin, account)
}

func securityKey(seed string) webauthntest.Authenticator {
	return webauthntest.NewKey(seed, rpID, origin, account)
}

// rsaKey is made once: it takes longer than all else here.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func binding(registration []byte) auth.Binding {
	return auth.Binding{Account: "alice", Issuer: "Example", Registration: registration, Challenge: creation, User: account}
}

// register binds the passkey and returns it as a store would.
func register(t testing.TB, f *Factor, w webauthntest.Authenticator) auth.Authenticator {
	t.Helper()
	b, err := f.Bind(t.Context(), binding(w.Register(creation)))
	if err != nil {
		t.Fatal(err)
	}
	return auth.Authenticator{ID: "authenticator-1", Account: account, Factor: name, State: b.State, Mark: b.Mark}
}

func verify(t testing.TB, f *Factor, a auth.Authenticator, state, answer []byte) auth.Finding {
	t.Helper()
	found, err := f.Verify(t.Context(), a, auth.Attempt{
		Evidence: []auth.Evidence{auth.Assertion(answer)}, State: state, Can: auth.Can{Passkey: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func assert(w webauthntest.Authenticator) []byte { return w.Assert(auth.AssertionChallenge(handle)) }

// A security key counts: each answer of its is good once. A synchronized
// passkey does not: the State it answers is spent by the store.
func TestConformance(t *testing.T) {
	for what, w := range map[string]webauthntest.Authenticator{
		"a security key":            securityKey("one"),
		"a passkey":                 passkey("one"),
		"a security key of Ed25519": securityKey("one").WithEd25519("one"),
	} {
		t.Run(what, func(t *testing.T) {
			f := newFactor()
			counts := w.Count > 0
			authtest.TestFactor(t, authtest.FactorCase{
				Factor:  f,
				Binding: binding(w.Register(creation)),
				Right: func(_ auth.Bound, n int) (auth.Evidence, time.Time) {
					w := w
					if counts {
						w.Count += uint32(n) + 1
					}
					return auth.Assertion(assert(w)), authtest.Epoch
				},
				Wrong: func(auth.Bound) []auth.Evidence {
					w := w
					if counts {
						w.Count++
					}
					right := string(assert(w))
					other := passkey("two")
					other.ID = w.ID
					return []auth.Evidence{
						auth.Assertion(""), auth.Assertion("{}"), auth.Assertion("null"), auth.Assertion("123456"),
						auth.Assertion(right[:len(right)-1]), auth.Assertion(right + "{}"),
						auth.Assertion(w.Register(auth.AssertionChallenge(handle))),
						auth.Assertion(w.Assert(creation)),
						auth.Assertion(w.Assert(handle)),
						auth.Assertion(assert(passkey("two"))),
						auth.Assertion(assert(other)),
						auth.Assertion(strings.Repeat("[", 1<<20)),
					}
				},
				Foreign: []auth.Evidence{
					auth.PasskeyWanted{},
					auth.Password("password"), auth.Password(assert(w)),
					auth.Code("123456"), auth.Code(assert(w)),
				},
				OneTime: counts,
			})
		})
	}
}

func TestEveryAlgorithmOfTheList(t *testing.T) {
	rs256 := passkey("rs256")
	rs256.Key = rsaKey()
	for what, w := range map[string]webauthntest.Authenticator{
		"ES256": passkey("es256"), "EdDSA": passkey("eddsa").WithEd25519("eddsa"), "RS256": rs256,
	} {
		for _, format := range []string{"none", "packed"} {
			t.Run(what+" "+format, func(t *testing.T) {
				f := newFactor()
				w.Format = format
				a := register(t, f, w)
				if found := verify(t, f, a, handle, assert(w)); !found.Match() {
					t.Errorf("right answer: %v", found)
				}
				other := passkey("other")
				other.ID = w.ID
				if found := verify(t, f, a, handle, assert(other)); found.Match() || found.Outcome() != auth.PasskeyWrong {
					t.Errorf("another key's answer under this credential's ID: %v", found)
				}
			})
		}
	}
}

// Each row is a valid answer with one thing changed: the check of that thing is
// all that stands between it and a match (Web Authentication Level 3, Section
// 7.2).
func TestEachCheckOfAnAssertion(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *webauthntest.Authenticator)
	}{
		{"type of a registration", func(w *webauthntest.Authenticator) { w.Type = webauthntest.Create }},
		{"no type that exists", func(w *webauthntest.Authenticator) { w.Type = "payment.get" }},
		{"origin of another host", func(w *webauthntest.Authenticator) { w.Origin = "https://login.example.com" }},
		{"origin of a host above", func(w *webauthntest.Authenticator) { w.Origin = "https://example.org" }},
		{"origin of a host below", func(w *webauthntest.Authenticator) { w.Origin = "https://evil.login.example.org" }},
		{"origin of another port", func(w *webauthntest.Authenticator) { w.Origin = origin + ":8443" }},
		{"origin without TLS", func(w *webauthntest.Authenticator) { w.Origin = "http://login.example.org" }},
		{"origin with a path", func(w *webauthntest.Authenticator) { w.Origin = origin + "/a" }},
		{"origin with a user", func(w *webauthntest.Authenticator) { w.Origin = "https://a@login.example.org" }},
		{"origin in upper case", func(w *webauthntest.Authenticator) { w.Origin = "https://LOGIN.example.org" }},
		{"origin null", func(w *webauthntest.Authenticator) { w.Origin = "null" }},
		{"no origin", func(w *webauthntest.Authenticator) { w.Origin = "" }},
		{"in a frame", func(w *webauthntest.Authenticator) { w.CrossOrigin = true }},
		{"in a frame of somebody", func(w *webauthntest.Authenticator) { w.CrossOrigin, w.TopOrigin = true, "https://evil.example" }},
		{"in a frame of ours", func(w *webauthntest.Authenticator) { w.CrossOrigin, w.TopOrigin = true, origin }},
		{"a top origin without a frame", func(w *webauthntest.Authenticator) { w.TopOrigin = "https://evil.example" }},
		{"another relying party", func(w *webauthntest.Authenticator) { w.RPID = "example.com" }},
		{"a relying party above", func(w *webauthntest.Authenticator) { w.RPID = "example.org" }},
		{"nobody there", func(w *webauthntest.Authenticator) { w.Flags &^= webauthntest.UserPresent }},
		{"nobody verified", func(w *webauthntest.Authenticator) { w.Flags &^= webauthntest.UserVerified }},
		{"backed up though it cannot be", func(w *webauthntest.Authenticator) { w.Flags |= webauthntest.BackedUp }},
		{"suddenly able to be backed up", func(w *webauthntest.Authenticator) { w.Flags |= webauthntest.BackupEligible }},
		{"suddenly backed up", func(w *webauthntest.Authenticator) {
			w.Flags |= webauthntest.BackupEligible | webauthntest.BackedUp
		}},
		{"another person's handle", func(w *webauthntest.Authenticator) { w.User = "account-2" }},
		{"no handle", func(w *webauthntest.Authenticator) { w.User = "" }},
		{"another credential", func(w *webauthntest.Authenticator) { w.ID = []byte("another") }},
		{"another key", func(w *webauthntest.Authenticator) { w.Key = passkey("another").Key }},
		{"another algorithm", func(w *webauthntest.Authenticator) { *w = w.WithEd25519("another") }},
		{"a count that stands still", func(w *webauthntest.Authenticator) { w.Count = 41 }},
		{"a count that went back", func(w *webauthntest.Authenticator) { w.Count = 40 }},
		{"a count that vanished", func(w *webauthntest.Authenticator) { w.Count = 0 }},
		{"extensions announced that are not there", func(w *webauthntest.Authenticator) { w.Flags |= webauthntest.Extended }},
		{"octets that nothing announced", func(w *webauthntest.Authenticator) { w.Extensions = []byte{0xa0} }},
	}
	f := newFactor()
	w := securityKey("one")
	w.Count = 41
	a := register(t, f, w)
	if a.Mark != 41 {
		t.Fatalf("the mark of a key that has counted to 41 is %d", a.Mark)
	}
	w.Count = 42
	if found := verify(t, f, a, handle, assert(w)); !found.Match() || found.Mark() != 42 || found.Next() != nil {
		t.Fatalf("unchanged: %v with mark %d", found, found.Mark())
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := w
			tt.change(&w)
			found := verify(t, f, a, handle, assert(w))
			want := auth.PasskeyWrong
			if strings.HasPrefix(tt.name, "a count") {
				want = auth.PasskeyCopied
			}
			if found.Match() || found.Outcome() != want || found.Next() != nil {
				t.Errorf("%v, next state %t; want a mismatch with %v that changes nothing", found, found.Next() != nil, want)
			}
		})
	}
	t.Run("the challenge of another State", func(t *testing.T) {
		if found := verify(t, f, a, []byte("another"), assert(w)); found.Match() || found.Outcome() != auth.PasskeyWrong {
			t.Errorf("%v", found)
		}
	})
	t.Run("the challenge of no State", func(t *testing.T) {
		// Everybody can compute it, and it would never be spent.
		if found := verify(t, f, a, nil, w.Assert(auth.AssertionChallenge(nil))); found.Match() || found.Outcome() != auth.PasskeyWrong {
			t.Errorf("%v", found)
		}
	})
	t.Run("the State itself", func(t *testing.T) {
		if found := verify(t, f, a, handle, w.Assert(handle)); found.Match() {
			t.Errorf("%v", found)
		}
	})
	t.Run("moved to another account", func(t *testing.T) {
		moved := a
		moved.Account = "account-2"
		if found := verify(t, f, moved, handle, assert(w)); found.Match() {
			t.Errorf("%v", found)
		}
	})
	t.Run("any octet of the signature", func(t *testing.T) {
		for i := range 8 {
			answer := edit(t, assert(w), "signature", func(b []byte) []byte {
				b[len(b)-1-i] ^= 1
				return b
			})
			if found := verify(t, f, a, handle, answer); found.Match() {
				t.Errorf("octet %d from the end: %v", i, found)
			}
		}
	})
	t.Run("signed octets that were changed", func(t *testing.T) {
		for field, from := range map[string]int{"authenticatorData": 36, "clientDataJSON": 10} {
			answer := edit(t, assert(w), field, func(b []byte) []byte {
				b[from] ^= 1
				return b
			})
			if found := verify(t, f, a, handle, answer); found.Match() {
				t.Errorf("%s: %v", field, found)
			}
		}
	})
}

// edit changes the octets of one member of an answer's response.
func edit(t *testing.T, answer []byte, field string, change func([]byte) []byte) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(answer, &whole); err != nil {
		t.Fatal(err)
	}
	response, ok := whole["response"].(map[string]any)
	if !ok {
		t.Fatalf("an answer without response: %s", answer)
	}
	text, ok := response[field].(string)
	if !ok {
		t.Fatalf("an answer without %s: %s", field, answer)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	response[field] = encode(change(b))
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// CVE-2026-39831 of golang.org/x/crypto: the flag of user presence was not
// looked at. All 256 combinations are tried, at a key that can be backed up and
// at one that cannot.
func TestEveryCombinationOfFlags(t *testing.T) {
	f := newFactor()
	for _, eligible := range []bool{false, true} {
		w := securityKey("one")
		if eligible {
			w.Flags |= webauthntest.BackupEligible
		}
		a := register(t, f, w)
		w.Count++
		for flags := range 256 {
			w := w
			w.Flags = byte(flags)
			if w.Flags&webauthntest.Extended != 0 {
				w.Extensions = []byte{0xa0} // an empty map
			}
			has := func(bits byte) bool { return w.Flags&bits == bits }
			want := has(webauthntest.UserPresent|webauthntest.UserVerified) &&
				has(webauthntest.BackupEligible) == eligible && (eligible || !has(webauthntest.BackedUp))
			found := verify(t, f, a, handle, assert(w))
			if found.Match() != want {
				t.Errorf("eligible %t, flags %08b: %v; want match %t", eligible, flags, found, want)
			}
			if moved := found.Next() != nil; moved != (want && has(webauthntest.BackedUp)) {
				t.Errorf("eligible %t, flags %08b: new state %t; only a new Backup-State is one", eligible, flags, moved)
			}
		}
	}
}

// A passkey that was synchronized since it was registered, and one that is so no
// longer, are kept as what they are now; nothing else of the state moves.
func TestBackupStateIsKept(t *testing.T) {
	f := newFactor()
	w := passkey("one")
	w.Flags &^= webauthntest.BackedUp
	a := register(t, f, w)
	for _, backedUp := range []bool{true, false, true} {
		w.Flags ^= webauthntest.BackedUp
		found := verify(t, f, a, handle, assert(w))
		if !found.Match() || found.Next() == nil || found.Mark() != auth.NoMark {
			t.Fatalf("backed up %t: %v, new state %t, mark %d", backedUp, found, found.Next() != nil, found.Mark())
		}
		before, err := decode(a.State)
		if err != nil {
			t.Fatal(err)
		}
		after, err := decode(found.Next())
		if err != nil {
			t.Fatal(err)
		}
		if after.Flags.HasBackupState() != backedUp {
			t.Errorf("flags kept are %#x; want backed up %t", byte(after.Flags), backedUp)
		}
		after.Flags = before.Flags
		if same, err := after.encode(); err != nil || !bytes.Equal(same, a.State) {
			t.Errorf("more than the flags moved (%v)", err)
		}
		a.State = found.Next()
		if again := verify(t, f, a, handle, assert(w)); !again.Match() || again.Next() != nil {
			t.Errorf("the same again: %v, new state %t", again, again.Next() != nil)
		}
	}
}

// A credential registered before it counted may begin to; from then on it must.
func TestCountsNeverGoBack(t *testing.T) {
	f := newFactor()
	rapid.Check(t, func(rt *rapid.T) {
		w := securityKey("one")
		w.Count = uint32(rapid.IntRange(0, 3).Draw(rt, "registered"))
		a := register(t, f, w)
		newest := w.Count
		for range rapid.IntRange(1, 8).Draw(rt, "answers") {
			w.Count = rapid.SampledFrom([]uint32{0, 1, 2, 3, 4, 5, 1 << 31, 1<<32 - 1}).Draw(rt, "count")
			want := w.Count > newest || w.Count == 0 && newest == 0
			found := verify(t, f, a, handle, assert(w))
			if found.Match() != want {
				rt.Fatalf("count %d after %d: %v; want match %t", w.Count, newest, found, want)
			}
			if !want {
				continue
			}
			if newest = w.Count; newest > 0 && found.Mark() != int64(newest) || newest == 0 && found.Mark() != a.Mark {
				rt.Fatalf("count %d moved the mark to %d", newest, found.Mark())
			}
			a.Mark = found.Mark()
		}
	})
}

// CVE-2025-26788 of StrongKey: a login for one name took the key of another. All
// pairs of a sample are tried, with the handle of either.
func TestPasskeysOpenNoOtherAccount(t *testing.T) {
	const accounts = 6
	f := newFactor()
	var holders [accounts]auth.Authenticator
	var keys [accounts]webauthntest.Authenticator
	for i := range accounts {
		keys[i] = webauthntest.New(fmt.Sprint(i), rpID, origin, fmt.Sprint("account-", i))
		b := binding(keys[i].Register(creation))
		b.User = keys[i].User
		bound, err := f.Bind(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		holders[i] = auth.Authenticator{ID: fmt.Sprint(i), Account: keys[i].User, Factor: name, State: bound.State, Mark: bound.Mark}
	}
	for i, a := range holders {
		for j, w := range keys {
			for k := range keys {
				w.User = keys[k].User
				if got, want := verify(t, f, a, handle, assert(w)).Match(), i == j && j == k; got != want {
					t.Fatalf("key of account %d with the handle of %d, on account %d: match %t", j, k, i, got)
				}
			}
		}
	}
}

// Each row is a valid registration with one thing changed (Section 7.1).
func TestEachCheckOfARegistration(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		says   string // what the person is told
		change func(w *webauthntest.Authenticator)
	}{
		{"type of an assertion", "add up", func(w *webauthntest.Authenticator) { w.Type = webauthntest.Get }},
		{"origin of another host", "another address", func(w *webauthntest.Authenticator) { w.Origin = "https://login.example.com" }},
		{"origin of another port", "another address", func(w *webauthntest.Authenticator) { w.Origin = origin + ":8443" }},
		{"origin with a path", "another address", func(w *webauthntest.Authenticator) { w.Origin = origin + "/a" }},
		{"no origin", "another address", func(w *webauthntest.Authenticator) { w.Origin = "" }},
		{"in a frame", "inside a page", func(w *webauthntest.Authenticator) { w.CrossOrigin = true }},
		{"in a frame of ours", "inside a page", func(w *webauthntest.Authenticator) { w.CrossOrigin, w.TopOrigin = true, origin }},
		{"a top origin without a frame", "inside a page", func(w *webauthntest.Authenticator) { w.TopOrigin = origin }},
		{"another relying party", "add up", func(w *webauthntest.Authenticator) { w.RPID = "example.com" }},
		{"nobody there", "nobody touched", func(w *webauthntest.Authenticator) { w.Flags &^= webauthntest.UserPresent }},
		{"nobody verified", "set a PIN", func(w *webauthntest.Authenticator) { w.Flags &^= webauthntest.UserVerified }},
		{"backed up though it cannot be", "backed up", func(w *webauthntest.Authenticator) { w.Flags &^= webauthntest.BackupEligible }},
		{"an algorithm that is not listed", "ES256, EdDSA and RS256", func(w *webauthntest.Authenticator) { w.Key = p384 }},
		{"an algorithm that is not the key's", "cannot be read", func(w *webauthntest.Authenticator) { w.Algorithm = webauthntest.RS256 }},
		{"an RSA key that claims to be another", "ES256, EdDSA and RS256", func(w *webauthntest.Authenticator) {
			w.Key, w.Algorithm = rsaKey(), webauthntest.ES256
		}},
		{"a short RSA key", "1024 bits", func(w *webauthntest.Authenticator) { w.Key = small }},
		{"no credential ID", "cannot be read", func(w *webauthntest.Authenticator) { w.ID = nil }},
		{"a credential ID too long", "cannot be read", func(w *webauthntest.Authenticator) { w.ID = make([]byte, 1024) }},
		{"extensions announced that are not there", "cannot be read", func(w *webauthntest.Authenticator) { w.Flags |= webauthntest.Extended }},
	}
	f := newFactor()
	bind := func(b auth.Binding) error {
		_, err := f.Bind(t.Context(), b)
		return err
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := passkey("one")
			tt.change(&w)
			if err := bind(binding(w.Register(creation))); !errors.Is(err, auth.ErrBind) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Bind: %v; want ErrBind that says %q", err, tt.says)
			}
		})
	}
	w := passkey("one")
	right := w.Register(creation)
	object := func(change func([]byte) []byte) []byte { return edit(t, right, "attestationObject", change) }
	packed := w
	packed.Format = "packed"
	for what, b := range map[string]auth.Binding{
		"another challenge":       {Registration: right, Challenge: []byte("challenge of another registration"), User: account},
		"a challenge cut short":   {Registration: w.Register(creation[:15]), Challenge: creation[:15], User: account},
		"no challenge":            {Registration: w.Register(nil), User: account},
		"no user":                 {Registration: right, Challenge: creation},
		"a user handle too long":  {Registration: right, Challenge: creation, User: strings.Repeat("u", 65)},
		"no registration":         binding(nil),
		"an assertion":            binding(w.Assert(creation)),
		"more behind it":          binding(append(bytes.Clone(right), '{')),
		"an attestation cut off":  binding(object(func(b []byte) []byte { return b[:len(b)-1] })),
		"octets behind it":        binding(object(func(b []byte) []byte { return append(b, 0) })),
		"another format":          binding(object(func(b []byte) []byte { return bytes.Replace(b, []byte("dnone"), []byte("ctpm"), 1) })),
		"a format nobody knows":   binding(object(func(b []byte) []byte { return bytes.Replace(b, []byte("none"), []byte("nine"), 1) })),
		"another ID than it says": binding(object(func(b []byte) []byte { return bytes.Replace(b, w.ID, passkey("two").ID, 1) })),
		"a self-attestation with another signature": binding(edit(t, packed.Register(creation), "attestationObject", func(b []byte) []byte {
			data := bytes.Index(b, []byte("hauthData"))
			b[data-1] ^= 1
			return b
		})),
		"64 KiB of brackets": binding(bytes.Repeat([]byte("["), maxAnswer)),
		"more than 64 KiB":   binding(append(bytes.Clone(right), bytes.Repeat([]byte(" "), maxAnswer)...)),
	} {
		if err := bind(b); !errors.Is(err, auth.ErrBind) {
			t.Errorf("%s: %v; want ErrBind", what, err)
		}
	}
	late := binding(right)
	late.Challenge = []byte("challenge of a later registration")
	if err := bind(late); err == nil || !strings.Contains(err.Error(), "start again") {
		t.Errorf("a late answer: %v; want words that say what to do", err)
	}
	for _, w := range []webauthntest.Authenticator{w, packed} {
		if err := bind(binding(w.Register(creation))); err != nil {
			t.Errorf("unchanged, format %q: %v", w.Format, err)
		}
	}
}

func TestZeroFactorBindsAndAcceptsNothing(t *testing.T) {
	w := webauthntest.New("one", "", "", account)
	if _, err := (&Factor{}).Bind(t.Context(), binding(w.Register(creation))); !errors.Is(err, auth.ErrBind) {
		t.Errorf("Bind: %v", err)
	}
	a := register(t, newFactor(), passkey("one"))
	if found := verify(t, &Factor{}, a, handle, assert(w)); found.Match() {
		t.Errorf("Verify: %v", found)
	}
}

// What a passkey says of itself is kept, all of it.
func TestWhatIsKept(t *testing.T) {
	w := passkey("one")
	w.AAGUID = [16]byte{0xea, 0x9b, 0x8d, 0x66}
	w.Transports = []string{"internal", "hybrid", "internal", "carrier-pigeon", "\x00"}
	a := register(t, newFactor(), w)
	s, err := decode(a.State)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Credential, w.ID) || !bytes.Equal(s.Key, w.PublicKey()) || !bytes.Equal(s.AAGUID, w.AAGUID[:]) {
		t.Errorf("credential %x, key %x, AAGUID %x", s.Credential, s.Key, s.AAGUID)
	}
	if byte(s.Flags) != w.Flags || strings.Join(s.Transports, " ") != "hybrid internal" || a.Mark != auth.NoMark {
		t.Errorf("flags %#x, transports %q, mark %d", byte(s.Flags), s.Transports, a.Mark)
	}
	if !bytes.Contains(s.Attestation, w.ID) || !bytes.HasPrefix(s.Attestation, []byte("\xa3\x63fmt\x64none")) {
		t.Errorf("attestation object %x", s.Attestation)
	}
}

func TestStatesThatCannotBe(t *testing.T) {
	a := register(t, newFactor(), passkey("one"))
	right, err := decode(a.State)
	if err != nil {
		t.Fatal(err)
	}
	change := func(edit func(s *state)) string {
		s := right
		edit(&s)
		b, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	es384 := passkey("one")
	if es384.Key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	text := string(a.State)
	for what, given := range map[string]string{
		"no credential ID":         change(func(s *state) { s.Credential = nil }),
		"a long credential ID":     change(func(s *state) { s.Credential = make([]byte, 1024) }),
		"no key":                   change(func(s *state) { s.Key = nil }),
		"a key of another list":    change(func(s *state) { s.Key = es384.PublicKey() }),
		"a key cut off":            change(func(s *state) { s.Key = s.Key[:len(s.Key)-1] }),
		"a point not on the curve": change(func(s *state) { s.Key = append(bytes.Clone(s.Key[:len(s.Key)-1]), s.Key[len(s.Key)-1]^1) }),
		"no AAGUID":                change(func(s *state) { s.AAGUID = nil }),
		"a person not verified":    change(func(s *state) { s.Flags &^= protocol.FlagUserVerified }),
		"backed up against nature": change(func(s *state) { s.Flags &^= protocol.FlagBackupEligible }),
		"flags of a layout":        change(func(s *state) { s.Flags |= protocol.FlagAttestedCredentialData }),
		"too many transports":      change(func(s *state) { s.Transports = make([]string, 9) }),
		"white space":              text + " ",
		"an unknown field":         strings.Replace(text, "{", `{"x":1,`, 1),
		"a second value":           text + text,
	} {
		if _, err := decode(auth.Secret(given)); err == nil {
			t.Errorf("%s: decode accepts it", what)
		}
	}
}

// JSON of the two dictionaries of Section 5.1 (parseCreationOptionsFromJSON,
// parseRequestOptionsFromJSON).
func TestOptions(t *testing.T) {
	f := newFactor()
	have := register(t, f, passkey("one"))
	got, err := f.CreationOptions(creation, account, "alice", "Alice Example", []auth.Authenticator{
		{Factor: "oath", State: auth.Secret("not ours")}, have,
	})
	if err != nil {
		t.Fatal(err)
	}
	id := passkey("one").ID
	want := `{"rp":{"name":"Example","id":"login.example.org"},` +
		`"user":{"name":"alice","displayName":"Alice Example","id":"` + encode([]byte(account)) + `"},` +
		`"challenge":"` + encode(creation) + `",` +
		`"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-257}],` +
		`"timeout":300000,` +
		`"excludeCredentials":[{"type":"public-key","id":"` + encode(id) + `","transports":["hybrid","internal"]}],` +
		`"authenticatorSelection":{"requireResidentKey":true,"residentKey":"required","userVerification":"required"},` +
		`"attestation":"none"}`
	if string(got) != want {
		t.Errorf("CreationOptions = %s\nwant %s", got, want)
	}
	got, err = f.RequestOptions(creation)
	want = `{"challenge":"` + encode(creation) + `","timeout":300000,"rpId":"login.example.org","userVerification":"required"}`
	if string(got) != want || err != nil {
		t.Errorf("RequestOptions = %s, %v\nwant %s", got, err, want)
	}
}

func TestOptionsThatCannotBeMade(t *testing.T) {
	f := newFactor()
	bad := auth.Authenticator{ID: "a1", Factor: name, State: auth.Secret("{}")}
	for what, call := range map[string]func() error{
		"creation: a short challenge": func() error { _, err := f.CreationOptions(creation[:15], account, "a", "a", nil); return err },
		"creation: no user":           func() error { _, err := f.CreationOptions(creation, "", "a", "a", nil); return err },
		"creation: a long user": func() error {
			_, err := f.CreationOptions(creation, strings.Repeat("u", 65), "a", "a", nil)
			return err
		},
		"creation: a broken state": func() error {
			_, err := f.CreationOptions(creation, account, "a", "a", []auth.Authenticator{bad})
			return err
		},
		"creation: no RP ID":         func() error { _, err := (&Factor{}).CreationOptions(creation, account, "a", "a", nil); return err },
		"request: a short challenge": func() error { _, err := f.RequestOptions(creation[:15]); return err },
		"request: no RP ID":          func() error { _, err := (&Factor{}).RequestOptions(creation); return err },
	} {
		if err := call(); err == nil || !strings.HasPrefix(err.Error(), "webauthn: ") {
			t.Errorf("%s: %v; want an error of this package", what, err)
		}
	}
}

// The test vectors of Web Authentication Level 3, Section 16
// (https://www.w3.org/TR/webauthn-3/#sctn-test-vectors): what authenticators that
// are none of ours say, and which of them are good enough for us.
func TestVectorsOfTheStandard(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Section, Credential string
		Create              struct {
			Challenge         string
			ClientData        string `json:"client_data"`
			AttestationObject string `json:"attestation_object"`
		}
		Get struct {
			Challenge         string
			ClientData        string `json:"client_data"`
			AuthenticatorData string `json:"authenticator_data"`
			Signature         string
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		bind   string // what the person is told, "" if it is bound
		signed bool   // that the assertion is right
	}{
		"16.2 None Attestation - ES256":                      {"set a PIN", false},
		"16.3 Self Attestation (Packed) - ES256":             {"", false}, // its assertion verified nobody
		"16.4 None Attestation - ES256 - Cross Origin":       {"inside a page", false},
		"16.5 None Attestation - ES256 - Top Origin":         {"inside a page", false},
		"16.6 None Attestation - ES256 - Long Credential ID": {"set a PIN", false},
		"16.7 Packed Attestation - ES256":                    {"", true},
		"16.8 Packed Attestation - ES384":                    {"set a PIN", false},
		"16.10 Packed Attestation - RS256":                   {"", false}, // its assertion verified nobody
		"16.11 Packed Attestation - EdDSA":                   {"set a PIN", false},
		"16.12 TPM":                                          {"statement of its maker", false},
	}
	if len(vectors) != len(want) {
		t.Errorf("%d vectors, want %d", len(vectors), len(want))
	}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	again := func(s string) string { return encode(raw(s)) }
	answer := func(id string, response map[string]any) []byte {
		b, err := json.Marshal(map[string]any{
			"id": again(id), "rawId": again(id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response,
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	f := &Factor{RPID: "example.org", RPName: "Example", Origins: []string{"https://example.org"}}
	for _, v := range vectors {
		t.Run(v.Section, func(t *testing.T) {
			want, ok := want[v.Section]
			if !ok {
				t.Fatal("nothing is said of it")
			}
			bound, err := f.Bind(t.Context(), auth.Binding{
				Registration: answer(v.Credential, map[string]any{
					"clientDataJSON": again(v.Create.ClientData), "attestationObject": again(v.Create.AttestationObject),
				}),
				Challenge: raw(v.Create.Challenge), User: account,
			})
			if want.bind == "" && err != nil || want.bind != "" && (!errors.Is(err, auth.ErrBind) || !strings.Contains(err.Error(), want.bind)) {
				t.Fatalf("Bind: %v; want %q", err, want.bind)
			}
			if err != nil {
				return
			}
			s, err := decode(bound.State)
			if err != nil {
				t.Fatal(err)
			}
			got, err := protocol.ParseCredentialRequestResponseBytes(answer(v.Credential, map[string]any{
				"clientDataJSON": again(v.Get.ClientData), "authenticatorData": again(v.Get.AuthenticatorData), "signature": again(v.Get.Signature),
			}))
			if err != nil {
				t.Fatal(err)
			}
			if signed := f.signed(got, s.Key, raw(v.Get.Challenge)); signed != want.signed {
				t.Errorf("signed = %t, want %t", signed, want.signed)
			}
			if challenge := raw(v.Get.Challenge); f.signed(got, s.Key, append(challenge[:len(challenge)-1:len(challenge)-1], challenge[len(challenge)-1]^1)) {
				t.Error("it answers another challenge, too")
			}
		})
	}
}

// FuzzAssertion checks that nothing matches but what the passkey signed: an
// answer that matches carries the signed octets of the right one.
func FuzzAssertion(f *testing.F) {
	factor := newFactor()
	w := securityKey("one")
	a := register(f, factor, w)
	w.Count++
	right := assert(w)
	f.Add(right)
	f.Add(w.Register(auth.AssertionChallenge(handle)))
	f.Add(assert(passkey("two")))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":""}}`))
	f.Add([]byte(`null`))
	f.Add(bytes.Replace(right, []byte(`"type":"public-key"`), []byte(`"type":"public-key","clientExtensionResults":{"appid":true}`), 1))
	signed := func(answer []byte) (string, bool) {
		p, err := protocol.ParseCredentialRequestResponseBytes(answer)
		if err != nil {
			return "", false
		}
		sum := sha256.Sum256(append(append([]byte(nil), p.Raw.AssertionResponse.AuthenticatorData...), p.Raw.AssertionResponse.ClientDataJSON...))
		return string(sum[:]), true
	}
	want, ok := signed(right)
	if !ok {
		f.Fatal("the right answer cannot be read")
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		found := verify(t, factor, a, handle, answer)
		if !found.Match() {
			if found.Outcome() != auth.PasskeyWrong || found.Next() != nil {
				t.Fatalf("a mismatch is %v, new state %t", found, found.Next() != nil)
			}
			return
		}
		if got, ok := signed(answer); !ok || got != want {
			t.Fatalf("an answer matches that the passkey did not sign: %q", answer)
		}
		if found.Mark() != int64(w.Count) {
			t.Fatalf("a match moves the mark to %d", found.Mark())
		}
	})
}

// FuzzRegistration checks that what Bind takes is whole: its state can be read,
// it is for our challenge, and it verified its person.
func FuzzRegistration(f *testing.F) {
	factor := newFactor()
	w := passkey("one")
	f.Add(w.Register(creation))
	f.Add(w.WithEd25519("one").Register(creation))
	w.Format = "packed"
	f.Add(w.Register(creation))
	w.Key, w.Format = rsaKey(), "none"
	f.Add(w.Register(creation))
	f.Add(w.Assert(creation))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		b, err := factor.Bind(context.Background(), binding(answer))
		if err != nil {
			if !errors.Is(err, auth.ErrBind) {
				t.Fatalf("Bind: %v; want ErrBind", err)
			}
			return
		}
		s, err := decode(b.State)
		if err != nil {
			t.Fatalf("Bind made a state that cannot be read: %v", err)
		}
		if !s.Flags.HasUserVerified() || !s.Flags.HasUserPresent() {
			t.Fatalf("Bind took a passkey with flags %#x", byte(s.Flags))
		}
		if p, err := protocol.ParseCredentialCreationResponseBytes(answer); err != nil || p.Response.CollectedClientData.Challenge != encode(creation) {
			t.Fatalf("Bind took an answer to another challenge (%v)", err)
		}
	})
}

// FuzzState checks that a state that can be read is written the same again, and
// that none makes Verify panic.
func FuzzState(f *testing.F) {
	factor := newFactor()
	w := passkey("one")
	f.Add([]byte(register(f, factor, w).State))
	f.Add([]byte(register(f, factor, securityKey("one").WithEd25519("one")).State))
	f.Add([]byte(`{"credential":"AA==","key":"","flags":5,"aaguid":""}`))
	f.Add([]byte(`null`))
	right := assert(w)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b)
		at := auth.Attempt{Evidence: []auth.Evidence{auth.Assertion(right)}, State: handle}
		found, failed := factor.Verify(context.Background(), auth.Authenticator{ID: "a", Account: account, State: b, Mark: auth.NoMark}, at)
		if err != nil {
			if failed == nil {
				t.Fatalf("a state that cannot be read gives %v", found)
			}
			return
		}
		if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("decode and encode make %q of %q (%v)", again, b, err)
		}
		if found.Match() && (!bytes.Equal(s.Credential, w.ID) || !bytes.Equal(s.Key, w.PublicKey())) {
			t.Fatal("the passkey's answer matches another credential")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFactor()
	rs256 := passkey("rs256")
	rs256.Key = rsaKey()
	w := passkey("one")
	real := register(b, f, w)
	for what, c := range map[string]struct {
		a auth.Authenticator
		w webauthntest.Authenticator
	}{
		"right answer":         {real, w},
		"answer of another":    {real, passkey("two")},
		"decoy, right answer":  {f.Decoy(), w},
		"right answer, EdDSA":  {register(b, f, w.WithEd25519("one")), w.WithEd25519("one")},
		"right answer, RS256":  {register(b, f, rs256), rs256},
		"answer of a wrong RP": {real, webauthntest.New("one", "example.com", origin, account)},
	} {
		b.Run(what, func(b *testing.B) {
			at := auth.Attempt{Evidence: []auth.Evidence{auth.Assertion(assert(c.w))}, State: handle}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Verify(b.Context(), c.a, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
