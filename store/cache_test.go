package store

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"sallyport/auth"
)

// TestCache checks, against any sequence of uses, that the cache never holds
// more than it may, finds what it holds by subject and by every name, and
// forgets all names of what it has removed.
func TestCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		c := newCache(limit)
		check := func(t *rapid.T) {
			if len(c.ring) > limit || len(c.subjects) != len(c.ring) || len(c.absent) > limit {
				t.Fatalf("%d in the ring, %d by subject, %d absent; limit %d", len(c.ring), len(c.subjects), len(c.absent), limit)
			}
			for i, e := range c.ring {
				if int(e.at) != i || c.subjects[e.subject] != e {
					t.Fatalf("entry %d says it is %d of %q", i, e.at, e.subject)
				}
			}
			for name, e := range c.names {
				u := unpacker(e.packed)
				if c.subjects[e.subject] != e || !named(u.account(), name) {
					t.Fatalf("name %q leads to an entry of %q that is not in the cache or has no such name", name, e.subject)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": check,
			"add an account": func(t *rapid.T) {
				n := rapid.IntRange(0, 9).Draw(t, "account")
				a := auth.Account{
					ID: fmt.Sprint(n), Name: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name"),
					Aliases: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "e", "f"}), 0, 2).Draw(t, "aliases"),
				}
				e := &entry{packed: pack(&a, nil)}
				c.add(a.ID, &a, e)
				for _, name := range append(a.Aliases, a.Name) {
					if c.names[name] != e {
						t.Fatalf("name %q does not lead to the account just added", name)
					}
				}
			},
			"add an unknown": func(t *rapid.T) {
				c.add(fmt.Sprint("?", rapid.IntRange(0, 9).Draw(t, "unknown")), nil, &entry{})
				c.miss(rapid.StringN(1, 2, 4).Draw(t, "absent"), 1)
			},
			"use": func(t *rapid.T) {
				if e := c.subjects[fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "account"))]; e != nil {
					e.use()
				}
			},
			"drop": func(t *rapid.T) {
				subject := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "account"))
				c.drop(subject)
				if c.subjects[subject] != nil {
					t.Fatalf("%q is still there", subject)
				}
			},
		})
	})
}

// TestCacheFlood checks that names which come only once do not push out
// accounts that are in use.
func TestCacheFlood(t *testing.T) {
	c := newCache(20)
	for i := range 10 {
		a := auth.Account{ID: fmt.Sprint(i), Name: fmt.Sprint("user", i)}
		c.add(a.ID, &a, &entry{packed: pack(&a, nil)})
	}
	for i := range 10_000 {
		for j := range 10 {
			if e := c.subjects[fmt.Sprint(j)]; e != nil {
				e.use()
			}
		}
		c.add(fmt.Sprint("?", i), nil, &entry{})
	}
	for j := range 10 {
		if c.names[fmt.Sprint("user", j)] == nil {
			t.Errorf("account %d was pushed out", j)
		}
	}
}
