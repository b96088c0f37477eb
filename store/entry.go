package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"sallyport/auth"
	"sallyport/seal"
)

// An entry is what the cache keeps of one subject. Everything that only
// administrators change is packed into one string: kept as structures, the
// facts of 100,000 accounts would be several hundred thousand objects for the
// garbage collector and three times the memory. Unpacked strings are parts of
// the packed one and cost nothing; states stay sealed in it.
type entry struct {
	packed string // "" for a name that no account has

	subject string      // its key in the cache
	at      int32       // place in the cache's ring
	used    atomic.Bool // asked for since the cache's hand came by

	// Guarded by Store.mu, and moved by the committer.
	version  int64
	throttle counts
	marks    []int64 // one for each authenticator in packed
	shared   *shared // what a Postgres keeps beside; nil in a Store
}

// settle brings what moves to a settlement's version: its marks and counts. The
// store's mu must be held.
func (e *entry) settle(st *auth.Settlement, version int64) {
	for i := range st.Spend {
		sp := &st.Spend[i]
		if sp.Mark == auth.NoMark {
			continue
		}
		if place := e.place(sp.Authenticator); place >= 0 {
			e.marks[place] = max(e.marks[place], sp.Mark)
		}
	}
	if st.Throttle != nil {
		e.throttle = countsOf(st.Throttle)
	}
	e.version = version
}

// counts is an auth.Throttle as it is kept.
type counts struct {
	knowFailures, haveFailures int32
	knowUntil, haveUntil       int64 // microseconds
}

func countsOf(t *auth.Throttle) counts {
	return counts{
		knowFailures: int32(t.Know.Failures), knowUntil: micros(t.Know.Until),
		haveFailures: int32(t.Have.Failures), haveUntil: micros(t.Have.Until),
	}
}

func (c counts) throttle() auth.Throttle {
	return auth.Throttle{
		Know: auth.Count{Failures: int(c.knowFailures), Until: timeOf(c.knowUntil)},
		Have: auth.Count{Failures: int(c.haveFailures), Until: timeOf(c.haveUntil)},
	}
}

// A sealedAuthenticator is an authenticator with its state still sealed.
type sealedAuthenticator struct {
	auth.Authenticator // State is nil
	sealed             []byte
}

const (
	flagEnabled = 1 << iota
	flagBlocked
)

const flagRewound = 1 // of an authenticator

// pack packs an account and its authenticators.
func pack(a *auth.Account, held []sealedAuthenticator) string {
	b := make([]byte, 0, 512)
	b = packString(b, a.ID)
	b = packString(b, a.Name)
	b = packStrings(b, a.Aliases)
	b = packStrings(b, a.Groups)
	var flags byte
	if a.Enabled {
		flags |= flagEnabled
	}
	if a.Blocked {
		flags |= flagBlocked
	}
	b = append(b, flags)
	b = packString(b, a.BlockReason)
	b = packString(b, a.Role)
	b = binary.AppendVarint(b, micros(a.BlockedUntil))
	b = binary.AppendVarint(b, micros(a.Created))
	b = binary.AppendUvarint(b, uint64(len(held)))
	for i := range held {
		h := &held[i]
		b = packString(b, h.ID)
		b = packString(b, h.Factor)
		b = packString(b, h.Label)
		b = packString(b, h.Serial)
		b = binary.AppendVarint(b, micros(h.Created))
		var flags byte
		if h.Rewound {
			flags |= flagRewound
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(len(h.sealed)))
		b = append(b, h.sealed...)
	}
	return string(b)
}

func packString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func packStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = packString(b, s)
	}
	return b
}

// An unpacker reads what pack has written, from front to back. It panics on
// anything else, which would be a mistake in this file.
type unpacker string

func (u *unpacker) uvarint() uint64 {
	var v uint64
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		c := (*u)[i]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			*u = (*u)[i+1:]
			return v
		}
	}
}

