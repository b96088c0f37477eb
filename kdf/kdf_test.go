package kdf

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// small keeps tests fast; nothing in the code depends on the size.
var small = Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

// Hashes made with the reference implementation of the argon2 authors (version
// 1.3), from the tests that it ships.
func TestArgon2idAgreesWithTheReferenceImplementation(t *testing.T) {
	tests := []struct {
		params       Params
		secret, salt string
		want         string
	}{
		{Params{65536, 2, 1}, "password", "somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"},
		{Params{256, 2, 1}, "password", "somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"},
		{Params{256, 2, 2}, "password", "somesalt", "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"},
		{Params{65536, 2, 1}, "differentpassword", "somesalt", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"},
		{Params{65536, 2, 1}, "password", "diffsalt", "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"},
	}
	lanes := NewLanes(1, time.Minute)
	for _, tt := range tests {
		err := lanes.Do(t.Context(), func(l Lane) {
			if got := hex.EncodeToString(l.Argon2id(tt.params, []byte(tt.secret), []byte(tt.salt), 32)); got != tt.want {
				t.Errorf("Argon2id(%+v, %q, %q) = %s, want %s", tt.params, tt.secret, tt.salt, got, tt.want)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := lanes.Hashes(); got != uint64(len(tests)) {
		t.Errorf("Hashes() = %d after %d hashes", got, len(tests))
	}
}

func TestParseReadsWhatPHCWrites(t *testing.T) {
	want := Hash{Params: Default, Salt: []byte("0123456789abcdef"), Key: bytes.Repeat([]byte{0xfb}, 32)}
	text := want.PHC()
	if text != "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s" {
		t.Errorf("PHC() = %s", text)
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	if got.Params != want.Params || !bytes.Equal(got.Salt, want.Salt) || !bytes.Equal(got.Key, want.Key) {
		t.Errorf("Parse(%s) gives other values than were written", text)
	}
}

const salt, key = "MDEyMzQ1Njc4OWFiY2RlZg", "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s"

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, phc string }{
		{"nothing", ""},
		{"another algorithm", "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key},
		{"the version before RFC 9106", "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key},
		{"no version", "$argon2id$m=64,t=1,p=1$" + salt + "$" + key},
		{"costs in another order", "$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + key},
		{"a key identifier", "$argon2id$v=19$m=64,t=1,p=1,keyid=AA$" + salt + "$" + key},
		{"a leading zero", "$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + key},
		{"a sign", "$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + key},
		{"zero passes", "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key},
		{"less memory than 8*p", "$argon2id$v=19$m=64,t=1,p=9$" + salt + "$" + key},
		{"a terabyte", "$argon2id$v=19$m=999999999,t=1,p=1$" + salt + "$" + key},
		{"a number past all machines", "$argon2id$v=19$m=99999999999999999999,t=1,p=1$" + salt + "$" + key},
		{"256 MiB and a bit", "$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + key},
		{"17 passes", "$argon2id$v=19$m=64,t=17,p=1$" + salt + "$" + key},
		{"17 threads", "$argon2id$v=19$m=4096,t=1,p=17$" + salt + "$" + key},
		{"much memory and many passes", "$argon2id$v=19$m=262144,t=3,p=1$" + salt + "$" + key},
		{"a salt of 7 octets", "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Ng$" + key},
		{"a key of 15 octets", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$+/v7+/v7+/v7+/v7+/v7"},
		{"no key", "$argon2id$v=19$m=64,t=1,p=1$" + salt},
		{"a key that goes on", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "$"},
		{"padding", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "="},
		{"a line break in the key", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$+/v7\n" + key[4:]},
		{"a line break at the end", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "\n"},
		{"bits beyond the last octet", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key[:len(key)-1] + "t"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.phc)
			if err == nil {
				t.Fatalf("Parse(%q) accepts it", tt.phc)
			}
			for _, secret := range []string{salt, key} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q gives away the salt or the key", err)
				}
			}
		})
	}
}

func TestBelow(t *testing.T) {
	tests := []struct {
		p    Params
		want bool
	}{
		{Default, false},
		{Params{Default.MemoryKiB - 1, 2, 1}, true},
		{Params{Default.MemoryKiB, 1, 1}, true},
		{Params{Default.MemoryKiB * 2, 3, 1}, false},
		{Params{Default.MemoryKiB, 2, 4}, false}, // threads make it no harder to guess
	}
	for _, tt := range tests {
		if got := tt.p.Below(Default); got != tt.want {
			t.Errorf("%+v.Below(Default) = %t, want %t", tt.p, got, tt.want)
		}
	}
}

func TestHashPrintsHidden(t *testing.T) {
	h := Hash{Params: small, Salt: []byte("SALTSALT"), Key: []byte("KEYKEYKEYKEYKEYK")}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "h", h)
	js, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", h, h, h, h, h, h), log.String(), string(js)} {
		if strings.Contains(s, "KEY") || strings.Contains(s, "4b4559") || strings.Contains(s, "SALT") || strings.Contains(s, "S0VZ") {
			t.Errorf("a hash prints as %s", s)
		}
	}
}

func TestNeverMoreHashersThanLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		lanes := NewLanes(n, time.Minute)
		var inside, most, ran atomic.Int64
		for range 40 {
			go func() {
				err := lanes.Do(t.Context(), func(Lane) {
					now := inside.Add(1)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
					time.Sleep(time.Second) // on the bubble's clock
					inside.Add(-1)
					ran.Add(1)
				})
				if err != nil {
					t.Errorf("Do: %v", err)
				}
			}()
		}
		time.Sleep(time.Hour)
		if most.Load() != n || ran.Load() != 40 {
			t.Errorf("%d ran at once and %d in all; want %d and 40", most.Load(), ran.Load(), n)
		}
	})
}

// full returns one lane that is taken until release is called.
func full(t *testing.T, wait time.Duration) (l *Lanes, release func()) {
	t.Helper()
	l = NewLanes(1, wait)
	taken, done := make(chan struct{}), make(chan struct{})
	go func() {
		if err := l.Do(context.Background(), func(Lane) { close(taken); <-done }); err != nil {
			t.Error(err)
		}
	}()
	<-taken
	return l, func() { close(done) }
}

func TestWaitingEnds(t *testing.T) {
	t.Run("after the longest wait: busy, and no fault of the caller's context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, release := full(t, 2*time.Second)
			defer release()
			start := time.Now()
			err := l.Do(t.Context(), func(Lane) { t.Error("f ran") })
			if !errors.Is(err, ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Do = %v, want ErrBusy alone", err)
			}
			if waited := time.Since(start); waited != 2*time.Second {
				t.Errorf("waited %v, want 2s", waited)
			}
		})
	})
	t.Run("at the caller's deadline: busy, and the context's end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, release := full(t, time.Minute)
			defer release()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := l.Do(ctx, func(Lane) { t.Error("f ran") })
			if !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Do = %v, want ErrBusy and context.DeadlineExceeded", err)
			}
		})
	})
	t.Run("when the caller gives up: that alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, release := full(t, time.Minute)
			defer release()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			err := l.Do(ctx, func(Lane) { t.Error("f ran") })
			if errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
				t.Errorf("Do = %v, want context.Canceled", err)
			}
		})
	})
	t.Run("before it begins, if the context has ended, even with a lane free", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := NewLanes(1, time.Minute).Do(ctx, func(Lane) { t.Error("f ran") })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Do = %v, want context.Canceled", err)
		}
	})
	t.Run("at once, if there are no lanes", func(t *testing.T) {
		for _, l := range []*Lanes{nil, {}} {
			if err := l.Do(t.Context(), func(Lane) { t.Error("f ran") }); !errors.Is(err, ErrBusy) {
				t.Errorf("Do = %v, want ErrBusy", err)
			}
		}
	})
}

