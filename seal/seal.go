// Package seal encrypts secrets at rest, bound to the record they belong to,
// with key rotation. It hides ciphers, nonces, key files, wrapping and formats
// behind Seal and Open.
//
// Three layers of keys. The key-encryption key (KEK) is in a file outside the
// database. It wraps a root key and data keys, which the database keeps. From
// the newest data key each process derives a sealing key of its own, and with
// it seals records by AES-256-GCM (NIST SP 800-38D) under random nonces. The
// table, column and record that a secret belongs to are additional data: what
// was copied to another row does not open there.
//
// GCM with random nonces allows 2^32 messages under one key (SP 800-38D,
// Section 8.3). Counting them over restarts and nodes would cost a durable
// counter. Instead the sealing key is HKDF (RFC 5869) of the data key with a
// random 128-bit salt that travels in the header of each record. No other
// process uses it, so the count in memory is exact, and after 2^32 records the
// process takes a new salt. The limit holds by itself, and no seal is refused.
//
// Both rotations are online. A new KEK re-wraps the keys and touches no record
// (Rewrap). A new data key (NewKeys, Reload) seals from then on; the old ones
// still open, and Reseal moves records over one by one.
//
// Out of reach: an administrator of the running machine, who can read the key
// file and this process's memory; and putting back an old value of the same
// record, which the store's versions must notice.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Errors that a caller acts on. Each says only what was found; the error that
// wraps it says where.
var (
	// ErrWrongKey means that the key file is not the one under which the keys
	// in the database are wrapped. The server must not start.
	ErrWrongKey = errors.New("wrong key-encryption key")

	// ErrUnknownKey means that a record was sealed under a data key that this
	// Keyring has not loaded, for instance one that another node has added.
	// Read the wrapped keys again, Reload, and try once more.
	ErrUnknownKey = errors.New("sealed under a data key that is not loaded")

	// ErrTampered means that what is in the database was changed, cut short,
	// or moved here from another record. It is never the fault of the claimant.
	ErrTampered = errors.New("changed, cut short, or belonging to another record")
)

// A sealed record:
//
//	version (1) | data key ID (4) | salt (16) | nonce (12) | ciphertext | tag (16)
const (
	sealVersion = 1
	saltSize    = 16
	headerSize  = 1 + 4 + saltSize
	gcmOverhead = 12 + 16 // random nonce and tag

	// Overhead is how many octets longer a sealed secret is than the secret.
	Overhead = headerSize + gcmOverhead

	// sealsPerKey is the limit of SP 800-38D, Section 8.3, for random nonces.
	sealsPerKey = 1 << 32

	// openersKept bounds the memory for derived keys, about 1 KiB each. There
	// is one for each process start whose records are still around; beyond
	// that, opening costs a derivation again.
	openersKept = 4096
)

// A Binding names the place that a secret belongs to. A secret opens only with
// the Binding that it was sealed with. Every part must be given. The parts are
// not secret and appear in errors.
type Binding struct {
	Table  string
	Column string
	ID     string // the record's key; for a compound key, any injective spelling of it
}

// A Keyring seals and opens. All methods may be called concurrently. It holds
// unwrapped keys, not the KEK, and prints as "hidden".
type Keyring struct {
	hidden
	limit uint64 // seals allowed per derived key

	keys    atomic.Pointer[keySet]
	sealing atomic.Pointer[sealer]
	change  sync.Mutex // held while keys or sealing are replaced

	// mu guards openers: AEADs by record header. Only headers of records that
	// did open are kept, so made-up ones cannot fill it.
	mu      sync.RWMutex
	openers map[header]cipher.AEAD
}

type header [headerSize]byte

func (h header) keyID() uint32 { return binary.BigEndian.Uint32(h[1:]) }

// A sealer is the sealing key in use.
type sealer struct {
	header header
	aead   cipher.AEAD
	used   atomic.Uint64
}

// NewKeyring unwraps the keys that the database holds. It returns ErrWrongKey
// if they are wrapped under another KEK, and ErrTampered if one was changed or
// one that is always there is missing. An empty list is refused: a new
// database gets its first keys from NewKeys.
func NewKeyring(kek KEK, wrapped [][]byte) (*Keyring, error) {
	keys, err := kek.unwrapSet(wrapped)
	if err != nil {
		return nil, err
	}
	r := &Keyring{limit: sealsPerKey, openers: make(map[header]cipher.AEAD)}
	r.keys.Store(keys)
	r.sealing.Store(newSealer(keys))
	return r, nil
}

// Reload learns the keys that were added to the database since, by this node
// or another; from then on the newest data key seals. Keys that are loaded
// stay loaded. On error nothing has changed; it returns the errors of
// NewKeyring, and refuses the keys of another database.
func (r *Keyring) Reload(kek KEK, wrapped [][]byte) error {
	read, err := kek.unwrapSet(wrapped)
	if err != nil {
		return err
	}
	r.change.Lock()
	defer r.change.Unlock()
	keys, err := r.keys.Load().union(read)
	if err != nil {
		return err
	}
	// In this order: what the sealer seals, this Keyring can open.
	r.keys.Store(keys)
	if r.sealing.Load().header.keyID() != keys.newest.id {
		r.sealing.Store(newSealer(keys))
	}
	return nil
}

// Seal encrypts plaintext for the place that b names.
func (r *Keyring) Seal(b Binding, plaintext []byte) ([]byte, error) {
	return r.SealAppend(make([]byte, 0, Overhead+len(plaintext)), b, plaintext)
}

