package kdf

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// ErrBusy says that no lane became free in time. Nothing was hashed.
var ErrBusy = errors.New("no lane free in time")

// Lanes bound how many hashes are computed at the same time in a process. One
// hash takes tens of milliseconds of a core and its memory in full: without a
// bound, a burst of logins takes all of both, and logins that need no hash
// wait behind it.
//
// The zero Lanes, like a nil *Lanes, has no lane and is always busy. All
// methods may be called concurrently.
type Lanes struct {
	slots  chan struct{}
	wait   time.Duration
	hashes atomic.Uint64
}

// NewLanes returns n lanes, at least one, for which a caller waits no longer
// than wait. Keep wait well below the time after which clients give up: what
// is computed later is computed for nobody.
func NewLanes(n int, wait time.Duration) *Lanes {
	return &Lanes{slots: make(chan struct{}, max(n, 1)), wait: wait}
}

// A Lane is the right to hash, until the function that it was handed to
// returns.
type Lane struct{ of *Lanes }

// Do waits for a lane and runs f in it, in the caller's goroutine. It returns
// nil if f has run. Otherwise f has not run, and the error wraps ErrBusy if no
// lane became free in time, and ctx.Err() if ctx ended first (ErrBusy too, if
// its deadline passed in the queue).
func (l *Lanes) Do(ctx context.Context, f func(Lane)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kdf: %w", err)
	}
	if l == nil {
		return fmt.Errorf("kdf: %w", ErrBusy)
	}
	if err := l.enter(ctx); err != nil {
		return fmt.Errorf("kdf: wait for a lane: %w", err)
	}
	defer func() { <-l.slots }()
	f(Lane{l})
	return nil
}

func (l *Lanes) enter(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
		return ctx.Err()
	}
}

// Hashes returns how many hashes of Lane.Argon2id have been computed so far.
// Two ways through a factor take the same time only if they compute the same
// number of them, which tests can compare where they cannot compare time.
func (l *Lanes) Hashes() uint64 {
	if l == nil {
		return 0
	}
	return l.hashes.Load()
}

// Argon2id hashes secret, whole and whatever octets it has, to size octets
// (RFC 9106, Section 3). p must pass Check. It cannot be interrupted.
func (l Lane) Argon2id(p Params, secret, salt []byte, size int) []byte {
	l.of.hashes.Add(1)
	return argon2.IDKey(secret, salt, uint32(p.Iterations), uint32(p.MemoryKiB), uint8(p.Parallelism), uint32(size))
}
