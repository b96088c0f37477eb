package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
)

// A wrapped key, as the database keeps it:
//
//	version (1) | kind (1) | KEK ID (4) | generation (4) | key ID (4) | nonce (12) | key (32) | tag (16)
//
// Everything before the nonce is the additional data, so a wrapped key cannot
// be passed off as another kind, as newer than it is, or under another ID.
const (
	wrapVersion    = 1
	wrapHeaderSize = 1 + 1 + idSize + 4 + 4
	wrappedSize    = wrapHeaderSize + gcmOverhead + keySize

	kindRoot = 'r' // MAC keys derive from it; there is one, and it never changes
	kindData = 'd' // sealing keys derive from it; the newest is in use, all may open

	wrapLabel = "sallyport wrapped key"
)

// A plainKey is what a wrapped key holds.
type plainKey struct {
	kind       byte
	generation uint32 // 1, 2, 3 ... as data keys are added
	id         uint32 // random; records name the data key they need by it
	key        secret
}

func newPlainKey(kind byte, generation uint32) plainKey {
	var id [4]byte
	rand.Read(id[:])
	k := plainKey{kind: kind, generation: generation, id: binary.BigEndian.Uint32(id[:]), key: newSecret()}
	rand.Read(k.key()[:])
	return k
}

// NewKeys makes the keys that a database needs next, wrapped under kek. If
// wrapped is empty, that is a root key and the first data key; otherwise it is
// one more data key, newer than all of wrapped (rotation of the data key).
//
// wrapped must be all that the database holds. The caller inserts what is
// added in the transaction that read wrapped, and only after the commit gives
// both to NewKeyring or Reload: so nothing is ever sealed under a key that a
// crash could lose. It returns ErrWrongKey or ErrTampered if kek does not
// unwrap what is there, having made nothing.
func NewKeys(kek KEK, wrapped [][]byte) (added [][]byte, err error) {
	if len(wrapped) == 0 {
		root, err := kek.wrap(newPlainKey(kindRoot, 0))
		if err != nil {
			return nil, err
		}
		data, err := kek.wrap(newPlainKey(kindData, 1))
		if err != nil {
			return nil, err
		}
		return [][]byte{root, data}, nil
	}
	have, err := kek.unwrapSet(wrapped)
	if err != nil {
		return nil, err
	}
	if have.newest.generation == math.MaxUint32 {
		return nil, errors.New("seal: add a data key: the generations are used up")
	}
	next := newPlainKey(kindData, have.newest.generation+1)
	for have.data[next.id] != nil { // one in 2^32 for each key there is
		next = newPlainKey(kindData, next.generation)
	}
	data, err := kek.wrap(next)
	if err != nil {
		return nil, err
	}
	return [][]byte{data}, nil
}

