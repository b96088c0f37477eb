package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// MAC returns HMAC-SHA-256 (RFC 2104) under a key that derives from the root
// key for this purpose alone. The same database and purpose give the same
// function for ever: on every node, after every restart and both rotations.
//
// It serves where a stored value must be matched or ordered but not read: names
// that no account has, references. The function may be called concurrently.
// Keep it, because making it costs more than calling it.
func (r *Keyring) MAC(purpose string) func(message []byte) [32]byte {
	key := derive(r.keys.Load().root, nil, "sallyport mac 1\x00"+purpose)
	states := sync.Pool{New: func() any { return &macState{hash: hmac.New(sha256.New, key)} }}
	return func(message []byte) [32]byte {
		s := states.Get().(*macState)
		defer states.Put(s)
		s.hash.Reset()
		s.hash.Write(message)
		s.hash.Sum(s.sum[:0])
		return s.sum
	}
}

// A macState is reused from call to call, to allocate nothing.
type macState struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}