// SealAppend appends the sealed plaintext to dst. They must not overlap.
func (r *Keyring) SealAppend(dst []byte, b Binding, plaintext []byte) ([]byte, error) {
	if !b.complete() {
		return nil, b.fault("seal", errIncomplete)
	}
	s := r.sealer()
	context := contexts.Get().(*[]byte)
	defer contexts.Put(context)
	*context = b.appendContext((*context)[:0], &s.header)
	return s.aead.Seal(append(dst, s.header[:]...), nil, plaintext, *context), nil
}

// Open returns the secret that was sealed for the place that b names. It
// returns ErrTampered if sealed is anything else, and ErrUnknownKey if it names
// a data key that is not loaded.
func (r *Keyring) Open(b Binding, sealed []byte) ([]byte, error) {
	return r.OpenAppend(make([]byte, 0, max(0, len(sealed)-Overhead)), b, sealed)
}

// OpenAppend is Open, appending the secret to dst; with room for it there, it
// allocates nothing. dst and sealed must not overlap. On error, what was in
// dst is untouched, and nothing of the secret is in the room behind it.
func (r *Keyring) OpenAppend(dst []byte, b Binding, sealed []byte) ([]byte, error) {
	if !b.complete() {
		return nil, b.fault("open", errIncomplete)
	}
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return nil, b.fault("open", ErrTampered)
	}
	h := header(sealed)
	aead, kept := r.opener(h)
	if aead == nil {
		return nil, b.fault("open", ErrUnknownKey)
	}
	context := contexts.Get().(*[]byte)
	defer contexts.Put(context)
	*context = b.appendContext((*context)[:0], &h)
	plaintext, err := aead.Open(dst, nil, sealed[headerSize:], *context)
	if err != nil {
		return nil, b.fault("open", ErrTampered)
	}
	if !kept {
		r.keepOpener(h, aead)
	}
	return plaintext, nil
}

// NeedsReseal reports whether sealed is under another data key than the
// newest, without opening it.
func (r *Keyring) NeedsReseal(sealed []byte) bool {
	return len(sealed) < headerSize || header(sealed).keyID() != r.keys.Load().newest.id
}

// Reseal moves a record to the newest data key. If its header says that it is
// there already, changed is false and newSealed is sealed, unopened. Otherwise
// it returns the errors of Open.
//
// The caller writes newSealed back on the condition that the record still
// holds sealed, or a login in between would be undone.
func (r *Keyring) Reseal(b Binding, sealed []byte) (newSealed []byte, changed bool, err error) {
	if !b.complete() {
		return nil, false, b.fault("reseal", errIncomplete)
	}
	if !r.NeedsReseal(sealed) {
		return sealed, false, nil
	}
	plaintext, err := r.Open(b, sealed)
	if err != nil {
		return nil, false, err
	}
	defer clear(plaintext)
	newSealed, err = r.Seal(b, plaintext)
	if err != nil {
		return nil, false, err
	}
	return newSealed, true, nil
}

// sealer returns a sealing key with one use of it counted.
func (r *Keyring) sealer() *sealer {
	for {
		s := r.sealing.Load()
		if s.used.Add(1) <= r.limit {
			return s
		}
		r.change.Lock()
		if r.sealing.Load() == s { // nobody else has replaced it meanwhile
			r.sealing.Store(newSealer(r.keys.Load()))
		}
		r.change.Unlock()
	}
}

func newSealer(keys *keySet) *sealer {
	s := &sealer{}
	s.header[0] = sealVersion
	binary.BigEndian.PutUint32(s.header[1:], keys.newest.id)
	rand.Read(s.header[headerSize-saltSize:])
	s.aead = deriveAEAD(keys.newest.key, s.header)
	return s
}

// opener returns the AEAD for records with this header, and whether it was
// kept from before; nil if the data key is not loaded.
func (r *Keyring) opener(h header) (aead cipher.AEAD, kept bool) {
	r.mu.RLock()
	aead, kept = r.openers[h]
	r.mu.RUnlock()
	if kept {
		return aead, true
	}
	key := r.keys.Load().data[h.keyID()]
	if key == nil {
		return nil, false
	}
	return deriveAEAD(key, h), false
}

func (r *Keyring) keepOpener(h header, aead cipher.AEAD) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.openers) >= openersKept {
		clear(r.openers)
	}
	r.openers[h] = aead
}

func deriveAEAD(dataKey secret, h header) cipher.AEAD {
	return newAEAD((*[keySize]byte)(derive(dataKey, h[headerSize-saltSize:], "sallyport seal 1")))
}

// derive is HKDF-SHA-256 (RFC 5869) for one key of our size.
func derive(key secret, salt []byte, info string) []byte {
	out, err := hkdf.Key(sha256.New, key()[:], salt, info, keySize)
	if err != nil {
		panic("seal: HKDF refused constant lengths: " + err.Error()) // not possible for these sizes
	}
	return out
}

func newAEAD(key *[keySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic("seal: AES-256-GCM refused a key of its own size: " + err.Error()) // not possible
}

// contexts spares an allocation for each call: additional data escapes through
// the AEAD interface. Nothing in it is secret.
var contexts = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}

// appendContext writes the additional data: header and place, each part with
// its length, so that no two places are spelled the same.
func (b Binding) appendContext(dst []byte, h *header) []byte {
	dst = append(dst, h[:]...)
	for _, part := range [...]string{b.Table, b.Column, b.ID} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return dst
}

var errIncomplete = errors.New("table, column and record ID must all be given")

func (b Binding) complete() bool { return b.Table != "" && b.Column != "" && b.ID != "" }

func (b Binding) fault(doing string, cause error) error {
	return fmt.Errorf("seal: %s %s.%s of record %q: %w", doing, b.Table, b.Column, b.ID, cause)
}