// Rewrap turns keys wrapped under from into the same keys wrapped under to,
// in the same order (rotation of the key-encryption key). No sealed record
// changes. The caller replaces them in the transaction that read them, and
// keeps the old key file until no backup needs it.
//
// It returns ErrWrongKey or ErrTampered if from does not unwrap them all.
func Rewrap(from, to KEK, wrapped [][]byte) ([][]byte, error) {
	if _, err := from.unwrapSet(wrapped); err != nil {
		return nil, err
	}
	out := make([][]byte, len(wrapped))
	for i, w := range wrapped {
		k, err := from.unwrap(w)
		if err != nil {
			return nil, err
		}
		if out[i], err = to.wrap(k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (k KEK) wrap(p plainKey) ([]byte, error) {
	if k.key == nil {
		return nil, fmt.Errorf("seal: wrap a key: no key-encryption key was given: %w", ErrWrongKey)
	}
	id := k.id()
	out := make([]byte, 0, wrappedSize)
	out = append(out, wrapVersion, p.kind)
	out = append(out, id[:]...)
	out = binary.BigEndian.AppendUint32(out, p.generation)
	out = binary.BigEndian.AppendUint32(out, p.id)
	return newAEAD(k.key()).Seal(out, nil, p.key()[:], wrapContext(out)), nil
}

func (k KEK) unwrap(wrapped []byte) (plainKey, error) {
	if k.key == nil {
		return plainKey{}, fmt.Errorf("seal: unwrap a key: no key-encryption key was given: %w", ErrWrongKey)
	}
	if len(wrapped) != wrappedSize || wrapped[0] != wrapVersion {
		return plainKey{}, fmt.Errorf("seal: unwrap a key: it has %d octets and is not in the format of this release: %w", len(wrapped), ErrTampered)
	}
	header, sealed := wrapped[:wrapHeaderSize], wrapped[wrapHeaderSize:]
	id := k.id()
	if under := header[2 : 2+idSize]; !bytes.Equal(under, id[:]) {
		return plainKey{}, fmt.Errorf("seal: unwrap a key: this database is sealed under key %s, the key file holds %s; "+
			"name the file that holds %[1]s: %[3]w", hex.EncodeToString(under), k.ID(), ErrWrongKey)
	}
	p := plainKey{
		kind:       header[1],
		generation: binary.BigEndian.Uint32(header[2+idSize:]),
		id:         binary.BigEndian.Uint32(header[2+idSize+4:]),
		key:        newSecret(),
	}
	key, err := newAEAD(k.key()).Open(p.key()[:0], nil, sealed, wrapContext(header))
	if err != nil || len(key) != keySize || (p.kind != kindRoot && p.kind != kindData) {
		return plainKey{}, fmt.Errorf("seal: unwrap a key: %w", ErrTampered)
	}
	return p, nil
}

func wrapContext(header []byte) []byte {
	return append([]byte(wrapLabel+"\x00"), header...)
}

// A keySet is everything that the wrapped keys of one database hold. It is
// read-only once made.
type keySet struct {
	root   secret
	data   map[uint32]secret // by key ID
	newest plainKey
}

func (k KEK) unwrapSet(wrapped [][]byte) (*keySet, error) {
	if len(wrapped) == 0 {
		return nil, errors.New("seal: unwrap keys: there are none; a new database gets its first from NewKeys, and an old one must not be without")
	}
	s := &keySet{data: make(map[uint32]secret, len(wrapped))}
	for _, w := range wrapped {
		p, err := k.unwrap(w)
		if err != nil {
			return nil, err
		}
		if p.kind == kindRoot {
			if s.root != nil && *s.root() != *p.key() {
				return nil, fmt.Errorf("seal: unwrap keys: there are two root keys: %w", ErrTampered)
			}
			s.root = p.key
		} else if err := s.add(p); err != nil {
			return nil, err
		}
	}
	// Never replaced by a new one: every MAC made so far would be void.
	if s.root == nil || len(s.data) == 0 {
		return nil, fmt.Errorf("seal: unwrap keys: of %d wrapped keys none is the root key, or none a data key; restore those rows from a backup: %w",
			len(wrapped), ErrTampered)
	}
	return s, nil
}

func (s *keySet) add(p plainKey) error {
	if have := s.data[p.id]; have != nil && *have() != *p.key() {
		return fmt.Errorf("seal: unwrap keys: two data keys have the ID %08x: %w", p.id, ErrTampered)
	}
	s.data[p.id] = p.key
	if s.newest.key == nil || p.newerThan(s.newest) {
		s.newest = p
	}
	return nil
}

// newerThan orders data keys. Two nodes may have added one at the same time;
// the ID then breaks the tie, the same way on every node.
func (p plainKey) newerThan(q plainKey) bool {
	return p.generation > q.generation || p.generation == q.generation && p.id > q.id
}

// union returns the keys of both. Keys are only ever added, so that a list read
// a moment too early cannot take a newer key away from us.
func (s *keySet) union(other *keySet) (*keySet, error) {
	if *s.root() != *other.root() {
		return nil, errors.New("seal: reload keys: these are the keys of another database; their root key differs from the one in use")
	}
	u := &keySet{root: s.root, data: maps.Clone(s.data), newest: s.newest}
	for id, key := range other.data {
		if have := u.data[id]; have != nil && *have() != *key() {
			return nil, fmt.Errorf("seal: reload keys: data key %08x is not the one in use: %w", id, ErrTampered)
		}
		u.data[id] = key
	}
	if other.newest.newerThan(u.newest) {
		u.newest = other.newest
	}
	return u, nil
}