// A lane must not be lost to a panic that somebody above recovers from.
func TestPanicGivesTheLaneBack(t *testing.T) {
	l := NewLanes(1, 0)
	func() {
		defer func() { _ = recover() }()
		_ = l.Do(t.Context(), func(Lane) { panic("in the lane") })
	}()
	if err := l.Do(t.Context(), func(Lane) {}); err != nil {
		t.Errorf("after a panic in the only lane, Do = %v", err)
	}
}

// FuzzPHC checks that a text that Parse accepts means one thing, that writing
// it again gives back the text, and that its costs are within bounds.
func FuzzPHC(f *testing.F) {
	f.Add(Hash{Params: Default, Salt: []byte("0123456789abcdef"), Key: bytes.Repeat([]byte{7}, 32)}.PHC())
	f.Add("$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key)
	f.Add("$argon2id$v=19$m=262144,t=2,p=16$" + salt + "$" + key)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$" + salt + "$" + key)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$" + salt + "\n$" + key)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$$")
	f.Add("$6$rounds=1000$abc$def")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		if got := h.PHC(); got != text {
			t.Errorf("Parse(%q).PHC() = %q", text, got)
		}
		if h.MemoryKiB > 256<<10 || h.MemoryKiB*h.Iterations > 512<<10 || h.Parallelism > 16 || h.MemoryKiB < 8 || h.Iterations < 1 || h.Parallelism < 1 {
			t.Errorf("Parse(%q) lets costs %+v through", text, h.Params)
		}
		if len(h.Salt) < 8 || len(h.Key) < 16 {
			t.Errorf("Parse(%q): salt of %d octets, key of %d", text, len(h.Salt), len(h.Key))
		}
	})
}

func BenchmarkArgon2id(b *testing.B) {
	l := NewLanes(1, time.Minute)
	for _, p := range []Params{small, Default} {
		b.Run(fmt.Sprintf("m=%d,t=%d,p=%d", p.MemoryKiB, p.Iterations, p.Parallelism), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Do(b.Context(), func(lane Lane) {
					lane.Argon2id(p, []byte("correct horse battery staple"), []byte("0123456789abcdef"), 32)
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := Hash{Params: Default, Salt: make([]byte, 16), Key: make([]byte, 32)}.PHC()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