func (u *unpacker) varint() int64 {
	v := u.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (u *unpacker) octet() byte {
	c := (*u)[0]
	*u = (*u)[1:]
	return c
}

func (u *unpacker) string() string {
	n := u.uvarint()
	s := string((*u)[:n])
	*u = (*u)[n:]
	return s
}

func (u *unpacker) strings() []string {
	n := u.uvarint()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = u.string()
	}
	return list
}

// account unpacks the account and leaves u at its authenticators.
func (u *unpacker) account() *auth.Account {
	a := &auth.Account{ID: u.string(), Name: u.string(), Aliases: u.strings(), Groups: u.strings()}
	flags := u.octet()
	a.Enabled, a.Blocked = flags&flagEnabled != 0, flags&flagBlocked != 0
	a.BlockReason, a.Role = u.string(), u.string()
	a.BlockedUntil = timeOf(u.varint())
	a.Created = timeOf(u.varint())
	return a
}

// skipAccount leaves u at the authenticators.
func (u *unpacker) skipAccount() {
	u.string()
	u.string()
	for range 2 {
		for n := u.uvarint(); n > 0; n-- {
			u.string()
		}
	}
	u.octet()
	u.string()
	u.string()
	u.varint()
	u.varint()
}

// authenticator unpacks the next authenticator without its state, which it
// returns sealed.
func (u *unpacker) authenticator(a *auth.Authenticator) (sealed string) {
	a.ID, a.Factor, a.Label, a.Serial = u.string(), u.string(), u.string(), u.string()
	a.Created = timeOf(u.varint())
	a.Rewound = u.octet()&flagRewound != 0
	return u.string()
}

// facts unpacks e into f, opening the states. marks are those of e, copied
// while Store.mu was held.
func (e *entry) facts(ring *seal.Keyring, marks []int64, f *auth.Facts) error {
	if e.packed == "" {
		return nil
	}
	u := unpacker(e.packed)
	f.Account = u.account()
	n := int(u.uvarint())
	if n == 0 {
		return nil
	}
	f.Authenticators = make([]auth.Authenticator, n)
	// One array for all opened states, and one for the sealed one in work.
	open := make([]byte, 0, max(len(u)-n*seal.Overhead, 0))
	work := sealedBuffers.Get().(*[]byte)
	defer sealedBuffers.Put(work)
	for i := range f.Authenticators {
		a := &f.Authenticators[i]
		a.Account = f.Account.ID
		a.Mark = marks[i]
		*work = append((*work)[:0], u.authenticator(a)...)
		start := len(open)
		var err error
		if open, err = ring.OpenAppend(open, stateBinding(a.ID), *work); err != nil {
			return fmt.Errorf("open state of authenticator %s: %w", a.ID, err)
		}
		a.State = auth.Secret(open[start:len(open):len(open)])
	}
	return nil
}

var sealedBuffers = sync.Pool{New: func() any { return new([]byte) }}

// place returns where in marks the mark of an authenticator is, -1 if the
// entry does not hold it.
func (e *entry) place(authenticator string) int {
	if e.packed == "" {
		return -1
	}
	u := unpacker(e.packed)
	u.skipAccount()
	var a auth.Authenticator
	for i := range int(u.uvarint()) {
		u.authenticator(&a)
		if a.ID == authenticator {
			return i
		}
	}
	return -1
}

// named reports whether name is one of the account's.
func named(a *auth.Account, name string) bool {
	return a.Name == name || slices.Contains(a.Aliases, name)
}

func stateBinding(id string) seal.Binding {
	return seal.Binding{Table: "authenticator", Column: "state", ID: id}
}

func bodyBinding(ceremony string) seal.Binding {
	return seal.Binding{Table: "ceremony", Column: "body", ID: ceremony}
}

func secretsBinding(id string) seal.Binding {
	return seal.Binding{Table: "client", Column: "secrets", ID: id}
}
